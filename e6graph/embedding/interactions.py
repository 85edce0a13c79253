"""Posts × tags as SciPy CSR, straight from `posts.parquet`; and for torch.

Arrow's offsets and tag ids are read where the Parquet reader put them. Copied are
only chunks that must be joined, the column numbers, which are not the ids, both
lists of a post when they are added, and all blocks, once, for the whole matrix.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from ..errors import BadInput, needs, run_again
from ..store import Store, parquet
from ..tags.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

_COLUMNS_READ = {
    "all": ("stripped_tags", "implied_tags"),
    "stripped": ("stripped_tags",),
}


def iter_posts_by_tags(
    store: Store,
    vocabulary: Vocabulary,
    which: str = "all",
    min_direct: int = 0,
    groups: range | None = None,
) -> Iterator[tuple[np.ndarray, sp.csr_matrix]]:
    """Read blocks of the posts × tags matrix in ascending post id.

    Parameters
    ----------
    which : "all" tags of a post, or "stripped": without those that its other tags imply.
    min_direct : leave out posts with fewer stripped tags, in the vocabulary or not.
    groups : row groups of `posts.parquet` to read, a block each; None: all.

    Yields
    ------
    ids : int64 (n,), post ids of the block's rows.
    block : float32 (n, V) CSR of ones, canonical (sorted, no duplicates).

    Raises
    ------
    BadInput : no such `which`. MissingArtifact, BadArtifact
    """
    if which not in _COLUMNS_READ:
        raise BadInput(f"column {which!r}: expected {' or '.join(_COLUMNS_READ)}")
    lists = _COLUMNS_READ[which]
    ids, width = vocabulary.tag_ids, len(vocabulary.names)
    column = np.full(int(ids.max(initial=-1)) + 2, -1, np.int32)
    column[ids] = np.arange(width, dtype=np.int32)
    path, last = store.path("posts.parquet"), 0

    for table in parquet.row_groups(store, "posts.parquet", "id", *lists, groups=groups):
        ids = table["id"].to_numpy()
        if (np.diff(ids, prepend=last) <= 0).any():
            raise run_again(path, "holds ids that do not ascend")
        last = ids[-1] if len(ids) else last
        if min_direct:
            direct = pc.list_value_length(table["stripped_tags"])
            table = table.filter(pc.greater_equal(direct, min_direct))
        try:
            parts = [tag_lists(table[name], column, width) for name in lists]
        except BadInput as error:
            raise run_again(path, f"holds {error}") from None
        block = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        block.data[:] = 1  # a tag in both lists counts once
        yield table["id"].to_numpy(), block


def posts_by_tags(
    store: Store, vocabulary: Vocabulary, which: str = "all", min_direct: int = 0
) -> tuple[np.ndarray, sp.csr_matrix]:
    """Read the whole matrix: ids int64 (n,), and float32 (n, V) CSR.

    It takes 8 bytes a pair, and as much again while the blocks are joined. See
    `iter_posts_by_tags`.
    """
    nothing = sp.csr_matrix((0, len(vocabulary.names)), dtype=np.float32)
    ids, blocks = [np.zeros(0, np.int64)], [nothing]
    for some, block in iter_posts_by_tags(store, vocabulary, which, min_direct):
        ids.append(some)
        blocks.append(block)
    return np.concatenate(ids), sp.vstack(blocks, "csr")


def tag_lists(
    lists: pa.ListArray | pa.ChunkedArray, column: np.ndarray, width: int
) -> sp.csr_matrix:
    """Turn a list column of tag ids into a CSR of counts; a null is an empty list.

    Parameters
    ----------
    column : int32, the column of each tag id, -1 for none; the last entry is -1 and
        stands for all ids from there on.
    width : how many columns there are.

    Returns
    -------
    float32 (len(lists), width), canonical; it shares no memory with Arrow.

    Raises
    ------
    BadInput : a tag id is null.

    >>> tag_lists(pa.array([[1, 0, 7], [], [1]]), np.array([-1, 0, -1], np.int32), 1).toarray()
    array([[1.],
           [0.],
           [1.]], dtype=float32)
    """
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    offsets = lists.offsets.to_numpy()  # a view; in a slice they start above 0
    tag_ids = lists.values[int(offsets[0]) : int(offsets[-1])]
    if tag_ids.null_count:
        raise BadInput("a null among the tag ids")
    columns = column[np.minimum(tag_ids.to_numpy(), len(column) - 1)]
    known = columns >= 0
    indptr = np.concatenate([[0], np.cumsum(known)])[offsets - offsets[0]]
    columns = columns[known]
    ones = np.ones(len(columns), np.float32)
    made = sp.csr_matrix((ones, columns, indptr), (len(lists), width))
    made.sum_duplicates()
    return made


class TorchPosts(NamedTuple):
    """A matrix as torch takes it; the three tensors share their memory.

    Attributes
    ----------
    csr : sparse CSR tensor (n, V).
    tags : (pairs,), the columns of all rows, one row after the other.
    offsets : (n,), where in `tags` each row begins, as in
        `EmbeddingBag(V, d)(tags, offsets)`; `csr.values()` are its weights.
    """

    csr: Tensor
    tags: Tensor
    offsets: Tensor


def to_torch(matrix: sp.csr_matrix) -> TorchPosts:
    """Give torch a CSR matrix as tensors over the same memory.

    Only what is read-only, or not canonical (sorted, no duplicates), is copied.

    Raises
    ------
    E6GraphError : torch is not installed.
    """
    with needs("torch"):
        import torch
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    indptr, tags, values = (
        torch.from_numpy(np.require(part, requirements=["C", "W"]))
        for part in (matrix.indptr, matrix.indices, matrix.data)
    )
    parts = (indptr, tags, values)
    with warnings.catch_warnings():  # torch calls the layout beta, once a process
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        csr = torch.sparse_csr_tensor(*parts, matrix.shape, check_invariants=True)
    return TorchPosts(csr, tags, indptr[:-1])
