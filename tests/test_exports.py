"""The site's exports, fetched from a loopback server that misbehaves on cue."""

from __future__ import annotations

import email.utils
import errno
import gzip
import hashlib
import json
import os
import random
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import PATIENCE
from http_server import Answer, Clock, Site, serving

from e6graph import __version__
from e6graph.errors import BadInput, DownloadError
from e6graph.hydrate import client as client_module
from e6graph.hydrate.client import Client, Pace, make_user_agent
from e6graph.hydrate.download import download
from e6graph.hydrate.exports import EXPORT_NAMES, fetch_exports, list_exports

AGENT = "e6graph/0.1.0 (by tester)"


def packed(seed: int, size: int = 60_000) -> bytes:
    """A gzip of `size` incompressible bytes, so that it is about as long itself."""
    return gzip.compress(random.Random(seed).randbytes(size), mtime=0)


FILES = {name: packed(seed, 20_000) for seed, name in enumerate(EXPORT_NAMES)}
POSTS, OTHER = packed(10), packed(11)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("E6GRAPH_CONTACT", raising=False)
    with serving() as running:
        yield running


@pytest.fixture
def clock(monkeypatch):
    """The client's time, which passes only while it sleeps, and then at once."""
    made = Clock()
    monkeypatch.setattr(client_module, "time", made)
    return made


def impatient(**options) -> Client:
    settings = {
        "pace": Pace(0),
        "backoff": 0.001,
        "timeout": (PATIENCE, PATIENCE),
        "retries": 3,
    } | options
    return Client(AGENT, **settings)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(name: str, data: bytes, **changes) -> dict:
    listed = {
        "name": name,
        "file_name": f"{name}.csv.gz",
        "file_size": len(data),
        "checksum": sha(data),
        "updated_at": "2026-07-01T07:00:00Z",
        "url": f"/files/{name}.csv.gz",
    }
    return listed | changes


def listing(*entries: dict) -> Answer:
    body = json.dumps(entries).encode()
    return Answer(body, headers={"Content-Type": "application/json"})


def offer_posts(site: Site, *answers: Answer, **changes) -> None:
    """A site with one export, POSTS, answered as given."""
    site.put("/db_exports.json", listing(entry("posts", POSTS, **changes)))
    site.put("/files/posts.csv.gz", *answers)


def fetch_posts(site: Site, into: Path, **options) -> Path:
    client = options.pop("client", None) or impatient()
    (path,) = fetch_exports(site.url, into, ["posts"], client=client, **options)
    return path


def one_line(caught) -> str:
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    return text


def leftovers(into: Path) -> list[str]:
    return sorted(path.name for path in into.iterdir())


def test_fetches_all_and_then_nothing(site, tmp_path):
    site.put("/db_exports.json", listing(*(entry(name, FILES[name]) for name in EXPORT_NAMES)))
    for name in EXPORT_NAMES:
        site.put(f"/files/{name}.csv.gz", Answer(FILES[name]))
    paths = fetch_exports(site.url, tmp_path, client=impatient())
    assert [path.name for path in paths] == [f"{name}.csv.gz" for name in EXPORT_NAMES]
    assert [path.read_bytes() for path in paths] == [FILES[name] for name in EXPORT_NAMES]
    assert leftovers(tmp_path) == sorted(
        ["exports.json", *(f"{name}.csv.gz" for name in EXPORT_NAMES)]
    )
    assert {asked.headers["User-Agent"] for asked in site.asked} == {AGENT}
    before = len(site.asked)
    assert fetch_exports(site.url, tmp_path, client=impatient()) == paths
    assert [asked.path for asked in site.asked[before:]] == ["/db_exports.json"]
    fetch_exports(site.url, tmp_path, client=impatient(), force=True)
    assert len(site.asked) == before + 1 + 6
    assert site.sent("/files/posts.csv.gz") == 2 * len(FILES["posts"])


