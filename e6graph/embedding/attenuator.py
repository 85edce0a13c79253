"""The à la carte operator: what a tag's company says about it, turned into a vector.

Khodak, Saunshi, Liang, Ma, Stewart, Arora, "A La Carte Embedding", ACL 2018. For a tag w, u_w is
the mean over its posts of the mean vector of the *other* tags (eq. 2); the operator is
A = argmin Σ_w α(c_w) ‖v_w − A u_w‖² (eq. 4), here in closed form with a ridge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp

from ..store.parallel import in_order
from .dictionary import unit_rows

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
    ((means, contexts),) = many_context_means(blocks, vecs, [(weights, None)])
    return means, contexts


def many_context_means(
    blocks: Iterable[sp.csr_matrix],
    vecs: np.ndarray,
    wanted: Sequence[tuple[np.ndarray | None, np.ndarray | None]],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Several `context_means` in one pass over the posts.

    Parameters
    ----------
    wanted : pairs of weights, as there, and bool (V,): the tags to find it for, None for all. The
        others get zeros.
    """
    width, dim = vecs.shape
    plans = []
    for weights, take in wanted:
        weights = None if weights is None else weights.astype(np.float32)
        plans.append((weights, vecs if weights is None else vecs * weights[:, None], take))
    total = [np.zeros((width, dim)) for _ in plans]
    own = [np.zeros(width) for _ in plans]
    contexts = [np.zeros(width, np.int64) for _ in plans]

    def sums(block: sp.csr_matrix) -> list[tuple[np.ndarray, ...]]:
        block = block[np.diff(block.indptr) >= 2]
        return [_sums(block, *plan) for plan in plans]

    for parts in in_order(sums, blocks):
        for i, (inside, shares, posts) in enumerate(parts):
            total[i] += inside
            own[i] += shares
            contexts[i] += posts
    made = []
    for (_, weighted, _), inside, shares, posts in zip(
        plans, total, own, contexts, strict=True
    ):
        inside -= shares[:, None] * weighted
        means = np.divide(
            inside, posts[:, None], out=np.zeros_like(inside), where=posts[:, None] > 0
        )
        made.append((means.astype(np.float32), posts))
    return made


def _sums(
    block: sp.csr_matrix,
    weights: np.ndarray | None,
    weighted: np.ndarray,
    take: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of posts of two tags or more: Σ S_p / (m_p − a_w), Σ 1 / (m_p − a_w), and how many, by tag.

    Transposes stay as they are (CSC): the sums by tag fit in the cache, where rows would not.
    """
    lengths, columns, indptr = np.diff(block.indptr), block.indices, block.indptr
    if weights is None:
        rest = np.repeat((lengths - 1).astype(np.float32), lengths)
    else:
        rest = np.repeat(block @ weights, lengths) - weights[columns]  # m_p − a_w, by pair
    if take is not None:
        keep = take[columns]
        indptr = np.concatenate([[0], np.cumsum(keep)])[indptr]
        columns, rest = columns[keep], rest[keep]
    share = 1 / rest
    scaled = sp.csr_matrix((share, columns, indptr), block.shape)
    return (
        scaled.T @ (block @ weighted),
        np.bincount(columns, share, minlength=block.shape[1]),
        np.bincount(columns, minlength=block.shape[1]),
    )


def tag_weights(
    contexts: np.ndarray, weighting: str = "log", threshold: int = 20
) -> np.ndarray:
    """α(c_w) of the fit: 1[c ≥ τ] ("threshold"), log c ("log") or 1 ("none"); float64 (V,)."""
    if weighting == "threshold":
        enough = contexts >= threshold
        return (enough if enough.any() else contexts > 0).astype(np.float64)
    if (
        weighting == "log" and contexts.max(initial=0) > 1
    ):  # log 1 = 0 for all would fit nothing
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
    if ridge < np.finfo(float).eps:  # the least solution, where there are many
        return np.linalg.lstsq(gram, cross, rcond=None)[0].T.astype(np.float32)
    gram[np.diag_indices_from(gram)] += ridge * level if level > 0 else 1.0
    return np.linalg.solve(gram, cross).T.astype(np.float32)


def induced_cosines(operator: np.ndarray, means: np.ndarray, vecs: np.ndarray) -> np.ndarray:
    """Cosine of A u_w with v_w, float32 (V,)."""
    return np.einsum("ij,ij->i", unit_rows(means @ operator.T), unit_rows(vecs))


def by_band(
    frequencies: np.ndarray, *columns: np.ndarray, take: np.ndarray | None = None
) -> list:
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
