"""The posts of an index by their tags, those used once among them."""

import fnmatch
import random
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from boards import post, write_export

from e6graph.hydrate.importdb import import_export
from e6graph.recommend.blacklist import Blacklist
from e6graph.recommend.posts import Posts, save_served_posts
from e6graph.store import Store
from e6graph.tags.wildcards import NameSearch

TAGS = {
    3: "fox night 100%_wool",
    5: "fox [x]",
    8: "owl 100_wool",
    9: "owl fox \\_/ :\\ 100x_wool",
    11: "night \\m/ a\\b",
    12: "once? twice fox",
    20: "owl oncex Twice ???",
}
PATTERNS = [
    "*",
    "f*",
    "*l",
    "*%*",
    "*0_*",
    "*\\*",
    "\\*",
    "\\m*",
    "\\_*",
    "*_/",
    "*:\\",
    "*a\\b*",
    "once*",
    "?*",
    "???*",
    "[x]*",
    "*wool",
    "100*wool",
    "100%*",
    "100_*",
    "*wi*",
    "no*",
]
NAMES = sorted({name for tags in TAGS.values() for name in tags.split()})


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    root = tmp_path_factory.mktemp("posts")
    write_export(
        root,
        [post(i, tags) for i, tags in TAGS.items()],
        aliases=[
            ("vulpine", "fox"),
            ("vulp_*", "owl"),
            ("of_one_post", "once?"),
            ("later", "oncex", "queued"),
            ("soon", "fox", "processing"),
            ("never", "fox", "pending"),
        ],
        pools=[(7, "A_Story", [9, 3]), (8, "12", [5])],
    )
    store = Store(root / "index")
    import_export(root, store, progress=False)
    with store.stage("construct_index.py", {}) as stage:
        save_served_posts(store, stage, lambda ids: np.ones(len(ids), bool))
    return Posts(store)


def test_a_word_that_is_no_text_is_no_tag(posts):
    found = posts.find_tags(["\udcff", "fo\udcffx*", "fox"])
    assert [len(found[word]) for word in ("\udcff", "fo\udcffx*", "fox")] == [0, 0, 1]


def test_searches_of_many_threads_take_the_memory_of_one(posts, monkeypatch):
    searching, made = threading.Lock(), []

    class Watched(NameSearch):
        def __init__(self, names):
            made.append(self)
            time.sleep(0.05)  # the names of a whole board take longer
            super().__init__(names)

        def _found(self, patterns):
            assert searching.acquire(blocking=False), "two searches at once"
            time.sleep(0.01)
            searching.release()
            return super()._found(patterns)

    monkeypatch.setattr("e6graph.recommend.posts.NameSearch", Watched)
    again = Posts(posts._store)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: again.find_tags(["*o*"])["*o*"].tolist(), range(8)))
    assert len(made) == 1 and found == [found[0]] * 8 and found[0]


@pytest.mark.parametrize("token", [*PATTERNS, *NAMES, "vulpine", "absent"])
def test_rows_of_a_tag_whether_it_has_an_id_or_not(posts, token):
    """`*` stands for anything; nothing else is special, as in a shell's pattern."""
    shell = token.replace("[", "[[]").replace("?", "[?]")
    expected = [
        i
        for i, tags in TAGS.items()
        if any(
            name == token or ("*" in token and fnmatch.fnmatchcase(name, shell))
            for tag in tags.split()
            for name in ([tag, "vulpine"] if tag == "fox" and "*" not in token else [tag])
        )
    ]
    rows = posts.rows_tagged(token)
    assert rows.dtype == np.int64 and posts.ids[rows].tolist() == expected


@pytest.mark.parametrize(
    ("pool", "expected"),
    [("7", [3, 9]), ("a_story", [3, 9]), ("A_STORY", [3, 9]), ("12", []), ("9" * 30, [])],
)
def test_pools_are_found_by_number_and_by_name(posts, pool, expected):
    """Digits are a number, even where a pool has that name or no number is so large."""
    hidden = Blacklist.parse(f"pool:{pool}").mask(posts)
    assert posts.ids[hidden].tolist() == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vulpine", [3, 5, 9, 12]),
        ("vulp*", []),  # the name of an alias is no tag's own
        ("of_one_post", [12]),  # of a tag without an id
        ("later", [20]),
        ("soon", [3, 5, 9, 12]),
        ("never", []),
        ("rating_safe", []),  # E6DB's, which no post has
        ("-rating_*", sorted(TAGS)),
    ],
)
def test_aliases_of_filters_are_those_of_the_site(posts, line, expected):
    assert posts.ids[Blacklist.parse(line).mask(posts)].tolist() == expected


def test_an_index_without_our_file_of_aliases_knows_those_of_ids(posts, tmp_path):
    shutil.copytree(posts._store.root, tmp_path / "index")
    for name in ("aliases.parquet", "aliases.parquet.json", "tag2idx.json.gz.json"):
        (tmp_path / "index" / name).unlink()
    plain = Posts(Store(tmp_path / "index"))
    assert plain.aliases == {"vulpine": "fox", "vulp_*": "owl"}
    assert plain.rows_tagged("vulpine").tolist() == posts.rows_tagged("vulpine").tolist()


def test_many_lines_hide_what_each_of_them_hides(posts):
    """Lines are united and grouped, so compare a long list with its lines one by one."""
    rng = random.Random(3)
    words = [*NAMES, *PATTERNS, "vulpine", "absent", "pool:7", "pool:8", "rating:s", "rating:q"]
    words += ["type:png", "status:active", "status:deleted", "fav:me", "score:abc", "user:x"]
    words += [f"id:{sign}{n}" for sign in ("", "<", ">=") for n in range(2, 22, 3)]
    words = [word for word in words if not word.startswith(("#", "-", "~"))]
    for _ in range(60):
        lines = []
        for _ in range(rng.randint(1, 40)):
            line = [rng.choice(["", "", "-", "~", "~-"]) + rng.choice(words) for _ in range(4)]
            lines.append(
                " ".join([*line[: rng.randint(1, 4)], *["fox", "night"][: rng.randint(0, 2)]])
            )
        each = [Blacklist.parse(line).mask(posts) for line in lines]
        made = Blacklist.parse("\n".join(lines)).mask(posts)
        assert made.tolist() == np.logical_or.reduce(each).tolist(), lines
