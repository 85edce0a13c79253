"""The posts as they are served: columns, tags and the posts of each tag, mapped from the index.

`save_served_posts` writes them within construct_index.py's stage, and `Posts` maps
them. Posts under the never-shown rule are left out, whatever `posts.parquet` holds.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

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
from ..tags.categories import CATEGORIES, RATING_TAGS
from ..tags.never import forbidden, has_picture, pictures_of, read_rule
from ..tags.vocabulary import load_names, read_tags

ROWS_AT_ONCE = 100_000  # for work over all posts, so that its memory stays small


def save_served_posts(
    store: Store, stage: Stage, take: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Write `posts.arrow` (a row for each post) and `tags_posts.arrow` (a row for each tag).

    All posts are in memory at once, about 430 bytes each.

    Parameters
    ----------
    take : says which posts to keep: int64 ids (n,) → bool (n,).
    """
    rule, n_tags = read_rule(store), len(load_names(store))
    pictures: set[str] = set()  # under the rule

    def served(table: pa.Table) -> pa.Table:
        never = forbidden(table, *rule)
        pictures.update(pictures_of(table, never))
        keep = take(table["id"].to_numpy()) & ~never
        table = table.filter(pa.array(keep))
        if "other_tags" not in table.column_names:  # E6DB's own file lacks the column
            none = pa.array([[]] * len(table), pa.list_(pa.string()))
            table = table.append_column("other_tags", none)
        tags = _all_tags(table, n_tags)
        return table.drop_columns(["implied_tags"]).append_column("tags", tags)

    columns = ("id", "rating", "stripped_tags", "implied_tags")
    groups = parquet.row_groups(store, "posts.parquet", *columns, among=None)
    posts = pa.concat_tables(in_order(served, groups)).combine_chunks()
    if pictures:
        posts = posts.filter(pa.array(~has_picture(posts, pictures))).combine_chunks()

    tags = Ragged.of(posts["tags"])
    ones = np.ones(len(tags.values), np.int8)
    by_post = sp.csr_matrix((ones, tags.values, tags.offsets), (len(posts), n_tags))
    rows = _as_lists(by_post.tocsc())

    stage.save_table("posts.arrow", posts)
    stage.save_table("tags_posts.arrow", pa.table({"rows": rows}))


def _all_tags(table: pa.Table, n_tags: int) -> pa.ListArray:
    """Join the stripped and the implied tags of each post, ascending, each once."""
    # The last entry is for ids beyond the table; this table covers all ids.
    column = np.append(np.arange(n_tags, dtype=np.int32), np.int32(-1))
    joined = sp.csr_matrix((len(table), n_tags), dtype=np.float32)
    for name in ("stripped_tags", "implied_tags"):
        lists = table[name].combine_chunks()
        tags = lists.flatten().to_numpy()
        if len(tags) and not 0 <= tags.min() <= tags.max() < n_tags:
            raise BadArtifact(
                f"posts.parquet: tag ids {tags.min()} to {tags.max()}, expected 0 to "
                f"{n_tags - 1}: run hydrate_data.py again"
            )
        joined = joined + tag_lists(lists, column, n_tags)
    return _as_lists(joined)


def _as_lists(matrix: sp.csr_matrix | sp.csc_matrix) -> pa.ListArray:
    """Return the places of the entries, a list for each row (CSR) or column (CSC)."""
    offsets, values = pa.array(matrix.indptr), pa.array(matrix.indices)
    return pa.ListArray.from_arrays(offsets, values)


