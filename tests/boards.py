"""Small exports written by hand, and a planted board that the whole pipeline runs on in seconds.

    write_export(directory, [post(3, "fox night"), post(5, "fox", rating="q")],
                 aliases=[("vixen", "fox")], implications=[("fox", "canine")],
                 pools=[(1, "a_story", [5, 3])])

`planted_export` draws posts from clusters of tags that never mix: what belongs together is known.
"""

import csv
import gzip
import hashlib
import io
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

# The site's columns, in its order.
COLUMNS = {
    "posts": "id uploader_id created_at md5 source rating image_width image_height tag_string "
    "locked_tags fav_count file_ext parent_id change_seq approver_id file_size comment_count "
    "description duration updated_at is_deleted is_pending is_flagged score up_score down_score "
    "is_rating_locked is_status_locked is_note_locked bg_color",
    "tags": "id name category post_count created_at updated_at is_locked",
    "tag_aliases": "id antecedent_name consequent_name created_at status",
    "tag_implications": "id antecedent_name consequent_name created_at status",
    "pools": "id name created_at updated_at creator_id description is_active category post_ids",
}
AWKWARD = 'A "quoted", comma\'d line\r\nand another\n\nand "" the end'


def post(post_id, tags, **columns):
    """A row of posts: `tags` is the tag_string, other columns by name."""
    row = {
        "id": post_id,
        "tag_string": tags,
        "md5": hashlib.md5(str(post_id).encode()).hexdigest(),
        "uploader_id": 1,
        "rating": "s",
        "image_width": 640,
        "image_height": 480,
        "fav_count": 0,
        "file_ext": "png",
        "file_size": 1000,
        "is_deleted": "f",
        "is_pending": "f",
        "is_flagged": "f",
        "score": 0,
    }
    return row | columns


def write_table(directory, table, rows, columns=None, name=None):
    """Write dicts as a CSV file and return its path.

    `columns` (names) replaces the site's; `name` replaces `TABLE.csv.gz`, and without `.gz` the
    file is plain.
    """
    columns = COLUMNS[table].split() if columns is None else list(columns)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, columns, restval="", extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return write_text(directory, name or f"{table}.csv.gz", text.getvalue())


def write_text(directory, name, text):
    """Write text or bytes as a file of an export, gzipped if its name says so."""
    path = Path(directory) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def write_export(directory, posts, tags=None, aliases=(), implications=(), pools=()):
    """Write all five tables and return the directory.

    Parameters
    ----------
    posts : rows, from `post`.
    tags : name -> category; by default every tag of the posts, all of category 0.
    aliases, implications : (antecedent, consequent) or (antecedent, consequent, status).
    pools : (id, name, post ids) or (id, name, post ids, category).
    """
    posts = list(posts)
    if tags is None:
        tags = dict.fromkeys((t for row in posts for t in row["tag_string"].split()), 0)
    write_table(directory, "posts", posts)
    names = [{"id": i, "name": n, "category": c} for i, (n, c) in enumerate(tags.items(), 1)]
    write_table(directory, "tags", names)
    for table, pairs in (("tag_aliases", aliases), ("tag_implications", implications)):
        rows = [
            {"id": i, "antecedent_name": a, "consequent_name": b, "status": (*s, "active")[0]}
            for i, (a, b, *s) in enumerate(pairs, 1)
        ]
        write_table(directory, table, rows)
    rows = [
        {
            "id": i,
            "name": name,
            "category": (*category, "series")[0],
            "post_ids": f"{{{','.join(map(str, ids))}}}",
        }
        for i, name, ids, *category in pools
    ]
    write_table(directory, "pools", rows)
    return Path(directory)


# head (a species or a thing), what it implies in turn, and what goes with it
CLUSTERS = {
    "fox": (
        ["canine", "mammal"],
        "forest moss lantern autumn scarf trail mushroom ember_(artist)",
    ),
    "owl": (
        ["bird"],
        "tree_hollow moonlight feathers book candle attic spectacles quill_(artist)",
    ),
    "otter": (
        ["mustelid", "mammal"],
        "river pebbles reeds fishing raft swimming dam brook_(artist)",
    ),
    "dragon": (["scalie"], "mountain hoard gold castle wings smoke banner flint_(artist)"),
    "tram": (["vehicle"], "city rain umbrella street bell rails ticket sepia_(artist)"),
    "teapot": (
        ["crockery"],
        "kitchen steam biscuits table spoon window curtain saffron_(artist)",
    ),
}
ANYWHERE = ["sky", "night", "day", "outside", "smiling", "detailed_background"]
ARTIST, SPECIES = 1, 5


@dataclass
class Planted:
    """What `planted_export` wrote.

    Attributes
    ----------
    cluster : post id -> head of its cluster, for posts that an import keeps. tags : its tag_string.
    pools : pool id -> members. forbidden : ids under the never-shown rule. deleted : ids.
    """

    directory: Path
    cluster: dict[int, str] = field(default_factory=dict)
    tags: dict[int, str] = field(default_factory=dict)
    pools: dict[int, list[int]] = field(default_factory=dict)
    forbidden: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)


