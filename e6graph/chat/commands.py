"""The commands of a talk: how they are typed, what they do, and their buttons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .messages import BLACKLIST_LIMIT, MESSAGE_LIMIT, POSTS_AT_ONCE


class Command(NamedTuple):
    """A command: its arguments, its purpose, and the label of its button, if any."""

    argument: str
    does: str
    button: str = ""


COMMANDS = {
    "walk": Command(
        "", "start a tour: a post at a time, the next after /like, /dislike or /skip", "Walk"
    ),
    "like": Command("[IDs or URLs]", "you like those posts, or else the last one shown", "👍"),
    "dislike": Command("[IDs or URLs]", "you do not like them", "👎"),
    "skip": Command("", "show the next post; counts against the last one, but little", "⏭"),
    "stop": Command("", "end the tour", "🛑"),
    "undo": Command("", "take back what you said last, and show its post again", "↩"),
    "why": Command("[ID or URL]", "how that post, or else the last one, was found", "Why?"),
    "more": Command(
        "[ID or URL]", f"{POSTS_AT_ONCE} posts like that one or the last", "More like this"
    ),
    "variants": Command("[ID or URL]", "other versions of that post or the last", "Variants"),
    "new": Command("", "the posts that came since you last looked, best first", "New"),
    "daily": Command("[HOUR or off]", "on Telegram: the ten best new posts each day (UTC)"),
    "surprise": Command("", "a post from where I know your taste least", "Surprise me"),
    "enjoy": Command(
        "TAGS", "tags you like to see: fox, blue eyes, -rain (which you avoid), snow*"
    ),
    "avoid": Command("TAGS", "tags you do not want to see"),
    "mood": Command("[TAGS or off]", "follow one wish for a while; your taste rests meanwhile"),
    "only": Command("[WORDS or off]", "only posts that the site's search finds: fox score:>50"),
    "variety": Command("[0 to 1]", "how varied the posts are: 0 alike, 1 varied, or default"),
    "picture": Command("PATH", "what I see in a picture, and posts like it"),
    "taste": Command("", "what I keep about you, and what I learned from it", "Taste"),
    "portrait": Command("", "your taste as a picture to show around", "Portrait"),
    "drop": Command("TAGS or #ID", "take back what you said about tags or a post"),
    "blacklist": Command(
        "[add LINES|remove LINE|clear]",
        "hide posts by lines of your own, as on the site",
        "Blacklist",
    ),
    "favorites": Command(
        "[NAME or posts]", "what you marked on the site counts, too", "Favorites"
    ),
    "rating": Command("[LETTERS]", "show or narrow the ratings you see"),
    "export": Command("", "everything I keep about you, as a file", "Export"),
    "forget": Command("", "delete everything I keep about you; I ask first", "Forget me"),
    "about": Command("", "what this is"),
    "start": Command("", "the welcome"),
    "help": Command("", "this list", "Help"),
    "quit": Command("", "end the talk"),
}
ALIASES = {"welcome": "start", "favourites": "favorites"}
"""Other names of commands."""

COSTLY = ("blacklist", "favorites", "only", "portrait")
"""Commands whose answers may take long on a large board."""

ANSWERS = {"yes": "Yes, delete it", "no": "No", "/yes": "Yes", "/no": "No"}
"""Answers to a question, and the labels of their buttons."""


def command_in(message: str) -> str:
    """Return the first word of a message as the name of a command; "" without a word.

    >>> command_in("/Favourites 7 8"), command_in("portrait"), command_in("👍")
    ('favorites', 'portrait', '')
    """
    begun = re.match(r"\s*/?(\w+)", message[:100])
    name = begun[1].lower() if begun else ""
    return ALIASES.get(name, name)


def is_list(message: str) -> bool:
    """Tell whether a message begins with a command that a long list may follow.

    >>> is_list("/blacklist add fox"), is_list("/blacklists"), is_list("blacklist add fox")
    (True, False, False)
    """
    return message.lstrip().startswith("/") and command_in(message) in (
        "blacklist",
        "favorites",
    )


def limit_of(message: str) -> int:
    """Return how many characters a message may have: a whole list, or a few words."""
    return BLACKLIST_LIMIT + MESSAGE_LIMIT if is_list(message) else MESSAGE_LIMIT


def button(choice: str) -> str:
    """Return the label for the button of a choice.

    >>> button("/like 12"), button("/enjoy fox")
    ('👍', 'Enjoy fox')
    """
    name = choice.partition(" ")[0][1:]
    if name in ("enjoy", "avoid", "mood", "only", "variety", "drop", "rating"):
        return choice[1:].capitalize()
    label = COMMANDS[name].button if name in COMMANDS else ANSWERS.get(choice, "")
    return label or choice


def complete_command(commands: Mapping[str, Command], prefix: str) -> list[tuple[str, str]]:
    """Return (command, what it does) for the commands that begin with `prefix`.

    >>> complete_command(COMMANDS, "/STA")
    [('/start', 'the welcome')]
    """
    begun = prefix[1:].lower()
    found = [name for name in commands if name.startswith(begun)]
    return [(f"/{name}", commands[name].does) for name in found]


def help_text(commands: Mapping[str, Command]) -> str:
    """Return a line for each command: how to type it and what it does."""
    usage = {f"/{name} {entry.argument}": entry.does for name, entry in commands.items()}
    width = max(map(len, usage)) + 2
    lines = [f"{command:<{width}}{does}" for command, does in usage.items()]
    hint = "Commands are understood without the slash, too; tags alone count as /enjoy."
    return "\n".join([*lines, hint])
