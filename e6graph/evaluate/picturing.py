"""Pictures: naming what held-out ones show, and finding the posts they belong with.

Posts with a parent are left out, because variants are near-duplicates and would
leak; a fifth of the rest is held out. Places in the space of posts are judged by
pools: of the ten nearest posts, without the picture's own, how many share a pool
with it.
"""

from __future__ import annotations

import math
import time
from argparse import Namespace
from collections import defaultdict
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

    examples, broken = read_examples(store, candidates, args.previews)
    with waiting("training and naming"):
        rows, tags = judge_recognizer(examples, args.seed)
    pictures = len(examples.rows)
    note = f"{pictures:,} pictures, {len(broken)} broken; mAP over {tags} tags"
    naming = Table(TITLE, ("predictor", "p@5", "mAP"), rows, [note])

    rng = np.random.default_rng(args.seed)
    held = hold_out(examples.families, HELD_OUT, rng)
    with waiting("training once more, to place the pictures"):
        model = train(examples.take(~held), args.seed)
    if broken:
        return [naming, _left_out("some previews are broken", "Placing")]

    in_order = candidates.take(np.argsort(candidates.rows))
    ids = columns["id"].to_numpy()[in_order.rows[held]]
    own = unit_rows(examples.means() @ graph.operator.T)[held]
    placed = unit_rows(model.vectors(examples.rows[held]) @ graph.operator.T)
    shares = [
        ("chance", chance_of_pool(graph, ids)),
        ("picture", share_in_pool(graph, ids, placed)),
        ("the post's own tags", share_in_pool(graph, ids, own)),
    ]
    timed = in_order.md5s[held][:TIMED_PICTURES]
    ms = median_ms(model, [preview_path(args.previews, md5) for md5 in timed])
    note = f"{ms:.1f} ms a picture, read, decoded and embedded (median)"
    title = "Of the ten nearest posts, in one pool"
    return [naming, Table(title, ("by", "share"), shares, [note])]


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
