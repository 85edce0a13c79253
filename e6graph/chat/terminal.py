"""The talk in a terminal, or from a pipe."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from .conversation import MESSAGE_LIMIT, PICTURE_LIMIT, Conversation
from .messages import Picture, Reply, clean

PROMPT = "> "


def talk(
    conversation: Conversation, stdin: TextIO | None = None, stdout: TextIO | None = None
) -> list[Reply]:
    """Read messages and print the replies until /quit or the end of the input.

    A pipe's lines are echoed after the prompt, so that what is printed reads as the talk.

    Returns
    -------
    The replies that showed a post, in order.
    """
    stdin, stdout = stdin or sys.stdin, stdout or sys.stdout
    for stream in (stdin, stdout):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a stray byte or an ASCII terminal ends no talk
    width = min(shutil.get_terminal_size().columns, 100)
    shown = []
    print("Tell me tags you like, or /help.", file=stdout)
    for line in _lines(stdin, stdout):
        for reply in conversation.reply(_message(line)):
            print(_wrapped(reply.text, width), file=stdout, flush=True)
            if reply.post is not None:
                shown.append(reply)
                print(file=stdout)
        if conversation.ended:
            break
    return shown


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


def _lines(stdin: TextIO, stdout: TextIO) -> Iterator[str]:
    """Lines until the end of the input or Ctrl-C."""
    typed = stdin.isatty() and stdin is sys.stdin
    if typed:
        with suppress(ImportError):
            import readline  # noqa: F401 (gives input() arrow keys and a history)
    try:
        while True:
            # input() has line editing; readline() has a limit
            line = input(PROMPT) + "\n" if typed else stdin.readline(MESSAGE_LIMIT * 4)
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


def _wrapped(text: str, width: int) -> str:
    """Lines folded at `width`; values go on under values, not under their label."""
    folded = []
    for line in text.split("\n"):
        label = re.match(r"\S+(?: \S+)*? {2,}", line)
        wrapper = textwrap.TextWrapper(
            width,
            subsequent_indent=" " * (len(label[0]) if label and len(label[0]) < width / 2 else 0),
            break_long_words=False,  # an address stays whole
            break_on_hyphens=False,
        )
        folded.append(wrapper.fill(line) if line else "")
    return "\n".join(folded)
