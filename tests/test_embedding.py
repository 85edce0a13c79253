"""Tag vectors against hand-worked numbers, exact linear algebra and planted clusters."""

import time

import numpy as np
import pytest
import scipy.sparse as sp

from e6graph.embedding import cooccurrence, pair_counts, ppmi, svd, truncated_svd, unit_rows
from e6graph.embedding.dictionary import Dictionary, embed_vocabulary
from e6graph.errors import BadArtifact, BadInput
from e6graph.store import Store, parallel
from e6graph.tags.vocabulary import Vocabulary


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


@pytest.mark.parametrize("frequent", [0, 1, 5, 31, 32, 1000])
@pytest.mark.parametrize(("chunk", "batch"), [(50_000, 10**9), (37, 100), (37, 2000)])
def test_cooccurrence_is_the_same_however_it_is_split(monkeypatch, frequent, chunk, batch):
    monkeypatch.setattr(pair_counts, "POSTS_IN_16_BITS", chunk)
    monkeypatch.setattr(pair_counts, "PAIRS_AT_ONCE", batch)
    x = clusters()
    whole = (x.T @ x).toarray()
    np.fill_diagonal(whole, 0)
    got = cooccurrence([x[:100], x[100:101], x[101:]], frequent)
    assert np.array_equal(got.toarray(), whole)
    assert got.has_sorted_indices and (got.data > 0).all() and got.dtype == np.float32


def test_counts_past_16_bits_are_exact():
    x = sp.csr_matrix(np.ones((70_000, 2), np.float32))
    assert cooccurrence([x]).toarray().tolist() == [[0, 70_000], [70_000, 0]]
    assert pair_counts.POSTS_IN_16_BITS < 2**16


def test_posts_without_pairs_have_no_cooccurrence():
    assert cooccurrence([sp.csr_matrix((0, 3), dtype=np.float32)]).nnz == 0
    assert cooccurrence([csr(np.eye(3))], frequent=1).nnz == 0


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
    matrix = sp.random_array(
        (200, 200), density=0.2, random_state=rng, dtype=np.float32
    ).tocsr()
    vectors, values = truncated_svd(matrix, 10)
    left, exact, _ = np.linalg.svd(matrix.toarray())
    assert values == pytest.approx(exact[:10], rel=1e-3)
    assert np.abs(vectors[:, :3].T @ left[:, :3]) == pytest.approx(np.eye(3), abs=1e-2)
    assert vectors.T @ vectors == pytest.approx(np.eye(10), abs=1e-4)


def test_svd_signs_are_fixed_and_runs_repeat():
    matrix = ppmi(cooccurrence([clusters()]))
    one, two = truncated_svd(matrix, 6, seed=3)[0], truncated_svd(matrix, 6, seed=3)[0]
    assert np.array_equal(one, two)
    assert (one[np.abs(one).argmax(0), np.arange(6)] > 0).all()


