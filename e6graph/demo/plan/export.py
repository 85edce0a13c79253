"""The five tables of the export, in the site's columns, from a planned board.

NULL is an empty field; fields are quoted only where needed; the same board gives the same bytes.
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

import numpy as np

from . import cast
from .choose import pick
from .stories import ONCE, Entry, Pool
from .tagging import ALIASES, MOST, category, closure, implications

POST_COLUMNS = (
    "id uploader_id created_at md5 source rating image_width image_height tag_string locked_tags "
    "fav_count file_ext parent_id change_seq approver_id file_size comment_count description "
    "duration updated_at is_deleted is_pending is_flagged score up_score down_score "
    "is_rating_locked is_status_locked is_note_locked bg_color last_noted_at last_commented_at"
)
TAG_COLUMNS = "id name category post_count created_at updated_at is_locked"
ALIAS_COLUMNS = (
    "id antecedent_name consequent_name created_at status forum_post_id forum_topic_id reason "
    "updated_at creator_id approver_id post_count down_votes meh_votes up_votes"
)
IMPLICATION_COLUMNS = (
    "id antecedent_name consequent_name created_at status forum_post_id forum_topic_id reason "
    "updated_at approver_id creator_id descendant_names down_votes meh_votes up_votes"
)
POOL_COLUMNS = (
    "id name created_at updated_at creator_id description is_active category post_ids"
)
START = datetime(2024, 1, 1, 8)  # when the board opened
FIRST_ID, GAPS = 101, 0.1


class Post(NamedTuple):
    """A post with all that its row needs."""

    id: int
    entry: Entry
    tags: frozenset[str]  # as they are meant, aliases resolved
    written: frozenset[str]  # as the tag string has them
    md5: str
    ext: str
    scale: int  # original pixels a preview pixel
    parent_id: int | None
    deleted: bool


def post_rows(entries: list[Entry], pools: list[Pool], seed: int) -> list[Post]:
    """Give entries their ids (in no order of the story), odd tags, deletions; in entry order."""
    rng = np.random.default_rng((seed, 0x7AB1E))
    count = len(entries)
    ids = FIRST_ID + np.sort(rng.choice(round(count / (1 - GAPS)) + 1, count, replace=False))
    ids = ids[rng.permutation(count)]
    kept = {at for pool in pools for at in pool.members} | {e.parent for e in entries}
    kept |= {at for at, e in enumerate(entries) if ONCE in e.tags or "young" in e.tags}
    free = [at for at in range(count) if at not in kept]
    deleted = {
        int(at) for at in rng.choice(free, min(len(free), round(0.03 * count)), replace=False)
    }
    moving = {at: ext for at, ext in zip(free, ("gif", "webm", "gif"), strict=False)}
    posts = []
    for at, entry in enumerate(entries):
        number = int(ids[at])
        scale = int(pick(rng, (3, 4, 5, 7, 14), (2, 4, 2, 2, 0.7)))
        tags = set(entry.tags)
        if entry.scene.place == "card":
            scale = 4
        size = closure({"absurd_res"} if scale > 7 else {"hi_res"} if scale == 7 else set())
        if len(tags | size) < MOST + 2:
            tags |= size
        else:  # no room for its tags: not so large, then
            scale = 4
        ext = moving.get(at, "png" if rng.random() < 0.25 else "jpg")
        if at in moving:
            tags.add("animated")
        digest = hashlib.md5(
            f"demo {seed} {number}".encode(), usedforsecurity=False
        ).hexdigest()
        parent = None if entry.parent is None else int(ids[entry.parent])
        tags = frozenset(tags)
        posts.append(Post(number, entry, tags, tags, digest, ext, scale, parent, at in deleted))
    return _miswritten(rng, posts)


def _miswritten(rng: np.random.Generator, posts: list[Post]) -> list[Post]:
    """Some tag strings hold an alias, as they do until the site's queue has caught up."""
    meant = {a.consequent: a.antecedent for a in ALIASES if a.status == "active"}
    found = Counter()
    for at, post in enumerate(posts):
        if post.entry.scene.place == "card":
            continue
        written = set(post.tags)
        options = sorted(written & meant.keys() - {"lavender_sky", "lilac_sky"})
        if "red_fox" in written and found["chain"] < 2:  # two steps: vulpes_vulpes, reynard
            written = written - {"red_fox"} | {"vulpes_vulpes"}
            found["chain"] += 1
        elif options and rng.random() < 0.06:
            tag = pick(rng, options)
            written = written - {tag} | {meant[tag]}
        elif "pink_sky" in written and found["cycle"] < 2 and len(written) < 25:
            written.add(("lavender_sky", "lilac_sky")[found["cycle"]])
            found["cycle"] += 1
        elif "simple_background" in written and found["invalid"] < 2:
            written.add("incorrect_colour")
            found["invalid"] += 1
        posts[at] = post._replace(written=frozenset(written))
    return posts


def export(posts: list[Post], pools: list[Pool], seed: int) -> dict[str, bytes]:
    """The five files, gzipped, by name.

    Parameters
    ----------
    posts : in the order of the plan, as `post_rows` gives them.
    """
    rng = np.random.default_rng((seed, 0xE4))
    last = max(post.id for post in posts)
    ordered = sorted(posts, key=lambda post: post.id)
    tables = {
        "posts": (POST_COLUMNS, (_post(rng, post) for post in ordered)),
        "tags": (TAG_COLUMNS, _tags(posts)),
        "tag_aliases": (ALIAS_COLUMNS, _aliases(posts)),
        "tag_implications": (IMPLICATION_COLUMNS, _implications()),
        "pools": (POOL_COLUMNS, _pools(rng, posts, pools, last)),
    }
    return {f"{name}.csv.gz": _pack(columns, rows) for name, (columns, rows) in tables.items()}


