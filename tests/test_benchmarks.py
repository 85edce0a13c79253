"""The benchmarks run on a tiny export and measure what they say; nothing here is timed."""

import csv
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import embed_tags
import solve_attenuator
from benchmarks import (
    boards,
    crowd,
    export,
    floors,
    handover,
    kills,
    measure,
    mutants,
    pipeline,
    serve,
    soak,
)
from e6graph.chat.profiles import Profiles
from e6graph.embedding.interactions import posts_by_tags
from e6graph.errors import BadInput
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


def test_a_crowd_talks_and_does_its_worst(built_index, capsys, monkeypatch):
    pytest.importorskip("uvicorn")
    monkeypatch.setattr(crowd, "P99_SECONDS", 1e9)  # nothing is timed here
    monkeypatch.setattr(crowd, "THINKING_SECONDS", 0.1)
    monkeypatch.setattr(crowd, "UNFINISHED", 5)
    monkeypatch.setattr(crowd, "hostile_pictures", lambda: [crowd.png(8, 8)] * 6)
    options = ["--minutes", "0.1", "--clients", "7", "--hostile", "4"]
    crowd.main(["--index", str(built_index), *options])
    out = capsys.readouterr().out
    assert "every answer came" in out and "resident" in out


def test_what_a_crowd_finds_wrong_is_said():
    found = crowd.Crowd(0, 0)
    assert crowd.judged(found, 0, 0) == []
    found.seconds["/walk"] = [0.1] * 50 + [0.4] * 2
    found.problems["status 500"] = 3
    said = crowd.judged(found, 10, 2 * 10**9)
    assert [line.split(",")[0] for line in said] == [
        "p99 of the others is 400 ms",
        "memory rose by 2000 MB",
        "3 answers to the others were none",
    ]


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


# -- boards of real collections --------------------------------------------------------------------

DUMPAVAIL = """\
Package: fox
Source: den (2.0)
Maintainer: Ada Vixen <ada@example.org>
Pre-Depends: libc6
Depends: owl (>= 1) | bat, libc6:any, tail
Description: a fox for the command line
Tag: interface::commandline, works-with::image:raster,
 role::program
Section: games

Package: owl
Maintainer: Ada VIXEN <owl@example.org>
Depends: libc6
Recommends: fox
Description: an owl
Tag: role::program
Section: kernel

Package: fox-data
Source: den
Maintainer: Bo <bo@example.org>
Depends: fox
Tag: role::kernel, suite::TODO
Section: contrib/games

Package: bat
Maintainer: Bo <bo@example.org>
Section: games

Package: wood
Maintainer: Bo <bo@example.org>
Depends: fox, fox-data, owl | bat
Suggests: pine
Tag: role::metapackage
Section: metapackages

Package: pine
Maintainer: Bo <bo@example.org>
Tag: role::program
Section: games

Package: wood-all
Depends: fox, owl, pine
Section: metapackages
"""


def read_export(directory):
    """Table → its rows, as the site's CSV says them."""
    read = {}
    for path in directory.glob("*.csv.gz"):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            read[path.name.partition(".")[0]] = list(csv.DictReader(file))
    return read


def tags_by_name(export):
    """What a post's description begins with → its tags."""
    return {
        post["description"].split(":")[0]: set(post["tag_string"].split())
        for post in export["posts"]
    }


def test_packages_become_posts_with_their_facets(tmp_path):
    (tmp_path / "dump").write_text(DUMPAVAIL)
    boards.main(["debian", "--from", str(tmp_path / "dump"), str(tmp_path / "out")])
    export = read_export(tmp_path / "out")
    tags = tags_by_name(export)
    assert set(tags) == {"fox", "owl", "fox-data", "pine"}  # with debtags, and no collection
    (ada,) = (tag for tag in tags["fox"] if tag.startswith("maintainer_"))
    assert tags["fox"] == {
        ada,
        "commandline_(interface)",
        "image:raster_(works-with)",
        "image_(works-with)",
        "program_(role)",
        "games_(section)",
        "libc6_(needed)",  # owl and tail are needed by one package alone
    }
    assert ada in tags["owl"] and ada not in tags["pine"]  # one person, however it is written
    assert "todo_(suite)" in tags["fox-data"] and "games_(section)" in tags["fox-data"]
    categories = {row["name"]: row["category"] for row in export["tags"]}
    assert [categories[tag] for tag in (ada, "games_(section)", "program_(role)")] == [*"135"]
    assert categories["commandline_(interface)"] == "7" and categories["libc6_(needed)"] == "0"
    votes = {p["description"].split(":")[0]: p["fav_count"] for p in export["posts"]}
    assert (
        votes["fox"] == "1"
    )  # owl wants it; fox-data is of the same source, wood a collection
    aliases = {row["antecedent_name"]: row["consequent_name"] for row in export["tag_aliases"]}
    assert aliases == {
        "games": "games_(section)",
        "program": "program_(role)",
    }  # kernel is both
    (implication,) = export["tag_implications"]
    assert implication["antecedent_name"] == "image:raster_(works-with)"
    (pool,) = export["pools"]  # one of den's two packages; wood-all brings everything
    ids = {post["id"]: post["description"].split(":")[0] for post in export["posts"]}
    members = [ids[i] for i in pool["post_ids"].strip("{}").split(",")]
    assert pool["name"] == "wood" and sorted(members) == ["fox", "owl", "pine"]


