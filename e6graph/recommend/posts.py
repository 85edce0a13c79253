"""The posts as they are served: columns, tags and postings, mapped from the index.

`write_posts` (in construct_index.py's stage) lays them out; `Posts` maps them. Posts under the
never-shown rule are in neither, whatever `posts.parquet` holds.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from ..embedding.interactions import tag_lists
from ..errors import BadArtifact
from ..store import Stage, Store, parquet
from ..store.arrow import map_table
from ..store.parallel import in_order
from ..store.ragged import Ragged, one_chunk
from ..tags.categories import RATING_TAGS
from ..tags.never import forbidden, read_rule
from ..tags.vocabulary import load_names, read_tags

LISTS = ("stripped_tags", "implied_tags", "other_tags")


def write_posts(store: Store, stage: Stage, take: Callable[[np.ndarray], np.ndarray]) -> int:
    """Write `posts.arrow` (a row a post) and `tags_posts.arrow` (a row a tag: its posts' rows).

    Parameters
    ----------
    take : int64 ids of a block → bool, which posts to keep.

    Returns
    -------
    How many posts were written. All are in memory at once, about 430 bytes each.
    """
    rule, n_tags = read_rule(store), len(load_names(store))

    def kept(table: pa.Table) -> pa.Table:
        keep = take(table["id"].to_numpy()) & ~forbidden(table, *rule)
        table = table.filter(pa.array(keep))
        if "other_tags" not in table.column_names:  # E6DB's own has none
            none = pa.array([[]] * len(table), pa.list_(pa.string()))
            table = table.append_column("other_tags", none)
        tags = _merge(*(table[name].combine_chunks() for name in LISTS[:2]), n_tags)
        return table.drop_columns(["implied_tags"]).append_column("tags", tags)

    groups = parquet.row_groups(store, "posts.parquet", "id", "rating", *LISTS[:2], among=None)
    posts = pa.concat_tables(in_order(kept, groups)).combine_chunks()
    tags = Ragged.of(posts["tags"])
    there = np.ones(len(tags.values), np.int8)
    turned = sp.csr_matrix((there, tags.values, tags.offsets), (len(posts), n_tags)).tocsc()
    rows = pa.ListArray.from_arrays(pa.array(turned.indptr), pa.array(turned.indices))
    stage.save_table("posts.arrow", posts)
    stage.save_table("tags_posts.arrow", pa.table({"rows": rows}))
    return len(posts)


def _merge(stripped: pa.ListArray, implied: pa.ListArray, n_tags: int) -> pa.ListArray:
    """Both lists of each post as one, ascending, each tag once."""
    column = np.arange(n_tags + 1, dtype=np.int32)
    column[-1] = -1
    for lists in (stripped, implied):
        tags = lists.flatten().to_numpy()
        if len(tags) and not 0 <= tags.min() <= tags.max() < n_tags:
            found = f"tag ids {tags.min()} to {tags.max()}, expected 0 to {n_tags - 1}"
            raise BadArtifact(f"posts.parquet: {found}: run hydrate_data.py again")
    tags = tag_lists(stripped, column, n_tags) + tag_lists(implied, column, n_tags)
    return pa.ListArray.from_arrays(pa.array(tags.indptr), pa.array(tags.indices))


class Posts:
    """All indexed posts, in ascending post id; a row is a position in that order.

    Attributes
    ----------
    ids : int64 (n,).
    tags_of : tag ids of each row, ascending. rows_with : rows of each tag id, ascending.
    names : tag names by tag id.
    """

    def __init__(self, store: Store, stage: Stage | None = None) -> None:
        self._store = store

        def table(name: str) -> pa.Table:
            return map_table(stage.path(name)) if stage else store.map_table(name)

        self._table = table("posts.arrow")
        self.ids = self._table["id"].to_numpy()
        self.tags_of = Ragged.of(self._table["tags"])
        self.rows_with = Ragged.of(table("tags_posts.arrow")["rows"])
        self.names = load_names(store)
        self.site = store.sidecar("posts.parquet").get("parameters", {}).get("site", "")

    @classmethod
    def open(cls, store: Store, stage: Stage | None = None) -> Posts:
        """Map the posts of an index, or those that a stage has just written.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        return cls(store, stage)

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str) -> np.ndarray:
        """A column (n,): numbers as they are, null as 0; text as NumPy strings."""
        return self._rating if name == "rating" else self._column(name)

    @cached_property
    def _rating(self) -> np.ndarray:
        """Asked for by every mask; 4 bytes a post."""
        return self._column("rating")

    def _column(self, name: str) -> np.ndarray:
        column = one_chunk(self._table[name])
        if pa.types.is_string(column.type):
            coded = pc.fill_null(column, "").dictionary_encode()
            words = np.array(coded.dictionary.to_pylist() or [""])
            return words[coded.indices.to_numpy()]
        return pc.fill_null(column, False if pa.types.is_boolean(column.type) else 0).to_numpy(
            zero_copy_only=False
        )

    def forbidden(self) -> np.ndarray:
        """Which rows the never-shown rule forbids, bool (n,): none, if the index was built here."""
        return forbidden(self._table, *read_rule(self._store))

    def lists(self, name: str) -> Ragged:
        """A column of lists of tag ids."""
        return Ragged.of(self._table[name])

    def value(self, row: int, name: str):
        """One value as a Python object."""
        return self._table[name][row].as_py()

    def row(self, post_id: int) -> int | None:
        """The row of a post id, None if it is not indexed."""
        at = int(np.searchsorted(self.ids, post_id))
        return at if at < len(self.ids) and self.ids[at] == post_id else None

    def rows(self, post_ids: np.ndarray) -> np.ndarray:
        """The rows of some post ids, int64, -1 for one that is not indexed."""
        rows = np.searchsorted(self.ids, post_ids)
        rows[rows == len(self.ids)] = -1
        return np.where(self.ids[rows] == post_ids, rows, -1)

    @cached_property
    def _tag_files(self) -> tuple[dict[str, int], list[str], bytes]:
        return read_tags(self._store)

    @property
    def tag_ids(self) -> dict[str, int]:
        """Names and aliases → tag id."""
        return self._tag_files[0]

    @cached_property
    def categories(self) -> np.ndarray:
        """uint8 by tag id."""
        return np.frombuffer(self._tag_files[2], np.uint8)

    def tags(self, row: int) -> list[tuple[str, int]]:
        """(name, category) of a post's tags, the most used first, names without an id last.

        The tags that E6DB makes of ratings are left out: the rating is a column.
        """
        tags = ((self.names[t], int(self.categories[t])) for t in self.tags_of[row].tolist())
        known = [(name, category) for name, category in tags if name not in RATING_TAGS]
        others = (name for name in self.value(row, "other_tags") if name not in RATING_TAGS)
        return known + [(name, 0) for name in others]

    def rows_tagged(self, token: str) -> np.ndarray:
        """Rows (int64, ascending) that hold a tag; aliases resolve, `*` stands for anything."""
        if token in self.tag_ids and "*" not in token:
            return self.rows_with[self.tag_ids[token]].astype(np.int64)
        tags, (names, offsets) = set(), self._others
        if "*" in token:
            pattern = re.compile(
                fnmatch.translate(token.replace("[", "[[]").replace("?", "[?]"))
            )
            tags = {tag for name, tag in self.tag_ids.items() if pattern.match(name)}
            at = [i for i, name in enumerate(names.to_pylist()) if pattern.match(name)]
        else:
            at = np.flatnonzero(pc.equal(names, token).to_numpy(zero_copy_only=False))
        others = np.searchsorted(offsets, np.asarray(at, offsets.dtype), side="right") - 1
        return np.unique(np.concatenate([*map(self.rows_with.__getitem__, tags), others]))

    @cached_property
    def _others(self) -> tuple[pa.StringArray, np.ndarray]:
        """Names without an id, of all posts, and where those of each begin; both mapped."""
        lists = one_chunk(self._table["other_tags"])
        return lists.flatten(), lists.offsets.to_numpy()

    @cached_property
    def pools(self) -> pa.Table:
        """id, name, category, post_ids of every pool."""
        return parquet.read_table(
            self._store, "pools.parquet", "id", "name", "category", "post_ids"
        )

    def rows_in_pool(self, pool: int | str) -> np.ndarray:
        """Rows (int64) of the members of a pool, by its id or its name."""
        key, column = (
            (int(pool), "id") if str(pool).isdecimal() else (str(pool).lower(), "name")
        )
        names = self.pools[column] if column == "id" else pc.utf8_lower(self.pools[column])
        found = self.pools.filter(pc.equal(names, key))["post_ids"].combine_chunks()
        return np.flatnonzero(np.isin(self.ids, found.flatten().to_numpy()))
