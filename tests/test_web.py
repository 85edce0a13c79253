"""The page: its API over a real uvicorn on the loopback, then the page itself in a real browser."""

import asyncio
import base64
import hashlib
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from conftest import PATIENCE
from fake_graph import BOARD, PICTURE, FakeGraph
from PIL import Image

from e6graph.chat import commands, messages
from e6graph.chat import sessions as sessions_module
from e6graph.chat.messages import CompletedTag, Reply, Taste
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.chat.web import connections
from e6graph.chat.web import server as web
from e6graph.chat.web.turns import WAITING_REQUESTS, Share
from e6graph.errors import BadArtifact, E6GraphError
from e6graph.hydrate.previews import preview_path
from e6graph.pictures import PictureReader
from e6graph.recommend.board import PostInfo
from e6graph.recommend.variety import VARIETY
from e6graph.tags import BACKGROUND, COLORS, LIGHT_COLORS

ASKED_BY_PAGE = {"Sec-Fetch-Site": "same-origin"}
JSON = {**ASKED_BY_PAGE, "Content-Type": "application/json"}
PNG = b"\x89PNG\r\n\x1a\n rest"


def post(post_id, url="https://e621.net/posts/12", tags=None):
    tags = tags or {"species": ["mammal", "fox"], "general": ["night", "rating_safe"]}
    return PostInfo(post_id, url, "s", 5, 3, f"{post_id:032x}", "png", tags)


class FakeSessions:
    """Answers at once and remembers what it was asked; posts 1 to 40 may be shown."""

    def __init__(self):
        self.asked, self.pictures, self.users = [], {}, set()
        self.answer = lambda user, message: [Reply(f"{user} said {message}")]
        self.known = Taste()

    def reply(self, user, message):
        self.asked.append((user, message))
        return self.answer(user, message)

    def taste(self, user):
        return self.known

    def complete(self, prefix, n=8):
        self.asked.append(prefix)
        return [CompletedTag("fox", "species", 1234)]

    def visible(self, post_id):
        return post(post_id) if 1 <= post_id <= 40 else None

    def thumbnail(self, shown):
        return self.pictures.get(shown.post_id)


@contextmanager
def serving(sessions, hosts=()):
    """The address of a server of its own, gone at the end."""
    server = web.make_server(web.make_app(sessions, hosts))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture
def talks():
    return FakeSessions()


@pytest.fixture
def site(talks):
    with serving(talks) as address:
        yield address


def say(site, text, client=requests, timeout=None, **headers):
    return client.post(
        f"{site}/api/message",
        json.dumps({"text": text}),
        headers=JSON | headers,
        timeout=timeout,
    )


# -- the files -------------------------------------------------------------------------------------
def test_every_answer_carries_a_strict_policy(site):
    for path, kind in [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/icon.svg", "image/svg"),
        ("/page.js", "text/javascript"),
        ("/api/taste", "application/json"),
        ("/preview/3", "image/svg"),
        ("/preview/99", "application/json"),
        ("/nothing", "application/json"),
    ]:
        answer = requests.get(site + path)
        assert answer.headers["content-type"].startswith(kind), path
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; "
            "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers and "set-cookie" not in answer.headers
        if path.startswith("/api/"):
            assert answer.headers["cache-control"] == "no-store"


def test_the_page_has_nothing_inline_and_asks_no_other_host():
    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            names = {name for name, _ in attributes}
            assert tag != "style" and "style" not in names, tag
            assert not any(name.startswith("on") for name in names), tag
            assert tag != "script" or "src" in names

    Parser().feed((web.PAGE / "index.html").read_text("utf-8"))
    assert {path.name for path in web.PAGE.iterdir()} == {*web.FILES, web.NO_PREVIEW}
    for path in web.PAGE.iterdir():
        text = path.read_text("utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?:|//[\w-]+\.\w|@import|\burl\(", text), path.name
        assert "innerHTML" not in text and "insertAdjacent" not in text


def test_what_the_page_knows_is_what_the_server_knows():
    script = (web.PAGE / "page.js").read_text("utf-8")
    limit = re.search(r"PICTURE_LIMIT = ([\d* ]+);", script)[1]
    product = 1
    for factor in limit.split("*"):
        product *= int(factor)
    assert product == web.PICTURE_LIMIT
    actions = re.findall(r'^  "(/\w+)": \[', script, re.MULTILINE)
    assert set(actions) == {
        f"/{name}" for name in ["like", "dislike", "skip", "stop", "undo", "why", "more"]
    }
    assert all(commands.COMMANDS[action[1:]].button for action in actions)
    page = (web.PAGE / "index.html").read_text("utf-8")
    dial = re.search(
        r'id="variety" type="range" min="0" max="1" step="[\d.]+" value="([\d.]+)"', page
    )
    assert float(dial[1]) == VARIETY
    for command in re.findall(r'data-send="(/\w+)', page):
        assert command[1:] in commands.COMMANDS
    box = re.search(
        r'id="box"[^>]*maxlength="(\d+)"', (web.PAGE / "index.html").read_text("utf-8")
    )
    assert int(box[1]) == messages.MESSAGE_LIMIT


def luminance(color):
    """Relative luminance (WCAG 2.2) of #rrggbb."""
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_in_light_and_dark():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # WebAIM's example
    css = (web.PAGE / "page.css").read_text("utf-8")
    pair = r"light-dark\((#\w{6}), (#\w{6})\)"
    colors = {name: values for name, *values in re.findall(rf"--(\w[\w-]*): {pair}", css)}
    tags = re.findall(rf"^\.(\w+) {{ --mark: (#\w+); --tag: {pair}", css, re.MULTILINE)
    assert {name: mark for name, mark, *_ in tags} == COLORS
    assert {name: light for name, _, light, _ in tags} == LIGHT_COLORS
    assert colors["ground"][1] == BACKGROUND
    grounds = ("ground", "surface", "sunk", "raised")
    for theme in (0, 1):
        for text in ("text", "faint"):
            for ground in grounds:
                assert contrast(colors[text][theme], colors[ground][theme]) >= 4.5, (
                    text,
                    ground,
                )
        for text, ground in [
            ("link", "surface"),
            ("danger", "raised"),
            ("danger", "surface"),
            ("on-strong", "strong"),
        ]:
            assert contrast(colors[text][theme], colors[ground][theme]) >= 4.5, (text, ground)
        assert contrast("#ffffff", colors["mine"][theme]) >= 4.5
        for name, _, *values in tags:
            for ground in ("sunk", "surface"):
                assert contrast(values[theme], colors[ground][theme]) >= 4.5, (name, ground)
        for mark in ("up", "down", "focus"):  # not text: 3:1 is asked for
            for ground in grounds:
                assert contrast(colors[mark][theme], colors[ground][theme]) >= 3, (mark, ground)


# -- the API ---------------------------------------------------------------------------------------
def test_a_message_comes_back_as_replies(site, talks):
    shown = post(12)
    talks.answer = lambda user, text: [
        Reply(
            "<b>\u202e&amp; hello", choices=["/enjoy fox", "yes"], document=("a.json", b"{}")
        ),
        Reply("card", shown, "you enjoy fox", None, ["/like 12", "/skip"]),
        Reply("Goodbye.", ended=True),
    ]
    first, second, third = say(site, "hi \U0001f98a \ud800").json()["replies"]
    assert talks.asked[0][1] == "hi \U0001f98a \ud800"
    assert first == {
        "text": "<b>&amp; hello",
        "why": "",
        "post": None,
        "document": "a.json",
        "coming": False,
        "choices": [["/enjoy fox", "Enjoy fox"], ["yes", "Yes, delete it"]],
        "ended": False,
    }
    assert second["why"] == "you enjoy fox"
    assert second["choices"] == [["/like 12", "👍"], ["/skip", "⏭"]]
    assert second["post"] == {
        "id": 12,
        "url": "https://e621.net/posts/12",
        "title": messages.title(shown),
        "tags": [["species", "fox"], ["species", "mammal"], ["general", "night"]],
    }
    assert third["ended"]


