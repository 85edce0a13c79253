"""Every artifact × every fault: the right answers, or one line that names the file and the script.

What may crash is tried in a process of its own, forked from one that has only imported.
"""

import multiprocessing
import os
import shutil
import sys
import time
import traceback
from multiprocessing import forkserver

import numpy as np
import pytest
from boards import planted_export
from conftest import PATIENCE, build

from e6graph import PostGraph
from e6graph.errors import BadArtifact, E6GraphError
from e6graph.store.index import MAKERS, Store

HYDRATED = [name for name, script in MAKERS.items() if script == "hydrate_data.py"]
BUILT = [name for name in MAKERS if name != "recognizer.npz" and name[:8] != "implicit"]
READS = {  # besides PostGraph.open
    "embed_tags": ["posts.parquet", "tags.txt.gz", "tags.parquet"],
    "solve_attenuator": ["posts.parquet", "dictionary.npz"],
    "construct_index": [
        "posts.parquet",
        "tags.txt.gz",
        "tag2idx.json.gz",
        "implications.json.gz",
        "implications_rej.json.gz",
        "pools.parquet",
        "dictionary.npz",
        "attenuator.npz",
        "tags_categories.bin.gz",
    ],
    "solve_recognizer": [
        "posts.parquet",
        "dictionary.npz",
        "tag2idx.json.gz",
        "implications.json.gz",
    ],
    "query_tags": [
        "dictionary.npz",
        "tag2idx.json.gz",
        "tags.txt.gz",
        "tags_categories.bin.gz",
    ],
}
UNREAD = {"tag2idx.parquet", "tags.parquet"}  # by PostGraph.open
OPTIONS = {
    "embed_tags": ["--dim", "16"],
    "construct_index": ["--graph", "4", "--trees", "2"],
    "query_tags": ["fox"],
    "solve_recognizer": ["--no-fetch"],
}


def answers(index):
    """One of each kind of query, as text."""
    graph = PostGraph.open(index)
    graph.warm()
    some = [int(i) for i in graph.posts.ids[np.flatnonzero(graph.allowed)[:2]]]
    return repr(
        [
            graph.neighbors(some[0], 5)[0].tolist(),
            [
                graph.walk(some, o, steps=300)[0][:5].tolist()
                for o in ("tags", "pools", "neighbors")
            ],
            graph.recommend(some[:1], ["fox"], avoid=["night"], n=5),
            graph.describe(some[0]),
            graph.suggest_tags(["fox"]),
            graph.doubtful_tags(["fox", "moss"]),
            graph.redundant_tags(["fox", "mammal"]),
            graph.resolve_tags(["vixen", "no_such"]),
        ]
    )


def script(name, index):
    options = [*OPTIONS.get(name, ())]
    if name == "solve_recognizer":
        options += ["--previews", str(index)]
    __import__(name).main(["--index", str(index), *options])


def attempt(job, index):
    """(how it ended, what it gave): "fine", "said" one line, or "bug"."""
    try:
        return "fine", answers(index) if job == "open" else script(job, index)
    except E6GraphError as error:
        return "said", str(error)
    except BaseException:
        return "bug", traceback.format_exc()


def _child(job, index, pipe):
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    pipe.send(attempt(job, index))


FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["test_faults", *READS, "pandas"])  # pyarrow imports it late


def apart(job, index):
    """`attempt` in a process of its own; one that dies is a "crash"."""
    ours, theirs = FORKED.Pipe(duplex=False)
    process = FORKED.Process(target=_child, args=(job, index, theirs))
    process.start()
    theirs.close()
    try:
        ended = ours.recv() if ours.poll(PATIENCE) else ("bug", "no answer")
    except EOFError:
        ended = "crash", None
    process.kill() if ended[1] == "no answer" else None
    process.join(PATIENCE)
    return ("crash", process.exitcode) if ended[0] == "crash" else ended


