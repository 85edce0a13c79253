"""Learn how much each part of the ranking is worth on a board, from half of its pools.

A query is some members of a pool, and the ranking should put another member first,
though that pool itself tells it nothing (see `Pools`). The weights are those of
largest likelihood when a post is drawn among the candidates in proportion to
exp(score) (a conditional logit, McFadden 1974; ListNet's top-one loss, Cao et al.
2007). None is negative, and a Gaussian prior holds them near `DEFAULT_WEIGHTS`. Every
other pool is learned from, and the rest are left to judge by (`python -m
e6graph.evaluate`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from ..errors import BadArtifact
from ..graph.neighbors import Neighbors
from ..store import Stage, Store
from .foreignness import Agreement
from .pools import Pools
from .posts import Posts
from .ranking import DEFAULT_WEIGHTS, Ranking

WEIGHTS_FILE = "ranking.npz"
LEARNED_QUERIES = 150  # of each size, at most
QUERIES_A_POOL = 5  # of each size, at most: few pools must not say more than the prior
QUERY_SIZES = (1, 5, 20)  # posts of a query, at most
QUERY_MEMBERS = 5
LEARNED_CANDIDATES = 1000  # of a query; see `Ranking.candidates`
PRIOR_WEIGHT = 10.0  # of the prior, in queries

PoolQuery = tuple[np.ndarray, int]
"""Rows of the query posts, and the row of the hidden one."""


def pool_rows(posts: Posts) -> list[np.ndarray]:
    """Return the rows of the indexed members of each pool of three or more."""
    return Pools.read(posts).long_ones()


def draw_pool_queries(
    pools: Sequence[np.ndarray], n: int, size: int = QUERY_MEMBERS, seed: int = 0
) -> list[PoolQuery]:
    """Draw n queries over pools in turn, each with other random members.

    If there are fewer queries than pools, they are of pools far apart.

    Parameters
    ----------
    pools : rows of the members of each pool; short pools are passed over.
    size : query posts at most.
    """
    pools = [members for members in map(np.unique, pools) if len(members) >= 3]
    if not pools:
        return []
    rng = np.random.default_rng(seed)
    queries = []
    for pool in pools_in_turn(len(pools), n).tolist():
        members = rng.permutation(pools[pool])
        queries.append((members[1 : size + 1], int(members[0])))
    return queries


def pools_in_turn(pools: int, n: int) -> np.ndarray:
    """Return which pool each of n queries is of, int64: far apart where n are fewer.

    >>> pools_in_turn(4, 2).tolist(), pools_in_turn(2, 3).tolist()
    ([0, 2], [0, 1, 0])
    """
    apart = max(1, pools // max(n, 1))
    return np.arange(n) * apart % max(pools, 1)


def learn_weights(ranking: Ranking, seed: int = 0) -> tuple[dict[str, float], np.ndarray, int]:
    """Learn the weights of the parts, and of the tags, from every other pool.

    Returns
    -------
    weights : part → weight.
    agreement : float32 (T,), see `Foreignness`.
    queries : how many the weights were learned from; 0 leaves `DEFAULT_WEIGHTS` as is.
    """
    judged_by = ranking.pools.long()[1::2]
    pools = ranking.pools.long_ones()[::2]
    agreement = Agreement(ranking.posts, pools, ranking.idf > 0)
    n = min(LEARNED_QUERIES, QUERIES_A_POOL * len(pools))
    turns = pools_in_turn(len(pools), n)
    queries = [
        (pool, members, hidden)
        for size in QUERY_SIZES
        for pool, (members, hidden) in zip(
            turns.tolist(), draw_pool_queries(pools, n, size, seed), strict=False
        )
    ]
    queries.sort(key=lambda query: query[0])  # so that each pool is left out once
    own = ranking.not_seeing(judged_by)
    own.parts = dict.fromkeys(ranking.parts, 1.0)  # so that each is looked at
    allowed = np.ones(len(ranking.posts), bool)
    cases, left_out = [], -1
    for pool, members, hidden in tqdm(queries, "ranking", disable=None):
        if pool != left_out:
            own.foreignness, left_out = agreement.foreignness(pool), pool
        allowed[members] = False
        liked = [own.query_of(row) for row in members]
        rows = own.candidates(liked, allowed, LEARNED_CANDIDATES, seed)
        allowed[members] = True
        place = np.flatnonzero(rows == hidden)
        if len(place):  # one that is not found tells nothing of the order
            parts = own.parts_of(rows, liked)
            columns = np.stack([parts[name] for name in DEFAULT_WEIGHTS], 1)
            cases.append((columns, int(place[0])))
    weights = fit_weights(cases, np.array(list(DEFAULT_WEIGHTS.values())))
    rounded = weights.round(3).tolist()  # further digits are noise
    learned = dict(zip(DEFAULT_WEIGHTS, rounded, strict=True))
    return learned, agreement.foreignness().agreement, len(cases)


def fit_weights(cases: Sequence[tuple[np.ndarray, int]], prior: np.ndarray) -> np.ndarray:
    """Find the weights w ≥ 0 of the largest posterior probability.

    They maximize Σ log softmax(parts @ w)[best] − c/2 ‖w − prior‖².

    Parameters
    ----------
    cases : for each query the parts of its candidates, float (m, k), and the row of
        the best.
    prior : float (k,); c is `PRIOR_WEIGHT`.

    Returns
    -------
    float64 (k,).
    """

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        away = weights - prior
        total, slope = PRIOR_WEIGHT / 2 * away @ away, PRIOR_WEIGHT * away
        for parts, best in cases:
            scores = parts @ weights
            drawn = np.exp(scores - scores.max())
            total += np.log(drawn.sum()) + scores.max() - scores[best]
            slope += drawn @ parts / drawn.sum() - parts[best]
        return total, slope

    bounds = [(0, None)] * len(prior)
    return minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x


def save_weights(stage: Stage, weights: dict[str, float], agreement: np.ndarray) -> None:
    """Write `ranking.npz`: `parts` (k,) str, `weights` float64 (k,), `agreement` (T,)."""
    names, values = np.array(list(weights)), np.array(list(weights.values()))
    stage.save_npz(WEIGHTS_FILE, parts=names, weights=values, agreement=agreement)


def open_ranking(store: Store, posts: Posts, neighbors: Neighbors) -> Ranking:
    """Open the ranking of a board with the weights that were learned there.

    Raises
    ------
    MissingArtifact, BadArtifact
    """
    found = store.load_npz(WEIGHTS_FILE, "parts", "weights", "agreement")
    names, values = found["parts"].tolist(), found["weights"].tolist()
    weights = dict(zip(names, values, strict=True))
    sound = all(0 <= weight < np.inf for weight in values)
    if set(weights) != set(DEFAULT_WEIGHTS) or not sound:
        raise BadArtifact(
            f"{WEIGHTS_FILE} weighs {', '.join(weights)}; expected "
            f"{', '.join(DEFAULT_WEIGHTS)}, each 0 or more: run construct_index.py again"
        )
    agreement, tags = found["agreement"], len(posts.names)
    if agreement.shape != (tags,) or not ((agreement > 0) & (agreement < 1)).all():
        raise BadArtifact(
            f"{WEIGHTS_FILE} has {agreement.shape} agreements of tags, expected {tags:,} "
            "between 0 and 1: run construct_index.py again"
        )
    return Ranking(posts, weights, neighbors, agreement)
