"""What each user enjoys, avoids, liked, disliked, skipped, saw and hides, in one SQLite file.

Each operation is one transaction. `forget` removes every row of a user and then the bytes (see
`SqliteFile.erase`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import BadInput
from ..recommend.personal import Profile
from .sqlitefile import Execute, SqliteFile

APPLICATION_ID = 0x65364752  # "e6GR"

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
    (  # `at`: Unix seconds of what was said; of what was kept before, those of the migration
        "ALTER TABLE tags ADD COLUMN at INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE posts ADD COLUMN at INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE users ADD COLUMN at INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE users ADD COLUMN ratings TEXT NOT NULL DEFAULT ''",
        "UPDATE tags SET at = strftime('%s', 'now')",
        "UPDATE posts SET at = strftime('%s', 'now')",
        "UPDATE users SET at = strftime('%s', 'now')",
        "CREATE TABLE lines (n INTEGER PRIMARY KEY, user INTEGER NOT NULL "
        "REFERENCES users ON DELETE CASCADE, line TEXT NOT NULL, UNIQUE (user, line))",
    ),
    (),  # only a new value of `feeling`, `SKIPPED`, which an older program takes for a dislike
)
LIKE, NEUTRAL, DISLIKE, SKIPPED = 1, 0, -1, 2
FEELINGS = {LIKE: "like", NEUTRAL: "seen", DISLIKE: "dislike", SKIPPED: "skipped"}

HOUR, DAY = 3600, 86400  # seconds

# `?1` is the user's number
_TAG = "INSERT OR REPLACE INTO tags (user, tag, feeling, at) VALUES (?1, ?2, ?3, ?4)"
_POST = "INSERT OR REPLACE INTO posts (user, post_id, feeling, at) VALUES (?1, ?2, ?3, ?4)"
_SEEN = _POST.replace("OR REPLACE", "OR IGNORE")
_SKIP = (
    _POST.replace(" OR REPLACE", "")
    + " ON CONFLICT DO UPDATE SET feeling = ?3, at = ?4 WHERE feeling = 0"
)
_KEPT = {
    "tags": "SELECT tag, feeling, at FROM tags WHERE user = ?1 ORDER BY n",
    "posts": "SELECT post_id, feeling, at FROM posts WHERE user = ?1 ORDER BY n",
    "lines": "SELECT line FROM lines WHERE user = ?1 ORDER BY n",
    "ratings": "SELECT ratings FROM users WHERE id = ?1",
}


class Profiles:
    """The profiles in one file, by a user's name in their place ("terminal", ...).

    Parameters
    ----------
    path : the SQLite file. max_users : no more are met. keep_days : who was away for longer is
        forgotten, when the file is opened and then with what is written, once an hour at most.
    clock : Unix seconds.

    Raises
    ------
    BadArtifact : see `SqliteFile`.
    """

    def __init__(
        self,
        path: str | Path,
        max_users: int | None = None,
        keep_days: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._max_users, self._keep_days, self._clock = max_users, keep_days, clock
        self._next, self._traces = (
            0.0,
            False,
        )  # who is away is looked for; bytes of them are left
        self._file = SqliteFile(Path(path), APPLICATION_ID, MIGRATIONS)
        self.path = self._file.path
        with self._writing():
            pass

    def close(self) -> None:
        """Let go of the file; safe to repeat."""
        self._file.close()

    def __enter__(self) -> Profiles:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- reading ---------------------------------------------------------------------------------
    def load(self, user: str) -> Profile:
        """Everything kept of `user`; empty lists for one never met."""
        profile, kept = Profile(), self._rows(user)
        for tag, feeling, _ in kept["tags"]:
            (profile.enjoys if feeling == LIKE else profile.avoids).append(tag)
        for post_id, feeling, at in kept["posts"]:
            profile.seen.append(post_id)
            if feeling != NEUTRAL:
                said = {
                    LIKE: profile.liked,
                    DISLIKE: profile.disliked,
                    SKIPPED: profile.skipped,
                }
                said[feeling].append(post_id)
                profile.at[post_id] = at
        profile.blacklist = [line for (line,) in kept["lines"]]
        profile.ratings = "".join(letters for (letters,) in kept["ratings"])
        return profile

    def export(self, user: str) -> dict[str, object]:
        """Every row that is kept of `user`, as JSON values; times are Unix seconds."""
        kept = self._rows(user)
        names = {"tags": ("tag", "feeling", "at"), "posts": ("post_id", "feeling", "at")}
        made: dict[str, object] = {
            name: [dict(zip(columns, row, strict=True)) for row in kept[name]]
            for name, columns in names.items()
        }
        made["blacklist"] = [line for (line,) in kept["lines"]]
        made["ratings"] = "".join(letters for (letters,) in kept["ratings"])
        feelings = {str(feeling): name for feeling, name in FEELINGS.items()}
        return {"user": user, "feelings": feelings, **made}

    def _rows(self, user: str) -> dict[str, list[tuple]]:
        with self._file.transaction() as execute:
            number = _number(execute, user)
            return {name: execute(query, (number,)).fetchall() for name, query in _KEPT.items()}

    # -- writing ---------------------------------------------------------------------------------
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

    def skip(self, user: str, post_id: int) -> None:
        """Remember a post as passed over, unless something was said of it."""
        self._keep(_SKIP, user, [post_id], SKIPPED)

    def saw(self, user: str, post_ids: Iterable[int]) -> None:
        """Remember posts as shown; what is known of them already stays."""
        self._keep(_SEEN, user, post_ids, NEUTRAL)

    def drop(self, user: str, tags: Iterable[str] = (), posts: Iterable[int] = ()) -> None:
        """Take back what was said of tags and posts; posts stay seen."""
        with self._writing() as execute:
            number = self._back(execute, user)
            for tag in tags:
                execute("DELETE FROM tags WHERE user = ? AND tag = ?", (number, tag))
            for post in posts:
                execute(
                    "UPDATE posts SET feeling = 0 WHERE user = ? AND post_id = ?",
                    (number, post),
                )

    def hide(self, user: str, line: str) -> None:
        """Add a line to the user's blacklist."""
        with self._writing() as execute:
            number = self._meet(execute, user)
            execute("INSERT OR IGNORE INTO lines (user, line) VALUES (?, ?)", (number, line))

    def unhide(self, user: str, line: str) -> None:
        """Remove a line of the user's blacklist."""
        with self._writing() as execute:
            number = self._back(execute, user)
            execute("DELETE FROM lines WHERE user = ? AND line = ?", (number, line))

    def rate(self, user: str, ratings: str) -> None:
        """Keep which ratings the user lets themselves see."""
        with self._writing() as execute:
            number = self._meet(execute, user)
            execute("UPDATE users SET ratings = ? WHERE id = ?", (ratings, number))

    def forget(self, user: str) -> bool:
        """Delete all that is kept of `user`, and its bytes.

        Returns
        -------
        gone : False when another program has the file in use, so that traces stay in it until the
            next `forget`; the rows are deleted in any case.
        """
        with self._file.transaction() as execute:
            execute("DELETE FROM users WHERE name = ?", (user,))  # cascades
        return self._file.erase()

    def _keep(self, insert: str, user: str, values: Iterable[str | int], feeling: int) -> None:
        with self._writing() as execute:
            number = self._meet(execute, user)
            for value in values:
                execute(insert, (number, value, feeling, int(self._clock())))

    def _meet(self, execute: Execute, user: str) -> int:
        """The user's number; a new one too many is refused, with all of the transaction."""
        now = int(self._clock())
        met = execute(
            "INSERT OR IGNORE INTO users (name, at) VALUES (?, ?)", (user, now)
        ).rowcount
        users = execute("SELECT COUNT(*) FROM users").fetchone()[0]
        if met and self._max_users is not None and users > self._max_users:
            raise BadInput(
                f"this bot keeps {self._max_users} users and has no place for another"
            )
        return self._back(execute, user)

    def _back(self, execute: Execute, user: str) -> int | None:
        """The user's number; they are not away now."""
        execute("UPDATE users SET at = ? WHERE name = ?", (int(self._clock()), user))
        return _number(execute, user)

    @contextmanager
    def _writing(self) -> Iterator[Execute]:
        """A transaction; the hour's first also forgets those who were away for too long."""
        gone, now = 0, self._clock()
        with self._file.transaction() as execute:
            yield execute
            if due := self._keep_days is not None and now >= self._next:
                since = int(now - self._keep_days * DAY)
                gone = execute("DELETE FROM users WHERE at < ?", (since,)).rowcount
                self._next = now + HOUR
        if gone or (due and self._traces):
            self._traces = not self._file.erase()


def _number(execute: Execute, user: str) -> int | None:
    found = execute("SELECT id FROM users WHERE name = ?", (user,)).fetchone()
    return found[0] if found else None
