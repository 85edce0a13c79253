"""The walk by itself: how long, how it restarts, when it stops, and how much of the graph it needs.

The figures of Eksombatchai et al., WWW 2018 (section 5.3 and after), on this board's tags.
"""

from __future__ import annotations

import itertools
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..embedding.dictionary import unit_rows
from ..graph import pixie
from ..recommend.postgraph import PostGraph
from .methods import Exact, most_popular
from .plotting import lines
from .protocol import (
    HEADER,
    Answer,
    PoolQuery,
    judge_answers,
    pool_queries,
    split_pools,
    summarise,
)
from .report import Figure, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEPS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
RESTARTS = (1.0, 0.5, 0.2)
LONG, DEPTH = 1_000_000, 1000  # steps of the long walk, and how many of its posts count
BUDGET = 200_000  # steps of a walk that may stop early
STOP_POSTS, STOP_VISITS = (250, 500, 1000, 2000, 4000), (2, 4, 8)  # n_p, n_v
EQUALS = "Posts of the same tags are equals: chance alone tells which of them come first."
SHARE = (0, 1)  # of an axis that shows a share
DELTAS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)


def walked(graph: PostGraph, seed: int = 0, **options) -> Answer:
    """The walk as a method; options as in `pixie.walk`. Posts of equal visits in random order.

    Parameters
    ----------
    seed : query i walks by a seed of its own. options : also `over`, another graph of the posts.
    """
    over = options.pop("over", graph.ranking.graph)

    def answer(rows: np.ndarray, turn: int) -> np.ndarray:
        own = (seed << 20) + turn
        return mixed(*pixie.walk(over, rows, allowed=graph.allowed, seed=own, **options), own)

    return answer


def mixed(found: np.ndarray, visits: np.ndarray, seed: int) -> np.ndarray:
    """Posts by visits (descending, as given), those of equal visits in random order.

    >>> mixed(np.array([4, 7, 9]), np.array([3.0, 2.0, 1.0]), seed=0)
    array([4, 7, 9])
    """
    place = np.cumsum(np.append(0, visits[1:] != visits[:-1])[: len(visits)])
    return found[np.argsort(place + np.random.default_rng(seed).random(len(visits)))]


