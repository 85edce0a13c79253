"""Posts × tags as SciPy CSR, straight from `posts.parquet`, whole or in blocks."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from .errors import BadArtifact
from .store import Store

RATING_TAGS = ("rating_safe", "rating_questionable", "rating_explicit")
_LISTS = {"all": ("stripped_tags", "implied_tags"), "stripped": ("stripped_tags",)}


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
    """Tag names by tag id."""
    with gzip.open(store.check("tags.txt.gz"), "rt", encoding="utf-8", newline="\n") as file:
        text = file.read()
    return text.split("\n") if text else []


def load_vocabulary(
    store: Store, size: int | None = None, min_count: int = 2, rating_tags: bool = False
) -> Vocabulary:
    """The `size` most used tags with `min_count` posts or more.

    `rating_tags` says whether `rating_safe` and its kin count as tags: they are E6DB's device,
    on every post, and by default take no part.
    """
    names = load_names(store)
    table = pq.read_table(store.check("tags.parquet"), columns=["freq"])
    frequencies = table["freq"].to_numpy().astype(np.int64)
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


def iter_posts_by_tags(
    store: Store, vocabulary: Vocabulary, which: str = "all"
) -> Iterator[tuple[np.ndarray, sp.csr_matrix]]:
    """Blocks of the posts × tags matrix in ascending post id.

    Parameters
    ----------
    which : "all" tags of a post, or "stripped" of those that its other tags imply.

    Yields
    ------
    ids : int64 (n,), post ids of the block's rows.
    block : float32 (n, V) CSR of ones, canonical (sorted, no duplicates).
    """
    column = np.full(int(vocabulary.tag_ids.max(initial=-1)) + 2, -1, np.int32)
    column[vocabulary.tag_ids] = np.arange(len(vocabulary.tag_ids), dtype=np.int32)
    path = store.check("posts.parquet")
    file, last = pq.ParquetFile(path), 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=["id", *_LISTS[which]])
        ids = table["id"].to_numpy()
        if (np.diff(ids, prepend=last) <= 0).any():
            raise BadArtifact(f"{path}: post ids do not ascend: run hydrate_data.py again")
        last = ids[-1] if len(ids) else last
        lists = [table[name].combine_chunks() for name in _LISTS[which]]
        block = sum((_csr(values, column, len(vocabulary.names)) for values in lists[1:]),
                    _csr(lists[0], column, len(vocabulary.names)))  # fmt: skip
        block.data[:] = 1  # a tag in both lists counts once
        yield ids, block


def posts_by_tags(
    store: Store, vocabulary: Vocabulary, which: str = "all"
) -> tuple[np.ndarray, sp.csr_matrix]:
    """The whole matrix: (ids int64 (n,), float32 (n, V) CSR); 8 bytes a pair."""
    ids, blocks = zip(*iter_posts_by_tags(store, vocabulary, which), strict=True)
    return np.concatenate(ids), sp.vstack(blocks, "csr")


def _csr(lists: pa.ListArray, column: np.ndarray, width: int) -> sp.csr_matrix:
    """A list column as CSR; tags outside the vocabulary are left out."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    tag_ids = lists.values.to_numpy()[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    columns = column[np.minimum(tag_ids, len(column) - 1)]  # the last entry is -1
    known = columns >= 0
    indptr = np.concatenate([[0], np.cumsum(known)])[offsets]
    columns = columns[known]
    made = sp.csr_matrix((np.ones(len(columns), np.float32), columns, indptr), (len(lists), width))
    made.sum_duplicates()
    return made


def subset(vocabulary: Vocabulary, columns: Sequence[int] | np.ndarray) -> Vocabulary:
    """The vocabulary of some of the columns."""
    columns = np.asarray(columns)
    names = [vocabulary.names[c] for c in columns]
    return Vocabulary(names, vocabulary.tag_ids[columns], vocabulary.frequencies[columns])