def planted_export(directory, posts=360, seed=0):
    """Write an export of `posts` posts in six clusters of tags; returns a `Planted`.

    A post holds its cluster's head, what that implies, four of the cluster's eight other tags and
    one or two of `ANYWHERE`. Ids have gaps. Of 36 posts one is deleted and four are rated q; the
    rest are s. Some safe posts hold `young`, and a few q posts do: those are forbidden. Pools are
    of four posts of one cluster, in no order.
    """
    rng = np.random.default_rng(seed)
    made, rows = Planted(Path(directory)), []
    ids = 10 + np.cumsum(rng.integers(1, 5, posts))
    heads = list(CLUSTERS)
    for i, post_id in enumerate(ids.tolist()):
        head = heads[rng.integers(len(heads))]
        implied, others = CLUSTERS[head]
        tags = [head, *implied, *rng.choice(others.split(), 4, replace=False)]
        tags += rng.choice(ANYWHERE, rng.integers(1, 3), replace=False).tolist()
        rating = "q" if i % 9 == 4 else "s"
        deleted = i % 36 == 20
        if i % 30 == 13:  # rated q where 9 says so: 13, 103, 193 and 283
            tags.append("young")
        if i == posts - 1:
            tags.append("seen_once")
        text = " ".join(sorted(tags))
        rows.append(
            post(
                post_id,
                text,
                rating=rating,
                is_deleted="t" if deleted else "f",
                score=int(rng.integers(-5, 50)),
                fav_count=int(rng.integers(0, 90)),
                uploader_id=int(rng.integers(1, 9)),
                file_ext="jpg" if i % 2 else "png",
                description=AWKWARD if i % 10 == 0 else "",
            )
        )
        if deleted:
            made.deleted.add(post_id)
        elif rating != "s" and "young" in tags:
            made.forbidden.add(post_id)
        else:
            made.cluster[post_id], made.tags[post_id] = head, text
    for head in heads:
        members = [i for i, h in made.cluster.items() if h == head]
        rng.shuffle(members)
        for start in range(0, min(len(members) - 3, 24), 4):
            made.pools[len(made.pools) + 1] = members[start : start + 4]
    categories = dict.fromkeys(
        sorted({t for row in rows for t in row["tag_string"].split()}), 0
    )
    categories |= {name: ARTIST for name in categories if name.endswith("_(artist)")}
    categories |= {
        name: SPECIES for name in ("fox", "owl", "otter", "dragon", "canine", "mammal")
    }
    chains = [[head, *implied] for head, (implied, _) in CLUSTERS.items()]
    write_export(
        directory,
        rows,
        categories,
        aliases=[
            ("vixen", "fox"),
            ("todd", "vixen"),
            ("kettle", "teapot"),
            ("bird", "owl", "deleted"),
        ],
        implications=sorted({(a, b) for chain in chains for a, b in pairwise(chain)}),
        pools=[
            (i, f"{made.cluster[m[0]]}_{i}", m, "collection") for i, m in made.pools.items()
        ],
    )
    return made


FAMILY_TAGS = "fox forest moss lantern autumn scarf"  # that say enough together
FAMILY_COMIC = [401, 405, 403, 409]  # in reading order


def families_export(directory):
    """Write an export of families of every kind, and of what only looks like one."""

    def variant(post_id, parent="", tags=FAMILY_TAGS, **columns):
        size = {"image_width": 500 + post_id, "image_height": 400}
        return post(post_id, tags, parent_id=parent, **(size | columns))

    sizes = {"image_width": 1000, "image_height": 700}
    posts = [
        # a chain whose middle is not in the export, and another child of it
        variant(10),
        variant(12, 10),
        variant(14, 13),
        variant(16, 13, f"{FAMILY_TAGS} rain"),
        variant(18, 16, "tram"),
        variant(20, 20, "tram rain"),
        # one picture without a parent: the same tags, size and uploader, side by side
        *(post(i, f"{FAMILY_TAGS} snow 0", **sizes) for i in (30, 31, 33)),
        post(34, f"{FAMILY_TAGS} snow 0", image_width=1000, image_height=701),
        post(35, f"{FAMILY_TAGS} snow 0", uploader_id=2, **sizes),
        post(36, f"{FAMILY_TAGS} snow 0 owl", **sizes),
        post(40, "tram rain", **sizes),
        post(41, "tram rain", **sizes),  # these tags say too little
        post(50, f"{FAMILY_TAGS} hat", image_width=0, image_height=0),
        post(51, f"{FAMILY_TAGS} hat", image_width=0, image_height=0),  # nothing known of them
        *(post(i, f"{FAMILY_TAGS} boat", **sizes) for i in (300, 350)),
        # pages of a comic, tied by parents and alike: no variants; its page 2 has one
        *(
            variant(i, 401 if i != 401 else "", f"{FAMILY_TAGS} comic", **sizes)
            for i in sorted(FAMILY_COMIC)
        ),
        variant(450, 405, "fox rain sketch"),
        variant(460, "", "fox snow sketch"),
    ]
    rng = np.random.default_rng(0)
    things = ["tram", "rain", "teapot", "steam", "owl", "book", "river", "raft"]
    posts += [
        post(1000 + 20 * i, " ".join(rng.choice(things, 3, replace=False))) for i in range(300)
    ]
    story = (1, "story", FAMILY_COMIC, "series")
    liked = (2, "liked", [12, 30, 99], "collection")
    return write_export(directory, posts, pools=[story, liked])
