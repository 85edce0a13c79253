"""What is new: posts from a moment on, /new between two generations of a board, and /daily."""

import datetime as dt
import shutil

import numpy as np
import pytest
from boards import COLUMNS, post, write_export, write_table
from conftest import build, index_of

from e6graph import PostGraph
from e6graph.chat.conversation import Conversation
from e6graph.chat.news import FIRST_LOOK
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.errors import BadArtifact, BadInput
from e6graph.recommend import Profile, choosing, listing
from e6graph.recommend.since import microseconds

DAY = 86400
BEGAN = 1_795_000_000  # when post 0 was made; an hour later comes the next one
UTC = dt.UTC


def made(post_id):
    """When a post of `generation` was made, in Unix seconds."""
    return BEGAN + 3600 * post_id + 0.25


def text(seconds):
    return dt.datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-2]


def rows(upto):
    """Posts 1 to `upto`, an hour apart: foxes, owls and trams in turn, some not for everybody."""
    for n in range(1, upto + 1):
        kind = ("fox forest moss", "owl night book", "tram rain city")[n % 3]
        more = {"rating": "q"} if n % 10 == 7 else {}
        if n % 40 == 27:
            kind += " young"  # and q: under the never-shown rule
        parent = {"parent_id": n - 3} if n % 12 == 0 else {}
        tags = f"{kind} tag{n % 5} hue{n % 7}"
        yield post(
            n, tags, created_at=text(made(n)), fav_count=n % 11, score=n % 4, **more, **parent
        )


def generation(place, upto, posts=None):
    """Build the index of a board in a place; it may be there from the day before."""
    return index_of(place, [*rows(upto)] if posts is None else posts, dim=4)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Directories of two generations, a day (24 posts) apart."""
    root = tmp_path_factory.mktemp("generations")
    return [generation(root / name, upto).parent for name, upto in (("one", 200), ("two", 224))]


@pytest.fixture(scope="module")
def graphs(two):
    return [PostGraph.open(place / "index") for place in two]


@pytest.fixture(scope="module")
def old(two, tmp_path_factory):
    """The first generation, of an export without the column."""
    root = tmp_path_factory.mktemp("old")
    posts = [{**row, "created_at": ""} for row in rows(200)]
    return PostGraph.open(generation(root, 200, posts))


def ids(found):
    return [one.post_id for one in found]


# -- the times of the index ------------------------------------------------------------------------
def test_times_are_kept_to_the_last_digit_of_the_export(graphs):
    posts = graphs[0].posts
    assert posts.created_at.tolist() == [round(made(i) * 1e6) for i in posts.ids.tolist()]
    assert graphs[0].newest == made(int(posts.ids[-1])) == made(200)
    assert graphs[1].newest == made(224)


def test_times_of_every_spelling_and_none(tmp_path):
    spelled = {
        1: "2026-11-27 08:30:00.12345",
        2: "2026-11-27T08:30:00.123450Z",
        3: "2026-11-27 10:30:00.12345+02:00",
        4: "2026-11-27",
        5: "",
        6: "yesterday",
        7: "2026-02-30 00:00:00",
        8: "1969-12-31 23:00:00",
        9: "9999-12-31 23:59:59-05:00",
    }
    posts = [post(n, f"fox night tag{n % 3}", created_at=time) for n, time in spelled.items()]
    graph = PostGraph.open(generation(tmp_path, 0, posts))
    whole = microseconds("2026-11-27T08:30:00.12345")
    known = np.maximum(graph.posts.created_at, 0).tolist()
    assert known == [whole] * 3 + [microseconds("2026-11-27")] + [0] * 5
    assert (
        ids(graph.recommend(tags=["fox"], since="1900-01-01")) and graph.newest == whole / 1e6
    )
    assert set(ids(graph.recommend(tags=["fox"], since="1900-01-01", variants=True))) == {
        1,
        2,
        3,
        4,
    }


def test_an_export_without_the_column_is_imported(tmp_path, old):
    posts = [*rows(60)]
    write_export(tmp_path / "export", posts)
    columns = [name for name in COLUMNS["posts"].split() if name != "created_at"]
    write_table(tmp_path / "export", "posts", posts, columns)
    build(tmp_path / "index", tmp_path / "export", dim=4)
    said = r"run hydrate_data\.py and the scripts after it again"
    for graph in (PostGraph.open(tmp_path / "index"), old):
        assert graph.newest is None and graph.recommend(tags=["fox"], n=3)
        with pytest.raises(BadArtifact, match=said):
            graph.recommend(since="2026-11-27")
        with pytest.raises(BadArtifact, match=said):
            graph.personal(Profile(enjoys=["fox"]), since="2026-11-27")


class NoTime(dt.datetime):
    """Stands for pandas' NaT, a datetime whose differences are no times."""

    def __sub__(self, other):
        return float("nan")


