"""The rule that no option turns off, and every way round it that we could think of."""

import contextlib
import gzip
import io
import json
import re
import shutil
import sys
from itertools import cycle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import test_web
from annoy import AnnoyIndex
from boards import post, write_export
from conftest import build
from PIL import Image

from e6graph import PostGraph
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.errors import BadArtifact, BadInput, E6GraphError, UnknownPost
from e6graph.hydrate.importdb import import_export
from e6graph.hydrate.previews import PreviewCounts, preview_path
from e6graph.pictures.features import N_FEATURES
from e6graph.recommend.blacklist import Blacklist
from e6graph.recommend.personal import Profile
from e6graph.recommend.weights import pool_rows
from e6graph.store import Store
from e6graph.tags.never import NEVER_TAGS, never_shown, read_rule

ALIASES = [
    ("youngster", "young"),
    ("kid", "youngster"),  # a chain
    ("shota", "shota_(character)"),  # the name itself is an alias: the rule follows it
    ("pending_kid", "young", "pending"),
    ("old_kid", "young", "deleted"),
    ("tree", "cub", "deleted"),  # such a one must not hide half of the board
    ("fox", "young", "retired"),
    ("queued_kid", "young", "queued"),  # the site has approved these two
    ("coming_kid", "young", "processing"),
    ("LOLI", "grown_up"),  # a tag in upper case is an alias, so that the import renames it
    ("cub", "round"),  # a cycle
    ("round", "about"),
    ("about", "cub"),
    ("twofold", "young"),  # two aliases of one name; the last would win
    ("twofold", "tree"),
    ("small_one", "young\u3000"),  # the target in disguise
    ("yo\u200bung\u3000fox", "tree"),  # a disguise that an alias would take away
    ("pup", "puppy"),
]
IMPLICATIONS = [
    ("toddler", "kid"),  # through an alias
    ("baby", "toddler"),  # and transitively
    ("fox_kit", "Cub"),  # upper case on the far side
    ("pending_child", "young", "pending"),
    ("tree", "loli", "deleted"),
    ("queued_child", "young", "queued"),
    ("calf", "\ufeffSHOTA"),  # the far side in disguise
    ("ewe\u2060_lamb", "kid"),  # and the near side
    ("pup", "young"),  # of a name that is an alias: `puppy` implies it, too
]
SMALL_CAPITALS = str.maketrans("abcdehiklnostuy", "ᴀʙᴄᴅᴇʜɪᴋʟɴᴏꜱᴛᴜʏ")


def from_row(first, word):
    """Spell a word with the letters that Unicode has in a row from `first` on."""
    return "".join(chr(ord(letter) - ord("a") + first) for letter in word)


