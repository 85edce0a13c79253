"""Posts with previews as examples to learn from: which, their features, their tags."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import scipy.sparse as sp
from PIL import Image
from scipy.sparse.csgraph import connected_components

from ..embedding.dictionary import Dictionary
from ..embedding.interactions import iter_posts_by_tags
from ..errors import BadInput
from ..hydrate.previews import preview_path
from ..store import Store, parquet
from ..store.progress import ticking
from ..tags.categories import RATING_TAGS
from ..tags.never import never_shown
from ..tags.vocabulary import read_tags
from .copies import VERSIONS, crops, gray, versions
from .encoder import Encoder
from .features import picture_features, raster, raster_size, read_pictures, shapes
from .opening import enough_for

UNSEEN_CATEGORIES = (6, 7, 8)  # invalid, meta, lore: no picture shows these
MOST_BROKEN = 0.1  # share of broken pictures from which on a run stops


@dataclass(frozen=True)
class Examples:
    """Pictures to learn from, with the tags of their posts.

    Attributes
    ----------
    rows : float32 (n, F), features: `N_FEATURES`, then the numbers of an encoder if any.
    labels : CSR (n, V) of ones, the tags of each post by column of the dictionary.
    families : int (n,); posts of one family (parents and children) are near-duplicates.
    vecs : float32 (V, d), tag vectors.
    names : str (V,).
    nameable : bool (V,), which tags a picture can show.
    copies : float16 (n, `VERSIONS` − 1, F), features of changed copies; None to learn
        without any.
    views : float16 (n, `VIEWS`, `N_SHAPE`), shapes of the picture and of parts of it.
    post_ids : int64 (n,).
    encoder : whose numbers are among the features.
    """

    rows: np.ndarray
    labels: sp.csr_matrix
    families: np.ndarray
    vecs: np.ndarray
    names: np.ndarray
    nameable: np.ndarray
    copies: np.ndarray | None = None
    views: np.ndarray | None = None
    post_ids: np.ndarray | None = None
    encoder: Encoder | None = None

    def take(self, which: np.ndarray) -> Examples:
        """Pick some of the pictures, by a mask or by positions."""
        return replace(
            self,
            rows=self.rows[which],
            labels=self.labels[which],
            families=self.families[which],
            copies=None if self.copies is None else self.copies[which],
            views=None if self.views is None else self.views[which],
            post_ids=None if self.post_ids is None else self.post_ids[which],
        )

    def means(self) -> np.ndarray:
        """Compute the mean tag vector of each post, (n, d); zeros for a post without tags."""
        tags = np.maximum(np.diff(self.labels.indptr), 1)
        return self.labels @ self.vecs / tags[:, None]


@dataclass(frozen=True)
class Candidates:
    """Posts that may be learned from: rows of posts.parquet, MD5s, families and ids, all (n,)."""

    rows: np.ndarray
    md5s: np.ndarray
    families: np.ndarray
    post_ids: np.ndarray

    @classmethod
    def of(cls, store: Store, ratings: str = "s", seed: int = 0) -> Candidates:
        """Take all posts of these ratings that may be shown at all, in a random order.

        Posts without a usable MD5 have no preview and are left out.

        Raises
        ------
        BadInput : not ratings. MissingArtifact, BadArtifact.
        """
        if not ratings or set(ratings) - set("sqe"):
            raise BadInput(f"ratings {ratings!r}: expected some of the letters s, q, e")
        columns = ("id", "md5", "rating", "parent_id")
        posts = parquet.read_table(store, "posts.parquet", *columns)
        allowed = np.isin(posts["rating"].to_numpy(), list(ratings))
        allowed &= ~never_shown(store)
        md5s = parquet.usable_md5s(posts["md5"])
        allowed &= pc.not_equal(md5s, "").to_numpy()
        parents = pc.fill_null(posts["parent_id"], -1).to_numpy().astype(np.int64)
        ids = posts["id"].to_numpy().astype(np.int64)
        families = number_families(ids, parents)
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(allowed))
        return cls(rows, md5s.take(rows).to_numpy(), families[rows], ids[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: np.ndarray | slice) -> Candidates:
        """Pick some of them, by a mask, positions or a slice."""
        return Candidates(
            self.rows[which],
            self.md5s[which],
            self.families[which],
            self.post_ids[which],
        )

    def with_previews(self, root: str | Path, most: int | None = None) -> Candidates:
        """Pick the first `most` (None: all) whose preview is in the cache at `root`."""
        found: list[int] = []
        for k, md5 in enumerate(self.md5s):
            if len(found) == most:
                break
            if preview_path(root, md5).is_file():
                found.append(k)
        return self.take(np.array(found, np.int64))


def number_families(ids: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Number the connected groups of parents and children, int32 (n,).

    Parameters
    ----------
    ids : int64 (n,).
    parents : int64 (n,), negative for none; a parent need not be among the ids.

    >>> number_families(np.array([1, 2, 3, 4, 5]), np.array([-1, 1, 2, 9, 9])).tolist()
    [0, 0, 0, 1, 1]
    """
    has = parents >= 0
    everyone, at = np.unique(np.concatenate([ids, parents[has]]), return_inverse=True)
    child, parent = at[: len(ids)][has], at[len(ids) :]
    n, ones = len(everyone), np.ones(len(child), bool)
    links = sp.coo_matrix((ones, (child, parent)), (n, n))
    return connected_components(links, directed=False)[1][at[: len(ids)]]


