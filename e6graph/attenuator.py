"""The à la carte operator: what a tag's company says about it, turned into a vector.

Khodak, Saunshi, Liang, Ma, Stewart, Arora, "A La Carte Embedding", ACL 2018. For a tag w, u_w is
the mean over its posts of the mean vector of the *other* tags (eq. 2); the operator is
A = argmin Σ_w α(c_w) ‖v_w − A u_w‖² (eq. 4), here in closed form with a ridge.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp

from .embedding import unit_rows

BANDS = ((2, 4), (5, 19), (20, 99), (100, 999), (1000, None))  # posts a tag is used on


def context_means(
    blocks: Iterable[sp.csr_matrix], vecs: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean vector of each tag's contexts, the tag itself left out of its own.

    With S_p the weighted sum over a post and m_p its weight, the context of w in p is
    (S_p − a_w v_w) / (m_p − a_w); with equal weights that is linear in XᵀDX, and streams.

    Parameters
    ----------
    blocks : (n_k, V) CSR of ones.
    vecs : float32 (V, d).
    weights : float32 (V,), None for a plain mean (SIF: a / (a + p_w), Arora et al. 2017).

    Returns
    -------
    means : float32 (V, d); zero for a tag without contexts.
    contexts : int64 (V,), posts that gave a context (those with another known tag).
    """
    width, dim = vecs.shape
    weights = np.ones(width, np.float32) if weights is None else weights.astype(np.float32)
    weighted = vecs * weights[:, None]
    total = np.zeros((width, dim))
    own = np.zeros(width)
    contexts = np.zeros(width, np.int64)
    for block in blocks:
        lengths = np.diff(block.indptr)
        block = block[lengths >= 2]
        lengths = lengths[lengths >= 2]
        if block.shape[0] == 0:
            continue
        row = np.repeat(np.arange(len(lengths)), lengths)
        rest = (block @ weights)[row] - weights[block.indices]  # m_p − a_w, by pair
        scaled = block.copy()
        scaled.data = (1 / rest).astype(np.float32)
        turned = scaled.T.tocsr()
        total += turned @ (block @ weighted)
        own += np.asarray(turned.sum(1, dtype=np.float64)).ravel()
        contexts += np.bincount(block.indices, minlength=width)
    total -= own[:, None] * weighted
    means = np.divide(
        total, contexts[:, None], out=np.zeros_like(total), where=contexts[:, None] > 0
    )
    return means.astype(np.float32), contexts


def tag_weights(contexts: np.ndarray, weighting: str = "log", threshold: int = 20) -> np.ndarray:
    """α(c_w) of the fit: 1[c ≥ τ] ("threshold"), log c ("log") or 1 ("none"); float64 (V,)."""
    if weighting == "threshold":
        enough = contexts >= threshold
        return (enough if enough.any() else contexts > 0).astype(np.float64)
    if weighting == "log":
        return np.log(np.maximum(contexts, 1))
    return (contexts > 0).astype(np.float64)


def solve(
    means: np.ndarray, vecs: np.ndarray, weights: np.ndarray, ridge: float = 1e-3
) -> np.ndarray:
    """A = (Vᵀ W U)(Uᵀ W U + λI)⁻¹, λ = ridge × the mean of the Gram matrix's diagonal.

    Parameters
    ----------
    means : (V, d), u_w. vecs : (V, d), v_w. weights : (V,), α(c_w).

    Returns
    -------
    float32 (d, d); the induced vector of a context mean u is A u.
    """
    means, vecs = means.astype(np.float64), vecs.astype(np.float64)
    gram = (means * weights[:, None]).T @ means
    cross = (means * weights[:, None]).T @ vecs
    level = np.trace(gram) / len(gram)
    gram[np.diag_indices_from(gram)] += ridge * level if level > 0 else 1.0
    return np.linalg.solve(gram, cross).T.astype(np.float32)


def induced_cosines(operator: np.ndarray, means: np.ndarray, vecs: np.ndarray) -> np.ndarray:
    """Cosine of A u_w with v_w, float32 (V,)."""
    return np.einsum("ij,ij->i", unit_rows(means @ operator.T), unit_rows(vecs))


def by_band(frequencies: np.ndarray, *columns: np.ndarray, take: np.ndarray | None = None) -> list:
    """Mean of each column by frequency band: rows (band, tags, mean, ...), empty bands left out."""
    take = np.ones(len(frequencies), bool) if take is None else take
    rows = []
    for low, high in BANDS:
        inside = take & (frequencies >= low) & (frequencies <= (high or np.inf))
        if inside.any():
            label = f"{low}-{high}" if high else f"{low}+"
            rows.append((label, int(inside.sum()), *(float(c[inside].mean()) for c in columns)))
    return rows


def attenuated_means(
    posts_by_tags: sp.csr_matrix, vecs: np.ndarray, operator: np.ndarray | None
) -> np.ndarray:
    """A · mean of each post's tag vectors, unit rows; zeros for a post with no known tag.

    Parameters
    ----------
    posts_by_tags : (n, V) CSR of ones.
    operator : (d, d), None for the raw mean.

    Returns
    -------
    float32 (n, d).
    """
    sums = posts_by_tags @ vecs  # its direction is the mean's
    return unit_rows(sums if operator is None else sums @ operator.T)
