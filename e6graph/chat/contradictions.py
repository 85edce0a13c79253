"""Tell a user which tags they enjoy and hide from themselves at once, and the way out.

A tag is reported when what the user avoids, their blacklist or their ratings hide `MOST`
or more of the posts that this board shows with it. The posts of each tag are looked up
once, which takes a few milliseconds a tag at four million posts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..recommend.personal import Profile
from .messages import count
from .user import User

MOST = 0.9  # share of a tag's posts; if as many are hidden, the user is told
LATEST_TAGS = 200  # enjoyed tags that are looked at
LOOKED_INTO = 10  # hidden tags whose reasons are looked for
TRIED_LINES = 30  # of a blacklist, tried one by one; a longer list is tried as a whole
NAMED = 3  # tags, causes and lines of text


@dataclass(frozen=True)
class Cause:
    """Something that hides posts.

    Attributes
    ----------
    kind : "avoid", "line", "list" or "rating".
    what : the tag, the line or the letters.
    hides : how many posts of a tag; two causes are one whatever they hide.
    """

    kind: str
    what: str
    hides: int = field(default=0, compare=False)


def contradictions(
    user: User, profile: Profile, tags: Sequence[str], new: Sequence[Cause] = ()
) -> tuple[list[str], list[str]]:
    """Find which of some tags are hidden by what the user said.

    Parameters
    ----------
    profile : what is kept of them now.
    tags : known tags that they enjoy or wish for.
    new : what they have just said that hides posts. If given, only tags that it helps
        to hide are reported.

    Returns
    -------
    lines : a text for each reason, `NAMED` at most. choices : the commands that undo it.
    """
    tags, graph = list(tags)[-LATEST_TAGS:], user.graph(profile)
    avoids = user.resolve(profile.avoids)[0]
    every, left = user.board.count_posts(tags), graph.count_posts(tags, avoids)
    counts = list(zip(tags, every, left, strict=True))
    nowhere = [tag for tag, total, _ in counts if not total]
    hidden = [one for one in counts if one[1] and one[1] - one[2] >= MOST * one[1]]

    lines, choices = [], []
    if nowhere and not new:
        absent = _some(nowhere, " or ", "tag")
        lines.append(f"This board shows no post with {absent}, so that nothing can come of it.")
    by_reason = _by_reason(user, profile, avoids, hidden[-LOOKED_INTO:], new)
    for causes, posts in by_reason.items():
        undo = _undo(causes, user.board.ratings)
        said = _some([_told(cause) for cause in causes], " and ", "reason")
        said = said[0].upper() + said[1:]
        hides = _some(posts, ", ", "tag")
        lines.append(f"{said}: this hides {hides}. To see them: {' and '.join(undo)}")
        choices += undo
    if len(lines) > NAMED:
        others = count(lines[NAMED:], "more reason")
        lines[NAMED:] = [f"Most of what you named is hidden for {others}, too."]
    if lines and len(hidden) > LOOKED_INTO:
        others = count(hidden[LOOKED_INTO:], "more tag")
        lines.append(f"Most posts with {others} that you named are hidden, too.")
    return lines, list(dict.fromkeys(choices))[:NAMED]


def _by_reason(
    user: User,
    profile: Profile,
    avoids: Sequence[str],
    hidden: Sequence[tuple[str, int, int]],
    new: Sequence[Cause],
) -> dict[tuple[Cause, ...], list[str]]:
    """Group tags by what hides their posts.

    Parameters
    ----------
    hidden : (tag, how many posts with it the board shows, how many of them are left).

    Returns
    -------
    what hides them → a few words about the posts of each tag.
    """
    lines, others = profile.blacklist, []
    if len(lines) > TRIED_LINES or any(cause.kind == "list" for cause in new):
        tried = [cause.what for cause in new if cause.kind == "line"]
        lines, others = tried, [line for line in lines if line not in tried]
    hits = user.board.count_matched([tag for tag, _, _ in hidden], lines)
    found: dict[tuple[Cause, ...], list[str]] = {}
    for (tag, total, rest), by_line in zip(hidden, hits, strict=True):
        causes = [Cause("line", line, n) for line, n in zip(lines, by_line, strict=True)]
        causes += _more_causes(user, profile, avoids, tag, total, others)
        causes = _largest(causes, total, new)
        if not new or {*new} & {*causes}:
            share = "all" if rest == 0 else f"{total - rest:,} of"
            said = f"{share} {count(range(total), 'post')} with {tag}"
            found.setdefault(tuple(causes), []).append(said)
    return found


def _more_causes(
    user: User,
    profile: Profile,
    avoids: Sequence[str],
    tag: str,
    total: int,
    lines: Sequence[str],
) -> list[Cause]:
    """Return what is avoided, lines as a whole, and ratings, with what each hides of a tag."""
    board = user.board
    both = board.count_both(tag, avoids)
    causes = [Cause("avoid", name, n) for name, n in zip(avoids, both, strict=True)]
    if lines:
        (rest,) = board.narrowed(board.ratings, "\n".join(lines)).count_posts([tag])
        every = len(lines) == len(profile.blacklist)
        said = count(lines, "line" if every else "other line")
        causes.append(Cause("list", said, total - rest))
    letters = user.graph(profile).ratings
    if letters != board.ratings:
        (rest,) = board.narrowed(letters).count_posts([tag])
        causes.append(Cause("rating", letters, total - rest))
    return causes


def _largest(causes: Sequence[Cause], total: int, new: Sequence[Cause]) -> list[Cause]:
    """Return those that hide `MOST` of the posts each, or else do so together."""
    hiding = [one for one in causes if one.hides]
    hiding.sort(key=lambda one: (-one.hides, one not in new))
    alone = [one for one in hiding if one.hides >= MOST * total]
    hidden, together = 0, []
    while hiding and hidden < MOST * total:
        together.append(hiding.pop(0))
        hidden += together[-1].hides
    return alone or together


def _told(cause: Cause) -> str:
    return {
        "avoid": f"you avoid {cause.what}",
        "line": f"your blacklist has the line {cause.what!r}",
        "list": f"your blacklist has {cause.what}",
        "rating": f"you see rating {' '.join(cause.what)} alone",
    }[cause.kind]


def _undo(causes: Sequence[Cause], ratings: str) -> list[str]:
    """Return the commands that take causes back, or show where to."""
    avoided = [cause.what for cause in causes if cause.kind == "avoid"]
    commands = [f"/drop {' '.join(avoided)}"] if avoided else []
    for cause in causes:
        if cause.kind == "line" and not cause.what.isdigit():  # or it would mean a place
            commands.append(f"/blacklist remove {cause.what}")
        elif cause.kind in ("line", "list"):
            commands.append("/blacklist")
    return commands + [f"/rating {ratings}" for cause in causes if cause.kind == "rating"]


def _some(words: Sequence[str], between: str, noun: str) -> str:
    """Join the first words, and say how many more there are."""
    if len(words) <= NAMED:
        return between.join(words)
    return f"{', '.join(words[:NAMED])} and {count(words[NAMED:], f'more {noun}')}"
