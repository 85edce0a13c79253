"""An opened index: everything that does not depend on who looks at it.

Boards that show different posts share one `Catalog`. What depends on the posts that
may be shown belongs to the board, so the catalog holds nothing that one person's
board could leak to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..embedding.companions import Companions
from ..embedding.dictionary import Dictionary, unit_rows
from ..errors import BadArtifact, BadInput
from ..graph.neighbors import PATTERN, Neighbors
from ..graph.pixie import Bipartite, CachedNeighbors, Graph, NeighborTable, with_boards
from ..pictures.look_alike import SeenPictures
from ..pictures.recognizer import Recognizer
from ..store import Store
from ..tags.vocabulary import read_implications
from .blacklist import matcher
from .families import Families
from .pools import Pools
from .posts import Posts
from .ranking import Ranking
from .weights import open_ranking

NEIGHBORS_A_POST = 16  # in a walk without `neighbors.npy`


@dataclass(frozen=True, eq=False)
class Catalog:
    """The parts of an index, checked to belong together.

    Those that few queries need are read when they are first asked for.

    Attributes
    ----------
    operator : float32 (d, d), makes the vector of a post from the mean of its tags'.
    neighbors : the annoy index of the posts' vectors.
    """

    store: Store
    posts: Posts
    dictionary: Dictionary
    operator: np.ndarray
    neighbors: Neighbors
    ranking: Ranking

    @classmethod
    def open(cls, store: Store) -> Catalog:
        """Open an index.

        Raises
        ------
        MissingArtifact : the message names the script to run.
        BadArtifact : a file is damaged, or the files do not belong together.
        """
        # The order of the scripts, so that an error names the first one to run.
        for name in ("posts.parquet", "dictionary.npz", "attenuator.npz", PATTERN):
            store.check(name)
        posts, dictionary = Posts(store), Dictionary.open(store)
        operator = store.load_npz("attenuator.npz", "operator")["operator"]
        neighbors, dim = Neighbors.open(store), dictionary.vecs.shape[1]
        if len(posts) != neighbors.posts:
            raise BadArtifact(
                f"posts.arrow has {len(posts)} posts, the index {neighbors.posts}: "
                "run construct_index.py again"
            )
        if not operator.shape[0] == operator.shape[1] == neighbors.dim == dim:
            raise BadArtifact(
                f"the dictionary has {dim} dimensions, the operator {operator.shape}, "
                f"the index {neighbors.dim}: run the scripts again from "
                "solve_attenuator.py on"
            )
        ranking = open_ranking(store, posts, neighbors)
        return cls(store, posts, dictionary, operator, neighbors, ranking)

    @cached_property
    def forbidden(self) -> np.ndarray:
        """Rows under the never-shown rule, bool (n,)."""
        return self.posts.forbidden()

    @cached_property
    def matching(self) -> Callable[[str], np.ndarray]:
        """Tells which posts a search matches, whoever may see them; see `matcher`."""
        return matcher(self.posts)

    @cached_property
    def newest(self) -> float | None:
        """When the newest post was made, in Unix seconds; None where no times are known."""
        latest = int(self.posts.created_at.max(initial=0))
        return latest / 1e6 if latest > 0 else None

    @cached_property
    def column(self) -> dict[str, int]:
        """Tag name → row of its vector in the dictionary."""
        return {name: i for i, name in enumerate(self.dictionary.tags)}

    def vector_of(self, names: Iterable[str]) -> np.ndarray | None:
        """Return the vector of a post with some tags: float32 (d,), of length 1.

        None if no tag has one.
        """
        columns = [self.column[name] for name in names if name in self.column]
        if not columns:
            return None
        mean = self.dictionary.vecs[columns].mean(0, keepdims=True)
        vector = unit_rows(mean @ self.operator.T)[0]
        return vector if vector.any() else None

    @cached_property
    def pools(self) -> Pools:
        """The members of the pools, by row."""
        return self.ranking.pools

    @cached_property
    def families(self) -> Families:
        """Which posts are variants of one thing."""
        return Families.of(self.posts, self.pools, self.ranking.idf)

    @cached_property
    def family_pools(self) -> Pools:
        """The same with the families of the members: variants are rarely put in pools."""
        return self.families.in_pools(self.pools)

    @cached_property
    def recognizer(self) -> Recognizer:
        """The recognizer of pictures."""
        return Recognizer.open(self.store)

    @cached_property
    def seen_pictures(self) -> SeenPictures:
        """The pictures that the recognizer saw."""
        return SeenPictures.open(self.store)

    @cached_property
    def implications(self) -> dict[int, list[int]]:
        """Tag id → ids of the tags that it implies."""
        return read_implications(self.store)[0]

    @cached_property
    def companions(self) -> Companions:
        """The counts of tags that meet."""
        return Companions.open(self.store, self.dictionary)

    def graph_over(self, name: str) -> Graph:
        """Return the graph that a walk goes over: "tags", "pools" or "neighbors".

        Raises
        ------
        BadInput : another name. MissingArtifact, BadArtifact
        """
        if name == "tags":
            return self.ranking.graph
        if name == "pools":
            return self._graph_with_pools
        if name == "neighbors":
            return self._graph_of_neighbors
        raise BadInput(f"over {name!r}: expected one of tags, pools, neighbors")

    @cached_property
    def _graph_with_pools(self) -> Bipartite:
        """Posts and tags, with a further board for each pool."""
        members = self.pools.members
        return with_boards(self.ranking.graph, [members[i] for i in range(len(members))])

    @cached_property
    def _graph_of_neighbors(self) -> Graph:
        """Posts and their nearest, from `neighbors.npy` if there is one."""
        if self.store.find("neighbors.npy"):
            path = self.store.check("neighbors.npy")
            return NeighborTable(np.load(path, "r", allow_pickle=False))
        # With `self` in `ask` there would be a cycle, and an index that was replaced
        # would stay mapped.
        posts, neighbors = self.posts, self.neighbors

        def ask(row: int) -> np.ndarray:
            post_id = int(posts.ids[row])
            vector = neighbors.vector(post_id)
            ids, _ = neighbors.query(vector, NEIGHBORS_A_POST + 1)
            rows = posts.rows(ids[ids != post_id])
            return rows[rows >= 0]

        return CachedNeighbors(len(posts), NEIGHBORS_A_POST, ask)
