"""The demo board: drawn pictures whose tags say what is in them."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from tqdm import tqdm

from ..errors import BadInput
from ..hydrate.previews import preview_path
from ..store.files import write_atomic
from .export import Post, export, make_posts
from .render import render
from .stories import plan

FEWEST_POSTS = 60  # of a board that has one of everything
JPEG_QUALITY = 88
_WORTH_TWO = 200  # pictures for which it pays to start a second process


def make_board(out: Path, posts: int = 2000, seed: int = 0, progress: bool = True) -> None:
    """Write a board of drawn pictures as the site would export it.

    The same seed and size give the same bytes. The tables are written last, so a
    board whose tables are there is complete.

    Parameters
    ----------
    out : directory; gets `posts.csv.gz`, `tags.csv.gz`, `tag_aliases.csv.gz`,
        `tag_implications.csv.gz`, `pools.csv.gz`, and the pictures under
        `data/preview/ab/cd/{md5}.jpg`.
    posts : rows of the table of posts, deleted ones included; at least 60.
    progress : whether to show a bar.

    Raises
    ------
    BadInput : for too few posts, or where `out` cannot be written.
    """
    if posts < FEWEST_POSTS:
        least = f"expected {FEWEST_POSTS} or more"
        raise BadInput(f"a demo board of {posts} posts: {least}; ask for more")
    out = Path(out)
    entries, pools = plan(posts, seed)
    rows = make_posts(entries, pools, seed)
    shown = [row for row in rows if not row.deleted]
    two = len(shown) >= _WORTH_TWO and (os.cpu_count() or 1) > 1
    try:
        with ProcessPoolExecutor(max_workers=2) as workers:
            work = (_draw, repeat(out), shown)
            drawn = workers.map(*work, chunksize=16) if two else map(*work)
            quiet = not progress
            for _ in tqdm(drawn, "drawing", len(shown), unit="picture", disable=quiet):
                pass
        for name, data in export(rows, pools, seed).items():
            write_atomic(out / name, data)
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(f"cannot write the demo board to {out}: {reason}") from None


def _draw(out: Path, post: Post) -> None:
    """Draw one picture; it depends on nothing but its own scene."""
    path = preview_path(out, post.md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    render(post.entry.scene).save(temporary, "JPEG", quality=JPEG_QUALITY)
    os.replace(temporary, path)
