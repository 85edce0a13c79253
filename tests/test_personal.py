"""The next posts for a profile: what may be shown, never twice, and after what was said."""

import time
from itertools import cycle, islice

import numpy as np
import pytest

from e6graph import PostGraph
from e6graph.recommend import personal, preference
from e6graph.recommend.personal import Profile

NOW = int(time.time())


@pytest.fixture(scope="module")
def graph(built_index):
    return PostGraph.open(built_index)


@pytest.fixture(scope="module")
def everything(built_index):
    return PostGraph.open(built_index, "sqe", None)


def holding(graph, tag):
    rows = graph.posts.rows_tagged(tag)
    return graph.posts.ids[rows[graph.allowed[rows]]].tolist()


def profile(graph, likes=(), dislikes=(), **more):
    now = int(time.time())
    judged = [*likes, *dislikes]
    return Profile(
        liked=list(likes),
        disliked=list(dislikes),
        seen=judged,
        at=dict.fromkeys(judged, now),
        **more,
    )


def ids(found):
    return [one.post_id for one in found]


def test_each_comes_once_unseen_and_visible_until_none_is_left(graph):
    kept = profile(graph, holding(graph, "fox")[:3])
    found = ids(graph.personal(kept, n=10_000))
    assert len(found) == len(set(found)) == graph.allowed.sum() - 3
    assert not set(found) & set(kept.seen)
    assert all(graph.visible(post_id) for post_id in found)
    assert found[:4] == ids(graph.personal(kept, n=4))


def test_no_post_that_was_seen_comes_again_be_it_the_first_or_last_of_all(everything):
    every = everything.posts.ids[everything.allowed].tolist()
    assert everything.allowed[[0, -1]].all()
    for seen in (every[:1], every[-1:], every[:2], every[:-1], every):
        found = ids(everything.personal(Profile(seen=seen), n=10_000))
        assert set(found) == set(every) - set(seen)


def test_likes_are_followed_and_a_dislike_counts_at_once(graph):
    fox, owl = holding(graph, "fox"), holding(graph, "owl")
    found = ids(graph.personal(profile(graph, fox[:4]), n=20))
    assert len(set(found) & set(fox)) >= 15
    both = profile(graph, [*fox[:3], *owl[:3]])
    without = profile(graph, [*fox[:3], *owl[:3]], owl[3:6])
    before, after = (
        len(set(ids(graph.personal(kept, n=20))) & set(owl)) for kept in (both, without)
    )
    assert after < before


def test_enjoyed_tags_are_enough_and_avoided_ones_never_come(graph):
    found = graph.personal(Profile(enjoys=["fox"], avoids=["lantern"]), n=20)
    fox = set(holding(graph, "fox"))
    assert len(found) == 20 and len(set(ids(found)) & fox) >= 15
    assert not set(ids(found)) & set(holding(graph, "lantern"))
    assert all("fox" in one.because for one in found if one.post_id in fox)


def test_reasons_name_liked_posts_and_a_surprise_needs_none(graph):
    fox = holding(graph, "fox")
    found = graph.personal(profile(graph, fox[:2]), n=5)
    assert any(one.post_id in fox for one in found)
    assert all(one.because[-1] in fox[:2] for one in found if one.post_id in fox)
    (surprise,) = graph.personal(Profile(), explore=True)
    assert surprise.because == [] and graph.visible(surprise.post_id)


def test_a_seed_is_one_answer_and_seeds_explore(graph):
    kept = profile(graph, holding(graph, "fox")[:2])
    assert graph.personal(kept, 5, seed=1) == graph.personal(kept, 5, seed=1)
    calm = {ids(graph.personal(kept, seed=seed))[0] for seed in range(15)}
    wild = {ids(graph.personal(kept, seed=seed, explore=True))[0] for seed in range(15)}
    assert len(wild) > len(calm)


def test_what_went_or_is_hidden_says_nothing(graph, everything):
    hidden = next(int(i) for i in everything.posts.ids if not graph.visible(int(i)))
    kept = profile(graph, holding(graph, "fox")[:2])
    stale = profile(graph, [*kept.liked, hidden, 10**9], [10**9 + 1], enjoys=["no_such_tag"])
    found, expected = (ids(graph.personal(one, 10_000, seed=3)) for one in (stale, kept))
    assert found == expected and len(found) == graph.allowed.sum() - 2
    assert graph.learned_tags(stale) == graph.learned_tags(kept)


