"""How a post was found, in words: the reason on its card, and what was searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..recommend.moods import of_mood
from ..recommend.personal import Profile
from .messages import count, day, reasons

if TYPE_CHECKING:
    from ..recommend import Recommendation
    from .user import User


def why_of(found: Recommendation, profile: Profile, like: str = "") -> str:
    """Say why a post came.

    Parameters
    ----------
    like : a reason to put before the others.
    """
    said = reasons(
        found.because, profile.enjoys, profile.liked, profile.mood, profile.favorites
    )
    stray = found.unknown and f"it strays to learn what you think of {found.unknown}"
    why = "; ".join(filter(None, [like, said, stray]))
    if not why and profile.mood:
        why = f"it is near your mood, {', '.join(profile.mood)}"
    if not why:
        judged = profile.liked or profile.disliked or profile.favorites
        known = profile.enjoys or profile.avoids or judged
        why = "it is near your taste" if known else "a guess: your taste is not known yet"
    if found.variants:
        why += f"; one of {found.variants + 1} variants"
    return why


def searched_from(user: User, profile: Profile, since: float | None = None) -> str:
    """Say what a search by taste goes by.

    Parameters
    ----------
    since : when the posts that may come were made at the earliest, in Unix seconds.
    """
    graph, now = user.graph(profile), of_mood(profile)
    parts = {
        "the {} you enjoy": count([] if profile.mood else profile.enjoys, "tag"),
        "the {} you liked": count(user.visible(now.liked, graph), "post"),
        "your {}": count(user.visible(now.favorites, graph), "favorite"),
        "away from the {} you disliked": count(user.visible(now.disliked, graph), "post"),
    }
    named = [words.format(many) for words, many in parts.items() if many[0] != "0"]
    if profile.mood:
        in_it = [f"{part} in it" for part in named]
        named = [f"the mood {', '.join(profile.mood)}", *in_it]
    if profile.avoids:
        named.append(f"without the {count(profile.avoids, 'tag')} you avoid")
    if profile.only:
        named.append(f"only {profile.only}")
    if since is not None:
        named.append(f"among what came since {day(since)}")
    return ", ".join(named) or "no taste at all"
