"""Make an annoy index of all posts that may be shown, and the tables that are served with it.

Reads index/posts.parquet, dictionary.npz and attenuator.npz; writes index/posts.skip{OFFSET}.ann
(annoy id + offset = post id), posts.arrow, tags_posts.arrow, ranking.npz (what counts in the order
of recommendations, learned from half of the pools) and, with --graph, neighbors.npy.
"""

import sys

from e6graph import cli  # first: it says which package is missing

# isort: split
import numpy as np

from e6graph.embedding.dictionary import Dictionary
from e6graph.errors import BadArtifact, BadInput
from e6graph.graph import build, neighbors
from e6graph.recommend.posts import Posts, save_served_posts
from e6graph.recommend.ranking import Ranking
from e6graph.recommend.weights import learn_weights, save_weights
from e6graph.store import Store
from e6graph.store.progress import ticking

INPUTS = ["posts.parquet", "pools.parquet", "tags.txt.gz", "dictionary.npz", "attenuator.npz"]


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--offset", type=cli.natural, help="leave out posts of smaller ids; without it, none")
    add("--trees", type=cli.positive, default=32, help="more raise recall and the file's size")
    add("--jobs", type=cli.threads, default=1, help="-1: all cores; above 1 the bytes vary")
    add("--graph", type=cli.natural, default=0, metavar="K", help="neighbors kept of each post")
    nodes = "nodes that a search looks at; without it, enough for recall 0.95"
    add("--search-k", type=cli.positive, help=nodes)
    add("--seed", type=cli.natural, default=0, help="seed of the trees and of the sample")
    args = parser.parse_args(argv)
    report, store = cli.Report(), Store(args.index)
    neighbors.probe()

    words = Dictionary.open(store)
    dim = words.vecs.shape[1]
    operator = store.load_npz("attenuator.npz", "operator")["operator"]
    if operator.shape != (dim, dim):
        raise BadArtifact(
            f"attenuator.npz is {operator.shape}, the dictionary has {dim} dimensions: "
            "run solve_attenuator.py again"
        )
    about = {"metric": neighbors.METRIC, "dim": dim, "trees": args.trees, "seed": args.seed}
    replaces = [neighbors.PATTERN, "neighbors.npy"]
    with store.stage("construct_index.py", about, INPUTS, replaces) as stage:
        # Vectors go into the index block by block; the first post sets the offset.
        offset, builder = args.offset, None
        indexed, left_out = [], np.zeros(len(build.LEFT_OUT), int)
        for ids, vectors, counts in build.post_vectors(store, words, operator, offset or 0):
            left_out += counts
            if not len(ids):
                continue
            if builder is None:
                offset = int(ids[0]) if offset is None else offset
                path = stage.path(neighbors.PATTERN.replace("*", str(offset)))
                builder = neighbors.Builder(path, dim, offset, args.seed)
            builder.add(ids, vectors)
            indexed.append(ids)
        reasons = list(zip(build.LEFT_OUT, left_out.tolist(), strict=True))
        if builder is None:
            raise BadInput(f"no post to index, left out: {reasons}: nothing was replaced")
        builder.build(args.trees, args.jobs)

        # How hard to search is measured on the index itself.
        ids = np.concatenate(indexed)
        items = int(ids[-1]) - offset + 1
        found = neighbors.Neighbors(path, dim, items, offset, args.search_k or 0)
        stored = neighbors.stored_vectors(path, dim, items)
        ladder = [args.search_k] if args.search_k else build.LADDER
        rows = build.tune(found, ids, stored, ladder, seed=args.seed)
        search_k = found.search_k = rows[-1][0]
        about |= {"offset": offset, "items": items, "posts": len(ids), "search_k": search_k}
        with ticking("tables of posts"):
            save_served_posts(store, stage, lambda block: np.isin(block, ids))
        ranking = Ranking(Posts(store, stage), neighbors=found)
        weights, agreement, cases = learn_weights(ranking, args.seed)
        save_weights(stage, weights, agreement)
        if args.graph:
            table = build.neighbor_table(found, ids, args.graph)
            with open(stage.path("neighbors.npy"), "wb") as file:
                np.save(file, table, allow_pickle=False)

    print(cli.table([(count, why) for why, count in reasons], ("posts left out", "why")))
    print(cli.table(rows, ("search_k", "recall@10")))
    print(cli.table(weights.items(), ("part of the ranking", "weight")))
    report.wrote(store.path(neighbors.PATTERN), f"{len(ids):,} posts × {dim}")
    report.wrote(store.path("posts.arrow"), f"{len(ids):,} posts")
    report.wrote(store.path("tags_posts.arrow"), "their rows by tag")
    said = "the defaults: no pools to learn from"
    if cases:
        said = f"learned from {cases:,} {'query' if cases == 1 else 'queries'}"
    report.wrote(store.path("ranking.npz"), f"{len(weights)} weights, {said}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
