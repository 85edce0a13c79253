"""The artists' hands: outlines, shading, and how each finishes a picture.

A finish takes a picture, float32 (h, w, 3) in 0..255, and returns another of that
shape. Colors stay recognizable in all of them, because tags name colors.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from .tables import Color

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_PAPER = np.array([250, 245, 233], dtype=np.float32)


class Style(NamedTuple):
    """An artist's hand."""

    outline: float  # width in pixels of the picture at double size, 0 for none
    ink: Color | None  # None for a darker shade of each fill
    shading: float  # strength of light and shadow on animals
    finish: Callable[[np.ndarray], np.ndarray]
    cut: bool = False  # whether animals throw a shadow, as cut paper does


@cache
def _noise(blur: int) -> np.ndarray:
    """Return fixed noise, (256, 256), mean 0, deviation 1."""
    rng = np.random.default_rng(11 + blur)
    grey = rng.integers(0, 256, (256, 256), dtype=np.uint8)
    blurred = Image.fromarray(grey).filter(ImageFilter.GaussianBlur(blur))
    field = np.asarray(blurred, dtype=np.float32)
    return (field - field.mean()) / field.std()


def _grain(picture: np.ndarray, blur: int = 0) -> np.ndarray:
    """Return noise of a picture's shape, (h, w, 1)."""
    height, width = picture.shape[:2]
    return _noise(blur)[:height, :width, None]


def _saturate(picture: np.ndarray, factor: float) -> np.ndarray:
    """Make colors stronger, or weaker with a factor below 1; 0 makes grey."""
    grey = (picture @ _LUMA)[..., None]
    return grey + (picture - grey) * factor


def _image(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8))


def _blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    blurred = _image(picture).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(blurred, dtype=np.float32)


@cache
def _window(height: int, width: int, margin: float, ragged: float, soft: float) -> np.ndarray:
    """Return where bare paper leaves the picture, (h, w, 1) in 0..1."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    inside = np.minimum.reduce([x, width - 1 - x, y, height - 1 - y])
    inside += ragged * _noise(5)[:height, :width]
    return np.clip((inside - margin) / np.float32(soft), 0, 1)[..., None]


def _margin(picture: np.ndarray, margin: float, ragged: float, soft: float) -> np.ndarray:
    """Leave a margin of bare paper, its edge ragged or soft."""
    window = _window(*picture.shape[:2], margin, ragged, soft)
    return _PAPER + (picture - _PAPER) * window


def _bold(picture: np.ndarray) -> np.ndarray:
    return _saturate(picture, 1.2)


def _papercut(picture: np.ndarray) -> np.ndarray:
    fibers = 2.6 * _grain(picture, 1) + 1.4 * _grain(picture)
    return _margin(_saturate(picture, 0.92) + fibers, 7, 0, 1.5)


def _softboiled(picture: np.ndarray) -> np.ndarray:
    bloom = 255 - (255 - picture) * (255 - 0.42 * _blurred(picture, 6)) / 255
    return 18 + 0.93 * _saturate(bloom, 0.95)


def _watercolor(picture: np.ndarray) -> np.ndarray:
    wash = picture * (1 - 0.05 * _grain(picture, 5)) + 6 * _grain(picture, 1)
    edges = np.abs(picture - _blurred(picture, 3)).mean(2, keepdims=True)
    light = 255 - (255 - _saturate(wash, 1.05)) * 0.84 - 0.7 * edges
    return _margin(light, 9, 4, 7)


def _pixels(picture: np.ndarray) -> np.ndarray:
    """Draw square blocks of three pixels in 56 colors."""
    height, width = picture.shape[:2]
    image = _image(_saturate(picture, 1.12))
    small = image.resize((width // 3, height // 3), Image.Resampling.BOX)
    few = small.quantize(56, dither=Image.Dither.NONE).convert("RGB")
    large = few.resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(large, dtype=np.float32)


def _crayon(picture: np.ndarray) -> np.ndarray:
    grain = _grain(picture)
    strokes = sum(np.roll(grain, (k, k), (0, 1)) for k in range(3))
    waxy = _saturate(picture, 1.1) + 5.5 * strokes
    bare = np.clip(strokes - 1.1, 0, 1) * 0.32
    return _margin(waxy + (_PAPER - waxy) * bare, 8, 2.2, 2.5)


def _velvet(picture: np.ndarray) -> np.ndarray:
    """Deepen the colors, and let the corners fall into violet."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    far = np.hypot(x / width - 0.5, y / height - 0.5)[..., None] * 1.41
    violet = np.clip(0.05 + 0.62 * far**2.2, 0, 0.75)
    deep = _saturate(picture, 1.2) * 1.12 - 15
    return deep + ((58, 30, 92) - deep) * violet


def _lino(picture: np.ndarray) -> np.ndarray:
    """Print four steps of brightness and leave the colors as they are."""
    steps = np.array([26, 92, 168, 246], dtype=np.float32)
    grey = np.maximum(_saturate(picture, 0), 8)
    bands = np.clip((grey + 7 * _grain(picture, 1)) / 64, 0, 3.99).astype(int)
    inked = _saturate(picture * (0.35 + 0.65 * steps[bands] / grey), 0.9)
    return _margin(inked * (_PAPER / 255), 6, 0.6, 1)


def _gouache(picture: np.ndarray) -> np.ndarray:
    """Take the color of each dab of the brush from a pixel away."""
    dabs = np.abs(_grain(picture, 2)) > 0.7
    dabbed = np.where(dabs, np.roll(picture, (2, 1), (0, 1)), picture)
    return dabbed * np.array([1.02, 0.995, 0.95]) + 5 * _grain(picture, 1)


STYLES: dict[str, Style] = {
    "bold_bram": Style(3, (36, 26, 44), 0.25, _bold),
    "papercut_pia": Style(0, None, 0, _papercut, cut=True),
    "softboiled": Style(0.8, None, 1, _softboiled),
    "quill_(watercolour)": Style(1, (96, 70, 66), 0.5, _watercolor),
    "pixelmoth": Style(3, (44, 34, 60), 0.5, _pixels),
    "crayonbox": Style(2.6, None, 0.4, _crayon),
    "velvet_hour": Style(0.8, None, 1.3, _velvet),
    "lino_lou": Style(4, (24, 22, 30), 0.9, _lino),
    "gouache_gull": Style(0.7, None, 0.9, _gouache),
}


def finish(image: Image.Image, style: Style, monochrome: bool) -> Image.Image:
    """Give a picture its artist's surface, and perhaps make it grey."""
    picture = style.finish(np.asarray(image, dtype=np.float32))
    return _image(_saturate(picture, 0) if monochrome else picture)
