"""The process that decodes pictures of strangers, within limits that it sets itself.

`reading.py` starts it, sends it one picture after another over a socket (8 bytes of
length, the width and height that are wanted, then the file) and gets an answer to each:
8 bytes of length, a byte that tells success from failure, then the pixels of
`opening.shrunk` as RGB or the reason.

CPU time and memory are limited by the system (setitimer(2), setrlimit(2)), which also
stops code that never returns to Python. Where Python has no `resource` module, as on
Windows, there is no limit of memory.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

from PIL import (  # noqa: F401 (so that the first picture does not wait for these)
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from ..errors import BadInput
from .opening import Size, enough_for, open_picture, shrunk

DECODED, REFUSED = b"\0", b"\1"
LENGTH_BYTES = 8
SIDE_BYTES = 4  # of a width or a height
OUT_OF_MEMORY = 3  # exit status
NICENESS = 5  # a talk goes before a picture


def main(max_pixels: int, max_bytes: int, cpu_seconds: float, memory_bytes: int) -> None:
    """Decode what comes over file descriptor 0 until the other side closes it.

    Never returns: the process ends with status 0, `OUT_OF_MEMORY`, or by SIGPROF when
    a picture has used up its CPU time.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started it
    with suppress(OSError):
        os.nice(NICENESS)
    _limit(memory_bytes)
    try:
        with socket.socket(fileno=0) as channel, channel.makefile("rb") as inbox:
            while length := inbox.read(LENGTH_BYTES):
                wide = int.from_bytes(inbox.read(SIDE_BYTES), "big")
                high = int.from_bytes(inbox.read(SIDE_BYTES), "big")
                data = inbox.read(int.from_bytes(length, "big"))
                signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
                answer = _decoded(data, (wide, high), max_pixels, max_bytes)
                signal.setitimer(signal.ITIMER_PROF, 0)
                channel.sendall(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # with nothing left, tidying up could fail, too
    except OSError:  # the other side has gone
        pass


def _decoded(data: bytes, size: Size, max_pixels: int, max_bytes: int) -> bytes:
    try:
        picture = open_picture(data, max_pixels, max_bytes, enough_for(size))
        return DECODED + shrunk(picture, size).tobytes()
    except BadInput as error:
        return REFUSED + str(error).encode("utf-8", "replace")


def _limit(memory_bytes: int) -> None:
    """Limit memory; forbid files and the dump of memory at a crash."""
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
