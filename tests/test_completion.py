"""Tag completion: the algebra by hand, the parts one by one, and what a person would expect."""

import numpy as np
import pytest
import scipy.sparse as sp

from e6graph import PostGraph, completion
from e6graph.completion import top_companions
from e6graph.embedding import cooccurrence
from e6graph.errors import BadArtifact
from e6graph.evaluate import completing


@pytest.fixture(scope="module")
def graph(built_index):
    return PostGraph.open(built_index, "sqe", None)


def dense(rows, width):
    columns, counts = rows
    made = np.zeros((len(columns), width))
    for row in range(len(columns)):
        made[row, columns[row]] = counts[row]
    return made


def only(monkeypatch, part):
    monkeypatch.setattr(completion, "WEIGHTS", {"posts": 0, "hint": 0, "linear": 0} | {part: 1})


def matrix_of(graph):
    """Posts × dictionary columns, dense; and the column of a tag id."""
    column = {t: i for i, t in enumerate(graph.dictionary.tag_ids.tolist())}
    made = np.zeros((len(graph.posts), len(column)))
    for row in range(len(graph.posts)):
        for tag_id in graph.posts.tags_of[row].tolist():
            if tag_id in column:
                made[row, column[tag_id]] = 1
    return made, column


def test_top_companions_keeps_the_largest_of_each_row():
    counts = sp.csr_matrix(np.array([[0, 5, 2, 9], [5, 0, 0, 1], [2, 0, 0, 0], [9, 1, 0, 0.0]]))
    columns, values = top_companions(counts, 2)
    assert [columns[i].tolist() for i in range(4)] == [[1, 3], [0, 3], [0], [0, 1]]
    assert [values[i].tolist() for i in range(4)] == [[5, 9], [5, 1], [2], [9, 1]]


def test_the_linear_part_is_ridge_regression_on_the_given_tags(graph, monkeypatch):
    only(monkeypatch, "linear")
    x, column = matrix_of(graph)
    given = graph.posts.tags_of[3][-3:].astype(int)
    at = [column[t] for t in given]
    gram = x[:, at].T @ x[:, at] + np.eye(len(at)) * completion.RIDGE
    expected = x.T @ x[:, at] @ np.linalg.solve(gram, np.ones(len(at)))
    got = graph._completion.scores(given)
    assert got == pytest.approx(np.maximum(expected, 0), abs=1e-6)


def test_the_hint_is_the_largest_conditional_share(graph, monkeypatch):
    only(monkeypatch, "hint")
    x, column = matrix_of(graph)
    given = graph.posts.tags_of[3][-2:].astype(int)
    shares = [(x * x[:, [column[t]]]).sum(0) / x[:, column[t]].sum() for t in given]
    got = graph._completion.scores(given)
    assert got == pytest.approx(np.max(shares, 0), abs=1e-6)


def test_the_posts_part_is_a_share_of_posts(graph, monkeypatch):
    only(monkeypatch, "posts")
    given = graph.posts.tags_of[3].astype(int)
    got = graph._completion.scores(given)
    assert got.min() >= 0 and got.max() <= 1 + 1e-9
    held = np.isin(graph.dictionary.tag_ids, given)
    assert got[held].min() > got[~held].mean()


def test_an_implied_tag_is_suggested_and_found_redundant(graph):
    implications = graph._implications
    tag_id = next(t for t in implications if implications[t] and t in graph.dictionary.tag_ids)
    name = graph.posts.names[tag_id]
    implied = [graph.posts.names[t] for t in implications[tag_id]]
    suggested = [tag for tag, _ in graph.suggest_tags([name], n=len(implied) + 4)]
    assert set(implied) <= set(suggested)
    assert graph.redundant_tags([name, *implied]) == sorted(
        implied, key=graph.posts.tag_ids.__getitem__
    )
    assert graph.redundant_tags([name]) == []


def test_a_stranger_among_tags_is_the_first_to_be_doubted(graph):
    members = [name for name, _ in graph.posts.tags(3)]
    strangers = set(graph.dictionary.tags) - {
        name
        for row in graph.posts.rows_tagged(members[-1])
        for name, _ in graph.posts.tags(int(row))
    }
    stranger = sorted(strangers)[0]
    doubted = graph.doubtful_tags([*members, stranger])
    assert doubted[0][0] == stranger
    assert [s for _, s in doubted] == sorted(s for _, s in doubted)
    assert graph.doubtful_tags([members[0]]) == []  # nothing to hold it against


