"""A creature: its palette, body, head, things worn, pattern on the skin and shading."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from ..plan.species import KINDS
from ..plan.world import COLORS, EYE_COLORS, Actor
from . import crawlers, swimmers
from .beasts import beast
from .birds import bird
from .clothes import Anchors, wear
from .heads import head
from .pen import NIGHT, RGB, Pen, limb, mix, oval, path, shade
from .styles import Style

_STAND = Anchors((-0.6, -1.36), 0.58, 0, (-0.58, -0.84, 0.36), (-1.12, -0.42))
_BEAST = {
    "sitting": Anchors((0.0, -1.58), 0.62, 0, (0, -1.1, 0.4), (0.78, -0.6)),
    "standing": _STAND,
    "walking": _STAND,
    "sleeping": Anchors((-0.5, -0.54), 0.52, -8, (-0.3, -0.3, 0.4), (-1.14, -0.42)),
    "jumping": Anchors((-0.52, -1.82), 0.58, 2, (-0.46, -1.34, 0.38), (-1.1, -0.9)),
}
_FRONT = Anchors((0, -1.36), 0.58, 0, (0, -0.98, 0.55), (0.84, -0.55))
_SIDE = Anchors((-0.38, -1.28), 0.42, -6, (-0.36, -0.9, 0.36), (-0.98, -0.42))
PLANS = {  # those with bodies of their own
    "fish": swimmers.fish,
    "turtle": swimmers.turtle,
    "octopus": swimmers.octopus,
    "crab": swimmers.crab,
    "snake": crawlers.snake,
    "lizard": crawlers.lizard,
    "frog": crawlers.frog,
    "snail": crawlers.snail,
    "butterfly": crawlers.butterfly,
}
ANCHORS = {  # by plan; a pose that is not named uses the first
    "beast": _BEAST,
    "front": {
        "standing": _FRONT,
        "sleeping": _FRONT._replace(head=(0, -1.16), neck=(0, -0.8, 0.55)),
    },
    "side": {
        "standing": _SIDE,
        "sleeping": _SIDE._replace(head=(-0.3, -0.78), neck=(-0.26, -0.5, 0.36)),
        "flying": _SIDE._replace(head=(-0.2, -1.58), neck=(-0.28, -1.16, 0.36)),
    },
    "tall": {
        "standing": Anchors((-0.62, -2.27), 0.32, -6, (-0.5, -1.96, 0.2), (-1.0, -0.42)),
        "sleeping": Anchors((-0.3, -0.78), 0.32, -6, (-0.26, -0.5, 0.3), (-1.0, -0.42)),
        "flying": Anchors((-0.4, -2.0), 0.32, -6, (-0.3, -1.7, 0.2), (-1.0, -0.9)),
    },
    "fish": {"swimming": Anchors((-0.5, -0.72), 0.42, -12, (-0.2, -0.5, 0.4), (-1.2, -0.4))},
    "turtle": {
        "standing": Anchors((-0.86, -0.76), 0.36, -6, (-0.7, -0.46, 0.24), (-1.3, -0.42)),
        "swimming": Anchors((-0.92, -1.04), 0.36, -14, (-0.76, -0.78, 0.24), (-1.3, -0.42)),
        "sleeping": Anchors((-0.86, -0.44), 0.36, -6, (-0.62, -0.34, 0.24), (-1.3, -0.42)),
    },
    "snake": {
        "sitting": Anchors((-0.32, -1.42), 0.36, 0, (-0.28, -1.08, 0.24), (0.9, -0.5)),
        "sleeping": Anchors((-0.32, -0.72), 0.36, 0, (-0.3, -0.42, 0.26), (0.9, -0.5)),
    },
    "long": {"flying": Anchors((-0.55, -1.2), 0.46, 0, (-0.5, -0.82, 0.3), (-1.2, -0.4))},
    "lizard": {"standing": Anchors((-0.8, -0.66), 0.4, 0, (-0.62, -0.4, 0.3), (-1.4, -0.42))},
    "frog": {"sitting": Anchors((0, -0.98), 0.5, 0, (0, -0.5, 0.5), (0.95, -0.5))},
    "octopus": {"sitting": Anchors((0, -1.14), 0.6, 0, (0, -0.5, 0.42), (1.1, -0.6))},
    "snail": {"standing": Anchors((-0.86, -0.46), 0.3, 0, (-0.8, -0.2, 0.24), (-1.3, -0.42))},
    "crab": {"standing": Anchors((0, -0.5), 0.5, 0, (0, -0.3, 0.4), (1.3, -0.5))},
    "butterfly": {"flying": Anchors((0, -1.32), 0.26, 0, (0, -1.05, 0.14), (1.0, -0.5))},
}
_ACCENTS = {
    "green": "yellow",
    "red": "orange",
    "blue": "teal",
    "purple": "pink",
    "teal": "yellow",
}


def body_plan(species: str) -> str:
    """The plan whose anchors a species uses, e.g. `side` for birds seen from the side."""
    kind = KINDS[species]
    if kind.plan == "bird":
        return "tall" if "neck" in kind.look else "side" if "side" in kind.look else "front"
    return "long" if kind.look.get("shape") == "long" else kind.plan


def palette(actor: Actor) -> dict[str, RGB]:
    """The colours of a creature's parts."""
    look = KINDS[actor.species].look
    body = COLORS[actor.color]
    dim = sum(body) < 250
    accent = COLORS.get(look.get("accent") or _ACCENTS.get(actor.color, ""), shade(body, 0.72))
    if "mane" in look["marks"]:
        accent = mix(body, (130, 70, 34), 0.7)
    belly = COLORS.get(look.get("belly"), mix(body, (255, 246, 230), 0.35 if dim else 0.68))
    if look.get("belly") == "body":
        belly = mix(body, (140, 140, 160), 0.25)
    return {
        "body": body,
        "far": mix(body, (120, 120, 150), 0.22) if dim else shade(body, 0.86),
        "belly": belly,
        "inner": mix(body, (244, 158, 160), 0.6),
        "dark": shade(body, 0.6) if dim else mix(shade(body, 0.32), (60, 44, 44), 0.5),
        "accent": accent,
        "horn": (240, 226, 192),
        "wool_face": (98, 86, 90) if actor.color != "black" else (226, 206, 190),
    }


