"""Download one file: resume it, verify it, and only then rename it into place.

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
from typing import BinaryIO, NoReturn

import requests
from tqdm import tqdm

from ..errors import DownloadError
from ..store.files import sha256_file, write_atomic
from .client import Broken, Client, parse_count


class Mismatch(DownloadError):
    """A file that is not the one on the list; the site may have replaced it since."""


def check_disk(directory: Path, need: int) -> None:
    """Raise DownloadError unless `need` more bytes fit on the disk of `directory`."""
    free = shutil.disk_usage(directory).free
    if need > free:
        raise DownloadError(
            f"{directory}: got {free:,} bytes free, expected {need:,} for the download: "
            "make room or name a directory on another disk"
        )


def part_path(target: Path) -> Path:
    """Return where the bytes of `target` are kept until all have come."""
    return target.with_name(f"{target.name}.part")


def download(
    client: Client,
    url: str,
    target: Path,
    size: int | None = None,
    sha256: str | None = None,
    progress: bool = True,
) -> str:
    """Download one file; `target` is replaced when the new one is verified.

    What has come is kept in `{target}.part`, and `{target}.part.json` says what it is part of,
    so that a later call asks for the rest only. A `.gz` without a checksum is read to its end.

    Parameters
    ----------
    size, sha256 : bytes and lower-case hex of the file, as far as the site's list gives them.
    progress : draw a bar, if standard error is a terminal.

    Returns
    -------
    Hex SHA-256 of the file.

    Raises
    ------
    Mismatch : the file is not the one on the list; the target is unchanged.
    DownloadError : it did not come; the target is unchanged, what came is kept for next time.
    """
    part = part_path(target)
    note = part.with_name(f"{part.name}.json")
    with open(part, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DownloadError(f"{target}: another process is downloading it") from None
        try:
            # All is here already if an earlier call came before the list was up to date, or was
            # killed just before the renaming.
            done = size is not None and _length(file) == size and sha256_file(part) == sha256
            if not done:
                hidden = None if progress else True
                with tqdm(
                    desc=target.name, total=size, unit="B", unit_scale=True, disable=hidden
                ) as bar:
                    _Transfer(client, url, file, note, size, sha256, bar).run()
            digest = _verify(url, file, target, size, sha256, progress)
            os.fsync(file.fileno())
            os.replace(part, target)
            note.unlink(missing_ok=True)
        finally:
            if _length(file) == 0:
                part.unlink(missing_ok=True)
                note.unlink(missing_ok=True)
    return digest


class _Transfer:
    """The attempts at one file, each of which continues where the one before it ended."""

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
        self.client = client
        self.url = url
        self.file = file
        self.note = note
        self.size = size
        self.sha256 = sha256
        self.bar = bar
        if not self._resumable():
            file.truncate(0)

    def _resumable(self) -> bool:
        have, known = _length(self.file), self._read_note()
        if known.get("url") != self.url or (self.size is not None and have > self.size):
            return False
        if self.sha256 is not None and have == self.size:
            return False  # `download` found that its checksum is another
        # Without a validator, only a checksum can tell whether two halves belong together.
        same_file = self.sha256 is not None and known.get("sha256") == self.sha256
        return bool(known.get("etag") or known.get("modified") or same_file)

    def run(self) -> None:
        self.client.get(self.url, self._receive, self._headers, lambda: _length(self.file))

    def _headers(self) -> dict[str, str]:
        have, known = _length(self.file), self._read_note()
        if not have:
            return {}
        headers = {"Range": f"bytes={have}-"}
        # If-Range takes no weak tag (RFC 9110, 13.1.5).
        tag = known.get("etag") or ""
        validator = known.get("modified") if not tag or tag.startswith("W/") else tag
        return headers | ({"If-Range": validator} if validator else {})

    def _receive(self, response: requests.Response) -> None:
        """Append an answer to the file, or replace what came before by it."""
        have, status, headers = _length(self.file), response.status_code, response.headers
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
            raise DownloadError(f"{self.url}: got an HTML page, expected the file: try later")
        if status == 200:
            have, total = 0, parse_count(headers.get("Content-Length"))
        elif first != have or self._replaced(headers):
            self._start_over("the file was replaced meanwhile")
        if total is not None and self.size is not None and total != self.size:
            raise Mismatch(
                f"{self.url}: got a file of {total:,} bytes, expected {self.size:,} as the list "
                "says: the site may be replacing it, try again later"
            )

        if status == 200:
            self.file.truncate(0)
            self._write_note(headers)
        expected = self.size if total is None else total
        if expected is not None:
            check_disk(self.note.parent, expected - have)
        self.bar.total, self.bar.n = expected, have
        for block in self.client.blocks(response):
            self.file.write(block)
            self.bar.update(len(block))
            have += len(block)
            if expected is not None and have > expected:
                self.file.truncate(0)
                raise Mismatch(f"{self.url}: got more than the {expected:,} bytes expected")
        if expected is not None and have < expected:
            raise Broken("the connection was dropped before the end")

    def _replaced(self, headers: Mapping[str, str]) -> bool:
        """Say whether this is the end of another file, sent by a server that ignores If-Range."""
        known = self._read_note()
        pairs = ((known.get("etag"), "ETag"), (known.get("modified"), "Last-Modified"))
        return any(old and headers.get(name, old) != old for old, name in pairs)

    def _start_over(self, why: str) -> NoReturn:
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
            "sha256": self.sha256,
            "etag": headers.get("ETag"),
            "modified": headers.get("Last-Modified"),
        }
        write_atomic(self.note, json.dumps(known).encode())


def _length(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _content_range(text: str) -> tuple[int | None, int | None]:
    """Parse a Content-Range into its first byte and the length of the whole file.

    >>> _content_range("bytes 5-9/10"), _content_range("bytes */10")
    ((5, 10), (None, 10))
    """
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", text, re.ASCII)
    return (parse_count(match[1]), parse_count(match[2])) if match else (None, None)


def _verify(
    url: str,
    file: BinaryIO,
    target: Path,
    size: int | None,
    sha256: str | None,
    progress: bool,
) -> str:
    """Return the hex SHA-256 of a whole part; raise Mismatch if it is not what was expected."""
    have, digest = _length(file), sha256_file(file.name)
    if size is not None and have != size:
        raise Mismatch(f"{url}: got {have:,} bytes, expected {size:,}: try again later")
    if sha256 is not None:
        if digest != sha256:
            # With a known size the part is kept: it may be what a newer list promises.
            if size is None:
                file.truncate(0)
            raise Mismatch(
                f"{url}: got SHA-256 {digest[:12]}…, expected {sha256[:12]}… as the list says: "
                "the site may be replacing it, try again later"
            )
    elif target.suffix == ".gz" and (damage := _gzip_damage(file.name, progress)):
        file.truncate(0)
        raise Mismatch(f"{url}: got a damaged gzip ({damage}), expected a whole one: try later")
    return digest


def _gzip_damage(path: str, progress: bool) -> str:
    """Say what is wrong with a gzip file; "" if it can be read to its end."""
    size, hidden = os.path.getsize(path), None if progress else True
    if not size:
        return "it is empty"  # which the gzip module accepts
    try:
        bar = tqdm(desc="checking", total=size, unit="B", unit_scale=True, disable=hidden)
        with bar, open(path, "rb") as packed, gzip.open(packed) as file:
            while file.read(1 << 20):
                bar.update(packed.tell() - bar.n)
    except (OSError, EOFError, zlib.error) as error:
        return str(error)
    return ""
