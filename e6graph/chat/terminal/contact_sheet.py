"""Several pictures and why they came, as one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ...drawing.lettering import best_font, shortened, wrapped
from ...errors import BadInput, E6GraphError
from ...store.files import write_atomic
from ...tags import BACKGROUND, COLORS
from ..messages import Reply

CARD_COLOR = "#1f3c67"
FRAME_COLOR = "#6f8cad"  # of the sign for a missing picture
CAPTION_COLOR = COLORS["general"]
PICTURE_SIZE = 180  # pixels, longest side
CARD_GAP = 14  # pixels between cards
LINE_HEIGHT = 17  # pixels
FONT_SIZE = 13  # pixels
CAPTION_LINES = 4


def write_sheet(path: str | Path, shown: Sequence[Reply]) -> None:
    """Write the posts that were shown as one PNG, each with its latest reason.

    Raises
    ------
    E6GraphError : it cannot be written there.
    """
    latest = {reply.post.post_id: reply for reply in shown if reply.post}
    pictures = [reply.picture for reply in latest.values()]
    captions = [f"#{post_id}\n{reply.why}" for post_id, reply in latest.items()]
    png = io.BytesIO()
    contact_sheet(pictures, captions).save(png, "PNG")
    try:
        write_atomic(path, png.getvalue())
    except OSError as error:
        raise E6GraphError(f"cannot write {path}: {error.strerror}") from None


def contact_sheet(
    pictures: Sequence[str | Path | None], captions: Sequence[str], columns: int = 5
) -> Image.Image:
    """Draw thumbnails in rows, each over its caption.

    Parameters
    ----------
    pictures : paths; None, or a file that cannot be read, becomes a drawn card.
    captions : a heading line and more text below it, wrapped to the thumbnail's
        width and cut after `CAPTION_LINES` lines.

    Returns
    -------
    An RGB picture as wide as the columns in use.

    Raises
    ------
    BadInput : there are no pictures, or not one caption for each.
    """
    if not pictures or len(pictures) != len(captions):
        raise BadInput(
            f"a contact sheet of {len(pictures)} pictures and {len(captions)} captions: "
            "expected one caption for each, and one picture or more"
        )
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    card_width = PICTURE_SIZE + CARD_GAP
    card_height = PICTURE_SIZE + CAPTION_LINES * LINE_HEIGHT + 2 * CARD_GAP
    size = (columns * card_width + CARD_GAP, rows * card_height + CARD_GAP)
    sheet = Image.new("RGB", size, BACKGROUND)
    for number, (path, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = CARD_GAP + number % columns * card_width
        top = CARD_GAP + number // columns * card_height
        _draw_picture(sheet, left, top, path)
        _draw_caption(ImageDraw.Draw(sheet), left, top + PICTURE_SIZE, caption)
    return sheet


def read_thumbnail(
    path: str | Path, width: int, height: int, ground: str
) -> Image.Image | None:
    """Read a picture, at most `width` × `height` pixels; None if that fails.

    Where it is transparent, `ground` shows through.
    """
    try:
        with Image.open(path) as file:
            file.draft("RGB", (4 * width, 4 * height))  # reads large JPEGs faster
            image = file.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    image.thumbnail((width, height))
    under = Image.new("RGBA", image.size, ground)
    return Image.alpha_composite(under, image).convert("RGB")


def _draw_picture(sheet: Image.Image, left: int, top: int, path: str | Path | None) -> None:
    draw = ImageDraw.Draw(sheet)
    right, bottom = left + PICTURE_SIZE - 1, top + PICTURE_SIZE - 1
    draw.rectangle((left, top, right, bottom), CARD_COLOR)
    picture = path and read_thumbnail(path, PICTURE_SIZE, PICTURE_SIZE, CARD_COLOR)
    if not picture:
        _draw_placeholder(draw, left, top)
        return
    corner = (
        left + (PICTURE_SIZE - picture.width) // 2,
        top + (PICTURE_SIZE - picture.height) // 2,
    )
    sheet.paste(picture, corner)


def _draw_placeholder(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    """Draw a frame with a hill and a moon, the usual sign for a missing picture."""
    middle = left + PICTURE_SIZE // 2
    frame = (middle - 40, top + 45, middle + 40, top + 105)
    moon = (middle + 12, top + 55, middle + 26, top + 69)
    hill = [(middle - 36, top + 101), (middle - 10, top + 68), (middle + 20, top + 101)]
    draw.rectangle(frame, outline=FRAME_COLOR, width=3)
    draw.ellipse(moon, fill=FRAME_COLOR)
    draw.polygon(hill, FRAME_COLOR)
    font = best_font("", FONT_SIZE)
    draw.text((middle, top + 126), "no preview", CAPTION_COLOR, font, anchor="mm")


def _draw_caption(draw: ImageDraw.ImageDraw, left: int, top: int, caption: str) -> None:
    heading, _, rest = caption.partition("\n")
    bold, font = best_font(heading, FONT_SIZE + 2), best_font(rest, FONT_SIZE)
    lines = wrapped(heading, bold, PICTURE_SIZE)[:1] + wrapped(rest, font, PICTURE_SIZE)
    if len(lines) > CAPTION_LINES:
        lines = lines[:CAPTION_LINES]
        lines[-1] = shortened(lines[-1], font, PICTURE_SIZE, cut=True)
    for number, line in enumerate(lines):
        place = (left, top + (8 if number else 5) + number * LINE_HEIGHT)
        if number == 0:
            draw.text(place, line, "white", bold)
        else:
            draw.text(place, line, CAPTION_COLOR, font)
