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
from pathlib import Path
from typing import NamedTuple

import pytest

from e6graph import cli

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
COPIED = ("e6graph", "tests", "*.py", "pyproject.toml")
LOADED = (
    "numpy scipy.sparse scipy.linalg scipy.optimize pyarrow.parquet pyarrow.compute annoy PIL"
)
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
    "recommend/ranking": "ranking recommend completion",
    "recommend/weights": "weights",
    "recommend/postgraph": "recommend completion",
    "recommend/board": "recommend",
    "recommend/personal": "personal",
    "recommend/preference": "preference personal",
    "recommend/completion": "completion",
    "graph/pixie": "pixie",
    "graph/neighbors": "neighbors",
    "embedding/svd": "embedding",
    "embedding/attenuator": "attenuator",
    "embedding/companions": "completion",
    "embedding/interactions": "interactions",
    "embedding/dictionary": "embedding",
    "pictures/recognizer": "recognizer",
    "pictures/kernel_ridge": "recognizer",
    "chat/profiles": "profiles",
}

# What becomes of an operator. A comparison is flipped, and its boundary moved.
SWAPPED: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}


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
    choice there, and no mistake. So does what stands in an f-string, a message.
    """
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data = text.encode()
    for node, new in changes(tree):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        made = (data[:start] + new.encode() + data[end:]).decode()
        diff = list(difflib.unified_diff(lines, made.splitlines(keepends=True), n=0))[3:]
        old = " ".join(line[1:].strip() for line in diff if line[0] == "-")
        changed = " ".join(line[1:].strip() for line in diff if line[0] == "+")
        yield Mutant(module, made, node.lineno, old, changed)


def changes(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield (node of a module, what to write in its place)."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            known = {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
            defaults = [*function.args.defaults, *function.args.kw_defaults]
            for default in defaults:
                yield from _of_value(default)
            for statement in function.body:
                yield from _of_statement(statement, known)


def _of_statement(node: ast.stmt, known: set[str]) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Change a statement and what is in it; `known` are names that have a value."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return  # a function within another comes by itself
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    loses_no_name = not isinstance(node, ast.Assign) or not any(
        isinstance(target, ast.Name) and target.id not in known
        for whole in node.targets
        for target in ast.walk(whole)
    )
    kinds = ast.Assign | ast.AugAssign | ast.Expr | ast.Raise | ast.Continue | ast.Break
    if isinstance(node, kinds) and loses_no_name and not is_text:
        yield node, "pass"
    if isinstance(node, ast.Return) and node.value and not _is_none(node.value):
        yield node, "return None"
    if isinstance(node, ast.AugAssign):
        for operator in SWAPPED.get(type(node.op), ()):
            swapped = ast.AugAssign(node.target, operator(), node.value)
            yield node, ast.unparse(swapped)
    if isinstance(node, ast.If) and not node.orelse:
        yield node, "pass"
    if isinstance(node, ast.If | ast.While):
        yield from _negated(node.test)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from _of_statement(child, known)
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            for statement in child.body:
                yield from _of_statement(statement, known)
        elif not (isinstance(node, ast.AnnAssign) and child is node.annotation):
            yield from _of_value(child)
    known |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _of_value(node: ast.AST | None) -> Iterator[tuple[ast.expr, str]]:
    """Change an expression in every way, and what is in it."""
    if node is None or isinstance(node, ast.JoinedStr):
        return
    for new in _changed(node):
        yield node, f"({ast.unparse(new)})"  # type: ignore[misc]
    if isinstance(node, ast.comprehension):
        for test in node.ifs:
            yield from _negated(test)
    for child in ast.iter_child_nodes(node):
        yield from _of_value(child)


def _negated(test: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    if not isinstance(test, ast.Compare | ast.UnaryOp):  # those are changed anyway
        yield test, f"(not ({ast.unparse(test)}))"


def _changed(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int | float):
            yield ast.Constant(node.value + 1)
            yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.BinOp):
        for operator in SWAPPED.get(type(node.op), ()):
            yield ast.BinOp(node.left, operator(), node.right)
    elif isinstance(node, ast.BoolOp):
        for operator in SWAPPED[type(node.op)]:
            yield ast.BoolOp(operator(), node.values)
    elif isinstance(node, ast.Compare):
        for at, old in enumerate(node.ops):
            for operator in SWAPPED[type(old)]:
                ops = [*node.ops[:at], operator(), *node.ops[at + 1 :]]
                yield ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def known_equivalents() -> dict[tuple[str, str, str], str]:
    """Read which mutants change nothing: (module, old line, new line) → why."""
    listed = tomllib.loads(EQUIVALENT.read_text("utf-8"))["equivalent"]
    return {(one["module"], one["old"], one["new"]): one["why"] for one in listed}


def draw(modules: list[str], count: int, seed: int) -> list[Mutant]:
    """Draw about `count` mutants, from each module as many."""
    rng, drawn = random.Random(seed), []  # noqa: S311 (a sample)
    for place, module in enumerate(modules):
        text = (ROOT / "e6graph" / f"{module}.py").read_text("utf-8")
        every = list(mutants(module, text))
        share = (place + 1) * count // len(modules) - place * count // len(modules)
        drawn += rng.sample(every, min(share, len(every)))
    return drawn


def run_tests(copy: Path, module: str, limit: float | None = None) -> bool:
    """Run the tests of a module; return whether all pass within `limit` seconds."""
    tests = [f"tests/test_{name}.py" for name in TESTS[module].split()]
    # A fork has NumPy and the like loaded already.
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_test, args=(copy, [f"e6graph/{module}.py", *tests]))
    process.start()
    process.join(limit)
    with contextlib.suppress(ProcessLookupError):  # with what the tests started
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()
    return process.exitcode == 0


def _test(copy: Path, files: list[str]) -> None:
    """Run pytest on some files of the copy, in this process, which is a fork of ours."""
    os.setsid()
    log = os.open(copy / "pytest.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(copy)
    os.environ.pop("E6GRAPH_SHARED", None)  # the boards of others take minutes
    sys.path[:0] = [str(copy)]
    ours = [name for name in sys.modules if name.partition(".")[0] in ("e6graph", "benchmarks")]
    for name in ours:
        del sys.modules[name]
    os._exit(pytest.main(["-x", "-q", "-k", SLOW, "-p", "no:cacheprovider", *files]))


def try_mutants(drawn: list[Mutant], copy: Path) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant, and whether the tests noticed it."""
    limit: dict[str, float] = {}  # seconds, by the tests
    for number, mutant in enumerate(drawn):
        tests = TESTS[mutant.module]
        if tests not in limit:
            started = time.monotonic()
            if not run_tests(copy, mutant.module):
                log = (copy / "pytest.log").read_text("utf-8", "replace")
                raise SystemExit(f"the tests of {mutant.module} fail already:\n{log[-2000:]}")
            limit[tests] = max(LEAST_SECONDS, 3 * (time.monotonic() - started))
        path = copy / "e6graph" / f"{mutant.module}.py"
        whole = path.read_bytes()
        path.write_text(mutant.text, "utf-8")
        # Python compiles anew when the second of the change differs.
        os.utime(path, (number, number))
        yield mutant, not run_tests(copy, mutant.module, limit[tests])
        path.write_bytes(whole)


