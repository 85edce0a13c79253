"""The index directory: all of a stage or nothing of it, and nothing read that does not belong."""

import fcntl
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import PATIENCE

from e6graph import cli
from e6graph.errors import BadArtifact, E6GraphError, MissingArtifact, reading
from e6graph.store import index as module
from e6graph.store.arrow import map_table, write_table
from e6graph.store.files import JOURNAL, sha256_file, write_atomic
from e6graph.store.index import FORMAT, LOCK, Store
from e6graph.store.stage import Stage

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}


class Killed(BaseException):
    """Stands for SIGKILL: nothing that would tidy up afterwards is run."""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "index")


def write(store, made_by="hydrate_data.py", inputs=(), replaces=(), parameters=None, **files):
    """One stage that writes text files; `posts_parquet="x"` writes posts.parquet."""
    with store.stage(made_by, parameters, inputs, replaces) as stage:
        for name, text in files.items():
            stage.path(name.replace("_", ".")).write_text(text)


def contents(root, hidden=False):
    """Name -> text of what readers see (sidecars left out), or of all files."""
    return {
        path.name: path.read_text()
        for path in sorted(Path(root).iterdir())
        if hidden or not (path.name.startswith(".") or path.name.endswith(".json"))
    }


def test_a_stage_is_seen_at_its_end_and_not_before(store):
    write(store, posts_parquet="old")
    with store.stage("hydrate_data.py") as stage:
        stage.path("posts.parquet").write_text("new")
        stage.path("pools.parquet").write_text("new")
        assert contents(store.root) == {"posts.parquet": "old"}
    assert contents(store.root) == {"posts.parquet": "new", "pools.parquet": "new"}
    hidden = {path.name for path in store.root.iterdir() if path.name.startswith(".")}
    assert hidden == {LOCK}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Killed])
def test_a_stage_that_fails_changes_nothing_and_leaves_nothing(store, error):
    write(store, posts_parquet="old")
    before = {path.name: path.read_bytes() for path in store.root.iterdir()}
    with pytest.raises(error), store.stage("hydrate_data.py") as stage:
        stage.path("posts.parquet").write_text("new")
        raise error
    assert {path.name: path.read_bytes() for path in store.root.iterdir()} == before


def test_the_disk_filling_up_is_one_line_and_changes_nothing(store):
    write(store, posts_parquet="old")
    with pytest.raises(E6GraphError) as caught, store.stage("hydrate_data.py"):
        raise OSError(28, "No space left on device", "posts.parquet")
    assert str(caught.value) == "No space left on device (posts.parquet): nothing was replaced"
    assert contents(store.root) == {"posts.parquet": "old"}


@pytest.mark.parametrize("name", ["tags.parquet", "tags.parquet.json", "posts.skip7.ann"])
def test_a_directory_in_the_way_is_one_line_and_nothing_is_replaced(store, name):
    write(store, posts_parquet="old")
    path = store.root / name
    path.mkdir()
    with (
        pytest.raises(E6GraphError) as caught,
        store.stage("hydrate_data.py", replaces=["posts.skip*.ann"]) as stage,
    ):
        stage.path("posts.parquet").write_text("new")
        stage.path("tags.parquet").write_text("new")
    assert str(caught.value) == f"Is a directory ({path}): nothing was replaced"
    path.rmdir()
    assert contents(store.root) == {"posts.parquet": "old"}
    write(store, tags_parquet="new")
    assert contents(store.root) == {"posts.parquet": "old", "tags.parquet": "new"}


