"""The preview cache: the site's path scheme, and a polite fetch of what is missing."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..errors import BadInput, DownloadError
from ..store.files import write_atomic
from .client import Client, Pace, make_user_agent

CONNECTIONS = 2  # the site's limit, as are two requests a second
MISSING = "missing.txt"  # under the root: md5s the site answered 404 for, one a line
MAX_BYTES = 2 << 20  # of one preview; a real one has a few tens of KB
FAILED_IN_A_ROW, MISSING_IN_A_ROW = 10, 100
_SIGNATURE = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP", re.DOTALL)


@dataclass
class PreviewCounts:
    """Pictures that were there, came, do not exist, and were refused or broken."""

    had: int = 0
    fetched: int = 0
    missing: int = 0
    failed: int = 0


def preview_path(root: str | Path, md5: str) -> Path:
    """Where the preview of a picture lies.

    >>> preview_path("previews", "abcd" + "0" * 28).as_posix()
    'previews/data/preview/ab/cd/abcd0000000000000000000000000000.jpg'
    """
    return Path(root) / _scheme(md5)


def preview_url(static: str, md5: str) -> str:
    """Its address at the site."""
    return f"{static.rstrip('/')}/{_scheme(md5)}"


def static_host(site: str) -> str:
    """The host of a site's pictures, as e621 has it.

    >>> static_host("https://e621.net"), static_host("")
    ('https://static1.e621.net', '')
    """
    return site.replace("://", "://static1.", 1)


def check_address(static_url: str) -> None:
    """Refuse what is no web address."""
    if not re.match(r"https?://[^/\s]", static_url):
        raise BadInput(f"got {static_url!r}, expected a web address such as https://host")


def _scheme(md5: str) -> str:
    if not isinstance(md5, str) or not re.fullmatch("[0-9a-f]{32}", md5):
        raise BadInput(f"md5: got {md5!r}, expected 32 lower-case hex digits")
    return f"data/preview/{md5[:2]}/{md5[2:4]}/{md5}.jpg"


def fetch_previews(
    md5s: Iterable[str],
    root: str | Path,
    static_url: str,
    user_agent: str | None = None,
    connections: int = CONNECTIONS,
    delay: float = 0.5,
    limit: int | None = None,
    minutes: float | None = None,
    progress: bool = True,
    **client_options: object,
) -> PreviewCounts:
    """Fetch the previews that the cache lacks; a later call continues where this one ended.

    Which posts these are is the caller's choice: no post that may not be shown belongs in `md5s`.

    Parameters
    ----------
    md5s : of the pictures, in the order they are wanted.
    root : the cache. Each file is whole or absent; `missing.txt` lists those the site has not.
    static_url : the site's host for pictures.
    user_agent : see `make_user_agent`; None: from the environment.
    connections : 1 or 2.
    delay : seconds between the starts of two requests, whichever connection makes them.
    limit, minutes : ask for so many at most, and begin none after so many minutes.
    client_options : for `Client`: patience other than the usual.

    Raises
    ------
    BadInput : before any request: an md5 that is none, no contact, too many connections.
    DownloadError : the site does not answer, or the disk does not take it; what came stays.
    """
    if connections not in range(1, CONNECTIONS + 1):
        raise BadInput(f"connections: got {connections}, expected 1 to {CONNECTIONS}")
    check_address(static_url)
    agent = make_user_agent(user_agent)
    root = Path(root)
    counts = PreviewCounts()
    known_missing = read_missing(root)
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
    options = {"retries": 3, "backoff": 2.0} | client_options
    clients = [
        Client(agent, pace=pace, **options) for _ in range(min(connections, len(wanted)))
    ]
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    with tqdm(
        desc="previews", total=len(wanted), unit="", disable=None if progress else True
    ) as bar:
        run = Run(root, static_url, counts, wanted, deadline, bar)
        try:
            with ThreadPoolExecutor(len(clients)) as threads:
                futures = [threads.submit(run.work, client) for client in clients]
                try:
                    for future in as_completed(futures):
                        future.result()
                finally:  # an interrupt, or an error in one thread, ends the others
                    run.stop.set()
            run.remember_missing()
        except OSError as error:
            problem = error.strerror or error
            raise DownloadError(
                f"cannot write to {error.filename or root}: {problem}"
            ) from None
    return counts


class Run:
    """What the threads of one fetch share; `work` is what each does, until `stop` is set.

    `wanted` may wait for the next md5; 404s are written down once something came after them.
    """

    def __init__(
        self,
        root: Path,
        static_url: str,
        counts: PreviewCounts,
        wanted: Iterable[str],
        deadline: float | None,
        bar: tqdm,
    ) -> None:
        self.root, self.static_url, self.counts, self.bar = root, static_url, counts, bar
        self.deadline = deadline
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._wanted: Iterator[str] = iter(wanted)
        self._failures = 0  # in a row
        self._unproven: list[str] = []  # 404s since something last came

    def work(self, client: Client) -> None:
        while not self.stop.is_set():
            if self.deadline is not None and time.monotonic() >= self.deadline:
                return
            with self._lock:
                md5 = next(self._wanted, None)
            if md5 is None:
                return
            try:
                problem = self._fetch(client, md5)
            except DownloadError as error:
                problem = str(error)
            with self._lock:
                self._tally(md5, problem)

    def _fetch(self, client: Client, md5: str) -> str | None:
        """None when it is there now, '' when the site has none, otherwise what was wrong."""
        url = preview_url(self.static_url, md5)
        page = client.read(url, MAX_BYTES)
        if page.status in (404, 410):
            return ""
        if page.status != 200:
            return f"{url}: got status {page.status}"
        if not _SIGNATURE.match(page.body):
            return f"{url}: got {page.body[:8]!r}, expected a JPEG, PNG, WebP or GIF"
        path = preview_path(self.root, md5)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, page.body)
        return None

    def _tally(self, md5: str, problem: str | None) -> None:
        self.bar.update()
        if problem is None:
            self.counts.fetched += 1
            self._failures = 0
            self.remember_missing()
        elif not problem:
            self.counts.missing += 1
            self._failures = 0
            self._unproven.append(md5)
        else:
            self.counts.failed += 1
            self._failures += 1
        if self._failures >= FAILED_IN_A_ROW:
            raise DownloadError(
                f"{self._failures} previews in a row failed, the last: {problem}; what came "
                "is kept: try again later"
            )
        if len(self._unproven) >= MISSING_IN_A_ROW:
            # rather a wrong address than so many deleted posts, so they are not remembered
            raise DownloadError(
                f"{self.static_url}: has none of {MISSING_IN_A_ROW} previews in a row: is this "
                "the site's host for pictures?"
            )

    def remember_missing(self) -> None:
        """Write down the 404s, once something came after them or the run ends undisturbed."""
        if self._unproven:
            self.root.mkdir(parents=True, exist_ok=True)
            with open(self.root / MISSING, "a", encoding="ascii") as file:
                file.write("".join(f"{md5}\n" for md5 in self._unproven))
            self._unproven.clear()


def read_missing(root: Path) -> set[str]:
    """A line cut short by a kill is no md5 and never looked up; one glued to it is asked again."""
    try:
        return set((root / MISSING).read_text("ascii", "replace").split())
    except FileNotFoundError:
        return set()
