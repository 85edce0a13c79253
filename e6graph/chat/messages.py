"""The messages of a talk: what goes in and comes out, and how posts read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..recommend.references import reference_in
from ..tags.categories import RATING_TAGS

if TYPE_CHECKING:
    from ..recommend import PostInfo

MESSAGE_LIMIT = 2000  # characters
BLACKLIST_LIMIT = 150_000  # characters, as on the site
LIST_BYTES = 4 * BLACKLIST_LIMIT  # of a file with a blacklist; UTF-8 has 4 bytes at most
FAVORITES_BYTES = 8 << 20  # of a file with favorites; ten thousand links have half a MB
PICTURE_LIMIT = 20 * 1024**2  # bytes
POSTS_AT_ONCE = 5  # for /more
PREVIEW_PATIENCE = 1.5  # seconds that a front end waits for a preview to come
PREVIEW_POLL = 0.05  # seconds between two looks whether it has come


# The categories that a card shows, in order, and how many tags of each say
# enough.
TAGS_ON_CARD = {
    "artist": 4,
    "copyright": 4,
    "character": 6,
    "species": 6,
    "general": 10,
    "lore": 4,
}
QUOTED = 60  # characters of what somebody typed that an answer repeats
EXPLAINED_NAMES = 5  # unknown words of a message that get near names, which takes time
LABEL_WIDTH = 11  # columns for the label of a row

_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b\][^\x07\x1b\x9c]*"  # OSC
    r"|\x1b[ -/]*[0-~]?"
)
# C0 except the newline, C1, direction marks and overrides, line separators,
# lone surrogates
_CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NUMBER = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{0,9})?|[.,][0-9]{1,9}) ?(%|percent|)")


def clean(text: str) -> str:
    r"""Remove what steers a terminal: escape sequences (ECMA-48), other controls.

    >>> clean("a\x1b[2Jb\x07\tc\n\u202ed")
    'ab c\nd'
    """
    return _CONTROL.sub("", _ESCAPE.sub("", re.sub("[\t\v\f]", " ", text)))


def clean_lines(text: str) -> str:
    r"""Do as `clean`, with every line end as a line feed.

    >>> clean_lines("fox\r\nowl\rheron")
    'fox\nowl\nheron'
    """
    return clean(re.sub("\r\n?", "\n", text))


@dataclass
class Picture:
    """A picture that a user sent: the bytes of its file, or the `problem` with it."""

    data: bytes = b""
    problem: str = ""


@dataclass
class TextFile:
    """A list that a user sent as a file: its bytes, or the `problem` with it.

    `kind` is "favorites" or "blacklist"; "" leaves it to the content to tell which.
    """

    data: bytes = b""
    problem: str = ""
    kind: str = ""


@dataclass
class Reply:
    """One message to the user.

    Attributes
    ----------
    text : clean lines; two spaces or more set a label apart from its values.
    post, why, picture : the post shown, the reason in short, and where its
        preview would be.
    choices : what the user is likely to type next.
    document : a file for the user, its name and its bytes; see `is_drawing`.
    ended : whether the talk ends here.
    coming : whether the preview is being fetched.
    """

    text: str
    post: PostInfo | None = None
    why: str = ""
    picture: Path | None = None
    choices: list[str] = field(default_factory=list)
    document: tuple[str, bytes] | None = None
    ended: bool = False
    coming: bool = False

    @property
    def is_drawing(self) -> bool:
        """Whether the document is a picture, to be shown to whoever is there."""
        return self.document is not None and self.document[0].endswith(".png")

    def __post_init__(self) -> None:
        self.text, self.why = clean(self.text), clean(self.why)
        self.choices = [clean(choice) for choice in self.choices]


@dataclass
class Taste:
    """Everything that is known about a user's taste.

    Attributes
    ----------
    enjoys, avoids : tags they named, the latest last.
    liked, disliked : post ids, the latest last.
    seen, skipped : number of posts.
    up, down : (tag, category, weight) that their judgments speak for and
        against, the strongest first.
    blacklist : their own lines, the latest of them.
    ratings : letters of what they let themselves see.
    mood : tags that they wish for just now. `up` and `down` are then of the mood alone.
    variety : from 0 to 1, their own; None for the default.
    favorites : number of those that may be shown.
    only : the search words that all posts must match; "" for none.
    """

    enjoys: list[str] = field(default_factory=list)
    avoids: list[str] = field(default_factory=list)
    liked: list[int] = field(default_factory=list)
    disliked: list[int] = field(default_factory=list)
    seen: int = 0
    skipped: int = 0
    up: list[tuple[str, str, float]] = field(default_factory=list)
    down: list[tuple[str, str, float]] = field(default_factory=list)
    blacklist: list[str] = field(default_factory=list)
    ratings: str = "s"
    mood: list[str] = field(default_factory=list)
    variety: float | None = None
    favorites: int = 0
    only: str = ""


@dataclass(frozen=True)
class CompletedTag:
    """A tag that begins with what was typed, and how many visible `posts` hold it."""

    name: str
    category: str
    posts: int


def aligned(rows: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Return one line for each (label, values), with the values below each other."""
    return [f"{label:<{LABEL_WIDTH}}{', '.join(values)}" for label, values in rows]


