"""The walk against exact probabilities, hand-worked budgets and a checkerboard."""

from collections import Counter

import numpy as np
import pytest

from e6graph.errors import BadInput
from e6graph.graph.pixie import (
    CachedNeighbors,
    NeighborTable,
    bipartite,
    budget,
    prune,
    walk,
    with_boards,
)
from e6graph.store.ragged import Ragged


def graph_of(boards_of, n_boards, **options):
    posts = np.repeat(np.arange(len(boards_of)), [len(b) for b in boards_of])
    return bipartite(
        posts, np.concatenate(boards_of).astype(int), len(boards_of), n_boards, **options
    )


@pytest.fixture
def toy():
    """Post 0 on boards 0, 1; 1 on 0; 2 on 1, 2; 3 on 2; 4 on none."""
    return graph_of([[0, 1], [0], [1, 2], [2], []], 3)


class Watched:
    """A graph that keeps what each step reached."""

    def __init__(self, graph):
        self.graph, self.n, self.degree, self.log = graph, graph.n, graph.degree, []

    def step(self, nodes, rng):
        self.log.append(self.graph.step(nodes, rng))
        return self.log[-1]

    @property
    def steps(self):
        return sum(len(reached) for reached in self.log)

    def often(self, rounds, visits, but, allowed):
        """How many nodes have so many visits after some rounds, counted in the slow way."""
        seen = Counter(np.concatenate(self.log[:rounds]).tolist()) if rounds else {}
        return sum(n >= visits and allowed[v] and v not in but for v, n in seen.items())


@pytest.fixture(scope="module")
def crowd():
    """3,000 posts on 8 of 200 boards each, the first boards the fullest."""
    rng = np.random.default_rng(0)
    return graph_of(
        [np.unique((200 * rng.random(8) ** 2).astype(int)) for _ in range(3000)], 200
    )


def test_one_step_has_the_exact_probabilities(toy):
    # From post 0: board 0 (½) → 0 or 1; board 1 (½) → 0 or 2. So 0: ½, 1: ¼, 2: ¼.
    ids, visits = walk(toy, [0], steps=40_000, booster=False)
    assert sorted(ids.tolist()) == [1, 2]
    assert visits / 40_000 == pytest.approx([0.25, 0.25], abs=0.01)


def test_board_weights_bias_the_first_hop(toy):
    graph = graph_of([[0, 1], [0], [1, 2], [2], []], 3, board_weights=np.array([3.0, 1.0, 1.0]))
    ids, visits = walk(graph, [0], steps=40_000, booster=False)
    share = dict(zip(ids.tolist(), (visits / 40_000).tolist(), strict=True))
    assert share[1] == pytest.approx(0.375, abs=0.01)  # ¾ · ½
    assert share[2] == pytest.approx(0.125, abs=0.01)


def test_post_bias_turns_walkers_away(toy):
    bias = np.array([1.0, 0.0, 1.0, 1.0, 1.0])
    graph = graph_of([[0, 1], [0], [1, 2], [2], []], 3, post_bias=bias)
    ids, visits = walk(graph, [0], steps=20_000, booster=False)
    share = dict(zip(ids.tolist(), (visits / 20_000).tolist(), strict=True))
    # refused at 1 three times running: ½ · (½)³
    assert share.get(1, 0) == pytest.approx(0.0625, abs=0.01)


def test_long_walks_reach_what_short_ones_cannot(toy):
    assert 3 not in walk(toy, [0], steps=4000)[0]
    assert 3 in walk(toy, [0], steps=4000, restart=0.3)[0]


def test_a_node_without_edges_ends_the_walk(toy):
    ids, visits = walk(toy, [4], steps=100)
    assert len(ids) == len(visits) == 0


def test_the_booster_prefers_posts_reached_from_several_queries():
    # 0 and 1 are queries. Post 2 shares a board with each; post 3 shares two boards with 0 alone.
    graph = graph_of([[0, 2, 3], [1, 4, 5], [0, 1], [2, 3]], 6)
    plain = dict(zip(*walk(graph, [0, 1], steps=60_000, booster=False), strict=True))
    boosted = dict(zip(*walk(graph, [0, 1], steps=60_000), strict=True))
    assert plain[2] == pytest.approx(plain[3], rel=0.05)
    assert boosted[2] == pytest.approx(2 * plain[2], rel=0.05)  # (√a + √a)² = 2 · 2a
    assert boosted[3] == pytest.approx(plain[3], rel=0.05)


