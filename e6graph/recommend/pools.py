"""The pools of a board: their members, and how much it tells to share one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc
import scipy.sparse as sp

from ..store.ragged import Ragged
from .posts import Posts

LONG = 3  # members from which a pool can be learned from and judged by
SERIES = "series"  # the site's category of pools that are read in order


@dataclass(frozen=True)
class Pools:
    """The members of the pools, by row. A pool is known by its place in their table.

    People put into a pool what belongs together, whatever its tags. So a post that
    shares pools with some of the query posts often belongs with the others, too. A
    pool that holds all query posts tells nothing: whoever asks has it at hand, and is
    after something else.

    Attributes
    ----------
    members : rows of each pool that are indexed, each once, in reading order.
    of : pools of each row.
    series : bool, which pools are read in order.
    listed : post ids of each pool, those that are not indexed among them.
    """

    members: Ragged
    of: Ragged
    series: np.ndarray
    listed: Ragged

    @classmethod
    def read(cls, posts: Posts) -> Pools:
        """Read the pools of a board."""
        table, n = posts.pools, len(posts)
        listed = Ragged.of(table["post_ids"])
        # A table may begin in the middle of a file.
        offsets = np.asarray(listed.offsets, np.int64)
        ids = np.asarray(listed.values, np.int64)[offsets[0] : offsets[-1]]
        listed = Ragged(offsets - offsets[0], ids)
        pool = np.repeat(np.arange(len(listed)), np.diff(listed.offsets))
        rows = posts.rows(ids) if n else np.full(len(ids), -1)
        _, first = np.unique(pool * n + rows, return_index=True)
        first = np.sort(first[rows[first] >= 0])
        pool, rows = pool[first], rows[first]
        members, of = Ragged.group(pool, rows, len(listed)), Ragged.group(rows, pool, n)
        series = pc.fill_null(pc.equal(table["category"], SERIES), False)
        return cls(members, of, series.to_numpy(zero_copy_only=False), listed)

    def long(self) -> np.ndarray:
        """Return the pools of `LONG` members or more, int64."""
        return np.flatnonzero(np.diff(self.members.offsets) >= LONG)

    def long_ones(self) -> list[np.ndarray]:
        """Return the members of each pool of `LONG` or more."""
        return [self.members[pool] for pool in self.long().tolist()]

    def only(self, pools: np.ndarray) -> Pools:
        """Return the same pools, of which all but some are empty."""
        kept = np.zeros(len(self.members), bool)
        kept[pools] = True
        pool = np.repeat(np.arange(len(kept)), np.diff(self.members.offsets))
        rows, pool = self.members.values[kept[pool]], pool[kept[pool]]
        members = Ragged.group(pool, rows, len(kept))
        return replace(self, members=members, of=Ragged.group(rows, pool, len(self.of)))

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
            worth = times * np.log(len(self.of) / self.members.lengths(pools)) / len(queries)
            held, offsets = self.of.take(rows)
            place = np.minimum(np.searchsorted(pools, held), len(pools) - 1)
            which = np.repeat(np.arange(len(rows)), np.diff(offsets))
            same = pools[place] == held
            told += np.bincount(which[same], worth[place[same]], len(rows))
        return told

    def _telling(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pools of some query posts, not of all, and how many each holds."""
        pools, times = np.unique(self.of.take(queries)[0], return_counts=True)
        some = times < len(queries)
        return pools[some], times[some]

    def in_one_series(self, ids: np.ndarray) -> np.ndarray:
        """Tell of pairs of post ids whether a series holds both.

        Parameters
        ----------
        ids : int64 (k, 2). Posts that are not indexed count.

        Returns
        -------
        bool (k,).
        """
        places = np.flatnonzero(self.series)
        held, offsets = self.listed.take(places)
        series = np.repeat(np.arange(len(places)), np.diff(offsets))
        known, which = np.unique(held, return_inverse=True)
        shape = (len(known), len(places))
        holds = sp.csr_matrix((np.ones(len(held), bool), (which, series)), shape)
        both = np.isin(ids, known).all(1)
        at = np.searchsorted(known, ids[both])
        found = np.zeros(len(ids), bool)
        found[both] = np.diff(holds[at[:, 0]].multiply(holds[at[:, 1]]).tocsr().indptr) > 0
        return found
