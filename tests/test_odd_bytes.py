"""Bytes that an honest export does not have: MD5s, numbers, gzip and names of files."""

import gzip
import json
import os
import re
from types import SimpleNamespace

import pyarrow as pa
import pytest
from boards import COLUMNS, post, write_export, write_table
from conftest import build
from http_server import Answer, serving

from e6graph import PostGraph, cli
from e6graph.chat import fetch_previews as fetching
from e6graph.chat.conversation import Conversation
from e6graph.chat.fetch_previews import Fetcher
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.errors import BadArtifact, BadInput, BadTable
from e6graph.hydrate import exports as exports_module
from e6graph.hydrate.client import Client, Pace
from e6graph.hydrate.csvtables import find_table, read_batches
from e6graph.hydrate.exports import EXPORT_NAMES
from e6graph.hydrate.importdb import import_export
from e6graph.hydrate.packed import BLOCK, gzip_damage
from e6graph.hydrate.previews import cached_preview
from e6graph.pictures.examples import Candidates
from e6graph.store import Store, parquet

MD5 = "0123456789abcdef" * 2
WITHOUT = "posts without a usable md5, kept without a picture"
JUNK = [
    "",
    "junk",
    MD5[:-1],
    MD5 + "0",
    "g" * 32,
    f" {MD5} ",
    f"{MD5}\n",
    "../" + "a" * 29,
    "\u0661" * 32,
    "\u212a" + "a" * 31,
    "null",
    "0x" + "a" * 30,
]


# -- md5 -----------------------------------------------------------------------------------------
def junk_board(directory, junk=JUNK, more=30):
    """A board with one post for each md5 and some ordinary ones; every one holds fox."""
    rows = [post(n, f"fox night tag{n % 4}", md5=md5) for n, md5 in enumerate(junk, 1)]
    first = len(rows) + 1
    rows += [post(n, f"fox night tag{n % 4}") for n in range(first, first + more)]
    return write_export(directory, rows), len(rows)


@pytest.fixture(scope="module")
def junk_index(tmp_path_factory):
    board, _ = junk_board(tmp_path_factory.mktemp("junk"))
    build(board / "index", board, dim=4)
    return board / "index"


def test_a_post_without_an_md5_is_kept_and_counted(tmp_path):
    board, n = junk_board(tmp_path / "export", [*JUNK, MD5.upper(), MD5.title()])
    counts = import_export(board, Store(tmp_path / "index"), progress=False)
    assert counts["posts kept"] == n and counts[WITHOUT] == len(JUNK)
    posts = parquet.read_table(Store(tmp_path / "index"), "posts.parquet", "id", "md5")
    md5s = posts["md5"].to_pylist()
    assert md5s[: len(JUNK)] == [""] * len(JUNK)
    assert md5s[len(JUNK) : len(JUNK) + 2] == [MD5, MD5]
    assert len(md5s) == n
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in md5s[len(JUNK) :])


def test_ordinary_boards_count_none(tmp_path):
    board, _ = junk_board(tmp_path / "export", [])
    assert WITHOUT not in import_export(board, Store(tmp_path / "index"), progress=False)


@pytest.mark.parametrize("md5", [*JUNK, None, 7, b"a" * 32])
def test_one_md5_and_many_are_judged_alike(md5):
    assert parquet.usable_md5(md5) == ""
    assert cached_preview("previews", md5) is None
    if md5 is None or isinstance(md5, str):
        assert parquet.usable_md5s(pa.array([md5], pa.string())).to_pylist() == [""]
    assert parquet.usable_md5(MD5.upper()) == MD5
    coded = pa.array([MD5.upper(), md5 if isinstance(md5, str) else None]).dictionary_encode()
    assert parquet.usable_md5s(coded).to_pylist() == [MD5, ""]


def tour(conversation, message="/walk", n=100):
    """Ids that a tour shows, and what it says at the end."""
    shown = []
    for _ in range(n):
        (*_, reply) = conversation.reply(message)
        if reply.post is None:
            return shown, reply.text
        shown.append(reply.post.post_id)
        message = "/skip"
    raise AssertionError("the tour has no end")


