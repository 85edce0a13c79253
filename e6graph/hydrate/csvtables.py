"""Read the export's CSV files as Arrow batches, and say where one cannot be read.

We cut the files into blocks of whole rows ourselves. Arrow's own stream
reader takes as long and has two faults: after a stray quote it swallows rows
without a word, and its threads, which ask Python for bytes, can abort a
process that ends early.
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
from tqdm import tqdm

from ..errors import BadInput, BadTable
from ..store.parallel import in_order
from .packed import gzip_damage

CSV_BLOCK = 16 << 20  # bytes of CSV in a batch; any row must fit
CSV_UNCHECKED = 64 << 20  # bytes of CSV that are read whatever the size of the file
CSV_EXPANSION = 100  # bytes of CSV for one of gzip: about 4 in the site's, 1,032 in a bomb

_TRUE = ["t", "true", "True", "1"]
_FALSE = ["f", "false", "False", "0"]
_BESIDE_QUOTE = np.isin(np.arange(256), list(b',\r\n"'))  # bytes that may be there


def find_table(directory: str | Path, table: str) -> Path:
    """Return the newest `table.csv[.gz]` or `table-YYYY-MM-DD.csv[.gz]` of a directory.

    A browser that downloads a file again adds a number, as in `posts (1).csv.gz` or
    `posts.csv (1).gz`; such a name is taken too. A file without a date in its name
    (the site's since June 2026) is newer than any with one; among equals the one
    written last is taken.

    Raises
    ------
    BadInput : the directory holds no such table. Files that look like it are named.
    """
    directory = Path(directory)
    copy = r"(?: ?\(\d+\))?"
    name = rf"{re.escape(table)}(?:-(\d{{4}}-\d{{2}}-\d{{2}}))?{copy}\.csv{copy}(?:\.gz)?"
    pattern = re.compile(name, re.ASCII)
    found, similar = [], []
    for path in directory.iterdir() if directory.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match and path.suffix in (".csv", ".gz") and path.is_file():
            found.append((match[1] or "9999", path.stat().st_mtime_ns, path))
        elif path.is_file() and _looks_like(path.name, table):
            similar.append(path.name)
    if not found:
        wanted = f"no {table}.csv or {table}.csv.gz"
        if similar:
            there = f"{directory}: {wanted}, but {min(similar)!r}"
            raise BadInput(f"{there}: if that is the export's, rename it")
        raise BadInput(f"{directory}: {wanted}: give the directory of an export")
    return max(found)[2]


def _looks_like(file_name: str, table: str) -> bool:
    """Say whether a file may be a table under another name, as `posts - Copy.csv.gz`.

    >>> _looks_like("Posts-copy.CSV.gz", "posts"), _looks_like("tag_aliases.csv", "tags")
    (True, False)
    """
    return (
        re.match(rf"{re.escape(table)}(?!_?[a-z]).*csv", file_name, re.IGNORECASE) is not None
    )


def read_batches(
    path: Path,
    columns: Mapping[str, pa.DataType],
    progress: bool = False,
    optional: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Yield the named columns of a CSV file, in whatever order the file has them.

    An empty field is null in a column of numbers and "" in a column of text.
    No other text is null, so tags named `null` or `nan` are safe.

    Parameters
    ----------
    path : plain or gzipped CSV with a header row, UTF-8.
    columns : name → Arrow type.
    progress : draw a bar, if standard error is a terminal.
    optional : columns that the file may lack; they are then empty in every row.

    Raises
    ------
    BadInput : a column is missing; a row cannot be read, and which; or a file
        expands to more than `CSV_UNCHECKED` bytes and `CSV_EXPANSION` times its
        size.
    """
    header = _read_header(path)
    missing = [name for name in columns if name not in {*header, *optional}]
    if missing:
        names = ", ".join(missing)
        why = "is this the site's export?"
        if not header:
            why = "the file is empty, or begins with an empty line: download it again"
        raise BadTable(path, f"no column {names}: {why}")
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        names = ", ".join(twice)
        raise BadTable(path, f"column {names} more than once: is this the site's?")
    # Whole numbers are read as text first, since Arrow would take 0x10 and " 3 " as well.
    read_as = {
        name: pa.string() if pa.types.is_integer(kind) else kind
        for name, kind in columns.items()
    }
    conversion = pa.csv.ConvertOptions(
        include_columns=list(columns),
        include_missing_columns=True,
        column_types=read_as,
        null_values=[""],
        true_values=_TRUE,
        false_values=_FALSE,
        strings_can_be_null=True,
    )

    def parse(rows: pa.Buffer) -> list[pa.RecordBatch]:
        options = pa.csv.ReadOptions(
            use_threads=False, block_size=rows.size, column_names=header
        )
        quoting = pa.csv.ParseOptions(newlines_in_values=True)
        table = pa.csv.read_csv(pa.BufferReader(rows), options, quoting, conversion)
        return [_converted(batch, columns) for batch in table.to_batches()]

    try:
        size, hidden = path.stat().st_size, None if progress else True
        bar = tqdm(desc=path.name, total=size, unit="B", unit_scale=True, disable=hidden)
        with bar, _open_arrow(path) as file:
            source = file
            if path.suffix == ".gz":
                source = pa.CompressedInputStream(file, "gzip")
            for batches in in_order(parse, _blocks_of_rows(source, path)):
                yield from batches
                bar.update(file.tell() - bar.n)
    except (ValueError, OSError) as error:
        where = _find_bad_row(path, columns)
        raise BadTable(path, where or str(error).splitlines()[0]) from None


def _converted(batch: pa.RecordBatch, columns: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """Make text into whole numbers, and no text into "".

    Raises
    ------
    ValueError : a number has other characters than digits and "-".
    """
    made = []
    for name, kind in columns.items():
        column = batch[name]
        if pa.types.is_integer(kind):
            digits = np.frombuffer(column.buffers()[2] or b"", np.uint8)
            if ((digits - ord("0") > 9) & (digits != ord("-"))).any():  # below "0" is above 9
                raise ValueError(f"{name}: expected whole numbers")
            column = column.cast(kind)
        elif pa.types.is_string(kind):
            column = column.fill_null("")
        made.append(column)
    return pa.RecordBatch.from_arrays(made, list(columns))


def _blocks_of_rows(source: pa.NativeFile, path: Path) -> Iterator[pa.Buffer]:
    """Yield blocks of whole rows without the header.

    Raises
    ------
    ValueError : a quote neither opens nor ends a field (RFC 4180), or a row does not end.
    BadInput : a small file expands to more than an export's would.
    """
    most = max(CSV_UNCHECKED, CSV_EXPANSION * path.stat().st_size)
    rest = np.empty(0, np.uint8)  # what the last block left over
    start = 0  # the byte of the file at which it begins
    while True:
        buffer = pa.allocate_buffer(CSV_BLOCK)
        text = np.frombuffer(buffer, np.uint8)
        text[: len(rest)] = rest
        got = source.readinto(text[len(rest) :])
        text = text[: len(rest) + got]
        if text[:3].tobytes() == b"\xef\xbb\xbf":
            # A quote may follow a byte order mark; the header is not used.
            text[:3] = ord(",")

        # Quotes open and close in turn; beside them a field must begin or end.
        quotes = np.flatnonzero(text == ord('"'))
        beside = np.concatenate([quotes[::2] - 1, quotes[1::2] + 1])
        beside = beside[(beside >= 0) & (beside < len(text))]
        wrong = beside[~_BESIDE_QUOTE[text[beside]]]
        if len(wrong):
            byte = start + int(wrong.min())
            raise ValueError(
                f"byte {byte}: a quote within a field or text after it: mend the row"
            )
        if start + len(text) >= most:
            raise BadTable(
                path,
                f"a small file expands to more than {most >> 20:,} MB: "
                "no export does; download it again",
            )

        # A line end ends a row if the number of quotes before it is even.
        ends = np.flatnonzero(text == ord("\n")) + 1
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
        if not got:
            if len(quotes) % 2:
                raise ValueError(f"byte {start + len(text)}: a quote is never closed")
            if start == 0:
                raise ValueError("the file breaks off in its header: download it again")
            ends = np.append(ends, len(text))

        # After the first block, text[0] is the line end before the block's
        # rows, so an end at 1 ends no row. It is passed on, or Arrow would
        # take a mark off the first row.
        first, last = (int(ends[0]), int(ends[-1])) if len(ends) else (1, 1)
        if first < last:
            yield buffer.slice(first - 1, last - first + 1)
        elif last == 1 and len(text) == CSV_BLOCK:
            raise ValueError(
                f"byte {start}: a row of {CSV_BLOCK >> 20} MB or more: look for an "
                "unbalanced quote, or remove it"
            )
        if not got:
            return
        rest, start = text[last - 1 :], start + last - 1


def _open_arrow(path: Path) -> pa.NativeFile:
    return pa.OSFile(str(path))


def _open_binary(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    return open(path, "rb")


def _read_header(path: Path) -> list[str]:
    try:
        with _open_binary(path) as file:
            line = file.readline(1 << 20)
        if line.count(b'"') % 2:
            raise csv.Error("the header's first line ends within quotes")
        return next(csv.reader([line.decode("utf-8-sig")]), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise BadTable(path, f"{error}: download it again") from None


def _find_bad_row(path: Path, columns: Mapping[str, pa.DataType]) -> str | None:
    """Say where the first row is that cannot be read.

    It reads one row at a time, which is slow: call it for an error message only.
    """
    csv.field_size_limit(sys.maxsize)
    row = line = 1
    byte = row_start = 0
    try:
        with _open_binary(path) as file:

            def lines() -> Iterator[str]:
                nonlocal byte
                while raw := file.readline(CSV_BLOCK + 1):
                    if byte + len(raw) - row_start > CSV_BLOCK:
                        raise csv.Error(f"longer than {CSV_BLOCK >> 20} MB")
                    text = raw.decode("utf-8-sig" if byte == 0 else "utf-8")
                    byte += len(raw)
                    yield text

            reader = csv.reader(lines(), strict=True)
            header = next(reader)
            types = [columns.get(name) for name in header]
            line, row_start = reader.line_num + 1, byte
            for values in reader:
                row += 1
                if wrong := _row_fault(values, header, types):
                    where = f"row {row} (line {line})"
                    return f"{where}: {wrong}: mend or remove the row"
                line, row_start = reader.line_num + 1, byte
    except UnicodeDecodeError as error:
        where = f"byte {byte + error.start} (row {row + 1})"
        return f"{where} is not UTF-8: convert the file or download it again"
    except csv.Error as error:
        where = f"row {row + 1} (line {line})"
        return f"{where}: {error}: look for an unbalanced quote, or remove the row"
    except (OSError, EOFError, zlib.error) as error:
        damage = gzip_damage(path) if path.suffix == ".gz" else ""
        where = f"at byte {byte} ({damage or error})"
        return f"the file breaks off or is damaged {where}: download it again"
    if path.suffix == ".gz" and (damage := gzip_damage(path)):
        return f"the gzip is damaged: {damage}: download it again"
    return None


def _row_fault(
    values: list[str], header: list[str], types: list[pa.DataType | None]
) -> str | None:
    """Say what is wrong with a row's fields."""
    if values and len(values) != len(header):
        return f"{len(values)} fields, expected {len(header)}"
    for name, kind, value in zip(header, types, values, strict=False):
        if kind is not None and not _fits(kind, value):
            return f"{name} is {value[:40]!r}, expected {kind}"
    return None


def _fits(kind: pa.DataType, value: str) -> bool:
    """Say whether Arrow can read a field as this type."""
    if value == "" or pa.types.is_string(kind):
        return True
    if pa.types.is_boolean(kind):
        return value in _TRUE + _FALSE
    low, high = 0, 1 << kind.bit_width
    if pa.types.is_signed_integer(kind):
        low, high = -(high >> 1), high >> 1
    return bool(re.fullmatch(r"-?[0-9]{1,20}", value)) and low <= int(value) < high
