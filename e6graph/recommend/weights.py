"""What each part of the ranking is worth on a board, learned from half of its pools.

A query is some members of a pool, and the ranking should put another member first. The weights are
those of largest likelihood when a post is drawn among the candidates in proportion to exp(score)
(a conditional logit, McFadden 1974; ListNet's top-one loss, Cao et al. 2007), none negative, held
near `ranking.WEIGHTS` by a Gaussian prior. Every other pool is learned from; the rest are left to
judge by (`python -m e6graph.evaluate`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from ..errors import BadArtifact
from ..store import Stage, Store
from ..store.ragged import Ragged
from .posts import Posts
from .ranking import WEIGHTS, Ranking

FILE = "ranking.npz"
QUERIES, MEMBERS, SIZE = (
    300,
    5,
    1000,
)  # learned from; posts a query; candidates, see `candidates`
PRIOR = 2.0  # what the prior weighs, in queries
PoolQuery = tuple[np.ndarray, int]  # rows of the query posts, row of the hidden one


def pool_rows(posts: Posts) -> list[np.ndarray]:
    """Rows of the indexed members of each pool of three or more, in the order of the pools."""
    lists = posts.pools["post_ids"].combine_chunks()
    pools = Ragged(lists.offsets.to_numpy(), posts.rows(lists.values.to_numpy()))
    lengths = np.diff(pools.offsets)
    return [pool[pool >= 0] for pool in (pools[i] for i in np.flatnonzero(lengths >= 3))]


def pool_queries(
    pools: Sequence[np.ndarray], n: int, size: int = MEMBERS, seed: int = 0
) -> list[PoolQuery]:
    """Queries over pools in turn, each with other random members; few queries, pools far apart.

    Parameters
    ----------
    pools : rows of the members of each pool; those of fewer than three are passed over.
    size : query posts at most.
    """
    pools = [members for members in map(np.unique, pools) if len(members) >= 3]
    rng = np.random.default_rng(seed)
    apart = max(1, len(pools) // n)
    shuffled = (
        rng.permutation(pools[i * apart % len(pools)]) for i in range(n if pools else 0)
    )
    return [(members[1 : size + 1], int(members[0])) for members in shuffled]


def learn(ranking: Ranking, seed: int = 0) -> tuple[dict[str, float], int]:
    """Weights of the parts, and how many queries they were learned from (0: `WEIGHTS` as is)."""
    queries = pool_queries(pool_rows(ranking.posts)[::2], QUERIES, seed=seed)
    allowed = np.ones(len(ranking.posts), bool)
    cases = []
    for members, hidden in tqdm(queries, "ranking", disable=None):
        allowed[members] = False
        liked = [ranking.query_of(row) for row in members]
        rows = ranking.candidates(liked, allowed, SIZE, seed)
        allowed[members] = True
        place = np.flatnonzero(rows == hidden)
        if len(place):  # one that is not found says nothing of the order
            parts = ranking.parts_of(rows, liked)
            cases.append((np.stack([parts[name] for name in WEIGHTS], 1), int(place[0])))
    weights = fit(cases, np.array(list(WEIGHTS.values()))).round(3)  # further digits are noise
    return dict(zip(WEIGHTS, weights.tolist(), strict=True)), len(cases)


def fit(cases: Sequence[tuple[np.ndarray, int]], prior: np.ndarray) -> np.ndarray:
    """Weights (k,) ≥ 0 of largest Σ log softmax(parts @ w)[best] − `PRIOR`/2 ‖w − prior‖².

    Parameters
    ----------
    cases : for each query the parts of its candidates, float (m, k), and the row of the best.
    """

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        away = weights - prior
        total, slope = PRIOR / 2 * away @ away, PRIOR * away
        for parts, best in cases:
            scores = parts @ weights
            drawn = np.exp(scores - scores.max())
            total += np.log(drawn.sum()) + scores.max() - scores[best]
            slope += drawn @ parts / drawn.sum() - parts[best]
        return total, slope

    bounds = [(0, None)] * len(prior)
    return minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x


def save_weights(stage: Stage, weights: dict[str, float]) -> None:
    """Write `ranking.npz`: `parts` (k,) str, `weights` float64 (k,)."""
    names, values = list(weights), np.array(list(weights.values()))
    stage.save_npz(FILE, parts=np.array(names), weights=values)


def open_ranking(store: Store, posts: Posts) -> Ranking:
    """The ranking of a board, with its own weights.

    Raises
    ------
    MissingArtifact, BadArtifact
    """
    found = store.load_npz(FILE, "parts", "weights")
    weights = dict(zip(found["parts"].tolist(), found["weights"].tolist(), strict=True))
    if set(weights) != set(WEIGHTS) or not all(0 <= w < np.inf for w in weights.values()):
        raise BadArtifact(
            f"{FILE} weighs {', '.join(weights)}; expected {', '.join(WEIGHTS)}, each 0 or more: "
            "run construct_index.py again"
        )
    return Ranking(posts, weights)
