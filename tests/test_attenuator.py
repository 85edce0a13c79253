"""The à la carte operator against a loop over posts, and a planted linear map."""

import numpy as np
import pytest
import scipy.sparse as sp

from e6graph.embedding.attenuator import (
    attenuated_means,
    by_band,
    context_means,
    induced_cosines,
    many_context_means,
    solve,
    tag_weights,
)


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    x = sp.random_array((60, 12), density=0.3, random_state=rng, dtype=np.float32).tocsr()
    x.data[:] = 1
    return sp.csr_matrix(x), rng.standard_normal((12, 5)).astype(np.float32)


def slow_context_means(x, vecs, weights):
    """The definition, one post and one tag at a time."""
    dense = x.toarray()
    means, counts = np.zeros(vecs.shape), np.zeros(len(vecs), int)
    for tag in range(len(vecs)):
        for post in dense:
            others = [t for t in np.flatnonzero(post) if t != tag]
            if post[tag] and others:
                means[tag] += np.average(vecs[others], axis=0, weights=weights[others])
                counts[tag] += 1
    return means / np.maximum(counts, 1)[:, None], counts


@pytest.mark.parametrize("weighted", [False, True])
def test_context_means_are_those_of_the_definition(world, weighted):
    x, vecs = world
    weights = (
        np.linspace(0.1, 1, 12).astype(np.float32) if weighted else np.ones(12, np.float32)
    )
    got, contexts = context_means([x[:7], x[7:]], vecs, weights if weighted else None)
    expected, counts = slow_context_means(x, vecs, weights)
    assert contexts.tolist() == counts.tolist()
    assert got == pytest.approx(expected, abs=1e-4)


def test_several_means_in_one_pass_are_each_their_own_and_zero_where_not_asked(world):
    x, vecs = world
    weights, take = np.linspace(0.1, 1, 12).astype(np.float32), np.arange(12) % 3 == 0
    plain, some = many_context_means([x[:7], x[7:]], vecs, [(None, None), (weights, take)])
    alone, contexts = context_means([x], vecs, weights)
    assert plain[0] == pytest.approx(context_means([x], vecs)[0], abs=1e-5)
    assert some[0][take] == pytest.approx(alone[take], abs=1e-5)
    assert some[1][take].tolist() == contexts[take].tolist()
    assert not some[0][~take].any() and not some[1][~take].any()


def test_the_focal_tag_is_left_out_of_its_own_context():
    x = sp.csr_matrix(np.array([[1, 1]], np.float32))
    means, contexts = context_means([x], np.array([[1, 0], [0, 1]], np.float32))
    assert means.tolist() == [[0, 1], [1, 0]]
    assert contexts.tolist() == [1, 1]


def test_a_post_with_one_known_tag_gives_no_context():
    x = sp.csr_matrix(np.array([[1, 0], [0, 0]], np.float32))
    means, contexts = context_means([x], np.eye(2, dtype=np.float32))
    assert not means.any() and not contexts.any()


def test_solve_finds_a_planted_operator():
    rng = np.random.default_rng(1)
    true = rng.standard_normal((6, 6))
    means = rng.standard_normal((200, 6))
    got = solve(means, means @ true.T, np.ones(200), ridge=1e-10)
    assert got == pytest.approx(true, abs=1e-4)


@pytest.mark.parametrize("ridge", [1e-3, 0.5, 20.0])
def test_solve_is_the_closed_form(ridge):
    """A = (VᵀWU)(UᵀWU + λI)⁻¹, with the ridge a share of the average diagonal."""
    rng = np.random.default_rng(2)
    means, vecs, weights = rng.standard_normal((30, 4)), rng.random((30, 4)), rng.random(30)
    gram = sum(w * np.outer(u, u) for w, u in zip(weights, means, strict=True))
    cross = sum(w * np.outer(v, u) for w, u, v in zip(weights, means, vecs, strict=True))
    level = ridge * np.diag(gram).mean()
    expected = cross @ np.linalg.inv(gram + level * np.eye(4))
    assert solve(means, vecs, weights, ridge) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_without_a_ridge_it_is_the_smallest_of_many_solutions():
    means = np.array([[1.0, 1.0], [2.0, 2.0]])
    got = solve(means, np.array([[3.0, 1.0], [6.0, 2.0]]), np.ones(2), ridge=0)
    assert got == pytest.approx(np.array([[1.5, 1.5], [0.5, 0.5]]), abs=1e-5)


