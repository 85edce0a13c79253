"""Trees, flowers and water plants, standing on (0, 0); the unit is the picture's height.

Each takes a pen in that frame and the stage, whose `tone` lights its colours.
"""

from __future__ import annotations

from .pen import Pen, blob, curve, limb, mix, oval, path, star
from .sky import Stage

BARK = (122, 86, 66)
LEAF = (86, 158, 88)


def round_tree(pen: Pen, stage: Stage, leaf=LEAF, depth: float = 0.0) -> None:
    """A tree with a round crown."""
    pen.fill((path("-3,0 -2,-22 2,-22 3,0"), stage.tone(BARK, depth)))
    crown = stage.tone(leaf, depth)
    puffs = [
        (oval(x, y, r), crown)
        for x, y, r in ((-0.07, -0.24, 0.09), (0.07, -0.24, 0.09), (0, -0.34, 0.11))
    ]
    pen.fill(*puffs)
    light = mix(crown, (255, 250, 200), 0.18)
    pen.fill(
        (oval(-0.03, -0.37, 0.05), light), (oval(-0.09, -0.27, 0.035), light), outline=False
    )


def pine_tree(pen: Pen, stage: Stage, leaf=(58, 122, 92), depth: float = 0.0) -> None:
    """A conifer, its boughs white in snow."""
    pen.fill((path("-2,0 -2,-8 2,-8 2,0"), stage.tone(BARK, depth)))
    for y, w in ((-0.06, 0.13), (-0.17, 0.105), (-0.27, 0.075)):
        bough = path((-w, y), (0, y - 0.19), (w, y), (0, y + 0.015))
        pen.fill((bough, stage.tone(leaf, depth)))
        if stage.weather == "snow":
            cap = path(
                (-w * 0.55, y - 0.085), (0, y - 0.19), (w * 0.55, y - 0.085), (0, y - 0.06)
            )
            pen.fill((cap, stage.tone((250, 252, 255), depth)), outline=False)


def palm_tree(pen: Pen, stage: Stage) -> None:
    """A leaning palm."""
    pen.fill((limb("0,0 3,-22 -6,-40", [0.022, 0.014]), stage.tone((160, 116, 80))))
    for tip in ((-0.26, -0.3), (-0.2, -0.52), (0.0, -0.58), (0.15, -0.46), (0.16, -0.28)):
        leaf = limb(
            [(-0.06, -0.4), ((tip[0] - 0.06) / 2, tip[1] - 0.08), tip], [0.012, 0.035, 0.004]
        )
        pen.fill((leaf, stage.tone((74, 158, 96))))
    for x in (-0.08, -0.04):
        pen.fill((oval(x, -0.385, 0.018), stage.tone((130, 88, 60))))


def cactus(pen: Pen, stage: Stage) -> None:
    """A saguaro with two arms and a flower."""
    green = stage.tone((84, 150, 100))
    arms = ("0,-12 -13,-10 -11,-22", "0,-17 12,-16 10,-27")
    pen.fill((limb("0,0 0,-34", [0.036]), green), *[(limb(a, [0.022]), green) for a in arms])
    for x in (-0.012, 0.012):
        pen.line(path((x, -0.02), (x, -0.33)), 0.004, mix(green, (20, 40, 40), 0.3))
    pen.fill((blob(*star(0, -0.38, 0.025, 0.014)), stage.tone((240, 120, 160))))


def mushroom(pen: Pen, stage: Stage) -> None:
    """Two red mushrooms with white dots."""
    for x, k in ((0, 1.0), (0.075, 0.62)):
        at = pen.at(x, 0, k)
        at.fill((blob("-2,0 -2,-6 2,-6 2,0"), stage.tone((246, 236, 220))))
        at.fill((blob("-7,-5 -5,-10 0,-13 5,-10 7,-5 0,-4"), stage.tone((222, 72, 64))))
        for px, py in path("-3,-7 1,-10 4,-7"):
            at.fill((oval(px, py, 0.01), stage.tone((255, 250, 244))), outline=False)


