"""The Pixie random walk, over posts × boards or over a table of neighbors.

Eksombatchai et al., "Pixie: A System for Recommending 3+ Billion Items to 200+ Million Users in
Real-Time", WWW 2018. All walkers of all queries advance together, one NumPy step at a time. This
module knows graphs of integer nodes and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .errors import BadInput
from .ragged import Ragged


class Graph(Protocol):
    """What a walk needs: nodes 0..n-1, a random step (-1: none), and degrees."""

    n: int

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray: ...
    def degree(self, nodes: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Bipartite:
    """Posts and boards (tags, pools): a step is post → board → post.

    Attributes
    ----------
    boards_of : board numbers of each post. posts_on : posts of each board.
    board_weights : float (boards,), how likely a board is drawn; None for all alike. A power of
        the board's size penalises common ones; times a person's bias it is Pixie's
        PersonalizedNeighbor.
    post_bias : float (n,) in [0, 1], the chance that a post reached is taken; refused, another of
        the same board is tried, twice.
    """

    boards_of: Ragged
    posts_on: Ragged
    board_weights: np.ndarray | None = None
    post_bias: np.ndarray | None = None

    @property
    def n(self) -> int:
        return len(self.boards_of)

    def degree(self, nodes: np.ndarray) -> np.ndarray:
        return self.boards_of.lengths(nodes)

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        boards = self.boards_of.choose(nodes, rng, self.board_weights)
        reached = self._land(boards, rng)
        for _ in range(2 if self.post_bias is not None else 0):
            refused = (reached >= 0) & (rng.random(len(reached)) >= self.post_bias[reached])
            reached[refused] = self._land(boards[refused], rng)
        return reached

    def _land(self, boards: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        reached = np.full(len(boards), -1, np.int64)
        there = boards >= 0
        reached[there] = self.posts_on.choose(boards[there], rng)
        return reached


@dataclass(frozen=True)
class NeighborTable:
    """Nodes and their K nearest: a step is node → neighbor.

    Attributes
    ----------
    table : integer (n, K), -1 where there are fewer; may be a map of a file.
    """

    table: np.ndarray

    @property
    def n(self) -> int:
        return len(self.table)

    def degree(self, nodes: np.ndarray) -> np.ndarray:
        return (self.table[nodes] >= 0).sum(1)

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        column = (rng.random(len(nodes)) * self.degree(nodes)).astype(np.int64)
        return self.table[nodes, column].astype(np.int64)


@dataclass
class CachedNeighbors:
    """The same graph with neighbors asked for when a walker first stands there, then kept.

    Attributes
    ----------
    n : nodes. width : neighbors a node. ask : node → its neighbors, integer array.
    """

    n: int
    width: int
    ask: Callable[[int], np.ndarray]
    _known: dict[int, np.ndarray] = field(default_factory=dict)

    def _rows(self, nodes: np.ndarray) -> NeighborTable:
        for node in np.unique(nodes).tolist():
            if node not in self._known:
                row = np.full(self.width, -1, np.int64)
                found = self.ask(node)[: self.width]
                row[: len(found)] = found
                self._known[node] = row
        table = np.array([self._known[node] for node in nodes.tolist()])
        return NeighborTable(table.reshape(-1, self.width))

    def degree(self, nodes: np.ndarray) -> np.ndarray:
        return self._rows(nodes).degree(np.arange(len(nodes)))

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self._rows(nodes).step(np.arange(len(nodes)), rng)


def budget(
    degrees: np.ndarray, weights: np.ndarray, steps: int, scaled: bool, largest: float | None = None
) -> np.ndarray:
    """Steps each query gets (int64): N_q = w_q N s_q / Σ s, s_q = |E(q)| (C − log|E(q)|).

    `C` is log `largest`, the largest degree of the graph (Pixie, eqs. 1, 2). Without `scaled`,
    s_q = 1. Every query of positive weight gets one step at least.
    """
    degrees = np.maximum(np.asarray(degrees, np.float64), 1)
    top = np.log(max(largest or 0, degrees.max(initial=1)))
    size = degrees * (top - np.log(degrees)) if scaled else np.ones(len(degrees))
    size = np.where(size > 0, size, degrees)  # the largest node of all would get nothing
    share = np.asarray(weights, np.float64) * size
    if share.sum() <= 0:
        return np.zeros(len(degrees), np.int64)
    return np.where(share > 0, np.maximum(1, steps * share / share.sum()), 0).astype(np.int64)


def walk(
    graph: Graph,
    queries: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    steps: int = 20_000,
    restart: float = 1.0,
    booster: bool = True,
    scaled_budget: bool = False,
    largest_degree: float | None = None,
    allowed: np.ndarray | None = None,
    stop_posts: int | None = None,
    stop_visits: int = 4,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Visits of random walks from several weighted queries, best first.

    Parameters
    ----------
    queries : integer (q,), nodes; weights : float (q,), 1 each by default.
    steps : N, over all queries.
    restart : chance of going back to the query after each step; 1 is one step at a time.
    booster : score is (Σ_q √V_q)² instead of Σ_q V_q (Pixie, eq. 3).
    scaled_budget, largest_degree : see `budget`.
    allowed : bool (n,); other nodes are walked through but not counted.
    stop_posts, stop_visits : n_p and n_v; stop when n_p nodes have n_v visits each.
    seed : same seed, same answer.

    Returns
    -------
    nodes : int64, visited nodes other than the queries, by score descending, then node.
    scores : float64.

    Raises
    ------
    BadInput : a number out of its range.
    """
    if not 0 < restart <= 1 or steps < 1 or seed < 0:
        raise BadInput(
            f"restart {restart}, steps {steps}, seed {seed}: expected restart above 0 and at most "
            "1, steps of 1 or more, seed of 0 or more"
        )
    queries = np.asarray(queries, np.int64)
    weights = np.ones(len(queries)) if weights is None else np.asarray(weights)
    rng = np.random.default_rng(seed)
    share = budget(graph.degree(queries), weights, steps, scaled_budget, largest_degree)
    # Walkers enough that a step is worth a NumPy call; each walks its query's share in parallel.
    rounds = max(1, round(4 / restart)) if restart < 1 else 1
    if stop_posts is not None:
        rounds = max(rounds, 16)
    walkers = -(-share // rounds)
    home = np.repeat(np.arange(len(queries)), walkers)
    at = queries[home]
    keys: list[np.ndarray] = []
    for done in range(rounds):
        if done and restart < 1:
            back = (at < 0) | (rng.random(len(at)) < restart)
            at = np.where(back, queries[home], at)
        elif done:
            at = queries[home]
        at = graph.step(at, rng)
        counted = at >= 0
        if allowed is not None:
            counted &= allowed[at]
        keys.append(home[counted] * graph.n + at[counted])
        if stop_posts is not None and done % 4 == 3:
            pairs, visits = np.unique(np.concatenate(keys), return_counts=True)
            nodes, total = _sum_by(pairs % graph.n, visits)
            if (total >= stop_visits).sum() >= stop_posts:
                break
    pairs, visits = np.unique(np.concatenate(keys), return_counts=True)
    values = np.sqrt(visits) if booster else visits
    nodes, scores = _sum_by(pairs % graph.n, values)
    scores = scores**2 if booster else scores
    keep = ~np.isin(nodes, queries)
    nodes, scores = nodes[keep], scores[keep]
    order = np.argsort(-scores, kind="stable")
    return nodes[order], scores[order]


def _sum_by(nodes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unique nodes ascending and the sum of their values."""
    order = np.argsort(nodes, kind="stable")
    nodes, values = nodes[order], values[order].astype(np.float64)
    first = np.flatnonzero(np.append(True, nodes[1:] != nodes[:-1])) if len(nodes) else []
    return nodes[first], (np.add.reduceat(values, first) if len(nodes) else values)


def prune(graph: Bipartite, affinity: np.ndarray, delta: float) -> Bipartite:
    """Keep ⌈|E(p)|^δ⌉ edges of each post, those of highest affinity (Pixie, section 3.2).

    Parameters
    ----------
    affinity : float (edges,), in the order of `graph.boards_of.values`: how like its board the
        post is, e.g. the cosine of their vectors.
    delta : 1 keeps all.
    """
    offsets = np.asarray(graph.boards_of.offsets, np.int64)
    lengths = np.diff(offsets)
    row = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-affinity, row))
    place = np.arange(len(row)) - offsets[row]  # rank within the row, best first
    kept = np.sort(order[place < np.ceil(lengths**delta)[row]])
    return bipartite(row[kept], graph.boards_of.values[kept], graph.n, len(graph.posts_on),
                     graph.board_weights, graph.post_bias)  # fmt: skip


def bipartite(
    posts: np.ndarray,
    boards: np.ndarray,
    n_posts: int,
    n_boards: int,
    board_weights: np.ndarray | None = None,
    post_bias: np.ndarray | None = None,
) -> Bipartite:
    """A graph of edges (posts[i], boards[i])."""

    def ragged(keys: np.ndarray, values: np.ndarray, rows: int) -> Ragged:
        order = np.argsort(keys, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=rows))])
        return Ragged(offsets, np.asarray(values)[order])

    return Bipartite(
        ragged(posts, boards, n_posts), ragged(boards, posts, n_boards), board_weights, post_bias
    )


def with_boards(graph: Bipartite, members: list[np.ndarray], weight: float = 1.0) -> Bipartite:
    """The same graph with further boards (pools): one more for each array of posts."""
    first = len(graph.posts_on)
    old = np.repeat(np.arange(graph.n), np.diff(graph.boards_of.offsets))
    posts = np.concatenate([old, *members]).astype(np.int64)
    new = np.repeat(first + np.arange(len(members)), [len(m) for m in members])
    boards = np.concatenate([graph.boards_of.values, new])
    weights = graph.board_weights
    if weights is not None:
        weights = np.concatenate([weights, np.full(len(members), weight * weights.max(initial=0))])
    return bipartite(posts, boards, graph.n, first + len(members), weights, graph.post_bias)
