"""Which tags belong with some others: completion of a post's tags without training.

Three estimates are added, each a share of posts between 0 and 1:

- what the likest posts hold: k nearest posts by TF-IDF cosine c, each counting c^`SHARPNESS`;
- the strongest single hint, max_i P(j | i): near 1 where a given tag implies j;
- the linear prediction from the given tags alone, 1ᵀ (G_SS + λI)⁻¹ G_Sj, G the counts of tags that
  meet: a ridge regression as EASE's (Steck, WWW 2019), restricted to the tags that are there, so a
  system of |S| equations takes the place of the inverse of a matrix of the whole vocabulary.

G is kept for the `WIDTH` tags that each tag meets most (`companions.arrow`, from embed_tags.py).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from .embedding import Dictionary
from .errors import BadArtifact
from .ragged import Ragged
from .ranking import Query, Ranking
from .store import Stage, Store

COMPANIONS = "companions.arrow"
WIDTH = 128  # tags kept for each; more change nothing in the third digit
NEAREST, SHARPNESS, RIDGE = 200, 8, 1.0
CANDIDATES = 1000  # rows whose cosine is looked at
WEIGHTS = {"posts": 6.0, "hint": 1.0, "linear": 1.0}


def top_companions(counts: sp.csr_matrix, width: int = WIDTH) -> tuple[Ragged, Ragged]:
    """The `width` largest entries of each row of a co-occurrence matrix.

    Parameters
    ----------
    counts : float32 (V, V) CSR, `embedding.cooccurrence`.

    Returns
    -------
    columns, counts : int32, a row a tag, by ascending column.
    """
    counts, kept = counts.tocsr(), [np.zeros(0, np.int64)]
    for start, end in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        row = counts.data[start:end]
        order = np.argpartition(-row, width)[:width] if len(row) > width else np.arange(len(row))
        kept.append(start + np.sort(order))
    at = np.concatenate(kept)
    offsets = np.cumsum([len(rows) for rows in kept])  # the empty one gives the leading 0
    return (
        Ragged(offsets, counts.indices[at].astype(np.int32)),
        Ragged(offsets, counts.data[at].astype(np.int32)),
    )


def save_companions(stage: Stage, counts: sp.csr_matrix) -> None:
    """Write `companions.arrow` for a co-occurrence matrix over the dictionary's tags."""
    lists = {
        name: pa.ListArray.from_arrays(
            pa.array(rows.offsets.astype(np.int32)), pa.array(rows.values)
        )
        for name, rows in zip(("columns", "counts"), top_companions(counts), strict=True)
    }
    table = pa.table(lists)
    path = str(stage.path(COMPANIONS))
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


class Completion:
    """Scores every tag of the dictionary for a set of given ones."""

    def __init__(
        self,
        companions: tuple[Ragged, Ragged],
        dictionary: Dictionary,
        ranking: Ranking,
        allowed: np.ndarray,
        shown: np.ndarray,
    ) -> None:
        self._columns, self._counts = companions
        self._dictionary, self._ranking = dictionary, ranking
        self._frequencies = dictionary.frqs.astype(np.float64)
        self._column = np.full(len(ranking.counts), -1, np.int64)
        self._column[dictionary.tag_ids] = np.arange(len(dictionary.tag_ids))
        # The counts are of all posts. A tag that lives on hidden ones is to be silent as they are.
        share = shown[dictionary.tag_ids] / np.maximum(self._frequencies, 1)
        self._shown = np.minimum(share / max(allowed.mean(), 1e-300), 1)
        self._allowed = allowed

    @classmethod
    def open(
        cls,
        store: Store,
        dictionary: Dictionary,
        ranking: Ranking,
        allowed: np.ndarray,
        shown: np.ndarray,
    ) -> Completion:
        """Map `companions.arrow`.

        Parameters
        ----------
        allowed : bool (n,), posts that may be shown. shown : int64 (T,), how many hold each tag.

        Raises
        ------
        MissingArtifact, BadArtifact
        """
        table = store.map_table(COMPANIONS)
        if len(table) != len(dictionary.tags):
            raise BadArtifact(
                f"{COMPANIONS} has {len(table)} tags, the dictionary {len(dictionary.tags)}: "
                "run embed_tags.py again"
            )
        companions = Ragged.of(table["columns"]), Ragged.of(table["counts"])
        return cls(companions, dictionary, ranking, allowed, shown)

    def suggest(self, tag_ids: np.ndarray, n: int) -> list[tuple[str, float]]:
        """The n tags of highest score, best first, without the given ones."""
        score = self.scores(tag_ids)
        score[np.isin(self._dictionary.tag_ids, tag_ids)] = 0
        best = np.argsort(-score, kind="stable")[:n]
        return [(self._dictionary.tags[i], float(min(score[i], 1))) for i in best if score[i] > 0]

    def doubt(self, tag_ids: np.ndarray) -> list[tuple[str, float]]:
        """The score of each given tag from the others, lowest first; without a vector, left out."""
        support = []
        for tag_id in tag_ids.tolist():
            others, column = tag_ids[tag_ids != tag_id], self._column[tag_id]
            if len(others) and column >= 0:
                score = self.scores(others)[column]
                support.append((self._dictionary.tags[column], float(min(score, 1))))
        return sorted(support, key=lambda pair: pair[1])

    def scores(self, tag_ids: np.ndarray) -> np.ndarray:
        """How much each tag belongs, float64 (V,), by column of the dictionary, 0 to about 1.

        Parameters
        ----------
        tag_ids : given tags, unique.
        """
        given = self._column[tag_ids]
        given = given[given >= 0]
        total = WEIGHTS["posts"] * self._from_posts(tag_ids)
        if len(given):
            met = self._met(given)
            hint = (met / self._frequencies[given][:, None]).max(0)
            among = met[:, given]
            system = np.maximum(among, among.T)  # one of a pair may have kept the other alone
            system[np.diag_indices_from(system)] = self._frequencies[given] + RIDGE
            linear = np.maximum(np.linalg.solve(system, np.ones(len(given))) @ met, 0)
            total += (WEIGHTS["hint"] * hint + WEIGHTS["linear"] * linear) * self._shown
        return total / sum(WEIGHTS.values())

    def _met(self, given: np.ndarray) -> np.ndarray:
        """Counts of the posts that each given tag shares with each tag, float64 (k, V)."""
        met = np.zeros((len(given), len(self._frequencies)))
        for row, column in zip(met, given.tolist(), strict=True):
            row[self._columns[column]] = self._counts[column]
            row[column] = self._frequencies[column]
        return met

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
        return held / max(worth.sum(), 1e-300)