def test_a_tour_shows_every_post_and_a_picture_of_those_that_have_one(junk_index, tmp_path):
    graph = PostGraph.open(junk_index, "s", None)
    n = len(JUNK) + 30
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        talk = Conversation(graph, profiles, "ann", tmp_path / "previews")
        talk.reply("/enjoy fox")
        shown, said = tour(talk)
        assert sorted(shown) == list(range(1, n + 1)) and said.startswith("Nothing new")
    pictures = [cached_preview("p", graph.describe(post_id).md5) for post_id in shown]
    assert sum(picture is None for picture in pictures) == len(JUNK)


def test_a_post_without_an_md5_is_shown_and_never_asked_for(junk_index, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    graph = PostGraph.open(junk_index, "s", None)
    with serving() as site, Profiles(tmp_path / "profiles.sqlite") as profiles:
        monkeypatch.setattr(fetching, "QUEUE_LENGTH", 100)
        fetcher = Fetcher(tmp_path, site.url, "tester", delay=0.0)
        assert not any(fetcher.want(graph.describe(n)) for n in range(1, len(JUNK) + 1))
        sessions = Sessions(graph, profiles, tmp_path, fetch=fetcher.want)
        for n in (1, 2):
            assert sessions.thumbnail(graph.describe(n)) is None
        fetcher.close()
        assert site.asked == []


@pytest.mark.parametrize("row", [{"score": ""}, {"fav_count": ""}, {"file_ext": ""}])
def test_other_fields_may_be_empty_too(tmp_path, row):
    rows = [post(n, f"fox night tag{n % 4}") for n in range(1, 25)]
    rows[3] |= row
    write_export(tmp_path, rows)
    build(tmp_path / "index", tmp_path, dim=4)
    graph = PostGraph.open(tmp_path / "index", "s", None)
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        talk = Conversation(graph, profiles, "ann", tmp_path)
        talk.reply("/enjoy fox")
        assert len(tour(talk)[0]) == 24


def test_the_recognizer_leaves_them_out(junk_index, tmp_path):
    import solve_recognizer

    candidates = Candidates.of(Store(junk_index))
    assert len(candidates) == 30 and "" not in candidates.md5s.tolist()
    with pytest.raises(BadInput, match="no preview of any of the 30 posts"):
        options = ["--index", str(junk_index), "--previews", str(tmp_path), "--no-fetch"]
        solve_recognizer.main(options)


class Stubborn:
    """A graph of which some posts cannot be described, whatever the reason."""

    def __init__(self, graph, broken, error):
        self._graph, self._broken, self._error = graph, broken, error

    def __getattr__(self, name):
        return getattr(self._graph, name)

    def describe(self, post_id):
        if post_id in self._broken:
            raise self._error
        return self._graph.describe(post_id)


@pytest.mark.parametrize(
    "error", [BadInput("md5: got 'x'"), ValueError("x"), TypeError("x"), KeyError(3)]
)
@pytest.mark.parametrize("broken", [range(5, 6), range(1, 30), range(1, 43)])
def test_a_tour_steps_over_what_cannot_be_shown(junk_index, tmp_path, error, broken, caplog):
    graph = PostGraph.open(junk_index, "s", None)
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        talk = Conversation(Stubborn(graph, broken, error), profiles, "ann", tmp_path)
        for start in ("/surprise", "/walk"):
            if start == "/walk":
                talk.reply("/enjoy fox")
            shown, said = tour(talk, start)
            assert said.startswith(("Nothing new", "I do not know"))
            assert not set(shown) & set(broken)
            if start == "/walk":
                seen = profiles.load("ann").seen
                assert sorted(seen) == sorted(set(range(1, 43)) - set(broken))
    assert any("cannot be shown" in record.getMessage() for record in caplog.records)


def test_five_are_shown_although_one_cannot_be(junk_index, tmp_path):
    graph = PostGraph.open(junk_index, "s", None)
    broken = {int(found.post_id) for found in graph.recommend(tags=["fox"], n=42)[:3]}
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        talk = Conversation(Stubborn(graph, broken, ValueError()), profiles, "ann", tmp_path)
        talk.reply("/enjoy fox")
        for message in ("/more", "/more 40"):
            replies = talk.reply(message)
            assert len([reply for reply in replies if reply.post]) == 5


def test_an_index_that_is_broken_whole_is_the_operator_s_to_mend(junk_index, tmp_path):
    graph = PostGraph.open(junk_index, "s", None)
    error = BadArtifact("posts.arrow was replaced")
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        talk = Conversation(Stubborn(graph, range(43), error), profiles, "ann", tmp_path)
        talk.reply("/enjoy fox")
        with pytest.raises(BadArtifact):
            talk.reply("/walk")


# -- numbers -------------------------------------------------------------------------------------
NO_NUMBERS = ["0x10", "0X10", " 3 ", "3 ", " 3", "\t3", "3\u00a0", "\u0663", "3_0", "+3", "3.0"]
NO_NUMBERS += ["1e3", "-0x5", "0b11", "3,0", "--3", "3-", "\uff13", "- 3", " ", "9" * 30]


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("column", ["id", "score", "file_size", "parent_id"])
def test_no_number_is_named_with_its_row(tmp_path, text, column):
    rows = [post(n, "fox night") for n in range(1, 9)]
    rows[5] |= {column: text}
    write_export(tmp_path / "export", rows)
    with pytest.raises(BadTable, match=rf"row 7 .*{column} is .*expected") as caught:
        import_export(tmp_path / "export", Store(tmp_path / "index"), progress=False)
    assert caught.value.path == tmp_path / "export" / "posts.csv.gz"
    assert "\n" not in str(caught.value) and not (tmp_path / "index" / "posts.parquet").exists()


@pytest.mark.parametrize(("table", "column"), [("tags", "category"), ("pools", "id")])
@pytest.mark.parametrize("text", ["0x3", " 3 "])
def test_nor_in_other_tables(tmp_path, table, column, text):
    write_export(tmp_path, [post(1, "fox night"), post(2, "fox night")])
    write_table(tmp_path, table, [{"id": 1, "name": "fox", "post_ids": "{1}", column: text}])
    with pytest.raises(BadTable, match=f"row 2 .*{column} is '{text}'"):
        import_export(tmp_path, Store(tmp_path / "index"), progress=False)


def test_numbers_are_read_as_they_are(tmp_path):
    header = "id,score,name,flag\n"
    rows = '1,-5,a,t\n007,,"",f\n"12","3","null",\n9223372036854775807,-2147483648,,t\n'
    (tmp_path / "x.csv").write_text(header + rows)
    types = {"id": pa.int64(), "score": pa.int32(), "name": pa.string(), "flag": pa.bool_()}
    (batch,) = read_batches(tmp_path / "x.csv", types)
    assert batch.to_pydict() == {
        "id": [1, 7, 12, 2**63 - 1],
        "score": [-5, None, 3, -(2**31)],
        "name": ["a", "", "null", ""],
        "flag": [True, False, None, True],
    }
    assert [str(kind) for kind in batch.schema.types] == ["int64", "int32", "string", "bool"]


# -- gzip ----------------------------------------------------------------------------------------
TEXT = b"id,name\n" + b"".join(b"%d,tag%d\n" % (n, n * n) for n in range(20_000))
WHOLE = gzip.compress(TEXT, mtime=0)
MORE = gzip.compress(TEXT.partition(b"\n")[2], mtime=0)
TYPES = {"id": pa.int64(), "name": pa.string()}
WRONG = {
    "empty": (b"", "empty"),
    "one zero": (WHOLE + b"\0", "after its end come 1 zeros"),
    "zeros": (WHOLE + bytes(1000), "after its end come 1,000 zeros"),
    "many zeros": (WHOLE + bytes(3 * BLOCK), f"after its end come {3 * BLOCK:,} zeros"),
    "zeros between": (WHOLE + bytes(10) + MORE, "after its end come"),
    "one byte": (WHOLE + b"x", "after its end come 1 bytes that are not gzip"),
    "text": (WHOLE + b"<html>", "after its end come 6 bytes that are not gzip"),
    "half a start": (WHOLE + b"\x1f", "after its end come 1 bytes that are not gzip"),
    "a second that breaks off": (WHOLE + MORE[:-5], "breaks off"),
    "a second that is damaged": (WHOLE + MORE[:-4] + bytes(4), "incorrect length check"),
    "broken off": (WHOLE[: len(WHOLE) // 2], "breaks off"),
    "its last byte": (WHOLE[:-1], "breaks off"),
    "its start": (WHOLE[:5], "breaks off"),
    "no gzip": (TEXT, "incorrect header check"),
    "a wrong checksum": (WHOLE[:-8] + bytes(4) + WHOLE[-4:], "incorrect data check"),
    "a wrong length": (WHOLE[:-4] + bytes(4), "incorrect length check"),
}
RIGHT = {
    "whole": WHOLE,
    "two": gzip.compress(TEXT[:5000]) + gzip.compress(TEXT[5000:]),
    "an empty one at the end": WHOLE + gzip.compress(b""),
    "a hundred": b"".join(gzip.compress(TEXT[k : k + 4000]) for k in range(0, len(TEXT), 4000)),
    "much of the same": gzip.compress(TEXT + b"5,a\n" * (4 << 20)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_damaged_gzip_says_what_is_wrong(tmp_path, kind):
    data, said = WRONG[kind]
    path = tmp_path / "tags.csv.gz"
    path.write_bytes(data)
    assert said in gzip_damage(path)
    with pytest.raises(BadTable) as caught:
        list(read_batches(path, TYPES))
    assert "download it again" in str(caught.value) and "\n" not in str(caught.value)
    if "after its end" in said or said == "empty":
        assert said in str(caught.value)


@pytest.mark.parametrize("kind", RIGHT)
def test_sound_gzip_is_sound(tmp_path, kind):
    path = tmp_path / "tags.csv.gz"
    path.write_bytes(RIGHT[kind])
    assert gzip_damage(path) == ""
    rows = sum(map(len, read_batches(path, TYPES)))
    assert rows == gzip.decompress(RIGHT[kind]).count(b"\n") - 1


@pytest.mark.parametrize("cut", [*range(1, 30), 100, BLOCK, len(WHOLE) - 1])
def test_a_member_that_begins_anywhere_in_a_block(tmp_path, cut):
    first = gzip.compress(os.urandom(cut))
    (tmp_path / "x.gz").write_bytes(first + WHOLE)
    assert gzip_damage(tmp_path / "x.gz") == ""
    (tmp_path / "x.gz").write_bytes(first + b"\0" + WHOLE)
    assert "after its end come" in gzip_damage(tmp_path / "x.gz")


# -- names of files ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    [
        "posts (1).csv.gz",
        "posts(1).csv.gz",
        "posts (23).csv",
        "posts.csv (1).gz",
        "posts.csv(2).gz",
        "posts-2026-07-01 (1).csv.gz",
        "posts-2026-07-01.csv (1).gz",
    ],
)
def test_what_a_browser_names_a_second_download_is_taken(tmp_path, name):
    write_export(tmp_path, [post(1, "fox night"), post(2, "fox night")])
    data = (tmp_path / "posts.csv.gz").read_bytes()
    (tmp_path / "posts.csv.gz").unlink()
    packed = name.endswith(".gz")
    (tmp_path / name).write_bytes(data if packed else gzip.decompress(data))
    assert find_table(tmp_path, "posts").name == name
    counts = import_export(tmp_path, Store(tmp_path / "index"), progress=False)
    assert counts["posts kept"] == 2


def test_of_two_downloads_the_later_counts(tmp_path):
    for when, name in enumerate(["posts.csv.gz", "posts (1).csv.gz", "posts (2).csv.gz"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
        assert find_table(tmp_path, "posts").name == name
    os.utime(tmp_path / "posts.csv.gz", (9, 9))
    assert find_table(tmp_path, "posts").name == "posts.csv.gz"


@pytest.mark.parametrize(
    "name",
    [
        "posts - Copy.csv.gz",
        "posts_(1).csv.gz",
        "Posts.csv.gz",
        "posts.CSV.GZ",
        "posts.csv.gz.part",
        "posts.csv.gz.crdownload",
        "posts-20260701.csv.gz",
        "posts.csv.gz (1)",
        "posts.csv.zip",
        "posts (one).csv",
        "posts (\u0661).csv",
    ],
)
def test_what_looks_like_it_is_named(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "posts_of_mine.txt").touch()
    with pytest.raises(BadInput) as caught:
        find_table(tmp_path, "posts")
    said = str(caught.value)
    assert name in said and "posts.csv.gz" in said and "rename" in said
    with pytest.raises(BadInput, match="give the directory of an export"):
        find_table(tmp_path, "tags")


# -- a bad file of the dated listing -------------------------------------------------------------
@pytest.fixture
def dated(tmp_path, monkeypatch):
    """A site with a page of links, its tables, and the script's call against it."""
    import hydrate_data

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    board, _ = junk_board(tmp_path / "board", [])
    patient = exports_module.make_user_agent("tester")
    quick = lambda agent: Client(patient, pace=Pace(0), backoff=0.001, retries=0)  # noqa: E731
    monkeypatch.setattr(exports_module, "Client", quick)
    with serving() as site:
        names = {table: f"{table}-2026-01-31.csv.gz" for table in EXPORT_NAMES}
        page = "".join(f'<a href="{name}">{name}</a>' for name in names.values())
        site.put("/db_export/", Answer(page.encode()))
        for table, name in names.items():
            data = (board / f"{table}.csv.gz").read_bytes()
            site.put(f"/db_export/{name}", Answer(data))
        command = ["--source", site.url, "--exports", str(tmp_path / "down")]
        command += ["--index", str(tmp_path / "index"), "--user-agent", "tester"]
        paths = {table: f"/db_export/{name}" for table, name in names.items()}
        yield SimpleNamespace(
            site=site,
            paths=paths,
            down=tmp_path / "down",
            index=tmp_path / "index",
            run=lambda: hydrate_data.main(command),
        )


BAD = {
    "a web page": b"<html>busy</html>",
    "empty text": b"",
    "a bad row": (",".join(COLUMNS["posts"].split()) + "\nx,y\n").encode(),
    "not UTF-8": b"id,name\xff\n",
    "no number": (",".join(COLUMNS["posts"].split()) + "\n0x10" + "," * 28 + "\n").encode(),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("table", ["posts", "tag_aliases", "pools"])
def test_a_bad_file_is_downloaded_again_and_no_other(dated, bad, table):
    good = dated.site.answers[dated.paths[table]]
    wrong = Answer(gzip.compress(BAD[bad]))
    dated.site.answers[dated.paths[table]] = [wrong]
    for n in (1, 2):
        with pytest.raises(BadInput, match="the next run downloads this file again") as caught:
            dated.run()
        assert str(dated.down / f"{table}-2026-01-31.csv.gz") in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(dated.site.requests(dated.paths[table])) == n
    dated.site.answers[dated.paths[table]] = good
    dated.run()
    assert len(dated.site.requests(dated.paths[table])) == 3
    others = [path for name, path in dated.paths.items() if name != table]
    assert [len(dated.site.requests(path)) for path in others] == [1] * 4
    dated.run()
    assert len(dated.site.requests(dated.paths[table])) == 3
    assert (dated.index / "posts.parquet").is_file()


def test_what_was_downloaded_is_what_is_imported(dated):
    """Another export that lies there must not be taken for it."""
    dated.down.mkdir()
    for table in EXPORT_NAMES:
        (dated.down / f"{table}.csv.gz").write_bytes(b"junk")
    dated.run()
    assert (dated.index / "posts.parquet").is_file()


def test_a_file_that_fits_the_list_s_checksum_is_kept(dated):
    import hashlib

    bad = gzip.compress(b"<html>")
    entries = []
    for table in EXPORT_NAMES:
        data = bad if table == "tags" else dated.site.answers[dated.paths[table]][0].body
        dated.site.put(dated.paths[table], Answer(data))
        digest = hashlib.sha256(data).hexdigest()
        entries.append({"name": table, "url": dated.paths[table], "checksum": digest})
    dated.site.put("/db_exports.json", Answer(json.dumps(entries).encode()))
    for _ in range(2):
        with pytest.raises(BadTable, match="no column name") as caught:
            dated.run()
        assert "next run" not in str(caught.value)
    assert len(dated.site.requests(dated.paths["tags"])) == 1


def test_a_damaged_record_is_no_trouble(dated):
    dated.run()
    for text in ("[" * 200_000, "{}", "[]", '{"tags-2026-01-31.csv.gz": 3}', "\0"):
        (dated.down / "exports.json").write_text(text)
        dated.run()


def test_zeros_after_a_download_are_noticed_at_once(dated):
    path = dated.paths["posts"]
    whole = dated.site.answers[path][0].body
    dated.site.put(path, Answer(whole + bytes(512)))
    with pytest.raises(Exception, match=r"damaged gzip .*512 zeros"):
        dated.run()
    assert not list(dated.down.glob("posts*"))


def test_the_script_says_it_in_one_line(dated, capsys):
    dated.site.put(dated.paths["tags"], Answer(gzip.compress(b"")))
    assert cli.run(dated.run) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "tags-2026-01-31.csv.gz" in err and "empty" in err
