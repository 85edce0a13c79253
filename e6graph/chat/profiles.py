"""Profiles: what each user enjoys, likes, saw and hides, their favorites, in one SQLite file.

Each operation is one transaction. `forget` removes every row of a user and then
the bytes (see `SqliteFile.erase`).

A post has a row for each mood that it was judged in, and one for outside of moods, so
that no mood changes what was said elsewhere. The latest moods alone keep their rows, so
that a user's rows are bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..recommend.moods import mood_tags, same_mood
from ..recommend.personal import Profile
from . import profile_tables as tables
from .sqlitefile import Execute, SqliteFile


class Feeling(IntEnum):
    """A user's opinion of a post; of a tag it is LIKE or DISLIKE."""

    LIKE = 1
    SEEN = 0  # it was shown, and nothing was said about it
    DISLIKE = -1
    SKIPPED = 2


@dataclass(frozen=True)
class Before:
    """All that a file holds of some posts and tags, noted so that it can be put back.

    Attributes
    ----------
    rows : (table, post id or tag, its rows there) of each.
    """

    rows: tuple[tuple[str, int | str, list[tuple]], ...]


FORGET_EVERY = 3600  # seconds between two searches for users who were away for too long
SECONDS_A_DAY = 86400
MOODS_KEPT = 100  # of a user, the latest


