"""One interface over the whole index: posts, tags and pictures → ranked posts, with reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from ..embedding.companions import Companions
from ..embedding.dictionary import Dictionary, unit_rows
from ..errors import BadArtifact, BadInput, UnknownTag
from ..graph.neighbors import PATTERN, Neighbors, check_vector
from ..graph.pixie import walk
from ..pictures.recognizer import Recognizer
from ..store import Store
from ..tags.vocabulary import read_implications
from . import personal
from .board import Board, PostInfo
from .completion import Completion
from .graphs import Walks
from .profile import Profile
from .ranking import Query, Recommendation
from .weights import open_ranking

__all__ = ["PostGraph", "PostInfo", "Recommendation"]

AVOIDED = 0.5  # of what a post scores with the avoided ones is taken from its score
NEAR, NEAR_ALONE = (
    50,
    200,
)  # nearest as candidates: beside posts, from which the walk goes, or not
SEEN_TAGS = 24  # tags of a picture that take part, by confidence


class PostGraph(Board):
    """An opened index. Calls may come from several threads; nothing in it changes."""

    _OF_ALLOWED = ("shown", "_completion")

    def __init__(self, store: Store, ratings: str, blacklist: str | Path | None) -> None:
        for name in ("posts.parquet", "dictionary.npz", "attenuator.npz", PATTERN):
            store.check(name)  # in the scripts' order, so that an error names the first to run
        super().__init__(store, ratings, blacklist)
        self._store = store
        self.dictionary = Dictionary.open(store)
        self.operator = store.load_npz("attenuator.npz", "operator")["operator"]
        self._near = Neighbors.open(store)
        dim = self.dictionary.vecs.shape[1]
        if len(self.posts) != self._near.posts:
            raise BadArtifact(
                f"posts.arrow has {len(self.posts)} posts, the index {self._near.posts}: "
                "run construct_index.py again"
            )
        if not self.operator.shape[0] == self.operator.shape[1] == self._near.dim == dim:
            raise BadArtifact(
                f"dictionary of {dim} dimensions, operator {self.operator.shape}, index of "
                f"{self._near.dim}: run the scripts again from solve_attenuator.py on"
            )
        self.ranking = open_ranking(store, self.posts)
        self._walks = Walks(store, self.posts, self._near, self.ranking.graph)
        # Made when first asked for, and shared by the narrowed boards.
        self._recognizer = cache(lambda: Recognizer.open(store))
        self._implications = cache(lambda: read_implications(store)[0])
        words = self.dictionary  # and not self, which would then be let go of late
        self._companions = cache(lambda: Companions.open(store, words))
        self._column = {name: i for i, name in enumerate(self.dictionary.tags)}

    @classmethod
    def open(
        cls,
        index: str | Path = "index",
        ratings: str = "s",
        blacklist: str | Path | None = "default",
    ) -> PostGraph:
        """Open an index directory; `ratings` and `blacklist` as in `Board`.

        Raises
        ------
        MissingArtifact : naming the script to run. BadArtifact : the parts do not belong together.
        BadInput : the ratings or the blacklist cannot be read.
        """
        store = Store(index)
        return store.whole(lambda: cls(store, ratings, blacklist))

    def warm(self) -> None:
        """Read what is else read when first asked for: a stage may then replace the index."""
        if self._store.find("companions.arrow"):
            _ = self._completion
        if self._store.find("recognizer.npz"):
            self._recognizer()
        self._implications()
        _ = self.posts.pools, self.posts.tag_ids
        if self.allowed.any():  # what the ranking needs of every post
            self.recommend(posts=[int(self.posts.ids[self.allowed.argmax()])], n=1)

    # -- vectors ---------------------------------------------------------------------------------
    def embed_tags(self, tags: Iterable[str]) -> np.ndarray:
        """The vector of a post that had these tags, float32 (d,), of length 1.

        Raises
        ------
        UnknownTag : none of them is known, or none has a vector.
        """
        vector = self._vector([self.posts.names[i] for i in self.known_tag_ids(tags)])
        if vector is None:
            raise UnknownTag(f"no vector for {', '.join(tags)}: used too rarely to have one")
        return vector

    def _vector(self, names: Iterable[str]) -> np.ndarray | None:
        columns = [self._column[name] for name in names if name in self._column]
        if not columns:
            return None
        mean = self.dictionary.vecs[columns].mean(0, keepdims=True)
        vector = unit_rows(mean @ self.operator.T)[0]
        return vector if vector.any() else None

    def embed_image(self, image) -> np.ndarray:
        """The vector of a picture (path, bytes or PIL image), float32 (d,), of length 1."""
        return self._recognizer().embed(image)

    def recognize(self, image, n: int = 8) -> list[tuple[str, float]]:
        """What a picture seems to show: (tag, confidence 0..1), best first."""
        return self._recognizer().tags(image, n)

    def neighbors(self, query: int | np.ndarray, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The nearest posts of a post or of a vector (d,), without the post itself.

        Returns
        -------
        ids : int64 (≤ n,). cosines : float32, descending.
        """
        if n < 1:
            raise BadInput(f"n {n}: expected n of 1 or more")
        own = None
        if np.ndim(query) == 0:
            own = int(query)
            self.row(own)
            query = self._near.vector(own)
        vector = check_vector(query, self._near.dim)
        ask = n + 1
        while True:  # more and more, until n of them may be shown or there are no more
            ids, cosines = self._near.query(vector, min(ask, len(self.posts)))
            rows = self.posts.rows(ids)
            keep = (rows >= 0) & self.allowed[rows] & (ids != own)
            if keep.sum() >= n or ask >= len(self.posts):
                return ids[keep][:n], cosines[keep][:n]
            ask *= 4

    # -- the walk --------------------------------------------------------------------------------
    def walk(
        self, posts: Sequence[int], over: str = "tags", **options
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixie's walk from some posts; `options` as in `pixie.walk`.

        Parameters
        ----------
        over : "tags" (posts and tags), "pools" (pools as further boards), or "neighbors" (posts
            and their nearest, from `neighbors.npy` if there is one).

        Returns
        -------
        ids : int64, visited posts, best first. visits : float64.
        """
        rows = np.array([self.row(post) for post in posts], np.int64)
        found, visits = walk(self._walks.over(over), rows, allowed=self.allowed, **options)
        return self.posts.ids[found], visits

    # -- recommending ----------------------------------------------------------------------------
    def recommend(
        self,
        posts: Sequence[int] = (),
        tags: Sequence[str] = (),
        images: Sequence = (),
        avoid: Sequence[str | int] = (),
        n: int = 20,
        seed: int = 0,
        exclude: Iterable[int] = (),
    ) -> list[Recommendation]:
        """Posts that go with all of these, best first; fewer than n only when no more may be shown.

        Parameters
        ----------
        posts, tags, images : what is liked; at least one.
        avoid : tags that must not be there, and posts (ids) to stay away from.
        exclude : post ids not to return (seen ones).
        seed : of the walk, and of the order among equals.

        Raises
        ------
        BadInput : nothing to go by. UnknownTag, UnknownPost.
        """
        if n < 1 or not (len(posts) or len(tags) or len(images)):
            raise BadInput("give at least one post, tag or image, and n of 1 or more")
        if seed < 0:
            raise BadInput(f"seed {seed}: expected 0 or more")
        queries = [self.ranking.query_of(self.row(post)) for post in posts]
        vectors = [self._near.vector(int(post)) for post in posts]
        if len(tags):
            ids = self.known_tag_ids(tags)
            # One query a tag: the booster then favours posts that hold several of them.
            queries += [Query(np.array([i]), np.ones(1)) for i in ids]
            vectors.append(self._vector(self.posts.names[i] for i in ids))
        for image in images:
            seen = [
                (t, c) for t, c in self.recognize(image, SEEN_TAGS) if t in self.posts.tag_ids
            ]
            ids = np.array([self.posts.tag_ids[tag] for tag, _ in seen], np.int64)
            order = np.argsort(ids)
            queries.append(Query(ids[order], np.array([c for _, c in seen])[order]))
            vectors.append(self.embed_image(image))
        allowed, disliked = self._narrow(avoid)
        allowed[[q.row for q in queries if q.row is not None]] = False
        rows = [self.posts.row(int(post)) for post in exclude]
        allowed[[row for row in rows if row is not None]] = False
        n = min(n, len(self.posts))
        size = max(1000, 2 * n)
        rows = self.ranking.candidates(queries, allowed, size, seed)
        some = [vector for vector in vectors if vector is not None]
        near = self._near_rows(some, NEAR if len(posts) else NEAR_ALONE)
        rows = np.union1d(rows, near[allowed[near]])
        if len(rows) < n:
            rows = np.flatnonzero(allowed)
        score = self.ranking.score(rows, queries)
        if disliked:
            score = score - AVOIDED * self.ranking.score(rows, disliked)
        chance = np.random.default_rng(seed).random(len(rows))  # ids say nothing, ties included
        best = np.lexsort((chance, -score))[:n]
        return self.ranking.explained(rows[best], score[best], queries)

    def personal(
        self, profile: Profile, n: int = 1, seed: int = 0, explore: bool = False
    ) -> list[Recommendation]:
        """The next posts for one user, from all they said so far; see `preference`.

        Parameters
        ----------
        profile : what is kept of them; nothing they avoid or saw is shown.
        seed : of the draws; another for every answer.
        explore : go where the taste is least known.
        """
        return personal.next_posts(
            self, self.ranking, self.dictionary, profile, n, seed, explore
        )

    def learned_tags(
        self, profile: Profile, n: int = 8
    ) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """(tag, weight) that a user's judgments speak for, and against, strongest first."""
        return personal.learned_tags(self, self.ranking, self.dictionary, profile, n)

    def _narrow(self, avoid: Iterable[str | int]) -> tuple[np.ndarray, list[Query]]:
        """What may be returned, and the avoided posts as queries."""
        allowed, disliked, names = self.allowed.copy(), [], []
        for given in [avoid] if isinstance(avoid, str) else avoid:
            if isinstance(given, str):
                names.append(given)
            elif (row := self.posts.row(int(given))) is not None:
                disliked.append(self.ranking.query_of(row))
                allowed[row] = False
        for tag_id in self.known_tag_ids(names) if names else ():
            allowed[self.posts.rows_with[tag_id]] = False
        return allowed, disliked

    def _near_rows(self, vectors: list[np.ndarray], n: int) -> np.ndarray:
        """Rows of the posts nearest to the mean of some vectors."""
        mean = np.sum(vectors, 0) if vectors else np.zeros(self._near.dim)
        if not np.any(mean):
            return np.zeros(0, np.int64)
        # Candidates are ranked exactly afterwards, so a hasty search will do.
        ids, _ = self._near.query(unit_rows(mean[None])[0], min(n, len(self.posts)), search_k=n)
        rows = self.posts.rows(ids)
        return rows[rows >= 0]

    @cached_property
    def _completion(self) -> Completion:
        of = self.dictionary, self.ranking, self.allowed, self.shown
        return Completion(self._companions(), *of)

    def suggest_tags(self, tags: Sequence[str], n: int = 8) -> list[tuple[str, float]]:
        """Tags that belong with these: (tag, score 0..1), best first; see `completion`."""
        ids = np.unique(self.known_tag_ids(tags))
        if not len(ids):
            raise BadInput("give at least one tag")
        return self._completion.suggest(ids, n)

    def telling_tags(self, tags: Sequence[str], n: int = 6) -> list[str]:
        """Of the tags that belong with these, those that say most: by their score times idf."""
        try:
            found = self.suggest_tags(tags, 4 * n)
        except UnknownTag:  # too rare to have a vector
            return []
        worth = {tag: score * self.ranking.idf[self.posts.tag_ids[tag]] for tag, score in found}
        return sorted(worth, key=worth.get, reverse=True)[:n]

    def doubtful_tags(self, tags: Sequence[str]) -> list[tuple[str, float]]:
        """Tags that look wrong here: (tag, support by the others 0..1), the least first."""
        return self._completion.doubt(np.unique(self.known_tag_ids(tags)))

    def redundant_tags(self, tags: Sequence[str]) -> list[str]:
        """Those of some tags that the others imply, the most used first."""
        ids = np.unique(self.known_tag_ids(tags)).tolist()
        implications = self._implications()
        implied = set().union(*(implications.get(tag_id, ()) for tag_id in ids))
        return [self.posts.names[tag_id] for tag_id in ids if tag_id in implied]
