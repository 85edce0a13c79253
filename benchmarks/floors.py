"""Time the one product that a stage cannot do without, as plainly as it can be had: its floor.

    python -m benchmarks.floors embed --index DIR

Prints wall and CPU seconds of the work alone, without reading its input.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from annoy import AnnoyIndex

from e6graph.embedding.dictionary import Dictionary
from e6graph.embedding.interactions import iter_posts_by_tags
from e6graph.graph.neighbors import PATTERN, stored_vectors
from e6graph.store import Store
from e6graph.tags.vocabulary import load_vocabulary


class Clock:
    """A sum of the wall and CPU seconds that some stretches of code take."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self.start = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self.start[0]
        self.cpu += time.process_time() - self.start[1]


def embed(store: Store, clock: Clock, vocab: int, trees: int) -> None:
    """Time SciPy's XᵀX on one core, a row group at a time, without adding up the parts."""
    for _, block in iter_posts_by_tags(store, load_vocabulary(store, vocab)):
        with clock:
            _ = block.T.tocsr() @ block


def attenuate(store: Store, clock: Clock, vocab: int, trees: int) -> None:
    """Time one pass of X @ V on one core."""
    words = Dictionary.open(store)
    for _, block in iter_posts_by_tags(store, words.vocabulary):
        with clock:
            _ = block @ words.vecs


def index(store: Store, clock: Clock, vocab: int, trees: int) -> None:
    """Time annoy alone: `add_item` of every row of a float32 matrix, `build` with all cores."""
    about = store.sidecar(PATTERN)["parameters"]
    with tempfile.TemporaryDirectory(dir=store.root) as directory:
        made = AnnoyIndex(about["dim"], about["metric"])
        made.set_seed(about["seed"])
        made.on_disk_build(str(Path(directory) / "floor.ann"))
        with clock:
            for item, vector in enumerate(_rows(store.path(PATTERN), about)):
                made.add_item(item, vector)
            made.build(trees, n_jobs=-1)


def _rows(path: Path, about: dict) -> Iterator[np.ndarray]:
    for block in stored_vectors(path, about["dim"], about["items"]):
        yield from block.tolist()


FLOORS = {"embed": embed, "attenuate": attenuate, "index": index}


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("floor", choices=FLOORS)
    parser.add_argument("--index", default="index")
    parser.add_argument("--vocab", type=int, default=32768)
    parser.add_argument("--trees", type=int, default=32)
    args = parser.parse_args(argv)
    clock = Clock()
    FLOORS[args.floor](Store(args.index), clock, args.vocab, args.trees)
    print(json.dumps({"wall": clock.wall, "cpu": clock.cpu}))


if __name__ == "__main__":
    sys.exit(main())
