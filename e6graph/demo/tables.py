"""The tables of the demo board, and the scenes of its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

Color = tuple[int, ...]  # red, green, blue and perhaps alpha, 0 to 255


class Actor(NamedTuple):
    """An animal in a picture: everything about it that a tag could name."""

    species: str
    color: str
    pattern: str = "plain"  # or spotted, striped
    pose: str = "sitting"
    eyes: str = "amber"
    things: tuple[tuple[str, str], ...] = ()  # worn or held: name, color
    mouth: str = "smile"  # or cat, open
    young: bool = False
    name: str = ""  # of a recurring character


class Scene(NamedTuple):
    """A picture: it is drawn from nothing else, and its tags are read off it."""

    seed: int
    size: tuple[int, int]  # width and height of the preview in pixels
    artist: str
    place: str  # or "plain" for a simple background, "card" for a blank card
    time: str = "day"
    weather: str = "clear"
    sky: tuple[str, ...] = ()  # sun, stars, clouds, rainbow, a moon
    props: tuple[str, ...] = ()
    actors: tuple[Actor, ...] = ()
    bubble: str = ""  # text of a speech bubble
    monochrome: bool = False
    tint: str = "blue"  # of a simple background
    flipped: bool = False  # as near-duplicates may be
    shift: int = 0  # pixels to the left, likewise

    def extras(self) -> dict[str, str]:
        """Return small things drawn beside animals, and their tags."""
        found = {}
        if len(self.actors) == 2 and self.seed % 5 == 0:
            found["hearts"] = "<3"
        if any(actor.pose == "sleeping" for actor in self.actors):
            found["zzz"] = "zzz"
        return found


class Species(NamedTuple):
    """A leaf of the tree of species."""

    parents: list[str]
    body: str  # its drawings are named body-pose
    cover: str  # fur, feathers, scales or skin
    colors: list[str]
    homes: list[str]  # places that it likes
    weight: float
    features: dict[str, str]  # that drawings ask for, for example {"tail": "bush"}
    marks: set[str]  # words that they ask for, for example "mane"


class Place(NamedTuple):
    """A place: its tags, and the weathers and things that may be there."""

    tags: list[str]
    weathers: list[str]
    props: list[str]
    worn: list[str]
    weight: float


class Artist(NamedTuple):
    """An artist, and what the artist draws more often than others do."""

    medium: str
    likes: list[str]
    weight: float


class Character(NamedTuple):
    """A recurring character: `actor` holds its fixed traits."""

    series: str
    actor: Actor
    homes: list[str]
    weight: float


def read_rows(name: str) -> list[list[str]]:
    """Return the cells of each row of a table but the header."""
    path = Path(__file__).with_name("tables") / f"{name}.txt"
    rows = path.read_text("utf-8").splitlines()[1:]
    return [[cell.strip() for cell in row.split("|")] for row in rows]


def _species(row: list[str]) -> Species:
    parents, body, cover, colors, homes, weight, look = row
    features = dict(word.split("=") for word in look.split() if "=" in word)
    marks = {word for word in look.split() if "=" not in word}
    leanings = (colors.split(), homes.split(), float(weight))
    return Species(parents.split(), body, cover, *leanings, features, marks)


def _place(row: list[str]) -> Place:
    *words, weight = row
    tags, weathers, props, worn = (cell.split() for cell in words)
    return Place(tags, weathers, props, worn, float(weight))


def _character(row: list[str]) -> Character:
    name, series, species, traits, worn, homes, weight = row
    color, pattern, eyes = traits.split()
    pairs = [pair.partition(":") for pair in worn.split()]
    things = tuple((thing, tint) for thing, _, tint in pairs)
    name = f"{name}_({series})"
    actor = Actor(species, color, pattern, "", eyes, things, name=name)
    return Character(series, actor, homes.split(), float(weight))


_PAINTS = read_rows("paints")
PAINTS: dict[str, Color] = {name: tuple(bytes.fromhex(color)) for name, color, _ in _PAINTS}
TAG_COLORS = {name: PAINTS[name] for name, _, named in _PAINTS if named}
SPECIES = {name: _species(row) for name, *row in read_rows("species")}
YOUNG = {  # what the young of some species are called
    name: species.features["young"]
    for name, species in SPECIES.items()
    if "young" in species.features
}
_TREE = read_rows("tree")
GROUPS = {group: parent for parent, groups in _TREE for group in groups.split()}
PLACES = {name: _place(row) for name, *row in read_rows("places")}
ARTISTS = {
    name: Artist(medium, likes.split(), float(weight))
    for name, medium, likes, weight in read_rows("artists")
}
_CAST = [_character(row) for row in read_rows("characters")]
CHARACTERS = {character.actor.name: character for character in _CAST}
DAYTIMES = ("dawn", "day", "dusk", "night")


def lineage(species: str) -> set[str]:
    """Return a species and all its ancestors.

    >>> sorted(lineage("arctic_fox"))
    ['animal', 'arctic_fox', 'canine', 'fox', 'mammal']
    """
    found, queue = {species}, list(SPECIES[species].parents)
    while queue:
        group = queue.pop()
        found.add(group)
        queue += [GROUPS[group]] if GROUPS[group] else []
    return found


def fits(species: str, place: str) -> bool:
    """Tell whether a species may be met in a place; not all live under water."""
    wet = "underwater" in SPECIES[species].homes
    return place == "plain" or wet == (place == "underwater")
