"""The protocol: queries of pools, ranks of their hidden members, and the figures made of them.

Pools of three members or more that may be shown; a query is up to five random members, the hidden
post one other; the query posts are left out of the ranking; ties are broken at random, since many
posts share their exact tags. Hit rate @k: share of queries whose hidden post is among the first k.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..recommend import weights as weighting
from ..recommend.postgraph import PostGraph

DEPTHS = (10, 100, 1000)
FIRST = 100  # posts of a ranking that overlap and coverage look at
BATCH = 64  # queries scored at once
HEADER = (*(f"@{k}" for k in DEPTHS), "MRR", "popular", "coverage", "ms")
PoolQuery = weighting.PoolQuery
Scorer = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Rows of b queries → scores (b, n), -inf for a post that may not be shown."""
Answer = Callable[[np.ndarray, int], np.ndarray]
"""Rows of a query and a seed → rows, best first."""


def pool_queries(
    pools: Sequence[np.ndarray], n: int = 1000, size: int = 5, seed: int = 0
) -> list[PoolQuery]:
    """As `weighting.draw_pool_queries`.

    Raises
    ------
    BadInput : no pool has three members.
    """
    made = weighting.draw_pool_queries(pools, n, size, seed)
    if not made:
        raise BadInput("no pool has three members that may be shown: nothing to judge by")
    return made


def split_pools(graph: PostGraph, half: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Rows of the pools to judge by ("all", "even" or "odd" in their order), and of the others.

    The weights of the ranking are learned from the even ones.
    """
    shown = [pool[graph.allowed[pool]] for pool in weighting.pool_rows(graph.posts)]
    if half == "all":
        return shown, []
    return shown[half == "odd" :: 2], shown[half == "even" :: 2]


def rank_among(scores: np.ndarray, hidden: int, rng: np.random.Generator) -> int:
    """Place of a row by its score, 0 the best; among equals at random.

    >>> rank_among(np.array([0.1, 0.9, 0.5]), 2, np.random.default_rng(0))
    1
    """
    own = scores[hidden]
    equal = int((scores == own).sum())
    return int((scores > own).sum()) + int(rng.integers(0, equal))


def summarise(ranks: np.ndarray) -> list[float]:
    """Hit rate at each of `DEPTHS`, then the mean reciprocal rank, of 0-based ranks."""
    return [*(float((ranks < k).mean()) for k in DEPTHS), float((1 / (ranks + 1)).mean())]


@dataclass(frozen=True)
class Outcome:
    """How a method did.

    Attributes
    ----------
    ranks : float64 (q,), of the hidden posts, inf where the method did not name it.
    first : for each query the rows of the first `FIRST`, in any order.
    ms : milliseconds a query.
    """

    ranks: np.ndarray
    first: list[np.ndarray]
    ms: float

    def figures(self, popular: np.ndarray, eligible: int) -> list[float]:
        """The columns of `HEADER`.

        Parameters
        ----------
        popular : bool (n,), the most popular posts. eligible : how many posts may be shown.
        """
        shown = np.concatenate(self.first)
        overlap = float(popular[shown].mean()) if len(shown) else 0.0
        coverage = len(np.unique(shown)) / eligible
        return [*summarise(self.ranks), overlap, coverage, self.ms]


def judge_scores(score: Scorer, queries: Sequence[PoolQuery], seed: int = 0) -> Outcome:
    """Judge a method that scores every post; the time is of scoring `BATCH` queries at once."""
    rng = np.random.default_rng(seed)
    ranks, first, spent = [], [], 0.0
    order = None
    for at in range(0, len(queries), BATCH):
        batch, hidden = zip(*queries[at : at + BATCH], strict=True)
        start = time.perf_counter()
        scores = np.array(score(batch))
        spent += time.perf_counter() - start
        for line, rows, target in zip(scores, batch, hidden, strict=True):
            line[rows] = -np.inf
            ranks.append(rank_among(line, target, rng))
        if order is None:  # of the posts at random, so that the first of equals are any of them
            order = rng.permutation(scores.shape[1])
        mixed = scores[:, order]
        deep = min(FIRST, mixed.shape[1])
        best = np.argpartition(-mixed, deep - 1, axis=1)[:, :deep]
        # a method that gives a post nothing does not recommend it
        first += [order[b[line[b] > 0]] for b, line in zip(best, mixed, strict=True)]
    return Outcome(np.array(ranks, np.float64), first, spent / len(queries) * 1000)


def judge_answers(answer: Answer, queries: Sequence[PoolQuery]) -> Outcome:
    """Judge a method that names posts, one query at a time."""
    ranks, first, spent = [], [], 0.0
    answer(queries[0][0], 0)  # the first answer may have to prepare something
    for seed, (rows, hidden) in enumerate(queries):
        start = time.perf_counter()
        found = answer(rows, seed)
        spent += time.perf_counter() - start
        place = np.flatnonzero(found == hidden)
        ranks.append(place[0] if len(place) else np.inf)
        first.append(found[:FIRST])
    return Outcome(np.array(ranks, np.float64), first, spent / len(queries) * 1000)


def recommended(graph: PostGraph, depth: int = max(DEPTHS)) -> Answer:
    """What `PostGraph.recommend` really returns, as far as the deepest figure."""
    ids = graph.posts.ids

    def answer(rows: np.ndarray, seed: int) -> np.ndarray:
        made = graph.recommend(posts=ids[rows].tolist(), n=depth, seed=seed)
        return graph.posts.rows(np.array([m.post_id for m in made], np.int64))

    return answer


def judge(
    score: Callable[[np.ndarray], np.ndarray], queries: Sequence[PoolQuery], seed: int = 0
) -> list[float]:
    """`summarise` and milliseconds of a function from the rows of one query to scores (n,)."""
    found = judge_scores(
        lambda batch: np.array([score(rows) for rows in batch], np.float64), queries, seed
    )
    return [*summarise(found.ranks), found.ms]


def judge_recommend(graph: PostGraph, queries: Sequence[PoolQuery]) -> list[float]:
    """`summarise` and milliseconds of `PostGraph.recommend`."""
    found = judge_answers(recommended(graph), queries)
    return [*summarise(found.ranks), found.ms]
