"""The commands about what is kept of a user's taste: tags, moods, variety, export."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial

from ..errors import BadInput
from ..recommend.moods import of_mood
from ..recommend.personal import LATEST_ENJOYED, Profile
from ..recommend.portrait import portrait_of
from ..recommend.variety import VARIETY
from ..tags.wildcards import fits
from . import messages
from .contradictions import Cause, contradictions
from .meaning import TagsMeant, tags_meant
from .messages import (
    EXPLAINED_NAMES,
    Reply,
    Taste,
    count,
    day,
    did_you_mean,
    names_in,
    number_from_0_to_1,
    quoted,
)
from .sight import BLACKLIST_SHOWN
from .user import Question, User

LISTED_AT_MOST = 20  # of each row of /taste, the latest
LEARNED_TAGS = 8  # shown for and against
RELATED_TAGS = 6  # named after /enjoy
ENDS_OF_VARIETY = {"alike": 0.0, "varied": 1.0}
TOLD_OF_PORTRAIT = 5  # of each row, in words
EARLIER_MOODS = 3  # offered, the latest
OPPOSITE = {"enjoy": "avoid", "avoid": "enjoy"}
NOT_ASKED = 5  # tags that a word with * may stand for without a question
TAKEN = 10  # tags that it adds after one, the most used


class TasteCommands:
    """Commands about a user's taste; each method answers one."""

    def __init__(self, user: User) -> None:
        self._user = user

    # -- tags
    def feel(self, verb: str, words: Sequence[str]) -> list[Reply]:
        """Keep that they "enjoy" or "avoid" tags."""
        user, meant = self._user, tags_meant(self._user, words)
        if not meant:
            example = " ".join(user.example_tags())
            return [Reply(f"Expected tags: /{verb} TAGS, such as /{verb} {example}")]
        asked = self._expand(meant, partial(self.feel, verb), verb)
        lines, choices = [], []
        if meant.known:
            signed = [f"-{n}" if other else n for n, other in meant.known.items()]
            user.judging(f"/{verb} {' '.join(signed)}", tags=[*meant.known])
        for inverted in (False, True):
            known = [name for name, other in meant.known.items() if other == inverted]
            if known:
                told, ways = self._keep(OPPOSITE[verb] if inverted else verb, known)
                lines += told
                choices += ways
        unknown, near = did_you_mean(meant.unknown, user.near)
        lines += unknown
        choices += [
            f"/{OPPOSITE[verb] if meant.unknown[name] else verb} {one}" for name, one in near
        ]
        lines += [f"As one tag: /{verb} {name}" for name in meant.joined]
        choices += [f"/{verb} {name}" for name in meant.joined]
        enjoyed = [n for n, other in meant.known.items() if other == (verb == "avoid")]
        if enjoyed and (also := user.graph().telling_tags(enjoyed, RELATED_TAGS)):
            them = "it" if len(enjoyed) == 1 else "them"
            lines.append(f"Often with {them}: {', '.join(also)}")
            choices += [f"/enjoy {name}" for name in also]
        return [_asking(lines, choices, asked)]

    def _keep(self, verb: str, tags: Sequence[str]) -> tuple[list[str], list[str]]:
        """Keep known tags; return what to say of them, and choices."""
        user, before = self._user, self._user.profile()
        keep = user.profiles.enjoy if verb == "enjoy" else user.profiles.avoid
        keep(user.key, tags)
        now, wishes, new = user.profile(), tags, []
        if verb == "avoid":
            wishes, new = user.wishes(now), [Cause("avoid", name) for name in tags]
        against, ways = contradictions(user, now, wishes, new)
        lines = [f"You {verb} {', '.join(tags)}.", *against]
        lines += _changed_sides(tags, before, verb)
        if verb == "enjoy" and before.mood:
            lines.append(f"The mood {', '.join(before.mood)} leads until /mood off.")
        if verb == "enjoy" and before.only:
            lines.append(f"You see only what matches {before.only}, until /only off.")
        return lines, ["/walk", *ways]

    def _expand(
        self, meant: TagsMeant, take: Callable[[list[str]], list[Reply]], verb: str = ""
    ) -> list[str]:
        """Take words with `*` for the tags that they stand for; ask where those are many.

        Returns
        -------
        the lines of the question, none if nothing is asked.
        """
        lines, waiting = [], []
        for pattern, inverted in [*meant.patterns.items()][:EXPLAINED_NAMES]:
            names, total = self._user.board.tags_like(pattern, TAKEN)
            if not names:
                meant.unknown[pattern] = inverted
            elif total <= NOT_ASKED:
                meant.known |= dict.fromkeys(names, inverted)
            else:
                waiting += [f"-{name}" if inverted else name for name in names]
                most = f"the {TAKEN} most used" if total > TAKEN else "them"
                said = f"{pattern} stands for {total:,} tags. /yes takes {most}:"
                lines.append(f"{said} {', '.join(names)}")
                if total > TAKEN and verb == ("enjoy" if inverted else "avoid"):
                    lines.append(f"To hide all of them: /blacklist add {pattern}")
        if len(meant.patterns) > EXPLAINED_NAMES:
            lines.append(f"I take {EXPLAINED_NAMES} words with * at a time; the others wait.")
        if waiting:
            self._user.question = Question(lambda: take(waiting), "Nothing was added.")
        return lines

    def mood(self, words: Sequence[str]) -> list[Reply]:
        """Follow some tags for a while, end that, or say which tags they are."""
        user, meant, profile = self._user, tags_meant(self._user, words), self._user.profile()
        now = ", ".join(profile.mood)
        if not meant:
            return [self._told_mood(profile)]
        if names_in(words) == ["off"]:
            if not now:
                return [Reply("No mood holds.", choices=["/walk"])]
            user.profiles.set_mood(user.key, [])
            said = f"The mood {now} is over. Your taste leads again, as it was."
            return [Reply(said, choices=["/walk", "/taste"])]

        asked = self._expand(meant, lambda names: self.mood([*meant.known, *names]))
        if "off" in meant.unknown:
            raise BadInput(
                "/mood off ends the mood and takes no tags; /mood TAGS begins another one"
            )
        if any(meant.known.values()):
            raise BadInput(
                "a mood takes no tags with - before them: /avoid TAGS keeps them away"
            )
        known = [*meant.known]
        if len(known) > LATEST_ENJOYED:  # no more would lead, and each post keeps its mood
            raise BadInput(
                f"{len(known)} tags are too many for a mood: {LATEST_ENJOYED} at most"
            )
        lines, near = did_you_mean(meant.unknown, user.near)
        choices = []
        if known:
            user.profiles.set_mood(user.key, known)
            profile = user.profile()
            said = (
                f"You are in the mood for {', '.join(known)}: I follow that and let your taste "
                f"rest, until /mood off.{_judged_before(profile)}"
            )
            against, ways = contradictions(user, profile, known)
            lines[:0] = [said, *against]
            choices = ["/walk", *ways, "/mood off"]
        choices += [f"/mood {one}" for one in [*(one for _, one in near), *meant.joined]]
        return [_asking(lines, choices, asked)]

    def _told_mood(self, profile: Profile) -> Reply:
        if profile.mood:
            said = (
                f"You are in the mood for {', '.join(profile.mood)}.{_judged_before(profile)}"
            )
            return Reply(f"{said} /mood off ends it.", choices=["/walk", "/mood off"])
        example = " ".join(self._user.example_tags())
        said = (
            "No mood holds. /mood TAGS follows one wish for a while, without your taste and "
            f"without a change to it: /mood {example}"
        )
        judged = [profile.moods[post_id] for post_id in profile.at if post_id in profile.moods]
        moods = list(dict.fromkeys(reversed(judged)))[:EARLIER_MOODS]
        earlier = [f"/mood {mood}" for mood in moods]
        if earlier:  # not every front end shows buttons, nor long ones
            said += f"\nEarlier moods, the latest first: {'; '.join(earlier)}"
        return Reply(said, choices=earlier)

    def variety(self, words: Sequence[str]) -> list[Reply]:
        """Show or set how varied the posts are that they are shown."""
        user, typed = self._user, " ".join(words).lower()
        if not typed:
            own = user.profile().variety
            holds = f"{VARIETY:.3g}, the default" if own is None else f"{own:.3g}"
            said = (
                f"Variety is {holds}. At 0 you see what fits best, however alike; at 1 posts are "
                "as varied as can be. /variety 0.2 sets it."
            )
            choices = ["/variety 0.2", "/variety 0.8"]
            return [Reply(said, choices=choices + ["/variety default"] * (own is not None))]
        if typed == "default":
            user.profiles.set_variety(user.key, None)
            return [Reply(f"Variety is the default again, {VARIETY:.3g}.", choices=["/walk"])]
        number = ENDS_OF_VARIETY.get(typed, number_from_0_to_1(typed))
        if number is None:
            raise BadInput(
                f"variety {quoted(typed)}: expected a number from 0 (alike) to 1 (varied), such "
                "as 0.2, or default"
            )
        user.profiles.set_variety(user.key, number)
        said = f"Variety is {number:.3g} now, from 0 (alike) to 1 (varied)."
        return [Reply(said, choices=["/walk", "/variety default"])]

    def drop(self, words: Sequence[str]) -> list[Reply]:
        """Take back what was said about tags and posts (#12)."""
        user, meant = self._user, tags_meant(self._user, words)
        if not meant:
            return [Reply("Expected what to take back: /drop TAGS, or /drop #12 for a post")]
        text, before = " ".join(words).lower(), user.profile()
        named = (re.fullmatch("#([0-9]{1,18})", name) for name in names_in(words))
        posts = [int(one[1]) for one in named if one]
        kept = [*before.enjoys, *before.avoids]
        tags = [tag for tag in kept for pattern in meant.patterns if fits(pattern, tag)]
        tags += [*meant.known, *meant.unknown]
        # The names as typed go too: a tag that is kept may have left the board since.
        typed = text.split("," if "," in text else None)
        tags += ["_".join(name.split()) for name in typed]

        favorites = before.favorites if names_in(words) == ["favorites"] else []
        if favorites:
            user.profiles.drop_favorites(user.key)
            said = f"Taken back: {count(favorites, 'favorite')}."
            return [Reply(said, choices=["/walk", "/taste"])]

        user.profiles.drop(user.key, dict.fromkeys(tags), dict.fromkeys(posts))
        after = user.profile()
        gone = {*before.enjoys, *before.avoids} - {*after.enjoys, *after.avoids}
        gone |= {
            f"#{post}"
            for post in before.at
            # What was said of it outside of the mood may be left.
            if post not in after.at or before.moods.get(post) != after.moods.get(post)
        }
        gone |= {f"#{post}" for post in {*before.favorites} - {*after.favorites}}
        said = "You had said nothing about it."
        if gone:
            said = f"Taken back: {', '.join(sorted(gone))}."
        return [Reply(said, choices=["/walk", "/taste"])]

    # -- taste
    def known(self) -> Taste:
        """Return the taste as a panel shows it."""
        user, profile = self._user, self._user.profile()
        graph = user.graph(profile)
        up, down = graph.learned_tags(profile, LEARNED_TAGS)
        return Taste(
            enjoys=profile.enjoys,
            avoids=profile.avoids,
            liked=user.visible(profile.liked, graph),
            disliked=user.visible(profile.disliked, graph),
            seen=len(profile.seen),
            skipped=len(profile.skipped),
            up=[(tag, graph.category(tag), weight) for tag, weight in up],
            down=[(tag, graph.category(tag), weight) for tag, weight in down],
            blacklist=profile.blacklist[-BLACKLIST_SHOWN:],
            ratings=graph.ratings,
            mood=profile.mood,
            variety=profile.variety,
            favorites=len(user.visible(profile.favorites, graph)),
            only=profile.only,
        )

    def taste(self) -> list[Reply]:
        profile = self._user.profile()
        if profile == Profile():
            return [Reply("I keep nothing about you.")]
        taste = self.known()
        skipped = [f"{taste.skipped:,} skipped"] if taste.skipped else []
        learned = [*taste.up, *taste.down]
        rows = {
            "enjoys": profile.enjoys,
            "avoids": profile.avoids,
            "liked": [f"#{post_id}" for post_id in profile.liked],
            "disliked": [f"#{post_id}" for post_id in profile.disliked],
            "favorites": [f"{len(profile.favorites):,}"] if profile.favorites else [],
            "mood": profile.mood,
            "only": [profile.only] if profile.only else [],
            "learned": [f"{tag} {weight:+.2f}" for tag, _, weight in learned],
            "hidden": profile.blacklist,
            "variety": [] if profile.variety is None else [f"{profile.variety:.3g}"],
            "seen": [count(profile.seen, "post"), *skipped],
            "looked": [] if profile.new_until is None else [f"to {day(profile.new_until)}"],
            "daily": [] if profile.daily is None else [f"{profile.daily}:00 UTC"],
        }
        for label in ("favorites", "mood", "only", "hidden", "variety", "looked", "daily"):
            if not rows[label]:
                del rows[label]
        lines = ["What I keep about you, the latest last:"]
        lines += messages.aligned((label, _latest(values)) for label, values in rows.items())
        if profile.mood:
            lines.append("While the mood leads, what was learned is of it alone: /mood off")
        elif said := _judged_in_moods(profile):
            lines.append(said)
        if hidden := self._hidden(profile, taste):
            are = "is" if hidden == 1 else "are"
            lines.append(f"{hidden} of these {are} not on this board, or hidden.")
        if profile.enjoys or profile.avoids or profile.at or profile.favorites:
            lines.append("/drop TAG or /drop #12 takes one back.")
        return [Reply("\n".join(lines), choices=["/walk", "/portrait", "/export", "/forget"])]

    def portrait(self) -> list[Reply]:
        """Draw what they like more than the board does, and say it in words."""
        user, profile = self._user, self._user.profile()
        made = portrait_of(user.graph(profile), profile, user.previews)
        rows = ((label, names[:TOLD_OF_PORTRAIT]) for label, names in made.rows())
        lines = ["Your taste, to show around.", f"{made.said}.", *messages.aligned(rows)]
        if made.unwritten:
            names = ", ".join(made.unwritten[:TOLD_OF_PORTRAIT])
            lines.append(f"Left out of it, since no font here has their letters: {names}")
        drawn = "portrait.png", made.png()
        return [Reply("\n".join(lines), document=drawn, choices=["/walk", "/taste"])]

    def _hidden(self, profile: Profile, taste: Taste) -> int:
        """Count the tags and posts they named that this board does not show them."""
        unknown = self._user.resolve([*profile.enjoys, *profile.avoids])[1]
        judged = len(profile.liked) + len(profile.disliked) + len(profile.favorites)
        shown = len(taste.liked) + len(taste.disliked) + taste.favorites
        return len(unknown) + judged - shown

    def export(self) -> list[Reply]:
        """Give everything that is kept, as a file."""
        kept = self._user.profiles.export(self._user.key)
        data = f"{json.dumps(kept, indent=1, ensure_ascii=False)}\n".encode()
        said = f"Everything I keep about you, {len(data):,} bytes of JSON."
        return [Reply(said, document=("e6graph-taste.json", data))]


