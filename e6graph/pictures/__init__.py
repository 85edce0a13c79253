"""From a picture to its tags, and into the space of the posts."""

from .features import open_picture, phash
from .recognizer import Recognizer

__all__ = ["Recognizer", "open_picture", "phash"]
