"""What the scripts share: their help, and what they say outside of their environment."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE
from packaging.requirements import Requirement

from e6graph import cli

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))
MODULES = {"pillow": "PIL"}  # imported by another name than their package's


def parser_of(script, monkeypatch):
    """The parser that a script makes."""
    monkeypatch.syspath_prepend(ROOT)
    made = []

    def stop(parser, argv=None):
        made.append(parser)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    with pytest.raises(SystemExit):
        __import__(script.removesuffix(".py")).main([])
    return made[0]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_the_defaults_that_say_something(script, monkeypatch):
    parser = parser_of(script, monkeypatch)
    text = " ".join(parser.format_help().split())
    assert not re.search(r"\(default: (None|False|\[\]|==)", text)
    shown = 0
    for action in parser._actions:
        assert action.help and action.help.strip(), action.dest
        default = action.default
        if default is None or default is False or default in ([], argparse.SUPPRESS):
            continue
        shown += 1
        assert f"(default: {default})" in text, action.dest
    assert text.count("(default: ") == shown > 0
    assert "the index directory (default: index)" in text


def test_a_default_of_zero_is_shown():
    parser = cli.parser("A script.")
    parser.add_argument("--seed", type=cli.natural, default=0, help="of the draw")
    parser.add_argument("--tags", nargs="*", default=[], help="which; none: all")
    text = " ".join(parser.format_help().split())
    assert "of the draw (default: 0)" in text and text.endswith("none: all")


@pytest.mark.parametrize(
    ("started", "program"),
    [
        *(([script], script) for script in SCRIPTS),
        (["-m", "e6graph.importdb"], "importdb.py"),
        (["-m", "e6graph.normalize"], "e6graph"),
        (["-m", "e6graph.evaluate"], "e6graph"),
    ],
    ids=str,
)
def test_outside_the_environment_one_line_says_what_to_install(started, program):
    """`-S` leaves out the installed packages."""
    command = [sys.executable, "-S", "-E", *started]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (
        f"{program}: numpy is not installed: activate the environment "
        "(. .venv/bin/activate) or pip install -r requirements.txt\n"
    )


def test_other_errors_keep_their_traceback(monkeypatch, capsys):
    error = ModuleNotFoundError("No module named 'nonsense'", name="nonsense")
    cli.explain_missing(type(error), error, None)
    assert capsys.readouterr().err == "ModuleNotFoundError: No module named 'nonsense'\n"
    monkeypatch.setattr(sys, "argv", ["/some/where/bot.py"])
    error = ModuleNotFoundError("No module named 'scipy.sparse'", name="scipy.sparse")
    cli.explain_missing(type(error), error, None)
    assert capsys.readouterr().err.startswith("bot.py: scipy is not installed: activate ")


def test_the_packages_told_of_are_the_required_ones():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    lines = [line.partition("#")[0].strip() for line in lines]
    names = {Requirement(line).name for line in lines if line}
    assert {MODULES.get(name, name) for name in names} == cli.CORE


@pytest.mark.parametrize(
    ("started", "said"),
    [
        ("/some/where/bot.py", "bot.py"),
        ("/some/where/e6graph/normalize/__main__.py", "e6graph.normalize"),
    ],
)
def test_an_error_names_the_program(monkeypatch, capsys, started, said):
    monkeypatch.setattr(sys, "argv", [started])

    def main():
        raise MemoryError("9 GB")

    assert cli.run(main) == 1
    assert capsys.readouterr().err == f"{said}: out of memory (9 GB)\n"


def parsers_of_the_package(monkeypatch):
    """The parsers of the commands that `python -m` runs."""
    from e6graph.evaluate import __main__ as evaluate
    from e6graph.hydrate import importdb
    from e6graph.normalize import __main__ as normalize

    made = []

    def stop(parser, argv=None):
        made.append(parser)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    for main in (evaluate.main, importdb.main, normalize.main):
        with pytest.raises(SystemExit):
            main([])
    return made


def test_what_happens_without_an_option_is_said_in_one_way(monkeypatch):
    parsers = [parser_of(script, monkeypatch) for script in SCRIPTS]
    parsers += parsers_of_the_package(monkeypatch)
    said = 0
    for parser in parsers:
        for action in parser._actions:
            text = action.help or ""
            other = re.search(
                r"\bunset\b|not given|without th|without it(?!, )|by default", text
            )
            assert not other, (parser.prog, action.dest, text)
            said += "; without it, " in text
    assert said >= 12


@pytest.mark.parametrize("module", ["importdb", "normalize", "evaluate"])
@pytest.mark.parametrize("missing", sorted(cli.CORE))
def test_any_missing_package_is_one_line(module, missing):
    """The import of None in `sys.modules` fails as that of a package that is not there."""
    code = (
        "import runpy, sys; sys.modules[sys.argv.pop()] = None; "
        f"sys.argv[1:] = ['--help']; runpy.run_module('e6graph.{module}', "
        "run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", code, missing]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE)
    lines = done.stderr.splitlines()
    if done.returncode == 0:  # it is needed later, if at all
        assert done.stdout.startswith("usage: ")
    else:
        assert len(lines) == 1 and f": {missing} is not installed: " in lines[0]
