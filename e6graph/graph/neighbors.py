"""annoy behind a thin wrapper: probe, build, checked load, query; id + offset = post id.

annoy 1.17.3, as some compilers build it, returns one neighbor or crashes. It also
takes files of a wrong dimension, zeros and NaN. All of that is refused here.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from annoy import AnnoyIndex

from ..errors import BadArtifact, BadInput, E6GraphError, run_again
from ..store import Store
from ..store.parallel import in_order
from ..store.progress import ticking

METRIC: Literal["angular"] = "angular"  # a distance d is a cosine of 1 - d²/2
PATTERN = "posts.skip*.ann"
MOST_IDS_A_POST = 100  # from the first id to the last; the site has about 1.1
VECTORS_AT_ONCE = 20_000
_PROBE = (
    "from annoy import AnnoyIndex\n"
    "index = AnnoyIndex(2, 'angular')\n"
    "for i in range(64): index.add_item(i, [1.0, i / 64])\n"
    "index.build(2, n_jobs=1)\n"
    "raise SystemExit(len(index.get_nns_by_item(0, 8)) != 8)\n"
)
REMEDY = (
    "ANNOY_COMPILER_ARGS=-O3,-ffast-math,-fno-finite-math-only,"
    "-DANNOYLIB_MULTITHREADED_BUILD,-std=c++14 pip install --no-cache-dir "
    "--no-binary annoy --force-reinstall annoy==1.17.3"
)


def probe() -> None:
    """Check in a process of its own that annoy finds neighbors: it may crash.

    Raises
    ------
    E6GraphError : with the command that installs a sound one.
    """
    # A fixed program without input, run by the interpreter that runs this one.
    command = [sys.executable, "-c", _PROBE]
    if subprocess.run(command, capture_output=True).returncode:  # noqa: S603
        raise _unsound("as installed does not find neighbors")


def _unsound(what: str) -> E6GraphError:
    return E6GraphError(f"annoy {what}: reinstall it with\n{REMEDY}")


def check_vector(vector: np.ndarray, dim: int) -> np.ndarray:
    """Return the vector as float32 (dim,). Raises BadInput if it has no neighbors."""
    vector = np.asarray(vector, np.float32)
    if vector.shape != (dim,):
        raise BadInput(f"a vector of shape {vector.shape}, expected ({dim},)")
    if not np.isfinite(vector).all() or not vector.any():
        raise BadInput("a vector that is zero or not finite has no neighbors")
    return vector


class Builder:
    """An index in the making: add vectors under post ids, then build it in place.

    Parameters
    ----------
    path : the file to build (a stage's temporary name).
    offset : the post id of annoy's id 0.
    """

    def __init__(self, path: str | Path, dim: int, offset: int, seed: int = 0) -> None:
        self._index = AnnoyIndex(dim, METRIC)
        self._index.set_seed(seed)
        self._index.on_disk_build(str(path))
        self._path, self._offset = Path(path), offset
        self._count = 0  # posts added
        self._held = 0  # bytes of the file that surely have room on the disk

    def add(self, post_ids: np.ndarray, vectors: np.ndarray) -> None:
        """Add (n,) ids, ascending, `offset` or more, with float32 (n, d) unit rows."""
        vectors = np.asarray(vectors, np.float32)
        if not np.isfinite(vectors).all() or not vectors.any(1).all():
            raise BadInput("a vector that is zero or not finite cannot be indexed")
        if not len(post_ids):
            return
        items = post_ids - self._offset
        span = int(items[-1]) + 1
        self._count += len(post_ids)
        # annoy takes room for every id in between.
        if span > MOST_IDS_A_POST * max(self._count, 1000):
            raise BadInput(
                f"post id {post_ids[-1]}: {self._count:,} posts over {span:,} ids, "
                f"expected one in {MOST_IDS_A_POST} to be there: "
                "remove the stray post, or start at a later --offset"
            )
        self._make_room(span)

        # annoy writes the last vector, which extends the file. The others are written
        # to the file directly: that is quicker than a Python list for each.
        self._index.add_item(span - 1, vectors[-1].tolist())
        nodes = _nodes(self._path, self._index.f, span, "r+")
        last = nodes[-1]
        if last["descendants"] != 1 or not np.array_equal(last["vector"], vectors[-1]):
            raise _unsound("stores its vectors in another way")
        made = np.zeros(len(items), nodes.dtype)
        made["descendants"], made["vector"] = 1, vectors
        made["norm"] = np.einsum("ij,ij->i", vectors, vectors)
        nodes[items] = made

    def build(self, trees: int, jobs: int = 1) -> None:
        """Build the trees; with one job the same vectors and seed give the same bytes."""
        # A leaf holds up to d + 2 items; on skewed vectors it was found to hold 40 % of
        # that. A tree has as many inner nodes as leaves.
        leaves = 3 * self._count // (self._index.f + 2) + 1
        self._make_room(self._index.get_n_items() + 2 * trees * leaves)
        with ticking(f"building {trees} trees"):
            self._index.build(trees, n_jobs=jobs)
        self._index.unload()

    def _make_room(self, nodes: int) -> None:
        """Raise OSError unless the file can grow to so many nodes, its holes filled.

        annoy writes to a memory map, and where there is no room that ends the
        process (SIGBUS). The disk, a quota (seen on Linux) or a limit of file sizes
        (`ulimit -f`) may be in the way. Another program that fills the disk later,
        before annoy has taken the room, can still end this process.
        """
        needed = nodes * (12 + 4 * self._index.f)
        try:
            with open(self._path, "r+b") as file:
                status = os.fstat(file.fileno())
                free = shutil.disk_usage(self._path.parent).free
                if free < needed - 512 * status.st_blocks:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                try:
                    more = needed - self._held
                    if hasattr(os, "posix_fallocate") and more > 0:  # not on macOS
                        os.posix_fallocate(file.fileno(), self._held, more)
                    # annoy makes it up to 1.3 times as long
                    file.truncate(max(status.st_size, int(1.4 * needed)))
                finally:
                    file.truncate(status.st_size)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from None
        self._held = max(self._held, min(needed, status.st_size))


class Neighbors:
    """A built index, mapped from disk. Calls may come from several threads."""

    def __init__(
        self, path: Path, dim: int, items: int, offset: int, search_k: int, posts: int = 0
    ) -> None:
        self._index, self.dim, self.offset = load(path, dim, items), dim, offset
        self.search_k, self.posts = search_k, posts
        self._nodes = _nodes(path, dim, items)

    @classmethod
    def open(cls, store: Store) -> Neighbors:
        """Map the index after checking it against its sidecar, bytes included.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        path = store.check(PATTERN)
        about = store.sidecar(PATTERN).get("parameters", {})
        names = ("dim", "metric", "items", "offset", "search_k", "posts")
        for name in names:
            if name not in about:
                wrong = f"has no sidecar that gives its {name!r}"
                raise run_again(path, wrong, "construct_index.py")
        dim, metric, *rest = (about[name] for name in names)
        if metric != METRIC:
            raise BadArtifact(f"{path} has metric {metric}, expected {METRIC}")
        return cls(path, dim, *rest)

    def vector(self, post_id: int) -> np.ndarray:
        """Return a post's vector, float32 (d,); zeros if it was not indexed."""
        vector = self._index.get_item_vector(post_id - self.offset)
        return np.array(vector, np.float32)

    def vectors(self, post_ids: np.ndarray) -> np.ndarray:
        """Return the vectors of some indexed posts, float32 (m, d)."""
        return self._nodes["vector"][post_ids - self.offset]

    def query(
        self, vector: np.ndarray, n: int, search_k: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the n nearest posts: (post ids int64, cosines float32), best first.

        Parameters
        ----------
        search_k : nodes of the index to inspect. By default enough for n, of which
            trees mostly bring the same ones; with fewer nodes there may be fewer posts.
        """
        vector = check_vector(vector, self.dim)
        enough = max(self.search_k, n * self._index.get_n_trees())
        search_k = enough if search_k is None else search_k
        ids, distances = self._index.get_nns_by_vector(
            vector.tolist(), n, search_k, include_distances=True
        )
        cosines = 1 - np.array(distances, np.float32) ** 2 / 2
        return np.array(ids, np.int64) + self.offset, cosines


def load(path: Path, dim: int, items: int) -> AnnoyIndex:
    """Map an annoy file; it must hold as many items as its sidecar says."""
    index = AnnoyIndex(dim, METRIC)
    try:
        index.load(str(path))
    except OSError as error:
        raise BadArtifact(f"{path}: {error}: run construct_index.py again") from None
    held = index.get_n_items()
    if held != items:
        wrong = f"holds {held} items, expected {items}"
        raise run_again(path, wrong, "construct_index.py")
    return index


def _nodes(path: Path, dim: int, items: int, mode: Literal["r", "r+"] = "r") -> np.memmap:
    """Map the items of an annoy file by id (annoylib.h, `Angular::Node`)."""
    header = [("descendants", "i4"), ("norm", "f4"), ("child", "i4")]
    fields = [*header, ("vector", "f4", (dim,))]
    return np.memmap(path, np.dtype(fields), mode, shape=(items,))


def stored_vectors(path: Path, dim: int, items: int) -> Iterator[np.ndarray]:
    """Read the vectors of an annoy file in ascending id, blocks of float32 (n_k, d)."""
    nodes = _nodes(path, dim, items)
    for start in range(0, items, VECTORS_AT_ONCE):
        block = nodes[start : start + VECTORS_AT_ONCE]
        yield block["vector"][block["descendants"] > 0]


def nth_best(blocks: Iterable[np.ndarray], queries: np.ndarray, n: int = 10) -> np.ndarray:
    """Find the n-th best cosine among all vectors by exact search, float32 (q,).

    Parameters
    ----------
    blocks : float32 (m_k, d) unit rows, all the vectors in any split.
    queries : (q, d) unit rows.
    """
    best = np.full((len(queries), n), -np.inf, np.float32)  # of each query, ascending

    def better(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cosines = queries @ block.T
        # These are few after a while.
        rows = np.flatnonzero(cosines.max(1, initial=-np.inf) > best[:, 0])
        first = max(len(block) - n, 0)
        return rows, np.partition(cosines[rows], first, axis=1)[:, first:]

    for rows, cosines in in_order(better, blocks):
        joined = np.concatenate([best[rows], cosines], 1)
        best[rows] = np.sort(joined, axis=1)[:, -n:]
    return best[:, 0]


def recall(found: Iterable[np.ndarray], least: np.ndarray, n: int = 10) -> float:
    """Compute the share of the n nearest that a search found, judged by cosines.

    Many posts have the same tags and so the same vector: one is as right as another.

    Parameters
    ----------
    found : for each query the cosines of what the search gave.
    least : (q,), `nth_best`.

    >>> recall([np.array([0.9, 0.8]), np.array([0.7, 0.1])], np.array([0.8, 0.6]), n=2)
    0.75
    """
    hits = 0
    for cosines, low in zip(found, least, strict=True):
        # annoy's float32 distance loses up to 1e-6 of a cosine near 1
        hits += min(int((cosines >= low - 1e-5).sum()), n)
    return hits / (len(least) * n)
