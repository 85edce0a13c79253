"""Words as people type them: commands without a slash, tags with spaces, signs and wildcards."""

import io

import pytest
from boards import post
from conftest import index_of
from fake_graph import FakeGraph, say

from e6graph import PostGraph
from e6graph.chat.commands import COMMANDS, button
from e6graph.chat.conversation import Conversation
from e6graph.chat.meaning import command_meant
from e6graph.chat.messages import Reply, numbered
from e6graph.chat.terminal.talk import talk

KINDS = ["ball", "drift", "fall", "flake", "hut", "man", "owl", "plow", "shoe", "storm", "suit"]
SNOWS = [f"snow_{kind}" for kind in KINDS]


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A board whose tags have spaces when they are typed; some are named like commands."""
    words = (
        "fox night rain owl red blue eyes red_fox green_eyes arctic_fox surprise more moon_1 "
    )
    words += "moon_2 moon_3 moon_4 -_-"
    words = [*words.split(), *SNOWS]
    # The earlier a word, the more posts hold it.
    rows = [
        post(
            n, " ".join(w for k, w in enumerate(words) if n % (2 + k // 3) == k % 2), rating="s"
        )
        for n in range(1, 120)
    ]
    root = tmp_path_factory.mktemp("words")
    index_of(root, rows, aliases=[("verdant_eyes", "green_eyes"), ("vixen", "fox")], dim=4)
    return PostGraph.open(root / "index")


def felt(bot):
    profile = bot._user.profile()
    return profile.enjoys, profile.avoids


# -- tags ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "enjoys", "avoids"),
    [
        ("green eyes, red fox", ["green_eyes", "red_fox"], []),
        ("green eyes,red fox,", ["green_eyes", "red_fox"], []),
        ("Verdant Eyes, Vixen", ["green_eyes", "fox"], []),
        ("fox night", ["fox", "night"], []),
        ("red fox", ["red", "fox"], []),  # both are tags, and no comma joins them
        ("red fox, night", ["red_fox", "night"], []),
        ("green eyes", ["green_eyes"], []),  # "green" is no tag
        ("owl green eyes fox", ["owl", "green_eyes", "fox"], []),
        ("fox night, owl", ["fox", "night", "owl"], []),
        ("red fox green eyes, owl", ["red_fox", "green_eyes", "owl"], []),
        ("species:red fox, owl", ["red_fox", "owl"], []),
        ("red\nfox\ngreen eyes", ["red", "fox", "green_eyes"], []),
        ("fox -rain", ["fox"], ["rain"]),
        ("-rain", [], ["rain"]),
        ("fox, -green eyes, night", ["fox", "night"], ["green_eyes"]),
        ("-verdant eyes fox", ["fox"], ["green_eyes"]),
        ("fox -fox", [], ["fox"]),
        ("-fox, fox", ["fox"], []),
        ("-_- fox", ["-_-", "fox"], []),
        ("--_-", [], ["-_-"]),
        ("moon_*", [f"moon_{k}" for k in range(1, 5)], []),
        ("fox, -moon_*", ["fox"], [f"moon_{k}" for k in range(1, 5)]),
        ("*ctic_f*", ["arctic_fox"], []),
    ],
)
def test_tags_as_they_are_typed(bot, typed, enjoys, avoids):
    assert felt(bot) == ([], [])
    say(bot, f"/enjoy {typed}")
    assert [sorted(side) for side in felt(bot)] == [sorted(enjoys), sorted(avoids)]
    say(bot, "/drop *")
    assert felt(bot) == ([], [])
    say(bot, f"/avoid {typed}")
    assert [sorted(side) for side in felt(bot)] == [sorted(avoids), sorted(enjoys)]
    say(bot, f"/drop {typed}")
    assert felt(bot) == ([], [])
    say(bot, typed)  # without a command
    assert [sorted(side) for side in felt(bot)] == [sorted(enjoys), sorted(avoids)]


def test_both_sides_are_told(bot):
    said = say(bot, "/avoid rain, -green eyes")
    assert "You avoid rain." in said and "You enjoy green_eyes." in said
    assert "No longer avoided: rain." in say(bot, "/enjoy rain -green_eyes")


def test_words_that_are_tags_and_one_tag_together_are_offered_as_one(bot):
    (reply,) = bot.reply("/enjoy red fox")
    assert "As one tag: /enjoy red_fox" in reply.text and "/enjoy red_fox" in reply.choices
    (reply,) = bot.reply("/avoid red fox, owl")
    assert "As one tag" not in reply.text


def test_what_is_unknown_is_named_as_a_whole_and_each_suggestion_is_a_button(bot):
    (reply,) = bot.reply("/enjoy gren eyess, -nigth, owll")
    assert "No tag 'gren_eyess': did you mean green_eyes" in reply.text
    assert {"/enjoy green_eyes", "/avoid night", "/enjoy owl"} <= {*reply.choices}
    (reply,) = bot.reply("gren_eyes -nihgt")
    assert {"/enjoy green_eyes", "/avoid night"} <= {*reply.choices}
    (reply,) = bot.reply("/mood owll, gren eyes")
    assert {"/mood owl", "/mood green_eyes"} <= {*reply.choices}
    assert felt(bot) == ([], [])


def test_what_goes_with_tags_is_a_button_each(bot):
    (reply,) = bot.reply("/enjoy fox")
    line = next(line for line in reply.text.split("\n") if line.startswith("Often with it: "))
    also = line.removeprefix("Often with it: ").split(", ")
    assert also and [f"/enjoy {name}" for name in also] == reply.choices[-len(also) :]


def test_a_mood_takes_tags_as_they_are_typed(bot):
    say(bot, "/mood green eyes, red fox, moon_*")
    assert bot._user.profile().mood[:2] == ["green_eyes", "red_fox"]
    assert len(bot._user.profile().mood) == 6
    assert "/avoid TAGS" in say(bot, "/mood fox -rain")
    assert len(bot._user.profile().mood) == 6


# -- wildcards -------------------------------------------------------------------------------------
@pytest.mark.parametrize("answer", ["yes", "/yes", " Yes ", "Yes!", "yes.", "y"])
def test_of_many_tags_the_most_used_are_taken_after_a_question(bot, answer):
    (reply,) = bot.reply("/enjoy snow_*, owl")
    assert felt(bot) == (["owl"], [])
    assert "snow_* stands for 11 tags. /yes takes the 10 most used: " in reply.text
    assert reply.choices[:2] == ["/yes", "/no"] and button("/yes") == "Yes"
    said = reply.text.rpartition(": ")[2].split(", ")
    counts = dict(zip(SNOWS, bot._user.board.count_posts(SNOWS), strict=True))
    assert [counts[name] for name in said] == sorted(counts.values(), reverse=True)[:10]
    assert "You enjoy snow_" in say(bot, answer)
    assert felt(bot) == (["owl", *said], [])


@pytest.mark.parametrize("answer", ["no", "/no", "No.", "n", "/enjoy fox", "fox"])
def test_anything_else_takes_none_of_them(bot, answer):
    say(bot, "/avoid snow_*")
    said = say(bot, answer)
    assert said.startswith("Nothing was added." if "fox" not in answer else "You enjoy fox.")
    assert say(bot, "/yes") == "I asked nothing."
    assert felt(bot)[1] == []


def test_the_sign_of_a_pattern_holds_after_the_question(bot):
    assert "To hide all of them: /blacklist add snow_*" in say(bot, "/enjoy fox -snow_*")
    say(bot, "yes")
    assert felt(bot)[0] == ["fox"] and len(felt(bot)[1]) == 10
    say(bot, "/mood owl snow_*", "yes")
    assert len(bot._user.profile().mood) == 11


def test_a_pattern_of_nothing_and_many_patterns(bot):
    assert say(bot, "/enjoy zz*") == "No tag 'zz*'."
    said = say(bot, "/enjoy " + " ".join(f"*{letter}*" for letter in "abcdefghijklmnopqrstuvw"))
    assert "5 words with * at a time" in said and said.count("stands for") <= 5


def test_a_question_to_forget_wants_the_word(bot):
    say(bot, "/enjoy fox", "/walk", "/forget")
    before = bot._user.profile()
    assert say(bot, "/yes") == "Nothing was deleted."
    assert bot._user.profile() == before  # nor was a post liked
    say(bot, "/enjoy snow_*", "/forget", "yes")
    assert felt(bot) == ([], [])


# -- commands --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        *((name, f"/{name}") for name in COMMANDS),
        ("avoid rain", "/avoid rain"),
        ("Enjoy: blue eyes, fox", "/enjoy blue eyes, fox"),
        ("drop fox", "/drop fox"),
        ("mood off", "/mood off"),
        ("more 12", "/more 12"),
        ("like 14, #15 https://e621.net/posts/16", "/like 14, #15 https://e621.net/posts/16"),
        ("variety 0.8", "/variety 0.8"),
        ("variety default", "/variety default"),
        ("rating s", "/rating s"),
        ("daily 8", "/daily 8"),
        ("daily 8:30", "/daily 8:30"),  # to be told that it takes whole hours
        ("Daily 08:00 UTC", "/daily 08:00 UTC"),
        ("daily off", "/daily off"),
        ("daily life", None),
        ("blacklist add fox", "/blacklist add fox"),
        ("favourites", "/favorites"),
        ("favorites 14 15", "/favorites 14 15"),
        ("MORE", "/more"),
        ("more!", "/more"),
        ("next", "/skip"),
        ("like fox", "/enjoy fox"),
        ("dislike blue eyes", "/avoid blue eyes"),
        ("👍", "/like"),
        ("👎🏿", "/dislike"),
        ("❤️", "/like"),
        ("👍 14", "/like 14"),
        *(
            (text, None)
            for text in ("yes", "no", "fox", "more fox", "walk, fox", "variety is nice")
        ),
        *((text, None) for text in ("rating stars", "blacklist", "like 12 fox")[:1]),
        ("like 12 fox", None),
        ("about time", None),
    ],
)
def test_which_command_is_meant(typed, line):
    assert command_meant(typed) == line


def test_on_a_tour_words_judge_the_post(bot):
    say(bot, "enjoy fox", "walk")
    posts = [bot._tour._last]
    for word in ("yes", "no", "next", "like", "dislike", "👍", "👎", "Yes!", "/yes", "skip"):
        (said, card) = bot.reply(word)
        assert f"#{posts[-1]}" in said.text
        posts.append(card.post.post_id)
    profile = bot._user.profile()
    assert profile.liked == [posts[k] for k in (0, 3, 5, 7, 8)]
    assert profile.disliked == [posts[k] for k in (1, 4, 6)]
    assert profile.skipped == [posts[k] for k in (2, 9)]
    say(bot, "stop")
    assert "I asked nothing" in say(bot, "/yes") and say(bot, "no").startswith(
        "I understand tags"
    )


def test_a_question_comes_before_the_tour(bot):
    say(bot, "/enjoy fox", "/walk", "/enjoy snow_*", "yes")
    assert bot._user.profile().liked == [] and len(felt(bot)[0]) == 11


@pytest.mark.parametrize("word", ["Yes!", "no.", "y", "N"])
def test_an_answer_judges_no_post(bot, word):
    say(bot, "/enjoy fox", "/walk", "/enjoy snow_*", word)
    profile = bot._user.profile()
    assert profile.liked == profile.disliked == []
    assert len(profile.enjoys) == (11 if word[0] in "Yy" else 1)


@pytest.mark.parametrize("word", ["/yes", "/no"])
def test_a_button_of_a_question_that_is_over_judges_no_post(bot, word):
    say(bot, "/enjoy fox", "/walk", "/enjoy snow_*", "/why")
    assert say(bot, word) == "I asked nothing."
    say(bot, "/enjoy snow_*", "/yes")
    assert say(bot, word) == "I asked nothing."
    assert bot._user.profile().liked == bot._user.profile().disliked == []
    say(bot, word[1:])
    assert bot._user.profile().liked + bot._user.profile().disliked


def test_a_tag_that_is_named_like_a_command_stays_usable(bot):
    replies = bot.reply("surprise")
    assert replies[0].post and replies[-1].choices == ["/enjoy surprise"]
    assert felt(bot) == ([], [])
    say(bot, "surprise fox", "/enjoy more", "more, owl")
    assert felt(bot)[0] == ["surprise", "fox", "more", "owl"]
    say(bot, "avoid more")
    assert felt(bot)[1] == ["more"]


# -- numbers in the terminal -----------------------------------------------------------------------
def test_what_a_text_offers_gets_a_number():
    said = "No tag 'nihgt': did you mean night or knight?"
    reply = Reply(
        f"You enjoy fox.\n{said}\nOften with it: fox_a, a_(b)",
        choices=["/walk", "/enjoy night", "/enjoy knight", "/enjoy fox_a", "/enjoy a_(b)"],
    )
    text, choices = numbered(reply, 3)
    assert choices == ["/enjoy night", "/enjoy knight", "/enjoy fox_a", "/enjoy a_(b)"]
    assert text.endswith("mean night [3] or knight [4]?\nOften with it: fox_a [5], a_(b) [6]")
    assert text.startswith("You enjoy fox.\n")


def test_a_number_picks_what_was_offered_last(kept):
    def transcript(lines):
        out = io.StringIO()
        talk(Conversation(FakeGraph(), kept, "ann"), io.StringIO(lines), out)
        return out.getvalue()

    text = transcript("/enjoy nihgt\n1\n/wlak\n1\n9\n/like 14\n14\n")
    assert "did you mean night [1]?" in text and "> 1\nYou enjoy night." in text
    assert "Did you mean /walk [1]?" in text and "> 1\n#1" in text
    assert "> 9\nTo say that you like that post: /like 9" in text
    assert "> 14\nTo say that you like that post: /like 14" in text
    assert kept.load("ann").enjoys == ["night"] and kept.load("ann").liked == [14]
