"""The benchmarks run on a tiny export and measure what they say; nothing here is timed."""

import gzip
import json
import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import embed_tags
import solve_attenuator
from benchmarks import export, floors, handover, kills, measure, pipeline, serve, soak
from e6graph.chat.profiles import Profiles
from e6graph.embedding.interactions import posts_by_tags
from e6graph.hydrate import posts as postsimport
from e6graph.hydrate.importdb import import_export
from e6graph.store import Store
from e6graph.tags.vocabulary import load_vocabulary


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("written")
    export.main(["900", str(directory), "--tags", "2000"])
    return directory


def test_an_export_has_the_sites_columns_and_all_of_it_is_imported(written, tmp_path):
    store = Store(tmp_path)
    counts = import_export(written, store, progress=False)
    assert counts["posts read"] == 900
    assert counts["posts kept"] + counts["posts deleted, left out"] == 900
    assert 0 < counts["posts deleted, left out"] < 60
    assert counts["tag_aliases active"] == 450 and counts["pools kept"] > 80
    text = gzip.decompress((written / "posts.csv.gz").read_bytes()).decode()
    header, first = text.splitlines()[:2]
    assert header.split(",") == export.POSTS
    assert len(first.split(",")) == len(export.POSTS) and '"' not in first
    assert '"Said: ""hello, no.' in text


def test_an_exports_tags_follow_the_curve(written, tmp_path):
    store = Store(tmp_path)
    import_export(written, store, progress=False)
    _, matrix = posts_by_tags(store, load_vocabulary(store), "all")
    held = np.sort(np.asarray(matrix.sum(0)).ravel())[::-1]
    assert 25 < matrix.sum(1).mean() < 45
    assert held[:20].sum() > 8 * held[200:220].sum()


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        export.write_export(tmp_path / name, 60, 300, seed)
    one, same, other = ((tmp_path / name / "posts.csv.gz").read_bytes() for name in "abc")
    assert one == same != other


def test_names_are_all_different():
    assert len(set(export.names().to_pylist())) == export.TAGS
    assert export.frequencies().sum() == pytest.approx(1)


def test_a_process_is_measured_with_its_threads_and_files(tmp_path):
    (tmp_path / "old").write_bytes(b"12345")
    program = (
        "import time, pathlib\n"
        "held = bytearray(80_000_000)\n"
        f"pathlib.Path({str(tmp_path / 'new')!r}).write_bytes(b'x' * 1000)\n"
        "time.sleep(0.2)\n"
        "print('done')"
    )
    os.utime(tmp_path / "old", (1, 1))
    cost = measure.run([sys.executable, "-c", program], tmp_path)
    assert (cost.status, cost.output, cost.written) == (0, "done\n", 1000)
    assert cost.wall >= 0.2 and cost.cpu > 0
    assert cost.peak > 80_000_000 and (cost.own == 0 or cost.own > 70_000_000)
    assert measure.run([sys.executable, "-c", "raise SystemExit(3)"]).status == 3


def test_growth_is_the_slope_between_sizes():
    def cost(seconds, floor):
        made = measure.Cost(seconds, 2 * seconds, 1, 8, 1, 0, "")
        return {"embed": (made, None), "index": (made, replace(made, wall=floor, cpu=floor))}

    _, embed, index = pipeline.growth({100: cost(1.0, 1), 400: cost(4.0, 2)}).splitlines()
    assert embed.split()[-3:] == ["1.00", "1.00", "0.00"]
    assert index.split()[-5:] == ["1.00", "1.00", "0.00", "0.50", "0.50"]


def test_the_pipeline_prints_every_stage_beside_its_floor(written, tmp_path, capsys):
    pipeline.main(["--export", str(written), "--index", str(tmp_path / "index")])
    lines = capsys.readouterr().out.splitlines()
    table = {line.split()[0]: line.split() for line in lines if line}
    for stage in ("import", "embed", "attenuate", "index"):
        assert len(table[stage]) == 11
        assert float(table[stage][1]) > 0 and float(table[stage][5]) > 0
    assert "recognize" not in table and "all" in table
    assert (tmp_path / "index" / "posts.arrow").is_file()