def hold_out(families: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a random share of the families: bool (n,), true for every member of those drawn.

    >>> held = hold_out(np.array([7, 7, 1, 2, 3]), 0.5, np.random.default_rng(0))
    >>> int(held.sum()), bool(held[0] == held[1])
    (2, True)
    """
    distinct, at = np.unique(families, return_inverse=True)
    drawn = rng.permutation(len(distinct))[: int(len(distinct) * share)]
    return np.isin(at, drawn)


def read_examples(
    store: Store,
    candidates: Candidates,
    root: str | Path,
    encoder: Encoder | None = None,
) -> tuple[Examples, list[str]]:
    """Decode the previews of some posts and look up their tags.

    Returns
    -------
    examples : of the pictures that could be read, in ascending post id.
    broken : what is wrong with each of the others.

    Raises
    ------
    BadInput : too many are broken. MissingArtifact, BadArtifact.
    """
    candidates = candidates.take(np.argsort(candidates.rows))
    paths = [preview_path(root, md5) for md5 in candidates.md5s]
    enough = enough_for(raster_size(encoder))
    made, broken = read_pictures(paths, partial(_seen, encoder=encoder), enough)
    if len(broken) > max(10, MOST_BROKEN * len(paths)):
        raise BadInput(
            f"{len(broken):,} of {len(paths):,} previews in {root} are broken "
            f"(the first: {broken[0][1]}), expected at most {MOST_BROKEN:.0%}: "
            "delete them, and they are fetched again"
        )
    whole = np.ones(len(paths), bool)
    whole[[k for k, _ in broken]] = False
    candidates = candidates.take(whole)

    words = Dictionary.open(store)
    blocks, at = [], 0
    with ticking("tags of the pictures"):
        for ids, tags in iter_posts_by_tags(store, words.vocabulary):
            inside = (candidates.rows >= at) & (candidates.rows < at + len(ids))
            blocks.append(tags[candidates.rows[inside] - at])
            at += len(ids)
    categories = np.frombuffer(read_tags(store)[2], np.uint8)[words.tag_ids]
    names = np.array(words.tags)
    unseen = np.isin(categories, UNSEEN_CATEGORIES) | np.isin(names, RATING_TAGS)
    if not made:
        raise BadInput(f"none of {len(paths):,} previews in {root} can be read")
    rows, copies, views = (np.stack(part) for part in zip(*made, strict=True))
    made.clear()  # half of the memory
    examples = Examples(
        rows=rows,
        labels=sp.vstack(blocks, "csr"),
        families=candidates.families,
        vecs=words.vecs,
        names=names,
        nameable=~unseen,
        copies=copies,
        views=views,
        post_ids=candidates.post_ids,
        encoder=encoder,
    )
    return examples, [problem for _, problem in broken]


def _seen(
    picture: Image.Image, encoder: Encoder | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make what is learned from a picture.

    An encoder sees the picture and its gray copy alone: it costs more than all the rest,
    and hardly tells a warped copy from the picture.

    Returns
    -------
    row : float32 (F,).
    copies : float16 (`VERSIONS` − 1, F).
    views : float16 (`VIEWS`, `N_SHAPE`).
    """
    size = raster_size(encoder)
    whole = Image.fromarray(raster(picture, size))
    small = raster(whole)
    rng = np.random.default_rng(zlib.crc32(small.tobytes()))  # the same for the same picture
    _, *copies = versions(picture, rng)
    rasters = [small, *(raster(copy) for copy in [*copies, *crops(picture)])]
    rows = picture_features(np.stack(rasters))
    parts = shapes(rows)[[0, *range(VERSIONS, len(rows))]]
    if encoder:
        seen = [encoder.look(copy) for copy in (whole, gray(whole))]
        encoded = encoder.encode(np.stack(seen))
        rows = np.hstack([rows[:VERSIONS], np.repeat(encoded, VERSIONS // 2, axis=0)])
    return rows[0].copy(), rows[1:VERSIONS].astype(np.float16), parts.astype(np.float16)
