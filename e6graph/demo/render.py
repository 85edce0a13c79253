"""From a scene to its picture, from the sky to the artist's finish.

The unit of scenery is the height of the picture; x = 0 is its middle, y = 0 its
upper edge.
"""

from __future__ import annotations

import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from .creature import Spot, draw_creature, drawing_of
from .drawings import BELONGS, Painter, slots
from .pen import Pen, mix
from .styles import STYLES, finish
from .tables import TAG_COLORS, Color, Scene

CARD_GREY: Color = (168, 168, 168)
_SUPERSAMPLE = 2  # pictures are drawn at double size, which makes edges smooth
_GROUND = 0.86  # height at which feet stand
_FLOATING = {"jumping": 0.84, "flying": 0.88, "swimming": 1.05}  # sizes in these poses
_INDOORS = ("plain", "room", "cave", "underwater")  # where no weather falls
_PLACES_OF = {  # how many animals -> where across the picture, sizes at most
    1: ((0,), 0.29, 0.31),
    2: ((-0.22, 0.23), 0.24, 0.19),
    3: ((-0.3, 0, 0.3), 0.19, 0.14),
}
_GREYNESS = {"rain": 0.62, "storm": 0.8, "snow": 0.5, "fog": 0.55, "cloudy": 0.12}

# where things of a layer stand: distance from the side, height of the foot, size
_LAYERS = {
    "far": (0.13, 0.785, 1.15),
    "near": (0.12, 0.95, 1.2),
    "sea": (0.13, 0.66, 0.8),
    "sky": (0.2, 0.3, 0.9),
}

# time of day -> zenith, horizon, and factors of its light on scenery and on animals
_SKIES: dict[str, tuple[Color, Color, tuple[float, ...], tuple[float, ...]]] = {
    "day": ((92, 172, 236), (212, 238, 250), (1, 1, 1), (1, 1, 1)),
    "dawn": ((150, 150, 218), (255, 204, 186), (0.98, 0.9, 0.94), (1, 0.96, 0.96)),
    "dusk": ((88, 66, 138), (254, 152, 92), (0.92, 0.72, 0.72), (1, 0.91, 0.86)),
    "night": ((16, 22, 60), (60, 74, 130), (0.44, 0.5, 0.78), (0.82, 0.85, 1)),
}


