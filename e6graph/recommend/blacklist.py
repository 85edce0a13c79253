"""The site's filter language → a boolean mask over posts.

One filter a line; a post is hidden if any line matches it. A line matches when all its tokens
without `~` pass and, if it has tokens with `~`, at least one of those passes; `-` inverts a token
(`~-tag` is one way out of several: not having the tag). ` #` starts a comment, case does not
matter. Known names before a colon (`score:<0`, `rating:q`, `type:gif` ...) ask about the post
itself, everything else is a tag (`:3`, `10:30`; `*` is a wildcard over the whole name), and
`tag:NAME` is a tag whatever it looks like. Aliases are resolved, implications are not applied, a
tag nobody uses matches nothing. Source: the site's blacklist page and its help.

An export holds uploaders' ids and not their names: `user:123`, `user:!123`, `uploader:123` and
`userid:123` work; `user:name` matches no post, and the parser warns of it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadInput

if TYPE_CHECKING:
    from .posts import Posts

# what the site gives a visitor who has not logged in
DEFAULT = "gore\nscat\nwatersports\nyoung -rating:s\nloli\nshota\n"

_NUMERIC = {
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
_RATINGS = {"s": "s", "q": "q", "e": "e", "safe": "s", "questionable": "q", "explicit": "e"}
_STATUSES = ("active", "pending", "flagged", "deleted", "any")
_NAMES = {*_NUMERIC, "tag", "rating", "status", "type", "pool"}
_UNITS = {"": 1, "kb": 1024, "mb": 1024**2}
_LIMITS = np.iinfo(np.int64)


@dataclass(frozen=True)
class Token:
    """One condition: `name` is a known name ("tag" for tags), `value` what it is compared with."""

    name: str
    value: str | tuple[int, int] | None  # (low, high), both included; None matches no post
    inverted: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Blacklist:
    """Filters ready to be applied: each line is a tuple of tokens."""

    lines: tuple[tuple[Token, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Blacklist:
        """Read filters as the site's page does.

        Raises
        ------
        BadInput : with the line number and the token, for what the site would take in a way nobody
            means (a lone `-` hides everything) or cannot be read (numbers, ratings, statuses).

        Examples
        --------
        >>> len(Blacklist.parse("gore  # not at breakfast\\n\\nyoung -rating:s").lines)
        2
        """
        lines = []
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")), 1):
            words = re.sub(r"(^|\s)#.*", "", line.lower()).split()
            if words:
                lines.append(tuple(_token(word, number) for word in words))
        return cls(tuple(lines))

    def mask(self, posts: Posts) -> np.ndarray:
        """Which posts are hidden.

        Returns
        -------
        hidden : bool (n,), by row.
        """
        hidden = np.zeros(len(posts), bool)
        column = cache(posts.column)  # reading one takes longer than comparing it
        for line in self.lines:
            rest = [token for token in line if not token.optional]
            optional = [token for token in line if token.optional]
            first = next(
                (t for t in rest if t.name in ("tag", "pool") and not t.inverted), None
            )
            rows: np.ndarray | slice = slice(None)  # all
            if first:  # few posts hold it: ask the rest of them alone
                rest.remove(first)
                rows = _rows(first, posts)
            passes = [_passes(token, rows, posts, column) for token in rest]
            if optional:
                some = [_passes(token, rows, posts, column) for token in optional]
                passes.append(np.logical_or.reduce(some))
            hidden[rows] |= np.logical_and.reduce(passes) if passes else True
        return hidden


def _token(word: str, line: int) -> Token:
    try:
        word.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, as JSON can hold it
        raise BadInput(
            f"blacklist line {line}: {word!r} is no text: write the tag anew"
        ) from None
    optional = word.startswith("~")
    rest = word.removeprefix("~")
    inverted = rest.startswith("-")
    rest = rest.removeprefix("-")
    if not rest:
        meaning = "would hide every post" if word == "-" else "lacks its tag"
        raise BadInput(f"blacklist line {line}: {word!r} {meaning}: write {word}TAG, no space")
    if rest[0] in "-~":
        raise BadInput(
            f"blacklist line {line}: {word!r}: no tag begins with {rest[0]!r}; expected at most "
            "one '~', then at most one '-', then the tag"
        )
    name, colon, value = rest.partition(":")
    if not colon or name not in _NAMES:
        return Token("tag", rest, inverted, optional)
    if not value:
        raise BadInput(f"blacklist line {line}: {word!r}: nothing after {name}:")
    return Token(name, _value(name, value, word, line), inverted, optional)


def _value(name: str, value: str, word: str, line: int) -> str | tuple[int, int] | None:
    """The value of a `name:value` token, checked."""
    where = f"blacklist line {line}: {word!r}"
    if name in _NUMERIC:
        interval = _interval(value.removeprefix("!") if "user" in name else value, name, where)
        if interval:
            return interval
        if name in ("user", "uploader"):
            warnings.warn(
                f"{where} matches no post: an export holds the ids of uploaders, not their names; "
                f"write {name}:ID",
                stacklevel=5,  # whoever called parse
            )
            return None
        units = ", kb and mb allowed" if name == "filesize" else ""
        raise BadInput(f"{where}: expected a number, <N, <=N, >N, >=N, A..B, A.. or ..B{units}")
    if name == "rating":
        if value not in _RATINGS:
            raise BadInput(f"{where}: expected s, q, e, safe, questionable or explicit")
        return _RATINGS[value]
    if name == "status" and value not in _STATUSES:
        raise BadInput(f"{where}: expected one of {', '.join(_STATUSES)}")
    return value


def _interval(value: str, name: str, where: str) -> tuple[int, int] | None:
    """A comparison as the integers low..high it admits; None where it is not one.

    Comparisons are plain: `filesize:1mb` is 1,048,576 bytes and not about that.
    """
    unit = r"(?:\.[0-9]+)?(?:kb|mb)?" if name == "filesize" else ""
    number = rf"-?[0-9]{{1,30}}{unit}"
    found = re.fullmatch(rf"(<=|>=|<|>)?({number})", value)
    if found:
        exact = _number(found[2])
        low, high = {
            None: (ceil(exact), floor(exact)),  # empty for a fraction of a byte
            "<": (_LIMITS.min, ceil(exact) - 1),
            "<=": (_LIMITS.min, floor(exact)),
            ">": (floor(exact) + 1, _LIMITS.max),
            ">=": (ceil(exact), _LIMITS.max),
        }[found[1]]
    else:
        found = re.fullmatch(rf"({number})?\.\.({number})?", value)
        if not found or not (found[1] or found[2]):
            return None
        low = ceil(_number(found[1])) if found[1] else _LIMITS.min
        high = floor(_number(found[2])) if found[2] else _LIMITS.max
        if found[1] and found[2] and _number(found[1]) > _number(found[2]):
            raise BadInput(f"{where}: an empty range; write the smaller number first")
    return int(low), int(high)


def _number(text: str) -> Fraction:
    unit = text[-2:] if text[-2:] in _UNITS else ""
    return Fraction(text.removesuffix(unit)) * _UNITS[unit]


def _passes(
    token: Token, rows: np.ndarray | slice, posts: Posts, column: Callable[[str], np.ndarray]
) -> np.ndarray | np.bool_:
    """Which of some rows (int64, or a slice) pass one token: bool, as long as `rows`, or one."""
    if token.name in ("tag", "pool"):
        passes = np.zeros(len(posts), bool)
        passes[_rows(token, posts)] = True
        passes = passes[rows]
    elif token.name == "rating":
        passes = column("rating")[rows] == token.value
    elif token.name == "type":
        passes = column("file_ext")[rows] == token.value
    elif token.name == "status":
        passes = _has_status(str(token.value), rows, column)
    elif token.value is None:
        passes = np.False_
    else:
        low, high = token.value
        values = column(_NUMERIC[token.name])[rows]
        passes = (values >= low) & (values <= high)
    return ~passes if token.inverted else passes


def _rows(token: Token, posts: Posts) -> np.ndarray:
    """Rows with a tag, or in a pool."""
    value = str(token.value)
    if token.name == "tag":
        return posts.rows_tagged(value)
    return posts.rows_in_pool(int(value) if re.fullmatch("[0-9]{1,18}", value) else value)


def _has_status(
    status: str, rows: np.ndarray | slice, column: Callable[[str], np.ndarray]
) -> np.ndarray | np.bool_:
    """Deleted posts are not in the index, so `deleted` passes none and `any` all."""
    if status in ("deleted", "any"):
        return np.bool_(status == "any")
    pending, flagged = column("is_pending")[rows], column("is_flagged")[rows]
    return {"pending": pending, "flagged": flagged, "active": ~(pending | flagged)}[status]
