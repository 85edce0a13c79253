"""Pictures: naming what held-out ones show, and finding the posts they belong with.

Posts with a parent are left out, because variants are near-duplicates and would be
a leak; a fifth of the rest is held out. Places in the space of posts are judged by
pools: of the ten nearest posts, without the picture's own, how many share a pool
with it.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..embedding.dictionary import unit_rows
from ..hydrate.previews import preview_path
from ..pictures.examples import Candidates, hold_out, read_examples
from ..pictures.recognizer import HELD_OUT, Recognizer, judge_recognizer, train
from ..recommend.postgraph import PostGraph
from ..store import Store, parquet
from .report import Figure, Table, waiting

TITLE = "Pictures held out of the training"
NEAREST_POSTS = 10  # looked at for each picture
TIMED_PICTURES = 100  # from the file on


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Make the tables of naming and of placing; `args.previews` says where the pictures are."""
    if not args.previews:
        return [Table(TITLE, (), [], ["left out: --previews DIR says where the pictures are"])]
    store = Store(args.index)
    candidates = Candidates.of(store, args.ratings, args.seed).with_previews(args.previews)
    columns = parquet.read_table(store, "posts.parquet", "id", "parent_id")
    candidates = candidates.take(columns["parent_id"].is_null().to_numpy()[candidates.rows])
    if not len(candidates):
        note = f"left out: {args.previews} has no preview of these posts"
        return [Table(TITLE, (), [], [note])]

    examples, broken = read_examples(store, candidates, args.previews)
    with waiting("training and naming"):
        rows, tags = judge_recognizer(examples, args.seed)
    note = f"{len(examples.rows):,} pictures, {len(broken)} broken; mAP over {tags} tags"
    naming = Table(TITLE, ("predictor", "p@5", "mAP"), rows, [note])

    held = hold_out(examples.families, HELD_OUT, np.random.default_rng(args.seed))
    with waiting("training once more, to place the pictures"):
        model = train(examples.take(~held), args.seed)
    in_order = candidates.take(np.argsort(candidates.rows))
    ids = columns["id"].to_numpy()[in_order.rows]
    if len(ids) != len(examples.rows):
        return [naming, Table("Placing", (), [], ["left out: some previews are broken"])]

    own = unit_rows(examples.means() @ graph.operator.T)[held]
    placed = unit_rows(model.vectors(examples.rows[held]) @ graph.operator.T)
    shares = [
        ("chance", chance_of_pool(graph, ids[held])),
        ("picture", share_in_pool(graph, ids[held], placed)),
        ("the post's own tags", share_in_pool(graph, ids[held], own)),
    ]
    paths = [preview_path(args.previews, md5) for md5 in in_order.md5s[held]]
    ms = median_ms(model, paths[:TIMED_PICTURES])
    note = f"{ms:.1f} ms a picture, read, decoded and embedded (median)"
    return [
        naming,
        Table("Of the ten nearest posts, in one pool", ("by", "share"), shares, [note]),
    ]


def pools_of_posts(graph: PostGraph) -> dict[int, set[int]]:
    """Return the numbers of the pools that each post id is in."""
    pools: dict[int, set[int]] = {}
    for number, members in enumerate(graph.posts.pools["post_ids"].to_pylist()):
        for post_id in members:
            pools.setdefault(post_id, set()).add(number)
    return pools


def share_in_pool(graph: PostGraph, ids: np.ndarray, vectors: np.ndarray) -> float:
    """Average how many of the nearest posts share a pool with a post, over posts in pools."""
    pools, shares = pools_of_posts(graph), []
    for post_id, vector in zip(ids.tolist(), vectors, strict=True):
        if post_id in pools and vector.any():
            near = graph.neighbors(vector, NEAREST_POSTS + 1)[0].tolist()
            others = [other for other in near if other != post_id][:NEAREST_POSTS]
            same = [bool(pools[post_id] & pools.get(other, set())) for other in others]
            shares.append(np.mean(same))
    return float(np.mean(shares)) if shares else float("nan")


def chance_of_pool(graph: PostGraph, ids: np.ndarray) -> float:
    """Compute the same for posts drawn at random: the size of the pools over the board's."""
    sizes = [len(members) for members in graph.posts.pools["post_ids"].to_pylist()]
    pools = pools_of_posts(graph)
    shares = [sum(sizes[k] for k in pools[i]) for i in ids.tolist() if i in pools]
    return float(np.mean(shares)) / len(graph.posts) if shares else float("nan")


def median_ms(model: Recognizer, paths: Sequence[Path]) -> float:
    """Measure the median milliseconds from the file to the vector."""
    seconds = []
    for path in paths:
        start = time.perf_counter()
        model.embed(path)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) * 1000
