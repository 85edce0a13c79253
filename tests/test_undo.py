"""What was said last is taken back, to the very profile that was before; why a surprise strays."""

import numpy as np
import pytest
from fake_graph import FakeGraph, say

from e6graph import PostGraph
from e6graph.chat.conversation import Conversation
from e6graph.chat.profiles import Profiles
from e6graph.recommend.personal import Profile

NOTHING = "Nothing was said in this talk that could be taken back; /drop takes names."


@pytest.fixture
def bot(kept):
    return Conversation(FakeGraph(), kept, "ann")


def everything(bot):
    """All that is kept: order, times, moods and what was seen."""
    profile = bot._user.profile()
    kept = bot._user.profiles.export("ann")
    return profile, profile.at, profile.moods, profile.named_at, kept


def shown(replies):
    return [reply.post.post_id for reply in replies if reply.post]


@pytest.mark.parametrize(
    "said",
    [
        "/like",
        "/dislike",
        "/skip",
        "/like 14",
        "/dislike 10 14 15 99",
        "/like 10",
        "yes",
        "👎",
        "/enjoy owl",
        "/avoid fox, owl",
        "/enjoy fox",  # which was said before, but earlier
        "/avoid web -spider",
        "snow*",
    ],
)
@pytest.mark.parametrize("mood", ["", "/mood night"])
def test_what_was_said_is_taken_back_to_the_profile_before(bot, said, mood):
    say(bot, "/enjoy fox night", "/avoid spider", "/like 12", "/dislike 15")
    say(bot, *([mood] if mood else []), "/walk", "/like", "/skip")
    before, last = everything(bot), bot._tour._last
    touring = bot._tour._liked, bot._tour._shown, [*bot._tour._latest]
    after = shown(bot.reply(said))
    assert everything(bot) != before
    replies = bot.reply("/undo")
    assert replies[0].text.startswith("Taken back: ")
    assert everything(bot) == before
    if "enjoy" not in said and "avoid" not in said and "*" not in said:
        assert (bot._tour._liked, bot._tour._shown, [*bot._tour._latest]) == touring
        assert shown(replies)[-1] == bot._tour._last
    if said in ("/like", "/dislike", "/skip", "yes", "👎"):
        assert shown(replies) == [last] and f"#{last}" in replies[0].text
        assert shown(bot.reply(said)) == after  # and the talk goes on as it did


def test_several_undos_go_further_back_to_the_first_word(bot):
    talk = [
        "/enjoy fox",
        "/walk",
        "/like",
        "/dislike",
        "/skip",
        "/avoid web",
        "/like 14",
        "/like 10",
    ]
    states = []
    for message in talk:
        states.append(everything(bot))
        bot.reply(message)
    del states[talk.index("/walk")]
    for state in states[::-1][:-1]:
        assert say(bot, "/undo").startswith("Taken back: ")
        assert everything(bot) == state
    assert say(bot, "/undo") == "Taken back: /enjoy fox."
    assert bot._user.profile().enjoys == []
    assert say(bot, "/undo") == NOTHING


def test_posts_that_were_taken_back_are_shown_again_with_their_reason(bot):
    say(bot, "/enjoy fox")
    (first,) = bot.reply("/walk")
    bot.reply("/like")
    said, card = bot.reply("/undo")
    assert said.text == f"Taken back: liked #{first.post.post_id}."
    assert card.post == first.post and card.why == first.why
    assert f"#{card.post.post_id}: {card.why}." in say(bot, "/why")
    assert "/undo" in bot.reply("/dislike")[1].choices
    replies = bot.reply("/like 14, 15, 16, 17, 18, 19, 20")
    replies = bot.reply("/undo")
    assert "#14, #15" in replies[0].text and shown(replies) == [14, 15, 16, 17, 18]


@pytest.mark.parametrize("said", ["/like 14", "/dislike 14, 15", "/enjoy owl", "/avoid web"])
def test_what_was_said_twice_in_a_row_is_taken_back_at_once(bot, said):
    say(bot, "/enjoy fox", "/walk", "/dislike 12")
    before = everything(bot)
    say(bot, said, said, said)
    assert say(bot, "/undo").startswith("Taken back: ")
    assert everything(bot) == before
    assert say(bot, "/undo").startswith("Taken back: disliked #12.")


def test_a_post_that_was_shown_again_is_judged_again(bot):
    say(bot, "/enjoy fox", "/walk")
    first = bot._tour._last
    say(bot, "/like", f"/dislike {first}", f"/like {first}", "/undo")
    assert bot._user.profile().disliked == [first]
    say(bot, "/undo")
    assert bot._user.profile().liked == [first]


def test_what_may_not_be_shown_any_longer_is_taken_back_all_the_same(bot):
    say(bot, "/like 14", "/blacklist add owl")
    assert say(bot, "/undo") == "Taken back: liked #14."
    assert bot._user.profile() == Profile(blacklist=["owl"])


def test_what_came_in_between_stays(bot):
    say(bot, "/enjoy fox", "/walk", "/like 14", "/mood owl", "/blacklist add web", "/more 12")
    seen = {*bot._user.profile().seen}
    say(bot, "/undo")
    profile = bot._user.profile()
    assert profile.mood == ["owl"] and profile.blacklist == ["web"] and profile.liked == []
    assert {*profile.seen} == seen - {14}


def test_to_forget_leaves_nothing_to_take_back(bot):
    say(bot, "/like 14", "/forget", "yes")
    assert say(bot, "/undo") == NOTHING
    assert bot._user.profile() == Profile()


def test_a_place_that_another_took_is_not_taken_from_them(tmp_path):
    with Profiles(tmp_path / "p.sqlite") as kept:
        kept.saw("ann", [7])
        before = kept.before("ann", [7])
        kept.forget("ann")
        kept.like("bob", 1)
        kept.like("ann", 7)
        kept.put_back("ann", before)
        assert kept.load("bob").liked == [1] and kept.load("ann") == Profile(seen=[7])
        kept.forget("ann")
        kept.put_back("ann", before)  # nobody is there any more
        assert kept.load("ann") == Profile()


# -- a surprise ------------------------------------------------------------------------------------
def test_a_surprise_says_what_is_not_known(built_index, tmp_path):
    graph = PostGraph.open(built_index)
    with Profiles(tmp_path / "p.sqlite") as kept:
        bot = Conversation(graph, kept, "ann")
        (guess,) = bot.reply("/surprise")
        assert guess.why.startswith("a guess: your taste is not known yet")
        say(bot, "/enjoy fox", "/walk", "/like", "/dislike", "/like")
        (card,) = bot.reply("/surprise")
        said = card.why.split("; ")
        (stray,) = [
            one for one in said if one.startswith("it strays to learn what you think of ")
        ]
        tag = stray.rpartition(" ")[2]
        profile = kept.load("ann")
        assert tag in {name for names in card.post.tags.values() for name in names}
        assert tag not in profile.enjoys
        # No tag of the post as telling as this was judged less often.
        judged = graph.visible_rows([*profile.liked, *profile.disliked])
        held, _ = graph.posts.tags_of.take(judged)
        times = np.bincount(held, minlength=len(graph.posts.names))
        assert times[graph.posts.tag_ids[tag]] <= times[held].max()
        assert f"{card.why}." in say(bot, "/why")
        assert "strays" not in bot.reply("/more")[0].why