DISGUISES = {
    "upper case": str.upper,
    "no-break space after": "{}\xa0".format,
    "ideographic space before": "\u3000{}".format,
    "line separator after": "{}\u2028".format,
    "next line before": "\x85{}".format,
    "byte order mark before": "\ufeff{}".format,
    "soft hyphen after": "{}\xad".format,
    "zero-width space within": lambda word: word[:2] + "\u200b" + word[2:],
    "zero-width joiner within": lambda word: word[:2] + "\u200d" + word[2:],
    "no-break space within": lambda word: word[:1] + "\xa0" + word[1:],
    "right-to-left mark within": lambda word: word[:1] + "\u200f" + word[1:],
    "control character within": lambda word: word[:1] + "\x01" + word[1:],
    "variation selector within": lambda word: word[:1] + "\ufe0f" + word[1:],
    "grapheme joiner within": lambda word: word[:1] + "\u034f" + word[1:],
    "Hangul filler after": "{}\u3164".format,
    "blank Braille before": "\u2800{}".format,
    "blank note within": lambda word: word[:2] + "\U0001d159" + word[2:],
    "tag character after": "{}\U000e0041".format,
    "fullwidth letters": lambda word: "".join(chr(ord(letter) + 0xFEE0) for letter in word),
    "bold letters": lambda word: "".join(chr(ord(letter) - 97 + 0x1D41A) for letter in word),
    "circled letters": lambda word: "".join(chr(ord(letter) - 97 + 0x24D0) for letter in word),
    "long s": lambda word: word.replace("s", "ſ"),
    "dotted I": lambda word: word.upper().replace("I", "İ"),
    "dotless i": lambda word: word.replace("i", "ı"),
    "a word beside it": "tree\xa0{}".format,
    "a word behind it": "{}\u2003tree".format,
    "several at once": lambda word: "\ufeff" + "\u200b".join(word.upper()) + "\u2060",
    "white in black circles": lambda word: from_row(0x1F150, word),
    "white in black squares": lambda word: from_row(0x1F170, word),
    "in parentheses": lambda word: from_row(0x249C, word),
    "of flags": lambda word: from_row(0x1F1E6, word),
    "small capitals": lambda word: word.translate(SMALL_CAPITALS),
}
HIDDEN_WORDS = ("young", "loli", "shota", "cub", "kid", "baby")
"""Words under the rule; the last two are an alias and an implication."""
FORBIDDEN = {
    "young": "young",
    "loli": "fox loli tree",
    "shota": "shota",
    "cub": "tree cub",
    "alias": "youngster fox",
    "chain of aliases": "kid",
    "what the name is an alias of": "shota_(character) tree",
    "implication": "toddler fox",
    "implication of an implication": "baby",
    "implication of upper case": "fox_kit tree",
    "upper case": "YOUNG fox",
    "mixed case of an alias": "Kid tree",
    "mixed case of an implication": "fox Baby",
    "128 times": " ".join(["young"] * 128),
    "256 times": " ".join(["cub"] * 256 + ["fox"]),
    "tab and line end": "fox\tyoung\ntree",
    "a queued alias": "queued_kid fox",
    "an alias in processing": "coming_kid fox",
    "a queued implication": "queued_child",
    "upper case that is an alias": "fox LOLI",
    "a cycle": "fox round",
    "a longer cycle": "about",
    "two aliases": "twofold fox",
    "two aliases in upper case": "TWOFOLD fox",
    "an alias of a disguise": "small_one",
    "an alias that would take the disguise away": "yo\u200bung\u3000fox river",
    "an implication of a disguise": "calf",
    "an implication by a disguise": "ewe_lamb tree",
    "an alias that implies": "pup",
    "what an alias that implies becomes": "puppy fox",
    **{
        f"{how}: {word}": f"fox {disguise(word)} tree"
        for word, (how, disguise) in zip(cycle(HIDDEN_WORDS), DISGUISES.items())
    },
    "long s: shota": f"fox {DISGUISES['long s']('shota')} tree",
    "dotted I: loli": f"fox {DISGUISES['dotted I']('loli')} tree",
    "dotless i: kid": f"fox {DISGUISES['dotless i']('kid')} tree",
}
DISGUISED = {text.split(" ")[1] for how, text in FORBIDDEN.items() if ": " in how}
INNOCENT = {
    "a part of a name": "young_tree cubism lolipop",
    "a part of a name in disguise": "cu\u200bbism you\xa0ngling\u2028x CUBISM",
    "only what cannot be seen": "\u200b\u2060 fox",
    "an alias that is not active": "pending_kid old_kid",
    "an implication that is not active": "pending_child fox",
    "nothing of the sort": "fox tree",
}
CROWD = [post(i, "fox tree grass" if i % 2 else "river tree stone") for i in range(1, 31)]


def case_posts(rating, repeat):
    """A post of each case, `repeat` times: names used once have no id, others do."""
    texts = [text for text in [*FORBIDDEN.values(), *INNOCENT.values()] for _ in range(repeat)]
    return [post(100 + i, text, rating=rating) for i, text in enumerate(texts)]


def case_ids(repeat):
    """(forbidden, innocent) ids of `case_posts`."""
    cut = 100 + len(FORBIDDEN) * repeat
    return set(range(100, cut)), set(range(cut, cut + len(INNOCENT) * repeat))


def board(directory, posts):
    return write_export(directory, posts, aliases=ALIASES, implications=IMPLICATIONS)


def ids_in(store, name="posts.parquet"):
    return set(pq.read_table(store.root / name)["id"].to_pylist())


@pytest.mark.parametrize("repeat", [1, 2])
@pytest.mark.parametrize("rating", ["q", "e"])
def test_the_import_leaves_them_out(tmp_path, rating, repeat):
    export = board(tmp_path / "export", CROWD + case_posts(rating, repeat))
    store = Store(tmp_path / "index")
    counts = import_export(export, store, progress=False)
    forbidden, innocent = case_ids(repeat)
    assert ids_in(store) == {row["id"] for row in CROWD} | innocent
    assert counts["posts under the never-shown rule, left out"] == len(forbidden)
    assert counts["posts kept"] == len(CROWD) + len(innocent)


