"""Turns: one user's requests go one after the other, before any of them takes a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException

WAITING_REQUESTS = 8  # of one user, beside the one in hand; more are refused
_SLOWLY = "One thing at a time: wait for my answers."


class Turns:
    """Lets one request of each user go on at a time, the others in order of arrival.

    All of it happens in the event loop: who waits here holds no thread.
    """

    def __init__(self, waiting: int = WAITING_REQUESTS) -> None:
        self._most = waiting
        self._users: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, user: str) -> AsyncIterator[None]:
        """Wait for the user's turn.

        Raises
        ------
        HTTPException : 429, too many requests of this user wait.
        """
        lock, requests = self._users.get(user, (asyncio.Lock(), 0))
        if requests > self._most:
            raise HTTPException(429, _SLOWLY)
        self._users[user] = lock, requests + 1
        try:
            async with lock:
                yield
        finally:
            lock, requests = self._users.pop(user)
            if requests > 1:
                self._users[user] = lock, requests - 1


class Arriving:
    """The bodies that are arriving: together they hold no more than so many bytes.

    Where there are too many, the one that has been arriving for longest is given up,
    which is the slowest: so bodies that never end keep nobody out.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._sizes: dict[asyncio.Timeout, int] = {}  # the oldest first

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
                del self._sizes[deadline]

    def grew(self, deadline: asyncio.Timeout, size: int) -> None:
        """Note how large a body is by now; give up the oldest if all are too large."""
        self._sizes[deadline] = size
        excess = sum(self._sizes.values()) - self._most
        for oldest, held in self._sizes.items():
            if excess <= 0:
                return
            if not oldest.expired():
                oldest.reschedule(0)  # it is over
                excess -= held
