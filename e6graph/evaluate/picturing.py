"""Pictures: naming what held-out ones show, and finding the posts they belong with.

Posts with a parent are left out, because variants are near-duplicates and would
leak; a fifth of the rest is held out. Places in the space of posts are judged by
pools: of the ten nearest posts, without the picture's own, how many share a pool
with it. Changed copies of held-out pictures are named by the same training; they are
looked for among all pictures.
"""

from __future__ import annotations

import io
import math
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..embedding.dictionary import unit_rows
from ..hydrate.previews import preview_path
from ..pictures.copies import gray
from ..pictures.encoder import Encoder
from ..pictures.examples import Candidates, Examples, read_examples
from ..pictures.features import features_of, raster_size, read_pictures
from ..pictures.judging import Judge
from ..pictures.look_alike import SeenPictures
from ..pictures.opening import enough_for, open_picture
from ..pictures.recognizer import Recognizer, train
from ..recommend.postgraph import PostGraph
from ..store import Store, parquet
from .report import Figure, Table, waiting

TITLE = "Pictures held out of the training"
NEAREST_POSTS = 10  # looked at for each picture
TIMED_PICTURES = 100  # from the file on


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Make the tables of naming and of placing pictures."""
    if not args.previews:
        return [_left_out("--previews DIR says where the pictures are")]
    store = Store(args.index)
    candidates = Candidates.of(store, args.ratings, args.seed)
    candidates = candidates.with_previews(args.previews)
    columns = parquet.read_table(store, "posts.parquet", "id", "parent_id")
    alone = columns["parent_id"].is_null().to_numpy()
    candidates = candidates.take(alone[candidates.rows])
    if not len(candidates):
        return [_left_out(f"{args.previews} has no preview of these posts")]

    encoder = graph.encoder
    examples, broken = read_examples(store, candidates, args.previews, encoder)
    with waiting("training and naming"):
        judge = Judge(examples, args.seed)
        model = train(judge.known, args.seed)
        rows = judge.compare(model)
    pictures = len(examples.rows)
    notes = [f"{pictures:,} pictures, {len(broken)} broken; mAP over {judge.tags} tags"]
    if encoder:
        notes.append(f"with the encoder {encoder.path.name}, as recognizer.npz was made")
    naming = Table(TITLE, ("predictor", "p@5", "mAP"), rows, notes)
    if broken:
        return [naming, _left_out("some previews are broken", "Placing")]

    in_order = candidates.take(np.argsort(candidates.rows)).take(judge.places)
    paths = [preview_path(args.previews, md5) for md5 in in_order.md5s]
    with waiting("changed copies"):
        copies = _changed_copies(model, judge, examples, paths)
    ids = columns["id"].to_numpy()[in_order.rows]
    own = unit_rows(judge.asked.means() @ graph.operator.T)
    placed = unit_rows(model.vectors(judge.asked.rows) @ graph.operator.T)
    shares = [
        ("chance", chance_of_pool(graph, ids)),
        ("picture", share_in_pool(graph, ids, placed)),
        ("the post's own tags", share_in_pool(graph, ids, own)),
    ]
    ms = median_ms(model, paths[:TIMED_PICTURES])
    note = f"{ms:.1f} ms a picture, read, decoded and embedded (median)"
    title = "Of the ten nearest posts, in one pool"
    return [naming, Table(title, ("by", "share"), shares, [note]), copies]


def _compressed(picture: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return open_picture(data.getvalue())


def _turned(picture: Image.Image, degrees: float) -> Image.Image:
    corner = picture.getpixel((0, 0))
    return picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=corner)


def _cropped(picture: Image.Image, share: float) -> Image.Image:
    """Take `share` of the width and height away, half of it on each side."""
    wide, high = picture.size
    x, y = wide * share / 2, high * share / 2
    return picture.crop((round(x), round(y), round(wide - x), round(high - y)))


def _cut(picture: Image.Image, share: float) -> Image.Image:
    """Take `share` of the width away, on the left."""
    return picture.crop((round(picture.width * share), 0, *picture.size))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda picture: picture,
    "gray": gray,
    "turned 5°": lambda picture: _turned(picture, 5),
    "turned 10°": lambda picture: _turned(picture, 10),
    "cropped by 10 %": lambda picture: _cropped(picture, 0.1),
    "cropped by 20 %": lambda picture: _cropped(picture, 0.2),
    "10 % off the left": lambda picture: _cut(picture, 0.1),
    "JPEG quality 30": lambda picture: _compressed(picture, 30),
    "64 × 64": lambda picture: picture.resize((64, 64)),
}


def _features(
    change: Callable[[Image.Image], Image.Image], encoder: Encoder | None, picture: Image.Image
) -> np.ndarray:
    return features_of(change(picture), encoder)


def _changed_copies(
    model: Recognizer, judge: Judge, examples: Examples, paths: Sequence[Path]
) -> Table:
    """Name changed copies of the held-out pictures, and look for what they are copies of.

    Parameters
    ----------
    examples : those that `judge` was made of.
    paths : of the pictures asked about.
    """
    seen = SeenPictures.of(examples)
    enough = enough_for(raster_size(model.encoder))
    rows = []
    for name, change in CHANGES.items():
        found, _ = read_pictures(paths, partial(_features, change, model.encoder), enough)
        changed = np.stack(found)
        likest = [int(seen.likeness(row).argmax()) for row in changed]
        first = float(np.mean(np.array(likest) == judge.places))
        rows.append((name, *judge.judge(model, changed), first))

    # Pictures that were held out are strangers to the rest.
    rest = SeenPictures.of(judge.known)
    claimed = [rest.likeness(row).max() >= rest.sure_from[0] for row in judge.asked.rows]
    note = (
        f"first: the copy's original is the likest of {len(examples.rows):,} pictures; of "
        f"{len(claimed):,} pictures that were not seen, {np.mean(claimed):.1%} are taken "
        f"for one that was (likeness {rest.sure_from[0]:.3f} and above)"
    )
    return Table("Changed copies", ("copy", "p@5", "mAP", "first"), rows, [note])


def _left_out(why: str, title: str = TITLE) -> Table:
    return Table(title, (), [], [f"left out: {why}"])


def pools_of_posts(graph: PostGraph) -> dict[int, set[int]]:
    """Return the numbers of the pools that each post id is in."""
    pools: dict[int, set[int]] = defaultdict(set)
    for number, members in enumerate(graph.posts.pools["post_ids"].to_pylist()):
        for post_id in members:
            pools[post_id].add(number)
    return dict(pools)


def share_in_pool(graph: PostGraph, ids: np.ndarray, vectors: np.ndarray) -> float:
    """Average the share of the nearest posts that are in a pool with a post."""
    pools, shares = pools_of_posts(graph), []
    for post_id, vector in zip(ids.tolist(), vectors, strict=True):
        if post_id in pools and vector.any():
            near, _ = graph.neighbors(vector, NEAREST_POSTS + 1)
            others = near[near != post_id][:NEAREST_POSTS].tolist()
            alone = [pools[post_id].isdisjoint(pools.get(id_, ())) for id_ in others]
            shares.append(1 - np.mean(alone))
    return float(np.mean(shares)) if shares else math.nan


def chance_of_pool(graph: PostGraph, ids: np.ndarray) -> float:
    """Compute the same for posts drawn at random: the pools' sizes by the board's."""
    members = graph.posts.pools["post_ids"].combine_chunks()
    sizes = members.value_lengths().to_numpy()
    pools = pools_of_posts(graph)
    shares = [sizes[list(pools[id_])].sum() for id_ in ids.tolist() if id_ in pools]
    return float(np.mean(shares)) / len(graph.posts) if shares else math.nan


def median_ms(model: Recognizer, paths: Sequence[Path]) -> float:
    """Measure the median milliseconds from the file to the vector."""
    seconds = []
    for path in paths:
        start = time.perf_counter()
        model.embed(path)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) * 1000
