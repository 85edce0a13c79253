"""Which tags are near to some tags: the question, its filters in their order, and the answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from ..cli import table
from ..errors import BadArtifact, UnknownTag
from ..store import Store
from ..tags.categories import CATEGORIES
from ..tags.spelling import nearest_names
from ..tags.vocabulary import read_tags
from .dictionary import Dictionary

COLUMNS = 4  # a table has a column of cosines for each query tag, if they are no more
_ENTRY = ("tag", "category", "posts")


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
        self._ids, self._names, numbers = read_tags(store)
        last = int(dictionary.tag_ids.max(initial=-1))
        if (
            last >= len(self._names)
            or [self._names[i] for i in dictionary.tag_ids] != self.tags
        ):
            wrong = "tags and vectors are of two imports: run embed_tags.py again"
            raise BadArtifact(f"{store.root}: {wrong}")
        numbers = np.frombuffer(numbers, np.uint8)[dictionary.tag_ids]
        known = np.array([*CATEGORIES, "general"], object)
        self.categories = known[np.minimum(numbers, len(CATEGORIES))]
        self._rows = {int(tag): row for row, tag in enumerate(dictionary.tag_ids)}

    def entry(self, row: int) -> dict[str, str | int]:
        """The tag, its category and its posts."""
        values = self.tags[row], str(self.categories[row]), int(self.posts[row])
        return dict(zip(_ENTRY, values, strict=True))

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
                wrong.append(
                    f"{self._names[tag]!r} has no vector: too rare, or never beside another"
                )
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


def as_records(space: TagSpace, near: Near, each: Iterable[Near] = ()) -> dict:
    """An answer as what JSON holds: `query`, `neighbors`, and per tag of `each` its `nearest`."""
    names = [space.tags[row] for row in near.query]
    answer = {
        "query": [space.entry(row) for row in near.query],
        "neighbors": [
            space.entry(row)
            | {"score": score, "cosines": dict(zip(names, cosines, strict=True))}
            for row, score, cosines in zip(
                near.rows, _round(near.scores), _round(near.cosines), strict=True
            )
        ],
    }
    nearest = {
        space.tags[one.query[0]]: [
            space.entry(row) | {"cosine": cosine}
            for row, cosine in zip(one.rows, _round(one.scores), strict=True)
        ]
        for one in each
    }
    return answer | ({"nearest": nearest} if nearest else {})


def as_text(space: TagSpace, near: Near, each: Iterable[Near] = ()) -> str:
    """An answer as tables; with two to four query tags, with a column of cosines for each."""
    answer = as_records(space, near, each)
    names = [tag["tag"] for tag in answer["query"]]
    names = names if 1 < len(names) <= COLUMNS else []
    blocks = [
        table([list(tag.values()) for tag in answer["query"]], ("asked for", *_ENTRY[1:]))
    ]
    rows = [
        [tag[key] for key in (*_ENTRY, "score")] + [tag["cosines"][name] for name in names]
        for tag in answer["neighbors"]
    ]
    blocks.append(table(rows, (*_ENTRY, "score", *names)))
    for name, tags in answer.get("nearest", {}).items():
        rows = [[tag[key] for key in (*_ENTRY, "cosine")] for tag in tags]
        blocks.append(table(rows, (f"nearest to {name}", *_ENTRY[1:], "cosine")))
    return "\n\n".join(blocks)


def _round(cosines: np.ndarray) -> list:
    return cosines.astype(np.float64).round(6).tolist()  # what float32 holds
