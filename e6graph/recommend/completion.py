"""Completing the tags of a post: which other tags belong with the given ones.

The score of a tag j beside the given tags S is a weighted mean of estimates, each
about the chance that a post with the tags S holds j as well:

- linear: what S tells if the post has no other tags. With G the counts of tags that
  meet, whose diagonal holds the tags' own counts f, and P = (G + λI + ρ diag f)⁻¹,
  it is the sum over i in S of B_ij = −P_ij / P_jj. Without ρ this is EASE (Steck,
  "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019). ρ = p / (1 − p)
  stands for training with each tag hidden at a chance p (EDLAE: Steck,
  "Autoencoders that don't overfit towards the Identity", NeurIPS 2020).
- alone: what S tells if nothing is known of other tags, 1ᵀ (G_SS + I)⁻¹ G_Sj, which
  is a ridge regression on S alone. For a single tag that is P(j | i). It fades as S
  comes near the usual number of a post's tags.
- posts: which tags the most similar posts hold, each post counting its TF-IDF
  cosine^`SHARPNESS`. One imaginary post without tags counts too, so that posts
  which are hardly alike tell little.
- hint: P covers the `EXACT` most used tags; embed_tags.py writes it to
  `companions.arrow`. For those of S that it leaves out, the largest P(j | i) −
  P(j), if that is above 0.

Of G, the `WIDTH` largest counts of each tag are kept. The constants were chosen on
the posts of even row of Tate, OpenMoji and the demo board together. Others do
equally well: twice or half of λ, of ρ or of a weight changes nDCG@8 by less than
.01.
"""

from __future__ import annotations

import numpy as np

from ..embedding.companions import Companions
from ..embedding.dictionary import Dictionary
from .ranking import Query, Ranking

COMPARED_POSTS = 400  # candidates whose cosine is worked out
SIMILAR_POSTS = 50  # of those, the ones that count
SHARPNESS = 8  # power of the cosine
ESTIMATE_WEIGHTS = {"linear": 1.0, "posts": 1.0, "alone": 2.0, "hint": 0.5}
USUAL_SHARE = 0.75  # of the mean number of a post's tags: when "alone" has faded

ScoredTags = list[tuple[str, float]]
"""Tags with a score each."""


