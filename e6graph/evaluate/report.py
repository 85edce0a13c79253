"""Results of a section of the evaluation: tables to print, figures to draw."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
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

    def as_json(self) -> dict[str, object]:
        """Return the fields; JSON has no infinity, so that it becomes None."""
        rows = [[_none_unless_finite(value) for value in row] for row in self.rows]
        return vars(self) | {"rows": rows}


@dataclass(frozen=True)
class Figure:
    """A picture `name`.png of some lines, which `plotting.save_figure` draws.

    Attributes
    ----------
    x, y : names of the axes.
    series : name → (xs, ys), sequences or arrays; xs may be texts. Names that agree
        up to a comma share a color and differ in their dashes.
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


def _none_unless_finite(value: object) -> object:
    infinite = isinstance(value, float) and not math.isfinite(value)
    return None if infinite else value


def say(text: str) -> None:
    """Tell on standard error what is being done, so that results can be piped."""
    print(text, file=sys.stderr, flush=True)


def progress(items: Iterable[T], name: str) -> Iterator[T]:
    """Iterate with a bar on a terminal; elsewhere write the name, once."""
    yield from tqdm(items, _named(name), leave=False, disable=None)


def waiting(name: str) -> AbstractContextManager[None]:
    """Show on a terminal how long one step takes; elsewhere write its name."""
    return ticking(_named(name))


def _named(name: str) -> str:
    """Indent the name of a step, and write it where no bar will show it."""
    if not sys.stderr.isatty():
        say(f"  {name}")
    return f"  {name}"
