"""Things worn and held. Frames: head (unit its radius), neck (unit its half-width), body (feet).

`THINGS` says where each sits; the tag of a thing is its name, after its colour if that varies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .heads import INK, WHITE
from .pen import RGB, Pen, blob, curve, limb, mirror, oval, path, shade, star

GOLD: RGB = (246, 204, 92)
STRAW: RGB = (236, 206, 130)
WOOD: RGB = (140, 98, 70)


class Anchors(NamedTuple):
    """Where a body takes its head and things: positions in the body's frame."""

    head: tuple[float, float]
    radius: float
    tilt: float
    neck: tuple[float, float, float]  # x, y, half-width
    hand: tuple[float, float]


def wear(pen: Pen, anchors: Anchors, slot: str, things: tuple[tuple[str, RGB], ...]) -> None:
    """Draw the things of one slot: back, neck, head, face or hand; `pen` is in the body's frame.

    Two more slots show what is worn on the back: "straps" from the front, "over" from the side.
    """
    for name, color in things:
        place, draw = THINGS[name]
        if slot == "over" and place == "back":  # on the back of what stands on four legs
            _SADDLED[name](pen, color)
        if slot == "straps" and name == "backpack":
            _straps(pen.at(*anchors.neck[:2]), color)
        if place != slot:
            continue
        if slot in ("head", "face"):
            frame = pen.at(*anchors.head, anchors.radius, anchors.tilt)
        elif slot == "neck":
            frame = pen.at(*anchors.neck[:2], anchors.neck[2])
        elif slot == "back":
            frame = pen.at(anchors.neck[0], anchors.neck[1])
        else:
            frame = pen.at(*anchors.hand)
        draw(frame, color)


def _top_hat(pen: Pen, color: RGB) -> None:
    pen.fill(
        (path("-48,-84 -52,-168 52,-168 48,-84"), color), (oval(0, -0.82, 0.8, 0.15), color)
    )
    pen.fill((path("-49,-96 -50,-112 50,-112 49,-96"), (214, 72, 66)), outline=False)


def _straw_hat(pen: Pen, color: RGB) -> None:
    pen.fill(
        (blob("-52,-78 -46,-126 0,-140 46,-126 52,-78"), STRAW),
        (oval(0, -0.76, 1.05, 0.2), STRAW),
    )
    pen.line(curve("-50,-88 0,-80 50,-88"), 0.12, color)


def _witch_hat(pen: Pen, color: RGB) -> None:
    pen.fill(
        (path("-56,-80 -6,-190 34,-206 14,-170 56,-80"), color),
        (oval(0, -0.76, 1.0, 0.19), color),
    )
    pen.line(curve("-52,-90 0,-80 52,-90"), 0.14, GOLD)


def _beanie(pen: Pen, color: RGB) -> None:
    pen.fill((blob("-76,-60 -66,-108 0,-132 66,-108 76,-60 0,-66"), color))
    pen.fill(
        (limb("-76,-62 0,-82 76,-62", [0.14]), shade(color, 1.35)), (oval(0, -1.36, 0.2), WHITE)
    )


def _crown(pen: Pen, color: RGB) -> None:
    pen.fill((path("-52,-74 -60,-132 -30,-104 0,-146 30,-104 60,-132 52,-74"), GOLD))
    for x in (-0.3, 0.0, 0.3):
        pen.fill((oval(x, -0.86, 0.08), (214, 66, 80)), outline=False)


def _flower_crown(pen: Pen, color: RGB) -> None:
    pen.line(curve("-78,-54 0,-112 78,-54"), 0.12, (96, 150, 84))
    for k, (x, y) in enumerate(path("-66,-64 -36,-78 0,-86 36,-78 66,-64")):
        petals = ((244, 150, 180), (250, 220, 110), (250, 246, 244))[k % 3]
        pen.fill((blob(*star(x, y, 0.2, 0.13)), petals))
        pen.fill((oval(x, y, 0.07), GOLD), outline=False)


