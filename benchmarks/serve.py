"""Measure the queries of an opened index: milliseconds, how many a second, memory.

    python -m benchmarks.serve --index DIR

One thread asks; set OPENBLAS_NUM_THREADS=1 to hold the products to one core as well.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np

from e6graph import PostGraph, cli
from e6graph.errors import BadInput
from e6graph.recommend.blacklist import Blacklist

from .measure import memory

STEPS = 200_000
HEADER = ("query", "first ms", "p50 ms", "p99 ms", "a second", "target")


def times(ask: Callable[[int], object], count: int) -> np.ndarray:
    """Time `ask(0)`, `ask(1)` ... in milliseconds, float64 (count,)."""
    took = np.empty(count)
    for i in range(count):
        start = time.perf_counter()
        ask(i)
        took[i] = 1e3 * (time.perf_counter() - start)
    return took


def questions(graph: PostGraph, seed: int = 0) -> dict[str, Callable[[int], object]]:
    """Return the queries by name; each asks something else for another number."""
    shown = np.flatnonzero(graph.allowed)
    if len(shown) < 8:
        raise BadInput(
            f"{len(shown)} posts may be shown, expected 8 or more: use a larger index"
        )

    def posts(i: int, count: int) -> list[int]:
        rows = np.random.default_rng((seed, i)).choice(shown, count, replace=False)
        return graph.posts.ids[rows].tolist()

    def tags(i: int) -> list[str]:
        names = [name for name, _ in graph.posts.tags(graph.row(posts(i, 1)[0]))]
        return [name for name in names if name in graph.posts.tag_ids][:8]

    return {
        "recommend, 5 posts, n = 20": lambda i: graph.recommend(posts=posts(i, 5), n=20),
        "walk, 8 posts, 200,000 steps": lambda i: graph.walk(posts(i, 8), steps=STEPS, seed=i),
        "suggest_tags": lambda i: graph.suggest_tags(tags(i)),
        "neighbors, n = 20": lambda i: graph.neighbors(posts(i, 1)[0], 20),
    }


def gathers(graph: PostGraph, seed: int) -> Callable[[int], object]:
    """Return the walk's floor: as many random reads of both tables as it has steps."""
    tables = graph.posts.tags_of.values, graph.posts.rows_with.values
    rng = np.random.default_rng(seed)
    places = [rng.integers(0, len(table), STEPS) for table in tables]
    return lambda i: [table[np.roll(at, i)] for table, at in zip(tables, places, strict=True)]


def six_lines(graph: PostGraph, seed: int) -> str:
    """Write a blacklist of the usual length with tags of this board."""
    names = graph.posts.names
    rank = np.unique(np.geomspace(1, len(names), 9).astype(int) - 1)
    some = [names[i] for i in rank.tolist()] * 9
    a, b, c, d, e, f, g = some[:7]
    return f"{a} -rating:s\n{b} {c}\n{d}\n{e} score:<5\n~{f} ~{g}\nid:<3\n"


TARGETS = {
    "open": "≤ 3,000 ms, ≤ 2 GiB own",
    "recommend, 5 posts, n = 20": "p50 ≤ 15, p99 ≤ 60, ≥ 60 a second",
    "walk, 8 posts, 200,000 steps": "≤ 12 ms",
    "suggest_tags": "≤ 5 ms",
    "blacklist, 6 lines": "≤ 150 ms once",
}


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", default="index", metavar="DIR")
    parser.add_argument("--ratings", default="s", help="what may be shown")
    parser.add_argument(
        "--count", type=cli.positive, default=300, help="how often each is asked"
    )
    parser.add_argument("--seed", type=cli.natural, default=0)
    args = parser.parse_args(argv)
    start = time.perf_counter()
    graph = PostGraph.open(args.index, ratings=args.ratings)
    opened = 1e3 * (time.perf_counter() - start)
    rows = [["open", f"{opened:.0f}", "", "", "", TARGETS["open"]]]
    memories = [("opened", *memory())]
    asked = questions(graph, args.seed)
    asked["(floor of the walk: gathers)"] = gathers(graph, args.seed)
    for name, ask in asked.items():
        took = times(ask, args.count + 1)
        rows.append(_row(name, took[0], took[1:]))
    text = six_lines(graph, args.seed)
    took = times(lambda _: Blacklist.parse(text).mask(graph.posts), min(args.count, 10) + 1)
    rows.append(_row("blacklist, 6 lines", took[0], took[1:]))
    memories.append(("after all queries", *memory()))
    print(f"{len(graph.posts):,} posts, {int(graph.allowed.sum()):,} of them may be shown")
    print(cli.table(rows, HEADER))
    print()
    shown = [
        (when, f"{all_ / 2**30:.2f}", f"{own / 2**30:.2f}") for when, all_, own in memories
    ]
    print(cli.table(shown, ("memory", "resident GiB", "own GiB")))


def _row(name: str, first: float, took: np.ndarray) -> list[str]:
    middle, late = np.percentile(took, (50, 99))
    figures = [f"{first:.1f}", f"{middle:.2f}", f"{late:.2f}", f"{1e3 / took.mean():,.0f}"]
    return [name, *figures, TARGETS.get(name, "")]


if __name__ == "__main__":
    sys.exit(cli.run(main))