def wrapped(text: str, width: int) -> str:
    """Wrap lines at `width` columns, with values under values."""
    lines = []
    for line in text.split("\n"):
        label = re.match(r"\S+(?: \S+)*? {2,}", line)
        indent = len(label[0]) if label and len(label[0]) < width / 2 else 0
        wrapper = textwrap.TextWrapper(
            width,
            subsequent_indent=" " * indent,
            break_long_words=False,  # an address stays whole
            break_on_hyphens=False,
        )
        lines.append(wrapper.fill(line) if line else "")
    return "\n".join(lines)


def count(things: Sized, noun: str) -> str:
    """Say how many there are.

    >>> count(["fox"], "tag"), count([], "post")
    ('1 tag', '0 posts')
    """
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"


def day(at: float) -> str:
    """Write the day (UTC) of a moment in Unix seconds.

    >>> day(1795823999.5)
    '2026-11-27'
    """
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def quoted(text: str) -> str:
    """Put what somebody typed in quotes; of a long text, the beginning.

    >>> quoted("fox"), len(quoted("9" * 1500))
    ("'fox'", 63)
    """
    return repr(text if len(text) <= QUOTED else f"{text[:QUOTED]}…")


def names_in(words: Iterable[str]) -> list[str]:
    """Split words at commas into tag names, each once.

    >>> names_in(["Fox,night", "fox"])
    ['fox', 'night']
    """
    names = (name for word in words for name in word.lower().split(","))
    return list(dict.fromkeys(filter(None, names)))


def post_id_in(word: str) -> int | None:
    """Return the post id in a number, `#number` or post URL.

    >>> post_id_in("#12"), post_id_in("https://e926.net/posts/12?q=fox"), post_id_in("fox")
    (12, 12, None)
    """
    found = reference_in(word)
    return found if isinstance(found, int) else None


def number_from_0_to_1(text: str) -> float | None:
    """Return the number from 0 to 1 that a person typed, None if they typed no such number.

    >>> [number_from_0_to_1(text) for text in (".2", "0,2", "20%", "20 percent", "20", "1")]
    [0.2, 0.2, 0.2, 0.2, 0.2, 1.0]
    >>> [number_from_0_to_1(text) for text in ("2", "101", "-1", "x")]
    [None, None, None, None]
    """
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    number = float(found[1].replace(",", "."))
    if found[2] or number >= 10:  # ten and more can only be meant in percent
        number /= 100
    return number if number <= 1 else None


