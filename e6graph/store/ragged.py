"""Rows of different lengths, kept as in CSR: taking some of them, and drawing from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Ragged:
    """`values[offsets[i]:offsets[i + 1]]` is row i; both may be maps of a file.

    >>> rows = Ragged(np.array([0, 2, 2, 5]), np.array([7, 8, 1, 2, 3]))
    >>> rows[2], len(rows), rows.take(np.array([2, 0]))[0]
    (array([1, 2, 3]), 3, array([1, 2, 3, 7, 8]))
    """

    offsets: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Ragged:
        """A list column; one of one chunk without a copy."""
        lists = one_chunk(column)
        return cls(lists.offsets.to_numpy(), lists.values.to_numpy())

    @classmethod
    def group(cls, keys: np.ndarray, values: np.ndarray, rows: int) -> Ragged:
        """Row i holds the values of key i, in the order given."""
        offsets = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=rows))])
        return cls(offsets, np.asarray(values)[np.argsort(keys, kind="stable")])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """int64, as `rows`; row -1 is empty."""
        return self.offsets[1:][rows].astype(np.int64) - self.offsets[rows]

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some rows one after another: (values, offsets int64 (len(rows) + 1,))."""
        lengths = self.lengths(rows)
        ends = np.cumsum(lengths)
        at = np.arange(ends[-1] if len(ends) else 0)
        at += np.repeat(self.offsets[rows] - (ends - lengths), lengths)
        return self.values.take(at), np.concatenate([[0], ends])

    def choose(
        self, rows: np.ndarray, rng: np.random.Generator, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """One value of each row, -1 where the row is empty or weighs nothing; row -1 is empty.

        Parameters
        ----------
        weights : by value; a value is drawn in proportion. None draws evenly. Weighted rows are
            read whole, each different one once, so few different rows are cheap.
        """
        starts = run_starts(rows)
        if weights is not None and 64 * len(starts) <= len(rows):  # walkers that stand together
            each = zip(rows[starts].tolist(), np.diff(starts, append=len(rows)), strict=True)
            drawn = [self._draw(row, n, rng, weights) for row, n in each]
            return np.concatenate(drawn) if drawn else np.zeros(0, self.values.dtype)
        uniform = rng.random(
            len(rows)
        )  # worked on in place: new memory costs as much as the sums
        if weights is None:
            low = self.offsets[rows]
            lengths = self.offsets[1:][rows] - low
            uniform *= lengths
            at = uniform.astype(np.int64)
            at += low
            if lengths.all():
                return self.values.take(at)
            full = lengths > 0
            chosen = np.full(len(rows), -1, self.values.dtype)
            chosen[full] = self.values[at[full]]
            return chosen
        unique, which = np.unique(rows, return_inverse=True)
        values, offsets = self.take(unique)
        mass = np.zeros(len(values) + 1)
        np.cumsum(weights.take(values), dtype=np.float64, out=mass[1:])
        low, span = mass[offsets[:-1]], mass[offsets[1:]] - mass[offsets[:-1]]
        uniform *= span[which]
        uniform += low[which]
        at = np.searchsorted(mass, uniform, side="right") - 1
        np.minimum(
            at, (offsets[1:] - 1)[which], out=at
        )  # rounding may reach the row's very end
        if (span > 0).all():
            return values[at]
        return np.where(span[which] > 0, values[at] if len(values) else -1, -1)

    def _draw(
        self, row: int, n: int, rng: np.random.Generator, weights: np.ndarray
    ) -> np.ndarray:
        """n values of a row, in its order: how often each is drawn is drawn at once."""
        values = self[row] if row >= 0 else self.values[:0]
        share = weights.take(values)
        if not share.sum() > 0:
            return np.full(n, -1, self.values.dtype)
        return np.repeat(values, rng.multinomial(n, share / share.sum()))


def run_starts(values: np.ndarray) -> np.ndarray:
    """Where each run of equal values begins, int64.

    >>> run_starts(np.array([7, 7, 1, 7]))
    array([0, 2, 3])
    """
    return np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The whole column, without the copy that `combine_chunks` makes even of a single chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
