"""Change the program in small ways, one at a time, and see whether the tests notice.

    python -m benchmarks.mutants --count 160 --seed 1
    python -m benchmarks.mutants graph/pixie embedding/svd --count 40

Each change ("mutant") is made in a temporary copy of the checkout. There the tests
of `TESTS` run that should fail. Prints per module how many mutants were tried and
how many were caught, then the survivors as lines of a diff. Those that
`equivalent_mutants.toml` lists change nothing that anybody could see. It says why,
and they do not count. This takes about ten seconds a mutant, so run it by hand.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import importlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from copy import copy
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pytest

from e6graph import cli

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
COPIED = ("e6graph", "tests", "*.py", "pyproject.toml")
LOADED = "numpy scipy.sparse scipy.linalg scipy.optimize pyarrow.parquet pyarrow.compute annoy"
HINTS = ("strict", "check_finite", "overwrite_a", "overwrite_c")  # they change no answer
SLOW = "not kill and not however_they_are_spelled and not cores"  # many rounds in these tests
LEAST_SECONDS = 60  # until tests that hang are ended; else three times what they take

# The tests that should notice a change of a module, the fastest first.
TESTS = {
    "tags/never": "never",
    "tags/normalizer": "tags",
    "tags/implications": "tags import",
    "store/files": "store sidecars",
    "store/stage": "store sidecars",
    "store/index": "store sidecars",
    "hydrate/posts": "never import",
    "hydrate/post_rows": "never import",
    "recommend/ranking": "ranking recommend completion",
    "recommend/weights": "weights",
    "recommend/postgraph": "recommend completion",
    "recommend/listing": "recommend",
    "recommend/board": "recommend typed",
    "recommend/personal": "personal moods",
    "recommend/moods": "moods",
    "recommend/preference": "preference personal turning",
    "recommend/choosing": "preference personal turning",
    "recommend/completion": "completion",
    "graph/pixie": "pixie",
    "graph/neighbors": "neighbors",
    "embedding/svd": "embedding",
    "embedding/attenuator": "attenuator",
    "embedding/companions": "completion",
    "embedding/interactions": "interactions",
    "embedding/dictionary": "embedding",
    "pictures/recognizer": "recognizer",
    "pictures/judging": "recognizer",
    "pictures/kernel_ridge": "recognizer",
    "chat/profiles": "profiles",
    "chat/profile_tables": "profiles",
    "chat/contradictions": "contradictions",
}

# Operator → what it becomes. A comparison is flipped, and its boundary moved.
SWAPS = """
    Lt:GtE,LtE LtE:Gt,Lt Gt:LtE,GtE GtE:Lt,Gt Eq:NotEq NotEq:Eq In:NotIn NotIn:In Is:IsNot
    IsNot:Is And:Or Or:And Add:Sub Sub:Add Mult:Div Div:Mult FloorDiv:Mod Mod:FloorDiv
    Pow:Mult BitAnd:BitOr BitOr:BitAnd LShift:RShift RShift:LShift
"""
SWAPPED = {old: new.split(",") for old, new in (pair.split(":") for pair in SWAPS.split())}
DELETED = ast.Assign | ast.AugAssign | ast.Expr | ast.Raise | ast.Continue | ast.Break | ast.If


class Mutant(NamedTuple):
    """A change of one module: what its text becomes, and the lines that differ."""

    module: str
    text: str
    line: int
    old: str
    new: str


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Yield every mutant of a module.

    Constants of the module and texts stay as they are: another value is another
    choice there, and no mistake. So do f-strings, which are messages, and `HINTS`.
    """
    lines, data = text.splitlines(keepends=True), text.encode()
    starts = [0, *accumulate(len(line.encode()) for line in lines)]
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        arguments = function.args
        known = {one.arg for one in ast.walk(arguments) if isinstance(one, ast.arg)}
        parts = [*arguments.defaults, *filter(None, arguments.kw_defaults), *function.body]
        for node, new in (change for part in parts for change in _changes(part, known)):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
            made = (data[:start] + new.encode() + data[end:]).decode()
            diff = list(difflib.unified_diff(lines, made.splitlines(keepends=True), n=0))[3:]
            sides = (" ".join(d[1:].strip() for d in diff if d[0] == sign) for sign in "-+")
            yield Mutant(module, made, node.lineno, *sides)


