"""Previews fetched while the bot talks: of posts that are shown, politely, holding nobody up."""

import io
import logging
import threading
import time

import pytest
from boards import post
from conftest import PATIENCE, index_of
from fake_graph import BOARD, FakeGraph
from http_server import Answer, serving

import bot
from e6graph.chat import fetch_previews as fetching
from e6graph.chat.conversation import Conversation
from e6graph.chat.fetch_previews import Fetcher
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.chat.terminal import talk as terminal
from e6graph.errors import BadInput, E6GraphError
from e6graph.hydrate.previews import preview_path

PICTURE = b"\xff\xd8\xff\xe0" + bytes(500)
QUICK = {
    "delay": 0.0,
    "backoff": 0.001,
    "timeout": (PATIENCE, PATIENCE),
    "user_agent": "tester",
}


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def fetcher(site, tmp_path):
    made = Fetcher(tmp_path, site.url, **QUICK)
    yield made
    made.close()
    assert not made._thread.is_alive()


@pytest.fixture
def gate(site, monkeypatch):
    """Nothing is answered before it is set."""
    made, answer = threading.Event(), site.next_answer
    monkeypatch.setattr(site, "next_answer", lambda path: made.wait(PATIENCE) and answer(path))
    yield made
    made.set()


def address(md5):
    return f"/data/preview/{md5[:2]}/{md5[2:4]}/{md5}.jpg"


def posts(n=12):
    return [FakeGraph("sq").describe(post_id) for post_id in list(BOARD)[:n]]


