"""annoy's traps, each shut: wrong builds, wrong files, vectors without a direction."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from annoy import AnnoyIndex
from conftest import PATIENCE

from e6graph.embedding.dictionary import unit_rows
from e6graph.errors import BadArtifact, BadInput, E6GraphError
from e6graph.graph import neighbors
from e6graph.graph.build import neighbor_table, tune
from e6graph.graph.neighbors import Builder, Neighbors, load, nth_best, recall, stored_vectors
from e6graph.store import Store


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return unit_rows(rng.standard_normal((500, 12)).astype(np.float32))


@pytest.fixture
def post_ids():
    return np.arange(500) * 3 + 1000  # gaps of two


def built(path, post_ids, vectors, seed=0):
    builder = Builder(path, vectors.shape[1], int(post_ids[0]), seed)
    builder.add(post_ids[:200], vectors[:200])
    builder.add(post_ids[200:], vectors[200:])
    builder.build(8)
    items = int(post_ids[-1] - post_ids[0]) + 1
    return Neighbors(path, vectors.shape[1], items, int(post_ids[0]), 4000)


def test_probe_accepts_this_annoy_and_refuses_one_that_fails(monkeypatch):
    neighbors.probe()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=-11))
    with pytest.raises(E6GraphError, match="ANNOY_COMPILER_ARGS"):
        neighbors.probe()


def test_ids_are_post_ids_and_cosines_are_cosines(tmp_path, post_ids, vectors):
    found = built(tmp_path / "x.ann", post_ids, vectors)
    assert found.vector(int(post_ids[7])) == pytest.approx(vectors[7], abs=1e-6)
    ids, cosines = found.query(vectors[7], 10)
    exact = vectors @ vectors[7]
    order = np.argsort(-exact)[:10]
    assert ids.tolist() == post_ids[order].tolist()  # search_k covers all 500
    assert cosines == pytest.approx(exact[order], abs=1e-5)


def test_the_file_is_the_one_that_annoy_writes_itself(tmp_path, post_ids, vectors):
    found = built(tmp_path / "x.ann", post_ids, vectors)
    own = AnnoyIndex(12, "angular")
    own.set_seed(0)
    for post_id, vector in zip(post_ids.tolist(), vectors.tolist(), strict=True):
        own.add_item(post_id - 1000, vector)
    own.build(8, n_jobs=1)
    for row in range(0, 500, 25):
        assert own.get_item_vector(3 * row) == found.vector(int(post_ids[row])).tolist()
        items, _ = own.get_nns_by_vector(
            vectors[row].tolist(), 10, 4000, include_distances=True
        )
        assert found.query(vectors[row], 10)[0].tolist() == [item + 1000 for item in items]


def test_stored_vectors_are_those_added_without_the_gaps(tmp_path, post_ids, vectors):
    built(tmp_path / "x.ann", post_ids, vectors)
    stored = list(stored_vectors(tmp_path / "x.ann", 12, int(post_ids[-1] - post_ids[0]) + 1))
    assert np.array_equal(np.concatenate(stored), vectors)


def test_an_annoy_of_another_layout_is_refused(tmp_path, post_ids, vectors, monkeypatch):
    def shifted(path, dim, items, mode="r"):
        return np.zeros(items, [("descendants", "i4"), ("vector", "f4", (dim,))])

    monkeypatch.setattr(neighbors, "_nodes", shifted)
    with pytest.raises(E6GraphError, match="in another way"):
        built(tmp_path / "x.ann", post_ids, vectors)


def test_ids_never_added_are_never_returned(tmp_path, post_ids, vectors):
    found = built(tmp_path / "x.ann", post_ids, vectors)
    ids, _ = found.query(vectors[0], 5000)
    assert set(ids.tolist()) == set(post_ids.tolist())


def test_same_seed_same_bytes(tmp_path, post_ids, vectors):
    paths = [tmp_path / name for name in "abc"]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        built(path, post_ids, vectors, seed)
    one, two, other = (path.read_bytes() for path in paths)
    assert one == two != other


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_vectors_without_a_direction_are_refused(tmp_path, post_ids, vectors, bad):
    wrong = np.full((1, 12), bad, np.float32)
    with pytest.raises(BadInput, match="zero or not finite"):
        Builder(tmp_path / "x.ann", 12, 0).add(np.array([1]), wrong)
    among = vectors[:5].copy()
    among[3] = bad
    with pytest.raises(BadInput, match="zero or not finite"):
        Builder(tmp_path / "z.ann", 12, 0).add(np.arange(5), among)
    flat = vectors[:5].copy()
    flat[:, 3] = 0  # of no vector but of a dimension
    Builder(tmp_path / "w.ann", 12, 0).add(np.arange(5), flat)
    found = built(tmp_path / "y.ann", post_ids, vectors)
    with pytest.raises(BadInput, match="zero or not finite"):
        found.query(wrong[0], 3)
    with pytest.raises(BadInput, match=r"expected \(12,\)"):
        found.query(np.ones(5), 3)


def test_a_file_of_another_size_or_none_is_refused(tmp_path, post_ids, vectors):
    built(tmp_path / "x.ann", post_ids, vectors)
    with pytest.raises(BadArtifact, match="items, expected"):
        load(tmp_path / "x.ann", 12, 7)
    with pytest.raises(BadArtifact, match="construct_index"):
        load(tmp_path / "none.ann", 12, 1498)


@pytest.mark.parametrize("metric", ["euclidean", None])
def test_an_index_of_another_metric_is_refused(tmp_path, post_ids, vectors, metric):
    store = Store(tmp_path)
    about = {"dim": 12, "items": 1498, "offset": 1000, "search_k": 9, "posts": 500}
    about |= {"metric": metric} if metric else {}
    with store.stage("construct_index.py", about) as stage:
        built(stage.path("posts.skip1000.ann"), post_ids, vectors)
    with pytest.raises(BadArtifact, match="metric"):
        Neighbors.open(store)


def test_a_stray_id_does_not_take_the_memory_of_all_between(tmp_path, vectors, monkeypatch):
    with pytest.raises(BadInput, match="stray"):
        Builder(tmp_path / "x.ann", 12, 1).add(np.array([1, 2_000_000_000]), vectors[:2])
    # Of few posts a hundred thousand ids are no matter, of many a hundred a post.
    Builder(tmp_path / "y.ann", 12, 1).add(np.array([1, 100_000]), vectors[:2])
    with pytest.raises(BadInput, match="stray"):
        Builder(tmp_path / "z.ann", 12, 1).add(np.array([1, 100_001]), vectors[:2])
    monkeypatch.setattr(neighbors, "MOST_IDS_A_POST", 2)
    with pytest.raises(BadInput, match="stray"):
        Builder(tmp_path / "z.ann", 12, 1).add(np.array([*range(1, 500), 2001]), vectors)
    many = np.repeat(vectors, 3, axis=0)
    Builder(tmp_path / "z.ann", 12, 1).add(np.array([*range(1, 1500), 3000]), many)
    with pytest.raises(BadInput, match="stray"):
        Builder(tmp_path / "z.ann", 12, 1).add(np.array([*range(1, 1500), 3001]), many)


ADD_UNDER_A_LIMIT = """
import resource, sys
import numpy as np
from e6graph.graph.neighbors import Builder
path, parts, limit = sys.argv[1], eval(sys.argv[2]), int(float(sys.argv[3]) * (12 + 4 * 16))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
builder = Builder(path, 16, 0)
try:
    for ids in parts:
        builder.add(ids, np.random.default_rng(0).random((len(ids), 16), np.float32))
    builder.build(2)
