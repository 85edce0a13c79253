"""Make a list of posts varied: one of each family, one page of each comic, no near copies.

`one_of_each` and `first_pages` fold families and comics (see `families`). `spread`
is maximal marginal relevance (Carbonell and Goldstein 1998): each place goes to the
post of largest

    (1 - variety) · score - variety · `NATS_FOR_A_COPY` · likeness⁴,

where the likeness is the Jaccard index of the tags with the most alike post before
it. The fourth power spares what is merely related: at .5 it is .06. The ranking's
scores are log-odds, so that one strength does for every board. What a tour shows,
post by post, is kept varied by a `Course`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp

from ..errors import BadInput
from ..store.ragged import Ragged, sum_rows
from .catalog import Catalog
from .families import Families
from .pools import Pools
from .ranking import Query

VARIETY = 0.5  # the default; chosen on the training pools of six boards
NATS_FOR_A_COPY = 3.0  # taken off the score of a post whose tags came before
SPREAD_PLACES = 20  # of a list; what comes after keeps its order
SPREAD_WINDOW = 100  # best posts, among which those places are given
HEAD_NATS = 0.5  # by which the head of a family may be behind the best
PAGE_SHARE = 0.5  # of how well its best page goes; the first of so much is shown
PAGES_LOOKED_AT = 50


def check_variety(variety: float) -> None:
    """Raise BadInput unless it is from 0 to 1."""
    if not isinstance(variety, int | float) or not 0 <= variety <= 1:
        raise BadInput(f"variety {variety!r}: expected a number from 0 to 1")


def spread(scores: np.ndarray, tags_of: Ragged, rows: np.ndarray, variety: float) -> np.ndarray:
    """Put posts in a varied order.

    Parameters
    ----------
    scores : float (m,), descending.
    tags_of : tag ids of each row of the board.
    rows : int64 (m,), their rows.
    variety : 0 keeps the order, 1 goes by likeness alone.

    Returns
    -------
    int64 (m,), a permutation. Its head does not depend on how much of it is used.
    """
    m = len(rows)
    window = min(SPREAD_WINDOW, m)
    if not variety or window < 2:
        return np.arange(m)
    cost = variety * NATS_FOR_A_COPY * likenesses(tags_of, rows[:window]) ** 4
    worth = (1 - variety) * scores[:window]
    taken_off = np.zeros(window)
    chosen: list[int] = []
    for _ in range(min(SPREAD_PLACES, window)):
        best = int(np.argmax(worth - taken_off))
        chosen.append(best)
        worth[best] = -np.inf
        np.maximum(taken_off, cost[best], out=taken_off)
    return np.concatenate([chosen, np.setdiff1d(np.arange(m), chosen)])


def likenesses(
    tags_of: Ragged, rows: np.ndarray, others: np.ndarray | None = None
) -> np.ndarray:
    """Compute the Jaccard index of the tags of some rows with others: float32 (m, k).

    Without `others` the rows are compared with each other. Posts without tags are
    like none.

    >>> lists = Ragged(np.array([0, 2, 4]), np.array([0, 1, 1, 2]))
    >>> likenesses(lists, np.array([0, 1])).astype(float).round(2).tolist()
    [[1.0, 0.33], [0.33, 1.0]]
    """
    tags, offsets = tags_of.take(rows)
    theirs, ends = (tags, offsets) if others is None else tags_of.take(others)
    # A look into a table is quicker here than a search in a sorted list.
    known = np.unique(theirs)
    column = np.full(max(tags.max(initial=0), theirs.max(initial=0)) + 1, len(known))
    column[known] = np.arange(len(known))
    held = np.zeros((len(known) + 1, len(ends) - 1), np.float32)
    held[column[theirs], np.repeat(np.arange(len(ends) - 1), np.diff(ends))] = 1

    ones, shape = np.ones(len(tags), np.float32), (len(rows), len(held))
    shared = sp.csr_matrix((ones, column[tags], offsets), shape) @ held
    either = np.diff(offsets)[:, None] + np.diff(ends) - shared
    return (shared / np.maximum(either, 1)).astype(np.float32)


def arrange(
    catalog: Catalog,
    rows: np.ndarray,
    scores: np.ndarray,
    queries: Sequence[Query],
    allowed: np.ndarray,
    n: int,
    variants: bool,
    variety: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Make a list of n of the best posts; see `PostGraph.recommend`.

    Parameters
    ----------
    rows : int64 (m,), best first.
    scores : float (m,), descending.
    allowed : bool, rows that may be returned.

    Returns
    -------
    rows : int64 (at most n,). scores : descending, since a post is worth no more than
    one that was put before it.
    """
    asked = np.array([query.row for query in queries if query.row is not None], np.int64)
    front = len(rows)
    if not variants:
        rows, places, front = one_of_each(rows, scores, catalog, asked)
        scores = scores[places]
    order = spread(scores[:front], catalog.posts.tags_of, rows[:front], variety)
    best = np.concatenate([order, np.arange(front, len(rows))])[:n]
    rows, scores = rows[best], np.minimum.accumulate(scores[best])
    if not variants:

        def rate(some: np.ndarray) -> np.ndarray:
            return catalog.ranking.cosines(some, queries).mean(1)

        given = [query.tag_ids for query in queries if query.row is None]
        named = [int(tags[0]) for tags in given if len(tags) == 1]
        rows = first_pages(rows, catalog, asked, allowed, named, rate)
    return rows, scores


