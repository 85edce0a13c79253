"""Numbers at the edge, through the scripts and what is served: each has one defined result."""

import os
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from boards import post, write_export
from conftest import build

from e6graph import PostGraph
from e6graph.embedding.attenuator import attenuated_means, solve, tag_weights
from e6graph.embedding.dictionary import Dictionary
from e6graph.errors import BadInput, E6GraphError, UnknownTag

# Foxes and owls: no tag of the one side is on a post of the other.
FOXES = ["fox canine forest", "fox canine moss", "fox forest moss"]
OWLS = ["owl bird night", "owl bird moon", "owl night moon"]
SIDES = FOXES + OWLS
SMALL = {
    "image_width": -5,
    "image_height": 0,
    "score": -(2**31),
    "fav_count": -(2**31),
    "file_size": -1,
    "parent_id": -9,
    "uploader_id": 0,
}
LARGE = {
    "image_width": 2**31 - 1,
    "image_height": 2**31 - 1,
    "score": 2**31 - 1,
    "fav_count": 2**31 - 1,
    "file_size": 2**63 - 1,
    "parent_id": 2**63 - 1,
    "uploader_id": 2**31 - 1,
}
UNSAID = dict.fromkeys([*SMALL, "md5", "file_ext", "is_pending", "is_flagged"], "")


