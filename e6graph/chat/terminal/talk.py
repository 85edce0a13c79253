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
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ...errors import E6GraphError
from ...recommend.favorites import FILE_ENDINGS
from ...recommend.references import MOST_BYTES
from ...store.files import is_file
from ..conversation import Conversation
from ..messages import (
    BLACKLIST_LIMIT,
    COMMANDS,
    LIST_BYTES,
    MESSAGE_LIMIT,
    PICTURE_LIMIT,
    PREVIEW_PATIENCE,
    PREVIEW_POLL,
    Picture,
    Reply,
    TextFile,
    clean,
    complete_command,
    wrapped,
)

PROMPT = "> "
LONGEST_LINE = BLACKLIST_LIMIT + 4 * MESSAGE_LIMIT  # characters that are read of one
WIDEST = 100  # columns of text, however wide the terminal


def talk(
    conversation: Conversation,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
) -> list[Reply]:
    """Read messages and print the replies until /quit or the end of the input.

    The lines of a pipe are echoed after the prompt, so that the output reads as
    a talk.

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
    show = _printer(stdout)
    shown = []
    for reply in _replies(conversation, "/start"):
        show(reply)
    for line in _with_lists(_lines(stdin, stdout, conversation), stdout):
        for reply in _replies(conversation, _message(line)):
            if reply.coming and reply.picture:
                _await(reply.picture)
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


def read_list(path: str) -> TextFile:
    """Read a blacklist of at most `LIST_BYTES`, or say why it fails."""
    data, problem = _read_file(path, LIST_BYTES, "a blacklist")
    if len(data) > LIST_BYTES:
        problem = f"{path!r} is too long: {LIST_BYTES // 1000} kB at most"
    return TextFile(b"" if problem else data, problem, "blacklist")


def read_favorites(path: str) -> TextFile:
    """Read a file of favorites of at most `MOST_BYTES`, or say why it fails."""
    data, problem = _read_file(path, MOST_BYTES, "a list of favorites")
    if len(data) > MOST_BYTES:
        problem = f"{path!r} is too long: {MOST_BYTES >> 20} MB at most"
    return TextFile(b"" if problem else data, problem, "favorites")


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
    commands = r"\s*/(picture|blacklist\s+file|favou?rites(?:\s+file)?)\s+(\S.*)"
    found = re.match(commands, line, re.IGNORECASE)
    if not found:
        return line
    command, path = found[1].lower(), found[2].strip()
    quoted = path[0] in "'\"" and path[-1] == path[0]
    path = path[1:-1] if quoted else path
    if command.startswith("fav"):
        named = command.endswith("file") or path.lower().endswith(FILE_ENDINGS)
        if not (named or is_file(path)):
            return line  # a name, or posts
        return read_favorites(path)
    return read_picture(path) if command == "picture" else read_list(path)


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
    ask = _asker(conversation) if typed else None
    try:
        while line := ask() + "\n" if ask else stdin.readline(LONGEST_LINE):
            # Skip the rest of a line that is too long: it is not a message of
            # its own.
            end = line
            while not end.endswith("\n") and (end := stdin.readline(MESSAGE_LIMIT)):
                pass
            if not typed:
                print(PROMPT + clean(line.rstrip("\n"))[:MESSAGE_LIMIT], file=stdout)
            yield line
    except (EOFError, KeyboardInterrupt):
        print(file=stdout)


def _with_lists(lines: Iterator[str], stdout: TextIO) -> Iterator[str]:
    """Yield lines, those of a list together: from /blacklist add alone to /done."""
    for line in lines:
        if line.strip().lower() != "/blacklist add":
            yield line
            continue
        print("The lines of your list; /done ends it.", file=stdout, flush=True)
        some = itertools.takewhile(lambda more: more.strip().lower() != "/done", lines)
        yield f"/blacklist add\n{''.join(some)}"


def _asker(conversation: Conversation) -> Callable[[], str]:
    """Return a function that asks for a line: with completion, or as plain input()."""
    try:
        from .prompt import asker
    except ImportError:
        with suppress(ImportError):
            import readline  # noqa: F401 (gives input() arrow keys and a history)
        return lambda: input(PROMPT)
    return asker(PROMPT, lambda text: completions(conversation, text))


def completions(conversation: Conversation, text: str) -> list[tuple[str, str]]:
    """Return (completion, what it is) for the last word of a line: a command or a tag.

    Tags are offered from two letters on, and not after a command that takes
    none.
    """
    *before, word = re.split(r"[ ,]+", text)
    if not before and word.startswith("/"):
        return complete_command(COMMANDS, word)
    first = before[0] if before else ""
    command = COMMANDS.get(first[1:], COMMANDS["help"])
    if first.startswith("/") and "TAGS" not in command.argument:
        return []
    if len(word) < 2:
        return []
    found = conversation.complete(word)
    return [(tag.name, f"{tag.category}, {tag.posts:,} posts") for tag in found]


# -- output
def _printer(stdout: TextIO) -> Callable[[Reply], None]:
    """Return a function that prints a reply, in color where that can be seen."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    if stdout.isatty():
        with suppress(ImportError):
            from .screen import color_printer

            return color_printer(stdout, width)
    return lambda reply: print(wrapped(reply.text, width), file=stdout, flush=True)
