"""Exports nobody would write: a right index or one clear line, in bounded time and memory.

What is imported is compared with another reading of the same bytes, by the csv module and plain
Python. `E6GRAPH_FUZZ=N pytest tests/test_fuzz.py` tries N times as many, other ones each time.
"""

import csv
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from boards import COLUMNS, post, write_export, write_table, write_text
from conftest import PATIENCE
from hypothesis import given, settings
from hypothesis import strategies as st

from e6graph.errors import E6GraphError
from e6graph.hydrate import posts as postsimport
from e6graph.hydrate.importdb import import_export
from e6graph.store import Store
from e6graph.tags.normalizer import TagNormalizer, load_tags

MORE = int(os.environ.get("E6GRAPH_FUZZ", 0))
POSTS = [
    post(3, "vixen night", description='"quoted", and\r\nmore', parent_id=9, score=-4),
    post(5, "fox young night", rating="q"),
    post(9, "owl ember fox", is_pending="t", file_size=3_000_000_000),
    post(12, "owl tree", is_deleted="t"),
    post(14, "vixen ember tree", rating="e", fav_count=7),
]
GIVEN = {
    "posts": POSTS,
    "tags": {"fox": 5, "night": 0, "owl": 5, "ember": 1},
    "aliases": [("vixen", "fox"), ("todd", "vixen"), ("hoot", "owl", "pending")],
    "implications": [("fox", "canine"), ("canine", "mammal"), ("ember", "night")],
    "pools": [(1, "a, story", [9, 3, 12]), (2, "none", [])],
}


def bounded(examples):
    more = {"derandomize": not MORE, "database": None, "deadline": None}
    return settings(max_examples=examples * max(MORE, 1), **more)


def csv_bytes(export):
    """Table → its CSV as bytes, out of a directory of `.csv.gz`."""
    return {t: gzip.decompress((export / f"{t}.csv.gz").read_bytes()) for t in COLUMNS}


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """The valid export, as bytes by table."""
    return csv_bytes(write_export(tmp_path_factory.mktemp("valid"), **GIVEN))


