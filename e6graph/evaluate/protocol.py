"""The protocol: queries from pools, the ranks of their hidden members, and figures.

A query is up to five random members of a pool of three or more that may be shown;
the hidden post is one other member. The query posts are left out of the ranking.
Many posts share their exact tags, so equal scores are shuffled: a post's id must
not decide. Hit rate @k is the share of queries with their hidden post among the
first k. With families counted as one, only the best of a family has a place, the
families of the query posts have none, and any member will do for the hidden post.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import BadInput
from ..recommend.postgraph import PostGraph
from ..recommend.weights import PoolQuery, draw_pool_queries, pool_rows
from .families import Families
from .report import progress

QUERY_SIZES = (5, 1, 20)  # query posts at most; the main table comes first
HIT_DEPTHS = (10, 100, 1000)
FIRST_POSTS = 100  # of a ranking: overlap and coverage look at these
QUERIES_AT_ONCE = 64  # scored by exact methods
METHOD_COLUMNS = (*(f"@{k}" for k in HIT_DEPTHS), "MRR", "popular", "coverage", "ms")

Queries = Sequence[PoolQuery]
BoardScorer = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Rows of b queries → scores (b, n), -inf for a post that may not be shown."""
PostLister = Callable[[np.ndarray, int], np.ndarray]
"""Rows of a query and a seed → rows, best first."""


def judging_queries(
    pools: Sequence[np.ndarray], n: int = 1000, size: int = 5, seed: int = 0
) -> list[PoolQuery]:
    """Draw queries as `draw_pool_queries` does. Raises BadInput without any."""
    made = draw_pool_queries(pools, n, size, seed)
    if not made:
        raise BadInput("no pool has three members that may be shown: nothing to judge by")
    return made


