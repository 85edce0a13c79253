"""The messages of a talk: its commands, what a front end hands in and gets back, how posts read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..tags.categories import RATING_TAGS

if TYPE_CHECKING:
    from ..recommend.postgraph import PostInfo

MESSAGE_LIMIT = 2000  # characters
PICTURE_LIMIT = 20 * 1024**2  # bytes
MORE = 5  # posts at once
COMMANDS = {  # name: (what follows it, what it does)
    "walk": ("", "a tour: one post at a time, the next after each 👍 or 👎"),
    "like": ("[ID or URL]", "more like that post, or like the last one shown"),
    "dislike": ("[ID or URL]", "fewer like it"),
    "skip": ("", "the next one; counts against this one, but little"),
    "stop": ("", "end the tour"),
    "why": ("[ID]", "how that post, or the last one, was found"),
    "more": ("[ID]", f"{MORE} posts like that one, or like the last one"),
    "surprise": ("", "a post from where I know your taste least"),
    "enjoy": ("TAGS", "tags you like to see, with spaces or commas between"),
    "avoid": ("TAGS", "tags you do not want to see"),
    "picture": ("PATH", "what is in a picture, and posts like it; or just send one"),
    "taste": ("", "what is kept of you, and what I have learned"),
    "drop": ("TAGS or #ID", "take back what you said of tags or of a post"),
    "blacklist": ("[add|remove LINE]", "lines of your own that hide posts, as on the site"),
    "rating": ("[LETTERS]", "which ratings you see, of those allowed here"),
    "export": ("", "all that is kept of you, as a file"),
    "forget": ("", "delete all of it"),
    "about": ("", "what this is"),
    "start": ("", "the welcome"),
    "help": ("", "this list"),
    "quit": ("", "end the talk"),
}
LOOKED_UP = 5  # unknown words of a message: finding near names is a pass over all
LABEL = 11  # columns of the word before a line's values
# the categories shown, in order, and how many names of each tell enough
CATEGORIES = {
    "artist": 4,
    "copyright": 4,
    "character": 6,
    "species": 6,
    "general": 10,
    "lore": 4,
}

_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\x9c]*|\x1b[ -/]*[0-~]?"
)
# C0 but the newline, C1, direction marks and overrides, line separators, lone surrogates
_CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_POST = re.compile(r"(?:#|(?:https?://)?[\w.-]+/posts?/(?:show/)?)?([0-9]{1,18})(?:[/?#]\S*)?")


def clean(text: str) -> str:
    r"""Text that cannot steer a terminal: no escape sequences (ECMA-48) nor other controls.

    >>> clean("a\x1b[2Jb\x07\tc\n\u202ed")
    'ab c\nd'
    """
    return _CONTROL.sub("", _ESCAPE.sub("", text.replace("\t", " ")))


@dataclass
class Picture:
    """A picture someone sent: its bytes, or the `problem` that kept the front end from them."""

    data: bytes = b""
    problem: str = ""


@dataclass
class Reply:
    """One message to the user.

    Attributes
    ----------
    text : clean lines; a label is set apart from its values by two spaces or more.
    post, why, picture : the post shown, the reason in short, and where its preview would be.
    choices : what the user may well type next.
    document : a file for the user, its name and its bytes.
    ended : whether the talk ends here.
    coming : whether the preview is being fetched; for a front end to set.
    """

    text: str
    post: PostInfo | None = None
    why: str = ""
    picture: Path | None = None
    choices: list[str] = field(default_factory=list)
    document: tuple[str, bytes] | None = None
    ended: bool = False
    coming: bool = False

    def __post_init__(self) -> None:
        self.text, self.why = clean(self.text), clean(self.why)
        self.choices = [clean(choice) for choice in self.choices]


@dataclass
class Taste:
    """What is known of a user.

    Attributes
    ----------
    enjoys, avoids : tags they named, the latest last. liked, disliked : post ids.
    seen, skipped : how many posts. up, down : tags that their judgments speak for and against, with
        category and weight, the strongest first. blacklist : their own lines. ratings : what they
        let themselves see.
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


@dataclass(frozen=True)
class Completion:
    """A tag that what was typed may become: its category, and how many posts shown hold it."""

    name: str
    category: str
    posts: int


BUTTONS = {
    "/like": "👍",
    "/dislike": "👎",
    "/skip": "⏭",
    "/stop": "🛑",
    "/why": "Why?",
    "/more": "More like this",
    "/walk": "Walk",
    "/surprise": "Surprise me",
    "/help": "Help",
    "/taste": "Taste",
    "/export": "Export",
    "/forget": "Forget me",
    "/blacklist": "Blacklist",
    "yes": "Yes, delete it",
    "no": "No",
}


