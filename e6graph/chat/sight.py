"""The commands about which posts they see: search words, a blacklist, ratings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import BadInput
from ..recommend.blacklist import split_lines
from . import messages
from .contradictions import Cause, contradictions
from .messages import BLACKLIST_LIMIT, Reply, TextFile, count, quoted
from .user import User

LISTED_AT_MOST = 20  # lines that were removed
BLACKLIST_SHOWN = 100  # lines, the latest


class SightCommands:
    """Commands that narrow what a user sees, never widen it; each method answers one."""

    def __init__(self, user: User) -> None:
        self._user = user

    def only(self, words: Sequence[str]) -> list[Reply]:
        """Restrict what follows to what the site's search finds, end that, or tell it."""
        user, profile = self._user, self._user.profile()
        # The site parts words by spaces alone, but people type commas.
        search = re.sub(",(?= |$)", "", " ".join(words))
        graph, avoids = user.graph(profile), user.resolve(profile.avoids)[0]
        if not search and profile.only:
            left = graph.count_matching(profile.only, avoids)
            said = f"You see only what matches {profile.only}: {left:,} posts."
            return [Reply(f"{said} /only off ends it.", choices=["/walk", "/only off"])]
        if search.lower() in ("", "off"):
            said = "You see all posts, whatever they are."
            if profile.only:
                user.profiles.set_only(user.key, "")
                said = f"You no longer see only what matches {profile.only}."
            example = " ".join(user.example_tags())
            hint = f"/only {example} score:>5 restricts them by the site's search words."
            return [Reply(f"{said} {hint}", choices=["/walk"])]

        matching = graph.count_matching(search, avoids)
        remarks, idle = user.board.try_blacklist(search)
        lines, better = _with_better(user, "/only", search, remarks)
        if idle or not matching:
            none = f"No post that you may see matches {quoted(search)}"
            avoided = not idle and graph.count_matching(search)
            none += " without a tag that you avoid" if avoided else ""
            said = f"{none}, so nothing was changed."
            return [Reply("\n".join([said, *lines]), choices=better)]
        user.profiles.set_only(user.key, search)
        said = f"You see only what matches {search} now, {count(range(matching), 'post')}"
        said = f"{said}, until /only off."
        return [Reply("\n".join([said, *lines]), choices=["/walk", *better, "/only off"])]

    def blacklist(self, text: str) -> list[Reply]:
        """Show, add or remove lines in the site's filter language.

        Parameters
        ----------
        text : what follows the command; each line of it is a line of the list.
        """
        user, kept = self._user, self._user.profile().blacklist
        if not text.strip():
            return [Reply(_listed(kept), choices=["/walk"])]
        first, _, more = text.partition("\n")
        verb, _, rest = first.strip().partition(" ")
        given = _lines_of(f"{rest}\n{more}")
        verb = verb.lower() or "add"
        if verb == "add" and given:
            return self.hide(given)
        if verb == "remove" and given:
            gone = [_line_meant(line, kept) for line in given]
            user.profiles.unhide(user.key, *gone)
            said = f"No longer hidden by you: {', '.join(gone[:LISTED_AT_MOST])}"
        elif verb == "clear" and not given:
            user.profiles.unhide(user.key, *kept)
            said = f"Your blacklist is empty. It had {count(kept, 'line')}."
        else:
            raise BadInput(
                "expected /blacklist, /blacklist add LINE (or several lines), /blacklist "
                "remove LINE or /blacklist clear"
            )
        return [Reply(said, choices=["/walk", "/blacklist"])]

    def take_list(self, file: TextFile) -> list[Reply]:
        """Add the lines of a file."""
        if file.problem:
            raise BadInput(file.problem)
        try:
            text = file.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadInput("that file is not a text in UTF-8: save it as one") from None
        lines = _lines_of(messages.clean_lines(text))
        if not lines:
            raise BadInput(
                "that file is empty: expected a blacklist with a filter on each line"
            )
        return self.hide(lines)

    def hide(self, lines: Sequence[str]) -> list[Reply]:
        """Add lines to what they hide, and say what these do here."""
        user, profile = self._user, self._user.profile()
        kept = profile.blacklist
        new = [line for line in dict.fromkeys(lines) if line not in {*kept}]
        size = sum(len(line) + 1 for line in (*kept, *new))
        if size > BLACKLIST_LIMIT:
            raise BadInput(
                f"a blacklist has at most {BLACKLIST_LIMIT:,} characters, as on the site; "
                f"yours would have {size:,}"
            )
        # Of a list only what it changes is told; it may be long, so that its lines are not.
        wishes = user.wishes(profile)
        counts = user.graph(profile).count_posts(wishes) if len(lines) > 1 else []
        user.profiles.hide(user.key, *new)
        now = user.profile()
        graph = user.graph(now)
        remarks, idle = user.board.try_blacklist("\n".join(lines))
        left = f"{graph.allowed.sum():,} posts are left."
        if len(lines) > 1:
            some = f", {len(idle):,} of which can match nothing here" if idle else ""
            said = f"Added {len(new):,} of {count(lines, 'line')}{some}. {left}"
        elif idle or lines[0].startswith("#"):
            said = f"Kept, but it hides nothing here: {lines[0]}"
        else:
            said = f"Hidden from now on: {lines[0]}. {left}"
        cause = Cause("list", count([*kept, *new], "line"))
        better: list[str] = []
        if len(lines) == 1:
            cause = Cause("line", lines[0])
            remarks, better = _with_better(user, "/blacklist add", lines[0], remarks)
        else:
            fewer = zip(wishes, counts, graph.count_posts(wishes), strict=True)
            wishes = [tag for tag, before, after in fewer if after < before]
        against, ways = contradictions(user, now, wishes, [cause])
        choices = ["/walk", *ways, *better, "/blacklist"]
        return [Reply("\n".join([said, *against, *remarks]), choices=[*dict.fromkeys(choices)])]

    def rating(self, words: Sequence[str]) -> list[Reply]:
        """Show the ratings they see, or narrow them to some that the operator allows."""
        user, allowed = self._user, self._user.board.ratings
        if words:
            wanted = "".join(words).lower()
            letters = "".join(letter for letter in allowed if letter in wanted)
            if not letters or set(wanted) - set(allowed):
                raise BadInput(
                    f"ratings {quoted(wanted)}: expected one or more of the letters that this bot "
                    f"shows, {' '.join(allowed)}"
                )
            user.profiles.rate(user.key, letters)
            profile, cause = user.profile(), Cause("rating", letters)
            wishes = user.wishes(profile)
            against, ways = contradictions(user, profile, wishes, [cause])
            said = f"You see rating {' '.join(letters)} now."
            return [Reply("\n".join([said, *against]), choices=ways)]
        seen = " ".join(user.graph().ratings)
        said = f"You see rating {seen}, of {' '.join(allowed)} that this bot may show."
        return [Reply(said, choices=[f"/rating {letter}" for letter in allowed[:-1]])]


