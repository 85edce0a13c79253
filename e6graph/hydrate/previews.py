"""The preview cache: where previews lie, and how missing ones are fetched politely."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from ..errors import BadInput, DownloadError
from ..store.files import write_atomic
from ..store.parquet import MD5, usable_md5
from .client import AskedToWait, Client, Pace, Page, check_address, make_user_agent

CONNECTIONS = 2  # the site allows two connections and two requests a second
MISSING = "missing.txt"  # in the cache: md5s that got a 404, one a line
PREVIEW_LIMIT = 2 << 20  # bytes of one preview; a real one has a few tens of KB
FAILED_IN_A_ROW = 10  # then the site is down or refuses us
MISSING_IN_A_ROW = 100  # then the address is wrong

_PICTURE_START = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP", re.DOTALL
)

FetchOutcome = Literal["fetched", "missing", "failed"]


@dataclass
class PreviewCounts:
    """Numbers of previews: there before, downloaded, not at the site, refused or broken."""

    had: int = 0
    fetched: int = 0
    missing: int = 0
    failed: int = 0


def preview_path(root: str | Path, md5: str) -> Path:
    """Return where the preview of a picture lies in the cache.

    >>> preview_path("previews", "abcd" + "0" * 28).as_posix()
    'previews/data/preview/ab/cd/abcd0000000000000000000000000000.jpg'
    """
    return Path(root) / _relative_path(md5)


def cached_preview(root: str | Path | None, md5: object) -> Path | None:
    """Return the place of a post's preview in the cache; None without a cache or an MD5.

    Parameters
    ----------
    root : the cache's directory; None if there is no cache.
    md5 : of the post's file. A post whose MD5 cannot be used has no picture.
    """
    usable = usable_md5(md5)
    return preview_path(root, usable) if root is not None and usable else None


def preview_url(static_url: str, md5: str) -> str:
    """Return the address of a preview at the site."""
    return f"{static_url.rstrip('/')}/{_relative_path(md5)}"


def _relative_path(md5: str) -> str:
    if not isinstance(md5, str) or not re.fullmatch(MD5, md5):
        raise BadInput(f"md5: got {md5!r}, expected 32 lower-case hex digits")
    return f"data/preview/{md5[:2]}/{md5[2:4]}/{md5}.jpg"


def static_host(site: str) -> str:
    """Return the host of a site's pictures, named as e621 names its own.

    >>> static_host("https://e621.net"), static_host("")
    ('https://static1.e621.net', '')
    """
    return site.replace("://", "://static1.", 1)


def read_missing(root: Path) -> set[str]:
    """Return the md5s that the site answered 404 for.

    A killed process may leave half a line, to which the next one is joined.
    Neither is an md5 then, so those previews are simply asked for again.
    """
    try:
        return set((root / MISSING).read_text("ascii", "replace").split())
    except FileNotFoundError:
        return set()


class PreviewFetcher:
    """A downloader of single previews, which notices when the site stops giving them.

    Several threads may share one, each with a client of its own.

    Parameters
    ----------
    root : the cache; each file in it is whole or absent.
    static_url : the site's host for pictures.

    Attributes
    ----------
    counts : of the calls to `fetch` so far.
    """

    def __init__(self, root: Path, static_url: str) -> None:
        self.root = root
        self.static_url = static_url
        self.counts = PreviewCounts()
        self._lock = threading.Lock()
        self._failed_in_a_row = 0
        self._missing: list[str] = []  # since a preview last came; not written down yet

    def fetch(self, client: Client, md5: str) -> FetchOutcome:
        """Download one preview into the cache and say how it went.

        Raises
        ------
        DownloadError : too many in a row failed or were missing, or the site wants a rest.
        OSError : the cache cannot be written.
        """
        outcome: FetchOutcome
        problem = ""
        try:
            page = client.read(preview_url(self.static_url, md5), PREVIEW_LIMIT)
            if page.status in (404, 410):
                outcome = "missing"
            else:
                _check_picture(page)
                path = preview_path(self.root, md5)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, page.body)
                outcome = "fetched"
        except DownloadError as error:
            if isinstance(error, AskedToWait):
                raise
            outcome, problem = "failed", str(error)

        with self._lock:
            self._count(md5, outcome, problem)
        return outcome

    def _count(self, md5: str, outcome: FetchOutcome, problem: str) -> None:
        if outcome == "failed":
            self.counts.failed += 1
            self._failed_in_a_row += 1
        elif outcome == "missing":
            self.counts.missing += 1
            self._failed_in_a_row = 0
            self._missing.append(md5)
        else:
            self.counts.fetched += 1
            self._failed_in_a_row = 0
            self.remember_missing()

        if self._failed_in_a_row >= FAILED_IN_A_ROW:
            raise DownloadError(
                f"{self._failed_in_a_row} previews in a row failed, the last: "
                f"{problem}; what came is kept: try again later"
            )
        # A wrong address is likelier than so many deleted posts: forget these.
        if len(self._missing) >= MISSING_IN_A_ROW:
            raise DownloadError(
                f"{self.static_url}: has none of {MISSING_IN_A_ROW} previews in a "
                "row: is this the site's host for pictures?"
            )

    def remember_missing(self) -> None:
        """Write the latest 404s to `missing.txt`, so that they are not asked for again.

        `fetch` does this when a preview came after them: the address is right then.
        """
        if self._missing:
            self.root.mkdir(parents=True, exist_ok=True)
            with open(self.root / MISSING, "a", encoding="ascii") as file:
                file.write("".join(f"{md5}\n" for md5 in self._missing))
            self._missing.clear()


def _check_picture(page: Page) -> None:
    if page.status != 200:
        raise DownloadError(f"{page.url}: got status {page.status}")
    if not _PICTURE_START.match(page.body):
        raise DownloadError(
            f"{page.url}: got {page.body[:8]!r}, expected a JPEG, PNG, WebP or GIF"
        )


def fetch_previews(
    md5s: Iterable[str],
    root: str | Path,
    static_url: str,
    user_agent: str | None = None,
    connections: int = CONNECTIONS,
    delay: float = 0.5,
    limit: int | None = None,
    minutes: float | None = None,
    **client_options: Any,
) -> PreviewCounts:
    """Fetch the previews that the cache lacks; a later call continues this one.

    It is for the caller to leave out posts that may not be shown.

    Parameters
    ----------
    md5s : of the pictures, in the order they are wanted.
    root : the cache; `missing.txt` in it lists what the site does not have.
    static_url : the site's host for pictures.
    user_agent : see `make_user_agent`; None takes it from the environment.
    connections : 1 or 2.
    delay : seconds between the starts of two requests, of all connections.
    limit : the most previews to ask for.
    minutes : after so many, no further request is begun.
    client_options : other patience than usual; see `Client`.

    Raises
    ------
    BadInput : before any request: a malformed md5, no contact, too many connections.
    DownloadError : the site does not answer, or the disk is full; what came is kept.
    """
    if connections not in range(1, CONNECTIONS + 1):
        raise BadInput(f"connections: got {connections}, expected 1 to {CONNECTIONS}")
    check_address(static_url)
    agent = make_user_agent(user_agent)
    fetcher = PreviewFetcher(Path(root), static_url)
    counts = fetcher.counts

    known_missing = read_missing(fetcher.root)
    wanted = []
    for md5 in dict.fromkeys(md5s):
        if preview_path(root, md5).is_file():
            counts.had += 1
        elif md5 in known_missing:
            counts.missing += 1
        else:
            wanted.append(md5)
    wanted = wanted[:limit]
    if not wanted:
        return counts

    pace = Pace(delay)
    options: dict[str, Any] = {"retries": 3, "backoff": 2.0} | client_options
    connections = min(connections, len(wanted))
    clients = [Client(agent, pace=pace, **options) for _ in range(connections)]
    deadline = time.monotonic() + 60 * (math.inf if minutes is None else minutes)
    queue = iter(wanted)
    lock, stop = threading.Lock(), threading.Event()

    def work(client: Client) -> None:
        while not stop.is_set() and time.monotonic() < deadline:
            with lock:
                md5 = next(queue, None)
            if md5 is None:
                return
            fetcher.fetch(client, md5)
            with lock:
                bar.update()

    bar = tqdm(desc="previews", total=len(wanted), unit="", disable=None)
    try:
        with bar, ThreadPoolExecutor(connections) as threads:
            futures = [threads.submit(work, client) for client in clients]
            try:
                for future in as_completed(futures):
                    future.result()
            finally:  # an interrupt, or an error in one thread, ends the other
                stop.set()
        fetcher.remember_missing()  # nothing went wrong, so the last 404s count as well
    except OSError as error:
        problem = error.strerror or error
        raise DownloadError(f"cannot write to {error.filename or root}: {problem}") from None
    return counts
