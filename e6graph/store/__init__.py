"""The index directory: names, sidecars, atomic stages and checked loads of artifacts."""

from .index import Store
from .stage import Stage

__all__ = ["Stage", "Store"]
