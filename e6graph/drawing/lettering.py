"""Words in pictures: a font that has their letters, lines cut or folded to a width."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont, features

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONTS = (
    "",  # Pillow's own, which is the same everywhere
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "YuGothR.ttc",
)
"""Files among the system's fonts, tried in turn where the ones before lack a letter."""

MOST_LETTERS = 200  # of a line; no place is so wide
TALLEST = 1.6  # of a line, in font sizes: marks can be piled up without end
ANY_SIZE = 24  # pixels, to ask a font which letters it has
_NO_LETTER = "\U0010ffff"  # every font draws its sign for a missing letter


def plain(text: str) -> str:
    r"""Return the beginning of a text without what steers its line: breaks, directions.

    >>> plain("red\u202e\nfox")
    'redfox'
    """
    composed = unicodedata.normalize("NFC", text[:MOST_LETTERS])
    return "".join(letter for letter in composed if letter.isprintable())


def font_for(text: str, size: int) -> Font | None:
    """Return the first font that has all letters of a line; None where none has.

    Lines from right to left need Pillow's "raqm" to be in their order.
    """
    to_left = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)
    if to_left and not features.check("raqm"):
        return None
    for name in FONTS:
        font = _load(name, size)
        if font and all(_has(name, letter) for letter in set(text)):
            _, top, _, bottom = font.getbbox(text)
            return font if bottom - top <= TALLEST * size else None
    return None


def best_font(text: str, size: int) -> Font:
    """Return the first font that has all letters of a line, or else Pillow's own."""
    return font_for(text, size) or ImageFont.load_default(size)


def legible(text: str) -> str:
    """Return a line as it can be drawn: as it is, or without accents; "" if neither."""
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return next((line for line in (text, bare) if line and font_for(line, ANY_SIZE)), "")


@lru_cache(256)
def _load(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


@lru_cache(16384)
def _has(name: str, letter: str) -> bool:
    font = _load(name, ANY_SIZE)
    if font is None or letter == " ":
        return font is not None
    return bytes(font.getmask(letter)) != bytes(font.getmask(_NO_LETTER))


def shortened(text: str, font: Font, width: float, cut: bool = False) -> str:
    """Cut a line to a width in pixels and add dots; `cut`: more text followed it."""
    if not cut and font.getlength(text[:MOST_LETTERS]) <= width and len(text) <= MOST_LETTERS:
        return text
    text = text[:MOST_LETTERS].rstrip(". ")
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


def wrapped(text: str, font: Font, width: float) -> list[str]:
    """Fold text into lines of at most a width in pixels; a word that is wider is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(shortened(word, font, width))
    return lines
