"""Pictures of strangers: decoded in processes of their own, one at a time, within limits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace

import numpy as np

from ..errors import BadInput
from .decoder import DECODED, LENGTH_BYTES, OUT_OF_MEMORY, SIDE_BYTES
from .encoder import Encoder
from .features import features_of_raster, raster_size
from .opening import SQUARE, STRANGERS_PIXELS, Size

WAITING_PICTURES = 8  # for their first try; more are refused
WAITING_SLOW = 4  # that took longer than that; more are refused
QUICK_SECONDS = 0.1  # of processor time for the first try; most pictures take 0.01
COSTLY_SECONDS = 1.0  # of a sender's pictures of late, after which there is no first try
UNKNOWN_SECONDS = 0.05  # that a sender is taken to have cost who sent nothing before
SECONDS_A_BYTE = 1e-7  # that a picture is taken to cost before it is decoded
MOST_SENDERS = 10_000  # whose cost is remembered
STEP_SECONDS = 1.0  # between looks at the clock while an answer is waited for
FORGET_SECONDS = 60.0  # in which what a sender's pictures cost counts half
_LONGEST_REFUSAL = 100_000  # bytes
_TOO_MANY = "too many pictures are waiting to be read: send yours again in a minute"
_LOADER = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH")
_START = """
import sys
sys.path[:] = sys.argv[5:]
from e6graph.pictures.decoder import main
main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
"""


@dataclass(frozen=True)
class DecodingLimits:
    """Limits on the cost of one picture.

    Attributes
    ----------
    pixels, bytes : of the picture.
    cpu_seconds : to decode it.
    memory_bytes : address space of the process that decodes it.
    wall_seconds : after this time without an answer, the process is killed.
    """

    pixels: int = STRANGERS_PIXELS
    bytes: int = 20 * 1024**2
    cpu_seconds: float = 3.0
    memory_bytes: int = 512 * 1024**2
    wall_seconds: float = 30.0


class PictureReader:
    """Computes the features of pictures that strangers send; calls may come from any thread.

    Each picture gets `QUICK_SECONDS` of processor time first. One that takes longer is
    begun anew by a second process, which stands still whenever the first has work: it
    delays only its like. Senders whose pictures took `COSTLY_SECONDS` of late get no
    first try. The processes live on between pictures. After one that broke a limit, or
    the process, a new one is started. They inherit no environment and may write no files.

    Parameters
    ----------
    limits : of one picture; `DecodingLimits()` by default.
    """

    def __init__(self, limits: DecodingLimits | None = None) -> None:
        limits = limits or DecodingLimits()
        quick = replace(limits, cpu_seconds=min(QUICK_SECONDS, limits.cpu_seconds))
        self._spent = _Spent()
        self._quick = _Queue(quick, WAITING_PICTURES, self._spent)
        self._slow = _Queue(limits, WAITING_SLOW, self._spent)

    def start(self) -> None:
        """Start the first process, so that the first picture does not wait for it."""
        self._quick.start()

    def close(self) -> None:
        """End the processes; safe to repeat."""
        self._quick.close()
        self._slow.close()

    def read(self, data: bytes, sender: str = "", encoder: Encoder | None = None) -> np.ndarray:
        """Return the features of a picture as `features_of` makes them.

        An encoder runs here, not in the process with limits: it is the operator's, and
        sees pictures of one size, whatever was sent.

        Parameters
        ----------
        data : the picture's file.
        sender : who sent it. Whose pictures cost least is served first: by the time that
            they took of late, and by this one's size.

        Raises
        ------
        BadInput : the picture cannot be read within the limits, or too many wait.
        """
        size, square = raster_size(encoder), None
        if self._spent.of(sender) < COSTLY_SECONDS:
            with suppress(_TooSlow):
                square = self._quick.square(data, sender, goes_before=self._slow, size=size)
        if square is None:
            square = self._slow.square(data, sender, size=size)
        return features_of_raster(square, encoder)

    @property
    def process_id(self) -> int | None:
        """The id of the process that tries pictures first; None while it is not running."""
        return self._quick.process_id


class _TooSlow(BadInput):
    """The picture took all the processor time that it may take."""


class _Ended(BadInput):
    """The process ended for no reason that it gave."""


class _Spent:
    """The seconds that each sender's pictures took of late."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._halved = time.monotonic()

    def of(self, sender: str) -> float:
        return self._seconds.get(sender, UNKNOWN_SECONDS)

    def note(self, sender: str, seconds: float) -> None:
        with self._lock:
            self._seconds[sender] += seconds
            now = time.monotonic()
            if now - self._halved > FORGET_SECONDS:
                self._halved = now
                if len(self._seconds) > MOST_SENDERS:
                    self._seconds.clear()
                for who in self._seconds:
                    self._seconds[who] /= 2


