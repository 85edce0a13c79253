"""Which tags are near to some tags: the question, its filters in their order, and the answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from .embedding import Dictionary, nearest_names
from .errors import BadInput, UnknownTag
from .store import Store
from .tagfiles import load_tags
from .tags import CATEGORIES


@dataclass(frozen=True)
class Near:
    """The answer to a query of q tags.

    Attributes
    ----------
    query : int64 (q,), rows of the query tags. rows : int64 (k,), rows of their neighbors, best
        first. cosines : float32 (k, q). scores : float32 (k,), the mean of each row of these.
    """

    query: np.ndarray
    rows: np.ndarray
    cosines: np.ndarray
    scores: np.ndarray


class TagSpace:
    """Tag vectors, and what belongs to a tag: category, posts, aliases.

    Attributes
    ----------
    tags : names. vecs : float32 (V, d), unit rows. posts : int64 (V,). categories : names.
        By row, most used first.
    """

    def __init__(self, store: Store, dictionary: Dictionary) -> None:
        self.tags, self.vecs = dictionary.tags, dictionary.vecs
        self.posts = dictionary.frqs
        self._ids, self._names, numbers = load_tags(store.root)
        last = int(dictionary.tag_ids.max(initial=-1))
        if last >= len(self._names) or [self._names[i] for i in dictionary.tag_ids] != self.tags:
            raise BadInput(f"{store.root}: tags and vectors are of two imports: embed the tags again")
        numbers = np.frombuffer(numbers, np.uint8)[dictionary.tag_ids]
        known = np.array([*CATEGORIES, "general"], object)
        self.categories = known[np.minimum(numbers, len(CATEGORIES))]
        self._rows = {int(tag): row for row, tag in enumerate(dictionary.tag_ids)}

    def rows(self, names: Iterable[str]) -> np.ndarray:
        """The rows of tags by name or alias, each once, int64; spaces may stand for underscores.

        Raises
        ------
        UnknownTag : naming those that are no tags, with the nearest names, and those without a
            vector.
        """
        found: dict[int, None] = {}
        wrong = []
        for given in names:
            name = given.strip().replace(" ", "_")
            tag = self._ids.get(name, self._ids.get(name.lower()))
            if tag is None:
                near = ", ".join(nearest_names(name, list(self._ids))) or "nothing like it"
                wrong.append(f"no tag {given!r}; nearest names: {near}")
            elif tag not in self._rows:
                wrong.append(f"{self._names[tag]!r} has no vector: too rare, or never beside another")
            else:
                found[self._rows[tag]] = None
        if wrong:
            raise UnknownTag("; ".join(wrong))
        return np.fromiter(found, np.int64, len(found))

    def near(
        self,
        query: np.ndarray,
        min_frequency: int = 1,
        categories: Collection[str] = (),
        topk: int = 20,
        total: int | None = None,
    ) -> Near:
        """Neighbors of query tags, filtered in this order; the query's own tags are never any.

        Parameters
        ----------
        min_frequency : first, tags of fewer posts go.
        categories : then those of other categories; all stay if none is named.
        topk : then each query tag keeps its `topk` of largest cosine.
        total : then of all that are kept by any, the `total` of largest mean cosine with all query
            tags; None for all. Ties go to the tag used more.
        """
        fits = self.posts >= min_frequency
        if categories:
            fits &= np.isin(self.categories, list(categories))
        fits[query] = False
        rows = np.flatnonzero(fits)
        cosines = self.vecs[rows] @ self.vecs[query].T
        kept = np.unique(np.argsort(-cosines, axis=0, kind="stable")[:topk])
        scores = cosines[kept].mean(1)
        best = np.argsort(-scores, kind="stable")[:total]
        return Near(query, rows[kept[best]], cosines[kept[best]], scores[best])
