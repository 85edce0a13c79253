"""Telegram: the whole talk, who is answered, and what the server and the network do to it."""

import asyncio
import contextlib
import gzip
import io
import json
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_graph import PICTURE, FakeGraph
from fake_telegram import BOT, GROUP, HTML, TOKEN, Fault, flood, refusal, serving
from PIL import Image

import bot
from e6graph.chat import room
from e6graph.chat.commands import COMMANDS
from e6graph.chat.messages import (
    FAVORITES_BYTES,
    LIST_BYTES,
    PICTURE_LIMIT,
    Picture,
    Reply,
    TextFile,
)
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.chat.telegram import front, sending
from e6graph.chat.telegram import server as telegram_server
from e6graph.errors import BadInput, E6GraphError
from e6graph.hydrate.previews import preview_path
from e6graph.recommend.personal import Profile

ptb = pytest.importorskip("telegram")
pytestmark = pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")
SECRET = TOKEN.partition(":")[2]
ANN, BEN, CAT = 7, 8, 9


class Script:
    """Sessions whose answers a test writes; `heard` are the messages, in the order they came."""

    def __init__(self, answer=None):
        self.heard, self._answer = [], answer

    def reply(self, user, message):
        self.heard.append((user, message))
        made = self._answer(user, message) if self._answer else f"heard {message}"
        return made if isinstance(made, list) else [Reply(made)]

    def thumbnail(self, post):
        return post() if callable(post) else post


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as made:
        yield made


def hurry(monkeypatch):
    """Make the seconds between messages and tries hundredths."""
    for name in ("CHAT_DELAY", "GROUP_DELAY", "RETRY_DELAY"):
        for module in (front, telegram_server):
            if name in vars(module):
                monkeypatch.setattr(module, name, getattr(module, name) / 50)


@pytest.fixture
def quick(monkeypatch):
    hurry(monkeypatch)


@pytest.fixture
def logs_as_before():
    factory, names = logging.getLogRecordFactory(), ("httpx", "httpcore", "telegram")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    logging.setLogRecordFactory(factory)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def running(server, sessions):
    """The bot in a thread of its own; what ends it early is raised at the end."""
    held, raised = {}, []

    async def main():
        held["loop"], held["task"] = asyncio.get_running_loop(), asyncio.current_task()
        await front.TelegramBot(sessions, TOKEN, server.url).run()

    def target():
        try:
            asyncio.run(main())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    try:
        server.until(lambda: server.polls or raised)
        yield
    finally:
        with contextlib.suppress(RuntimeError):  # it has ended
            held["loop"].call_soon_threadsafe(held["task"].cancel)
        thread.join(60)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def jpeg(color="orange"):
    made = io.BytesIO()
    Image.new("RGB", (60, 40), color).save(made, "JPEG")
    return made.getvalue()


def texts(calls):
    return [call.text for call in calls]


# -- the talk --------------------------------------------------------------------------------------
def test_the_whole_talk(server, quick, tmp_path):
    graph = FakeGraph()
    for post_id in (10, 11):
        path = preview_path(tmp_path, graph.describe(post_id).md5)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg())
    with (
        Profiles(tmp_path / "profiles.sqlite") as profiles,
        running(server, Sessions(graph, profiles, tmp_path)),
    ):
        server.say(ANN, "/start from_a_link")
        (welcome,) = server.wait(1)
        assert welcome.text.startswith("I show you posts") and "/surprise" in welcome.buttons
        server.say(ANN, "/enjoy fox night")
        enjoyed = server.wait(2)[-1]
        assert enjoyed.text.startswith("You enjoy fox, night.")
        assert profiles.load(f"telegram:{ANN}").enjoys == ["fox", "night"]

        server.press(ANN, enjoyed, "/walk")
        card = server.wait(3)[-1]
        assert card.method == "sendPhoto" and card.files["photo"] == jpeg()
        assert card.text.split("\n")[0] == "#10: fox by inkwash"
        assert "\nspecies: fox\n" in card.text and "  " not in card.text
        assert list(card.buttons)[:4] == ["/like 10", "/dislike 10", "/skip", "/stop"]
        assert list(card.buttons.values())[:4] == ["👍", "👎", "⏭", "🛑"]

        server.press(ANN, card, "/like 10")
        second = server.wait(4)[-1]
        assert second.text.startswith("#11: ")
        server.until(lambda: len(server.called("answerCallbackQuery")) == 2)
        toast = server.called("answerCallbackQuery")[-1]
        assert toast.params["text"] == "You like #10: fox by inkwash."  # no message of its own
        server.press(ANN, second, "/dislike 11")
        third = server.wait(5)[-1]
        assert third.method == "sendMessage" and third.text.startswith("#")  # has no preview
        assert profiles.load(f"telegram:{ANN}").disliked == [11]
        server.press(ANN, card, "/why 10")  # an old one's
        assert server.wait(6)[-1].text.startswith("#10: ")
        server.press(ANN, card, "/dislike 10")
        assert server.wait(7)[-1].text == "You dislike #10: fox by inkwash."
        assert profiles.load(f"telegram:{ANN}").disliked == [11, 10]
        server.press(ANN, third, "/stop")
        assert server.wait(8)[-1].text.startswith("The tour is over: 3 shown, 1 liked.")
        assert profiles.load(f"telegram:{ANN}").enjoys == ["fox", "night"]

        server.say(ANN, "/taste")
        assert "\nenjoys: fox, night\n" in server.wait(9)[-1].text
        server.photo(ANN, b"small", PICTURE)
        server.until(
            lambda: any("I think I see: fox 90%" in call.text for call in server.sent())
        )
        assert [call.params["file_id"] for call in server.called("getFile")] == [
            name for name, data in server.files.items() if data == PICTURE
        ]
        number = len(server.wait(13))  # what it sees, and three posts like it
        server.say(ANN, "/export")
        export = server.wait(number + 1)[-1]
        assert export.method == "sendDocument" and export.text.startswith("Everything I keep")
        assert export.params["document_name"].endswith(".json")
        assert "fox" in json.dumps(json.loads(export.files["document"]))

        server.say(ANN, "/stop")  # asks, and does not only end the tour
        asks = server.wait(number + 2)[-1]
        assert set(asks.buttons) == {"yes", "no"}
        assert profiles.load(f"telegram:{ANN}") != Profile()
        server.press(ANN, asks, "yes")
        assert server.wait(number + 3)[-1].text == "Everything I kept about you was deleted."
        assert profiles.load(f"telegram:{ANN}") == Profile()
    assert not server.updates  # all were confirmed at the end
    assert len(server.sent()) > 6
    for call in server.sent():
        assert "parse_mode" not in call.params and "caption_entities" not in call.params
        if call.method == "sendMessage":
            assert call.params["link_preview_options"] == {"is_disabled": True}


