"""Tags as people type them: Unicode's composed form, lower case, no category before the name.

This module needs the standard library alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

CATEGORY_PREFIXES = (
    *("general", "gen", "artist", "art", "contributor", "contrib", "cont"),
    *("copyright", "copy", "co", "character", "char", "ch", "oc"),
    *("species", "spec", "invalid", "inv", "meta", "lore", "lor"),
)
"""Words that the site takes before a colon for the category of the tag behind it."""

_CATEGORY = re.compile(f"(?:{'|'.join(CATEGORY_PREFIXES)}):(?=.)", re.DOTALL)


def folded(text: str) -> str:
    r"""Return a text in lower case and composed (NFC), as the site keeps names.

    >>> folded("Cafe\u0301")
    'café'
    """
    return unicodedata.normalize("NFC", text.lower())


def without_category(name: str) -> str:
    """Cut a category and its colon off the beginning of a name, once.

    >>> without_category("species:fox"), without_category("artist:"), without_category("d:")
    ('fox', 'artist:', 'd:')
    """
    return _CATEGORY.sub("", name, count=1) if _CATEGORY.match(name) else name


def find_name(typed: str, known: Container[str]) -> str | None:
    """Return the known name that a person means, or None.

    A name that is known as it stands comes first, then the same in lower case and
    composed, then without its category.

    >>> find_name("Species:Red fox", {"red_fox"}), find_name("art:deco", {"art:deco", "deco"})
    ('red_fox', 'art:deco')
    """
    key = typed.strip().replace(" ", "_")
    lower = folded(key)
    for name in (typed, key, lower, without_category(lower)):
        if name in known:
            return name
    return None
