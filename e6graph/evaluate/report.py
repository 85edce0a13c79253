"""What a section of the evaluation gives: tables to print, figures to draw."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import cli

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REQUIREMENTS = "requirements-bench.txt"


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
        """The same as plain lists; a number that is not finite is null, as JSON has none."""
        rows = [[_plain(value) for value in row] for row in self.rows]
        return {
            "title": self.title,
            "header": list(self.header),
            "rows": rows,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Figure:
    """A picture `name`.png, drawn on one set of axes when it is asked for."""

    name: str
    title: str
    draw: Callable[[Axes], None]


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def optional(module: str, package: str = "") -> tuple[ModuleType | None, str]:
    """A peer's module, or None and the line that says its rows are left out.

    >>> optional("no_such_module")[1]
    'no_such_module is not installed: its rows are left out (requirements-bench.txt lists it)'
    """
    try:
        return importlib.import_module(module), ""
    except ImportError:
        name = package or module
        return None, f"{name} is not installed: its rows are left out ({REQUIREMENTS} lists it)"
