"""Families: variants of one thing are found, and nothing else is taken for one."""

import numpy as np
import pytest
from boards import FAMILY_COMIC as COMIC
from boards import FAMILY_TAGS

from e6graph import PostGraph
from e6graph.recommend import Profile
from e6graph.recommend.families import Families


@pytest.fixture(scope="module")
def graph(family_index):
    return PostGraph.open(family_index)


def family(graph, post_id):
    return {post_id, *graph.variants(post_id)}


def test_chains_of_parents_are_one_family_and_so_are_children_of_an_absent_parent(graph):
    assert family(graph, 10) == family(graph, 12) == {10, 12}
    assert family(graph, 14) == family(graph, 16) == family(graph, 18) == {14, 16, 18}
    assert graph.variants(20) == []  # its own parent


def test_one_tag_set_and_nearly_one_picture_is_one_family(graph):
    for post_id in (30, 31, 33):
        assert family(graph, post_id) == {30, 31, 33}


def test_what_is_merely_alike_is_no_family(graph):
    for post_id in (34, 35, 36, 40, 41, 50, 51, 300, 350):
        assert graph.variants(post_id) == [], post_id


def test_pages_of_a_series_are_no_variants_of_each_other(graph):
    assert graph.variants(401) == graph.variants(403) == []
    assert graph.variants(405) == [450]


def test_what_may_not_be_shown_is_no_variant(graph):
    assert graph.narrowed("s", "rain").variants(14) == [18]


def test_a_list_shows_one_of_each_and_says_how_many_more(graph):
    found = graph.recommend(tags=["fox"], n=400)
    ids = [one.post_id for one in found]
    firsts = graph.catalog.families.first[graph.posts.rows(np.array(ids))]
    assert len(set(firsts.tolist())) == len(ids)
    counted = {one.post_id: one.variants for one in found}
    assert all(counted[i] == len(graph.variants(i)) for i in ids)
    assert sorted(counted.values())[-3:] == [1, 2, 2]  # 450 came with a page, or alone
    every = graph.recommend(tags=["fox"], n=400, variants=True)
    assert {one.post_id for one in every} == set(graph.posts.ids.tolist())
    assert {one.variants for one in every} == {0}


def test_the_head_of_a_family_stands_for_it_where_it_is_as_good(graph):
    (first,) = graph.recommend(tags=FAMILY_TAGS.split()[:3], n=1, exclude=[30, *COMIC])
    found = [one.post_id for one in graph.recommend(tags=["fox", "lantern"], n=400)]
    assert 10 in found and 12 not in found and 30 in found and first.post_id not in (31, 33)


@pytest.mark.parametrize("how", ["exclude", "avoid", "posts"])
def test_what_was_seen_avoided_or_liked_counts_for_its_family(graph, how):
    asked = {"posts": [300]} | {how: [31]}
    found = {one.post_id for one in graph.recommend(**asked, n=400)}
    assert not found & {30, 31, 33} and found & {10, 12}


@pytest.mark.parametrize("line", ["id:31", "id:12 id:>0", "score:>100000"])
def test_a_hidden_post_counts_for_nothing(graph, line):
    """Who knows the id of a post that may not be shown learns nothing of its kin by it."""
    narrow = graph.narrowed("s", f"id:31\nid:12\n{line}")
    asked = {"posts": [300], "n": 400, "variety": 0}
    plain, alike = narrow.recommend(**asked), narrow.recommend(**asked, variants=True)
    for hidden in ([31], [12, 31], [10**9]):
        assert narrow.recommend(**asked, exclude=hidden) == plain
        assert narrow.recommend(**asked, avoid=hidden) == plain
        assert narrow.recommend(**asked, avoid=hidden, variants=True) == alike
    assert {30, 10} & {one.post_id for one in plain}
    taste = {"liked": [300], "seen": [300], "at": {300: 1}}
    plain = narrow.personal(Profile(**taste), n=400)
    for kept in (
        Profile(**taste | {"seen": [12, 300, 31]}),
        Profile(**taste | {"liked": [300, 31]}),
        Profile(**taste, disliked=[12]),
        Profile(**taste, skipped=[31]),
    ):
        assert narrow.personal(kept, n=400) == plain


