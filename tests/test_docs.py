"""The README cannot rot: all its examples run on a small demo board, and its files are there."""

import ast
import doctest
import importlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE
from test_scripts import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")

NOT_RUN = {  # command of the README -> why no test runs it; its options are checked all the same
    "make test": "the tests would run themselves",
    "python3 -m venv .venv && . .venv/bin/activate": "the environment of the tests stands for it",
    "python hydrate_data.py": "downloads the site's exports",
    "python solve_recognizer.py": "downloads previews from the site",
    "BOT_TOKEN=... python bot.py --telegram": "needs a token, and Telegram",
}
SMALLER = {  # what keeps a command short: pattern -> replacement
    r"--demo(?= |$)": "--demo 90",
    r"--web\b(?!.*--port)": "--web --port 0",
    r"-m e6graph\.evaluate\b(?!.*--quick)": "-m e6graph.evaluate --quick",
}
INSTALLS = re.compile(r"(sudo apt-get|xcode-select|(\S*python -m )?pip) ")


def blocks(language):
    """(first line's number, text) of each fenced block of the README in that language."""
    found = re.finditer(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [(README.count("\n", 0, match.start(1)) + 1, match[1]) for match in found]


def commands(number, text):
    """(line number, command without its comment) of a shell block; `\\` at the end joins lines."""
    lines = enumerate(text.splitlines(), number)
    for at, line in lines:
        while line.endswith("\\"):
            line = line[:-1] + next(lines)[1].lstrip()
        command = re.sub(r"(^|\s)#.*", "", line).strip()
        if command:
            yield at, command


def inline_commands():
    """(line number, command) of each piece of code between the README's lines."""
    prose = re.sub(r"^```.*?^```", lambda m: re.sub(".", " ", m[0]), README, flags=re.M | re.S)
    for match in re.finditer(r"`((?:\S*python|make|pip) [^`]+)`", prose):
        yield prose.count("\n", 0, match.start()) + 1, " ".join(match[1].split())


SHELL = [[*commands(*block)] for block in blocks("sh")]
SHELL += [[one] for one in inline_commands() if one[1] not in {c for b in SHELL for _, c in b}]


def named(block):
    """The name of a test: where its block begins."""
    return f"line {block[0][0]}"


# -- a checkout in which the examples run ----------------------------------------------------------
@pytest.fixture
def checkout(demo, tmp_path):
    """A checkout after `make demo`, of the small board; `.venv` stands for our environment."""
    place = tmp_path / "e6graph"
    shutil.copytree(demo, place / "demo")
    (place / "index").symlink_to("demo/index")
    for path in ROOT.iterdir():
        if path.suffix in {".py", ".txt", ".toml"} or path.name in {"Makefile", "e6graph"}:
            (place / path.name).symlink_to(path)
    bin_ = place / ".venv" / "bin"
    bin_.mkdir(parents=True)
    for name in ("python", "python3"):
        (bin_ / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        (bin_ / name).chmod(0o755)
    for name in ["bin/activate", *re.findall(r"\$\(VENV\)/(\.[\w-]+)", MAKEFILE)]:
        (place / ".venv" / name).touch()
    (place / "captions").mkdir()
    (place / "captions" / "1.txt").write_text("fox, night, mammal\n")
    shutil.copy(next(demo.glob("data/**/*.jpg")), place / "demo" / "recommendations.png")
    return place


def environment(checkout):
    """Variables for the examples: our `python` first in PATH, nothing of the user's, no network."""
    kept = {
        k: v for k, v in ENVIRONMENT.items() if not re.match("MAKE|E6GRAPH_|(?i:.*_proxy)", k)
    }
    path = f"{checkout / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    nobody = "http://127.0.0.1:9"  # no example may reach the site
    proxies = {"http_proxy": nobody, "https_proxy": nobody, "no_proxy": "127.0.0.1"}
    return kept | proxies | {"PATH": path, "PYTHONPATH": str(checkout)}


def recipe(target, checkout):
    """The commands behind `make TARGET`, as make itself prints them."""
    if not shutil.which("make"):
        pytest.skip("there is no make")
    command = ["make", "--dry-run", "--no-print-directory", *target.split()]
    made = subprocess.run(
        command, cwd=checkout, env=environment(checkout), capture_output=True, text=True
    )
    assert made.returncode == 0, f"make {target}: {made.stderr}"
    return made.stdout


def run(program, checkout, where, variables):
    """Run a program of shell commands; it must end well. A server is asked for its page first."""
    options = dict(text=True, stdin=subprocess.DEVNULL, start_new_session=True)
    out_path, err_path = checkout.parent / "stdout", checkout.parent / "stderr"
    with open(out_path, "w") as out, open(err_path, "w") as err:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", program],
            cwd=checkout,
            env=environment(checkout) | variables,
            stdout=out,
            stderr=err,
            **options,
        )
        try:
            if "--web" in program:
                ask_and_stop(process, out_path)
            status = process.wait(PATIENCE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    said = "\n".join(path.read_text("utf-8")[-2000:] for path in (out_path, err_path))
    assert status == 0, f"README.md, {where}: ended with {status}:\n{program}\n{said}"
    assert "Traceback" not in said, f"README.md, {where}: {program}\n{said}"


def ask_and_stop(process, out_path):
    """Read a page from the address that a server prints, then interrupt it (Ctrl-C)."""
    address = None
    while process.poll() is None and not address:
        address = re.search(r"http://[\d.]+:\d+/(?=\s)", out_path.read_text("utf-8"))
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    if address and process.poll() is None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address[0], timeout=PATIENCE) as page:
            assert page.status == 200 and b"<html" in page.read()
        os.killpg(process.pid, signal.SIGINT)


def smaller(program):
    """The same commands for a small board, in less time."""
    for pattern, replacement in SMALLER.items():
        program = re.sub(pattern, replacement, program, flags=re.MULTILINE)
    return program


# -- the examples ----------------------------------------------------------------------------------
@pytest.mark.parametrize("block", SHELL, ids=named)
def test_the_commands_of_the_readme_run(block, checkout):
    """Line by line, those of a block in one checkout; what is only checked is in `NOT_RUN`."""
    variables = {}
    for number, command in block:
        where = f"line {number}"
        if command in NOT_RUN:
            continue
        if INSTALLS.match(command):  # it is installed; but is the list of packages there?
            for name in re.findall(r"-r (\S+)", command):
                assert (ROOT / name).is_file(), f"{where}: {command}"
        elif re.match(r"export \w+=", command):
            variables |= dict([shlex.split(command)[1].split("=", 1)])
        elif re.match(r"(\.|source) \S+/activate$", command):
            assert (checkout / command.split()[1]).is_file(), f"{where}: {command}"
        elif made := re.match(r"make (.+)", command):
            run(smaller(recipe(made[1], checkout)), checkout, where, variables)
        else:
            run(smaller(command), checkout, where, variables)


def test_what_is_not_run_is_in_the_readme_and_is_little():
    shown = {command for block in SHELL for _, command in block}
    assert set(NOT_RUN) <= shown and len(shown - set(NOT_RUN)) > 10
    assert blocks("python") and blocks("pycon")


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: f"line {block[0]}")
def test_the_python_of_the_readme_runs(block, checkout, monkeypatch):
    """In the checkout; each value shown or kept is there, and is not empty."""
    number, text = block
    monkeypatch.chdir(checkout)
    names = {}
    tree = ast.parse("\n" * (number - 1) + text)  # its errors name the README's lines
    for node in tree.body:
        if isinstance(node, ast.Expr):
            code = compile(ast.Expression(node.value), "README.md", "eval")
            value = eval(code, names)
            assert value is not None and len(value), ast.unparse(node)
        else:
            exec(compile(ast.Module([node], []), "README.md", "exec"), names)
    arrays = {name: value for name, value in names.items() if isinstance(value, np.ndarray)}
    assert all(map(len, arrays.values())), arrays


