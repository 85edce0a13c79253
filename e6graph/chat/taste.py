"""The commands about what is kept of a user: taste, tags, blacklist, ratings, export."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..errors import BadInput
from ..recommend.blacklist import Blacklist
from ..recommend.personal import Profile
from . import messages
from .messages import Reply, Taste, count, did_you_mean, names_in
from .user import Person

LISTED = 20  # the latest of each that /taste lists
LEARNED = 8  # tags up and down that are shown
LINES, LINE = 50, 500  # of a user's blacklist: lines, characters of one
ALSO = 6  # tags named after /enjoy


class Keeping:
    """What a user says of themselves; every word is kept at once."""

    def __init__(self, person: Person) -> None:
        self._person = person

    # -- tags ------------------------------------------------------------------------------------
    def enjoy(self, words: Sequence[str]) -> list[Reply]:
        return [self._feel(words, "enjoy")]

    def avoid(self, words: Sequence[str]) -> list[Reply]:
        return [self._feel(words, "avoid")]

    def _feel(self, words: Sequence[str], verb: str) -> Reply:
        person, names = self._person, names_in(words)
        if not names:
            return Reply(f"Expected tags: /{verb} TAGS, such as /{verb} fox night")
        known, unknown = person.resolve(names)
        lines, choices = did_you_mean(unknown, person.near), []
        if known:
            keep = person.profiles.enjoy if verb == "enjoy" else person.profiles.avoid
            keep(person.user, known)
            lines.insert(0, f"You {verb} {', '.join(known)}.")
            choices.append("/walk")
            if verb == "enjoy" and (also := person.graph().telling_tags(known, ALSO)):
                lines.append(
                    f"Often with {'it' if len(known) == 1 else 'them'}: {', '.join(also)}"
                )
        choices += [f"/{verb} {near}" for name in unknown[:1] for near in person.near(name)]
        return Reply("\n".join(lines), choices=choices)

    def drop(self, words: Sequence[str]) -> list[Reply]:
        """Take back what was said of tags and of posts (#12)."""
        person, names = self._person, names_in(words)
        if not names:
            return [Reply("Expected what to take back: /drop TAGS, or /drop #12 for a post")]
        posts = [int(name[1:]) for name in names if name[0] == "#" and name[1:].isdecimal()]
        tags = [name for name in names if name[0] != "#"]
        tags = list(dict.fromkeys([*tags, *person.resolve(tags)[0]]))
        before = person.profile()
        person.profiles.drop(person.user, tags, posts)
        after = person.profile()
        gone = {*before.enjoys, *before.avoids} - {*after.enjoys, *after.avoids}
        gone |= {f"#{post}" for post in before.at if post not in after.at}
        said = (
            f"Taken back: {', '.join(sorted(gone))}." if gone else "You had said nothing of it."
        )
        return [Reply(said, choices=["/walk", "/taste"])]

    # -- taste -----------------------------------------------------------------------------------
    def known(self) -> Taste:
        """The taste, as a panel shows it."""
        person, profile = self._person, self._person.profile()
        graph = person.graph(profile)
        up, down = graph.learned_tags(profile, LEARNED)
        return Taste(
            profile.enjoys,
            profile.avoids,
            person.visible(profile.liked, graph),
            person.visible(profile.disliked, graph),
            len(profile.seen),
            len(profile.skipped),
            *(
                [(tag, graph.category(tag), weight) for tag, weight in tags]
                for tags in (up, down)
            ),
            profile.blacklist,
            graph.ratings,
        )

    def taste(self) -> list[Reply]:
        person, profile = self._person, self._person.profile()
        if profile == Profile():
            return [Reply("Nothing is kept of you.")]
        taste, skipped = self.known(), len(profile.skipped)
        hidden = len(person.resolve([*profile.enjoys, *profile.avoids])[1])
        hidden += len(profile.liked) + len(profile.disliked)
        hidden -= len(taste.liked) + len(taste.disliked)
        rows = {
            "enjoys": profile.enjoys,
            "avoids": profile.avoids,
            "liked": [f"#{post_id}" for post_id in profile.liked],
            "disliked": [f"#{post_id}" for post_id in profile.disliked],
            "learned": [f"{tag} {weight:+.2f}" for tag, _, weight in [*taste.up, *taste.down]],
            "hidden": profile.blacklist,
            "seen": [
                count(profile.seen, "post"),
                *([f"{skipped:,} skipped"] if skipped else []),
            ],
        }
        for values in rows.values():
            if len(values) > LISTED:
                values[:-LISTED] = [f"({len(values) - LISTED} earlier)"]
        if not profile.blacklist:
            del rows["hidden"]
        lines = ["Kept of you, the latest last:"]
        lines += messages.labelled((label, values or ["-"]) for label, values in rows.items())
        if hidden:
            be = "is" if hidden == 1 else "are"
            lines.append(f"{hidden} of these {be} not on this board, or hidden.")
        if profile.enjoys or profile.avoids or profile.at:
            lines.append("/drop TAG or /drop #12 takes one back.")
        return [Reply("\n".join(lines), choices=["/walk", "/export", "/forget"])]

    # -- what they see ---------------------------------------------------------------------------
    def blacklist(self, words: Sequence[str]) -> list[Reply]:
        """Show, add or remove lines in the site's language."""
        person, lines = self._person, self._person.profile().blacklist
        verb, line = (words[0].lower(), " ".join(words[1:])) if words else ("", "")
        if verb == "remove" and line:
            if line.isdecimal() and 1 <= int(line) <= len(lines):
                line = lines[int(line) - 1]
            if line not in lines:
                raise BadInput(f"no line {line!r} in your blacklist: /blacklist shows it")
            person.profiles.unhide(person.user, line)
            said = f"No longer hidden by you: {line}"
        elif verb == "add" and line:
            if len(lines) >= LINES or len(line) > LINE:
                raise BadInput(f"a blacklist has {LINES} lines of {LINE} characters at most")
            Blacklist.parse(line)  # says what is wrong with it
            person.profiles.hide(person.user, line)
            graph = person.graph()
            said = f"Hidden from now on: {line}. {graph.allowed.sum():,} posts are left."
        elif words:
            raise BadInput("expected /blacklist, /blacklist add LINE or /blacklist remove LINE")
        else:
            rows = [f"{n:>3}  {line}" for n, line in enumerate(lines, 1)]
            said = "\n".join(
                [
                    "Lines you hide posts by, beside those of the board:"
                    if rows
                    else "You hide nothing beside what the board hides.",
                    *rows,
                    "/blacklist add LINE hides posts that match it, as on the site: fox -night",
                ]
            )
        return [Reply(said, choices=["/walk", "/blacklist"] if words else ["/walk"])]

    def rating(self, words: Sequence[str]) -> list[Reply]:
        """Show or narrow the ratings."""
        allowed = self._person.board.ratings
        if words:
            return [
                Reply(f"You see rating {' '.join(self._person.narrow(''.join(words)))} now.")
            ]
        seen = self._person.graph().ratings
        said = (
            f"You see rating {' '.join(seen)}, of {' '.join(allowed)} that this bot may show."
        )
        return [
            Reply(said, choices=[f"/rating {letter}" for letter in allowed[: len(allowed) - 1]])
        ]

    def export(self) -> list[Reply]:
        """All that is kept, as a file."""
        person = self._person
        data = json.dumps(person.profiles.export(person.user), indent=1, ensure_ascii=False)
        said = f"All that is kept of you, {len(data.encode()):,} bytes of JSON."
        return [Reply(said, document=("e6graph-taste.json", f"{data}\n".encode()))]
