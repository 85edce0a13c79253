"""Each part of the score by hand, and sizes that tell."""

import numpy as np
import pytest

from e6graph import PostGraph
from e6graph.recommend import ranking as module
from e6graph.recommend.ranking import Query, Ranking, Sizes
from e6graph.tags.categories import RATING_TAGS


class Board:
    """Widths and heights alone."""

    def __init__(self, sizes):
        self.sizes = np.array(sizes)

    def column(self, name):
        return self.sizes[:, ["image_width", "image_height"].index(name)]


@pytest.fixture(scope="module")
def ranking(built_index):
    return PostGraph.open(built_index, "sqe", None).ranking


def test_a_shared_rare_size_says_its_share_of_the_board():
    sizes = Sizes(
        Board([(100, 100), (100, 100), (300, 500), (500, 300), (9, 9), (9, 8), (0, 0)])
    )
    rows = np.arange(7)
    told = sizes.information(0, rows)
    assert told[1] == pytest.approx(np.log(3))  # two of six known sizes
    assert told[2] < told[1] and told[6] == 0
    turned = sizes.information(2, rows)
    assert turned[2] == pytest.approx(np.log(6))  # its own width and height: one of six
    assert turned[3] == pytest.approx(np.log(3))  # the same area: two of six
    assert not sizes.information(6, rows).any()
    assert sizes.same(0).tolist() == [0, 1] and len(sizes.same(6)) == 0


def test_the_smallest_pictures_have_areas_of_their_own():
    told = Sizes(Board([(1, 1), (2, 1), (3, 1)])).information(1, np.arange(3))
    assert told == pytest.approx([0, np.log(3), np.log(3 / 2)])  # 1 is the farthest from 2


def test_two_sizes_tell_and_one_does_not():
    two = Sizes(Board([(1, 1), (9, 9), (0, 5)])).information(0, np.arange(3))
    assert two == pytest.approx([np.log(2), 0, 0])
    assert not Sizes(Board([(1, 1), (0, 5)])).information(0, np.arange(2)).any()


def test_a_size_that_everybody_has_says_nothing():
    sizes = Sizes(Board([(64, 64)] * 50))
    assert sizes.information(3, np.arange(50)) == pytest.approx(np.zeros(50), abs=1e-9)


def test_cosines_are_those_of_tfidf_vectors(ranking):
    tags = ranking.posts.tags_of
    rows = np.arange(0, len(ranking.posts), 7)

    def vector(row):
        made = np.zeros(len(ranking.posts.names))
        made[tags[row]] = ranking.idf[tags[row]]
        return made / np.linalg.norm(made)

    expected = [vector(row) @ vector(3) for row in rows]
    got = ranking.cosines(rows, [ranking.query_of(3)])[:, 0]
    assert got == pytest.approx(expected, abs=1e-5)


def test_foreign_is_what_the_tags_tell_that_no_query_post_has(ranking):
    rows, tags = np.arange(40), ranking.posts.tags_of
    queries = [ranking.query_of(row) for row in (60, 61)]
    told = ranking.foreignness.weights(2)
    shared = {*tags[60].tolist(), *tags[61].tolist()}
    expected = [sum(told[t] for t in tags[row].tolist() if t not in shared) for row in rows]
    got = ranking.parts_of(rows, queries)["foreign"]
    assert got == pytest.approx(np.array(expected) / 10, abs=1e-5) and got.min() < -1
    wish = [Query.of_tag(int(tags[60][-1]))]  # says nothing of the other tags
    assert not ranking.parts_of(rows, wish)["foreign"].any()

    # A tag that is wished for is not foreign, and neither is what it implies.
    row = next(
        row for row in rows.tolist() if told[tags[row]][~np.isin(tags[row], [*shared])].any()
    )
    one, other = [int(t) for t in tags[row] if t not in shared and told[t] < 0][:2]
    less = ranking.parts_of(rows, [*queries, Query.of_tag(one, implied=[other])])["foreign"]
    assert less[row] == pytest.approx(got[row] - (told[one] + told[other]) / 10, abs=1e-5)


def test_a_post_that_holds_both_wished_tags_goes_before_a_shorter_one_with_one(ranking):
    rows = ranking.posts.rows_with
    lengths = np.diff(ranking.posts.tags_of.offsets)
    one, other = ranking.posts.tag_ids["fox"], ranking.posts.tag_ids["night"]
    both = np.intersect1d(rows[one], rows[other])
    single = np.setxor1d(rows[one], rows[other])
    longest, shortest = both[lengths[both].argmax()], single[lengths[single].argmin()]
    assert lengths[longest] > lengths[shortest]
    asked = [Query.of_tag(one), Query.of_tag(other)]
    score = ranking.score(np.array([longest, shortest]), asked)
    assert score[0] > score[1]
    rows = np.array([longest, shortest])
    as_pictures = [Query(query.tag_ids, query.weights) for query in asked]
    less = score - ranking.score(rows, as_pictures)
    assert less == pytest.approx([module.WISHED, module.WISHED / 2])


