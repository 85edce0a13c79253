"""What the scripts share: how they parse, fail and report."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .errors import E6GraphError

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")


def parser(doc: str) -> argparse.ArgumentParser:
    """A parser that shows the script's docstring and every default, with `--index`."""

    class Formatter(
        argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
    ):
        pass

    made = argparse.ArgumentParser(description=doc.strip(), formatter_class=Formatter)
    made.add_argument("--index", default="index", metavar="DIR", help="the index directory")
    return made


def between(low: float, high: float, kind: type = int) -> Callable[[str], float]:
    """A number of a range, both ends included, for argparse.

    >>> between(0, 1, float)("0.25")
    0.25
    """

    def number(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:  # nor is nan
            raise argparse.ArgumentTypeError(f"{value}: expected {low} to {high}")
        return value

    number.__name__ = kind.__name__  # for argparse, where it is none
    return number


_LARGEST = 2**31 - 1  # annoy counts in 32 bits
natural = between(0, _LARGEST)
positive = between(1, _LARGEST)
share = between(0, 1, float)


def run(main: Callable[[], object]) -> int:
    """Call `main`; print what a person can mend as one line; return the exit status."""
    name, status = Path(sys.argv[0]).name, 1
    try:
        main()
        sys.stdout.flush()
        return 0
    except E6GraphError as error:
        said = str(error)
    except MemoryError as error:
        said = f"out of memory ({error})"
    except KeyboardInterrupt:
        said, status = "interrupted; the index is as it was, or as it was to be", 130
    except BrokenPipeError:  # whoever read our output went away; do not try to flush the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        said = ": ".join(
            str(part) for part in (error.strerror or error, error.filename) if part
        )
    print(f"{name}: {said}", file=sys.stderr)
    return status


class Report:
    """The last lines of a script: what was written, how large, how long it took."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def wrote(self, path: str | Path, shape: str) -> None:
        """Print one artifact: path, rows × dims, megabytes, seconds since the script began."""
        path = Path(path)
        size = path.stat().st_size / 1e6
        seconds = time.perf_counter() - self._start
        print(f"{path}  {shape}  {size:.1f} MB  {seconds:.1f} s")


@contextlib.contextmanager
def ticking(what: str) -> Iterator[None]:
    """Show on a terminal what goes on and for how long, every second.

    For a call that cannot report by itself, such as one into a library.
    """
    with _bar(what, None, "{desc}: {elapsed}"):
        yield


def counted(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Pass items on, and show on a terminal how many have passed, every second.

    >>> list(counted([3, 1], "numbers"))
    [3, 1]
    """
    with _bar(what, total, None) as bar:
        for item in items:
            yield item
            bar.update()


@contextlib.contextmanager
def _bar(what: str, total: int | None, layout: str | None) -> Iterator[tqdm]:
    """Show a bar that is drawn again every second, because tqdm alone draws at an update."""
    from tqdm import tqdm  # here, because importing this module must stay quick

    done = threading.Event()
    with tqdm(total=total, desc=what, bar_format=layout, disable=None) as bar:

        def tick() -> None:
            while not (bar.disable or done.wait(1)):
                bar.refresh()

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield bar
        finally:
            done.set()
            thread.join()


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Rows as aligned columns: numbers to the right, everything else to the left.

    >>> print(table([("fox", 12), ("owl", 3)], ("tag", "posts")))
    tag  posts
    fox     12
    owl      3
    """
    body = [list(row) for row in rows]
    cells = [
        [_cell(value) for value in row] for row in ([list(header)] if header else []) + body
    ]
    if not cells:
        return ""
    right = [
        all(isinstance(row[k], (int, float)) or row[k] == "" for row in body)
        for k in range(len(cells[0]))
    ]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    )


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
