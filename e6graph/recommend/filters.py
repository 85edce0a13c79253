"""The site's filter language: a line of a blacklist → the conditions that it makes.

The site rewrites a line when it is saved and reads it when posts are shown;
`read_line` does both, in that order.

- Saving: lower case, a category before a name is cut off, ` #` begins a comment, an
  alias becomes the tag that it stands for.
- Reading: words part at white space. A line matches a post that passes all its words
  without `~` and, if it has words with `~`, one of those. `-` inverts a word.
- A field before a colon (`score:<0`, `rating:q`, `type:gif` ...) asks about the post
  itself. Everything else is a tag, even with a colon in it (`:3`, `10:30`). `*` in
  the name of a tag stands for anything, and the pattern covers the whole name.

Nothing is an error. A value that cannot be read passes for no post, and a remark says
so. Where the site's answer is an accident we choose:

- A tag is the whole word: `<3`, `>_<` and `x..y` mean the tags of these names. So
  does `-_-` if there is such a tag and none called `_-`, and `art:deco` if there is
  such a tag. `tag:NAME` means the tag NAME.
- Numbers are read exactly or not at all: `5abc` and `1,000` are unreadable, `<5.5`
  is `<=5`, and no score is 5.5. A word that cannot be read passes for no post with
  `-` before it, too.
- `status:active`, `any`, `all` and `modqueue`, names of pools and `user:901` mean
  what they say. `user:name` matches no post: an export holds the ids of uploaders,
  not their names.
- A category is cut off after `~` too, and `-~x` with any number of signs is read as
  `~-x`. Chains of aliases are followed to their end.
- Names are composed (NFC) before they are compared.

Source: the site's blacklist page and its help; what its own filter hides was tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from ..tags.typed import folded, without_category

LEAST, MOST = -(2**63), 2**63 - 1  # of int64
Interval = tuple[int, int]  # the smallest and the largest number, both included

NUMERIC_COLUMNS = {
    "id": "id",
    "tagcount": "tag_count",
    "width": "image_width",
    "height": "image_height",
    "filesize": "file_size",
    "score": "score",
    "favcount": "fav_count",
    "userid": "uploader_id",
}
RATINGS = {"safe": "s", "questionable": "q", "explicit": "e"}
RATINGS |= {letter: letter for letter in "sqe"}
STATUSES = ("pending", "flagged", "modqueue", "active", "any", "all", "deleted")
USERS = ("user", "uploader", "username")
FIELDS = {*NUMERIC_COLUMNS, *USERS, "rating", "status", "type", "pool", "fav"}

_UNITS = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2}  # bytes
_BOUNDS: dict[str, Callable[[Fraction], Interval]] = {
    "": lambda number: (ceil(number), floor(number)),  # a fraction admits none
    "<": lambda number: (LEAST, ceil(number) - 1),
    "<=": lambda number: (LEAST, floor(number)),
    "=<": lambda number: (LEAST, floor(number)),
    ">": lambda number: (floor(number) + 1, MOST),
    ">=": lambda number: (ceil(number), MOST),
    "=>": lambda number: (ceil(number), MOST),
}
"""Sign before a number → the whole numbers that it admits."""

_FORMS = f"{', '.join(f'{sign}N' for sign in _BOUNDS)}, A..B, A.. or ..B"
_SIGNED = re.compile(rf"({'|'.join(_BOUNDS)})([^<>=]+)")
_WHOLE = re.compile(r"([+-]?[0-9]{1,100}(?:\.[0-9]{0,100})?)()")
_SIZE = re.compile(r"([0-9]{1,100}(?:\.[0-9]{1,100})?)(b|kb|mb|)")
_ID = re.compile(r"!?([0-9]{1,18})")
_SIGNS = re.compile(r"[-~]*")
_SPACE = re.compile(r"[\t-\r ]+")
_CUT_AT_ENDS = "\ufeff\xa0"  # a byte order mark, a no-break space


@dataclass(frozen=True)
class Token:
    """One word of a line.

    Attributes
    ----------
    text : the word as it was typed.
    kind : "tag", "pool", "rating", "type", "status", a column of numbers,
        "nothing" (passes for no post) or "unreadable" (the same, and with `-` too).
    value : what it is compared with: an interval of numbers, or text; of a tag the
        names that it may mean, the first of which that is a tag counts.
    inverted, optional : whether it was written with `-`, with `~`.
    """

    text: str
    kind: str
    value: str | int | Interval | tuple[str, ...] = ""
    inverted: bool = False
    optional: bool = False


class Remark(NamedTuple):
    """A fault in a word of a line; `said` explains it to the person who gave the list."""

    line: int
    word: str
    said: str


def read_line(
    line: str, aliases: Mapping[str, str], number: int = 1
) -> tuple[list[Token], list[Remark]]:
    """Read one line as the site saves and applies it.

    Parameters
    ----------
    aliases : alias → the name that it stands for.
    number : of the line, for the remarks.

    Returns
    -------
    Its tokens, and remarks on words that cannot be read or match no post.

    Examples
    --------
    >>> tokens, remarks = read_line("species:vulpine -rating:x  # no", {"vulpine": "fox"})
    >>> [(token.kind, token.value) for token in tokens]
    [('tag', ('species:vulpine', 'fox')), ('unreadable', '')]
    >>> remarks[0].said
    "'-rating:x' cannot be read: expected one of safe, questionable, explicit, s, q, e"
    """
    tokens: list[Token] = []
    remarks: list[Remark] = []
    words = _SPACE.split(folded(line).strip("\t\n\v\f\r "))
    for at, word in enumerate(words):
        if word.startswith("#"):
            break
        ends = (at == 0, at == len(words) - 1 or words[at + 1].startswith("#"))
        signs, names = _saved(word, aliases, ends)
        if signs == "" and names[-1].startswith("#"):
            break
        said = ""
        if not names[-1]:
            if signs:
                said = f"a lone {word!r} is left out: write {word}TAG without a space"
        else:
            kind, value, said = _meaning(names, aliases)
            if kind == "unreadable":
                said = f"{word!r} cannot be read: {said}"
            elif said:
                said = f"{word!r} {in_vain('-' in signs)}: {said}"
            tokens.append(Token(word, kind, value, "-" in signs, "~" in signs))
        if said:
            remarks.append(Remark(number, word, said))
    return tokens, remarks


def in_vain(inverted: bool) -> str:
    """Say what a word does that asks for what no post has."""
    return "passes for every post" if inverted else "matches no post"


def _saved(
    word: str, aliases: Mapping[str, str], ends: tuple[bool, bool]
) -> tuple[str, tuple[str, ...]]:
    """Rewrite a word as saving does: its signs, and the names that it may mean.

    Parameters
    ----------
    ends : whether the word begins its line, and ends it.
    """
    signs, typed = _split_signs(word)
    cut = without_category(typed)
    more, name = _split_signs(cut) if cut != typed else ("", typed)
    signs += more
    if name in aliases:
        return signs, ((typed, aliases[name]) if cut != typed else (aliases[name],))

    # What is no letter is cut off the ends of a line, after aliases were looked up.
    stripped = name
    if ends[0] and not signs:
        stripped = stripped.lstrip(_CUT_AT_ENDS)
    if ends[1]:
        stripped = stripped.rstrip(_CUT_AT_ENDS)
    if stripped != name:
        signs, stripped = _split_signs(signs + stripped)
    return signs, ((typed, stripped) if cut != typed else (stripped,))


def _split_signs(word: str) -> tuple[str, str]:
    end = _SIGNS.match(word).end()  # type: ignore[union-attr]  # it matches anything
    return word[:end], word[end:]


_Meaning = tuple[str, str | int | Interval | tuple[str, ...], str]


def _meaning(names: tuple[str, ...], aliases: Mapping[str, str]) -> _Meaning:
    """Return kind and value of a token, and why it cannot be read or asks for nothing."""
    name = names[-1]
    field, colon, value = name.partition(":")
    if not colon or field not in {*FIELDS, "tag"}:
        return "tag", names, ""
    if field == "tag":
        return "tag", ((*names, aliases.get(value, value)) if value else names), ""
    if field in USERS:
        return _user(field, value)
    if field in NUMERIC_COLUMNS:
        return _number(field, value)
    if field == "fav":
        return "nothing", "", "favorites are not known here"
    if field == "rating":
        expected = ", ".join(RATINGS)
        return _one_of("rating", RATINGS.get(value), f"expected one of {expected}")
    if field == "status":
        known = value if value in STATUSES else None
        return _one_of("status", known, f"expected one of {', '.join(STATUSES)}")
    if not value:
        expected = "the number of one" if field == "pool" else "a type such as png or webm"
        return "unreadable", "", f"expected {expected} after {field}:"
    if field == "pool" and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return "pool", int(value), ""
    return field, value, ""


def _one_of(kind: str, value: str | None, expected: str) -> _Meaning:
    return ("unreadable", "", expected) if value is None else (kind, value, "")


def _user(field: str, value: str) -> _Meaning:
    """Read an uploader, who is known by number alone."""
    number = _ID.fullmatch(value)
    if number and field != "username":
        return "uploader_id", (int(number[1]), int(number[1])), ""
    if not value or (value.startswith("!") and field != "username"):
        return "unreadable", "", f"expected {field}:!ID with the uploader's number"
    said = "an export holds the numbers of uploaders, not their names; write user:!ID"
    return "nothing", "", said


def _number(field: str, value: str) -> _Meaning:
    """Read a comparison of numbers."""
    column = NUMERIC_COLUMNS[field]
    value = value.removeprefix("!") if field == "userid" else value
    interval = _interval(value, field == "filesize")
    if interval is None:
        units = " with b, kb or mb after a number if you like" if field == "filesize" else ""
        numbers = "sizes" if field == "filesize" else "whole numbers"
        return "unreadable", "", f"expected {numbers} as {_FORMS}{units}"
    low, high = interval
    said = ""
    if low > MOST or high < LEAST:
        said = "no post has such a number"
    elif low > high:
        both = ".." in value
        said = (
            "expected whole numbers, the smaller first" if both else "expected a whole number"
        )
    return column, interval, said


def _interval(value: str, size: bool) -> Interval | None:
    """Return the whole numbers that a comparison admits; None if it cannot be read.

    A size without a sign means about as many bytes, from 95 % to 105 %.

    >>> _interval(">5.5", size=False), _interval("..-3", size=False)[1]
    ((6, 9223372036854775807), -3)
    >>> _interval("100kb", size=True)
    (97280, 107520)
    """
    first, dots, last = value.partition("..")
    if dots:
        low = _exact_number(first, size) if first else LEAST
        high = _exact_number(last, size) if last else MOST
        if low is None or high is None or not (first or last):
            return None
        return ceil(low), floor(high)

    found = _SIGNED.fullmatch(value)
    exact = _exact_number(found[2], size) if found else None
    if found is None or exact is None:
        return None
    if size and not found[1]:
        return floor(exact) * 95 // 100, floor(exact) * 105 // 100
    return _BOUNDS[found[1]](exact)


def _exact_number(text: str, size: bool) -> Fraction | None:
    """Read a number without rounding; a size is cut to whole bytes."""
    found = (_SIZE if size else _WHOLE).fullmatch(text)
    if not found:
        return None
    exact = Fraction(found[1].removesuffix(".")) * _UNITS[found[2]]
    return Fraction(floor(exact)) if size else exact