def test_the_menu_lists_the_commands(server, quick):
    with running(server, Script()):
        (call,) = server.called("setMyCommands")
    menu = {told["command"]: told["description"] for told in call.params["commands"]}
    assert set(menu) == set(COMMANDS) - set(front.UNLISTED)
    assert menu["enjoy"] == ": ".join(COMMANDS["enjoy"][:2])
    assert menu["walk"] == COMMANDS["walk"][1]
    assert menu["mood"].startswith("[TAGS or off]: follow") and "0 alike" in menu["variety"]
    assert "delete what I keep" in menu["stop"]
    assert len(server.called("deleteWebhook")) == 1


def test_help_says_of_stop_what_a_typed_stop_does(server, quick, tmp_path):
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        sessions = Sessions(FakeGraph(), profiles, commands=front.TELEGRAM_COMMANDS)
        with running(server, sessions):
            server.say(ANN, "/help")
            (told,) = server.wait(1)
            server.say(ANN, "/enjoy fox")
            server.say(ANN, "/stop")
            asks = server.wait(3)[-1]
        (menu,) = server.called("setMyCommands")
    (line,) = [line for line in told.text.split("\n") if line.startswith("/stop")]
    assert (
        "delete what I keep about you (asks first)" in line and "🛑 only ends the tour" in line
    )
    described = {one["command"]: one["description"] for one in menu.params["commands"]}
    assert line == f"/stop: {described['stop']}"
    assert asks.text.startswith("Delete 1 tag") and set(asks.buttons) == {"yes", "no"}
    assert not re.search(r"(?m)^/(picture|quit|start)\b", told.text)


class Clock:
    """A clock that a test moves on; `time` is as it is."""

    ahead, time = 0.0, staticmethod(time.time)

    def monotonic(self):
        return time.monotonic() + self.ahead


def test_a_preview_that_is_coming_is_waited_for_a_moment(server, quick, monkeypatch):
    monkeypatch.setattr(sending, "time", clock := Clock())
    monkeypatch.setattr(sending, "PREVIEW_PATIENCE", 6000.0)
    looks = []

    def look():  # a look takes 1,000 seconds, so that it hardly matters what all else takes
        looks.append(clock)
        clock.ahead += 1000

    def late():  # is there at the third look
        look()
        return jpeg() if len(looks) == 3 else None

    sent = {
        "late": Reply("late", late, coming=True),
        "never": Reply("never", look, coming=True),
        "none": Reply("none", look),
    }
    counts = []
    with running(server, Script(lambda user, message: [sent[message]])):
        for number, name in enumerate(sent, 1):
            looks.clear()
            server.say(ANN, name)
            server.wait(number)
            counts.append(len(looks))
        methods = [(call.method, call.text) for call in server.wait(3)]
    assert methods == [("sendPhoto", "late"), ("sendMessage", "never"), ("sendMessage", "none")]
    assert counts == [3, 6, 1]


def test_users_are_answered_at_once_and_each_in_order(server, quick):
    gate = threading.Event()

    def answer(user, message):
        if message == "slow":
            assert gate.wait(60)
        return f"{user} {message}"

    sessions = Script(answer)
    with running(server, sessions):
        for text in ("slow", "second", "third"):
            server.say(ANN, text)
        for text in ("one", "two"):
            server.say(BEN, text)
        assert texts(server.wait(2)) == ["telegram:8 one", "telegram:8 two"]  # Ann's waits
        gate.set()
        server.wait(5)
        assert texts(server.sent(ANN)) == [
            "telegram:7 slow",
            "telegram:7 second",
            "telegram:7 third",
        ]


def test_more_than_a_few_waiting_messages_are_dropped(server, quick, monkeypatch, caplog):
    monkeypatch.setattr(front, "MAILBOX", 3)
    gate, caplog_level = threading.Event(), logging.INFO
    caplog.set_level(caplog_level)
    sessions = Script(lambda user, message: [] if gate.wait(60) else "late")
    with running(server, sessions):
        for number in range(6):
            server.say(ANN, f"m{number}")
        server.until(lambda: not server.updates)
        gate.set()
        server.say(BEN, "done")
        server.until(
            lambda: (f"telegram:{BEN}", "done") in sessions.heard or server.changed.wait(1)
        )
    assert [message for user, message in sessions.heard if user == f"telegram:{ANN}"] == [
        "m0",
        "m1",
        "m2",
    ]
    dropped = re.findall(r"(\d+) sent too fast", caplog.text)
    assert sum(map(int, dropped)) == 3


# -- who is answered -------------------------------------------------------------------------------
def from_bot(text="Earlier"):
    return {
        "message_id": 1,
        "date": 1,
        "from": BOT,
        "chat": {"id": GROUP, "type": "supergroup"},
        "text": text,
    }


def from_user():
    return from_bot() | {"from": {"id": BEN, "is_bot": False, "first_name": "Ben"}}


