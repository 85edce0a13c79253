"""Ranks with families counted as one: all variants of one thing have one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..recommend.postgraph import PostGraph


@dataclass(frozen=True)
class Families:
    """The family of every post.

    Attributes
    ----------
    of_row : int64 (n,), the number of each post's family, 0 and up.
    """

    of_row: np.ndarray

    @classmethod
    def read(cls, graph: PostGraph) -> Self:
        """Number the families of a board, as `recommend.families` finds them."""
        _, of_row = np.unique(graph.catalog.families.first, return_inverse=True)
        return cls(of_row.astype(np.int64))

    @cached_property
    def _grouped(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows by family, and where each family begins among them."""
        order = np.argsort(self.of_row, kind="stable")
        members = np.bincount(self.of_row)
        return order, np.cumsum(members) - members

    @property
    def alone(self) -> bool:
        """Whether no post has a variant."""
        return len(self._grouped[1]) == len(self.of_row)

    def best(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the best score (n,) of each family; -inf for the families of `rows`.

        >>> families = Families(np.array([0, 1, 0, 2]))
        >>> families.best(np.array([0.1, 0.5, 0.9, 0.2]), np.array([3]))
        array([ 0.9,  0.5, -inf])
        """
        order, starts = self._grouped
        best = np.maximum.reduceat(scores[order], starts)
        best[self.of_row[rows]] = -np.inf
        return best

    def place(self, found: np.ndarray, rows: np.ndarray, hidden: int) -> float:
        """Return the place of the hidden post's family in a list, inf if it has none.

        Each family of the list has one place, those of `rows` have none.

        >>> Families(np.array([0, 0, 1, 2, 2])).place(np.array([0, 1, 2, 4]), np.array([2]), 3)
        1.0
        """
        listed = self.of_row[found]
        listed = listed[~np.isin(listed, self.of_row[rows])]
        _, first = np.unique(listed, return_index=True)
        place = np.flatnonzero(listed[np.sort(first)] == self.of_row[hidden])
        return float(place[0]) if len(place) else np.inf

    def asked(self, rows: np.ndarray, hidden: int) -> bool:
        """Tell whether the hidden post is of another family than all query posts."""
        return not np.isin(self.of_row[hidden], self.of_row[rows])
