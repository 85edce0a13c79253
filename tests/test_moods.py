"""Moods: one wish for a while, without the old taste and without spoiling it."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from e6graph import PostGraph
from e6graph.chat.conversation import Conversation
from e6graph.chat.profiles import Profiles
from e6graph.errors import BadInput
from e6graph.recommend import personal
from e6graph.recommend.moods import of_mood, same_mood
from e6graph.recommend.personal import Profile

NOW = int(time.time())


@pytest.fixture(scope="module")
def graph(built_index):
    return PostGraph.open(built_index)


def holding(graph, tag):
    rows = graph.posts.rows_tagged(tag)
    return graph.posts.ids[rows[graph.allowed[rows]]].tolist()


def ids(found):
    return [one.post_id for one in found]


def who_likes(graph, tag, n=5, **more):
    liked = holding(graph, tag)[:n]
    return Profile(liked=liked, seen=list(liked), at=dict.fromkeys(liked, NOW), **more)


def judged(kept, mood, likes, dislikes=()):
    """The profile with posts that were judged in a mood."""
    every = [*likes, *dislikes]
    return replace(
        kept,
        liked=[*kept.liked, *likes],
        disliked=[*kept.disliked, *dislikes],
        seen=[*kept.seen, *every],
        at=kept.at | dict.fromkeys(every, NOW),
        moods=kept.moods | dict.fromkeys(every, mood),
    )


# -- in a notebook ---------------------------------------------------------------------------------
def test_in_a_mood_its_tags_lead_and_the_taste_rests(graph):
    kept = who_likes(graph, "fox", 8, enjoys=["otter"])
    owls = set(holding(graph, "owl"))
    found = ids(graph.personal(replace(kept, mood=["owl"]), n=20))
    assert len(owls & set(found)) >= 18
    named = Profile(enjoys=["owl"], named_at={"owl": NOW})
    rows = np.arange(len(graph.posts))
    tastes = [personal.taste_of(graph, one) for one in (replace(kept, mood=["owl"]), named)]
    assert np.allclose(*(taste.mean(rows) for taste in tastes))
    # The posts that were seen are no candidates, which may turn equals round.
    assert len(set(found) & set(ids(graph.personal(named, n=20)))) >= 18


def test_what_was_judged_in_a_mood_counts_there_in_any_order_of_its_tags(graph):
    kept = replace(who_likes(graph, "fox"), mood=["owl", "sky"])
    lovers = [p for p in holding(graph, "owl") if p in set(holding(graph, "candle"))]
    haters = [p for p in holding(graph, "owl") if p not in lovers]
    told = judged(kept, "sky owl", lovers[:6], haters[:6])
    up, down = graph.learned_tags(told)
    assert "candle" in dict(up) and "candle" not in dict(down)
    assert graph.learned_tags(replace(told, mood=["owl"])) != (up, down)
    assert not set(ids(graph.personal(told, n=50))) & set(told.seen)


def test_a_mood_leaves_nothing_but_seen_posts(graph):
    before = who_likes(graph, "fox", enjoys=["teapot"], avoids=["snow"])
    after = judged(before, "owl", holding(graph, "owl")[:20], holding(graph, "fox")[9:12])
    assert graph.learned_tags(after) == graph.learned_tags(before)
    gone = set(after.seen)
    for seed in range(5):
        found = ids(graph.personal(after, n=10_000, seed=seed))
        assert not gone & set(found)
        for n in (1, 10):
            expected = ids(graph.personal(before, n=n, seed=seed))
            assert gone & set(expected) or found[:n] == expected


def test_what_is_avoided_and_hidden_stays_away_in_a_mood(graph):
    kept = Profile(avoids=["candle"], mood=["owl"])
    found = ids(graph.personal(kept, n=30))
    assert found and not set(found) & set(holding(graph, "candle"))
    narrow = graph.narrowed("s", "book")
    assert not set(ids(narrow.personal(kept, n=30))) & set(holding(graph, "book"))


def test_a_mood_of_aliases_is_that_of_their_tags(graph):
    known = {"owl": 3, "strix": 3, "night": 5}
    assert same_mood("strix night", ["night", "owl"], known)
    assert not same_mood("strix night", ["owl"], known)
    kept = Profile(liked=[1, 2], seen=[1, 2], moods={1: "strix"}, mood=["owl"])
    assert of_mood(kept, known).liked == [1]
    assert of_mood(replace(kept, mood=[]), known).liked == [2]


def test_a_mood_counts_as_named_just_now():
    kept = Profile(enjoys=["fox"], named_at={"fox": 5}, moods={1: "owl"}, at={1: 7, 2: 8})
    assert of_mood(kept).named_at == {"fox": 5} and of_mood(kept).at == {2: 8}
    now = of_mood(replace(kept, mood=["owl"]))
    assert now.named_at.keys() == {"owl"} and now.named_at["owl"] >= NOW and now.at == {1: 7}


def test_a_mood_of_no_known_tag_shows_posts(graph):
    assert len(graph.personal(Profile(mood=["no_such_tag"]), n=3)) == 3


# -- the dial --------------------------------------------------------------------------------------
def test_a_profile_s_own_dial_holds_unless_another_is_given(graph):
    kept = who_likes(graph, "fox", 3)
    for variety in (0.0, 0.2, 1.0):
        own = graph.personal(replace(kept, variety=variety), n=12)
        assert own == graph.personal(kept, n=12, variety=variety)
        assert own == graph.personal(replace(kept, variety=0.7), n=12, variety=variety)
    assert graph.personal(kept, n=12) == graph.personal(kept, n=12, variety=0.5)
    assert graph.personal(replace(kept, variety=0.0), n=12) != graph.personal(
        replace(kept, variety=1.0), n=12
    )
    for wrong in (1.5, -1, float("nan"), "x"):
        with pytest.raises(BadInput, match="variety"):
            graph.personal(replace(kept, variety=wrong))


# -- in a talk -------------------------------------------------------------------------------------
@pytest.fixture
def kept(tmp_path):
    """Profiles in which no two things happen in one second."""
    seconds = itertools.count(NOW - 40_000)
    with Profiles(tmp_path / "profiles.sqlite", clock=lambda: next(seconds)) as profiles:
        yield profiles


def shown(replies):
    return [reply.post.post_id for reply in replies if reply.post is not None]


def likes_and_hates(bot, graph, tag, others):
    for post_id in holding(graph, tag)[:6]:
        bot.reply(f"/like {post_id}")
    for post_id in holding(graph, others)[:3]:
        bot.reply(f"/dislike {post_id}")


def tour(bot, n, verdict="/like"):
    found = shown(bot.reply("/walk"))
    while len(found) < n:
        found += shown(bot.reply(verdict))
    return found


def test_who_was_in_a_mood_sees_the_very_posts_that_they_would_have_seen(graph, kept):
    """Foxes, then the mood owls with twenty likes, then foxes again as if there had been none."""
    told = {}
    for user in ("plain", "moody"):
        bot = Conversation(graph, kept, user)
        likes_and_hates(bot, graph, "fox", "tram")
        begun = tour(bot, 4)
        bot.reply("/stop")
        owls = []
        if user == "moody":
            bot.reply("/mood owl")
            owls = tour(bot, 20)
            bot.reply("/like")
            bot.reply("/mood off")
            assert len(set(owls) & set(holding(graph, "owl"))) >= 18
            assert set(owls) <= set(kept.load(user).liked)
        told[user] = begun, bot.taste().up, bot.taste().down, tour(bot, 15), owls
    assert not set(told["plain"][3]) & set(told["moody"][4])
    assert told["plain"][:4] == told["moody"][:4]


def test_a_mood_holds_over_a_restart_and_finds_what_was_judged_in_it(graph, tmp_path):
    path = tmp_path / "kept.sqlite"
    with Profiles(path) as kept:
        bot = Conversation(graph, kept, "ann")
        likes_and_hates(bot, graph, "fox", "tram")
        bot.reply("/mood owl")
        first = tour(bot, 5)
        learned = bot.taste().up
        bot.reply("/mood off")
    with Profiles(path) as kept:
        bot = Conversation(graph, kept, "ann")
        assert bot.taste().mood == [] and bot.taste().up != learned
        bot.reply("/mood owl")
        assert bot.taste().up == learned
    with Profiles(path) as kept:
        bot = Conversation(graph, kept, "ann")
        more = tour(bot, 5)
        assert len(set(more) & set(holding(graph, "owl"))) >= 4 and not set(more) & set(first)
