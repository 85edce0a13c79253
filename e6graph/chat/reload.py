"""A bot that runs for weeks: notice that the index was replaced, and open the new one."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..store import Store

if TYPE_CHECKING:
    from ..recommend.postgraph import PostGraph

EVERY = 60.0  # seconds between two looks at the directory
log = logging.getLogger(__name__)


def give_back_memory() -> None:
    """Let arrays of a megabyte and more go back to the system as soon as nothing needs them.

    By itself glibc raises that size to up to 32 MB as it goes (mallopt(3), M_MMAP_THRESHOLD), and a
    process that takes a new index again and again holds what the old ones left: 417 MB in place
    of 240 after ten of 245,000 posts. Other C libraries do as they do.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-3, 1 << 20)


class Watch:
    """An index directory as it was when this was made, and since.

    Make it before the index is opened, so that nothing which comes between goes unnoticed.
    """

    def __init__(self, index: str | Path) -> None:
        self._index = index
        self._known = Store(index).generation()

    def changed(self) -> bool:
        """Whether artifacts were replaced since this was last asked; a few `stat` calls."""
        before, self._known = self._known, Store(self._index).generation()
        return self._known != before

    def start(
        self,
        opened: Callable[[], PostGraph],
        take: Callable[[PostGraph], None],
        every: float = EVERY,
    ) -> Callable[[], None]:
        """Look at it in a thread, until the process ends or what is returned is called.

        Parameters
        ----------
        opened : opens the index, for as long as it takes. take : gets what it opened. Where it
            cannot be opened, as between two stages, one line is logged and nothing is handed over;
            the next change is another attempt.
        """
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(every):
                try:
                    if self.changed():
                        take(opened())
                        log.info("the index was replaced: its new posts are shown from now on")
                except Exception as error:  # whatever it is, the talks go on with the old one
                    said = " ".join(str(error).split()) or type(error).__name__
                    log.warning("the index was replaced, the one before stays in use: %s", said)

        threading.Thread(target=work, name="renewal", daemon=True).start()
        return ended.set
