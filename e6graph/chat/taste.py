"""The commands about what is kept of a user: tags, blacklist, ratings, export."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..errors import BadInput
from ..recommend.blacklist import Blacklist
from ..recommend.personal import Profile
from . import messages
from .messages import Reply, Taste, count, did_you_mean, names_in
from .user import User

LISTED_AT_MOST = 20  # of each row of /taste, the latest
LEARNED_TAGS = 8  # shown for and against
RELATED_TAGS = 6  # named after /enjoy
BLACKLIST_LINES = 50  # of one user
BLACKLIST_LINE_LENGTH = 500  # characters


class TasteCommands:
    """Commands about a user's taste; each method answers one."""

    def __init__(self, user: User) -> None:
        self._user = user

    # -- tags
    def feel(self, verb: str, words: Sequence[str]) -> list[Reply]:
        """Keep that they "enjoy" or "avoid" tags."""
        user, names = self._user, names_in(words)
        if not names:
            example = " ".join(user.example_tags())
            return [Reply(f"Expected tags: /{verb} TAGS, such as /{verb} {example}")]
        known, unknown = user.resolve(names)
        lines, choices = did_you_mean(unknown, user.near), []
        if known:
            keep = user.profiles.enjoy if verb == "enjoy" else user.profiles.avoid
            keep(user.key, known)
            lines.insert(0, f"You {verb} {', '.join(known)}.")
            choices.append("/walk")
            if verb == "enjoy" and (also := user.graph().telling_tags(known, RELATED_TAGS)):
                them = "it" if len(known) == 1 else "them"
                lines.append(f"Often with {them}: {', '.join(also)}")
        choices += [f"/{verb} {near}" for name in unknown[:1] for near in user.near(name)]
        return [Reply("\n".join(lines), choices=choices)]

    def drop(self, words: Sequence[str]) -> list[Reply]:
        """Take back what was said about tags and posts (#12)."""
        user, names = self._user, names_in(words)
        if not names:
            return [Reply("Expected what to take back: /drop TAGS, or /drop #12 for a post")]
        posts = [int(name[1:]) for name in names if name[0] == "#" and name[1:].isdecimal()]
        tags = [name for name in names if name[0] != "#"]

        # The names as typed go too: a tag that is kept may have left the board
        # since.
        tags = list(dict.fromkeys([*tags, *user.resolve(tags)[0]]))
        before = user.profile()
        user.profiles.drop(user.key, tags, posts)
        after = user.profile()
        gone = {*before.enjoys, *before.avoids} - {*after.enjoys, *after.avoids}
        gone |= {f"#{post}" for post in before.at if post not in after.at}
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
            blacklist=profile.blacklist,
            ratings=graph.ratings,
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
            "learned": [f"{tag} {weight:+.2f}" for tag, _, weight in learned],
            "hidden": profile.blacklist,
            "seen": [count(profile.seen, "post"), *skipped],
        }
        if not profile.blacklist:
            del rows["hidden"]
        lines = ["What I keep about you, the latest last:"]
        lines += messages.aligned((label, _latest(values)) for label, values in rows.items())
        if hidden := self._hidden(profile, taste):
            are = "is" if hidden == 1 else "are"
            lines.append(f"{hidden} of these {are} not on this board, or hidden.")
        if profile.enjoys or profile.avoids or profile.at:
            lines.append("/drop TAG or /drop #12 takes one back.")
        return [Reply("\n".join(lines), choices=["/walk", "/export", "/forget"])]

    def _hidden(self, profile: Profile, taste: Taste) -> int:
        """Count the tags and posts they named that this board does not show them."""
        unknown = self._user.resolve([*profile.enjoys, *profile.avoids])[1]
        judged = len(profile.liked) + len(profile.disliked)
        return len(unknown) + judged - len(taste.liked) - len(taste.disliked)

    # -- what they see
    def blacklist(self, words: Sequence[str]) -> list[Reply]:
        """Show, add or remove lines in the site's filter language."""
        user, lines = self._user, self._user.profile().blacklist
        verb, line = (words[0].lower(), " ".join(words[1:])) if words else ("", "")
        if not words:
            said = _listed(lines)
        elif verb == "remove" and line:
            if line.isdecimal() and 1 <= int(line) <= len(lines):
                line = lines[int(line) - 1]
            if line not in lines:
                raise BadInput(f"no line {line!r} in your blacklist: /blacklist shows it")
            user.profiles.unhide(user.key, line)
            said = f"No longer hidden by you: {line}"
        elif verb == "add" and line:
            if len(lines) >= BLACKLIST_LINES or len(line) > BLACKLIST_LINE_LENGTH:
                raise BadInput(
                    f"a blacklist has at most {BLACKLIST_LINES} lines of "
                    f"{BLACKLIST_LINE_LENGTH} characters"
                )
            Blacklist.parse(line)  # raises BadInput where it has a mistake
            user.profiles.hide(user.key, line)
            said = f"Hidden from now on: {line}. {user.graph().allowed.sum():,} posts are left."
        else:
            raise BadInput("expected /blacklist, /blacklist add LINE or /blacklist remove LINE")
        return [Reply(said, choices=["/walk", "/blacklist"] if words else ["/walk"])]

    def rating(self, words: Sequence[str]) -> list[Reply]:
        """Show the ratings they see, or narrow them to some that the operator allows."""
        allowed = self._user.board.ratings
        if words:
            wanted = "".join(words).lower()
            letters = "".join(letter for letter in allowed if letter in wanted)
            if not letters or set(wanted) - set(allowed):
                raise BadInput(
                    f"ratings {wanted!r}: expected one or more of the letters that this bot "
                    f"shows, {' '.join(allowed)}"
                )
            self._user.profiles.rate(self._user.key, letters)
            return [Reply(f"You see rating {' '.join(letters)} now.")]
        seen = " ".join(self._user.graph().ratings)
        said = f"You see rating {seen}, of {' '.join(allowed)} that this bot may show."
        return [Reply(said, choices=[f"/rating {letter}" for letter in allowed[:-1]])]

    def export(self) -> list[Reply]:
        """Give everything that is kept, as a file."""
        kept = self._user.profiles.export(self._user.key)
        data = f"{json.dumps(kept, indent=1, ensure_ascii=False)}\n".encode()
        said = f"Everything I keep about you, {len(data):,} bytes of JSON."
        return [Reply(said, document=("e6graph-taste.json", data))]


def _latest(values: list[str]) -> list[str]:
    """Cut a row of /taste to its end."""
    earlier = len(values) - LISTED_AT_MOST
    if earlier > 0:
        return [f"({earlier} earlier)", *values[-LISTED_AT_MOST:]]
    return values or ["-"]


def _listed(lines: Sequence[str]) -> str:
    head = "You hide nothing beside what the board hides."
    if lines:
        head = "Lines you hide posts by, beside those of the board:"
    rows = [f"{n:>3}  {line}" for n, line in enumerate(lines, 1)]
    hint = "/blacklist add LINE hides posts that match it, as on the site: fox -night"
    return "\n".join([head, *rows, hint])