def _pack(columns: str, rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns.split())
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), 6, mtime=0)


def _when(number: int, minute: int = 0) -> str:
    moment = START + timedelta(
        minutes=37 * number + minute, microseconds=37_011 * (number % 20)
    )
    return moment.isoformat(sep=" ", timespec="microseconds")


def _post(rng: np.random.Generator, post: Post) -> list[object]:
    scene = post.entry.scene
    fame = sum(cast.CHARACTERS[a.name].weight for a in scene.actors if a.name)
    fame += cast.ARTISTS[scene.artist].weight if scene.actors else 0
    up = int(rng.lognormal(1.6 + 0.11 * fame, 0.7))
    down = int(rng.poisson(0.4 + 0.03 * up))
    favourites = int(up * rng.uniform(1.2, 2.6))
    width, height = (side * post.scale for side in scene.size)
    flags = [post.deleted, rng.random() < 0.008, rng.random() < 0.008, False, False, False]
    flags = ["t" if flag else "f" for flag in flags]
    return [
        post.id,
        int(rng.integers(2, 40)),
        _when(post.id),
        post.md5,
        f"https://gallery.example/{scene.artist}/{post.id}\nhttps://files.example/{post.md5}",
        post.entry.rating,
        width,
        height,
        " ".join(sorted(post.written)),
        None,
        favourites,
        post.ext,
        post.parent_id,
        post.id * 3 + 1,
        int(rng.integers(2, 9)) if rng.random() < 0.8 else None,
        int(width * height * rng.uniform(0.18, 0.5)),
        int(rng.poisson(0.05 * up)),
        _description(rng, post),
        7.5 if post.ext in ("gif", "webm") else None,
        _when(post.id, 90),
        *flags[:3],
        up - down,
        up,
        -down,
        *flags[3:],
        None,
        None,
        None,
    ]


def _description(rng: np.random.Generator, post: Post) -> str:
    scene = post.entry.scene
    if scene.place == "card":
        return (
            "A blank card.\r\nThis row is here so that an import can be seen to leave it out."
        )
    names = [
        (a.name or a.species).split("_(")[0].replace("_", " ").title() for a in scene.actors
    ]
    subject, place = " & ".join(names), scene.place
    lines = (
        "",
        f'"{subject}", {place}, {scene.time}',
        f'{subject} again, with love.\r\n\r\n"{place.title()}" is no. {post.id % 50 + 1}, of many.',
        f"[b]{subject}[/b]\nDrawn in one sitting, two teas, and a biscuit.",
        f'They said: "draw a {names[0]}", so, well,\r\nhere it is; naïve, but mine.',
    )
    return pick(rng, lines, (4, 2, 2, 1, 1))


def _tags(posts: list[Post]) -> list[list[object]]:
    counts = Counter(tag for post in posts if not post.deleted for tag in post.tags)
    names = set(counts) | {tag for post in posts for tag in post.written}
    names |= {alias.antecedent for alias in ALIASES} | {alias.consequent for alias in ALIASES}
    names |= {name for rule in implications() for name in rule[:2]}
    extra = Counter(
        tag for post in posts if not post.deleted for tag in post.written - post.tags
    )
    rows = []
    for number, name in enumerate(sorted(names), 1):
        aliased = any(a.antecedent == name and a.status == "active" for a in ALIASES)
        count = 0 if aliased else counts[name] + extra[name]
        rows.append([number, name, category(name), count, _when(number), _when(number, 5), "f"])
    return rows


def _aliases(posts: list[Post]) -> list[list[object]]:
    counts = Counter(tag for post in posts if not post.deleted for tag in post.tags)
    reasons = {"pending": "awaiting approval", "deleted": 'ambiguous, or so "they" say'}
    return [
        [
            number,
            rule.antecedent,
            rule.consequent,
            _when(number),
            rule.status,
            None,
            None,
            reasons.get(rule.status),
            _when(number, 9),
            1,
            1 if rule.status == "active" else None,
            counts[rule.consequent],
            0,
            0,
            0,
        ]
        for number, rule in enumerate(ALIASES, 1)
    ]


def _implications() -> list[list[object]]:
    return [
        [
            number,
            rule.antecedent,
            rule.consequent,
            _when(number),
            rule.status,
            None,
            None,
            None,
            _when(number, 9),
            1 if rule.status == "active" else None,
            1,
            "{" + ",".join(sorted(closure({rule.consequent}))) + "}",
            0,
            0,
            0,
        ]
        for number, rule in enumerate(implications(), 1)
    ]


def _pools(
    rng: np.random.Generator, posts: list[Post], pools: list[Pool], last: int
) -> list[list[object]]:
    rows = []
    for number, pool in zip(rng.permutation(len(pools)) + 1, pools, strict=True):
        members = ",".join(str(posts[at].id) for at in pool.members)
        row = [int(number), pool.name, _when(last, int(number)), _when(last, int(number) + 60)]
        active = "t" if number % 9 else "f"
        rows.append([*row, 1, pool.description, active, pool.category, "{" + members + "}"])
    return sorted(rows)
