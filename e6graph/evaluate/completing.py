"""Tag completion: hide a fifth of a post's tags, and rank all tags by the rest.

nDCG@8 and precision@8 (Järvelin and Kekäläinen 2002, binary gain). The hidden tags
are taken out of everything that any method learns from. Posts of odd row are
judged: the constants of `completion` were chosen on even ones. Two more tables
judge posts that are not on the board: completion from few tags, and finding a
wrong tag, where a stranger was put among a post's own.
"""

from __future__ import annotations

import math
import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, cast

import numpy as np
import scipy.sparse as sp

from ..embedding import als, cooccurrence
from ..embedding.companions import Companions, invert
from ..errors import E6GraphError
from ..recommend.completion import TagCompleter
from ..recommend.postgraph import PostGraph
from ..recommend.posts import Posts
from ..recommend.ranking import Ranking
from ..store.ragged import Ragged
from .report import Figure, Table, progress, waiting

RANKED_TAGS = 8  # looked at
HIDDEN_SHARE = 0.2  # of a post's tags
MIN_JUDGED_TAGS = 5  # of a post that is judged
CASES = 2000
QUICK_CASES = 200
ABSENT = 150  # posts taken off the board
QUICK_ABSENT = 40
GIVEN = (1, 2, 4, 8)  # tags
EASE_RIDGES = (100.0, 10.0)  # λ for large boards and for small ones
EASE_LARGEST = 12_000  # tags that EASE is tried with unless it is asked for
EASE_LARGEST_QUICK = 4_000
EASE_SECONDS = 2e-11  # of a core, times tags³
ALS_FACTORS = (64, als.FACTORS)  # the first alone with --quick

Case = tuple[np.ndarray, np.ndarray]
"""Tag columns that are seen, and those that are hidden."""
Completer = Callable[[np.ndarray], np.ndarray]
"""Seen columns → a score a column."""


@dataclass(frozen=True)
class ReducedPosts:
    """Posts without the hidden tags: as much of `Posts` as `Ranking` reads."""

    tags_of: Ragged
    rows_with: Ragged
    names: list[str]
    categories: np.ndarray

    def __len__(self) -> int:
        return len(self.tags_of)


def hide(matrix: sp.csr_matrix, n: int, seed: int = 0) -> tuple[sp.csr_matrix, list[Case]]:
    """Hide a fifth of the tags of n random posts of odd row, of five tags or more.

    Returns the matrix (posts, V) of ones without them, and the case of each post.
    """
    rng = np.random.default_rng(seed)
    gone = np.zeros(matrix.nnz, bool)
    cases = []
    for row in rng.permutation(judged_rows(matrix))[:n]:
        here = slice(*matrix.indptr[row : row + 2])
        columns, hidden = matrix.indices[here], gone[here]
        count = max(1, round(HIDDEN_SHARE * len(columns)))
        hidden[rng.permutation(len(columns))[:count]] = True
        cases.append((columns[~hidden], columns[hidden]))
    seen = matrix.copy()
    seen.data[gone] = 0
    seen.eliminate_zeros()
    return seen, cases


def judged_rows(matrix: sp.csr_matrix) -> np.ndarray:
    """Return the rows that may be judged by: odd ones with enough tags."""
    rows = np.flatnonzero(np.diff(matrix.indptr) >= MIN_JUDGED_TAGS)
    return rows[rows % 2 == 1]


def ndcg(order: np.ndarray, hidden: np.ndarray) -> tuple[float, float]:
    """Compute nDCG@k and precision@k of the k columns of `order`.

    >>> ndcg(np.array([4, 7]), np.array([7, 9]))  # 1/log2(3) of 1 + 1/log2(3)
    (0.386..., 0.5)
    """
    gain = 1 / np.log2(np.arange(2, len(order) + 2))
    hit = np.isin(order, hidden)
    best = gain[: min(len(order), len(hidden))].sum()
    return float((hit * gain).sum() / best), float(hit.mean())


def judge_completer(score: Completer, cases: Sequence[Case], name: str) -> list[float]:
    """Measure mean nDCG@8, mean p@8 and median milliseconds; nan of no cases."""
    if not cases:
        return [math.nan] * 3
    found, seconds = [], []
    for seen, hidden in progress(cases, name):
        start = time.perf_counter()
        scores = np.array(score(seen), np.float64)
        seconds.append(time.perf_counter() - start)
        scores[seen] = -np.inf
        top = np.argpartition(-scores, RANKED_TAGS)[:RANKED_TAGS]
        found.append(ndcg(top[np.argsort(-scores[top], kind="stable")], hidden))
    return [*np.mean(found, 0).tolist(), float(np.median(seconds)) * 1000]


