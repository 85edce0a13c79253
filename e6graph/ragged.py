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
        """A list column of one chunk, without a copy."""
        lists = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        return cls(lists.offsets.to_numpy(), lists.values.to_numpy())

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """int64, as `rows`."""
        return self.offsets[rows + 1].astype(np.int64) - self.offsets[rows]

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some rows one after another: (values, offsets int64 (len(rows) + 1,))."""
        lengths = self.lengths(rows)
        ends = np.cumsum(lengths)
        at = np.arange(ends[-1] if len(ends) else 0)
        at += np.repeat(self.offsets[rows] - (ends - lengths), lengths)
        return self.values[at], np.concatenate([[0], ends])

    def choose(
        self, rows: np.ndarray, rng: np.random.Generator, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """One value of each row, -1 where the row is empty or weighs nothing.

        Parameters
        ----------
        weights : by value; a value is drawn in proportion. None draws evenly. Weighted rows are
            read whole, each different one once, so few different rows are cheap.
        """
        uniform = rng.random(len(rows))
        if weights is None:
            lengths = self.lengths(rows)
            at = self.offsets[rows] + (uniform * lengths).astype(np.int64)
            if lengths.all():
                return self.values[at]
            full = lengths > 0
            chosen = np.full(len(rows), -1, self.values.dtype)
            chosen[full] = self.values[at[full]]
            return chosen
        unique, which = np.unique(rows, return_inverse=True)
        values, offsets = self.take(unique)
        mass = np.concatenate([[0.0], np.cumsum(weights[values], dtype=np.float64)])
        low, high = mass[offsets[:-1]][which], mass[offsets[1:]][which]
        at = np.searchsorted(mass, low + uniform * (high - low), side="right") - 1
        at = np.minimum(at, offsets[1:][which] - 1)  # rounding may reach the row's very end
        return np.where(high > low, values[at] if len(values) else -1, -1)
