"""Limits of time and size on what http.client reads by itself: headers, chunk sizes, trailers.

`requests` and `urllib3` limit the time between two packets. A server that sends a
byte now and then, or informational answers (1xx, RFC 9110, 15.2) without end, could
hold a client for ever, so each read asks here whether it may still wait.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

HEADER_LIMIT = 256 << 10  # bytes of headers, those of 1xx included; a site sends about 1 KB


class Broken(Exception):
    """An attempt that ended early; another may do better."""


class Patience:
    """How long a client waits for the part of an answer that is being read.

    Parameters
    ----------
    clock : gives the time in seconds, as `time.monotonic` does.

    Attributes
    ----------
    header_bytes : bytes that may still be read before the headers must be over.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deadline = math.inf
        self.header_bytes = math.inf

    def begin_headers(self, seconds: float) -> None:
        """Wait so long for the headers of an answer, those of 1xx before it included."""
        self._deadline, self.header_bytes = self._clock() + seconds, HEADER_LIMIT

    def begin_block(self, seconds: float) -> None:
        """Wait so long for a block of the body."""
        self._deadline, self.header_bytes = self._clock() + seconds, math.inf

    def left(self) -> float:
        """Return how many seconds a read may still wait."""
        return self._deadline - self._clock()


class _PatientReader(io.RawIOBase):
    """The bytes of a socket, each read within what is left of the patience.

    Raises
    ------
    TimeoutError : the time is over. Broken : the headers go on and on.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, patience: Patience) -> None:
        self._raw, self._sock, self._patience = raw, sock, patience
        self._between_packets = sock.gettimeout()  # requests' read timeout, seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._patience.left()
        if left <= 0:
            raise TimeoutError("no answer in time")
        if self._patience.header_bytes <= 0:
            raise Broken(f"more than {HEADER_LIMIT >> 10} KB of headers")
        usual = self._between_packets
        self._sock.settimeout(min(left, math.inf if usual is None else usual))
        try:
            got = self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(usual)
        self._patience.header_bytes -= got or 0
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()


def _answer_class(patience: Patience) -> type[http.client.HTTPResponse]:
    class Answer(http.client.HTTPResponse):
        """An answer that is read through a `_PatientReader`, and that steps over all 1xx."""

        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_PatientReader(raw, sock, patience))

        def begin(self) -> None:
            super().begin()
            # http.client steps over 100 alone; 101 would follow a wish of ours.
            while 102 <= self.status <= 199:
                self.headers = None  # type: ignore[assignment] # as before the first
                super().begin()

    return Answer


class PatientAdapter(HTTPAdapter):
    """A transport of `requests` whose reads ask a `Patience`."""

    def __init__(self, patience: Patience) -> None:
        self._answer = _answer_class(patience)
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._use_patience(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> PoolManager:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            self._use_patience(manager)
        return manager

    def _use_patience(self, manager: PoolManager) -> None:
        answer = self._answer
        pools: dict[str, Any] = {}
        classes: dict[str, Any] = manager.pool_classes_by_scheme
        for scheme, pool in classes.items():
            connection = type("Connection", (pool.ConnectionCls,), {"response_class": answer})
            pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
        manager.pool_classes_by_scheme = pools
