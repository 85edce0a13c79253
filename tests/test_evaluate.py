"""Metrics by hand, methods against slow references, and the order of figures on a planted board."""

import json
import math
import sys
from collections import Counter
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp

from e6graph import PostGraph, evaluate
from e6graph.errors import BadInput, E6GraphError
from e6graph.evaluate import (
    comparing,
    newest,
    peers,
    plotting,
    protocol,
    recommending,
    report,
    searching,
    spread,
    touring,
    walking,
)
from e6graph.evaluate.families import Families
from e6graph.evaluate.methods import (
    OKAPI_B,
    OKAPI_K1,
    RP3_BETAS,
    ExactMethods,
    indicator,
    most_popular,
    popularity,
)
from e6graph.recommend.ranking import Ranking


@pytest.fixture(scope="module")
def graph(built_index):
    return PostGraph.open(built_index, "s", None)


@pytest.fixture(scope="module")
def exact(graph):
    return ExactMethods(graph)


@pytest.fixture(scope="module")
def batch(graph):
    """Rows of three queries of different lengths."""
    rows = np.flatnonzero(graph.allowed)
    return [rows[[3, 50, 200]], rows[[7]], rows[[100, 20]]]


# -- metrics and protocol ----------------------------------------------------------------------


def test_summary_by_hand():
    got = evaluate.summarize(np.array([0, 9, 10, 999, np.inf]))
    assert got == pytest.approx([0.4, 0.6, 0.8, (1 + 1 / 10 + 1 / 11 + 1 / 1000) / 5])


def test_overlap_with_popularity_and_coverage_by_hand():
    popular = np.array([True, True, False, False, False, False])
    first = [np.array([0, 2, 3]), np.array([2, 1]), np.zeros(0, np.int64)]
    found = protocol.MethodResult(np.array([0.0, 5.0, np.inf]), first, 2.5)
    got = dict(zip(protocol.METHOD_COLUMNS, found.figures(popular, 5), strict=True))
    assert got["popular"] == pytest.approx(2 / 5)  # posts 0 and 1 of five shown
    assert got["coverage"] == pytest.approx(4 / 5)  # posts 0 to 3 of five there are
    assert (got["@10"], got["ms"]) == (pytest.approx(2 / 3), 2.5)


def test_ties_are_broken_at_random_and_evenly():
    scores = np.array([3.0, 1.0, 1.0, 1.0, 0.0])
    rng = np.random.default_rng(0)
    ranks = [evaluate.rank_among(scores, 2, rng) for _ in range(3000)]
    assert np.bincount(ranks) / 3000 == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3], abs=0.04)


