"""The talk: what is understood, what is kept, what comes back; then its terminal and its sheet."""

import importlib.util
import io
import json
import logging
import re
import socket
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
from fake_graph import BOARD, PICTURE, FakeGraph, say
from PIL import Image
from threadpoolctl import threadpool_info

from e6graph import cli
from e6graph.chat import room
from e6graph.chat import taste as taste_commands
from e6graph.chat.commands import COMMANDS
from e6graph.chat.conversation import Conversation
from e6graph.chat.messages import (
    FAVORITES_BYTES,
    MESSAGE_LIMIT,
    PICTURE_LIMIT,
    Picture,
    Reply,
    TextFile,
    card,
    clean,
    post_id_in,
    reasons,
    wrapped,
)
from e6graph.chat.profiles import Profiles
from e6graph.chat.terminal import contact_sheet as sheets
from e6graph.chat.terminal.contact_sheet import contact_sheet
from e6graph.chat.terminal.talk import completions, read_list, read_picture, talk
from e6graph.errors import BadArtifact, BadInput, MissingArtifact
from e6graph.hydrate.previews import preview_path
from e6graph.recommend.personal import Profile

CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def bot(kept):
    return Conversation(FakeGraph(), kept, "ann", "previews")


def shown(replies):
    return [reply.post.post_id for reply in replies if reply.post is not None]


# -- tags ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "command",
    [
        "",
        "/",
        "/enjoy ",
        "/like ",
        "/more ",
        "/mood ",
        "/variety ",
        "/rating ",
        "/blacklist remove ",
        "/walk ",
    ],
)
def test_of_a_long_word_an_answer_repeats_the_beginning(bot, command):
    word = "9x" * 700
    answer = say(bot, command + word)
    assert word[:50] in answer and word[:70] not in answer


def test_the_end_of_a_mood_takes_no_tags(bot, kept):
    say(bot, "/mood fox")
    for typed in ("/mood off owl", "/mood owl,OFF"):
        assert say(bot, typed) == (
            "/mood off ends the mood and takes no tags; /mood TAGS begins another one"
        )
    assert kept.load("ann").mood == ["fox"]


def test_tags_are_kept_at_once_and_typos_get_suggestions(bot, kept):
    replies = bot.reply("/enjoy Vixen, nihgt,zzzz snow")
    assert len(replies) == 1
    lines = replies[0].text.split("\n")
    assert lines[0] == "You enjoy fox, snow."
    assert lines[1] == "No tag 'nihgt': did you mean night?"
    assert lines[2] == "No tag 'zzzz'."
    assert lines[3].startswith("Often with them: night")
    also = lines[3].removeprefix("Often with them: ").split(", ")
    assert replies[0].choices == list(
        dict.fromkeys(["/walk", "/enjoy night", *(f"/enjoy {name}" for name in also)])
    )
    assert kept.load("ann").enjoys == ["fox", "snow"]
    assert say(bot, "/avoid fox spider").startswith("You avoid fox, spider.")
    assert kept.load("ann") == Profile(enjoys=["snow"], avoids=["fox", "spider"])


def test_nothing_known_keeps_nothing(bot, kept):
    assert say(bot, "/avoid xyzzy") == "No tag 'xyzzy'."
    assert say(bot, "/enjoy") == "Expected tags: /enjoy TAGS, such as /enjoy fox night"
    assert "I do not know 2 more" in say(bot, "/enjoy a1 a2 a3 a4 a5 a6 a7")
    assert kept.load("ann") == Profile()


def test_words_without_a_command(bot, kept):
    assert say(bot, "fox, night").startswith("You enjoy fox, night.")
    answer = bot.reply("fox owll please")[0]
    assert "No tag 'owll': did you mean owl?" in answer.text
    assert answer.choices == ["/enjoy fox", "/enjoy owl"]
    assert kept.load("ann").enjoys == ["fox", "night"]  # not from the half-understood line
    assert say(bot, "https://e621.net/posts/12") == "To say that you like that post: /like 12"
    assert say(bot, ",,") == "I understand tags and commands; /help lists them."
    assert bot.reply("  \n ") == []


# -- posts -----------------------------------------------------------------------------------------
def test_a_walk_shows_the_post_and_why(bot):
    say(bot, "/enjoy fox night")
    (reply,) = bot.reply("/walk")
    assert reply.text == (
        "#10  fox by inkwash\n"
        "https://e621.net/posts/10\n"
        "artist     inkwash\n"
        "species    fox\n"
        "general    night, lantern\n"
        "why        you enjoy fox, night"
    )
    assert reply.post.post_id == 10 and reply.why == "you enjoy fox, night"
    assert reply.picture == Path(f"previews/data/preview/00/00/{10:032x}.jpg")
    assert say(bot, "/why") == (
        "#10: you enjoy fox, night.\n"
        "Searched from the 2 tags you enjoy; left out 0 posts you saw before. Score 2."
    )


def test_feedback_counts_at_once_and_a_tour_goes_on(bot, kept):
    assert "do not know your taste" in say(bot, "/walk")
    say(bot, "/stop")
    assert say(bot, "/like 14") == "You like #14: owl by inkwash."
    assert shown(bot.reply("/walk")) == [10]
    assert bot._user.board.called == dict(
        posts=[14], tags=[], avoid=[], n=1, seed=1, exclude=[14]
    )  # the post liked has been seen
    replies = bot.reply("/dislike")
    assert replies[0].text == "You dislike #10: fox by inkwash."
    assert len(shown(replies)) == 1
    assert bot._user.board.called["avoid"] == [10]
    bot.reply("/avoid spider")
    replies = bot.reply("/skip")
    assert replies[0].text.startswith("Skipped #") and len(shown(replies)) == 1
    assert bot._user.board.called["avoid"] == ["spider", 10]
    assert bot._user.board.called["seed"] == 3
    assert shown(bot.reply("/like 10")) == []  # an older card: the tour stays where it is
    assert kept.load("ann").liked == [14, 10] and kept.load("ann").disliked == []
    assert say(bot, "/stop") == "The tour is over: 3 shown, 0 liked."
    assert shown(bot.reply("/like")) == []
    assert say(bot, "/stop").startswith("There is no tour")


def test_more_like_one_post_and_a_surprise(bot, kept):
    assert shown(bot.reply("/more 15")) == [12, 13, 19, 20]  # papercut, day or river
    assert bot._user.board.called["posts"] == [15]
    assert "Searched from posts like #15" in say(bot, "/why")
    assert shown(bot.reply("/surprise")) == [10]
    assert say(bot, "/why 19").startswith("#19: ")
    assert "I do not remember" in say(bot, "/why 16")
    assert "may not be shown" in say(bot, "/more 21") or "hidden" in say(bot, "/more 21")


def test_variants_of_a_post_are_shown_without_what_they_avoid(bot, kept):
    assert "Nothing was shown" in say(bot, "/variants")
    bot.reply("/more 16")
    assert "#16 has no variants here" in say(bot, "/variants 16")
    replies = bot.reply("/variants 13")
    assert shown(replies) == [19, 14]  # 14 came as one of five, and so comes last
    assert "a variant of #13" in replies[0].why
    assert say(bot, "/why 19") == "#19: a variant of #13."  # nothing was searched or scored
    assert kept.load("ann").seen.count(19) == kept.load("ann").seen.count(14) == 1
    again = bot.reply("/variants https://e621.net/posts/13")
    assert again[0].text == "You have seen all 2 variants of #13 before; here once more."
    assert shown(again) == [19, 14]
    assert say(bot, "/variants 10", "/variants 10").startswith(
        "You have seen the only variant of #10 before"
    )
    bot.reply("/avoid lantern")
    (reply,) = bot.reply("/variants 11")  # the other has a lantern
    assert reply.text == "All variants of #11 have tags that you avoid: lantern."
    assert reply.choices == ["/drop lantern"]
    assert "may not be shown" in say(bot, "/variants 21") or "hidden" in say(
        bot, "/variants 21"
    )
    assert "is not a post" in say(bot, "/variants fox")
    assert "/variants [ID or URL]" in say(bot, "/help")


