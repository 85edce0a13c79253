"""The peers of `PostGraph.recommend`: methods that score every post, in batches.

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
from ..embedding.dictionary import unit_rows
from ..recommend.postgraph import PostGraph
from .protocol import (
    METHOD_COLUMNS,
    BoardScorer,
    MethodResult,
    Queries,
    judge_scores,
    summarize,
)
from .report import Table

SIF_A = 1e-3  # a of the weights a / (a + p), Arora et al. 2017
OKAPI_K1 = 1.2  # saturation of a tag, Robertson and Zaragoza 2009
OKAPI_B = 0.75  # how much long lists of tags count less, ibid.
RP3_BETAS = tuple(i / 10 for i in range(11))  # powers that RP³β is tuned over
RP3_BETA = 0.6  # the power where there are no other pools to choose it by


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


def most_popular(graph: PostGraph, seed: int = 0) -> np.ndarray:
    """Mark the 1,000 most popular posts, or a tenth of a small board: bool (n,)."""
    rows = np.flatnonzero(graph.allowed)
    rows = np.random.default_rng(seed).permutation(rows)
    best = rows[np.argsort(-popularity(graph)[rows], kind="stable")]
    count = min(1000, math.ceil(len(rows) / 10))
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

    def bm25(self) -> BoardScorer:
        """Score by BM25; a query holds a tag as often as its posts do."""
        idf = np.log1p((self.n - self._held + 0.5) / (self._held + 0.5))
        relative = self._lengths / max(self._lengths.mean(), 1e-9)
        length = 1 - OKAPI_B + OKAPI_B * relative
        of_post = (OKAPI_K1 + 1) / (1 + OKAPI_K1 * length)
        weighted = sp.diags_array(of_post) @ self.tags @ sp.diags_array(idf)
        return self._product(self.tags, weighted.astype(np.float32).tocsr())

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
        penalty = np.maximum(self._lengths, 1) ** -beta
        there, back = self._hops
        back = sp.diags_array(penalty.astype(np.float32)) @ back
        return self._product(there, back.tocsr())

    def tuned_beta(self, queries: Queries, seed: int = 0) -> float:
        """Choose the β with the largest mean of the hit rates."""
        rates = []
        for beta in RP3_BETAS:
            name = f"RP³β, trying β {beta}"
            found = judge_scores(self.rp3(beta), queries, seed, name)
            rates.append(np.mean(summarize(found.ranks)[:3]))
        return RP3_BETAS[int(np.argmax(rates))]

    def pools(self, pools: Sequence[np.ndarray]) -> BoardScorer:
        """Score by the cosine of posts as sets of pools, which are rows each."""
        members = sparse_unit_rows(indicator(pools, self.n).T.tocsr())
        return self._product(members, members)


def sparse_unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Scale rows to length 1; an empty row stays empty."""
    scale = 1 / np.maximum(norm(matrix, axis=1), 1e-12)
    scaled = sp.diags_array(scale.astype(np.float32)) @ matrix
    return scaled.astype(np.float32).tocsr()


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
