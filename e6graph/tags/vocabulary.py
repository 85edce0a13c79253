"""The tags of an index: names, counts, implications, and the vocabulary of a matrix."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadArtifact
from ..store import Store, parquet
from .files import load_implications, load_tags

RATING_TAGS = ("rating_safe", "rating_questionable", "rating_explicit")


_DAMAGED = (ValueError, OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class Vocabulary:
    """The tags that are columns of a matrix.

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
    """Tag names by tag id; the last line may be ended or not."""
    path = store.check("tags.txt.gz")
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
    except _DAMAGED as error:
        raise _bad(path, f"cannot be read ({error})") from None
    return text.removesuffix("\n").split("\n") if text else []


def read_tags(store: Store) -> tuple[dict[str, int], list[str], bytes]:
    """`tagfiles.load_tags` of an index, each file checked first."""
    for name in ("tag2idx.json.gz", "tags.txt.gz", "tags_categories.bin.gz"):
        store.check(name)
    return load_tags(store.root)


def read_implications(store: Store) -> tuple[dict[int, list[int]], dict[str, list[int]]]:
    """`tagfiles.load_implications` of an index, each file checked first."""
    for name in ("implications.json.gz", "implications_rej.json.gz"):
        store.check(name)
    return load_implications(store.root)


def load_vocabulary(
    store: Store, size: int | None = None, min_count: int = 2, rating_tags: bool = False
) -> Vocabulary:
    """The `size` most used tags with `min_count` posts or more.

    `rating_tags` says whether `rating_safe` and its kin count as tags: they are E6DB's device,
    on every post, and by default take no part.
    """
    names = load_names(store)
    frequencies = (
        parquet.read_table(store, "tags.parquet", "freq")["freq"].to_numpy().astype(np.int64)
    )
    if len(frequencies) != len(names):
        raise BadArtifact(
            f"{store.root}: {len(names)} names beside {len(frequencies)} frequencies: "
            "run hydrate_data.py again"
        )
    take = frequencies >= min_count
    if not rating_tags:
        take &= ~np.isin(np.array(names, object), RATING_TAGS)
    tag_ids = np.flatnonzero(take)[:size].astype(np.int32)
    return Vocabulary([names[i] for i in tag_ids], tag_ids, frequencies[tag_ids])


def _bad(path: Path, wrong: str) -> BadArtifact:
    return BadArtifact(f"{path} {wrong}: run hydrate_data.py again")


def subset(vocabulary: Vocabulary, columns: Sequence[int] | np.ndarray) -> Vocabulary:
    """The vocabulary of some of the columns."""
    columns = np.asarray(columns)
    names = [vocabulary.names[c] for c in columns]
    return Vocabulary(names, vocabulary.tag_ids[columns], vocabulary.frequencies[columns])
