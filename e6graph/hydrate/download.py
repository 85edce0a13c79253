"""One file of the site, whole or not at all: resumed, verified, renamed into place.

Ranges, If-Range and validators follow RFC 9110, sections 8.8, 13.1.5, 14 and 15.5.17.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import re
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import requests
from tqdm import tqdm

from ..errors import DownloadError
from ..store.files import sha256_file, write_atomic
from .client import Broken, Client, number


class Mismatch(DownloadError):
    """A file came that is not the one the list promised: the list may be behind the file."""


def check_disk(directory: Path, need: int) -> None:
    """Raise DownloadError unless `need` more bytes fit on the disk of `directory`."""
    free = shutil.disk_usage(directory).free
    if need > free:
        raise DownloadError(
            f"{directory}: got {free:,} bytes free, expected {need:,} for what is to be "
            "downloaded: make room or name a directory on another disk"
        )


def part_path(target: Path) -> Path:
    """Where the bytes of `target` wait until all of them are there."""
    return target.with_name(f"{target.name}.part")


def download(
    client: Client,
    url: str,
    target: Path,
    size: int | None = None,
    sha256: str | None = None,
    progress: bool = True,
) -> str:
    """Fetch one file to `target`, which stays as it was until the new one is verified.

    What has come waits in `{target}.part`, and `{target}.part.json` says what it is part of, so
    that a later call asks for the rest only. A `.gz` without a checksum is read to its end.

    Parameters
    ----------
    size, sha256 : bytes and lower-case hex as promised; None where nothing is.
    progress : draw a bar, if standard error is a terminal.

    Returns
    -------
    Hex SHA-256 of the file.

    Raises
    ------
    Mismatch : it is not what was promised; the target is as it was.
    DownloadError : it did not come; the target is as it was, and what came waits for next time.
    """
    part = part_path(target)
    note = part.with_name(f"{part.name}.json")
    with open(part, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DownloadError(f"{target}: another process is downloading it") from None
        try:
            # whole already: the list was behind the file when it came, or we were killed
            done = size is not None and _length(file) == size and sha256_file(part) == sha256
            if not done:
                with tqdm(
                    desc=target.name,
                    total=size,
                    unit="B",
                    unit_scale=True,
                    disable=None if progress else True,
                ) as bar:
                    _Transfer(client, url, file, note, size, sha256, bar).run()
            digest = _verify(url, file, target, size, sha256)
            os.fsync(file.fileno())
            os.replace(part, target)
            note.unlink(missing_ok=True)
        finally:
            if _length(file) == 0:
                part.unlink(missing_ok=True)
                note.unlink(missing_ok=True)
    return digest


class _Transfer:
    """The attempts at one file; each continues where the one before it ended."""

    def __init__(
        self,
        client: Client,
        url: str,
        file: BinaryIO,
        note: Path,
        size: int | None,
        sha256: str | None,
        bar: tqdm,
    ) -> None:
        self.client, self.url, self.file, self.note = client, url, file, note
        self.size, self.sha256, self.bar = size, sha256, bar
        if not self._resumable():
            file.truncate(0)

    def _resumable(self) -> bool:
        have, known = _length(self.file), self._read_note()
        if known.get("url") != self.url or (self.size is not None and have > self.size):
            return False
        if self.sha256 is not None and have == self.size:
            return False  # `download` has seen that it is another file
        # without a validator, only a checksum can tell whether two halves belong together
        same = self.sha256 is not None and known.get("sha256") == self.sha256
        return bool(known.get("etag") or known.get("modified") or same)

    def run(self) -> None:
        self.client.get(self.url, self._take, self._headers, lambda: _length(self.file))

    def _headers(self) -> dict[str, str]:
        have, known = _length(self.file), self._read_note()
        if not have:
            return {}
        # a weak tag may not be used here (RFC 9110, 13.1.5)
        tag = known.get("etag") or ""
        validator = tag if tag and not tag.startswith("W/") else known.get("modified")
        return {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})

    def _take(self, response: requests.Response) -> None:
        have, headers, status = _length(self.file), response.headers, response.status_code
        first, total = _content_range(headers.get("Content-Range", ""))
        if status == 416 and have:
            if total == have:
                return  # nothing is missing
            self._start_over("the file is shorter than what came of it before")
        if status not in (200, 206) or (status == 206 and not have):
            raise DownloadError(
                f"{self.url}: got status {status}, expected 200: is it the file?"
            )
        if "html" in headers.get("Content-Type", ""):
            raise DownloadError(
                f"{self.url}: got an HTML page, expected the file: try it later"
            )
        if status == 200:
            first, total = 0, number(headers.get("Content-Length"))
        elif first != have or self._replaced(headers):
            self._start_over("the file was replaced meanwhile")
        if total is not None and self.size is not None and total != self.size:
            raise Mismatch(
                f"{self.url}: got a file of {total:,} bytes, expected {self.size:,} as the list "
                "says: it may be being replaced, try again later"
            )
        if status == 200:
            self.file.truncate(0)
            self._write_note(headers)
        expected = self.size if total is None else total
        check_disk(self.note.parent, (expected or 0) - first)
        self.bar.total, self.bar.n, came = expected, first, first
        for block in self.client.blocks(response):
            self.file.write(block)
            self.bar.update(len(block))
            came += len(block)
            if expected is not None and came > expected:
                self.file.truncate(0)
                raise Mismatch(f"{self.url}: got more than the {expected:,} bytes expected")
        if expected is not None and came < expected:
            raise Broken("the connection was dropped before the end")

    def _replaced(self, headers: Mapping[str, str]) -> bool:
        """A server that ignores If-Range sends the end of another file after our beginning."""
        known = self._read_note()
        pairs = ((known.get("etag"), "ETag"), (known.get("modified"), "Last-Modified"))
        return any(old and headers.get(name, old) != old for old, name in pairs)

    def _start_over(self, why: str) -> None:
        self.file.truncate(0)
        raise Broken(why)

    def _read_note(self) -> dict[str, str | None]:
        try:
            known = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write_note(self, headers: Mapping[str, str]) -> None:
        known = {
            "url": self.url,
            "size": self.size,
            "sha256": self.sha256,
            "etag": headers.get("ETag"),
            "modified": headers.get("Last-Modified"),
        }
        write_atomic(self.note, json.dumps(known).encode())


def _length(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _content_range(text: str) -> tuple[int | None, int | None]:
    """First byte and length of the whole.

    >>> _content_range("bytes 5-9/10"), _content_range("bytes */10")
    ((5, 10), (None, 10))
    """
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", text, re.ASCII)
    return (number(match[1]), number(match[2])) if match else (None, None)


def _verify(
    url: str, file: BinaryIO, target: Path, size: int | None, sha256: str | None
) -> str:
    """Hex SHA-256 of a part that is what it should be; Mismatch otherwise."""
    have, digest = _length(file), sha256_file(file.name)
    if size is not None and have != size:
        raise Mismatch(f"{url}: got {have:,} bytes, expected {size:,}: try again later")
    if sha256 is not None:
        if digest != sha256:
            if size is None:  # else the next call compares it with a newer list first
                file.truncate(0)
            raise Mismatch(
                f"{url}: got SHA-256 {digest[:12]}…, expected {sha256[:12]}… as the list says: "
                "it may be being replaced, try again later"
            )
    elif target.suffix == ".gz" and (damage := _gzip_damage(file.name)):
        file.truncate(0)
        raise Mismatch(f"{url}: got a damaged gzip ({damage}), expected a whole one: try later")
    return digest


def _gzip_damage(path: str) -> str:
    """What is wrong with a gzip, '' if it can be read to its end."""
    if not os.path.getsize(path):
        return "it is empty"  # which the gzip module takes for a whole one
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        return str(error)
    return ""
