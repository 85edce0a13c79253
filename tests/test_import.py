"""Export → index: a small board worked by hand, Tate's known counts, and files that are broken."""

import csv
import gzip
import io
import json
import os
import random
import struct
import sys
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boards import COLUMNS, post, write_export, write_table, write_text

from e6graph.errors import BadInput, E6GraphError
from e6graph.hydrate import csvtables, importdb
from e6graph.hydrate.csvtables import find_table, read_batches
from e6graph.hydrate.importdb import IMAGE_TYPES, import_export
from e6graph.store import Store
from e6graph.tags.implications import close_implications, resolve_aliases

POSTS = [
    post(9, "vixen  night null", file_ext="jpg"),  # two spaces in a row
    post(2, "todd <3 once_only nan", rating="q", parent_id=9, uploader_id=7, score=-3),
    post(4, "fox mammal canine night", file_ext="webp", is_pending="t"),
    post(3, "owl na night", file_size=3_000_000_000, file_ext="webm", fav_count=12),
    post(11, "wolf night null <3", rating="e", is_flagged="t"),
    post(5, "fox night owl", is_deleted="t"),
    post(7, " owl na nan ring_a ring_b ", image_width=20000),
    post(8, "ring_a ring_b", file_ext="gif"),
]
ALIASES = [
    ("vixen", "female_fox"),  # a chain: vixen -> female_fox -> fox
    ("female_fox", "fox"),
    ("todd", "fox"),
    ("loop_a", "loop_b"),  # a cycle: left as it is
    ("loop_b", "loop_a"),
    ("na", "night", "pending"),  # not active: would join two tags
    ("owl", "fox", "deleted"),
    ("hoot", "owl"),
    ("gone", "never_used"),
]
IMPLICATIONS = [
    ("vixen", "canid"),  # both sides through aliases: fox -> canine
    ("canine", "mammal"),  # transitive: fox -> mammal
    ("wolf", "canine"),
    ("ring_a", "ring_b"),  # a cycle
    ("ring_b", "ring_a"),
    ("owl", "night", "pending"),
    ("todd_the_fox", "vixen"),  # the name without an id
]
POOLS = [
    (1, "a, story", [9, 5, 4, 99]),  # 5 is deleted, 99 unknown
    (2, "empty", []),
    (3, "gone", [5, 99]),
    (4, 'a "quoted" one', [11, 2, 11]),
]
CATEGORIES = {"fox": 5, "wolf": 5, "night": 0, "null": 7, "owl": 5, "<3": 0, "na": 3, "nan": 1}
NAMES = ["fox", "night", "rating_safe", "<3", "na", "nan", "null", "owl", "ring_a", "ring_b"]
COUNTS = {
    "tag_aliases not active, left out": 2,
    "tag_implications not active, left out": 1,
    "tag_aliases active": 8,
    "alias chains followed": 1,
    "names on an alias cycle, left as they are": 2,
    "tag_implications active": 6,
    "names on an implication cycle": 2,
    "posts read": 8,
    "posts deleted, left out": 1,
    "posts of another file type, left out": 0,
    "posts under the never-shown rule, left out": 0,
    "posts that repeat an id, left out": 0,
    "tags kept": 10,
    "tags used once, without an id": 6,  # canine mammal once_only wolf rating_q.. rating_e..
    "names and aliases with an id": 14,  # vixen female_fox todd hoot
    "antecedents with an id": 3,  # fox ring_a ring_b
    "antecedents without an id": 1,  # todd_the_fox
    "posts kept": 7,
    "post-tag pairs": 26,
    "pools kept": 2,
    "pools without a kept post, left out": 2,
    "pool members kept": 5,
    "pool members that are no kept post, left out": 4,
}


def small(directory, **changes):
    """The small board's export; `changes` replace arguments of `write_export`."""
    given = {
        "posts": POSTS,
        "tags": CATEGORIES,
        "aliases": [*ALIASES, ("canid", "canine")],
        "implications": IMPLICATIONS,
        "pools": POOLS,
    }
    return write_export(directory, **(given | changes))


def take(directory, index, **options):
    """Import quietly; returns the counts and the store."""
    store = Store(index)
    return import_export(directory, store, progress=False, **options), store


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    where = tmp_path_factory.mktemp("small")
    counts, store = take(small(where / "export"), where / "index", site="https://board.test")
    return counts, store


def gz_json(store, name):
    return json.loads(gzip.decompress((store.root / name).read_bytes()))


def rows(store, name="posts.parquet"):
    return pq.read_table(store.root / name).to_pylist()


# -- worked by hand ------------------------------------------------------------------------------
def test_every_count(imported):
    counts, _ = imported
    assert counts == COUNTS