class Profiles:
    """The profiles in one file, by the name of the user ("terminal", "web:...", ...).

    Parameters
    ----------
    path : the SQLite file; made when something is first read or kept. None keeps
        everything in memory.
    max_users : refuse to keep anything about more users than this.
    keep_days : forget users who were away for longer: when the file is opened
        and later, with what is written, once an hour at most.
    clock : Unix seconds.

    Raises
    ------
    BadArtifact, E6GraphError : see `SqliteFile`.
    """

    def __init__(
        self,
        path: str | Path | None,
        max_users: int | None = None,
        keep_days: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._max_users, self._keep_days, self._clock = max_users, keep_days, clock
        self._next_search = 0.0  # for users who were away for too long
        self._traces = False  # whether bytes of forgotten users are left in the file
        self.path = None if path is None else Path(path)
        self._file = SqliteFile(
            self.path,
            tables.APPLICATION_ID,
            tables.SCHEMA_VERSION,
            tables.SCHEMA,
            tables.UPGRADES,
        )
        if self.path is not None and self.path.exists():
            with self._writing():
                pass

    def close(self) -> None:
        """Let go of the file; safe to repeat."""
        self._file.close()

    def __enter__(self) -> Profiles:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- reading
    def load(self, user: str) -> Profile:
        """Return everything kept about `user`; empty lists for a user never met."""
        profile, kept = Profile(), self._rows(user)
        for row in kept["settings"]:
            settings = dict(zip(tables.SETTINGS, row, strict=True))
            profile.ratings, profile.variety = settings["ratings"], settings["variety"]
            profile.mood, profile.daily = mood_tags(settings["mood"]), settings["daily"]
            profile.new_since, profile.new_until = settings["new_since"], settings["new_until"]
            profile.only = settings["only"]
        for tag, feeling, at in kept["tags"]:
            (profile.enjoys if feeling == Feeling.LIKE else profile.avoids).append(tag)
            if feeling == Feeling.LIKE:
                profile.named_at[tag] = at
        judged = {  # by number, since there may be thousands of posts
            int(Feeling.LIKE): profile.liked,
            int(Feeling.DISLIKE): profile.disliked,
            int(Feeling.SKIPPED): profile.skipped,
        }
        posts = _one_of_each(kept["posts"], profile.mood)
        profile.seen = [row[0] for row in posts]
        profile.moods = {row[0]: row[3] for row in posts if row[3]}
        for post_id, feeling, at, _ in posts:
            if feeling:
                judged[feeling].append(post_id)
                profile.at[post_id] = at
        profile.blacklist = [line for (line,) in kept["lines"]]
        lists = [_counted(ids, dropped) for _, ids, dropped in kept["favorites"]]
        profile.favorites = [*dict.fromkeys(one for some in lists for one in some)]
        return profile

    def export(self, user: str) -> dict[str, object]:
        """Return every row kept about `user`, as JSON values; times are Unix seconds."""
        kept = self._rows(user)
        posts: list[dict[str, object]] = []
        for post_id, feeling, at, mood in kept["posts"]:
            posts.append({"post_id": post_id, "feeling": feeling, "at": at})
            if mood:
                posts[-1]["mood"] = mood
        told: dict[str, object] = {
            "user": user,
            "feelings": {str(int(feeling)): feeling.name.lower() for feeling in Feeling},
            "tags": [
                dict(zip(("tag", "feeling", "at"), row, strict=True)) for row in kept["tags"]
            ],
            "posts": posts,
            "blacklist": [line for (line,) in kept["lines"]],
            "ratings": "",
        }
        for row in kept["settings"]:
            settings = zip(tables.SETTINGS, row, strict=True)
            told |= {name: value for name, value in settings if value not in (None, "")}
        favorites = [
            {"source": source, "post_ids": _ids(some), "dropped": _ids(dropped)}
            for source, some, dropped in kept["favorites"]
        ]
        if favorites:
            told["favorites"] = favorites
        return told

    def _rows(self, user: str) -> dict[str, list[tuple]]:
        with self._file.transaction() as execute:
            number = _user_number(execute, user)
            return {
                name: execute(query, (number,)).fetchall()
                for name, query in tables.READ.items()
            }

    def knows(self, user: str) -> bool:
        """Return whether something is kept about `user`."""
        with self._file.transaction() as execute:
            return _user_number(execute, user) is not None

    def before(self, user: str, posts: Iterable[int], tags: Iterable[str] = ()) -> Before:
        """Return what is kept of some posts and tags, for `put_back`."""
        things: list[tuple[str, int | str]] = [("posts", post) for post in posts]
        things += [("tags", tag) for tag in tags]
        with self._file.transaction() as execute:
            number = _user_number(execute, user)
            return Before(
                tuple(
                    (table, one, execute(tables.ROWS_OF[table], (number, one)).fetchall())
                    for table, one in things
                )
            )

    # -- writing
    def put_back(self, user: str, before: Before, unseen: Iterable[int] = ()) -> None:
        """Take back what was said since of the posts and tags of `before`.

        Parameters
        ----------
        unseen : posts that were shown since; those of which nothing was said count as
            not seen.
        """
        with self._writing() as execute:
            number = self._returned(execute, user)
            if number is None:  # they were forgotten
                return
            for post in unseen:
                execute(tables.UNSEE_POST, (number, post))
            for table, one, rows in before.rows:
                execute(tables.DELETE_ROWS_OF[table], (number, one))
                for row in rows:
                    execute(tables.PUT_BACK[table], (number, *row))

    def enjoy(self, user: str, tags: Iterable[str]) -> None:
        """Add tags to those that `user` enjoys; avoided ones change sides."""
        self._keep(tables.KEEP_TAG, user, tags, Feeling.LIKE)

    def avoid(self, user: str, tags: Iterable[str]) -> None:
        """Add tags to those that `user` avoids; enjoyed ones change sides."""
        self._keep(tables.KEEP_TAG, user, tags, Feeling.DISLIKE)

    def like(self, user: str, *post_ids: int) -> None:
        """Remember posts as liked (and seen), whatever was thought of them before."""
        self._keep(tables.KEEP_POST, user, post_ids, Feeling.LIKE)

    def dislike(self, user: str, *post_ids: int) -> None:
        """Remember posts as disliked (and seen), whatever was thought of them before."""
        self._keep(tables.KEEP_POST, user, post_ids, Feeling.DISLIKE)

    def skip(self, user: str, post_id: int) -> None:
        """Remember a post as skipped, unless the user liked or disliked it."""
        self._keep(tables.KEEP_SKIP, user, [post_id], Feeling.SKIPPED)

    def saw(self, user: str, post_ids: Iterable[int]) -> None:
        """Remember posts as shown; what is known about them already stays."""
        self._keep(tables.KEEP_SEEN, user, post_ids, Feeling.SEEN)

    def drop(self, user: str, tags: Iterable[str] = (), posts: Iterable[int] = ()) -> None:
        """Take back what was said about tags and posts; the posts stay seen.

        Of a post that was judged in the mood that holds, this judgment alone is taken
        back; of another, all are, and if it is a favorite it counts no more, also when
        its list comes again.
        """
        with self._writing() as execute:
            number, unmarked = self._returned(execute, user), set()
            for tag in tags:
                execute("DELETE FROM tags WHERE user = ? AND tag = ?", (number, tag))
            holds = execute("SELECT mood FROM users WHERE id = ?", (number,)).fetchone()
            mood = mood_tags(holds[0]) if holds else []
            for post in posts:
                judged = execute(tables.JUDGMENTS, (number, post)).fetchall()
                here = [one for one in judged if mood and same_mood(one[1], mood)]
                for n, _ in here or judged:
                    execute("UPDATE posts SET feeling = 0 WHERE n = ?", (n,))
                if not here:
                    unmarked.add(post)
            for source, some, dropped in execute(
                tables.READ["favorites"], (number,)
            ).fetchall():
                ids, gone = _ids(some), _ids(dropped)
                newly = sorted(unmarked.intersection(ids) - {*gone})
                if newly:
                    execute(
                        tables.KEEP_FAVORITES, (number, source, some, _blob([*gone, *newly]))
                    )
                now = int(self._clock())
                for post in newly:
                    execute(tables.KEEP_SEEN, (number, post, int(Feeling.SEEN), now))

    def set_favorites(
        self, user: str, source: str, post_ids: Sequence[int], add: bool = False
    ) -> tuple[int, int]:
        """Keep a list of favorites in the place of the last one from there.

        Parameters
        ----------
        source : the name on the site, or "" for lists and files.
        post_ids : the latest last.
        add : whether the last one stays, before this one. What was dropped comes back.

        Returns
        -------
        added, removed : how many favorites were added, and how many were taken away.
        """
        with self._writing() as execute:
            number = self._meet(execute, user)
            rows = execute(tables.READ["favorites"], (number,)).fetchall()
            before = [(some, gone) for kept, some, gone in rows if kept == source]
            were, dropped = map(_ids, before[0]) if before else ([], [])
            now = {*post_ids}
            if add:
                dropped = [one for one in dropped if one not in now]
                post_ids = [*(one for one in were if one not in now), *post_ids]
                now |= {*were}
            still = _blob([one for one in dropped if one in now])
            execute(tables.KEEP_FAVORITES, (number, source, _blob(post_ids), still))
        return len(now.difference(were)), len({*were} - now)

    def drop_favorites(self, user: str) -> None:
        """Delete all lists of favorites."""
        with self._writing() as execute:
            number = self._returned(execute, user)
            execute("DELETE FROM favorites WHERE user = ?", (number,))

    def hide(self, user: str, *lines: str) -> None:
        """Add lines to the user's blacklist."""
        insert = "INSERT OR IGNORE INTO lines (user, line) VALUES (?, ?)"
        with self._writing() as execute:
            number = self._meet(execute, user)
            for line in lines:
                execute(insert, (number, line))

    def unhide(self, user: str, *lines: str) -> None:
        """Remove lines from the user's blacklist."""
        with self._writing() as execute:
            number = self._returned(execute, user)
            for line in lines:
                execute("DELETE FROM lines WHERE user = ? AND line = ?", (number, line))

    def rate(self, user: str, ratings: str) -> None:
        """Keep which ratings the user lets themselves see."""
        self._set(user, "ratings", ratings)

    def set_mood(self, user: str, tags: Sequence[str]) -> None:
        """Keep which tags `user` wishes for from now on; with none, the mood ends.

        What is said of posts and seen until it changes belongs to the mood. An earlier
        mood of the same tags goes on. Of moods before the latest `MOODS_KEPT` only what
        was seen stays.
        """
        mood = " ".join(tags)
        with self._writing() as execute:
            number = self._meet(execute, user)
            earlier = [kept for (kept,) in execute(tables.MOODS, (number,))] if mood else []
            mood = next((kept for kept in earlier if same_mood(kept, tags)), mood)
            execute(tables.SET["mood"], (number, mood))
            others = [kept for kept in earlier if kept != mood]
            for old in others[MOODS_KEPT - 1 :]:
                execute(tables.KEEP_SEEN_OF_MOOD, (number, old))
                execute(tables.DROP_MOOD, (number, old))

    def set_variety(self, user: str, variety: float | None) -> None:
        """Keep how varied posts should be, from 0 to 1; None for the default."""
        self._set(user, "variety", variety)

    def set_only(self, user: str, search: str) -> None:
        """Keep the search words that all posts must match from now on; "" for none."""
        self._set(user, "only", search)

    def look(self, user: str, since: float, until: float) -> None:
        """Keep between which times posts are new to the user; see `Profile`."""
        with self._writing() as execute:
            number = self._meet(execute, user)
            execute(tables.SET["new_since"], (number, since))
            execute(tables.SET["new_until"], (number, until))

    def set_daily(self, user: str, hour: int | None, newest: float | None = None) -> None:
        """Keep from which hour (UTC) the user is sent what is new each day; None for never.

        Parameters
        ----------
        newest : when the newest post of the index was made. A user who was sent nothing
            before is sent something once there are newer ones.
        """
        with self._writing() as execute:  # to send nothing makes nobody a user
            meet = self._returned if hour is None else self._meet
            execute(tables.SET_DAILY, (meet(execute, user), hour, newest))

    def due(self, newest: float) -> list[str]:
        """Return the users to be sent today what is new in the index, whose hour has come.

        Parameters
        ----------
        newest : when the newest post of the index was made.
        """
        with self._file.transaction() as execute:
            due = execute(tables.DUE, (*self._today(), newest, None))
            return [name for name, _ in due]

    def claim(self, user: str, newest: float) -> float | None:
        """Note that a user is sent what is due, before it is.

        What is noted first cannot be sent twice, whoever else asks and whatever ends.

        Returns
        -------
        When the newest post of the index was made the last time; None if nothing is due.
        """
        with self._file.transaction() as execute:
            due = execute(tables.DUE, (*self._today(), newest, user)).fetchone()
            if due:
                execute(tables.SENT, (user, newest, int(self._clock())))
        return due[1] if due else None

    def _today(self) -> tuple[int, int]:
        """Return the hour and the number of the day since 1970, in UTC."""
        day, second = divmod(int(self._clock()), SECONDS_A_DAY)
        return second // 3600, day

    def forget(self, user: str) -> bool:
        """Delete everything kept about `user`, then its bytes.

        Returns
        -------
        erased : False when another program has the file open, so that bytes
            stay in it until the next `forget`; the rows are deleted in any
            case.
        """
        self.drop_user(user)
        return self._file.erase()

    def move(self, user: str, to: Profiles) -> None:
        """Move what is kept about `user` to another file that does not know them yet.

        Raises
        ------
        BadInput : the other file keeps too many users; everything stays here.
        """
        kept = self._rows(user)
        if kept["settings"]:
            with to._writing() as execute:
                number = to._meet(execute, user)
                for query, rows in (
                    (tables.KEEP_TAG, kept["tags"]),
                    (tables.MOVE_POST, kept["posts"]),
                    (tables.KEEP_FAVORITES, kept["favorites"]),
                ):
                    for row in rows:
                        execute(query, (number, *row))
                for (line,) in kept["lines"]:
                    execute("INSERT INTO lines (user, line) VALUES (?, ?)", (number, line))
                for setting, value in zip(tables.SETTINGS, kept["settings"][0], strict=True):
                    execute(tables.SET[setting], (number, value))
        self.drop_user(user)

    def drop_user(self, user: str) -> None:
        """Delete the rows about `user`; `forget` removes their bytes, too."""
        with self._file.transaction() as execute:
            execute("DELETE FROM users WHERE name = ?", (user,))  # cascades

    def _set(self, user: str, setting: str, value: str | float | None) -> None:
        with self._writing() as execute:
            execute(tables.SET[setting], (self._meet(execute, user), value))

    def _keep(
        self, insert: str, user: str, values: Iterable[str | int], feeling: Feeling
    ) -> None:
        with self._writing() as execute:
            number = self._meet(execute, user)
            for value in values:
                execute(insert, (number, value, int(feeling), int(self._clock())))

    def _meet(self, execute: Execute, user: str) -> int | None:
        """Return the user's number; refuse a new user when there are too many."""
        now = int(self._clock())
        new = execute("INSERT OR IGNORE INTO users (name, at) VALUES (?, ?)", (user, now))
        if new.rowcount and self._max_users is not None:
            (users,) = execute("SELECT COUNT(*) FROM users").fetchone()
            if users > self._max_users:  # the transaction takes the insertion back
                raise BadInput(
                    f"this bot keeps {self._max_users} users and has no place for another"
                )
        return self._returned(execute, user)

    def _returned(self, execute: Execute, user: str) -> int | None:
        """Note that the user is here; return their number, or None for a new user."""
        execute("UPDATE users SET at = ? WHERE name = ?", (int(self._clock()), user))
        return _user_number(execute, user)

    @contextmanager
    def _writing(self) -> Iterator[Execute]:
        """Run a transaction; once an hour, also forget who was away for too long."""
        forgotten, now = 0, self._clock()
        due = self._keep_days is not None and now >= self._next_search
        with self._file.transaction() as execute:
            yield execute
            if self._keep_days is not None and due:
                since = int(now - self._keep_days * SECONDS_A_DAY)
                forgotten = execute("DELETE FROM users WHERE at < ?", (since,)).rowcount
                self._next_search = now + FORGET_EVERY
        if forgotten or (due and self._traces):
            self._traces = not self._file.erase()


def _one_of_each(rows: Sequence[tuple], mood: Sequence[str]) -> list[tuple]:
    """Choose a row for each post, in their order.

    That is the one judged in the mood that holds; or else outside of moods; or else in
    another mood; or else one of a post that was only seen.

    >>> _one_of_each([(7, 1, 90, ""), (7, -1, 91, "owl"), (8, 0, 92, "owl")], ["owl"])
    [(7, -1, 91, 'owl'), (8, 0, 92, 'owl')]
    """
    holds = {kept: same_mood(kept, mood) for kept in {row[3] for row in rows}}
    if not any(holds):  # nobody was in a mood
        return list(rows)
    chosen: dict[int, tuple] = {}
    for place, row in enumerate(rows):
        post_id, feeling, _, judged_in = row
        rank = bool(feeling), holds[judged_in], not judged_in, place
        if post_id not in chosen or rank > chosen[post_id][0]:
            chosen[post_id] = rank, row
    return [row for _, row in sorted(chosen.values(), key=lambda pair: pair[0][-1])]


def _ids(blob: bytes) -> list[int]:
    return np.frombuffer(blob, "<i8").tolist()


def _blob(post_ids: Sequence[int]) -> bytes:
    return np.array(post_ids, "<i8").tobytes()


def _counted(post_ids: bytes, dropped: bytes) -> list[int]:
    """Return the ids of a list without those that were dropped."""
    ids, gone = _ids(post_ids), {*_ids(dropped)}
    return [one for one in ids if one not in gone] if gone else ids


def _user_number(execute: Execute, user: str) -> int | None:
    found = execute("SELECT id FROM users WHERE name = ?", (user,)).fetchone()
    return found[0] if found else None
