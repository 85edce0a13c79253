"""The only module that knows `index/`: names, sidecars, atomic stages, checked loads.

A stage writes its files under temporary names beside their places, then a
journal of the renames, and then does the renames. If it is killed, whoever
opens the directory next does what the journal says, because the new files are
whole. Without a journal they may not be, and are ignored. So readers see the
old set or the new one, never a mixture. Databases call this a write-ahead log.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from ..errors import BadArtifact, E6GraphError, MissingArtifact, reading, run_again
from .arrow import map_table
from .files import JOURNAL, carry_out, is_plain, sha256_file, stat_of, unsealed
from .stage import FORMAT, Stage

ARTIFACTS = {
    "hydrate_data.py": """
        tags.txt.gz tags_categories.bin.gz tag2idx.json.gz tag2idx.parquet tags.parquet
        implications.json.gz implications_rej.json.gz aliases.parquet posts.parquet
        pools.parquet
    """,
    "embed_tags.py": "dictionary.npz companions.arrow",
    "embed_tags.py --method als": """
        implicit_tag_factors.safetensors implicit_post_factors.safetensors
    """,
    "solve_attenuator.py": "attenuator.npz",
    "construct_index.py": """
        posts.skip*.ann posts.arrow tags_posts.arrow ranking.npz neighbors.npy
    """,
    "solve_recognizer.py": "recognizer.npz",
}
MAKERS = {name: script for script in ARTIFACTS for name in ARTIFACTS[script].split()}
"""The script that makes each artifact; messages name it."""

LOCK = ".lock"
SIDECAR_LIMIT = 64 << 20  # bytes; one has a few KB, and many names under the rule some more
NEED_SIDECAR = (".npz", ".npy", ".arrow", ".ann")
"""Files that are mapped or trusted, so that a hash must vouch for them."""

ReadResult = TypeVar("ReadResult")


class Store:
    """One index directory; it is created by the first stage that writes."""

    def __init__(self, root: str | Path = "index") -> None:
        self.root = Path(root)
        # By name: the file's stat when we last looked, and what we found.
        self._digests: dict[str, tuple[list[int], str]] = {}
        self._records: dict[str, tuple[list[int], dict[str, Any]]] = {}
        self._opened: dict[str, list[int]] | None = None  # what `whole` has read
        self._recover()

    # -- reading ---------------------------------------------------------------
    def find(self, name: str) -> Path | None:
        """Return the path of an artifact, or None. `name` may be a pattern."""
        found = sorted(self.root.glob(name)) if "*" in name else [self.root / name]
        found = [path for path in found if path.is_file()]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            wrong = f"{self.root} holds {names}: expected one"
            raise BadArtifact(f"{wrong}; remove the others")
        return found[0] if found else None

    def path(self, name: str) -> Path:
        """Return the path of an artifact that must be there.

        Raises
        ------
        MissingArtifact : naming the script to run first.
        """
        found = self.find(name)
        if found is None:
            wrong = f"{self.root / name} is missing"
            raise MissingArtifact(f"{wrong}: run {_maker(name)} first")
        return found

    def sidecar(self, name: str) -> dict[str, Any]:
        """Return the record beside an artifact; {} for E6DB's files, which have none."""
        path = self.path(name)
        beside = path.with_name(path.name + ".json")
        now = self.generation() if self._opened else {}
        if self._opened and now.get(beside.name) != self._opened.get(beside.name):
            wrong = f"{path} was replaced since the index was opened"
            raise BadArtifact(f"{wrong}: open it again")
        if not beside.is_file():
            return {}

        stat = stat_of(beside)
        known, record = self._records.get(beside.name, ([], {}))
        if known == stat:
            return record
        with reading(beside, _maker(name)):
            if stat[0] > SIDECAR_LIMIT:
                raise ValueError(f"{stat[0]:,} bytes, expected {SIDECAR_LIMIT:,} at most")
            record = json.loads(beside.read_bytes())
            if record["format"] != FORMAT:
                wrong = f"is of format {record['format']}, expected {FORMAT}"
                raise run_again(path, wrong, _maker(name))
            record = unsealed(record)
            _check_record(record)
        if _name_of(record, path.name) != path.name:
            copy = f"is a copy of {_name_of(record, path.name)}, as its sidecar says"
            raise run_again(path, copy, _maker(name))
        self._records[beside.name] = stat, record
        return record

    def digest(self, name: str) -> str:
        """Return the SHA-256 of an artifact as it is on disk.

        If size, time and inode are those that the sidecar has under its seal, so is
        the hash, as in git's index; otherwise the file is read whole.
        """
        path, record = self.path(name), self.sidecar(name)
        stat = stat_of(path)
        if record.get("stat") == stat:
            self._digests[name] = stat, record["sha256"]
        elif name not in self._digests or self._digests[name][0] != stat:
            self._digests[name] = stat, sha256_file(path)
        return self._digests[name][1]

    def check(self, name: str) -> Path:
        """Return the path of an artifact that is whole and was made from what is beside it.

        Raises
        ------
        MissingArtifact, BadArtifact : naming the first script to run.
        """
        return self._check(name, ())

    def _check(self, name: str, makes: tuple[str, ...]) -> Path:
        """Do as `check`; `makes` is what was made from this artifact, the last first."""
        path, record, script = self.path(name), self.sidecar(name), _maker(name)
        if name in makes:
            raise run_again(path, "was made from itself, as its sidecar says", script)
        if not record:
            if path.suffix in NEED_SIDECAR:
                raise run_again(path, f"has no sidecar {path.name}.json", script)
            return path

        if self.digest(name) != record["sha256"]:
            raise run_again(path, "is not what was written there (SHA-256)", script)
        for source, digest in record["inputs"].items():
            self._check(source, (name, *makes))
            if self.digest(source) != digest:
                raise run_again(path, f"was made from another {source}", script)
        stage = record["together"]
        for other in stage:
            theirs = self.sidecar(other) if self.find(other) else {}
            if theirs.get("together", stage) != stage:
                raise run_again(f"{path} and {other}", "are of different runs", script)
        return path

    def load_npz(
        self, name: str, *keys: str, optional: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """Load arrays of a checked `.npz`, all or those named; never unpickle.

        Those of `optional` are left out where the file has none.
        """
        path = self.check(name)
        with reading(path, _maker(name)), np.load(path, allow_pickle=False) as file:
            there = [key for key in optional if key in file.files]
            return {key: file[key] for key in (*keys, *there) or file.files}

    def map_table(self, name: str) -> pa.Table:
        """Map a checked Arrow file as a table; its pages load when they are touched."""
        return map_table(self.check(name), _maker(name))

    def whole(self, read: Callable[[], ReadResult]) -> ReadResult:
        """Call `read` and return its result.

        If a script replaced files meanwhile, call it again, so that everything it
        saw is of one version. From then on, refuse files that were replaced.
        """
        while True:
            before = self.generation()
            failed = None
            try:
                made = read()
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
        """Return the stat of each sidecar, which a stage renames after its artifact."""
        found = {}
        for path in self.root.glob("[!.]*.json"):
            with contextlib.suppress(FileNotFoundError):
                found[path.name] = stat_of(path)
        return found

    # -- writing ---------------------------------------------------------------
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
        parameters : what the artifacts depend on, seed included, as JSON
            values; read at the end.
        inputs : artifacts that were read. Their digests are recorded as they
            were when this `Store` last checked them, and `check` compares them.
        replaces : patterns of artifacts to remove when the new ones appear.

        Raises
        ------
        E6GraphError : nobody, or another process, can write to the directory.
        KeyboardInterrupt : with a note that says what became of the index.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = open(self.root / LOCK, "ab+", buffering=0)  # noqa: SIM115 (held below)
        except OSError as error:
            wrong = f"cannot write to {self.root}: {error.strerror}"
            raise E6GraphError(wrong) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                writer = lock.read().decode() or "another process"
                raise E6GraphError(
                    f"{self.root} is being written by {writer}: wait for it to end"
                ) from None

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
            except KeyboardInterrupt as error:
                error.add_note(
                    "the new index is complete"
                    if stage.committed or self._unfinished()
                    else "nothing was changed"
                )
                raise
            except OSError as error:
                wrong = f"{error.strerror or error} ({error.filename or self.root})"
                ended = "nothing was replaced"
                if self._unfinished():
                    ended = "the new index is complete, and is used from the next start"
                raise E6GraphError(f"{wrong}: {ended}") from error
            finally:
                stage.clean()
                lock.truncate(0)

    def _unfinished(self) -> bool:
        """Tell whether there are renames to do, of files that are whole."""
        return (self.root / JOURNAL).exists()

    def _recover(self) -> None:
        """Finish the renames of a stage that was killed while doing them.

        If its lock is taken, a living process does them, which takes milliseconds.
        """
        while self._unfinished():
            try:
                with open(self.root / LOCK, "a+") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    carry_out(self.root)
            except BlockingIOError:
                time.sleep(0.01)
            except OSError as error:
                wrong = f"cannot write to {self.root}: {error.strerror}"
                raise E6GraphError(f"{wrong} ({error.filename})") from None


def _check_record(record: dict[str, Any]) -> None:
    """Raise ValueError or KeyError unless a sidecar has what `check` reads."""
    inputs, together = record["inputs"], record["together"]
    if not all(isinstance(part, dict) for part in (inputs, together, record["parameters"])):
        raise ValueError("it does not hold what a sidecar should")
    names = [*inputs, *together, record.get("name", "x")]
    digests = [*inputs.values(), *together.values(), record["sha256"]]
    if not (all(map(is_plain, names)) and all(isinstance(text, str) for text in digests)):
        raise ValueError("it does not hold what a sidecar should")


def _name_of(record: dict[str, Any], name: str) -> str:
    """Return the name of the artifact that a record is of.

    Sidecars of earlier versions do not say it, but list the digests of all files of
    their run: there the artifact itself has the record's digest.
    """
    together, digest = record["together"], record["sha256"]
    if "name" in record or together.get(name) == digest:
        return record.get("name", name)
    return next((other for other in together if together[other] == digest), "another file")


def _maker(name: str) -> str:
    return MAKERS.get(name, "the stage that makes it")
