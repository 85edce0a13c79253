"""Tables in Arrow's IPC format, which are mapped into memory instead of read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ..errors import reading


def write_table(path: str | Path, table: pa.Table) -> None:
    """Write a table as an Arrow IPC file; the same table gives the same bytes."""
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def map_table(path: str | Path, script: str = "construct_index.py") -> pa.Table:
    """Map an Arrow IPC file as a table; its pages load when they are touched.

    Map only what `Store.check` found whole or what was just written: pyarrow
    does not check offsets, so that a damaged file can crash the process.

    Raises
    ------
    BadArtifact : it is no such file, and `script` has to write it again.
    """
    with (
        reading(path, script, pa.ArrowException),
        pa.memory_map(str(path)) as source,
    ):
        return pa.ipc.open_file(source).read_all()
