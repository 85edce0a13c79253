"""The rows of the posts' table: which are kept, and what is read of their cells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import BadTable
from ..store.parquet import usable_md5s
from ..tags.categories import RATINGS

LAST_ID = 2**31 - 1  # annoy counts in 32 bits

KEPT_COLUMNS = {
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
    "created_at": pa.timestamp("us"),  # UTC; null where it is not known
}
"""The export's columns that are kept, as they are or (md5, created_at) as they can be read."""

READ_COLUMNS = {
    "tag_string": pa.string(),
    "is_deleted": pa.bool_(),
    "created_at": pa.string(),
}
"""The export's columns that are used but not kept, or kept as another type."""


@dataclass
class Rows:
    """A batch of the file whose tags are still words.

    Attributes
    ----------
    ids : of all rows of the batch.
    kept : row in the file of each row to keep.
    columns : `KEPT_COLUMNS` of the rows to keep.
    words : dictionary-encoded lists, the words of the rows to keep.
    hidden : `md5` of the rows left out that are not rated s.
    hidden_rows : row in the file of each of those.
    hidden_words : their words, as `words`.
    deleted, other_type : numbers of rows that were left out.
    """

    ids: np.ndarray
    kept: np.ndarray
    columns: pa.RecordBatch
    words: pa.ListArray
    hidden: pa.RecordBatch
    hidden_rows: np.ndarray
    hidden_words: pa.ListArray
    deleted: int
    other_type: int


def parse_rows(
    first: int, batch: pa.RecordBatch, path: Path, file_types: Collection[str] | None
) -> Rows:
    """Choose the rows to keep; `first` is the row at which the batch begins.

    Raises
    ------
    BadTable : an id, or the rating of a row to keep, cannot be.
    """
    keep = ~pc.fill_null(batch["is_deleted"], False).to_numpy(zero_copy_only=False)
    _check_values(batch, keep, first + 2, path)  # the header is row 1
    present = int(keep.sum())
    if file_types is not None:
        wanted = pc.is_in(batch["file_ext"], pa.array(list(file_types), pa.string()))
        keep &= wanted.to_numpy(zero_copy_only=False)
    rows = batch.filter(pa.array(keep))
    not_safe = pc.fill_null(pc.not_equal(batch["rating"], "s"), True)
    is_hidden = ~keep & not_safe.to_numpy(zero_copy_only=False)
    hidden = batch.filter(pa.array(is_hidden))
    return Rows(
        ids=batch["id"].to_numpy(),
        kept=first + np.flatnonzero(keep),
        columns=_kept_columns(rows),
        words=_split_words(rows["tag_string"]),
        hidden=hidden.select(["md5"]),
        hidden_rows=first + np.flatnonzero(is_hidden),
        hidden_words=_split_words(hidden["tag_string"]),
        deleted=len(batch) - present,
        other_type=present - len(rows),
    )


def _kept_columns(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Take `KEPT_COLUMNS`; a useless MD5 becomes "", a time that cannot be read null."""
    columns = {name: rows[name] for name in KEPT_COLUMNS}
    columns["md5"] = usable_md5s(rows["md5"])
    columns["created_at"] = _times(rows["created_at"])
    return pa.RecordBatch.from_arrays([*columns.values()], [*columns])


def _times(texts: pa.StringArray) -> pa.TimestampArray:
    """Read times as the export writes them, in UTC unless they name a zone; null for none.

    >>> texts = ["2026-11-27 08:30:00.12345", "2026-11-27T10:30+02:00", "soon", ""]
    >>> [str(time) for time in _times(pa.array(texts)).to_pylist()]
    ['2026-11-27 08:30:00.123450', '2026-11-27 08:30:00', 'None', 'None']
    """
    given = pc.if_else(pc.equal(texts, ""), None, texts)
    kind = KEPT_COLUMNS["created_at"]
    try:
        return given.cast(kind)
    except pa.ArrowInvalid:  # it reads none with a zone, and stops at what is no time
        return pa.array([_time(text) for text in given.to_pylist()], kind)


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        return None


def _split_words(texts: pa.Array) -> pa.ListArray:
    words = pc.ascii_split_whitespace(texts)
    return pa.ListArray.from_arrays(words.offsets, words.values.dictionary_encode())


def _check_values(batch: pa.RecordBatch, keep: np.ndarray, first: int, path: Path) -> None:
    """Refuse a bad id, and a bad rating in a row to keep; rows count from `first`."""
    ids = pc.fill_null(batch["id"], 0).to_numpy(zero_copy_only=False)
    bad_rating = pc.invert(pc.is_in(batch["rating"], pa.array(RATINGS)))
    for name, bad, expected in (
        ("id", (ids < 1) | (ids > LAST_ID), f"1 to {LAST_ID}"),
        ("rating", keep & bad_rating.to_numpy(zero_copy_only=False), "s, q or e"),
    ):
        if bad.any():
            row = int(bad.argmax())
            value = batch[name][row].as_py()
            found = "" if value is None else str(value)[:40]
            raise BadTable(
                path,
                f"row {first + row}: {name} is {found!r}, "
                f"expected {expected}: mend or remove the row",
            )
