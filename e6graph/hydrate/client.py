"""A polite HTTP client: it says who asks, spaces its requests and waits when told to."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import requote_uri
from urllib3.exceptions import HTTPError

from .. import __version__
from ..errors import BadInput, DownloadError
from .patience import Broken, Patience, PatientAdapter

RETRIED_STATUSES = {429, 500, 502, 503, 504}
BODY_BLOCK = 1 << 16  # bytes read at a time
FORGIVEN_AFTER = 1 << 20  # bytes of progress that make up for earlier failures
SLOWEST = 1024  # bytes a second; a slower download is broken off and resumed
LONG_WAIT = 5.0  # seconds; a longer one is announced
MOST_REDIRECTS = 5

_Consumed = TypeVar("_Consumed")
log = logging.getLogger(__name__)


class AskedToWait(DownloadError):
    """A site that wants to be left alone for longer than we wait.

    Attributes
    ----------
    seconds : how long it asks us to wait.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


def check_address(url: str) -> None:
    """Raise BadInput unless the text is a web address."""
    if not re.match(r"https?://[^/\s]", url):
        raise BadInput(f"got {url!r}, expected a web address such as https://host")


def make_user_agent(contact: str | None = None) -> str:
    """Return the User-Agent to send: the site's rules want somebody to write to in it.

    Parameters
    ----------
    contact : a name or an address, or a whole User-Agent that holds one in
        parentheses or after an @; None takes it from the environment variable
        E6GRAPH_CONTACT.

    Raises
    ------
    BadInput : the text names nobody.

    >>> make_user_agent("vixen on e621")
    'e6graph/0.1.0 (by vixen on e621)'
    >>> make_user_agent("mine/2.0 (by vixen on e621)")
    'mine/2.0 (by vixen on e621)'
    """
    if contact is None:
        contact = os.environ.get("E6GRAPH_CONTACT", "")
    contact = contact.strip()
    if not contact:
        raise BadInput(
            "no contact for the site's administrators: set E6GRAPH_CONTACT to your "
            "user name there or your address, or give --user-agent"
        )
    if not (contact.isascii() and contact.isprintable()):
        raise BadInput(f"contact {contact!r}: expected printable ASCII on one line")
    if not re.match(r"[\w.-]+/\d[\w.]*(\s|$)", contact):
        return f"e6graph/{__version__} (by {contact})"
    if not re.search(r"\([^()]*\w[^()]*\)|@\w", contact):
        raise BadInput(
            f"user agent {contact!r} names no contact: write it as 'name/1.0 (by NAME)'"
        )
    return contact


