"""What the size of a picture tells about which others belong with it."""

from __future__ import annotations

import numpy as np

from .posts import Posts


class Sizes:
    """Says how much the size of a picture tells about which others belong with it.

    Pages of one comic or leaves of one sketchbook share a size that few other
    pictures have. How much that tells is the information of being so close: −log of
    the share of the board that is at least as close. A size that everybody uses
    tells nothing. Memory: about 28 bytes a post.
    """

    def __init__(self, posts: Posts) -> None:
        width = posts.column("image_width").astype(np.int64)
        height = posts.column("image_height").astype(np.int64)
        self._known = (width > 0) & (height > 0)
        self._area = np.log(np.maximum(width * height, 1)).astype(np.float32)
        self._sorted_area = np.sort(self._area[self._known])
        size = np.where(self._known, width << 32 | height, -1)
        # Rows of one size stand together.
        self._by_size = np.argsort(size, kind="stable")
        ordered = size[self._by_size]
        self._start = np.searchsorted(ordered, size, "left").astype(np.int32)
        self._end = np.searchsorted(ordered, size, "right").astype(np.int32)

    def same(self, row: int) -> np.ndarray:
        """Return the rows (int64) of exactly the same width and height as a row."""
        if not self._known[row]:
            return np.zeros(0, np.int64)
        return self._by_size[self._start[row] : self._end[row]]

    def information(self, row: int, rows: np.ndarray) -> np.ndarray:
        """Return how many nats the closeness of rows to `row` carries: float64 (m,).

        That is the larger of −log P(area at least as close, by its logarithm) and,
        where width and height are the same, −log P(that size). It is 0 where a size
        is unknown.
        """
        if not self._known[row] or len(self._sorted_area) < 2:
            return np.zeros(len(rows))
        own, others = self._area[row], self._area[rows]
        # float32 leaves a few ulp between equal areas.
        distance = np.abs(others - own) + 1e-5
        areas, n = self._sorted_area, len(self._sorted_area)
        within = np.searchsorted(areas, own + distance, "right")
        within -= np.searchsorted(areas, own - distance, "left")
        told = -np.log(np.clip(within / n, 1e-9, 1))
        equal = self._start[rows] == self._start[row]
        count = self._end[row] - self._start[row]
        told[equal] = np.maximum(told[equal], -np.log(count / n))
        return np.where(self._known[rows], told, 0)
