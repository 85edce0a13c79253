"""Measure how well pictures are recognized that took no part in the training."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from ..store.progress import ticking
from .examples import Examples, hold_out
from .features import DCT_KEPT
from .recognizer import HELD_OUT, LANDMARKS, Recognizer, taught_tags, train

FIRST_TAGS = 5  # of a picture, whose precision is measured
MIN_KNOWN, MIN_ASKED = 10, 3  # pictures of a tag that counts in the mean average precision


class Judge:
    """Families of pictures that are held out of the training, to judge by.

    Parameters
    ----------
    seed : of the choice of the families.

    Attributes
    ----------
    known : the other pictures, to train on.
    asked : the pictures that were held out, in random order so that ties fall at random.
    places : int64 (n,), where those are among the examples.
    tags : how many the mean average precision is over: those on `MIN_KNOWN` pictures
        or more of `known` and on `MIN_ASKED` or more of `asked`.

    Raises
    ------
    BadInput : too few families to hold any out.
    """

    def __init__(self, examples: Examples, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        held = hold_out(examples.families, HELD_OUT, rng)
        if not held.any():
            raise BadInput(
                f"{len(held)} pictures of too few families: none can be held out to judge"
            )
        self.known = examples.take(~held)
        self.places = rng.permutation(np.flatnonzero(held))
        self.asked = examples.take(self.places)
        self._counts = np.asarray(self.known.labels.sum(0)).ravel()
        self._truth = self.asked.labels.toarray() > 0
        self._shown = examples.nameable
        self._counted = self._shown & (self._counts >= MIN_KNOWN)
        self._counted &= self._truth.sum(0) >= MIN_ASKED
        self.tags = int(self._counted.sum())

    def compare(self, trained: Recognizer) -> list[tuple[str, float, float]]:
        """Judge a recognizer that was trained on `known`, beside simple predictors.

        Returns
        -------
        (name, precision of the first five tags, mean average precision) of the most
        frequent tags ("prior"), of the original program ("original": 8 × 8 gray DCT →
        linear → vector → nearest tags), and of the recognizer ("recognizer").
        """
        prior = np.broadcast_to(self._counts, self._truth.shape)
        original = _original_vectors(self.known, self.asked) @ self.known.vecs.T
        return [
            ("prior", *self._figures(prior)),
            ("original", *self._figures(original)),
            ("recognizer", *self.judge(trained, self.asked.rows)),
        ]

    def judge(self, trained: Recognizer, rows: np.ndarray) -> tuple[float, float]:
        """Judge what a recognizer that was trained on `known` says of the pictures asked.

        Parameters
        ----------
        rows : float32 (n, F), features of `asked`, or of changed copies of these.

        Returns
        -------
        The precision of the first five tags, and the mean average precision.
        """
        scores = np.zeros(self._truth.shape, np.float32)
        scores[:, taught_tags(self.known)] = trained.confidences(rows)
        return self._figures(scores)

    def _figures(self, scores: np.ndarray) -> tuple[float, float]:
        shown, counted = self._shown, self._counted
        return (
            precision(scores[:, shown], self._truth[:, shown], FIRST_TAGS),
            mean_average_precision(scores[:, counted], self._truth[:, counted]),
        )


def judge_recognizer(
    examples: Examples, seed: int = 0, landmarks: int = LANDMARKS
) -> tuple[list[tuple[str, float, float]], int]:
    """Train on most of the examples and judge by the rest.

    Returns
    -------
    rows : see `Judge.compare`. tags : see `Judge`.

    Raises
    ------
    BadInput : see `Judge` and `train`.
    """
    judge = Judge(examples, seed)
    trained = train(judge.known, seed, landmarks)
    with ticking("judging"):
        return judge.compare(trained), judge.tags


def precision(scores: np.ndarray, truth: np.ndarray, n: int) -> float:
    """Compute the mean share of true labels among the n best of each row, (rows, labels).

    >>> precision(np.array([[3, 2, 1]]), np.array([[True, False, True]]), 2)
    0.5
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return float(np.take_along_axis(truth, best, axis=1).mean())


def mean_average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Average over labels (columns) the average precision of the rows' order; NaN for none.

    >>> scores = np.array([[3], [2], [1]])
    >>> round(mean_average_precision(scores, np.array([[True], [False], [True]])), 4)
    0.8333
    """
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(truth, order, axis=0)
    found = np.cumsum(hits, axis=0) / np.arange(1, len(hits) + 1)[:, None]
    each = (found * hits).sum(0) / hits.sum(0)
    return float(each.mean()) if len(each) else float("nan")


def _original_vectors(known: Examples, asked: Examples) -> np.ndarray:
    """Predict vectors (n, d) of the pictures asked about by least squares on an 8 × 8 DCT."""
    side = DCT_KEPT[0]
    low = (np.arange(8)[:, None] * side + np.arange(8)).ravel()
    first, second = (
        np.hstack([e.rows[:, low], np.ones((len(e.rows), 1), np.float32)])
        for e in (known, asked)
    )
    return second @ np.linalg.lstsq(first, known.means(), rcond=None)[0]
