"""Lists and a board made for the site's own filter, and the posts that it hides."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from e6graph.hydrate.importdb import import_export
from e6graph.recommend.blacklist import Blacklist
from e6graph.recommend.posts import Posts, save_served_posts
from e6graph.store import Store

SITE = Path(os.environ.get("E6GRAPH_SHARED") or Path(__file__).parents[2] / "shared") / "site"
LEFT_OUT = ("accident", "names", "throws")  # ours to judge, or not in an export


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    if not SITE.is_dir():
        said = f"no {SITE}: set E6GRAPH_SHARED to the directory that holds site/"
        (pytest.fail if os.environ.get("E6GRAPH_SHARED") else pytest.skip)(said)
    store = Store(tmp_path_factory.mktemp("site") / "index")
    import_export(SITE / "board", store, progress=False)
    with store.stage("construct_index.py", {}) as stage:
        save_served_posts(store, stage, lambda ids: np.ones(len(ids), bool))
    return Posts(store)


def test_a_list_hides_what_it_hides_on_the_site(posts):
    wrong, tried = [], 0
    for row in map(json.loads, (SITE / "blacklist.jsonl").read_text("utf-8").splitlines()):
        mask = Blacklist.parse(row["list"]).mask(posts)
        Blacklist.parse(row["list"]).review(posts)
        assert mask.shape == (len(posts),) and mask.dtype == bool
        if any(row.get(mark) for mark in LEFT_OUT):
            continue
        tried += 1
        if posts.ids[mask].tolist() != row["hides"]:
            wrong.append((row["list"], len(row["hides"]), int(mask.sum())))
    assert not wrong and tried >= 300
