"""Every clause of the filter language against hand-worked truth, and a slow second reading."""

import fnmatch
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e6graph.errors import BadInput
from e6graph.recommend.blacklist import DEFAULT, Blacklist, describe
from e6graph.tags.wildcards import fits

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
TAGS = sorted(set().union(*(post["tags"] for post in BOARD)))
ALL = IDS


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

    aliases = ALIASES

    def find_tags(self, words):
        def fits(name, word):
            return fnmatch.fnmatchcase(name, word) if "*" in word else name == word

        return {
            word: np.array([k for k, name in enumerate(TAGS) if fits(name, word)], np.int64)
            for word in words
        }

    def rows_of(self, tags):
        rows = [k for tag in tags for k, post in enumerate(BOARD) if TAGS[tag] in post["tags"]]
        return np.array(rows, np.int64)

    def uses_of(self, tags):
        return len(self.rows_of(tags))

    def mark_holders(self, tags, marks):
        marks[self.rows_of(tags)] = True

    def rows_in_pool(self, pool):
        for number, (name, members) in POOLS.items():
            if pool in (number, name):
                return np.array([IDS.index(member) for member in members], np.int64)
        return None


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
        ("filesize:1kb", [2]),  # about as many: from 972 to 1,075
        ("filesize:105", [1]),  # from 99 to 110
        ("filesize:95", []),  # from 90 to 99
        ("filesize:100b..1kb", [1, 2]),
        ("filesize:500b", []),
        ("filesize:100B", [1]),
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
        # as the site saves it
        ("species:vulpine", [1, 2]),
        ("-species:fox", [3, 4, 5, 6]),
        ("~artist:fox ~char:owl", [1, 2, 3]),
        ("species:", []),
        ("species: fox", []),
        ("--fox", [3, 4, 5, 6]),
        ("-~fox ~owl", [3, 4, 5, 6]),
        ("~~fox", [1, 2]),
        ("- fox", [1, 2]),
        ("fox -\n~-", [1, 2]),
        ("-\n~\n-~-", []),
        ("vulp*", []),  # patterns see no aliases
        ("-vulp*", ALL),
        ("\xa0fox\xa0", [1, 2]),
        ("FO\u0058", [1, 2]),
        # words that pass for all or none beside others
        ("-fox status:deleted", []),
        ("rating:q status:any", [3, 4]),
        ("fox -status:deleted", [1, 2]),
        ("fox -fav:me", [1, 2]),
        ("fav:me", []),
        ("~fav:me ~owl", [3]),
        ("fox -user:bob", [1, 2]),
        ("user:bob", []),
        ("username:!900", []),
        ("uploader:!0900", [1, 3]),
        ("-type:video", ALL),
        ("-score:9..5", ALL),
        ("fox -fox", []),
        ("~fox ~-fox", ALL),
        # numbers
        ("score:=<0", [1, 2, 6]),
        ("score:=>10", [4, 5]),
        ("score:+5", [3]),
        ("score:05", [3]),
        ("score:5.0", [3]),
        ("score:>5.5", [4, 5]),
        ("score:<5.5", [1, 2, 3, 6]),
        ("score:9..5", []),
        ("pool:07", [1, 3]),
        ("status:modqueue", [2, 3, 4]),
        ("status:all", ALL),
        # what cannot be read passes for none, and the rest holds
        ("score:abc", []),
        ("-score:abc", []),
        ("owl\nscore:abc\nred_*", [3, 6]),
        ("~score:abc ~owl", [3]),
        ("-~rating:x", []),
        ("rating: s", []),
        ("score:..", []),
        ("score:5...10", []),
        ("score:5abc", []),
        ("filesize:.5mb", []),
        ("filesize:-5", []),
        ("user:!", []),
        ("user:900..901", []),
        ("pool:", []),
        # several lines
        ("owl\nfox night", [1, 3]),
        ("owl\r\n\r\n# no\r\ngore", [3, 6]),
        (DEFAULT, [4, 6]),  # young is hidden unless rating:s
    ],
)
def test_truth_table(line, expected):
    assert hidden(line) == expected
    Blacklist.parse(line).review(FakePosts())[0]