def test_a_large_family_is_shown_in_turns(bot, monkeypatch):
    others = [p for p in BOARD if p not in (10, 21)]
    monkeypatch.setattr(FakeGraph, "variants", lambda self, post_id: others)
    turns = [bot.reply("/variants 10") for _ in range(4)]
    assert turns[0][0].text == f"#10 has {len(others)} variants: /variants 10 shows others."
    assert shown(turns[0]) + shown(turns[1]) == others
    assert "all 10 variants of #10 before" in turns[2][0].text
    assert shown(turns[2]) + shown(turns[3]) == others


def test_the_post_that_a_picture_is_does_not_come_as_one_like_it(bot, monkeypatch):
    plain = shown(bot.reply(Picture(PICTURE)))
    monkeypatch.setattr(FakeGraph, "same_picture", lambda self, image: plain[0])
    other = Conversation(FakeGraph(), bot._user.profiles, "bob")
    replies = other.reply(Picture(PICTURE))
    assert replies[0].text.startswith(f"This is #{plain[0]}: ")
    assert plain[0] not in shown(replies) and len(shown(replies)) == 3
    rest = [post_id for _ in range(6) for post_id in shown(other.reply("/skip"))]
    assert plain[0] not in rest and rest


def test_a_post_says_how_many_variants_it_has(bot, monkeypatch):
    recommend = FakeGraph.recommend

    def counted(self, *given, **options):
        return [replace(one, variants=3) for one in recommend(self, *given, **options)]

    plain = bot.reply("/more 15")[0]
    assert "variants" not in plain.why and "/variants 12" not in plain.choices
    monkeypatch.setattr(FakeGraph, "recommend", counted)
    told = bot.reply("/more 16")[0]
    number = told.post.post_id
    assert told.why.endswith("; one of 4 variants") and told.why in told.text
    assert told.choices[-1] == f"/variants {number}"


def test_a_tour_by_a_picture_shows_no_artist_three_times_running(bot):
    """Every fox or snow of this board, the ones by inkwash first."""
    replies = bot.reply(Picture(PICTURE))
    artists = [
        reply.post.tags.get("artist", [""])[0]
        for reply in [*bot.reply("/walk"), *[r for _ in range(8) for r in bot.reply("/skip")]]
        if reply.post
    ]
    assert replies and all(len(set(artists[i : i + 3])) > 1 for i in range(len(artists) - 2))


def test_a_surprise_before_anything_is_known_is_called_a_guess(bot, kept):
    (first,) = bot.reply("/surprise")
    assert first.post is not None and first.why == "a guess: your taste is not known yet"
    assert first.why in say(bot, "/why")


def test_posts_do_not_come_back_even_in_the_next_run(bot, kept):
    say(bot, "/enjoy night")
    first = shown(bot.reply("/walk")) + shown(bot.reply("/skip")) + shown(bot.reply("/skip"))
    again = Conversation(FakeGraph(), kept, "ann")
    rest = [
        post_id for _ in range(9) for post_id in shown(again.reply("/skip" if _ else "/walk"))
    ]
    night = [p for p, (rating, tags) in BOARD.items() if "night" in tags["general"]]
    assert sorted(first + rest) == [p for p in night if BOARD[p][0] == "s"]
    assert len(first) == 3
    assert say(again, "/walk").startswith("Nothing new is left")
    assert shown(Conversation(FakeGraph(), kept, "bob").reply("night")) == []
    assert shown(Conversation(FakeGraph(), kept, "bob").reply("/walk")) == [10]  # others' own


def test_a_scripted_talk_is_reproducible(tmp_path):
    script = ["/enjoy fox", "/walk", "/like", "/walk", "/dislike", "/more", "/taste"]
    talks = []
    for name in ("a", "b"):
        with Profiles(tmp_path / name) as kept:
            bot = Conversation(FakeGraph(), kept, "ann")
            talks.append([say(bot, message) for message in script])
    assert talks[0] == talks[1]


def test_what_may_not_be_shown_is_refused_in_one_line(bot, kept):
    for message in ("/like 21", "/dislike https://e621.net/posts/21", "/like 9999"):
        (reply,) = bot.reply(message)
        assert re.fullmatch(r"post \d+ is not on this board, or is hidden", reply.text)
    for message in ("/like fox", "/like 1 fox", f"/like {10**30}", "/like 12x"):
        assert "is not a post: /like takes numbers and URLs" in say(bot, message)
    assert kept.load("ann") == Profile()


def test_a_profile_made_under_other_settings_still_works(kept):
    wide = Conversation(FakeGraph("sq"), kept, "ann")
    say(wide, "/like 21", "/dislike 12", "/enjoy fox")
    kept.enjoy("ann", ["a_tag_of_last_year"])
    kept.dislike("ann", 4000)
    narrow = Conversation(FakeGraph("s"), kept, "ann")
    assert shown(narrow.reply("/walk")) == [10]
    assert narrow._user.board.called["posts"] == []
    assert narrow._user.board.called["avoid"] == [12]
    assert "3 of these are not on this board, or hidden." in say(narrow, "/taste")
    say(narrow, "/drop #12 #4000 a_tag_of_last_year")
    assert "1 of these is not on this board, or hidden." in say(narrow, "/taste")


@pytest.mark.parametrize("message", ["/skip", "/like", "/dislike", "/why"])
def test_before_anything_was_shown(bot, message):
    assert say(bot, message).startswith("Nothing was shown yet")


# -- pictures --------------------------------------------------------------------------------------
def test_a_picture_is_read_followed_and_not_kept(bot, kept, tmp_path):
    replies = bot.reply(Picture(PICTURE))
    assert replies[0].text == "I think I see: fox 90%, snow 42%"
    assert replies[0].choices == ["/enjoy fox", "/enjoy snow"]
    assert shown(replies) == [11, 10, 12]
    assert replies[1].why == "like your picture; it has fox, snow"
    assert shown(bot.reply("/skip")) == [14]  # more like the picture
    assert "Searched from your picture" in say(bot, "/why")
    assert kept.load("ann") == Profile(seen=[11, 10, 12, 14])
    say(bot, "/enjoy owl")
    assert shown(bot.reply("/walk")) == [13]  # the taste again
    assert PICTURE not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_pictures_that_cannot_be_used(bot, monkeypatch):
    assert say(bot, Picture(b"GIF89a")) == (
        "the picture begins b'GIF89a': expected a whole JPEG, PNG, GIF, WebP or BMP picture"
    )
    assert say(bot, Picture(b"")) == "the picture is empty"
    assert say(bot, Picture(problem="no such file")) == "no such file"
    assert say(bot, Picture(b"x" * (PICTURE_LIMIT + 1))) == "the picture has more than 20 MB"
    assert say(bot, "/picture fox.png").startswith("Expected the path of a picture")

    def missing(*_, **__):
        raise MissingArtifact("index/recognizer.npz is missing: run solve_recognizer.py first")

    monkeypatch.setattr(bot._user.board, "recognize", missing)
    assert "has not run solve_recognizer.py" in say(bot, Picture(PICTURE))


def test_what_only_the_operator_can_mend_is_no_answer_but_a_line_in_the_terminal(
    bot, monkeypatch
):
    def damaged(*_, **__):
        raise BadArtifact("posts.arrow is damaged: run construct_index.py again")

    monkeypatch.setattr(bot._user.board, "personal", damaged)
    say(bot, "/enjoy fox")
    with pytest.raises(BadArtifact):
        bot.reply("/walk")
    _, text = transcript(bot, "/walk\n/quit\n")
    assert "run construct_index.py again" in text and text.endswith("Goodbye.\n")


