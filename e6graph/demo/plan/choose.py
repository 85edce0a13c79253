"""Drawing lots: single choices, within what a species, a place and an artist allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from ..drawing.clothes import THINGS
from ..drawing.creatures import body_plan
from ..drawing.props import PROPS
from . import cast
from .species import CLADES, KINDS
from .world import COLORS, EYE_COLORS, Actor

T = TypeVar("T")
SIZES = ((256, 256), (256, 256), (256, 192), (256, 171), (192, 256), (205, 256))
POSES = {
    "beast": ("sitting", "sitting", "sitting", "standing", "walking", "sleeping", "jumping"),
    "front": ("standing", "standing", "flying", "sleeping"),
    "side": ("standing", "standing", "flying", "walking", "sleeping"),
    "tall": ("standing", "walking", "flying", "sleeping"),
    "fish": ("swimming", "swimming", "jumping"),
    "turtle": ("walking", "sleeping"),
    "snake": ("sitting", "sleeping"),
    "long": ("flying",),
    "lizard": ("walking", "sleeping"),
    "frog": ("sitting", "sitting", "jumping", "sleeping"),
    "octopus": ("swimming",),
    "snail": ("walking", "sleeping"),
    "crab": ("walking",),
    "butterfly": ("flying",),
}
SLOTS = {  # what each plan can wear
    "beast": ("head", "face", "neck", "back", "hand"),
    "front": ("head", "face", "neck", "hand"),
    "side": ("head", "neck"),
    "tall": ("head", "neck"),
    "turtle": ("head", "neck"),
    "snake": ("head", "neck"),
    "long": ("neck",),
    "lizard": ("head", "neck"),
    "frog": ("head", "neck", "hand"),
    "octopus": ("head",),
    "fish": ("head",),
}
STILL = ("sitting", "standing")  # poses that can hold a thing
BACKED = ("sitting", "standing", "walking")  # poses that show what is worn on the back


def pick(
    rng: np.random.Generator, items: Sequence[T], weights: Iterable[float] | None = None
) -> T:
    """One of `items`, by weight."""
    if weights is None:
        return items[int(rng.integers(len(items)))]
    total = np.cumsum(np.fromiter(weights, dtype=float))
    return items[int(np.searchsorted(total, rng.random() * total[-1], side="right"))]


def lineage(species: str) -> set[str]:
    """A species and all its ancestors.

    >>> sorted(lineage("arctic_fox"))
    ['animal', 'arctic_fox', 'canine', 'fox', 'mammal']
    """
    found, queue = {species}, list(KINDS[species].parents)
    while queue:
        node = queue.pop()
        found.add(node)
        if node in CLADES:
            queue.append(CLADES[node])
    return found


def choose_artist(rng: np.random.Generator) -> str:
    """An artist by weight."""
    return pick(rng, list(cast.ARTISTS), (a.weight for a in cast.ARTISTS.values()))


def choose_species(rng: np.random.Generator, artist: str, place: str = "") -> str:
    """A species by weight, by the artist's leanings and by where it lives."""
    likes = set(cast.ARTISTS[artist].likes)
    names = [name for name in KINDS if not place or fits(name, place)]
    weights = (
        KINDS[name].weight
        * (3.5 if likes & lineage(name) else 1)
        * (5 if place in KINDS[name].homes else 1)
        for name in names
    )
    return pick(rng, names, weights)


def fits(species: str, place: str) -> bool:
    """Whether a species may be met in a place: fish only under water, most others never there."""
    kind = KINDS[species]
    if place == "plain":
        return True
    if kind.plan in ("fish", "octopus"):
        return place == "underwater"
    return place != "underwater" or "underwater" in kind.homes


def choose_place(rng: np.random.Generator, artist: str, species: str) -> str:
    """A place a species fits in, its homes and the artist's haunts first."""
    likes, homes = cast.ARTISTS[artist].likes, KINDS[species].homes
    names = [place for place in cast.SETTINGS if fits(species, place)]
    weights = (
        cast.SETTINGS[place].weight
        * (6 if place in homes else 1)
        * (2.5 if place in likes else 1)
        for place in names
    )
    return pick(rng, names, weights)


def choose_pose(rng: np.random.Generator, species: str, place: str, time: str) -> str:
    """A pose of the species' plan; hoofed animals seldom sit, night makes sleepy."""
    kind, plan = KINDS[species], body_plan(species)
    poses = list(POSES[plan])
    if place == "underwater" and plan in ("turtle", "beast"):
        return "swimming" if plan == "turtle" else "jumping"
    if kind.look.get("legs") == "thin" and plan == "beast":
        poses = [pose for pose in poses if pose != "sitting"]
    if kind.look.get("wings"):
        poses += ["flying", "flying"]
    if species == "penguin":
        poses = ["standing", "standing", "sleeping"]
    weights = [2.2 if pose == "sleeping" and time == "night" else 1 for pose in poses]
    return pick(rng, poses, weights)


