"""Every clause of the filter language against hand-worked truth, and a slow second reading."""

import fnmatch
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e6graph.errors import BadInput
from e6graph.recommend.blacklist import DEFAULT, Blacklist

KB, MB = 1024, 1024**2
ALIASES = {"vulpine": "fox"}
POOLS = {7: ("a_story", [1, 3]), 8: ("12", [2])}
# fmt: off
COLUMNS = ["id", "rating", "file_ext", "file_size", "score", "fav_count", "image_width",
           "image_height", "uploader_id", "tag_count", "is_pending", "is_flagged", "tags"]
BOARD = [dict(zip(COLUMNS, row, strict=True)) for row in [
    (1, "s", "png", 100, -5, 0, 640, 480, 900, 2, False, False, {"fox", "night"}),
    (2, "s", "jpg", KB, 0, 3, 1920, 1080, 901, 3, True, False, {"fox", "snow", ":3"}),
    (3, "q", "gif", 2 * KB, 5, 10, 50, 50, 900, 2, False, True, {"owl", "10:30"}),
    (4, "q", "webm", MB, 10, 99, 640, 640, 902, 2, True, True, {"wolf", "young"}),
    (5, "s", "png", 3 * MB // 2, 11, 7, 480, 640, 903, 2, False, False, {"young", "night"}),
    (6, "e", "png", 5 * MB, 0, 0, 1, 1, 904, 3, False, False, {"gore", "red_fox", "fox_ears"}),
]]
# fmt: on
IDS = [post["id"] for post in BOARD]


class FakePosts:
    """The interface of `Posts` over a list of dicts."""

    ids = np.array(IDS, np.int64)

    def __len__(self):
        return len(BOARD)

    def column(self, name):
        values = [post[name] for post in BOARD]
        if isinstance(values[0], str):
            return np.array(values, object)
        return np.array(values, bool if name.startswith("is_") else np.int32)

    def rows_tagged(self, token):
        return np.array([k for k, post in enumerate(BOARD) if tagged(post, token)], np.int64)

    def rows_in_pool(self, pool):
        for number, (name, members) in POOLS.items():
            if pool in (number, name):
                return np.array([IDS.index(member) for member in members], np.int64)
        return np.array([], np.int64)


def tagged(post, token):
    if "*" in token:
        return any(fnmatch.fnmatchcase(tag, token) for tag in post["tags"])
    return ALIASES.get(token, token) in post["tags"]


def hidden(text):
    mask = Blacklist.parse(text).mask(FakePosts())
    assert mask.shape == (len(BOARD),) and mask.dtype == bool
    return [post_id for post_id, out in zip(IDS, mask, strict=True) if out]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # tags
        ("fox", [1, 2]),
        ("FOX", [1, 2]),
        ("vulpine", [1, 2]),  # an alias
        ("fox night", [1]),
        ("-fox", [3, 4, 5, 6]),
        ("fox -night", [2]),
        ("*fox", [1, 2, 6]),
        ("*fox*", [1, 2, 6]),
        ("fox*", [1, 2, 6]),  # fox_ears
        ("red_*", [6]),
        ("ox", []),  # the whole name, not a part
        ("nobody_uses_this", []),
        ("fox nobody_uses_this", []),
        ("-nobody_uses_this", [1, 2, 3, 4, 5, 6]),
        (":3", [2]),
        ("10:30", [3]),
        ("artist:style", []),  # an unknown name is a plain tag
        ("tag:fox", [1, 2]),
        ("tag::3", [2]),
        ("-tag:fox", [3, 4, 5, 6]),
        # any-of
        ("~fox", [1, 2]),
        ("~fox ~owl", [1, 2, 3]),
        ("~fox ~owl rating:s", [1, 2]),
        ("~-night", [2, 3, 4, 6]),
        ("~-night ~fox", [1, 2, 3, 4, 6]),
        ("~fox ~owl -night", [2, 3]),
        ("~rating:e ~score:>=10", [4, 5, 6]),
        # ratings, types, states
        ("rating:s", [1, 2, 5]),
        ("rating:safe", [1, 2, 5]),
        ("-rating:questionable", [1, 2, 5, 6]),
        ("rating:e", [6]),
        ("type:png", [1, 5, 6]),
        ("type:PNG -rating:s", [6]),
        ("status:pending", [2, 4]),
        ("status:flagged", [3, 4]),
        ("status:active", [1, 5, 6]),
        ("status:deleted", []),
        ("status:any", [1, 2, 3, 4, 5, 6]),
        ("-status:active", [2, 3, 4]),
        # numbers
        ("id:3", [3]),
        ("score:0", [2, 6]),
        ("score:-5", [1]),
        ("score:<0", [1]),
        ("score:<=0", [1, 2, 6]),
        ("score:>10", [5]),
        ("score:>=10", [4, 5]),
        ("score:0..10", [2, 3, 4, 6]),
        ("score:-5..-1", [1]),
        ("score:5..", [3, 4, 5]),
        ("score:..-5", [1]),
        ("-score:>0", [1, 2, 6]),
        ("favcount:>9", [3, 4]),
        ("tagcount:3", [2, 6]),
        ("width:<100", [3, 6]),
        ("height:480..640", [1, 4, 5]),
        ("width:640 height:640", [4]),
        ("id:99999999999999999999", []),
        ("id:<99999999999999999999", [1, 2, 3, 4, 5, 6]),
        ("filesize:1kb", [2]),  # 1,024 bytes and not about that
        ("filesize:100", [1]),
        ("filesize:<1kb", [1]),
        ("filesize:<=1KB", [1, 2]),
        ("filesize:>1mb", [5, 6]),
        ("filesize:1.5mb", [5]),
        ("filesize:1kb..1mb", [2, 3, 4]),
        ("filesize:1.5mb..", [5, 6]),
        ("filesize:0.3kb", []),  # 307.2 bytes
        ("filesize:>0.3kb", [2, 3, 4, 5, 6]),
        # uploaders by number, pools by number and name
        ("user:900", [1, 3]),
        ("user:!900", [1, 3]),
        ("uploader:901", [2]),
        ("userid:900", [1, 3]),
        ("-userid:900", [2, 4, 5, 6]),
        ("pool:7", [1, 3]),
        ("pool:a_story", [1, 3]),
        ("pool:12", []),  # a number is an id
        ("pool:none_such", []),
        # comments and blanks
        ("", []),
        ("   ", []),
        ("# fox", []),
        ("   # fox", []),
        ("fox # night", [1, 2]),
        ("fox\t#night", [1, 2]),
        ("fox#night", []),  # a tag of that name
        ("  fox   night  ", [1]),
        ("\ufefffox", [1, 2]),
        # several lines
        ("owl\nfox night", [1, 3]),
        ("owl\r\n\r\n# no\r\ngore", [3, 6]),
        (DEFAULT, [4, 6]),  # young is hidden unless rating:s
    ],
)
def test_truth_table(line, expected):
    assert hidden(line) == expected


