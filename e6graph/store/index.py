"""The only module that knows `index/`: names, sidecars, atomic stages, checked loads.

A stage writes its files under temporary names beside their places, then a journal of the renames,
then does them. Whoever opens the directory after a kill finishes what the journal says (the new
files were whole) or ignores the leftovers (they were not), so readers see the old set or the new
one, never a mixture. This is the write-ahead rule of databases, for a directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from ..errors import BadArtifact, E6GraphError, MissingArtifact
from .files import JOURNAL, carry_out, sha256_file, stat_of, unsealed
from .stage import FORMAT, Stage

MAKERS = {  # artifact -> the script that makes it; what a missing one names
    name: script
    for script, names in {
        "hydrate_data.py": "tags.txt.gz tags_categories.bin.gz tag2idx.json.gz tag2idx.parquet "
        "implications.json.gz implications_rej.json.gz tags.parquet posts.parquet pools.parquet",
        "embed_tags.py": "dictionary.npz companions.arrow",
        "embed_tags.py --method als": "implicit_tag_factors.safetensors "
        "implicit_post_factors.safetensors",
        "solve_attenuator.py": "attenuator.npz",
        "construct_index.py": "posts.skip*.ann posts.arrow tags_posts.arrow ranking.npz "
        "neighbors.npy",
        "solve_recognizer.py": "recognizer.npz",
    }.items()
    for name in names.split()
}
LOCK = ".lock"
_OURS = (".npz", ".npy", ".arrow", ".ann")  # mapped or trusted, so never read without a sidecar
_DAMAGED = (ValueError, KeyError, TypeError, OSError, EOFError, zlib.error, zipfile.BadZipFile)
T = TypeVar("T")


class Store:
    """One index directory, made when the first stage writes to it."""

    def __init__(self, root: str | Path = "index") -> None:
        self.root = Path(root)
        self._digests: dict[str, tuple[list[int], str]] = {}  # as they were when last asked for
        self._records: dict[str, tuple[list[int], dict]] = {}  # likewise
        self._opened: dict[str, list[int]] | None = None  # see `whole`
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
            raise MissingArtifact(f"{self.root / name} is missing: {_run(name)} first")
        return found

    def sidecar(self, name: str) -> dict[str, Any]:
        """What an artifact records of itself, {} for one that came without (E6DB's own files)."""
        path = self.path(name)
        beside = path.with_name(path.name + ".json")
        now = self.generation() if self._opened else {}
        if self._opened and now.get(beside.name) != self._opened.get(beside.name):
            raise BadArtifact(f"{path} was replaced since the index was opened: open it again")
        if not beside.is_file():
            return {}
        stat = stat_of(beside)
        if self._records.get(beside.name, ([],))[0] == stat:
            return self._records[beside.name][1]
        try:
            record = json.loads(beside.read_bytes())
            if (found := record["format"]) != FORMAT:
                wrong = f"{path} is of format {found}, expected {FORMAT}: {_run(name)} again"
                raise BadArtifact(wrong)
            self._records[beside.name] = stat, unsealed(record)
            return record
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise BadArtifact(
                f"{beside} cannot be read ({error}): {_run(name)} again"
            ) from None

    def digest(self, name: str) -> str:
        """SHA-256 of an artifact as it is on disk.

        The one in the sidecar is believed while size, mtime and inode are what they were when it
        was written (git's index does the same); otherwise the file is read whole.
        """
        path, record = self.path(name), self.sidecar(name)
        stat = stat_of(path)
        if record.get("stat") == stat:
            self._digests[name] = stat, record["sha256"]
        elif name not in self._digests or self._digests[name][0] != stat:
            self._digests[name] = stat, sha256_file(path)
        return self._digests[name][1]

    def check(self, name: str) -> Path:
        """The path of an artifact that is whole and was made from the inputs now beside it.

        Raises
        ------
        MissingArtifact, BadArtifact : of it or of its inputs, naming the first script to run.
        """
        path, record = self.path(name), self.sidecar(name)
        if not record:
            if path.suffix in _OURS:
                raise BadArtifact(f"{path} has no sidecar {path.name}.json: {_run(name)} again")
            return path
        if self.digest(name) != record["sha256"]:
            raise BadArtifact(
                f"{path} is not what was written there (SHA-256): {_run(name)} again"
            )
        for source, digest in record["inputs"].items():
            self.check(source)
            if self.digest(source) != digest:
                raise BadArtifact(f"{path} was made from another {source}: {_run(name)} again")
        stage = record["together"]
        for other in stage:
            if self.find(other) and self.sidecar(other).get("together", stage) != stage:
                raise BadArtifact(
                    f"{path} and {other} are of different runs: {_run(name)} again"
                )
        return path

    def load_npz(self, name: str, *keys: str) -> dict[str, np.ndarray]:
        """Arrays of a checked `.npz`, all of them or the ones named; never unpickles."""
        path = self.check(name)
        try:
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in (keys or file.files)}
        except _DAMAGED as error:
            said = str(error).partition("\n")[0]
            raise BadArtifact(f"{path} cannot be read ({said}): {_run(name)} again") from None

    def map_table(self, name: str) -> pa.Table:
        """A checked Arrow IPC file as a table over a memory map: pages load when touched."""
        path = self.check(name)
        try:
            with pa.memory_map(str(path)) as source:
                return pa.ipc.open_file(source).read_all()
        except _DAMAGED as error:
            raise BadArtifact(
                f"{path} cannot be mapped ({error}): {_run(name)} again"
            ) from None

    def whole(self, read: Callable[[], T]) -> T:
        """What `read` makes of this index, all of one time.

        If a stage replaces artifacts meanwhile it is called again; what it reads later, through
        this store, is refused once it has been replaced.
        """
        while True:
            before = self.generation()
            try:
                made, failed = read(), None
            except (MissingArtifact, BadArtifact, FileNotFoundError) as error:
                failed = error
            self._recover()  # waits for renames that have begun
            if self.generation() == before:
                break
        if failed:
            raise failed
        self._opened = before
        return made

    def generation(self) -> dict[str, list[int]]:
        """The sidecars as they are; a stage renames each after its artifact."""
        found = {}
        for path in self.root.glob("[!.]*.json"):
            with contextlib.suppress(FileNotFoundError):
                found[path.name] = stat_of(path)
        return found

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
        inputs : artifacts read; their digests, as they were when this `Store` last checked them,
            are recorded and compared by `check`.
        replaces : patterns of artifacts that go when the new ones come.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = open(self.root / LOCK, "ab+", buffering=0)  # noqa: SIM115 (held below)
        except OSError as error:
            raise E6GraphError(f"cannot write to {self.root}: {error.strerror}") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                said = f"is being written by {lock.read().decode() or 'another process'}"
                raise E6GraphError(f"{self.root} {said}: wait for it to end") from None
            stage = Stage(self.root)
            try:
                lock.truncate(0)
                lock.write(f"{made_by} (process {os.getpid()})".encode())
                carry_out(self.root)
                stage.clean()
                for name in set(inputs) - set(self._digests):
                    self.digest(name)
                digests = {name: self._digests[name][1] for name in inputs}
                yield stage
                stage.commit(made_by, parameters or {}, digests, replaces)
                self._digests.clear()
            except OSError as error:
                wrong = f"{error.strerror or error} ({error.filename or self.root})"
                ended = (self.root / JOURNAL).exists() and "whoever opens it next ends this"
                raise E6GraphError(f"{wrong}: {ended or 'nothing was replaced'}") from error
            finally:
                stage.clean()
                lock.truncate(0)

    def _recover(self) -> None:
        """Finish the renames of a stage that was killed while doing them.

        A journal under a taken lock is that of a live process, which is gone in milliseconds.
        """
        while (self.root / JOURNAL).exists():
            try:
                with open(self.root / LOCK, "a+") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    carry_out(self.root)
            except BlockingIOError:
                time.sleep(0.01)
            except OSError as error:
                raise E6GraphError(
                    f"cannot write to {self.root}: {error.strerror} ({error.filename})"
                ) from None


def _run(name: str) -> str:
    return f"run {MAKERS.get(name, 'the stage that makes it')}"
