"""From a picture to its tags, and into the space of the posts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .features import features_of, phash
    from .opening import open_picture
    from .reading import PictureReader
    from .recognizer import Recognizer

__all__ = ["PictureReader", "Recognizer", "features_of", "open_picture", "phash"]
_ROOM = {"PictureReader": "reading", "Recognizer": "recognizer", "open_picture": "opening"}


def __getattr__(name: str) -> object:
    """Import on first use: the process that decodes foreign pictures loads Pillow alone."""
    if name in __all__:
        from importlib import import_module

        module = import_module(f".{_ROOM.get(name, 'features')}", __name__)
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
