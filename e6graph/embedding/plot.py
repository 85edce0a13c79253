"""Tags on a plane: PCA of query tags and their neighbors, in the site's colors.

matplotlib draws and textalloc places the labels; both are extras.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadInput, needs
from ..store.files import write_atomic
from ..tags.categories import BACKGROUND, CATEGORIES, COLORS
from .nearest_tags import Near, TagSpace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT_INCHES = (12, 9)
PLOT_DPI = 100  # so a plot has 1200 × 900 pixels
LONGEST_LABEL = 40  # letters
NO_LINE_WITHIN = 10  # pixels from a dot's edge to its label
LABEL_SIDES = "east west northeast northwest southeast southwest north south"  # best first
DIAMONDS = ("lore",)  # its green is nearly that of character, whose dots are round
RING = 2.5  # area of the ring round a query tag, as a multiple of its dot's

_INK = "#e8eef5"
_FRAME = "#5b7a9d"
_NO_WINDOW = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}


def local_pca(
    vectors: np.ndarray, dims: Sequence[int] = (1, 2)
) -> tuple[np.ndarray, np.ndarray]:
    """Compute principal components of these vectors alone, by SVD.

    Parameters
    ----------
    vectors : (n, d).
    dims : which components, counted from 1.

    Returns
    -------
    places : (n, len(dims)); each column's entry of largest magnitude is positive. A
        component past the rank is 0.
    shares : (len(dims),), of the variance, 0 to 1.

    >>> places, shares = local_pca(np.array([[0.0, 0, 1], [4, 0, 1], [2, 1, 1], [2, -1, 1]]))
    >>> abs(places).round(3).tolist(), shares.round(2).tolist()
    ([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0.8, 0.2])
    """
    centered = np.asarray(vectors - vectors.mean(0), np.float64)
    left, values, _ = np.linalg.svd(centered, full_matrices=False)
    values[values <= values.max(initial=0) * 1e-6] = 0
    variance = max((values**2).sum(), 1e-300)
    places, shares = np.zeros((len(vectors), len(dims))), np.zeros(len(dims))
    for k, component in enumerate(dims):
        if component <= len(values):
            column = left[:, component - 1] * values[component - 1]
            places[:, k] = column * (-1 if column[np.abs(column).argmax()] < 0 else 1)
            shares[k] = values[component - 1] ** 2 / variance
    return places, shares


def draw_tags(
    space: TagSpace, near: Near, dims: Sequence[int] = (1, 2), figure: Figure | None = None
) -> Figure:
    """Draw query tags (ringed, bold) and their neighbors; the more posts, the larger the dot.

    No label lies on a dot or on another label; the title says how many found no room.

    Raises
    ------
    BadInput : no neighbors. E6GraphError : an extra is missing.
    """
    if not len(near.rows):
        raise BadInput("no neighbors: nothing to plot")
    if figure is None:
        with needs("matplotlib"):
            from matplotlib.figure import Figure
        figure = Figure(PLOT_INCHES, PLOT_DPI)
    rows = np.concatenate([near.query, near.rows])
    asked = len(near.query)
    places, shares = local_pca(space.vecs[rows], dims)
    names = [_shorten(space.tags[row]) for row in rows]
    categories = [str(category) for category in space.categories[rows]]
    areas = 20 + 25 * np.log10(np.maximum(space.posts[rows], 1))

    told = [f"component {d}: {s:.0%}" for d, s in zip(dims, shares, strict=True)]
    axes = _add_axes(figure, told)
    _add_dots(axes, places, areas, categories, asked)
    _add_legend(figure, axes)
    said = _shorten(f"{', '.join(names[:asked])}: {len(near.rows)} nearest", 100)
    title = axes.set_title(said, color=_INK, fontsize=14, loc="left", parse_math=False, pad=12)
    areas[:asked] *= RING
    colors = [_readable(COLORS[category]) for category in categories]
    with warnings.catch_warnings():  # letters that the font lacks are shown as boxes
        warnings.filterwarnings("ignore", "Glyph .* missing")
        hidden = _add_labels(axes, places, areas, names, colors, asked)
    if hidden:
        title.set_text(f"{said} ({hidden} without room for a label)")
    return figure


def save_plot(figure: Figure, path: str | Path) -> None:
    """Write a plot in the format of its suffix (.png, .svg, .pdf, ...), whole or not at all.

    Raises
    ------
    BadInput : matplotlib knows no such format. OSError : it cannot be written there.
    """
    path, image = Path(path), io.BytesIO()
    known = figure.canvas.get_supported_filetypes()
    kind = path.suffix[1:].lower()
    if kind not in known:
        raise BadInput(f"{path}: a plot ends in one of .{', .'.join(sorted(known))}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(image, format=kind, dpi=PLOT_DPI, facecolor=BACKGROUND)
    try:
        write_atomic(path, image.getvalue())
    except OSError as error:  # it names the temporary file, which nobody asked for
        raise OSError(error.errno, error.strerror, str(path)) from None


def show_plot(space: TagSpace, near: Near, dims: Sequence[int] = (1, 2)) -> None:
    """Draw in a window and wait until it is closed.

    Raises
    ------
    BadInput : no window can be opened here.
    """
    with needs("matplotlib"):
        import matplotlib.pyplot as plt
    if plt.get_backend().lower() in _NO_WINDOW:
        raise BadInput("no window can be opened here: give -o a file, as -o tags.png")
    draw_tags(space, near, dims, plt.figure(figsize=PLOT_INCHES, dpi=PLOT_DPI))
    plt.show()


def _add_axes(figure: Figure, labels: Sequence[str]) -> Axes:
    figure.set_facecolor(BACKGROUND)
    axes = figure.add_axes((0.045, 0.105, 0.935, 0.835), facecolor=BACKGROUND)
    axes.margins(0.12)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(labels[0], color=_INK, loc="right")
    axes.set_ylabel(labels[1], color=_INK, loc="top")
    for spine in axes.spines.values():
        spine.set_color(_FRAME)
    return axes


def _add_dots(
    axes: Axes, places: np.ndarray, areas: np.ndarray, categories: Sequence[str], asked: int
) -> None:
    for category in [name for name in CATEGORIES if name in categories]:
        these = [i for i, name in enumerate(categories) if name == category]
        diamond = category in DIAMONDS
        axes.scatter(
            places[these, 0],
            places[these, 1],
            areas[these] * (0.5 if diamond else 1),  # so both are as wide
            COLORS[category],
            marker="D" if diamond else "o",
            label=category,
            linewidths=0,
            zorder=3,
        )
    axes.scatter(
        places[:asked, 0],
        places[:asked, 1],
        areas[:asked] * RING,
        label="asked for",
        facecolors="none",
        edgecolors="white",
        linewidths=2,
        zorder=4,
    )


def _add_legend(figure: Figure, axes: Axes) -> None:
    """Add a legend below the axes, where no label comes; its dots have one size."""
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles,
        labels,
        loc="lower center",
        ncols=len(labels),
        fontsize=12,
        frameon=False,
        labelcolor=_INK,
        handletextpad=0.2,
    )
    for handle in legend.legend_handles:
        handle.set_sizes([90])  # type: ignore[union-attr]  # each is a PathCollection


def _add_labels(
    axes: Axes,
    places: np.ndarray,
    areas: np.ndarray,
    names: Sequence[str],
    colors: Sequence[str],
    asked: int,
) -> int:
    """Write names beside their dots, the first `asked` first, with lines if far.

    Return how many found no room.
    """
    with needs("textalloc"):
        import textalloc
        from matplotlib.lines import Line2D
    axes.set_autoscale_on(False)  # the lines must not move what is measured here
    others = len(names) - asked
    dots = axes.scatter(places[:, 0], places[:, 1], areas)  # what labels must not lie on
    radii = np.sqrt(areas) / 2 * PLOT_DPI / 72  # pixels
    _, _, texts, lines = textalloc.allocate(
        axes,
        places[:, 0],
        places[:, 1],
        list(names),
        scatter_plot=dots,
        text_scatter_sizes=radii.tolist(),
        textsize=[13] * asked + [11] * others,
        fontweight=["bold"] * asked + ["normal"] * others,
        textcolor=["white"] * asked + list(colors[asked:]),
        linecolor=_FRAME,
        direction=LABEL_SIDES.split(),
        min_distance=0.003,
        max_distance=0.2,
        margin=0.002,
        nbr_candidates=400,
        avoid_label_lines_overlap=True,
        draw_all=False,
        va="bottom",
        parse_math=False,  # a tag may hold two dollar signs
        zorder=5,
    )
    dots.remove()
    for line, radius in zip(lines, radii, strict=True):
        if isinstance(line, Line2D):
            ends = axes.transData.transform(line.get_xydata())
            if np.hypot(*(ends[0] - ends[1])) <= radius + NO_LINE_WITHIN:
                line.remove()
    return sum(text is None for text in texts)


def _shorten(name: str, longest: int = LONGEST_LABEL) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _readable(color: str) -> str:
    """Mix a color with white until its contrast is 4.5 (WCAG 2.1, 1.4.3).

    >>> _readable("#b4c7d9"), _readable("#228822")
    ('#b4c7d9', '#5da85d')
    """
    rgb = _rgb(color)
    while _contrast(rgb, _rgb(BACKGROUND)) < 4.5:
        rgb = rgb + (1 - rgb) * 0.05
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def _rgb(color: str) -> np.ndarray:
    return np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def _contrast(*colors: np.ndarray) -> float:
    """Compute the contrast of two colors, 1 to 21 (WCAG 2.1)."""
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in colors]
    dark, light = sorted(0.05 + float(c @ (0.2126, 0.7152, 0.0722)) for c in linear)
    return light / dark