class TagCompleter:
    """Scores every tag of the dictionary for a set of given ones.

    Parameters
    ----------
    allowed : bool (n,), posts that may be shown.
    shown : int64 (T,), number of these posts that hold each tag.
    """

    def __init__(
        self,
        companions: Companions,
        dictionary: Dictionary,
        ranking: Ranking,
        allowed: np.ndarray,
        shown: np.ndarray,
    ) -> None:
        self._companions, self._dictionary = companions, dictionary
        self._ranking, self._allowed = ranking, allowed
        self._column = np.full(len(ranking.counts), -1, np.int64)
        self._column[dictionary.tag_ids] = np.arange(len(dictionary.tag_ids))

        # The dictionary may count direct tags alone; the ranking counts implied ones.
        held = ranking.counts[dictionary.tag_ids]
        self._frequencies = np.maximum(dictionary.frqs, held).astype(np.float64)
        # These count all posts: a tag that lives on hidden ones must be silenced.
        share = shown[dictionary.tag_ids] / np.maximum(self._frequencies, 1)
        self._shown = np.minimum(share / max(allowed.mean(), 1e-300), 1)

        posts = max(len(ranking.posts), 1)
        self._chance = self._frequencies / posts
        self._usual = USUAL_SHARE * len(ranking.posts.tags_of.values) / posts
        self._diagonal = companions.inverse.diagonal().astype(np.float64)

    def suggest(self, tag_ids: np.ndarray, n: int) -> ScoredTags:
        """Return the n tags of highest score, best first, without the given ones."""
        score = self.scores(tag_ids)
        score[np.isin(self._dictionary.tag_ids, tag_ids)] = 0
        best = np.argsort(-score, kind="stable")[:n]
        names = self._dictionary.tags
        return [(names[i], float(min(score[i], 1))) for i in best if score[i] > 0]

    def doubt(self, tag_ids: np.ndarray) -> ScoredTags:
        """Return each given tag with its score from the others, lowest first.

        Tags without a vector are left out, and so is one that stands alone.
        """
        support = []
        for tag_id in tag_ids.tolist():
            others, column = tag_ids[tag_ids != tag_id], self._column[tag_id]
            if len(others) and column >= 0:
                score = float(self.scores(others)[column])
                support.append((score, self._dictionary.tags[column]))
        return [(tag, min(max(score, 0.0), 1.0)) for score, tag in sorted(support)]

    def scores(self, tag_ids: np.ndarray) -> np.ndarray:
        """Score every tag: float64 (V,), by row of the dictionary, up to about 1.

        Parameters
        ----------
        tag_ids : the given tags, each once.
        """
        given = self._column[tag_ids]
        given = given[given >= 0]
        weights = ESTIMATE_WEIGHTS
        total = weights["posts"] * self._from_posts(tag_ids)
        if not len(given):
            return total
        left = max(0.0, 1 / len(given) - 1 / max(self._usual, 1))
        fading = weights["alone"] * left
        counted = weights["linear"] * self._linear(given)
        counted += weights["hint"] * self._hint(given)
        if fading:
            counted += fading * self._alone(given)
        total += counted * self._shown
        return total / (weights["linear"] + weights["posts"] + fading)

    def _linear(self, given: np.ndarray) -> np.ndarray:
        """Compute Σ_i B_ij over the given tags; 0 for tags outside P."""
        made = np.zeros(len(self._frequencies))
        given = given[given < len(self._diagonal)]
        met = self._companions.inverse[given].sum(0, dtype=np.float64)
        made[: len(met)] = -met / self._diagonal
        made[given] += 1  # B_jj = 0: a tag tells nothing of itself
        return made

    def _alone(self, given: np.ndarray) -> np.ndarray:
        """Compute 1ᵀ (G_SS + I)⁻¹ G_Sj."""
        row, columns, counts = self._met(given)
        place = np.full(len(self._frequencies), -1)
        place[given] = np.arange(len(given))
        both = place[columns] >= 0
        system = np.diag(self._frequencies[given] + 1)
        system[row[both], place[columns[both]]] = counts[both]
        # Of the two counts of a pair, one may have been left out.
        system = np.maximum(system, system.T)
        worth = np.linalg.solve(system, np.ones(len(given)))
        # Without any companion `bincount` would count, in integers.
        made = np.bincount(columns, worth[row] * counts, len(place)).astype(np.float64)
        made[given] += worth * self._frequencies[given]
        return made

    def _hint(self, given: np.ndarray) -> np.ndarray:
        """Compute max_i P(j | i) − P(j), 0 or more, over given tags outside P."""
        made = np.zeros(len(self._frequencies))
        given = given[given >= len(self._diagonal)]
        row, columns, counts = self._met(given)
        share = counts / self._frequencies[given][row]
        np.maximum.at(made, columns, share - self._chance[columns])
        return made

    def _met(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what the given tags meet: place in `given`, column, posts."""
        columns, offsets = self._companions.columns.take(given)
        counts, _ = self._companions.counts.take(given)
        row = np.repeat(np.arange(len(given)), np.diff(offsets))
        return row, columns, counts

    def _from_posts(self, tag_ids: np.ndarray) -> np.ndarray:
        """Return the share of similar posts that hold each tag, by likeness."""
        query = Query(np.sort(tag_ids), np.ones(len(tag_ids)))
        rows = self._ranking.candidates([query], self._allowed, COMPARED_POSTS)
        cosine = self._ranking.cosines(rows, [query])[:, 0]
        if len(rows) > SIMILAR_POSTS:
            best = np.argpartition(-cosine, SIMILAR_POSTS)[:SIMILAR_POSTS]
            rows, cosine = rows[best], cosine[best]
        worth = cosine**SHARPNESS
        tags, offsets = self._ranking.posts.tags_of.take(rows)
        columns = self._column[tags]
        known = columns >= 0
        share = np.repeat(worth, np.diff(offsets))[known]
        held = np.bincount(columns[known], share, len(self._frequencies))
        return held / (1 + worth.sum())
