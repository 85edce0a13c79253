"""E6DB's interface to tags: names and ids, sets of tags and what they imply.

A tag id is the tag's rank by use (0 = most used). A tag without an id stays a
string throughout. This module needs the standard library alone.

    from e6graph.tags import TagSetNormalizer  # was: from e6db.utils import ...
    ids, implied = TagSetNormalizer.load("index").encode(["vixen", "canine", "red_fur"])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import BadInput, UnknownTag, warn
from .categories import CATEGORIES, COLORS, LIGHT_COLORS
from .files import load_implications, load_tags
from .implications import close_transitively
from .spelling import nearest_names

# E6DB's names for the tables of `categories`; the lists are by category number.
tag_categories = list(CATEGORIES)
tag_category2id = {name: number for number, name in enumerate(CATEGORIES)}
tag_categories_colors = list(COLORS.values())
tag_category2color = dict(COLORS)
tag_categories_alt_colors = list(LIGHT_COLORS.values())
tag_category2alt_color = dict(LIGHT_COLORS)

ON_CONFLICT = ("raise", "warn", "overwrite", "overwrite_rarest", "silent")
MapFunction = Callable[[str, int | None], str | Iterable[str]]


class AliasConflict(BadInput, ValueError):
    """A string that already stands for another tag; a ValueError, as in E6DB."""


def tag_rank_to_freq(rank: float) -> float:
    """Estimate how many posts of the site hold the tag of this rank, by E6DB's fit.

    freq = exp(26.4284 · tanh(2.93505 · rank^−0.136501) − 11.492). Rank 0 gives
    the curve's limit.

    >>> [round(tag_rank_to_freq(rank)) for rank in (0, 1, 1000, 100_000)]
    [3067581, 2643533, 23385, 18]
    """
    if rank < 0:
        raise BadInput(f"rank {rank}: expected 0 or more")
    height = math.tanh(2.93505 * rank**-0.136501) if rank else 1
    return math.exp(26.4284 * height - 11.492)


def tag_freq_to_rank(freq: float) -> float:
    """Invert `tag_rank_to_freq`; give 0 above the curve and infinity below it.

    >>> round(tag_freq_to_rank(tag_rank_to_freq(1234)), 6)
    1234.0
    """
    height = (math.log(freq) + 11.492) / 26.4284 if freq > 0 else 0
    if height <= 0:
        return math.inf
    if height >= 1:
        return 0.0
    return (math.atanh(height) / 2.93505) ** (-1 / 0.136501)


class TagNormalizer:
    """A map from strings to tag ids, and from each id to the string that it is written as.

    Parameters
    ----------
    tag2idx, idx2tag, tag_categories : as `load_tags` gives them; the first two
        are copied.

    >>> tags = TagNormalizer({"fox": 0, "vixen": 0, "owl": 1}, ["fox", "owl"], bytes([5, 5]))
    >>> tags.encode("vixen"), tags.decode(0), tags.get("owl"), tags.get(1)
    (0, 'fox', 1, 'owl')
    >>> tags.get_category("owl")
    'species'
    """

    def __init__(
        self, tag2idx: dict[str, int], idx2tag: list[str], tag_categories: bytes
    ) -> None:
        self.tag2idx = dict(tag2idx)
        self.idx2tag = list(idx2tag)
        self.tag_categories = tag_categories

    def encode(self, tag: str, default: Any = None) -> Any:
        """Return the id of a string, or `default`."""
        return self.tag2idx.get(tag, default)

    def decode(self, tag: int | str) -> str:
        """Return the string of an id; strings pass. Raises UnknownTag."""
        return tag if isinstance(tag, str) else self.idx2tag[self._id(tag)]

    def get(self, key: int | str, default: Any = None) -> Any:
        """Return the id of a string, or the string of an id, or `default`."""
        if isinstance(key, str):
            return self.tag2idx.get(key, default)
        return self.idx2tag[key] if 0 <= key < len(self.idx2tag) else default

    def get_category(self, tag: int | str, as_string: bool = True) -> str | int:
        """Return a tag's category as its name or its number. Raises UnknownTag."""
        number = self.tag_categories[self._id(tag)]
        named = as_string and number < len(CATEGORIES)
        return CATEGORIES[number] if named else number

    def add_input_mappings(
        self, tags: str | Iterable[str], dest: int | str, on_conflict: str = "raise"
    ) -> None:
        """Let `encode` read `tags` (one or several strings) as `dest`.

        Parameters
        ----------
        on_conflict : what happens to a string that already stands for another
            id. "raise": AliasConflict is raised. "overwrite": the string
            changes its meaning. "overwrite_rarest": the more used of the two
            tags gets the string. "warn" and "silent": the string stays, with or
            without a warning.
        """
        if on_conflict not in ON_CONFLICT:
            expected = ", ".join(ON_CONFLICT)
            raise BadInput(f"on_conflict is {on_conflict!r}, expected {expected}")
        dest = self._id(dest)
        for tag in [tags] if isinstance(tags, str) else tags:
            there = self.tag2idx.setdefault(tag, dest)
            rarer = on_conflict == "overwrite_rarest" and dest < there
            if rarer or on_conflict == "overwrite":
                self.tag2idx[tag] = dest
            elif there != dest and on_conflict in ("raise", "warn"):
                old, new = self.idx2tag[there], self.idx2tag[dest]
                conflict = f"{tag!r} stands for {old!r}, not {new!r}"
                if on_conflict == "raise":
                    raise AliasConflict(
                        f"{conflict}: remove it first or choose another on_conflict"
                    )
                warn(f"{conflict}: left as it is")

    def remove_input_mappings(self, tags: str | Iterable[str]) -> None:
        """Let `encode` forget these strings; unknown ones do not matter."""
        for tag in [tags] if isinstance(tags, str) else tags:
            self.tag2idx.pop(tag, None)

    def rename_output(self, orig: int | str, dest: str) -> None:
        """Let `decode` write `dest` for a tag; what `encode` reads stays."""
        self.idx2tag[self._id(orig)] = dest

    def map_inputs(self, mapfunc: MapFunction, on_conflict: str = "raise") -> TagNormalizer:
        """Make a normalizer that reads all of `mapfunc(string, id)` for each string."""
        made = TagNormalizer({}, self.idx2tag, self.tag_categories)
        for tag, idx in self.tag2idx.items():
            made.add_input_mappings(mapfunc(tag, idx), idx, on_conflict)
        return made

    def map_outputs(self, mapfunc: Callable[[str, int], str]) -> TagNormalizer:
        """Make a normalizer that writes `mapfunc(name, id)` for each name."""
        names = [mapfunc(name, idx) for idx, name in enumerate(self.idx2tag)]
        return TagNormalizer(self.tag2idx, names, self.tag_categories)

    def get_reverse_mapping(self) -> list[list[str]]:
        """Return the strings that stand for each id, in a list by id."""
        strings: list[list[str]] = [[] for _ in self.idx2tag]
        for tag, idx in self.tag2idx.items():
            strings[idx].append(tag)
        return strings

    def _id(self, tag: int | str) -> int:
        if not isinstance(tag, str):
            if 0 <= tag < len(self.idx2tag):
                return tag
            raise UnknownTag(f"tag id {tag}: expected 0 to {len(self.idx2tag) - 1}")
        if tag not in self.tag2idx:
            near = ", ".join(nearest_names(tag, list(self.tag2idx))) or "none"
            raise UnknownTag(f"no tag {tag!r}; nearest names: {near}")
        return self.tag2idx[tag]


