"""The talk in a terminal, or from a pipe: reads the messages and prints the replies.

At a keyboard prompt_toolkit edits the line and completes commands and tags, and
rich colors the posts. Without these extras the talk is plain.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from ...errors import E6GraphError
from ...recommend.favorites import FILE_ENDINGS
from ...recommend.references import MOST_BYTES
from ...store.files import is_file
from ..conversation import Conversation
from ..messages import (
    BLACKLIST_LIMIT,
    LIST_BYTES,
    MESSAGE_LIMIT,
    PICTURE_LIMIT,
    PREVIEW_PATIENCE,
    PREVIEW_POLL,
    Picture,
    Reply,
    TextFile,
    clean,
    numbered,
    wrapped,
)
from . import graphics, keys
from .completing import completions

PROMPT = "> "
LONGEST_LINE = BLACKLIST_LIMIT + 4 * MESSAGE_LIMIT  # characters that are read of one
LISTS = {
    "blacklist": (LIST_BYTES, "a blacklist"),
    "favorites": (MOST_BYTES, "a list of favorites"),
}
"""Kind of a list → how many bytes its file may have, and what is expected of it."""

WIDEST = 100  # columns of text, however wide the terminal


def talk(
    conversation: Conversation,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    thumbnails: str = "auto",
) -> list[Reply]:
    """Read messages and print the replies until /quit or the end of the input.

    The lines of a pipe are echoed after the prompt, so that the output reads as
    a talk.

    Parameters
    ----------
    thumbnails : how they are drawn: one of `THUMBNAILS`.

    Returns
    -------
    shown : the replies that showed a post, in order.
    """
    stdin, stdout = stdin or sys.stdin, stdout or sys.stdout
    for stream in (stdin, stdout):
        if hasattr(stream, "reconfigure"):
            # A stray byte, or a terminal that knows ASCII alone, must not end
            # the talk.
            stream.reconfigure(errors="replace")
    show = _printer(stdin, stdout, thumbnails)
    shown = []
    offered: list[str] = []  # what a number stands for
    for reply in _replies(conversation, "/start"):
        show(reply)
    for line in _with_lists(_lines(stdin, stdout, conversation), stdout):
        replies, offered = _replies(conversation, _message(_picked(line, offered))), []
        for reply in replies:
            if reply.coming and reply.picture:
                _await(reply.picture)
            if reply.post is None:
                text, choices = numbered(reply, len(offered) + 1)
                reply, offered = replace(reply, text=text), offered + choices
            show(reply)
            if reply.document is not None:
                print(_saved(*reply.document), file=stdout)
            if reply.post is not None:
                shown.append(reply)
                print(file=stdout, flush=True)
        if conversation.ended:
            break
        if not _is_typed(stdin):  # the next line was written for when they are here
            for reply in conversation.awaited_favorites():
                show(reply)
    return shown


def _picked(line: str, offered: Sequence[str]) -> str:
    """Return what a line says: a lone number stands for the choice that has it."""
    number = line.strip()
    small = re.fullmatch("[1-9][0-9]?", number) and int(number) <= len(offered)
    return offered[int(number) - 1] if small else line


def _await(preview: Path) -> None:
    """Give a preview that is being fetched a moment to come."""
    until = time.monotonic() + PREVIEW_PATIENCE
    while not preview.is_file() and time.monotonic() < until:
        time.sleep(PREVIEW_POLL)


def _replies(conversation: Conversation, message: str | Picture | TextFile) -> list[Reply]:
    try:
        return conversation.reply(message)
    except E6GraphError as error:  # in a terminal the user is the operator
        return [Reply(str(error))]


def read_picture(path: str) -> Picture:
    """Read at most `PICTURE_LIMIT` bytes and one of a file, or say why it fails."""
    return Picture(*_read_file(path, PICTURE_LIMIT, "a picture"))


def read_list(path: str, kind: str) -> TextFile:
    """Read a list, "blacklist" or "favorites", that is no longer than its kind may be."""
    most, expected = LISTS[kind]
    data, problem = _read_file(path, most, expected)
    if len(data) > most:
        problem = f"{path!r} is too long: {most / 1e6:.3g} MB at most"
    return TextFile(b"" if problem else data, problem, kind)


def _read_file(path: str, limit: int, expected: str) -> tuple[bytes, str]:
    """Return at most `limit` bytes and one of a file, or none and the problem with it."""
    place = Path(os.path.expanduser(path))
    try:
        if not place.is_file():  # a device or a pipe may never end
            return b"", f"{path!r} is not a file: expected the path of {expected}"
        with open(place, "rb") as file:
            data = file.read(limit + 1)  # the one more shows that it is too large
    except (OSError, ValueError) as error:
        return b"", f"{path!r} cannot be read ({error})"
    return data, "" if data else f"{path!r} is empty: expected {expected}"


def _message(line: str) -> str | Picture | TextFile:
    """Return what a line says; a path is read here, since a talk reads no files."""
    commands = r"\s*(/?)(picture|blacklist\s+file|favou?rites(?:\s+file)?)\s+(\S.*)"
    found = re.match(commands, line, re.IGNORECASE)
    if not found:
        return line
    command, path = found[2].lower(), found[3].strip()
    quoted = path[0] in "'\"" and path[-1] == path[0]
    path = path[1:-1] if quoted else path
    if not found[1] and not is_file(path):  # without a slash it may be two tags
        return line
    if command.startswith("fav"):
        named = command.endswith("file") or path.lower().endswith(FILE_ENDINGS)
        if not (named or is_file(path)):
            return line  # a name, or posts
        return read_list(path, "favorites")
    return read_picture(path) if command == "picture" else read_list(path, "blacklist")


def _saved(name: str, data: bytes) -> str:
    """Write a document here, over no other file; say where it is."""
    stem, dot, suffix = name.rpartition(".")
    for number in range(1, 100):
        place = Path(name if number == 1 else f"{stem}-{number}{dot}{suffix}")
        try:
            with open(place, "xb") as file:
                file.write(data)
            return f"Written to {place}."
        except FileExistsError:
            continue
        except OSError as error:
            return f"Cannot write {place}: {error.strerror}."
    return f"Not written: there are a hundred files {name} here."


# -- input
def _is_typed(stdin: TextIO) -> bool:
    return stdin.isatty() and stdin is sys.stdin


def _lines(stdin: TextIO, stdout: TextIO, conversation: Conversation) -> Iterator[str]:
    """Yield lines until the end of the input or Ctrl-C."""
    typed = _is_typed(stdin)
    try:
        if typed:
            yield from _typed_lines(stdin, stdout, conversation)
        while not typed and (line := stdin.readline(LONGEST_LINE)):
            # Skip the rest of a line that is too long: it is not a message of
            # its own.
            end = line
            while not end.endswith("\n") and (end := stdin.readline(MESSAGE_LIMIT)):
                pass
            print(PROMPT + clean(line.rstrip("\n"))[:MESSAGE_LIMIT], file=stdout)
            yield line
    except (EOFError, KeyboardInterrupt):
        print(file=stdout)


def _with_lists(lines: Iterator[str], stdout: TextIO) -> Iterator[str]:
    """Yield lines, those of a list together: from /blacklist add alone to /done."""
    for line in lines:
        if not _begins_list(line):
            yield line
            continue
        print("The lines of your list; /done ends it.", file=stdout, flush=True)
        some = itertools.takewhile(lambda more: not _ends_list(more), lines)
        yield f"/blacklist add\n{''.join(some)}"


def _begins_list(line: str) -> bool:
    return line.strip().lower() in ("/blacklist add", "blacklist add")


def _ends_list(line: str) -> bool:
    return line.strip().lower() == "/done"


def _typed_lines(stdin: TextIO, stdout: TextIO, conversation: Conversation) -> Iterator[str]:
    """Yield the lines from a keyboard; on a tour single keys are lines, too."""
    ask, read_key = _asker(conversation), keys.key_reader(stdin, stdout)
    hinted, in_list = False, False
    begun: str | None = None  # what the next line begins with
    pasted: list[str] = []
    while True:
        if pasted:
            line = pasted.pop(0)
            print(PROMPT + clean(line), file=stdout)
        elif read_key and conversation.on_tour and not in_list and begun is None:
            if not hinted:
                print(wrapped(keys.HINT, _width()), file=stdout)
            hinted = True
            line, text = keys.meant(read_key())
            if not line:
                print(f"\r{' ' * len(keys.PROMPT)}\r", end="", file=stdout, flush=True)
                if text is not None:
                    *pasted, begun = text.split("\n")
                    begun = None if pasted and not begun else begun
                continue
            print(line, file=stdout, flush=True)
        else:
            line, begun = ask(begun or ""), None
        in_list = _begins_list(line) or (in_list and not _ends_list(line))
        yield f"{line}\n"


def _asker(conversation: Conversation) -> Callable[[str], str]:
    """Return a function that asks for a line: with completion, or as plain input().

    It is given the text that the line begins with.
    """
    try:
        from .prompt import asker
    except ImportError:
        return _plain_asker()
    return asker(PROMPT, lambda text: completions(conversation, text))


def _plain_asker() -> Callable[[str], str]:
    try:
        import readline  # gives input() arrow keys and a history
    except ImportError:
        return lambda begun: begun + input(PROMPT + begun)

    def ask(begun: str) -> str:
        readline.set_startup_hook(lambda: readline.insert_text(begun))
        try:
            return input(PROMPT)
        finally:
            readline.set_startup_hook()

    return ask


# -- output
def _printer(stdin: TextIO, stdout: TextIO, thumbnails: str) -> Callable[[Reply], None]:
    """Return a function that prints a reply, in color where that can be seen."""
    width = _width()
    if stdout.isatty():
        with suppress(ImportError):
            from .screen import color_printer

            if thumbnails == "auto":
                thumbnails = graphics.find_protocol(stdin, stdout)
            return color_printer(stdout, width, thumbnails)
    return lambda reply: print(wrapped(reply.text, width), file=stdout, flush=True)


def _width() -> int:
    """Return how many columns of text a line has."""
    return min(shutil.get_terminal_size().columns, WIDEST)
