"""What construct_index.py builds: which posts, their vectors, how hard to search, who is near."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from .attenuator import attenuated_means
from .embedding import Dictionary
from .interactions import iter_posts_by_tags
from .neighbors import Neighbors, nth_best, recall
from .safety import never_shown
from .store import Store

LEFT_OUT = ("under the never-shown rule", "no known tag", "below the offset")
LADDER = (500, 1000, 2000, 4000, 8000, 16000, 32000)  # values of search_k to try


def post_vectors(
    store: Store, words: Dictionary, operator: np.ndarray, offset: int = 0, desc: str = "vectors"
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Attenuated means of the posts that may be indexed, block by block.

    Yields
    ------
    ids : int64 (n,), ascending. vectors : float32 (n, d) unit rows.
    left_out : int64 (3,), posts of the block left out, for each reason of `LEFT_OUT`.
    """
    never, at = never_shown(store), 0
    for ids, tags in tqdm(iter_posts_by_tags(store, words.vocabulary), desc, disable=None):
        forbidden = never[at : at + len(ids)]
        at += len(ids)
        vectors = attenuated_means(tags, words.vecs, operator)
        unknown = ~forbidden & ~vectors.any(1)
        below = ~forbidden & ~unknown & (ids < offset)
        take = ~(forbidden | unknown | below)
        counts = np.array([forbidden.sum(), unknown.sum(), below.sum()])
        yield ids[take], vectors[take], counts


def tune(
    found: Neighbors,
    post_ids: np.ndarray,
    blocks: Iterator[np.ndarray],
    ladder: Sequence[int] = LADDER,
    target: float = 0.95,
    sample: int = 500,
    seed: int = 0,
) -> list[tuple[int, float]]:
    """Recall@10 of a sample of posts against exact search, for rising search_k up to `target`.

    Parameters
    ----------
    post_ids : all that are indexed. blocks : all their vectors, (n_k, d).

    Returns
    -------
    (search_k, recall) pairs; the last is the one to use.
    """
    chosen = np.random.default_rng(seed).choice(post_ids, min(sample, len(post_ids)), replace=False)
    queries = np.array([found.vector(post_id) for post_id in chosen.tolist()])
    n = min(10, len(post_ids))
    least = nth_best(blocks, queries, n)
    rows: list[tuple[int, float]] = []
    for search_k in ladder:
        cosines = [found.query(query, n, search_k)[1] for query in queries]
        rows.append((search_k, recall(cosines, least, n)))
        if rows[-1][1] >= target:
            break
    return rows


def neighbor_table(found: Neighbors, post_ids: np.ndarray, width: int) -> np.ndarray:
    """Each post's nearest others as positions in `post_ids`, int32 (n, width), -1 for none."""
    table = np.full((len(post_ids), width), -1, np.int32)
    for row, post_id in enumerate(tqdm(post_ids.tolist(), "neighbors", disable=None)):
        near, _ = found.query(found.vector(post_id), width + 1)
        near = near[near != post_id][:width]
        table[row, : len(near)] = np.searchsorted(post_ids, near)
    return table
