"""Which posts are variants of one thing, and which pool they are read in.

A family is

- posts tied by `parent_id`, in chains of any length: children of one parent are a
  family even where the parent is not indexed. Pages of one series are not variants:
  a parent and a child that a series holds both are not tied;
- posts of exactly the same tags and nearly one picture. Nothing is known of a
  picture here but its size, and many boards give one tag list to different things,
  so all of this is asked: the same width and height (known, and not those of more
  than half of the board), the same uploader, ids at most `NEAR_IDS` apart, no series
  that holds both, and tags that say so much that chance would put them together on
  less than `CHANCE_ALIKE` of a post.

A comic is a pool of the site's category "series": it is read in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from ..store.ragged import Ragged, sum_rows
from .pools import Pools
from .posts import ROWS_AT_ONCE, Posts

NEAR_IDS = 10  # variants are uploaded one after the other
NEAR_ROWS = 5  # the same in posts; longer runs are tied link by link
USUAL_SIZE = 0.5  # share of the posts; a size of more of them tells nothing
CHANCE_ALIKE = 0.01  # posts of the same tags that chance may explain


@dataclass(frozen=True)
class Families:
    """The families of a board, whoever looks at it.

    Attributes
    ----------
    first : int32 (n,), the row of the first member of each row's family; its own
        where it has no other.
    members : rows of each family of two or more, ascending.
    number : int32 (n,), which of those a row belongs to, -1 for none.
    child : bool (n,), whether a row is a variant of another. Most families have one
        member that is not, the head.
    """

    first: np.ndarray
    members: Ragged
    number: np.ndarray
    child: np.ndarray

    @classmethod
    def of(cls, posts: Posts, pools: Pools, idf: np.ndarray) -> Families:
        """Find the families of all posts.

        Parameters
        ----------
        idf : float (T,), how much each tag says, in nats.
        """
        ties = [_parent_ties(posts, pools), _alike(posts, pools, idf)]
        return cls.joining(len(posts), np.concatenate(ties))

    @classmethod
    def joining(cls, n: int, ties: np.ndarray) -> Families:
        """Join rows 0..n-1 by pairs.

        Parameters
        ----------
        ties : int64 (k, 2), a variant and what it is a variant of; numbers of n or
            more stand for posts that are not indexed.

        >>> Families.joining(5, np.array([[3, 7], [1, 7], [2, 0]])).first.tolist()
        [0, 1, 0, 1, 4]
        """
        first = np.arange(n, dtype=np.int32)
        number = np.full(n, -1, np.int32)
        # Few posts have ties, so that the others need not be looked at.
        nodes, ends = np.unique(ties, return_inverse=True)
        ends = ends.reshape(-1, 2)
        links = sp.coo_matrix(
            (np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), (len(nodes), len(nodes))
        )
        _, labels = connected_components(links, directed=False)
        rows, labels = nodes[nodes < n], labels[nodes < n]
        _, at, which, sizes = np.unique(
            labels, return_index=True, return_inverse=True, return_counts=True
        )
        first[rows] = rows[at][which]

        several = sizes > 1
        numbered = np.where(several, np.cumsum(several) - 1, -1)[which]
        kept = numbered >= 0
        number[rows[kept]] = numbered[kept]
        members = Ragged.group(numbered[kept], rows[kept], int(several.sum()))
        child = np.zeros(n, bool)
        child[ties[ties[:, 0] < n, 0]] = True
        return cls(first, members, number, child)

    def others(self, row: int) -> np.ndarray:
        """Return the rows of a row's relatives, ascending, without the row itself."""
        family = self.family(row)
        return family[family != row]

    def family(self, row: int) -> np.ndarray:
        """Return the rows of a row's family, itself among them, ascending."""
        number = self.number[row]
        return np.array([row]) if number < 0 else self.members[number]

    def widened(self, rows: np.ndarray) -> np.ndarray:
        """Return some rows and all of their families, int64, in no order."""
        numbers = np.unique(self.number[rows])
        members, _ = self.members.take(numbers[numbers >= 0])
        return np.concatenate([rows, members]).astype(np.int64)

    def first_seen(self, rows: np.ndarray) -> np.ndarray:
        """Return which of some rows have no relative before them: bool (m,)."""
        _, at = np.unique(self.first[rows], return_index=True)
        shown = np.zeros(len(rows), bool)
        shown[at] = True
        return shown

    def in_pools(self, pools: Pools) -> Pools:
        """Return pools that hold their members' families, too; they are in no order."""
        rows = pools.members.values
        pool = np.repeat(np.arange(len(pools.members)), np.diff(pools.members.offsets))
        kin, offsets = self.members.take(self.number[rows][self.number[rows] >= 0])
        kin_pool = np.repeat(pool[self.number[rows] >= 0], np.diff(offsets))
        pairs = np.stack([np.append(pool, kin_pool), np.append(rows, kin)])
        pairs = np.unique(pairs, axis=1)
        members = Ragged.group(pairs[0], pairs[1], len(pools.members))
        return replace(
            pools, members=members, of=Ragged.group(pairs[1], pairs[0], len(pools.of))
        )

    def count(self, rows: np.ndarray) -> int:
        """Count the families of some rows; a post without relatives is one."""
        numbers = self.number[rows]
        return int((numbers < 0).sum()) + len(np.unique(numbers[numbers >= 0]))