def test_tags_rank_by_use_then_by_name(imported):
    """fox 9 2 4 (by aliases), night 9 4 3 11; the rest twice; rating_safe 9 4 3 7 8."""
    _, store = imported
    names = gzip.decompress((store.root / "tags.txt.gz").read_bytes()).decode().split("\n")
    used = {"rating_safe": 5, "night": 4, "fox": 3}
    ranked = [
        "rating_safe",
        "night",
        "fox",
        "<3",
        "na",
        "nan",
        "null",
        "owl",
        "ring_a",
        "ring_b",
    ]
    assert names == ranked
    table = rows(store, "tags.parquet")
    assert [row["tag"] for row in table] == ranked
    assert [row["freq"] for row in table] == [used.get(name, 2) for name in ranked]
    # ring_a and rating_safe are not in the export's tags: category 0
    categories = [0, 0, 5, 0, 3, 1, 7, 5, 0, 0]
    assert [row["category"] for row in table] == categories
    packed = gzip.decompress((store.root / "tags_categories.bin.gz").read_bytes())
    assert list(struct.unpack("10B", packed)) == categories


def test_names_and_aliases_lead_to_ids(imported):
    _, store = imported
    idx = gz_json(store, "tag2idx.json.gz")
    assert idx == {
        "rating_safe": 0,
        "night": 1,
        "fox": 2,
        "<3": 3,
        "na": 4,
        "nan": 5,
        "null": 6,
        "owl": 7,
        "ring_a": 8,
        "ring_b": 9,
        "vixen": 2,
        "female_fox": 2,
        "todd": 2,
        "hoot": 7,
    }
    assert {row["tag"]: row["idx"] for row in rows(store, "tag2idx.parquet")} == idx


def test_implications_close_over_names_with_an_id(imported):
    _, store = imported
    # canine and mammal are used once, so have no id: fox implies nothing that has one
    assert gz_json(store, "implications.json.gz") == {"2": [], "8": [9], "9": [8]}
    assert gz_json(store, "implications_rej.json.gz") == {"todd_the_fox": [2]}


def test_posts_by_id_with_their_tags_apart(imported):
    _, store = imported
    table = rows(store)
    assert [row["id"] for row in table] == [2, 3, 4, 7, 8, 9, 11]
    of = {row["id"]: row for row in table}
    stripped = {
        2: [2, 3, 5],
        3: [0, 1, 4, 7],
        4: [0, 1, 2],
        7: [0, 4, 5, 7],
        8: [0],
        9: [0, 1, 2, 6],
        11: [1, 3, 6],
    }
    assert {i: row["stripped_tags"] for i, row in of.items()} == stripped
    ring = {7: [8, 9], 8: [8, 9]}  # each of a cycle implies the other
    assert {i: row["implied_tags"] for i, row in of.items()} == {i: ring.get(i, []) for i in of}
    others = {
        2: ["once_only", "rating_questionable"],
        4: ["canine", "mammal"],
        11: ["rating_explicit", "wolf"],
    }
    assert {
        i: sorted(row["other_tags"]) for i, row in of.items() if row["other_tags"]
    } == others
    tag_count = {
        2: 4,
        3: 3,
        4: 4,
        7: 5,
        8: 2,
        9: 3,
        11: 4,
    }  # the rating is none of a post's tags
    assert {i: row["tag_count"] for i, row in of.items()} == tag_count


def test_columns_of_posts_are_kept(imported):
    _, store = imported
    of = {row["id"]: row for row in rows(store)}
    assert {i: row["rating"] for i, row in of.items()} == {
        2: "q",
        3: "s",
        4: "s",
        7: "s",
        8: "s",
        9: "s",
        11: "e",
    }
    assert [of[2][name] for name in ("parent_id", "uploader_id", "score")] == [9, 7, -3]
    assert of[3]["parent_id"] is None and of[3]["fav_count"] == 12
    assert (of[3]["file_size"], of[3]["file_ext"]) == (3_000_000_000, "webm")
    assert (of[7]["image_width"], of[7]["image_height"]) == (20000, 480)
    assert (of[4]["is_pending"], of[4]["is_flagged"]) == (True, False)
    assert (of[11]["is_pending"], of[11]["is_flagged"]) == (False, True)
    assert of[9]["md5"] == POSTS[0]["md5"]
    kinds = {
        field.name: str(field.type) for field in pq.read_schema(store.root / "posts.parquet")
    }
    assert kinds == {
        "id": "int64",
        "md5": "string",
        "rating": "string",
        "image_width": "int32",
        "image_height": "int32",
        "file_ext": "string",
        "file_size": "int64",
        "score": "int32",
        "fav_count": "int32",
        "uploader_id": "int32",
        "parent_id": "int64",
        "is_pending": "bool",
        "is_flagged": "bool",
        "created_at": "timestamp[us]",
        "tag_count": "int16",
        "stripped_tags": "list<element: int32>",
        "implied_tags": "list<element: int32>",
        "other_tags": "list<element: string>",
    }


def test_pools_keep_their_order_and_lose_what_is_not_there(imported):
    _, store = imported
    assert rows(store, "pools.parquet") == [
        {"id": 1, "name": "a, story", "category": "series", "post_ids": [9, 4]},
        {"id": 4, "name": 'a "quoted" one', "category": "series", "post_ids": [11, 2, 11]},
    ]


