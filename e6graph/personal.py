"""A user's profile and a board → the posts to show them next, and what was learned of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from .preference import EXPLORE, SURPRISE, Judgment, Preference, choose
from .profiles import Profile
from .ranking import Query, Recommendation

if TYPE_CHECKING:
    from .recommend import PostGraph

SHOWN_LIKES = 50  # the latest likes that a reason may name
ENJOYED = 30  # the latest enjoyed tags that take part: each costs as much as a judgment
SKIPPED = 100  # the latest skipped posts that do, so that they crowd out no opinion
DAY = 86400  # seconds


def next_posts(
    graph: PostGraph, profile: Profile, n: int, seed: int, explore: bool
) -> list[Recommendation]:
    """See `PostGraph.personal`."""
    allowed = graph.allowed.copy()
    for tag_id in _tag_ids(graph, profile.avoids):
        allowed[graph.posts.rows_with[tag_id]] = False
    seen = graph.posts.rows(np.array(profile.seen, np.int64))
    allowed[seen[seen >= 0]] = False
    taste = _preference(graph, profile)
    strength = SURPRISE if explore else EXPLORE
    rows = choose(taste, graph.ranking, allowed, n, seed, strength)
    liked = [graph.posts.row(post_id) for post_id in profile.liked if graph.visible(post_id)]
    queries = [graph.ranking.query_of(row) for row in liked[-SHOWN_LIKES:]]
    queries += [Query(np.array([i]), np.ones(1)) for i in _enjoyed(graph, profile)]
    scores = taste.mean(rows)
    if not queries:  # a surprise before anything is known
        return [Recommendation(int(graph.posts.ids[row]), float(score))
                for row, score in zip(rows, scores, strict=True)]  # fmt: skip
    return graph.ranking.explained(rows, scores, queries)


def learned_tags(
    graph: PostGraph, profile: Profile, n: int
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """See `PostGraph.learned_tags`."""
    if not profile.at:
        return [], []
    up, down = _preference(graph, profile).telling(n)
    names = graph.posts.names
    return [(names[i], weight) for i, weight in up], [(names[i], weight) for i, weight in down]


def _preference(graph: PostGraph, profile: Profile) -> Preference:
    """The posterior of what may be shown today; what was said in one day counts as one time."""
    now, judgments = time.time(), []
    for post_id, value in (
        *((p, 1.0) for p in profile.liked),
        *((p, -1.0) for p in profile.disliked),
        *((p, 0.0) for p in profile.skipped[-SKIPPED:]),
    ):
        if graph.visible(post_id):
            age = max(0, int((now - profile.at.get(post_id, now)) // DAY))
            judgments.append(
                (profile.at.get(post_id, now), Judgment(graph.row(post_id), value, age))
            )
    judgments.sort(key=lambda pair: pair[0])
    latest = [judgment for _, judgment in judgments]
    return Preference(graph.ranking, graph.dictionary, latest, _enjoyed(graph, profile),
                      graph.allowed)  # fmt: skip


def _enjoyed(graph: PostGraph, profile: Profile) -> list[int]:
    return _tag_ids(graph, profile.enjoys)[-ENJOYED:]


def _tag_ids(graph: PostGraph, names: list[str]) -> list[int]:
    """Ids of the tags that are still known."""
    return [graph.posts.tag_ids[name] for name in names if name in graph.posts.tag_ids]
