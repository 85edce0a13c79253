"""Thumbnails by the terminal's own protocol: which it has, what is sent, and nothing elsewhere."""

import base64
import io
import os
import re
import threading

import numpy as np
import pytest
from conftest import PATIENCE
from fake_graph import FakeGraph
from PIL import Image

from e6graph.chat.conversation import Conversation
from e6graph.chat.terminal import THUMBNAILS, graphics
from e6graph.chat.terminal.graphics import PIECE, cell_size, find_protocol, picture_codes
from e6graph.chat.terminal.talk import talk
from e6graph.hydrate.previews import preview_path

pytest.importorskip("rich")


class Screen(io.StringIO):
    def isatty(self):
        return True


def image(width=60, height=40):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = (250, 20, 30)
    pixels[height // 2 :, width // 2 :] = (10, 200, 90)
    return Image.fromarray(pixels)


# -- which protocol --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),  # over ssh
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, ""),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode", "KITTY_WINDOW_ID": "1"}, ""),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600", "KITTY_WINDOW_ID": "1"}, ""),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x", "TERM_PROGRAM": "iTerm.app"}, ""),
        ({"TERM": "screen", "KITTY_WINDOW_ID": "1"}, ""),
        ({"TERM": "dumb", "KITTY_WINDOW_ID": "1"}, ""),
        ({"KITTY_WINDOW_ID": "1"}, ""),
    ],
)
def test_the_environment_tells(environ, found):
    assert find_protocol(io.StringIO(), Screen(), environ) == found
    assert find_protocol(io.StringIO(), io.StringIO(), environ) == ""  # no terminal to show it


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"\x1b[?62;4;22c", "sixel"),
        (b"\x1b[?4c", ""),  # a VT132
        (b"\x1b[?62;22;44c", ""),
        (b"", ""),
        (b"junk\x1b[?63;1;2;4c", "sixel"),
    ],
)
def test_a_terminal_says_whether_it_has_sixel(answer, found, monkeypatch):
    termios = pytest.importorskip("termios")
    monkeypatch.setattr(graphics, "ANSWER_SECONDS", PATIENCE if answer else 0.1)
    ours, theirs = os.openpty()
    before = termios.tcgetattr(theirs)
    asked = []

    def answer_it():
        asked.append(os.read(ours, 10))
        os.write(ours, answer)

    thread = threading.Thread(target=answer_it)
    thread.start()
    with os.fdopen(theirs, "r+b", 0) as raw:
        terminal = io.TextIOWrapper(raw, "utf-8", write_through=True)
        assert find_protocol(terminal, terminal, {"TERM": "xterm"}) == found
        assert termios.tcgetattr(raw.fileno()) == before
        thread.join(PATIENCE)
        os.close(ours)
    assert asked == [b"\x1b[c"]


def test_the_size_of_a_cell(monkeypatch):
    termios = pytest.importorskip("termios")
    import fcntl
    import struct

    assert cell_size(io.StringIO()) == graphics.CELL
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r+b", 0) as raw:
        assert cell_size(raw) == graphics.CELL
        fcntl.ioctl(raw.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 720, 720))
        assert cell_size(raw) == (9, 18)
    os.close(ours)


# -- what is sent ----------------------------------------------------------------------------------
def test_kitty_gets_a_png_in_pieces():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (90, 120, 3), np.uint8))
    codes, rows = picture_codes("kitty", noise, 28, 14)
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", codes)
    assert "".join(f"\x1b_G{a};{b}\x1b\\" for a, b in parts) == codes and len(parts) > 2
    assert all(len(data) <= PIECE for _, data in parts)
    assert [head.rpartition("m=")[2] for head, _ in parts] == ["1"] * (len(parts) - 1) + ["0"]
    first = dict(pair.split("=") for pair in parts[0][0].split(","))
    assert (first["a"], first["f"], first["q"], first["C"]) == ("T", "100", "2", "1")
    assert (first["c"], first["r"], rows) == ("28", "11", 11)
    png = base64.b64decode("".join(data for _, data in parts))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), np.asarray(noise))


def test_iterm_gets_a_file():
    codes, rows = picture_codes("iterm", image(40, 80), 28, 14)
    head, _, data = codes.partition(":")
    options = dict(pair.split("=") for pair in head.removeprefix("\x1b]1337;File=").split(";"))
    png = base64.b64decode(data.removesuffix("\a"))
    assert options == {
        "inline": "1",
        "size": str(len(png)),
        "width": "14",
        "height": "14",
        "preserveAspectRatio": "1",
    }
    assert rows == 14 and Image.open(io.BytesIO(png)).size == (40, 80)