def test_the_sidecar_names_the_site_and_the_file_types(imported):
    _, store = imported
    for name in ("tags.txt.gz", "posts.parquet", "pools.parquet"):
        parameters = store.sidecar(name)["parameters"]
        assert (parameters["site"], parameters["file_types"]) == ("https://board.test", None)


def test_transitive_implications_split_direct_from_implied(tmp_path):
    """red_fox -> fox -> canine -> mammal; the tags themselves imply what a post lacks as well."""
    held = [
        "red_fox fox canine mammal",
        "fox canine mammal",
        "red_fox fox canine",
        "mammal wolf",
    ]
    posts = [post(i, tags) for i, tags in enumerate([*held, "wolf canine"], 1)]
    chain = [("red_fox", "fox"), ("fox", "canine"), ("canine", "mammal"), ("wolf", "canine")]
    export = write_export(tmp_path / "export", posts, implications=chain)
    _, store = take(export, tmp_path / "index")
    names = {row["tag"]: i for i, row in enumerate(rows(store, "tags.parquet"))}
    # rating_safe 5, canine 4, fox 3, mammal 3, red_fox 2, wolf 2
    assert list(names) == ["rating_safe", "canine", "fox", "mammal", "red_fox", "wolf"]
    assert gz_json(store, "implications.json.gz") == {
        "1": [3],
        "2": [1, 3],
        "4": [1, 2, 3],
        "5": [1, 3],
    }
    split = {row["id"]: (row["stripped_tags"], row["implied_tags"]) for row in rows(store)}
    assert split == {
        1: ([0, 4], [1, 2, 3]),
        2: ([0, 2], [1, 3]),
        3: ([0, 4], [1, 2, 3]),
        4: ([0, 5], [1, 3]),
        5: ([0, 5], [1, 3]),
    }


def plain_aliases(pairs):
    """(target, chains, cycles) one step at a time."""
    step = {a: b for a, b in pairs if a != b}

    def trail(name):
        names = [name]
        while names[-1] in step and step[names[-1]] not in names:
            names.append(step[names[-1]])
        return names

    on_cycle = {a for a in step if step.get(trail(a)[-1]) == a}
    paths = {}
    for a in set(step) - on_cycle:
        paths[a] = [a]
        while paths[a][-1] in step and paths[a][-1] not in on_cycle:
            paths[a].append(step[paths[a][-1]])
    target = {a: path[-1] for a, path in paths.items()}
    return target, sum(len(path) > 2 for path in paths.values()), len(on_cycle)


def plain_implications(pairs, aliases):
    """(closure, cycles) by repeated squaring of a Boolean matrix."""
    names = sorted({aliases(name) for pair in pairs for name in pair})
    at = {name: i for i, name in enumerate(names)}
    reach = np.zeros((len(names), len(names)), bool)
    for a, b in pairs:
        if aliases(a) != aliases(b):
            reach[at[aliases(a)], at[aliases(b)]] = True
    starts = reach.any(1)
    for _ in range(len(names)):
        reach |= (reach.astype(int) @ reach) > 0
    closure = {
        names[i]: frozenset(names[j] for j in np.flatnonzero(reach[i]) if j != i)
        for i in np.flatnonzero(starts)
    }
    return closure, int(reach.diagonal().sum())


def test_aliases_and_implications_of_random_graphs_by_another_way():
    for seed in range(400):
        rng = random.Random(seed)
        names = "abcdefgh"[: rng.randint(2, 8)]
        pairs = [(rng.choice(names), rng.choice(names)) for _ in range(rng.randint(0, 10))]
        aliases = resolve_aliases(pairs)
        assert (aliases.target, aliases.chains, aliases.cycles) == plain_aliases(pairs), pairs
        pairs = [(rng.choice(names), rng.choice(names)) for _ in range(rng.randint(0, 14))]
        made = close_implications(pairs, aliases)
        assert (made.closure, made.cycles) == plain_implications(pairs, aliases), pairs


def test_file_types_choose_posts(tmp_path):
    counts, store = take(small(tmp_path / "export"), tmp_path / "index", file_types=IMAGE_TYPES)
    assert [row["id"] for row in rows(store)] == [2, 4, 7, 9, 11]
    assert counts["posts of another file type, left out"] == 2
    assert store.sidecar("posts.parquet")["parameters"]["file_types"] == ["jpg", "png", "webp"]


def test_of_posts_that_repeat_an_id_the_last_counts(tmp_path):
    gone = [post(7, "fox gone"), post(7, "", is_deleted="t")]
    never = [post(8, "fox"), post(8, "young fox", rating="e")]
    posts = [post(5, "fox night"), post(3, "owl night"), post(5, "owl fox"), *gone, *never]
    counts, store = take(write_export(tmp_path / "export", posts), tmp_path / "index")
    assert [row["id"] for row in rows(store)] == [3, 5]
    assert counts["posts that repeat an id, left out"] == 3
    assert counts["posts kept"] == 2
    names = {row["tag"]: row["freq"] for row in rows(store, "tags.parquet")}
    assert names == {"owl": 2, "rating_safe": 2}  # night and fox once each


