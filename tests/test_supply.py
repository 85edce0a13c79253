"""What is installed and what the code may do: pinned, hashed, without pickle, eval or a shell."""

import ast
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
CODE = [
    p
    for p in ROOT.glob("**/*.py")
    if not p.is_relative_to(ROOT / "tests")
    and not any(part.startswith(".") for part in p.relative_to(ROOT).parts)
]
FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv"}


def wanted():
    found = []
    for name in ("requirements.txt", "requirements-extra.txt", "requirements-test.txt"):
        for line in (ROOT / name).read_text().splitlines():
            line = line.partition("#")[0].strip()
            if line and not line.startswith("-r"):
                found.append(pytest.param(Requirement(line), id=line))
    return found


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
