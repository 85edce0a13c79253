"""Tag vectors: co-occurrence → PPMI → truncated SVD, and the `Dictionary` that holds them.

Levy, Goldberg, Dagan, "Improving Distributional Similarity with Lessons Learned from Word
Embeddings", TACL 2015 (context smoothing, eigenvalue weighting); Halko, Martinsson, Tropp, SIAM
Review 2011 (randomised SVD).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from .errors import BadArtifact, BadInput
from .interactions import Vocabulary
from .store import Store


def cooccurrence(blocks: Iterable[sp.csr_matrix]) -> sp.csr_matrix:
    """C = XᵀX without its diagonal: C[i, j] posts hold both tags.

    Parameters
    ----------
    blocks : (n_k, V) CSR of ones, the rows of X in any split.

    Returns
    -------
    float32 (V, V) CSR, symmetric, zero diagonal; exact below 2²⁴ posts a pair.

    >>> cooccurrence([sp.csr_matrix([[1, 1, 0], [1, 1, 1]], dtype=np.float32)]).toarray()
    array([[0., 2., 1.],
           [2., 0., 1.],
           [1., 1., 0.]], dtype=float32)
    """
    total = None
    for block in blocks:
        product = (block.T.tocsr() @ block).tocsr()
        total = product if total is None else total + product
    if total is None:
        raise BadInput("no posts: expected at least one block")
    total.setdiag(0)
    total.eliminate_zeros()
    total.sort_indices()
    return total.astype(np.float32, copy=False)


def ppmi(counts: sp.csr_matrix, smoothing: float = 0.75) -> sp.csr_matrix:
    """Positive pointwise mutual information with a smoothed context distribution.

    PPMI(w, c) = max(0, log( P(w,c) / (P(w) P_α(c)) )), P_α(c) ∝ #c^α (Levy et al. 2015, eq. 3).

    Parameters
    ----------
    counts : (V, V) CSR of co-occurrences.
    smoothing : α; 1 is no smoothing.

    Returns
    -------
    float32 (V, V) CSR of the positive entries.
    """
    counts = counts.tocsr()
    of_tag = np.asarray(counts.sum(1, dtype=np.float64)).ravel()
    of_context = np.asarray(counts.sum(0, dtype=np.float64)).ravel() ** smoothing
    with np.errstate(divide="ignore"):
        log_tag = np.log(of_tag)
        log_context = np.log(of_context) - np.log(of_context.sum())
    row = np.repeat(np.arange(counts.shape[0], dtype=np.int32), np.diff(counts.indptr))
    information = np.log(counts.data) - log_tag[row] - log_context[counts.indices]
    made = sp.csr_matrix(
        (np.maximum(information, 0).astype(np.float32), counts.indices, counts.indptr), counts.shape
    )
    made = made.copy()  # shares its structure with `counts` until here
    made.eliminate_zeros()
    return made


def truncated_svd(
    matrix: sp.csr_matrix, dim: int, seed: int = 0, iterations: int = 6, oversample: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors and values by randomised subspace iteration (Halko et al. 2011, 4.4).

    The sign of each vector is fixed (its entry of largest magnitude is positive), so a seed and a
    BLAS give one answer.

    Returns
    -------
    vectors : float32 (V, dim); columns past the matrix's rank are zero.
    values : float32 (dim,), descending.
    """
    rows = matrix.shape[0]
    wide = min(dim + oversample, rows)
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((rows, wide), dtype=np.float32)
    transposed = matrix.T.tocsr()
    for _ in range(iterations):
        basis = _orthonormal(transposed @ (matrix @ basis))
    basis = _orthonormal(_orthonormal(matrix @ basis))  # (V, wide); twice, for float32
    small = (transposed @ basis).astype(np.float64)  # its right factor squared is enough
    squares, left = np.linalg.eigh(small.T @ small)
    vectors = (basis @ left[:, ::-1])[:, :dim]
    values = np.sqrt(np.maximum(squares[::-1][:dim], 0))
    vectors[:, values <= values.max(initial=0) * 1e-6] = 0
    top = np.abs(vectors).argmax(0)
    vectors *= np.where(vectors[top, np.arange(vectors.shape[1])] < 0, -1, 1)
    vectors = np.pad(vectors, ((0, 0), (0, dim - vectors.shape[1])))
    return vectors.astype(np.float32), np.pad(values, (0, dim - len(values))).astype(np.float32)


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    """Columns with the same span and a unit Gram matrix; dependent ones become zero.

    By the eigenvectors of the Gram matrix: all the work is in two products, where a Householder QR
    of a tall matrix spends its time on synchronising threads.
    """
    wide = columns.astype(np.float64)
    values, vectors = np.linalg.eigh(wide.T @ wide)
    top = values.max(initial=0)
    scale = np.where(values > top * 1e-12, 1 / np.sqrt(np.maximum(values, 1e-300)), 0)
    return (wide @ (vectors * scale)).astype(np.float32)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 in a new array; a zero row stays zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