def draw_creature(
    image: Image.Image,
    actor: Actor,
    spot: tuple[float, float],
    size: float,
    flip: bool,
    *,
    style: Style,
    light: tuple[float, float, float],
    seed: int,
) -> Image.Image:
    """Draw a creature whose feet are at pixel `spot`; `size` pixels are one unit of its frame.

    Returns
    -------
    The mask (mode L) of all it covers, for shadows.
    """
    masks = (Image.new("L", image.size), Image.new("L", image.size))
    kind, colors = KINDS[actor.species], palette(actor)
    pen = Pen(image, style.outline, style.ink, style.wobble, colors, light, masks)
    pen = pen.at(*spot, size, flip=flip)
    if actor.young:
        pen = pen.at(0, 0, 0.66)
    anchors = anchors_of(actor)
    things = tuple((name, COLORS[color]) for name, color in actor.things)
    iris = None if actor.pose == "sleeping" else EYE_COLORS[actor.eyes]
    upright = actor.pose == "sitting"
    if upright:
        wear(pen, anchors, "back", things)
    if kind.plan == "beast":
        beast(pen, kind.look, "jumping" if actor.pose == "flying" else actor.pose)
        wear(pen, anchors, "straps" if upright else "over", things)
        wear(pen, anchors, "neck", things)
        head(pen.at(*anchors.head, anchors.radius, anchors.tilt), kind.look, iris, actor.mouth)
    else:
        draw = bird if kind.plan == "bird" else PLANS[kind.plan]
        draw(pen, kind.look, actor.pose, iris)
        wear(pen, anchors, "neck", things)
    solid, skin = masks
    _pattern(image, skin, actor, pen, colors["body"], light, seed)
    if style.shading:
        _shade(image, solid, style.shading)
    for slot in ("face", "head", "hand"):
        wear(pen, anchors, slot, things)
    return solid