def _changes(node: ast.AST, known: set[str]) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield (node, what to write in its place) for a node and all nodes in it.

    `known` are the names that have a value before it.
    """
    of_itself = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.JoinedStr)
    if of_itself or (isinstance(node, ast.keyword) and node.arg in HINTS):
        return
    if isinstance(node, ast.expr):
        yield from ((node, f"({new})") for new in _expressions(node))
    if isinstance(node, ast.stmt):
        yield from ((node, new) for new in _statements(node, known))
    tests = [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else []
    for test in node.ifs if isinstance(node, ast.comprehension) else tests:
        if not isinstance(test, ast.Compare | ast.UnaryOp):  # those are changed anyway
            yield test, f"(not ({ast.unparse(test)}))"
    for child in ast.iter_child_nodes(node):
        if child is not getattr(node, "annotation", None):
            yield from _changes(child, known)
    if isinstance(node, ast.Name):
        known.add(node.id)


def _expressions(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=bool(value)):
            yield repr(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (repr(value + 1), repr(value - 1))
        case ast.UnaryOp():
            yield ast.unparse(node.operand)
        case ast.BinOp(op=old) | ast.BoolOp(op=old):
            yield from (_with(node, op=new) for new in _swapped(old))
        case ast.Compare(ops=ops):
            for at, flipped in enumerate(ops):
                for new in _swapped(flipped):
                    yield _with(node, ops=[*ops[:at], new, *ops[at + 1 :]])


def _statements(node: ast.stmt, known: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Return) and node.value:
        yield "return None"
    if isinstance(node, ast.AugAssign):
        yield from (_with(node, op=new) for new in _swapped(node.op))
    names = [one for target in getattr(node, "targets", []) for one in ast.walk(target)]
    is_new = any(isinstance(one, ast.Name) and one.id not in known for one in names)
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    if isinstance(node, DELETED) and not (is_new or is_text or getattr(node, "orelse", None)):
        yield "pass"


def _swapped(old: ast.AST) -> list[ast.AST]:
    return [getattr(ast, new)() for new in SWAPPED.get(type(old).__name__, ())]


def _with(node: ast.AST, **fields: object) -> str:
    """Write a node with other values of some fields."""
    made = copy(node)
    vars(made).update(fields)
    return ast.unparse(made)


def known_equivalents() -> dict[tuple[str, str, str], str]:
    """Read which mutants change nothing: (module, old line, new line) → why."""
    listed = tomllib.loads(EQUIVALENT.read_text("utf-8"))["equivalent"]
    return {(one["module"], one["old"], one["new"]): one["why"] for one in listed}


def draw(modules: list[str], count: int, seed: int) -> list[Mutant]:
    """Draw `count` mutants, from each module as many, give or take one."""
    rng, drawn = random.Random(seed), []  # noqa: S311 (a sample)
    for place, module in enumerate(modules):
        text = (ROOT / "e6graph" / f"{module}.py").read_text("utf-8")
        every = list(mutants(module, text))
        share = (place + 1) * count // len(modules) - place * count // len(modules)
        drawn += rng.sample(every, min(share, len(every)))
    return drawn


def run_tests(root: Path, module: str, limit: float | None = None) -> bool:
    """Run the tests of a module; return whether all pass within `limit` seconds."""
    tests = [f"tests/test_{name}.py" for name in TESTS[module].split()]
    # A fork has NumPy and the like loaded already.
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_test, args=(root, [f"e6graph/{module}.py", *tests]))
    process.start()
    process.join(limit)
    if process.pid:
        with contextlib.suppress(ProcessLookupError):  # with what the tests started
            os.killpg(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == 0


def _test(root: Path, files: list[str]) -> None:
    """Run pytest on some files of a copy, in this process, which is a fork of ours."""
    os.setsid()
    log = os.open(root / "pytest.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(root)
    os.environ.pop("E6GRAPH_SHARED", None)  # the boards of others take minutes
    sys.path[:0] = [str(root)]
    ours = [name for name in sys.modules if name.partition(".")[0] in ("e6graph", "benchmarks")]
    for name in ours:
        del sys.modules[name]
    os._exit(pytest.main(["-x", "-q", "-k", SLOW, "-p", "no:cacheprovider", *files]))


def try_mutants(drawn: list[Mutant], root: Path) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant, and whether the tests noticed it."""
    limit: dict[str, float] = {}  # seconds, by the tests
    for number, mutant in enumerate(drawn):
        tests = TESTS[mutant.module]
        if tests not in limit:
            started = time.monotonic()
            if not run_tests(root, mutant.module):
                log = (root / "pytest.log").read_text("utf-8", "replace")
                raise SystemExit(f"the tests of {mutant.module} fail already:\n{log[-2000:]}")
            limit[tests] = max(LEAST_SECONDS, 3 * (time.monotonic() - started))
        path = root / "e6graph" / f"{mutant.module}.py"
        whole = path.read_bytes()
        path.write_text(mutant.text, "utf-8")
        # Python compiles anew when the second of the change differs.
        os.utime(path, (number, number))
        yield mutant, not run_tests(root, mutant.module, limit[tests])
        path.write_bytes(whole)


