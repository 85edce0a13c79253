"""Creatures at home in water: fish, whales, turtles, octopuses, crabs.

Unit frame as in `beasts`: lowest point near y = 0, facing left. Fish are drawn about y = -0.66.
"""

from __future__ import annotations

import numpy as np

from .heads import BLUSH, INK, WHITE, eye, shade_name
from .pen import RGB, Pen, blob, curve, limb, oval, path, whole


def fish(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """Fish and whales, by `look["shape"]`."""
    marks, shape = look["marks"], look.get("shape", "fish")
    pen = pen.at(0, -0.66, angle=-14 if pose == "jumping" else 0)
    whale = shape in ("whale", "dolphin")
    if shape == "puffer":
        pen.fill((path("50,-6 95,-34 95,30"), "accent"))
        spikes = [
            (0.76 * k * np.cos(a), 0.64 * k * np.sin(a))
            for a, k in zip(np.arange(36) * np.pi / 18, [0.92, 1.12] * 18, strict=True)
        ]
        pen.fill((path(*spikes), "body"), (oval(0, 0, 0.74, 0.62), "body"))
        pen.fill((blob("-66,10 66,10 40,52 -40,52"), "belly"), outline=False)
        pen.fill((path("10,6 40,-6 42,24"), "accent"))
        spot = (-0.32, -0.14, 1.0)
    elif whale:
        fluke = blob("78,-12 105,-50 140,-52 120,-25 132,6 100,2")
        big = shape == "whale"
        top = -0.62 if big else -0.44
        body = blob(
            (-1.05, 0.0),
            (-0.9, top * 0.8),
            (-0.3, top),
            (0.4, -0.34),
            (0.98, -0.22),
            (0.5, 0.26),
            (-0.3, 0.5),
            (-0.9, 0.4),
        )
        if big:
            pen.fill((fluke, "body"), (body, "body"))
        else:
            fin = path("-5,-40 30,-86 36,-30")
            nose = blob("-90,-5 -134,12 -130,24 -90,30")
            pen.fill((fluke, "body"), (nose, "body"), (fin, "body"), (body, "body"))
        pen.fill((blob("-100,18 -50,20 10,26 40,22 -30,48 -88,40"), "belly"), outline=False)
        if big:
            for y in (0.28, 0.36, 0.43):
                pen.line(
                    curve((-0.85, y), (-0.4, y + 0.04), (-0.05, y - 0.04)),
                    0.025,
                    shade_name(pen, "belly"),
                )
        if "patch" in marks:  # orca
            pen.fill((oval(-0.5, -0.28, 0.2, 0.11, -12), "belly"), outline=False)
        pen.fill((blob("-36,30 0,36 16,74 -16,62"), "far"))
        spot = (-0.66, -0.04, 0.75)
    else:
        shark = shape == "shark"
        if shark:
            tail = path("75,-2 125,-60 110,-2 118,34 78,10")
            fins = [(path("-10,-34 20,-84 34,-30"), "body")]
            body = blob("-110,2 -70,-34 0,-40 90,-4 90,10 10,34 -70,30")
        else:
            tail = blob("62,0 100,-42 125,-40 110,0 125,42 100,42")
            fins = [(blob("-35,-40 0,-80 45,-66 50,-28"), "accent")]
            body = blob("-92,2 -55,-42 5,-50 75,-8 75,8 5,48 -55,42")
        pen.fill((tail, "body" if shark else "accent"), *fins, (body, "body"))
        low = [(-0.85, 0.14), (-0.3, 0.18), (0.4, 0.12), (0.05, 0.4), (-0.55, 0.36)]
        pen.fill(
            (blob(*[(x, y * (0.72 if shark else 1)) for x, y in low]), "belly"), outline=False
        )
        if "bands" in marks:
            for x, h in ((-0.34, 0.44), (0.24, 0.42)):
                pen.fill(
                    (limb([(x, -h), (x - 0.1, 0), (x, h)], [0.1, 0.12, 0.1]), WHITE),
                    outline=False,
                )
                for dx in (-0.13, 0.13):
                    pen.line(curve((x + dx, -h), (x + dx - 0.1, 0), (x + dx, h)), 0.035, INK)
        if shark:
            for x in (-0.36, -0.28, -0.2):
                pen.line(
                    curve((x, -0.14), (x + 0.05, 0), (x, 0.12)), 0.03, shade_name(pen, "body")
                )
            pen.fill(
                (path("-95,14 -90,22 -85,15 -80,23 -75,16 -70,23 -65,15"), WHITE), outline=False
            )
        pen.fill((blob("-10,10 30,16 26,42 0,32"), "far" if shark else "accent"))
        spot = (-0.58, -0.1, 0.85)
    x, y, size = spot
    eye(pen, eyes, x, y, size)
    pen.fill((oval(x + 0.14, y + 0.26, 0.12, 0.07), BLUSH), outline=False)
    if shape != "shark":
        pen.line(
            curve((x - 0.26, y + 0.2), (x - 0.16, y + 0.3), (x - 0.03, y + 0.26)), 0.045, INK
        )


def turtle(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """Tortoises on feet, sea turtles on flippers."""
    swim = pose == "swimming"
    if swim:
        pen = pen.at(0, -0.4, angle=-8)
        pen.fill((blob("-30,-30 -20,10 10,55 20,20 10,-20"), "far"))
        pen.fill((blob("60,-25 95,10 100,30 60,10"), "far"))
    else:
        for x in (-0.45, 0.45):
            pen.fill((limb([(x, -0.4), (x, -0.06)], [0.16, 0.17]), "body"))
    low = pose == "sleeping"
    pen.fill((limb([(-0.5, -0.4), (-0.8, -0.4 if low else -0.6)], [0.17, 0.16]), "body"))
    pen.fill((path("70,-34 100,-20 70,-20"), "body"))
    shell = blob("-78,-24 -62,-80 0,-116 62,-82 82,-24 0,-16")
    pen.fill((shell, "accent"))
    dark = shade_name(pen, "accent")
    for a, b in (
        ((-0.32, -1.0), (-0.22, -0.66)),
        ((0.36, -1.0), (0.26, -0.66)),
        ((-0.22, -0.66), (0.26, -0.66)),
        ((-0.22, -0.66), (-0.36, -0.28)),
        ((0.26, -0.66), (0.4, -0.28)),
        ((-0.22, -0.66), (-0.66, -0.6)),
        ((0.26, -0.66), (0.7, -0.6)),
    ):
        pen.line(path(a, b), 0.04, dark)
    pen.fill((limb("-72,-24 0,-14 76,-24", [0.07]), "belly"))
    face = pen.at(-0.86, -0.45 if low else -0.78, 0.36)
    face.fill((oval(0, 0, 1.0, 0.9), "body"))
    eye(face, eyes, -0.3, -0.12, 1.3)
    face.line(curve("-80,30 -40,60 0,42"), 0.1, INK)
    face.fill((oval(0.15, 0.34, 0.24, 0.14), BLUSH), outline=False)
    if swim:
        pen.fill((blob("-50,-30 -30,20 -10,62 -45,50 -72,-10"), "body"))


def octopus(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """An octopus with six curling arms in sight."""
    for side in (1, -1):
        for x, reach, up in ((0.12, 0.3, 0.0), (0.3, 0.7, 0.04), (0.42, 1.05, 0.34)):
            arm = limb(
                [(x, -0.6), (x + 0.1, 0.1 - up), (reach + 0.15, 0.1 - up), (reach, -0.3 - up)],
                [0.17, 0.13, 0.05],
            )
            pen.fill((arm * (side, 1), "body"))
    pen.fill((blob(*whole("0,-170 50,-150 60,-100 45,-50 0,-36")), "body"))
    for x, y, r in ((-0.2, -1.5, 0.09), (0.08, -1.56, 0.06), (0.3, -1.42, 0.07)):
        pen.fill((oval(x, y, r), "belly"), outline=False)
    for side in (0.25, -0.25):
        eye(pen, eyes, side, -0.9, 0.75)
        pen.fill((oval(side * 1.6, -0.68, 0.1, 0.06), BLUSH), outline=False)
    pen.line(curve("-12,-64 0,-54 12,-64"), 0.04, INK)


def crab(pen: Pen, look: dict, pose: str, eyes: RGB | None) -> None:
    """A crab with raised claws."""
    for side in (1, -1):
        for k in range(3):
            leg = limb(
                [
                    (0.5 + 0.06 * k, -0.4 + 0.06 * k),
                    (1.0 - 0.1 * k, -0.5 + 0.12 * k),
                    (1.05 - 0.16 * k, 0.0),
                ],
                [0.07, 0.05, 0.03],
            )
            pen.fill((leg * (side, 1), "far"))
        pen.fill((limb("60,-60 95,-70 90,-100", [0.08]) * (side, 1), "body"))
        claw = path("72,-95 66,-130 86,-148 88,-120 106,-144 116,-116 100,-90")
        pen.fill((claw * (side, 1), "body"))
        pen.fill((limb([(side * 0.22, -0.7), (side * 0.24, -1.0)], [0.05]), "body"))
    pen.fill((oval(0, -0.5, 0.72, 0.42), "body"))
    pen.fill((blob("-55,-40 0,-30 55,-40 30,-14 -30,-14"), "belly"), outline=False)
    for side in (0.24, -0.24):
        pen.fill((oval(side, -1.04, 0.17), "body"))
        eye(pen, eyes, side, -1.05, 0.6)
        pen.fill((oval(side * 1.6, -0.5, 0.1, 0.06), BLUSH), outline=False)
    pen.line(curve("-16,-54 0,-42 16,-54"), 0.04, INK)