def test_vector_is_the_cosine_with_the_mean_of_the_queries_vectors(ranking):
    neighbors, ids = ranking._neighbors, ranking.posts.ids
    rows = np.arange(len(ids))
    two = neighbors.vector(int(ids[3])) + neighbors.vector(int(ids[90]))
    got = ranking.parts_of(rows, [ranking.query_of(3), ranking.query_of(90)])["vector"]
    mine = np.array([neighbors.vector(int(i)) for i in ids])
    expected = np.maximum(mine @ two / np.linalg.norm(two), 0)
    assert got == pytest.approx(expected, abs=1e-6)
    given = Query(np.zeros(0, np.int64), np.zeros(0), vector=two / np.linalg.norm(two))
    assert ranking.parts_of(rows, [given])["vector"] == pytest.approx(expected, abs=1e-6)
    assert not Ranking(ranking.posts).parts_of(rows, [ranking.query_of(3)])["vector"].any()


def test_walk_is_the_exact_one_hop_walk(ranking):
    """√ of Σ_t P(t | query) / |posts of t|, scaled to its maximum; by a loop over tags."""
    rows, query = np.arange(len(ranking.posts)), ranking.query_of(5)
    draw = {t: ranking.draw[t] for t in query.tag_ids}
    reached = np.zeros(len(rows))
    for tag, weight in draw.items():
        reached[ranking.posts.rows_with[tag]] += (
            weight / sum(draw.values()) / ranking.counts[tag]
        )
    expected = np.sqrt(reached / reached.max())
    assert ranking.parts_of(rows, [query])["walk"] == pytest.approx(expected, abs=1e-9)


def test_artist_is_the_idf_of_shared_artists(ranking):
    artist = next(t for t in range(len(ranking.idf)) if ranking.posts.categories[t] == 1)
    row = int(ranking.posts.rows_with[artist][0])
    got = ranking.parts_of(np.arange(len(ranking.posts)), [ranking.query_of(row)])["artist"]
    theirs = [t for t in ranking.posts.tags_of[row] if ranking.posts.categories[t] == 1]
    expected = np.zeros(len(ranking.posts))
    for tag in theirs:
        expected[ranking.posts.rows_with[tag]] += ranking.idf[tag]
    assert got == pytest.approx(expected, abs=1e-9)


def test_bm25_of_two_posts_is_their_sum_over_the_largest(ranking):
    """Robertson and Zaragoza 2009, eq. 3.15, k1 = 1.2, b = .3, a tag being there once."""
    posts, n = ranking.posts, len(ranking.posts)
    lengths = [len(posts.tags_of[row]) for row in range(n)]
    mean = sum(lengths) / n

    def bm25(row, query):
        total = 0
        for tag in set(posts.tags_of[row]) & set(posts.tags_of[query]):
            held = len(posts.rows_with[tag])
            if posts.names[tag] not in RATING_TAGS:
                total += np.log1p((n - held + 0.5) / (held + 0.5))
        return total * 2.2 / (1 + 1.2 * (0.7 + 0.3 * lengths[row] / mean))

    expected = np.array([bm25(row, 5) + bm25(row, 6) for row in range(n)])
    got = ranking.parts_of(np.arange(n), [ranking.query_of(5), ranking.query_of(6)])["bm25"]
    assert got == pytest.approx(expected / expected.max(), rel=1e-6)


def test_candidates_hold_what_exact_ranking_puts_first(ranking):
    allowed = np.ones(len(ranking.posts), bool)
    queries = [ranking.query_of(row) for row in (10, 11)]
    exact = ranking.score(np.arange(len(allowed)), queries)
    found = ranking.candidates(queries, allowed, 80)
    assert len(found) < len(allowed)
    best = np.argsort(-exact)[:10]
    assert np.isin(best, found).mean() >= 0.9


