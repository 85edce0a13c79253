"""From what is kept of a user to a portrait: what they like more than the board does.

Of n likes k hold a tag that a share p of the board's posts hold. How far it stands out is
the mean of a Gamma-Poisson model (DuMouchel, The American Statistician 1999), which
pulls small counts toward 1, "no more than the board":

    (k + a) / (n p + a),  a = max(LEAST_PRIOR, PRIOR_SHARE n)

The portrait prints the plain share k / n, and how many times p it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from PIL import Image

from ..drawing import Portrait, Tag
from ..drawing.lettering import legible, plain
from ..drawing.portrait import THUMBNAIL, THUMBNAILS
from ..errors import BadInput
from ..hydrate.previews import cached_preview
from ..pictures import open_picture
from ..tags.categories import RATING_TAGS
from .board import Board
from .personal import Profile

HEADINGS = {  # of the categories that are shown, in this order
    "general": "general",
    "species": "species",
    "artist": "favorite artists",
    "character": "character",
    "copyright": "copyright",
    "lore": "lore",
}
LEAST_PRIOR = 5.0  # likes
PRIOR_SHARE = 0.02  # of the likes: where they are many, what few of them hold says little
LEAST_PULL = 1.1  # from which a tag stands out
LEAST_PUSH = 1.3  # among dislikes, of which a portrait should not say too much
FEW = 5  # from so many likes on, one alone brings no tag in
SHORTLIST = 40  # tags of a category that are compared with each other
ALIKE = 0.8  # of the posts that hold either of two tags hold both: they say the same
MOST_TAGS = 12  # of a category
LEADING = 4
CANDIDATES = 200  # for the thumbnails: likes with a preview
MOST_AVOIDED = 10


def portrait_of(board: Board, profile: Profile, previews: str | Path | None = None) -> Portrait:
    """Find what stands out in a taste; see `PostGraph.portrait`."""
    kinds, unwritten = board.posts.category, dict[str, None]()

    def written(tag_ids: Iterable[int]) -> list[int]:
        found = {one: _readable(board, one) for one in tag_ids}
        unwritten.update((board.posts.names[one], None) for one in found if not found[one])
        return [one for one in found if found[one]]

    enjoyed, avoided = (
        written(one for one in board.posts.ids_of(names[::-1]) if board.shown[one])
        for names in (profile.enjoys, profile.avoids)  # the latest first
    )
    against = {*profile.disliked}
    marked = dict.fromkeys([*profile.favorites, *profile.liked])
    liked = board.visible_rows(one for one in marked if one not in against)
    shown = int(board.allowed.sum())
    usual = board.shown / max(shown, 1)
    likes = _Standouts(board, liked, usual, avoided)
    panels = {kind: likes.apart(written(likes.of(kind)), MOST_TAGS) for kind in HEADINGS}
    told = [one for kind in HEADINGS if kind != "artist" for one in panels[kind]]
    told.sort(key=lambda one: -likes.pull[one])
    leading = likes.apart(told, LEADING) or enjoyed[:MOST_TAGS]
    if told or panels["artist"]:
        for one in enjoyed:
            panel = panels.get(kinds(one), panels["general"])
            if one not in panel and len(panel) < MOST_TAGS:
                panel.append(one)
    chosen = [one for ids in panels.values() for one in ids]
    worst = _worst(board, profile, np.maximum(usual, likes.share), [*chosen, *enjoyed])

    worth = likes.holds[:, chosen].toarray() * np.log(np.maximum(likes.pull[chosen], 1.0))
    said = f"On a board of {shown:,} posts"
    if len(liked):
        count = "1 like" if len(liked) == 1 else f"{len(liked):,} likes"
        said = f"Share of {count}, and how many times that of all {shown:,} posts (white notch)"
    made = Portrait(
        said=said,
        leading=likes.tags(leading),
        panels={HEADINGS[kind]: likes.tags(ids) for kind, ids in panels.items()},
        avoids=likes.tags(dict.fromkeys([*avoided, *written(worst)])),
        thumbnails=_thumbnails(board, liked, worth, previews),
        unwritten=list(unwritten),
    )
    if not (made.leading or chosen or made.avoids or made.thumbnails):
        raise BadInput(
            "too little is known of this taste for a portrait: expected some posts that are "
            "liked, or tags that are enjoyed or avoided"
        )
    return made


def _worst(board: Board, profile: Profile, known: np.ndarray, mine: Sequence[int]) -> list[int]:
    """Return ids of the tags that they dislike, the most disliked first, without artists.

    Parameters
    ----------
    known : float64 (T,), how often a like or a post of the board holds each tag:
        what they dislike was shown to them, and is much like what they like.
    mine : ids of what they like; neither that is disliked, nor what it implies.
    """
    implied = (other for one in mine for other in board.catalog.implications.get(one, ()))
    disliked = board.visible_rows(profile.disliked)
    dislikes = _Standouts(board, disliked, known, [*mine, *implied], LEAST_PUSH)
    worst = [one for kind in HEADINGS if kind != "artist" for one in dislikes.of(kind)]
    worst.sort(key=lambda one: -dislikes.pull[one])
    return dislikes.apart(worst[:SHORTLIST], MOST_AVOIDED)


class _Standouts:
    """The tags that some posts hold more often than is usual.

    Parameters
    ----------
    rows : int64 (n,).
    usual : float64 (T,), share of posts that hold each tag, by tag id.
    without : ids of tags that are passed over.

    Attributes
    ----------
    holds : float32 (n, T), sparse: which of the posts hold each tag.
    pull : float64 (T,), how far each stands out.
    share : float64 (T,), share of these posts that hold each.
    """

    def __init__(
        self,
        board: Board,
        rows: np.ndarray,
        usual: np.ndarray,
        without: Iterable[int],
        least: float = LEAST_PULL,
    ) -> None:
        n, tags = len(rows), len(board.posts.names)
        held, offsets = board.posts.tags_of.take(rows)
        ones = np.ones(len(held), np.float32)
        self.holds = sp.csr_matrix((ones, held, offsets), (n, tags))
        self._board, self._usual = board, usual

        counts = np.bincount(held, minlength=tags)
        prior = max(LEAST_PRIOR, PRIOR_SHARE * n)
        self.share = counts / max(n, 1)
        self.pull = (counts + prior) / (n * usual + prior)
        out = (self.pull >= least) & (counts >= (2 if n >= FEW else 1))
        out[[*without, *board.posts.ids_of(RATING_TAGS)]] = False
        ids = np.flatnonzero(out)
        self._ids = ids[np.argsort(-self.pull[ids], kind="stable")]

    def of(self, category: str) -> list[int]:
        """Return the first `SHORTLIST` ids of a category, what stands out most first."""
        kinds = self._board.posts.category
        return [*islice((i for i in self._ids.tolist() if kinds(i) == category), SHORTLIST)]

    def apart(self, ids: Sequence[int], most: int) -> list[int]:
        """Leave out of some tags what others before them say, and all after the first `most`."""
        held = self.holds[:, ids]
        both = (held.T @ held).toarray()
        either = both.diagonal()[:, None] + both.diagonal() - both
        same = (both >= FEW) & (both >= ALIKE * either)
        implied = self._board.catalog.implications
        chosen: list[int] = []  # places
        for place, tag_id in enumerate(ids):
            exacter = [*chosen, *np.flatnonzero(same[place])]
            known = any(tag_id in implied.get(ids[one], ()) for one in exacter)
            if not known and not same[place, chosen].any():
                chosen.append(place)
        return [ids[place] for place in chosen[:most]]

    def tags(self, ids: Iterable[int]) -> list[Tag]:
        """Return tags as a portrait shows them, with figures where they stand out."""
        made = []
        for one in ids:
            share, usual = float(self.share[one]), float(self._usual[one])
            name, kind = _readable(self._board, one), self._board.posts.category(one)
            made.append(Tag(name, kind, share if share > usual else None, usual))
        return made


def _thumbnails(
    board: Board, rows: np.ndarray, worth: np.ndarray, previews: str | Path | None
) -> list[Image.Image]:
    """Open the previews of likes of rating s that show most of a taste, each another side.

    Parameters
    ----------
    rows : int64 (n,).
    worth : float (n, m), what each of m tags is worth on each; it is halved with each
        post that shows the tag.
    """
    if previews is None:
        return []
    safe = board.posts.column("rating")[rows] == "s"
    order = np.argsort(-worth.sum(1), kind="stable")
    paths: dict[int, Path] = {}
    for place in order[safe[order]].tolist():
        path = cached_preview(previews, board.posts.value(int(rows[place]), "md5"))
        if path and path.is_file():
            paths[place] = path
        if len(paths) == CANDIDATES:
            break
    left = np.array([*paths], np.int64)
    made: list[Image.Image] = []
    while len(left) and len(made) < THUMBNAILS:
        best = int(left[worth[left].sum(1).argmax()])
        family = [rows[best], *board.catalog.families.others(rows[best])]
        left = left[~np.isin(rows[left], family)]
        try:
            made.append(open_picture(str(paths[best]), enough=2 * THUMBNAIL))
        except BadInput:  # a damaged file
            continue
        worth = np.where(worth[best] > 0, worth / 2, worth)
    return made


def _readable(board: Board, tag_id: int) -> str:
    """Return the name of a tag as the site shows it; "" if no font has its letters."""
    name = plain(board.posts.names[tag_id]).replace("_", " ")
    kind = board.posts.category(tag_id)
    ending = r" \([^()]*\)$" if kind == "character" else rf" \({kind}\)$"
    return legible(re.sub(ending, "", name).strip())
