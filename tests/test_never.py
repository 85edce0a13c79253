"""The parts of the never-shown rule: names, an index without sidecars, tables, pictures."""

import gzip
import json
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boards import post, write_export
from hypothesis import given, settings
from hypothesis import strategies as st
from test_safety import DISGUISES, finish, ids_in, rewrite

from e6graph import PostGraph
from e6graph.errors import BadInput
from e6graph.hydrate.importdb import import_export
from e6graph.pictures.examples import Candidates
from e6graph.recommend.blacklist import Blacklist
from e6graph.store import Store
from e6graph.tags import never
from e6graph.tags.never import NEVER_TAGS, forbidden, is_under, never_names, never_shown
from e6graph.tags.never import read_rule as read

# -- names -----------------------------------------------------------------------------------------
UNSEEN = [
    chr(code)
    for code in range(0x110000)
    if unicodedata.category(chr(code)) in ("Cf", "Zs", "Zl", "Zp", "Cc") and chr(code) > "\x7f"
]
LETTERS = {
    letter: [letter, letter.upper(), chr(ord(letter) + 0xFEE0), chr(ord(letter) + 0x1D3B9)]
    for letter in "abcdefghijklmnopqrstuvwxyz"
} | {"s": ["s", "S", "ſ"]}
NAMES = ["young", "loli", "shota", "cub", *(f"n{i}" for i in range(7))]
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=8)


@st.composite
def spelled(draw, name):
    """A name in other letters, with something unseen between them."""
    letters = [draw(st.sampled_from(LETTERS.get(letter, [letter]))) for letter in name]
    for _ in range(draw(st.integers(0, 3))):
        letters.insert(draw(st.integers(0, len(letters))), draw(st.sampled_from(UNSEEN)))
    return "".join(letters)


def leads(name, aliases, implications):
    """Whether a name leads to a tag under the rule, one step at a time."""
    ends = set(NEVER_TAGS)
    for _ in aliases:
        ends |= {b for a, b in aliases if a in ends}
    found = {name}
    for _ in range(len(NAMES)):
        found |= {b for a, b in [*aliases, *implications] if a in found}
        # What an alias makes of the first name of an implication implies the same.
        for a, b in implications:
            made = {a}
            for _ in aliases:
                made |= {d for c, d in aliases if c in made}
            if found & made:
                found.add(b)
    return bool(found & ends)


@settings(max_examples=300, deadline=None)
@given(st.data(), PAIRS, PAIRS)
def test_all_pairs_count_however_they_are_spelled(data, aliases, implications):
    """Cycles, chains, several aliases of one name, and every side of a pair in disguise."""
    as_written = [
        [tuple(data.draw(spelled(name)) for name in pair) for pair in pairs]
        for pairs in (aliases, implications)
    ]
    names = {never.fold(name) for name in never_names(*as_written)}
    for name in NAMES:
        expected = leads(name, aliases, implications)
        assert is_under(data.draw(spelled(name)), names) == expected, name


@pytest.mark.parametrize(
    ("aliases", "implications", "more"),
    [
        ([("fox", "canine")], [("canine", "mammal")], set()),
        ([("Kid", "YOUNG"), ("tot", "kid")], [], {"kid", "tot"}),
        ([("loli", "grown"), ("adult", "grown")], [], {"grown", "adult"}),
        ([("loli", "a"), ("a", "b")], [("c", "b")], {"a", "b", "c"}),
        ([("young", "a"), ("a", "young")], [("young", "animal")], {"a"}),
        ([("kid", "young"), ("kid", "goat")], [("lamb", "goat")], {"kid"}),
        ([], [("baby", "cub"), ("newborn", "baby")], {"baby", "newborn"}),
        ([("baby", "cub")], [("newborn", "baby")], {"baby", "newborn"}),
        # Posts hold what an alias makes of the first name of an implication.
        ([("a", "b"), ("b", "c")], [("a", "young")], {"a", "b", "c"}),
        # A name is as bad as a word of it, and what leads there, too.
        ([("tot", "fox\u3000Young")], [], {"tot", "fox\u3000young"}),
        ([("fox\u3000Kid", "fox"), ("kid", "shota")], [], {"fox\u3000kid", "kid"}),
        ([("fox\u3000kid", "fox")], [], set()),
    ],
)
def test_names_that_lead_to_the_rule(aliases, implications, more):
    found = never_names(aliases, implications)
    assert found == NEVER_TAGS | more
    assert found == never_names(reversed(aliases), reversed(implications))


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(NAMES[:4]))
def test_a_word_beside_it_hides_no_name(data, name):
    other = data.draw(st.sampled_from(["fox", "tree", ""]))
    gap = data.draw(st.sampled_from([c for c in UNSEEN if c.isspace()]))
    words = data.draw(st.permutations([other, data.draw(spelled(name).filter(no_gap))]))
    assert is_under(gap.join(words), NEVER_TAGS)


