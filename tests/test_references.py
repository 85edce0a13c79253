"""Which posts a text names: numbers, links, MD5s, JSON, CSV; and what is none of them."""

import csv
import json
import random
from pathlib import Path

import pytest

from e6graph.errors import BadInput
from e6graph.recommend import references
from e6graph.recommend.references import (
    decode,
    is_list_of_posts,
    read_file,
    read_references,
    reference_in,
)

MD5 = "0123456789abcdef" * 2
OTHER = "f" * 32


@pytest.mark.parametrize(
    "word, meant",
    [
        ("12", 12),
        ("#12", 12),
        ("id:12", 12),
        ("https://e621.net/posts/12", 12),
        ("http://e926.net/posts/12?q=fox+night", 12),
        ("HTTPS://E621.NET/POSTS/12", 12),
        ("e621.net/posts/12#comments", 12),
        ("https://e621.net/posts/12.json", 12),
        ("https://e621.net/post/show/12/fox", 12),
        ("https://127.0.0.1:8080/posts/12/", 12),
        ("/posts/12", 12),
        ("posts/12", 12),
        (MD5, MD5),
        (f"md5:{MD5.upper()}", MD5),
        (f"{MD5}.png", MD5),
        (f"artist_-_fox_{MD5}.webm", MD5),
        (f"https://static1.e621.net/data/sample/01/23/{MD5}.jpg", MD5),
        (f"C:\\fox\\{MD5}.jpg", MD5),
        (f"{OTHER}/{MD5}.jpg", MD5),
        ("0" * 32, "0" * 32),
        ("fox", None),
        ("-12", None),
        ("1.5", None),
        ("12:30", None),
        ("3/4", None),
        ("2026-01-31", None),
        ("https://e621.net/pools/12", None),
        ("https://e621.net/users/12", None),
        ("https://e621.net/comments/12", None),
        ("https://e621.net/repost/12", None),
        (f"{MD5}0", None),
        ("9" * 19, None),
        ("١٢", None),
        ("", None),
    ],
)
def test_a_word(word, meant):
    assert reference_in(word) == meant


def test_a_text_in_its_order_each_once():
    text = f"12\nhttps://e621.net/posts/7\r\n\r\n  #9, 12;{MD5}.png\t<a href='/posts/3'>"
    assert read_references(text) == [12, 7, 9, MD5, 3]
    assert read_references("\ufeff5 4 3,2,1") == [5, 4, 3, 2, 1]
    mixed = "I love post #14, also https://e926.net/posts/15. And 16! (see e926.net/posts/17)"
    assert read_references(mixed) == [14, 15, 16, 17]
    numbered = "1. https://e926.net/posts/50\n2) #51\n 3. 52\n"
    assert read_references(numbered) == [50, 51, 52]


@pytest.mark.parametrize(
    "value, named",
    [
        ({"posts": [{"id": 3, "md5": MD5}, {"id": 1}, {"id": 3}]}, [3, 1]),
        ([{"id": 3}, {"id": 2, "file": {"md5": MD5}, "pools": [9]}], [3, 2]),
        ([3, 2, "1", "https://e621.net/posts/8", f"{MD5}.png"], [3, 2, 1, 8, MD5]),
        ({"post": {"id": 4}}, [4]),
        ([{"posts": [{"id": 1}]}, {"posts": []}, {"posts": [{"id": 2}]}], [1, 2]),
        ([{"id": 900, "user_id": 7, "post_id": 5}], [5]),  # a favorite has an id of its own
        ([{"id": None, "md5": MD5}, {"id": True}, {"id": -4}, {"id": 10**40}, 6], [MD5, 6]),
        ([5.0, {"id": 4.0}, 3.5, -2.0, 1e309, float("nan")], [5, 4]),  # as pandas writes them
    ],
)
def test_json(value, named):
    assert read_references(json.dumps(value)) == named
    assert read_references(json.dumps(value, indent=2)) == named


def test_pages_of_json_after_each_other():
    pages = ['{"posts":[{"id":5}]}', '{"posts":[]}', '{"posts":[{"id":4},{"id":5}]}']
    for between in ("", "\n", " \r\n", ",\n"):
        assert read_references(between.join(pages)) == [5, 4]


