"""What one user likes, learned from each judgment as it comes, and choosing what to show next.

Bayesian linear regression (Rasmussen and Williams 2006, section 2.1). How much a post p is liked is

    f(p) = BASE + level + w · x(p),        judged as y = f(p) + noise,

with x(p) its unit TF-IDF vector and a weight w for each tag. A priori
w = √TAGS · e + √MEANING · V z, with e and z standard normal and V the tags' vectors: every tag has
a taste of its own, and tags of like meaning have like tastes. That is a Gaussian process over
posts, so with n judgments an answer costs an n × n system whatever the size of the board. Nothing
is kept but the judgments.

Choosing is Thompson sampling: draw one w from the posterior, show the post that is best by it. The
draw is exact and costs as little (Matheron's rule; Wilson et al. 2020, eq. 9). Draws are held
closer to the mean than the posterior says, which learns faster over few answers (Chapelle and Li
2011, section 3). Old judgments count less: their noise doubles every `HALF_LIFE` days.

Rows are of the index, so posts under the never-shown rule, which are not in it, cannot come up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve

from ..embedding.dictionary import Dictionary
from .ranking import Ranking

BASE = -0.5  # what is expected of a post that nothing is known of: most are not liked
TAGS, MEANING, LEVEL = (
    0.5,
    0.2,
    0.3,
)  # prior variance of f by tags, by their vectors, as a whole
NOISE, PASSED_NOISE = (
    0.5,
    2.0,
)  # variance of a judgment made today; passed over, f is BASE or so
NAMED, NAMED_NOISE = 3.0, 0.3  # w · x of what an enjoyed tag stands for
STANDS_FOR = 100  # posts that tell what goes with an enjoyed tag
HALF_LIFE, FADED = 30.0, 16.0  # days in which the noise doubles, and how often over at most
LATEST = 300  # judgments that count
EXPLORE, SURPRISE = 0.1, 0.5  # standard deviations of a draw over the posterior's
READ, BEST_TAGS, SIZE, STRAY = 1000, 50, 1000, 200  # see `candidates`


@dataclass(frozen=True)
class Judgment:
    """What was said of a post: its row, a value (1 liked, -1 disliked, 0 passed over), its age.

    Attributes
    ----------
    age : days since then.
    """

    row: int
    value: float
    age: float = 0.0


class Preference:
    """The posterior of one user's taste.

    Parameters
    ----------
    judgments : the latest last; the last `LATEST` count.
    enjoys : tag ids named as liked; they do not age.
    allowed : bool (n,), posts whose tags may tell what goes with an enjoyed one.
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
        judgments = judgments[-LATEST:]
        self._judged = features(ranking, np.array([j.row for j in judgments], np.int64))
        self._enjoys = np.array(enjoys, np.int64)
        named = _stand_for(ranking, self._enjoys, allowed)
        self._x = sp.vstack([self._judged, named], "csr", np.float32)  # (n, T + 1)
        self._v = self._x[:, dictionary.tag_ids] @ dictionary.vecs  # (n, d)
        values = np.array([judgment.value for judgment in judgments])
        ages = np.array([max(judgment.age, 0.0) for judgment in judgments])
        faded = np.minimum(np.exp2(ages / half_life), FADED)
        noise = np.where(values == 0, PASSED_NOISE, NOISE) * faded
        self._noise = np.concatenate([noise, np.full(len(enjoys), NAMED_NOISE)])
        told = np.where(values == 0, 0, values - BASE)
        self._target = np.concatenate([told, np.full(len(enjoys), NAMED)])
        self._prior = np.full(self._x.shape[1], TAGS, np.float32)
        self._prior[-1] = LEVEL
        scaled = self._x.copy()
        scaled.data *= self._prior[scaled.indices]
        kernel = (scaled @ self._x.T).toarray().astype(np.float64)
        kernel += MEANING * (self._v @ self._v.T) + np.diag(self._noise)
        self._factor = cho_factor(kernel, lower=True) if len(kernel) else None

    def weights(
        self, rng: np.random.Generator | None = None, explore: float = 1.0
    ) -> np.ndarray:
        """Weight of every tag, then the level, float32 (T + 1,): the mean, or with `rng` a draw.

        Parameters
        ----------
        explore : the draw's standard deviations over the posterior's.
        """
        tags, dim = len(self._prior), self._dictionary.vecs.shape[1]
        own, along, noise = np.zeros(tags, np.float32), np.zeros(dim, np.float32), 0.0
        if rng is not None:
            own = rng.standard_normal(tags, np.float32) * (explore * np.sqrt(self._prior))
            along = rng.standard_normal(dim, np.float32) * np.float32(explore * MEANING**0.5)
            noise = rng.standard_normal(len(self._noise)) * explore * np.sqrt(self._noise)
        if self._factor is not None:
            missing = self._target - self._x @ own - self._v @ along - noise
            solved = cho_solve(self._factor, missing).astype(np.float32)
            own = own + self._prior * (self._x.T @ solved)
            along = along + MEANING * (self._v.T @ solved)
        own[self._dictionary.tag_ids] += self._dictionary.vecs @ along
        return own

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Posterior mean of f for some rows, float64 (m,); about 1 liked, -1 disliked."""
        return self.score(rows, self.weights())

    def sample(
        self, rows: np.ndarray, rng: np.random.Generator, explore: float = 1.0
    ) -> np.ndarray:
        """One draw of f for some rows, float64 (m,), jointly from the posterior."""
        return self.score(rows, self.weights(rng, explore))

    def score(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """f of some rows by given `weights`, float64 (m,)."""
        return BASE + features(self._ranking, rows) @ weights.astype(np.float64)

    def reasons(self, row: int, n: int = 3) -> list[tuple[int, float]]:
        """The tags of a post that speak most for it: (tag id, its part of f), largest first."""
        x = features(self._ranking, np.array([row]))
        parts = x.data[:-1] * self.weights()[x.indices[:-1]]
        order = np.argsort(-parts, kind="stable")[:n]
        return [(int(x.indices[i]), float(parts[i])) for i in order if parts[i] > 0]

    def tags(self) -> tuple[np.ndarray, np.ndarray]:
        """Tags of the judged posts and the enjoyed ones: ids int64 (k,), mean weights (k,)."""
        said = np.union1d(self._judged.indices, self._enjoys).astype(np.int64)
        said = said[said < len(self._prior) - 1]  # the last is the level
        return said, self.weights()[said]

    def telling(self, n: int = 10) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """What was learned: up to n tags that speak for a post, and n against, strongest first.

        Returns
        -------
        up, down : (tag id, weight), in the order of weight × what the judged posts hold of it, so
            that a tag met once does not come before one met often.
        """
        tag_ids, weights = self.tags()
        held = np.asarray(self._x.sum(0)).ravel()[tag_ids] * weights
        order = np.argsort(-held, kind="stable")
        up, down = order[held[order] > 0], order[held[order] < 0][::-1]
        return tuple(
            [(int(tag_ids[i]), float(weights[i])) for i in some[:n]] for some in (up, down)
        )


def features(ranking: Ranking, rows: np.ndarray) -> sp.csr_matrix:
    """Unit TF-IDF vectors of some rows, then a column of ones, float32 (m, T + 1)."""
    values, offsets = ranking.posts.tags_of.take(rows)
    m, tags = len(rows), len(ranking.idf)
    data = np.insert(_unit(ranking.idf[values], offsets), offsets[1:], 1)
    columns = np.insert(values, offsets[1:], tags)
    return sp.csr_matrix(
        (data.astype(np.float32), columns, offsets + np.arange(m + 1)), (m, tags + 1)
    )


def _unit(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Rows of different lengths, each divided by its length as a vector."""
    squares = np.concatenate([[0.0], np.cumsum(np.square(values, dtype=np.float64))])
    norms = np.sqrt(np.maximum(np.diff(squares[offsets]), 1e-24))
    return values / np.repeat(norms, np.diff(offsets))


