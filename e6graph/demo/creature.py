"""An animal on a picture: its palette, body, things, pattern and shading."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from .drawings import BELONGS, DRAWINGS, Painter, slots
from .pen import NIGHT, Pen, mix, shade
from .styles import Style
from .tables import PAINTS, SPECIES, TAG_COLORS, Actor, Color


class Spot(NamedTuple):
    """The place of an animal, in heights of the picture."""

    x: float  # of its feet
    y: float
    size: float  # of its unit
    flip: bool


def drawing_of(actor: Actor) -> str:
    """Return the name of the drawing of an animal in its pose."""
    return f"{SPECIES[actor.species].body}-{actor.pose}"


def poses_of(species: str) -> list[str]:
    """Return the poses there are drawings of.

    >>> poses_of("barn_owl")
    ['standing', 'sleeping', 'flying']
    """
    body = f"{SPECIES[species].body}-"
    return [name.removeprefix(body) for name in DRAWINGS if name.startswith(body)]


def draw_creature(
    image: Image.Image,
    actor: Actor,
    spot: Spot,
    style: Style,
    light: tuple[float, ...],
    seed: int,
) -> None:
    """Draw an animal and what it wears."""
    solid, skin = Image.new("L", image.size), Image.new("L", image.size)
    width, height = image.size
    x, y = width / 2 + height * spot.x, height * spot.y
    size = height * spot.size * (0.66 if actor.young else 1)
    frame = (x, y, size, 0.0, spot.flip)
    pen = Pen(image, style.outline, style.ink, (solid, skin)).at(*frame)
    painter = _animal_painter(actor, light, seed)
    painter.draw(drawing_of(actor), pen)
    # a pattern covers a copy of the picture, of which the skin alone is taken
    if actor.pattern != "plain":
        layer = image.copy()
        painter.draw(actor.pattern, Pen(layer).at(*frame))
        image.paste(layer, mask=skin)
    if style.shading:
        _shade(image, solid, style.shading)
    # these come last: a pattern or a shadow on a hat would look dirty
    for slot, place in slots(drawing_of(actor)).items():
        if slot in ("face", "head", "hand"):
            painter.wear(slot, pen.at(*place))
    if style.cut:
        shadow = ImageChops.offset(solid, 7, 9).filter(ImageFilter.BoxBlur(3))
        shadow = ImageChops.subtract(shadow, solid)
        image.paste(NIGHT, mask=shadow.point([v * 2 // 5 for v in range(256)]))


def _animal_painter(actor: Actor, light: tuple[float, ...], seed: int) -> Painter:
    species = SPECIES[actor.species]
    asleep = {"asleep"} if actor.pose == "sleeping" else set()
    return Painter(
        _palette(actor),
        {*species.marks, *species.features.values(), actor.pose} | asleep,
        np.random.default_rng(seed),
        features={"legs": "soft", "mouth": actor.mouth} | species.features,
        worn={BELONGS[thing][0]: (thing, TAG_COLORS[tint]) for thing, tint in actor.things},
        light=light,
        width=3.0,  # of what a pattern is strewn over
        head=1.22 if actor.young else 1.0,
    )


def _palette(actor: Actor) -> dict[str, Color]:
    body = TAG_COLORS[actor.color]
    palette = {
        "body": body,
        "far": shade(body, 0.86),
        "belly": mix(body, (255, 246, 230), 0.68),
        "inner": mix(body, (244, 158, 160), 0.6),
        "dark": mix(shade(body, 0.32), (60, 44, 44), 0.3),
        "accent": shade(body, 0.72),
        "pattern": shade(body, 0.5),
    }
    if actor.color == "black":  # its shades would be black, too
        palette |= {
            "far": mix(body, (120, 120, 150), 0.22),
            "belly": mix(body, (255, 246, 230), 0.35),
            "dark": mix(shade(body, 0.6), (60, 44, 44), 0.3),
            "pattern": mix(body, (210, 210, 225), 0.42),
        }
    parts = dict.fromkeys(("leg", "ear", "head"), "body")
    parts |= {"tip": "belly", "nose": "ink", "spots": "pattern", "iris": actor.eyes}
    parts |= SPECIES[actor.species].features
    paints = PAINTS | palette
    named = {part: paints[name] for part, name in parts.items() if name in paints}
    return palette | named


def _shade(image: Image.Image, solid: Image.Image, strength: float) -> None:
    """Darken the lower right of what `solid` covers, lighten its upper left."""
    box = solid.getbbox()
    if box is None:
        return
    solid = solid.crop(box)
    reach = max(2, round(image.size[1] / 105))
    small = ImageOps.expand(solid.reduce(4), reach)
    frame = (reach, reach, small.size[0] - reach, small.size[1] - reach)
    blur = ImageFilter.BoxBlur(reach)
    for move, color, alpha in ((-reach, NIGHT, 0.5), (reach, (255, 250, 226), 0.34)):
        shifted = ImageChops.offset(small, move, move).filter(blur)
        edge = ImageChops.subtract(small, shifted).crop(frame)
        edge = edge.point([round(value * alpha * strength) for value in range(256)])
        edge = edge.resize(solid.size, Image.Resampling.BILINEAR)
        image.paste(color, box, ImageChops.multiply(edge, solid))
