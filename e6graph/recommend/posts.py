"""The posts as they are served: columns, tags and the posts of each tag, mapped from the index.

`save_served_posts` writes them within construct_index.py's stage, and `Posts` maps them. Posts
under the never-shown rule are left out, whatever `posts.parquet` holds.
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
from ..tags.never import forbidden, read_rule
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

    def served(table: pa.Table) -> pa.Table:
        keep = take(table["id"].to_numpy()) & ~forbidden(table, *rule)
        table = table.filter(pa.array(keep))
        if "other_tags" not in table.column_names:  # E6DB's own file lacks the column
            none = pa.array([[]] * len(table), pa.list_(pa.string()))
            table = table.append_column("other_tags", none)
        tags = _all_tags(table, n_tags)
        return table.drop_columns(["implied_tags"]).append_column("tags", tags)

    columns = ("id", "rating", "stripped_tags", "implied_tags")
    groups = parquet.row_groups(store, "posts.parquet", *columns, among=None)
    posts = pa.concat_tables(in_order(served, groups)).combine_chunks()

    tags = Ragged.of(posts["tags"])
    ones = np.ones(len(tags.values), np.int8)
    by_post = sp.csr_matrix((ones, tags.values, tags.offsets), (len(posts), n_tags))
    by_tag = by_post.tocsc()
    rows = pa.ListArray.from_arrays(pa.array(by_tag.indptr), pa.array(by_tag.indices))

    stage.save_table("posts.arrow", posts)
    stage.save_table("tags_posts.arrow", pa.table({"rows": rows}))


def _all_tags(table: pa.Table, n_tags: int) -> pa.ListArray:
    """Join the stripped and the implied tags of each post: ascending ids, each once."""
    column = np.arange(n_tags + 1, dtype=np.int32)
    column[-1] = -1  # `tag_lists` reads the last entry for every id beyond the table
    joined = sp.csr_matrix((len(table), n_tags), dtype=np.float32)
    for name in ("stripped_tags", "implied_tags"):
        lists = table[name].combine_chunks()
        tags = lists.flatten().to_numpy()
        if len(tags) and not 0 <= tags.min() <= tags.max() < n_tags:
            found = f"tag ids {tags.min()} to {tags.max()}, expected 0 to {n_tags - 1}"
            raise BadArtifact(f"posts.parquet: {found}: run hydrate_data.py again")
        joined = joined + tag_lists(lists, column, n_tags)
    return pa.ListArray.from_arrays(pa.array(joined.indptr), pa.array(joined.indices))


class Posts:
    """All indexed posts in ascending post id; a row is a position in that order.

    Parameters
    ----------
    store : the index.
    stage : reads the files that this stage has just written, in place of those of the index.

    Attributes
    ----------
    ids : int64 (n,), post ids.
    tags_of : tag ids of each row, ascending.
    rows_with : rows of each tag id, ascending.
    names : tag names by tag id.
    tag_ids : names and aliases → tag id.
    categories : uint8 (T,), number of the category by tag id.
    site : address of the board's site, "" if there is none.

    Raises
    ------
    MissingArtifact, BadArtifact
    """

    def __init__(self, store: Store, stage: Stage | None = None) -> None:
        self._store = store

        def table(name: str) -> pa.Table:
            return map_table(stage.path(name)) if stage else store.map_table(name)

        self._table = table("posts.arrow")
        self.ids = self._table["id"].to_numpy()
        self.tags_of = Ragged.of(self._table["tags"])
        self.rows_with = Ragged.of(table("tags_posts.arrow")["rows"])

        self.tag_ids, self.names, categories = read_tags(store)
        self.categories = np.frombuffer(categories, np.uint8)
        self.site = store.sidecar("posts.parquet").get("parameters", {}).get("site", "")

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, post_id: int) -> int | None:
        """Return the row of a post id, None if it is not indexed."""
        at = int(np.searchsorted(self.ids, post_id))
        return at if at < len(self.ids) and self.ids[at] == post_id else None

    def rows(self, post_ids: np.ndarray) -> np.ndarray:
        """Return the rows (int64) of post ids, -1 for each that is not indexed."""
        rows = np.searchsorted(self.ids, post_ids)
        rows[rows == len(self.ids)] = -1
        return np.where(self.ids[rows] == post_ids, rows, -1)

    def column(self, name: str) -> np.ndarray:
        """Return a column (n,): numbers with null as 0, text as NumPy strings."""
        return self._rating if name == "rating" else self._read(name)

    @cached_property
    def _rating(self) -> np.ndarray:
        """The ratings, 4 bytes a post; kept, because every board asks for them."""
        return self._read("rating")

    def _read(self, name: str) -> np.ndarray:
        column = one_chunk(self._table[name])
        if pa.types.is_string(column.type):
            coded = pc.fill_null(column, "").dictionary_encode()
            words = np.array(coded.dictionary.to_pylist() or [""])
            return words[coded.indices.to_numpy()]
        null = False if pa.types.is_boolean(column.type) else 0
        return pc.fill_null(column, null).to_numpy(zero_copy_only=False)

    def value(self, row: int, name: str) -> Any:
        """Return one value as a Python object."""
        return self._table[name][row].as_py()

    def lists(self, name: str) -> Ragged:
        """Return a column of lists of tag ids."""
        return Ragged.of(self._table[name])

    def forbidden(self) -> np.ndarray:
        """Ask the never-shown rule about every row: bool (n,), True for one that it forbids.

        An index built here holds no such post; this holds for an index from anywhere.
        """
        return forbidden(self._table, *read_rule(self._store))

    def category(self, tag_id: int) -> str:
        """Return the name of a tag's category."""
        number = self.categories[tag_id]
        return CATEGORIES[number] if number < len(CATEGORIES) else "general"

    def tags(self, row: int) -> list[tuple[str, str]]:
        """Return (name, category) of a post's tags, most used first, names without an id last.

        The tags that E6DB makes of ratings are left out: the rating is a column.
        """
        known = ((self.names[i], self.category(i)) for i in self.tags_of[row].tolist())
        others = ((name, "general") for name in self.value(row, "other_tags"))
        return [tag for tag in (*known, *others) if tag[0] not in RATING_TAGS]

    def rows_tagged(self, name: str) -> np.ndarray:
        """Return the rows (int64, ascending) that hold a tag, with an id or without.

        Aliases resolve, and `*` stands for anything.
        """
        if "*" not in name and name in self.tag_ids:
            return self.rows_with[self.tag_ids[name]].astype(np.int64)
        others, offsets = self._other_tags
        tag_ids: set[int] = set()
        if "*" in name:
            pattern = name_pattern(name)
            tag_ids = {i for known, i in self.tag_ids.items() if pattern.match(known)}
            held = [pattern.match(other) is not None for other in others.to_pylist()]
        else:
            held = pc.equal(others, name).to_numpy(zero_copy_only=False)
        at = np.flatnonzero(held).astype(offsets.dtype)
        rows = np.searchsorted(offsets, at, side="right") - 1
        return np.unique(np.concatenate([*(self.rows_with[i] for i in tag_ids), rows]))

    @cached_property
    def _other_tags(self) -> tuple[pa.StringArray, np.ndarray]:
        """The names without an id of all posts, and where those of each post begin; mapped."""
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
        """Return the rows (int64) of the members of a pool, given by its id or its name."""
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
    return re.compile(fnmatch.translate(text.replace("[", "[[]").replace("?", "[?]")))
