"""The export's CSV files as streams of Arrow batches; a file that cannot be read says where."""

from __future__ import annotations

import csv
import gzip
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ..errors import BadInput
from ..store.parallel import in_order

CSV_BLOCK = 16 << 20  # bytes of CSV a batch; a row and the line end before it must fit in one
EXPANDS = 100  # bytes of CSV a byte of gzip; the site's have about 4, a bomb up to 1,032
ROOM = 64 << 20  # bytes of CSV that are read whatever they came from
_TRUE, _FALSE = ["t", "true", "True", "1"], ["f", "false", "False", "0"]
_BESIDE_QUOTE = np.isin(np.arange(256), list(b',\r\n"'))


def find_table(directory: str | Path, table: str) -> Path:
    """The newest `table.csv[.gz]` or `table-YYYY-MM-DD.csv[.gz]` of a directory.

    A date in the name decides; files without one (the site's since June 2026) count as newer
    than any with one, and among equals the one written last wins.

    Raises
    ------
    BadInput : there is none.
    """
    directory = Path(directory)
    pattern = re.compile(re.escape(table) + r"(?:-(\d{4}-\d{2}-\d{2}))?\.csv(?:\.gz)?")
    found = []
    for path in directory.iterdir() if directory.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match and path.is_file():
            found.append((match[1] or "9999", path.stat().st_mtime_ns, path))
    if not found:
        raise BadInput(
            f"{directory}: no {table}.csv or {table}.csv.gz: give the directory of an export"
        )
    return max(found)[2]


def read_batches(path: Path, columns: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """Stream the named columns of a CSV file, whatever their order and whatever else is there.

    An empty field is null in a column of numbers and "" in a column of text; nothing else is
    null, so tags named `null` or `nan` are safe.

    Parameters
    ----------
    path : plain or gzipped CSV with a header row, UTF-8.
    columns : name → Arrow type.

    Raises
    ------
    BadInput : a column is missing or a row cannot be read; names the file and the row or byte.
        A file that expands beyond measure ends at `ROOM`, or `EXPANDS` times its size.
    """
    header = _header(path)
    missing = [name for name in columns if name not in header]
    if missing:
        raise BadInput(f"{path}: no column {', '.join(missing)}: is this the site's export?")
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise BadInput(f"{path}: column {', '.join(twice)} more than once: is this the site's?")
    convert = pa.csv.ConvertOptions(
        include_columns=list(columns),
        column_types=dict(columns),
        null_values=[""],
        true_values=_TRUE,
        false_values=_FALSE,
        strings_can_be_null=False,
    )

    def parse(rows: pa.Buffer) -> list[pa.RecordBatch]:
        table = pa.csv.read_csv(
            pa.BufferReader(rows),
            pa.csv.ReadOptions(use_threads=False, block_size=rows.size, column_names=header),
            pa.csv.ParseOptions(newlines_in_values=True),
            convert,
        )
        return table.to_batches()

    try:
        with _open_arrow(path) as source:
            for batches in in_order(parse, _whole_rows(source, path)):
                yield from batches
    except (ValueError, OSError) as error:
        where = _diagnose(path, columns)
        raise BadInput(f"{path}: {where or str(error).splitlines()[0]}") from None


def _whole_rows(source: pa.NativeFile, path: Path) -> Iterator[pa.Buffer]:
    """Blocks of whole rows without the header; the ends of rows are those outside of quotes.

    Arrow takes a quote within a field as text, and then one that is never closed swallows the row
    after it. Nor may it cut the blocks: its threads would need Python to read them, and one that
    asks for the interpreter while it shuts down ends the process in C++'s way.

    Raises
    ------
    ValueError : a quote that neither opens nor ends a field (RFC 4180), a row without an end.
    BadInput : a small file expands beyond measure.
    """
    most = max(ROOM, EXPANDS * path.stat().st_size)
    rest, start = np.empty(0, np.uint8), 0  # what the last block left, and which byte that is
    while True:
        buffer = pa.allocate_buffer(CSV_BLOCK)
        text = np.frombuffer(buffer, np.uint8)
        text[: len(rest)] = rest
        got = source.readinto(text[len(rest) :])
        text = text[: len(rest) + got]
        if text[:3].tobytes() == b"\xef\xbb\xbf":  # a byte order mark
            text[:3] = ord(",")  # beside which a quote may stand; the header is not looked at
        quotes = np.flatnonzero(text == ord('"'))
        beside = np.concatenate([quotes[::2] - 1, quotes[1::2] + 1])
        beside = beside[(beside >= 0) & (beside < len(text))]
        wrong = beside[~_BESIDE_QUOTE[text[beside]]]
        if len(wrong):
            at = start + int(wrong.min())
            raise ValueError(
                f"byte {at}: a quote within a field or text after it: mend the row"
            )
        if start + len(text) >= most:
            raise BadInput(
                f"{path}: a small file expands to more than {most >> 20:,} MB: "
                "no export does; download it again"
            )
        ends = np.flatnonzero(text == ord("\n")) + 1
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]  # of rows: outside of quotes
        if not got:
            if len(quotes) % 2:
                raise ValueError(f"byte {start + len(text)}: a quote is never closed")
            if start == 0:
                raise ValueError("the file breaks off in its header: download it again")
            ends = np.append(ends, len(text))
        # But for the first block, text[0] is the line end before its rows: at 1 no row has ended.
        first, last = (int(ends[0]), int(ends[-1])) if len(ends) else (1, 1)
        if first < last:  # with the line end in front, or Arrow takes a mark off the first row
            yield buffer.slice(first - 1, last - first + 1)
        elif last == 1 and len(text) == CSV_BLOCK:
            wrong = f"a row of {CSV_BLOCK >> 20} MB or more"
            raise ValueError(
                f"byte {start}: {wrong}: look for an unbalanced quote, or remove it"
            )
        if not got:
            return
        rest, start = text[last - 1 :], start + last - 1


