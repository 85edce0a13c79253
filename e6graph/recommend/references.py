"""Read which posts a text names: numbers, links, MD5s, the site's JSON, a CSV file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput
from ..store.parquet import usable_md5

Reference = int | str
"""A post id, or the MD5 of a post's file in lower case."""

MOST_BYTES = 64 << 20  # of a file; the site's JSON has about 3 kB a post
MOST_POSTS = 240_000  # of one list: the site gives 750 pages of 320
COLUMNS = ("post_id", "id", "md5")  # the first counts: a favorite may have an id of its own
EXPECTED = (
    "expected post numbers, links to posts, MD5s, the site's JSON, or a CSV file with a column "
    "post_id, id or md5"
)

_ID = re.compile(r"(?:#|id:|post:)?([0-9]{1,18})", re.IGNORECASE)
_LINK = re.compile(
    r"(?:(?:https?://)?[\w.-]+(?::[0-9]+)?/|/)?posts?/(?:show/)?"  # what is before the number
    r"([0-9]{1,18})(?:\.json)?(?:[/?#]\S*)?",
    re.IGNORECASE,
)
_MD5 = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{32}(?![0-9A-Za-z])")
_JSON = re.compile(r"""\{\s*["}]|\[\s*["{\[\]0-9-]""")  # how it begins, unlike [b] or {fox}
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_WORD = re.compile(r"""[^\s,;|<>()\[\]{}"'`]+""")
_BEFORE_LINK = re.compile(r"^(?:\w*=|:)(?=https?://|/)")  # in markup: url=…, "a fox":…
_LIST_NUMBER = re.compile(r"(?m)^[ \t]*[0-9]{1,9}[.)][ \t]+(?=\S)")  # as in "1. …"


def reference_in(word: str) -> Reference | None:
    """Return the post that a word names: by number, link, or the MD5 in a file's name.

    >>> reference_in("#12"), reference_in("https://e926.net/posts/12?q=fox")
    (12, 12)
    >>> reference_in("md5:" + "AB" * 16), reference_in("fox"), reference_in("pools/7")
    ('abababababababababababababababab', None, None)
    """
    if found := _ID.fullmatch(word) or _LINK.fullmatch(word):
        return int(found[1])
    md5s = _MD5.findall(word)
    return usable_md5(md5s[-1]) if md5s else None


def read_references(text: str) -> list[Reference]:
    """Return the posts that a text names, each once, in its order.

    A text that begins as JSON does is JSON: posts as the site gives them, or a list of
    numbers, links or MD5s; several may follow each other. A text whose first line names
    a column `post_id`, `id` or `md5` is CSV. In any other text every number that stands
    by itself is a post, but for those that number the lines of a list.

    Raises
    ------
    BadInput : no post is named, too many are, or the JSON or CSV is broken.

    >>> read_references('{"posts": [{"id": 12}, {"id": 7}]}')
    [12, 7]
    >>> read_references("1. https://e926.net/posts/12\\n2. owls: 7, #9 (3.5 MB, 2026-01-31)")
    [12, 7, 9]
    """
    text = text.removeprefix("\ufeff").lstrip()
    if _JSON.match(text):
        found = _in_json(text)
    elif column := _column_with_posts(text):
        found = _in_csv(text, *column)
    else:
        found = _in_words(text)
    # An id may be larger than any post's, but 0 is none.
    named = list(dict.fromkeys(one for one in found if one))
    if not named:
        raise BadInput(f"it names no posts: {EXPECTED}")
    if len(named) > MOST_POSTS:
        raise BadInput(f"it names {len(named):,} posts: {MOST_POSTS:,} at most")
    return named


def decode(data: bytes) -> str:
    """Return the text of a file.

    Raises
    ------
    BadInput : it is too long, or not a text in UTF-8.
    """
    if len(data) > MOST_BYTES:
        raise BadInput(f"it has {len(data):,} bytes: {MOST_BYTES >> 20} MB at most")
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # as Windows saves "Unicode"
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"it is not a text in UTF-8: {EXPECTED}") from None


