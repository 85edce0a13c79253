"""The walk by itself: its length, its restarts, when it stops, and pruned graphs.

The figures of Eksombatchai et al., WWW 2018 (section 5.3 and after), on this
board's tags.
"""

from __future__ import annotations

import itertools
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..embedding.dictionary import unit_rows
from ..graph import pixie
from ..recommend.postgraph import PostGraph
from .methods import ExactMethods, method_table
from .protocol import (
    PostLister,
    Queries,
    judge_lists,
    judging_queries,
    split_pools,
    summarize,
)
from .report import Figure, Table, progress, waiting

WALK_STEPS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
RESTARTS = (1.0, 0.5, 0.2)
LONG_WALK = 1_000_000  # steps
LONG_WALK_POSTS = 1000  # its first posts, which a short walk should find
STOPPED_BUDGET = 200_000  # steps of a walk that may stop early
STOP_POSTS = (250, 500, 1000, 2000, 4000)  # n_p
STOP_VISITS = (2, 4, 8)  # n_v
STABLE_DEPTHS = (10, 100, 1000)  # first posts that two seeds may share
EDGES_AT_ONCE = 200_000  # whose cosines are in memory
DELTAS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)  # δ of the pruning
EQUALS_NOTE = "Of posts with the same tags, chance decides which come first."
SHARE_LIMITS = (0, 1)  # of an axis that shows a share
NOT_STOPPED = "no early stop"


def walked(
    graph: PostGraph, seed: int = 0, over: pixie.Graph | None = None, **options: Any
) -> PostLister:
    """Return the walk as a method; posts of equal visits come in random order.

    Each query walks by a seed of its own. `over` is another graph of the same posts,
    `options` are those of `pixie.walk`.
    """
    over = over or graph.ranking.graph

    def listed(rows: np.ndarray, turn: int) -> np.ndarray:
        own = (seed << 20) + turn
        found = pixie.walk(over, rows, allowed=graph.allowed, seed=own, **options)
        return shuffle_equals(*found, own)

    return listed


def shuffle_equals(found: np.ndarray, visits: np.ndarray, seed: int) -> np.ndarray:
    """Put posts of equal visits in random order; visits descend, as given.

    >>> shuffle_equals(np.array([4, 7, 9]), np.array([3.0, 2.0, 1.0]), seed=0)
    array([4, 7, 9])
    """
    place = np.cumsum(np.append(0, visits[1:] != visits[:-1])[: len(visits)])
    chance = np.random.default_rng(seed).random(len(visits))
    return found[np.argsort(place + chance)]


