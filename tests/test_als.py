"""ALS factors against their normal equations and planted groups; our file and E6DB's."""

import gzip
import json
import shutil
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from boards import CLUSTERS, planted_export
from conftest import build
from test_faults import damaged

import embed_tags
from e6graph.embedding import als
from e6graph.errors import BadArtifact, BadInput, E6GraphError, MissingArtifact
from e6graph.store import Store
from e6graph.tags.normalizer import tag_rank_to_freq
from e6graph.tags.vocabulary import load_names, load_vocabulary

OPTIONS = ["--method", "als", "--factors", "16", "--min-tags", "5"]


@pytest.fixture
def implicit():
    pytest.importorskip("safetensors", reason="an extra: pip install -r requirements-extra.txt")
    return pytest.importorskip(
        "implicit", reason="an extra: pip install -r requirements-extra.txt"
    )


@pytest.fixture
def safetensors():
    return pytest.importorskip(
        "safetensors.numpy", reason="an extra: pip install -r requirements-extra.txt"
    )


@pytest.fixture
def index(built_index, tmp_path):
    shutil.copytree(built_index, tmp_path / "index")
    return tmp_path / "index"


def board(n_posts=200, groups=3, size=6, seed=0):
    """Posts of four tags, all from one group of tags."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n_posts, groups * size), np.float32)
    for row in x:
        row[rng.integers(groups) * size + rng.choice(size, 4, replace=False)] = 1
    return sp.csr_matrix(x)


# -- the mathematics -----------------------------------------------------------------------------
def test_idf_by_hand():
    x = sp.csr_matrix(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], "f4"))
    assert als.idf(x) == pytest.approx([0, np.log(2), np.log(4), 0])


def test_the_factors_solve_their_normal_equations(implicit):
    """Hu et al. 2008, eq. 5: y_t = (XᵀX + Σ_p (c_t − 1) x_p x_pᵀ + λ)⁻¹ Σ_p c_t x_p."""
    x, regularization = board(), 0.7
    posts, tags = als.factorize(x, 4, regularization, iterations=60)
    assert posts.dtype == tags.dtype == np.float32
    assert posts.shape == (200, 4) and tags.shape == (18, 4)
    weight = als.idf(x)
    for t in range(18):
        held = posts[x[:, [t]].toarray().ravel() > 0].astype(float)
        left = posts.T @ posts + (weight[t] - 1) * held.T @ held + regularization * np.eye(4)
        assert tags[t] == pytest.approx(
            np.linalg.solve(left, weight[t] * held.sum(0)), abs=2e-3
        )


def test_planted_groups_are_found_and_the_seed_decides(implicit):
    x = board()
    posts, tags = als.factorize(x, 3, seed=3)
    unit = tags / np.linalg.norm(tags, axis=1)[:, None]
    group = np.arange(18) // 6
    cosines = unit @ unit.T
    inside = group[:, None] == group
    assert cosines[inside].min() > 0.99 > 0.9 > np.abs(cosines[~inside]).max()
    whose = np.array([group[row.indices[0]] for row in x])  # a post is of its tags' group
    scores = posts @ tags.T
    assert scores[whose[:, None] == group].min() > 0.5
    assert np.abs(scores[whose[:, None] != group]).max() < 0.05
    for threads in (1, 2):
        again = als.factorize(x, 3, seed=3, threads=threads)
        assert np.array_equal(again[0], posts) and np.array_equal(again[1], tags)
    assert not np.array_equal(als.factorize(x, 3, seed=4)[1], tags)
    assert x.data.tolist() == [1] * x.nnz  # the caller's matrix is as it was


def test_blas_has_one_thread_meanwhile_and_nobody_is_warned(implicit, monkeypatch):
    import implicit.utils
    import threadpoolctl

    monkeypatch.setattr(
        implicit.utils, "_checked_blas_config", False
    )  # it looks once a process
    with threadpoolctl.threadpool_limits(2, "blas"), warnings.catch_warnings():
        warnings.simplefilter("error")
        als.factorize(board(), 4, iterations=1)
        after = {
            api["num_threads"]
            for api in threadpoolctl.threadpool_info()
            if api["user_api"] == "blas"
        }
    assert after == {2} and implicit.utils._checked_blas_config


def test_nothing_to_factorize(implicit):
    with pytest.raises(BadInput, match="nothing to factorize"):
        als.factorize(sp.csr_matrix(np.ones((3, 2), np.float32)))


# -- the script ----------------------------------------------------------------------------------
def test_the_script_writes_a_row_a_tag_id(implicit, safetensors, index, capsys):
    before = (index / "dictionary.npz").read_bytes()
    embed_tags.main(["--index", str(index), *OPTIONS, "--tags", "fox", "no_such_tag"])
    out = capsys.readouterr().out
    assert "346 posts have 5 direct tags or more" in out and "no vector: no_such_tag" in out
    assert "fox" in out and "implicit_tag_factors.safetensors  68 tags × 16" in out
    store = Store(index)
    names = load_names(store)
    made = safetensors.load_file(store.check(als.TAG_FACTORS))
    assert list(made) == ["tag_factors"]
    factors = made["tag_factors"]
    assert factors.dtype == np.float32 and factors.shape == (len(names), 16)
    assert [names[i] for i in np.flatnonzero(~factors.any(1))] == [
        name for name in names if name.startswith("rating_")
    ]
    about = store.sidecar(als.TAG_FACTORS)
    assert about["made_by"] == "embed_tags.py" and "posts.parquet" in about["inputs"]
    assert about["parameters"] == {
        "method": "als",
        "vocab": 32768,
        "min_count": 2,
        "rating_tags": False,
        "seed": 0,
        "factors": 16,
        "regularization": 0.02,
        "iterations": 15,
        "min_tags": 5,
        "post_factors": False,
    }
    assert (index / "dictionary.npz").read_bytes() == before
    near = als.load_tag_factors(store)

    def nearest_to(tag, n):
        row = near.tags.index(tag)
        return [name for name, _ in near.nearest(near.vecs[row], n, but=row)]

    assert nearest_to("tram", 1) == ["vehicle"]
    for head, (_, others) in CLUSTERS.items():
        nearest = set(nearest_to(head, 4))
        assert len(nearest & {*others.split(), *CLUSTERS[head][0]}) >= 3


def test_the_same_seed_gives_the_same_bytes_and_rating_tags_are_a_choice(
    implicit, safetensors, index
):
    def made(*more):
        embed_tags.main(["--index", str(index), *OPTIONS, *more])
        return (index / als.TAG_FACTORS).read_bytes()

    first = made()
    assert made() == first != made("--seed", "1")
    made("--rating-tags")
    store = Store(index)
    factors = safetensors.load_file(store.check(als.TAG_FACTORS))["tag_factors"]
    assert factors[load_names(store).index("rating_questionable")].any()


def test_post_factors_come_and_go_with_the_tags(implicit, safetensors, index):
    embed_tags.main(["--index", str(index), *OPTIONS, "--min-tags", "8", "--post-factors"])
    store = Store(index)
    made = safetensors.load_file(store.check(als.POST_FACTORS))
    ids, matrix = als.load_training_posts(store, min_tags=8)
    assert np.array_equal(made["post_ids"], ids) and 0 < len(ids) < 346
    assert made["post_factors"].shape == (len(ids), 16)
    tags = safetensors.load_file(store.check(als.TAG_FACTORS))["tag_factors"]
    scores = made["post_factors"] @ tags.T  # what a post holds scores above what it does not
    held = matrix.toarray() > 0
    assert scores[held].mean() > 0.5 > 0.1 > np.abs(scores[~held]).mean()
    embed_tags.main(["--index", str(index), *OPTIONS])
    assert not (index / als.POST_FACTORS).exists()  # they were of other tag factors


def test_a_smaller_vocabulary_is_the_first_ids(implicit, safetensors, index):
    embed_tags.main(["--index", str(index), *OPTIONS, "--vocab", "20"])
    store = Store(index)
    assert safetensors.load_file(store.check(als.TAG_FACTORS))["tag_factors"].shape == (20, 16)
    assert set(als.load_tag_factors(store).tags) <= set(load_names(store)[:20])


def test_too_few_posts_or_tags_are_one_line_and_change_nothing(implicit, index):
    before = sorted(path.name for path in index.iterdir())
    for options, said in (
        (["--min-tags", "99"], "no post has 99 direct tags or more: lower --min-tags"),
        (["--min-count", "9999"], "no tag is used 9,999 times or more: lower --min-count"),
    ):
        with pytest.raises(BadInput, match=said):
            embed_tags.main(["--index", str(index), *OPTIONS, *options])
    assert sorted(path.name for path in index.iterdir()) == before


def test_options_of_the_other_method_are_refused(index, capsys):
    for options in (
        ["--factors", "8"],
        ["--min-tags", "3"],
        ["--post-factors"],
        ["--iterations", "2"],
        ["--regularization", "1"],
        ["--method", "als", "--dim", "8"],
        ["--method", "als", "--smoothing", "1"],
        ["--method", "als", "--eig-power", "0"],
    ):
        with pytest.raises(SystemExit) as caught:
            embed_tags.main(["--index", str(index), *options])
        option = next(word for word in reversed(options) if word.startswith("--"))
        said = capsys.readouterr().err.splitlines()[-1]
        assert caught.value.code == 2 and f"argument {option}: only with --method" in said


@pytest.mark.parametrize("package", ["implicit.cpu.als", "safetensors.numpy"])
def test_a_missing_extra_is_one_line_before_anything_is_read(monkeypatch, tmp_path, package):
    if package != "implicit.cpu.als":
        pytest.importorskip(
            "implicit", reason="an extra: pip install -r requirements-extra.txt"
        )
    monkeypatch.setitem(sys.modules, package, None)
    name = package.partition(".")[0]
    with pytest.raises(E6GraphError, match=rf"pip install {name} \(requirements-extra.txt"):
        embed_tags.main(["--index", str(tmp_path / "nowhere"), "--method", "als"])


# -- E6DB's files --------------------------------------------------------------------------------
@pytest.fixture
def theirs(tmp_path, safetensors):
    """What E6DB publishes: no sidecars, no counts."""
    names = ["mammal", "fox", "owl", "tram"]
    (tmp_path / "tags.txt.gz").write_bytes(gzip.compress(("\n".join(names) + "\n").encode()))
    (tmp_path / "tags_categories.bin.gz").write_bytes(gzip.compress(bytes([5, 5, 5, 0])))
    ids = {name: i for i, name in enumerate(names)} | {"vixen": 1}
    (tmp_path / "tag2idx.json.gz").write_bytes(gzip.compress(json.dumps(ids).encode()))
    factors = np.array([[3, 4], [0, 2], [0, 0]], np.float16)  # a vocabulary of three
    safetensors.save_file({"tag_factors": factors}, tmp_path / als.TAG_FACTORS)
    return Store(tmp_path)


def test_their_factors_are_read(theirs):
    made = als.load_tag_factors(theirs)
    assert made.tags == ["mammal", "fox"] and made.tag_ids.tolist() == [0, 1]
    assert made.vecs == pytest.approx(np.array([[0.6, 0.8], [0, 1]]), abs=1e-6)
    assert made.vecs.dtype == np.float32
    assert made.frqs.tolist() == [round(tag_rank_to_freq(0)), round(tag_rank_to_freq(1))]


def test_factors_that_do_not_fit_say_so(theirs, safetensors):
    path = theirs.root / als.TAG_FACTORS
    for tensors, said in (
        (
            {"tag_factors": np.zeros((5, 2), "f4")},
            r"has \(5, 2\), expected a row for each of 4",
        ),
        ({"tag_factors": np.zeros(4, "f4")}, r"has \(4,\), expected a row"),
        ({"factors": np.zeros((4, 2), "f4")}, "cannot be read"),
    ):
        safetensors.save_file(tensors, path)
        with pytest.raises(BadArtifact, match=f"{said}.*run embed_tags.py --method als again"):
            als.load_tag_factors(theirs)
    path.write_bytes(b"no safetensors at all")
    with pytest.raises(BadArtifact, match="cannot be read"):
        als.load_tag_factors(theirs)
    path.unlink()
    with pytest.raises(MissingArtifact, match=r"run embed_tags\.py --method als first"):
        als.load_tag_factors(theirs)


def test_counts_are_the_real_ones_where_there_are_any(implicit, index):
    embed_tags.main(["--index", str(index), *OPTIONS])
    made = als.load_tag_factors(Store(index))
    counts = load_vocabulary(Store(index), rating_tags=True).frequencies
    assert np.array_equal(made.frqs, counts[made.tag_ids])


def test_damaged_factors_and_those_of_another_run_are_refused(implicit, index, tmp_path):
    embed_tags.main(["--index", str(index), *OPTIONS])
    whole, beside = index / als.TAG_FACTORS, index / f"{als.TAG_FACTORS}.json"
    data, record = whole.read_bytes(), beside.read_bytes()
    said = r"run embed_tags\.py( --method als)? again"
    for bad in damaged(data).values():
        whole.write_bytes(bad)
        with pytest.raises(BadArtifact, match=said):
            als.load_tag_factors(Store(index))
    other = planted_export(tmp_path / "export", posts=300, seed=9)
    build(tmp_path / "other", other.directory, dim=12)
    embed_tags.main(["--index", str(tmp_path / "other"), *OPTIONS])
    theirs = tmp_path / "other" / als.TAG_FACTORS
    whole.write_bytes(theirs.read_bytes())
    with pytest.raises(BadArtifact, match=said):
        als.load_tag_factors(Store(index))
    beside.write_bytes(theirs.with_name(beside.name).read_bytes())
    with pytest.raises(BadArtifact, match=said):
        als.load_tag_factors(Store(index))
    whole.write_bytes(data)
    beside.write_bytes(record)
    assert len(als.load_tag_factors(Store(index)).tags)
