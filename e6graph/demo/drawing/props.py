"""Single things in the landscape, standing on (0, 0); the unit is the picture's height.

Each takes a pen in that frame and the stage, whose `tone` lights its colours. `PROPS` says where
each may stand: far or near on the ground, at sea, up in the sky, or all over the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import plants
from .pen import Pen, blob, curve, limb, moved, oval, path, star
from .plants import BARK
from .sky import Stage

LAMP = (255, 226, 140)


def rock(pen: Pen, stage: Stage) -> None:
    """A grey boulder."""
    pen.fill((blob("-12,0 -11,-7 -3,-12 7,-10 12,-3 11,1"), stage.tone((140, 142, 154))))
    pen.fill((blob("-8,-6 -3,-10 3,-9 -2,-6"), stage.tone((172, 174, 186))), outline=False)


def campfire(pen: Pen, stage: Stage) -> None:
    """A fire on crossed logs; it glows."""
    pen.glow(0, -0.06, 0.24, (255, 180, 90), 120)
    pen.fill(
        (limb("-8,0 7,-3", [0.018]), stage.tone(BARK)),
        (limb("8,0 -7,-3", [0.018]), stage.tone(BARK)),
    )
    pen.fill((blob("-6,-2 -5,-9 -1,-8 1,-17 5,-8 6,-2"), (250, 150, 60)), outline=False)
    pen.fill((blob("-3,-2 -2,-7 1,-10 3,-6 3,-2"), (255, 226, 120)), outline=False)


def tent(pen: Pen, stage: Stage) -> None:
    """A tent, lit from within when it is dark."""
    pen.fill((path("-16,0 0,-22 16,0"), stage.tone((226, 120, 90))))
    pen.fill((path("-5,0 0,-22 5,0"), LAMP if stage.dark else stage.tone((120, 66, 66))))


def cabin(pen: Pen, stage: Stage) -> None:
    """A wooden hut with a chimney."""
    pen.fill((path("6,-16 6,-27 10,-27 10,-16"), stage.tone((150, 110, 104))))
    pen.fill((path("-14,0 -14,-13 14,-13 14,0"), stage.tone((176, 122, 86))))
    pen.fill((path("-18,-12 0,-27 18,-12"), stage.tone((150, 72, 72))))
    pen.fill((path("-10,0 -10,-9 -4,-9 -4,0"), stage.tone((112, 76, 60))))
    pen.fill(
        (path("2,-4 2,-10 9,-10 9,-4"), LAMP if stage.dark else stage.tone((176, 214, 232)))
    )


def windmill(pen: Pen, stage: Stage) -> None:
    """A windmill with four sails."""
    pen.fill((path("-7,0 -4,-26 4,-26 7,0"), stage.tone((240, 226, 206))))
    pen.fill((blob("-5,-25 0,-32 5,-25"), stage.tone((176, 84, 76))))
    for angle in (20, 110, 200, 290):
        sail = pen.at(0, -0.27, 1, angle)
        sail.fill((path("-1,0 1,0 1,-20 -5,-20 -5,-5 -1,-5"), stage.tone((250, 246, 240))))


def lighthouse(pen: Pen, stage: Stage) -> None:
    """A red and white lighthouse; its beam shows in the dark."""
    if stage.dark:
        pen.fill((path("0,-38 -60,-52 -60,-30"), (255, 246, 190, 70)), outline=False)
        pen.glow(0, -0.38, 0.12, (255, 240, 180), 150)
    pen.fill((path("-6,0 -4,-35 4,-35 6,0"), stage.tone((248, 244, 240))))
    for a, b, w in ((-0.05, -0.12, 0.056), (-0.2, -0.27, 0.048)):
        pen.fill(
            (path((-w, a), (-w + 0.005, b), (w - 0.005, b), (w, a)), stage.tone((214, 76, 72))),
            outline=False,
        )
    pen.fill((path("-3,-35 -3,-41 3,-41 3,-35"), LAMP))
    pen.fill((path("-5,-41 0,-46 5,-41"), stage.tone((150, 62, 64))))


def sailboat(pen: Pen, stage: Stage) -> None:
    """A small boat under sail."""
    pen.line(path("0,-2 0,-22"), 0.006, stage.tone(BARK))
    pen.fill((path("1,-4 1,-21 11,-5"), stage.tone((252, 248, 240))))
    pen.fill((path("-1,-5 -1,-18 -8,-5"), stage.tone((238, 130, 100))))
    pen.fill((blob("-11,-3 11,-3 7,2 -7,2"), stage.tone((150, 90, 70))))


def sandcastle(pen: Pen, stage: Stage) -> None:
    """A castle of sand with a flag."""
    sand = stage.tone((228, 190, 122))
    pen.line(path("0,-15 0,-23"), 0.006, stage.tone(BARK))
    pen.fill((path("0,-23 6,-21 0,-19"), stage.tone((220, 80, 76))))
    towers = [
        (path((x - 0.03, 0), (x - 0.03, y), (x + 0.03, y), (x + 0.03, 0)), sand)
        for x, y in ((-0.09, -0.1), (0.09, -0.1), (0, -0.15))
    ]
    pen.fill((path("-11,0 -11,-6 11,-6 11,0"), sand), *towers)
    pen.fill((blob("-2,0 -2,-4 0,-6 2,-4 2,0"), stage.tone((150, 112, 76))), outline=False)


def seashell(pen: Pen, stage: Stage) -> None:
    """A scallop shell and a starfish of sand colours."""
    pen.fill((blob("0,0 -7,-5 -5,-10 0,-12 5,-10 7,-5"), stage.tone((246, 190, 190))))
    for x in (-0.035, 0.0, 0.035):
        pen.line(path((0, -0.005), (x, -0.1)), 0.005, stage.tone((216, 140, 150)))


def starfish(pen: Pen, stage: Stage) -> None:
    """An orange starfish."""
    pen.fill((blob(*star(0, -0.04, 0.075, 0.032)), stage.tone((240, 136, 84))))


def street_lamp(pen: Pen, stage: Stage) -> None:
    """A street lamp, lit when it is dark."""
    if stage.dark:
        pen.glow(0, -0.4, 0.22, (255, 220, 140), 150)
    pen.fill((path("-1,0 -0.8,-37 0.8,-37 1,0"), stage.tone((66, 70, 86))))
    pen.fill(
        (blob("-3,-37 -4,-43 4,-43 3,-37"), LAMP if stage.dark else stage.tone((226, 232, 236)))
    )
    pen.fill((path("-5,-43 0,-47 5,-43"), stage.tone((66, 70, 86))))


def bench(pen: Pen, stage: Stage) -> None:
    """A park bench."""
    wood, iron = stage.tone((178, 124, 84)), stage.tone((70, 72, 86))
    for x in (-0.11, 0.11):
        pen.line(path((x, 0), (x, -0.16)), 0.014, iron)
    for y in (-0.15, -0.115, -0.065):
        pen.fill((limb([(-0.14, y), (0.14, y)], [0.012]), wood))


def snowman(pen: Pen, stage: Stage) -> None:
    """A snowman."""
    snow = stage.tone((250, 252, 255))
    pen.fill(
        *[(oval(0, y, r), snow) for y, r in ((-0.07, 0.085), (-0.19, 0.062), (-0.28, 0.045))]
    )
    pen.fill((path("0,-28 -7,-27 0,-26"), stage.tone((244, 150, 70))), outline=False)
    for x, y in path("-2,-30 2,-30 0,-21 0,-17"):
        pen.fill((oval(x, y, 0.008), stage.tone((50, 48, 60))), outline=False)
    pen.line(curve("-6,-24 0,-22 6,-24"), 0.02, stage.tone((212, 76, 80)))


def igloo(pen: Pen, stage: Stage) -> None:
    """An igloo."""
    ice = stage.tone((226, 240, 250))
    pen.fill((blob("-17,0 -15,-10 0,-18 15,-10 17,0 0,1"), ice))
    for y, w in ((-0.05, 0.16), (-0.1, 0.13)):
        pen.line(curve((-w, y), (0, y - 0.02), (w, y)), 0.004, stage.tone((166, 196, 220)))
    pen.fill((blob("-5,1 -5,-5 0,-8 5,-5 5,1"), stage.tone((70, 92, 130))))


def crystal(pen: Pen, stage: Stage) -> None:
    """Glowing crystals."""
    pen.glow(0, -0.08, 0.2, (150, 200, 255), 120)
    for x, h, lean, color in (
        (-0.05, 0.12, -0.03, (140, 190, 250)),
        (0.05, 0.14, 0.04, (190, 150, 245)),
        (0, 0.2, 0, (150, 230, 240)),
    ):
        gem = path(
            (x - 0.025, 0),
            (x - 0.03 + lean, -h * 0.75),
            (x + lean * 1.3, -h),
            (x + 0.03 + lean, -h * 0.75),
            (x + 0.025, 0),
        )
        pen.fill((gem, color))
        pen.line(path((x, 0), (x + lean * 1.3, -h)), 0.004, (240, 250, 255))


def treasure_chest(pen: Pen, stage: Stage) -> None:
    """An open chest of gold."""
    wood = stage.tone((150, 96, 62))
    pen.fill((blob("-11,-9 -11,-17 0,-20 11,-17 11,-9"), wood))
    pen.fill((blob("-9,-9 -5,-13 0,-14 5,-13 9,-9"), (250, 210, 96)))
    pen.fill(
        (path("-11,0 -11,-9 11,-9 11,0"), wood),
        (path("-2,-4 -2,-10 2,-10 2,-4"), (250, 210, 96)),
    )


def bubbles(pen: Pen, stage: Stage) -> None:
    """A rising chain of bubbles."""
    for k in range(6):
        x, r = 0.04 * np.sin(2.1 * k), 0.012 + 0.004 * (k % 3)
        ring = oval(x, -0.06 - 0.085 * k, r)
        pen.fill((ring, (226, 246, 255, 90)), outline=False)
        pen.line(path(*ring, ring[0]), 0.004, (240, 250, 255))


def picket_fence(pen: Pen, stage: Stage) -> None:
    """White pickets across a yard or so."""
    white = stage.tone((250, 248, 244))
    for y in (-0.05, -0.11):
        pen.fill((path((-0.2, y), (0.2, y), (0.2, y + 0.016), (-0.2, y + 0.016)), white))
    for x in np.arange(-0.18, 0.2, 0.06):
        pen.fill((moved(path("-2,0 -2,-15 0,-18 2,-15 2,0"), x, 0), white))


def bookshelf(pen: Pen, stage: Stage) -> None:
    """A shelf of coloured books."""
    pen.fill((path("-13,0 -13,-46 13,-46 13,0"), stage.tone((150, 104, 76))))
    spines = ((206, 84, 80), (84, 140, 190), (236, 190, 96), (110, 166, 110), (150, 116, 186))
    for y in (-0.03, -0.175, -0.32):
        pen.fill(
            (
                path((-0.115, y), (-0.115, y - 0.12), (0.115, y - 0.12), (0.115, y)),
                stage.tone((104, 72, 60)),
            ),
            outline=False,
        )
        for k in range(7):
            x, h = -0.105 + 0.03 * k, 0.07 + 0.04 * ((k * 7 + int(-y * 100)) % 5) / 5
            pen.fill(
                (
                    path((x, y), (x, y - h), (x + 0.026, y - h), (x + 0.026, y)),
                    stage.tone(spines[(k + int(-y * 100)) % 5]),
                ),
                outline=False,
            )


def floor_lamp(pen: Pen, stage: Stage) -> None:
    """A reading lamp, lit when it is dark."""
    if stage.dark:
        pen.glow(0, -0.4, 0.3, (255, 214, 140), 130)
    pen.line(path("0,0 0,-40"), 0.012, stage.tone((90, 80, 84)))
    pen.fill((oval(0, -0.005, 0.05, 0.014), stage.tone((90, 80, 84))))
    pen.fill(
        (path("-8,-36 -5,-48 5,-48 8,-36"), LAMP if stage.dark else stage.tone((244, 222, 190)))
    )


def hot_air_balloon(pen: Pen, stage: Stage) -> None:
    """A striped balloon in the sky, hanging from (0, 0)."""
    pen.fill((blob("0,4 -9,-5 -8,-15 0,-20 8,-15 9,-5"), stage.tone((226, 92, 84), 0.12)))
    pen.fill(
        (blob("0,4 -4,-6 -3,-16 0,-20 3,-16 4,-6"), stage.tone((250, 214, 120), 0.12)),
        outline=False,
    )
    for x in (-0.02, 0.02):
        pen.line(path((x, 0.03), (x, 0.075)), 0.003, stage.tone(BARK, 0.1))
    pen.fill((path("-2,7 2,7 2,11 -2,11"), stage.tone((150, 104, 70), 0.1)))


def kite(pen: Pen, stage: Stage) -> None:
    """A diamond kite with a tail of bows."""
    pen.line(curve("0,8 6,14 -4,22 6,30"), 0.005, (250, 246, 240))
    pen.fill(
        (path("0,-12 -7,-3 0,8"), stage.tone((236, 94, 94), 0.05)),
        (path("0,-12 7,-3 0,8"), stage.tone((250, 200, 90), 0.05)),
    )
    for x, y in path("2,13 0,20"):
        pen.fill((blob(*star(x, y, 0.018, 0.009, 4)), (110, 180, 220)), outline=False)


def fireflies(pen: Pen, stage: Stage) -> None:
    """Points of light all over the picture; drawn from the upper left corner."""
    for x, y in stage.rng.random((14, 2)):
        at = (x * stage.width, 0.35 + 0.55 * y)
        pen.glow(*at, 0.035, (240, 255, 150), 170)
        pen.fill((oval(*at, 0.006), (255, 255, 210)), outline=False)


PROPS: dict[str, tuple[str, Callable[[Pen, Stage], None]]] = {
    "palm_tree": ("far", plants.palm_tree),
    "pine_tree": ("far", plants.pine_tree),
    "cactus": ("far", plants.cactus),
    "mushroom": ("near", plants.mushroom),
    "flower": ("near", plants.flowers),
    "log": ("near", plants.log),
    "coral": ("near", plants.coral),
    "seaweed": ("near", plants.seaweed),
    "lily_pad": ("near", plants.lily_pad),
    "reeds": ("near", plants.reeds),
    "potted_plant": ("far", plants.potted_plant),
    "falling_leaves": ("all", plants.falling_leaves),
    "rock": ("near", rock),
    "campfire": ("near", campfire),
    "tent": ("far", tent),
    "cabin": ("far", cabin),
    "windmill": ("far", windmill),
    "lighthouse": ("far", lighthouse),
    "sailboat": ("sea", sailboat),
    "sandcastle": ("near", sandcastle),
    "seashell": ("near", seashell),
    "starfish": ("near", starfish),
    "street_lamp": ("far", street_lamp),
    "bench": ("far", bench),
    "snowman": ("far", snowman),
    "igloo": ("far", igloo),
    "crystal": ("near", crystal),
    "treasure_chest": ("near", treasure_chest),
    "bubbles": ("near", bubbles),
    "picket_fence": ("far", picket_fence),
    "bookshelf": ("far", bookshelf),
    "floor_lamp": ("far", floor_lamp),
    "hot_air_balloon": ("sky", hot_air_balloon),
    "kite": ("sky", kite),
    "fireflies": ("all", fireflies),
}
