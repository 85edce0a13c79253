"""Learn what one user likes from their judgments, and choose what to show them next.

The model is Bayesian linear regression (Rasmussen and Williams 2006, section 2.1).
How much a post p is liked is

    f(p) = BASE + level + w · x(p),        judged as y = f(p) + noise,

where x(p) is the unit TF-IDF vector of the post and w has a weight for each tag. A
priori w = √TAG_VARIANCE · e + √MEANING_VARIANCE · V z, with e and z standard normal
and V the vectors of the tags: every tag has a taste of its own, and tags of like
meaning have like tastes. That is a Gaussian process over posts, so an answer after
n judgments costs an n × n system, whatever the size of the board. Nothing is kept
but the judgments.

The choice is Thompson sampling: draw one w from the posterior and show the post
that is best by it. The draw is exact and costs no more (Matheron's rule; Wilson et
al. 2020, eq. 9). Draws are held closer to the mean than the posterior says, which
learns faster over few answers (Chapelle and Li 2011, section 3). Old judgments
count less: their noise doubles every `HALF_LIFE` days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve

from ..embedding.dictionary import Dictionary
from .course import Course
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
    """A judgment of a post: 1 liked, -1 disliked, 0 skipped; the age is in days.

    One of weight 1/4 has four times the noise of another.
    """

    row: int
    value: float
    age: float = 0.0
    weight: float = 1.0


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
        rows = np.array([judgment.row for judgment in judgments], np.int64)
        judged = taste_features(ranking, rows)
        tag_ids = np.array(enjoys, np.int64)
        enjoyed = _enjoyed_features(ranking, tag_ids, allowed)
        self._said = np.union1d(judged.indices, tag_ids)
        # (n, T + 1), then (n, d)
        self._x = sp.vstack([judged, *enjoyed], "csr", np.float32)
        self._v = self._x[:, dictionary.tag_ids] @ dictionary.vecs

        values = np.array([judgment.value for judgment in judgments])
        ages = np.array([max(judgment.age, 0.0) for judgment in judgments])
        faded = np.minimum(np.exp2(ages / half_life), MOST_FADED)
        noise = np.where(values == 0, SKIPPED_NOISE, JUDGED_NOISE) * faded
        noise /= np.array([judgment.weight for judgment in judgments])
        told = np.where(values == 0, 0, values - BASE)
        k = len(tag_ids)
        self._noise = np.concatenate([noise, np.full(k, ENJOYED_NOISE)])
        self._target = np.concatenate([told, np.full(k, ENJOYED_VALUE)])

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
        # Matheron's rule: draw from the prior, then correct by what was said.
        words = self._dictionary
        own: np.ndarray = np.zeros(len(self._prior), np.float32)
        along: np.ndarray = np.zeros(words.vecs.shape[1], np.float32)
        noise = np.zeros(len(self._noise))
        if rng is not None:
            own = rng.standard_normal(len(own), np.float32)
            own *= explore * np.sqrt(self._prior)
            along = rng.standard_normal(len(along), np.float32)
            along *= np.float32(explore * MEANING_VARIANCE**0.5)
            noise = rng.standard_normal(len(noise))
            noise = noise * explore * np.sqrt(self._noise)
        if self._factor is not None:
            missing = self._target - self._x @ own - self._v @ along - noise
            solved = cho_solve(self._factor, missing).astype(np.float32)
            own = own + self._prior * (self._x.T @ solved)
            along = along + MEANING_VARIANCE * (self._v.T @ solved)
        own[words.tag_ids] += words.vecs @ along
        return own

    def score(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Compute f of some rows by `weights`: float64 (m,), 1 is liked, -1 disliked."""
        features = taste_features(self._ranking, rows)
        return BASE + features @ weights.astype(np.float64)

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
        tag_ids = self._said[self._said < level]
        weights = self.weights()[tag_ids]
        held = np.asarray(self._x.sum(0)).ravel()[tag_ids] * weights
        order = np.argsort(-held, kind="stable")
        pairs = [(int(tag_ids[i]), float(weights[i])) for i in order]
        up, down = np.count_nonzero(held > 0), np.count_nonzero(held < 0)
        return pairs[:up][:n], pairs[len(pairs) - down :][::-1][:n]


def taste_features(ranking: Ranking, rows: np.ndarray) -> sp.csr_matrix:
    """Return the unit TF-IDF vectors of some rows, then a column of ones.

    Returns
    -------
    float32 (m, T + 1).
    """
    tags, offsets = ranking.posts.tags_of.take(rows)
    m, n_tags = len(rows), len(ranking.idf)
    tfidf = _unit_rows(ranking.idf[tags], offsets)
    data = np.insert(tfidf, offsets[1:], 1).astype(np.float32)
    columns = np.insert(tags, offsets[1:], n_tags)
    offsets = offsets + np.arange(m + 1)
    return sp.csr_matrix((data, columns, offsets), (m, n_tags + 1))


