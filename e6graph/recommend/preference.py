"""Learn what one user likes from their judgments, and choose what to show them next.

The model is Bayesian linear regression (Rasmussen and Williams 2006, section 2.1). How much a post
p is liked is

    f(p) = BASE + level + w · x(p),        judged as y = f(p) + noise,

where x(p) is the unit TF-IDF vector of the post and w has a weight for each tag. A priori
w = √TAG_VARIANCE · e + √MEANING_VARIANCE · V z, with e and z standard normal and V the vectors of
the tags: every tag has a taste of its own, and tags of like meaning have like tastes. That is a
Gaussian process over posts, so an answer after n judgments costs an n × n system, whatever the size
of the board. Nothing is kept but the judgments.

The choice is Thompson sampling: draw one w from the posterior and show the post that is best by it.
The draw is exact and costs no more (Matheron's rule; Wilson et al. 2020, eq. 9). Draws are held
closer to the mean than the posterior says, which learns faster over few answers (Chapelle and Li
2011, section 3). Old judgments count less: their noise doubles every `HALF_LIFE` days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve

from ..embedding.dictionary import Dictionary
from .ranking import Ranking

BASE = -0.5  # f of a post that nothing is known of: most are not liked
TAG_VARIANCE = 0.5  # prior variance of f by the tags themselves
MEANING_VARIANCE = 0.2  # by the vectors of the tags
LEVEL_VARIANCE = 0.3  # of the level, which all posts share
JUDGED_NOISE = 0.5  # variance of a judgment made today
SKIPPED_NOISE = 2.0  # of a skipped post, whose f counts as `BASE`
ENJOYED_VALUE = 3.0  # w · x of what an enjoyed tag stands for
ENJOYED_NOISE = 0.3  # its variance
ENJOYED_POSTS = 100  # posts that tell what goes with an enjoyed tag
HALF_LIFE = 30.0  # days in which the noise of a judgment doubles
MOST_FADED = 16.0  # how many times the noise grows at most
LATEST_JUDGMENTS = 300  # those that count
EXPLORE = 0.1  # standard deviations of a draw, as a share of the posterior's
SURPRISE = 0.5  # the same for a draw that goes where the taste is less known
BEST_TAGS = 50  # see `candidates`
POSTINGS_READ = 1000  # of each of those tags
BEST_CANDIDATES = 1000
STRAY_CANDIDATES = 200


@dataclass(frozen=True)
class Judgment:
    """What was said of a post: its row, a value (1 liked, -1 disliked, 0 skipped), its age in days.

    Attributes
    ----------
    age : days since it was said.
    """

    row: int
    value: float
    age: float = 0.0


class Preference:
    """The posterior of one user's taste.

    Parameters
    ----------
    judgments : the latest last; the last `LATEST_JUDGMENTS` count.
    enjoys : ids of tags that the user named; they do not age.
    allowed : bool (n,), posts whose tags may tell what goes with an enjoyed tag.
    half_life : days.
    """

    def __init__(
        self,
        ranking: Ranking,
        dictionary: Dictionary,
        judgments: Sequence[Judgment],
        enjoys: Sequence[int],
        allowed: np.ndarray,
        half_life: float = HALF_LIFE,
    ) -> None:
        self._ranking, self._dictionary = ranking, dictionary
        judgments = judgments[-LATEST_JUDGMENTS:]
        judged = taste_features(ranking, np.array([j.row for j in judgments], np.int64))
        tag_ids = np.array(enjoys, np.int64)
        enjoyed = _enjoyed_features(ranking, tag_ids, allowed)
        self._said = np.union1d(judged.indices, tag_ids)
        self._x = sp.vstack([judged, enjoyed], "csr", np.float32)  # (n, T + 1)
        self._v = self._x[:, dictionary.tag_ids] @ dictionary.vecs  # (n, d)

        values = np.array([judgment.value for judgment in judgments])
        ages = np.array([max(judgment.age, 0.0) for judgment in judgments])
        faded = np.minimum(np.exp2(ages / half_life), MOST_FADED)
        noise = np.where(values == 0, SKIPPED_NOISE, JUDGED_NOISE) * faded
        self._noise = np.concatenate([noise, np.full(len(enjoys), ENJOYED_NOISE)])
        told = np.where(values == 0, 0, values - BASE)
        self._target = np.concatenate([told, np.full(len(enjoys), ENJOYED_VALUE)])

        self._prior = np.full(self._x.shape[1], TAG_VARIANCE, np.float32)
        self._prior[-1] = LEVEL_VARIANCE
        scaled = self._x.copy()
        scaled.data *= self._prior[scaled.indices]
        kernel = (scaled @ self._x.T).toarray().astype(np.float64)
        kernel += MEANING_VARIANCE * (self._v @ self._v.T) + np.diag(self._noise)
        self._factor = cho_factor(kernel, lower=True) if len(kernel) else None

    def weights(
        self, rng: np.random.Generator | None = None, explore: float = 1.0
    ) -> np.ndarray:
        """Return the weight of every tag, then the level: float32 (T + 1,).

        Without `rng` that is the mean of the posterior, with it a draw.

        Parameters
        ----------
        explore : standard deviations of the draw, as a share of the posterior's.
        """
        # Matheron's rule: draw from the prior, then correct by what the judgments say.
        own: np.ndarray = np.zeros(len(self._prior), np.float32)
        along: np.ndarray = np.zeros(self._dictionary.vecs.shape[1], np.float32)
        noise = np.zeros(len(self._noise))
        if rng is not None:
            own = rng.standard_normal(len(own), np.float32) * (explore * np.sqrt(self._prior))
            scale = np.float32(explore * MEANING_VARIANCE**0.5)
            along = rng.standard_normal(len(along), np.float32) * scale
            noise = rng.standard_normal(len(noise)) * explore * np.sqrt(self._noise)
        if self._factor is not None:
            missing = self._target - self._x @ own - self._v @ along - noise
            solved = cho_solve(self._factor, missing).astype(np.float32)
            own = own + self._prior * (self._x.T @ solved)
            along = along + MEANING_VARIANCE * (self._v.T @ solved)
        own[self._dictionary.tag_ids] += self._dictionary.vecs @ along
        return own

    def score(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Compute f of some rows by given `weights`: float64 (m,), about 1 liked, -1 disliked."""
        return BASE + taste_features(self._ranking, rows) @ weights.astype(np.float64)

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Compute the posterior mean of f for some rows: float64 (m,)."""
        return self.score(rows, self.weights())

    def telling(self, n: int = 10) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """Return the tags that speak most for a post, and those that speak most against one.

        They are ordered by their weight times how much of them the judged posts hold, so that a
        tag met once does not come before one met often.

        Returns
        -------
        up, down : (tag id, weight), strongest first, at most n each.
        """
        tag_ids = self._said[self._said < len(self._prior) - 1]  # the last is the level
        weights = self.weights()[tag_ids]
        held = np.asarray(self._x.sum(0)).ravel()[tag_ids] * weights
        order = np.argsort(-held, kind="stable")
        pairs = [(int(tag_ids[i]), float(weights[i])) for i in order]
        up, down = np.count_nonzero(held > 0), np.count_nonzero(held < 0)
        return pairs[:up][:n], pairs[len(pairs) - down :][::-1][:n]


def taste_features(ranking: Ranking, rows: np.ndarray) -> sp.csr_matrix:
    """Return the unit TF-IDF vectors of some rows, then a column of ones: float32 (m, T + 1)."""
    tags, offsets = ranking.posts.tags_of.take(rows)
    m, n_tags = len(rows), len(ranking.idf)
    data = np.insert(_unit_rows(ranking.idf[tags], offsets), offsets[1:], 1)
    columns = np.insert(tags, offsets[1:], n_tags)
    ends = offsets + np.arange(m + 1)
    return sp.csr_matrix((data.astype(np.float32), columns, ends), (m, n_tags + 1))


def _unit_rows(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Scale rows of different lengths, one after the other in `values`, to unit vectors."""
    squares = np.concatenate([[0.0], np.cumsum(np.square(values, dtype=np.float64))])
    norms = np.sqrt(np.maximum(np.diff(squares[offsets]), 1e-24))
    return values / np.repeat(norms, np.diff(offsets))


