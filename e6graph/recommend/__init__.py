"""Posts of an index, recommended under some ratings and a blacklist: `PostGraph`."""

from .board import PostInfo
from .personal import Profile
from .postgraph import PostGraph
from .reasons import Recommendation

__all__ = ["PostGraph", "PostInfo", "Profile", "Recommendation"]
