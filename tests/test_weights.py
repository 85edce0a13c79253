"""Weights learned from pools: planted ones come back, and half of the pools is never looked at."""

from types import SimpleNamespace

import numpy as np
import pytest
from boards import post, write_export

import construct_index
import embed_tags
import hydrate_data
import solve_attenuator
from e6graph import PostGraph
from e6graph.errors import BadArtifact
from e6graph.recommend import weights as module
from e6graph.recommend.ranking import DEFAULT_WEIGHTS, Ranking
from e6graph.recommend.weights import (
    WEIGHTS_FILE,
    draw_pool_queries,
    fit_weights,
    learn_weights,
    open_ranking,
    pool_rows,
    save_weights,
)
from e6graph.store import Store


def drawn(weights, n=4000, candidates=20, seed=0):
    """Queries whose best one is drawn in proportion to exp(parts @ weights)."""
    rng = np.random.default_rng(seed)
    parts = rng.random((n, candidates, len(weights)))
    chance = np.exp(parts @ weights)
    chance /= chance.sum(1, keepdims=True)
    return [(p, int(rng.choice(candidates, p=c))) for p, c in zip(parts, chance, strict=True)]


def test_planted_weights_come_back_and_a_harmful_part_gets_nothing():
    planted = np.array([4.0, 1.5, -2.0])
    found = fit_weights(drawn(planted), np.ones(3))
    assert found[:2] == pytest.approx(planted[:2], abs=0.3)
    assert found[2] == 0


def test_the_slope_is_that_of_finite_differences(monkeypatch):
    asked = []

    def remember(loss, start, **options):
        asked.append((loss, options))
        return SimpleNamespace(x=start)

    monkeypatch.setattr(module, "minimize", remember)
    prior = np.array([1.0, 0.5, 2.0])
    fit_weights(drawn(np.array([2.0, 1.0, 0.5]), 7), prior)
    ((loss, options),) = asked
    assert options["jac"] is True
    for weights in np.random.default_rng(0).random((5, 3)) * 3:
        found = loss(weights)[1]
        step = 1e-5 * np.eye(3)
        expected = [(loss(weights + s)[0] - loss(weights - s)[0]) / 2e-5 for s in step]
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_the_best_weights_of_one_query_by_hand(monkeypatch):
    """Two candidates and one part: −log σ(w) + (w − 1)², of which the slope is 0 there."""
    monkeypatch.setattr(module, "PRIOR_WEIGHT", 2.0)
    (weight,) = fit_weights([(np.array([[1.0], [0.0]]), 0)], np.array([1.0]))
    assert 2 * (weight - 1) == pytest.approx(1 / (1 + np.exp(weight)), abs=1e-4)
    (other,) = fit_weights([(np.array([[0.0], [1.0]]), 0)], np.array([1.0]))
    assert 2 * (1 - other) == pytest.approx(1 / (1 + np.exp(-other)), abs=1e-4)


def test_nothing_to_learn_from_leaves_the_prior_and_little_moves_it_little():
    prior = np.array([5.0, 0.5])
    assert fit_weights([], prior) == pytest.approx(prior)
    few, many = (fit_weights(drawn(np.array([0.5, 5.0]), n), prior) for n in (5, 2000))
    assert abs(few - prior).max() < abs(many - prior).max()


def board(directory, pools_by, n=240):
    """Posts of an artist and a character each, drawn apart; pools are of one artist or one role."""
    rng = np.random.default_rng(0)
    artist, role = rng.integers(0, 12, n), rng.integers(0, 12, n)
    posts = [
        post(i + 1, f"art{a}_(artist) role{c} thing{t} scene", uploader_id=7)
        for i, (a, c, t) in enumerate(zip(artist, role, rng.integers(0, 8, n), strict=True))
    ]
    tags = {f"art{i}_(artist)": 1 for i in range(12)} | {f"role{i}": 4 for i in range(12)}
    tags |= {f"thing{i}": 0 for i in range(8)} | {"scene": 0}
    groups = []
    for k in range(12):
        even, odd = (artist, role) if pools_by == "artist" else (role, artist)
        groups.append((2 * k + 1, f"p{2 * k}", (np.flatnonzero(even == k) + 1).tolist()))
        groups.append((2 * k + 2, f"p{2 * k + 1}", (np.flatnonzero(odd == k) + 1).tolist()))
    return write_export(directory, posts, tags, pools=groups)


def build(export, index):
    hydrate_data.main(["--from", str(export), "--index", str(index)])
    embed_tags.main(["--index", str(index), "--dim", "8", "--min-count", "2"])
    solve_attenuator.main(["--index", str(index)])
    construct_index.main(["--index", str(index), "--trees", "2"])
    return Store(index)


@pytest.mark.parametrize(
    ("pools_by", "other"), [("artist", "character"), ("character", "artist")]
)
def test_what_makes_the_even_pools_gets_the_weight(tmp_path, pools_by, other, capsys):
    store = build(board(tmp_path / "export", pools_by), tmp_path / "index")
    ranking = PostGraph.open(store.root, "sqe", None).ranking
    assert ranking.parts[pools_by] > 5 * max(ranking.parts[other], 0.1)
    assert "180 queries" in capsys.readouterr().out
    weights, agreement, queries = learn_weights(ranking)
    assert (weights, queries) == (ranking.parts, 180)
    assert (agreement == ranking.foreignness.agreement).all()


