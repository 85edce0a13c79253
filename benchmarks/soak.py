"""Ask one opened index from four threads while another process rebuilds it and swaps it in.

    python -m benchmarks.soak --index DIR --minutes 20

Works on a copy of the index. Fails (status 1) on any error, if an answer is not the
one that the index gave when it was opened, if a newly opened one is not whole, or
if memory that no file backs is more than 5 % higher in the last tenth of the time
than in the second (their medians: now and then two indexes are open at once).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from e6graph import PostGraph, cli
from e6graph.chat.reload import give_back_memory
from e6graph.errors import E6GraphError

from .measure import memory, run
from .serve import questions

DIFFERENT = 16  # questions of each kind
GROWTH = 0.05
EVERY = 1.0  # seconds between looks at the memory


class Soak:
    """An opened index, its answers when it was opened, and what has gone wrong since."""

    def __init__(self, index: Path, seed: int) -> None:
        self.graph = PostGraph.open(index)
        self.asked = list(questions(self.graph, seed).values())
        self.known = [[as_lists(ask(i)) for i in range(DIFFERENT)] for ask in self.asked]
        self.wrong: list[str] = []
        self.count, self.stop, self._lock = 0, threading.Event(), threading.Lock()

    def ask(self, seed: int) -> None:
        """Ask at random until told to stop; every answer must be the known one."""
        rng = np.random.default_rng(seed)
        while not self.stop.is_set():
            kind, i = int(rng.integers(len(self.asked))), int(rng.integers(DIFFERENT))
            try:
                same = as_lists(self.asked[kind](i)) == self.known[kind][i]
                said = f"question {kind}/{i} was answered in another way"
            except Exception as error:  # any error is what this looks for
                same, said = False, f"question {kind}/{i}: {type(error).__name__}: {error}"
            with self._lock:
                self.count += 1
                if not same:
                    self.wrong.append(said)


def as_lists(answer: object) -> object:
    """Turn an answer into lists, which compare as a whole."""
    if isinstance(answer, tuple):
        return [part.tolist() for part in answer]
    return answer


def soak(index: Path, minutes: float, threads: int, seed: int = 0) -> tuple[dict, list[str]]:
    """Run the soak; return figures by name, and what went wrong."""
    soaking, swaps, memories = Soak(index, seed), 0, []
    asking = [threading.Thread(target=soaking.ask, args=(seed + i,)) for i in range(threads)]
    watching = threading.Thread(target=_watch, args=(soaking.stop, memories))
    start = time.monotonic()
    for thread in [*asking, watching]:
        thread.start()
    try:
        while time.monotonic() - start < 60 * minutes or not swaps:
            done = run(
                [
                    sys.executable,
                    "construct_index.py",
                    "--index",
                    str(index),
                    "--seed",
                    str(1 + swaps),
                ]
            )
            if done.status:
                soaking.wrong.append(f"rebuild {swaps + 1} ended with status {done.status}")
                break
            swaps += 1
            try:
                PostGraph.open(index).recommend(posts=_some(soaking.graph))
            except E6GraphError as error:
                soaking.wrong.append(f"after swap {swaps}: {error}")
    finally:
        soaking.stop.set()
        for thread in [*asking, watching]:
            thread.join()
    grown = growth(memories)
    if grown > GROWTH:
        soaking.wrong.append(f"memory grew by {grown:.1%}, expected {GROWTH:.0%} at most")
    seconds = time.monotonic() - start
    figures = {
        "minutes": seconds / 60,
        "answers": soaking.count,
        "swaps": swaps,
        "answers a second": soaking.count / seconds,
        "growth of own memory": grown,
        "own MB at the end": _tenths(memories)[-1] / 1e6,
    }
    return figures, soaking.wrong


def growth(memories: Sequence[int]) -> float:
    """Compute by what share the last tenth is higher than the second; 0 if nothing is known."""
    tenths = _tenths(memories)
    before = tenths[min(1, len(tenths) - 1)]
    return tenths[-1] / before - 1 if before else 0.0


def _tenths(memories: Sequence[int]) -> list[float]:
    return [float(np.median(part)) for part in np.array_split(memories, 10) if len(part)]


def _some(graph: PostGraph) -> list[int]:
    return graph.posts.ids[np.flatnonzero(graph.allowed)[:5]].tolist()


def _watch(stop: threading.Event, memories: list[int]) -> None:
    while True:
        memories.append(memory()[1])
        if stop.wait(EVERY):
            return


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", default="index", metavar="DIR")
    parser.add_argument("--minutes", type=cli.between(0, 1e4, float), default=20.0)
    parser.add_argument("--threads", type=cli.between(1, 64), default=4)
    parser.add_argument("--seed", type=cli.natural, default=0)
    args = parser.parse_args(argv)
    give_back_memory()  # as the bots do
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        shutil.copytree(args.index, index)
        figures, wrong = soak(index, args.minutes, args.threads, args.seed)
    print(cli.table(figures.items(), ("of the soak", "figure")))
    if wrong:
        raise E6GraphError(f"{len(wrong)} wrong, the first: {wrong[0]}")
    print("no error, every answer that of one whole index")


if __name__ == "__main__":
    sys.exit(cli.run(main))