def _with_better(
    user: User, command: str, line: str, remarks: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the remarks on a line and what to type instead of it, and the latter alone."""
    better = [f"{command} {one}" for one in user.board.corrected(line)] if remarks else []
    said = [remark.removeprefix("line 1: ") for remark in remarks]
    return [*said, *(f"Instead: {one}" for one in better)], better


def _lines_of(text: str) -> list[str]:
    """Return the lines of a list, without empty ones."""
    lines = (re.sub("[\t-\r ]+", " ", line).strip(" ") for line in split_lines(text))
    return [line for line in lines if line]


def _line_meant(given: str, kept: Sequence[str]) -> str:
    """Return the line that is meant by its number, or by itself. Raises BadInput."""
    if re.fullmatch("[0-9]{1,6}", given) and 1 <= int(given) <= len(kept):
        return kept[int(given) - 1]
    if given not in kept:
        raise BadInput(f"no line {quoted(given)} in your blacklist: /blacklist shows it")
    return given


def _listed(lines: Sequence[str]) -> str:
    head = "You hide nothing beside what the board hides."
    if lines:
        head = "Lines you hide posts by, beside those of the board:"
    shown = [*enumerate(lines, 1)][-BLACKLIST_SHOWN:]
    earlier = [f"({len(lines) - len(shown):,} earlier)"] if len(shown) < len(lines) else []
    rows = [f"{n:>3}  {line}" for n, line in shown]
    hint = (
        "/blacklist add LINE hides posts that match it, as on the site: fox -night. Several "
        "lines may follow, and a whole list can be sent as a file (in a terminal: "
        "/blacklist file PATH)."
    )
    return "\n".join([head, *earlier, *rows, hint])
