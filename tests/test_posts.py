"""The posts of an index by their tags, those used once among them."""

import fnmatch

import numpy as np
import pytest
from boards import post, write_export

from e6graph.hydrate.importdb import import_export
from e6graph.recommend.blacklist import Blacklist
from e6graph.recommend.posts import Posts, save_served_posts
from e6graph.store import Store

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
        aliases=[("vulpine", "fox")],
        pools=[(7, "A_Story", [9, 3]), (8, "12", [5])],
    )
    store = Store(root / "index")
    import_export(root, store, progress=False)
    with store.stage("construct_index.py", {}) as stage:
        save_served_posts(store, stage, lambda ids: np.ones(len(ids), bool))
    return Posts(store)


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
            for name in ([tag, "vulpine"] if tag == "fox" else [tag])
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
