"""The à la carte operator: from the mean of a post's tags to a vector that says more.

Reads index/posts.parquet and index/dictionary.npz; writes index/attenuator.npz (operator).
"""

import sys

from e6graph import cli  # first: it says which package is missing

# isort: split
import numpy as np
from tqdm import tqdm

from e6graph.embedding.attenuator import (
    by_band,
    induced_cosines,
    many_context_means,
    solve,
    tag_weights,
)
from e6graph.embedding.dictionary import Dictionary
from e6graph.embedding.interactions import iter_posts_by_tags
from e6graph.store import Store

SIF = 1e-3  # a of the weights a / (a + p), Arora et al. 2017


def main(argv=None):
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add(
        "--weighting",
        choices=("threshold", "log", "none"),
        default="log",
        help="what a tag counts in the fit: 1 from --threshold posts on, log posts, 1",
    )
    add(
        "--threshold",
        type=cli.positive,
        default=20,
        help="posts a tag needs, with --weighting threshold",
    )
    add(
        "--ridge",
        type=cli.between(0, 1e6, float),
        default=1e-3,
        help="of the mean of the Gram matrix's diagonal",
    )
    add(
        "--held-out",
        type=cli.share,
        default=0.2,
        help="share of tags left out to measure the fit",
    )
    add("--seed", type=cli.natural, default=0, help="of the tags held out")
    args = parser.parse_args(argv)
    report, store = cli.Report(), Store(args.index)

    words = Dictionary.open(store)
    held = np.random.default_rng(args.seed).random(len(words.tags)) < args.held_out
    share = words.frqs / words.frqs.sum()
    blocks = tqdm(iter_posts_by_tags(store, words.vocabulary), "contexts", disable=None)
    (means, contexts), (sif, _) = many_context_means(
        (block for _, block in blocks), words.vecs, [(None, None), (SIF / (SIF + share), held)]
    )
    held &= contexts > 0

    weights = tag_weights(contexts, args.weighting, args.threshold)
    identity = np.eye(words.vecs.shape[1], dtype=np.float32)
    partial = solve(means, words.vecs, weights * ~held, args.ridge)
    operator = solve(means, words.vecs, weights, args.ridge)
    cosines = [
        induced_cosines(matrix, context, words.vecs)
        for matrix, context in (
            (identity, means),
            (identity, sif),
            (partial, means),
            (operator, means),
        )
    ]
    parameters = vars(args) | {"index": None}
    inputs = ["posts.parquet", "dictionary.npz"]
    with store.stage("solve_attenuator.py", parameters, inputs) as stage:
        stage.save_npz("attenuator.npz", operator=operator)
    header = ("posts", "tags", "raw mean", "SIF mean", "attenuated", "fitted on all")
    print("Cosine of the induced with the true vector, tags held out of the fit:")
    print(cli.table(by_band(words.frqs, *cosines, take=held), header))
    report.wrote(store.path("attenuator.npz"), f"{operator.shape[0]} × {operator.shape[1]}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
