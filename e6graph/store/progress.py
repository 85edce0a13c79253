"""Work that takes long shows on a terminal what goes on, drawn again every second."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")


@contextlib.contextmanager
def ticking(what: str) -> Iterator[None]:
    """Show on a terminal what goes on and for how long, every second.

    For a call that cannot report by itself, such as one into a library.
    """
    with _bar(what, None, "{desc}: {elapsed}"):
        yield


def counted(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Pass items on, and show on a terminal how many have passed, every second.

    >>> list(counted([3, 1], "numbers"))
    [3, 1]
    """
    with _bar(what, total, None) as bar:
        for item in items:
            yield item
            bar.update()


@contextlib.contextmanager
def reaching(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function that shows on a terminal how many there are so far, and of how many.

    >>> with reaching("favorites") as show:
    ...     show(320, 1000)
    """
    with _bar(what, None, None) as bar:

        def show(so_far: int, of: int | None) -> None:
            bar.total = of
            bar.update(so_far - bar.n)

        yield show


@contextlib.contextmanager
def _bar(what: str, total: int | None, layout: str | None) -> Iterator[tqdm]:
    """Show a bar that is drawn again every second, because tqdm alone draws at an update."""
    from tqdm import tqdm  # here, since a query without a bar must start quickly

    done = threading.Event()
    with tqdm(total=total, desc=what, bar_format=layout, disable=None) as bar:

        def tick() -> None:
            while not (bar.disable or done.wait(1)):
                bar.refresh()

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield bar
        finally:
            done.set()
            thread.join()
