"""Learning: people with hidden tastes, simulated, and what each way of choosing makes of them.

A person has three themes: each is up to four tags of one random post, so that tags of a theme do go
together. Three tags that occur beside liked ones are disliked. How much a post is liked is the sum
of the idf of its liked tags less that of its disliked ones; it is said to be liked with probability
1 / (1 + exp((θ - that) / s)), where θ makes a person like a twentieth of the board and s, a quarter
of the standard deviation over the board, is a little noise. Tags are those that ten posts or more
hold and at most a tenth of the board: nobody names "paper" as their taste. Everybody is told the
same one tag, of the first theme; what is liked is told by each answer. Posts are shown one a day,
none twice; the reward is the probability that the post is liked.

What is fair in it: no method's vectors, lengths or weights are in the taste (the ranking's idf is,
for all methods alike); two of three themes have to be found; what was tuned was tuned on other
people, drawn by other random numbers. What favours all that read tags: tastes are sums over tags.
"""

from __future__ import annotations

import copy
import time
from argparse import Namespace
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import expit

from ..errors import BadInput
from ..recommend.postgraph import PostGraph
from ..recommend.preference import EXPLORE, HALF_LIFE, Judgment, Preference, choose
from .methods import popularity
from .plotting import lines
from .report import Figure, Table

PEOPLE, QUICK_PEOPLE = 100, 20
STEPS, QUICK_STEPS = 100, 50  # posts shown to each
DEPTHS = (10, 30, 100)
THEMES, TAGS, DISLIKED = 3, 4, 3  # of a person; tags of a theme at most
LEAST, MOST = 10, 0.1  # posts that hold a tag of a taste, and share of the board
LIKED, NOISE = 0.05, 0.25  # share of the board that is liked; s in standard deviations
FIXED, GREEDY, LEARNED = "not learning (recommend)", "learned, the best by the mean", "learned"
READ_AS = (
    "Mean probability that what was shown is liked; ±: standard error over the people.",
    f"× {FIXED}: the first 30 over its first 30. Most possible: the hidden taste itself.",
)


@dataclass(frozen=True)
class Person:
    """A hidden taste; `themes` and `disliked` are tag ids, `told` is one of the first theme."""

    themes: list[np.ndarray]
    disliked: np.ndarray
    told: int
    chance: np.ndarray  # (n,) that each post is liked


def person(
    graph: PostGraph, rng: np.random.Generator, kept: np.ndarray | None = None
) -> Person:
    """Somebody; `kept` is a theme that they have at any rate.

    Raises
    ------
    BadInput : hardly any post holds a tag that a taste can be made of.
    """
    posts, idf = graph.posts, graph.ranking.idf
    rows = np.flatnonzero(graph.allowed)
    fit = (graph.shown >= LEAST) & (graph.shown <= MOST * len(rows)) & (idf > 0)
    themes: list[np.ndarray] = [] if kept is None else [kept]
    for _ in range(1000 if len(rows) else 0):
        if len(themes) == THEMES:
            break
        tags = posts.tags_of[rng.choice(rows)]
        tags = tags[fit[tags]]
        if len(tags):
            themes.append(rng.permutation(tags)[:TAGS])
    else:
        raise BadInput(f"hardly a post holds a tag of {LEAST} posts or more: no taste to learn")
    liked = np.unique(np.concatenate(themes))
    disliked: set[int] = set()
    for _ in range(50):
        if len(disliked) == DISLIKED:
            break
        beside = posts.rows_with[rng.choice(liked)]
        tags = posts.tags_of[rng.choice(beside[graph.allowed[beside]])]
        tags = np.setdiff1d(tags[fit[tags]], liked)
        if len(tags):
            disliked.add(int(rng.choice(tags)))
    utility = np.zeros(len(posts))
    for sign, tags in ((1, liked), (-1, sorted(disliked))):
        for tag_id in tags:
            utility[posts.rows_with[tag_id]] += sign * idf[tag_id]
    told = int(rng.choice(themes[0]))
    return Person(themes, np.array(sorted(disliked), np.int64), told, chances(utility, rows))


