"""The rule that no option turns off: which posts are never indexed, shown or downloaded.

A post that joins one of `NEVER_TAGS` with a rating other than s is left out at the import, again
where the index is built, and again where an answer leaves. An alias or an implication of such a
tag counts as the tag, and case does not matter.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..store import Store, parquet
from ..store.parallel import in_order
from .implications import Aliases, Implications
from .vocabulary import read_implications, read_tags

NEVER_TAGS = frozenset({"young", "loli", "shota", "cub"})


def never_names(aliases: Aliases, implications: Implications) -> set[str]:
    """`NEVER_TAGS` and every name that stands for one or implies one, in lower case.

    >>> sorted(never_names(Aliases({"kid": "young"}), Implications({"Tot": {"kid"}})) - NEVER_TAGS)
    ['kid', 'tot']
    """
    leads = [(name, target) for name, target in aliases.target.items()]
    leads += [
        (name, other) for name, others in implications.closure.items() for other in others
    ]
    to: dict[str, list[str]] = {}
    for name, other in leads:
        to.setdefault(other.lower(), []).append(name.lower())
    never: set[str] = set()
    ahead = [*NEVER_TAGS, *(aliases(name).lower() for name in NEVER_TAGS)]
    while ahead:
        name = ahead.pop()
        if name not in never:
            never.add(name)
            ahead += to.get(name, ())
    return never


def read_rule(store: Store) -> tuple[set[int], set[str]]:
    """What the rule speaks of in an index: tag ids, and names (lower case) that may lack one.

    The import leaves its `never_names` in its sidecars. Without them, as beside E6DB's own files,
    aliases and implications of names with an id are known still.
    """
    tag_ids = read_tags(store)[0]
    implied, rejected = read_implications(store)
    parameters = store.sidecar("tag2idx.json.gz").get("parameters", {})
    names = NEVER_TAGS | set(parameters.get("never", ()))
    ids = {tag for name, tag in tag_ids.items() if name.lower() in names}
    ids |= {tag for tag, others in implied.items() if not ids.isdisjoint(others)}
    names |= {name.lower() for name, tag in tag_ids.items() if tag in ids}
    names |= {name.lower() for name, others in rejected.items() if not ids.isdisjoint(others)}
    return ids, set(names)


def never_shown(store: Store) -> np.ndarray:
    """Which rows of `posts.parquet` the rule forbids, bool (n,).

    The import leaves such posts out already; this asks again of whatever file is there.
    """
    rule = read_rule(store)
    lists = ("stripped_tags", "implied_tags", "other_tags")
    groups = parquet.row_groups(store, "posts.parquet", "rating", among=lists)
    found = in_order(lambda table: forbidden(table, *rule), groups)
    return np.concatenate([np.zeros(0, bool), *found])


def forbidden(posts: pa.Table, ids: set[int], names: set[str]) -> np.ndarray:
    """Which rows of a table of posts the rule forbids, bool (n,).

    Parameters
    ----------
    posts : `rating`, and any lists of tag ids or (`other_tags`) of names.
    ids, names : of the rule, as `read_rule` gives them.
    """
    not_safe = pc.fill_null(pc.not_equal(posts["rating"], "s"), True).to_numpy()
    holds = np.zeros(len(posts), bool)
    for name in ("tags", "stripped_tags", "implied_tags", "other_tags"):
        if name not in posts.column_names or not not_safe.any():
            continue
        lists = posts[name].combine_chunks()
        offsets = lists.offsets.to_numpy()
        values = lists.values[offsets[0] : offsets[-1]]
        if not len(values):
            continue
        wanted = pa.array(sorted(ids if name != "other_tags" else names), values.type)
        if name == "other_tags":
            values = pc.utf8_lower(values)
        hits = np.flatnonzero(pc.is_in(values, wanted).to_numpy(zero_copy_only=False))
        holds[np.searchsorted(offsets - offsets[0], hits, side="right") - 1] = True
    return holds & not_safe