def test_a_drawing_comes_within_its_reply(site, talks):
    png = b"\x89PNG\r\n\x1a\n..."
    talks.answer = lambda user, text: [Reply("Drawn.", document=("portrait.png", png))]
    (reply,) = say(site, "/portrait").json()["replies"]
    head, _, data = reply["image"].partition(",")
    assert head == "data:image/png;base64" and base64.b64decode(data) == png
    assert reply["document"] == "portrait.png"


def test_an_address_that_is_no_web_address_is_left_out(site, talks):
    talks.answer = lambda user, text: [Reply("", post(1, url="javascript:alert(1)"))]
    assert say(site, "x").json()["replies"][0]["post"]["url"] == ""


def test_a_user_is_a_cookie_whose_digest_is_the_key(site, talks):
    client = requests.Session()
    answer = say(site, "one", client)
    cookie = answer.headers["set-cookie"]
    token = re.fullmatch(
        r"e6graph=([0-9a-f]{32}); HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000", cookie
    )[1]
    assert "set-cookie" not in say(site, "two", client).headers
    user = "web:" + hashlib.sha256(token.encode()).hexdigest()
    assert talks.asked == [(user, "one"), (user, "two")]
    for given in [
        "",
        "e6graph=short",
        f"e6graph={token}0",
        f"xe6graph={token}",
        "e6graph=../etc",
    ]:
        assert "set-cookie" in say(site, "three", Cookie=given).headers
        assert talks.asked[-1][0] != user
    assert "set-cookie" not in say(site, "four", Cookie=f"a=b; e6graph={token}; c=d").headers
    assert talks.asked[-1][0] == user


def test_two_users_at_once_do_not_mix(site, talks):
    def answer(user, text):
        time.sleep(0.01)
        return [Reply(f"{user} said {text}")]

    talks.answer = answer
    said = {}

    def talk(name):
        client = requests.Session()
        said[name] = [
            say(site, f"{name} {k}", client).json()["replies"][0]["text"] for k in range(10)
        ]

    threads = [threading.Thread(target=talk, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    users = {}
    for name, texts in said.items():
        (users[name],) = {text.split(" ")[0] for text in texts}
        assert [text.partition(" said ")[2] for text in texts] == [
            f"{name} {k}" for k in range(10)
        ]
    assert users["ann"] != users["bob"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:7860", 200),
        ("my.board", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
        ("localhost.evil.example", 403),
        ("192.168.1.5", 403),
        ("[::1", 403),
        ("a@localhost@evil", 403),
    ],
)
def test_only_its_own_names_are_answered(talks, host, status):
    with serving(talks, ["My.Board"]) as site:
        for path in ("/", "/api/taste"):
            assert requests.get(site + path, headers={"Host": host}).status_code == status
        origin = {"Host": host, "Origin": f"http://{host}"}
        answer = requests.post(
            f"{site}/api/message",
            '{"text": "x"}',
            headers=origin | {"Content-Type": JSON["Content-Type"]},
        )
        assert answer.status_code == status
        assert len(talks.asked) == (status == 200)


def test_listening_everywhere_allows_addresses_but_no_names(talks):
    with serving(talks, ["0.0.0.0"]) as site:
        for host, status in [
            ("192.168.1.5:7860", 200),
            ("[fe80::1]", 200),
            ("evil.example", 403),
        ]:
            assert requests.get(site, headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "SITE"}, 200),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "SITE", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Origin": "http://localhost"}, 403),
    ],
)
def test_only_the_page_may_post(site, talks, headers, status):
    headers = {name: value.replace("SITE", site) for name, value in headers.items()}
    kind = {"Content-Type": "application/json"}
    answer = requests.post(f"{site}/api/message", '{"text": "x"}', headers=headers | kind)
    assert answer.status_code == status
    assert len(talks.asked) == (status == 200)
    assert ("set-cookie" in answer.headers) == (status == 200)


def test_another_site_may_open_the_page_and_embed_nothing(site):
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert requests.get(site, headers=elsewhere).status_code == 200
    for path in ("/api/taste", "/api/export", "/preview/3", "/page.js"):
        assert requests.get(site + path, headers=elsewhere).status_code == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"text": 1}', "application/json", 400),
        (b'{"message": "x"}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b'{"text": "x"}', "text/plain", 415),
        (b'{"text": "x"}', "", 415),
        (b'{"text": "x"}', "application/jsonp", 415),
        (b'{"text": "x"}', "application/json; charset=utf-8", 200),
        (b'{"text": "%s"}' % (b"\\ud83e\\udd8a" * 2000), "application/json", 200),
        (b'{"text": "%s"}' % (b"x" * 40_000), "application/json", 413),
    ],
)
def test_messages_that_are_none(site, talks, body, kind, status):
    headers = {**ASKED_BY_PAGE, "Content-Type": kind}
    answer = requests.post(f"{site}/api/message", body, headers=headers)
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status != 200)
    assert len(talks.asked) == (status == 200)


def test_a_whole_blacklist_is_taken_as_a_message_and_as_a_file(site, talks):
    line = "long_tag_name\n" * 10_000
    headers = {**ASKED_BY_PAGE, "Content-Type": "application/json"}
    body = json.dumps({"text": f"/blacklist add\n{line}"})
    assert requests.post(f"{site}/api/message", body, headers=headers).status_code == 200
    headers["Content-Type"] = "text/plain"
    assert requests.post(f"{site}/api/blacklist", line, headers=headers).status_code == 200
    assert [getattr(asked, "data", asked) for _, asked in talks.asked] == [
        f"/blacklist add\n{line}",
        line.encode(),
    ]
    body = "x" * (messages.LIST_BYTES + 1)
    assert requests.post(f"{site}/api/blacklist", body, headers=headers).status_code == 413


def test_favorites_are_taken_as_a_message_and_as_a_file(site, talks):
    ids = " ".join(map(str, range(20_000)))
    headers = {**ASKED_BY_PAGE, "Content-Type": "application/json"}
    body = json.dumps({"text": f"/favorites {ids}"})
    assert requests.post(f"{site}/api/message", body, headers=headers).status_code == 200
    headers["Content-Type"] = "text/plain"
    body = ids * 7  # longer than a blacklist may be
    assert requests.post(f"{site}/api/favorites", body, headers=headers).status_code == 200
    (_, text), (_, file) = talks.asked
    assert text == f"/favorites {ids}"
    assert file == messages.TextFile(body.encode(), kind="favorites")
    body = "1" * (messages.FAVORITES_BYTES + 1)
    assert requests.post(f"{site}/api/favorites", body, headers=headers).status_code == 413


def test_a_picture_arrives_whole(site, talks):
    data = os.urandom(300_000)
    headers = {**ASKED_BY_PAGE, "Content-Type": "image/png"}
    talks.answer = lambda user, picture: [Reply(f"{len(picture.data)} {picture.data == data}")]
    for body in (data, (data[k : k + 1000] for k in range(0, len(data), 1000))):  # then chunked
        answer = requests.post(f"{site}/api/picture", body, headers=headers)
        assert answer.json()["replies"][0]["text"] == "300000 True"
    wrong = requests.post(f"{site}/api/picture", data, headers=ASKED_BY_PAGE)
    assert wrong.status_code == 415