# -- since -----------------------------------------------------------------------------------------
MOMENT = dt.datetime(2026, 11, 27, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "since",
    [
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.astimezone(dt.timezone(dt.timedelta(hours=-5))),
        "2026-11-27T08:30",
        " 2026-11-27 08:30:00.000 ",
        "2026-11-27T03:30-05:00",
        "20261127T0830Z",
        MOMENT.timestamp(),
        int(MOMENT.timestamp()),
        np.int64(MOMENT.timestamp()),
        np.float64(MOMENT.timestamp()),
        np.datetime64("2026-11-27T08:30"),
        np.datetime64("2026-11-27T08:30", "ns"),
    ],
)
def test_one_moment_in_many_words(since):
    assert microseconds(since) == int(MOMENT.timestamp()) * 10**6


@pytest.mark.parametrize(
    "since", [dt.date(2026, 11, 27), "2026-11-27", "20261127", np.datetime64("2026-11-27")]
)
def test_a_day_begins_at_midnight_in_utc(since):
    assert microseconds(since) == microseconds("2026-11-27T00:00Z")


@pytest.mark.parametrize(
    "since",
    [
        "",
        "yesterday",
        "2026-13-01",
        "27.11.2026",
        "now\n" * 99,
        True,
        float("nan"),
        float("inf"),
        1e30,
        -1e30,
        [2026],
        b"2026-11-27",
        object(),
        "1795823999",
        np.bool_(True),
        dt.time(8),
        10**400,
        np.datetime64("NaT"),
        np.timedelta64(5, "s"),
        NoTime(2026, 11, 27),
    ],
)
def test_what_is_no_moment_is_one_line(graphs, since):
    for ask in (
        lambda: graphs[0].recommend(tags=["fox"], since=since),
        lambda: graphs[0].personal(Profile(enjoys=["fox"]), since=since),
        lambda: graphs[0].count_new(Profile(), since),
    ):
        with pytest.raises(BadInput, match="expected a date or a time") as error:
            ask()
        assert "\n" not in str(error.value) and len(str(error.value)) < 300


def by_posts(graph, since, n=400, **options):
    return ids(graph.recommend(posts=[3, 6, 9], n=n, since=since, **options))


def by_tags(graph, since, n=400, **options):
    return ids(graph.recommend(tags=["fox", "moss"], n=n, since=since, **options))


def by_nothing(graph, since, n=400, **options):
    return ids(graph.recommend(n=n, since=since, **options))


def by_taste(graph, since, n=400, **options):
    profile = Profile(liked=[3, 6], disliked=[5], seen=[3, 5, 6], at={3: 1, 5: 2, 6: 3})
    return ids(graph.personal(profile, n=n, since=since, **options))


def by_no_taste(graph, since, n=400, **options):
    return ids(graph.personal(Profile(), n=n, since=since, **options))


SEARCHES = [by_posts, by_tags, by_nothing, by_taste, by_no_taste]


@pytest.fixture(params=SEARCHES, ids=lambda one: one.__name__)
def search(request):
    return request.param


@pytest.fixture(params=["few", "many"])
def however_many(request, monkeypatch):
    """A search among few new posts, or one that takes the same for many."""
    for module in (listing, choosing):
        monkeypatch.setattr(module, "FEW", 0 if request.param == "many" else 10_000)


