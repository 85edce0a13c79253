"""Write two real collections as exports in the site's layout, to make the figures on them again.

    python -m benchmarks.boards debian OUT               # what `apt-cache dumpavail` prints here
    python -m benchmarks.boards openmoji PACKAGE OUT     # PACKAGE: the unpacked npm package

Debian: a package with debtags is a post; its facets, section, maintainer and
dependencies are tags; metapackages and tasks are pools. OpenMoji: a drawing is a
post with its words and colors as tags; a subgroup is a pool; a skin-tone variant
has its base as parent.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import re
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from tqdm import tqdm

from e6graph import cli
from e6graph.errors import BadInput, E6GraphError, needs
from e6graph.hydrate.previews import preview_path

from .export import POSTS, WHEN, open_gzip, write_rows

Fields = Mapping[str, str]
LARGEST_POOL = 200
SMALLEST_POOL = 3


def write_board(
    directory: Path,
    posts: Sequence[dict[str, object]],
    categories: Mapping[str, int],
    aliases: Mapping[str, str],
    implications: Mapping[str, str],
    pools: Mapping[str, Sequence[int]],
) -> None:
    """Write the five tables of an export, and print how many rows each has.

    Parameters
    ----------
    posts : columns that differ from post to post, `tags` (a set of names) among them.
    categories : tag → category; tags that are not named are general (0).
    aliases, implications : antecedent → consequent, all of them active.
    pools : name → post ids; those of fewer than 3 members or more than 200 are left out.
    """
    uses = Counter(tag for post in posts for tag in post["tags"])
    names = sorted(uses)
    tables: dict[str, list[dict[str, object]]] = {"posts": [], "tags": [], "pools": []}

    for number, post in enumerate(sorted(posts, key=lambda post: post["id"]), 1):
        known = dict.fromkeys((name for name in POSTS if name.startswith("is_")), "f")
        known |= {"uploader_id": 1, "created_at": WHEN, "updated_at": WHEN, "rating": "s"}
        known |= {"file_ext": "png", "change_seq": number, "fav_count": 0, "file_size": 0}
        known |= {"image_width": 0, "image_height": 0, "comment_count": 0}
        known |= {"up_score": 0, "down_score": 0, "score": post.get("fav_count", 0)}
        known["tag_string"] = " ".join(sorted(post["tags"]))
        tables["posts"].append({name: (known | post).get(name) for name in POSTS})
    for name in names:
        row = {"name": name, "category": categories.get(name, 0), "post_count": uses[name]}
        tables["tags"].append({"id": len(tables["tags"]) + 1, **row})
    for table, pairs in (("tag_aliases", aliases), ("tag_implications", implications)):
        tables[table] = [
            {"id": i, "antecedent_name": a, "consequent_name": pairs[a], "status": "active"}
            for i, a in enumerate(sorted(pairs), 1)
        ]
    kept = {k: ids for k, ids in pools.items() if SMALLEST_POOL <= len(ids) <= LARGEST_POOL}
    for number, name in enumerate(sorted(kept), 1):
        ids = "{" + ",".join(map(str, sorted(kept[name]))) + "}"
        row = {"name": name, "category": "collection", "is_active": "t", "post_ids": ids}
        tables["pools"].append({"id": number, **row})

    directory.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        with open_gzip(directory / f"{table}.csv.gz") as file:
            write_rows(file, pa.Table.from_pylist(rows), header=True)
        print(f"{directory / table}.csv.gz  {len(rows):,} rows")


# -- Debian ----------------------------------------------------------------------------------------
COLLECTIONS = ("metapackages", "tasks")  # sections whose packages only bring others
FACET_CATEGORIES = {
    "section": 3,
    "suite": 3,
    "culture": 4,
    "role": 5,
    "interface": 7,
    "uitoolkit": 7,
}


def read_packages(lines: Iterable[str]) -> dict[str, Fields]:
    """Read the paragraphs that `apt-cache dumpavail` prints: package → its fields.

    >>> read_packages(["Package: owl", "Tag: role::program,", " use::viewing"])["owl"]["Tag"]
    'role::program, use::viewing'
    """
    packages: dict[str, Fields] = {}
    fields: dict[str, str] = {}
    key = ""
    for line in [*lines, ""]:
        line = line.rstrip("\n")
        if not line:
            packages.setdefault(fields.get("Package", ""), fields)
            fields = {}
        elif line[0] in " \t":
            fields[key] += " " + line.strip()
        else:
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    packages.pop("", None)
    return packages


def related(fields: Fields, *relations: str) -> list[str]:
    """Return the packages that some relations name, of alternatives the first alone."""
    named = [part.strip() for key in relations for part in fields.get(key, "").split(",")]
    return list(dict.fromkeys(re.split(r"[ (:|]", part)[0] for part in named if part))


def source(name: str, fields: Fields) -> str:
    """Return the source package that a package is built from."""
    return fields.get("Source", name).partition(" ")[0]


def facets(fields: Fields) -> set[str]:
    """Return the facets as tags, those that they imply among them.

    >>> sorted(facets({"Tag": "works-with::image:raster, role::program"}))
    ['image:raster_(works-with)', 'image_(works-with)', 'program_(role)']
    """
    made = set()
    for facet in fields["Tag"].lower().split(","):
        kind, _, value = facet.strip().partition("::")
        made |= {f"{value}_({kind})", f"{value.partition(':')[0]}_({kind})"}
    return made


def hashed(text: str) -> int:
    """Return the MD5 of a text as a number."""
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16)


def debian(packages: Mapping[str, Fields], directory: Path) -> None:
    """Write the board of a list of packages."""
    tagged = {
        name: fields
        for name, fields in sorted(packages.items())
        if "Tag" in fields and fields["Section"] not in COLLECTIONS
    }
    # An id comes from the name. Where two names meet in one id, the last of them stays.
    chosen = {hashed(f"id{name}") % 900_000 + 1: name for name in tagged}
    ids = {name: post_id for post_id, name in chosen.items()}

    # Maintainers are people: they get numbers, in an order that tells nothing of their names.
    person = {
        name: re.sub(r"\s+", "_", fields["Maintainer"].partition("<")[0].lower().strip(' "'))
        for name, fields in tagged.items()
    }
    people = sorted({person[name] for name in ids})
    random.Random(7).shuffle(people)  # noqa: S311 (no secret)
    maintainers = {who: f"maintainer_{number:04}" for number, who in enumerate(people, 1)}

    needed = {name: related(tagged[name], "Depends", "Pre-Depends") for name in tagged}
    uses = Counter(other for others in needed.values() for other in others)
    favorites: Counter[str] = Counter()
    for name, fields in packages.items():
        if fields.get("Section") not in COLLECTIONS:
            for other in related(fields, "Depends", "Recommends"):
                outside = other in ids and source(other, packages[other]) != source(
                    name, fields
                )
                favorites[other] += outside

    posts: list[dict[str, object]] = []
    for name, post_id in ids.items():
        fields = tagged[name]
        section = fields["Section"].rpartition("/")[2]
        tags = facets(fields) | {f"{section}_(section)", maintainers[person[name]]}
        tags |= {f"{other}_(needed)" for other in needed[name] if uses[other] > 1}
        posts.append(
            {
                "id": post_id,
                "md5": f"{hashed(f'debian {name}'):032x}",
                "tags": tags,
                "fav_count": favorites[name],
                "description": f"{name}: {fields.get('Description', '')}\n{section}",
            }
        )

    names = {tag for post in posts for tag in post["tags"]}
    kinds = {tag: tag.rpartition("_(")[2].rstrip(")") for tag in names if "_(" in tag}
    categories = {tag: FACET_CATEGORIES.get(kind, 0) for tag, kind in kinds.items()}
    categories |= dict.fromkeys(maintainers.values(), 1)
    implications = {
        tag: f"{tag.partition(':')[0]}_({kind})"
        for tag, kind in kinds.items()
        if ":" in tag and kind != "needed"
    }
    bare = defaultdict(list)
    for tag, kind in kinds.items():
        if kind in ("section", "role"):
            bare[tag.rpartition("_(")[0]].append(tag)
    aliases = {name: tags[0] for name, tags in bare.items() if len(tags) == 1}

    pools = {}
    for name, fields in packages.items():
        # A collection of everything says nothing about what belongs together.
        if fields.get("Section") in COLLECTIONS and not name.endswith(
            ("-all", "-extra", "-full")
        ):
            brought = related(fields, "Depends", "Recommends", "Suggests")
            one_a_source: dict[str, int] = {}
            for other in (other for other in brought if other in ids):
                one_a_source.setdefault(source(other, packages[other]), ids[other])
            pools[name] = list(one_a_source.values())
    write_board(directory, posts, categories, aliases, implications, pools)


# -- OpenMoji --------------------------------------------------------------------------------------
PALETTE_ORDER = """
black white blue blue_shadow red red_shadow green green_shadow yellow yellow_shadow light_grey grey
dark_grey orange orange_shadow pink pink_shadow purple purple_shadow brown brown_shadow navy_blue
maroon dark_green
"""
COLOR_NAMES = PALETTE_ORDER.split()
"""Names of the colors of data/color-palette.json, in its order."""
SKIN = ["#fadcbc", "#debb90", "#c19a65", "#352318"]  # counted, but not as a drawing's color
BASE_COLORS = {
    **{name: name[: -len("_shadow")] for name in COLOR_NAMES if name.endswith("_shadow")},
    "light_grey": "grey",
    "dark_grey": "grey",
    "navy_blue": "blue",
    "dark_green": "green",
}
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
STOP_WORDS = {"a", "and", "at", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
NO_PLURAL = re.compile(
    r".*(s|ing|ed|age|ity|fish|lf|fe|foot|tooth|child|mouse|goose|deer|battery)"
)


def render(path: Path, pixels: int = 256) -> Image.Image:
    """Draw an SVG file as RGBA, as wide and as high as a preview."""
    with needs("resvg-py"):
        import resvg_py
    drawn = resvg_py.svg_to_bytes(svg_path=str(path), width=pixels, height=pixels)
    return Image.open(io.BytesIO(bytes(drawn))).convert("RGBA")


def colors(picture: Image.Image, palette: Sequence[str]) -> set[str]:
    """Name the colors that cover a tenth of a drawing; black is mere outlines below a half.

    Parameters
    ----------
    palette : "#rrggbb" of each of `COLOR_NAMES`.
    """
    pixels = np.asarray(picture).reshape(-1, 4)
    opaque = pixels[pixels[:, 3] >= 128, :3].astype(int)
    if not len(opaque):
        return set()
    known = np.array([list(bytes.fromhex(text[1:])) for text in (*palette, *SKIN)])
    shades, counts = np.unique(opaque, axis=0, return_counts=True)
    nearest = ((shades[:, None] - known) ** 2).sum(2).argmin(1)
    share = np.bincount(nearest, counts, len(known)) / len(opaque)
    found = {name for name, part in zip(COLOR_NAMES, share, strict=False) if part >= 0.1}
    return found - ({"black"} if share[0] < 0.5 else set())


def word(text: str) -> str:
    """Write a word or a phrase as a tag.

    >>> word("+1"), word("chef’s hat"), word("(star")
    ('1', "chef's_hat", 'star')
    """
    text = unicodedata.normalize("NFC", text).lower().strip()
    text = re.sub("[–−]", "-", text.replace("’", "'"))
    if re.fullmatch(r"[._]+", text):
        return text
    text = re.sub(r"_+", "_", re.sub(r"[^\w&!?.':<+()-]+", "_", text)).strip("_")
    text = text if "_(" in text else text.strip("()")
    return text.lstrip("+-~").strip("_")


def words_of(emoji: Fields, base: Fields) -> tuple[set[str], set[str]]:
    """Return the words of an emoji and its base, and what is said behind a colon in its title."""
    lists = ",".join(e[key] for e in (emoji, base) for key in ("tags", "openmoji_tags"))
    named = {word(text) for text in lists.split(",")}
    said = emoji["annotation"].partition(": ")[2].replace(" - ", " ")
    qualities = {word(text) for text in said.split(", ")}
    if emoji["subgroups"] == "country-flag":
        title = ["flag"]
    else:
        plain = re.sub(r"(\w+-)?\w+ skin tone", "", emoji["annotation"])
        title = re.split(r"[\s,:“”]+", plain)
    named |= {word(text) for text in title} - STOP_WORDS
    return named - {""}, qualities - {""}


def variants(tag: str, category: int) -> set[str]:
    """Return other spellings of a tag: hyphens, underscores, joined words, American ones."""
    made = {tag.replace("-", "_")} if category != 7 else set()
    if category == 0:
        made |= {tag.replace("_", "-")}
        made |= {tag.replace("_", "")} if tag.count("_") == 1 else set()
    american = tag.replace("_(colour)", "_(color)")
    return made | {american, american.replace("grey", "gray")}


def plural(noun: str) -> str:
    """Return the plural of a noun, or an empty text for a word that is left alone.

    >>> [plural(noun) for noun in ("owl", "fox", "berry", "snowman", "fish")]
    ['owls', 'foxes', 'berries', 'snowmen', '']
    """
    if not re.fullmatch("[a-z]{3,}", noun) or NO_PLURAL.fullmatch(noun):
        return ""
    if noun.endswith("man"):
        return noun[:-2] + "en"
    if re.search("[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search("(x|z|ch|sh)$", noun) else "s")


def openmoji(package: Path, directory: Path) -> None:
    """Write the board of the unpacked npm package, with a preview of every drawing."""
    try:
        emojis = json.loads((package / "data" / "openmoji.json").read_text("utf-8"))
        palette = json.loads((package / "data" / "color-palette.json").read_text())["colors"]
    except OSError as error:
        raise BadInput(
            f"{error.filename}: expected the unpacked npm package openmoji"
        ) from error
    numbers = {emoji["hexcode"]: i for i, emoji in enumerate(emojis)}
    bases = [emojis[numbers.get(e["skintone_base_hexcode"], i)] for i, e in enumerate(emojis)]
    found = [words_of(emoji, base) for emoji, base in zip(emojis, bases, strict=True)]
    spoken = set().union(*(named for named, _ in found))

    def group_tag(name: str) -> str:
        return f"{name}_(group)" if name in spoken else name

    categories: dict[str, int] = {}
    groups_of: dict[str, set[str]] = defaultdict(set)
    pools: dict[str, list[int]] = defaultdict(list)
    posts: list[dict[str, object]] = []
    for i, emoji in enumerate(tqdm(emojis, "drawings", disable=None)):
        base, (named, qualities) = bases[i], found[i]
        path = package / "color" / "svg" / f"{emoji['hexcode']}.svg"
        picture = render(path)
        seen = colors(picture, palette) - (
            {"brown", "brown_shadow"} if emoji["skintone"] else set()
        )
        seen |= {BASE_COLORS[name] for name in seen if name in BASE_COLORS}
        group, subgroup = group_tag(emoji["group"]), group_tag(emoji["subgroups"])
        author = word(emoji["openmoji_author"])
        other = {tag for tag in qualities if tag.endswith("_skin_tone")}
        other |= {"skin_tone"} if other else set()
        if re.fullmatch(r"[\d.]+", str(emoji["unicode"])):
            other.add(f"unicode_{emoji['unicode']}")

        categories |= {author: 1, **dict.fromkeys(other, 7)}
        if emoji["group"] == "flags":
            categories |= dict.fromkeys(qualities, 3)
        groups_of[subgroup].add(group)
        md5 = f"{hashed(emoji['hexcode']):032x}"
        tags = {group, subgroup, author, *named, *qualities, *other}
        posts.append(
            {
                "id": i + 1,
                "created_at": f"{emoji['openmoji_date']} 00:00:00",
                "md5": md5,
                "source": f"https://openmoji.org/library/emoji-{emoji['hexcode']}/",
                "image_width": 618,
                "image_height": 618,
                "tags": tags | {f"{name}_(colour)" for name in seen},
                "file_size": path.stat().st_size,
                "description": f'{emoji["emoji"]} "{emoji["annotation"]}"\n{emoji["hexcode"]}, '
                f"{emoji['group']}, {emoji['subgroups']}\nby {emoji['openmoji_author']}",
            }
        )
        if base is not emoji:
            posts[-1]["parent_id"] = numbers[base["hexcode"]] + 1
        else:
            pools[f"{emoji['group']}:_{emoji['subgroups']}"].append(i + 1)

        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture)
        preview = Path(preview_path(directory, md5))
        preview.parent.mkdir(parents=True, exist_ok=True)
        white.convert("RGB").save(preview, "JPEG", quality=75, optimize=True)

    names = {tag for post in posts for tag in post["tags"]}
    groups = set().union(*groups_of.values())
    categories |= {tag: 5 for tag in groups_of if tag not in groups} | dict.fromkeys(groups, 3)
    implications = {
        tag: next(iter(above))
        for tag, above in groups_of.items()
        if len(above) == 1 and tag not in groups
    }
    implications |= {f"{a}_(colour)": f"{b}_(colour)" for a, b in BASE_COLORS.items()}
    implications |= {f"{tone}_skin_tone": "skin_tone" for tone in TONES}
    aliases = {}
    for tag in sorted(names):
        for spelling in variants(tag, categories.get(tag, 0)) - names:
            aliases[spelling] = tag
    for emoji in emojis:
        noun = emoji["annotation"].partition(": ")[0].split()[-1].lower()
        many = plural(noun)
        if many and many not in names and noun in names and not categories.get(noun):
            aliases[many] = noun
    kept = {a: b for a, b in implications.items() if a in names and b in names}
    write_board(directory, posts, categories, aliases, kept, pools)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    boards = parser.add_subparsers(dest="board", required=True)
    of_debian = boards.add_parser("debian", help="the packages that apt knows")
    of_debian.add_argument("--from", dest="file", type=Path, help="saved output of dumpavail")
    of_openmoji = boards.add_parser("openmoji", help="the drawings of the npm package")
    of_openmoji.add_argument("package", type=Path, help="directory of the unpacked package")
    for board in (of_debian, of_openmoji):
        board.add_argument("out", type=Path, help="directory of the export")
    args = parser.parse_args(argv)

    if args.board == "openmoji":
        openmoji(args.package, args.out)
    elif args.file:
        debian(read_packages(args.file.read_text("utf-8").splitlines()), args.out)
    else:
        command = ["apt-cache", "dumpavail"]
        try:
            listed = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        except (OSError, subprocess.CalledProcessError) as error:
            raise E6GraphError(
                f"apt-cache dumpavail failed ({error}): use a Debian system"
            ) from error
        debian(read_packages(listed.stdout.splitlines()), args.out)


if __name__ == "__main__":
    sys.exit(cli.run(main))