def table(tried: list[tuple[Mutant, bool]], known: dict[tuple[str, str, str], str]) -> str:
    """Make the report: a row per module, then the survivors."""
    rows: dict[str, list[int]] = {}
    survivors, total = [], [0, 0, 0]
    for mutant, caught in tried:
        same = not caught and (mutant.module, mutant.old, mutant.new) in known
        for row in (rows.setdefault(mutant.module, [0, 0, 0]), total):
            row[0] += 1
            row[1] += caught
            row[2] += same
        if not caught:
            why = known.get((mutant.module, mutant.old, mutant.new))
            survivors.append(
                f"{mutant.module}.py:{mutant.line}" + (f"  (equivalent: {why})" if why else "")
            )
            survivors += [f"  - {mutant.old}", f"  + {mutant.new or '(nothing)'}"]
    lines = [f"{'module':24}{'mutants':>9}{'caught':>9}{'equivalent':>12}"]
    for name, (mutants, caught, same) in [*rows.items(), ("all", total)]:
        lines.append(f"{name:24}{mutants:9}{caught:9}{same:12}")
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
        copy = Path(directory) / "copy"
        copy.mkdir()
        for pattern in COPIED:
            for path in ROOT.glob(pattern):
                take = shutil.copytree if path.is_dir() else shutil.copy2
                take(path, copy / path.name)
        for name in LOADED.split():
            importlib.import_module(name)
        for mutant, caught in try_mutants(drawn, copy):
            tried.append((mutant, caught))
            said = "caught" if caught else f"SURVIVED: {mutant.old} -> {mutant.new}"
            print(f"{len(tried)}/{len(drawn)} {mutant.module}:{mutant.line} {said}", flush=True)
    print(table(tried, known_equivalents()))


if __name__ == "__main__":
    main()
