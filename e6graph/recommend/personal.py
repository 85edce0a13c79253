"""From what is kept of a user to the posts that they see next."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from ..errors import BadInput
from .board import Board
from .choosing import SURPRISE, choose
from .course import REMEMBERED, Course
from .moods import of_mood
from .preference import Judgments, Preference
from .ranking import Query
from .reasons import Recommendation, explained, least_known
from .since import Moment, made_since, most_marked

LATEST_LIKES = 50  # those that a reason may name
LATEST_ENJOYED = 30  # enjoyed tags that take part: each costs as much as a judgment
LATEST_SKIPS = 100  # skipped posts that take part, so that they crowd out no opinion
FAVORITE_WEIGHT = 0.25  # of a favorite, beside a like that was said here
OTHERS_A_FAVORITE = 10  # posts of the board that each is set against
MOST_OTHERS = 2000
SHARE_OF_OTHERS = 0.1  # of the visible posts, at most: on a small board many are liked
OTHERS_WEIGHT = 0.25  # of each, beside a skipped post
SECONDS_A_DAY = 86400


@dataclass
class Profile:
    """All that is kept of one user. The latest comes last in every list.

    Attributes
    ----------
    enjoys, avoids : names of tags.
    liked, disliked, skipped : ids of posts, by what was said of them last.
    seen : ids of all posts that were shown.
    blacklist : filters in the site's language.
    ratings : letters that the user wants to see, "" for all that the board shows.
    at : post id → when something was said of it, in Unix seconds; skipping counts.
    named_at : enjoyed tag → when it was said, in Unix seconds; missing: long ago.
    mood : tags that are wished for just now, in the place of the taste; empty for none.
    moods : post id → the mood that it was shown or judged in, as its tags joined by a
        space. What belongs to no mood is missing.
    variety : how varied the posts should be, as in `PostGraph.recommend`; None for the
        default.
    favorites : ids of posts that the user marked on the site. They count as likes of
        less weight, said before all others, and are never shown.
    new_since, new_until : posts that were made after the one and up to the other (Unix
        seconds) are new to them. `new_until` is the time of the newest post of the
        index that they last looked at. None: they never looked.
    daily : the hour (UTC) from which they are sent what is new each day; None: never.
    only : words of the site's search, which all posts must match; "" for none.
    """

    enjoys: list[str] = field(default_factory=list)
    avoids: list[str] = field(default_factory=list)
    liked: list[int] = field(default_factory=list)
    disliked: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    blacklist: list[str] = field(default_factory=list)
    ratings: str = ""
    at: dict[int, int] = field(default_factory=dict, compare=False)
    named_at: dict[str, int] = field(default_factory=dict, compare=False)
    mood: list[str] = field(default_factory=list)
    moods: dict[int, str] = field(default_factory=dict, compare=False)
    variety: float | None = None
    favorites: list[int] = field(default_factory=list)
    new_since: float | None = None
    new_until: float | None = None
    daily: int | None = None
    only: str = ""


def next_posts(
    board: Board,
    profile: Profile,
    n: int,
    seed: int,
    explore: bool,
    variants: bool,
    variety: float,
    since: Moment | None,
    only: str,
) -> list[Recommendation]:
    """Choose the next posts for a user; see `PostGraph.personal`."""
    if n < 1 or seed < 0:
        raise BadInput(f"n {n}, seed {seed}: expected n of 1 or more, seed of 0 or more")
    posts, ranking = board.posts, board.ranking
    allowed = unseen(board, profile, variants, since, only)
    profile = of_mood(profile, posts.tag_ids)
    if since is not None and not has_taste(profile):
        return explained(ranking, *most_marked(board, allowed, n, variants), [])
    named = posts.ids_of(profile.enjoys)
    shown = board.visible_rows(profile.seen).tolist()
    pleased = _pleased(board, profile)
    course = Course(board.catalog, shown, named, variants, variety, pleased)

    taste = taste_of(board, profile)
    few = since is not None or bool(only)
    rows = choose(taste, allowed, n, seed, SURPRISE if explore else 0, course, few)
    scores = taste.mean(rows)

    # The reasons are what a post shares with the posts and tags that the user likes.
    marked = reversed([*profile.favorites, *profile.liked])
    visible = (i for i in dict.fromkeys(marked) if board.visible(i))
    liked = [*islice(visible, LATEST_LIKES)][::-1]
    queries = [ranking.query_of(board.row(i)) for i in liked]
    queries += [Query.of_tag(tag_id) for tag_id in posts.ids_of(_enjoyed(board, profile))]
    found = explained(ranking, rows, scores, queries)
    if not explore or not has_taste(profile):
        return found
    said = board.visible_rows([*profile.liked, *profile.disliked, *profile.favorites])
    unknown = (least_known(ranking, row, said, named) for row in rows.tolist())
    return [replace(one, unknown=tag) for one, tag in zip(found, unknown, strict=True)]


def unseen(
    board: Board, profile: Profile, variants: bool, since: Moment | None, only: str
) -> np.ndarray:
    """Return which rows a user may be shown next: bool (n,); see `PostGraph.personal`."""
    allowed = board.matching(only)
    for tag_id in board.posts.ids_of(profile.avoids):
        allowed[board.posts.rows_with[tag_id]] = False
    judged = {*profile.liked, *profile.disliked, *profile.skipped, *profile.favorites}
    known = board.visible_rows([*profile.seen, *judged.difference(profile.seen)])
    allowed[known if variants else board.catalog.families.widened(known)] = False
    return allowed if since is None else allowed & made_since(board, since)


def has_taste(profile: Profile) -> bool:
    """Tell whether a user said anything that posts can be chosen by."""
    judged = profile.liked or profile.disliked or profile.skipped
    return bool(profile.enjoys or judged or profile.favorites)


def tags_for_and_against(
    board: Board, profile: Profile, n: int
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Name the tags that speak for a post and against; see `PostGraph.learned_tags`."""
    profile = of_mood(profile, board.posts.tag_ids)
    if not (profile.at or profile.favorites):
        return [], []
    names = board.posts.names
    ids_up, ids_down = taste_of(board, profile).telling(n)
    up = [(names[tag_id], weight) for tag_id, weight in ids_up]
    down = [(names[tag_id], weight) for tag_id, weight in ids_down]
    if profile.favorites and not (profile.disliked or profile.skipped):
        down = []  # nobody said what favorites lack
    return up, down


