"""What is installed and what the code may do: pinned, hashed, without pickle, eval or a shell."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from e6graph import __version__

ROOT = Path(__file__).resolve().parents[1]
CODE = [
    p
    for p in ROOT.glob("**/*.py")
    if not p.is_relative_to(ROOT / "tests")
    and not any(part.startswith(".") for part in p.relative_to(ROOT).parts)
]
FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv"}


def requirements(name):
    """The requirements of a file, without those of the files that it includes."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


def wanted():
    names = ("requirements.txt", "requirements-extra.txt", "requirements-test.txt")
    return [pytest.param(each, id=str(each)) for name in names for each in requirements(name)]


def test_the_extras_are_those_of_the_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert extras.keys() == {"als", "plots", "web", "telegram", "terminal", "encoder"}
    listed = {str(Requirement(each)) for group in extras.values() for each in group}
    assert sorted(listed) == sorted(map(str, requirements("requirements-extra.txt")))
    for name in extras:  # and the requirements say how to install them
        assert f"[{name}]" in (ROOT / "requirements-extra.txt").read_text()


def test_the_version_stands_in_one_place():
    """setuptools reads it from the package, without importing it."""
    text = (ROOT / "pyproject.toml").read_text()
    assert tomllib.loads(text)["project"]["dynamic"] == ["version", "dependencies"]
    version = tomllib.loads(text)["tool"]["setuptools"]["dynamic"]["version"]
    assert version == {"attr": "e6graph.__version__"}
    init = ast.parse((ROOT / "e6graph" / "__init__.py").read_text())
    values = [ast.literal_eval(n.value) for n in init.body if isinstance(n, ast.Assign)]
    assert __version__ in values
    for path in [ROOT / "pyproject.toml", *(ROOT / "e6graph").rglob("*.py")]:
        if path != ROOT / "e6graph" / "__init__.py":
            lines = path.read_text("utf-8").splitlines()
            assert not [line for line in lines if re.search(rf"[\"']{__version__}[\"']", line)]


def locked():
    text = (ROOT / "requirements-lock.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


@pytest.mark.parametrize("requirement", wanted())
def test_the_lock_pins_what_is_asked_for(requirement):
    name = re.escape(requirement.name).replace("_", "[-_]").replace(r"\-", "[-_]")
    pins = [re.match(rf"{name}==([\w.]+)", line, re.IGNORECASE) for line in locked()]
    versions = [match[1] for match in pins if match]
    assert versions and all(requirement.specifier.contains(version) for version in versions)


def test_every_pin_has_its_hashes_and_none_names_a_place():
    lines = locked()
    assert len(lines) > 50
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", line) for line in lines)
    assert not re.search(
        r"https?://|--index|--find-links", (ROOT / "requirements-lock.txt").read_text()
    )


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle_no_eval_no_shell(path):
    """By the syntax tree: imports, calls, and NumPy's and subprocess's own switches."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert FORBIDDEN.isdisjoint(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in FORBIDDEN
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            switches = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert called not in CALLS, f"line {node.lineno}"
            assert switches.get("shell", "False") == "False", f"line {node.lineno}"
            assert switches.get("allow_pickle", "False") == "False", f"line {node.lineno}"
            if called in ("np.load", "np.save"):  # whose defaults changed once
                assert "allow_pickle" in switches, f"line {node.lineno}"
