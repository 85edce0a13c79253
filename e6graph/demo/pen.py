"""Outlines, and the pen that fills them on a picture.

An outline is a float array (n, 2) in the frame of the pen, y down. Each maker of
outlines takes the groups of numbers of one line of a drawing, in units of the
frame, and returns a list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from .tables import Color

Point = Sequence[float]
Outlines = list[np.ndarray]
NIGHT: Color = (24, 20, 46)  # shadows tend to it, because black would look dirty

# Catmull-Rom basis: 7 samples of a segment between its inner control points, (7, 4)
_SPLINE = np.vander(np.arange(7) / 7, 4) @ (
    np.array([[-1, 3, -3, 1], [2, -5, 4, -1], [-1, 0, 1, 0], [0, 2, 0, 0]]) / 2
)
_CIRCLE = np.exp(1j * np.linspace(0, 2 * np.pi, 32, endpoint=False))
_ALONG = np.linspace(0, 1, 14)  # where a curve is sampled


def mix(first: Color, second: Color, share: float) -> Color:
    """Return the color a share of the way from the first to the second.

    >>> mix((0, 100, 200), (100, 100, 100), 0.5)
    (50, 100, 150)
    """
    channels = zip(first[:3], second[:3], strict=True)
    return (*(round(a + (b - a) * share) for a, b in channels), *first[3:])


def shade(color: Color, factor: float) -> Color:
    """Return a darker color for a factor below 1, a lighter one above."""
    if factor <= 1:
        return mix(color, NIGHT, 1 - factor)
    return mix(color, (255, 255, 255), factor - 1)


def poly(*points: Point) -> Outlines:
    """Return a polygon with straight sides."""
    return [np.array(points, dtype=float)]


def blob(*points: Point) -> Outlines:
    """Return a closed Catmull-Rom spline through the points, (7 n, 2)."""
    corners = np.array(points, dtype=float)
    around = np.stack([np.roll(corners, 1 - k, axis=0) for k in range(4)])  # (4, n, 2)
    return [np.einsum("sk,kni->nsi", _SPLINE, around).reshape(-1, 2)]


def sym(*points: Point) -> Outlines:
    """Return a `blob`, symmetric about x = 0, from its right half."""
    return blob(*points, *((-x, y) for x, y in points[-2:0:-1]))


def oval(middle: Point, radii: Point, turn: Point = (0,)) -> Outlines:
    """Return an ellipse or circle; `turn` is in hundreds of degrees."""
    points = np.stack([radii[0] * _CIRCLE.real, radii[-1] * _CIRCLE.imag], axis=1)
    return [points @ _rotation(100 * turn[0]).T + middle]


def dots(radius: Point, *middles: Point) -> Outlines:
    """Return a circle round each point."""
    return [oval(middle, radius)[0] for middle in middles]


def star(middle: Point, sizes: Point) -> Outlines:
    """Return a star from its two radii and a hundredth of the number of tips."""
    tips = round(100 * sizes[2])
    angles = (np.arange(2 * tips) / tips - 0.5) * np.pi
    points = np.exp(1j * angles) * np.tile(sizes[:2], tips)
    return [np.stack([points.real, points.imag], axis=1) + middle]


def bloom(middle: Point, sizes: Point) -> Outlines:
    """Return a star with round tips."""
    return blob(*star(middle, sizes)[0])


def grid(size: Point, corner: Point, step: Point, counts: Point) -> Outlines:
    """Return rows and columns of rectangles; `corner` is the upper left one's."""
    columns, rows = (range(round(100 * count)) for count in counts)
    rectangle = np.array([(0, 0), (size[0], 0), size, (0, size[1])]) + corner
    return [np.add(rectangle, (x * step[0], y * step[1])) for y in rows for x in columns]


def bend(*points: Point) -> Outlines:
    """Return an open Bézier curve with these control points, (14, 2)."""
    last = len(points) - 1
    weights = [
        math.comb(last, k) * _ALONG**k * (1 - _ALONG) ** (last - k) for k in range(last + 1)
    ]
    return [np.stack(weights, axis=1) @ np.array(points, dtype=float)]


def tube(widths: Point, *points: Point) -> Outlines:
    """Return a tube along a Bézier curve; half-widths change along it."""
    (spine,) = bend(*points)
    along = np.gradient(spine, axis=0)
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    across = along[:, ::-1] * (-1, 1)
    width = np.interp(_ALONG, np.linspace(0, 1, len(widths)), widths)[:, None]
    turn = np.linspace(0, np.pi, 8)[1:-1, None]

    def cap(at: int) -> np.ndarray:
        return width[at] * (np.cos(turn) * across[at] + np.sin(turn) * along[at])

    left, right = spine + across * width, (spine - across * width)[::-1]
    return [np.concatenate([left, spine[-1] + cap(-1), right, spine[0] - cap(0)])]


