"""/only: what follows is restricted by the site's search words, and nothing is widened."""

import warnings

import numpy as np
import pytest
from boards import post
from conftest import index_of
from fake_graph import say

from e6graph import PostGraph
from e6graph.chat.conversation import Conversation
from e6graph.chat.profiles import Profiles
from e6graph.chat.room import Room
from e6graph.errors import BadInput
from e6graph.recommend.blacklist import Blacklist
from e6graph.recommend.personal import Profile

LINES = (
    "fox",
    "fox -rain",
    "-rain",
    "vixen night",
    "~fox ~owl",
    "score:>50",
    "fox score:..20 -night",
    "s*w",
    "id:>30",
    "rating:s",
    "species:fox",
    "-foxx fox",
    "~foxx ~fox",
)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    rng = np.random.default_rng(5)
    words = [
        "fox",
        "owl",
        "otter",
        "night",
        "rain",
        "snow",
        "red_fox",
        "lantern",
        "river",
        "moss",
    ]
    rows = []
    for n in range(1, 200):
        held = [word for word in words if rng.random() < 0.35] or ["moss"]
        rating = "q" if n % 11 == 0 else "s"
        rows.append(post(n, " ".join(held), rating=rating, score=int(rng.integers(-5, 100))))
    root = tmp_path_factory.mktemp("only")
    return index_of(root, rows, aliases=[("vixen", "fox")], dim=4)


@pytest.fixture(scope="module")
def graph(index):
    return PostGraph.open(index)


def shown(replies):
    return [reply.post.post_id for reply in replies if reply.post]


def matching(graph, line):
    """The visible posts that a blacklist of this line would hide."""
    hidden = Blacklist((line,)).mask(graph.posts)
    return {*graph.posts.ids[graph.allowed & hidden].tolist()}


# -- in notebooks ----------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore:only")
@pytest.mark.parametrize("line", LINES)
def test_what_is_returned_is_what_a_blacklist_would_hide(graph, line):
    wanted = matching(graph, line)
    assert 5 < len(wanted) <= graph.allowed.sum()
    options = {"n": 500, "variants": True}
    found = graph.recommend(tags=["moss"], only=line, **options)
    assert {one.post_id for one in found} == wanted
    profile = Profile(enjoys=["moss", "snow"], liked=[1, 2, 3], disliked=[4])
    found = graph.personal(profile, only=line, **options)
    assert {one.post_id for one in found} == wanted - {1, 2, 3, 4}


def test_what_may_not_be_shown_is_not_found(graph, index):
    for line in ("rating:q", "-rating:s", "rating:q fox"):
        assert graph.recommend(tags=["fox"], only=line) == []
        assert graph.personal(Profile(enjoys=["fox"]), only=line) == []
    hidden = PostGraph.open(index, blacklist="fox").recommend(tags=["owl"], only="fox", n=99)
    assert hidden == []


def test_words_that_do_nothing_are_told_and_none_are_refused(graph):
    for line, said in (
        ("foxx", "no post here has the tag 'foxx'.*did you mean fox"),
        ("fox score:high", "'score:high' cannot be read"),
    ):
        with pytest.warns(UserWarning, match=said):
            assert graph.recommend(tags=["owl"], only=line) == []
        with pytest.warns(UserWarning, match=said):
            assert graph.personal(Profile(enjoys=["owl"]), only=line) == []
    for line in ("  ", "# fox", "-"):
        with pytest.raises(BadInput, match=r"only .*: expected words of the site's search"):
            graph.recommend(tags=["owl"], only=line)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert graph.recommend(tags=["owl"], only="") == graph.recommend(tags=["owl"])


def test_the_profiles_own_holds_and_what_was_said_of_others_counts(graph):
    profile = Profile(enjoys=["moss"], liked=[1, 2, 3], only="owl")
    own = graph.personal(profile, n=9)
    assert own == graph.personal(profile, n=9, only="owl")
    assert {one.post_id for one in own} <= matching(graph, "owl")
    others = graph.personal(profile, n=30, only="")
    assert not {one.post_id for one in others} <= matching(graph, "owl")
    assert graph.learned_tags(profile) == graph.learned_tags(Profile(["moss"], liked=[1, 2, 3]))