def test_a_sidecar_says_what_an_artifact_was_made_from(store):
    write(store, posts_parquet="posts")
    parameters = {"seed": 3}
    with store.stage("embed_tags.py", parameters, ["posts.parquet"]) as stage:
        stage.path("dictionary.npz").write_text("vectors")
        parameters["dim"] = 128  # known only at the end
    record = json.loads((store.root / "dictionary.npz.json").read_text())
    seal, stat_seal = record.pop("seal"), record.pop("stat_seal")
    sealed = {k: v for k, v in record.items() if k != "stat"}
    assert seal == hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()
    pair = json.dumps([record["stat"], seal])
    assert stat_seal == hashlib.sha256(pair.encode()).hexdigest()
    assert record == {
        "format": FORMAT,
        "name": "dictionary.npz",
        "made_by": "embed_tags.py",
        "parameters": {"seed": 3, "dim": 128},
        "inputs": {"posts.parquet": hashlib.sha256(b"posts").hexdigest()},
        "sha256": hashlib.sha256(b"vectors").hexdigest(),
        "together": {"dictionary.npz": hashlib.sha256(b"vectors").hexdigest()},
        "stat": [
            7,
            (store.root / "dictionary.npz").stat().st_mtime_ns,
            (store.root / "dictionary.npz").stat().st_ino,
        ],
    }
    assert store.check("dictionary.npz") == store.root / "dictionary.npz"


def test_the_digest_is_that_of_the_bytes_wherever_they_are(store, tmp_path):
    write(store, posts_parquet="posts")
    assert store.digest("posts.parquet") == hashlib.sha256(b"posts").hexdigest()
    store.root.rename(tmp_path / "elsewhere")
    (tmp_path / "copied").mkdir()
    for path in (tmp_path / "elsewhere").iterdir():  # other inodes and times: read again
        (tmp_path / "copied" / path.name).write_bytes(path.read_bytes())
    for name in ("elsewhere", "copied"):
        assert Store(tmp_path / name).check("posts.parquet").read_text() == "posts"
    assert sha256_file(tmp_path / "copied" / "posts.parquet") == store_sha(
        tmp_path / "elsewhere"
    )


def store_sha(root):
    return json.loads((root / "posts.parquet.json").read_text())["sha256"]


def test_a_missing_artifact_names_the_script_that_makes_it(store):
    for name, script in module.MAKERS.items():
        with pytest.raises(MissingArtifact, match=f"missing: run {script} first$"):
            store.check(name)


def chain(store):
    write(store, posts_parquet="posts")
    write(store, "embed_tags.py", ["posts.parquet"], dictionary_npz="dictionary")
    inputs = ["posts.parquet", "dictionary.npz"]
    write(store, "solve_attenuator.py", inputs, attenuator_npz="attenuator")
    write(store, "construct_index.py", [*inputs, "attenuator.npz"], posts_arrow="arrow")


def test_altered_bytes_are_refused(store):
    chain(store)
    store.check("posts.arrow")
    altered = store.root / "dictionary.npz"
    altered.write_text("dictionarX")  # as long as before
    later = altered.stat().st_mtime_ns + 10**9  # whatever the file system's clock tick is
    os.utime(altered, ns=(later, later))
    with pytest.raises(BadArtifact, match=r"dictionary\.npz is not what .* run embed_tags\.py"):
        store.check("dictionary.npz")
    with pytest.raises(BadArtifact, match=r"run embed_tags\.py again"):
        store.check("posts.arrow")


def test_artifacts_of_another_input_name_the_first_script_to_run_again(store):
    chain(store)
    write(store, "embed_tags.py", ["posts.parquet"], dictionary_npz="dictionary")
    store.check("posts.arrow")  # made again, to the same bytes: still the same input
    write(store, "embed_tags.py", ["posts.parquet"], dictionary_npz="another")
    for name in ("attenuator.npz", "posts.arrow"):
        with pytest.raises(
            BadArtifact, match=r"another dictionary.npz: run solve_attenuator\.py"
        ):
            store.check(name)
    write(store, posts_parquet="others")
    with pytest.raises(BadArtifact, match=r"another posts.parquet: run embed_tags\.py again"):
        store.check("posts.arrow")


def test_an_artifact_whose_input_is_gone_names_the_script_that_makes_it(store):
    chain(store)
    (store.root / "posts.parquet").unlink()
    with pytest.raises(
        MissingArtifact, match=r"posts\.parquet is missing: run hydrate_data\.py"
    ):
        store.check("dictionary.npz")


def test_an_input_that_changes_under_a_running_script_is_noticed(store):
    write(store, posts_parquet="read")
    reader = Store(store.root)
    assert reader.check("posts.parquet").read_text() == "read"
    write(store, posts_parquet="come since")
    write(reader, "embed_tags.py", ["posts.parquet"], dictionary_npz="made of read")
    with pytest.raises(BadArtifact, match=r"another posts\.parquet"):
        store.check("dictionary.npz")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", f'{{"format": {FORMAT}}}'])
