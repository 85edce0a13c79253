"""The portrait of a taste: a picture of what somebody likes more than the board does."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageOps

from ..tags.categories import BACKGROUND, COLORS, FOREGROUND, PANEL, PLOT_COLORS
from .lettering import best_font, shortened

WIDTH, HEIGHT = SIZE = (1200, 675)  # pixels
MARGIN = 40  # pixels
COLUMNS, COLUMN_GAP = 3, 36  # number, pixels
COLUMN_WIDTH = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * COLUMN_GAP) // COLUMNS
ROW_HEIGHTS = (43, 64)  # pixels, the least and the most
LEAST_ROWS = 4  # of a column, its headings among them, before the next one begins
BAR_TOP, BAR_HEIGHT = 34, 5  # pixels, in a row
THUMBNAILS, THUMBNAIL_GAP = 8, 16  # number, pixels
THUMBNAIL = (WIDTH - 2 * MARGIN - (THUMBNAILS - 1) * THUMBNAIL_GAP) // THUMBNAILS
SIZE_OF_NAMES, SIZE_OF_FIGURES = 28, 25  # pixels, of letters
SIZE_OF_HEADINGS, SIZE_OF_SAID = 20, 23
FIGURE_WIDTH = 66  # pixels, at least
SIZES_OF_WORDS = (150, 120, 100, 84, 70, 58, 50, 44)  # the last where there is more
LINE = 1.3  # height of a line of words, in font sizes
FAINT = COLORS["general"]
_Words = list[tuple[str, str]]  # each with its color


class Tag(NamedTuple):
    """A tag as a portrait shows it.

    Attributes
    ----------
    name : for people to read.
    share : of the likes that hold it, 0 to 1; None where it was only named.
    usual : the same of the board's posts.
    """

    name: str
    category: str
    share: float | None = None
    usual: float = 0.0

    def figures(self) -> tuple[str, str]:
        """Return the share, and how many times the board's it is; "" where it has none.

        >>> Tag("fox", "species", 0.62, 0.05).figures(), Tag("owl", "species").figures()
        (('62%', '12x'), ('', ''))
        """
        if self.share is None:
            return "", ""
        percent, times = 100 * self.share, self.share / self.usual
        return (
            f"{percent:.0f}%" if percent >= 9.5 else f"{percent:.1f}%",
            f"{times:,.0f}x" if times >= 9.95 else f"{times:.1f}x",
        )


@dataclass
class Portrait:
    """A taste, ready to be drawn. What is empty is left out.

    Attributes
    ----------
    said : a line about what was counted.
    leading : the tags that stand out most, of all kinds.
    panels : heading → tags, most telling first. Without any the words are all there is.
    avoids : tags that are not wanted.
    thumbnails : pictures of any size.
    unwritten : names that were left out, since no font here has their letters.
    """

    said: str
    leading: Sequence[Tag] = ()
    panels: Mapping[str, Sequence[Tag]] = field(default_factory=dict)
    avoids: Sequence[Tag] = ()
    thumbnails: Sequence[Image.Image] = ()
    unwritten: Sequence[str] = ()

    def rows(self) -> list[tuple[str, list[str]]]:
        """Return the same in words: a label of one word and its values each."""
        panels = {heading.split()[-1]: tags for heading, tags in self.panels.items()}
        kinds = {"taste": self.leading, **panels, "avoids": self.avoids}
        told = {
            label: [" ".join(filter(None, (tag.name, *tag.figures()))) for tag in tags]
            for label, tags in kinds.items()
        }
        return [(label, values) for label, values in told.items() if values]

    def png(self) -> bytes:
        """Return the drawing as the bytes of a file that holds nothing else."""
        file = io.BytesIO()
        self.draw().save(file, "PNG")
        return file.getvalue()

    def draw(self) -> Image.Image:
        """Draw the picture: RGB, of `SIZE`."""
        picture = Image.new("RGB", SIZE, BACKGROUND)
        pen, bottom = ImageDraw.Draw(picture), HEIGHT - MARGIN
        for number, thumbnail in enumerate(self.thumbnails[:THUMBNAILS]):
            left, top = MARGIN + number * (THUMBNAIL + THUMBNAIL_GAP), bottom - THUMBNAIL
            picture.paste(ImageOps.fit(thumbnail, (THUMBNAIL, THUMBNAIL)), (left, top))
        bottom -= THUMBNAIL + 18 if self.thumbnails else 0

        if not any(self.panels.values()):
            self._draw_words_alone(pen, bottom)
            return picture
        top = MARGIN - 10
        top += _draw_words(pen, top, _words("A taste for", self.leading), SIZES_OF_WORDS[-1])
        _draw_line(pen, (MARGIN, top), self.said, FAINT, SIZE_OF_SAID, WIDTH - 2 * MARGIN)
        if self.avoids:
            bottom -= 34
            _draw_words(pen, bottom, _words("No taste for", self.avoids), SIZE_OF_NAMES)
            bottom -= 18
        _draw_panels(pen, self.panels, top + 40, bottom)
        return picture

    def _draw_words_alone(self, pen: ImageDraw.ImageDraw, bottom: int) -> None:
        """Write words as large as there is room for, in the middle of it."""
        blocks = {"A taste for": self.leading, "No taste for": self.avoids}
        told = [_words(begin, tags) for begin, tags in blocks.items() if tags]
        label = round(LINE * SIZES_OF_WORDS[-1])
        room = (bottom - MARGIN - 2 * SIZE_OF_SAID) / max(1, len(told)) - label
        size = min((_largest(words[1:], room) for words in told), default=0)
        high = sum(label + _height(words[1:], size, room) for words in told)
        top = MARGIN + max(0, bottom - MARGIN - 2 * SIZE_OF_SAID - high) // 2
        for begin, *names in told:
            top += _draw_words(pen, top, [begin], SIZES_OF_WORDS[-1])
            top += _draw_words(pen, top, names, size, room)
        place = MARGIN, top + SIZE_OF_SAID // 2
        _draw_line(pen, place, self.said, FAINT, SIZE_OF_SAID, WIDTH - 2 * MARGIN)


def _draw_panels(
    pen: ImageDraw.ImageDraw, panels: Mapping[str, Sequence[Tag]], top: int, bottom: int
) -> None:
    """Draw headings and tags in columns that are as full as each other."""
    least, most = ROW_HEIGHTS
    placed, depth = _placed(panels, (bottom - top) // least)
    high, widest = min(most, (bottom - top) / depth), 0.0
    for column, row, item in placed:
        left = MARGIN + column * (COLUMN_WIDTH + COLUMN_GAP)
        y = round(top + row * high)
        if isinstance(item, Tag):
            _draw_tag(pen, left, y, item, widest)
            continue
        widest = max(tag.share or 0.0 for tag in panels[item])
        _draw_line(pen, (left, y + 8), item.upper(), FAINT, SIZE_OF_HEADINGS, COLUMN_WIDTH)


def _placed(
    panels: Mapping[str, Sequence[Tag]], rows: int
) -> tuple[list[tuple[int, int, str | Tag]], int]:
    """Let panels flow through columns of few rows; where they are too long, cut the longest.

    Returns
    -------
    (column, row, heading or tag) each, and the number of rows.
    """
    kept = {heading: [*tags] for heading, tags in panels.items() if tags}
    while True:
        for depth in range(min(LEAST_ROWS, rows), rows + 1):
            placed: list[tuple[int, int, str | Tag]] = []
            column = row = 0
            for heading, tags in kept.items():
                if depth - row < min(3, 1 + len(tags)):  # no heading stands alone
                    row = depth
                for number, tag in enumerate(tags):
                    if row == depth:
                        column, row = column + 1, 0
                    if number == 0 or row == 0:
                        placed.append((column, row, heading))
                        row += 1
                    placed.append((column, row, tag))
                    row += 1
            if column < COLUMNS:
                return placed, depth
        max(kept.values(), key=len).pop()


def _draw_tag(pen: ImageDraw.ImageDraw, left: int, top: int, tag: Tag, widest: float) -> None:
    """Draw a name and its figures, and a bar under them with a notch at the board's share.

    Parameters
    ----------
    widest : the share whose bar is as wide as the column.
    """
    color, right = PLOT_COLORS[tag.category], left + COLUMN_WIDTH
    for text, fill in zip(tag.figures()[::-1], (color, FOREGROUND), strict=True):
        font = best_font(text, SIZE_OF_FIGURES)
        pen.text((right, top + 3), text, fill, font, anchor="ra")
        right -= max(FIGURE_WIDTH, round(font.getlength(text)) + 10) if text else 0
    _draw_line(pen, (left, top), tag.name, color, SIZE_OF_NAMES, right - left)
    if tag.share is not None:
        full, y = COLUMN_WIDTH - 3, top + BAR_TOP
        shares = tag.share, tag.usual
        bar, notch = (left + round(full * min(1, part / widest)) for part in shares)
        pen.rectangle((left, y, left + full + 2, y + BAR_HEIGHT - 1), PANEL)
        pen.rectangle((left, y, bar + 2, y + BAR_HEIGHT - 1), color)
        pen.rectangle((notch, y - 2, notch + 2, y + BAR_HEIGHT + 1), FOREGROUND)


def _words(begin: str, tags: Iterable[Tag]) -> _Words:
    return [(begin, FOREGROUND), *((tag.name, PLOT_COLORS[tag.category]) for tag in tags)]


def _flow(words: _Words, size: int, together: int = 1) -> list[tuple[float, int]]:
    """Put words into lines that are as wide as the picture: left, number of the line.

    Parameters
    ----------
    together : how many words the first line has at least.
    """
    left, line = float(MARGIN), 0
    placed = []
    for number, (word, _) in enumerate(words):
        width = best_font(word, size).getlength(word)
        if number >= together and left + width > WIDTH - MARGIN:
            left, line = float(MARGIN), line + 1
        placed.append((left, line))
        left += width + size / 2
    return placed


def _height(words: _Words, size: int, room: float) -> int:
    """Return the height of the lines of words that fit into some room, one at least."""
    lines = min(_flow(words, size)[-1][1] + 1, max(1, int(room / (LINE * size))))
    return round(LINE * size * lines)


def _largest(words: _Words, room: float) -> int:
    """Return the largest size in which all words fit into a height, or else the smallest."""
    fits = (size for size in SIZES_OF_WORDS if _height(words, size, HEIGHT) <= room)
    return next(fits, SIZES_OF_WORDS[-1])


def _draw_words(
    pen: ImageDraw.ImageDraw, top: int, words: _Words, size: int, room: float = 0.0
) -> int:
    """Write the lines of words that fit into some room; return their height."""
    high = _height(words, size, room)
    placed = _flow(words, size, together=1 if room else 2)
    for (word, color), (left, line) in zip(words, placed, strict=True):
        y = LINE * size * line
        if y < high - 1:
            _draw_line(pen, (left, top + y), word, color, size, WIDTH - MARGIN - left)
    return high


def _draw_line(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    color: str,
    size: int,
    room: float,
) -> None:
    font = best_font(text, size)
    pen.text(place, shortened(text, font, room), color, font)
