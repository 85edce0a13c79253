"""The SQL of `Profiles`: the tables, what brings older files up to date, the statements."""

from __future__ import annotations

APPLICATION_ID = 0x65364752  # "e6GR"
SCHEMA_VERSION = 6  # 1 and 2 are too old to be taken over
_OF_USER = "n INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE"
_FELT = "feeling INTEGER NOT NULL, at INTEGER NOT NULL"
_MOOD = "mood TEXT NOT NULL DEFAULT ''"  # tags with spaces between
_ONLY = "only TEXT NOT NULL DEFAULT ''"  # words of the site's search
_POSTS = (
    f"CREATE TABLE posts ({_OF_USER}, post_id INTEGER NOT NULL, {_FELT}, {_MOOD}, "
    "UNIQUE (user, post_id, mood))"
)
# A row for each list: there may be 240,000 favorites. Ids are int64, little-endian, the
# latest last; those that were dropped here are among them.
_FAVORITES = (
    f"CREATE TABLE favorites ({_OF_USER}, source TEXT NOT NULL, post_ids BLOB NOT NULL "
    "CHECK (length(post_ids) % 8 = 0), dropped BLOB NOT NULL DEFAULT x'' "
    "CHECK (length(dropped) % 8 = 0), UNIQUE (user, source))"
)
# See `Profile`. `daily_until` and `daily_at` tell of the last time that what is new was
# sent: when the newest post of the index was made, and when that time was.
_NEWS = (
    "new_since REAL",
    "new_until REAL",
    "daily INTEGER",
    "daily_until REAL",
    "daily_at INTEGER",
)
SCHEMA = (  # `n` keeps the order; `at` is in Unix seconds
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
    f"at INTEGER NOT NULL, ratings TEXT NOT NULL DEFAULT '', {_MOOD}, variety REAL, "
    f"{', '.join(_NEWS)}, {_ONLY})",
    f"CREATE TABLE tags ({_OF_USER}, tag TEXT NOT NULL, {_FELT}, UNIQUE (user, tag))",
    _POSTS,
    f"CREATE TABLE lines ({_OF_USER}, line TEXT NOT NULL, UNIQUE (user, line))",
    _FAVORITES,
)
UPGRADES: dict[int, tuple[str, ...]] = {
    3: (
        f"ALTER TABLE users ADD COLUMN {_MOOD}",
        "ALTER TABLE users ADD COLUMN variety REAL",
        "ALTER TABLE posts RENAME TO old_posts",
        _POSTS,
        "INSERT INTO posts (n, user, post_id, feeling, at) "
        "SELECT n, user, post_id, feeling, at FROM old_posts",
        "DROP TABLE old_posts",
    ),
    4: (_FAVORITES,),
    5: tuple(f"ALTER TABLE users ADD COLUMN {column}" for column in (*_NEWS, _ONLY)),
}
"""Version → the statements that make the next version of it."""