def raw(site, head, body=b""):
    """What comes back for a request sent as bytes."""
    place = urlsplit(site)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as connection:
        lines = [
            head,
            f"Host: {place.netloc}",
            "Sec-Fetch-Site: same-origin",
            "Content-Type: image/png",
            "Connection: close",
            "",
            "",
        ]
        connection.sendall("\r\n".join(lines).encode() + body)
        with suppress(ConnectionError):
            return connection.makefile("rb").read()


def test_a_picture_that_is_too_large_is_refused_before_it_is_read(site, talks, monkeypatch):
    over = f"POST /api/picture HTTP/1.1\r\nContent-Length: {web.PICTURE_LIMIT + 1}"
    answer = raw(site, over)  # no byte of it was sent
    assert answer.startswith(b"HTTP/1.1 413") and b"20 MB at most" in answer
    monkeypatch.setattr(web, "PICTURE_LIMIT", 1000)
    chunk = b"3e9\r\n" + b"x" * 1001 + b"\r\n"  # and no end in sight
    answer = raw(site, "POST /api/picture HTTP/1.1\r\nTransfer-Encoding: chunked", chunk)
    assert answer.startswith(b"HTTP/1.1 413")
    assert not talks.asked


def test_a_body_that_does_not_come_or_breaks_off(site, talks, monkeypatch, capfd):
    monkeypatch.setattr(web, "BODY_SECONDS", 0.1)
    part = "POST /api/picture HTTP/1.1\r\nContent-Length: 100"
    assert raw(site, part, b"only this").startswith(b"HTTP/1.1 408")
    monkeypatch.setattr(web, "BODY_SECONDS", PATIENCE)
    place = urlsplit(site)
    with socket.create_connection((place.hostname, place.port)) as connection:
        head = (
            f"{part}\r\nHost: {place.netloc}\r\nSec-Fetch-Site: none\r\nContent-Type: image/png"
        )
        connection.sendall(f"{head}\r\n\r\nonly this".encode())
        time.sleep(0.1)
    assert say(site, "still there?").status_code == 200
    assert [message for _, message in talks.asked] == ["still there?"]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff rest", "image/jpeg"),
        (PNG, "image/png"),
        (b"GIF89a rest", "image/gif"),
        (b"RIFF\n\0\0\0WEBPVP8 ", "image/webp"),
        (None, "image/svg+xml"),
        (b"", "image/svg+xml"),
        (b"<html><script>", "image/svg+xml"),
        (b"<svg onload=alert(1)>", "image/svg+xml"),
    ],
)
def test_previews_are_pictures_whatever_the_cache_holds(site, talks, data, kind):
    talks.pictures[12] = data
    answer = requests.get(f"{site}/preview/12")
    assert answer.headers["content-type"].split(";")[0] == kind
    drawn = (web.PAGE / "no-preview.svg").read_bytes()
    assert answer.content == (drawn if kind == "image/svg+xml" else data)
    kept = "no-cache" if kind == "image/svg+xml" else "private, max-age=600"
    assert answer.headers["cache-control"] == kept


@pytest.mark.parametrize(
    "number", ["41", "0", "-1", "x", "1.0", "9" * 18, "9" * 5000, "%2e%2e"]
)
def test_a_post_that_may_not_be_shown_has_no_preview(site, talks, number):
    talks.pictures[41] = PNG
    answer = requests.get(f"{site}/preview/{number}")
    assert answer.status_code == 404 and PNG not in answer.content


def test_the_taste_names_posts_that_may_be_shown(site, talks):
    talks.known = Taste(
        ["fox"], ["rain"], [*range(1, 31), 99], [41], 31, 4, [("fox", "species", 0.5)]
    )
    told = requests.get(f"{site}/api/taste").json()
    assert (told["enjoys"], told["avoids"], told["up"]) == (
        ["fox"],
        ["rain"],
        [["fox", "species", 0.5]],
    )
    assert told["seen"] == 31 and told["ratings"] == "s"
    assert told["liked"]["count"] == 31 and told["skipped"] == 4
    ids = [shown["id"] for shown in told["liked"]["latest"]]
    assert ids == list(
        range(30, 30 - web.LATEST_POSTS + 1, -1)
    )  # the latest first, 99 left out
    assert told["disliked"] == {"count": 1, "latest": []}
    assert told["mood"] == [] and told["variety"] is None
    talks.known = Taste(mood=["owl", "night"], variety=0.25)
    told = requests.get(f"{site}/api/taste").json()
    assert told["mood"] == ["owl", "night"] and told["variety"] == 0.25


def test_completions_of_tags_and_commands(site, talks):
    def complete(prefix):
        return requests.get(f"{site}/api/complete", params={"q": prefix}).json()

    assert complete("fo") == [["fox", "species", "1,234"]]
    assert complete("  ") == [] and requests.get(f"{site}/api/complete").json() == []
    assert complete("/WA") == [["/walk", "command", commands.COMMANDS["walk"][1]]]
    assert {name for name, *_ in complete("/")} == {
        f"/{name}" for name in commands.COMMANDS
    } - {"/picture", "/start", "/quit"}
    complete("x" * 5000)
    assert talks.asked == ["fo", "x" * web.PREFIX_LIMIT]


def test_the_export_is_a_download(site, talks):
    talks.answer = lambda user, text: [Reply(text, document=('a/b"\r\nX: y é.json', b"{1}"))]
    answer = requests.get(f"{site}/api/export")
    assert answer.content == b"{1}"
    assert answer.headers["content-disposition"] == 'attachment; filename="a_b___X__y__.json"'
    assert answer.headers["cache-control"] == "no-store"
    assert talks.asked[0][1] == "/export"
    talks.answer = lambda user, text: [Reply("I keep nothing about you.")]
    answer = requests.get(f"{site}/api/export")
    assert (answer.status_code, answer.json()) == (404, {"error": "I keep nothing about you."})


def test_what_only_the_operator_can_mend_is_logged_and_survived(site, talks, capfd):
    def broken(user, text):
        raise BadArtifact("tags.parquet is\ndamaged \x1b[2J")

    works, talks.answer = talks.answer, broken
    answer = say(site, "secret words")
    assert answer.status_code == 503
    assert answer.json() == {"error": "Something is wrong here: try again later."}
    assert capfd.readouterr().err == "web: tags.parquet is damaged\n"
    talks.answer = works
    assert say(site, "again").status_code == 200


# -- one user never stops another ------------------------------------------------------------------
class Slow(FakeSessions):
    """Answers "slow" and pictures when told to; says when it has begun on one."""

    def __init__(self):
        super().__init__()
        self.begun, self.go = threading.Semaphore(0), threading.Event()
        self.answer = self.wait

    def wait(self, user, message):
        if message == "slow" or isinstance(message, messages.Picture):
            self.begun.release()
            assert self.go.wait(60)
        return [Reply("ok")]


@contextmanager
def in_threads(calls):
    """Run calls at once; give the list that their results go into, in any order."""
    results = []
    threads = [threading.Thread(target=lambda c=call: results.append(c())) for call in calls]
    for thread in threads:
        thread.start()
    try:
        yield results
    finally:
        for thread in threads:
            thread.join(60)


def returning(site):
    """A client who has a cookie."""
    client = requests.Session()
    say(site, "/start", client)
    return client


