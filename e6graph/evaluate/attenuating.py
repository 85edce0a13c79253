"""The attenuator: how near a tag's induced vector is to its own.

Khodak et al., ACL 2018. Every tag is judged by an operator that was fitted without
it: the tags are dealt into folds, and the operator for a fold is fitted on the
other folds.
"""

from __future__ import annotations

from argparse import Namespace

import numpy as np

from ..embedding import attenuator
from ..embedding.attenuator import induced_cosines
from ..recommend.postgraph import PostGraph
from .methods import ExactMethods
from .report import Figure, Table, progress

FOLDS = 5
WEIGHTINGS = ("threshold", "log", "none")  # of a tag in the fit


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Average the cosine by how often a tag is used, and draw it."""
    words = graph.dictionary
    cosines, contexts = held_out(graph, args.seed)
    every = contexts > 0
    rows = attenuator.by_band(words.frqs, *cosines.values(), take=every)
    bands, _, *means = zip(*rows, strict=True)
    series = {name: (bands, mean) for name, mean in zip(cosines, means, strict=True)}
    figure = Figure(
        "attenuator",
        "A tag's vector from its company alone",
        "posts a tag is used on",
        "cosine, tags held out",
        series,
    )

    overall = (float(cosine[every].mean()) for cosine in cosines.values())
    rows.append(("all", int(every.sum()), *overall))
    note = (
        f"Tags held out of the fit, in {FOLDS} folds. A tag's weight in the fit: "
        "threshold: 1 from 20 posts on, log: log posts, none: 1. "
        "solve_attenuator.py takes log."
    )
    title = "Cosine of a tag's induced with its true vector, by the posts it is used on"
    return [Table(title, ("posts", "tags", *cosines), rows, [note]), figure]


def held_out(graph: PostGraph, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Compute the cosine of each tag by each method, float32 (V,).

    The second part (V,) is how many posts hold the tag and another.
    """
    words, exact = graph.dictionary, ExactMethods(graph)
    blocks = [exact.every_tag[:, words.tag_ids].tocsr()]
    identity = np.eye(words.vecs.shape[1], dtype=np.float32)
    means, contexts = attenuator.context_means(blocks, words.vecs)
    made = {"raw mean": induced_cosines(identity, means, words.vecs)}
    for kind in progress(("IDF", "SIF"), "means without an operator"):
        induced, _ = attenuator.context_means(blocks, words.vecs, exact.weights(kind))
        made[f"{kind} mean"] = induced_cosines(identity, induced, words.vecs)

    fold = np.random.default_rng(seed).permutation(len(contexts)) % FOLDS
    for weighting in progress(WEIGHTINGS, "operators fitted without a fold"):
        cosines = np.zeros(len(contexts), np.float32)
        for held in (fold == k for k in range(FOLDS)):
            weights = attenuator.tag_weights(contexts, weighting) * ~held
            operator = attenuator.solve(means, words.vecs, weights)
            cosines[held] = induced_cosines(operator, means[held], words.vecs[held])
        made[f"attenuated, {weighting}"] = cosines
    return made, contexts
