"""What is new on a board: the posts that were made at a moment or after it.

A search of the whole board finds hardly any of few new posts. So up to `FEW` of them
are all candidates. Of more, the search reads those parts of the tags' postings that
hold them, and looks for more candidates by vector, walk and pools. To somebody of whom
nothing is known, what most people marked comes first.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np

from ..errors import BadArtifact, BadInput
from .board import Board

FEW = 10_000  # posts; to score so many takes as long as a search of four million
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Moment = datetime | date | np.datetime64 | str | float


def microseconds(since: Moment) -> int:
    """Return a moment as microseconds since 1970 (UTC).

    Parameters
    ----------
    since : a datetime or its ISO text, in UTC unless it names a zone; a date, for its
        midnight in UTC; numpy's or pandas' of both; or Unix seconds.

    Raises
    ------
    BadInput : it is none of these.

    >>> microseconds("2026-11-27T02:00+02:00") == microseconds(date(2026, 11, 27))
    True
    >>> microseconds(0.5), microseconds("1970-01-01 00:00:01")
    (500000, 1000000)
    """
    try:
        if isinstance(since, np.datetime64):
            since = since.astype("datetime64[us]").item()  # None for NaT
        if isinstance(since, str):
            since = datetime.fromisoformat(since.strip())
        elif isinstance(since, int | float | np.number) and not isinstance(since, bool):
            since = datetime.fromtimestamp(float(since), UTC)
        elif isinstance(since, date) and not isinstance(since, datetime):
            since = datetime(since.year, since.month, since.day)
        if isinstance(since, datetime):
            aware = since if since.tzinfo else since.replace(tzinfo=UTC)
            return int((aware - EPOCH) // timedelta(microseconds=1))  # fails for pandas' NaT
    except (ValueError, OverflowError, OSError, TypeError):
        pass
    raise BadInput(
        f"since {str(since)[:60]!r}: expected a date or a time (in UTC unless it names a zone), "
        "such as 2026-11-27 or 2026-11-27T08:30, or Unix seconds"
    )


def made_since(board: Board, since: Moment) -> np.ndarray:
    """Return which rows were made at a moment or after it: bool (n,).

    Raises
    ------
    BadInput : the moment cannot be read.
    BadArtifact : the index knows no times.
    """
    least = microseconds(since)
    if board.newest is None:
        raise BadArtifact(
            f"{board.catalog.store.root} does not say when its posts were made: run "
            "hydrate_data.py and the scripts after it again, on an export with created_at"
        )
    return board.posts.created_at >= max(least, 1)


def most_marked(
    board: Board, allowed: np.ndarray, n: int, variants: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return what most people marked, then what has the best score, then the newest.

    Parameters
    ----------
    allowed : bool (n,), rows that may be returned.
    variants : whether several of a family may come.

    Returns
    -------
    rows : int64 (at most n,). favorites : float64, how many marked each, descending.
    """
    posts, rows = board.posts, np.flatnonzero(allowed)
    favorites, scores = (
        posts.column(name)[rows] if posts.has(name) else np.zeros(len(rows))
        for name in ("fav_count", "score")
    )
    order = np.lexsort((-posts.created_at[rows], -scores, -favorites))
    if not variants:
        order = order[board.catalog.families.first_seen(rows[order])]
    best = order[:n]
    return rows[best], favorites[best].astype(np.float64)