def did_you_mean(
    unknown: Iterable[str], near: Callable[[str], Sequence[str]]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Name the tags near each of the first unknown ones.

    Returns
    -------
    lines : a text for each of them. meant : (unknown name, a name near it).
    """
    lines, meant = [], []
    first, more = [*unknown][:EXPLAINED_NAMES], [*unknown][EXPLAINED_NAMES:]
    for name in first:
        names = near(name)
        meant += [(name, one) for one in names]
        hint = f": did you mean {' or '.join(names)}?" if names else "."
        lines.append(f"No tag {quoted(name)}{hint}")
    if more:
        lines.append(f"I do not know {len(more)} more of these words.")
    return lines, meant


def numbered(reply: Reply, first: int = 1) -> tuple[str, list[str]]:
    """Put a number behind each choice that a text names.

    Returns
    -------
    text : with the numbers. choices : those that have one, in the order of the numbers.

    >>> numbered(Reply("No tag 'owll': did you mean owl?", choices=["/walk", "/enjoy owl"]))
    ("No tag 'owll': did you mean owl [1]?", ['/enjoy owl'])
    """
    places = []
    for choice in reply.choices:
        command, _, argument = choice.partition(" ")
        sought = choice
        if choice not in reply.text and command in ("/enjoy", "/avoid", "/mood"):
            sought = argument
        if argument or choice == "/yes" or "id you mean" in reply.text:
            named = rf"(?<!\S){re.escape(sought)}(?=[.,:;?!]|$|\n| (?:or|takes) )"
            ends = [found.end() for found in re.finditer(named, reply.text)]
            places += [(end, choice) for end in ends[-1:]]
    places.sort()
    text, begin = "", 0
    for number, (end, _) in enumerate(places, first):
        text += f"{reply.text[begin:end]} [{number}]"
        begin = end
    return text + reply.text[begin:], [choice for _, choice in places]


def title(post: PostInfo) -> str:
    """Name a post in a few words: who or what is in it, and by whom."""
    names = (_telling(post, kind) for kind in ("character", "species", "general"))
    artists = _telling(post, "artist")
    by = f" by {', '.join(artists[:2])}" if artists else ""
    return ", ".join(next(filter(None, names), ["untagged"])[:3]) + by


def card(post: PostInfo, because: Sequence[str | int], why: str) -> str:
    """Describe a post: number, title, address, telling tags, and why it came.

    Among the tags of a category those in `because` come first.
    """
    rows = []
    for category, most in TAGS_ON_CARD.items():
        names = sorted(_telling(post, category), key=lambda name: name not in because)
        more = [f"and {len(names) - most} more"] if len(names) > most else []
        if names:
            rows.append((category, [*names[:most], *more]))

    address = [post.url] if post.url else []
    heading = f"#{post.post_id}  {title(post)}"
    return "\n".join([heading, *address, *aligned([*rows, ("why", [why])])])


def _telling(post: PostInfo, category: str) -> list[str]:
    """Return the tags of a category, the rarest first: they say most of a post."""
    by_use = post.tags.get(category, [])
    return [name for name in reversed(by_use) if name not in RATING_TAGS]


def reasons(
    because: Sequence[str | int],
    enjoys: Sequence[str] = (),
    liked: Sequence[int] = (),
    mood: Sequence[str] = (),
    favorites: Sequence[int] = (),
) -> str:
    """Say why a post came; "" where nothing is known.

    Parameters
    ----------
    because : names of the tags and ids of the posts that led to it.
    enjoys, liked : tags and posts that the user named or liked.
    mood : the tags of their mood; while it holds, what they enjoy led nowhere.
    favorites : posts that they marked on the site.

    >>> reasons(["fox", "snow", 7, 8], enjoys=["fox"], liked=[7])
    'you enjoy fox; you liked #7; it is like #8; it has snow'
    """
    tags = [reason for reason in because if isinstance(reason, str)]
    posts = [reason for reason in because if not isinstance(reason, str)]
    named = mood or enjoys
    marked = {*posts}.intersection(favorites).difference(liked)
    parts = {
        "you are in the mood for" if mood else "you enjoy": [t for t in tags if t in named],
        "you liked": [f"#{post}" for post in posts if post in liked],
        "it is like your favorite": [f"#{post}" for post in posts if post in marked],
        "it is like": [
            f"#{post}" for post in posts if post not in liked and post not in marked
        ],
        "it has": [tag for tag in tags if tag not in named],
    }
    said = [f"{words} {', '.join(values)}" for words, values in parts.items() if values]
    return "; ".join(said)