@pytest.mark.parametrize(
    ("text", "line", "token"),
    [
        ("fox\n-", 2, "'-'"),
        ("~", 1, "'~'"),
        ("~-", 1, "'~-'"),
        ("--fox", 1, "'--fox'"),
        ("~~fox", 1, "'~~fox'"),
        ("-~fox", 1, "'-~fox'"),
        ("# ok\n\nfox score:much", 3, "'score:much'"),
        ("score:1.5", 1, "'score:1.5'"),
        ("score:1kb", 1, "'score:1kb'"),
        ("score:", 1, "'score:'"),
        ("score:..", 1, "'score:..'"),
        ("score:>", 1, "'score:>'"),
        ("score:>=<3", 1, "'score:>=<3'"),
        ("score:=3", 1, "'score:=3'"),
        ("id:1,2", 1, "'id:1,2'"),
        ("id:9..3", 1, "'id:9..3'"),
        ("id:١٢", 1, "'id:١٢'"),  # digits of another script
        ("filesize:2gb", 1, "'filesize:2gb'"),
        ("filesize:1mb..1kb", 1, "'filesize:1mb..1kb'"),
        ("userid:bob", 1, "'userid:bob'"),
        ("-rating:x", 1, "'-rating:x'"),
        ("status:gone", 1, "'status:gone'"),
        ("type:", 1, "'type:'"),
        ("tag:", 1, "'tag:'"),
        ("fox\n\udcff*", 2, r"'\udcff*'"),
    ],
)
def test_bad_lines_are_named(text, line, token):
    with pytest.raises(BadInput) as error:
        Blacklist.parse(text)
    assert f"line {line}: {token}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("user:bob", []), ("fox uploader:bob", []), ("fox -user:bob", [1, 2])],
)
def test_an_uploaders_name_cannot_match_and_says_so(line, expected):
    with pytest.warns(
        UserWarning, match=r"line 1: .*:bob' matches no post.*write (user|uploader)"
    ):
        assert hidden(line) == expected


def test_the_warning_of_an_uploaders_name_is_at_the_callers_line(tmp_path):
    (tmp_path / "list").write_text("fox user:bob\n")
    for read in (Blacklist.parse, Blacklist.read):
        given = (tmp_path / "list") if read == Blacklist.read else "user:bob"
        with pytest.warns(UserWarning, match="matches no post") as warned:
            read(given)
        assert warned[0].filename == __file__


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("picture.png", "is not a text in UTF-8"),
        ("directory", "is a directory"),
        ("no_such_list.txt", "does not exist"),
    ],
)
def test_a_path_that_is_no_list_gives_one_line(tmp_path, kind, name, wrong):
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    (tmp_path / "directory").mkdir()
    path = tmp_path / name
    with pytest.raises(BadInput) as error:
        Blacklist.read(kind(path))
    expected = (
        f"blacklist {path} {wrong}: expected a text file with a filter on each line; give the "
        "path of one"
    )
    assert str(error.value) == expected