@pytest.mark.parametrize("repeat", [1, 2])
def test_the_same_posts_rated_safe_stay(tmp_path, repeat):
    store = Store(tmp_path / "index")
    import_export(
        board(tmp_path / "export", CROWD + case_posts("s", repeat)), store, progress=False
    )
    forbidden, innocent = case_ids(repeat)
    assert ids_in(store) >= forbidden | innocent
    assert not never_shown(store).any()


def test_the_ids_under_the_rule(tmp_path):
    store = Store(tmp_path / "index")
    import_export(board(tmp_path / "export", CROWD + case_posts("s", 2)), store, progress=False)
    names = gzip.decompress((store.root / "tags.txt.gz").read_bytes()).decode().split("\n")
    assert {names[i] for i in read_rule(store)[0]} == {
        "young",
        "loli",
        "shota_(character)",
        "cub",
        "toddler",
        "baby",
        "fox_kit",
        "YOUNG",
        "Kid",
        "Baby",
        "queued_kid",  # not active yet, so that they keep their names
        "coming_kid",
        "queued_child",
        "grown_up",
        "round",
        "about",
        "TWOFOLD",
        "young\u3000",
        "yo\u200bung\u3000fox",
        "calf",
        "ewe_lamb",
        "puppy",
        *DISGUISED,
    }
    assert set(NEVER_TAGS) == {"young", "loli", "shota", "cub"}


def test_the_last_row_of_a_post_decides(tmp_path):
    posts = [
        *CROWD,
        post(200, "young fox"),
        post(200, "young fox", rating="e"),
        post(201, "young fox", rating="q"),
        post(201, "fox", rating="q"),
    ]
    store = Store(tmp_path / "index")
    import_export(board(tmp_path / "export", posts), store, progress=False)
    assert ids_in(store) - {row["id"] for row in CROWD} == {201}


# -- another importer's posts.parquet ------------------------------------------------------------
def rewrite(index, name, table, sidecar):
    """Put a table in the place of an artifact: without a sidecar, or with one that fits."""
    path = index / name

    def save(path):
        if name.endswith(".parquet"):
            pq.write_table(table, path)
        else:
            with (
                pa.OSFile(str(path), "wb") as sink,
                pa.ipc.new_file(sink, table.schema) as file,
            ):
                file.write_table(table)

    if sidecar == "rewritten":
        about = Store(index).sidecar(name)
        with Store(index).stage(
            about["made_by"], about["parameters"], about["inputs"]
        ) as stage:
            for other in set(about["together"]) - {name}:
                shutil.copy(index / other, stage.path(other))
            save(stage.path(name))
    else:
        save(path)
        path.with_name(name + ".json").unlink()


def put(table, **columns):
    """The table with some columns replaced by Python lists."""
    for name, values in columns.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
    return table


def indexed_ids(index):
    """Post ids in each artifact of construct_index.py."""
    store = Store(index)
    rows = store.map_table("posts.arrow")["id"].to_pylist()
    about = store.sidecar("posts.skip*.ann")["parameters"]
    annoy = AnnoyIndex(about["dim"], "angular")
    annoy.load(str(store.path("posts.skip*.ann")))
    zero = np.zeros(about["dim"], np.float32)
    items = [
        i for i in range(annoy.get_n_items()) if not np.allclose(annoy.get_item_vector(i), zero)
    ]
    found = {"posts.arrow": set(rows), "annoy": {i + about["offset"] for i in items}}
    if store.find("neighbors.npy"):
        table = np.load(store.path("neighbors.npy"))
        found["neighbors.npy"] = {rows[i] for i in np.unique(table[table >= 0]).tolist()}
    postings = store.map_table("tags_posts.arrow")["rows"].combine_chunks().flatten()
    found["tags_posts.arrow"] = {rows[i] for i in postings.unique().to_pylist()}
    return found


def finish(index, dim=4):
    """The stages after the import."""
    import construct_index
    import embed_tags
    import solve_attenuator

    where = ["--index", str(index)]
    embed_tags.main([*where, "--dim", str(dim)])
    solve_attenuator.main(where)
    construct_index.main([*where, "--trees", "2", "--graph", "4"])


