"""Learning: how well each way of choosing posts finds simulated users' tastes.

A user has three themes: each is up to four tags of one random post, so that tags
of a theme do go together. Three tags that occur beside liked ones are disliked.
The utility of a post is the sum of the idf of its liked tags less that of its
disliked ones; the user likes it with probability 1 / (1 + exp((θ − utility) / s)).
θ makes a user like a twentieth of the board, and s, a quarter of the standard
deviation over the board, is a little noise. Tags of a taste are held by ten posts
or more and at most a tenth of the board: nobody names "paper" as their taste.
The learner is told one tag of the first theme; each answer tells whether a post
is liked. Posts are shown one a day, none twice; the reward is the probability
that the post is liked. What is measured is `PostGraph.personal` as people get it, and
without its rules of variety.

A ratio to not learning hides how much was left to gain, so the share of the room is
told: (learned - not) / (1 - not). The mean may hide who loses, so the share of the
people for whom not learning had been better is told, too.

Why this is fair: no method's vectors, lengths or weights are in the taste (the
ranking's idf is, for all methods alike); two of three themes have to be found;
what was tuned was tuned on other users, drawn by other random numbers. What
favors all methods that read tags: tastes are sums over tags.
"""

from __future__ import annotations

import math
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import bisect
from scipy.special import expit

from ..errors import BadInput
from ..recommend.choosing import choose
from ..recommend.personal import SECONDS_A_DAY, Profile, taste_of
from ..recommend.postgraph import PostGraph
from .methods import popularity
from .report import Figure, Table, progress

USERS = 100
QUICK_USERS = 20
SHOWN_POSTS = 100  # to each user
QUICK_SHOWN_POSTS = 50
REWARD_DEPTHS = (10, 30, 100)  # first posts that a mean reward is over
THEMES_A_USER = 3
TAGS_A_THEME = 4  # at most
DISLIKED_TAGS = 3
MIN_TASTE_POSTS = 10  # that hold a tag of a taste
MAX_TASTE_SHARE = 0.1  # of the board that holds it
LIKED_SHARE = 0.05  # of the board that a user likes
TASTE_NOISE = 0.25  # s, in standard deviations
CURVE_WINDOW = 5  # posts that a point of the drift's curve is the mean of
NOT_LEARNING = "not learning (recommend)"
LEARNED = "learned"
WITHOUT_VARIETY = "learned, without variety"
COMPARED_POSTS = 30  # that learning is compared with not learning by
REWARD_NOTES = (
    "Mean probability that what was shown is liked; ±: standard error over the people.",
    f"Of the first {COMPARED_POSTS}: room: the share of what {NOT_LEARNING} left to gain; "
    f"worse off: the share of the people with less than by {NOT_LEARNING}. "
    "Most possible: the hidden taste itself.",
)

Rewards = Mapping[str, np.ndarray]
"""Name → rewards, float (users, posts shown)."""


@dataclass(frozen=True)
class SimulatedUser:
    """A hidden taste.

    Attributes
    ----------
    themes : tag ids of each. disliked : tag ids.
    told : a tag id of the first theme, which the learner is told.
    chance : float (n,), the probability that each post is liked.
    """

    themes: list[np.ndarray]
    disliked: np.ndarray
    told: int
    chance: np.ndarray


def simulate_user(
    graph: PostGraph, rng: np.random.Generator, kept: np.ndarray | None = None
) -> SimulatedUser:
    """Draw a user; `kept` is a theme that they have in any case.

    Raises
    ------
    BadInput : hardly any post holds a tag that a taste can be made of.
    """
    posts, idf = graph.posts, graph.ranking.idf
    rows = np.flatnonzero(graph.allowed)
    fit = (graph.shown >= MIN_TASTE_POSTS) & (idf > 0)
    fit &= graph.shown <= MAX_TASTE_SHARE * len(rows)

    themes: list[np.ndarray] = [] if kept is None else [kept]
    for _ in range(1000 if len(rows) else 0):
        if len(themes) == THEMES_A_USER:
            break
        tags = posts.tags_of[rng.choice(rows)]
        tags = tags[fit[tags]]
        if len(tags):
            themes.append(rng.permutation(tags)[:TAGS_A_THEME])
    else:
        raise BadInput(
            f"hardly a post holds a tag of {MIN_TASTE_POSTS} posts or more: no taste to learn"
        )

    liked = np.unique(np.concatenate(themes))
    drawn: set[int] = set()
    for _ in range(50):
        if len(drawn) == DISLIKED_TAGS:
            break
        beside = posts.rows_with[rng.choice(liked)]
        tags = posts.tags_of[rng.choice(beside[graph.allowed[beside]])]
        tags = np.setdiff1d(tags[fit[tags]], liked)
        if len(tags):
            drawn.add(int(rng.choice(tags)))
    disliked = np.array(sorted(drawn), np.int64)

    utility = np.zeros(len(posts))
    for tag_id in liked:
        utility[posts.rows_with[tag_id]] += idf[tag_id]
    for tag_id in disliked:
        utility[posts.rows_with[tag_id]] -= idf[tag_id]
    told = int(rng.choice(themes[0]))
    return SimulatedUser(themes, disliked, told, like_chances(utility, rows))