def pools_of(queries: Queries, pools: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number of the pool that each query is from, int64 (q,).

    That is the first one with all of its posts.

    >>> pools_of([(np.array([4, 5]), 6)], [np.array([4, 5, 9]), np.array([4, 5, 6])])
    array([1])
    """
    holding: dict[int, set[int]] = defaultdict(set)
    for number, members in enumerate(pools):
        for row in members.tolist():
            holding[row].add(number)
    found = []
    for rows, hidden in queries:
        held = [holding[row] for row in rows.tolist()]
        found.append(min(holding[hidden].intersection(*held)))
    return np.array(found, np.int64)


def split_pools(graph: PostGraph, half: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the rows of the "all", "even" or "odd" pools, and those of the others."""
    shown = [pool[graph.allowed[pool]] for pool in pool_rows(graph.posts)]
    if half == "all":
        return shown, []
    return shown[half == "odd" :: 2], shown[half == "even" :: 2]


def rank_among(scores: np.ndarray, hidden: int, rng: np.random.Generator) -> int:
    """Find the place of a row by its score, 0 the best; among equals at random.

    >>> rank_among(np.array([0.1, 0.9, 0.5]), 2, np.random.default_rng(0))
    1
    """
    above = int((scores > scores[hidden]).sum())
    equal = int((scores == scores[hidden]).sum())
    return above + int(rng.integers(0, equal))


def family_rank(
    families: Families,
    scores: np.ndarray,
    rows: np.ndarray,
    hidden: int,
    rng: np.random.Generator,
) -> float:
    """Find the place of the family of a row, as `rank_among` does, by its best score.

    It is nan if the row is of the family of a query post.
    """
    if families.alone:
        return rank_among(scores, hidden, rng)
    if not families.asked(rows, hidden):
        return np.nan
    best = families.best(scores, rows)
    return rank_among(best, int(families.of_row[hidden]), rng)


def summarize(ranks: np.ndarray) -> list[float]:
    """Compute the hit rates at `HIT_DEPTHS` and the mean reciprocal rank.

    Ranks begin at 0; that of a post that was not found is inf.
    """
    rates = [float((ranks < k).mean()) for k in HIT_DEPTHS]
    return [*rates, float((1 / (ranks + 1)).mean())]


@dataclass(frozen=True)
class MethodResult:
    """The ranks that a method gave, the posts it put first, and its time.

    Attributes
    ----------
    ranks : float64 (q,), of the hidden posts, inf where one was not named.
    first : for each query the rows of the first `FIRST_POSTS`, best first.
    ms : milliseconds a query.
    family_ranks : as ranks, with families counted as one; nan where the hidden post
        is of the family of a query post; empty if they were not asked for.
    """

    ranks: np.ndarray
    first: list[np.ndarray]
    ms: float
    family_ranks: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def figures(self, popular: np.ndarray, eligible: int) -> list[float]:
        """Compute `METHOD_COLUMNS`, from a mask (n,) of the most popular posts.

        `eligible` posts may be shown.
        """
        shown = np.concatenate(self.first)
        overlap = float(popular[shown].mean()) if len(shown) else 0.0
        coverage = len(np.unique(shown)) / eligible
        return [*summarize(self.ranks), overlap, coverage, self.ms]


def judge_scores(
    score: BoardScorer,
    queries: Queries,
    seed: int = 0,
    name: str = "scores",
    families: Families | None = None,
) -> MethodResult:
    """Judge a method that scores every post, for `QUERIES_AT_ONCE` at a time."""
    rng, chance = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    ranks: list[float] = []
    family_ranks: list[float] = []
    first: list[np.ndarray] = []
    seconds = 0.0
    order = np.zeros(0, np.int64)
    for at in progress(range(0, len(queries), QUERIES_AT_ONCE), name):
        batch, hidden = zip(*queries[at : at + QUERIES_AT_ONCE], strict=True)
        start = time.perf_counter()
        scores = np.array(score(batch))
        seconds += time.perf_counter() - start

        for line, rows, target in zip(scores, batch, hidden, strict=True):
            line[rows] = -np.inf
            ranks.append(rank_among(line, target, rng))
            if families:
                family_ranks.append(family_rank(families, line, rows, target, chance))

        # Posts in random order, so that any of the equals may be among the first.
        if not len(order):
            order = rng.permutation(scores.shape[1])
        for line in scores[:, order]:
            last = min(FIRST_POSTS, len(line)) - 1
            best = np.argpartition(-line, last)[:FIRST_POSTS]
            best = best[np.argsort(-line[best], kind="stable")]
            # A method does not recommend a post to which it gives nothing.
            first.append(order[best[line[best] > 0]])
    ms = seconds / len(queries) * 1000
    return MethodResult(np.array(ranks, float), first, ms, np.array(family_ranks))


def judge_lists(
    listed: PostLister,
    queries: Queries,
    name: str = "lists",
    families: Families | None = None,
) -> MethodResult:
    """Judge a method that names posts, one query at a time."""
    ranks: list[float] = []
    family_ranks: list[float] = []
    first: list[np.ndarray] = []
    seconds = 0.0
    listed(queries[0][0], 0)  # the first call may have to prepare something
    for seed, (rows, hidden) in enumerate(progress(queries, name)):
        start = time.perf_counter()
        found = listed(rows, seed)
        seconds += time.perf_counter() - start
        place = np.flatnonzero(found == hidden)
        ranks.append(place[0] if len(place) else np.inf)
        if families:
            asked = families.asked(rows, hidden)
            place_of_family = families.place(found, rows, hidden)
            family_ranks.append(place_of_family if asked else np.nan)
        first.append(found[:FIRST_POSTS])
    ms = seconds / len(queries) * 1000
    return MethodResult(np.array(ranks, float), first, ms, np.array(family_ranks))


def recommended(graph: PostGraph, **options: Any) -> PostLister:
    """Return `PostGraph.recommend` as a method, as far as the deepest figure.

    `options` are those of `recommend`.
    """

    def listed(rows: np.ndarray, seed: int) -> np.ndarray:
        asked = graph.posts.ids[rows].tolist()
        made = graph.recommend(posts=asked, n=max(HIT_DEPTHS), seed=seed, **options)
        return graph.posts.rows(np.array([m.post_id for m in made], np.int64))

    return listed


def judge(
    score: Callable[[np.ndarray], np.ndarray], queries: Queries, seed: int = 0
) -> list[float]:
    """Judge a function from rows to scores (n,): `summarize`, milliseconds a query."""

    def together(batch: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([score(rows) for rows in batch], np.float64)

    found = judge_scores(together, queries, seed)
    return [*summarize(found.ranks), found.ms]


def judge_recommend(graph: PostGraph, queries: Queries) -> list[float]:
    """Judge `PostGraph.recommend`: `summarize`, milliseconds a query."""
    found = judge_lists(recommended(graph), queries, "PostGraph.recommend")
    return [*summarize(found.ranks), found.ms]
