"""Solve the à la carte operator, which predicts a tag's vector from the mean of those around it.

Reads index/posts.parquet and index/dictionary.npz; writes index/attenuator.npz (operator).
"""

import sys

from e6graph import cli  # first: it says which package is missing

# isort: split
import numpy as np

from e6graph.embedding import attenuator
from e6graph.embedding.dictionary import Dictionary
from e6graph.embedding.interactions import iter_posts_by_tags
from e6graph.store import Store
from e6graph.store.progress import counted

SIF = 1e-3  # a of the weights a / (a + p), Arora et al. 2017
HEADER = ("posts", "tags", "raw mean", "SIF mean", "attenuated", "fitted on all")


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add(
        "--weighting",
        choices=("threshold", "log", "none"),
        default=attenuator.WEIGHTING,
        help="weight of a tag in the fit: 1 if it has --threshold posts, log(its posts), or 1",
    )
    add(
        "--threshold",
        type=cli.positive,
        default=attenuator.THRESHOLD,
        help="posts that a tag needs, with --weighting threshold",
    )
    add(
        "--ridge",
        type=cli.between(0, 1e6, float),
        default=attenuator.ATTENUATOR_RIDGE,
        metavar="R",
        help="regularization strength, as a share of the Gram matrix's average diagonal",
    )
    add(
        "--held-out",
        type=cli.share,
        default=0.2,
        metavar="SHARE",
        help="share of the tags that are left out to measure the fit",
    )
    add("--seed", type=cli.natural, default=0, help="seed of the choice of tags left out")
    args = parser.parse_args(argv)
    report, store = cli.Report(), Store(args.index)

    words = Dictionary.open(store)
    held = np.random.default_rng(args.seed).random(len(words.tags)) < args.held_out
    share = words.frqs / words.frqs.sum()
    read = counted(iter_posts_by_tags(store, words.vocabulary), "contexts")
    (means, contexts), (sif, _) = attenuator.many_context_means(
        (block for _, block in read), words.vecs, [(None, None), (SIF / (SIF + share), held)]
    )
    held &= contexts > 0

    weights = attenuator.tag_weights(contexts, args.weighting, args.threshold)
    identity = np.eye(words.vecs.shape[1], dtype=np.float32)
    partial = attenuator.solve(means, words.vecs, weights * ~held, args.ridge)
    operator = attenuator.solve(means, words.vecs, weights, args.ridge)
    columns = (identity, means), (identity, sif), (partial, means), (operator, means)
    cosines = [attenuator.induced_cosines(a, u, words.vecs) for a, u in columns]
    parameters = vars(args) | {"index": None}
    inputs = ["posts.parquet", "dictionary.npz"]
    with store.stage("solve_attenuator.py", parameters, inputs) as stage:
        stage.save_npz("attenuator.npz", operator=operator)

    print("Cosine of the induced with the true vector, for tags held out of the fit:")
    print(cli.table(attenuator.by_band(words.frqs, *cosines, take=held), HEADER))
    report.wrote(store.path("attenuator.npz"), f"{operator.shape[0]} × {operator.shape[1]}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