@pytest.mark.parametrize(
    ("text", "more", "heard"),
    [
        ("/walk@demo_fox_bot", {}, "/walk"),
        ("/enjoy@Demo_Fox_Bot fox, night", {}, "/enjoy fox, night"),
        ("@demo_fox_bot fox night", {}, "fox night"),
        ("fox night @demo_fox_bot", {}, "fox night"),
        ("@demo_fox_bot", {}, "/start"),
        ("/stop@demo_fox_bot", {}, "/forget"),
        ("fox night", {"reply_to_message": from_bot()}, "fox night"),
        ("/walk", {"reply_to_message": from_bot()}, "/walk"),
        ("/walk", {}, None),
        ("fox night", {}, None),
        ("fox night", {"reply_to_message": from_user()}, None),
        ("/walk@other_bot", {}, None),
        ("/walk@other_bot", {"reply_to_message": from_bot()}, None),
        ("@demo_fox_bot_2 fox", {}, None),
    ],
)
def test_groups_are_ignored_unless_addressed(text, more, heard):
    """Without a server: the same updates, parsed by the library."""
    with serving() as server:
        server.say(ANN, text, chat=GROUP, **more)
        one = front.TelegramBot(Script(), TOKEN)
        one._bot._bot_user = ptb.User(**BOT)
        update = ptb.Update.de_json(server.updates[0], one._bot)
    meant = one._meant(update)
    assert (meant is None) == (heard is None)
    if heard:
        assert asyncio.run(one._said(update.message, meant)) == heard


def test_in_a_group_the_person_has_the_profile_and_files_stay_out(server, quick):
    sessions = Script(
        lambda user, message: [
            Reply("All of it.", document=("taste.json", b"{}"), choices=["/walk"])
        ]
    )
    with running(server, sessions):
        asked = server.say(ANN, "/export@demo_fox_bot", chat=GROUP)
        (told,) = server.wait(1)
        assert told.method == "sendMessage" and told.chat == GROUP
        assert "in a private talk" in told.text and "taste.json" not in told.text
        assert told.params["reply_parameters"]["message_id"] == asked["message_id"]
        server.press(BEN, told, "/walk")
        server.wait(2)
    assert [user for user, _ in sessions.heard] == [f"telegram:{ANN}", f"telegram:{BEN}"]


@pytest.mark.parametrize("chat", [ANN, GROUP])
def test_a_drawing_is_sent_as_a_photo_in_groups_too(server, quick, chat):
    png = io.BytesIO()
    Image.new("RGB", (1200, 675)).save(png, "PNG")
    drawn = Reply("Your taste.", document=("portrait.png", png.getvalue()), choices=["/walk"])
    with running(server, Script(lambda user, message: [drawn])):
        server.say(ANN, "/portrait@demo_fox_bot", chat=chat)
        (told,) = server.wait(1)
    assert told.method == "sendPhoto" and told.chat == chat and told.text == "Your taste."
    assert told.files["photo"] == png.getvalue()


def test_what_is_not_a_message_of_a_person_is_ignored(server, quick, caplog):
    caplog.set_level(logging.INFO)
    channel = {"id": -1009, "type": "channel", "title": "News"}
    sessions = Script()
    with running(server, sessions):
        server.message(ANN, kind="edited_message", text="/walk")
        server.put(
            {
                "channel_post": {
                    "message_id": 1,
                    "date": int(time.time()),
                    "chat": channel,
                    "text": "/walk",
                }
            }
        )
        server.message(ANN, text="/walk", **{"from": BOT | {"id": 5, "username": "other_bot"}})
        server.message(ANN, GROUP, text="@demo_fox_bot hi", sender_chat=channel)
        server.message(ANN, GROUP, new_chat_members=[BOT])
        server.message(ANN, GROUP, pinned_message=from_bot("@demo_fox_bot"))
        server.put(
            {
                "callback_query": {
                    "id": "1",
                    "from": {"id": ANN, "is_bot": False, "first_name": "A"},
                    "inline_message_id": "2",
                    "chat_instance": "1",
                    "data": "/walk",
                }
            }
        )
        server.message(ANN, text="old", date=int(time.time()) - 2 * 3600)
        server.message(ANN, text="not so old", date=int(time.time()) - 1800)
        assert texts(server.wait(1)) == ["heard not so old"]
    assert sessions.heard == [(f"telegram:{ANN}", "not so old")]
    assert "dropped 1 messages older than an hour" in caplog.text


# -- what goes out ---------------------------------------------------------------------------------
def test_long_texts_are_split_and_long_choices_are_left_out(server, quick):
    lines = [f"line {number} {'🦊' * 20}" for number in range(150)]
    long = "/enjoy " + "é" * 29  # 65 bytes
    sessions = Script(
        lambda user, message: [
            Reply(
                "\n".join(lines),
                post=message == "card" and jpeg(),
                choices=["/like 12", long, "/walk", "/enjoy " + "x" * 57],
            )
        ]
    )
    with running(server, sessions):
        server.say(ANN, "text")
        calls = server.wait(2)
        assert (
            "\n".join(texts(calls)).split("\n") == lines
        )  # nothing is lost, no line is broken
        assert list(calls[0].buttons) == ["/like 12", "/walk", "/enjoy " + "x" * 57]
        assert calls[1].buttons == {}
        server.say(ANN, "card")
        calls = server.wait(5)[2:]
        assert [call.method for call in calls] == ["sendPhoto", "sendMessage", "sendMessage"]
        assert len(calls[0].text.encode("utf-16-le")) <= 2 * sending.CAPTION_LIMIT
        assert "\n".join(texts(calls)).split("\n") == lines


