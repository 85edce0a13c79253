"""Snakes, eastern dragons, lizards, frogs, snails and butterflies.

Unit frame as in `beasts`: lowest point near y = 0, facing left.
"""

from __future__ import annotations

import numpy as np

from .heads import BLUSH, INK, WHITE, eye, head, shade_name
from .pen import RGB, Pen, blob, curve, limb, mirror, oval, path, whole


def snake(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """A coiled snake; with `look["shape"] == "long"`, an eastern dragon."""
    if look.get("shape") == "long":
        tube = [(1.15, -1.1), (0.5, -2.2), (0.2, 0.5), (-0.25, -0.35), (-0.5, -1.0)]
        dots = curve(*tube, samples=22)
        pen.fill(*[(oval(x, y - 0.12, 0.19, 0.19), "accent") for x, y in dots])
        for x, y in ((0.62, -1.0), (0.0, -0.35)):
            for dx in (0, 0.22):
                pen.fill(
                    (
                        limb(
                            [(x + dx, y), (x + dx + 0.06, y + 0.3), (x + dx - 0.12, y + 0.4)],
                            [0.09, 0.06],
                        ),
                        "far",
                    )
                )
        pen.fill((limb(tube, [0.04, 0.16, 0.22, 0.24, 0.24]), "body"))
        pen.fill((blob("108,-110 100,-145 125,-160 142,-135 124,-105"), "accent"))
        head(pen.at(-0.55, -1.2, 0.46), look, eyes)
        for side in (-1, 1):
            whisker = curve(
                (-0.55 + side * 0.16, -1.0),
                (-0.55 + side * 0.55, -0.9),
                (-0.55 + side * 0.7, -1.2),
            )
            pen.line(whisker, 0.035, "horn")
        return
    low = pose == "sleeping"
    pen.fill((limb("50,-14 100,5 120,-40", [0.14, 0.03]), "body"))
    for y, r in ((-0.17, 0.78), (-0.42, 0.6)):
        pen.fill((oval(0.05, y, r, 0.21), "body"))
        pen.line(
            curve((0.05 - r * 0.8, y + 0.08), (0.05, y + 0.24), (0.05 + r * 0.8, y + 0.08)),
            0.05,
            "belly",
        )
    if not low:
        pen.fill((limb("25,-50 40,-110 -20,-80 -28,-130", [0.2, 0.18, 0.19]), "body"))
    face = pen.at(-0.32, -0.72 if low else -1.42, 0.4)
    face.line(path("0,50 0,95 -16,112"), 0.07, (214, 72, 86))
    face.line(path("0,95 16,112"), 0.07, (214, 72, 86))
    face.fill((blob("0,-75 80,-50 100,10 50,62 0,70 -50,62 -100,10 -80,-50"), "body"))
    for side in (0.52, -0.52):
        eye(face, eyes, side, -0.1, 1.1)
        face.fill((oval(side * 1.25, 0.3, 0.18, 0.1), BLUSH), outline=False)
    face.line(curve("-30,38 0,54 30,38"), 0.07, INK)


def lizard(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """Geckos and crocodiles: low, long-tailed."""
    low = 0.12 if pose == "sleeping" else 0.0
    pen.fill(
        (
            limb(
                [(0.3, -0.42 + low), (1.2, -0.3 + low), (1.2, 0.1), (1.5, -0.5)],
                [0.27, 0.18, 0.1, 0.03],
            ),
            "body",
        )
    )
    for x in (-0.2, 0.62):
        pen.fill((limb([(x, -0.3), (x + 0.06, -0.05)], [0.11, 0.1]), "far"))
    body = blob("-75,-50 -20,-66 40,-60 75,-36 40,-14 -30,-10 -75,-20")
    pen.fill((np.add(body, (0, low * 0.6)), "body"))
    pen.fill((blob("-70,-24 0,-22 50,-20 30,-10 -40,-6"), "belly"), outline=False)
    if look.get("shape") == "croc":
        for x in np.arange(-0.3, 0.9, 0.2):
            pen.fill(
                (path((x - 0.09, -0.6 + low), (x, -0.76 + low), (x + 0.09, -0.58 + low)), "far")
            )
    for x in (-0.45, 0.4):
        pen.fill(
            (limb([(x, -0.3), (x - 0.1, -0.05)], [0.13, 0.11]), "body"),
            (oval(x - 0.16, -0.05, 0.16, 0.07), "body"),
        )
    face = pen.at(-0.8, -0.66 + low, 0.44)
    if look.get("shape") == "croc":
        face.fill((blob("-30,-50 70,-50 90,20 30,66 -110,66 -150,40 -110,10"), "body"))
        face.line(curve("-130,40 -60,56 30,34"), 0.07, INK)
        for x in (-1.0, -0.7, -0.4):
            face.fill((path((x - 0.1, 0.43), (x + 0.1, 0.46), (x, 0.62)), WHITE), outline=False)
        eye(face, eyes, 0.1, -0.4, 1.2)
        return
    face.fill((blob("0,-70 80,-50 95,10 40,60 -40,60 -95,10 -80,-50"), "body"))
    for side in (0.55, -0.55):
        eye(face, eyes, side, -0.2, 1.2)
        face.fill((oval(side * 1.1, 0.24, 0.16, 0.1), BLUSH), outline=False)
    face.line(curve("-50,25 0,60 50,25"), 0.07, INK)


def frog(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """A frog facing us."""
    pen = pen.at(0, -0.3 if pose == "jumping" else 0.0)
    for side in (1, -1):
        thigh = oval(0.62, -0.32, 0.34, 0.26, 25)
        foot = (
            oval(0.72, -0.06, 0.3, 0.08)
            if pose != "jumping"
            else oval(0.86, 0.12, 0.12, 0.28, -30)
        )
        pen.fill((thigh * (side, 1), "far"), (foot * (side, 1), "far"))
    bumps = [(oval(side, -1.12, 0.25), "body") for side in (0.36, -0.36)]
    body = blob(*whole("0,-108 50,-105 74,-70 60,-20 0,-4"))
    pen.fill(*bumps, (body, "body"))
    pen.fill((blob("0,-60 44,-50 40,-18 0,-8 -40,-18 -44,-50"), "belly"), outline=False)
    for side in (0.3, -0.3):
        pen.fill(
            (limb([(side, -0.4), (side * 1.1, -0.08)], [0.1, 0.09]), "body"),
            (oval(side * 1.15, -0.05, 0.15, 0.06), "body"),
        )
    for side in (0.36, -0.36):
        eye(pen, eyes, side, -1.13, 0.75)
        pen.fill((oval(side * 1.5, -0.78, 0.1, 0.06), BLUSH), outline=False)
    pen.line(curve("-42,-76 0,-56 42,-76"), 0.04, INK)


def snail(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """A snail with its house."""
    pen.fill((limb("-85,-30 -50,0 40,-16 105,-6", [0.24, 0.2, 0.04]), "body"))
    low = 0.2 if pose == "sleeping" else 0.0
    for x in (-1.0, -0.72):
        pen.fill(
            (limb([(x + 0.06, -0.5), (x - 0.04, -0.95 + low)], [0.045]), "body"),
            (oval(x - 0.05, -0.98 + low, 0.1), "body"),
        )
    pen.fill((oval(-0.86, -0.46, 0.32, 0.28), "body"))
    pen.fill((oval(0.25, -0.62, 0.6, 0.56), "accent"))
    t = np.linspace(0, 4.4 * np.pi, 50)
    spiral = np.stack([0.25 + 0.036 * t * np.cos(t), -0.62 + 0.034 * t * np.sin(t)], axis=1)
    pen.line(spiral, 0.055, shade_name(pen, "accent"))
    for x in (-0.98, -0.74):
        eye(pen, eyes, x, -0.5, 0.42)
    pen.line(curve("-98,-34 -88,-26 -76,-34"), 0.035, INK)


def butterfly(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """A butterfly, wings open."""
    upper = blob("6,-100 40,-165 105,-175 120,-120 80,-85")
    lower = blob("6,-90 80,-85 95,-40 55,-10 20,-40")
    pen.fill((upper, "body"), (mirror(upper), "body"), (lower, "far"), (mirror(lower), "far"))
    for side in (1, -1):
        for x, y, r in ((0.86, -1.38, 0.17), (0.62, -0.5, 0.14), (0.5, -1.2, 0.1)):
            pen.fill((oval(side * x, y, r), "accent"), outline=False)
        pen.line(
            curve((side * 0.06, -1.4), (side * 0.12, -1.8), (side * 0.36, -1.86)), 0.04, INK
        )
    pen.fill((limb("0,-120 0,-35", [0.13, 0.08]), "dark"))
    pen.fill((oval(0, -1.32, 0.25), "dark"))
    for side in (0.1, -0.1):
        eye(pen, eyes, side, -1.34, 0.42)
