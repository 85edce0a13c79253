"""Favorites, and what is new: do the new posts that somebody would mark come first?

Pools are put together as the favorites of a person. A fifth of the board, drawn at
random, counts as new; the favorites among it are hidden, and it is ranked by the others.
(By their times, the pools of many boards are old or new as a whole.)
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping

import numpy as np
import scipy.sparse as sp

from ..errors import BadInput
from ..recommend.choosing import choose
from ..recommend.course import Course
from ..recommend.personal import Profile, taste_of
from ..recommend.postgraph import PostGraph
from ..recommend.variety import VARIETY, likenesses
from ..store.ragged import Ragged
from .methods import ExactMethods, popularity
from .protocol import split_pools
from .report import Figure, Table, progress

PEOPLE, QUICK_PEOPLE = 20, 4
FAVORITES = 2000  # of a person, or as many as `SHARE_OF_BOARD`
SHARE_OF_BOARD = 0.1
NEW = 0.2  # share of the board
DEPTHS = (10, 100)
NOTES = (
    "@k: which share of the first k new posts are favorites; of all new posts: chance. "
    "found: share of the hidden favorites among the first {}.",
    "personal: as users get it; all variants: with variants=True and variety=0.",
    "likeness: Jaccard index of the tags. Harmonic mean: summed over a post's tags, of "
    "their share among the favorites and that share over the board's.",
)

Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Rows of the favorites, rows of the new posts → a score of each new post."""


def draw_favorites(pools: list[np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
    """Join random pools until they have n posts: int64 rows, ascending."""
    marked = np.zeros(0, np.int64)
    for number in rng.permutation(len(pools)).tolist():
        marked = np.union1d(marked, pools[number])
        if len(marked) >= n:
            break
    return marked


def by_likeness(tags: sp.csr_matrix, reduce: Callable[..., np.ndarray]) -> Scorer:
    """Score by the greatest (`np.max`) or mean (`np.mean`) likeness to any favorite."""

    tags_of = Ragged(tags.indptr, tags.indices)

    def score(marked: np.ndarray, new: np.ndarray) -> np.ndarray:
        parts = np.array_split(new, len(new) // 1000 + 1)
        found = [reduce(likenesses(tags_of, some, marked), axis=1) for some in parts]
        return np.concatenate(found)

    return score


def by_share(tags: sp.csr_matrix) -> Scorer:
    """Score by the sum of the harmonic means of a tag's share and its lift."""
    board = np.asarray(tags.mean(0)).ravel()

    def score(marked: np.ndarray, new: np.ndarray) -> np.ndarray:
        share = np.asarray(tags[marked].mean(0)).ravel()
        lift = share / np.maximum(board, 1e-12)
        return tags[new] @ (2 * share * lift / np.maximum(share + lift, 1e-12))

    return score


def by_taste(graph: PostGraph, variants: bool, variety: float) -> Scorer:
    """Score by the place that a post has in the list that `PostGraph.personal` makes."""

    def score(marked: np.ndarray, new: np.ndarray) -> np.ndarray:
        taste = taste_of(graph, Profile(favorites=graph.posts.ids[marked].tolist()))
        allowed = np.zeros(len(graph.posts), bool)
        allowed[new] = True
        course = Course(graph.catalog, [], [], variants, variety)
        listed = choose(taste, allowed, max(DEPTHS), course=course, new=True)
        scores = np.zeros(len(new))
        scores[np.searchsorted(new, listed)] = np.arange(len(listed), 0, -1)
        return scores

    return score


def scorers(graph: PostGraph) -> Mapping[str, Scorer]:
    """Return what is compared, ours last."""
    tags, votes = ExactMethods(graph).tags, popularity(graph)
    return {
        "most popular": lambda marked, new: votes[new].astype(np.float64),
        "greatest likeness": by_likeness(tags, np.max),
        "mean likeness": by_likeness(tags, np.mean),
        "harmonic mean": by_share(tags),
        "personal": by_taste(graph, variants=False, variety=VARIETY),
        "all variants": by_taste(graph, variants=True, variety=0),
    }


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Draw some people and rank the new posts for each.

    Raises
    ------
    BadInput : there are too few pools to draw favorites from.
    """
    pools, _ = split_pools(graph, args.half)
    many = min(FAVORITES, int(SHARE_OF_BOARD * graph.allowed.sum()))
    if not pools or many < min(DEPTHS):
        raise BadInput(f"{len(pools)} pools, {many} favorites: too few to judge by")
    methods, rng = scorers(graph), np.random.default_rng(args.seed)
    figures: dict[str, list[list[float]]] = {name: [] for name in ("chance", *methods)}
    visible = np.flatnonzero(graph.allowed)
    for _ in progress(range(QUICK_PEOPLE if args.quick else PEOPLE), "people"):
        favorites = draw_favorites(pools, many, rng)
        new = visible[rng.random(len(visible)) < NEW]
        right = np.isin(new, favorites)
        marked = np.setdiff1d(favorites, new)
        figures["chance"].append([*[right.mean()] * len(DEPTHS), max(DEPTHS) / len(new)])
        for name, method in methods.items():
            # Equal scores are in random order.
            order = np.lexsort((rng.random(len(new)), -method(marked, new)))
            first = [right[order[:depth]] for depth in DEPTHS]
            shares = [float(some.mean()) for some in first]
            figures[name].append([*shares, first[-1].sum() / max(1, right.sum())])

    rows = [(name, *np.mean(found, axis=0).tolist()) for name, found in figures.items()]
    title = f"Favorites among the newest posts, {many:,} favorites of {len(pools)} pools"
    header = ("ranked by", *(f"@{depth}" for depth in DEPTHS), "found")
    notes = [NOTES[0].format(max(DEPTHS)), *NOTES[1:]]
    return [Table(title, header, rows, notes)]