def test_what_has_no_width_may_part_words():
    """Or not: a reader cannot tell."""
    for between in "\u200b\u2060\ufeff\xad":
        assert is_under(f"tree{between}Young", NEVER_TAGS), ascii(between)
        assert is_under(f"tree\xa0yo{between}ung", NEVER_TAGS), ascii(between)
        assert not is_under(f"tr{between}ee", NEVER_TAGS), ascii(between)


def no_gap(name):
    return not any(character.isspace() for character in name)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="ascii", exclude_characters=" ")))
def test_a_plain_name_is_itself(name):
    if name.isprintable():
        assert is_under(name, NEVER_TAGS) == (name.lower() in NEVER_TAGS)


@pytest.mark.parametrize("how", DISGUISES)
def test_each_disguise_is_seen_through(how):
    for word in NEVER_TAGS:
        assert is_under(DISGUISES[how](word), NEVER_TAGS), word


@pytest.mark.parametrize("name", ["", "\u200b", "young_fox", "cubism", "you", "子", "šú", "ß"])
def test_other_names_are_none_of_these(name):
    assert not is_under(name, NEVER_TAGS)


def test_an_empty_name_stands_for_nothing():
    """Two spaces between tags make an empty word; no alias may hide such posts."""
    assert not is_under("", {never.fold(name) for name in never_names([("", "young")], [])})


def test_names_that_share_nothing_visible_are_told_apart():
    names = {never.fold(name) for name in never_names([("\u200b", "young")], [])}
    assert is_under("\u200b", names) and not is_under("\u2060", names)


# -- an index without sidecars ---------------------------------------------------------------------
def index_by_hand(root, names, aliases, implied, rejected):
    """The files that tell the rule, as E6DB writes them."""
    root.mkdir(parents=True, exist_ok=True)
    idx = {name: i for i, name in enumerate(names)} | aliases
    files = {
        "tags.txt.gz": "\n".join(names).encode(),
        "tags_categories.bin.gz": bytes(len(names)),
        "tag2idx.json.gz": json.dumps(idx).encode(),
        "implications.json.gz": json.dumps(implied).encode(),
        "implications_rej.json.gz": json.dumps(rejected).encode(),
    }
    for name, data in files.items():
        (root / name).write_bytes(gzip.compress(data))
    return Store(root)


