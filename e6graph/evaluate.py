"""How good the recommendations are, beside what a user would try first.

    python -m e6graph.evaluate --index index

Protocol: pools of three members or more that may be shown; a query is up to five random members,
the hidden post one other; the query posts are left out of the ranking; ties are broken at random,
since many posts share their exact tags. Pools are never used to recommend here. Hit rate @k: share
of queries whose hidden post is among the first k.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp

from . import cli
from .embedding import unit_rows
from .errors import BadInput
from .recommend import PostGraph

DEPTHS = (10, 100, 1000)
PoolQuery = tuple[np.ndarray, int]  # rows of the query posts, row of the hidden one


def pool_queries(
    pools: Sequence[np.ndarray], n: int = 1000, size: int = 5, seed: int = 0
) -> list[PoolQuery]:
    """Queries over pools in turn, each with other random members.

    Parameters
    ----------
    pools : rows of the members of each pool; those of fewer than three are passed over.
    size : query posts at most.
    """
    pools = [members for members in map(np.unique, pools) if len(members) >= 3]
    if not pools:
        raise BadInput("no pool has three members that may be shown: nothing to judge by")
    rng = np.random.default_rng(seed)
    shuffled = (rng.permutation(pools[i % len(pools)]) for i in range(n))
    return [(members[1 : size + 1], int(members[0])) for members in shuffled]


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


def judge(
    score: Callable[[np.ndarray], np.ndarray], queries: Sequence[PoolQuery], seed: int = 0
) -> list[float]:
    """Figures of a method that scores every post, and its milliseconds a query."""
    rng = np.random.default_rng(seed)
    ranks, start = [], time.perf_counter()
    for rows, hidden in queries:
        scores = np.array(score(rows), np.float64)
        scores[rows] = -np.inf
        ranks.append(rank_among(scores, hidden, rng))
    spent = (time.perf_counter() - start) / len(queries) * 1000
    return [*summarise(np.array(ranks)), spent]


def judge_recommend(graph: PostGraph, queries: Sequence[PoolQuery]) -> list[float]:
    """Figures of what `PostGraph.recommend` returns, asked for as many as the deepest figure."""
    ids, deepest = graph.posts.ids, max(DEPTHS)
    ranks, start = [], time.perf_counter()
    for seed, (rows, hidden) in enumerate(queries):
        found = graph.recommend(posts=ids[rows].tolist(), n=deepest, seed=seed)
        places = [i for i, made in enumerate(found) if made.post_id == ids[hidden]]
        ranks.append(places[0] if places else np.inf)
    spent = (time.perf_counter() - start) / len(queries) * 1000
    return [*summarise(np.array(ranks)), spent]


def baselines(graph: PostGraph) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Methods that score every post (n,) for the rows of a query."""
    posts, ranking = graph.posts, graph.ranking
    hidden = np.where(graph.allowed, 0, -np.inf)
    tags = posts.tags_of
    ones = np.ones(len(tags.values), np.float32)
    matrix = sp.csr_array((ones, tags.values, tags.offsets), (len(posts), len(posts.names)))
    tfidf = matrix @ sp.diags_array(ranking.idf.astype(np.float32))
    lengths = np.sqrt(np.asarray(tfidf.multiply(tfidf).sum(1)).ravel())
    tfidf = sp.csr_array(sp.diags_array(1 / np.maximum(lengths, 1e-9)) @ tfidf)
    turned = tfidf.T.tocsr()
    columns = [posts.tag_ids[name] for name in graph.dictionary.tags]
    raw = unit_rows(matrix[:, columns] @ graph.dictionary.vecs)
    popularity = posts.column("fav_count") + posts.column("score")
    known = np.diff(tags.offsets)  # for a board without votes: how much is known of a post
    popularity = (popularity if popularity.any() else known) + hidden

    def by_tfidf(rows: np.ndarray) -> np.ndarray:
        query = sp.csr_array(tfidf[rows].sum(0)[None])
        return (query @ turned).toarray()[0] + hidden

    return {
        "popularity": lambda rows: popularity,
        "raw mean, exact cosine": lambda rows: raw @ raw[rows].sum(0) + hidden,
        "TF-IDF cosine": by_tfidf,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--queries", type=cli.positive, default=1000)
    parser.add_argument("--ratings", default="s", help="ratings that take part")
    parser.add_argument("--half", choices=("all", "even", "odd"), default="all",
        help="pools to judge by: the ranking's weights come of Tate's even ones")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    graph = PostGraph.open(args.index, args.ratings, None)
    members = [m for m in graph.posts.pools["post_ids"].to_pylist() if len(m) >= 3]
    members = members[args.half == "odd" :: 1 + (args.half != "all")]
    rows = (np.flatnonzero(np.isin(graph.posts.ids, pool)) for pool in members)
    pools = [pool[graph.allowed[pool]] for pool in rows]
    queries = pool_queries(pools, args.queries, seed=args.seed)
    table = [(name, *judge(score, queries)) for name, score in baselines(graph).items()]
    table.append(("PostGraph.recommend", *judge_recommend(graph, queries)))
    print(f"{len(queries):,} queries, hidden pool member among {graph.allowed.sum():,} posts")
    print(cli.table(table, ("method", *(f"@{k}" for k in DEPTHS), "MRR", "ms")))


if __name__ == "__main__":
    sys.exit(cli.run(main))
