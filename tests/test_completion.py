"""Tag completion: the algebra by hand, the parts one by one, and what a person would expect."""

from argparse import Namespace
from dataclasses import replace
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from e6graph import PostGraph
from e6graph.embedding import als, companions, cooccurrence
from e6graph.embedding.companions import COMPLETION_RIDGE as RIDGE
from e6graph.embedding.companions import DROPOUT, Companions, invert, save_companions
from e6graph.errors import BadArtifact, BadInput, E6GraphError
from e6graph.evaluate import completing
from e6graph.recommend import completion
from e6graph.recommend.completion import TagCompleter
from e6graph.recommend.ranking import Query
from e6graph.store import Store


@pytest.fixture(scope="module")
def graph(built_index):
    return PostGraph.open(built_index, "sqe", None)


def counts_of(x):
    return cooccurrence([sp.csr_matrix(np.asarray(x, np.float32))])


def only(monkeypatch, part):
    """Score by one part alone."""
    weights = dict.fromkeys(completion.ESTIMATE_WEIGHTS, 0.0) | {part: 1.0}
    monkeypatch.setattr(completion, "ESTIMATE_WEIGHTS", weights)


def matrix_of(graph):
    """Posts × dictionary columns, dense; and the column of a tag id."""
    column = {t: i for i, t in enumerate(graph.dictionary.tag_ids.tolist())}
    made = np.zeros((len(graph.posts), len(column)))
    for row in range(len(graph.posts)):
        for tag_id in graph.posts.tags_of[row].tolist():
            if tag_id in column:
                made[row, column[tag_id]] = 1
    return made, column


# -- what is kept ----------------------------------------------------------------------------------


def test_companions_keep_the_largest_of_each_row():
    counts = sp.csr_matrix(np.array([[0, 5, 2, 9], [5, 0, 0, 1], [2, 0, 0, 0], [9, 1, 0, 0.0]]))
    made = Companions.of(counts, np.array([9, 9, 9, 9]), exact=1, kept=1)
    assert [made.columns[i].tolist() for i in range(4)] == [[3], [0], [0], [0]]
    assert [made.counts[i].tolist() for i in range(4)] == [[9], [5], [2], [9]]
    assert made.inverse == pytest.approx(np.array([[1 / (RIDGE + (1 + DROPOUT) * 9)]]))
    wider = Companions.of(counts, np.array([20, 9, 9, 20]), exact=0, kept=2)
    assert [wider.columns[i].tolist() for i in range(4)] == [[1, 3], [0, 3], [0], [0, 1]]
    assert wider.inverse.shape == (0, 0)


def test_the_inverse_is_that_of_the_most_used_tags_among_themselves():
    rng = np.random.default_rng(0)
    x = rng.random((50, 9)) < 0.4
    frequencies = x.sum(0)
    made = Companions.of(counts_of(x), frequencies, exact=6)
    gram = (x.T.astype(float) @ x)[:6, :6] + np.diag(RIDGE + DROPOUT * frequencies[:6])
    assert made.inverse == pytest.approx(np.linalg.inv(gram), abs=1e-6)


def test_an_inverse_of_several_bands_is_whole_and_in_its_place(monkeypatch):
    monkeypatch.setattr(companions, "_MIRRORED", 7)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 30)).astype(np.float32)
    matrix = np.ascontiguousarray(x.T @ x + np.eye(30, dtype=np.float32))
    expected = np.linalg.inv(matrix.astype(np.float64))
    invert(matrix)
    assert matrix == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(matrix, matrix.T)
    with pytest.raises(BadInput, match="not positive definite"):
        invert(np.array([[1, 2], [2, 1]], np.float32))
    invert(np.zeros((0, 0), np.float32))  # nothing to do


def test_frequencies_that_leave_implied_tags_out_do_no_harm():
    rng = np.random.default_rng(0)
    x = rng.random((60, 8)) < 0.6
    x[:, 1] |= x[:, 0]  # tag 0 implies tag 1, and 2 and 3 are on every post
    x[:, 2:4] = True
    said = np.array([30, 1, 1, 1, 20, 20, 20, 20])
    made = Companions.of(counts_of(x), said).inverse
    assert np.isfinite(made).all() and (np.linalg.eigvalsh(made) > 0).all()