@dataclass(frozen=True)
class Dictionary:
    """Tag vectors.

    Attributes
    ----------
    tags : names, most used first.
    vecs : float32 (V, d), unit rows.
    frqs : int64 (V,), posts that hold the tag.
    tag_ids : int32 (V,), ids of the import.
    singular_values : float32 (d,).
    """

    tags: list[str]
    vecs: np.ndarray
    frqs: np.ndarray
    tag_ids: np.ndarray
    singular_values: np.ndarray

    @classmethod
    def open(cls, store: Store) -> Dictionary:
        """Load `dictionary.npz`.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        arrays = store.load_npz("dictionary.npz")
        try:
            tags, vecs, frqs = arrays["tags"].tolist(), arrays["vecs"], arrays["frqs"]
        except KeyError as error:
            raise BadArtifact(f"dictionary.npz has no {error}: run embed_tags.py again") from None
        if vecs.ndim != 2 or not len(tags) == len(vecs) == len(frqs):
            raise BadArtifact(
                f"dictionary.npz: {len(tags)} tags, vecs {vecs.shape}, {len(frqs)} frqs: "
                "expected as many of each; run embed_tags.py again"
            )
        tag_ids = arrays.get("tag_ids", np.arange(len(tags), dtype=np.int32))
        values = arrays.get("singular_values", np.ones(vecs.shape[1], np.float32))
        return cls(tags, vecs, frqs, tag_ids, values)

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.tags, self.tag_ids, self.frqs)

    def nearest(self, vector: np.ndarray, n: int = 8) -> list[tuple[str, float]]:
        """The n tags of largest cosine with a vector (d,), best first."""
        cosines = self.vecs @ unit_rows(np.asarray(vector, np.float32)[None])[0]
        order = np.argsort(-cosines, kind="stable")[:n]
        return [(self.tags[i], float(cosines[i])) for i in order]


def embed_vocabulary(
    vocabulary: Vocabulary,
    counts: sp.csr_matrix,
    dim: int = 128,
    smoothing: float = 0.75,
    eig_power: float = 0.5,
    seed: int = 0,
) -> Dictionary:
    """Vectors U_d Σ_d^p with unit rows (Levy et al. 2015, eq. 5).

    A tag that never meets another has no vector and is left out, so the result may hold fewer
    tags than the vocabulary.

    Parameters
    ----------
    counts : (V, V) co-occurrences of the vocabulary.
    eig_power : p; 0.5 or 0, never 1.
    """
    vectors, values = truncated_svd(ppmi(counts, smoothing), dim, seed)
    vecs = unit_rows(vectors * values**eig_power)
    has = vecs.any(1)
    names = [name for name, there in zip(vocabulary.names, has, strict=True) if there]
    return Dictionary(
        names, vecs[has], vocabulary.frequencies[has], vocabulary.tag_ids[has], values
    )