except OSError as error:
    print(error)
else:
    print("built")
"""


@pytest.mark.parametrize(
    "parts, nodes, fits",  # the file's limit, in nodes
    [
        ("[np.arange(2000) * 50]", 50_000, False),  # holes are written to as well
        ("[np.arange(500), np.array([12_000])]", 6000, False),
        ("[np.arange(1000), np.arange(1000, 1010)]", 1100, False),  # annoy takes a third more
        ("[np.arange(1000), np.arange(1000, 1010)]", 4000, True),
        ("[np.arange(2000) * 50]", 150_000, True),
        ("[np.arange(3000)]", 4500, False),  # the vectors have room, the trees none
        ("[np.arange(3000)]", 9000, True),
    ],
)
def test_no_room_is_an_error_and_no_signal(tmp_path, parts, nodes, fits):
    """In a process of its own: what is written past a limit to a map ends it (SIGBUS)."""
    path = tmp_path / "x.ann"
    done = subprocess.run(
        [sys.executable, "-B", "-c", ADD_UNDER_A_LIMIT, path, parts, str(nodes)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        timeout=PATIENCE,
    )
    said = "built" if fits else f"[Errno 27] File too large: '{path}'"
    assert (done.returncode, done.stdout.strip()) == (0, said), done


def test_nth_best_is_that_of_the_whole_in_any_split(vectors):
    exact = np.sort(vectors @ vectors[:20].T, axis=0)[-10]
    for parts in (1, 7, 500):
        got = nth_best(np.array_split(vectors, parts), vectors[:20], 10)
        assert got == pytest.approx(exact, abs=1e-6)


def test_recall_counts_equals_as_hits():
    least = np.array([0.5, 0.5])
    assert recall([np.array([0.9, 0.5]), np.array([0.9, 0.4])], least, 2) == 0.75
    assert recall([np.array([0.9, 0.5, 0.5]), np.array([])], least, 2) == 0.5


def test_tune_stops_at_the_first_search_k_that_is_good_enough(tmp_path, post_ids, vectors):
    found = built(tmp_path / "x.ann", post_ids, vectors)
    rows = tune(found, post_ids, iter([vectors]), ladder=(1, 20_000, 40_000), sample=50)
    assert [search_k for search_k, _ in rows] == [1, 20_000]
    assert rows[0][1] < 0.95 and rows[1][1] == 1


def test_neighbor_table_leaves_the_post_itself_out(tmp_path, post_ids, vectors):
    found = built(tmp_path / "x.ann", post_ids, vectors)
    table = neighbor_table(found, post_ids, 5)
    exact = vectors @ vectors.T
    np.fill_diagonal(exact, -2)
    assert table.dtype == np.int32
    assert np.array_equal(table, np.argsort(-exact, axis=1)[:, :5])
    few = neighbor_table(found, post_ids, 600)
    assert (few[:, 499:] == -1).all() and (few[:, :499] >= 0).all()
