"""How much a tag tells against a post's belonging with others that lack it.

A pool is taken for a group with a habit: a member has tag t with a chance that the
group drew from a beta distribution of mean p, the tag's share of the board, and
concentration κ. If none of q query posts has the tag, another post of their group
has it with the chance κp / (q + κ), and one that has it is the less likely to be of
that group (Bayesian sets, Ghahramani and Heller 2005). There κ is the same for all
tags; here each has its own.

κ = (1 − s) / s, where s is the tag's agreement: how far the members of one pool agree
on it, from 0 (no more than chance) to 1 (all or none have it), which statistics know
as the intraclass correlation. It is counted in pools, and held near that of tags of
one category and about as many posts, the nearer the fewer members tell of it.
"""

from __future__ import annotations

import numpy as np

from .posts import Posts

LEARNED_POOLS = 5000  # at most
LEARNED_MEMBERS = 100  # of a pool, at most
MEMBERS_COUNTED = 10  # a larger pool counts as much as one of so many
USUAL_AGREEMENT = 0.3  # of a frequent tag, before any pool is seen
RARE = 8  # posts of a tag, up to which it agrees less
WEIGHTS_KEPT = 32  # numbers of query posts, 4 bytes a tag each
PRIOR_MEMBERS = 5.0  # that a tag's prior counts as, and each of its levels
LEAST_AGREEMENT, MOST_AGREEMENT = 1e-4, 0.97


class Foreignness:
    """The weight of each tag against a post, where no query post has the tag.

    Parameters
    ----------
    agreement : float (T,), of each tag, in (0, 1).
    shares : float64 (T,), share of the posts that hold each tag.
    telling : bool (T,), tags that take part.
    """

    def __init__(self, agreement: np.ndarray, shares: np.ndarray, telling: np.ndarray) -> None:
        self.agreement = agreement.astype(np.float32)
        agreed = self.agreement.astype(np.float64)
        self._kappa = (1 - agreed) / agreed
        self._shares = np.clip(shares, 0, 0.95)
        self._telling = telling
        self._weights: dict[int, np.ndarray] = {}  # by the number of query posts

    def weights(self, posts: int) -> np.ndarray:
        """Return what each tag tells, in nats, 0 or less: float32 (T,).

        That is the logarithm of the odds that another post of the group has the tag,
        over the odds that any post has it.

        Parameters
        ----------
        posts : how many query posts there are, none of which has the tag.
        """
        if posts not in self._weights:
            kappa = self._kappa
            odds = kappa / (posts + kappa * (1 - self._shares)) * (1 - self._shares)
            told = np.where(self._telling, np.log(odds), 0)
            if len(self._weights) >= WEIGHTS_KEPT:
                self._weights.clear()
            return self._weights.setdefault(posts, told.astype(np.float32))
        return self._weights[posts]


class Agreement:
    """Counts how far the members of pools agree on each tag, and can leave one pool out.

    Parameters
    ----------
    pools : rows of the members of each, all different.
    telling : bool (T,), tags that take part.
    """

    def __init__(self, posts: Posts, pools: list[np.ndarray], telling: np.ndarray) -> None:
        self._telling = telling
        self._uses = np.diff(posts.rows_with.offsets).astype(np.float64)
        self._shares = self._uses / max(len(posts), 1)
        numbers = posts.categories.astype(np.int64)
        self._level = np.log2(np.maximum(self._uses, 1)).astype(np.int64)
        self._kind = numbers * 64 + self._level

        step = max(1, -(-len(pools) // LEARNED_POOLS))
        self._pools = {number: at for at, number in enumerate(range(0, len(pools), step))}
        taken = [_some(pools[number]) for number in self._pools]
        sizes = np.array([len(rows) for rows in taken], np.int64)
        tags, offsets = posts.tags_of.take(np.concatenate([np.zeros(0, np.int64), *taken]))
        of_row = np.repeat(np.arange(len(sizes)), sizes)
        pool = np.repeat(of_row, np.diff(offsets))
        told = telling[tags]
        pairs = pool[told] * len(telling) + tags[told]
        pairs, times = np.unique(pairs, return_counts=True)
        pool, self._tags = np.divmod(pairs, len(telling))
        self._starts = np.searchsorted(pool, np.arange(len(sizes) + 1))
        size = sizes[pool]
        weight = np.minimum(1, MEMBERS_COUNTED / size)
        self._holders = weight * times  # members that hold the tag
        self._fellows = self._holders * (times - 1) / (size - 1)  # whose fellow does
        self._all = self._sums(slice(None))

    def _sums(self, some: slice) -> np.ndarray:
        """Sum what some pairs of a pool and a tag tell: float64 (2, T)."""
        tags, n = self._tags[some], len(self._telling)
        held = np.bincount(tags, self._holders[some], n)
        return np.stack([held, np.bincount(tags, self._fellows[some], n)])

    def foreignness(self, but_pool: int = -1) -> Foreignness:
        """Estimate the agreement of all tags, from all pools but one.

        Parameters
        ----------
        but_pool : its place among the pools that were given.
        """
        held, fellows = self._all
        if but_pool in self._pools:
            at = self._pools[but_pool]
            own = self._sums(slice(self._starts[at], self._starts[at + 1]))
            held, fellows = self._all - own

        # Beyond chance, of what there is beyond it; each level is the next one's prior.
        room = (1 - self._shares) * held
        beyond = fellows - self._shares * held
        rare = np.maximum(self._uses - 1, 0) / (self._uses + RARE - 1)
        prior = USUAL_AGREEMENT * rare
        for group in (self._level, self._kind, np.arange(len(held))):
            more = np.bincount(group, beyond)
            out_of = np.bincount(group, room)
            prior = (more[group] + PRIOR_MEMBERS * prior) / (out_of[group] + PRIOR_MEMBERS)
        agreement = np.clip(prior, LEAST_AGREEMENT, MOST_AGREEMENT)
        return Foreignness(agreement, self._shares, self._telling)


def _some(rows: np.ndarray) -> np.ndarray:
    """Return `LEARNED_MEMBERS` of a pool's members, from all over it."""
    step = -(-len(rows) // LEARNED_MEMBERS)
    return rows[:: max(1, step)]