class StepCounter:
    """A graph that counts the steps taken on it."""

    def __init__(self, graph: pixie.Graph) -> None:
        self.n = graph.n
        self.degree = graph.degree
        self.steps = 0
        self._step = graph.step

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        self.steps += len(nodes)
        return self._step(nodes, rng)


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Measure steps and restarts, options, early stopping, stability and pruning."""
    pools, _ = split_pools(graph, args.half)
    queries = judging_queries(pools, args.queries, seed=args.seed)
    some = spread_out(queries, 40 if args.quick else 300)
    few = spread_out(queries, 5 if args.quick else 40)
    steps = WALK_STEPS[::2] if args.quick else WALK_STEPS
    deltas = DELTAS[::2] if args.quick else DELTAS
    return [
        *by_length(graph, some, steps, args.seed),
        by_option(graph, queries, args.seed),
        *stopping(graph, few, steps, args.seed),
        *stability(graph, few, steps, args.seed),
        *pruning(graph, some, deltas, args.seed),
    ]


def spread_out(queries: Queries, n: int) -> Queries:
    """Take at most n of the queries, at even distances."""
    return queries[:: max(1, len(queries) // n)][:n]


def by_length(
    graph: PostGraph, queries: Queries, steps: Sequence[int], seed: int
) -> list[Table | Figure]:
    """Measure hit rate @100 by steps and chance of a restart."""
    names = [f"restart {restart:g}" for restart in RESTARTS]
    rows = []
    for n in steps:
        found = []
        for restart, name in zip(RESTARTS, names, strict=True):
            method = walked(graph, seed, steps=n, restart=restart)
            found.append(judge_lists(method, queries, f"walk of {n:,} steps, {name}"))
        rates = [summarize(result.ranks)[1] for result in found]
        rows.append((n, *rates, *(result.ms for result in found)))

    series = {name: (steps, [row[i] for row in rows]) for i, name in enumerate(names, 1)}
    figure = Figure(
        "walk_steps",
        "The walk: hit rate by its length",
        "steps of a walk",
        "hit rate @100",
        series,
        log="x",
        span=0.2,
        legend="lower right",
    )
    rates_of, times_of = ([f"{what}, {name}" for name in names] for what in ("@100", "ms"))
    header = ("steps", *rates_of, *times_of)
    title = f"The walk by itself, {len(queries):,} queries: length and chance of a restart"
    return [Table(title, header, rows), figure]


def by_option(graph: PostGraph, queries: Queries, seed: int) -> Table:
    """Measure the default walk, and what each of its options changes."""
    over = graph.ranking.graph
    even = replace(over, board_weights=(graph.ranking.draw > 0).astype(float))
    largest = float(np.diff(over.boards_of.offsets).max(initial=1))
    scaled = {"scaled_budget": True, "largest_degree": largest}
    walks: dict[str, dict[str, Any]] = {
        "default: 20,000 steps, booster": {},
        "visits summed, no booster": {"booster": False},
        "budget scaled by degree": scaled,
        "budget scaled, no booster": {"booster": False, **scaled},
        "tags drawn evenly, common or not": {"over": even},
    }
    found = {
        name: judge_lists(walked(graph, seed, **given), queries, name)
        for name, given in walks.items()
    }
    title = f"Options of the walk, {len(queries):,} queries"
    return method_table(graph, title, "walk", found, seed)


def overlap(found: np.ndarray, other: np.ndarray, depth: int) -> float:
    """Compute what share of the first `depth` of `other` are those of `found`, too.

    >>> overlap(np.array([1, 2, 3]), np.array([3, 4, 1]), 2)
    0.0
    """
    return float(np.isin(other[:depth], found[:depth]).mean()) if len(other) else 1.0


def stopping(
    graph: PostGraph, queries: Queries, steps: Sequence[int], seed: int
) -> list[Table | Figure]:
    """Measure the overlap with the first 1,000 posts of a walk of a million steps."""
    walks: dict[tuple[str, int], dict[str, Any]]
    walks = {(NOT_STOPPED, n): {"steps": n} for n in (*steps, LONG_WALK)}
    for n_v, n_p in itertools.product(STOP_VISITS, STOP_POSTS):
        stop = {"stop_posts": n_p, "stop_visits": n_v}
        walks[f"{n_v} visits each", n_p] = {"steps": STOPPED_BUDGET, **stop}

    measured = np.zeros((len(walks), 3))  # steps, ms, overlap
    long = walked(graph, seed + 1, steps=LONG_WALK)
    for turn, (rows, _) in enumerate(progress(queries, "walks stopped early")):
        truth = long(rows, turn)
        walked(graph, seed)(rows, turn)  # after a long walk, one has memory to ask for
        # All walks take turns, so that another program's load hits all of them.
        for row, given in zip(measured, walks.values(), strict=True):
            own, over = (seed << 20) + turn, StepCounter(graph.ranking.graph)
            start = time.process_time()
            found = pixie.walk(over, rows, allowed=graph.allowed, seed=own, **given)
            ms = (time.process_time() - start) * 1000
            shared = overlap(shuffle_equals(*found, own), truth, LONG_WALK_POSTS)
            row += over.steps, ms, shared
    measured /= len(queries)

    table = []
    series: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for (name, n), (taken, ms, shared) in zip(walks, measured.tolist(), strict=True):
        stopped = f"n_p {n:,}, n_v {name.partition(' ')[0]}"
        said = f"all of {n:,} steps" if name == NOT_STOPPED else stopped
        table.append((said, round(taken), ms, shared))
        series[name][0].append(ms)
        series[name][1].append(shared)
    title = (
        f"Overlap with the first {LONG_WALK_POSTS:,} of {LONG_WALK:,} steps, "
        f"{len(queries)} queries"
    )
    note = (
        f"n_p posts of n_v visits each stop a walk of at most {STOPPED_BUDGET:,} steps. "
        "Steps: those walked; ms: of the processor."
    )

    figure = Figure(
        "walk_stopping",
        "The walk, stopped when n_p posts have enough visits",
        "ms a query",
        "overlap with the long walk",
        series,
        log="x",
        limits=SHARE_LIMITS,
        legend="lower right",
        notes={"4 visits each": [f"{n:,}" for n in STOP_POSTS]},
        ticks=(1, 2, 5, 10, 20, 50, 100, 200),
    )
    header = ("walk", "steps", "ms", "overlap")
    return [Table(title, header, table, [note, EQUALS_NOTE]), figure]


def stability(
    graph: PostGraph, queries: Queries, steps: Sequence[int], seed: int
) -> list[Table | Figure]:
    """Measure the overlap between walks of two seeds."""
    rows = []
    for n in steps:
        one, two = (walked(graph, seed + i, steps=n) for i in range(2))
        shared = []
        for turn, (query, _) in enumerate(progress(queries, f"two walks of {n:,} steps")):
            pair = one(query, turn), two(query, turn)
            shared.append([overlap(*pair, depth) for depth in STABLE_DEPTHS])
        rows.append((n, *np.mean(shared, 0).tolist()))
    series = {
        f"first {depth:,}": (steps, [row[i] for row in rows])
        for i, depth in enumerate(STABLE_DEPTHS, 1)
    }
    figure = Figure(
        "walk_stability",
        "The walk: what two seeds share",
        "steps of a walk",
        "posts that two seeds share",
        series,
        log="x",
        limits=SHARE_LIMITS,
        legend="lower right",
    )
    title = f"Overlap between two seeds, {len(queries)} queries"
    return [Table(title, ("steps", *series), rows, [EQUALS_NOTE]), figure]


def pruning(
    graph: PostGraph, queries: Queries, deltas: Sequence[float], seed: int
) -> list[Table | Figure]:
    """Measure hit rate where a post keeps ⌈degree^δ⌉ edges, likely or rare ones."""
    over = graph.ranking.graph
    tags = over.boards_of.values
    with waiting("likeness of posts and their tags"):
        cosines = edge_cosines(graph)
    affinities = {
        "tags most like the post": cosines,
        "rarest tags": graph.ranking.idf[tags],
    }
    silent = graph.ranking.draw[tags] == 0  # edges that no walk takes go first
    rows = []
    for delta in deltas:
        rates: list[float] = []
        for kind, affinity in affinities.items():
            pruned = pixie.prune(over, np.where(silent, -np.inf, affinity), delta)
            method = walked(graph, seed, over=pruned)
            found = judge_lists(method, queries, f"pruned by δ {delta:g}, {kind}")
            rates += summarize(found.ranks)[:2]
        kept = len(pruned.boards_of.values) / len(silent)  # the same for both
        rows.append((delta, kept, *rates))

    rates_of = [f"@{k}, {kind}" for kind in affinities for k in (10, 100)]
    header = ("δ", "edges kept", *rates_of)
    kept_edges = [row[1] for row in rows]
    series = {
        kind: (kept_edges, [row[3 + 2 * i] for row in rows])
        for i, kind in enumerate(affinities)
    }
    figure = Figure(
        "walk_pruning",
        "The walk on a pruned graph",
        "share of the edges kept",
        "hit rate @100",
        series,
        span=0.2,
        legend="lower right",
        notes={"tags most like the post": [f"δ {delta:g}" for delta in deltas]},
    )
    title = f"Pruned graphs, {len(queries):,} queries"
    return [Table(title, header, rows), figure]


def edge_cosines(graph: PostGraph) -> np.ndarray:
    """Compute the cosine of each edge's post (attenuated mean) and tag, float32.

    Edges to tags without a vector get -1.
    """
    words, lists = graph.dictionary, graph.posts.tags_of
    vectors = ExactMethods(graph).vectors("attenuated")
    column_of = np.full(len(graph.posts.names), -1)
    column_of[words.tag_ids] = np.arange(len(words.tag_ids))
    rows = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    columns = column_of[lists.values]
    unit, made = unit_rows(words.vecs), np.full(len(rows), -1, np.float32)
    for at in range(0, len(rows), EDGES_AT_ONCE):
        part = slice(at, at + EDGES_AT_ONCE)
        tags = unit[columns[part]]
        made[part] = np.einsum("ij,ij->i", vectors[rows[part]], tags)
    return np.where(columns >= 0, made, -1)
