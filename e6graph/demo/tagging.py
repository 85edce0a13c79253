"""The tags of a picture, and the aliases and implications of the demo board.

Every tag is read off the scene, so that picture and tags agree.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from .drawings import BELONGS
from .tables import (
    ARTISTS,
    CHARACTERS,
    GROUPS,
    PLACES,
    SPECIES,
    TAG_COLORS,
    YOUNG,
    Actor,
    Scene,
    read_rows,
)

MOST_SCENE_TAGS = 23  # size, lore and the like bring a post to 25 at most


class Relation(NamedTuple):
    """An alias or an implication; only an active one applies."""

    antecedent: str
    consequent: str
    status: str = "active"


def _read_relations(table: str) -> list[Relation]:
    return [
        Relation(antecedent, consequent, status or "active")
        for consequent, antecedents, status in read_rows(table)
        for antecedent in antecedents.split()
    ]


ALIASES = _read_relations("aliases")
CATEGORY_NUMBERS = {  # the site's number of each tag's category, where it is not 0
    **{tag: int(n) for n, tags in read_rows("categories") for tag in tags.split()},
    **dict.fromkeys(ARTISTS, 1),
    **dict.fromkeys([hero.series for hero in CHARACTERS.values()], 3),
    **dict.fromkeys(CHARACTERS, 4),
    **dict.fromkeys([*SPECIES, *GROUPS, *YOUNG.values()], 5),
}


@cache
def implications() -> list[Relation]:
    """Return all implications, active ones first, by antecedent."""
    pairs = {(group, parent) for group, parent in GROUPS.items() if parent}
    pairs |= {(name, hero.series) for name, hero in CHARACTERS.items()}
    for thing, (_, *tints) in BELONGS.items():
        pairs |= {(f"{tint}_{thing}", thing) for tint in tints}
    for name, species in SPECIES.items():
        cover = species.cover
        pairs |= {(f"{color}_{cover}", cover) for color in TAG_COLORS}
        names = {name, YOUNG.get(name, name)}
        pairs |= {(name, parent) for name in names for parent in species.parents}
    relations = {Relation(*pair) for pair in pairs}
    relations.update(_read_relations("implications"))
    return sorted(relations, key=lambda made: (made.status != "active", made))


@cache
def _implied() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for antecedent, consequent, status in implications():
        if status == "active":
            found.setdefault(antecedent, []).append(consequent)
    return found


def closure(tags: set[str]) -> set[str]:
    """Return the tags and all that they imply.

    >>> sorted(closure({"red_scarf"}))
    ['clothing', 'neckwear', 'red_scarf', 'scarf']
    """
    found, queue = set(tags), list(tags)
    while queue:
        new = set(_implied().get(queue.pop(), ())) - found
        found |= new
        queue += new
    return found


def scene_tags(scene: Scene) -> set[str]:
    """Return the tags of a picture, `MOST_SCENE_TAGS` at most."""
    if scene.place == "card":
        return {"young", "blank_card", "grey_background", "simple_background"}
    colored = not scene.monochrome
    place = PLACES[scene.place]
    number = ("solo", "duo", "group")[len(scene.actors) - 1]
    needed = {scene.artist, number, place.tags[0]}
    optional = ["monochrome"] if scene.monochrome else []
    if scene.place == "plain":
        needed |= {f"{scene.tint}_background"} if colored else set()
    else:
        needed.add(scene.time)
    air = _air_tags(scene)
    optional += air[:1]
    for actor in scene.actors:
        must, may = _actor_tags(actor, colored)
        needed |= must
        optional += may
    optional += air[1:]
    optional += scene.extras().values()
    if scene.bubble:
        needed |= {"speech_bubble", scene.bubble}
    optional += [*scene.props, *place.tags[1:], ARTISTS[scene.artist].medium]

    # what matters comes first, and some people tag less than others
    tags = closure(needed)
    for tag in optional:
        more = closure(tags | {tag})
        if len(more) <= MOST_SCENE_TAGS - scene.seed % 8:
            tags = more
    return tags


def _actor_tags(actor: Actor, colored: bool) -> tuple[set[str], list[str]]:
    """Return the needed and the optional tags of an animal."""
    species = SPECIES[actor.species]
    needed = {actor.species, actor.pose, actor.name} - {""}
    if actor.young:
        needed |= {"young", YOUNG[actor.species]}
    optional = [f"{actor.color}_{species.cover}"] if colored else []
    for thing, tint in actor.things:
        tinted = colored and tint in BELONGS[thing]
        optional.append(f"{tint}_{thing}" if tinted else thing)
    if actor.pattern != "plain":
        optional.append(actor.pattern)
    if actor.pose == "sleeping":
        optional.append("eyes_closed")
    elif colored and "eyepatch" not in dict(actor.things):
        optional.append(f"{actor.eyes}_eyes")
    optional += sorted({"horns", "antlers", "horn", "mane"} & species.marks)
    feathered = species.cover == "feathers"
    if "wings" in species.features or (feathered and actor.pose == "flying"):
        optional.append("wings")
    optional += {"cat": [":3"], "open": ["open_mouth"]}.get(actor.mouth, [])
    return needed, optional


def _air_tags(scene: Scene) -> list[str]:
    """Return weather and sky; little of them can be seen from indoors."""
    if scene.place in ("plain", "underwater", "cave", "room"):
        seen = {"stars"} if scene.place == "room" else set()
        return [*seen.intersection(scene.sky)]
    named = {"rain": "rain", "storm": "lightning", "snow": "snowing", "fog": "fog"}
    tags = [named[scene.weather]] if scene.weather in named else []
    if scene.weather == "clear" and scene.place != "sky":
        tags.append("clear_sky")
    tags += scene.sky
    if not scene.monochrome:
        if scene.weather not in named:
            hues = {"day": "blue_sky", "dawn": "pink_sky", "dusk": "orange_sky"}
            tags.append(hues.get(scene.time, "starry_sky"))
        elif scene.time == "day":
            tags.append("grey_sky")
    if scene.place == "city" and scene.time in ("dusk", "night"):
        tags.append("city_lights")
    return tags
