"""The talks of many users over one graph, for a web page or a messenger."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadInput, UnknownPost
from ..hydrate.previews import cached_preview
from ..pictures import PictureReader
from .commands import COMMANDS, Command
from .conversation import Conversation
from .fetch_favorites import FavoritesFetcher
from .messages import CompletedTag, Picture, Reply, Taste, TextFile
from .profiles import Profiles

if TYPE_CHECKING:
    from ..recommend import PostGraph, PostInfo

OPEN_TALKS = 1000  # kept in memory; a user whose talk was dropped begins a new one
NEWCOMERS = 1000  # who have sent one message so far
NEWCOMERS_SIZE = 16_000_000  # characters of their messages, which may be long lists
IDLE_SECONDS = 3600.0  # after which a talk is the first to be dropped
BURST_MESSAGES = 60  # that a user may send in BURST_SECONDS
BURST_SECONDS = 60.0


@dataclass
class _Talk:
    """A user's talk.

    Attributes
    ----------
    new : whether the user has not come back yet, so that nothing is in the file.
    messages, used : how many there were, and when the last came.
    size : characters or bytes of a newcomer's message.
    """

    conversation: Conversation
    new: bool
    messages: int = 0
    used: float = 0.0
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    times: deque[float] = field(default_factory=lambda: deque(maxlen=BURST_MESSAGES))


class Sessions:
    """A talk with each user, for calls from any thread; one user's take turns.

    Parameters
    ----------
    graph, profiles, previews, commands, fetch : see `Conversation`.
    clock : seconds, monotonic.
    reader : reads the pictures that users send; by default one of its own.
    favorites : see `Conversation`.

    Attributes
    ----------
    on_trust : whether a new user's first message is kept in the file at once. False is
        for places where anybody can be a new user with each message. Then what the
        first one says waits in memory until a second shows that they are here, and
        those who sent only one drop nobody else's talk.
    delivers : whether the front end sends what `deliver` says to those who are `due`.
    """

    def __init__(
        self,
        graph: PostGraph,
        profiles: Profiles,
        previews: str | Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        commands: Mapping[str, Command] = COMMANDS,
        fetch: Callable[[PostInfo], bool] | None = None,
        reader: PictureReader | None = None,
        favorites: FavoritesFetcher | None = None,
    ) -> None:
        self._graph = graph
        self._profiles = profiles
        self._lobby = Profiles(None)  # of newcomers
        self._previews = previews
        self._clock = clock
        self._reader = reader or PictureReader()
        self.on_trust = True
        self.delivers = False
        self._make = lambda user, profiles: Conversation(
            self._graph,
            profiles,
            user,
            previews,
            commands,
            fetch,
            partial(self._look, user),
            favorites,
            self.delivers,
        )
        self._talks: OrderedDict[str, _Talk] = OrderedDict()
        # A newcomer whose talk has nothing to remember is known by name alone.
        self._newcomers: OrderedDict[str, _Talk | None] = OrderedDict()
        self._lock = threading.Lock()

    def reply(self, user: str, message: str | Picture | TextFile) -> list[Reply]:
        """Answer one message of one user; ask them to wait if they send too many."""
        talk = self._talk(user)
        with talk.lock:
            now = talk.used = self._clock()
            if len(talk.times) == BURST_MESSAGES and now - talk.times[0] < BURST_SECONDS:
                wait = BURST_SECONDS - (now - talk.times[0])
                return [Reply(f"That is too fast for me: try again in {wait:.0f} seconds.")]
            talk.times.append(now)
            talk.messages += 1
            if not talk.new:
                return talk.conversation.reply(message)
            if talk.messages > 1:
                return [*self._welcome_back(user, talk), *talk.conversation.reply(message)]
            try:
                return talk.conversation.reply(message)
            finally:
                talk.size = _size(message)
                self._let_wait(user, talk)

    def due(self) -> list[str]:
        """Return the users of /daily to whom `deliver` may have something to say now."""
        newest = self._graph.newest
        return [] if newest is None else self._profiles.due(newest)

    def deliver(self, user: str) -> list[Reply]:
        """Say once what is new to a user who is due; it counts as said before it is returned."""
        talk = self._talk(user)
        with talk.lock:  # between two messages, one of which may be /forget
            graph = self._graph
            since = None if graph.newest is None else self._profiles.claim(user, graph.newest)
            if since is None:
                return []
            talk.conversation.renew(graph)
            return talk.conversation.deliver(since)

    def end_daily(self, user: str) -> None:
        """Send nothing more each day to a user who cannot be written to."""
        self._profiles.set_daily(user, None)

    def renew(self, graph: PostGraph) -> None:
        """Go on with another graph, in each talk between two messages."""
        with self._lock:
            self._graph = graph
            talks = [*self._talks.values(), *filter(None, self._newcomers.values())]
        for talk in talks:
            with talk.lock:
                talk.conversation.renew(graph)

    def taste(self, user: str) -> Taste:
        """Return what is known about a user's taste."""
        with self._lock:
            talk = self._talks.get(user) or self._newcomers.get(user)
        if talk is None:  # a question makes nobody a user
            return self._make(user, self._profiles).taste()
        with talk.lock:
            return talk.conversation.taste()

    def complete(self, prefix: str, n: int = 8) -> list[CompletedTag]:
        """Return tags that begin with `prefix`, the most used first."""
        return [CompletedTag(*found) for found in self._graph.complete(prefix, n)]

    def visible(self, post_id: int) -> PostInfo | None:
        """Return a post if it may be shown."""
        try:
            return self._graph.describe(post_id)
        except UnknownPost:
            return None

    def thumbnail(self, post: PostInfo) -> bytes | None:
        """Return a post's preview; None if the cache does not have it."""
        path = cached_preview(self._previews, post.md5)
        try:
            return path.read_bytes() if path else None
        except OSError:
            return None

    def _talk(self, user: str) -> _Talk:
        """Return a user's talk; a newcomer's is not among the others yet."""
        with self._lock:
            if talk := self._talks.get(user):
                self._talks.move_to_end(user)
                return talk
            came_before = user in self._newcomers
            if talk := self._newcomers.get(user):
                return talk

        # The file may be slow, so nobody else waits for it.
        known = came_before or self.on_trust or self._profiles.knows(user)
        profiles = self._profiles if known else self._lobby
        talk = _Talk(self._make(user, profiles), new=not known, used=self._clock())
        with self._lock:
            if known:
                self._newcomers.pop(user, None)
                talk = self._talks.setdefault(user, talk)
                self._drop_one_too_many(user)
        return talk

    def _let_wait(self, user: str, talk: _Talk) -> None:
        """Remember a newcomer until they come back, or too many others came."""
        remembers = talk.conversation.begun or self._lobby.knows(user)
        with self._lock:
            self._newcomers[user] = talk if remembers else None
            size = sum(one.size for one in self._newcomers.values() if one)
            gone = []
            while len(self._newcomers) > (NEWCOMERS if size <= NEWCOMERS_SIZE else 1):
                name, oldest = self._newcomers.popitem(last=False)
                size -= oldest.size if oldest else 0
                gone.append(name)
        for name in gone:
            self._lobby.drop_user(name)

    def _welcome_back(self, user: str, talk: _Talk) -> list[Reply]:
        """Keep in the file what a newcomer's first message said; tell where that fails."""
        said = []
        try:
            self._lobby.move(user, self._profiles)
        except BadInput as error:  # no place for another user
            self._lobby.drop_user(user)
            said.append(Reply(str(error)))
        talk.conversation.keep_in(self._profiles)
        talk.new = False
        with self._lock:
            self._newcomers.pop(user, None)
            self._talks[user] = talk
            self._drop_one_too_many(user)
        return said

    def _drop_one_too_many(self, latest: str) -> None:
        """Drop the talk that is missed least, beside the latest user's.

        That is one which was idle for long, or else one with nothing to remember, or
        else the shortest: many users who say little must not drop those who talk.
        """
        if len(self._talks) <= OPEN_TALKS:
            return
        idle_since = self._clock() - IDLE_SECONDS

        def worth(user: str) -> tuple[bool, bool, int, float]:
            talk = self._talks[user]
            awake = talk.used > idle_since
            return awake, talk.conversation.begun, talk.messages if awake else 0, talk.used

        del self._talks[min((user for user in self._talks if user != latest), key=worth)]

    def _look(self, user: str, data: bytes) -> np.ndarray:
        """Read a picture; all newcomers count as one sender."""
        with self._lock:
            talk = self._talks.get(user)
        sender = user if talk else "newcomers"
        return self._reader.read(data, sender, self._graph.encoder)


def _size(message: str | Picture | TextFile) -> int:
    """Return how much of a message may be kept; nothing is of a picture."""
    if isinstance(message, Picture):
        return 0
    return len(message if isinstance(message, str) else message.data)
