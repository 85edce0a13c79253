"""Drawing lots: what is in a picture, within what species, places and artists allow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from .creature import drawing_of, poses_of
from .drawings import BELONGS, slots
from .tables import (
    ARTISTS,
    CHARACTERS,
    DAYTIMES,
    PLACES,
    SPECIES,
    TAG_COLORS,
    YOUNG,
    Actor,
    Scene,
    fits,
    lineage,
)

Choice = TypeVar("Choice")
_WIDE = ((256, 256), (256, 256), (256, 192), (256, 171))  # sizes of previews in pixels
_TALL = ((192, 256), (205, 256))
_POSE_WEIGHTS = {"sitting": 3, "standing": 2, "swimming": 2}
_WORN_IN = {"rain": ["umbrella"], "snow": ["beanie", "scarf"], "night": ["lantern"]}
_BUBBLES = ["...", "!", "?", "null", "nan", "none", "true", "143", "10:30", "café", "naïve"]


class Chooser:
    """Somebody who draws lots for pictures."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def chance(self, share: float) -> bool:
        """Return True in a share of cases."""
        return bool(self.rng.random() < share)

    def pick(self, items: Iterable[Choice], weights: Iterable[float] = ()) -> Choice:
        """Return one of the items, by weight; without weights all are equal."""
        items = list(items)
        total = np.cumsum(list(weights) or np.ones(len(items)))
        at = np.searchsorted(total, self.rng.random() * total[-1], side="right")
        return items[int(at)]

    def artist(self) -> str:
        """Return an artist by weight."""
        return self.pick(ARTISTS, (artist.weight for artist in ARTISTS.values()))

    def hero(self) -> str:
        """Return the name of a recurring character by weight."""
        return self.pick(CHARACTERS, (hero.weight for hero in CHARACTERS.values()))

    def friends(self, hero: str, place: str) -> list[str]:
        """Return a character of the same series who fits in a place, if there is one."""
        names = [
            name
            for name, other in CHARACTERS.items()
            if other.series == CHARACTERS[hero].series and fits(other.actor.species, place)
        ]
        names = [name for name in names if name != hero]
        return [self.pick(names)] if names else []

    def species(self, artist: str, place: str = "") -> str:
        """Return a species by weight, by the artist's leanings and by where it lives."""
        likes = set(ARTISTS[artist].likes)
        weights = {
            name: species.weight
            * (3.5 if likes & lineage(name) else 1)
            * (5 if place in species.homes else 1)
            for name, species in SPECIES.items()
            if not place or fits(name, place)
        }
        return self.pick(weights, weights.values())

    def place(self, artist: str, species: str) -> str:
        """Return a place where a species fits; its homes and the artist's haunts come first."""
        homes, likes = SPECIES[species].homes, ARTISTS[artist].likes
        weights = {
            name: place.weight * (6 if name in homes else 1) * (2.5 if name in likes else 1)
            for name, place in PLACES.items()
            if fits(species, name)
        }
        return self.pick(weights, weights.values())

    def time(self, artist: str) -> str:
        """Return a time of day; day and night come more often than the hours between."""
        weights = dict(zip(DAYTIMES, (2, 4, 2, 3), strict=True))
        likes = ARTISTS[artist].likes
        return self.pick(
            weights, (weights[time] * (3 if time in likes else 1) for time in weights)
        )

    def weather(self, artist: str, place: str) -> str:
        """Return a weather that the place knows."""
        options, likes = PLACES[place].weathers, ARTISTS[artist].likes
        return self.pick(options, (3 if weather in likes else 1 for weather in options))

    def pose(self, actor: Actor, time: str) -> Actor:
        """Put an animal in a pose in which all it wears can be seen."""
        worn = {BELONGS[thing][0] for thing, _ in actor.things}
        options = [actor._replace(pose=pose) for pose in poses_of(actor.species)]
        options = [option for option in options if worn <= slots(drawing_of(option)).keys()]
        if actor.young:
            options = [o for o in options if o.pose not in ("flying", "jumping")]
        weights = _POSE_WEIGHTS | {"sleeping": 2 if time == "night" else 1}
        return self.pick(options, (weights.get(option.pose, 1) for option in options))

    def dress(self, actor: Actor, calls: list[str]) -> Actor:
        """Give an animal up to two things; place, time and weather call for some."""
        free = set(slots(drawing_of(actor)))
        if {"horn", "antlers"} & SPECIES[actor.species].marks:
            free.discard("head")
        wanted = [thing for call in calls if call in PLACES for thing in PLACES[call].worn] * 2
        wanted += [thing for call in calls for thing in _WORN_IN.get(call, ())] * 3
        wanted = [thing for thing in [*wanted, *BELONGS] if BELONGS[thing][0] in free]
        worn: dict[str, tuple[str, str]] = {}
        for _ in range(self.pick((0, 1, 2), (0.42, 0.46, 0.12)) if wanted else 0):
            thing = self.pick(wanted)
            slot, *tints = BELONGS[thing]
            worn[slot] = (thing, self.pick(tints or ["black"]))
        return actor._replace(things=tuple(sorted(worn.values())))

    def actor(self, name: str, place: str, time: str, weather: str, young: bool) -> Actor:
        """Return a character, or an animal of a species, in a pose.

        One animal in five has a color that nature does not know.
        """
        if name in CHARACTERS:
            return self.pose(CHARACTERS[name].actor, time)
        species = SPECIES[name]
        color = self.pick(species.colors, (1 / k for k in range(1, len(species.colors) + 1)))
        pattern, mouth = species.features.get("pattern", "plain"), "smile"
        if not {"panda", "patch", "penguin", "bands", "mallard"} & species.marks:
            if self.chance(0.18):
                color = self.pick(TAG_COLORS)
            if pattern == "plain":
                pattern = self.pick(("plain", "spotted", "striped"), (8, 1, 1))
        if species.features.get("face") in ("fox", "cat", "small", "bear"):
            mouth = self.pick(("smile", "open", "cat"), (6, 2, 1))
        eyes = self.pick(("amber", "blue", "green", "brown", "purple"), (3, 3, 2, 2, 1))
        if young and name == "pekin_duck":
            color = "yellow"
        actor = Actor(name, color, pattern, eyes=eyes, mouth=mouth, young=young)
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
        if weather == "rain" and time == "day" and place != "room" and self.chance(0.4):
            sky.append("rainbow")
        return sky

    def props(self, place: str, time: str, held: bool) -> list[str]:
        """Return none to three things of the place; none hides a thing that is held."""
        hidden = {"fireflies"} if time in ("dawn", "day") else {"kite"}
        options = [prop for prop in PLACES[place].props if prop not in hidden]
        if held:
            options = [prop for prop in options if BELONGS[prop][0] != "near"]
        count = self.pick((0, 1, 2, 3), (1, 4, 3, 1)) if options else 0
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
        time, weather = time or self.time(artist), weather or self.weather(artist, place)
        actors = [self.actor(name, place, time, weather, young) for name in names]
        held = any(BELONGS[thing][0] == "hand" for actor in actors for thing, _ in actor.things)
        extras = ["zzz"] if any(actor.pose == "sleeping" for actor in actors) else []
        if self.chance(0.22 if len(actors) == 2 else 0.05):
            extras.append("hearts")
        return Scene(
            seed=int(self.rng.integers(2**31)),
            size=self.pick(_WIDE + _TALL if len(actors) == 1 else _WIDE),
            artist=artist,
            place=place,
            time=time,
            weather=weather,
            sky=tuple(self.sky(place, time, weather)),
            props=tuple(self.props(place, time, held)),
            actors=tuple(actors),
            extras=tuple(extras),
            bubble=self.pick(_BUBBLES) if self.chance(0.05) else "",
            monochrome=self.chance(0.04),
            tint=self.pick(("blue", "green", "pink", "yellow", "purple", "teal", "tan")),
        )

    def free_scene(self) -> Scene:
        """Return a picture that belongs to no story."""
        artist = self.artist()
        kind = self.pick(("character", "animal", "animals"), (0.26, 0.58, 0.16))
        if kind == "character":
            name = self.hero()
            hero = CHARACTERS[name]
            at_home = self.chance(0.75)
            place = self.pick(hero.homes) if at_home else self.place(artist, hero.actor.species)
            friends = self.friends(name, place) if self.chance(0.33) else []
            return self.scene(artist, place, [name, *friends])

        species = self.species(artist)
        place = self.place(artist, species)
        names = [species]
        if kind == "animals":
            names.append(species if self.chance(0.45) else self.species(artist, place))
            names += [species] if self.chance(0.12) else []
        return self.scene(artist, place, names)

    def young_scene(self) -> Scene:
        """Return a baby animal at home."""
        species = self.pick(YOUNG)
        home = self.pick(SPECIES[species].homes)
        return self.scene(self.artist(), home, [species], young=True)
