"""Tags on a plane: local PCA of query tags and their neighbors, in the site's colours.

Drawn by matplotlib, an extra.
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
from . import plot_labels as labels
from .nearest_tags import Near, TagSpace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

SIZE, DPI = (12, 9), 100  # inches; 1200 × 900 pixels
LONGEST = 40  # letters of a label
NEAR = 8  # pixels; a label farther from its dot is tied to it
_INK, _LINE = "#e8eef5", "#5b7a9d"
_NO_WINDOW = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}


def local_pca(
    vectors: np.ndarray, dims: Sequence[int] = (1, 2)
) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of these vectors alone, by SVD of the centred rows.

    Parameters
    ----------
    vectors : (n, d).
    dims : which components, counted from 1.

    Returns
    -------
    places : (n, len(dims)); each column's entry of largest magnitude is positive. A component
        past the rank is 0. shares : (len(dims),), of the variance, 0 to 1.

    >>> places, shares = local_pca(np.array([[0.0, 0, 1], [4, 0, 1], [2, 1, 1], [2, -1, 1]]))
    >>> abs(places).round(3).tolist(), shares.round(2).tolist()
    ([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0.8, 0.2])
    """
    centred = vectors - vectors.mean(0)
    left, values, _ = np.linalg.svd(np.asarray(centred, np.float64), full_matrices=False)
    values[values <= values.max(initial=0) * 1e-6] = 0
    width = max(*dims, len(values))
    places = np.zeros((len(vectors), width))
    places[:, : len(values)] = left * values
    shares = np.zeros(width)
    shares[: len(values)] = values**2 / max((values**2).sum(), 1e-300)
    chosen = np.asarray(dims) - 1
    places = places[:, chosen]
    top = np.abs(places).argmax(0)
    return places * np.where(places[top, np.arange(len(chosen))] < 0, -1, 1), shares[chosen]


