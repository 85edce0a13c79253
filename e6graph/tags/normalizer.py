"""Tags as E6DB's users know them: load, normalise, implied tags; the standard library alone.

A tag id is the tag's rank by use (0 = most used). A tag without an id stays a string throughout.

    from e6graph.tags import TagSetNormalizer  # was: from e6db.utils import ...
    ids, implied = TagSetNormalizer.load("index").encode(["vixen", "canine", "red_fur"])
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import BadInput, UnknownTag
from .categories import CATEGORIES, COLORS, LIGHT_COLORS
from .files import load_implications, load_tags
from .implications import Aliases, close_implications

# E6DB's names for the above; a list is by category number
tag_categories = list(CATEGORIES)
tag_category2id = {name: number for number, name in enumerate(CATEGORIES)}
tag_categories_colors = list(COLORS.values())
tag_category2color = dict(COLORS)
tag_categories_alt_colors = list(LIGHT_COLORS.values())
tag_category2alt_color = dict(LIGHT_COLORS)

ON_CONFLICT = ("raise", "warn", "overwrite", "overwrite_rarest", "silent")
MapFunction = Callable[[str, int | None], str | Iterable[str]]


class AliasConflict(BadInput, ValueError):
    """A string that already stands for another tag (a ValueError, as in E6DB)."""


def tag_rank_to_freq(rank: float) -> float:
    """Posts that hold the tag of this rank on the site, by E6DB's fit (field notes §7).

    freq = exp(26.4284 · tanh(2.93505 · rank^−0.136501) − 11.492). Rank 0 gives the curve's limit.

    >>> [round(tag_rank_to_freq(rank)) for rank in (0, 1, 1000, 100_000)]
    [3067581, 2643533, 23385, 18]
    """
    if rank < 0:
        raise BadInput(f"rank {rank}: expected 0 or more")
    return math.exp(26.4284 * (math.tanh(2.93505 * rank**-0.136501) if rank else 1) - 11.492)


def tag_freq_to_rank(freq: float) -> float:
    """The inverse of `tag_rank_to_freq`: 0 above the curve, infinity below it.

    >>> round(tag_freq_to_rank(tag_rank_to_freq(1234)), 6)
    1234.0
    """
    height = (math.log(freq) + 11.492) / 26.4284 if freq > 0 else 0
    if height <= 0:
        return math.inf
    return (math.atanh(height) / 2.93505) ** (-1 / 0.136501) if height < 1 else 0.0


class TagNormalizer:
    """Strings → ids → one string an id. Many strings may stand for one id.

    Parameters
    ----------
    tag2idx, idx2tag, tag_categories : as `load_tags` gives them; the first two are copied.

    >>> tags = TagNormalizer({"fox": 0, "vixen": 0, "owl": 1}, ["fox", "owl"], bytes([5, 5]))
    >>> tags.encode("vixen"), tags.decode(0), tags.get("owl"), tags.get(1), tags.get_category("owl")
    (0, 'fox', 1, 'owl', 'species')
    """

    def __init__(
        self, tag2idx: dict[str, int], idx2tag: list[str], tag_categories: bytes
    ) -> None:
        self.tag2idx, self.idx2tag = dict(tag2idx), list(idx2tag)
        self.tag_categories = tag_categories

    def encode(self, tag: str, default: Any = None) -> Any:
        """The id of a string, or `default`."""
        return self.tag2idx.get(tag, default)

    def decode(self, tag: int | str) -> str:
        """The string of an id; a string is returned as it is. An id out of range: UnknownTag."""
        return tag if isinstance(tag, str) else self.idx2tag[self._id(tag)]

    def get(self, key: int | str, default: Any = None) -> Any:
        """The id of a string, or the string of an id; `default` where there is none."""
        if isinstance(key, str):
            return self.tag2idx.get(key, default)
        return self.idx2tag[key] if 0 <= key < len(self.idx2tag) else default

    def get_category(self, tag: int | str, as_string: bool = True) -> str | int:
        """The category of a tag, as its name or its number. Raises UnknownTag."""
        number = self.tag_categories[self._id(tag)]
        return CATEGORIES[number] if as_string and number < len(CATEGORIES) else number

    def add_input_mappings(
        self, tags: str | Iterable[str], dest: int | str, on_conflict: str = "raise"
    ) -> None:
        """Let `encode` read `tags` (one or several strings) as `dest`.

        Parameters
        ----------
        on_conflict : what to do with a string that stands for another id: "raise" AliasConflict;
            "overwrite" it; "overwrite_rarest", the more used of the two ids keeps it; leave it and
            "warn"; leave it and be "silent".
        """
        if on_conflict not in ON_CONFLICT:
            raise BadInput(f"on_conflict is {on_conflict!r}, expected {', '.join(ON_CONFLICT)}")
        dest = self._id(dest)
        for tag in [tags] if isinstance(tags, str) else tags:
            there = self.tag2idx.setdefault(tag, dest)
            if on_conflict == "overwrite" or (
                on_conflict == "overwrite_rarest" and dest < there
            ):
                self.tag2idx[tag] = dest
            elif there != dest and on_conflict in ("raise", "warn"):
                said = f"{tag!r} stands for {self.idx2tag[there]!r}, not {self.idx2tag[dest]!r}"
                if on_conflict == "raise":
                    raise AliasConflict(
                        f"{said}: remove it first or choose another on_conflict"
                    )
                warnings.warn(f"{said}: left as it is", stacklevel=2)

    def remove_input_mappings(self, tags: str | Iterable[str]) -> None:
        """Let `encode` know these strings no longer; those it never knew are passed over."""
        for tag in [tags] if isinstance(tags, str) else tags:
            self.tag2idx.pop(tag, None)

    def rename_output(self, orig: int | str, dest: str) -> None:
        """Let `decode` write `dest` for a tag; what `encode` reads is not changed."""
        self.idx2tag[self._id(orig)] = dest

    def map_inputs(self, mapfunc: MapFunction, on_conflict: str = "raise") -> TagNormalizer:
        """A normaliser that reads, instead of each string, all that `mapfunc(string, id)` gives."""
        made = TagNormalizer({}, self.idx2tag, self.tag_categories)
        for tag, idx in self.tag2idx.items():
            made.add_input_mappings(mapfunc(tag, idx), idx, on_conflict)
        return made

    def map_outputs(self, mapfunc: Callable[[str, int], str]) -> TagNormalizer:
        """A normaliser that writes `mapfunc(name, id)` for each name."""
        names = [mapfunc(name, idx) for idx, name in enumerate(self.idx2tag)]
        return TagNormalizer(self.tag2idx, names, self.tag_categories)

    def get_reverse_mapping(self) -> list[list[str]]:
        """By id, the strings that stand for it."""
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
            near = ", ".join(difflib.get_close_matches(tag, self.tag2idx, 3)) or "none"
            raise UnknownTag(f"no tag {tag!r}; nearest names: {near}")
        return self.tag2idx[tag]


class TagSetNormalizer:
    """Sets of tags: read, without those that others of the set imply, and written.

    Parameters
    ----------
    implications, implications_rej : as `load_implications` gives them. They are closed
        transitively if they are not; tags that imply each other are warned of, and the most used
        of them counts as the one that implies the rest.

    >>> names = TagNormalizer({"mammal": 0, "canine": 1, "fox": 2}, ["mammal", "canine", "fox"],
    ...                       bytes(3))
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
        every = {**implications, **implications_rej}
        names = tag_normalizer.idx2tag
        for tag, implied in every.items():
            if any(not 0 <= idx < len(names) for idx in implied):
                raise BadInput(f"{tag!r} implies {implied}: expected ids below {len(names)}")
        pairs = ((tag, idx) for tag, implied in every.items() for idx in implied)
        closure = close_implications(pairs, Aliases({})).closure
        both = {a: [b for b in closure[a] if a in closure.get(b, ())] for a in closure}
        both = {a: mutual for a, mutual in both.items() if mutual}
        if both:
            cycle = ", ".join(repr(names[idx]) for idx in sorted(both)[:5])
            warnings.warn(f"{len(both)} tags imply each other: {cycle}", stacklevel=2)
        closed = {  # lists that are whole already are kept, order and all
            tag: implied
            if set(implied) == closure.get(tag, set())
            else sorted(closure.get(tag, ()))
            for tag, implied in every.items()
        }
        self.implications = {tag: closed[tag] for tag in implications}
        self.implications_rej = {tag: closed[tag] for tag in implications_rej}
        self._strips = {a: [b for b in closed[a] if b not in both[a] or b > a] for a in both}

    @classmethod
    def load(cls, data_dir: str | Path) -> TagSetNormalizer:
        """From the files of an index, E6DB's or ours; raises as `load_tags` does."""
        return cls(TagNormalizer(*load_tags(data_dir)), *load_implications(data_dir))

    def map_inputs(self, mapfunc: MapFunction, on_conflict: str = "raise") -> TagSetNormalizer:
        """As `TagNormalizer.map_inputs`; `mapfunc` gets the names without an id with None."""
        rejected: dict[str, list[int]] = {}
        for tag, implied in self.implications_rej.items():
            mapped = mapfunc(tag, None)
            for name in [mapped] if isinstance(mapped, str) else mapped:
                rejected.setdefault(name, implied)
        names = self.tag_normalizer.map_inputs(mapfunc, on_conflict)
        return TagSetNormalizer(names, self.implications, rejected)

    def map_outputs(self, mapfunc: Callable[[str, int], str]) -> TagSetNormalizer:
        """As `TagNormalizer.map_outputs`; strings without an id are written as they are."""
        names = self.tag_normalizer.map_outputs(mapfunc)
        return TagSetNormalizer(names, self.implications, self.implications_rej)

    def get_implied(self, tag: int | str) -> list[int]:
        """The ids that a tag (its id, its name, or a name without an id) implies."""
        tag = self.tag_normalizer.encode(tag, tag) if isinstance(tag, str) else tag
        return (self.implications_rej if isinstance(tag, str) else self.implications).get(
            tag, []
        )

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
        tags : strings; ids pass.
        keep_implied : True leaves all of them in, a set of ids those.
        max_antecedent_rank : tags of this rank or rarer leave what they imply in the set. Names
            without an id are rarer than any.
        drop_antecedent_rank : tags of this rank or rarer that imply others give way to these.

        Returns
        -------
        ids : ids, and strings that have none, each once, in the order given.
        implied_ids : every id implied by a tag that took part, whether it was in `tags` or not.
        """
        found = (self.tag_normalizer.encode(tag, tag) for tag in tags)
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
        """The string of each id; strings pass."""
        return [self.tag_normalizer.decode(tag) for tag in tags]

    def _expand(self, tags: Iterable[int | str], rank: float | None) -> Iterator[int | str]:
        """The tags, with what they imply in place of antecedents of `rank` or rarer."""
        for tag in tags:
            implied = self.get_implied(tag) if rank is not None and _rank(tag) >= rank else ()
            kept = [idx for idx in implied if idx < rank or not self.get_implied(idx)]
            yield from kept or [tag]  # the rarest of tags stays where nothing takes its place


def _rank(tag: int | str) -> float:
    return math.inf if isinstance(tag, str) else tag