class Counted:
    """A graph that counts the steps taken on it."""

    def __init__(self, graph: pixie.Graph) -> None:
        self.n, self.degree, self._step, self.steps = graph.n, graph.degree, graph.step, 0

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        self.steps += len(nodes)
        return self._step(nodes, rng)


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Steps and restarts, options, early stopping, stability, pruning."""
    queries = pool_queries(split_pools(graph, args.half)[0], args.queries, seed=args.seed)
    some = apart(queries, 40 if args.quick else 300)
    few = apart(queries, 5 if args.quick else 40)
    steps = STEPS[::2] if args.quick else STEPS
    return [
        *by_length(graph, some, steps, args.seed),
        options(graph, queries, args.seed),
        *stopping(graph, few, steps, args.seed),
        *stability(graph, few, steps, args.seed),
        *pruning(graph, some, DELTAS[::2] if args.quick else DELTAS, args.seed),
    ]


def apart(queries: Sequence[PoolQuery], n: int) -> Sequence[PoolQuery]:
    """At most n of the queries, as far apart as they can be."""
    return queries[:: max(1, len(queries) // n)][:n]


def by_length(
    graph: PostGraph, queries: Sequence[PoolQuery], steps: Sequence[int], seed: int
) -> list[Table | Figure]:
    """Hit rate @100 against the number of steps, for each chance of a restart."""
    rows, series = [], {f"restart {restart:g}": (steps, []) for restart in RESTARTS}
    for n in steps:
        found = [
            judge_answers(walked(graph, seed, steps=n, restart=r), queries) for r in RESTARTS
        ]
        rates = [summarise(outcome.ranks)[1] for outcome in found]
        rows.append((n, *rates, *(outcome.ms for outcome in found)))
        for (_, ys), rate in zip(series.values(), rates, strict=True):
            ys.append(rate)
    header = (
        "steps",
        *(f"@100, {name}" for name in series),
        *(f"ms, {name}" for name in series),
    )
    title = f"The walk by itself, {len(queries):,} queries: length and chance of a restart"
    draw = partial(
        lines,
        series=series,
        x="steps of a walk",
        y="hit rate @100",
        log="x",
        span=0.2,
        legend="lower right",
    )
    return [
        Table(title, header, rows),
        Figure("walk_steps", "The walk: hit rate by its length", draw),
    ]


def options(graph: PostGraph, queries: Sequence[PoolQuery], seed: int) -> Table:
    """The default walk, and what each of its options changes."""
    over = graph.ranking.graph
    even = replace(over, board_weights=(graph.ranking.draw > 0).astype(float))
    largest = float(np.diff(over.boards_of.offsets).max(initial=1))
    scaled = {"scaled_budget": True, "largest_degree": largest}
    rows = {
        "default: 20,000 steps, booster": {},
        "visits summed, no booster": {"booster": False},
        "budget scaled by degree": scaled,
        "budget scaled, no booster": {"booster": False, **scaled},
        "tags drawn evenly, common or not": {"over": even},
    }
    popular, eligible = most_popular(graph, seed=seed), int(graph.allowed.sum())
    figures = [
        (name, *judge_answers(walked(graph, seed, **given), queries).figures(popular, eligible))
        for name, given in rows.items()
    ]
    return Table(f"Options of the walk, {len(queries):,} queries", ("walk", *HEADER), figures)


def overlap(found: np.ndarray, other: np.ndarray, depth: int) -> float:
    """Share of the first `depth` of `other` that are among the first `depth` of `found`.

    >>> overlap(np.array([1, 2, 3]), np.array([3, 4, 1]), 2)
    0.0
    """
    return float(np.isin(other[:depth], found[:depth]).mean()) if len(other) else 1.0


def stopping(
    graph: PostGraph, queries: Sequence[PoolQuery], steps: Sequence[int], seed: int
) -> list[Table | Figure]:
    """Overlap with the first 1,000 of a walk of a million steps, against time."""
    ways = {("no early stop", n): {"steps": n} for n in (*steps, LONG)}
    for n_v, n_p in itertools.product(STOP_VISITS, STOP_POSTS):
        stop = {"stop_posts": n_p, "stop_visits": n_v}
        ways[f"{n_v} visits each", n_p] = {"steps": BUDGET, **stop}
    measured = np.zeros((len(ways), 3))  # steps, ms, overlap
    long = walked(graph, seed + 1, steps=LONG)
    for turn, (rows, _) in enumerate(queries):
        truth = long(rows, turn)
        walked(graph, seed)(rows, turn)  # the first walk after a long one has memory to ask for
        for row, given in zip(measured, ways.values(), strict=True):  # in turns: noise hits all
            own, over = (seed << 20) + turn, Counted(graph.ranking.graph)
            start = time.process_time()
            found = pixie.walk(over, rows, allowed=graph.allowed, seed=own, **given)
            ms = (time.process_time() - start) * 1000
            row += over.steps, ms, overlap(mixed(*found, own), truth, DEPTH)
    measured /= len(queries)
    table, series = [], {}
    for (name, n), (taken, ms, shared) in zip(ways, measured.tolist(), strict=True):
        whole = name == "no early stop"
        says = f"all of {n:,} steps" if whole else f"n_p {n:,}, n_v {name.partition(' ')[0]}"
        table.append((says, round(taken), ms, shared))
        xs, ys = series.setdefault(name, ([], []))
        xs.append(ms)
        ys.append(shared)
    title = f"Overlap with the first {DEPTH:,} of {LONG:,} steps, {len(queries)} queries"
    note = (
        f"n_p posts of n_v visits each stop a walk of at most {BUDGET:,} steps. Steps: those "
        "walked; ms: of the processor."
    )

    def draw(axes: Axes) -> None:
        notes = {"4 visits each": [f"{n:,}" for n in STOP_POSTS]}
        lines(
            axes,
            series,
            "ms a query",
            "overlap with the long walk",
            log="x",
            limits=SHARE,
            legend="lower right",
            notes=notes,
        )
        axes.set_xticks([1, 2, 5, 10, 20, 50, 100, 200])
        axes.minorticks_off()

    return [
        Table(title, ("walk", "steps", "ms", "overlap"), table, [note, EQUALS]),
        Figure("walk_stopping", "The walk, stopped when n_p posts have enough visits", draw),
    ]


def stability(
    graph: PostGraph, queries: Sequence[PoolQuery], steps: Sequence[int], seed: int
) -> list[Table | Figure]:
    """Overlap between walks of two seeds."""
    depths = (10, 100, 1000)
    rows = []
    for n in steps:
        one, two = (walked(graph, seed + i, steps=n) for i in range(2))
        pairs = [(one(rows, turn), two(rows, turn)) for turn, (rows, _) in enumerate(queries)]
        rows.append(
            (n, *(float(np.mean([overlap(*p, depth) for p in pairs])) for depth in depths))
        )
    columns = list(zip(*rows, strict=True))
    series = {f"first {d:,}": (columns[0], columns[i + 1]) for i, d in enumerate(depths)}
    title = f"Overlap between two seeds, {len(queries)} queries"
    draw = partial(
        lines,
        series=series,
        x="steps of a walk",
        y="posts that two seeds share",
        log="x",
        limits=SHARE,
        legend="lower right",
    )
    return [
        Table(title, ("steps", *series), rows, [EQUALS]),
        Figure("walk_stability", "The walk: what two seeds share", draw),
    ]


def pruning(
    graph: PostGraph, queries: Sequence[PoolQuery], deltas: Sequence[float], seed: int
) -> list[Table | Figure]:
    """Hit rate on graphs of ⌈degree^δ⌉ edges a post, those of its most like or its rarest tags."""
    over, ranking = graph.ranking.graph, graph.ranking
    kinds = {
        "tags most like the post": _cosines(graph),
        "rarest tags": ranking.idf[over.boards_of.values],
    }
    silent = ranking.draw[over.boards_of.values] == 0  # edges that no walk takes go first
    rows = []
    for delta in deltas:
        row: list[float] = [delta]
        for affinity in kinds.values():
            cut = pixie.prune(over, np.where(silent, -np.inf, affinity), delta)
            outcome = judge_answers(walked(graph, seed, over=cut), queries)
            if len(row) == 1:
                row.append(len(cut.boards_of.values) / len(silent))
            row += summarise(outcome.ranks)[:2]
        rows.append(tuple(row))
    header = ("δ", "edges kept", *(f"@{k}, {name}" for name in kinds for k in (10, 100)))
    series = {
        name: ([row[1] for row in rows], [row[3 + 2 * i] for row in rows])
        for i, name in enumerate(kinds)
    }
    notes = {next(iter(series)): [f"δ {delta:g}" for delta in deltas]}
    draw = partial(
        lines,
        series=series,
        x="share of the edges kept",
        y="hit rate @100",
        span=0.2,
        legend="lower right",
        notes=notes,
    )
    title = f"Pruned graphs, {len(queries):,} queries"
    figure = Figure("walk_pruning", "The walk on a pruned graph", draw)
    return [Table(title, header, rows), figure]


def _cosines(graph: PostGraph, block: int = 200_000) -> np.ndarray:
    """Cosine of each edge's post (its attenuated mean) and tag, float32; -1 for unknown tags."""
    words, lists = graph.dictionary, graph.posts.tags_of
    vectors = Exact(graph).vectors("attenuated")
    known = np.full(len(graph.posts.names), -1)
    known[words.tag_ids] = np.arange(len(words.tag_ids))
    row = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    column = known[lists.values]
    unit = unit_rows(words.vecs)
    made = np.empty(len(row), np.float32)
    for at in range(0, len(row), block):
        part = slice(at, at + block)
        made[part] = np.einsum("ij,ij->i", vectors[row[part]], unit[column[part]])
    return np.where(column >= 0, made, -1)
