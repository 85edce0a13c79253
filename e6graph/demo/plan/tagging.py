"""What a picture is tagged with, and the aliases and implications of the demo board.

Every tag is read off the scene, so that what the picture shows and what the post says agree.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from . import cast
from .species import CLADES, KINDS
from .world import COLORS, Actor, Scene

MOST = 23  # tags that a scene may have; lore, size and the like bring the post to 25 at most
DARK = ("dusk", "night")


class Relation(NamedTuple):
    """An alias or an implication; only an active one applies."""

    antecedent: str
    consequent: str
    status: str = "active"


ALIASES = [
    Relation(*row.split())
    for row in """
    cat domestic_cat
    kitty domestic_cat
    bunny rabbit
    wolf grey_wolf
    foxes fox
    owls owl
    drake western_dragon
    woodland forest
    seaside beach
    town city
    indoors inside
    outdoors outside
    nighttime night
    sunset dusk
    sunrise dawn
    raining rain
    spectacles glasses
    brolly umbrella
    flower_wreath flower_crown
    asleep sleeping
    alone solo
    b&w monochrome
    vulpes_vulpes reynard
    reynard red_fox
    lavender_sky lilac_sky
    lilac_sky lavender_sky
    dragon western_dragon pending
    hat headwear pending
    fur orange_fur pending
    fox red_fox deleted
    city building deleted
    crow corvid deleted
    """.strip().split("\n")
]
_PARENTS: dict[str, str] = {
    "outside": "forest meadow garden beach mountain city desert tundra lake above_clouds",
    "inside": "room",
    "water": "sea lake underwater",
    "plant": "tree hedge flower cactus seaweed reeds lily_pad potted_plant mushroom",
    "tree": "pine_tree palm_tree",
    "precipitation": "rain snowing",
    "rain": "storm",
    "snow": "snowing",
    "storm": "lightning",
    "sky": "clouds blue_sky grey_sky pink_sky orange_sky starry_sky",
    "moon": "full_moon crescent_moon",
    "light_source": "lantern campfire street_lamp floor_lamp crystal",
    "vehicle": "sailboat hot_air_balloon",
    "building": "cabin windmill lighthouse igloo",
    "furniture": "bench bookshelf floor_lamp",
    "shell": "seashell",
    "hat": "top_hat straw_hat witch_hat beanie",
    "headwear": "hat crown flower_crown headphones",
    "eyewear": "glasses sunglasses eyepatch",
    "neckwear": "scarf bow_tie bandana bell_collar",
    "clothing": "headwear neckwear cape",
    "bow_(feature)": "bow bow_tie",
    "text": "speech_bubble",
    "markings": "spotted striped",
    "hi_res": "absurd_res",
    "traditional_media_(artwork)": "",
    "digital_media_(artwork)": "pixel_art",
}
_NOT_IN_FORCE = """
    forest mushroom pending
    night crescent_moon pending
    mammal fur pending
    owl night deleted
    scarf red_scarf deleted
    canine fox deleted
