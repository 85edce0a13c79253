"""The graphs of an index that a walk may go over, each made when it is first asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..errors import BadInput
from ..graph.neighbors import Neighbors
from ..graph.pixie import Bipartite, CachedNeighbors, Graph, NeighborTable, with_boards
from ..store import Store
from .posts import Posts

WIDTH = 16  # neighbors of a post where there is no `neighbors.npy`


class Walks:
    """Posts and tags, pools as further boards, or posts and their nearest.

    Parameters
    ----------
    tags : the graph of posts and tags.
    """

    def __init__(self, store: Store, posts: Posts, near: Neighbors, tags: Bipartite) -> None:
        self._store, self._posts, self._near, self._tags = store, posts, near, tags

    def over(self, name: str) -> Graph:
        """The graph of a name: "tags", "pools" or "neighbors".

        Raises
        ------
        BadInput : another name. MissingArtifact, BadArtifact
        """
        graphs = {
            "tags": lambda: self._tags,
            "pools": lambda: self._with_pools,
            "neighbors": lambda: self._nearest,
        }
        if name not in graphs:
            raise BadInput(f"over {name!r}: expected one of {', '.join(graphs)}")
        return graphs[name]()

    @cached_property
    def _with_pools(self) -> Bipartite:
        members = self._posts.pools["post_ids"].to_pylist()
        rows = [self._posts.rows(np.array(pool, np.int64)) for pool in members]
        return with_boards(self._tags, [pool[pool >= 0] for pool in rows])

    @cached_property
    def _nearest(self) -> Graph:
        if self._store.find("neighbors.npy"):
            table = np.load(self._store.check("neighbors.npy"), "r", allow_pickle=False)
            return NeighborTable(table)

        def ask(row: int) -> np.ndarray:
            own = int(self._posts.ids[row])
            ids, _ = self._near.query(self._near.vector(own), WIDTH + 1)
            rows = self._posts.rows(ids[ids != own])
            return rows[rows >= 0]

        return CachedNeighbors(len(self._posts), WIDTH, ask)
