"""Nothing that is printed, typed or given as an argument ends a script, whatever the terminal."""

import io
import json
import os
import re
import subprocess
import sys

import pytest
from boards import post, write_export
from conftest import ROOT, build

from e6graph import cli
from e6graph.errors import BadInput
from e6graph.evaluate.__main__ import main as evaluate
from e6graph.hydrate.importdb import main as importdb
from e6graph.normalize.__main__ import main as normalize

BYTES = os.fsdecode(b"fo\xff")  # as Python hands on an argument that is not UTF-8
FOREIGN = ("pok\u00e9mon", "\u72d0", "\U0001f98a")  # of cp1252 the first alone
ENCODINGS = ("ascii", "cp1252", "utf-8", "utf-16")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """A board whose tags no small encoding has, with its index in it."""
    board = tmp_path_factory.mktemp("foreign")
    words = ("fox", "night", "owl", *FOREIGN)
    rows = [
        post(n, " ".join(words[k % 6] for k in range(n, n + 4)), rating="s")
        for n in range(1, 61)
    ]
    write_export(board, rows)
    build(board / "index", board, dim=4)
    return board


class Terminal(io.TextIOWrapper):
    """A stream of some encoding, as strict as Python makes them."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding, errors="strict", write_through=True)

    def text(self):
        return self.buffer.getvalue().decode(self.encoding)


def started(monkeypatch, encoding, main, argv, stdin=b""):
    """Exit status, stdout and stderr of a script's `main`, run as the scripts run it."""
    out, err = Terminal(encoding), Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
    status = cli.run(lambda: main([str(word) for word in argv]))
    return status, out.text(), err.text()


def script(name):
    return __import__(name).main


SCRIPTS = {
    "hydrate_data": (["--from", "{board}"], "61 tags|posts.parquet"),
    "embed_tags": (["--dim", "4"], r"dictionary.npz  \d+ tags"),
    "solve_attenuator": ([], "attenuator.npz  4 "),
    "construct_index": ([], "60 posts"),
    "query_tags": (["fox", *FOREIGN], "nearest|score"),
    "bot": (["--profiles", "{board}/profiles.sqlite"], "I show you posts"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_terminal_of_any_encoding_shows_what_it_can(monkeypatch, foreign, encoding, name):
    options, expected = SCRIPTS[name]
    argv = [word.format(board=foreign) for word in options]
    talk = f"/enjoy {FOREIGN[0]} \u72d0\n/walk\n/taste\n/quit\n".encode()
    main = script(name)
    status, out, err = started(
        monkeypatch, encoding, main, [*argv, "--index", foreign / "index"], talk
    )
    assert status == 0 and "Traceback" not in err, err
    assert re.search(expected, out)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_commands_of_the_package_too(monkeypatch, foreign, tmp_path, encoding):
    captions = tmp_path / "captions"
    captions.mkdir()
    (captions / os.fsdecode(b"caf\xe9.txt")).write_text(f"{FOREIGN[1]}, fox, fox")
    (captions / os.fsdecode(b"bad\xe9.txt")).write_bytes(b"fox\xff")
    index = foreign / "index"
    for main, argv in (
        (importdb, [foreign, tmp_path / "index"]),
        (normalize, ["-v", "-f", "-k", "5", "--index", index, captions]),
        (evaluate, ["--index", index, "--quick", "--sections", "index", "--queries", "5"]),
    ):
        status, out, err = started(monkeypatch, encoding, main, argv)
        assert status == 0 and out and "Traceback" not in err, err


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_stays_json(monkeypatch, foreign, encoding):
    argv = ["--index", foreign / "index", "fox", "--json"]
    status, out, _ = started(monkeypatch, encoding, script("query_tags"), argv)
    tags = {found["tag"] for found in json.loads(out)["neighbors"]}
    assert status == 0 and tags >= set(FOREIGN)


def test_help_and_errors_are_shown_too(monkeypatch, foreign):
    for name in SCRIPTS:
        with pytest.raises(SystemExit) as ended:
            started(monkeypatch, "ascii", script(name), ["--help"])
        assert ended.value.code == 0
    argv = ["--index", foreign / "index", "\u72d0\u72d0"]
    status, _, err = started(monkeypatch, "ascii", script("query_tags"), argv)
    assert status == 1 and "no tag '\\u72d0\\u72d0'" in err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("query_tags", [BYTES]),
        ("query_tags", ["fox", "--output", f"{BYTES}.png"]),
        ("embed_tags", ["--tags", "fox", BYTES]),
        ("hydrate_data", ["--from", "{board}", "--site", BYTES]),
        ("hydrate_data", ["--from", "{board}", "--file-types", BYTES]),
        ("hydrate_data", ["--from", BYTES]),
        ("hydrate_data", ["--source", BYTES]),
        ("hydrate_data", ["--exports", BYTES]),
        ("solve_recognizer", ["--static-url", BYTES]),
        ("solve_recognizer", ["--previews", BYTES]),
        ("bot", ["--user", BYTES]),
        ("bot", ["--profiles", BYTES]),
        ("bot", ["--blacklist", BYTES]),
        ("bot", ["--sheet", BYTES]),
        *((name, ["--index", BYTES]) for name in ("solve_attenuator", "construct_index")),
    ],
    ids=str,
)
def test_an_argument_that_is_not_text_gets_one_line(monkeypatch, foreign, encoding, name, argv):
    argv = [word.format(board=foreign) for word in argv]
    if "--index" not in argv:
        argv += ["--index", str(foreign / "index")]
    status, out, err = started(monkeypatch, encoding, script(name), argv)
    assert status == 1 and out == ""
    assert len(err.splitlines()) == 1
    assert "fo\\udcff" in err and "not UTF-8" in err and "expected" in err