def test_same_seed_same_answer_other_seed_another(toy):
    one = walk(toy, [0, 2], steps=500, seed=1)
    assert np.array_equal(one[1], walk(toy, [0, 2], steps=500, seed=1)[1])
    assert not np.array_equal(one[1], walk(toy, [0, 2], steps=500, seed=2)[1])


def test_allowed_counts_only_what_may_be_shown_and_scores_descend(toy):
    allowed = np.array([True, False, True, True, True])
    ids, scores = walk(toy, [0], steps=4000, restart=0.5, allowed=allowed)
    assert 1 not in ids and 0 not in ids
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("restart", [1.0, 0.5])
@pytest.mark.parametrize("n_p, n_v", [(30, 4), (300, 4), (700, 3), (2, 260)])
def test_early_stop_is_at_the_first_look_that_finds_enough(crowd, restart, n_p, n_v):
    queries, allowed = [1, 20, 300], np.arange(3000) % 3 > 0
    watched = Watched(crowd)
    options = {"steps": 300_000, "restart": restart, "booster": False, "allowed": allowed}
    nodes, visits = walk(watched, queries, stop_posts=n_p, stop_visits=n_v, seed=2, **options)
    rounds = len(watched.log)
    assert watched.steps <= 240_000
    assert watched.steps == pytest.approx(rounds * 10_000, rel=0.01)
    assert watched.often(rounds, n_v, queries, allowed) == (visits >= n_v).sum() >= n_p
    assert watched.often(rounds - 1, n_v, queries, allowed) < n_p
    assert not np.isin(queries, nodes).any() and allowed[nodes].all()


def test_a_stop_that_never_comes_changes_nothing(crowd):
    options = {"steps": 30_000, "restart": 0.2, "seed": 3}  # as many rounds with it as without
    whole = walk(crowd, [5, 9], **options)
    never = walk(crowd, [5, 9], stop_posts=10**9, **options)
    assert np.array_equal(whole[0], never[0]) and np.array_equal(whole[1], never[1])
    once = walk(crowd, [5, 9], stop_posts=200, stop_visits=9, steps=300_000, seed=3)
    again = walk(crowd, [5, 9], stop_posts=200, stop_visits=9, steps=300_000, seed=3)
    other = walk(crowd, [5, 9], stop_posts=200, stop_visits=9, steps=300_000, seed=4)
    assert np.array_equal(once[0], again[0]) and np.array_equal(once[1], again[1])
    assert not np.array_equal(once[1], other[1])


@pytest.mark.parametrize("stop", [{}, {"stop_posts": 10**9}])
@pytest.mark.parametrize("steps, restart", [(1003, 1.0), (1003, 0.3), (7, 0.5), (100_003, 1.0)])
def test_no_step_more_and_none_less_than_the_budget(crowd, steps, restart, stop):
    queries, weights = np.arange(7) * 11, np.array([1, 2, 3, 0, 1, 9, 0.5])
    watched = Watched(crowd)
    walk(watched, queries, weights, steps=steps, restart=restart, **stop)
    assert watched.steps == budget(np.ones(7), weights, steps, False).sum() <= steps + 6


@pytest.mark.parametrize("stop", [{}, {"stop_posts": 10**9}])
@pytest.mark.parametrize("steps, restart", [(1003, 1.0), (1003, 0.3), (9, 0.5), (100_003, 1.0)])
def test_each_query_gets_its_own_steps_and_one_of_weight_zero_none(steps, restart, stop):
    class Lanes:
        """Seven lanes without an end; a step stays in its lane."""

        n = 7 << 20
        made = np.zeros(7, int)

        def degree(self, nodes):
            return np.ones(len(nodes))

        def step(self, nodes, rng):
            self.made += np.bincount(nodes % 7, minlength=7)
            return nodes + 7

    lanes, weights = Lanes(), np.array([1, 2, 3, 0, 1, 9, 0.5])
    nodes, visits = walk(
        lanes, range(7), weights, steps=steps, restart=restart, booster=False, **stop
    )
    share = [max(1, int(steps * weight / 16.5)) if weight else 0 for weight in weights]
    assert lanes.made.tolist() == share
    assert np.bincount(nodes % 7, visits, 7).tolist() == share


