"""The artists' hands: outline, shading and how each finishes a picture.

A finish takes the reduced picture, float32 (h, w, 3) in 0..255, and gives another of that shape.
Hues stay recognisable in all of them, since tags name colours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from .pen import RGB

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
PAPER = np.array([250, 245, 233], dtype=np.float32)
Finish = Callable[[np.ndarray], np.ndarray]


@cache
def _noise(blur: int) -> np.ndarray:
    """Fixed grey noise, float32 (256, 256), mean 0, deviation 1, blurred by `blur` pixels."""
    grey = np.random.default_rng(11 + blur).integers(0, 256, (256, 256), dtype=np.uint8)
    if blur:
        grey = np.asarray(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(blur)))
    field = grey.astype(np.float32)
    return (field - field.mean()) / field.std()


def _grain(picture: np.ndarray, blur: int = 0) -> np.ndarray:
    h, w = picture.shape[:2]
    return _noise(blur)[:h, :w, None]


def _saturate(picture: np.ndarray, factor: float) -> np.ndarray:
    grey = (picture @ LUMA)[..., None]
    return grey + (picture - grey) * factor


def _blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)


@cache
def _inset(h: int, w: int, ragged: float, round_: float) -> np.ndarray:
    """Distance in pixels from the border, (h, w, 1): negative near it, corners rounded."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    left, top = np.minimum(x, w - 1 - x), np.minimum(y, h - 1 - y)
    corner = round_ - np.hypot(np.maximum(round_ - left, 0), np.maximum(round_ - top, 0))
    inside = np.where((left < round_) & (top < round_), corner, np.minimum(left, top))
    return (inside + ragged * _noise(5)[:h, :w])[..., None]


@cache
def _window(
    h: int, w: int, margin: float, ragged: float, round_: float, soft: float
) -> np.ndarray:
    return np.clip((_inset(h, w, ragged, round_) - margin) / np.float32(soft), 0, 1)


def _frame(
    picture: np.ndarray, margin: float, ragged: float, round_: float, soft: float
) -> np.ndarray:
    """Bare paper round the picture: a margin in pixels, with ragged, rounded or soft edges."""
    h, w = picture.shape[:2]
    return PAPER + (picture - PAPER) * _window(h, w, margin, ragged, round_, soft)


def _bold(picture: np.ndarray) -> np.ndarray:
    return _saturate(picture, 1.18) * 1.02


def _papercut(picture: np.ndarray) -> np.ndarray:
    fibre = 2.6 * _grain(picture, 1) + 1.4 * _grain(picture)
    return _frame(_saturate(picture, 0.92) + fibre, 7, 0, 10, 1.5)


def _softboiled(picture: np.ndarray) -> np.ndarray:
    glow = _blurred(picture, 6)
    bloom = 255 - (255 - picture) * (255 - 0.42 * glow) / 255
    return 18 + 0.93 * _saturate(bloom, 0.95)


def _watercolour(picture: np.ndarray) -> np.ndarray:
    wash = picture * (1 - 0.05 * _grain(picture, 5)) + 6 * _grain(picture, 1)
    edge = np.abs(picture - _blurred(picture, 3)).mean(2, keepdims=True)
    light = 255 - (255 - _saturate(wash, 1.05)) * 0.84 - 0.7 * edge
    return _frame(light, 9, 4.0, 14, 7)


