"""A tour that likes everything: how many different things does somebody come to see?

As in the bot: `/enjoy TAG`, `/walk`, and a like of each post that is shown.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import BadInput
from ..recommend.personal import Profile
from ..recommend.postgraph import PostGraph
from .families import Families
from .methods import ExactMethods
from .picturing import pools_of_posts
from .report import Figure, Table, progress
from .spread import near_duplicates

TAGS = ("woman", "fox", "moon")  # asked for, where a board has them
POSTS = 15  # of a tour
TOURS = 5  # of each tag; the first is the bot's own
QUICK_TOURS = 2
Kinds = Sequence[set[Any]]
"""For each post of a tour its pools, or its tags of one category."""
HEADER = (
    "tag",
    "tour",
    "posts",
    "families",
    "pools",
    "characters",
    "artists",
    *(f"{kind} running" for kind in ("pool", "character", "artist")),
    "near-duplicates",
)
NOTES = (
    "families, pools, characters, artists: how many different ones are among the posts.",
    "pool running: most posts running that share one; character, artist: the same; "
    "near-duplicates: share of the posts that are like an earlier one.",
)


def tour(graph: PostGraph, tag: str, posts: int = POSTS, seed: int = 0) -> list[int]:
    """Show posts to somebody who enjoys a tag and likes whatever is shown.

    Returns
    -------
    The ids of the posts in the order shown; fewer than asked if no more are left.
    """
    profile = Profile(enjoys=[tag])
    for _ in range(posts):
        shown = len(profile.seen)
        found = graph.personal(profile, seed=(seed << 20) + shown)
        if not found:
            break
        post_id = found[0].post_id
        profile.seen.append(post_id)
        profile.liked.append(post_id)
    return profile.seen


def longest_run(kinds: Kinds) -> int:
    """Return how many sets running share a member, at most.

    >>> longest_run([{"fox"}, {"fox", "owl"}, {"owl"}, {"owl"}, set()])
    3
    """
    longest = 0
    lengths: dict[Any, int] = {}
    for members in kinds:
        lengths = {member: lengths.get(member, 0) + 1 for member in members}
        longest = max(longest, *lengths.values(), 0)
    return longest


class TourCounter:
    """Counts the different things among the posts of a tour."""

    def __init__(self, graph: PostGraph) -> None:
        self._posts = graph.posts
        self._pools = pools_of_posts(graph)
        self._families = Families.read(graph)
        self._tags = ExactMethods(graph).tags

    def count(self, seen: Sequence[int]) -> list[int | float]:
        """Return the columns of `HEADER` from "posts" on, for post ids in order shown."""
        rows = self._posts.rows(np.array(seen, np.int64))
        pools: Kinds = [self._pools.get(post_id, set()) for post_id in seen]
        characters, artists = self._held(rows, "character"), self._held(rows, "artist")
        kinds = pools, characters, artists
        families = len(np.unique(self._families.of_row[rows]))
        different = [len(set().union(*sets)) for sets in kinds]
        running = [longest_run(sets) for sets in kinds]
        alike = near_duplicates(self._tags[rows]) if len(rows) else 0.0
        return [len(seen), families, *different, *running, alike]

    def _held(self, rows: np.ndarray, category: str) -> Kinds:
        """Return the tags of one category that each row holds."""
        tags = [self._posts.tags(row) for row in rows.tolist()]
        return [{name for name, kind in held if kind == category} for held in tags]


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Make some tours for each tag and count what was among their posts.

    Raises
    ------
    BadInput : the board has none of `TAGS`, and no others were named.
    UnknownTag : none of those named is known.
    """
    known, names = graph.posts.tag_ids, graph.posts.names
    usual = [tag for tag in TAGS if tag in known and graph.shown[known[tag]]]
    tags = [names[i] for i in graph.known_tag_ids(args.tags)] if args.tags else usual
    if not tags:
        raise BadInput(f"no post shows {', '.join(TAGS)}: --tags names others to tour by")

    counter, rows, first = TourCounter(graph), [], []
    for tag in progress(tags, "tours"):
        for turn in range(QUICK_TOURS if args.quick else TOURS):
            seen = tour(graph, tag, seed=args.seed + turn)
            rows.append((tag, turn + 1, *counter.count(seen)))
            if turn == 0:
                first.append(f"{tag}: {' '.join(f'#{post_id}' for post_id in seen)}")
    title = f"Tours of {POSTS} posts that like everything, after /enjoy TAG"
    return [Table(title, HEADER, rows, [*NOTES, "The first tour of each tag:", *first])]
