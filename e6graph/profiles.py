"""What each user enjoys, avoids, liked, disliked and saw, in one SQLite file.

Each operation is one transaction: it is kept whole or not at all, a kill included (SQLite's
write-ahead log). `forget` removes every row of a user and then the bytes: deleted cells are
overwritten (`secure_delete`), the file is rebuilt without its free pages (`VACUUM`) and the log is
emptied. What a file system or its backups keep beneath a file is beyond this.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .errors import BadArtifact, BadInput, E6GraphError

APPLICATION_ID = 0x65364752  # "e6GR": tells our files from other people's databases

# MIGRATIONS[v] takes a file from user_version v to v + 1; never edit one that was released
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        "CREATE TABLE tags (n INTEGER PRIMARY KEY, user INTEGER NOT NULL "
        "REFERENCES users ON DELETE CASCADE, tag TEXT NOT NULL, "
        "feeling INTEGER NOT NULL, UNIQUE (user, tag))",
        "CREATE TABLE posts (n INTEGER PRIMARY KEY, user INTEGER NOT NULL "
        "REFERENCES users ON DELETE CASCADE, post_id INTEGER NOT NULL, "
        "feeling INTEGER NOT NULL, UNIQUE (user, post_id))",
    ),
)
LIKE, NEUTRAL, DISLIKE = 1, 0, -1

_MEET = "INSERT OR IGNORE INTO users (name) VALUES (?)"
_TAG = "INSERT OR REPLACE INTO tags (user, tag, feeling) SELECT id, ?, ? FROM users WHERE name = ?"
_POST = (
    "INSERT OR REPLACE INTO posts (user, post_id, feeling) "
    "SELECT id, ?, ? FROM users WHERE name = ?"
)
_SEEN = _POST.replace("OR REPLACE", "OR IGNORE")
_TAGS_OF = "SELECT tag, feeling FROM tags JOIN users ON users.id = user WHERE name = ? ORDER BY n"
_POSTS_OF = (
    "SELECT post_id, feeling FROM posts JOIN users ON users.id = user WHERE name = ? ORDER BY n"
)


@dataclass
class Profile:
    """What is kept of one user; every list has the latest last, and `seen` holds all posts."""

    enjoys: list[str] = field(default_factory=list)
    avoids: list[str] = field(default_factory=list)
    liked: list[int] = field(default_factory=list)
    disliked: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)


class Profiles:
    """The profiles in one file, by a user's name in their place ("terminal", ...).

    Parameters
    ----------
    path : the SQLite file; made, for its owner alone, when it is not there.

    Raises
    ------
    BadArtifact : a damaged file, another program's, or a newer version's; it is left as it is.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None
        _refuse_foreign(self.path)
        try:
            with self._told():
                if not self.path.exists():
                    self.path.touch(mode=0o600)
                self._connection = sqlite3.connect(self.path, timeout=5, isolation_level=None)
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
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Profiles:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- what is kept ----------------------------------------------------------------------------
    def load(self, user: str) -> Profile:
        """Everything kept of `user`; empty lists for one never met."""
        profile = Profile()
        with self._transaction() as execute:
            for tag, feeling in execute(_TAGS_OF, (user,)):
                (profile.enjoys if feeling == LIKE else profile.avoids).append(tag)
            for post_id, feeling in execute(_POSTS_OF, (user,)):
                profile.seen.append(post_id)
                if feeling != NEUTRAL:
                    (profile.liked if feeling == LIKE else profile.disliked).append(post_id)
        return profile

    def enjoy(self, user: str, tags: Iterable[str]) -> None:
        """Add tags to what `user` enjoys; those avoided so far change sides."""
        self._keep(_TAG, user, tags, LIKE)

    def avoid(self, user: str, tags: Iterable[str]) -> None:
        """Add tags to what `user` avoids; those enjoyed so far change sides."""
        self._keep(_TAG, user, tags, DISLIKE)

    def like(self, user: str, post_id: int) -> None:
        """Remember a post as liked (and seen), whatever was thought of it before."""
        self._keep(_POST, user, [post_id], LIKE)

    def dislike(self, user: str, post_id: int) -> None:
        """Remember a post as disliked (and seen), whatever was thought of it before."""
        self._keep(_POST, user, [post_id], DISLIKE)

    def saw(self, user: str, post_ids: Iterable[int]) -> None:
        """Remember posts as shown; what is known of them already stays."""
        self._keep(_SEEN, user, post_ids, NEUTRAL)

    def forget(self, user: str) -> bool:
        """Delete all that is kept of `user`, and its bytes.

        Returns
        -------
        gone : False when another program has the file in use, so that traces stay in it until the
            next `forget`; the rows are deleted in any case.
        """
        with self._transaction() as execute:
            execute("DELETE FROM users WHERE name = ?", (user,))  # cascades
        with self._told():
            try:
                self._connection.execute("VACUUM")
                return self._pragma("wal_checkpoint(TRUNCATE)") == 0  # 0: the log is empty now
            except sqlite3.OperationalError:  # busy, or no room for the rebuilt copy
                return False

    # -- how -------------------------------------------------------------------------------------
    def _keep(self, insert: str, user: str, values: Iterable[str | int], feeling: int) -> None:
        with self._transaction() as execute:
            execute(_MEET, (user,))
            for value in values:
                execute(insert, (value, feeling, user))

    def _migrate(self) -> None:
        with self._transaction() as execute:
            version = execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise BadArtifact(
                    f"{self.path} is of version {version}, expected at most {len(MIGRATIONS)}: "
                    "it was written by a newer e6graph; update, or give another --profiles"
                )
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    execute(statement)
            if version < len(MIGRATIONS):
                execute(f"PRAGMA application_id = {APPLICATION_ID}")
                execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _pragma(self, text: str) -> object:
        return self._connection.execute(f"PRAGMA {text}").fetchone()[0]

    @contextmanager
    def _transaction(self) -> Iterator:
        """All of the block or nothing of it."""
        with self._told():
            if self._connection is None:
                raise sqlite3.ProgrammingError("it was closed")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite says, as one line."""
        try:
            yield
        except (UnicodeError, OverflowError) as error:
            raise BadInput(f"cannot be kept in {self.path}: {error}") from None
        except (sqlite3.OperationalError, sqlite3.ProgrammingError, OSError) as error:
            raise E6GraphError(f"cannot use {self.path} ({error}): nothing was changed") from None
        except sqlite3.DatabaseError as error:
            raise BadArtifact(
                f"{self.path} is damaged ({error}): restore a copy, or move it away to start anew"
            ) from None


def _refuse_foreign(path: Path) -> None:
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
        or int.from_bytes(header[68:72], "big") != APPLICATION_ID
    ):
        raise BadArtifact(
            f"{path} is not a file of profiles, or is damaged: it was left as it is; "
            "move it away, or give another --profiles"
        )
