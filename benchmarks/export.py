"""An export of any size in the site's layout, for timing: made-up words, no pictures.

    python -m benchmarks.export POSTS DIR

Frequencies follow E6DB's fit to the real site's tags; a post mixes tags drawn from
all with tags of three of its 400 themes, so that neighbors mean something. All
columns are made by Arrow and NumPy, 50,000 posts at a time; the same number and
seed give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TAGS = 100_000
THEMES = 400
THEME_TAGS = 600
CHUNK = 50_000  # posts made at a time
MEAN = 38.0  # of the gamma distribution of tags a post; a tenth of them are drawn twice
SHAPE = 3.0  # of that distribution
SYLLABLES = [c + v + e for c in "bdfgklmnprst" for v in "aeiou" for e in ("", "n")][:100]
POSTS = [
    "id",
    "uploader_id",
    "created_at",
    "md5",
    "source",
    "rating",
    "image_width",
    "image_height",
    "tag_string",
    "locked_tags",
    "fav_count",
    "file_ext",
    "parent_id",
    "change_seq",
    "approver_id",
    "file_size",
    "comment_count",
    "description",
    "duration",
    "updated_at",
    "is_deleted",
    "is_pending",
    "is_flagged",
    "score",
    "up_score",
    "down_score",
    "is_rating_locked",
    "is_status_locked",
    "is_note_locked",
    "bg_color",
    "last_noted_at",
    "last_commented_at",
]
WHEN = "2020-01-01 00:00:00"


def frequencies(tags: int = TAGS) -> np.ndarray:
    """Return the share of each rank among all uses, float64 (tags,); E6DB's fit to the site."""
    rank = np.arange(1.0, tags + 1)
    used = np.exp(26.4284 * np.tanh(2.93505 * rank**-0.136501) - 11.492)
    return used / used.sum()


