"""Metrics by hand, methods against slow references, and the order of figures on a planted board."""

import json
import math
import sys
from collections import Counter
from functools import partial

import numpy as np
import pytest

from e6graph import PostGraph, evaluate
from e6graph.errors import BadInput, E6GraphError
from e6graph.evaluate import plotting, protocol, recommending, report, searching, walking
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
        expected = Ranking(graph.posts, parts).score(rows, queries)
        assert other.ranking.score(rows, queries) == pytest.approx(expected)
        found = other.recommend(posts=[int(graph.posts.ids[row]) for row in batch[0]], n=5)
        assert len(found) == 5
    assert graph.ranking.score(rows, queries) == pytest.approx(whole)
    sizes = recommending.without(graph, "size").ranking.sizes
    assert not len(sizes.same(0)) and not sizes.information(0, rows).any()


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
    main, ablation, one, twenty = tables["recommending"]
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
