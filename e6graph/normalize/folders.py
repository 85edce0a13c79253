"""Clean the caption files of a folder, and count what was done."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..cli import table
from ..errors import E6GraphError
from ..store.files import write_atomic
from .captions import Cleaned, Cleaner
from .config import Config


@dataclass
class Statistics:
    """Counts of what was done; the counters are by tag id, or by unknown tag."""

    files: int = 0
    changed: int = 0
    unreadable: list[str] = field(default_factory=list)
    repeated: int = 0
    written: Counter[int | str] = field(default_factory=Counter)
    implied: Counter[int | str] = field(default_factory=Counter)
    blacklisted: Counter[int | str] = field(default_factory=Counter)

    def add(self, cleaned: Cleaned) -> None:
        """Count a caption."""
        self.files += 1
        self.repeated += cleaned.repeated
        self.written.update(cleaned.tags)
        self.implied.update(cleaned.implied)
        self.blacklisted.update(cleaned.blacklisted)

    def summary(self) -> str:
        """Return all counts as a table."""
        unknown = Counter({t: n for t, n in self.written.items() if isinstance(t, str)})
        rows = [
            (self.files, "caption files read"),
            (self.changed, "files changed"),
            (len(self.unreadable), "files that cannot be read, left"),
            (self.written.total(), "tags written"),
            (unknown.total(), f"of them unknown ({len(unknown):,} different)"),
            (self.implied.total(), "implied tags left out"),
            (self.blacklisted.total(), "blacklisted tags left out"),
            (self.repeated, "repeated tags left out"),
        ]
        return table(rows, ("count", "of"))


def find_captions(source: Path, out: Path, config: Config) -> list[Path]:
    """List the caption files in `source` and its folders, relative to it, sorted.

    Hidden files and folders are skipped, and `out` if it is inside `source`.
    """
    found = []
    for folder, folders, files in os.walk(source):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != out.resolve()
        ]
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
    source: Path,
    out: Path,
    cleaner: Cleaner,
    paths: Iterable[Path],
    verbose: bool = False,
) -> Statistics:
    """Clean the captions `source / path` into `out / path`.

    A file that cannot be read, or is not UTF-8, is reported on stderr, counted
    and left alone. A file that would not change is not written.

    Raises
    ------
    E6GraphError : a file cannot be written; those before it are done.
    """
    statistics = Statistics()
    for path in paths:
        try:
            text = (source / path).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if isinstance(error, OSError):
                reason = error.strerror
            else:
                reason = f"byte {error.start}: no UTF-8"
            print(f"{source / path}: {reason}: left as it is", file=sys.stderr)
            statistics.unreadable.append(str(path))
            continue

        cleaned = cleaner.clean(text)
        statistics.add(cleaned)
        try:
            changed = _replace(out / path, cleaned.text.encode())
        except OSError as error:
            raise E6GraphError(
                f"cannot write {out / path}: {error.strerror}: files before it are done; "
                "run again"
            ) from None
        statistics.changed += changed
        if verbose and changed and cleaned.text != text:
            differences = "".join(_differences(cleaned))
            print(f"{path}:{differences or ' order, spaces or line ends'}")
    return statistics


def _replace(path: Path, data: bytes) -> bool:
    """Write a file unless it holds `data`; links stay links, and modes stay."""
    path = path.resolve()
    mode = None
    if path.is_file():
        if path.read_bytes() == data:
            return False
        mode = path.stat().st_mode
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data)
    if mode is not None:
        path.chmod(mode & 0o7777)
    return True


def _differences(cleaned: Cleaned) -> Iterator[str]:
    before, after = dict.fromkeys(cleaned.before), cleaned.after
    yield from (f" -[{tag}]" for tag in before if tag not in after)
    yield from (f" +[{tag}]" for tag in after if tag not in before)


def print_top(
    counts: Counter[int | str], cleaner: Cleaner, number: int, kinds: Sequence[str] = ()
) -> None:
    """Print the most frequent tags of a counter.

    Parameters
    ----------
    number : how many tags to print.
    kinds : categories to print, "unknown" for tags without an id; () for all.
    """
    names = cleaner.tags.tag_normalizer
    rows = []
    by_count = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    for tag, count in by_count:
        kind = "unknown" if isinstance(tag, str) else names.get_category(tag)
        if not kinds or kind in kinds:
            rows.append((count, names.decode(tag), kind))
    print(table(rows[:number], ("count", "tag", "category")))
    print(f"{len(rows):,} different tags")


def print_blacklist(cleaner: Cleaner) -> None:
    """Print the blacklist in effect, and why each tag is on it."""
    decode = cleaner.tags.tag_normalizer.decode
    rows = sorted((decode(tag), reason) for tag, reason in cleaner.blacklist.items())
    if rows:
        print(table(rows, ("blacklisted", "because")))
    else:
        print("nothing is blacklisted by name")