def test_queries_are_of_one_pool_and_never_hold_the_hidden_post():
    pools = [np.arange(10), np.array([20, 21]), np.array([30, 31, 32, 31])]
    made = evaluate.judging_queries(pools, 40, size=5)
    assert len(made) == 40
    for rows, hidden in made:
        assert hidden not in rows and 2 <= len(rows) <= 5
        assert len({row // 10 for row in [*rows.tolist(), hidden]}) == 1
        assert hidden // 10 != 2  # a pool of two is passed over
    assert {len(rows) for rows, _ in made} == {5, 2}


def test_few_queries_come_of_pools_far_apart():
    made = evaluate.judging_queries([np.arange(i, i + 3) for i in range(0, 90, 3)], 3)
    assert [hidden // 30 for _, hidden in made] == [0, 1, 2]


def test_no_pool_to_judge_by_is_said():
    with pytest.raises(BadInput, match="three members"):
        evaluate.judging_queries([np.arange(2)])


def test_a_perfect_score_is_a_perfect_figure():
    queries = [(np.array([0, 1]), 2), (np.array([3, 4]), 5)]
    answers = iter(queries)

    def oracle(_):
        return np.arange(10) == next(answers)[1]

    assert evaluate.judge(oracle, queries)[:4] == [1, 1, 1, 1]


def test_the_query_is_left_out_and_what_scores_nothing_is_not_shown():
    found = protocol.judge_scores(
        lambda batch: np.array([[9.0, 5.0, 4.0, 0.0, 0.0]] * len(batch)), [(np.array([0]), 2)]
    )
    assert found.ranks.tolist() == [1] and sorted(found.first[0].tolist()) == [1, 2]


def test_a_post_that_is_not_named_is_not_found():
    queries = [(np.array([0]), 7), (np.array([1]), 4)]
    found = protocol.judge_lists(lambda rows, seed: np.array([3, 4]), queries)
    assert found.ranks.tolist() == [np.inf, 1]


def test_pools_judged_are_never_trained_on(graph):
    halves = {half: protocol.split_pools(graph, half) for half in ("all", "even", "odd")}
    sets = {
        half: ({tuple(p) for p in a}, {tuple(p) for p in b}) for half, (a, b) in halves.items()
    }
    assert sets["odd"] == sets["even"][::-1] and not sets["odd"][0] & sets["odd"][1]
    assert sets["all"] == (sets["odd"][0] | sets["odd"][1], set())
    assert all(half[0] for half in halves.values())
    assert all(graph.allowed[pool].all() for pool in halves["all"][0])


def test_a_query_knows_its_pool():
    pools = [np.arange(3), np.arange(10, 20), np.array([5, 6]), np.arange(30, 60)]
    queries = evaluate.judging_queries(pools, 50)
    found = protocol.pools_of(queries, pools)
    assert {*found.tolist()} == {0, 1, 3}
    for (rows, hidden), number in zip(queries, found, strict=True):
        assert {hidden, *rows.tolist()} <= {*pools[number].tolist()}


# -- families, lists and intervals by hand -------------------------------------------------------


def test_families_are_those_of_the_board(demo):
    graph = PostGraph.open(demo / "index", "s", None)
    families, first = Families.read(graph), graph.catalog.families.first
    assert sorted({*families.of_row.tolist()}) == list(range(len({*first.tolist()})))
    same = families.of_row[:, None] == families.of_row
    assert (same == (first[:, None] == first)).all()
    assert families.alone == (len(first) == len({*first.tolist()}))


def test_a_family_has_one_place_and_that_of_the_query_none():
    families = Families(np.array([0, 0, 1, 1, 2, 3]))
    scores = np.array([[0.0, 9.0, 8.0, 7.0, 6.0, 5.0]])
    for hidden, place, place_of_family in ((3, 2, 0), (4, 3, 1), (5, 4, 2), (1, 0, math.nan)):
        query = [(np.array([0]), hidden)]
        by_score = protocol.judge_scores(lambda _: scores, query, families=families)
        in_order = protocol.judge_lists(
            lambda rows, seed: np.array([1, 2, 3, 4, 5]), query, families=families
        )
        for found in (by_score, in_order):
            assert found.ranks.tolist() == [place]
            assert found.family_ranks == pytest.approx([place_of_family], nan_ok=True)
            assert found.first[0].tolist() == [1, 2, 3, 4, 5]


def test_any_member_of_a_family_will_do():
    families, query = Families(np.array([0, 1, 2, 2])), [(np.array([0]), 3)]
    found = protocol.judge_lists(lambda *_: np.array([2, 1]), query, families=families)
    assert (found.ranks.tolist(), found.family_ranks.tolist()) == ([np.inf], [0])


def test_near_duplicates_and_distance_by_hand():
    tags = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert spread.near_duplicates(sp.csr_matrix(tags)) == 1 / 4  # 4 of 5 tags are shared
    tags[1] = [1, 1, 1, 0, 1]  # 3 of 5
    assert spread.near_duplicates(sp.csr_matrix(tags)) == 0
    vectors = np.array([[1.0, 0], [0.6, 0.8], [0, 1.0]])
    assert spread.mean_distance(vectors) == pytest.approx((0.4 + 0.2 + 1) / 3)


def test_the_spread_of_lists_by_hand(graph):
    rows = np.flatnonzero(graph.allowed)
    least = np.argsort(popularity(graph)[rows])[:10]
    best = int(np.flatnonzero(most_popular(graph, share=0.01))[0])
    first = [np.array([best, best]), rows[least], np.zeros(0, np.int64)]
    found = protocol.MethodResult(np.zeros(3), first, 1.0, np.array([0, 10, np.nan]))
    got = dict(zip(spread.HEADER, spread.Spread(graph, 0).figures(found), strict=True))
    assert (got["@10"], got["@100"]) == (1 / 2, 1)  # the third has no place
    assert got["popular"] == pytest.approx(2 / 12)
    assert got["coverage"] == pytest.approx(11 / len(rows))
    assert got["near-duplicates"] >= 1 / 4  # one of two lists is a post and its copy
    assert most_popular(graph, share=0.01).sum() == math.ceil(len(rows) / 100)


def test_pools_are_drawn_again_and_not_queries():
    """Of two pools, one all better and one all worse, nothing is known, however many queries."""
    pools, values = np.repeat([4, 9], 500), np.repeat([1.0, -1.0], 500)
    assert comparing.Bootstrap(pools, 0).interval(values) == (-1, 1)
    alone = comparing.Bootstrap(np.arange(1000), 0).interval(values)
    assert alone == pytest.approx((-0.062, 0.062), abs=0.01)  # 1.96 / √1000


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(0), 0
    for turn in range(200):
        values = np.repeat(rng.normal(0.3, 1, 60), 5) + rng.normal(0, 1, 300)
        low, high = comparing.Bootstrap(np.repeat(np.arange(60), 5), turn).interval(values)
        covered += low <= 0.3 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_one_pool_tells_nothing_of_others():
    low, high = comparing.Bootstrap(np.zeros(9, int), 0).interval(np.ones(9))
    assert comparing.mark(low, high) == "level"


def test_each_figure_is_compared_with_its_own_best_peer():
    pools = np.arange(200)
    ours, wide = np.full(200, 5.0), np.full(200, 90.0)
    near = np.tile([0.0, np.inf], 100)
    boot = comparing.Bootstrap(pools, 0)
    rows = comparing.compare(5, ours, {"near": near, "wide": wide}, boot)
    told = {row[1]: (row[2], row[-1]) for row in rows}
    assert told == {
        "@10": ("near", "above"),
        "@100": ("wide", "level"),
        "@1000": ("wide", "level"),
        "MRR": ("near", "below"),
    }
    for _, _, _, other, own, difference, low, high, _ in rows:
        assert low <= difference == own - other <= high


def test_marks_are_counted_over_boards():
    rows = [(5, "@10", "BM25", 0.1, 0.2, 0.1, 0.0, 0.2, mark) for mark in ("above", "level")]
    board = [comparing.Comparison("first", (), rows), comparing.Comparison("by family", (), [])]
    table = comparing.summary({"a": board, "b": [], "c": board[:1]})
    counts = {row[0]: tuple(row[1:]) for row in table.rows}
    one = (2, 1, 1, 0)
    assert counts == {"a": one, "b": (0, 0, 0, 0), "c": one, "all": (4, 2, 2, 0)}


def test_families_are_compared_without_queries_for_a_variant():
    ranks = np.array([0.0, 5, np.inf, 20])
    ours = protocol.MethodResult(ranks, [], 1.0, np.array([0.0, np.nan, 3, 9]))
    peer = protocol.MethodResult(ranks, [], 1.0, np.array([0.0, np.nan, 9, np.inf]))
    for by_family in (False, True):
        beside = comparing.BesidePeers(0, by_family)
        beside.add(1, ours, {"ALS": peer}, np.arange(4))
        plain, *families = beside.tables()
        assert {row[-1] for row in plain.rows} == {"level"} and len(families) == by_family
        assert "+0.000 [+0.000, +0.000]" in plain.notes[0]
    assert families[0].rows[0][:6] == (1, "@10", "ALS", 2 / 3, 1, pytest.approx(1 / 3))


# -- exact methods against references that take their time -----------------------------------------


def tag_sets(graph):
    silent = set(np.flatnonzero(graph.ranking.idf <= 0).tolist())
    return [set(graph.posts.tags_of[row].tolist()) - silent for row in range(len(graph.posts))]


def p3(sets, held, row):
    """Chance of coming from a row to each, by a post's tags and a tag's posts."""
    reached = np.zeros(len(sets))
    for other, tags in enumerate(sets):
        shared = sets[row] & tags
        reached[other] = sum(1 / len(sets[row]) / held[tag] for tag in shared)
    return reached


def agree(graph, scores, expected):
    assert scores.shape == (len(expected), len(graph.posts))
    assert np.isneginf(scores[:, ~graph.allowed]).all()
    kept = np.array(expected)[:, graph.allowed]
    assert scores[:, graph.allowed] == pytest.approx(kept, rel=1e-4, abs=1e-6)


def test_walk_of_three_and_its_penalty_against_a_slow_one(graph, exact, batch):
    sets = tag_sets(graph)
    held = Counter(tag for tags in sets for tag in tags)
    expected = [sum(p3(sets, held, row) for row in rows) for rows in batch]
    agree(graph, exact.p3()(batch), expected)
    lengths = np.array([len(tags) for tags in sets])
    agree(graph, exact.rp3(0.6)(batch), [line / lengths**0.6 for line in expected])


def test_bm25_against_a_slow_one(graph, exact, batch):
    sets = tag_sets(graph)
    held = Counter(tag for tags in sets for tag in tags)
    mean = np.mean([len(tags) for tags in sets])
    expected = []
    for rows in batch:
        asked = Counter(tag for row in rows for tag in sets[row])
        line = []
        for tags in sets:
            tf = (OKAPI_K1 + 1) / (1 + OKAPI_K1 * (1 - OKAPI_B + OKAPI_B * len(tags) / mean))
            idf = {t: math.log(1 + (len(sets) - held[t] + 0.5) / (held[t] + 0.5)) for t in tags}
            line.append(sum(asked[tag] * idf[tag] * tf for tag in tags))
        expected.append(line)
    agree(graph, exact.bm25()(batch), expected)
    shared = exact.shared_idf()(batch)
    agree(graph, exact.bm25(0.0, 0.5)(batch), shared[:, :])  # without saturation, idf alone


def test_ease_against_one_that_inverts_posts_by_posts(graph, exact, batch):
    held = exact.tags.toarray()
    held = held[:, held.sum(0) > 1].astype(np.float64)
    for ridge in (10.0, 300.0):
        inverse = np.linalg.inv(held @ held.T + ridge * np.eye(len(held)))
        weights = np.eye(len(held)) - inverse / np.diag(inverse)
        scores = exact.ease(ridge)(batch)
        for rows, line in zip(batch, scores, strict=True):
            others = np.setdiff1d(np.flatnonzero(graph.allowed), rows)
            expected = weights[rows].sum(0)[others]
            assert line[others] == pytest.approx(expected, rel=1e-3, abs=1e-5)
        assert np.isneginf(scores[:, ~graph.allowed]).all()


def test_the_sites_recommended_against_a_slow_one(graph, exact, batch):
    sets, posts = tag_sets(graph), graph.posts
    held = Counter(tag for tags in sets for tag in tags)
    weight = {"artist": 0, "copyright": 0, "character": 1.25, "species": 1.25}
    worth = {tag: weight.get(posts.category(tag), 1) for tag in held}
    expected = np.zeros((len(batch), len(sets)))
    for line, rows in zip(expected, batch, strict=True):
        for row in rows:
            asked = sorted((t for t in sets[row] if worth[t]), key=lambda tag: held[tag])[:50]
            need = 0.3 * len(asked) if len(asked) >= 7 else 0
            for other, tags in enumerate(sets):
                shared = tags & {*asked}
                if len(shared) >= need:
                    line[other] += sum(worth[tag] for tag in shared)
    agree(graph, exact.site()(batch), expected)


def test_a_post_of_many_tags_asks_the_site_for_the_rarest():
    """Of 60 tags the ten most used are not asked for, and 15 of the 50 must be shared."""
    order = np.arange(60)[::-1]
    from e6graph.evaluate.methods import first_of_rows

    kept = first_of_rows(sp.csr_matrix(np.ones((2, 60))), order, 50)
    assert (kept.toarray() == [[0] * 10 + [1] * 50] * 2).all()


def test_settings_are_those_with_the_best_rates_on_training_queries():
    rng = np.random.default_rng(0)
    scores = rng.random((30, 500)).astype(np.float32)
    queries = [(np.array([0]), i + 1) for i in range(30)]
    good = np.linspace(1000, 1, 500, dtype=np.float32)  # the first rows come first
    factors = [np.ones(1, np.float32), good, good[::-1]]
    answers = []

    def score(batch):
        answers.append(len(batch))
        return scores[: len(batch)].copy()

    rates = peers.mean_hit_rates(score, [queries, queries], factors, 0)
    assert answers == [30, 30] and np.argmax(rates) == 1 and rates[2] < rates[0]


def test_peers_are_tuned_on_the_pools_that_are_not_judged(graph):
    _, others = protocol.split_pools(graph, "odd")
    training = peers.training_queries(others, 60, 1)
    assert [len(queries) for queries in training] == [20] * 3
    members = {row for pool in others for row in pool.tolist()}
    for queries in training:
        assert all({hidden, *rows.tolist()} <= members for rows, hidden in queries)
    tuner = peers.Tuner(ExactMethods(graph), training, 0)
    asked = []

    def make(ridge):
        asked.append(ridge)
        return lambda batch: np.tile(np.arange(len(graph.posts)) * (ridge - 2), (len(batch), 1))

    tuner.by_ridge("it", (1.0, 2.0, 3.0), make)
    assert sorted(set(asked)) == [1, 2, 3] and tuner.notes[-1].startswith("it: λ = ")
    assert peers.Tuner(ExactMethods(graph), [], 0).by_ridge("it", (2.0, 1.0), make)
    assert asked[-1] == 2


def test_tfidf_against_a_slow_one(graph, exact, batch):
    sets, idf = tag_sets(graph), graph.ranking.idf
    norms = [math.sqrt(sum(idf[tag] ** 2 for tag in tags)) for tags in sets]
    expected = [
        [
            sum(sum(idf[t] ** 2 for t in sets[q] & tags) / norms[q] / norm for q in rows)
            for tags, norm in zip(sets, norms, strict=True)
        ]
        for rows in batch
    ]
    agree(graph, exact.tfidf()(batch), expected)


def test_means_against_a_slow_one(graph, exact, batch):
    words = graph.dictionary
    known = {int(tag_id): i for i, tag_id in enumerate(words.tag_ids)}
    idf = np.log(len(graph.posts) / words.frqs)
    for kind, weights in (("raw", np.ones(len(idf))), ("IDF", idf)):
        posts = []
        for tags in (graph.posts.tags_of[row].tolist() for row in range(len(graph.posts))):
            columns = [known[tag] for tag in tags if tag in known]
            vector = sum(weights[c] * words.vecs[c] for c in columns)
            posts.append(vector / np.linalg.norm(vector))
        posts = np.array(posts)
        middle = [posts[rows].mean(0) for rows in batch]
        expected = [posts @ m / np.linalg.norm(m) for m in middle]
        agree(graph, exact.cosine(exact.vectors(kind))(batch), expected)


def test_item_knn_knows_pools_alone(graph, exact):
    rows = np.flatnonzero(graph.allowed)
    pools = [rows[:4], rows[[0, 9]]]
    scores = exact.pools(pools)([rows[[0]]])[0]
    assert scores[rows[0]] == pytest.approx(1) and scores[rows[20]] == 0
    assert scores[rows[[1, 9]]] == pytest.approx(
        [math.sqrt(0.5)] * 2
    )  # in one of its two pools


def test_one_query_of_a_batch_is_as_it_is_by_itself(graph, exact, batch):
    for score in (exact.popularity(), exact.tfidf(), exact.cosine(exact.vectors("attenuated"))):
        together = score(batch)
        for rows, line in zip(batch, together, strict=True):
            assert score([rows])[0] == pytest.approx(line, rel=1e-4, abs=1e-6)
    assert indicator([], 5).shape == (0, 5)


def test_the_most_popular_are_those_of_most_votes(graph):
    votes, popular = popularity(graph), most_popular(graph)
    assert (
        popular.sum() == -(-graph.allowed.sum() // 10) and not (popular & ~graph.allowed).any()
    )
    assert votes[popular].min() >= votes[graph.allowed & ~popular].max()


# -- what is left out of the ranking, and the walk -------------------------------------------------


def test_a_part_left_out_changes_the_scores_of_a_copy_alone(graph, batch):
    queries = [graph.ranking.query_of(row) for row in batch[0]]
    rows = np.flatnonzero(graph.allowed)
    whole = graph.ranking.score(rows, queries)
    for part in graph.ranking.parts:
        other = recommending.without(graph, part)
        parts = graph.ranking.parts | {part: 0.0}
        neighbors, agreement = graph.catalog.neighbors, graph.ranking.foreignness.agreement
        expected = Ranking(graph.posts, parts, neighbors, agreement).score(rows, queries)
        assert other.ranking.score(rows, queries) == pytest.approx(expected)
        found = other.recommend(posts=[int(graph.posts.ids[row]) for row in batch[0]], n=5)
        assert len(found) == 5
    assert graph.ranking.score(rows, queries) == pytest.approx(whole)
    assert not recommending.without(graph, "size").ranking.parts_of(rows, queries)["size"].any()


def test_the_pools_judged_by_are_not_seen(graph):
    pools = graph.ranking.pools
    judged, others = (pools.long()[start::2].tolist() for start in (1, 0))
    seen = recommending.unseeing(graph, "odd").catalog.pools
    assert not any(len(seen.members[pool]) for pool in judged) and len(judged) > 2
    assert all((seen.members[pool] == pools.members[pool]).all() for pool in others)
    assert not len(recommending.unseeing(graph, "all").catalog.pools.long())
    assert graph.catalog.pools is pools


def test_the_walk_goes_by_its_seed_and_ties_by_chance(graph, batch):
    one, again = walking.walked(graph, 3, steps=500), walking.walked(graph, 3, steps=500)
    assert one(batch[0], 1).tolist() == again(batch[0], 1).tolist()
    assert one(batch[0], 1).tolist() != one(batch[0], 2).tolist()
    found = one(batch[0], 1)
    assert graph.allowed[found].all() and not np.isin(batch[0], found).any()


def test_overlap_by_hand():
    assert walking.overlap(np.array([1, 2, 3, 4]), np.array([4, 2, 9, 8]), 4) == 0.5
    assert walking.overlap(np.array([1]), np.zeros(0), 4) == 1


def test_exact_search_finds_all_and_a_blind_one_what_it_guesses():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = vectors[:20]
    least = np.sort(asked @ vectors.T)[:, -10]
    ((_, search),) = searching.exact(vectors, 0)
    assert searching.measure(search, vectors, asked, least, 10)[0] == 1
    nothing = searching.measure(lambda v: np.full(10, -1), vectors, asked, least, 10)
    assert nothing[0] == 0 < nothing[1]


# -- the command ---------------------------------------------------------------------------------


def command(index, capsys, *options):
    evaluate.main(["--index", str(index), "--quick", "--queries", "20", *options])
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def tables(built_index):
    """Section → its tables, each as {first column: {header: value}}, of one quick run."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        evaluate.main(
            [
                "--index",
                str(built_index),
                "--quick",
                "--queries",
                "12",
                "--json",
                "--sections",
                "recommending",
                "walk",
                "attenuator",
                "index",
            ]
        )
    made = json.loads(out.getvalue())
    assert (
        made["options"]["half"] == "odd"
        and list(made["sections"]) == made["options"]["sections"]
    )
    return {
        name: [
            {row[0]: dict(zip(t["header"], row, strict=True)) for row in t["rows"]}
            for t in section["tables"]
        ]
        for name, section in made["sections"].items()
    }


def test_recommend_is_above_popularity_and_no_rate_falls_with_depth(tables, graph):
    main, ablation, one, twenty, *_ = tables["recommending"]
    for table in (main, one, twenty):
        got, popular = table["PostGraph.recommend"], table["popularity"]
        assert got["@10"] > popular["@10"] and got["MRR"] > 2 * popular["MRR"]
        assert got["@10"] <= got["@100"] <= got["@1000"] == 1  # all of a small board
        assert popular["popular"] == pytest.approx(max(r["popular"] for r in table.values()))
    assert {"BM25", "P³", "TF-IDF cosine", "item-kNN on other pools", "walk by itself"} < set(
        main
    )
    assert set(ablation) == {"all parts", *(f"without {part}" for part in graph.ranking.parts)}
    assert any(name == f"RP³β, β {beta}" for name in main for beta in RP3_BETAS)


def test_every_size_and_figure_is_compared_with_the_best_peer(built_index, capsys):
    out = command(built_index, capsys, "--json", "--sections", "recommending")
    rates = json.loads(out)["sections"]["recommending"]["tables"]
    (compared,) = (table for table in rates if table["title"].endswith("over pools"))
    sizes = {5: rates[0], 1: rates[2], 20: rates[3]}
    assert len(compared["rows"]) == 12
    for size, figure, name, its, own, difference, low, high, mark in compared["rows"]:
        column = sizes[size]["header"].index(figure)
        values = {row[0]: row[column] for row in sizes[size]["rows"]}
        rivals = {name: value for name, value in values.items() if name.startswith(peers.PEERS)}
        assert its == pytest.approx(max(rivals.values())) == pytest.approx(rivals[name])
        assert own == pytest.approx(values["PostGraph.recommend"])
        assert difference == pytest.approx(own - its) and low <= high
        assert mark == ("above" if low > 0 else "below" if high < 0 else "level")
        for start in peers.PEERS:
            assert any(name.startswith(start) for name in rivals)
    assert "popularity" not in rivals and "PostGraph.recommend" not in rivals


def test_several_boards_are_measured_and_summed_up(built_index, demo, capsys, tmp_path):
    two = ["--index", str(built_index), str(demo / "index")]
    options = ["--quick", "--queries", "12", "--sections", "recommending"]
    evaluate.main([*two, *options])
    out = capsys.readouterr().out
    assert out.count("== recommending") == 2
    assert all(f"=== {index}" in out for index in two[1:])
    last = [line.split() for line in out.splitlines()[-4:]]
    assert [line[:2] for line in last] == [
        ["board", "figures"],
        [two[1], "12"],
        [two[2], "12"],
        ["all", "24"],
    ]
    assert all(sum(map(int, line[2:])) == int(line[1]) for line in last[1:])

    evaluate.main([*two, *options, "--json"])
    made = json.loads(capsys.readouterr().out)
    assert list(made["boards"]) == two[1:] == made["options"]["index"]
    assert [row[1] for row in made["summary"]["rows"]] == [12, 12, 24]
    with pytest.raises(SystemExit):
        evaluate.main([*two, "--previews", str(tmp_path)])
    assert "--previews goes with one index" in capsys.readouterr().err


def test_a_tour_shows_what_the_bot_would_and_counts_it(demo, capsys):
    graph = PostGraph.open(demo / "index", "s", None)
    seen = touring.tour(graph, "fox")
    assert len({*seen}) == len(seen) == touring.POSTS
    assert seen == touring.tour(graph, "fox") != touring.tour(graph, "fox", seed=1)
    out = command(
        demo / "index", capsys, "--json", "--sections", "touring", "--tags", "fox", "owl"
    )
    (table,) = json.loads(out)["sections"]["touring"]["tables"]
    lines = [dict(zip(table["header"], row, strict=True)) for row in table["rows"]]
    assert [line["tag"] for line in lines] == ["fox"] * 2 + ["owl"] * 2
    rows = graph.posts.rows(np.array(seen))
    tags = [tag for row in rows.tolist() for tag in graph.posts.tags(row)]
    assert lines[0]["posts"] == 15
    for kind in ("character", "artist"):
        assert lines[0][f"{kind}s"] == len({name for name, own in tags if own == kind})
    assert lines[0]["families"] == len({*Families.read(graph).of_row[rows].tolist()})
    assert f"fox: #{seen[0]} #{seen[1]} " in " ".join(table["notes"])


def test_tours_want_tags_that_the_board_has(built_index, capsys):
    sections = ["--sections", "touring"]
    assert command(built_index, capsys, *sections).count("fox  ") == 2
    with pytest.raises(E6GraphError, match="no such tag"):
        command(built_index, capsys, *sections, "--tags", "nonsense")
    with pytest.warns(UserWarning, match="nonsense"):
        out = command(built_index, capsys, *sections, "--tags", "nonsense", "vixen")
    assert "fox" in out and "nonsense" not in out


def test_favorites_are_joined_pools_and_peers_score_by_hand():
    pools = [np.array([4, 5, 9]), np.array([1, 4]), np.array([7])]
    drawn = newest.draw_favorites(pools, 4, np.random.default_rng(0)).tolist()
    assert drawn in ([1, 4, 5, 9], [4, 5, 7, 9]) or drawn == [1, 4, 5, 7, 9]
    tags = sp.csr_matrix(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1.0]]))
    marked, new = np.array([0, 1]), np.array([2, 3])
    # {b, c} has a Jaccard of 1/3 with {a, b} and of 0 with {a}
    assert newest.by_likeness(tags, np.max)(marked, new).tolist() == pytest.approx([1 / 3, 0])
    assert newest.by_likeness(tags, np.mean)(marked, new).tolist() == pytest.approx([1 / 6, 0])
    # b: half of the favorites and half of the board, so a lift of 1: 2 / 3
    assert newest.by_share(tags)(marked, new).tolist() == pytest.approx([2 / 3, 0])


def test_what_somebody_would_mark_comes_first_among_what_is_new(demo, capsys):
    out = command(demo / "index", capsys, "--quick", "--json", "--sections", "newest")
    (table,) = json.loads(out)["sections"]["newest"]["tables"]
    rates = {name: first for name, first, *_ in table["rows"]}
    assert rates["personal"] > 2 * rates["chance"] and rates["personal"] > rates["most popular"]


def test_on_the_demo_everything_is_above_what_it_is_to_be_above(demo, capsys):
    sections = ["recommending", "completion", "attenuator", "learning", "pictures"]
    out = command(
        demo / "index", capsys, "--json", "--previews", str(demo), "--sections", *sections
    )
    made = json.loads(out)["sections"]
    assert list(made) == sections

    def value(section, method, column, table=0):
        found = made[section]["tables"][table]
        (row,) = (row for row in found["rows"] if row[0] == method)
        return row[found["header"].index(column)]

    recommending = partial(value, "recommending", column="MRR")
    assert recommending("PostGraph.recommend") > 2 * recommending("popularity")
    assert recommending("PostGraph.recommend") > recommending("raw mean, exact cosine")
    assert recommending("TF-IDF cosine") > recommending("popularity")
    attenuator = partial(value, "attenuator", "all")
    assert attenuator("attenuated, log") > attenuator("raw mean")
    learning = partial(value, "learning", column="first 30")
    assert learning("learned") > 1.5 * learning("random")


def test_attenuated_is_above_raw(tables):
    (bands,) = tables["attenuator"]
    for kind in ("threshold", "log", "none"):
        assert bands["all"][f"attenuated, {kind}"] > bands["all"]["raw mean"]


def test_longer_walks_agree_more_and_searching_harder_finds_more(tables):
    _, options, _, stable, pruned = tables["walk"]
    lines = list(stable.values())
    assert lines[0]["first 100"] < lines[-1]["first 100"]
    assert len(options) == 5
    kept = [row["edges kept"] for row in pruned.values()]
    assert kept[0] == 1 and sorted(kept, reverse=True) == kept
    (index,) = tables["index"]
    assert index["exact"]["recall@10"] == 1


def test_sections_can_be_chosen_and_an_unknown_one_is_refused(built_index, capsys):
    out = command(built_index, capsys, "--sections", "attenuator")
    assert "== attenuator" in out and out.count("== ") == 1
    with pytest.raises(SystemExit) as stopped:
        command(built_index, capsys, "--sections", "nonsense")
    assert stopped.value.code == 2 and "nonsense" in capsys.readouterr().err


def test_a_board_without_pools_is_judged_by_what_it_has(built_index, capsys, monkeypatch):
    monkeypatch.setattr(recommending, "split_pools", lambda graph, half: ([], []))
    out = command(built_index, capsys, "--sections", "recommending", "attenuator")
    assert "left out: no pool has three members" in out and "attenuated, log" in out
    with pytest.raises(BadInput, match="three members"):
        command(built_index, capsys, "--sections", "recommending")


def test_peers_that_are_not_there_are_left_out_and_named(
    built_index, graph, capsys, monkeypatch
):
    for module in ("implicit", "implicit.cpu.als", "hnswlib", "usearch.index", "faiss"):
        monkeypatch.setitem(sys.modules, module, None)
    out = command(built_index, capsys, "--sections", "index")
    for package in ("hnswlib", "usearch", "faiss-cpu"):
        assert f"pip install {package} (requirements-bench.txt" in out
    assert "annoy, 32 trees" in out and "faiss IVF left out" in out
    args = type("Args", (), {"queries": 20, "seed": 0, "quick": True})
    scorers, notes = recommending.peers(graph, [], args)
    assert not any("ALS" in name or "item-kNN" in name for name in scorers)
    assert "pip install implicit" in " ".join(notes) and "--half" in " ".join(notes)


def test_figures_are_drawn_and_say_what_they_need(built_index, capsys, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from PIL import Image

    out = command(
        built_index, capsys, "--sections", "attenuator", "--plots", str(tmp_path / "to")
    )
    (path,) = (tmp_path / "to").iterdir()
    assert str(path) in out
    with Image.open(path) as image:
        assert image.width == 1200 and image.convert("RGB").getpixel((0, 0)) == (
            0x15,
            0x2F,
            0x56,
        )
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(E6GraphError, match="requirements-bench"):
        plotting.save_figure(report.Figure("name", "title", "x", "y", {}), tmp_path)


def test_a_table_is_text_and_plain_json():
    made = report.Table("title", ("a", "b"), [("x", float("nan")), ("y", 0.5)], ["a note"])
    assert str(made).splitlines() == ["title", "a      b", "x    nan", "y  0.500", "a note"]
    assert made.as_json()["rows"] == [["x", None], ["y", 0.5]]
