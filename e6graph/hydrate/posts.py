"""The import's two passes over the posts: CSV rows to kept posts, kept posts to `posts.parquet`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp
from tqdm import tqdm

from ..errors import BadInput
from ..store.parallel import in_order
from ..tags.categories import RATING_TAGS, RATINGS
from ..tags.implications import Aliases, Implications
from ..tags.never import never_names
from .csvtables import read_batches

SAFE = 0  # of the ratings, in this order
CHUNK = 200_000  # posts a row group
IMPLIED = 50_000_000  # pairs of a post and what its tags imply that one may take
LAST_ID = 2**31 - 1  # annoy counts in 32 bits
MOST_TAGS = 2**15 - 1  # of a post, for E6DB's tag_count has 16 bits
_NAME = re.compile(r"[^\0\t-\r ]{1,1000}")  # a line of tags.txt.gz; NumPy cuts NULs off
READ, DELETED = "posts read", "posts deleted, left out"
OTHER_TYPE = "posts of another file type, left out"
NEVER = "posts under the never-shown rule, left out"

_POSTS = {
    "id": pa.int64(),
    "md5": pa.string(),
    "rating": pa.string(),
    "image_width": pa.int32(),
    "image_height": pa.int32(),
    "file_ext": pa.string(),
    "file_size": pa.int64(),
    "score": pa.int32(),
    "fav_count": pa.int32(),
    "uploader_id": pa.int32(),
    "parent_id": pa.int64(),
    "is_pending": pa.bool_(),
    "is_flagged": pa.bool_(),
}


@dataclass
class KeptPosts:
    """What the first pass keeps: `table` of columns, `tags` (n, names) CSR of provisional ids,
    `names` the canonical name of each, in order of first appearance."""

    table: pa.Table
    tags: sp.csr_matrix
    names: list[str]


@dataclass
class _Batch:
    """Rows of the file: `ids` of all, and of those to keep their place `at` in the file, `rows`,
    and their tags as words: those of row i are `words[which[offsets[i]:offsets[i + 1]]]`."""

    ids: np.ndarray
    at: np.ndarray
    rows: pa.RecordBatch
    words: list[str]
    which: np.ndarray
    offsets: np.ndarray
    counts: dict[str, int]


def read_posts(
    path: Path,
    aliases: Aliases,
    implications: Implications,
    file_types: Collection[str] | None,
    counts: dict[str, int],
    progress: bool,
) -> KeptPosts:
    never = never_names(aliases, implications)
    name_ids: dict[str, int] = {}  # canonical name -> provisional id
    seen: dict[str, int] = {"": -1}  # any name -> provisional id
    forbidden: list[bool] = []  # by provisional id

    def provisional(name: str) -> int:
        if name not in name_ids:
            if not _NAME.fullmatch(name):
                wrong = (
                    f"tag or alias {name[:40]!r}, expected 1 to 1,000 characters without spaces"
                )
                raise BadInput(f"{path}: {wrong} or NUL: mend or remove the row")
            name_ids[name] = len(name_ids)
            forbidden.append(name.lower() in never)
        return name_ids[name]

    rating_ids = np.array([provisional(name) for name in RATING_TAGS])
    counts |= dict.fromkeys((READ, DELETED, OTHER_TYPE, NEVER), 0)
    columns = _POSTS | {"tag_string": pa.string(), "is_deleted": pa.bool_()}
    tables, matrices, read, at = [], [], [], []
    bar = tqdm(desc="posts", unit=" posts", unit_scale=True, disable=None if progress else True)

    def numbered() -> Iterator[tuple[int, pa.RecordBatch]]:
        first = 0
        for batch in read_batches(path, columns):
            yield first, batch
            first += len(batch)

    for found in in_order(lambda item: _split(*item, path, file_types), numbered()):
        bar.update(len(found.ids))
        for name, count in found.counts.items():
            counts[name] += count
        read.append(found.ids)
        for name in found.words:
            if name not in seen:
                seen[name] = provisional(aliases(name))
        rating = pc.index_in(found.rows["rating"], pa.array(RATINGS)).to_numpy()
        ids = np.array([*map(seen.__getitem__, found.words)], np.int32)[found.which]
        ids = np.insert(ids, found.offsets[1:], rating_ids[rating])
        indptr = found.offsets + np.arange(len(found.offsets))
        if (ids < 0).any():  # spaces at an end make an empty word
            indptr = np.concatenate([[0], np.cumsum(ids >= 0)])[indptr]
            ids = ids[ids >= 0]
        shape = (len(rating), len(name_ids))
        tags = sp.csr_matrix((np.ones(len(ids), bool), ids, indptr), shape)
        tags.sum_duplicates()  # once
        held = np.diff(tags.indptr) - 1
        if held.max(initial=0) > MOST_TAGS:
            wrong = (
                f"{held.max():,} tags, expected {MOST_TAGS:,} or fewer: mend or remove the row"
            )
            raise BadInput(f"{path}: post {found.rows['id'][held.argmax()]} has {wrong}")
        is_never = (tags @ np.array(forbidden)) & (rating != SAFE)
        counts[NEVER] += int(is_never.sum())
        matrices.append(tags[~is_never] if is_never.any() else tags)
        tables.append(found.rows.filter(pa.array(~is_never)))
        at.append(found.at[~is_never])
    bar.close()
    nothing = f"{path}: no post to keep among {counts[READ]:,}: nothing to index"
    if not sum(map(len, tables)):
        raise BadInput(nothing)
    for tags in matrices:
        tags.resize(tags.shape[0], len(name_ids))
    posts = KeptPosts(pa.Table.from_batches(tables), sp.vstack(matrices, "csr"), list(name_ids))
    posts = _ascending(posts, np.concatenate(at), np.concatenate(read), counts)
    if not posts.table.num_rows:
        raise BadInput(nothing)
    return posts


def _split(
    first: int, batch: pa.RecordBatch, path: Path, file_types: Collection[str] | None
) -> _Batch:
    """The rows to keep of those from `first` on, and their tag strings as words."""
    keep = ~pc.fill_null(batch["is_deleted"], False).to_numpy(zero_copy_only=False)
    _check_values(batch, keep, first + 2, path)  # the header is row 1
    counts = {READ: len(batch), DELETED: int((~keep).sum())}
    if file_types is not None:
        fits = pc.is_in(batch["file_ext"], pa.array(list(file_types), pa.string()))
        fits = fits.to_numpy(zero_copy_only=False)
        counts[OTHER_TYPE] = int((keep & ~fits).sum())
        keep &= fits
    rows = batch.filter(pa.array(keep))
    words = pc.ascii_split_whitespace(rows["tag_string"])
    coded = words.flatten().dictionary_encode()
    return _Batch(
        batch["id"].to_numpy(),
        first + np.flatnonzero(keep),
        rows.select(list(_POSTS)),
        coded.dictionary.to_pylist(),
        coded.indices.to_numpy(),
        words.offsets.to_numpy() - words.offsets[0].as_py(),
        counts,
    )


def _check_values(batch: pa.RecordBatch, keep: np.ndarray, first: int, path: Path) -> None:
    """Refuse ids, and ratings of rows to keep, that the site does not write; `first` is the row."""
    ids = pc.fill_null(batch["id"], 0).to_numpy(zero_copy_only=False)
    unknown = pc.invert(pc.is_in(batch["rating"], pa.array(RATINGS)))
    for name, bad, expected in (
        ("id", (ids < 1) | (ids > LAST_ID), f"1 to {LAST_ID}"),
        ("rating", keep & unknown.to_numpy(zero_copy_only=False), "s, q or e"),
    ):
        if bad.any():
            at = int(bad.argmax())
            found = "" if batch[name][at].as_py() is None else str(batch[name][at])[:40]
            wrong = f"{name} is {found!r}, expected {expected}"
            raise BadInput(f"{path}: row {first + at}: {wrong}: mend or remove the row")


def _ascending(
    posts: KeptPosts, at: np.ndarray, read: np.ndarray, counts: dict[str, int]
) -> KeptPosts:
    """Rows in ascending id; of rows that repeat an id the last counts, if it is one to keep.

    `read` holds the ids of all rows, `at` the place there of those kept so far.
    """
    ids = posts.table["id"].to_numpy()
    counts["posts that repeat an id, left out"] = 0
    if np.all(np.diff(read) > 0):
        return posts
    order = np.argsort(read, kind="stable")
    last = order[np.append(np.diff(read[order]) > 0, True)]
    fresh = np.flatnonzero(np.isin(at, last))
    order = fresh[np.argsort(ids[fresh])]
    counts["posts that repeat an id, left out"] = len(ids) - len(order)
    return KeptPosts(posts.table.take(order), posts.tags[order], posts.names)


def write_posts(
    path: Path,
    posts: KeptPosts,
    tag_ids: Mapping[str, int],
    implications: Implications,
    progress: bool,
) -> int:
    """Write posts in row groups; returns the number of post-tag pairs with an id."""
    to_id = np.array([tag_ids.get(name, -1) for name in posts.names], np.int32)
    names = pa.array(posts.names, pa.string())
    rows, cols = [], []
    for provisional, name in enumerate(posts.names):
        ids = [tag_ids[other] for other in implications(name) if other in tag_ids]
        rows += [provisional] * len(ids)
        cols += ids
    # bool, for sums of implications by many tags would turn a byte over
    shape = (len(names), max(len(tag_ids), 1))
    closure = sp.csr_matrix((np.ones(len(rows), bool), (rows, cols)), shape)

    def chunk(span: tuple[int, int]) -> tuple[pa.Table, int]:
        start, end = span
        tags = posts.tags[start:end]
        implied = tags @ closure
        ids = to_id[tags.indices]
        has_id = ids >= 0
        indptr = np.concatenate([[0], np.cumsum(has_id)])[tags.indptr]
        there = np.ones(indptr[-1], bool)
        known = sp.csr_matrix((there, ids[has_id], indptr), implied.shape)
        known.sort_indices()
        stripped = known > implied
        other = names.take(pa.array(tags.indices[~has_id]))
        table = posts.table.slice(start, end - start)
        columns = {
            "tag_count": pa.array(np.diff(tags.indptr).astype(np.int16) - 1),  # less the rating
            "stripped_tags": _lists(stripped),
            "implied_tags": _lists(implied),
            "other_tags": pa.ListArray.from_arrays(pa.array(tags.indptr - indptr), other),
        }
        for name, column in columns.items():
            table = table.append_column(name, column)
        return table, stripped.nnz + implied.nnz

    pairs, writer = 0, None
    chunks = list(_chunks(posts.tags, closure))
    shown = tqdm(chunks, "write", unit=" chunks", disable=None if progress else True)
    for table, written in in_order(chunk, shown):
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=CHUNK)
        pairs += written
    writer.close()
    return pairs


def _chunks(tags: sp.csr_matrix, closure: sp.csr_matrix) -> Iterator[tuple[int, int]]:
    """Where row groups begin and end: at `CHUNK` posts, or sooner if much is implied."""
    implied = np.diff(closure.indptr).astype(np.int64)
    for start in range(0, tags.shape[0], CHUNK):
        ends = tags.indptr[start : start + CHUNK + 1]
        total = np.cumsum(implied[tags.indices[ends[0] : ends[-1]]])[ends[1:] - ends[0] - 1]
        cuts = np.searchsorted(total, np.arange(IMPLIED, total[-1], IMPLIED)) + 1
        yield from pairwise((start + np.unique([0, *cuts, len(total)])).tolist())


def _lists(matrix: sp.csr_matrix) -> pa.ListArray:
    matrix.sort_indices()
    values = pa.array(matrix.indices.astype(np.int32))
    return pa.ListArray.from_arrays(pa.array(matrix.indptr.astype(np.int32)), values)


def offsets(lengths: np.ndarray) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
