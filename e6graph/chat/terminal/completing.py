"""Complete a line in the terminal: commands, tags, paths, and what /drop takes back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..commands import COMMANDS, complete_command
from ..conversation import Conversation

LEAST = 2  # letters of a tag from which it is completed
MOST_OFFERED = 50  # paths, lines, and things said
LIST_VERBS = {
    "add": "lines to hide posts by",
    "remove": "a line, or its number",
    "clear": "all of your lines",
    "file": "a list from a file",
}
_PATH = re.compile(r"/?(picture|(?:blacklist|favou?rites)\s+file)\s+", re.IGNORECASE)
_REMOVED = re.compile(r"/?blacklist\s+remove\s+", re.IGNORECASE)
_BEFORE_WORD = re.compile(r".*[ ,]", re.DOTALL)
_SIGNS = re.compile("[-~]*")


def last_word(text: str) -> str:
    """Return what a completion takes the place of.

    >>> last_word("/enjoy fox,red_f"), last_word("/picture my fo")
    ('red_f', 'fo')
    """
    return _BEFORE_WORD.sub("", text, count=1)


def completions(conversation: Conversation, text: str) -> list[tuple[str, str]]:
    """Return (what may stand in the place of a line's last word, what it is).

    Tags are offered from two letters on, and not after a command that takes none.
    """
    word = last_word(text)
    if path := _PATH.match(text):
        return _endings(_paths(text[path.end() :]), text[path.end() :], word)
    if line := _REMOVED.match(text):
        lines = [(line, "hidden by you") for line in conversation.hidden_lines]
        return _endings(lines, text[line.end() :], word)
    first, *others = re.split("[ ,]+", text)
    if not others:
        if word.startswith("/"):
            return complete_command(COMMANDS, word)
        return _tags(conversation, word)
    name = first.removeprefix("/").lower()
    if name == "drop":
        return conversation.complete_kept(word.lower())[:MOST_OFFERED] if word else []
    argument = COMMANDS[name].argument if name in COMMANDS else ""
    takes_tags = re.search("TAGS|WORDS|LINES", argument) or first[:1] != "/"
    if not takes_tags:
        return []
    verbs = LIST_VERBS.items() if name == "blacklist" and len(others) == 1 and word else ()
    begun = [(verb, does) for verb, does in verbs if verb.startswith(word)]
    return begun + _tags(conversation, word)


def _tags(conversation: Conversation, word: str) -> list[tuple[str, str]]:
    signs = _SIGNS.match(word)[0]  # type: ignore[index]  # it matches anything
    if len(word) - len(signs) < LEAST:
        return []
    found = conversation.complete(word[len(signs) :])
    return [(signs + tag.name, f"{tag.category}, {tag.posts:,} posts") for tag in found]


def _endings(found: Iterable[tuple[str, str]], typed: str, word: str) -> list[tuple[str, str]]:
    """Return what begins as typed, without what stands before the last word."""
    before = len(typed) - len(word)
    fitting = [(one[before:], said) for one, said in found if one.startswith(typed)]
    return fitting[:MOST_OFFERED]


def _paths(typed: str) -> list[tuple[str, str]]:
    """Return the paths in the directory of a path that somebody types, as it was typed."""
    folder, _ = os.path.split(typed)
    try:
        entries = sorted(Path(os.path.expanduser(folder) or ".").iterdir())
        found = [(os.path.join(folder, entry.name), entry.is_dir()) for entry in entries]
    except (OSError, ValueError):
        return []
    return [
        (f"{path}{os.sep}" if folded else path, "directory" if folded else "file")
        for path, folded in found
        if not os.path.basename(path).startswith(".") or os.path.basename(typed)[:1] == "."
    ]
