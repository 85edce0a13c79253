"""Keep a tour varied, post by post.

A `Course` knows what a tour has shown. It holds back an artist, a character or a pool
that has just come twice, takes off a post's score what it has in common with the
latest posts, and shows one of a family, and a comic by its first page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..store.ragged import sum_rows
from ..tags.categories import CATEGORIES
from .catalog import Catalog
from .variety import PAGES_LOOKED_AT, VARIETY, as_asked, likenesses

HEAD_TASTE = 0.25  # by which the head of a family may be behind, in units of the taste
PAGE_TASTE = 0.25  # the same of a comic's first page
KIND_COSTS = {"artist": 0.1, "character": 0.4}  # of each of those that has the same
RUN_LENGTH = 2  # times that a tour shows one of them running
REMEMBERED = 15  # posts of a tour that the next one should differ from
LIKENESS_COST = 0.5  # of a copy of one of those, in units of the taste
POOL_COST = 0.1  # of each of those in one pool
PLEASED_POWER = 8.0  # of the share liked, by which all these costs shrink


@dataclass
class Course:
    """A tour: remembers what was shown and decides what may come next.

    Attributes
    ----------
    shown : rows, the latest last.
    named : ids of tags that were asked for, which may come any number of times.
    variants : whether several of a family, and pages of one comic, may come.
    variety : as in `spread`.
    pleased : share of the latest posts that were liked. Who likes everything can be
        shown other things; who is at all hard to please should get what they like.
    listed : pools that the list in the making has shown a page of.
    """

    catalog: Catalog
    shown: list[int]
    named: Sequence[int] = ()
    variants: bool = False
    variety: float = VARIETY
    pleased: float = 1.0
    listed: set[int] = field(default_factory=set)
    _back: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

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
        # A row may be there twice: putting many in order would take long.
        rows = np.concatenate(again).astype(np.int64)
        self._back = rows[left[rows]]
        return self._back

    def best(self, rows: np.ndarray, scores: np.ndarray) -> int:
        """Return the best of some rows, or the head of its family if it is as good."""
        best = int(np.argmax(scores))
        families = self.catalog.families
        if self.variants or families.number[rows[best]] < 0:
            return int(rows[best])
        family = families.family(int(rows[best]))
        heads = np.isin(rows, family[~families.child[family]])
        near = np.flatnonzero(heads & (scores > scores[best] - HEAD_TASTE))
        return int(rows[near[np.argmax(scores[near])] if len(near) else best])

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
        cost *= self.pleased**PLEASED_POWER
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
        return int((sum_rows(is_one, offsets) == 0).sum())

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
        The row to show: of a comic the first page that is left, less than `PAGE_TASTE`
        behind, and has what was asked for by name.
        """
        if not self.variants:
            pools = self.catalog.pools
            comics = pools.of[row][pools.series[pools.of[row]]].tolist()
            for comic in comics[:1]:
                pages = pools.members[comic]
                before = pages[: int(np.flatnonzero(pages == row)[0]) + 1]
                before = before[left[before] & ~np.isin(before, self._back)][:PAGES_LOOKED_AT]
                scores = rate(np.append(before, row))
                near = scores[:-1] > scores[-1] - PAGE_TASTE
                near &= as_asked(self.catalog.posts.tags_of, before, row, self.named)
                good = before[near]
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
    most = max(values.max(initial=0), seen.max(initial=0)) + 1
    times = np.bincount(seen, minlength=most)[values]
    taking = np.ones(len(values), bool) if counted is None else counted
    several = sum_rows(taking, offsets)
    return sum_rows(times * taking, offsets) / np.maximum(several, 1), several
