"""Recommendations from an index, under some ratings and a blacklist: `PostGraph`."""

from .board import PostInfo
from .postgraph import PostGraph
from .ranking import Recommendation

__all__ = ["PostGraph", "PostInfo", "Recommendation"]
