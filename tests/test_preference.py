"""The posterior of a taste against the same formulas, dense; and what is chosen by it."""

from typing import NamedTuple

import numpy as np
import pytest

from e6graph import PostGraph
from e6graph.recommend import choosing
from e6graph.recommend import preference as module
from e6graph.recommend.choosing import candidates, choose
from e6graph.recommend.features import taste_features
from e6graph.recommend.preference import Judgments, Preference


class Judgment(NamedTuple):
    row: int
    value: float
    age: float = 0.0


@pytest.fixture(scope="module")
def graph(built_index):
    return PostGraph.open(built_index)


def taste(graph, judgments, enjoys=()):
    rows, values, ages = np.array(judgments, np.float64).reshape(-1, 3).T
    said = Judgments(rows.astype(np.int64), values, ages)
    return Preference(graph.ranking, graph.dictionary, said, list(enjoys), graph.allowed)


def rows_with(graph, tag):
    rows = graph.posts.rows_tagged(tag)
    return rows[graph.allowed[rows]].tolist()


def expected(graph, rows):
    """f of some rows before anything was said: float64 (m,)."""
    tags, offsets = graph.posts.tags_of.take(np.array(rows))
    return module.BASE + module.APPEAL * graph.ranking.appeal.of(tags, offsets)


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
    told = np.array([one.value for one in judgments]) - expected(graph, judged)
    return expected(graph, rows) + gain @ told, kernel(rows, rows) - gain @ kernel(judged, rows)


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
    assert taste(graph, []).mean(rows) == pytest.approx(expected(graph, rows))
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
    latest = taste(graph, said[1:]).mean(rows)
    assert taste(graph, said).mean(rows) == pytest.approx(latest)


def test_a_liked_tag_is_found_within_a_few_clicks(graph):
    """Somebody who likes foxes alone and says nothing of it."""
    fox, left, said, hits = set(rows_with(graph, "fox")), graph.allowed.copy(), [], []
    for step in range(40):
        (row,) = choose(taste(graph, said), left, seed=step)
        left[row] = False
        hits.append(int(row) in fox)
        said.append(Judgment(int(row), 1.0 if hits[-1] else -1.0))
    assert np.mean(hits[20:]) > 0.7 > np.mean(hits[:5])


def test_only_allowed_rows_are_candidates_and_chosen_once_each(graph):
    left = graph.allowed.copy()
    left[::2] = False
    made, rng = taste(graph, judgments(graph)), np.random.default_rng(3)
    assert left[candidates(graph.ranking, made.weights(rng), left, rng)].all()
    chosen = choose(made, left, 10_000)
    assert left[chosen].all() and len(set(chosen.tolist())) == len(chosen) == left.sum()
    few = np.zeros_like(left)
    few[[5, 9]] = True
    assert set(choose(made, few, 5).tolist()) <= {5, 9}
    assert choose(made, np.zeros_like(left), 3).size == 0


def wanting(graph, *tags):
    """Weights by which some tags are worth something, each twice the next."""
    weights = np.zeros(len(graph.ranking.idf) + 1, np.float32)
    for place, tag in enumerate(tags):
        weights[graph.posts.tag_ids[tag]] = 2.0**-place
    return weights


def test_of_a_tag_on_many_posts_a_run_is_read_that_begins_anywhere(graph, monkeypatch):
    monkeypatch.setattr(choosing, "POSTINGS_READ", 5)
    monkeypatch.setattr(choosing, "STRAY_CANDIDATES", 0)
    everything = np.ones(len(graph.posts), bool)
    weights = wanting(graph, "fox", "owl")
    runs, begins = {}, {"fox": set(), "owl": set()}
    for tag in begins:
        rows = graph.posts.rows_tagged(tag).tolist()
        runs[tag] = {tuple(rows[i : i + 5]) for i in range(len(rows) - 4)}
    for seed in range(400):
        rng = np.random.default_rng(seed)
        found = candidates(graph.ranking, weights, everything, rng)
        for tag, begun in begins.items():
            begun.add(tuple(np.intersect1d(found, graph.posts.rows_tagged(tag)).tolist()))
        assert len(found) == 10
    assert begins == runs