def read_file(path: str | Path) -> list[Reference]:
    """Do as `read_references` with a file. Raises BadInput, which names the file."""
    try:
        place = Path(path).expanduser()
        if not place.is_file():  # a device or a pipe may never end
            raise BadInput("no such file" if not place.exists() else "it is not a file")
        with open(place, "rb") as file:
            return read_references(decode(file.read(MOST_BYTES + 1)))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
    except RuntimeError:  # the home of nobody
        raise BadInput(f"{path}: no such file") from None
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def names_posts(text: str) -> bool:
    """Tell whether a text names posts; if not, it is one word, such as a person's name.

    >>> names_posts("#12"), names_posts("12, 13"), names_posts("[]"), names_posts("vixen")
    (True, True, True, False)
    """
    words = text.replace(",", " ").split()
    several = len(words) > 1 or _JSON.match(text.lstrip())
    return bool(several) or reference_in("".join(words)) is not None


def is_list_of_posts(text: str) -> bool:
    """Tell whether a text names posts and nothing else, so that it cannot be a blacklist.

    >>> is_list_of_posts("12\\n#13, https://e926.net/posts/14"), is_list_of_posts("fox\\n12")
    (True, False)
    >>> is_list_of_posts("id,md5\\n12,\\n"), is_list_of_posts("id:12"), is_list_of_posts("# fox")
    (True, False, False)
    """
    text = text.removeprefix("\ufeff").lstrip()
    if _JSON.match(text) or _column_with_posts(text):
        return True
    words = _WORD.findall(text)
    plain = re.compile("id:|md5:|post:", re.IGNORECASE)  # words of the filter language
    return bool(words) and all(
        reference_in(word) is not None and not plain.match(word) for word in words
    )


def _in_words(text: str) -> Iterator[Reference]:
    for word in dict.fromkeys(_WORD.findall(_LIST_NUMBER.sub("", text))):
        found = reference_in(_BEFORE_LINK.sub("", word.rstrip(".:!?")))
        if found is not None:
            yield found


def _in_json(text: str) -> Iterator[Reference]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            problem = f"line {error.lineno}: {error.msg}"
            raise BadInput(f"its JSON is broken ({problem}): {EXPECTED}") from None
        except (ValueError, RecursionError):  # a number, or lists in lists, without end
            raise BadInput(f"its JSON cannot be read: {EXPECTED}") from None
        yield from _in_value(value)
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at


def _in_value(value: object, depth: int = 3) -> Iterator[Reference]:
    """Yield the posts of what JSON holds: one, a list of them, or an answer of the site."""
    if isinstance(value, list):
        for one in value if depth else ():
            yield from _in_value(one, depth - 1)
    elif isinstance(value, dict):
        inside = next((value[key] for key in ("posts", "post") if key in value), None)
        if inside is not None and depth:
            yield from _in_value(inside, depth - 1)
            return
        for key in COLUMNS:
            found = _in_cell(value.get(key))
            if found is not None:
                yield found
                return
    elif (found := _in_cell(value)) is not None:
        yield found


def _in_cell(value: object) -> Reference | None:
    if isinstance(value, float) and value.is_integer():  # as pandas writes a number
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 < value < 10**18 else None
    if isinstance(value, str):
        return reference_in(value.strip().removesuffix(".0"))
    return None


def _column_with_posts(text: str) -> tuple[int, str] | None:
    """Return the place of the column that counts and what separates columns; None without."""
    first = re.split("[\r\n]", text[:10_000], maxsplit=1)[0]
    for separator in ",;\t":
        header = next(csv.reader([first], delimiter=separator), [])
        names = [name.strip(' "').lower() for name in header]
        for column in COLUMNS:
            if column in names:
                return names.index(column), separator
    return None


def _in_csv(text: str, column: int, separator: str) -> Iterator[Reference]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        next(rows)
        for row in rows:
            found = _in_cell(row[column]) if column < len(row) else None
            if found is not None:
                yield found
    except csv.Error as error:
        problem = f"line {rows.line_num}: {error}"
        raise BadInput(f"its CSV is broken ({problem}): {EXPECTED}") from None
