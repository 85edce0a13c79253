"""Recommend the posts of an index under some ratings and a blacklist; `PostGraph` is the face."""

from .board import PostInfo
from .personal import Profile
from .postgraph import PostGraph
from .ranking import Recommendation

__all__ = ["PostGraph", "PostInfo", "Profile", "Recommendation"]