@pytest.fixture(scope="module")
def worlds(built_index, tmp_path_factory):
    """(an index with neighbors.npy, one of another board and dimension, the right answers)."""
    import construct_index

    with pytest.MonkeyPatch.context() as patch:  # Python 3.11 gives its server no other path
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    root = tmp_path_factory.mktemp("faults")
    index = shutil.copytree(built_index, root / "index")
    construct_index.main(["--index", str(index), "--graph", "4"])
    other = planted_export(root / "export", posts=300, seed=9)
    build(root / "other", other.directory, dim=12, construct=["--graph", "4"])
    return index, root / "other", answers(index)


def place(index, name):
    return Store(index).path(name)


def flipped(data, at, bit=0):
    at %= max(len(data), 1)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def damaged(data):
    """What becomes of the bytes of a file, by the fault's name."""
    return {
        "half": data[: len(data) // 2],
        "a byte short": data[:-1],
        "empty": b"",
        "a bit of the header": flipped(data, 5, 3),
        "a bit of the middle": flipped(data, len(data) // 2),
        "a bit of the end": flipped(data, -9, 6),
    }


def spoil(fault, index, other, name):
    """Do it to the copy of the index."""
    path = place(index, name)
    beside, theirs = path.with_name(path.name + ".json"), Store(other).path(name)
    data, record = path.read_bytes(), beside.read_bytes()
    if fault in damaged(data):
        path.write_bytes(damaged(data)[fault])
    elif fault == "missing":
        path.unlink()
    elif fault == "a directory in its place":  # as root is refused nothing
        path.unlink()
        path.mkdir()
    elif fault == "bytes of another run":
        path.write_bytes(theirs.read_bytes())
    elif fault == "of another run":
        path.write_bytes(theirs.read_bytes())
        beside.write_bytes(theirs.with_name(theirs.name + ".json").read_bytes())
    elif fault == "of another run, no sidecar":
        path.write_bytes(theirs.read_bytes())
        beside.unlink()
    elif fault == "no sidecar":
        beside.unlink()
    elif fault == "half a sidecar":
        beside.write_bytes(record[: len(record) // 2])
    elif fault == "a bit of the sidecar":
        at = record.index(b'"parameters"') + len(b'"parameters": {')
        beside.write_bytes(flipped(record, at + 12))
    elif fault == "another artifact's sidecar":
        wrong = "dictionary.npz" if name != "dictionary.npz" else "posts.parquet"
        beside.write_bytes((index / f"{wrong}.json").read_bytes())
    elif fault == "touched":
        os.utime(path, ns=(1, time.time_ns()))
    elif fault == "copied":
        path.rename(index / "aside")
        shutil.copyfile(index / "aside", path)
        (index / "aside").unlink()


FAULTS = [
    *damaged(b"0123456789"),
    "missing",
    "a directory in its place",
    "bytes of another run",
    "of another run",
    "of another run, no sidecar",
    "no sidecar",
    "half a sidecar",
    "a bit of the sidecar",
    "another artifact's sidecar",
    "touched",
    "copied",
]
HARMLESS = {"touched", "copied"}
BRIEF = [
    "a bit of the middle",
    "of another run",
    "missing",
    "half a sidecar",
]  # for each script


def refused(ended, name, path, fault):
    how, said = ended
    assert how == "said", (fault, name, ended)
    assert "\n" not in said and "run " in said and ".py" in said, said
    assert str(path.parent) in said or path.name in said, said


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", BUILT)
def test_an_index_with_a_fault_is_refused_or_answers_as_before(worlds, tmp_path, name, fault):
    whole, other, right = worlds
    index = shutil.copytree(whole, tmp_path / "index")
    path = place(index, name)
    same = path.read_bytes() == place(other, name).read_bytes()
    spoil(fault, index, other, name)
    ended = attempt("open", index)
    gone = fault in ("missing", "a directory in its place")
    own = path.suffix in (".npz", ".npy", ".arrow", ".ann")
    if gone and name == "neighbors.npy":  # annoy is asked then
        assert ended[0] == "fine"
    elif fault in HARMLESS or (fault == "no sidecar" and not own):
        assert ended == ("fine", right), ended
    elif fault == "of another run, no sidecar" and not own:  # nothing tells it from E6DB's
        assert ended[0] in ("fine", "said"), ended
    elif name in UNREAD or (fault.startswith(("of another", "bytes of")) and (same or not own)):
        assert ended == ("fine", right) or ended[0] == "said", ended
    else:
        refused(ended, name, path, fault)


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS if "another run" not in f and f != "missing"]
)
def test_a_recognizer_with_a_fault_is_refused(demo, tmp_path, fault):
    index = shutil.copytree(demo / "index", tmp_path / "index")
    spoil(fault, index, index, "recognizer.npz")
    if fault in HARMLESS or "directory" in fault:  # then there is none
        PostGraph.open(index).warm()
    else:
        with pytest.raises(BadArtifact, match=r"run (solve_recognizer|embed_tags)\.py again"):
            PostGraph.open(index).warm()


def test_a_recognizer_of_another_run_is_refused(demo, tmp_path):
    import construct_index
    import embed_tags
    import solve_attenuator

    index = shutil.copytree(demo / "index", tmp_path / "index")
    embed_tags.main(["--index", str(index), "--seed", "1"])
    solve_attenuator.main(["--index", str(index)])
    construct_index.main(["--index", str(index), "--trees", "2"])
    with pytest.raises(BadArtifact, match=r"run solve_recognizer\.py again"):
        PostGraph.open(index).warm()


@pytest.mark.parametrize("job, name", [(job, name) for job in READS for name in READS[job]])
def test_each_script_refuses_what_it_reads(worlds, tmp_path, job, name):
    whole, other, _ = worlds
    for fault in BRIEF:
        index = shutil.copytree(whole, tmp_path / fault)
        path = place(index, name)
        if fault == "of another run" and path.read_bytes() == place(other, name).read_bytes():
            continue
        spoil(fault, index, other, name)
        refused(attempt(job, index), name, path, fault)


ALONE = {  # E6DB's own files come without a sidecar: what nothing vouches for, by who reads it
    "embed_tags": ["posts.parquet", "tags.txt.gz", "tags.parquet"],
    "construct_index": [
        "tag2idx.json.gz",
        "implications.json.gz",
        "implications_rej.json.gz",
        "pools.parquet",
    ],
    "query_tags": ["tags_categories.bin.gz", "tag2idx.json.gz"],
    "open": ["tag2idx.json.gz", "tags_categories.bin.gz", "implications.json.gz"],
}


@pytest.mark.parametrize("job, name", [(job, name) for job in ALONE for name in ALONE[job]])
def test_damage_that_no_hash_tells_is_no_crash(worlds, tmp_path, job, name):
    """Bits anywhere, of a file without a sidecar: an answer of some kind, or one line."""
    whole, other, _ = worlds
    data, rng, told = place(whole, name).read_bytes(), np.random.default_rng(0), 0
    cases = list(damaged(data).values())
    cases += [flipped(data, int(at), int(at) % 8) for at in rng.integers(0, len(data), 6)]
    cases += [place(other, name).read_bytes()]
    for number, bad in enumerate(cases):
        index = shutil.copytree(whole, tmp_path / str(number))
        for each in HYDRATED:
            (index / f"{each}.json").unlink()
        (index / name).write_bytes(bad)
        how, said = apart(job, index)
        assert how in ("fine", "said"), (number, how, said)
        if how == "said":
            told += 1
            assert "\n" not in said and "run " in said and str(index) in said, said
    assert told >= 2  # a file cut short, at least
    index = shutil.copytree(whole, tmp_path / "whole")
    for each in HYDRATED:
        (index / f"{each}.json").unlink()
    assert apart(job, index)[0] == "fine"


@pytest.mark.parametrize("name", [n for n in BUILT if n.endswith((".ann", ".arrow", ".npy"))])
def test_a_map_without_a_sidecar_crashes_nothing(worlds, tmp_path, name):
    whole, other, _ = worlds
    data = place(whole, name).read_bytes()
    for number, bad in enumerate([*damaged(data).values(), place(other, name).read_bytes()]):
        index = shutil.copytree(whole, tmp_path / str(number))
        path = place(index, name)
        path.write_bytes(bad)
        (index / f"{path.name}.json").unlink()
        refused(apart("open", index), name, path, number)
