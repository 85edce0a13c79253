"""The rule that no option turns off: which posts are never indexed, shown or downloaded.

A post that joins one of `NEVER_TAGS` with a rating other than s is left out at the import, again
where the index is built, and again where an answer leaves.
"""

from __future__ import annotations

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .store import Store

NEVER_TAGS = frozenset({"young", "loli", "shota", "cub"})


def never_tag_ids(store: Store) -> set[int]:
    """Ids of `NEVER_TAGS` (aliases resolved) and of every tag that implies one."""
    with gzip.open(store.check("tag2idx.json.gz"), "rt", encoding="utf-8") as file:
        tag_ids = json.load(file)
    with gzip.open(store.check("implications.json.gz"), "rt", encoding="utf-8") as file:
        implied = json.load(file)
    never = {tag_ids[name] for name in NEVER_TAGS if name in tag_ids}
    never |= {int(tag) for tag, ids in implied.items() if not never.isdisjoint(ids)}
    return never


def never_shown(store: Store) -> np.ndarray:
    """Which rows of `posts.parquet` the rule forbids, bool (n,).

    The import leaves such posts out already; this asks again of whatever file is there.
    """
    never = never_tag_ids(store)
    forbidden = []
    file = pq.ParquetFile(store.check("posts.parquet"))
    columns = [
        c for c in ("stripped_tags", "implied_tags", "other_tags") if c in file.schema_arrow.names
    ]
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=["rating", *columns])
        holds = np.zeros(len(table), bool)
        for name in columns:
            lists = table[name].combine_chunks()
            row = np.repeat(np.arange(len(lists)), pc.fill_null(pc.list_value_length(lists), 0))
            wanted = pa.array(
                sorted(NEVER_TAGS if name == "other_tags" else never), lists.type.value_type
            )
            hit = pc.is_in(lists.flatten(), wanted).to_numpy(zero_copy_only=False)
            holds[row[hit]] = True
        forbidden.append(holds & pc.fill_null(pc.not_equal(table["rating"], "s"), True).to_numpy())
    return np.concatenate(forbidden) if forbidden else np.zeros(0, bool)