def test_saved_companions_are_those_of_the_counts(graph, tmp_path, monkeypatch):
    x, _ = matrix_of(graph)
    kept, made = graph._completer._companions, Companions.of(counts_of(x), x.sum(0))
    assert kept.inverse == pytest.approx(made.inverse, abs=1e-6)
    assert len(kept) == x.shape[1]
    store = Store(tmp_path)
    few = graph.dictionary.frqs[:12]
    words = replace(graph.dictionary, tags=graph.dictionary.tags[:12])
    monkeypatch.setattr(
        Companions.of.__func__, "__defaults__", (8, 3)
    )  # 8 exact, 3 of the others
    with store.stage("embed_tags.py") as stage:
        save_companions(stage, counts_of(x[:, :12]), few)
    back, made = Companions.open(store, words), Companions.of(counts_of(x[:, :12]), few)
    assert back.inverse.shape == (8, 8)
    assert back.inverse == pytest.approx(made.inverse, abs=1e-6)
    for rows, expected in ((back.columns, made.columns), (back.counts, made.counts)):
        assert [rows[i].tolist() for i in range(12)] == [
            expected[i].tolist() for i in range(12)
        ]
        assert all(len(rows[i]) <= 3 for i in range(12))


def test_a_tag_without_kept_companions_speaks_for_itself_alone(graph, monkeypatch):
    completer, none = graph._completer, np.zeros(0, np.int64)
    monkeypatch.setattr(completer, "_met", lambda given: (none, none, none))
    made, posts = completer._alone(np.array([3])), completer._frequencies[3]
    assert made[3] == pytest.approx(posts / (posts + 1))
    assert not np.delete(made, 3).any()


def test_companions_of_another_dictionary_or_version_are_refused(
    graph, built_index, monkeypatch
):
    fewer = replace(graph.dictionary, tags=graph.dictionary.tags[1:])
    with pytest.raises(BadArtifact, match="run embed_tags"):
        Companions.open(Store(built_index), fewer)
    older = pa.table({"columns": [[1]], "counts": [[2]]})
    monkeypatch.setattr(Store, "map_table", lambda self, name: older)
    with pytest.raises(BadArtifact, match="older version: run embed_tags"):
        Companions.open(Store(built_index), graph.dictionary)


# -- the parts -------------------------------------------------------------------------------------


def test_the_linear_part_is_ridge_regression_on_all_other_tags(graph, monkeypatch):
    only(monkeypatch, "linear")
    x, column = matrix_of(graph)
    given = graph.posts.tags_of[3][-3:].astype(int)
    at = np.array([column[t] for t in given])
    got = graph._completer.scores(given)
    gram = x.T @ x + np.diag(RIDGE + DROPOUT * x.sum(0))
    for j in [*at, *range(0, x.shape[1], 7)]:  # each by itself, from the others
        others = np.arange(x.shape[1]) != j
        weights = np.linalg.solve(gram[np.ix_(others, others)], x[:, others].T @ x[:, j])
        told = dict(zip(np.flatnonzero(others), weights, strict=True))
        assert got[j] == pytest.approx(sum(told.get(i, 0) for i in at), abs=1e-4)


def test_the_linear_part_is_learnt_as_if_tags_were_hidden_by_chance():
    """ρ = p / (1 − p): the least expected error over all ways of hiding inputs, p each."""
    rng = np.random.default_rng(0)
    x = (rng.random((12, 4)) < 0.5).astype(float)
    hidden = DROPOUT / (1 + DROPOUT)
    rows, target, weights = [], [], []
    for row in x:
        for mask in product((0, 1), repeat=3):
            kept = np.array(mask) / (1 - hidden)  # as dropout scales what is left
            rows.append(row[1:] * kept)
            target.append(row[0])
            weights.append(np.prod([hidden if not m else 1 - hidden for m in mask]))
    rows, weights = np.array(rows), np.array(weights)
    gram = rows.T @ (rows * weights[:, None]) + RIDGE * np.eye(3)
    expected = np.linalg.solve(gram, rows.T @ (weights * np.array(target)))
    inverse = Companions.of(counts_of(x), x.sum(0)).inverse
    assert -inverse[1:, 0] / inverse[0, 0] == pytest.approx(expected, abs=1e-5)


def test_alone_is_ridge_regression_on_the_given_tags(graph, monkeypatch):
    only(monkeypatch, "alone")
    x, column = matrix_of(graph)
    given = graph.posts.tags_of[3][-3:].astype(int)
    at = [column[t] for t in given]
    gram = x[:, at].T @ x[:, at] + np.eye(len(at))
    expected = x.T @ x[:, at] @ np.linalg.solve(gram, np.ones(len(at)))
    assert graph._completer.scores(given) == pytest.approx(expected, abs=1e-6)


