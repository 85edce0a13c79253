"""The posts as they are served: columns, tags and the posts of each tag, mapped from the index.

`save_served_posts` writes them within construct_index.py's stage, and `Posts` maps
them. Posts under the never-shown rule are left out, whatever `posts.parquet` holds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
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
from ..tags.wildcards import NameSearch

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


def _is_text(word: str) -> bool:
    """Tell whether a word can be written in UTF-8; no name of a tag holds lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


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

        self._made_search: NameSearch | None = None
        self._making_search = threading.Lock()
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

    def rows_with_md5(self, md5s: Collection[str]) -> dict[str, list[int]]:
        """Return the rows of the posts whose files have some MD5s, in lower case.

        An MD5 without a post is left out. All MD5s of the board are read: .3 s at four
        million posts, however many are looked for.
        """
        if not md5s or not self.has("md5"):
            return {}
        column = self._table["md5"]
        either = [*md5s, *(md5.upper() for md5 in md5s)]  # E6DB's files have either
        held = pc.is_in(column, value_set=pa.array(either, column.type))
        found: dict[str, list[int]] = {}
        for row in np.flatnonzero(held.to_numpy()).tolist():
            found.setdefault(column[row].as_py().lower(), []).append(row)
        return found

    def has(self, name: str) -> bool:
        """Return whether the export had a column; E6DB's own files lack some."""
        return name in self._table.column_names

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

    @cached_property
    def created_at(self) -> np.ndarray:
        """When each post was made: int64 (n,), microseconds since 1970 (UTC).

        Where that is unknown it is 0 (or less): in an index that was made before times
        were kept, of all posts. Where all are known they stay in the mapped file.
        """
        column = self._table["created_at"] if self.has("created_at") else None
        if column is None or not pa.types.is_timestamp(column.type):
            return np.zeros(len(self), np.int64)
        times = one_chunk(column).cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return pc.fill_null(times, 0).to_numpy()

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

    def ids_of(self, names: Iterable[str]) -> list[int]:
        """Return the ids of tags by name; names that are not known are passed over."""
        return [self.tag_ids[name] for name in names if name in self.tag_ids]

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

    # -- names ---------------------------------------------------------------
    @cached_property
    def aliases(self) -> dict[str, str]:
        """Alias → the name that it stands for, whether a post has that tag or not.

        An index in E6DB's formats alone knows those of tags with an id.
        """
        written = self._store.sidecar("tag2idx.json.gz").get("together", ())
        if "aliases.parquet" not in written:
            ids = self.tag_ids.items()
            return {name: self.names[i] for name, i in ids if self.names[i] != name}
        table = parquet.read_table(self._store, "aliases.parquet", "antecedent", "name")
        return dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))

    def find_tags(self, words: Collection[str]) -> dict[str, np.ndarray]:
        """Find the tags that posts hold by their own names, or by patterns with `*`.

        Names of aliases are not seen, nor are the tags that E6DB makes of ratings.

        Returns
        -------
        word → numbers of tags, ascending, int64: tag ids, then `len(names)` and more
        for names without an id. `rows_of` takes them.
        """
        words = set(words)
        patterns = {word for word in words if "*" in word}
        found = {word: [self.tag_ids[word]] for word in words - patterns if self._owns(word)}
        found |= {word: [] for word in words - patterns - found.keys()}

        # All names without an id at once: there may be a million of them.
        wanted = [word for word in words - patterns if not found[word] and _is_text(word)]
        others, _ = self._other_tags
        which = pc.index_in(others, pa.array(wanted, others.type))
        for place in np.flatnonzero(which.is_valid().to_numpy(zero_copy_only=False)).tolist():
            found[wanted[which[place].as_py()]].append(len(self.names) + place)

        made = {word: np.array(numbers, np.int64) for word, numbers in found.items()}
        if patterns:
            made |= self._search.find(patterns)
        is_rating = np.zeros(len(self.names) + len(others), bool)
        is_rating[self.ids_of(RATING_TAGS)] = True
        return {word: numbers[~is_rating[numbers]] for word, numbers in made.items()}

    def rows_of(self, tags: np.ndarray) -> np.ndarray:
        """Return the rows that hold any of some tags; those of one tag ascend.

        Those of several are in no order, and may repeat.

        Parameters
        ----------
        tags : numbers as `find_tags` gives them.
        """
        known = tags[tags < len(self.names)]
        if len(known) == len(tags) == 1:
            return self.rows_with[known[0]]
        rows = self.rows_with.take(known)[0]
        places = tags[len(known) :] - len(self.names)
        offsets = self._other_tags[1]
        of_others = np.searchsorted(offsets, places.astype(offsets.dtype), side="right") - 1
        return np.concatenate([rows, of_others])

    def mark_holders(self, tags: np.ndarray, marks: np.ndarray) -> None:
        """Set `marks` (bool (n,)) at the rows that hold any of some tags.

        Many frequent tags have more pairs than there are posts. So the most used ones
        go first, and once few rows are left these are asked for the others.

        Parameters
        ----------
        tags : numbers as `find_tags` gives them, each once.
        """
        known = tags[tags < len(self.names)]
        marks[self.rows_of(tags[len(known) :])] = True
        sizes = self.rows_with.lengths(known)
        order = np.argsort(-sizes, kind="stable")
        known, pairs_left = known[order], int(sizes.sum())
        pairs_a_row = len(self.rows_with.values) / max(len(self), 1)
        since_count = 0
        for at, (tag, size) in enumerate(
            zip(known.tolist(), sizes[order].tolist(), strict=True)
        ):
            marks[self.rows_with[tag]] = True
            pairs_left -= size
            since_count += size
            if since_count > len(self):
                since_count = 0
                if np.count_nonzero(~marks) * pairs_a_row < pairs_left:
                    self._mark_by_row(known[at + 1 :], marks)
                    return

    def _mark_by_row(self, tags: np.ndarray, marks: np.ndarray) -> None:
        wanted = np.zeros(len(self.names), bool)
        wanted[tags] = True
        rows = np.flatnonzero(~marks)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            held, offsets = self.tags_of.take(some)
            hits = np.flatnonzero(wanted[held])
            marks[some[np.searchsorted(offsets, hits, side="right") - 1]] = True

    def uses_of(self, tags: np.ndarray) -> int:
        """Return how many pairs of a post and one of some tags there are.

        Parameters
        ----------
        tags : numbers as `find_tags` gives them.
        """
        known = tags[tags < len(self.names)]
        return int(self.rows_with.lengths(known).sum()) + len(tags) - len(known)

    def rows_tagged(self, name: str) -> np.ndarray:
        """Return the rows (int64, ascending) that hold a tag, with an id or without.

        Aliases resolve, and `*` stands for anything in the tags' own names.
        """
        name = self.aliases.get(name, name)
        return np.unique(self.rows_of(self.find_tags([name])[name])).astype(np.int64)

    def _owns(self, name: str) -> bool:
        """Tell whether a name with an id is a tag's own."""
        return name in self.tag_ids and self.names[self.tag_ids[name]] == name

    @property
    def _search(self) -> NameSearch:
        """Search all names; made once, since they are large, whoever else asks meanwhile."""
        with self._making_search:
            if self._made_search is None:
                others = self._other_tags[0].to_pylist()
                self._made_search = NameSearch([*self.names, *others])
            return self._made_search

    @cached_property
    def _other_tags(self) -> tuple[pa.StringArray, np.ndarray]:
        """Names without an id, of all posts, and where those of each post begin."""
        lists = one_chunk(self._table["other_tags"])
        return lists.flatten(), lists.offsets.to_numpy()

    @cached_property
    def sorted_names(self) -> list[str]:
        """All names and aliases in alphabetical order."""
        return sorted(self.tag_ids)

    # -- pools ---------------------------------------------------------------
    @cached_property
    def pools(self) -> pa.Table:
        """The pools: id, name, category, post_ids."""
        columns = ("id", "name", "category", "post_ids")
        return parquet.read_table(self._store, "pools.parquet", *columns)

    @cached_property
    def _pool_places(self) -> dict[int | str, list[int]]:
        """Id, or name in lower case → places in `pools`; names may repeat."""
        places: dict[int | str, list[int]] = {}
        for name in ("id", "name"):
            for place, key in enumerate(self.pools[name].to_pylist()):
                key = key.lower() if isinstance(key, str) else key
                places.setdefault(key, []).append(place)
        return places

    def rows_in_pool(self, pool: int | str) -> np.ndarray | None:
        """Return the rows (int64) of the members of a pool, None if there is no such pool.

        Parameters
        ----------
        pool : its id, or its name in any case.
        """
        key = pool.lower() if isinstance(pool, str) else pool
        if key not in self._pool_places:
            return None
        members = [self.pools["post_ids"][at].values for at in self._pool_places[key]]
        rows = self.rows(np.concatenate([some.to_numpy() for some in members]))
        return np.unique(rows[rows >= 0])
