"""The board as one person may see it, and what is known of its posts and tags."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Self

import numpy as np

from ..errors import BadInput, UnknownPost, UnknownTag, warn
from ..store.parquet import usable_md5
from ..tags.categories import RATING_TAGS
from ..tags.spelling import nearest_names
from ..tags.typed import find_name, folded, without_category
from .blacklist import Blacklist, corrected, describe
from .catalog import Catalog
from .filters import read_line
from .posts import ROWS_AT_ONCE
from .tastes import KeptTastes

INSIDE_FROM = 2  # letters from which names are completed that have them inside
NARROWED_KEPT = 32  # the latest narrowed boards


@dataclass(frozen=True)
class PostInfo:
    """One post, for people to look at.

    Attributes
    ----------
    url : its page on the site, "" if the board has no site.
    rating : "s", "q" or "e".
    md5 : of its file, in lower case; "" if the export has none that can be used.
    tags : category → names, the most used first.
    pools : names of the pools that hold it, or a post of its family that may be shown.
    """

    post_id: int
    url: str
    rating: str
    score: int
    fav_count: int
    md5: str
    file_ext: str
    tags: dict[str, list[str]]
    pools: list[str] = field(default_factory=list)


class Board:
    """A view of an index that shows some of its posts.

    Many boards may share one catalog. Each is constructed with a mask of its own,
    and whatever depends on the mask is worked out anew by each board and never
    copied from another.

    Parameters
    ----------
    catalog : the opened index.
    ratings : letters of s, q and e that may be shown.
    hidden : filters of posts that may not.
    within : bool (n,), the rows of a wider board; None for all.

    Attributes
    ----------
    ratings : the letters, in the order s, q, e.
    allowed : bool (n,), which rows may be shown; read-only.

    Raises
    ------
    BadInput : no ratings, or other letters.
    """

    def __init__(
        self,
        catalog: Catalog,
        ratings: str,
        hidden: Blacklist,
        within: np.ndarray | None = None,
    ) -> None:
        if not ratings or set(ratings) - set("sqe"):
            raise BadInput(f"ratings {ratings!r}: expected some of the letters s, q, e")
        self.catalog, self.posts = catalog, catalog.posts
        self.dictionary, self.operator = catalog.dictionary, catalog.operator
        self.ranking = catalog.ranking
        self.ratings = "".join(letter for letter in "sqe" if letter in ratings)
        allowed = np.isin(self.posts.column("rating"), list(ratings))
        allowed &= ~hidden.mask(self.posts)
        allowed &= ~catalog.forbidden
        if within is not None:
            allowed &= within
        allowed.setflags(write=False)
        self.allowed = allowed

        self.tastes = KeptTastes()
        self._narrowed: OrderedDict[tuple[str, str], Self] = OrderedDict()
        self._lock = threading.Lock()

    def narrowed(self, ratings: str, blacklist: str = "") -> Self:
        """Return the same board for someone who wants to see less of it.

        A narrowed board never shows more than this one. It costs memory for its
        mask (n bytes) and for what it counts of its tags; the latest
        `NARROWED_KEPT` are kept.

        Parameters
        ----------
        ratings : letters; those that this board does not show stay hidden.
        blacklist : further filters, as text in the site's language.

        Raises
        ------
        BadInput : none of the ratings is shown here.
        """
        letters = "".join(letter for letter in self.ratings if letter in ratings)
        if not letters:
            raise BadInput(f"ratings {ratings!r}: this board shows {self.ratings}")
        if letters == self.ratings and not blacklist:
            return self
        key = letters, blacklist
        with self._lock:
            made = self._narrowed.get(key)
        if made is None:  # a long list takes seconds, for which nobody else waits
            more = Blacklist.parse(blacklist)
            made = type(self)(self.catalog, letters, more, self.allowed)
        with self._lock:
            made = self._narrowed.setdefault(key, made)
            self._narrowed.move_to_end(key)
            while len(self._narrowed) > NARROWED_KEPT:
                self._narrowed.popitem(last=False)
        return made

    def try_blacklist(self, blacklist: str) -> tuple[list[str], list[int]]:
        """Try filters that somebody gives.

        Returns
        -------
        remarks : a text on each word that cannot be read or matches no post, the
            first few of them.
        idle : numbers of the lines that can match nothing here.
        """
        remarks, idle = Blacklist.parse(blacklist).review(self.posts)
        return describe(remarks, self.nearest_names), idle

    def corrected(self, line: str) -> list[str]:
        """Return a line of a blacklist with its unknown words corrected, in several ways."""
        remarks, _ = Blacklist((line,)).review(self.posts)
        return corrected(line, remarks, self.nearest_names)

    def matching(self, search: str) -> np.ndarray:
        """Return which visible rows match words of the site's search: a new bool (n,).

        Parameters
        ----------
        search : as a line of a blacklist; "" matches all.

        Raises
        ------
        BadInput : there are no words in it.
        """
        if not search:
            return self.allowed.copy()
        if not read_line(search, self.posts.aliases)[0]:
            expected = "expected words of the site's search, such as fox -rain score:>5"
            raise BadInput(f"only {search[:60]!r}: {expected}")
        return self.allowed & self.catalog.matching(search)

    def count_matching(self, search: str, without: Iterable[str] = ()) -> int:
        """Count the visible posts that match a search and hold none of some tags."""
        matching = self.matching(search)
        for tag_id in self._ids_of(without):
            matching[self.posts.rows_with[tag_id]] = False
        return int(np.count_nonzero(matching))

    def matching_among(self, post_ids: Sequence[int], search: str) -> list[int]:
        """Return those of some posts that may be shown and match a search, in their order."""
        rows, matching = self.visible_rows(post_ids), self.matching(search)
        return self.posts.ids[rows[matching[rows]]].tolist()

    # -- tags ----------------------------------------------------------------
    @cached_property
    def shown(self) -> np.ndarray:
        """How many visible posts hold each tag, int64 (T,), by tag id."""
        counts = np.zeros(len(self.posts.names), np.int64)
        for start in range(0, len(self.posts), ROWS_AT_ONCE):
            allowed = self.allowed[start : start + ROWS_AT_ONCE]
            rows = start + np.flatnonzero(allowed)
            tags, _ = self.posts.tags_of.take(rows)
            counts += np.bincount(tags, minlength=len(counts))
        return counts

    def resolve_tags(self, names: str | Iterable[str]) -> tuple[list[str], list[str]]:
        """Split names into known tags and unknown names.

        Spaces count as underscores, a category before a name is left out, aliases
        become the names they stand for, and each comes once.

        Returns
        -------
        known, unknown : in the order given.
        """
        names = [names] if isinstance(names, str) else names
        tag_ids = self.posts.tag_ids
        known: dict[str, None] = {}
        unknown: dict[str, None] = {}
        for name in names:
            found = find_name(name, tag_ids)
            if found is None:
                unknown[name] = None
            else:
                known[self.posts.names[tag_ids[found]]] = None
        return list(known), list(unknown)

    def count_posts(self, tags: Iterable[str], without: Iterable[str] = ()) -> list[int]:
        """Count the visible posts that hold each of some tags, and none of the others."""
        shown, holders = self.allowed, self.posts.rows_with
        away = self._ids_of(without)
        if away:
            shown = shown.copy()
        for tag_id in away:
            shown[holders[tag_id]] = False
        return [int(np.count_nonzero(shown[holders[i]])) for i in self._ids_of(tags)]

    def count_both(self, tag: str, others: Iterable[str]) -> list[int]:
        """Count the visible posts that hold a tag and each of some others."""
        holders = self.posts.rows_with
        held = np.zeros(len(self.posts), bool)
        for tag_id in self._ids_of([tag]):
            held[holders[tag_id]] = True
        held &= self.allowed
        return [int(np.count_nonzero(held[holders[i]])) for i in self._ids_of(others)]

    def count_matched(self, tags: Iterable[str], lines: Sequence[str]) -> list[list[int]]:
        """Count for each tag how many visible posts with it each line of a blacklist hides."""
        postings = [self.posts.rows_with[tag_id] for tag_id in self._ids_of(tags)]
        shown = [rows[self.allowed[rows]] for rows in postings]
        return Blacklist(tuple(lines)).matches(self.posts, shown)

    def _ids_of(self, names: Iterable[str]) -> list[int]:
        """Return the ids of names that are known."""
        return [self.posts.tag_ids[name] for name in names]

    def known_tag_ids(self, names: str | Iterable[str]) -> list[int]:
        """Return the ids of some tags, and warn of unknown names among them.

        Raises
        ------
        UnknownTag : none of the names is known; the message lists names spelled
            like them.
        """
        known, unknown = self.resolve_tags(names)
        if unknown:
            hints = []
            for name in unknown:
                near = ", ".join(self.nearest_names(name)) or "something else"
                hints.append(f"{name}: did you mean {near}?")
            if not known:
                raise UnknownTag(f"no such tag: {'; '.join(hints)}")
            warn(f"unknown tags are left out: {'; '.join(hints)}")
        return [self.posts.tag_ids[name] for name in known]

    def category(self, name: str) -> str:
        """Return the category of a tag, as "artist". Raises UnknownTag."""
        return self.posts.category(self.known_tag_ids(name)[0])

    def nearest_names(self, name: str, n: int = 3) -> list[str]:
        """Return up to n names spelled like one, of tags that visible posts hold."""
        known, shown = self.posts.tag_ids.items(), self.shown
        names = [name for name, tag_id in known if shown[tag_id]]
        return nearest_names(without_category(folded(name.replace(" ", "_"))), names, n)

    def complete(self, prefix: str, n: int = 8) -> list[tuple[str, str, int]]:
        """Return the tags that somebody may be typing, the most used first.

        Those in which `prefix` begins a word come before those that have it elsewhere in
        their names, and the tag of this very name comes first. A prefix with `*` in it is
        a pattern for the whole name of a tag; aliases are then not looked at.

        Returns
        -------
        (name, category, number of visible posts that hold it); without `*`, aliases
        give their tags.
        """
        prefix = folded(prefix.strip().replace(" ", "_"))
        ids = self._ids_typed(prefix, n)
        tags, category, shown = self.posts.names, self.posts.category, self.shown
        return [(tags[i], category(i), int(shown[i])) for i in ids[:n].tolist()]

    def _ids_typed(self, prefix: str, n: int) -> np.ndarray:
        """Return the ids of tags, of which the first n are those that `complete` gives."""
        if "*" in prefix:
            return self._by_use(self._ids_like(prefix))
        begun = self._ids_beginning(prefix)
        if not begun:
            prefix = without_category(prefix)
            begun = self._ids_beginning(prefix)
        ids = np.unique(begun).astype(int)
        if len(prefix) < INSIDE_FROM:
            return self._by_use(ids)

        names, known = self.posts.names, {*begun}
        begins = re.compile(rf"(?<![^\W_]){re.escape(prefix)}").search
        ids = self._by_use(np.union1d(ids, self._ids_like(f"*{prefix}*")))
        first = (i for i in ids.tolist() if i in known or begins(names[i]))
        best = [*islice(first, n)]
        if len(best) < n:
            best = [*dict.fromkeys([*best, *ids[: n + len(best)].tolist()])]
        exact = self.posts.tag_ids.get(prefix)
        best.sort(key=lambda i: i != exact)
        return np.array(best, np.int64)

    def _ids_like(self, pattern: str) -> np.ndarray:
        """Return the ids of the tags that fit a pattern with `*`."""
        numbers = self.posts.find_tags([pattern])[pattern]
        return numbers[numbers < len(self.posts.names)]

    def _by_use(self, ids: np.ndarray) -> np.ndarray:
        """Return those of some tag ids that visible posts hold, the most used first."""
        silent = np.isin(ids, self.posts.ids_of(RATING_TAGS))
        ids = ids[(self.shown[ids] > 0) & ~silent]
        return ids[np.argsort(-self.shown[ids], kind="stable")]

    def tags_like(self, pattern: str, n: int) -> tuple[list[str], int]:
        """Return the most used tags that a pattern with `*` stands for, and how many there are.

        Tags that no visible post holds count for nothing, and neither do aliases.
        """
        ids = self._by_use(self._ids_like(folded(pattern.strip().replace(" ", "_"))))
        return [self.posts.names[i] for i in ids[:n].tolist()], len(ids)

    def _ids_beginning(self, prefix: str) -> list[int]:
        """Return the ids of the names and aliases that begin with a prefix; none for ""."""
        names = self.posts.sorted_names
        begin, end = bisect_left(names, prefix), bisect_left(names, prefix + "\U0010ffff")
        return [self.posts.tag_ids[name] for name in names[begin:end]] if prefix else []

    # -- posts ---------------------------------------------------------------
    @property
    def newest(self) -> float | None:
        """When the newest post of the index was made, whoever may see it, in Unix seconds.

        None where no times are known.
        """
        return self.catalog.newest

    def visible(self, post_id: int) -> bool:
        """Return whether a post is indexed and may be shown."""
        row = self.posts.row(post_id)
        return row is not None and bool(self.allowed[row])

    def row(self, post_id: int) -> int:
        """Return the row of a post that may be shown. Raises UnknownPost."""
        row = self.posts.row(int(post_id))
        if row is None or not self.allowed[row]:
            raise UnknownPost(f"post {post_id} is not on this board, or may not be shown here")
        return row

    def visible_rows(self, post_ids: Iterable[int]) -> np.ndarray:
        """Return the rows of those posts that may be shown: int64 (m,), in their order."""
        rows = self.posts.rows(np.array([*post_ids], np.int64))
        rows = rows[rows >= 0]
        return rows[self.allowed[rows]]

    def visible_among(self, post_ids: Sequence[int]) -> list[int]:
        """Return those of some posts that may be shown, in their order."""
        return self.posts.ids[self.visible_rows(post_ids)].tolist()

    def describe(self, post_id: int) -> PostInfo:
        """Return a post's rating, score, tags and link. Raises UnknownPost."""
        row = self.row(post_id)
        tags: dict[str, list[str]] = {}
        for name, category in self.posts.tags(row):
            tags.setdefault(category, []).append(name)
        value = self.posts.value
        family = self.catalog.families.family(row)
        pools, _ = self.catalog.pools.of.take(family[self.allowed[family]])
        names = self.posts.pools["name"].take(np.unique(pools))
        return PostInfo(
            post_id=int(post_id),
            url=f"{self.posts.site}/posts/{post_id}" if self.posts.site else "",
            tags=tags,
            md5=usable_md5(value(row, "md5")),
            rating=value(row, "rating"),
            score=value(row, "score") or 0,
            fav_count=value(row, "fav_count") or 0,
            file_ext=value(row, "file_ext") or "",
            pools=names.to_pylist(),
        )
