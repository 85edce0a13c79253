"""Which parts a broad taste has, so that each gets its turn.

Of ten thousand likes most may be of one kind, and the best post is then nearly always
of that kind. The likes are parted by their vectors: farthest-first centers, then a few
rounds of k-means on the sphere (as PinnerSage parts a user's pins; Pal et al. 2020).
"""

from __future__ import annotations

import numpy as np

from ..embedding.dictionary import unit_rows

BROAD = 50  # likes from which a taste is parted
SMALLEST_PART = 3  # likes
MOST_PARTS = 16
APART = 0.5  # cosine below which a like is no part of what is nearest
LOOKED_AT = 1000  # likes that the centers are found among
ROUNDS = 3


def parts(vectors: np.ndarray) -> list[np.ndarray]:
    """Part likes into kinds, the largest first.

    Parameters
    ----------
    vectors : float (n, d), of the liked posts, of any length.

    Returns
    -------
    int64, the likes of each kind, ascending; likes that are like few others are of
    none. Fewer than `BROAD` likes are not parted: there is no kind then.
    """
    if len(vectors) < BROAD:
        return []
    unit = unit_rows(vectors)
    centers = _centers(unit[:: len(unit) // LOOKED_AT + 1])
    for _ in range(ROUNDS):
        label, cosine = _nearest(unit, centers)
        sums = np.zeros_like(centers)
        np.add.at(sums, label[cosine >= APART], unit[cosine >= APART])
        sizes = np.bincount(label[cosine >= APART], minlength=len(centers))
        if not (sizes >= SMALLEST_PART).any():
            return []
        largest = np.argsort(-sizes, kind="stable")[:MOST_PARTS]
        centers = unit_rows(sums[largest[sizes[largest] >= SMALLEST_PART]])
    label, cosine = _nearest(unit, centers)
    found = [np.flatnonzero((label == i) & (cosine >= APART)) for i in range(len(centers))]
    return [likes for likes in found if len(likes) >= SMALLEST_PART]


def _centers(unit: np.ndarray) -> np.ndarray:
    """Choose rows that are far from each other, until every row is near one of them."""
    nearest = np.full(len(unit), -1.0)
    chosen = int(np.argmax(unit @ unit.mean(0)))
    centers: list[np.ndarray] = []
    while nearest.min() < APART and len(centers) < 4 * MOST_PARTS:
        centers.append(unit[chosen])
        nearest = np.maximum(nearest, unit @ unit[chosen])
        nearest[chosen] = 1.0
        chosen = int(np.argmin(nearest))
    return np.array(centers)


def _nearest(unit: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which center is nearest to each row, and its cosine."""
    cosines = unit @ centers.T
    label = cosines.argmax(1)
    return label, np.take_along_axis(cosines, label[:, None], 1)[:, 0]