@pytest.fixture(autouse=True)
def warnings_of_numpy_are_failures(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # a third of the time
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def board(tmp_path, tags, columns=({},), dim=8, **options):
    """The opened index of posts 1, 2 ... of these tags; `columns` go round."""
    rows = [post(i, held, **columns[i % len(columns)]) for i, held in enumerate(tags, 1)]
    pools = options.pop("pools", ())
    build(
        tmp_path / "index", write_export(tmp_path / "e", rows, pools=pools), dim=dim, **options
    )
    return PostGraph.open(tmp_path / "index")


def answers(graph):
    """Name → numbers of every kind of answer, all finite."""
    ids, names = graph.posts.ids.tolist(), graph.dictionary.tags
    made = {"vectors": graph.dictionary.vecs, "operator": graph.operator}
    for one in ids[:8]:
        made[f"of {one}"] = [r.score for r in graph.recommend(posts=[one], n=5)]
        made[f"away from {one}"] = [
            r.score for r in graph.recommend(tags=names[:1], avoid=[one])
        ]
        made[f"near {one}"] = graph.neighbors(one, 5)[1]
        for over in ("tags", "pools", "neighbors"):
            made[f"walk {one} {over}"] = graph.walk([one], over=over, steps=500)[1]
    for tag in names[:8]:
        made[f"with {tag}"] = [r.score for r in graph.recommend(tags=[tag], n=5)]
        made[f"belongs to {tag}"] = [score for _, score in graph.suggest_tags([tag])]
        made[f"doubts {tag}"] = [score for _, score in graph.doubtful_tags([tag, *names[-2:]])]
        made[f"vector of {tag}"] = graph.embed_tags([tag])
    for name, numbers in made.items():
        assert np.isfinite(np.asarray(numbers, float)).all(), (name, numbers)
    return made


def sides(graph):
    """Whether the nearest two of each post are those of its own side."""
    near = {i: set(graph.neighbors(i, 2)[0].tolist()) for i in range(1, 7)}
    return all(near[i] == ({1, 2, 3} if i < 4 else {4, 5, 6}) - {i} for i in near)


def test_more_dimensions_than_tags_are_zeros(tmp_path):
    graph = board(tmp_path, SIDES, dim=50)
    answers(graph)
    assert graph.dictionary.vecs.shape == (8, 50) and not graph.dictionary.vecs[:, 8:].any()
    assert np.linalg.norm(graph.dictionary.vecs, axis=1) == pytest.approx(np.ones(8), abs=1e-5)
    assert not graph.operator[8:].any() and not graph.operator[:, 8:].any()
    assert sides(graph)


def test_without_a_ridge_a_gram_matrix_without_an_inverse_has_the_least_solution(tmp_path):
    import construct_index
    import solve_attenuator

    board(tmp_path, SIDES, dim=50)
    index = ["--index", str(tmp_path / "index")]
    solve_attenuator.main([*index, "--ridge", "0"])
    construct_index.main(index)
    graph = PostGraph.open(tmp_path / "index")
    answers(graph)
    assert sides(graph)
    means = np.array([[1.0, 0, 0], [2, 0, 0], [0, 1, 0]])  # nothing is known of the third
    wanted = means @ np.diag([3.0, 4, 5])
    assert solve(means, wanted, np.ones(3), ridge=0) == pytest.approx(
        np.diag([3, 4, 0]), abs=1e-5
    )


def test_a_tag_on_every_post_changes_no_neighborhood_and_says_nothing(tmp_path):
    graph = board(tmp_path, [f"art {held}" for held in SIDES])
    answers(graph)
    assert sides(graph)
    assert graph.ranking.idf[graph.posts.tag_ids["art"]] == pytest.approx(0, abs=0.2)
    assert {r.post_id for r in graph.recommend(tags=["art"], n=9)} == set(range(1, 7))
    both = [r.post_id for r in graph.recommend(tags=["art", "owl"], n=3)]
    assert set(both) == {4, 5, 6}


def test_posts_with_the_same_tags_are_equals(tmp_path):
    graph = board(tmp_path, ["a b c"] * 60 + SIDES, construct=["--graph", "3"])
    answers(graph)
    ids, cosines = graph.neighbors(1, 59)
    assert set(ids.tolist()) == set(range(2, 61))
    assert cosines == pytest.approx(np.ones(59), abs=1e-5)
    found = graph.recommend(posts=[1], n=59)
    assert {r.post_id for r in found} == set(range(2, 61))
    assert [r.score for r in found] == pytest.approx([found[0].score] * 59)


def test_a_board_of_equals_alone(tmp_path):
    graph = board(tmp_path, ["a b"] * 2)
    answers(graph)
    assert graph.neighbors(2)[0].tolist() == [1]
    assert graph.neighbors(2)[1] == pytest.approx([1], abs=1e-5)


def test_tags_that_meet_others_once_still_give_an_operator(tmp_path):
    """log 1 = 0 would weigh every tag nothing, and leave every post without a vector."""
    assert tag_weights(np.array([1, 0, 1])).tolist() == [1, 0, 1]
    graph = board(tmp_path, ["a b", "a", "b", "c d", "c", "d"])
    answers(graph)
    assert graph.operator.any() and len(graph.posts) == 6
    assert graph.neighbors(4, 2)[0].tolist() != graph.neighbors(1, 2)[0].tolist()


@pytest.mark.parametrize("tags", [["a"] * 5, ["a b"], ["", ""], ["a", "b", "a", "b"]])
def test_one_tag_or_none_is_one_line(tmp_path, tags):
    with pytest.raises(E6GraphError, match=r"^no (tag is used|two tags)") as caught:
        board(tmp_path, tags)
    assert "\n" not in str(caught.value)


def test_the_largest_the_smallest_and_no_numbers_at_all(tmp_path):
    pools = [(1, "x", [1, 2, 3]), (2, "y", [4, 5, 6]), (2**63 - 1, "z", [7, 7, 7])]
    graph = board(tmp_path, SIDES * 3, [SMALL, LARGE, UNSAID], pools=pools)
    answers(graph)
    for i in range(1, 19):
        assert graph.describe(i).post_id == i
        first = graph.recommend(posts=[i], n=8, variants=True, variety=0)
        assert {(r.post_id - 1) % 6 < 3 for r in first} == {(i - 1) % 6 < 3}


def test_vectors_that_are_no_direction(tmp_path):
    graph = board(tmp_path, SIDES)
    for wrong in (0.0, np.nan, np.inf, -np.inf):
        with pytest.raises(BadInput, match="zero or not finite"):
            graph.neighbors(np.full(8, wrong), 3)
    words = graph.dictionary
    assert isinstance(words, Dictionary)
    assert [cosine for _, cosine in words.nearest(np.zeros(8), 3)] == [0, 0, 0]
    nothing = np.zeros((8, 8), np.float32)
    posts_by_tags = sp.csr_matrix(np.eye(8, dtype=np.float32))
    assert not attenuated_means(posts_by_tags, words.vecs, nothing).any()
    graph.catalog.operator[:] = 0
    with pytest.raises(UnknownTag, match="no vector for fox"):
        graph.embed_tags(["fox"])
    assert {r.post_id for r in graph.recommend(tags=["fox"], n=3)} == {1, 2, 3}
    assert solve(np.zeros((4, 2)), np.ones((4, 2)), np.zeros(4)).tolist() == [[0, 0], [0, 0]]


def test_any_n_gives_all_there_are(tmp_path):
    graph = board(tmp_path, SIDES)
    for n in (5, 6, 2**31, 2**63, 10**30):
        assert len(graph.neighbors(1, n)[0]) == 5
        assert len(graph.recommend(posts=[1], n=n)) == 5
        assert len(graph.suggest_tags(["fox"], n)) <= 8