def _headphones(pen: Pen, color: RGB) -> None:
    pen.line(curve("-98,-6 -96,-118 96,-118 98,-6"), 0.13, (70, 68, 82))
    for side in (1, -1):
        pen.fill((oval(side * 0.98, 0.0, 0.2, 0.3), color))


def _bow(pen: Pen, color: RGB) -> None:
    frame = pen.at(0.5, -0.72, 1.0, 20)
    loop = blob("5,0 48,-30 58,0 48,30")
    frame.fill((loop, color), (mirror(loop), color))
    frame.fill((oval(0, 0, 0.14), shade(color, 0.8)))


def _glasses(pen: Pen, color: RGB) -> None:
    for side in (0.42, -0.42):
        pen.fill((oval(side, -0.03, 0.33, 0.33), (255, 255, 255, 60)), outline=False)
        ring = oval(side, -0.03, 0.33, 0.33)
        pen.line(path(*ring, ring[0]), 0.075, INK)
    pen.line(curve("-10,-6 0,-14 10,-6"), 0.075, INK)


def _sunglasses(pen: Pen, color: RGB) -> None:
    for side in (1, -1):
        pen.fill((blob("10,-22 72,-26 74,4 44,24 14,6") * (side, 1), (40, 38, 54)))
        pen.line(path((side * 0.24, -0.1), (side * 0.4, -0.16)), 0.06, (150, 160, 190))
    pen.line(path("-12,-14 12,-14"), 0.09, (40, 38, 54))


def _eyepatch(pen: Pen, color: RGB) -> None:
    pen.line(path("-84,-46 90,0"), 0.07, INK)
    pen.fill((blob("18,-28 66,-22 64,14 42,28 20,10"), INK))


def _scarf(pen: Pen, color: RGB) -> None:
    pen.fill((limb("35,15 70,60 62,120", [0.26, 0.3]), color))
    for y in (0.86, 1.12):
        pen.line(path((0.38, y), (0.92, y)), 0.1, shade(color, 1.45))
    pen.fill((limb("-96,-8 0,46 96,-8", [0.3]), color))


def _bow_tie(pen: Pen, color: RGB) -> None:
    loop = path("0,10 56,-22 56,46")
    pen.fill((loop, color), (mirror(loop), color))
    pen.fill((oval(0, 0.1, 0.15, 0.17), shade(color, 0.78)))


def _bandana(pen: Pen, color: RGB) -> None:
    pen.fill((blob("-98,-16 0,16 98,-16 60,40 0,100 -60,40"), color))
    for x, y in path("-40,22 0,32 40,22 0,66"):
        pen.fill((oval(x, y, 0.08), WHITE), outline=False)


def _bell_collar(pen: Pen, color: RGB) -> None:
    pen.line(curve("-94,-8 0,44 94,-8"), 0.24, color)
    pen.fill((oval(0, 0.42, 0.25), GOLD))
    pen.line(path("0,42 0,60"), 0.08, INK)


def _cape(pen: Pen, color: RGB) -> None:
    pen.fill((blob("-34,-6 34,-6 66,40 86,104 30,96 0,106 -30,96 -86,104 -66,40"), color))


def _backpack(pen: Pen, color: RGB) -> None:
    pen.fill((blob("-52,4 0,-10 52,4 64,40 56,84 -56,84 -64,40"), color))


def _saddled_cape(pen: Pen, color: RGB) -> None:
    pen.fill((blob("-62,-106 0,-112 62,-108 96,-62 74,-48 10,-62 -46,-66"), color))


def _saddled_backpack(pen: Pen, color: RGB) -> None:
    pen.line(curve("-4,-104 -14,-70 -2,-44"), 0.08, shade(color, 0.75))
    pen.fill((blob("-18,-98 -20,-136 10,-146 40,-136 40,-98"), color))
    pen.fill((blob("-6,-100 -6,-118 26,-118 26,-100"), shade(color, 1.3)))


def _straps(pen: Pen, color: RGB) -> None:
    for side in (1, -1):
        pen.line(curve("26,-4 30,30 34,62") * (side, 1), 0.09, shade(color, 0.8))


