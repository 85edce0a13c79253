"""Tag vectors against hand-worked numbers, exact linear algebra and planted clusters."""

import numpy as np
import pytest
import scipy.sparse as sp

from e6graph.embedding import (
    cooccurrence,
    embed_vocabulary,
    ppmi,
    truncated_svd,
    unit_rows,
)
from e6graph.errors import BadInput
from e6graph.interactions import Vocabulary


def csr(rows):
    return sp.csr_matrix(np.array(rows, np.float32))


def vocabulary(n):
    return Vocabulary([f"t{i}" for i in range(n)], np.arange(n, dtype=np.int32), np.full(n, 9))


def clusters(n_posts=600, groups=4, size=8, seed=0):
    """Posts of five tags, all from one group of tags."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n_posts, groups * size), np.float32)
    for row in x:
        group = rng.integers(groups)
        row[group * size + rng.choice(size, 5, replace=False)] = 1
    return sp.csr_matrix(x)


def test_cooccurrence_in_blocks_is_that_of_the_whole():
    x = clusters()
    whole = (x.T @ x).toarray()
    np.fill_diagonal(whole, 0)
    got = cooccurrence([x[:100], x[100:101], x[101:]])
    assert np.array_equal(got.toarray(), whole)
    assert got.dtype == np.float32


def test_cooccurrence_needs_a_block():
    with pytest.raises(BadInput, match="expected at least one"):
        cooccurrence([])


def test_ppmi_by_hand():
    # Three tags, one post each pair but (a, b) twice: C = [[0,2,1],[2,0,1],[1,1,0]], total 8.
    counts = csr([[0, 2, 1], [2, 0, 1], [1, 1, 0]])
    got = ppmi(counts, smoothing=1).toarray()
    # PMI(a, b) = log(2/8 / (3/8 · 3/8)) = log(16/9); PMI(a, c) = log(1/8 / (3/8 · 2/8)) = log(4/3)
    expected = np.log([[1, 16 / 9, 4 / 3], [16 / 9, 1, 4 / 3], [4 / 3, 4 / 3, 1]])
    assert got == pytest.approx(expected, abs=1e-6)


def test_context_smoothing_lowers_rare_contexts():
    counts = csr([[0, 2, 1], [2, 0, 1], [1, 1, 0]])
    plain, smooth = (ppmi(counts, a).toarray() for a in (1, 0.75))
    # P_.75(c) = 2^.75 / (2·3^.75 + 2^.75) = 0.2695 in place of 2/8
    assert smooth[0, 2] == pytest.approx(np.log(1 / 3 / 0.26947), abs=1e-4)
    assert smooth[0, 2] < plain[0, 2]


def test_ppmi_clips_at_zero_and_leaves_its_input_alone():
    counts = csr([[0, 1, 9], [1, 0, 9], [9, 9, 0]])
    before = counts.toarray().copy()
    assert ppmi(counts, 1).toarray()[0, 1] == 0  # log(1/38 / (10/38)²) < 0
    assert np.array_equal(counts.toarray(), before)


def test_svd_agrees_with_the_exact_one():
    rng = np.random.default_rng(0)
    matrix = sp.random_array((200, 200), density=0.2, rng=rng, dtype=np.float32).tocsr()
    vectors, values = truncated_svd(matrix, 10, iterations=12)
    left, exact, _ = np.linalg.svd(matrix.toarray())
    assert values == pytest.approx(exact[:10], rel=1e-3)
    assert np.abs(vectors[:, :3].T @ left[:, :3]) == pytest.approx(np.eye(3), abs=1e-2)
    assert vectors.T @ vectors == pytest.approx(np.eye(10), abs=1e-4)


def test_svd_signs_are_fixed_and_runs_repeat():
    matrix = ppmi(cooccurrence([clusters()]))
    one, two = truncated_svd(matrix, 6, seed=3)[0], truncated_svd(matrix, 6, seed=3)[0]
    assert np.array_equal(one, two)
    assert (one[np.abs(one).argmax(0), np.arange(6)] > 0).all()


def test_more_dimensions_than_rank_are_zero_not_noise():
    vectors, values = truncated_svd(csr(np.eye(3)), 5)
    assert vectors.shape == (3, 5)
    assert values == pytest.approx([1, 1, 1, 0, 0], abs=1e-6)
    assert not vectors[:, 3:].any()


def test_nearest_tags_are_of_the_same_cluster():
    x = clusters()
    made = embed_vocabulary(vocabulary(32), cooccurrence([x]), dim=8)
    assert np.linalg.norm(made.vecs, axis=1) == pytest.approx(np.ones(32), abs=1e-5)
    for tag in range(32):
        near = [int(name[1:]) // 8 for name, _ in made.nearest(made.vecs[tag], 8)]
        assert near == [tag // 8] * 8


def test_a_tag_that_meets_no_other_is_left_out():
    x = sp.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32))
    made = embed_vocabulary(vocabulary(3), cooccurrence([x]), dim=2)
    assert made.tags == ["t0", "t1"]
    assert made.tag_ids.tolist() == [0, 1]
    assert np.isfinite(made.vecs).all()


def test_nearest_gives_descending_cosines_and_the_tag_itself_among_them():
    made = embed_vocabulary(vocabulary(32), cooccurrence([clusters()]), dim=8)
    names, cosines = zip(*made.nearest(made.vecs[5] * 7, 32), strict=True)
    assert dict(zip(names, cosines, strict=True))["t5"] == pytest.approx(1, abs=1e-5)
    assert list(cosines) == sorted(cosines, reverse=True)


def test_unit_rows_leaves_its_argument_alone():
    given = np.array([[3.0, 4.0]])
    unit_rows(given)
    assert given.tolist() == [[3, 4]]


def test_dictionary_keeps_the_contract_formats(built_index):
    with np.load(built_index / "dictionary.npz", allow_pickle=False) as file:
        tags, vecs, frqs = file["tags"], file["vecs"], file["frqs"]
    assert tags.dtype.kind == "U" and vecs.dtype == np.float32 and frqs.dtype == np.int64
    assert len(tags) == len(vecs) == len(frqs)
    assert (np.diff(frqs) <= 0).all()
