"""Make tag vectors by PMI-SVD, or E6DB's tag factors by ALS.

Reads index/posts.parquet and its tags; writes index/dictionary.npz (tags, vecs, frqs, tag_ids,
singular_values) and companions.arrow (which tags each tag meets most). With --method als it writes
implicit_tag_factors.safetensors, and on request implicit_post_factors.safetensors.
"""

import sys
from argparse import Namespace

from e6graph import cli  # first: it says which package is missing

# isort: split
import numpy as np

from e6graph.embedding import als, pair_counts
from e6graph.embedding import dictionary as pmi
from e6graph.embedding.companions import save_companions
from e6graph.embedding.interactions import iter_posts_by_tags
from e6graph.errors import EXTRAS, BadInput
from e6graph.store import Store
from e6graph.store.progress import counted
from e6graph.tags.vocabulary import load_vocabulary

SHOWN = 8  # tags whose neighbors are printed, from the tenth on: the commonest say little
ONLY_FOR = {
    "pmi-svd": ("dim", "smoothing", "eig_power"),
    "als": ("factors", "regularization", "iterations", "min_tags", "post_factors"),
}


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--method", choices=tuple(ONLY_FOR), default="pmi-svd", help="how vectors are made")
    add("--vocab", type=cli.positive, default=32768, help="how many of the most used tags")
    add("--min-count", type=cli.positive, default=2, help="leave out tags used less often")
    add("--rating-tags", action="store_true", help="also take tags such as rating_safe")
    add("--seed", type=cli.natural, default=0, help="seed of the SVD or of the factors")
    add("--tags", nargs="*", help="print neighbors of these; without it, of common tags")
    length, share, strength = cli.between(1, 65536), cli.share, cli.between(0, 1e6, float)
    add = parser.add_argument_group("for pmi-svd").add_argument
    add("--dim", type=length, default=pmi.DIMENSIONS, help="length of a vector")
    add("--smoothing", type=share, default=pmi.SMOOTHING, help="exponent of context counts")
    add("--eig-power", type=share, default=pmi.EIG_POWER, help="exponent of singular values")
    add = parser.add_argument_group(f"for als (see {EXTRAS})").add_argument
    add("--factors", type=length, default=als.FACTORS, help="length of a tag's factors")
    add("--regularization", type=strength, default=als.REGULARIZATION, help="its strength, λ")
    add("--iterations", type=cli.positive, default=als.ITERATIONS, help="rounds of solving")
    add("--min-tags", type=cli.natural, default=als.MIN_TAGS, help="fewest tags of a post")
    add("--post-factors", action="store_true", help="write the posts' factors too")
    args = parser.parse_args(argv)
    other = "als" if args.method == "pmi-svd" else "pmi-svd"
    for name in ONLY_FOR[other]:
        if getattr(args, name) != parser.get_default(name):
            parser.error(f"argument --{name.replace('_', '-')}: only with --method {other}")

    report, store = cli.Report(), Store(args.index)
    left_out = {"index", "tags", *ONLY_FOR[other]}
    parameters = {name: value for name, value in vars(args).items() if name not in left_out}
    made, name = (factors if args.method == "als" else pmi_svd)(args, store, parameters)
    print_neighbors(made, args.tags or [])
    report.wrote(store.path(name), f"{len(made.tags):,} tags × {made.vecs.shape[1]}")


def pmi_svd(args: Namespace, store: Store, parameters: dict) -> tuple[pmi.Dictionary, str]:
    vocabulary = load_vocabulary(store, args.vocab, args.min_count, args.rating_tags)
    if not vocabulary.names:
        raise BadInput(f"no tag is used {args.min_count:,} times or more: lower --min-count")
    read = counted(iter_posts_by_tags(store, vocabulary), "co-occurrence")
    held = np.zeros(len(vocabulary.names), np.int64)
    counts = pair_counts.cooccurrence(pair_counts.tallied((block for _, block in read), held))
    options = args.dim, args.smoothing, args.eig_power, args.seed
    made = pmi.embed_vocabulary(vocabulary, counts, *options)
    with store.stage("embed_tags.py", parameters, ["posts.parquet", "tags.txt.gz"]) as stage:
        made.save(stage)
        rows = np.isin(vocabulary.tag_ids, made.tag_ids)
        save_companions(stage, counts if rows.all() else counts[rows][:, rows], held[rows])
    print(f"{(~rows).sum():,} of {len(rows):,} tags never meet another: left out")
    return made, "dictionary.npz"


def factors(args: Namespace, store: Store, parameters: dict) -> tuple[pmi.Dictionary, str]:
    als.require_extras()
    limits = args.vocab, args.min_count, args.min_tags, args.rating_tags
    ids, matrix = als.load_training_posts(store, *limits)
    print(f"{len(ids):,} posts have {args.min_tags:,} direct tags or more and take part")
    options = args.factors, args.regularization, args.iterations, args.seed
    posts, tags = als.factorize(matrix, *options, progress=sys.stderr.isatty())
    inputs, old = ["posts.parquet", "tags.txt.gz", "tags.parquet"], [als.POST_FACTORS]
    with store.stage("embed_tags.py", parameters, inputs, replaces=old) as stage:
        als.save_factors(stage, tags, *((posts, ids) if args.post_factors else ()))
    made = als.load_tag_factors(store)
    print(f"{len(tags) - len(made.tags):,} of {len(tags):,} tags have zeros (ratings, unused)")
    return made, als.TAG_FACTORS


def print_neighbors(made: pmi.Dictionary, wanted: list[str]) -> None:
    if missing := [tag for tag in wanted if tag not in made.tags]:
        print(f"no vector: {', '.join(missing)}")
    last = len(made.tags) - 1
    common = np.unique(np.geomspace(min(10, last), min(1000, last), SHOWN).astype(int))
    rows = [made.tags.index(tag) for tag in wanted if tag in made.tags] or common
    near = ((made.tags[row], made.nearest(made.vecs[row], 5, but=row)) for row in rows)
    table = [(tag, ", ".join(other for other, _ in found)) for tag, found in near]
    print(cli.table(table, ("tag", "nearest tags")))


if __name__ == "__main__":
    sys.exit(cli.run(main))