def test_the_best_candidates_by_the_best_tags_are_kept(graph, monkeypatch):
    monkeypatch.setattr(choosing, "STRAY_CANDIDATES", 0)
    allowed, rng = graph.allowed, np.random.default_rng(0)
    weights = wanting(graph, "fox", "night", "lantern", "moss")
    gain = weights[:-1] * graph.ranking.idf
    worth = np.array([gain[graph.posts.tags_of[row]].sum() for row in range(len(allowed))])
    found = candidates(graph.ranking, weights, allowed, rng)
    assert found.tolist() == np.flatnonzero((worth > 0) & allowed).tolist()
    monkeypatch.setattr(choosing, "BEST_CANDIDATES", 20)
    best = candidates(graph.ranking, weights, allowed, rng)
    others = np.setdiff1d(found, best)
    assert len(best) == 20 and worth[best].min() >= worth[others].max()
    monkeypatch.setattr(choosing, "BEST_TAGS", 2)
    monkeypatch.setattr(choosing, "BEST_CANDIDATES", 1000)
    two = np.argsort(-gain)[:2]
    holding = np.unique(np.concatenate([graph.posts.rows_with[tag] for tag in two]))
    found = candidates(graph.ranking, weights, allowed, rng)
    assert found.tolist() == holding[allowed[holding]].tolist()
    monkeypatch.setattr(choosing, "STRAY_CANDIDATES", 50)
    strays = candidates(graph.ranking, weights, allowed, rng)
    assert allowed[strays].all() and set(found) < set(strays)
    assert len(strays) <= len(found) + 50


@pytest.mark.parametrize("most", [100, 7])
def test_an_enjoyed_tag_counts_as_itself_and_as_the_posts_that_hold_it(
    graph, monkeypatch, most
):
    monkeypatch.setattr("e6graph.recommend.features.ENJOYED_POSTS", most)
    tag_id, words = graph.posts.tag_ids["fox"], graph.dictionary
    held = rows_with(graph, "fox")
    some = held[:: len(held) // most + 1]
    assert len(some) <= most
    posts = taste_features(graph.ranking, np.array(some)).toarray()[:, :-1]
    own = posts.sum(0) / np.linalg.norm(posts.sum(0))
    own[tag_id] += 1
    own /= np.linalg.norm(own)
    rows = np.arange(0, 60, 7)
    x = taste_features(graph.ranking, rows).toarray()[:, :-1]

    def kernel(a, b):
        meaning = (a[:, words.tag_ids] @ words.vecs) @ (b[:, words.tag_ids] @ words.vecs).T
        return module.TAG_VARIANCE * a @ b.T + module.MEANING_VARIANCE * meaning

    own = own[None]
    gain = kernel(x, own) / (kernel(own, own) + module.ENJOYED_NOISE)
    mean = expected(graph, rows) + module.ENJOYED_VALUE * gain[:, 0]
    assert taste(graph, [], [tag_id]).mean(rows) == pytest.approx(mean, abs=1e-4)


def test_skips_count_as_the_usual_and_with_more_noise(graph):
    row = rows_with(graph, "fox")[0]
    features = taste_features(graph.ranking, np.array([row])).toarray()
    own, level = features[:, :-1], features[:, -1:]
    words = graph.dictionary
    meaning = own[:, words.tag_ids] @ words.vecs
    variance = (
        module.TAG_VARIANCE * own @ own.T
        + module.MEANING_VARIANCE * meaning @ meaning.T
        + module.LEVEL_VARIANCE * level @ level.T
    )[0, 0]
    before = expected(graph, [row])[0]
    for value, told, noise in (
        (1.0, 1 - before, module.JUDGED_NOISE),
        (-1.0, -1 - before, module.JUDGED_NOISE),
        (0.0, 0.0, module.SKIPPED_NOISE),
    ):
        for age, faded in ((-5, 1), (module.HALF_LIFE, 2), (400, module.MOST_FADED)):
            mean = before + told * variance / (variance + noise * faded)
            made = taste(graph, [Judgment(row, value, age)])
            assert made.mean(np.array([row])) == pytest.approx([mean], abs=1e-4)


def test_a_seed_is_one_choice(graph):
    made = taste(graph, judgments(graph))
    one, other = (choose(made, graph.allowed, 8, seed=4) for _ in range(2))
    assert np.array_equal(one, other)


def test_what_tells_is_named_with_its_sign(graph):
    fox, owl = rows_with(graph, "fox"), rows_with(graph, "owl")
    said = [Judgment(r, 1.0) for r in fox[:4]] + [Judgment(r, -1.0) for r in owl[:4]]
    up, down = taste(graph, said).telling(6)
    assert len(up) == len(down) == 6
    assert all(weight > 0 for _, weight in up) and all(weight < 0 for _, weight in down)
    all_up, all_down = taste(graph, said).telling(10**6)
    assert all_up[:6] == up and all_down[:6] == down
    assert min(weight for _, weight in all_up) > 0 > max(weight for _, weight in all_down)
    held = taste_features(graph.ranking, np.array(fox[:4] + owl[:4])).sum(0)
    for pairs in (up, down):
        worth = [abs(weight) * held[0, tag_id] for tag_id, weight in pairs]
        assert worth == pytest.approx(sorted(worth, reverse=True), rel=1e-4)
    assert graph.posts.tag_ids["owl"] not in dict(up) and graph.posts.tag_ids[
        "fox"
    ] not in dict(down)
