"""Tag vectors by PMI-SVD.

Reads index/posts.parquet and its tags; writes index/dictionary.npz (tags, vecs, frqs, tag_ids,
singular_values).
"""

import sys

import numpy as np
from tqdm import tqdm

from e6graph import cli
from e6graph.embedding import cooccurrence, embed_vocabulary
from e6graph.errors import BadInput
from e6graph.interactions import iter_posts_by_tags, load_vocabulary
from e6graph.store import Store

SHOWN = 8  # tags whose neighbors are printed: the commonest say little, so from the tenth down


def main(argv=None):
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--vocab", type=cli.positive, default=32768, help="how many of the most used tags")
    add("--dim", type=cli.positive, default=128, help="dimensions of the vectors")
    add("--min-count", type=cli.positive, default=2, help="leave out tags used less often")
    add("--smoothing", type=cli.share, default=0.75, help="exponent of the context distribution")
    add("--eig-power", type=cli.share, default=0.5, help="exponent of the singular values")
    add("--rating-tags", action="store_true", help="let rating_safe and its kin count as tags")
    add("--seed", type=cli.natural, default=0, help="of the randomised SVD")
    add("--tags", nargs="*", default=None, help="show the neighbors of these; default: common ones")
    args = parser.parse_args(argv)
    report, store = cli.Report(), Store(args.index)

    vocabulary = load_vocabulary(store, args.vocab, args.min_count, args.rating_tags)
    blocks = tqdm(iter_posts_by_tags(store, vocabulary), "co-occurrence", disable=None)
    if not vocabulary.names:
        raise BadInput(f"no tag is used {args.min_count:,} times or more: lower --min-count")
    counts = cooccurrence(block for _, block in blocks)
    if not counts.nnz:
        raise BadInput("no two tags of the vocabulary meet on a post: nothing to embed")
    made = embed_vocabulary(vocabulary, counts, args.dim, args.smoothing, args.eig_power, args.seed)
    parameters = vars(args) | {"index": None, "tags": None}
    with store.stage("embed_tags.py", parameters, ["posts.parquet", "tags.txt.gz"]) as stage:
        stage.save_npz(
            "dictionary.npz",
            tags=made.tags,
            vecs=made.vecs,
            frqs=made.frqs,
            tag_ids=made.tag_ids,
            singular_values=made.singular_values,
        )
    left_out = len(vocabulary.names) - len(made.tags)
    print(f"{left_out:,} of {len(vocabulary.names):,} tags never meet another: left out")
    shown = [made.tags.index(tag) for tag in args.tags or () if tag in made.tags]
    if missing := [tag for tag in args.tags or () if tag not in made.tags]:
        print(f"no vector: {', '.join(missing)}")
    last = len(made.tags) - 1
    rows = [
        (made.tags[i], ", ".join(tag for tag, _ in made.nearest(made.vecs[i], 6)[1:]))
        for i in shown or np.unique(np.geomspace(min(10, last), min(1000, last), SHOWN).astype(int))
    ]
    print(cli.table(rows, ("tag", "nearest tags")))
    report.wrote(store.path("dictionary.npz"), f"{len(made.tags):,} tags × {args.dim}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