def anchors_of(actor: Actor) -> Anchors:
    """Where a creature's head and things are, in its frame."""
    poses = ANCHORS[body_plan(actor.species)]
    pose = "jumping" if actor.pose == "flying" and "jumping" in poses else actor.pose
    anchors = poses.get(pose) or next(iter(poses.values()))
    if actor.young:  # large heads
        anchors = anchors._replace(radius=anchors.radius * 1.22)
    return anchors


def _pattern(
    image: Image.Image,
    skin: Image.Image,
    actor: Actor,
    pen: Pen,
    body: RGB,
    light: tuple[float, float, float],
    seed: int,
) -> None:
    """Spots, stripes or a gradient, laid on the skin alone."""
    if actor.pattern == "plain":
        return
    rng = np.random.default_rng(seed)
    color = mix(body, (210, 210, 225), 0.42) if sum(body) < 250 else shade(body, 0.5)
    if actor.species in ("deer", "pufferfish"):
        color = mix(body, (255, 248, 232), 0.8) if actor.species == "deer" else shade(body, 0.6)
    if actor.pattern == "gradient":
        color = gradient_partner(actor.color)
    color = tuple(min(255, round(c * k)) for c, k in zip(color, light, strict=True))
    where = Image.new("L", image.size)
    if actor.pattern == "gradient":
        _, top = pen.pixel(0, -1.9)
        _, low = pen.pixel(0, 0)
        ramp = np.clip((np.arange(image.size[1]) - top) / max(low - top, 1), 0, 1)
        column = (255 * ramp**1.5).astype(np.uint8)[:, None]
        where = Image.fromarray(np.broadcast_to(column, (image.size[1], image.size[0])).copy())
    else:
        marks = []
        if actor.pattern == "spotted":
            for y in np.arange(-2.3, 0.1, 0.27):
                for x in np.arange(-1.4, 1.4, 0.29) + 0.14 * rng.random():
                    dx, dy, r = rng.uniform(-0.07, 0.07, 3)
                    marks.append(oval(x + dx, y + dy, 0.075 + 0.35 * r, 0.065 + 0.3 * r))
        else:
            for x in np.arange(-1.6, 1.6, 0.27):
                bend = rng.uniform(-0.12, 0.12)
                spine = path((x, -2.4), (x + bend, -1.6), (x - bend, -0.8), (x + bend, 0.1))
                marks.append(limb(spine, [0.03, 0.06, 0.03, 0.06, 0.03]))
        pen.stamp(where, marks)
    image.paste(color, mask=ImageChops.multiply(where, skin))


def gradient_partner(color: str) -> RGB:
    """What a gradient body fades to."""
    partners = {
        "red": "yellow",
        "orange": "yellow",
        "yellow": "orange",
        "green": "teal",
        "teal": "blue",
        "blue": "purple",
        "purple": "pink",
        "pink": "purple",
        "brown": "tan",
        "black": "purple",
        "white": "blue",
        "grey": "white",
        "tan": "brown",
    }
    return mix(COLORS[color], COLORS[partners[color]], 0.8)


def _shade(image: Image.Image, solid: Image.Image, strength: float) -> None:
    """Soft shadow on the lower right, a little light on the upper left of what `solid` covers."""
    box = solid.getbbox()
    if box is None:
        return
    solid = solid.crop(box)
    reach = max(2, round(image.size[1] / 105))
    small = ImageOps.expand(solid.reduce(4), reach)
    frame = (reach, reach, small.size[0] - reach, small.size[1] - reach)
    for move, color, alpha in ((-reach, NIGHT, 0.5), (reach, (255, 250, 226), 0.34)):
        shifted = ImageChops.offset(small, move, move).filter(ImageFilter.BoxBlur(reach))
        edge = ImageChops.subtract(small, shifted).crop(frame)
        edge = edge.point([round(v * alpha * strength) for v in range(256)])
        edge = edge.resize(solid.size, Image.Resampling.BILINEAR)
        image.paste(color, box, ImageChops.multiply(edge, solid))