def completers(
    graph: PostGraph,
    matrix: sp.csr_matrix,
    quick: bool = True,
    seed: int = 0,
    ridges: Sequence[float] = EASE_RIDGES,
) -> Iterator[tuple[str, Completer | str]]:
    """Learn from a (posts, V) matrix by each method.

    Yields names and methods, those that take minutes last. Where a package is
    missing, the reason stands in place of the method.
    """
    with waiting("co-occurrence"):
        counts = cooccurrence([matrix])
    frequency = np.asarray(matrix.sum(0)).ravel().astype(np.float32)
    once = 1 / np.maximum(frequency, 1)
    root = np.sqrt(once)
    yield "popularity", lambda seen: frequency
    yield "co-occurrence", lambda seen: once[seen] @ counts[seen]  # Σ P(j | i)
    yield "item-kNN", lambda seen: (root[seen] @ counts[seen]) * root  # Σ cosine

    with waiting("learning suggest_tags"):
        completion = suggester(graph, matrix, counts)
    ids = graph.dictionary.tag_ids
    yield "suggest_tags", lambda seen: completion.scores(ids[seen])

    for factors in ALS_FACTORS[: 1 if quick else None]:
        name = f"ALS, {factors} factors"
        try:
            with waiting(f"learning {name}"):
                method: Completer | str = als_completer(matrix, factors, seed)
        except E6GraphError as error:
            method = f"left out: {error}"
        yield name, method

    for ridge in ridges:
        name = f"EASE, λ {ridge:g}"
        with waiting(f"learning {name}"):
            method = sum_of_rows(ease(counts, frequency, ridge))
        yield name, method


def sum_of_rows(weights: np.ndarray) -> Completer:
    """Score tags by the sum of the rows of the seen tags, weights (V, V)."""
    return lambda seen: weights[seen].sum(0)


def affordable(tags: int, quick: bool, asked: bool) -> tuple[Sequence[float], list[str]]:
    """Choose the λ that EASE is tried with, and say why there are fewer.

    If `asked` for completion alone, it may take long.
    """
    need = 4 * tags**2  # bytes
    have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    said = f"EASE left out: {tags:,} tags are a matrix of {need / 1e9:.1f} GB"
    if 3 * need > have:
        return (), [f"{said}, too much for {have / 1e9:.0f} GB of memory"]
    if tags <= (EASE_LARGEST_QUICK if quick else EASE_LARGEST):
        return EASE_RIDGES, []
    if asked and not quick:
        return EASE_RIDGES[-1:], []
    seconds = f"{said} and {EASE_SECONDS * tags**3:.0f} seconds of a core"
    return (), [f"{seconds}: --sections completion without --quick does it"]


def ease(counts: sp.csr_matrix, frequency: np.ndarray, ridge: float) -> np.ndarray:
    """Compute B = I − P diag(P)⁻¹ with P = (XᵀX + λI)⁻¹: float32 (V, V), zero diagonal.

    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
    """
    weights = counts.toarray().astype(np.float32, copy=False)
    np.fill_diagonal(weights, frequency + ridge)
    invert(weights)
    weights /= -weights.diagonal()
    np.fill_diagonal(weights, 0)
    return weights


def als_completer(
    matrix: sp.csr_matrix, factors: int, seed: int, ridge: float = als.REGULARIZATION
) -> Completer:
    """Learn by ALS (Hu, Koren, Volinsky 2008); the seen tags are one more post.

    Raises
    ------
    E6GraphError : implicit is not installed.
    """
    _, tags = als.factorize(matrix, factors, ridge, seed=seed)
    confidence = als.idf(matrix)
    gram = tags.T @ tags + ridge * np.eye(factors, dtype=np.float32)

    def score(seen: np.ndarray) -> np.ndarray:
        some, weight = tags[seen], confidence[seen]
        system = gram + some.T @ (some * (weight - 1)[:, None])
        return tags @ np.linalg.solve(system, weight @ some)

    return score


def suggester(graph: PostGraph, matrix: sp.csr_matrix, counts: sp.csr_matrix) -> TagCompleter:
    """Make `PostGraph.suggest_tags` of posts that hold the tags of `matrix` alone."""
    tag_ids, names = graph.dictionary.tag_ids, graph.posts.names
    tags_of = Ragged(matrix.indptr, tag_ids[matrix.indices])
    rows, _ = matrix.nonzero()
    rows_with = Ragged.group(tags_of.values, rows, len(names))
    reduced = ReducedPosts(tags_of, rows_with, names, graph.posts.categories)

    shown = np.maximum(np.diff(rows_with.offsets), 1)
    frequency = shown[tag_ids]
    return TagCompleter(
        Companions.of(counts, frequency),
        replace(graph.dictionary, frqs=frequency),
        Ranking(cast(Posts, reduced)),
        np.ones(len(reduced), bool),
        shown,
    )


def completion_table(
    graph: PostGraph, which: str, n: int, seed: int = 0, **options: Any
) -> tuple[list[tuple], list[str]]:
    """Measure every method on "all tags" or "stripped tags".

    Returns rows (method, nDCG@8, p@8, ms), `suggest_tags` last, and notes.
    """
    matrix, cases = hide(dictionary_matrix(graph, which), n, seed)
    notes = [f"{len(cases):,} posts judged, {matrix.shape[1]:,} tags to rank"]
    rows = []
    for name, method in completers(graph, matrix, seed=seed, **options):
        if isinstance(method, str):
            notes.append(f"{name}: {method}")
        else:
            figures = judge_completer(method, cases, f"{name}, {which}")
            rows.append((name, *figures))
    return sorted(rows, key=lambda row: row[0] == "suggest_tags"), notes


