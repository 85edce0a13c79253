"""Many users at once: each in turn, apart from the others, and not too fast."""

import re
import threading
import time

import pytest
from fake_graph import PICTURE, FakeGraph

from e6graph.chat import sessions as module
from e6graph.chat.messages import CompletedTag, Picture, Reply, Taste, TextFile
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.hydrate.previews import preview_path
from e6graph.pictures import features_of
from e6graph.recommend.personal import Profile


def test_users_talk_at_once_and_stay_apart(kept):
    sessions, failed = Sessions(FakeGraph(), kept), []

    def talk(user, tag):
        try:
            for message in (f"/enjoy {tag}", "/walk", "/like", "/dislike", "/taste"):
                assert sessions.reply(user, message)
        except Exception as error:  # pytest does not see those of threads
            failed.append(error)

    tags = ["fox", "owl", "otter", "spider", "night", "day"]
    threads = [threading.Thread(target=talk, args=(f"user{k}", tags[k % 6])) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for k in range(20):
        taste = sessions.taste(f"user{k}")
        assert taste.enjoys == [tags[k % 6]] and len(taste.liked) == 1


def test_one_user_is_answered_in_turn(monkeypatch):
    log = []

    class Slow:
        def reply(self, message):
            log.append(f"{message} in")
            time.sleep(0.01)
            log.append(f"{message} out")
            return [Reply("ok")]

    monkeypatch.setattr(module, "Conversation", lambda *arguments: Slow())
    sessions = Sessions(FakeGraph(), None)
    threads = [threading.Thread(target=sessions.reply, args=("ann", str(k))) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line.split()[1] for line in log] == ["in", "out"] * 5


def test_too_many_messages_wait_and_others_do_not(kept):
    now = [0.0]
    sessions = Sessions(FakeGraph(), kept, clock=lambda: now[0])
    for _ in range(module.BURST_MESSAGES):
        now[0] += 0.1
        assert "too fast" not in sessions.reply("ann", "/help")[0].text
    wait = module.BURST_SECONDS - 0.1 * (module.BURST_MESSAGES - 1)
    assert sessions.reply("ann", "/enjoy fox")[0].text == (
        f"That is too fast for me: try again in {wait:.0f} seconds."
    )
    assert sessions.taste("ann") == Taste()
    assert "too fast" not in sessions.reply("bob", "/help")[0].text
    now[0] += module.BURST_SECONDS
    assert sessions.reply("ann", "/enjoy fox")[0].text.startswith("You enjoy fox")


def test_a_talk_that_went_begins_anew_with_all_that_is_kept(kept, monkeypatch):
    monkeypatch.setattr(module, "OPEN_TALKS", 2)
    sessions = Sessions(FakeGraph(), kept)
    sessions.reply("ann", "/enjoy fox")
    sessions.reply("ann", "/walk")
    for user in ("bob", "cat"):
        for message in ("/enjoy owl", "/walk", "/like"):
            sessions.reply(user, message)
    assert "Nothing was shown yet" in sessions.reply("ann", "/why")[0].text
    assert sessions.taste("ann").enjoys == ["fox"]


def test_thumbnails_and_completions_are_of_what_may_be_shown(kept, tmp_path):
    sessions = Sessions(FakeGraph(), kept, tmp_path)
    post = sessions.visible(10)
    assert sessions.thumbnail(post) is None
    path = preview_path(tmp_path, post.md5)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"jpeg")
    assert sessions.thumbnail(post) == b"jpeg"
    assert Sessions(FakeGraph(), kept).thumbnail(post) is None
    assert sessions.visible(21) is None and sessions.visible(10**9) is None
    assert sessions.complete("sno") == [CompletedTag("snow", "general", 3)]


# -- who has said nothing yet ----------------------------------------------------------------------
@pytest.fixture
def open_to_all(kept):
    sessions = Sessions(FakeGraph(), kept)
    sessions.on_trust = False
    return sessions


def test_a_first_message_is_kept_once_a_second_comes(open_to_all, kept):
    replies = open_to_all.reply("ann", "/enjoy fox")
    assert replies[0].text.startswith("You enjoy fox")
    assert open_to_all.taste("ann").enjoys == ["fox"]
    assert not kept.knows("ann") and kept.load("ann") == Profile()
    shown = open_to_all.reply("ann", "/walk")[0]
    assert shown.why == "you enjoy fox"
    assert kept.load("ann").enjoys == ["fox"] and len(kept.load("ann").seen) == 1


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ("/surprise", "/like", "You like #10"),
        ("/surprise", "/why", "Searched from no taste"),
        ("/enjoy fox owl", "/export", "Everything I keep"),
        ("/blacklist add owl", "/blacklist", "owl"),
        ("/rating s", "/rating", "You see rating s"),
        ("/enjoy fox", "/forget", "Delete 1 tag"),
        ("/like 10", "/dislike 11", "You dislike #11"),
    ],
)
def test_a_newcomers_talk_goes_on_as_anybodys(open_to_all, kept, tmp_path, first, then, said):
    with Profiles(tmp_path / "usual.sqlite", clock=lambda: 7) as usual_kept:
        usual = Sessions(FakeGraph(), usual_kept)
        for message in (first, then, "/taste"):
            expected = [reply.text for reply in usual.reply("ann", message)]
            got = [reply.text for reply in open_to_all.reply("ann", message)]
            assert [re.sub(r"[\d,]+ bytes", "", text) for text in got] == [
                re.sub(r"[\d,]+ bytes", "", text) for text in expected
            ]
            assert message != then or said in got[0]
        assert kept.load("ann").seen == usual_kept.load("ann").seen
        assert {**kept.export("ann"), "tags": 0, "posts": 0} == {
            **usual_kept.export("ann"),
            "tags": 0,
            "posts": 0,
        }