@pytest.mark.parametrize("block", blocks("pycon"), ids=lambda block: f"line {block[0]}")
def test_the_worked_examples_run_to_the_digit(block, checkout, monkeypatch):
    number, text = block
    monkeypatch.chdir(checkout)
    test = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", number - 1)
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_what_is_said_to_the_bot_it_knows(checkout):
    """The commands in the README's talks and prose, beside what /help lists."""
    said = set(re.findall(r"(?:^> |`)(/[a-z]+)(?![\w/.])", README, re.M))
    assert len(said) > 5
    run("printf '/help\n/quit\n' | python bot.py", checkout, "the bot's commands", {})
    known = re.findall(r"^(/\w+)", (checkout.parent / "stdout").read_text("utf-8"), re.M)
    assert said <= set(known)


# -- what can be checked without running it --------------------------------------------------------
def cron_lines():
    """The lines of the README's cron job."""
    ((_, text),) = blocks("crontab")
    return text.splitlines()


def test_the_cron_job_runs_the_scripts_in_order():
    settings, jobs = cron_lines()[:2], cron_lines()[2:]
    assert [line.partition("=")[0] for line in settings] == ["E6GRAPH_CONTACT", "PATH"]
    (job,) = [line for line in jobs if not line.startswith("#")]
    when, command = job.split()[:5], job.split(maxsplit=5)[5]
    assert when[2:] == ["*"] * 3 and 0 <= int(when[0]) < 60 and 0 <= int(when[1]) < 24
    assert "%" not in command  # which cron would take for a line end
    place, *steps = command.split(" && ")
    in_order = re.findall(r"^\| `(\w+\.py)` \|", README, re.M)
    assert steps == [f"python {name}" for name in in_order] and len(steps) == 5
    assert place.startswith("cd /") and f"{place[3:]}/.venv/bin:" in settings[1]


def script_calls():
    shown = [command for block in SHELL for _, command in block]
    shown += [step for line in cron_lines() for step in line.split(" && ")[1:]]
    for line in [*shown, *MAKEFILE.replace("\\\n", " ").splitlines()]:
        for part in line.split("|"):
            found = re.search(r"(?:python|\$\(BIN\)/python) (\w+)\.py(.*)", part)
            if found:
                yield found[1], found[2].replace("$(DEMO)", "demo")


@pytest.mark.parametrize(("script", "options"), sorted(set(script_calls())))
def test_every_command_shown_is_one_the_scripts_take(script, options):
    source = importlib.import_module(script)
    shown = []

    def read(parser, argv=None, namespace=None):
        shown.append(parser.parse_known_args(shlex.split(options))[1])
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("argparse.ArgumentParser.parse_args", read)
        source.main([])
    assert shown == [[]]  # no option was left over


def test_every_script_is_in_the_table_and_every_file_named_is_there():
    scripts = sorted(path.name for path in ROOT.glob("*.py"))
    assert len(scripts) >= 6
    for name in scripts:
        assert name in README
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).is_file(), link


def test_the_readme_is_short_and_finished():
    assert len(README.splitlines()) < 250
    left_open = set(re.findall(r"\b[A-Z]{3,}_[A-Z_]{3,}\b", README))
    assert left_open <= {"E6GRAPH_CONTACT", "BOT_TOKEN"}


def test_scripts_stay_small():
    for path in ROOT.glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) <= 110, path
