"""Time the stages as processes, beside floors measured in the same run.

    python -m benchmarks.pipeline --export DIR
    python -m benchmarks.pipeline --sizes 250000 1000000 4000000

The second way writes the exports itself and prints, for each stage, the exponent of
its growth.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from e6graph import cli
from e6graph.errors import E6GraphError
from e6graph.hydrate.csvtables import find_table

from .measure import Cost, run

STAGES = {
    "import": ["hydrate_data.py"],
    "embed": ["embed_tags.py"],
    "attenuate": ["solve_attenuator.py"],
    "index": ["construct_index.py", "--jobs", "-1"],
    "recognize": ["solve_recognizer.py", "--no-fetch"],
}
FLOORS = {
    "import": "gzip -dc posts.csv.gz",
    "embed": "SciPy's XᵀX, one core",
    "attenuate": "one pass of X @ V, one core",
    "index": "annoy's own add and build, all cores",
}
HEADER = (
    "stage",
    "wall s",
    "CPU s",
    "peak GB",
    "own GB",
    "written MB",
    "posts/s",
    "floor s",
    "of floor",
    "floor CPU s",
    "of floor CPU",
)


Costs = dict[str, tuple[Cost, Cost | None]]  # of a stage, and of its floor


def time_stages(export: Path, index: Path, floors: bool = True) -> Costs:
    """Run the stages of one export; stage → what it cost, what its floor cost (or None)."""
    found = {}
    for name, command in STAGES.items():
        options = ["--index", str(index)]
        if name == "import":
            options += ["--from", str(export)]
        if name == "recognize":
            if not (export / "data" / "preview").is_dir():
                continue
            options += ["--previews", str(export)]
        cost = run([sys.executable, *command, *options], index)
        if cost.status:
            raise E6GraphError(f"{command[0]} ended with status {cost.status}: see above")
        found[name] = (cost, _floor(name, export, index) if floors and name in FLOORS else None)
    return found


def _floor(name: str, export: Path, index: Path) -> Cost:
    if name == "import":
        path = find_table(export, "posts")
        if path.suffix != ".gz":
            return run(["cat", str(path)], discard=True)
        return run(["gzip", "-dc", str(path)], discard=True)
    done = run([sys.executable, "-m", "benchmarks.floors", name, "--index", str(index)])
    if done.status:
        raise E6GraphError(f"the floor of {name} ended with status {done.status}: see above")
    took = json.loads(done.output)
    return Cost(took["wall"], took["cpu"], done.peak, done.own, 0, 0, "")


def report(found: Costs, posts: int) -> str:
    """Print the costs as a table, with the sum of the stages."""
    rows = []
    for name, (cost, floor) in found.items():
        row = [
            name,
            f"{cost.wall:.1f}",
            f"{cost.cpu:.1f}",
            f"{cost.peak / 1e9:.2f}",
            f"{cost.own / 1e9:.2f}",
            f"{cost.written / 1e6:.1f}",
            f"{posts / cost.wall:,.0f}",
        ]
        row += (
            [""] * 4
            if floor is None
            else [
                f"{floor.wall:.1f}",
                f"{cost.wall / max(floor.wall, 1e-9):.2f}",
                f"{floor.cpu:.1f}",
                f"{cost.cpu / max(floor.cpu, 1e-9):.2f}",
            ]
        )
        rows.append(row)
    costs = [cost for cost, _ in found.values()]
    rows.append(
        [
            "all",
            f"{sum(c.wall for c in costs):.1f}",
            f"{sum(c.cpu for c in costs):.1f}",
            f"{max(c.peak for c in costs) / 1e9:.2f}",
            f"{max(c.own for c in costs) / 1e9:.2f}",
            f"{sum(c.written for c in costs) / 1e6:.1f}",
            f"{posts / sum(c.wall for c in costs):,.0f}",
            "",
            "",
            "",
            "",
        ]
    )
    return cli.table(rows, HEADER)


def growth(sizes: dict[int, Costs]) -> str:
    """Compute log(cost ratio) / log(size ratio) from one size to the next, of the floors too."""
    rows = []
    for small, large in pairwise(sizes):
        for name in sizes[large]:
            (cost, floor), (larger, larger_floor) = sizes[small][name], sizes[large][name]
            pairs = [(cost.wall, larger.wall), (cost.cpu, larger.cpu), (cost.own, larger.own)]
            if floor is not None and larger_floor is not None:
                pairs += [(floor.wall, larger_floor.wall), (floor.cpu, larger_floor.cpu)]
            exponents = [
                np.log(max(b, 1e-9) / max(a, 1e-9)) / np.log(large / small) for a, b in pairs
            ]
            row = [f"{small:,} to {large:,}", name, *(f"{each:.2f}" for each in exponents)]
            rows.append(row + [""] * (7 - len(row)))
    header = ("posts", "stage", "wall", "CPU", "own memory", "floor's wall", "floor's CPU")
    return cli.table(rows, header)


@contextlib.contextmanager
def _directory(given: str | None) -> Iterator[Path]:
    """Give the directory, or a temporary one that is deleted at the end."""
    if given:
        yield Path(given).resolve()
    else:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument("--export", metavar="DIR", help="time this export")
    origin.add_argument(
        "--sizes", type=cli.positive, nargs="+", metavar="N", help="write exports"
    )
    add("--index", metavar="DIR", help="keep the (last) index here; unset: nothing is kept")
    add("--no-floors", action="store_true", help="time the stages alone")
    add("--seed", type=cli.natural, default=0, help="of the exports that are written")
    args = parser.parse_args(argv)
    measured = {}
    with _directory(args.index) as index, tempfile.TemporaryDirectory() as scratch:
        index.mkdir(parents=True, exist_ok=True)
        for size in sorted(set(args.sizes)) if args.sizes else [None]:
            export = Path(args.export).resolve() if size is None else Path(scratch) / str(size)
            if size is not None:
                # In a process of its own: what this one held, wait4 would count to its children.
                made = [str(size), str(export), "--seed", str(args.seed)]
                run([sys.executable, "-m", "benchmarks.export", *made])
            found = time_stages(export, index, not args.no_floors)
            posts = pq.read_metadata(index / "posts.parquet").num_rows
            print(f"{posts:,} posts\n{report(found, posts)}\n", flush=True)
            measured[posts] = found
            if size is not None:
                shutil.rmtree(export)
    if len(measured) > 1:
        print(f"Growth exponents\n{growth(measured)}\n")
    if not args.no_floors:
        print("Floors: " + "; ".join(f"{name}: {what}" for name, what in FLOORS.items()) + ".")
    print(
        "peak: resident at most, mapped files included; own: without files. 1 GB = 10⁹ bytes."
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
