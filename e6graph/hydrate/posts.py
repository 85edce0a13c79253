"""The import's two passes over the posts: CSV rows → kept posts → `posts.parquet`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp
from tqdm import tqdm

from ..errors import BadInput, BadTable
from ..store.parallel import in_order
from ..tags.categories import RATING_TAGS, RATINGS
from ..tags.implications import Aliases, Implications
from ..tags.never import fold, has_picture, is_under, pictures_of
from .csvtables import read_batches
from .post_rows import KEPT_COLUMNS, READ_COLUMNS, Rows, parse_rows

ROW_GROUP = 200_000  # posts
ROW_GROUP_IMPLIED = 50_000_000  # most pairs of a post and an implied tag in a row group
MOST_TAGS = 2**15 - 1  # of a post, since E6DB's tag_count has 16 bits

SCHEMA = pa.schema(
    [
        *KEPT_COLUMNS.items(),
        ("tag_count", pa.int16()),
        ("stripped_tags", pa.list_(pa.int32())),
        ("implied_tags", pa.list_(pa.int32())),
        ("other_tags", pa.list_(pa.string())),
    ]
)
"""Of `posts.parquet`."""

# A name is a line of tags.txt.gz, and NumPy would drop a NUL at its end.
_TAG_NAME = re.compile(r"[^\0\t-\r ]{1,1000}")


@dataclass
class KeptPosts:
    """The posts that the first pass keeps.

    Attributes
    ----------
    table : `KEPT_COLUMNS` of n posts.
    tags : bool CSR (n, len(names)), the tags of each post by provisional id.
    names : canonical name of each provisional id, in order of first appearance.
    """

    table: pa.Table
    tags: sp.csr_matrix
    names: list[str]

    def take(self, rows: np.ndarray) -> KeptPosts:
        """Pick some posts by their positions."""
        return KeptPosts(self.table.take(rows), self.tags[rows], self.names)


class _ProvisionalIds:
    """The ids that names get when first seen, before they can be ranked by use."""

    def __init__(self, path: Path, aliases: Aliases) -> None:
        self._path = path
        self._aliases = aliases
        self._of_word: dict[str, int] = {"": -1}  # spaces at an end make an empty word
        self.of_name: dict[str, int] = {}  # canonical names in order of their ids

    def of_words(self, words: list[str]) -> np.ndarray:
        """Return the id of each word, int32; -1 of an empty one."""
        for word in words:
            if word not in self._of_word:
                self._of_word[word] = self.add(self._aliases(word))
        return np.array([self._of_word[word] for word in words], np.int32)

    def add(self, name: str) -> int:
        """Return the id of a canonical name, which may be new."""
        if name not in self.of_name and not _TAG_NAME.fullmatch(name):
            raise BadTable(
                self._path,
                f"tag or alias {name[:40]!r}, expected 1 to 1,000 "
                "characters without spaces or NUL: mend or remove the row",
            )
        return self.of_name.setdefault(name, len(self.of_name))


class _UnderRule(dict[str, bool]):
    """Word → whether it falls under the never-shown rule; each is read once."""

    def __init__(self, never: Iterable[str]) -> None:
        super().__init__()
        self._names = {fold(name) for name in never}

    def __missing__(self, word: str) -> bool:
        self[word] = is_under(word, self._names)
        return self[word]

    def held(self, words: pa.ListArray) -> np.ndarray:
        """Return which of some dictionary-encoded lists hold such a word, bool (n,)."""
        distinct = words.values.dictionary.to_pylist()
        under = np.fromiter(map(self.__getitem__, distinct), bool, len(distinct))
        found = np.flatnonzero(under[words.values.indices.to_numpy()])
        held = np.zeros(len(words), bool)
        held[np.searchsorted(words.offsets.to_numpy(), found, side="right") - 1] = True
        return held


def parse_posts(
    path: Path,
    aliases: Aliases,
    never: Iterable[str],
    file_types: Collection[str] | None,
    counts: dict[str, int],
    progress: bool,
) -> KeptPosts:
    """Read the posts to keep: the first pass.

    Parameters
    ----------
    never : names under the never-shown rule.
    file_types : extensions to keep; None keeps all.
    counts : gets the numbers of posts that were read and left out.

    Raises
    ------
    BadInput : a row cannot be used, or no post is left.
    """
    provisional = _ProvisionalIds(path, aliases)
    rating_ids = np.array([provisional.add(name) for name in RATING_TAGS])
    rule = _UnderRule(never)
    tables, matrices, all_ids, kept_rows = [], [], [], []
    md5s, md5_rows = [], []  # of the rows under the rule, and where in the file they are
    deleted = other_type = never_shown = 0

    def numbered() -> Iterator[tuple[int, pa.RecordBatch]]:
        first = 0
        columns = KEPT_COLUMNS | READ_COLUMNS
        for batch in read_batches(path, columns, progress, optional=("created_at",)):
            yield first, batch
            first += len(batch)

    def parse(item: tuple[int, pa.RecordBatch]) -> Rows:
        return parse_rows(*item, path, file_types)

    for rows in in_order(parse, numbered()):
        rating = pc.index_in(rows.columns["rating"], pa.array(RATINGS)).to_numpy()
        tags = _tag_matrix(rows, provisional, rating_ids[rating])
        tag_counts = np.diff(tags.indptr) - 1  # without the rating
        if tag_counts.max(initial=0) > MOST_TAGS:
            raise BadTable(
                path,
                f"post {rows.columns['id'][tag_counts.argmax()]} has "
                f"{tag_counts.max():,} tags, expected {MOST_TAGS:,} or fewer: "
                "mend or remove the row",
            )

        keep = ~rule.held(rows.words) | (rating == RATINGS.index("s"))
        hidden = rule.held(rows.hidden_words)
        md5s.append(rows.columns.select(["md5"]).filter(pa.array(~keep)))
        md5s.append(rows.hidden.filter(pa.array(hidden)))
        md5_rows += [rows.kept[~keep], rows.hidden_rows[hidden]]
        deleted += rows.deleted
        other_type += rows.other_type
        never_shown += int((~keep).sum())
        all_ids.append(rows.ids)
        kept_rows.append(rows.kept[keep])
        tables.append(rows.columns.filter(pa.array(keep)))
        matrices.append(tags if keep.all() else tags[keep])

    read, kept = sum(map(len, all_ids)), sum(map(len, tables))
    nothing = f"{path}: no post to keep among {read:,}: nothing to index"
    if not kept:
        raise BadInput(nothing)
    names = list(provisional.of_name)
    for tags in matrices:  # each knows only the names seen until then
        tags.resize(tags.shape[0], len(names))
    tags = sp.vstack(matrices, "csr")
    posts = KeptPosts(pa.Table.from_batches(tables), tags, names)
    last = _last_rows(np.concatenate(all_ids))
    posts = _sort_by_id(posts, np.concatenate(kept_rows), last)
    repeated = kept - posts.table.num_rows

    # A picture under the rule stays away, under whatever post it comes.
    is_last = np.isin(np.concatenate(md5_rows), last)
    pictures = pictures_of(pa.Table.from_batches(md5s), is_last)
    same = has_picture(posts.table, pictures)
    if same.any():
        posts = posts.take(np.flatnonzero(~same))
        never_shown += int(same.sum())
    if not posts.table.num_rows:
        raise BadInput(nothing)
    counts["posts read"] = read
    counts["posts deleted, left out"] = deleted
    counts["posts of another file type, left out"] = other_type
    counts["posts under the never-shown rule, left out"] = never_shown
    counts["posts that repeat an id, left out"] = repeated
    without = pc.sum(pc.equal(posts.table["md5"], "")).as_py()
    if without:
        counts["posts without a usable md5, kept without a picture"] = without
    without = posts.table["created_at"].null_count
    if 0 < without < posts.table.num_rows:
        counts["posts without a usable created_at, never new"] = without
    return posts


def _tag_matrix(
    rows: Rows, provisional: _ProvisionalIds, rating_ids: np.ndarray
) -> sp.csr_matrix:
    """Return the tags of kept rows, their ratings included, as a bool CSR matrix."""
    words, offsets = rows.words.values, rows.words.offsets.to_numpy()
    word_ids = provisional.of_words(words.dictionary.to_pylist())
    ids = word_ids[words.indices.to_numpy()]
    ids = np.insert(ids, offsets[1:], rating_ids)
    indptr = offsets + np.arange(len(offsets))
    empty = ids < 0
    if empty.any():
        indptr = np.append(0, np.cumsum(~empty))[indptr]
        ids = ids[~empty]
    shape = (len(rows.kept), len(provisional.of_name))
    tags = sp.csr_matrix((np.ones(len(ids), bool), ids, indptr), shape)
    tags.sum_duplicates()  # a tag that is there twice counts once
    return tags


def _last_rows(ids: np.ndarray) -> np.ndarray:
    """Find the rows that no later one of the same id replaces, int64, in ascending id."""
    if np.all(np.diff(ids) > 0):
        return np.arange(len(ids))
    order = np.argsort(ids, kind="stable")
    return order[np.append(np.diff(ids[order]) > 0, True)]


def _sort_by_id(posts: KeptPosts, kept_rows: np.ndarray, last_rows: np.ndarray) -> KeptPosts:
    """Sort posts by id, without those that a later row of the file replaces.

    Parameters
    ----------
    kept_rows : row in the file of each post.
    last_rows : as `_last_rows` gives them for all rows of the file.
    """
    current = np.flatnonzero(np.isin(kept_rows, last_rows))
    ids = posts.table["id"].to_numpy()[current]
    if len(current) == len(kept_rows) and np.all(np.diff(ids) > 0):
        return posts
    return posts.take(current[np.argsort(ids)])


def save_posts(
    path: Path,
    posts: KeptPosts,
    tag_ids: Mapping[str, int],
    implications: Implications,
    progress: bool,
) -> int:
    """Write `posts.parquet` from what `parse_posts` kept; return the number of its pairs."""
    to_id = np.array([tag_ids.get(name, -1) for name in posts.names], np.int32)
    names = pa.array(posts.names, pa.string())
    closure = _closure_matrix(posts.names, tag_ids, implications)

    def row_group(span: tuple[int, int]) -> tuple[pa.Table, int]:
        start, end = span
        tags = posts.tags[start:end]
        implied = tags @ closure
        ids = to_id[tags.indices]
        has_id = ids >= 0
        indptr = np.append(0, np.cumsum(has_id))[tags.indptr]
        ones = np.ones(indptr[-1], bool)
        known = sp.csr_matrix((ones, ids[has_id], indptr), implied.shape)
        known.sort_indices()
        stripped = known > implied
        without_id = names.take(pa.array(tags.indices[~has_id]))
        columns = [
            *posts.table.slice(start, end - start).columns,
            pa.array(np.diff(tags.indptr).astype(np.int16) - 1),  # without the rating
            _list_array(stripped),
            _list_array(implied),
            pa.ListArray.from_arrays(pa.array(tags.indptr - indptr), without_id),
        ]
        table = pa.Table.from_arrays(columns, schema=SCHEMA)
        return table, stripped.nnz + implied.nnz

    pairs = 0
    spans = list(_row_group_spans(posts.tags, closure))
    bar = tqdm(
        in_order(row_group, spans),
        "writing posts",
        len(spans),
        disable=None if progress else True,
    )
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for table, written in bar:
            writer.write_table(table, row_group_size=ROW_GROUP)
            pairs += written
    return pairs


def _closure_matrix(
    names: list[str], tag_ids: Mapping[str, int], implications: Implications
) -> sp.csr_matrix:
    """Return which tag ids (columns) a provisional id (row) implies, bool CSR.

    It is bool since many tags that imply the same one would overflow a byte.
    """
    rows: list[int] = []
    columns: list[int] = []
    for row, name in enumerate(names):
        ids = [tag_ids[other] for other in implications(name) if other in tag_ids]
        rows += [row] * len(ids)
        columns += ids
    shape = (len(names), max(len(tag_ids), 1))
    return sp.csr_matrix((np.ones(len(rows), bool), (rows, columns)), shape)


def _row_group_spans(tags: sp.csr_matrix, closure: sp.csr_matrix) -> Iterator[tuple[int, int]]:
    """Yield where row groups begin and end; one ends early if much is implied."""
    implied = np.diff(closure.indptr).astype(np.int64)
    for start in range(0, tags.shape[0], ROW_GROUP):
        ends = tags.indptr[start : start + ROW_GROUP + 1]
        of_pairs = implied[tags.indices[ends[0] : ends[-1]]]
        total = np.cumsum(of_pairs)[ends[1:] - ends[0] - 1]  # up to each post
        limits = np.arange(ROW_GROUP_IMPLIED, total[-1], ROW_GROUP_IMPLIED)
        cuts = np.searchsorted(total, limits) + 1
        yield from pairwise((start + np.unique([0, *cuts, len(total)])).tolist())


def _list_array(matrix: sp.csr_matrix) -> pa.ListArray:
    matrix.sort_indices()
    values = pa.array(matrix.indices.astype(np.int32))
    return pa.ListArray.from_arrays(pa.array(matrix.indptr.astype(np.int32)), values)
