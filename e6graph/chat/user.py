"""One user: what is kept of them, and the board as they let themselves see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput, UnknownTag
from ..recommend.personal import Profile
from .profiles import Profiles

if TYPE_CHECKING:
    from ..recommend.postgraph import PostGraph


class Person:
    """A user over one board.

    Parameters
    ----------
    board : as wide as the operator allows. profiles : where everything of the user is kept.
    user : the user's key there, unique over all front ends.
    previews : root of the previews, or None.
    """

    def __init__(
        self,
        board: PostGraph,
        profiles: Profiles,
        user: str,
        previews: str | Path | None = None,
    ) -> None:
        self.board, self.profiles, self.user, self.previews = board, profiles, user, previews

    def profile(self) -> Profile:
        """All that is kept of them."""
        return self.profiles.load(self.user)

    def graph(self, profile: Profile | None = None) -> PostGraph:
        """The board without what they hide from themselves; never wider than the board."""
        profile = profile or self.profile()
        ratings = "".join(letter for letter in profile.ratings if letter in self.board.ratings)
        return self.board.narrowed(ratings or self.board.ratings, "\n".join(profile.blacklist))

    def resolve(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """(canonical names of the known tags, the others), each once."""
        try:
            known, unknown = self.board.resolve_tags(names) if names else ([], [])
        except UnknownTag:
            return [], list(names)
        return list(dict.fromkeys(known)), list(unknown)

    def near(self, name: str) -> list[str]:
        """Tags spelled like a name, or those that a wildcard stands for."""
        if "*" in name:
            return [found[0] for found in self.board.complete(name, 5)]
        return list(self.board.nearest_names(name, n=3))

    def visible(self, post_ids: Iterable[int], graph: PostGraph) -> list[int]:
        """Without those that went since, or that today's settings hide."""
        return [post_id for post_id in post_ids if graph.visible(post_id)]

    def narrow(self, ratings: str) -> str:
        """Keep which ratings they see, of those the operator allows; returns them in order.

        Raises
        ------
        BadInput : others, or none.
        """
        letters = "".join(letter for letter in "sqe" if letter in ratings.lower())
        if not letters or set(ratings.lower()) - set(self.board.ratings):
            raise BadInput(
                f"ratings {ratings!r}: this bot shows {' '.join(self.board.ratings)}; expected "
                "one or more of these letters"
            )
        self.profiles.rate(self.user, letters)
        return letters
