"""The demo board: pictures whose tags say what is in them, in the form of the site's own export."""

from __future__ import annotations

import io
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

FEWEST = 60  # posts of a board that has one of everything
QUALITY = 88


def make_board(out: Path, posts: int = 2000, seed: int = 0, progress: bool = True) -> None:
    """Write a board of drawn pictures as the site would export it.

    The same seed and size give the same bytes. The tables are written last, so that a board
    whose tables are there is whole.

    Parameters
    ----------
    out : directory; gets `posts.csv.gz`, `tags.csv.gz`, `tag_aliases.csv.gz`,
        `tag_implications.csv.gz`, `pools.csv.gz` and `data/preview/ab/cd/{md5}.jpg`.
    posts : rows of the table of posts, deleted ones included; at least 60.
    seed : of everything that is drawn by lot.
    progress : whether to show a bar.

    Raises
    ------
    BadInput : for too few posts, or where `out` cannot be written.
    """
    if posts < FEWEST:
        raise BadInput(
            f"a demo board of {posts} posts: expected {FEWEST} or more; ask for more"
        )
    out = Path(out)
    entries, pools = plan(posts, seed)
    rows = make_posts(entries, pools, seed)
    shown = [row for row in rows if not row.deleted]
    try:
        for folder in {preview_path(out, row.md5).parent for row in shown}:
            folder.mkdir(parents=True, exist_ok=True)
        _draw_all(out, shown, progress)
        for name, data in export(rows, pools, seed).items():
            write_atomic(out / name, data)
    except OSError as error:
        raise BadInput(
            f"cannot write the demo board to {out}: {error.strerror or error}"
        ) from None


def _draw_all(out: Path, rows: list[Post], progress: bool) -> None:
    """Draw in two processes where that pays; each picture depends on its own scene alone."""
    bar = tqdm(total=len(rows), desc="drawing", unit="picture", disable=not progress)
    with bar:
        if len(rows) < 200 or (os.cpu_count() or 1) < 2:
            for row in rows:
                _draw(out, row)
                bar.update()
            return
        with ProcessPoolExecutor(max_workers=2) as workers:
            for _ in workers.map(_draw, repeat(out), rows, chunksize=16):
                bar.update()


def _draw(out: Path, row: Post) -> None:
    file = io.BytesIO()
    render(row.entry.scene).save(file, "JPEG", quality=QUALITY, optimize=False)
    path = preview_path(out, row.md5)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(file.getvalue())
    os.replace(temporary, path)
