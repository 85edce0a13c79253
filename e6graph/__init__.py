"""Turn a tagged image board's public export into a recommender.

>>> from e6graph import PostGraph
>>> graph = PostGraph.open("index")  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .recommend import PostGraph, PostInfo, Recommendation

__all__ = ["PostGraph", "PostInfo", "Recommendation"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the interface on first use, so that scripts that use one helper start at once."""
    if name in __all__:
        from . import recommend

        return getattr(recommend, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