@pytest.mark.parametrize("first", [1, 60, 170, 199, 200])
def test_all_that_is_new_comes_and_nothing_else(graphs, search, first, however_many):
    graph = graphs[0]
    given = {by_posts: {3, 6, 9}, by_taste: {3, 5, 6}}.get(search, set())
    new = set(graph.visible_among(range(first, 201))) - given
    found = search(graph, made(first), variants=True)
    assert set(found) == new and len(found) == len(new)
    folded = search(graph, made(first))
    families = graph.catalog.families
    first_of = families.first[graph.posts.rows(np.array(folded))].tolist()
    assert set(folded) <= new and len(first_of) == len(set(first_of))
    assert search(graph, made(first) + 1e-6) == search(graph, made(first + 1))


def test_nothing_is_newer_than_the_newest(graphs, search, however_many):
    assert search(graphs[0], made(200) + 1e-6) == search(graphs[0], "2999-01-01") == []


def test_a_shorter_answer_is_the_head_of_a_longer_one(graphs, search):
    few, many = (search(graphs[1], made(120), n=n) for n in (5, 20))
    assert many[:5] == few and len(many) == 20


def test_what_may_not_be_shown_does_not_come_because_it_is_new(two, search):
    shown = PostGraph.open(two[1] / "index", "sq", "hue1")
    found = search(shown, made(150), variants=True)
    kinds = {shown.describe(i).rating for i in found}
    assert kinds == {"s", "q"}
    assert not any(i % 7 == 1 or i % 40 == 27 for i in found)


def test_the_best_of_the_new_lead(graphs):
    graph = graphs[1]
    foxes, others = [*range(3, 90, 9)], [*range(4, 90, 9), *range(5, 90, 9)]
    said = Profile(liked=graph.visible_among(foxes), disliked=graph.visible_among(others))
    found = ids(graph.personal(said, n=5, since=made(201), variety=0.0))
    for some in (found, by_posts(graph, made(201), n=5), by_tags(graph, made(201), n=5)):
        assert len(some) == 5 and all(i % 3 == 0 for i in some)


def test_a_taste_that_lies_far_back_finds_the_few_that_are_new(tmp_path):
    """Three new posts of a kind, and a thousand old ones: a search finds none of the new."""
    posts = [
        post(n, f"fox moss tag{n % 9} hue{n % 7}", created_at=text(made(n)))
        for n in range(1, 1001)
    ]
    posts += [
        post(n, f"tram city hue{n % 7}", created_at=text(made(n))) for n in range(1001, 1004)
    ]
    posts += [post(1004, "fox moss tag1 hue1", created_at=text(made(1004)))]
    graph = PostGraph.open(generation(tmp_path, 0, posts))
    since = made(1001)
    for found in (
        graph.recommend(posts=[1, 2, 3], n=2, since=since),
        graph.recommend(tags=["fox"], n=2, since=since),
        graph.personal(Profile(liked=[1, 2, 3], at={1: 1, 2: 2, 3: 3}), n=2, since=since),
    ):
        assert ids(found)[0] == 1004 and len(found) == 2 and found[0].because