@pytest.mark.parametrize(
    ("aliases", "implied", "rejected", "ids", "more"),
    [
        ({}, {}, {}, {1}, set()),
        ({"kid": 1}, {}, {}, {1}, {"kid"}),  # an alias of a reserved name
        ({"loli": 2}, {}, {}, {1, 2}, {"two"}),  # a reserved name that is an alias
        ({"LO\u200bLI": 2}, {}, {}, {1, 2}, {"two"}),
        ({}, {3: [1]}, {}, {1, 3}, {"three"}),
        ({"tot": 3}, {3: [0, 1]}, {}, {1, 3}, {"three", "tot"}),
        ({}, {4: [3], 3: [2], 2: [1]}, {}, {1, 2, 3, 4}, {"two", "three", "four"}),
        ({}, {2: [3], 3: [4], 4: [1]}, {}, {1, 2, 3, 4}, {"two", "three", "four"}),
        ({}, {2: [0]}, {"tot": [0, 1], "goat": [0]}, {1}, {"tot"}),
        ({}, {}, {"THREE": [1]}, {1, 3}, {"three"}),  # the same name, with and without an id
        ({}, {4: [3]}, {"Thr\u2060ee": [1]}, {1, 3, 4}, {"three", "four"}),
        ({"Tot": 1, "tot": 2}, {}, {}, {1, 2}, {"tot", "two"}),
    ],
)
def test_the_rule_of_an_index_without_sidecars(tmp_path, aliases, implied, rejected, ids, more):
    names = ["zero", "young", "two", "three", "four"]
    store = index_by_hand(tmp_path / "i", names, aliases, implied, rejected)
    found = read(store)
    assert found == (ids, NEVER_TAGS | more)


def as_e6db(index):
    """Leave of an index what E6DB has: no sidecars, its types and columns."""
    for path in index.glob("*.json"):
        path.unlink()
    table = pq.read_table(index / "posts.parquet")
    columns = {name: table[name] for name in ("id", "rating", "score", "fav_count")}
    columns |= {name: table[name] for name in ("file_ext", "file_size", "parent_id")}
    columns["id"] = columns["id"].cast(pa.uint32())
    columns["md5"] = pa.array(map(bytes.fromhex, table["md5"].to_pylist()), pa.binary())
    for name in ("implied_tags", "stripped_tags"):
        columns[name] = table[name].cast(pa.large_list(pa.uint32()))
    pq.write_table(pa.table(columns), index / "posts.parquet", row_group_size=9)


CROWD = [post(i, "fox tree grass" if i % 2 else "river tree stone") for i in range(1, 31)]
EDGES = {"aliases": [("kid", "young"), ("loli", "grown")], "implications": [("baby", "kid")]}


def imported(tmp_path, posts, **options):
    """Import a board; return its index."""
    export = write_export(tmp_path / "export", posts, **EDGES)
    import_export(export, Store(tmp_path / "index"), progress=False, **options)
    return tmp_path / "index"


def test_the_rule_holds_on_an_index_in_e6dbs_formats_alone(tmp_path):
    held = ["kid", "baby", "loli", "fox young", "grown", "tree", "river"]
    posts = [post(100 + i, f"{tags} stone") for i, tags in enumerate(held * 2)]
    posts[6]["md5"] = posts[0]["md5"]  # of another post with an innocent tag
    index = imported(tmp_path, CROWD + posts)
    as_e6db(index)
    table = pq.read_table(index / "posts.parquet")
    ratings = ["e" if i >= 100 and i != 106 else "s" for i in table["id"].to_pylist()]
    at = table.column_names.index("rating")
    table = table.set_column(at, "rating", pa.array(ratings))
    pq.write_table(table, index / "posts.parquet", row_group_size=9)  # the twins are in two
    under = {100 + i for i in range(14) if held[i % 7] not in ("tree", "river")} | {106}
    rows = table["id"].to_numpy()[never_shown(Store(index))]
    assert set(rows.tolist()) == under
    finish(index)
    assert not under & set(Store(index).map_table("posts.arrow")["id"].to_pylist())
    graph = PostGraph.open(index, "sqe", None)
    assert {i for i in range(100, 114) if graph.visible(i)} == {105, 112, 113}