def button(choice: str) -> str:
    """What stands on the button of a choice.

    >>> button("/like 12"), button("/enjoy fox")
    ('👍', 'Enjoy fox')
    """
    name, _, rest = choice.partition(" ")
    if name in ("/enjoy", "/avoid", "/rating") and rest:
        return choice[1:].capitalize()
    return BUTTONS.get(name, choice)


def labelled(rows: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """A line a row, values aligned."""
    return [f"{label:<{LABEL}}{', '.join(values)}" for label, values in rows]


def count(things: Sequence, noun: str) -> str:
    """Say how many.

    >>> count(["fox"], "tag"), count([], "post")
    ('1 tag', '0 posts')
    """
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"


def names_in(words: Iterable[str]) -> list[str]:
    """Tags between spaces and commas, each once.

    >>> names_in(["Fox,night", "fox"])
    ['fox', 'night']
    """
    names = (name for word in words for name in word.lower().split(","))
    return list(dict.fromkeys(filter(None, names)))


def post_id_in(word: str) -> int | None:
    """The post that a number, `#number` or post URL means.

    >>> post_id_in("#12"), post_id_in("https://e926.net/posts/12?q=fox"), post_id_in("fox")
    (12, 12, None)
    """
    found = _POST.fullmatch(word)
    return int(found[1]) if found else None


def did_you_mean(unknown: Sequence[str], near: Callable[[str], Sequence[str]]) -> list[str]:
    """A line for each of the first unknown tags, with the names `near` finds like it."""
    lines = []
    for name in unknown[:LOOKED_UP]:
        names = " or ".join(near(name))
        lines.append(f"No tag {name!r}" + (f": did you mean {names}?" if names else "."))
    if len(unknown) > LOOKED_UP:
        lines.append(f"Nor do I know {len(unknown) - LOOKED_UP} more of these words.")
    return lines


def help_text(commands: Mapping[str, tuple[str, str]]) -> str:
    """What each command does, aligned."""
    usage = {f"/{name} {argument}": text for name, (argument, text) in commands.items()}
    width = max(map(len, usage)) + 2
    lines = [f"{command:<{width}}{text}" for command, text in usage.items()]
    return "\n".join([*lines, "Tags without a command count as /enjoy."])


def title(post: PostInfo) -> str:
    """A post in a few words: who or what is in it, and by whom."""
    names = (_telling(post, kind) for kind in ("character", "species", "general"))
    artists = _telling(post, "artist")
    by = f" by {', '.join(artists[:2])}" if artists else ""
    return ", ".join(next(filter(None, names), ["untagged"])[:3]) + by


def card(post: PostInfo, because: Sequence[str | int], why: str) -> str:
    """A post as text: number, title, address, telling tags by category (the reasons first), why."""
    rows = []
    for category, most in CATEGORIES.items():
        names = sorted(_telling(post, category), key=lambda name: name not in because)
        more = [f"and {len(names) - most} more"] if len(names) > most else []
        if names:
            rows.append((category, [*names[:most], *more]))
    address = [post.url] if post.url else []
    heading = f"#{post.post_id}  {title(post)}"
    return "\n".join([heading, *address, *labelled([*rows, ("why", [why])])])


def _telling(post: PostInfo, category: str) -> list[str]:
    """Names of a category, the rarest first: what is on few posts says most of this one."""
    by_use = post.tags.get(category, [])
    return [name for name in reversed(by_use) if name not in RATING_TAGS]


def reasons(
    because: Sequence[str | int], enjoys: Sequence[str] = (), liked: Sequence[int] = ()
) -> str:
    """Why a post came: tags enjoyed, posts liked, tags that led there; "" where nothing is known.

    >>> reasons(["fox", "snow", 7, 8], enjoys=["fox"], liked=[7])
    'you enjoy fox; you liked #7; it is like #8; it has snow'
    """
    tags = [reason for reason in because if isinstance(reason, str)]
    posts = [reason for reason in because if not isinstance(reason, str)]
    parts = {
        "you enjoy": [tag for tag in tags if tag in enjoys],
        "you liked": [f"#{post}" for post in posts if post in liked],
        "it is like": [f"#{post}" for post in posts if post not in liked],
        "it has": [tag for tag in tags if tag not in enjoys],
    }
    return "; ".join(
        f"{words} {', '.join(values)}" for words, values in parts.items() if values
    )
