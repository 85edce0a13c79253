"""From what somebody likes to a list of the posts that go with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..pictures.features import ImageLike, features_of
from .board import Board
from .ranking import Query
from .reasons import Recommendation, explained
from .since import FEW, Moment, made_since, most_marked
from .variety import arrange, check_variety

CANDIDATES = 500  # of each source, at least
AVOIDED_SHARE = 0.5  # of a post's score beside the avoided ones is taken off
PICTURE_TAGS = 24  # of a picture; those of highest confidence take part


@dataclass(frozen=True)
class Liked:
    """What somebody likes, and what they avoid; see `PostGraph.recommend`."""

    posts: Sequence[int]
    tags: str | Sequence[str]
    images: Sequence[ImageLike]
    avoid: str | Sequence[str | int]


def best_posts(
    board: Board,
    liked: Liked,
    n: int,
    seed: int,
    exclude: Iterable[int],
    variants: bool,
    variety: float,
    since: Moment | None,
    only: str,
) -> list[Recommendation]:
    """Return the posts that go best with everything liked; see `PostGraph.recommend`."""
    given = len(liked.posts) or len(liked.tags) or len(liked.images)
    if n < 1 or not (given or since is not None):
        raise BadInput("give at least one post, tag or image, and n of 1 or more")
    if seed < 0:
        raise BadInput(f"seed {seed}: expected 0 or more")
    check_variety(variety)
    ranking, families = board.ranking, board.catalog.families
    queries = _queries(board, liked)
    allowed, disliked = _avoiding(board, liked.avoid, only)
    asked = [query.row for query in [*queries, *disliked] if query.row is not None]
    gone = np.concatenate([np.array(asked, np.int64), board.visible_rows(exclude)])
    allowed[gone if variants else families.widened(gone)] = False

    n, first = min(n, len(board.posts)), 0
    if since is not None:
        allowed &= made_since(board, since)
        first = int(allowed.argmax())
    if not given:
        return explained(ranking, *most_marked(board, allowed, n, variants), [])
    if (since is not None or only) and np.count_nonzero(allowed) <= FEW:
        rows = np.flatnonzero(allowed)
    else:
        rows = ranking.candidates(queries, allowed, max(CANDIDATES, 2 * n), seed, first)
        if (len(rows) if variants else families.count(rows)) < n:
            rows = np.flatnonzero(allowed)

    score = ranking.score(rows, queries)
    if disliked:
        score = score - AVOIDED_SHARE * ranking.score(rows, disliked)
    # Equal scores are shuffled: a post's id must not decide.
    chance = np.random.default_rng(seed).random(len(rows))
    best = np.lexsort((chance, -score))
    options = (queries, allowed, n, variants, variety)
    rows, score = arrange(board.catalog, rows[best], score[best], *options)
    return explained(ranking, rows, score, queries)


def _queries(board: Board, liked: Liked) -> list[Query]:
    """Turn what is liked into queries."""
    catalog, posts = board.catalog, board.posts
    queries = [board.ranking.query_of(board.row(post_id)) for post_id in liked.posts]
    # With a query for each tag, posts that hold several come first.
    for tag_id in board.known_tag_ids(liked.tags) if len(liked.tags) else ():
        vector = catalog.vector_of([posts.names[tag_id]])
        queries.append(Query.of_tag(tag_id, vector, catalog.implications.get(tag_id, ())))
    for image in liked.images:
        recognizer = catalog.recognizer
        features = features_of(image, recognizer.encoder)
        seen = {
            posts.tag_ids[tag]: confidence
            for tag, confidence in recognizer.tags(features, PICTURE_TAGS)
            if tag in posts.tag_ids
        }
        tag_ids = sorted(seen)
        weights = np.array([seen[tag_id] for tag_id in tag_ids])
        vector = recognizer.embed(features)
        queries.append(Query(np.array(tag_ids, np.int64), weights, vector=vector))
    return queries


def _avoiding(
    board: Board, avoid: str | Sequence[str | int], only: str
) -> tuple[np.ndarray, list[Query]]:
    """Return which rows may be returned, and the avoided posts as queries."""
    allowed, disliked, names = board.matching(only), [], []
    for given in [avoid] if isinstance(avoid, str) else avoid:
        if isinstance(given, str):
            names.append(given)
        elif board.visible(given):  # or who knows an id could tell what is like it
            disliked.append(board.ranking.query_of(board.row(given)))
    for tag_id in board.known_tag_ids(names):
        allowed[board.posts.rows_with[tag_id]] = False
    return allowed, disliked
