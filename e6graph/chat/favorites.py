"""The command /favorites: take in what somebody marked on the site, from a list or a file."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadInput
from ..recommend.favorites import Favorites
from ..recommend.references import (
    Reference,
    decode,
    is_list_of_posts,
    names_posts,
    read_references,
)
from .fetch_favorites import FavoritesFetcher
from .messages import Reply, TextFile, count
from .user import User

FROM_LISTS = ""  # the source of favorites that came as a list or a file
AFTER = ["/walk", "/taste"]  # what follows
HOW = (
    "/favorites takes in the posts that you marked on the site: send a file or a list of their "
    "numbers, links or MD5s, or the JSON or CSV that you saved there (in a terminal: /favorites "
    "file PATH)."
)
BY_NAME = "/favorites NAME fetches those that NAME shows on the site."


class FavoriteCommands:
    """The command about a user's favorites.

    Parameters
    ----------
    fetcher : fetches favorites by name; None where the operator does not allow it.
    """

    def __init__(self, user: User, fetcher: FavoritesFetcher | None = None) -> None:
        self._user = user
        self._fetcher = fetcher

    def command(self, text: str) -> list[Reply]:
        """Take in favorites, or say which are kept.

        Parameters
        ----------
        text : what follows the command: nothing, posts, or a name on the site.
        """
        given = text.strip(" ,\n")
        if not given:
            return [self._told()]
        if names_posts(given):
            several_lines = "\n" in given
            return [self.keep(FROM_LISTS, read_references(given), add=not several_lines)]
        return [self._fetch(given)]

    def _fetch(self, name: str) -> Reply:
        """Begin to fetch what somebody marked, while the talk goes on."""
        if self._fetcher is None:
            raise BadInput(
                "I do not ask the site for favorites here: send me a file or a list of them. "
                "(Whoever runs this bot allows it with --allow-favorites.)"
            )
        self._fetcher.want(self._user.key, name)
        said = (
            f"I am fetching the favorites of {name}, one page a second, and go on meanwhile. "
            "I tell you when they are here; /favorites says how far it is."
        )
        return Reply(said, choices=["/walk", "/favorites"])

    def news(self) -> list[Reply]:
        """Take in what was fetched since the last message, and say how it ended."""
        fetch = self._fetcher.take(self._user.key) if self._fetcher else None
        if fetch is None:
            return []
        if fetch.problem:
            said = f"The favorites of {fetch.name} did not come: {fetch.problem}."
            return [Reply(said, choices=["/favorites"])]
        return [self.keep(fetch.name.lower(), [*fetch.post_ids])]

    def awaited(self) -> list[Reply]:
        """Wait for what is being fetched, and do as `news`."""
        if self._fetcher:
            self._fetcher.wait(self._user.key)
        return self.news()

    def forget(self) -> None:
        """Give up what is being fetched."""
        if self._fetcher:
            self._fetcher.give_up(self._user.key)

    def unfinished(self) -> str:
        """Say, for a goodbye, that favorites are still being fetched; "" if none are."""
        fetch = self._fetcher.under_way(self._user.key) if self._fetcher else None
        if fetch is None:
            return ""
        again = f"/favorites {fetch.name} goes on where it stopped"
        return f"The favorites of {fetch.name} have not all come: {again}, within an hour."

    def take_file(self, file: TextFile) -> list[Reply]:
        """Take in the favorites of a file."""
        if file.problem:
            raise BadInput(file.problem)
        try:
            return [self.keep(FROM_LISTS, read_references(decode(file.data)))]
        except BadInput as error:
            raise BadInput(f"that file holds no favorites that I can read: {error}") from None

    def keep(self, source: str, references: Sequence[Reference], add: bool = False) -> Reply:
        """Keep a list in the place of the last one from there, and say what it holds.

        Parameters
        ----------
        source : the name on the site, or `FROM_LISTS`.
        references : the latest first, as the site has it.
        add : whether the last one stays: a few numbers are no whole list.
        """
        user = self._user
        found = user.graph().sort_out(references)
        added, removed = user.profiles.set_favorites(user.key, source, found.kept, add)
        lines = [f"I took in {count(found.ids, 'favorite')}{_of(source)}.{_left_out(found)}"]
        if not found.ids:
            named = f"{count(references, 'favorite')}{_of(source)}"
            lines = [f"Of {named} none is on this board, or it is hidden."]
        if removed or added < len(found.kept):
            new = "is new" if added == 1 else "are new"
            gone = "is gone" if removed == 1 else "are gone"
            lines.append(f"Since the last time {added:,} {new}, {removed:,} {gone}.")
        if found.ids:
            lines.append(
                "They count as likes of less weight than those you give here, and are not "
                "shown again. /drop favorites takes them back."
            )
        elif found.kept:
            lines.append("I keep the numbers, for when that changes; or /drop favorites.")
        return Reply("\n".join(lines), choices=AFTER)

    def _told(self) -> Reply:
        fetch = self._fetcher.under_way(self._user.key) if self._fetcher else None
        if fetch:
            of = f" of {fetch.of:,}" if fetch.of else ""
            return Reply(
                f"Fetching the favorites of {fetch.name}: {fetch.so_far:,}{of} so far."
            )
        kept = self._user.profile().favorites
        if not kept:
            return Reply(f"{HOW} {BY_NAME}" if self._fetcher else HOW)
        here = self._user.visible(kept, self._user.graph())
        said = (
            f"I know {count(kept, 'favorite')}, {len(here):,} of them on this board. A file, or a "
            "list of several lines, takes the place of the last one; posts on one line are added. "
            "/drop favorites takes all back."
        )
        return Reply(said, choices=AFTER)


def is_favorites(file: TextFile) -> bool:
    """Tell whether a file holds favorites and not a blacklist: as was said, or by its content."""
    if file.kind or file.problem:
        return file.kind == "favorites"
    try:
        return is_list_of_posts(decode(file.data))
    except BadInput:
        return False


def _of(source: str) -> str:
    return f" of {source}" if source else ""


def _left_out(found: Favorites) -> str:
    """Say how many were left out. One number for all reasons: what is hidden stays so."""
    others = found.missing + found.hidden + found.never
    if not others:
        return ""
    are = "is" if others == 1 else "are"
    return f" {others:,} more {are} not on this board, or hidden."
