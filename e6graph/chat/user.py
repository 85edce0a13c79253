"""One user: everything kept about them, and the board as they let themselves see it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnknownTag
from ..recommend.personal import Profile
from .profiles import Profiles

if TYPE_CHECKING:
    from ..recommend import PostGraph


class User:
    """A user and the board.

    Parameters
    ----------
    board : as wide as the operator allows.
    profiles : the file that keeps everything about users.
    key : the user's name there, unique over all front ends.
    previews : root of the preview cache, or None.
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

    def near(self, name: str) -> list[str]:
        """Return tags spelled like a name; for a wildcard, tags that match it."""
        if "*" in name:
            return [found[0] for found in self.board.complete(name, 5)]
        return list(self.board.nearest_names(name, n=3))

    def example_tags(self) -> list[str]:
        """Return one or two tags of this board, to show what can be typed."""
        known, _ = self.resolve(["fox", "night"])
        return known or [found[0] for found in self.board.complete("*", 2)]

    def visible(self, post_ids: Sequence[int], graph: PostGraph) -> list[int]:
        """Return the posts that are still on the board and may be shown today."""
        return graph.visible_among(post_ids)
