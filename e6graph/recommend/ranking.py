"""Find candidates for a set of queries, and put them in their exact order.

A query is a post, a set of tags or a picture. Candidates come from the walk over
posts and tags, from the postings of the rarest query tags and picture sizes, from
the pools of the query posts, and from the neighbors of the queries' vector. They are
then ranked, at a cost that depends on the candidates and not on the board, by a
weighted sum of

- bm25: the sum of BM25 over the queries (Robertson and Zaragoza 2009), which asks
  less of long tag lists, scaled to the largest;
- vector: the cosine with the mean of the queries' vectors, where it is above 0. It
  tells of posts that share no tag with a query;
- foreign: what those of its tags tell against it that no query has, nor implies
  (`Foreignness`), in tens of nats, below 0;
- pools: what the pools tell that the post shares with some query posts (`Pools`);
- walk: the exact walk post → tag → post (P³, Cooper et al. 2014) under Pixie's
  booster (Σ_q √s_q)² (Eksombatchai et al. 2018, eq. 3), its root scaled to the
  largest. Tags are drawn in proportion to f^-`DRAW_POWER`, where f is the number of
  posts that hold them;
- size: how much the picture's size tells (`Sizes`), averaged over the query posts;
- artist, copyright, character, species: the idf of the tags of that category which
  the post shares with a query, for the query where that is largest.

What each part is worth differs from board to board, so it is learned from the
board's own pools (`weights`). `DEFAULT_WEIGHTS` serve a board without pools. Tags
that are wished for by name count `WISHED` more, each an equal share of it: posts
that hold most of them come first unless query posts ask for something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.sparse as sp

from ..embedding.dictionary import unit_rows
from ..graph import pixie
from ..graph.neighbors import Neighbors
from ..store.parallel import in_order
from ..store.ragged import sum_rows
from ..tags.categories import CATEGORIES, RATING_TAGS
from .appeal import Appeal
from .foreignness import Agreement, Foreignness
from .pools import Pools
from .posts import ROWS_AT_ONCE, Posts
from .sizes import Sizes

DRAW_POWER = 0.5  # a mild penalty on common tags
BM25_K1 = 1.2
BM25_B = 0.3
WISHED = 4.0  # for a post that holds all tags that are wished for
NATS = 10  # that count as one
MOST_WIDER = 4  # times that more candidates are looked for where few are allowed
POSTINGS_PER_CANDIDATE = 25  # read to find the best candidates
NODES_A_NEIGHBOR = 4  # of the index that are inspected for each candidate by the vector
CATEGORY_PARTS = ("artist", "copyright", "character", "species")
DEFAULT_WEIGHTS = {
    "bm25": 0.9,
    "walk": 2.5,
    "vector": 2.8,
    "foreign": 1.6,
    "pools": 0.2,
    "size": 0.0,
    "artist": 0.25,
    "copyright": 0.05,
    "character": 0.1,
    "species": 0.25,
}


@dataclass(frozen=True)
class Query:
    """A post, a set of tags or a picture, as weighted tags.

    Attributes
    ----------
    tag_ids : int64 (k,), each once.
    weights : float (k,), how much each tag counts.
    row : the row of a query post, None for anything else.
    vector : float32 (d,), of length 1; None for a post, whose vector the index has,
        and where there is none.
    is_wish : whether it is a tag that was asked for by name.
    implied : ids of the tags that its tags imply, as far as they are not among them.
    """

    tag_ids: np.ndarray
    weights: np.ndarray
    row: int | None = None
    vector: np.ndarray | None = None
    is_wish: bool = False
    implied: Sequence[int] = ()

    @classmethod
    def of_tag(
        cls, tag_id: int, vector: np.ndarray | None = None, implied: Sequence[int] = ()
    ) -> Self:
        """Make a query of a single tag."""
        return cls(np.array([tag_id]), np.ones(1), None, vector, True, implied)


class Ranking:
    """Scores posts for queries, whoever asks.

    Parameters
    ----------
    neighbors : the index of the posts' vectors; without it no vector takes part.
    agreement : float32 (T,), see `Foreignness`; by default as on a board without pools.

    Attributes
    ----------
    parts : part of the score → its weight, 0 or more.
    counts : float64 (T,), posts that hold each tag, at least 1.
    idf : float64 (T,), log(posts / count); 0 for the tags that stand for ratings.
    """

    def __init__(
        self,
        posts: Posts,
        parts: Mapping[str, float] = DEFAULT_WEIGHTS,
        neighbors: Neighbors | None = None,
        agreement: np.ndarray | None = None,
    ) -> None:
        self.posts, self.parts, self._neighbors = posts, parts, neighbors
        n, counts = len(posts), np.diff(posts.rows_with.offsets).astype(np.float64)
        silent = np.isin(np.array(posts.names, object), RATING_TAGS)
        silent |= counts == 0
        self.counts = counts = np.maximum(counts, 1)
        self.idf = np.where(silent, 0, np.log(n / counts))
        bm25 = np.log1p((n - counts + 0.5) / (counts + 0.5))
        self.bm25 = np.where(silent, 0, bm25)
        self.draw = np.where(silent, 0, counts**-DRAW_POWER)
        self.graph = pixie.Bipartite(posts.tags_of, posts.rows_with, self.draw)
        if agreement is None:
            self.foreignness = Agreement(posts, [], ~silent).foreignness()
        else:
            self.foreignness = Foreignness(agreement, counts / n, ~silent)

    @cached_property
    def _norms(self) -> np.ndarray:
        """Length of every post's TF-IDF vector, float32 (n,)."""
        tags, squares = self.posts.tags_of, self.idf**2

        def norms(start: int) -> np.ndarray:
            offsets = tags.offsets[start : start + ROWS_AT_ONCE + 1]
            held = tags.values[offsets[0] : offsets[-1]]
            return np.sqrt(sum_rows(squares[held], offsets - offsets[0]))

        # All rows at once would take 24 bytes a post-tag pair.
        made = np.empty(len(self.posts), np.float32)
        starts = range(0, len(made), ROWS_AT_ONCE)
        for start, some in zip(starts, in_order(norms, starts), strict=True):
            made[start : start + ROWS_AT_ONCE] = some
        return made

    @cached_property
    def _relative_lengths(self) -> np.ndarray:
        """Tags of every post over their mean number, float32 (n,)."""
        offsets = np.asarray(self.posts.tags_of.offsets)
        lengths = np.diff(offsets).astype(np.float32)
        return lengths / float(lengths.mean())

    @cached_property
    def _category_idf(self) -> dict[str, np.ndarray]:
        """For each category the idf of its tags, float64 (T,); 0 for other tags."""
        numbers = self.posts.categories
        return {
            category: self.idf * (numbers == CATEGORIES.index(category))
            for category in CATEGORY_PARTS
        }

    @cached_property
    def sizes(self) -> Sizes:
        """The sizes of the pictures."""
        return Sizes(self.posts)

    @cached_property
    def pools(self) -> Pools:
        """All pools of the board."""
        return Pools.read(self.posts)

    @cached_property
    def appeal(self) -> Appeal:
        """How much posts appeal to anybody, and what each tag tells of a taste."""
        return Appeal(self.posts, self.counts, self.idf)

    def not_seeing(self, pools: np.ndarray) -> Self:
        """Return the same ranking that knows nothing of some pools, to judge it by these."""
        made = copy(self)
        others = np.delete(np.arange(len(self.pools.members)), pools)
        vars(made)["pools"] = self.pools.only(others)
        return made

    def query_of(self, row: int) -> Query:
        """Make a query of a post on the board."""
        tag_ids = self.posts.tags_of[row].astype(np.int64)
        return Query(tag_ids, np.ones(len(tag_ids)), row)

    def weights(self, queries: Sequence[Query]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how much each tag of q queries is worth.

        Returns
        -------
        tag_ids : int64 (k,), ascending: the tags of the queries that say something.
        walk : float64 (k, q), the chance that a walk from query j comes to a post
            through tag i.
        tfidf : float64 (k, q), the unit TF-IDF vector of query j, times idf.
        """
        tag_ids = np.unique(np.concatenate([q.tag_ids for q in queries]))
        tag_ids = tag_ids[self.idf[tag_ids] > 0]
        counted = np.zeros((len(tag_ids), len(queries)))
        for j, query in enumerate(queries):
            said = self.idf[query.tag_ids] > 0
            places = np.searchsorted(tag_ids, query.tag_ids[said])
            counted[places, j] = query.weights[said]
        idf = self.idf[tag_ids][:, None]
        walk = counted * self.draw[tag_ids][:, None]
        drawn = np.maximum(walk.sum(0), 1e-300)
        walk /= drawn * self.counts[tag_ids][:, None]
        tfidf = counted * idf
        tfidf /= np.maximum(np.linalg.norm(tfidf, axis=0), 1e-300)
        return tag_ids, walk, tfidf * idf

    def candidates(
        self,
        queries: Sequence[Query],
        allowed: np.ndarray,
        size: int,
        seed: int = 0,
        first: int = 0,
    ) -> np.ndarray:
        """Return rows (int64, ascending) that may be among the best.

        Parameters
        ----------
        allowed : bool (n,); nothing else is returned.
        size : of each source of candidates, more or less.
        first : a row before which none is allowed, so that postings are read from there.
        """
        found = [self._from_postings(queries, allowed, size, seed, first)]
        # Most of what the vector, a walk and the pools bring is not allowed.
        share = np.count_nonzero(allowed) / len(allowed) if first else 1.0
        size = int(size * min(1 / max(share, 1e-9), MOST_WIDER))
        near = self._near(queries, size)
        found.append(near[allowed[near]])
        starts = _rows(queries)
        if len(starts):
            walked, _ = pixie.walk(
                self.graph, starts, steps=10 * size, allowed=allowed, seed=seed
            )
            found.append(walked[:size])
            fellows = self.pools.fellows(starts, size)
            found.append(fellows[allowed[fellows]])
        return np.unique(np.concatenate(found))

    def _near(self, queries: Sequence[Query], n: int) -> np.ndarray:
        """Return the rows (int64) of the n posts nearest to the queries' vector."""
        direction = self._direction(queries)
        if direction is None or self._neighbors is None:
            return np.zeros(0, np.int64)
        # Candidates are ranked exactly afterwards, so a hasty search will do.
        n = min(n, len(self.posts))
        ids, _ = self._neighbors.query(direction, n, NODES_A_NEIGHBOR * n)
        rows = self.posts.rows(ids)
        return rows[rows >= 0]

    def _direction(self, queries: Sequence[Query]) -> np.ndarray | None:
        """Return the mean of the queries' vectors, of length 1; None where there is none."""
        if self._neighbors is None:
            return None
        ids = self.posts.ids[_rows(queries)]
        given = [query.vector for query in queries if query.vector is not None]
        total = np.sum([*self._neighbors.vectors(ids), *given], 0)
        direction = unit_rows(np.atleast_2d(total))[0]
        return direction if direction.any() else None

    def _from_postings(
        self,
        queries: Sequence[Query],
        allowed: np.ndarray,
        size: int,
        seed: int,
        first: int = 0,
    ) -> np.ndarray:
        """Return the `size` best rows by the rarest tags and sizes alone.

        Tags are read from the rarest on, `POSTINGS_PER_CANDIDATE` × `size` postings
        in all. If the rarest has more, every k-th of its postings is read,
        beginning elsewhere for another seed.
        """
        most, postings = POSTINGS_PER_CANDIDATE * size, self.posts.rows_with
        tag_ids, walk, _ = self.weights(queries)
        starts = postings.starts_from(tag_ids, first)
        lengths = postings.offsets[tag_ids + 1] - starts
        order = np.argsort(lengths, kind="stable")
        total = np.cumsum(lengths[order])
        fit = int(np.searchsorted(total, most, side="right"))
        order = order[: max(1, fit)]
        lengths = lengths[order]
        if len(order) and total[0] > most:
            step = int(total[0] // most) + 1
            start = starts[order[0]]
            rows = postings.values[start : start + total[0]][seed % step :: step]
            lengths = np.array([len(rows)])
        else:
            rows, _ = postings.runs(starts[order], lengths)
        worth = np.repeat(walk[order].sum(1), lengths)

        # A size counts as one more tag of its posts, where sizes count at all.
        for query in queries if self.parts["size"] > 0 else ():
            same = self.sizes.same(query.row) if query.row is not None else ()
            count = len(same)
            if 1 < count <= 5 * size:
                drawn = max(self.draw[query.tag_ids].sum(), 1e-300)
                share = count**-DRAW_POWER / drawn / count
                rows = np.concatenate([rows, same])
                worth = np.concatenate([worth, np.full(count, share)])

        shown = allowed[rows]
        unique, which = np.unique(rows[shown], return_inverse=True)
        score = np.bincount(which, worth[shown], len(unique))
        if len(unique) > size:
            unique = unique[np.argpartition(-score, size)[:size]]
        return unique.astype(np.int64)

    def cosines(self, rows: np.ndarray, queries: Sequence[Query]) -> np.ndarray:
        """Compute the TF-IDF cosine of some rows with each query: float64 (m, q)."""
        tag_ids, _, tfidf = self.weights(queries)
        held = self.matches(*self.posts.tags_of.take(rows), tag_ids)
        return self._over_norms(held @ tfidf, rows)

    def score(self, rows: np.ndarray, queries: Sequence[Query]) -> np.ndarray:
        """Compute the exact scores of some rows: float64 (m,).

        The tags of the rows are gathered once, which takes about 36 × m × 8 bytes.
        """
        found = self.parts_of(rows, queries)
        total = WISHED * self._wished(rows, queries)
        for name, weight in self.parts.items():
            total += weight * found[name]
        return total

    def parts_of(self, rows: np.ndarray, queries: Sequence[Query]) -> dict[str, np.ndarray]:
        """Compute each part of the score: name → float64 (m,); "size" is 0 if it counts 0."""
        tag_ids, walk, tfidf = self.weights(queries)
        held = (tfidf > 0).astype(np.float64)
        worth = [held * self.bm25[tag_ids][:, None], walk]
        for idf in self._category_idf.values():
            worth.append(held * idf[tag_ids][:, None])

        # One product gives every part for every query.
        tags, offsets = self.posts.tags_of.take(rows)
        sums = self.matches(tags, offsets, tag_ids) @ np.concatenate(worth, 1)
        bm25, walk, *shared = np.split(sums, len(worth), axis=1)
        longer = self._relative_lengths[rows]
        saturation = 1 + BM25_K1 * (1 - BM25_B + BM25_B * longer)
        posts = _rows(queries)
        found = {
            "bm25": _scaled(bm25.sum(1) / saturation),
            "vector": self._cosines_with_vector(rows, queries),
            "foreign": self._foreign(tags, offsets, queries),
            "walk": _scaled(np.sqrt(walk).sum(1)),
            "pools": self.pools.shared(rows, posts),
            "size": np.zeros(len(rows)),
        }
        for row in posts.tolist() if self.parts["size"] > 0 else ():
            found["size"] += self.sizes.information(row, rows) / len(posts)
        for category, idf in zip(CATEGORY_PARTS, shared, strict=True):
            found[category] = idf.max(1)
        return found

    def _wished(self, rows: np.ndarray, queries: Sequence[Query]) -> np.ndarray:
        """Return the share of the tags wished for that some rows hold, float64 (m,)."""
        wishes = [query.tag_ids for query in queries if query.is_wish]
        if not wishes:
            return np.zeros(len(rows))
        tag_ids = np.unique(np.concatenate(wishes))
        held = self.matches(*self.posts.tags_of.take(rows), tag_ids)
        return np.asarray(held.sum(1)).ravel() / len(tag_ids)

    def _foreign(
        self, tags: np.ndarray, offsets: np.ndarray, queries: Sequence[Query]
    ) -> np.ndarray:
        """Sum what the tags of some rows tell that no query has: float64 (m,)."""
        posts = len(_rows(queries))
        if not posts:
            return np.zeros(len(offsets) - 1)
        told = self.foreignness.weights(posts).copy()
        for query in queries:
            told[query.tag_ids] = 0
            told[list(query.implied)] = 0
        return sum_rows(told[tags], offsets) / NATS

    def _cosines_with_vector(self, rows: np.ndarray, queries: Sequence[Query]) -> np.ndarray:
        """Compute the cosines with the queries' vector, 0 below 0: float64 (m,)."""
        direction = self._direction(queries)
        if direction is None or self._neighbors is None:
            return np.zeros(len(rows))
        cosines = self._neighbors.vectors(self.posts.ids[rows]) @ direction
        return np.maximum(cosines, 0).astype(np.float64)

    def _over_norms(self, products: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return products / np.maximum(self._norms[rows], 1e-12)[:, None]

    def matches(
        self, tags: np.ndarray, offsets: np.ndarray, tag_ids: np.ndarray
    ) -> sp.csr_matrix:
        """Return which of k tags (ascending) m rows of tags hold: float64 (m, k) CSR."""
        column = np.full(len(self.counts) + 1, -1, np.int32)
        column[tag_ids] = np.arange(len(tag_ids))
        columns = column[tags]
        kept = columns >= 0
        indptr = np.concatenate([[0], np.cumsum(kept)])[offsets]
        ones, shape = np.ones(indptr[-1]), (len(offsets) - 1, len(tag_ids))
        return sp.csr_matrix((ones, columns[kept], indptr), shape)


def _rows(queries: Sequence[Query]) -> np.ndarray:
    """Return the rows of the query posts, int64."""
    return np.array([query.row for query in queries if query.row is not None], np.int64)


def _scaled(scores: np.ndarray) -> np.ndarray:
    """Divide by the largest; zeros stay."""
    return scores / max(scores.max(initial=0), 1e-300)
