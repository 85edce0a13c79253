"""How far back a taste reaches: several memories, weighed by what they foretold.

A taste may change whole. So there are memories of different length: everything, and
the latest 3, 4, 6, 8, 12, … judgments alone, each a Gaussian process that knows
nothing of what came before. How well one foretold the judgments within it is the sum
of their log predictive densities, each given those before it, which come free with
the Cholesky factor of its system of equations: with z = L⁻¹ t,

    log p(t_i | t_1 … t_i-1) = -z_i² / 2 - log L_ii - log(2π) / 2.

A shorter memory is taken where it foretold its judgments so much better than the
longest did that a change, of chance `CHANGE_CHANCE` a priori, explains it. This is
Bayesian change-point detection (Adams and MacKay 2007) with the run lengths on a
grid, and the run length of most mass taken.
"""

from __future__ import annotations

from math import log, pi

import numpy as np
from scipy.linalg import solve_triangular

CHANGE_CHANCE = 0.02  # of a change at one of the lengths
LENGTHS = tuple(int(2**k * half) for k in range(1, 8) for half in (1.5, 2))  # 3, 4, 6, …


def log_densities(system: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Compute the log density of each value given those before it: float64 (n,).

    Parameters
    ----------
    system : float64 (n, n), the covariance of the values, noise included.
    told : float64 (n,), the values less their means.

    >>> log_densities(np.eye(2), np.array([0.0, 1.0])).round(3).tolist()
    [-0.919, -1.419]
    """
    factor = np.linalg.cholesky(system)
    z = solve_triangular(factor, told, lower=True, check_finite=False)
    return -(z**2) / 2 - np.log(np.diag(factor)) - log(2 * pi) / 2


def within(length: int, named: np.ndarray, n: int) -> np.ndarray:
    """Return which of `told` a memory of the latest `length` of n judgments holds: int64.

    Those are the places of the names that were said within it, then of its judgments.

    >>> within(2, np.array([np.inf, 1.0]), 5).tolist()
    [1, 5, 6]
    """
    end = len(named) + n
    return np.append(np.flatnonzero(named <= length), np.arange(end - length, end))


def best_length(system: np.ndarray, told: np.ndarray, named: np.ndarray) -> int | None:
    """Return how many of the latest judgments a taste should remember, None for all.

    Parameters
    ----------
    system, told : as for `log_densities`: first the k names that were said, then the
        judgments, the latest last.
    named : float (k,), how many judgments came after each name.
    """
    k = len(named)
    n = len(told) - k
    if n <= LENGTHS[0]:
        return None
    foretold = np.append(0, np.cumsum(log_densities(system, told)[k:][::-1]))
    best, most = None, 0.0
    for length in LENGTHS:
        if length >= n:
            break
        kept = within(length, named, n)
        own = log_densities(system[np.ix_(kept, kept)], told[kept])[-length:].sum()
        gain = float(own - foretold[length]) + log(CHANGE_CHANCE)
        if gain > most:
            best, most = length, gain
    return best
