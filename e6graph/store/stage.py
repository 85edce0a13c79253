"""The files of a stage while they are written; `Store.stage` begins and ends one."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .files import JOURNAL, TEMPORARY, carry_out, sealed, sha256_file, stat_of, write_atomic
from .parallel import in_order

FORMAT = 2  # raised when an artifact of an older version can no longer be read


class Stage:
    """Files being written; `path` gives the temporary name of each."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pending: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """Where to write artifact `name` until the stage ends."""
        return self._pending.setdefault(name, self._root / f".{name}{TEMPORARY}")

    def save_npz(self, name: str, **arrays: np.ndarray) -> None:
        """Write an uncompressed `.npz`; the same arrays give the same bytes."""
        with open(self.path(name), "wb") as file:
            np.savez(file, **arrays)

    def commit(
        self, made_by: str, parameters: Mapping, inputs: dict, replaces: Sequence
    ) -> None:
        """Write the sidecars and the journal, then do what it says."""
        plan: dict[str, list] = {"rename": [], "remove": []}
        names = sorted(self._pending)
        digests = dict(
            zip(names, in_order(_finish, map(self._pending.get, names)), strict=True)
        )
        for name in names:
            temporary = self._pending[name]
            record = dict(
                format=FORMAT,
                made_by=made_by,
                parameters=dict(parameters),
                inputs=inputs,
                sha256=digests[name],
                together=digests,
                stat=stat_of(temporary),
            )
            sidecar = self._root / f".{name}.json{TEMPORARY}"
            write_atomic(sidecar, sealed(record))
            plan["rename"] += [[temporary.name, name], [sidecar.name, f"{name}.json"]]
        for pattern in replaces:
            for old in sorted(self._root.glob(pattern)):
                if old.name not in self._pending:
                    plan["remove"] += [old.name, f"{old.name}.json"]
        for name in [target for _, target in plan["rename"]] + plan["remove"]:
            if (self._root / name).is_dir():  # no file can take its place
                raise IsADirectoryError(
                    errno.EISDIR, os.strerror(errno.EISDIR), self._root / name
                )
        write_atomic(self._root / JOURNAL, json.dumps(plan).encode())
        carry_out(self._root)

    def clean(self) -> None:
        """Remove temporaries, unless a journal still needs them."""
        for temporary in self._root.glob(f".*{TEMPORARY}"):
            if not (self._root / JOURNAL).exists():
                temporary.unlink(missing_ok=True)


def _finish(path: Path) -> str:
    """Put a file on the disk, readable for all; its SHA-256."""
    os.chmod(path, 0o644)  # annoy makes its file for the owner alone
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    return sha256_file(path)
