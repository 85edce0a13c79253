"""Thumbnails by the terminal's own picture protocol, where it has one.

Sources: kitty's graphics protocol (sw.kovidgoyal.net/kitty/graphics-protocol), iTerm2's
inline images (iterm2.com/documentation-images.html), sixel graphics (DEC, VT330/VT340
Programmer Reference Manual, volume 2, chapter 14). A terminal that has sixel says so in
its device attributes (DA1, ECMA-48 8.3.24 and xterm's control sequences).
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import time
from collections.abc import Mapping
from typing import TextIO

import numpy as np
from PIL import Image

PROTOCOLS = ("kitty", "iterm", "sixel")
CELL = (10, 20)  # pixels, where the terminal does not say how large its cells are
PIECE = 4096  # characters of base64 in one escape sequence of kitty's
SIXEL_COLORS = 64
ANSWER_SECONDS = 0.5  # that a terminal has for its attributes
_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_ITERM_PROGRAMS = ("iTerm.app", "WezTerm", "mintty")
_OTHERS = ("VTE_VERSION", "XTERM_VERSION", "WT_SESSION")  # started from kitty, perhaps


def find_protocol(
    stdin: TextIO, stdout: TextIO, environ: Mapping[str, str] = os.environ
) -> str:
    """Return which protocol the terminal has, "" for none; it may be asked.

    tmux and screen are asked alone, since their environment tells of the terminal
    around them.
    """
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if not stdout.isatty() or term in ("", "dumb", "linux"):
        return ""
    if not ({"TMUX", "STY"} & {*environ}) and not term.startswith(("tmux", "screen")):
        if program in _ITERM_PROGRAMS or environ.get("LC_TERMINAL") == "iTerm2":
            return "iterm"
        inherited = program not in ("", "kitty", "ghostty") or {*_OTHERS} & {*environ}
        if term in _KITTY_TERMS or ("KITTY_WINDOW_ID" in environ and not inherited):
            return "kitty"
    return "sixel" if "4" in _attributes(stdin, stdout) else ""


def _attributes(stdin: TextIO, stdout: TextIO) -> list[str]:
    """Ask a terminal for its device attributes; none if it does not answer."""
    if sys.platform == "win32" or not stdin.isatty():
        return []
    import select
    import termios
    import tty

    try:
        descriptor = stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):
        return []
    answer, until = b"", time.monotonic() + ANSWER_SECONDS
    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        if select.select([descriptor], [], [], 0)[0]:
            return []  # somebody has typed, which must not be taken for the answer
        stdout.write("\x1b[c")
        stdout.flush()
        while not answer.endswith(b"c") and (left := until - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left)[0]:
                answer += os.read(descriptor, 1) or b"c"
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    found = re.search(rb"\x1b\[\?([\d;]*)c", answer)
    return found[1].decode().split(";")[1:] if found else []


def cell_size(stdout: TextIO) -> tuple[int, int]:
    """Return how many pixels wide and high a character is, as the terminal says."""
    try:
        import fcntl
        import struct
        import termios

        size = fcntl.ioctl(stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8)
        rows, columns, width, height = struct.unpack("HHHH", size)
        return width // columns or CELL[0], height // rows or CELL[1]
    except (ImportError, OSError, ValueError, ZeroDivisionError):
        return CELL


def picture_codes(
    protocol: str, image: Image.Image, columns: int, rows: int, cell: tuple[int, int] = CELL
) -> tuple[str, int]:
    """Return what draws a picture at the cursor, and how many rows of cells it takes.

    The cursor may be anywhere afterwards.

    Parameters
    ----------
    columns, rows : cells that the picture may take at most.
    cell : see `cell_size`.
    """
    width, height = columns * cell[0], rows * cell[1]
    scale = min(width / image.width, height / image.height)
    width, height = max(1, int(image.width * scale)), max(1, int(image.height * scale))
    taken = -(-width // cell[0]), -(-height // cell[1])
    if protocol == "sixel":
        return _sixel(image.resize((width, height))), taken[1]
    png = io.BytesIO()
    image.save(png, "PNG")
    encoded = base64.b64encode(png.getvalue()).decode()
    if protocol == "iterm":
        said = f"inline=1;size={len(png.getvalue())};width={taken[0]};height={taken[1]}"
        return f"\x1b]1337;File={said};preserveAspectRatio=1:{encoded}\a", taken[1]

    # q=2: kitty answers nothing, which would be taken for typed. C=1: the cursor stays.
    pieces = [encoded[at : at + PIECE] for at in range(0, len(encoded), PIECE)]
    codes = []
    for number, piece in enumerate(pieces):
        first = f"a=T,f=100,q=2,C=1,c={taken[0]},r={taken[1]}," if number == 0 else ""
        more = int(number < len(pieces) - 1)
        codes.append(f"\x1b_G{first}m={more};{piece}\x1b\\")
    return "".join(codes), taken[1]


def _sixel(image: Image.Image) -> str:
    """Encode a picture in bands of six rows, a run of characters for each color of a band."""
    coded = image.convert("RGB").quantize(SIXEL_COLORS)
    pixels, palette = np.asarray(coded), coded.getpalette() or []
    colors = [palette[3 * k : 3 * k + 3] for k in range(len(palette) // 3)]
    head = "".join(
        f"#{k};2;{';'.join(str(round(part / 2.55)) for part in color)}"
        for k, color in enumerate(colors)
    )
    bands = []
    for top in range(0, len(pixels), 6):
        band = pixels[top : top + 6]
        weights = (1 << np.arange(len(band)))[:, None]
        runs = []
        for color in np.unique(band).tolist():
            sixels = 63 + ((band == color) * weights).sum(0)
            line = bytes(sixels.astype(np.uint8)).decode("ascii")
            runs.append(f"#{color}{_RUN.sub(_shortened, line)}")
        bands.append("$".join(runs))
    size = f'"1;1;{image.width};{image.height}'
    return f"\x1bP0;1q{size}{head}{'-'.join(bands)}\x1b\\"


_RUN = re.compile(r"(.)\1{3,}")


def _shortened(run: re.Match[str]) -> str:
    return f"!{len(run[0])}{run[1]}"
