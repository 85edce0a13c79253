"""Names as people type them: composed, in lower case, with a category before them or not."""

import unicodedata

import pytest
from boards import post, write_export

from e6graph.hydrate.importdb import import_export
from e6graph.normalize.captions import Cleaner
from e6graph.normalize.config import Config
from e6graph.recommend.board import Board
from e6graph.recommend.posts import Posts, save_served_posts
from e6graph.store import Store
from e6graph.tags.typed import CATEGORY_PREFIXES, find_name, folded, without_category
from e6graph.tags.wildcards import NameSearch, fits

NAMES = {"café", "red_fox", "art:deco", "deco", "d:", "artist:", "YOUNG", "ёлка", "straße"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (unicodedata.normalize("NFD", "café"), "café"),
        (unicodedata.normalize("NFD", "CAFÉ"), "café"),
        (" Red Fox ", "red_fox"),
        ("species:red fox", "red_fox"),
        ("Oc:Café", "café"),
        ("art:deco", "art:deco"),  # a name of its own comes first
        ("artist:deco", "deco"),
        ("species:species:deco", None),  # once
        ("d:", "d:"),
        ("artist:", "artist:"),
        ("YOUNG", "YOUNG"),
        ("ЁЛКА", "ёлка"),
        ("strasse", None),
        ("fox", None),
    ],
)
def test_which_name_is_meant(typed, meant):
    assert find_name(typed, NAMES) == meant


@pytest.mark.parametrize("prefix", CATEGORY_PREFIXES)
def test_every_category_is_cut_off(prefix):
    assert without_category(folded(f"{prefix.upper()}:Fox")) == "fox"


def test_names_are_found_as_a_shell_finds_them(
    rng_names=("", "a", "ab", "abc", "aéb", "é", "a*b"),
):
    import fnmatch
    import itertools

    names = [*rng_names, *map("".join, itertools.product("ab", repeat=4)), "night", "night_sky"]
    patterns = {
        "".join(some) for n in range(1, 5) for some in itertools.product("ab*", repeat=n)
    }
    patterns |= {"*é*", "night*", "*ght*", "n*t", "*_sky", "ni*sky", "*h*_*", "night", "[n]*"}
    found = NameSearch(names).find(patterns)
    for pattern in patterns:
        shell = pattern.replace("[", "[[]")
        expected = [k for k, name in enumerate(names) if fnmatch.fnmatchcase(name, shell)]
        if "*" in pattern:
            assert found[pattern].tolist() == expected, pattern
            assert [k for k, name in enumerate(names) if fits(pattern, name)] == expected


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("typed")
    tags = "fox café night"
    rows = [post(k, tags) for k in range(1, 4)]
    write_export(root, rows, aliases=[("vulpine", "fox"), ("blue_fox", "fox")])
    store = Store(root / "index")
    import_export(root, store, progress=False)
    with store.stage("construct_index.py", {}) as stage:
        save_served_posts(store, stage, lambda ids: ids > 0)
    return store


class Looking(Board):
    """A board of posts alone."""

    def __init__(self, posts):
        self.posts, self.shown = posts, posts.rows_with.lengths(range(len(posts.names)))


def test_a_board_resolves_and_completes_names_as_typed(store):
    board = Looking(Posts(store))
    typed = ["species:Vulpine", unicodedata.normalize("NFD", "CAFÉ"), "Gen:night", "x:fox"]
    assert board.resolve_tags(typed) == (["fox", "café", "night"], ["x:fox"])
    assert [name for name, *_ in board.complete("species:vul")] == ["fox"]
    assert board.nearest_names("species:foxx")[0] == "fox"


def test_wildcards_complete_by_the_tags_own_names(store):
    board = Looking(Posts(store))
    assert board.complete("blue*") == [] and board.complete("vulp*") == []
    assert [name for name, *_ in board.complete("f*")] == ["fox"]
    assert [name for name, *_ in board.complete("blue")] == ["fox"]  # typed as a beginning


def test_captions_read_names_as_typed(store):
    cleaner = Cleaner(Config(), store.root)
    text = unicodedata.normalize("NFD", "Species:Vulpine, CAFÉ, x:fox")
    assert cleaner.clean(text).text == "fox, café, x:fox"


def test_names_are_completed_from_within_the_most_used_first(tmp_path):
    words = ["red_fox", "fox", "fox_ears", "foxglove", "outfox", "arctic_fox", "box_(fox)"]
    rows = [post(k, " ".join(words[: 1 + k % 7])) for k in range(1, 30)]
    write_export(tmp_path, rows, aliases=[("fox_red", "red_fox"), ("vixen", "fox")])
    store = Store(tmp_path / "index")
    import_export(tmp_path, store, progress=False)
    with store.stage("construct_index.py", {}) as stage:
        save_served_posts(store, stage, lambda ids: ids > 0)
    board = Looking(Posts(store))

    def names(prefix, n=8):
        return [name for name, *_ in board.complete(prefix, n)]

    # This very name, then where it begins a word by use, then anywhere.
    begins = ["red_fox", "fox_ears", "foxglove", "arctic_fox", "box_(fox)"]
    assert names("fox") == ["fox", *begins, "outfox"]
    assert names("fox", 3) == ["fox", "red_fox", "fox_ears"]
    assert names("x_(f") == ["box_(fox)"]
    assert {*names("ox")} == {"fox", *begins, "outfox"}
    assert names("species:fox") == names("fox") and names("FOX") == names("fox")
    assert names("vix") == ["fox"] and names("o") == ["outfox"]  # of one letter the beginning
    assert names("ear") == ["fox_ears"] and names("lov") == ["foxglove"]
    assert names("xyz") == []
