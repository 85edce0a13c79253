"""Learning a taste: users with hidden tastes click through a hundred posts, one at a time.

A user has three themes, each up to four tags of one random post, and three dislikes, tags of posts
that hold a theme's. Utility is the sum of the idf of the themes' tags on a post less that of the
dislikes; it is liked with a chance logistic((utility − θ) / s), s a quarter of the utility's
deviation over the board and θ such that a post in twenty is liked. Neither tags' vectors nor TF-IDF
lengths take part, so the learner is not handed its own model. Every method is told one tag, of the
first theme, and reward is the chance that a post shown is liked. The simulation was fixed before
any learner was tried on it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from tqdm import tqdm

from ..errors import BadInput
from ..preference import EXPLORE, HALF_LIFE, Judgment, Preference, choose
from ..recommend import PostGraph
from .methods import popularity
from .plotting import lines
from .report import Figure, Table

THEMES, TAGS, DISLIKES = 3, 4, 3
LIKED, SOFT = 0.05, 0.25  # share of the board that is liked; s over the utility's deviation
LEAST_POSTS, COMMONEST = 10, 0.1  # a tag of a taste: posts that hold it, and share of the board
USERS, QUICK_USERS = 100, 6
DEPTHS = (10, 30, 100)
MONTH = 30.0  # days between the two tastes of one who changes
Player = Callable[["User", int], np.ndarray]
"""A user and a seed → the chance of each post shown, in order."""


@dataclass(frozen=True)
class User:
    """A hidden taste: the tag that is told, and the chance that each post is liked, (n,)."""

    told: int
    chance: np.ndarray


def draw_user(graph: PostGraph, rng: np.random.Generator) -> User:
    """A user of a board, as the module says."""
    posts, idf, rows = graph.posts, graph.ranking.idf, np.flatnonzero(graph.allowed)
    fit = (graph.shown >= LEAST_POSTS) & (graph.shown <= COMMONEST * len(rows)) & (idf > 0)
    if not fit.any():
        raise BadInput("no tag is on ten posts and on no more than a tenth of the board")

    def some_tags(candidates: np.ndarray) -> np.ndarray:
        for row in rng.permutation(candidates)[:1000]:
            if len(tags := posts.tags_of[row][fit[posts.tags_of[row]]]):
                return rng.permutation(tags)
        return np.zeros(0, np.int64)

    themes = [some_tags(rows)[:TAGS] for _ in range(THEMES)]
    liked = np.unique(np.concatenate(themes))
    near = np.concatenate([some_tags(np.intersect1d(posts.rows_with[tag], rows))
                           for tag in rng.permutation(liked)])  # fmt: skip
    disliked = np.setdiff1d(near, liked)
    disliked = rng.permutation(disliked)[:DISLIKES]
    utility = np.zeros(len(posts))
    for tags, sign in ((liked, 1), (disliked, -1)):
        for tag in tags:
            utility[posts.rows_with[tag]] += sign * idf[tag]
    soft = SOFT * utility[rows].std()
    low, high = utility[rows].min() - 50 * soft, utility[rows].max() + 50 * soft
    theta = brentq(lambda at: expit((utility[rows] - at) / soft).mean() - LIKED, low, high)
    return User(int(themes[0][0]), expit((utility - theta) / soft))


def learn(
    graph: PostGraph,
    explore: float,
    user: User,
    seed: int,
    steps: int = DEPTHS[-1],
    judged: tuple[Judgment, ...] = (),
    half_life: float = HALF_LIFE,
) -> np.ndarray:
    """Chances of the posts that `preference` shows, judged one by one, after some judgments."""
    judgments, left, got = list(judged), graph.allowed.copy(), []
    left[[judgment.row for judgment in judgments]] = False
    rng = np.random.default_rng([seed, 1])
    for step in range(steps):
        taste = Preference(
            graph.ranking, graph.dictionary, judgments, [user.told], graph.allowed, half_life
        )
        (row,) = choose(taste, graph.ranking, left, 1, seed * 1000 + step, explore)
        left[row] = False
        got.append(user.chance[row])
        judgments.append(Judgment(int(row), 1.0 if rng.random() < user.chance[row] else -1.0))
    return np.array(got)


def changed(graph: PostGraph, half_life: float, users: tuple[User, User], seed: int) -> np.ndarray:
    """Chances of fifty posts for a new taste, a month after fifty judgments by an old one."""
    old, new = users
    left, rng, judged = graph.allowed.copy(), np.random.default_rng([seed, 2]), []
    for step in range(50):
        taste = Preference(graph.ranking, graph.dictionary, judged, [old.told], graph.allowed)
        (row,) = choose(taste, graph.ranking, left, 1, seed * 1000 + step)
        left[row] = False
        judged.append(Judgment(int(row), 1.0 if rng.random() < old.chance[row] else -1.0))
    aged = tuple(Judgment(one.row, one.value, MONTH) for one in judged)
    return learn(graph, EXPLORE, User(old.told, new.chance), seed, 50, aged, half_life)


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Mean reward by method, its course, and what becomes of a taste that changes."""
    rows, votes = np.flatnonzero(graph.allowed), popularity(graph)
    deep = min(DEPTHS[-1], len(rows))

    def by_chance(user: User, seed: int) -> np.ndarray:
        return user.chance[np.random.default_rng(seed).permutation(rows)[:deep]]

    def by_votes(user: User, seed: int) -> np.ndarray:
        mixed = np.random.default_rng(seed).permutation(rows)
        return user.chance[mixed[np.argsort(-votes[mixed], kind="stable")][:deep]]

    def by_content(user: User, seed: int) -> np.ndarray:
        made = graph.recommend(tags=[graph.posts.names[user.told]], n=deep, seed=seed)
        return user.chance[graph.posts.rows(np.array([one.post_id for one in made]))]

    players: dict[str, Player] = {
        "random": by_chance,
        "popularity": by_votes,
        "content, not learning": by_content,
        "learning, best by the mean": partial(learn, graph, 0.0, steps=deep),
        "learning, Thompson sampling": partial(learn, graph, EXPLORE, steps=deep),
    }
    count = QUICK_USERS if args.quick else USERS
    users = [draw_user(graph, np.random.default_rng([args.seed, k])) for k in range(count)]
    got = {}
    for name, player in players.items():
        shown = enumerate(tqdm(users, name, disable=None))
        got[name] = np.array([player(user, k) for k, user in shown])
    table = []
    for name, rewards in got.items():
        means = [rewards[:, :depth].mean() for depth in DEPTHS]
        error = rewards[:, :30].mean(1).std() / len(users) ** 0.5
        table.append((name, *map(float, means), float(error), float(rewards[:, 20:30].mean())))
    pairs = [(one, users[k - 1]) for k, one in enumerate(users)]
    drift = []
    for name, half_life in (("judgments age", HALF_LIFE), ("judgments do not age", np.inf)):
        rewards = np.array([changed(graph, half_life, pair, k) for k, pair in enumerate(pairs)])
        parts = (rewards[:, :10], rewards[:, :30], rewards)
        drift.append((name, *(float(part.mean()) for part in parts)))
    title = f"{count} users with hidden tastes: mean reward of the posts shown, none of them twice"
    header = ("method", *(f"first {depth}" for depth in DEPTHS), "± of 30", "21st to 30th")
    return [
        Table(title, header, table),
        Table("After fifty judgments the taste changes; a month later, of the next posts",
              ("", "first 10", "first 30", "first 50"), drift),
        Figure("learning", "Learning a hidden taste", partial(draw, got)),
    ]  # fmt: skip


def draw(got: dict[str, np.ndarray], axes) -> None:
    """Mean reward of the last ten posts, by how many were shown."""
    window = np.ones(10) / 10
    series = {}
    for name, rewards in got.items():
        mean = np.convolve(rewards.mean(0), window, "valid")
        series[name.replace(",", ":")] = np.arange(len(window), len(window) + len(mean)), mean
    lines(axes, series, "posts shown", "mean reward of the last ten", markers=False,
          limits=(0, 1), legend="upper left")  # fmt: skip