@pytest.mark.parametrize("floor", floors.FLOORS)
def test_each_floor_says_how_long_it_took(built_index, tmp_path, floor, capsys):
    index = shutil.copytree(built_index, tmp_path / "index")
    floors.main([floor, "--index", str(index)])
    took = json.loads(capsys.readouterr().out)
    assert took["wall"] > 0 and took["cpu"] >= 0


def test_serving_prints_every_query(built_index, capsys):
    serve.main(["--index", str(built_index), "--count", "3"])
    shown = capsys.readouterr().out
    for name in (*serve.TARGETS, "neighbors", "gathers", "after all queries"):
        assert name in shown


def test_a_short_soak_finds_nothing_wrong(built_index, tmp_path, capsys):
    soak.main(["--index", str(built_index), "--minutes", "0"])
    shown = capsys.readouterr().out
    assert "every answer that of one whole index" in shown
    figures = dict(line.rsplit(maxsplit=1) for line in shown.splitlines()[1:-1])
    assert int(figures["swaps"]) == 1 and figures["answers"] != "0"


def test_a_soak_notices_another_answer(built_index):
    soaking = soak.Soak(built_index, 0)
    soaking.known[0] = [None] * soak.DIFFERENT

    class Twenty:
        def is_set(self):
            return soaking.count >= 20

    soaking.stop = Twenty()
    soaking.ask(0)
    assert soaking.wrong and "in another way" in soaking.wrong[0]


def test_growth_is_that_of_what_stays():
    """A leak, two indexes open at the very end, what is first filled, and a system that is mute."""
    level = np.full(1200, 200e6)
    assert soak.growth(level + np.arange(1200) * 20e3) == pytest.approx(19.2 / 203.59, abs=1e-4)
    level[-30:] += 100e6
    level[:100] -= 50e6
    assert soak.growth(level) == 0 and soak.growth([7]) == 0 and soak.growth([0] * 50) == 0


def test_parts_handed_over_make_the_whole(written, tmp_path, monkeypatch):
    """What workers do, without workers: three shares of the row groups."""
    monkeypatch.setattr(postsimport, "ROW_GROUP", 150)
    index = str(tmp_path / "index")
    import_export(written, Store(index), progress=False)
    embed_tags.main(["--index", index, "--dim", "16"])
    solve_attenuator.main(["--index", index])
    groups = pq.read_metadata(f"{index}/posts.parquet").num_row_groups
    runs = handover.shares(groups, 3)
    assert (
        groups > 3 and len(runs) == 3 and [i for run in runs for i in run] == [*range(groups)]
    )
    whole = handover.counts_of(index, range(groups), 100)
    parts = [handover.counts_of(index, run, 100) for run in runs]
    assert whole.nnz and (sum(parts) != whole).nnz == 0
    made = [handover.vectors(handover.vectors_of(index, run, str(tmp_path))) for run in runs]
    all_ = handover.vectors(handover.vectors_of(index, range(groups), str(tmp_path)))
    assert np.array_equal(np.concatenate(made), all_)
    assert handover.shares(2, 5) == [range(1), range(1, 2)]


def test_two_rounds_of_kills_find_nothing_wrong(monkeypatch, capsys):
    monkeypatch.setattr(kills, "EVERY", 2)
    kills.main(["--rounds", "2", "--posts", "60"])
    shown = capsys.readouterr().out
    assert "every run after equals an undisturbed one" in shown and "bot.py" in shown


def test_kills_notice_a_difference_and_what_was_lost(tmp_path):
    said = kills.Said()
    for line in ("You enjoy fox.\n", "You like #12: a post.\n", "#7  a post\n", "You like #9"):
        said.hear(line)
    assert said.kept == [("enjoy", "fox"), ("like", 12), ("seen", 7)]
    seeing = kills.Kills.__new__(kills.Kills)
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        profiles.like("terminal", 12)
    assert seeing._lost(tmp_path / "profiles.sqlite", said) == ["enjoy fox", "seen 7"]
    seeing.index, seeing.wrong = tmp_path / "index", []
    with Store(seeing.index).stage("embed_tags.py") as stage:
        stage.path("tags.txt.gz").write_text("new")
    whole = kills.contents(seeing.index)
    seeing._compare("embed_tags.py", whole)
    assert not seeing.wrong
    (seeing.index / "tags.txt.gz").write_text("old")
    (seeing.index / ".left.new").write_text("over")
    seeing._compare("embed_tags.py", whole)
    assert len(seeing.wrong) == 2
