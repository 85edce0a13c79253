"""Which parts a broad taste has, so that each gets its turn.

Of ten thousand likes most may be of one kind, and the best post is then nearly always
of that kind. The likes are parted by their vectors: farthest-first centers, then a few
rounds of k-means on the sphere (as PinnerSage parts a user's pins; Pal et al. 2020).
"""

from __future__ import annotations

import numpy as np

from ..embedding.dictionary import unit_rows

BROAD = 100  # likes from which a taste is parted
SMALLEST_PART = 3  # likes
MOST_PARTS = 16
APART = 0.5  # cosine below which a like is no part of what is nearest
LOOKED_AT = 1000  # likes that the centers are found among
ROUNDS = 3


def centers_of(vectors: np.ndarray) -> np.ndarray:
    """Find the centers of the kinds that likes are of, the largest kind first.

    Parameters
    ----------
    vectors : float (n, d), of the liked posts, of any length.

    Returns
    -------
    float (k, d), of length 1. There are none for fewer than `BROAD` likes.
    """
    if len(vectors) < BROAD:
        return vectors[:0]
    unit = unit_rows(vectors[:: len(vectors) // LOOKED_AT + 1])
    centers = _far_apart(unit)
    for _ in range(ROUNDS):
        label = nearest(unit, centers)
        belongs = (label[:, None] == np.arange(len(centers))).astype(unit.dtype)
        sizes = belongs.sum(0)
        largest = np.argsort(-sizes, kind="stable")[:MOST_PARTS]
        kept = largest[sizes[largest] >= SMALLEST_PART]
        centers = unit_rows(belongs.T @ unit)[kept]
    return centers


def nearest(vectors: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return which center each vector belongs to, int64 (n,); -1 for none."""
    if not len(centers):
        return np.full(len(vectors), -1)
    cosines = unit_rows(vectors) @ centers.T
    label = cosines.argmax(1)
    return np.where(cosines[np.arange(len(label)), label] >= APART, label, -1)


def _far_apart(unit: np.ndarray) -> np.ndarray:
    """Choose rows that are far from each other, until every row is near one of them."""
    closest = np.full(len(unit), -1.0)
    chosen = int(np.argmax(unit @ unit.mean(0)))
    centers: list[np.ndarray] = []
    while closest.min() < APART and len(centers) < 4 * MOST_PARTS:
        centers.append(unit[chosen])
        closest = np.maximum(closest, unit @ unit[chosen])
        closest[chosen] = 1.0
        chosen = int(np.argmin(closest))
    return np.array(centers)
