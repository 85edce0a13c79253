"""Who and where: recurring characters, artists' leanings, and what goes with each place. Tables."""

from __future__ import annotations

from typing import NamedTuple

from .world import Actor

TIMES = ("dawn", "day", "dusk", "night")


class Setting(NamedTuple):
    """A place: tags it always has, weathers and things that may be there, and its weight."""

    tags: tuple[str, ...]
    weathers: tuple[str, ...]
    props: tuple[str, ...]
    weight: float


def _setting(tags: str, weathers: str, props: str, weight: float) -> Setting:
    return Setting(tuple(tags.split()), tuple(weathers.split()), tuple(props.split()), weight)


SETTINGS: dict[str, Setting] = {
    "forest": _setting(
        "forest pine_tree",
        "clear clear clouds fog rain snow",
        "mushroom mushroom flower log campfire tent cabin falling_leaves fireflies rock",
        6,
    ),
    "meadow": _setting(
        "meadow tree hill",
        "clear clear clouds clouds rain",
        "flower windmill kite hot_air_balloon rock fireflies cabin",
        5,
    ),
    "garden": _setting(
        "garden hedge tree",
        "clear clear clouds rain fog",
        "flower picket_fence bench mushroom fireflies falling_leaves",
        4,
    ),
    "beach": _setting(
        "beach sea sand",
        "clear clear clouds storm",
        "palm_tree seashell starfish sandcastle sailboat lighthouse kite campfire",
        4,
    ),
    "mountain": _setting(
        "mountain pine_tree",
        "clear clouds clouds fog snow storm",
        "tent cabin campfire rock hot_air_balloon flower",
        5,
    ),
    "city": _setting(
        "city building",
        "clear clouds rain rain snow fog",
        "street_lamp street_lamp bench falling_leaves",
        5,
    ),
    "desert": _setting("desert sand mesa", "clear clear clouds", "cactus cactus rock tent", 3),
    "tundra": _setting(
        "tundra snow ice pine_tree",
        "clear clear snow snow fog",
        "snowman igloo cabin rock",
        3,
    ),
    "lake": _setting(
        "lake pine_tree",
        "clear clouds rain fog",
        "reeds lily_pad lily_pad bench cabin fireflies",
        4,
    ),
    "cave": _setting(
        "cave stalactite", "clear", "crystal crystal treasure_chest campfire rock", 2
    ),
    "underwater": _setting(
        "underwater", "clear", "coral coral seaweed seaweed bubbles treasure_chest starfish", 1
    ),
    "sky": _setting("above_clouds clouds", "clear", "hot_air_balloon kite", 2),
    "room": _setting(
        "room window rug", "clear clouds rain", "bookshelf floor_lamp potted_plant", 4
    ),
    "plain": _setting("simple_background", "clear", "", 4),
}


class Artist(NamedTuple):
    """What an artist draws more often than others do, and in which medium."""

    weight: float
    likes: tuple[str, ...]  # species, clades, places, times and weathers
    medium: str


ARTISTS: dict[str, Artist] = {
    "bold_bram": Artist(9, ("canine", "city", "meadow"), "digital_media_(artwork)"),
    "papercut_pia": Artist(8, ("bird", "mountain", "dusk"), "traditional_media_(artwork)"),
    "softboiled": Artist(10, ("rabbit", "feline", "garden", "dawn"), "digital_media_(artwork)"),
    "quill_(watercolour)": Artist(8, ("bird", "lake", "rain"), "traditional_media_(artwork)"),
    "pixelmoth": Artist(6, ("dragon", "cave", "night"), "pixel_art"),
    "riso_rita": Artist(5, ("fish", "city", "desert"), "digital_media_(artwork)"),
    "crayonbox": Artist(6, ("bear", "meadow", "beach"), "traditional_media_(artwork)"),
    "velvet_hour": Artist(8, ("dragon", "owl", "night", "sky"), "digital_media_(artwork)"),
    "lino_lou": Artist(5, ("reptile", "forest", "storm"), "traditional_media_(artwork)"),
    "gouache_gull": Artist(8, ("fox", "forest", "beach", "day"), "traditional_media_(artwork)"),
    "thinline_theo": Artist(6, ("cervid", "tundra", "room"), "digital_media_(artwork)"),
    "stitchwort": Artist(4, ("duck", "garden", "room"), "traditional_media_(artwork)"),
}

SERIES = ("lanternwood", "tidepool_tales", "the_ninth_kite")  # the copyrights