# In all statements `?1` is the user's number.
KEEP_TAG = "INSERT OR REPLACE INTO tags (user, tag, feeling, at) VALUES (?1, ?2, ?3, ?4)"
_NEW_POST = (
    "INTO posts (user, post_id, feeling, at, mood) "
    "SELECT ?1, ?2, ?3, ?4, mood FROM users WHERE id = ?1"
)
KEEP_POST = f"INSERT OR REPLACE {_NEW_POST}"
KEEP_SEEN = (
    "INSERT INTO posts (user, post_id, feeling, at, mood) "
    "SELECT ?1, ?2, ?3, ?4, mood FROM users WHERE id = ?1 "
    "AND NOT EXISTS (SELECT 1 FROM posts WHERE user = ?1 AND post_id = ?2)"
)
KEEP_SKIP = (
    f"INSERT {_NEW_POST} "
    "ON CONFLICT DO UPDATE SET feeling = ?3, at = ?4 WHERE feeling = 0"  # 0: Feeling.SEEN
)
MOVE_POST = "INSERT INTO posts (user, post_id, feeling, at, mood) VALUES (?1, ?2, ?3, ?4, ?5)"
JUDGMENTS = "SELECT n, mood FROM posts WHERE user = ?1 AND post_id = ?2 AND feeling != 0"
MOODS = (  # the latest first
    "SELECT mood FROM posts WHERE user = ?1 AND mood != '' GROUP BY mood ORDER BY MAX(n) DESC"
)
KEEP_SEEN_OF_MOOD = (
    "UPDATE posts SET mood = '', feeling = 0 WHERE user = ?1 AND mood = ?2 "
    "AND NOT EXISTS (SELECT 1 FROM posts AS another "
    "WHERE user = ?1 AND post_id = posts.post_id AND mood != ?2)"
)
DROP_MOOD = "DELETE FROM posts WHERE user = ?1 AND mood = ?2"
SETTINGS = (
    "ratings",
    "mood",
    "variety",
    "new_since",
    "new_until",
    "daily",
    "daily_until",
    "daily_at",
    "only",
)
"""Columns of `users`."""
READ = {
    "tags": "SELECT tag, feeling, at FROM tags WHERE user = ?1 ORDER BY n",
    "posts": "SELECT post_id, feeling, at, mood FROM posts WHERE user = ?1 ORDER BY n",
    "lines": "SELECT line FROM lines WHERE user = ?1 ORDER BY n",
    "favorites": "SELECT source, post_ids, dropped FROM favorites WHERE user = ?1 ORDER BY n",
    "settings": f"SELECT {', '.join(SETTINGS)} FROM users WHERE id = ?1",  # noqa: S608 (ours)
}
KEEP_FAVORITES = (
    "INSERT INTO favorites (user, source, post_ids, dropped) VALUES (?1, ?2, ?3, ?4) "
    "ON CONFLICT DO UPDATE SET post_ids = ?3, dropped = ?4"
)
ROWS_OF = {
    "posts": "SELECT n, post_id, feeling, at, mood FROM posts WHERE user = ?1 AND post_id = ?2",
    "tags": "SELECT n, tag, feeling, at FROM tags WHERE user = ?1 AND tag = ?2",
}
DELETE_ROWS_OF = {
    "posts": "DELETE FROM posts WHERE user = ?1 AND post_id = ?2",
    "tags": "DELETE FROM tags WHERE user = ?1 AND tag = ?2",
}
UNSEE_POST = "DELETE FROM posts WHERE user = ?1 AND post_id = ?2 AND feeling = 0"
PUT_BACK = {  # in its old place, unless another row has taken it
    "posts": "INSERT INTO posts (user, n, post_id, feeling, at, mood) VALUES (?1, CASE WHEN "
    "EXISTS (SELECT 1 FROM posts WHERE n = ?2) THEN NULL ELSE ?2 END, ?3, ?4, ?5, ?6)",
    "tags": "INSERT INTO tags (user, n, tag, feeling, at) VALUES (?1, CASE WHEN "
    "EXISTS (SELECT 1 FROM tags WHERE n = ?2) THEN NULL ELSE ?2 END, ?3, ?4, ?5)",
}
SET_DAILY = (
    "UPDATE users SET daily = ?2, "
    "daily_until = CASE WHEN daily IS NULL THEN ?3 ELSE daily_until END WHERE id = ?1"
)
SET = {name: f"UPDATE users SET {name} = ?2 WHERE id = ?1" for name in SETTINGS}  # noqa: S608
# Who is sent what is new today: the hour, when the day began, how new the index is.
DUE = (  # all of them, or one by name
    "SELECT name, daily_until FROM users WHERE daily <= ?1 AND IFNULL(daily_at, 0) < ?2 "
    "AND daily_until < ?3 AND (?4 IS NULL OR name = ?4) ORDER BY id"
)
SENT = "UPDATE users SET daily_until = ?2, daily_at = ?3 WHERE name = ?1"
