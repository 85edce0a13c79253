"""The pools of a board: their members, and how much it tells to share one."""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np

from ..store.ragged import Ragged
from .posts import Posts

LONG = 3  # members from which a pool can be learned from and judged by


class Pools:
    """Which posts stand in a pool together.

    A pool is known by its place in the table of pools. People put into it what belongs
    together, whatever its tags. So a post that shares pools with some of the query posts
    often belongs with the others, too. A pool that holds all query posts tells nothing:
    whoever asks has it at hand, and is after something else. Memory: 16 bytes a member,
    and 8 bytes a post.

    Attributes
    ----------
    members : rows of each pool, ascending, each once; posts without an index are none.
    """

    def __init__(self, members: Ragged, n_posts: int) -> None:
        self.members, self._n = members, n_posts

    @classmethod
    def of(cls, posts: Posts) -> Self:
        """Read the pools of a board."""
        lists = posts.pools["post_ids"].combine_chunks()
        rows = posts.rows(lists.values.to_numpy())
        pool = np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))
        pairs = np.unique(np.stack([pool, rows], 1)[rows >= 0], axis=0)
        members = Ragged.group(pairs[:, 0], pairs[:, 1], len(lists))
        return cls(members, len(posts))

    @cached_property
    def of_posts(self) -> Ragged:
        """The pools of each row, ascending."""
        sizes = np.diff(self.members.offsets)
        pools = np.repeat(np.arange(len(self.members)), sizes)
        return Ragged.group(self.members.values, pools, self._n)

    def long(self) -> np.ndarray:
        """Return the pools of `LONG` members or more, int64."""
        return np.flatnonzero(np.diff(self.members.offsets) >= LONG)

    def long_ones(self) -> list[np.ndarray]:
        """Return the members of each pool of `LONG` or more."""
        return [self.members[pool] for pool in self.long().tolist()]

    def only(self, pools: np.ndarray) -> Self:
        """Return the same pools, of which all but some are empty."""
        kept = np.zeros(len(self.members), bool)
        kept[pools] = True
        sizes = np.diff(self.members.offsets)
        values = self.members.values[np.repeat(kept, sizes)]
        ends = np.cumsum(np.where(kept, sizes, 0))
        return type(self)(Ragged(np.concatenate([[0], ends]), values), self._n)

    def fellows(self, queries: np.ndarray, most: int) -> np.ndarray:
        """Return rows that share a pool with some query posts, of the smallest pools first.

        Parameters
        ----------
        queries : rows of the query posts.
        most : of the members that are read.
        """
        pools, _ = self._telling(queries)
        sizes = self.members.lengths(pools)
        order = np.argsort(sizes, kind="stable")
        fitting = order[np.cumsum(sizes[order]) <= most]
        return np.unique(self.members.take(pools[fitting])[0])

    def shared(self, rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Return how many nats the pools tell that some rows share with the query posts.

        A pool of k of n posts tells log(n / k), for each query post in it.

        Parameters
        ----------
        queries : rows of the query posts.

        Returns
        -------
        float64 (m,), a mean over the query posts.
        """
        told = np.zeros(len(rows))
        pools, times = self._telling(queries)
        if len(pools):
            worth = times * np.log(self._n / self.members.lengths(pools)) / len(queries)
            held, offsets = self.of_posts.take(rows)
            place = np.minimum(np.searchsorted(pools, held), len(pools) - 1)
            which = np.repeat(np.arange(len(rows)), np.diff(offsets))
            same = pools[place] == held
            told += np.bincount(which[same], worth[place[same]], len(rows))
        return told

    def _telling(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pools of some query posts, not of all, and how many each holds."""
        pools, times = np.unique(self.of_posts.take(queries)[0], return_counts=True)
        some = times < len(queries)
        return pools[some], times[some]