@pytest.fixture(scope="module")
def place(tmp_path_factory, valid):
    """A directory with `old`, an index of the valid export, and room for `export`, `index`."""
    where = tmp_path_factory.mktemp("fuzz")
    for table, data in valid.items():
        write_text(where / "export", f"{table}.csv", data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # half of the time; no power fails here
        import_export(where / "export", Store(where / "old"), progress=False)
        yield where


# -- another reading -----------------------------------------------------------------------------
def plain(tables):
    """What an index of these tables has to hold, one row and one name at a time."""

    def rows(table):
        reader = csv.reader(
            io.StringIO(tables[table].decode("utf-8-sig", "replace"), newline="")
        )
        header = next(reader)
        return [dict(zip(header, values, strict=True)) for values in reader if values]

    def number(text):
        hexadecimal = re.fullmatch("(-?)0[xX](.+)", text)
        return int(text, 16) if hexadecimal else int(text) if text else None

    def moment(text):
        try:
            made = datetime.fromisoformat(text)
            return made.astimezone(UTC).replace(tzinfo=None) if made.tzinfo else made
        except (ValueError, OverflowError):
            return None

    def edges(table):
        return [
            (row["antecedent_name"], row["consequent_name"])
            for row in rows(table)
            if row["status"] == "active"
        ]

    step = {a: b for a, b in edges("tag_aliases") if a != b}

    def ahead(name):
        """Names after this one, up to an end or until they repeat."""
        trail = [name]
        while trail[-1] in step and step[trail[-1]] not in trail:
            trail.append(step[trail[-1]])
        return trail

    looping = {name for name in step if step.get(ahead(name)[-1]) == name}

    def stands_for(name):
        return next((n for n in ahead(name) if n in looping or n not in step), name)

    direct = {}
    for a, b in edges("tag_implications"):
        a, b = stands_for(a), stands_for(b)
        if a != b:
            direct.setdefault(a, set()).add(b)

    def implied_by(name):
        found, waiting = set(), [name]
        while waiting:
            for other in direct.get(waiting.pop(), set()) - found:
                found.add(other)
                waiting.append(other)
        return found - {name}

    never = {"young", "loli", "shota", "cub"}
    never |= {stands_for(name).lower() for name in never}
    leads = [(a, {stands_for(a)}) for a in step] + [(a, implied_by(a)) for a in direct]
    for _ in leads:
        never |= {
            a.lower() for a, others in leads if never & {other.lower() for other in others}
        }

    posts, flags = {}, {"": None}
    flags |= dict.fromkeys(("t", "true", "True", "1"), True)
    flags |= dict.fromkeys(("f", "false", "False", "0"), False)
    for row in rows("posts"):
        names = {stands_for(name) for name in re.split(r"[ \t-\r]+", row["tag_string"]) if name}
        hidden = row["rating"] != "s" and never & {name.lower() for name in names}
        posts.pop(number(row["id"]), None)
        if flags[row["is_deleted"]] or hidden:
            continue
        kinds = {"s": "rating_safe", "q": "rating_questionable", "e": "rating_explicit"}
        made = {"tags": names | {kinds[row["rating"]]}}
        made |= {name: row[name] for name in ("md5", "rating", "file_ext")}
        for name in ("image_width", "file_size", "score", "fav_count", "parent_id"):
            made[name] = number(row[name])
        made |= {name: flags[row[name]] for name in ("is_pending", "is_flagged")}
        made["created_at"] = moment(row.get("created_at", ""))
        posts[number(row["id"])] = made

    used = {}
    for row in posts.values():
        for name in row["tags"]:
            used[name] = used.get(name, 0) + 1
    ranked = sorted((n for n in used if used[n] > 1), key=lambda n: (-used[n], n))
    ids = {name: i for i, name in enumerate(ranked)}
    for row in posts.values():
        names = row.pop("tags")
        implied = {ids[o] for name in names for o in implied_by(name) if o in ids}
        row["tag_count"] = len(names) - 1
        row["implied_tags"] = sorted(implied)
        row["stripped_tags"] = sorted({ids[n] for n in names if n in ids} - implied)
        row["other_tags"] = sorted(names - set(ids))
    categories = {}
    for row in rows("tags"):
        categories.setdefault(row["name"], number(row["category"]) or 0)
    idx = dict(ids)
    for name in step:
        if name not in looping and stands_for(name) in ids:
            idx.setdefault(name, ids[stands_for(name)])
    lists = {name: sorted(ids[o] for o in implied_by(name) if o in ids) for name in direct}
    pools = []
    for row in rows("pools"):
        members = [int(n) for n in row["post_ids"].strip("{} ").split(",") if n]
        members = [n for n in members if n in posts]
        if members:
            known = {"id": number(row["id"]), "name": row["name"], "category": row["category"]}
            pools.append(known | {"post_ids": members})
    return {
        "posts": posts,
        "tags": [(name, categories.get(name, 0), used[name]) for name in ranked],
        "idx": idx,
        "implications": {str(ids[name]): to for name, to in lists.items() if name in ids},
        "rejected": {name: to for name, to in lists.items() if name not in ids and to},
        "pools": pools,
    }


def as_plain(index):
    """The same of an index."""

    def table(name):
        return pq.read_table(index / name).to_pylist()

    def read(name):
        return gzip.decompress((index / name).read_bytes())

    posts = {row.pop("id"): row for row in table("posts.parquet")}
    assert list(posts) == sorted(posts)
    for row in posts.values():
        row["other_tags"].sort()
        for name in ("image_height", "uploader_id"):
            row.pop(name)
    tags = [(row["tag"], row["category"], row["freq"]) for row in table("tags.parquet")]
    idx, names, categories = load_tags(index)  # as its readers do
    assert TagNormalizer(idx, names, categories).idx2tag == [name for name, *_ in tags]
    assert list(categories) == [category for _, category, _ in tags]
    return {
        "posts": posts,
        "tags": tags,
        "idx": idx,
        "implications": json.loads(read("implications.json.gz")),
        "rejected": json.loads(read("implications_rej.json.gz")),
        "pools": table("pools.parquet"),
    }


def judge(place, tables):
    """Import these over the old index; returns the one line that was said, "" if it was taken."""
    export, index, old = (place / name for name in ("export", "index", "old"))
    for table, data in tables.items():
        (export / f"{table}.csv").write_bytes(data)
    shutil.rmtree(index, ignore_errors=True)
    shutil.copytree(old, index)
    before = {p.name: p.read_bytes() for p in index.iterdir()}
    try:
        import_export(export, Store(index), progress=False)
    except E6GraphError as error:
        said = str(error)
        assert len(said.splitlines()) == 1 and said.startswith(str(export)), said
        assert len(said) < 300 + len(str(export)), said
        assert {p.name: p.read_bytes() for p in index.iterdir()} == before
        return said
    assert as_plain(index) == plain(tables)
    return ""


# -- drawn by chance -----------------------------------------------------------------------------
NASTY = [
    b"",
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b" ",
    b"{",
    b"-",
    b"0",
    b"0x1f",
    b"1e9",
    b"99999999999999999999",
    b"9" * 5000,
    b"\xc2\x85",
    b"t",
    b"s",
    "é\u2028狐".encode(),
    b"young",
    b"null",
    b"x" * 70_000,
]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(sorted(COLUMNS)),
        st.floats(0, 1, exclude_max=True),  # where, as a share of the bytes
        st.integers(0, 40),  # how many of those there go
        st.sampled_from(NASTY) | st.binary(max_size=8),
    ),
    min_size=1,
    max_size=4,
)