def test_a_tag_repeated_or_implied_hundreds_of_times_counts_once(tmp_path):
    """128 and 256 are where a signed or an unsigned byte turns over."""
    several = [f"kind_{i}" for i in range(256)]
    held = [
        ["fox"] * 256,
        ["fox", "animal", *several],
        ["fox", "animal", *several[:128]],
        several,
    ]
    posts = [post(i, " ".join(tags)) for i, tags in enumerate(held, 1)]
    implications = [(kind, "animal") for kind in several]
    export = write_export(tmp_path / "e", posts, implications=implications)
    _, store = take(export, tmp_path / "index")
    idx = gz_json(store, "tag2idx.json.gz")
    assert len(rows(store)) == 4
    for row in rows(store):
        ids = row["stripped_tags"] + row["implied_tags"]
        assert len(ids) == len(set(ids))
        assert (idx["animal"] in row["implied_tags"]) == (row["id"] > 1)
        assert idx["animal"] not in row["stripped_tags"]
    assert [row["tag_count"] for row in rows(store)] == [1, 258, 130, 256]


def test_a_pool_s_bad_member_names_the_pool(tmp_path):
    export = small(tmp_path / "export", pools=[])
    good = {"id": 7, "name": "good", "post_ids": "{2, 4}"}
    for wrong in ("{1,x}", "{1;2}", "{99999999999999999999}", "HTML"):
        lines = [good, {"id": 8, "name": "b", "post_ids": wrong}]
        write_table(export, "pools", lines)
        with pytest.raises(
            BadInput, match=r"pools\.csv\.gz: pool 8: post_ids has .*: mend or remove"
        ):
            take(export, tmp_path / "index")


def test_an_export_without_pools(tmp_path):
    export = small(tmp_path / "export")
    (export / "pools.csv.gz").unlink()
    counts, store = take(export, tmp_path / "index")
    assert (counts["pools kept"], counts["pools (no such table)"]) == (0, 0)
    assert rows(store, "pools.parquet") == []


def test_tables_with_a_header_alone(tmp_path):
    export = write_export(tmp_path / "export", [post(1, "fox"), post(2, "fox")], tags={})
    counts, store = take(export, tmp_path / "index")
    assert rows(store, "tags.parquet") == [
        {"tag": "fox", "category": 0, "freq": 2},
        {"tag": "rating_safe", "category": 0, "freq": 2},
    ]
    assert (counts["tag_aliases active"], counts["pools kept"]) == (0, 0)


def test_a_board_without_a_tag_used_twice(tmp_path):
    counts, store = take(write_export(tmp_path / "e", [post(1, "fox")]), tmp_path / "index")
    assert counts["tags kept"] == 0
    assert sorted(rows(store)[0]["other_tags"]) == ["fox", "rating_safe"]
    assert rows(store)[0]["stripped_tags"] == rows(store)[0]["implied_tags"] == []


# -- how the files may look ----------------------------------------------------------------------
def artifacts(store):
    """Bytes of every artifact, sidecars left out."""
    return {p.name: p.read_bytes() for p in sorted(store.root.iterdir()) if p.name in NAMED}


NAMED = {
    "tags.txt.gz",
    "tags_categories.bin.gz",
    "tag2idx.json.gz",
    "tag2idx.parquet",
    "implications.json.gz",
    "implications_rej.json.gz",
    "tags.parquet",
    "posts.parquet",
    "aliases.parquet",
    "pools.parquet",
}


def test_the_same_input_gives_the_same_bytes(imported, tmp_path):
    _, store = imported
    _, again = take(small(tmp_path / "export"), tmp_path / "index", site="https://board.test")
    assert set(artifacts(store)) == NAMED
    assert artifacts(again) == artifacts(store)


def test_column_order_and_unknown_columns_do_not_matter(imported, tmp_path):
    _, store = imported
    export = small(tmp_path / "export")
    rng = random.Random(0)
    for table in COLUMNS:
        text = gzip.decompress((export / f"{table}.csv.gz").read_bytes()).decode()
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
        columns = [*COLUMNS[table].split(), "novelty", "another, one"]
        rng.shuffle(columns)
        write_table(export, table, [row | {"novelty": "x,y\n"} for row in lines], columns)
    _, again = take(export, tmp_path / "index")
    assert artifacts(again) == artifacts(store)


def test_line_ends_quotes_and_a_byte_order_mark_do_not_matter(imported, tmp_path):
    _, store = imported
    descriptions = [
        '"',
        '""',
        "a\r\nb",
        "\r\n",
        ',"\n",',
        'ends in "',
        "é 狐 \U0001f98a",
        "t\x0b",
    ]
    posts = [row | {"description": text} for row, text in zip(POSTS, descriptions, strict=True)]
    export = small(tmp_path / "export", posts=posts)
    for table in COLUMNS:
        path = export / f"{table}.csv.gz"
        lines = list(
            csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode(), newline=""))
        )
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(lines)
        write_text(export, path.name, b"\xef\xbb\xbf" + text.getvalue().encode())
    _, again = take(export, tmp_path / "index")
    assert artifacts(again) == artifacts(store)