def test_messages_of_one_user_wait_without_a_thread():
    talks = Slow()
    with serving(talks) as site:
        client, other = returning(site), returning(site)
        cookie = client.cookies["e6graph"]

        def slow():
            return say(site, "slow", Cookie=f"e6graph={cookie}").status_code

        with in_threads([slow] * 60) as statuses:
            assert talks.begun.acquire(timeout=60)
            # More than the 40 threads of the pool are asked for; most are refused.
            until = time.monotonic() + 60
            while len(statuses) < 60 - 1 - WAITING_REQUESTS and time.monotonic() < until:
                time.sleep(0.01)
            assert set(statuses) == {429} and len(statuses) == 60 - 1 - WAITING_REQUESTS
            for _ in range(5):
                assert say(site, "quick", other).status_code == 200
            assert other.get(f"{site}/api/taste").status_code == 200
            talks.go.set()
        assert statuses.count(200) == 1 + WAITING_REQUESTS


@pytest.mark.parametrize(
    ("path", "kind"),
    [("message", "application/json"), ("blacklist", "text/plain"), ("picture", "image/png")],
)
def test_a_body_is_not_read_while_too_much_of_its_user_waits(path, kind):
    """Nothing holds it then, while the refusal waits."""
    talks = Slow()
    with serving(talks) as site:
        client, other = returning(site), returning(site)
        cookie = client.cookies["e6graph"]
        head = BODY_TO_COME[:-6].replace(b"/api/picture", f"/api/{path}".encode())
        head = head.replace(b"image/png", kind.encode())

        def slow():
            return say(site, "slow", Cookie=f"e6graph={cookie}").status_code

        with in_threads([slow] * (2 + WAITING_REQUESTS)) as statuses:
            until = time.monotonic() + 60
            while not statuses and time.monotonic() < until:
                time.sleep(0.01)
            assert statuses == [429]  # as many wait as may
            sent = head + f"\r\nCookie: e6graph={cookie}\r\n\r\n".encode()
            with opened_raw(site, sent) as connection:
                assert connection.recv(20).startswith(b"HTTP/1.1 429")
            assert say(site, "quick", other).status_code == 200
            talks.go.set()


def test_bodies_of_one_user_that_are_arriving_count_as_waiting(site):
    client, other = returning(site), returning(site)
    cookie = client.cookies["e6graph"].encode()
    sent = BODY_TO_COME.replace(b"/api/picture", b"/api/message")
    sent = sent.replace(b"image/png", b"application/json\r\nCookie: e6graph=" + cookie)
    with ExitStack() as stack:
        many = 3 + WAITING_REQUESTS
        held = [stack.enter_context(opened_raw(site, sent)) for _ in range(many)]
        refused = given_up(held, 2)
        assert len(refused) == 2
        assert all(one.recv(20).startswith(b"HTTP/1.1 429") for one in refused)
        assert say(site, "quick", other).status_code == 200
    until = time.monotonic() + 60
    while say(site, "quick", client).status_code == 429 and time.monotonic() < until:
        pass
    assert time.monotonic() < until  # whoever hangs up gives the places back


def test_pictures_that_wait_leave_threads_for_messages():
    talks = Slow()
    with serving(talks) as site:
        other, *clients = [returning(site) for _ in range(51)]

        def send(client):
            headers = {**ASKED_BY_PAGE, "Content-Type": "image/png"}
            return client.post(f"{site}/api/picture", PNG, headers=headers).status_code

        with in_threads([lambda c=client: send(c) for client in clients]) as statuses:
            for _ in range(web.THREADS_FOR_PICTURES):
                assert talks.begun.acquire(timeout=60)
            assert say(site, "quick", other).status_code == 200
            assert not statuses
            talks.go.set()
        assert statuses == [200] * 50


def test_one_picture_of_a_user_at_a_time():
    talks = Slow()
    with serving(talks) as site:
        client = returning(site)
        headers = {**ASKED_BY_PAGE, "Content-Type": "image/png"}

        def send():
            cookies = {"e6graph": client.cookies["e6graph"]}
            return requests.post(f"{site}/api/picture", PNG, headers=headers, cookies=cookies)

        with in_threads([send]) as answers:
            assert talks.begun.acquire(timeout=60)
            second = send()
            assert second.status_code == 429 and "One picture" in second.json()["error"]
            talks.go.set()
        assert answers[0].status_code == 200
        assert send().status_code == 200


def test_a_flood_without_cookies_leaves_threads_for_those_who_have_one():
    talks = Slow()
    with serving(talks) as site:
        client = returning(site)
        with in_threads([lambda: say(site, "slow").status_code] * 60) as statuses:
            assert talks.begun.acquire(timeout=60)
            assert say(site, "quick", client).status_code == 200
            assert not statuses
            talks.go.set()
        assert statuses == [200] * 60


def test_newcomers_together_have_a_share_of_the_time():
    async def enter_twice(spent):
        share, clock = Share(0.2), asyncio.get_running_loop().time
        with suppress(ZeroDivisionError):  # whatever becomes of the answer
            async with share:
                share.rest_after(spent)
                raise ZeroDivisionError
        left = clock()
        async with share:
            return clock() - left

    assert asyncio.run(enter_twice(0.1)) >= 0.39


def test_what_newcomers_ask_for_is_followed_by_a_rest(monkeypatch):
    rests = []
    monkeypatch.setattr(Share, "rest_after", lambda share, seconds: rests.append(seconds))
    with serving(Costly()) as site:
        client = returning(site)
        rests.clear()
        assert say(site, "burn", client).status_code == 200
        assert not rests
        assert say(site, "burn").status_code == 200
    assert len(rests) == 1 and rests[0] >= 0.1


LISTS = {
    "list": "/blacklist add\n" + "fox -night\n" * 300,
    "short list": "/blacklist add ~*a* ~*e*",  # matches most tags
    "without a slash": "blacklist add ~*a* ~*e*",
    "search": "/only *a*",
    "drawing": "Portrait",
}


class Costly(Slow):
    """Lists and completions wait as "slow" does; "burn" takes processor time."""

    def wait(self, user, message):
        until = time.thread_time() + 0.1
        while message == "burn" and time.thread_time() < until:
            pass
        return super().wait(user, "slow" if message in LISTS.values() else message)

    def complete(self, prefix, n=8):
        self.wait("", "slow")
        return super().complete(prefix, n)


@pytest.mark.parametrize("sent", [*LISTS, "file", "slow", "complete"])
def test_costly_requests_leave_threads_for_others(monkeypatch, sent):
    monkeypatch.setattr(web, "COSTLY_SECONDS", 0.05)
    talks = Costly()
    with serving(talks) as site:
        other, *clients = [returning(site) for _ in range(51)]
        if sent == "slow":  # their last answer has shown what they cost
            for client in clients:
                say(site, "burn", client)
        if sent == "file":
            talks.answer = lambda user, message: talks.wait(
                user, "slow" if isinstance(message, messages.TextFile) else message
            )

        def send(client):
            if sent == "complete":
                return client.get(f"{site}/api/complete?q=fox").status_code
            if sent == "file":
                headers = {**ASKED_BY_PAGE, "Content-Type": "text/plain"}
                return client.post(f"{site}/api/blacklist", b"fox", headers=headers).status_code
            return say(site, LISTS.get(sent, sent), client).status_code

        rooms = {"complete": web.THREADS_FOR_COMPLETION}
        with in_threads([lambda c=client: send(c) for client in clients]) as statuses:
            for _ in range(rooms.get(sent, web.THREADS_FOR_COSTLY)):
                assert talks.begun.acquire(timeout=60)
            assert say(site, "quick", other, timeout=60).status_code == 200
            assert not statuses
            talks.go.set()
        assert statuses == [200] * 50


