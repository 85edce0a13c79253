"""From a scene to its picture: sky, place, things, creatures, weather, then the artist's finish."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageFont

from ..plan.world import COLORS, Scene
from .creatures import anchors_of, body_plan, draw_creature
from .pen import NIGHT, Pen, blob, mix, oval, path
from .places import GROUND, paint
from .props import PROPS
from .sky import SKIES, Stage, gradient, heavens, lightning, make_stage, precipitation
from .styles import STYLES, Style, finish

SUPERSAMPLE = 2
CARD_GREY = (168, 168, 168)
FIT = {"tall": 0.84, "jumping": 0.84, "flying": 0.88, "butterfly": 0.8, "fish": 1.05}
WATER = {
    "day": (1, 1, 1),
    "dawn": (0.95, 0.9, 1),
    "dusk": (0.8, 0.7, 0.9),
    "night": (0.42, 0.5, 0.75),
}


def render(scene: Scene) -> Image.Image:
    """The preview of a scene: RGB, `scene.size` pixels; the same scene gives the same picture."""
    if scene.place == "card":
        return Image.new("RGB", scene.size, CARD_GREY)
    style = STYLES[scene.artist]
    rng = np.random.default_rng(scene.seed)
    w, h = (SUPERSAMPLE * side for side in scene.size)
    stage, image = _backdrop(scene, style, (w, h), rng)
    spots = _layout(scene, w / h)
    _props(stage, scene, ("far", "sea", "sky"))
    _actors(image, stage, scene, style, spots)
    _props(stage, scene, ("near", "all"))
    if scene.place not in ("plain", "room", "cave", "underwater"):
        precipitation(stage, GROUND)
    _extras(image, stage, scene, spots)
    image = finish(image.reduce(SUPERSAMPLE), scene.artist, scene.meta)
    if scene.shift:
        w, h = scene.size
        image = image.crop((scene.shift, scene.shift // 2, w, h)).resize(scene.size)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if scene.flipped else image


def _backdrop(
    scene: Scene, style: Style, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Stage, Image.Image]:
    """The stage with its pen on a picture of the sky and the place; no creature yet."""
    w, h = size
    stage = make_stage(Pen(Image.new("RGB", (1, 1))), w / h, scene.time, scene.weather, rng)
    top, low = stage.zenith, stage.horizon
    if scene.place == "plain":
        top = mix(COLORS[scene.tint], (255, 255, 255), 0.35)
        low = mix(COLORS[scene.tint], (255, 255, 255), 0.55)
        stage = stage._replace(zenith=top, horizon=low)
    elif scene.place == "underwater":
        light = WATER[scene.time]
        top, low = (
            tuple(round(c * k) for c, k in zip(color, light, strict=True))
            for color in ((70, 190, 214), (20, 92, 150))
        )
        stage = stage._replace(zenith=top, horizon=mix(top, low, 0.6))
    image = gradient(size, top, low, 1.0 if scene.place == "underwater" else 0.74)
    outline = 0.6 * style.outline if style.outline >= 2 else 0  # thin ones would not show
    pen = Pen(image, outline, style.ink, style.wobble).at(0, 0, h)
    stage = stage._replace(pen=pen)
    if scene.place == "plain":
        pen.fill((oval(w / h / 2, 0.52, 0.42), (255, 255, 255, 60)), outline=False)
        return stage, image
    if scene.place != "underwater":
        heavens(stage, scene.sky)
    if scene.weather == "storm":
        lightning(stage)
    paint(stage, scene.place)
    return stage, image


def _layout(scene: Scene, width: float) -> list[tuple[float, float, float, bool]]:
    """Feet (x, y), size and flip of each actor; units of the picture's height."""
    rng = np.random.default_rng((scene.seed, 1))
    count = len(scene.actors)
    spots = []
    for k, actor in enumerate(scene.actors):
        size = min((0.29, 0.24, 0.19)[count - 1], width * (0.31, 0.19, 0.14)[count - 1])
        size *= FIT.get(body_plan(actor.species), 1.0) * FIT.get(actor.pose, 1.0)
        share = (0.5,) if count == 1 else (0.28, 0.73) if count == 2 else (0.2, 0.5, 0.8)
        x = width * (share[k] + rng.uniform(-0.03, 0.03))
        y = GROUND + rng.uniform(0.0, 0.04)
        if actor.pose in ("flying", "swimming"):
            y -= 0.12 + rng.uniform(0, 0.06 if size > 0.24 else 0.2)
        elif actor.pose == "jumping":
            y -= 0.05
        spots.append((x, y, size, bool(rng.integers(2)) if count == 1 else k == 0))
    return spots