def flowers(pen: Pen, stage: Stage) -> None:
    """A clump of five flowers."""
    colors = (
        (244, 130, 150),
        (250, 214, 100),
        (250, 248, 250),
        (150, 140, 230),
        (246, 156, 90),
    )
    for k, (x, y) in enumerate(path("-9,-7 -4,-11 1,-8 6,-12 11,-7")):
        pen.line(path((x * 0.7, 0), (x, y)), 0.007, stage.tone((84, 150, 84)))
        petals = blob(*star(x, y, 0.03, 0.018))
        pen.fill((petals, stage.tone(colors[int(stage.rng.integers(5)) if k else 0])))
        pen.fill((oval(x, y, 0.009), stage.tone((250, 210, 90))), outline=False)


def log(pen: Pen, stage: Stage) -> None:
    """A lying log."""
    pen.fill((limb("-12,-4 12,-4", [0.045]), stage.tone(BARK)))
    pen.fill((oval(0.13, -0.04, 0.03, 0.045), stage.tone((220, 178, 128))))
    pen.fill((oval(0.13, -0.04, 0.013, 0.02), stage.tone((180, 136, 96))), outline=False)


def coral(pen: Pen, stage: Stage) -> None:
    """Branching coral."""
    color = stage.tone((244, 120, 130))
    stems = (
        "0,0 -1,-10 -8,-17",
        "0,0 1,-10 7,-19",
        "0,-4 1,-12 0,-22",
        "-3,-8 -9,-8 -12,-12",
        "4,-9 9,-9 12,-13",
    )
    pen.fill(*[(limb(s, [0.018, 0.012]), color) for s in stems])


def seaweed(pen: Pen, stage: Stage) -> None:
    """Three swaying ribbons of kelp."""
    for x, h in ((-0.05, 0.24), (0.0, 0.32), (0.05, 0.2)):
        spine = [(x, 0), (x + 0.06, -h * 0.35), (x - 0.06, -h * 0.7), (x + 0.03, -h)]
        pen.fill((limb(spine, [0.016, 0.02, 0.004]), stage.tone((70, 150, 100))))


def lily_pad(pen: Pen, stage: Stage) -> None:
    """A lily pad in flower."""
    pen.fill((oval(0, 0, 0.1, 0.028), stage.tone((92, 168, 104))))
    pen.fill((path("0,0 10,-2 10,2"), stage.tone((96, 164, 196))), outline=False)
    for x, lean in ((-0.03, -0.03), (0.0, 0.0), (0.03, 0.03)):
        petal = blob(
            (x * 0.4 - 0.012, -0.01), (x + lean - 0.005, -0.06), (x * 0.4 + 0.02, -0.01)
        )
        pen.fill((petal, stage.tone((246, 176, 200))))


def reeds(pen: Pen, stage: Stage) -> None:
    """Cattails."""
    for x, h in ((-0.05, 0.22), (-0.01, 0.3), (0.04, 0.25)):
        pen.line(
            curve((x, 0), (x + 0.01, -h * 0.6), (x + 0.02, -h)),
            0.007,
            stage.tone((110, 150, 80)),
        )
        pen.fill(
            (limb([(x + 0.02, -h), (x + 0.022, -h + 0.07)], [0.012]), stage.tone((130, 84, 56)))
        )


def potted_plant(pen: Pen, stage: Stage) -> None:
    """A house plant."""
    for tip in ((-0.1, -0.26), (-0.05, -0.34), (0.03, -0.36), (0.1, -0.26)):
        pen.fill(
            (
                limb([(0, -0.1), (tip[0] * 0.5, -0.24), tip], [0.012, 0.028, 0.004]),
                stage.tone((88, 160, 104)),
            )
        )
    pen.fill((path("-6,-11 -4,0 4,0 6,-11"), stage.tone((206, 116, 84))))


def falling_leaves(pen: Pen, stage: Stage) -> None:
    """Leaves in the wind; drawn from the upper left corner."""
    for x, y, a in stage.rng.random((16, 3)):
        color = ((226, 120, 60), (240, 180, 80), (200, 84, 62))[int(a * 3)]
        leaf = pen.at(x * stage.width, y * 0.9, 1, 360 * a)
        leaf.fill((blob("-2,0 0,-1 2.4,0 0,1"), stage.tone(color)), outline=False)
