"""The scripts as people run them: in order, out of order, twice, with wrong options, and killed."""

import gzip
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from annoy import AnnoyIndex
from boards import ANYWHERE, CLUSTERS, planted_export, post, write_export, write_text
from conftest import PATIENCE, ROOT, build

from e6graph import PostGraph, cli
from e6graph.errors import BadArtifact, BadInput
from e6graph.store import Store

STAGES = ["hydrate_data.py", "embed_tags.py", "solve_attenuator.py", "construct_index.py"]
MAKES = dict(
    zip(
        STAGES,
        ["posts.parquet", "dictionary.npz", "attenuator.npz", "posts.arrow"],
        strict=True,
    )
)
NEEDS = {  # on an empty index
    "embed_tags.py": "run hydrate_data.py first",
    "solve_attenuator.py": "run embed_tags.py first",
    "construct_index.py": "run embed_tags.py first",
}
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}


def start(script, *args, **options):
    command = [sys.executable, ROOT / script, *map(str, args)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def run(script, *args):
    """(exit status, stdout, stderr) of a script in a process of its own."""
    process = start(script, *args)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def one_line(err):
    """The only line of stderr: progress bars do not show where stderr is no terminal."""
    lines = [text for text in re.split(r"[\r\n]", err) if text.strip()]
    assert len(lines) == 1 and "Traceback" not in err, err
    return lines[0]


def snapshot(index):
    """Name -> bytes of what readers see; the lock and sidecars' times left out."""
    return {p.name: p.read_bytes() for p in sorted(index.iterdir()) if p.name != ".lock"}


# -- the whole way -------------------------------------------------------------------------------
def test_the_four_scripts_in_order_print_what_they_wrote(planted, tmp_path):
    index = tmp_path / "index"
    for script, wrote in (
        (STAGES[0], {"tags.parquet": "70 tags", "posts.parquet": "346 posts"}),
        (STAGES[1], {"dictionary.npz": "68 tags × 16"}),
        (STAGES[2], {"attenuator.npz": "16 × 16"}),
        (STAGES[3], {"posts.skip*.ann": "346 posts × 16", "posts.arrow": "346 posts"}),
    ):
        more = ["--from", planted.directory] if script == STAGES[0] else []
        more = ["--dim", 16] if script == STAGES[1] else more
        status, out, err = run(script, "--index", index, *more)
        assert status == 0, err
        for name, shape in wrote.items():
            path = Store(index).path(name)
            assert re.search(
                rf"^{re.escape(str(path))}  {shape}  [\d.]+ MB  [\d.]+ s$", out, re.M
            )
    graph = PostGraph.open(index)
    assert len(graph.posts) == len(planted.cluster) == 346
    assert not set(graph.posts.ids.tolist()) & (planted.deleted | planted.forbidden)


def test_vectors_of_a_cluster_are_nearest_to_each_other(built_index, planted):
    arrays = Store(built_index).load_npz("dictionary.npz")
    names, vecs = arrays["tags"].tolist(), arrays["vecs"]
    for head, (_, others) in CLUSTERS.items():
        group = {head, *others.split()}
        cosines = vecs @ vecs[names.index(head)]
        order = [names[i] for i in np.argsort(-cosines) if names[i] not in ANYWHERE]
        found = {name for name in order[:12] if name in group}
        assert len(found) >= 8, (head, order[:12])
    graph = PostGraph.open(built_index, "sqe", None)
    hits = [
        planted.cluster[int(near)] == head
        for post_id, head in list(planted.cluster.items())[::10]
        for near in graph.neighbors(post_id, 10)[0]
    ]
    assert np.mean(hits) > 0.95


def test_an_index_by_plain_python(built_index, planted):
    """What E6DB's users and numpy's read, without our code."""
    names = gzip.decompress((built_index / "tags.txt.gz").read_bytes()).decode().split("\n")
    idx = json.loads(gzip.decompress((built_index / "tag2idx.json.gz").read_bytes()))
    assert idx["vixen"] == idx["todd"] == idx["fox"] == names.index("fox")
    implied = json.loads(gzip.decompress((built_index / "implications.json.gz").read_bytes()))
    assert implied[str(idx["fox"])] == sorted([idx["canine"], idx["mammal"]])
    with np.load(built_index / "dictionary.npz", allow_pickle=False) as arrays:
        assert [str(arrays[k].dtype) for k in ("vecs", "frqs", "singular_values")] == [
            "float32",
            "int64",
            "float32",
        ]
        assert arrays["vecs"].shape == (len(arrays["tags"]), 16)
        assert np.allclose(np.linalg.norm(arrays["vecs"], axis=1), 1, atol=1e-5)
        assert [names[i] for i in arrays["tag_ids"]] == arrays["tags"].tolist()
    with np.load(built_index / "attenuator.npz", allow_pickle=False) as arrays:
        assert arrays["operator"].shape == (16, 16) and arrays["operator"].dtype == np.float32
    ids = pq.read_table(built_index / "posts.parquet")["id"].to_pylist()
    (path,) = built_index.glob("posts.skip*.ann")
    offset = int(path.name.removeprefix("posts.skip").removesuffix(".ann"))
    assert offset == ids[0] == min(planted.cluster)
    annoy = AnnoyIndex(16, "angular")
    annoy.load(str(path))
    assert annoy.get_n_items() == ids[-1] - ids[0] + 1
    for post_id in ids[::50]:
        near = [i + offset for i in annoy.get_nns_by_item(post_id - offset, 5)]
        assert set(near) <= set(ids) and post_id in near


# -- out of order --------------------------------------------------------------------------------
@pytest.mark.parametrize("script", NEEDS)
def test_a_stage_on_an_empty_index_names_the_script_to_run_first(tmp_path, script):
    for index in (tmp_path / "nowhere", tmp_path):
        status, out, err = run(script, "--index", index)
        said = one_line(err)
        assert status == 1 and out == ""
        assert said.startswith(f"{script}: {index}") and said.endswith(NEEDS[script]), said
        assert list(tmp_path.iterdir()) == []  # and leaves nothing behind


def test_hydrate_says_what_is_wrong_with_its_source(tmp_path):
    (tmp_path / "file").write_text("")
    for given, said in (
        (tmp_path / "nowhere", "is no directory: give the one that holds posts.csv.gz"),
        (tmp_path / "file", "is no directory"),
        (tmp_path, "no posts.csv or posts.csv.gz: give the directory of an export"),
        ("", "is no directory"),  # an unset variable does not start a download
    ):
        status, _, err = run("hydrate_data.py", "--index", tmp_path / "index", "--from", given)
        assert status == 1 and said in one_line(err)
        assert not (tmp_path / "index").exists()


WRONG = {
    "hydrate_data.py": [
        "--demo 0",
        "--demo x",
        "--from a --demo",
        "--from a --source b",
        "--seed -1",
    ],
    "embed_tags.py": [
        "--dim 0",
        "--vocab -1",
        "--min-count 0",
        "--smoothing nan",
        "--smoothing 2",
        "--eig-power inf",
        "--seed -1",
        "--seed 99999999999",
    ],
    "solve_attenuator.py": [
        "--weighting sqrt",
        "--threshold 0",
        "--ridge nan",
        "--ridge -1",
        "--held-out 2",
        "--held-out nan",
        "--seed -1",
    ],
    "construct_index.py": [
        "--trees 0",
        "--trees 99999999999",
        "--graph -1",
        "--jobs -7",
        "--offset -5",
        "--search-k 0",
        "--seed -1",
        "--seed 99999999999",
    ],
}


@pytest.mark.parametrize("script", WRONG)
def test_wrong_options_are_refused_and_named(built_index, script, capsys, tmp_path):
    main = __import__(script.removesuffix(".py")).main
    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    before = snapshot(index)
    for wrong in WRONG[script]:
        with pytest.raises(SystemExit) as caught:
            main(["--index", str(index), *wrong.split()])
        assert caught.value.code == 2
        said = capsys.readouterr().err.splitlines()[-1]
        name = re.findall(r"--\S+", wrong)[-1]
        assert re.search(rf"{name}(?![\w-])", said), said
    assert snapshot(index) == before


def test_a_board_that_gives_no_vectors_is_one_line_and_keeps_the_old(built_index, tmp_path):
    import construct_index
    import embed_tags

    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    before = snapshot(index)
    for options, said in (
        (["--min-count", "9999"], "no tag is used 9,999 times or more"),
        (["--vocab", "1"], "no two tags .* meet"),
    ):
        with pytest.raises(BadInput, match=said):
            embed_tags.main(["--index", str(index), *options])
    with pytest.raises(BadInput, match="no post to index"):
        construct_index.main(["--index", str(index), "--offset", "99999999"])
    assert snapshot(index) == before


def test_tags_without_a_vector_are_named(built_index, tmp_path, capsys):
    import embed_tags

    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    embed_tags.main(["--index", str(index), "--dim", "16", "--tags", "fox", "no_such_tag"])
    out = capsys.readouterr().out
    assert re.search(r"^fox  +\S+", out, re.M) and "no vector: no_such_tag" in out


def test_one_post_a_tag_a_pool(tmp_path):
    """The least boards there can be: built, or refused in one line."""
    export = write_export(tmp_path / "a", [post(1, "fox tree"), post(2, "fox tree")])
    build(tmp_path / "index", export, dim=2)
    graph = PostGraph.open(tmp_path / "index")
    assert [r.post_id for r in graph.recommend(posts=[1])] == [2]
    assert graph.neighbors(1)[0].tolist() == [2]
    lonely = write_export(tmp_path / "b", [post(1, "fox"), post(2, "tree fox")])
    with pytest.raises(BadInput, match="no two tags"):
        build(tmp_path / "lonely", lonely)


def test_the_offset_leaves_smaller_ids_out_of_everything(built_index, planted, tmp_path):
    import construct_index

    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    middle = sorted(planted.cluster)[100] + 1
    construct_index.main(["--index", str(index), "--offset", str(middle), "--graph", "5"])
    assert [p.name for p in index.glob("*.ann")] == [f"posts.skip{middle}.ann"]
    graph = PostGraph.open(index)
    assert len(graph.posts) == 245 and graph.posts.ids[0] >= middle
    assert np.load(index / "neighbors.npy").shape == (245, 5)
    construct_index.main(["--index", str(index)])
    assert not (index / "neighbors.npy").exists()  # of the other offset
    assert [p.name for p in index.glob("*.ann*")] == [
        f"posts.skip{min(planted.cluster)}.ann",
        f"posts.skip{min(planted.cluster)}.ann.json",
    ]


def test_the_site_is_where_posts_are_looked_at(planted, tmp_path):
    index = tmp_path / "index"
    for given, url in (("https://board.test/", "https://board.test/posts/"), (None, "")):
        build(
            index,
            planted.directory,
            *(["--site", given] if given else []),
            construct=["--trees", "2"],
        )
        graph = PostGraph.open(index)
        post_id = int(graph.posts.ids[0])
        assert graph.describe(post_id).url == (f"{url}{post_id}" if url else "")


def test_an_export_that_is_broken_leaves_the_index_and_says_one_line(
    planted, built_index, tmp_path
):
    export, index = tmp_path / "export", tmp_path / "index"
    shutil.copytree(planted.directory, export)
    shutil.copytree(built_index, index)
    before = snapshot(index)
    (export / "posts.csv.gz").write_bytes((export / "posts.csv.gz").read_bytes()[:4000])
    status, _, err = run("hydrate_data.py", "--index", index, "--from", export)
    said = one_line(err)
    assert status == 1 and snapshot(index) == before
    assert re.match(rf"hydrate_data\.py: {export}/posts\.csv\.gz: .*download it again$", said)
    write_text(export, "posts.csv.gz", "<html>")
    status, _, err = run("hydrate_data.py", "--index", index, "--from", export)
    assert status == 1 and snapshot(index) == before
    assert one_line(err).endswith("is this the site's export?")


# -- twice, and mixed ----------------------------------------------------------------------------
def test_run_twice_the_bytes_are_the_same(planted, built_index, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    build(again, planted.directory, construct=["--graph", "4"])
    shutil.copytree(again, other)
    build(other, planted.directory, construct=["--graph", "4"])  # over what is there
    names = {p.name for p in again.iterdir() if not p.name.startswith(".")}
    assert len(names) == 36
    for name in names:
        if name.endswith(".json"):  # a sidecar, but for the file's own time and number
            here, there = (json.loads((where / name).read_text()) for where in (again, other))
            for of_this_file in ("stat", "stat_seal"):
                assert here.pop(of_this_file) != there.pop(of_this_file)
            assert here == there
        else:
            assert (again / name).read_bytes() == (other / name).read_bytes(), name
        if not name.startswith("neighbors.npy") and not name.endswith(".json"):
            assert (again / name).read_bytes() == (built_index / name).read_bytes(), name


def test_processes_and_seeds(planted, built_index, tmp_path):
    """Another process gives the same bytes, another seed others."""
    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    kept = [
        "dictionary.npz",
        "attenuator.npz",
        Store(index).path("posts.skip*.ann").name,
        "posts.arrow",
    ]
    before = {name: (index / name).read_bytes() for name in kept}
    for script, *more in (
        ["embed_tags.py", "--dim", "16"],
        ["solve_attenuator.py"],
        ["construct_index.py"],
    ):
        assert run(script, "--index", index, *more)[0] == 0
    assert {name: (index / name).read_bytes() for name in kept} == before
    assert run("construct_index.py", "--index", index, "--seed", 1)[0] == 0
    assert [name for name in kept if (index / name).read_bytes() != before[name]] == [kept[2]]
    about = Store(index).sidecar("posts.skip*.ann")
    assert about["made_by"] == "construct_index.py" and about["parameters"]["seed"] == 1
    assert sorted(about["inputs"]) == [
        "attenuator.npz",
        "dictionary.npz",
        "pools.parquet",
        "posts.parquet",
        "tags.txt.gz",
    ]


def test_parts_that_do_not_belong_together_name_the_script_to_run(
    planted, built_index, tmp_path
):
    import embed_tags
    import solve_attenuator

    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    where = ["--index", str(index)]
    embed_tags.main([*where, "--dim", "16", "--seed", "5"])
    with pytest.raises(
        BadArtifact, match=r"another dictionary\.npz: run solve_attenuator\.py again"
    ):
        PostGraph.open(index)
    status, _, err = run("construct_index.py", *where)
    assert status == 1 and "run solve_attenuator.py again" in one_line(err)
    solve_attenuator.main(where)
    with pytest.raises(BadArtifact, match=r"run construct_index\.py again"):
        PostGraph.open(index)
    assert run("construct_index.py", *where)[0] == 0
    PostGraph.open(index)
    other = planted_export(tmp_path / "export", posts=200, seed=9)
    assert run("hydrate_data.py", *where, "--from", other.directory)[0] == 0
    for script in ("solve_attenuator.py", "construct_index.py"):
        status, _, err = run(script, *where)
        assert status == 1 and "another posts.parquet: run embed_tags.py again" in one_line(err)
    with pytest.raises(BadArtifact, match=r"run embed_tags\.py again"):
        PostGraph.open(index)


def test_what_is_opened_stays_of_one_index_whatever_replaces_it(built_index, tmp_path):
    """A warm graph answers as before; a cold one says so rather than mix two indexes."""
    import construct_index
    import embed_tags
    import solve_attenuator

    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    warm, cold = PostGraph.open(index), PostGraph.open(index)
    warm.warm()
    tags = [name for name, _ in warm.posts.tags(0) if name in warm.posts.tag_ids][:3]
    expected = PostGraph.open(built_index).suggest_tags(tags)
    where = ["--index", str(index)]
    embed_tags.main([*where, "--dim", "16", "--seed", "5"])
    solve_attenuator.main(where)
    construct_index.main(where)
    assert warm.suggest_tags(tags) == expected and warm.redundant_tags(tags) is not None
    with pytest.raises(BadArtifact, match="replaced since the index was opened"):
        cold.suggest_tags(tags)
    assert cold.recommend(tags=tags, n=5) == warm.recommend(tags=tags, n=5)


# -- killed --------------------------------------------------------------------------------------
def arguments(script, index, planted):
    more = {
        "hydrate_data.py": ["--from", planted.directory],
        "embed_tags.py": ["--dim", "16", "--seed", "3"],
        "construct_index.py": ["--graph", "8", "--seed", "3"],
    }
    return ["--index", index, *more.get(script, ["--ridge", "0.5"])]


def artifacts(index):
    return {
        p.name: p.read_bytes()
        for p in sorted(index.iterdir())
        if not p.name.startswith(".") and not (p.name.endswith(".json"))
    }


def run_killed_at(moment, index, script, planted):
    """A script ended by SIGKILL at a step of its work (see kill_at.py): exit status and stderr."""
    command = [sys.executable, ROOT / "tests" / "kill_at.py", moment, index, ROOT / script]
    command += arguments(script, index, planted)
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.fixture
def another_board(planted, tmp_path):
    """The export for each script: hydrate_data.py reads another, so that every file changes."""
    other = planted_export(tmp_path / "export", posts=300, seed=4)
    return {script: other if script == "hydrate_data.py" else planted for script in STAGES}


@pytest.mark.parametrize("script", STAGES)
def test_killed_at_any_step_it_leaves_old_or_new_whole(
    another_board, built_index, tmp_path, script
):
    """Killed early, midway and late in the same index; the next run succeeds."""
    index, done = tmp_path / "index", tmp_path / "done"
    shutil.copytree(built_index, index)
    shutil.copytree(built_index, done)
    status, err = run_killed_at("never", done, script, another_board[script])
    assert status == 0, err
    steps = int(err.split()[-1])
    assert steps > 15
    old, new = artifacts(index), artifacts(done)
    assert old != new
    rng = random.Random(script)
    for third in range(3):
        step = steps * third // 3 + rng.randrange(steps // 3)
        status, err = run_killed_at(step, index, script, another_board[script])
        assert status == -signal.SIGKILL, f"step {step} of {steps}: {err}"
        Store(index)
        assert artifacts(index) in (old, new), f"step {step} of {steps}"
    assert run(script, *arguments(script, index, another_board[script]))[0] == 0
    assert artifacts(index) == new
    assert not [p.name for p in index.iterdir() if p.name.startswith(".") and p.name != ".lock"]


@pytest.mark.parametrize("moment", ["journal", "second rename"])
@pytest.mark.parametrize("script", STAGES)
def test_killed_at_the_moments_chance_seldom_meets(
    another_board, built_index, tmp_path, script, moment
):
    """Before the journal is there the old set stays; after it, whoever opens finishes the new."""
    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    old = artifacts(index)
    status, err = run_killed_at(moment, index, script, another_board[script])
    assert status == -signal.SIGKILL, err
    store = Store(index)
    assert (artifacts(index) == old) == (moment == "journal")
    store.check(MAKES[script])


def test_two_at_once_one_waits_its_turn(planted, built_index, tmp_path):
    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    with Store(index).stage("construct_index.py"):
        before = snapshot(index)
        status, _, err = run("embed_tags.py", "--index", index, "--dim", "16")
        said = f"is being written by construct_index.py (process {os.getpid()}): wait for it to end"
        assert status == 1 and one_line(err).endswith(said)
        assert snapshot(index) == before


# -- what the scripts share ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "error, status, said",
    [
        (BadInput("got 1, expected 2"), 1, "got 1, expected 2"),
        (MemoryError("9 GB"), 1, "out of memory (9 GB)"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            PermissionError(13, "Permission denied", "db_export"),
            1,
            "Permission denied: db_export",
        ),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
    ],
)
def test_what_a_person_can_mend_is_one_line(monkeypatch, capsys, error, status, said):
    monkeypatch.setattr(sys, "argv", ["/some/where/embed_tags.py"])

    def main():
        raise error

    assert cli.run(main) == status
    err = capsys.readouterr().err
    assert err.startswith("embed_tags.py: ") and err.count("\n") == 1 and said in err
    assert "nothing was replaced" not in err  # nobody here knows


def test_a_bug_is_no_one_s_fault_but_ours_and_shows_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(lambda: 1 / 0)
    assert cli.run(lambda: None) == 0


def test_a_reader_that_goes_away_is_no_error(planted, tmp_path):
    process = start(
        "hydrate_data.py", "--from", planted.directory, "--index", tmp_path / "index"
    )
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(PATIENCE) == 141
    assert "Error" not in err and "Exception" not in err, err
    assert (tmp_path / "index" / "posts.parquet").exists()


def test_tables_align_numbers_right_and_text_left():
    rows = [("fox", 12345, 0.5), ("a longer name", 7, ""), ("owl", -1, 12.34567)]
    assert cli.table(rows, ("tag", "posts", "score")).splitlines() == [
        "tag             posts   score",
        "fox            12,345   0.500",
        "a longer name       7",
        "owl                -1  12.346",
    ]
    assert cli.table([]) == "" and cli.table([], ("a", "b")) == "a  b"
    assert cli.table([(True, np.int64(3))]) == "True  3"
    assert cli.table(iter([(1, 2)])) == "1  2"


def test_a_report_gives_size_and_time(tmp_path, capsys):
    (tmp_path / "file").write_bytes(bytes(2_500_000))
    cli.Report().wrote(tmp_path / "file", "3 × 4")
    out = capsys.readouterr().out
    assert re.fullmatch(rf"{tmp_path}/file  3 × 4  2\.5 MB  \d+\.\d s\n", out)
    assert isinstance(sys.stdout, io.TextIOBase)