@bounded(80)
@given(EDITS)
def test_bytes_that_change_anywhere(place, valid, edits):
    tables = dict(valid)
    for table, share, gone, new in edits:
        data = tables[table]
        at = int(share * (len(data) + 1))
        tables[table] = data[:at] + new + data[at + gone :]
    judge(place, tables)


WORDS = st.sampled_from(
    [
        "fox",
        "night",
        "owl",
        "vixen",
        "todd",
        "young",
        "YOUNG",
        "canine",
        "rating_safe",
        "é",
        "null",
        "rating_explicit",
        "<3",
        "a,b",
        '"q"',
        'q"q',
        "\x1c",
        "\x85",
        "\u2028",
        "x\0",
    ]
)
NAMES = WORDS | st.sampled_from(["", " ", "a b", "a\nb", "\ufeff", "k" * 2000])
NUMBERS = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1",
        "007",
        "2147483647",
        "-2147483648",
        "2147483648",
        "9223372036854775807",
        "-9223372036854775809",
        "1.5",
        "x",
        " 4",
    ]
)
ROWS = st.lists(
    st.builds(
        lambda post_id, tags, space, **columns: post(post_id, space.join(tags), **columns),
        st.integers(1, 40) | st.sampled_from([0, -3, 2**31 - 1, 2**31, 2**63]),
        st.lists(WORDS, max_size=6),
        st.sampled_from([" ", " ", " ", "  ", "\n", "\t"]),
        rating=st.sampled_from("sssqqe"),
        is_deleted=st.sampled_from(["f", "f", "f", "t", "", "1"]),
        description=st.sampled_from(["", 'q"', "a\r\nb", "\0", "'"]),
    ),
    max_size=9,
)
PAIRS = st.lists(
    st.tuples(NAMES, NAMES, st.sampled_from(["active", "active", "active", "pending", ""])),
    max_size=8,
)
POOLS = st.lists(
    st.tuples(st.integers(1, 9), NAMES, st.lists(st.integers(-1, 40), max_size=5)), max_size=3
)
TIMES = st.sampled_from(
    """
    2026-11-27 08:30:00.12345|2026-11-27|2026-11-27T08:30Z|2026-11-27 08:30:00.1234567-05:00
    2026-02-30|soon|1969-12-31 00:00:00|0001-01-01 00:00:00+12:00|27.11.2026 08:30|24:00
    """.strip()
    .replace("\n    ", "|")
    .split("|")
)
CELLS = st.lists(  # a row of posts, a column and what it holds in place of its own
    st.tuples(
        st.integers(0, 8),
        st.sampled_from(["image_width", "score", "fav_count", "file_size", "parent_id"]),
        NUMBERS,
    )
    | st.tuples(st.integers(0, 8), st.just("created_at"), TIMES),
    max_size=3,
)


@bounded(80)
@given(
    ROWS, PAIRS, PAIRS, POOLS, CELLS, st.sampled_from([*COLUMNS["posts"].split()] + [""] * 60)
)
def test_rows_of_every_kind(place, rows, aliases, implications, pools, cells, missing):
    for at, column, value in cells:
        if at < len(rows):
            rows[at][column] = value
    made = write_export(place / "made", rows, None, aliases, implications, pools)
    write_table(made, "posts", rows, [c for c in COLUMNS["posts"].split() if c != missing])
    judge(place, csv_bytes(made))