def until(true, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def test_what_is_shown_comes_once_and_is_kept(site, fetcher, tmp_path):
    first, second = posts(2)
    for shown in (first, second):
        site.put(address(shown.md5), Answer(PICTURE))
    assert fetcher.want(first) and fetcher.want(second)
    until(lambda: preview_path(tmp_path, second.md5).is_file())
    assert preview_path(tmp_path, first.md5).read_bytes() == PICTURE
    assert not fetcher.want(first) and not fetcher.want(second)
    assert [asked.path for asked in site.asked] == [address(first.md5), address(second.md5)]
    assert site.asked[0].headers["User-Agent"] == "e6graph/0.1.0 (by tester)"


def test_requests_keep_their_distance_and_wanting_does_not_wait(site, gate, tmp_path):
    shown = posts(4)
    for one in shown:
        site.put(address(one.md5), Answer(PICTURE))
    fetcher = Fetcher(tmp_path, site.url, **QUICK | {"delay": 0.15})
    start = time.monotonic()
    assert all([fetcher.want(one) for one in shown for _ in range(3)])
    assert len(site.asked) <= 1  # nothing was answered so far
    gate.set()
    until(lambda: preview_path(tmp_path, shown[3].md5).is_file())
    fetcher.close()
    times = [asked.when - start for asked in site.asked]
    assert len(times) == 4 and all(when >= 0.15 * k for k, when in enumerate(times))
    assert fetching.REQUEST_DELAY >= 1


def test_what_the_site_has_not_is_asked_for_once_and_written_down(site, fetcher, tmp_path):
    gone, there = posts(2)
    site.put(address(there.md5), Answer(PICTURE))
    assert fetcher.want(gone)
    until(lambda: not fetcher.want(gone))
    assert fetcher.want(there)
    until(lambda: fetching.read_missing(tmp_path))  # once something came after it
    assert (tmp_path / "missing.txt").read_text().split() == [gone.md5]
    again = Fetcher(tmp_path, site.url, **QUICK)
    assert not again.want(gone) and not again.want(there)
    again.close()
    assert len(site.requests(address(gone.md5))) == 1


def test_too_many_wait_and_the_oldest_go_without(site, gate, monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "QUEUE_LENGTH", 3)
    shown = posts(8)
    for one in shown:
        site.put(address(one.md5), Answer(PICTURE))
    fetcher = Fetcher(tmp_path, site.url, **QUICK)
    fetcher.want(shown[0])
    until(lambda: site.asked)
    for one in shown[1:]:  # while the first is in hand
        assert fetcher.want(one)
    gate.set()
    until(lambda: preview_path(tmp_path, shown[7].md5).is_file())
    fetcher.close()
    assert [asked.path for asked in site.asked] == [address(shown[k].md5) for k in (0, 5, 6, 7)]


def test_after_many_failures_it_rests_and_says_so_once(site, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fetching, "REST", 3600)
    for one in posts():
        site.put(address(one.md5), Answer(status=403))
    fetcher = Fetcher(tmp_path, site.url, **QUICK)
    for one in posts(10):
        fetcher.want(one)
    until(lambda: fetcher._resting)
    assert not fetcher.want(posts()[11])
    assert len(site.asked) == 10
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "10 previews in a row failed" in record.getMessage()
    fetcher.close()

    monkeypatch.setattr(fetching, "REST", 0.05)
    fetcher = Fetcher(tmp_path, site.url, **QUICK)
    for one in posts(10):
        fetcher.want(one)
    until(lambda: len([r for r in caplog.records if r.levelno == logging.WARNING]) == 2)
    site.put(address(posts()[11].md5), Answer(PICTURE))
    until(lambda: fetcher.want(posts()[11]))  # when it has rested
    until(lambda: preview_path(tmp_path, posts()[11].md5).is_file())
    fetcher.close()


def test_a_cache_that_cannot_be_written_is_one_line(site, fetcher, tmp_path, caplog):
    (tmp_path / "data").write_text("in the way")
    (shown,) = posts(1)
    site.put(address(shown.md5), Answer(PICTURE))
    fetcher.want(shown)
    until(lambda: fetcher._resting)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_no_contact_or_no_site_no_thread(site, tmp_path, monkeypatch):
    monkeypatch.delenv("E6GRAPH_CONTACT", raising=False)
    for url, agent, said in [
        (site.url, None, "E6GRAPH_CONTACT"),
        ("", "me", "--static-url"),
        ("static", "me", "web address"),
    ]:
        with pytest.raises(BadInput, match=said):
            Fetcher(tmp_path, url, agent)


def test_a_session_fetches_what_it_shows_and_nothing_else(site, fetcher, tmp_path):
    for one in posts():
        site.put(address(one.md5), Answer(PICTURE))
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        sessions = Sessions(FakeGraph(), profiles, tmp_path, fetch=fetcher.want)
        said = sessions.reply("ann", "/enjoy fox") + sessions.reply("ann", "/like 21")
        assert not any(reply.coming for reply in said)
        for post_id in (10, 21, 10**6):
            sessions.visible(post_id)  # as the page asks for a preview
        (card,) = sessions.reply("ann", "/walk")
        assert card.coming
        until(lambda: sessions.thumbnail(card.post) == PICTURE)
        fives = sessions.reply("ann", "/more")
        until(lambda: all(sessions.thumbnail(reply.post) for reply in fives))
    shown = [address(reply.post.md5) for reply in (card, *fives)]
    assert [asked.path for asked in site.asked] == shown and len(shown) > 2


def test_the_terminal_waits_a_moment(site, fetcher, tmp_path, monkeypatch):
    (there,) = posts(1)  # of the next there is none
    site.put(address(there.md5), Answer(PICTURE[:10], pause=0.01))
    came = []
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        talk = Conversation(FakeGraph(), profiles, "ann", tmp_path, fetch=fetcher.want)
        show = lambda reply: came.append(reply.picture.is_file()) if reply.post else None  # noqa: E731
        monkeypatch.setattr(terminal, "_printer", lambda *streams: show)
        monkeypatch.setattr(terminal, "PREVIEW_PATIENCE", PATIENCE)
        terminal.talk(talk, io.StringIO("/enjoy inkwash\n/walk\n"), io.StringIO())
        monkeypatch.setattr(terminal, "PREVIEW_PATIENCE", 0.3)
        start = time.monotonic()
        terminal.talk(talk, io.StringIO("/skip\n"), io.StringIO())
    assert came == [True, False]
    assert time.monotonic() - start >= 0.3


def test_the_bot_fetches_previews_when_told_to_and_of_no_hidden_post(
    site, tmp_path, monkeypatch, capsys
):
    rows = [post(n, f"fox night tag{n % 3}") for n in range(1, 25)]
    rows += [post(n, "fox night young", rating="q") for n in range(25, 30)]
    rows += [post(n, "fox night", rating="e") for n in range(30, 35)]
    index_of(tmp_path, rows, dim=4)
    for row in rows:
        site.put(address(row["md5"]), Answer(PICTURE))
    monkeypatch.setattr(fetching, "REQUEST_DELAY", 0.0)
    monkeypatch.setattr(Fetcher.__init__, "__defaults__", (None, 0.0))
    monkeypatch.setattr(terminal, "PREVIEW_POLL", 0.002)
    monkeypatch.setattr(terminal, "PREVIEW_PATIENCE", PATIENCE)
    monkeypatch.chdir(tmp_path)
    command = ["--ratings", "sq", "--blacklist", "none", "--static-url", site.url]

    def talk(*options):
        monkeypatch.setattr("sys.stdin", io.StringIO("/enjoy fox\n/walk\n" + "/skip\n" * 30))
        bot.main([*command, *options])
        return capsys.readouterr().out

    monkeypatch.delenv("E6GRAPH_CONTACT", raising=False)
    talk()
    assert site.asked == []
    with pytest.raises(E6GraphError, match="E6GRAPH_CONTACT"):
        talk("--fetch-previews")
    monkeypatch.setenv("E6GRAPH_CONTACT", "tester")
    assert "#24" in talk("--fetch-previews", "--user", "other")
    assert {asked.path for asked in site.asked} == {address(row["md5"]) for row in rows[:24]}
