"""The talk in a terminal, or from a pipe.

At a keyboard prompt_toolkit edits the line and completes commands and tags, and rich colors the
posts; without them the talk is plain. Thumbnails are drawn where the terminal shows 24-bit color.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ...errors import E6GraphError
from ..conversation import Conversation
from ..messages import COMMANDS, MESSAGE_LIMIT, PICTURE_LIMIT, Picture, Reply, clean
from .thumbnail import blocks, shows_color

if TYPE_CHECKING:
    from ...recommend.board import PostInfo

PROMPT = "> "
THUMBNAIL, LOOK = 1.5, 0.05  # seconds: for a preview that is being fetched; between two looks
COLORS = {  # the site's, by category
    "artist": "#f2ac08",
    "copyright": "#dd00dd",
    "character": "#00aa00",
    "species": "#ed5d1f",
    "general": "#b4c7d9",
    "lore": "#228822",
    "why": "italic",
}


def talk(
    conversation: Conversation,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    fetch: Callable[[PostInfo], bool] | None = None,
) -> list[Reply]:
    """Read messages and print the replies until /quit or the end of the input.

    `fetch` has the preview of a shown post fetched, and says whether it is coming.
    A pipe's lines are echoed after the prompt, so that what is printed reads as the talk.

    Returns
    -------
    The replies that showed a post, in order.
    """
    stdin, stdout = stdin or sys.stdin, stdout or sys.stdout
    for stream in (stdin, stdout):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="replace"
            )  # a stray byte or an ASCII terminal ends no talk
    show = _printer(stdout)
    shown = []
    print("Tell me tags you like, or /help.", file=stdout)
    for line in _lines(stdin, stdout, conversation):
        for reply in _replies(conversation, _message(line)):
            if fetch and reply.post and reply.picture and fetch(reply.post):
                _await(reply.picture)
            show(reply)
            if reply.document is not None:
                print(_saved(*reply.document), file=stdout)
            if reply.post is not None:
                shown.append(reply)
                print(file=stdout, flush=True)
        if conversation.ended:
            break
    return shown


def _await(picture: Path) -> None:
    """Give a preview that is coming a moment."""
    until = time.monotonic() + THUMBNAIL
    while not picture.is_file() and time.monotonic() < until:
        time.sleep(LOOK)


def _replies(conversation: Conversation, message: str | Picture) -> list[Reply]:
    try:
        return conversation.reply(message)
    except E6GraphError as error:  # at a terminal the user is the operator
        return [Reply(str(error))]


def read_picture(path: str) -> Picture:
    """The bytes of a file, or why there are none; at most `PICTURE_LIMIT` are read."""
    place = Path(os.path.expanduser(path))
    try:
        if not place.is_file():  # nor a device or a pipe, which may never end
            return Picture(problem=f"{path!r} is not a file: expected the path of a picture")
        with open(place, "rb") as file:
            data = file.read(PICTURE_LIMIT + 1)  # one more tells that it is too large
    except (OSError, ValueError) as error:
        return Picture(problem=f"{path!r} cannot be read ({error})")
    return Picture(data, "" if data else f"{path!r} is empty: expected a picture")


def _message(line: str) -> str | Picture:
    command, _, path = line.strip().partition(" ")
    if command.lower() != "/picture" or not path.strip():
        return line
    path = path.strip()
    return read_picture(path[1:-1] if path[0] in "'\"" and path[-1] == path[0] else path)


def _saved(name: str, data: bytes) -> str:
    """Write a document where the user is, never over another; says where."""
    stem, dot, suffix = name.rpartition(".")
    for k in range(1, 100):
        place = Path(name if k == 1 else f"{stem}-{k}{dot}{suffix}")
        try:
            with open(place, "xb") as file:
                file.write(data)
            return f"Written to {place}."
        except FileExistsError:
            continue
        except OSError as error:
            return f"Cannot write {place}: {error.strerror}."
    return f"Not written: there are a hundred files {name} here."


# -- input -----------------------------------------------------------------------------------------
def _lines(stdin: TextIO, stdout: TextIO, conversation: Conversation) -> Iterator[str]:
    """Lines until the end of the input or Ctrl-C."""
    typed = stdin.isatty() and stdin is sys.stdin
    ask = _asker(conversation) if typed else None
    try:
        while True:
            # a prompt has line editing; readline() has a limit
            line = ask() + "\n" if ask else stdin.readline(MESSAGE_LIMIT * 4)
            if not line:
                break
            end = line
            while not end.endswith("\n") and (end := stdin.readline(MESSAGE_LIMIT)):
                pass  # the rest of a line that is too long anyway is not a message of its own
            if not typed:
                print(PROMPT + clean(line.rstrip("\n"))[:MESSAGE_LIMIT], file=stdout)
            yield line
    except (EOFError, KeyboardInterrupt):
        print(file=stdout)


def _asker(conversation: Conversation) -> Callable[[], str]:
    """What asks for a line: prompt_toolkit with completion, or input()."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import Completer, Completion
    except ImportError:
        with suppress(ImportError):
            import readline  # noqa: F401 (gives input() arrow keys and a history)
        return lambda: input(PROMPT)

    class Words(Completer):
        def get_completions(self, document, complete_event) -> Iterator[Completion]:
            word = document.get_word_before_cursor(WORD=True)
            for name, said in completions(conversation, document.text_before_cursor):
                yield Completion(name, -len(word), display_meta=said)

    session = PromptSession(PROMPT, completer=Words(), complete_in_thread=True)
    return session.prompt


