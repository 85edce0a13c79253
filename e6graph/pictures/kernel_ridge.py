"""Kernel ridge regression on landmarks, and the calibration of its scores.

The kernel is exp(−Σ_b w_b ‖x_b − y_b‖ / median_b) over the parts b of a row, each
turned to its principal axes: the sub-Gaussian form that Chapelle, Haffner, Vapnik
(IEEE Trans. Neural Networks 10(5), 1999) found best for color histograms. With
fewer landmarks than rows it is regression on a subset of them (Nyström; Rudi,
Camoriano, Rosasco, NIPS 2015), otherwise exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve, cholesky, eigh, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit, logit

from ..store.progress import counted

JITTER = 1e-6  # on the landmarks' kernel, because duplicates lower its rank
KERNEL_ROWS = 1024  # whose kernel is in memory
_CACHED_MARKS = 256  # whose differences from a row fit the cache


def principal_axes(
    rows: np.ndarray, sizes: Sequence[int], weights: Sequence[float], axes: int
) -> np.ndarray:
    """Compute the axes of each part of the rows, scaled for `kernel`.

    Parameters
    ----------
    rows : (n, F), of parts side by side, `sizes` columns each.
    weights : w_b of each part.

    Returns
    -------
    float32 (F, axes): unit principal axes × w_b / the part's median distance
    between rows. A part that is the same in all rows gets zeros, as do the axes that a
    part of fewer columns lacks.
    """
    made = np.zeros((rows.shape[1], axes), np.float32)
    for part, weight in zip(_part_slices(sizes), weights, strict=True):
        values = rows[:, part].astype(np.float64)
        centered = values - values.mean(0)
        size = len(centered.T)
        strongest = (max(0, size - axes), size - 1)
        _, vectors = eigh(centered.T @ centered, subset_by_index=strongest)
        vectors = vectors[:, ::-1]
        turned = values @ vectors
        median = np.sqrt(np.median(_squares(turned[::2], turned[1::2])))
        scale = weight / median if median > 0 else 0
        made[part, : vectors.shape[1]] = vectors * scale
    return made


def project(rows: np.ndarray, axes: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Turn rows (n, F) to the axes of each part: float32 (n, parts, axes)."""
    return np.stack([rows[:, part] @ axes[part] for part in _part_slices(sizes)], axis=1)


