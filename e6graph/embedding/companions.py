"""Which tags each tag meets most, and the inverse of the Gram matrix, for completing tags."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from scipy.linalg import lapack

from ..errors import BadArtifact, BadInput
from ..store import Stage, Store
from ..store.ragged import Ragged
from .dictionary import Dictionary

COMPANIONS = "companions.arrow"


EXACT = 4096  # most used tags that are predicted together: 64 MiB, and a second to invert


WIDTH = 128  # tags kept for each, those it meets most


RIDGE, DROPOUT = 5.0, 0.05  # λ and ρ


BAND = 512  # rows mirrored at a time


@dataclass(frozen=True)
class Companions:
    """What is known of tags that meet, by column of the dictionary.

    Attributes
    ----------
    inverse : float32 (H, H), P of the most used tags.
    columns, counts : int32, what each tag meets most, by ascending column, and on how many posts.
    """

    inverse: np.ndarray
    columns: Ragged
    counts: Ragged

    @classmethod
    def of(
        cls,
        counts: sp.csr_matrix,
        frequencies: np.ndarray,
        exact: int = EXACT,
        width: int = WIDTH,
    ) -> Companions:
        """Learn from co-occurrences.

        Parameters
        ----------
        counts : float32 (V, V) CSR, `embedding.cooccurrence`. frequencies : (V,), posts of each;
            where they fall short of the same posts' (implied tags), ρ is as large as it must be.
        """
        together = min(exact, counts.shape[0])
        matrix, kept = np.zeros((together, together), np.float32), [np.zeros(0, np.int64)]
        for tag, (start, end) in enumerate(
            zip(counts.indptr[:-1], counts.indptr[1:], strict=True)
        ):
            columns, values = counts.indices[start:end], counts.data[start:end]
            if tag < together:
                matrix[tag, columns[columns < together]] = values[columns < together]
            order = np.arange(len(values))
            if len(values) > width:
                order = np.argpartition(-values, width)[:width]
            kept.append(start + order[np.argsort(columns[order])])
        at, offsets = np.concatenate(kept), np.cumsum([len(rows) for rows in kept])
        own, dropout = np.maximum(frequencies[:together], matrix.max(1, initial=0)), DROPOUT
        while True:
            np.fill_diagonal(inverse := matrix.copy(), RIDGE + (1 + dropout) * own)
            try:
                invert(inverse)
                break
            except BadInput:  # which counts of one set of posts never are
                dropout *= 4
        lists = (
            Ragged(offsets, part[at].astype("i4")) for part in (counts.indices, counts.data)
        )
        return cls(inverse, *lists)

    @classmethod
    def open(cls, store: Store, dictionary: Dictionary) -> Companions:
        """Map `companions.arrow`. Raises MissingArtifact, BadArtifact."""
        table = store.map_table(COMPANIONS)
        if table.column_names != ["inverse", "columns", "counts"]:
            raise BadArtifact(f"{COMPANIONS} is of an older version: run embed_tags.py again")
        inverse = Ragged.of(table["inverse"]).values
        together = math.isqrt(len(inverse))
        lists = (Ragged.of(table[name]) for name in ("columns", "counts"))
        made = cls(inverse.reshape(together, together), *lists)
        if len(made) != len(dictionary.tags):
            raise BadArtifact(
                f"{COMPANIONS} has {len(made)} tags, the dictionary {len(dictionary.tags)}: "
                "run embed_tags.py again"
            )
        return made

    def __len__(self) -> int:
        return len(self.columns)


def save_companions(
    stage: Stage, counts: sp.csr_matrix, frequencies: np.ndarray | None = None
) -> None:
    """Write `companions.arrow` for a co-occurrence matrix over the dictionary's tags.

    `frequencies` (V,) are the posts of each tag among those counted; without them those of
    `dictionary.npz`, which the stage must have saved before.
    """
    if frequencies is None:
        with np.load(stage.path("dictionary.npz"), allow_pickle=False) as dictionary:
            frequencies = dictionary["frqs"]
    made = Companions.of(counts, frequencies)
    ends = np.minimum(np.arange(len(made) + 1), len(made.inverse)) * len(made.inverse)
    rows = {"inverse": Ragged(ends, made.inverse.ravel())}
    rows |= {"columns": made.columns, "counts": made.counts}
    lists = {
        name: pa.ListArray.from_arrays(
            pa.array(row.offsets.astype(np.int32)), pa.array(row.values)
        )
        for name, row in rows.items()
    }
    stage.save_table(COMPANIONS, pa.table(lists))


def invert(matrix: np.ndarray) -> None:
    """Put the inverse of a symmetric positive definite matrix in its place, by Cholesky's factor.

    Parameters
    ----------
    matrix : float32 (n, n), C order; n³ multiplications, no further memory.

    Raises
    ------
    BadInput : it is not positive definite.

    >>> a = np.array([[2, 1], [1, 2]], np.float32)
    >>> invert(a)
    >>> a.round(3)
    array([[ 0.667, -0.333],
           [-0.333,  0.667]], dtype=float32)
    """
    factor, wrong = lapack.spotrf(matrix.T, lower=1, overwrite_a=1)  # .T: in Fortran's order
    if wrong:
        raise BadInput(f"matrix of {len(matrix)} rows: not positive definite at row {wrong}")
    lapack.spotri(factor, lower=1, overwrite_c=1)  # its lower triangle, which is our upper
    for start in range(0, len(matrix), BAND):
        band = matrix[start : start + BAND]
        matrix[start + BAND :, start : start + BAND] = band[:, start + BAND :].T
        square = band[:, start : start + BAND]
        square[:] = np.triu(square) + np.triu(square, 1).T
