"""How good everything is, beside what a user would try first, measured on one index.

Reads an index that the scripts made; prints tables, or with --json one object; with --plots DIR
also draws the figures there. Peers that are not installed are left out, and that is said.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence

from .. import cli
from ..errors import BadInput
from ..recommend.postgraph import PostGraph
from . import (
    attenuating,
    completing,
    learning,
    picturing,
    plotting,
    recommending,
    searching,
    walking,
)
from .report import Figure, Table

Section = Callable[[PostGraph, Namespace], list[Table | Figure]]
SECTIONS: list[tuple[str, Section]] = [  # what --sections chooses from; one line a section
    ("recommending", recommending.section),
    ("walk", walking.section),
    ("completion", completing.section),
    ("attenuator", attenuating.section),
    ("learning", learning.section),
    ("pictures", picturing.section),
    ("index", searching.section),
]
QUERIES, QUICK_QUERIES = 1000, 60


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.prog = "python -m e6graph.evaluate"
    add = parser.add_argument
    names = [name for name, _ in SECTIONS]
    add(
        "--sections",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"of {', '.join(names)}",
    )
    add("--quick", action="store_true", help="fewer queries and points: under two minutes")
    add("--json", action="store_true", help="print one JSON object in place of tables")
    add("--previews", metavar="DIR", help="where the pictures are, for the section on them")
    add("--plots", metavar="DIR", help="draw the figures into this directory")
    add(
        "--queries",
        type=cli.positive,
        help=f"to judge by; unset: {QUERIES:,}, or {QUICK_QUERIES} with --quick",
    )
    add("--ratings", default="s", help="ratings that take part")
    add(
        "--half",
        choices=("all", "even", "odd"),
        default="odd",
        help="pools to judge by: the ranking's weights are learned from the even ones, and the "
        "peers are tuned on those not judged",
    )
    add("--seed", type=cli.natural, default=0, help="of everything drawn at random")
    args = parser.parse_args(argv)
    args.queries = args.queries or (QUICK_QUERIES if args.quick else QUERIES)

    graph = PostGraph.open(args.index, args.ratings, None)
    done = {}
    for name, section in SECTIONS:
        if name not in args.sections:
            continue
        start = time.perf_counter()
        try:
            made = section(graph, args)
        except BadInput as error:  # a board without pools has tags to judge all the same
            if len(args.sections) == 1:
                raise
            made = [Table(f"left out: {error}", (), [])]
        tables = [part for part in made if isinstance(part, Table)]
        figures = [part for part in made if isinstance(part, Figure) and args.plots]
        drawn = [str(plotting.save(figure, args.plots)) for figure in figures]
        seconds = time.perf_counter() - start
        if not args.json:
            print(f"== {name}", *tables, *drawn, f"{seconds:.1f} s", sep="\n\n", end="\n\n")
        done[name] = {
            "tables": [table.as_json() for table in tables],
            "figures": drawn,
            "seconds": round(seconds, 1),
        }
    if args.json:
        options = {key: value for key, value in vars(args).items() if key != "json"}
        print(json.dumps({"options": options, "sections": done}, indent=1, allow_nan=False))


if __name__ == "__main__":
    sys.argv[0] = "e6graph.evaluate"  # what errors are signed with
    sys.exit(cli.run(main))
