"""Tag completion: hide a fifth of a post's tags, rank all tags by the rest, look for the hidden.

nDCG@8 and precision@8 (Järvelin and Kekäläinen 2002, binary gain). The hidden tags are taken out of
everything that any method learns from. Posts of odd row are judged: the constants of `completion`
were chosen on even ones. Then, of posts that are not on the board: completion from few tags, and
which tag looks wrong, a stranger put among a post's own.
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import scipy.sparse as sp
from tqdm import tqdm

from ..embedding import als, cooccurrence
from ..embedding.companions import Companions, invert
from ..recommend.completion import TagCompleter
from ..recommend.postgraph import PostGraph
from ..recommend.ranking import Ranking
from ..store.ragged import Ragged
from .report import Table, optional

DEPTH, HIDDEN, LEAST = (
    8,
    0.2,
    5,
)  # tags looked at, share hidden, tags a judged post has at least
CASES, QUICK_CASES = 2000, 200
ABSENT, QUICK_ABSENT = 150, 40  # posts taken off the board
GIVEN = (1, 2, 4, 8)  # tags
EASE_RIDGES = (100.0, 10.0)  # λ: that of larger data, and what suits a board of some thousands
EASE_LARGEST, EASE_QUICK, EASE_SECONDS = 12_000, 4_000, 2e-11  # tags; of a core, times tags³
FACTORS = (64, 256)  # of ALS, the latter as E6DB publishes it; the first alone with --quick
Case = tuple[np.ndarray, np.ndarray]  # tag columns that are seen, and hidden
Scorer = Callable[[np.ndarray], np.ndarray]  # seen columns → a score a column


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
    """Take a fifth of the tags of n random posts of odd row away.

    Parameters
    ----------
    matrix : (posts, V) CSR of ones; posts with fewer than five tags are not judged.

    Returns
    -------
    The matrix without the hidden entries, and for each judged post (seen, hidden) columns.
    """
    rng = np.random.default_rng(seed)
    keep, cases = np.ones(matrix.nnz, bool), []
    for row in rng.permutation(_judged(matrix))[:n]:
        start, end = matrix.indptr[row : row + 2]
        gone = rng.permutation(end - start)[: max(1, round(HIDDEN * (end - start)))]
        mask = np.zeros(end - start, bool)
        mask[gone] = True
        keep[start:end] = ~mask
        cases.append((matrix.indices[start:end][~mask], matrix.indices[start:end][mask]))
    return _without(matrix, ~keep), cases


def _judged(matrix: sp.csr_matrix) -> np.ndarray:
    """Rows that may be judged by."""
    rows = np.flatnonzero(np.diff(matrix.indptr) >= LEAST)
    return rows[rows % 2 == 1]


def _without(matrix: sp.csr_matrix, gone: np.ndarray) -> sp.csr_matrix:
    """A copy without some entries, bool (nnz,)."""
    reduced = matrix.copy()
    reduced.data = reduced.data * ~gone
    reduced.eliminate_zeros()
    return reduced


def ndcg(order: np.ndarray, hidden: np.ndarray) -> tuple[float, float]:
    """(nDCG@k, precision@k) of k columns in order, k the length of `order`.

    >>> ndcg(np.array([4, 7]), np.array([7, 9]))  # 1/log2(3) of 1 + 1/log2(3)
    (0.386..., 0.5)
    """
    gain = 1 / np.log2(np.arange(2, len(order) + 2))
    hit = np.isin(order, hidden)
    best = gain[: min(len(order), len(hidden))].sum()
    return float((hit * gain).sum() / best), float(hit.mean())


def judge(score: Scorer, cases: list[Case]) -> list[float]:
    """Mean nDCG@8 and p@8, and the median of the milliseconds a call, of a method."""
    found, spent = [], []
    for seen, hidden in cases:
        start = time.perf_counter()
        scores = np.array(score(seen), np.float64)
        spent.append(time.perf_counter() - start)
        scores[seen] = -np.inf
        top = np.argpartition(-scores, DEPTH)[:DEPTH]
        found.append(ndcg(top[np.argsort(-scores[top], kind="stable")], hidden))
    return [*np.mean(found, 0).tolist(), float(np.median(spent)) * 1000]


def completers(
    graph: PostGraph,
    matrix: sp.csr_matrix,
    quick: bool = True,
    seed: int = 0,
    ridges: Sequence[float] = EASE_RIDGES,
) -> Iterator[tuple[str, Scorer | str]]:
    """Methods by name, learnt from a (posts, V) matrix over the dictionary's columns.

    One at a time, those that take minutes last; in place of one left out, the reason.
    """
    counts = cooccurrence([matrix])
    frequency = np.asarray(matrix.sum(0)).ravel().astype(np.float32)
    once = 1 / np.maximum(frequency, 1)
    root = np.sqrt(once)
    yield "popularity", lambda seen: frequency
    yield "co-occurrence", lambda seen: once[seen] @ counts[seen]  # Σ P(j | i)
    yield "item-kNN", lambda seen: (root[seen] @ counts[seen]) * root  # Σ cosine of i and j
    completion, tag_ids = suggester(graph, matrix, counts), graph.dictionary.tag_ids
    yield "suggest_tags", lambda seen: completion.scores(tag_ids[seen])
    for factors in FACTORS[: 1 if quick else None]:
        yield f"ALS, {factors} factors", _als(matrix, factors, seed)
    for ridge in ridges:
        weights = ease(counts, frequency, ridge)
        yield f"EASE, λ {ridge:g}", lambda seen, weights=weights: weights[seen].sum(0)


def affordable(tags: int, quick: bool, asked: bool) -> tuple[Sequence[float], list[str]]:
    """The λ that EASE is tried with, and why there are fewer; `asked`: it may take long."""
    need, have = 4 * tags**2, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    said = f"EASE left out: {tags:,} tags are a matrix of {need / 1e9:.1f} GB"
    if 3 * need > have:
        return (), [f"{said}, too much for {have / 1e9:.0f} GB of memory"]
    if tags <= (EASE_QUICK if quick else EASE_LARGEST):
        return EASE_RIDGES, []
    if asked and not quick:
        return EASE_RIDGES[-1:], []
    seconds = f"{said} and {EASE_SECONDS * tags**3:.0f} seconds of a core"
    return (), [f"{seconds}: --sections completion without --quick does it"]


def ease(counts: sp.csr_matrix, frequency: np.ndarray, ridge: float) -> np.ndarray:
    """B = I − P diag(P)⁻¹, P = (XᵀX + λI)⁻¹ (Steck, "Embarrassingly Shallow Autoencoders", 2019).

    Returns
    -------
    float32 (V, V), zero diagonal.
    """
    weights = counts.toarray().astype(np.float32, copy=False)
    np.fill_diagonal(weights, frequency + ridge)
    invert(weights)
    weights /= -weights.diagonal()
    np.fill_diagonal(weights, 0)
    return weights


def _als(matrix: sp.csr_matrix, factors: int, seed: int, ridge: float = 0.02) -> Scorer | str:
    """ALS (Hu, Koren, Volinsky 2008), the seen tags folded in as one more post."""
    if missing := "".join(optional(name)[1] for name in ("implicit", "threadpoolctl")):
        return missing
    _, tags = als.factorize(matrix, factors, ridge, seed=seed)
    confidence, gram = (
        als.idf(matrix),
        tags.T @ tags + ridge * np.eye(factors, dtype=np.float32),
    )

    def score(seen: np.ndarray) -> np.ndarray:
        some, weight = tags[seen], confidence[seen]
        system = gram + some.T @ (some * (weight - 1)[:, None])
        return tags @ np.linalg.solve(system, weight @ some)

    return score


def suggester(graph: PostGraph, matrix: sp.csr_matrix, counts: sp.csr_matrix) -> TagCompleter:
    """`PostGraph.suggest_tags` as it would be, had the board's posts these tags alone."""
    tag_ids, width = graph.dictionary.tag_ids, len(graph.posts.names)
    turned = matrix.tocsc()
    rows = np.repeat(0, width + 1)
    rows[1 + tag_ids] = np.diff(turned.indptr)
    tags_of = Ragged(matrix.indptr, tag_ids[matrix.indices])
    rows_with = Ragged(np.cumsum(rows), turned.indices)
    reduced = Reduced(tags_of, rows_with, graph.posts.names, graph.posts.categories)
    frequency = np.maximum(np.diff(turned.indptr), 1).astype(np.int64)
    shown = np.zeros(width, np.int64)
    shown[tag_ids] = frequency
    everything, words = np.ones(len(reduced), bool), replace(graph.dictionary, frqs=frequency)
    return TagCompleter(
        Companions.of(counts, frequency), words, Ranking(reduced), everything, shown
    )