def test_slow_answers_give_their_place_to_others():
    """Nobody could know that they would be slow, and what they wait for may not end soon."""
    talks = Slow()
    with serving(talks) as site:
        other, *clients = [returning(site) for _ in range(2 * web.THREADS_FOR_ANSWERS + 1)]
        with in_threads([lambda c=c: say(site, "slow", c).status_code for c in clients]) as got:
            for _ in clients:
                assert talks.begun.acquire(timeout=60)
            assert say(site, "quick", other, timeout=60).status_code == 200
            assert other.get(f"{site}/api/taste", timeout=60).status_code == 200
            assert not got
            talks.go.set()
        assert got == [200] * len(clients)


def test_a_user_is_costly_for_a_time(monkeypatch):
    monkeypatch.setattr(web, "COSTLY_SECONDS", 0.05)
    monkeypatch.setattr(web, "COSTLY_FOR", 0.0)
    talks = Costly()
    with serving(talks) as site:
        clients = [returning(site) for _ in range(web.THREADS_FOR_COSTLY + 1)]
        for client in clients:
            say(site, "burn", client)
        with in_threads([lambda c=client: say(site, "slow", c) for client in clients]):
            for _ in clients:
                assert talks.begun.acquire(timeout=60)
            talks.go.set()


def opened_raw(site, sent=b""):
    place = urlsplit(site)
    connection = socket.create_connection((place.hostname, place.port), timeout=60)
    connection.sendall(sent)
    return connection


UNFINISHED = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
BODY_TO_COME = (
    b"POST /api/picture HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: none\r\n"
    b"Content-Type: image/png\r\nContent-Length: 1000000\r\n\r\nxx"
)


@pytest.mark.parametrize("sent", [b"", UNFINISHED, BODY_TO_COME, b"GET / HTTP/1.1\r\n\r\n"])
def test_unfinished_requests_lock_nobody_out(site, monkeypatch, sent):
    monkeypatch.setattr(connections, "OPEN_CONNECTIONS", 20)
    monkeypatch.setattr(connections, "HEADER_SECONDS", 600)
    monkeypatch.setattr(web, "BODY_SECONDS", 600)
    with ExitStack() as stack:
        held = [stack.enter_context(opened_raw(site, sent)) for _ in range(50)]
        for _ in range(3):
            assert say(site, "let me in").status_code == 200
        ended = [one for one in held if ends(one)]
        assert len(ended) >= 30


def ends(connection):
    """Whether the other side has closed a connection."""
    connection.settimeout(0.01)
    try:
        while connection.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_an_address_has_a_share_of_the_connections(site, monkeypatch):
    monkeypatch.setattr(connections, "most_connections", lambda address: 5)
    with ExitStack() as stack:
        held = [stack.enter_context(opened_raw(site, UNFINISHED)) for _ in range(5)]
        assert not any(map(ends, held))
        held.append(stack.enter_context(opened_raw(site, UNFINISHED)))
        until = time.monotonic() + 60
        while not ends(held[0]) and time.monotonic() < until:
            pass
        assert [ends(one) for one in held] == [True, *[False] * 5]  # the oldest made room


def test_who_is_being_answered_is_not_sent_away_for_another(monkeypatch):
    talks = Slow()
    monkeypatch.setattr(connections, "OPEN_CONNECTIONS", 3)
    with serving(talks) as site:
        clients = [returning(site) for _ in range(2)]
        slow = [lambda c=client: say(site, "slow", c).status_code for client in clients]
        with in_threads(slow) as statuses:
            for _ in range(2):
                assert talks.begun.acquire(timeout=60)
            with opened_raw(site, UNFINISHED) as idle:
                assert requests.get(site).status_code == 200
                assert ends(idle)
            talks.go.set()
        assert statuses == [200, 200]
        talks.go.clear()
        with in_threads(slow):
            for _ in range(2):
                assert talks.begun.acquire(timeout=60)
            monkeypatch.setattr(connections, "OPEN_CONNECTIONS", 2)
            refused = requests.get(site)
            assert refused.status_code == 503 and "try again" in refused.text
            talks.go.set()


@pytest.mark.parametrize(
    "sent", [b"", UNFINISHED, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2 + UNFINISHED]
)
def test_headers_have_a_time_limit_however_they_drip(site, monkeypatch, sent):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    with opened_raw(site, sent) as connection:
        until = time.monotonic() + 60
        while not ends(connection) and time.monotonic() < until:
            with suppress(ConnectionError):
                connection.send(b"x")
        assert time.monotonic() < until


def test_a_body_that_nobody_reads_has_a_time_limit(site, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    sent = BODY_TO_COME.replace(b"/api/picture", b"/nothing")
    with opened_raw(site, sent) as connection:
        until = time.monotonic() + 60
        while not ends(connection) and time.monotonic() < until:
            with suppress(ConnectionError):
                connection.send(b"x")
        assert time.monotonic() < until


def test_an_answer_that_is_not_read_has_a_time_limit(site, talks, monkeypatch):
    monkeypatch.setattr(connections, "EXCHANGE_SECONDS", 0.3)
    lost, usual_end = threading.Event(), connections.Connection.connection_lost

    def note_the_end(self, error):
        usual_end(self, error)
        lost.set()

    monkeypatch.setattr(connections.Connection, "connection_lost", note_the_end)
    usual, long = talks.answer, [Reply("x" * 30_000_000)]
    talks.answer = lambda user, text: long
    body = b'{"text": "x"}'
    head = BODY_TO_COME[:-2].replace(b"/api/picture", b"/api/message")
    head = head.replace(b"image/png", b"application/json").replace(b"1000000", b"13")
    with opened_raw(site, head + body) as connection:
        assert lost.wait(60)
        received = 0
        with suppress(ConnectionError):
            while piece := connection.recv(1_000_000):
                received += len(piece)
        assert received < 30_000_000  # what the system held, not all of it
    talks.answer = usual
    assert say(site, "still there?").status_code == 200


def test_bodies_that_fill_the_memory_make_room_for_later_ones(talks, monkeypatch):
    monkeypatch.setattr(web, "ARRIVING_BYTES", 1_000_000)
    part = BODY_TO_COME + bytes(400_000)
    with serving(talks) as small, ExitStack() as stack:
        held = [stack.enter_context(opened_raw(small, part)) for _ in range(6)]
        assert len(given_up(held, 4)) == 4  # two fit; so all six have arrived then
        headers = {**ASKED_BY_PAGE, "Content-Type": "image/png"}
        answer = requests.post(f"{small}/api/picture", bytes(500_000), headers=headers)
        assert answer.status_code == 200
        ended = given_up(held, 5)
        assert len(ended) == 5
        assert all(one.recv(20).startswith(b"HTTP/1.1 408") for one in ended)


def given_up(connections, number):
    """Wait until so many of some connections have got an answer; return those."""
    until, answered = time.monotonic() + 60, []
    while len(answered) < number and time.monotonic() < until:
        answered = select.select(connections, [], [], 1.0)[0]
        time.sleep(0.01)
    return answered


def test_who_has_said_nothing_yet_costs_nobody_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions_module, "OPEN_TALKS", 5)
    monkeypatch.setattr(sessions_module, "NEWCOMERS", 8)
    with (
        Profiles(tmp_path / "profiles.sqlite", max_users=5) as profiles,
        serving(Sessions(FakeGraph(), profiles)) as site,
    ):
        ann = returning(site)
        for text in ("/enjoy fox", "/walk"):
            say(site, text, ann)
        for text in [
            "/start",
            "/enjoy owl",
            "/walk",
            "/surprise",
            "/like 10",
            "/blacklist add owl",
        ] * 5:
            made_up = f"e6graph={os.urandom(16).hex()}"
            for cookie in ("", made_up):
                assert say(site, text, Cookie=cookie).status_code == 200
                requests.get(f"{site}/api/taste", headers={"Cookie": cookie})
            requests.get(f"{site}/api/export")
        assert "you enjoy fox" in say(site, "/why", ann).json()["replies"][0]["text"]
        bob = requests.Session()  # says something at once, and comes back
        assert "You enjoy owl" in say(site, "/enjoy owl", bob).text
        assert bob.get(f"{site}/api/taste").json()["enjoys"] == ["owl"]
        assert say(site, "/walk", bob).json()["replies"][0]["post"]["id"] in (13, 14)
        user = "web:" + hashlib.sha256(bob.cookies["e6graph"].encode()).hexdigest()
        assert profiles.load(user).enjoys == ["owl"] and len(profiles.load(user).seen) == 1


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({}, False),
        ({"X-Forwarded-Proto": "https"}, True),
        ({"X-Forwarded-Proto": "HTTPS, http"}, True),
        ({"X-Forwarded-Proto": "http"}, False),
        ({"Forwarded": 'for=192.0.2.60;proto="https";by=203.0.113.43'}, True),
        ({"Forwarded": "for=192.0.2.60; Proto=https"}, True),
        ({"Forwarded": "for=192.0.2.60;proto=http"}, False),
        ({"Origin": "https://my.board"}, True),
        ({"Origin": "http://my.board"}, False),
    ],
)
def test_a_cookie_over_tls_is_secure(talks, headers, secure):
    with serving(talks, ["my.board"]) as site:
        cookie = say(site, "hello", Host="my.board", **headers).headers["set-cookie"]
        assert cookie.endswith("; Secure") == secure