def emoji(hexcode, annotation, **more):
    fields = {"group": "animals", "subgroups": "fox-like", "tags": "", "openmoji_tags": ""}
    fields |= {"emoji": "?", "hexcode": hexcode, "annotation": annotation, "unicode": 1}
    fields |= {"openmoji_author": "Ada  Vixen", "openmoji_date": "2020-01-02"}
    return fields | {"skintone": "", "skintone_base_hexcode": ""} | more


def test_drawings_become_posts_with_words_and_colors(tmp_path, monkeypatch):
    """One drawing is half yellow, a quarter black and a quarter bare, another one is bare."""
    halves = np.zeros((8, 8, 4), np.uint8)
    halves[:4] = (0xFC, 0xEA, 0x2B, 255)
    halves[4:6] = (0, 0, 0, 255)
    bare = Image.fromarray(np.zeros((8, 8, 4), np.uint8))
    drawings = {"A": Image.fromarray(halves)}
    monkeypatch.setattr(boards, "render", lambda path: drawings.get(path.stem, bare))
    listed = [
        emoji("A", "red fox with “tail”", tags="fox, chef’s hat, +1", openmoji_tags="sly"),
        emoji("B", "waving hand", tags="hand", subgroups="hand"),
        emoji(
            "B-1",
            "waving hand: dark skin tone",
            subgroups="hand",
            skintone=5,
            skintone_base_hexcode="B",
        ),
        emoji("C", "flag: Ceuta & Melilla", group="flags", subgroups="country-flag"),
        emoji("D", "owl"),
        emoji("E", "bat"),
    ]
    package = tmp_path / "package"
    (package / "data").mkdir(parents=True)
    (package / "color" / "svg").mkdir(parents=True)
    (package / "data" / "openmoji.json").write_text(json.dumps(listed), "utf-8")
    colors = {"colors": ["#000000"] * 8 + ["#fcea2b"] + ["#ffffff"] * 15}
    (package / "data" / "color-palette.json").write_text(json.dumps(colors))
    for one in listed:
        (package / "color" / "svg" / f"{one['hexcode']}.svg").write_text("<svg/>")
    boards.main(["openmoji", str(package), str(tmp_path / "out")])

    export = read_export(tmp_path / "out")
    tags = [set(post["tag_string"].split()) for post in export["posts"]]
    shared = {"animals", "ada_vixen", "unicode_1"}
    assert tags[0] == shared | {
        *("fox-like", "red", "fox", "tail", "chef's_hat", "1", "sly", "yellow_(colour)")
    }
    assert tags[1] == shared | {"hand_(group)", "hand", "waving"}  # hand is a word as well
    assert tags[2] == tags[1] | {"dark_skin_tone", "skin_tone"}
    assert {"ceuta_&_melilla", "flag", "flags"} < tags[3] and "ceuta" not in tags[3]
    assert [post["parent_id"] for post in export["posts"]] == ["", "", "2", "", "", ""]
    pools = {pool["name"]: pool["post_ids"] for pool in export["pools"]}
    assert pools == {"animals:_fox-like": "{1,5,6}"}
    aliases = {row["antecedent_name"]: row["consequent_name"] for row in export["tag_aliases"]}
    assert {"owls": "owl", "hands": "hand", "chefs_hat": None}.items() & aliases.items() == {
        ("owls", "owl"),
        ("hands", "hand"),
    }
    assert aliases["fox_like"] == "fox-like" and aliases["yellow_(color)"] == "yellow_(colour)"
    above = {
        row["antecedent_name"]: row["consequent_name"] for row in export["tag_implications"]
    }
    assert above["dark_skin_tone"] == "skin_tone" and above["hand_(group)"] == "animals"
    categories = {row["name"]: row["category"] for row in export["tags"]}
    names = ("fox", "ada_vixen", "animals", "fox-like", "skin_tone", "ceuta_&_melilla")
    assert [categories[name] for name in names] == [*"013573"]
    assert len(list((tmp_path / "out" / "data" / "preview").rglob("*.jpg"))) == 6