def test_a_taste_counts_a_family_as_well(graph):
    for kept in (Profile(seen=[12]), Profile(liked=[12]), Profile(disliked=[12])):
        found = {one.post_id for one in graph.personal(kept, n=400)}
        assert not found & {10, 12} and found & {30, 31, 33}
        found = {one.post_id for one in graph.personal(kept, n=400, variants=True)}
        assert 10 in found


def test_a_comic_comes_in_with_its_first_page_that_was_not_seen(graph):
    for seen in range(len(COMIC)):
        found = graph.recommend(tags=["comic", "fox"], n=8, exclude=COMIC[:seen])
        pages = [one.post_id for one in found if one.post_id in COMIC]
        assert pages == [COMIC[seen]]
        reasons = {name for name, _ in graph.posts.tags(graph.row(pages[0]))}
        one = next(one for one in found if one.post_id == pages[0])
        assert {"comic", "fox"} & set(one.because) <= reasons
    others = [made.post_id for made in graph.recommend(posts=[405], n=8)]
    assert {401, 403, 409} <= set(others)  # its own pool was asked for


def test_a_taste_reads_a_comic_in_order(graph):
    seen = []
    for page in COMIC:
        found = graph.personal(Profile(enjoys=["comic", "fox"], seen=seen), n=12)
        pages = [one.post_id for one in found if one.post_id in COMIC]
        assert pages == [page]
        seen.append(page)


def test_joining_pairs_by_hand():
    made = Families.joining(6, np.array([[3, 7], [1, 7], [2, 0]]))
    assert made.first.tolist() == [0, 1, 0, 1, 4, 5]
    assert made.number.tolist() == [0, 1, 0, 1, -1, -1]
    assert [made.members[i].tolist() for i in range(2)] == [[0, 2], [1, 3]]
    assert made.child.tolist() == [False, True, True, True, False, False]
    assert sorted(made.widened(np.array([3, 4])).tolist()) == [1, 3, 3, 4]
    assert made.first_seen(np.array([2, 0, 3, 5, 1])).tolist() == [1, 0, 1, 1, 0]
    empty = Families.joining(3, np.zeros((0, 2), np.int64))
    assert empty.first.tolist() == [0, 1, 2] and len(empty.members) == 0
    assert empty.widened(np.array([1])).tolist() == [1]


def test_random_chains_are_what_a_search_finds():
    """Beside a plain search over the pairs."""
    rng = np.random.default_rng(3)
    ties = rng.integers(0, 70, (40, 2))  # of 50 rows, and 20 that are not indexed
    made = Families.joining(50, ties)
    for row in range(50):
        reached, before = {row}, 0
        while len(reached) > before:
            before = len(reached)
            for pair in ties.tolist():
                if reached & set(pair):
                    reached |= set(pair)
        rows = sorted(one for one in reached if one < 50)
        assert made.first[row] == rows[0]
        assert sorted([row, *made.others(row).tolist()]) == rows


def test_an_index_without_parents_or_uploaders_has_no_families(built_index):
    """E6DB's own files lack the column of parents."""
    graph = PostGraph.open(built_index)
    kept = graph.posts._table
    graph.posts._table = kept.drop_columns(["parent_id", "uploader_id"])
    assert len(graph.catalog.families.members) == 0


def test_pools_of_hidden_kin_alone_are_not_named(family_index):
    graph = PostGraph.open(family_index, "s", None)
    assert graph.describe(450).pools == graph.describe(405).pools != []
    lists = graph.narrowed("s", "id:405")
    assert not lists.visible(405) and lists.visible(450)
    assert lists.describe(450).pools == []


def test_what_was_judged_is_not_shown_again_with_its_variants(graph):
    for said in ("liked", "disliked", "skipped"):
        profile = Profile(enjoys=["fox"], **{said: [30]})
        shown = graph.personal(profile, n=400, variants=True)
        ids = {one.post_id for one in shown}
        assert 30 not in ids and {31, 33} <= ids
