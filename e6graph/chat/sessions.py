"""The talks of many users over one graph, for a web page or a messenger."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnknownPost
from ..hydrate.previews import cached_preview
from .conversation import Conversation
from .messages import COMMANDS, Command, CompletedTag, Picture, Reply, Taste, TextFile
from .profiles import Profiles

if TYPE_CHECKING:
    from ..recommend import PostGraph, PostInfo

OPEN_TALKS = 1000  # kept in memory; a user whose talk was dropped begins a new one
BURST_MESSAGES = 60  # that a user may send in BURST_SECONDS
BURST_SECONDS = 60.0


@dataclass
class _Talk:
    conversation: Conversation
    lock: threading.Lock = field(default_factory=threading.Lock)
    times: deque[float] = field(default_factory=lambda: deque(maxlen=BURST_MESSAGES))


class Sessions:
    """A talk with each user, for calls from any thread; one user's take turns.

    Parameters
    ----------
    graph, profiles, previews, commands, fetch : see `Conversation`.
    clock : seconds, monotonic.
    """

    def __init__(
        self,
        graph: PostGraph,
        profiles: Profiles,
        previews: str | Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        commands: Mapping[str, Command] = COMMANDS,
        fetch: Callable[[PostInfo], bool] | None = None,
    ) -> None:
        self._graph = graph
        self._previews = previews
        self._clock = clock
        self._make = lambda user: Conversation(
            self._graph, profiles, user, previews, commands, fetch
        )
        self._talks: OrderedDict[str, _Talk] = OrderedDict()
        self._lock = threading.Lock()

    def reply(self, user: str, message: str | Picture | TextFile) -> list[Reply]:
        """Answer one message of one user; ask them to wait if they send too many."""
        talk = self._talk(user)
        with talk.lock:
            now = self._clock()
            if len(talk.times) == BURST_MESSAGES and now - talk.times[0] < BURST_SECONDS:
                wait = BURST_SECONDS - (now - talk.times[0])
                return [Reply(f"That is too fast for me: try again in {wait:.0f} seconds.")]
            talk.times.append(now)
            return talk.conversation.reply(message)

    def renew(self, graph: PostGraph) -> None:
        """Go on with another graph, in each talk between two messages."""
        with self._lock:
            self._graph = graph
            talks = list(self._talks.values())
        for talk in talks:
            with talk.lock:
                talk.conversation.renew(graph)

    def taste(self, user: str) -> Taste:
        """Return what is known about a user's taste."""
        talk = self._talk(user)
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
        with self._lock:
            if user not in self._talks:
                self._talks[user] = _Talk(self._make(user))
                while len(self._talks) > OPEN_TALKS:
                    self._talks.popitem(last=False)
            self._talks.move_to_end(user)
            return self._talks[user]
