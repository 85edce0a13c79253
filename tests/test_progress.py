"""Long work says what it is at, every second, on a terminal; elsewhere it says nothing."""

import io
import re
import time

import pytest
from conftest import PATIENCE

from e6graph.store import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal_of(monkeypatch):
    """Errors go to a terminal from here on; not in a fixture, after which pytest takes over."""
    made = Terminal()
    monkeypatch.setattr("sys.stderr", made)
    return made


def test_a_call_that_cannot_report_is_named_and_its_seconds_are_counted(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with progress.ticking("building 32 trees"):
        start = time.monotonic()
        while (
            len(re.findall(r"building 32 trees: (?!00:00)\d\d:\d\d", terminal.getvalue())) < 2
        ):
            assert time.monotonic() - start < PATIENCE
            time.sleep(0.05)


def test_items_are_counted_and_the_seconds_go_on_between_them(monkeypatch):
    terminal = terminal_of(monkeypatch)
    for item in progress.counted("ab", "blocks", 2):
        start = time.monotonic()
        seen = len(terminal.getvalue())
        while item == "a" and len(terminal.getvalue()) == seen:
            assert time.monotonic() - start < PATIENCE
            time.sleep(0.05)
    assert "blocks:   0%" in terminal.getvalue() and "2/2" in terminal.getvalue()


def test_an_error_passes_and_the_bar_ends(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with pytest.raises(ZeroDivisionError), progress.ticking("dividing"):
        _ = 1 / 0
    said = terminal.getvalue()
    time.sleep(1.2)
    assert terminal.getvalue() == said


def test_nothing_is_said_where_nobody_looks(capsys):
    with progress.ticking("building"):
        assert list(progress.counted(iter([3, 1]), "numbers")) == [3, 1]
    assert capsys.readouterr() == ("", "")
