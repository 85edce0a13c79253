"""The preview cache, filled from a loopback server that misbehaves on cue."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from conftest import PATIENCE
from http_server import Answer, Clock, serving

from e6graph.errors import BadInput, DownloadError
from e6graph.hydrate import client, previews
from e6graph.hydrate.previews import PreviewCounts, fetch_previews, preview_path, preview_url

MD5S = [hashlib.md5(str(number).encode()).hexdigest() for number in range(40)]
PICTURE = b"\xff\xd8\xff\xe0" + bytes(500)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


def address(md5: str) -> str:
    return f"/data/preview/{md5[:2]}/{md5[2:4]}/{md5}.jpg"


def fetch(site, root, md5s, **options) -> PreviewCounts:
    settings = {
        "delay": 0,
        "backoff": 0.001,
        "timeout": (PATIENCE, PATIENCE),
        "user_agent": "tester",
    }
    return fetch_previews(md5s, root, site.url, **(settings | options))


def test_paths_and_addresses():
    md5 = "abcdef0123456789" * 2
    assert preview_path("cache", md5) == Path("cache/data/preview/ab/cd") / f"{md5}.jpg"
    assert preview_url("https://static/", md5) == f"https://static/data/preview/ab/cd/{md5}.jpg"


@pytest.mark.parametrize(
    "md5",
    [
        "",
        "ab",
        "A" * 32,
        "g" * 32,
        "../" + "a" * 29,
        "a" * 32 + "\n",
        "a" * 33,
        None,
        b"a" * 32,
    ],
)
def test_no_path_is_built_of_anything_but_an_md5(site, tmp_path, md5):
    with pytest.raises(BadInput, match="32 lower-case hex"):
        preview_path(tmp_path, md5)
    with pytest.raises(BadInput):
        fetch(site, tmp_path, [MD5S[0], md5])
    assert site.asked == [] and list(tmp_path.iterdir()) == []


def test_fetches_what_is_missing_and_remembers(site, tmp_path):
    for md5 in MD5S[:3]:
        site.put(address(md5), Answer(PICTURE))
    already = preview_path(tmp_path, MD5S[0])
    already.parent.mkdir(parents=True)
    already.write_bytes(b"as it was")
    wanted = [*MD5S[:5], MD5S[1]]  # one twice, two that the site has not
    assert fetch(site, tmp_path, wanted) == PreviewCounts(had=1, fetched=2, missing=2)
    assert already.read_bytes() == b"as it was"
    assert preview_path(tmp_path, MD5S[1]).read_bytes() == PICTURE
    assert sorted((tmp_path / "missing.txt").read_text().split()) == sorted(MD5S[3:5])
    assert sorted(asked.path for asked in site.asked) == sorted(map(address, MD5S[1:5]))
    assert {asked.headers["User-Agent"] for asked in site.asked} == {
        "e6graph/0.1.0 (by tester)"
    }
    assert fetch(site, tmp_path, wanted) == PreviewCounts(had=3, missing=2)
    assert len(site.asked) == 4
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 4


def test_limits(site, tmp_path):
    for md5 in MD5S:
        site.put(address(md5), Answer(PICTURE))
    assert fetch(site, tmp_path, MD5S, limit=3) == PreviewCounts(fetched=3)
    assert fetch(site, tmp_path, MD5S, limit=3) == PreviewCounts(had=3, fetched=3)
    assert fetch(site, tmp_path, MD5S, minutes=0) == PreviewCounts(had=6)
    with pytest.raises(BadInput, match="connections"):
        fetch(site, tmp_path, MD5S, connections=3)
    with pytest.raises(BadInput, match="web address"):
        fetch_previews(MD5S, tmp_path, "static", "tester")
    assert len(site.asked) == 6


def test_the_delay_holds_over_all_connections(site, tmp_path, monkeypatch):
    clock = Clock(frozen=True)
    monkeypatch.setattr(client, "time", clock)
    for md5 in MD5S[:6]:
        site.put(address(md5), Answer(PICTURE))
    assert fetch(site, tmp_path, MD5S[:6], delay=10).fetched == 6
    assert sorted(clock.slept) == [0, 10, 20, 30, 40, 50]


def test_a_site_that_wants_a_long_rest_gets_it(site, tmp_path):
    busy = Answer(status=429, headers={"Retry-After": "7200"})
    site.put(address(MD5S[0]), Answer(PICTURE))
    for md5 in MD5S[1:]:
        site.put(address(md5), busy)
    with pytest.raises(DownloadError, match="status 429, the site asks to wait 120 minutes"):
        fetch(site, tmp_path, MD5S, connections=1)
    assert len(site.asked) == 2 and preview_path(tmp_path, MD5S[0]).is_file()


@pytest.mark.parametrize(
    "start", [b"\xff\xd8\xff\xdb", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\n\n\n\nWEBPVP8 "]
)
def test_pictures_of_all_kinds(site, tmp_path, start):
    site.put(address(MD5S[0]), Answer(start + b"rest"))
    assert fetch(site, tmp_path, MD5S[:1]) == PreviewCounts(fetched=1)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>try later</html>"),
        Answer(b""),
        Answer(PICTURE, stop_after=100),
        Answer(PICTURE + bytes(3 << 20)),
        Answer(status=500),
        Answer(status=403),
        Answer(status=302, headers={"Location": "/round"}),
    ],
)
def test_a_broken_answer_is_counted_and_leaves_nothing(site, tmp_path, answer):
    site.put(address(MD5S[0]), answer)
    site.put(address(MD5S[1]), Answer(PICTURE))
    site.put("/round", Answer(status=302, headers={"Location": "/round"}))
    assert fetch(site, tmp_path, MD5S[:2]) == PreviewCounts(fetched=1, failed=1)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [preview_path(tmp_path, MD5S[1])]  # nor is it remembered as missing


def test_retries(site, tmp_path):
    limited = Answer(status=429, headers={"Retry-After": "0"})
    site.put(address(MD5S[0]), limited, Answer(PICTURE, stop_after=9), Answer(PICTURE))
    assert fetch(site, tmp_path, MD5S[:1]) == PreviewCounts(fetched=1)
    assert len(site.asked) == 3


def test_stops_when_too_many_fail_in_a_row(site, tmp_path):
    site.put(address(MD5S[0]), Answer(PICTURE))
    for md5 in MD5S[1:]:
        site.put(address(md5), Answer(status=403))
    with pytest.raises(DownloadError, match="10 previews in a row failed") as caught:
        fetch(site, tmp_path, MD5S, connections=1)
    assert "403" in str(caught.value) and "\n" not in str(caught.value)
    assert len(site.asked) == 11 and preview_path(tmp_path, MD5S[0]).is_file()


def test_a_wrong_host_is_not_taken_for_deleted_posts(site, tmp_path, monkeypatch):
    monkeypatch.setattr(previews, "MISSING_IN_A_ROW", 20)
    with pytest.raises(DownloadError, match="host for pictures"):
        fetch(site, tmp_path, MD5S)
    assert not (tmp_path / "missing.txt").exists()
    site.put(address(MD5S[19]), Answer(PICTURE))  # one that comes proves the others gone
    assert fetch(site, tmp_path, MD5S[:30], connections=1).missing == 29
    assert len((tmp_path / "missing.txt").read_text().split()) == 29


def test_a_cache_that_cannot_be_written(site, tmp_path):
    for md5 in MD5S[:4]:
        site.put(address(md5), Answer(PICTURE))
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot write"):
        fetch(site, tmp_path, MD5S[:4])


def test_no_contact_no_request(site, tmp_path, monkeypatch):
    monkeypatch.delenv("E6GRAPH_CONTACT", raising=False)
    with pytest.raises(BadInput, match="E6GRAPH_CONTACT"):
        fetch(site, tmp_path, MD5S[:1], user_agent=None)
    assert site.asked == []
