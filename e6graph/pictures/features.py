"""From a picture to a perceptual hash and features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import scipy.fft
from PIL import Image
from scipy.ndimage import correlate1d

from ..embedding.dictionary import unit_rows
from ..errors import BadInput
from ..store.parallel import in_order
from ..store.progress import counted
from .encoder import Encoder
from .opening import ENOUGH_PIXELS, SIDE, SQUARE, Size, enough_for, open_picture, shrunk

DCT_KEPT = (12, 8, 8)  # lowest frequencies of Y, Cb, Cr, a side
SHARED = (0.07, 0.86, 0.07)  # what of a gradient goes to a cell and those beside it
GRAY_BELOW = 60  # sum of chroma coefficients; a JPEG that was gray has less
HOG_BINS = 18  # directions
HOG_CELL = 8  # pixels a side
COLOR_LEVELS = 8  # of each of R, G, B
PARTS = {
    "dct": sum(k * k for k in DCT_KEPT),
    "hog": (SIDE // HOG_CELL) ** 2 * HOG_BINS,
    "color": COLOR_LEVELS**3,
}
"""The parts of a feature vector, in order, and how long each is."""
N_FEATURES = sum(PARTS.values())
LUMA = DCT_KEPT[0] ** 2  # the first numbers of the features
N_SHAPE = LUMA + PARTS["hog"]

ImageLike = str | Path | bytes | Image.Image | np.ndarray
"""A picture: its path, the bytes of its file, a PIL image, or what `features_of` made."""

Result = TypeVar("Result")

_PICTURES_AT_ONCE = 64  # so that their arrays stay in the cache
# JFIF 1.02, section 7, without the offsets of Cb and Cr
_YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]],
    np.float32,
)


def phash(picture: Image.Image) -> int:
    """Compute a perceptual hash of 64 bits.

    Krawetz, "Looks Like It", hackerfactor.com, 2011.
    Gray 32 × 32, DCT-II, the lowest 8 × 8 frequencies; a bit is 1 where a
    coefficient is above their median. The first in reading order is the highest bit.
    Pictures that look alike differ in few bits: count `(a ^ b).bit_count()`.

    >>> hex(phash(Image.new("L", (32, 32), 200)))  # a flat picture has only its mean
    '0x8000000000000000'
    """
    gray = picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    low = scipy.fft.dctn(np.asarray(gray, np.float64), norm="ortho")[:8, :8]
    low = low.round(6)  # so that a zero with a rounding error is not above the median
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def raster(picture: Image.Image, size: Size = SQUARE) -> np.ndarray:
    """Stretch a picture to some size: uint8 (high, wide, 3).

    The usual size is that of the square that features are made from.
    """
    return np.asarray(shrunk(picture, size), np.uint8)


def read_pictures(
    paths: Sequence[str | Path],
    make: Callable[[Image.Image], Result],
    enough: int = ENOUGH_PIXELS,
) -> tuple[list[Result], list[tuple[int, str]]]:
    """Open many pictures and call `make` on each that can be read.

    That is done in threads: Pillow decodes without Python's lock.

    Parameters
    ----------
    enough : pixels a side to which a large JPEG may be reduced, see `open_picture`.

    Returns
    -------
    made : in order.
    broken : (position in `paths`, what is wrong with it) of the others.
    """

    def read(path: str | Path) -> Result | BadInput:
        try:
            return make(open_picture(path, enough=enough))
        except BadInput as error:
            return error

    made: list[Result] = []
    broken: list[tuple[int, str]] = []
    results = in_order(read, paths)
    for k, result in enumerate(counted(results, "pictures", len(paths))):
        if isinstance(result, BadInput):
            broken.append((k, str(result)))
        else:
            made.append(result)
    return made, broken


def picture_features(rasters: np.ndarray) -> np.ndarray:
    """Compute feature vectors: the parts of `PARTS` side by side.

    Parameters
    ----------
    rasters : uint8 (n, 64, 64, 3).

    Returns
    -------
    float32 (n, `N_FEATURES`).
    """

    def some(start: int) -> np.ndarray:
        part = rasters[start : start + _PICTURES_AT_ONCE].astype(np.float32)
        return np.concatenate([_dct(part), _hog(part), _colors(part)], axis=1)

    starts = range(0, len(rasters), _PICTURES_AT_ONCE)
    if len(starts) == 1:  # one picture is quicker without threads
        return some(0)
    made = counted(in_order(some, starts), "features", len(starts))
    return np.concatenate([np.empty((0, N_FEATURES), np.float32), *made])


def shapes(rows: np.ndarray) -> np.ndarray:
    """Take what tells of a picture's shape from features: (n, `N_FEATURES`) → (n, `N_SHAPE`).

    Brightness, contrast and colors are left out: luma without its mean and gradients,
    each scaled to length 1; a part that is all 0 stays so.
    """
    luma = rows[:, :LUMA].copy()
    luma[:, 0] = 0
    gradients = rows[:, PARTS["dct"] :][:, : PARTS["hog"]]
    return np.concatenate([unit_rows(luma), unit_rows(gradients)], axis=1)


def smoothed(rows: np.ndarray) -> np.ndarray:
    """Share each gradient with the cells beside its own.

    A picture that is turned or shifted a little then stays near itself. Dalal and Triggs
    do the same, by the distance of each pixel from the cells. The operation is linear and
    symmetric, so (S x) · y = x · (S y).

    Parameters
    ----------
    rows : (n, `N_FEATURES` or more), features.

    Returns
    -------
    (n, the same), a copy.
    """
    rows = rows.copy()
    cells = SIDE // HOG_CELL
    hog = rows[:, PARTS["dct"] :][:, : PARTS["hog"]]
    shared = hog.reshape(-1, cells, cells, HOG_BINS)
    for axis in (1, 2):
        shared = correlate1d(shared, SHARED, axis=axis, mode="nearest")
    hog[:] = shared.reshape(hog.shape)
    return rows


def has_color(rows: np.ndarray) -> np.ndarray:
    """Tell which pictures have colors, from their features: bool (n,)."""
    chroma = rows[:, LUMA : PARTS["dct"]]
    return np.abs(chroma).sum(1) >= GRAY_BELOW


def features_of(picture: ImageLike, encoder: Encoder | None = None) -> np.ndarray:
    """Compute the features of one picture, float32 (`N_FEATURES`,), then an encoder's.

    An array must be such features already, as where a picture was not kept: it is
    returned as it is.

    Raises
    ------
    BadInput : see `open_picture`; an array of another shape.
    """
    if not isinstance(picture, np.ndarray):
        size = raster_size(encoder)
        opened = open_picture(picture, enough=enough_for(size))
        return features_of_raster(raster(opened, size), encoder)
    expected = (N_FEATURES + (encoder.numbers if encoder else 0),)
    if picture.shape != expected:
        raise BadInput(
            f"an array {picture.shape} is not a picture: expected a file, its bytes, "
            f"a PIL image or features {expected} of this recognizer"
        )
    return picture


def raster_size(encoder: Encoder | None = None) -> Size:
    """Return the size of the raster that features are made from.

    With an encoder it is a whole multiple of what that takes, and large enough for the
    features beside it.
    """
    if encoder is None:
        return SQUARE
    times = -(-ENOUGH_PIXELS // min(encoder.size))
    return encoder.size[0] * times, encoder.size[1] * times


def features_of_raster(square: np.ndarray, encoder: Encoder | None = None) -> np.ndarray:
    """Compute the features of one picture from its raster, uint8 of `raster_size`."""
    if encoder is None:
        return picture_features(square[None])[0]
    larger = Image.fromarray(square)
    own = picture_features(raster(larger)[None])[0]
    return np.concatenate([own, encoder.encode(encoder.look(larger)[None])[0]])


def _dct(rgb: np.ndarray) -> np.ndarray:
    """Compute low DCT-II coefficients of the luma and chroma planes, (n, 272).

    The color layout descriptor of MPEG-7 (ISO/IEC 15938-3, 5.5), but on 32 × 32.
    """
    n, half = len(rgb), SIDE // 2
    small = rgb.reshape(n, half, 2, half, 2, 3).mean((2, 4))
    planes = np.moveaxis(small @ _YCBCR.T, -1, 0)  # (3, n, 32, 32)
    spectra = scipy.fft.dctn(planes, axes=(2, 3), norm="ortho")
    low = zip(spectra, DCT_KEPT, strict=True)
    kept = [spectrum[:, :k, :k].reshape(n, k * k) for spectrum, k in low]
    return np.concatenate(kept, axis=1)


def _hog(rgb: np.ndarray) -> np.ndarray:
    """Compute histograms of oriented gradients, (n, 8 × 8 cells × 18 directions).

    Dalal and Triggs, CVPR 2005 (square-root gamma, the strongest channel's
    gradient), as in Felzenszwalb et al., PAMI 2010, section 6: signed directions; a
    cell scaled by each of the four 2 × 2 blocks around it, clipped at 0.2, summed.
    """
    # The gradient of each pixel, in the channel where it is strongest.
    n, cells = len(rgb), SIDE // HOG_CELL
    root = np.sqrt(rgb)
    across, down = np.zeros_like(root), np.zeros_like(root)
    across[:, :, 1:-1] = root[:, :, 2:] - root[:, :, :-2]
    down[:, 1:-1] = root[:, 2:] - root[:, :-2]
    strength = np.hypot(across, down)
    best = strength.argmax(-1)[..., None]
    gradients = (strength, across, down)
    strength, across, down = (np.take_along_axis(a, best, -1)[..., 0] for a in gradients)

    # Each gradient goes to the two directions that are nearest to its own.
    angle = np.arctan2(down, across) * (HOG_BINS / (2 * np.pi)) % HOG_BINS
    low = angle.astype(np.intp)
    upper_share = angle - low
    cell_row = np.arange(SIDE) // HOG_CELL
    cell = cell_row[:, None] * cells + cell_row  # (64, 64)
    first_bin = (np.arange(n)[:, None, None] * cells**2 + cell) * HOG_BINS
    size = n * cells**2 * HOG_BINS
    summed = np.zeros(size)
    for bins, share in ((low, 1 - upper_share), (low + 1, upper_share)):
        at = (first_bin + bins % HOG_BINS).ravel()
        summed += np.bincount(at, (strength * share).ravel(), size)
    histograms = summed.reshape(n, cells, cells, HOG_BINS)

    # Contrast is taken out by the energy of the blocks around a cell.
    energy = np.pad((histograms**2).sum(-1), ((0, 0), (1, 1), (1, 1)), mode="edge")
    left, right = energy[:, :, :-1], energy[:, :, 1:]
    blocks = left[:, :-1] + left[:, 1:] + right[:, :-1] + right[:, 1:]
    total = np.zeros_like(histograms)
    for i in (0, 1):
        for j in (0, 1):
            length = np.sqrt(blocks[:, i : i + cells, j : j + cells, None] + 1)
            total += np.minimum(histograms / length, 0.2)
    return total.reshape(n, -1).astype(np.float32)


def _colors(rgb: np.ndarray) -> np.ndarray:
    """Compute roots of the RGB histogram, (n, 512); their distances are Hellinger's."""
    n = len(rgb)
    level = (rgb * (COLOR_LEVELS / 256)).astype(np.intp)
    red, green, blue = np.moveaxis(level, -1, 0)
    at = (red * COLOR_LEVELS + green) * COLOR_LEVELS + blue
    at += np.arange(n)[:, None, None] * COLOR_LEVELS**3
    counts = np.bincount(at.ravel(), minlength=n * COLOR_LEVELS**3)
    return np.sqrt(counts.reshape(n, -1) / SIDE**2).astype(np.float32)
