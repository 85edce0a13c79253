"""Understand what people type: commands without the slash, and tags with spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..recommend.references import names_posts, reference_in
from .commands import ALIASES, COMMANDS
from .messages import number_from_0_to_1
from .user import User

MOST_JOINED = 8  # words of a tag that are typed with spaces between
WORDS = {
    "next": "skip",
    "👍": "like",
    "👎": "dislike",
    "❤": "like",
    "⏭": "skip",
    "🛑": "stop",
    "favourites": ALIASES["favourites"],
}
"""Word → the command that it stands for, whatever was asked."""

ON_TOUR = {"yes": "like", "no": "dislike"}
LIKED_TAGS = {"like": "enjoy", "dislike": "avoid"}
"""Command about posts → the one that is meant where tags follow it."""

_COLORS = re.compile("[\ufe0f\U0001f3fb-\U0001f3ff]")  # of an emoji: its form, a skin color
_FITTING = {
    "daily": re.compile("off|[0-9]{1,2}(:[0-9]{2})?( ?utc)?"),
    "rating": re.compile(r"[sqe\s]+"),
    "blacklist": re.compile(r"(add|remove|clear)\b.*", re.DOTALL),
    "variety": re.compile("default|alike|varied"),
}
"""Command → what may follow it."""


def command_meant(text: str, on_tour: bool = False) -> str | None:
    """Return the command that a text without a slash means; None if it means none.

    It means one if it begins with the name of a command, and what follows makes sense
    after that.

    Parameters
    ----------
    on_tour : whether a post waits for a judgment, which "yes" and "no" then are.

    >>> command_meant("Avoid rain"), command_meant("like 14, #15"), command_meant("more")
    ('/avoid rain', '/like 14, #15', '/more')
    >>> command_meant("like fox"), command_meant("more fox"), command_meant("more, fox")
    ('/enjoy fox', None, None)
    >>> command_meant("yes"), command_meant("Yes!", on_tour=True), command_meant("👍🏽")
    (None, '/like', '/like')
    """
    first, *others = text.split(maxsplit=1)
    rest = others[0] if others else ""
    word = _COLORS.sub("", first.lower())
    word = word.rstrip(":" if rest else ".!?") or word
    name = WORDS.get(word, word)
    if on_tour and not rest:
        name = ON_TOUR.get(name, name)
    if name not in COMMANDS:
        return None
    if not _makes_sense(name, rest):
        if name not in LIKED_TAGS or reference_in(rest.split()[0]) is not None:
            return None
        name = LIKED_TAGS[name]
    return f"/{name} {rest}".rstrip()


def _makes_sense(name: str, rest: str) -> bool:
    """Tell whether some words can follow a command."""
    argument = COMMANDS[name].argument
    if not rest or "TAGS" in argument or "WORDS" in argument:
        return True
    if name == "favorites":
        return names_posts(rest)
    if "URL" in argument:
        return all(reference_in(word) is not None for word in re.findall(r"[^\s,]+", rest))
    if name == "variety" and number_from_0_to_1(rest.lower()) is not None:
        return True
    return name in _FITTING and bool(_FITTING[name].fullmatch(rest.lower()))


@dataclass
class TagsMeant:
    """The tags in what somebody typed. Each has whether it was written with `-`.

    Attributes
    ----------
    known : canonical names.
    unknown : names as they were typed, those that belong together joined.
    patterns : names with `*`.
    joined : tags whose words are tags by themselves, which are in `known`.
    """

    known: dict[str, bool] = field(default_factory=dict)
    unknown: dict[str, bool] = field(default_factory=dict)
    patterns: dict[str, bool] = field(default_factory=dict)
    joined: dict[str, bool] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.known or self.unknown or self.patterns)


def tags_meant(user: User, words: Sequence[str]) -> TagsMeant:
    """Read tags as people type them.

    Commas part tags, and the words between two commas are one tag if there is such a
    tag. Without any comma each word is a tag of its own; where there is no such tag, it
    may be one together with the next words. A `-` before a tag inverts it, and `*`
    makes it a pattern. Of a tag that comes twice, what was said last counts.
    """
    meant = TagsMeant()
    text = " ".join(words).lower()
    if "," in text and (known := _known(user, text.removeprefix("-"))):  # a name with a comma
        meant.known[known] = text.startswith("-")
        return meant
    parts = text.split(",")
    for part in parts:
        _read_part(user, part.split(), len(parts) > 1, meant)
    return meant


def _read_part(user: User, words: list[str], by_commas: bool, meant: TagsMeant) -> None:
    """Read the words between two commas, or all of them where there is no comma."""
    at, last_unknown = 0, ""
    while at < len(words):
        known = _known(user, words[at])
        inverted = known is None and words[at].startswith("-") and len(words[at]) > 1
        bare = words[at].removeprefix("-") if inverted else words[at]
        known = _known(user, bare) if inverted else known
        end, joined = _longest(user, [bare, *words[at + 1 : at + MOST_JOINED]])
        others = words[at + 1 : at + end]
        if joined and (by_commas or not known or not all(_known(user, one) for one in others)):
            meant.known[joined] = inverted
            at, last_unknown = at + end, ""
            continue
        if joined:
            meant.joined[joined] = inverted
        at += 1
        if known:
            meant.known[known] = inverted
        elif "*" in bare:
            meant.patterns[bare] = inverted
        else:
            name = bare
            if by_commas and last_unknown and not inverted:
                inverted = meant.unknown.pop(last_unknown)
                name = f"{last_unknown}_{bare}"
            meant.unknown[name] = inverted
            last_unknown = name
            continue
        last_unknown = ""


def _longest(user: User, words: list[str]) -> tuple[int, str | None]:
    """Return the tag that most of the first words make together, and how many those are."""
    for end in range(len(words), 1, -1):
        if found := _known(user, "_".join(words[:end])):
            return end, found
    return 1, None


def _known(user: User, name: str) -> str | None:
    return next(iter(user.resolve([name])[0]), None)
