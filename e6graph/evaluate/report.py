"""Results of a section of the evaluation: tables to print, figures to draw."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tqdm import tqdm

from .. import cli
from ..store.progress import ticking

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
    """A picture `name`.png of some lines, which `plotting.save_figure` draws.

    Attributes
    ----------
    x, y : names of the axes.
    series : name → (xs, ys), sequences or arrays; xs may be texts. Names that agree up to a
        comma are of one kind: they share a color and differ in their dashes.
    log : which axis is logarithmic: "", "x" or "y".
    limits : of the y axis.
    span : how much of the y axis is shown at least, so that noise looks small.
    legend : where the names are, in matplotlib's words; "" is right of the axes.
    notes : name → a text below each of its points.
    ticks : of the x axis; () leaves them to matplotlib.
    """

    name: str
    title: str
    x: str
    y: str
    series: Mapping[str, tuple[Any, Any]]
    markers: bool = True
    log: str = ""
    limits: tuple[float, float] | None = None
    span: float = 0
    legend: str = ""
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ticks: Sequence[float] = ()


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
    with ticking(f"  {name}"):
        yield