# -- what is kept ----------------------------------------------------------------------------------
def test_taste_lists_what_is_kept(bot, kept):
    assert say(bot, "/taste") == "I keep nothing about you."
    say(bot, "/enjoy fox night", "/avoid web", "/like 12", "/dislike 13", "/walk")
    assert say(bot, "/taste") == (
        "What I keep about you, the latest last:\n"
        "enjoys     fox, night\n"
        "avoids     web\n"
        "liked      #12\n"
        "disliked   #13\n"
        "learned    fox +1.00, papercut +1.00, day +1.00, meadow +1.00, owl -1.00, papercut -1.00, "
        "night -1.00, forest -1.00\n"
        "seen       3 posts\n"
        "/drop TAG or /drop #12 takes one back."
    )
    taste = bot.taste()
    assert (taste.enjoys, taste.avoids, taste.liked, taste.disliked, taste.seen) == (
        ["fox", "night"],
        ["web"],
        [12],
        [13],
        3,
    )
    assert taste.up[0] == ("fox", "species", 1.0) and taste.ratings == "s"
    for post_id in range(100, 130):
        kept.like("ann", post_id)
    assert "liked      (11 earlier), #110, #111" in say(bot, "/taste")


def test_a_mood_is_followed_told_and_ended(bot, kept):
    assert say(bot, "/mood").startswith("No mood holds. /mood TAGS follows one wish")
    assert "Earlier" not in say(bot, "/mood")
    assert say(bot, "/mood off") == "No mood holds."
    say(bot, "/enjoy otter", "/like 15")
    replies = bot.reply("/mood Vixen, snwo night zzzz")
    assert replies[0].text.split("\n") == [
        "You are in the mood for fox, night: I follow that and let your taste rest, until "
        "/mood off.",
        "No tag 'snwo': did you mean snow?",
        "No tag 'zzzz'.",
    ]
    assert replies[0].choices == ["/walk", "/mood off", "/mood snow"]
    (card,) = bot.reply("/walk")
    assert card.post.post_id == 10
    assert card.why == "you are in the mood for fox, night" and card.why in card.text
    assert say(bot, "/why") == (
        "#10: you are in the mood for fox, night.\n"
        "Searched from the mood fox, night; left out 1 post you saw before. Score 2."
    )
    _, card = bot.reply("/like")
    assert "you are in the mood for fox, night; you liked #10" in card.why
    assert "the mood fox, night, the 1 post you liked in it; left out 2" in say(bot, "/why")
    assert "The mood fox, night leads until /mood off." in say(bot, "/enjoy owl")
    assert say(bot, "/mood") == (
        "You are in the mood for fox, night. You judged 1 post in it before. /mood off ends it."
    )
    taste = say(bot, "/taste")
    assert "\nenjoys     otter, owl\n" in taste and "\nliked      #15, #10\n" in taste
    assert "\nmood       fox, night\n" in taste and "of it alone: /mood off" in taste
    assert "lantern +1.00" in taste and "river" not in taste
    export = json.loads(bot.reply("/export")[0].document[1])
    assert export["mood"] == "fox night"
    assert {post["post_id"]: post.get("mood") for post in export["posts"]}[10] == "fox night"

    said = say(bot, "/mood OFF")
    assert said == "The mood fox, night is over. Your taste leads again, as it was."
    taste = say(bot, "/taste")
    assert "\nmood " not in taste and "river +1.00" in taste and "lantern" not in taste
    assert "\nOf these, 1 liked and 0 disliked count in their moods alone.\n" in taste
    assert "\nliked      #15, #10\n" in taste
    assert bot._user.profile().moods[10] == "fox night"
    (told,) = bot.reply("/mood")
    assert told.choices == ["/mood fox night"]
    assert told.text.endswith("\nEarlier moods, the latest first: /mood fox night")
    assert "You judged 1 post in it before." in say(bot, "/mood night fox")
    say(bot, "/forget", "yes")
    assert kept.load("ann") == Profile() and say(bot, "/mood").startswith("No mood")


def test_the_taste_says_how_much_of_it_counts_in_moods_alone(bot):
    alone = "count in their moods alone"
    say(bot, "/like 15", "/dislike 12", "/mood owl")
    assert alone not in say(bot, "/mood off", "/taste")
    say(bot, "/mood owl", "/like 10", "/like 13", "/dislike 14", "/dislike 15")
    assert alone not in say(bot, "/taste")  # of a mood that holds
    taste = say(bot, "/mood off", "/taste")
    assert "\nliked      #15, #10, #13\n" in taste and "\ndisliked   #12, #14\n" in taste
    assert "\nOf these, 2 liked and 1 disliked count in their moods alone.\n" in taste


def test_what_is_taken_back_in_a_mood_leaves_the_taste_as_it_was(bot, kept):
    say(bot, "/like 12", "/mood owl", "/dislike 12")
    assert say(bot, "/drop #12") == "Taken back: #12."
    assert kept.load("ann").liked == [12] and kept.load("ann").disliked == []
    say(bot, "/mood off")
    assert kept.load("ann").liked == [12]


def test_a_mood_has_no_more_tags_than_can_lead(bot, kept, monkeypatch):
    """Each post that is shown keeps its mood, so that a long one would fill the file."""
    monkeypatch.setattr(taste_commands, "LATEST_ENJOYED", 2)
    assert say(bot, "/mood fox night owl") == "3 tags are too many for a mood: 2 at most"
    assert kept.load("ann") == Profile()
    say(bot, "/mood fox night fox")
    assert kept.load("ann").mood == ["fox", "night"]


def test_to_end_no_mood_makes_nobody_a_user(bot, kept):
    assert say(bot, "/mood off") == "No mood holds."
    assert not kept.knows("ann")


def test_a_mood_of_nothing_known_changes_nothing(bot, kept):
    assert say(bot, "/mood nihgt") == "No tag 'nihgt': did you mean night?"
    assert bot.reply("/mood nihgt")[0].choices == ["/mood night"]
    assert kept.load("ann") == Profile()
    say(bot, "/mood owl", "/mood zzzz")
    assert kept.load("ann").mood == ["owl"]
    assert shown(bot.reply("/walk")) == [13]  # without any taste
    say(bot, "/walk", "/walk")
    (reply,) = bot.reply("/walk")
    assert "/mood off ends the mood" in reply.text and reply.choices == ["/mood off"]


def test_a_mood_takes_the_place_of_a_picture_and_the_other_way_round(bot):
    bot.reply(Picture(PICTURE))
    assert shown(bot.reply("/mood owl")) == [] and shown(bot.reply("/walk")) == [13]
    assert shown(bot.reply(Picture(PICTURE)))
    say(bot, "/mood")
    assert "your picture" in say(bot, "/skip", "/why")  # to ask changes nothing


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        (".2", 0.2),
        ("0.2", 0.2),
        ("0,2", 0.2),
        ("20%", 0.2),
        ("20 %", 0.2),
        ("20", 0.2),
        ("2%", 0.02),
        ("0", 0),
        ("1", 1),
        ("1.", 1),
        ("100", 1),
        ("100%", 1),
        ("1%", 0.01),
        ("80 Percent", 0.8),
        ("alike", 0),
        ("varied", 1),
    ],
)
def test_the_dial_is_set_by_a_number(bot, kept, typed, number):
    said = say(bot, f"/variety {typed}")
    assert said == f"Variety is {number:g} now, from 0 (alike) to 1 (varied)."
    assert kept.load("ann").variety == pytest.approx(number)
    assert bot.taste().variety == pytest.approx(number)


