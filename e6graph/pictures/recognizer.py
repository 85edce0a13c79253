"""Pictures → tags, and pictures → the space of the tags, by kernel ridge regression."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import scipy.sparse as sp

from ..embedding.dictionary import unit_rows
from ..errors import BadArtifact, BadInput
from ..store import Stage, Store
from ..store.progress import ticking
from .copies import VERSIONS
from .encoder import Encoder
from .examples import Examples, hold_out
from .features import (
    N_FEATURES,
    PARTS,
    ImageLike,
    features_of,
    has_color,
    smoothed,
)
from .kernel_ridge import (
    Sums,
    calibrate,
    confidences,
    predict,
    principal_axes,
    project,
    root_of,
)
from .look_alike import SeenPictures

PART_WEIGHTS = {"dct": 0.1, "hog": 0.42, "color": 0.35, "encoder": 0.5}
"""Chosen on OpenMoji, Noto and icons; values near these do as well."""
AXES = 64  # principal axes kept of each part; more add noise
LANDMARKS = 4096
RIDGES = (0.03, 0.1, 0.3, 1.0)  # λ, of which the best is taken
WARPED_WEIGHTS = (0.0, 0.5)  # of a warped copy in the fit, of which the best is taken
WARPED_WORTH = 0.01  # error that gray pictures may gain by it: shape is all they have

MIN_PICTURES = 20
MIN_PICTURES_A_TAG = 5  # copies count
MAX_TAGS = 4096  # the most used ones are learned
HELD_OUT = 0.2  # share of the families
_CALIBRATION_PAIRS = 2_000_000  # of picture and tag: enough for four coefficients


@dataclass(frozen=True)
class Recognizer:
    """A trained operator.

    With k (m,) the kernel between a picture and the landmarks, the tags' scores are
    prior + k @ weights, and the picture's vector is mean + k @ directions. Pictures
    without color have weights of their own, of gray copies: what colors tell would
    otherwise count less for all.

    Attributes
    ----------
    names : str (t,), the tags that can be recognized, the most used first.
    axes : float32 (F, `AXES`), see `principal_axes`; F is `N_FEATURES` and the numbers of
        the encoder.
    landmarks : float32 (m, kinds, copies, parts, `AXES`), see `kernel_of_versions`.
    weights, prior : float32 (kinds, m, t), (t,).
    calibration : float32 (kinds, 4), see `calibrate`.
    directions, mean : float32 (kinds, m, d), (d,).
    encoder : of the user's own, or None.
    """

    names: np.ndarray
    axes: np.ndarray
    landmarks: np.ndarray
    weights: np.ndarray
    prior: np.ndarray
    calibration: np.ndarray
    directions: np.ndarray
    mean: np.ndarray
    encoder: Encoder | None = None

    @classmethod
    def open(cls, store: Store) -> Recognizer:
        """Load `recognizer.npz`; if there is `attenuator.npz`, its vectors are attenuated.

        An attenuated mean is linear in the mean, so the operator is applied once,
        here. Vectors of pictures then lie in the space of the indexed posts.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        arrays = store.load_npz("recognizer.npz", *_ARRAYS, optional=["encoder"])
        record, encoder = arrays.pop("encoder", None), None
        if record is not None:
            encoder = Encoder.reopen(str(record), store.root)
        if arrays["landmarks"].ndim != 5:
            raise BadArtifact(
                "recognizer.npz was made by an older version: run solve_recognizer.py again"
            )
        features = N_FEATURES + (encoder.numbers if encoder else 0)
        m, t, d = (len(arrays.get(name, ())) for name in ("landmarks", "names", "mean"))
        kinds, copies = arrays["landmarks"].shape[1:3]
        expected = {
            "names": (t,),
            "axes": (features, AXES),
            "landmarks": (m, kinds, copies, len(part_lengths(features)), AXES),
            "weights": (kinds, m, t),
            "prior": (t,),
            "calibration": (kinds, 4),
            "directions": (kinds, m, d),
            "mean": (d,),
        }
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != expected:
            raise BadArtifact(
                f"recognizer.npz holds {shapes}, expected {expected}: "
                "run solve_recognizer.py again"
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
        # Landmarks of one version side by side are read a quarter faster.
        by_version = np.ascontiguousarray(np.moveaxis(arrays["landmarks"], 0, 2))
        arrays["landmarks"] = np.moveaxis(by_version, 2, 0)
        return cls(**arrays, encoder=encoder)

    def save(self, stage: Stage, seen: SeenPictures | None = None) -> None:
        """Write `recognizer.npz` in a stage of the store, with the pictures that were seen."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.encoder:
            arrays["encoder"] = np.array(self.encoder.record())
        stage.save_npz("recognizer.npz", **arrays, **(seen.arrays() if seen else {}))

    def confidences(self, rows: np.ndarray) -> np.ndarray:
        """Compute the probability of each tag, float32 (n, t), from features."""
        scores = self._predict(rows, self.weights, self.prior)
        made, kinds = np.empty_like(scores), self._kinds(rows)
        for kind in np.unique(kinds):
            of_kind = kinds == kind
            calibration = self.calibration[kind]
            made[of_kind] = confidences(scores[of_kind], self.prior, calibration)
        return made

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Compute unit vectors in the space of posts, float32 (n, d), from features."""
        return unit_rows(self._predict(rows, self.directions, self.mean))

    def _predict(self, rows: np.ndarray, weights: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Compute means + k @ weights; gray pictures are compared with gray copies."""
        points = project(rows, self.axes, part_lengths(rows.shape[1]))
        made, kinds = np.empty((len(rows), len(means)), np.float32), self._kinds(rows)
        for kind in np.unique(kinds):
            of_kind = kinds == kind
            given = points[of_kind], self.landmarks, weights[kind], means, kind
            made[of_kind] = predict(*given)
        return made

    def _kinds(self, rows: np.ndarray) -> np.ndarray:
        """Tell which weights are for each picture: int (n,), 0 for color, 1 for gray."""
        if self.landmarks.shape[1] == 1:
            return np.zeros(len(rows), int)
        return (~has_color(rows)).astype(int)

    def embed(self, picture: ImageLike) -> np.ndarray:
        """Return the vector of a picture, float32 (d,), of length 1.

        Raises
        ------
        BadInput : see `features_of`.
        """
        return self.vectors(features_of(picture, self.encoder)[None])[0]

    def tags(self, picture: ImageLike, n: int = 8) -> list[tuple[str, float]]:
        """Return the n likeliest tags of a picture with their probabilities, best first.

        Raises
        ------
        BadInput : see `features_of`.
        """
        likely = self.confidences(features_of(picture, self.encoder)[None])[0]
        order = np.argsort(-likely, kind="stable")[:n]
        return [(str(self.names[t]), float(likely[t])) for t in order]


_ARRAYS = [field.name for field in fields(Recognizer) if field.name != "encoder"]


def part_lengths(features: int) -> tuple[int, ...]:
    """Return the lengths of the parts of so many features: ours, and those of an encoder."""
    encoded = features - N_FEATURES
    return (*PARTS.values(), encoded) if encoded else tuple(PARTS.values())


def train(examples: Examples, seed: int = 0, landmarks: int = LANDMARKS) -> Recognizer:
    """Fit the operator; λ and the calibration come from families held out of a first fit.

    Time grows with landmarks² × pictures × versions of each, memory with landmarks².

    Raises
    ------
    BadInput : too few pictures, or no tag on enough of them.
    """
    n, columns = len(examples.rows), taught_tags(examples)
    if n < MIN_PICTURES or not len(columns):
        raise BadInput(
            f"{n} pictures, {len(columns)} tags on {MIN_PICTURES_A_TAG} of them or more: "
            f"expected at least {MIN_PICTURES} and 1; take more posts"
        )
    rng = np.random.default_rng(seed)
    some = rng.permutation(n)[:2000]
    with ticking("principal axes"):
        lengths = part_lengths(examples.rows.shape[1])
        weighed = tuple(PART_WEIGHTS.values())[: len(lengths)]
        axes = principal_axes(smoothed(examples.rows[some]), lengths, weighed, AXES)
        axes = smoothed(axes.T).T
        points = _points_of_versions(examples, axes)
    labels, numbers = examples.labels[:, columns].tocsr(), examples.means()
    chosen = np.sort(rng.permutation(n)[:landmarks])
    held = hold_out(examples.families, HELD_OUT, rng)
    worths = (0.0, WARPED_WORTH)[-points.shape[1] :]
    fits = [
        _fit(points[:, [kind]], labels, numbers, chosen, held, worth)
        for kind, worth in enumerate(worths)
    ]
    t = len(columns)
    weights = np.stack([fit.weights for fit in fits]).astype(np.float32)
    means = fits[0].means.astype(np.float32)  # those of the targets, so of every kind
    return Recognizer(
        names=examples.names[columns],
        axes=axes,
        landmarks=points[chosen].astype(np.float32),
        weights=weights[:, :, :t],
        prior=means[:t],
        calibration=np.stack([fit.calibration for fit in fits]).astype(np.float32),
        directions=weights[:, :, t:],
        mean=means[t:],
        encoder=examples.encoder,
    )


@dataclass(frozen=True)
class _Fit:
    """A regression: weights (m, t + d), means (t + d,), calibration (4,)."""

    weights: np.ndarray
    means: np.ndarray
    calibration: np.ndarray


def _fit(
    points: np.ndarray,
    labels: sp.csr_matrix,
    numbers: np.ndarray,
    chosen: np.ndarray,
    held: np.ndarray,
    worth: float,
) -> _Fit:
    """Fit pictures of one kind, (n, 1, copies, parts, `AXES`).

    Parameters
    ----------
    labels, numbers : CSR (n, t), (n, d), the targets.
    chosen : (m,), positions of the landmarks.
    held : bool (n,), families that a first fit leaves out. They choose λ, whether
        warped copies take part, and the calibration.
    worth : share by which warped copies may raise the error and still take part.
    """
    marks, t = points[chosen], labels.shape[1]
    own = Sums.over(points[~held, 0, 0], labels[~held], numbers[~held], marks)
    warped = _sums_of_copies(points[~held], labels[~held], numbers[~held], marks)
    truth = labels[held].toarray()
    least = np.inf
    with ticking("solving"):
        root = root_of(marks)
        for weight in WARPED_WEIGHTS if warped else (0.0,):
            sums = own.plus(warped, weight) if warped else own
            solved = sums.solve(marks, RIDGES, root)
            for ridge, (weights, means) in zip(RIDGES, solved, strict=True):
                tried = predict(points[held, 0, 0], marks, weights[:, :t], means[:t])
                error = np.square(tried - truth).sum()
                error *= 1 if weight else 1 + worth
                if error < least:
                    least, best, scores, prior = error, (weight, ridge), tried, means[:t]
        some = np.random.default_rng(len(truth)).permutation(len(truth))
        some = some[: max(1, _CALIBRATION_PAIRS // t)]
        calibration = calibrate(scores[some], prior, truth[some])

    # The fit itself, on everything.
    weight, ridge = best
    sums = own.plus(Sums.over(points[held, 0, 0], labels[held], numbers[held], marks))
    if warped and weight:
        others = _sums_of_copies(points[held], labels[held], numbers[held], marks)
        sums = sums.plus(warped.plus(others), weight) if others else sums
    with ticking("solving"):
        ((weights, means),) = sums.solve(marks, [ridge], root)
    return _Fit(weights, means, calibration)


def _points_of_versions(examples: Examples, axes: np.ndarray) -> np.ndarray:
    """Turn all versions of the pictures to the axes: (n, kinds, copies, parts, `AXES`).

    Without copies, there is one of one kind. Where no picture has colors, its gray
    copies are no others.
    """
    lengths = part_lengths(examples.rows.shape[1])
    plain = project(examples.rows, axes, lengths)
    if examples.copies is None:
        return plain[:, None, None]
    kinds = 2 if has_color(examples.rows).any() else 1
    copies = VERSIONS // 2
    made = np.empty((len(plain), kinds * copies, *plain.shape[1:]), np.float32)
    made[:, 0] = plain
    for version in range(1, len(made[0])):
        changed = examples.copies[:, version - 1].astype(np.float32)
        made[:, version] = project(changed, axes, lengths)
    return made.reshape(len(plain), kinds, copies, *plain.shape[1:])


def _sums_of_copies(
    points: np.ndarray, labels: sp.csr_matrix, numbers: np.ndarray, marks: np.ndarray
) -> Sums | None:
    """Sum over the warped copies of pictures; without copies, return None.

    The pictures are of one kind, as in `_fit`, and each counts once per warped copy.
    """
    sums = None
    for copy in range(1, points.shape[2]):
        of_copy = Sums.over(points[:, 0, copy], labels, numbers, marks)
        sums = sums.plus(of_copy) if sums else of_copy
    return sums


def taught_tags(examples: Examples) -> np.ndarray:
    """Choose the columns of the tags to learn: those used most, on enough pictures.

    Copies count: with them one picture teaches a tag, where there is room for it.
    """
    counts = np.asarray(examples.labels.sum(0)).ravel() * examples.nameable
    columns = np.argsort(-counts, kind="stable")[:MAX_TAGS]
    versions = 1 if examples.copies is None else VERSIONS
    return np.sort(columns[versions * counts[columns] >= MIN_PICTURES_A_TAG])
