"""The board as one person may see it: which posts are visible, and what posts and tags are."""

from __future__ import annotations

import copy
import fnmatch
import os
import re
import threading
import warnings
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from ..errors import BadInput, UnknownPost, UnknownTag
from ..store import Store
from ..tags.categories import CATEGORIES, RATING_TAGS
from ..tags.spelling import nearest_names
from .blacklist import DEFAULT, Blacklist
from .posts import Posts

CHUNK = 200_000  # posts counted at a time
VIEWS = 32  # narrowed boards kept


@dataclass(frozen=True)
class PostInfo:
    """What is said of a post; `tags` by category name, `url` empty where the board has no site."""

    post_id: int
    url: str
    rating: str
    score: int
    fav_count: int
    md5: str
    file_ext: str
    tags: dict[str, list[str]]


class Board:
    """The posts of an index under some ratings and a blacklist.

    Parameters
    ----------
    ratings : letters of what may be shown, of s, q, e.
    blacklist : "default" (the site's for visitors), a path, text in the site's language, or None.

    Attributes
    ----------
    posts : all that is indexed. allowed : bool (n,), what may be shown; by row. ratings : letters.
    """

    _OF_ALLOWED: tuple[str, ...] = ("shown",)  # cached properties that depend on `allowed`

    def __init__(self, store: Store, ratings: str, blacklist: str | Path | None) -> None:
        if not ratings or set(ratings) - set("sqe"):
            raise BadInput(f"ratings {ratings!r}: expected some of the letters s, q, e")
        self.posts, self.ratings = Posts.open(store), "".join(r for r in "sqe" if r in ratings)
        rating = self.posts.column("rating")
        self.allowed = np.isin(rating, list(ratings))
        if blacklist is not None:
            self.allowed &= ~Blacklist.parse(_blacklist_text(blacklist)).mask(self.posts)
        if set(ratings) != {"s"}:  # whatever the options say; safe posts are not under the rule
            self.allowed &= ~self.posts.forbidden()

        self._narrowed: OrderedDict[tuple[str, str], Self] = OrderedDict()
        self._lock = threading.Lock()

    def narrowed(self, ratings: str, blacklist: str = "") -> Self:
        """The same board for someone who wants to see less of it; never more.

        Parameters
        ----------
        ratings : letters; those the board does not show stay hidden.
        blacklist : further lines in the site's language.

        Returns
        -------
        A board that shares everything but the mask, n bytes; the latest `VIEWS` are kept.
        """
        key = ("".join(r for r in self.ratings if r in ratings), blacklist)
        if key == (self.ratings, ""):
            return self
        if not key[0]:
            raise BadInput(f"ratings {ratings!r}: this board shows {self.ratings}")
        with self._lock:
            if key not in self._narrowed:
                made = copy.copy(self)
                for name in self._OF_ALLOWED:
                    made.__dict__.pop(name, None)
                rating = np.isin(self.posts.column("rating"), list(key[0]))
                made.allowed = (
                    self.allowed & rating & ~Blacklist.parse(blacklist).mask(self.posts)
                )
                made.ratings, made._narrowed = key[0], OrderedDict()
                self._narrowed[key] = made
            self._narrowed.move_to_end(key)
            while len(self._narrowed) > VIEWS:
                self._narrowed.popitem(last=False)
            return self._narrowed[key]

    def resolve_tags(self, names: str | Iterable[str]) -> tuple[list[str], list[str]]:
        """(canonical names of the known ones, the unknown ones), in order, each once."""
        names = [names] if isinstance(names, str) else names
        known: dict[str, None] = {}
        unknown: dict[str, None] = {}
        for name in names:
            key = name.strip().replace(" ", "_")
            tag_id = self.posts.tag_ids.get(key, self.posts.tag_ids.get(key.lower()))
            if tag_id is None:
                unknown[name] = None
            else:
                known[self.posts.names[tag_id]] = None
        return list(known), list(unknown)

    def nearest_names(self, name: str, n: int = 3) -> list[str]:
        """Names and aliases spelled like one, of tags that a visible post holds."""
        names = [known for known, tag_id in self.posts.tag_ids.items() if self.shown[tag_id]]
        return nearest_names(name.replace(" ", "_"), names, n)

    def complete(self, prefix: str, n: int = 8) -> list[tuple[str, str, int]]:
        """Tags that begin with `prefix` (with `*` in it: that match it), the most used first.

        Returns
        -------
        (name, category, visible posts that hold it); aliases stand for their tags.
        """
        prefix = prefix.strip().lower().replace(" ", "_")
        if "*" in prefix:
            named = re.compile(fnmatch.translate(re.sub(r"([?[])", r"[\1]", prefix)))
            found = [name for name in self._sorted_names if named.match(name)]
        else:
            start = bisect_left(self._sorted_names, prefix)
            end = bisect_left(self._sorted_names, prefix + "\U0010ffff")
            found = self._sorted_names[start:end] if prefix else []
        ids = np.unique([self.posts.tag_ids[name] for name in found]).astype(np.int64)
        ids = ids[(self.shown[ids] > 0) & ~np.isin(ids, self._silent)]
        best = ids[np.argsort(-self.shown[ids], kind="stable")][:n].tolist()
        kinds = self.posts.categories
        return [(self.posts.names[i], CATEGORIES[kinds[i]], int(self.shown[i])) for i in best]

    @cached_property
    def _sorted_names(self) -> list[str]:
        return sorted(self.posts.tag_ids)

    @cached_property
    def _silent(self) -> list[int]:
        return [self.posts.tag_ids[t] for t in RATING_TAGS if t in self.posts.tag_ids]

    @cached_property
    def shown(self) -> np.ndarray:
        """How many visible posts hold each tag, int64 (T,), by tag id."""
        tags = self.posts.tags_of
        counts = np.zeros(len(self.posts.names), np.int64)
        for start in range(0, len(self.posts), CHUNK):
            rows = start + np.flatnonzero(self.allowed[start : start + CHUNK])
            counts += np.bincount(tags.take(rows)[0], minlength=len(counts))
        return counts

    def category(self, name: str) -> str:
        """The category of a tag; UnknownTag where it is none."""
        kind = self.posts.categories[self.known_tag_ids(name)[0]]
        return CATEGORIES[kind] if kind < len(CATEGORIES) else "general"

    def visible(self, post_id: int) -> bool:
        """Whether a post is indexed and may be shown under these settings."""
        row = self.posts.row(post_id)
        return row is not None and bool(self.allowed[row])

    def describe(self, post_id: int) -> PostInfo:
        """A post that may be shown.

        Raises
        ------
        UnknownPost
        """
        row = self.row(post_id)
        tags: dict[str, list[str]] = {}
        for name, category in self.posts.tags(row):
            group = CATEGORIES[category] if category < len(CATEGORIES) else "general"
            tags.setdefault(group, []).append(name)
        names = ("rating", "score", "fav_count", "md5", "file_ext")
        url = f"{self.posts.site}/posts/{post_id}" if self.posts.site else ""
        return PostInfo(
            int(post_id), url, *(self.posts.value(row, name) for name in names), tags
        )

    def row(self, post_id: int) -> int:
        """The row of a post that may be shown.

        Raises
        ------
        UnknownPost
        """
        row = self.posts.row(int(post_id))
        if row is None or not self.allowed[row]:
            raise UnknownPost(f"post {post_id} is not on this board, or may not be shown here")
        return row

    def known_tag_ids(self, names: str | Iterable[str]) -> list[int]:
        """Ids of some names; unknown ones are refused if all are, and warned of if some are."""
        known, unknown = self.resolve_tags(names)
        if unknown:
            near = "; ".join(
                f"{name}: did you mean {', '.join(self.nearest_names(name)) or 'something else'}?"
                for name in unknown
            )
            if not known:
                raise UnknownTag(f"no such tag: {near}")
            warnings.warn(f"unknown tags are left out: {near}", stacklevel=4)
        return [self.posts.tag_ids[name] for name in known]


def _blacklist_text(given: str | Path) -> str:
    """The text of a blacklist given by "default", by path or as text."""
    if given == "default":
        return DEFAULT
    named = isinstance(given, Path) or re.fullmatch(r"\S+\.txt", given)
    if not named and not os.path.isfile(given):  # which takes a text too long for a name
        return given
    try:
        return Path(given).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"blacklist {given}: {error}") from None
