"""Whole scenes by lot: pictures that belong to no story, and young animals."""

from __future__ import annotations

import numpy as np

from ..drawing.clothes import THINGS
from ..drawing.creatures import body_plan
from . import cast
from .choose import (
    POSES,
    SIZES,
    choose_actor,
    choose_artist,
    choose_place,
    choose_props,
    choose_sky,
    choose_species,
    choose_time,
    choose_weather,
    fits,
    pick,
    pose_character,
)
from .species import KINDS
from .world import Actor, Scene


def compose(
    rng: np.random.Generator,
    artist: str,
    place: str,
    time: str,
    weather: str,
    actors: tuple[Actor, ...],
) -> Scene:
    """Everything else about a picture, once its subject is settled."""
    worn = [thing for actor in actors for thing, _ in actor.things]
    extras = ["zzz"] if any(actor.pose == "sleeping" for actor in actors) else []
    if rng.random() < (0.22 if len(actors) == 2 else 0.05):
        extras.append("hearts")
    meta = tuple(m for m, p in (("sketch", 0.05), ("monochrome", 0.04)) if rng.random() < p)
    return Scene(
        seed=int(rng.integers(2**31)),
        size=pick(rng, SIZES if len(actors) == 1 else [s for s in SIZES if s[0] >= s[1]]),
        artist=artist,
        place=place,
        time=time,
        weather=weather,
        sky=choose_sky(rng, place, time, weather),
        props=choose_props(rng, place, time, held=any(THINGS[t][0] == "hand" for t in worn)),
        actors=actors,
        extras=tuple(extras),
        bubble=pick(rng, cast.BUBBLES) if rng.random() < 0.05 else "",
        meta=meta,
        tint=pick(rng, ("blue", "green", "pink", "yellow", "purple", "teal", "tan")),
    )


def free_scene(rng: np.random.Generator) -> Scene:
    """A picture that belongs to no story."""
    artist = choose_artist(rng)
    time = choose_time(rng, artist)
    roll = rng.random()
    if roll < 0.26:  # a character, one time in three with a friend of the same series
        names = list(cast.CHARACTERS)
        name = pick(rng, names, (c.weight for c in cast.CHARACTERS.values()))
        hero = cast.CHARACTERS[name]
        place = (
            pick(rng, hero.homes)
            if rng.random() < 0.75
            else choose_place(rng, artist, hero.actor.species)
        )
        group = [name]
        if rng.random() < 0.33:
            friends = companions(name, place)
            group += [pick(rng, friends)] if friends else []
        weather = choose_weather(rng, place, artist)
        actors = tuple(pose_character(rng, member, place, time) for member in group)
        return compose(rng, artist, place, time, weather, actors)
    species = choose_species(rng, artist)
    place = choose_place(rng, artist, species)
    weather = choose_weather(rng, place, artist)
    actors = [choose_actor(rng, species, place, time, weather)]
    if roll > 0.84:
        other = species if rng.random() < 0.45 else choose_species(rng, artist, place)
        actors.append(choose_actor(rng, other, place, time, weather))
    if len(actors) == 2 and rng.random() < 0.12:
        actors.append(choose_actor(rng, species, place, time, weather))
    return compose(rng, artist, place, time, weather, tuple(actors))


def companions(name: str, place: str) -> list[str]:
    """Other characters of the same series that fit in a place."""
    series = cast.CHARACTERS[name].series
    return [
        other
        for other, character in cast.CHARACTERS.items()
        if other != name and character.series == series and fits(character.actor.species, place)
    ]


def young_scene(rng: np.random.Generator) -> Scene:
    """A baby animal at home."""
    artist = choose_artist(rng)
    species = pick(rng, list(cast.BABIES))
    place = pick(rng, KINDS[species].homes)
    time, weather = choose_time(rng, artist), choose_weather(rng, place, artist)
    actor = choose_actor(rng, species, place, time, weather)
    if species == "pekin_duck":
        actor = actor._replace(color="yellow")
    poses = [pose for pose in POSES[body_plan(species)] if pose not in ("flying", "jumping")]
    if species == "deer":
        poses = ["standing", "walking", "sleeping"]
    actor = actor._replace(young=True, things=(), pose=pick(rng, poses))
    return compose(rng, artist, place, time, weather, (actor,))
