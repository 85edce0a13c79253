"""The files of a stage while they are written; `Store.stage` begins and ends one."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .arrow import write_table
from .files import (
    JOURNAL,
    TEMPORARY,
    carry_out,
    sealed,
    sha256_file,
    stat_of,
    write_atomic,
)
from .parallel import in_order
from .progress import counted

FORMAT = 2  # raised when an artifact of an older version can no longer be read


class Stage:
    """A set of files being written, each under a temporary name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pending: dict[str, Path] = {}
        self.committed = False

    def path(self, name: str) -> Path:
        """Return the path to write artifact `name` to until the stage ends."""
        return self._pending.setdefault(name, self._root / f".{name}{TEMPORARY}")

    def save_npz(self, name: str, **arrays: np.ndarray) -> None:
        """Write an uncompressed `.npz`; the same arrays give the same bytes."""
        with open(self.path(name), "wb") as file:
            # The stub takes any keyword for `allow_pickle`, which is a bool.
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def save_table(self, name: str, table: pa.Table) -> None:
        """Write a table for `Store.map_table`; the same table gives the same bytes."""
        write_table(self.path(name), table)

    def commit(
        self,
        made_by: str,
        parameters: Mapping[str, Any],
        inputs: dict[str, str],
        replaces: Sequence[str],
    ) -> None:
        """Write the sidecars and the journal, then do what the journal says."""
        names = sorted(self._pending)
        hashes = in_order(_finish, [self._pending[name] for name in names])
        hashes = counted(hashes, "finishing files", len(names))
        digests = dict(zip(names, hashes, strict=True))

        renames = []
        for name in names:
            temporary = self._pending[name]
            record = {
                "format": FORMAT,
                "name": name,
                "made_by": made_by,
                "parameters": dict(parameters),
                "inputs": inputs,
                "sha256": digests[name],
                "together": digests,
                "stat": stat_of(temporary),
            }
            sidecar = self._root / f".{name}.json{TEMPORARY}"
            write_atomic(sidecar, sealed(record))
            renames += [[temporary.name, name], [sidecar.name, f"{name}.json"]]

        removed = []
        for pattern in replaces:
            for old in sorted(self._root.glob(pattern)):
                if old.name not in self._pending:
                    removed += [old.name, f"{old.name}.json"]

        # A directory in the place of a file would stop us halfway, so look first.
        for name in [target for _, target in renames] + removed:
            path = self._root / name
            if path.is_dir():
                reason = os.strerror(errno.EISDIR)
                raise IsADirectoryError(errno.EISDIR, reason, path)

        plan = {"rename": renames, "remove": removed}
        write_atomic(self._root / JOURNAL, json.dumps(plan).encode())
        self.committed = True
        carry_out(self._root)

    def clean(self) -> None:
        """Remove temporary files, unless a journal still needs them."""
        for temporary in self._root.glob(f".*{TEMPORARY}"):
            if not (self._root / JOURNAL).exists():
                temporary.unlink(missing_ok=True)


def _finish(path: Path) -> str:
    """Put a file on the disk, readable for all, and return its SHA-256."""
    os.chmod(path, 0o644)  # annoy makes its file for the owner alone
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    return sha256_file(path)
