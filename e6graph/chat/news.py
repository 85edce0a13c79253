"""The commands /new and /daily: what came since a user last looked.

The index says when posts were made, and its newest post tells of when it is. What is
new to a user was made after the newest post of the index before, when they looked at
that; what they have seen of it is left out. So /new goes on until all of it was shown,
and once the index was renewed it begins with what came since. Nothing depends on the
hour of the day, or on how late the export is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import BadInput
from ..recommend.moods import of_mood
from ..recommend.personal import Profile, has_taste
from .messages import POSTS_AT_ONCE, Reply, day, quoted
from .tour import Tour
from .user import User

FIRST_LOOK = 7 * 86400  # seconds before the newest post: what is new to who never looked
A_MOMENT = 1e-6  # seconds, in which times are kept
DAILY_POSTS = 10
NO_TIMES = (
    "I do not know when the posts of this board were made: whoever runs this bot has to run "
    "hydrate_data.py and the scripts after it again, on an export with created_at"
)
_HOUR = re.compile(r"([01]?[0-9]|2[0-3])(?::00)?(?: ?utc)?")


class NewsCommands:
    """The commands about what is new.

    Parameters
    ----------
    tour : shows the posts.
    delivers : whether the front end can write without being asked, as /daily needs.
    """

    def __init__(self, user: User, tour: Tour, delivers: bool) -> None:
        self._user, self._tour, self._delivers = user, tour, delivers

    def new(self) -> list[Reply]:
        """Show the best of what came since they last looked."""
        profile, newest = self._user.profile(), self._newest()
        since, until = new_between(profile, newest)
        self._user.profiles.look(self._user.key, since, until)
        more = "more" if profile.new_until == until else "new"
        of = ", the last week of this index" if profile.new_until is None else ""
        return self._best(profile, POSTS_AT_ONCE, since, more, of) or [
            Reply(
                f"Nothing new since {day(newest)}: /new shows more once the index was renewed.",
                choices=["/walk"],
            )
        ]

    def deliver(self, since: float) -> list[Reply]:
        """Show the best of what came after a moment, without being asked; [] for nothing."""
        profile, newest = self._user.profile(), self._newest()
        looked = since, newest
        if profile.new_until is not None:  # /new goes on with all that they did not look at
            looked = new_between(profile, newest)
        self._user.profiles.look(self._user.key, *looked)
        return self._best(profile, DAILY_POSTS, since)

    def _newest(self) -> float:
        newest = self._user.board.newest
        if newest is None:
            raise BadInput(NO_TIMES)
        return newest

    def _best(
        self, profile: Profile, n: int, since: float, more: str = "new", of: str = ""
    ) -> list[Reply]:
        """Show up to n posts, after a line that says of how many, and of which time."""
        left = self._user.graph(profile).count_new(profile, since + A_MOMENT)
        if not left:
            return []
        said = f"{left:,} {more} post{'' if left == 1 else 's'} since {day(since)}{of}"
        if left > n:
            said += f"; here are the best {n}, /new again shows more"
        if not has_taste(of_mood(profile)):
            said += ". I do not know your taste yet: the most popular come first"
        head = Reply(f"{said}.", choices=["/new"] if left > n else [])
        return [head, *self._tour.new(n, since + A_MOMENT)]

    def daily(self, words: Sequence[str]) -> list[Reply]:
        """Begin or end to send what is new each day, or say when it is sent."""
        if not self._delivers:
            said = (
                "/daily is for Telegram, where I can write first. /new shows what is new here."
            )
            return [Reply(said, choices=["/new"])]
        user, typed = self._user, " ".join(words).lower()
        hour = user.profile().daily
        if typed == "off":
            user.profiles.set_daily(user.key, None)
            return [Reply("I send you nothing by myself. /new shows what is new.")]
        if typed or hour is None:
            found = _HOUR.fullmatch(typed or "0")
            if not found:
                raise BadInput(
                    f"hour {quoted(typed)}: expected a whole hour from 0 to 23, in UTC, or off"
                )
            hour = int(found[1])
            user.profiles.set_daily(user.key, hour, self._newest())
        at = (
            f"at {hour}:00 UTC or later" if hour else "at any hour (/daily 8: from 8:00 UTC on)"
        )
        said = (
            f"Each day, once the index was renewed, I send you the {DAILY_POSTS} best new posts "
            f"in our private talk, {at}. /daily off ends it."
        )
        return [Reply(said, choices=["/daily off"])]


def new_between(profile: Profile, newest: float) -> tuple[float, float]:
    """Return after which moment and up to which posts are new to a user, in Unix seconds.

    Parameters
    ----------
    newest : when the newest post of the index was made.

    >>> new_between(Profile(), 1e6)
    (395200.0, 1000000.0)
    >>> looked = Profile(new_since=395200.0, new_until=1e6)
    >>> new_between(looked, 1e6), new_between(looked, 2e6)
    ((395200.0, 1000000.0), (1000000.0, 2000000.0))
    """
    if profile.new_since is None or profile.new_until is None or newest < profile.new_since:
        return newest - FIRST_LOOK, newest  # or the index is an older one, or another board's
    if newest > profile.new_until:
        return profile.new_until, newest
    return profile.new_since, profile.new_until
