"""Turns: one user's requests go one after the other, before any of them takes a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException

WAITING_REQUESTS = 8  # of one user, beside the one in hand; more are refused
REFUSING_SECONDS = 1.0  # before a refusal, so that asking again at once costs little here
UNPACED_BYTES = 4 * 1024**2  # of a body; most pictures are smaller
PACE = 10e6  # bytes a second
PACING_STEP = 0.02  # seconds; a shorter wait is put off
_SLOWLY = "One thing at a time: wait for my answers."


class Turns:
    """Lets one request of each user go on at a time, the others in order of arrival.

    All of it happens in the event loop: who waits here holds no thread.
    """

    def __init__(self, waiting: int = WAITING_REQUESTS) -> None:
        self._most = waiting
        self._users: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def place(self, user: str) -> AsyncIterator[None]:
        """Count a request of the user, from before its body is read: a body takes memory.

        Raises
        ------
        HTTPException : 429, too many requests of this user wait.
        """
        lock, requests = self._users.get(user, (asyncio.Lock(), 0))
        if requests > self._most:
            await asyncio.sleep(REFUSING_SECONDS)
            raise HTTPException(429, _SLOWLY)
        self._users[user] = lock, requests + 1
        try:
            yield
        finally:
            lock, requests = self._users.pop(user)
            if requests > 1:
                self._users[user] = lock, requests - 1

    @asynccontextmanager
    async def of(self, user: str) -> AsyncIterator[None]:
        """Wait for the user's turn. Raises as `place` does."""
        async with self.place(user), self._users[user][0]:
            yield


class Share:
    """Lets one in at a time, for a share of the time: who is cheap to answer waits little.

    Parameters
    ----------
    share : of one core, that all of them may have together.
    """

    def __init__(self, share: float) -> None:
        self._rest = 1 / share - 1  # seconds for each second that was spent
        self._paused = 0.0
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        self._paused = 0.0

    def rest_after(self, seconds: float) -> None:
        """Keep the place closed for a while, because so much processor time was spent."""
        self._paused = self._rest * seconds

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().call_later(self._paused, self._lock.release)


class Arriving:
    """The bodies that are arriving: together they hold no more than so many bytes.

    Where there are too many, the one that has been arriving for longest is given up,
    which is the slowest: so bodies that never end keep nobody out. What large bodies
    have beyond `UNPACED_BYTES` is read at `PACE` in all, so that the event loop has
    time for everybody else.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._sizes: dict[asyncio.Timeout, int] = {}  # the oldest first
        self._total = 0
        self._paced_until = 0.0

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """Give a body some time to arrive.

        Raises
        ------
        TimeoutError : the time is over, or others needed the room.
        """
        async with asyncio.timeout(seconds) as deadline:
            self._sizes[deadline] = 0
            try:
                yield deadline
            finally:
                self._total -= self._sizes.pop(deadline)

    async def grew(self, deadline: asyncio.Timeout, by: int) -> None:
        """Note that a body grew; give up the oldest if all are too large; keep the pace."""
        self._sizes[deadline] += by
        self._total += by
        excess = self._total - self._most
        for oldest, held in self._sizes.items() if excess > 0 else ():
            if excess <= 0:
                break
            if not oldest.expired():
                oldest.reschedule(0)  # it is over
                excess -= held

        if self._sizes[deadline] > UNPACED_BYTES:
            now = asyncio.get_running_loop().time()
            self._paced_until = max(now, self._paced_until) + by / PACE
            if self._paced_until - now > PACING_STEP:
                await asyncio.sleep(self._paced_until - now)
