"""Run a script and kill it (SIGKILL) at a step of its work on an index.

    python tests/kill_at.py MOMENT INDEX SCRIPT [ARGUMENT ...]

Steps are counted, not seconds, so that the machine's speed decides nothing. A step is one file
operation in INDEX (open, rename, remove, chmod ...) from when the script opens the lock; Python
reports each to audit hooks before it is done. MOMENT is one of

- a number N: kill before step N, counted from 0;
- `journal`: before the journal gets its name, so that the old index must stay;
- `second rename`: when one file of the new index has its name and the others have not;
- `never`: let the script end and print the number of its steps as the last line of stderr.
"""

import itertools
import os
import runpy
import signal
import sys


def kill_at(moment, index):
    """Kill this process at `moment` of a script's work on `index`; the counter of steps."""
    steps = itertools.count()
    renamed = []  # the journal, and what gets its name after it

    def watch(event, arguments):
        if event != "open" and not event.startswith("os."):
            return
        paths = [os.fspath(path) for path in arguments if isinstance(path, str | os.PathLike)]
        if not any(path.startswith(index) for path in paths):
            return
        if not watch.begun and not paths[0].endswith(".lock"):
            return
        watch.begun = True
        step = next(steps)
        if event == "os.rename" and (renamed or paths[1].endswith("/.journal.json")):
            renamed.append(paths[1])
        named = {1: "journal", 3: "second rename"}.get(len(renamed))
        if moment in (str(step), named):
            os.kill(os.getpid(), signal.SIGKILL)

    watch.begun = False
    sys.addaudithook(watch)
    return steps


if __name__ == "__main__":
    moment, index, *sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    steps = kill_at(moment, index)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        print(f"\n{next(steps)}", file=sys.stderr)
