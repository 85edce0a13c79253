"""Tag vectors: co-occurrence → PPMI → truncated SVD → `Dictionary`.

Levy, Goldberg, Dagan, "Improving Distributional Similarity with Lessons Learned from
Word Embeddings", TACL 2015 (context smoothing, eigenvalue weighting).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import scipy.sparse as sp

from ..errors import BadArtifact, BadInput
from ..store import Stage, Store
from ..store.parallel import in_order
from ..store.progress import ticking
from ..tags.vocabulary import Vocabulary
from .svd import BAND_ROWS, BandedMatrix, bands_of, truncated_svd

DIMENSIONS = 128  # length of a tag vector
SMOOTHING = 0.75  # α, the exponent of the context distribution; 1 is no smoothing
EIG_POWER = 0.5  # p, that of singular values; 0.5 or 0, never 1 (Levy et al. 2015)


def ppmi(counts: sp.csr_matrix, smoothing: float = SMOOTHING) -> sp.csr_matrix:
    """Compute positive pointwise mutual information with smoothed contexts.

    PPMI(w, c) = max(0, log( P(w,c) / (P(w) P_α(c)) )), P_α(c) ∝ #c^α
    (Levy et al. 2015, eq. 3).

    Parameters
    ----------
    counts : (V, V) CSR of co-occurrences, symmetric.
    smoothing : α.

    Returns
    -------
    float32 (V, V) CSR of the positive entries.
    """
    return sp.vstack(list(ppmi_bands(counts.tocsr(), smoothing)), "csr")


def ppmi_bands(counts: sp.csr_matrix, smoothing: float) -> Iterator[sp.csr_matrix]:
    """Yield the rows of `ppmi`, `BAND_ROWS` at a time."""
    sums = [band.sum(1, dtype=np.float64) for band in bands_of(counts)]
    uses = np.asarray(np.concatenate(sums)).ravel()
    as_context = uses**smoothing  # counts are symmetric: a column's sum is its row's
    with np.errstate(divide="ignore"):
        log_tag = np.log(uses)
        log_context = np.log(as_context) - np.log(as_context.sum())

    def positive(numbered: tuple[int, sp.csr_matrix]) -> sp.csr_matrix:
        number, band = numbered
        own = log_tag[number * BAND_ROWS :][: band.shape[0]]
        information = np.log(band.data) - np.repeat(own, np.diff(band.indptr))
        information -= log_context[band.indices]
        values = np.maximum(information, 0).astype(np.float32)
        indices, indptr = band.indices.copy(), band.indptr.copy()
        made = sp.csr_matrix((values, indices, indptr), band.shape)
        made.eliminate_zeros()
        return made

    return in_order(positive, enumerate(bands_of(counts)))


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to length 1 in a new array; a zero row stays zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def round_scores(scores: np.ndarray) -> np.ndarray:
    """Round float32 scores to six decimals, as float64, before they are compared.

    The last bits of a product differ from processor to processor. After rounding,
    equal scores are equal everywhere, and a stable sort keeps them in order of use.
    """
    return scores.astype(np.float64).round(6)


@dataclass(frozen=True)
class Dictionary:
    """Tag vectors, a row a tag, the most used tag first.

    Attributes
    ----------
    tags : names.
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

    def save(self, stage: Stage) -> None:
        """Write `dictionary.npz` in a stage of the store."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        stage.save_npz("dictionary.npz", **arrays)

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.tags, self.tag_ids, self.frqs)

    def nearest(
        self, vector: np.ndarray, n: int = 8, but: int | None = None
    ) -> list[tuple[str, float]]:
        """Find the n tags of largest cosine with a vector (d,), equal ones by use.

        `but` is the row of a tag to leave out: the one whose neighbors are wanted.
        """
        direction = unit_rows(np.asarray(vector, np.float32)[None])[0]
        cosines = round_scores(self.vecs @ direction)
        order = np.argsort(-cosines, kind="stable")
        return [(self.tags[i], float(cosines[i])) for i in order[order != but][:n]]


def embed_vocabulary(
    vocabulary: Vocabulary,
    counts: sp.csr_matrix,
    dim: int = DIMENSIONS,
    smoothing: float = SMOOTHING,
    eig_power: float = EIG_POWER,
    seed: int = 0,
) -> Dictionary:
    """Make vectors U_d Σ_d^p with unit rows (Levy et al. 2015, eq. 5).

    A tag that never meets another has no vector and is left out, so the result may
    hold fewer tags than the vocabulary.

    Parameters
    ----------
    counts : (V, V) co-occurrences of the vocabulary.
    smoothing, eig_power : α and p.

    Raises
    ------
    BadInput : no tag meets another.
    """
    if not counts.nnz:
        raise BadInput("no two tags of the vocabulary meet on a post: nothing to embed")
    with ticking("PPMI and SVD"):
        information = BandedMatrix(ppmi_bands(counts.tocsr(), smoothing))
        vectors, values = truncated_svd(information, dim, seed)
    vecs = unit_rows(vectors * values**eig_power)
    kept = np.flatnonzero(vecs.any(1))
    return Dictionary(
        [vocabulary.names[row] for row in kept],
        vecs[kept],
        vocabulary.frequencies[kept],
        vocabulary.tag_ids[kept],
        values,
    )
