"""Recommending: the hidden member of a pool, by `PostGraph.recommend` and by its peers."""

from __future__ import annotations

import copy
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ..embedding import als
from ..embedding.dictionary import unit_rows
from ..recommend.blacklist import Blacklist
from ..recommend.postgraph import PostGraph
from .methods import BETA, Exact, most_popular
from .plotting import lines
from .protocol import (
    HEADER,
    Outcome,
    PoolQuery,
    judge_answers,
    judge_scores,
    pool_queries,
    recommended,
    split_pools,
)
from .report import Figure, Table, optional
from .walking import walked

SIZES = (5, 1, 20)  # query posts at most; the first is the main table
DRAWN = (
    "PostGraph.recommend",
    "PostGraph.recommend, no sizes",
    "TF-IDF cosine",
    "P³",
    "BM25",
    "attenuated mean, exact cosine",
    "walk by itself",
    "popularity",
)
FACTORS, ITERATIONS = 256, 15  # of ALS, as E6DB publishes it
READ_AS = (
    "popular: share of the first 100 among the 1,000 most popular (a tenth of a small board); "
    "coverage: share of the posts that are ever among a first 100.",
    "ms a query: exact methods score the whole board for 64 queries at once, the walk and "
    "recommend answer one at a time.",
)


class _Sizeless:
    """In place of `ranking.Sizes`: no picture's size is known."""

    def same(self, row: int) -> np.ndarray:
        return np.zeros(0, np.int64)

    def information(self, row: int, rows: np.ndarray) -> np.ndarray:
        return np.zeros(len(rows))


def without(graph: PostGraph, part: str) -> PostGraph:
    """The same graph, its ranking without one of its parts; the others as they are.

    Without "size" the sizes bring no candidates either.
    """
    ranking = copy.copy(graph.ranking)
    if part == "size":
        ranking.sizes = _Sizeless()
    ranking.parts = {**graph.ranking.parts, part: 0.0}
    catalog = replace(graph.catalog, ranking=ranking)
    return PostGraph(catalog, graph.ratings, Blacklist(()), graph.allowed)


def methods(
    graph: PostGraph, others: Sequence[np.ndarray], args: Namespace
) -> tuple[dict, list]:
    """Name → scorer of every exact method, and what to say of them.

    Parameters
    ----------
    others : rows of the pools that are not judged: β is chosen on them, item-kNN made of them.
    """
    exact, notes = Exact(graph), []
    made = {"popularity": exact.popularity()}
    made |= {
        f"{kind} mean, exact cosine": exact.cosine(exact.vectors(kind))
        for kind in ("raw", "IDF", "SIF", "attenuated")
    }
    made |= {"TF-IDF cosine": exact.tfidf(), "BM25": exact.bm25(), "P³": exact.p3()}
    beta, chosen = BETA, "there are no other pools to choose it by"
    if any(len(pool) >= 3 for pool in others):
        queries = pool_queries(others, max(1, args.queries // 2), seed=args.seed + 1)
        beta, chosen = exact.tuned_beta(queries, args.seed), "chosen on the pools not judged"
    made[f"RP³β, β {beta}"] = exact.rp3(beta)
    notes.append(f"RP³β: β = {beta}, {chosen}.")
    if others:
        made["item-kNN on other pools"] = exact.pools(others)
    else:
        notes.append("item-kNN needs pools that are not judged: --half even or odd.")
    peers = [optional(name) for name in ("implicit", "threadpoolctl")]
    missing = "".join(said for _, said in peers)
    if missing:
        notes.append(f"ALS: {missing}")
    else:
        factors, iterations = (64, 5) if args.quick else (FACTORS, ITERATIONS)
        posts, _ = als.factorize(exact.tags, factors, iterations=iterations, seed=args.seed)
        made["ALS post factors"] = exact.cosine(unit_rows(posts))
        notes.append(f"ALS: {factors} factors, {iterations} iterations, idf as confidence.")
    return made, notes


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Tables by query size, the ablation, and hit rate against depth."""
    judged, others = split_pools(graph, args.half)
    scorers, notes = methods(graph, others, args)
    popular, eligible = most_popular(graph, seed=args.seed), int(graph.allowed.sum())

    def table(title: str, found: dict[str, Outcome], notes: Sequence[str] = ()) -> Table:
        rows = [(name, *outcome.figures(popular, eligible)) for name, outcome in found.items()]
        return Table(title, ("method", *HEADER), rows, notes)

    made: list[Table | Figure] = []
    for size in SIZES:
        queries = pool_queries(judged, args.queries, size, args.seed)
        found = {
            name: judge_scores(score, queries, args.seed) for name, score in scorers.items()
        }
        found["walk by itself"] = judge_answers(walked(graph, args.seed), queries)
        if size == SIZES[0]:
            found["PostGraph.recommend, no sizes"] = judge_answers(
                recommended(without(graph, "size")), queries
            )
        found["PostGraph.recommend"] = judge_answers(recommended(graph), queries)
        title = (
            f"{len(queries):,} queries of up to {size} posts, a hidden member of a pool "
            f"({args.half} pools) among {eligible:,} posts"
        )
        made.append(table(title, found, [*notes, *READ_AS] if size == SIZES[0] else ()))
        if size == SIZES[0]:
            made.append(
                Figure("recommending", "Hidden pool member found", partial(draw, found))
            )
            made.append(
                table(
                    "PostGraph.recommend, a part of its ranking left out, the other "
                    "weights as they are",
                    ablation(graph, queries, found),
                )
            )
    return made


def ablation(
    graph: PostGraph, queries: Sequence[PoolQuery], known: dict[str, Outcome]
) -> dict[str, Outcome]:
    """Outcomes of all parts of the ranking, and without each."""
    found = {"all parts": known["PostGraph.recommend"]}
    for part in graph.ranking.parts:
        found[f"without {part}"] = (
            known["PostGraph.recommend, no sizes"]
            if part == "size"
            else judge_answers(recommended(without(graph, part)), queries)
        )
    return found


def draw(found: dict[str, Outcome], axes) -> None:
    """Hit rate against depth, 1 to 1,000."""
    depths = np.unique(np.geomspace(1, 1000, 40).round())
    series = {}
    for name in (name for name in DRAWN if name in found):
        rates = [float((found[name].ranks < k).mean()) for k in depths]
        series[name.removesuffix(", exact cosine")] = depths, rates
    lines(
        axes,
        series,
        "posts shown",
        "share of hidden posts among them",
        log="x",
        markers=False,
        limits=(0, 1),
        legend="upper left",
    )
