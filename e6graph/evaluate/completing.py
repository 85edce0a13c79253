"""Tag completion: hide a fifth of a post's tags, rank all tags by the rest, look for the hidden.

nDCG@8 and precision@8 (Järvelin and Kekäläinen 2002, binary gain). The hidden tags are taken out of
everything that any method learns from.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from tqdm import tqdm

from ..completion import Completion, top_companions
from ..embedding import cooccurrence
from ..ragged import Ragged
from ..ranking import Ranking
from ..recommend import PostGraph
from .report import Table

DEPTH, HIDDEN, LEAST = 8, 0.2, 5  # tags looked at, share hidden, tags a judged post has at least
CASES, QUICK_CASES = 2000, 200
EASE_RIDGE, EASE_LARGEST = 100.0, 12_000  # λ; beyond so many tags the inverse takes too long
Case = tuple[np.ndarray, np.ndarray]  # tag columns that are seen, and hidden


@dataclass(frozen=True)
class Reduced:
    """The posts of a board without the hidden tags, for `Ranking`."""

    tags_of: Ragged
    rows_with: Ragged
    names: list[str]
    categories: np.ndarray

    def __len__(self) -> int:
        return len(self.tags_of)


def hide(matrix: sp.csr_matrix, n: int, seed: int = 0) -> tuple[sp.csr_matrix, list[Case]]:
    """Take a fifth of the tags of n random posts away.

    Parameters
    ----------
    matrix : (posts, V) CSR of ones; posts with fewer than five tags are not judged.

    Returns
    -------
    The matrix without the hidden entries, and for each judged post (seen, hidden) columns.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(np.diff(matrix.indptr) >= LEAST)
    keep, cases = np.ones(matrix.nnz, bool), []
    for row in rng.permutation(rows)[:n]:
        start, end = matrix.indptr[row : row + 2]
        gone = rng.permutation(end - start)[: max(1, round(HIDDEN * (end - start)))]
        mask = np.zeros(end - start, bool)
        mask[gone] = True
        keep[start:end] = ~mask
        cases.append((matrix.indices[start:end][~mask], matrix.indices[start:end][mask]))
    reduced = matrix.copy()
    reduced.data = reduced.data * keep
    reduced.eliminate_zeros()
    return reduced, cases


def ndcg(order: np.ndarray, hidden: np.ndarray) -> tuple[float, float]:
    """(nDCG@k, precision@k) of k columns in order, k the length of `order`.

    >>> ndcg(np.array([4, 7]), np.array([7, 9]))  # 1/log2(3) of 1 + 1/log2(3)
    (0.386..., 0.5)
    """
    gain = 1 / np.log2(np.arange(2, len(order) + 2))
    hit = np.isin(order, hidden)
    best = gain[: min(len(order), len(hidden))].sum()
    return float((hit * gain).sum() / best), float(hit.mean())


def judge(score: Callable[[np.ndarray], np.ndarray], cases: list[Case]) -> list[float]:
    """Mean nDCG@8 and p@8, and milliseconds a call, of a method that scores every column."""
    found, start = [], time.perf_counter()
    for seen, hidden in cases:
        scores = np.array(score(seen), np.float64)
        scores[seen] = -np.inf
        top = np.argpartition(-scores, DEPTH)[:DEPTH]
        found.append(ndcg(top[np.argsort(-scores[top], kind="stable")], hidden))
    spent = (time.perf_counter() - start) / len(cases) * 1000
    return [*np.mean(found, 0).tolist(), spent]


