"""Limits of time and number, so that some connections cannot lock out all others.

A connection ends when its time is over. Where there are too many, one that is not
being answered is closed to make room for a new one (see `State`). uvicorn limits
neither the time of a request's headers nor the connections of an address, and refuses
everybody once its own limit is reached.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from enum import IntEnum

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

OPEN_CONNECTIONS = 768  # at once; a process may have 1,024 files open
CONNECTIONS_PER_ADDRESS = 64  # of this machine's own addresses, where a proxy may run: all
HEADER_SECONDS = 10.0  # from the connection, or the first byte, to the end of the headers
EXCHANGE_SECONDS = 120.0  # from there to the end of the answer, however it is read
ACCEPTED_AT_ONCE = 32  # before what the last ones sent is read
WAITING_CONNECTIONS = 2048  # for that, in the kernel
IDLE_SECONDS = 60  # between an answer and the first byte of the next request

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"retry-after: 5\r\nconnection: close\r\ncontent-length: 37\r\n\r\n"
    b"Too many connections: try again soon\n"
)


class State(IntEnum):
    """The stage of a connection. To make room, the lowest stage is closed first."""

    SILENT = 0  # it never sent a whole request
    IDLE = 1  # between two requests
    SENDING = 2  # a body is arriving
    ANSWERED = 3


class Crowd:
    """All open connections of a server, by address and state, the oldest first."""

    def __init__(self) -> None:
        self._members: dict[str, dict[State, dict[Connection, None]]] = {}
        self._sizes: dict[str, int] = {}

    def enter(self, connection: Connection) -> bool:
        """Let a connection in; where it is one too many, end another.

        Returns
        -------
        entered : False where all others are being answered.
        """
        address = connection.address
        if self._sizes.get(address, 0) >= most_connections(address):
            addresses = [address]
        elif sum(self._sizes.values()) >= OPEN_CONNECTIONS:
            addresses = sorted(self._sizes, key=lambda one: -self._sizes[one])
        else:
            addresses = []
        if addresses:
            ended = self._least_missed(addresses)
            if ended is None:
                return False
            self.leave(ended)
            ended.transport.abort()
        self._sizes[address] = self._sizes.get(address, 0) + 1
        self.note(connection)
        return True

    def note(self, connection: Connection) -> None:
        """Note that a connection's state may have changed."""
        state = connection.state()
        if connection.noted is not state:
            self._take_out(connection)
            states = self._members.setdefault(connection.address, {})
            states.setdefault(state, {})[connection] = None
            connection.noted = state

    def leave(self, connection: Connection) -> None:
        """Forget a connection; safe to repeat."""
        if connection.noted is None:
            return
        self._take_out(connection)
        connection.noted = None
        address = connection.address
        self._sizes[address] -= 1
        if not self._sizes[address]:
            del self._sizes[address], self._members[address]

    def _take_out(self, connection: Connection) -> None:
        if connection.noted is not None:
            del self._members[connection.address][connection.noted][connection]

    def _least_missed(self, addresses: list[str]) -> Connection | None:
        """Return the oldest connection in the least state, of the first such address."""
        for state in (State.SILENT, State.IDLE, State.SENDING):
            for address in addresses:
                for connection in self._members[address].get(state, ()):
                    return connection
        return None


class Connection(H11Protocol):
    """An HTTP/1.1 connection with limits; `limited` makes a class of them for a server."""

    crowd: Crowd
    address = ""  # of the other side; of IPv6 the network, which one household has
    noted: State | None = None  # the state that the crowd knows; None outside the crowd
    _timer: asyncio.TimerHandle | None = None
    _timed: object = None  # the request that the timer belongs to; None between requests

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = network(self.client[0]) if self.client else ""
        self._start_timer()
        if not self.crowd.enter(self):
            transport.write(_FULL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Further bytes of the headers do not extend their time.
        if self._timer is None or self._request_in_hand() is not self._timed:
            self._start_timer()
        self._note()

    def on_response_complete(self) -> None:
        # uvicorn ends an idle connection, but not one whose answer is not fetched.
        if not self.flow.write_paused:
            self._stop_timer()
        super().on_response_complete()
        if self._request_in_hand() is not None:
            self._start_timer()
        self._note()

    def shutdown(self) -> None:
        if self.state() is State.SENDING:
            self.transport.abort()  # the server ends, and would wait for the rest
        else:
            super().shutdown()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.crowd.leave(self)
        super().connection_lost(exc)

    def state(self) -> State:
        """Return the stage of this connection."""
        if self.cycle is None:
            return State.SILENT
        if self._request_in_hand() is not None:
            return State.SENDING if self.cycle.more_body else State.ANSWERED
        return State.ANSWERED if self.flow.write_paused else State.IDLE

    def _note(self) -> None:
        if self.noted is not None:
            self.crowd.note(self)

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


class Server(uvicorn.Server):
    """A server that reads what a connection sends before many newer ones come.

    asyncio takes as many connections at a time as may wait for it. If those are many, a
    new one is the oldest silent one, and closed, before its request is read.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        config.backlog = ACCEPTED_AT_ONCE
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(WAITING_CONNECTIONS)


class AnswerAtTheEnd:
    """ASGI middleware that answers, with 503, the requests that the server's end cuts off."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except asyncio.CancelledError:
            if begun:
                raise
            await PlainTextResponse("This server is ending.\n", 503)(scope, receive, send)


def limited() -> type[Connection]:
    """Return a class of connections that share limits, for `uvicorn.Config(http=...)`."""
    return type("Connection", (Connection,), {"crowd": Crowd()})


def network(address: str) -> str:
    """Return an address as the crowd counts it: of IPv6, the network of 64 bits.

    >>> network("192.0.2.7"), network("2001:db8:1:2:3:4:5:6"), network("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8:1:2::/64', '192.0.2.7')
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped or found.is_loopback:
        return str(found.ipv4_mapped or found)
    return str(ipaddress.ip_network((int(found), 64), strict=False))


def most_connections(address: str) -> int:
    """Return how many connections one address may hold.

    >>> most_connections("192.0.2.7"), most_connections("127.0.0.1")
    (64, 768)
    """
    local = address == "::1" or address.startswith("127.")
    return OPEN_CONNECTIONS if local else CONNECTIONS_PER_ADDRESS
