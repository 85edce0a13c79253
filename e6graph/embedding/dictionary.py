"""Tag vectors: co-occurrence → PPMI → truncated SVD, and the `Dictionary` that holds them.

Levy, Goldberg, Dagan, "Improving Distributional Similarity with Lessons Learned from Word
Embeddings", TACL 2015 (context smoothing, eigenvalue weighting).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from ..errors import BadArtifact
from ..store import Store
from ..store.parallel import in_order
from ..tags.vocabulary import Vocabulary
from .cooccurrence import cooccurrence as cooccurrence
from .svd import ROWS, BandedMatrix, bands_of, truncated_svd


def ppmi(counts: sp.csr_matrix, smoothing: float = 0.75) -> sp.csr_matrix:
    """Positive pointwise mutual information with a smoothed context distribution.

    PPMI(w, c) = max(0, log( P(w,c) / (P(w) P_α(c)) )), P_α(c) ∝ #c^α (Levy et al. 2015, eq. 3).

    Parameters
    ----------
    counts : (V, V) CSR of co-occurrences, symmetric.
    smoothing : α; 1 is no smoothing.

    Returns
    -------
    float32 (V, V) CSR of the positive entries.
    """
    return sp.vstack(list(ppmi_bands(counts.tocsr(), smoothing)), "csr")


def ppmi_bands(counts: sp.csr_matrix, smoothing: float = 0.75) -> Iterator[sp.csr_matrix]:
    """The same, some rows at a time."""
    of_tag = [np.asarray(band.sum(1, dtype=np.float64)).ravel() for band in bands_of(counts)]
    of_tag = np.concatenate(of_tag)
    of_context = of_tag**smoothing  # a column's sum is its row's
    with np.errstate(divide="ignore"):
        log_tag = np.log(of_tag)
        log_context = np.log(of_context) - np.log(of_context.sum())

    def positive(numbered: tuple[int, sp.csr_matrix]) -> sp.csr_matrix:
        number, band = numbered
        own = np.repeat(log_tag[number * ROWS :][: band.shape[0]], np.diff(band.indptr))
        information = np.log(band.data) - own - log_context[band.indices]
        made = np.maximum(information, 0).astype(np.float32)
        made = sp.csr_matrix((made, band.indices.copy(), band.indptr.copy()), band.shape)
        made.eliminate_zeros()
        return made

    return in_order(positive, enumerate(bands_of(counts)))


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
            raise BadArtifact(
                f"dictionary.npz has no {error}: run embed_tags.py again"
            ) from None
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
    information = BandedMatrix(ppmi_bands(counts.tocsr(), smoothing))
    vectors, values = truncated_svd(information, dim, seed)
    vecs = unit_rows(vectors * values**eig_power)
    has = vecs.any(1)
    names = [name for name, there in zip(vocabulary.names, has, strict=True) if there]
    return Dictionary(
        names, vecs[has], vocabulary.frequencies[has], vocabulary.tag_ids[has], values
    )