def table(tried: list[tuple[Mutant, bool]], known: dict[tuple[str, str, str], str]) -> str:
    """Make the report: a row per module, then the survivors."""
    rows: dict[str, list[int]] = {}
    total, survivors = [0, 0, 0], []
    for mutant, caught in tried:
        why = None if caught else known.get((mutant.module, mutant.old, mutant.new))
        for row in (rows.setdefault(mutant.module, [0, 0, 0]), total):
            row[0] += 1
            row[1] += caught
            row[2] += why is not None
        if not caught:
            where = f"{mutant.module}.py:{mutant.line}"
            survivors.append(f"{where}  (equivalent: {why})" if why else where)
            survivors += [f"  - {mutant.old}", f"  + {mutant.new}"]
    lines = [f"{'module':24}{'mutants':>9}{'caught':>9}{'equivalent':>12}"]
    for name, numbers in [*rows.items(), ("all", total)]:
        lines.append(f"{name:24}{numbers[0]:9}{numbers[1]:9}{numbers[2]:12}")
    share = total[1] / max(total[0] - total[2], 1)
    lines.append(f"caught of those that change behavior: {share:.1%}")
    return "\n".join([*lines, "", *survivors])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as graph/pixie; all")
    parser.add_argument("--count", type=cli.natural, default=160, help="mutants in all (160)")
    parser.add_argument("--seed", type=cli.natural, default=0, help="of the draw (0)")
    args = parser.parse_args(argv)
    unknown = set(args.modules) - TESTS.keys()
    if unknown:
        parser.error(f"no tests for {', '.join(sorted(unknown))}: expected {', '.join(TESTS)}")

    drawn, tried = draw(args.modules or list(TESTS), args.count, args.seed), []
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "copy"
        root.mkdir()
        for pattern in COPIED:
            for path in ROOT.glob(pattern):
                take = shutil.copytree if path.is_dir() else shutil.copy2
                take(path, root / path.name)
        for name in LOADED.split():
            importlib.import_module(name)
        for mutant, caught in try_mutants(drawn, root):
            tried.append((mutant, caught))
            said = "caught" if caught else f"SURVIVED: {mutant.old} -> {mutant.new}"
            print(f"{len(tried)}/{len(drawn)} {mutant.module}:{mutant.line} {said}", flush=True)
    print(table(tried, known_equivalents()))


if __name__ == "__main__":
    main()
