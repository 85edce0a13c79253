"""Which tags belong with some others: completion of a post's tags.

What is added is each about the chance that a post of the given tags S holds another tag j:

- linear: what S says if the post has no other tags. With G the counts of tags that meet, the
  diagonal being the tags' own counts f, and P = (G + λI + ρ diag f)⁻¹, the sum over S of
  B_ij = −P_ij / P_jj. Without ρ this is EASE (Steck, "Embarrassingly Shallow Autoencoders for
  Sparse Data", WWW 2019); ρ = p / (1 − p) is its training with each tag hidden at a chance p
  (EDLAE: Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020);
- alone: what S says if nothing is known of other tags, 1ᵀ (G_SS + I)⁻¹ G_Sj, a ridge regression
  on S alone. For a single tag that is P(j | i). It fades as S comes near a post's usual length;
- posts: what the likest posts hold, each counting its TF-IDF cosine^`SHARPNESS`, beside one
  imaginary post that holds nothing, so that posts hardly alike say little;
- hint: P is that of the `EXACT` most used tags, made by embed_tags.py and mapped
  (`companions.arrow`). For those of S that it leaves out, max_i P(j | i) − P(j), if above 0.

Of G each tag's `WIDTH` largest counts are kept. The constants were chosen on the posts of even row
of Tate, OpenMoji and the demo board together, and lie in a plain: twice or half of λ, of ρ or of a
weight moves nDCG@8 by less than .01.
"""

from __future__ import annotations

import numpy as np

from ..embedding.companions import Companions
from ..embedding.dictionary import Dictionary
from .ranking import Query, Ranking

CANDIDATES, NEAREST, SHARPNESS = 400, 50, 8  # rows compared, rows that count, power of cosine
WEIGHTS = {"linear": 1.0, "posts": 1.0, "alone": 2.0, "hint": 0.5}
USUAL = 0.75  # of the mean number of a post's tags: when "alone" has faded


class Completion:
    """Scores every tag of the dictionary for a set of given ones.

    Parameters
    ----------
    allowed : bool (n,), posts that may be shown. shown : int64 (T,), how many hold each tag.
    """

    def __init__(
        self,
        companions: Companions,
        dictionary: Dictionary,
        ranking: Ranking,
        allowed: np.ndarray,
        shown: np.ndarray,
    ) -> None:
        self._companions = companions
        self._dictionary, self._ranking = dictionary, ranking
        held = ranking.counts[dictionary.tag_ids]  # implied tags included, other than the first
        self._frequencies = np.maximum(dictionary.frqs, held).astype(np.float64)
        self._column = np.full(len(ranking.counts), -1, np.int64)
        self._column[dictionary.tag_ids] = np.arange(len(dictionary.tag_ids))
        # The counts are of all posts. A tag that lives on hidden ones is to be silent as they are.
        share = shown[dictionary.tag_ids] / np.maximum(self._frequencies, 1)
        self._shown = np.minimum(share / max(allowed.mean(), 1e-300), 1)
        self._allowed = allowed
        posts = max(len(ranking.posts), 1)
        self._chance = self._frequencies / posts
        self._usual = USUAL * len(ranking.posts.tags_of.values) / posts
        self._diagonal = companions.inverse.diagonal().astype(np.float64)

    def suggest(self, tag_ids: np.ndarray, n: int) -> list[tuple[str, float]]:
        """The n tags of highest score, best first, without the given ones."""
        score = self.scores(tag_ids)
        score[np.isin(self._dictionary.tag_ids, tag_ids)] = 0
        best = np.argsort(-score, kind="stable")[:n]
        return [
            (self._dictionary.tags[i], float(min(score[i], 1))) for i in best if score[i] > 0
        ]

    def doubt(self, tag_ids: np.ndarray) -> list[tuple[str, float]]:
        """The score of each given tag from the others, lowest first; without a vector, left out."""
        support = []
        for tag_id in tag_ids.tolist():
            others, column = tag_ids[tag_ids != tag_id], self._column[tag_id]
            if len(others) and column >= 0:
                support.append(
                    (float(self.scores(others)[column]), self._dictionary.tags[column])
                )
        return [(tag, min(max(score, 0.0), 1.0)) for score, tag in sorted(support)]

    def scores(self, tag_ids: np.ndarray) -> np.ndarray:
        """How much each tag belongs, float64 (V,), by column of the dictionary, to about 1.

        Parameters
        ----------
        tag_ids : given tags, unique.
        """
        given = self._column[tag_ids]
        given = given[given >= 0]
        total = WEIGHTS["posts"] * self._from_posts(tag_ids)
        if not len(given):
            return total
        fading = WEIGHTS["alone"] * max(0.0, 1 / len(given) - 1 / max(self._usual, 1))
        counted = WEIGHTS["linear"] * self._linear(given) + WEIGHTS["hint"] * self._hint(given)
        if fading:
            counted += fading * self._alone(given)
        total += counted * self._shown
        return total / (WEIGHTS["linear"] + WEIGHTS["posts"] + fading)

    def _linear(self, given: np.ndarray) -> np.ndarray:
        """Σ_i B_ij over the given tags, of the tags of P; 0 for the others."""
        made, given = np.zeros(len(self._frequencies)), given[given < len(self._diagonal)]
        met = self._companions.inverse[given].sum(0, dtype=np.float64)
        made[: len(met)] = -met / self._diagonal
        made[given] += 1  # B_jj = 0: a tag says nothing of itself
        return made

    def _alone(self, given: np.ndarray) -> np.ndarray:
        """1ᵀ (G_SS + I)⁻¹ G_Sj."""
        row, columns, counts = self._met(given)
        place = np.full(len(self._frequencies), -1)
        place[given] = np.arange(len(given))
        both = place[columns] >= 0
        system = np.diag(self._frequencies[given] + 1)
        system[row[both], place[columns[both]]] = counts[both]
        system = np.maximum(system, system.T)  # one of a pair may have kept the other alone
        worth = np.linalg.solve(system, np.ones(len(given)))
        made = np.bincount(columns, worth[row] * counts, len(place))
        made[given] += worth * self._frequencies[given]
        return made

    def _hint(self, given: np.ndarray) -> np.ndarray:
        """max_i P(j | i) − P(j) over the given tags that P leaves out, 0 or more."""
        made, given = np.zeros(len(self._frequencies)), given[given >= len(self._diagonal)]
        row, columns, counts = self._met(given)
        np.maximum.at(
            made, columns, counts / self._frequencies[given][row] - self._chance[columns]
        )
        return made

    def _met(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the given tags meet most: number of the given tag, column, count."""
        columns, offsets = self._companions.columns.take(given)
        counts, _ = self._companions.counts.take(given)
        return np.repeat(np.arange(len(given)), np.diff(offsets)), columns, counts

    def _from_posts(self, tag_ids: np.ndarray) -> np.ndarray:
        """Share of the likest posts that hold each tag, by their likeness."""
        query = Query(np.sort(tag_ids), np.ones(len(tag_ids)))
        rows = self._ranking.candidates([query], self._allowed, CANDIDATES)
        cosine = self._ranking.cosines(rows, [query])[:, 0]
        if len(rows) > NEAREST:
            best = np.argpartition(-cosine, NEAREST)[:NEAREST]
            rows, cosine = rows[best], cosine[best]
        worth = cosine**SHARPNESS
        values, offsets = self._ranking.posts.tags_of.take(rows)
        columns = self._column[values]
        share = np.repeat(worth, np.diff(offsets))[columns >= 0]
        held = np.bincount(columns[columns >= 0], share, len(self._frequencies))
        return held / (1 + worth.sum())