class Posts:
    """All indexed posts in ascending post id; a row is a position in that order.

    Parameters
    ----------
    store : the index.
    stage : reads the files that this stage has just written, in place of those of
        the index.

    Attributes
    ----------
    ids : int64 (n,), post ids.
    tags_of : tag ids of each row, ascending.
    rows_with : rows of each tag id, ascending.
    names : tag names by tag id.
    tag_ids : names and aliases → tag id.
    categories : uint8 (T,), number of the category by tag id.
    site : address of the board's site, "" if there is none.
    """

    def __init__(self, store: Store, stage: Stage | None = None) -> None:
        """Map the files. Raises MissingArtifact, BadArtifact."""
        self._store = store

        def table(name: str) -> pa.Table:
            return map_table(stage.path(name)) if stage else store.map_table(name)

        self._table = table("posts.arrow")
        self._rating = self._read("rating")  # kept, since every board asks for it
        self.ids = self._table["id"].to_numpy()
        self.tags_of = Ragged.of(self._table["tags"])
        self.rows_with = Ragged.of(table("tags_posts.arrow")["rows"])

        self.tag_ids, self.names, categories = read_tags(store)
        self.categories = np.frombuffer(categories, np.uint8)
        about = store.sidecar("posts.parquet").get("parameters", {})
        self.site = about.get("site", "")

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, post_id: int) -> int | None:
        """Return the row of a post id, None if it is not indexed."""
        at = int(np.searchsorted(self.ids, post_id))
        return at if at < len(self.ids) and self.ids[at] == post_id else None

    def rows(self, post_ids: np.ndarray) -> np.ndarray:
        """Return the rows (int64) of some post ids, -1 for one that is not indexed."""
        rows = np.searchsorted(self.ids, post_ids)
        rows[rows == len(self.ids)] = -1
        return np.where(self.ids[rows] == post_ids, rows, -1)

    def column(self, name: str) -> np.ndarray:
        """Return a column (n,): numbers with null as 0, text as NumPy strings."""
        return self._rating if name == "rating" else self._read(name)

    def _read(self, name: str) -> np.ndarray:
        column = one_chunk(self._table[name])
        if pa.types.is_string(column.type):
            coded = pc.fill_null(column, "").dictionary_encode()
            texts = np.array(coded.dictionary.to_pylist() or [""])
            return texts[coded.indices.to_numpy()]
        null = False if pa.types.is_boolean(column.type) else 0
        return pc.fill_null(column, null).to_numpy(zero_copy_only=False)

    def value(self, row: int, name: str) -> Any:
        """Return one value as a Python object."""
        return self._table[name][row].as_py()

    def lists(self, name: str) -> Ragged:
        """Return a column of lists of tag ids."""
        return Ragged.of(self._table[name])

    def forbidden(self) -> np.ndarray:
        """Return which rows the never-shown rule forbids, bool (n,).

        An index that was built here holds no such row; one from elsewhere may.
        """
        return forbidden(self._table, *read_rule(self._store))

    def category(self, tag_id: int) -> str:
        """Return the name of a tag's category."""
        number = self.categories[tag_id]
        return CATEGORIES[number] if number < len(CATEGORIES) else "general"

    def tags(self, row: int) -> list[tuple[str, str]]:
        """Return (name, category) of a post's tags, the most used first.

        Names without an id come last. The tags that E6DB makes of ratings are left
        out: the rating is a column.
        """
        ids = self.tags_of[row].tolist()
        tags = [(self.names[i], self.category(i)) for i in ids]
        tags += [(name, "general") for name in self.value(row, "other_tags")]
        return [tag for tag in tags if tag[0] not in RATING_TAGS]

    def rows_tagged(self, name: str) -> np.ndarray:
        """Return the rows (int64, ascending) that hold a tag, with an id or without.

        Aliases resolve, and `*` stands for anything.
        """
        if "*" not in name and name in self.tag_ids:
            return self.rows_with[self.tag_ids[name]].astype(np.int64)
        others, offsets = self._other_tags
        ids: set[int] = set()
        if "*" in name:
            pattern = name_pattern(name)
            ids = {i for known, i in self.tag_ids.items() if pattern.match(known)}
            held = [bool(pattern.match(other)) for other in others.to_pylist()]
        else:
            held = pc.equal(others, name).to_numpy(zero_copy_only=False)
        at = np.flatnonzero(held).astype(offsets.dtype)
        rows = np.searchsorted(offsets, at, side="right") - 1
        parts = [self.rows_with[tag_id] for tag_id in ids]
        return np.unique(np.concatenate([*parts, rows]))

    @cached_property
    def _other_tags(self) -> tuple[pa.StringArray, np.ndarray]:
        """Names without an id, of all posts, and where those of each post begin."""
        lists = one_chunk(self._table["other_tags"])
        return lists.flatten(), lists.offsets.to_numpy()

    @cached_property
    def sorted_names(self) -> list[str]:
        """All names and aliases in alphabetical order."""
        return sorted(self.tag_ids)

    @cached_property
    def pools(self) -> pa.Table:
        """The pools: id, name, category, post_ids."""
        columns = ("id", "name", "category", "post_ids")
        return parquet.read_table(self._store, "pools.parquet", *columns)

    def rows_in_pool(self, pool: int | str) -> np.ndarray:
        """Return the rows (int64) of the members of a pool, by its id or its name."""
        if isinstance(pool, int):
            found = pc.equal(self.pools["id"], pool)
        else:
            found = pc.equal(pc.utf8_lower(self.pools["name"]), pool.lower())
        members = self.pools.filter(found)["post_ids"].combine_chunks()
        return np.flatnonzero(np.isin(self.ids, members.flatten().to_numpy()))


def name_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern over whole names in which `*` alone is special.

    >>> [name for name in ("fox", "fox_[x]", "fox_x") if name_pattern("fox_[*").match(name)]
    ['fox_[x]']
    """
    escaped = text.replace("[", "[[]").replace("?", "[?]")
    return re.compile(fnmatch.translate(escaped))
