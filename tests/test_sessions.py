"""Many users at once: each in turn, apart from the others, and not too fast."""

import threading
import time

import pytest
from fake_graph import FakeGraph

from e6graph.chat import sessions as module
from e6graph.chat.messages import CompletedTag, Reply, Taste
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.hydrate.previews import preview_path


@pytest.fixture
def kept(tmp_path):
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        yield profiles


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
