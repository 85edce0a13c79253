"""What a demo picture is made of: colours, and the scene that its tags and drawing share."""

from __future__ import annotations

from typing import NamedTuple

RGB = tuple[int, ...]

COLORS: dict[str, RGB] = {
    "red": (212, 66, 60),
    "orange": (240, 142, 56),
    "yellow": (246, 204, 84),
    "green": (112, 180, 90),
    "teal": (58, 168, 160),
    "blue": (82, 140, 216),
    "purple": (146, 104, 196),
    "pink": (242, 150, 180),
    "brown": (150, 100, 66),
    "black": (64, 62, 76),
    "white": (246, 244, 240),
    "grey": (152, 156, 168),
    "tan": (224, 190, 142),
}
EYE_COLORS: dict[str, RGB] = {
    "blue": (96, 170, 240),
    "green": (110, 200, 110),
    "amber": (250, 180, 60),
    "brown": (150, 96, 60),
    "purple": (170, 120, 220),
    "red": (226, 84, 84),
}


class Actor(NamedTuple):
    """One creature: everything about it that a tag could name."""

    species: str
    color: str
    pattern: str = "plain"  # or spotted, striped, gradient
    pose: str = "sitting"
    eyes: str = "amber"
    things: tuple[tuple[str, str], ...] = ()  # (name, colour)
    mouth: str = "smile"  # or cat, open
    young: bool = False
    name: str = ""  # the character, if it is one


class Scene(NamedTuple):
    """One picture. Drawing it needs nothing else, and its tags are read off it."""

    seed: int
    size: tuple[int, int]  # of the preview, in pixels
    artist: str
    place: str  # one of places.PLACES, "plain" for a simple background, "card" for a blank card
    time: str = "day"
    weather: str = "clear"
    sky: tuple[str, ...] = ()  # sun, stars, clouds, rainbow ...
    props: tuple[str, ...] = ()
    actors: tuple[Actor, ...] = ()
    extras: tuple[str, ...] = ()  # hearts, zzz
    bubble: str = ""  # what a speech bubble says
    meta: tuple[str, ...] = ()  # sketch, monochrome and such
    tint: str = "blue"  # of a plain background
    flipped: bool = False  # the whole picture, as a near-duplicate may be
    shift: int = 0  # pixels to the right, likewise
