"""The peers: what one would try in place of `PostGraph.recommend`, tuned as hard as it is.

The settings of a peer are those with the largest mean of the hit rates @10, @100
and @1000 on queries of 1, 5 and 20 posts together, from the pools that are not
judged. The weights of the ranking come from these pools, too.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from ..embedding import als
from ..embedding.dictionary import unit_rows
from ..errors import E6GraphError
from ..recommend.postgraph import PostGraph
from .methods import OKAPI_B, OKAPI_K1, RP3_BETAS, ExactMethods
from .protocol import (
    QUERIES_AT_ONCE,
    QUERY_SIZES,
    BoardScorer,
    Queries,
    judging_queries,
    rank_among,
    summarize,
)
from .report import progress, waiting

PEERS = (
    "TF-IDF cosine",
    "BM25",
    "P³",
    "RP³β",
    "ALS",
    "EASE",
    "item-kNN",
    "the site's recommended",
)
"""How the names of the peers begin; other methods are there for comparison alone."""

BM25_GRID = tuple(product((0.1, 0.3, 0.6, 1.2, 2.0, 4.0, 8.0), (0.0, 0.2, 0.4, 0.6, 0.75, 1.0)))
RP3_BETA = 0.6  # where there are no other pools to choose it by
EASE_RIDGES = (100.0, 10.0, 30.0, 300.0, 1000.0)  # the usual one first
ALS_FACTORS = 128
ALS_RIDGES = (als.REGULARIZATION, 1.0, 10.0, 30.0)  # the usual one first
ONE = np.ones(1, np.float32)  # leaves scores as they are
QUICK_ALS = (64, 5)  # factors and iterations with --quick


def training_queries(pools: Sequence[np.ndarray], queries: int, seed: int) -> list[Queries]:
    """Draw queries to tune on, as many as are judged: a third of them for each size.

    The list is empty where no pool has three members.
    """
    if not any(len(pool) >= 3 for pool in pools):
        return []
    some = max(1, queries // len(QUERY_SIZES))
    return [judging_queries(pools, some, size, seed) for size in QUERY_SIZES]


def mean_hit_rates(
    score: BoardScorer,
    training: Sequence[Queries],
    factors: Sequence[np.ndarray],
    seed: int,
) -> np.ndarray:
    """Average the hit rates over depths and query sizes.

    Parameters
    ----------
    factors : for each of g settings what it multiplies the scores by, (n,) or (1,).

    Returns
    -------
    float64 (g,), of each setting.
    """
    rng, rates = np.random.default_rng(seed), []
    for queries in training:
        ranks = np.empty((len(queries), len(factors)))
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            batch, hidden = zip(*queries[start : start + QUERIES_AT_ONCE], strict=True)
            lines = score(batch)
            for i, (line, rows, target) in enumerate(zip(lines, batch, hidden, strict=True)):
                line[rows] = -np.inf
                ranks[start + i] = [rank_among(line * f, target, rng) for f in factors]
        rates.append([np.mean(summarize(own)[:-1]) for own in ranks.T])
    return np.mean(rates, 0)


class Tuner:
    """Chooses the settings of the peers on training queries.

    Attributes
    ----------
    notes : what was chosen.
    """

    def __init__(self, exact: ExactMethods, training: Sequence[Queries], seed: int) -> None:
        self._exact, self._training, self._seed = exact, training, seed
        queries = sum(map(len, training))
        how = f"chosen by {queries:,} queries of the pools not judged"
        usual = "the usual ones, because there are no other pools to choose them by"
        self.notes = [f"Settings of the peers, {how if queries else usual}:"]

    def bm25(self) -> BoardScorer:
        """Make BM25 of the best k₁ and b."""
        score, grid = self._exact.shared_idf(), BM25_GRID
        factors = [self._exact.okapi(*setting) for setting in grid]
        at = self._best_factor("BM25", score, factors)
        k1, b = (OKAPI_K1, OKAPI_B) if at is None else grid[at]
        self.notes.append(f"BM25: k₁ {k1:g}, b {b:g}.")
        return self._exact.bm25(k1, b)

    def rp3(self) -> tuple[float, BoardScorer]:
        """Choose β; return it, and RP³β."""
        factors = [self._exact.length_penalty(beta) for beta in RP3_BETAS]
        at = self._best_factor("RP³β", self._exact.p3(), factors)
        beta = RP3_BETA if at is None else RP3_BETAS[at]
        self.notes.append(f"RP³β: β = {beta}.")
        return beta, self._exact.rp3(beta)

    def _best_factor(
        self, name: str, score: BoardScorer, factors: Sequence[np.ndarray]
    ) -> int | None:
        if not self._training:
            return None
        with waiting(f"tuning {name}"):
            rates = mean_hit_rates(score, self._training, factors, self._seed)
        return int(np.argmax(rates))

    def by_ridge(
        self, name: str, ridges: Sequence[float], make: Callable[[float], BoardScorer]
    ) -> BoardScorer:
        """Choose λ and make a method with it; without training queries λ is the first."""

        def rate(ridge: float) -> float:
            with waiting(f"tuning {name}, λ {ridge:g}"):
                return float(mean_hit_rates(make(ridge), self._training, [ONE], self._seed)[0])

        chosen = ridges[0]
        if self._training and len(ridges) > 1:
            chosen = max(ridges, key=rate)
        self.notes.append(f"{name}: λ = {chosen:g}.")
        with waiting(name):
            return make(chosen)


def peers(
    graph: PostGraph, others: Sequence[np.ndarray], args: Namespace
) -> tuple[dict[str, BoardScorer], list[str]]:
    """Prepare the scorer of every exact method by its name, and notes on them.

    Parameters
    ----------
    others : rows of the pools that are not judged. Settings are chosen by them, and
        item-kNN knows nothing else.
    """
    exact = ExactMethods(graph)
    made = {"popularity": exact.popularity()}
    for kind in progress(("raw", "IDF", "SIF", "attenuated"), "mean tag vectors"):
        made[f"{kind} mean, exact cosine"] = exact.cosine(exact.vectors(kind))

    tuner = Tuner(exact, training_queries(others, args.queries, args.seed + 1), args.seed)
    made |= {"TF-IDF cosine": exact.tfidf(), "BM25": tuner.bm25(), "P³": exact.p3()}
    beta, made_rp3 = tuner.rp3()
    made[f"RP³β, β {beta}"] = made_rp3
    made["EASE"] = tuner.by_ridge("EASE", EASE_RIDGES[: 1 if args.quick else None], exact.ease)

    factors, iterations = QUICK_ALS if args.quick else (ALS_FACTORS, als.ITERATIONS)

    def learned(ridge: float) -> BoardScorer:
        posts, _ = als.factorize(exact.tags, factors, ridge, iterations, args.seed)
        return exact.cosine(unit_rows(posts))

    name = f"ALS, {factors} factors"
    try:
        made[name] = tuner.by_ridge(name, ALS_RIDGES[: 1 if args.quick else None], learned)
    except E6GraphError as error:
        tuner.notes.append(f"ALS left out: {error}")

    made["the site's recommended"] = exact.site()
    if others:
        made["item-kNN on other pools"] = exact.pools(others)
    else:
        tuner.notes.append("item-kNN needs pools that are not judged: --half even or odd.")
    return made, tuner.notes
