"""On how many posts each pair of tags meets: C = XᵀX of the posts × tags matrix X.

Tags follow Zipf's law: on the site, the 1,024 most used are four in five of a
post's tags. Their columns of C are dense, so X is multiplied by a dense matrix of
small integers, eight or more at a time in a vector register. The other columns are
sparse, and only their half above the diagonal is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from ..errors import BadInput
from ..store.parallel import in_order
from ..store.progress import ticking

FREQUENT = 1024  # first columns taken as dense: tags on one post in 200 or more
POSTS_IN_16_BITS = 50_000  # their counts fit in 16 bits, so at most 65,535
PAIRS_AT_ONCE = 48_000_000  # post-tag pairs of rarer tags in a product, 8 bytes each
PANELS = 8  # parts of the rarer tags; n of them take (n + 1) / 2n of the products


def cooccurrence(blocks: Iterable[sp.csr_matrix], frequent: int = FREQUENT) -> sp.csr_matrix:
    """Compute C = XᵀX without its diagonal: C[i, j] posts hold both tags.

    Memory is that of C, twice while it is put together, and of `PAIRS_AT_ONCE`; it
    does not grow with the posts.

    Parameters
    ----------
    blocks : (n_k, V) CSR of ones, the rows of X in any split; quickest if the
        columns are ordered by use.
    frequent : how many first columns are dense; changes nothing but the time.

    Returns
    -------
    float32 (V, V) CSR, symmetric, zero diagonal; exact below 2²⁴ posts a pair.

    >>> cooccurrence([sp.csr_matrix([[1, 1, 0], [1, 1, 1]], dtype=np.float32)]).toarray()
    array([[0., 2., 1.],
           [2., 0., 1.],
           [1., 1., 0.]], dtype=float32)
    """
    dense: np.ndarray | None = None
    upper: list[sp.csr_matrix] | None = None
    bounds: np.ndarray | None = None
    waiting: list[sp.csr_matrix] = []
    pairs = 0

    counted = in_order(lambda part: _count_part(part, frequent), _split_blocks(blocks))
    for count, rarer in counted:
        if dense is None:
            dense = np.zeros(count.shape, np.int32)
        dense += count
        waiting.append(rarer)
        pairs += rarer.nnz
        if pairs > PAIRS_AT_ONCE:
            bounds = _panel_bounds(waiting) if bounds is None else bounds
            upper, waiting, pairs = _add_products(upper, waiting, bounds), [], 0
    if dense is None:
        raise BadInput("no posts: expected at least one block")

    with ticking("joining the counts"):
        bounds = _panel_bounds(waiting) if bounds is None else bounds
        return _join(dense, _add_products(upper, waiting, bounds), bounds)


def tallied(blocks: Iterable[sp.csr_matrix], held: np.ndarray) -> Iterator[sp.csr_matrix]:
    """Pass blocks on, and add to `held`, int64 (V,), the posts that hold each tag.

    That is the diagonal of XᵀX. It may be above the frequencies of `tags.txt.gz`:
    some exports do not count tags that a post's other tags imply.
    """
    for block in blocks:
        held += block.getnnz(0)
        yield block


def _split_blocks(blocks: Iterable[sp.csr_matrix]) -> Iterator[sp.csr_matrix]:
    """Cut blocks into parts of `POSTS_IN_16_BITS`."""
    for block in blocks:
        for start in range(0, max(block.shape[0], 1), POSTS_IN_16_BITS):
            yield block[start : start + POSTS_IN_16_BITS]


def _count_part(part: sp.csr_matrix, frequent: int) -> tuple[np.ndarray, sp.csr_matrix]:
    """Count all tags with the frequent ones, uint16 (V, K); keep the others' columns."""
    ones = np.ones(part.nnz, np.uint16)
    small = sp.csr_matrix((ones, part.indices, part.indptr), part.shape)
    return small.T @ small[:, :frequent].toarray(), part[:, frequent:]


def _panel_bounds(parts: list[sp.csr_matrix]) -> np.ndarray:
    """Find the bounds of the panels of the rarer tags; each holds as many pairs."""
    uses = sum(np.bincount(part.indices, minlength=part.shape[1]) for part in parts)
    used = np.cumsum(uses)
    shares = np.arange(1, PANELS) / PANELS * used[-1] if len(used) else np.zeros(0)
    return np.unique(np.concatenate([[0], np.searchsorted(used, shares), [len(used)]]))


def _add_products(
    upper: list[sp.csr_matrix] | None, parts: list[sp.csr_matrix], bounds: np.ndarray
) -> list[sp.csr_matrix]:
    """Add the products of some posts to the panels: (b − a, R − a) from column a on."""
    if not parts:
        return upper or []
    rarer = sp.vstack(parts, "csr")
    turned = rarer.T.tocsr()

    def panel(k: int) -> sp.csr_matrix:
        low, high = bounds[k], bounds[k + 1]
        # Few columns are summed at a time, so the sums stay in the cache; turning the
        # product puts its rows in order.
        product = (turned[low:] @ rarer[:, low:high]).T.tocsr()
        return product if upper is None else upper[k] + product

    return list(in_order(panel, range(len(bounds) - 1)))


def _join(dense: np.ndarray, upper: list[sp.csr_matrix], bounds: np.ndarray) -> sp.csr_matrix:
    """Put C together from dense columns and the panels above the diagonal."""
    frequent = dense.shape[1]
    np.fill_diagonal(dense, 0)
    spans = list(pairwise(bounds.tolist()))

    def mirror(k: int) -> sp.csr_matrix:
        """Clear a panel's diagonal; return the rows of later panels that it mirrors."""
        upper[k].setdiag(0)
        upper[k].eliminate_zeros()
        low, high = spans[k]
        return upper[k][:, high - low :].T.tocsr()

    mirrored = list(in_order(mirror, range(len(spans))))

    def band(k: int) -> sp.csr_matrix:
        if k < 0:
            return _to_sparse(dense.T)
        low, high = spans[k]
        left = [mirrored[i][low - spans[i][1] : high - spans[i][1]] for i in range(k)]
        own = _to_sparse(dense[frequent + low : frequent + high])
        return sp.hstack([own, *left, upper[k]], "csr")

    bands = list(in_order(band, range(-1, len(spans))))
    mirrored.clear()  # before C exists twice
    upper.clear()
    return sp.vstack(bands, "csr")


def _to_sparse(dense: np.ndarray) -> sp.csr_matrix:
    """Make a float32 CSR in less memory than SciPy, which lists all entries first."""
    row, column = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(dense)))])
    values = dense[row, column].astype(np.float32)
    return sp.csr_matrix((values, column.astype(np.int32), indptr), dense.shape)