def test_one_tag_alone_says_how_many_of_its_posts_hold_another(graph, monkeypatch):
    only(monkeypatch, "alone")
    x, column = matrix_of(graph)
    tag_id = int(graph.dictionary.tag_ids[30])
    held = x[x[:, column[tag_id]] > 0]
    got = graph._completer.scores(np.array([tag_id]))
    assert got == pytest.approx(
        held.sum(0) / (len(held) + 1), abs=1e-6
    )  # the ridge is one post


def test_alone_fades_as_a_post_comes_to_its_usual_length(graph, monkeypatch):
    monkeypatch.setattr(TagCompleter, "_linear", lambda self, given: np.zeros(len(self._shown)))
    monkeypatch.setattr(
        TagCompleter, "_from_posts", lambda self, given: np.zeros(len(self._shown))
    )
    monkeypatch.setattr(TagCompleter, "_alone", lambda self, given: np.ones(len(self._shown)))
    made, tag_ids = graph._completer, graph.dictionary.tag_ids
    usual = 0.75 * len(graph.posts.tags_of.values) / len(graph.posts)
    for n in (1, 2, 3):
        part = 2 / n - 2 / usual
        assert made.scores(tag_ids[:n])[0] == pytest.approx(part / (2 + part))
    assert not made.scores(tag_ids[: int(usual) + 1]).any()


def test_the_hint_is_the_largest_share_above_chance_among_rarer_tags(graph, monkeypatch):
    x, _ = matrix_of(graph)
    few = Companions.of(counts_of(x), graph.dictionary.frqs, exact=20)
    made = TagCompleter(few, graph.dictionary, graph.ranking, graph.allowed, graph.shown)
    shares = [x[x[:, j] > 0].mean(0) - x.mean(0) for j in (30, 45)]
    for share, j in zip(shares, (30, 45), strict=True):
        share[j] = 0  # nothing of itself
    expected = np.maximum(np.max(shares, 0), 0)
    assert made._hint(np.array([3, 30, 45])) == pytest.approx(expected, abs=1e-6)
    assert not made._hint(np.array([3])).any() and not made._linear(np.array([45])).any()


def test_the_posts_part_is_a_share_of_posts(graph, monkeypatch):
    only(monkeypatch, "posts")
    given = graph.posts.tags_of[3].astype(int)
    got = graph._completer.scores(given)
    assert got.min() >= 0 and got.max() < 1  # never all: one imaginary post holds nothing
    held = np.isin(graph.dictionary.tag_ids, given)
    assert got[held].min() > got[~held].mean()


def test_the_posts_most_like_it_count_and_all_if_there_are_no_more(graph, monkeypatch):
    tag_ids = np.sort(graph.posts.tags_of[3].astype(int))[-2:]
    monkeypatch.setattr(completion, "COMPARED_POSTS", 20)
    query = [Query(tag_ids, np.ones(2))]
    rows = graph.ranking.candidates(query, graph.allowed, 20)
    assert len(rows) == 20
    found = {}
    for most in (1, 20, 21):
        monkeypatch.setattr(completion, "SIMILAR_POSTS", most)
        found[most] = graph._completer._from_posts(tag_ids)
    assert np.array_equal(found[20], found[21])
    best = graph.ranking.cosines(rows, query).max() ** completion.SHARPNESS
    # Of a single post each of its tags gets the share beside the imaginary one.
    assert set(found[1].round(6)) == {0, round(best / (1 + best), 6)}


def test_tags_without_a_vector_are_completed_by_posts_alone(graph):
    """By a dictionary that leaves the rarest tag out."""
    words, (matrix, _) = graph.dictionary, matrix_of(graph)
    tag_id, other = int(words.tag_ids[-1]), int(words.tag_ids[5])
    parts = {name: getattr(words, name)[:-1] for name in ("tags", "vecs", "frqs", "tag_ids")}
    fewer = replace(words, **parts)
    learned = Companions.of(counts_of(matrix[:, :-1]), fewer.frqs)
    made = TagCompleter(learned, fewer, graph.ranking, graph.allowed, graph.shown)
    expected = made._from_posts(np.array([tag_id]))
    assert made.scores(np.array([tag_id])) == pytest.approx(expected) and expected.max() > 0
    both = np.array([other, tag_id])
    assert [tag for tag, _ in made.doubt(both)] == [graph.posts.names[other]]
    weights = completion.ESTIMATE_WEIGHTS
    left = weights["alone"] * (1 - 1 / made._usual)
    of_tags = weights["linear"] * made._linear(np.array([5])) + left * made._alone(
        np.array([5])
    )
    total = weights["posts"] * made._from_posts(both) + of_tags * made._shown
    total /= weights["linear"] + weights["posts"] + left
    assert made.scores(both) == pytest.approx(total)


