"""Neighbors and walks: annoy behind a thin wrapper, and the Pixie walk."""

from . import pixie
from .neighbors import Neighbors

__all__ = ["Neighbors", "pixie"]
