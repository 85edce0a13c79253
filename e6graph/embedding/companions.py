"""Statistics for tag completion: how often two tags meet, and the inverse for EASE.

The inverse is that of the Gram matrix of posts × the most used tags, with a ridge
and a dropout: P of EDLAE (Steck, "Autoencoders that don't overfit towards the
Identity", NeurIPS 2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from scipy.linalg import lapack

from ..errors import BadInput, run_again
from ..store import Stage, Store
from ..store.progress import ticking
from ..store.ragged import Ragged
from .dictionary import Dictionary

COMPANIONS = "companions.arrow"

EXACT = 4096  # most used tags, predicted together: 64 MiB, a second to invert
KEPT_COMPANIONS = 128  # of each tag, those it meets most
COMPLETION_RIDGE = 5.0  # λ
DROPOUT = 0.05  # ρ
_MIRRORED = 512  # rows at a time


@dataclass(frozen=True)
class Companions:
    """Counts of tags that meet, by column of the dictionary.

    Attributes
    ----------
    inverse : float32 (H, H), P of the most used tags.
    columns, counts : int32; the tags that each tag meets most, by ascending column,
        and on how many posts.
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
        kept: int = KEPT_COMPANIONS,
    ) -> Companions:
        """Learn from co-occurrences.

        Parameters
        ----------
        counts : float32 (V, V) CSR, `embedding.cooccurrence`.
        frequencies : (V,), posts of each tag. If an export leaves implied tags out
            of them, ρ grows until the matrix has an inverse.
        """
        together = min(exact, counts.shape[0])
        matrix = np.zeros((together, together), np.float32)
        chosen = [np.zeros(0, np.int64)]
        bounds = zip(counts.indptr[:-1], counts.indptr[1:], strict=True)
        for tag, (start, end) in enumerate(bounds):
            columns, values = counts.indices[start:end], counts.data[start:end]
            if tag < together:
                inside = columns < together
                matrix[tag, columns[inside]] = values[inside]
            order = np.arange(len(values))
            if len(values) > kept:
                order = np.argpartition(-values, kept)[:kept]
            chosen.append(start + order[np.argsort(columns[order])])
        at, offsets = np.concatenate(chosen), np.cumsum([len(rows) for rows in chosen])

        own = np.maximum(frequencies[:together], matrix.max(1, initial=0))
        dropout = DROPOUT
        while True:
            inverse = matrix.copy()
            np.fill_diagonal(inverse, COMPLETION_RIDGE + (1 + dropout) * own)
            try:
                invert(inverse)
                break
            except BadInput:  # never for counts that all come from one set of posts
                dropout *= 4
        most = Ragged(offsets, counts.indices[at].astype(np.int32))
        return cls(inverse, most, Ragged(offsets, counts.data[at].astype(np.int32)))

    @classmethod
    def open(cls, store: Store, dictionary: Dictionary) -> Companions:
        """Map `companions.arrow`.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        table = store.map_table(COMPANIONS)
        if table.column_names != ["inverse", "columns", "counts"]:
            raise run_again(COMPANIONS, "is of an older version", "embed_tags.py")
        inverse = Ragged.of(table["inverse"]).values
        together = math.isqrt(len(inverse))
        lists = (Ragged.of(table[name]) for name in ("columns", "counts"))
        made = cls(inverse.reshape(together, together), *lists)
        tags = len(dictionary.tags)
        if len(made) != tags:
            wrong = f"has {len(made)} tags, the dictionary {tags}"
            raise run_again(COMPANIONS, wrong, "embed_tags.py")
        return made

    def __len__(self) -> int:
        return len(self.columns)


def save_companions(stage: Stage, counts: sp.csr_matrix, frequencies: np.ndarray) -> None:
    """Write `companions.arrow`; the parameters are those of `Companions.of`."""
    with ticking("companions"):
        made = Companions.of(counts, frequencies)
    width = len(made.inverse)
    ends = np.minimum(np.arange(len(made) + 1), width) * width
    rows = {"inverse": Ragged(ends, made.inverse.ravel())}
    rows |= {"columns": made.columns, "counts": made.counts}
    lists = {}
    for name, row in rows.items():
        offsets = pa.array(row.offsets.astype(np.int32))
        lists[name] = pa.ListArray.from_arrays(offsets, pa.array(row.values))
    stage.save_table(COMPANIONS, pa.table(lists))


def invert(matrix: np.ndarray) -> None:
    """Replace a symmetric positive definite matrix by its inverse (Cholesky).

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
    # .T is Fortran's order. The upper triangle, since OpenBLAS 0.3.30's strtri crashes on
    # lower ones with the kernels for old processors (Prescott) and one thread.
    factor, wrong = lapack.spotrf(matrix.T, lower=0, overwrite_a=1)
    if wrong:
        raise BadInput(f"matrix of {len(matrix)} rows: not positive definite at row {wrong}")
    lapack.spotri(factor, lower=0, overwrite_c=1)  # its upper triangle, which is our lower

    # Mirror the lower triangle.
    for start in range(0, len(matrix), _MIRRORED):
        end = start + _MIRRORED
        band = matrix[:, start:end]
        matrix[start:end, end:] = band[end:].T
        square = band[start:end]
        square[:] = np.tril(square) + np.tril(square, -1).T
