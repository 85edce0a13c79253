"""Shores, streets, caves, the deep, clouds and rooms; and the table of all places.

Each place is a function that paints it on a stage whose sky is done. Unit: the picture's height.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import land
from .land import ridge
from .pen import curve, mix, moved, oval, path, shade
from .props import LAMP
from .sky import Stage, cloud

GROUND = 0.86  # where feet stand


def beach(stage: Stage) -> None:
    """Sea, surf and sand."""
    pen, width = stage.pen, stage.width
    sea = stage.tone((62, 158, 196))
    for k in range(6):
        y = 0.55 + 0.035 * k
        band = path((-0.1, y), (width + 0.1, y), (width + 0.1, 1), (-0.1, 1))
        pen.fill((band, mix(stage.horizon, sea, 0.45 + 0.11 * k)), outline=False)
    for x, y in stage.rng.random((22, 2)):
        at = pen.at(x * width, 0.57 + 0.13 * y)
        at.line(curve("-3,0 0,-0.8 3,0"), 0.004, (*mix(sea, (255, 255, 255), 0.6), 190))
    ridge(stage, 0.725, 0.012, 4, stage.tone((240, 248, 250)))
    ridge(stage, 0.74, 0.012, 4, stage.tone((240, 214, 160)))
    for x, y in stage.rng.random((26, 2)):
        pen.fill(
            (oval(x * width, 0.79 + 0.2 * y, 0.006, 0.003), stage.tone((214, 184, 130))),
            outline=False,
        )


def city(stage: Stage) -> None:
    """A skyline, its windows lit in the dark, and a pavement."""
    rng, pen = stage.rng, stage.pen
    colors = ((150, 136, 160), (176, 140, 136), (128, 146, 170), (186, 164, 140))
    for depth, low, tall, wide in ((0.6, 0.16, 0.3, 0.09), (0.18, 0.1, 0.28, 0.14)):
        x = -0.05
        while x < stage.width:
            w, h = wide * rng.uniform(0.7, 1.3), low + tall * rng.random() + 0.05
            wall = stage.tone(colors[int(rng.integers(4))], depth)
            pen.fill((path((x, 0.8), (x, 0.74 - h), (x + w, 0.74 - h), (x + w, 0.8)), wall))
            if depth < 0.5:
                for wy in np.arange(0.74 - h + 0.025, 0.72, 0.05):
                    for wx in np.arange(x + 0.02, x + w - 0.025, 0.036):
                        lit = stage.dark and rng.random() < 0.55
                        pane = LAMP if lit else mix(wall, (30, 36, 60), 0.25)
                        pen.fill(
                            (
                                path(
                                    (wx, wy),
                                    (wx + 0.018, wy),
                                    (wx + 0.018, wy + 0.026),
                                    (wx, wy + 0.026),
                                ),
                                pane,
                            ),
                            outline=False,
                        )
            x += w + 0.008
    ridge(stage, 0.77, 0, 1, stage.tone((176, 176, 186)))
    ridge(stage, 0.8, 0, 1, stage.tone((146, 148, 162)))
    for x in np.arange(-0.1, stage.width + 0.3, 0.19):
        pen.line(path((x, 0.8), (x - 0.12, 1.0)), 0.005, stage.tone((126, 128, 142)))


def cave(stage: Stage) -> None:
    """A cavern; the world outside shows through its mouth."""
    rng, pen, width = stage.rng, stage.pen, stage.width
    x = width * rng.uniform(0.3, 0.7)
    ridge(stage, 0.6, 0.03, 4, stage.tone((110, 160, 120), 0.3))
    angle = np.linspace(0, 2 * np.pi, 40)
    wobble = 1 + 0.07 * np.sin(angle * 5 + rng.uniform(0, 6)) + 0.04 * np.sin(angle * 9)
    frame = path(
        (-0.1, -0.1), (width + 0.1, -0.1), (width + 0.1, 1.1), (-0.1, 1.1), (-0.1, -0.1)
    )
    for k, color in enumerate(((112, 104, 134), (88, 82, 114), (66, 62, 92))):
        reach = (0.3 + 0.07 * k) * wobble
        mouth = np.stack([x + reach * 1.15 * np.cos(angle), 0.44 + reach * np.sin(angle)], 1)
        pen.fill(
            (np.concatenate([frame, mouth[::-1], frame[-1:]]), stage.tone(color)), outline=False
        )
    for sx in np.arange(0.03, width, 0.11):
        h, w = rng.uniform(0.05, 0.2), rng.uniform(0.025, 0.045)
        pen.fill((path((sx - w, -0.02), (sx, h), (sx + w, -0.02)), stage.tone((66, 62, 92))))
    ridge(stage, 0.77, 0.012, 6, stage.tone((120, 110, 136)))
    for px, py in rng.random((14, 2)):
        pen.fill(
            (oval(px * width, 0.81 + 0.17 * py, 0.02, 0.006), stage.tone((98, 90, 118))),
            outline=False,
        )


def underwater(stage: Stage) -> None:
    """Rays of light over a sandy bed."""
    pen, width, rng = stage.pen, stage.width, stage.rng
    for x in rng.random(5):
        ray = path("-3,-5 4,-5 12,90 -10,90") * (1.2, 1) + (x * width, 0)
        pen.fill((ray, (255, 255, 255, 20)), outline=False)
    ridge(stage, 0.74, 0.04, 3, mix(stage.tone((70, 130, 160)), stage.horizon, 0.4))
    ridge(stage, 0.82, 0.02, 4, stage.tone((206, 200, 158)))
    for x, y in rng.random((20, 2)):
        pen.fill(
            (oval(x * width, 0.86 + 0.13 * y, 0.014, 0.005), stage.tone((180, 176, 138))),
            outline=False,
        )
    for x, y, r in rng.random((10, 3)):
        pen.fill(
            (oval(x * width, y * 0.8, 0.004 + 0.008 * r), (230, 248, 255, 110)), outline=False
        )


def above_clouds(stage: Stage) -> None:
    """A sea of clouds to stand on."""
    rng = stage.rng
    for y, size, depth in ((0.68, 0.12, 0.4), (0.78, 0.15, 0.2), (0.9, 0.2, 0.04)):
        for x in np.arange(-0.1, stage.width + 0.3, size * 1.6):
            color = stage.tone((255, 252, 252), depth)
            cloud(
                stage.pen,
                x + rng.uniform(-0.04, 0.04),
                y + rng.uniform(-0.02, 0.02),
                size,
                color,
            )
    ridge(stage, 0.96, 0.01, 5, stage.tone((250, 248, 252)))


def room(stage: Stage) -> None:
    """A papered wall with a window on the weather, floor boards and a rug."""
    pen, width = stage.pen, stage.width
    x = width * stage.rng.choice([0.26, 0.74])
    wall = stage.tone(
        ((206, 186, 160), (160, 186, 180), (196, 170, 190))[int(stage.rng.integers(3))]
    )
    frame = path(
        (-0.1, -0.1), (width + 0.1, -0.1), (width + 0.1, 1.1), (-0.1, 1.1), (-0.1, -0.1)
    )
    hole = path(
        (x - 0.15, 0.12), (x - 0.15, 0.46), (x + 0.15, 0.46), (x + 0.15, 0.12), (x - 0.15, 0.12)
    )
    pen.fill((np.concatenate([frame, hole, frame[-1:]]), wall), outline=False)
    for sx in np.arange(0.04, width, 0.11):
        if abs(sx - x) > 0.17:
            pen.line(path((sx, 0), (sx, 0.72)), 0.012, shade(wall, 0.95))
    for line in (
        path(*hole),
        path((x, 0.12), (x, 0.46)),
        path((x - 0.15, 0.29), (x + 0.15, 0.29)),
    ):
        pen.line(line, 0.016, stage.tone((250, 246, 240)))
    red = stage.tone((206, 96, 92))
    for side in (-1, 1):
        cloth = path("24,5 11,5 13,24 18,46 19,54 25,54") * (side, 1)
        pen.fill((moved(cloth, x, 0), red))
        pen.line(moved(path("19,8 22,50") * (side, 1), x, 0), 0.008, shade(red, 0.85))
    pen.line(path((x - 0.27, 0.055), (x + 0.27, 0.055)), 0.016, stage.tone((130, 92, 70)))
    ridge(stage, 0.72, 0, 1, stage.tone((250, 244, 234)))
    ridge(stage, 0.745, 0, 1, stage.tone((186, 136, 98)))
    for sx in np.arange(-0.4, width + 0.6, 0.2):
        foot = width / 2 + (sx - width / 2) * 1.7
        pen.line(path((sx, 0.745), (foot, 1.0)), 0.005, stage.tone((158, 112, 80)))
    for r, color in ((0.5, (176, 84, 90)), (0.44, (236, 206, 160)), (0.38, (196, 108, 104))):
        pen.fill(
            (oval(width / 2, 0.89, r * min(1, width), r * 0.2), stage.tone(color)),
            outline=False,
        )


PLACES: dict[str, Callable[[Stage], None]] = {
    "forest": land.forest,
    "meadow": land.meadow,
    "garden": land.garden,
    "beach": beach,
    "mountain": land.mountain,
    "city": city,
    "desert": land.desert,
    "tundra": land.tundra,
    "lake": land.lake,
    "cave": cave,
    "underwater": underwater,
    "sky": above_clouds,
    "room": room,
}


def paint(stage: Stage, place: str) -> None:
    """Paint one of `PLACES`."""
    PLACES[place](stage)
