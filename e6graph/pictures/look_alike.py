"""Which posts have this picture, or a changed copy of it.

A picture's shape is its low frequencies of luma, without the mean, and its oriented
gradients, each of unit length, on their common principal axes. Copies that are gray,
small or hard compressed keep it, and of those that were cropped it is near the shape
of one of the parts (`CROPS`) that are kept of every picture. Colors tell apart what
has one shape; they count for nothing where the picture that is looked for has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..embedding.dictionary import unit_rows
from ..errors import BadArtifact, BadInput
from ..store import Store
from .copies import VIEWS
from .examples import Examples
from .features import N_FEATURES, N_SHAPE, PARTS, has_color, shapes

COLORS = slice(N_FEATURES - PARTS["color"], N_FEATURES)  # of features
N_COLORS = PARTS["color"]
SHAPE_AXES = 64
COLOR_AXES = 32
COLOR_WEIGHT = 0.2  # of the distance of colors, 0..1, beside the cosine of shapes

AXES_FROM = 2000  # pictures
STRANGERS = 500  # pictures looked for among the others, to see how alike those can be
FALSE_CLAIMS = 0.01  # share of strangers that may be taken for a picture that was seen
LEAST_SURE, MOST_SURE = 0.95, 0.99  # likeness; on some boards posts share one picture

_PREFIX = "seen_"  # of the arrays in recognizer.npz


@dataclass(frozen=True)
class SeenPictures:
    """The pictures that solve_recognizer.py saw, to find copies of them.

    Attributes
    ----------
    post_ids : int64 (n,).
    views : float32 (n, `VIEWS`, `SHAPE_AXES`), unit vectors of shapes; 2 bytes each on
        the disk.
    colors : float32 (n, `COLOR_AXES`); the same.
    center, axes : float32 (`N_SHAPE`,), (`N_SHAPE`, `SHAPE_AXES`), of the shapes.
    color_axes : float32 (`N_COLORS`, `COLOR_AXES`).
    sure_from : float32 (1,), the likeness from which on a picture is taken for a copy:
        of pictures that have none here, `FALSE_CLAIMS` reach it, or more where
        posts share pictures (see `MOST_SURE`).
    """

    post_ids: np.ndarray
    views: np.ndarray
    colors: np.ndarray
    center: np.ndarray
    axes: np.ndarray
    color_axes: np.ndarray
    sure_from: np.ndarray

    @classmethod
    def of(cls, examples: Examples, seed: int = 0) -> SeenPictures:
        """Keep the pictures of `read_examples`.

        Raises
        ------
        BadInput : the examples have no views or post ids.
        """
        if examples.views is None or examples.post_ids is None:
            raise BadInput("examples without views or post ids: expected both")
        rng = np.random.default_rng(seed)
        n = len(examples.rows)
        some = rng.permutation(n)[:AXES_FROM]
        known = shapes(examples.rows[some])
        center = known.mean(0)
        axes = _axes(known - center, SHAPE_AXES)
        histograms = examples.rows[:, COLORS]
        color_axes = _axes(histograms[some], COLOR_AXES)
        views = np.empty((n, VIEWS, SHAPE_AXES), np.float32)
        for view in range(VIEWS):
            views[:, view] = unit_rows((examples.views[:, view] - center) @ axes)
        made = cls(
            post_ids=examples.post_ids,
            views=_rounded(views),
            colors=_rounded(histograms @ color_axes),
            center=center,
            axes=axes,
            color_axes=color_axes,
            sure_from=np.ones(1, np.float32),
        )
        made.sure_from[0] = made._likest_strangers(examples, rng)
        return made

    @classmethod
    def open(cls, store: Store) -> SeenPictures:
        """Load them from `recognizer.npz`.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        names = cls.__dataclass_fields__
        found = store.load_npz("recognizer.npz", *(_PREFIX + name for name in names))
        arrays = {name: found[_PREFIX + name] for name in names}
        n = len(arrays["post_ids"])
        expected = {
            "post_ids": (n,),
            "views": (n, VIEWS, SHAPE_AXES),
            "colors": (n, COLOR_AXES),
            "center": (N_SHAPE,),
            "axes": (N_SHAPE, SHAPE_AXES),
            "color_axes": (N_COLORS, COLOR_AXES),
            "sure_from": (1,),
        }
        shapes_found = {name: array.shape for name, array in arrays.items()}
        if shapes_found != expected:
            raise BadArtifact(
                f"recognizer.npz holds pictures of {shapes_found}, expected {expected}: "
                "run solve_recognizer.py again"
            )
        for name in ("views", "colors"):
            arrays[name] = arrays[name].astype(np.float32)
        return cls(**arrays)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is kept in `recognizer.npz`, by name."""
        made = {_PREFIX + name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("views", "colors"):
            made[_PREFIX + name] = made[_PREFIX + name].astype(np.float16)
        return made

    def likeness(self, row: np.ndarray) -> np.ndarray:
        """Compute how like a picture is to each that was seen, from its features.

        Returns
        -------
        float32 (n,), 1 for the same picture, near 0 for two that have nothing in common.
        """
        shape = unit_rows((shapes(row[None]) - self.center) @ self.axes)[0]
        n = len(self.post_ids)
        cosines = self.views.reshape(n * VIEWS, SHAPE_AXES) @ shape
        made = cosines.reshape(n, VIEWS).max(1)
        if has_color(row[None])[0]:
            apart = self.colors - row[COLORS] @ self.color_axes
            made -= COLOR_WEIGHT * np.linalg.norm(apart, axis=1) / np.sqrt(2)
        return np.clip(made, 0, 1)

    def _likest_strangers(self, examples: Examples, rng: np.random.Generator) -> float:
        """Find the likeness that few pictures have with any of another family."""
        likest = []
        for k in rng.permutation(len(examples.rows))[:STRANGERS]:
            strange = examples.families != examples.families[k]
            likest.append(self.likeness(examples.rows[k])[strange].max(initial=0))
        few = float(np.quantile(likest, 1 - FALSE_CLAIMS))
        return min(max(LEAST_SURE, few), MOST_SURE)


def _axes(rows: np.ndarray, count: int) -> np.ndarray:
    """Compute the principal axes of rows (n, F): float32 (F, count)."""
    rows = rows.astype(np.float64)
    _, vectors = np.linalg.eigh(rows.T @ rows)
    return vectors[:, : -count - 1 : -1].astype(np.float32)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round to what two bytes hold, so that saved pictures answer as new ones do."""
    return values.astype(np.float16).astype(np.float32)
