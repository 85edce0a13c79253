"""Choose what to show a user next, by the posterior of their taste.

What is shown is best by the mean, or, to go where the taste is less known, by a draw of
w from the posterior (Thompson sampling), which is held closer to the mean than the
posterior says (Chapelle and Li 2011, section 3). The parts of a broad taste take turns,
and posts that do about equally well come in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy.special import ndtri

from .course import Course
from .preference import Preference
from .ranking import Ranking
from .since import FEW

SURPRISE = 0.5  # `explore` of a draw that goes where the taste is less known
ABOUT_EQUAL = 0.02  # of f: posts that differ by so much come in any order
TURN_TASTE = 0.4  # of f, by which a post of the part whose turn it is may be behind
BEST_TAGS = 50  # see `candidates`
POSTINGS_READ = 1000  # of each of those tags
BEST_CANDIDATES = 1000
STRAY_CANDIDATES = 200


def candidates(
    ranking: Ranking,
    weights: np.ndarray,
    allowed: np.ndarray,
    rng: np.random.Generator,
    first: int = 0,
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
    first : a row before which none is allowed, so that the search can begin there.

    Returns
    -------
    int64 (k,), rows in ascending order, without repeats; k may be 0.
    """
    gain = weights[:-1] * ranking.appeal.idf
    most = min(BEST_TAGS, len(gain) - 1)
    tags = np.argpartition(-gain, most)[:BEST_TAGS]
    tags = tags[gain[tags] > 0]

    postings = ranking.posts.rows_with
    starts = postings.starts_from(tags, first)
    lengths = postings.offsets[tags + 1] - starts
    taken = np.minimum(lengths, POSTINGS_READ)
    later = rng.random(len(tags)) * (lengths - taken + 1)
    rows, _ = postings.runs(starts + later.astype(np.int64), taken)
    worth = np.repeat(gain[tags], taken)

    shown = allowed[rows]
    found, which = np.unique(rows[shown], return_inverse=True)
    added = np.bincount(which, worth[shown], len(found))
    found = _best(found, added)
    strays = rng.integers(first, len(allowed), STRAY_CANDIDATES)
    return np.union1d(found, strays[allowed[strays]]).astype(np.int64)


def choose(
    preference: Preference,
    allowed: np.ndarray,
    n: int = 1,
    seed: int = 0,
    explore: float = 0.0,
    course: Course | None = None,
    new: bool = False,
) -> np.ndarray:
    """Choose the rows to show next, one after the other.

    Parameters
    ----------
    allowed : bool (n,), False also for what was seen.
    seed : of the order among posts that do about equally well, and of whose turn it
        is among the parts of a broad taste.
    explore : see `Preference.weights`; 0 shows what is best by the mean.
    course : keeps what is chosen varied; None: the best by the draw, whatever came
        before it.
    new : say that `allowed` leaves little of the board, as what is new or what matches
        a search: then up to `FEW` rows are all scored, see `since`.

    Returns
    -------
    int64; fewer than n only if no more are allowed.
    """
    rng, left, chosen = np.random.default_rng(seed), allowed.copy(), []
    first = int(allowed.argmax()) if new else 0
    few = np.flatnonzero(allowed) if new and np.count_nonzero(allowed) <= FEW else None
    for number in range(seed, seed + n):
        weights = preference.weights(rng, explore)
        turn = None if explore else preference.turn(number)
        ways = [weights] if turn is None else [weights, turn]
        rows = _worth_scoring(preference, ways, left, rng, course, first, few)
        if not len(rows):
            break
        scores = preference.score(rows, weights)
        if turn is not None:
            # A part that has little left to show gives way.
            good = scores > scores.max() - TURN_TASTE
            rows = rows[good]
            scores = preference.score(rows, turn)
        scores += ABOUT_EQUAL * _noise(rows, int(rng.integers(2**63)))
        if course:
            scores = course.discounted(rows, scores)
        best = int(rows[np.argmax(scores)])
        if course:
            rate = partial(preference.score, weights=weights)
            best = course.show(course.best(rows, scores), left, rate)
        left[best] = False
        chosen.append(best)
    return np.array(chosen, np.int64)


def _noise(rows: np.ndarray, seed: int) -> np.ndarray:
    """Draw standard normal noise: the same for a row, whatever the other rows are.

    So a post that was seen meanwhile does not change the order of all others. The bits
    of a row's number are mixed as in splitmix64 (Steele, Lea & Flood 2014).
    """
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    uniform = (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)
    return ndtri((uniform + 0.5) / 2.0**53)


def _worth_scoring(
    preference: Preference,
    ways: Sequence[np.ndarray],
    left: np.ndarray,
    rng: np.random.Generator,
    course: Course | None,
    first: int,
    few: np.ndarray | None,
) -> np.ndarray:
    """Return candidates by any of some weights: int64, ascending.

    What has come often enough is held back unless nothing else is left. `few` are all
    rows that were allowed at first, if they can all be scored; None if they are many.
    """
    held_back = course.held_back(left) if course else np.zeros(0, np.int64)
    left[held_back] = False
    if few is None:
        ranking = preference.ranking
        found = [candidates(ranking, weights, left, rng, first) for weights in ways]
    else:
        some = few[left[few]]
        found = [_best(some, preference.score(some, weights)) for weights in ways]
    rows = np.unique(np.concatenate(found))
    if not len(rows):
        rows = np.flatnonzero(left)
    left[held_back] = True
    return rows if len(rows) else np.unique(held_back)


def _best(rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the `BEST_CANDIDATES` best of some rows, in any order."""
    if len(rows) <= BEST_CANDIDATES:
        return rows
    return rows[np.argpartition(-scores, BEST_CANDIDATES)[:BEST_CANDIDATES]]