def _open_arrow(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None)


def _open_binary(path: Path):
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def _header(path: Path) -> list[str]:
    try:
        with _open_binary(path) as file:
            line = file.readline(1 << 20)
        if line.count(b'"') % 2:
            raise csv.Error("the header's first line ends within quotes")
        return next(csv.reader([line.decode("utf-8-sig")]), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: {error}: download it again") from None


def _diagnose(path: Path, columns: Mapping[str, pa.DataType]) -> str | None:
    """Find the first row that cannot be read, one at a time: slow, for the error message only."""
    csv.field_size_limit(sys.maxsize)
    row, line, at, start = 1, 1, 0, 0
    try:
        with _open_binary(path) as file:

            def lines() -> Iterator[str]:
                nonlocal at
                while raw := file.readline(CSV_BLOCK + 1):
                    if at + len(raw) - start > CSV_BLOCK:
                        raise csv.Error(f"longer than {CSV_BLOCK >> 20} MB")
                    text = raw.decode("utf-8-sig" if at == 0 else "utf-8")
                    at += len(raw)
                    yield text

            reader = csv.reader(lines(), strict=True)
            header = next(reader)
            types = [columns.get(name) for name in header]
            line, start = reader.line_num + 1, at
            for values in reader:
                row += 1
                if values and len(values) != len(header):
                    found = f"{len(values)} fields, expected {len(header)}"
                    return f"row {row} (line {line}): {found}: mend or remove the row"
                for name, kind, value in zip(header, types, values, strict=False):
                    if kind is not None and not _fits(kind, value):
                        wrong = f"{name} is {value[:40]!r}, expected {kind}"
                        return f"row {row} (line {line}): {wrong}: mend or remove the row"
                line, start = reader.line_num + 1, at
    except UnicodeDecodeError as error:
        byte = at + error.start
        return (
            f"byte {byte} (row {row + 1}) is not UTF-8: convert the file or download it again"
        )
    except csv.Error as error:
        return f"row {row + 1} (line {line}): {error}: look for an unbalanced quote, or remove the row"
    except (OSError, EOFError, zlib.error) as error:
        return f"the file breaks off or is damaged at byte {at} ({error}): download it again"
    return None


def _fits(kind: pa.DataType, value: str) -> bool:
    if value == "" or pa.types.is_string(kind):
        return True
    if pa.types.is_boolean(kind):
        return value in _TRUE + _FALSE
    low, high = 0, 1 << kind.bit_width
    if pa.types.is_signed_integer(kind):
        low, high = -(high >> 1), high >> 1
    return re.fullmatch(r"-?[0-9]{1,20}", value) is not None and low <= int(value) < high
