"""Sort out which posts of a list are on a board: somebody's favorites, or posts they like."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..hydrate.favorites import fetch_favorites
from ..store.files import is_file
from ..store.progress import reaching
from .board import Board
from .references import EXPECTED, Reference, names_posts, read_file, read_references

FILE_ENDINGS = (".txt", ".json", ".csv")  # of a source that is not somebody's name


@dataclass(frozen=True)
class Favorites:
    """Posts that somebody named. The latest favorite comes last, as in `Profile`.

    Attributes
    ----------
    ids : the posts that may be shown.
    missing : how many are not in the index.
    hidden : how many are in it and may not be shown, by their rating or a blacklist.
    never : how many the never-shown rule forbids. An index that was built here holds
        no such post, so that they count as missing.
    kept : ids that a profile keeps: `ids`, and numbers that were given of others but
        those under the rule. They may come into the index or be shown another day.
    """

    ids: list[int] = field(default_factory=list)
    missing: int = 0
    hidden: int = 0
    never: int = 0
    kept: list[int] = field(default_factory=list, repr=False)


def read_source(
    source: str | Path | Sequence[object] | np.ndarray | Mapping[str, object],
    site: str,
    user_agent: str | None = None,
) -> tuple[str, list[Reference]]:
    """Read favorites from wherever they are; see `PostGraph.favorites`.

    Returns
    -------
    name : in lower case, or "" where they do not come from the site. references : the
    latest first.
    """
    if not isinstance(source, (str, Path)):
        return "", read_references(_as_json(source))
    text = str(source)
    if isinstance(source, Path) or is_file(text):
        return "", read_file(source)
    if text.lower().endswith(FILE_ENDINGS):
        raise BadInput(f"{text}: no such file")
    if names_posts(text):
        return "", read_references(text)
    with reaching(f"favorites of {text}") as progress:
        found = fetch_favorites(text, site, user_agent=user_agent, own=True, progress=progress)
    return text.strip().lower(), [*found]


def _as_json(source: object) -> str:
    """Write what a notebook holds as JSON. Raises BadInput."""

    def plain(value: object) -> object:
        if isinstance(value, (np.ndarray, np.generic)):
            return value.tolist()
        if isinstance(value, Path):  # its name may be an MD5
            return str(value)
        if isinstance(value, Iterable) and not isinstance(value, bytes):
            return [*value]
        raise TypeError(f"a {type(value).__name__}")

    try:
        return json.dumps(source, default=plain)
    except (TypeError, ValueError, RecursionError) as error:  # or it holds itself
        got = f"got a {type(source).__name__} that cannot be read ({error})"
        raise BadInput(f"{got}: {EXPECTED}") from None


def sort_out(board: Board, references: Sequence[Reference]) -> Favorites:
    """Look up what a list names, the latest first, as the site has it.

    An MD5 stands for the post with that file; its number is told only where that may
    be shown.
    """
    posts, forbidden = board.posts, board.catalog.forbidden
    rows, numbers = _rows_of(board, references), _numbers_in(references)
    indexed = rows >= 0
    never = indexed & forbidden[rows]
    shown = indexed & board.allowed[rows]
    ids = np.where(shown, posts.ids[rows], numbers)
    kept = (shown | (numbers > 0)) & ~never

    def once(post_ids: np.ndarray) -> list[int]:
        return [*dict.fromkeys(post_ids.tolist())][::-1]

    return Favorites(
        ids=once(ids[shown]),
        missing=int((~indexed).sum()),
        hidden=int((indexed & ~shown & ~never).sum()),
        never=int(never.sum()),
        kept=once(ids[kept]),
    )


def find_posts(board: Board, references: Sequence[Reference]) -> list[int | None]:
    """Return the id of each post that is named, None where it may not be shown."""
    rows = _rows_of(board, references)
    shown = (rows >= 0) & board.allowed[rows]
    ids = board.posts.ids[rows].tolist()
    return [number if may else None for number, may in zip(ids, shown.tolist(), strict=True)]


def _rows_of(board: Board, references: Sequence[Reference]) -> np.ndarray:
    """Return the row of each, int64; -1 where nothing is indexed.

    Of several posts with one file it is the first that may be shown.
    """
    rows = board.posts.rows(_numbers_in(references))
    with_md5 = board.posts.rows_with_md5({one for one in references if isinstance(one, str)})
    for place, one in enumerate(references):
        if isinstance(one, str) and (found := with_md5.get(one)):
            rows[place] = next((row for row in found if board.allowed[row]), found[0])
    return rows


def _numbers_in(references: Sequence[Reference]) -> np.ndarray:
    """Return the ids among references, int64, with 0 for an MD5."""
    return np.array([one if isinstance(one, int) else 0 for one in references], np.int64)
