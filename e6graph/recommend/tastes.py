"""The tastes of the latest people who said very much, kept between their answers.

Ten thousand judgments take a third of a second to learn from. With what was learned
before the latest of them it is a few hundredths.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from .preference import EXACT, Preference, in_common

TASTES_KEPT = 4  # of 10,000 judgments: 20 MB each
SHARE_IN_COMMON = 0.5  # of the judgments, from which an earlier taste is of use


class KeptTastes:
    """Remembers tastes and finds the one that a longer list of judgments goes on from.

    Calls may come from several threads.
    """

    def __init__(self) -> None:
        self._kept: list[Preference] = []
        self._lock = threading.Lock()

    def learned(
        self, rows: np.ndarray, learn: Callable[[Preference | None], Preference]
    ) -> Preference:
        """Learn a taste, from an earlier one if it has most judgments in common.

        Parameters
        ----------
        rows : int64 (n,), the judged rows in order; a taste of up to `EXACT` is not
            kept.
        learn : learns the taste, given an earlier one or None.
        """
        if len(rows) <= EXACT:
            return learn(None)
        with self._lock:
            kept = [*self._kept]
        common = [in_common(taste.rows, rows) for taste in kept]
        best = int(np.argmax(common)) if kept else -1
        earlier = None
        if kept and common[best] >= SHARE_IN_COMMON * len(rows):
            earlier = kept[best]
        made = learn(earlier)
        with self._lock:
            others = [taste for taste in self._kept if taste is not earlier]
            self._kept = [*others, made][-TASTES_KEPT:]
        return made