def like_chances(utility: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Turn utilities into chances of a like, `LIKED_SHARE` on average over `rows`."""
    s = TASTE_NOISE * max(utility[rows].std(), 1e-9)

    def excess(theta: float) -> float:
        return float(expit((utility[rows] - theta) / s).mean()) - LIKED_SHARE

    low, high = utility[rows].min() - 50 * s, utility[rows].max() + 50 * s
    return expit((utility - bisect(excess, low, high)) / s)


@dataclass(frozen=True)
class LearningTalk:
    """A talk with one user, of whom all that was said is in the profile."""

    graph: PostGraph
    seed: int
    profile: Profile

    @classmethod
    def begin(cls, graph: PostGraph, told: int, seed: int) -> LearningTalk:
        """Begin a talk in which one tag id is told."""
        return cls(graph, seed, Profile(enjoys=[graph.posts.names[told]]))

    def go_on(self, chance: np.ndarray, posts: int, varied: bool = True) -> list[float]:
        """Show some more posts, one a day; return the reward of each."""
        graph, profile, rewards = self.graph, self.profile, []
        for _ in range(posts):
            day = len(profile.seen)
            row = self._next((self.seed << 20) + day, varied)
            post_id = int(graph.posts.ids[row])
            liked = np.random.default_rng([self.seed, day]).random() < chance[row]
            profile.seen.append(post_id)
            (profile.liked if liked else profile.disliked).append(post_id)
            for known in profile.at:
                profile.at[known] -= SECONDS_A_DAY
            profile.at[post_id] = int(time.time())
            rewards.append(float(chance[row]))
        return rewards

    def _next(self, seed: int, varied: bool) -> int:
        """Return the row to show next."""
        graph, profile = self.graph, self.profile
        if varied:
            return graph.row(graph.personal(profile, seed=seed)[0].post_id)
        left = graph.allowed.copy()
        left[graph.posts.rows(np.array(profile.seen, np.int64))] = False
        return int(choose(taste_of(graph, profile), left, seed=seed)[0])

    def name(self, tag_id: int) -> None:
        """Say by name that a tag is enjoyed, after all that was said before."""
        tag, profile = self.graph.posts.names[tag_id], self.profile
        profile.enjoys[:] = [name for name in profile.enjoys if name != tag]
        profile.enjoys.append(tag)
        profile.named_at[tag] = int(time.time())

    def fork(self) -> LearningTalk:
        """Return a copy that goes on by itself."""
        return replace(self, profile=deepcopy(self.profile))


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Measure the rewards of each method, also for tastes that change half way."""
    n = QUICK_USERS if args.quick else USERS
    most = QUICK_SHOWN_POSTS if args.quick else SHOWN_POSTS
    posts = min(most, int(graph.allowed.sum()))
    half = posts // 2
    votes = popularity(graph)
    draws = [np.random.default_rng([args.seed, i]) for i in range(n)]
    users = [simulate_user(graph, rng) for rng in draws]
    rewards: dict[str, list[list[float]]] = defaultdict(list)
    drifted: dict[str, list[list[float]]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for i, user in enumerate(progress(users, "simulated users")):
        seed = args.seed * n + i
        rng = np.random.default_rng([args.seed, i, 1])
        rows = rng.permutation(np.flatnonzero(graph.allowed))
        tag = graph.posts.names[user.told]
        fixed = [m.post_id for m in graph.recommend(tags=[tag], n=posts, seed=seed)]
        likely = user.chance
        orders = {
            "random": rows,
            "popularity": rows[np.argsort(-votes[rows], kind="stable")],
            NOT_LEARNING: graph.posts.rows(np.array(fixed)),
            "most possible": rows[np.argsort(-likely[rows], kind="stable")],
        }
        for name, order in orders.items():
            rewards[name].append(likely[order[:posts]].tolist())

        for name, varied in ((WITHOUT_VARIETY, False), (LEARNED, True)):
            start = time.perf_counter()
            talk = LearningTalk.begin(graph, user.told, seed)
            before = talk.go_on(likely, half, varied)
            at_half = talk.fork()
            whole = before + talk.go_on(likely, posts - half, varied)
            rewards[name].append(whole)
            seconds[name] += time.perf_counter() - start

        # Every other user changes half way, in the talk that people get.
        if i % 2:
            continue
        drifted["no change"].append(whole)
        kept = user.themes[rng.integers(THEMES_A_USER)]
        partly, new = simulate_user(graph, rng, kept), simulate_user(graph, rng)
        changes = (
            ("one theme stays", partly, False),
            ("all is new", new, False),
            ("all is new, one tag of it named", new, True),
        )
        for name, changed, named in changes:
            talk = at_half.fork()
            if named:
                talk.name(changed.told)
            drifted[name].append(before + talk.go_on(changed.chance, posts - half))

    found = {name: np.array(lists) for name, lists in rewards.items()}
    after = {name: np.array(lists) for name, lists in drifted.items()}
    title = f"{n} simulated people among {graph.allowed.sum():,} posts, told one tag each"
    ms = {name: spent / n / posts * 1000 for name, spent in seconds.items()}
    return [
        rewards_table(title, found, ms),
        rewards_figure(found),
        drift_table(after),
        drift_figure(after),
    ]


def mean_and_error(rewards: np.ndarray) -> tuple[float, float]:
    """Compute the mean of rewards (users, posts), and its standard error over users."""
    each = rewards.mean(1)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


def room_gained(learned: np.ndarray, usual: np.ndarray) -> float:
    """Compute the share of the room that learning gains: of what `usual` leaves to 1.

    >>> round(room_gained(np.array([0.8, 1.0]), np.array([0.7, 0.7])), 3)
    0.667
    """
    return float((learned.mean() - usual.mean()) / max(1 - usual.mean(), 1e-12))


def worse_off(learned: np.ndarray, usual: np.ndarray) -> float:
    """Compute the share of the people who have less by learning; rounding aside.

    Parameters
    ----------
    learned, usual : mean reward of each person, float (users,).

    >>> worse_off(np.array([0.8, 0.6]), np.array([0.7, 0.7]))
    0.5
    """
    return float((learned < usual - 1e-9).mean())


def rewards_table(title: str, found: Rewards, ms: Mapping[str, float]) -> Table:
    """Tabulate mean rewards of the first posts, and what learning gains and loses."""
    shown = found[NOT_LEARNING].shape[1]
    depths = [k for k in REWARD_DEPTHS if k <= shown]
    by = min(COMPARED_POSTS, shown)
    usual = found[NOT_LEARNING][:, :by].mean(1)
    rows = []
    for name, rewards in found.items():
        row: list[object] = [name]
        for k in depths:
            row += mean_and_error(rewards[:, :k])
        late = float(rewards[:, 20:30].mean()) if shown >= 30 else math.nan
        each = rewards[:, :by].mean(1)
        gained, worse = room_gained(each, usual), worse_off(each, usual)
        rows.append([*row, late, gained, worse, ms.get(name, math.nan)])
    means = [name for k in depths for name in (f"first {k}", f"± {k}")]
    header = ["method", *means, "21 to 30", "room", "worse off", "ms"]
    return Table(title, header, rows, REWARD_NOTES)


def drift_table(changed: Rewards) -> Table:
    """Tabulate mean rewards before and after the change."""
    users, posts = next(iter(changed.values())).shape
    half = posts // 2
    soon = min(half + 30, posts)
    late = max(half, soon - 10)
    rows = []
    for name, rewards in changed.items():
        before = float(rewards[:, :half].mean())
        after = mean_and_error(rewards[:, half:soon])
        last, rest = float(rewards[:, late:soon].mean()), float(rewards[:, half:].mean())
        rows.append((name, before, *after, last, rest))
    title = f"{users} of them, half of the time another taste"
    spans = (f"1 to {half}", f"{half + 1} to {soon}", "±", f"{late + 1} to {soon}")
    note = (
        f"After {half} days two or all of the three themes are new, and what is "
        "disliked; the tag told at first is not taken back."
    )
    return Table(title, ("", *spans, f"{half + 1} to {posts}"), rows, [note])


def rewards_figure(found: Rewards) -> Figure:
    """Show the running mean of the reward against posts shown."""
    series = {}
    for name, rewards in found.items():
        shown = np.arange(1, rewards.shape[1] + 1)
        mean = np.cumsum(rewards.mean(0)) / shown
        series[name.replace(",", ":")] = shown, mean
    return Figure(
        "learning",
        "What is shown is liked, the more is known",
        "posts shown",
        "mean chance of a like so far",
        series,
        markers=False,
        limits=(0, 1),
    )


def drift_figure(changed: Rewards) -> Figure:
    """Show the reward against posts shown, the mean of a few at a time."""
    series = {}
    for name, rewards in changed.items():
        points = rewards.shape[1] // CURVE_WINDOW
        whole = rewards.mean(0)[: points * CURVE_WINDOW]
        middle = CURVE_WINDOW * (np.arange(points) + 0.5)
        series[name] = middle, whole.reshape(points, -1).mean(1)
    return Figure(
        "drift",
        "A taste that changes half way",
        "posts shown",
        f"mean chance of a like, {CURVE_WINDOW} at a time",
        series,
        markers=False,
        limits=(0, 1),
    )