def _actors(image: Image.Image, stage: Stage, scene: Scene, style: Style, spots: list) -> None:
    h = image.size[1]
    light = (1, 1, 1) if scene.place == "plain" else SKIES[scene.time][3]
    for k, (actor, (x, y, size, flip)) in enumerate(zip(scene.actors, spots, strict=True)):
        low = GROUND + 0.03 if actor.pose in ("flying", "swimming", "jumping") else y
        for step in range(5):
            r = size * (0.95 if actor.pose != "sitting" else 0.8) * (1 - 0.13 * step)
            r *= 0.66 if actor.young else 1
            stage.pen.fill((oval(x, low, r, r * 0.17), (*NIGHT, 18)), outline=False)
        solid = draw_creature(
            image,
            actor,
            (x * h, y * h),
            size * h,
            flip,
            style=style,
            light=light,
            seed=scene.seed + k,
        )
        if style.cut:
            shadow = ImageChops.offset(solid, 7, 9).filter(ImageFilter.BoxBlur(3))
            shadow = ImageChops.subtract(shadow, solid).point([v * 2 // 5 for v in range(256)])
            image.paste(NIGHT, mask=shadow)


def _props(stage: Stage, scene: Scene, layers: tuple[str, ...]) -> None:
    """The things of some layers; sides are taken in turn so that they do not meet."""
    rng = np.random.default_rng((scene.seed, 2))
    side = int(rng.integers(2))
    for name in scene.props:
        layer, draw = PROPS[name]
        jitter, side = rng.uniform(-0.03, 0.03, 2), 1 - side
        if layer not in layers:
            continue
        if layer == "all":
            draw(stage.pen, stage)
            continue
        share, y, size = {
            "far": (0.13, 0.785, 1.15),
            "near": (0.12, 0.95, 1.2),
            "sea": (0.13, 0.66, 0.8),
            "sky": (0.2, 0.3, 0.9),
        }[layer]
        x = stage.width * (1 - share if side else share) + jitter[0]
        draw(stage.pen.at(x, y + 0.5 * jitter[1], size), stage)


def _extras(image: Image.Image, stage: Stage, scene: Scene, spots: list) -> None:
    """Hearts round the first creature, zzz over whoever sleeps, the speech bubble."""
    pen = stage.pen
    if "hearts" in scene.extras:
        x, y, size, _ = spots[0]
        for dx, dy, k in ((-0.8, -1.9, 1.0), (0.75, -2.05, 0.75), (0.98, -1.5, 0.55)):
            heart = blob("0,10 -12,-2 -9,-11 -3,-10 0,-6 3,-10 9,-11 12,-2")
            at = pen.at(x + dx * size, y + dy * size, k * size * 2.2)
            at.fill((heart, (238, 84, 112)))
    for actor, (x, y, size, flip) in zip(scene.actors, spots, strict=True):
        if actor.pose == "sleeping" and "zzz" in scene.extras:
            head = anchors_of(actor).head
            x += (-head[0] if flip else head[0]) * size
            for k, (dx, dy) in enumerate(((0.45, -0.62), (0.68, -0.92), (0.98, -1.25))):
                at = pen.at(x + dx * size, y + (head[1] + dy) * size, size * (0.7 + 0.3 * k))
                at.line(path("-8,-8 8,-8 -8,8 8,8"), 0.045, (250, 250, 255))
    if scene.bubble:
        _bubble(image, stage, scene.bubble)


def _bubble(image: Image.Image, stage: Stage, text: str) -> None:
    pen, x = stage.pen, stage.width * 0.24
    pen.fill(
        (oval(x, 0.16, 0.17, 0.1), (254, 254, 252)),
        (path((x + 0.05, 0.22), (x + 0.14, 0.33), (x + 0.13, 0.2)), (254, 254, 252)),
    )
    size = 0.12 if len(text) < 5 else 0.085
    font = ImageFont.load_default(size * image.size[1])
    pen.draw.text(pen.pixel(x, 0.16), text, fill=(52, 44, 66), font=font, anchor="mm")
