"""Posts × tags from hand-made parquet: every shape Arrow gives, and the tensors of torch."""

import gzip
import sys
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from e6graph.embedding.interactions import (
    iter_posts_by_tags,
    posts_by_tags,
    tag_lists,
    to_torch,
)
from e6graph.errors import BadArtifact, BadInput, E6GraphError
from e6graph.store import Store
from e6graph.tags.vocabulary import Vocabulary, load_names, load_vocabulary

NAMES = ["mammal", "rating_safe", "fox", "night", "owl"]
# id -> (direct, implied) tag ids; the third post is empty, the fifth has tag 2 in both lists
POSTS = {3: ([1, 2, 3], [0]), 5: ([4], []), 8: ([], []), 9: ([3, 1], []), 12: ([2, 4], [0, 2])}
WHOLE = [[1, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0] * 5, [0, 1, 0, 1, 0], [1, 0, 1, 0, 1]]
DIRECT = [[0, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0] * 5, [0, 1, 0, 1, 0], [0, 0, 1, 0, 1]]


def write_index(root, ending="", kind=None, posts=POSTS, names=NAMES, **options):
    """An index as E6DB would leave it: no sidecars."""
    kind = kind or pa.list_(pa.int32())
    root.mkdir(exist_ok=True)
    (root / "tags.txt.gz").write_bytes(gzip.compress(("\n".join(names) + ending).encode()))
    frequencies = pa.array(range(60, 60 - 10 * len(names), -10), pa.int32())
    pq.write_table(pa.table({"tag": names, "freq": frequencies}), root / "tags.parquet")
    columns = {
        "id": pa.array(posts, pa.int64()),
        "stripped_tags": pa.array([direct for direct, _ in posts.values()], kind),
        "implied_tags": pa.array([implied for _, implied in posts.values()], kind),
    }
    pq.write_table(pa.table(columns), root / "posts.parquet", **options)
    return Store(root)


@pytest.fixture
def store(tmp_path):
    return write_index(tmp_path / "index")


@pytest.fixture
def whole(store):
    return load_vocabulary(store, rating_tags=True)


@pytest.mark.parametrize("ending", ["", "\n"])
def test_the_last_name_may_be_ended_by_a_newline_or_not(tmp_path, ending):
    store = write_index(tmp_path / "index", ending)
    assert load_names(store) == NAMES
    assert load_vocabulary(store).names == ["mammal", "fox", "night", "owl"]


def test_no_names(tmp_path):
    assert load_names(write_index(tmp_path / "index", names=[], posts={})) == []


@pytest.mark.parametrize(("which", "expected"), [("all", WHOLE), ("stripped", DIRECT)])
@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int32()), pa.large_list(pa.int64()), pa.list_(pa.uint32())], ids=str
)
@pytest.mark.parametrize("row_group_size", [1, 2, 100])
def test_every_post_is_a_row(tmp_path, which, expected, kind, row_group_size):
    store = write_index(tmp_path / "index", kind=kind, row_group_size=row_group_size)
    ids, matrix = posts_by_tags(store, load_vocabulary(store, rating_tags=True), which)
    assert ids.tolist() == list(POSTS) and ids.dtype == np.int64
    assert matrix.toarray().tolist() == expected
    assert matrix.dtype == np.float32 and matrix.has_canonical_format
    assert all(part.flags.writeable for part in (matrix.data, matrix.indices, matrix.indptr))


def test_tags_outside_the_vocabulary_are_left_out(store, whole):
    for columns in ([0], [2, 3], [1, 4], []):
        at = np.array(columns, int)
        names = [whole.names[c] for c in columns]
        some = Vocabulary(names, whole.tag_ids[at], whole.frequencies[at])
        ids, matrix = posts_by_tags(store, some)
        assert ids.tolist() == list(POSTS)  # a post without any of them is an empty row
        assert matrix.toarray().tolist() == [[row[c] for c in columns] for row in WHOLE]


def test_a_vocabulary_by_size_count_and_rating(store):
    assert load_vocabulary(store, size=2).names == ["mammal", "fox"]
    assert load_vocabulary(store, size=2, rating_tags=True).names == NAMES[:2]
    vocabulary = load_vocabulary(store, min_count=40)
    assert vocabulary.tag_ids.tolist() == [0, 2]
    assert vocabulary.frequencies.tolist() == [60, 40]


def test_posts_of_few_direct_tags_can_be_left_out(store, whole):
    for least, kept in ((0, [3, 5, 8, 9, 12]), (1, [3, 5, 9, 12]), (2, [3, 9, 12]), (3, [3])):
        ids, matrix = posts_by_tags(store, whole, "all", least)
        assert ids.tolist() == kept
        assert matrix.toarray().tolist() == [WHOLE[list(POSTS).index(i)] for i in kept]
    ids, matrix = posts_by_tags(store, whole, "all", 4)
    assert len(ids) == 0 and matrix.shape == (0, 5)


def test_an_index_without_posts(tmp_path):
    store = write_index(tmp_path / "index", posts={})
    ids, matrix = posts_by_tags(store, load_vocabulary(store))
    assert ids.dtype == np.int64 and len(ids) == 0 and matrix.shape == (0, 4)


def test_lists_in_any_chunks_and_slices():
    every = pa.array([[9, 9], [0, 1], [], None, [3], [2, 0, 0]], pa.list_(pa.int32()))
    for lists in (
        every[1:],
        pa.chunked_array([every[1:3], every[3:5], every[5:]]),
        pa.chunked_array([every[:0], every[1:2], every[2:2], every[2:]]),
        pa.chunked_array([every]).slice(1),
    ):
        got = tag_lists(lists, np.array([0, 1, 2, -1], np.int32), 3)
        assert got.toarray().tolist() == [[1, 1, 0], [0] * 3, [0] * 3, [0] * 3, [2, 0, 1]]
    nothing = pa.chunked_array([], pa.list_(pa.int32()))
    assert tag_lists(nothing, np.array([0, -1], np.int32), 1).shape == (0, 1)