class Character(NamedTuple):
    """A recurring character: `actor` holds its fixed traits."""

    series: str
    actor: Actor
    homes: tuple[str, ...]
    weight: float


def _character(row: str) -> tuple[str, Character]:
    name, series, species, color, pattern, eyes, things, homes, weight = row.split()
    full = f"{name}_({SERIES[int(series)]})"
    worn = tuple(tuple(t.split(":")) for t in things.split("+") if t != "-")
    actor = Actor(species, color, pattern, eyes=eyes, things=worn, name=full)
    return full, Character(SERIES[int(series)], actor, tuple(homes.split("+")), float(weight))


# name, series, species, colour, pattern, eyes, things, homes, weight
_CAST = """
wick 0 red_fox orange plain green lantern:yellow+scarf:green forest+city+mountain 10
hazel 0 rabbit brown plain amber straw_hat:blue garden+meadow+forest 6
bramble 0 hedgehog tan plain brown bow_tie:red forest+garden 3
professor_hoot 0 horned_owl brown plain amber glasses:black forest+room 6
ember 0 western_dragon red plain amber scarf:yellow cave+mountain+sky 8
puddle 0 tree_frog green spotted amber umbrella:red lake+garden+city 4
captain_marrow 1 otter brown plain blue eyepatch:black+bandana:red beach+lake+city 7
inkwell 1 octopus purple spotted green top_hat:black underwater 4
coral_bell 1 sea_turtle teal plain brown bow:pink underwater+beach 3
brine 1 great_white_shark blue plain amber crown:yellow underwater 4
salt 1 penguin blue plain amber scarf:red tundra+beach 5
old_fathom 1 whale blue gradient brown beanie:yellow underwater 2
juniper 2 grey_wolf grey plain blue cape:purple mountain+tundra+forest 9
tuck 2 squirrel red plain green backpack:blue forest+city+meadow 4
madame_plume 2 macaw blue plain green bow_tie:yellow city+room+beach 3
saffron 2 fennec_fox tan plain purple balloon:blue desert+meadow+city 6
nimbus 2 eastern_dragon teal gradient purple scarf:white sky+mountain 5
mittens 2 domestic_cat black plain green bell_collar:red room+city+garden 7
"""
CHARACTERS: dict[str, Character] = dict(_character(row) for row in _CAST.strip().split("\n"))

BABIES = {  # species -> what its young are called
    "red_fox": "fox_kit",
    "arctic_fox": "fox_kit",
    "fennec_fox": "fox_kit",
    "pekin_duck": "duckling",
    "domestic_cat": "kitten",
    "grey_wolf": "wolf_pup",
    "beagle": "puppy",
    "deer": "fawn",
    "sheep": "lamb",
    "penguin": "penguin_chick",
    "snowy_owl": "owlet",
}
BUBBLES = ("...", "!", "?", "null", "nan", "none", "true", "143", "10:30", "café", "naïve")
# colours of the things whose tags name them; the rest carry their own
TINTED = {
    "scarf": "red blue green yellow purple white",
    "bandana": "red blue green",
    "beanie": "red blue yellow green",
    "cape": "red purple blue",
    "umbrella": "red yellow blue purple",
    "balloon": "red blue yellow pink",
    "bow": "red pink blue",
    "bow_tie": "red blue yellow black",
}
FIXED = {"backpack": "blue", "book": "red", "bell_collar": "red", "headphones": "teal"}
WORN_WITH = {  # what weather, time or place calls for
    "rain": ("umbrella", "umbrella", "backpack"),
    "storm": ("umbrella", "cape"),
    "snow": ("beanie", "scarf", "scarf"),
    "tundra": ("beanie", "scarf"),
    "night": ("lantern", "lantern", "witch_hat"),
    "beach": ("sunglasses", "straw_hat", "bandana"),
    "garden": ("flower_crown", "straw_hat", "bouquet"),
    "meadow": ("flower_crown", "balloon", "bouquet"),
    "room": ("glasses", "book", "headphones", "bow_tie"),
    "city": ("backpack", "top_hat", "headphones", "umbrella"),
    "cave": ("lantern", "crown"),
    "desert": ("sunglasses", "bandana"),
    "forest": ("scarf", "backpack", "flower_crown"),
    "mountain": ("backpack", "scarf", "cape"),
    "sky": ("cape", "crown", "balloon"),
    "lake": ("straw_hat", "book", "bandana"),
}
