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
from .commands import ALIASES, COMMANDS, Command, help_text, is_list, limit_of
from .favorites import FavoriteCommands, is_favorites
from .fetch_favorites import FavoritesFetcher
from .meaning import command_meant, tags_meant
from .messages import CompletedTag, Picture, Reply, Taste, TextFile, count, did_you_mean, quoted
from .news import NewsCommands
from .profiles import Profiles
from .sight import SightCommands
from .taste import TasteCommands
from .tour import Tour
from .user import Question, User

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
        self._sight = sight = SightCommands(self._user)
        self._tour = tour = Tour(self._user, look or self._look)
        self._favorites = FavoriteCommands(self._user, favorites)
        self._news = NewsCommands(self._user, tour, delivers)
        self._listed = commands
        self._fetch = fetch
        self.ended = False
        self._asked = False  # a question, whose buttons may still be seen
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
            "undo": tour.undo,
            "why": tour.why,
            "picture": self._no_picture,
            "enjoy": partial(taste.feel, "enjoy"),
            "avoid": partial(taste.feel, "avoid"),
            "mood": taste.mood,
            "only": sight.only,
            "variety": taste.variety,
            "drop": taste.drop,
            "taste": taste.taste,
            "portrait": taste.portrait,
            "blacklist": sight.blacklist,
            "favorites": self._favorites.command,
            "rating": sight.rating,
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
        asked, self._user.question = self._user.question, None
        self._asked = self._asked or asked is not None
        said = message.strip().lower() if isinstance(message, str) else "/"
        replies = []
        try:
            replies += self._favorites.news()
            answer = asked.answer(said) if asked else None
            if asked and answer:
                replies += asked.yes()
            elif asked and answer is not None:
                replies.append(Reply(asked.no))
                # A command or picture stands for itself, too.
                if said.startswith("/") and said not in ("/yes", "/no"):
                    replies += self._answer(message)
            else:
                replies += self._answer(message)
        except (BadInput, UnknownTag, UnknownPost) as error:
            replies.append(Reply(" ".join(str(error).split())))
        return self._with_previews(replies)

    def deliver(self, since: float) -> list[Reply]:
        """Say what came after a moment to a user of /daily; nothing if nothing did.

        Raises E6GraphError.
        """
        return self._with_previews(self._news.deliver(since))

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
        return self._user.question is not None or self._tour.begun

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
        """Return tags of visible posts that `prefix` may become; see `Board.complete`."""
        return [CompletedTag(*found) for found in self._user.graph().complete(prefix, n)]

    def complete_kept(self, part: str) -> list[tuple[str, str]]:
        """Return (what /drop may take back, what was said of it): names with `part` in them.

        The most used tags come first, then the latest posts.
        """
        profile, board = self._user.profile(), self._user.board
        sides = {"you enjoy it": profile.enjoys, "you avoid it": profile.avoids}
        found = [(tag, said) for said, tags in sides.items() for tag in tags if part in tag]
        known = {*self._user.resolve([tag for tag, _ in found])[0]}
        uses = {tag: board.count_posts([tag])[0] for tag, _ in found if tag in known}
        found.sort(key=lambda pair: -uses.get(pair[0], 0))
        posts = {"you like it": profile.liked, "you dislike it": profile.disliked}
        numbers = [(f"#{i}", said) for said, ids in posts.items() for i in reversed(ids)]
        return found + [pair for pair in numbers if part.startswith("#") and part in pair[0]]

    @property
    def on_tour(self) -> bool:
        """Whether a post waits for a judgment, which brings the next one."""
        return self._tour.touring

    @property
    def hidden_lines(self) -> list[str]:
        """The lines of the user's blacklist."""
        return self._user.profile().blacklist

    def _answer(self, message: str | Picture | TextFile) -> list[Reply]:
        if isinstance(message, Picture):
            return self._tour.follow(message)
        if isinstance(message, TextFile):
            if not is_favorites(message):
                return self._sight.take_list(message)
            self._tour.taste_changed()
            return self._favorites.take_file(message)
        most = limit_of(message)
        if len(message) > most:
            raise BadInput(f"{len(message):,} characters are too many: {most:,} at most")
        text = messages.clean_lines(message).strip()
        if text.startswith("/"):
            return self._command(text)
        if not text:
            return []
        line = command_meant(text, self._tour.touring)
        if line is None:
            return self._plain(text)
        replies, on_tour = self._command(line), self._tour.touring
        if not on_tour and (tags := self._user.resolve([text])[0]):
            hint = f"/enjoy {tags[0]}"
            replies.append(Reply(f"There is a tag of that name, too: {hint}", choices=[hint]))
        return replies

    def _command(self, text: str) -> list[Reply]:
        typed, *words = text.split()
        name = ALIASES.get(typed[1:].lower(), typed[1:].lower())
        if name in ("yes", "no") and not words:
            line = None if self._asked else command_meant(name, self._tour.touring)
            return self._command(line) if line else [Reply("I asked nothing.")]
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
        # A list is read with its line ends. The lines of tags count as commas.
        rest = text[len(typed) :]
        return run(rest if is_list(text) else rest.strip().replace("\n", ",").split())

    def _plain(self, text: str) -> list[Reply]:
        """Take words without a command as tags if all are; otherwise give a hint."""
        words = text.replace("\n", ",").split()
        meant = tags_meant(self._user, words)
        if meant and not meant.unknown:
            self._tour.taste_changed()
            return self._taste.feel("enjoy", words)
        post_id = messages.post_id_in(words[0])
        if len(words) == 1 and post_id is not None:
            hint = f"/like {post_id}"
            return [Reply(f"To say that you like that post: {hint}", choices=[hint])]

        said, near = did_you_mean(meant.unknown, self._user.near)
        lines = ["I understand tags and commands; /help lists them.", *said]
        choices = [f"/{'avoid' if meant.unknown[n] else 'enjoy'} {one}" for n, one in near]
        if not meant.known:
            return [Reply("\n".join(lines), choices=[*choices, "/walk", "/help"])]
        known = [f"-{name}" if other else name for name, other in meant.known.items()]
        hint = f"/enjoy {' '.join(known)}"
        lines.append(f"The others I know: {hint}")
        return [Reply("\n".join(lines), choices=[hint, *choices])]

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
        return [Reply(help_text(self._listed))]

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
        self._user.question = Question(self._forget_now, "Nothing was deleted.", needed=True)
        tags = count([*profile.enjoys, *profile.avoids], "tag")
        posts = count({*profile.seen, *profile.favorites}, "post")
        lines = [
            f"Delete {tags} and {posts}, everything I keep about you?",
            "Type yes; anything else keeps it.",
        ]
        return [Reply("\n".join(lines), choices=["yes", "no"])]

    def _forget_now(self) -> list[Reply]:
        self._favorites.forget()
        erased = self._user.profiles.forget(self._user.key)
        self._tour.reset()
        said = "Everything I kept about you was deleted."
        if not erased:
            said += (
                " Another program has the file open, so traces stay in it: when that program "
                "has ended, /forget again removes them."
            )
        return [Reply(said)]
