"""Tag vectors by PMI-SVD, or E6DB's tag factors by ALS.

Reads index/posts.parquet and its tags; writes index/dictionary.npz (tags, vecs, frqs, tag_ids,
singular_values) and companions.arrow (what each tag meets most), or with --method als
implicit_tag_factors.safetensors (tag_factors: a row a tag id, 0 upwards) and on request
implicit_post_factors.safetensors (post_factors, post_ids).
"""

import sys

from e6graph import cli  # first: it says which package is missing

# isort: split
import numpy as np
from tqdm import tqdm

from e6graph import errors
from e6graph.embedding import als
from e6graph.embedding.companions import save_companions
from e6graph.embedding.cooccurrence import cooccurrence, tallied
from e6graph.embedding.dictionary import embed_vocabulary
from e6graph.embedding.interactions import iter_posts_by_tags
from e6graph.errors import BadInput
from e6graph.store import Store
from e6graph.tags.vocabulary import load_vocabulary

SHOWN = 8  # tags whose neighbors are printed: the commonest say little, so from the tenth down
ONLY = {
    "pmi-svd": ("dim", "smoothing", "eig_power"),
    "als": ("factors", "regularization", "iterations", "min_tags", "post_factors"),
}


def main(argv=None):
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--method", choices=tuple(ONLY), default="pmi-svd", help="how the vectors are made")
    add("--vocab", type=cli.positive, default=32768, help="how many of the most used tags")
    add("--min-count", type=cli.positive, default=2, help="leave out tags used less often")
    add("--rating-tags", action="store_true", help="let rating_safe and its kin count as tags")
    add("--seed", type=cli.natural, default=0, help="of the randomised SVD, or of the factors")
    add(
        "--tags",
        nargs="*",
        default=None,
        help="show the neighbors of these; default: common ones",
    )
    add = parser.add_argument_group("pmi-svd alone").add_argument
    add("--dim", type=cli.positive, default=128, help="dimensions of the vectors")
    add(
        "--smoothing", type=cli.share, default=0.75, help="exponent of the context distribution"
    )
    add("--eig-power", type=cli.share, default=0.5, help="exponent of the singular values")
    add = parser.add_argument_group(f"als alone (see {errors.EXTRAS})").add_argument
    add("--factors", type=cli.positive, default=256, help="dimensions of the factors")
    add("--regularization", type=cli.between(0, 1e6, float), default=0.02, help="λ")
    add("--iterations", type=cli.positive, default=15, help="how often each side is solved")
    add(
        "--min-tags", type=cli.natural, default=11, help="direct tags a post needs to take part"
    )
    add("--post-factors", action="store_true", help="write the posts' factors too")
    args = parser.parse_args(argv)
    other = "als" if args.method == "pmi-svd" else "pmi-svd"
    for name in ONLY[other]:
        if getattr(args, name) != parser.get_default(name):
            parser.error(f"argument --{name.replace('_', '-')}: only with --method {other}")

    report, store = cli.Report(), Store(args.index)
    left_out = {"index", "tags", *ONLY[other]}
    parameters = {name: value for name, value in vars(args).items() if name not in left_out}
    made, name = (pmi_svd if other == "als" else factors)(args, store, parameters)
    show(made, args.tags or ())
    report.wrote(store.path(name), f"{len(made.tags):,} tags × {made.vecs.shape[1]}")


def pmi_svd(args, store, parameters):
    vocabulary = load_vocabulary(store, args.vocab, args.min_count, args.rating_tags)
    blocks = tqdm(iter_posts_by_tags(store, vocabulary), "co-occurrence", disable=None)
    if not vocabulary.names:
        raise BadInput(f"no tag is used {args.min_count:,} times or more: lower --min-count")
    held = np.zeros(len(vocabulary.names), np.int64)
    counts = cooccurrence(tallied((block for _, block in blocks), held))
    if not counts.nnz:
        raise BadInput("no two tags of the vocabulary meet on a post: nothing to embed")
    made = embed_vocabulary(
        vocabulary, counts, args.dim, args.smoothing, args.eig_power, args.seed
    )
    with store.stage("embed_tags.py", parameters, ["posts.parquet", "tags.txt.gz"]) as stage:
        arrays = ("tags", "vecs", "frqs", "tag_ids", "singular_values")
        stage.save_npz("dictionary.npz", **{name: getattr(made, name) for name in arrays})
        rows = np.isin(vocabulary.tag_ids, made.tag_ids)
        save_companions(stage, counts if rows.all() else counts[rows][:, rows], held[rows])
    print(f"{(~rows).sum():,} of {len(rows):,} tags never meet another: left out")
    return made, "dictionary.npz"


def factors(args, store, parameters):
    als.require()
    ids, matrix = als.read_posts(
        store, args.vocab, args.min_count, args.min_tags, args.rating_tags
    )
    print(f"{len(ids):,} posts have {args.min_tags:,} direct tags or more and take part")
    options = args.factors, args.regularization, args.iterations, args.seed
    posts, tags = als.factorise(matrix, *options, progress=sys.stderr.isatty())
    inputs, old = ["posts.parquet", "tags.txt.gz", "tags.parquet"], [als.POST_FACTORS]
    with store.stage("embed_tags.py", parameters, inputs, replaces=old) as stage:
        als.save(stage, tags, *((posts, ids) if args.post_factors else ()))
    made = als.tags_near(store)
    left_out = len(tags) - len(made.tags)
    print(
        f"{left_out:,} of {len(tags):,} tags are on none of these, or are ratings: factors of 0"
    )
    return made, als.TAG_FACTORS


def show(made, wanted):
    """Print some tags' nearest."""
    shown = [made.tags.index(tag) for tag in wanted if tag in made.tags]
    if missing := [tag for tag in wanted if tag not in made.tags]:
        print(f"no vector: {', '.join(missing)}")
    last = len(made.tags) - 1
    rows = [
        (made.tags[i], ", ".join(tag for tag, _ in made.nearest(made.vecs[i], 6)[1:]))
        for i in shown
        or np.unique(np.geomspace(min(10, last), min(1000, last), SHOWN).astype(int))
    ]
    print(cli.table(rows, ("tag", "nearest tags")))


if __name__ == "__main__":
    sys.exit(cli.run(main))
