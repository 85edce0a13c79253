"""What a sidecar vouches for, and files of an index that hold what no script wrote."""

import gzip
import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from conftest import build
from test_odd_bytes import junk_board

from e6graph import PostGraph
from e6graph.errors import BadArtifact, E6GraphError
from e6graph.store import Store, index
from e6graph.store.files import JOURNAL, sealed
from e6graph.tags import files as tag_files
from e6graph.tags.files import load_implications, load_tags


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    board, _ = junk_board(tmp_path_factory.mktemp("sidecars"))
    build(board / "index", board, dim=4, construct=["--graph", "2"])
    return board / "index"


@pytest.fixture
def copied(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "index")
    return tmp_path / "index"


def artifacts(root):
    return sorted(path.name.removesuffix(".json") for path in root.glob("[!.]*.json"))


def without_names(root):
    """Make the sidecars what they were before they named their artifact."""
    for path in root.glob("[!.]*.json"):
        record = json.loads(path.read_bytes())
        for key in ("name", "seal", "stat_seal"):
            record.pop(key)
        path.write_bytes(sealed(record))


def rewritten(path, **changes):
    """Change a sidecar and seal it, as whoever may write there can."""
    record = json.loads(path.read_bytes()) | changes
    for key in ("seal", "stat_seal"):
        record.pop(key, None)
    path.write_bytes(sealed(record))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_copy_over_another_s_place_is_one_line(whole, tmp_path, legacy):
    """Every artifact over every other, with its sidecar."""
    root = tmp_path / "index"
    shutil.copytree(whole, root)
    if legacy:
        without_names(root)
    names = artifacts(root)
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    assert len(names) > 12
    for source in names:
        for target in names:
            if before[source] == before[target]:
                continue
            for end in ("", ".json"):
                (root / f"{target}{end}").write_bytes(before[f"{source}{end}"])
            store = Store(root)
            for ask in (store.check, store.sidecar, store.digest):
                with pytest.raises(
                    BadArtifact, match=r"is a copy of .* run .* again"
                ) as caught:
                    ask(target)
                assert "\n" not in str(caught.value) and target in str(caught.value)
                same = [name for name in names if before[name] == before[source]]
                assert any(name in str(caught.value) for name in same)
            for end in ("", ".json"):
                (root / f"{target}{end}").write_bytes(before[f"{target}{end}"])


def test_an_index_that_was_renamed_is_noticed(copied):
    """The offset is in the name: another one would shift every id."""
    (path,) = copied.glob("posts.skip*.ann")
    path.rename(copied / "posts.skip3.ann")
    (copied / f"{path.name}.json").rename(copied / "posts.skip3.ann.json")
    with pytest.raises(BadArtifact, match=r"posts\.skip3\.ann is a copy of posts\.skip1\.ann"):
        PostGraph.open(copied, "s", None)


def test_an_index_without_names_still_opens(copied):
    without_names(copied)
    assert PostGraph.open(copied, "s", None).recommend(tags=["fox"], n=3)
    store = Store(copied)
    for name in artifacts(copied):
        store.check(name)


def test_an_artifact_made_from_itself_is_one_line(copied):
    digest = hashlib.sha256((copied / "dictionary.npz").read_bytes()).hexdigest()
    rewritten(copied / "dictionary.npz.json", inputs={"dictionary.npz": digest})
    with pytest.raises(BadArtifact, match="made from itself"):
        Store(copied).check("attenuator.npz")
    other = hashlib.sha256((copied / "attenuator.npz").read_bytes()).hexdigest()
    rewritten(copied / "dictionary.npz.json", inputs={"attenuator.npz": other})
    with pytest.raises(BadArtifact, match="made from itself"):
        Store(copied).check("posts.arrow")


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": []},
        {"inputs": None},
        {"inputs": {"../posts.parquet": "0" * 64}},
        {"inputs": {"a/b": "0" * 64}},
        {"inputs": {"..": "0" * 64}},
        {"inputs": {"posts.parquet": 3}},
        {"together": {"": "x"}},
        {"together": 5},
        {"sha256": None},
        {"parameters": []},
        {"name": 4},
        {"name": "/etc/passwd"},
    ],
)
def test_a_sealed_sidecar_of_another_shape_is_one_line(copied, changes):
    rewritten(copied / "dictionary.npz.json", **changes)
    with pytest.raises(BadArtifact, match=r"run embed_tags\.py again") as caught:
        Store(copied).check("dictionary.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[1]", "3", "null", '"x"'])
def test_a_sidecar_that_nests_without_end_or_is_none(copied, text):
    (copied / "dictionary.npz.json").write_text(text)
    with pytest.raises(BadArtifact, match="cannot be read") as caught:
        PostGraph.open(copied, "s", None)
    assert "\n" not in str(caught.value)