def test_of_no_taste_the_most_popular_comes_first(graphs):
    marks = {row["id"]: (row["fav_count"], row["score"], row["id"]) for row in rows(224)}
    for one in (by_nothing, by_no_taste):
        found = one(graphs[1], made(180), variants=True)
        assert found == sorted(found, key=marks.get, reverse=True) and len(found) > 20
    found = graphs[1].recommend(since=made(180), exclude=found[:3], avoid="owl", n=5)
    assert len(found) == 5 and all(one.post_id % 3 != 1 for one in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    with pytest.raises(BadInput, match="at least one post, tag or image"):
        graphs[1].recommend()


def test_how_many_are_new_is_how_many_come(graphs):
    graph = graphs[1]
    for profile in (Profile(), Profile(avoids=["owl"], seen=[201, 204]), Profile(liked=[213])):
        expected = len(graph.personal(profile, n=400, since=made(190)))
        assert graph.count_new(profile, made(190)) == expected > 10


# -- /new ------------------------------------------------------------------------------------------
def say(bot, *messages):
    for message in messages:
        replies = bot.reply(message)
    return replies


def posts_in(replies):
    return [reply.post.post_id for reply in replies if reply.post]


def all_new(bot):
    """The first line of each /new until nothing is left, and the posts in order."""
    lines, found = [], []
    for _ in range(100):
        head, *cards = say(bot, "/new")
        lines.append(head.text)
        if not cards:
            return lines, found
        assert len(cards) == len(posts_in(cards)) <= 5
        found += posts_in(cards)
    raise AssertionError("no end")


def new_posts(graph, first, last):
    """The families of the visible posts between two, each by its first."""
    rows = graph.visible_rows(range(first, last + 1))
    return set(graph.catalog.families.first[rows].tolist())


def families_of(graph, found):
    first = graph.catalog.families.first[graph.posts.rows(np.array(found))].tolist()
    assert len(set(first)) == len(found)
    return set(first)


def test_new_between_two_generations(graphs, kept):
    one, two = graphs
    bot = Conversation(one, kept, "ann")
    say(bot, "/enjoy fox")
    week = FIRST_LOOK // 3600
    lines, found = all_new(bot)
    total = len(new_posts(one, 201 - week, 200))
    assert families_of(one, found) == new_posts(one, 201 - week, 200)
    since = text(made(200 - week))[:10]
    assert lines[0] == (
        f"{total} new posts since {since}, the last week of this index; here are the best 5, "
        "/new again shows more."
    )
    assert lines[1].startswith(
        f"{total - 5} more posts since {since}; here are the best 5, /new"
    )
    until = text(made(200))[:10]
    assert lines[-1].startswith(f"Nothing new since {until}: ")
    why = say(bot, f"/why {found[-1]}")[0].text
    assert f"from the 1 tag you enjoy, among what came since {since}; left out" in why
    assert all(i % 3 == 0 for i in found[:5])

    bot.renew(two)
    lines, after = all_new(bot)
    assert families_of(two, after) == new_posts(two, 201, 224) - new_posts(two, 1, 200)
    assert lines[0].startswith(f"{len(after)} new posts since {until}; here are the best 5")
    assert not set(found) & set(after) and all(i % 3 == 0 for i in after[:3])
    assert lines[-1].startswith(f"Nothing new since {text(made(224))[:10]}: ")


def test_what_was_not_looked_at_belongs_to_the_day_before(graphs, kept):
    bot = Conversation(graphs[0], kept, "ann")
    say(bot, "/enjoy fox", "/new")
    bot.renew(graphs[1])
    assert set(posts_in(say(bot, "/new"))) <= set(range(201, 225))
    again = Conversation(graphs[1], kept, "ann")  # a restart
    _, found = all_new(again)
    assert found and set(found) <= set(range(201, 225))


def test_who_did_not_look_for_some_generations_misses_none(graphs, kept, tmp_path):
    bot = Conversation(graphs[0], kept, "ann")
    say(bot, "/new")
    third = PostGraph.open(generation(tmp_path, 300))
    bot.renew(third)
    _, found = all_new(bot)
    assert families_of(third, found) == new_posts(third, 201, 300) - new_posts(third, 1, 200)


def test_new_says_whether_it_knows_a_taste(graphs, kept):
    bot = Conversation(graphs[0], kept, "ann")
    head, *cards = say(bot, "/new")
    assert "I do not know your taste yet: the most popular come first." in head.text
    favorites = [reply.post.fav_count for reply in cards]
    assert favorites == sorted(favorites, reverse=True) and favorites[0] == 10
    assert "taste" not in say(bot, "/enjoy fox", "/new")[0].text
    assert head.choices == ["/new"]


def test_what_is_hidden_avoided_or_seen_is_not_new(two, kept):
    bot = Conversation(PostGraph.open(two[0] / "index", "sq"), kept, "ann")
    say(bot, "/rating s", "/avoid owl", "/blacklist add hue2", "/enjoy fox", "/like 198")
    kept.set_favorites("ann", "", [192])
    lines, found = all_new(bot)
    assert found and not {198, 192} & set(found)
    for i in found:
        assert i % 3 != 1 and i % 7 != 2 and i % 10 != 7 and i % 40 != 27
    assert lines[0].startswith(f"{len(found)} new posts")


def test_a_mood_leads_among_the_new(graphs, kept):
    bot = Conversation(graphs[0], kept, "ann")
    say(bot, "/enjoy fox", "/mood tram")
    assert all(i % 3 == 2 for i in posts_in(say(bot, "/new"))[:3])
    say(bot, "/mood off")
    assert all(i % 3 == 0 for i in posts_in(say(bot, "/new"))[:3])


def test_one_new_post_is_one_post(graphs, kept, tmp_path):
    bot = Conversation(graphs[0], kept, "ann")
    say(bot, "/enjoy fox", "/new")
    bot.renew(PostGraph.open(generation(tmp_path, 201)))
    head, card = say(bot, "/new")
    assert head.text == f"1 new post since {text(made(200))[:10]}."
    assert card.post.post_id == 201 and head.choices == []
    assert say(bot, "/new")[0].choices == ["/walk"]


def test_an_older_index_ends_nothing(graphs, kept, tmp_path):
    bot = Conversation(graphs[1], kept, "ann")
    say(bot, "/enjoy fox", "/new")
    bot.renew(graphs[0])
    assert say(bot, "/new")
    other = PostGraph.open(generation(tmp_path, 20))  # as of another board, long before
    bot.renew(other)
    assert posts_in(say(bot, "/new"))
    assert all_new(bot)[0][-1].startswith("Nothing new")


def test_an_index_without_times_says_so_and_does_all_else(old, kept):
    bot = Conversation(old, kept, "ann", delivers=True)
    for message in ("/new", "/daily 8"):
        (said,) = say(bot, "/enjoy fox", message)
        assert "run hydrate_data.py and the scripts after it again" in said.text
        assert "\n" not in said.text and not said.post
    assert posts_in(say(bot, "/walk")) and kept.load("ann").daily is None


def test_new_is_kept_moved_told_and_forgotten(graphs, tmp_path):
    with Profiles(tmp_path / "kept.sqlite") as kept:
        sessions = Sessions(graphs[0], kept)
        sessions.on_trust = False  # a newcomer's first message waits
        first = sessions.reply("ann", "/new")
        assert not kept.knows("ann")
        second = sessions.reply("ann", "/new")
        assert not set(posts_in(first)) & set(posts_in(second))
        profile = kept.load("ann")
        assert (profile.new_since, profile.new_until) == (made(200) - FIRST_LOOK, made(200))
        told = kept.export("ann")
        assert told["new_until"] == made(200) and "daily" not in told
        assert "looked     to " in sessions.reply("ann", "/taste")[0].text
        kept.forget("ann")
        assert kept.load("ann") == Profile()


def test_a_renewed_index_is_taken_by_sessions(two, tmp_path):
    index = tmp_path / "index"
    shutil.copytree(two[0] / "index", index)
    with Profiles(tmp_path / "kept.sqlite") as kept:
        sessions = Sessions(PostGraph.open(index), kept)
        sessions.reply("ann", "/enjoy fox")
        sessions.reply("ann", "/new")
        write_export(tmp_path / "export", [*rows(224)])
        build(index, tmp_path / "export", dim=4)
        assert set(posts_in(sessions.reply("ann", "/new"))) <= set(range(1, 201))
        sessions.renew(PostGraph.open(index))
        assert set(posts_in(sessions.reply("ann", "/new"))) <= set(range(201, 225))


# -- /daily ----------------------------------------------------------------------------------------
@pytest.fixture
def now(tmp_path):
    """A clock that tests set, at 10:30 of a day."""
    return [(BEGAN // DAY + 30) * DAY + 10.5 * 3600]


@pytest.fixture
def profiles(tmp_path, now):
    with Profiles(tmp_path / "daily.sqlite", clock=lambda: now[0]) as made:
        yield made


@pytest.fixture
def sessions(graphs, profiles):
    made = Sessions(graphs[0], profiles)
    made.delivers = True
    return made


@pytest.mark.parametrize(
    ("typed", "hour"),
    [
        ("", 0),
        ("8", 8),
        ("08", 8),
        ("8:00", 8),
        ("23", 23),
        ("0", 0),
        ("8 UTC", 8),
        ("08:00 utc", 8),
    ],
)
def test_an_hour_is_understood_and_told(sessions, profiles, typed, hour):
    (said,) = sessions.reply("telegram:7", f"/daily {typed}")
    assert profiles.load("telegram:7").daily == hour
    assert (f"at {hour}:00 UTC or later" if hour else "at any hour") in said.text
    assert "10 best new posts" in said.text and said.choices == ["/daily off"]
    assert sessions.reply("telegram:7", "/daily")[0].text == said.text  # told, not changed
    assert "daily" in sessions.reply("telegram:7", "/taste")[0].text
    assert profiles.export("telegram:7")["daily"] == hour
    sessions.reply("telegram:7", "/daily OFF")
    assert profiles.load("telegram:7").daily is None


@pytest.mark.parametrize(
    "typed", ["24", "8:30", "-1", "8 9", "noon", "on", "8am", "٣", "1" * 500]
)
def test_what_is_no_hour_is_one_line_and_changes_nothing(sessions, profiles, typed):
    sessions.reply("telegram:7", "/daily 9")
    (said,) = sessions.reply("telegram:7", f"/daily {typed}")
    assert "expected a whole hour from 0 to 23" in said.text and len(said.text) < 200
    assert profiles.load("telegram:7").daily == 9


def test_elsewhere_daily_says_where_it_is(graphs, kept):
    (said,) = Conversation(graphs[0], kept, "ann").reply("/daily 8")
    assert "for Telegram" in said.text and said.choices == ["/new"]
    assert not kept.knows("ann")


def test_daily_comes_once_a_day_from_its_hour_on_when_the_index_is_new(
    sessions, profiles, graphs, now
):
    for user, hour in (("telegram:7", 9), ("telegram:8", 12)):
        sessions.reply(user, "/enjoy fox")
        sessions.reply(user, f"/daily {hour}")
    assert sessions.due() == []  # it was not renewed yet
    now[0] += DAY
    assert sessions.due() == []
    sessions.renew(graphs[1])
    assert sessions.due() == ["telegram:7"]  # for the other one it is too early
    daily_new = new_posts(graphs[1], 201, 224)
    head, *cards = sessions.deliver("telegram:7")
    assert "here are the best 10, /new again shows more" in head.text
    assert len(posts_in(cards)) == 10 and head.choices == ["/new"]
    assert head.text.startswith(f"{len(daily_new)} new posts since {text(made(200))[:10]}; ")
    assert set(posts_in(cards)) <= set(range(201, 225))  # what came since they asked for it
    assert sessions.due() == [] and sessions.deliver("telegram:7") == []
    assert set(posts_in(cards)) <= set(profiles.load("telegram:7").seen)
    now[0] += 1.5 * 3600
    assert sessions.due() == ["telegram:8"]
    now[0] += 10 * 3600  # 22:00
    assert sessions.due() == ["telegram:8"]
    now[0] += 2 * 3600  # at midnight it is too early again
    assert sessions.due() == []


def test_an_index_that_is_renewed_twice_a_day_is_sent_once(
    sessions, profiles, graphs, now, tmp_path
):
    sessions.reply("telegram:7", "/daily")
    sessions.renew(graphs[1])
    assert len(posts_in(sessions.deliver("telegram:7"))) == 10
    third = PostGraph.open(generation(tmp_path, 250))
    sessions.renew(third)
    assert sessions.due() == []
    now[0] += DAY
    assert sessions.due() == ["telegram:7"]
    assert set(posts_in(sessions.deliver("telegram:7"))) <= set(range(225, 251))
    now[0] += DAY
    assert sessions.due() == []  # nothing came


def test_the_hour_can_be_changed_and_loses_nothing(sessions, graphs, profiles):
    sessions.reply("telegram:7", "/daily 9")
    sessions.renew(graphs[1])
    sessions.reply("telegram:7", "/daily 10")
    assert sessions.due() == ["telegram:7"]
    sessions.reply("telegram:7", "/daily off")
    assert sessions.due() == []
    sessions.reply("telegram:7", "/daily 10")
    assert sessions.due() == []  # it begins anew


def test_a_restart_sends_nothing_twice(sessions, profiles, graphs):
    sessions.reply("telegram:7", "/daily")
    sessions.renew(graphs[1])
    sent = posts_in(sessions.deliver("telegram:7"))
    again = Sessions(graphs[1], profiles)
    assert again.due() == [] and again.deliver("telegram:7") == []
    assert not set(sent) & set(posts_in(again.reply("telegram:7", "/new")))


def test_new_goes_on_after_what_was_sent_and_before_it(sessions, profiles, graphs):
    """Who never looked goes on with what was sent; who did, with all that came since."""
    for user in ("telegram:7", "telegram:8"):
        sessions.reply(user, "/enjoy fox")
    sessions.reply("telegram:8", "/new")
    found = {}
    for user in ("telegram:7", "telegram:8"):
        sessions.reply(user, "/daily")
    sessions.renew(graphs[1])
    for user in ("telegram:7", "telegram:8"):
        found[user] = posts_in(sessions.deliver(user))
        while some := posts_in(sessions.reply(user, "/new")):
            found[user] += some
        assert len(found[user]) == len(set(found[user]))
        assert families_of(graphs[1], found[user]) <= new_posts(graphs[1], 201, 224)
    assert len(found["telegram:7"]) == len(new_posts(graphs[1], 201, 224))


def test_a_clock_that_was_ahead_silences_nobody(sessions, profiles, graphs, now, tmp_path):
    sessions.reply("telegram:7", "/daily")
    now[0] += 400 * DAY
    sessions.renew(graphs[1])
    sent = posts_in(sessions.deliver("telegram:7"))
    now[0] -= 400 * DAY
    assert sent and sessions.due() == []  # there is nothing newer
    sessions.renew(PostGraph.open(generation(tmp_path, 250)))
    assert sessions.due() == ["telegram:7"]
    assert set(posts_in(sessions.deliver("telegram:7"))) <= set(range(225, 251))
    assert sessions.due() == []


def test_what_is_due_is_chosen_from_the_index_that_it_was_due_for(sessions, profiles, graphs):
    """While a renewed index is given to each talk in turn, some talks have the old one."""
    sessions.reply("telegram:7", "/daily")
    sessions._graph = graphs[1]
    assert len(posts_in(sessions.deliver("telegram:7"))) == 10


def test_who_forgets_and_cannot_be_written_to_is_no_user(sessions, profiles):
    sessions.reply("telegram:7", "/daily")
    profiles.forget("telegram:7")
    sessions.end_daily("telegram:7")
    assert not profiles.knows("telegram:7")


def test_two_programs_do_not_send_the_same(sessions, profiles, graphs):
    sessions.reply("telegram:7", "/daily")
    sessions.renew(graphs[1])
    other = Sessions(graphs[1], profiles)
    assert sessions.due() == other.due() == ["telegram:7"]
    answers = [sessions.deliver("telegram:7"), other.deliver("telegram:7")]
    assert sorted(map(bool, answers)) == [False, True]


def test_who_has_seen_all_is_sent_nothing_and_who_is_forgotten_neither(
    sessions, profiles, graphs
):
    for user in ("telegram:7", "telegram:8"):
        sessions.reply(user, "/daily")
    sessions.renew(graphs[1])
    profiles.saw("telegram:7", range(1, 225))
    profiles.forget("telegram:8")
    assert sessions.due() == ["telegram:7"] and sessions.deliver("telegram:7") == []
    assert sessions.deliver("telegram:8") == [] and not profiles.knows("telegram:8")
