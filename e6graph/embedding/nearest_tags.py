"""Which tags are near some tags: the query, its filters, and the answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from ..cli import table
from ..errors import BadArtifact, UnknownTag
from ..store import Store
from ..tags.categories import CATEGORIES
from ..tags.spelling import nearest_names
from ..tags.typed import find_name, folded, without_category
from ..tags.vocabulary import read_tags
from .dictionary import Dictionary, round_scores

MOST_COSINE_COLUMNS = 4  # with more query tags the table would be too wide


@dataclass(frozen=True)
class Near:
    """The answer to a query of q tags.

    Attributes
    ----------
    query : int64 (q,), rows of the query tags.
    rows : int64 (k,), rows of their neighbors, best first.
    cosines : float64 (k, q), rounded to six decimals.
    scores : float64 (k,), the mean of each row of `cosines`.
    """

    query: np.ndarray
    rows: np.ndarray
    cosines: np.ndarray
    scores: np.ndarray


class TagSpace:
    """Tag vectors, and the category, posts and aliases of each tag.

    Attributes
    ----------
    tags, categories : names, by row, the most used tag first.
    vecs : float32 (V, d), unit rows.
    posts : int64 (V,).
    """

    def __init__(self, store: Store, dictionary: Dictionary) -> None:
        self.tags, self.vecs = dictionary.tags, dictionary.vecs
        self.posts = dictionary.frqs
        self._ids, self._names, numbers = read_tags(store)
        ids = dictionary.tag_ids
        known = int(ids.max(initial=-1)) < len(self._names)
        if not known or [self._names[i] for i in ids] != self.tags:
            raise BadArtifact(
                f"{store.root}: tags and vectors are of two imports: run embed_tags.py again"
            )
        of_tag = np.frombuffer(numbers, np.uint8)[ids]
        names = np.array([*CATEGORIES, "general"], object)  # also for numbers not known
        self.categories = names[np.minimum(of_tag, len(CATEGORIES))]
        self._rows = {int(tag): row for row, tag in enumerate(ids)}

    def entry(self, row: int) -> dict[str, str | int]:
        """Return the tag, its category and its posts."""
        return {
            "tag": self.tags[row],
            "category": str(self.categories[row]),
            "posts": int(self.posts[row]),
        }

    def rows(self, names: Iterable[str]) -> np.ndarray:
        """Find the rows of tags by name or alias, each once, int64.

        Spaces may stand for underscores, and a category before a name is left out.

        Raises
        ------
        UnknownTag : naming all that are no tags, with the nearest names, and all
            that have no vector.
        """
        found: dict[int, None] = {}
        wrong = []
        for given in names:
            name = find_name(given, self._ids)
            tag = None if name is None else self._ids[name]
            if tag is None:
                spelled = without_category(folded(given.strip().replace(" ", "_")))
                near = ", ".join(nearest_names(spelled, list(self._ids)))
                told = f"nearest names: {near or 'nothing like it'}"
                wrong.append(f"no tag {given!r}; {told}")
            elif tag not in self._rows:
                why = "too rare, or never on a post with another"
                wrong.append(f"{self._names[tag]!r} has no vector: {why}")
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
        """Find neighbors of query tags by filters, in the order of the parameters.

        Parameters
        ----------
        min_frequency : leave out tags of fewer posts.
        categories : keep only tags of these; all if none is named.
        topk : each query tag keeps its `topk` neighbors of largest cosine.
        total : of all that any query tag keeps, the `total` of largest mean cosine
            with all query tags; None for all. Ties go to the tag that is used more.
        """
        fits = self.posts >= min_frequency
        if categories:
            fits &= np.isin(self.categories, list(categories))
        fits[query] = False
        rows = np.flatnonzero(fits)
        cosines = round_scores(self.vecs[rows] @ self.vecs[query].T)
        kept = np.unique(np.argsort(-cosines, axis=0, kind="stable")[:topk])
        scores = round_scores(cosines[kept].mean(1))
        best = np.argsort(-scores, kind="stable")[:total]
        return Near(query, rows[kept[best]], cosines[kept[best]], scores[best])


def as_records(space: TagSpace, near: Near, each: Iterable[Near] = ()) -> dict:
    """Turn an answer into JSON's types; `each` gives the `nearest` of single tags."""
    names = [space.tags[row] for row in near.query]
    neighbors = []
    found = zip(near.rows, near.scores.tolist(), near.cosines.tolist(), strict=True)
    for row, score, cosines in found:
        by_tag = dict(zip(names, cosines, strict=True))
        neighbors.append(space.entry(row) | {"score": score, "cosines": by_tag})
    nearest = {}
    for one in each:
        nearest[space.tags[one.query[0]]] = [
            space.entry(row) | {"cosine": cosine}
            for row, cosine in zip(one.rows, one.scores.tolist(), strict=True)
        ]
    query = [space.entry(row) for row in near.query]
    answer = {"query": query, "neighbors": neighbors}
    return answer | ({"nearest": nearest} if nearest else {})


def as_text(space: TagSpace, near: Near, each: Iterable[Near] = ()) -> str:
    """Lay an answer out as tables; two to four query tags get a column each."""
    answer = as_records(space, near, each)
    names = [tag["tag"] for tag in answer["query"]]
    names = names if 1 < len(names) <= MOST_COSINE_COLUMNS else []
    entry = ("tag", "category", "posts")

    asked = [[tag[key] for key in entry] for tag in answer["query"]]
    blocks = [table(asked, ("asked for", *entry[1:]))]
    rows = []
    for tag in answer["neighbors"]:
        cosines = [tag["cosines"][name] for name in names]
        rows.append([*(tag[key] for key in (*entry, "score")), *cosines])
    blocks.append(table(rows, (*entry, "score", *names)))
    for name, tags in answer.get("nearest", {}).items():
        rows = [[tag[key] for key in (*entry, "cosine")] for tag in tags]
        blocks.append(table(rows, (f"nearest to {name}", *entry[1:], "cosine")))
    return "\n\n".join(blocks)
