"""Where the labels of a scatter plot go: beside their dots, never on a dot or another label.

Greedy, in order of importance: each label takes the best free place round its dot. Boxes are
(left, bottom, right, top) in pixels, upwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GAPS = np.array([3, 8, 14, 22, 32, 44, 58, 74, 92, 112, 134, 158, 184, 212])  # dot to label
_ANGLES = np.radians([0, 180, 45, 135, -45, -135, 90, -90, 20, 160, -20, -160, 65, 115, -65, -115])
_PAD = 3  # between labels
_STEPS = np.linspace(0, 1, 16)[:, None]  # a line is looked at in these points
_ROUNDS = 12  # orders tried while a label finds no place
_TRIED = 48  # free places looked at, the best first


def place(
    dots: np.ndarray, radii: np.ndarray, sizes: np.ndarray, room: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Places of labels, near their dots and free of all others.

    A label that finds none is tried again before the rest, for some rounds; the round that places
    most labels is the answer.

    Parameters
    ----------
    dots : (n, 2), centres; the most important first. radii : (n,). sizes : (n, 2), width and height
        of each label. room : the box that labels must stay in.

    Returns
    -------
    boxes : (n, 4) of the labels; NaN for one without a place. Each is clear of all dots.
    ends : (n, 2), the point of each box that is nearest to the dot: a line from the dot to it
        runs through no other label.

    >>> boxes, ends = place(np.array([[9.0, 9]]), np.ones(1), np.array([[20.0, 4]]), (0, 0, 40, 20))
    >>> boxes.tolist(), ends.tolist()
    ([[13.0, 7.0, 33.0, 11.0]], [[13.0, 9.0]])
    """
    dots, sizes, radii = (np.asarray(part, float) for part in (dots, sizes, radii))
    order, best = list(range(len(dots))), (np.zeros((0, 4)), np.zeros((0, 2)))
    fewest = np.inf
    for _ in range(_ROUNDS):
        boxes, ends = _round(order, dots, radii, sizes, np.asarray(room, float))
        lost = [i for i in order if np.isnan(ends[i, 0])]
        if len(lost) < fewest:
            fewest, best = len(lost), (boxes, ends)
        if not lost:
            break
        order = lost + [i for i in order if i not in lost]
    return best


def _round(
    order: list[int], dots: np.ndarray, radii: np.ndarray, sizes: np.ndarray, room: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    boxes, ends = np.full((len(dots), 4), np.nan), np.full((len(dots), 2), np.nan)
    spots = np.hstack([dots - radii[:, None], dots + radii[:, None]])
    way = np.clip(1.5 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1), -1, 1)
    cost = np.add.outer(np.arange(len(_GAPS)), np.arange(len(_ANGLES)) / 20).ravel()
    lines = np.zeros((0, 4))
    for i in order:
        reach = sizes[i] / 2 + radii[i] + _GAPS[:, None, None]  # (gaps, 1, 2)
        centres = (dots[i] + way * reach).reshape(-1, 2)
        choices = np.hstack([centres - sizes[i] / 2, centres + sizes[i] / 2])
        taken = boxes[~np.isnan(boxes[:, 0])]
        free = (choices[:, :2] >= room[:2]).all(1) & (choices[:, 2:] <= room[2:]).all(1)
        for others, pad in ((taken, _PAD), (spots, 1), (lines, 1)):
            free &= ~_meet(choices, others, pad).any(1)
        free = np.flatnonzero(free)[:_TRIED]
        points = np.clip(dots[i], choices[free, :2], choices[free, 2:])
        line = dots[i] + (points - dots[i])[:, None] * _STEPS  # (free, steps, 2)
        line = np.concatenate([line, line], 2)
        through = [
            _meet(line.reshape(-1, 4), others, pad).reshape(*line.shape[:2], -1).any(1).sum(1)
            for others, pad in ((taken, 1), (np.delete(spots, i, 0), 2), (lines, 6))
        ]
        beside = _meet(choices[free], np.delete(spots, i, 0), 9).sum(1)  # taken for another's
        price = cost[free] + 2 * beside + 2 * through[1] + 2 * np.minimum(through[2], 3)
        price[through[0] > 0] = np.inf
        if np.isfinite(price).any():
            k = price.argmin()
            boxes[i], ends[i] = choices[free[k]], points[k]
            lines = np.vstack([lines, line[k]])
    return boxes, ends


def _meet(boxes: np.ndarray, others: np.ndarray, pad: float) -> np.ndarray:
    """Which boxes (m, 4) come within `pad` of which others (k, 4), bool (m, k)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return (low < high + pad).all(2)