@pytest.mark.parametrize("limit", [1, 7, 16, 40])
def test_split_loses_no_character_but_those_it_cuts_at(limit, monkeypatch):
    monkeypatch.setattr(sending, "TEXT_LIMIT", 16)
    text = "a fox 🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊 at\nnight, " + "x" * 50
    pieces = sending.split_text(text, max(limit, 2))
    sizes = [len(piece.encode("utf-16-le")) // 2 for piece in pieces]
    assert sizes[0] <= max(limit, 2) and max(sizes[1:]) <= 16
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", text)


def test_a_preview_that_the_server_refuses_leaves_the_text(server, quick, caplog):
    sessions = Script(
        lambda user, message: [Reply("#12  fox", post=b"no picture", choices=["yes"])]
    )
    with running(server, sessions):
        server.say(ANN, "/walk")
        (card,) = server.wait(1)
    assert (card.method, card.text, list(card.buttons)) == ("sendMessage", "#12: fox", ["yes"])
    assert caplog.text.count("sent without its picture") == 1


@pytest.mark.parametrize(
    "error", [E6GraphError("the index\nis gone"), ZeroDivisionError("a defect")]
)
def test_what_only_the_operator_can_mend_is_logged_and_ends_nothing(
    server, quick, caplog, error
):
    def answer(user, message):
        if message == "/walk":
            raise error
        return "fine"

    with running(server, Script(answer)):
        server.say(ANN, "/walk")
        server.say(ANN, "again")
        assert texts(server.wait(2)) == [front.SORRY, "fine"]
    (record,) = [one for one in caplog.records if "was not answered" in one.getMessage()]
    assert "\n" not in record.getMessage()
    assert bool(record.exc_info) == isinstance(error, ZeroDivisionError)


def test_a_line_that_is_too_long_to_flash_is_a_message(server, quick):
    sessions = Script(
        lambda user, message: [
            Reply("Which?", choices=["/walk"]) if message == "hi" else Reply("long " * 50),
            Reply("and more"),
        ]
    )
    with running(server, sessions):
        server.say(ANN, "hi")
        asked = server.wait(2)[0]
        server.press(ANN, asked, "/walk")
        assert texts(server.wait(4)[2:]) == ["long " * 50, "and more"]
        server.faults["answerCallbackQuery"].append(
            refusal(400, "Bad Request: query is too old")
        )
        server.press(ANN, asked, "/walk")
        assert texts(server.wait(6)[4:]) == ["long " * 50, "and more"]


# -- pictures --------------------------------------------------------------------------------------
def test_pictures_are_fetched_only_within_the_limit(server, quick):
    sessions = Script(lambda user, message: message.problem or f"{len(message.data)} bytes")
    large = {"file_size": PICTURE_LIMIT + 1}
    with running(server, sessions):
        server.photo(ANN, b"12345", b"1234567")
        server.document(ANN, b"123456789", "image/png")
        server.document(ANN, b"123", "image/png", **large)
        server.document(ANN, b"%PDF", "application/pdf")
        still = {"type": "regular", "is_animated": False, "is_video": False}
        server.message(ANN, sticker={**server.keep(b"s"), "width": 9, "height": 9, **still})
        server.message(
            ANN,
            photo=[
                {**server.keep(b"1"), "width": 9, "height": 6},
                {**server.keep(b"12") | large, "width": 90, "height": 60},
            ],
        )
        server.say(ANN, "/picture of a fox")
        calls = server.wait(7)
    refused = front.NO_PICTURE
    assert texts(calls) == ["7 bytes", "9 bytes", refused, refused, refused, "1 bytes", refused]
    assert len(server.called("getFile")) == 3
    assert len(sessions.heard) == 7
    assert all(isinstance(message, Picture) for _, message in sessions.heard)
    assert str(PICTURE_LIMIT // 1024**2) in refused


def test_a_blacklist_comes_as_a_text_file(server, quick):
    sessions = Script(lambda user, message: message.problem or f"{len(message.data)} bytes")
    with running(server, sessions):
        server.document(ANN, b"fox\nowl", "text/plain")
        server.document(ANN, b"fox", "application/octet-stream", file_name="Mine.TXT")
        server.document(ANN, b"fox", "text/plain", file_size=LIST_BYTES + 1)
        calls = server.wait(3)
    assert texts(calls) == ["7 bytes", "3 bytes", front.TOO_LONG]
    assert all(isinstance(message, TextFile) for _, message in sessions.heard)


def test_favorites_are_told_by_caption_and_name(server, quick):
    sessions = Script(lambda user, message: message.kind or message.problem or "by its content")
    with running(server, sessions):
        server.document(ANN, b"12", "text/plain", caption="/favorites")
        server.document(ANN, b"12", "text/plain", caption="/blacklist", file_name="fav.txt")
        server.document(ANN, b"[12]", "application/json", file_name="x")
        server.document(ANN, b"id\n12", "text/csv", file_name="Posts.CSV")
        server.document(
            ANN, b"12", "text/plain", file_name="favs.txt", file_size=LIST_BYTES + 1
        )
        server.document(ANN, b"12", "text/plain", file_name="mine.txt")
        server.document(
            ANN, b"12", "text/plain", file_name="favs", file_size=FAVORITES_BYTES + 1
        )
        calls = server.wait(7)
    assert texts(calls) == [
        "favorites",
        "blacklist",
        *["favorites"] * 3,
        "by its content",
        front.TOO_LONG,
    ]


def test_a_picture_that_cannot_be_fetched(server, quick, caplog):
    sessions = Script(lambda user, message: f"{message.data.decode()}")
    with running(server, sessions):
        server.faults["file"].extend([HTML, Fault()])  # comes on the third try
        server.photo(ANN, b"fox")
        assert texts(server.wait(1)) == ["fox"]
        server.faults["getFile"].append(refusal(400, "Bad Request: wrong file_id"))
        server.photo(ANN, b"owl")
        assert texts(server.wait(2))[1:] == [front.SORRY]
    assert "rong file_id" in caplog.text


# -- what the server and the network do ------------------------------------------------------------
def test_floods_are_waited_out_and_a_chat_gets_one_message_a_second(server):
    sessions = Script(lambda user, message: [Reply("one"), Reply("two")])
    with running(server, sessions):
        server.faults["sendMessage"].append(flood(1))
        server.say(ANN, "hi")
        calls = server.wait(2)
    first, again, second = server.called("sendMessage")
    assert (first.text, again.text, second.text) == ("one", "one", "two")
    assert first.sent is None and calls == [again, second]
    # On a busy machine a call may come late, so that the next seems early.
    assert again.when - first.when >= 1.0
    assert second.when - first.when >= 1.0 + telegram_server.CHAT_DELAY


def test_a_flood_wait_of_hours_gives_up_at_once(server, quick, caplog):
    with running(server, Script()):
        server.faults["sendMessage"].append(flood(9000))
        server.say(ANN, "a")
        server.say(ANN, "b")
        assert texts(server.wait(1)) == ["heard b"]
    assert "could not be sent" in caplog.text


def test_faults_of_the_network_are_survived_and_nothing_is_answered_twice(
    server, quick, caplog
):
    caplog.set_level(logging.INFO)
    sessions = Script()
    server.faults["getMe"].append(HTML)
    server.faults["setMyCommands"].append(Fault())
    server.faults["getUpdates"].extend(
        [
            HTML,
            Fault(),
            flood(1),
            refusal(409, "Conflict: other"),
            Fault(200, b"<html>not JSON</html>"),
        ]
    )
    server.faults["sendMessage"].extend([HTML, Fault(), refusal(500, "Internal Server Error")])
    with running(server, sessions):
        server.say(ANN, "a")
        assert texts(server.wait(1)) == ["heard a"]
        server.until(lambda: not server.updates)
        server.repeat = 5  # the server has forgotten that it was told
        server.say(ANN, "b")
        server.say(ANN, "c")
        assert texts(server.wait(3)) == ["heard a", "heard b", "heard c"]
        server.faults["sendMessage"].append(Fault(handled=True))  # arrives, and nobody knows
        server.say(ANN, "d")
        assert texts(server.wait(5))[3:] == ["heard d", "heard d"]
    assert [message for _, message in sessions.heard] == ["a", "b", "c", "d"]
    assert server.repeat == 0 and not server.updates
    assert caplog.text.count("no messages from the server") == 5


def test_a_faulty_send_gives_up_after_some_tries(server, quick, caplog):
    with running(server, Script()):
        server.faults["sendMessage"].extend([HTML] * telegram_server.TRIES)
        server.say(ANN, "a")
        server.say(ANN, "b")
        assert texts(server.wait(1)) == ["heard b"]
    assert len(server.called("sendMessage")) == telegram_server.TRIES + 1
    assert caplog.text.count("could not be sent") == 1


def test_a_user_who_blocked_the_bot_stops_nothing(server, quick, caplog):
    server.blocked.add(ANN)
    with running(server, Script()):
        server.say(ANN, "a")
        server.say(BEN, "b")
        server.wait(1, BEN)
        server.until(lambda: ANN in {call.chat for call in server.called("sendMessage")})
        server.blocked.clear()
        server.say(ANN, "c")
        assert texts(server.wait(1, ANN)) == ["heard c"]
    assert (
        len([call for call in server.called("sendMessage") if call.chat == ANN]) == 2
    )  # no retry
    assert "blocked by the user" in caplog.text


# -- updates that cannot be read -------------------------------------------------------------------
def anns(**more):
    """A message of Ann's that can be read, but for what is put into it."""
    who = {"id": ANN, "is_bot": False, "first_name": "Ann"}
    chat = {"id": ANN, "type": "private", "first_name": "Ann"}
    told = {"message_id": 5, "date": int(time.time()), "from": who, "chat": chat}
    return {key: value for key, value in (told | more).items() if value is not None}


def nested(depth):
    made = {}
    for _ in range(depth):
        made = {"reply_to_message": made}
    return made


BROKEN = {
    "a new kind of poll": {"poll": {"id": "1", "type": "ranked", "question": "PRIVATE"}},
    "no chat": {"message": anns(chat=None, text="PRIVATE")},
    "no date": {"message": anns(date=None, text="PRIVATE")},
    "a date of another age": {"message": anns(date=10**20, text="PRIVATE")},
    "a date that is none": {"message": anns(date="PRIVATE", text="PRIVATE")},
    "a message that is a text": {"message": "PRIVATE"},
    "a message that is a list": {"message": [anns(text="PRIVATE")]},
    "a text that is a number": {"message": anns(text=5)},
    "a text that is an object": {"message": anns(text={"a": "PRIVATE"})},
    "no id of the user": {"message": anns(**{"from": {"first_name": "PRIVATE"}}, text="hi")},
    "a user who is a list": {"message": anns(**{"from": ["PRIVATE"]}, text="hi")},
    "an id that is a list": {
        "message": anns(**{"from": {"id": ["P"], "is_bot": False, "first_name": ""}}, text="hi")
    },
    "a chat whose id is a text": {
        "message": anns(chat={"id": "PRIVATE", "type": "private"}, text="hi")
    },
    "a photo of half a size": {"message": anns(photo=[{"file_id": "PRIVATE"}])},
    "a press of nobody": {"callback_query": {"id": "1", "data": "PRIVATE"}},
    "entities that are none": {"message": anns(text="PRIVATE", entities=[5])},
    "deep nesting": {"message": anns(text="PRIVATE", **nested(300))},
    "nothing": {},
    "a kind that nobody knows": {"wish": {"of": "PRIVATE"}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_update_that_cannot_be_read_is_stepped_over(server, quick, caplog, capfd, name):
    """Among others, and alone; and it does not come again."""
    caplog.set_level(logging.INFO, "e6graph")
    sessions = Script()
    with running(server, sessions):
        with server.changed:  # all three in one answer
            server.say(BEN, "before")
            server.put(BROKEN[name])
            server.say(BEN, "after")
        assert texts(server.wait(2, BEN)) == ["heard before", "heard after"]
        server.put(BROKEN[name])
        server.until(lambda: not server.updates)
        server.say(BEN, "again")
        assert texts(server.wait(3, BEN))[2:] == ["heard again"]
    assert {user for user, _ in sessions.heard} <= {f"telegram:{BEN}", f"telegram:{ANN}"}
    said = caplog.text + "".join(capfd.readouterr())
    assert "PRIVATE" not in said and SECRET not in said
    assert "no messages from the server" not in said


def test_a_restart_after_a_bad_update_goes_on(server, quick):
    server.put(BROKEN["a new kind of poll"])
    with running(server, Script()):
        server.say(BEN, "hi")
        assert texts(server.wait(1)) == ["heard hi"]
    assert not server.updates


def test_the_log_names_the_update(server, quick, caplog):
    with running(server, Script()):
        server.put(BROKEN["a new kind of poll"])
        number = server.updates[-1]["update_id"] if server.updates else None
        server.until(lambda: not server.updates)
    lines = [line for line in caplog.messages if "stepped over update" in line]
    assert len(lines) == 1 and (number is None or str(number) in lines[0])


def answered(result):
    return Fault(200, json.dumps({"ok": True, "result": result}).encode())


@pytest.mark.parametrize(
    "answer",
    [
        Fault(200, b"[]"),
        Fault(200, b"5"),
        Fault(200, b"null"),
        Fault(200, b""),
        Fault(200, b"\xff\xfe"),
        Fault(200, b"{}"),
        Fault(200, b'{"ok": true}'),
        Fault(200, b'{"ok": false, "description": "PRIVATE"}'),
        Fault(200, b"[" * 100_000),
        Fault(502, b"[]"),
        Fault(429, b'{"ok": false, "parameters": ["PRIVATE"]}'),
        Fault(429, b'{"ok": false, "parameters": {"retry_after": "PRIVATE"}}'),
        Fault(429, b'{"ok": false, "parameters": {"retry_after": -5}}'),
        answered("text"),
        answered({"update_id": "PRIVATE"}),
        answered([[]]),
        answered(["PRIVATE", 5, None]),
        answered([{"message": anns(text="PRIVATE")}]),  # has no number
        answered([{"update_id": 10**30, "message": anns(text="PRIVATE")}]),
        answered([{"update_id": -1, "message": anns(text="PRIVATE")}]),
        answered([{"update_id": True}, {"update_id": 5.5}, {"update_id": "7"}]),
    ],
    ids=lambda fault: fault.body[:40].decode("latin-1"),
)
def test_an_answer_that_is_none_is_asked_for_again(server, quick, caplog, answer):
    """It moves no offset, and the next ones are heard."""
    sessions = Script()
    server.faults["getUpdates"].extend([answer] * 2)
    with running(server, sessions):
        server.say(BEN, "hi")
        assert texts(server.wait(1)) == ["heard hi"]
    offsets = [call.params.get("offset") for call in server.called("getUpdates")]
    assert offsets[:3] == [None] * 3
    assert sessions.heard == [(f"telegram:{BEN}", "hi")]
    assert "PRIVATE" not in caplog.text


def test_one_update_without_a_number_stops_no_other(server, quick, caplog):
    good = {"update_id": 5, "message": anns(text="good")}
    odd = ["PRIVATE", {"message": anns(text="PRIVATE")}, {"update_id": 10**30}]
    server.faults["getUpdates"].append(answered([*odd, good, *odd]))
    with running(server, Script()):
        assert texts(server.wait(1)) == ["heard good"]
        server.until(lambda: len(server.called("getUpdates")) > 1)
        assert server.called("getUpdates")[1].params["offset"] == "6"
    assert "stepped over 6 updates" in caplog.text and "PRIVATE" not in caplog.text


@pytest.mark.parametrize("method", ["getMe", "setMyCommands", "deleteWebhook"])
@pytest.mark.parametrize("answer", [Fault(200, b"[]"), Fault(200, b"{}"), answered([5])])
def test_a_start_with_odd_answers_is_one_line_or_none(
    server, quick, method, answer, logs_as_before
):
    server.faults[method].extend([answer] * telegram_server.TRIES)
    server.faults["getUpdates"].append(refusal(401, "Unauthorized"))
    with pytest.raises(E6GraphError) as raised:
        front.serve(Script(), TOKEN, server.url)
    assert "\n" not in str(raised.value) and SECRET not in str(raised.value)


def test_an_odd_answer_to_a_message_ends_nothing(server, quick, caplog):
    with running(server, Script()):
        for answer in (answered([]), answered({"message_id": "x"}), Fault(200, b"[]")):
            server.faults["sendMessage"].append(answer)
            server.say(ANN, "a")
        server.say(ANN, "b")
        server.until(lambda: "heard b" in texts(server.sent(ANN)))


# -- files -----------------------------------------------------------------------------------------
def seen(user, message):
    return message.problem or f"{len(message.data)} bytes"


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_no_file_of_this_machine_is_read(server, quick, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"SECRET OF THIS MACHINE")
    path = "photos/mine.jpg" if kind == "relative" else str(tmp_path / "photos" / "mine.jpg")
    sessions = Script(seen)
    with running(server, sessions):
        server.photo(ANN, b"1234")
        (name,) = server.files
        server.wait(1)
        server.paths[name] = path
        server.files["mine"] = b"from the server"
        server.message(
            ANN, photo=[{**server.keep(b""), "file_id": name, "width": 9, "height": 9}]
        )
        server.wait(2)
    assert texts(server.sent())[0] == "4 bytes"
    told = "15 bytes" if kind == "relative" else front.SORRY
    assert texts(server.sent())[1] == told
    assert server.asked[1] == f"/file/bot{TOKEN}/{path.lstrip('/')}"


@pytest.mark.parametrize(
    "path",
    [
        "http://127.0.0.1:1/x.jpg",
        "//127.0.0.1:1/x.jpg",
        "@127.0.0.1:1/x.jpg",
        "../../../x.jpg",
        "x.jpg?a#b\r\nHost: other",
        "\0",
        "",
        None,
        5,
        ["x.jpg"],
        "x" * 100_000,
    ],
    ids=lambda path: str(path)[:20],
)
def test_a_path_of_another_place_leads_to_no_other_host(server, quick, path, caplog):
    with running(server, Script(seen)):
        name = "odd"
        server.files[name], server.paths[name] = b"1234", path
        size = {"file_id": name, "file_unique_id": name, "width": 9, "height": 9}
        server.message(ANN, photo=[size])
        assert texts(server.wait(1)) == [front.SORRY]
        server.say(BEN, "hi")
    assert SECRET not in caplog.text


@pytest.mark.parametrize("to", ["http://127.0.0.1:1/x.jpg", "/file/other"])
def test_a_redirect_is_not_followed(server, quick, to):
    with running(server, Script(seen)):
        server.faults["file"].append(Fault(302, b"", headers={"Location": to}))
        server.photo(ANN, b"1234")
        assert texts(server.wait(1)) == [front.SORRY]
    assert len(server.asked) == 1


def test_a_file_stops_at_the_limit_whatever_it_claims(server, quick, monkeypatch):
    monkeypatch.setattr(front, "PICTURE_LIMIT", 1 << 20)
    with running(server, Script(seen)):
        for size in (10, 1 << 20):
            server.photo(ANN, bytes(size))
        assert texts(server.wait(2)) == ["10 bytes", f"{1 << 20} bytes"]
        size = {**server.keep(b""), "width": 9, "height": 9}
        server.endless.add(size["file_id"])
        server.message(ANN, photo=[size | {"file_size": 1000}])
        del size["file_size"]  # claims nothing
        server.message(ANN, photo=[size])
        assert texts(server.wait(4))[2:] == [front.NO_PICTURE] * 2
    assert server.streamed < 200 << 20


def test_packed_bytes_are_not_unpacked(server, quick):
    packed = gzip.compress(bytes(10**6))
    with running(server, Script(seen)):
        server.faults["file"].append(Fault(200, packed, headers={"Content-Encoding": "gzip"}))
        server.photo(ANN, b"1234")
        assert texts(server.wait(1)) == [front.SORRY]


# -- start, end, the token -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "BOT_TOKEN is not set: expected the token that BotFather gave"),
        ("  ", "BOT_TOKEN is not set: expected the token that BotFather gave"),
        ("../getMe", "BOT_TOKEN is not a token: expected the token that BotFather gave"),
    ],
)
def test_no_token(token, said):
    with pytest.raises(BadInput) as raised:
        front.check_token(token)
    assert str(raised.value) == said


@pytest.mark.parametrize("wrong", ["123456789:not_the_planted_secret", TOKEN])
def test_a_token_that_is_refused_or_revoked(
    server, quick, wrong, caplog, capfd, logs_as_before
):
    caplog.set_level(logging.DEBUG)
    server.faults["getUpdates"].append(refusal(401, "Unauthorized"))
    with pytest.raises(BadInput) as raised:
        front.serve(Script(), wrong, server.url)
    said = "BOT_TOKEN was refused by the server: expected the token that BotFather gave"
    assert str(raised.value) == said
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    everything = caplog.text + "".join(capfd.readouterr()) + repr(server.faults)
    assert wrong.partition(":")[2] not in everything


def test_a_refused_token_leaves_no_profiles(
    server, quick, monkeypatch, tmp_path, logs_as_before
):
    monkeypatch.setenv("BOT_TOKEN", "123456789:not_the_planted_secret")
    monkeypatch.setattr(room.PostGraph, "open", lambda **options: FakeGraph())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="BOT_TOKEN was refused"):
        bot.main(["--telegram", "--api-base", server.url])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "nowhere", "http://[half"])
