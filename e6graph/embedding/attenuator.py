"""The à la carte operator: what a tag's company says about it, turned into a vector.

Khodak, Saunshi, Liang, Ma, Stewart, Arora, "A La Carte Embedding", ACL 2018.
For a tag w, u_w is the mean over its posts of the mean vector of the *other* tags
(eq. 2). The operator is A = argmin Σ_w α(c_w) ‖v_w − A u_w‖² (eq. 4), with a ridge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp

from ..store.parallel import in_order
from .dictionary import unit_rows

WEIGHTING = "log"  # how much a tag counts in the fit, see `tag_weights`
THRESHOLD = 20  # posts that a tag needs with the weighting "threshold"
ATTENUATOR_RIDGE = 1e-3  # as a share of the average diagonal of the Gram matrix
BANDS = ((2, 4), (5, 19), (20, 99), (100, 999), (1000, None))  # posts of a tag


def context_means(
    blocks: Iterable[sp.csr_matrix],
    vecs: np.ndarray,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean vector of each tag's contexts, which leave out the tag itself.

    With S_p the weighted sum over a post and m_p its weight, the context of w in p
    is (S_p − a_w v_w) / (m_p − a_w).

    Parameters
    ----------
    blocks : (n_k, V) CSR of ones.
    vecs : float32 (V, d).
    weights : float32 (V,), None for equal ones. SIF's are a / (a + p_w), Arora et
        al. 2017.

    Returns
    -------
    means : float32 (V, d); zero for a tag without contexts.
    contexts : int64 (V,), posts with the tag and another known one.
    """
    ((means, contexts),) = many_context_means(blocks, vecs, [(weights, None)])
    return means, contexts


def many_context_means(
    blocks: Iterable[sp.csr_matrix],
    vecs: np.ndarray,
    wanted: Sequence[tuple[np.ndarray | None, np.ndarray | None]],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Compute several `context_means` in one pass over the posts.

    Parameters
    ----------
    wanted : pairs of weights, as there, and of the tags whose means are wanted:
        bool (V,), None for all. The other tags get zeros.
    """
    width, dim = vecs.shape
    plans = []
    for weights, take in wanted:
        weighted = vecs
        if weights is not None:
            weights = weights.astype(np.float32)
            weighted = vecs * weights[:, None]
        plans.append((weights, weighted, take))
    total = [np.zeros((width, dim)) for _ in plans]
    own = [np.zeros(width) for _ in plans]
    contexts = [np.zeros(width, np.int64) for _ in plans]

    def sums(block: sp.csr_matrix) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        block = block[np.diff(block.indptr) >= 2]
        return [_context_sums(block, *plan) for plan in plans]

    for parts in in_order(sums, blocks):
        for i, (inside, shares, posts) in enumerate(parts):
            total[i] += inside
            own[i] += shares
            contexts[i] += posts

    made = []
    for (_, weighted, _), means, shares, posts in zip(plans, total, own, contexts, strict=True):
        means -= shares[:, None] * weighted  # the tag's own part
        means /= np.maximum(posts, 1)[:, None]
        made.append((means.astype(np.float32), posts))
    return made


def _context_sums(
    block: sp.csr_matrix,
    weights: np.ndarray | None,
    weighted: np.ndarray,
    take: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum S_p / (m_p − a_w), 1 / (m_p − a_w) and 1 by tag; a post has two or more."""
    lengths, columns, indptr = np.diff(block.indptr), block.indices, block.indptr
    # m_p − a_w, by pair
    if weights is None:
        rest = np.repeat((lengths - 1).astype(np.float32), lengths)
    else:
        rest = np.repeat(block @ weights, lengths) - weights[columns]
    if take is not None:
        keep = take[columns]
        indptr = np.concatenate([[0], np.cumsum(keep)])[indptr]
        columns, rest = columns[keep], rest[keep]
    share = 1 / rest
    scaled = sp.csr_matrix((share, columns, indptr), block.shape)
    # The transpose stays CSC, whose sums by tag fit in the cache.
    inside = scaled.T @ (block @ weighted)
    width = block.shape[1]
    shares = np.bincount(columns, share, width)
    return inside, shares, np.bincount(columns, minlength=width)


def tag_weights(
    contexts: np.ndarray, weighting: str = WEIGHTING, threshold: int = THRESHOLD
) -> np.ndarray:
    """Compute α(c_w) of the fit, float64 (V,), from the contexts c of each tag.

    "threshold" is 1 from `threshold` contexts on, "log" is log c, "none" is 1. If
    that is 0 for all tags, it is 1. A tag without contexts gets 0.
    """
    if weighting == "threshold" and (contexts >= threshold).any():
        return (contexts >= threshold).astype(np.float64)
    if weighting == "log" and contexts.max(initial=0) > 1:
        return np.log(np.maximum(contexts, 1))
    return (contexts > 0).astype(np.float64)


def solve(
    means: np.ndarray,
    vecs: np.ndarray,
    weights: np.ndarray,
    ridge: float = ATTENUATOR_RIDGE,
) -> np.ndarray:
    """Solve A = (Vᵀ W U)(Uᵀ W U + λI)⁻¹, λ = ridge × the average diagonal of Uᵀ W U.

    Parameters
    ----------
    means : (V, d), u_w. vecs : (V, d), v_w. weights : (V,), α(c_w).

    Returns
    -------
    float32 (d, d); the induced vector of a context mean u is A u.
    """
    means, vecs = means.astype(np.float64), vecs.astype(np.float64)
    weighted = (means * weights[:, None]).T
    gram, cross = weighted @ means, weighted @ vecs
    level = np.trace(gram) / len(gram)
    if ridge < np.finfo(float).eps:  # of many solutions the smallest
        return np.linalg.lstsq(gram, cross, rcond=None)[0].T.astype(np.float32)
    gram[np.diag_indices_from(gram)] += ridge * level if level > 0 else 1.0
    return np.linalg.solve(gram, cross).T.astype(np.float32)


def induced_cosines(operator: np.ndarray, means: np.ndarray, vecs: np.ndarray) -> np.ndarray:
    """Compute the cosine of A u_w with v_w, float32 (V,)."""
    return np.einsum("ij,ij->i", unit_rows(means @ operator.T), unit_rows(vecs))


def by_band(
    frequencies: np.ndarray, *columns: np.ndarray, take: np.ndarray | None = None
) -> list[tuple]:
    """Average columns by band of frequency: rows (band, tags, mean, ...), none empty."""
    take = np.ones(len(frequencies), bool) if take is None else take
    rows = []
    for low, high in BANDS:
        inside = take & (frequencies >= low) & (frequencies <= (high or np.inf))
        if inside.any():
            label = f"{low}-{high}" if high else f"{low}+"
            means = (float(column[inside].mean()) for column in columns)
            rows.append((label, int(inside.sum()), *means))
    return rows


def attenuated_means(
    posts_by_tags: sp.csr_matrix, vecs: np.ndarray, operator: np.ndarray | None
) -> np.ndarray:
    """Compute A · mean of each post's tag vectors, unit rows; zeros if no tag is known.

    Parameters
    ----------
    posts_by_tags : (n, V) CSR of ones.
    operator : (d, d), None for the raw mean.

    Returns
    -------
    float32 (n, d).
    """
    sums = posts_by_tags @ vecs  # a sum has the direction of its mean
    return unit_rows(sums if operator is None else sums @ operator.T)