@pytest.mark.parametrize(
    "typed", ["x", "-1", "2", "1.5", "101", "101%", "nan", "1e-1", "٣", ".", "1 2", "%"]
)
def test_a_dial_that_is_none_is_refused_in_one_line(bot, kept, typed):
    say(bot, "/variety .3")
    assert f"variety {typed!r}: expected a number from 0 (alike)" in say(
        bot, f"/variety {typed}"
    )
    assert kept.load("ann").variety == 0.3


def test_the_dial_holds_wherever_posts_are_found(bot, kept):
    assert say(bot, "/variety").startswith("Variety is 0.5, the default.")
    say(bot, "/enjoy fox")
    called = bot._user.board.called
    for message in ("/walk", "/more", "/more 15", Picture(PICTURE), "/skip"):
        bot.reply(message)
        assert "variety" not in called
    say(bot, "/variety 80%")
    assert "\nvariety    0.8\n" in say(bot, "/taste")
    for message in ("/walk", "/more", "/more 12", Picture(PICTURE), "/skip"):
        called.clear()
        bot.reply(message)
        assert called["variety"] == 0.8, message
    assert json.loads(bot.reply("/export")[0].document[1])["variety"] == 0.8
    assert say(bot, "/variety").startswith("Variety is 0.8. ")
    assert say(bot, "/variety Default") == "Variety is the default again, 0.5."
    assert kept.load("ann").variety is None and "variety" not in say(bot, "/taste")
    say(bot, "/variety 0", "/forget", "yes")
    assert kept.load("ann") == Profile()


def test_only_a_post_of_a_tour_that_is_skipped_counts_as_skipped(bot, kept):
    say(bot, "/enjoy fox night")
    first, second = shown(bot.reply("/walk")) + shown(bot.reply("/skip"))
    assert kept.load("ann").skipped == [first]  # the second was only shown
    say(bot, "/like", "/skip")  # the like brought the third, which is skipped
    third = kept.load("ann").skipped[-1]
    assert third not in (first, second) and kept.load("ann").liked == [second]
    say(bot, "/more", "/skip")  # five at once: it speaks of none of them
    assert kept.load("ann").skipped == [first, third]
    say(bot, "/surprise", "/stop", "/skip")  # nor of the last of a tour that was stopped
    assert kept.load("ann").skipped == [first, third]
    assert bot.taste().skipped == 2
    assert re.search(r"\nseen +\d+ posts, 2 skipped\n", say(bot, "/taste"))
    export = json.loads(bot.reply("/export")[0].document[1])
    assert export["feelings"]["2"] == "skipped"
    assert [p["post_id"] for p in export["posts"] if p["feeling"] == 2] == [first, third]
    assert say(bot, f"/drop #{first}") == f"Taken back: #{first}."
    assert kept.load("ann").skipped == [third]
    say(bot, "/forget", "yes")
    assert kept.load("ann") == Profile()


def test_what_was_said_can_be_taken_back(bot, kept):
    say(bot, "/enjoy fox night", "/avoid web", "/like 12")
    assert say(bot, "/drop vixen, web #12 snow") == "Taken back: #12, fox, web."
    assert kept.load("ann") == Profile(enjoys=["night"], seen=[12])
    assert say(bot, "/drop fox") == "You had said nothing about it."
    assert say(bot, "/drop").startswith("Expected what to take back")
    assert say(bot, f"/drop #{10**20} #{10**18} #٣ #") == "You had said nothing about it."


def test_a_user_hides_posts_from_themselves_and_shows_them_again(bot, kept):
    assert say(bot, "/blacklist").startswith("You hide nothing")
    say(bot, "/enjoy fox")
    assert (
        say(bot, "/blacklist add inkwash") == "Hidden from now on: inkwash. 7 posts are left."
    )
    assert "  1  inkwash" in say(bot, "/blacklist")
    assert shown(bot.reply("/walk")) == [12]
    assert "hidden" in say(bot, "/like 10")
    assert "hidden     inkwash" in say(bot, "/taste")
    assert say(bot, "/blacklist remove 1") == "No longer hidden by you: inkwash"
    assert shown(bot.reply("/walk")) == [10]
    for wrong in ("/blacklist inkwash", "/blacklist add", "/blacklist remove 4"):
        assert re.match("expected /blacklist|no line", say(bot, wrong))
    assert "150,000 characters" in say(bot, "/blacklist add " + "x" * 150_001)
    assert kept.load("ann").blacklist == []


def test_a_line_that_can_match_nothing_is_answered_so(bot, kept):
    for line in ("foxx", "score:abc", "user:bob", "# night"):
        said = say(bot, f"/blacklist add {line}")
        assert said.startswith(f"Kept, but it hides nothing here: {line}")
        assert "Hidden from now on" not in said
    (reply,) = bot.reply("/blacklist add foxx")
    assert "no post here has the tag 'foxx'" in reply.text
    assert "Instead: /blacklist add fox" in reply.text and "/blacklist add fox" in reply.choices


def test_several_lines_are_several_lines_and_a_whole_list_fits(bot, kept):
    said = say(bot, "/blacklist add fox\r\n\r\n  owl \t # not at night\rspider\nfox")
    assert said.startswith("Added 3 of 4 lines")
    assert kept.load("ann").blacklist == ["fox", "owl # not at night", "spider"]
    assert say(bot, "/blacklist\nweb\nsnow").startswith("Added 2 of 2 lines")
    assert say(bot, "/blacklist remove web\n1") == "No longer hidden by you: web, fox"
    assert say(bot, "/blacklist clear") == "Your blacklist is empty. It had 3 lines."

    lines = [f"tag_{k:05}" for k in range(12_000)]
    said = say(bot, "/blacklist add\n" + "\n".join(lines))
    assert said.startswith("Added 12,000 of 12,000 lines, 12,000 of which can match nothing")
    assert kept.load("ann").blacklist == lines
    shown = say(bot, "/blacklist")
    assert "(11,900 earlier)" in shown and "12000  tag_11999" in shown and len(shown) < 4000
    assert "150,000 characters" in say(bot, "/blacklist add " + "x" * 50_000)
    assert "2,000 at most" in say(bot, "/enjoy " + "x " * 2000)


def test_a_list_as_a_file(bot, kept):
    (reply,) = bot.reply(TextFile("\ufefffox\r\nowl".encode()))
    assert reply.text.startswith("Added 2 of 2 lines")
    assert kept.load("ann").blacklist == ["fox", "owl"]
    for file, said in (
        (TextFile(b"\xff\xfe"), "not a text in UTF-8"),
        (TextFile(b"\n \n"), "empty"),
        (TextFile(problem="no such file"), "no such file"),
    ):
        assert said in bot.reply(file)[0].text


def test_a_list_in_the_terminal_by_path_and_by_lines(script, capsys, tmp_path):
    (tmp_path / "my list.txt").write_text("fox\nowl\n", "utf-8")
    lines = "/blacklist file my list.txt\n/blacklist file none.txt\n"
    lines += "/blacklist add\nweb\n\n# and\nsnow\n/done\n/blacklist\n/quit\n"
    assert script(lines) == 0
    out = capsys.readouterr().out
    assert "Added 2 of 2 lines" in out and "'none.txt' is not a file" in out
    assert "Added 3 of 3 lines" in out and "5  snow" in out


def test_a_user_narrows_the_ratings_and_never_widens_them(kept):
    wide = Conversation(FakeGraph("sq"), kept, "ann")
    assert say(wide, "/rating") == "You see rating s q, of s q that this bot may show."
    say(wide, "/like 21")
    assert say(wide, "/rating s") == "You see rating s now."
    assert "hidden" in say(wide, "/like 21")
    assert "expected" in say(wide, "/rating sqe")
    narrow = Conversation(FakeGraph("s"), kept, "ann")
    assert "expected" in say(narrow, "/rating q") and "expected" in say(narrow, "/rating x")
    kept.rate("ann", "q")  # of a time when the operator allowed it
    assert say(narrow, "/rating").startswith("You see rating s, of s")
    assert "hidden" in say(narrow, "/like 21")