# -- tables ----------------------------------------------------------------------------------------
ROWS = [
    {"rating": "q", "tags": [0, 2], "other_tags": ["fox"]},
    {"rating": "q", "tags": [0, 1], "other_tags": []},  # the id
    {"rating": "s", "tags": [1], "other_tags": ["young"]},
    {"rating": "e", "tags": [], "other_tags": ["x", "YO\u200bUNG"]},  # the name
    {"rating": None, "tags": [5, 4], "other_tags": ["\u3000kid"]},  # no rating is not safe
    {"rating": "e", "tags": None, "other_tags": None},
    {"rating": "S", "tags": [7, 3], "other_tags": ["fox"]},  # nor is an upper-case one
    {"rating": "e", "tags": [None, 900, 2], "other_tags": [None, "cubs"]},
    {"rating": "e", "tags": [900, 1], "other_tags": ["fox"]},
]
UNDER = np.array([0, 1, 0, 1, 1, 0, 1, 0, 1], bool)
IDS, WORDS = {1, 3}, {"young", "kid"}
KINDS = [
    (pa.list_(pa.int32()), pa.list_(pa.string())),
    (pa.large_list(pa.uint64()), pa.large_list(pa.large_string())),
    (pa.list_(pa.int16()), pa.list_(pa.dictionary(pa.int32(), pa.string()))),
]


@pytest.mark.parametrize("kinds", KINDS, ids=str)
@pytest.mark.parametrize("column", ["tags", "stripped_tags", "implied_tags"])
@pytest.mark.parametrize("at_once", [2, 100])
def test_every_slice_of_a_table_has_the_same_rows(column, kinds, at_once, monkeypatch):
    monkeypatch.setattr(never, "ROWS_AT_ONCE", at_once)
    columns = {
        "rating": pa.array([row["rating"] for row in ROWS]),
        column: pa.array([row["tags"] for row in ROWS], kinds[0]),
        "other_tags": pa.array([row["other_tags"] for row in ROWS], kinds[1]),
    }
    table = pa.table(columns)
    chunked = pa.concat_tables([table.slice(0, 4), table.slice(4)])
    for whole in (table, chunked):
        for start in range(len(table) + 1):
            for length in range(len(table) - start + 1):
                found = forbidden(whole.slice(start, length), IDS, WORDS)
                assert found.dtype == bool
                assert found.tolist() == UNDER[start : start + length].tolist()


def test_each_list_counts_by_itself():
    for column in ("tags", "stripped_tags", "implied_tags"):
        table = pa.table({"rating": ["q", "q"], column: [[1], [2]]})
        assert forbidden(table, {1}, set()).tolist() == [True, False]
        assert not forbidden(table, set(), {"young"}).any()
    table = pa.table({"rating": ["q", "q"], "other_tags": [["young"], ["fox"]]})
    assert forbidden(table, set(), {"young"}).tolist() == [True, False]
    assert not forbidden(pa.table({"rating": ["q"]}), {1}, {"young"}).any()


def test_a_table_longer_than_the_rows_at_once(monkeypatch):
    monkeypatch.setattr(never, "ROWS_AT_ONCE", 7)
    ratings = np.array(["s", "q", "e"])[np.arange(100) % 3]
    lists = [[i % 5, 9] for i in range(100)]
    table = pa.table({"rating": ratings, "tags": lists})
    expected = (ratings != "s") & (np.arange(100) % 5 == 2)
    assert forbidden(table, {2}, set()).tolist() == expected.tolist()


# -- pictures --------------------------------------------------------------------------------------
A, B, C = "a" * 32, "b1" * 16, "c" * 32
TWINS = [
    post(101, "young stone", rating="q", md5=A),
    post(102, "tree stone", md5=A),
    post(103, "tree stone", rating="e", md5=A),
    post(104, "tree stone", md5=A.upper()),
    post(105, "tree stone", md5=f" {A.upper()} "),  # no MD5, so it has no picture
    post(106, "baby stone", rating="e", md5=B.upper()),
    post(107, "tree stone", md5=B),
    post(108, "young stone", md5=C),  # safe, so that its picture is
    post(109, "tree stone", md5=C, rating="q"),
    post(110, "young stone", rating="q", md5=""),  # nothing is not a picture
    post(111, "tree stone", md5=""),
    post(112, "young stone", rating="q", md5="junk"),
    post(113, "tree stone", md5="junk"),
    post(114, "tree stone", md5=A[:-1]),
]
TWINS_LEFT = {105, 108, 109, 111, 113, 114}


