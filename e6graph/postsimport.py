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

from .csvtables import read_batches
from .errors import BadInput
from .safety import never_names
from .taggraph import Aliases, Implications

RATING_TAGS = {"s": "rating_safe", "q": "rating_questionable", "e": "rating_explicit"}
CHUNK = 200_000  # posts a row group
IMPLIED = 50_000_000  # pairs of a post and what its tags imply that one may take
LAST_ID = 2**31 - 1  # annoy counts in 32 bits
MOST_TAGS = 2**15 - 1  # of a post, for E6DB's tag_count has 16 bits
_NAME = re.compile(r"[^\0\t-\r ]{1,1000}")  # a line of tags.txt.gz; NumPy cuts NULs off

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
    seen: dict[str, int] = {}  # any name -> provisional id
    forbidden: list[bool] = []  # by provisional id

    def provisional(name: str) -> int:
        if name not in name_ids:
            if not _NAME.fullmatch(name):
                wrong = f"tag or alias {name[:40]!r}, expected 1 to 1,000 characters without spaces"
                raise BadInput(f"{path}: {wrong} or NUL: mend or remove the row")
            name_ids[name] = len(name_ids)
            forbidden.append(name.lower() in never)
        return name_ids[name]

    rating_ids = {rating: provisional(name) for rating, name in RATING_TAGS.items()}
    tables, matrices, read, at = [], [], [], []
    counts |= {
        "posts read": 0,
        "posts deleted, left out": 0,
        "posts of another file type, left out": 0,
    }
    counts["posts under the never-shown rule, left out"] = 0
    columns = _POSTS | {"tag_string": pa.string(), "is_deleted": pa.bool_()}
    bar = tqdm(desc="posts", unit=" posts", unit_scale=True, disable=None if progress else True)
    for batch in read_batches(path, columns):
        bar.update(len(batch))
        first = counts["posts read"]
        counts["posts read"] += len(batch)
        keep = ~pc.fill_null(batch["is_deleted"], False).to_numpy(zero_copy_only=False)
        _check_values(batch, keep, first + 2, path)  # the header is row 1
        counts["posts deleted, left out"] += int((~keep).sum())
        if file_types is not None:
            fits = pc.is_in(batch["file_ext"], pa.array(list(file_types), pa.string()))
            fits = fits.to_numpy(zero_copy_only=False)
            counts["posts of another file type, left out"] += int((keep & ~fits).sum())
            keep &= fits
        read.append(batch["id"].to_numpy())
        batch = batch.filter(pa.array(keep))
        if not len(batch):
            continue
        rating = batch["rating"].dictionary_encode()
        rating_tag = np.array([rating_ids[r] for r in rating.dictionary.to_pylist()])
        rating_tag = rating_tag[rating.indices.to_numpy()]

        words = pc.ascii_split_whitespace(batch["tag_string"])
        tokens = words.flatten().dictionary_encode()
        unique = tokens.dictionary.to_pylist()
        for name in unique:
            if name and name not in seen:
                seen[name] = provisional(aliases(name))
        ids = np.array([seen.get(name, -1) for name in unique], np.int32)
        ids = ids[tokens.indices.to_numpy()]
        row = np.repeat(np.arange(len(batch)), np.diff(words.offsets.to_numpy()))
        row, ids = row[ids >= 0], ids[ids >= 0]  # spaces at an end make an empty one
        row = np.concatenate([row, np.arange(len(batch))])
        ids = np.concatenate([ids, rating_tag.astype(np.int32)])
        shape = (len(batch), len(name_ids))
        tags = sp.csr_matrix((np.ones(len(ids), bool), (row, ids)), shape)  # duplicates: once
        held = np.diff(tags.indptr) - 1
        if held.max() > MOST_TAGS:
            wrong = f"{held.max():,} tags, expected {MOST_TAGS:,} or fewer: mend or remove the row"
            raise BadInput(f"{path}: post {batch['id'][held.argmax()]} has {wrong}")

        is_never = tags @ np.array(forbidden)
        is_never &= pc.not_equal(batch["rating"], "s").to_numpy(zero_copy_only=False)
        counts["posts under the never-shown rule, left out"] += int(is_never.sum())
        matrices.append(tags[~is_never])
        tables.append(batch.select(list(_POSTS)).filter(pa.array(~is_never)))
        at.append(first + np.flatnonzero(keep)[~is_never])
    bar.close()
    nothing = f"{path}: no post to keep among {counts['posts read']:,}: nothing to index"
    if not sum(map(len, tables)):
        raise BadInput(nothing)
    for tags in matrices:
        tags.resize(tags.shape[0], len(name_ids))
    posts = KeptPosts(pa.Table.from_batches(tables), sp.vstack(matrices, "csr"), list(name_ids))
    posts = _ascending(posts, np.concatenate(at), np.concatenate(read), counts)
    if not posts.table.num_rows:
        raise BadInput(nothing)
    return posts


def _check_values(batch: pa.RecordBatch, keep: np.ndarray, first: int, path: Path) -> None:
    """Refuse ids, and ratings of rows to keep, that the site does not write; `first` is the row."""
    ids = pc.fill_null(batch["id"], 0).to_numpy(zero_copy_only=False)
    unknown = pc.invert(pc.is_in(batch["rating"], pa.array(list(RATING_TAGS))))
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
    pairs, writer = 0, None
    chunks = list(_chunks(posts.tags, closure))
    for start, end in tqdm(chunks, "write", unit=" chunks", disable=None if progress else True):
        tags = posts.tags[start:end]
        implied = tags @ closure
        row = np.repeat(np.arange(tags.shape[0]), np.diff(tags.indptr))
        ids = to_id[tags.indices]
        has_id = ids >= 0
        ones = np.ones(int(has_id.sum()), bool)
        known = sp.csr_matrix((ones, (row[has_id], ids[has_id])), implied.shape)
        stripped = known > implied
        lengths = np.bincount(row[~has_id], minlength=tags.shape[0])
        other = names.take(pa.array(tags.indices[~has_id]))
        table = posts.table.slice(start, end - start)
        columns = {
            "tag_count": pa.array(np.diff(tags.indptr).astype(np.int16) - 1),  # less the rating
            "stripped_tags": _lists(stripped),
            "implied_tags": _lists(implied),
            "other_tags": pa.ListArray.from_arrays(offsets(lengths), other),
        }
        for name, column in columns.items():
            table = table.append_column(name, column)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=CHUNK)
        pairs += stripped.nnz + implied.nnz
    writer.close()
    return pairs


def _chunks(tags: sp.csr_matrix, closure: sp.csr_matrix) -> Iterator[tuple[int, int]]:
    """Where row groups begin and end: at `CHUNK` posts, or sooner if much is implied."""
    implied = np.diff(closure.indptr).astype(np.int64)
    for start in range(0, tags.shape[0], CHUNK):
        total = np.cumsum(tags[start : start + CHUNK] @ implied)
        cuts = np.searchsorted(total, np.arange(IMPLIED, total[-1], IMPLIED)) + 1
        yield from pairwise((start + np.unique([0, *cuts, len(total)])).tolist())


def _lists(matrix: sp.csr_matrix) -> pa.ListArray:
    matrix.sort_indices()
    values = pa.array(matrix.indices.astype(np.int32))
    return pa.ListArray.from_arrays(pa.array(matrix.indptr.astype(np.int32)), values)


def offsets(lengths: np.ndarray) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