def test_a_browser_without_fetch_metadata_may_post_over_tls(talks):
    headers = {"Content-Type": "application/json", "Host": "my.board"}
    with serving(talks, ["my.board"]) as site:
        for origin, status in [
            ("https://my.board", 200),
            ("http://my.board", 200),
            ("https://my.board.evil.example", 403),
            ("https://evil.example", 403),
        ]:
            sent = headers | {"Origin": origin}
            answer = requests.post(f"{site}/api/message", '{"text": "x"}', headers=sent)
            assert answer.status_code == status, origin


# -- the process -----------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_and_ends_cleanly(tmp_path, number):
    program = "\n".join(
        [
            "import sys; sys.path[:0] = sys.argv[1:]",
            "from test_web import FakeSessions, web",
            "web.serve(FakeSessions(), web.listen(port=0), '127.0.0.1')",
            "print('after')",
        ]
    )
    here = Path(__file__).resolve().parent
    command = [sys.executable, "-c", program, str(here), str(here.parent)]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, cwd=tmp_path) as process:
        line = process.stdout.readline()
        address = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/  \(Ctrl-C ends it\)\n", line)[1]
        assert requests.get(address).status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "after\n", "")


def test_a_request_that_the_end_cuts_off_is_answered(tmp_path):
    program = "\n".join(
        [
            "import sys, time; sys.path[:0] = sys.argv[1:]",
            "from test_web import FakeSessions, web",
            "class Slow(FakeSessions):",
            "    def reply(self, user, message):",
            "        if message == '/walk':",
            "            print('slow', flush=True)",
            "            time.sleep(8)",  # the server waits 3 s
            "        return super().reply(user, message)",
            "web.serve(Slow(), web.listen(port=0), '127.0.0.1')",
        ]
    )
    here = Path(__file__).resolve().parent
    command = [sys.executable, "-c", program, str(here), str(here.parent)]
    with (
        subprocess.Popen(command, stdout=-1, stderr=-1, text=True, cwd=tmp_path) as process,
        ThreadPoolExecutor() as pool,
    ):
        address = process.stdout.readline().split()[0].rstrip("/")
        answer = pool.submit(say, address, "/walk", returning(address))
        assert process.stdout.readline() == "slow\n"
        process.terminate()
        answer = answer.result(PATIENCE)
        assert (answer.status_code, answer.text) == (503, "This server is ending.\n")
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and "Traceback" not in err and err.count("\n") <= 1


RUN = """
import sys, time
from argparse import Namespace
from contextlib import contextmanager
sys.path[:0] = sys.argv[1:3]
from fake_graph import FakeGraph
from e6graph import cli
from e6graph.chat import web
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions

class Room:
    @contextmanager
    def sessions(self, commands):
        with Profiles("profiles.sqlite") as profiles:
            profiles.enjoy("bob", ["fox"])
            print("loading", flush=True)
            if sys.argv[3] == "loads":
                time.sleep(60)
            yield Sessions(FakeGraph(), profiles)

sys.exit(cli.run(lambda: web.run(Namespace(host="127.0.0.1", port=0), Room())))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["serves", "loads"])
def test_a_signal_closes_the_profiles_whenever_it_comes(tmp_path, number, when):
    here = Path(__file__).resolve().parent
    command = [sys.executable, "-c", RUN, str(here), str(here.parent), when]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, cwd=tmp_path) as process:
        assert process.stdout.readline() == "loading\n"
        with ExitStack() as stack:
            if when == "serves":
                address = process.stdout.readline().split()[0].rstrip("/")
                client = returning(address)
                assert "You enjoy owl" in say(address, "/enjoy owl", client).text
                assert (tmp_path / "profiles.sqlite-wal").exists()
                # Nobody waits for requests that do not go on.
                for sent in (b"", UNFINISHED, BODY_TO_COME):
                    stack.enter_context(opened_raw(address, sent))
                assert say(address, "/help").status_code == 200  # so those have arrived
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
    assert process.returncode == (0 if when == "serves" else 130)
    assert "Traceback" not in err and err.count("\n") == (when == "loads")
    assert [path.name for path in tmp_path.iterdir()] == ["profiles.sqlite"]
    with Profiles(tmp_path / "profiles.sqlite") as kept:
        assert kept.knows("bob")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (PICTURE, "I think I see: fox 90%"),
        (b"no picture", "expected a whole JPEG, PNG, GIF, WebP or BMP picture"),
    ],
)
def test_a_picture_is_read_by_the_process_of_its_own(tmp_path, sent, said):
    with (
        Profiles(tmp_path / "profiles.sqlite") as profiles,
        closing(PictureReader()) as reader,
        serving(Sessions(FakeGraph(), profiles, reader=reader)) as site,
    ):
        client = returning(site)
        headers = {**ASKED_BY_PAGE, "Content-Type": "image/gif"}
        answer = client.post(f"{site}/api/picture", sent, headers=headers)
        assert said in answer.json()["replies"][0]["text"]
        assert reader.process_id


def test_a_port_or_address_that_cannot_be_had_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(E6GraphError) as error:
            web.listen("127.0.0.1", port)
    assert str(error.value) == (
        f"cannot listen on 127.0.0.1, port {port}: another program uses it; give another --port"
    )
    for host in ("no.such.host.invalid", "192.0.2.1", ""):  # the second: RFC 5737
        with pytest.raises(E6GraphError) as error:
            web.listen(host, 0)
        assert str(error.value) == (
            f"cannot listen on {host}, port 0: {host!r} is not an address of this machine; "
            "give another --host"
        )
    for port in (70_000, -1):
        with pytest.raises(E6GraphError, match="expected a port of 0 to 65535"):
            web.listen("127.0.0.1", port)


WITHOUT = """
import runpy, sys
sys.modules[sys.argv[1]] = None
sys.argv = ["bot.py", *sys.argv[2:]]
runpy.run_path("bot.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("module", "option", "packages"),
    [
        ("starlette", "--web", "starlette uvicorn"),
        ("uvicorn", "--web", "starlette uvicorn"),
        ("threadpoolctl", "--web", "threadpoolctl"),
        ("telegram", "--telegram", "python-telegram-bot"),
    ],
)
def test_a_missing_package_is_one_line(module, option, packages):
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT, module, option],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1 and "Traceback" not in run.stderr
    assert f"pip install {packages}" in run.stderr


