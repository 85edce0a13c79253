"""A SQLite file of our own: whole after a kill, refused where it is foreign.

Each `transaction` is kept whole or not at all, even if the program is killed
(SQLite's write-ahead log). Many threads and processes may use one file at once.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadArtifact, BadInput, E6GraphError

BUSY_SECONDS = 30.0  # to wait for another process to end its transaction
Execute = Callable[..., sqlite3.Cursor]


class SqliteFile:
    """An open SQLite file of ours.

    Parameters
    ----------
    path : if there is no file, the first transaction makes it, for its owner
        alone. None keeps everything in memory.
    application_id : a number in the file's header that tells our files from
        others.
    version : of the schema; it stands in the header, too.
    schema : the statements that make the tables of an empty file.
    upgrades : version → the statements that make the next version of it.

    Raises
    ------
    BadArtifact : the file is damaged, another program's, or of a version that no
        statements lead from; it is left as it is.
    E6GraphError : no file can be made there.
    """

    def __init__(
        self,
        path: Path | None,
        application_id: int,
        version: int,
        schema: Sequence[str],
        upgrades: Mapping[int, Sequence[str]],
    ) -> None:
        self.path = path
        self._application_id = application_id
        self._version = version
        self._schema = schema
        self._upgrades = upgrades
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._lock = threading.RLock()  # keeps the threads of this process apart
        with self._errors_in_one_line():
            if path is None or path.exists():
                self._open()
            elif not os.access(path.parent, os.W_OK | os.X_OK):
                raise E6GraphError(f"cannot make {path}: no file can be written there")

    def close(self) -> None:
        """Empty the log into the file and let go of it; safe to repeat."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """Keep all of the block or nothing; give a function that runs a statement."""
        with self._lock, self._errors_in_one_line():
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection.execute
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def erase(self) -> bool:
        """Remove the bytes of deleted rows from the file.

        SQLite overwrites deleted cells at once (`secure_delete`). This rebuilds
        the file without its free pages (`VACUUM`) and empties the log. Copies
        that the file system or a backup keeps are out of reach.

        Returns
        -------
        erased : False while another program has the file open.
        """
        with self._lock, self._errors_in_one_line():
            connection = self._open()
            try:
                connection.execute("VACUUM")
                busy = _pragma(connection, "wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError:  # busy, or no room for the rebuilt copy
                return False
            return busy == 0

    def _open(self) -> sqlite3.Connection:
        """Return the connection; the first call checks the file, or makes it."""
        if self._closed:
            raise sqlite3.ProgrammingError("it was closed")
        if self._connection is not None:
            return self._connection

        if self.path is not None:
            _refuse_foreign(self.path, self._application_id)
            if not self.path.exists():
                self.path.touch(mode=0o600)
        connection = sqlite3.connect(
            self.path or ":memory:",
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if _pragma(connection, "quick_check") != "ok":
                raise sqlite3.DatabaseError("its pages do not fit together")
            _pragma(connection, "secure_delete = ON")
            upgraded = self._make_tables(connection)
            _pragma(connection, "journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")  # or deletions would not cascade
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        if upgraded:
            self.erase()  # or the free pages of its old tables would stay
        return connection

    def _make_tables(self, connection: sqlite3.Connection) -> bool:
        """Make the tables of an empty file; bring those of an earlier version up to date.

        Returns
        -------
        upgraded : whether the file was of an earlier version.
        """
        connection.execute("BEGIN IMMEDIATE")  # another process may be making them, too
        version = _pragma(connection, "user_version")
        if version == 0:
            for statement in self._schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {self._application_id}")
            version = self._version
            connection.execute(f"PRAGMA user_version = {version}")
        found = version
        while version < self._version and version in self._upgrades:
            for statement in self._upgrades[version]:
                connection.execute(statement)
            version += 1
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
        if version > self._version:
            raise BadArtifact(
                f"{self.path} is of version {version}, expected {self._version}: "
                "it was written by a newer e6graph; update, or give another file"
            )
        if 0 < version < self._version:
            raise BadArtifact(
                f"{self.path} is of version {version}, expected {self._version}: it was written "
                "by e6graph before its first release; move it away to start with a new one"
            )
        return version != found

    @contextmanager
    def _errors_in_one_line(self) -> Iterator[None]:
        """Turn an error of SQLite into one line that names the file."""
        try:
            yield
        except (UnicodeError, OverflowError) as error:
            # Whoever talks with the bot reads this, and the path is the operator's.
            raise BadInput(f"this cannot be kept: {error}") from None
        except (sqlite3.OperationalError, sqlite3.ProgrammingError, OSError) as error:
            raise E6GraphError(
                f"cannot use {self.path} ({error}): nothing was changed"
            ) from None
        except sqlite3.DatabaseError as error:
            raise BadArtifact(
                f"{self.path} is damaged ({error}): restore a copy, or move it away to start anew"
            ) from None


def _pragma(connection: sqlite3.Connection, text: str) -> Any:
    return connection.execute(f"PRAGMA {text}").fetchone()[0]


def _refuse_foreign(path: Path, application_id: int) -> None:
    """Look at the header before SQLite may touch the file.

    It has 100 bytes, see sqlite.org/fileformat.html.
    """
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise E6GraphError(f"cannot read {path}: {error.strerror}") from None
    ours = (
        header.startswith(b"SQLite format 3\0")
        and int.from_bytes(header[68:72], "big") == application_id
    )
    if header and not ours:
        raise BadArtifact(
            f"{path} is not a file of ours, or is damaged: it was left as it is; "
            "move it away, or give another"
        )