@pytest.mark.parametrize("restart", [0.2, 0.5, 0.8])
def test_walkers_go_back_as_often_as_is_said(restart):
    class Road:
        """A road without an end."""

        n = 1 << 20
        made = np.zeros(100, int)

        def degree(self, nodes):
            return np.ones(len(nodes))

        def step(self, nodes, rng):
            self.made += np.bincount(nodes, minlength=100)
            return nodes + 1

    road = Road()
    walk(road, [0], steps=40_000, restart=restart)
    rounds = max(1, round(4 / restart))
    expected = (1 + (rounds - 1) * restart) / rounds  # all begin at home
    assert road.made[0] / 40_000 == pytest.approx(expected, abs=0.02)
    assert road.made.sum() == 40_000


@pytest.mark.parametrize("booster", [True, False])
def test_scores_and_their_order_against_a_slow_count(crowd, booster):
    queries = np.array([3, 40, 41])
    watched = Watched(crowd)
    nodes, scores = walk(watched, queries, steps=6000, booster=booster, seed=1)
    seen = Counter(zip(watched.log[0].tolist(), np.repeat(queries, 2000).tolist(), strict=True))
    slow = dict.fromkeys((node for node, _ in seen if node not in queries), 0.0)
    for (node, _), visits in seen.items():
        if node in slow:
            slow[node] += np.sqrt(visits) if booster else visits
    slow = {node: score**2 if booster else score for node, score in slow.items()}
    assert dict(zip(nodes.tolist(), scores.tolist(), strict=True)) == pytest.approx(slow)
    assert np.array_equal(np.lexsort((nodes, -scores)), np.arange(len(nodes)))


def test_nodes_of_a_graph_too_large_for_32_bits():
    class Huge:
        n = 1 << 40

        def degree(self, nodes):
            return np.ones(len(nodes))

        def step(self, nodes, rng):
            return nodes + (1 << 36)

    nodes, visits = walk(Huge(), [0, 5, 1 << 39], steps=30, booster=False)
    assert nodes.tolist() == [1 << 36, (1 << 36) + 5, (1 << 39) + (1 << 36)]
    assert visits.tolist() == [10, 10, 10]


def test_a_walk_without_options(crowd):
    watched = Watched(crowd)
    given = {"steps": 20_000, "restart": 1.0, "booster": True, "seed": 0}
    for options in ({}, {"stop_posts": 50}):
        one = walk(watched, [1, 2, 3], **options)
        two = walk(crowd, [1, 2, 3], np.ones(3), **given, stop_visits=4, **options)
        assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])
    assert len(watched.log[0]) == 19_998  # 6,666 of each query
    least = walk(crowd, [1], steps=1, stop_posts=1, stop_visits=1)
    assert len(least[0]) <= 1


def test_what_cannot_be_asked_of_a_walk_is_said(toy):
    for given in (
        {"steps": 0},
        {"restart": 0},
        {"restart": 1.5},
        {"seed": -1},
        {"stop_posts": 0},
        {"stop_posts": 5, "stop_visits": 0},
    ):
        with pytest.raises(BadInput, match="expected restart above 0"):
            walk(toy, [0], **given)


def test_budget_by_hand():
    # degrees 1 and e, C = log 10: s = 1·2.3026 and 2.7183·1.3026 = 3.5408
    shares = budget(np.array([1, np.e]), np.ones(2), 10_000, True, largest=10)
    assert shares.tolist() == [3940, 6059]
    assert budget(np.array([1, 9]), np.array([1, 3]), 100, False).tolist() == [25, 75]
    assert budget(np.array([1, 9]), np.array([0, 1]), 100, True).tolist() == [0, 100]


def test_weights_of_queries_share_the_steps():
    graph = graph_of([[0], [1], [0], [1]], 2)
    ids, visits = walk(graph, [0, 1], [1, 3], steps=40_000, booster=False)
    share = dict(zip(ids.tolist(), visits.tolist(), strict=True))
    assert share[3] / share[2] == pytest.approx(3, rel=0.05)


def test_prune_keeps_the_likeliest_edges():
    graph = graph_of([[0, 1, 2, 3], [0]], 4)
    kept = prune(graph, np.array([0.1, 0.9, 0.5, 0.7, 0.0]), delta=0.5)  # ⌈4^.5⌉ = 2, ⌈1⌉ = 1
    assert kept.boards_of[0].tolist() == [1, 3]
    assert kept.boards_of[1].tolist() == [0]
    assert [kept.posts_on[b].tolist() for b in range(4)] == [[1], [0], [], [0]]
    whole = prune(graph, np.zeros(5), delta=1)
    assert whole.boards_of[0].tolist() == [0, 1, 2, 3]


