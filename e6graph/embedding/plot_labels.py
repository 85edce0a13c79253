"""Where the labels of a scatter plot go: beside their dots, never on a dot or another label.

Greedy, one label after the other: each takes the best free place round its dot. Boxes are (left,
bottom, right, top) in pixels, upwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GAPS = np.array([3, 8, 14, 22, 32, 44, 58, 74, 92, 112, 134, 158])  # dot to label
_ANGLES = np.radians(
    [0, 180, 45, 135, -45, -135, 90, -90, 20, 160, -20, -160, 65, 115, -65, -115]
)
_PAD = 3  # between labels
_ROUNDS = 8  # orders tried
_LOST = 60  # the price of a label without a place; ten pixels cost 1, a crossing 3
_TRIED = 48  # free places looked at, the best first


def place(
    dots: np.ndarray,
    radii: np.ndarray,
    sizes: np.ndarray,
    room: Sequence[float],
    leading: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Places of labels, near their dots and free of all others.

    Those that fared worst go first in the next round; the best of some rounds is the answer.

    Parameters
    ----------
    dots : (n, 2), centres. radii : (n,). sizes : (n, 2), width and height of each label.
    room : the box that labels must stay in.
    leading : so many labels, the first, take their places before all others.

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
    order, best, answer = np.arange(len(dots)), np.inf, None
    for _ in range(_ROUNDS):
        *made, price = _round(order, dots, radii, sizes, np.asarray(room, float))
        if answer is None or price.sum() < best:
            best, answer = price.sum(), made
        price[:leading] += 2 * _LOST
        order = np.argsort(-price, kind="stable")
    return tuple(answer)


def _round(
    order: np.ndarray, dots: np.ndarray, radii: np.ndarray, sizes: np.ndarray, room: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place the labels in this order: their boxes, ends, and what each place cost."""
    boxes, ends = np.full((len(dots), 4), np.nan), np.full((len(dots), 2), np.nan)
    paid = np.full(len(dots), float(_LOST))
    spots = np.hstack([dots - radii[:, None], dots + radii[:, None]])
    way = np.clip(1.5 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1), -1, 1)
    cost = np.add.outer(_GAPS / 10, np.arange(len(_ANGLES)) / 20).ravel()
    lines = np.zeros((0, 4))  # from a dot to its label
    for i in order:
        reach = sizes[i] / 2 + radii[i] + _GAPS[:, None, None]  # (gaps, 1, 2)
        centres = (dots[i] + way * reach).reshape(-1, 2)
        choices = np.hstack([centres - sizes[i] / 2, centres + sizes[i] / 2])
        taken, others = boxes[~np.isnan(boxes[:, 0])], np.delete(spots, i, 0)
        free = (choices[:, :2] >= room[:2]).all(1) & (choices[:, 2:] <= room[2:]).all(1)
        free &= ~_meet(choices, taken, _PAD).any(1) & ~_meet(choices, spots, 1).any(1)
        free &= ~_through(lines, choices, 1).any(0)
        free = np.flatnonzero(free)[:_TRIED]
        points = np.clip(dots[i], choices[free, :2], choices[free, 2:])
        ties = np.hstack([np.broadcast_to(dots[i], points.shape), points])
        price = (
            cost[free]
            + 2 * _meet(choices[free], others, 9).sum(1)  # a label to be taken for another's
            + 3 * _through(ties, others, 1).sum(1)
            + 3 * _cross(ties, lines).sum(1)
        )
        price[_through(ties, taken, 1).any(1)] = np.inf
        if np.isfinite(price).any():
            k = price.argmin()
            boxes[i], ends[i], paid[i] = choices[free[k]], points[k], price[k]
            lines = np.vstack([lines, ties[k]])
    return boxes, ends, paid


def _meet(boxes: np.ndarray, others: np.ndarray, pad: float) -> np.ndarray:
    """Which boxes (m, 4) come within `pad` of which others (k, 4), bool (m, k)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return (low < high + pad).all(2)


def _through(lines: np.ndarray, boxes: np.ndarray, pad: float) -> np.ndarray:
    """Which lines (m, 4), from point to point, meet which boxes (k, 4), bool (m, k)."""
    start, way = lines[:, None, :2], (lines[:, 2:] - lines[:, :2])[:, None]
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    one, two = (
        (boxes[None, :, :2] - pad - start) / way,
        (boxes[None, :, 2:] + pad - start) / way,
    )
    enter, leave = np.minimum(one, two).max(2), np.maximum(one, two).min(2)
    return (enter <= leave) & (leave >= 0) & (enter <= 1)


def _cross(lines: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which lines (m, 4) cross which others (k, 4), bool (m, k)."""
    a, b = lines[:, None, :2], lines[:, None, 2:]
    c, d = others[None, :, :2], others[None, :, 2:]
    return (_turn(a, b, c) * _turn(a, b, d) < 0) & (_turn(c, d, a) * _turn(c, d, b) < 0)


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Above 0 where c lies to the left of the way from a to b."""
    u, v = b - a, c - a
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