def test_what_a_newcomer_said_before_is_moved_with_its_times(kept):
    with Profiles(None, clock=lambda: 1000) as lobby:
        lobby.enjoy("ann", ["fox", "owl"])
        lobby.avoid("ann", ["night"])
        lobby.like("ann", 12)
        lobby.saw("ann", [13, 11])
        lobby.hide("ann", "spider")
        lobby.rate("ann", "s")
        lobby.enjoy("bob", ["day"])
        before = lobby.export("ann")
        lobby.move("ann", kept)
        lobby.move("nobody", kept)
        assert kept.export("ann") == before
        assert not lobby.knows("ann") and lobby.knows("bob")
        assert not kept.knows("bob") and not kept.knows("nobody")


def test_newcomers_drop_nobodys_talk_and_fill_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "NEWCOMERS", 3)
    monkeypatch.setattr(module, "OPEN_TALKS", 2)
    with Profiles(tmp_path / "small.sqlite", max_users=2) as kept:
        sessions = Sessions(FakeGraph(), kept)
        sessions.on_trust = False
        for message in ("/enjoy fox", "/walk"):
            sessions.reply("ann", message)
        for number in range(20):
            for message in ("/enjoy owl", "/surprise", "/help", "/like 10"):
                sessions.reply(f"{message} {number}", message)
                sessions.taste(f"{number} {message}")
        assert "you enjoy fox" in sessions.reply("ann", "/why")[0].text
        assert len(sessions._newcomers) == 3 and len(sessions._talks) == 1
        assert sum(sessions._lobby.knows(f"/enjoy owl {number}") for number in range(20)) <= 3
        sessions.reply("bob", "/enjoy owl")
        assert sessions.reply("bob", "/walk")[0].why == "you enjoy owl"
        # Now both places are taken; who comes is told, and talks on.
        sessions.reply("cat", "/enjoy fox")
        said = [reply.text for reply in sessions.reply("cat", "/help")]
        assert said[0].startswith("this bot keeps 2 users") and "/walk" in said[1]
        assert sessions.taste("cat") == Taste()


@pytest.mark.parametrize("as_file", [False, True])
def test_long_lists_of_newcomers_fill_no_memory(kept, monkeypatch, as_file):
    monkeypatch.setattr(module, "NEWCOMERS_SIZE", 10_000)
    sessions = Sessions(FakeGraph(), kept)
    sessions.on_trust = False
    lines = "\n".join(f"line_{number}" for number in range(300))
    message = TextFile(lines.encode()) if as_file else f"/blacklist add\n{lines}"
    sessions.reply("ann", "/enjoy fox")
    for number in range(20):
        sessions.reply(f"list {number}", message)
    waiting = [number for number in range(20) if sessions._lobby.knows(f"list {number}")]
    assert waiting == [17, 18, 19] and len(sessions._newcomers) == 3  # of 3,000 each
    sessions.reply("list 19", "/help")
    assert len(kept.load("list 19").blacklist) == 300
    # One that is larger by itself is kept all the same until somebody else comes.
    monkeypatch.setattr(module, "NEWCOMERS_SIZE", 100)
    sessions.reply("bob", message)
    sessions.reply("bob", "/help")
    assert len(kept.load("bob").blacklist) == 300


def test_short_talks_do_not_drop_longer_ones_until_those_are_idle(kept, monkeypatch):
    monkeypatch.setattr(module, "OPEN_TALKS", 3)
    now = [0.0]
    sessions = Sessions(FakeGraph(), kept, clock=lambda: now[0])
    for message in ("/enjoy fox", "/walk", "/like", "/like"):
        sessions.reply("ann", message)
    for number in range(10):
        now[0] += 1
        for message in ("/enjoy owl", "/walk"):
            sessions.reply(f"user {number}", message)
    assert set(sessions._talks) == {"ann", "user 8", "user 9"}
    now[0] += module.IDLE_SECONDS + 1
    for user in ("dan", "eve", "fay"):
        sessions.reply(user, "/help")
    assert set(sessions._talks) == {"dan", "eve", "fay"}


def test_a_known_user_is_no_newcomer_after_a_restart(kept):
    for _ in range(2):
        sessions = Sessions(FakeGraph(), kept)
        sessions.on_trust = False
        sessions.reply("ann", "/start")
        sessions.reply("ann", "/enjoy fox")
    sessions = Sessions(FakeGraph(), kept)
    sessions.on_trust = False
    sessions.reply("ann", "/enjoy owl")  # the first of this run, kept at once
    assert kept.load("ann").enjoys == ["fox", "owl"]


def test_newcomers_share_one_place_among_the_senders_of_pictures(kept):
    senders = []

    class Reader:
        def read(self, data, sender, encoder=None):
            senders.append(sender)
            return features_of(data)

    sessions = Sessions(FakeGraph(), kept, reader=Reader())
    sessions.on_trust = False
    for user in ("ann", "bob"):
        sessions.reply(user, Picture(PICTURE))
    sessions.reply("ann", Picture(PICTURE))
    assert senders == ["newcomers", "newcomers", "ann"]