@pytest.mark.parametrize("source", ["postings", "walk", "near", "pools"])
def test_each_source_finds_candidates_by_itself(ranking, monkeypatch, source):
    nothing = np.zeros(0, np.int64)
    made = Ranking(ranking.posts, neighbors=ranking._neighbors)
    if source != "postings":
        monkeypatch.setattr(Ranking, "_from_postings", lambda *given: nothing)
    if source != "walk":
        monkeypatch.setattr(module.pixie, "walk", lambda *given, **more: (nothing, nothing))
    if source != "near":
        monkeypatch.setattr(Ranking, "_near", lambda *given: nothing)
    if source != "pools":
        made = made.not_seeing(np.arange(len(made.pools.members)))

    allowed = np.arange(len(ranking.posts)) % 3 > 0
    pool = ranking.pools.long_ones()[0]
    strange = int(np.setdiff1d(np.arange(len(allowed)), pool)[-1])
    asked = [*pool[:2].tolist(), strange] if source == "pools" else pool[:2].tolist()
    queries = [ranking.query_of(row) for row in asked]
    found = made.candidates(queries, allowed, 60)
    assert 2 <= len(found) <= 60 and allowed[found].all()
    assert (np.diff(found) > 0).all() and found.dtype == np.int64
    likeness = ranking.cosines(np.arange(len(allowed)), queries).mean(1)
    assert likeness[found].mean() > 1.5 * likeness[allowed].mean()


@pytest.fixture
def sized(ranking):
    """The same posts; three of them, which share no tag, have a size that no other has."""
    made, n = Ranking(ranking.posts, ranking.parts | {"size": 1.0}), len(ranking.posts)
    likeness = ranking.cosines(np.arange(n), [ranking.query_of(4)])[:, 0]
    strange = np.flatnonzero(likeness == 0)[:2].tolist()
    sizes = np.full((n, 2), 64)
    sizes[[4, *strange]] = 30, 50
    vars(made)["sizes"] = Sizes(Board(sizes))
    return made, strange


def test_size_is_the_mean_of_what_it_tells_of_each_query_post(sized):
    ranking, strange = sized
    rows = np.array([*strange, 9, 10])
    one, two = (ranking.query_of(row) for row in (4, 9))
    told = np.log(len(ranking.posts) / 3)
    assert ranking.parts_of(rows, [one])["size"] == pytest.approx([told, told, 0, 0], abs=0.01)
    tags = Query.of_tag(int(one.tag_ids[0]))  # has no size
    got = ranking.parts_of(rows, [one, two])["size"]
    assert got == pytest.approx([told / 2, told / 2, *got[2:]], abs=0.01)
    got = ranking.parts_of(rows, [one, tags])["size"]
    assert got == pytest.approx([told, told, 0, 0], abs=0.01)
    ranking.parts = dict.fromkeys(ranking.parts, 0.0) | {"size": 0.7}
    assert ranking.score(rows, [one])[:2] == pytest.approx(told * 0.7, abs=0.01) and told > 4


def test_sizes_are_not_looked_at_where_they_count_nothing(sized):
    ranking, strange = sized
    ranking.parts |= {"size": 0.0}
    del vars(ranking)["sizes"]
    query = [ranking.query_of(4)]
    assert not ranking.parts_of(np.array(strange), query)["size"].any()
    ranking.candidates(query, np.ones(len(ranking.posts), bool), 30)
    assert "sizes" not in vars(ranking)


def test_posts_of_a_rare_size_are_candidates_without_a_shared_tag(sized, ranking):
    of_sizes, strange = sized
    allowed = np.zeros(len(ranking.posts), bool)
    allowed[strange] = True
    query = [ranking.query_of(4)]
    assert of_sizes._from_postings(query, allowed, 30, 0).tolist() == strange
    assert ranking._from_postings(query, allowed, 30, 0).tolist() == []  # all have one size


def test_a_query_without_known_tags_scores_nothing(ranking):
    silent = Query(np.array([ranking.posts.tag_ids["rating_safe"]]), np.ones(1))
    assert not ranking.score(np.arange(5), [silent]).any()
    assert len(ranking.candidates([silent], np.ones(len(ranking.posts), bool), 10)) == 0


def test_of_a_tag_on_many_posts_a_sample_is_read(ranking):
    """25 postings for each row asked for; another sample for another seed, all of them in turn."""
    tag_id = int(np.argmax(np.where(ranking.idf > 0, ranking.counts, 0)))
    holds = ranking.posts.rows_with[tag_id]
    size = len(holds) // 60  # a third of the postings, or a little less
    step = len(holds) // (25 * size) + 1
    query, allowed = (
        [Query(np.array([tag_id]), np.ones(1))],
        np.zeros(len(ranking.posts), bool),
    )
    allowed[holds[: size // 2]] = True  # few enough that none is left out for want of room
    found = [ranking.candidates(query, allowed, size, seed) for seed in range(step)]
    usual = ranking.candidates(query, allowed, size)
    assert np.array_equal(usual, found[0]) and not np.array_equal(usual, found[1])
    assert step > 2 and all(len(rows) < len(holds) / 60 / 2 for rows in found)
    assert np.array_equal(np.sort(np.concatenate(found)), np.flatnonzero(allowed))
