"""Download one file: resume it, verify it, and only then rename it into place.

Ranges, If-Range and validators follow RFC 9110, sections 8.8, 13.1.5, 14 and 15.5.17.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NoReturn

import requests
from tqdm import tqdm

from ..errors import DownloadError
from ..store.files import sha256_file, write_atomic
from .client import Client, parse_count
from .packed import gzip_damage
from .patience import Broken


class Mismatch(DownloadError):
    """A file that is not the one on the list; the site may have replaced it since."""


def check_disk(directory: Path, need: int) -> None:
    """Raise DownloadError unless `need` more bytes fit on the disk of `directory`."""
    free = shutil.disk_usage(directory).free
    if need > free:
        raise DownloadError(
            f"{directory}: got {free:,} bytes free, expected {need:,} for the "
            "download: make room or name a directory on another disk"
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
) -> str:
    """Download one file; `target` is replaced when the new one is verified.

    What has come is kept in `{target}.part`, and `{target}.part.json` says
    what it is part of, so that a later call asks for the rest only. A `.gz`
    without a checksum is checked by reading it to its end.

    Parameters
    ----------
    size, sha256 : bytes and lower-case hex, as far as the site's list gives them.

    Returns
    -------
    Hex SHA-256 of the file.

    Raises
    ------
    Mismatch : the file is not the one on the list; the target is unchanged.
    DownloadError : it did not come in full; the target is unchanged.
    """
    part = part_path(target)
    with open(part, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DownloadError(f"{target}: another process is downloading it") from None
        transfer = _Transfer(client, url, target, size, sha256, file)
        try:
            if not transfer.is_done():
                transfer.run()
            digest = transfer.verify()
            os.fsync(file.fileno())
            os.replace(part, target)
            transfer.note.unlink(missing_ok=True)
        finally:
            if transfer.length() == 0:
                part.unlink(missing_ok=True)
                transfer.note.unlink(missing_ok=True)
    return digest


@dataclass
class _Transfer:
    """The attempts at one file; each continues where the one before it ended."""

    client: Client
    url: str
    target: Path
    size: int | None
    sha256: str | None
    file: BinaryIO

    @property
    def note(self) -> Path:
        return Path(f"{self.file.name}.json")

    def length(self) -> int:
        self.file.flush()
        return os.fstat(self.file.fileno()).st_size

    def is_done(self) -> bool:
        """Say whether an earlier call got it all.

        It was killed before the renaming, or the list was older than the file.
        """
        if self.size is None or self.length() != self.size:
            return False
        return sha256_file(self.file.name) == self.sha256

    def run(self) -> None:
        if not self._resumable():
            self.file.truncate(0)
        with _byte_bar(self.target.name, self.size) as bar:
            receive = partial(self._receive, bar)
            self.client.get(self.url, receive, self._headers, self.length)

    def _resumable(self) -> bool:
        have, known = self.length(), self._read_note()
        if known.get("url") != self.url:
            return False
        if self.size is not None and have > self.size:
            return False
        if self.sha256 is not None and have == self.size:
            return False  # since it is not done, its checksum is wrong
        # Without a validator only a checksum tells if two halves fit together.
        same_file = self.sha256 is not None and known.get("sha256") == self.sha256
        return bool(known.get("etag") or known.get("modified") or same_file)

    def _headers(self) -> dict[str, str]:
        have, known = self.length(), self._read_note()
        if not have:
            return {}
        headers = {"Range": f"bytes={have}-"}
        # If-Range takes no weak tag (RFC 9110, 13.1.5).
        tag = known.get("etag") or ""
        validator = known.get("modified") if not tag or tag.startswith("W/") else tag
        return headers | ({"If-Range": validator} if validator else {})

    def _receive(self, bar: tqdm, response: requests.Response) -> None:
        """Append an answer to the file, or replace what came before by it."""
        have, status, headers = self.length(), response.status_code, response.headers
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
            raise DownloadError(f"{self.url}: got HTML, expected the file: try later")
        if status == 200:
            have, total = 0, parse_count(headers.get("Content-Length"))
        elif first != have or self._replaced(headers):
            self._start_over("the file was replaced meanwhile")
        if total is not None and self.size is not None and total != self.size:
            raise Mismatch(
                f"{self.url}: got a file of {total:,} bytes, expected {self.size:,} "
                "as the list says: the site may be replacing it, try again later"
            )

        if status == 200:
            self.file.truncate(0)
            self._write_note(headers)
        expected = self.size if total is None else total
        if expected is not None:
            check_disk(self.target.parent, expected - have)
        bar.total, bar.n = expected, have
        for block in self.client.blocks(response):
            self.file.write(block)
            bar.update(len(block))
            have += len(block)
            if expected is not None and have > expected:
                self.file.truncate(0)
                raise Mismatch(f"{self.url}: got more than {expected:,} bytes expected")
        if expected is not None and have < expected:
            raise Broken("the connection was dropped before the end")

    def verify(self) -> str:
        """Return the hex SHA-256; raise Mismatch if this is not the file on the list."""
        have, digest = self.length(), sha256_file(self.file.name)
        if self.size is not None and have != self.size:
            wrong = f"got {have:,} bytes, expected {self.size:,}"
            raise Mismatch(f"{self.url}: {wrong}: try again later")
        if self.sha256 is None:
            packed = self.target.suffix == ".gz"
            if packed and (damage := gzip_damage(self.file.name, progress=True)):
                self.file.truncate(0)
                raise Mismatch(f"{self.url}: got a damaged gzip ({damage}): try again later")
        elif digest != self.sha256:
            # With a known size the part is kept: a newer list may promise it.
            if self.size is None:
                self.file.truncate(0)
            raise Mismatch(
                f"{self.url}: got SHA-256 {digest[:12]}…, expected {self.sha256[:12]}… "
                "as the list says: the site may be replacing it, try again later"
            )
        return digest

    def _replaced(self, headers: Mapping[str, str]) -> bool:
        """Say whether a server that ignores If-Range sends the end of another file."""
        known = self._read_note()
        for key, name in (("etag", "ETag"), ("modified", "Last-Modified")):
            old = known.get(key)
            if old and headers.get(name, old) != old:
                return True
        return False

    def _start_over(self, why: str) -> NoReturn:
        self.file.truncate(0)
        raise Broken(why)

    def _read_note(self) -> dict[str, str | None]:
        try:
            known = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):  # it nests too deep, say
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


def _content_range(text: str) -> tuple[int | None, int | None]:
    """Parse a Content-Range into its first byte and the length of the whole file.

    >>> _content_range("bytes 5-9/10"), _content_range("bytes */10")
    ((5, 10), (None, 10))
    """
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", text, re.ASCII)
    return (parse_count(match[1]), parse_count(match[2])) if match else (None, None)


def _byte_bar(name: str, size: int | None) -> tqdm:
    return tqdm(desc=name, total=size, unit="B", unit_scale=True, disable=None)
