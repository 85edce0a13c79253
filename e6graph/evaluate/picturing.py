"""Pictures: naming what held-out ones show, and finding the posts they belong with.

Posts with a parent are left out (variants are near-duplicates, so they would be a leak); a fifth of
the rest is held out. Places in the space of posts are judged by pools: of the ten nearest posts,
the picture's own left out, how many share a pool with it.
"""

from __future__ import annotations

import time
from argparse import Namespace

import numpy as np

from ..embedding.dictionary import unit_rows
from ..hydrate.previews import preview_path
from ..pictures.examples import Candidates, hold_out, read_examples
from ..pictures.recognizer import HELD_OUT, Recognizer, judge_recognizer, train
from ..recommend.postgraph import PostGraph
from ..store import Store, parquet
from .report import Table

TITLE = "Pictures held out of the training"
NEAREST, TIMED = 10, 100  # posts looked at for each picture; pictures timed from the file on


def section(graph: PostGraph, args: Namespace) -> list[Table]:
    """Tables of naming and of placing; `args.previews` says where the pictures are."""
    if not args.previews:
        return [Table(TITLE, (), [], ["--previews DIR is needed: left out"])]
    store = Store(args.index)
    candidates = Candidates.of(store, args.ratings, args.seed).with_previews(args.previews)
    parents = parquet.read_table(store, "posts.parquet", "parent_id")["parent_id"]
    alone = parents.is_null().to_numpy()[candidates.rows]
    candidates = candidates.take(alone)
    if not len(candidates):
        return [
            Table(TITLE, (), [], [f"{args.previews} has no preview of these posts: left out"])
        ]
    examples, broken = read_examples(store, candidates, args.previews)
    rows, tags = judge_recognizer(examples, args.seed)
    notes = [f"{len(examples.rows):,} pictures, {len(broken)} broken; mAP over {tags} tags"]
    naming = Table(TITLE, ("predictor", "p@5", "mAP"), rows, notes)

    held = hold_out(examples.families, HELD_OUT, np.random.default_rng(args.seed))
    model = train(examples.take(~held), args.seed)
    in_order = candidates.take(np.argsort(candidates.rows))
    all_rows = parquet.read_table(store, "posts.parquet", "id")["id"].to_numpy()
    ids = all_rows[in_order.rows]
    if len(ids) != len(examples.rows):
        return [naming, Table("Placing", (), [], ["some previews are broken: left out"])]
    own = unit_rows(examples.means() @ graph.operator.T)[held]
    placed = unit_rows(model.vectors(examples.rows[held]) @ graph.operator.T)
    rows = [
        ("chance", _chance(graph, ids[held])),
        ("picture", _shared(graph, ids[held], placed)),
        ("the post's own tags", _shared(graph, ids[held], own)),
    ]
    milliseconds = _timed(model, [preview_path(args.previews, m) for m in in_order.md5s[held]])
    notes = [f"{milliseconds:.1f} ms a picture, read, decoded and embedded (median)"]
    return [
        naming,
        Table("Of the ten nearest posts, in one pool", ("by", "share"), rows, notes),
    ]


def _pools(graph: PostGraph) -> dict[int, set[int]]:
    """Post id → numbers of its pools."""
    of: dict[int, set[int]] = {}
    for number, members in enumerate(graph.posts.pools["post_ids"].to_pylist()):
        for post_id in members:
            of.setdefault(post_id, set()).add(number)
    return of


def _shared(graph: PostGraph, ids: np.ndarray, vectors: np.ndarray) -> float:
    """Mean share of the nearest posts that share a pool with each post, of posts in a pool."""
    pools, shares = _pools(graph), []
    for post_id, vector in zip(ids.tolist(), vectors, strict=True):
        if post_id in pools and vector.any():
            near = [i for i in graph.neighbors(vector, NEAREST + 1)[0].tolist() if i != post_id]
            same = [not pools[post_id].isdisjoint(pools.get(i, ())) for i in near[:NEAREST]]
            shares.append(np.mean(same))
    return float(np.mean(shares)) if shares else float("nan")


def _chance(graph: PostGraph, ids: np.ndarray) -> float:
    """The same for posts drawn at random: the size of the pool over that of the board."""
    sizes = [len(m) for m in graph.posts.pools["post_ids"].to_pylist()]
    pools = _pools(graph)
    shares = [sum(sizes[k] for k in pools[i]) for i in ids.tolist() if i in pools]
    return float(np.mean(shares)) / len(graph.posts) if shares else float("nan")


def _timed(model: Recognizer, paths: list) -> float:
    """Median milliseconds from the file to the vector."""
    spent = []
    for path in paths[:TIMED]:
        start = time.perf_counter()
        model.embed(path)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent)) * 1000
