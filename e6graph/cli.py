"""Helpers of the scripts: parsing their options, failing in one line, and reporting."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from .errors import E6GraphError

UNKNOWN_STATE = "the index is whole, either as before or already replaced"
LARGEST = 2**31 - 1  # annoy counts in 32 bits
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


def parser(doc: str) -> argparse.ArgumentParser:
    """Make a parser with the script's docstring as its help, and with `--index`."""
    made = argparse.ArgumentParser(description=doc.strip(), formatter_class=HelpFormatter)
    made.add_argument("--index", default="index", metavar="DIR", help="the index directory")
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


natural = between(0, LARGEST)
positive = between(1, LARGEST)
share = between(0, 1, float)


def run(main: Callable[[], object]) -> int:
    """Call `main` and return the exit status; print problems as one line."""
    status = 1
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
        # Whoever read our output is gone: do not flush the rest of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        parts = (error.strerror or error, error.filename)
        problem = ": ".join(str(part) for part in parts if part)
    print(f"{program()}: {problem}", file=sys.stderr)
    return status


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