def test_rows_longer_than_a_read_and_files_of_several_batches(imported, tmp_path, monkeypatch):
    _, store = imported
    monkeypatch.setattr("e6graph.hydrate.csvtables.CSV_BLOCK", 1024)
    monkeypatch.setattr("e6graph.hydrate.posts.ROW_GROUP", 3)
    posts = [row | {"description": '"\n' * 50} for row in POSTS]
    _, again = take(small(tmp_path / "export", posts=posts), tmp_path / "index")
    assert rows(again) == rows(store)
    assert pq.ParquetFile(again.root / "posts.parquet").num_row_groups == 3


def test_plain_and_gzipped_and_dated_files_newest_wins(tmp_path):
    old = write_table(tmp_path, "tags", [], name="tags-2025-12-31.csv.gz")
    assert find_table(tmp_path, "tags") == old
    newer = write_table(tmp_path, "tags", [], name="tags-2026-01-31.csv")
    os.utime(newer, (0, 0))  # the date in the name decides
    for stray in ("tags-2027-1-1.csv", "tags.csv.gz.part", "post_tags.csv", "tags.csv.bak"):
        (tmp_path / stray).write_text("id\n")
    (tmp_path / "tags-2028-01-01.csv").mkdir()
    assert find_table(tmp_path, "tags") == newer
    plain = write_table(tmp_path, "tags", [], name="tags.csv")
    assert find_table(tmp_path, "tags") == plain
    packed = write_table(tmp_path, "tags", [], name="tags.csv.gz")
    os.utime(plain, (1e9, 1e9))
    assert find_table(tmp_path, "tags") == packed
    os.utime(packed, (1e8, 1e8))
    assert find_table(tmp_path, "tags") == plain
    for wrong in (tmp_path, tmp_path / "nowhere", plain):
        with pytest.raises(
            BadInput, match=r"no pools\.csv or pools\.csv\.gz: give the directory"
        ):
            find_table(wrong, "pools")


def test_plain_and_gzipped_give_the_same(imported, tmp_path):
    _, store = imported
    export = small(tmp_path / "export")
    for table in COLUMNS:
        data = gzip.decompress((export / f"{table}.csv.gz").read_bytes())
        (export / f"{table}.csv.gz").unlink()
        write_text(export, f"{table}-2026-02-0{len(table) % 9 + 1}.csv", data)
    _, again = take(export, tmp_path / "index")
    assert artifacts(again) == artifacts(store)


def test_gzip_of_several_members_is_read_to_its_end(imported, tmp_path):
    _, store = imported
    export = small(tmp_path / "export")
    path = export / "posts.csv.gz"
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data[:700]) + gzip.compress(data[700:]))
    _, again = take(export, tmp_path / "index")
    assert artifacts(again) == artifacts(store)


# -- files that are broken -----------------------------------------------------------------------
HEADER = COLUMNS["posts"]


def line(**changes):
    """A post as the CSV fields of its line, joined."""
    row = post(6, "fox night") | changes
    return ",".join(str(row.get(name, "")) for name in HEADER.split())


def posts_text(*lines):
    good = [line(id=i, description=f'"one\nfox, {i}"') for i in (1, 2)]
    return "\n".join([HEADER.replace(" ", ","), *good, *lines]) + "\n"


def truncated(text, share):
    data = gzip.compress(text.encode())
    return data[: int(len(data) * share)]


