"""Fetch the previews of posts that are shown: one request a second, in a thread."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, E6GraphError
from ..hydrate.client import AskedToWait, Client, Pace, make_user_agent
from ..hydrate.previews import (
    PreviewFetcher,
    cached_preview,
    check_address,
    preview_path,
    read_missing,
)
from ..store.parquet import usable_md5

if TYPE_CHECKING:
    from ..recommend.board import PostInfo

QUEUE_LENGTH = 60  # previews; when more are wanted, the oldest of them are not fetched
REMEMBERED_FAILURES = (
    1000  # previews that the site did not give and that are not asked for again
)
REST = 600.0  # seconds without a request after many failures, a full disk or a wish to wait
REQUEST_DELAY = 1.0  # seconds between the starts of two requests
CLIENT_OPTIONS = {"retries": 1, "backoff": 2.0, "longest_wait": 60.0, "timeout": (5.0, 10.0)}
log = logging.getLogger(__name__)


class Fetcher:
    """One connection to the site, for the previews that a talk needs; `close` ends it.

    Parameters
    ----------
    root : the preview cache.
    static_url : the site's host for pictures.
    user_agent : see `make_user_agent`.
    delay : seconds between the starts of two requests.
    client_options : for `Client`, in place of those in `CLIENT_OPTIONS`.

    Raises
    ------
    BadInput : there is no host or no contact.
    """

    def __init__(
        self,
        root: str | Path,
        static_url: str,
        user_agent: str | None = None,
        delay: float = REQUEST_DELAY,
        **client_options: Any,
    ) -> None:
        if not static_url:
            raise BadInput("this board has no site to fetch previews from: give --static-url")
        check_address(static_url)
        options: dict[str, Any] = CLIENT_OPTIONS | client_options
        self._client = Client(make_user_agent(user_agent), pace=Pace(delay), **options)
        self._root = Path(root)
        self._static_url = static_url
        self._missing = read_missing(self._root)
        self._changed = threading.Condition()
        self._queue: deque[str] = deque(maxlen=QUEUE_LENGTH)  # md5s
        self._in_hand: str | None = None  # the md5 that is being fetched
        self._failed: deque[str] = deque(maxlen=REMEMBERED_FAILURES)  # md5s
        self._resting = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="previews", daemon=True)
        self._thread.start()

    def want(self, post: PostInfo) -> bool:
        """Fetch the preview of a post being shown; return whether it is coming.

        Call this for posts that a board has handed out and for no others: the
        board is what decides that a post may be shown.
        """
        md5, path = usable_md5(post.md5), cached_preview(self._root, post.md5)
        if path is None or path.is_file() or md5 in self._missing:
            return False
        with self._changed:
            if self._resting or md5 in self._failed:
                return False
            if md5 != self._in_hand and md5 not in self._queue:
                self._queue.append(md5)
                self._changed.notify()
        return True

    def close(self) -> None:
        """Ask for nothing more; wait a second at most for a request under way."""
        self._closed.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(1.0)

    def _work(self) -> None:
        while not self._closed.is_set():
            previews = PreviewFetcher(self._root, self._static_url)
            try:
                for md5 in self._wanted():
                    previews.fetch(self._client, md5)
            except (E6GraphError, OSError) as error:
                rest = REST
                if isinstance(error, AskedToWait):
                    rest = min(max(REST, error.seconds), threading.TIMEOUT_MAX)
                log.warning("no previews are fetched for %.0f minutes: %s", rest / 60, error)
                with self._changed:
                    self._resting, self._in_hand = True, None
                    self._queue.clear()
                self._closed.wait(rest)
                self._resting = False

    def _wanted(self) -> Iterator[str]:
        """Yield each md5 that is wanted, the next when the last was fetched."""
        while True:
            with self._changed:
                while not (self._queue or self._closed.is_set()):
                    self._changed.wait()
                if self._closed.is_set():
                    return
                self._in_hand = self._queue.popleft()
            yield self._in_hand
            with self._changed:
                if not preview_path(self._root, self._in_hand).is_file():
                    self._failed.append(self._in_hand)
                self._in_hand = None
