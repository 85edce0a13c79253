"""Tag factors by alternating least squares (ALS) on posts × tags, in E6DB's file format.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM
2008. Posts are the users, tags the items, and a pair's confidence is the tag's IDF.
The solver is `implicit`, an extra.
"""

from __future__ import annotations

import importlib

import numpy as np
import scipy.sparse as sp

from ..errors import BadArtifact, BadInput, needs
from ..store import Stage, Store
from ..store.progress import ticking
from ..tags.categories import RATING_TAGS
from ..tags.normalizer import tag_rank_to_freq
from ..tags.vocabulary import load_names, load_vocabulary
from .dictionary import Dictionary, unit_rows
from .interactions import posts_by_tags

FACTORS = 256  # length of a tag's and of a post's factors
REGULARIZATION = 0.02  # λ
ITERATIONS = 15  # how often each side is solved
MIN_TAGS = 11  # direct tags that a post needs to take part

TAG_FACTORS = "implicit_tag_factors.safetensors"
"""`tag_factors` float32 (V, factors), a row a tag id; zeros if no used post holds it."""
POST_FACTORS = "implicit_post_factors.safetensors"
"""`post_factors` float32 (n, factors), and `post_ids` int64 (n,), ascending."""


def require_extras() -> None:
    """Raise E6GraphError at once, and not after an hour, if an extra is missing."""
    for module in ("implicit.cpu.als", "threadpoolctl", "safetensors.numpy"):
        with needs(module.partition(".")[0]):
            importlib.import_module(module)


def load_training_posts(
    store: Store,
    size: int | None = None,
    min_count: int = 2,
    min_tags: int = MIN_TAGS,
    rating_tags: bool = False,
) -> tuple[np.ndarray, sp.csr_matrix]:
    """Load the posts of `min_tags` direct tags or more × the `size` most used tags.

    A `size` of None takes all tags.

    Returns
    -------
    ids : int64 (n,), of the posts.
    posts_by_tags : float32 (n, V) CSR of ones, of direct and implied tags, a column
        a tag id; the columns of rating tags are empty unless `rating_tags`.

    Raises
    ------
    BadInput : no post or no tag is left. MissingArtifact, BadArtifact
    """
    vocabulary = load_vocabulary(store, size, min_count, rating_tags=True)
    if not vocabulary.names:
        raise BadInput(f"no tag is used {min_count:,} times or more: lower --min-count")
    with ticking("reading posts"):
        ids, matrix = posts_by_tags(store, vocabulary, "all", min_tags)
    if not len(ids):
        raise BadInput(f"no post has {min_tags:,} direct tags or more: lower --min-tags")
    if not rating_tags:
        counts = np.array([name not in RATING_TAGS for name in vocabulary.names])
        matrix.data *= counts[matrix.indices]
        matrix.eliminate_zeros()
    return ids, matrix


def idf(posts_by_tags: sp.csr_matrix) -> np.ndarray:
    """Compute log(posts / posts that hold the tag), float32 (V,); 0 for a tag of no post.

    >>> idf(sp.csr_matrix([[1, 1, 0], [1, 0, 0]])).round(3)
    array([0.   , 0.693, 0.   ], dtype=float32)
    """
    held = posts_by_tags.getnnz(0)
    rarity = np.log(posts_by_tags.shape[0] / np.maximum(held, 1))
    return np.where(held, rarity, 0).astype(np.float32)


def factorize(
    posts_by_tags: sp.csr_matrix,
    factors: int = FACTORS,
    regularization: float = REGULARIZATION,
    iterations: int = ITERATIONS,
    seed: int = 0,
    threads: int = 0,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimize Σ c_pt (1 − x_p·y_t)² + Σ (x_p·y_t)² + λ(‖x‖² + ‖y‖²).

    The first sum is over the pairs, the second over all others (Hu et al. 2008, eq.
    3); c_pt is the IDF of the tag, in place of 1 + αr.
    Factors depend on the seed and not on the threads: each row is solved by itself.

    Parameters
    ----------
    posts_by_tags : (n, V) CSR of ones.
    threads : of the solver, 0 for one a core. BLAS has one thread meanwhile,
        because its matrices are small and more threads would wait for one another.

    Returns
    -------
    post_factors : float32 (n, factors). tag_factors : float32 (V, factors).

    Raises
    ------
    BadInput : no pair has a weight, or the factors went to infinity.
    E6GraphError : `implicit` is not installed.
    """
    weighted = posts_by_tags.astype(np.float32)
    weighted.data = idf(posts_by_tags)[weighted.indices]
    weighted.eliminate_zeros()  # a tag that every post holds tells nothing
    if not weighted.nnz:
        raise BadInput("no tag is on some of the posts and not on others: nothing to factorize")
    with needs("implicit"):
        from implicit.cpu.als import AlternatingLeastSquares
        from implicit.recommender_base import ModelFitError
        from threadpoolctl import threadpool_limits
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors,
            regularization,
            iterations=iterations,
            num_threads=threads,
            random_state=seed,
        )
        try:
            model.fit(weighted, show_progress=progress)
        except ModelFitError as error:
            raise BadInput(f"ALS failed ({error}): raise the regularization") from None
    return model.user_factors, model.item_factors


def save_factors(
    stage: Stage,
    tag_factors: np.ndarray,
    post_factors: np.ndarray | None = None,
    post_ids: np.ndarray | None = None,
) -> None:
    """Write `TAG_FACTORS`, and `POST_FACTORS` if given.

    The same arrays give the same bytes.

    Raises
    ------
    E6GraphError : `safetensors` is not installed.
    """
    with needs("safetensors"):
        from safetensors.numpy import save_file
    save_file({"tag_factors": tag_factors}, stage.path(TAG_FACTORS))
    if post_factors is not None and post_ids is not None:
        tensors = {"post_factors": post_factors, "post_ids": post_ids}
        save_file(tensors, stage.path(POST_FACTORS))


def load_tag_factors(store: Store) -> Dictionary:
    """Load the tag factors as unit vectors, without the tags whose factors are 0.

    Without `tags.parquet`, as E6DB publishes them, counts are estimated from ranks.

    Raises
    ------
    MissingArtifact, BadArtifact
    E6GraphError : `safetensors` is not installed.
    """
    path = store.check(TAG_FACTORS)
    remedy = "run embed_tags.py --method als again"
    with needs("safetensors"):
        import safetensors
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            factors = file.get_tensor("tag_factors")
    except (safetensors.SafetensorError, TypeError, OSError) as error:
        reason = str(error)[:200]
        raise BadArtifact(f"{path} cannot be read ({reason}): {remedy}") from None
    names = load_names(store)
    if factors.ndim != 2 or len(factors) > len(names):
        expected = f"expected a row for each of {len(names)} tags"
        raise BadArtifact(f"{path} has {factors.shape}, {expected}: {remedy}")

    if store.find("tags.parquet"):
        counts = load_vocabulary(store, min_count=0, rating_tags=True).frequencies
    else:
        ranks = range(len(names))
        counts = np.array([round(tag_rank_to_freq(rank)) for rank in ranks])
    vecs = unit_rows(np.nan_to_num(factors.astype(np.float32)))
    ids = np.flatnonzero(vecs.any(1)).astype(np.int32)
    tags = [names[tag_id] for tag_id in ids]
    values = np.ones(factors.shape[1], np.float32)
    return Dictionary(tags, vecs[ids], counts[ids], ids, values)
