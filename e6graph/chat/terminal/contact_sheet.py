"""Several pictures and why they came, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ...errors import BadInput

BACKGROUND, PANEL, TEXT, FAINT = "#152f56", "#1f3c67", "#b4c7d9", "#6f8cad"
THUMBNAIL = 180  # pixels, longest side
GAP, LINE, SIZE = 14, 17, 13  # pixels: between cards, between lines of text, height of the type
LINES = 4  # of a caption


def contact_sheet(
    pictures: Sequence[str | Path | None], captions: Sequence[str], columns: int = 5
) -> Image.Image:
    """Thumbnails in rows, each over its caption.

    Parameters
    ----------
    pictures : paths; None, or one that cannot be read, becomes a drawn card.
    captions : a heading line and more text below it, folded to the thumbnail's width and cut
        after four lines.

    Returns
    -------
    An RGB picture as wide as the columns that are in use.

    Raises
    ------
    BadInput : no pictures, or not one caption each.
    """
    if not pictures or len(pictures) != len(captions):
        raise BadInput(
            f"a contact sheet of {len(pictures)} pictures and {len(captions)} captions: "
            "expected one caption for each, and one picture or more"
        )
    font, bold = ImageFont.load_default(SIZE), ImageFont.load_default(SIZE + 2)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    wide, high = THUMBNAIL + GAP, THUMBNAIL + LINES * LINE + 2 * GAP
    sheet = Image.new("RGB", (columns * wide + GAP, rows * high + GAP), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for k, (path, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = GAP + k % columns * wide, GAP + k // columns * high
        draw.rectangle((left, top, left + THUMBNAIL - 1, top + THUMBNAIL - 1), PANEL)
        picture = _thumbnail(path)
        if picture is None:
            _placeholder(draw, left, top, font)
        else:
            corner = (
                left + (THUMBNAIL - picture.width) // 2,
                top + (THUMBNAIL - picture.height) // 2,
            )
            sheet.paste(picture, corner)
        heading, _, rest = caption.partition("\n")
        lines = [*_folded(heading, bold)[:1], *_folded(rest, font)]
        if len(lines) > LINES:
            lines[LINES - 1] = _shortened(lines[LINES - 1], font, cut=True)
        for n, line in enumerate(lines[:LINES]):
            place = (left, top + THUMBNAIL + (8 if n else 5) + n * LINE)
            draw.text(place, line, "white" if n == 0 else TEXT, bold if n == 0 else font)
    return sheet


def _thumbnail(path: str | Path | None) -> Image.Image | None:
    """A picture at most THUMBNAIL wide and high, alpha laid on the card; None if there is none."""
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            image.draft("RGB", (THUMBNAIL, THUMBNAIL))
            image = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # drawn as a card: a sheet is no reason to stop
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return Image.alpha_composite(Image.new("RGBA", image.size, PANEL), image).convert("RGB")


def _placeholder(
    draw: ImageDraw.ImageDraw, left: int, top: int, font: ImageFont.ImageFont
) -> None:
    """A frame with a hill and a moon, the usual sign for a picture that is not there."""
    middle = left + THUMBNAIL // 2
    draw.rectangle((middle - 40, top + 45, middle + 40, top + 105), outline=FAINT, width=3)
    draw.ellipse((middle + 12, top + 55, middle + 26, top + 69), fill=FAINT)
    draw.polygon(
        [(middle - 36, top + 101), (middle - 10, top + 68), (middle + 20, top + 101)], FAINT
    )
    draw.text((middle, top + 126), "no preview", TEXT, font, anchor="mm")


def _folded(text: str, font: ImageFont.ImageFont) -> list[str]:
    """Lines no wider than a thumbnail; a word that is wider is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= THUMBNAIL:
            lines[-1] += f" {word}"
        else:
            lines.append(_shortened(word, font))
    return lines


def _shortened(text: str, font: ImageFont.ImageFont, cut: bool = False) -> str:
    """As much of a line as fits, with dots where something is missing (`cut`: after it)."""
    if not cut and font.getlength(text) <= THUMBNAIL:
        return text
    text = text.rstrip(". ")
    while text and font.getlength(text + "...") > THUMBNAIL:
        text = text[:-1]
    return text + "..."
