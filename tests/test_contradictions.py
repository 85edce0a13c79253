"""What works against each other is said, with the way out, from either side."""

import pytest
from boards import post
from conftest import index_of
from fake_graph import say

from e6graph import PostGraph
from e6graph.chat import contradictions as module
from e6graph.chat.contradictions import Cause
from e6graph.chat.conversation import Conversation
from e6graph.chat.messages import TextFile
from e6graph.chat.profiles import Profiles
from e6graph.recommend.personal import Profile


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Twenty red foxes are foxes, eighteen of twenty kits, ten of twenty-two hares are at night.

    Six bats are rated q, and five moths are gore, which the site hides.
    """
    filler = ["sky", "river", "moss", "book", "tram", "kettle", "scarf"]

    def made(number, tags, **columns):
        return post(number, f"{tags} {filler[number % 7]} {filler[number % 5]}", **columns)

    posts = [made(100 + i, "red_fox fox canine") for i in range(20)]
    posts += [made(200 + i, "kit" if i < 2 else "kit fox canine") for i in range(20)]
    posts += [made(300 + i, "hare night" if i < 10 else "hare day") for i in range(22)]
    posts += [made(400 + i, "bat night", rating="q") for i in range(6)]
    posts += [made(500 + i, "moth gore") for i in range(5)]
    posts += [made(600 + i, f"thing_{i % 4} day") for i in range(40)]
    root = tmp_path_factory.mktemp("contradictions")
    return index_of(
        root,
        posts,
        aliases=[("vulpine", "fox"), ("leveret", "hare")],
        implications=[("red_fox", "fox"), ("fox", "canine")],
        dim=4,
    )


@pytest.fixture(scope="module")
def graph(index):
    return PostGraph.open(index)


def told(answer):
    """The lines of an answer about what works against what."""
    return [line for line in answer.split("\n") if "this hides" in line or "This board" in line]


ALL_RED = "You avoid fox: this hides all 20 posts with red_fox. To see them: /drop fox"


def test_an_enjoyed_tag_that_is_avoided_by_implication_is_told_from_either_side(bot):
    say(bot, "/avoid vulpine")
    answer = say(bot, "/enjoy red_fox")
    assert told(answer) == [ALL_RED] and answer.startswith("You enjoy red_fox.")
    assert bot.reply("/enjoy red_fox")[0].choices[:2] == ["/walk", "/drop fox"]
    assert told(say(bot, "red_fox")) == [ALL_RED]
    say(bot, "/drop fox red_fox")
    assert told(say(bot, "/enjoy red_fox")) == []
    assert told(say(bot, "/avoid fox")) == [ALL_RED]
    assert told(say(bot, "/avoid river")) == []  # which has no part in it
    assert told(say(bot, "/drop fox")) == [] and told(say(bot, "/enjoy red_fox")) == []


def test_the_share_decides(bot):
    say(bot, "/enjoy kit hare")
    assert told(say(bot, "/avoid fox")) == [
        "You avoid fox: this hides 18 of 20 posts with kit. To see them: /drop fox"
    ]
    say(bot, "/drop fox")
    assert told(say(bot, "/avoid moss day")) == []  # twelve of twenty-two, and a few
    both = told(say(bot, "/avoid night"))
    assert both == [
        "You avoid day and you avoid night: this hides all 22 posts with hare. "
        "To see them: /drop day night"
    ]


def test_several_tags_and_several_reasons_are_one_line_each(bot):
    say(bot, "/enjoy red_fox kit hare")
    assert told(say(bot, "/avoid fox canine")) == [
        "You avoid fox and you avoid canine: this hides all 20 posts with red_fox, "
        "18 of 20 posts with kit. To see them: /drop fox canine"
    ]


def test_the_later_of_two_feelings_about_one_tag_takes_the_place_of_the_earlier(bot):
    say(bot, "/enjoy fox kit")
    answer = say(bot, "/avoid fox")
    assert answer.split("\n")[0] == "You avoid fox." and "No longer enjoyed: fox." in answer
    answer = say(bot, "/enjoy fox")
    assert "No longer avoided: fox." in answer and told(answer) == []
    assert bot.taste().enjoys == ["kit", "fox"] and bot.taste().avoids == []


def test_a_line_that_hides_what_is_enjoyed_is_told_from_either_side(bot):
    say(bot, "/enjoy red_fox hare")
    line = (
        "Your blacklist has the line 'fox -night': this hides all 20 posts with red_fox. "
        "To see them: /blacklist remove fox -night"
    )
    replies = bot.reply("/blacklist add fox -night")
    assert told(replies[0].text) == [line]
    assert replies[0].choices == ["/walk", "/blacklist remove fox -night", "/blacklist"]
    assert told(say(bot, "/blacklist add river")) == []
    say(bot, "/drop red_fox")
    assert told(say(bot, "/enjoy red_fox")) == [line]
    assert told(say(bot, "/enjoy hare")) == []
    assert told(say(bot, "/blacklist remove fox -night")) == []
    assert told(say(bot, "/enjoy red_fox")) == []


def test_a_list_of_one_line_twice_is_told_of(bot):
    say(bot, "/enjoy hare")
    (line,) = told(say(bot, "/blacklist add\nhare\nhare"))
    assert line.startswith("Your blacklist has 1 line: this hides all 22 posts with hare.")


def test_a_list_gets_one_line_about_all_that_it_hides(bot):
    tags = "red_fox kit hare thing_0 thing_1 thing_2"
    say(bot, f"/enjoy {tags}")
    lines = "\n".join(["fox", "hare", "thing_0", "# no", "thing_1 day", "thing_2", "zzz"])
    (only,) = told(bot.reply(TextFile(lines.encode()))[0].text)
    assert only == (
        "Your blacklist has 7 lines: this hides all 20 posts with red_fox, 18 of 20 posts with "
        "kit, all 22 posts with hare and 3 more tags. To see them: /blacklist"
    )
    assert told(bot.reply(TextFile(b"zzz1\nzzz2"))[0].text) == []  # these had no part in it
    many = "\n".join(f"zzz_{i}" for i in range(200))
    assert told(say(bot, f"/blacklist add\n{many}")) == []
    (line,) = told(say(bot, "/enjoy hare"))
    assert line == (
        "Your blacklist has 209 lines: this hides all 22 posts with hare. "
        "To see them: /blacklist"
    )
    assert told(say(bot, "/blacklist add hare river")) == []  # the others hide it anyway
    (line,) = told(say(bot, "/blacklist add ~hare ~gone"))
    assert line == (
        "Your blacklist has the line '~hare ~gone' and your blacklist has 210 other lines: this "
        "hides all 22 posts with hare. To see them: /blacklist remove ~hare ~gone and /blacklist"
    )


def test_of_many_tags_some_are_looked_into_and_the_others_counted(bot, graph, monkeypatch):
    monkeypatch.setattr(module, "LOOKED_INTO", 2)
    say(bot, "/enjoy red_fox kit hare day")
    answer = say(bot, "/blacklist add id:>0")
    assert told(answer) == [
        "Your blacklist has the line 'id:>0': this hides all 22 posts with hare, "
        "all 52 posts with day. To see them: /blacklist remove id:>0"
    ]
    assert "Most posts with 2 more tags that you named are hidden, too." in answer


def test_more_reasons_than_fit_are_counted(bot):
    say(bot, "/enjoy thing_0 thing_1 thing_2 thing_3 hare")
    for tag in ("thing_0", "thing_1", "thing_2", "thing_3"):
        say(bot, f"/blacklist add {tag}")
    answer = say(bot, "/enjoy thing_0 thing_1 thing_2 thing_3")
    assert len(told(answer)) == 3
    assert "Most of what you named is hidden for 1 more reason, too." in answer


def test_a_line_that_is_a_number_is_taken_back_by_its_place(bot):
    """`/blacklist remove 5` is the fifth line."""
    say(bot, "/enjoy hare")
    (line,) = told(say(bot, "/blacklist add hare"))
    assert line.endswith("/blacklist remove hare")
    assert Cause("line", "5") in {Cause("line", "5", hides=9)}
    assert module._undo([Cause("line", "5")], "s") == ["/blacklist"]


def test_a_mood_is_told_of_like_what_is_enjoyed(bot):
    say(bot, "/avoid fox")
    assert told(say(bot, "/mood red_fox day")) == [ALL_RED]
    say(bot, "/mood hare", "/drop fox")
    (line,) = told(say(bot, "/blacklist add hare"))
    assert "all 22 posts with hare" in line and "/blacklist remove hare" in line
    assert told(say(bot, "/avoid hare"))[0].startswith("You avoid hare")
    say(bot, "/mood off")
    assert told(say(bot, "/avoid leveret")) == []


def test_what_the_board_itself_hides_is_told_without_a_number(bot, graph):
    assert told(say(bot, "/enjoy bat")) == [
        "This board shows no post with bat, so that nothing can come of it."
    ]
    assert "no post with bat or moth," in say(bot, "/mood bat moth hare")
    assert told(say(bot, "/avoid river")) == []
    assert bot.taste().enjoys == ["bat"]


def test_ratings_of_one_s_own_are_told_as_well(index, tmp_path):
    wide = PostGraph.open(index, ratings="sq")
    with Profiles(tmp_path / "kept.sqlite") as kept:
        bot = Conversation(wide, kept, "ann")
        assert told(say(bot, "/enjoy bat")) == []
        line = (
            "You see rating s alone: this hides all 6 posts with bat. To see them: /rating sq"
        )
        assert told(say(bot, "/rating s")) == [line]
        assert told(say(bot, "/enjoy bat hare")) == [line]
        assert told(say(bot, "/rating sq")) == []


def test_nothing_is_said_of_tags_that_left_the_board(bot, graph):
    kept = bot._user.profiles
    kept.enjoy("ann", ["gone_tag", "red_fox"])
    kept.avoid("ann", ["another_gone_tag"])
    assert told(say(bot, "/avoid fox")) == [ALL_RED]
    assert kept.load("ann") == Profile(
        enjoys=["gone_tag", "red_fox"], avoids=["another_gone_tag", "fox"]
    )


def test_numbers_are_those_of_the_posts_that_the_board_shows(graph):
    tags = ["red_fox", "kit", "hare", "bat"]
    assert graph.count_posts(tags) == [20, 20, 22, 0]
    assert graph.count_posts(tags, without=["fox", "night"]) == [0, 2, 12, 0]
    assert graph.count_both("kit", ["fox", "hare", "canine"]) == [18, 0, 18]
    lines = ["fox", "fox -canine", "-fox", "~fox ~kit", "id:200", "", "# x", "score:x"]
    assert graph.count_matched(["kit"], lines) == [[18, 0, 2, 20, 1, 0, 0, 0]]
    narrow = graph.narrowed("s", "night")
    assert narrow.count_posts(["hare"]) == [12] and narrow.count_both("hare", ["day"]) == [12]


@pytest.mark.parametrize("line", ["fox", "-fox", "fox -kit", "~hare ~kit day", "id:<210"])
def test_a_line_alone_hides_what_it_matches(graph, line):
    for tag in ("kit", "red_fox", "hare", "day"):
        (before,), ((matched,),) = graph.count_posts([tag]), graph.count_matched([tag], [line])
        assert graph.narrowed("s", line).count_posts([tag]) == [before - matched]