def test_nothing_is_rehashed_needlessly_but_damage_is_noticed(site, tmp_path, monkeypatch):
    offer_posts(site, Answer(POSTS))
    path = fetch_posts(site, tmp_path)
    hashed = []
    real = __import__("e6graph.store.files", fromlist=["x"]).sha256_file
    monkeypatch.setattr(
        "e6graph.hydrate.exports.sha256_file", lambda p: hashed.append(p) or real(p)
    )
    fetch_posts(site, tmp_path)
    assert hashed == []
    os.utime(path, ns=(1, 1))  # touched: read once more, found whole, not fetched again
    fetch_posts(site, tmp_path)
    fetch_posts(site, tmp_path)
    assert hashed == [path] and len(site.requests("/files/posts.csv.gz")) == 1
    path.write_bytes(POSTS[:-1])
    fetch_posts(site, tmp_path)
    assert path.read_bytes() == POSTS
    path.write_bytes(POSTS[:-1] + b"x")  # the same length
    fetch_posts(site, tmp_path)
    assert path.read_bytes() == POSTS
    assert len(site.requests("/files/posts.csv.gz")) == 3
    (tmp_path / "exports.json").write_text("{[")  # a spoilt record costs a rehash
    fetch_posts(site, tmp_path)
    assert len(site.requests("/files/posts.csv.gz")) == 3


def test_a_newer_export_replaces_the_old_one(site, tmp_path):
    offer_posts(site, Answer(POSTS))
    path = fetch_posts(site, tmp_path)
    site.put("/db_exports.json", listing(entry("posts", OTHER)))
    site.put("/files/posts.csv.gz", Answer(OTHER))
    assert fetch_posts(site, tmp_path) == path and path.read_bytes() == OTHER


def test_without_a_checksum_the_date_says_what_is_current(site, tmp_path):
    offer_posts(site, Answer(POSTS), checksum=None)
    path = fetch_posts(site, tmp_path)
    fetch_posts(site, tmp_path)
    assert len(site.requests("/files/posts.csv.gz")) == 1
    site.put(
        "/db_exports.json", listing(entry("posts", POSTS, checksum=None, updated_at="later"))
    )
    fetch_posts(site, tmp_path)
    assert len(site.requests("/files/posts.csv.gz")) == 2
    assert path.read_bytes() == POSTS


@pytest.mark.parametrize("etag", ['"one"', None, 'W/"one"'])
def test_a_dropped_connection_is_resumed(site, tmp_path, etag):
    whole = Answer(POSTS, etag=etag)
    offer_posts(site, Answer(POSTS, etag=etag, stop_after=25_000), whole)
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    first, second = site.requests("/files/posts.csv.gz")
    assert first.sent == 25_000 and second.sent == len(POSTS) - 25_000
    assert second.headers["Range"] == "bytes=25000-"
    assert second.headers.get("If-Range") == (etag if etag == '"one"' else None)


def test_a_later_run_transfers_only_what_is_missing(site, tmp_path):
    modified = {"Last-Modified": "Wed, 01 Jul 2026 07:00:00 GMT"}
    cut = Answer(POSTS, headers=modified, stop_after=30_000)
    offer_posts(site, cut, Answer(status=403))
    with pytest.raises(DownloadError, match="403"):
        fetch_posts(site, tmp_path)
    assert (tmp_path / "posts.csv.gz.part").stat().st_size == 30_000
    assert not (tmp_path / "posts.csv.gz").exists()
    site.put("/files/posts.csv.gz", Answer(POSTS, headers=modified))
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert site.requests("/files/posts.csv.gz")[-1].sent == len(POSTS) - 30_000
    assert leftovers(tmp_path) == ["exports.json", "posts.csv.gz"]


def test_a_server_that_ignores_range(site, tmp_path):
    offer_posts(site, Answer(POSTS, stop_after=25_000), Answer(POSTS, ranges=False))
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert site.sent("/files/posts.csv.gz") == 25_000 + len(POSTS)


@pytest.mark.parametrize("blind", [False, True])
def test_replaced_between_two_chunks(site, tmp_path, blind):
    """If-Range makes an honest server start over; one that is blind to it is seen through."""
    site.put("/db_exports.json", listing(entry("posts", OTHER)))
    old = Answer(POSTS, etag='"old"', stop_after=25_000)
    new = Answer(OTHER, etag='"new"', blind=blind)
    assert len(POSTS) == len(OTHER)
    site.put("/files/posts.csv.gz", old, new)
    assert fetch_posts(site, tmp_path).read_bytes() == OTHER
    assert len(site.requests("/files/posts.csv.gz")) == 2 + blind


