"""The Pixie random walk, over posts × boards or over a table of neighbors.

Eksombatchai et al., "Pixie: A System for Recommending 3+ Billion Items to 200+
Million Users in Real-Time", WWW 2018. All walkers of all queries advance together,
one NumPy step at a time, on graphs whose nodes are integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from ..errors import BadInput
from ..store.ragged import Ragged, run_starts


class Graph(Protocol):
    """A graph to walk: nodes 0..n-1, a random step (-1: none), and degrees."""

    @property
    def n(self) -> int: ...

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray: ...
    def degree(self, nodes: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Bipartite:
    """Posts and boards (tags, pools): a step is post → board → post.

    Attributes
    ----------
    boards_of : board numbers of each post.
    posts_on : posts of each board.
    board_weights : float (boards,), how likely a board is drawn; None for all
        alike. A power of the board's size penalizes common ones; times a person's
        bias it is Pixie's PersonalizedNeighbor.
    post_bias : float (n,) in [0, 1], the chance that a walker takes the post it
        reached. If not, it tries another post of the same board, up to twice.
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
        reached = self.posts_on.choose(boards, rng).astype(np.int64)
        if self.post_bias is not None:
            for _ in range(2):
                chance = rng.random(len(reached))
                refused = (reached >= 0) & (chance >= self.post_bias[reached])
                reached[refused] = self.posts_on.choose(boards[refused], rng)
        return reached


@dataclass(frozen=True)
class NeighborTable:
    """Nodes and their K nearest: a step is node → neighbor.

    Attributes
    ----------
    table : integer (n, K) in C order, also of a mapped file; -1 where a row ends.
    """

    table: np.ndarray

    @property
    def n(self) -> int:
        return len(self.table)

    def degree(self, nodes: np.ndarray) -> np.ndarray:
        return (self.table[nodes] >= 0).sum(1)

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # Most rows are full: draw from all columns, and again where nothing was found.
        width, flat = self.table.shape[1], self.table.reshape(-1)
        drawn = rng.random(len(nodes)) * width
        at = nodes * width + drawn.astype(np.int64)
        reached = flat.take(at).astype(np.int64)
        missed = np.flatnonzero(reached < 0)
        nodes, drawn = nodes[missed], drawn[missed]
        degree = self.degree(nodes)
        again = (drawn - degree) / (width - degree) * degree  # uniform in [0, degree)
        reached[missed] = flat.take(nodes * width + again.astype(np.int64))
        return reached


