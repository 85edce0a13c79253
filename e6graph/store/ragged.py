"""Rows of different lengths, stored as in CSR: take some of them, or draw from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

LONG_RUN = 64  # average run of equal rows from which drawing by runs is faster


@dataclass(frozen=True)
class Ragged:
    """Rows of values: `values[offsets[i]:offsets[i + 1]]`. Both may map a file.

    >>> rows = Ragged(np.array([0, 2, 2, 5]), np.array([7, 8, 1, 2, 3]))
    >>> rows[2], len(rows), rows.take(np.array([2, 0]))[0]
    (array([1, 2, 3]), 3, array([1, 2, 3, 7, 8]))
    """

    offsets: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Ragged:
        """Wrap a list column; one of a single chunk is not copied."""
        lists = one_chunk(column)
        return cls(lists.offsets.to_numpy(), lists.values.to_numpy())

    @classmethod
    def group(cls, keys: np.ndarray, values: np.ndarray, rows: int) -> Ragged:
        """Put the values of key i into row i, in the order given."""
        ends = np.cumsum(np.bincount(keys, minlength=rows))
        order = np.argsort(keys, kind="stable")
        return cls(np.concatenate([[0], ends]), np.asarray(values)[order])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """Return the length of each of some rows, int64; row -1 is empty."""
        return self.offsets[1:][rows].astype(np.int64) - self.offsets[rows]

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copy some rows: (values, offsets int64 (len(rows) + 1,))."""
        return self.runs(self.offsets[rows], self.lengths(rows))

    def runs(self, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copy runs of `values`, which may be parts of rows, as `take` copies whole ones."""
        ends = np.cumsum(lengths)
        at = np.arange(ends[-1] if len(ends) else 0)
        at += np.repeat(starts - (ends - lengths), lengths)
        return self.values.take(at), np.concatenate([[0], ends])

    def starts_from(self, rows: np.ndarray, least: int) -> np.ndarray:
        """Find where in `values` each of some rows reaches `least`: int64 (len(rows),).

        The values of a row must ascend.

        >>> Ragged(np.array([0, 2, 5]), np.array([1, 7, 2, 7, 9])).starts_from([0, 1], 7)
        array([1, 3])
        """
        if not least:
            return self.offsets[rows].astype(np.int64)
        found = [self.offsets[row] + np.searchsorted(self[row], least) for row in rows]
        return np.array(found, np.int64)

    def choose(
        self,
        rows: np.ndarray,
        rng: np.random.Generator,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw one value of each row; -1 where the row is empty or weighs nothing.

        Parameters
        ----------
        rows : int64 (n,); row -1 is empty.
        weights : weight of each value, to draw in proportion; None draws
            evenly. Weighted rows are read whole, each different row once.
        """
        if weights is None:
            return self._choose_evenly(rows, rng)
        starts = run_starts(rows)
        if LONG_RUN * len(starts) > len(rows):
            return self._choose_weighted(rows, rng, weights)

        # Many walkers stand on one row: draw for all of them at once.
        counts = np.diff(starts, append=len(rows)).tolist()
        drawn = [
            self._draw(row, count, rng, weights)
            for row, count in zip(rows[starts].tolist(), counts, strict=True)
        ]
        return np.concatenate(drawn) if drawn else np.zeros(0, self.values.dtype)

    def _choose_evenly(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        low = self.offsets[rows]
        lengths = self.offsets[1:][rows] - low
        uniform = rng.random(len(rows))
        uniform *= lengths  # in place: new memory costs as much as the sums
        at = uniform.astype(np.int64)
        at += low
        if lengths.all():
            return self.values.take(at)

        chosen = np.full(len(rows), -1, self.values.dtype)
        full = lengths > 0
        chosen[full] = self.values[at[full]]
        return chosen

    def _choose_weighted(
        self, rows: np.ndarray, rng: np.random.Generator, weights: np.ndarray
    ) -> np.ndarray:
        uniform = rng.random(len(rows))
        unique, which = np.unique(rows, return_inverse=True)
        values, offsets = self.take(unique)
        if not len(values):
            return np.full(len(rows), -1, self.values.dtype)

        # Each row is a stretch of the cumulated weights; see where a random point falls.
        mass = np.zeros(len(values) + 1)
        np.cumsum(weights.take(values), dtype=np.float64, out=mass[1:])
        low = mass[offsets[:-1]]
        span = mass[offsets[1:]] - low
        uniform *= span[which]
        uniform += low[which]
        at = np.searchsorted(mass, uniform, side="right") - 1
        last = (offsets[1:] - 1)[which]
        np.minimum(at, last, out=at)  # rounding may step over the end of the row
        if (span > 0).all():
            return values[at]
        return np.where(span[which] > 0, values[at], -1)

    def _draw(
        self, row: int, n: int, rng: np.random.Generator, weights: np.ndarray
    ) -> np.ndarray:
        """Draw n values of a row, and give them in the row's order."""
        values = self[row] if row >= 0 else self.values[:0]
        share = weights.take(values)
        if not share.sum() > 0:
            return np.full(n, -1, self.values.dtype)
        return np.repeat(values, rng.multinomial(n, share / share.sum()))


def sum_rows(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum the values of each row, as `Ragged.take` gives them; count them if they are bool.

    Returns
    -------
    float64 (m,), or int64 for integers and bool.

    >>> sum_rows(np.array([True, True, False, True]), np.array([0, 2, 2, 4])).tolist()
    [2, 0, 1]
    """
    kind = np.float64 if values.dtype.kind == "f" else np.int64
    sums = np.append(0, np.cumsum(values, dtype=kind))
    return np.diff(sums[offsets])


def run_starts(values: np.ndarray) -> np.ndarray:
    """Find where each run of equal values begins, int64.

    >>> run_starts(np.array([7, 7, 1, 7]))
    array([0, 2, 3])
    """
    changes = np.append(True, values[1:] != values[:-1])
    return np.flatnonzero(changes[: len(values)])


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Join a column; unlike `combine_chunks`, do not copy a single chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
