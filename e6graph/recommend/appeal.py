"""How much each tag tells about a taste, and how much a post has to like, whoever asks.

People's tastes are made of tags that neither a handful of posts hold nor a good part
of the board. So a post is the likelier to be liked, by somebody of whom nothing is
known, the more of those it holds. That is its appeal: the sum over its tags of
count · idf, scaled to mean 0 and variance 1 over the board.
"""

from __future__ import annotations

import numpy as np

from ..store.ragged import sum_rows
from .posts import Posts

RARE = 10  # posts; a tag on so few counts half
USUAL = 0.1  # share of the posts; a tag on more of them hardly makes a taste
SAMPLED = 20_000  # posts that the mean and the variance are measured on
MOST_APPEAL = 3.0  # standard deviations


class Appeal:
    """The appeal of posts, and the weight of each tag when a taste is learned.

    Parameters
    ----------
    counts, idf : float64 (T,), see `Ranking`.

    Attributes
    ----------
    idf : float64 (T,), the idf, less for tags on few posts: what was said of these
        tells nothing of any other post.
    """

    def __init__(self, posts: Posts, counts: np.ndarray, idf: np.ndarray) -> None:
        known = counts / (counts + RARE)
        self.idf = idf * known
        usual = np.minimum(1, USUAL * max(len(posts), 1) / counts) ** 4
        self._worth = idf * counts * known * usual

        rows = np.arange(0, len(posts), len(posts) // SAMPLED + 1)
        tags, offsets = posts.tags_of.take(rows)
        sums = sum_rows(self._worth[tags], offsets)
        self._mean = float(sums.mean()) if len(sums) else 0.0
        self._deviation = max(float(sums.std()), 1e-9) if len(sums) else 1.0

    def of(self, tags: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Compute the appeal of posts, float64 (m,), within ± `MOST_APPEAL`.

        Parameters
        ----------
        tags, offsets : tag ids of each post, as `Ragged.take` gives them.
        """
        sums = sum_rows(self._worth[tags], offsets)
        scaled = (sums - self._mean) / self._deviation
        return np.clip(scaled, -MOST_APPEAL, MOST_APPEAL)
