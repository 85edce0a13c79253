"""Favorites fetched by name, from a server of our own that speaks the site's JSON."""

import base64
import io
import json
import os
import re
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from boards import post
from conftest import PATIENCE, index_of
from fake_graph import FakeGraph
from http_server import Answer, serving

import bot as script
from e6graph import PostGraph
from e6graph.chat import fetch_favorites as fetching
from e6graph.chat.conversation import Conversation
from e6graph.chat.fetch_favorites import FavoritesFetcher
from e6graph.chat.sessions import Sessions
from e6graph.chat.terminal import talk as terminal
from e6graph.errors import BadInput, DownloadError
from e6graph.hydrate import favorites as module
from e6graph.hydrate.client import Client, Pace
from e6graph.hydrate.favorites import fetch_favorites
from e6graph.recommend.personal import Profile

IDS = list(range(5000, 4000, -1))  # the newest first


class Board:
    """A site where people have favorites.

    Attributes
    ----------
    page : favorites a page at most; it ignores a higher limit.
    empty : numbers of pages that come empty and take no place.
    count : what it says about the number of favorites; None for nothing.
    """

    def __init__(self, site):
        self.site, self.url, self.people = site, site.url, {"vixen": (7, IDS)}
        self.page, self.empty, self.count = 320, set(), ...
        self.hidden, self.key, self.status = set(), "Basic of its owner", {}
        site.next_answer = self.answer

    @property
    def asked(self):
        return [asked.path for asked in self.site.asked]

    def pages(self):
        found = [re.search(r"&page=(\d+)$", path) for path in self.asked]
        return [int(one[1]) for one in found if one]

    def answer(self, path):
        parts = urlsplit(path)
        if path in self.status:
            return Answer(status=self.status[path])
        if found := re.fullmatch(r"/users/([^/]+)\.json", parts.path):
            if found[1].lower() not in self.people:
                return Answer(b'{"success":false,"reason":"not found"}', 404)
            number, ids = self.people[found[1].lower()]
            told = {"id": number, "name": found[1]}
            count = len(ids) if self.count is ... else self.count
            return self.json(told if count is None else told | {"favorite_count": count})
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert parts.path == "/favorites.json" and 1 <= int(query["limit"]) <= 320
        user, number = int(query["user_id"]), int(query["page"])
        assert 1 <= number <= 750
        login = self.site.asked[-1].headers.get("Authorization", "")
        if user in self.hidden and login != self.key:
            return self.json({"posts": []})
        size = min(self.page, int(query["limit"]))
        full = [n for n in range(1, number + 1) if n not in self.empty]
        ids = next(ids for one, ids in self.people.values() if one == user)
        place = (len(full) - 1) * size
        some = [] if number in self.empty else ids[place : place + size]
        return self.json({"posts": [{"id": i, "md5": f"{i:032x}", "tags": {}} for i in some]})

    @staticmethod
    def json(value):
        return Answer(json.dumps(value).encode(), headers={"Content-Type": "application/json"})