def test_a_directory_that_is_not_the_package_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"openmoji.json: expected the unpacked npm package"):
        boards.main(["openmoji", str(tmp_path), str(tmp_path / "out")])


def test_the_packages_here_make_about_the_board_that_was_measured(tmp_path):
    """Point releases move the counts a little; another release of Debian is another board."""
    shared = Path(os.environ.get("E6GRAPH_SHARED") or measure.ROOT.parent / "shared")
    known = shared / "data" / "debian"
    if not known.is_dir():
        pytest.skip(f"no {known} to compare with: set E6GRAPH_SHARED")
    if not shutil.which("apt-cache"):
        pytest.skip("apt-cache is not here")
    listed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True).stdout
    packages = boards.read_packages(listed.splitlines())
    if len(packages) < 60_000 or "libavutil57" not in packages:
        pytest.skip("apt knows no lists of Debian 12: apt-get update fetches them")
    boards.debian(packages, tmp_path)
    made, expected = read_export(tmp_path), read_export(known)
    for table, rows in expected.items():
        active = [row for row in rows if row.get("status", "active") == "active"]
        assert len(made[table]) == pytest.approx(len(active), rel=0.02), table
    ids = [{post["id"] for post in export["posts"]} for export in (made, expected)]
    assert len(ids[0] & ids[1]) > 0.98 * len(ids[1])


PROGRAM = """LIMIT = 9


def least(values, n=3, strict=False):
    \"\"\"A text is no 1 < 2.\"\"\"
    n -= 1
    if n < 0 and not strict:
        raise ValueError(f"{n + 1} of {LIMIT}")
    return sorted(values)[:n]
"""
CHANGES = {  # without parentheses
    "def leastvalues, n=4, strict=False:",
    "def leastvalues, n=2, strict=False:",
    "def leastvalues, n=3, strict=True:",
    "pass",
    "n += 1",
    "n -= 2",
    "n -= 0",
    "if n < 0 or not strict:",
    "if not n < 0 and not strict:",
    "if n >= 0 and not strict:",
    "if n <= 0 and not strict:",
    "if n < 1 and not strict:",
    "if n < -1 and not strict:",
    "if n < 0 and strict:",
    "return None",
}


def test_every_mutant_is_another_program_in_one_place():
    made = list(mutants.mutants("least", PROGRAM))
    assert {re.sub("[()]", "", one.new) for one in made} == CHANGES
    assert len({one.text for one in made}) == len(made) == len(CHANGES) + 2  # three lose a line
    joined = " ".join(line.strip() for line in PROGRAM.splitlines())
    for one in made:
        compile(one.text, "least.py", "exec")
        assert joined.count(one.old) == 1


def test_a_mutant_is_caught_where_a_test_fails_and_the_copy_is_whole_again(
    tmp_path, monkeypatch
):
    (tmp_path / "e6graph").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "e6graph" / "__init__.py").touch()
    path = tmp_path / "e6graph" / "least.py"
    path.write_text(PROGRAM)
    (tmp_path / "tests" / "test_least.py").write_text(
        "from e6graph.least import least\n\n\n"
        "def test_it():\n    assert least([3, 1, 2]) == [1, 2]\n"
    )
    monkeypatch.setattr(mutants, "TESTS", {"least": "least"})
    every = {one.new: one for one in mutants.mutants("least", PROGRAM)}
    tried = [every["return None"], every["def least(values, n=3, strict=(True)):"]]
    found = list(mutants.try_mutants(tried, tmp_path))
    assert [caught for _, caught in found] == [True, False]
    assert path.read_text() == PROGRAM
    known = {("least", tried[1].old, tried[1].new): "nothing is below 0"}
    shown = mutants.table(found, {})
    assert "50.0%" in shown and "least.py:4" in shown and "+ def least(values, n=3" in shown
    assert "100.0%" in mutants.table(found, known)


def test_mutants_are_drawn_evenly_and_a_seed_is_one_draw():
    modules = ["tags/never", "graph/pixie", "embedding/svd"]
    drawn = mutants.draw(modules, 7, 1)
    assert sorted(one.module for one in drawn) == sorted(
        ["tags/never"] * 2 + ["graph/pixie"] * 2 + ["embedding/svd"] * 3
    )
    assert drawn == mutants.draw(modules, 7, 1) != mutants.draw(modules, 7, 2)
    for name, tests in mutants.TESTS.items():
        assert (mutants.ROOT / "e6graph" / f"{name}.py").is_file()
        for test in tests.split():
            assert (mutants.ROOT / "tests" / f"test_{test}.py").is_file()
    assert all(mutants.known_equivalents().values())
