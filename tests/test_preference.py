"""The posterior of a taste against the same formulas, dense; and what is chosen by it."""

import numpy as np
import pytest

from e6graph import PostGraph
from e6graph.recommend import preference as module
from e6graph.recommend.preference import (
    Judgment,
    Preference,
    candidates,
    choose,
    taste_features,
)


@pytest.fixture(scope="module")
def graph(built_index):
    return PostGraph.open(built_index)


def taste(graph, judgments, enjoys=(), **more):
    return Preference(
        graph.ranking, graph.dictionary, judgments, list(enjoys), graph.allowed, **more
    )


def rows_with(graph, tag):
    rows = graph.posts.rows_tagged(tag)
    return rows[graph.allowed[rows]].tolist()


def gaussian_process(graph, judgments, rows):
    """Mean (m,) and covariance (m, m), by Rasmussen and Williams 2006, eq. 2.25 and 2.26."""
    tags, words = len(graph.ranking.idf), graph.dictionary

    def kernel(a, b):
        left, right = (taste_features(graph.ranking, np.array(r)).toarray() for r in (a, b))
        meaning = (left[:, words.tag_ids] @ words.vecs) @ (
            right[:, words.tag_ids] @ words.vecs
        ).T
        own = module.TAG_VARIANCE * left[:, :tags] @ right[:, :tags].T
        return (
            own
            + module.LEVEL_VARIANCE * np.outer(left[:, tags], right[:, tags])
            + module.MEANING_VARIANCE * meaning
        )

    judged = [one.row for one in judgments]
    noise = np.diag(
        [module.JUDGED_NOISE * 2 ** (one.age / module.HALF_LIFE) for one in judgments]
    )
    gain = kernel(rows, judged) @ np.linalg.inv(kernel(judged, judged) + noise)
    told = np.array([one.value for one in judgments]) - module.BASE
    return module.BASE + gain @ told, kernel(rows, rows) - gain @ kernel(judged, rows)


def judgments(graph):
    fox, owl = rows_with(graph, "fox"), rows_with(graph, "owl")
    return [Judgment(fox[0], 1.0), Judgment(owl[0], -1.0, 10.0), Judgment(fox[1], 1.0, 40.0)]


def test_the_mean_is_that_of_the_gaussian_process(graph):
    rows, said = np.arange(0, 60, 7), judgments(graph)
    mean, _ = gaussian_process(graph, said, rows)
    assert taste(graph, said).mean(rows) == pytest.approx(mean, abs=1e-4)


def test_draws_have_its_mean_and_covariance(graph):
    rows, said = np.arange(0, 60, 15), judgments(graph)
    mean, covariance = gaussian_process(graph, said, rows)
    made, rng = taste(graph, said), np.random.default_rng(0)
    drawn = np.array([made.score(rows, made.weights(rng)) for _ in range(4000)])
    assert drawn.mean(0) == pytest.approx(mean, abs=0.06)
    assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.08)
    calm = np.array([made.score(rows, made.weights(rng, 0.1)) for _ in range(500)])
    assert calm.std(0) == pytest.approx(0.1 * np.sqrt(np.diag(covariance)), rel=0.25)


def test_nothing_known_is_the_prior(graph):
    rows = np.arange(9)
    assert taste(graph, []).mean(rows) == pytest.approx(np.full(9, module.BASE))
    assert taste(graph, []).telling() == ([], [])


def test_one_dislike_lowers_what_is_like_it_at_once(graph):
    owl = rows_with(graph, "owl")
    said = judgments(graph)[:1]
    before, after = taste(graph, said), taste(graph, [*said, Judgment(owl[3], -1.0)])
    assert (after.mean(np.array(owl)) < before.mean(np.array(owl))).all()


def test_old_and_surplus_judgments_count_less_and_not_at_all(graph, monkeypatch):
    fox = rows_with(graph, "fox")
    new, old = (
        taste(graph, [Judgment(fox[0], 1.0, age)]).mean(np.array(fox[:1]))[0]
        for age in (0, 300)
    )
    assert module.BASE < old < 0 < new or module.BASE < old < new
    monkeypatch.setattr(module, "LATEST_JUDGMENTS", 2)
    said = judgments(graph)
    rows = np.arange(20)
    expected = taste(graph, said[1:]).mean(rows)
    assert taste(graph, said).mean(rows) == pytest.approx(expected)


def test_a_liked_tag_is_found_within_a_few_clicks(graph):
    """Somebody who likes foxes alone and says nothing of it."""
    fox, left, said, hits = set(rows_with(graph, "fox")), graph.allowed.copy(), [], []
    for step in range(40):
        (row,) = choose(taste(graph, said), graph.ranking, left, seed=step)
        left[row] = False
        hits.append(int(row) in fox)
        said.append(Judgment(int(row), 1.0 if hits[-1] else -1.0))
    assert np.mean(hits[20:]) > 0.7 > np.mean(hits[:5])


def test_only_allowed_rows_are_candidates_and_chosen_once_each(graph):
    left = graph.allowed.copy()
    left[::2] = False
    made, rng = taste(graph, judgments(graph)), np.random.default_rng(3)
    assert left[candidates(graph.ranking, made.weights(rng), left, rng)].all()
    chosen = choose(made, graph.ranking, left, 10_000)
    assert left[chosen].all() and len(set(chosen.tolist())) == len(chosen) == left.sum()
    few = np.zeros_like(left)
    few[[5, 9]] = True
    assert set(choose(made, graph.ranking, few, 5).tolist()) <= {5, 9}
    assert choose(made, graph.ranking, np.zeros_like(left), 3).size == 0


def test_a_seed_is_one_choice(graph):
    made = taste(graph, judgments(graph))
    one, other = (choose(made, graph.ranking, graph.allowed, 8, seed=4) for _ in range(2))
    assert np.array_equal(one, other)


def test_what_tells_is_named_with_its_sign(graph):
    fox, owl = rows_with(graph, "fox"), rows_with(graph, "owl")
    said = [Judgment(r, 1.0) for r in fox[:4]] + [Judgment(r, -1.0) for r in owl[:4]]
    up, down = taste(graph, said).telling(6)
    assert len(up) == len(down) == 6
    assert all(weight > 0 for _, weight in up) and all(weight < 0 for _, weight in down)
    assert graph.posts.tag_ids["owl"] not in dict(up) and graph.posts.tag_ids[
        "fox"
    ] not in dict(down)