def test_of_a_family_and_of_a_comic_only_what_matches_comes(family_index):
    graph = PostGraph.open(family_index)
    ids = graph.posts.ids[graph.allowed].tolist()
    tag = graph.complete("*", 1)[0][0]
    for half in (f"id:..{ids[len(ids) // 2]}", f"id:>{ids[len(ids) // 2]}"):
        found = graph.recommend(tags=[tag], only=half, n=500)
        assert found and {one.post_id for one in found} <= matching(graph, half)


# -- in the talk -----------------------------------------------------------------------------------
def test_everything_that_is_shown_matches_until_off(bot, graph, monkeypatch):
    monkeypatch.setattr(Conversation, "_look", lambda self, data: None)
    say(bot, "/enjoy fox moss", "/walk", "/like")
    line = "owl -rain score:>10"
    wanted = matching(graph, line)
    said = say(bot, f"/only {line}")
    assert f"You see only what matches {line} now, {len(wanted)} posts, until /only off" in said
    seen = []
    for message in (
        "/walk",
        "/like",
        "/dislike",
        "/skip",
        "/more",
        "/surprise",
        "/more 7",
        "/mood snow",
        "/walk",
        "/mood off",
    ):
        seen += shown(bot.reply(message))
    assert len(seen) > 12 and {*seen} <= wanted
    assert f"only {line}" in say(bot, "/walk", "/why")
    assert f"matches {line}: {len(wanted)} posts" in say(bot, "/only")
    assert f"\nonly       {line}\n" in say(bot, "/taste") and bot.taste().only == line
    assert f"only what matches {line}, until /only off" in say(bot, "/enjoy snow")
    assert shown(bot.reply("/like 1")) == []  # what does not match can still be judged
    assert 1 in bot._user.profile().liked
    assert "No longer" not in say(bot, "/only OFF") and bot._user.profile().only == ""
    seen = []
    for _ in range(3):
        seen += shown(bot.reply("/more")) or shown(bot.reply("/surprise"))
    assert not {*seen} <= wanted
    assert say(bot, "/only").startswith("You see all posts")


def test_words_of_a_person_are_in_no_log(index, tmp_path):
    profiles = tmp_path / "p.sqlite"
    room = Room(index, "s", None, profiles, None, None, tmp_path, False, None, None)
    with warnings.catch_warnings(record=True) as caught, room.conversation("ann") as bot:
        assert "passes for every post" in say(bot, "/only owl -foxx")
        for message in ("/surprise", "/more 12", "/walk", "/variants 12", "/new"):
            bot.reply(message)
    assert not caught


def test_it_ends_where_nothing_is_left(bot, graph):
    say(bot, "/enjoy fox", "/only fox rain snow score:>80")
    wanted = matching(graph, "fox rain snow score:>80")
    assert 0 < len(wanted) < 9
    seen = [one for _ in range(9) for one in shown(bot.reply("/more"))]
    assert {*seen} == wanted
    (reply,) = bot.reply("/more")
    assert "/only off" in reply.text and reply.choices == ["/only off"]


