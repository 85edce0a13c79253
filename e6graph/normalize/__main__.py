"""Clean folders of caption files (*.txt, *.cap*: tags between commas) by a normalize.toml.

Every tag is written once, under its canonical name. Tags that others of the caption
imply, and those on the blacklist, are left out. Prose after the tags stays as it is.
Each file is replaced at once, and a second run changes nothing. The tags, aliases and
implications are those that `python -m e6graph.importdb` or `hydrate_data.py` wrote.

    python -m e6graph.normalize IN [OUT]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from .. import cli
from ..errors import BadInput, E6GraphError
from ..tags import CATEGORIES
from .captions import Cleaner
from .config import CONFIG_NAME, Config, find_config, load_config
from .folders import find_captions, normalize, print_blacklist, print_top

STATS_CATEGORIES = (*CATEGORIES, "unknown")


def _parser() -> argparse.ArgumentParser:
    made = cli.parser(__doc__)
    made.prog = "python -m e6graph.normalize"
    add = made.add_argument
    add("source", metavar="IN", type=Path, help="the folder of captions")
    add(
        "out",
        metavar="OUT",
        type=Path,
        nargs="?",
        help="the folder to write to; without it, captions change in place",
    )
    add(
        "--data_dir",
        "--data-dir",
        dest="index",
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="as --index",
    )
    add(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        help=f"the rules; without it, {CONFIG_NAME} in OUT, in IN or in a folder above",
    )
    add("-f", "--force", action="store_true", help="do not ask before changing IN in place")
    add("-v", "--verbose", action="store_true", help="print what changes in each file")
    add("-b", "--print-blacklist", action="store_true", help="print the blacklist in effect")
    for short, name, tags in (
        ("-k", "--print-topk", "written most often"),
        ("-j", "--print-implied-topk", "left out most often because others imply them"),
    ):
        add(
            short,
            name,
            metavar="N",
            type=cli.positive,
            nargs="?",
            const=100,
            help=f"print the N tags {tags}; 100 without N",
        )
    add(
        "-s",
        "--stats-categories",
        metavar="CATEGORY",
        action="append",
        default=[],
        choices=STATS_CATEGORIES,
        help=f"let -k and -j print this category alone (repeatable): {', '.join(STATS_CATEGORIES)}",
    )
    return made


def main(argv: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    source, out = args.source, args.out or args.source
    if not source.is_dir():
        raise BadInput(f"{source} is no folder: give the one that holds the captions")
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is no folder: give one, or none to clean in place")

    path = args.config or find_config(out, source)
    print(f"config: {path or 'none found, the defaults'}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config = load_config(path) if path else Config()
        cleaner = Cleaner(config, args.index)
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        print(f"warning: {message}", file=sys.stderr)
    if args.print_blacklist:
        print_blacklist(cleaner)

    paths = find_captions(source, out, config)
    _check_overlap(source.resolve(), out.resolve(), paths)
    if out.resolve() == source.resolve() and paths and not args.force:
        _ask(f"Change the {len(paths):,} captions in {source} in place? [y/N] ")
    try:
        statistics = normalize(source, out, cleaner, paths, args.verbose)
    except KeyboardInterrupt:
        raise E6GraphError("interrupted; every file is whole, old or new: run again") from None

    for counts, number in (
        (statistics.written, args.print_topk),
        (statistics.implied, args.print_implied_topk),
    ):
        if number:
            print_top(counts, cleaner, number, args.stats_categories)
    print(statistics.summary())


def _check_overlap(source: Path, out: Path, paths: Iterable[Path]) -> None:
    """Refuse an OUT above IN if a file written there is another caption of IN."""
    if source == out or not source.is_relative_to(out):
        return
    taken = {source / path for path in paths}
    for path in paths:
        if out / path in taken:
            raise BadInput(f"{out / path} would be read and written: give an OUT elsewhere")


def _ask(question: str) -> None:
    try:
        answer = input(question)
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise BadInput("nothing was changed: answer y, give OUT, or -f not to be asked")


if __name__ == "__main__":
    sys.exit(cli.run(main))