def completion_table(
    graph: PostGraph, which: str, n: int, seed: int = 0, **options
) -> tuple[list[tuple], list[str]]:
    """Rows (method, nDCG@8, p@8, ms) on "all tags" or "stripped tags", and notes."""
    matrix, cases = hide(_matrix(graph, which), n, seed)
    rows, notes = [], [f"{len(cases):,} posts judged, {matrix.shape[1]:,} tags to rank"]
    methods = completers(graph, matrix, seed=seed, **options)
    for name, score in tqdm(methods, which, disable=None):
        if isinstance(score, str):
            notes.append(f"{name}: {score}")
        else:
            rows.append((name, *judge(score, cases)))
    return sorted(rows, key=lambda row: row[0] == "suggest_tags"), notes


def absent(
    graph: PostGraph, n: int, seed: int
) -> tuple[sp.csr_matrix, list, np.random.Generator]:
    """The board without n posts, as `_matrix`, and the columns of each of these."""
    rng, matrix = np.random.default_rng(seed), _matrix(graph, "all tags")
    rows = rng.permutation(_judged(matrix))[:n]
    gone = np.repeat(np.isin(np.arange(matrix.shape[0]), rows), np.diff(matrix.indptr))
    posts = [matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]] for row in rows]
    return _without(matrix, gone), posts, rng