@pytest.fixture
def board(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("E6GRAPH_LOGIN", "E6GRAPH_API_KEY", "E6GRAPH_CONTACT"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        yield Board(running)


def quick(**options):
    patience = {
        "pace": Pace(0),
        "backoff": 0.001,
        "timeout": (PATIENCE, PATIENCE),
        "retries": 1,
    }
    return Client("tests/1.0 (by tester)", **patience | options)


@pytest.fixture
def fetch(board, tmp_path):
    def fetch(name="vixen", **options):
        options = {"client": quick(), "site": board.url, "into": tmp_path} | options
        return fetch_favorites(name, **options)

    return fetch


def test_all_pages_in_order_until_the_count_is_reached(board, fetch, tmp_path):
    told = []
    assert fetch(progress=lambda *numbers: told.append(numbers)) == IDS
    assert board.asked == [
        "/users/vixen.json",
        *(f"/favorites.json?user_id=7&limit=320&page={n}" for n in (1, 2, 3, 4)),
    ]
    assert told == [(320, 1000), (640, 1000), (960, 1000), (1000, 1000)]
    assert board.site.asked[0].headers["User-Agent"] == "tests/1.0 (by tester)"
    assert not [*tmp_path.rglob("*.json")]


@pytest.mark.parametrize("count", [..., None, 5000, 0])
def test_an_empty_page_is_not_the_end_and_a_limit_may_be_ignored(board, fetch, count):
    board.empty, board.page, board.count = {1, 2, 3, 5, 9, 10, 11, 12}, 75, count
    assert fetch() == IDS
    pages = board.pages()
    assert pages == list(range(1, len(pages) + 1))
    assert len(pages) == 22 + (0 if count is ... else module.EMPTY_PAGES)


def test_a_site_that_gives_the_same_page_for_ever_ends(board, fetch, monkeypatch):
    monkeypatch.setattr(board, "answer", board.answer)
    answer = board.answer
    board.site.next_answer = lambda path: answer(re.sub(r"page=\d+$", "page=1", path))
    board.count = None
    assert fetch() == IDS[:320]
    assert len(board.pages()) == 1 + module.EMPTY_PAGES


def test_no_more_pages_than_the_site_counts(board, fetch, monkeypatch):
    monkeypatch.setattr(module, "MOST_PAGES", 3)
    board.page = 10
    assert fetch() == IDS[:30] and board.pages() == [1, 2, 3]


def test_a_run_that_was_broken_off_goes_on_and_asks_no_page_twice(board, fetch, tmp_path):
    class Broken(Exception):
        pass

    def give_up(so_far, of):
        if so_far > 500:
            raise Broken

    with pytest.raises(Broken):
        fetch(progress=give_up)
    assert fetch() == IDS
    assert board.pages() == [1, 2, 3, 4]
    assert not [*tmp_path.rglob("*.json")]


def test_what_nobody_wants_any_more_leaves_no_page(board, fetch, tmp_path):
    def drop(*_):
        raise module.Dropped("dropped")

    with pytest.raises(module.Dropped):
        fetch(progress=drop)
    assert not [*tmp_path.rglob("*.json")]


def test_pages_that_are_old_or_damaged_are_asked_for_again(board, fetch, tmp_path, monkeypatch):
    def break_off(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(progress=break_off)
    (page,) = tmp_path.rglob("*.json")
    page.write_bytes(b'[1, "x"')
    assert fetch() == IDS and board.pages() == [1, 1, 2, 3, 4]
    with pytest.raises(KeyboardInterrupt):
        fetch(progress=break_off)
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + module.RESUMED_WITHIN + 60)
    assert fetch() == IDS and board.pages()[5:] == [1, 1, 2, 3, 4]


def test_each_request_waits_its_turn(board, fetch):
    turns = []

    class Counted(Pace):
        def wait(self):
            turns.append(len(board.site.asked))

    board.people["vixen"] = 7, IDS[:640]
    fetch(client=quick(pace=Counted(1)))
    assert turns == [0, 1, 2] and len(board.site.asked) == 3
    assert Client("tests/1.0 (by x)").pace.interval >= 1


def test_pages_of_one_site_are_not_taken_for_those_of_another(board, fetch):
    def break_off(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(progress=break_off)
    with serving() as other:
        mirror = Board(other)
        mirror.people["vixen"] = 7, [3, 2]
        assert fetch(site=mirror.url) == [3, 2]
    assert fetch() == IDS and board.pages() == [1, 2, 3, 4]


def test_what_goes_wrong_is_one_line(board, fetch, tmp_path):
    board.people["shy"], board.people["new"] = (8, IDS), (9, [])
    board.hidden = {8}
    favorites = "/favorites.json?user_id=7&limit=320&page=1"
    cases = [
        (dict(name="nobody"), BadInput, "knows nobody called nobody"),
        (dict(name="shy"), BadInput, "shy shows no favorites: they have none, or hide them"),
        (dict(name="new"), BadInput, "new shows no favorites"),
        (dict(name="a/b"), BadInput, "expected the name"),
        (dict(name=".."), BadInput, "expected the name"),
        (dict(name=""), BadInput, "expected the name"),
        (dict(name="\udcff"), BadInput, "expected the name"),
        (dict(site=""), BadInput, "no site to fetch favorites from"),
        (dict(client=None), BadInput, "E6GRAPH_CONTACT"),
        (dict(site="http://127.0.0.1:9"), DownloadError, "127.0.0.1:9"),
    ]
    for options, kind, said in cases:
        with pytest.raises(kind, match=re.escape(said)) as error:
            fetch(**options)
        assert "\n" not in str(error.value)
    for status, kind, said in (
        (403, BadInput, "shows no favorites"),
        (401, BadInput, "wants a login"),
        (500, DownloadError, "status 500"),
        (418, DownloadError, "status 418"),
    ):
        board.status[favorites] = status
        with pytest.raises(kind, match=said) as error:
            fetch()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[" * 100_000, b"{}", b'{"id": "7"}', b'{"id": true}', b"[1]"]
)
def test_a_site_that_answers_nonsense_about_somebody(board, fetch, body):
    board.site.next_answer = lambda path: Answer(body)
    with pytest.raises(DownloadError) as error:
        fetch()
    assert "\n" not in str(error.value)


def test_nonsense_in_a_page(board, fetch):
    answer = board.answer
    odd = {"posts": [{"id": 5}, {"id": "6"}, 7, None, {"id": -1}, {"id": True}, {"id": 10**30}]}
    board.site.next_answer = lambda path: (
        board.json(odd) if path.endswith("page=1") else answer(path)
    )
    board.people["vixen"] = 7, [0] * 320 + [3, 4]
    assert fetch() == [5, 3, 4]
    board.site.next_answer = lambda path: (
        board.json({"posts": 3}) if "page" in path else answer(path)
    )
    with pytest.raises(DownloadError, match="page 1 of favorites holds no posts"):
        fetch()


# -- one's own hidden favorites
def test_ones_own_hidden_favorites_come_with_the_key(board, fetch, monkeypatch, caplog):
    board.hidden = {7}
    board.key = "Basic " + base64.b64encode(b"Vixen:s3cret").decode()
    monkeypatch.setenv("E6GRAPH_LOGIN", "Vixen")
    monkeypatch.setenv("E6GRAPH_API_KEY", "s3cret")
    with pytest.raises(BadInput, match="hide them"):
        fetch()  # for somebody else
    assert fetch(own=True) == IDS
    board.people["owl"] = 8, [1]
    seen = len(board.site.asked)
    assert fetch("owl", own=True) == [1]
    assert not any("Authorization" in asked.headers for asked in board.site.asked[seen:])

    board.status["/users/vixen.json"] = 401
    with pytest.raises(BadInput, match="refuses E6GRAPH_LOGIN") as error:
        fetch(own=True)
    assert "s3cret" not in str(error.value) + caplog.text
    with pytest.raises(BadInput, match="expected an https address") as error:
        fetch(own=True, site="http://example.org")
    assert "s3cret" not in str(error.value)


def test_a_key_may_be_any_bytes(board, fetch, monkeypatch):
    board.hidden = {7}
    board.key = "Basic " + base64.b64encode(b"vixen:\xff\xfe").decode()
    monkeypatch.setenv("E6GRAPH_LOGIN", "vixen")
    monkeypatch.setitem(os.environ, "E6GRAPH_API_KEY", os.fsdecode(b"\xff\xfe"))
    assert fetch(own=True) == IDS


def test_a_key_goes_to_no_other_host(board, monkeypatch):
    with serving() as other:
        other.put("/there", Answer(b"{}"))
        board.site.next_answer = lambda path: (
            Answer(
                status=302,
                headers={"Location": f"{other.url}/there" if path == "/out" else "/x"},
            )
            if path in ("/out", "/in")
            else Answer(b"{}")
        )
        client = quick()
        for path in ("/out", "/in"):
            client.read(f"{board.url}{path}", 100, {"Authorization": "Basic x"})
        assert "Authorization" not in other.asked[0].headers
        assert [asked.path for asked in board.site.asked] == ["/out", "/in", "/x"]
        assert all("Authorization" in asked.headers for asked in board.site.asked)


def test_two_fetches_at_once_do_not_disturb_each_other(board, fetch):
    board.people["owl"] = 8, IDS[:700]
    got = {}
    threads = [
        threading.Thread(target=lambda name=name: got.setdefault(name, fetch(name)))
        for name in ("vixen", "owl")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {"vixen": IDS, "owl": IDS[:700]}


# -- while a talk goes on
@pytest.fixture
def fetcher(board, tmp_path):
    made = FavoritesFetcher(board.url, "tester", False, tmp_path / "pages", lambda _: quick())
    yield made
    made.close()
    assert made._thread is None or not made._thread.is_alive()


@pytest.fixture
def gate(board):
    """Nothing is answered before it is set."""
    made = threading.Event()
    board.site.next_answer = lambda path: made.wait(PATIENCE) and board.answer(path)
    yield made
    made.set()


def until(true):
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def texts(replies):
    return [reply.text for reply in replies]


def test_the_talk_goes_on_while_favorites_come(board, fetcher, gate, kept):
    board.people["vixen"] = 7, [12, 10, 999]
    talk = Conversation(FakeGraph(), kept, "ann", favorites=fetcher)
    (said,) = texts(talk.reply("/favorites Vixen"))
    assert said.startswith("I am fetching the favorites of Vixen")
    assert "still fetching the favorites of Vixen" in texts(talk.reply("/favorites owl"))[0]
    assert texts(talk.reply("/favorites")) == ["Fetching the favorites of Vixen: 0 so far."]
    assert talk.reply("/surprise")[0].post  # nothing was answered so far
    gate.set()
    until(lambda: fetcher.under_way("ann") is None)
    first, second = texts(talk.reply("/variety"))
    assert first.startswith(
        "I took in 2 favorites of vixen. 1 more is not on this board, or hidden."
    )
    assert second.startswith("Variety is")
    assert kept.load("ann").favorites == [999, 10, 12]
    assert len(texts(talk.reply("/variety"))) == 1  # it is told once


def test_a_second_run_adds_and_removes_and_leaves_likes_alone(board, fetcher, kept):
    now = [0.0]
    fetcher._clock = lambda: now[0]
    talk = Conversation(FakeGraph(), kept, "ann", favorites=fetcher)
    talk.reply("/like 10")
    talk.reply("/favorites 19")  # a list stands beside what has a name
    for ids in ([12, 10, 11], [13, 12]):
        board.people["vixen"] = 7, ids
        now[0] += fetching.FETCH_AGAIN + 1
        talk.reply("/favorites vixen")
        until(lambda: fetcher.under_way("ann") is None)
        (said,) = texts(talk.reply("/favorites"))[:1]
    assert "Since the last time 1 is new, 2 are gone." in said
    profile = kept.load("ann")
    assert {*profile.favorites} == {19, 12, 13} and profile.liked == [10]


def test_a_public_bot_asks_the_site_rarely_and_only_where_allowed(board, fetcher, kept):
    closed = Sessions(FakeGraph(), kept)
    (said,) = texts(closed.reply("ann", "/favorites vixen"))
    assert "--allow-favorites" in said and board.asked == []
    assert texts(closed.reply("ann", "/favorites 12 13"))[0].startswith("I took in 2 favorites")
    now = [0.0]
    fetcher._clock = lambda: now[0]
    talks = Sessions(FakeGraph(), kept, favorites=fetcher)
    talks.reply("bob", "/favorites vixen")
    until(lambda: fetcher.under_way("bob") is None)
    assert texts(talks.reply("bob", "/favorites"))[0].startswith(
        "Of 1,000 favorites of vixen none is on this board"
    )
    asked = len(board.asked)
    assert "again in 60 min" in texts(talks.reply("bob", "/favorites vixen"))[0]
    assert len(board.asked) == asked
    now[0] = fetching.FETCH_AGAIN + 1
    assert "I am fetching" in texts(talks.reply("bob", "/favorites vixen"))[0]


def test_many_users_wait_in_line_and_too_many_are_refused(board, fetcher, gate, monkeypatch):
    monkeypatch.setattr(fetching, "WAITING_FETCHES", 2)
    board.people["vixen"] = 7, [1]
    fetcher.want("u0", "vixen")
    until(lambda: fetcher._in_hand)
    fetcher.want("u1", "vixen")
    fetcher.want("u2", "nobody")
    with pytest.raises(BadInput, match="too many wait"):
        fetcher.want("u3", "vixen")
    gate.set()
    until(lambda: fetcher.under_way("u2") is None)
    assert [fetcher.take(f"u{n}").post_ids for n in range(3)] == [[1], [1], []]
    assert fetcher.take("u2") is None


def test_how_a_fetch_failed_is_told_at_the_next_message(board, fetcher, kept):
    talk = Conversation(FakeGraph(), kept, "ann", favorites=fetcher)
    talk.reply("/favorites nobody")
    until(lambda: fetcher.under_way("ann") is None)
    first, _ = texts(talk.reply("/taste"))
    assert first == (
        "The favorites of nobody did not come: the site knows nobody called nobody: check the "
        "name."
    )
    assert "expected the name" in texts(talk.reply("/favorites a/b"))[0]


def test_after_a_failure_it_may_be_tried_again_soon(board, fetcher, kept):
    now = [0.0]
    fetcher._clock = lambda: now[0]
    board.people["vixen"] = 7, [12]
    for name, wait in (("vixn", fetching.RETRY_AFTER), ("vixen", fetching.FETCH_AGAIN)):
        fetcher.want("ann", name)
        until(lambda: fetcher.under_way("ann") is None)
        now[0] += wait - 1
        with pytest.raises(BadInput, match=r"again in 1 min$"):
            fetcher.want("ann", "vixen")
        now[0] += 1


def test_an_accident_ends_one_fetch_alone(board, fetcher, monkeypatch, caplog):
    def fail(name, *_, **__):
        if name == "odd":
            raise ZeroDivisionError
        return [12]

    monkeypatch.setattr(fetching, "fetch_favorites", fail)
    fetcher.want("ann", "odd")
    fetcher.want("bob", "vixen")
    until(lambda: fetcher.under_way("bob") is None)
    assert fetcher.take("ann").problem and "ZeroDivisionError" in caplog.text
    assert fetcher.take("bob").post_ids == [12]


def test_without_a_contact_or_a_site_the_talk_says_so(board, kept, tmp_path):
    for site, agent, said in ((board.url, None, "E6GRAPH_CONTACT"), ("", "me", "no site")):
        made = FavoritesFetcher(site, agent, into=tmp_path)
        talk = Conversation(FakeGraph(), kept, "ann", favorites=made)
        (reply,) = talk.reply("/favorites vixen")
        assert said in reply.text and "\n" not in reply.text
        made.close()
    assert board.asked == []


def test_who_is_forgotten_meanwhile_stays_forgotten(board, fetcher, gate, kept, tmp_path):
    board.people["vixen"] = 7, [12]
    talk = Conversation(FakeGraph(), kept, "ann", favorites=fetcher)
    talk.reply("/enjoy fox")
    talk.reply("/favorites vixen")
    until(lambda: fetcher._in_hand)
    talk.reply("/forget")
    talk.reply("yes")
    gate.set()
    until(lambda: fetcher._in_hand is None)
    talk.reply("/help")
    assert kept.load("ann") == Profile() and not [*tmp_path.rglob("001.json")]


def test_leaving_while_they_come_says_how_to_go_on(board, fetcher, gate, kept):
    talk = Conversation(FakeGraph(), kept, "ann", favorites=fetcher)
    talk.reply("/favorites vixen")
    (said,) = texts(talk.reply("/quit"))
    assert "/favorites vixen goes on where it stopped" in said and talk.ended


def test_a_pipe_waits_for_what_it_asked_for(board, fetcher, kept):
    board.people["vixen"] = 7, [12, 10]
    for typed in ("/favorites vixen\n/favorites\n", "/forget\n/favorites vixen"):
        talk = Conversation(FakeGraph(), kept, "ann", favorites=fetcher)
        fetcher._own, out = True, io.StringIO()
        terminal.talk(talk, io.StringIO(typed), out)
        assert "I took in 2 favorites of vixen." in out.getvalue()
        assert "so far" not in out.getvalue()


# -- from the command line and in a notebook
@pytest.fixture
def index(board, tmp_path):
    rows = [post(n, f"fox day tag{n % 3}") for n in range(1, 31)]
    rows += [post(n, f"owl night tag{n % 3}") for n in range(31, 61)]
    return index_of(tmp_path, rows, dim=4)


@pytest.fixture
def at_site(board, monkeypatch, tmp_path):
    """The board's site is ours, asked without delay."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("E6GRAPH_CONTACT", "tester")
    monkeypatch.setattr(Pace, "wait", lambda self: None)
    opened = PostGraph.open

    def open_here(*args, **options):
        graph = opened(*args, **options)
        graph.posts.site = board.url
        return graph

    monkeypatch.setattr(PostGraph, "open", open_here)
    return board


def test_a_notebook_takes_every_source(index, at_site, tmp_path):
    graph = PostGraph.open(index)
    at_site.people["vixen"] = 7, [5, 4, 999]
    file = tmp_path / "faves.json"
    file.write_text('{"posts": [{"id": 5}, {"id": 4}, {"id": 999}]}')
    for source in (
        "vixen",
        "Vixen ",
        file,
        str(file),
        "5 4 999",
        "5,4,999",
        [5, 4, 999],
        np.array([5, 4, 999]),
        (np.int64(5), "#4", 999),
        {"posts": [{"id": 5}, {"id": 4}, {"id": 999}]},
        [{"id": 5}, {"id": 4}, {"id": 999}],
        "https://e621.net/posts/5\nhttps://e621.net/posts/4\n999",
        np.array([5.0, 4.0, 999.0]),
        dict.fromkeys([5, 4, 999]).keys(),
        (one for one in (5, 4, 999)),
        [np.array([5, 4]), Path("999")],
    ):
        found = graph.favorites(source)
        assert (found.ids, found.missing, found.hidden, found.never) == ([4, 5], 1, 0, 0), (
            source
        )
    assert graph.favorites("5").ids == [5]
    assert graph.favorites(range(12, 15)).ids == [14, 13, 12]
    endless = [5]
    endless.append(endless)
    for source, said in (
        (endless, "list"),
        ({(5, 4): 999}, "dict"),
        (b"5 4", "bytes"),
        ([found], "Favorites"),
        ("nobody", "knows nobody called nobody"),
        ("none.txt", "none.txt: no such file"),
        (tmp_path / "none", "no such file"),
        ([], "names no posts"),
    ):
        with pytest.raises(BadInput, match=said):
            graph.favorites(source)


def test_the_bot_takes_favorites_in_first(index, at_site, monkeypatch, capsys, tmp_path):
    def talk(*options):
        monkeypatch.setattr("sys.stdin", io.StringIO("/walk\n/taste\n/quit\n"))
        script.main(["--index", str(index), *options])
        return capsys.readouterr().out

    at_site.people["vixen"] = 7, [5, 4, 3]
    out = talk("--favorites", "vixen")
    assert out.startswith("I took in 3 favorites of vixen.") and "favorites  3" in out
    assert "your favorite" in out
    (tmp_path / "mine.csv").write_text("id\n31\n32\n")
    out = talk("--favorites", "mine.csv")
    assert out.startswith("I took in 2 favorites.") and "favorites  5" in out
    at_site.people["vixen"] = 7, [5]
    assert "2 are gone" in talk("--favorites", "vixen")
    with pytest.raises(BadInput, match="knows nobody called nobody"):
        talk("--favorites", "nobody")
