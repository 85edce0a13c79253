"""A full disk and a read-only one: one line, status 1, and the old artifacts as they were."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import PATIENCE
from test_scripts import ENVIRONMENT, ROOT, one_line, run

from e6graph.chat.conversation import Conversation
from e6graph.chat.profiles import Profiles
from e6graph.errors import E6GraphError
from e6graph.recommend.postgraph import PostGraph
from e6graph.store.index import LOCK, Store

PAGE = 4096


def mount(*options):
    done = subprocess.run(["mount", *map(str, options)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def disk(demo, tmp_path_factory):
    """A disk of 48 MB that holds demo/index and nothing else."""
    if os.geteuid():
        pytest.skip("only root may mount")
    disk = tmp_path_factory.mktemp("disk")
    mount("-t", "tmpfs", "-o", "size=48m", "tmpfs", disk)
    try:
        shutil.copytree(demo / "index", disk / "index")
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@contextlib.contextmanager
def filled(disk, room):
    """The disk with so many bytes to spare."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    os.truncate(filler, max(0, filler.stat().st_size - room) // PAGE * PAGE)
    try:
        yield
    finally:
        filler.unlink()


def contents(index):
    return {path.name: path.read_bytes() for path in index.iterdir() if path.name != LOCK}


SCRIPTS = {
    "hydrate_data.py": ["--from", "DEMO"],
    "embed_tags.py": ["--dim", "32"],
    "solve_attenuator.py": [],
    "construct_index.py": ["--graph", "4"],
    "solve_recognizer.py": ["--previews", "DEMO", "--no-fetch", "--no-judge"],
}


def start(script, demo, index):
    options = [str(demo) if word == "DEMO" else word for word in SCRIPTS[script]]
    return run(script, "--index", index, *options)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_full_disk_keeps_the_old_and_with_room_it_succeeds(demo, disk, script):
    index = disk / "index"
    before = contents(index)
    for room in (0, 2 * PAGE) if script == "embed_tags.py" else (2 * PAGE,):
        with filled(disk, room):
            status, _, err = start(script, demo, index)
            said = one_line(err)
            assert status == 1 and said.startswith(script) and "No space left" in said, said
            assert contents(index) == before
    status, _, err = start(script, demo, index)
    assert status == 0, err
    Store(index).check("posts.parquet")


LARGEST = {
    "hydrate_data.py": "posts.parquet",
    "embed_tags.py": "dictionary.npz",
    "solve_attenuator.py": "attenuator.npz",
    "construct_index.py": "posts.skip*.ann",
    "solve_recognizer.py": "recognizer.npz",
}
SHARES = [(name, share) for name in LARGEST for share in (0, 0.01, 0.5)]
LIMITED = (
    "import resource, runpy, sys\n"
    "limit = int(sys.argv.pop(1))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
    "sys.argv.pop(0)\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


@pytest.mark.parametrize("script, share", SHARES)
def test_a_limit_of_file_sizes_keeps_the_old(demo, tmp_path, script, share):
    """`ulimit -f`: needs no mount; writing past it to a map would be a SIGBUS."""
    index = shutil.copytree(demo / "index", tmp_path / "index")
    limit = int(share * Store(index).path(LARGEST[script]).stat().st_size)
    before = contents(index)
    options = [str(demo) if word == "DEMO" else word for word in SCRIPTS[script]]
    command = [sys.executable, "-B", "-c", LIMITED, str(limit), ROOT / script, "--index", index]
    process = subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
        timeout=PATIENCE,
    )
    err = process.stderr
    said = one_line(err)
    assert process.returncode == 1 and said.startswith(f"{script}: "), (process.returncode, err)
    assert "File too large" in said and said.endswith("nothing was replaced"), said
    assert contents(index) == before


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_read_only_disk_is_one_line(demo, disk, script):
    index = disk / "index"
    before = contents(index)
    mount("-o", "remount,ro", disk)
    try:
        status, _, err = start(script, demo, index)
        said = one_line(err)
        assert status == 1 and said.startswith(f"{script}: ") and "Read-only" in said, said
        assert contents(index) == before
    finally:
        mount("-o", "remount,rw", disk)


def test_a_bot_on_a_full_disk_says_so_and_keeps_what_it_knew(demo, disk):
    kept = disk / "profiles.sqlite"
    with Profiles(kept) as profiles:
        profiles.enjoy("terminal", ["fox"])
        profiles.like("terminal", 5)
    graph = PostGraph.open(demo / "index")
    with filled(disk, 0):
        status, out, err = run("bot.py", "--index", demo / "index", "--profiles", kept)
        assert status in (0, 1) and "Traceback" not in err + out
        if status:
            assert "cannot use" in one_line(err)
        with (
            pytest.raises(E6GraphError, match=r"cannot use .*: nothing was changed"),
            Profiles(kept) as profiles,
        ):
            talk = Conversation(graph, profiles, "terminal")
            for post_id in graph.posts.ids[:3000].tolist() * 40:
                talk.reply(f"/enjoy {graph.posts.names[post_id % 50]}")
                profiles.saw("terminal", range(post_id * 1000, post_id * 1000 + 500))
    with Profiles(kept) as profiles:
        profile = profiles.load("terminal")
        assert "fox" in profile.enjoys and 5 in profile.liked
        profiles.like("terminal", 6)
    kept.unlink()


def test_a_bot_on_a_read_only_disk_says_so(demo, disk):
    kept = disk / "profiles.sqlite"
    with Profiles(kept) as profiles:
        profiles.enjoy("terminal", ["fox"])
    before = kept.read_bytes()
    mount("-o", "remount,ro", disk)
    try:
        status, _, err = run("bot.py", "--index", demo / "index", "--profiles", kept)
        assert status == 1 and one_line(err).startswith("bot.py: cannot use")
        assert kept.read_bytes() == before
    finally:
        mount("-o", "remount,rw", disk)
        kept.unlink()


@pytest.mark.parametrize("script", SCRIPTS)
def test_two_at_once_the_second_names_the_first(demo, script, tmp_path):
    index = shutil.copytree(demo / "index", tmp_path / "index")
    before = contents(index)
    with Store(index).stage("embed_tags.py"):
        status, _, err = start(script, demo, index)
    said = f"is being written by embed_tags.py (process {os.getpid()}): wait for it to end"
    assert status == 1 and one_line(err).endswith(said)
    assert contents(index) == before
    assert json.loads(before["posts.parquet.json"])["made_by"] == "hydrate_data.py"