def names(tags: int = TAGS) -> pa.Array:
    """Return a different word for each rank: `baba`, `baban`, `babe` ..."""
    count = len(SYLLABLES)
    return pa.array(
        SYLLABLES[i // count**2] + SYLLABLES[i // count % count] + "_" + SYLLABLES[i % count]
        for i in range(tags)
    )


class Drawing:
    """A generator of posts' tags.

    Row k of `pools` holds the tags of theme k, by how often it uses them.
    """

    def __init__(self, tags: int, rng: np.random.Generator) -> None:
        share = frequencies(tags)
        self.tags, self.rng, self.common = tags, rng, np.cumsum(share)
        size = min(THEME_TAGS, tags)
        # Gumbel's trick: the largest of log p + noise are a draw without replacement.
        keys = [0.8 * np.log(share) + rng.gumbel(size=tags) for _ in range(THEMES)]
        self.pools = np.array([np.argpartition(-key, size - 1)[:size] for key in keys])
        self.pools.sort(axis=1)
        self.theme = np.cumsum(1 / np.arange(1, size + 1) ** 0.7)
        self.theme /= self.theme[-1]

    def posts(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw the tag ids of `count` posts one after another, their offsets, and their themes."""
        rng = self.rng
        lengths = np.clip(rng.gamma(SHAPE, MEAN / SHAPE, count).round(), 2, 300).astype(
            np.int64
        )
        post = np.repeat(np.arange(count), lengths)
        themes = rng.integers(0, THEMES, (count, 3))
        place = np.searchsorted(self.theme, rng.random(len(post)))
        tag = self.pools[themes[post, rng.integers(0, 3, len(post))], place]
        common = rng.random(len(post)) < 0.6
        tag[common] = np.searchsorted(self.common, rng.random(int(common.sum())))
        pairs = np.sort(post * self.tags + np.minimum(tag, self.tags - 1))
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        counts = np.bincount(pairs // self.tags, minlength=count)
        return pairs % self.tags, np.concatenate([[0], np.cumsum(counts)]), themes[:, 0]


def write_export(directory: str | Path, posts: int, tags: int = TAGS, seed: int = 0) -> None:
    """Write posts, tags, tag_aliases, tag_implications and pools as `.csv.gz`."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    drawing, words = Drawing(tags, rng), names(tags)
    used, first, pools = np.zeros(tags, np.int64), 1, []
    with open_gzip(directory / "posts.csv.gz") as file:
        for start in range(0, posts, CHUNK):
            count = min(CHUNK, posts - start)
            ids = first - 1 + np.cumsum(1 + (rng.random(count) < 0.1))
            first = int(ids[-1]) + 1
            tag_ids, offsets, theme = drawing.posts(count)
            used += np.bincount(tag_ids, minlength=tags)
            lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), words.take(tag_ids))
            table = _posts(ids, pc.binary_join(lists, " "), rng)
            write_rows(file, table, header=not start)
            pools += [ids[theme == k][:40] for k in range(0, THEMES, 4)]
    number = np.arange(1, tags + 1)
    category = rng.choice([0, 1, 3, 4, 5, 7], tags, p=[0.4, 0.3, 0.04, 0.2, 0.04, 0.02])
    some = np.arange(0, tags, 4)
    meant = words.take(some)
    old = pc.binary_join_element_wise("old", meant, "_")
    children = np.arange(min(40, tags), tags, 5)
    tables = {
        "tags": {"id": number, "name": words, "post_count": used, "category": category},
        "tag_aliases": {"id": some + 1, "antecedent_name": old, "consequent_name": meant},
        "tag_implications": {
            "id": children + 1,
            "antecedent_name": words.take(children),
            "consequent_name": words.take(children // 6),
        },
        "pools": {
            "id": np.arange(1, len(pools) + 1),
            "post_ids": pa.array(
                "{" + ",".join(map(str, pool.tolist())) + "}" for pool in pools
            ),
        },
    }
    tables["pools"]["name"] = pa.array(f"pool_{i}" for i in range(len(pools)))
    tables["pools"]["category"] = np.full(len(pools), "series")
    for name in ("tag_aliases", "tag_implications"):
        status = np.where(tables[name]["id"] % 40 == 1, "deleted", "active")
        tables[name]["status"] = status
    for name, columns in tables.items():
        with open_gzip(directory / f"{name}.csv.gz") as file:
            write_rows(file, pa.table(columns), header=True)


def _posts(ids: np.ndarray, tag_strings: pa.Array, rng: np.random.Generator) -> pa.Table:
    count = len(ids)
    digits = pa.py_buffer(rng.bytes(16 * count).hex().encode())
    offsets = pa.py_buffer(np.arange(0, 32 * count + 1, 32, dtype=np.int32))
    said = np.where(ids % 5 == 0, f'Said: "hello, no. {ids[0]}",\nand then "good night".', "")
    score, flag = rng.geometric(0.03, count), np.full(count, "f")
    known = {
        "id": ids,
        "uploader_id": ids % 9973,
        "tag_string": tag_strings,
        "md5": pa.StringArray.from_buffers(count, offsets, digits),
        "rating": rng.choice(list("sqe"), count, p=[0.45, 0.2, 0.35]),
        "image_width": rng.integers(300, 4000, count),
        "image_height": rng.integers(300, 4000, count),
        "fav_count": score * 2,
        "file_ext": np.where(ids % 3, "jpg", "png"),
        "change_seq": ids,
        "file_size": rng.integers(10_000, 9_000_000, count),
        "comment_count": ids % 7,
        "description": said,
        "is_deleted": np.where(rng.random(count) < 0.02, "t", "f"),
        "score": score,
        "up_score": score + 2,
        "down_score": np.full(count, -2),
        "created_at": np.full(count, WHEN),
        "updated_at": np.full(count, WHEN),
    }
    known |= {name: flag for name in POSTS if name.startswith("is_") and name not in known}
    return pa.table({name: known.get(name, pa.nulls(count, pa.string())) for name in POSTS})


def open_gzip(path: Path) -> gzip.GzipFile:
    return gzip.GzipFile(path, "wb", compresslevel=1, mtime=0)


def write_rows(file: gzip.GzipFile, table: pa.Table, header: bool) -> None:
    """Write rows as the site does: null is an empty field, quotes only where they are needed."""
    columns = []
    for column in table.combine_chunks().columns:
        text = pc.cast(column.combine_chunks(), pa.string())
        quoted = pc.binary_join_element_wise("", pc.replace_substring(text, '"', '""'), "", '"')
        columns.append(pc.if_else(pc.match_substring_regex(text, '[",\n]'), quoted, text))
    rows = pc.binary_join_element_wise(
        *columns, ",", null_handling="replace", null_replacement=""
    )
    if header:
        file.write((",".join(table.column_names) + "\n").encode())
    lines = pc.binary_join_element_wise(rows, "", "\n")  # with the end of each line
    file.write(
        pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "")[0].as_buffer()
    )


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("posts", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tags", type=int, default=TAGS)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    write_export(args.directory, args.posts, args.tags, args.seed)


if __name__ == "__main__":
    sys.exit(main())
