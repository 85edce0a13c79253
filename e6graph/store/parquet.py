"""Read the Parquet files of an import, ours or E6DB's, one row group at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import reading, run_again
from .index import Store

ID_LISTS = frozenset({"stripped_tags", "implied_tags", "post_ids"})
LIST_COLUMNS = ID_LISTS | {"other_tags"}
NUMBER_COLUMNS = ID_LISTS | {"id", "freq", "parent_id"}
TEXT_COLUMNS = frozenset({"md5", "rating", "other_tags"})
MD5 = "[0-9a-f]{32}"  # a pattern
NEVER_NULL = frozenset({"id", "freq", "post_ids", "other_tags"})


def row_groups(
    store: Store,
    name: str,
    *columns: str,
    among: tuple[str, ...] | None = (),
    groups: range | None = None,
) -> Iterator[pa.Table]:
    """Read an artifact's row groups; a file without any gives one empty table.

    MD5s that are stored as bytes, as E6DB has them, become text.

    Parameters
    ----------
    columns : columns that must be there.
    among : columns to read as well if they are there; None for all.
    groups : which row groups to read; None for all.

    Raises
    ------
    MissingArtifact, BadArtifact : it cannot be read, or a column is not of the
        type that its name promises.
    """
    path = store.check(name)
    foreign = not store.sidecar(name)  # no hash says that its bytes are whole
    with reading(path, "hydrate_data.py", pa.ArrowException):
        file = pq.ParquetFile(path)
        there = file.schema_arrow.names
        if missing := [column for column in columns if column not in there]:
            raise run_again(path, f"has no column {', '.join(missing)}")

        wanted = [c for c in there if among is None or c in columns or c in among]
        for group in range(file.num_row_groups) if groups is None else groups:
            table = _md5s_as_text(file.read_row_group(group, wanted))
            if foreign:
                _validate(path, table)
            yield table
        if not file.num_row_groups:
            yield _md5s_as_text(file.schema_arrow.empty_table().select(wanted))


def read_table(store: Store, name: str, *columns: str) -> pa.Table:
    """Read columns of an artifact as one table. Raises as `row_groups` does."""
    return pa.concat_tables(row_groups(store, name, *columns))


def usable_md5s(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return MD5s in lower case; a value that is not an MD5 becomes "" (no picture).

    >>> usable_md5s(pa.array(["AB" * 16, "ab", None])).to_pylist()
    ['abababababababababababababababab', '', '']
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    lower = pc.ascii_lower(column)
    fits = pc.match_substring_regex(lower, f"^{MD5}$")
    return pc.if_else(pc.fill_null(fits, False), lower, "")


def usable_md5(value: object) -> str:
    """Return one MD5 as `usable_md5s` does.

    >>> usable_md5("AB" * 16), usable_md5("ab"), usable_md5(None)
    ('abababababababababababababababab', '', '')
    """
    text = value.lower() if isinstance(value, str) and value.isascii() else ""
    return text if re.fullmatch(MD5, text) else ""


def _md5s_as_text(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("md5")
    kind = table.field(at).type if at >= 0 else pa.string()
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return table
    texts = [md5 and md5.hex() for md5 in table["md5"].to_pylist()]
    return table.set_column(at, "md5", pa.array(texts, pa.string()))


def _validate(path: Path, table: pa.Table) -> None:
    """Refuse broken offsets, and columns of unexpected types or values."""
    table.validate(full=True)
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        nulls = column.null_count
        if name in LIST_COLUMNS:
            if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
                raise run_again(path, f"has {name} of {kind}, expected lists")
            kind = kind.value_type
            column = pc.list_flatten(column)
            nulls += column.null_count

        fits = not (nulls and name in NEVER_NULL)
        if name in TEXT_COLUMNS and not (fits and _is_text(kind)):
            raise run_again(path, f"has {name} that are not text")
        if name in NUMBER_COLUMNS:
            fits = fits and pa.types.is_integer(kind)
            if not fits or pc.any(pc.less(column, 0)).as_py():
                raise run_again(path, f"has {name} that are not integers of 0 or more")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
