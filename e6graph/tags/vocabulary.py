"""The tags of an index: names, counts, implications, and the vocabulary of a matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import run_again
from ..store import Store, parquet
from .categories import RATING_TAGS
from .files import load_implications, load_tags, read_names


@dataclass(frozen=True)
class Vocabulary:
    """The tags that are the columns of a matrix.

    Attributes
    ----------
    names : name of each column.
    tag_ids : int32 (V,), tag id (rank by use) of each column, ascending.
    frequencies : int64 (V,), posts that hold the tag.
    """

    names: list[str]
    tag_ids: np.ndarray
    frequencies: np.ndarray


def load_names(store: Store) -> list[str]:
    """Read the tag names of an index, by tag id."""
    return read_names(store.check("tags.txt.gz"))


def load_frequencies(store: Store, tags: int) -> np.ndarray:
    """Read the number of posts of each tag of an index, int64 (tags,)."""
    column = parquet.read_table(store, "tags.parquet", "freq")["freq"]
    if len(column) != tags:
        path = store.path("tags.parquet")
        raise run_again(path, f"has {len(column)} tags, not {tags}")
    return column.to_numpy().astype(np.int64)


def read_tags(store: Store) -> tuple[dict[str, int], list[str], bytes]:
    """Check the tag files of an index, then read them as `load_tags` does."""
    for name in ("tag2idx.json.gz", "tags.txt.gz", "tags_categories.bin.gz"):
        store.check(name)
    return load_tags(store.root)


def read_implications(store: Store) -> tuple[dict[int, list[int]], dict[str, list[int]]]:
    """Check the implications of an index, then read them as `load_implications` does."""
    for name in ("implications.json.gz", "implications_rej.json.gz"):
        store.check(name)
    return load_implications(store.root)


def load_vocabulary(
    store: Store, size: int | None = None, min_count: int = 2, rating_tags: bool = False
) -> Vocabulary:
    """Select the most used tags of an index as a vocabulary.

    Parameters
    ----------
    size : how many tags; None for all.
    min_count : leave out tags of fewer posts.
    rating_tags : whether `RATING_TAGS` count as tags.
    """
    names = load_names(store)
    frequencies = load_frequencies(store, len(names))
    take = frequencies >= min_count
    if not rating_tags:
        take &= ~np.isin(np.array(names, object), RATING_TAGS)
    tag_ids = np.flatnonzero(take)[:size].astype(np.int32)
    return Vocabulary([names[i] for i in tag_ids], tag_ids, frequencies[tag_ids])
