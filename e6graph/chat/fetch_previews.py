"""Fetch the previews of posts that are shown, one request a second at most, in a thread."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput, E6GraphError
from ..hydrate.client import Client, Pace, make_user_agent
from ..hydrate.previews import PreviewFetcher, check_address, preview_path, read_missing

if TYPE_CHECKING:
    from ..recommend.board import PostInfo

WAITING = 60  # previews that wait for their turn; when there are more, the oldest go without
IN_VAIN = 1000  # the latest that the site did not give; they are not asked for again
REST = 600.0  # seconds without a request after many failures or a disk that is full
DELAY = 1.0  # seconds between the starts of two requests
PATIENCE = {"retries": 1, "backoff": 2.0, "longest_wait": 60.0, "timeout": (5.0, 10.0)}
log = logging.getLogger(__name__)


class Fetcher:
    """One connection to the site, for the previews that a talk needs; `close` ends it.

    Parameters
    ----------
    root : the preview cache. static_url : the site's host for pictures.
    user_agent : see `make_user_agent`. delay : seconds between two requests.
    client_options : for `Client`: patience other than `PATIENCE`.

    Raises
    ------
    BadInput : no host, or no contact.
    """

    def __init__(
        self,
        root: str | Path,
        static_url: str,
        user_agent: str | None = None,
        delay: float = DELAY,
        **client_options: object,
    ) -> None:
        if not static_url:
            raise BadInput("this board has no site to fetch previews from: give --static-url")
        check_address(static_url)
        agent, pace = make_user_agent(user_agent), Pace(delay)
        self._client = Client(agent, pace=pace, **(PATIENCE | client_options))
        self._root, self._static_url = Path(root), static_url
        self._missing = read_missing(self._root)
        self._changed = threading.Condition()
        self._queue: deque[str] = deque(maxlen=WAITING)  # md5s
        self._in_hand: str | None = None
        self._in_vain: deque[str] = deque(maxlen=IN_VAIN)
        self._resting, self._closed = False, threading.Event()
        self._thread = threading.Thread(target=self._work, name="previews", daemon=True)
        self._thread.start()

    def want(self, post: PostInfo) -> bool:
        """Fetch the preview of a post that is being shown; whether it is on its way.

        Of no other post: that it may be shown is for the board that it came from to say.
        """
        md5 = post.md5
        if preview_path(self._root, md5).is_file() or md5 in self._missing:
            return False
        with self._changed:
            if self._resting or md5 in self._in_vain:
                return False
            if md5 != self._in_hand and md5 not in self._queue:
                self._queue.append(md5)
                self._changed.notify()
        return True

    def close(self) -> None:
        """Ask for nothing more; a request under way is not waited for long."""
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
                log.warning("no previews are fetched for %.0f minutes: %s", REST / 60, error)
                with self._changed:
                    self._resting, self._in_hand = True, None
                    self._queue.clear()
                self._closed.wait(REST)
                self._resting = False

    def _wanted(self) -> Iterator[str]:
        """What is asked for, one after the other; the next is due when the last has come."""
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
                    self._in_vain.append(self._in_hand)
                self._in_hand = None