def chances(utility: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Probabilities of a like whose mean over some rows is `LIKED`."""
    s = NOISE * max(utility[rows].std(), 1e-9)
    low, high = utility[rows].min() - 50 * s, utility[rows].max() + 50 * s
    for _ in range(60):
        theta = (low + high) / 2
        above = expit((utility[rows] - theta) / s).mean() > LIKED
        low, high = (theta, high) if above else (low, theta)
    return expit((utility - theta) / s)


class Talk:
    """What the learner showed one person, and was told."""

    def __init__(self, graph: PostGraph, told: int, seed: int) -> None:
        self._graph, self._told, self._seed = graph, told, seed
        self._left = graph.allowed.copy()
        self._said: list[tuple[int, float]] = []

    def go_on(
        self, chance: np.ndarray, steps: int, explore: float, half_life: float = HALF_LIFE
    ) -> list[float]:
        """Show some more posts, one a day; gives the reward of each."""
        graph, made = self._graph, []
        for _ in range(steps):
            day = len(self._said)
            said = [Judgment(row, value, day - i) for i, (row, value) in enumerate(self._said)]
            taste = Preference(
                graph.ranking, graph.dictionary, said, [self._told], graph.allowed, half_life
            )
            seed = (self._seed << 20) + day
            row = int(choose(taste, graph.ranking, self._left, seed=seed, explore=explore)[0])
            self._left[row] = False
            liked = np.random.default_rng([self._seed, day]).random() < chance[row]
            self._said.append((row, 1.0 if liked else -1.0))
            made.append(float(chance[row]))
        return made

    def fork(self) -> Talk:
        """A copy that goes on by itself."""
        made = copy.copy(self)
        made._left, made._said = self._left.copy(), self._said.copy()
        return made


def section(graph: PostGraph, args: Namespace) -> list[Table | Figure]:
    """Rewards of each method, and of a taste that changes half way."""
    n = QUICK_PEOPLE if args.quick else PEOPLE
    steps = min(QUICK_STEPS if args.quick else STEPS, int(graph.allowed.sum()))
    people = [person(graph, np.random.default_rng([args.seed, i])) for i in range(n)]
    votes = popularity(graph)
    rewards: dict[str, list[list[float]]] = {}
    spent: dict[str, float] = {}
    drifted: dict[str, list[list[float]]] = {}
    for i, someone in enumerate(people):
        seed = args.seed * n + i
        rng = np.random.default_rng([args.seed, i, 1])
        rows = rng.permutation(np.flatnonzero(graph.allowed))
        tag = graph.posts.names[someone.told]
        fixed = [m.post_id for m in graph.recommend(tags=[tag], n=steps, seed=seed)]
        orders = {
            "random": rows,
            "popularity": rows[np.argsort(-votes[rows], kind="stable")],
            FIXED: graph.posts.rows(np.array(fixed)),
            "most possible": rows[np.argsort(-someone.chance[rows], kind="stable")],
        }
        for name, order in orders.items():
            rewards.setdefault(name, []).append(someone.chance[order[:steps]].tolist())
        for name, explore in ((GREEDY, 0.0), (LEARNED, EXPLORE)):
            start = time.perf_counter()
            talk = Talk(graph, someone.told, seed)
            made = talk.go_on(someone.chance, steps // 2, explore)
            half = talk.fork()
            made += talk.go_on(someone.chance, steps - steps // 2, explore)
            rewards.setdefault(name, []).append(made)
            spent[name] = spent.get(name, 0) + time.perf_counter() - start
        if i % 2 == 0:  # half of the people change
            before, rest = made[: steps // 2], steps - steps // 2
            kept = someone.themes[rng.integers(THEMES)]
            for change, new in (
                ("one theme stays", person(graph, rng, kept)),
                ("all is new", person(graph, rng)),
            ):
                for name, half_life in (("decay", HALF_LIFE), ("no decay", np.inf)):
                    after = half.fork().go_on(new.chance, rest, EXPLORE, half_life)
                    drifted.setdefault(f"{change}, {name}", []).append(before + after)
            drifted.setdefault("no change, decay", []).append(made)
    found = {name: np.array(lists) for name, lists in rewards.items()}
    changed = {name: np.array(lists) for name, lists in drifted.items()}
    title = f"{n} simulated people among {graph.allowed.sum():,} posts, told one tag each"
    return [
        table(title, found, {name: s / n / steps * 1000 for name, s in spent.items()}),
        Figure("learning", "What is shown is liked, the more is known", partial(draw, found)),
        drift_table(changed),
        Figure("drift", "A taste that changes half way", partial(draw_drift, changed)),
    ]


def mean_and_error(rewards: np.ndarray) -> tuple[float, float]:
    """Mean of rewards (people, steps), and its standard error over the people."""
    each = rewards.mean(1)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


def table(title: str, found: dict[str, np.ndarray], ms: dict[str, float]) -> Table:
    """Mean reward of the first so many, and how many times that of not learning."""
    depths = [k for k in DEPTHS if k <= found[FIXED].shape[1]]
    by = 30 if 30 in depths else depths[-1] if depths else None
    header = ["method", *(name for k in depths for name in (f"first {k}", f"± {k}"))]
    header += ["21 to 30", f"× {FIXED}", "ms"]
    rows = []
    for name, rewards in found.items():
        figures = [value for k in depths for value in mean_and_error(rewards[:, :k])]
        times = rewards[:, :by].mean() / found[FIXED][:, :by].mean()
        late = float(rewards[:, 20:30].mean()) if rewards.shape[1] >= 30 else float("nan")
        rows.append((name, *figures, late, float(times), ms.get(name, float("nan"))))
    return Table(title, header, rows, READ_AS)


def drift_table(changed: dict[str, np.ndarray]) -> Table:
    """Mean reward before and after the change."""
    steps = next(iter(changed.values())).shape[1]
    half, late = steps // 2, steps * 3 // 4
    header = ("", f"1 to {half}", f"{half + 1} to {steps}", "±", f"{late + 1} to {steps}")
    rows = []
    for name, rewards in changed.items():
        after = mean_and_error(rewards[:, half:])
        rows.append(
            (name, float(rewards[:, :half].mean()), *after, float(rewards[:, late:].mean()))
        )
    note = (
        f"After {half} days two or all of the three themes are new, and what is disliked; the tag "
        f"told at first is not taken back. Decay: a judgment's noise doubles in {HALF_LIFE:g} days."
    )
    return Table(
        f"{len(rewards)} of them, half of the time another taste", header, rows, [note]
    )


def draw(found: dict[str, np.ndarray], axes) -> None:
    """Running mean of the reward against posts shown."""
    series = {}
    for name, rewards in found.items():
        shown = np.arange(1, rewards.shape[1] + 1)
        series[name.replace(",", ":")] = shown, np.cumsum(rewards.mean(0)) / shown
    lines(
        axes,
        series,
        "posts shown",
        "mean chance of a like so far",
        markers=False,
        limits=(0, 1),
    )


def draw_drift(changed: dict[str, np.ndarray], axes, window: int = 5) -> None:
    """Reward against posts shown, the mean of a few at a time."""
    series = {}
    for name, rewards in changed.items():
        whole = rewards[:, : rewards.shape[1] // window * window].mean(0)
        smooth = whole.reshape(-1, window).mean(1)
        series[name] = window * (np.arange(len(smooth)) + 0.5), smooth
    lines(
        axes,
        series,
        "posts shown",
        f"mean chance of a like, {window} at a time",
        markers=False,
        limits=(0, 1),
    )
