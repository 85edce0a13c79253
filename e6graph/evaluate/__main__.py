"""Measure how good everything is on one index, beside what a user would try first.

Reads an index that the scripts made, or several; prints tables, or with --json one
object; with --plots DIR also draws the figures there. Peers that are not installed
are left out, and a note says so.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import cli
from ..errors import BadInput
from ..recommend.postgraph import PostGraph
from . import (
    attenuating,
    completing,
    learning,
    newest,
    picturing,
    plotting,
    recommending,
    searching,
    touring,
    walking,
)
from .comparing import Comparison, summary
from .report import Figure, Table, say, waiting

Section = Callable[[PostGraph, Namespace], list[Table | Figure]]
SECTIONS: dict[str, Section] = {
    "recommending": recommending.section,
    "walk": walking.section,
    "completion": completing.section,
    "attenuator": attenuating.section,
    "learning": learning.section,
    "touring": touring.section,
    "newest": newest.section,
    "pictures": picturing.section,
    "index": searching.section,
}
FULL_QUERIES = 1000
QUICK_QUERIES = 60


def parse(argv: Sequence[str] | None) -> Namespace:
    """Parse the options of the command."""
    parser = cli.parser(__doc__ or "", several=True)
    parser.prog = "python -m e6graph.evaluate"
    add = parser.add_argument
    add(
        "--sections",
        nargs="+",
        choices=SECTIONS,
        metavar="NAME",
        help=f"what to measure: {', '.join(SECTIONS)}; without it, all of them",
    )
    add("--quick", action="store_true", help="fewer queries and points: under two minutes")
    add("--json", action="store_true", help="print one JSON object in place of tables")
    add(
        "--previews",
        metavar="DIR",
        help="where the pictures are, for the section on them; of one index alone",
    )
    add(
        "--tags",
        nargs="+",
        metavar="TAG",
        help="tags that the tours are about; without it, those of "
        f"{', '.join(touring.TAGS)} that a board has",
    )
    add("--plots", metavar="DIR", help="draw the figures into this directory")
    add(
        "--queries",
        type=cli.positive,
        metavar="N",
        help=f"queries to judge by; without it, {FULL_QUERIES:,}, or {QUICK_QUERIES} with --quick",
    )
    add("--ratings", default="s", help="ratings of the posts that take part")
    add(
        "--half",
        choices=("all", "even", "odd"),
        default="odd",
        help="pools to judge by: the ranking's weights are learned from the even ones, and the "
        "peers are tuned on those not judged",
    )
    add("--seed", type=cli.natural, default=0, help="seed of everything drawn at random")
    args = parser.parse_args(argv)
    args.index = [args.index] if isinstance(args.index, str) else args.index
    if args.previews and len(args.index) > 1:
        parser.error("--previews goes with one index: their pictures are of one board")
    args.sections = args.sections or list(SECTIONS)
    usual = QUICK_QUERIES if args.quick else FULL_QUERIES
    args.queries = args.queries or usual
    return args


def measure(args: Namespace, graph: PostGraph) -> tuple[dict[str, object], list[Comparison]]:
    """Run the sections on one board, and print them unless the answer is JSON.

    Returns
    -------
    done : section → what --json shows of it. compared : for the table over all boards.
    """
    done: dict[str, object] = {}
    compared: list[Comparison] = []
    for name, section in SECTIONS.items():
        if name not in args.sections:
            continue
        say(f"{name} ({len(done) + 1} of {len(args.sections)})")
        start = time.perf_counter()
        try:
            made = section(graph, args)
        except BadInput as error:
            # A board without pools, say, still has tags to judge.
            if len(args.sections) == 1:
                raise
            made = [Table(f"left out: {error}", (), [])]

        tables = [part for part in made if isinstance(part, Table)]
        compared += [table for table in tables if isinstance(table, Comparison)]
        drawn = [
            str(plotting.save_figure(part, args.plots))
            for part in made
            if isinstance(part, Figure) and args.plots
        ]
        seconds = time.perf_counter() - start
        if not args.json:
            parts = [f"== {name}", *map(str, tables), *drawn, f"{seconds:.1f} s"]
            print(*parts, sep="\n\n", end="\n\n", flush=True)
        done[name] = {
            "tables": [table.as_json() for table in tables],
            "figures": drawn,
            "seconds": round(seconds, 1),
        }
    return done, compared


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    several = len(args.index) > 1
    done: dict[str, object] = {}
    compared: dict[str, list[Comparison]] = {}
    for index in args.index:
        own = {"index": index}
        if several and args.plots:
            own["plots"] = str(Path(args.plots, *Path(index).resolve().parts[-2:]))
        if several and not args.json:
            print(f"=== {index}", end="\n\n", flush=True)
        with waiting(f"opening {index}"):
            graph = PostGraph.open(index, args.ratings, None)
        done[index], compared[index] = measure(Namespace(**vars(args) | own), graph)

    over_all = summary(compared)
    if args.json:
        del args.json
        options = vars(args)
        answer: dict[str, object] = {"options": options, "sections": done[args.index[0]]}
        if several:
            answer = {"options": options, "boards": done, "summary": over_all.as_json()}
        print(json.dumps(answer, indent=1, allow_nan=False))
    elif any(compared.values()):
        print(over_all)


if __name__ == "__main__":
    sys.argv[0] = "e6graph.evaluate"  # the name before an error's line
    sys.exit(cli.run(main))