def _pixels(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    image = Image.fromarray(np.clip(_saturate(picture, 1.12), 0, 255).astype(np.uint8))
    small = image.resize((max(1, round(w / 3)), max(1, round(h / 3))), Image.Resampling.BOX)
    small = small.quantize(56, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert(
        "RGB"
    )
    return np.asarray(small.resize((w, h), Image.Resampling.NEAREST), dtype=np.float32)


def _riso(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    y, x = np.mgrid[:h, :w]
    red = np.roll(picture[..., 0], (1, 2), (0, 1))
    blue = np.roll(picture[..., 2], (-1, -1), (0, 1))
    shifted = np.stack([red, picture[..., 1], blue], 2)
    dots = np.cos((x + y) * 1.15) * np.cos((x - y) * 1.15)
    ink = 1 - (shifted @ LUMA) / 255
    tone = shifted + (34 * ink * dots)[..., None]
    return _frame(16 + 0.93 * tone + 5 * _grain(picture), 5, 0, 6, 1)


def _crayon(picture: np.ndarray) -> np.ndarray:
    strokes = (
        _noise(0) + np.roll(_noise(0), (1, 1), (0, 1)) + np.roll(_noise(0), (2, 2), (0, 1))
    )
    h, w = picture.shape[:2]
    bare = np.clip(strokes[:h, :w, None] - 1.1, 0, 1) * 0.32
    waxy = _saturate(picture, 1.1) + 5.5 * strokes[:h, :w, None]
    return _frame(waxy + (PAPER - waxy) * bare, 8, 2.2, 8, 2.5)


def _velvet(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    y, x = np.mgrid[:h, :w]
    far = np.hypot((x - w / 2) / w, (y - h / 2) / h)[..., None] * 1.41
    shadow = np.array([58, 30, 92], dtype=np.float32)
    dim = np.clip(0.05 + 0.62 * far**2.2, 0, 0.75)
    deep = _saturate(picture, 1.2)
    deep = deep + (deep - 128) * 0.12
    return deep + (shadow - deep) * dim


def _lino(picture: np.ndarray) -> np.ndarray:
    """Four steps of brightness, the hue left as it is, and the marks of the gouge."""
    steps = np.array([26, 92, 168, 246], dtype=np.float32)
    h, w = picture.shape[:2]
    grey = np.maximum(picture @ LUMA, 8)
    bands = np.clip((grey + 7 * _noise(1)[:h, :w]) / 64, 0, 3.99).astype(int)
    inked = _saturate(picture * (0.35 + 0.65 * steps[bands] / grey)[..., None], 0.9)
    gouge = _gouges(h, w) * np.float32(0.3)
    return _frame((inked + (PAPER - inked) * gouge) * (PAPER / 255), 6, 0.6, 3, 1)


@cache
def _gouges(h: int, w: int) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return (np.sin((x + 0.4 * y) * 1.1 + 2.5 * _noise(5)[:h, :w]) > 0.93)[..., None]


@cache
def _dabs(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel takes its colour: from a few pixels off, the same for a whole brush dab."""
    y, x = np.mgrid[:h, :w]
    dy = np.round(0.75 * _noise(2)[:h, :w]).astype(int)
    dx = np.round(1.1 * np.roll(_noise(2), 97, 1)[:h, :w]).astype(int)
    return np.clip(y + dy, 0, h - 1), np.clip(x + dx, 0, w - 1)


def _gouache(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    daub = 0.8 * picture[_dabs(h, w)] + 0.2 * picture
    return daub * np.float32([1.02, 0.995, 0.95]) + 4.5 * _bristle(h, w)


@cache
def _bristle(h: int, w: int) -> np.ndarray:
    return sum(np.roll(_noise(0), k, 1) for k in range(7))[:h, :w, None] / np.float32(2.6)


def _thinline(picture: np.ndarray) -> np.ndarray:
    return _frame(40 + 0.84 * _saturate(picture, 0.82), 12, 0, 34, 1.2)


def _stitch(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    small = image.resize((max(1, w // 4), max(1, h // 4)), Image.Resampling.BOX)
    cells = np.asarray(small.resize((w, h), Image.Resampling.NEAREST), dtype=np.float32)
    cells = np.round(_saturate(cells, 1.1) / 12) * 12
    y, x = np.mgrid[:h, :w] % 4
    cross = (x == y) | (x + y == 3)
    light = np.where(cross, 1.06, 0.82)[..., None]
    return cells * light


class Style(NamedTuple):
    """Outline width in pixels of the 2x drawing, its ink (None: of each colour), and so on."""

    outline: float
    ink: RGB | None
    wobble: float
    shading: float
    cut: bool  # layers throw shadows, as cut paper does
    finish: Finish


STYLES: dict[str, Style] = {
    "bold_bram": Style(3.0, (36, 26, 44), 0, 0.25, False, _bold),
    "papercut_pia": Style(0, None, 0, 0, True, _papercut),
    "softboiled": Style(0.8, None, 0, 1.0, False, _softboiled),
    "quill_(watercolour)": Style(1.0, (96, 70, 66), 2.0, 0.5, False, _watercolour),
    "pixelmoth": Style(3.0, (44, 34, 60), 0, 0.5, False, _pixels),
    "riso_rita": Style(0, None, 0, 0.6, False, _riso),
    "crayonbox": Style(2.6, None, 3.5, 0.4, False, _crayon),
    "velvet_hour": Style(0.8, None, 0, 1.3, False, _velvet),
    "lino_lou": Style(4.0, (24, 22, 30), 1.0, 0.9, False, _lino),
    "gouache_gull": Style(0.7, None, 1.0, 0.9, False, _gouache),
    "thinline_theo": Style(1.2, (52, 62, 104), 0, 0, False, _thinline),
    "stitchwort": Style(2.0, (60, 44, 60), 0, 0.3, False, _stitch),
}


def _sketch(picture: np.ndarray) -> np.ndarray:
    """Pencil lines where the brightness changes, over a breath of colour."""
    grey = np.repeat((picture @ LUMA)[..., None], 3, 2)
    lines = np.abs(grey - _blurred(grey, 2.2))[..., :1]
    faint = PAPER + (picture - PAPER) * 0.3
    return faint - np.clip(lines * 3.4 - 4, 0, 190) + 3 * _grain(picture)


def finish(image: Image.Image, artist: str, meta: tuple[str, ...]) -> Image.Image:
    """Give a reduced picture its artist's surface, or that of a sketch; then perhaps grey it."""
    surface = _sketch if "sketch" in meta else STYLES[artist].finish
    picture = surface(np.asarray(image, dtype=np.float32))
    if "monochrome" in meta:
        picture = np.repeat((picture @ LUMA)[..., None], 3, 2)
    return Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8))