def completers(
    graph: PostGraph, matrix: sp.csr_matrix
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Methods by name, learnt from a (posts, V) matrix over the dictionary's columns."""
    counts = cooccurrence([matrix])
    frequency = np.asarray(matrix.sum(0)).ravel().astype(np.float64)
    chance = sp.diags_array(1 / np.maximum(frequency, 1)) @ counts  # P(j | i)
    root = sp.diags_array(1 / np.sqrt(np.maximum(frequency, 1)))
    cosine = sp.csr_array(root @ counts @ root)
    chance = sp.csr_array(chance)
    completion = suggester(graph, matrix, counts, frequency)
    tag_ids = graph.dictionary.tag_ids
    methods = {
        "popularity": lambda seen: frequency,
        "co-occurrence": lambda seen: chance[seen].sum(0),
        "item-kNN": lambda seen: cosine[seen].sum(0),
    }
    if matrix.shape[1] <= EASE_LARGEST:
        weights = ease(counts, frequency)
        methods["EASE"] = lambda seen: weights[seen].sum(0)
    methods["suggest_tags"] = lambda seen: completion.scores(tag_ids[seen])
    return methods


def ease(counts: sp.csr_matrix, frequency: np.ndarray, ridge: float = EASE_RIDGE) -> np.ndarray:
    """B = I − P diag(P)⁻¹, P = (XᵀX + λI)⁻¹ (Steck, "Embarrassingly Shallow Autoencoders", 2019).

    Returns
    -------
    float32 (V, V), zero diagonal.
    """
    gram = counts.toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] = frequency + ridge
    inverse = scipy.linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0)
    return weights


def suggester(
    graph: PostGraph, matrix: sp.csr_matrix, counts: sp.csr_matrix, frequency: np.ndarray
) -> Completion:
    """`PostGraph.suggest_tags` as it would be, had the board never held the hidden tags."""
    tag_ids, width = graph.dictionary.tag_ids, len(graph.posts.names)
    turned = matrix.tocsc()
    rows = np.repeat(0, width + 1)
    rows[1 + tag_ids] = np.diff(turned.indptr)
    reduced = Reduced(
        Ragged(matrix.indptr, tag_ids[matrix.indices]),
        Ragged(np.cumsum(rows), turned.indices),
        graph.posts.names,
        graph.posts.categories,
    )
    dictionary = replace(graph.dictionary, frqs=np.maximum(frequency, 1).astype(np.int64))
    shown = np.zeros(width, np.int64)
    shown[tag_ids] = dictionary.frqs
    everything = np.ones(len(reduced), bool)
    return Completion(top_companions(counts), dictionary, Ranking(reduced), everything, shown)


def completion_table(graph: PostGraph, n: int = 2000, seed: int = 0) -> dict[str, list[tuple]]:
    """Rows (method, nDCG@8, p@8, ms) on all tags, and on stripped tags alone."""
    tables = {}
    for which in ("all tags", "stripped tags"):
        matrix, cases = hide(_matrix(graph, which), n, seed)
        methods = tqdm(completers(graph, matrix).items(), which, disable=None)
        tables[which] = [(name, *judge(score, cases)) for name, score in methods]
    return tables


def _matrix(graph: PostGraph, which: str) -> sp.csr_matrix:
    """Shown posts × columns of the dictionary."""
    lists = graph.posts.tags_of if which == "all tags" else graph.posts.lists("stripped_tags")
    column = np.full(len(graph.posts.names), -1)
    column[graph.dictionary.tag_ids] = np.arange(len(graph.dictionary.tag_ids))
    values, offsets = lists.take(np.flatnonzero(graph.allowed))
    columns = column[values]
    indptr = np.concatenate([[0], np.cumsum(columns >= 0)])[offsets]
    columns = columns[columns >= 0]
    shape = (len(offsets) - 1, len(graph.dictionary.tag_ids))
    matrix = sp.csr_matrix((np.ones(len(columns), np.float32), columns, indptr), shape)
    matrix.sort_indices()
    return matrix


def section(graph: PostGraph, args: Namespace) -> list[Table]:
    """Tables of completion, on all tags and on stripped ones."""
    tables = completion_table(graph, QUICK_CASES if args.quick else CASES, args.seed)
    header = ("method", f"nDCG@{DEPTH}", f"p@{DEPTH}", "ms")
    notes = [f"a fifth of each judged post's tags hidden, {len(graph.dictionary.tags):,} to rank"]
    return [Table(f"Completion, {name}", header, rows, notes) for name, rows in tables.items()]
