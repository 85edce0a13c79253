"""The talks of many users over one graph: what a web page or a messenger puts its messages into."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnknownPost
from .conversation import Conversation
from .messages import COMMANDS, Completion, Picture, Reply, Taste
from .profiles import Profiles

if TYPE_CHECKING:
    from ..recommend.board import PostInfo
    from ..recommend.postgraph import PostGraph

OPEN = 1000  # talks kept in memory; a later message of one that went begins a new one
BURST, WINDOW = 60, 60.0  # messages a user may send in so many seconds


@dataclass
class _Talk:
    conversation: Conversation
    lock: threading.Lock = field(default_factory=threading.Lock)
    times: deque = field(default_factory=lambda: deque(maxlen=BURST))


class Sessions:
    """A talk for each user; calls may come from any thread, one user's are answered in turn.

    Parameters
    ----------
    make : user → their `Conversation`. clock : seconds, monotonic. commands : what /help tells of.
    fetch : has the preview of a shown post fetched, and says whether it is coming.
    """

    def __init__(
        self,
        graph: PostGraph,
        profiles: Profiles,
        previews: str | Path | None = None,
        make: Callable[[str], Conversation] | None = None,
        clock: Callable[[], float] = time.monotonic,
        commands: Mapping[str, tuple[str, str]] = COMMANDS,
        fetch: Callable[[PostInfo], bool] | None = None,
    ) -> None:
        self._graph, self._previews, self._clock, self._fetch = graph, previews, clock, fetch
        self._make = make or (
            lambda user: Conversation(self._graph, profiles, user, previews, commands)
        )
        self._talks: OrderedDict[str, _Talk] = OrderedDict()
        self._lock = threading.Lock()

    def reply(self, user: str, message: str | Picture) -> list[Reply]:
        """Answer one message of one user; too many in a short time get one line."""
        talk = self._talk(user)
        with talk.lock:
            now = self._clock()
            if len(talk.times) == BURST and now - talk.times[0] < WINDOW:
                wait = WINDOW - (now - talk.times[0])
                return [Reply(f"That is too fast for me: try again in {wait:.0f} seconds.")]
            talk.times.append(now)
            replies = talk.conversation.reply(message)
        for reply in replies:
            if self._fetch and reply.post:
                reply.coming = self._fetch(reply.post)
        return replies

    def renew(self, graph: PostGraph) -> None:
        """Go on with another graph; each talk changes over between two of its messages."""
        with self._lock:
            self._graph, talks = graph, list(self._talks.values())
        for talk in talks:
            with talk.lock:
                talk.conversation.renew(graph)

    def taste(self, user: str) -> Taste:
        """What is known of a user."""
        talk = self._talk(user)
        with talk.lock:
            return talk.conversation.taste()

    def complete(self, prefix: str, n: int = 8) -> list[Completion]:
        """Tags that begin so, the most used first."""
        return [Completion(*found) for found in self._graph.complete(prefix, n)]

    def visible(self, post_id: int) -> PostInfo | None:
        """A post, if it may be shown."""
        try:
            return self._graph.describe(post_id)
        except UnknownPost:
            return None

    def thumbnail(self, post: PostInfo) -> bytes | None:
        """The bytes of a post's preview, None where the cache has none."""
        from ..hydrate.previews import preview_path

        if self._previews is None:
            return None
        try:
            return preview_path(self._previews, post.md5).read_bytes()
        except OSError:
            return None

    def _talk(self, user: str) -> _Talk:
        with self._lock:
            if user not in self._talks:
                self._talks[user] = _Talk(self._make(user))
                while len(self._talks) > OPEN:
                    self._talks.popitem(last=False)
            self._talks.move_to_end(user)
            return self._talks[user]
