"""The rule that no option turns off: which posts are never indexed, shown or downloaded.

A post that joins one of `NEVER_TAGS` with a rating other than s is left out at
the import. It is left out again where the index is built, and again where an
answer is given. A name that is an alias of such a tag, or implies it, counts as
the tag. Case does not matter.
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
    """Return `NEVER_TAGS` and every name that leads to one of them, in lower case.

    >>> aliases, implications = Aliases({"kid": "young"}), Implications({"Tot": {"kid"}})
    >>> sorted(never_names(aliases, implications) - NEVER_TAGS)
    ['kid', 'tot']
    """
    leads = list(aliases.target.items())
    for name, others in implications.closure.items():
        leads += [(name, other) for other in others]
    to: dict[str, list[str]] = {}
    for name, other in leads:
        to.setdefault(other.lower(), []).append(name.lower())

    # Walk back from the tags to all that lead there; a tag may itself be an alias.
    never: set[str] = set()
    ahead = [*NEVER_TAGS, *(aliases(name).lower() for name in NEVER_TAGS)]
    while ahead:
        name = ahead.pop()
        if name not in never:
            never.add(name)
            ahead += to.get(name, ())
    return never


def read_rule(store: Store) -> tuple[set[int], set[str]]:
    """Read which tags of an index fall under the rule: tag ids, and names in lower case.

    The import records its `never_names` in its sidecars. E6DB's own files have
    none; then the aliases and implications of the index still tell. The names
    matter for tags that have no id.
    """
    tag_ids = read_tags(store)[0]
    implied, rejected = read_implications(store)
    parameters = store.sidecar("tag2idx.json.gz").get("parameters", {})
    names = NEVER_TAGS | set(parameters.get("never", ()))
    ids = {tag for name, tag in tag_ids.items() if name.lower() in names}
    ids |= {tag for tag, others in implied.items() if not ids.isdisjoint(others)}
    names |= {name.lower() for name, tag in tag_ids.items() if tag in ids}
    for name, others in rejected.items():
        if not ids.isdisjoint(others):
            names |= {name.lower()}
    return ids, set(names)


def never_shown(store: Store) -> np.ndarray:
    """Find the rows of `posts.parquet` that the rule forbids, bool (n,).

    Our import has left such posts out, but the file may be another importer's.
    """
    rule = read_rule(store)
    lists = ("stripped_tags", "implied_tags", "other_tags")
    groups = parquet.row_groups(store, "posts.parquet", "rating", among=lists)
    found = in_order(lambda table: forbidden(table, *rule), groups)
    return np.concatenate([np.zeros(0, bool), *found])


def forbidden(posts: pa.Table, ids: set[int], names: set[str]) -> np.ndarray:
    """Find the rows of a table of posts that the rule forbids, bool (n,).

    Parameters
    ----------
    posts : with a column `rating`, and any of the lists of tag ids or
        (`other_tags`) of names.
    ids, names : the rule, as `read_rule` gives it.
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

        if name == "other_tags":
            wanted = pa.array(sorted(names), values.type)
            values = pc.utf8_lower(values)
        else:
            wanted = pa.array(sorted(ids), values.type)
        found = pc.is_in(values, wanted).to_numpy(zero_copy_only=False)
        hits = np.flatnonzero(found)
        rows = np.searchsorted(offsets - offsets[0], hits, side="right") - 1
        holds[rows] = True
    return holds & not_safe