def absent(
    graph: PostGraph, n: int, seed: int
) -> tuple[sp.csr_matrix, list[np.ndarray], np.random.Generator]:
    """Take n posts off the board.

    Returns the `dictionary_matrix` without their tags, the columns of each post, and
    the generator.
    """
    rng = np.random.default_rng(seed)
    matrix = dictionary_matrix(graph, "all tags")
    rows = rng.permutation(judged_rows(matrix))[:n]
    kept = np.ones(matrix.shape[0], np.float32)
    kept[rows] = 0
    learned = (sp.diags_array(kept) @ matrix).tocsr()
    learned.eliminate_zeros()
    return learned, [matrix[row].indices for row in rows], rng


def few_table(graph: PostGraph, n: int, seed: int = 0) -> list[tuple]:
    """Measure nDCG@8 of a post's other tags, from 1, 2, 4 and 8 of them."""
    learned, posts, rng = absent(graph, n, seed)
    orders = [rng.permutation(tags) for tags in posts]
    rows = []
    for name, method in islice(completers(graph, learned), 4):  # the others take minutes
        if isinstance(method, str):
            continue
        figures = []
        for k in GIVEN:
            cases = [(tags[:k], tags[k:]) for tags in orders if len(tags) > k]
            found = judge_completer(method, cases, f"{name}, tags given: {k}")
            figures.append(found[0])
        rows.append((name, *figures))
    return rows


def doubt_table(graph: PostGraph, n: int, seed: int = 0) -> list[tuple]:
    """Measure how often a stranger among a post's tags has the lowest support.

    Drawn evenly a stranger is mostly a rare tag; drawn by use it is one that people
    do write. Returns rows (measure, share found if drawn evenly, if drawn by use).
    """
    learned, posts, rng = absent(graph, n, seed)
    counts, words = cooccurrence([learned]), graph.dictionary
    completion = suggester(graph, learned, counts)
    frequency = np.maximum(np.asarray(learned.sum(0)).ravel(), 1)

    def together(tags: np.ndarray) -> np.ndarray:
        met = counts[tags][:, tags].toarray()
        return (met / frequency[tags][:, None]).sum(0)

    def doubt(tags: np.ndarray) -> np.ndarray:
        order = [name for name, _ in completion.doubt(words.tag_ids[tags])]
        return np.array([order.index(words.tags[tag]) for tag in tags])

    measures: dict[str, Completer] = {
        "posts that hold it": lambda tags: frequency[tags],
        "co-occurrence": together,
        "doubtful_tags": doubt,
    }
    found: dict[str, list[list[bool]]] = {name: [] for name in measures}
    for held in progress(posts, "strangers among a post's tags"):
        others = np.setdiff1d(np.arange(learned.shape[1]), held)
        use = frequency[others] / frequency[others].sum()
        strangers = rng.choice(others), rng.choice(others, p=use)
        for name, score in measures.items():
            scores = [score(np.append(held, stranger)) for stranger in strangers]
            found[name].append([s[-1] < s[:-1].min() for s in scores])
    return [(name, *np.mean(hits, 0).tolist()) for name, hits in found.items()]


def dictionary_matrix(graph: PostGraph, which: str) -> sp.csr_matrix:
    """Return shown posts × tags, CSR of ones; for `which` see `completion_table`."""
    posts = graph.posts
    lists = posts.tags_of if which == "all tags" else posts.lists("stripped_tags")
    ones = np.ones(len(lists.values), np.float32)
    shape = (len(lists), len(posts.names))
    every_tag = sp.csr_matrix((ones, lists.values, lists.offsets), shape)
    matrix = every_tag[graph.allowed][:, graph.dictionary.tag_ids]
    matrix.sort_indices()
    return matrix


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Make the tables of completion and of strangers."""
    cases, posts = (QUICK_CASES, QUICK_ABSENT) if args.quick else (CASES, ABSENT)
    alone = args.sections == ["completion"]
    ridges, left_out = affordable(len(graph.dictionary.tags), args.quick, alone)
    options = {"quick": args.quick, "ridges": ridges}
    made: list[Table | Figure] = []
    for which in ("all tags", "stripped tags"):
        rows, notes = completion_table(graph, which, cases, args.seed, **options)
        title = f"Completion, {which}: a fifth of a post's hidden"
        header = ("method", f"nDCG@{RANKED_TAGS}", f"p@{RANKED_TAGS}", "ms")
        made.append(Table(title, header, rows, notes + left_out))

    notes = [f"{posts} posts that are not on the board"]
    few = few_table(graph, posts, args.seed)
    title = "nDCG@8 from a few tags of a post"
    made.append(Table(title, ("method", *map(str, GIVEN)), few, notes))
    doubts = doubt_table(graph, posts, args.seed)
    title = "Doubt: a stranger put among a post's tags has the lowest support of all"
    columns = ("support by", "any tag", "drawn by use")
    made.append(Table(title, columns, doubts, notes))
    return made