def drawn(sixels):
    """The pixels that a sixel terminal shows, by the colors' numbers; and the colors."""
    body = re.fullmatch(r'\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\', sixels, re.DOTALL)
    width, height = int(body[1]), int(body[2])
    pixels, colors = np.full((height + 6, width + 1), -1), {}
    x = y = color = 0
    for token in re.findall(r"#\d+(?:;2;\d+;\d+;\d+)?|!\d+.|[$-]|[?-~]", body[3]):
        if token.startswith("#") and ";" in token:
            number, _, *rgb = map(int, token[1:].split(";"))
            colors[number] = rgb
        elif token.startswith("#"):
            color = int(token[1:])
        elif token in "$-":
            x, y = 0, y + 6 * (token == "-")
        else:
            count = int(token[1:-1]) if token.startswith("!") else 1
            for bit in range(6):
                if (ord(token[-1]) - 63) >> bit & 1:
                    pixels[y + bit, x : x + count] = color
            x += count
    assert (pixels[height:] == -1).all() and (pixels[:, width:] == -1).all()
    return pixels[:height, :width], colors


@pytest.mark.parametrize("size", [(60, 40), (41, 83), (1, 1), (300, 7)])
def test_sixels_show_the_picture(size):
    codes, rows = picture_codes("sixel", image(*size), 28, 14, (10, 20))
    pixels, colors = drawn(codes)
    height, width = pixels.shape
    assert width <= 280 and height <= 280 and rows == -(-height // 20)
    assert (pixels >= 0).all()
    assert codes.isascii() and codes.count("\x1b") == 2
    if min(size) > 20:
        for place, rgb in (((9, 9), (250, 20, 30)), ((height - 9, width - 9), (10, 200, 90))):
            shown = np.array(colors[pixels[place]]) * 2.55
            assert np.abs(shown - rgb).max() < 4


# -- in the talk -----------------------------------------------------------------------------------
@pytest.fixture
def bot(kept, tmp_path):
    path = preview_path(tmp_path, f"{10:032x}")
    path.parent.mkdir(parents=True)
    image().save(path, "PNG")
    return Conversation(FakeGraph(), kept, "ann", tmp_path)


STARTS = {"kitty": "\x1b_G", "iterm": "\x1b]1337;", "sixel": "\x1bP0;1q", "blocks": "▀"}


@pytest.mark.parametrize("thumbnails", [how for how in THUMBNAILS if how != "auto"])
def test_a_post_is_drawn_beside_its_text(bot, thumbnails, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("COLORTERM", "truecolor")
    screen = Screen()
    talk(bot, io.StringIO("/enjoy fox\n/walk\n/walk\n/quit\n"), screen, thumbnails)
    text = screen.getvalue()
    assert {how for how, start in STARTS.items() if start in text} == {thumbnails} - {"none"}
    if thumbnails not in graphics.PROTOCOLS:
        return
    # Up by the lines of the text, drawn there, and down again.
    found = re.findall(
        r"((?:[^\n]*\n)+?)\x1b\[(\d+)A\r\x1b7(.*?)\x1b8\x1b\[(\d+)B\r", text, re.DOTALL
    )
    (above, up, _, down) = found[0]
    assert len(found) == 1 and up == down and int(up) >= 9  # 280 by 186 pixels
    lines = re.sub(r"\x1b\[[\d;]*m", "", above).split("\n")[-int(up) - 1 : -1]
    assert lines[0].startswith(" " * 28) and "#10  fox by inkwash" in lines[0]
    assert all(line[:28].strip() == "" for line in lines)


@pytest.mark.parametrize(
    "environ", [{"TERM": "xterm-kitty"}, {"TERM": "dumb"}, {"TERM": "xterm"}]
)
def test_what_is_found_is_used_and_a_pipe_gets_none(bot, monkeypatch, environ):
    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "TMUX", "STY", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", environ["TERM"])
    screen, pipe = Screen(), io.StringIO()
    talk(bot, io.StringIO("/enjoy fox\n/more 12\n/quit\n"), screen)
    assert ("\x1b_G" in screen.getvalue()) == ("kitty" in environ["TERM"])
    talk(bot, io.StringIO("/like 12\n/more\n/quit\n"), pipe)
    assert "\x1b" not in pipe.getvalue()


def test_a_preview_that_is_no_picture_is_left_out(bot, tmp_path):
    preview_path(tmp_path, f"{10:032x}").write_bytes(b"<html>")
    screen = Screen()
    talk(bot, io.StringIO("/enjoy fox\n/walk\n/quit\n"), screen, "kitty")
    assert "\x1b_G" not in screen.getvalue() and "#10  fox" in screen.getvalue()
