"""For a bot that runs for weeks: open the index again when it was replaced."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..store import Store

if TYPE_CHECKING:
    from ..recommend import PostGraph

CHECK_EVERY = 60.0  # seconds between two looks at the directory
log = logging.getLogger(__name__)


def give_back_memory() -> None:
    """Make glibc return arrays of a megabyte and more as soon as they are freed.

    By itself glibc raises that size to up to 32 MB as it goes (mallopt(3),
    M_MMAP_THRESHOLD). A process that opens a new index again and again then
    keeps what the old ones left: 417 MB in place of 240 after ten indexes of
    245,000 posts. With other C libraries this does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-3, 1 << 20)


def pass_over() -> None:
    """Let the garbage collector pass over all objects that there are now.

    Its full collections hold Python's lock while they look at every object: .1 s for
    those of a board, again and again. What is passed over is still freed when nothing
    refers to it any more, as a board is that was replaced.
    """
    gc.collect()
    gc.freeze()


class Watch:
    """Tells whether an index directory was changed since it was last asked.

    Make it before you open the index, so that no change in between goes
    unnoticed.
    """

    def __init__(self, index: str | Path) -> None:
        self._index = index
        self._known = Store(index).generation()

    def changed(self) -> bool:
        """Return whether artifacts were replaced since the last call, by their `stat`."""
        before, self._known = self._known, Store(self._index).generation()
        return self._known != before

    def start(
        self,
        open_graph: Callable[[], PostGraph],
        take: Callable[[PostGraph], None],
        every: float = CHECK_EVERY,
    ) -> Callable[[], None]:
        """Look in a thread, until the process ends or the result is called.

        Parameters
        ----------
        open_graph : opens the index. If it fails, as between two stages, one
            line is logged, the graph in use stays, and the next change is
            another attempt.
        take : gets the graph that was opened.
        every : seconds between two looks.
        """
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(every):
                try:
                    if self.changed():
                        take(open_graph())
                        log.info("the index was replaced: its new posts are shown from now on")
                except Exception as error:  # whatever it is, the talks go on with the old graph
                    said = " ".join(str(error).split()) or type(error).__name__
                    log.warning("the index was replaced, the one before stays in use: %s", said)

        threading.Thread(target=work, name="watch the index", daemon=True).start()
        return ended.set
