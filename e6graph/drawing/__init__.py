"""Pictures with words in them: letters that fit their place, and the portrait of a taste."""

from .portrait import Portrait, Tag

__all__ = ["Portrait", "Tag"]