def test_the_columns_arrow_holds_are_read_and_not_written():
    lists = pa.array([[1, 0, 1]], pa.list_(pa.int32()))  # neither sorted nor without repeats
    tag_lists(lists, np.array([0, 1, -1], np.int32), 2)
    assert lists.to_pylist() == [[1, 0, 1]]


def test_what_cannot_be_read_says_why(tmp_path, store, whole):
    with pytest.raises(BadInput, match="column 'implied': expected all or stripped"):
        posts_by_tags(store, whole, "implied")
    store = write_index(tmp_path / "null", posts={1: ([0, None], [])})
    with pytest.raises(
        BadArtifact, match=r"posts.parquet .*null among the tag ids: run hydrate"
    ):
        posts_by_tags(store, whole)
    store = write_index(tmp_path / "order", posts={5: ([0], []), 4: ([0], [])})
    with pytest.raises(BadArtifact, match=r"do not ascend: run hydrate_data.py again"):
        list(iter_posts_by_tags(store, whole))
    store = write_index(tmp_path / "plain")
    pq.write_table(pa.table({"id": [1], "tags": [[1]]}), tmp_path / "plain" / "posts.parquet")
    with pytest.raises(
        BadArtifact, match=r"no column stripped_tags.*run hydrate_data.py again"
    ):
        posts_by_tags(store, whole)


def test_damaged_files_are_one_line(tmp_path):
    for name in ("tags.txt.gz", "tags.parquet", "posts.parquet"):
        store = write_index(tmp_path / name.partition(".")[2])
        vocabulary = load_vocabulary(store)
        (store.root / name).write_bytes((store.root / name).read_bytes()[:40])
        with pytest.raises(BadArtifact, match=rf"{name} cannot be read .*run hydrate") as said:
            posts_by_tags(
                store, vocabulary if name == "posts.parquet" else load_vocabulary(store)
            )
        assert "\n" not in str(said.value)


# -- torch ---------------------------------------------------------------------------------------
def test_without_torch_one_line_says_what_to_install(monkeypatch, whole):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        E6GraphError, match=r"torch cannot be imported .*pip install torch"
    ) as said:
        to_torch(sp.csr_matrix((1, 1), dtype=np.float32))
    assert "\n" not in str(said.value) and "requirements-extra.txt" in str(said.value)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is an extra: pip install torch")


def test_torch_gets_the_same_matrix_without_a_warning(torch, store, whole):
    _, matrix = posts_by_tags(store, whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = to_torch(matrix)
    assert made.csr.layout == torch.sparse_csr and made.csr.dtype == torch.float32
    assert made.csr.to_dense().tolist() == WHOLE
    x = torch.arange(10, dtype=torch.float32).reshape(5, 2)
    assert torch.equal(made.csr @ x, torch.tensor(matrix @ x.numpy()))


def test_bags_sum_to_the_product(torch, store, whole):
    _, matrix = posts_by_tags(store, whole)
    made = to_torch(matrix)
    assert made.tags.tolist() == [0, 1, 2, 3, 4, 1, 3, 0, 2, 4]
    assert made.offsets.tolist() == [0, 4, 5, 5, 7]  # one a post; the third post is empty
    assert made.tags.dtype == made.offsets.dtype == torch.int32
    bag = torch.nn.EmbeddingBag(5, 3, mode="sum")
    expected = matrix @ bag.weight.detach().numpy()
    assert bag(made.tags, made.offsets).detach().numpy() == pytest.approx(expected, abs=1e-6)
    weighted = sp.csr_matrix(matrix.multiply(np.arange(1, 6, dtype=np.float32)))
    made = to_torch(weighted)
    got = bag(made.tags, made.offsets, made.csr.values()).detach().numpy()
    assert got == pytest.approx(weighted @ bag.weight.detach().numpy(), abs=1e-5)


def test_torch_shares_memory_unless_it_may_not_write(torch, store, whole):
    _, matrix = posts_by_tags(store, whole)
    made = to_torch(matrix)
    matrix.data[0] = 7
    assert made.csr.values()[0] == 7
    assert made.tags.data_ptr() == matrix.indices.ctypes.data
    frozen = matrix.copy()
    for part in (frozen.data, frozen.indices, frozen.indptr):
        part.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = to_torch(frozen)
    made.tags[0] = 3
    assert frozen.indices[0] == 0


def test_torch_takes_wide_indices_and_no_rows(torch):
    wide = sp.csr_matrix(np.eye(3, dtype=np.float32))
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    made = to_torch(wide)
    assert made.tags.dtype == made.offsets.dtype == torch.int64
    assert made.csr.to_dense().tolist() == np.eye(3).tolist()
    made = to_torch(sp.csr_matrix((0, 4), dtype=np.float32))
    assert made.csr.shape == (0, 4) and len(made.tags) == len(made.offsets) == 0


def test_torch_gets_a_canonical_copy_of_what_is_not(torch):
    loose = sp.csr_matrix((np.ones(3, np.float32), [2, 0, 2], [0, 3]), (1, 3))
    made = to_torch(loose)
    assert made.csr.to_dense().tolist() == [[1, 0, 2]]
    assert loose.indices.tolist() == [2, 0, 2]  # the caller's is as it was
