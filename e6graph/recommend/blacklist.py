"""The site's filter language: text → a mask of the posts it hides.

Each line is one filter, and a post is hidden if any line matches it.

- A line matches when all its tokens without `~` pass and, if it has tokens with
  `~`, at least one of those passes.
- `-` inverts a token. `~-tag` is one of several alternatives: not to have the tag.
- ` #` starts a comment. Case does not matter.
- A known name before a colon (`score:<0`, `rating:q`, `type:gif` ...) asks about
  the post itself. Everything else is a tag, even with a colon in it (`:3`,
  `10:30`); `tag:NAME` is a tag whatever it looks like. `*` in a tag stands for
  anything, and the pattern covers the whole name.
- Aliases are resolved, implications are not applied. A tag that nobody uses matches
  nothing.

Source: the site's blacklist page and its help. The export holds the ids of
uploaders but not their names: `user:123`, `user:!123`, `uploader:123` and
`userid:123` work, while `user:name` matches no post, and the parser warns of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadInput, warn

if TYPE_CHECKING:
    from .posts import Posts

# The site gives this list to a visitor who has not logged in.
DEFAULT = "gore\nscat\nwatersports\nyoung -rating:s\nloli\nshota\n"

_NUMERIC_COLUMNS = {
    "id": "id",
    "tagcount": "tag_count",
    "width": "image_width",
    "height": "image_height",
    "filesize": "file_size",
    "score": "score",
    "favcount": "fav_count",
    "userid": "uploader_id",
    "user": "uploader_id",
    "uploader": "uploader_id",
}
_RATINGS = {"safe": "s", "questionable": "q", "explicit": "e"}
_RATINGS |= {letter: letter for letter in "sqe"}
_STATUSES = ("active", "pending", "flagged", "deleted", "any")
_NAMES = {*_NUMERIC_COLUMNS, "tag", "rating", "status", "type", "pool"}
_UNITS = {"": 1, "kb": 1024, "mb": 1024**2}  # bytes
_LEAST, _MOST = -(2**63), 2**63 - 1  # of int64


@dataclass(frozen=True)
class Token:
    """One condition of a line.

    Attributes
    ----------
    name : a known name, "tag" for tags.
    value : what it is compared with: text, or (low, high) with both included. None
        matches no post.
    inverted, optional : whether it was written with `-`, with `~`.
    """

    name: str
    value: str | tuple[int, int] | None
    inverted: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Blacklist:
    """Filters ready to be applied: each line is a tuple of tokens."""

    lines: tuple[tuple[Token, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Blacklist:
        """Parse filters as the site's page does.

        Raises
        ------
        BadInput : with the line number and the token, for what cannot be read
            (numbers, ratings, statuses) or means something that nobody wants (a
            lone `-` hides every post).

        Examples
        --------
        >>> len(Blacklist.parse("gore  # not at breakfast\\n\\nyoung -rating:s").lines)
        2
        """
        text, lines = text.removeprefix("\ufeff"), []
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
            words = re.sub(r"(^|\s)#.*", "", line.lower()).split()
            if words:
                lines.append(tuple(_token(word, number) for word in words))
        return cls(tuple(lines))

    @classmethod
    def read(cls, given: str | Path | None) -> Blacklist:
        """Parse the filters that `PostGraph.open` is given.

        Parameters
        ----------
        given : "default" (what the site hides from visitors), the path of a text
            file, filters as text, or None for no filters.

        Raises
        ------
        BadInput : the file cannot be read, or its filters cannot be parsed.
        """
        if given is None:
            return cls(())
        if given == "default":
            return cls.parse(DEFAULT)
        if _names_a_file(given):
            return cls.parse(_read_file(Path(given)))
        return cls.parse(str(given))

    def mask(self, posts: Posts) -> np.ndarray:
        """Return which posts are hidden: bool (n,), by row."""
        hidden = np.zeros(len(posts), bool)
        column = cache(posts.column)  # reading one takes longer than comparing it
        for line in self.lines:
            required = [token for token in line if not token.optional]
            optional = [token for token in line if token.optional]

            # Few posts hold a tag: ask the other tokens about those posts alone.
            rows: np.ndarray | slice = slice(None)
            for token in required:
                if token.name in ("tag", "pool") and not token.inverted:
                    required.remove(token)
                    rows = _rows(token, posts)
                    break

            passes = [_passes(token, rows, posts, column) for token in required]
            if optional:
                some = [_passes(token, rows, posts, column) for token in optional]
                passes.append(np.logical_or.reduce(some))
            hidden[rows] |= np.logical_and.reduce(passes) if passes else True
        return hidden


def _names_a_file(given: str | Path) -> bool:
    """Whether a blacklist is a path and not a text of filters.

    Any `Path` is one, and so is a text that ends in .txt, that is a file, or that
    is a directory and has a slash in it. A single word is a tag even where a
    directory has that name.
    """
    if isinstance(given, Path) or re.fullmatch(r"\S+\.txt", given):
        return True
    # `os.path` answers for texts too long to be a name, where `Path` raises.
    return os.path.isfile(given) or ("/" in given and os.path.isdir(given))


def _read_file(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except IsADirectoryError:
        wrong = "is a directory"
    except FileNotFoundError:
        wrong = "does not exist"
    except UnicodeDecodeError:
        wrong = "is not a text in UTF-8"
    except OSError as error:
        wrong = f"cannot be read ({error.strerror})"
    raise BadInput(
        f"blacklist {path} {wrong}: expected a text file with a filter on each line; "
        "give the path of one"
    )


def _token(word: str, line: int) -> Token:
    """Parse one word of a line."""
    where = f"blacklist line {line}: {word!r}"
    try:
        word.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as JSON can hold it
        raise BadInput(f"{where} is not valid text: write the tag again") from None

    rest = word.removeprefix("~")
    optional, inverted = rest != word, rest.startswith("-")
    rest = rest.removeprefix("-")
    if not rest:
        meaning = "would hide every post" if word == "-" else "lacks its tag"
        raise BadInput(f"{where} {meaning}: write {word}TAG, without a space")
    if rest[0] in "-~":
        raise BadInput(
            f"{where}: no tag begins with {rest[0]!r}; expected at most one '~', then "
            "at most one '-', then the tag"
        )

    name, colon, value = rest.partition(":")
    if not colon or name not in _NAMES:
        return Token("tag", rest, inverted, optional)
    if not value:
        raise BadInput(f"{where}: nothing after {name}:")
    return Token(name, _value(name, value, where), inverted, optional)


def _value(name: str, value: str, where: str) -> str | tuple[int, int] | None:
    """Check and return the value of a `name:value` token."""
    if name in _NUMERIC_COLUMNS:
        number = value.removeprefix("!") if "user" in name else value
        interval = _interval(number, name, where)
        if interval:
            return interval
        if name in ("user", "uploader"):
            warn(
                f"{where} matches no post: an export holds the ids of uploaders, not "
                f"their names; write {name}:ID"
            )
            return None
        units = ", kb and mb allowed" if name == "filesize" else ""
        forms = "a number, <N, <=N, >N, >=N, A..B, A.. or ..B"
        raise BadInput(f"{where}: expected {forms}{units}")
    if name == "rating":
        if value not in _RATINGS:
            raise BadInput(f"{where}: expected s, q, e, safe, questionable or explicit")
        return _RATINGS[value]
    if name == "status" and value not in _STATUSES:
        raise BadInput(f"{where}: expected one of {', '.join(_STATUSES)}")
    return value


def _interval(value: str, name: str, where: str) -> tuple[int, int] | None:
    """Return the integers low..high that a comparison admits; None if unreadable.

    Comparisons are exact: `filesize:1mb` means 1,048,576 bytes, not about as many.
    """
    unit = r"(?:\.[0-9]+)?(?:kb|mb)?" if name == "filesize" else ""
    number = rf"-?[0-9]{{1,30}}{unit}"
    found = re.fullmatch(rf"(<=|>=|<|>)?({number})", value)
    if found:
        exact = _exact_number(found[2])
        return {
            None: (ceil(exact), floor(exact)),  # a fraction of a byte admits none
            "<": (_LEAST, ceil(exact) - 1),
            "<=": (_LEAST, floor(exact)),
            ">": (floor(exact) + 1, _MOST),
            ">=": (ceil(exact), _MOST),
        }[found[1]]

    found = re.fullmatch(rf"({number})?\.\.({number})?", value)
    if not found or not (found[1] or found[2]):
        return None
    least = _exact_number(found[1]) if found[1] else Fraction(_LEAST)
    most = _exact_number(found[2]) if found[2] else Fraction(_MOST)
    if found[1] and found[2] and least > most:
        raise BadInput(f"{where}: an empty range; write the smaller number first")
    return ceil(least), floor(most)


def _exact_number(text: str) -> Fraction:
    """Read digits and a unit without rounding."""
    unit = text[-2:] if text[-2:] in _UNITS else ""
    return Fraction(text.removesuffix(unit)) * _UNITS[unit]


def _passes(
    token: Token, rows: np.ndarray | slice, posts: Posts, column: Callable[[str], np.ndarray]
) -> np.ndarray | np.bool_:
    """Return which of `rows` pass a token: bool, one for each of them or one for all."""
    passes: np.ndarray | np.bool_
    if token.name in ("tag", "pool"):
        held = np.zeros(len(posts), bool)
        held[_rows(token, posts)] = True
        passes = held[rows]
    elif token.name == "rating":
        passes = column("rating")[rows] == token.value
    elif token.name == "type":
        passes = column("file_ext")[rows] == token.value
    elif token.name == "status":
        passes = _has_status(str(token.value), rows, column)
    elif isinstance(token.value, tuple):
        low, high = token.value
        values = column(_NUMERIC_COLUMNS[token.name])[rows]
        passes = (values >= low) & (values <= high)
    else:
        passes = np.False_
    return ~passes if token.inverted else passes


def _rows(token: Token, posts: Posts) -> np.ndarray:
    """Return the rows that hold a tag, or that are in a pool."""
    value = str(token.value)
    if token.name == "tag":
        return posts.rows_tagged(value)
    number = re.fullmatch("[0-9]{1,18}", value)
    return posts.rows_in_pool(int(value) if number else value)


def _has_status(
    status: str, rows: np.ndarray | slice, column: Callable[[str], np.ndarray]
) -> np.ndarray | np.bool_:
    """Return which of `rows` have a status; the index holds no deleted posts."""
    if status in ("deleted", "any"):
        return np.bool_(status == "any")
    pending, flagged = column("is_pending")[rows], column("is_flagged")[rows]
    if status == "active":
        return ~(pending | flagged)
    return pending if status == "pending" else flagged
