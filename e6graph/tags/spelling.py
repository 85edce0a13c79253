"""Known names that are spelled like one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

CUTOFF = 0.5  # least likeness of a suggestion, 0 to 1


def nearest_names(name: str, names: Sequence[str], n: int = 3) -> list[str]:
    """Return names spelled like `name`, the most similar first.

    Likeness is 2M / T, with M the letters that both have in the same order and
    T the letters of both. Names that are equally like `name` keep the order of
    `names`.

    Parameters
    ----------
    names : known names, in lower case.

    >>> nearest_names("nihgt", ["light", "owl", "night"])
    ['night', 'light']
    """
    if not name:
        return []
    name = name.lower()

    try:
        from rapidfuzz import fuzz, process
    except ImportError:  # `e6graph.tags` promises to work with the standard library alone
        return difflib.get_close_matches(name, names, n, CUTOFF)

    # Of equal scores, `extract` puts the earlier name first (see tests/test_speller.py).
    found = process.extract(name, names, scorer=fuzz.ratio, limit=n, score_cutoff=100 * CUTOFF)
    return [match[0] for match in found]