@pytest.mark.parametrize("sidecar", ["absent", "rewritten"])
@pytest.mark.parametrize("repeat", [1, 2])
def test_the_index_leaves_them_out_whatever_posts_it_is_given(
    tmp_path, capsys, sidecar, repeat
):
    export, index = tmp_path / "export", tmp_path / "index"
    posts = CROWD + case_posts("s", repeat)
    import_export(board(export, posts), Store(index), progress=False)
    table = pq.read_table(index / "posts.parquet")
    ratings = ["e" if i >= 100 else "s" for i in table["id"].to_pylist()]
    rewrite(index, "posts.parquet", put(table, rating=ratings), sidecar)
    finish(index)
    forbidden, innocent = case_ids(repeat)
    for name, found in indexed_ids(index).items():
        assert found and not found & forbidden, name
    assert f"{len(forbidden):>14}  under the never-shown rule" in capsys.readouterr().out
    graph = PostGraph.open(index, "sqe", None)
    assert not answers(graph) & forbidden
    if repeat == 2:  # else their names have no id, so they no vector
        assert innocent and all(graph.visible(i) for i in innocent)


def test_unusual_columns_of_another_importer(tmp_path):
    """No rating is not a safe rating; wide integers, and no `other_tags`, are fine."""
    index = tmp_path / "index"
    import_export(
        board(tmp_path / "e", CROWD + case_posts("s", 2)), Store(index), progress=False
    )
    table = pq.read_table(index / "posts.parquet").drop_columns(["other_tags"])
    wide = [pa.array(table[name].to_pylist(), pa.list_(pa.int64())) for name in LISTS]
    for name, column in zip(LISTS, wide, strict=True):
        table = table.set_column(table.column_names.index(name), name, column)
    ratings = ["s" if i < 100 else None if i % 2 else "E" for i in table["id"].to_pylist()]
    rewrite(index, "posts.parquet", put(table, rating=ratings), "absent")
    finish(index)
    with_id = {i for i in case_ids(2)[0] if i < 100 + 2 * len(FORBIDDEN)}
    for name, found in indexed_ids(index).items():
        assert found and not found & with_id, name
    graph = PostGraph.open(index, "sqe", None)
    assert graph.describe(2).tags and not any(graph.visible(i) for i in with_id)


LISTS = ("stripped_tags", "implied_tags")


def test_posts_that_are_no_posts_of_these_tags_are_refused(tmp_path):
    index = tmp_path / "index"
    import_export(board(tmp_path / "e", CROWD), Store(index), progress=False)
    good = pq.read_table(index / "posts.parquet")
    tags = good["stripped_tags"].to_pylist()
    for changes in (
        {"stripped_tags": [[*tags[0], 10**6], *tags[1:]]},
        {"stripped_tags": [[-2, *tags[0]], *tags[1:]]},
        {"id": [5, 4, 3, 2, 1, *range(6, 31)]},
        {"id": [1, 1, *range(3, 31)]},
    ):
        shutil.copytree(index, tmp_path / "copy")
        rewrite(tmp_path / "copy", "posts.parquet", put(good, **changes), "absent")
        with pytest.raises(BadArtifact, match=r"posts\.parquet.*: run hydrate_data\.py again"):
            finish(tmp_path / "copy")
        shutil.rmtree(tmp_path / "copy")


