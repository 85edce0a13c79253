"""Drawing lots: what is in a picture, as species, places and artists allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np

from .creature import drawing_of, poses_of
from .drawings import BELONGS, slots
from .tables import (
    ARTISTS,
    CHARACTERS,
    PLACES,
    SPECIES,
    TAG_COLORS,
    YOUNG,
    Actor,
    Artist,
    Character,
    Scene,
    fits,
    lineage,
)

Choice = TypeVar("Choice")
_WIDE = ((256, 256), (256, 256), (256, 192), (256, 171))  # sizes of previews in pixels
_TALL = ((192, 256), (205, 256))
_POSE_WEIGHTS = {"sitting": 3, "standing": 2, "swimming": 2}
_WORN_IN = {name: place.worn for name, place in PLACES.items()}
_WORN_IN |= {"rain": ["umbrella"], "snow": ["beanie", "scarf"], "night": ["lantern"]}
_MARKS_OF_A_COLOR = {"panda", "patch", "penguin", "bands", "mallard"}
_EYES = {"amber": 3, "blue": 3, "green": 2, "brown": 2, "purple": 1}
_BUBBLES = "... ! ? null nan none true 143 10:30 café naïve"
_BACKGROUNDS = ("blue", "green", "pink", "yellow", "purple", "teal", "tan")


class Chooser:
    """Somebody who draws lots for pictures."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def chance(self, share: float) -> bool:
        """Return True in a share of cases."""
        return bool(self.rng.random() < share)

    def pick(self, options: Mapping[Choice, float] | Iterable[Choice]) -> Choice:
        """Return one of the options, by weight if they have weights."""
        items = list(options)
        weights = [*options.values()] if isinstance(options, Mapping) else None
        total = np.cumsum(weights or np.ones(len(items)))
        at = np.searchsorted(total, self.rng.random() * total[-1], side="right")
        return items[int(at)]

    def name(self, table: Mapping[str, Artist | Character]) -> str:
        """Return the name of an artist or of a character, by weight."""
        return self.pick({name: row.weight for name, row in table.items()})

    def friends(self, hero: str, place: str) -> list[str]:
        """Return a character of the same series who fits in, if any."""
        names = [
            name
            for name, (series, actor, _, _) in CHARACTERS.items()
            if series == CHARACTERS[hero].series and fits(actor.species, place)
        ]
        names = [name for name in names if name != hero]
        return [self.pick(names)] if names else []

    def species(self, artist: str, place: str = "") -> str:
        """Return a species that the artist likes and that fits in."""
        likes = set(ARTISTS[artist].likes)
        weights = {}
        for name, species in SPECIES.items():
            if not place or fits(name, place):
                liked = bool(likes & lineage(name))
                at_home = place in species.homes
                weights[name] = species.weight * 3.5**liked * 5**at_home
        return self.pick(weights)

    def place(self, artist: str, species: str) -> str:
        """Return a place that suits the species and the artist."""
        homes, likes = SPECIES[species].homes, ARTISTS[artist].likes
        weights = {}
        for name, place in PLACES.items():
            if fits(species, name):
                at_home, liked = name in homes, name in likes
                weights[name] = place.weight * 6**at_home * 2.5**liked
        return self.pick(weights)

    def time(self, artist: str) -> str:
        """Return a time of day; dawn and dusk are rare."""
        weights = {"dawn": 2, "day": 4, "dusk": 2, "night": 3}
        likes = ARTISTS[artist].likes
        return self.pick({t: w * 3 ** (t in likes) for t, w in weights.items()})

    def weather(self, artist: str, place: str) -> str:
        """Return a weather that the place knows."""
        options, likes = PLACES[place].weathers, ARTISTS[artist].likes
        return self.pick([*options, *[w for w in options if w in likes] * 2])

    def pose(self, actor: Actor, time: str) -> Actor:
        """Put an animal in a pose in which all it wears can be seen."""
        worn = {BELONGS[thing][0] for thing, _ in actor.things}
        weights = _POSE_WEIGHTS | {"sleeping": 2 if time == "night" else 1}
        options = {}
        for pose in poses_of(actor.species):
            posed = actor._replace(pose=pose)
            wild = pose in ("flying", "jumping")
            if worn <= slots(drawing_of(posed)).keys() and not (actor.young and wild):
                options[posed] = weights.get(pose, 1)
        return self.pick(options)

    def dress(self, actor: Actor, calls: list[str]) -> Actor:
        """Give an animal up to two things that the occasion calls for."""
        free = set(slots(drawing_of(actor)))
        if {"horn", "antlers"} & SPECIES[actor.species].marks:
            free.discard("head")
        wanted = [*BELONGS]
        for call in calls:
            wanted += _WORN_IN.get(call, []) * 8
        wanted = [thing for thing in wanted if BELONGS[thing][0] in free]
        worn: dict[str, tuple[str, str]] = {}
        for _ in range(self.pick({0: 0.42, 1: 0.46, 2: 0.12}) if wanted else 0):
            thing = self.pick(wanted)
            slot, *tints = BELONGS[thing]
            worn[slot] = (thing, self.pick(tints or ["black"]))
        return actor._replace(things=tuple(sorted(worn.values())))

    def actor(self, name: str, place: str, time: str, weather: str, young: bool) -> Actor:
        """Return a character, or an animal of a species, in a pose.

        One animal in eight has a color that nature does not know.
        """
        if name in CHARACTERS:
            return self.pose(CHARACTERS[name].actor, time)
        species = SPECIES[name]
        color = self.pick({color: 1 / k for k, color in enumerate(species.colors, 1)})
        pattern, mouth = species.features.get("pattern", "plain"), "smile"
        if _MARKS_OF_A_COLOR.isdisjoint(species.marks):
            if self.chance(0.12):
                color = self.pick(list(TAG_COLORS))
            if pattern == "plain":
                pattern = self.pick({"plain": 8, "spotted": 1, "striped": 1})
        if species.features.get("face") in ("fox", "cat", "small", "bear"):
            mouth = self.pick({"smile": 6, "open": 2, "cat": 1})
        eyes = self.pick(_EYES)
        if young and name == "pekin_duck":
            color = "yellow"
        actor = Actor(name, color, pattern, "", eyes, (), mouth, young)
        actor = self.pose(actor, time)
        return actor if young else self.dress(actor, [place, time, weather])

    def sky(self, place: str, time: str, weather: str) -> list[str]:
        """Return what is to be seen in the sky."""
        if place in ("plain", "underwater"):
            return []
        sky = [] if weather in ("clear", "fog") else ["clouds"]
        if weather in ("clear", "cloudy"):
            if time == "night":
                sky += ["stars", self.pick(("full_moon", "crescent_moon"))]
            elif self.chance(0.75):
                sky.append("sun")
        outdoors = place != "room"
        if (weather, time) == ("rain", "day") and outdoors and self.chance(0.4):
            sky.append("rainbow")
        return sky

    def props(self, place: str, time: str) -> list[str]:
        """Return none to three things of the place."""
        hidden = {"fireflies"} if time in ("dawn", "day") else {"kite"}
        options = [prop for prop in PLACES[place].props if prop not in hidden]
        count = self.pick({0: 1, 1: 4, 2: 3, 3: 1}) if options else 0
        return sorted({self.pick(options) for _ in range(count)})

    def scene(
        self,
        artist: str,
        place: str,
        names: list[str],
        time: str = "",
        weather: str = "",
        young: bool = False,
    ) -> Scene:
        """Settle everything about a picture of some characters or species."""
        # nothing tells the time before a simple background
        time = "day" if place == "plain" else time or self.time(artist)
        weather = weather or self.weather(artist, place)
        air = (place, time, weather)
        actors = [self.actor(name, *air, young) for name in names]
        return Scene(
            seed=int(self.rng.integers(2**31)),
            size=self.pick(_WIDE + _TALL if len(actors) == 1 else _WIDE),
            artist=artist,
            place=place,
            time=time,
            weather=weather,
            sky=tuple(self.sky(*air)),
            props=tuple(self.props(place, time)),
            actors=tuple(actors),
            bubble=self.pick(_BUBBLES.split()) if self.chance(0.05) else "",
            monochrome=self.chance(0.04),
            tint=self.pick(_BACKGROUNDS),
        )

    def free_scene(self) -> Scene:
        """Return a picture that belongs to no story."""
        artist = self.name(ARTISTS)
        kind = self.pick({"character": 0.26, "animal": 0.58, "animals": 0.16})
        if kind == "character":
            name = self.name(CHARACTERS)
            _, hero, homes, _ = CHARACTERS[name]
            at_home = self.chance(0.75)
            place = self.pick(homes) if at_home else self.place(artist, hero.species)
            friends = self.friends(name, place) if self.chance(0.33) else []
            return self.scene(artist, place, [name, *friends])

        species = self.species(artist)
        place = self.place(artist, species)
        names = [species]
        if kind == "animals":
            other = species if self.chance(0.45) else self.species(artist, place)
            names += [other, species] if self.chance(0.12) else [other]
        return self.scene(artist, place, names)

    def young_scene(self) -> Scene:
        """Return a baby animal at home."""
        species = self.pick(list(YOUNG))
        home = self.pick(SPECIES[species].homes)
        return self.scene(self.name(ARTISTS), home, [species], young=True)
