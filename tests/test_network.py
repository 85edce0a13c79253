"""Servers that never come to an end, as no honest one does: the client must."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from http_server import Answer, Clock, serving
from test_fetching import address, posts, until

from e6graph.chat import fetch_previews as fetching
from e6graph.errors import DownloadError
from e6graph.hydrate import client as client_module
from e6graph.hydrate.client import AskedToWait, Client, Pace
from e6graph.hydrate.download import download
from e6graph.hydrate.patience import HEADER_LIMIT
from e6graph.hydrate.previews import PreviewCounts, fetch_previews

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
BOMB = gzip.compress(bytes(32 << 20))


class RawSite:
    """Sends each path's pieces as they are, without minding what a client can bear."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {"/fine": [OK]}
        self.asked: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                got = connection.recv(4096)
                if not got:
                    return
                request += got
            path = request.split()[1].decode()
            self.asked.append(path)
            answer = self.answers[path]
            for piece in answer() if callable(answer) else answer:
                if self._over.is_set():
                    return
                connection.sendall(piece)

    def close(self) -> None:
        self._over.set()
        self._listening.close()


@pytest.fixture
def raw(monkeypatch) -> Iterator[RawSite]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = RawSite()
    yield site
    site.close()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


def client(**options) -> Client:
    settings = {"pace": Pace(0), "backoff": 0.001, "timeout": (10, 10), "retries": 0}
    return Client("e6graph/0.1.0 (by tester)", **(settings | options))


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def slowly(start: bytes, again: bytes, pause: float = 0.01):
    """A start, and then the same few bytes for ever, one at a time."""

    def pieces():
        yield start
        for byte in itertools.cycle(again):
            time.sleep(pause)
            yield bytes([byte])

    return pieces


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Moved", "308 Moved"])
@pytest.mark.parametrize("packed", [True, False])
def test_the_body_of_a_redirect_is_not_read(raw, monkeypatch, status, packed):
    lines = ["Location: /fine", "Transfer-Encoding: chunked"]
    lines += ["Content-Encoding: gzip"] if packed else []
    chunk = b"%x\r\n%s\r\n" % (len(BOMB), BOMB)
    raw.answers["/"] = lambda: itertools.chain([head(status, *lines)], itertools.repeat(chunk))
    read = []
    decode = "urllib3.response.HTTPResponse._decode"
    monkeypatch.setattr(decode, lambda self, data, *rest, **options: read.append(data) or data)
    assert client().read(f"{raw.url}/", 100).body == b"fine"
    assert raw.asked == ["/", "/fine"]
    assert not any(BOMB[:50] in data for data in read)


@pytest.mark.parametrize("status", [404, 500, 403])
def test_nor_is_that_of_an_answer_which_is_no_use(raw, status):
    lines = ["Content-Encoding: gzip", "Transfer-Encoding: chunked"]
    chunk = b"%x\r\n%s\r\n" % (len(BOMB), BOMB)
    raw.answers["/"] = lambda: itertools.chain(
        [head(f"{status} No", *lines)], itertools.repeat(chunk)
    )
    if status == 500:
        with pytest.raises(DownloadError, match="status 500"):
            client().read(f"{raw.url}/", 100)
    else:
        page = client().read(f"{raw.url}/", 100)
        assert (page.status, page.body) == (status, b"")


def test_a_body_is_not_unpacked(raw):
    lines = ["Content-Encoding: gzip", f"Content-Length: {len(BOMB)}"]
    raw.answers["/"] = [head("200 OK", *lines), BOMB]
    assert client().read(f"{raw.url}/", len(BOMB)).body == BOMB


@pytest.mark.parametrize(
    "informational",
    [
        ["100 Continue"],
        ["102 Processing"],
        ["103 Early Hints", "Link: </style.css>; rel=preload"],
        ["199 Whatever"],
    ],
)
@pytest.mark.parametrize("times", [1, 5])
def test_informational_answers_are_stepped_over(raw, informational, times):
    raw.answers["/"] = [head(*informational) * times + OK]
    page = client().read(f"{raw.url}/", 100)
    assert (page.status, page.body) == (200, b"fine")


