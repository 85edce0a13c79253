"""One polite HTTP client.

Polite: it says who asks, spaces its requests, and on 429, 5xx, timeouts and dropped connections
backs off as it is told (Retry-After) or exponentially.
"""

from __future__ import annotations

import datetime
import email.utils
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter

from .. import __version__
from ..errors import BadInput, DownloadError

RETRIED = {429, 500, 502, 503, 504}
BLOCK = 1 << 16  # bytes read at a time
PROGRESS = 1 << 20  # bytes that must have come before earlier failures are forgiven
T = TypeVar("T")


class Broken(Exception):
    """This attempt ended early; another may do better."""


def make_user_agent(contact: str | None = None) -> str:
    """The User-Agent to send, with somebody to write to, as the site's rules ask.

    Parameters
    ----------
    contact : a name or address, or a whole User-Agent that holds one in parentheses or after an @;
        None: the environment variable E6GRAPH_CONTACT.

    Raises
    ------
    BadInput : when nobody can be reached by it.

    >>> make_user_agent("vixen on e621")
    'e6graph/0.1.0 (by vixen on e621)'
    >>> make_user_agent("mine/2.0 (by vixen on e621)")
    'mine/2.0 (by vixen on e621)'
    """
    given = (os.environ.get("E6GRAPH_CONTACT", "") if contact is None else contact).strip()
    if not given:
        raise BadInput(
            "no contact for the site's administrators: set E6GRAPH_CONTACT to your user name "
            "there or your address, or give --user-agent"
        )
    if not (given.isascii() and given.isprintable()):
        raise BadInput(f"contact {given!r}: expected printable ASCII on one line")
    if not re.match(r"[\w.-]+/\d[\w.]*(\s|$)", given):
        return f"e6graph/{__version__} (by {given})"
    if not re.search(r"\([^()]*\w[^()]*\)|@\w", given):
        raise BadInput(
            f"user agent {given!r} names no contact: write it as 'name/1.0 (by NAME)'"
        )
    return given


class Pace:
    """The rhythm of requests, shared by all connections: one may start each `interval` seconds."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until it is this caller's turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self.interval
        time.sleep(turn - now)

    def hold(self, seconds: float) -> None:
        """Nobody starts a request for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class _PacedAdapter(HTTPAdapter):
    """Here, and not round `Session.get`, so that each hop of a redirect waits its turn as well."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def send(self, *args, **kwargs) -> requests.Response:  # type: ignore[override]
        self._pace.wait()
        return super().send(*args, **kwargs)


@dataclass(frozen=True)
class Page:
    """A small answer, read whole. `body` is empty unless `status` is 200."""

    url: str
    status: int
    kind: str
    body: bytes


class Client:
    """One session of GET requests; for use by one thread.

    Parameters
    ----------
    user_agent : see `make_user_agent`.
    pace : shared between clients of one site; by default a request a second.
    retries : attempts after the first; begun anew when a download has advanced by a MiB.
    backoff : seconds before the first retry, doubled for each further one.
    longest_wait : seconds; caps the back-off and Retry-After.
    timeout : seconds to connect, and between two packets.
    slowest, window : fewer than `slowest` bytes a second over `window` seconds is a stall.
    """

    def __init__(
        self,
        user_agent: str,
        *,
        pace: Pace | None = None,
        retries: int = 5,
        backoff: float = 1.0,
        longest_wait: float = 120.0,
        timeout: tuple[float, float] = (10.0, 30.0),
        slowest: float = 1024.0,
        window: float = 60.0,
    ) -> None:
        self.pace = pace or Pace(1.0)
        self.retries, self.backoff, self.longest_wait = retries, backoff, longest_wait
        self.timeout, self.slowest, self.window = timeout, slowest, window
        self._session = requests.Session()
        self._session.max_redirects = 5
        # identity: sizes, ranges and checksums are those of the bytes sent
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "identity"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _PacedAdapter(self.pace))

    def get(
        self,
        url: str,
        consume: Callable[[requests.Response], T],
        headers: Callable[[], dict[str, str]] = dict,
        reached: Callable[[], int] = int,
    ) -> T:
        """`consume(response)` of the first answer that is worth it, after retries.

        Parameters
        ----------
        headers : called before each attempt, since a resumed one asks for another range.
        reached : how far a download is, in bytes.

        Raises
        ------
        DownloadError : naming the URL and what the last attempt got.
        """
        failures, furthest = 0, reached()
        while True:
            asked = None
            try:
                with self._session.get(
                    url, headers=headers(), stream=True, timeout=self.timeout
                ) as response:
                    if response.status_code not in RETRIED:
                        return consume(response)
                    problem = f"status {response.status_code}"
                    asked = _retry_after(response.headers.get("Retry-After", ""))
            except requests.TooManyRedirects:
                limit = self._session.max_redirects
                raise DownloadError(f"{url}: more than {limit} redirects: a loop?") from None
            except (
                ValueError
            ) as error:  # requests' way to say that a URL, or a redirect's, is none
                raise DownloadError(f"{url}: cannot be asked for: {error}") from None
            except (requests.RequestException, urllib3.exceptions.HTTPError, Broken) as error:
                problem = _in_short(error)
            if reached() >= furthest + PROGRESS:
                failures, furthest = 0, reached()
            if failures == self.retries:
                raise DownloadError(f"{url}: {problem}, {failures + 1} times: try again later")
            wait = self.backoff * 2**failures if asked is None else asked
            self.pace.hold(min(wait, self.longest_wait))
            failures += 1

    def read(self, url: str, limit: int) -> Page:
        """An answer of at most `limit` bytes, whatever its status."""

        def consume(response: requests.Response) -> Page:
            body = bytearray()
            for block in self.blocks(response) if response.status_code == 200 else ():
                body += block
                if len(body) > limit:
                    raise DownloadError(f"{url}: got more than {limit:,} bytes")
            kind = response.headers.get("Content-Type", "")
            return Page(response.url, response.status_code, kind, bytes(body))

        return self.get(url, consume)

    def blocks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as sent, and no more of it than Content-Length says.

        `read1` returns what has come; `read`, all that an old urllib3 has, sits out a drip.
        """
        read = getattr(response.raw, "read1", response.raw.read)
        remaining = number(response.headers.get("Content-Length"))
        since, got = time.monotonic(), 0
        while remaining is None or remaining > 0:
            block = read(BLOCK if remaining is None else min(BLOCK, remaining))
            if not block:
                break
            yield block
            got += len(block)
            remaining = None if remaining is None else remaining - len(block)
            elapsed = time.monotonic() - since
            if elapsed > self.window:
                if got < self.slowest * elapsed:
                    raise Broken(f"only {got / elapsed:,.0f} bytes a second")
                since, got = time.monotonic(), 0
        if remaining:
            raise Broken(f"the connection was dropped {remaining:,} bytes before the end")


def number(text: str | None) -> int | None:
    """A count in a header, None where there is none."""
    return int(text) if text and text.isascii() and text.isdigit() else None


def _retry_after(text: str) -> float | None:
    """Seconds, given as such or as a date (RFC 9110, section 10.2.3)."""
    if number(text) is not None:
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
        until = date.replace(tzinfo=date.tzinfo or datetime.UTC)
        return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):  # no date either
        return None


def _in_short(error: BaseException) -> str:
    """The innermost cause: requests wraps urllib3's errors, which wrap the system's."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    for cause in reversed(chain):
        if isinstance(cause, Broken):
            return str(cause)
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        if isinstance(cause, TimeoutError):
            return "no answer in time"
    return "the connection was dropped"