def part_of(into: Path, data: bytes, site: Site, **note) -> None:
    into.mkdir(exist_ok=True)
    (into / "posts.csv.gz.part").write_bytes(data)
    note = {"url": f"{site.url}/files/posts.csv.gz", "etag": '"one"'} | note
    (into / "posts.csv.gz.part.json").write_text(json.dumps(note))


def test_416_of_a_part_that_is_whole(site, tmp_path):
    offer_posts(site, Answer(POSTS, etag='"one"'), file_size=None, checksum=None)
    part_of(tmp_path, POSTS, site)
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert site.sent("/files/posts.csv.gz") == 0


def test_416_of_a_part_that_is_too_long(site, tmp_path):
    offer_posts(site, Answer(POSTS, etag='"one"'), file_size=None)
    part_of(tmp_path, POSTS + b"more", site)
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert len(site.requests("/files/posts.csv.gz")) == 2


def test_416_always(site, tmp_path):
    offer_posts(site, Answer(status=416))
    with pytest.raises(DownloadError, match="416"):
        fetch_posts(site, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_whole_part_needs_no_request(site, tmp_path):
    offer_posts(site, Answer(POSTS))
    part_of(tmp_path, POSTS, site)
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert site.requests("/files/posts.csv.gz") == []


@pytest.mark.parametrize(
    "note", [{"url": "http://elsewhere/"}, {"etag": None}, {"etag": None, "sha256": "0" * 64}]
)
def test_a_part_of_something_else_is_not_continued(site, tmp_path, note):
    offer_posts(site, Answer(POSTS, etag='"one"'))
    part_of(tmp_path, b"x" * 1000, site, **note)
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert "Range" not in site.requests("/files/posts.csv.gz")[0].headers


@pytest.mark.parametrize("lie", [-1000, 1000])
def test_a_content_length_that_lies_once(site, tmp_path, lie):
    lying = Answer(POSTS, length=len(POSTS) + lie)
    offer_posts(site, lying, Answer(POSTS))
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS


@pytest.mark.parametrize("lie", [-1000, 1000])
def test_a_content_length_that_always_lies(site, tmp_path, lie):
    old = tmp_path / "posts.csv.gz"
    old.write_bytes(OTHER)
    offer_posts(site, Answer(POSTS, length=len(POSTS) + lie))
    with pytest.raises(DownloadError, match="expected") as caught:
        fetch_posts(site, tmp_path)
    assert f"{len(POSTS):,}" in one_line(caught)
    assert old.read_bytes() == OTHER
    lying = Answer(POSTS, length=len(POSTS) + lie, ranges=False)
    offer_posts(site, lying, file_size=None, checksum=None)
    with pytest.raises(DownloadError) as caught:  # nothing to compare it with but itself
        fetch_posts(site, tmp_path)
    assert one_line(caught) and old.read_bytes() == OTHER


def test_no_content_length(site, tmp_path):
    offer_posts(
        site,
        Answer(POSTS, length="", stop_after=20_000, etag='"a"'),
        Answer(POSTS, length="", etag='"a"'),
    )
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert len(site.requests("/db_exports.json")) == 1  # resumed, not taken for another file
    assert site.sent("/files/posts.csv.gz") == len(POSTS)
    offer_posts(site, Answer(POSTS + b"more", length=""), checksum=sha(OTHER))
    with pytest.raises(DownloadError, match="more than"):
        fetch_posts(site, tmp_path)
    assert (tmp_path / "posts.csv.gz").read_bytes() == POSTS


def test_always_dropped_at_the_same_byte(site, tmp_path):
    offer_posts(site, Answer(POSTS, ranges=False, stop_after=25_000))
    with pytest.raises(DownloadError, match="4 times") as caught:
        fetch_posts(site, tmp_path)
    assert "dropped" in one_line(caught)


def test_many_drops_are_forgiven_while_it_advances(site, tmp_path):
    big = packed(3, 6 << 20)
    site.put("/db_exports.json", listing(entry("posts", big)))
    site.put("/files/posts.csv.gz", Answer(big, etag='"a"', stop_after=(1 << 20) + 1))
    assert fetch_posts(site, tmp_path, client=impatient(retries=1)).read_bytes() == big
    assert site.sent("/files/posts.csv.gz") == len(big)


def test_429_waits_as_it_is_told(site, tmp_path, clock):
    offer_posts(site, Answer(status=429, headers={"Retry-After": "7"}), Answer(POSTS))
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert clock.slept == [0, 0, 7]  # the list, the file, the file again


def test_retry_after_as_a_date_or_as_nonsense(site, tmp_path, clock):
    date = email.utils.formatdate(time.time() + 1000, usegmt=True)
    nonsense = ["soon", "-1", "9" * 5000, "Wed, 31 Dec 99999 23:59:59 GMT", ""]
    answers = [Answer(status=503, headers={"Retry-After": text}) for text in (date, *nonsense)]
    offer_posts(site, *answers, Answer(POSTS))
    patient = impatient(longest_wait=1000, retries=6, backoff=1)
    assert fetch_posts(site, tmp_path, client=patient).read_bytes() == POSTS
    *_, told, second, third, fourth, fifth, sixth = clock.slept
    assert 0 < told <= 1000
    assert [second, third, fourth, fifth, sixth] == [2, 4, 8, 16, 32]


@pytest.mark.parametrize("wait", ["601", "99999999"])
def test_who_asks_for_a_longer_wait_is_not_asked_again(site, tmp_path, clock, wait):
    cut = Answer(POSTS, etag='"one"', stop_after=25_000)
    offer_posts(site, cut, Answer(status=503, headers={"Retry-After": wait}))
    with pytest.raises(
        DownloadError, match=r"status 503, the site asks to wait .* minutes"
    ) as caught:
        fetch_posts(site, tmp_path, client=impatient(longest_wait=600))
    assert one_line(caught) and len(site.requests("/files/posts.csv.gz")) == 2
    assert (tmp_path / "posts.csv.gz.part").stat().st_size == 25_000
    assert max(clock.slept) < 1


def test_a_long_wait_is_announced(site, tmp_path, clock, caplog):
    busy = [Answer(status=429, headers={"Retry-After": wait}) for wait in ("1", "60")]
    offer_posts(site, *busy, Answer(POSTS))
    fetch_posts(site, tmp_path)
    (record,) = caplog.records
    assert record.getMessage().endswith("posts.csv.gz: status 429, next attempt in 60 seconds")


def test_500_then_200_and_500_for_ever(site, tmp_path):
    offer_posts(site, Answer(status=500), Answer(status=502), Answer(POSTS))
    site.answers["/db_exports.json"].insert(0, Answer(status=500))
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    site.put("/db_exports.json", Answer(status=500))
    with pytest.raises(DownloadError, match="status 500, 4 times") as caught:
        fetch_posts(site, tmp_path)
    assert one_line(caught)
    assert (tmp_path / "posts.csv.gz").read_bytes() == POSTS


def test_back_off_doubles_and_requests_are_spaced(site, clock):
    site.put("/page", Answer(status=500))
    with pytest.raises(DownloadError):
        impatient(backoff=0.05).read(f"{site.url}/page", 100)
    assert clock.slept == [0, 0.05, 0.1, 0.2]
    clock.slept.clear()
    site.put("/page", Answer(b"fine"))
    site.put("/moved", Answer(status=302, headers={"Location": "/page"}))
    client = impatient(pace=Pace(15))
    assert client.read(f"{site.url}/moved", 100).body == b"fine"  # each hop waits its turn
    client.read(f"{site.url}/page", 100)
    assert clock.slept == [0, 15, 15]
    clock.slept.clear()
    site.put("/page", Answer(status=500), Answer(b"fine"))
    client.read(f"{site.url}/page", 100)
    assert clock.slept == [15, 15]  # nor is a retry sooner than its turn


def test_stalls_and_drips_end(site, tmp_path):
    offer_posts(site, Answer(POSTS, pause=5))
    with pytest.raises(DownloadError, match="no answer in time"):
        fetch_posts(site, tmp_path, client=impatient(timeout=(PATIENCE, 0.1), retries=1))
    site.put("/files/posts.csv.gz", Answer(POSTS[:150], pause=0.02))
    site.put("/db_exports.json", listing(entry("posts", POSTS[:150])))
    with pytest.raises(DownloadError, match="bytes a second"):
        fetch_posts(site, tmp_path, client=impatient(window=0.2, retries=1))


def test_nobody_there(tmp_path):
    with serving() as gone:
        address = gone.url
    with pytest.raises(DownloadError, match=os.strerror(errno.ECONNREFUSED).lower()) as caught:
        fetch_exports(address, tmp_path, client=impatient())
    assert one_line(caught)


def test_a_wrong_checksum_once(site, tmp_path):
    """The site replaces a file before it records the checksum: what came is kept and fits."""
    offer_posts(site, Answer(POSTS, etag='"one"'))
    stale = listing(entry("posts", POSTS, checksum=sha(OTHER)))
    site.answers["/db_exports.json"].insert(0, stale)
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS
    assert len(site.requests("/db_exports.json")) == 2
    assert site.sent("/files/posts.csv.gz") == len(POSTS)
    offer_posts(site, Answer(OTHER), Answer(POSTS))  # damaged on the way
    assert fetch_posts(site, tmp_path, force=True).read_bytes() == POSTS


@pytest.mark.parametrize("size", [len(POSTS), None])
def test_a_wrong_checksum_always(site, tmp_path, size):
    (tmp_path / "posts.csv.gz").write_bytes(OTHER)
    offer_posts(site, Answer(POSTS), checksum=sha(b"never"), file_size=size)
    for _ in range(2):  # nothing that is left behind gets in the way of the next run
        before = site.sent("/files/posts.csv.gz")
        with pytest.raises(DownloadError, match="SHA-256") as caught:
            fetch_posts(site, tmp_path)
        assert one_line(caught)
        assert site.sent("/files/posts.csv.gz") == before + 2 * len(POSTS)
        assert (tmp_path / "posts.csv.gz").read_bytes() == OTHER


def test_only_what_did_not_fit_is_fetched_twice(site, tmp_path):
    site.put(
        "/db_exports.json", listing(entry("tags", OTHER), entry("posts", POSTS, file_size=None))
    )
    site.put("/files/tags.csv.gz", Answer(OTHER))
    site.put("/files/posts.csv.gz", Answer(OTHER), Answer(POSTS))
    paths = fetch_exports(site.url, tmp_path, ["tags", "posts"], client=impatient(), force=True)
    assert [path.read_bytes() for path in paths] == [OTHER, POSTS]
    assert len(site.requests("/files/tags.csv.gz")) == 1


@pytest.mark.parametrize("body", [POSTS[:-9], POSTS + b"tail", b"<html>sorry</html>", b""])
def test_without_a_checksum_the_gzip_is_read_whole(site, tmp_path, body):
    (tmp_path / "posts.csv.gz").write_bytes(OTHER)
    size = len(body) or None
    offer_posts(site, Answer(body), checksum=None, file_size=size)
    with pytest.raises(DownloadError, match="damaged gzip") as caught:
        fetch_posts(site, tmp_path)
    assert one_line(caught) and leftovers(tmp_path) == ["posts.csv.gz"]
    assert (tmp_path / "posts.csv.gz").read_bytes() == OTHER


def test_html_instead_of_the_file_spares_the_part(site, tmp_path):
    html = Answer(b"<html>down for repairs</html>", headers={"Content-Type": "text/html"})
    offer_posts(site, html)
    part_of(tmp_path, POSTS[:500], site)
    with pytest.raises(DownloadError, match="HTML") as caught:
        fetch_posts(site, tmp_path)
    assert one_line(caught)
    assert (tmp_path / "posts.csv.gz.part").read_bytes() == POSTS[:500]


@pytest.mark.parametrize("path", ["/db_exports.json", "/files/posts.csv.gz"])
@pytest.mark.parametrize("to", ["/round", "http://[", "file:///etc/hostname"])
def test_redirects_that_lead_nowhere(site, tmp_path, path, to):
    offer_posts(site, Answer(POSTS))
    site.put(path, Answer(status=302, headers={"Location": to}))
    site.put("/round", Answer(status=302, headers={"Location": "/round"}))
    with pytest.raises(DownloadError) as caught:
        fetch_posts(site, tmp_path)
    assert one_line(caught) and len(site.asked) < 10


def test_disk_full_is_said_before_anything_is_asked_for(site, tmp_path, monkeypatch):
    offer_posts(site, Answer(POSTS))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DownloadError, match="1,000 bytes free") as caught:
        fetch_posts(site, tmp_path)
    assert f"{len(POSTS):,}" in one_line(caught) and site.requests("/files/posts.csv.gz") == []
    site.put("/db_exports.json", listing(entry("posts", POSTS, file_size=None)))
    with pytest.raises(DownloadError, match="bytes free"):  # known once the file is asked for
        fetch_posts(site, tmp_path)
    site.put("/db_exports.json", listing(entry("posts", POSTS)))
    part_of(tmp_path, POSTS[:-1000], site)  # what is there already needs no room
    site.put("/files/posts.csv.gz", Answer(POSTS, etag='"one"'))
    assert fetch_posts(site, tmp_path).read_bytes() == POSTS


