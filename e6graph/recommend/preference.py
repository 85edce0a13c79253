"""Learn what one user likes from their judgments.

The model is Bayesian linear regression (Rasmussen and Williams 2006, section 2.1).
How much a post p is liked is

    f(p) = usual(p) + level + w · x(p),        judged as y = f(p) + noise,

where x(p) is the unit TF-IDF vector of the post and w has a weight for each tag. A
priori w = √TAG_VARIANCE · e + √MEANING_VARIANCE · V z, with e and z standard normal
and V the vectors of the tags: every tag has a taste of its own, and tags of like
meaning have like tastes. usual(p) is what is expected of a post for somebody of whom
nothing is known: `BASE`, and more for a post that has much to like (`appeal`). Tags
that were named just now raise it for a while.

That is a Gaussian process over posts, so an answer after n judgments costs an n × n
system, whatever the size of the board. Of more than `EXACT` judgments the system is
solved by conjugate gradients from the solution before. How far back the taste reaches
is chosen by what it foretold (`memories`), and the parts of a broad taste take turns
(`turns`). Old judgments count less: their noise doubles every `HALF_LIFE` days.

A draw of w from the posterior is exact and costs no more than the mean (Matheron's rule;
Wilson et al. 2020, eq. 9). What to show by it is chosen in `choosing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, cg

from ..embedding.dictionary import Dictionary
from ..store.ragged import sum_rows
from .features import enjoyed_features, taste_features
from .memories import best_length, within
from .ranking import Ranking
from .turns import centers_of, nearest

BASE = -0.5  # f of a usual post that nothing is known of: most are not liked
APPEAL = 0.2  # f of a post that is one standard deviation more appealing
TAG_VARIANCE = 0.5  # prior variance of f by the tags themselves
MEANING_VARIANCE = 0.1  # by the vectors of the tags
LEVEL_VARIANCE = 0.05  # of the level, which all posts share
JUDGED_NOISE = 0.5  # variance of a judgment made today
SKIPPED_NOISE = 2.0  # of a skipped post, whose f counts as `BASE`
ENJOYED_VALUE = 3.0  # w · x of what an enjoyed tag stands for
ENJOYED_NOISE = 1.0  # its variance
HALF_LIFE = 30.0  # days in which the noise of a judgment doubles
MOST_FADED = 16.0  # how many times the noise grows at most
LATEST_JUDGMENTS = 20_000  # those that count
EXACT = 300  # judgments that are solved exactly; more of them by conjugate gradients
NEAR = 0.003  # by which the solution of those may be off, as a share
MOST_ITERATIONS = 200
LEAD = 1.5  # f of a post for each tag it holds that was named just now
LEAD_HALVES = 5.0  # judgments after which that is half
LEAST_LEAD = 0.01


@dataclass(frozen=True)
class Judgments:
    """What a user said of posts, the latest last.

    Attributes
    ----------
    rows : int64 (n,), the posts.
    values : float64 (n,), 1 for liked, -1 for disliked, 0 for skipped.
    ages : float64 (n,), days.
    weights : float64 (n,); a judgment of weight 1/4 has four times the noise of one of
        weight 1. Without weights all count alike.
    """

    rows: np.ndarray
    values: np.ndarray
    ages: np.ndarray
    weights: np.ndarray = field(default_factory=lambda: np.ones(1))  # (1,): for all

    def latest(self, n: int) -> Judgments:
        """Return the last n."""
        columns = self.rows, self.values, self.ages, self.weights
        return Judgments(*(column[-n:] for column in columns))


class Preference:
    """The posterior of one user's taste.

    Parameters
    ----------
    judgments : the last `LATEST_JUDGMENTS` of them count.
    enjoys : ids of tags that the user named; they do not age.
    allowed : bool (n,), posts whose tags may tell what goes with an enjoyed tag.
    named : how many judgments came after each of `enjoys` was named, infinity for
        long ago; None: all were named long ago.
    earlier : the posterior of the same user some judgments before. What it knows of
        the same posts is not worked out again.

    Attributes
    ----------
    ranking : as given.
    rows, values : int64 and float64 (n,), the judgments.
    remembered : how many of the latest judgments count, None for all; see `memories`.
    """

    def __init__(
        self,
        ranking: Ranking,
        dictionary: Dictionary,
        judgments: Judgments,
        enjoys: Sequence[int],
        allowed: np.ndarray,
        named: Sequence[float] | None = None,
        earlier: Preference | None = None,
    ) -> None:
        self.ranking, self._dictionary = ranking, dictionary
        judgments = judgments.latest(LATEST_JUDGMENTS)
        self.rows, self.values = judgments.rows, judgments.values
        tag_ids, k = np.array(enjoys, np.int64), len(enjoys)
        after = np.full(k, np.inf) if named is None else np.array(named, np.float64)
        self._leading = tag_ids, LEAD * np.exp2(-after / LEAD_HALVES)

        self._judged, self._judged_vecs, self._usual = self._features_of_judged(earlier)
        enjoyed = sp.csr_matrix((0, self._judged.shape[1]), dtype=np.float32)
        if k:
            enjoyed = sp.vstack(enjoyed_features(ranking, tag_ids, allowed), "csr", np.float32)
        # The names come first: (k + n, T + 1), then (k + n, d)
        self._x = sp.vstack([enjoyed, self._judged], "csr")
        enjoyed_vecs = enjoyed[:, dictionary.tag_ids] @ dictionary.vecs
        self._v = np.concatenate([enjoyed_vecs, self._judged_vecs])

        faded = np.exp2(np.maximum(judgments.ages, 0) / HALF_LIFE)
        faded = np.minimum(faded, MOST_FADED)
        noise = np.where(self.values == 0, SKIPPED_NOISE, JUDGED_NOISE) * faded
        noise /= judgments.weights
        told = np.where(
            self.values == 0, 0, self.values - self._usual - self._lead(self._judged)
        )
        named_noise = ENJOYED_NOISE * np.minimum(1, (1 + after) / LEAD_HALVES)
        self._noise = np.concatenate([named_noise, noise])
        self._target = np.concatenate([np.full(k, ENJOYED_VALUE), told])
        self._prior = np.full(self._x.shape[1], TAG_VARIANCE, np.float32)
        self._prior[-1] = LEVEL_VARIANCE

        self._named = k
        self._parted: tuple[int, np.ndarray] | None = None
        self._factor, self._guess = None, np.zeros(len(self._target))
        self.remembered = self._remember(after)
        if earlier is not None and self._factor is None:
            same = min(len(earlier._guess), len(self._guess))
            self._guess[:same] = earlier._solved[:same]
            self._parted = earlier._parted

    def _remember(self, after: np.ndarray) -> int | None:
        """Choose how far the taste reaches back, and forget what was before."""
        k, n = len(after), len(self.rows)
        latest = np.append(np.arange(k), np.arange(k + max(0, n - EXACT), k + n))
        system = self._system(latest)
        length = best_length(system, self._target[latest], after)
        if length is not None:
            kept = within(length, after, n)
            inner = np.searchsorted(latest, kept)
            system = system[np.ix_(inner, inner)]
            self._x, self._v = self._x[kept], self._v[kept]
            self._named = len(kept) - length
            self._noise, self._target = self._noise[kept], self._target[kept]
        if 0 < len(system) == len(self._target):
            self._factor = cho_factor(system, lower=True)
        return length

    def _features_of_judged(
        self, earlier: Preference | None
    ) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
        """Return x (n, T + 1) and vectors (n, d) of the judged posts, and f before any."""
        words = self._dictionary
        same = 0 if earlier is None else in_common(earlier.rows, self.rows)
        new = self.rows[same:]
        x = taste_features(self.ranking, new)
        vecs = x[:, words.tag_ids] @ words.vecs
        usual = usually(self.ranking, new)
        if earlier is None:
            return x, vecs, usual
        x = sp.vstack([earlier._judged[:same], x], "csr")
        vecs = np.concatenate([earlier._judged_vecs[:same], vecs])
        return x, vecs, np.concatenate([earlier._usual[:same], usual])

    def _system(self, at: np.ndarray) -> np.ndarray:
        """Return the covariance of some observations, noise included: float64 (m, m)."""
        x, v = self._x[at], self._v[at]
        scaled = x.copy()
        scaled.data *= self._prior[scaled.indices]
        kernel = (scaled @ x.T).toarray().astype(np.float64)
        kernel += MEANING_VARIANCE * (v @ v.T) + np.diag(self._noise[at])
        return kernel

    def _solve(self, missing: np.ndarray) -> np.ndarray:
        """Solve the system of all observations for some values: float64 (k + n,)."""
        if self._factor is not None:
            return cho_solve(self._factor, missing)
        if not len(missing):
            return missing
        x, v, prior = self._x, self._v, self._prior

        def times(some: np.ndarray) -> np.ndarray:
            low = some.astype(np.float32)
            total = x @ (prior * (low @ x)) + MEANING_VARIANCE * (v @ (low @ v))
            return total + self._noise * some

        diagonal = TAG_VARIANCE + LEVEL_VARIANCE + self._noise
        shape = (len(missing), len(missing))
        system = LinearOperator(shape, times, dtype=np.float64)
        roughly = LinearOperator(shape, lambda some: some / diagonal, dtype=np.float64)
        options = {"rtol": NEAR, "maxiter": MOST_ITERATIONS, "M": roughly}
        return cg(system, missing, self._guess, **options)[0]

    @cached_property
    def _solved(self) -> np.ndarray:
        """How much each observation adds to the mean: float64 (k + n,)."""
        return self._solve(self._target)

    def weights(
        self, rng: np.random.Generator | None = None, explore: float = 1.0
    ) -> np.ndarray:
        """Return the weight of every tag, then the level: float32 (T + 1,).

        Without `rng`, or where `explore` is 0, that is the mean of the posterior,
        otherwise a draw.

        Parameters
        ----------
        explore : standard deviations of the draw, as a share of the posterior's.
        """
        if rng is None or not explore:
            return self._mean_weights
        # Matheron's rule: draw from the prior, then correct by what was said.
        own = rng.standard_normal(len(self._prior), np.float32)
        own *= explore * np.sqrt(self._prior)
        along = rng.standard_normal(self._v.shape[1], np.float32)
        along *= np.sqrt(np.float32(explore**2 * MEANING_VARIANCE))
        noise = explore * rng.standard_normal(len(self._noise)) * np.sqrt(self._noise)
        missing = self._target - self._x @ own - self._v @ along - noise
        return self._weights_by(self._solve(missing), own, along)

    @cached_property
    def _mean_weights(self) -> np.ndarray:
        return self._weights_by(self._solved)

    @cached_property
    def _liked(self) -> np.ndarray:
        """Which observations are likes, int64."""
        values = self.values[len(self.values) - (len(self._target) - self._named) :]
        return self._named + np.flatnonzero(values > 0)

    @cached_property
    def _centers(self) -> np.ndarray:
        """The centers of the parts of a broad taste, float32 (k, d)."""
        likes = len(self._liked)
        if self._parted and self._parted[0] <= likes <= 1.1 * self._parted[0]:
            return self._parted[1]
        made = centers_of(self._v[self._liked])
        self._parted = likes, made
        return made

    def turn(self, number: int) -> np.ndarray | None:
        """Return the weights that one part of a broad taste asks for: float32 (T + 1,).

        What is liked in the other parts is left out, and all else counts. None: the
        taste is not broad.

        Parameters
        ----------
        number : parts take turns by it.
        """
        centers = self._centers
        if len(centers) < 2:
            return None
        part = nearest(self._v[self._liked], centers)
        solved = self._solved.copy()
        solved[self._liked[part != number % len(centers)]] = 0
        return self._weights_by(solved)

    def _weights_by(
        self,
        solved: np.ndarray,
        own: np.ndarray | float = 0,
        along: np.ndarray | float = 0,
    ) -> np.ndarray:
        """Return the weights of a draw by what observations add to it: float32 (T + 1,).

        Parameters
        ----------
        solved : float64 (k + n,), how much each observation adds.
        own, along : the draw from the prior: of each weight (T + 1,), and of the tags'
            vectors (d,). 0 for the mean.
        """
        some = solved.astype(np.float32)
        weights = self._prior * (some @ self._x) + own
        direction = MEANING_VARIANCE * (some @ self._v) + along
        weights[self._dictionary.tag_ids] += self._dictionary.vecs @ direction
        return weights

    def score(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Compute f of some rows by `weights`: float64 (m,), 1 is liked, -1 disliked."""
        features = taste_features(self.ranking, rows)
        before = usually(self.ranking, rows) + self._lead(features)
        return before + features @ weights.astype(np.float64)

    def _lead(self, features: sp.csr_matrix) -> np.ndarray:
        """Return by how much names of just now raise f: float64 (m,)."""
        total = np.zeros(features.shape[0])
        for tag_id, lead in zip(*self._leading, strict=True):
            if lead > LEAST_LEAD:
                total += lead * sum_rows(features.indices == tag_id, features.indptr)
        return total

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Compute the posterior mean of f for some rows: float64 (m,)."""
        return self.score(rows, self.weights())

    def telling(self, n: int = 10) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """Return the tags that speak most for a post, and most against one.

        They are ordered by their weight times how much of them the judged posts
        hold, so that a tag met once does not come before one met often.

        Returns
        -------
        up, down : (tag id, weight), strongest first, at most n each.
        """
        level = len(self._prior) - 1
        said = np.unique(self._x.indices)
        tag_ids = said[said < level]
        weights = self.weights()[tag_ids]
        held = np.asarray(self._x.sum(0)).ravel()[tag_ids] * weights
        order = np.argsort(-held, kind="stable")
        pairs = [(int(tag_ids[i]), float(weights[i])) for i in order]
        up, down = np.count_nonzero(held > 0), np.count_nonzero(held < 0)
        return pairs[:up][:n], pairs[len(pairs) - down :][::-1][:n]


def usually(ranking: Ranking, rows: np.ndarray) -> np.ndarray:
    """Compute f of some rows for somebody of whom nothing is known: float64 (m,)."""
    return BASE + APPEAL * ranking.appeal.of(*ranking.posts.tags_of.take(rows))


def in_common(rows: np.ndarray, others: np.ndarray) -> int:
    """Count the equal values at the beginning of two lists.

    >>> in_common(np.array([3, 1, 4]), np.array([3, 1, 5, 9]))
    2
    """
    shorter = min(len(rows), len(others))
    differ = np.flatnonzero(rows[:shorter] != others[:shorter])
    return int(differ[0]) if len(differ) else shorter
