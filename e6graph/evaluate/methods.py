"""What `PostGraph.recommend` is beside: methods that score every post exactly, in batches.

Each takes the rows of b queries and gives float32 scores (b, n). They read the posts × tags matrix
without tags that say nothing (ratings, tags of all posts), and never ids, dates or uploaders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from ..embedding.attenuator import attenuated_means
from ..embedding.dictionary import unit_rows
from ..recommend.postgraph import PostGraph
from .protocol import PoolQuery, Scorer, judge_scores, summarise

SIF = 1e-3  # a of the weights a / (a + p), Arora et al. 2017
K1, B = 1.2, 0.75  # of BM25, Robertson and Zaragoza 2009
BETAS = tuple(i / 10 for i in range(11))
BETA = 0.6  # where there are no other pools to choose it by


def indicator(batch: Sequence[np.ndarray], n: int) -> sp.csr_matrix:
    """float32 (b, n): 1 where a row belongs to a query."""
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in batch])])
    rows = np.concatenate([*batch, np.zeros(0, np.int64)])
    return sp.csr_matrix((np.ones(len(rows), np.float32), rows, offsets), (len(batch), n))


def popularity(graph: PostGraph) -> np.ndarray:
    """Favourites and score (n,); on a board without votes, how many tags a post has."""
    votes = graph.posts.column("fav_count").astype(np.int64) + graph.posts.column("score")
    return votes if votes.any() else np.diff(graph.posts.tags_of.offsets)


def most_popular(graph: PostGraph, n: int = 1000, seed: int = 0) -> np.ndarray:
    """bool (posts,): the n most popular that may be shown, a tenth of a small board."""
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(graph.allowed))
    best = rows[np.argsort(-popularity(graph)[rows], kind="stable")]
    taken = np.zeros(len(graph.posts), bool)
    taken[best[: min(n, -(-len(rows) // 10))]] = True
    return taken


class Exact:
    """Scorers over one board.

    Attributes
    ----------
    tags : float32 (n, T) CSR of ones.
    """

    def __init__(self, graph: PostGraph) -> None:
        self.graph = graph
        self.n = len(graph.posts)
        lists = graph.posts.tags_of
        ones = np.ones(len(lists.values), np.float32)
        tags = sp.csr_matrix(
            (ones, lists.values, lists.offsets), (self.n, len(graph.posts.names))
        )
        self.every_tag = tags
        self.tags = (tags @ sp.diags_array((graph.ranking.idf > 0).astype(np.float32))).tocsr()
        self.tags.eliminate_zeros()
        self._shut = np.flatnonzero(~graph.allowed)

    def shown(self, score: Callable[[sp.csr_matrix], np.ndarray]) -> Scorer:
        """A scorer of a function of the `indicator`, under what may be shown."""

        def run(batch: Sequence[np.ndarray]) -> np.ndarray:
            scores = score(indicator(batch, self.n))
            scores[:, self._shut] = -np.inf
            return scores

        return run

    def popularity(self) -> Scorer:
        votes = popularity(self.graph).astype(np.float32)
        return self.shown(lambda query: np.tile(votes, (query.shape[0], 1)))

    def cosine(self, vectors: np.ndarray) -> Scorer:
        """Cosine with the mean of the query posts' vectors, float32 unit rows (n, d)."""
        turned = np.ascontiguousarray(vectors.T)
        return self.shown(lambda query: unit_rows(query @ vectors) @ turned)

    def vectors(self, kind: str) -> np.ndarray:
        """Mean tag vectors of the posts: "raw", "IDF", "SIF" or "attenuated"; unit rows (n, d)."""
        words = self.graph.dictionary
        share = words.frqs / words.frqs.sum()
        weights = {"IDF": np.log(self.n / words.frqs), "SIF": SIF / (SIF + share)}
        weights = np.asarray(weights.get(kind, np.ones(len(share))), np.float32)
        operator = self.graph.operator if kind == "attenuated" else None
        held = self.every_tag[:, words.tag_ids]
        return attenuated_means(held, words.vecs * weights[:, None], operator)

    def _product(self, left: sp.csr_matrix, right: sp.csr_matrix) -> Scorer:
        turned = right.T.tocsr()
        return self.shown(lambda query: ((query @ left).tocsr() @ turned).toarray())

    def tfidf(self) -> Scorer:
        """Sum of the TF-IDF cosines with the query posts."""
        weighted = self.tags @ sp.diags_array(self.graph.ranking.idf.astype(np.float32))
        unit = _unit(weighted)
        return self._product(unit, unit)

    def bm25(self) -> Scorer:
        """BM25 with the tags of the query posts as the query, each as often as they hold it."""
        held = np.asarray(self.tags.sum(0)).ravel()
        idf = np.log1p((self.n - held + 0.5) / (held + 0.5))
        lengths = np.asarray(self.tags.sum(1)).ravel()
        norm = (K1 + 1) / (1 + K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9)))
        weighted = sp.diags_array(norm) @ self.tags @ sp.diags_array(idf)
        return self._product(self.tags, weighted.astype(np.float32).tocsr())

    @cached_property
    def _hops(self) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """post → tag and tag → post of the walk, the second turned to (n, T)."""
        lengths = np.maximum(np.asarray(self.tags.sum(1)).ravel(), 1)
        held = np.maximum(np.asarray(self.tags.sum(0)).ravel(), 1)
        there = (sp.diags_array((1 / lengths).astype(np.float32)) @ self.tags).tocsr()
        return there, (self.tags @ sp.diags_array((1 / held).astype(np.float32))).tocsr()

    def p3(self) -> Scorer:
        """The exact walk post → tag → post, summed over the query (Cooper et al. 2014)."""
        return self._product(*self._hops)

    def rp3(self, beta: float) -> Scorer:
        """P³ over the power β of what a post holds (Paudel et al. 2017, RP³β)."""
        lengths = np.maximum(np.asarray(self.tags.sum(1)).ravel(), 1) ** -beta
        there, back = self._hops
        back = sp.diags_array(lengths.astype(np.float32)) @ back
        return self._product(there, back.tocsr())

    def tuned_beta(self, queries: Sequence[PoolQuery], seed: int = 0) -> float:
        """The β of largest mean of the hit rates."""
        rates = [
            np.mean(summarise(judge_scores(self.rp3(b), queries, seed).ranks)[:3])
            for b in BETAS
        ]
        return BETAS[int(np.argmax(rates))]

    def pools(self, pools: Sequence[np.ndarray]) -> Scorer:
        """Item-kNN: cosine of posts as sets of the pools (rows of each) they are in."""
        members = _unit(indicator(pools, self.n).T.tocsr())
        return self._product(members, members)


def _unit(matrix: sp.spmatrix) -> sp.csr_matrix:
    """Rows scaled to length 1; an empty row stays empty."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    scale = sp.diags_array((1 / np.maximum(lengths, 1e-12)).astype(np.float32))
    return (scale @ matrix).astype(np.float32).tocsr()


def baselines(graph: PostGraph) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Methods that score every post (n,) for the rows of one query."""
    exact = Exact(graph)
    made = {
        "popularity": exact.popularity(),
        "raw mean, exact cosine": exact.cosine(exact.vectors("raw")),
        "TF-IDF cosine": exact.tfidf(),
    }
    return {name: (lambda rows, score=score: score([rows])[0]) for name, score in made.items()}