def test_export_holds_everything_as_json(bot, kept):
    say(bot, "/enjoy fox", "/like 12", "/blacklist add web")
    (reply,) = bot.reply("/export")
    name, data = reply.document
    assert name.endswith(".json") and json.loads(data) == kept.export("ann")


def test_welcome_and_about_say_what_this_is(bot):
    assert bot.reply("/welcome")[0].text == bot.reply("/start")[0].text
    assert "11 posts of rating s, from https://e621.net" in say(bot, "/about")


def test_wildcards_stand_for_tags(bot, kept):
    assert say(bot, "/enjoy sn*").startswith("You enjoy snow.")
    assert say(bot, "/enjoy zn*") == "No tag 'zn*'."
    assert kept.load("ann") == Profile(enjoys=["snow"])


@pytest.mark.parametrize("answer", ["no", "y", "yes please", "", "/yes", "fox"])
def test_anything_but_yes_keeps_everything(bot, kept, answer):
    say(bot, "/enjoy owl")
    assert say(bot, "/forget").startswith("Delete 1 tag and 0 posts")
    assert bot.reply(answer)[0].text == "Nothing was deleted."
    say(bot, "yes")  # too late
    assert kept.load("ann").enjoys == ["owl"]


def test_a_command_or_picture_after_forget_keeps_and_is_answered(bot, kept):
    say(bot, "/enjoy owl", "/forget")
    replies = bot.reply("/walk")
    assert replies[0].text == "Nothing was deleted." and shown(replies) == [13]
    say(bot, "/forget")
    assert bot.reply(Picture(problem="no such file"))[0].text == "Nothing was deleted."
    say(bot, "yes")
    assert kept.load("ann").enjoys == ["owl"]


def test_forget_deletes_this_user_and_the_talks_memory(bot, kept):
    kept.enjoy("bob", ["fox"])
    say(bot, "/enjoy owl night", Picture(PICTURE), "/forget")
    assert say(bot, " YES ") == "Everything I kept about you was deleted."
    assert kept.load("ann") == Profile() and kept.load("bob").enjoys == ["fox"]
    assert say(bot, "/why").startswith("Nothing was shown yet")
    assert say(bot, "/walk").startswith("I do not know your taste")
    assert say(bot, "/forget") == "I keep nothing about you."


def test_several_posts_are_liked_at_once_however_they_are_named(bot, kept):
    said = say(bot, f"/like 14, #15 https://e621.net/posts/16?q=fox md5:{13:032X} 14")
    assert said == "You like 4 posts: #14, #15, #16, #13."
    assert kept.load("ann").liked == [14, 15, 16, 13]
    said = say(bot, f"/dislike 15,16,21,999 {7:032x}.png")
    assert said == (
        "You dislike 2 posts: #15, #16. Not on this board, or not shown here: #21, "
        f"#999, md5:{7:032x}."
    )
    assert kept.load("ann").liked == [14, 13] and kept.load("ann").disliked == [15, 16]
    assert say(bot, "/like 21 999") == (
        "#21, #999 are not on this board, or may not be shown here"
    )
    assert "'fox' is not a post" in say(bot, "/like 10 fox 11")
    assert kept.load("ann").liked == [14, 13]  # all or nothing
    assert say(bot, f"/more {10:032x}").startswith("#") and "not on this" in say(
        bot, f"/why {21:032x}"
    )


def test_on_a_tour_several_judgments_with_the_last_post_go_on(bot, kept):
    say(bot, "/enjoy fox")
    (card,) = bot.reply("/walk")
    said = bot.reply(f"/like {card.post.post_id} 19")
    assert said[0].text.startswith("You like 2 posts") and shown(said)
    assert not shown(bot.reply("/like 13 20"))


# -- favorites -----------------------------------------------------------------------------------
def test_favorites_are_taken_in_kept_apart_and_not_shown_again(bot, kept):
    assert say(bot, "/favorites").startswith("/favorites takes in the posts")
    (reply,) = bot.reply("/favorites 12, https://e621.net/posts/10 21 999")
    assert reply.text.split("\n")[0] == (
        "I took in 2 favorites. 2 more are not on this board, or hidden."
    )
    assert "/walk" in reply.choices
    profile = kept.load("ann")
    assert profile.favorites == [999, 21, 10, 12] and profile.liked == profile.seen == []
    assert "I know 4 favorites, 2 of them on this board" in say(bot, "/favorites")
    (card,) = bot.reply("/walk")
    assert card.post.post_id == 11 and "it is like your favorite #10" in card.why
    assert "your 2 favorites" in say(bot, "/why")
    while posts := shown(bot.reply("/like")):
        assert not {10, 12} & {*posts}
    assert not {10, 12} & {*shown(bot.reply("/more 11"))}
    assert not {10, 12} & {*shown(bot.reply(Picture(PICTURE)))}
    assert "favorites  4" in say(bot, "/taste") and bot.taste().favorites == 2
    told = json.loads(bot.reply("/export")[0].document[1])
    assert told["favorites"] == [
        {"source": "", "post_ids": [999, 21, 10, 12], "dropped": []},
    ]


def test_favorites_go_by_both_spellings_and_as_long_lists(bot, kept):
    ids = "\n".join(map(str, range(1, 20_001)))
    said = say(bot, f"/Favourites {ids}")
    assert said.startswith("I took in 11 favorites. 19,989 more are not on this board")
    assert kept.load("ann").favorites == list(range(20_000, 0, -1))
    assert say(bot, "/favourites").startswith("I know 20,000 favorites, 11 of them")
    say(bot, "/drop favorites")
    said = say(bot, "/favorites 20001 20002")
    assert said.startswith("Of 2 favorites none is on this board") and "likes" not in said


def test_a_new_list_takes_the_place_of_the_last_and_leaves_likes_alone(bot, kept):
    say(bot, "/like 10", "/favorites 10 11 12")
    said = say(bot, "/favorites 13\n12")
    assert "I took in 2 favorites." in said
    assert "Since the last time 1 is new, 2 are gone." in said
    profile = kept.load("ann")
    assert profile.favorites == [12, 13] and profile.liked == [10]
    assert "0 are new, 0 are gone" in say(bot, "/favorites 13\n12")


def test_posts_on_one_line_are_added_to_a_list_and_come_back(bot, kept):
    say(bot, "/favorites 12\n11\n10", "/drop #11")
    assert kept.load("ann").favorites == [10, 12]
    assert "Since the last time 1 is new, 0 are gone." in say(bot, "/favorites 13 11")
    assert kept.load("ann").favorites == [10, 12, 11, 13]


def test_a_terminal_takes_the_site_s_json_of_many_favorites(tmp_path):
    place = tmp_path / "mine.json"
    place.write_bytes(b'{"id": 12}'.ljust(FAVORITES_BYTES + 1))  # 3 kB a post add up
    assert not read_list(str(place), "favorites").problem


def test_variants_that_are_favorites_come_last(bot):
    say(bot, "/favorites 14")
    assert shown(bot.reply("/variants 13")) == [19, 14]
    assert say(bot, "/variants 13").startswith("You have seen all 2 variants")


def test_favorites_can_be_taken_back_one_by_one_and_all(bot, kept):
    say(bot, "/favorites 10 11 12")
    assert say(bot, "/drop #11 #19") == "Taken back: #11."
    assert kept.load("ann").favorites == [12, 10] and kept.load("ann").seen == [11]
    say(bot, "/favorites 10 11 12\n13")  # 11 is still one on the site
    assert kept.load("ann").favorites == [13, 12, 10]
    assert say(bot, "/drop favorites") == "Taken back: 3 favorites."
    assert kept.load("ann").favorites == []
    say(bot, "/favorites 10 11")
    assert say(bot, "/forget").startswith("Delete 0 tags and 2 posts")
    say(bot, "yes")
    assert kept.load("ann") == Profile()