def test_the_import_leaves_out_posts_with_a_picture_under_the_rule(tmp_path):
    for order in (1, -1):
        index = imported(tmp_path / str(order), [*CROWD, *TWINS][::order])
        assert {i for i in ids_in(Store(index)) if i > 100} == TWINS_LEFT
    counts = import_export(tmp_path / "1" / "export", Store(index), progress=False)
    assert counts["posts under the never-shown rule, left out"] == 8
    assert counts["posts that repeat an id, left out"] == 0
    assert counts["posts kept"] == 36
    assert counts["posts without a usable md5, kept without a picture"] == 4


@pytest.mark.parametrize("gone", [{"is_deleted": "t"}, {"file_ext": "swf"}])
def test_a_post_that_is_left_out_anyway_takes_its_picture_along(tmp_path, gone):
    posts = [
        post(101, "young stone", rating="q", md5=A, **gone),
        post(102, "tree stone", md5=A),
        post(103, "young stone", md5=B, **gone),  # safe
        post(104, "tree stone", md5=B),
        post(105, "tree stone", rating="e", md5=C, **gone),  # innocent
        post(106, "tree stone", md5=C),
    ]
    index = imported(tmp_path, CROWD + posts, file_types=("png",))
    assert {i for i in ids_in(Store(index)) if i > 100} == {104, 106}


@pytest.mark.parametrize("gone", [{}, {"is_deleted": "t"}])
def test_a_row_that_was_replaced_takes_no_picture_along(tmp_path, gone):
    first = post(101, "young stone", rating="q", md5=A, **gone)
    posts = [first, post(102, "tree stone", md5=A), post(101, "grass stone", md5=A)]
    index = imported(tmp_path, CROWD + posts)
    assert {101, 102} <= ids_in(Store(index))


def test_a_board_of_pictures_under_the_rule_is_refused(tmp_path):
    posts = [post(1, "young", rating="q", md5=A), post(2, "fox", md5=A)]
    with pytest.raises(BadInput, match="no post to keep among 2"):
        imported(tmp_path, posts)


@pytest.mark.parametrize("sidecar", ["absent", "rewritten"])
def test_no_preview_of_a_picture_under_the_rule_is_asked_for(tmp_path, sidecar):
    """Another importer's posts.parquet."""
    posts = [row | {"rating": "s", "md5": post(row["id"], "")["md5"]} for row in TWINS]
    index = imported(tmp_path, CROWD + posts)
    table = pq.read_table(index / "posts.parquet")
    ids = table["id"].to_pylist()
    for name in ("md5", "rating"):
        told = {row["id"]: row[name] for row in [*CROWD, *TWINS]}
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array([told[i] for i in ids]))
    rewrite(index, "posts.parquet", table, sidecar)
    left = {*range(1, 31), *TWINS_LEFT} - {105}  # spaces are dropped here
    assert {
        i for i, gone in zip(ids, never_shown(Store(index)), strict=True) if not gone
    } == left
    wanted = Candidates.of(Store(index), "sqe")
    assert not {md5.strip().lower() for md5 in wanted.md5s} & {A, B}
    finish(index)
    assert {i for i in Store(index).map_table("posts.arrow")["id"].to_pylist()} <= left


@pytest.mark.parametrize("ratings", ["s", "sqe"])
def test_a_smuggled_post_takes_its_picture_from_the_board(tmp_path, ratings):
    """posts.arrow from elsewhere: a safe board, too, leaves out the picture."""
    index = imported(tmp_path, CROWD)
    finish(index)
    rows = Store(index).map_table("posts.arrow").to_pylist()
    rows[3] |= {"rating": "e", "other_tags": ["ＹＯＵＮＧ"]}
    rows[9]["md5"] = rows[3]["md5"].upper()
    schema = Store(index).map_table("posts.arrow").schema
    rewrite(index, "posts.arrow", pa.Table.from_pylist(rows, schema), "rewritten")
    graph = PostGraph.open(index, ratings, None)
    assert {row["id"] for row in rows if not graph.visible(row["id"])} == {4, 10}
    again = PostGraph(graph.catalog, ratings, Blacklist(()), np.ones(len(rows), bool))
    assert not again.visible(10)
