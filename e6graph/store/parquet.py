"""The import's Parquet files, ours or E6DB's, a row group at a time; damaged ones are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import BadArtifact
from .index import Store

_DAMAGED = (pa.ArrowException, ValueError, TypeError, OSError, KeyError, IndexError)
_LISTS = ("stripped_tags", "implied_tags", "post_ids", "other_tags")
_NUMBERS = ("id", "freq", "parent_id", *_LISTS[:3])
_TEXTS = ("md5", "rating", "other_tags")
_NEVER_NULL = ("id", "freq", "post_ids", "other_tags")


def row_groups(
    store: Store,
    name: str,
    *columns: str,
    among: tuple[str, ...] | None = (),
    groups: range | None = None,
) -> Iterator[pa.Table]:
    """The row groups of an artifact, one at least.

    Parameters
    ----------
    columns : that must be there. among : those of these that are there too; None for all.
    groups : which to read; None for all.

    Raises
    ------
    MissingArtifact, BadArtifact : it cannot be read, or a column is not what its name says.
    """
    path = store.check(name)
    foreign = not store.sidecar(name)  # nothing tells whether its bytes are whole
    try:
        file = pq.ParquetFile(path)
        there = file.schema_arrow.names
        if missing := [column for column in columns if column not in there]:
            raise _bad(path, f"has no column {', '.join(missing)}")
        wanted = [c for c in there if among is None or c in columns or c in among]
        for group in range(file.num_row_groups) if groups is None else groups:
            table = file.read_row_group(group, wanted)
            if foreign:
                _validate(path, table)
            yield table
        if not file.num_row_groups:
            yield file.schema_arrow.empty_table().select(wanted)
    except _DAMAGED as error:
        raise _bad(path, f"cannot be read ({str(error).partition(chr(10))[0][:200]})") from None


def read_table(store: Store, name: str, *columns: str) -> pa.Table:
    """These columns of an artifact as one table. Raises as `row_groups` does."""
    return pa.concat_tables(row_groups(store, name, *columns))


def _validate(path: Path, table: pa.Table) -> None:
    table.validate(full=True)
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind, nulls = column.type, column.null_count if name in _NEVER_NULL else 0
        if name in _LISTS:
            if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
                raise _bad(path, f"has {name} of {kind}, expected lists")
            kind, column = kind.value_type, pc.list_flatten(column)
            nulls += column.null_count if name in _NEVER_NULL else 0
        if name in _TEXTS:
            fits, expected = _is_text(kind) and not nulls, "text"
        elif name in _NUMBERS:
            fits, expected = pa.types.is_integer(kind) and not nulls, "integers of 0 or more"
            fits = fits and not pc.any(pc.less(column, 0)).as_py()
        else:
            continue
        if not fits:
            raise _bad(path, f"has {name} that are not {expected}")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _bad(path: Path, wrong: str) -> BadArtifact:
    return BadArtifact(f"{path} {wrong}: run hydrate_data.py again")