def test_solve_counts_only_the_tags_that_weigh():
    rng = np.random.default_rng(1)
    means = rng.standard_normal((200, 4))
    vecs = means.copy()
    vecs[100:] = rng.standard_normal((100, 4))
    weights = np.r_[np.ones(100), np.zeros(100)]
    assert solve(means, vecs, weights, ridge=1e-10) == pytest.approx(np.eye(4), abs=1e-4)


def test_a_rank_deficient_gram_matrix_is_no_trouble():
    means = np.zeros((50, 3))
    means[:, 0] = 1
    assert np.isfinite(solve(means, means, np.ones(50))).all()
    assert np.isfinite(solve(np.zeros((5, 3)), np.zeros((5, 3)), np.ones(5))).all()


def test_weightings():
    contexts = np.array([0, 5, 20, 100])
    assert tag_weights(contexts, "threshold").tolist() == [0, 0, 1, 1]
    assert tag_weights(contexts) == pytest.approx([0, np.log(5), np.log(20), np.log(100)])
    assert tag_weights(contexts, "none").tolist() == [0, 1, 1, 1]
    assert tag_weights(np.array([0, 3]), "threshold", 20).tolist() == [
        0,
        1,
    ]  # none reach it: all


def test_bands_hold_every_tag_once():
    rows = by_band(np.array([2, 4, 5, 19, 1000]), np.arange(5.0))
    assert rows == [("2-4", 2, 0.5), ("5-19", 2, 2.5), ("1000+", 1, 4.0)]


def test_bands_of_some_tags_and_of_several_columns():
    take = np.array([True, False, True, False])
    rows = by_band(np.array([4, 5, 20, 999]), np.arange(4.0), np.arange(4.0) + 8, take=take)
    assert rows == [("2-4", 1, 0.0, 8.0), ("20-99", 1, 2.0, 10.0)]
    assert by_band(np.array([1, 0]), np.ones(2)) == []


def test_induced_cosines_by_hand():
    operator = np.array([[0.0, 2.0], [-1.0, 0.0]])
    means, vecs = (
        np.array([[1.0, 0.0], [1.0, 1.0], [0, 0]]),
        np.array([[0.0, -3], [2, 2], [1, 0]]),
    )
    got = induced_cosines(operator, means, vecs)  # A u = (0, -1), (2, -1), (0, 0)
    assert got == pytest.approx([1, 1 / np.sqrt(10), 0], abs=1e-6)


def test_attenuated_means_are_unit_and_zero_where_nothing_is_known(world):
    x, vecs = world
    x = sp.vstack([x, sp.csr_matrix((1, 12), dtype=np.float32)], "csr")
    got = attenuated_means(x, vecs, np.eye(5, dtype=np.float32) * 3)
    known = np.diff(x.indptr) > 0
    assert np.linalg.norm(got[known], axis=1) == pytest.approx(np.ones(known.sum()), abs=1e-5)
    assert not got[~known].any()
    assert got == pytest.approx(attenuated_means(x, vecs, None), abs=1e-5)


def test_on_tate_attenuation_beats_the_raw_mean_for_rare_tags(tate_index):
    from e6graph.embedding.dictionary import Dictionary
    from e6graph.embedding.interactions import posts_by_tags
    from e6graph.store import Store

    store = Store(tate_index)
    made = Dictionary.open(store)
    _, x = posts_by_tags(store, made.vocabulary)
    means, contexts = context_means([x], made.vecs)
    held = np.random.default_rng(0).random(len(contexts)) < 0.2
    operator = solve(means, made.vecs, tag_weights(contexts) * ~held)
    rare = held & (made.frqs >= 5) & (made.frqs <= 19)
    raw = induced_cosines(np.eye(128, dtype=np.float32), means, made.vecs)[rare].mean()
    attenuated = induced_cosines(operator, means, made.vecs)[rare].mean()
    assert raw < 0.6
    assert attenuated >= 0.85
