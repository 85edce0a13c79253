"""Work on all cores with threads; NumPy, SciPy and annoy let them run side by side."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Call `function` on every item, a thread a core, and yield results in order.

    The caller's thread takes one item more than there are cores at a time, so
    only a few items and results are in memory. The results do not depend on the
    number of cores. After an error or Ctrl-C, items that no thread has begun are
    dropped.

    >>> list(in_order(abs, [-2, 1, -3]))
    [2, 1, 3]
    """
    pool = ThreadPoolExecutor(cores())
    try:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