def test_a_mood_rests_favorites_and_still_shows_none(bot, kept):
    say(bot, "/favorites 13 14", "/mood owl")
    (card,) = bot.reply("/walk")
    assert card.post.post_id == 19 and "favorite" not in card.why
    assert kept.load("ann").favorites == [14, 13]


@pytest.mark.parametrize(
    "file, favorites",
    [
        (TextFile(b'{"posts": [{"id": 12}, {"id": 10}]}'), [10, 12]),
        (TextFile(b"id,score\n12,5\n10,7"), [10, 12]),
        (TextFile(b"12\n10"), [10, 12]),
        (TextFile("\ufeffhttps://e621.net/posts/12\r\n#10".encode()), [10, 12]),
        (TextFile(f"{12:032x}.png\n{10:032x}.jpg".encode()), [10, 12]),
        (TextFile(b"fox 12", kind="favorites"), [12]),
        (TextFile(b"fox\n12"), []),  # a blacklist
        (TextFile(b"12", kind="blacklist"), []),
    ],
)
def test_a_file_of_favorites_is_told_from_a_blacklist(bot, kept, file, favorites):
    bot.reply(file)
    profile = kept.load("ann")
    assert profile.favorites == favorites and bool(profile.blacklist) != bool(favorites)


@pytest.mark.parametrize(
    "file, said",
    [
        (TextFile(b"\xff\x00\xd8", kind="favorites"), "not a text in UTF-8"),
        (TextFile(b"", kind="favorites"), "names no posts"),
        (TextFile(b'{"posts": [', kind=""), "JSON is broken"),
        (TextFile(problem="no such file", kind="favorites"), "no such file"),
    ],
)
def test_favorites_that_cannot_be_read_are_one_line(bot, kept, file, said):
    (reply,) = bot.reply(file)
    assert said in reply.text and "\n" not in reply.text
    assert kept.load("ann") == Profile()


def test_favorites_in_the_terminal_by_path(script, capsys, tmp_path):
    (tmp_path / "my faves.json").write_text("[12, 10]", "utf-8")
    (tmp_path / "list.txt").write_text("13", "utf-8")
    lines = "/favorites file my faves.json\n/favorites list.txt\n/favorites file none\n/taste\n"
    lines += "/favorites none.json\n"
    script(lines)
    out = capsys.readouterr().out
    assert "I took in 2 favorites." in out and "I took in 1 favorite." in out
    assert "'none' is not a file: expected the path of a list of favorites" in out
    assert "'none.json' is not a file" in out
    assert "favorites  1" in out


# -- robustness ------------------------------------------------------------------------------------
def test_commands_are_listed_and_typos_found(bot):
    listed = say(bot, "/help")
    assert all(f"\n/{name}" in f"\n{listed}" for name in COMMANDS)
    assert say(bot, "/WALK").startswith("I do not know your taste")
    assert bot.reply("/wlak")[0].choices == ["/walk"]
    assert bot.reply("/__init__")[0].choices == ["/help"]
    assert say(bot, "/walk now") == "/walk takes nothing after it; got 'now'."
    assert not bot.ended
    assert say(bot, "/quit") == "Goodbye." and bot.ended


