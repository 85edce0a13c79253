"""The figures' looks: the site's colours on its dark page, legible at 1,200 pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import E6GraphError
from ..tags.categories import BACKGROUND, COLORS
from .report import Figure, optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES, DPI = (12.0, 6.75), 100  # 1,200 pixels wide
INK, GRID = "#e6eef7", "#3d587f"
PALETTE = [
    COLORS[name]
    for name in ("artist", "general", "species", "character", "copyright", "meta", "pool")
]
MARKERS = "osD^vPX"
DASHES = ("-", (0, (5, 2)), (0, (2, 2)), (0, (1, 1, 4, 1)))
STYLE = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), BACKGROUND),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "grid.color", "xtick.color", "ytick.color"), GRID),
    "axes.titlesize": 20,
    "axes.titlelocation": "left",
    "axes.titlepad": 16,
    "axes.labelsize": 17,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "font.size": 15,
    "legend.frameon": False,
    "lines.linewidth": 2.5,
    "lines.markersize": 9,
}


def save(figure: Figure, directory: str | Path) -> Path:
    """Draw a figure as `directory`/`name`.png; the same data give the same bytes.

    Raises
    ------
    E6GraphError : no matplotlib.
    """
    matplotlib, missing = optional("matplotlib")
    if matplotlib is None:
        raise E6GraphError(f"{missing}: install it, or leave out --plots")
    from matplotlib.figure import Figure as Page

    path = Path(directory) / f"{figure.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        page = Page(figsize=INCHES, layout="constrained")
        page.get_layout_engine().set(w_pad=0.2, h_pad=0.2)
        axes = page.subplots()
        axes.set_title(figure.title)
        figure.draw(axes)
        page.savefig(path, dpi=DPI, metadata={"Software": None})
    return path


def lines(
    axes: Axes,
    series: Mapping[str, tuple[Sequence[float | str], Sequence[float]]],
    x: str,
    y: str,
    *,
    markers: bool = True,
    log: str = "",
    limits: tuple[float, float] | None = None,
    span: float = 0,
    legend: str = "",
    notes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """One line a series, named in the order of their ends.

    Parameters
    ----------
    series : name → (xs, ys). Names that agree up to a comma are of one kind: they share a colour
        and differ in their dashes. xs may be texts.
    x, y : names of the axes.
    log : which axes are logarithmic: "", "x", "y" or "xy".
    limits : of the y axis. span : how much of it is shown at least, so that chance looks small.
    legend : where in the axes the names are, in matplotlib's words; "" is to the right of them.
    notes : name → a text beside each of its points, "" for none.
    """
    kinds: dict[str, int] = {}
    names = {}
    for name, (xs, ys) in series.items():
        kind = name.partition(",")[0]
        nth = kinds[kind] = kinds.get(kind, -1) + 1
        color = PALETTE[list(kinds).index(kind) % len(PALETTE)]
        marker = MARKERS[len(names) % len(MARKERS)] if markers else ""
        dashes = DASHES[nth % len(DASHES)]
        (names[name],) = axes.plot(xs, ys, color=color, marker=marker, linestyle=dashes)
        for at, text in zip(
            zip(xs, ys, strict=True), (notes or {}).get(name, ()), strict=False
        ):
            behind = {"facecolor": BACKGROUND, "edgecolor": "none", "pad": 1}
            below = {"textcoords": "offset points", "va": "top", "ha": "center", "bbox": behind}
            axes.annotate(text, at, (0, -14), **below)
    for which in log:
        getattr(axes, f"set_{which}scale")("log")
        getattr(axes, f"{which}axis").set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    low, high = limits or axes.get_ylim()
    short = max(0, span - (high - low)) / 2
    axes.set_ylim(low - short, high + short)
    order = sorted(series, key=lambda name: -series[name][1][-1])
    if len(order) > 1:
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        axes.legend([names[n] for n in order], order, **({"loc": legend} if legend else beside))