def completions(conversation: Conversation, text: str) -> Iterable[tuple[str, str]]:
    """What the last word of a line may become, and a word on each: commands first, else tags.

    A tag wants two letters, and has none to follow after a command that takes no tags.
    """
    *before, word = re.split(r"[ ,]+", text)
    if not before and word.startswith("/"):
        return [
            (f"/{name}", said)
            for name, (_, said) in COMMANDS.items()
            if name.startswith(word[1:].lower())
        ]
    takes = "TAGS" in COMMANDS.get(before[0][1:], ("",))[0] if before else True
    if len(word) < 2 or not (takes or not before[0].startswith("/")):
        return []
    return [
        (found.name, f"{found.category}, {found.posts:,} posts")
        for found in conversation.complete(word)
    ]


# -- output ----------------------------------------------------------------------------------------
def _printer(stdout: TextIO) -> Callable[[Reply], None]:
    width = min(shutil.get_terminal_size().columns, 100)
    if stdout.isatty():
        with suppress(ImportError):
            return _rich_printer(stdout, width)
    return lambda reply: print(_wrapped(reply.text, width), file=stdout, flush=True)


def _rich_printer(stdout: TextIO, width: int) -> Callable[[Reply], None]:
    """Posts in the site's colors, a thumbnail beside each where the terminal can."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, drawn = Console(file=stdout, width=width, highlight=False), shows_color(stdout)

    def show(reply: Reply) -> None:
        if reply.post is None:
            console.print(Text(_wrapped(reply.text, width)))
            return
        lines = blocks(reply.picture) if drawn and reply.picture else []
        beside = Text.from_ansi("\n".join(lines))
        room = width - (beside.cell_len and max(map(len, beside.plain.split("\n"))) + 2)
        text, style = Text(), "bold"
        for n, line in enumerate(_wrapped(reply.text, room).split("\n")):
            if n and not line.startswith(" "):  # a line that goes on keeps its color
                style = COLORS.get(line.partition("  ")[0], "")
            text.append("\n" * (n > 0) + line, style)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row(*([beside, text] if lines else [text]))
        console.print(table)

    return show


def _wrapped(text: str, width: int) -> str:
    """Lines folded at `width`; values go on under values, not under their label."""
    folded = []
    for line in text.split("\n"):
        label = re.match(r"\S+(?: \S+)*? {2,}", line)
        wrapper = textwrap.TextWrapper(
            width,
            subsequent_indent=" "
            * (len(label[0]) if label and len(label[0]) < width / 2 else 0),
            break_long_words=False,  # an address stays whole
            break_on_hyphens=False,
        )
        folded.append(wrapper.fill(line) if line else "")
    return "\n".join(folded)