HOSTILE = [
    "/enjoy \x1b[31mred\x1b[0m",
    "\x1b]0;title\x07fox\x9b2J \u202efox",
    "/like \x1b[2J",
    "/\x1b[5mwalk",
    "'; DROP TABLE users; --",
    "/enjoy \ud800 \x00",
    "/like ../../etc/passwd",
    "x" * (MESSAGE_LIMIT + 1),
    "/enjoy " + "y " * (MESSAGE_LIMIT // 2 - 10),
    "/",
    "/ walk",
]


@pytest.mark.parametrize("message", HOSTILE)
def test_nothing_typed_reaches_a_terminal_as_control(bot, kept, message):
    replies = bot.reply(message)
    assert replies
    for reply in replies:
        for text in (reply.text, reply.why, *reply.choices):
            assert not CONTROLS.search(text)
            text.encode()  # no lone surrogates
    assert kept.load("ann").liked == []


def test_a_long_message_is_refused_whole(bot, kept):
    assert "2,001 characters are too many" in say(bot, "fox " * 500 + "x")
    assert say(bot, "fox " * 500).startswith("You enjoy fox.")


def test_clean_and_reasons_and_numbers():
    assert clean("\x1b[1;31mfox\x1b[0m \x1b(Bowl\x1b]8;;http://x\x1b\\link") == "fox owllink"
    assert clean("fox\vowl\fheron\tx") == "fox owl heron x"  # white space parts words
    assert clean("a\x9b31mb\x85\x07\r\n\u2028c") == "ab\nc"
    assert clean("名前 ❤️‍🔥") == "名前 ❤️‍🔥"  # joiners of emoji stay
    assert Reply("a\x1b[2Jb", choices=["\x07x"]).choices == ["x"]
    assert reasons([]) == ""
    in_mood = reasons(["fox", "snow", 4], ["fox"], [4], ["snow"])
    assert in_mood == "you are in the mood for snow; you liked #4; it has fox"
    said = "you enjoy fox; you liked #4, #5; it has snow"
    assert reasons(["snow", 4, "fox", 5], ["fox"], [4, 5]) == said
    assert post_id_in("https://e926.net/post/show/77/fox") == 77
    assert post_id_in("e621.net/posts/77#notes") == 77
    assert post_id_in("https://e621.net/pools/77") is None


def test_a_card_puts_the_reasons_first_and_counts_what_it_leaves_out(bot):
    post = bot._user.board.describe(19)
    tags = {"general": ["rating_safe", *(f"t{k:02}" for k in range(14))]}  # by use
    post = replace(post, tags=tags)
    lines = card(post, ["t00"], "because").split("\n")
    assert lines[0] == "#19  t13, t12, t11"
    shown = "t00, t13, t12, t11, t10, t09, t08, t07, t06, t05, and 4 more"
    assert lines[2] == f"general    {shown}"
    post = replace(post, tags={}, url="")  # a board that has no site
    assert card(post, [], "why not") == "#19  untagged\nwhy        why not"


# -- the terminal ----------------------------------------------------------------------------------
def transcript(bot, text):
    out = io.StringIO()
    return talk(bot, io.StringIO(text), out), out.getvalue()


def test_a_pipe_reads_as_a_talk(bot, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    replies, text = transcript(bot, "/enjoy fox night\n\n/walk\n/why\n\x1b[31m/quit\n/walk\n")
    assert shown(replies) == [10]
    welcome = wrapped(say(bot, "/start"), 40)
    assert "such as: fox night" in " ".join(welcome.split())
    assert text == (
        f"{welcome}\n"
        "> /enjoy fox night\n"
        "You enjoy fox, night.\n"
        "Often with them: inkwash [1], snow [2],\n"
        "papercut [3], owl [4], forest [5],\n"
        "spider [6]\n"
        "> \n"
        "> /walk\n"
        "#10  fox by inkwash\n"
        "https://e621.net/posts/10\n"
        "artist     inkwash\n"
        "species    fox\n"
        "general    night, lantern\n"
        "why        you enjoy fox, night\n"
        "\n"
        "> /why\n"
        "#10: you enjoy fox, night.\n"
        "Searched from the 2 tags you enjoy; left\n"
        "out 0 posts you saw before. Score 2.\n"
        "> /quit\n"
        "Goodbye.\n"
    )


def test_long_values_go_on_under_values(bot, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    say(bot, "/enjoy fox night snow forest lantern river meadow")
    _, text = transcript(bot, "/taste")
    assert "enjoys     fox, night, snow,\n           forest, lantern,\n           river" in text


def test_at_a_keyboard_lines_are_not_echoed_and_ctrl_d_ends(bot, monkeypatch, capsys):
    typed = ["fox", "/walk"]

    def ask(prompt):
        if not typed:
            raise EOFError
        return typed.pop(0)

    keyboard = io.StringIO()
    keyboard.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", keyboard)
    monkeypatch.setattr("builtins.input", ask)
    # as where prompt_toolkit is not installed
    monkeypatch.setitem(sys.modules, "e6graph.chat.terminal.prompt", None)
    assert shown(talk(bot)) == [10]
    assert "> " not in capsys.readouterr().out


def test_a_line_is_completed_with_commands_and_tags(bot):
    def names(text):
        return [name for name, _ in completions(bot, text)]

    assert names("/wa") == ["/walk"]
    assert names("/WHY") == ["/why"]
    assert (
        names("/enjoy sn")
        == names("sn")
        == names("/avoid fox,sn")
        == names("/mood fox,sn")
        == names("fox sn")
        == ["snow"]
    )
    assert next(iter(completions(bot, "fo"))) == ("fox", "general, 5 posts")
    for text in ("", "f", "/like fo", "/walk fo", "/nosuch fo", "/drop ", "/variety fo"):
        assert names(text) == []


def test_prompt_toolkit_offers_the_completions(bot, monkeypatch):
    pytest.importorskip("prompt_toolkit")
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from e6graph.chat.terminal import prompt

    made = {}

    class Session:
        def __init__(self, prompt, completer, **_):
            made["completer"] = completer

        def prompt(self):
            raise EOFError

    monkeypatch.setattr(prompt, "PromptSession", Session)
    keyboard = io.StringIO()
    keyboard.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", keyboard)
    assert talk(bot, stdout=io.StringIO()) == []
    offered = made["completer"].get_completions(Document("/enjoy sn"), CompleteEvent())
    assert [(one.text, one.start_position) for one in offered] == [("snow", -2)]


class Screen(io.StringIO):
    """A terminal to print on."""

    def isatty(self):
        return True


def test_rich_shows_posts_beside_their_thumbnails(kept, monkeypatch, tmp_path):
    pytest.importorskip("rich")
    path = preview_path(tmp_path, f"{10:032x}")
    path.parent.mkdir(parents=True)
    Image.new("RGB", (40, 40), (1, 2, 3)).save(path, "JPEG")
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("NO_COLOR", raising=False)
    bot = Conversation(FakeGraph(), kept, "ann", tmp_path)
    for colors, drawn in (("truecolor", True), ("", False)):
        monkeypatch.setenv("COLORTERM", colors)
        screen = Screen()
        talk(bot, io.StringIO("/enjoy [b]fox[/b] fox\n/more\n"), screen)
        text = screen.getvalue()
        assert ("▀" in text) == drawn
        assert "No tag '[b]fox[/b]'" in text  # nothing typed is taken for markup
        plain = clean(text)
        assert "inkwash" in plain and all(len(line) <= 70 for line in plain.split("\n"))


def test_a_thumbnail_is_two_pixels_a_cell(tmp_path):
    pytest.importorskip("rich")
    from e6graph.chat.terminal.screen import half_blocks

    image = Image.new("RGBA", (2, 3), (9, 8, 7, 255))
    image.putpixel((1, 1), (1, 2, 3, 255))
    image.save(tmp_path / "a.png")
    above, below = "38;2;9;8;7", "48;2;9;8;7"
    assert half_blocks(tmp_path / "a.png") == [
        f"\x1b[{above};{below}m▀\x1b[{above};48;2;1;2;3m▀\x1b[0m",
        f"\x1b[{above}m▀" * 2 + "\x1b[0m",  # under it is the terminal's own color
    ]
    (tmp_path / "b.png").write_bytes(b"<html>")
    assert half_blocks(tmp_path / "b.png") == half_blocks(tmp_path / "none.png") == []


def test_an_export_is_written_beside_the_user_and_over_nothing(
    bot, kept, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    _, text = transcript(bot, "/enjoy fox\n/export\n/export\n")
    assert (
        "Written to e6graph-taste.json." in text and "Written to e6graph-taste-2.json." in text
    )
    for name in ("e6graph-taste.json", "e6graph-taste-2.json"):
        assert json.loads((tmp_path / name).read_bytes()) == kept.export("ann")


def test_the_end_of_input_and_stray_bytes_end_well(bot):
    raw = io.BytesIO(b"/enjoy \xff\xfe fox\n/walk")  # no newline at the end
    ascii_terminal = io.TextIOWrapper(io.BytesIO(), "ascii")
    assert shown(talk(bot, io.TextIOWrapper(raw, "utf-8"), ascii_terminal)) == [10]
    assert transcript(bot, "")[0] == []


def test_an_endless_line_is_one_message(bot):
    _, text = transcript(bot, "/enjoy " + "fox " * 100_000 + "\n/taste\n")
    assert text.count("characters are too many") == 1
    assert text.endswith("> /taste\nI keep nothing about you.\n")
    assert len(text) < 5000


def test_pictures_come_from_files(bot, tmp_path):
    path = tmp_path / "my fox.png"
    path.write_bytes(PICTURE)
    for written in (str(path), f"'{path}'", f'"{path}"'):
        assert "> /picture" in transcript(bot, f"/picture {written}\n")[1]
        assert read_picture(str(path)) == Picture(PICTURE)
    assert "I think I see: fox 90%" in transcript(bot, f"/picture {path}\n")[1]
    assert "Expected the path of a picture" in transcript(bot, "/picture\n")[1]


@pytest.mark.parametrize("path", ["/dev/zero", "", "none.png", "~nobody/x", "x" * 5000, "a\0b"])
def test_paths_that_are_no_pictures(path):
    picture = read_picture(path)
    assert picture.data == b"" and picture.problem


def test_a_file_that_is_too_large_is_not_read_whole(bot, tmp_path):
    path = tmp_path / "large.png"
    with open(path, "wb") as file:
        file.truncate(10**10)  # sparse
    picture = read_picture(str(path))
    assert len(picture.data) == PICTURE_LIMIT + 1
    assert say(bot, picture) == "the picture has more than 20 MB"
    (tmp_path / "empty.png").touch()
    assert "is empty" in read_picture(str(tmp_path / "empty.png")).problem


# -- the sheet and the script ----------------------------------------------------------------------
def test_contact_sheet_places_pictures_captions_and_cards(tmp_path):
    red, clear, wide = (tmp_path / name for name in ("red.jpg", "clear.png", "wide.png"))
    Image.new("RGB", (300, 300), (255, 0, 0)).save(red, quality=95)
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(clear)
    Image.new("L", (400, 100), 255).save(wide)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(red.read_bytes()[:200])
    paths = [red, clear, wide, None, broken, tmp_path / "none.jpg"]
    sheet = contact_sheet(paths, [f"#{k}\nyou enjoy fox" for k in range(6)], columns=3)
    step = sheets.PICTURE_SIZE + sheets.CARD_GAP
    high = sheets.PICTURE_SIZE + sheets.CAPTION_LINES * sheets.LINE_HEIGHT + 2 * sheets.CARD_GAP
    assert sheet.mode == "RGB" and sheet.size == (
        3 * step + sheets.CARD_GAP,
        2 * high + sheets.CARD_GAP,
    )
    middle = sheets.CARD_GAP + sheets.PICTURE_SIZE // 2

    def color(k):
        return sheet.getpixel((middle + k % 3 * step, middle + k // 3 * high))

    assert color(0)[0] > 240 and color(0)[1] < 15
    assert color(1) == (0x1F, 0x3C, 0x67)  # clear: the card shows through
    assert color(2) == (255, 255, 255)
    assert sheet.getpixel((2, 2)) == (0x15, 0x2F, 0x56)
    cards = [
        sheet.crop(
            (
                sheets.CARD_GAP + k * step,
                sheets.CARD_GAP + high,
                sheets.CARD_GAP + k * step + sheets.PICTURE_SIZE,
                2 * high - 90,
            )
        )
        for k in range(3)
    ]
    assert cards[0].getcolors(5000) and len(cards[0].getcolors(5000)) > 2  # something is drawn
    assert cards[0].tobytes() == cards[1].tobytes() == cards[2].tobytes()
    below = (
        sheets.CARD_GAP,
        middle + 90,
        sheets.CARD_GAP + sheets.PICTURE_SIZE,
        middle + 90 + 60,
    )
    assert (0xB4, 0xC7, 0xD9) in {
        c for _, c in sheet.crop(below).getcolors(5000)
    }  # the caption


def test_captions_stay_in_their_column():
    caption = "#1\n" + "a_tag_far_too_long_for_its_column_" * 3 + " more and more" * 20
    sheet = contact_sheet([None, None], [caption, "#2"])
    top = sheets.CARD_GAP + sheets.PICTURE_SIZE
    gap = (
        sheets.CARD_GAP + sheets.PICTURE_SIZE,
        top,
        2 * sheets.CARD_GAP + sheets.PICTURE_SIZE,
        sheet.height,
    )
    assert len(sheet.crop(gap).getcolors()) == 1  # nothing runs over
    end = (0, top + sheets.CAPTION_LINES * sheets.LINE_HEIGHT + 12, sheet.width, sheet.height)
    assert len(sheet.crop(end).getcolors()) == 1


@pytest.mark.parametrize(
    ("pictures", "captions"), [([], []), ([None], []), ([None], ["a", "b"])]
)
def test_a_sheet_needs_a_caption_for_each(pictures, captions):
    with pytest.raises(
        BadInput, match=f"{len(pictures)} pictures and {len(captions)} captions"
    ):
        contact_sheet(pictures, captions)


@pytest.fixture
def script(monkeypatch, tmp_path):
    """bot.py with the fake graph behind it, run in an empty directory."""
    asked, graph = [], FakeGraph()

    class FakePostGraph:
        @staticmethod
        def open(**options):
            asked.append(options)
            return graph

    monkeypatch.setattr(room, "PostGraph", FakePostGraph)
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("bot", Path(__file__).parents[1] / "bot.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(text, *options):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        monkeypatch.setattr("sys.argv", ["bot.py", *options])
        return cli.run(lambda: module.main(options))

    run.asked, run.module = asked, module
    return run


def test_the_script_talks_remembers_and_draws(script, capsys, tmp_path):
    assert script("/enjoy fox\n/more\n/quit\n", "--sheet", "shown.png") == 0
    out = capsys.readouterr().out
    assert out.endswith("Goodbye.\nshown.png\n")
    with Image.open(tmp_path / "shown.png") as sheet:
        assert sheet.size[0] == 5 * (sheets.PICTURE_SIZE + sheets.CARD_GAP) + sheets.CARD_GAP
    assert script("/taste\n", "--sheet", "none.png") == 0
    assert "seen       5 posts" in (out := capsys.readouterr().out)
    assert "no post was shown" in out and not (tmp_path / "none.png").exists()
    assert script.asked[0] == {"index": "index", "ratings": "s", "blacklist": "default"}


def test_the_script_says_what_is_wrong_in_one_line(script, capsys, tmp_path):
    (tmp_path / "damaged.sqlite").write_bytes(b"not a database, to be sure")
    for options in (("--profiles", "damaged.sqlite"), ("--sheet", "no_such_directory/x.png")):
        assert script("/enjoy fox\n/walk\n", *options) == 1
        (line,) = capsys.readouterr().err.strip().split("\n")
        assert options[1] in line
    assert script("", "--blacklist", "mine.txt") == 0
    assert script("", "--blacklist", "none") == 0
    assert [asked["blacklist"] for asked in script.asked[-2:]] == [Path("mine.txt"), None]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["--web", "--favorites", "ann"],
            "--favorites does nothing with --web: it is for --terminal",
        ),
        (
            ["--telegram", "--sheet", "x.png"],
            "--sheet does nothing with --telegram: it is for --terminal",
        ),
        (["--port", "80"], "--port does nothing with --terminal: it is for --web"),
        (
            ["--web", "--api-base", "x"],
            "--api-base does nothing with --web: it is for --telegram",
        ),
    ],
)
def test_an_option_of_another_front_end_is_refused(script, capsys, tmp_path, options, line):
    assert script("", *options) == 1
    assert capsys.readouterr().err == f"bot.py: {line}\n"
    assert list(tmp_path.iterdir()) == []


def test_directories_of_previews_that_are_not_there(script, capsys):
    assert script("") == 0
    assert capsys.readouterr().err == ""  # nobody asked for the default one
    for asked in ("nope", "previews"):
        assert script("", "--previews", asked) == 0
        assert capsys.readouterr().err == (
            f"No thumbnails will be shown: {asked} is not a directory.\n"
        )


def test_a_board_without_a_recognizer_says_so_once(script, capsys, caplog, monkeypatch):
    def missing(*_, **__):
        raise MissingArtifact("index/recognizer.npz is missing: run solve_recognizer.py first")

    monkeypatch.setattr(FakeGraph, "recognize", missing)
    Path("fox.png").write_bytes(PICTURE)
    assert script("/picture fox.png\n") == 0
    out, err = capsys.readouterr()
    said = [out, err, *(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)]
    assert "\n".join(said).count("solve_recognizer.py") == 1


def test_a_start_that_fails_leaves_no_profiles(script, monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("BOT_TOKEN", raising=False)
    monkeypatch.delenv("E6GRAPH_CONTACT", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options in (["--web", "--port", port], ["--telegram"], ["--fetch-previews"]):
            assert script("", *options) == 1, options
            assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


TOY = """
from e6graph.chat.commands import Command
from e6graph.errors import needs
HELP = "talk with a toy"
def add_options(add):
    add("--say", default="/help", help="the only message")
def run(args, room):
    with needs("a_library_of_toys"):
        from . import work
    with room.sessions({"walk": Command("", "to go out")}) as sessions:
        work.show(sessions.reply("toy:ann", args.say))
"""


def test_a_fourth_front_end_is_a_folder_and_a_line(script, monkeypatch, capsys, tmp_path):
    toy = tmp_path / "toy"
    toy.mkdir()
    (toy / "__init__.py").write_text(TOY)
    (toy / "work.py").write_text("import a_library_of_toys\nshow = a_library_of_toys.show\n")
    monkeypatch.syspath_prepend(tmp_path)
    fronts = (*script.module.FRONTS, importlib.import_module("toy"))
    monkeypatch.setattr(script.module, "FRONTS", fronts)
    with pytest.raises(SystemExit):  # --help needs no library
        script("", "--help")
    assert re.search(r"--toy +talk with a toy", capsys.readouterr().out)
    assert script("", "--toy") == 1
    assert "pip install a_library_of_toys" in capsys.readouterr().err

    library = types.ModuleType("a_library_of_toys")
    threads = set()

    def show(replies):
        print(replies[0].text)
        threads.update(
            pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
        )

    library.show = show
    monkeypatch.setitem(sys.modules, "a_library_of_toys", library)
    assert script("", "--toy", "--say", "/enjoy fox") == 0
    assert threads == {1}  # so that answers to several users do not wait for each other
    assert capsys.readouterr().out.startswith("You enjoy fox.")
    assert script("", "--toy") == 0
    assert capsys.readouterr().out.startswith("/walk   to go out\n")
    with Profiles("profiles.sqlite") as kept:
        assert kept.load("toy:ann").enjoys == ["fox"]
