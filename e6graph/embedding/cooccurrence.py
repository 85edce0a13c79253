"""Which tags meet how often: C = XᵀX, in a time that few frequent tags do not decide.

Tags are used by Zipf's law, so on the site the 1,024 most used are four tags in five of a post.
Their columns of C are dense, and come from a product of X with a dense matrix of small integers,
eight or more at a time in a vector register. What is left is sparse, and of that only the half
above the diagonal is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from ..errors import BadInput
from ..store.parallel import in_order

FREQUENT = 1024  # first columns that are taken as dense: those on one post in 200 or more
CHUNK = 50_000  # posts counted in 16 bits; at most 65,535
BATCH = 48_000_000  # pairs of rarer tags multiplied at once, 8 bytes each
PANELS = 8  # of the rarer tags; n of them do (n + 1) / 2n of the products


def cooccurrence(blocks: Iterable[sp.csr_matrix], frequent: int = FREQUENT) -> sp.csr_matrix:
    """C = XᵀX without its diagonal: C[i, j] posts hold both tags.

    Memory is that of C, twice while it is put together, and of `BATCH`; not of the posts.

    Parameters
    ----------
    blocks : (n_k, V) CSR of ones, the rows of X in any split; quickest if the columns are by use.
    frequent : how many first columns are dense; changes nothing but the time.

    Returns
    -------
    float32 (V, V) CSR, symmetric, zero diagonal; exact below 2²⁴ posts a pair.

    >>> cooccurrence([sp.csr_matrix([[1, 1, 0], [1, 1, 1]], dtype=np.float32)]).toarray()
    array([[0., 2., 1.],
           [2., 0., 1.],
           [1., 1., 0.]], dtype=float32)
    """
    dense, upper, waiting, pairs, bounds = None, None, [], 0, None
    for count, rest in in_order(lambda chunk: _split(chunk, frequent), _chunks(blocks)):
        dense = count.astype(np.int32) if dense is None else np.add(dense, count, out=dense)
        waiting.append(rest)
        pairs += rest.nnz
        if pairs > BATCH:
            bounds = _bounds(waiting) if bounds is None else bounds
            upper, waiting, pairs = _add(upper, waiting, bounds), [], 0
    if dense is None:
        raise BadInput("no posts: expected at least one block")
    bounds = _bounds(waiting) if bounds is None else bounds
    return _joined(dense, _add(upper, waiting, bounds), bounds)


def tallied(blocks: Iterable[sp.csr_matrix], held: np.ndarray) -> Iterator[sp.csr_matrix]:
    """The same blocks; how many posts hold each tag is added to `held`, int64 (V,), on the way.

    That is the diagonal of XᵀX. The frequencies of `tags.txt.gz` may fall short of it: on exports
    whose posts lack tags that theirs imply.
    """
    for block in blocks:
        held += block.getnnz(0)
        yield block


def _chunks(blocks: Iterable[sp.csr_matrix]) -> Iterator[sp.csr_matrix]:
    for block in blocks:
        for start in range(0, max(block.shape[0], 1), CHUNK):
            yield block[start : start + CHUNK]


def _split(chunk: sp.csr_matrix, frequent: int) -> tuple[np.ndarray, sp.csr_matrix]:
    """Counts of all tags with the frequent ones, uint16 (V, K), and the columns of the others."""
    small = sp.csr_matrix(
        (np.ones(chunk.nnz, np.uint16), chunk.indices, chunk.indptr), chunk.shape
    )
    return small.T @ small[:, :frequent].toarray(), chunk[:, frequent:]


def _bounds(parts: list[sp.csr_matrix]) -> np.ndarray:
    """Where the panels of the rarer tags begin and end: each holds as many pairs."""
    used = np.cumsum(sum(np.bincount(part.indices, minlength=part.shape[1]) for part in parts))
    shares = np.arange(1, PANELS) / PANELS * used[-1] if len(used) else np.zeros(0)
    return np.unique(np.concatenate([[0], np.searchsorted(used, shares), [len(used)]]))


def _add(
    upper: list[sp.csr_matrix] | None, parts: list[sp.csr_matrix], bounds: np.ndarray
) -> list[sp.csr_matrix]:
    """Add the products of some posts to the panels, each (b − a, R − a), from column a on."""
    if not parts:
        return upper or []
    rest = sp.vstack(parts, "csr")
    turned = rest.T.tocsr()

    def panel(k: int) -> sp.csr_matrix:
        low, high = bounds[k], bounds[k + 1]
        # Few columns are summed at a time, so the sums stay in cache; turning puts rows in order.
        product = (turned[low:] @ rest[:, low:high]).T.tocsr()
        return product if upper is None else upper[k] + product

    return list(in_order(panel, range(len(bounds) - 1)))


def _joined(dense: np.ndarray, upper: list[sp.csr_matrix], bounds: np.ndarray) -> sp.csr_matrix:
    """The whole of C from its dense columns and the panels above the diagonal of the others."""
    frequent = dense.shape[1]
    dense[np.arange(frequent), np.arange(frequent)] = 0
    spans = list(pairwise(bounds.tolist()))

    def turn(k: int) -> sp.csr_matrix:
        """Clear a panel's diagonal; what it is to the rows of later panels."""
        upper[k].setdiag(0)
        upper[k].eliminate_zeros()
        return upper[k][:, np.diff(spans[k])[0] :].T.tocsr()

    below = list(in_order(turn, range(len(spans))))

    def band(k: int) -> sp.csr_matrix:
        if k < 0:
            return _sparse(dense.T)
        low, high = spans[k]
        left = [below[i][low - spans[i][1] : high - spans[i][1]] for i in range(k)]
        own = _sparse(dense[frequent + low : frequent + high])
        return sp.hstack([own, *left, upper[k]], "csr")

    bands = list(in_order(band, range(-1, len(spans))))
    below.clear()
    upper.clear()
    return sp.vstack(bands, "csr")


def _sparse(dense: np.ndarray) -> sp.csr_matrix:
    """float32 CSR of a dense matrix, by less than SciPy's way through triples."""
    row, column = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(dense)))])
    values = dense[row, column].astype(np.float32)
    return sp.csr_matrix((values, column.astype(np.int32), indptr), dense.shape)
