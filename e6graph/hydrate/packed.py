"""Find the damage in a gzip file. The libraries that read gzip judge it differently.

Python's gzip module takes an empty file for empty text and steps over zeros at the
end; Arrow says "incorrect header check" to both.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from tqdm import tqdm

GZIP_START = b"\x1f\x8b"  # RFC 1952, 2.3.1
BLOCK = 1 << 14  # bytes that are read at a time; they unpack to 17 MB at most


def gzip_damage(path: str | Path, progress: bool = False) -> str:
    """Read a gzip file to its end; return what is wrong with it, "" if nothing is.

    Parameters
    ----------
    progress : draw a bar, if standard error is a terminal.
    """
    size = Path(path).stat().st_size
    if not size:
        return "it is empty"
    hidden = None if progress else True
    bar = tqdm(desc="checking", total=size, unit="B", unit_scale=True, disable=hidden)
    with bar, open(path, "rb") as file:
        member, begun = zlib.decompressobj(wbits=31), False
        while data := member.unused_data or file.read(BLOCK):
            if member.eof:  # a file may have several members, one after another
                member, begun = zlib.decompressobj(wbits=31), False
            at = file.tell() - len(data)
            start = data[:1] + (data[1:2] or file.peek(1)[:1])
            if at and not begun and start != GZIP_START:
                return _trailing(size - at, not data.strip(b"\0"))
            try:
                member.decompress(data)
            except zlib.error as error:
                reason = str(error).rpartition(": ")[2]  # "incorrect header check"
                return f"{reason} before byte {file.tell():,} of the gzip"
            begun = True
            bar.update(file.tell() - bar.n)
    if not member.eof:
        return f"it breaks off after {size:,} bytes"
    return ""


def _trailing(count: int, zeros: bool) -> str:
    what = "zeros" if zeros else "bytes that are not gzip"
    return f"after its end come {count:,} {what}"
