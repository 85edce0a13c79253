"""What tags tell against a post, by hand, and planted groups that agree on some tags."""

import numpy as np
import pytest
from scipy.stats import betabinom

from e6graph.recommend.foreignness import Agreement, Foreignness
from e6graph.store.ragged import Ragged


class Board:
    """As much of `Posts` as is read."""

    def __init__(self, held):
        held = np.asarray(held, bool)
        posts, tags = np.nonzero(held)
        self.tags_of = Ragged.group(posts, tags, held.shape[0])
        self.rows_with = Ragged.group(tags, posts, held.shape[1])
        self.categories = np.zeros(held.shape[1], np.uint8)

    def __len__(self):
        return len(self.tags_of)


def planted(groups=400, size=6, seed=0):
    """Groups that agree on their first tag, a little on the second, and not on the third."""
    rng = np.random.default_rng(seed)
    columns = []
    for agreement in (0.8, 0.2, 0.0):
        share, kappa = 0.25, (1 - agreement) / max(agreement, 1e-9)
        chance = np.full(groups, share)
        if agreement:
            chance = rng.beta(kappa * share, kappa * (1 - share), groups)
        columns.append(rng.random((groups, size)) < chance[:, None])
    held = np.stack(columns, 2).reshape(groups * size, 3)
    pools = list(np.arange(groups * size).reshape(groups, size))
    return Board(held), pools


EVERY = np.ones(3, bool)


def test_planted_agreement_comes_back():
    board, pools = planted()
    found = Agreement(board, pools, EVERY).foreignness().agreement
    assert found == pytest.approx([0.8, 0.2, 0.02], abs=0.06)


def test_without_pools_frequent_tags_agree_as_usual_and_rare_ones_less():
    held = np.zeros((200, 3), bool)
    held[:100, 0] = held[:9, 1] = held[:1, 2] = True
    found = Agreement(Board(held), [], EVERY).foreignness().agreement
    assert found == pytest.approx([0.3 * 99 / 107, 0.3 * 8 / 16, 1e-4])


def test_a_pool_that_is_left_out_changes_nothing():
    board, pools = planted(40)
    whole, without = Agreement(board, pools, EVERY), Agreement(board, pools[1:], EVERY)
    got, expected = whole.foreignness(0).agreement, without.foreignness().agreement
    assert got == pytest.approx(expected, rel=1e-5)
    assert (whole.foreignness().agreement != got).any()


def test_a_tag_tells_the_log_of_its_chances_by_hand():
    """None of three query posts has it; κ = 3, a quarter of the board has it."""
    found = Foreignness(np.array([0.25]), np.array([0.25]), np.ones(1, bool))
    chance = 3 * 0.25 / (3 + 3)
    expected = np.log(chance / (1 - chance)) - np.log(0.25 / 0.75)
    assert found.weights(3) == pytest.approx([expected], rel=1e-5) and expected < 0


def test_the_chance_is_the_beta_binomial_s():
    """P(1 of q + 1, the last) / P(0 of q) of scipy's distribution."""
    kappa, share, posts = 4.0, 0.3, 5
    a, b = kappa * share, kappa * (1 - share)
    last = betabinom.pmf(1, posts + 1, a, b) / (posts + 1)
    chance = last / betabinom.pmf(0, posts, a, b)
    found = Foreignness(np.array([1 / (1 + kappa)]), np.array([share]), np.ones(1, bool))
    expected = np.log(chance / (1 - chance)) - np.log(share / (1 - share))
    assert found.weights(posts) == pytest.approx([expected], rel=1e-5)


def test_tags_that_take_no_part_tell_nothing():
    telling = np.array([True, False, True])
    board, pools = planted(40)
    got = Agreement(board, pools, telling).foreignness().weights(2)
    assert got[1] == 0 and got[0] < 0 and got[2] < 0


def test_large_pools_and_many_pools_are_read_in_part(monkeypatch):
    from e6graph.recommend import foreignness as module

    board, pools = planted(30)
    asked, take = [], Ragged.take
    monkeypatch.setattr(Ragged, "take", lambda *given: asked.append(given[1]) or take(*given))
    monkeypatch.setattr(module, "LEARNED_POOLS", 10)
    monkeypatch.setattr(module, "LEARNED_MEMBERS", 3)
    made = Agreement(board, pools, EVERY)
    assert [len(rows) for rows in asked] == [30]
    same = made.foreignness(1).agreement  # the second is not among those read
    assert (same == made.foreignness().agreement).all()
    assert (made.foreignness(3).agreement != same).any()