def _part_slices(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum(sizes)
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute exp(−Σ_parts ‖a − b‖), (n, parts, axes) × (m, parts, axes) → (n, m).

    >>> kernel(np.array([[[3.0, 4.0]]]), np.array([[[0.0, 0.0]], [[3.0, 4.0]]])).round(4)
    array([[0.0067, 1.    ]])
    """
    if len(a) == 1:  # for one row, converting the landmarks costs more than all the rest
        made = np.empty((1, len(b)), np.result_type(a, b))
        for start in range(0, len(b), _CACHED_MARKS):
            apart = b[start : start + _CACHED_MARKS] - a
            squares = np.einsum("mpa,mpa->pm", apart, apart)
            made[0, start : start + _CACHED_MARKS] = np.exp(-np.sqrt(squares).sum(0))
        return made
    total = np.zeros((len(a), len(b)))
    for part in range(a.shape[1]):
        total += np.sqrt(_squares(a[:, part], b[:, part]))
    return np.exp(-total)


def kernel_of_versions(a: np.ndarray, marks: np.ndarray, kind: int = 0) -> np.ndarray:
    """Compute the kernel with landmarks of which there are several versions.

    A landmark's versions are of some kinds (in color, in gray), with as many copies of
    each kind. The kernel is the mean over the copies of one kind.

    Parameters
    ----------
    a : (n, parts, axes).
    marks : (m, kinds, copies, parts, axes), or (m, parts, axes) of one version each.
    kind : what kind the rows of `a` are of.

    Returns
    -------
    (n, m)
    """
    if marks.ndim == 3:
        return kernel(a, marks)
    copies = marks.shape[2]
    made = np.zeros((len(a), len(marks)))
    for copy in range(copies):
        made += kernel(a, marks[:, kind, copy]) / copies
    return made


def kernel_of_marks(marks: np.ndarray) -> np.ndarray:
    """Compute the landmarks' own kernel, (m, m): the mean over all pairs of copies.

    Of landmarks with versions (see `kernel_of_versions`) the first kind counts. A mean
    over pairs is an inner product of means, so it can be inverted.
    """
    if marks.ndim == 3:
        return kernel(marks, marks)
    copies = marks.shape[2]
    total = np.zeros((len(marks), len(marks)))
    for first in range(copies):
        total += kernel(marks[:, 0, first], marks[:, 0, first])
        for second in range(first):
            both = kernel(marks[:, 0, first], marks[:, 0, second])
            total += both
            total += both.T
    total /= copies**2
    return total


def root_of(marks: np.ndarray) -> np.ndarray:
    """Compute R, (m, m), of RᵀR the landmarks' own kernel."""
    made = kernel_of_marks(marks)
    made[np.diag_indices_from(made)] += JITTER
    return cholesky(made, overwrite_a=True, check_finite=False)


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute ‖a_i − b_j‖², (n, m) float64, exactly 0 for equal rows.

    Without that, the square root would turn a rounding error of 1e-16 into 1e-8.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.square(a).sum(1)[:, None] + np.square(b).sum(1)
    squares = lengths - 2 * (a @ b.T)
    squares[squares < 1e-12 * lengths] = 0
    return squares


@dataclass
class Sums:
    """Sums over rows of k kᵀ, k yᵀ, k, y and 1: all that the regression needs.

    k (m,) is a row's kernel with the landmarks, y (t + d,) its targets: labels,
    then numbers. Sums add up, so a fit on everything reuses the one on a part.
    """

    gram: np.ndarray
    cross: np.ndarray
    kernels: np.ndarray
    targets: np.ndarray
    count: float

    @classmethod
    def over(
        cls,
        points: np.ndarray,
        labels: sp.csr_matrix,
        numbers: np.ndarray,
        marks: np.ndarray,
    ) -> Sums:
        """Sum over points (n, parts, axes) with labels CSR (n, t) and numbers (n, d).

        `marks` are the landmarks, of which the first kind counts, as for
        `kernel_of_versions`.
        """
        m, t, d = len(marks), labels.shape[1], numbers.shape[1]
        sums = cls(
            gram=np.zeros((m, m)),
            cross=np.zeros((m, t + d)),
            kernels=np.zeros(m),
            targets=np.zeros(t + d),
            count=0,
        )
        slices = _slices(len(points))
        for here in counted(slices, "kernel", len(slices)):
            with_marks = kernel_of_versions(points[here], marks)
            sums.gram += with_marks.T @ with_marks
            sums.cross[:, :t] += (labels[here].T @ with_marks).T
            sums.cross[:, t:] += with_marks.T @ numbers[here]
            sums.kernels += with_marks.sum(0)
            sums.targets[:t] += np.asarray(labels[here].sum(0)).ravel()
            sums.targets[t:] += numbers[here].sum(0)
            sums.count += len(with_marks)
        return sums

    def plus(self, other: Sums, weight: float = 1) -> Sums:
        """Return the sums over both sets of rows, of which the other counts `weight`."""
        mine, its = vars(self), vars(other)
        return Sums(**{name: mine[name] + weight * its[name] for name in mine})

    def solve(
        self,
        marks: np.ndarray,
        ridges: Sequence[float],
        root: np.ndarray | None = None,
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Solve for (weights (m, t + d), means (t + d,)) with each λ of `ridges`.

        Predictions are means + k @ weights. With RᵀR the landmarks' kernel and
        Z = K R⁻¹ the rows' coordinates, weights are R⁻¹ (ZᵀZ + λI)⁻¹ Zᵀ(Y − means):
        kernel ridge regression itself if every row is a landmark.

        Parameters
        ----------
        root : what `root_of` makes of the landmarks, for several calls.
        """
        root = root_of(marks) if root is None else root
        means = self.targets / self.count
        half = solve_triangular(root, self.gram, trans=1, check_finite=False)
        gram = solve_triangular(root, half.T, trans=1, check_finite=False)
        cross = self.cross - np.outer(self.kernels, means)
        cross = solve_triangular(root, cross, trans=1, check_finite=False)
        solved = []
        for ridge in ridges:
            shifted = gram.copy()
            shifted[np.diag_indices_from(shifted)] += ridge
            # In two calls: no thread can draw a bar while SciPy is in LAPACK.
            factor = cho_factor(shifted, overwrite_a=True, check_finite=False)
            inner = cho_solve(factor, cross, check_finite=False)
            weights = solve_triangular(root, inner, check_finite=False)
            solved.append((weights, means))
        return solved


def predict(
    points: np.ndarray,
    marks: np.ndarray,
    weights: np.ndarray,
    means: np.ndarray,
    kind: int = 0,
) -> np.ndarray:
    """Compute means + k @ weights, float32 (n, t), of points of one kind."""
    made = np.empty((len(points), len(means)), np.float32)
    for here in _slices(len(points)):
        with_marks = kernel_of_versions(points[here], marks, kind).astype(weights.dtype)
        made[here] = with_marks @ weights + means
    return made


def _slices(n: int) -> list[slice]:
    return [slice(start, start + KERNEL_ROWS) for start in range(0, n, KERNEL_ROWS)]


def confidences(scores: np.ndarray, prior: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Turn scores (n, t) into probabilities; `prior` (t,) is each label's share of rows."""
    return expit(_evidence(scores, prior) @ coefficients.astype(scores.dtype))


def calibrate(scores: np.ndarray, prior: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Fit coefficients for `confidences` to scores of rows that took no part in the fit.

    A score of ridge regression may leave 0..1 and is no probability. Logistic
    regression (Platt 1999) makes it one, the same for all labels, from 1, the
    score, the logarithm of the score and the log-odds of the prior.

    Parameters
    ----------
    scores : (n, t).
    prior : (t,).
    truth : (n, t) of 0 and 1.

    Returns
    -------
    float64 (4,).
    """
    seen = _evidence(scores, prior).reshape(-1, 4).astype(np.float64)
    truth = truth.ravel()
    start = np.array([0.0, 0.0, 1.0, 0.0])  # the score as odds

    def loss(c: np.ndarray) -> float:
        odds = seen @ c
        away = np.square(c - start).sum() / 2
        return np.sum(np.logaddexp(0, odds) - truth * odds) + away

    def slope(c: np.ndarray) -> np.ndarray:
        return seen.T @ (expit(seen @ c) - truth) + c - start

    def curve(c: np.ndarray) -> np.ndarray:
        guess = expit(seen @ c)
        return (seen * (guess * (1 - guess))[:, None]).T @ seen + np.eye(4)

    found = minimize(loss, start, jac=slope, hess=curve, method="trust-exact")
    return found.x


def _evidence(scores: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Make the predictors of the calibration from scores (n, t): (n, t, 4)."""
    prior = np.clip(prior, 1e-6, 1 - 1e-6).astype(scores.dtype)
    seen = np.empty((*scores.shape, 4), scores.dtype)
    seen[..., 0] = 1
    seen[..., 1] = scores
    seen[..., 2] = np.log(np.maximum(scores, prior / 2))
    seen[..., 3] = logit(prior)
    return seen
