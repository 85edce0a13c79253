"""From a picture to its tags, and into the space of the posts."""

from .recognizer import Recognizer

__all__ = ["Recognizer"]
