"""Landscapes of hills, trees, sand and snow, in layers from the horizon to the ground.

Each place is a function that paints it on a stage whose sky is done. Unit: the picture's height.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .pen import RGB, curve, mix, moved, oval, path, shade
from .plants import pine_tree, round_tree
from .sky import Stage


def ridge(
    stage: Stage, y: float, rise: float, waves: float, color: RGB, rough: float = 0.0
) -> np.ndarray:
    """Fill a hill line to the bottom; returns its crest, (n, 2)."""
    rng, width = stage.rng, stage.width
    x = np.linspace(-0.06, width + 0.06, 60)
    phase = rng.uniform(0, 6.3, 3)
    wave = np.sin(x * waves + phase[0]) + 0.5 * np.sin(x * waves * 2.3 + phase[1])
    crest = y - rise * wave / 1.5 + rough * rng.uniform(-1, 1, 60)
    outline = np.stack([np.r_[x, x[-1], x[0]], np.r_[crest, 1.06, 1.06]], 1)
    stage.pen.fill((outline, color), outline=False)
    return np.stack([x, crest], 1)


def grove(
    stage: Stage, crest: np.ndarray, count: int, size: float, draw: Callable, **look
) -> None:
    """Trees along a crest, far ones first."""
    rng = stage.rng
    for k in np.sort(rng.integers(0, len(crest), count)):
        x, y = crest[k]
        draw(stage.pen.at(x, y + 0.012, size * rng.uniform(0.75, 1.2)), stage, **look)


def tufts(stage: Stage, count: int, color: RGB) -> None:
    """Blades of grass on the ground."""
    for x, y in stage.rng.random((count, 2)):
        at = stage.pen.at(x * stage.width, 0.78 + 0.2 * y, 0.7 + 0.6 * y)
        at.line(path("-1,-2 0,0 1,-2.4"), 0.004, color)


def forest(stage: Stage) -> None:
    """Rows of conifers and broad trees behind a clearing."""
    far = ridge(stage, 0.6, 0.03, 3, stage.tone((96, 150, 124), 0.6))
    grove(stage, far, 16, 0.66, pine_tree, depth=0.58)
    middle = ridge(stage, 0.68, 0.02, 4, stage.tone((92, 150, 98), 0.28))
    grove(stage, middle, 9, 0.95, pine_tree, depth=0.26)
    grove(stage, middle, 5, 0.9, round_tree, depth=0.22)
    ridge(stage, 0.77, 0.012, 5, stage.tone((116, 172, 96)))
    for x, side in ((-0.02, 1), (stage.width + 0.02, -1)):
        trunk = path("-7,0 -5,-100 5,-100 7,0 11,4 -11,4") * (side, 1) + (x, 0.94)
        stage.pen.fill((trunk, stage.tone((104, 76, 64))))
        crown = [(x + side * 0.02, 0.02, 0.2), (x + side * 0.16, -0.03, 0.15), (x, 0.16, 0.13)]
        stage.pen.fill(*[(oval(*puff), stage.tone((70, 132, 82))) for puff in crown])
    tufts(stage, 26, stage.tone((84, 146, 78)))


def meadow(stage: Stage) -> None:
    """Rolling hills with trees far off."""
    ridge(stage, 0.56, 0.05, 2.4, stage.tone((150, 190, 160), 0.55))
    crest = ridge(stage, 0.64, 0.045, 3.1, stage.tone((140, 196, 116), 0.22))
    grove(stage, crest, 5, 0.5, round_tree, depth=0.2)
    ridge(stage, 0.74, 0.025, 3.7, stage.tone((132, 194, 96)))
    for x, y, hue in stage.rng.random((34, 3)):
        color = ((250, 246, 240), (250, 216, 110), (240, 150, 170))[int(hue * 3)]
        stage.pen.fill(
            (oval(x * stage.width, 0.77 + 0.22 * y, 0.006 + 0.004 * y), stage.tone(color)),
            outline=False,
        )
    tufts(stage, 30, stage.tone((98, 166, 78)))


def garden(stage: Stage) -> None:
    """A lawn before a hedge and a bed of flowers."""
    rng, width = stage.rng, stage.width
    crest = ridge(stage, 0.58, 0.03, 3, stage.tone((130, 180, 140), 0.5))
    grove(stage, crest, 5, 0.6, round_tree, depth=0.42)
    hedge = [
        (oval(x, 0.68, 0.075), stage.tone((74, 142, 86), 0.06))
        for x in np.arange(0, width + 0.1, 0.085)
    ]
    stage.pen.fill(
        *hedge,
        (
            path((-0.1, 0.66), (width + 0.1, 0.66), (width + 0.1, 0.8), (-0.1, 0.8)),
            stage.tone((74, 142, 86), 0.06),
        ),
    )
    for x, y, hue in rng.random((30, 3)):
        color = ((236, 96, 110), (250, 214, 110), (250, 246, 250), (190, 140, 220))[
            int(hue * 4)
        ]
        stage.pen.fill(
            (oval(x * width, 0.63 + 0.1 * y, 0.011), stage.tone(color)), outline=False
        )
    ridge(stage, 0.755, 0.004, 6, stage.tone((140, 198, 104)))
    for y in (0.83, 0.92):
        lawn = path(
            (-0.1, y), (width + 0.1, y - 0.01), (width + 0.1, y + 0.04), (-0.1, y + 0.05)
        )
        stage.pen.fill((lawn, stage.tone((150, 206, 114))), outline=False)


def mountain(stage: Stage) -> None:
    """Snow-capped peaks over pines."""
    rng, pen, width = stage.rng, stage.pen, stage.width
    for depth, base, tall, count in ((0.62, 0.66, 0.42, 3), (0.3, 0.7, 0.34, 4)):
        for k in np.argsort(rng.random(count)):
            x, top = (
                (k + rng.uniform(0.2, 0.8)) * width / count,
                base - tall * rng.uniform(0.75, 1.1),
            )
            half = tall * rng.uniform(0.75, 1.0)
            peak, rock = np.array((x, top)), stage.tone((124, 128, 156), depth)
            left, right = np.array((x - half, base + 0.1)), np.array((x + half, base + 0.1))
            pen.fill((path(left, peak, right), rock))
            ridge_line = peak * 0.4 + (left * 0.35 + right * 0.65) * 0.6
            pen.fill(
                (path(peak, ridge_line, left * 0.55 + right * 0.45, right), shade(rock, 0.88)),
                outline=False,
            )
            cap = [
                peak,
                peak * 0.66 + right * 0.34,
                peak * 0.8 + (right * 0.6 + left * 0.4) * 0.2,
            ]
            cap += [
                peak * 0.68 + (left + right) * 0.16,
                peak * 0.8 + (left * 0.66 + right * 0.34) * 0.2,
                peak * 0.68 + left * 0.32,
            ]
            pen.fill((path(*cap), stage.tone((250, 252, 255), depth * 0.7)), outline=False)
    crest = ridge(stage, 0.72, 0.015, 4, stage.tone((104, 160, 116), 0.18))
    grove(stage, crest, 12, 0.55, pine_tree, depth=0.15)
    ridge(stage, 0.78, 0.01, 5, stage.tone((132, 180, 104)))
    tufts(stage, 20, stage.tone((98, 150, 84)))


def desert(stage: Stage) -> None:
    """Dunes before flat-topped hills."""
    pen, width, rng = stage.pen, stage.width, stage.rng
    for x in (rng.uniform(0.05, 0.3), rng.uniform(0.6, 0.95)):
        mesa = path("-20,0 -14,-15 -13,-22 12,-22 14,-15 21,0") * rng.uniform(0.7, 1.1) + (
            x * width,
            0.66,
        )
        pen.fill((mesa, stage.tone((206, 132, 104), 0.35)))
    for y, rise, depth, color in (
        (0.63, 0.03, 0.3, (236, 186, 122)),
        (0.7, 0.03, 0.12, (240, 190, 118)),
        (0.77, 0.02, 0, (246, 202, 130)),
    ):
        crest = ridge(stage, y, rise, 3, stage.tone(color, depth))
        shadow = moved(crest, 0, 0.012)
        pen.line(shadow[8:40], 0.006, stage.tone(shade(color, 0.86), depth))
    for x, y in rng.random((16, 2)):
        at = pen.at(x * width, 0.82 + 0.16 * y)
        at.line(curve("-4,0 0,-1 4,0"), 0.004, stage.tone((222, 174, 106)))


def tundra(stage: Stage) -> None:
    """Snow fields and ice."""
    rng, pen, width = stage.rng, stage.pen, stage.width
    for x in rng.random(4):
        ice = path("-16,0 -9,-17 -2,-12 5,-24 15,0") * rng.uniform(0.6, 1.1) + (x * width, 0.66)
        pen.fill((ice, stage.tone((178, 210, 232), 0.42)))
    crest = ridge(stage, 0.64, 0.02, 3, stage.tone((214, 228, 244), 0.2))
    snowy = stage._replace(weather="snow")
    grove(snowy, crest, 6, 0.5, pine_tree, depth=0.3)
    ridge(stage, 0.7, 0.02, 3, stage.tone((228, 238, 250), 0.08))
    ridge(stage, 0.78, 0.015, 4, stage.tone((238, 244, 252)))
    for x, y in rng.random((14, 2)):
        at = pen.at(x * width, 0.81 + 0.17 * y)
        at.line(curve("-5,0 0,-1.2 5,0"), 0.005, stage.tone((206, 220, 240)))


def lake(stage: Stage) -> None:
    """Still water between a wooded shore and a grassy bank."""
    pen, width = stage.pen, stage.width
    crest = ridge(stage, 0.54, 0.03, 3, stage.tone((104, 156, 130), 0.5))
    grove(stage, crest, 13, 0.48, pine_tree, depth=0.46)
    water = mix(stage.tone((84, 160, 196)), stage.horizon, 0.3)
    pen.fill(
        (path((-0.1, 0.6), (width + 0.1, 0.6), (width + 0.1, 1), (-0.1, 1)), water),
        outline=False,
    )
    for k, (x, y) in enumerate(stage.rng.random((26, 2))):
        at = pen.at(x * width, 0.61 + 0.17 * y)
        light = mix(water, (255, 255, 255) if k % 3 else (40, 80, 110), 0.3)
        at.line(path((-0.03 - 0.05 * y, 0), (0.04, 0)), 0.005, light)
    ridge(stage, 0.8, 0.012, 4, stage.tone((120, 178, 98)))
    tufts(stage, 24, stage.tone((90, 150, 80)))
