"""Fetch favorites by name while the talk goes on: one person's after the other's, in a thread."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput, E6GraphError
from ..hydrate.client import Client, make_user_agent
from ..hydrate.favorites import DOWNLOADS, Dropped, Stopped, check_name, fetch_favorites

WAITING_FETCHES = 20  # beside the one in hand; more are refused
FETCH_AGAIN = 3600.0  # seconds between two fetches for one user of a bot that is open to others
RETRY_AFTER = 60.0  # seconds, the same after one that failed: a name is soon mistyped
REMEMBERED_USERS = 1000  # whose last fetch is remembered
UNHEARD_RESULTS = 100  # of users who have not come back; the oldest are dropped
log = logging.getLogger(__name__)


@dataclass
class Fetch:
    """Somebody's favorites, as they are fetched for a user.

    Attributes
    ----------
    user, name : who asked for them, and whose they are on the site.
    post_ids : of all of them, the newest first; empty until the last page came.
    problem : why they did not come, "" if they did.
    so_far, of : how many came, and how many there are if the site says it.
    wanted : False once the user gave them up.
    """

    user: str
    name: str
    post_ids: list[int] = field(default_factory=list)
    problem: str = ""
    so_far: int = 0
    of: int | None = None
    wanted: bool = True


class FavoritesFetcher:
    """One connection to the site, for favorites by name; `close` ends it.

    Parameters
    ----------
    site : the board's site, "" if it has none.
    user_agent : see `make_user_agent`.
    own : whether the user is the operator: they may have their own hidden favorites
        (see `fetch_favorites`), and fetch as often as they like.
    into : where pages are kept meanwhile.
    make_client : makes what asks the site, from the User-Agent.
    """

    def __init__(
        self,
        site: str,
        user_agent: str | None = None,
        own: bool = False,
        into: str | Path = DOWNLOADS,
        make_client: Callable[[str], Client] = Client,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site, self._agent, self._own, self._into = site, user_agent, own, into
        self._make_client, self._clock = make_client, clock
        self._changed = threading.Condition()
        self._queue: deque[Fetch] = deque()
        self._in_hand: Fetch | None = None
        self._done: OrderedDict[str, Fetch] = OrderedDict()  # by user
        self._began: OrderedDict[str, float] = OrderedDict()  # by user
        self._closed = False
        self._thread: threading.Thread | None = None

    def want(self, user: str, name: str) -> None:
        """Begin to fetch somebody's favorites for a user.

        Raises
        ------
        BadInput : no contact, no site, not a name; or the user must wait.
        """
        name = check_name(name)
        agent = make_user_agent(self._agent)
        if not self._site:
            raise BadInput("this board has no site to fetch favorites from: send a file")
        with self._changed:
            if under_way := self._of(user):
                raise BadInput(f"I am still fetching the favorites of {under_way.name}")
            now = self._clock()
            left = self._began.get(user, now - FETCH_AGAIN) + FETCH_AGAIN - now
            if left > 0 and not self._own:
                raise BadInput(
                    f"I asked the site for you before: again in {math.ceil(left / 60)} min"
                )
            if len(self._queue) >= WAITING_FETCHES:
                raise BadInput("too many wait for their favorites: try again later")
            self._began[user] = now
            self._began.move_to_end(user)
            while len(self._began) > REMEMBERED_USERS:
                self._began.popitem(last=False)
            self._queue.append(Fetch(user, name))
            self._changed.notify_all()
            if self._thread is None:
                work = threading.Thread(
                    target=self._work, args=(agent,), name="favorites", daemon=True
                )
                self._thread = work
                work.start()

    def under_way(self, user: str) -> Fetch | None:
        """Return the fetch for a user that has not ended."""
        with self._changed:
            return self._of(user)

    def wait(self, user: str) -> None:
        """Wait until the fetch for a user has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._of(user) is None)

    def take(self, user: str) -> Fetch | None:
        """Return what was fetched for a user, once."""
        with self._changed:
            return self._done.pop(user, None)

    def give_up(self, user: str) -> None:
        """Drop what a user wanted."""
        with self._changed:
            self._done.pop(user, None)
            if fetch := self._of(user):
                fetch.wanted = False

    def close(self) -> None:
        """Ask for nothing more; wait a second at most for a request under way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join(1.0)

    def _of(self, user: str) -> Fetch | None:
        fetches = [*self._queue, *([self._in_hand] if self._in_hand else [])]
        return next((one for one in fetches if one.user == user and one.wanted), None)

    def _work(self, agent: str) -> None:
        client = self._make_client(agent)
        while True:
            with self._changed:
                while not (self._queue or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                fetch = self._in_hand = self._queue.popleft()
            self._fetch(client, fetch)
            with self._changed:
                self._in_hand = None
                if fetch.problem:
                    self._began[fetch.user] = self._clock() - FETCH_AGAIN + RETRY_AFTER
                if fetch.wanted:
                    self._done[fetch.user] = fetch
                while len(self._done) > UNHEARD_RESULTS:
                    self._done.popitem(last=False)
                self._changed.notify_all()

    def _fetch(self, client: Client, fetch: Fetch) -> None:
        def progress(so_far: int, of: int | None) -> None:
            fetch.so_far, fetch.of = so_far, of
            if not fetch.wanted:
                raise Dropped("nobody wants it any more")
            if self._closed:
                raise Stopped("told to end")

        try:
            if fetch.wanted:
                fetch.post_ids = fetch_favorites(
                    fetch.name,
                    self._site,
                    self._into,
                    client=client,
                    own=self._own,
                    progress=progress,
                )
        except E6GraphError as error:
            fetch.problem = str(error)
        except OSError as error:  # the pages cannot be written
            fetch.problem = f"the pages cannot be kept: {error.strerror}"
        except Exception:  # others wait for theirs
            log.exception("favorites cannot be fetched")
            fetch.problem = "something unexpected went wrong here"