def test_a_sidecar_without_end(copied, monkeypatch):
    monkeypatch.setattr(index, "SIDECAR_LIMIT", 100_000)
    with open(copied / "dictionary.npz.json", "ab") as file:
        file.write(b" " * 100_000)
    with pytest.raises(BadArtifact, match="100,000 at most"):
        Store(copied).check("dictionary.npz")


def test_a_stat_that_was_rewritten_with_the_file_vouches_for_nothing(copied):
    path = copied / "dictionary.npz"
    data = bytearray(path.read_bytes())
    data[-300] ^= 1
    path.write_bytes(data)
    status = path.stat()
    beside = copied / "dictionary.npz.json"
    record = json.loads(beside.read_bytes())
    record["stat"] = [status.st_size, status.st_mtime_ns, status.st_ino]
    for _ in range(2):
        beside.write_text(json.dumps(record, indent=1, sort_keys=True))
        with pytest.raises(BadArtifact, match="SHA-256"):
            Store(copied).check("dictionary.npz")
        record.pop("stat_seal", None)


def test_a_stat_under_its_seal_saves_reading(whole, monkeypatch):
    read = []
    real = index.sha256_file
    monkeypatch.setattr(index, "sha256_file", lambda path: read.append(path.name) or real(path))
    Store(whole).check("posts.arrow")
    assert read == []


def test_the_same_run_gives_the_same_seal(tmp_path):
    seals = []
    for n in (1, 2):
        store = Store(tmp_path / str(n))
        with store.stage("embed_tags.py", {"seed": 3}) as stage:
            stage.save_npz("dictionary.npz", vecs=np.arange(4))
        seals.append(json.loads((store.root / "dictionary.npz.json").read_text())["seal"])
    assert seals[0] == seals[1]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[]",
        "3",
        "{}",
        '{"rename": 3, "remove": []}',
        '{"rename": [["a"]], "remove": []}',
        '{"rename": [["a", "../b"]], "remove": []}',
        '{"rename": [], "remove": ["../../x"]}',
        '{"rename": [], "remove": [3]}',
        '{"rename": [["/etc/hostname", "x"]], "remove": []}',
    ],
)
def test_a_journal_that_is_none_is_one_line(tmp_path, text):
    root = tmp_path / "index"
    root.mkdir()
    (tmp_path / "b").write_text("kept")
    (root / JOURNAL).write_text(text)
    with pytest.raises(E6GraphError, match=r"\.journal\.json cannot be read .*: remove it"):
        Store(root)
    assert (tmp_path / "b").read_text() == "kept"


# -- E6DB's files, which no hash vouches for -----------------------------------------------------
@pytest.fixture
def foreign(copied):
    for path in copied.glob("[!.]*.json"):
        path.unlink()
    return copied


NAMES = ["tags.txt.gz", "tag2idx.json.gz", "tags_categories.bin.gz", "implications.json.gz"]


@pytest.mark.parametrize("name", [*NAMES, "implications_rej.json.gz"])
def test_a_gzip_that_expands_without_end_is_one_line(foreign, monkeypatch, name):
    monkeypatch.setattr(tag_files, "UNCHECKED", 1 << 20)
    (foreign / name).write_bytes(gzip.compress(b" " * (4 << 20)))
    read = load_implications if "implications" in name else load_tags
    with pytest.raises(BadArtifact, match="expands to more than 1 MB") as caught:
        read(foreign)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_names_that_pack_well_are_read(foreign, monkeypatch):
    monkeypatch.setattr(tag_files, "UNCHECKED", 1 << 10)
    assert load_tags(foreign)[1]


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, '{"a": ' + "[" * 99_999])
@pytest.mark.parametrize("name", [name for name in NAMES if "json" in name])
def test_json_that_nests_without_end_is_one_line(foreign, name, deep):
    (foreign / name).write_bytes(gzip.compress(deep.encode()))
    read = load_implications if "implications" in name else load_tags
    with pytest.raises(BadArtifact, match=r"cannot be read .* run hydrate_data\.py again"):
        read(foreign)


@pytest.mark.parametrize("name", NAMES)
def test_other_damage_of_gzip_is_one_line(foreign, name):
    read = load_implications if "implications" in name else load_tags
    good = (foreign / name).read_bytes()
    for bad in (b"", good[:-1], good[:9], good + b"junk", os.urandom(50)):
        (foreign / name).write_bytes(bad)
        with pytest.raises(E6GraphError, match=r"run hydrate_data\.py again") as caught:
            read(foreign)
        assert "\n" not in str(caught.value)
