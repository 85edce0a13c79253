"""One user's talk with the recommender: a message goes in, replies come out, no I/O.

Everything that may count later is kept in the profile at once; this object only remembers what was
shown last and whether a question is open.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput, UnknownPost, UnknownTag
from ..recommend.personal import Profile
from . import messages
from .messages import (
    COMMANDS,
    MESSAGE_LIMIT,
    Completion,
    Picture,
    Reply,
    Taste,
    count,
    did_you_mean,
    names_in,
)
from .profiles import Profiles
from .taste import Keeping
from .tour import Tour
from .user import Person

if TYPE_CHECKING:
    from ..recommend.postgraph import PostGraph


class Conversation:
    """A talk of one user.

    Parameters
    ----------
    graph : what recommends; its settings decide what may be seen.
    profiles : where the user's taste is kept.
    user : the user's key there, unique over all front ends.
    previews : root of the previews, for `Reply.picture`.
    commands : what /help tells of, where a front end has ways of its own.

    Attributes
    ----------
    ended : whether the user has said goodbye.
    """

    def __init__(
        self,
        graph: PostGraph,
        profiles: Profiles,
        user: str,
        previews: str | Path | None = None,
        commands: Mapping[str, tuple[str, str]] = COMMANDS,
    ) -> None:
        self._person = Person(graph, profiles, user, previews)
        self._keeping, self._tour = Keeping(self._person), Tour(self._person)
        self._told, self._asked_to_forget = commands, False
        self.ended = False
        tour, keeping = self._tour, self._keeping
        self._commands: dict[str, Callable] = {
            "start": self._welcome,
            "help": self._help,
            "about": self._about,
            "quit": self._quit,
            "walk": tour.walk,
            "skip": tour.skip,
            "stop": tour.stop,
            "surprise": tour.surprise,
            "more": tour.more,
            "like": tour.like,
            "dislike": tour.dislike,
            "why": tour.why,
            "picture": self._no_picture,
            "enjoy": keeping.enjoy,
            "avoid": keeping.avoid,
            "drop": keeping.drop,
            "taste": keeping.taste,
            "blacklist": keeping.blacklist,
            "rating": keeping.rating,
            "export": keeping.export,
            "forget": self._forget,
        }

    def reply(self, message: str | Picture) -> list[Reply]:
        """Answer one message; an error that the user can mend is an answer too.

        Raises
        ------
        E6GraphError : what only the operator can mend, such as a missing artifact.
        """
        replies = []
        asked, self._asked_to_forget = self._asked_to_forget, False
        command = isinstance(message, Picture) or message.lstrip().startswith("/")
        try:
            if asked:
                if not command and message.strip().lower() == "yes":
                    return [self._forget_now()]
                replies.append(Reply("Nothing was deleted."))
            if command or not asked:
                replies += self._answer(message)
        except (BadInput, UnknownTag, UnknownPost) as error:
            replies.append(Reply(" ".join(str(error).split())))
        return replies

    def renew(self, graph: PostGraph) -> None:
        """Go on with another graph, between two messages."""
        self._person.board = graph

    def taste(self) -> Taste:
        """What is known of the user."""
        return self._keeping.known()

    def complete(self, prefix: str, n: int = 8) -> list[Completion]:
        """Tags that begin with what was typed, the most used first, of posts the user may see."""
        return [Completion(*found) for found in self._person.graph().complete(prefix, n)]

    def _answer(self, message: str | Picture) -> list[Reply]:
        if isinstance(message, Picture):
            return self._tour.follow(message)
        if len(message) > MESSAGE_LIMIT:
            raise BadInput(
                f"{len(message):,} characters are too many: {MESSAGE_LIMIT:,} at most"
            )
        words = messages.clean(message).split()
        if not words:
            return []
        if not words[0].startswith("/"):
            return self._plain(words)
        name, rest = words[0][1:].lower(), words[1:]
        name = {"welcome": "start"}.get(name, name)
        if name not in self._commands:
            near = difflib.get_close_matches(name, COMMANDS, 2) or ["help"]
            choices = [f"/{found}" for found in near]
            line = f"No command {words[0]!r}. Did you mean {' or '.join(choices)}?"
            return [Reply(line, choices=choices)]
        if not COMMANDS[name][0]:
            if rest:
                return [Reply(f"/{name} takes nothing after it; got {' '.join(rest)!r}.")]
            return self._commands[name]()
        if name in ("enjoy", "avoid", "drop"):
            self._tour.taste_changed()
        return self._commands[name](rest)

    def _plain(self, words: Sequence[str]) -> list[Reply]:
        """Words without a command: tags if all of them are, otherwise a hint."""
        names = names_in(words)
        known, unknown = self._person.resolve(names)
        if names and not unknown:
            self._tour.taste_changed()
            return self._keeping.enjoy(names)
        post_id = messages.post_id_in(words[0])
        if len(words) == 1 and post_id is not None:
            hint = f"/like {post_id}"
            return [Reply(f"To say that you like that post: {hint}", choices=[hint])]
        lines = [
            "I understand tags and commands; /help lists them.",
            *did_you_mean(unknown, self._person.near),
        ]
        choices = [f"/enjoy {' '.join(known)}"] if known else ["/walk", "/help"]
        if known:
            lines.append(f"The others I know: {choices[0]}")
        return [Reply("\n".join(lines), choices=choices)]

    # -- what needs no board ---------------------------------------------------------------------
    def _welcome(self) -> list[Reply]:
        lines = [
            "I show you posts of this board, one at a time, and learn what you like.",
            "Name some tags you enjoy, or send a picture; then /walk.",
            "/taste shows what I keep of you, /forget deletes it, /help lists the rest.",
        ]
        return [Reply("\n".join(lines), choices=["/surprise", "/help"])]

    def _help(self) -> list[Reply]:
        return [Reply(messages.help_text(self._told))]

    def _about(self) -> list[Reply]:
        board = self._person.board
        lines = [
            "e6graph recommends posts of a tagged image board from its daily export.",
            f"This board: {board.allowed.sum():,} posts of rating {' '.join(board.ratings)}"
            + (f", from {board.posts.site}." if board.posts.site else "."),
            "Kept of you: the tags you name, the posts shown and your opinion of them, in one file",
            "of whoever runs this bot. Pictures you send are not kept. /export, /forget.",
        ]
        return [Reply("\n".join(lines))]

    def _quit(self) -> list[Reply]:
        self.ended = True
        return [Reply("Goodbye.", ended=True)]

    def _no_picture(self, words: Sequence[str]) -> list[Reply]:
        return [Reply("Expected a picture, which is read where you are: /picture PATH")]

    def _forget(self) -> list[Reply]:
        profile = self._person.profile()
        if profile == Profile():
            return [Reply("Nothing is kept of you.")]
        self._asked_to_forget = True
        tags = count([*profile.enjoys, *profile.avoids], "tag")
        line = f"Delete {tags} and {count(profile.seen, 'post')}, all that is kept of you? Type yes;"
        return [Reply(f"{line} anything else keeps it.", choices=["yes", "no"])]

    def _forget_now(self) -> Reply:
        gone = self._person.profiles.forget(self._person.user)
        self._tour.reset()
        busy = (
            " Another program has the file open: traces go when it ends and you /forget again."
        )
        return Reply("Everything kept of you was deleted." + ("" if gone else busy))