def few_table(graph: PostGraph, n: int, seed: int = 0) -> list[tuple]:
    """Rows (method, nDCG@8 from 1, 2, 4, 8 tags of a post), the rest of its tags to be found."""
    learnt, posts, rng = absent(graph, n, seed)
    orders = [rng.permutation(tags) for tags in posts]
    cases = [[(tags[:k], tags[k:]) for tags in orders if len(tags) > k] for k in GIVEN]
    return [
        (name, *(judge(score, some)[0] if some else np.nan for some in cases))
        for name, score in islice(completers(graph, learnt), 4)  # the rest take minutes
    ]


def doubt_table(graph: PostGraph, n: int, seed: int = 0) -> list[tuple]:
    """Rows (measure, share of strangers that are the lowest by it), strangers drawn two ways.

    A tag that a post does not hold is put among its tags. Drawn evenly it is mostly a rare one;
    drawn by use it is one of those that people do write.
    """
    learnt, posts, rng = absent(graph, n, seed)
    counts = cooccurrence([learnt])
    completion, tag_ids = suggester(graph, learnt, counts), graph.dictionary.tag_ids
    frequency = np.maximum(np.asarray(learnt.sum(0)).ravel(), 1)

    def together(tags: np.ndarray) -> np.ndarray:
        return (counts[tags][:, tags].toarray() / frequency[tags][:, None]).sum(0)

    def doubt(tags: np.ndarray) -> np.ndarray:
        order = {name: place for place, (name, _) in enumerate(completion.doubt(tag_ids[tags]))}
        return np.array([order[graph.dictionary.tags[tag]] for tag in tags.tolist()])

    measures = {
        "posts that hold it": lambda tags: frequency[tags],
        "co-occurrence": together,
        "doubtful_tags": doubt,
    }
    found: dict[str, list] = {name: [] for name in measures}
    for held in posts:
        others = np.setdiff1d(np.arange(learnt.shape[1]), held)
        use = frequency[others] / frequency[others].sum()
        strangers = rng.choice(others), rng.choice(others, p=use)
        for name, score in measures.items():
            scores = [score(np.append(held, stranger)) for stranger in strangers]
            found[name].append([s[-1] < s[:-1].min() for s in scores])
    return [(name, *np.mean(hits, 0).tolist()) for name, hits in found.items()]


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
    """Tables of completion, on all tags and on stripped ones, and of strangers."""
    header = ("method", f"nDCG@{DEPTH}", f"p@{DEPTH}", "ms")
    cases, posts = (QUICK_CASES, QUICK_ABSENT) if args.quick else (CASES, ABSENT)
    alone = args.sections == ["completion"]
    ridges, left_out = affordable(len(graph.dictionary.tags), args.quick, alone)
    made, options = [], {"quick": args.quick, "ridges": ridges}
    for which in ("all tags", "stripped tags"):
        rows, notes = completion_table(graph, which, cases, args.seed, **options)
        title = f"Completion, {which}: a fifth of a post's hidden"
        made.append(Table(title, header, rows, notes + left_out))
    notes = [f"{posts} posts that are not on the board"]
    title, header = "nDCG@8 from a few tags of a post", ("method", *map(str, GIVEN))
    made.append(Table(title, header, few_table(graph, posts, args.seed), notes))
    title = "Doubt: a stranger put among a post's tags has the lowest support of all"
    header = ("support by", "any tag", "drawn by use")
    return [*made, Table(title, header, doubt_table(graph, posts, args.seed), notes)]