def test_a_directory_that_cannot_be_written(site, tmp_path):
    offer_posts(site, Answer(POSTS))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot write") as caught:
        fetch_posts(site, tmp_path / "file" / "db_export")
    assert one_line(caught)


def test_two_processes_do_not_write_one_part(site, tmp_path):
    import fcntl

    with open(tmp_path / "posts.csv.gz.part", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process"):
            download(impatient(), site.url, tmp_path / "posts.csv.gz")
    assert site.asked == []


# -- the lists ---------------------------------------------------------------------------------


def dated_page(*names: str) -> Answer:
    links = "".join(f'<tr><td><a href="{name}">{name}</a></td></tr>\n' for name in names)
    page = f'<html><a href="../">up</a><a name="x">no link</a><a href="http://[">?</a>{links}'
    return Answer(page.encode(), headers={"Content-Type": "text/html; charset=utf-8"})


@pytest.mark.parametrize(
    "absent", [Answer(status=404), Answer(status=410), Answer(b"<!doctype html><p>Hello")]
)
def test_the_dated_listing_where_there_is_no_list(site, tmp_path, absent):
    site.put("/db_exports.json", absent)
    older, whole, newest = "2026-01-29", "2026-01-30", "2026-01-31"
    names = [f"{name}-{day}.csv.gz" for day in (newest, whole, older) for name in EXPORT_NAMES]
    names.remove(f"pools-{newest}.csv.gz")  # still being written
    site.put(
        "/db_export/", dated_page(*names, "notes-2026-02-01.csv.gz", "posts-2026-02-02.csv")
    )
    for name in EXPORT_NAMES:
        site.put(f"/db_export/{name}-{whole}.csv.gz", Answer(FILES[name]))
    paths = fetch_exports(site.url + "/", tmp_path, client=impatient())
    assert [path.name for path in paths] == [f"{name}-{whole}.csv.gz" for name in EXPORT_NAMES]
    assert paths[0].read_bytes() == FILES["posts"]
    before = len(site.asked)
    fetch_exports(site.url, tmp_path, client=impatient())
    assert len(site.asked) == before + 2  # the two lists
    site.put("/db_export/", dated_page(*(name for name in names if "pools" not in name)))
    with pytest.raises(DownloadError, match=r"pools.*newest day: 2026-01-31"):
        fetch_exports(site.url, tmp_path, client=impatient())


def test_names_of_all_shapes(site):
    site.put(
        "/db_exports.json",
        listing(
            entry("posts.csv.gz", POSTS, file_name="posts-2026-07-01.csv.gz"),
            entry("tags-2026-06-30", OTHER, updated_at="2026-06-30", url="/old"),
            entry("tags-2026-07-01", OTHER, updated_at="2026-07-01", url="http://cdn/tags"),
            entry("pools", POSTS, file_name=None, checksum=sha(POSTS).upper(), surprise=[1]),
            {"name": "wiki_pages", "file_size": "ignored"},
        ),
    )
    site.answers["/db_exports.json"][0] = Answer(
        site.answers["/db_exports.json"][0].body.replace(b'"tags-2026-07-01.csv', b'"tags.csv')
    )
    for listed in ("tags-2026-06-30", "tags-2026-07-01"):
        assert listed.encode() in site.answers["/db_exports.json"][0].body
    posts, tags, pools = list_exports(impatient(), site.url, ["posts", "tags", "pools"])
    assert (posts.name, posts.file_name) == ("posts", "posts-2026-07-01.csv.gz")
    assert posts.url == f"{site.url}/files/posts.csv.gz.csv.gz"
    assert tags.url == "http://cdn/tags" and tags.updated_at == "2026-07-01"
    assert pools.file_name == "pools.csv.gz" and pools.sha256 == sha(POSTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"file_name": "../posts.csv.gz"},
        {"file_name": "/tmp/posts.csv.gz"},
        {"file_name": ".posts.csv.gz"},
        {"file_name": "posts.csv.gz\n"},
        {"file_name": "posts.exe"},
        {"file_name": "tags.csv.gz"},
        {"file_name": "exports.json"},
        {"file_name": 5},
        {"file_size": -1},
        {"file_size": "12"},
        {"file_size": True},
        {"checksum": "abc"},
        {"checksum": 7},
        {"url": "file:///etc/passwd"},
        {"url": "http://["},
        {"url": None},
    ],
)
def test_a_list_that_cannot_be_trusted(site, tmp_path, changes):
    offer_posts(site, Answer(POSTS), **changes)
    with pytest.raises(DownloadError, match="list of exports") as caught:
        fetch_posts(site, tmp_path / "exports")
    assert one_line(caught) and leftovers(tmp_path) == ["exports"]
    assert leftovers(tmp_path / "exports") == [] and len(site.asked) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b"[{}]", b"5", b'"posts"', b"\xff", b"[" * 100_000]
)
def test_a_list_that_is_none(site, tmp_path, body):
    site.put("/db_exports.json", Answer(body))
    with pytest.raises(DownloadError) as caught:
        fetch_posts(site, tmp_path)
    assert one_line(caught).startswith(site.url)


