"""One user: everything kept about them, and the board as they let themselves see it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UnknownTag
from ..recommend.personal import Profile
from .profiles import Before, Profiles

if TYPE_CHECKING:
    from ..recommend import PostGraph
    from .messages import Reply


JUDGMENTS_KEPT = 100  # of a talk, the latest
ANSWERS = {"yes": True, "/yes": True, "y": True, "no": False, "/no": False, "n": False}


class Question(NamedTuple):
    """A question that is open until the next message.

    Attributes
    ----------
    yes : what "yes" does.
    no : what is answered to "no".
    needed : whether it takes the word "yes". Anything else then means no, and is not
        answered by itself.
    """

    yes: Callable[[], list[Reply]]
    no: str
    needed: bool = False

    def answer(self, said: str) -> bool | None:
        """Return whether a message means yes; None if it does not answer the question.

        >>> question = Question(list, "")
        >>> question.answer("yes!"), question.answer("/no"), question.answer("fox")
        (True, False, None)
        """
        return said == "yes" if self.needed else ANSWERS.get(said.rstrip(".!"))


@dataclass
class Judgment:
    """Something that was said, with all that taking it back needs.

    Attributes
    ----------
    said : in few words.
    before : what was kept before.
    posts : those of which it was said.
    shown : posts that came as its answer.
    restore : makes the tour what it was.
    """

    said: str
    before: Before
    posts: Sequence[int] = ()
    shown: Sequence[int] = ()
    restore: Callable[[], None] = lambda: None


class User:
    """A user and the board.

    Parameters
    ----------
    board : as wide as the operator allows.
    profiles : the file that keeps everything about users.
    key : the user's name there, unique over all front ends.
    previews : root of the preview cache, or None.

    Attributes
    ----------
    question : what they were asked last, None once they have answered.
    judgments : what they said in this talk and can take back, the latest last.
    """

    def __init__(
        self,
        board: PostGraph,
        profiles: Profiles,
        key: str,
        previews: str | Path | None = None,
    ) -> None:
        self.board = board
        self.profiles = profiles
        self.key = key
        self.previews = previews
        self.question: Question | None = None
        self.judgments: deque[Judgment] = deque(maxlen=JUDGMENTS_KEPT)

    def profile(self) -> Profile:
        """Load everything that is kept about them."""
        return self.profiles.load(self.key)

    def graph(self, profile: Profile | None = None) -> PostGraph:
        """Return the board without what they hide from themselves; never a wider one."""
        profile = profile or self.profile()
        ratings = "".join(letter for letter in profile.ratings if letter in self.board.ratings)
        return self.board.narrowed(ratings or self.board.ratings, "\n".join(profile.blacklist))

    def resolve(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return (canonical names of the known tags, the unknown names), each once."""
        try:
            known, unknown = self.board.resolve_tags(names) if names else ([], [])
        except UnknownTag:
            return [], list(names)
        return list(dict.fromkeys(known)), list(unknown)

    def judging(
        self,
        said: str,
        posts: Sequence[int] = (),
        tags: Sequence[str] = (),
        restore: Callable[[], None] = lambda: None,
    ) -> Judgment:
        """Remember what is kept of posts and tags, before something is said of them.

        What is said twice in a row, as by a button pressed twice, is one judgment.
        """
        latest = self.judgments[-1] if self.judgments else None
        if latest and (latest.said, latest.posts) == (said, posts):
            return latest
        before = self.profiles.before(self.key, posts, tags)
        self.judgments.append(Judgment(said, before, posts, restore=restore))
        return self.judgments[-1]

    def wishes(self, profile: Profile) -> list[str]:
        """Return the tags that they enjoy or wish for, as far as they are known."""
        return self.resolve([*profile.enjoys, *profile.mood])[0]

    def near(self, name: str) -> list[str]:
        """Return tags spelled like a name; none for a pattern with `*`."""
        return [] if "*" in name else list(self.board.nearest_names(name, n=3))

    def example_tags(self) -> list[str]:
        """Return one or two tags of this board, to show what can be typed."""
        known, _ = self.resolve(["fox", "night"])
        return known or [found[0] for found in self.board.complete("*", 2)]

    def visible(self, post_ids: Sequence[int], graph: PostGraph) -> list[int]:
        """Return the posts that are still on the board and may be shown today."""
        return graph.visible_among(post_ids)
