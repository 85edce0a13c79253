"""Clean folders of caption files (*.txt, *.cap*: tags between commas) by a normalize.toml.

Tags are written as their canonical names, each once; those that others of the caption imply, and
those on the blacklist, are left out. Reads the tags, aliases and implications that
`python -m e6graph.importdb` or `hydrate_data.py` writes. Prose after the tags stays as it is. Each
file is replaced at once, and a second run changes nothing.

    python -m e6graph.normalize IN [OUT]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import cli
from ..errors import BadInput, E6GraphError
from ..store.files import write_atomic
from ..tags.categories import CATEGORIES
from .captions import Cleaned, Cleaner
from .config import NAME, Config, find_config, load_config

TOP = 100  # of -k and -j


@dataclass
class Statistics:
    """What a run did; counters are by tag: its id, or a string that has none."""

    files: int = 0
    changed: int = 0
    unreadable: list[str] = field(default_factory=list)
    repeated: int = 0
    written: Counter = field(default_factory=Counter)
    implied: Counter = field(default_factory=Counter)
    blacklisted: Counter = field(default_factory=Counter)

    def add(self, cleaned: Cleaned) -> None:
        """Count a caption."""
        self.repeated += cleaned.repeated
        self.written.update(cleaned.tags)
        self.implied.update(cleaned.implied)
        self.blacklisted.update(cleaned.blacklisted)


def find_captions(source: Path, out: Path, config: Config) -> list[Path]:
    """Paths, relative to `source`, of the caption files in it and its folders, sorted.

    Hidden files and folders are passed over, and `out` where it is inside `source`.
    """
    found = []
    for folder, folders, files in os.walk(source):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != out.resolve()
        )
        found += [here / name for name in files if _is_caption(name, config)]
    return sorted(path.relative_to(source) for path in found)


def _is_caption(name: str, config: Config) -> bool:
    included = config.include_filename_regexp
    return (
        not name.startswith(".")
        and re.search(r"\.(txt|cap[^.]*)$", name, re.IGNORECASE) is not None
        and (not included or any(pattern.search(name) for pattern in included))
        and not any(pattern.search(name) for pattern in config.exclude_filename_regexp)
    )


def normalize(
    source: Path, out: Path, cleaner: Cleaner, paths: Iterable[Path], verbose: bool = False
) -> Statistics:
    """Clean the captions `source / path` into `out / path`.

    A file that is not UTF-8 or cannot be read is reported on stderr, counted and left. A file that
    would not change is not written.

    Raises
    ------
    E6GraphError : a file cannot be written; those before it are done.
    """
    statistics = Statistics()
    for path in paths:
        try:
            data = (source / path).read_bytes()
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            said = (
                error.strerror
                if isinstance(error, OSError)
                else f"byte {error.start}: no UTF-8"
            )
            print(f"{source / path}: {said}: left as it is", file=sys.stderr)
            statistics.unreadable.append(str(path))
            continue
        cleaned = cleaner.clean(text)
        statistics.files += 1
        statistics.add(cleaned)
        try:
            changed = _replace(out / path, cleaned.text.encode())
        except OSError as error:
            said = f"cannot write {out / path}: {error.strerror}"
            raise E6GraphError(f"{said}: files before it are done; run again") from None
        statistics.changed += changed
        if verbose and changed and cleaned.text != text:
            print(f"{path}:{''.join(_differences(cleaned)) or ' order, spaces or line ends'}")
    return statistics


def _replace(path: Path, data: bytes) -> bool:
    """Write a file unless it holds `data` already; a link stays one, and the mode stays."""
    path = path.resolve()
    if path.is_file():
        if path.read_bytes() == data:
            return False
        mode = path.stat().st_mode
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = None
    write_atomic(path, data)
    if mode is not None:
        path.chmod(mode & 0o7777)
    return True


def _differences(cleaned: Cleaned) -> Iterator[str]:
    before, after = set(cleaned.before), set(cleaned.after)
    yield from (f" -[{tag}]" for tag in dict.fromkeys(cleaned.before) if tag not in after)
    yield from (f" +[{tag}]" for tag in cleaned.after if tag not in before)


def print_top(counts: Counter, cleaner: Cleaner, number: int, kinds: Sequence[str]) -> None:
    """The most frequent tags of a counter, of some categories ("unknown" for no id) or of all."""
    names = cleaner.tags.tag_normalizer
    rows = []
    for tag, count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))):
        kind = "unknown" if isinstance(tag, str) else names.get_category(tag)
        if not kinds or kind in kinds:
            rows.append((count, names.decode(tag), kind))
    print(cli.table(rows[:number], ("count", "tag", "category")))
    print(f"{len(rows):,} different tags")


def print_blacklist(cleaner: Cleaner) -> None:
    """The blacklist in effect, and why each tag is on it."""
    names = cleaner.tags.tag_normalizer
    rows = sorted((names.decode(tag), reason) for tag, reason in cleaner.blacklist.items())
    print(
        cli.table(rows, ("blacklisted", "because"))
        if rows
        else "nothing is blacklisted by name"
    )


def _summary(statistics: Statistics) -> str:
    unknown = {t: n for t, n in statistics.written.items() if isinstance(t, str)}
    rows = [
        (statistics.files, "caption files read"),
        (statistics.changed, "files changed"),
        (len(statistics.unreadable), "files that cannot be read, left"),
        (statistics.written.total(), "tags written"),
        (sum(unknown.values()), f"of them unknown ({len(unknown):,} different)"),
        (statistics.implied.total(), "implied tags left out"),
        (statistics.blacklisted.total(), "blacklisted tags left out"),
        (statistics.repeated, "repeated tags left out"),
    ]
    return cli.table(rows, ("count", "of"))


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m e6graph.normalize",
        description=__doc__.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("source", metavar="IN", type=Path, help="the folder of captions")
    add(
        "out", metavar="OUT", type=Path, nargs="?", help="where they go (default: IN, in place)"
    )
    text = f"the config (default: {NAME} in OUT, in IN, or in the nearest folder above either)"
    add("-c", "--config", metavar="FILE", type=Path, help=text)
    text = "the index (default: index)"
    add("--data_dir", "--data-dir", metavar="DIR", default="index", help=text)
    add("-f", "--force", action="store_true", help="do not ask before changing IN in place")
    add("-v", "--verbose", action="store_true", help="print what changes in each file")
    add("-b", "--print-blacklist", action="store_true", help="print the blacklist in effect")
    count = {"metavar": "N", "type": cli.positive, "nargs": "?", "const": TOP}
    text = f"print the N ({TOP}) tags written most often"
    add("-k", "--print-topk", help=text, **count)
    text = f"print the N ({TOP}) tags left out most often because others imply them"
    add("-j", "--print-implied-topk", help=text, **count)
    kinds = [*CATEGORIES, "unknown"]
    text = f"of -k and -j: this category alone (repeatable): {', '.join(kinds)}"
    add(
        "-s",
        "--stats-categories",
        metavar="CATEGORY",
        action="append",
        default=[],
        choices=kinds,
        help=text,
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
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        config = load_config(path) if path else Config()
        cleaner = Cleaner(config, args.data_dir)
    for message in dict.fromkeys(str(warning.message) for warning in said):
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
    print(_summary(statistics))


def _check_overlap(source: Path, out: Path, paths: Iterable[Path]) -> None:
    """Refuse an OUT above IN whose files would be other files of IN."""
    if source != out and source.is_relative_to(out):
        taken = {source / path for path in paths}
        clash = next((out / path for path in paths if out / path in taken), None)
        if clash:
            raise BadInput(f"{clash} would be read and written: give an OUT elsewhere")


def _ask(question: str) -> None:
    try:
        answer = input(question)
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise BadInput("nothing was changed: answer y, give OUT, or -f not to be asked")


if __name__ == "__main__":
    sys.exit(cli.run(main))