def flipped(text):
    data = bytearray(gzip.compress(text.encode()))
    data[len(data) // 2] ^= 0x55
    return bytes(data)


LONG = posts_text(
    *(line(id=i, md5=random.Random(i).randbytes(16).hex()) for i in range(3, 4000))
)
LAST = line(id=9, description='"two\nlines"')

# the header is row 1, lines 2 and 3 are row 2: the fourth row begins on line 6
BROKEN = {
    "an id that is no number": (
        posts_text(line(id="six"), LAST),
        r"row 4 \(line 6\): id is 'six'",
    ),
    "an empty id": (posts_text(line(id=""), LAST), r"row 4: id is ''"),
    "an id of zero": (posts_text(line(id=0), LAST), r"row 4: id is '0'"),
    "an id below zero": (posts_text(LAST, line(id=-5)), r"row 5: id is '-5', expected 1 to"),
    "an id with a point": (posts_text(line(id="6.5")), r"row 4 \(line 6\): id is '6.5'"),
    "an id too large for an index": (posts_text(line(id=2**31)), r"row 4: id is '2147483648'"),
    "an id beyond 64 bits": (posts_text(line(id=2**63)), r"row 4 \(line 6\): id is '9223"),
    "a huge score": (posts_text(line(score=2**31)), r"row 4 \(line 6\): score is '2147483648'"),
    "a bad rating": (
        posts_text(LAST, line(rating="x")),
        r"row 5: rating is 'x', expected s, q",
    ),
    "no rating": (posts_text(line(rating="")), r"row 4: rating is ''"),
    "a bad flag": (posts_text(line(is_deleted="so")), r"row 4 \(line 6\): is_deleted is 'so'"),
    "a field too few": (
        posts_text(line().removesuffix(","), LAST),
        r"row 4 \(line 6\): 29 fields",
    ),
    "a field too many": (posts_text(line() + ",", LAST), r"row 4 \(line 6\): 31 fields, .* 30"),
    "a quote that is never closed": (
        posts_text(line(source='"never'), LAST),
        r"row 4 \(line 6",
    ),
    "a quote that closes in the next row": (
        posts_text(line(description='"never'), line(id=7, description='"well"')),
        r"row 4 \(line 6",
    ),
    "a quote within a field": (
        posts_text(line(source='5" wide')),
        r"byte 56\d: a quote within",
    ),
    "text after a quote": (posts_text(line(source='"5" wide')), r"row 4 \(line 6"),
    "latin-1": (
        posts_text(line(tag_string="caf\xe9")).encode("latin-1"),
        r"byte \d+ \(row 4\)",
    ),
    "utf-16": (posts_text().encode("utf-16"), r"posts\.csv"),
    "a web page": ("<!DOCTYPE html>\n<html><body>503</body></html>\n", r"no column id"),
    "nothing": ("", r"no column id"),
    "an empty line": ("\n", r"no column id"),
    "a header alone": (posts_text().partition("\n")[0] + "\n", r"no post to keep among 0"),
    "nothing but deleted posts": (
        posts_text().partition("\n")[0] + "\n" + line(is_deleted="t") + "\n",
        r"no post .* among 1",
    ),
    "a missing column": (posts_text().replace(",rating,", ",ratings,"), r"no column rating: "),
    "two missing columns": (
        posts_text().replace("md5,source,rating", "a,b,c"),
        r"no column md5, rating: is this",
    ),
}
PACKED = {
    "gzip that breaks off early": (truncated(LONG, 0.01), r"csv\.gz: .*: download it again"),
    "gzip that breaks off half-way": (
        truncated(LONG, 0.5),
        r"(breaks off|damaged) at byte \d+",
    ),
    "gzip that lacks its last bytes": (
        truncated(LONG, 1)[:-3],
        r"(breaks off|damaged) at byte \d+",
    ),
    "gzip with a byte changed": (flipped(LONG), r"row \d+|(breaks off|damaged) at byte \d+"),
    "no gzip at all": (b"id,md5\n1,2\n", r"csv\.gz: .*: download it again"),
    "no byte at all": (b"", r"posts\.csv\.gz"),
}


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    where = tmp_path_factory.mktemp("old")
    return take(small(where / "export"), where / "index")[1]


def refused(export, store, match):
    """The import says one line that matches and the index stays as it was, byte for byte."""
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in store.root.iterdir()}
    before.pop(".lock")
    with pytest.raises(E6GraphError, match=match) as caught:
        import_export(export, store, progress=False)
    said = str(caught.value)
    assert "\n" not in said and len(said) < 400, said
    after = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in store.root.iterdir()}
    after.pop(".lock")
    assert after == before
    return said


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_broken_posts_say_where_and_the_old_index_stays(old, tmp_path, kind, packed):
    text, match = BROKEN[kind]
    export = small(tmp_path / "export")
    (export / "posts.csv.gz").unlink()
    name = "posts.csv.gz" if packed else "posts.csv"
    write_text(export, name, text)
    said = refused(export, old, match)
    assert said.startswith(str(export / name)), said


@pytest.mark.parametrize("kind", PACKED)
def test_damaged_gzip_says_so_and_the_old_index_stays(old, tmp_path, kind):
    data, match = PACKED[kind]
    export = small(tmp_path / "export")
    (export / "posts.csv.gz").write_bytes(data)
    said = refused(export, old, match)
    assert said.startswith(str(export / "posts.csv.gz")), said


@pytest.mark.parametrize("share", [0.1, 0.37, 0.5, 0.73, 0.9, 0.99, 0.9999])
def test_a_file_broken_off_is_never_taken_for_a_shorter_one(tmp_path, share):
    write_text(tmp_path, "whole.csv.gz", LONG)
    (tmp_path / "part.csv.gz").write_bytes(truncated(LONG, share))
    types = {"id": importdb.pa.int64(), "rating": importdb.pa.string()}
    assert sum(map(len, read_batches(tmp_path / "whole.csv.gz", types))) == 3999
    with pytest.raises(BadInput, match="download it again"):
        list(read_batches(tmp_path / "part.csv.gz", types))


OTHERS = {
    "tags": (
        {"id": 1, "name": "fox", "category": "300"},
        r"row 2 \(line 2\): category is '300'",
    ),
    "tag_aliases": ({"id": 1, "antecedent_name": 'a"', "consequent_name": "b"}, None),
    "pools": ({"id": "x", "name": "fox", "post_ids": "{1}"}, r"row 2 \(line 2\): id is 'x'"),
}


