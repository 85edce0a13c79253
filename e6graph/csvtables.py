"""The export's CSV files as streams of Arrow batches; a file that cannot be read says where."""

from __future__ import annotations

import csv
import gzip
import re
import sys
import threading
import weakref
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from .errors import BadInput, E6GraphError

BLOCK = 16 << 20  # bytes of CSV a batch; a row must fit in one
EXPANDS = 100  # bytes of CSV a byte of gzip; the site's have about 4, a bomb up to 1,032
LET_GO = 5.0  # seconds that Arrow may take for it; a block is read in a tenth
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
    most = max(ROOM, EXPANDS * path.stat().st_size)
    options = (
        pa.csv.ReadOptions(block_size=BLOCK),
        pa.csv.ParseOptions(newlines_in_values=True),
        pa.csv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict(columns),
            null_values=[""],
            true_values=_TRUE,
            false_values=_FALSE,
            strings_can_be_null=False,
        ),
    )
    try:
        with _open_arrow(path) as source:
            yield from _read(_Checked(source, path, most), options)
    except (ValueError, OSError) as error:
        where = _diagnose(path, columns)
        raise BadInput(f"{path}: {where or str(error).splitlines()[0]}") from None


def _read(checked: _Checked, options: tuple) -> Iterator[pa.RecordBatch]:
    """The batches of a stream. Arrow reads it in a thread of its own, and has let go at the end.

    A thread that wants the interpreter while it shuts down ends the process in C++'s way.
    """
    failures, let_go = checked.failures, threading.Event()
    weakref.finalize(checked, let_go.set)
    source, reader = pa.PythonFile(checked, "r"), None
    del checked
    try:
        reader = pa.csv.open_csv(source, *options)
        for batch in reader:
            if failures:
                break  # what comes after is cut off
            yield batch
    except (ValueError, OSError):
        if not failures:
            raise
    finally:
        source = reader = batch = None
        let_go.wait(LET_GO)
    if failures:
        raise failures[0]


class _Checked:
    """A stream of CSV that refuses a quote which neither opens nor ends a field (RFC 4180).

    Arrow takes it as text, and then a field that is not closed swallows the row after it.
    After `most` bytes it refuses to go on.
    """

    closed = False

    def __init__(self, source: pa.NativeFile, path: Path, most: int) -> None:
        self._source, self._start = source, -1
        self._path, self._most = path, most
        self._last, self._inside = b"\n", False  # the last byte, and what was open before it
        self.failures: list[Exception] = []

    def read(self, size: int | None = None) -> bytes:
        """The next block; nothing after a failure, for an exception would keep the stream alive."""
        try:
            return b"" if self.failures else self._next(size)
        except (ValueError, OSError, E6GraphError) as error:
            self.failures.append(error.with_traceback(None))
            return b""

    def _next(self, size: int | None) -> bytes:
        block = self._source.read(size)
        text = np.frombuffer(self._last + block, np.uint8)
        if not block:
            if self._inside != (self._last == b'"'):
                raise ValueError(f"byte {self._start + 1}: a quote is never closed")
            return block
        if self._start < 0 and block.startswith(b"\xef\xbb\xbf"):  # a byte order mark
            text = text.copy()
            text[1:4] = 10
        quotes = np.flatnonzero(text == 34)
        opens = (np.arange(len(quotes)) + self._inside) % 2 == 0
        before, after = quotes[opens] - 1, quotes[~opens] + 1
        beside = np.concatenate([before[before >= 0], after[after < len(text)]])
        wrong = beside[~_BESIDE_QUOTE[text[beside]]]
        if len(wrong):
            at = self._start + int(wrong.min())
            raise ValueError(f"byte {at}: a quote within a field or text after it: mend the row")
        self._inside ^= bool((len(quotes) - (text[-1] == 34)) % 2)
        self._start += len(block)
        self._last = block[-1:]
        if self._start >= self._most:
            raise BadInput(
                f"{self._path}: a small file expands to more than {self._most >> 20:,} MB: "
                "no export does; download it again"
            )
        return block


def _open_arrow(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None)


def _open_binary(path: Path):
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def _header(path: Path) -> list[str]:
    try:
        with _open_binary(path) as file:
            line = file.readline(1 << 20)
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
                while raw := file.readline(BLOCK + 1):
                    if at + len(raw) - start > BLOCK:
                        raise csv.Error(f"longer than {BLOCK >> 20} MB")
                    text = raw.decode("utf-8")
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
        return f"byte {byte} (row {row + 1}) is not UTF-8: convert the file or download it again"
    except csv.Error as error:
        return (
            f"row {row + 1} (line {line}): {error}: look for an unbalanced quote, or remove the row"
        )
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