@pytest.mark.parametrize("code", [100, 102, 103, 150])
def test_informational_answers_without_end(raw, code):
    # Newer Pythons themselves give up after a hundred of 100, which are longer than the limit.
    block = head(f"{code} Wait", "X: " + "y" * 4000) * 10
    raw.answers["/"] = lambda: itertools.repeat(block)
    with pytest.raises(DownloadError, match=f"more than {HEADER_LIMIT >> 10} KB of headers"):
        client().read(f"{raw.url}/", 100)


SLOW = {
    "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "a status line": (b"HTTP/1.1 2", b"0"),
    "100": (b"", head("100 Continue")),
    "103": (b"", head("103 Early Hints")),
    "headers of a redirect": (head("302 Found", "Location: /fine")[:-2] + b"X: ", b"y"),
    "a chunk's size": (head("200 OK", "Transfer-Encoding: chunked") + b"4;", b"x"),
    "trailers": (
        head("200 OK", "Transfer-Encoding: chunked") + b"4\r\nfine\r\n0\r\n",
        b"x: y\r\n",
    ),
}


@pytest.mark.parametrize("what", SLOW)
def test_what_comes_a_byte_at_a_time_for_ever_ends(raw, what):
    """Each byte comes well within the time between two packets."""
    raw.answers["/"] = slowly(*SLOW[what])
    with pytest.raises(DownloadError, match=r"no answer in time|bytes a second"):
        client(window=0.3).read(f"{raw.url}/", 1 << 20)


def test_the_same_in_a_download(raw, tmp_path):
    for what in ("100", "a chunk's size", "trailers"):
        raw.answers["/"] = slowly(*SLOW[what])
        with pytest.raises(DownloadError, match=r"no answer in time|bytes a second"):
            download(client(window=0.3), f"{raw.url}/", tmp_path / "posts.csv")
        assert not (tmp_path / "posts.csv").exists()


def test_all_hops_share_one_time(raw, monkeypatch):
    """Each takes less than the limit, and all together more."""
    clock = Clock()
    monkeypatch.setattr(client_module, "time", clock)

    def hop(answer):
        def pieces():
            clock.now += 25
            yield answer

        return pieces

    for number in range(4):
        raw.answers[f"/{number}"] = hop(head("302 Found", f"Location: /{number + 1}"))
    raw.answers["/4"] = hop(OK)
    assert client(window=130).read(f"{raw.url}/0", 100).body == b"fine"
    with pytest.raises(DownloadError, match="no answer in time"):
        client(window=60).read(f"{raw.url}/0", 100)


