"""Favorites: read, kept apart, weighed, and never shown again."""

import numpy as np
import pytest
from boards import post
from conftest import index_of

from e6graph import PostGraph
from e6graph.recommend import Profile
from e6graph.recommend.favorites import Favorites
from e6graph.recommend.personal import FAVORITE_WEIGHT, taste_of

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
    index_of(root, rows, dim=4)
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


def ids(found):
    return [one.post_id for one in found]


def test_favorites_lead_and_are_never_shown(graph):
    marked = [*FOXES][:10]
    found = ids(graph.personal(Profile(favorites=marked), n=60))
    assert not {*found} & {*marked} and {*found[:10]} <= {*FOXES}
    assert len(found) == len(FOXES) + len(OWLS) - len(marked)
    one = graph.personal(Profile(favorites=marked), n=1)[0]
    assert one.because and set(one.because) <= {*marked, *graph.posts.names}
    up, _ = graph.learned_tags(Profile(favorites=marked))
    assert {"fox", "day"} <= {tag for tag, _ in up}


def test_one_says_less_than_a_like_and_more_than_nothing(graph):
    rows = graph.posts.rows(np.array([20]))
    nothing, marked, liked = (
        float(taste_of(graph, profile).mean(rows)[0])
        for profile in (Profile(), Profile(favorites=[5]), Profile(liked=[5], at={5: 2**40}))
    )
    assert 0 < FAVORITE_WEIGHT < 1 and nothing < marked < liked


def test_favorites_are_set_against_posts_of_the_board(graph):
    profile = Profile(favorites=[*FOXES][:10], liked=[40], disliked=[41], at={40: 1, 41: 2})
    taste = taste_of(graph, profile)
    ids = graph.posts.ids[taste.rows]
    others = ids[taste.values == 0]
    assert 1 <= len(others) <= graph.allowed.sum() // 10
    assert not {*others.tolist()} & {*range(1, 11), 40, 41}
    assert [i for i in ids.tolist() if i not in others] == [*range(1, 11), 40, 41]
    assert [*ids[-2:]] == [40, 41]  # what was said here comes last
    assert (taste_of(graph, profile).rows == taste.rows).all()
    assert not (taste_of(graph, Profile(liked=[5], at={5: 1})).values == 0).any()


def test_what_was_said_here_counts_in_its_place(graph):
    marked = [1, 2, 3]
    both = Profile(favorites=marked, disliked=marked, at=dict.fromkeys(marked, 2**40))
    only = Profile(disliked=marked, at=dict.fromkeys(marked, 2**40))
    assert graph.learned_tags(both) == graph.learned_tags(only)


def test_the_latest_favorites_count_where_there_are_too_many(graph, monkeypatch):
    monkeypatch.setattr("e6graph.recommend.preference.LATEST_JUDGMENTS", 4)
    monkeypatch.setattr("e6graph.recommend.personal.SHARE_OF_OTHERS", 0)  # these count, too
    early, late = [*FOXES][:5], [*OWLS][:4]
    learned = graph.learned_tags(Profile(favorites=[*early, *late]))
    assert learned == graph.learned_tags(Profile(favorites=late))
    # And what was said here comes before all of them.
    said = dict.fromkeys(late, 2**40)
    here = graph.learned_tags(Profile(favorites=early, liked=late, at=said))
    assert here == graph.learned_tags(Profile(liked=late, at=said))


def test_what_is_hidden_or_gone_counts_for_nothing(graph):
    stale = Profile(favorites=[61, 66, 10**9, 5, 64])
    assert graph.personal(stale, n=60, seed=2) == graph.personal(Profile(favorites=[5]), 60, 2)
    assert graph.learned_tags(stale) == graph.learned_tags(Profile(favorites=[5]))


def test_a_variant_of_a_favorite_is_not_shown(family_index):
    graph = PostGraph.open(family_index)
    whole = [int(i) for i in graph.posts.ids if graph.visible(int(i))]
    head = next(one for one in whole if graph.variants(one))
    found = ids(graph.personal(Profile(favorites=[head]), n=len(whole)))
    assert found and not {head, *graph.variants(head)} & {*found}


def test_in_a_mood_they_rest(graph):
    marked = [*FOXES][:10]
    found = graph.personal(Profile(favorites=marked, mood=["owl"]), n=10)
    assert {*ids(found)} <= {*OWLS}
    found = graph.personal(Profile(favorites=marked, mood=["owl"]), n=60)
    assert not {*ids(found)} & {*marked}
