"""Which posts the lines of a blacklist match, for a list of any length.

Lines are taken apart into conjunctions (all of some conditions). Those of one
condition are united over the whole list, and the others are tried on the rows of
their rarest condition alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .filters import LEAST, MOST, Token, in_vain

if TYPE_CHECKING:
    from .posts import Posts

NO_TAG = "no post here has"  # how a remark on an unused tag begins
_MASKS_KEPT = 64  # of conditions that many lines share, a byte a post each
_SHARED_FROM = 8  # lines with a condition from which its mask is worth making
_LONG_POSTING = 16  # times as long as the rows: searching beats marking all of it
_SORTED_FROM = 16  # intervals of one column from which sorting it is faster

Condition = tuple[str, object]  # kind and value of a token, without its signs
Conjunction = frozenset[tuple[Condition, bool]]  # conditions, and whether each is inverted


class LineSearch:
    """Finds the rows of a list's lines."""

    def __init__(self, posts: Posts, lines: Sequence[Sequence[Token]]) -> None:
        self._posts, self._lines, self._n = posts, lines, len(posts)
        names: set[str] = set()
        for line in lines:
            for token in line:
                if isinstance(token.value, tuple) and token.kind == "tag":
                    names.update(map(str, token.value))
                    names.add(token.text)
        self._tags = posts.find_tags(names)
        self._columns: dict[str, np.ndarray] = {}
        self._orders: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._pools: dict[str | int, np.ndarray | None] = {}
        self._masks: dict[Condition, np.ndarray] = {}
        self._scratch = np.zeros(self._n, bool)  # all False between two uses
        self._shared: set[Condition] = set()  # by many lines

    # -- tokens
    def meant(self, token: Token) -> tuple[str, bool]:
        """Return the tag that a token means, and whether it is inverted."""
        names = [str(name) for name in token.value] if isinstance(token.value, tuple) else []
        name = next((name for name in names if len(self._tags[name])), names[-1])
        # The inverse of a tag that nobody uses would hide everything.
        face = token.text.startswith("-") and len(self._tags[token.text])
        if face and not len(self._tags[name]):
            return token.text, False
        return name, token.inverted

    def missing(self, token: Token) -> str:
        """Say what a token asks for that no post here has; "" if one may."""
        none = in_vain(token.inverted)
        if token.kind == "tag":
            name, _ = self.meant(token)
            if len(self._tags[name]):
                return ""
            kind = "a tag like" if "*" in name else "the tag"
            return f"{NO_TAG} {kind} {name!r}, so {token.text!r} {none}"
        if token.kind == "pool" and self._pool(token.value) is None:
            return f"no pool {token.value!r} holds a post here, so {token.text!r} {none}"
        if token.kind == "status" and token.value == "deleted":
            return f"deleted posts are never shown here, so {token.text!r} {none}"
        if token.kind == "type" and self._never(("type", token.value)):
            return f"no post here is of type {token.value!r}, so {token.text!r} {none}"
        return ""

    def conjunctions(self, tokens: Iterable[Token]) -> set[Conjunction]:
        """Take a line apart: it matches a post that fulfills any of the conjunctions."""
        required: set[tuple[Condition, bool]] = set()
        optional: list[tuple[Condition, bool]] = []
        has_optional, possible = False, True
        for token in tokens:
            has_optional |= token.optional
            condition, inverted = self._condition(token)
            if condition[0] == "unreadable" or (self._never(condition) and not inverted):
                possible &= token.optional
            elif token.optional:
                optional.append((condition, inverted))
            else:
                required.add((condition, inverted))
        if not possible or (has_optional and not optional):
            return set()
        ways = [{*required, one} for one in optional] or ([required] if required else [])
        made = set()
        for way in ways:
            kept = {(c, inverted) for c, inverted in way if not (inverted and self._never(c))}
            if not any((c, not inverted) in kept for c, inverted in kept):
                made.add(frozenset(kept))
        return made

    def _condition(self, token: Token) -> tuple[Condition, bool]:
        if token.kind == "tag":
            name, inverted = self.meant(token)
            return ("tag", name), inverted
        return (token.kind, token.value), token.inverted

    def _never(self, condition: Condition) -> bool:
        """Tell whether a condition passes for no post, as far as can be seen at once."""
        kind, value = condition
        if kind == "tag":
            return not len(self._tags[str(value)])
        if kind == "pool":
            return self._pool(value) is None
        if isinstance(value, tuple):
            return value[0] > value[1]
        if kind == "type":
            return not self._mask(condition).any()
        return kind in ("nothing", "unreadable") or condition == ("status", "deleted")

    # -- lines
    def hidden(self) -> np.ndarray:
        """Return which rows any line matches, bool (n,)."""
        ways: set[Conjunction] = set()
        for line in self._lines:
            ways |= self.conjunctions(line)
        hidden = np.zeros(self._n, bool)
        if frozenset() in ways:  # inverses of what no post has
            hidden[:] = True
            return hidden
        self._hide_single({next(iter(way)) for way in ways if len(way) == 1}, hidden)

        many = [way for way in ways if len(way) > 1]
        uses = Counter(condition for way in many for condition, _ in way)
        self._shared = {
            c for c, times in uses.most_common(_MASKS_KEPT) if times >= _SHARED_FROM
        }
        self._sort_columns(many)
        groups: dict[Condition | None, list[Conjunction]] = {}
        for way in many:
            groups.setdefault(self._base(way), []).append(way)
        # What is asked about all posts comes last, when fewer are left.
        for base, of_base in sorted(groups.items(), key=lambda item: self._size(item[0])):
            self._hide_group(base, of_base, hidden)
        return hidden

    def matched(self, tokens: Iterable[Token], rows: np.ndarray) -> np.ndarray:
        """Return which of some rows one line matches, bool (m,)."""
        matched = np.zeros(len(rows), bool)
        for way in self.conjunctions(tokens):
            passes = np.ones(len(rows), bool)
            for condition, inverted in way:
                passes &= self._passes(condition, rows) ^ inverted
            matched |= passes
        return matched

    def _hide_single(self, conditions: set[tuple[Condition, bool]], hidden: np.ndarray) -> None:
        """Hide the rows of lines of one condition, all at once."""
        tags = [self._tags[str(c[1])] for c, inverted in conditions if _is_tag(c, inverted)]
        if tags:
            wanted = np.zeros(max(int(found.max(initial=0)) for found in tags) + 1, bool)
            for found in tags:
                wanted[found] = True
            self._posts.mark_holders(np.flatnonzero(wanted), hidden)
        intervals: dict[str, list[tuple[int, int]]] = {}
        for condition, inverted in conditions:
            kind, value = condition
            if isinstance(value, tuple) and not inverted:
                intervals.setdefault(kind, []).append(value)
            elif not _is_tag(condition, inverted):
                hidden |= self._mask(condition) ^ inverted
        for kind, some in intervals.items():
            hidden |= _in_any(self._column(kind), some)

    def _sort_columns(self, ways: Iterable[Conjunction]) -> None:
        """Sort the columns that many intervals are asked of."""
        asked: Counter[str] = Counter()
        for condition in {c for way in ways for c, inverted in way if not inverted}:
            if isinstance(condition[1], tuple):  # an interval
                asked[condition[0]] += 1
        for kind, times in asked.items():
            if times >= _SORTED_FROM:
                values = self._column(kind)
                order = np.argsort(values, kind="stable")
                self._orders[kind] = order, values[order]

    def _base(self, way: Conjunction) -> Condition | None:
        """Choose the condition whose rows are tried: the one of fewest; None for all rows."""
        bases = [condition for condition, inverted in way if not inverted]
        return min(bases, key=lambda c: (self._size(c), str(c)), default=None)

    def _size(self, condition: Condition | None) -> int:
        """Estimate how many rows a condition has; those that need a scan count as most."""
        if condition is None:
            return 2 * self._n
        kind, value = condition
        if kind == "tag":
            return self._posts.uses_of(self._tags[str(value)])
        if kind == "pool":
            return len(_given(self._pool(value)))
        if kind in self._orders and isinstance(value, tuple):
            low, high = self._places(kind, value)
            return high - low
        return self._n

    def _places(self, kind: str, interval: tuple[int, int]) -> tuple[int, int]:
        values = self._orders[kind][1]
        ends = np.clip(interval, *_limits(values)).astype(values.dtype)
        low = int(np.searchsorted(values, ends[0]))
        return low, max(low, int(np.searchsorted(values, ends[1], side="right")))

    def _hide_group(
        self, base: Condition | None, ways: list[Conjunction], hidden: np.ndarray
    ) -> None:
        """Hide the rows of lines that have one condition in common."""
        rows = np.flatnonzero(~hidden) if base is None else self._rows(base)
        rows = rows[~hidden[rows]]
        for way in ways:
            if not len(rows):
                return
            hits = np.ones(len(rows), bool)
            for condition, inverted in way:
                if condition != base or inverted:
                    hits &= self._passes(condition, rows) ^ inverted
            if hits.any():
                hidden[rows[hits]] = True
                rows = rows[~hits]

    # -- conditions
    def _rows(self, condition: Condition) -> np.ndarray:
        """Return the rows that fulfill a condition; those of a tag or pool ascend."""
        kind, value = condition
        if kind == "tag":
            tags = self._tags[str(value)]
            if self._posts.uses_of(tags) > self._n // 16:
                return np.flatnonzero(self._mask(condition))
            rows = self._posts.rows_of(tags)
            return rows if len(tags) == 1 else np.unique(rows)
        if kind == "pool":
            return _given(self._pool(value))
        if kind in self._orders and isinstance(value, tuple):
            low, high = self._places(kind, value)
            return self._orders[kind][0][low:high]
        return np.flatnonzero(self._mask(condition))

    def _passes(self, condition: Condition, rows: np.ndarray) -> np.ndarray:
        """Return which of some rows fulfill a condition, bool."""
        kind, value = condition
        if isinstance(value, tuple):
            low, high = value
            values = self._column(kind)[rows]
            return (values >= low) & (values <= high)
        posting = kind in ("tag", "pool") and condition not in self._shared
        if condition in self._masks or not posting:
            return self._mask(condition)[rows]
        held = self._rows(condition)
        if len(held) > _LONG_POSTING * len(rows):
            return _among(rows, held)
        self._scratch[held] = True
        passes = self._scratch[rows]
        self._scratch[held] = False
        return passes

    def _mask(self, condition: Condition) -> np.ndarray:
        """Return which rows fulfill a condition, bool (n,)."""
        if condition not in self._masks:
            while len(self._masks) >= _MASKS_KEPT:
                del self._masks[next(iter(self._masks))]
            self._masks[condition] = self._make_mask(*condition)
        return self._masks[condition]

    def _make_mask(self, kind: str, value: object) -> np.ndarray:
        if kind in ("tag", "pool"):
            mask = np.zeros(self._n, bool)
            if kind == "tag":
                self._posts.mark_holders(self._tags[str(value)], mask)
            else:
                mask[_given(self._pool(value))] = True
            return mask
        if isinstance(value, tuple):
            return _in_any(self._column(kind), [value])
        if kind == "rating":
            return self._column("rating") == value
        if kind == "type":
            return self._column("file_ext") == value
        return self._status(str(value))

    def _status(self, status: str) -> np.ndarray:
        """Return which rows have a status; the index holds no deleted posts."""
        if status in ("any", "all"):
            return np.ones(self._n, bool)
        pending, flagged = self._column("is_pending"), self._column("is_flagged")
        masks = {"pending": pending, "flagged": flagged, "modqueue": pending | flagged}
        return masks[status] if status in masks else ~masks["modqueue"]

    def _pool(self, value: object) -> np.ndarray | None:
        pool = value if isinstance(value, int) else str(value)
        if pool not in self._pools:
            self._pools[pool] = self._posts.rows_in_pool(pool)
        return self._pools[pool]

    def _column(self, name: str) -> np.ndarray:
        if name not in self._columns:  # reading one takes longer than comparing it
            self._columns[name] = self._posts.column(name)
        return self._columns[name]


