"""Recommending: the hidden member of a pool, by `recommend` and by its peers."""

from __future__ import annotations

import copy
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..embedding import als
from ..embedding.dictionary import unit_rows
from ..errors import E6GraphError
from ..recommend.blacklist import Blacklist
from ..recommend.postgraph import PostGraph
from ..recommend.ranking import Sizes
from .methods import RP3_BETA, ExactMethods, method_table
from .protocol import (
    BoardScorer,
    MethodResult,
    Queries,
    judge_lists,
    judge_scores,
    judging_queries,
    recommended,
    split_pools,
)
from .report import Figure, Table, progress, say, waiting
from .walking import walked

QUERY_SIZES = (5, 1, 20)  # query posts at most; the main table comes first
OURS = "PostGraph.recommend"
WITHOUT_SIZES = "PostGraph.recommend, no sizes"
DRAWN_METHODS = (
    OURS,
    WITHOUT_SIZES,
    "TF-IDF cosine",
    "P³",
    "BM25",
    "attenuated mean, exact cosine",
    "walk by itself",
    "popularity",
)
QUICK_ALS = (64, 5)  # factors and iterations of ALS with --quick
COLUMN_NOTES = (
    "popular: share of the first 100 among the 1,000 most popular (a tenth of a small "
    "board); coverage: share of the posts that are ever among a first 100.",
    "ms a query: exact methods score the whole board for 64 queries at once, the walk "
    "and recommend answer one at a time.",
)


class NoSizes(Sizes):
    """Sizes that tell nothing, because no picture's size is known."""

    def __init__(self) -> None:
        pass

    def same(self, row: int) -> np.ndarray:
        return np.zeros(0, np.int64)

    def information(self, row: int, rows: np.ndarray) -> np.ndarray:
        return np.zeros(len(rows))


def without(graph: PostGraph, part: str) -> PostGraph:
    """Return a graph whose ranking lacks a part; the other weights stay.

    Without "size" the sizes bring no candidates either.
    """
    ranking = copy.copy(graph.ranking)
    if part == "size":
        ranking.sizes = NoSizes()
    ranking.parts = {**graph.ranking.parts, part: 0.0}
    catalog = replace(graph.catalog, ranking=ranking)
    return PostGraph(catalog, graph.ratings, Blacklist(()), graph.allowed)


def peers(
    graph: PostGraph, others: Sequence[np.ndarray], args: Namespace
) -> tuple[dict[str, BoardScorer], list[str]]:
    """Prepare the scorer of every exact method by its name, and notes on them.

    `others` are the pools that are not judged: β and item-kNN go by them.
    """
    exact = ExactMethods(graph)
    made = {"popularity": exact.popularity()}
    for kind in progress(("raw", "IDF", "SIF", "attenuated"), "mean tag vectors"):
        made[f"{kind} mean, exact cosine"] = exact.cosine(exact.vectors(kind))
    made |= {"TF-IDF cosine": exact.tfidf(), "BM25": exact.bm25(), "P³": exact.p3()}

    beta, chosen = RP3_BETA, "there are no other pools to choose it by"
    if any(len(pool) >= 3 for pool in others):
        half = max(1, args.queries // 2)
        queries = judging_queries(others, half, seed=args.seed + 1)
        beta = exact.tuned_beta(queries, args.seed)
        chosen = "chosen on the pools not judged"
    made[f"RP³β, β {beta}"] = exact.rp3(beta)
    notes = [f"RP³β: β = {beta}, {chosen}."]

    if others:
        made["item-kNN on other pools"] = exact.pools(others)
    else:
        notes.append("item-kNN needs pools that are not judged: --half even or odd.")

    factors, iterations = QUICK_ALS if args.quick else (als.FACTORS, als.ITERATIONS)
    try:
        options = {"iterations": iterations, "seed": args.seed}
        with waiting(f"ALS, {factors} factors"):
            posts, _ = als.factorize(exact.tags, factors, **options)
        made["ALS post factors"] = exact.cosine(unit_rows(posts))
        told = f"{factors} factors, {iterations} iterations"
        notes.append(f"ALS: {told}, idf as confidence.")
    except E6GraphError as error:
        notes.append(f"ALS left out: {error}")
    return made, notes


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Make the tables by query size, the ablation, and the figure by depth."""
    judged, others = split_pools(graph, args.half)
    judging_queries(judged, 1)  # refuses a board without pools before the long work
    scorers, notes = peers(graph, others, args)
    made: list[Table | Figure] = []
    for size in QUERY_SIZES:
        main = size == QUERY_SIZES[0]
        queries = judging_queries(judged, args.queries, size, args.seed)
        title = (
            f"{len(queries):,} queries of up to {size} posts, a hidden member of a "
            f"pool ({args.half} pools) among {graph.allowed.sum():,} posts"
        )
        say(f"  {title}")
        found = {
            name: judge_scores(score, queries, args.seed, name)
            for name, score in scorers.items()
        }
        walk = walked(graph, args.seed)
        found["walk by itself"] = judge_lists(walk, queries, "walk")
        parts = ablation(graph, queries) if main else {}
        if main:
            found[WITHOUT_SIZES] = parts["without size"]
        found[OURS] = judge_lists(recommended(graph), queries, OURS)

        notes = [*notes, *COLUMN_NOTES] if main else []
        made.append(method_table(graph, title, "method", found, args.seed, notes))
        if main:
            made.append(hit_rate_figure(found))
            left_out = "a part of its ranking left out, the other weights as they are"
            title = f"{OURS}, {left_out}"
            parts = {"all parts": found[OURS]} | parts
            made.append(method_table(graph, title, "method", parts, args.seed))
    return made


def ablation(graph: PostGraph, queries: Queries) -> dict[str, MethodResult]:
    """Judge the ranking without each of its parts."""
    found = {}
    for part in graph.ranking.parts:
        name = f"without {part}"
        method = recommended(without(graph, part))
        found[name] = judge_lists(method, queries, name)
    return found


def hit_rate_figure(found: dict[str, MethodResult]) -> Figure:
    """Show hit rate against depth, 1 to 1,000."""
    depths = np.unique(np.geomspace(1, 1000, 40).round())
    series = {}
    for name in DRAWN_METHODS:
        rates = [float((found[name].ranks < k).mean()) for k in depths]
        series[name.removesuffix(", exact cosine")] = depths, rates
    return Figure(
        "recommending",
        "Hidden pool member found",
        "posts shown",
        "share of hidden posts among them",
        series,
        log="x",
        markers=False,
        limits=(0, 1),
        legend="upper left",
    )