def test_it_holds_over_a_restart_and_is_told_and_forgotten(graph, tmp_path):
    with Profiles(tmp_path / "a.sqlite") as kept:
        say(Conversation(graph, kept, "ann"), "/only owl, -rain")
    with Profiles(tmp_path / "a.sqlite") as kept, Profiles(tmp_path / "b.sqlite") as other:
        assert (
            kept.load("ann").only == "owl -rain" and kept.export("ann")["only"] == "owl -rain"
        )
        kept.move("ann", other)
        assert other.load("ann").only == "owl -rain" and kept.load("ann") == Profile()
        assert {*shown(Conversation(graph, other, "ann").reply("/surprise"))} <= matching(
            graph, "owl -rain"
        )
        other.forget("ann")
        assert other.load("ann") == Profile() and "only" not in other.export("ann")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("foxx", "no post here has the tag 'foxx'"),
        ("fox rating:x", "'rating:x' cannot be read"),
        ("rating:q", ""),
        ("fox -fox", ""),
        ("score:>1000", ""),
        ("order:score", "no post here has the tag 'order:score'"),
    ],
)
def test_what_would_leave_nothing_changes_nothing(bot, line, said):
    say(bot, "/only owl")
    (reply,) = bot.reply(f"/only {line}")
    assert reply.text.startswith(
        f"No post that you may see matches '{line}', so nothing was changed."
    )
    assert said in reply.text and bot._user.profile().only == "owl"
    if line == "foxx":
        assert "Instead: /only fox" in reply.text and "/only fox" in reply.choices
    assert "expected words of the site's search" in say(bot, "/only # fox")


def test_it_joins_with_blacklist_ratings_and_what_is_avoided(index, kept):
    graph = PostGraph.open(index, "sq")
    bot = Conversation(graph, kept, "ann")
    say(bot, "/only owl", "/blacklist add rain", "/rating s", "/avoid snow")
    seen = [one for _ in range(20) for one in shown(bot.reply("/surprise"))]
    narrow = graph.narrowed("s", "rain")
    assert seen and {*seen} <= matching(narrow, "owl -snow")
    assert say(bot, "/only rain").startswith("No post that you may see matches 'rain'")
    assert say(bot, "/only rating:q").startswith("No post that you may see")


def test_what_they_avoid_is_counted_out(bot, graph):
    say(bot, "/avoid owl")
    left = len(matching(graph, "fox -owl"))
    assert f"matches fox now, {left} posts" in say(bot, "/only fox")
    assert f"matches fox: {left} posts" in say(bot, "/only")
    said = say(bot, "/only owl night")
    assert "matches 'owl night' without a tag that you avoid, so nothing was changed" in said


def test_variants_that_do_not_match_stay_away(family_index, kept):
    graph = PostGraph.open(family_index)
    bot = Conversation(graph, kept, "ann")
    first = next(
        i for i in graph.posts.ids.tolist() if graph.visible(i) and len(graph.variants(i)) > 1
    )
    one = graph.variants(first)[0]
    say(bot, f"/only id:{one}")
    assert shown(bot.reply(f"/variants {first}")) == [one]
    say(bot, f"/only id:{first}")
    assert "/only off" in say(bot, f"/variants {first}")


@pytest.mark.parametrize("command", ["/only", "/blacklist add"])
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("foxx -owl", "fox -owl"),
        ("FOXX owl", "fox owl"),
        ("fo -foxx", "fo -fox"),  # and not the "fo" in another word
        ("owll -owllet", "owl -owllet"),
        ("-~species:foxx owl", "-~species:fox owl"),
    ],
)
def test_a_whole_word_is_corrected(bot, command, line, instead):
    (reply,) = bot.reply(f"{command} {line}")
    assert f"{command} {instead}" in reply.choices
    known = {"-", "~", *bot._user.board.posts.names}
    for choice in reply.choices:
        words = choice.removeprefix(command).split()
        if not choice.startswith(f"{command} ") or words == ["off"]:
            continue
        changed = [new for new, old in zip(words, line.split(), strict=True) if new != old]
        assert {word.lstrip("-~").rpartition(":")[2] for word in changed} <= known


@pytest.mark.parametrize("words", ["foxx ", "foxx{} ", "-foxx{} ", "species: ", "-: "])
def test_many_unknown_words_do_not_make_a_long_answer(bot, words):
    for command, length in (("/only", 1900), ("/blacklist add", 100_000)):
        line = "".join(words.format(k) for k in range(length // len(words)))[:length]
        (reply,) = bot.reply(f"{command} {line}")
        told = len(reply.text) + sum(map(len, reply.choices))
        assert told < 3 * len(line) + 5000 and len(reply.choices) < 20