def test_a_sidecar_that_cannot_be_read_is_refused(store, text):
    write(store, posts_parquet="posts")
    (store.root / "posts.parquet.json").write_text(text)
    for ask in (store.check, store.sidecar, store.digest):
        with pytest.raises(BadArtifact, match=r"cannot be read .* run hydrate_data\.py again"):
            ask("posts.parquet")


@pytest.mark.parametrize(
    "name", ["dictionary.npz", "neighbors.npy", "posts.arrow", "posts.skip1.ann"]
)
def test_what_is_mapped_or_trusted_is_not_read_without_a_sidecar(store, name):
    """E6DB has no such files, so nothing is lost; and only a hash tells whether it is whole."""
    store.root.mkdir()
    (store.root / name).write_text("anything")
    with pytest.raises(BadArtifact, match=r"has no sidecar .*\.json: run .* again"):
        store.check(name)


def test_every_bit_of_a_sidecar_counts(store):
    write(store, posts_parquet="posts", parameters={"never": ["young"], "offset": 14})
    beside = store.root / "posts.parquet.json"
    whole = beside.read_bytes()
    for at, byte in enumerate(
        whole[: whole.index(b'"stat"')]
    ):  # which is only believed if it fits
        for bit in (0, 2, 5):
            beside.write_bytes(whole[:at] + bytes([byte ^ 1 << bit]) + whole[at + 1 :])
            with pytest.raises(BadArtifact, match=r"run hydrate_data\.py again"):
                store.sidecar("posts.parquet")
    beside.write_bytes(whole)
    assert store.sidecar("posts.parquet")["parameters"]["offset"] == 14


def test_artifacts_of_two_runs_of_one_stage_are_refused(store, tmp_path):
    write(store, posts_parquet="posts", tags_parquet="tags")
    other = Store(tmp_path / "other")
    write(other, posts_parquet="posts", tags_parquet="others")
    for name in ("tags.parquet", "tags.parquet.json"):
        (store.root / name).write_bytes((other.root / name).read_bytes())
    for name in ("posts.parquet", "tags.parquet"):
        with pytest.raises(BadArtifact, match=r"of different runs: run hydrate_data\.py again"):
            Store(store.root).check(name)
    (store.root / "tags.parquet.json").unlink()  # another's own file in its place is let be
    Store(store.root).check("posts.parquet")


def test_another_format_is_refused(store):
    write(store, posts_parquet="posts")
    beside = store.root / "posts.parquet.json"
    beside.write_text(
        beside.read_text().replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}')
    )
    with pytest.raises(
        BadArtifact, match=f"format {FORMAT + 1}, expected {FORMAT}: run hydrate"
    ):
        store.check("posts.parquet")


def test_files_without_a_sidecar_are_read_as_they_are(store):
    store.root.mkdir()
    (store.root / "posts.parquet").write_text("E6DB's own")
    assert store.check("posts.parquet").read_text() == "E6DB's own"
    assert store.sidecar("posts.parquet") == {}
    assert store.digest("posts.parquet") == hashlib.sha256(b"E6DB's own").hexdigest()


# -- read while it is replaced -------------------------------------------------------------------
def read_two(store):
    return [store.check(name).read_text() for name in ("posts.parquet", "pools.parquet")]


def test_what_is_replaced_while_it_is_read_is_read_again(store):
    write(store, posts_parquet="old", pools_parquet="old")
    writer, calls = Store(store.root), []

    def read():
        first = store.check("posts.parquet").read_text()
        if not calls:
            write(writer, posts_parquet="new", pools_parquet="new")
        calls.append(first)
        return [first, store.check("pools.parquet").read_text()]

    assert store.whole(read) == ["new", "new"]
    assert calls == ["old", "new"]


