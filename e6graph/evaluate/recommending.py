"""Recommending: the hidden member of a pool, by `recommend` and by its peers."""

from __future__ import annotations

import copy
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..recommend.blacklist import Blacklist
from ..recommend.postgraph import PostGraph
from ..recommend.ranking import Ranking
from .comparing import BesidePeers
from .families import Families
from .methods import method_table
from .peers import PEERS, peers
from .protocol import (
    QUERY_SIZES,
    BoardScorer,
    MethodResult,
    Queries,
    judge_lists,
    judge_scores,
    judging_queries,
    pools_of,
    recommended,
    split_pools,
)
from .report import Figure, Table, say
from .spread import LIST_POSTS, SPREAD_NOTES, Spread
from .walking import walked

OURS = "PostGraph.recommend"
WITHOUT_SIZES = "PostGraph.recommend, no sizes"
ALL_VARIANTS = "PostGraph.recommend, all variants"
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
COLUMN_NOTES = (
    "popular: share of the first 100 among the 1,000 most popular (a tenth of a small "
    "board); coverage: share of the posts that are ever among a first 100.",
    "ms a query: exact methods score the whole board for 64 queries at once, the walk "
    "and recommend answer one at a time.",
)


def without(graph: PostGraph, part: str) -> PostGraph:
    """Return a graph whose ranking lacks a part; the other weights stay.

    Without "size" the sizes bring no candidates either, nor without "pools" the pools.
    """
    ranking = copy.copy(graph.ranking)
    if part == "pools":
        ranking = ranking.not_seeing(np.arange(len(ranking.pools.members)))
    ranking.parts = {**graph.ranking.parts, part: 0.0}
    return _with_ranking(graph, ranking)


def unseeing(graph: PostGraph, half: str) -> PostGraph:
    """Return a graph that does not see the pools that are judged by."""
    judged = {"all": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}[half]
    judged_by = graph.ranking.pools.long()[judged]
    return _with_ranking(graph, graph.ranking.not_seeing(judged_by))


def _with_ranking(graph: PostGraph, ranking: Ranking) -> PostGraph:
    catalog = replace(graph.catalog, ranking=ranking)
    return PostGraph(catalog, graph.ratings, Blacklist(()), graph.allowed)


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Make the tables by query size, the ablation, the figure by depth and the comparison."""
    judged, others = split_pools(graph, args.half)
    judging_queries(judged, 1)  # refuses a board without pools before the long work
    graph = unseeing(graph, args.half)
    scorers, notes = peers(graph, others, args)
    families, spread = Families.read(graph), Spread(graph, args.seed)
    rates: list[Table | Figure] = []
    lists: list[Table | Figure] = []
    beside = BesidePeers(args.seed, not families.alone)
    for size in QUERY_SIZES:
        main = size == QUERY_SIZES[0]
        queries = judging_queries(judged, args.queries, size, args.seed)
        title = (
            f"{len(queries):,} queries of up to {size} posts, a hidden member of a "
            f"pool ({args.half} pools) among {graph.allowed.sum():,} posts"
        )
        say(f"  {title}")
        found = judge_methods(graph, scorers, queries, families, args.seed)
        parts = ablation(graph, queries, families) if main else {}
        if main:
            found[WITHOUT_SIZES] = parts["without size"]
        if not families.alone:
            every = recommended(graph, variants=True)
            found[ALL_VARIANTS] = judge_lists(every, queries, ALL_VARIANTS, families)
        found[OURS] = judge_lists(recommended(graph), queries, OURS, families)

        said = [*notes, *COLUMN_NOTES] if main else ()
        rates.append(method_table(graph, title, "method", found, args.seed, said))
        meaning = SPREAD_NOTES if main else ()
        lists.append(spread.table(f"Lists of {LIST_POSTS}: {title}", found, meaning))
        if main:
            rates.append(hit_rate_figure(found))
            left_out = "a part of its ranking left out, the other weights as they are"
            title = f"{OURS}, {left_out}"
            parts = {"all parts": found[OURS]} | parts
            rates.append(method_table(graph, title, "method", parts, args.seed))

        rivals = {name: result for name, result in found.items() if name.startswith(PEERS)}
        beside.add(size, found[OURS], rivals, pools_of(queries, judged))
    return [*rates, *lists, *beside.tables()]


def judge_methods(
    graph: PostGraph,
    scorers: Mapping[str, BoardScorer],
    queries: Queries,
    families: Families,
    seed: int,
) -> dict[str, MethodResult]:
    """Judge the exact methods, and the walk."""
    found = {
        name: judge_scores(score, queries, seed, name, families)
        for name, score in scorers.items()
    }
    walk = judge_lists(walked(graph, seed), queries, "walk", families)
    return found | {"walk by itself": walk}


def ablation(graph: PostGraph, queries: Queries, families: Families) -> dict[str, MethodResult]:
    """Judge the ranking without each of its parts."""
    found = {}
    for part in graph.ranking.parts:
        name = f"without {part}"
        method = recommended(without(graph, part))
        found[name] = judge_lists(method, queries, name, families)
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