class TagSetNormalizer:
    """Reads and writes sets of tags, and knows which tags of a set the others imply.

    Parameters
    ----------
    implications, implications_rej : as `load_implications` gives them. They are
        closed transitively. If tags imply each other, a warning says so, and
        the most used of them counts as the one that implies the rest.

    >>> ids = {"mammal": 0, "canine": 1, "fox": 2}
    >>> names = TagNormalizer(ids, list(ids), bytes(3))
    >>> tags = TagSetNormalizer(names, {2: [0, 1], 1: [0]}, {"fennec": [0, 1, 2]})
    >>> ids, implied = tags.encode(["mammal", "fox", "moon", "canine"])
    >>> ids, sorted(implied), tags.decode(ids)
    ([2, 'moon'], [0, 1], ['fox', 'moon'])
    """

    def __init__(
        self,
        tag_normalizer: TagNormalizer,
        implications: dict[int, list[int]],
        implications_rej: dict[str, list[int]],
    ) -> None:
        self.tag_normalizer = tag_normalizer
        names = tag_normalizer.idx2tag
        every: dict[Any, list[int]] = {**implications, **implications_rej}
        for tag, implied in every.items():
            if any(not 0 <= idx < len(names) for idx in implied):
                raise BadInput(f"{tag!r} implies {implied}: expected ids below {len(names)}")

        pairs = ((tag, idx) for tag, implied in every.items() for idx in implied)
        closure, _ = close_transitively(pairs)
        mutual: dict[Any, list[Any]] = {}
        for tag, implied_tags in closure.items():
            others = [other for other in implied_tags if tag in closure.get(other, ())]
            if others:
                mutual[tag] = others
        if mutual:
            cycle = ", ".join(repr(names[idx]) for idx in sorted(mutual)[:5])
            warn(f"{len(mutual)} tags imply each other: {cycle}")

        # Lists that are closed already are kept as they are, in their order.
        closed = {
            tag: implied
            if set(implied) == closure.get(tag, set())
            else sorted(closure.get(tag, ()))
            for tag, implied in every.items()
        }
        self.implications = {tag: closed[tag] for tag in implications}
        self.implications_rej = {tag: closed[tag] for tag in implications_rej}
        # What a tag on a cycle removes from a set: of the cycle, only the less used tags.
        self._strips = {
            a: [b for b in closed[a] if b not in others or b > a]
            for a, others in mutual.items()
        }

    @classmethod
    def load(cls, data_dir: str | Path) -> TagSetNormalizer:
        """Load the files of an index, E6DB's or ours. Raises as `load_tags` does."""
        return cls(TagNormalizer(*load_tags(data_dir)), *load_implications(data_dir))

    def map_inputs(self, mapfunc: MapFunction, on_conflict: str = "raise") -> TagSetNormalizer:
        """Do as `TagNormalizer.map_inputs`; `mapfunc` gets names without id, and None."""
        rejected: dict[str, list[int]] = {}
        for tag, implied in self.implications_rej.items():
            mapped = mapfunc(tag, None)
            for name in [mapped] if isinstance(mapped, str) else mapped:
                rejected.setdefault(name, implied)
        names = self.tag_normalizer.map_inputs(mapfunc, on_conflict)
        return TagSetNormalizer(names, self.implications, rejected)

    def map_outputs(self, mapfunc: Callable[[str, int], str]) -> TagSetNormalizer:
        """Do as `TagNormalizer.map_outputs`; strings without id stay as they are."""
        names = self.tag_normalizer.map_outputs(mapfunc)
        return TagSetNormalizer(names, self.implications, self.implications_rej)

    def get_implied(self, tag: int | str) -> list[int]:
        """Return the ids that a tag implies, which may be a name without id."""
        if isinstance(tag, str):
            tag = self.tag_normalizer.encode(tag, tag)
        if isinstance(tag, str):
            return self.implications_rej.get(tag, [])
        return self.implications.get(tag, [])

    def encode(
        self,
        tags: Iterable[int | str],
        keep_implied: bool | Collection[int | str] = False,
        max_antecedent_rank: float | None = None,
        drop_antecedent_rank: float | None = None,
    ) -> tuple[list[int | str], set[int]]:
        """Read a set of tags, and leave out those that others of the set imply.

        Parameters
        ----------
        tags : strings or ids.
        keep_implied : True keeps implied tags in the set; a set of ids keeps
            only those.
        max_antecedent_rank : tags of this rank or rarer do not remove what they
            imply. Names without an id are rarer than any tag.
        drop_antecedent_rank : tags of this rank or rarer are replaced by what
            they imply.

        Returns
        -------
        ids : ids, or strings that have no id, each once, in the order given.
        implied_ids : all ids implied by a tag of the set, whether they were in
            `tags` or not.
        """
        read = self.tag_normalizer.encode
        found = (read(tag, tag) if isinstance(tag, str) else tag for tag in tags)
        ids = list(dict.fromkeys(self._expand(found, drop_antecedent_rank)))
        implied: set[int] = set()
        strip: set[int] = set()
        for tag in ids:
            if max_antecedent_rank is None or _rank(tag) < max_antecedent_rank:
                implied.update(self.get_implied(tag))
                strip.update(self._strips.get(tag, self.get_implied(tag)))
        keep = ids if keep_implied is True else keep_implied or ()
        strip.difference_update(keep)
        return [tag for tag in ids if tag not in strip], implied

    def decode(self, tags: Iterable[int | str]) -> list[str]:
        """Return the string of each id; strings pass."""
        return [self.tag_normalizer.decode(tag) for tag in tags]

    def _expand(self, tags: Iterable[int | str], rank: float | None) -> Iterator[int | str]:
        """Yield the tags; instead of those of `rank` or rarer, what they imply."""
        for tag in tags:
            kept: list[int | str] = []
            if rank is not None and _rank(tag) >= rank:
                implied = self.get_implied(tag)
                kept = [i for i in implied if i < rank or not self.get_implied(i)]
            yield from kept or [tag]  # a tag that implies nothing stays


def _rank(tag: int | str) -> float:
    return math.inf if isinstance(tag, str) else tag