def taste_of(board: Board, profile: Profile) -> Preference:
    """Learn the taste of a user from what they said of posts visible today.

    While a mood holds, it is learned from what they said in that mood.
    """
    profile = of_mood(profile, board.posts.tag_ids)
    rows, values, at, weights = _judgments(board, profile)
    now = time.time()
    # Whole days, so that all judgments of one talk count alike.
    ages = np.maximum(0, (now - np.where(np.isfinite(at), at, now)) // SECONDS_A_DAY)
    judged = Judgments(rows, values, ages, weights)
    names = _enjoyed(board, profile)
    named = [_judged_after(at, profile.named_at.get(name)) for name in names]
    return board.tastes.learned(
        rows,
        lambda earlier: Preference(
            board.ranking,
            board.dictionary,
            judged,
            board.posts.ids_of(names),
            board.allowed,
            named=named,
            earlier=earlier,
        ),
    )


def _judgments(
    board: Board, profile: Profile
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return what was said of posts visible today, in the order it was said in.

    Where a time is missing, or equal, the place in `Profile.seen` tells the order.
    What has neither comes first, and favorites come before it, among other posts of
    the board. What was said here of a favorite counts in its place.

    Returns
    -------
    rows : int64 (n,). values : float64 (n,). at : float64 (n,), Unix seconds, minus
    infinity for long ago. weights : float64 (n,).
    """
    skipped = profile.skipped[-LATEST_SKIPS:]
    post_ids = [*profile.liked, *profile.disliked, *skipped]
    counts = [len(profile.liked), len(profile.disliked), len(skipped)]
    values = np.repeat([1.0, -1.0, 0.0], counts)
    place = {post_id: i for i, post_id in enumerate(profile.seen)}
    places = np.array([place.get(post_id, -1) for post_id in post_ids], np.int64)
    # A post without a time was judged when the one shown before it was.
    shown_at = [profile.at.get(post_id, -np.inf) for post_id in profile.seen]
    latest = np.maximum.accumulate([-np.inf, *shown_at])
    at = np.array([profile.at.get(post_id, np.nan) for post_id in post_ids], np.float64)
    at = np.where(np.isnan(at), latest[places + 1], at)

    rows = board.posts.rows(np.array(post_ids, np.int64))
    order = np.lexsort((places, at))
    order = order[(rows[order] >= 0) & board.allowed[rows[order]]]

    said = {*profile.liked, *profile.disliked}
    marked = board.visible_rows([one for one in profile.favorites if one not in said])
    before = _against_others(board, marked, rows[order])
    favorite = np.isin(before, marked)
    return (
        np.concatenate([before, rows[order]]),
        np.concatenate([np.where(favorite, 1.0, 0.0), values[order]]),
        np.concatenate([np.full(len(before), -np.inf), at[order]]),
        np.concatenate(
            [np.where(favorite, FAVORITE_WEIGHT, OTHERS_WEIGHT), np.ones(len(order))]
        ),
    )


def _against_others(board: Board, marked: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Put random posts of the board between favorites: int64 rows, always the same.

    Favorites alone do not say in what they differ from all other posts. Those that
    were not marked count as usual ones, a little. They are spread among the favorites,
    or the taste would seem to have changed after them.
    """
    shown = np.flatnonzero(board.allowed)
    many = min(OTHERS_A_FAVORITE * len(marked), MOST_OTHERS, int(SHARE_OF_OTHERS * len(shown)))
    if not many:
        return marked
    rng = np.random.default_rng(0)
    others = np.unique(shown[rng.integers(0, len(shown), many)])
    others = others[~np.isin(others, np.concatenate([marked, judged]))]
    places = rng.random(len(others)) * len(marked)
    order = np.argsort(np.concatenate([np.arange(len(marked)), places]), kind="stable")
    return np.concatenate([marked, others])[order]


def _judged_after(at: np.ndarray, named_at: float | None) -> float:
    """Count the judgments after a name was said, infinity for a name of long ago."""
    return np.inf if named_at is None else float((at > named_at).sum())


def _pleased(board: Board, profile: Profile) -> float:
    """Return which share of the latest visible posts that were judged was liked.

    Without any judgment it is 1.
    """
    judged = dict.fromkeys([*profile.disliked, *profile.skipped], False)
    judged |= dict.fromkeys(profile.liked, True)
    said = (one for one in reversed(profile.seen) if one in judged and board.visible(one))
    latest = [judged[post_id] for post_id in islice(said, REMEMBERED)]
    return sum(latest) / len(latest) if latest else 1.0


def _enjoyed(board: Board, profile: Profile) -> list[str]:
    """Return the names of the enjoyed tags that take part."""
    known = board.posts.tag_ids
    return [name for name in profile.enjoys if name in known][-LATEST_ENJOYED:]
