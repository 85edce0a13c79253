"""How much the posts of one list differ, and how much of the board is ever shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp

from ..recommend.postgraph import PostGraph
from .methods import ExactMethods, most_popular
from .protocol import HIT_DEPTHS, MethodResult
from .report import Table

LIST_POSTS = 10  # first posts that are looked at
NEAR_DUPLICATE = 0.8  # Jaccard of the tags of two posts, from which on they are alike
POPULAR_SHARE = 0.01  # of the posts that may be shown
HEADER = (
    *(f"@{k}" for k in HIT_DEPTHS),
    "near-duplicates",
    "distance",
    "coverage",
    "popular",
)
SPREAD_NOTES = (
    "@k: hit rate with families (variants of one thing) counted as one; without the "
    "queries whose hidden post is a variant of a query post.",
    f"Of the first {LIST_POSTS} posts: near-duplicates: share that has a Jaccard of "
    f"{NEAR_DUPLICATE:g} or more with an earlier one, by tags; distance: mean of 1 − "
    f"cosine; coverage: share of the board that is in any list; popular: share of the "
    f"most popular {POPULAR_SHARE:.0%}.",
)


def near_duplicates(tags: sp.csr_matrix) -> float:
    """Compute the share of posts that are like an earlier one.

    Parameters
    ----------
    tags : (k, T) CSR of ones, a row for each post of a list in its order, k > 0.

    >>> near_duplicates(sp.csr_matrix([[1, 1, 0], [0, 1, 1], [1, 1, 0]]))
    0.333...
    """
    shared = (tags @ tags.T).toarray()
    sizes = np.diff(tags.indptr)
    union = sizes[:, None] + sizes - shared
    alike = shared >= NEAR_DUPLICATE * np.maximum(union, 1)
    return float(np.tril(alike, -1).any(1).mean())


def mean_distance(vectors: np.ndarray) -> float:
    """Average 1 − cosine over all pairs of unit rows (k, d), k > 1.

    >>> mean_distance(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    0.666...
    """
    k = len(vectors)
    total = vectors.sum(0)
    return float(1 - (total @ total - k) / (k * (k - 1)))


class Spread:
    """Measures the lists of methods on one board."""

    def __init__(self, graph: PostGraph, seed: int) -> None:
        exact = ExactMethods(graph)
        self._tags = exact.tags
        self._vectors = exact.vectors("attenuated")
        self._popular = most_popular(graph, seed, POPULAR_SHARE)
        self._shown = int(graph.allowed.sum())

    def figures(self, found: MethodResult) -> list[float]:
        """Compute the columns of `HEADER`."""
        lists = [rows[:LIST_POSTS] for rows in found.first]
        some = [rows for rows in lists if len(rows) > 1]
        every = np.concatenate(lists)
        asked = found.family_ranks[~np.isnan(found.family_ranks)]
        rates = [(asked < k).mean() if len(asked) else np.nan for k in HIT_DEPTHS]
        alike = np.mean([near_duplicates(self._tags[rows]) for rows in some] or [np.nan])
        apart = np.mean([mean_distance(self._vectors[rows]) for rows in some] or [np.nan])
        coverage = len(np.unique(every)) / self._shown
        popular = self._popular[every].mean() if len(every) else 0.0
        return [float(value) for value in (*rates, alike, apart, coverage, popular)]

    def table(
        self, title: str, found: Mapping[str, MethodResult], notes: Sequence[str] = ()
    ) -> Table:
        """Tabulate the figures of some methods."""
        rows = [(name, *self.figures(result)) for name, result in found.items()]
        return Table(title, ("method", *HEADER), rows, notes)
