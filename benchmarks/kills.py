"""Kill the pipeline and the bot at random moments, run them again, and compare every byte.

    python -m benchmarks.kills --rounds 200

Draws two small demo boards, builds the index of the first and, over it, that of the
second, undisturbed. A round then takes a stage of the second at random, kills it
(SIGKILL) once or more, and runs it to its end. After each kill readers must find
the old artifacts or the new ones, whole; after the run the new ones, byte for byte,
and nothing beside them. Every eighth round kills a bot that talks from a pipe, and
looks for all that it said it keeps. Exits with status 1 on any difference.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from e6graph import cli
from e6graph.chat.profiles import Profiles
from e6graph.demo import make_board
from e6graph.errors import E6GraphError
from e6graph.store.files import JOURNAL, TEMPORARY
from e6graph.store.index import LOCK, Store

from .measure import ROOT

BOT = "bot.py"
EVERY = 8  # rounds, one of which kills the bot
AGAIN = 0.3  # chance of killing the same stage once more
LINES = 150  # of the talk: the bot is killed after as many at most
AIMS = ("any moment", "while writing", "amid the renames")
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
TALK = "".join(
    f"/enjoy {tag}\n/walk\n/like\n/dislike\n/avoid {other}\n/surprise\n/like\n"
    for tag, other in (("fox", "rain"), ("night", "snow"), ("owl", "desert"), ("sky", "city"))
)


class Kills:
    """The boards, the index before and after each stage, and the outcomes of the rounds so far."""

    def __init__(self, scratch: Path, posts: int, seed: int) -> None:
        self.scratch, self.rng = scratch, random.Random(seed)  # noqa: S311 (no secret)
        self.index = scratch / "index"
        self.rounds = 0
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        self.wrong: list[str] = []
        for name, count in (("old", posts), ("new", posts + 20)):
            make_board(scratch / name, count, seed, progress=False)
        for stage in self.stages("old"):
            self.finish(stage)
        self.lengths: dict[str, float] = {}
        self._keep(0)
        for number, stage in enumerate(self.stages("new"), 1):
            begun = time.perf_counter()
            self.finish(stage)
            self.lengths[stage[0]] = time.perf_counter() - begun
            self._keep(number)

    def stages(self, board: str) -> list[list[str]]:
        """Return the five scripts and their options, in order."""
        export = str(self.scratch / board)
        return [
            ["hydrate_data.py", "--from", export],
            ["embed_tags.py", "--dim", "32"],
            ["solve_attenuator.py"],
            ["construct_index.py", "--graph", "8", "--jobs", "1"],
            ["solve_recognizer.py", "--previews", export, "--no-fetch", "--no-judge"],
        ]

    def _keep(self, number: int) -> None:
        shutil.copytree(self.index, self.scratch / f"after {number}")

    def start(self, script: list[str], **pipes: object) -> subprocess.Popen:
        """Start a script of the project in a process of its own, without its output."""
        command = [
            sys.executable,
            str(ROOT / script[0]),
            "--index",
            str(self.index),
            *script[1:],
        ]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **pipes}
        return subprocess.Popen(command, cwd=self.scratch, env=ENVIRONMENT, text=True, **pipes)  # noqa: S603

    def finish(self, script: list[str]) -> None:
        """Run a script to its end. Raises E6GraphError if it fails."""
        process = self.start(script)
        _, said = process.communicate()
        if process.returncode:
            raise E6GraphError(
                f"{script[0]} ended with status {process.returncode}: {said[-500:]}"
            )

    # -- the stages ------------------------------------------------------------------------------
    def stage(self) -> None:
        """Kill a stage once or more, run it to its end, and compare."""
        number = self.rng.randrange(5)
        script = self.stages("new")[number]
        old, new = (contents(self.scratch / f"after {n}") for n in (number, number + 1))
        shutil.rmtree(self.index)
        shutil.copytree(self.scratch / f"after {number}", self.index)
        while True:
            aim = self.rng.choice(AIMS)
            process = self.start(script)
            self._wait(process, aim, self.lengths[script[0]])
            process.kill()
            process.communicate()
            killed = process.returncode == -signal.SIGKILL
            journal = (self.index / JOURNAL).exists()
            Store(self.index)  # whoever opens the index finishes renames that have begun
            found = contents(self.index)
            state = "old" if found == old else "new" if found == new else "a mixture"
            if state == "a mixture" or (journal and state == "old"):
                self.wrong.append(f"{script[0]} killed {aim}: readers find {state}")
            when = "amid the renames" if journal else "before" if state == "old" else "after"
            self._count(script[0], when if killed else "not in time", f"{state} set, whole")
            if self.rng.random() > AGAIN:
                break
        self.finish(script)
        self._compare(script[0], new)

    def _compare(self, script: str, new: dict[str, object]) -> None:
        found, store = contents(self.index), Store(self.index)
        for name in sorted(found.keys() | new.keys()):
            if found.get(name) != new.get(name):
                self.wrong.append(
                    f"{script} run again: {name} is not that of an undisturbed run"
                )
        hidden = {path.name for path in self.index.iterdir() if path.name.startswith(".")} - {
            LOCK
        }
        if hidden:
            self.wrong.append(f"{script} run again leaves {', '.join(sorted(hidden))}")
        if script == "solve_recognizer.py":  # all is of the second board: every hash must fit
            for name in found:
                store.check(name.removesuffix(".json"))

    def _wait(self, process: subprocess.Popen, aim: str, length: float) -> None:
        """Wait for the moment to kill: any, some time into the writing, or amid the renames."""
        if aim == "any moment":
            time.sleep(self.rng.uniform(0, 1.05 * length))
            return
        old = {path.name for path in self.index.iterdir()}
        while process.poll() is None:
            names = {name for name in os.listdir(self.index) if name not in old}
            if JOURNAL in names or (
                aim == "while writing" and any(name.endswith(TEMPORARY) for name in names)
            ):
                break
            time.sleep(0 if aim == "amid the renames" else 0.001)
        latest = 0.0005 if aim == "amid the renames" else 0.1
        time.sleep(latest * self.rng.random() ** 3)

    # -- the bot ---------------------------------------------------------------------------------
    def bot(self) -> None:
        """Kill two talks with the bot, then end a third one, all with one file of profiles."""
        profiles, said = self.scratch / "profiles.sqlite", Said()
        shutil.rmtree(self.index)
        shutil.copytree(self.scratch / "after 5", self.index)
        script = [BOT, "--profiles", str(profiles), "--previews", str(self.scratch / "new")]
        for _ in range(2):
            process = self.start(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process.stdin.write(TALK)
            process.stdin.close()
            heard, latest = self.rng.randrange(LINES), 0.03
            stop = threading.Timer(latest * self.rng.random(), process.kill)
            for number, line in enumerate(process.stdout):
                said.hear(line)
                if number == heard:
                    stop.start()
            killed = process.wait() == -signal.SIGKILL
            stop.cancel()
            process.stderr.close()
            process.stdout.close()
            lost = self._lost(profiles, said) if profiles.exists() else said.anything()
            self.wrong += [f"the bot lost {what}" for what in lost]
            when = "not in time" if not killed else "talking" if said.anything() else "starting"
            self._count(BOT, when, "all it said is kept" if not lost else "lost something")
        process = self.start(script, stdin=subprocess.PIPE)
        _, error = process.communicate("/taste\n/walk\n/quit\n")
        if process.returncode:
            self.wrong.append(f"the bot started again: {error[-300:]}")
        self.wrong += [f"the bot lost {what}" for what in self._lost(profiles, said)]
        beside = {path.name for path in self.scratch.glob("profiles.sqlite*")} - {profiles.name}
        self.wrong += [f"the bot leaves {name}" for name in beside]
        profiles.unlink(missing_ok=True)

    def _lost(self, path: Path, said: Said) -> list[str]:
        with Profiles(path) as profiles:
            kept = profiles.load("terminal")
        there = {
            "enjoy": kept.enjoys,
            "avoid": kept.avoids,
            "like": kept.liked,
            "dislike": kept.disliked,
            "seen": kept.seen,
        }
        return [f"{verb} {what}" for verb, what in said.kept if what not in there[verb]]

    def _count(self, script: str, when: str, outcome: str) -> None:
        self.outcomes[script, when, outcome] += 1

    def run(self, rounds: int, tell: Callable[[str], None]) -> None:
        """Run all rounds; `tell` gets a line every 20 of them."""
        for number in range(rounds):
            self.rounds = number
            try:
                (self.bot if number % EVERY == EVERY - 1 else self.stage)()
            except E6GraphError as error:
                self.wrong.append(str(error))
            except KeyboardInterrupt:  # what was seen so far is worth a table
                return
            if number % 20 == 19:
                tell(f"{number + 1} rounds, {len(self.wrong)} wrong")


class Said:
    """A list of all that the bot said it keeps, each as (verb, tag or post id)."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str | int]] = []

    def hear(self, line: str) -> None:
        """Note one line of the bot; half a line, where it was killed, is ignored."""
        if not line.endswith("\n"):
            return
        if found := re.match(r"You (enjoy|avoid) (\w+)\.$", line):
            self.kept.append((found[1], found[2]))
        elif found := re.match(r"You (like|dislike) #(\d+)[:.]", line):
            self.kept.append((found[1], int(found[2])))
        elif found := re.match(r"#(\d+)  ", line):
            self.kept.append(("seen", int(found[1])))

    def anything(self) -> list[str]:
        """Return all of it, in words."""
        return [f"{verb} {what}" for verb, what in self.kept]