# -- the page in a browser -------------------------------------------------------------------------
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def board(tmp_path):
    """The address of a page over the twelve posts, half of which have a preview."""
    for post_id in list(BOARD)[::2]:
        path = preview_path(tmp_path, f"{post_id:032x}")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = io.BytesIO()
        Image.new("RGB", (64, 48), "orange").save(picture, "JPEG")
        path.write_bytes(picture.getvalue())
    with (
        Profiles(tmp_path / "profiles.sqlite") as profiles,
        serving(Sessions(FakeGraph(), profiles, tmp_path)) as address,
    ):
        yield address


@contextmanager
def opened(browser, address, **options):
    """The page; at the end it must have asked nobody else and reported no error."""
    asked, errors = set(), []
    context = browser.new_context(reduced_motion="reduce", **options)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.on("request", lambda request: asked.add(urlsplit(request.url)[:2]))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: line.type == "error" and errors.append(line.text))
    page.goto(address)
    rest(page)
    yield page
    context.close()
    assert asked - {("blob", "")} == {tuple(urlsplit(address)[:2])}
    assert errors == []


def rest(page):
    page.wait_for_selector("body:not(.busy)")


def send(page, text):
    page.fill("#box", text)
    page.press("#box", "Enter")
    rest(page)


def press(page, key):
    page.locator("#box").blur()
    page.keyboard.press(key)
    rest(page)


def chips(page, kind):
    return page.locator(f".chip.{kind} span").all_inner_texts()


def test_enjoy_tour_like_taste_forget(browser, board):
    with opened(browser, board) as page:
        assert "learn what you like" in page.inner_text(".message")
        page.locator("#box").press_sequentially("fo")
        page.wait_for_selector("#options li")
        assert page.get_attribute("#box", "aria-expanded") == "true"
        page.press("#box", "ArrowUp")  # round to the last
        page.press("#box", "ArrowDown")
        first = page.locator("#options li").first
        assert first.get_attribute("aria-selected") == "true"
        assert page.get_attribute("#box", "aria-activedescendant") == first.get_attribute("id")
        page.press("#box", "Enter")
        assert page.input_value("#box") == "fox "
        page.press("#box", "Enter")
        rest(page)
        assert chips(page, "up") == ["fox"]
        page.get_by_role("button", name="Walk", exact=True).last.click()
        rest(page)
        card = page.locator(".card").last
        number = card.get_attribute("data-post")
        assert number in ("10", "11", "12", "16", "18")
        assert "you enjoy fox" in card.inner_text().lower()
        image = card.locator("img")
        assert image.get_attribute("alt") == card.locator("h3").inner_text()
        assert image.evaluate("image => image.complete && image.naturalWidth") in (64, 256)
        link = card.locator("h3 a")
        assert link.get_attribute("href") == f"https://e621.net/posts/{number}"
        assert link.get_attribute("rel") == "noopener noreferrer"
        press(page, "l")
        assert page.locator(".card").count() == 2  # the tour goes on
        assert page.locator(f".card.liked[data-post='{number}']").count() == 1
        assert page.locator("#kept .thumbnails li").count() == 1
        assert "Learned: more of" in page.inner_text("#kept")
        learned = page.locator("#kept .tag", has_text=re.compile("^fox$"))
        assert learned.get_attribute("class") == "tag species"
        colors = [
            tag.evaluate("tag => getComputedStyle(tag).color")
            for tag in (learned, page.locator(".card .tag.species").last)
        ]
        assert colors[0] == colors[1] != page.evaluate("getComputedStyle(document.body).color")
        press(page, "d")
        assert "Disliked (1)" in page.inner_text("#kept")
        press(page, "w")
        assert "left out" in page.locator(".message").last.inner_text()
        press(page, "s")
        assert page.locator(".card").count() == 4
        assert "posts seen, 1 skipped" in page.inner_text("#kept")
        page.reload()
        rest(page)
        assert chips(page, "up") == ["fox"]  # the cookie is the user
        page.get_by_label("Remove fox").first.click()
        rest(page)
        assert chips(page, "up") == []
        page.get_by_role("button", name="Forget me").click()
        rest(page)
        page.get_by_role("button", name=commands.button("yes"), exact=True).click()
        rest(page)
        assert "was deleted" in page.locator(".message").last.inner_text()
        assert page.locator("#kept .thumbnails").count() == 0
        assert "0 posts seen" in page.inner_text("#kept")


def test_the_dial_is_turned_by_keys_and_by_words(browser, board):
    with opened(browser, board) as page:
        dial = page.get_by_role("slider", name="Variety")
        assert dial.input_value() == "0.5" and page.locator("#undial").is_hidden()
        assert re.sub(r"\s+", " ", page.inner_text("#ends")).strip() == "alike varied"
        assert dial.get_attribute("aria-describedby") == "ends"
        dial.focus()
        for _ in range(4):  # one message, where it rests
            page.keyboard.press("ArrowRight")
        page.wait_for_selector("text=Variety is 0.7 now")
        rest(page)
        assert page.locator(".message", has_text="Variety is").count() == 1
        assert dial.input_value() == page.inner_text("#number") == "0.7"
        assert page.evaluate("document.activeElement.id") == "variety"
        send(page, "/variety 20%")
        assert dial.input_value() == "0.2" and page.inner_text("#number") == "0.2"
        page.reload()
        rest(page)
        assert dial.input_value() == "0.2"
        dial.focus()
        page.keyboard.press("End")
        page.wait_for_selector("text=Variety is 1 now")
        rest(page)
        page.keyboard.press("Home")
        page.locator("#undial").click()  # before the turn is sent, which then is not
        page.wait_for_selector("text=the default again")
        page.wait_for_timeout(600)
        rest(page)
        assert dial.input_value() == "0.5" and page.locator("#undial").is_hidden()


def test_a_mood_is_shown_and_ended_with_a_click(browser, board):
    with opened(browser, board) as page:
        send(page, "/enjoy fox")
        assert page.locator("#mood").is_hidden()
        page.get_by_label("In the mood for: add").click()
        assert page.input_value("#box") == "/mood "
        page.locator("#box").press_sequentially("ow")
        page.wait_for_selector("#options li")
        page.press("#box", "Tab")
        page.press("#box", "Enter")
        rest(page)
        assert page.inner_text("#mood span") == "owl"
        page.get_by_label("In the mood for: add").click()
        assert page.input_value("#box") == "/mood owl "  # adds to it
        page.fill("#box", "")
        assert "owl" in page.locator("#kept section").first.inner_text()
        send(page, "/walk")
        assert "in the mood for owl" in page.locator(".card .why").last.inner_text()
        press(page, "l")
        assert "Learned in this mood: more of" in page.inner_text("#kept")
        page.get_by_role("button", name="End the mood owl").click()
        rest(page)
        assert page.locator("#mood").is_hidden()
        assert "nothing now" in page.locator("#kept section").first.inner_text()
        assert "Learned" not in page.inner_text("#kept")  # the like was of the mood alone
        assert "Liked (1)" in page.inner_text("#kept")