@pytest.mark.parametrize(
    "text, named",
    [
        ("id\n5\n4\n", [5, 4]),
        ('md5,id,tags\nx,5,"fox, night 77"\ny,4,\n', [5, 4]),
        ('"ID";"score"\r\n"5";"9"\r\n"4";"8"', [5, 4]),
        ("id\tuser\tpost_id\n900\t7\t5\n901\t7\t4", [5, 4]),
        ("\ufeffPost_ID,at\n5,2026-01-31 10:00\n,\nhttps://e621.net/posts/4\n", [5, 4]),
        ('id,description\n5,"two\nlines of 6"\n4,\n', [5, 4]),
        ('"tags, all", "id"\n"fox, owl 77",5\n"",4', [5, 4]),
        ("score,id\r9,5\r8,4\r", [5, 4]),
        ("id\n5.0\n4.0\n", [5, 4]),
        (f"score,md5\n99,{MD5}\n98,", [MD5]),
    ],
)
def test_csv(text, named):
    assert read_references(text) == named


def test_links_in_markup_and_no_number_of_their_own():
    text = '"a fox":/posts/5 "an owl":https://e621.net/posts/4?pool_id=77 href=/posts/3 score=9'
    assert read_references(text) == [5, 4, 3]


@pytest.mark.parametrize("before", ["[b]Mine[/b] ", "[a fox](", "{fox}\n", "[url=", "[ ", "{"])
def test_a_text_may_begin_as_json_does(before):
    assert read_references(f"{before}https://e621.net/posts/5) and #4") == [5, 4]


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "names no posts"),
        ("fox night", "names no posts"),
        ("0", "names no posts"),
        ("id,tags\n", "names no posts"),
        ('{"posts": []}', "names no posts"),
        ('{"success": false, "reason": "not found"}', "names no posts"),
        ('{"posts": [{"id": 5}', "JSON is broken"),
        ("[1, 2, 3", "JSON is broken"),
        ("[" * 100_000, "JSON"),
        ("[" + "9" * 5000 + "]", "JSON cannot be read"),
        ('id\n"' + "x" * 200_000 + '"', "CSV is broken"),
    ],
)
def test_what_cannot_be_read_is_one_line(text, said):
    limit = csv.field_size_limit(131_072)  # an import in the same process raises it
    with pytest.raises(BadInput, match=said) as error:
        read_references(text)
    csv.field_size_limit(limit)
    assert "\n" not in str(error.value) and "expected post numbers" in str(error.value)


def test_too_much_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(references, "MOST_POSTS", 3)
    assert read_references("1 2 3 3 2 1") == [1, 2, 3]
    with pytest.raises(BadInput, match="names 4 posts: 3 at most"):
        read_references("1 2 3 4")
    monkeypatch.setattr(references, "MOST_BYTES", 4)
    (tmp_path / "long.txt").write_bytes(b"1 2 3")
    with pytest.raises(BadInput, match="it has 5 bytes"):
        read_file(tmp_path / "long.txt")


def test_a_file(tmp_path):
    place = tmp_path / "faves.txt"
    place.write_bytes("\ufeff12\n7".encode())
    assert read_file(place) == [12, 7]
    place.write_bytes("12\r\n7".encode("utf-16"))
    assert read_file(str(place)) == [12, 7]
    for data, said in ((b"\x89PNG\xff\x00", "not a text"), (b"fox", "names no posts")):
        place.write_bytes(data)
        with pytest.raises(BadInput, match=f"faves.txt: it .*{said}") as error:
            read_file(place)
        assert "\n" not in str(error.value)
    for path, said in (
        (tmp_path, "not a file"),
        (tmp_path / "none", "no such file"),
        (Path("~nobody.of.that.name/faves.txt"), "no such file"),
    ):
        with pytest.raises(BadInput, match=said):
            read_file(path)


def test_a_list_of_posts_is_told_from_a_blacklist():
    for text in ("12", "12 13\n14", f"{MD5}.png", "#12\n#13", "[1]", "id,x\n3,4", "/posts/3"):
        assert is_list_of_posts(text), text
    for text in (
        "",
        "fox",
        "[fox]",
        "12\nfox -night",
        "id:12",
        "# a comment",
        f"md5:{MD5}",
        "score:<0",
    ):
        assert not is_list_of_posts(text), text


def test_no_text_makes_it_fail_otherwise():
    rng = random.Random(4)
    pieces = ["12", "#", "{", "}", "[", "]", '"', "id", ",", "\n", ":", "posts", "/", MD5, "\0"]
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randrange(12)))
        try:
            named = read_references(text)
        except BadInput as error:
            assert "\n" not in str(error)
        else:
            assert named and all(isinstance(one, (int, str)) for one in named)
        is_list_of_posts(text)
        assert decode(text.encode()) == text
