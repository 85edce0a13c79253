"""Make a list of posts varied: one of each family, one page of each comic, no near copies.

`one_of_each` and `first_pages` fold families and comics (see `families`). `spread`
is maximal marginal relevance (Carbonell and Goldstein 1998): each place goes to the
post of largest

    (1 - variety) · score - variety · `NATS_FOR_A_COPY` · likeness⁴,

where the likeness is the Jaccard index of the tags with the most alike post before
it. The fourth power spares what is merely related: at .5 it is .06. The ranking's
scores are log-odds, so that one strength does for every board. A `Course` does the
same for a tour, post by post.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import BadInput
from ..store.ragged import Ragged
from ..tags.categories import CATEGORIES
from .catalog import Catalog
from .families import Families, Pools

VARIETY = 0.5  # the default; chosen on the training pools of six boards
NATS_FOR_A_COPY = 3.0  # taken off the score of a post whose tags came before
SPREAD_PLACES = 20  # of a list; what comes after keeps its order
SPREAD_WINDOW = 100  # best posts, among which those places are given
HEAD_NATS = 0.5  # by which the head of a family may be behind the best
HEAD_TASTE = 0.25  # the same in units of the taste
PAGE_SHARE = 0.5  # of how well its best page goes; the first of so much is shown
PAGE_TASTE = 0.25  # by which the first page may be behind, in units of the taste
PAGES_LOOKED_AT = 50
KIND_COSTS = {"artist": 0.1, "character": 0.4}  # of each of those that has the same
RUN_LENGTH = 2  # times that a tour shows one of them running
REMEMBERED = 15  # posts of a tour that the next one should differ from
LIKENESS_COST = 0.5  # of a copy of one of those, in units of the taste
POOL_COST = 0.1  # of each of those in one pool


def check_variety(variety: float) -> None:
    """Raise BadInput unless it is from 0 to 1."""
    if not 0 <= variety <= 1:
        raise BadInput(f"variety {variety}: expected 0 to 1")


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
    both = rows if others is None else np.concatenate([rows, others])
    tags, offsets = tags_of.take(both)
    known, which = np.unique(tags, return_inverse=True)
    lengths = np.diff(offsets)
    holds = np.zeros((len(both), len(known)), np.float32)
    holds[np.repeat(np.arange(len(both)), lengths), which] = 1

    first = slice(0, len(rows))
    second = first if others is None else slice(len(rows), None)
    shared = holds[first] @ holds[second].T
    either = lengths[first, None] + lengths[None, second] - shared
    return (shared / np.maximum(either, 1)).astype(np.float32)


def one_of_each(
    rows: np.ndarray, scores: np.ndarray, catalog: Catalog, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
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
    them.
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
    return rows[order], places[order]


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
    rate: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Put the first page that may be shown in the place of a comic's best page.

    A series may hold what does not belong together, such as the leaves of a
    sketchbook. So it is the first page that goes at least `PAGE_SHARE` as well.

    Parameters
    ----------
    rows : int64 (m,), a list of `one_of_each`.
    asked : rows of the query posts.
    allowed : bool, rows that may be shown.
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
        good = pages[own >= PAGE_SHARE * best[i]]
        old = rows[at[i]]
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
    chosen[at[near]] = rows[heads[near]]
    return chosen


@dataclass
class Course:
    """What a tour showed, and what it may show next.

    Attributes
    ----------
    shown : rows, the latest last.
    named : ids of tags that were asked for, which may come any number of times.
    variants : whether several of a family, and pages of one comic, may come.
    variety : as in `spread`.
    pleased : share of the latest posts that were liked. Who likes everything can be
        shown other things; who is hard to please should get what they like.
    listed : pools that the list in the making has shown a page of.
    """

    catalog: Catalog
    shown: list[int]
    named: Sequence[int] = ()
    variants: bool = False
    variety: float = VARIETY
    pleased: float = 1.0
    listed: set[int] = field(default_factory=set)

    def held_back(self, left: np.ndarray) -> np.ndarray:
        """Return the rows of `left` that should not come now, if any other can.

        They would show an artist, a character or a pool again that each of the last
        `RUN_LENGTH` posts has and nobody asked for, or another page of a comic.
        """
        posts, pools = self.catalog.posts, self.catalog.family_pools
        again = [np.zeros(0, np.int64)]
        if not self.variants:
            again.append(pools.members.take(np.array(sorted(self.listed), np.int64))[0])
        latest = self.shown[-RUN_LENGTH:]
        if len(latest) == RUN_LENGTH:
            tags = _in_all([posts.tags_of[row] for row in latest])
            for kind in KIND_COSTS:
                again.append(posts.rows_with.take(self._told_apart(tags, kind))[0])
            again.append(pools.members.take(_in_all([pools.of[row] for row in latest]))[0])
        rows = np.unique(np.concatenate(again)).astype(np.int64)
        return rows[left[rows]]

    def best(self, rows: np.ndarray, scores: np.ndarray) -> int:
        """Return the best of some rows, or the head of its family if it is as good."""
        best = int(np.argmax(scores))
        families = self.catalog.families
        if self.variants or families.number[rows[best]] < 0:
            return int(rows[best])
        family = families.family(int(rows[best]))
        heads = np.isin(rows, family[~families.child[family]])
        near = np.flatnonzero(heads & (scores > scores[best] - HEAD_TASTE))
        return int(rows[near[0] if len(near) else best])

    def discounted(self, rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Take off what rows have in common with the latest posts: float64 (m,)."""
        if not self.variety or not self.shown:
            return scores
        latest = np.array(self.shown[-REMEMBERED:], np.int64)
        posts, pools = self.catalog.posts, self.catalog.family_pools
        alike = likenesses(posts.tags_of, rows, latest).max(1)
        cost = LIKENESS_COST * alike
        held, offsets = pools.of.take(rows)
        cost += POOL_COST * _mean_times(held, offsets, pools.of.take(latest)[0])[0]

        shown, _ = posts.tags_of.take(latest)
        tags, offsets = posts.tags_of.take(rows)
        for kind, price in KIND_COSTS.items():
            number = CATEGORIES.index(kind)
            again = shown[posts.categories[shown] == number]
            again = again[~np.isin(again, self.named)]
            times, several = _mean_times(tags, offsets, again, posts.categories[tags] == number)
            cost += price * times
            if kind == "character":
                # A tour that avoids whom it has shown should not end with nobody at
                # all: where characters are usual, nobody counts like one of them.
                usual = (several > 0).mean()
                cost += price * usual * self._without_character(latest) * (several == 0)
        cost *= self.pleased**2
        worth = (1 - self.variety) * scores - self.variety * cost
        # Who names a tag gets variety within it as long as it leads.
        named = np.append(np.isin(tags, self.named), False)
        asked = np.logical_or.reduceat(named, offsets[:-1]) & (np.diff(offsets) > 0)
        if asked[np.argmax(scores)]:
            worth[~asked] = -np.inf
        return worth

    def _without_character(self, rows: np.ndarray) -> int:
        """Count the rows that have no character."""
        tags, offsets = self.catalog.posts.tags_of.take(rows)
        is_one = self.catalog.posts.categories[tags] == CATEGORIES.index("character")
        return int((np.diff(np.append(0, np.cumsum(is_one))[offsets]) == 0).sum())

    def _told_apart(self, tags: np.ndarray, kind: str) -> np.ndarray:
        """Return the tags of a category among some that nobody asked for."""
        tags = tags[self.catalog.posts.categories[tags] == CATEGORIES.index(kind)]
        return tags[~np.isin(tags, np.array(self.named, np.int64))].astype(np.int64)

    def show(self, row: int, left: np.ndarray, rate: Callable[[np.ndarray], np.ndarray]) -> int:
        """Note that a post is shown and take its family out of `left`.

        Parameters
        ----------
        rate : scores rows in units of the taste.

        Returns
        -------
        The row to show: of a comic the first page that is left, if it is less than
        `PAGE_TASTE` behind.
        """
        if not self.variants:
            pools = self.catalog.pools
            comics = pools.of[row][pools.series[pools.of[row]]].tolist()
            for comic in comics[:1]:
                pages = pools.members[comic]
                before = pages[: int(np.flatnonzero(pages == row)[0]) + 1]
                before = before[left[before]][:PAGES_LOOKED_AT]
                scores = rate(np.append(before, row))
                good = before[scores[:-1] > scores[-1] - PAGE_TASTE]
                row = int(good[0]) if len(good) else row
            self.listed.update(comics)
            left[self.catalog.families.others(row)] = False
        left[row] = False
        self.shown.append(row)
        return row


def _in_all(lists: list[np.ndarray]) -> np.ndarray:
    """Return the values that all of some lists hold, int64."""
    first, *others = lists
    for other in others:
        first = np.intersect1d(first, other)
    return np.asarray(first, np.int64)


def _mean_times(
    values: np.ndarray,
    offsets: np.ndarray,
    seen: np.ndarray,
    counted: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute how often the values of each row were seen, on average.

    Parameters
    ----------
    values, offsets : the rows, as `Ragged.take` gives them.
    seen : values, repeated as often as they were seen.
    counted : bool, which values take part; None for all.

    Returns
    -------
    times : float64 (m,), 0 for a row without any. several : int64 (m,), how many
    values of a row take part.
    """
    known, counts = np.unique(seen, return_counts=True)
    times = np.zeros(len(values))
    if len(known):
        at = np.minimum(np.searchsorted(known, values), len(known) - 1)
        times = np.where(known[at] == values, counts[at], 0.0)
    taking = np.ones(len(values), bool) if counted is None else counted
    several = np.diff(np.append(0, np.cumsum(taking))[offsets])
    total = np.diff(np.append(0, np.cumsum(times * taking))[offsets])
    return total / np.maximum(several, 1), several
