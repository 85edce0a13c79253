"""What is kept of users: kept whole, kept apart, and gone when forgotten."""

import itertools
import json
import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from e6graph.chat import profile_tables as tables
from e6graph.chat import profiles as module
from e6graph.chat.profiles import Profiles
from e6graph.chat.sqlitefile import SqliteFile
from e6graph.errors import BadArtifact, BadInput, E6GraphError
from e6graph.recommend.personal import Profile

ROOT = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "profiles.sqlite"


def on_disk(path):
    """Every byte of the file, its log and its index."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_remembers_in_order_and_between_runs(path):
    with Profiles(path) as kept:
        assert kept.load("ann") == Profile()
        kept.enjoy("ann", ["fox", "night"])
        kept.avoid("ann", ["web", "night"])  # night changes sides
        kept.saw("ann", [5, 3, 9])
        kept.like("ann", 3)
        kept.dislike("ann", 5)
        kept.like("ann", 5)  # a second thought
        kept.dislike("ann", 7)  # never shown, known by its number
        kept.saw("ann", [3])  # shown again: the verdict stays
    with Profiles(path) as kept:
        assert kept.load("ann") == Profile(
            enjoys=["fox"],
            avoids=["web", "night"],
            liked=[3, 5],
            disliked=[7],
            seen=[9, 3, 5, 7],
        )


def test_users_do_not_meet(path):
    names = ["ann", "bob", "' OR 1=1 --", "ann\0", "", "名前", "x" * 5000]
    with Profiles(path) as kept:
        for k, name in enumerate(names):
            kept.enjoy(name, [f"tag{k}", "'); DROP TABLE tags; --"])
            kept.like(name, k)
        assert kept.forget("bob")
        for k, name in enumerate(names):
            enjoys = [f"tag{k}", "'); DROP TABLE tags; --"]
            expected = (
                Profile(enjoys=enjoys, liked=[k], seen=[k]) if name != "bob" else Profile()
            )
            assert kept.load(name) == expected


def test_forget_leaves_no_byte(path):
    """60 users mixed over the pages; each one's marks are looked for in the raw files."""
    rng = random.Random(3)
    with Profiles(path) as kept:
        for _ in range(4):
            for k in range(60):
                mark = f"mark{k:02}_{rng.randrange(10**6)}_{'x' * rng.randrange(60)}"
                kept.enjoy(f"user{k:02}", [mark, f"{mark}_2"])
                kept.avoid(f"user{k:02}", [mark])
                kept.saw(f"user{k:02}", rng.sample(range(10**6), 10))
        for k in rng.sample(range(60), 20):
            assert f"mark{k:02}".encode() in on_disk(path)
            assert kept.forget(f"user{k:02}")
            assert f"mark{k:02}".encode() not in on_disk(path)
            assert f"user{k:02}".encode() not in on_disk(path)
            assert kept.load(f"user{k:02}") == Profile()
        rows = sqlite3.connect(path).execute("SELECT count(*) FROM tags").fetchone()
    assert rows == (40 * 8,)  # the others are whole


def test_forget_says_when_another_holds_the_file(path):
    with Profiles(path) as kept:
        kept.enjoy("ann", ["fox"])
        kept._file._connection.execute("PRAGMA busy_timeout = 50")
        other = sqlite3.connect(path)
        other.execute("BEGIN")
        other.execute("SELECT * FROM tags").fetchall()  # a reader of the old state
        assert not kept.forget("ann")
        assert kept.load("ann") == Profile()
        other.close()
        assert kept.forget("ann")
        assert b"fox" not in on_disk(path)


def test_an_operation_is_whole_or_nothing(path):
    with Profiles(path) as kept:
        kept.saw("ann", [1])
        with pytest.raises(BadInput):
            kept.saw("ann", [2, 3, 10**30])
        with pytest.raises(BadInput):
            kept.enjoy("ann", ["fox", "\ud800"])
        assert kept.load("ann") == Profile(seen=[1])