def test_what_is_only_shown_taken_back_and_dropped(browser, board):
    with opened(browser, board) as page:
        assert page.locator("#only").is_hidden()
        send(page, "/enjoy fox -web, nihgt")
        page.locator(".choices button", has_text="Enjoy night").click()
        rest(page)
        assert chips(page, "up") == ["fox", "night"] and chips(page, "down") == ["web"]
        send(page, "only night")
        assert page.locator("#only").inner_text().startswith("only night")
        page.locator("#only").click()
        rest(page)
        assert page.locator("#only").is_hidden()
        send(page, "walk")
        press(page, "l")
        liked = page.locator(".card").first.get_attribute("data-post")
        press(page, "u")
        assert page.locator(".message", has_text=f"Taken back: liked #{liked}").count() == 1
        assert page.locator(".card").last.get_attribute("data-post") == liked
        assert page.locator(".card.liked").count() == 0
        page.locator("#box").press_sequentially("/drop e")
        page.locator("#options li").first.wait_for()
        assert page.locator("#options li").all_inner_texts() == ["web\nyou avoid it"]


def test_a_preview_that_comes_later_takes_its_place(browser, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(picture, "JPEG")
    asked = []
    with (
        Profiles(tmp_path / "profiles.sqlite") as profiles,
        serving(
            Sessions(FakeGraph(), profiles, tmp_path, fetch=lambda post: not asked.append(post))
        ) as address,
        opened(browser, address) as page,
    ):
        send(page, "/enjoy fox")
        send(page, "/walk")
        image = page.locator(".card img")
        wide = "image => image.complete && image.naturalWidth"
        while not image.evaluate(wide):
            page.wait_for_timeout(20)
        assert image.evaluate(wide) != 64  # what is drawn in its place
        path = preview_path(tmp_path, asked[0].md5)
        path.parent.mkdir(parents=True)
        path.write_bytes(picture.getvalue())
        until = time.monotonic() + PATIENCE
        while image.evaluate(wide) != 64 and time.monotonic() < until:
            page.wait_for_timeout(50)
        assert image.evaluate(wide) == 64
    assert len(asked) == 1


def test_keys_do_nothing_while_typing_and_text_stays_text(browser, board):
    with opened(browser, board) as page:
        send(page, "/enjoy fox")
        send(page, "/walk")
        cards = page.locator(".card").count()
        page.locator("#box").press_sequentially("lds/?")
        assert page.input_value("#box") == "lds/?"
        assert page.locator(".card").count() == cards == 1
        send(page, "<img src=x onerror=alert(1)><b>bold</b>")
        assert "<b>bold</b>" in page.locator(".mine").last.inner_text()
        assert page.locator("#log b, .mine img").count() == 0
        press(page, "?")
        assert page.locator("#keys").is_visible()
        page.keyboard.press("Escape")
        press(page, "/")
        assert page.evaluate("document.activeElement.id") == "box"
        send(page, "/walk")
        press(page, "m")
        assert page.locator(".gallery .card").count() >= 2
        send(page, "/export")
        with page.expect_download() as download:
            page.locator(".message a[download]").click()
        assert download.value.suggested_filename == "e6graph-taste.json"
        assert json.loads(Path(download.value.path()).read_text("utf-8"))
        send(page, "/blacklist add spider")
        assert "spider" in page.inner_text("#kept")


PASTE = """(text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
  document.getElementById("box").dispatchEvent(event);
}"""


def test_a_blacklist_is_pasted_whole_or_dropped_as_a_file(browser, board):
    with opened(browser, board) as page:
        page.fill("#box", "/blacklist add")
        page.evaluate(PASTE, "spider\r\nowl # not at night\r\n")
        rest(page)
        assert "Added 2 of 2 lines" in page.locator(".message").last.inner_text()
        page.evaluate(DROP, [[*b"PICTURE"], "mine.txt", "text/plain"])
        rest(page)
        assert "hides nothing here: PICTURE" in page.locator(".message").last.inner_text()
        kept = page.inner_text("#kept")
        assert "spider" in kept and "owl # not at night" in kept and "PICTURE" in kept


def test_favorites_are_pasted_or_dropped_as_a_file(browser, board):
    with opened(browser, board) as page:
        page.evaluate(DROP, [[*b"12\n10"], "posts.txt", "text/plain"])  # its content tells
        rest(page)
        assert "I took in 2 favorites." in page.locator(".message").last.inner_text()
        assert "favorites: 2" in page.inner_text("#kept")
        page.evaluate(DROP, [[*b'[{"id": 12}, {"id": 13}, 14]'], "x.json", "application/json"])
        rest(page)
        assert "I took in 3 favorites." in page.locator(".message").last.inner_text()
        page.fill("#box", "/favorites")
        page.evaluate(PASTE, "15\r\n16\r\n")
        rest(page)
        said = page.locator(".message").last.inner_text()
        assert "I took in 2 favorites." in said and "2 are new, 3 are gone" in said


DROP = """([bytes, name, kind]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(bytes)], name, { type: kind }));
  document.dispatchEvent(new DragEvent("dragover", { dataTransfer, cancelable: true }));
  const covered = document.body.classList.contains("dropping");
  document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
  return covered;
}"""


def test_a_picture_by_drop_and_by_choice(browser, board):
    with opened(browser, board) as page:
        assert page.evaluate(DROP, [[*PICTURE], "fox.gif", "image/gif"])
        rest(page)
        assert "I think I see: fox 90%" in page.inner_text("#log")
        assert page.locator(".gallery .card").count() == 3
        page.evaluate(DROP, [[*PICTURE], "fox.pdf", "application/pdf"])
        said = page.locator(".error").last.inner_text()
        assert said == "fox.pdf is neither a picture nor a .txt, .json or .csv."
        picture = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}
        page.set_input_files("#file", picture)
        rest(page)
        assert "expected a whole JPEG, PNG" in page.locator(".message").last.inner_text()


def test_two_browsers_are_two_users(browser, board):
    with opened(browser, board) as one, opened(browser, board) as two:
        send(one, "/enjoy fox")
        send(two, "/enjoy owl")
        assert (chips(one, "up"), chips(two, "up")) == (["fox"], ["owl"])
        one.reload()
        rest(one)
        assert chips(one, "up") == ["fox"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_scrolls_only_down(browser, board, theme):
    phone = {"width": 390, "height": 844}
    with opened(browser, board, viewport=phone, color_scheme=theme, has_touch=True) as page:
        send(page, "/enjoy fox night")
        send(page, "/walk")
        send(page, "/more")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate("document.getElementById('log').scrollWidth") == 390
        assert page.locator("#taste").is_hidden()
        send(page, "/mood owl night forest meadow")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.locator("#mood span").evaluate("span => span.clientWidth") > 40
        heights = page.locator("#shortcuts button").evaluate_all(
            "all => all.map((button) => button.clientHeight)"
        )
        assert max(heights) < 40  # each on one line
        page.click("#show-taste")
        assert page.locator("#taste").is_visible()
        page.locator("#variety").focus()
        page.keyboard.press("Home")
        page.wait_for_selector("#undial:not([hidden])")
        assert page.locator("#taste").is_visible()
        page.click("#undial")
        page.wait_for_selector("#undial", state="hidden")
        assert page.locator("#taste").is_visible()
        page.click("#hide-taste")
        page.click("#show-taste")
        assert page.evaluate("document.activeElement.id") == "hide-taste"
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.id") == "show-taste"
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        before = page.evaluate(ground)
        assert (before == "rgb(21, 47, 86)") == (theme == "dark")
        page.click("#theme")
        assert page.evaluate(ground) != before
        page.reload()
        rest(page)
        assert page.evaluate(ground) != before  # it is remembered


def test_a_server_that_went_is_said(browser, tmp_path):
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        context = browser.new_context()
        page = context.new_page()
        with serving(Sessions(FakeGraph(), profiles)) as address:
            page.goto(address)
            rest(page)
        send(page, "/walk")
        assert "does not answer" in page.locator(".error").inner_text()
        context.close()
