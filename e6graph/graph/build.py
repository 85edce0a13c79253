"""The steps of construct_index.py: vectors, how hard to search, who is near whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from ..embedding.attenuator import attenuated_means
from ..embedding.dictionary import Dictionary
from ..embedding.interactions import iter_posts_by_tags
from ..store import Store
from ..store.parallel import in_order
from ..store.progress import counted, ticking
from ..tags.never import never_shown
from .neighbors import Neighbors, nth_best, recall

LEFT_OUT = (  # reasons why a post is not indexed
    "under the never-shown rule",
    "no known tag",
    "below the offset",
)
LADDER = (500, 1000, 2000, 4000, 8000, 16000, 32000)  # values of search_k to try
TARGET_RECALL = 0.95
TUNING_QUERIES = 500


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def post_vectors(
    store: Store, words: Dictionary, operator: np.ndarray, offset: int = 0
) -> Iterator[Arrays]:
    """Compute attenuated means of the posts that may be indexed, block by block.

    Yields
    ------
    ids : int64 (n,), ascending.
    vectors : float32 (n, d) unit rows.
    left_out : int64 (3,), posts of the block left out, for each reason of `LEFT_OUT`.
    """
    with ticking("the never-shown rule"):
        never = never_shown(store)

    def blocks() -> Iterator[Arrays]:
        at = 0
        posts = iter_posts_by_tags(store, words.vocabulary)
        for ids, tags in counted(posts, "vectors"):
            yield ids, tags, never[at : at + len(ids)]
            at += len(ids)

    def embed(block: Arrays) -> Arrays:
        ids, tags, forbidden = block
        vectors = attenuated_means(tags, words.vecs, operator)
        unknown = ~forbidden & ~vectors.any(1)
        below = ~forbidden & ~unknown & (ids < offset)
        take = ~(forbidden | unknown | below)
        counts = np.array([forbidden.sum(), unknown.sum(), below.sum()])
        return ids[take], vectors[take], counts

    yield from in_order(embed, blocks())


def tune(
    found: Neighbors,
    post_ids: np.ndarray,
    blocks: Iterable[np.ndarray],
    ladder: Sequence[int] = LADDER,
    sample: int = TUNING_QUERIES,
    seed: int = 0,
) -> list[tuple[int, float]]:
    """Measure recall@10 against exact search, for rising search_k up to `TARGET_RECALL`.

    Parameters
    ----------
    post_ids : all that are indexed.
    blocks : all their vectors, (n_k, d).
    sample : how many posts are searched for.

    Returns
    -------
    (search_k, recall) pairs; the last is the one to use.
    """
    rng, sample = np.random.default_rng(seed), min(sample, len(post_ids))
    chosen = rng.choice(post_ids, sample, replace=False)
    queries = np.array([found.vector(post_id) for post_id in chosen.tolist()])
    n = min(10, len(post_ids))
    least = nth_best(counted(blocks, "exact search"), queries, n)
    rows: list[tuple[int, float]] = []
    for search_k in ladder:
        search = partial(found.query, n=n, search_k=search_k)
        with ticking(f"recall with search_k {search_k:,}"):
            cosines = (near for _, near in in_order(search, queries))
            rows.append((search_k, recall(cosines, least, n)))
        if rows[-1][1] >= TARGET_RECALL:
            break
    return rows


def neighbor_table(found: Neighbors, post_ids: np.ndarray, width: int) -> np.ndarray:
    """Find each post's nearest others: positions in `post_ids`, int32 (n, width), or -1."""
    table = np.full((len(post_ids), width), -1, np.int32)

    def near(post_id: int) -> np.ndarray:
        ids, _ = found.query(found.vector(post_id), width + 1)
        return np.searchsorted(post_ids, ids[ids != post_id][:width])

    shown = counted(post_ids.tolist(), "neighbors", len(post_ids))
    for row, columns in zip(table, in_order(near, shown), strict=True):
        row[: len(columns)] = columns
    return table
