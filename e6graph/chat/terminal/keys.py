"""Single keys at a keyboard, with which a tour goes on.

Between two keys the terminal is as it was before, so that nothing has to be put right
when the talk ends, however it does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

COMMANDS_OF_KEYS = {
    "l": "/like",
    "d": "/dislike",
    "s": "/skip",
    "m": "/more",
    "w": "/why",
    "u": "/undo",
    "q": "/stop",
}
_ARROWS = ("/like", "/dislike", "/skip", "/undo")  # up, down, right, left
_PREFIXES = {"\x1b[": "ABCD", "\x1bO": "ABCD", "\xe0": "HPMK", "\x00": "HPMK"}
"""An arrow key sends one of these and then a letter: two ways of ECMA-48, two of Windows."""

KEYS = COMMANDS_OF_KEYS | {
    before + letter: command
    for before, letters in _PREFIXES.items()
    for letter, command in zip(letters, _ARROWS, strict=True)
}
PROMPT = f"{' '.join(COMMANDS_OF_KEYS)} > "
HINT = (
    "Keys: l or ↑ like, d or ↓ dislike, s or → skip, u or ← undo, m more, w why, q end the "
    "tour. : or anything else begins a line."
)
SIGNALS_SEEN = 0.2  # seconds after which a signal is handled at the latest
SOON = 0.02  # seconds in which the rest of a key or of a paste comes


def meant(typed: str) -> tuple[str, str | None]:
    r"""Return the command of a key, or the text that a line begins with.

    A key that is held counts once. Several keys at once are a paste, which is text.

    >>> meant("l"), meant("\x1b[C"), meant("sss"), meant("snow")
    (('/like', None), ('/skip', None), ('/skip', None), ('', 'snow'))
    >>> meant(":"), meant("f"), meant("\r"), meant("\x1b[5~")
    (('', ''), ('', 'f'), ('', None), ('', None))
    """
    for key, command in KEYS.items():
        if key * (len(typed) // len(key)) in (typed, typed.lower()):
            return command, None
    if typed.startswith("\x1b") or not typed.strip():
        return "", None
    return "", typed.removeprefix(":").replace("\r", "\n")


def key_reader(stdin: TextIO, stdout: TextIO) -> Callable[[], str] | None:
    """Return a function that waits for a key; None where no terminal gives single keys.

    It shows `PROMPT` and returns what was typed, all of a paste. It raises EOFError for
    Ctrl-D and the end of the input, and KeyboardInterrupt for Ctrl-C.
    """
    if sys.platform == "win32":
        import msvcrt

        def read() -> str:
            print(PROMPT, end="", file=stdout, flush=True)
            typed = msvcrt.getwch()
            while typed in ("\x00", "\xe0") or msvcrt.kbhit():
                typed += msvcrt.getwch()
            return _checked(typed)

        return read

    import select
    import termios
    import tty

    try:
        descriptor = stdin.fileno()
        termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):
        return None

    def read() -> str:
        before = termios.tcgetattr(descriptor)

        def begin(*_: object) -> None:
            # What was typed before is kept, and Ctrl-C still interrupts.
            tty.setcbreak(descriptor, termios.TCSADRAIN)
            print(PROMPT, end="", file=stdout, flush=True)

        try:
            with _when_resumed(begin):
                begin()
                # Another thread may get the signal, which interrupts no reading here.
                while not select.select([descriptor], [], [], SIGNALS_SEEN)[0]:
                    pass
            typed = os.read(descriptor, 4096)
            while typed and select.select([descriptor], [], [], SOON)[0]:
                if not (more := os.read(descriptor, 4096)):
                    break
                typed += more
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        return _checked(typed.decode("utf-8", "replace"))

    return read


@contextmanager
def _when_resumed(begin: Callable[..., None]) -> Iterator[None]:
    """Call a function when the talk goes on after Ctrl-Z: the shell has set the terminal."""
    if threading.current_thread() is not threading.main_thread():
        yield  # others may not handle signals
        return
    before = signal.signal(signal.SIGCONT, begin)
    try:
        yield
    finally:
        signal.signal(signal.SIGCONT, before)


def _checked(typed: str) -> str:
    """Raise what the keys that end a talk mean."""
    if "\x03" in typed:
        raise KeyboardInterrupt
    if typed[:1] in ("", "\x04", "\x1a"):
        raise EOFError
    return typed
