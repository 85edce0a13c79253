"""A user's profile and a board → the posts to show them next, and what was learned of them."""

from __future__ import annotations

import time

import numpy as np

from ..embedding.dictionary import Dictionary
from .board import Board
from .preference import EXPLORE, SURPRISE, Judgment, Preference, choose
from .profile import Profile
from .ranking import Query, Ranking, Recommendation

SHOWN_LIKES = 50  # the latest likes that a reason may name
ENJOYED = 30  # the latest enjoyed tags that take part: each costs as much as a judgment
SKIPPED = 100  # the latest skipped posts that do, so that they crowd out no opinion
DAY = 86400  # seconds


def next_posts(
    board: Board,
    ranking: Ranking,
    dictionary: Dictionary,
    profile: Profile,
    n: int,
    seed: int,
    explore: bool,
) -> list[Recommendation]:
    """See `PostGraph.personal`."""
    allowed = board.allowed.copy()
    for tag_id in _tag_ids(board, profile.avoids):
        allowed[board.posts.rows_with[tag_id]] = False
    seen = board.posts.rows(np.array(profile.seen, np.int64))
    allowed[seen[seen >= 0]] = False
    taste = _preference(board, ranking, dictionary, profile)
    strength = SURPRISE if explore else EXPLORE
    rows = choose(taste, ranking, allowed, n, seed, strength)
    liked = [board.posts.row(post_id) for post_id in profile.liked if board.visible(post_id)]
    queries = [ranking.query_of(row) for row in liked[-SHOWN_LIKES:]]
    queries += [Query(np.array([i]), np.ones(1)) for i in _enjoyed(board, profile)]
    scores = taste.mean(rows)
    if not queries:  # a surprise before anything is known
        return [
            Recommendation(int(board.posts.ids[row]), float(score))
            for row, score in zip(rows, scores, strict=True)
        ]
    return ranking.explained(rows, scores, queries)


def learned_tags(
    board: Board, ranking: Ranking, dictionary: Dictionary, profile: Profile, n: int
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """See `PostGraph.learned_tags`."""
    if not profile.at:
        return [], []
    up, down = _preference(board, ranking, dictionary, profile).telling(n)
    names = board.posts.names
    return [(names[i], weight) for i, weight in up], [(names[i], weight) for i, weight in down]


def _preference(
    board: Board, ranking: Ranking, dictionary: Dictionary, profile: Profile
) -> Preference:
    """The posterior of what may be shown today; what was said in one day counts as one time."""
    now, judgments = time.time(), []
    for post_id, value in (
        *((p, 1.0) for p in profile.liked),
        *((p, -1.0) for p in profile.disliked),
        *((p, 0.0) for p in profile.skipped[-SKIPPED:]),
    ):
        if board.visible(post_id):
            age = max(0, int((now - profile.at.get(post_id, now)) // DAY))
            judgments.append(
                (profile.at.get(post_id, now), Judgment(board.row(post_id), value, age))
            )
    judgments.sort(key=lambda pair: pair[0])
    latest = [judgment for _, judgment in judgments]
    return Preference(ranking, dictionary, latest, _enjoyed(board, profile), board.allowed)


def _enjoyed(board: Board, profile: Profile) -> list[int]:
    return _tag_ids(board, profile.enjoys)[-ENJOYED:]


def _tag_ids(board: Board, names: list[str]) -> list[int]:
    """Ids of the tags that are still known."""
    return [board.posts.tag_ids[name] for name in names if name in board.posts.tag_ids]
