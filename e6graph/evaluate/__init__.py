"""Every quality figure the README quotes, beside its baselines and the peers a user would pick.

    python -m e6graph.evaluate --index index [--quick] [--json] [--plots DIR] [--sections NAME ...]

`protocol` says how recommendations are judged and is for notebooks too; the other modules are the
sections that `__main__` lists. Pools are never used to recommend, and those judged by never to
train a peer or to choose a number.
"""

from collections.abc import Sequence

from .methods import baselines
from .protocol import judge, judge_recommend, pool_queries, rank_among, summarise

__all__ = [
    "baselines",
    "judge",
    "judge_recommend",
    "main",
    "pool_queries",
    "rank_among",
    "summarise",
]


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m e6graph.evaluate`."""
    from .__main__ import main as command  # here: what -m runs must not be imported before

    command(argv)
