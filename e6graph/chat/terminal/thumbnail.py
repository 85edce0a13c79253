"""A small picture as colored half blocks, for terminals that show 24-bit color.

Each character cell is two pixels: the upper half block in one color over the other (ISO 8613-6
colors, `ESC[38;2;r;g;bm`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import repeat
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image

COLUMNS, ROWS = 28, 14  # cells at most
BACKGROUND = (21, 47, 86)  # the site's #152f56, under transparent pictures


def shows_color(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written there is looked at in 24-bit color."""
    wanted = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    return stream.isatty() and wanted and "NO_COLOR" not in environ


def blocks(path: str | Path, columns: int = COLUMNS, rows: int = ROWS) -> list[str]:
    """The lines of a picture, [] where it cannot be read."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (columns * 4, rows * 8))
            image = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []  # a talk goes on without a thumbnail
    image.thumbnail((columns, rows * 2))
    under = Image.new("RGBA", image.size, BACKGROUND)
    under.alpha_composite(image)
    pixels = np.asarray(under.convert("RGB")).tolist()
    lines = []
    for row in range(0, image.height, 2):
        upper, lower = pixels[row], pixels[row + 1 : row + 2]
        below = [";48;2;{};{};{}".format(*color) for color in lower[0]] if lower else repeat("")
        cells = [
            "\x1b[38;2;{};{};{}{}m▀".format(*above, beneath)
            for above, beneath in zip(upper, below, strict=False)
        ]  # the last row of an odd number has the terminal's own color under it
        lines.append("".join(cells) + "\x1b[0m")
    return lines
