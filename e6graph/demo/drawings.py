"""The drawings: text files of shapes, read once, and the painter who paints them.

Their language is explained in `drawings/README.txt`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .pen import SHAPES, STROKES, Outlines, Pen, mix, shade
from .tables import PAINTS, Color

ACTIONS = ("draw", "slot", "glow", "ridge", "strew")
SKIN = ("body", "far", "head", "leg", "ear")  # paints that patterns are laid over
LAMPLIGHT: Color = (255, 226, 140)

Frame = tuple[float, float, float, float]  # x, y, size, turn in degrees
Worn = tuple[str, Color]  # a drawing and its tint


class Step(NamedTuple):
    """One line of a drawing."""

    words: list[str]
    unless: bool  # whether the words forbid the step
    action: str
    name: str  # a paint, a drawing or where something is worn
    numbers: list[list[float]]
    shapes: list[tuple[str, Outlines]]  # paints and their outlines
    outlined: bool
    mirrored: bool


def _read_step(line: str) -> Step:
    found = re.fullmatch(r" +(?:(!?)([\w,]+)\? )?([=-]*)(.+)", line)
    if found is None:
        raise ValueError(f"no step of a drawing: {line!r}")
    unless, words, marks, rest = found.groups()
    shapes: list[tuple[str, Outlines]] = []
    for shape in reversed(rest.split(" + ")):
        action, name, *groups = shape.removeprefix("=").split()
        numbers = [[float(n) / 100 for n in group.split(",")] for group in groups]
        outlines: Outlines = []
        if action in SHAPES:
            outlines = SHAPES[action](*numbers)
        elif action in STROKES:
            outlines = STROKES[action](*numbers[1:])
        elif action not in ACTIONS:
            raise ValueError(f"unknown action: {line!r}")
        if "=" in marks or shape.startswith("="):
            outlines += [outline * (-1, 1) for outline in outlines]
        shapes.insert(0, (name, outlines))
    return Step(
        words=words.split(",") if words else [],
        unless=bool(unless),
        action=action,
        name=name,
        numbers=numbers,
        shapes=shapes,
        outlined="-" not in marks,
        mirrored="=" in marks,
    )


def _read_all() -> tuple[dict[str, list[Step]], dict[str, list[str]]]:
    """Read the files: steps by name, and the words in brackets by name."""
    drawings: dict[str, list[Step]] = {}
    belongs: dict[str, list[str]] = {}
    steps: list[Step] = []
    for path in sorted(Path(__file__).with_name("drawings").glob("*.txt")):
        for line in path.read_text("utf-8").replace("\n    ", " ").splitlines():
            if line.startswith("  "):
                steps.append(_read_step(line))
            elif not line.startswith("#"):
                names, _, place = line.partition(" (")
                steps = []
                for name in names.split():
                    if name in drawings:
                        raise ValueError(f"two drawings are named {name}")
                    drawings[name] = steps
                if place:
                    belongs[names] = place.rstrip(")").split()
    return drawings, belongs


DRAWINGS, BELONGS = _read_all()


@cache
def slots(drawing: str) -> dict[str, Frame]:
    """Return where a body in this pose takes its head and what it wears.

    >>> slots("beast-sleeping")["neck"]
    (-0.3, -0.3, 0.4, 0.0)
    """
    found = {}
    for step in DRAWINGS[drawing]:
        if step.action == "slot":
            found[step.name] = _frame_of(step)
        elif step.name == "head":
            found["head"] = found["face"] = _frame_of(step)
    return found


def _frame_of(step: Step) -> Frame:
    """Read a frame; its size is 1 and its turn 0 if they are not given."""
    (x, y), *rest = step.numbers
    size = rest[0][0] if rest else 1.0
    turn = 100 * rest[1][0] if len(rest) > 1 else 0.0
    return x, y, size, turn


@dataclass
class Painter:
    """Somebody who paints drawings with a pen."""

    palette: dict[str, Color]  # beside `PAINTS`
    words: set[str]  # that hold: marks, weather and so on
    rng: np.random.Generator
    features: dict[str, str] = field(default_factory=dict)  # for the names in {}
    worn: dict[str, Worn] = field(default_factory=dict)  # by slot
    light: tuple[float, ...] = (1.0, 1.0, 1.0)  # factor of each channel
    horizon: Color = (255, 255, 255)  # color that distant things fade to
    fog: float = 0.0  # haze of what is near
    width: float = 1.0  # of the picture, in units
    head: float = 1.0  # factor of the size of heads

    def color(self, paint: str, haze: float = 0.0) -> Color:
        """Return a paint under this light."""
        name = paint.rstrip("+-!")
        if name == "lamp" and "dark" in self.words:
            return LAMPLIGHT
        if name.startswith("#"):
            color: Color = tuple(bytes.fromhex(name[1:]))
        else:
            color = self.palette.get(name) or PAINTS[name]
        if paint[-1] in "+-":
            color = shade(color, 1.4 if paint[-1] == "+" else 0.6)
        if paint[-1] == "!":
            return color
        channels = zip(color, self.light, strict=False)
        color = (*(min(255, round(c * k)) for c, k in channels), *color[3:])
        # fog hides a share of what the distance has left
        distance = haze + self.fog * (1 - haze)
        return mix(color, self.horizon, distance) if distance else color

    def draw(self, name: str, pen: Pen, haze: float = 0.0) -> None:
        """Paint the steps of a drawing that the words allow."""
        for step in DRAWINGS.get(name, ()):
            if step.words and self.words.isdisjoint(step.words) != step.unless:
                continue
            numbers = step.numbers
            if step.action in SHAPES:
                parts = []
                for paint, outlines in step.shapes:
                    color, skin = self.color(paint, haze), paint in SKIN
                    parts += [(outline, color, skin) for outline in outlines]
                pen.fill(parts, step.outlined)
            elif step.action in STROKES:
                for line in step.shapes[0][1]:
                    pen.stroke(line, numbers[0][0], self.color(step.name, haze))
            elif step.action == "draw":
                self._draw_other(step, pen, haze)
            elif step.action == "slot" and step.name in ("back", "neck"):
                # the other things come after the shading
                self.wear(step.name, pen.at(*_frame_of(step)))
            elif step.action == "glow":
                middle, (radius,), (strength,) = numbers
                color = self.color(step.name + "!")
                pen.glow(middle, radius, color, 100 * strength)
            elif step.action == "ridge":
                self._ridge(step, pen)
            elif step.action == "strew":
                self._strew(step, pen)

    def wear(self, slot: str, pen: Pen) -> None:
        """Draw what is worn in a slot, if anything is."""
        if slot in self.worn:
            name, self.palette["tint"] = self.worn[slot]
            self.draw(name, pen)

    def _draw_other(self, step: Step, pen: Pen, haze: float) -> None:
        name = step.name.format_map(defaultdict(str, self.features))
        x, y, size, turn = _frame_of(step)
        if name == "head":
            size *= self.head
        self.draw(name, pen.at(x, y, size, turn), haze)
        if step.mirrored:
            self.draw(name, pen.at(0, 0, flip=True).at(x, y, size, turn), haze)

    def _ridge(self, step: Step, pen: Pen) -> None:
        """Fill a line of hills down to the lower edge of the picture."""
        (y, rise, length), (haze,) = step.numbers
        side = self.width / 2 + 0.06
        x = np.linspace(-side, side, 60)
        turns = 2 * np.pi * x / length
        phases = self.rng.uniform(0, 2 * np.pi, 2)
        waves = np.sin(turns + phases[0]) + 0.5 * np.sin(2.3 * turns + phases[1])
        crest = np.stack([x, y - rise * waves / 1.5], axis=1)
        outline = np.concatenate([crest, [(side, 1.06), (-side, 1.06)]])
        pen.fill([(outline, self.color(step.name, haze), False)], outlined=False)

    def _strew(self, step: Step, pen: Pen) -> None:
        """Draw at random places, the upper ones first."""
        names = step.name.split(",")
        (count,), (top, low), (small, large), (haze,) = step.numbers
        number = round(100 * count)
        x = (np.arange(number) + self.rng.random(number)) / number - 0.5
        y = self.rng.uniform(top, low, number)
        size = self.rng.uniform(small, large, number)
        which = self.rng.integers(len(names), size=number)
        for at in np.argsort(y):
            place = pen.at(x[at] * (self.width + 0.1), y[at], size[at])
            self.draw(names[which[at]], place, haze)
