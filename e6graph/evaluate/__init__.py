"""Every quality figure that the README quotes, beside the peers one would try.

    python -m e6graph.evaluate --index DIR [DIR ...] [--quick] [--sections NAME ...]

`protocol` says how recommendations are judged and is for notebooks too; the other
modules are the sections that `__main__` lists. Pools that are judged by are never
used to train a peer or to choose a number, and the ranking does not see them.
"""

from collections.abc import Sequence

from .. import cli  # noqa: F401 (first: it says which package is missing)

# isort: split
from .methods import baselines
from .protocol import judge, judge_recommend, judging_queries, rank_among, summarize

__all__ = [
    "baselines",
    "judge",
    "judge_recommend",
    "judging_queries",
    "main",
    "rank_among",
    "summarize",
]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `python -m e6graph.evaluate`."""
    # imported here, because -m warns of what was imported before
    from .__main__ import main as command

    command(argv)
