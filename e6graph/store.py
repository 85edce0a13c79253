"""The only module that knows `index/`: names, sidecars, atomic stages, checked loads.

A stage writes its files under temporary names beside their places, then a journal of the renames,
then does them. Whoever opens the directory after a kill finishes what the journal says (the new
files were whole) or ignores the leftovers (they were not), so readers see the old set or the new
one, never a mixture. This is the write-ahead rule of databases, for a directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .errors import BadArtifact, E6GraphError, MissingArtifact

FORMAT = 1  # raised when an artifact of an older version can no longer be read

# artifact -> the script that makes it; what a missing one names
MAKERS = {
    "tags.txt.gz": "hydrate_data.py",
    "tags_categories.bin.gz": "hydrate_data.py",
    "tag2idx.json.gz": "hydrate_data.py",
    "implications.json.gz": "hydrate_data.py",
    "implications_rej.json.gz": "hydrate_data.py",
    "tags.parquet": "hydrate_data.py",
    "tag2idx.parquet": "hydrate_data.py",
    "posts.parquet": "hydrate_data.py",
    "pools.parquet": "hydrate_data.py",
    "dictionary.npz": "embed_tags.py",
    "attenuator.npz": "solve_attenuator.py",
    "posts.skip*.ann": "construct_index.py",
    "posts.arrow": "construct_index.py",
    "tags_posts.arrow": "construct_index.py",
    "neighbors.npy": "construct_index.py",
    "recognizer.npz": "solve_recognizer.py",
}
JOURNAL, LOCK, TEMPORARY = ".journal.json", ".lock", ".new"


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
    finally:
        temporary.unlink(missing_ok=True)


class Store:
    """One index directory.

    Parameters
    ----------
    root : path of the directory; made when the first stage writes to it.
    """

    def __init__(self, root: str | Path = "index") -> None:
        self.root = Path(root)
        self._recover()

    # -- reading ---------------------------------------------------------------------------------
    def find(self, name: str) -> Path | None:
        """The path of an artifact, or None. `name` may be a pattern, as `posts.skip*.ann`."""
        found = sorted(self.root.glob(name)) if "*" in name else [self.root / name]
        found = [path for path in found if path.is_file()]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise BadArtifact(f"{self.root} holds {names}: expected one; remove the others")
        return found[0] if found else None

    def path(self, name: str) -> Path:
        """The path of an artifact that must be there.

        Raises
        ------
        MissingArtifact : naming the script to run first.
        """
        found = self.find(name)
        if found is None:
            maker = MAKERS.get(name, "the stage that makes it")
            raise MissingArtifact(f"{self.root / name} is missing: run {maker} first")
        return found

    def sidecar(self, name: str) -> dict[str, Any]:
        """What an artifact records of itself, {} for one that came without (E6DB's own files)."""
        path = self.path(name)
        beside = path.with_name(path.name + ".json")
        if not beside.is_file():
            return {}
        try:
            record = json.loads(beside.read_text("utf-8"))
            found = record["format"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise BadArtifact(
                f"{beside} cannot be read ({error}): run {MAKERS.get(name)} again"
            ) from None
        if found != FORMAT:
            raise BadArtifact(
                f"{path} is of format {found}, expected {FORMAT}: run {MAKERS.get(name)} again"
            )
        return record

    def digest(self, name: str) -> str:
        """SHA-256 of an artifact as it is on disk.

        The one in the sidecar is believed while size, mtime and inode are what they were when it
        was written (git's index does the same); otherwise the file is read whole.
        """
        path, record = self.path(name), self.sidecar(name)
        if record and record.get("stat") == _stat(path):
            return record["sha256"]
        return sha256_file(path)

    def check(self, name: str) -> Path:
        """The path of an artifact that is whole and was made from the inputs now beside it.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        path, record = self.path(name), self.sidecar(name)
        if not record:
            return path
        again = f"run {MAKERS.get(name, record.get('made_by'))} again"
        if self.digest(name) != record["sha256"]:
            raise BadArtifact(f"{path} is not what was written there (SHA-256 differs): {again}")
        for source, digest in record["inputs"].items():
            if self.find(source) is None:
                raise BadArtifact(f"{path} was made from {source}, which is gone: {again}")
            if self.digest(source) != digest:
                raise BadArtifact(f"{path} was made from another {source}: {again}")
        return path

    def load_npz(self, name: str, *keys: str) -> dict[str, np.ndarray]:
        """Arrays of a checked `.npz`, all of them or the ones named; never unpickles."""
        path = self.check(name)
        try:
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in (keys or file.files)}
        except (ValueError, KeyError, OSError, EOFError) as error:
            again = f"run {MAKERS.get(name)} again"
            raise BadArtifact(f"{path} cannot be read ({error}): {again}") from None

    def map_table(self, name: str) -> pa.Table:
        """A checked Arrow IPC file as a table over a memory map: pages load when touched."""
        path = self.check(name)
        try:
            with pa.memory_map(str(path)) as source:
                return pa.ipc.open_file(source).read_all()
        except (pa.ArrowInvalid, OSError) as error:
            again = f"run {MAKERS.get(name)} again"
            raise BadArtifact(f"{path} cannot be mapped ({error}): {again}") from None

    # -- writing ---------------------------------------------------------------------------------
    @contextlib.contextmanager
    def stage(
        self,
        made_by: str,
        parameters: Mapping[str, Any] | None = None,
        inputs: Sequence[str] = (),
        replaces: Sequence[str] = (),
    ) -> Iterator[Stage]:
        """Write a set of artifacts that appears at once, or not at all.

        Parameters
        ----------
        made_by : the script, for sidecars and for whoever finds the lock taken.
        parameters : what the artifacts depend on (seed included), JSON values; read at the end.
        inputs : artifacts read; their digests are recorded and compared by `check`.
        replaces : patterns of artifacts that go when the new ones come.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = open(self.root / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 (held below)
        except OSError as error:
            raise E6GraphError(f"cannot write to {self.root}: {error.strerror}") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                raise E6GraphError(
                    f"{self.root} is being written by {holder}: wait for it to end"
                ) from None
            lock.truncate(0)
            lock.write(f"{made_by} (process {os.getpid()})")
            lock.flush()
            _carry_out(self.root)
            for leftover in self.root.glob(f".*{TEMPORARY}"):
                leftover.unlink()
            stage = Stage(self.root)
            try:
                digests = {name: self.digest(name) for name in inputs}
                yield stage
                stage.commit(made_by, parameters or {}, digests, replaces)
            except OSError as error:
                raise E6GraphError(
                    f"{made_by}: {error.strerror or error} ({error.filename or self.root}): "
                    "nothing was replaced"
                ) from error
            finally:
                stage.clean()
                lock.truncate(0)

    def _recover(self) -> None:
        """Finish the renames of a stage that was killed while doing them.

        A journal under a taken lock is that of a live process, which is gone in milliseconds.
        """
        while (self.root / JOURNAL).exists():
            with contextlib.suppress(BlockingIOError), open(self.root / LOCK, "a+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _carry_out(self.root)
                return
            time.sleep(0.01)


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
        self,
        made_by: str,
        parameters: Mapping[str, Any],
        inputs: dict[str, str],
        replaces: Sequence[str],
    ) -> None:
        plan: dict[str, list] = {"rename": [], "remove": []}
        for name, temporary in sorted(self._pending.items()):
            os.chmod(temporary, 0o644)  # annoy makes its file for the owner alone
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            record = {
                "format": FORMAT,
                "made_by": made_by,
                "parameters": dict(parameters),
                "inputs": inputs,
                "sha256": sha256_file(temporary),
                "stat": _stat(temporary),  # a rename keeps all three
            }
            sidecar = self._root / f".{name}.json{TEMPORARY}"
            text = json.dumps(record, indent=1, sort_keys=True) + "\n"
            write_atomic(sidecar, text.encode())
            plan["rename"] += [[sidecar.name, f"{name}.json"], [temporary.name, name]]
        for pattern in replaces:
            for old in sorted(self._root.glob(pattern)):
                if old.name not in self._pending:
                    plan["remove"] += [old.name, f"{old.name}.json"]
        write_atomic(self._root / JOURNAL, json.dumps(plan).encode())
        _carry_out(self._root)

    def clean(self) -> None:
        for temporary in self._pending.values():
            temporary.unlink(missing_ok=True)


def _carry_out(root: Path) -> None:
    """Do the renames and removals of the journal, if there is one; safe to repeat."""
    try:
        plan = json.loads((root / JOURNAL).read_text("utf-8"))
    except FileNotFoundError:
        return
    for source, target in plan["rename"]:
        with contextlib.suppress(FileNotFoundError):
            os.replace(root / source, root / target)
    for name in plan["remove"]:
        (root / name).unlink(missing_ok=True)
    (root / JOURNAL).unlink(missing_ok=True)


def _stat(path: Path) -> list[int]:
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ino]