def _parent_ties(posts: Posts, pools: Pools) -> np.ndarray:
    """Return the ties of children to parents, int64 (k, 2); see `Families.joining`."""
    if not posts.has("parent_id"):  # E6DB's own file lacks the column
        return np.zeros((0, 2), np.int64)
    parents = posts.column("parent_id")
    children = np.flatnonzero(parents > 0)
    parents = parents[children].astype(np.int64)
    apart = ~pools.in_one_series(np.stack([posts.ids[children], parents], 1))
    children, parents = children[apart], parents[apart]
    rows = posts.rows(parents) if len(parents) else parents
    _, which = np.unique(parents[rows < 0], return_inverse=True)
    rows[rows < 0] = len(posts) + which
    return np.stack([children, rows], 1)


def _alike(posts: Posts, pools: Pools, idf: np.ndarray) -> np.ndarray:
    """Return pairs of the same tags and nearly one picture, int64 (k, 2)."""
    width = posts.column("image_width").astype(np.int64)
    size = width << 32 | posts.column("image_height").astype(np.int64)
    known = (width > 0) & (size & (2**32 - 1) > 0)
    usual, times = np.unique(size, return_counts=True)
    known &= ~np.isin(size, usual[times > USUAL_SIZE * len(size)])
    uploader = posts.column("uploader_id") if posts.has("uploader_id") else np.zeros(len(size))
    lengths = np.diff(posts.tags_of.offsets)
    pairs = []
    for step in range(1, min(NEAR_ROWS, len(posts) - 1) + 1):
        same = known[step:] & (posts.ids[step:] - posts.ids[:-step] <= NEAR_IDS)
        for values in (size, uploader, lengths):
            same &= values[step:] == values[:-step]
        earlier = np.flatnonzero(same)
        pairs.append(np.stack([earlier + step, earlier], 1))
    near = np.concatenate([*pairs, np.zeros((0, 2), np.int64)])

    least = np.log(max(len(posts), 1) / CHANCE_ALIKE)
    alike = []
    for start in range(0, len(near), ROWS_AT_ONCE):
        some = near[start : start + ROWS_AT_ONCE]
        tags, offsets = posts.tags_of.take(some[:, 0])
        others, _ = posts.tags_of.take(some[:, 1])
        equal = sum_rows(tags != others, offsets) == 0
        told = sum_rows(idf[tags], offsets)
        alike.append(some[equal & (told >= least)])
    found = np.concatenate([*alike, np.zeros((0, 2), np.int64)])

    # Names without an id are tags as well.
    same = [posts.value(a, "other_tags") == posts.value(b, "other_tags") for a, b in found]
    found = found[np.array(same, bool)]
    return found[~pools.in_one_series(posts.ids[found])]