_MAKERS = (poly, blob, sym, oval, dots, star, bloom, grid, tube)
SHAPES: dict[str, Callable[..., Outlines]] = {make.__name__: make for make in _MAKERS}
STROKES = {"line": poly, "bend": bend}


def _rotation(degrees: float) -> np.ndarray:
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


class Pen:
    """A pen that fills outlines on an RGB image, in place.

    Parameters
    ----------
    image : picture, mode RGB; colors of four values are blended with it.
    outline : width of outlines in pixels, 0 for none.
    ink : color of outlines, or None for a darker shade of each fill.
    masks : (solid, skin), mode L: where this pen drew, and where it drew skin.
    """

    def __init__(
        self,
        image: Image.Image,
        outline: float = 0.0,
        ink: Color | None = None,
        masks: Sequence[Image.Image] = (),
    ) -> None:
        self._opaque = ImageDraw.Draw(image)
        self._blended = ImageDraw.Draw(image, "RGBA")
        self._outline, self._ink = outline, ink
        self._masks = [ImageDraw.Draw(mask) for mask in masks]
        self._matrix, self._origin, self._scale = np.eye(2), np.zeros(2), 1.0

    def at(
        self,
        x: float,
        y: float,
        scale: float = 1.0,
        angle: float = 0.0,
        flip: bool = False,
    ) -> Pen:
        """Return a pen in another frame: moved, scaled, turned, mirrored."""
        pen = object.__new__(Pen)  # copy.copy would take three times as long
        pen.__dict__.update(self.__dict__)
        pen._origin = self._matrix @ (x, y) + self._origin
        pen._matrix = scale * self._matrix
        if angle:
            pen._matrix = scale * (self._matrix @ _rotation(angle))
        if flip:
            pen._matrix = pen._matrix * (-1, 1)
        pen._scale = self._scale * scale
        return pen

    def fill(
        self, parts: Sequence[tuple[np.ndarray, Color, bool]], outlined: bool = True
    ) -> None:
        """Fill outlines in order; their lines come first, so that they join.

        Parameters
        ----------
        parts : (outline, color, whether it is skin) of each.
        """
        placed = [(self.place(outline), color, skin) for outline, color, skin in parts]
        if outlined and self._outline:
            width = max(1, round(2 * self._outline))
            for flat, color, _ in placed:
                ring = flat + flat[:4]
                joint = "curve" if width > 4 and len(ring) < 50 else None
                ink = self._ink or shade(color[:3], 0.62)
                self._opaque.line(ring, fill=ink, width=width, joint=joint)
                for mask, value in zip(self._masks, (255, 0), strict=False):
                    mask.line(ring, fill=value, width=width)
        for flat, color, skin in placed:
            self._on(color).polygon(flat, fill=color)
            values = (255, 255 * skin)
            for mask, value in zip(self._masks, values, strict=False):
                mask.polygon(flat, fill=value)

    def stroke(self, line: np.ndarray, width: float, color: Color) -> None:
        """Draw an open line; `width` in units of the frame."""
        pixels = max(1, round(width * self._scale))
        flat, draw = self.place(line), self._on(color)
        joint = "curve" if pixels > 4 else None
        draw.line(flat, fill=color, width=pixels, joint=joint)
        if pixels > 3:  # round ends
            r = pixels / 2 - 0.5
            for x, y in (flat[:2], flat[-2:]):
                draw.ellipse((x - r, y - r, x + r, y + r), fill=color)
        for mask, value in zip(self._masks, (255, 0), strict=False):
            mask.line(flat, fill=value, width=pixels)

    def glow(self, middle: Point, radius: float, color: Color, alpha: float) -> None:
        """Add light that falls off from a point."""
        for ring in range(7):
            (outline,) = oval(middle, (radius * (1 - ring / 7),))
            share = round(alpha * (0.6 + 0.8 * ring / 7) / 7)
            self._blended.polygon(self.place(outline), fill=(*color[:3], share))

    def place(self, outline: np.ndarray) -> list[float]:
        """Return the pixels of an outline as a flat list x, y, x, y ..."""
        points = np.dot(outline, self._matrix.T) + self._origin
        return points.ravel().tolist()

    def _on(self, color: Color) -> ImageDraw.ImageDraw:
        """Return what draws this color; blending is slow."""
        return self._blended if len(color) == 4 else self._opaque
