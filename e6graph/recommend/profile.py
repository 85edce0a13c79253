"""What is kept of one user."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Profile:
    """What is kept of one user; every list has the latest last, and `seen` holds all posts.

    Attributes
    ----------
    blacklist : lines in the site's language. ratings : what they let themselves see, "" for all
        that the board shows. at : post id → Unix seconds of what was said of it, skipping included.
    """

    enjoys: list[str] = field(default_factory=list)
    avoids: list[str] = field(default_factory=list)
    liked: list[int] = field(default_factory=list)
    disliked: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    blacklist: list[str] = field(default_factory=list)
    ratings: str = ""
    at: dict[int, int] = field(default_factory=dict, compare=False)