@dataclass
class CachedNeighbors:
    """A graph that asks for a node's neighbors when a walker first stands there.

    Attributes
    ----------
    n : nodes.
    width : neighbors a node.
    ask : node → its neighbors, integer array.
    """

    n: int
    width: int
    ask: Callable[[int], np.ndarray]
    _known: dict[int, np.ndarray] = field(default_factory=dict)

    def _rows(self, nodes: np.ndarray) -> tuple[NeighborTable, np.ndarray]:
        different, which = np.unique(nodes, return_inverse=True)
        table = np.full((len(different), self.width), -1, np.int64)
        for row, node in zip(table, different.tolist(), strict=True):
            if node not in self._known:
                self._known[node] = np.asarray(self.ask(node)[: self.width])
            row[: len(self._known[node])] = self._known[node]
        return NeighborTable(table), which

    def degree(self, nodes: np.ndarray) -> np.ndarray:
        return NeighborTable.degree(*self._rows(nodes))

    def step(self, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return NeighborTable.step(*self._rows(nodes), rng)


def budget(
    degrees: np.ndarray,
    weights: np.ndarray,
    steps: int,
    scaled: bool,
    largest: float | None = None,
) -> np.ndarray:
    """Share steps among queries, int64: N_q = w_q N s_q / Σ s (Pixie, eqs. 1, 2).

    s_q = |E(q)| (C − log|E(q)|), and C is log `largest`, the largest degree of the
    graph. Without `scaled`, s_q = 1. Every query of positive weight gets one step
    at least.
    """
    degrees = np.maximum(np.asarray(degrees, np.float64), 1)
    top = np.log(max(largest or 0, degrees.max(initial=1)))
    size = degrees * (top - np.log(degrees)) if scaled else np.ones(len(degrees))
    size = np.where(size > 0, size, degrees)  # the largest node would get nothing
    share = np.asarray(weights, np.float64) * size
    if share.sum() <= 0:
        return np.zeros(len(degrees), np.int64)
    steps_of = np.maximum(1, steps * share / share.sum())
    return np.where(share > 0, steps_of, 0).astype(np.int64)


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
    """Count visits of random walks from several weighted queries, best first.

    Parameters
    ----------
    queries : integer (q,), nodes.
    weights : float (q,), 1 each by default.
    steps : N, over all queries.
    restart : chance of going back to the query after each step.
    booster : score is (Σ_q √V_q)² instead of Σ_q V_q (Pixie, eq. 3).
    scaled_budget, largest_degree : see `budget`.
    allowed : bool (n,); other nodes are walked through but not counted.
    stop_posts, stop_visits : n_p and n_v; stop when n_p nodes that count have n_v
        visits each, of all queries together (Pixie, alg. 2). This is checked every
        10,000 steps, and 32 times at most.
    seed : the same seed gives the same answer.

    Returns
    -------
    nodes : int64, visited nodes but the queries, by score descending, then node.
    scores : float64.

    Raises
    ------
    BadInput : a number is out of its range.
    """
    least = min(steps, stop_visits, 1 if stop_posts is None else stop_posts)
    if not 0 < restart <= 1 or least < 1 or seed < 0:
        raise BadInput(
            f"restart {restart}, steps {steps}, stop {stop_posts} {stop_visits}, seed "
            f"{seed}: expected restart above 0 and at most 1, seed of 0 or more, the "
            "rest of 1 or more"
        )
    queries = np.asarray(queries, np.int64)
    weights = np.ones(len(queries)) if weights is None else weights
    rng = np.random.default_rng(seed)
    share = budget(graph.degree(queries), weights, steps, scaled_budget, largest_degree)

    # Few rounds make for many walkers in each, so that a step is worth a NumPy call.
    rounds = max(1, round(4 / restart)) if restart < 1 else 1
    if stop_posts is not None:
        rounds = max(rounds, min(32, steps // 10_000))
        seen, often = np.zeros(graph.n, np.min_scalar_type(stop_visits)), 0
        seen[queries] = stop_visits  # so that they are not counted

    # A visit is one number, with its query's in the last bits, and as small as can be:
    # small numbers are sorted faster.
    bits = max(len(queries) - 1, 0).bit_length()
    kind = np.dtype(np.uint32 if graph.n << bits <= 1 << 32 else np.uint64)
    shift = kind.type(bits)
    visits: list[np.ndarray] = []
    for home, at in _advance(graph, queries, share, rounds, restart, rng):
        counted = at >= 0  # a post may lead nowhere
        if allowed is not None:
            counted &= allowed[at]
        made = at.astype(kind)  # in place from here: new memory costs as much
        np.left_shift(made, shift, out=made)
        np.bitwise_or(made, home.astype(kind), out=made)
        visits.append(made[counted])
        visits[-1].sort()
        if stop_posts is not None:
            often += _count_visits(seen, visits[-1] >> shift, stop_visits)
            if often >= stop_posts:
                break

    nodes, scores = _scores(np.concatenate(visits), bits, booster)
    keep = ~np.isin(nodes, queries)
    nodes, scores = nodes[keep], scores[keep]
    # Most nodes are visited once and in order already. Only the others need sorting.
    lowest = scores.min(initial=np.inf)
    more = np.flatnonzero(scores > lowest)
    more = more[np.argsort(-scores[more], kind="stable")]
    order = np.concatenate([more, np.flatnonzero(scores == lowest)])
    return nodes[order], scores[order]


def _advance(
    graph: Graph,
    queries: np.ndarray,
    share: np.ndarray,
    rounds: int,
    restart: float,
    rng: np.random.Generator,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Move all walkers, a step at a time; yield the query and the node of each."""
    # Walkers that go all rounds, and the steps of one that stops earlier.
    whole, part = np.divmod(share, rounds)
    fewer = np.argsort(-part, kind="stable")[: np.count_nonzero(part)]
    home = np.concatenate([np.repeat(np.arange(len(queries)), whole), fewer])
    at = queries[home]
    for done in range(rounds):
        walking = whole.sum() + np.count_nonzero(part > done)
        home, at = home[:walking], at[:walking]
        if done and restart < 1:
            back = (at < 0) | (rng.random(len(at)) < restart)
            at = np.where(back, queries[home], at)
        elif done:
            at = queries[home]
        yield home, (at := graph.step(at, rng))


def _count_visits(seen: np.ndarray, nodes: np.ndarray, enough: int) -> int:
    """Count visits (nodes, ascending) up to `enough`; return how many get there."""
    first = run_starts(nodes)
    nodes, more = nodes[first], np.diff(first, append=len(nodes))
    before = seen[nodes]
    seen[nodes] = after = np.minimum(before + more, enough)
    return int(((after == enough) & (before < enough)).sum())


def _scores(visits: np.ndarray, bits: int, booster: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the visited nodes (int64), ascending, and their scores."""
    visits = np.sort(visits, kind="stable")  # merges the rounds, which are sorted
    first = run_starts(visits)
    counts = np.diff(first, append=len(visits)).astype(np.float64)
    nodes = (visits[first] >> visits.dtype.type(bits)).astype(np.int64)
    first = run_starts(nodes)
    if not len(first):
        return nodes, counts
    scores = np.add.reduceat(np.sqrt(counts) if booster else counts, first)
    return nodes[first], scores**2 if booster else scores


def prune(graph: Bipartite, affinity: np.ndarray, delta: float) -> Bipartite:
    """Keep the ⌈|E(p)|^δ⌉ edges of highest affinity of each post (Pixie, section 3.2).

    Parameters
    ----------
    affinity : float (edges,), in the order of `graph.boards_of.values`: how like
        its board the post is, for example the cosine of their vectors.
    delta : 1 keeps all.
    """
    offsets = np.asarray(graph.boards_of.offsets, np.int64)
    lengths = np.diff(offsets)
    row = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-affinity, row))
    place = np.arange(len(row)) - offsets[row]  # rank within the row, best first
    kept = np.sort(order[place < np.ceil(lengths**delta)[row]])
    boards = graph.boards_of.values[kept]
    made = bipartite(row[kept], boards, graph.n, len(graph.posts_on))
    return replace(graph, boards_of=made.boards_of, posts_on=made.posts_on)


def bipartite(
    posts: np.ndarray,
    boards: np.ndarray,
    n_posts: int,
    n_boards: int,
    **biases: np.ndarray | None,
) -> Bipartite:
    """Make a graph of edges (posts[i], boards[i]) with the biases of `Bipartite`."""
    boards_of = Ragged.group(posts, boards, n_posts)
    return Bipartite(boards_of, Ragged.group(boards, posts, n_boards), **biases)


def with_boards(graph: Bipartite, members: list[np.ndarray], weight: float = 1.0) -> Bipartite:
    """Add boards (pools) to a graph, one for each array of posts."""
    first, more = len(graph.posts_on), len(members)
    old = np.repeat(np.arange(graph.n), np.diff(graph.boards_of.offsets))
    posts = np.concatenate([old, *members]).astype(np.int64)
    new = np.repeat(first + np.arange(more), [len(m) for m in members])
    boards = np.concatenate([graph.boards_of.values, new])
    weights = graph.board_weights
    if weights is not None:
        weights = np.append(weights, np.full(more, weight * weights.max(initial=0)))
    made = bipartite(posts, boards, graph.n, first + more)
    return replace(made, board_weights=weights, post_bias=graph.post_bias)