def _enjoyed_features(
    ranking: Ranking, tag_ids: np.ndarray, allowed: np.ndarray
) -> sp.csr_matrix:
    """Return one unit row per tag: the average of the tag itself and of the posts that hold it.

    Returns
    -------
    float32 (k, T + 1); the level in the last column is 0.
    """
    rows_of_tags = []
    for tag_id in tag_ids:
        rows = ranking.posts.rows_with[tag_id]
        rows = rows[allowed[rows]]
        some = rows[:: len(rows) // ENJOYED_POSTS + 1]
        held, offsets = ranking.posts.tags_of.take(some)
        tags, which = np.unique(np.append(held, tag_id), return_inverse=True)
        worth = _unit_rows(ranking.idf[held], offsets)
        # The sum points where the mean does. It has integer type where there is no post.
        mean = np.bincount(which[:-1], worth, len(tags)).astype(np.float64)
        mean /= max(float(np.linalg.norm(mean)), 1e-12)
        mean[which[-1]] += 1
        rows_of_tags.append((mean / np.linalg.norm(mean), tags))
    offsets = np.cumsum([0, *(len(tags) for _, tags in rows_of_tags)])
    data = np.concatenate([np.zeros(0), *(mean for mean, _ in rows_of_tags)])
    columns = np.concatenate([np.zeros(0, np.int64), *(tags for _, tags in rows_of_tags)])
    shape = (len(rows_of_tags), len(ranking.idf) + 1)
    return sp.csr_matrix((data, columns, offsets), shape)


def candidates(
    ranking: Ranking, weights: np.ndarray, allowed: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return rows (int64, ascending) that may be best by some weights, and a few at random.

    The postings of the `BEST_TAGS` tags that add most to a post are read; of a long one, a run of
    `POSTINGS_READ` that begins anywhere. The `BEST_CANDIDATES` rows to which those tags add most
    are kept, and up to `STRAY_CANDIDATES` others join them.

    Parameters
    ----------
    allowed : bool (n,); nothing else is returned.
    """
    gain = weights[:-1] * ranking.idf
    tags = np.argpartition(-gain, min(BEST_TAGS, len(gain) - 1))[:BEST_TAGS]
    tags = tags[gain[tags] > 0]

    postings = ranking.posts.rows_with
    lengths = postings.lengths(tags)
    taken = np.minimum(lengths, POSTINGS_READ)
    late = (rng.random(len(tags)) * (lengths - taken + 1)).astype(np.int64)
    starts, ends = postings.offsets[tags] + late, np.cumsum(taken)
    at = np.arange(taken.sum()) + np.repeat(starts - (ends - taken), taken)
    rows, worth = postings.values[at], np.repeat(gain[tags], taken)

    shown = allowed[rows]
    found, which = np.unique(rows[shown], return_inverse=True)
    added = np.bincount(which, worth[shown], len(found))
    if len(found) > BEST_CANDIDATES:
        found = found[np.argpartition(-added, BEST_CANDIDATES)[:BEST_CANDIDATES]]
    strays = rng.integers(0, len(allowed), STRAY_CANDIDATES)
    return np.union1d(found, strays[allowed[strays]]).astype(np.int64)


def choose(
    preference: Preference,
    ranking: Ranking,
    allowed: np.ndarray,
    n: int = 1,
    seed: int = 0,
    explore: float = EXPLORE,
) -> np.ndarray:
    """Choose the rows to show next, by one draw of the taste for each.

    Parameters
    ----------
    allowed : bool (n,), False also for what was seen.
    explore : see `Preference.weights`; 0 shows what is best by the mean.

    Returns
    -------
    int64; fewer than n only if no more are allowed.
    """
    rng, left, chosen = np.random.default_rng(seed), allowed.copy(), []
    for _ in range(n):
        weights = preference.weights(rng, explore)
        rows = candidates(ranking, weights, left, rng)
        if not len(rows):
            rows = np.flatnonzero(left)
        if not len(rows):
            break
        best = rows[np.argmax(preference.score(rows, weights))]
        chosen.append(best)
        left[best] = False
    return np.array(chosen, np.int64)