def choose_things(
    rng: np.random.Generator, species: str, pose: str, calls: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """None to two things that fit the plan and pose; `calls` are the place, time and weather."""
    plan, marks = body_plan(species), KINDS[species].look["marks"]
    slots = set(SLOTS.get(plan, ()))
    if {"horn", "antlers"} & set(marks) or species == "pufferfish":
        slots.discard("head")
    if pose not in STILL:
        slots.discard("hand")
    if pose not in BACKED:
        slots.discard("back")
    wanted = [thing for call in calls for thing in cast.WORN_WITH.get(call, ())] * 2
    wanted = [thing for thing in [*wanted, *THINGS] if THINGS[thing][0] in slots]
    worn: dict[str, tuple[str, str]] = {}
    for _ in range(pick(rng, (0, 1, 2), (0.42, 0.46, 0.12))):
        if wanted:
            thing = pick(rng, wanted)
            tints = cast.TINTED.get(thing, cast.FIXED.get(thing, "black")).split()
            worn[THINGS[thing][0]] = (thing, pick(rng, tints))
    return tuple(sorted(worn.values()))


def choose_actor(
    rng: np.random.Generator, species: str, place: str, time: str, weather: str
) -> Actor:
    """A nameless creature; one in five has a colour that nature does not know."""
    kind = KINDS[species]
    color = pick(rng, kind.colors, (1 / (k + 1) for k in range(len(kind.colors))))
    usual = kind.look.get("pattern", "plain")
    free = not {"panda", "patch", "penguin", "bands"} & set(kind.look["marks"])
    if free and rng.random() < 0.18:
        color = pick(rng, list(COLORS))
    pattern = usual
    if usual == "plain" and free:
        pattern = pick(rng, ("plain", "spotted", "striped", "gradient"), (8, 1, 1, 1))
    pose = choose_pose(rng, species, place, time)
    eyes = pick(rng, list(EYE_COLORS), (3, 2, 3, 2, 1, 0.6))
    things = choose_things(rng, species, pose, (place, time, weather))
    mouth = "smile"
    if (
        kind.plan == "beast"
        and kind.look["face"] not in ("long", "dragon")
        and "snout" not in kind.look
    ):
        mouth = pick(rng, ("smile", "open", "cat"), (6, 2, 1))
    return Actor(species, color, pattern, pose, eyes, things, mouth)


def pose_character(rng: np.random.Generator, name: str, place: str, time: str) -> Actor:
    """A character in a pose in which all it wears can be seen."""
    actor = cast.CHARACTERS[name].actor
    slots = {THINGS[thing][0] for thing, _ in actor.things}
    poses = [choose_pose(rng, actor.species, place, time) for _ in range(6)]
    if "hand" in slots:
        poses = [pose for pose in poses if pose in STILL] or ["sitting"]
    if "back" in slots:
        poses = [pose for pose in poses if pose in BACKED] or ["sitting"]
    return actor._replace(pose=poses[0])


def choose_sky(
    rng: np.random.Generator, place: str, time: str, weather: str
) -> tuple[str, ...]:
    """What is to be seen in the sky."""
    if place in ("plain", "underwater"):
        return ()
    sky = []
    if weather in ("clouds", "rain", "storm", "snow"):
        sky.append("clouds")
    if weather in ("clear", "clouds"):
        if time == "night":
            sky += ["stars", pick(rng, ("full_moon", "crescent_moon"))]
            if place in ("tundra", "mountain") and rng.random() < 0.45:
                sky.append("aurora")
        elif rng.random() < 0.75:
            sky.append("sun")
    if weather == "rain" and time == "day" and place != "room" and rng.random() < 0.4:
        sky.append("rainbow")
    return tuple(sky)


def choose_props(
    rng: np.random.Generator, place: str, time: str, held: bool
) -> tuple[str, ...]:
    """None to three things of the place; fireflies come out in the dark, kites by day.

    Nothing stands in the foreground, where it would hide a thing that is `held`.
    """
    options = [
        prop
        for prop in cast.SETTINGS[place].props
        if (prop != "fireflies" or time in ("dusk", "night"))
        and (prop != "kite" or time == "day")
        and not (held and PROPS[prop][0] == "near")
    ]
    count = pick(rng, (0, 1, 2, 3), (1, 4, 3, 1)) if options else 0
    return tuple(sorted({pick(rng, options) for _ in range(count)}))


def choose_weather(rng: np.random.Generator, place: str, artist: str) -> str:
    """A weather the place knows."""
    options = cast.SETTINGS[place].weathers
    likes = cast.ARTISTS[artist].likes
    return pick(rng, options, (3.0 if w in likes else 1.0 for w in options))


def choose_time(rng: np.random.Generator, artist: str) -> str:
    """A time of day; day and night more often than the hours between."""
    likes = cast.ARTISTS[artist].likes
    weights = (
        w * (3 if t in likes else 1) for t, w in zip(cast.TIMES, (2, 4, 2, 3), strict=True)
    )
    return pick(rng, cast.TIMES, weights)