def test_a_failure_amid_a_stage_s_renames_is_none(store, monkeypatch):
    """The reader meets the first file of a new set beside the second of the old one."""
    write(store, posts_parquet="old", pools_parquet="old")
    writer, calls, real = Store(store.root), [], os.replace

    def replace(source, target):
        real(source, target)
        if Path(target).name == "pools.parquet":
            with pytest.raises(BadArtifact, match="not what was written"):
                read_two(store)
            calls.append("met")

    def read():
        if not calls:
            with monkeypatch.context() as patch:
                patch.setattr(os, "replace", replace)
                write(writer, posts_parquet="new", pools_parquet="new")
            raise BadArtifact("as was seen above")
        return read_two(store)

    assert store.whole(read) == ["new", "new"] and calls == ["met"]


def test_a_failure_that_stays_is_one(store):
    write(store, posts_parquet="old", pools_parquet="old")
    (store.root / "pools.parquet").write_text("bad")
    with pytest.raises(BadArtifact, match="not what was written"):
        store.whole(lambda: read_two(store))
    with pytest.raises(MissingArtifact):
        store.whole(lambda: store.check("dictionary.npz"))


def test_after_a_replacement_nothing_of_the_new_set_is_mixed_with_the_old(store):
    write(store, posts_parquet="old")
    write(store, pools_parquet="old")
    assert store.whole(lambda: store.check("posts.parquet").read_text()) == "old"
    assert store.check("pools.parquet").read_text() == "old"
    write(Store(store.root), pools_parquet="new")
    assert store.check("posts.parquet").read_text() == "old"
    with pytest.raises(BadArtifact, match="replaced since the index was opened: open it again"):
        store.check("pools.parquet")


# -- killed while committing ---------------------------------------------------------------------
OLD = {"a.txt": "old", "b.txt": "old", "posts.skip1.ann": "old"}
NEW = {"a.txt": "new", "b.txt": "new", "c.txt": "new", "posts.skip2.ann": "new"}
CALLS = 4 + 1 + 8  # sidecars written beside, the journal, then a rename a file and a sidecar


def replace_all(store):
    with store.stage("construct_index.py", {}, (), ["posts.skip*.ann"]) as stage:
        for name, text in NEW.items():
            stage.path(name).write_text(text)


