"""The index: recall@10 and speed of annoy, beside graph and list indexes.

All search the same float32 unit vectors, one query at a time on one thread, as a
bot does. The cosines of what each returns are computed again, so that no index's
rounding counts. The protocol is that of ann-benchmarks (Aumüller, Bernhardsson,
Faithfull 2018), but equals count (`neighbors.recall`).
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import E6GraphError, needs
from ..graph import neighbors
from ..recommend.postgraph import PostGraph
from .methods import ExactMethods
from .report import BENCH_PACKAGES, Figure, Table, progress

NEIGHBORS_ASKED = 10
QUICK_VECTORS = 20_000  # with --quick
TREES = (8, 16, 32, 64)
QUICK_TREES = (32,)
SEARCH_K = (250, 500, 1000, 2000, 4000, 8000, 16000, 32000)
GRAPH_EFFORTS = (10, 20, 40, 80, 160, 320, 640, 1280)  # ef of the graphs
LIST_PROBES = (1, 2, 4, 8, 16, 32, 64, 128)  # lists that faiss's IVF reads
GRAPH_LINKS = 16  # M of every graph
BUILD_EFFORT = 200  # ef_construction of every graph

Search = Callable[[np.ndarray], Any]
"""One vector (d,) → rows of its nearest, -1 for none."""
Settings = Iterator[tuple[str, Search]]
"""Settings, hasty ones first, and the search with each; the first builds the index."""
IndexMaker = Callable[[np.ndarray, int], Settings]
"""Vectors (n, d) and a seed → the settings of an index of them."""


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Make a table of all settings, and the figure of recall against speed."""
    vectors = ExactMethods(graph).vectors("attenuated")
    rows = np.flatnonzero(graph.allowed & vectors.any(1))
    vectors = vectors[np.random.default_rng(args.seed).permutation(rows)]
    vectors = vectors[:QUICK_VECTORS] if args.quick else vectors
    asked = vectors[: 100 if args.quick else 500]
    n = min(NEIGHBORS_ASKED, len(vectors))
    blocks = np.array_split(vectors, len(vectors) // 20_000 + 1)
    least = neighbors.nth_best(progress(blocks, "exact nearest posts"), asked, n)
    copies = 1 - len(np.unique(vectors, axis=0)) / len(vectors)
    notes = [
        f"{copies:.0%} of the vectors are copies of another: a graph of links to the "
        "nearest may be cut into islands by them. All were added in one random order."
    ]

    table = []
    series: dict[str, tuple[list[float], list[float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        makers = index_makers(QUICK_TREES if args.quick else TREES, Path(scratch))
        for name, maker in makers.items():
            recalls, speeds = [], []
            start, built = time.perf_counter(), 0.0
            try:
                for setting, search in progress(maker(vectors, args.seed), name):
                    built = built or time.perf_counter() - start
                    found, ms = measure(search, vectors, asked, least, n)
                    table.append((name, setting, found, ms, built))
                    recalls.append(found)
                    speeds.append(1000 / ms)
                series[name] = recalls, speeds
            except E6GraphError as error:
                notes.append(f"{name} left out: {error}")

    count, dim = vectors.shape
    title = f"{len(asked)} posts, their {n} nearest of {count:,} × {dim}"
    header = ("index", "setting", f"recall@{n}", "ms", "s to build")
    figure = Figure(
        "index",
        "Nearest posts: recall against speed",
        f"recall@{n}",
        "queries a second, one thread",
        series,
        log="y",
    )
    return [Table(title, header, table, notes), figure]


def index_makers(trees: tuple[int, ...], scratch: Path) -> dict[str, IndexMaker]:
    """Return the makers of all indexes by name; annoy's files lie in `scratch`."""
    made: dict[str, IndexMaker] = {}
    for n in trees:
        path = scratch / f"{n}.ann"
        made[f"annoy, {n} trees"] = partial(annoy, trees=n, path=path)
    return made | {
        "hnswlib": hnswlib,
        "usearch": usearch,
        "faiss HNSW": faiss_graph,
        "faiss IVF": faiss_lists,
        "exact": exact,
    }


def measure(
    search: Search,
    vectors: np.ndarray,
    asked: np.ndarray,
    least: np.ndarray,
    n: int,
) -> tuple[float, float]:
    """Measure recall and milliseconds a query; `least` is by `neighbors.nth_best`."""
    search(asked[0])  # the first call may have to prepare something
    start = time.perf_counter()
    found = [search(vector) for vector in asked]
    ms = (time.perf_counter() - start) / len(asked) * 1000
    rows = [np.asarray(some).astype(np.int64) for some in found]
    cosines = [vectors[r[r >= 0]] @ v for r, v in zip(rows, asked, strict=True)]
    return neighbors.recall(cosines, least, n), ms


def exact(vectors: np.ndarray, seed: int) -> Settings:
    """Compute all cosines and take the best of them."""
    n = min(NEIGHBORS_ASKED, len(vectors))
    yield "all", lambda v: np.argpartition(-(vectors @ v), n - 1)[:n]


def annoy(vectors: np.ndarray, seed: int, trees: int, path: Path) -> Settings:
    """Build the index that construct_index.py builds (it takes 32 trees)."""
    dim = vectors.shape[1]
    builder = neighbors.Builder(path, dim, 0, seed)
    builder.add(np.arange(len(vectors)), vectors)
    builder.build(trees)
    index = neighbors.load(path, dim, len(vectors))

    def search(vector: np.ndarray, search_k: int) -> list[int]:
        return index.get_nns_by_vector(vector.tolist(), NEIGHBORS_ASKED, search_k)

    for search_k in SEARCH_K:
        yield f"search_k {search_k:,}", partial(search, search_k=search_k)


def hnswlib(vectors: np.ndarray, seed: int) -> Settings:
    """Build the graph of Malkov and Yashunin 2016, by its authors."""
    with needs("hnswlib", BENCH_PACKAGES):
        from hnswlib import Index
    n = min(NEIGHBORS_ASKED, len(vectors))
    index = Index("ip", vectors.shape[1])
    index.init_index(len(vectors), GRAPH_LINKS, BUILD_EFFORT, seed)
    index.add_items(vectors, num_threads=1)
    for effort in GRAPH_EFFORTS:
        index.set_ef(effort)
        yield f"ef {effort:,}", lambda v: index.knn_query(v, n, num_threads=1)[0][0]


def usearch(vectors: np.ndarray, seed: int) -> Settings:
    """Build the same kind of graph, by Unum."""
    with needs("usearch", BENCH_PACKAGES):
        from usearch.index import Index
    index = Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=GRAPH_LINKS,
        expansion_add=BUILD_EFFORT,
    )
    index.add(np.arange(len(vectors)), vectors, threads=1)
    for effort in GRAPH_EFFORTS:
        index.expansion_search = effort
        yield (
            f"expansion {effort:,}",
            lambda v: index.search(v, NEIGHBORS_ASKED, threads=1).keys,
        )


def faiss_graph(vectors: np.ndarray, seed: int) -> Settings:
    """Build the same kind of graph, by Meta."""
    with needs("faiss-cpu", BENCH_PACKAGES):
        import faiss
    faiss.omp_set_num_threads(1)
    metric = faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWFlat(vectors.shape[1], GRAPH_LINKS, metric)
    index.hnsw.efConstruction = BUILD_EFFORT
    index.add(vectors)
    for effort in GRAPH_EFFORTS:
        index.hnsw.efSearch = effort
        yield f"ef {effort:,}", lambda v: index.search(v[None], NEIGHBORS_ASKED)[1][0]


def faiss_lists(vectors: np.ndarray, seed: int) -> Settings:
    """Build lists of √n / 2 k-means cells (IVF, Jégou et al. 2011, without codes)."""
    with needs("faiss-cpu", BENCH_PACKAGES):
        import faiss
    faiss.omp_set_num_threads(1)
    dim, lists = vectors.shape[1], max(1, int(len(vectors) ** 0.5 / 2))
    cells = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFFlat(cells, dim, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = seed + 1
    index.cp.min_points_per_centroid = 1
    index.train(vectors)
    index.add(vectors)
    for probes in (p for p in LIST_PROBES if p <= lists):
        index.nprobe = probes
        yield f"lists {probes}", lambda v: index.search(v[None], NEIGHBORS_ASKED)[1][0]