def test_a_server_that_is_not_there(quick, address, caplog, logs_as_before):
    with pytest.raises(E6GraphError, match="does not answer as a Bot API server") as raised:
        front.serve(Script(), TOKEN, address)
    assert "\n" not in str(raised.value) and SECRET not in str(raised.value) + caplog.text


def test_no_log_holds_the_token(server, quick, caplog, capfd, logs_as_before):
    """Each library at its most talkative, and a server that sends our own address back."""
    caplog.set_level(logging.DEBUG)
    raised, page = [], f"<html>/bot{TOKEN}/sendMessage: bad gateway</html>".encode()

    def target():
        try:
            front.serve(Script(lambda user, message: 1 / 0), TOKEN, server.url)
        except E6GraphError as error:
            raised.append(str(error))

    server.faults["getUpdates"].extend([Fault(502, page), Fault(200, page)])
    server.faults["sendMessage"].extend(
        [Fault(502, page), Fault(), refusal(400, page.decode())]
    )
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    server.until(lambda: server.polls)
    for name in ("httpx", "httpcore", "telegram"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    server.say(ANN, "a")
    server.until(lambda: len(server.called("sendMessage")) == 3)
    server.faults["getUpdates"].append(refusal(401, "Unauthorized"))
    server.say(BEN, "b")
    thread.join(60)
    out = "".join(capfd.readouterr())
    assert "ZeroDivisionError" in caplog.text and "<BOT_TOKEN>" in caplog.text
    assert "/sendMessage" in caplog.text  # the addresses were logged
    assert SECRET not in caplog.text + out + "".join(raised)
    assert SECRET not in "".join(str(vars(record)) for record in caplog.records)
    assert len(raised) == 1


PROGRAM = """
import os, sys, time
from e6graph.chat.telegram import front as telegram
from e6graph.chat.messages import Reply

class Slow:
    def reply(self, user, message):
        time.sleep(0.5)
        return [Reply(f"heard {message}")]

telegram.LAST_ANSWERS = 60
telegram.serve(Slow(), os.environ["BOT_TOKEN"], sys.argv[1])
print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_last_answer(server, number):
    """As a process: nothing but one line on the way, status 0, the answer under way goes out."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.url],
        cwd=Path(__file__).parents[1],
        text=True,
        env={"BOT_TOKEN": TOKEN, "NO_PROXY": "127.0.0.1", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        server.until(lambda: server.polls)
        server.say(ANN, "hi")
        server.until(lambda: server.polls > 1)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "ended\n")
    assert texts(server.sent()) == ["heard hi"] and not server.updates
    assert len(err.splitlines()) == 1 and "@demo_fox_bot answers in Telegram" in err
    assert SECRET not in err


# -- what is new, each day -------------------------------------------------------------------------
class Generations(FakeGraph):
    """The board of `FakeGraph`; `newest` is when its newest post was made, as a test says."""

    newest = 1000.0

    def count_new(self, profile, since):
        return len(self.personal(profile, 100, since=since))

    def personal(self, profile, n=1, seed=0, explore=False, since=None):
        found = super().personal(profile, n, seed, explore or since is not None)
        return found if since is None or since < self.newest else []

    def narrowed(self, ratings, blacklist=""):
        return self


@pytest.fixture
def news(server, quick, tmp_path, monkeypatch):
    """A server, profiles and sessions whose index a test renews; the bot looks often."""
    monkeypatch.setattr(front, "DAILY_CHECK", 0.02)
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        yield server, profiles, Sessions(Generations(), profiles)


def renewed(sessions, newest):
    graph = Generations()
    graph.newest = newest
    sessions.renew(graph)


def shown_in(calls):
    return [int(text.split()[0][1:-1]) for text in texts(calls) if text.startswith("#")]


def test_daily_is_sent_once_the_index_was_renewed(news):
    server, profiles, sessions = news
    with running(server, sessions):
        server.say(ANN, "/daily")
        (said,) = server.wait(1)
        assert "10 best new posts" in said.text and list(said.buttons) == ["/daily off"]
        renewed(sessions, 2000.0)
        calls = server.wait(12, ANN)[1:]
        assert calls[0].text.startswith("11 new posts since 1970-01-01; here are the best 10")
        assert len(set(shown_in(calls))) == 10 and list(calls[0].buttons) == ["/new"]
        assert set(shown_in(calls)) == set(profiles.load(f"telegram:{ANN}").seen)
        server.press(ANN, calls[0], "/new")
        card = server.wait(13, ANN)[-1]  # the line before it flashes over the chat
        (toast,) = server.called("answerCallbackQuery")
        assert toast.params["text"].startswith("1 more post since 1970-01-01")
        assert shown_in([card]) and not set(shown_in([card])) & set(shown_in(calls))
        server.press(ANN, said, "/daily off")
        assert "nothing by myself" in server.wait(14, ANN)[-1].text
        renewed(sessions, 3000.0)
        server.say(BEN, "/help")
        server.wait(1, BEN)
    assert len(server.sent(ANN)) == 14


def test_a_restart_sends_nothing_twice(news):
    server, profiles, sessions = news
    with running(server, sessions):
        server.say(ANN, "/daily")
        server.wait(1)
        renewed(sessions, 2000.0)
        server.wait(4, ANN)  # in the middle of it
    before = len(server.sent(ANN))
    again = Sessions(Generations(), profiles)
    renewed(again, 2000.0)
    with running(server, again):
        looks = server.polls
        server.say(BEN, "/help")
        server.wait(1, BEN)
        server.until(lambda: server.polls > looks)
        time.sleep(0.2)  # ten looks
    calls = server.sent(ANN)
    assert len(calls) == before and len(set(shown_in(calls))) == len(shown_in(calls))


def test_who_blocked_the_bot_is_sent_no_more_and_the_others_are(news, monkeypatch, caplog):
    server, profiles, sessions = news
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(front, "DAILY_AT_ONCE", 2)
    users = range(20, 25)
    with running(server, sessions):
        for user in users:
            server.say(user, "/daily")
            server.wait(1, user)
        server.blocked = {20, 23}
        renewed(sessions, 2000.0)
        for user in users:
            if user not in server.blocked:
                assert len(server.wait(12, user)) == 12
        server.until(lambda: caplog.text.count("sent nothing more each day") == 2)
        assert len([one for one in server.called("sendMessage") if one.chat == 20]) == 2
    kept = {user: profiles.load(f"telegram:{user}").daily for user in users}
    assert kept == {20: None, 21: 0, 22: 0, 23: None, 24: 0}
    assert caplog.text.count("blocked by the user") == 2


def test_daily_waits_as_long_as_it_is_told(news):
    server, _, sessions = news
    with running(server, sessions):
        server.say(ANN, "/daily")
        server.wait(1)
        server.faults["sendMessage"] += [flood(1)]
        renewed(sessions, 2000.0)
        calls = server.wait(12, ANN)
    assert calls[1].when - calls[0].when >= 1.0


def test_a_look_that_fails_ends_nothing(news, monkeypatch, caplog):
    server, _, sessions = news
    due, fails = sessions.due, [E6GraphError("a\nline"), ZeroDivisionError()]

    def failing():
        if fails:
            raise fails.pop()
        return due()

    monkeypatch.setattr(sessions, "due", failing)
    deliver = sessions.deliver
    monkeypatch.setattr(
        sessions,
        "deliver",
        lambda user: [] / 0 if user == f"telegram:{CAT}" else deliver(user),
    )
    with running(server, sessions):
        for user in (CAT, ANN):
            server.say(user, "/daily")
            server.wait(1, user)
        renewed(sessions, 2000.0)
        assert len(server.wait(12, ANN)) == 12
    assert "sent to nobody: a line" in caplog.text
