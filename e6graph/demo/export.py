"""The five tables of the export, in the site's columns, from a planned board.

NULL is an empty field, and fields are quoted only where they must be. The same
board gives the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from .choose import Chooser
from .stories import TAG_USED_ONCE, Entry, Pool
from .tables import ARTISTS, CHARACTERS, read_rows
from .tagging import (
    ALIASES,
    CATEGORY_NUMBERS,
    MOST_SCENE_TAGS,
    Relation,
    closure,
    implications,
)

_OPENED = datetime(2024, 1, 1, 8)  # when the board opened
_FIRST_ID = 101
_UNUSED_IDS = 0.1  # share of ids that no post has

Row = dict[str, object]


class Post(NamedTuple):
    """A post with all that its row needs."""

    id: int
    entry: Entry
    tags: set[str]  # what is meant, aliases resolved
    written: set[str]  # what the tag string holds
    md5: str
    ext: str
    scale: int  # pixels of the original for one of the preview
    parent_id: int | None
    deleted: bool


def make_posts(entries: list[Entry], pools: list[Pool], seed: int) -> list[Post]:
    """Give entries ids, in no order of the stories, and odd tags."""
    chooser = Chooser(seed, 0x7AB1E)
    rng, count = chooser.rng, len(entries)
    span = round(count / (1 - _UNUSED_IDS)) + 1
    ids = _FIRST_ID + rng.choice(span, count, replace=False)
    # posts that others refer to, or that have a purpose, are never deleted
    kept = {entry.parent for entry in entries}
    kept.update(*(pool.members for pool in pools))
    kept |= {at for at, e in enumerate(entries) if {TAG_USED_ONCE, "young"} & e.tags}
    free = [at for at in range(count) if at not in kept]
    most = min(len(free), round(0.03 * count))
    deleted = set(rng.choice(free, most, replace=False).tolist())
    posts = []
    for at, entry in enumerate(entries):
        tags = set(entry.tags)
        scale = chooser.pick({3: 2, 4: 4, 5: 2, 7: 2, 14: 0.7})
        if entry.scene.place == "card":
            scale = 4
        if scale >= 7:
            tags |= closure({"hi_res" if scale == 7 else "absurd_res"})
        # where there is no room for the tags of its size, a post is not so large
        if len(tags) > MOST_SCENE_TAGS + 1:
            tags, scale = set(entry.tags), 4
        ext = chooser.pick({"jpg": 70, "png": 25, "gif": 1, "webm": 1})
        if ext in ("gif", "webm"):
            tags.add("animated")
        name = f"demo {seed} {ids[at]}".encode()
        md5 = hashlib.md5(name, usedforsecurity=False).hexdigest()
        parent = None if entry.parent is None else int(ids[entry.parent])
        about = (md5, ext, scale, parent, at in deleted)
        posts.append(Post(int(ids[at]), entry, tags, tags, *about))
    return _miswrite(chooser, posts)


def _miswrite(chooser: Chooser, posts: list[Post]) -> list[Post]:
    """Write aliases in some tag strings, as the site does until its queue has run."""
    active = [alias for alias in ALIASES if alias.status == "active"]
    meant = {alias.consequent: alias.antecedent for alias in active}
    ambiguous = {"lavender_sky", "lilac_sky"}
    left = {"chain": 2, "cycle": 2, "invalid": 2}
    rewritten = []
    for post in posts:
        written = set(post.tags)
        options = sorted(written & meant.keys() - ambiguous)
        if "red_fox" in written and left["chain"]:  # two steps: vulpes_vulpes, reynard
            written = written - {"red_fox"} | {"vulpes_vulpes"}
            left["chain"] -= 1
        elif options and chooser.chance(0.06):
            tag = chooser.pick(options)
            written = written - {tag} | {meant[tag]}
        elif "pink_sky" in written and left["cycle"] and len(written) < 25:
            left["cycle"] -= 1
            written.add(sorted(ambiguous)[left["cycle"]])
        elif "blue_background" in written and left["invalid"]:
            left["invalid"] -= 1
            written.add("incorrect_colour")
        rewritten.append(post._replace(written=written))
    return rewritten


def export(posts: list[Post], pools: list[Pool], seed: int) -> dict[str, bytes]:
    """Return the five files, gzipped, by name."""
    chooser = Chooser(seed, 0xE4)
    ordered = sorted(posts, key=lambda post: post.id)
    shown = [post for post in posts if not post.deleted]
    counts = Counter(tag for post in shown for tag in post.tags)
    tables = {
        "posts": [_post_row(chooser, post) for post in ordered],
        "tags": _tag_rows(posts, counts),
        "tag_aliases": _relation_rows(ALIASES, counts),
        "tag_implications": _relation_rows(implications(), counts),
        "pools": _pool_rows(chooser, posts, pools),
    }
    return {
        f"{name}.csv.gz": _pack(columns, tables[name]) for name, columns in read_rows("columns")
    }


def _pack(columns: str, rows: list[Row]) -> bytes:
    """Write a table as gzipped CSV; a column may say what every row holds."""
    names = [column.partition("=")[0] for column in columns.split()]
    common = dict(column.split("=") for column in columns.split() if "=" in column)
    text = io.StringIO()
    # a row may say more than its table has columns for
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(common | row for row in rows)
    return gzip.compress(text.getvalue().encode(), 6, mtime=0)


def _times(number: int, minutes: int) -> Row:
    made = _OPENED + number * timedelta(minutes=37)
    made += timedelta(microseconds=37_011 * (number % 20))
    changed = made + timedelta(minutes=minutes)
    form = "%Y-%m-%d %H:%M:%S.%f"
    return {"created_at": made.strftime(form), "updated_at": changed.strftime(form)}


def _braced(items: Iterable[object]) -> str:
    return "{" + ",".join(map(str, items)) + "}"


def _post_row(chooser: Chooser, post: Post) -> Row:
    """Return the row of a post; who is well known gets more votes."""
    rng, scene = chooser.rng, post.entry.scene
    fame = ARTISTS[scene.artist].weight if scene.actors else 0
    known = [actor.name for actor in scene.actors if actor.name]
    fame += sum(CHARACTERS[name].weight for name in known)
    up = int(rng.lognormal(1.6 + 0.11 * fame, 0.7))
    down = int(rng.poisson(0.4 + 0.03 * up))
    width, height = (side * post.scale for side in scene.size)
    return _times(post.id, 90) | {
        "id": post.id,
        "md5": post.md5,
        "source": f"https://gallery.example/{scene.artist}/{post.id}\n"
        f"https://files.example/{post.md5}",
        "rating": post.entry.rating,
        "image_width": width,
        "image_height": height,
        "tag_string": " ".join(sorted(post.written)),
        "fav_count": int(up * rng.uniform(1.2, 2.6)),
        "file_ext": post.ext,
        "parent_id": post.parent_id,
        "approver_id": int(rng.integers(2, 9)) if chooser.chance(0.8) else None,
        "file_size": int(width * height * rng.uniform(0.18, 0.5)),
        "description": _description(chooser, post),
        "duration": 7.5 if post.ext in ("gif", "webm") else None,
        "is_deleted": "ft"[post.deleted],
        "is_pending": "ft"[chooser.chance(0.008)],
        "is_flagged": "ft"[chooser.chance(0.008)],
        "score": up - down,
        "up_score": up,
        "down_score": -down,
    }


def _description(chooser: Chooser, post: Post) -> str:
    """Return some words with quotes and line ends, which are hard on readers."""
    scene = post.entry.scene
    place = scene.place
    if place == "card":
        return "A blank card.\r\nAn import must leave this row out."
    names = [actor.name or actor.species for actor in scene.actors]
    names = [name.partition("_(")[0].replace("_", " ").title() for name in names]
    hero, number = names[0], post.id % 50 + 1
    lines = {
        "": 4,
        f'"{" & ".join(names)}", {place}, {scene.time}': 2,
        f'[b]{hero}[/b] again.\r\n\r\n"{place}" is no. {number}.': 2,
        f'They said: "draw a {hero}", so, well,\nhere it is; naïve, but mine.': 2,
    }
    return chooser.pick(lines)


def _tag_rows(posts: list[Post], counts: Counter[str]) -> list[Row]:
    names = set().union(*(post.tags | post.written for post in posts))
    for antecedent, consequent, _ in [*ALIASES, *implications()]:
        names |= {antecedent, consequent}
    # a tag that was written for another counts as both
    counts = counts.copy()
    for post in posts:
        counts.update(() if post.deleted else post.written - post.tags)
    aliased = {alias.antecedent for alias in ALIASES if alias.status == "active"}
    return [
        _times(number, 5)
        | {
            "id": number,
            "name": name,
            "category": CATEGORY_NUMBERS.get(name, 0),
            "post_count": 0 if name in aliased else counts[name],
        }
        for number, name in enumerate(sorted(names), 1)
    ]


def _relation_rows(relations: list[Relation], counts: Counter[str]) -> list[Row]:
    reasons = {"pending": "awaiting approval", "deleted": 'ambiguous, or so "they" say'}
    return [
        _times(number, 9)
        | {
            "id": number,
            "antecedent_name": antecedent,
            "consequent_name": consequent,
            "status": status,
            "reason": reasons.get(status),
            "approver_id": 1 if status == "active" else None,
            "post_count": counts[consequent],
            "descendant_names": _braced(sorted(closure({consequent}))),
        }
        for number, (antecedent, consequent, status) in enumerate(relations, 1)
    ]


def _pool_rows(chooser: Chooser, posts: list[Post], pools: list[Pool]) -> list[Row]:
    last = max(post.id for post in posts)
    numbers = (chooser.rng.permutation(len(pools)) + 1).tolist()
    return [
        _times(last + number, 60)
        | {
            "id": number,
            "name": pool.name,
            "description": pool.description,
            "is_active": "t" if number % 9 else "f",
            "category": pool.category,
            "post_ids": _braced(posts[at].id for at in pool.members),
        }
        for number, pool in sorted(zip(numbers, pools, strict=True))
    ]
