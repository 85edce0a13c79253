"""Files as a whole: their digest, and writing one or a set so that nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ..errors import BadArtifact

JOURNAL = ".journal.json"  # renames to be done in its directory
TEMPORARY = ".new"  # end of the name of a file that is not finished


def sha256_file(path: str | Path) -> str:
    """Hex SHA-256 of a file, read in blocks (about 1 GB/s)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write `data` beside `path` and rename it there, so that a reader sees all of it or none."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(directory: str | Path) -> None:
    """Put a directory's renames on the disk, so that they outlast the power (fsync(2))."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stat_of(path: str | Path) -> list[int]:
    """Size, time of change in ns and inode: what tells a file from one that took its place."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def sealed(record: dict[str, Any]) -> bytes:
    """A record as JSON that tells when a bit of it changes: with the SHA-256 of the rest of it."""
    return (
        json.dumps(record | {"seal": _seal(record)}, indent=1, sort_keys=True) + "\n"
    ).encode()


def unsealed(record: dict[str, Any]) -> dict[str, Any]:
    """The record without its seal. Raises KeyError, or ValueError if it is not as it was sealed."""
    if record.pop("seal") != _seal(record):
        raise ValueError("it is not what was written there")
    return record


def _seal(record: dict[str, Any]) -> str:
    kept = {
        key: value for key, value in record.items() if key != "stat"
    }  # the same in each run
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def carry_out(root: Path) -> None:
    """Do the renames and removals of the journal, if there is one; safe to repeat."""
    try:
        plan = json.loads((root / JOURNAL).read_text("utf-8"))
    except FileNotFoundError:
        return
    except ValueError as error:
        raise BadArtifact(f"{root / JOURNAL} cannot be read ({error}): remove it") from None
    for source, target in plan["rename"]:
        with contextlib.suppress(FileNotFoundError):
            os.replace(root / source, root / target)
    for name in plan["remove"]:
        (root / name).unlink(missing_ok=True)
    sync(root)
    (root / JOURNAL).unlink(missing_ok=True)
