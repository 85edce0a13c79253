"""Tag factors by ALS on posts × tags, in E6DB's file, and the tags they are near to.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008: posts are
the users, tags the items, and a pair's confidence is the tag's IDF. Solved by `implicit`, an extra.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from ..errors import BadArtifact, BadInput, needs
from ..store import Stage, Store
from ..tags.categories import RATING_TAGS
from ..tags.normalizer import tag_rank_to_freq
from ..tags.vocabulary import load_names, load_vocabulary
from .dictionary import Dictionary, unit_rows
from .interactions import posts_by_tags

TAG_FACTORS = "implicit_tag_factors.safetensors"
"""`tag_factors` float32 (V, factors), a row a tag id; a tag of no post that took part has zeros."""
POST_FACTORS = "implicit_post_factors.safetensors"
"""`post_factors` float32 (n, factors), and `post_ids` int64 (n,), ascending."""


def require() -> None:
    """Say at once, not after an hour, which extra is missing. Raises E6GraphError."""
    for module in ("implicit.cpu.als", "threadpoolctl", "safetensors.numpy"):
        with needs(module.partition(".")[0]):
            importlib.import_module(module)


def read_posts(
    store: Store,
    size: int | None = 32768,
    min_count: int = 2,
    min_tags: int = 11,
    rating_tags: bool = False,
) -> tuple[np.ndarray, sp.csr_matrix]:
    """The posts of `min_tags` direct tags or more × the `size` most used tags, a column a tag id.

    Returns
    -------
    ids : int64 (n,), of the posts. posts_by_tags : float32 (n, V) CSR of ones, of direct and
        implied tags; the columns of rating tags are empty unless these are asked for.

    Raises
    ------
    BadInput : no post, or no tag. MissingArtifact, BadArtifact
    """
    vocabulary = load_vocabulary(store, size, min_count, rating_tags=True)
    if not vocabulary.names:
        raise BadInput(f"no tag is used {min_count:,} times or more: lower --min-count")
    ids, matrix = posts_by_tags(store, vocabulary, "all", min_tags)
    if not len(ids):
        raise BadInput(f"no post has {min_tags:,} direct tags or more: lower --min-tags")
    if not rating_tags:
        counts = np.array([name not in RATING_TAGS for name in vocabulary.names])
        matrix.data *= counts[matrix.indices]
        matrix.eliminate_zeros()
    return ids, matrix


def idf(posts_by_tags: sp.csr_matrix) -> np.ndarray:
    """log(posts / posts that hold the tag) of each column, float32; 0 for a tag of no post.

    >>> idf(sp.csr_matrix([[1, 1, 0], [1, 0, 0]])).round(3)
    array([0.   , 0.693, 0.   ], dtype=float32)
    """
    held = np.maximum(posts_by_tags.getnnz(0), 1)
    return np.where(posts_by_tags.getnnz(0), np.log(posts_by_tags.shape[0] / held), 0).astype(
        "f4"
    )


def factorise(
    posts_by_tags: sp.csr_matrix,
    factors: int = 256,
    regularization: float = 0.02,
    iterations: int = 15,
    seed: int = 0,
    threads: int = 0,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise Σ c_pt (1 − x_p·y_t)² + Σ over the other pairs (x_p·y_t)² + λ(‖x‖² + ‖y‖²).

    c_pt = IDF of the tag (Hu et al. 2008, eq. 3, with this in place of 1 + αr). Each row is solved
    by itself, so the factors depend on the seed and not on the threads.

    Parameters
    ----------
    posts_by_tags : (n, V) CSR of ones.
    regularization : λ.
    threads : of the solver, 0 for one a core. BLAS has one thread meanwhile: it works on many
        small matrices, and would only wait for itself.

    Returns
    -------
    post_factors : float32 (n, factors). tag_factors : float32 (V, factors).

    Raises
    ------
    BadInput : no pair has a weight, or the factors went to infinity. E6GraphError : no `implicit`.
    """
    weighted = posts_by_tags.astype(np.float32)
    weighted.data = idf(posts_by_tags)[weighted.indices]
    weighted.eliminate_zeros()  # a tag of every post tells nothing
    if not weighted.nnz:
        raise BadInput("no tag is on some of the posts and not on others: nothing to factorise")
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


def save(
    stage: Stage,
    tag_factors: np.ndarray,
    post_factors: np.ndarray | None = None,
    post_ids: np.ndarray | None = None,
) -> None:
    """Write `TAG_FACTORS`, and `POST_FACTORS` if they are given; the same arrays, the same bytes.

    Raises
    ------
    E6GraphError : no `safetensors`.
    """
    with needs("safetensors"):
        from safetensors.numpy import save_file
    save_file({"tag_factors": tag_factors}, stage.path(TAG_FACTORS))
    if post_factors is not None:
        tensors = {"post_factors": post_factors, "post_ids": post_ids}
        save_file(tensors, stage.path(POST_FACTORS))


def tags_near(store: Store) -> Dictionary:
    """The tag factors as unit vectors, with names and counts; tags whose factors are 0 left out.

    Without `tags.parquet` (E6DB publishes its factors without) counts are those of E6DB's fit.

    Raises
    ------
    MissingArtifact, BadArtifact
    E6GraphError : no `safetensors`.
    """
    path = store.check(TAG_FACTORS)
    with needs("safetensors"):
        import safetensors
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            factors = file.get_tensor("tag_factors")
    except (safetensors.SafetensorError, TypeError, OSError) as error:
        raise _bad(path, f"cannot be read ({str(error)[:200]})") from None
    names = load_names(store)
    if factors.ndim != 2 or len(factors) > len(names):
        raise _bad(path, f"has {factors.shape}, expected a row for each of {len(names)} tags")
    if store.find("tags.parquet"):
        counts = load_vocabulary(store, min_count=0, rating_tags=True).frequencies
    else:
        counts = np.array([round(tag_rank_to_freq(rank)) for rank in range(len(names))])
    vecs = unit_rows(np.nan_to_num(factors.astype(np.float32)))
    ids = np.flatnonzero(vecs.any(1)).astype(np.int32)
    values = np.ones(factors.shape[1], np.float32)
    return Dictionary([names[i] for i in ids], vecs[ids], counts[ids], ids, values)


def _bad(path: Path, wrong: str) -> BadArtifact:
    return BadArtifact(f"{path} {wrong}: run embed_tags.py --method als again")