def test_a_banded_matrix_is_the_matrix_whatever_is_dense(monkeypatch):
    monkeypatch.setattr(svd, "BAND_ROWS", 7)
    monkeypatch.setattr(svd, "TILE_COLUMNS", 5)
    rng = np.random.default_rng(0)
    matrix = sp.random_array((33, 33), density=0.2, random_state=rng, dtype=np.float32).tocsr()
    matrix = matrix.tolil()
    matrix[:9, :9] = 1  # crowded
    matrix = matrix.tocsr()
    columns = rng.standard_normal((33, 4)).astype(np.float32)
    for crowded in (0, 0.3, 2):
        monkeypatch.setattr(svd, "CROWDED", crowded)
        made = svd.BandedMatrix(svd.bands_of(sp.csr_matrix(matrix)))
        assert made.times(columns) == pytest.approx(matrix @ columns, abs=1e-5)
        assert made.transposed_times(columns) == pytest.approx(matrix.T @ columns, abs=1e-5)
        kept = [band.dense.shape[1] for band in made.bands]
        assert (
            kept[0] == 33 if crowded == 0 else kept[0] == 0 if crowded == 2 else kept[0] >= 10
        )


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (1, 5), (5, 1), (14, 14)])
def test_bands_of_a_matrix_of_any_shape_are_all_its_rows(monkeypatch, shape):
    monkeypatch.setattr(svd, "BAND_ROWS", 7)
    monkeypatch.setattr(svd, "TILE_COLUMNS", 5)
    matrix = csr(np.random.default_rng(0).random(shape) * (np.indices(shape).sum(0) % 2))
    bands = list(svd.bands_of(matrix))
    assert [band.shape[0] for band in bands[:-1]] == [7] * (len(bands) - 1)
    assert np.array_equal(sp.vstack(bands).toarray(), matrix.toarray())
    made = svd.BandedMatrix(svd.bands_of(matrix))
    assert made.rows == shape[0] and len(made.bands) == -(-shape[0] // 7)
    columns = np.ones((shape[1], 2), np.float32)
    assert made.times(columns) == pytest.approx(matrix @ columns, abs=1e-5)
    columns = np.ones((shape[0], 2), np.float32)
    assert made.transposed_times(columns) == pytest.approx(matrix.T @ columns, abs=1e-5)


def test_answers_do_not_depend_on_the_cores(monkeypatch):
    made = {}
    for cores in (1, 2, 5):
        monkeypatch.setattr(parallel, "cores", lambda n=cores: n)
        made[cores] = embed_vocabulary(vocabulary(32), cooccurrence([clusters()]), dim=8).vecs
    assert np.array_equal(made[1], made[2]) and np.array_equal(made[1], made[5])


def test_in_order_keeps_the_order_and_passes_errors_on():
    def slow_first(i):
        time.sleep(0.05 if i == 0 else 0)
        return i * i

    assert list(parallel.in_order(slow_first, range(9))) == [i * i for i in range(9)]
    with pytest.raises(ZeroDivisionError):
        list(parallel.in_order(lambda i: 1 / i, [1, 0, 2]))


def test_more_dimensions_than_rank_are_zero_not_noise():
    vectors, values = truncated_svd(csr(np.eye(3)), 5)
    assert vectors.shape == (3, 5)
    assert values == pytest.approx([1, 1, 1, 0, 0], abs=1e-6)
    assert not vectors[:, 3:].any()


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_a_singular_matrix_has_its_vectors_and_then_zeros(rank):
    rng = np.random.default_rng(rank)
    left, right = rng.random((80, rank)), rng.random((rank, 80))
    matrix = (left @ right).astype(np.float32)
    vectors, values = truncated_svd(csr(matrix), 10)
    exact, sizes, _ = np.linalg.svd(matrix.astype(float))
    assert values == pytest.approx([*sizes[:rank], *[0] * (10 - rank)], rel=1e-4, abs=1e-3)
    assert not vectors[:, rank:].any()
    same = np.abs(np.einsum("ij,ij->j", vectors[:, :rank], exact[:, :rank]))
    assert same == pytest.approx(np.ones(rank), abs=1e-3)


@pytest.mark.parametrize("size", [1e-9, 1e6])
def test_the_size_of_the_numbers_changes_no_vector(size):
    matrix = np.diag([3.0, 2.0, 1.0]) + 0.1
    vectors, values = truncated_svd(csr(matrix * size), 3)
    expected, sizes = truncated_svd(csr(matrix), 3)
    assert vectors == pytest.approx(expected, abs=1e-4)
    assert values == pytest.approx(sizes * size, rel=1e-4)


def test_a_matrix_of_zeros_has_no_vectors():
    vectors, values = truncated_svd(csr(np.zeros((5, 5))), 3)
    assert vectors.shape == (5, 3) and not vectors.any() and not values.any()


@pytest.mark.parametrize("power", [0, 0.5, 1])
def test_vectors_are_those_of_the_svd_times_a_power_of_its_values(power):
    """Up to their signs: cosines of U Σ^p, of a dense SVD."""
    counts = cooccurrence([clusters()])
    made = embed_vocabulary(vocabulary(32), counts, dim=32, eig_power=power)
    left, sizes, _ = np.linalg.svd(ppmi(counts).toarray().astype(float))
    expected = left * sizes**power
    expected /= np.linalg.norm(expected, axis=1)[:, None]
    assert made.vecs @ made.vecs.T == pytest.approx(expected @ expected.T, abs=2e-3)
    assert made.singular_values == pytest.approx(sizes, rel=1e-3, abs=1e-3)
    few = embed_vocabulary(vocabulary(32), counts, dim=4, eig_power=power)
    expected = left[:, :4] * sizes[:4] ** power  # a value for each of the four clusters
    expected /= np.linalg.norm(expected, axis=1)[:, None]
    assert few.vecs @ few.vecs.T == pytest.approx(expected @ expected.T, abs=2e-3)


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


def test_a_seed_is_one_start_and_zero_is_the_usual_one():
    matrix = csr(np.random.default_rng(0).random((200, 200)))
    usual, zero, one = (
        truncated_svd(matrix, 2, depth=0, **seed)[0] for seed in ({}, {"seed": 0}, {"seed": 1})
    )
    assert np.array_equal(usual, zero) and not np.allclose(usual, one, atol=1e-3)
    counts = cooccurrence([clusters()])
    made = embed_vocabulary(vocabulary(32), counts, dim=8)
    again = embed_vocabulary(vocabulary(32), counts, dim=8, seed=0)
    assert np.array_equal(made.vecs, again.vecs)
    assert len(made.nearest(made.vecs[0])) == 8


def test_nearest_gives_descending_cosines_and_the_tag_itself_among_them():
    made = embed_vocabulary(vocabulary(32), cooccurrence([clusters()]), dim=8)
    names, cosines = zip(*made.nearest(made.vecs[5] * 7, 32), strict=True)
    assert dict(zip(names, cosines, strict=True))["t5"] == pytest.approx(1, abs=1e-5)
    assert list(cosines) == sorted(cosines, reverse=True)


def test_a_tag_is_never_its_own_neighbor_and_the_last_bit_decides_nothing():
    """Equal vectors but for a rounding error, so that a tag is not even the first of its kind."""
    vecs = np.array([[1, 0], [1 + 2e-7, 0], [1 - 2e-7, 1e-8], [0.6, 0.8]], np.float32)
    made = Dictionary(list("abcd"), vecs, np.arange(9, 5, -1), np.arange(4), np.ones(2))
    for row, others in enumerate(("bcd", "acd", "abd", "abc")):
        found = made.nearest(vecs[row], 3, but=row)
        assert [tag for tag, _ in found] == list(others)
    assert [tag for tag, _ in made.nearest(vecs[1], 2)] == ["a", "b"]  # equals by use
    assert made.nearest(vecs[3], 9, but=3) == [("a", 0.6), ("b", 0.6), ("c", 0.6)]


def test_no_pairs_are_refused():
    with pytest.raises(BadInput, match="no two tags of the vocabulary meet"):
        embed_vocabulary(vocabulary(3), cooccurrence([csr(np.eye(3))]))


def test_unit_rows_leaves_its_argument_alone():
    given = np.array([[3.0, 4.0]])
    unit_rows(given)
    assert given.tolist() == [[3, 4]]


def test_a_dictionary_of_e6db_has_ids_by_row_and_a_damaged_one_is_one_line(tmp_path):
    store = Store(tmp_path)

    def opened(**arrays):
        with store.stage("embed_tags.py") as stage:
            stage.save_npz("dictionary.npz", **arrays)
        return Dictionary.open(store)

    whole = {
        "tags": np.array(["fox", "owl"]),
        "vecs": np.eye(2, 3, dtype=np.float32),
        "frqs": np.array([9, 4]),
    }
    made = opened(**whole)
    assert (made.tags, made.tag_ids.tolist()) == (["fox", "owl"], [0, 1])
    assert made.tag_ids.dtype == np.int32 and made.singular_values.tolist() == [1, 1, 1]
    assert made.vocabulary.frequencies.tolist() == [9, 4]
    more = opened(**whole, tag_ids=np.array([3, 7]), singular_values=np.arange(3.0))
    assert (more.tag_ids.tolist(), more.singular_values.tolist()) == ([3, 7], [0, 1, 2])
    for name in whole:
        left = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(BadArtifact, match=f"has no '{name}': run embed_tags.py again"):
            opened(**left)
        with pytest.raises(BadArtifact, match="expected as many of each"):
            opened(**left, **{name: whole[name][:1]})
    with pytest.raises(BadArtifact, match="expected as many of each"):
        opened(**whole | {"vecs": np.ones(2)})


def test_dictionary_keeps_the_contract_formats(built_index):
    with np.load(built_index / "dictionary.npz", allow_pickle=False) as file:
        tags, vecs, frqs = file["tags"], file["vecs"], file["frqs"]
    assert tags.dtype.kind == "U" and vecs.dtype == np.float32 and frqs.dtype == np.int64
    assert len(tags) == len(vecs) == len(frqs)
    assert (np.diff(frqs) <= 0).all()


def test_blocks_pass_unchanged_while_their_posts_are_tallied():
    blocks = [
        sp.csr_matrix(np.array(rows, np.float32)) for rows in ([[1, 1], [0, 1]], [[0, 1]])
    ]
    held = np.zeros(2, np.int64)
    assert all(
        a is b for a, b in zip(pair_counts.tallied(iter(blocks), held), blocks, strict=True)
    )
    assert held.tolist() == [1, 3]