"""


def implications() -> list[Relation]:
    """All implications, active ones first, by antecedent."""
    pairs = {(child, CLADES[child]) for child in CLADES}
    pairs |= {(name, parent) for name, kind in KINDS.items() for parent in kind.parents}
    pairs |= {(child, parent) for parent, names in _PARENTS.items() for child in names.split()}
    for thing, tints in cast.TINTED.items():
        pairs |= {(f"{tint}_{thing}", thing) for tint in tints.split()}
    covers = sorted({kind.cover for kind in KINDS.values()})
    pairs |= {(f"{color}_{cover}", cover) for color in COLORS for cover in covers}
    pairs |= {(name, hero.series) for name, hero in cast.CHARACTERS.items()}
    pairs |= {
        (baby, parent)
        for species, baby in cast.BABIES.items()
        for parent in KINDS[species].parents
    }
    held = [Relation(*row.split()) for row in _NOT_IN_FORCE.strip().split("\n")]
    return [Relation(*pair) for pair in sorted(pairs)] + held


@cache
def _parents() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for child, parent, status in implications():
        if status == "active":
            found[child] = (*found.get(child, ()), parent)
    return found


def closure(tags: set[str]) -> set[str]:
    """The tags and all that they imply.

    >>> sorted(closure({"red_scarf"}))
    ['clothing', 'neckwear', 'red_scarf', 'scarf']
    """
    found, queue = set(tags), list(tags)
    while queue:
        for parent in _parents().get(queue.pop(), ()):
            if parent not in found:
                found.add(parent)
                queue.append(parent)
    return found


def _actor_tags(actor: Actor, colors: bool) -> tuple[list[str], list[str]]:
    """(needed, optional) tags of one creature."""
    kind = KINDS[actor.species]
    needed, optional = [actor.species, actor.pose], []
    if actor.name:
        needed.append(actor.name)
    if actor.young:
        needed += ["young", cast.BABIES[actor.species]]
    if colors:
        optional.append(f"{actor.color}_{kind.cover}")
    for thing, tint in actor.things:
        tinted = colors and thing in cast.TINTED
        optional.append(f"{tint}_{thing}" if tinted else thing)
    if actor.pattern != "plain":
        optional.append(actor.pattern if actor.pattern != "gradient" else "gradient_body")
    if actor.pose == "sleeping":
        optional.append("eyes_closed")
    elif colors and not {"sunglasses", "eyepatch"} & {thing for thing, _ in actor.things}:
        optional.append(f"{actor.eyes}_eyes")
    marks = kind.look["marks"]
    optional += [mark for mark in ("horns", "antlers", "horn", "mane") if mark in marks]
    if kind.look.get("wings") or (kind.plan == "bird" and actor.pose == "flying"):
        optional.append("wings")
    if actor.mouth == "cat":
        optional.append(":3")
    elif actor.mouth == "open":
        optional.append("open_mouth")
    return needed, optional


def scene_tags(scene: Scene) -> set[str]:
    """The tags of a picture, implied ones included; `MOST` at most, what matters first."""
    if scene.place == "card":
        return {"young", "blank_card", "grey_background", "simple_background"}
    colors = not {"monochrome", "sketch"} & set(scene.meta)
    needed = [scene.artist, ("solo", "duo", "group")[len(scene.actors) - 1]]
    setting = cast.SETTINGS[scene.place]
    needed.append(setting.tags[0])
    optional, air = list(scene.meta), []
    if scene.place == "plain":
        needed += [f"{scene.tint}_background"] if colors else []
    else:
        needed.append(scene.time)
        air = _air_tags(scene, colors)
        optional += air[:1]
    for actor in scene.actors:
        must, may = _actor_tags(actor, colors)
        needed += must
        optional += may
    optional += air[1:]
    optional += [{"hearts": "<3", "zzz": "zzz"}[extra] for extra in scene.extras]
    if scene.bubble:
        needed += ["speech_bubble", scene.bubble]
    optional += [*scene.props, *setting.tags[1:], cast.ARTISTS[scene.artist].medium]
    if scene.place == "city" and scene.time in DARK:
        optional.append("city_lights")
    tags = closure(set(needed))
    for tag in optional:
        more = closure(tags | {tag})
        if len(more) <= MOST - scene.seed % 8:  # some people tag less than others
            tags = more
    return tags


def _air_tags(scene: Scene, colors: bool) -> list[str]:
    """Weather and sky, the weather first; little of them can be seen from indoors."""
    if scene.place in ("underwater", "cave", "room"):
        return ["stars"] if scene.place == "room" and "stars" in scene.sky else []
    named = {"rain": "rain", "storm": "lightning", "snow": "snowing", "fog": "fog"}
    tags = []
    if scene.weather in named:
        tags.append(named[scene.weather])
    elif scene.weather == "clear" and scene.place != "sky":
        tags.append("clear_sky")
    tags += scene.sky
    if colors:
        grey = scene.weather in ("rain", "storm", "snow", "fog")
        if grey and scene.time == "day":
            tags.append("grey_sky")
        elif not grey:
            hue = {"day": "blue_sky", "dawn": "pink_sky", "dusk": "orange_sky"}
            tags.append(hue.get(scene.time, "starry_sky"))
    return tags


def category(tag: str) -> int:
    """The site's number of a tag's category.

    >>> [category(tag) for tag in ("night", "softboiled", "fox", "hi_res")]
    [0, 1, 5, 7]
    """
    if tag in cast.ARTISTS:
        return 1
    if tag in cast.SERIES:
        return 3
    if tag in cast.CHARACTERS:
        return 4
    if tag in KINDS or tag in CLADES or tag in ("animal", "mythological_creature"):
        return 5
    if tag in cast.BABIES.values():
        return 5
    return SPECIAL.get(tag, 0)


SPECIAL = {
    "hi_res": 7,
    "absurd_res": 7,
    "sketch": 7,
    "monochrome": 7,
    "animated": 7,
    "pixel_art": 7,
    "digital_media_(artwork)": 7,
    "traditional_media_(artwork)": 7,
    "second_brush_(colorist)": 2,
    "incorrect_colour": 6,
    "dream_(lore)": 8,
    "long_journey_(lore)": 8,
}
