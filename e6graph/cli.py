"""Helpers of the scripts: parsing their options, failing in one line, and reporting."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from .errors import BadInput, E6GraphError

UNKNOWN_STATE = "the index is whole, either as before or already replaced"
LARGEST = 2**31 - 1  # annoy counts in 32 bits
MOST_THREADS = 1024
CORE = frozenset(
    ["annoy", "numpy", "pandas", "PIL", "pyarrow", "rapidfuzz", "requests", "scipy", "tqdm"]
)
"""Modules of the packages in requirements.txt."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help that keeps the docstring's lines, and shows defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if default is None or default is False or default in ([], argparse.SUPPRESS):
            return action.help
        return f"{action.help} (default: %(default)s)"


def parser(doc: str, several: bool = False) -> argparse.ArgumentParser:
    """Make a parser with the script's docstring as its help, and with `--index`.

    Arguments without a type of their own are read by `text`.

    Parameters
    ----------
    several : whether `--index` takes a list of directories.
    """
    made = argparse.ArgumentParser(description=doc.strip(), formatter_class=HelpFormatter)
    made.register("type", None, text)
    options: dict[str, Any] = {"nargs": "+"} if several else {}
    about = "one index directory or more" if several else "the index directory"
    made.add_argument("--index", default="index", metavar="DIR", help=about, **options)
    return made


def between(low: float, high: float, kind: type = int) -> Callable[[str], float]:
    """Make an argparse type for numbers of a range, both ends included.

    >>> between(0, 1, float)("0.25")
    0.25
    """

    def number(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:  # refuses nan too, which compares as false
            raise argparse.ArgumentTypeError(f"{value}: expected {low} to {high}")
        return value

    number.__name__ = kind.__name__  # argparse names it when the text is not a number
    return number


def text(argument: str) -> str:
    """Return an argument that is text; Python hands on stray bytes as surrogates (PEP 383).

    Raises
    ------
    BadInput : the argument holds such bytes. Arrow, SQLite and others would end in
        an error of their own, perhaps after hours.
    """
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise BadInput(
            f"argument {argument!r} holds bytes that are not UTF-8: expected text; "
            "type it again, or rename the file"
        ) from None
    return argument


def threads(argument: str) -> int:
    """Parse a number of threads for argparse: 1 or more, or -1 for all cores.

    >>> threads("2"), threads("-1")
    (2, -1)
    """
    count = int(argument)
    if count != -1 and not 1 <= count <= MOST_THREADS:
        expected = f"expected 1 to {MOST_THREADS:,}, or -1 for all cores"
        raise argparse.ArgumentTypeError(f"{count}: {expected}")
    return count


natural = between(0, LARGEST)
positive = between(1, LARGEST)
share = between(0, 1, float)


def run(main: Callable[[], object]) -> int:
    """Call `main` and return the exit status; print problems as one line."""
    status = 1
    make_streams_safe()
    try:
        main()
        sys.stdout.flush()
        return 0
    except E6GraphError as error:
        problem = str(error)
    except MemoryError as error:
        problem = f"out of memory ({error})"
    except KeyboardInterrupt as error:
        # `Store.stage` leaves a note that says what became of the index.
        outcome = getattr(error, "__notes__", [UNKNOWN_STATE])[0]
        problem, status = f"interrupted: {outcome}", 130
    except BrokenPipeError:
        _give_up(sys.stdout)  # whoever read our output is gone
        return 141
    except OSError as error:
        parts = (error.strerror or error, error.filename)
        problem = ": ".join(str(part) for part in parts if part)
    print(f"{program()}: {problem}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # a full disk, say: Python would complain once more at exit
        _give_up(sys.stdout)
    return status


def make_streams_safe() -> None:
    """Let no character that is printed or typed end the script.

    What a terminal's encoding lacks is printed as an escape such as \\xd7, stray bytes
    of the input become replacement characters, and a stream that was closed before
    the start leads nowhere.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):  # tests put others in its place
            stream.reconfigure(errors="replace" if mode == "r" else "backslashreplace")


def _give_up(stream: TextIO) -> None:
    """Send what is left in a stream's buffer nowhere, so that its flush at exit cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def as_json(value: object, indent: int | None = 1) -> str:
    """Write JSON that standard output can show; escapes of its own would not be JSON.

    >>> as_json(["fox", 3], indent=None)
    '["fox", 3]'
    """
    written = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    try:
        written.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, allow_nan=False)
    return written


def program() -> str:
    """Return the name of the running script, or of the module that `python -m` runs."""
    path = Path(sys.argv[0])
    if path.name == "__main__.py":
        return f"e6graph.{path.parent.name}"
    return "e6graph" if path.name in ("", "-m") else path.name  # -m: while it imports


def explain_missing(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print what to install, instead of a traceback, when a package of `CORE` is missing.

    A script that imports this module first is covered for its other imports.
    """
    name = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    missing = (name or "").partition(".")[0]
    if missing not in CORE:
        _usual_hook(kind, error, trace)
        return
    print(
        f"{program()}: {missing} is not installed: activate the environment "
        "(. .venv/bin/activate) or pip install -r requirements.txt",
        file=sys.stderr,
    )


_usual_hook = sys.excepthook
sys.excepthook = explain_missing


class Report:
    """The last lines of a script: the files it wrote, their sizes, and the time."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def wrote(self, path: str | Path, shape: str) -> None:
        """Print path, rows × dims and megabytes of a file, and seconds since the start."""
        megabytes = Path(path).stat().st_size / 1e6
        seconds = time.perf_counter() - self._start
        print(f"{path}  {shape}  {megabytes:.1f} MB  {seconds:.1f} s")


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Align rows in columns: numbers to the right, everything else to the left.

    >>> print(table([("fox", 12), ("owl", 3)], ("tag", "posts")))
    tag  posts
    fox     12
    owl      3
    """
    body = [list(row) for row in rows]
    whole = [list(header), *body] if header else body
    columns = []
    for values in zip(*whole, strict=True):
        cells = [_cell(value) for value in values]
        width = max(map(len, cells))
        below = values[1:] if header else values
        numeric = all(isinstance(value, (int, float)) or value == "" for value in below)
        columns.append([c.rjust(width) if numeric else c.ljust(width) for c in cells])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as SIGINT does, so that all files are closed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are for the main thread
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