@bounded(25)
@given(st.lists(WORDS, min_size=1, max_size=4), PAIRS, PAIRS)
def test_no_edge_lets_a_post_by_that_the_rule_forbids(place, tags, aliases, implications):
    rows = [post(i, " ".join([*tags, "loli"]), rating="sqe"[i % 3]) for i in range(1, 7)]
    made = write_export(place / "made", rows, None, aliases, implications)
    if not judge(place, csv_bytes(made)):
        table = pq.read_table(place / "index" / "posts.parquet", columns=["id", "rating"])
        assert table.to_pylist() == [{"id": 3, "rating": "s"}, {"id": 6, "rating": "s"}]


# -- what broke it once --------------------------------------------------------------------------
def changed(**changes):
    return lambda directory: write_export(directory, **(GIVEN | changes))


def edited(table, old, new):
    def make(directory):
        write_export(directory, **GIVEN)
        text = gzip.decompress((directory / f"{table}.csv.gz").read_bytes())
        assert old in text
        write_text(directory, f"{table}.csv.gz", text.replace(old, new))

    return make


CORPUS = {
    "all posts gone by a later row of theirs": (
        changed(posts=[post(1, "fox"), post(1, "fox", is_deleted="t")]),
        "no post to keep among 2",
    ),
    "a number of 5,000 digits": (
        changed(posts=[post(1, "fox", score="9" * 5000)]),
        r"row 2 \(line 2\): score is '9999",
    ),
    "a column twice": (edited("posts", b",source,", b",id,"), "column id more than once"),
    "an alias of nothing": (changed(aliases=[("fox", "")]), "tag or alias '', expected 1 to"),
    "an alias of two lines": (changed(aliases=[("fox", "a\nb")]), r"tag or alias 'a\\nb', exp"),
    "a NUL in a tag": (changed(posts=[post(1, "fox fox\0")]), r"tag or alias 'fox\\x00', exp"),
    "a tag of a page": (changed(posts=[post(1, "a" * 1001)]), "1 to 1,000 characters without"),
    "more tags than tag_count counts": (
        changed(posts=[*POSTS, post(15, " ".join(f"t{i}" for i in range(32_768)))]),
        "post 15 has 32,768 tags, expected 32,767 or fewer: mend or remove the row",
    ),
    "an alias that calls explicit posts safe": (
        changed(
            posts=[post(1, "fox"), post(2, "cub fox", rating="e")],
            aliases=[("rating_explicit", "rating_safe")],
        ),
        None,
    ),
    "ten thousand tags": (
        changed(posts=[*POSTS, post(15, " ".join(f"t{i}" for i in range(10_000)))]),
        None,
    ),
    "as many tags as tag_count counts": (
        changed(posts=[*POSTS, post(15, " ".join(f"t{i}" for i in range(32_767)))]),
        None,
    ),
    "implications that lead to themselves": (
        changed(
            implications=[("fox", "fox"), ("fox", "owl"), ("owl", "fox"), ("vixen", "fox")]
        ),
        None,
    ),
    "a description of a million": (
        changed(posts=[*POSTS, post(15, "fox", description='\n"," ' * 200_000)]),
        None,
    ),
    "nothing but an empty tag string": (changed(posts=[post(1, "")]), None),
}


@pytest.mark.parametrize("kind", CORPUS)
def test_what_broke_it_once(place, tmp_path, kind):
    make, match = CORPUS[kind]
    make(tmp_path)
    said = judge(place, csv_bytes(tmp_path))
    assert re.search(match, said) if match else not said


def test_a_deflate_stream_that_is_none_is_one_line(tmp_path):
    export = write_export(tmp_path / "export", **GIVEN)
    path = export / "posts.csv.gz"
    wrong = bytearray(gzip.compress(b"nothing"))
    wrong[10] |= 6  # a block of type 3
    for before in (b"", path.read_bytes()):
        path.write_bytes(before + wrong)
        with pytest.raises(E6GraphError, match=r"posts\.csv\.gz: .*: download it again"):
            import_export(export, Store(tmp_path / "index"), progress=False)


