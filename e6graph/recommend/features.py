"""What a taste is learned from: posts and named tags as unit TF-IDF vectors."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ..store.ragged import sum_rows
from .ranking import Ranking

ENJOYED_POSTS = 100  # posts that tell what goes with an enjoyed tag


def taste_features(ranking: Ranking, rows: np.ndarray) -> sp.csr_matrix:
    """Return the unit TF-IDF vectors of some rows, then a column of ones.

    Returns
    -------
    float32 (m, T + 1).
    """
    tags, offsets = ranking.posts.tags_of.take(rows)
    m, n_tags = len(rows), len(ranking.idf)
    tfidf = _unit_rows(ranking.appeal.idf[tags], offsets)
    data = np.insert(tfidf, offsets[1:], 1).astype(np.float32)
    columns = np.insert(tags, offsets[1:], n_tags)
    offsets = offsets + np.arange(m + 1)
    return sp.csr_matrix((data, columns, offsets), (m, n_tags + 1))


def _unit_rows(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Scale rows of different lengths, which follow each other, to length 1."""
    squares = sum_rows(np.square(values, dtype=np.float64), offsets)
    norms = np.sqrt(np.maximum(squares, 1e-24))
    return values / np.repeat(norms, np.diff(offsets))


def enjoyed_features(
    ranking: Ranking, tag_ids: np.ndarray, allowed: np.ndarray
) -> list[sp.csr_matrix]:
    """Return what each enjoyed tag stands for, as if it were a post.

    Returns
    -------
    One unit row per tag, float64 (1, T + 1): the average of the tag itself and of the
    posts that hold it. The level, in the last column, is 0.
    """
    features = []
    for tag_id in tag_ids:
        rows = ranking.posts.rows_with[tag_id]
        rows = rows[allowed[rows]]
        some = rows[:: len(rows) // ENJOYED_POSTS + 1]
        held, offsets = ranking.posts.tags_of.take(some)
        tags, which = np.unique(np.append(held, tag_id), return_inverse=True)
        worth = _unit_rows(ranking.appeal.idf[held], offsets)
        # The sum of the posts points where their mean does.
        made = np.bincount(which[:-1], worth, len(tags)).astype(np.float64)
        made /= max(float(np.linalg.norm(made)), 1e-12)
        made[which[-1]] += 1
        made /= np.linalg.norm(made)
        shape = (1, len(ranking.idf) + 1)
        features.append(sp.csr_matrix((made, tags, [0, len(tags)]), shape))
    return features