class _Queue:
    """Pictures that wait for one process, which decodes them one at a time."""

    def __init__(self, limits: DecodingLimits, most: int, spent: _Spent) -> None:
        self._limits = limits
        self._most = most
        self._spent = spent
        self._decoder: _Decoder | None = None
        self._closed = False
        self._change = threading.Condition()
        self._waiting: list[_Place] = []
        self._decoding = False
        self._stands_still = False

    def start(self) -> None:
        """Start the process."""
        with self._turn("", 0):
            self._running()

    def close(self) -> None:
        """End the process; safe to repeat."""
        with self._change:
            self._closed = True
            if self._decoder is not None:
                self._decoder.kill()

    def square(
        self,
        data: bytes,
        sender: str,
        goes_before: _Queue | None = None,
        size: Size = SQUARE,
    ) -> np.ndarray:
        """Wait for this sender's turn; return the picture's square, uint8 (high, wide, 3).

        Parameters
        ----------
        goes_before : a queue that stands still while this one decodes.
        size : width and height that are wanted.

        Raises
        ------
        _TooSlow : it takes more processor time than the limit.
        BadInput : it cannot be read for another reason, or too many wait.
        """
        pause = nullcontext() if goes_before is None else goes_before.standing_still()
        with self._turn(sender, len(data)), pause:
            return self._square(data, size)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop the process for a while; nothing is lost."""
        begun = time.monotonic()
        with self._change:
            self._stands_still = True
            stopped = self._decoder
            if stopped is not None:
                stopped.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            with self._change:
                self._stands_still = False
                if stopped is not None:
                    stopped.signal(signal.SIGCONT)
                    stopped.stood_still += time.monotonic() - begun
                self._change.notify_all()

    @property
    def process_id(self) -> int | None:
        return None if self._decoder is None else self._decoder.process_id

    def _square(self, data: bytes, size: Size) -> np.ndarray:
        try:
            answer = self._asked(data, size)
        except _Ended:  # perhaps before it saw this picture
            answer = self._asked(data, size)
        if answer[:1] != DECODED:
            raise BadInput(answer[1:].decode("utf-8", "replace"))
        wide, high = size
        return np.frombuffer(answer, np.uint8, offset=1).reshape(high, wide, 3)

    def _asked(self, data: bytes, size: Size) -> bytes:
        """Return the process's answer; after a failure start a new process, and raise."""
        decoder = self._running()
        try:
            return decoder.ask(data, size)
        except OSError:
            problem = decoder.end()
            with self._change:
                self._decoder = None
            self._running()
            raise problem from None

    def _running(self) -> _Decoder:
        if self._decoder is None or self._decoder.has_ended():
            with self._change:
                if self._closed:
                    raise BadInput("no pictures are read any more: this bot is ending")
                self._decoder = _Decoder(self._limits)
        return self._decoder

    @contextmanager
    def _turn(self, sender: str, size: int) -> Iterator[None]:
        """Wait until it is this sender's turn, and note what the block cost."""
        place = _Place(sender, size)
        with self._change:
            self._enter(place)
            self._change.wait_for(lambda: place.refused or self._is_next(place))
            if place.refused:
                raise BadInput(_TOO_MANY)
            self._waiting.remove(place)
            self._decoding = True
        began = time.monotonic()
        try:
            yield
        finally:
            with self._change:
                self._decoding = False
                self._change.notify_all()
            self._spent.note(sender, time.monotonic() - began)

    def _enter(self, place: _Place) -> None:
        """Queue up; where the queue is full, whose pictures cost most is refused."""
        self._waiting.append(place)
        if len(self._waiting) > self._most + (not self._decoding):
            # Among equals the latest, which is the last.
            last = max(reversed(self._waiting), key=self._cost)
            self._waiting.remove(last)
            last.refused = True
            self._change.notify_all()

    def _is_next(self, place: _Place) -> bool:
        if self._decoding or self._stands_still:
            return False
        return place is min(self._waiting, key=self._cost)

    def _cost(self, place: _Place) -> float:
        return self._spent.of(place.sender) + place.size * SECONDS_A_BYTE


