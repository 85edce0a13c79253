"""Skies, light and weather: what the time of day does to every colour of a picture.

Frame of all scenery: the unit is the picture's height, (0, 0) its upper left corner.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from .pen import RGB, Pen, blob, mix, moved, oval, path, star

Light = tuple[float, float, float]

# time of day -> zenith, horizon, what light multiplies scenery with, and creatures
SKIES: dict[str, tuple[RGB, RGB, Light, Light]] = {
    "day": ((92, 172, 236), (212, 238, 250), (1, 1, 1), (1, 1, 1)),
    "dawn": ((150, 150, 218), (255, 204, 186), (0.98, 0.9, 0.94), (1, 0.96, 0.96)),
    "dusk": ((88, 66, 138), (254, 152, 92), (0.92, 0.72, 0.72), (1, 0.91, 0.86)),
    "night": ((16, 22, 60), (60, 74, 130), (0.44, 0.5, 0.78), (0.82, 0.85, 1.0)),
}
GREY = {"rain": 0.62, "storm": 0.8, "snow": 0.5, "fog": 0.55, "clouds": 0.12}


class Stage(NamedTuple):
    """What scenery is drawn with. `horizon` is the colour far things fade to."""

    pen: Pen
    width: float  # the height is 1
    rng: np.random.Generator
    time: str
    weather: str
    zenith: RGB
    horizon: RGB
    light: Light

    def tone(self, color: RGB, depth: float = 0.0) -> RGB:
        """A colour in this light; `depth` 0 is near, 1 has faded into the horizon."""
        lit = tuple(round(c * k) for c, k in zip(color, self.light, strict=True))
        haze = depth + (0.25 * (1 - depth) if self.weather == "fog" else 0)
        return mix(lit, self.horizon, haze)

    @property
    def dark(self) -> bool:
        """Whether windows and lamps are lit."""
        return self.time in ("dusk", "night")


def make_stage(
    pen: Pen, width: float, time: str, weather: str, rng: np.random.Generator
) -> Stage:
    """A stage whose colours follow the time of day and the weather."""
    zenith, horizon, light, _ = SKIES[time]
    grey = GREY.get(weather, 0.0)
    cloud = tuple(round(c * sum(light) / 3) for c in (176, 184, 196))
    if weather == "storm":
        cloud = mix(cloud, (60, 64, 84), 0.6)
    zenith, horizon = mix(zenith, cloud, grey), mix(horizon, cloud, grey * 0.85)
    light = tuple(k * (1 - 0.16 * grey) for k in light)
    return Stage(pen, width, rng, time, weather, zenith, horizon, light)


def gradient(size: tuple[int, int], top: RGB, low: RGB, reach: float = 0.8) -> Image.Image:
    """A vertical gradient, RGB, that ends at a share `reach` of the height."""
    t = np.clip(np.arange(size[1]) / (size[1] * reach), 0, 1)[:, None]
    column = np.array(top) * (1 - t) + np.array(low) * t  # (h, 3)
    strip = Image.fromarray(column.round().astype(np.uint8)[:, None])
    return strip.resize(size, Image.Resampling.NEAREST)


def heavens(stage: Stage, features: tuple[str, ...]) -> None:
    """Stars, sun, moon, rainbow, aurora and clouds: those named in `features`."""
    pen, rng, width = stage.pen, stage.rng, stage.width
    if "stars" in features:
        for x, y, r in rng.random((46, 3)):
            pen.fill((oval(x * width, y * 0.62, 0.0016 + 0.003 * r**3), (255, 250, 226, 220)))
        for x, y in rng.random((4, 2)):
            tips = star(x * width, 0.04 + y * 0.4, 0.016, 0.0035, 4)
            pen.fill((tips, (255, 248, 216)))
    if "aurora" in features:
        for k, color in enumerate(((110, 240, 190), (120, 200, 240), (190, 140, 240))):
            x = np.linspace(-0.1, width + 0.1, 24)
            y = 0.16 + 0.07 * k + 0.05 * np.sin(x * (4 - k) + rng.uniform(0, 6))
            for h, alpha in ((0.2, 34), (0.13, 34), (0.06, 44)):
                band = np.stack([np.r_[x, x[::-1]], np.r_[y, y[::-1] - h]], 1)
                pen.fill((band, (*color, alpha)))
    x = np.clip(width * rng.choice([0.18, 0.24, 0.76, 0.82]), 0.28, width - 0.28)
    where = (float(x), rng.uniform(0.13, 0.22))  # clear of tree tops and of the creature's head
    if "sun" in features:
        low = stage.time != "day"
        at = (where[0], 0.36) if low else where
        color = (255, 196, 120) if low else (255, 240, 180)
        pen.glow(*at, 0.34, color, 150)
        pen.fill((oval(*at, 0.085 if low else 0.066), mix(color, (255, 255, 240), 0.45)))
    if "full_moon" in features:
        pen.glow(*where, 0.26, (200, 210, 255), 110)
        pen.fill((oval(*where, 0.078), (250, 246, 224)))
        for dx, dy, r in ((-0.025, -0.018, 0.016), (0.022, 0.02, 0.02), (0.018, -0.034, 0.01)):
            pen.fill((oval(where[0] + dx, where[1] + dy, r), (226, 220, 200)))
    if "crescent_moon" in features:
        pen.glow(*where, 0.2, (200, 210, 255), 90)
        a = np.linspace(-1.9, 1.9, 22)
        outer = np.stack([np.cos(a), np.sin(a)], 1) * 0.075
        inner = np.stack([np.cos(a[::-1]) * 0.055 - 0.018, np.sin(a[::-1]) * 0.071], 1)
        pen.at(*where, angle=-35).fill((np.concatenate([outer, inner]), (252, 246, 218)))
    if "rainbow" in features:
        bands = (
            (236, 96, 96),
            (244, 160, 80),
            (248, 220, 100),
            (120, 200, 120),
            (100, 160, 230),
            (160, 120, 210),
        )
        a = np.linspace(np.pi, 2 * np.pi, 40)
        for k, color in enumerate(bands):
            r = 0.62 - 0.024 * k
            arc = np.stack([width / 2 + r * 1.1 * np.cos(a), 0.76 + r * np.sin(a)], 1)
            pen.line(arc, 0.026, (*color, 150))
    if "clouds" in features:
        _clouds(stage, where[0])


def _clouds(stage: Stage, lamp: float) -> None:
    """Clouds that leave the sun or moon at x = `lamp` in sight."""
    rng = stage.rng
    heavy = stage.weather in ("rain", "storm", "snow")
    white = mix(stage.tone((255, 252, 250)), stage.horizon, 0.15)
    if heavy:
        white = mix(stage.zenith, stage.tone((214, 216, 226)), 0.5)
    for k in range(7 if heavy else 4):
        x = (k + rng.uniform(0.1, 0.9)) * stage.width / (7 if heavy else 4)
        y, size = rng.uniform(0.03, 0.16 if heavy else 0.3), rng.uniform(0.09, 0.15)
        if abs(x - lamp) < 0.17 and not heavy:
            continue
        cloud(stage.pen, x, y, size * (1.35 if heavy else 1), white)


def cloud(pen: Pen, x: float, y: float, size: float, color: RGB) -> None:
    """A heap of puffs with a flat, shaded foot."""
    puffs = ((-1.0, 0.1, 0.42), (-0.45, -0.22, 0.58), (0.25, -0.32, 0.62), (0.9, 0.05, 0.46))
    under = mix(color, (110, 120, 160), 0.22)
    for dx, dy, r in puffs:
        pen.fill((oval(x + dx * size, y + (dy + 0.08) * size, r * size), under), outline=False)
    base = blob("-140,20 0,-10 135,20 100,44 -100,44") * size + (x, y)
    pen.fill((base, under), outline=False)
    for dx, dy, r in puffs:
        pen.fill((oval(x + dx * size, y + dy * size, r * size * 0.94), color), outline=False)


def precipitation(stage: Stage, ground: float) -> None:
    """Rain, snow or fog in front of everything; a bolt of lightning in a storm comes earlier."""
    pen, rng, width = stage.pen, stage.rng, stage.width
    if stage.weather in ("rain", "storm"):
        color = mix((236, 244, 255), stage.horizon, 0.15)
        for x, y, length in rng.random((120, 3)):
            x0, drop = x * (width + 0.2), 0.03 + 0.05 * length
            streak = path((x0, y), (x0 - drop * 0.28, y + drop))
            pen.line(streak, 0.0042, (*color, 150))
        for x, y in rng.random((16, 2)):
            ring = oval(x * width, ground + y * (1 - ground), 0.016, 0.005)
            pen.line(ring, 0.003, (*color, 150))
    elif stage.weather == "snow":
        for x, y, r in rng.random((110, 3)):
            pen.fill(
                (oval(x * width, y, 0.003 + 0.009 * r**2), (255, 255, 255, 225)), outline=False
            )
    elif stage.weather == "fog":
        for y in np.linspace(0.36, 0.95, 6):
            x = np.linspace(-0.1, width + 0.1, 16)
            top = y + 0.03 * np.sin(x * rng.uniform(3, 6) + rng.uniform(0, 6))
            foot = top[::-1] + rng.uniform(0.06, 0.12)
            band = np.stack([np.r_[x, x[::-1]], np.r_[top, foot]], 1)
            pen.fill((band, (*mix(stage.horizon, (250, 250, 252), 0.35), 66)), outline=False)


def lightning(stage: Stage) -> None:
    """One bolt from the clouds to the horizon."""
    x = stage.width * stage.rng.choice([0.15, 0.85])
    bolt = moved(path("0,8 5,8 1,26 6,26 -6,58 -1,34 -6,34"), x, 0)
    stage.pen.glow(x, 0.3, 0.3, (255, 250, 214), 90)
    stage.pen.fill((bolt, (255, 250, 200)), outline=False)