def test_broken_other_tables_say_where_and_the_old_index_stays(old, tmp_path):
    for i, (table, (row, match)) in enumerate(OTHERS.items()):
        export = small(tmp_path / str(i))
        write_table(export, table, [row])
        if match:
            said = refused(export, old, match)
            assert said.startswith(str(export / f"{table}.csv.gz"))
    for table in ("tags", "tag_aliases", "tag_implications", "pools", "posts"):
        export = small(tmp_path / table)
        write_text(export, f"{table}.csv.gz", "<html>busy</html>")
        assert str(export / f"{table}.csv.gz") in refused(export, old, "no column")
        write_text(export, f"{table}.csv.gz", "")
        assert str(export / f"{table}.csv.gz") in refused(export, old, "no column")
    category = write_table(export, "tags", [{"id": 1, "name": "fox", "category": -1}])
    with pytest.raises(BadInput, match=r"row 2 \(line 2\): category is '-1', expected uint8"):
        list(read_batches(category, {"category": importdb.pa.uint8()}))


def test_a_missing_table_is_named(old, tmp_path):
    for table in ("posts", "tags", "tag_aliases", "tag_implications"):
        export = small(tmp_path / table)
        (export / f"{table}.csv.gz").unlink()
        refused(export, old, rf"no {table}\.csv or {table}\.csv\.gz")


def test_the_command_line_of_the_module(tmp_path, capsys):
    export = small(tmp_path / "export")
    importdb.main([str(export), str(tmp_path / "a")])
    assert "posts of another file type, left out" in capsys.readouterr().out
    importdb.main([str(export), "--index", str(tmp_path / "b"), "--all-files"])
    assert len(rows(Store(tmp_path / "a"))) == 5 and len(rows(Store(tmp_path / "b"))) == 7


# -- Tate ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tate_store(tate, tmp_path_factory):
    return take(tate, tmp_path_factory.mktemp("tate") / "index", file_types=IMAGE_TYPES)


def test_the_counts_of_tate(tate_store):
    counts, store = tate_store
    assert counts["tags kept"] == 10_230
    assert counts["names and aliases with an id"] == 13_918
    assert counts["antecedents with an id"] == 8_139
    assert counts["antecedents without an id"] == 8_450
    assert counts["posts kept"] == 67_853
    assert len(gz_json(store, "tag2idx.json.gz")) == 13_918
    assert len(gz_json(store, "implications.json.gz")) == 8_139
    assert len(gz_json(store, "implications_rej.json.gz")) == 8_450
    table = pq.read_table(store.root / "posts.parquet")
    assert len(table) == 67_853
    ids = table["id"].to_numpy()
    assert ids[0] == 3 and np.all(np.diff(ids) > 0)
    first = table.slice(0, 1).to_pylist()[0]
    assert len(first["stripped_tags"]) == 12
    assert first["implied_tags"] == [5, 7, 8, 12, 14, 16, 20, 30, 35]


def test_tate_by_another_reading(tate, tate_store):
    """Tags of a post, their counts and ranks, by plain Python from the CSV."""
    _, store = tate_store
    csv.field_size_limit(sys.maxsize)

    def table(name):
        with gzip.open(tate / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)

    alias = {
        r["antecedent_name"]: r["consequent_name"]
        for r in table("tag_aliases")
        if r["status"] == "active"
    }
    kinds = {"s": "rating_safe", "q": "rating_questionable", "e": "rating_explicit"}
    posts, used = {}, {}
    for row in table("posts"):
        if row["is_deleted"] == "f" and row["file_ext"] in IMAGE_TYPES:
            tags = {alias.get(t, t) for t in row["tag_string"].split()} | {kinds[row["rating"]]}
            posts[int(row["id"])] = tags
            for tag in tags:
                used[tag] = used.get(tag, 0) + 1
    ranked = sorted((t for t, n in used.items() if n > 1), key=lambda t: (-used[t], t))
    names = gzip.decompress((store.root / "tags.txt.gz").read_bytes()).decode().split("\n")
    assert names == ranked
    assert pq.read_table(store.root / "tags.parquet")["freq"].to_pylist() == [
        used[t] for t in names
    ]
    category = {r["name"]: int(r["category"]) for r in table("tags")}
    packed = gzip.decompress((store.root / "tags_categories.bin.gz").read_bytes())
    assert list(packed) == [category.get(t, 0) for t in names]
    assert len(rows(store)) > 1000
    for row in rows(store):
        own = {names[i] for i in row["stripped_tags"] + row["implied_tags"]}
        assert own | set(row["other_tags"]) == posts[row["id"]]
        assert not set(row["stripped_tags"]) & set(row["implied_tags"])
        assert len(posts[row["id"]]) == row["tag_count"] + 1


