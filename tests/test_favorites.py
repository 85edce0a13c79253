"""Favorites: read, kept apart, weighed, and never shown again."""

import pytest
from boards import post, write_export
from conftest import build

from e6graph import PostGraph
from e6graph.recommend.favorites import Favorites

FOXES = range(1, 31)
OWLS = range(31, 61)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Foxes by day, owls at night; some of each are not for everybody."""
    root = tmp_path_factory.mktemp("favorites")
    rows = [post(n, f"fox day tag{n % 4} snow{n % 3}") for n in FOXES]
    rows += [post(n, f"owl night tag{n % 4} rain{n % 3}") for n in OWLS]
    rows += [post(n, "fox night", rating="q") for n in range(61, 64)]
    rows += [post(n, "fox young", rating="e") for n in range(64, 66)]
    rows += [post(n, "fox gore") for n in range(66, 68)]
    write_export(root / "export", rows)
    build(root / "index", root / "export", dim=4)
    return root / "index", {row["id"]: row["md5"] for row in rows}


@pytest.fixture(scope="module")
def graph(index):
    return PostGraph.open(index[0], blacklist="gore")


@pytest.fixture(scope="module")
def md5s(index):
    return index[1]


def test_a_list_is_sorted_out(graph, md5s):
    named = [5, 61, md5s[4], 999, 64, 66, "f" * 32, md5s[67], 3, md5s[5].lower()]
    assert graph.sort_out(named) == Favorites(
        ids=[3, 4, 5],
        missing=3,  # 999, the MD5 of nothing, and what the never-shown rule kept out
        hidden=3,
        kept=[3, 66, 64, 999, 4, 61, 5],
    )
    assert graph.sort_out([]) == Favorites()
    found = graph.find_posts([5, 61, md5s[4], md5s[67], "f" * 32, 64, 0])
    assert found == [5, None, 4, None, None, None, None]


def test_what_the_rule_forbids_is_not_kept_where_an_index_holds_it(graph, monkeypatch):
    forbidden = graph.catalog.forbidden.copy()
    forbidden[graph.posts.rows([7])] = True
    monkeypatch.setitem(graph.catalog.__dict__, "forbidden", forbidden)
    monkeypatch.setattr(graph, "allowed", graph.allowed & ~forbidden)
    found = graph.sort_out([8, 7, 6])
    assert found == Favorites(ids=[6, 8], never=1, kept=[6, 8])
