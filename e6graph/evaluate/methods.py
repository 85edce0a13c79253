"""Methods that score every post, in batches: what `PostGraph.recommend` is judged beside.

Each takes the rows of b queries and returns float32 scores (b, n). They read the
posts × tags matrix without tags that say nothing (ratings, tags of all posts), and
never ids, dates or uploaders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import norm

from ..embedding.attenuator import attenuated_means
from ..embedding.companions import invert
from ..embedding.dictionary import unit_rows
from ..recommend.postgraph import PostGraph
from ..tags.categories import CATEGORIES
from .protocol import METHOD_COLUMNS, BoardScorer, MethodResult
from .report import Table

SIF_A = 1e-3  # a of the weights a / (a + p), Arora et al. 2017
OKAPI_K1 = 1.2  # saturation of a tag, Robertson and Zaragoza 2009
OKAPI_B = 0.75  # how much long lists of tags count less, ibid.
RP3_BETAS = tuple(i / 10 for i in range(11))  # powers that RP³β is tuned over
EASE_TAGS = 12_000  # most used tags that EASE reads: the square of them is in memory
SITE_TAGS = 50  # of a post that the site's "recommended" asks for, the rarest
SITE_FEW_TAGS = 7  # from which on a post has to share `SITE_SHARE` of them
SITE_SHARE = 0.3
SITE_WEIGHT = 1.25  # of a character or species; that of other tags is 1


def indicator(batch: Sequence[np.ndarray], n: int) -> sp.csr_matrix:
    """Return float32 (b, n): 1 where a row belongs to a query."""
    offsets = np.cumsum([0, *map(len, batch)])
    rows = np.concatenate([*batch, np.zeros(0, np.int64)])
    ones = np.ones(len(rows), np.float32)
    return sp.csr_matrix((ones, rows, offsets), (len(batch), n))


def popularity(graph: PostGraph) -> np.ndarray:
    """Return favorites and score (n,), or the number of tags where nobody votes."""
    posts = graph.posts
    votes = posts.column("fav_count").astype(np.int64) + posts.column("score")
    return votes if votes.any() else np.diff(posts.tags_of.offsets)


def most_popular(graph: PostGraph, seed: int = 0, share: float | None = None) -> np.ndarray:
    """Mark the most popular posts: bool (n,).

    Parameters
    ----------
    share : of the posts that may be shown; without it 1,000 posts, a tenth at most.
    """
    rows = np.flatnonzero(graph.allowed)
    rows = np.random.default_rng(seed).permutation(rows)
    best = rows[np.argsort(-popularity(graph)[rows], kind="stable")]
    count = min(1000, math.ceil(len(rows) * 0.1))
    if share is not None:
        count = math.ceil(len(rows) * share)
    taken = np.zeros(len(graph.posts), bool)
    taken[best[:count]] = True
    return taken


def method_table(
    graph: PostGraph,
    title: str,
    kind: str,
    found: Mapping[str, MethodResult],
    seed: int,
    notes: Sequence[str] = (),
) -> Table:
    """Tabulate `METHOD_COLUMNS`; `kind` heads the column of names."""
    popular, eligible = most_popular(graph, seed), int(graph.allowed.sum())
    rows = [(name, *result.figures(popular, eligible)) for name, result in found.items()]
    return Table(title, (kind, *METHOD_COLUMNS), rows, notes)


class ExactMethods:
    """Scorers over one board.

    Attributes
    ----------
    every_tag : float32 (n, T) CSR of ones.
    tags : the same without tags that say nothing.
    """

    def __init__(self, graph: PostGraph) -> None:
        self.graph = graph
        self.n = len(graph.posts)
        lists = graph.posts.tags_of
        ones = np.ones(len(lists.values), np.float32)
        shape = (self.n, len(graph.posts.names))
        self.every_tag = sp.csr_matrix((ones, lists.values, lists.offsets), shape)
        telling = (graph.ranking.idf > 0).astype(np.float32)
        self.tags = (self.every_tag @ sp.diags_array(telling)).tocsr()
        self.tags.eliminate_zeros()
        self._lengths = np.asarray(self.tags.sum(1)).ravel()  # tags of each post
        self._held = np.asarray(self.tags.sum(0)).ravel()  # posts of each tag
        self._hidden = np.flatnonzero(~graph.allowed)

    def shown(self, score: Callable[[sp.csr_matrix], np.ndarray]) -> BoardScorer:
        """Make a scorer from one of the `indicator`; hidden posts get -inf."""

        def run(batch: Sequence[np.ndarray]) -> np.ndarray:
            scores = score(indicator(batch, self.n))
            scores[:, self._hidden] = -np.inf
            return scores

        return run

    def popularity(self) -> BoardScorer:
        """Score by favorites and votes, whatever the query is."""
        votes = popularity(self.graph).astype(np.float32)
        return self.shown(lambda query: np.tile(votes, (query.shape[0], 1)))

    def cosine(self, vectors: np.ndarray) -> BoardScorer:
        """Score by the cosine with the mean of the query's unit vectors (n, d)."""
        transposed = np.ascontiguousarray(vectors.T)
        return self.shown(lambda query: unit_rows(query @ vectors) @ transposed)

    def vectors(self, kind: str) -> np.ndarray:
        """Compute "raw", "IDF", "SIF" or "attenuated" means, unit rows (n, d)."""
        words = self.graph.dictionary
        vecs = words.vecs
        if kind in ("IDF", "SIF"):
            vecs = vecs * self.weights(kind)[:, None].astype(np.float32)
        operator = self.graph.operator if kind == "attenuated" else None
        return attenuated_means(self.every_tag[:, words.tag_ids], vecs, operator)

    def weights(self, kind: str) -> np.ndarray:
        """Compute the weights of the dictionary's tags, "IDF" or "SIF", (V,)."""
        used = self.graph.dictionary.frqs
        if kind == "IDF":
            return np.log(self.n / used)
        return SIF_A / (SIF_A + used / used.sum())

    def _product(self, left: sp.csr_matrix, right: sp.csr_matrix) -> BoardScorer:
        """Score by query @ left @ rightᵀ."""
        right = right.T.tocsr()
        return self.shown(lambda query: ((query @ left).tocsr() @ right).toarray())

    def tfidf(self) -> BoardScorer:
        """Score by the sum of the TF-IDF cosines with the query posts."""
        idf = self.graph.ranking.idf.astype(np.float32)
        unit = sparse_unit_rows(self.tags @ sp.diags_array(idf))
        return self._product(unit, unit)

    def bm25(self, k1: float = OKAPI_K1, b: float = OKAPI_B) -> BoardScorer:
        """Score by BM25; a query holds a tag as often as its posts do."""
        return self.scaled(self.shared_idf(), self.okapi(k1, b))

    def shared_idf(self) -> BoardScorer:
        """Score by the sum of BM25's idf of the shared tags, for every query post."""
        idf = np.log1p((self.n - self._held + 0.5) / (self._held + 0.5))
        weighted = self.tags @ sp.diags_array(idf.astype(np.float32))
        return self._product(self.tags, weighted.tocsr())

    def okapi(self, k1: float, b: float) -> np.ndarray:
        """Compute what BM25 multiplies `shared_idf` by, float32 (n,)."""
        relative = self._lengths / max(self._lengths.mean(), 1e-9)
        length = 1 - b + b * relative
        return ((k1 + 1) / (1 + k1 * length)).astype(np.float32)

    @staticmethod
    def scaled(score: BoardScorer, factor: np.ndarray) -> BoardScorer:
        """Multiply the score of every post by its factor (n,), which is above 0."""
        return lambda batch: score(batch) * factor

    @cached_property
    def _hops(self) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """The walk's chances post → tag, and tag → post, each (n, T)."""
        out = (1 / np.maximum(self._lengths, 1)).astype(np.float32)
        back = (1 / np.maximum(self._held, 1)).astype(np.float32)
        there = (sp.diags_array(out) @ self.tags).tocsr()
        return there, (self.tags @ sp.diags_array(back)).tocsr()

    def p3(self) -> BoardScorer:
        """Score by the exact walk post → tag → post (Cooper et al. 2014)."""
        return self._product(*self._hops)

    def rp3(self, beta: float) -> BoardScorer:
        """Score by P³ / (a post's number of tags)^β (RP³β, Paudel et al. 2017)."""
        return self.scaled(self.p3(), self.length_penalty(beta))

    def length_penalty(self, beta: float) -> np.ndarray:
        """Compute what RP³β multiplies P³ by, float32 (n,)."""
        penalty = np.maximum(self._lengths, 1) ** -beta
        return penalty.astype(np.float32)

    def ease(self, ridge: float) -> BoardScorer:
        """Score by EASE with posts as items and tags as users (Steck 2019, eq. 8).

        B = I − P diag(P)⁻¹ with P = (XXᵀ + λI)⁻¹, where X is posts × tags. An n × n
        matrix is too large, but P = (I − X G Xᵀ) / λ with G = (XᵀX + λI)⁻¹
        (Woodbury's identity). So the score of post j is x_j G Σ x_q over 1 − x_j G x_jᵀ.
        Tags on one post only are left out, because they lead to no other.

        Parameters
        ----------
        ridge : λ.
        """
        tags = self.tags[:, self._ease_tags].tocsr()
        inverse = (tags.T @ tags).toarray(order="C").astype(np.float32, copy=False)
        inverse[np.diag_indices(len(inverse))] += np.float32(ridge)
        invert(inverse)
        held = np.split(tags.indices, tags.indptr[1:-1])
        own = np.array([inverse[np.ix_(some, some)].sum() for some in held])
        factor = (1 / np.maximum(1 - own, 1e-6)).astype(np.float32)

        def score(query: sp.csr_matrix) -> np.ndarray:
            asked = (query @ tags).toarray() @ inverse
            return np.ascontiguousarray((tags @ asked.T).T)

        return self.scaled(self.shown(score), factor)

    @cached_property
    def _ease_tags(self) -> np.ndarray:
        """Columns of the tags that EASE reads, the most used first."""
        order = np.argsort(-self._held, kind="stable")
        return order[self._held[order] > 1][:EASE_TAGS]

    def site(self) -> BoardScorer:
        """Score as the site's own "recommended" does (2026).

        It asks for the `SITE_TAGS` rarest tags of a post, artists and copyrights
        aside. A post that shares `SITE_SHARE` of them, or any of a few, gets the
        sum of their weights. Several query posts add up. The site leaves out the
        post's own pools, which are on its page anyway; here they are what is judged by.
        """
        categories = self.graph.posts.categories
        left_out = [CATEGORIES.index(name) for name in ("artist", "copyright")]
        heavy = [CATEGORIES.index(name) for name in ("character", "species")]
        taken = (~np.isin(categories, left_out)).astype(np.float32)
        weight = np.where(np.isin(categories, heavy), SITE_WEIGHT, 1).astype(np.float32)

        tags = (self.tags @ sp.diags_array(taken)).tocsr()
        tags.eliminate_zeros()
        asked = first_of_rows(tags, self._held, SITE_TAGS)
        numbers = np.diff(asked.indptr)
        least = np.where(numbers >= SITE_FEW_TAGS, SITE_SHARE * numbers, 0)
        held = tags.T.tocsr()
        weighted = held.copy()
        weighted.data *= np.repeat(weight, np.diff(held.indptr))

        def of_query(rows: np.ndarray) -> np.ndarray:
            # Both products have the same places in the same order, as both factors do.
            worth, shared = asked[rows] @ weighted, asked[rows] @ held
            need = np.repeat(least[rows], np.diff(shared.indptr))
            worth.data[shared.data < need] = 0
            return np.asarray(worth.sum(0)).ravel()

        def score(query: sp.csr_matrix) -> np.ndarray:
            rows = np.split(query.indices, query.indptr[1:-1])
            return np.array([of_query(some) for some in rows], np.float32)

        return self.shown(score)

    def pools(self, pools: Sequence[np.ndarray]) -> BoardScorer:
        """Score by the cosine of posts as sets of pools, which are rows each."""
        members = sparse_unit_rows(indicator(pools, self.n).T.tocsr())
        return self._product(members, members)


