"""One user's talk with the recommender: a message goes in, replies come out. No I/O.

What counts later is written to the profile at once. This object only remembers
what was shown last and whether a question is open.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadInput, UnknownPost, UnknownTag
from ..pictures import features_of
from ..recommend.personal import Profile
from ..recommend.references import Reference
from . import messages
from .favorites import FavoriteCommands, is_favorites
from .fetch_favorites import FavoritesFetcher
from .messages import (
    COMMANDS,
    Command,
    CompletedTag,
    Picture,
    Reply,
    Taste,
    TextFile,
    count,
    did_you_mean,
    names_in,
    quoted,
)
from .news import NewsCommands
from .profiles import Profiles
from .taste import TasteCommands
from .tour import Tour
from .user import User

if TYPE_CHECKING:
    from ..recommend import PostGraph, PostInfo


class Conversation:
    """A talk with one user.

    Parameters
    ----------
    graph : what recommends; its settings decide what may be seen.
    profiles : where the user's taste is kept.
    user : the user's key there, unique over all front ends.
    previews : root of the preview cache, for `Reply.picture`.
    commands : what /help lists; a front end that has its own way for a command
        leaves it out.
    fetch : starts to fetch the preview of a post that is shown; returns whether
        it is coming.
    look : makes the features of a picture from the bytes of its file.
    favorites : fetches favorites by name; None where that is not allowed.
    delivers : whether the front end sends what `deliver` says each day.

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
        commands: Mapping[str, Command] = COMMANDS,
        fetch: Callable[[PostInfo], bool] | None = None,
        look: Callable[[bytes], np.ndarray] | None = None,
        favorites: FavoritesFetcher | None = None,
        delivers: bool = False,
    ) -> None:
        self._user = User(graph, profiles, user, previews)
        self._taste = taste = TasteCommands(self._user)
        self._tour = tour = Tour(self._user, look or self._look)
        self._favorites = FavoriteCommands(self._user, favorites)
        self._news = NewsCommands(self._user, tour, delivers)
        self._listed = commands
        self._fetch = fetch
        self._asked_to_forget = False
        self.ended = False
        self._commands: dict[str, Callable[..., list[Reply]]] = {
            "start": self._welcome,
            "help": self._help,
            "about": self._about,
            "quit": self._quit,
            "walk": tour.walk,
            "skip": tour.skip,
            "stop": tour.stop,
            "new": self._news.new,
            "daily": self._news.daily,
            "surprise": tour.surprise,
            "more": tour.more,
            "variants": tour.variants,
            "like": partial(tour.judge, "like"),
            "dislike": partial(tour.judge, "dislike"),
            "why": tour.why,
            "picture": self._no_picture,
            "enjoy": partial(taste.feel, "enjoy"),
            "avoid": partial(taste.feel, "avoid"),
            "mood": taste.mood,
            "variety": taste.variety,
            "drop": taste.drop,
            "taste": taste.taste,
            "portrait": taste.portrait,
            "blacklist": taste.blacklist,
            "favorites": self._favorites.command,
            "rating": taste.rating,
            "export": taste.export,
            "forget": self._forget,
        }

    def reply(self, message: str | Picture | TextFile) -> list[Reply]:
        """Answer one message; an error that the user can mend becomes an answer, too.

        Raises
        ------
        E6GraphError : what only the operator can mend, such as a missing
            artifact.
        """
        asked, self._asked_to_forget = self._asked_to_forget, False
        replies = []
        try:
            replies += self._favorites.news()
            if asked:
                if isinstance(message, str) and message.strip().lower() == "yes":
                    return [self._forget_now()]
                replies.append(Reply("Nothing was deleted."))

            # A word that is not "yes" answers the question; a command or
            # picture stands for itself.
            if not asked or not isinstance(message, str) or message.lstrip().startswith("/"):
                replies += self._answer(message)
        except (BadInput, UnknownTag, UnknownPost) as error:
            replies.append(Reply(" ".join(str(error).split())))
        return self._with_previews(replies)

    def deliver(self) -> list[Reply]:
        """Say what is new to a user of /daily; nothing if nothing is. Raises E6GraphError."""
        return self._with_previews(self._news.deliver())

    def _with_previews(self, replies: list[Reply]) -> list[Reply]:
        for reply in replies:
            if self._fetch and reply.post:
                reply.coming = self._fetch(reply.post)
        return replies

    def renew(self, graph: PostGraph) -> None:
        """Go on with another graph, between two messages."""
        self._user.board = graph

    def keep_in(self, profiles: Profiles) -> None:
        """Keep in another file from now on, between two messages."""
        self._user.profiles = profiles

    @property
    def begun(self) -> bool:
        """Whether the talk remembers something that a new one would not know."""
        return self._asked_to_forget or self._tour.begun

    def take_favorites(self, source: str, references: Sequence[Reference]) -> Reply:
        """Take in favorites that were read before the talk; see `FavoriteCommands.keep`."""
        return self._favorites.keep(source, references)

    def awaited_favorites(self) -> list[Reply]:
        """Wait for favorites that are being fetched, and take them in."""
        try:
            return self._favorites.awaited()
        except BadInput as error:
            return [Reply(str(error))]

    def taste(self) -> Taste:
        """Return everything known about the user's taste."""
        return self._taste.known()

    def complete(self, prefix: str, n: int = 8) -> list[CompletedTag]:
        """Return tags of visible posts that begin with `prefix`, most used first."""
        return [CompletedTag(*found) for found in self._user.graph().complete(prefix, n)]

    def _answer(self, message: str | Picture | TextFile) -> list[Reply]:
        if isinstance(message, Picture):
            return self._tour.follow(message)
        if isinstance(message, TextFile):
            if not is_favorites(message):
                return self._taste.take_list(message)
            self._tour.taste_changed()
            return self._favorites.take_file(message)
        most = messages.limit_of(message)
        if len(message) > most:
            raise BadInput(f"{len(message):,} characters are too many: {most:,} at most")
        text = messages.clean_lines(message).strip()
        if text.startswith("/"):
            return self._command(text)
        words = text.split()
        return self._plain(words) if words else []

    def _command(self, text: str) -> list[Reply]:
        typed, *words = text.split()
        name = typed[1:].lower()
        name = {"welcome": "start", "favourites": "favorites"}.get(name, name)
        if name not in self._commands:
            near = difflib.get_close_matches(name, COMMANDS, 2) or ["help"]
            choices = [f"/{found}" for found in near]
            line = f"No command {quoted(typed)}. Did you mean {' or '.join(choices)}?"
            return [Reply(line, choices=choices)]

        run, takes_words = self._commands[name], COMMANDS[name].argument
        if not takes_words:
            if words:
                got = quoted(" ".join(words))
                return [Reply(f"/{name} takes nothing after it; got {got}.")]
            return run()
        if words and name in ("enjoy", "avoid", "drop", "mood", "favorites"):
            self._tour.taste_changed()
        # A list is read with its line ends.
        return run(text[len(typed) :] if messages.is_list(text) else words)

    def _plain(self, words: Sequence[str]) -> list[Reply]:
        """Take words without a command as tags if all are; otherwise give a hint."""
        names = names_in(words)
        known, unknown = self._user.resolve(names)
        if names and not unknown:
            self._tour.taste_changed()
            return self._taste.feel("enjoy", names)
        post_id = messages.post_id_in(words[0])
        if len(words) == 1 and post_id is not None:
            hint = f"/like {post_id}"
            return [Reply(f"To say that you like that post: {hint}", choices=[hint])]

        lines = [
            "I understand tags and commands; /help lists them.",
            *did_you_mean(unknown, self._user.near),
        ]
        if not known:
            return [Reply("\n".join(lines), choices=["/walk", "/help"])]
        hint = f"/enjoy {' '.join(known)}"
        lines.append(f"The others I know: {hint}")
        return [Reply("\n".join(lines), choices=[hint])]

    # -- commands about the talk itself
    def _welcome(self) -> list[Reply]:
        example = " ".join(self._user.example_tags())
        picture = "a picture: /picture PATH" if "picture" in self._listed else "send a picture"
        lines = [
            "I show you posts of this board, one at a time, and learn what you like.",
            f"Name tags that you enjoy, such as: {example} (or {picture}).",
            "Then /walk shows a first post; /like or /dislike brings the next one.",
            "/help lists the commands; /taste is what I know about you, /forget deletes it.",
        ]
        return [Reply("\n".join(lines), choices=["/surprise", "/help"])]

    def _help(self) -> list[Reply]:
        return [Reply(messages.help_text(self._listed))]

    def _about(self) -> list[Reply]:
        board = self._user.board
        posts = f"{board.allowed.sum():,} posts of rating {' '.join(board.ratings)}"
        site = f", from {board.posts.site}" if board.posts.site else ""
        lines = [
            "e6graph recommends posts of a tagged image board from its daily export.",
            f"This board: {posts}{site}.",
            "I keep the tags you name, the posts I showed you and what you said about them, "
            "favorites that you give me, and of when the posts were when you last asked for "
            "new ones, in a file of the person who runs this bot. A picture "
            "that you send is not kept: this talk remembers the numbers computed from it, while "
            "it follows that picture. "
            "/export gives you all of it, /forget deletes it.",
        ]
        return [Reply("\n".join(lines))]

    def _quit(self) -> list[Reply]:
        self.ended = True
        unfinished = self._favorites.unfinished()
        return [Reply(f"{unfinished}\nGoodbye." if unfinished else "Goodbye.", ended=True)]

    def _look(self, data: bytes) -> np.ndarray:
        return features_of(data, self._user.graph().encoder)

    def _no_picture(self, words: Sequence[str]) -> list[Reply]:
        # A front end reads the file itself and hands in a `Picture`.
        return [Reply("Expected the path of a picture: /picture PATH")]

    def _forget(self) -> list[Reply]:
        profile = self._user.profile()
        if profile == Profile():
            return [Reply("I keep nothing about you.")]
        self._asked_to_forget = True
        tags = count([*profile.enjoys, *profile.avoids], "tag")
        posts = count({*profile.seen, *profile.favorites}, "post")
        lines = [
            f"Delete {tags} and {posts}, everything I keep about you?",
            "Type yes; anything else keeps it.",
        ]
        return [Reply("\n".join(lines), choices=["yes", "no"])]

    def _forget_now(self) -> Reply:
        self._favorites.forget()
        erased = self._user.profiles.forget(self._user.key)
        self._tour.reset()
        said = "Everything I kept about you was deleted."
        if not erased:
            said += (
                " Another program has the file open, so traces stay in it: when that program "
                "has ended, /forget again removes them."
            )
        return Reply(said)