def test_learned_tags_are_those_of_the_judged_posts(graph):
    fox, owl = holding(graph, "fox"), holding(graph, "owl")
    up, down = graph.learned_tags(profile(graph, fox[:5], owl[:5]), 8)
    assert "fox" in dict(up) and "owl" in dict(down) and len(up) == len(down) == 8
    assert not set(dict(up)) & set(dict(down))
    assert all(weight > 0 for _, weight in up) and all(weight < 0 for _, weight in down)
    assert graph.learned_tags(Profile(enjoys=["fox"])) == ([], [])


def test_skipping_a_theme_lowers_its_posts_less_than_disliking_it(graph):
    """Somebody who enjoys nights: of owls among them some are passed over, or disliked."""
    owl = holding(graph, "owl")
    told = {"enjoys": ["night"]}
    plain, shown = Profile(**told), Profile(seen=owl[:4], **told)
    skipped = Profile(skipped=owl[:4], seen=owl[:4], at=dict.fromkeys(owl[:4], NOW), **told)
    disliked = profile(graph, [], owl[:4], **told)
    rows = graph.posts.rows(np.array(owl[4:]))
    means = [
        personal.taste_of(graph, one).mean(rows) for one in (plain, shown, skipped, disliked)
    ]
    assert means[0] == pytest.approx(means[1])  # to be shown says nothing
    assert (means[2] < means[1]).all() and (means[3] < means[2]).all()


def test_skips_crowd_out_no_opinion(graph, monkeypatch):
    monkeypatch.setattr(personal, "LATEST_SKIPS", 2)
    fox, owl = holding(graph, "fox"), holding(graph, "owl")
    few, many = (
        Profile(liked=fox[:2], skipped=skips, at=dict.fromkeys([*fox[:2], *skips], NOW))
        for skips in (owl[3:5], owl[:5])
    )
    assert graph.learned_tags(few) == graph.learned_tags(many)


def test_the_latest_judgments_count_whatever_they_were(graph, monkeypatch):
    monkeypatch.setattr(preference, "LATEST_JUDGMENTS", 2)
    fox, owl = holding(graph, "fox")[:2], holding(graph, "owl")[:1]
    at = {fox[0]: NOW, fox[1]: NOW - 1, owl[0]: NOW - 2}
    latest = graph.learned_tags(Profile(liked=fox, at=at))
    assert graph.learned_tags(Profile(liked=fox, disliked=owl, at=at)) == latest
    at = {fox[0]: NOW - 9, fox[1]: NOW - 1, owl[0]: NOW - 2}
    both = graph.learned_tags(Profile(liked=fox[1:], disliked=owl, at=at))
    assert graph.learned_tags(Profile(liked=fox, disliked=owl, at=at)) == both != latest


def test_reasons_name_the_latest_likes(graph, monkeypatch):
    monkeypatch.setattr(personal, "LATEST_LIKES", 2)
    fox = holding(graph, "fox")
    named = {one.because[-1] for one in graph.personal(profile(graph, fox[:5]), n=25)}
    assert named == set(fox[3:5])


def test_the_latest_enjoyed_tags_take_part_and_hundreds_cost_little(graph):
    tags = [graph.posts.names[i] for i in np.flatnonzero(graph.shown)]
    assert len(tags) > 2 * personal.LATEST_ENJOYED
    tags = list(islice(cycle(tags), 500))
    many, latest = Profile(enjoys=tags), Profile(enjoys=tags[-personal.LATEST_ENJOYED :])
    found = graph.personal(many, n=5)
    # The cost of an answer is that of the system of equations, a row for each tag that counts.
    system, _ = personal.taste_of(graph, many)._factor
    assert system.shape == (personal.LATEST_ENJOYED, personal.LATEST_ENJOYED)
    assert found == graph.personal(latest, n=5)
    assert found != graph.personal(Profile(enjoys=tags[: personal.LATEST_ENJOYED]), n=5)


def test_old_judgments_count_less(graph):
    fox, owl = holding(graph, "fox")[:6], holding(graph, "owl")[:6]
    kept = profile(graph, [*fox, *owl])
    weights = {}
    for name, old in (("fox", owl), ("owl", fox)):
        kept.at |= {p: int(time.time()) for p in [*fox, *owl]}
        kept.at |= {p: int(time.time()) - 400 * 86400 for p in old}
        weights[name] = dict(graph.learned_tags(kept, 50)[0])
    assert weights["fox"]["fox"] > weights["owl"].get("fox", 0)
    assert weights["owl"]["owl"] > weights["fox"].get("owl", 0)


def test_on_a_wider_board_only_the_narrow_part_comes(everything, graph):
    narrow = everything.narrowed("s", "fox")
    kept = profile(graph, holding(graph, "night")[:3], enjoys=["night"])
    found = ids(narrow.personal(kept, n=10_000))
    rows = narrow.posts.rows(np.array(found))
    assert narrow.allowed[rows].all() and not set(found) & set(holding(everything, "fox"))