def test_companions_of_another_dictionary_are_refused(graph, built_index):
    from dataclasses import replace

    from e6graph.store import Store

    fewer = replace(graph.dictionary, tags=graph.dictionary.tags[1:])
    args = fewer, graph.ranking, graph.allowed, graph.shown
    with pytest.raises(BadArtifact, match="run embed_tags"):
        completion.Completion.open(Store(built_index), *args)


def test_saved_companions_are_those_of_the_counts(graph):
    x, _ = matrix_of(graph)
    counts = cooccurrence([sp.csr_matrix(x.astype(np.float32))])
    kept = graph._completion._columns, graph._completion._counts
    assert np.array_equal(dense(kept, x.shape[1]), counts.toarray())  # fewer than WIDTH tags


def test_tags_of_hidden_posts_alone_are_neither_suggested_nor_offered(graph, built_index):
    tag_id = next(t for t in graph.dictionary.tag_ids.tolist() if 3 < graph.shown[t] < 40)
    name = graph.posts.names[tag_id]
    narrowed = PostGraph.open(built_index, "sqe", name)
    assert narrowed.shown[tag_id] == 0
    beside = [t for t in graph.posts.tags_of[int(graph.posts.rows_with[tag_id][0])] if t != tag_id]
    given = [graph.posts.names[t] for t in beside][-3:]
    everything = len(graph.dictionary.tags)
    assert name in [tag for tag, _ in graph.suggest_tags(given, everything)]
    assert name not in [tag for tag, _ in narrowed.suggest_tags(given, everything)]
    assert name in graph.nearest_names(name + "x") and name not in narrowed.nearest_names(
        name + "x"
    )


def test_counts_of_shown_posts_are_those_of_the_mask(graph, built_index):
    visitor = PostGraph.open(built_index)
    for tag_id in range(0, len(visitor.posts.names), 5):
        assert visitor.shown[tag_id] == visitor.allowed[visitor.posts.rows_with[tag_id]].sum()


def test_hidden_tags_are_a_fifth_and_gone_from_what_is_learnt():
    rng = np.random.default_rng(0)
    dense_x = (rng.random((40, 30)) < 0.4).astype(np.float32)
    reduced, cases = completing.hide(sp.csr_matrix(dense_x), 10)
    assert len(cases) == 10
    assert reduced.nnz == dense_x.sum() - sum(len(hidden) for _, hidden in cases)
    for seen, hidden in cases:
        assert len(hidden) == max(1, round(0.2 * (len(seen) + len(hidden))))
        assert not set(seen) & set(hidden)


def test_ease_is_the_best_linear_map_with_a_zero_diagonal():
    rng = np.random.default_rng(0)
    x = (rng.random((60, 6)) < 0.4).astype(np.float32)
    got = completing.ease(cooccurrence([sp.csr_matrix(x)]), x.sum(0), ridge=2.0)
    for j in range(6):  # each column alone: ridge regression on the others
        others = [i for i in range(6) if i != j]
        gram = x[:, others].T @ x[:, others] + 2 * np.eye(5)
        expected = np.linalg.solve(gram, x[:, others].T @ x[:, j])
        assert got[others, j] == pytest.approx(expected, abs=1e-4)
        assert got[j, j] == 0


def test_completion_is_judged_with_suggestions_above_popularity(graph):
    tables = completing.completion_table(graph, n=60)
    assert list(tables) == ["all tags", "stripped tags"]
    for rows in tables.values():
        ndcg = {name: figures[0] for name, *figures in rows}
        assert ndcg["suggest_tags"] > 1.2 * ndcg["popularity"]


def test_what_suggestions_are_made_from_holds_no_hidden_tag(graph):
    matrix, _ = completing.hide(completing._matrix(graph, "all tags"), 30)
    made = completing.suggester(
        graph, matrix, cooccurrence([matrix]), np.asarray(matrix.sum(0)).ravel()
    )
    full = graph._completion._ranking.posts.tags_of
    assert len(made._ranking.posts.tags_of.values) == matrix.nnz < len(full.values)