def test_a_process_of_its_own(foreign):
    command = [sys.executable, ROOT / "query_tags.py", "--index", foreign / "index"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = {"capture_output": True, "env": environment, "timeout": 600}
    done = subprocess.run([*command, FOREIGN[1]], **run)
    assert done.returncode == 0 and rb"\u72d0" in done.stdout and done.stderr == b""
    done = subprocess.run([*map(os.fsencode, command), b"fo\xff"], **run)
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr.startswith(rb"query_tags.py: argument 'fo\udcff' holds bytes")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_were_closed_before_the_start(foreign, tmp_path, closed):
    index = foreign / "index"
    before = (index / "attenuator.npz").read_bytes()
    shell = f'"$0" "$1" --index "$2" {closed}'
    command = ["/bin/sh", "-c", shell, sys.executable, ROOT / "solve_attenuator.py", index]
    done = subprocess.run(command, capture_output=True, timeout=600)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert (index / "attenuator.npz").read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
def test_output_that_cannot_be_written_is_one_line(foreign):
    command = [sys.executable, ROOT / "query_tags.py", "--index", foreign / "index", "fox"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=600)
    assert done.returncode == 1
    assert done.stderr.startswith(b"query_tags.py: ") and done.stderr.count(b"\n") == 1


def test_paths_that_python_alone_opens_may_have_any_name(tmp_path, monkeypatch, foreign):
    captions = tmp_path / BYTES
    captions.mkdir()
    (captions / "one.txt").write_text("fox, fox")
    argv = ["-f", "--index", foreign / "index", captions]
    assert started(monkeypatch, "utf-8", normalize, argv)[0] == 0
    assert (captions / "one.txt").read_text() == "fox"


@pytest.mark.parametrize("word", ["0", "-2", "1025", "two"])
def test_no_number_of_threads(word, capsys):
    parser = cli.parser("A script.")
    parser.add_argument("--jobs", type=cli.threads)
    with pytest.raises(SystemExit):
        parser.parse_args(["--jobs", word])
    assert "argument --jobs: " in capsys.readouterr().err


def test_stray_bytes_are_no_text():
    with pytest.raises(BadInput, match="not UTF-8"):
        cli.text(BYTES)
    assert cli.text(FOREIGN[2]) == FOREIGN[2]
