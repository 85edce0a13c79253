"""`PostGraph`: one interface over a whole index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from ..errors import BadInput, UnknownTag, warn
from ..graph.neighbors import check_vector
from ..graph.pixie import walk
from ..pictures.encoder import Encoder
from ..pictures.features import ImageLike, features_of
from ..store import Store
from . import listing, personal
from .blacklist import Blacklist, describe
from .board import Board, PostInfo
from .catalog import Catalog
from .completion import ScoredTags, TagCompleter
from .favorites import Favorites, find_posts, read_source, sort_out
from .personal import Profile
from .portrait import portrait_of
from .reasons import Recommendation
from .references import Reference
from .since import Moment
from .variety import VARIETY, check_variety

__all__ = ["PostGraph", "PostInfo", "Recommendation"]


class PostGraph(Board):
    """An opened index: looks posts up, finds similar ones and recommends.

    A graph shows the posts of some ratings without those of a blacklist, and
    answers as if the others were not there. It never changes, so calls may come
    from several threads.

    Attributes
    ----------
    posts : all indexed posts, those that may not be shown among them.
    ratings : letters of what may be shown, in the order s, q, e.
    allowed : bool (n,), which rows of `posts` may be shown.
    shown : int64 (T,), how many visible posts hold each tag, by tag id.
    ranking : what scores recommendations.
    dictionary : the tags' vectors.
    operator : float32 (d, d), makes the vector of a post from the mean of its tags'.

    Examples
    --------
    >>> graph = PostGraph.open("index", ratings="s")  # doctest: +SKIP
    >>> graph.recommend(tags=["fox", "night"], avoid=["rain"], n=1)  # doctest: +SKIP
    [Recommendation(post_id=40, score=7.2, because=['fox', 'night'])]
    """

    @classmethod
    def open(
        cls,
        index: str | Path = "index",
        ratings: str = "s",
        blacklist: str | Path | None = "default",
    ) -> Self:
        """Open an index directory.

        Parameters
        ----------
        index : the directory that the scripts wrote.
        ratings : letters of what may be shown, of s (safe), q (questionable) and e
            (explicit).
        blacklist : what to hide. A `str` holds filters in the site's language, a line
            each; a `Path` is a text file of them. "default" stands for what the site
            hides from visitors, None for nothing.

        Raises
        ------
        MissingArtifact : a file is missing; the message names the script to run.
        BadArtifact : a file is damaged, or the files do not belong together.
        BadInput : the ratings or the file cannot be read, or a `str` ends in .txt.

        Warns
        -----
        UserWarning : the list has words that cannot be read or match no post, and
            which.

        Examples
        --------
        >>> PostGraph.open("index", blacklist="spider\\nscore:<0")  # doctest: +SKIP
        """
        store, hidden = Store(index), Blacklist.read(blacklist)
        graph = store.whole(lambda: cls(Catalog.open(store), ratings, hidden))
        if blacklist not in (None, "default"):
            name = f"blacklist {blacklist}" if isinstance(blacklist, Path) else "blacklist"
            graph._warn_of(hidden, name)
        return graph

    def _warn_of(self, hidden: Blacklist, name: str) -> None:
        """Warn once of what a list asks for in vain."""
        remarks, _ = hidden.review(self.posts)
        if remarks:
            said = "; ".join(describe(remarks, self.nearest_names))
            warn(f"{name}: {said}")

    def warm(self) -> None:
        """Load everything that is normally loaded on first use.

        Queries then keep working while a script replaces the files, and the first
        one is fast.
        """
        if self.catalog.store.find("companions.arrow"):
            _ = self._completer
        if self.catalog.store.find("recognizer.npz"):
            _ = self.catalog.recognizer, self.catalog.seen_pictures
        _ = self.catalog.implications, self.catalog.family_pools
        if self.allowed.any():  # the ranking needs some numbers of every post
            self.recommend(posts=[int(self.posts.ids[self.allowed.argmax()])], n=1)

    # -- vectors -------------------------------------------------------------
    def embed_tags(self, tags: str | Iterable[str]) -> np.ndarray:
        """Return the vector of a post with these tags: float32 (d,), of length 1.

        Raises
        ------
        UnknownTag : none of the tags is known, or none has a vector.

        Examples
        --------
        >>> graph.neighbors(graph.embed_tags(["fox", "night"]), n=5)  # doctest: +SKIP
        """
        names = [self.posts.names[i] for i in self.known_tag_ids(tags)]
        vector = self.catalog.vector_of(names)
        if vector is None:
            said = "used too rarely to have one"
            raise UnknownTag(f"no vector for {', '.join(names)}: {said}")
        return vector

    def embed_image(self, image: ImageLike) -> np.ndarray:
        """Return the vector of a picture among the posts: float32 (d,), of length 1.

        Raises
        ------
        MissingArtifact : solve_recognizer.py has not run.
        BadInput : the picture cannot be read.
        """
        return self.catalog.recognizer.embed(image)

    @property
    def encoder(self) -> Encoder | None:
        """The encoder that the recognizer was made with; None without one, or without it.

        `features_of(picture, graph.encoder)` is what a picture may be kept as.
        """
        if self.catalog.store.find("recognizer.npz") is None:
            return None
        return self.catalog.recognizer.encoder

    def recognize(self, image: ImageLike, n: int = 8) -> ScoredTags:
        """Return what a picture seems to show: (tag, confidence 0..1), best first.

        Takes and raises the same as `embed_image`.
        """
        return self.catalog.recognizer.tags(image, n)

    def look_alike(self, image: ImageLike, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Return the posts that have this picture, or a changed copy of it, best first.

        Copies may be gray, small, hard compressed, turned a little or cropped. Only
        posts whose previews solve_recognizer.py saw can be found.

        Returns
        -------
        ids : int64 (at most n,), post ids. likeness : float32, descending, 1 for the
            same picture.

        Raises
        ------
        MissingArtifact : solve_recognizer.py has not run.
        BadInput : n is below 1, or the picture cannot be read.

        Examples
        --------
        >>> ids, likeness = graph.look_alike("fox.jpg", n=3)  # doctest: +SKIP
        """
        if n < 1:
            raise BadInput(f"n {n}: expected n of 1 or more")
        seen = self.catalog.seen_pictures
        rows = self.posts.rows(seen.post_ids)
        shown = np.flatnonzero((rows >= 0) & self.allowed[rows])
        likeness = seen.likeness(features_of(image, self.encoder))[shown]
        best = np.argsort(-likeness, kind="stable")[:n]
        return seen.post_ids[shown[best]], likeness[best]

    def same_picture(self, image: ImageLike) -> int | None:
        """Return the id of the post that surely has this picture, or None.

        Takes and raises the same as `look_alike`. Of pictures that no post has, a
        few in a hundred are taken for one where posts are much alike.
        """
        ids, likeness = self.look_alike(image, n=1)
        sure_from = self.catalog.seen_pictures.sure_from[0]
        return int(ids[0]) if len(ids) and likeness[0] >= sure_from else None

    def neighbors(self, query: int | np.ndarray, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Return the posts whose vectors are nearest to that of the query.

        Parameters
        ----------
        query : a post id, or a vector (d,). A post is not its own neighbor.

        Returns
        -------
        ids : int64 (at most n,), post ids. cosines : float32, descending.

        Raises
        ------
        UnknownPost : the post may not be shown.
        BadInput : n is below 1, or the vector has no neighbors.

        Examples
        --------
        >>> ids, cosines = graph.neighbors(12, n=5)  # doctest: +SKIP
        """
        if n < 1:
            raise BadInput(f"n {n}: expected n of 1 or more")
        index, own = self.catalog.neighbors, None
        if np.ndim(query) == 0:
            own = int(query)
            self.row(own)
            query = index.vector(own)
        vector = check_vector(np.asarray(query), index.dim)

        # Ask for more and more, until n of them may be shown or there are no more.
        ask = n + 1
        while True:
            ids, cosines = index.query(vector, min(ask, len(self.posts)))
            rows = self.posts.rows(ids)
            keep = (rows >= 0) & self.allowed[rows] & (ids != own)
            if keep.sum() >= n or ask >= len(self.posts):
                return ids[keep][:n], cosines[keep][:n]
            ask *= 4

    def walk(
        self, posts: Sequence[int], over: str = "tags", **options: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Walk at random from some posts and count the visits, as Pixie does.

        Parameters
        ----------
        posts : ids of the posts to begin at.
        over : "tags" (from a post over one of its tags to another post), "pools"
            (over tags and pools) or "neighbors" (to one of its nearest posts).
        options : steps, restart, seed and others, as in `pixie.walk`.

        Returns
        -------
        ids : int64, visited posts, best first. visits : float64.

        Examples
        --------
        >>> ids, visits = graph.walk([12, 40], steps=20_000, restart=0.5)  # doctest: +SKIP
        """
        rows = np.array([self.row(post_id) for post_id in posts], np.int64)
        over_graph = self.catalog.graph_over(over)
        found, visits = walk(over_graph, rows, allowed=self.allowed, **options)
        return self.posts.ids[found], visits

    # -- recommending --------------------------------------------------------
    def recommend(
        self,
        posts: Sequence[int] = (),
        tags: str | Sequence[str] = (),
        images: Sequence[ImageLike] = (),
        avoid: str | Sequence[str | int] = (),
        n: int = 20,
        seed: int = 0,
        exclude: Iterable[int] = (),
        variants: bool = False,
        variety: float = VARIETY,
        since: Moment | None = None,
        only: str = "",
    ) -> list[Recommendation]:
        """Return the posts that go best with everything liked, best first.

        There are n of them, or all that may be shown if those are fewer. One of a
        family is shown, the best, and none of the families of posts that are given;
        a comic (a pool that is read in order) comes in with its first page.

        Parameters
        ----------
        posts, tags, images : what is liked: post ids, names, pictures; at least one
            in all, unless `since` is given: without any, the most popular come first.
        avoid : names of tags that must not be there, and ids of posts to stay away
            from.
        n : how many to return.
        seed : of the walk that finds candidates, and of the order among equal
            scores.
        exclude : ids of posts not to return, nor their variants: those seen before, say.
            Posts that may not be shown count for nothing, here and in `avoid`.
        variants : return all of a family, and all pages of a comic.
        variety : from 0, the order of the scores, to 1, where the first posts share
            as few tags as can be.
        since : return only posts that were made then or later: a datetime or its ISO
            text (UTC unless it names a zone), a date, or Unix seconds.
        only : return only posts that match these words of the site's search, which are
            those of a blacklist's line: `wolf -rain score:>50`.

        Raises
        ------
        BadInput : no post, tag or image was given, n, seed or variety is out of range,
            `since` is no time, or `only` has no words.
        BadArtifact : `since` was given, and the index knows no times.
        UnknownTag : none of the tags is known, liked or avoided.
        UnknownPost : a liked post may not be shown.

        Warns
        -----
        UserWarning : `only` has words that cannot be read or match no post.

        Examples
        --------
        >>> for found in graph.recommend(posts=[12, 40], n=3):  # doctest: +SKIP
        ...     print(found.post_id, found.because)
        >>> graph.recommend(tags=["fox"], since="2026-11-27")  # doctest: +SKIP
        """
        if only:
            self._warn_of(Blacklist((only,)), "only")
        liked = listing.Liked(posts, tags, images, avoid)
        options = (n, seed, exclude, variants, variety, since, only)
        found = listing.best_posts(self, liked, *options)
        return found if variants else self._counted(found)

    def variants(self, post_id: int) -> list[int]:
        """Return the ids of the posts of one family with a post that may be shown.

        They are ascending, without the post itself; most posts have none. Raises
        UnknownPost.
        """
        rows = self.catalog.families.others(self.row(post_id))
        return self.posts.ids[rows[self.allowed[rows]]].tolist()

    def _counted(self, found: list[Recommendation]) -> list[Recommendation]:
        """Say of each post how many of its family may be shown in its place."""
        return [replace(one, variants=len(self.variants(one.post_id))) for one in found]

    def personal(
        self,
        profile: Profile,
        n: int = 1,
        seed: int = 0,
        explore: bool = False,
        variants: bool = False,
        variety: float | None = None,
        since: Moment | None = None,
        only: str | None = None,
    ) -> list[Recommendation]:
        """Return the next posts for one user, by all that they said so far.

        No artist, character or pool comes three times running unless they enjoy it
        by name or nothing else is left. While a mood holds, its tags and what was
        judged in it lead, and their taste rests.

        Parameters
        ----------
        profile : what is kept of the user. Posts they saw or avoid are not
            returned, nor families of those they saw.
        seed : of the random draws; give another one for every answer.
        explore : go where the taste is least known.
        variants, variety : as in `recommend`; a post should also differ from the
            latest that they saw. Without `variety` the profile's own holds.
        since : as in `recommend`. For a profile that says nothing of a taste, the most
            popular of those posts come first.
        only : as in `recommend`; None for the profile's own. What was said of other
            posts counts all the same.

        Raises
        ------
        BadInput : n, seed or variety is out of range, `since` is no time, or `only` has
            no words.
        BadArtifact : `since` was given, and the index knows no times.

        Examples
        --------
        >>> graph.personal(Profile(enjoys=["fox"], liked=[12]), n=3)  # doctest: +SKIP
        >>> graph.personal(Profile(liked=[12], mood=["owl"]), n=3)  # doctest: +SKIP
        """
        if variety is None:
            variety = VARIETY if profile.variety is None else profile.variety
        check_variety(variety)
        if only:
            self._warn_of(Blacklist((only,)), "only")
        only = profile.only if only is None else only
        options = (n, seed, explore, variants, variety, since, only)
        found = personal.next_posts(self, profile, *options)
        return found if variants else self._counted(found)

    def count_new(self, profile: Profile, since: Moment) -> int:
        """Count the posts from a moment on that `personal` could show, a family as one.

        Takes and raises the same.
        """
        allowed = personal.unseen(self, profile, False, since, profile.only)
        return self.catalog.families.count(np.flatnonzero(allowed))

    def learned_tags(self, profile: Profile, n: int = 8) -> tuple[ScoredTags, ScoredTags]:
        """Return the tags that speak most for a post to a user, and most against.

        While a mood holds, they are those of what was judged in it.

        Returns
        -------
        up, down : (tag, weight), strongest first, at most n each.
        """
        return personal.tags_for_and_against(self, profile, n)

    def portrait(self, profile: Profile, previews: str | Path | None = None) -> Image.Image:
        """Draw a taste as a picture to show around: RGB, 1,200 × 675 pixels.

        It shows the tags of each category that are liked more than the board has them
        (their share of the likes, and how many times the board's that is), what is
        avoided, and likes of rating s. Nothing in it names the person.

        Parameters
        ----------
        previews : the preview cache; without it there are no thumbnails.

        Raises
        ------
        BadInput : too little is known.

        Examples
        --------
        >>> graph.portrait(Profile(liked=[12, 40]), "previews").save("me.png")  # doctest: +SKIP
        """
        return portrait_of(self, profile, previews).draw()

    # -- posts that somebody names -------------------------------------------
    def favorites(
        self,
        source: str | Path | Sequence[object] | np.ndarray | Mapping[str, object],
        user_agent: str | None = None,
    ) -> Favorites:
        """Read what somebody marked on the site, and look it up here.

        Parameters
        ----------
        source : a `Path` is a file. So is a `str` that names one; any other with posts
            in it (numbers, links, MD5s, the site's JSON, CSV) is read, and a single
            word is the name of a person, whose favorites are fetched from the site at
            one page a second (see `hydrate.favorites`). JSON that was read already and
            lists of ids are taken, too. The latest favorite comes first in all of them.
        user_agent : see `make_user_agent`; None takes it from E6GRAPH_CONTACT.

        Raises
        ------
        BadInput : nothing can be read, nobody has that name, or they hide theirs.
        DownloadError : the site does not answer.

        Examples
        --------
        >>> mine = graph.favorites("vixen")  # doctest: +SKIP
        >>> graph.personal(Profile(favorites=mine.ids), n=20)  # doctest: +SKIP
        """
        _, references = read_source(source, self.posts.site, user_agent)
        return self.sort_out(references)

    def sort_out(self, references: Sequence[Reference]) -> Favorites:
        """Look up posts that somebody names by number or MD5, the latest first."""
        return sort_out(self, references)

    def find_posts(self, references: Sequence[Reference]) -> list[int | None]:
        """Return the id of each post that is named, None where it may not be shown."""
        return find_posts(self, references)

    # -- completing the tags of a post ---------------------------------------
    @cached_property
    def _completer(self) -> TagCompleter:
        return TagCompleter(
            self.catalog.companions,
            self.dictionary,
            self.ranking,
            self.allowed,
            self.shown,
        )

    def suggest_tags(self, tags: str | Sequence[str], n: int = 8) -> ScoredTags:
        """Return tags that belong with some others: (tag, score 0..1), best first.

        Examples
        --------
        >>> graph.suggest_tags(["fox", "mammal"], n=2)  # doctest: +SKIP
        [('canine', 0.97), ('forest', 0.41)]
        """
        ids = np.unique(self.known_tag_ids(tags))
        if not len(ids):
            raise BadInput("give at least one tag")
        return self._completer.suggest(ids, n)

    def telling_tags(self, tags: str | Sequence[str], n: int = 6) -> list[str]:
        """Return the tags that belong with some others and say most about a post.

        They are ordered by their score times their inverse document frequency.
        """
        try:
            found = self.suggest_tags(tags, 4 * n)
        except UnknownTag:  # too rare to have a vector
            return []
        idf, tag_ids = self.ranking.idf, self.posts.tag_ids
        worth = [(score * idf[tag_ids[tag]], tag) for tag, score in found]
        worth.sort(key=lambda pair: -pair[0])
        return [tag for _, tag in worth[:n]]

    def doubtful_tags(self, tags: str | Sequence[str]) -> ScoredTags:
        """Return (tag, how well the others support it, 0..1), lowest first."""
        return self._completer.doubt(np.unique(self.known_tag_ids(tags)))

    def redundant_tags(self, tags: str | Sequence[str]) -> list[str]:
        """Return those of some tags that the others imply, the most used first."""
        ids = np.unique(self.known_tag_ids(tags)).tolist()
        implications = self.catalog.implications
        implied = set().union(*(implications.get(tag_id, ()) for tag_id in ids))
        return [self.posts.names[tag_id] for tag_id in ids if tag_id in implied]