def kill_at(monkeypatch, function, calls):
    """Let `os.FUNCTION` die at its call number `calls`, and the tidying with it."""
    real, left = getattr(os, function), [calls]

    def die(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(module.Stage, "clean", lambda stage: None)
    monkeypatch.setattr(os, function, die)


@pytest.mark.parametrize("after", range(CALLS + 1))
def test_killed_at_any_rename_it_is_the_old_set_or_the_new(store, monkeypatch, after):
    with store.stage("construct_index.py") as stage:
        for name, text in OLD.items():
            stage.path(name).write_text(text)
    with monkeypatch.context() as patch:
        kill_at(patch, "replace", after)
        if after < CALLS:
            with pytest.raises(Killed):
                replace_all(store)
        else:
            replace_all(store)
    reader = Store(store.root)
    assert contents(store.root) == (OLD if after < 5 else NEW)
    for name in contents(store.root):
        reader.check(name)
    assert not (store.root / JOURNAL).exists()
    replace_all(Store(store.root))  # the next run succeeds, and tidies up
    assert contents(store.root) == NEW
    files = {path.name for path in store.root.iterdir()}
    assert files == {LOCK} | set(NEW) | {f"{name}.json" for name in NEW}


@pytest.mark.parametrize("after", range(3))
def test_killed_while_removing_what_is_replaced(store, monkeypatch, after):
    """The removals: the old file, its sidecar, the journal."""
    with store.stage("construct_index.py") as stage:
        for name, text in OLD.items():
            stage.path(name).write_text(text)
    with monkeypatch.context() as patch:
        removed, real = [], Path.unlink

        def die(path, missing_ok=False):
            if path.exists() and not path.name.endswith(".new"):
                if len(removed) == after:
                    raise Killed
                removed.append(path.name)
            real(path, missing_ok=missing_ok)

        patch.setattr(Path, "unlink", die)
        with pytest.raises(Killed):
            replace_all(store)
    assert Store(store.root).find("posts.skip*.ann").name == "posts.skip2.ann"
    assert contents(store.root) == NEW


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(5, "Input/output error")])
@pytest.mark.parametrize("after", range(5, CALLS))
def test_interrupted_amid_the_renames_the_new_set_is_finished(store, monkeypatch, after, error):
    """Tidying up must not remove what the journal still needs."""
    with store.stage("construct_index.py") as stage:
        for name, text in OLD.items():
            stage.path(name).write_text(text)
    with monkeypatch.context() as patch:
        real, left = os.replace, [after]

        def fail(source, target):
            left[0] -= 1
            if left[0] == -1:
                raise error
            real(source, target)

        patch.setattr(os, "replace", fail)
        with pytest.raises((KeyboardInterrupt, E6GraphError)) as caught:
            replace_all(store)
    assert "nothing was replaced" not in str(caught.value)
    Store(store.root).check("a.txt")
    assert contents(store.root) == NEW


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (None, "nothing was changed"),  # while the files are written
        (0, "nothing was changed"),  # while the sidecars are
        (4, "nothing was changed"),  # before the journal is in its place
        (5, "the new index is complete"),
        (CALLS - 1, "the new index is complete"),
    ],
)
def test_an_interrupt_says_what_became_of_the_index(store, monkeypatch, capsys, after, outcome):
    with store.stage("construct_index.py") as stage:
        for name, text in OLD.items():
            stage.path(name).write_text(text)
    real, left = os.replace, [CALLS if after is None else after]

    def interrupt(source, target):
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt
        real(source, target)

    def main():
        if after is None:
            with store.stage("construct_index.py") as stage:
                stage.path("a.txt").write_text("new")
                raise KeyboardInterrupt
        replace_all(store)

    monkeypatch.setattr(sys, "argv", ["construct_index.py"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        assert cli.run(main) == 130
    assert capsys.readouterr().err == f"construct_index.py: interrupted: {outcome}\n"
    Store(store.root).check("a.txt")
    assert contents(store.root) == (NEW if "complete" in outcome else OLD)


def test_an_interrupt_after_the_last_rename_says_that_the_index_is_complete(store, monkeypatch):
    commit = Stage.commit

    def interrupted(self, *given):
        commit(self, *given)
        raise KeyboardInterrupt

    monkeypatch.setattr(Stage, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        write(store, posts_parquet="new")
    assert caught.value.__notes__ == ["the new index is complete"]
    assert contents(store.root) == {"posts.parquet": "new"}


def test_a_killed_process_leaves_the_old_set_or_the_new(tmp_path):
    """The same with a real SIGKILL in a process of its own, at each rename in turn."""
    program = textwrap.dedent("""
        import os, signal, sys
        from e6graph.store import Store
        store, left = Store(sys.argv[1]), int(sys.argv[2])
        real = os.replace
        def replace(source, target):
            global left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            real(source, target)
        os.replace = replace
        with store.stage("hydrate_data.py", {}, (), ["old.*"]) as stage:
            for name in ("a.txt", "b.txt"):
                stage.path(name).write_text("new")
    """)
    for after in (0, 2, 3, 5, 6):
        root = tmp_path / str(after)
        with Store(root).stage("hydrate_data.py") as stage:
            for name in ("a.txt", "b.txt", "old.txt"):
                stage.path(name).write_text("old")
        done = subprocess.run(
            [sys.executable, "-c", program, root, str(after)],
            cwd=ROOT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == -9, done.stderr
        reader = Store(root)
        names = ("a.txt", "b.txt") if after >= 3 else ("a.txt", "b.txt", "old.txt")
        assert contents(root) == dict.fromkeys(names, "new" if after >= 3 else "old")
        assert all(reader.check(name) for name in names)
        with reader.stage("hydrate_data.py"):  # the dead one's lock is no lock
            pass
        assert not list(root.glob(".*.new*"))


def test_leftovers_without_a_journal_are_ignored_then_removed(store):
    write(store, posts_parquet="old")
    for name in (".posts.parquet.new", ".posts.parquet.json.new", ".posts.skip9.ann.new"):
        (store.root / name).write_text("half")
    reader = Store(store.root)
    assert reader.check("posts.parquet").read_text() == "old"
    with pytest.raises(MissingArtifact):
        reader.path("posts.skip*.ann")
    write(store, pools_parquet="new")
    assert not list(store.root.glob(".*.new"))


def test_a_journal_that_is_no_journal_is_one_line(store):
    write(store, posts_parquet="old")
    (store.root / JOURNAL).write_text('{"rename": [["')
    with pytest.raises(BadArtifact, match=r"\.journal\.json cannot be read .* remove it"):
        Store(store.root)


# -- the lock ------------------------------------------------------------------------------------
def test_a_lock_held_by_another_process_names_it(store):
    program = textwrap.dedent("""
        import sys
        from e6graph.store import Store
        with Store(sys.argv[1]).stage("embed_tags.py"):
            print("ready", flush=True)
            sys.stdin.readline()
    """)
    other = subprocess.Popen(
        [sys.executable, "-c", program, store.root],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(E6GraphError) as caught:
            write(store, posts_parquet="mine")
        said = f"is being written by embed_tags.py (process {other.pid}): wait for it to end"
        assert str(caught.value) == f"{store.root} {said}"
        assert contents(store.root) == {}
    finally:
        other.communicate("\n", timeout=PATIENCE)
    write(store, posts_parquet="mine")
    assert contents(store.root) == {"posts.parquet": "mine"}


def test_a_reader_waits_for_a_writer_amid_its_renames(store):
    write(store, posts_parquet="old")
    with open(store.root / LOCK, "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (store.root / ".posts.parquet.new").write_text("new")
        (store.root / JOURNAL).write_text(
            json.dumps({"rename": [[".posts.parquet.new", "posts.parquet"]], "remove": []})
        )
        program = "import sys; from e6graph.store import Store; Store(sys.argv[1])"
        reader = subprocess.Popen([sys.executable, "-c", program, store.root], cwd=ROOT)
        with pytest.raises(subprocess.TimeoutExpired):
            reader.wait(2)
        assert contents(store.root) == {"posts.parquet": "old"}
    assert reader.wait(PATIENCE) == 0
    assert contents(store.root) == {"posts.parquet": "new"}


# -- patterns ------------------------------------------------------------------------------------
def test_what_a_stage_replaces_goes_with_its_sidecar(store):
    write(store, posts_parquet="stays")
    for offset in (1, 22):
        with store.stage(
            "construct_index.py", {}, (), ["posts.skip*.ann", "neighbors.npy"]
        ) as stage:
            stage.path(f"posts.skip{offset}.ann").write_text("tree")
            if offset == 1:
                stage.path("neighbors.npy").write_text("table")
    names = {path.name for path in store.root.iterdir()} - {LOCK}
    assert names == {
        "posts.parquet",
        "posts.parquet.json",
        "posts.skip22.ann",
        "posts.skip22.ann.json",
    }
    assert store.check("posts.skip*.ann").name == "posts.skip22.ann"
    write(store, "construct_index.py", replaces=["posts.skip*.ann"])
    with pytest.raises(MissingArtifact, match=r"run construct_index\.py first"):
        store.path("posts.skip*.ann")


def test_two_files_of_one_pattern_are_refused(store):
    store.root.mkdir()
    for offset in (1, 2):
        (store.root / f"posts.skip{offset}.ann").write_text("tree")
    with pytest.raises(
        BadArtifact, match=r"posts\.skip1\.ann, posts\.skip2\.ann: expected one"
    ):
        store.check("posts.skip*.ann")


# -- what the files hold -------------------------------------------------------------------------
def test_the_same_arrays_give_the_same_bytes(store, tmp_path):
    arrays = {
        "vecs": np.arange(6, dtype=np.float32).reshape(2, 3),
        "tags": np.array(["fox", "é"]),
    }
    other = Store(tmp_path / "other")
    for where in (store, other):
        with where.stage("embed_tags.py") as stage:
            stage.save_npz("dictionary.npz", **arrays)
        time.sleep(2.1 if where is store else 0)  # zip's clock ticks every two seconds
    assert (
        store.path("dictionary.npz").read_bytes() == other.path("dictionary.npz").read_bytes()
    )
    loaded = store.load_npz("dictionary.npz")
    assert loaded["tags"].tolist() == ["fox", "é"] and loaded["vecs"].dtype == np.float32
    assert list(store.load_npz("dictionary.npz", "vecs")) == ["vecs"]
    with pytest.raises(
        BadArtifact, match=r"cannot be read .*operator.* run embed_tags\.py again"
    ):
        store.load_npz("dictionary.npz", "operator")


def npz_bytes(tmp_path, **arrays):
    np.savez(tmp_path / "made.npz", **arrays)
    return (tmp_path / "made.npz").read_bytes()


def test_an_npz_that_was_written_damaged_is_one_line(store, tmp_path):
    whole = npz_bytes(tmp_path, vecs=np.ones(1000))
    pickled = npz_bytes(tmp_path, vecs=np.array([{}, None], object))
    flipped = bytearray(whole)
    flipped[500] ^= 1
    for data in (b"", b"garbage", whole[:50], whole[:-30], bytes(flipped), pickled):
        with store.stage("embed_tags.py") as stage:
            stage.path("dictionary.npz").write_bytes(data)
        with pytest.raises(BadArtifact, match=r"dictionary\.npz cannot be read") as caught:
            store.load_npz("dictionary.npz")
        assert "\n" not in str(caught.value)


def test_a_mapped_table_is_what_was_written(store, tmp_path):
    table = pa.table({"id": [1, 5], "tags": [[3], [3, 4]]})
    with store.stage("construct_index.py") as stage:
        stage.save_table("posts.arrow", table)
        assert map_table(stage.path("posts.arrow")).equals(table)  # before it is in its place
    assert store.map_table("posts.arrow").equals(table)
    whole = store.path("posts.arrow").read_bytes()
    write_table(tmp_path / "again.arrow", table)
    assert (tmp_path / "again.arrow").read_bytes() == whole
    for data in (b"", b"garbage", whole[:-7], whole[: len(whole) // 2]):
        with store.stage("construct_index.py") as stage:
            stage.path("posts.arrow").write_bytes(data)
            with pytest.raises(
                BadArtifact, match=r"cannot be read .* run embed_tags\.py again"
            ):
                map_table(stage.path("posts.arrow"), "embed_tags.py")
        with pytest.raises(
            BadArtifact, match=r"cannot be read .* run construct_index\.py"
        ) as caught:
            store.map_table("posts.arrow")
        assert "\n" not in str(caught.value)


def test_damage_of_any_kind_is_one_line(tmp_path):
    path = tmp_path / "posts.parquet"
    for error in (
        ValueError("one\ntwo"),
        KeyError("freq"),
        IndexError("3"),
        EOFError("ended"),
        zlib.error("incomplete"),
        zipfile.BadZipFile("no zip"),
        NotImplementedError("compression"),
        OSError(5, "Input/output error"),
    ):
        with pytest.raises(BadArtifact, match="cannot be read") as caught, reading(path):
            raise error
        said = str(caught.value)
        assert said.startswith(str(path)) and said.endswith(": run hydrate_data.py again")
        assert "\n" not in said
    with (
        pytest.raises(BadArtifact, match=r"\(too many\): run embed_tags\.py again"),
        reading(path, "embed_tags.py", pa.ArrowException),
    ):
        raise pa.lib.ArrowCapacityError("too many")
    with pytest.raises(ZeroDivisionError), reading(path):  # a bug is not damage
        raise ZeroDivisionError


def test_write_atomic_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "not bytes")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


# -- what is on the disk -----------------------------------------------------------------------
@pytest.fixture
def calls(monkeypatch):
    """Record what is synced, by inode, and each rename, in order."""
    made, fsync, replace = [], os.fsync, os.replace

    def synced(handle):
        fsync(handle)
        made.append(("sync", os.fstat(handle).st_ino))

    def renamed(source, target):
        made.append(("rename", os.stat(source).st_ino, Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    return made


def test_a_file_is_on_the_disk_before_its_rename_and_the_rename_after(tmp_path, calls):
    write_atomic(str(tmp_path / "file"), b"whole")
    file, directory = ((tmp_path / name).stat().st_ino for name in ("file", "."))
    assert calls == [("sync", file), ("rename", file, "file"), ("sync", directory)]


def test_a_stage_is_on_the_disk_before_its_journal_and_its_renames_after(store, calls):
    write(store, posts_parquet="posts", tags_parquet="tags")
    root = store.root.stat().st_ino
    names = ["posts.parquet", "posts.parquet.json", "tags.parquet", "tags.parquet.json"]
    places = [place for place, call in enumerate(calls) if call[-1] == JOURNAL]
    assert len(places) == 1  # the renames that count come after it
    before, after = calls[: places[0]], calls[places[0] + 1 :]
    for name in names:
        assert ("sync", (store.root / name).stat().st_ino) in before
    renames = [("rename", (store.root / name).stat().st_ino, name) for name in names]
    assert after == [("sync", root), *renames, ("sync", root)]


def test_everyone_may_read_an_artifact_whoever_wrote_it(store):
    before = os.umask(0o077)
    try:
        write(store, posts_parquet="posts")
    finally:
        os.umask(before)
    assert (store.root / "posts.parquet").stat().st_mode & 0o777 == 0o644


def test_nothing_that_was_written_stays_open(tmp_path, store):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc to count open files")
    write(store, posts_parquet="posts")
    opened = len(os.listdir("/proc/self/fd"))
    for k in range(5):
        write_atomic(tmp_path / f"file{k}", b"x")
        write(store, posts_parquet=f"posts {k}")
        assert store.check("posts.parquet")
    assert len(os.listdir("/proc/self/fd")) == opened


def test_what_this_version_writes_the_next_can_read(store):
    """An index of format 2 as its first version wrote it; the number changes with the format."""
    assert FORMAT == 2
    store.root.mkdir()
    (store.root / "posts.parquet").write_text("posts")
    (store.root / "posts.parquet.json").write_text(SIDECAR)
    assert store.check("posts.parquet").read_text() == "posts"
    assert store.sidecar("posts.parquet")["parameters"] == {"seed": 3}


SIDECAR = """{
 "format": 2,
 "inputs": {},
 "made_by": "hydrate_data.py",
 "name": "posts.parquet",
 "parameters": {
  "seed": 3
 },
 "seal": "9b3099721143805dc96d46a79e79aa36547882fe5e2dd9b1bd116493b0d6f2d7",
 "sha256": "a44f1b975171163546d46ba5ca80652f85fcad7f665cf55d00a202ff9d0f7dbe",
 "together": {
  "posts.parquet": "a44f1b975171163546d46ba5ca80652f85fcad7f665cf55d00a202ff9d0f7dbe"
 }
}
"""


# -- a directory that cannot be written ----------------------------------------------------------
def as_nobody(root, ask):
    """Call a function in a directory as a user who owns nothing; return what it says.

    Root may write anywhere. It is called in a process of its own, since nothing may
    keep the tests' process from getting its user back.
    """
    context = multiprocessing.get_context("fork")
    said = context.SimpleQueue()

    def run():
        os.chdir(root)  # so that the way there need not be open to everyone
        if not os.geteuid():
            os.setuid(65534)
        try:
            said.put(ask())
        except E6GraphError as error:
            said.put(f"{type(error).__name__}: {error}")

    root.chmod(0o555)
    process = context.Process(target=run)
    process.start()
    process.join(PATIENCE)
    root.chmod(0o755)
    assert process.exitcode == 0
    return said.get()


def test_a_read_only_directory_can_be_read_and_not_written(store):
    write(store, posts_parquet="old")
    read = as_nobody(store.root, lambda: Store(".").check("posts.parquet").read_text())
    assert read == "old"
    refused = as_nobody(store.root, lambda: write(Store("."), posts_parquet="new"))
    assert refused == "E6GraphError: cannot write to .: Permission denied"
    assert contents(store.root) == {"posts.parquet": "old"}


def test_a_journal_in_a_read_only_directory_is_one_line(store):
    write(store, posts_parquet="old")
    (store.root / JOURNAL).write_text('{"rename": [], "remove": []}')
    said = as_nobody(store.root, lambda: Store("."))
    assert said.startswith("E6GraphError: cannot write to .: Permission denied")


def test_a_file_in_the_place_of_the_directory_is_one_line(tmp_path):
    (tmp_path / "index").write_text("a file")
    with pytest.raises(E6GraphError, match=f"cannot write to {tmp_path / 'index'}: "):
        write(Store(tmp_path / "index"), posts_parquet="new")
