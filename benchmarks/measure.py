"""Measure what a process takes: wall and CPU seconds, memory, bytes left on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERY = 0.02  # seconds between looks at a process's memory


@dataclass(frozen=True)
class Cost:
    """The cost of one process, its threads and the processes it waited for.

    Attributes
    ----------
    wall, cpu : seconds; cpu is user and system time.
    peak : bytes resident at most, mapped files included (wait4's ru_maxrss, of the largest).
    own : bytes of that which no file backs (RssAnon, looked at every 20 ms), 0 without /proc.
    written : bytes of the files that were made or changed in the directory that was watched.
    """

    wall: float
    cpu: float
    peak: int
    own: int
    written: int
    status: int
    output: str


def run(command: Sequence[str], watched: Path | None = None, discard: bool = False) -> Cost:
    """Run a command in the project's directory and measure it; its errors go to ours.

    `discard` sends its output to nowhere instead of keeping it.
    """
    begun = time.time_ns() - 10**7  # file times are those of the last tick
    start = time.perf_counter()
    # Fixed programs of this project and gzip, without a shell.
    kept = subprocess.DEVNULL if discard else subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdout=kept, text=True)  # noqa: S603
    most = [0]
    looking = threading.Thread(target=_look, args=(process.pid, most), daemon=True)
    looking.start()
    output = "" if discard else process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)  # it is waited for
    if not discard:
        process.stdout.close()
    looking.join()
    unit = 1 if sys.platform == "darwin" else 1024
    files = [path.stat() for path in watched.rglob("*") if path.is_file()] if watched else []
    written = sum(file.st_size for file in files if file.st_mtime_ns >= begun)
    cpu = used.ru_utime + used.ru_stime
    peak = used.ru_maxrss * unit
    return Cost(wall, cpu, peak, most[0], written, process.returncode, output)


def _look(pid: int, most: list[int]) -> None:
    while own := memory(pid)[1]:
        most[0] = max(most[0], own)
        time.sleep(EVERY)


def memory(pid: int | str = "self") -> tuple[int, int]:
    """Return resident bytes, and those that no file backs; zeros once a process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines)
    return tuple(
        int(fields.get(name, "0 kB").split()[0]) * 1024 for name in ("VmRSS", "RssAnon")
    )