def _umbrella(pen: Pen, color: RGB) -> None:
    pen.line(path("0,36 -10,-150"), 0.055, WOOD)
    top = pen.at(-0.14, -1.52, 1.18)
    dome = blob("-98,8 -86,-44 -40,-82 0,-90 40,-82 86,-44 98,8 66,-8 33,6 0,-8 -33,6 -66,-8")
    top.fill((dome, color))
    for side in (0.34, -0.34):
        top.line(curve((side, 0.04), (side * 0.9, -0.5), (0, -0.88)), 0.035, shade(color, 0.75))
    top.fill((oval(0, -0.93, 0.05), WOOD))


def _lantern(pen: Pen, color: RGB) -> None:
    pen.glow(0, 0.28, 0.9, (255, 214, 120), 130)
    pen.line(curve("-16,12 0,-16 16,12"), 0.05, (92, 76, 70))
    pen.fill((blob("-20,12 20,12 24,44 -24,44"), (255, 226, 130)))
    pen.fill((oval(0, 0.32, 0.08, 0.12), (255, 168, 70)), outline=False)
    for y in (0.1, 0.46):
        pen.fill(
            (path((-0.22, y), (0.22, y), (0.22, y + 0.07), (-0.22, y + 0.07)), (92, 76, 70))
        )


def _balloon(pen: Pen, color: RGB) -> None:
    pen.line(curve("0,10 24,-60 6,-120"), 0.03, WHITE)
    pen.fill((blob("8,-116 -32,-150 -28,-196 10,-216 48,-196 50,-150"), color))
    pen.fill((oval(-0.08, -1.86, 0.07, 0.13, 20), shade(color, 1.6)), outline=False)


def _book(pen: Pen, color: RGB) -> None:
    pen.fill((path("-44,-12 0,-2 44,-12 44,34 0,44 -44,34"), color))
    pen.fill(
        (path("-38,-14 -2,-5 -2,36 -38,28"), WHITE), (path("38,-14 2,-5 2,36 38,28"), WHITE)
    )
    for y in (0.0, 0.1, 0.2):
        pen.line(path((0.08, y + 0.03), (0.32, y - 0.03)), 0.025, (170, 164, 160))
        pen.line(path((-0.08, y + 0.03), (-0.32, y - 0.03)), 0.025, (170, 164, 160))


def _bouquet(pen: Pen, color: RGB) -> None:
    for k, (x, y) in enumerate(path("-20,-30 16,-36 0,-56 -34,-56 30,-62")):
        pen.line(path((0, 0.25), (x, y)), 0.05, (96, 150, 84))
        petals = ((226, 84, 96), (250, 220, 110), (244, 150, 190), (150, 130, 220))[k % 4]
        pen.fill((blob(*star(x, y, 0.17, 0.1)), petals))
        pen.fill((oval(x, y, 0.055), GOLD), outline=False)
    pen.fill((path("-14,4 14,4 5,36 -5,36"), WHITE))


THINGS: dict[str, tuple[str, Callable[[Pen, RGB], None]]] = {
    "top_hat": ("head", _top_hat),
    "straw_hat": ("head", _straw_hat),
    "witch_hat": ("head", _witch_hat),
    "beanie": ("head", _beanie),
    "crown": ("head", _crown),
    "flower_crown": ("head", _flower_crown),
    "headphones": ("head", _headphones),
    "bow": ("head", _bow),
    "glasses": ("face", _glasses),
    "sunglasses": ("face", _sunglasses),
    "eyepatch": ("face", _eyepatch),
    "scarf": ("neck", _scarf),
    "bow_tie": ("neck", _bow_tie),
    "bandana": ("neck", _bandana),
    "bell_collar": ("neck", _bell_collar),
    "cape": ("back", _cape),
    "backpack": ("back", _backpack),
    "umbrella": ("hand", _umbrella),
    "lantern": ("hand", _lantern),
    "balloon": ("hand", _balloon),
    "book": ("hand", _book),
    "bouquet": ("hand", _bouquet),
}
_SADDLED = {"cape": _saddled_cape, "backpack": _saddled_backpack}
