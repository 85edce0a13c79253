"""Replies in color, by rich (an extra), with a thumbnail beside each post.

The thumbnail is drawn as half blocks in terminals that show 24-bit color: each
character cell is two pixels, the upper one in the color of the block and the
lower one in that of its background (ISO 8613-6 colors, `ESC[38;2;r;g;bm`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...tags import BACKGROUND, COLORS
from ..messages import Reply, wrapped
from .contact_sheet import read_thumbnail

BLOCK_COLUMNS = 28  # cells
BLOCK_ROWS = 14  # cells, of two pixels each
LINE_STYLES = {**COLORS, "why": "italic"}  # by the label of a line


def shows_color(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether somebody looks at the stream in 24-bit color."""
    wanted = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    return stream.isatty() and wanted and "NO_COLOR" not in environ


def half_blocks(
    path: str | Path, columns: int = BLOCK_COLUMNS, rows: int = BLOCK_ROWS
) -> list[str]:
    """Return the lines of a picture, at most `rows`; [] if it cannot be read."""
    image = read_thumbnail(path, columns, 2 * rows, BACKGROUND)
    if image is None:
        return []
    pixels = np.asarray(image).tolist()
    lines = []
    for upper, lower in zip_longest(pixels[::2], pixels[1::2]):
        below = [""] * len(upper)  # the last row may have no pixels there
        if lower is not None:
            below = [";48;2;{};{};{}".format(*color) for color in lower]
        cells = [
            "\x1b[38;2;{};{};{}{}m▀".format(*color, under)
            for color, under in zip(upper, below, strict=True)
        ]
        lines.append("".join(cells) + "\x1b[0m")
    return lines


def color_printer(stdout: TextIO, width: int) -> Callable[[Reply], None]:
    """Return a function that prints a reply at most `width` columns wide."""
    console = Console(file=stdout, width=width, highlight=False)
    draws = shows_color(stdout)

    def show(reply: Reply) -> None:
        if reply.post is None:
            console.print(Text(wrapped(reply.text, width)))
            return
        lines = half_blocks(reply.picture) if draws and reply.picture else []
        beside = Text.from_ansi("\n".join(lines))
        taken = max(map(len, beside.plain.split("\n"))) + 2 if lines else 0

        text, style = Text(), "bold"
        for number, line in enumerate(wrapped(reply.text, width - taken).split("\n")):
            if number and not line.startswith(" "):  # an indented line goes on in its color
                style = LINE_STYLES.get(line.partition("  ")[0], "")
            text.append("\n" * (number > 0) + line, style)

        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row(*([beside, text] if lines else [text]))
        console.print(table)

    return show
