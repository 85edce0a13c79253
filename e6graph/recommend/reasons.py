"""What is recommended, and why: the tags that a post shares with what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .ranking import Query, Ranking

REASONS = 3  # tags that a recommendation names


@dataclass(frozen=True)
class Recommendation:
    """A post that was recommended.

    Attributes
    ----------
    score : comparable within one answer only; more is better.
    because : up to three tags that it shares with what was asked, the one that says
        most first, then the id of the query post that it is most like, if there is
        one.
    variants : how many more of its family may be shown, in its place; see
        `PostGraph.variants`.
    unknown : of a post that explores a taste, the tag about which the user has told
        the least; "" of other posts.
    """

    post_id: int
    score: float
    because: list[str | int] = field(default_factory=list)
    variants: int = 0
    unknown: str = ""


def explained(
    ranking: Ranking, rows: np.ndarray, scores: np.ndarray, queries: Sequence[Query]
) -> list[Recommendation]:
    """Return some rows as recommendations with their reasons.

    Without queries they have no reasons.
    """
    names, ids = ranking.posts.names, ranking.posts.ids
    tags, nearest = _reasons(ranking, rows, queries)
    made = []
    for i, row in enumerate(rows):
        because: list[str | int] = [names[tag_id] for tag_id in tags[i]]
        if because and (query_row := queries[nearest[i]].row) is not None:
            because.append(int(ids[query_row]))
        made.append(Recommendation(int(ids[row]), float(scores[i]), because))
    return made


def least_known(ranking: Ranking, row: int, judged: np.ndarray, named: Sequence[int]) -> str:
    """Return the tag of a post about which a user has told the least; "" if it has none.

    That is a telling tag (of high idf) on few of the posts that they judged.

    Parameters
    ----------
    judged : int64, rows of the posts that somebody judged.
    named : ids of tags that they named.
    """
    tags = ranking.posts.tags_of[row]
    tags = tags[~np.isin(tags, np.array(named, np.int64))]
    if not len(tags):
        return ""
    held, _ = ranking.posts.tags_of.take(judged)
    times = np.bincount(held, minlength=len(ranking.posts.names))[tags]
    worth = ranking.appeal.idf[tags] / (1 + times)
    return ranking.posts.names[tags[int(np.argmax(worth))]]


def _reasons(
    ranking: Ranking, rows: np.ndarray, queries: Sequence[Query]
) -> tuple[list[list[int]], np.ndarray]:
    """Return for each row the tags that say most, and the query it shares most with.

    Returns
    -------
    tag_ids : for each row up to `REASONS`, by their part of the TF-IDF cosine,
        largest first.
    query : int64 (m,), number of the query of largest common idf.
    """
    tag_ids = np.zeros(0, np.int64)
    if queries:
        tag_ids, walk, tfidf = ranking.weights(queries)
    if not len(tag_ids) or not len(rows):
        return [[] for _ in rows], np.zeros(len(rows), np.int64)
    shared = ranking.matches(*ranking.posts.tags_of.take(rows), tag_ids)
    part = shared.toarray() * tfidf.sum(1)  # (m, k)
    said = []
    for own in part:
        best = np.argsort(-own, kind="stable")[:REASONS]
        said.append(tag_ids[best[own[best] > 0]].tolist())
    common = shared @ ((walk > 0) * ranking.idf[tag_ids][:, None])  # (m, q)
    return said, common.argmax(1)