def _asking(lines: Sequence[str], choices: Sequence[str], asked: Sequence[str]) -> Reply:
    """Make an answer that ends in a question, if one is asked."""
    answers = ["/yes", "/no"] if asked else []
    return Reply("\n".join([*lines, *asked]), choices=[*answers, *dict.fromkeys(choices)])


def _changed_sides(tags: Sequence[str], before: Profile, verb: str) -> list[str]:
    """Say which tags they had said the opposite of."""
    other = before.avoids if verb == "enjoy" else before.enjoys
    changed = [tag for tag in tags if tag in other]
    felt = "avoided" if verb == "enjoy" else "enjoyed"
    return [f"No longer {felt}: {', '.join(changed)}."] if changed else []


def _judged_before(profile: Profile) -> str:
    """Say what was judged in the mood that holds."""
    judged = list(of_mood(profile).at)
    return f" You judged {count(judged, 'post')} in it before." if judged else ""


def _judged_in_moods(profile: Profile) -> str:
    """Say how many of the posts they judged count in moods alone."""
    liked, disliked = (
        sum(post_id in profile.moods for post_id in judged)
        for judged in (profile.liked, profile.disliked)
    )
    if not liked + disliked:
        return ""
    return f"Of these, {liked} liked and {disliked} disliked count in their moods alone."


def _latest(values: list[str]) -> list[str]:
    """Cut a row of /taste to its end."""
    earlier = len(values) - LISTED_AT_MOST
    if earlier > 0:
        return [f"({earlier} earlier)", *values[-LISTED_AT_MOST:]]
    return values or ["-"]