# -- what a person would expect --------------------------------------------------------------------


def test_an_implied_tag_is_suggested_and_found_redundant(graph):
    implications = graph.catalog.implications
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
    assert all(0 <= s <= 1 for _, s in doubted)
    assert graph.doubtful_tags([members[0]]) == []  # nothing to hold it against


def test_suggestions_are_best_first_and_hold_no_given_tag(graph):
    given = [name for name, _ in graph.posts.tags(3)][-4:]
    found = graph.suggest_tags(given, len(graph.dictionary.tags))
    assert [s for _, s in found] == sorted((s for _, s in found), reverse=True)
    assert not set(given) & {tag for tag, _ in found}
    assert len(found) > 10 and all(0 < s <= 1 for _, s in found)


def test_tags_of_hidden_posts_alone_are_neither_suggested_nor_offered(graph, built_index):
    tag_id = next(t for t in graph.dictionary.tag_ids.tolist() if 3 < graph.shown[t] < 40)
    name = graph.posts.names[tag_id]
    narrowed = PostGraph.open(built_index, "sqe", name)
    assert narrowed.shown[tag_id] == 0
    beside = [
        t for t in graph.posts.tags_of[int(graph.posts.rows_with[tag_id][0])] if t != tag_id
    ]
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


# -- the evaluation -------------------------------------------------------------------------------


def not_installed(*args):
    raise E6GraphError("not there")


def test_hidden_tags_are_a_fifth_of_odd_rows_and_gone_from_what_is_learnt():
    rng = np.random.default_rng(0)
    dense_x = (rng.random((40, 30)) < 0.4).astype(np.float32)
    reduced, cases = completing.hide(sp.csr_matrix(dense_x), 10)
    assert len(cases) == 10
    assert reduced.nnz == dense_x.sum() - sum(len(hidden) for _, hidden in cases)
    for seen, hidden in cases:
        assert len(hidden) == max(1, round(0.2 * (len(seen) + len(hidden))))
        assert not set(seen) & set(hidden)
    changed = np.flatnonzero((reduced.toarray() != dense_x).any(1))
    assert len(changed) == 10 and (changed % 2 == 1).all()


def test_ease_is_the_best_linear_map_with_a_zero_diagonal():
    rng = np.random.default_rng(0)
    x = (rng.random((60, 6)) < 0.4).astype(np.float32)
    got = completing.ease(counts_of(x), x.sum(0), ridge=2.0)
    for j in range(6):  # each column alone: ridge regression on the others
        others = [i for i in range(6) if i != j]
        gram = x[:, others].T @ x[:, others] + 2 * np.eye(5)
        expected = np.linalg.solve(gram, x[:, others].T @ x[:, j])
        assert got[others, j] == pytest.approx(expected, abs=1e-4)
        assert got[j, j] == 0


def test_item_knn_and_co_occurrence_by_hand(graph, monkeypatch):
    monkeypatch.setattr(completing, "als_completer", not_installed)
    monkeypatch.setattr(completing, "suggester", lambda *args: None)  # x is not the graph's
    x = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0.0]], np.float32)
    methods = dict(completing.completers(graph, sp.csr_matrix(x)))
    seen = np.array(
        [0, 2]
    )  # on 3 posts and on 1; tag 1 is on 2 of the first's, 1 of the second's
    assert methods["co-occurrence"](seen)[1] == pytest.approx(2 / 3 + 1 / 1)
    assert methods["item-kNN"](seen)[1] == pytest.approx(
        2 / np.sqrt(3 * 2) + 1 / np.sqrt(1 * 2)
    )
    assert methods["popularity"](seen).tolist() == [3, 2, 1]


def test_als_folds_seen_tags_in_as_one_more_post(monkeypatch):
    pytest.importorskip("implicit")
    pytest.importorskip("threadpoolctl")
    rng = np.random.default_rng(0)
    tags = rng.standard_normal((5, 64)).astype(np.float32)
    monkeypatch.setattr(als, "factorize", lambda *args, seed: (None, tags))
    x = sp.csr_matrix((rng.random((30, 5)) < 0.4).astype(np.float32))
    seen, weight = np.array([1, 4]), als.idf(x)
    confidence = np.ones(5)
    confidence[seen] = weight[seen]
    system = tags.T @ np.diag(confidence) @ tags + 0.02 * np.eye(64)
    factors = np.linalg.solve(system, tags[seen].T @ weight[seen])  # Hu et al. 2008, eq. 4
    got = completing.als_completer(x, 64, 0)(seen)
    assert got == pytest.approx(tags @ factors, abs=1e-3)