class _Place:
    """A picture's place in the queue."""

    def __init__(self, sender: str, size: int) -> None:
        self.sender = sender
        self.size = size  # bytes of the file
        self.refused = False


class _Decoder:
    """A running process of `decoder.py`."""

    def __init__(self, limits: DecodingLimits) -> None:
        self._limits = limits
        self.stood_still = 0.0  # seconds, which are not its own
        ours, its = socket.socketpair()
        self._channel = ours
        numbers = (limits.pixels, limits.bytes, limits.cpu_seconds, limits.memory_bytes)
        command = [sys.executable, "-I", "-c", _START, *map(str, numbers), *sys.path]
        # Of the environment it gets what the loader needs, and no BOT_TOKEN.
        needed = {name: os.environ[name] for name in _LOADER if name in os.environ}
        with its:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=needed,
            )

    @property
    def process_id(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._channel.close()

    def ask(self, data: bytes, size: Size) -> bytes:
        """Send a picture, and the size that is wanted, and return the answer.

        Raises
        ------
        OSError : the process ended, or gave no answer in time.
        """
        until = time.monotonic() + self._limits.wall_seconds - self.stood_still
        self._channel.settimeout(self._limits.wall_seconds)
        self._channel.sendall(len(data).to_bytes(LENGTH_BYTES, "big"))
        for side in size:
            self._channel.sendall(side.to_bytes(SIDE_BYTES, "big"))
        self._channel.sendall(data)
        length = int.from_bytes(self._receive(LENGTH_BYTES, until), "big")
        longest = 1 + 3 * size[0] * size[1]
        if not 1 <= length <= max(longest, _LONGEST_REFUSAL):
            raise OSError("the decoder's answer cannot be read")
        return self._receive(length, until)

    def _receive(self, size: int, until: float) -> bytes:
        received = bytearray()
        while len(received) < size:
            left = until + self.stood_still - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._channel.settimeout(min(left, STEP_SECONDS))
            try:
                piece = self._channel.recv(size - len(received))
            except TimeoutError:  # it may have stood still meanwhile
                continue
            if not piece:
                raise ConnectionError("the decoder ended")
            received += piece
        return bytes(received)

    def end(self) -> BadInput:
        """Kill the process where it still runs; return why there was no answer."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)  # who closed the socket is about to end
        status = self._process.poll()
        self.kill()
        slow = f"the picture takes more than {self._limits.cpu_seconds:g} s to decode"
        if status in (-signal.SIGPROF, None):
            return _TooSlow(f"{slow}: make it smaller")
        if status == OUT_OF_MEMORY:
            megabytes = self._limits.memory_bytes // 2**20
            return BadInput(
                f"the picture needs more than {megabytes} MB to decode: make it smaller"
            )
        return _Ended("the picture cannot be decoded: expected a whole picture")