def test_waiting_for_a_turn_is_not_the_site_s_time(raw, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(client_module, "time", clock)
    raw.answers["/"] = [head("302 Found", "Location: /fine", "Content-Length: 0")]
    patient = client(pace=Pace(1000), window=60)
    assert patient.read(f"{raw.url}/", 100).body == b"fine"
    assert clock.slept == [0, 1000]


def test_a_redirect_may_ask_to_wait(site, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(client_module, "time", clock)
    moved = {"Location": "/page", "Retry-After": "50"}
    site.put("/page", Answer(b"fine"))
    site.put("/", Answer(status=302, headers=moved))
    assert client().read(f"{site.url}/", 100).body == b"fine"
    assert clock.slept == [0, 50]
    site.put("/", Answer(status=302, headers=moved | {"Retry-After": "601"}))
    with pytest.raises(AskedToWait, match="the site asks to wait 10 minutes"):
        client(longest_wait=600).read(f"{site.url}/", 100)


@pytest.mark.parametrize(
    ("asked", "minutes"),
    [("36001", "600"), ("9000000", "150,000"), ("1" + "0" * 30, r"16,[0-9,]+")],
)
def test_a_long_wait_is_told_as_it_was_asked_for(site, asked, minutes):
    site.put("/", Answer(status=429, headers={"Retry-After": asked}))
    with pytest.raises(AskedToWait, match=f"asks to wait {minutes} minutes") as caught:
        client(longest_wait=36000).read(f"{site.url}/", 100)
    assert caught.value.seconds == float(asked)


def test_a_date_far_ahead_is_a_long_wait(site):
    date = "Fri, 31 Dec 9999 23:59:59 GMT"
    site.put("/", Answer(status=503, headers={"Retry-After": date}))
    with pytest.raises(AskedToWait):
        client().read(f"{site.url}/", 100)


def test_a_date_that_is_over_is_no_wait(site, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(client_module, "time", clock)
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    site.put("/", Answer(status=503, headers={"Retry-After": date}), Answer(b"fine"))
    assert client(retries=1).read(f"{site.url}/", 100).body == b"fine"
    assert clock.slept == [0, 0]


def test_redirects_lead_from_host_to_host_and_keep_headers(site):
    with serving() as other:
        there = {"Location": f"{other.url}/b c?d=e f#g"}
        back = {"Location": f"{site.url.removeprefix('http:')}/d"}
        site.put("/a", Answer(status=302, headers=there))
        other.put("/b%20c?d=e%20f", Answer(status=301, headers=back))
        site.put("/d", Answer(b"fine"))
        page = client().read(f"{site.url}/a", 100)
        assert (page.body, page.url) == (b"fine", f"{site.url}/d")
        agents = {asked.headers["User-Agent"] for asked in (*site.asked, *other.asked)}
        assert agents == {"e6graph/0.1.0 (by tester)"}


def test_a_redirect_to_nowhere_is_an_answer(site):
    site.put("/", Answer(status=302))
    assert client().read(f"{site.url}/", 100).status == 302


def test_a_proxy_gets_no_more_patience(raw, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("http_proxy", raw.url)
    raw.answers["http://host/fine"] = [OK]
    raw.answers["http://host/"] = [head("302 Found", "Location: /fine")]
    raw.answers["http://host/slow"] = slowly(*SLOW["103"])
    asking = client(window=0.3)
    for _ in range(3):
        assert asking.read("http://host/", 100).body == b"fine"
    with pytest.raises(DownloadError, match="no answer in time"):
        asking.read("http://host/slow", 100)


def test_one_preview_does_not_hold_the_others(raw, tmp_path):
    md5s = [letter * 32 for letter in "abc"]
    picture = b"\xff\xd8\xff\xe0" + bytes(100)
    answer = head("200 OK", f"Content-Length: {len(picture)}") + picture
    for md5 in md5s:
        raw.answers[address(md5)] = [answer]
    raw.answers[address(md5s[0])] = slowly(*SLOW["headers"])
    settings = {"delay": 0, "backoff": 0.001, "retries": 0, "window": 0.3}
    got = fetch_previews(md5s, tmp_path, raw.url, "tester", connections=1, **settings)
    assert got == PreviewCounts(fetched=2, failed=1)


@pytest.mark.parametrize("asked", [61, 7200, 10**15])
def test_the_bot_rests_as_long_as_the_site_asks(site, tmp_path, monkeypatch, caplog, asked):
    rests = []

    class Closed(threading.Event):
        def wait(self, timeout=None):
            rests.append(timeout)
            return super().wait()

    monkeypatch.setattr(fetching.threading, "Event", Closed)
    (shown,) = posts(1)
    busy = Answer(status=429, headers={"Retry-After": str(asked)})
    site.put(address(shown.md5), busy)
    fetcher = fetching.Fetcher(tmp_path, site.url, "tester", delay=0.0)
    fetcher.want(shown)
    until(lambda: rests and rests[-1] is not None and rests[-1] > 60)
    fetcher.close()
    assert rests[-1] == min(max(asked, fetching.REST), threading.TIMEOUT_MAX)
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "the site asks to wait" in record.getMessage()


def test_notes_that_nest_without_end_are_none(site, tmp_path):
    """The files beside a download are read as JSON, and may have been damaged."""
    body = b"whole"
    site.put("/posts.csv", Answer(body))
    for deep in ("[" * 200_000, '{"a":' * 200_000):
        (tmp_path / "posts.csv.part").write_bytes(b"wh")
        (tmp_path / "posts.csv.part.json").write_text(deep)
        download(client(), f"{site.url}/posts.csv", tmp_path / "posts.csv")
        assert (tmp_path / "posts.csv").read_bytes() == body
    assert json.loads("[]") == []