def test_what_is_left_out_is_said_with_its_reason(graph, monkeypatch):
    monkeypatch.setattr(completing, "als_completer", not_installed)
    rows, notes = completing.completion_table(graph, "all tags", 20, ridges=(10,))
    names = [name for name, *_ in rows]
    assert "ALS, 64 factors: left out: not there" in notes and not any(
        "ALS" in name for name in names
    )
    assert names[-2:] == ["EASE, λ 10", "suggest_tags"]  # ours last
    assert completing.affordable(12_000, False, False) == ((100, 10), [])
    for quick, asked, ridges in ((False, True, (10,)), (False, False, ()), (True, True, ())):
        got, notes = completing.affordable(33_000, quick, asked)
        assert got == ridges and len(notes) == (not ridges)
    assert "4.4 GB and 719 seconds" in notes[0] and "--sections completion" in notes[0]
    assert completing.affordable(12_000, True, False)[0] == ()
    monkeypatch.setattr(completing.os, "sysconf", lambda name: 1000)  # a megabyte of memory
    got, notes = completing.affordable(1000, False, True)
    assert got == () and "too much" in notes[0]
    assert completing.affordable(100, False, True)[0]


def test_ease_of_many_tags_is_for_those_who_ask_for_completion_alone(graph, monkeypatch):
    monkeypatch.setattr(completing, "EASE_LARGEST", 3)
    monkeypatch.setattr(completing, "CASES", 5)
    monkeypatch.setattr(completing, "ABSENT", 5)
    monkeypatch.setattr(completing, "als_completer", not_installed)
    for sections, names in ((["completion"], {"EASE, λ 10"}), (["completion", "walk"], set())):
        args = Namespace(quick=False, seed=0, sections=sections)
        tables = completing.section(graph, args)
        assert {row[0] for row in tables[0].rows if row[0].startswith("EASE")} == names
        assert any("EASE left out" in note for note in tables[0].notes) is not bool(names)


def test_completion_is_judged_with_suggestions_above_popularity(graph):
    for which in ("all tags", "stripped tags"):
        rows, notes = completing.completion_table(graph, which, n=60)
        ndcg = {name: figures[0] for name, *figures in rows}
        assert ndcg["suggest_tags"] > 1.2 * ndcg["popularity"]
        assert notes[0].startswith("60 posts judged")


def test_what_suggestions_are_made_from_holds_no_hidden_tag(graph):
    matrix, _ = completing.hide(completing.dictionary_matrix(graph, "all tags"), 30)
    made = completing.suggester(graph, matrix, cooccurrence([matrix]))
    full = graph._completer._ranking.posts.tags_of
    assert len(made._ranking.posts.tags_of.values) == matrix.nnz < len(full.values)


def test_posts_taken_off_the_board_are_odd_and_gone(graph):
    matrix = completing.dictionary_matrix(graph, "all tags")
    learnt, posts, _ = completing.absent(graph, 12, seed=0)
    gone = np.flatnonzero(np.diff(learnt.indptr) != np.diff(matrix.indptr))
    assert len(posts) == len(gone) == 12 and (gone % 2 == 1).all()
    assert not np.diff(learnt.indptr)[gone].any()
    held = sorted(
        matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]].tolist() for row in gone
    )
    assert sorted(tags.tolist() for tags in posts) == held


def test_two_tags_complete_a_post_better_and_one_is_enough_to_begin(graph):
    found = {name: figures for name, *figures in completing.few_table(graph, 40)}
    assert list(found) == ["popularity", "co-occurrence", "item-kNN", "suggest_tags"]
    assert found["suggest_tags"][0] < found["suggest_tags"][1]
    assert found["suggest_tags"][0] > found["popularity"][0]
    assert (
        found["suggest_tags"][0] > 0.9 * found["co-occurrence"][0]
    )  # which is P(j | i) itself


def test_strangers_are_found_by_their_support_and_not_by_their_use(graph):
    rows = completing.doubt_table(graph, 25)
    shares = {name: shares for name, *shares in rows}
    assert "posts that hold it" in shares
    assert all(row and all(0 <= share <= 1 for share in row) for row in shares.values())
    assert min(shares["doubtful_tags"]) > max(0.5, shares["posts that hold it"][1])