def _stand_for(ranking: Ranking, tag_ids: np.ndarray, allowed: np.ndarray) -> sp.csr_matrix:
    """What tags stand for: half each itself, half the mean of posts that hold it; unit, no level.

    Returns
    -------
    float32 (k, T + 1).
    """
    made = []
    for tag_id in tag_ids:
        rows = ranking.posts.rows_with[tag_id]
        rows = rows[allowed[rows]]
        values, offsets = ranking.posts.tags_of.take(rows[:: len(rows) // STANDS_FOR + 1])
        tags, which = np.unique(np.append(values, tag_id), return_inverse=True)
        worth = _unit(ranking.idf[values], offsets)
        mean = np.bincount(which[:-1], worth, len(tags)).astype(np.float64)  # empty: int
        mean /= max(np.linalg.norm(mean), 1e-12)
        mean[which[-1]] += 1
        made.append((mean / np.linalg.norm(mean), tags))
    offsets = np.cumsum([0, *(len(tags) for _, tags in made)])
    data = np.concatenate([np.zeros(0), *(mean for mean, _ in made)])
    columns = np.concatenate([np.zeros(0, np.int64), *(tags for _, tags in made)])
    return sp.csr_matrix((data, columns, offsets), (len(made), len(ranking.idf) + 1))


def candidates(
    ranking: Ranking,
    weights: np.ndarray,
    allowed: np.ndarray,
    rng: np.random.Generator,
    size: int = SIZE,
    stray: int = STRAY,
) -> np.ndarray:
    """Rows (int64, ascending) that may be best by some weights, and others at random.

    The postings of the `BEST_TAGS` tags that add most to a post are read, of a long one a run of
    `READ` that begins anywhere; the `size` rows to which those tags add most are kept.

    Parameters
    ----------
    allowed : bool (n,); nothing else is returned. stray : how many are drawn at random.
    """
    gain = weights[:-1] * ranking.idf
    tags = np.argpartition(-gain, min(BEST_TAGS, len(gain) - 1))[:BEST_TAGS]
    tags = tags[gain[tags] > 0]
    offsets, postings = ranking.posts.rows_with.offsets, ranking.posts.rows_with.values
    lengths = ranking.posts.rows_with.lengths(tags)
    taken = np.minimum(lengths, READ)
    starts = offsets[tags] + (rng.random(len(tags)) * (lengths - taken + 1)).astype(np.int64)
    ends = np.cumsum(taken)
    at = np.arange(taken.sum()) + np.repeat(starts - (ends - taken), taken)
    rows, worth = postings[at], np.repeat(gain[tags], taken)
    shown = allowed[rows]
    found, which = np.unique(rows[shown], return_inverse=True)
    added = np.bincount(which, worth[shown], len(found))
    if len(found) > size:
        found = found[np.argpartition(-added, size)[:size]]
    drawn = rng.integers(0, len(allowed), stray)
    return np.union1d(found, drawn[allowed[drawn]]).astype(np.int64)


def choose(
    preference: Preference,
    ranking: Ranking,
    allowed: np.ndarray,
    n: int = 1,
    seed: int = 0,
    explore: float = EXPLORE,
) -> np.ndarray:
    """Rows (int64) to show next, one draw of the taste for each; fewer only when no more may be.

    Parameters
    ----------
    allowed : bool (n,), False for what was seen too.
    explore : see `Preference.weights`; 0 shows what is best by the mean, `SURPRISE` strays.
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
