"""The walk against exact probabilities, hand-worked budgets and a checkerboard."""

import numpy as np
import pytest

from e6graph.pixie import (
    CachedNeighbors,
    NeighborTable,
    bipartite,
    budget,
    prune,
    walk,
    with_boards,
)
from e6graph.ragged import Ragged


def graph_of(boards_of, n_boards, **options):
    posts = np.repeat(np.arange(len(boards_of)), [len(b) for b in boards_of])
    return bipartite(posts, np.concatenate(boards_of).astype(int), len(boards_of), n_boards,
                     **options)  # fmt: skip


@pytest.fixture
def toy():
    """Post 0 on boards 0, 1; 1 on 0; 2 on 1, 2; 3 on 2; 4 on none."""
    return graph_of([[0, 1], [0], [1, 2], [2], []], 3)


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


def test_early_stop_walks_less(toy):
    _, all_of_it = walk(toy, [0], steps=32_000, booster=False)
    _, stopped = walk(toy, [0], steps=32_000, booster=False, stop_posts=2, stop_visits=4)
    assert (stopped >= 4).sum() >= 2
    assert stopped.sum() < all_of_it.sum() / 2


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