def one_of_each(
    rows: np.ndarray, scores: np.ndarray, catalog: Catalog, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Keep the best of each family, and one page of each comic.

    A family's head is the best of it if it is less than `HEAD_NATS` behind. The other
    pages of a comic follow after all else, where they are only reached if nothing
    else is left. The posts of the pools that hold a query post are what was asked
    for, so that all of these stay.

    Parameters
    ----------
    rows : int64 (m,), best first.
    scores : float (m,), descending.
    asked : rows of the query posts.

    Returns
    -------
    rows : int64 (k,). places : int64 (k,), the places of the posts that brought
    them. front : how many come before the other pages.
    """
    families, pools = catalog.families, catalog.pools
    places = np.flatnonzero(families.first_seen(rows))
    rows = _heads(rows, scores, places, families)
    at, comics = _comics(rows, pools, asked)
    again = np.ones(len(at), bool)
    again[np.unique(comics, return_index=True)[1]] = False
    behind = np.zeros(len(rows), bool)
    behind[at[again]] = True
    order = np.argsort(behind, kind="stable")
    return rows[order], places[order], len(rows) - int(behind.sum())


def _comics(rows: np.ndarray, pools: Pools, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pages among some rows, in order: their places, and their comics.

    A post of a pool that holds one of `asked` is none.
    """
    held, offsets = pools.of.take(rows)
    at = np.repeat(np.arange(len(rows)), np.diff(offsets))
    free = np.zeros(len(rows), bool)
    free[at[np.isin(held, pools.of.take(asked)[0])]] = True
    comic = pools.series[held] & ~free[at]
    return at[comic], held[comic]


def first_pages(
    rows: np.ndarray,
    catalog: Catalog,
    asked: np.ndarray,
    allowed: np.ndarray,
    named: Sequence[int],
    rate: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Put the first page that may be shown in the place of a comic's best page.

    A series may hold what does not belong together, such as the leaves of a
    sketchbook. So it is the first page that goes at least `PAGE_SHARE` as well, and
    has the same of the tags that were asked for by name.

    Parameters
    ----------
    rows : int64 (m,), a list of `one_of_each`.
    asked : rows of the query posts.
    allowed : bool, rows that may be shown.
    named : ids of the tags that were asked for.
    rate : says how well rows go with what was asked, 0 or more.

    Returns
    -------
    int64 (m,).
    """
    at, comics = _comics(rows[:SPREAD_WINDOW], catalog.pools, asked)
    _, first = np.unique(at, return_index=True)
    at, comics = at[first], comics[first]
    if not len(at):
        return rows
    earlier = []
    for place, comic in zip(at.tolist(), comics.tolist(), strict=True):
        pages = catalog.pools.members[comic]
        before = pages[: int(np.flatnonzero(pages == rows[place])[0]) + 1]
        earlier.append(before[allowed[before]][:PAGES_LOOKED_AT])
    rates = rate(np.concatenate([*earlier, rows[at]]))
    best = rates[-len(at) :]

    rows, families = rows.copy(), catalog.families
    ends = np.cumsum([len(pages) for pages in earlier])
    for i, pages in enumerate(earlier):
        own = rates[ends[i] - len(pages) : ends[i]]
        old = rows[at[i]]
        near = own >= PAGE_SHARE * best[i]
        near &= as_asked(catalog.posts.tags_of, pages, old, named)
        good = pages[near]
        if not len(good) or good[0] == old:
            continue
        page = good[0]
        # It changes places with itself, and its variants stay the only ones.
        known = np.flatnonzero(families.first[rows] == families.first[page])
        if len(known) and rows[known[0]] not in (page, old):
            continue
        rows[rows == page] = old
        rows[at[i]] = page
    return rows


def as_asked(tags_of: Ragged, pages: np.ndarray, row: int, named: Sequence[int]) -> np.ndarray:
    """Return which pages hold all of the named tags that a row holds: bool (m,)."""
    asked = np.intersect1d(tags_of[row], np.array(named, np.int64))
    tags, offsets = tags_of.take(pages)
    return sum_rows(np.isin(tags, asked), offsets) == len(asked)


def _heads(
    rows: np.ndarray, scores: np.ndarray, places: np.ndarray, families: Families
) -> np.ndarray:
    """Return the rows at some places, and for families their head if it is as good."""
    chosen = rows[places]
    heads = np.flatnonzero((families.number[rows] >= 0) & ~families.child[rows])
    place_of = np.full(len(families.members), -1)
    number = families.number[chosen]
    place_of[number[number >= 0]] = np.flatnonzero(number >= 0)
    at = place_of[families.number[rows[heads]]]
    near = scores[heads] > scores[places[at]] - HEAD_NATS
    # Where a family has two, the better one is written last.
    chosen[at[near][::-1]] = rows[heads[near]][::-1]
    return chosen