def contents(index: Path) -> dict[str, object]:
    """Return what readers see, by file name: bytes, and of a sidecar all but file times."""
    found: dict[str, object] = {}
    for path in sorted(index.glob("[!.]*")):
        found[path.name] = path.read_bytes()
        if path.name.endswith(".json"):
            found[path.name] = json.loads(found[path.name])
            for of_this_file in ("stat", "stat_seal"):
                found[path.name].pop(of_this_file)
    return found


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=cli.positive, default=200)
    parser.add_argument(
        "--posts", type=cli.between(60, 10**6), default=100, help="of the boards"
    )
    parser.add_argument("--seed", type=cli.natural, default=0)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        kills = Kills(Path(scratch), args.posts, args.seed)
        kills.run(args.rounds, lambda said: print(said, file=sys.stderr, flush=True))
    rows = [(*key, count) for key, count in sorted(kills.outcomes.items())]
    print(cli.table(rows, ("script", "killed", "readers found", "times")))
    if kills.wrong:
        raise E6GraphError(f"{len(kills.wrong)} wrong, the first: {kills.wrong[0]}")
    killed = sum(count for _, when, _, count in rows if when != "not in time")
    print(
        f"{killed} kills, {kills.rounds + 1} rounds: every run after equals an undisturbed one"
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