def render(scene: Scene) -> Image.Image:
    """Draw a scene: RGB, `scene.size` pixels."""
    if scene.place == "card":
        return Image.new("RGB", scene.size, CARD_GREY)
    style = STYLES[scene.artist]
    width, height = (_SUPERSAMPLE * side for side in scene.size)
    painter = _scenery_painter(scene, width / height)
    image = _gradient((width, height), painter.palette["zenith"], painter.horizon)
    outline = 0.6 * style.outline if style.outline >= 2 else 0  # others would not show
    pen = Pen(image, outline, style.ink).at(width / 2, 0, height)

    # from back to front
    if scene.place not in _INDOORS:
        _heavens(scene, painter, pen)
    painter.draw(scene.place, pen.at(0, 0, flip=bool(scene.seed & 1)))
    _things(scene, painter, pen, ("far", "sea", "sky"))
    spots = _layout(scene, width / height)
    for number, (actor, spot) in enumerate(zip(scene.actors, spots, strict=True)):
        low = _GROUND + 0.03 if actor.pose in _FLOATING else spot.y
        size = spot.size * (0.6 if actor.young else 0.9)
        painter.draw("shadow", pen.at(spot.x, low, size))
        light = _SKIES[scene.time][3]
        draw_creature(image, actor, spot, style, light, scene.seed + number)
    _things(scene, painter, pen, ("near", "all"))
    if scene.place not in _INDOORS:
        painter.draw("weather", pen)
    _extras(image, scene, painter, pen, spots)

    image = finish(image.reduce(_SUPERSAMPLE), style, scene.monochrome)
    if scene.shift:
        image = image.crop((scene.shift, scene.shift // 2, *scene.size))
        image = image.resize(scene.size)
    return ImageOps.mirror(image) if scene.flipped else image


def _scenery_painter(scene: Scene, width: float) -> Painter:
    """Return a painter whose colors follow the time of day and the weather."""
    zenith, horizon, light, _ = _SKIES[scene.time]
    greyness, brightness = _GREYNESS.get(scene.weather, 0.0), sum(light) / 3
    cloud: Color = tuple(round(channel * brightness) for channel in (176, 184, 196))
    if scene.weather == "storm":
        cloud = mix(cloud, (60, 64, 84), 0.6)
    zenith = mix(zenith, cloud, greyness)
    horizon = mix(horizon, cloud, 0.85 * greyness)
    heavy = scene.weather in ("rain", "storm", "snow")
    dark = {"dark"} if scene.time in ("dusk", "night") else set()
    return Painter(
        palette={
            "zenith": zenith,
            "horizon": horizon,
            "cloud": (200, 204, 216) if heavy else (255, 252, 250),
            "wall": mix(TAG_COLORS[scene.tint], (206, 196, 180), 0.7),
            "tint": mix(TAG_COLORS[scene.tint], (255, 255, 255), 0.45),
        },
        words={scene.time, scene.weather, *scene.sky} | dark,
        rng=np.random.default_rng(scene.seed),
        light=tuple(channel * (1 - 0.16 * greyness) for channel in light),
        horizon=horizon,
        fog=0.25 if scene.weather == "fog" else 0.0,
        width=width,
    )


def _gradient(size: tuple[int, int], zenith: Color, horizon: Color) -> Image.Image:
    share = np.clip(np.arange(size[1]) / (size[1] * 0.74), 0, 1)[:, None]
    column = (1 - share) * zenith + share * horizon  # (h, 3)
    strip = Image.fromarray(column.round().astype(np.uint8)[:, None])
    return strip.resize(size, Image.Resampling.NEAREST)


def _heavens(scene: Scene, painter: Painter, pen: Pen) -> None:
    """Paint the sun or moon where nothing hides it, and clouds."""
    painter.draw("heavens", pen)
    side = int(painter.rng.choice([-1, 1]))
    x = side * min(0.3 * painter.width, painter.width / 2 - 0.2)
    low = "sun" in scene.sky and scene.time != "day"
    y = 0.36 if low else painter.rng.uniform(0.11, 0.15)
    for light in ("sun", "full_moon", "crescent_moon"):
        if light in scene.sky:
            painter.draw(light, pen.at(x, y))
    painter.draw("clouds", pen)


def _layout(scene: Scene, width: float) -> list[Spot]:
    rng = np.random.default_rng((scene.seed, 1))
    if not scene.actors:
        return []
    count = len(scene.actors)
    shares, high, broad = _PLACES_OF[count]
    spots = []
    for at, (actor, share) in enumerate(zip(scene.actors, shares, strict=True)):
        size = min(high, width * broad) * _FLOATING.get(actor.pose, 1)
        x = width * (share + rng.uniform(-0.03, 0.03))
        y = _GROUND + rng.uniform(0, 0.04)
        if actor.pose in ("flying", "swimming"):
            y -= 0.12 + rng.uniform(0, 0.06 if size > 0.24 else 0.2)
        elif actor.pose == "jumping":
            y -= 0.05
        flip = bool(rng.integers(2)) if count == 1 else at == 0  # two face each other
        spots.append(Spot(x, y, size, flip))
    return spots


def _things(scene: Scene, painter: Painter, pen: Pen, layers: tuple[str, ...]) -> None:
    rng = np.random.default_rng((scene.seed, 2))
    side = int(rng.integers(2)) * 2 - 1
    for name in scene.props:
        layer, jitter, side = BELONGS[name][0], rng.uniform(-0.03, 0.03), -side
        if layer == "all" and layer in layers:
            painter.draw(name, pen)
        elif layer in layers:
            share, y, size = _LAYERS[layer]
            x = side * painter.width * (0.5 - share) + jitter
            painter.draw(name, pen.at(x, y + 0.5 * jitter, size))


def _extras(
    image: Image.Image, scene: Scene, painter: Painter, pen: Pen, spots: list[Spot]
) -> None:
    """Draw hearts, zzz over whoever sleeps, and the speech bubble."""
    if "hearts" in scene.extras():
        x, y, size, _ = spots[0]
        painter.draw("hearts", pen.at(x, y, size))
    for actor, (x, y, size, flip) in zip(scene.actors, spots, strict=True):
        if actor.pose == "sleeping":
            head_x, head_y, *_ = slots(drawing_of(actor))["head"]
            x += (-head_x if flip else head_x) * size
            painter.draw("zzz", pen.at(x, y + head_y * size, size))
    if scene.bubble:
        pen = pen.at(-painter.width * 0.26, 0.16)
        painter.draw("speech", pen)
        # the font at hand has no accents
        plain = unicodedata.normalize("NFKD", scene.bubble)
        text = plain.encode("ascii", "ignore").decode()
        size = 0.12 if len(text) < 5 else 0.085
        font = ImageFont.load_default(size * image.size[1])
        x, y = pen.place(np.zeros(2))
        ImageDraw.Draw(image).text((x, y), text, (52, 44, 66), font, anchor="mm")