def test_much_that_is_implied_is_written_in_more_row_groups(place, tmp_path, monkeypatch):
    implications = [("fox", "night"), ("fox", "ember"), ("owl", "fox")]
    tables = csv_bytes(changed(implications=implications)(tmp_path))
    groups = []
    for most in (1, 2, 3, 10**9):
        monkeypatch.setattr(postsimport, "ROW_GROUP_IMPLIED", most)
        assert judge(place, tables) == ""
        groups.append(pq.ParquetFile(place / "index" / "posts.parquet").num_row_groups)
    assert groups == [3, 2, 2, 1]  # the three posts' tags imply 1, 3 and 1


# -- time and memory -----------------------------------------------------------------------------
CHILD = """
import os, resource, sys, time
from e6graph.errors import E6GraphError
from e6graph.hydrate import import_export
from e6graph.store import Store
for directory in sys.argv[1:]:
    if os.fork():
        assert os.wait()[1] == 0, directory
        continue
    start, said = time.process_time(), "taken"
    try:
        import_export(directory, Store(directory + "/index"), progress=False)
    except E6GraphError as error:
        said = str(error)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak >>= 20 if sys.platform == "darwin" else 10
    print(peak, round(time.process_time() - start, 1), said, sep="\\t", flush=True)
    os._exit(0)
"""
GIGABYTE, QUARTER = 1 << 30, 1 << 28


def bomb(table, head, unit, size=GIGABYTE):
    """`unit` over and over after the header and `head`, in as little gzip as there can be."""

    def make(directory):
        write_export(directory, **GIVEN)
        block = unit * ((16 << 20) // len(unit))
        packed = gzip.compress(block, 6)
        header = COLUMNS[table].replace(" ", ",").encode() + b"\n" + head
        with open(directory / f"{table}.csv.gz", "wb") as file:
            file.write(gzip.compress(header) + packed * (size // len(block)))

    return make


def chain(table, length, cycle=False):
    pairs = [(f"n{i}", f"n{i + 1}") for i in range(length)] + [(f"n{length}", "n0")] * cycle
    return changed(**{table: pairs})


EXPANDS = "a small file expands to more than"
EDGE = b"1,a,b,,active\n"
ROW = (
    ",".join(str(POSTS[2].get(name, "")) for name in COLUMNS["posts"].split()).encode() + b"\n"
)
HEAVY = {
    "a field without an end": (
        bomb("posts", b'1,"', b"a"),
        r"row 2 \(line 2\): longer than 16 MB",
    ),
    "a row without an end": (
        bomb("posts", b"1,", b","),
        r"row 2 \(line 2\): longer than 16 MB",
    ),
    "rows without end": (bomb("posts", b"", ROW, QUARTER), EXPANDS),
    "aliases without end": (bomb("tag_aliases", b"", EDGE, QUARTER), EXPANDS),
    "a row of 17 MB": (
        bomb("posts", ROW + b"2,", b"a", 17 << 20),
        r"row 3 \(line 3\): .* or remove the row",
    ),
    "a chain of aliases": (chain("aliases", 50_000), "^taken"),
    "a chain of implications": (
        chain("implications", 5000),
        r"the implications make more than",
    ),
    "a cycle of implications": (
        chain("implications", 3000, True),
        r"implications\.csv\.gz: the implications make more",
    ),
    "a short chain": (chain("implications", 1000), "^taken"),
}


def test_nothing_hangs_or_passes_two_gigabytes(tmp_path):
    places = [tmp_path / kind for kind in HEAVY]
    for directory, (make, _) in zip(places, HEAVY.values(), strict=True):
        make(directory)
    start = time.process_time()
    with gzip.open(places[list(HEAVY).index("rows without end")] / "posts.csv.gz") as file:
        while file.read(1 << 20):
            pass
    usual = time.process_time() - start  # how long this machine takes over 256 MB of gzip
    command = [sys.executable, "-c", CHILD, *map(str, places)]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.removesuffix("\n").split("\n")
    for kind, line in zip(HEAVY, lines, strict=True):  # one line each
        peak, seconds, said = line.split("\t")
        assert re.search(HEAVY[kind][1], said), (kind, said)
        assert int(peak) < 1024 and float(seconds) < 25 * usual, (kind, line)  # MiB; of CPU
