"""Results of a section of the evaluation: tables to print, figures to draw."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from .. import cli

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T")
BENCH_PACKAGES = "requirements-bench.txt"


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers, and notes to read beside them."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        return "\n".join([self.title, cli.table(self.rows, self.header), *self.notes])

    def as_json(self) -> dict[str, Any]:
        """Return the table as plain lists.

        JSON has no numbers that are not finite: they become null.
        """
        return {
            "title": self.title,
            "header": list(self.header),
            "rows": [[_null_unless_finite(value) for value in row] for row in self.rows],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Figure:
    """A picture `name`.png, drawn on one set of axes when it is asked for."""

    name: str
    title: str
    draw: Callable[[Axes], None]


def _null_unless_finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say(text: str) -> None:
    """Tell on standard error what is being done, so that results can be piped."""
    print(text, file=sys.stderr, flush=True)


def progress(items: Iterable[T], name: str) -> Iterator[T]:
    """Iterate with a bar on a terminal; elsewhere write the name, once."""
    if not sys.stderr.isatty():
        say(f"  {name}")
    yield from tqdm(items, f"  {name}", leave=False, disable=None)


@contextlib.contextmanager
def waiting(name: str) -> Iterator[None]:
    """Show how long one step without parts takes on a terminal; elsewhere write its name."""
    if not sys.stderr.isatty():
        say(f"  {name}")
    with cli.ticking(f"  {name}"):
        yield