def test_a_list_that_is_refused_or_short(site, tmp_path):
    site.put("/db_exports.json", Answer(status=403))
    with pytest.raises(DownloadError, match="403"):
        fetch_posts(site, tmp_path)
    site.put("/db_exports.json", listing(entry("posts", POSTS)))
    with pytest.raises(DownloadError, match="no export of tags, pools"):
        fetch_exports(site.url, tmp_path, ["posts", "tags", "pools"], client=impatient())
    site.put("/db_exports.json", Answer(b" " * (9 << 20)))
    with pytest.raises(DownloadError, match="more than"):
        fetch_posts(site, tmp_path)
    for source in ("e621.net", "ftp://e621.net", "https://", ""):
        with pytest.raises(BadInput, match="web address"):
            fetch_exports(source, tmp_path, client=impatient())


# -- who asks ------------------------------------------------------------------------------------


def test_user_agents(monkeypatch):
    monkeypatch.delenv("E6GRAPH_CONTACT", raising=False)
    with pytest.raises(BadInput, match="E6GRAPH_CONTACT"):
        make_user_agent(None)
    assert make_user_agent("vixen") == f"e6graph/{__version__} (by vixen)"
    assert make_user_agent(make_user_agent("vixen")) == make_user_agent("vixen")
    assert make_user_agent("https://host/me") == f"e6graph/{__version__} (by https://host/me)"
    assert make_user_agent("mine/1.0 me@host") == "mine/1.0 me@host"
    for refused in ("", "  ", "mine/1.0", "mine/1.0 ()", "mine/1.0 (  )", "a\nb", "vix\u00e9n"):
        with pytest.raises(BadInput) as caught:
            make_user_agent(refused)
        assert one_line(caught)
    monkeypatch.setenv("E6GRAPH_CONTACT", "somebody")
    assert make_user_agent() == f"e6graph/{__version__} (by somebody)"


def test_no_contact_no_request(site, tmp_path):
    with pytest.raises(BadInput, match="E6GRAPH_CONTACT"):
        fetch_exports(site.url, tmp_path)
    assert site.asked == []