# -- smuggled past the index ---------------------------------------------------------------------
def answers(graph):
    """Every post id that any public call gives, asked in every way."""
    ids = graph.posts.ids.tolist()
    shown = [i for i in ids if graph.visible(i)]
    for i in set(ids) - set(shown):
        for ask in (
            graph.describe,
            graph.neighbors,
            lambda i: graph.walk([i]),
            lambda i: graph.recommend(posts=[i]),
        ):
            with pytest.raises(UnknownPost):
                ask(i)
    found = set(shown)
    for i in shown:
        assert graph.describe(i).post_id == i
    some = shown[:: max(1, len(shown) // 6)]
    dim = graph.dictionary.vecs.shape[1]
    queries = [*some, *np.eye(dim, dtype=np.float32), *graph.dictionary.vecs[:4]]
    for query in queries:
        found |= set(graph.neighbors(query, len(ids))[0].tolist())
    for over in ("tags", "pools", "neighbors"):
        for start in some:
            found |= set(graph.walk([start], over, steps=2000, restart=0.3)[0].tolist())
    hidden = set(ids) - set(shown)
    named = [name for name in graph.catalog.column]
    for asked in [
        {"posts": some},
        {"posts": some, "avoid": list(hidden)},
        {"posts": some[:1], "exclude": list(hidden)},
        *({"tags": [name]} for name in named),
    ]:
        made = graph.recommend(**asked, n=len(ids))
        found |= {r.post_id for r in made}
        found |= {reason for r in made for reason in r.because if isinstance(reason, int)}
    for kept in (Profile(), Profile(liked=some), Profile(liked=list(hidden), enjoys=named[:3])):
        for explore in (False, True):
            made = graph.personal(kept, n=len(ids), explore=explore)
            found |= {r.post_id for r in made}
            found |= {reason for r in made for reason in r.because if isinstance(reason, int)}
    return found


@pytest.fixture(scope="module")
def forged(built_index, tmp_path_factory):
    """An index whose posts.arrow holds posts that no import lets through; (index, their ids)."""
    index = tmp_path_factory.mktemp("forged") / "index"
    shutil.copytree(built_index, index)
    store = Store(index)
    table = store.map_table("posts.arrow")
    rows = table.to_pylist()
    young = store_id(store, "young")
    by_rating = [row for row in rows if young in row["tags"]][:2]
    by_tag = [row for row in rows if row["rating"] == "q"][:2]
    by_name = [row for row in rows if row["rating"] == "q"][2:6]
    for row in by_rating:  # tags_posts.arrow knows these hold it
        row["rating"] = "q"
    for row in by_tag:  # and of these it does not
        row["tags"] = sorted({*row["tags"], young})
    for row, name in zip(by_name, ("young", "LOLI", "Shota", "cub"), strict=True):
        row["other_tags"] = ["innocent", name]
    made = pa.Table.from_pylist(rows, table.schema)
    rewrite(index, "posts.arrow", made, "rewritten")
    return index, {row["id"] for row in [*by_rating, *by_tag, *by_name]}


def store_id(store, name):
    return json.loads(gzip.decompress((store.root / "tag2idx.json.gz").read_bytes()))[name]


@pytest.mark.parametrize("blacklist", [None, "", "default"])
@pytest.mark.parametrize("ratings", ["sqe", "q", "se"])
def test_smuggled_posts_are_no_answer(forged, ratings, blacklist):
    index, smuggled = forged
    graph = PostGraph.open(index, ratings, blacklist)
    assert smuggled <= set(graph.posts.ids.tolist()) and len(smuggled) == 8
    everywhere = np.ones(len(graph.posts), bool)
    again = PostGraph(graph.catalog, ratings, Blacklist(()), everywhere)  # round `open`
    for i in smuggled:
        assert not graph.visible(i) and not again.visible(i)
        with pytest.raises(UnknownPost):
            graph.describe(i)
    if ratings == "sqe" and blacklist is None:
        found = answers(graph)
        assert not found & smuggled and len(found) == graph.allowed.sum()


def test_no_talk_shows_a_smuggled_post_whatever_is_kept(forged, tmp_path):
    index, smuggled = forged
    graph = PostGraph.open(index, "sqe", None)
    with Profiles(tmp_path / "profiles.sqlite") as kept:
        for post_id in smuggled:  # of a time before the rule, say
            kept.like("ann", post_id)
        sessions = Sessions(graph, kept, clock=iter(range(0, 10**9, 100)).__next__)
        asked = [
            f"/{verb} {i}" for i in smuggled for verb in ("like", "dislike", "more", "why")
        ]
        asked += [
            "/rating q",
            "/rating sqe",
            "/walk",
            *["/skip"] * 40,
            *["/surprise"] * 40,
            "/more",
        ]
        replies = [reply for message in asked for reply in sessions.reply("ann", message)]
        shown = {reply.post.post_id for reply in replies if reply.post}
        assert len(shown) > 60 and not shown & smuggled
        assert not set(sessions.taste("ann").liked) & smuggled
        assert not any(sessions.visible(i) for i in smuggled)
        written = [word for reply in replies for word in reply.why.replace(";", " ").split()]
        assert not {f"#{i}" for i in smuggled} & set(written)


def test_a_smuggled_picture_query_gives_nothing_else(forged, monkeypatch):
    index, smuggled = forged
    graph = PostGraph.open(index, "sqe", None)

    class Seer:
        encoder = None

        def tags(self, image, n=8):
            return [("young", 0.9), (graph.posts.names[3], 0.5)][:n]

        def embed(self, image):
            return graph.dictionary.vecs[0]

    monkeypatch.setitem(graph.catalog.__dict__, "recognizer", Seer())
    made = graph.recommend(images=[np.zeros(N_FEATURES, np.float32)], n=1000)
    assert len(made) == graph.allowed.sum() and not {r.post_id for r in made} & smuggled


def test_an_index_that_knows_posts_the_table_does_not(built_index, tmp_path):
    """Such ids are nowhere in the answers, and do not stand for their neighbors in the table."""
    index = tmp_path / "index"
    shutil.copytree(built_index, index)
    table = Store(index).map_table("posts.arrow")
    gone = set(table["id"].to_pylist()[-3:]) | set(table["id"].to_pylist()[5:60:7])
    rows = [row for row in table.to_pylist() if row["id"] not in gone]
    rewrite(index, "posts.arrow", pa.Table.from_pylist(rows, table.schema), "absent")
    try:
        graph = PostGraph.open(index, "sqe", None)
    except E6GraphError as error:  # refusing to open is as good
        assert "construct_index.py" in str(error)
        return
    vectors = np.eye(graph.dictionary.vecs.shape[1], dtype=np.float32)
    for vector in vectors:
        near = set(graph.neighbors(vector, 400)[0].tolist())
        assert near and not near & gone
    for i in gone:
        assert not graph.visible(i)


def test_a_blacklist_that_cannot_be_read_does_not_become_no_blacklist(built_index, tmp_path):
    for missing in (tmp_path / "list.txt", tmp_path / "list", tmp_path):
        with pytest.raises(BadInput, match=r"blacklist .* (does not exist|is a directory): "):
            PostGraph.open(built_index, "sqe", missing)
    for name in ("my_list.txt", "my list.txt", str(tmp_path / "list.txt")):
        with pytest.raises(BadInput, match=r"blacklist .* is a str, which holds filters"):
            PostGraph.open(built_index, "sqe", name)
    everything = PostGraph.open(built_index, "sqe", None)
    for text in (
        "fox " * 100,
        "fox\n" * 1000,
        "owl",
        "nobody_has_this/or_that",
    ):  # texts, not names
        hidden = ~PostGraph.open(built_index, "sqe", text).allowed
        tagged = everything.posts.rows_tagged(text.split()[0])
        assert np.flatnonzero(hidden).tolist() == tagged.tolist()


def test_upper_case_names_are_found_and_so_are_aliases(tmp_path):
    build(tmp_path / "i", board(tmp_path / "e", CROWD + case_posts("s", 2)), dim=4)
    graph = PostGraph.open(tmp_path / "i", blacklist=None)
    assert graph.resolve_tags(["YOUNG", "Kid", "FOX", "Youngster", "Nope"]) == (
        ["YOUNG", "Kid", "fox", "young"],
        ["Nope"],
    )
    post = graph.describe(np.int64(2))
    assert type(post.post_id) is int and post.tags == {"general": ["tree", "river", "stone"]}


# -- random boards -------------------------------------------------------------------------------
WORDS = [
    "fox",
    "owl",
    "tree",
    "river",
    "stone",
    "moss",
    "lamp",
    "rain",
    "snow",
    "cloud",
    "bell",
]
PLAIN = {disguise(word): word for word in HIDDEN_WORDS for disguise in DISGUISES.values()} | {
    "young\u3000": "young",
    "yo\u200bung\u3000fox": "young",
    "\ufeffSHOTA": "shota",
    "ewe\u2060_lamb": "ewe_lamb",
}
"""Disguised names and what they are."""
BECOMES = {"shota_(character)", "grown_up", "round", "about", "puppy"}
"""Names that aliases make of names under the rule."""
SUSPECT = ["young", "cub", "Loli", "kid", "toddler", "baby", "shota", "YOUNGSTER", "fox_kit"]
SUSPECT += ["LOLI", "round", "twofold", "small_one", "calf", "ewe_lamb", "pup", "queued_kid"]
SUSPECT += ["old_kid", "pending_child", "cubism", "you\xa0ngling", *PLAIN]


def oracle(tags):
    """Whether the rule speaks of these tags, worked out one name at a time."""
    found = {PLAIN.get(tag, tag).lower() for tag in tags}
    edges = [
        (PLAIN.get(a, a).lower(), PLAIN.get(b, b).lower())
        for a, b, *status in ALIASES + IMPLICATIONS
        if status in ([], ["queued"], ["processing"])
    ]
    while True:
        more = {b.lower() for a, b in edges if a in found} - found
        if not more:
            return bool(found & (NEVER_TAGS | BECOMES))
        found |= more


def random_posts(rng):
    posts = []
    for post_id in np.cumsum(rng.integers(1, 4, rng.integers(30, 60))).tolist():
        tags = rng.choice(WORDS, rng.integers(2, 6), replace=False).tolist()
        tags += rng.choice(SUSPECT, rng.choice([0, 0, 1, 2]), replace=False).tolist()
        if rng.random() < 0.2:
            tags.append(f"only_here_{post_id}")
        # Some posts have the picture of an earlier one.
        same = {"md5": rng.choice(posts)["md5"]} if posts and rng.random() < 0.1 else {}
        posts.append(
            post(post_id, " ".join(rng.permutation(tags)), rating=rng.choice([*"ssqe"]), **same)
        )
    return posts


def under_rule(rows):
    """Ids of the posts that the rule forbids, of {"id", "rating", "md5", "held"}."""
    pictures = {row["md5"] for row in rows if row["held"] and row["rating"] != "s"}
    return {row["id"] for row in rows if row["md5"] in pictures}


def random_index(tmp_path, seed):
    """A board drawn by lot, imported: (index, MD5s by post id, ids under the rule)."""
    rng = np.random.default_rng(seed)
    posts = random_posts(rng)
    md5s = {row["id"]: row["md5"] for row in posts}
    members = rng.choice(list(md5s), (4, 5)).tolist()
    pools = [(i, f"pool_{i}", pool) for i, pool in enumerate(members, 1)]
    edges = {"aliases": ALIASES, "implications": IMPLICATIONS}
    export = write_export(tmp_path / "e", posts, **edges, pools=pools)
    index = tmp_path / "index"
    import_export(export, Store(index), progress=False)
    held = {row["id"]: oracle(row["tag_string"].split(" ")) for row in posts}
    forbidden = under_rule([row | {"held": held[row["id"]]} for row in posts])
    assert ids_in(Store(index)) == set(md5s) - forbidden
    pooled = pq.read_table(index / "pools.parquet")["post_ids"].combine_chunks().flatten()
    assert not set(pooled.to_pylist()) & forbidden
    if seed % 2:  # from another importer, with ratings of its own
        table = pq.read_table(index / "posts.parquet")
        ratings = rng.choice([*"sqe"], len(table)).tolist()
        table = put(table, rating=ratings)
        rewrite(index, "posts.parquet", table, ["absent", "rewritten"][seed % 4 // 2])
        rows = table.select(["id", "rating", "md5"]).to_pylist()
        forbidden |= under_rule([row | {"held": held[row["id"]]} for row in rows])
    return index, md5s, forbidden


@pytest.mark.parametrize("seed", range(20))
def test_random_boards_never_let_one_through(tmp_path, seed):
    index, _, forbidden = random_index(tmp_path, seed)
    finish(index)
    for name, found in indexed_ids(index).items():
        assert found and not found & forbidden, name
    for ratings in ("sqe", "s"):
        graph = PostGraph.open(index, ratings, None)
        assert not answers(graph) & forbidden
        assert not any(graph.visible(i) for i in forbidden)


OPENED: list[set[str]] = []  # who wants to know which files are opened
sys.addaudithook(
    lambda event, args: (
        [names.add(str(args[0])) for names in OPENED] if event == "open" and OPENED else None
    )
)
TALK = "/walk\n/like\n/surprise\n/dislike\n/more\n/why\n/taste\n/export\n"


def numbers(text):
    """Post ids that a text names."""
    return set(
        map(int, re.findall(r"(?:#|/posts?/|preview/)(\d+)", text.replace("/drop #12", "")))
    )


@pytest.mark.parametrize("seed", range(41, 47, 2))
def test_no_way_out_of_a_random_board_lets_one_through(
    tmp_path, seed, monkeypatch, capsys, caplog
):
    """Files opened, pictures fetched and learned from, talks, the page, logs, tables of tags."""
    import bot
    import query_tags
    import solve_recognizer

    rng = np.random.default_rng(seed)
    index, md5s, forbidden = random_index(tmp_path, seed)
    ratings = str(rng.choice(["sqe", "qe", "sq"]))
    blacklist = str(rng.choice(["none", tmp_path / "list"]))
    (tmp_path / "list").write_text("bell\n")
    assert len(forbidden) > 3
    finish(index)
    secret, asked = {md5s[i] for i in forbidden}, []
    here = tmp_path / "previews"

    def fetch(md5s, root, *args, **options):
        asked.extend(md5s)
        draw(root, md5s)
        return PreviewCounts(fetched=len(asked))

    def draw(root, md5s):
        for number, md5 in enumerate(md5s):
            path = preview_path(root, md5)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (24, 24), (number * 37 % 256, number * 91 % 256, 90)).save(path)

    monkeypatch.setattr(solve_recognizer, "fetch_previews", fetch)
    monkeypatch.chdir(tmp_path)
    OPENED.append(opened := set())
    try:
        with contextlib.suppress(
            BadInput
        ):  # too few pictures of a tag, where nearly all is hidden
            solve_recognizer.main(
                [
                    "--index",
                    str(index),
                    "--ratings",
                    "sqe",
                    "--previews",
                    str(tmp_path / "fetched"),
                    "--static-url",
                    "http://127.0.0.1:9",
                    "--user-agent",
                    "a test",
                    "--no-judge",
                ]
            )
        assert asked and not secret & set(asked)
        OPENED.clear()
        draw(here, md5s.values())  # as if of a time before the rule
        OPENED.append(opened)
        with contextlib.suppress(BadInput):
            solve_recognizer.main(
                [
                    "--index",
                    str(index),
                    "--ratings",
                    "sqe",
                    "--previews",
                    str(here),
                    "--no-fetch",
                    "--no-judge",
                ]
            )
        talk = f"/enjoy tree fox\n{TALK}{TALK}{TALK}"
        monkeypatch.setattr(sys, "stdin", io.StringIO(talk))
        bot.main(
            [
                "--index",
                str(index),
                "--ratings",
                ratings,
                "--blacklist",
                blacklist,
                "--previews",
                str(here),
                "--sheet",
                str(tmp_path / "sheet.png"),
            ]
        )
        query_tags.main(["--index", str(index), "tree", "-f", "0", "-n", "9"])
    finally:
        OPENED.clear()
    said = capsys.readouterr()
    printed = "\n".join(t for t in said.out.splitlines() if not t.startswith(">")) + said.err
    assert len(numbers(printed)) > 3 and (tmp_path / "sheet.png").is_file()
    assert not numbers(printed) & forbidden
    pictures = {Path(name).stem for name in opened if name.endswith(".jpg")}
    assert len(pictures) > 3 and not pictures & secret
    for path in tmp_path.glob("*export*.json"):
        assert not {row["post_id"] for row in json.loads(path.read_text())["posts"]} & forbidden

    graph = PostGraph.open(index, ratings, None if blacklist == "none" else "bell")
    assert not answers(graph) & forbidden
    rows = np.concatenate([*pool_rows(graph.posts), np.zeros(0, np.int64)])
    assert not set(graph.posts.ids[rows.astype(np.int64)].tolist()) & forbidden
    with (
        Profiles(tmp_path / "web.sqlite") as profiles,
        test_web.serving(Sessions(graph, profiles, here)) as site,
    ):
        client = requests.Session()
        texts = [
            test_web.say(site, text, client).text for text in ["tree", *TALK.split("\n")[:6]]
        ]
        texts.append(client.get(f"{site}/api/taste").text)
        named = numbers("".join(texts))
        assert named and not named & forbidden
        assert not any(md5 in text for md5 in secret for text in texts)
        for post_id in md5s:
            got = client.get(f"{site}/preview/{post_id}").status_code
            assert got == (200 if graph.visible(post_id) else 404)
    assert not any(md5 in caplog.text for md5 in secret)


def test_telegram_sends_no_smuggled_post(forged, tmp_path, monkeypatch):
    pytest.importorskip("telegram")
    import fake_telegram
    import test_telegram

    index, smuggled = forged
    test_telegram.hurry(monkeypatch)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    graph = PostGraph.open(index, "sqe", None)
    with (
        fake_telegram.serving() as server,
        Profiles(tmp_path / "profiles.sqlite") as profiles,
        test_telegram.running(server, Sessions(graph, profiles)),
    ):
        asked = ["/enjoy fox", "/walk", *(f"/more {i}" for i in smuggled), *["/surprise"] * 6]
        for number, text in enumerate(asked, 1):
            server.say(7, text)
            server.wait(number)
        sent = server.sent()
        shown = {int(n) for call in sent for n in re.findall(r"^#(\d+)", call.text, re.M)}
        pressed = {
            int(n) for call in sent for key in call.buttons for n in re.findall(r"\d+", key)
        }
        assert len(shown) > 4 and not (shown | pressed) & smuggled
