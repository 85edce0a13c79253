"""Tastes that turn, that are broad, that are told of by thousands; names said just now."""

import threading
import time

import numpy as np
import pytest
from boards import post
from conftest import index_of

from e6graph import PostGraph
from e6graph.recommend import Profile
from e6graph.recommend import preference as module
from e6graph.recommend.memories import best_length, log_densities
from e6graph.recommend.personal import taste_of
from e6graph.recommend.preference import Judgments, Preference
from e6graph.recommend.tastes import TASTES_KEPT, KeptTastes
from e6graph.recommend.turns import centers_of, nearest

KINDS = 10
A_KIND = 320  # posts
NOW = int(time.time())


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """Ten kinds of posts: each has a name and twelve words, of which a post holds five."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(KINDS * A_KIND):
        kind = i % KINDS
        words = rng.choice(12, 5, replace=False)
        anywhere = rng.choice(20, 2, replace=False)
        held = [f"kind_{kind}", *(f"word_{kind}_{word}" for word in words)]
        held += [f"anywhere_{word}" for word in anywhere]
        rows.append(post(10 + 2 * i, " ".join(held)))
    root = tmp_path_factory.mktemp("kinds")
    index_of(root, rows, dim=16)
    return PostGraph.open(root / "index")


def kind_of(post_id):
    return (post_id - 10) // 2 % KINDS


def of_kind(kind, n, start=0):
    return [10 + 2 * (kind + KINDS * i) for i in range(start, start + n)]


def judge(profile, post_id, likes, at=None):
    profile.seen.append(post_id)
    (profile.liked if kind_of(post_id) in likes else profile.disliked).append(post_id)
    if at is not None:
        profile.at[post_id] = at


def go_on(graph, profile, likes, posts, pace=60):
    """Show posts to somebody who likes some kinds; pace None: nothing has a time."""
    kinds = []
    for _ in range(posts):
        (one,) = graph.personal(profile, seed=len(profile.seen))
        at = None if pace is None else NOW + pace * len(profile.seen)
        judge(profile, one.post_id, likes, at)
        kinds.append(kind_of(one.post_id))
    return np.array(kinds)


@pytest.mark.parametrize("pace", [86400, 60, 0, None])
def test_a_taste_that_turns_whole_is_followed(graph, pace):
    """The order is known by the times, or by the order of what was seen."""
    profile = Profile(enjoys=["kind_1"])
    before = go_on(graph, profile, {1, 2}, 40, pace)
    assert np.isin(before[10:], [1, 2]).mean() > 0.8
    after = go_on(graph, profile, {6, 7}, 30, pace)
    assert np.isin(after[15:], [6, 7]).mean() > 0.7
    taste = taste_of(graph, profile)
    assert taste.remembered is not None and taste.remembered <= 48


def test_what_does_not_turn_is_remembered_whole(graph):
    profile = Profile(enjoys=["kind_1"])
    go_on(graph, profile, {1, 2, 3}, 60)
    assert taste_of(graph, profile).remembered is None


def told(graph, name_at):
    """Cats and smiles for long, and then a name."""
    profile = Profile(enjoys=["kind_1", "kind_2"])
    for i in range(40):
        judge(profile, of_kind(1 + i % 2, 1, i)[0], {1, 2}, NOW - 4000 + 60 * i)
    profile.enjoys.append("kind_7")
    if name_at is not None:
        profile.named_at["kind_7"] = name_at
    return profile


def test_what_was_named_just_now_leads_for_a_while(graph):
    named = told(graph, NOW)
    first = go_on(graph, named, {1, 2, 7}, 7)
    assert (first == 7).sum() >= 5
    for profile in (told(graph, None), told(graph, NOW - 9000)):
        (one,) = graph.personal(profile)
        assert kind_of(one.post_id) != 7  # named long ago: likes lead
    later = go_on(graph, named, {1, 2, 7}, 40)
    assert {1, 2} & set(later[20:].tolist())  # it fades into the taste


def test_a_name_that_was_a_mistake_leads_no_longer(graph):
    profile = told(graph, NOW)
    shown = go_on(graph, profile, {1, 2}, 15)
    assert (shown[8:] == 7).sum() <= 1


def test_densities_are_those_of_the_whole_and_of_what_came_before():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((6, 9))
    system, told = a @ a.T + np.eye(6), rng.standard_normal(6)

    def joint(n):
        """Log density of the first n at once."""
        part = system[:n, :n]
        square = told[:n] @ np.linalg.inv(part) @ told[:n]
        return -(square + np.linalg.slogdet(2 * np.pi * part)[1]) / 2

    expected = np.diff([0, *map(joint, range(1, 7))])
    assert log_densities(system, told) == pytest.approx(expected)


def test_the_memory_is_the_one_that_foretold_best():
    """Twenty likes of one thing, which is then disliked: the likes foretell the contrary."""
    one_thing = np.ones((30, 30)) + 0.5 * np.eye(30)
    told = np.append(np.full(20, 1.5), np.full(10, -0.5))
    none = np.zeros(0)
    length = best_length(one_thing, told, none)
    assert length is not None and 8 <= length <= 12
    assert best_length(one_thing, np.full(30, 1.5), none) is None
    assert best_length(one_thing[:3, :3], told[:3], none) is None
    assert best_length(np.zeros((0, 0)), none, none) is None
    # What was named before the change is not held against it.
    named = np.eye(31)
    named[1:, 1:] = one_thing
    assert best_length(named, np.append(3.0, told), np.array([np.inf])) == length


def test_a_broad_taste_gives_each_of_its_kinds_a_turn(graph):
    """Five kinds, of which one has 120 likes and one has 4."""
    profile, order = Profile(), []
    for kind, likes in ((0, 120), (2, 60), (4, 30), (6, 12), (8, 4)):
        order += of_kind(kind, likes)
    for i, post_id in enumerate(np.random.default_rng(1).permutation(order).tolist()):
        judge(profile, post_id, {0, 2, 4, 6, 8}, NOW - 10**6 + 60 * i)
    every = {0, 2, 4, 6, 8}
    at_once = {kind_of(one.post_id) for one in graph.personal(profile, n=30)}
    assert every <= at_once
    for pace in (60, 0):
        kept = Profile(liked=[*profile.liked], seen=[*profile.seen], at={**profile.at})
        shown = go_on(graph, kept, every, 30, pace)
        assert every <= set(shown.tolist()) and np.isin(shown, [*every]).mean() > 0.8


def test_parts_are_found_whatever_their_size_and_strays_are_none():
    rng = np.random.default_rng(0)
    axes = np.eye(8)
    sizes = (900, 70, 30, 8)
    likes = [axes[i] + 0.1 * rng.standard_normal((n, 8)) for i, n in enumerate(sizes)]
    vectors = np.concatenate([*likes, axes[6:7], np.zeros((1, 8))])
    centers = centers_of(vectors)
    assert len(centers) == 4 and centers.argmax(1).tolist() == [0, 1, 2, 3]
    part = nearest(vectors, centers)
    assert part.tolist() == [*np.repeat(np.arange(4), sizes), -1, -1]
    assert len(centers_of(vectors[:10])) == 0
    assert nearest(vectors[:3], centers[:0]).tolist() == [-1, -1, -1]


def many(graph, n, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(graph.posts))[:n]
    liked = np.isin([kind_of(post_id) for post_id in graph.posts.ids[rows]], [0, 3, 5])
    return Judgments(rows, np.where(liked, 1.0, -1.0), rng.integers(0, 90, n).astype(float))


def taste(graph, judgments, **more):
    return Preference(graph.ranking, graph.dictionary, judgments, [4], graph.allowed, **more)


def test_very_many_are_solved_as_exactly_as_few(graph, monkeypatch):
    said, rows = many(graph, 900), np.arange(0, 3000, 7)
    near = taste(graph, said).mean(rows)
    monkeypatch.setattr(module, "EXACT", 1000)
    exact = taste(graph, said).mean(rows)
    assert near == pytest.approx(exact, abs=0.02)
    assert abs(near - exact).mean() < 0.004


def test_a_taste_that_goes_on_from_an_earlier_one_is_the_same(graph):
    said, rows = many(graph, 700), np.arange(0, 3000, 7)
    before = taste(graph, Judgments(said.rows[:690], said.values[:690], said.ages[:690]))
    before.turn(0)
    anew, after = taste(graph, said), taste(graph, said, earlier=before)
    assert after.mean(rows) == pytest.approx(anew.mean(rows), abs=0.02)
    other = many(graph, 650, seed=1)
    changed = taste(graph, other, earlier=before)  # nothing in common
    assert changed.mean(rows) == pytest.approx(taste(graph, other).mean(rows), abs=0.02)


def test_kept_tastes_are_few_and_found_by_what_was_said(graph, monkeypatch):
    monkeypatch.setattr("e6graph.recommend.tastes.EXACT", 5)
    kept, given = KeptTastes(), []

    def learn(rows):
        def learned(earlier):
            given.append(None if earlier is None else earlier.rows.tolist())
            judged = Judgments(rows, np.ones(len(rows)), np.zeros(len(rows)))
            return taste(graph, judged)

        return kept.learned(rows, learned)

    for person in range(TASTES_KEPT + 2):
        learn(np.arange(8) + 100 * person)
    learn(np.arange(4))
    last = 100 * (TASTES_KEPT + 1)
    learn(np.arange(9) + last)
    learn(np.arange(8))  # was pushed out by the others
    assert given == [None] * (TASTES_KEPT + 3) + [list(range(last, last + 8)), None]
    assert len(kept._kept) == TASTES_KEPT


def test_answers_of_many_threads_are_those_of_one(graph):
    profiles = []
    for person in range(3):
        profile = Profile()
        for kind in (person, person + 3):
            for i, post_id in enumerate(of_kind(kind, 200)):
                judge(profile, post_id, {person, person + 3}, NOW - 10**5 + i)
        profiles.append(profile)
    expected = [[one.post_id for one in graph.personal(p, 5)] for p in profiles]
    found: list = [None] * 12

    def ask(i):
        found[i] = [one.post_id for one in graph.personal(profiles[i % 3], 5)]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[i] == expected[i % 3] for i in range(12))


def test_of_nothing_said_the_posts_with_most_to_like_come_first(graph):
    appeal = graph.ranking.appeal.of(*graph.posts.tags_of.take(np.arange(len(graph.posts))))
    assert abs(appeal.mean()) < 0.05 and appeal.std() == pytest.approx(1, abs=0.1)
    found = graph.personal(Profile(), n=10)
    rows = graph.posts.rows(np.array([one.post_id for one in found]))
    assert appeal[rows].mean() > 1
