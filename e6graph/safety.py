"""The rule that no option turns off: which posts are never indexed, shown or downloaded.

A post that joins one of `NEVER_TAGS` with a rating other than s is left out at the import, again
where the index is built, and again where an answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

NEVER_TAGS = frozenset({"young", "loli", "shota", "cub"})


def is_never_tag(name: str, implied_by: Callable[[str], Iterable[str]] = lambda name: ()) -> bool:
    """Whether a tag is, or implies, one of `NEVER_TAGS`.

    Parameters
    ----------
    name : a tag with its aliases resolved.
    implied_by : all that a name implies, transitively.

    >>> is_never_tag("cub"), is_never_tag("fox"), is_never_tag("duckling", lambda name: ["young"])
    (True, False, True)
    """
    return not NEVER_TAGS.isdisjoint({name.lower(), *implied_by(name)})