def test_a_board_without_pools_has_the_defaults(tmp_path, capsys):
    export = write_export(tmp_path / "export", [post(i, "fox night") for i in range(1, 9)])
    store = build(export, tmp_path / "index")
    assert PostGraph.open(store.root).ranking.parts == DEFAULT_WEIGHTS
    assert "no pools to learn from" in capsys.readouterr().out


def test_queries_hide_one_member_and_pass_over_short_pools():
    pools = [np.array([4, 5]), np.array([1, 2, 3, 3]), np.arange(10, 30)]
    queries = draw_pool_queries(pools, 50, size=5)
    assert len(queries) == 50
    for rows, hidden in queries:
        pool = {1, 2, 3} if hidden < 10 else set(range(10, 30))
        assert {*rows, hidden} <= pool and hidden not in rows
        assert len(rows) == (2 if hidden < 10 else 5)
    assert draw_pool_queries(pools[:1], 50) == []


def test_a_pool_of_three_is_long_enough_and_one_of_two_is_not():
    three = np.array([7, 9, 8])
    queries = draw_pool_queries([np.array([1, 2]), three], 6)
    assert len(queries) == 6
    assert all({*rows.tolist(), hidden} == {7, 8, 9} for rows, hidden in queries)
    assert {hidden for _, hidden in draw_pool_queries([three], 50)} == {7, 8, 9}


def test_a_query_is_ranked_against_all_others_and_never_itself(built_index, monkeypatch):
    ranking = PostGraph.open(built_index, "sqe", None).ranking
    pools = {tuple(sorted(rows.tolist())) for rows in pool_rows(ranking.posts)[::2]}
    asked, parts_of = [], Ranking.parts_of

    def remember(self, rows, queries):
        asked.append((set(rows.tolist()), {query.row for query in queries}))
        return parts_of(self, rows, queries)

    monkeypatch.setattr(Ranking, "parts_of", remember)
    learned, _, queries = learn_weights(ranking, seed=2)
    assert queries == len(asked) > 250
    assert set(learned) == set(DEFAULT_WEIGHTS) and min(learned.values()) >= 0
    digits = {len(repr(weight).partition(".")[2]) for weight in learned.values()}
    assert max(digits) == 3
    for rows, liked in asked:
        pool = next(set(pool) for pool in pools if liked < set(pool))
        assert not rows & liked and rows & pool and len(rows) > 20
    others = {row for rows, _ in asked for row in rows}
    assert {row for _, liked in asked for row in liked} <= others


def test_fewer_queries_than_pools_are_of_pools_far_apart():
    pools = [np.arange(3) + 10 * k for k in range(9)]
    assert [hidden // 10 for _, hidden in draw_pool_queries(pools, 3)] == [0, 3, 6]
    assert [hidden // 10 for _, hidden in draw_pool_queries(pools, 9)] == list(range(9))
    assert [hidden // 10 for _, hidden in draw_pool_queries(pools[:2], 3)] == [0, 1, 0]
    one, same, other = (draw_pool_queries(pools, 9, seed=seed) for seed in (1, 1, 2))
    hidden = [[found for _, found in queries] for queries in (one, same, other)]
    assert hidden[0] == hidden[1] != hidden[2]


def test_pools_are_of_indexed_posts(built_index):
    posts = PostGraph.open(built_index).posts
    assert len(pool_rows(posts)) > 5
    assert all((rows >= 0).all() and (rows < len(posts)).all() for rows in pool_rows(posts))


@pytest.mark.parametrize(
    "weights",
    [{"walk": 1.0}, DEFAULT_WEIGHTS | {"walk": -1.0}, DEFAULT_WEIGHTS | {"walk": np.nan}],
)
def test_foreign_weights_are_refused_in_one_line(built_index, weights, tmp_path):
    store, graph = Store(tmp_path), PostGraph.open(built_index)
    with store.stage("construct_index.py") as stage:
        save_weights(stage, weights, np.full(len(graph.posts.names), 0.5))
    with pytest.raises(
        BadArtifact, match=f"{WEIGHTS_FILE} weighs .*run construct_index.py again"
    ):
        open_ranking(store, graph.posts, graph.catalog.neighbors)


@pytest.mark.parametrize("agreement", [np.full(3, 0.5), np.zeros(1), None])
def test_foreign_agreements_are_refused_in_one_line(built_index, agreement, tmp_path):
    store, graph = Store(tmp_path), PostGraph.open(built_index)
    if agreement is None:
        agreement = np.full(len(graph.posts.names), np.nan)
    with store.stage("construct_index.py") as stage:
        save_weights(stage, DEFAULT_WEIGHTS, agreement)
    with pytest.raises(BadArtifact, match=r"agreements .*run construct_index\.py again"):
        open_ranking(store, graph.posts, graph.catalog.neighbors)


def test_one_small_pool_says_less_than_the_prior(tmp_path):
    """Of three posts many queries could be drawn, which would all say the same."""
    posts = [post(i, f"fox {'owl' if i % 2 else 'tram'} t{i % 7}") for i in range(1, 61)]
    export = write_export(tmp_path / "export", posts, pools=[(1, "x", [1, 3, 5])])
    ranking = PostGraph.open(build(export, tmp_path / "index").root, "sqe", None).ranking
    assert learn_weights(ranking)[2] <= 15
    away = [abs(ranking.parts[name] - DEFAULT_WEIGHTS[name]) for name in DEFAULT_WEIGHTS]
    assert max(away) < 1 and any(away)