def _is_tag(condition: Condition, inverted: bool) -> bool:
    return condition[0] == "tag" and not inverted


def _given(rows: np.ndarray | None) -> np.ndarray:
    return np.zeros(0, np.int64) if rows is None else rows


def _limits(values: np.ndarray) -> tuple[int, int]:
    limits = np.iinfo(values.dtype)
    return int(limits.min), int(limits.max)


def _in_any(values: np.ndarray, intervals: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return which values lie in any of some intervals, bool.

    >>> _in_any(np.array([1, 5, 9]), [(0, 2), (1, 3), (9, 9)])
    array([ True, False,  True])
    """
    lows: list[int] = []
    highs: list[int] = []
    for low, high in sorted(intervals):
        if highs and low <= highs[-1]:
            highs[-1] = max(highs[-1], high)
        elif low <= high:
            lows.append(low)
            highs.append(high)
    if len(lows) == 1:
        return (values >= lows[0]) & (values <= highs[0])
    ends = np.clip([LEAST, *lows], LEAST, MOST), np.clip([LEAST, *highs], LEAST, MOST)
    which = np.searchsorted(ends[0][1:], values, side="right")
    return (which > 0) & (values <= ends[1][which])


def _among(rows: np.ndarray, posting: np.ndarray) -> np.ndarray:
    """Return which rows are in a posting, bool; the posting is ascending.

    >>> _among(np.array([1, 4, 9]), np.array([4, 5, 9]))
    array([False,  True,  True])
    """
    at = np.searchsorted(posting, rows)
    at[at == len(posting)] = 0
    return posting[at] == rows if len(posting) else np.zeros(len(rows), bool)
