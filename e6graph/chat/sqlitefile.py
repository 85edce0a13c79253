"""A SQLite file of our own: refused if foreign or damaged, migrated, and written whole or not.

Each `transaction` is kept whole or not at all, a kill included (SQLite's write-ahead log). Many
threads and processes may use one file at once.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import BadArtifact, BadInput, E6GraphError

WAIT = 30.0  # seconds for another process to end its transaction
Execute = Callable[..., sqlite3.Cursor]


class SqliteFile:
    """An open file.

    Parameters
    ----------
    path : made, for its owner alone, when it is not there.
    application_id : in the header; tells our files from other people's databases.
    migrations : the v-th takes a file from user_version v to v + 1; never edit a released one.

    Raises
    ------
    BadArtifact : a damaged file, another program's, or a newer version's; it is left as it is.
    """

    def __init__(
        self, path: Path, application_id: int, migrations: Sequence[Sequence[str]]
    ) -> None:
        self.path = path
        self._application_id, self._migrations = application_id, migrations
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()  # keeps the threads of this process apart
        _refuse_foreign(path, application_id)
        try:
            with self._told():
                if not path.exists():
                    path.touch(mode=0o600)
                self._connection = sqlite3.connect(
                    path, timeout=WAIT, isolation_level=None, check_same_thread=False
                )
                if self._pragma("quick_check") != "ok":
                    raise sqlite3.DatabaseError("its pages do not fit together")
                self._migrate()
                self._pragma("journal_mode = WAL")
                self._pragma("secure_delete = ON")
                self._connection.execute("PRAGMA foreign_keys = ON")  # what deletes the rows
        except E6GraphError:
            self.close()
            raise

    def close(self) -> None:
        """Empty the log into the file and let go of it; safe to repeat."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """All of the block or nothing of it; gives what runs one statement."""
        with self._lock, self._told():
            if self._connection is None:
                raise sqlite3.ProgrammingError("it was closed")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def erase(self) -> bool:
        """Rid the file of the bytes of what was deleted; False while another program has it open.

        Deleted cells are overwritten (`secure_delete`) as they go; this rebuilds the file without
        its free pages (`VACUUM`) and empties the log. What a file system or its backups keep
        beneath a file is beyond it.
        """
        with self._lock, self._told():
            try:
                self._connection.execute("VACUUM")
                return self._pragma("wal_checkpoint(TRUNCATE)") == 0  # 0: the log is empty now
            except sqlite3.OperationalError:  # busy, or no room for the rebuilt copy
                return False

    def _migrate(self) -> None:
        with self.transaction() as execute:
            version, newest = (
                execute("PRAGMA user_version").fetchone()[0],
                len(self._migrations),
            )
            if version > newest:
                raise BadArtifact(
                    f"{self.path} is of version {version}, expected at most {newest}: "
                    "it was written by a newer e6graph; update, or give another file"
                )
            for statements in self._migrations[version:]:
                for statement in statements:
                    execute(statement)
            if version < newest:
                execute(f"PRAGMA application_id = {self._application_id}")
                execute(f"PRAGMA user_version = {newest}")

    def _pragma(self, text: str) -> object:
        return self._connection.execute(f"PRAGMA {text}").fetchone()[0]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite says, as one line."""
        try:
            yield
        except (UnicodeError, OverflowError) as error:
            raise BadInput(f"cannot be kept in {self.path}: {error}") from None
        except (sqlite3.OperationalError, sqlite3.ProgrammingError, OSError) as error:
            raise E6GraphError(
                f"cannot use {self.path} ({error}): nothing was changed"
            ) from None
        except sqlite3.DatabaseError as error:
            raise BadArtifact(
                f"{self.path} is damaged ({error}): restore a copy, or move it away to start anew"
            ) from None


def _refuse_foreign(path: Path, application_id: int) -> None:
    """Look at the 100-byte header before SQLite may touch the file (sqlite.org/fileformat.html)."""
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise E6GraphError(f"cannot read {path}: {error.strerror}") from None
    if header and (
        header[:16] != b"SQLite format 3\0"
        or int.from_bytes(header[68:72], "big") != application_id
    ):
        raise BadArtifact(
            f"{path} is not a file of ours, or is damaged: it was left as it is; "
            "move it away, or give another"
        )
