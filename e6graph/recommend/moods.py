"""Follow one wish for a while: what of a profile counts while a mood holds, and after.

A mood is a tour of its own. While it holds, its tags lead as if they were all that is
enjoyed, and the posts that were shown and judged in it are all that is remembered.
Without a mood those posts count for nothing, but that they were seen. What is avoided
and what was seen holds always.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .personal import Profile


def mood_tags(kept: str) -> list[str]:
    """Return the tags of a mood as it is kept: with a space between."""
    return [name for name in kept.split(" ") if name]


def same_mood(
    kept: str, mood: Collection[str], tag_ids: Mapping[str, int] | None = None
) -> bool:
    """Tell whether a mood as it is kept is one of these tags, in any order.

    Parameters
    ----------
    kept : as in `mood_tags`; "" is no mood.
    tag_ids : name or alias → tag id, so that aliases count as their tags.

    >>> same_mood("owl night", ["night", "owl"]), same_mood("", ["owl"]), same_mood("", [])
    (True, False, True)
    """
    ids = tag_ids or {}
    return {ids.get(m, m) for m in mood_tags(kept)} == {ids.get(m, m) for m in mood}


def of_mood(profile: Profile, tag_ids: Mapping[str, int] | None = None) -> Profile:
    """Return the part of a profile that counts while its mood holds, or without one.

    Parameters
    ----------
    tag_ids : as in `same_mood`.
    """
    if not profile.mood and not profile.moods:
        return profile
    every = {"", *profile.moods.values()}
    ours = {kept for kept in every if same_mood(kept, profile.mood, tag_ids)}
    inside = {post_id for post_id, kept in profile.moods.items() if kept in ours}
    elsewhere = profile.moods.keys() - inside

    def belonging(post_ids: Iterable[int]) -> list[int]:
        if profile.mood:
            return [post_id for post_id in post_ids if post_id in inside]
        return [post_id for post_id in post_ids if post_id not in elsewhere]

    now = int(time.time())  # as if the mood was named just now, as long as it holds
    return replace(
        profile,
        enjoys=profile.mood or profile.enjoys,
        named_at=dict.fromkeys(profile.mood, now) if profile.mood else profile.named_at,
        liked=belonging(profile.liked),
        disliked=belonging(profile.disliked),
        skipped=belonging(profile.skipped),
        seen=belonging(profile.seen),
        favorites=[] if profile.mood else profile.favorites,
        at={post_id: profile.at[post_id] for post_id in belonging(profile.at)},
        mood=[],
        moods={},
    )
