"""The whole board: stories told in pools, free pictures, young animals, near-duplicates, odd ones.

`plan` settles everything about a board but its ids, dates and figures; it draws nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import cast
from .cast import CHARACTERS, TIMES
from .choose import (
    choose_actor,
    choose_artist,
    choose_place,
    choose_pose,
    choose_species,
    choose_weather,
    fits,
    pick,
    pose_character,
)
from .scenes import companions, compose, free_scene, young_scene
from .species import KINDS
from .tagging import scene_tags
from .world import COLORS, Scene

FORBIDDEN = 3  # rows an import must throw out; their picture is a grey card
ONCE = "hapax"  # the tag that one post alone has


class Entry(NamedTuple):
    """A post before it has an id. `parent` is the position of another entry."""

    scene: Scene
    tags: frozenset[str]
    rating: str = "s"
    parent: int | None = None


class Pool(NamedTuple):
    """A pool: members are positions of entries, in the order of the story."""

    name: str
    description: str
    category: str
    members: tuple[int, ...]


def plan(posts: int, seed: int) -> tuple[list[Entry], list[Pool]]:
    """The entries of a board, exactly `posts` of them, and its pools."""
    rng = np.random.default_rng((seed, 0xB0A2D))
    entries: list[Entry] = []
    pools: list[Pool] = []
    titles: set[str] = set()
    for _ in range(max(3, round(0.035 * posts))):
        title, description, kind, scenes = _story(rng)
        while title in titles:
            title += "_again"
        titles.add(title)
        lore = {"long_journey_(lore)"} if kind == "journey" else set()
        start = len(entries)
        entries += [_entry(rng, scene, lore) for scene in scenes]
        pool_kind = "collection" if kind == "study" else "series"
        pools.append(Pool(title, description, pool_kind, tuple(range(start, len(entries)))))
    for _ in range(FORBIDDEN):
        card = Scene(0, (256, 256), "bold_bram", "card")
        entries.append(Entry(card, frozenset(scene_tags(card)), "q"))
    for _ in range(max(2, round(0.025 * posts))):
        entries.append(_entry(rng, young_scene(rng)))
    twins = max(2, round(0.03 * posts))
    while len(entries) < posts - twins:
        entries.append(_entry(rng, free_scene(rng)))
    for _ in range(posts - len(entries)):
        entries.append(_near_duplicate(rng, entries))
    _once(entries)
    return entries[:posts], pools


def _entry(rng: np.random.Generator, scene: Scene, more: set[str] | None = None) -> Entry:
    tags = scene_tags(scene) | (more or set())
    if scene.place == "sky" and rng.random() < 0.3:
        tags.add("dream_(lore)")
    safe = "young" in tags or rng.random() > 0.065
    return Entry(scene, frozenset(tags), "s" if safe else "q")


def _story(rng: np.random.Generator) -> tuple[str, str, str, list[Scene]]:
    """(title, description, kind, scenes in order) of one pool."""
    kind = pick(rng, ("journey", "day", "friends", "study"), (0.34, 0.24, 0.22, 0.2))
    count = int(rng.integers(4, 13))
    if kind == "study":
        return _study(rng, count)
    artist = choose_artist(rng)
    name = pick(rng, list(CHARACTERS), (c.weight for c in CHARACTERS.values()))
    hero = CHARACTERS[name]
    who = name.split("_(")[0].title()
    group = [name]
    if kind == "friends":
        friends = companions(name, hero.homes[0])
        friend = pick(rng, friends) if friends else name
        group = [name, friend] if friend != name else [name]
        who += "_and_" + friend.split("_(")[0].title() if friend != name else ""
    places = [place for place in cast.SETTINGS if place != "plain"]
    places = [p for p in places if all(fits(CHARACTERS[m].actor.species, p) for m in group)]
    if len(places) == 1:
        kind = "day"
    if kind == "day":
        road = [pick(rng, [home for home in hero.homes if home in places] or places)] * count
    else:
        stops = max(2, count // 2)
        order = [str(p) for p in rng.permutation(places)[:stops]]
        road = [order[k * len(order) // count] for k in range(count)]
    weather = choose_weather(rng, road[0], artist)
    scenes = []
    for k, place in enumerate(road):
        time = TIMES[k * 4 // count] if kind == "day" else TIMES[k % 4]
        if weather not in cast.SETTINGS[place].weathers or rng.random() < 0.2:
            weather = choose_weather(rng, place, artist)
        actors = tuple(pose_character(rng, member, place, time) for member in group)
        scene = compose(rng, artist, place, time, weather, actors)
        scenes.append(scene._replace(meta=(), bubble=""))
    what = {
        "journey": pick(
            rng, ("and_the_long_road", "goes_far", "looks_for_home", "follows_the_map")
        ),
        "day": f"one_day_in_the_{road[0]}",
        "friends": pick(rng, ("together", "out_and_about", "share_an_adventure")),
    }[kind]
    text = (
        f'{who.replace("_", " ")}, in {count} pictures by {artist}.\r\n"Read in order", please.'
    )
    return f"{who}_{what}", text, kind, scenes


def _study(rng: np.random.Generator, count: int) -> tuple[str, str, str, list[Scene]]:
    """An artist's studies of one species in one place and one light."""
    artist = choose_artist(rng)
    species = choose_species(rng, artist)
    place = choose_place(rng, artist, species)
    time, weather = pick(rng, TIMES), choose_weather(rng, place, artist)
    model = choose_actor(rng, species, place, time, weather)
    scenes = []
    for _ in range(count):
        pose = choose_pose(rng, species, place, time)
        fresh = choose_actor(rng, species, place, time, weather)
        actor = fresh._replace(color=model.color, pattern=model.pattern, pose=pose, things=())
        scenes.append(compose(rng, artist, place, time, weather, (actor,)))
    title = f"{species}_studies_{place}_{time}".title()
    text = f"Studies of one {species.replace('_', ' ')}, {time}, {weather}; all by {artist}."
    return title, text, "study", scenes


def _near_duplicate(rng: np.random.Generator, entries: list[Entry]) -> Entry:
    """Another version of an earlier picture: other colours, turned round, or moved a little."""
    while True:
        at = int(rng.integers(len(entries)))
        scene, _, rating, parent = entries[at]
        if parent is None and scene.place != "card":
            break
    kind = pick(rng, ("recolour", "flip", "shift"))
    more: set[str] = set()
    actor = scene.actors[0]
    if kind == "recolour" and not actor.name and not actor.young:
        colors = [c for c in COLORS if c != actor.color]
        actor = actor._replace(color=pick(rng, colors))
        scene = scene._replace(actors=(actor, *scene.actors[1:]))
        if actor.color not in KINDS[actor.species].colors:
            more.add("second_brush_(colorist)")
    elif kind == "flip" and not scene.bubble:  # a bubble would read backwards
        scene = scene._replace(flipped=True)
    else:
        scene = scene._replace(shift=int(rng.integers(3, 9)))
    return Entry(scene, frozenset(scene_tags(scene) | more), rating, at)


def _once(entries: list[Entry]) -> None:
    """Give one free picture a bubble with a word that is used nowhere else."""
    for at in range(len(entries) - 1, -1, -1):
        entry = entries[at]
        crowded = len(entry.tags) > 20 or entry.scene.bubble or entry.scene.meta
        if entry.parent is None and entry.scene.place != "card" and not crowded:
            scene = entry.scene._replace(bubble=ONCE)
            entries[at] = entry._replace(scene=scene, tags=entry.tags | scene_tags(scene))
            return
