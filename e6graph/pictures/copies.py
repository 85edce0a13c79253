"""Changed copies of a picture: to learn from, and to find a picture by a part of it."""

from __future__ import annotations

import numpy as np
from PIL import Image

WARPED = 2  # copies of each picture in color; as many again in gray
VERSIONS = 2 * (1 + WARPED)  # of a picture: it and its warped copies, then all in gray
MOST_TURNED = np.radians(15)
CLOSEST, FARTHEST = 0.8, 1.05  # side of what a warped copy shows, 1 for the whole picture
MOST_STRETCHED = 0.08  # logarithm of a side's own scale
MOST_SHIFTED = 0.06  # of a side
WARPED_SIDE = 96  # pixels

CROPS = (
    (0.05, 0.05, 0.95, 0.95),
    (0.1, 0.1, 0.9, 0.9),
    (0.1, 0.1, 1, 1),
    (0, 0.1, 0.9, 1),
    (0.1, 0, 1, 0.9),
    (0, 0, 0.9, 0.9),
    (0.1, 0, 1, 1),
    (0, 0.1, 1, 1),
    (0, 0, 0.9, 1),
    (0, 0, 1, 0.9),
)
"""Parts by which a picture is found: left, top, right, bottom, as shares of its sides."""
VIEWS = 1 + len(CROPS)  # of a picture: the whole, then its parts


def versions(picture: Image.Image, rng: np.random.Generator) -> list[Image.Image]:
    """Make the `VERSIONS` of an RGB picture that are learned from, itself first."""
    colored = [picture, *(warped(picture, rng) for _ in range(WARPED))]
    return colored + [gray(copy) for copy in colored]


def gray(picture: Image.Image) -> Image.Image:
    """Take the colors out of a picture; it stays RGB."""
    return picture.convert("L").convert("RGB")


def warped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn, scale, stretch and shift a picture at random, a little of each.

    What lies beyond its edge gets the median color of the edge.
    """
    turn = rng.uniform(-MOST_TURNED, MOST_TURNED)
    scale = rng.uniform(CLOSEST, FARTHEST)
    stretch = np.exp(rng.uniform(-MOST_STRETCHED, MOST_STRETCHED, 2))
    middle = 0.5 + rng.uniform(-MOST_SHIFTED, MOST_SHIFTED, 2)

    # From a pixel of the copy to one of the picture, (x, y) each.
    size = np.array(picture.size)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = size[:, None] * turned * (scale * stretch) / WARPED_SIDE
    offset = size * middle - linear @ np.full(2, WARPED_SIDE / 2)
    return picture.transform(
        (WARPED_SIDE, WARPED_SIDE),
        Image.Transform.AFFINE,
        tuple(np.column_stack([linear, offset]).ravel().tolist()),
        Image.Resampling.BICUBIC,
        fillcolor=_edge_color(picture),
    )


def crops(picture: Image.Image) -> list[Image.Image]:
    """Cut the parts of `CROPS` out of a picture; each has a pixel at least."""
    wide, high = picture.size
    boxes = []
    for left, top, right, bottom in CROPS:
        x, y = int(left * wide), int(top * high)
        box = x, y, max(x + 1, round(right * wide)), max(y + 1, round(bottom * high))
        boxes.append(box)
    return [picture.crop(box) for box in boxes]


def _edge_color(picture: Image.Image) -> tuple[int, ...]:
    pixels = np.asarray(picture)
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    return tuple(int(level) for level in np.median(np.concatenate(edges), axis=0))
