"""Whole files: digest them, and replace one or several so that nobody sees half of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ..errors import BadArtifact

JOURNAL = ".journal.json"  # the renames that are still to be done in its directory
TEMPORARY = ".new"  # ends the name of a file that is not finished


def is_file(text: str) -> bool:
    """Tell whether a text that somebody typed is the path of a file; `~` is their home."""
    try:
        return Path(text).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):  # such as a name that is too long
        return False


def sha256_file(path: str | Path) -> str:
    """Compute the SHA-256 of a file as hex digits (about 1 GB/s)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write `data` beside `path` and rename it there, so that no reader sees half of it."""
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
    """Put a directory's renames on the disk, to survive a power cut (fsync(2))."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stat_of(path: str | Path) -> list[int]:
    """Return size, time of change in ns and inode; a replaced file has others."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def sealed(record: dict[str, Any]) -> bytes:
    """Write a record as JSON with its own SHA-256, so that any changed bit shows.

    Its "stat" has a seal of its own, beside the other, so that the same run gives the
    same seal.
    """
    seal = _seal(record)
    whole = record | {"seal": seal}
    if "stat" in record:
        whole["stat_seal"] = _stat_seal(record["stat"], seal)
    return (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode()


def unsealed(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without its seals, and without a "stat" that is not sealed.

    Raises
    ------
    KeyError, ValueError : the seal is missing, or does not fit.
    """
    seal, stat_seal = record.pop("seal"), record.pop("stat_seal", None)
    if seal != _seal(record):
        raise ValueError("it is not what was written there")
    if stat_seal != _stat_seal(record.get("stat"), seal):
        record.pop("stat", None)  # then the file's bytes are read
    return record


def _seal(record: dict[str, Any]) -> str:
    # Without "stat", so that the same run gives the same seal.
    kept = {key: value for key, value in record.items() if key != "stat"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _stat_seal(stat: object, seal: str) -> str:
    return hashlib.sha256(json.dumps([stat, seal]).encode()).hexdigest()


def carry_out(root: Path) -> None:
    """Do what the journal says, if there is one; repeating it is safe."""
    try:
        plan = json.loads((root / JOURNAL).read_text("utf-8"))
        renames, removes = [(a, b) for a, b in plan["rename"]], list(plan["remove"])
        if not all(is_plain(name) for name in [*sum(renames, ()), *removes]):
            raise ValueError("it names files of other directories")
    except FileNotFoundError:
        return
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        wrong = f"{root / JOURNAL} cannot be read ({error})"
        raise BadArtifact(f"{wrong}: remove it") from None

    for source, target in renames:
        with contextlib.suppress(FileNotFoundError):
            os.replace(root / source, root / target)
    for name in removes:
        (root / name).unlink(missing_ok=True)
    sync(root)
    (root / JOURNAL).unlink(missing_ok=True)


def is_plain(name: object) -> bool:
    """Say whether a name is that of a file in a directory, and leads to no other place."""
    return (
        isinstance(name, str) and os.path.basename(name) == name and name not in ("", ".", "..")
    )