def _unit_rows(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Scale rows of different lengths, which follow each other, to length 1."""
    squares = np.cumsum(np.square(values, dtype=np.float64))
    squares = np.concatenate([[0.0], squares])
    norms = np.sqrt(np.maximum(np.diff(squares[offsets]), 1e-24))
    return values / np.repeat(norms, np.diff(offsets))


def _enjoyed_features(
    ranking: Ranking, tag_ids: np.ndarray, allowed: np.ndarray
) -> list[sp.csr_matrix]:
    """Return what each enjoyed tag stands for, as if it were a post.

    Returns
    -------
    One unit row per tag, float64 (1, T + 1): the average of the tag itself and of the
    posts that hold it. The level, in the last column, is 0.
    """
    features = []
    for tag_id in tag_ids:
        rows = ranking.posts.rows_with[tag_id]
        rows = rows[allowed[rows]]
        some = rows[:: len(rows) // ENJOYED_POSTS + 1]
        held, offsets = ranking.posts.tags_of.take(some)
        tags, which = np.unique(np.append(held, tag_id), return_inverse=True)
        worth = _unit_rows(ranking.idf[held], offsets)
        # The sum of the posts points where their mean does.
        made = np.bincount(which[:-1], worth, len(tags)).astype(np.float64)
        made /= max(float(np.linalg.norm(made)), 1e-12)
        made[which[-1]] += 1
        made /= np.linalg.norm(made)
        shape = (1, len(ranking.idf) + 1)
        features.append(sp.csr_matrix((made, tags, [0, len(tags)]), shape))
    return features


def candidates(
    ranking: Ranking, weights: np.ndarray, allowed: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Find the posts that are worth scoring by some weights.

    The `BEST_TAGS` tags that add most to a post are looked up. A tag on more than
    `POSTINGS_READ` posts is looked up in a run of so many, which begins at a random
    place. The `BEST_CANDIDATES` allowed posts to which these tags add most are
    candidates, and so are those allowed among `STRAY_CANDIDATES` random posts.

    Parameters
    ----------
    weights : float (T + 1,), see `Preference.weights`.
    allowed : bool (n,), posts that may be candidates.

    Returns
    -------
    int64 (k,), rows of the candidates, ascending, each once. There may be none.
    """
    gain = weights[:-1] * ranking.idf
    most = min(BEST_TAGS, len(gain) - 1)
    tags = np.argpartition(-gain, most)[:BEST_TAGS]
    tags = tags[gain[tags] > 0]

    postings = ranking.posts.rows_with
    lengths = postings.lengths(tags)
    taken = np.minimum(lengths, POSTINGS_READ)
    later = rng.random(len(tags)) * (lengths - taken + 1)
    starts = postings.offsets[tags] + later.astype(np.int64)
    ends = np.cumsum(taken)
    at = np.arange(taken.sum()) + np.repeat(starts - (ends - taken), taken)
    rows, worth = postings.values[at], np.repeat(gain[tags], taken)

    shown = allowed[rows]
    found, which = np.unique(rows[shown], return_inverse=True)
    added = np.bincount(which, worth[shown], len(found))
    if len(found) > BEST_CANDIDATES:
        best = np.argpartition(-added, BEST_CANDIDATES)[:BEST_CANDIDATES]
        found = found[best]
    strays = rng.integers(0, len(allowed), STRAY_CANDIDATES)
    return np.union1d(found, strays[allowed[strays]]).astype(np.int64)


def choose(
    preference: Preference,
    ranking: Ranking,
    allowed: np.ndarray,
    n: int = 1,
    seed: int = 0,
    explore: float = EXPLORE,
    course: Course | None = None,
) -> np.ndarray:
    """Choose the rows to show next, by one draw of the taste for each.

    Parameters
    ----------
    allowed : bool (n,), False also for what was seen.
    explore : see `Preference.weights`; 0 shows what is best by the mean.
    course : keeps what is chosen varied; None: the best by the draw, whatever came
        before it.

    Returns
    -------
    int64; fewer than n only if no more are allowed.
    """
    rng, left, chosen = np.random.default_rng(seed), allowed.copy(), []
    for _ in range(n):
        weights = preference.weights(rng, explore)
        rows = _worth_scoring(ranking, weights, left, rng, course)
        if not len(rows):
            break
        scores = preference.score(rows, weights)
        if course:
            scores = course.discounted(rows, scores)
        best = int(rows[np.argmax(scores)])
        if course:
            rate = partial(preference.score, weights=weights)
            best = course.show(course.best(rows, scores), left, rate)
        left[best] = False
        chosen.append(best)
    return np.array(chosen, np.int64)


def _worth_scoring(
    ranking: Ranking,
    weights: np.ndarray,
    left: np.ndarray,
    rng: np.random.Generator,
    course: Course | None,
) -> np.ndarray:
    """Return candidates, without what has come often enough if anything else is left."""
    held_back = course.held_back(left) if course else np.zeros(0, np.int64)
    left[held_back] = False
    rows = candidates(ranking, weights, left, rng)
    if not len(rows):
        rows = np.flatnonzero(left)
    left[held_back] = True
    return rows if len(rows) else held_back