def test_a_list_is_read_from_a_file_a_text_or_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("\ufeffowl\n# fox\n", "utf-8")
    (tmp_path / "fox").mkdir()
    for given in ("mine", Path("mine"), str(tmp_path / "mine"), "owl", "owl\n"):
        assert Blacklist.read(given) == Blacklist.parse("owl")
    assert Blacklist.read("fox") == Blacklist.parse("fox")  # a tag, whatever stands in the way
    assert Blacklist.read("default") == Blacklist.parse(DEFAULT)
    assert Blacklist.read(None) == Blacklist.read("") == Blacklist(())


def test_what_it_reads_is_left_alone():
    posts = FakePosts()
    flags = np.array([post["is_pending"] for post in BOARD])
    posts.column = lambda name: flags  # the same array each time, as a memory map gives
    mask = Blacklist.parse("status:pending\nowl").mask(posts)
    mask[:] = True
    assert flags.tolist() == [post["is_pending"] for post in BOARD]


# -- a second reading of the rules, post by post ---------------------------------------------------
def passes(word, post):
    if word.startswith("-"):
        return not passes(word[1:], post)
    name, _, value = word.partition(":")
    fields = dict(
        id="id",
        score="score",
        favcount="fav_count",
        filesize="file_size",
        width="image_width",
        tagcount="tag_count",
        userid="uploader_id",
    )
    if name in fields:
        got = post[fields[name]]
        if ".." in value:
            low, high = value.split("..")
            return (not low or got >= number(low)) and (not high or got <= number(high))
        for sign, holds in (
            ("<=", lambda a, b: a <= b),
            (">=", lambda a, b: a >= b),
            ("<", lambda a, b: a < b),
            (">", lambda a, b: a > b),
        ):
            if value.startswith(sign):
                return holds(got, number(value[len(sign) :]))
        return got == number(value)
    if name == "rating":
        return post["rating"] == value
    if name == "type":
        return post["file_ext"] == value
    if name == "status":
        quiet = not post["is_pending"] and not post["is_flagged"]
        return quiet if value == "active" else post[f"is_{value}"]
    if name == "pool":
        return post["id"] in POOLS[int(value)][1]
    return tagged(post, word)


def number(text):
    for unit, factor in (("kb", KB), ("mb", MB)):
        if text.endswith(unit):
            return float(text[:-2]) * factor
    return int(text)


def line_matches(line, post):
    words = line.split(" #")[0].lower().split()
    if not words or words[0].startswith("#"):
        return False
    some = [passes(word[1:], post) for word in words if word.startswith("~")]
    return all(passes(word, post) for word in words if word[0] != "~") and (
        not some or any(some)
    )


def test_random_lines_agree_with_the_slow_reading():
    rng = random.Random(1)
    words = ["fox", "night", "snow", "owl", "young", "*o*", ":3", "10:30", "none", "Vulpine"]
    words += ["rating:s", "rating:q", "type:png", "type:gif", "status:active", "status:pending"]
    words += ["status:flagged", "pool:7", "pool:8", "userid:900"]
    numbers = ["-5", "0", "3", "5", "10", "640"]
    hits = 0
    for _ in range(1500):
        lines = []
        for _ in range(rng.randint(1, 3)):
            line = []
            for _ in range(rng.randint(0, 4)):
                low, high = sorted(rng.sample(numbers, 2), key=int)
                compared = [f"{sign}{low}" for sign in ("", "<", "<=", ">", ">=")]
                value = rng.choice([*compared, f"{low}..{high}", f"{low}..", f"..{high}"])
                field = rng.choice(["id", "score", "favcount", "width", "tagcount"])
                sized = f"filesize:{rng.choice(['<', '>=', ''])}{rng.choice(['1kb', '1.5mb'])}"
                word = rng.choice([rng.choice(words), f"{field}:{value}", sized])
                line.append(rng.choice(["", "", "-", "~", "~-"]) + word)
            lines.append(" ".join(line) + rng.choice(["", "", " # fox"]))
        expected = [p["id"] for p in BOARD if any(line_matches(line, p) for line in lines)]
        assert hidden("\n".join(lines)) == expected, lines
        hits += 0 < len(expected) < len(BOARD)
    assert hits > 500  # the comparison saw both answers


def test_no_warning_for_ordinary_lists():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        Blacklist.parse(DEFAULT + "user:12\n")
