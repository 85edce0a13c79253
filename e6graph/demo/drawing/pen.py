"""Shapes and the pen that fills them: smooth paths in local frames over Pillow's ImageDraw.

A path is a float array (n, 2) in the pen's frame, y down. Paths are made by `oval`, `blob`, `limb`
and friends; `Pen.fill` draws a group of them with one common silhouette, which is what makes limbs
and torso read as one body whatever the outline of the style.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, ...]
NIGHT = (
    24,
    20,
    46,
)  # colours are darkened towards this, which keeps shadows from looking dirty

# Catmull-Rom basis: samples of a segment between its two inner control points
_T = np.arange(7) / 7
_SPLINE = 0.5 * np.stack(
    [
        -(_T**3) + 2 * _T**2 - _T,
        3 * _T**3 - 5 * _T**2 + 2,
        -3 * _T**3 + 4 * _T**2 + _T,
        _T**3 - _T**2,
    ],
    axis=1,
)
_ANGLES = np.linspace(0, 2 * np.pi, 36, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_TURN = np.linspace(0, np.pi, 8)[1:-1]
_CAP = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)  # the round end of a limb
_SAMPLES = 14  # points of a curve
_ALONG = np.linspace(0, 1, _SAMPLES)


def mix(a: RGB, b: RGB, t: float) -> RGB:
    """The colour a share `t` of the way from `a` to `b`.

    >>> mix((0, 100, 200), (100, 100, 100), 0.5)
    (50, 100, 150)
    """
    return (
        round(a[0] + (b[0] - a[0]) * t),
        round(a[1] + (b[1] - a[1]) * t),
        round(a[2] + (b[2] - a[2]) * t),
    )


def shade(color: RGB, factor: float) -> RGB:
    """Darker for factors below 1 (towards a deep violet), lighter above (towards white)."""
    return (
        mix(color, NIGHT, 1 - factor)
        if factor <= 1
        else mix(color, (255, 255, 255), factor - 1)
    )


@cache
def _parse(text: str) -> np.ndarray:
    return _shared(np.array([pair.split(",") for pair in text.split()], dtype=float) / 100)


def _shared(points: np.ndarray) -> np.ndarray:
    """Made read-only, since all who ask for the same text get the same array."""
    points.setflags(write=False)
    return points


def path(*points: Sequence[float] | str) -> np.ndarray:
    """A polygon with straight sides, (n, 2): points, or a text of them in hundredths of a unit.

    >>> path("0,-80 55,100").tolist()
    [[0.0, -0.8], [0.55, 1.0]]
    """
    return _parse(points[0]) if isinstance(points[0], str) else np.array(points, dtype=float)


def whole(right: str) -> np.ndarray:
    """An outline symmetric about x = 0 from its right half, crown to chin; both ends on the axis.

    >>> whole("0,-100 50,0 0,100").tolist()
    [[0.0, -1.0], [0.5, 0.0], [0.0, 1.0], [-0.5, 0.0]]
    """
    half = _parse(right)
    return np.concatenate([half, half[-2:0:-1] * (-1, 1)])


def oval(
    x: float, y: float, rx: float, ry: float | None = None, angle: float = 0.0
) -> np.ndarray:
    """An ellipse as 36 points; `angle` in degrees, clockwise on screen."""
    points = _CIRCLE.copy()
    points[:, 0] *= rx
    points[:, 1] *= rx if ry is None else ry
    if angle:
        points = points @ _rotation(angle).T
    points[:, 0] += x
    points[:, 1] += y
    return points


def blob(*points: Sequence[float] | str) -> np.ndarray:
    """A smooth closed curve through the points of a `path` (Catmull-Rom spline), (7 n, 2)."""
    if isinstance(points[0], str):
        return _blob_of(points[0])
    p = np.array(points, dtype=float)
    ring = np.concatenate([p[-1:], p, p[:2]])
    around = np.stack([ring[k : k + len(p)] for k in range(4)])  # (4, n, 2)
    return np.einsum("sk,kni->nsi", _SPLINE, around).reshape(-1, 2)


@cache
def _blob_of(text: str) -> np.ndarray:
    return _shared(blob(*_parse(text)))


def curve(*points: Sequence[float] | str, samples: int = _SAMPLES) -> np.ndarray:
    """A Bézier curve whose control points are those of a `path`, (samples, 2)."""
    p = path(*points)
    return _bernstein(len(p) - 1, samples) @ p


@cache
def _bernstein(degree: int, samples: int) -> np.ndarray:
    t = np.linspace(0, 1, samples)
    return np.stack(
        [math.comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)],
        axis=1,
    )


def limb(points: Sequence[Sequence[float]] | str, widths: Sequence[float]) -> np.ndarray:
    """A rounded tube along a Bézier curve; half-widths are interpolated along it."""
    if isinstance(points, str):
        return _limb_of(points, tuple(widths))
    spine = curve(*points)
    along = np.empty_like(spine)
    along[1:-1] = spine[2:] - spine[:-2]
    along[0], along[-1] = spine[1] - spine[0], spine[-1] - spine[-2]
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = along[:, ::-1] * (-1, 1)
    w = np.interp(_ALONG, np.linspace(0, 1, len(widths)), widths)[:, None]

    def cap(i: int, sign: float) -> np.ndarray:
        return spine[i] + w[i] * sign * (_CAP[:, :1] * across[i] + _CAP[:, 1:] * along[i])

    return np.concatenate(
        [spine + across * w, cap(-1, 1), (spine - across * w)[::-1], cap(0, -1)]
    )


@cache
def _limb_of(text: str, widths: tuple[float, ...]) -> np.ndarray:
    return _shared(limb(_parse(text), widths))


def mirror(points: np.ndarray) -> np.ndarray:
    """The same path on the other side of x = 0."""
    return points * (-1, 1)


def moved(points: np.ndarray, x: float, y: float) -> np.ndarray:
    """The same path elsewhere."""
    return np.add(points, (x, y))


def star(x: float, y: float, outer: float, inner: float, tips: int = 5) -> np.ndarray:
    """A star, (2 tips, 2)."""
    angle = np.arange(2 * tips) * np.pi / tips - np.pi / 2
    radius = np.where(np.arange(2 * tips) % 2 == 0, outer, inner)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def _rotation(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


class Pen:
    """Fills paths on an RGB image.

    Parameters
    ----------
    image : the picture, mode RGB, drawn on in place; fills of four values blend.
    outline : width of outlines in pixels, 0 for none.
    ink : colour of outlines, or None for a darker shade of each fill.
    wobble : pixels by which a hand shakes.
    palette : names that may be given instead of colours. "body" and "far" are skin.
    light : what each channel of every colour is multiplied with.
    masks : (solid, skin), mode L: where this pen drew at all, and where skin is to be seen.
    """

    def __init__(
        self,
        image: Image.Image,
        outline: float = 0.0,
        ink: RGB | None = None,
        wobble: float = 0.0,
        palette: dict[str, RGB] | None = None,
        light: tuple[float, float, float] = (1.0, 1.0, 1.0),
        masks: tuple[Image.Image, Image.Image] | None = None,
    ) -> None:
        self.draw, self._glaze = ImageDraw.Draw(image), ImageDraw.Draw(image, "RGBA")
        self.outline, self.ink, self.wobble = outline, ink, wobble
        self.palette, self._light = palette or {}, light
        self._lit = {name: self._under_light(color) for name, color in self.palette.items()}
        self._masks = tuple(ImageDraw.Draw(mask) for mask in masks) if masks else ()
        self._matrix, self._origin, self._scale = np.eye(2), np.zeros(2), 1.0

    def at(
        self, x: float, y: float, scale: float = 1.0, angle: float = 0.0, flip: bool = False
    ) -> Pen:
        """A pen whose frame is moved to (x, y), scaled, turned by degrees and perhaps mirrored."""
        pen = object.__new__(Pen)  # a plain copy; copy.copy takes three times as long
        pen.__dict__.update(self.__dict__)
        turn = _rotation(angle) * scale
        pen._origin = self._matrix @ (x, y) + self._origin
        pen._scale = self._scale * scale
        pen._matrix = self._matrix @ (turn * (-1, 1) if flip else turn)
        return pen

    def fill(self, *parts: tuple[np.ndarray, RGB | str], outline: bool = True) -> None:
        """Fill paths in order; all outlines first, so that only the common silhouette shows."""
        placed = [(self._place(points), self.color(paint), paint) for points, paint in parts]
        if outline and self.outline:
            width = max(1, round(2 * self.outline))
            for flat, color, _ in placed:
                ink = self.ink or shade(color, 0.62)
                ring = flat + flat[:4]
                joint = (
                    "curve" if width > 4 and len(ring) < 50 else None
                )  # smooth paths need none
                self.draw.line(ring, fill=ink, width=width, joint=joint)
                for mask, value in zip(self._masks, (255, 0), strict=False):
                    mask.line(ring, fill=value, width=width)
        for flat, color, paint in placed:
            self._on(color).polygon(flat, fill=color)
            for mask, value in zip(self._masks, (255, 255 * is_skin(paint)), strict=False):
                mask.polygon(flat, fill=value)

    def line(self, points: np.ndarray, width: float, paint: RGB | str) -> None:
        """An open stroke; `width` in the pen's own units."""
        pixels = max(1, round(width * self._scale))
        flat, color = self._place(points), self.color(paint)
        draw = self._on(color)
        draw.line(flat, fill=color, width=pixels, joint="curve" if pixels > 4 else None)
        if pixels > 3:  # round ends
            r = pixels / 2 - 0.5
            for x, y in (flat[:2], flat[-2:]):
                draw.ellipse((x - r, y - r, x + r, y + r), fill=color)
        for mask, value in zip(self._masks, (255, 0), strict=False):
            mask.line(flat, fill=value, width=pixels)

    def glow(self, x: float, y: float, radius: float, color: RGB, alpha: int) -> None:
        """Light falling off from a point; leaves masks alone and is not dimmed."""
        steps = 7
        for k in range(steps):
            ring = self._place(oval(x, y, radius * (1 - k / steps)))
            self._glaze.polygon(
                ring, fill=(*color, round(alpha / steps * (0.6 + 0.8 * k / steps)))
            )

    def stamp(self, mask: Image.Image, shapes: list[np.ndarray]) -> None:
        """Fill paths of this frame with 255 on a mask of mode L."""
        draw = ImageDraw.Draw(mask)
        for points in shapes:
            draw.polygon(self._place(points), fill=255)

    def color(self, paint: RGB | str) -> RGB:
        """A name of the palette or a colour, under this pen's light; alpha is kept."""
        return self._lit[paint] if isinstance(paint, str) else self._under_light(paint)

    def _under_light(self, rgba: RGB) -> RGB:
        if self._light == (1, 1, 1):
            return rgba
        lit = tuple(min(255, round(c * k)) for c, k in zip(rgba[:3], self._light, strict=True))
        return (*lit, *rgba[3:])

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of this frame is in the picture."""
        px, py = self._matrix @ (x, y) + self._origin
        return float(px), float(py)

    def _on(self, color: RGB) -> ImageDraw.ImageDraw:
        """Blending is for colours with alpha alone: it costs twice as much."""
        return self._glaze if len(color) == 4 else self.draw

    def _place(self, points: np.ndarray) -> list[float]:
        p = np.dot(points, self._matrix.T)  # half the overhead of @ on arrays this small
        p += self._origin
        if self.wobble:
            p = p + self.wobble * np.sin(p[:, ::-1] * 0.11 + (0.7, 2.1) + p * 0.037)
        return p.ravel().tolist()


def is_skin(paint: RGB | str) -> bool:
    """Whether a pattern may be laid over what is painted so."""
    return paint in ("body", "far")