def draw(
    space: TagSpace, near: Near, dims: Sequence[int] = (1, 2), figure: Figure | None = None
) -> Figure:
    """Query tags (ringed, bold) and their neighbors; the more posts, the larger the dot.

    Labels lie on no dot and on no other label; the title says how many found no room.

    Raises
    ------
    BadInput : no neighbors. E6GraphError : an extra is missing.
    """
    if not len(near.rows):
        raise BadInput("no neighbors: nothing to plot")
    if figure is None:
        with needs("matplotlib"):
            from matplotlib.figure import Figure
        figure = Figure(SIZE, DPI)
    rows = np.concatenate([near.query, near.rows])
    places, shares = local_pca(space.vecs[rows], dims)
    size = 20 + 25 * np.log10(np.maximum(space.posts[rows], 1))
    categories = [str(category) for category in space.categories[rows]]
    axes = _axes(figure, [f"component {d}: {s:.0%}" for d, s in zip(dims, shares, strict=True)])
    asked = len(near.query)
    for category in [name for name in CATEGORIES if name in categories]:
        these = [i for i, name in enumerate(categories) if name == category]
        axes.scatter(
            *places[these].T,
            size[these],
            COLORS[category],
            label=category,
            linewidths=0,
            zorder=3,
        )
    ring = {"facecolors": "none", "edgecolors": "white", "linewidths": 2, "zorder": 4}
    axes.scatter(*places[:asked].T, size[:asked] * 2.5, label="asked for", **ring)
    texts = _labels(axes, [space.tags[row] for row in rows], places, categories, asked)
    _legend(figure, axes)
    names = ", ".join(_short(space.tags[row]) for row in near.query)
    title = axes.set_title("", color=_INK, fontsize=14, loc="left", parse_math=False, pad=12)
    title.set_text(_short(f"{names}: {len(near.rows)} nearest", 100))
    with warnings.catch_warnings():  # a script without glyphs is shown as boxes
        warnings.filterwarnings("ignore", "Glyph .* missing")
        radii = np.sqrt(np.where(np.arange(len(rows)) < asked, 2.5, 1) * size) / 2 * DPI / 72
        hidden = _lay_out(figure, axes, texts, places, radii, asked)
    if hidden:
        title.set_text(f"{title.get_text()} ({hidden} without room for a label)")
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a plot in the format of its suffix (.png, .svg, .pdf, ...), whole or not at all.

    Raises
    ------
    BadInput : matplotlib knows no such format.
    """
    path, image = Path(path), io.BytesIO()
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise BadInput(f"{path}: a plot ends in one of .{', .'.join(sorted(known))}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(image, format=path.suffix[1:].lower(), dpi=DPI, facecolor=BACKGROUND)
    write_atomic(path, image.getvalue())


def show(space: TagSpace, near: Near, dims: Sequence[int] = (1, 2)) -> None:
    """Draw in a window and wait until it is closed.

    Raises
    ------
    BadInput : no window can be opened here.
    """
    with needs("matplotlib"):
        import matplotlib.pyplot as plt
    if plt.get_backend().lower() in _NO_WINDOW:
        raise BadInput("no window can be opened here: give -o a file, as -o tags.png")
    draw(space, near, dims, plt.figure(figsize=SIZE, dpi=DPI))
    plt.show()


def _axes(figure: Figure, labels: Sequence[str]) -> Axes:
    figure.set_facecolor(BACKGROUND)
    axes = figure.add_axes((0.045, 0.105, 0.935, 0.835), facecolor=BACKGROUND)
    axes.margins(0.12)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(labels[0], color=_INK, loc="right")
    axes.set_ylabel(labels[1], color=_INK, loc="top")
    for spine in axes.spines.values():
        spine.set_color(_LINE)
    return axes


def _labels(
    axes: Axes, names: Sequence[str], places: np.ndarray, categories: Sequence[str], asked: int
) -> list[Text]:
    return [
        axes.text(
            *places[i],
            _short(name),
            color="white" if i < asked else _readable(COLORS[categories[i]]),
            fontsize=13 if i < asked else 11,
            fontweight="bold" if i < asked else "normal",
            parse_math=False,  # a tag may hold two dollar signs
            zorder=5,
        )
        for i, name in enumerate(names)
    ]


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the axes, where no label comes; dots of one size."""
    handles, labels = axes.get_legend_handles_labels()
    place = {"loc": "lower center", "ncols": len(labels), "fontsize": 12, "frameon": False}
    legend = figure.legend(handles, labels, labelcolor=_INK, handletextpad=0.2, **place)
    for handle in legend.legend_handles:
        handle.set_sizes([90])


def _lay_out(
    figure: Figure,
    axes: Axes,
    texts: list[Text],
    places: np.ndarray,
    radii: np.ndarray,
    asked: int,
) -> int:
    """Move the labels beside their dots, tied to them where they are far; how many find no room."""
    figure.draw_without_rendering()
    axes.set_autoscale_on(False)  # the lines must not move what is measured here
    dots, inner = axes.transData.transform(places), axes.get_window_extent().padded(-4)
    extents = [text.get_window_extent() for text in texts]
    boxes, ends = labels.place(
        dots, radii, [extent.size for extent in extents], inner.extents, asked
    )
    back = axes.transData.inverted().transform
    for text, extent, box, end, dot, radius in zip(
        texts, extents, boxes, ends, dots, radii, strict=True
    ):
        text.set_visible(not np.isnan(end).any())
        if text.get_visible():
            at = axes.transData.transform(text.get_position()) + box[:2] - extent.min
            text.set_position(back(at))
            if np.hypot(*(end - dot)) > radius + NEAR:
                axes.plot(*back([dot, end]).T, color=_LINE, linewidth=0.9, zorder=2)
    return sum(not text.get_visible() for text in texts)


def _short(name: str, longest: int = LONGEST) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _readable(color: str) -> str:
    """A colour mixed with white until its contrast on the background is 4.5 (WCAG 2.1, 1.4.3).

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
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in colors]
    dark, light = sorted(0.05 + float(c @ (0.2126, 0.7152, 0.0722)) for c in linear)
    return light / dark
