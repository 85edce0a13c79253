"""The terminal at a keyboard: single keys on a tour, completion, and that it is left as it was."""

import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from conftest import PATIENCE, ROOT
from fake_graph import FakeGraph

from e6graph.chat.commands import COMMANDS
from e6graph.chat.conversation import Conversation
from e6graph.chat.terminal.completing import completions
from e6graph.chat.terminal.keys import COMMANDS_OF_KEYS, HINT, KEYS, meant

termios = pytest.importorskip("termios")
pty = pytest.importorskip("pty")

TALK = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from fake_graph import FakeGraph
from e6graph import cli
from e6graph.chat.conversation import Conversation
from e6graph.chat.profiles import Profiles
from e6graph.chat.terminal.talk import talk
if {plain}:
    sys.modules["e6graph.chat.terminal.prompt"] = None
class Bot(Conversation):
    def reply(self, message):
        if message == "/why\\n" and {crash}:
            raise RuntimeError("a defect")
        return super().reply(message)
with cli.ended_by_sigterm(), Profiles({profiles!r}) as kept:
    talk(Bot(FakeGraph(), kept, "ann"))
"""


class Keyboard:
    """A talk in a terminal of its own, and somebody who types there."""

    def __init__(self, profiles, plain=True, crash=False):
        self.ours, self.theirs = pty.openpty()
        self.before = termios.tcgetattr(self.theirs)
        termios.tcsetwinsize(self.theirs, (40, 90))
        program = TALK.format(
            tests=str(ROOT / "tests"),
            root=str(ROOT),
            profiles=str(profiles),
            plain=plain,
            crash=crash,
        )
        environment = {**os.environ, "TERM": "xterm", "COLORTERM": "", "COLUMNS": "90"}
        environment.pop("KITTY_WINDOW_ID", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env=environment,
            start_new_session=True,
        )
        self.said = ""
        # prompt_toolkit shows the cursor again when it has drawn the line
        self.prompt = "> $" if plain else r">[^>]*\x1b\[\?25h$"

    def type(self, keys):
        self.said = ""
        os.write(self.ours, keys.encode())

    def wait_for(self, pattern):
        """Read until a pattern was shown."""
        until = time.monotonic() + PATIENCE
        while not re.search(pattern, re.sub(r"\x1b\[[\d;]*m", "", self.said), re.DOTALL):
            assert time.monotonic() < until and self.process.poll() is None, self.said
            if select.select([self.ours], [], [], 0.1)[0]:
                some = os.read(self.ours, 4096)
                self.said += some.decode("utf-8", "replace")
                if b"\x1b[6n" in some:  # prompt_toolkit asks where the cursor is
                    os.write(self.ours, b"\x1b[1;1R")
        return self.said

    def end(self):
        """Wait for the end; return the status and whether the terminal is as it was."""
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < until:
            if select.select([self.ours], [], [], 0.1)[0]:
                self.said += os.read(self.ours, 4096).decode("utf-8", "replace")
        status = self.process.wait(1)
        return status, termios.tcgetattr(self.theirs) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def keyboards(tmp_path):
    made = []

    def start(**options):
        made.append(Keyboard(tmp_path / "profiles.sqlite", **options))
        return made[-1]

    yield start
    for keyboard in made:
        keyboard.close()


ON_TOUR = r"l d s m w u q > $"


def begin_tour(keyboard):
    keyboard.wait_for(keyboard.prompt)
    keyboard.type("fox night\r")
    keyboard.wait_for(rf"You enjoy fox, night.*{keyboard.prompt}")
    keyboard.type("walk\r")
    return keyboard.wait_for(ON_TOUR)


def test_single_keys_go_on_with_a_tour(keyboards):
    keyboard = keyboards()
    said = begin_tour(keyboard)
    assert "#10  fox by inkwash" in said and said.count("m more, w why") == 1
    for key, command, answer in (
        ("l", "/like", "You like #10"),
        ("\x1b[B", "/dislike", "You dislike #"),
        ("s", "/skip", "Skipped #"),
        ("u", "/undo", "Taken back: skipped #"),
        ("\x1b[D", "/undo", "Taken back: disliked #"),
        ("w", "/why", "Searched from"),
        ("\x1bOC", "/skip", "Skipped #"),
        ("m", "/more", "#"),
    ):
        keyboard.type(key)
        said = keyboard.wait_for(rf"{re.escape(answer)}.*{ON_TOUR}")
        assert said.lstrip().startswith(command) and "m more, w why" not in said
    keyboard.type("q")
    keyboard.wait_for(r"The tour is over.*\n> $")
    keyboard.type("/quit\r")
    keyboard.wait_for("Goodbye")
    assert keyboard.end() == (0, True)


@pytest.mark.parametrize("plain", [True, False])
def test_anything_else_begins_a_line(keyboards, plain):
    if not plain:
        pytest.importorskip("prompt_toolkit")
    keyboard = keyboards(plain=plain)
    begin_tour(keyboard)
    for typed, answer in (
        ("avoid web\r", "You avoid web"),  # a paste, though it begins with a letter of no key
        ("snow\r", "You enjoy snow"),  # nor is the s of a paste a key
        (":skip\r", "Skipped #"),
        ("/like 14\r/like 15\r", "You like #15"),
    ):
        keyboard.type(typed)
        keyboard.wait_for(rf"{re.escape(answer)}.*{ON_TOUR}")
    for first, rest, answer in (
        (":", "like 16\r", "You like #16"),
        ("/", "like 17\r", "You like #17"),
        ("a", "void otter\r", "You avoid otter"),
    ):
        keyboard.type(first)
        begun = f"> {first.removeprefix(':')}$"
        keyboard.wait_for(rf"\r.*{begun if plain else keyboard.prompt}")
        keyboard.type(rest)
        keyboard.wait_for(rf"{re.escape(answer)}.*{ON_TOUR}")
    keyboard.type("\x04")
    assert keyboard.end() == (0, True)


def test_the_lines_of_a_list_are_no_keys(keyboards):
    keyboard = keyboards()
    begin_tour(keyboard)
    keyboard.type(":")
    keyboard.wait_for(r"\r.*> $")
    keyboard.type("blacklist add\r")
    keyboard.wait_for("/done ends it.*> $")
    for line in ("s", "web", "l"):
        keyboard.type(f"{line}\r")
        keyboard.wait_for(rf"{line}.*> $")
    keyboard.type("/done\r")
    said = keyboard.wait_for(ON_TOUR)
    assert "Added 3 of 3 lines" in said
    keyboard.type("/blacklist add\rsnow\rl\r/done\r")  # a paste
    assert "Added 1 of 2 lines" in keyboard.wait_for(rf"Added.*{ON_TOUR}")
    keyboard.type("\x04")
    assert keyboard.end() == (0, True)


@pytest.mark.parametrize("how", ["ctrl-c", "ctrl-d", "crash", "sigterm", "sigint"])
def test_the_terminal_is_left_as_it_was(keyboards, how):
    keyboard = keyboards(crash=how == "crash")
    begin_tour(keyboard)
    if how == "sigterm":
        keyboard.process.send_signal(signal.SIGTERM)
    elif how in ("ctrl-c", "sigint"):  # without a controlling terminal the key comes as such
        keyboard.process.send_signal(signal.SIGINT)
    else:
        keyboard.type({"ctrl-d": "\x04", "crash": "w"}[how])
    status, as_before = keyboard.end()
    assert as_before and status == (1 if how == "crash" else 0)
    assert ("a defect" in keyboard.said) == (how == "crash")


@pytest.mark.parametrize("plain", [True, False])
def test_a_tour_goes_on_after_ctrl_z(keyboards, plain):
    if not plain:
        pytest.importorskip("prompt_toolkit")  # which starts threads
    keyboard = keyboards(plain=plain)
    begin_tour(keyboard)
    keyboard.process.send_signal(signal.SIGSTOP)
    termios.tcsetattr(keyboard.theirs, termios.TCSANOW, keyboard.before)  # as a shell does
    keyboard.said = ""
    keyboard.process.send_signal(signal.SIGCONT)
    keyboard.wait_for(ON_TOUR)
    keyboard.type("l")
    keyboard.wait_for(rf"You like #10.*{ON_TOUR}")
    keyboard.type("\x04")
    assert keyboard.end() == (0, True)


def test_what_keys_mean():
    assert set(KEYS.values()) <= {f"/{name}" for name in COMMANDS}
    assert all(f"{key} " in HINT for key in COMMANDS_OF_KEYS)
    for key, command in KEYS.items():
        assert meant(key) == meant(key * 5) == (command, None)
    assert meant("L") == ("/like", None)
    for nothing in ("\r", "\n", " ", "\t", "\x1b", "\x1b[15~", "\x1b[200~"):
        assert meant(nothing) == ("", None)
    for text in ("ls", "fox", "👍", "1", "/", "é", "like\nskip\n"):
        assert meant(text) == ("", text)
    assert meant(":fox") == ("", "fox")


# -- completion ------------------------------------------------------------------------------------
def test_what_is_completed_after_which_command(kept, tmp_path, monkeypatch):
    bot = Conversation(FakeGraph(), kept, "ann")

    def names(text):
        return [name for name, _ in completions(bot, text)]

    for message in (
        "/enjoy fox",
        "/avoid forest",
        "/like 12 14",
        "/dislike 15",
        "/blacklist add web x",
    ):
        bot.reply(message)
    assert names("/drop fo") == names("drop fo") == ["fox", "forest"]  # five posts, then two
    assert names("/drop ore") == ["forest"] and names("/drop sn") == []
    assert names("/drop #1") == ["#14", "#12", "#15"] and names("/drop #15") == ["#15"]
    assert names("/only sn") == names("/blacklist add sn") == names("avoid sn") == ["snow"]
    assert names("/only -sn") == ["-snow"] and names("/blacklist ~sn") == ["~snow"]
    assert names("/enjoy fox,-sn") == ["-snow"] and names("/only -") == []
    assert names("/blacklist re") == ["remove"] and names("/blacklist f") == ["file"]
    assert names("/blacklist remove we") == ["web x"] and names("/blacklist remove web ") == [
        "x"
    ]
    assert names("/like sn") == names("/walk sn") == names("/nosuch sn") == []


def test_paths_are_completed(kept, tmp_path, monkeypatch):
    bot = Conversation(FakeGraph(), kept, "ann")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for path in (
        "my fox.png",
        "my owl.png",
        "other.txt",
        ".hidden",
        "home/h.png",
        "sub dir/a,b.png",
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()

    def names(text):
        return [name for name, _ in completions(bot, text)]

    assert names("/picture ") == ["home/", "my fox.png", "my owl.png", "other.txt", "sub dir/"]
    assert names("/picture my") == ["my fox.png", "my owl.png"]
    assert names("/picture my f") == ["fox.png"]  # in the place of the last word
    assert names("picture ho") == ["home/"] and names("/picture ~/") == ["~/h.png"]
    assert names("/picture sub dir/a,") == ["b.png"]
    assert names("/picture .h") == [".hidden"] and names("/picture none/x") == []
    assert names(f"/blacklist file {tmp_path}/oth") == [f"{tmp_path}/other.txt"]
    assert names("/favorites file o") == ["other.txt"]
    assert names("/picture \0") == []


def test_prompt_toolkit_replaces_the_last_word(kept):
    pytest.importorskip("prompt_toolkit")
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from e6graph.chat.terminal.prompt import _WordCompleter

    bot = Conversation(FakeGraph(), kept, "ann")
    completer = _WordCompleter(lambda text: completions(bot, text))
    for text, start in (("/enjoy fox,sn", -2), ("/enjoy fox, -sn", -3), ("sn", -2)):
        (one,) = completer.get_completions(Document(text), CompleteEvent())
        assert one.start_position == start and one.text.endswith("snow")