def test_a_kill_keeps_what_was_said(path):
    script = (
        "import os, sys\n"
        "from e6graph.chat.profiles import Profiles\n"
        "kept = Profiles(sys.argv[1])\n"
        "kept.like('ann', 4)\n"
        "kept._file._connection.execute('BEGIN')\n"
        "kept._file._connection.execute('DELETE FROM posts')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    with Profiles(path) as kept:
        assert kept.load("ann").liked == [4]


def test_the_file_is_its_owners_alone(path):
    with Profiles(path) as kept:
        kept.enjoy("ann", ["fox"])
        files = list(path.parent.iterdir())
        assert files and all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    assert path.stat().st_mode & 0o077 == 0


def test_the_header_says_whose_file_it_is_and_of_which_version(path):
    """As `file` and every later version read it (SQLite's file format, section 1.3)."""
    with Profiles(path) as kept:
        kept.enjoy("ann", ["fox"])
    header = path.read_bytes()[:100]
    assert header[:16] == b"SQLite format 3\0"
    assert (header[68:72], int.from_bytes(header[60:64])) == (b"e6GR", 6)
    feelings = {"LIKE": 1, "SEEN": 0, "DISLIKE": -1, "SKIPPED": 2}
    assert {one.name: int(one) for one in module.Feeling} == feelings


@pytest.mark.parametrize("kind", ["text", "other database", "cut short", "scribbled"])
def test_damaged_and_foreign_files_stay_untouched(path, kind):
    if kind == "text":
        path.write_text("name,likes\nann,fox\n" * 50)
    elif kind == "other database":
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE tags (a, b)")
        other.commit()
        other.close()
    else:
        with Profiles(path) as kept:
            for k in range(50):
                kept.enjoy(f"user{k}", [f"tag{j}_{'x' * 50}" for j in range(20)])
        data = bytearray(path.read_bytes())
        if kind == "cut short":
            del data[len(data) // 2 :]
        else:
            data[5000:60000] = b"\xaa" * 55000
        path.write_bytes(data)
    before, time = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(BadArtifact, match=r"profiles\.sqlite") as error:
        Profiles(path)
    assert "\n" not in str(error.value)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, time)
    assert [file.name for file in path.parent.iterdir()] == ["profiles.sqlite"]


def test_places_that_cannot_be_used(tmp_path):
    for place in (tmp_path, tmp_path / "none" / "profiles.sqlite"):
        with pytest.raises(E6GraphError, match="cannot"):
            Profiles(place)
    kept = Profiles(tmp_path / "p.sqlite")
    kept.load("ann")
    kept.close()
    kept.close()
    with pytest.raises(E6GraphError, match="closed"):
        kept.load("ann")


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_version_is_refused_and_stays_untouched(path, monkeypatch, change):
    with Profiles(path) as kept:
        kept.enjoy("ann", ["fox"])
    monkeypatch.setattr(tables, "SCHEMA_VERSION", tables.SCHEMA_VERSION - change)
    before = path.read_bytes()
    found, expected = tables.SCHEMA_VERSION + change, tables.SCHEMA_VERSION
    with pytest.raises(BadArtifact, match=f"version {found}, expected {expected}") as error:
        Profiles(path)
    said = str(error.value)
    assert (
        "\n" not in said and ("newer e6graph; update" if change > 0 else "move it away") in said
    )
    assert path.read_bytes() == before
    monkeypatch.undo()
    with Profiles(path) as kept:
        assert kept.load("ann").enjoys == ["fox"]


# Version 3, by the statements that made it and wrote to it.
VERSION_3 = """
PRAGMA application_id = 1698056018; PRAGMA user_version = 3; PRAGMA journal_mode = WAL;
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
 at INTEGER NOT NULL, ratings TEXT NOT NULL DEFAULT '');
CREATE TABLE tags (n INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
 tag TEXT NOT NULL, feeling INTEGER NOT NULL, at INTEGER NOT NULL, UNIQUE (user, tag));
CREATE TABLE posts (n INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
 post_id INTEGER NOT NULL, feeling INTEGER NOT NULL, at INTEGER NOT NULL, UNIQUE (user, post_id));
CREATE TABLE lines (n INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
 line TEXT NOT NULL, UNIQUE (user, line));
INSERT INTO users (id, name, at, ratings) VALUES (1, 'ann', 900, 's'), (4, 'bob', 901, '');
INSERT OR REPLACE INTO tags (user, tag, feeling, at) VALUES
 (1, 'fox', 1, 100), (1, 'web', -1, 101), (4, 'owl', 1, 102), (1, 'night', 1, 103);
INSERT OR REPLACE INTO posts (user, post_id, feeling, at) VALUES
 (1, 7, 0, 200), (1, 5, 1, 201), (4, 5, -1, 202), (1, 6, 2, 203), (1, 4, -1, 204);
INSERT OR REPLACE INTO posts (user, post_id, feeling, at) VALUES (1, 7, 1, 205);
INSERT OR IGNORE INTO lines (user, line) VALUES (1, 'score:<0'), (4, 'fox -night');
"""


def make_version_3(path):
    made = sqlite3.connect(path)
    made.executescript(VERSION_3)
    made.close()


def test_a_file_of_version_3_is_taken_over_without_loss(path):
    make_version_3(path)
    with Profiles(path, clock=lambda: 1000) as kept:
        ann, bob = kept.load("ann"), kept.load("bob")
        assert ann == Profile(
            enjoys=["fox", "night"],
            avoids=["web"],
            liked=[5, 7],
            disliked=[4],
            skipped=[6],
            seen=[5, 6, 4, 7],
            blacklist=["score:<0"],
            ratings="s",
        )
        assert ann.at == {5: 201, 6: 203, 4: 204, 7: 205}
        assert ann.named_at == {"fox": 100, "night": 103}
        assert bob == Profile(enjoys=["owl"], disliked=[5], seen=[5], blacklist=["fox -night"])
        kept.set_mood("ann", ["owl"])
        kept.like("ann", 9)
        kept.like("bob", 9)
    with Profiles(path) as kept:  # and it stays
        assert kept.load("ann").moods == {9: "owl"} and kept.load("bob").liked == [9]
        assert kept.forget("ann") and kept.load("bob").enjoys == ["owl"]
    assert b"score:<0" not in on_disk(path) and b"fox -night" in on_disk(path)


def test_what_is_taken_over_leaves_neither_free_pages_nor_bytes(path):
    make_version_3(path)
    made = sqlite3.connect(path)
    with made:
        made.executemany(
            "INSERT INTO tags (user, tag, feeling, at) VALUES (1, ?, 1, 1)",
            ((f"tag{k}",) for k in range(2000)),
        )
        made.executemany(
            "INSERT INTO posts (user, post_id, feeling, at) VALUES (1, ?, 0, 1)",
            ((k,) for k in range(100, 20_000)),
        )
    made.close()
    before = path.stat().st_size
    with Profiles(path) as kept:
        assert len(kept.load("ann").seen) == 4 + 19_900
    read = sqlite3.connect(path)
    assert read.execute("PRAGMA freelist_count").fetchone() == (0,)
    read.close()
    assert path.stat().st_size < 1.3 * before  # a row has a mood now
    rebuilt = path.stat().st_mtime_ns
    with Profiles(path) as kept:  # once is enough
        assert kept.knows("ann")
    assert path.stat().st_mtime_ns == rebuilt


def test_tables_that_are_replaced_are_overwritten_even_while_the_file_cannot_be_rebuilt(
    path, monkeypatch
):
    make_version_3(path)
    made = sqlite3.connect(path)
    with made:
        made.execute("CREATE TABLE old (mark TEXT)")
        made.execute("INSERT INTO old VALUES ('replacedmark')")
    made.close()
    steps = (*tables.UPGRADES[3], "DROP TABLE old")
    monkeypatch.setitem(tables.UPGRADES, 3, steps)
    monkeypatch.setattr(SqliteFile, "erase", lambda self: False)
    connect = sqlite3.connect

    def connect_as_most_builds_do(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA secure_delete = OFF")  # Debian's has it on
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_as_most_builds_do)
    with Profiles(path) as kept:
        assert kept.load("ann").liked == [5, 7]
    assert b"replacedmark" not in on_disk(path)


def test_two_programs_may_take_a_file_over_at_once(path):
    make_version_3(path)
    script = (
        "import sys\n"
        "from e6graph.chat.profiles import Profiles\n"
        "with Profiles(sys.argv[1]) as kept:\n"
        "    kept.like('ann', int(sys.argv[2]))\n"
    )
    ran = [
        subprocess.Popen([sys.executable, "-c", script, str(path), str(k)], cwd=ROOT)
        for k in (11, 12)
    ]
    assert [one.wait() for one in ran] == [0, 0]
    with Profiles(path) as kept:
        assert {5, 7, 11, 12} == set(kept.load("ann").liked)


def test_taking_over_happens_whole_or_not_at_all(path, monkeypatch):
    make_version_3(path)
    steps = tables.UPGRADES[3]
    monkeypatch.setitem(tables.UPGRADES, 3, (*steps, "CREATE TABLE x ("))
    with pytest.raises(E6GraphError):
        Profiles(path)
    monkeypatch.undo()
    with Profiles(path) as kept:
        assert kept.load("ann").liked == [5, 7]


def make_version_4(path):
    """As version 4 left it: what 3 had, moods, and no favorites."""
    make_version_3(path)
    made = sqlite3.connect(path)
    for statement in (*tables.UPGRADES[3], "PRAGMA user_version = 4"):
        made.execute(statement)
    made.execute("UPDATE users SET mood = 'owl', variety = 0.25 WHERE name = 'ann'")
    made.commit()
    made.close()


def test_a_file_of_version_4_is_taken_over_without_loss(path):
    make_version_4(path)
    with Profiles(path) as kept:
        ann = kept.load("ann")
        assert (ann.liked, ann.mood, ann.variety) == ([5, 7], ["owl"], 0.25)
        assert ann.favorites == [] and "favorites" not in kept.export("ann")
        kept.set_favorites("ann", "vixen", [3, 2])
    with Profiles(path) as kept:
        assert kept.load("ann").favorites == [3, 2] and kept.load("bob").disliked == [5]


def make_version_5(path):
    """As version 5 left it: what 4 had, favorites, and nothing of what is new."""
    make_version_4(path)
    made = sqlite3.connect(path)
    for statement in (*tables.UPGRADES[4], "PRAGMA user_version = 5"):
        made.execute(statement)
    made.execute(
        "INSERT INTO favorites (user, source, post_ids) VALUES (4, '', ?)",
        ((3).to_bytes(8, "little"),),
    )
    made.commit()
    made.close()


def test_a_file_of_version_5_is_taken_over_without_loss(path):
    make_version_5(path)
    with Profiles(path) as kept:
        ann, bob = kept.load("ann"), kept.load("bob")
        assert (ann.liked, ann.mood, ann.variety, ann.ratings) == ([5, 7], ["owl"], 0.25, "s")
        assert (bob.enjoys, bob.disliked, bob.favorites) == (["owl"], [5], [3])
        for one in (ann, bob):
            assert one.new_since is one.new_until is one.daily is None
            assert one.only == ""
        assert not {"new_since", "new_until", "daily"} & set(kept.export("ann"))
        kept.look("ann", 10.25, 20.5)
        kept.set_daily("bob", 0, 20.5)
        kept.set_only("bob", "fox -rain")
    with Profiles(path) as kept:
        assert kept.load("ann").only == "" and kept.load("bob").only == "fox -rain"
        assert (kept.load("ann").new_since, kept.load("ann").new_until) == (10.25, 20.5)
        assert kept.load("bob").daily == 0 and kept.export("bob")["daily_until"] == 20.5


def test_what_is_new_moves_with_its_user_and_is_forgotten(path, tmp_path):
    with Profiles(path) as here, Profiles(tmp_path / "there.sqlite") as there:
        here.look("ann", 10.25, 20.5)
        here.set_daily("ann", 8, 20.5)
        loaded, exported = here.load("ann"), here.export("ann")
        here.move("ann", there)
        assert (there.load("ann"), there.export("ann")) == (loaded, exported)
        assert loaded.daily == 8 and here.load("ann") == Profile()
        there.forget("ann")
        assert there.load("ann") == Profile() and there.due(1e12) == []


def test_favorites_are_kept_by_where_they_come_from(path):
    with Profiles(path) as kept:
        assert kept.set_favorites("ann", "vixen", [1, 2, 3]) == (3, 0)
        assert kept.set_favorites("ann", "", [3, 9]) == (2, 0)
        assert kept.set_favorites("bob", "vixen", [7]) == (1, 0)
        assert kept.load("ann").favorites == [1, 2, 3, 9]
        kept.like("ann", 2)
        kept.drop("ann", posts=[3, 2])
        assert kept.load("ann").favorites == [1, 9] and kept.load("ann").liked == []
        assert sorted(kept.load("ann").seen) == [2, 3]
        assert kept.set_favorites("ann", "vixen", [4, 1, 3]) == (1, 1)
        assert kept.load("ann").favorites == [4, 1, 9]
        assert kept.set_favorites("ann", "vixen", [2, 1]) == (1, 2)  # 2 left, and came back
        assert kept.load("ann").favorites == [2, 1, 9]
        assert kept.export("ann")["favorites"] == [
            {"source": "vixen", "post_ids": [2, 1], "dropped": []},
            {"source": "", "post_ids": [3, 9], "dropped": [3]},
        ]
        kept.drop_favorites("ann")
        assert kept.load("ann").favorites == [] and kept.load("bob").favorites == [7]


def test_favorites_move_and_are_forgotten_to_the_last_byte(path, tmp_path):
    mark = int.from_bytes(b"faves_at")
    (tmp_path / "there").mkdir()
    with Profiles(path) as kept, Profiles(tmp_path / "there" / "other.sqlite") as other:
        kept.set_favorites("ann", "someones_name", [mark, 5])
        kept.drop("ann", posts=[5])
        before = kept.load("ann"), kept.export("ann")
        other.saw("bob", [1])
        kept.move("ann", other)
        assert (other.load("ann"), other.export("ann")) == before
        assert kept.load("ann") == Profile()
        raw = mark.to_bytes(8, "little")
        there = (tmp_path / "there" / "other.sqlite-wal").read_bytes()
        assert raw in there
        assert other.forget("ann") and other.load("ann") == Profile()
        for file in (tmp_path / "there").iterdir():
            assert raw not in file.read_bytes() and b"someones_name" not in file.read_bytes()


def test_ten_thousand_favorites_are_one_row(path):
    ids = list(range(10**6, 10**6 + 10_000))[::-1]
    with Profiles(path) as kept:
        kept.set_favorites("ann", "vixen", ids)
        asked = []
        kept._file._connection.set_trace_callback(asked.append)
        assert kept.load("ann").favorites == ids
        assert kept.set_favorites("ann", "vixen", ids[:-1]) == (0, 1)
        assert len(asked) < 30


def test_what_is_said_in_a_mood_is_kept_apart(path):
    now = itertools.count(100)
    with Profiles(path, clock=lambda: next(now)) as kept:
        kept.enjoy("ann", ["cat"])
        kept.like("ann", 1)
        kept.dislike("ann", 2)
        before = kept.load("ann")
        kept.set_mood("ann", ["owl", "night"])
        kept.saw("ann", [10, 11, 12, 13])
        kept.like("ann", 10)
        kept.dislike("ann", 11)
        kept.skip("ann", 12)
        kept.dislike("ann", 1)  # what was liked outside is disliked here alone
        inside = kept.load("ann")
        assert inside.mood == ["owl", "night"]
        assert inside.liked == [10] and inside.disliked == [2, 11, 1]
        assert inside.skipped == [12]
        assert inside.moods == dict.fromkeys([13, 10, 11, 12, 1], "owl night")
    with Profiles(path, clock=lambda: next(now)) as kept:
        assert kept.load("ann") == inside  # a restart changes nothing
        kept.set_mood("ann", [])
        after = kept.load("ann")
        assert after.mood == [] and after.liked == [1, 10] and after.disliked == [2, 11]
        assert set(after.moods) == {10, 11, 12, 13}
        assert {p: at for p, at in after.at.items() if p not in after.moods} == before.at
        assert after.named_at == before.named_at != {}
        kept.set_mood("ann", ["night", "owl"])  # the same wish
        assert kept.load("ann").disliked == [2, 11, 1]
        kept.set_mood("ann", ["tram"])
        other = kept.load("ann")
        assert other.liked == [1, 10] and 1 not in other.moods
        kept.set_mood("ann", [])
        kept.like("ann", 10)  # said outside now, too
        assert 10 not in kept.load("ann").moods
        kept.drop("ann", posts=[1, 10])
        dropped = kept.load("ann")
        assert dropped.liked == [] and {1, 10} <= set(dropped.seen)
        kept.set_mood("ann", ["owl", "night"])
        assert kept.load("ann").liked == [] and kept.load("ann").disliked == [2, 11]


def test_what_is_dropped_in_a_mood_is_dropped_there_alone(path):
    with Profiles(path) as kept:
        kept.like("ann", 1)
        kept.like("ann", 2)
        kept.set_mood("ann", ["owl", "night"])
        kept.dislike("ann", 1)
        kept.set_mood("ann", ["night", "owl"])  # the same wish
        kept.drop("ann", posts=[1, 2])  # 2 was not judged in it: the only judgment is meant
        assert kept.load("ann").disliked == [] and kept.load("ann").liked == [1]
        kept.set_mood("ann", [])
        assert kept.load("ann").liked == [1]
        kept.drop("ann", posts=[1])
        assert kept.load("ann").at == {} and set(kept.load("ann").seen) == {1, 2}


def moods_in_rows(kept, user):
    return {post.get("mood", "") for post in kept.export(user)["posts"]}


def test_a_favorite_stays_one_when_what_was_said_of_it_in_a_mood_is_dropped(path):
    with Profiles(path) as kept:
        kept.set_favorites("ann", "vixen", [1, 2])
        kept.set_mood("ann", ["owl"])
        kept.dislike("ann", 1)
        kept.drop("ann", posts=[1, 2])
        assert kept.load("ann").disliked == [] and kept.load("ann").favorites == [1]
        kept.drop("ann", posts=[1])
        assert kept.load("ann").favorites == []


def test_a_mood_has_one_spelling(path):
    """Its rows would else be kept once for each order of its tags."""
    with Profiles(path) as kept:
        for spelling in (["owl", "night"], ["night", "owl"], ["owl", "night", "owl"]):
            kept.set_mood("ann", spelling)
            kept.like("ann", 1)
        assert [post["mood"] for post in kept.export("ann")["posts"]] == ["owl night"]
        assert kept.load("ann").mood == ["owl", "night"]
        kept.set_mood("bob", ["night", "owl"])  # another user has a spelling of their own
        assert kept.load("bob").mood == ["night", "owl"]


def test_the_latest_moods_alone_keep_their_rows(path, monkeypatch):
    monkeypatch.setattr(module, "MOODS_KEPT", 3)
    with Profiles(path) as kept:
        kept.like("ann", 1)
        kept.set_mood("bob", ["mood0"])
        kept.like("bob", 1)
        bob = kept.export("bob")
        for k in range(10):
            kept.set_mood("ann", [f"mood{k}"])
            kept.dislike("ann", 1)  # the same post in each
            kept.like("ann", 100 + k)
            kept.saw("ann", [200 + k])
            assert len(kept.export("ann")["posts"]) <= 1 + 3 + 2 * (k + 1)
        assert moods_in_rows(kept, "ann") == {"", "mood7", "mood8", "mood9"}
        kept.set_mood("ann", ["mood7"])  # it becomes the latest
        kept.like("ann", 300)
        assert moods_in_rows(kept, "ann") == {"", "mood7", "mood8", "mood9"}
        kept.set_mood("ann", [])  # and no mood takes no place
        assert moods_in_rows(kept, "ann") == {"", "mood7", "mood8", "mood9"}
        kept.set_mood("ann", ["new"])
        kept.like("ann", 301)
        assert moods_in_rows(kept, "ann") == {"", "mood7", "mood9", "new"}

        kept.set_mood("ann", [])
        ann = kept.load("ann")
        seen = [1, *range(100, 110), *range(200, 210), 300, 301]
        assert sorted(ann.seen) == seen
        assert len(kept.export("ann")["posts"]) == len(seen) + 2  # of 1 in two moods
        assert ann.liked == [1, 107, 109, 300, 301] and ann.disliked == []
        assert kept.export("bob") == bob


def test_a_mood_and_a_dial_are_exported_moved_and_forgotten(path, tmp_path):
    with Profiles(path) as kept, Profiles(tmp_path / "there.sqlite") as there:
        assert kept.load("ann").variety is None
        kept.set_variety("ann", 0.25)
        kept.saw("ann", [3])
        kept.set_mood("ann", ["owl", "night"])
        kept.like("ann", 4)
        export = json.loads(json.dumps(kept.export("ann")))
        assert (export["mood"], export["variety"]) == ("owl night", 0.25)
        assert [post.get("mood") for post in export["posts"]] == [None, "owl night"]
        loaded, exported = kept.load("ann"), kept.export("ann")
        kept.move("ann", there)
        assert (there.load("ann"), there.export("ann")) == (loaded, exported)
        there.set_mood("ann", [])
        there.set_variety("ann", None)
        assert not {"mood", "variety"} & set(there.export("ann"))
        there.set_mood("ann", ["owlmark"])
        there.forget("ann")
        assert there.load("ann") == Profile() and b"owlmark" not in on_disk(path)


def test_when_a_tag_was_enjoyed_is_kept(path):
    now = itertools.count(100)
    with Profiles(path, clock=lambda: next(now)) as kept:
        kept.enjoy("ann", ["fox"])
        first = kept.load("ann").named_at["fox"]
        kept.enjoy("ann", ["fox"])  # said again
        assert kept.load("ann").named_at["fox"] > first
        kept.avoid("ann", ["fox"])
        assert kept.load("ann").named_at == {}


def test_tables_that_cannot_be_made_leave_nothing_half_made(path, monkeypatch):
    monkeypatch.setattr(tables, "SCHEMA", (*tables.SCHEMA, "CREATE TABLE x ("))
    with Profiles(path) as kept, pytest.raises(E6GraphError):
        kept.enjoy("ann", ["fox"])
    monkeypatch.undo()
    with Profiles(path) as kept:
        kept.enjoy("ann", ["fox"])
        assert kept.load("ann").enjoys == ["fox"]


def test_there_is_no_file_before_something_is_read_or_kept(path):
    with Profiles(path, keep_days=1):
        pass
    assert list(path.parent.iterdir()) == []
    with Profiles(path) as one, Profiles(path) as two:  # both find no file
        one.enjoy("ann", ["fox"])
        two.enjoy("ann", ["owl"])
        assert one.load("ann").enjoys == ["fox", "owl"]


def test_a_skip_is_kept_apart_and_never_over_an_opinion(path):
    with Profiles(path, clock=lambda: 1000) as kept:
        kept.saw("ann", [1, 2, 3])
        kept.like("ann", 1)
        for post_id in (1, 2, 4, 4):
            kept.skip("ann", post_id)
        kept.saw("ann", [2])  # shown again: the skip stays
        profile = kept.load("ann")
        assert profile == Profile(liked=[1], skipped=[2, 4], seen=[2, 3, 1, 4])
        assert sorted(profile.seen) == [1, 2, 3, 4] and profile.at == {
            1: 1000,
            2: 1000,
            4: 1000,
        }
        told = {post["post_id"]: post["feeling"] for post in kept.export("ann")["posts"]}
        assert told == {1: 1, 2: 2, 3: 0, 4: 2}
        kept.dislike("ann", 2)  # a second thought
        kept.drop("ann", posts=[4])
        assert kept.load("ann").skipped == [] and kept.load("ann").disliked == [2]
        kept.forget("ann")
        assert kept.load("ann") == Profile()


def test_what_was_said_can_be_taken_back_and_taken_away(path):
    with Profiles(path, clock=lambda: 1000) as kept:
        kept.enjoy("ann", ["fox", "night"])
        kept.avoid("ann", ["web"])
        kept.like("ann", 4)
        kept.saw("ann", [5])
        kept.hide("ann", "spider -cute")
        kept.hide("ann", "gore")
        kept.rate("ann", "s")
        kept.enjoy("bob", ["fox"])
        assert json.loads(json.dumps(kept.export("ann"))) == {
            "user": "ann",
            "feelings": {"1": "like", "0": "seen", "-1": "dislike", "2": "skipped"},
            "tags": [
                {"tag": "fox", "feeling": 1, "at": 1000},
                {"tag": "night", "feeling": 1, "at": 1000},
                {"tag": "web", "feeling": -1, "at": 1000},
            ],
            "posts": [
                {"post_id": 4, "feeling": 1, "at": 1000},
                {"post_id": 5, "feeling": 0, "at": 1000},
            ],
            "blacklist": ["spider -cute", "gore"],
            "ratings": "s",
        }
        kept.drop("ann", ["fox", "web"], [4])
        kept.unhide("ann", "gore")
        assert kept.load("ann") == Profile(
            enjoys=["night"], seen=[4, 5], blacklist=["spider -cute"], ratings="s"
        )
        kept.drop("nobody", ["fox"])
        kept.unhide("nobody", "gore")
        assert kept.load("nobody") == Profile()
        assert kept.load("bob").enjoys == ["fox"]


def test_one_user_too_many_is_refused_and_the_others_go_on(path):
    with Profiles(path, max_users=2) as kept:
        kept.enjoy("ann", ["fox"])
        kept.enjoy("bob", ["fox"])
        with pytest.raises(BadInput, match="keeps 2 users"):
            kept.enjoy("cat", ["fox"])
        kept.like("ann", 3)
        assert kept.load("cat") == Profile()
        kept.forget("bob")
        kept.enjoy("cat", ["fox"])


def test_the_file_is_rebuilt_when_somebody_is_forgotten_and_not_at_each_word(path, monkeypatch):
    rebuilt, erase = [], SqliteFile.erase
    monkeypatch.setattr(
        SqliteFile, "erase", lambda self: rebuilt.append(self.path) or erase(self)
    )
    with Profiles(path, keep_days=1) as kept:
        kept.enjoy("ann", ["fox"])
        kept.saw("ann", range(9))
        assert rebuilt == []
        assert kept.forget("ann") and rebuilt == [path]


def test_a_user_moves_whole_to_another_file_or_stays_where_it_has_no_place(path, tmp_path):
    clock = iter(range(100, 200))
    with (
        Profiles(path, clock=lambda: next(clock)) as here,
        Profiles(tmp_path / "there.sqlite", max_users=1) as there,
    ):
        here.enjoy("ann", ["fox"])
        here.avoid("ann", ["web"])
        here.saw("ann", [4, 5])
        here.like("ann", 5)
        here.skip("ann", 6)
        here.hide("ann", "score:<0")
        here.hide("ann", "spider")
        here.rate("ann", "sq")
        here.enjoy("bob", ["owl"])
        loaded, exported = here.load("ann"), here.export("ann")
        here.move("ann", there)
        assert (there.load("ann"), there.export("ann")) == (loaded, exported)
        assert there.load("ann").at == loaded.at
        assert here.load("ann") == Profile() and here.load("bob").enjoys == ["owl"]
        with pytest.raises(BadInput, match="keeps 1 users"):
            here.move("bob", there)
        assert here.load("bob").enjoys == ["owl"] and there.load("bob") == Profile()
        here.move("nobody", there)
        assert there.load("nobody") == Profile() and there.export("ann") == exported


def test_who_was_away_too_long_is_forgotten_to_the_last_byte(path):
    day = 86400
    with Profiles(path, clock=lambda: 0) as kept:
        kept.enjoy("long_gone", ["oldfox"])
        kept.enjoy("came_back", ["fox"])
    with Profiles(path, clock=lambda: 20 * day) as kept:
        kept.saw("came_back", [1])
    with Profiles(path, keep_days=30, clock=lambda: 31 * day) as kept:
        assert kept.load("long_gone") == Profile()
        assert kept.load("came_back").enjoys == ["fox"]
        assert b"oldfox" not in on_disk(path)


def test_who_is_away_too_long_is_forgotten_while_the_file_is_open(path):
    day, now = 86400, [0.0]
    with Profiles(path, keep_days=30, clock=lambda: now[0]) as kept:
        kept.enjoy("long_gone", ["oldfox"])
        kept.enjoy("came_back", ["fox"])
        kept.enjoy("there", ["owl", "snow"])
        now[0] = 29 * day
        kept.drop("there", ["owl"])  # to take something back is to be there
        now[0] = 31 * day
        assert kept.load("long_gone").enjoys == ["oldfox"]  # nothing was written
        kept.like("came_back", 3)
        assert kept.load("long_gone") == Profile() and b"oldfox" not in on_disk(path)
        assert kept.load("came_back") == Profile(enjoys=["fox"], liked=[3], seen=[3])
        assert kept.load("there").enjoys == ["snow"]
        now[0] = 62 * day
        kept.saw("new", [1])
        assert kept.load("came_back") == kept.load("there") == Profile()


def test_who_is_away_is_looked_for_once_an_hour_at_most(path):
    asked, now = [], [0.0]
    with Profiles(path, keep_days=1, clock=lambda: now[0]) as kept:
        kept.load("ann")  # opens the file
        kept._file._connection.set_trace_callback(
            lambda line: line.startswith("DELETE FROM users") and asked.append(now[0])
        )
        for minutes in range(0, 200, 10):
            now[0] = 60.0 * minutes
            kept.saw("ann", [minutes])
            kept.load("ann")
    assert asked == [0, 3600, 7200, 10800]


def test_bytes_that_another_program_held_are_overwritten_later(path):
    now = [0.0]
    with Profiles(path, keep_days=1, clock=lambda: now[0]) as kept:
        kept.enjoy("long_gone", ["oldfox"])
        kept._file._connection.execute("PRAGMA busy_timeout = 50")
        other = sqlite3.connect(path)
        other.execute("BEGIN")
        other.execute("SELECT * FROM tags").fetchall()
        now[0] = 3 * 86400
        kept.saw("ann", [1])
        assert b"oldfox" in on_disk(path) and kept.load("long_gone") == Profile()
        other.close()
        now[0] += 3600
        kept.saw("ann", [2])
        assert b"oldfox" not in on_disk(path)


def test_many_threads_and_two_openings_lose_nothing(path):
    with Profiles(path) as one, Profiles(path) as two:

        def work(k):
            for post_id in range(25):
                (one, two)[k % 2].like(f"user{k}", post_id)
                (one, two)[(k + 1) % 2].enjoy("all", [f"tag{k}_{post_id}"])

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(one.load("all").enjoys) == 8 * 25
        assert all(two.load(f"user{k}").liked == list(range(25)) for k in range(8))


CHATTY = """
import os, random, sys, time
from e6graph.chat.profiles import Profiles

def talk(n, said):
    kept, rng = Profiles(sys.argv[1]), random.Random(n)
    while True:
        n += 1
        if rng.random() < 0.03:
            kept.forget("passing")
        kept.enjoy("passing", [f"tag{n}"])
        kept.like(f"user{n % 5}", n)
        os.write(said, b"%d\\n" % n)
        time.sleep(0.001)

rng = random.Random(11)
for start in range(0, 50 * 200_000, 200_000):
    writers = []
    for n in (start, start + 100_000):
        heard, said = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                talk(n, said)
            finally:
                os._exit(1)
        os.close(said)
        writers.append((pid, heard))
    first = [os.read(heard, 4096) for _, heard in writers]  # they are in the middle of their talk
    time.sleep(rng.random() * 0.02)
    for pid, _ in writers:
        os.kill(pid, 9)
    for (pid, heard), out in zip(writers, first):
        assert out and os.waitpid(pid, 0)[1] == 9
        while data := os.read(heard, 4096):
            out += data
        os.close(heard)
        print(out.decode(), end="")
"""


def test_a_hundred_kills_lose_nothing_that_was_acknowledged(path):
    """Two programs write to one file; both are killed at a random moment, fifty times."""
    done = subprocess.run(
        [sys.executable, "-c", CHATTY, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = {int(line) for line in done.stdout.split()}
    with Profiles(path) as kept:
        found = set().union(*(kept.load(f"user{k}").liked for k in range(5)))
    assert len(said) >= 100
    assert said <= found
    assert len(found - said) <= 100  # each kill may cut one answer off
