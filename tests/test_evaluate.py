"""Metrics by hand, the protocol's promises, and the order of methods on a planted board."""

import numpy as np
import pytest

from e6graph import PostGraph, evaluate
from e6graph.errors import BadInput


def test_summary_by_hand():
    got = evaluate.summarise(np.array([0, 9, 10, 999, np.inf]))
    assert got == pytest.approx([0.4, 0.6, 0.8, (1 + 1 / 10 + 1 / 11 + 1 / 1000) / 5])


def test_ties_are_broken_at_random_and_evenly():
    scores = np.array([3.0, 1.0, 1.0, 1.0, 0.0])
    rng = np.random.default_rng(0)
    ranks = [evaluate.rank_among(scores, 2, rng) for _ in range(3000)]
    assert np.bincount(ranks) / 3000 == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3], abs=0.04)


def test_queries_are_of_one_pool_and_never_hold_the_hidden_post():
    pools = [np.arange(10), np.array([20, 21]), np.array([30, 31, 32, 31])]
    made = evaluate.pool_queries(pools, 40, size=5)
    assert len(made) == 40
    for rows, hidden in made:
        assert hidden not in rows and 2 <= len(rows) <= 5
        assert len({row // 10 for row in [*rows.tolist(), hidden]}) == 1
        assert hidden // 10 != 2  # a pool of two is passed over
    assert {len(rows) for rows, _ in made} == {5, 2}


def test_no_pool_to_judge_by_is_said():
    with pytest.raises(BadInput, match="three members"):
        evaluate.pool_queries([np.arange(2)])


def test_a_perfect_score_is_a_perfect_figure():
    queries = [(np.array([0, 1]), 2), (np.array([3, 4]), 5)]
    answers = iter(queries)

    def oracle(_):
        return np.arange(10) == next(answers)[1]

    assert evaluate.judge(oracle, queries)[:4] == [1, 1, 1, 1]


def test_recommend_is_above_popularity_on_a_planted_board(built_index):
    graph = PostGraph.open(built_index)
    pools = [np.searchsorted(graph.posts.ids, p) for p in graph.posts.pools["post_ids"].to_pylist()]
    pools = [members[graph.allowed[members]] for members in pools]
    queries = evaluate.pool_queries(pools, 60)
    rows = evaluate.baselines(graph)
    got, popular = (
        evaluate.judge_recommend(graph, queries),
        evaluate.judge(rows["popularity"], queries),
    )
    assert got[1] > popular[1] and got[3] > 2 * popular[3]
    assert got[0] <= got[1] <= got[2] == 1  # all of a small board is within a thousand


def test_the_command_prints_every_row(built_index, capsys):
    evaluate.main(["--index", str(built_index), "--queries", "20"])
    out = capsys.readouterr().out
    for name in ("popularity", "raw mean", "TF-IDF", "PostGraph.recommend", "@10", "MRR"):
        assert name in out
