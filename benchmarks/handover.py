"""Measure what handing co-occurrence and post vectors to Dask's workers costs and gives.

    pip install "dask[distributed]>=2025.1"
    python -m benchmarks.handover --index DIR --workers 2

Each task reads its own row groups of `posts.parquet`
(`iter_posts_by_tags(groups=...)`), so nothing is sent to a worker but numbers, and
nothing comes back but C, or the name of a file of vectors. The results are compared
with those of one process, to the bit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import scipy.sparse as sp

from e6graph import cli
from e6graph.embedding import cooccurrence
from e6graph.embedding.attenuator import attenuated_means
from e6graph.embedding.dictionary import Dictionary
from e6graph.embedding.interactions import iter_posts_by_tags
from e6graph.errors import E6GraphError, needs
from e6graph.store import Store
from e6graph.tags.vocabulary import load_vocabulary


def counts_of(root: str, groups: range, vocab: int) -> sp.csr_matrix:
    """Count C over some row groups, float32 (V, V) CSR."""
    store = Store(root)
    blocks = iter_posts_by_tags(store, load_vocabulary(store, vocab), groups=groups)
    return cooccurrence(block for _, block in blocks)


def vectors_of(root: str, groups: range, out: str) -> str:
    """Write the attenuated means of the posts of some row groups, float32 (n, d), to a file."""
    store = Store(root)
    words = Dictionary.open(store)
    operator = store.load_npz("attenuator.npz", "operator")["operator"]
    path = Path(out) / f"{groups.start}.npy"
    blocks = iter_posts_by_tags(store, words.vocabulary, groups=groups)
    made = [attenuated_means(block, words.vecs, operator) for _, block in blocks]
    np.save(path, np.concatenate(made), allow_pickle=False)
    return str(path)


def vectors(path: str) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def shares(groups: int, tasks: int) -> list[range]:
    """Split the row groups into runs of about the same length, none empty."""
    ends = np.unique(np.linspace(0, groups, min(tasks, groups) + 1).astype(int)).tolist()
    return [range(low, high) for low, high in pairwise(ends)]


def timed(work: Callable[[], object]) -> tuple[object, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", default="index", metavar="DIR")
    parser.add_argument(
        "--workers", type=cli.positive, default=2, help="processes of one thread"
    )
    parser.add_argument("--vocab", type=cli.positive, default=32768)
    args = parser.parse_args(argv)
    with needs("dask[distributed]>=2025.1"):
        import distributed
    root = str(Path(args.index).resolve())
    groups = pq.read_metadata(Store(root).path("posts.parquet")).num_row_groups
    runs = shares(groups, args.workers)
    with (
        tempfile.TemporaryDirectory() as out,
        distributed.LocalCluster(
            args.workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=out,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):

        def spread(work: Callable, *more: object) -> list:
            return client.gather([client.submit(work, root, run, *more) for run in runs])

        ours, alone = timed(lambda: counts_of(root, range(groups), args.vocab))
        theirs, together = timed(lambda: sum(spread(counts_of, args.vocab)))
        rows = [("co-occurrence", f"{alone:.1f}", f"{together:.1f}", (ours != theirs).nnz == 0)]
        one, alone = timed(lambda: vectors(vectors_of(root, range(groups), out)))
        parts, together = timed(lambda: spread(vectors_of, out))
        same = np.array_equal(one, np.concatenate([vectors(part) for part in parts]))
        rows.append(("post vectors", f"{alone:.1f}", f"{together:.1f}", same))
    print(cli.table(rows, ("stage", "one process s", f"{args.workers} workers s", "the same")))
    if not all(row[-1] for row in rows):
        raise E6GraphError("the workers' results are others than one process's")


if __name__ == "__main__":
    sys.exit(cli.run(main))
