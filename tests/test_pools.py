"""Pools: what it tells to share one, by hand, and that one can be left out."""

import numpy as np
import pyarrow as pa
import pytest

from e6graph.recommend.pools import Pools

IDS = np.arange(10, 30)


@pytest.fixture
def pools():
    """Of twenty posts; the third pool repeats a member, and holds posts without an index."""
    lists = pa.chunked_array([[[13, 11, 12, 10], []], [[12, 99, 14, 12, 7], [10, 12]]])

    def rows(wanted):
        return np.where(np.isin(wanted, IDS), np.searchsorted(IDS, wanted), -1)

    category = ["series", "series", "collection", None]
    return Pools.read(Board(pa.table({"post_ids": lists, "category": category}), rows))


class Board:
    """As much of `Posts` as is read."""

    def __init__(self, pools, rows):
        self.pools, self.rows = pools, rows

    def __len__(self):
        return len(IDS)


def members(pools):
    return [pools.members[i].tolist() for i in range(len(pools.members))]


def test_members_are_rows_each_once_in_reading_order(pools):
    assert members(pools) == [[3, 1, 2, 0], [], [2, 4], [0, 2]]
    assert [pools.of[row].tolist() for row in range(5)] == [
        [0, 3],
        [0],
        [0, 2, 3],
        [0],
        [2],
    ]
    assert pools.long().tolist() == [0] and pools.series.tolist() == [True, True, False, False]
    assert pools.listed[2].tolist() == [12, 99, 14, 12, 7]


def test_what_is_shared_by_hand(pools):
    rows = np.arange(6)
    four, two = np.log(20 / 4), np.log(20 / 2)
    told = pools.shared(rows, np.array([0, 4]))
    expected = np.array([four + two, four, four + two + two, four, two, 0]) / 2
    assert told == pytest.approx(expected)
    assert not pools.shared(rows, np.array([7, 8])).any()
    assert not pools.shared(rows, np.zeros(0, np.int64)).any()


def test_a_pool_of_all_query_posts_tells_nothing(pools):
    """So that whoever judges by pools need not hide the one that a query was drawn from."""
    rows = np.arange(6)
    two = np.log(20 / 2)
    assert not pools.shared(rows, np.array([0])).any()
    assert pools.fellows(np.array([0]), 100).tolist() == []
    # The first pool holds both, the last one of them.
    assert pools.shared(rows, np.array([0, 1])) == pytest.approx(
        np.array([two, 0, two, 0, 0, 0]) / 2
    )
    assert pools.fellows(np.array([0, 1]), 100).tolist() == [0, 2]


def test_some_pools_alone(pools):
    only = pools.only(np.array([3]))
    assert members(only) == [[], [], [], [0, 2]]
    assert only.fellows(np.array([0, 1]), 100).tolist() == [0, 2]


def test_fellows_are_of_the_smallest_pools(pools):
    assert pools.fellows(np.array([0, 9]), 100).tolist() == [0, 1, 2, 3]
    assert pools.fellows(np.array([0, 9]), 5).tolist() == [0, 2]
    assert pools.fellows(np.array([9, 8]), 5).tolist() == []
