"""Replies in color, by rich (an extra), with a thumbnail beside each post.

The thumbnail comes by the terminal's own protocol (`graphics`), or as half blocks in
terminals that show 24-bit color: each character cell is two pixels, the upper one in
the color of the block and the lower one in that of its background (ISO 8613-6 colors,
`ESC[38;2;r;g;bm`).
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
from .graphics import PROTOCOLS, cell_size, picture_codes

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


def color_printer(stdout: TextIO, width: int, thumbnails: str = "") -> Callable[[Reply], None]:
    """Return a function that prints a reply at most `width` columns wide.

    Parameters
    ----------
    thumbnails : one of `graphics.PROTOCOLS`, "blocks" for half blocks, "none", or "" for
        half blocks where the terminal shows color.
    """
    console = Console(file=stdout, width=width, highlight=False)
    draws = thumbnails == "blocks" or (not thumbnails and shows_color(stdout))

    def show(reply: Reply) -> None:
        if reply.post is None:
            console.print(Text(wrapped(reply.text, width)))
            return
        lines = half_blocks(reply.picture) if draws and reply.picture else []
        picture = _picture(reply.picture, thumbnails, stdout)
        lines = [" " * BLOCK_COLUMNS] * picture[1] if picture else lines
        beside = Text.from_ansi("\n".join(lines))
        taken = max(map(len, beside.plain.split("\n"))) + 2 if lines else 0

        text, style = Text(), "bold"
        for number, line in enumerate(wrapped(reply.text, width - taken).split("\n")):
            if number and not line.startswith(" "):  # an indented line goes on in its color
                style = LINE_STYLES.get(line.partition("  ")[0], "")
            text.append("\n" * (number > 0) + line, style)

        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row(*([beside, text] if lines else [text]))
        with console.capture() as printed:
            console.print(table)
        stdout.write(printed.get())
        if picture:
            # The text has made room: nothing scrolls while the picture is drawn over it.
            up = printed.get().count("\n")
            stdout.write(f"\x1b[{up}A\r\x1b7{picture[0]}\x1b8\x1b[{up}B\r")
        stdout.flush()

    return show


def _picture(path: Path | None, protocol: str, stdout: TextIO) -> tuple[str, int] | None:
    """Return what draws a thumbnail and its rows; None without a protocol or a picture."""
    if path is None or protocol not in PROTOCOLS:
        return None
    cell = cell_size(stdout)
    size = BLOCK_COLUMNS * cell[0], BLOCK_ROWS * cell[1]
    image = read_thumbnail(path, *size, BACKGROUND)
    if image is None:
        return None
    return picture_codes(protocol, image, BLOCK_COLUMNS, BLOCK_ROWS, cell)