@pytest.mark.parametrize(
    ("text", "line", "word", "expected"),
    [
        ("fox\n-", 2, "'-'", "without a space"),
        ("~", 1, "'~'", "without a space"),
        ("fox ~- owl", 1, "'~-'", "without a space"),
        ("# ok\n\nfox score:much", 3, "'score:much'", "<=N, =<N, >N, >=N, =>N, A..B"),
        ("score:1.5", 1, "'score:1.5'", "a whole number"),
        ("score:1kb", 1, "'score:1kb'", "whole numbers"),
        ("score:", 1, "'score:'", "whole numbers"),
        ("score:..", 1, "'score:..'", "whole numbers"),
        ("score:>", 1, "'score:>'", "whole numbers"),
        ("score:>=<3", 1, "'score:>=<3'", "whole numbers"),
        ("score:=3", 1, "'score:=3'", "whole numbers"),
        ("id:1,2", 1, "'id:1,2'", "whole numbers"),
        ("id:9..3", 1, "'id:9..3'", "the smaller first"),
        ("id:١٢", 1, "'id:١٢'", "whole numbers"),  # digits of another script
        ("filesize:2gb", 1, "'filesize:2gb'", "b, kb or mb"),
        ("filesize:1mb..1kb", 1, "'filesize:1mb..1kb'", "the smaller first"),
        ("userid:bob", 1, "'userid:bob'", "whole numbers"),
        ("user:bob", 1, "'user:bob'", "write user:!ID"),
        ("user:!", 1, "'user:!'", "user:!ID"),
        ("user:bob", 1, "'user:bob'", "matches no post"),
        ("fav:me", 1, "'fav:me'", "matches no post: favorites are not known"),
        ("-fav:me", 1, "'-fav:me'", "passes for every post: favorites are not known"),
        ("-user:bob", 1, "'-user:bob'", "passes for every post"),
        ("~-score:9..5", 1, "'~-score:9..5'", "passes for every post"),
        ("score:5.2..5.8", 1, "'score:5.2..5.8'", "expected whole numbers, the smaller first"),
        ("score:5.5", 1, "'score:5.5'", "matches no post: expected a whole number"),
        (f"score:>{10**30}", 1, f"'score:>{10**30}'", "no post has such a number"),
        (f"score:<-{10**30}", 1, f"'score:<-{10**30}'", "no post has such a number"),
        (f"score:{10**30}", 1, f"'score:{10**30}'", "no post has such a number"),
        (f"score:{10**30}..", 1, f"'score:{10**30}..'", "no post has such a number"),
        ("-rating:x", 1, "'-rating:x'", "safe, questionable, explicit, s, q, e"),
        ("rating: s", 1, "'rating:'", "safe, questionable"),
        ("status:gone", 1, "'status:gone'", "pending, flagged"),
        ("type:", 1, "'type:'", "png or webm"),
        ("type:video", 1, "'type:video'", "matches no post"),
        ("pool:", 1, "'pool:'", "number"),
        ("pool:99", 1, "pool 99", "matches no post"),
        ("status:deleted", 1, "'status:deleted'", "matches no post"),
        ("foxx", 1, "'foxx'", "matches no post"),
        ("fox -foxx", 1, "'foxx'", "passes for every post"),
        ("zz*", 1, "'zz*'", "matches no post"),
        ("fox\n\udcff*", 2, r"'\udcff*'", "matches no post"),
    ],
)
def test_words_in_vain_are_named_with_their_line(text, line, word, expected):
    remarks = Blacklist.parse(text).review(FakePosts())[0]
    (said,) = [remark.said for remark in remarks if word in remark.said]
    assert expected in said and "\n" not in said
    assert {remark.line for remark in remarks} == {line}


def test_which_lines_can_match_nothing():
    text = "fox\nfoxx\n# fox\n\nscore:abc\n~foxx ~fox\n-foxx\n-\nuser:bob owl\ntype:swf"
    assert Blacklist.parse(text).review(FakePosts())[1] == [2, 5, 8, 9, 10]


def test_a_long_list_of_remarks_is_cut_and_names_what_is_near():
    remarks = Blacklist.parse("foxx\n" * 3 + "score:abc\n" * 50).review(FakePosts())[0]
    said = describe(remarks, lambda name: ["fox"] if name == "foxx" else [], most=4)
    assert len(said) == 5 and said[-1] == "and 49 more"
    assert said[0].startswith("line 1: ") and said[0].endswith(": did you mean fox?")
    assert said[3].startswith("line 4: 'score:abc' cannot be read")


def test_hostile_lists_end_soon():
    stars = "*".join("a" * 2000)
    for text in (
        stars,
        f"fox {stars}",
        "~" * 100_000,
        "-" * 100_000 + "fox",
        "score:" + "9" * 90_000,
    ):
        hidden(text)
    assert fits(stars, "a" * 1001) is False and fits("*a" * 9 + "b", "a" * 1000) is False


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("picture.png", "is not a text in UTF-8"),
        ("directory", "is a directory"),
        ("no_such_list.txt", "does not exist"),
        ("a\0list", "cannot be read (embedded null byte)"),
    ],
)
def test_a_path_that_is_no_list_gives_one_line(tmp_path, name, wrong):
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    (tmp_path / "directory").mkdir()
    path = tmp_path / name
    with pytest.raises(BadInput) as error:
        Blacklist.read(path)
    expected = (
        f"blacklist {path} {wrong}: expected a text file with a filter on each line; give the "
        "path of one"
    )
    assert str(error.value) == expected


def test_the_type_tells_a_file_from_filters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("\ufeffowl\r\n# fox\r", "utf-8", newline="")
    (tmp_path / "fox").write_text("owl\n", "utf-8")
    assert Blacklist.read(Path("mine")).lines == ("owl", "# fox", "")
    assert Blacklist.read("mine").lines == ("mine",)  # a tag, whatever files there are
    assert Blacklist.read("fox") == Blacklist.parse("fox")
    assert Blacklist.read("default") == Blacklist.parse(DEFAULT)
    assert Blacklist.read(None) == Blacklist(())
    for name in ("my list.txt", "nosuch.txt", str(tmp_path / "fox.txt"), "C:\\lists\\mine.txt"):
        with pytest.raises(BadInput, match=r"give Path\("):
            Blacklist.read(name)
    assert Blacklist.read("owl.txt\nfox").lines == ("owl.txt", "fox")  # no name of a file


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


def test_ordinary_lists_have_no_remarks():
    text = "# mine\n\nfox rating:q\n~owl ~-night\nuser:!12\nscore:<0 -type:gif\nfo*\npool:7"
    assert Blacklist.parse(text).review(FakePosts())[0] == []
