"""A bot that goes on while its index is made anew: it takes the new one, or stays with the old."""

import gc
import logging
import os
import platform
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
from boards import post, write_export
from conftest import PATIENCE, build, index_of

from e6graph import PostGraph
from e6graph.chat.commands import COMMANDS
from e6graph.chat.profiles import Profiles
from e6graph.chat.reload import CHECK_EVERY, Watch
from e6graph.chat.room import Room
from e6graph.chat.sessions import Sessions
from e6graph.errors import BadArtifact


@pytest.fixture(autouse=True)
def no_chance():
    """What is let go of is let go of on purpose, not when the collector happens to run."""
    gc.disable()
    yield
    gc.enable()


def board(place, first, n=24):
    """An index of the posts `first` to `first + n`."""
    rows = [post(first + k, f"fox night tag{k % 3}") for k in range(n)]
    return index_of(place, rows, dim=4)


@pytest.fixture
def index(tmp_path):
    return board(tmp_path, 1)


def until(true, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def warmed(index):
    graph = PostGraph.open(index)
    graph.warm()
    return graph


def test_looking_is_cheap_and_tells_a_rebuilt_index(index, tmp_path, monkeypatch):
    watch, asked, stat = Watch(index), [], os.stat
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", lambda *a, **k: asked.append(a) or stat(*a, **k))
        patched.setattr("builtins.open", None)  # nothing is read
        assert not any(watch.changed() for _ in range(20))
    assert 0 < len(asked) / 20 <= 2 * len(list(index.iterdir())) and CHECK_EVERY >= 60
    board(tmp_path, 101)
    assert watch.changed() and not watch.changed()


def test_talks_go_on_with_the_new_index_and_let_go_of_the_old(index, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        watch = Watch(index)
        graph = warmed(index)
        sessions, old = Sessions(graph, profiles, tmp_path), weakref.ref(graph)
        del graph
        for message in ("/enjoy fox", "/walk", "/like", "/blacklist add tag2"):
            before = sessions.reply("ann", message)
        end = watch.start(lambda: warmed(index), sessions.renew, every=0.02)
        assert sessions.visible(1) and not sessions.visible(101)
        board(tmp_path, 101)
        until(lambda: sessions.visible(101))
        until(lambda: not watch.changed())
        (card,) = [reply for reply in sessions.reply("ann", "/walk") if reply.post]
        assert card.post.post_id > 100
        assert not sessions.visible(1) and sessions.thumbnail(card.post) is None
        assert "may not be shown here" in sessions.reply("ann", "/like 1")[0].text
        assert sessions.taste("ann").enjoys == [
            "fox"
        ]  # what is kept stays, posts that went too
        assert len(profiles.load("ann").liked) == 1
        (card,) = [reply for reply in sessions.reply("bob", "/surprise") if reply.post]
        assert card.post.post_id > 100
        del before
        until(lambda: old() is None)  # and with it the files that were replaced
        end()
    assert "new posts are shown" in caplog.text


def test_an_index_that_cannot_be_opened_leaves_the_old_one_and_one_line(
    index, tmp_path, caplog, monkeypatch
):
    attempts = []

    def opened():
        attempts.append(1)
        return warmed(index)

    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        watch, looks = Watch(index), []
        changed = watch.changed
        monkeypatch.setattr(watch, "changed", lambda: looks.append(changed()) or looks[-1])
        sessions = Sessions(warmed(index), profiles)
        end = watch.start(opened, sessions.renew, every=0.02)
        sessions.reply("ann", "/enjoy fox")
        rows = [post(200 + k, f"fox night tag{k % 3}") for k in range(24)]
        write_export(tmp_path / "export", rows)
        import hydrate_data

        hydrate_data.main(["--index", str(index), "--from", str(tmp_path / "export")])
        seen = len(looks)
        until(lambda: attempts and len(looks) > seen + 10)
        tried, seen = len(attempts), len(looks)
        until(lambda: len(looks) > seen + 10)  # it does not try again and again
        lines = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        # a try for each change; of hydrate's renames several may be seen half done
        assert len(lines) == len(attempts) == tried == looks.count(True)
        assert "one before stays in use" in lines[0] and "embed_tags.py" in lines[-1]
        assert "\n" not in "".join(lines)
        assert sessions.reply("ann", "/walk")[0].post.post_id < 100
        build(
            index, tmp_path / "export", dim=4
        )  # each stage is a change; the last makes it whole
        until(lambda: sessions.visible(201))
        end()


def test_a_defect_ends_no_watch(index, tmp_path, caplog):
    taken, fail = [], threading.Event()
    fail.set()

    def opened():
        if fail.is_set():
            raise BadArtifact("two\nlines") if not taken else ZeroDivisionError
        return "a graph"

    watch = Watch(index)
    end = watch.start(opened, taken.append, every=0.02)
    (index / "ranking.npz.json").touch()
    until(lambda: "two lines" in caplog.text)
    fail.clear()
    (index / "ranking.npz.json").touch()
    until(lambda: taken == ["a graph"])
    fail.set()
    (index / "ranking.npz.json").touch()
    until(lambda: "ZeroDivisionError" in caplog.text)
    end()


def test_the_collector_passes_over_a_board_that_is_freed_all_the_same(index, tmp_path):
    room = Room(
        index=str(index),
        ratings="s",
        blacklist=None,
        profiles=str(tmp_path / "profiles.sqlite"),
        max_users=None,
        keep_days=None,
        previews=tmp_path,
        fetch_previews=False,
        static_url=None,
        user_agent=None,
    )
    try:
        with room.sessions(COMMANDS) as sessions:
            names = id(sessions._graph.posts.names)
            assert all(id(one) != names for one in gc.get_objects())
            old = weakref.ref(sessions._graph)
            sessions.renew(room._warm_graph())
            assert old() is None
            assert sessions.reply("ann", "/enjoy fox")
    finally:
        gc.unfreeze()


HELD = """
import numpy as np, sys
from benchmarks.measure import memory
from e6graph.chat.reload import give_back_memory
if sys.argv[1] == "given back":
    give_back_memory()
for _ in range(3):
    large = np.ones(2_500_000)  # 20 MB
    del large  # from this glibc learns that such ones come and go
before = memory()[1]
pairs = [(np.ones(250_000), bytearray(5000)) for _ in range(50)]  # 2 MB, and what stays between
kept = [small for _, small in pairs]
del pairs
print((memory()[1] - before) / 1e6)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone does this")
def test_memory_that_was_let_go_of_is_given_back():
    """Without the call large arrays stay with the process, for there are small ones between."""
    held = {}
    for how in ("given back", "as it is"):
        done = subprocess.run(
            [sys.executable, "-c", HELD, how],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[1],
            check=True,
        )
        held[how] = float(done.stdout)
    assert held["given back"] < 10 < 50 < held["as it is"], held