def test_pools_as_further_boards_join_posts_that_share_no_tag(toy):
    assert 4 in walk(with_boards(toy, [np.array([1, 4])]), [1], steps=2000)[0]


def test_further_boards_weigh_what_is_said_beside_the_heaviest_old_one():
    weights, bias = np.array([3.0, 1.0, 2.0]), np.array([1, 0.5, 1, 1, 1])
    old = graph_of([[0, 1], [0], [1, 2], [2], []], 3, board_weights=weights, post_bias=bias)
    made = with_boards(old, [np.array([4, 1]), np.array([0])], weight=0.5)
    assert [made.boards_of[post].tolist() for post in range(5)] == [
        [0, 1, 4],
        [0, 3],
        [1, 2],
        [2],
        [3],
    ]
    assert [sorted(made.posts_on[board].tolist()) for board in range(5)] == [
        [0, 1],
        [0, 2],
        [2, 3],
        [1, 4],
        [0],
    ]
    assert made.board_weights.tolist() == [3, 1, 2, 1.5, 1.5]
    assert made.post_bias is bias and old.board_weights is weights
    assert with_boards(graph_of([[0]], 1), [np.array([0])]).board_weights is None


def test_neighbor_tables_and_their_cache_walk_alike():
    table = np.array([[1, 2], [0, -1], [0, 1], [-1, -1]], np.int32)
    asked = []

    def ask(node):
        asked.append(node)
        return table[node][table[node] >= 0]

    cached = CachedNeighbors(4, 2, ask)
    for start in range(4):
        expected = walk(NeighborTable(table), [start], steps=800, restart=0.5, seed=5)
        got = walk(cached, [start], steps=800, restart=0.5, seed=5)
        assert np.array_equal(got[0], expected[0]) and np.array_equal(got[1], expected[1])
    assert sorted(asked) == [0, 1, 2, 3]  # each once


def test_every_neighbor_of_a_short_row_is_as_likely():
    table = np.array([[1, 2, 3, -1, -1, -1, -1], [-1] * 7, [0] * 7, [0] * 7], np.int32)
    reached = NeighborTable(table).step(np.zeros(60_000, int), np.random.default_rng(0))
    assert np.bincount(reached, minlength=4) / 60_000 == pytest.approx(
        [0, *[1 / 3] * 3], abs=0.01
    )
    assert NeighborTable(table).step(np.array([1, 2]), np.random.default_rng(0)).tolist() == [
        -1,
        0,
    ]


def test_checkerboard_stays_in_its_color():
    rng = np.random.default_rng(0)
    boards = [rng.choice(np.arange(20) * 2 + post % 2, 5, replace=False) for post in range(100)]
    graph = graph_of(boards, 40)
    for query in (0, 1):
        ids, _ = walk(graph, [query], steps=5000, restart=0.2)
        assert set(ids % 2) == {query}


def test_choose_of_empty_and_weightless_rows_is_minus_one():
    rows = Ragged(np.array([0, 0, 2]), np.array([0, 1]))
    rng = np.random.default_rng(0)
    assert rows.choose(np.array([0, 0]), rng).tolist() == [-1, -1]
    assert rows.choose(np.array([0, 1]), rng, np.zeros(2)).tolist() == [-1, -1]
    assert set(rows.choose(np.ones(50, int), rng, np.array([0.0, 2.0])).tolist()) == {1}
    weights = np.array([0.0, 2.0])
    assert rows.choose(np.array([1, -1, 0, 1]), rng).tolist()[1:3] == [-1, -1]
    assert rows.choose(np.array([1, -1, 0, 1]), rng, weights).tolist() == [1, -1, -1, 1]
    assert rows.choose(np.zeros(0, int), rng, weights).tolist() == []


def test_choose_draws_in_proportion_from_few_rows_and_from_many():
    rows = Ragged(np.array([0, 3, 5]), np.array([0, 1, 2, 1, 3]))
    weights = np.array([1.0, 2.0, 0.0, 6.0])
    for asked in (np.repeat([0, 1], 50_000), np.tile([0, 1], 50_000)):
        drawn = rows.choose(asked, np.random.default_rng(1), weights)
        for row, shares in ((0, [1 / 3, 2 / 3, 0, 0]), (1, [0, 1 / 4, 0, 3 / 4])):
            got = np.bincount(drawn[asked == row], minlength=4) / 50_000
            assert got == pytest.approx(shares, abs=0.01)
