"""Posts with previews as examples to learn from: which ones, their features and their tags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from ..embedding.dictionary import Dictionary
from ..embedding.interactions import iter_posts_by_tags
from ..errors import BadInput
from ..hydrate.previews import preview_path
from ..store import Store, parquet
from ..tags.categories import RATING_TAGS
from ..tags.never import never_shown
from ..tags.vocabulary import read_tags
from .features import features, read_rasters

UNSEEN = (6, 7, 8)  # categories no picture shows: invalid, meta, lore
BROKEN = 0.1  # share of broken pictures that stops a run


@dataclass(frozen=True)
class Examples:
    """Pictures and what is known of them.

    Attributes
    ----------
    rows : float32 (n, `WIDTH`), features.
    labels : CSR (n, V) of ones, the tags of each post by column of the dictionary.
    families : int (n,); posts of one family (parents and children) are near-duplicates.
    vecs : float32 (V, d), tag vectors. names : str (V,). nameable : bool (V,), which tags a
        picture can show.
    """

    rows: np.ndarray
    labels: sp.csr_matrix
    families: np.ndarray
    vecs: np.ndarray
    names: np.ndarray
    nameable: np.ndarray

    def take(self, which: np.ndarray) -> Examples:
        """Some of the pictures, by a mask or by positions."""
        mine = (self.rows[which], self.labels[which], self.families[which])
        return Examples(*mine, self.vecs, self.names, self.nameable)

    def means(self) -> np.ndarray:
        """Mean tag vector of each post, (n, d); zeros for a post without tags."""
        return self.labels @ self.vecs / np.maximum(np.diff(self.labels.indptr), 1)[:, None]


@dataclass(frozen=True)
class Candidates:
    """Posts that may be learned from: `rows` of posts.parquet, `md5s`, `families`; all (n,)."""

    rows: np.ndarray
    md5s: np.ndarray
    families: np.ndarray

    @classmethod
    def of(cls, store: Store, ratings: str = "s", seed: int = 0) -> Candidates:
        """All posts of these ratings that may be shown at all, in a random order.

        Raises
        ------
        BadInput : the ratings. MissingArtifact, BadArtifact.
        """
        if not ratings or set(ratings) - set("sqe"):
            raise BadInput(f"ratings {ratings!r}: expected some of the letters s, q, e")
        posts = parquet.read_table(store, "posts.parquet", "id", "md5", "rating", "parent_id")
        allowed = np.isin(posts["rating"].to_numpy(), list(ratings)) & ~never_shown(store)
        family = families(
            posts["id"].to_numpy(),
            pc.fill_null(posts["parent_id"], -1).to_numpy().astype(np.int64),
        )
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(allowed))
        return cls(rows, posts["md5"].take(rows).to_numpy(zero_copy_only=False), family[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: np.ndarray | slice) -> Candidates:
        """Some of them, by a mask, positions or a slice."""
        return Candidates(self.rows[which], self.md5s[which], self.families[which])

    def with_previews(self, root: str | Path, most: int | None = None) -> Candidates:
        """The first `most` of them (None: all) whose preview is in the cache at `root`."""
        found: list[int] = []
        for k, md5 in enumerate(self.md5s):
            if len(found) == most:
                break
            if preview_path(root, md5).is_file():
                found.append(k)
        return self.take(np.array(found, np.int64))


def families(ids: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """A number for each connected group of parents and children, int32 (n,).

    Parameters
    ----------
    ids : int64 (n,). parents : int64 (n,), the parent's id, negative for none; it need not be
        among the ids.

    >>> families(np.array([1, 2, 3, 4, 5]), np.array([-1, 1, 2, 9, 9])).tolist()
    [0, 0, 0, 1, 1]
    """
    has = parents >= 0
    everyone, at = np.unique(np.concatenate([ids, parents[has]]), return_inverse=True)
    child, parent = at[: len(ids)][has], at[len(ids) :]
    links = sp.coo_matrix((np.ones(len(child), bool), (child, parent)), (len(everyone),) * 2)
    return connected_components(links, directed=False)[1][at[: len(ids)]]


def hold_out(families: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A random share of the families: bool (n,), true for every member of those.

    >>> held = hold_out(np.array([7, 7, 1, 2, 3]), 0.5, np.random.default_rng(0))
    >>> int(held.sum()), bool(held[0] == held[1])
    (2, True)
    """
    distinct, at = np.unique(families, return_inverse=True)
    return np.isin(at, rng.permutation(len(distinct))[: int(len(distinct) * share)])


def read_examples(
    store: Store, candidates: Candidates, root: str | Path, progress: bool = True
) -> tuple[Examples, list[str]]:
    """Decode the previews of some posts and look up their tags.

    Returns
    -------
    examples : of the whole pictures, in ascending post id.
    broken : what is wrong with each of the others.

    Raises
    ------
    BadInput : too many are broken. MissingArtifact, BadArtifact.
    """
    candidates = candidates.take(np.argsort(candidates.rows))
    paths = [preview_path(root, md5) for md5 in candidates.md5s]
    rasters, broken = read_rasters(paths, progress=progress)
    if len(broken) > max(10, BROKEN * len(paths)):
        raise BadInput(
            f"{len(broken):,} of {len(paths):,} previews in {root} are broken (the first: "
            f"{broken[0][1]}), expected at most {BROKEN:.0%}: delete them, to have them fetched"
        )
    whole = np.ones(len(paths), bool)
    whole[[k for k, _ in broken]] = False
    candidates = candidates.take(whole)
    words = Dictionary.open(store)
    blocks, at = [], 0
    for ids, tags in iter_posts_by_tags(store, words.vocabulary):
        here = candidates.rows[(candidates.rows >= at) & (candidates.rows < at + len(ids))]
        blocks.append(tags[here - at])
        at += len(ids)
    labels = sp.vstack(blocks, "csr")
    categories = np.frombuffer(read_tags(store)[2], np.uint8)
    names = np.array(words.tags)
    nameable = ~np.isin(categories[words.tag_ids], UNSEEN) & ~np.isin(names, RATING_TAGS)
    made = Examples(features(rasters), labels, candidates.families, words.vecs, names, nameable)
    return made, [problem for _, problem in broken]