def test_a_post_of_too_many_tags_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("e6graph.hydrate.posts.MOST_TAGS", 3)
    posts = [post(7, "a b c c"), post(8, "a b")]
    take(write_export(tmp_path / "few", posts), tmp_path / "index")
    export = write_export(tmp_path / "many", [*posts, post(9, "d c b a"), post(10, "a")])
    with pytest.raises(BadInput, match="post 9 has 4 tags, expected 3 or fewer"):
        take(export, tmp_path / "other")


def test_only_threads_of_python_read_a_file(tmp_path, monkeypatch):
    """One of Arrow's that asks for the interpreter while it shuts down ends the process."""
    monkeypatch.setattr(csvtables, "CSV_BLOCK", 1 << 12)
    path, readers = tmp_path / "a.csv", set()

    class Watched(io.BytesIO):
        def read(self, *size):
            readers.add(threading.current_thread())
            return super().read(*size)

        def readinto(self, buffer):
            readers.add(threading.current_thread())
            return super().readinto(buffer)

    monkeypatch.setattr(csvtables, "_open_arrow", lambda path: Watched(path.read_bytes()))
    columns = {"id": pa.int64()}
    path.write_text("id\n" + "".join(f"{i}\n" for i in range(9999)))
    started = set(threading.enumerate())
    assert sum(map(len, read_batches(path, columns))) == 9999
    assert readers and readers <= started and set(threading.enumerate()) == started
    batches = read_batches(path, columns)
    next(batches)
    batches.close()
    assert set(threading.enumerate()) == started


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blocks_end_with_rows_wherever_they_are_cut(tmp_path, monkeypatch, end):
    names = [
        "a",
        "",
        'b"c',
        f"d{end}e",
        '"',
        f"{end}",
        "f,g",
        f'"{end}"',
        "",
        "\ufeffh",
        "i" * 20,
    ]
    path, columns, text = (
        tmp_path / "a.csv",
        {"id": pa.int64(), "name": pa.string()},
        io.StringIO(),
    )
    rows = zip(["name", *names], ["id", *range(11)], strict=True)
    csv.writer(text, lineterminator=end).writerows(rows)
    for mark in ("", "\ufeff"):
        path.write_bytes((mark + text.getvalue()).encode())
        for block in range(40, 200):
            monkeypatch.setattr(csvtables, "CSV_BLOCK", block)
            read = pa.Table.from_batches(read_batches(path, columns))
            assert read["id"].to_pylist() == list(range(11))
            assert read["name"].to_pylist() == names


@pytest.mark.parametrize(
    "text, found",
    [
        (f"1,{'a' * 60}\n2,b\n", [1, 2]),  # 63 bytes with the line end, and the one before
        (f"1,b\n2,{'a' * 60}\n3,c\n4,{'a' * 60}", [1, 2, 3, 4]),
        (f"1,{'a' * 61}\n2,b\n3,c\n", "byte 7: a row of 0 MB or more"),
        (f"1,{'a' * 100}\n2,b\n3,c\n", r"row 2 \(line 2\): longer than"),
        (f"1,b\n2,{'a' * 99}\n3,c\n", r"row 3 \(line 3\): longer than"),
        ('1,"abc', r"row 2 \(line 2\): .*: look for an unbalanced quote"),
        ('1,"abc\n2,b\n', r"row 2 \(line 2\): .*: look for an unbalanced quote"),
        ("1,b\n" * 40 + '7,d"\n8,e\n', "byte 170: a quote within a field"),  # that of the d
    ],
)
def test_a_row_must_end_and_fit_a_block(tmp_path, monkeypatch, text, found):
    monkeypatch.setattr(csvtables, "CSV_BLOCK", 64)
    path = tmp_path / "a.csv"
    path.write_text("id,name\n" + text)
    batches = read_batches(path, {"id": pa.int64(), "name": pa.string()})
    if isinstance(found, str):
        with pytest.raises(BadInput, match=found):
            list(batches)
    else:
        assert pa.Table.from_batches(batches)["id"].to_pylist() == found


@pytest.mark.parametrize(
    "text, found",
    [
        ("\ufeffid,name\n" + "1,b\n" * 1000 + "x,a\n", r"row 1002 \(line 1002\): id is 'x'"),
        ("id,name", "breaks off in its header"),
        ("id,na", "no column name"),
        ('id,name,"x\ny"\n1,a,2\n', "first line ends within quotes"),
    ],
)
def test_what_is_wrong_with_a_header_or_below_a_mark(tmp_path, monkeypatch, text, found):
    monkeypatch.setattr(csvtables, "CSV_BLOCK", 1 << 10)
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=found):
        list(read_batches(path, {"id": pa.int64(), "name": pa.string()}))


def test_all_aliases_are_kept_for_filters(imported):
    """Those of tags without an id too, and those that wait; `tag2idx` is E6DB's."""
    _, store = imported
    kept = {row["antecedent"]: row["name"] for row in rows(store, "aliases.parquet")}
    assert kept == {
        "vixen": "fox",
        "female_fox": "fox",
        "todd": "fox",
        "hoot": "owl",
        "gone": "never_used",
        "canid": "canine",
    }
