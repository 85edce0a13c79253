"""Connections that cost nobody else their place: limits of time and number.

uvicorn limits neither how long a request's headers may take nor how many connections
one address holds, and refuses everybody once its own limit is reached. Here a
connection ends when its time is over, and where there are too many, the one that has
kept the server waiting for longest makes room.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from uvicorn.protocols.http.h11_impl import H11Protocol

OPEN_CONNECTIONS = 512  # at once
CONNECTIONS_PER_ADDRESS = 64  # of this machine's own addresses, where a proxy may run: all
HEADER_SECONDS = 10.0  # from the connection, or the first byte, to the end of the headers
EXCHANGE_SECONDS = 120.0  # from there to the end of the answer, however it is read
IDLE_SECONDS = 60  # between an answer and the first byte of the next request

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"retry-after: 5\r\nconnection: close\r\ncontent-length: 37\r\n\r\n"
    b"Too many connections: try again soon\n"
)


class Connection(H11Protocol):
    """An HTTP/1.1 connection with limits, for `uvicorn.Config(http=Connection)`."""

    _timer: asyncio.TimerHandle | None = None
    _timed: object = None  # the request that the timer is for; None while there is none

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = self.loop.time()
        self._start_timer()
        if not self._make_room():
            transport.write(_FULL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Further bytes of the headers do not extend their time.
        if self._timer is None or self._request_in_hand() is not self._timed:
            self._start_timer()

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        # uvicorn ends an idle connection, but not one whose answer is not fetched.
        if not self.transport.get_write_buffer_size():
            self._stop_timer()
        super().on_response_complete()
        if self._request_in_hand() is not None:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def address(self) -> str:
        """The other side's address; "" if it is not known."""
        return self.client[0] if self.client else ""

    def is_waited_for(self) -> tuple[bool, bool]:
        """Return whether the server waits for the other side's headers, for its body."""
        if self._request_in_hand() is not None:
            return False, self.cycle.more_body
        return not self.transport.get_write_buffer_size(), False

    def _request_in_hand(self) -> object:
        if self.cycle is None or self.cycle.response_complete:
            return None
        return self.cycle

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timed = self._request_in_hand()
        seconds = HEADER_SECONDS if self._timed is None else EXCHANGE_SECONDS
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _make_room(self) -> bool:
        """End a connection where this is one too many; False if none can be ended."""
        everyone = [
            other
            for other in self.connections
            if isinstance(other, Connection) and not other.transport.is_closing()
        ]
        crowd = Counter(other.address for other in everyone)
        if crowd[self.address] > most_connections(self.address):
            candidates = [other for other in everyone if other.address == self.address]
        elif len(everyone) > OPEN_CONNECTIONS:
            candidates = everyone
        else:
            return True

        waited_for = [
            (not headers, -crowd[other.address], other.since, other)
            for other in candidates
            if other is not self
            for headers, body in [other.is_waited_for()]
            if headers or body
        ]
        if not waited_for:
            return False
        _, _, _, longest = min(waited_for, key=lambda found: found[:3])
        longest.transport.abort()
        return True


def most_connections(address: str) -> int:
    """Return how many connections one address may hold.

    >>> most_connections("192.0.2.7"), most_connections("127.0.0.1")
    (64, 512)
    """
    local = address == "::1" or address.startswith(("127.", "::ffff:127."))
    return OPEN_CONNECTIONS if local else CONNECTIONS_PER_ADDRESS
