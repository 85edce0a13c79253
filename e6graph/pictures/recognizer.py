"""Pictures → tags, and pictures → the space of the tags, by kernel ridge regression."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image

from ..embedding.dictionary import unit_rows
from ..errors import BadArtifact, BadInput
from ..store import Stage, Store
from .examples import Examples, hold_out
from .features import BLOCKS, DCT_KEPT, WIDTH, features, open_picture, phash, raster
from .kernel_ridge import Sums, calibrate, confidences, predict, principal_axes, project

__all__ = ["Recognizer", "judge", "open_picture", "phash", "train"]

SIZES = tuple(BLOCKS.values())
WEIGHTS = {"dct": 0.15, "hog": 0.5, "color": 0.5}  # chosen on OpenMoji, and flat around there
AXES = 64  # principal axes kept of each part; more add noise
LANDMARKS = 4096
RIDGES = (0.03, 0.1, 0.3)
LEAST, MIN_PICTURES, MAX_TAGS = (
    20,
    5,
    4096,
)  # pictures in all; pictures a tag; the most used tags
HELD_OUT = 0.2
_CALIBRATION_PAIRS = 2_000_000  # of picture and tag; four coefficients are fitted to them


@dataclass(frozen=True)
class Recognizer:
    """A trained operator.

    With k (m,) the kernel between a picture and the landmarks, the scores of the tags are
    prior + k @ weights, and the vector of the picture is mean + k @ directions.

    Attributes
    ----------
    names : str (t,), the tags that can be recognised, the most used first.
    axes : float32 (`WIDTH`, `AXES`), see `principal_axes`.
    landmarks : float32 (m, parts, `AXES`).
    weights, prior : float32 (m, t), (t,).
    calibration : float32 (4,), see `calibrate`.
    directions, mean : float32 (m, d), (d,).
    """

    names: np.ndarray
    axes: np.ndarray
    landmarks: np.ndarray
    weights: np.ndarray
    prior: np.ndarray
    calibration: np.ndarray
    directions: np.ndarray
    mean: np.ndarray

    @classmethod
    def open(cls, store: Store) -> Recognizer:
        """Load `recognizer.npz`; its vectors go through `attenuator.npz` where there is one.

        An attenuated mean is linear in the mean, so the operator is applied once, here, and the
        vectors of pictures lie in the space of the index of posts.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        arrays = store.load_npz("recognizer.npz")
        m, t, d = (len(arrays.get(name, ())) for name in ("landmarks", "names", "mean"))
        expected = {
            "names": (t,),
            "axes": (WIDTH, AXES),
            "landmarks": (m, len(SIZES), AXES),
            "weights": (m, t),
            "prior": (t,),
            "calibration": (4,),
            "directions": (m, d),
            "mean": (d,),
        }
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != expected:
            raise BadArtifact(
                f"recognizer.npz holds {shapes}, expected {expected}: run solve_recognizer.py again"
            )
        if store.find("attenuator.npz"):
            operator = store.load_npz("attenuator.npz", "operator")["operator"]
            if operator.shape != (d, d):
                raise BadArtifact(
                    f"recognizer.npz has {d} dimensions, attenuator.npz is {operator.shape}: "
                    "run solve_attenuator.py and solve_recognizer.py again"
                )
            arrays["directions"] = arrays["directions"] @ operator.T
            arrays["mean"] = arrays["mean"] @ operator.T
        return cls(**arrays)

    def save(self, stage: Stage) -> None:
        """Write `recognizer.npz` in a stage of the store."""
        stage.save_npz(
            "recognizer.npz", **{f.name: getattr(self, f.name) for f in fields(self)}
        )

    def confidences(self, rows: np.ndarray) -> np.ndarray:
        """Features (n, `WIDTH`) → the probability of each tag, float32 (n, t)."""
        points = project(rows, self.axes, SIZES)
        scores = predict(points, self.landmarks, self.weights, self.prior)
        return confidences(scores, self.prior, self.calibration)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Features (n, `WIDTH`) → vectors in the space of posts, float32 (n, d), unit rows."""
        points = project(rows, self.axes, SIZES)
        return unit_rows(predict(points, self.landmarks, self.directions, self.mean))

    def embed(self, picture: str | Path | bytes | Image.Image) -> np.ndarray:
        """The vector of a picture, float32 (d,), of length 1.

        Raises
        ------
        BadInput : see `open_picture`.
        """
        return self.vectors(features(raster(open_picture(picture))[None]))[0]

    def tags(
        self, picture: str | Path | bytes | Image.Image, n: int = 8
    ) -> list[tuple[str, float]]:
        """The n likeliest tags of a picture with their probabilities, best first.

        Raises
        ------
        BadInput : see `open_picture`.
        """
        likely = self.confidences(features(raster(open_picture(picture))[None]))[0]
        order = np.argsort(-likely, kind="stable")[:n]
        return [(str(self.names[t]), float(likely[t])) for t in order]


def train(examples: Examples, seed: int = 0, landmarks: int = LANDMARKS) -> Recognizer:
    """Fit the operator; λ and the calibration come from families held out of a first fit.

    Time grows with landmarks² × pictures, memory with landmarks² whatever their number: 20,000
    pictures, 4,096 landmarks and 4,096 tags take 95 s and 2.5 GiB on two cores.

    Raises
    ------
    BadInput : too few pictures, or no tag on enough of them.
    """
    n, columns = len(examples.rows), learned_tags(examples)
    if n < LEAST or not len(columns):
        raise BadInput(
            f"{n} pictures, {len(columns)} tags on {MIN_PICTURES} of them or more: expected at "
            f"least {LEAST} and 1; take more posts"
        )
    rng = np.random.default_rng(seed)
    some = rng.permutation(n)[:2000]
    axes = principal_axes(examples.rows[some], SIZES, tuple(WEIGHTS.values()), AXES)
    points = project(examples.rows, axes, SIZES)
    marks = points[np.sort(rng.permutation(n)[:landmarks])]
    labels, numbers = examples.labels[:, columns].tocsr(), examples.means()

    held, t = hold_out(examples.families, HELD_OUT, rng), len(columns)
    sums = Sums.over(points[~held], labels[~held], numbers[~held], marks)
    truth = labels[held].toarray()
    least = np.inf
    for ridge, (weights, means) in zip(RIDGES, sums.solve(marks, RIDGES), strict=True):
        tried = predict(points[held], marks, weights[:, :t], means[:t])
        error = np.square(tried - truth).sum()
        if error < least:
            least, best, scores, prior = error, ridge, tried, means[:t]
    some = rng.permutation(len(truth))[: max(1, _CALIBRATION_PAIRS // t)]
    calibration = calibrate(scores[some], prior, truth[some])

    sums.add(Sums.over(points[held], labels[held], numbers[held], marks))
    ((weights, means),) = sums.solve(marks, [best])
    parts = (marks, weights[:, :t], means[:t], calibration, weights[:, t:], means[t:])
    return Recognizer(examples.names[columns], axes, *(p.astype(np.float32) for p in parts))


def learned_tags(examples: Examples) -> np.ndarray:
    """Columns of the tags that are learned: nameable, on enough pictures, the most used."""
    counts = np.asarray(examples.labels.sum(0)).ravel() * examples.nameable
    columns = np.argsort(-counts, kind="stable")[:MAX_TAGS]
    return np.sort(columns[counts[columns] >= MIN_PICTURES])


def judge(
    examples: Examples, seed: int = 0, landmarks: int = LANDMARKS, share: float = HELD_OUT
) -> tuple[list[tuple[str, float, float]], int]:
    """How well pictures are recognised whose families took no part in the training.

    Returns
    -------
    rows : (name, precision of the first five tags, mean average precision) of the most frequent
        tags, of the original program's way (8 × 8 grey DCT → linear → vector → nearest tags), and
        of `train`.
    tags : how many the mean average precision is over: on 10 training pictures or more and on 3
        held-out ones or more.
    """
    rng = np.random.default_rng(seed)
    held = hold_out(examples.families, share, rng)
    if not held.any():
        raise BadInput(
            f"{len(held)} pictures of too few families: none can be held out to judge"
        )
    known = examples.take(~held)
    asked = examples.take(rng.permutation(np.flatnonzero(held)))  # ties fall at random
    counts = np.asarray(known.labels.sum(0)).ravel()
    truth = asked.labels.toarray() > 0
    recognized = np.zeros(truth.shape, np.float32)
    recognized[:, learned_tags(known)] = train(known, seed, landmarks).confidences(asked.rows)
    scores = {
        "prior": np.broadcast_to(counts, truth.shape),
        "original": _original(known, asked) @ known.vecs.T,
        "recognizer": recognized,
    }
    shown = examples.nameable
    counted = shown & (counts >= 10) & (truth.sum(0) >= 3)
    rows = [
        (
            name,
            precision(s[:, shown], truth[:, shown], 5),
            mean_average_precision(s[:, counted], truth[:, counted]),
        )
        for name, s in scores.items()
    ]
    return rows, int(counted.sum())


def precision(scores: np.ndarray, truth: np.ndarray, n: int) -> float:
    """Mean share of true labels among the n best of each row; scores and truth (rows, labels).

    >>> precision(np.array([[3, 2, 1]]), np.array([[True, False, True]]), 2)
    0.5
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return float(np.take_along_axis(truth, best, axis=1).mean())


def mean_average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean over labels (columns) of the average precision of the rows' order; NaN for none.

    >>> scores = np.array([[3], [2], [1]])
    >>> round(mean_average_precision(scores, np.array([[True], [False], [True]])), 4)
    0.8333
    """
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(truth, order, axis=0)
    found = np.cumsum(hits, axis=0) / np.arange(1, len(hits) + 1)[:, None]
    each = (found * hits).sum(0) / hits.sum(0)
    return float(each.mean()) if len(each) else float("nan")


def _original(known: Examples, asked: Examples) -> np.ndarray:
    """Vectors (n, d) of the pictures asked about, by least squares on an 8 × 8 grey DCT."""
    side = DCT_KEPT[0]
    low = (np.arange(8)[:, None] * side + np.arange(8)).ravel()
    ones = [np.ones((len(e.rows), 1), np.float32) for e in (known, asked)]
    first, second = (
        np.hstack([e.rows[:, low], one]) for e, one in zip((known, asked), ones, strict=True)
    )
    return second @ np.linalg.lstsq(first, known.means(), rcond=None)[0]
