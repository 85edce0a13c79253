"""The look of the figures: the site's colors on its dark page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import needs
from ..tags.categories import BACKGROUND, COLORS, FOREGROUND
from .report import BENCH_PACKAGES, Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAYOUT = Path(__file__).with_name("figures.mplstyle")
GRID_COLOR = "#3d587f"
LINE_CATEGORIES = ("artist", "general", "species", "character", "copyright", "meta", "pool")
MARKERS = "osD^vPX"
DASHES = ("-", (0, (5, 2)), (0, (2, 2)), (0, (1, 1, 4, 1)))
NOTE_DROPS = (18, 42, 66)  # points below a mark, in turn: notes must not overlap

_COLORED = {
    BACKGROUND: "figure.facecolor axes.facecolor savefig.facecolor",
    FOREGROUND: "text.color axes.labelcolor axes.titlecolor xtick.labelcolor ytick.labelcolor",
    GRID_COLOR: "axes.edgecolor grid.color xtick.color ytick.color",
}


def save_figure(figure: Figure, directory: str | Path) -> Path:
    """Draw a figure as `directory`/`name`.png; the same data give the same bytes.

    Raises
    ------
    E6GraphError : matplotlib is not installed.
    """
    with needs("matplotlib", BENCH_PACKAGES):
        import matplotlib
        from matplotlib.figure import Figure as Page

    path = Path(directory) / f"{figure.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    colors: dict[Any, Any] = {
        part: color for color, parts in _COLORED.items() for part in parts.split()
    }
    with matplotlib.rc_context(colors, LAYOUT):
        page = Page()
        axes = page.subplots()
        axes.set_title(figure.title)
        draw_lines(axes, figure)
        page.savefig(path, metadata={"Software": None})
    return path


def draw_lines(axes: Axes, figure: Figure) -> None:
    """Draw one line a series; the legend names them in the order of their ends."""
    kinds: dict[str, int] = {}
    handles: dict[str, Any] = {}
    for name, (xs, ys) in figure.series.items():
        kind = name.partition(",")[0]
        nth = kinds[kind] = kinds.get(kind, -1) + 1
        category = LINE_CATEGORIES[list(kinds).index(kind) % len(LINE_CATEGORIES)]
        (handles[name],) = axes.plot(
            xs,
            ys,
            color=COLORS[category],
            marker=MARKERS[len(handles) % len(MARKERS)] if figure.markers else "",
            linestyle=DASHES[nth % len(DASHES)],
        )
        for i, text in enumerate(figure.notes.get(name, ())):
            axes.annotate(
                text,
                (xs[i], ys[i]),
                (0, -NOTE_DROPS[i % len(NOTE_DROPS)]),
                textcoords="offset points",
                ha="center",
                va="top",
                bbox={"facecolor": BACKGROUND, "edgecolor": "none", "pad": 1},
                arrowprops={"arrowstyle": "-", "color": GRID_COLOR, "shrinkB": 6},
            )

    if figure.log:
        axes.set(**{f"{figure.log}scale": "log"})
        axis = axes.xaxis if figure.log == "x" else axes.yaxis
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    if figure.ticks:
        axes.set_xticks(figure.ticks)
        axes.minorticks_off()
    axes.set(xlabel=figure.x, ylabel=figure.y)
    low, high = figure.limits or axes.get_ylim()
    short = max(0, figure.span - (high - low)) / 2
    axes.set_ylim(low - short, high + short)

    order = sorted(figure.series, key=lambda name: -figure.series[name][1][-1])
    if len(order) > 1:
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        where: dict[str, Any] = {"loc": figure.legend} if figure.legend else beside
        axes.legend([handles[name] for name in order], order, **where)
