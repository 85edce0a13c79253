"""What the size of a picture says about which others belong with it.

Pages of one comic or leaves of one sketchbook share a size that few other pictures have. How much
that says is the information of being so close: −log of the share of the board at least as close.
A size that everybody uses says nothing.
"""

from __future__ import annotations

import numpy as np

from .posts import Posts


class Sizes:
    """Widths and heights of a board; about 28 bytes a post."""

    def __init__(self, posts: Posts) -> None:
        width = posts.column("image_width").astype(np.int64)
        height = posts.column("image_height").astype(np.int64)
        self._known = (width > 0) & (height > 0)
        self._area = np.log(np.maximum(width * height, 1)).astype(np.float32)
        self._sorted_area = np.sort(self._area[self._known])
        size = np.where(self._known, width << 32 | height, -1)
        self._by_size = np.argsort(size, kind="stable")  # rows of one size stand together
        ordered = size[self._by_size]
        self._start = np.searchsorted(ordered, size, "left").astype(np.int32)
        self._end = np.searchsorted(ordered, size, "right").astype(np.int32)

    def same(self, row: int) -> np.ndarray:
        """Rows (int64) with exactly the width and height of a row, itself among them."""
        if not self._known[row]:
            return np.zeros(0, np.int64)
        return self._by_size[self._start[row] : self._end[row]]

    def information(self, row: int, rows: np.ndarray) -> np.ndarray:
        """Nats that the closeness of each of `rows` to `row` carries, float64 (m,); 0 if unknown.

        The larger of −log P(area at least as close, by its logarithm) and, where width and height
        are the same, −log P(that size).
        """
        told = np.zeros(len(rows))
        if not self._known[row] or len(self._sorted_area) < 2:
            return told
        own, others = self._area[row], self._area[rows]
        distance = np.abs(others - own) + 1e-5  # float32 leaves a few ulp between equals
        within = np.searchsorted(self._sorted_area, own + distance, "right")
        within -= np.searchsorted(self._sorted_area, own - distance, "left")
        told = -np.log(np.clip(within / len(self._sorted_area), 1e-9, 1))
        equal = self._start[rows] == self._start[row]
        count = self._end[row] - self._start[row]
        told[equal] = np.maximum(told[equal], -np.log(count / len(self._sorted_area)))
        return np.where(self._known[rows], told, 0)