class Pace:
    """A rhythm that clients share: a request may start every `interval` seconds."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until it is the caller's turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self.interval
        time.sleep(turn - now)

    def hold(self, seconds: float) -> None:
        """Let nobody start a request for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class _Session(requests.Session):
    """A session that follows no redirect, because it would read and unpack its body."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None

    def location(self, response: requests.Response) -> str | None:
        """Return where an answer redirects to, as its header has it; None if nowhere."""
        return super().get_redirect_target(response)


@dataclass(frozen=True)
class Page:
    """A small answer that was read whole."""

    url: str  # after redirects
    status: int
    kind: str  # the Content-Type, or ""
    body: bytes  # empty unless the status is 200


@dataclass
class Client:
    """A session of GET requests, to be used by one thread.

    Parameters
    ----------
    user_agent : see `make_user_agent`.
    pace : shared by all clients of one site; by default one request a second.
    retries : attempts after the first; a MiB of progress earns new ones.
    backoff : seconds before the first retry, doubled for each further one.
    longest_wait : seconds; a Retry-After that asks for more is an error.
    timeout : seconds to connect, and seconds between two packets.
    window : seconds that a transfer may be slower than `SLOWEST`, and seconds that
        the headers may take, those of redirects and of informational answers (1xx)
        included.
    """

    user_agent: str
    _: KW_ONLY
    pace: Pace = field(default_factory=lambda: Pace(1.0))
    retries: int = 5
    backoff: float = 1.0
    longest_wait: float = 600.0
    timeout: tuple[float, float] = (10.0, 30.0)
    window: float = 60.0

    def __post_init__(self) -> None:
        self._session = _Session()
        self._patience = Patience(lambda: time.monotonic())  # tests put a clock in its place
        self._session.headers["User-Agent"] = self.user_agent
        # Uncompressed: sizes, ranges and checksums count the bytes that are sent.
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, PatientAdapter(self._patience))

    def get(
        self,
        url: str,
        consume: Callable[[requests.Response], _Consumed],
        headers: Callable[[], dict[str, str]] = dict,
        reached: Callable[[], int] = int,
    ) -> _Consumed:
        """Request a URL, with retries, and return what `consume` makes of the answer.

        Parameters
        ----------
        consume : reads the body; what it raises as `Broken` is tried again.
        headers : called before each attempt, since the range may have changed.
        reached : returns how many bytes a download has.

        Raises
        ------
        DownloadError : naming the URL and how the last attempt ended.
        """
        # Our own, since urllib3's Retry knows neither bodies that break nor a
        # shared pace, and together they could ask (retries + 1)² times.
        started, failures, furthest = time.monotonic(), 0, reached()
        while True:
            asked = None
            try:
                with self._answer(url, headers()) as response:
                    if response.status_code not in RETRIED_STATUSES:
                        return consume(response)
                    problem = f"status {response.status_code}"
                    asked = _retry_after(response)
            except ValueError as error:  # the URL, or that of a redirect, is malformed
                raise DownloadError(f"{url}: cannot be asked for: {error}") from None
            except (requests.RequestException, HTTPError, Broken) as error:
                problem = _innermost_cause(error)

            if asked is not None:
                self._check_wait(url, problem, asked)
            if reached() >= furthest + FORGIVEN_AFTER:
                failures, furthest = 0, reached()
            if failures == self.retries:
                times = f"{failures + 1} times"
                raise DownloadError(f"{url}: {problem}, {times}: try again later")
            wait = asked
            if wait is None:
                wait = min(self.backoff * 2**failures, self.longest_wait)
            if time.monotonic() - started + wait > LONG_WAIT:
                log.warning("%s: %s, next attempt in %.0f seconds", url, problem, wait)
            self.pace.hold(wait)
            failures += 1

    def _answer(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Request a URL, follow redirects, and return the answer without its body.

        Bodies of redirects are neither read nor unpacked: the connection is closed.
        Each hop waits its turn, and all together have `window` seconds.

        Raises
        ------
        DownloadError : too many redirects. AskedToWait.
        """
        asked_for, left = url, self.window
        for _ in range(MOST_REDIRECTS + 1):
            self.pace.wait()
            started = time.monotonic()
            self._patience.begin_headers(left)
            response = self._session.get(
                url, headers=headers, stream=True, timeout=self.timeout
            )
            left -= time.monotonic() - started
            location = self._session.location(response)
            if location is None:
                return response

            response.close()
            asked = _retry_after(response)  # RFC 9110, 10.2.3: before the next hop
            if asked is not None:
                self._check_wait(url, "a redirect", asked)
                self.pace.hold(asked)
            following = urljoin(url, requote_uri(location))
            if urlsplit(following)[:2] != urlsplit(url)[:2]:  # scheme, host and port
                headers = {k: v for k, v in headers.items() if k != "Authorization"}
            url = following
        raise DownloadError(f"{asked_for}: over {MOST_REDIRECTS} redirects: a loop?")

    def _check_wait(self, url: str, problem: str, asked: float) -> None:
        if asked > self.longest_wait:
            minutes = f"{asked / 60:,.0f} minutes"
            wish = f"{url}: {problem}, the site asks to wait {minutes}"
            raise AskedToWait(wish, asked)

    def read(self, url: str, limit: int, headers: Mapping[str, str] | None = None) -> Page:
        """Request a page of at most `limit` bytes, whatever its status.

        An Authorization among the headers goes to the host of the URL alone, and to no
        other that it redirects to.
        """

        def consume(response: requests.Response) -> Page:
            body = bytearray()
            if response.status_code == 200:
                for block in self.blocks(response):
                    body += block
                    if len(body) > limit:
                        raise DownloadError(f"{url}: got more than {limit:,} bytes")
            kind = response.headers.get("Content-Type", "")
            return Page(response.url, response.status_code, kind, bytes(body))

        return self.get(url, consume, lambda: dict(headers or {}))

    def blocks(self, response: requests.Response) -> Iterator[bytes]:
        """Yield the body as it comes, and no more of it than Content-Length says.

        Raises
        ------
        Broken : the connection stalled, or was dropped before the end.
        """
        # read1 returns what has come. urllib3 1 has only read, which waits
        # for a full block and so notices a slow connection late.
        read = getattr(response.raw, "read1", response.raw.read)
        remaining = parse_count(response.headers.get("Content-Length"))
        since, got = time.monotonic(), 0
        while remaining is None or remaining > 0:
            wanted = BODY_BLOCK
            if remaining is not None:
                wanted = min(wanted, remaining)
            # Chunk sizes and trailers are read in here too, as slowly as they come.
            self._patience.begin_block(self.window)
            block = read(wanted)
            if not block:
                break
            yield block
            got += len(block)
            if remaining is not None:
                remaining -= len(block)
            elapsed = time.monotonic() - since
            if elapsed > self.window:
                if got < SLOWEST * elapsed:
                    raise Broken(f"only {got / elapsed:,.0f} bytes a second")
                since, got = time.monotonic(), 0
        if remaining:
            raise Broken(f"the connection was dropped {remaining:,} bytes too early")


def parse_count(text: str | None) -> int | None:
    """Parse a header's count of bytes; None if it is absent or malformed."""
    return int(text) if text and text.isascii() and text.isdigit() else None


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that the site asks us to wait; None if it does not say.

    RFC 9110, 10.2.3: a number of seconds or a date. urllib3 cuts long waits to six
    hours, so this is our own.
    """
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]{1,100}", text):
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # neither a number nor a date
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _innermost_cause(error: BaseException) -> str:
    """Say what went wrong: requests and urllib3 wrap the errors of the system."""
    problem = "the connection was dropped"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Broken):
            problem = str(cause)
        elif isinstance(cause, OSError) and cause.strerror:
            problem = cause.strerror.lower()
        elif isinstance(cause, TimeoutError):
            problem = "no answer in time"
        cause = cause.__cause__ or cause.__context__
    return problem