def sparse_unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Scale rows to length 1; an empty row stays empty."""
    scale = 1 / np.maximum(norm(matrix, axis=1), 1e-12)
    scaled = sp.diags_array(scale.astype(np.float32)) @ matrix
    return scaled.astype(np.float32).tocsr()


def first_of_rows(matrix: sp.csr_matrix, order: np.ndarray, most: int) -> sp.csr_matrix:
    """Keep in each row at most so many entries, those of the lowest `order` (T,).

    >>> first_of_rows(sp.csr_matrix([[1, 1, 1], [0, 0, 1]]), np.array([3, 1, 2]), 2).toarray()
    array([[0, 1, 1],
           [0, 0, 1]])
    """
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    by_row = np.lexsort((order[matrix.indices], rows))
    place = np.arange(len(rows)) - matrix.indptr[rows]
    kept = by_row[place < most]
    entries = matrix.data[kept], (rows[kept], matrix.indices[kept])
    return sp.csr_matrix(entries, matrix.shape)


def baselines(graph: PostGraph) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return methods by name: from the rows of one query to scores (n,)."""
    exact = ExactMethods(graph)
    scorers = {
        "popularity": exact.popularity(),
        "raw mean, exact cosine": exact.cosine(exact.vectors("raw")),
        "TF-IDF cosine": exact.tfidf(),
    }

    def alone(score: BoardScorer) -> Callable[[np.ndarray], np.ndarray]:
        return lambda rows: score([rows])[0]

    return {name: alone(score) for name, score in scorers.items()}
