"""Candidates for a set of query posts or tags, and their exact order.

Candidates come from the walk over posts and tags, and from the postings of the rarest query tags
and picture sizes (`recommend` adds the neighbors of the query's vector). They are then ranked at a
cost that depends on the candidates and not on the board, by a weighted sum of

- likeness: TF-IDF cosine with each query, the mean of the lower half, so that a post has to be like
  most of the queries and not much like one;
- bm25: the same with BM25 (Robertson and Zaragoza 2009), which asks less of long tag lists, scaled
  to the largest;
- walk: the exact walk post → tag → post (P³, Cooper et al. 2014) under Pixie's booster (Σ_q √s_q)²
  (Eksombatchai et al. 2018, eq. 3), its root scaled to the largest; tags are drawn by f^-`POWER`
  of the posts f that hold them;
- size: how much the picture's size says (`sizes`), the mean over the queries;
- artist, copyright, character, species: the idf of tags of that kind shared with a query, the
  largest.

What each is worth differs from board to board, so it is learned from the board's own pools
(`weighting`); `WEIGHTS` are for a board without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from ..graph import pixie
from ..store.parallel import in_order
from ..tags.categories import CATEGORIES, RATING_TAGS
from .posts import Posts
from .sizes import Sizes

POWER = (
    0.5  # a tag of f posts is drawn in proportion to f^-POWER: a mild penalty on common tags
)
K1, B = 1.2, 0.75  # of BM25
BLOCK = 100_000  # posts at a time
KINDS = ("artist", "copyright", "character", "species")
WEIGHTS = dict(
    likeness=5.0,
    bm25=3.0,
    walk=1.2,
    size=0.9,
    artist=0.3,
    copyright=0.1,
    character=0.1,
    species=0.1,
)


@dataclass(frozen=True)
class Recommendation:
    """A post, its score, and why: tags it shares, then the query post it is most like."""

    post_id: int
    score: float
    because: list[str | int] = field(default_factory=list)


@dataclass(frozen=True)
class Query:
    """A post, a set of tags or a picture, as weighted tags.

    Attributes
    ----------
    tag_ids : int64 (k,), unique. weights : float (k,), what each counts.
    row : of a query post, else None.
    """

    tag_ids: np.ndarray
    weights: np.ndarray
    row: int | None = None


class Ranking:
    """Scores posts for queries; holds what depends on the board alone.

    Attributes
    ----------
    parts : part of the score → its weight, 0 or more.
    """

    def __init__(self, posts: Posts, parts: Mapping[str, float] = WEIGHTS) -> None:
        self.posts, self.parts = posts, parts
        counts = np.diff(posts.rows_with.offsets).astype(np.float64)  # (T,)
        silent = np.isin(np.array(posts.names, object), RATING_TAGS) | (counts == 0)
        counts = np.maximum(counts, 1)
        self.counts = counts
        self.idf = np.where(silent, 0, np.log(len(posts) / counts))
        self.bm25 = np.where(silent, 0, np.log1p((len(posts) - counts + 0.5) / (counts + 0.5)))
        self.draw = np.where(silent, 0, counts**-POWER)
        self.graph = pixie.Bipartite(posts.tags_of, posts.rows_with, self.draw)

    @cached_property
    def _norms(self) -> np.ndarray:
        """Length of every post's TF-IDF vector, float32 (n,); 4 bytes a post."""
        tags, squares = self.posts.tags_of, self.idf**2

        def lengths(start: int) -> np.ndarray:
            offsets = tags.offsets[start : start + BLOCK + 1]
            ends = np.cumsum(squares[tags.values[offsets[0] : offsets[-1]]])
            return np.sqrt(np.diff(np.concatenate([[0.0], ends])[offsets - offsets[0]]))

        made = np.empty(len(self.posts), np.float32)
        starts = range(0, len(made), BLOCK)  # all at once would take 24 bytes a post-tag pair
        for start, found in zip(starts, in_order(lengths, starts), strict=True):
            made[start : start + BLOCK] = found
        return made

    @cached_property
    def _lengths(self) -> np.ndarray:
        """Tags of every post, float32 (n,)."""
        return np.diff(np.asarray(self.posts.tags_of.offsets)).astype(np.float32)

    @cached_property
    def _mean_length(self) -> float:
        return float(self._lengths.mean())

    @cached_property
    def _of_kind(self) -> dict[str, np.ndarray]:
        """For each kind the idf of its tags, float64 (T,), 0 for all others."""
        categories = self.posts.categories
        return {kind: self.idf * (categories == CATEGORIES.index(kind)) for kind in KINDS}

    def query_of(self, row: int) -> Query:
        """A post of the board as a query."""
        tag_ids = self.posts.tags_of[row].astype(np.int64)
        return Query(tag_ids, np.ones(len(tag_ids)), row)

    @cached_property
    def sizes(self) -> Sizes:
        return Sizes(self.posts)

    def weights(self, queries: Sequence[Query]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What each tag of the queries is worth.

        Returns
        -------
        tag_ids : int64 (k,), ascending, all tags of the queries that say something.
        walk : float64 (k, q), the chance that a walk from query j comes to a post through tag i.
        tfidf : float64 (k, q), the unit TF-IDF vector of query j, times idf.
        """
        tag_ids = np.unique(np.concatenate([q.tag_ids for q in queries]))
        tag_ids = tag_ids[self.idf[tag_ids] > 0]
        counted = np.zeros((len(tag_ids), len(queries)))
        for j, query in enumerate(queries):
            said = self.idf[query.tag_ids] > 0
            counted[np.searchsorted(tag_ids, query.tag_ids[said]), j] = query.weights[said]
        walk = counted * self.draw[tag_ids][:, None]
        walk /= np.maximum(walk.sum(0), 1e-300) * self.counts[tag_ids][:, None]
        tfidf = counted * self.idf[tag_ids][:, None]
        tfidf /= np.maximum(np.linalg.norm(tfidf, axis=0), 1e-300)
        return tag_ids, walk, tfidf * self.idf[tag_ids][:, None]

    def candidates(
        self, queries: Sequence[Query], allowed: np.ndarray, size: int, seed: int = 0
    ) -> np.ndarray:
        """Rows (int64, ascending) that may be among the best; about 2 × `size` of them.

        Parameters
        ----------
        allowed : bool (n,), what may be returned.
        """
        starts = np.array([q.row for q in queries if q.row is not None], np.int64)
        found = [self._from_postings(queries, allowed, size, seed)]
        if len(starts):
            walked, _ = pixie.walk(
                self.graph, starts, steps=10 * size, allowed=allowed, seed=seed
            )
            found.append(walked[:size])
        return np.unique(np.concatenate(found))

    def _from_postings(
        self, queries: Sequence[Query], allowed: np.ndarray, size: int, seed: int
    ) -> np.ndarray:
        """The best rows by the rarest tags and sizes alone, read until 25 × `size` postings.

        Of a rarest tag with more, a sample: every k-th, beginning elsewhere for another seed.
        """
        tag_ids, walk, _ = self.weights(queries)
        order = np.argsort(self.counts[tag_ids], kind="stable")
        total = np.cumsum(self.counts[tag_ids][order])
        order = order[: max(1, int(np.searchsorted(total, 25 * size, side="right")))]
        if len(order) and total[0] > 25 * size:
            step = int(total[0] // (25 * size)) + 1
            rows = self.posts.rows_with[tag_ids[order[0]]][seed % step :: step]
            lengths = [len(rows)]
        else:
            rows, offsets = self.posts.rows_with.take(tag_ids[order])
            lengths = np.diff(offsets)
        worth = np.repeat(walk[order].sum(1), lengths)
        for query in queries:
            same = self.sizes.same(query.row) if query.row is not None else ()
            if 1 < len(same) <= 5 * size:  # a size is one more tag of its posts
                draw = len(same) ** -POWER / max(self.draw[query.tag_ids].sum(), 1e-300)
                rows = np.concatenate([rows, same])
                worth = np.concatenate([worth, np.full(len(same), draw / len(same))])
        shown = allowed[rows]
        unique, which = np.unique(rows[shown], return_inverse=True)
        score = np.bincount(which, worth[shown], len(unique))
        if len(unique) > size:
            unique = unique[np.argpartition(-score, size)[:size]]
        return unique.astype(np.int64)

    def cosines(self, rows: np.ndarray, queries: Sequence[Query]) -> np.ndarray:
        """TF-IDF cosine of some rows with each query, float64 (m, q)."""
        tag_ids, _, tfidf = self.weights(queries)
        return (self.matches(rows, tag_ids) @ tfidf) / np.maximum(self._norms[rows], 1e-12)[
            :, None
        ]

    def score(
        self,
        rows: np.ndarray,
        queries: Sequence[Query],
        parts: Mapping[str, float] | None = None,
    ) -> np.ndarray:
        """Exact scores of some rows, float64 (m,), 0 or more; `parts` in place of the board's.

        Cost: one gather of the rows' tags, about 36 × m × 8 bytes.
        """
        found = self.parts_of(rows, queries)
        return sum(weight * found[name] for name, weight in (parts or self.parts).items())

    def parts_of(self, rows: np.ndarray, queries: Sequence[Query]) -> dict[str, np.ndarray]:
        """Each part of the score by its name, float64 (m,), 0 or more."""
        tag_ids, walk, tfidf = self.weights(queries)
        shared = self.matches(rows, tag_ids)
        held = (tfidf > 0).astype(np.float64)
        lower = max(1, len(queries) // 2)

        def lower_half(scores: np.ndarray) -> np.ndarray:
            return np.sort(scores, axis=1)[:, :lower].mean(1)

        kinds = [held * self._of_kind[kind][tag_ids][:, None] for kind in KINDS]
        columns = np.concatenate([tfidf, held * self.bm25[tag_ids][:, None], walk, *kinds], 1)
        cosines, bm25, walked, *kinds = np.split(shared @ columns, 3 + len(KINDS), axis=1)
        cosines = cosines / np.maximum(self._norms[rows], 1e-12)[:, None]
        longer = self._lengths[rows] / self._mean_length
        told = [self.sizes.information(q.row, rows) for q in queries if q.row is not None]
        found = {
            "likeness": lower_half(cosines),
            "bm25": _scaled(lower_half(bm25) / (1 + K1 * (1 - B + B * longer))),
            "walk": _scaled(np.sqrt(walked).sum(1)),
            "size": np.sum(told, 0) / len(queries) if told else np.zeros(len(rows)),
        }
        found |= {kind: shares.max(1) for kind, shares in zip(KINDS, kinds, strict=True)}
        return found

    def matches(self, rows: np.ndarray, tag_ids: np.ndarray) -> sp.csr_matrix:
        """Which of some tags (ascending) some rows hold, float64 (m, k) CSR of ones."""
        column = np.full(len(self.counts) + 1, -1, np.int32)
        column[tag_ids] = np.arange(len(tag_ids))
        values, offsets = self.posts.tags_of.take(rows)
        columns = column[values]
        kept = columns >= 0
        indptr = np.concatenate([[0], np.cumsum(kept)])[offsets]
        return sp.csr_matrix(
            (np.ones(kept.sum()), columns[kept], indptr), (len(rows), len(tag_ids))
        )

    def explained(
        self, rows: np.ndarray, scores: np.ndarray, queries: Sequence[Query]
    ) -> list[Recommendation]:
        """Some rows as recommendations, with `reasons`."""
        reasons, nearest = self.reasons(rows, queries)
        made = []
        for row, score, said, query in zip(rows, scores, reasons, nearest, strict=True):
            because: list[str | int] = [self.posts.names[tag_id] for tag_id in said]
            if said and queries[query].row is not None:
                because.append(int(self.posts.ids[queries[query].row]))
            made.append(Recommendation(int(self.posts.ids[row]), float(score), because))
        return made

    def reasons(
        self, rows: np.ndarray, queries: Sequence[Query], n: int = 3
    ) -> tuple[list[list[int]], np.ndarray]:
        """Why each row: the tag ids that say most, and the query it shares most with.

        Returns
        -------
        tag_ids : for each row up to n, by their part of the TF-IDF cosine, largest first.
        query : int64 (m,), number of the query of largest common idf.
        """
        tag_ids, walk, tfidf = self.weights(queries)
        if not len(tag_ids) or not len(rows):
            return [[] for _ in rows], np.zeros(len(rows), np.int64)
        shared = self.matches(rows, tag_ids)
        part = shared.toarray() * tfidf.sum(1)  # (m, k), k the tags of the queries
        best = np.argsort(-part, axis=1, kind="stable")[:, :n]
        said = [
            tag_ids[columns[part[i, columns] > 0]].tolist() for i, columns in enumerate(best)
        ]
        return said, (shared @ ((walk > 0) * self.idf[tag_ids][:, None])).argmax(1)


def _scaled(scores: np.ndarray) -> np.ndarray:
    """Over the largest; zeros stay."""
    return scores / max(scores.max(initial=0), 1e-300)
