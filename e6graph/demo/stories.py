"""The whole board: stories in pools, free pictures, young animals, near-duplicates.

`plan` settles everything about a board but its ids, dates and figures.
"""

from __future__ import annotations

from typing import NamedTuple

from .choose import Chooser
from .tables import (
    ARTISTS,
    CHARACTERS,
    DAYTIMES,
    PLACES,
    SPECIES,
    TAG_COLORS,
    Scene,
    fits,
)
from .tagging import scene_tags

FORBIDDEN_POSTS = 3  # rows that an import must leave out; they show a grey card
TAG_USED_ONCE = "hapax"
_TITLES = {
    "journey": ("and_the_long_road", "goes_far", "looks_for_home", "follows_the_map"),
    "friends": ("together", "out_and_about", "share_an_adventure"),
}


class Entry(NamedTuple):
    """A post before it has an id; `parent` is the position of another entry."""

    scene: Scene
    tags: frozenset[str]
    rating: str = "s"
    parent: int | None = None


class Pool(NamedTuple):
    """A pool; `members` are positions of entries in the order of the story."""

    name: str
    description: str
    category: str
    members: list[int]


Story = tuple[str, str, str, list[Scene]]  # title, description, kind, scenes


def plan(posts: int, seed: int) -> tuple[list[Entry], list[Pool]]:
    """Return the entries of a board, exactly `posts` of them, and its pools."""
    chooser = Chooser(seed, 0xB0A2E)
    entries: list[Entry] = []
    pools: dict[str, Pool] = {}
    for _ in range(max(3, round(0.035 * posts))):
        tell = _study if chooser.chance(0.2) else _tale
        title, text, kind, scenes = tell(chooser)
        while title in pools:
            title += "_again"
        lore = "long_journey_(lore)" if kind == "journey" else ""
        category = "collection" if kind == "study" else "series"
        first = len(entries)
        entries += [_entry(chooser, scene, lore) for scene in scenes]
        members = list(range(first, len(entries)))
        pools[title] = Pool(title, text, category, members)

    # posts that no import may let in, and young animals that it must
    card = Scene(0, (256, 256), "bold_bram", "card")
    entries += [Entry(card, frozenset(scene_tags(card)), "q")] * FORBIDDEN_POSTS
    for _ in range(max(2, round(0.025 * posts))):
        entries.append(_entry(chooser, chooser.young_scene()))
    duplicates = max(2, round(0.03 * posts))
    while len(entries) < posts - 1 - duplicates:
        entries.append(_entry(chooser, chooser.free_scene()))
    while len(entries) < posts - 1:
        entries.append(_near_duplicate(chooser, entries))
    # this one comes last, so that no near-duplicate repeats its tag
    last = chooser.free_scene()._replace(bubble=TAG_USED_ONCE)
    return [*entries, _entry(chooser, last)], list(pools.values())


def _entry(chooser: Chooser, scene: Scene, lore: str = "") -> Entry:
    tags = scene_tags(scene) | ({lore} - {""})
    if scene.place == "sky" and chooser.chance(0.3):
        tags.add("dream_(lore)")
    questionable = "young" not in tags and chooser.chance(0.065)
    return Entry(scene, frozenset(tags), "q" if questionable else "s")


def _tale(chooser: Chooser) -> Story:
    """Return a journey, a day in one place, or a time with a friend."""
    kind = chooser.pick({"journey": 0.42, "day": 0.3, "friends": 0.28})
    count = int(chooser.rng.integers(4, 13))
    artist, name = chooser.name(ARTISTS), chooser.name(CHARACTERS)
    group, homes = [name], CHARACTERS[name].homes
    if kind == "friends":
        group += chooser.friends(name, homes[0])
    species = [CHARACTERS[member].actor.species for member in group]
    places = [place for place in PLACES if all(fits(kin, place) for kin in species)]
    places.remove("plain")
    if kind == "day" or len(places) == 1:  # nobody travels far under water
        kind, road = "day", [chooser.pick(homes)] * count
    else:
        stops = chooser.rng.permutation(places)[: max(2, count // 2)].tolist()
        road = [stops[k * len(stops) // count] for k in range(count)]

    weather = chooser.weather(artist, road[0])
    scenes = []
    for k, place in enumerate(road):
        time = DAYTIMES[k * 4 // count] if kind == "day" else DAYTIMES[k % 4]
        if weather not in PLACES[place].weathers or chooser.chance(0.2):
            weather = chooser.weather(artist, place)
        scene = chooser.scene(artist, place, group, time, weather)
        scenes.append(scene._replace(monochrome=False, bubble=""))
    who = "_and_".join(member.partition("_(")[0].title() for member in group)
    what = chooser.pick(_TITLES.get(kind, (f"one_day_in_the_{road[0]}",)))
    text = f"{who.replace('_', ' ')}, in {count} pictures by {artist}."
    return (f"{who}_{what}", f'{text}\r\n"Read in order", please.', kind, scenes)


def _study(chooser: Chooser) -> Story:
    """Return studies of one animal in one place and one light."""
    artist = chooser.name(ARTISTS)
    species = chooser.species(artist)
    place = chooser.place(artist, species)
    time, weather = chooser.pick(DAYTIMES), chooser.weather(artist, place)
    setting = (artist, place, [species], time, weather)
    drawn = [chooser.scene(*setting) for _ in range(int(chooser.rng.integers(4, 13)))]
    model = drawn[0].actors[0]._replace(things=())
    scenes = []
    for scene in drawn:
        posed = model._replace(pose=scene.actors[0].pose)
        scenes.append(scene._replace(actors=(posed,)))
    title = f"{species}_studies_{place}_{time}".title()
    who = species.replace("_", " ")
    text = f"Studies of one {who}, {time}, {weather}; all by {artist}."
    return (title, text, "study", scenes)


def _near_duplicate(chooser: Chooser, entries: list[Entry]) -> Entry:
    """Return an earlier picture recolored, mirrored, or moved a little."""
    at = chooser.pick(
        at
        for at, (scene, _, _, parent) in enumerate(entries)
        if parent is None and scene.place != "card"
    )
    scene, _, rating, _ = entries[at]
    change = chooser.pick(("recolor", "mirror", "move"))
    more: set[str] = set()
    actor, *others = scene.actors
    if change == "recolor" and not actor.name and not actor.young:
        color = chooser.pick(color for color in TAG_COLORS if color != actor.color)
        scene = scene._replace(actors=(actor._replace(color=color), *others))
        if color not in SPECIES[actor.species].colors:
            more.add("second_brush_(colorist)")
    elif change == "mirror" and not scene.bubble:  # a bubble would read backwards
        scene = scene._replace(flipped=True)
    else:
        scene = scene._replace(shift=int(chooser.rng.integers(3, 9)))
    return Entry(scene, frozenset(scene_tags(scene) | more), rating, at)
