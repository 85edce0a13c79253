"""The index: recall@10 and speed of annoy over search_k and trees, beside graph and list indexes.

All search the same float32 unit vectors, one query at a time on one thread, as a bot does. The
cosines of what each returns are computed again, so that no index's rounding counts. The protocol of
ann-benchmarks (Aumüller, Bernhardsson, Faithfull 2018), but equals count (`neighbors.recall`).
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from ..graph import neighbors
from ..recommend.postgraph import PostGraph
from .methods import Exact
from .plotting import lines
from .report import Figure, Table, optional

N = 10  # neighbors asked for
QUICK = 20_000  # vectors, with --quick
TREES, FEW_TREES = (8, 16, 32, 64), (32,)
SEARCH_K = (250, 500, 1000, 2000, 4000, 8000, 16000, 32000)
EFFORT = (10, 20, 40, 80, 160, 320, 640, 1280)  # ef of the graphs
PROBES = (1, 2, 4, 8, 16, 32, 64, 128)  # lists that faiss's IVF reads
LINKS, BUILD_EFFORT = 16, 200  # M and ef_construction of every graph
Search = Callable[[np.ndarray], np.ndarray]  # one vector (d,) → rows, -1 for none
Tried = Iterator[tuple[str, Search]]
"""Settings from hasty to thorough, and the search with each; what comes before the first builds."""


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """A table of all settings, and recall against queries a second."""
    rng = np.random.default_rng(args.seed)
    vectors = Exact(graph).vectors("attenuated")
    vectors = vectors[rng.permutation(np.flatnonzero(graph.allowed & vectors.any(1)))]
    vectors = vectors[:QUICK] if args.quick else vectors
    asked = vectors[: 100 if args.quick else 500]
    n = min(N, len(vectors))
    least = neighbors.nth_best(np.array_split(vectors, len(vectors) // 20_000 + 1), asked, n)
    copies = 1 - len(np.unique(vectors, axis=0)) / len(vectors)
    rows, series = [], {}
    notes = [
        f"{copies:.0%} of the vectors are copies of another: a graph of links to the nearest "
        "may be cut into islands by them. All were added in one random order."
    ]
    with tempfile.TemporaryDirectory() as place:
        for name, build in makers(
            FEW_TREES if args.quick else TREES, Path(place), notes
        ).items():
            start, built, points = time.perf_counter(), None, []
            for setting, search in build(vectors, args.seed):
                built = built or time.perf_counter() - start
                found, ms = measure(search, vectors, asked, least, n)
                points.append((found, 1000 / ms))
                rows.append((name, setting, found, ms, built))
            series[name] = tuple(zip(*points, strict=True))
    title = f"{len(asked)} posts, their {n} nearest of {len(vectors):,} × {vectors.shape[1]}"
    header = ("index", "setting", f"recall@{n}", "ms", "s to build")
    draw = partial(
        lines, series=series, x=f"recall@{n}", y="queries a second, one thread", log="y"
    )
    return [
        Table(title, header, rows, notes),
        Figure("index", "Nearest posts: recall against speed", draw),
    ]


def makers(trees: tuple[int, ...], place: Path, notes: list[str]) -> dict[str, Callable]:
    """Name → (vectors, seed) → `Tried`; what is not installed is told to `notes`."""
    made = {}
    for n in trees:
        made[f"annoy, {n} trees"] = partial(annoy, trees=n, path=place / f"{n}.ann")
    peers = (
        ("hnswlib", "hnswlib", "hnswlib", hnswlib),
        ("usearch", "usearch.index", "usearch", usearch),
        ("faiss HNSW", "faiss", "faiss-cpu", faiss_graph),
        ("faiss IVF", "faiss", "faiss-cpu", faiss_lists),
    )
    for name, module, package, build in peers:
        peer, missing = optional(module, package)
        if peer:
            made[name] = partial(build, module=peer)
        elif missing not in notes:
            notes.append(missing)
    return made | {"exact": exact}


def measure(
    search: Search, vectors: np.ndarray, asked: np.ndarray, least: np.ndarray, n: int
) -> tuple[float, float]:
    """Recall against the exact search (`least`, of `nth_best`), and milliseconds a query."""
    search(asked[0])  # the first call may have to prepare something
    start = time.perf_counter()
    found = [search(vector) for vector in asked]
    ms = (time.perf_counter() - start) / len(asked) * 1000
    rows = [np.asarray(some).astype(np.int64) for some in found]
    cosines = [vectors[r[r >= 0]] @ v for r, v in zip(rows, asked, strict=True)]
    return neighbors.recall(cosines, least, n), ms


def exact(vectors: np.ndarray, seed: int) -> Tried:
    """All cosines, and the best of them."""
    n = min(N, len(vectors))
    yield "all", lambda v: np.argpartition(-(vectors @ v), n - 1)[:n]


def annoy(vectors: np.ndarray, seed: int, trees: int, path: Path) -> Tried:
    """The index that construct_index.py builds (32 trees)."""
    dim = vectors.shape[1]
    builder = neighbors.Builder(path, dim, 0, seed)
    builder.add(np.arange(len(vectors)), vectors)
    builder.build(trees)
    index = neighbors.load(path, dim, neighbors.METRIC, len(vectors))
    for k in SEARCH_K:
        yield f"search_k {k:,}", lambda v, k=k: index.get_nns_by_vector(v.tolist(), N, k)


def hnswlib(vectors: np.ndarray, seed: int, module: ModuleType) -> Tried:
    """The graph of Malkov and Yashunin 2016, by its authors."""
    n = min(N, len(vectors))
    index = module.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), LINKS, BUILD_EFFORT, seed)
    index.add_items(vectors, num_threads=1)
    for effort in EFFORT:
        index.set_ef(effort)
        yield f"ef {effort:,}", lambda v: index.knn_query(v, n, num_threads=1)[0][0]


def usearch(vectors: np.ndarray, seed: int, module: ModuleType) -> Tried:
    """The same kind of graph, by Unum."""
    index = module.Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=LINKS,
        expansion_add=BUILD_EFFORT,
    )
    index.add(np.arange(len(vectors)), vectors, threads=1)
    for effort in EFFORT:
        index.expansion_search = effort
        yield f"expansion {effort:,}", lambda v: index.search(v, N, threads=1).keys


def faiss_graph(vectors: np.ndarray, seed: int, module: ModuleType) -> Tried:
    """The same kind of graph, by Meta."""
    module.omp_set_num_threads(1)
    index = module.IndexHNSWFlat(vectors.shape[1], LINKS, module.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_EFFORT
    index.add(vectors)
    for effort in EFFORT:
        index.hnsw.efSearch = effort
        yield f"ef {effort:,}", lambda v: index.search(v[None], N)[1][0]


def faiss_lists(vectors: np.ndarray, seed: int, module: ModuleType) -> Tried:
    """Lists of k-means cells, √n of them (Jégou et al. 2011's IVF, without the codes)."""
    module.omp_set_num_threads(1)
    dim, lists = vectors.shape[1], max(1, int(len(vectors) ** 0.5 / 2))
    cells = module.IndexFlatIP(dim)
    index = module.IndexIVFFlat(cells, dim, lists, module.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.min_points_per_centroid = seed + 1, 1
    index.train(vectors)
    index.add(vectors)
    for probes in (p for p in PROBES if p <= lists):
        index.nprobe = probes
        yield f"lists {index.nprobe}", lambda v: index.search(v[None], N)[1][0]
