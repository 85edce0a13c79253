"""`recommend` beside the best peer: differences, and whether they are more than chance.

Queries of one pool are alike, so what is drawn again is pools, with all of their
queries (the cluster bootstrap, Davison and Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from .protocol import HIT_DEPTHS, MethodResult
from .report import Table

FIGURES = (*(f"@{k}" for k in HIT_DEPTHS), "MRR")
RESAMPLES = 4000
CONFIDENCE = 0.95
MARKS = ("above", "level", "below")

ComparedRow = tuple[int, str, str, float, float, float, float, float, str]
"""See `compare`."""


class Comparison(Table):
    """A table with a row for each query size and figure; the last column is its mark."""


class Bootstrap:
    """Draws the pools of some queries again and again.

    Parameters
    ----------
    pools : int (q,), the pool of each query.
    """

    def __init__(self, pools: np.ndarray, seed: int) -> None:
        _, self._pool = np.unique(pools, return_inverse=True)
        n = int(self._pool.max()) + 1
        rng = np.random.default_rng(seed)
        self._draws = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)

    def interval(self, values: np.ndarray) -> tuple[float, float]:
        """Return the interval of `CONFIDENCE` of the mean of values (q,), one a query.

        One pool alone tells nothing of others, so that its interval has no bounds.
        """
        sizes = np.bincount(self._pool)
        if len(sizes) < 2:
            return -np.inf, np.inf
        sums = np.bincount(self._pool, values)
        means = (self._draws @ sums) / (self._draws @ sizes)
        tail = (1 - CONFIDENCE) / 2
        # Rounded, so that a sum that should be 0 is on no side of it.
        low, high = np.quantile(means.round(12), (tail, 1 - tail))
        return float(low), float(high)

    def difference(self, ours: np.ndarray, other: np.ndarray) -> str:
        """Say how far ranks (q,) are apart at the deepest figure, with the interval."""
        deepest = f"@{HIT_DEPTHS[-1]}"
        apart = query_figures(ours)[deepest] - query_figures(other)[deepest]
        low, high = self.interval(apart)
        return f"{apart.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def query_figures(ranks: np.ndarray) -> dict[str, np.ndarray]:
    """Return for every figure its value on each query, float64 (q,).

    >>> {name: values.tolist() for name, values in query_figures(np.array([0.0, 99])).items()}
    {'@10': [1.0, 0.0], '@100': [1.0, 1.0], '@1000': [1.0, 1.0], 'MRR': [1.0, 0.01]}
    """
    values = [(ranks < k).astype(np.float64) for k in HIT_DEPTHS]
    return dict(zip(FIGURES, [*values, 1 / (ranks + 1)], strict=True))


def mark(low: float, high: float) -> str:
    """Say on which side of 0 an interval is.

    >>> mark(0.01, 0.02), mark(-0.01, 0.02), mark(-0.02, -0.01)
    ('above', 'level', 'below')
    """
    return "above" if low > 0 else "below" if high < 0 else "level"


def compare(
    size: int,
    ours: np.ndarray,
    peers: Mapping[str, np.ndarray],
    bootstrap: Bootstrap,
) -> list[ComparedRow]:
    """Compare with the best of the peers; each figure has its own.

    Parameters
    ----------
    size : query posts at most.
    ours, peers : ranks (q,) as in `MethodResult`.

    Returns
    -------
    For each figure: query posts, the figure, the best peer, its value, ours, the
    difference, the lower and the upper end of its interval, and the mark.
    """
    values = {name: query_figures(ranks) for name, ranks in peers.items()}
    rows = []
    for figure, own in query_figures(ours).items():
        name = max(values, key=lambda name: values[name][figure].mean())
        other = values[name][figure]
        low, high = bootstrap.interval(own - other)
        means = float(other.mean()), float(own.mean())
        difference = means[1] - means[0]
        told = size, figure, name, *means, difference, low, high, mark(low, high)
        rows.append(told)
    return rows


class BesidePeers:
    """Comparisons of one board, query size by query size.

    Parameters
    ----------
    by_family : whether to compare with families counted as one, too.
    """

    def __init__(self, seed: int, by_family: bool) -> None:
        self._seed, self._families = seed, by_family
        self._plain: list[ComparedRow] = []
        self._by_family: list[ComparedRow] = []
        self._als: list[str] = []

    def add(
        self,
        size: int,
        ours: MethodResult,
        peers: Mapping[str, MethodResult],
        pools: np.ndarray,
    ) -> None:
        """Add the comparison for queries of up to `size` posts; `pools` (q,) are theirs."""
        bootstrap = Bootstrap(pools, self._seed)
        ranks = {name: found.ranks for name, found in peers.items()}
        self._plain += compare(size, ours.ranks, ranks, bootstrap)
        for name in ranks:
            if name.startswith("ALS"):
                apart = bootstrap.difference(ours.ranks, ranks[name])
                self._als.append(f"{apart} for queries of up to {size}")

        asked = ~np.isnan(ours.family_ranks)
        if self._families and asked.any():
            bootstrap = Bootstrap(pools[asked], self._seed)
            ranks = {name: found.family_ranks[asked] for name, found in peers.items()}
            self._by_family += compare(size, ours.family_ranks[asked], ranks, bootstrap)

    def tables(self) -> list[Comparison]:
        """Return the table of all sizes, and the one with families counted as one."""
        title = (
            f"PostGraph.recommend beside the best peer of each figure, with the "
            f"{CONFIDENCE:.0%} interval of the difference over pools"
        )
        header = ("posts", "figure", "best peer", "its", "ours", "difference", "from", "to", "")
        als = f"@{HIT_DEPTHS[-1]} less that of ALS: {'; '.join(self._als)}."
        made = [Comparison(title, header, self._plain, [als] if self._als else [])]
        if self._by_family:
            title = f"{title}, families counted as one"
            made.append(Comparison(title, header, self._by_family))
        return made


def summary(boards: Mapping[str, Sequence[Comparison]]) -> Table:
    """Count the marks over boards, a row for each board and one for all.

    Of several comparisons of a board the first counts.
    """
    rows, total = [], Counter[str]()
    for board, tables in boards.items():
        counts = Counter(str(row[-1]) for table in tables[:1] for row in table.rows)
        rows.append((board, counts.total(), *(counts[mark] for mark in MARKS)))
        total += counts
    rows.append(("all", total.total(), *(total[mark] for mark in MARKS)))
    title = "PostGraph.recommend beside the best peer: figures by where their interval is"
    return Table(title, ("board", "figures", *MARKS), rows)
