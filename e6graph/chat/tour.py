"""The commands that show posts and take what the user thinks of them."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence

from ..errors import BadInput, MissingArtifact
from ..hydrate.previews import preview_path
from ..recommend.personal import Profile
from ..recommend.postgraph import Recommendation
from . import messages
from .messages import MORE, PICTURE_LIMIT, Picture, Reply, count, title
from .user import Person

LIKE_PICTURE = 3  # posts at once
REMEMBERED = 100  # posts whose reason /why still knows
NOTHING = "Nothing was shown yet: /walk shows a post."


class Tour:
    """What was shown last, and how each post came.

    Attributes
    ----------
    touring : whether a rating of the last post brings the next one.
    """

    def __init__(self, person: Person) -> None:
        self._person = person
        self.reset()

    def reset(self) -> None:
        """As at the beginning of a talk."""
        self.touring = False
        self._last: int | None = None  # post id
        self._alone = False  # nothing came with it, so that /skip speaks of it
        self._stories: OrderedDict[int, str] = OrderedDict()  # by post id
        self._picture: bytes | None = None  # what /skip goes on from, if not the taste
        self._counts = [0, 0]  # shown and liked on this tour

    # -- showing ---------------------------------------------------------------------------------
    def walk(self) -> list[Reply]:
        """Start a tour for the taste."""
        self._picture, self._counts = None, [0, 0]
        return self._next()

    def skip(self) -> list[Reply]:
        if self._last is None:
            return [Reply(NOTHING)]
        if self.touring and self._alone:
            self._person.profiles.skip(self._person.user, self._last)
        return [Reply(f"Skipped #{self._last}."), *self._next()]

    def stop(self) -> list[Reply]:
        if not self.touring:
            return [Reply("There is no tour to stop: /walk starts one.")]
        self.touring = False
        shown, liked = self._counts
        said = f"The tour is over: {shown} shown, {liked} liked."
        return [Reply(said, choices=["/walk", "/taste"])]

    def surprise(self) -> list[Reply]:
        """One post from where the taste is least sure."""
        return self._by_taste(1, explore=True)

    def more(self, words: Sequence[str]) -> list[Reply]:
        """Posts like one, or for the taste where none is meant."""
        post_id = self._meant(words, "more")
        if post_id is None:
            return self._by_taste(MORE)
        profile = self._person.profile()
        graph = self._person.graph(profile)
        found = graph.recommend(
            posts=[graph.describe(post_id).post_id],
            avoid=self._person.resolve(profile.avoids)[0],
            n=MORE,
            seed=len(profile.seen),
            exclude=profile.seen,
        )
        return self._show(found, f"posts like #{post_id}", profile)

    def follow(self, picture: Picture) -> list[Reply]:
        """What a picture shows and posts like it. The picture is not kept in the profile."""
        if picture.problem or not picture.data:
            raise BadInput(picture.problem or "the picture is empty")
        if len(picture.data) > PICTURE_LIMIT:
            raise BadInput(f"the picture has more than {PICTURE_LIMIT // 1024**2} MB")
        try:
            seen = self._person.graph().recognize(picture.data, n=8)
        except MissingArtifact as error:
            logging.getLogger(__name__).warning("%s", error)
            raise BadInput(
                "pictures are not understood here: solve_recognizer.py was not run"
            ) from None
        self._picture = picture.data
        tags = ", ".join(f"{tag} {confidence:.0%}" for tag, confidence in seen)
        choices = [f"/enjoy {tag}" for tag, _ in seen[:3]]
        line = f"I think I see: {tags}" if seen else "I see nothing that I have a tag for."
        return [Reply(line, choices=choices), *self._by_picture(LIKE_PICTURE)]

    def taste_changed(self) -> None:
        """The next posts follow the taste."""
        self._picture = None

    def _next(self) -> list[Reply]:
        self.touring = True
        return self._by_picture(1) if self._picture is not None else self._by_taste(1)

    def _by_picture(self, n: int) -> list[Reply]:
        profile = self._person.profile()
        found = self._person.graph(profile).recommend(
            images=[self._picture],
            avoid=self._person.resolve(profile.avoids)[0],
            n=n,
            seed=len(profile.seen),
            exclude=profile.seen,
        )
        return self._show(found, "your picture", profile, like="like your picture")

    def _by_taste(self, n: int, explore: bool = False) -> list[Reply]:
        profile = self._person.profile()
        if not (profile.enjoys or profile.liked or explore):
            line = (
                "I do not know your taste yet: /enjoy TAGS, /like ID, a picture, or /surprise."
            )
            return [Reply(line, choices=["/surprise", "/help"])]
        graph = self._person.graph(profile)
        found = graph.personal(profile, n=n, seed=len(profile.seen), explore=explore)
        liked, disliked = (
            self._person.visible(ids, graph) for ids in (profile.liked, profile.disliked)
        )
        source = (
            f"{count(profile.enjoys, 'tag')} you enjoy, {count(liked, 'post')} you liked and "
            f"{count(disliked, 'post')} you did not, without {count(profile.avoids, 'tag')}"
        )
        return self._show(found, source, profile)

    def _show(
        self,
        found: Sequence[Recommendation],
        source: str,
        profile: Profile,
        like: str = "",
    ) -> list[Reply]:
        if not found:
            return [Reply("Nothing new is left for that: /enjoy or /like something else.")]
        replies = [self._card(post, profile, like) for post in found]
        self._person.profiles.saw(self._person.user, [int(post.post_id) for post in found])
        self._counts[0] += len(found)
        self._alone = len(found) == 1
        for post, reply in zip(found, replies, strict=True):
            self._last = int(post.post_id)
            self._stories[self._last] = (
                f"#{self._last}: {reply.why}.\nSought from {source}; left out "
                f"{count(profile.seen, 'post')} seen before. Score {post.score:.3g}."
            )
        while len(self._stories) > REMEMBERED:
            self._stories.popitem(last=False)
        return replies

    def _card(self, found: Recommendation, profile: Profile, like: str) -> Reply:
        person, post = self._person, self._person.board.describe(found.post_id)
        said = messages.reasons(found.because, profile.enjoys, profile.liked)
        why = "; ".join(filter(None, [like, said]))
        known = profile.enjoys or profile.avoids or profile.liked or profile.disliked
        why = why or (
            "it is near your taste" if known else "a guess: your taste is not known yet"
        )
        number = post.post_id
        return Reply(
            messages.card(post, found.because, why),
            post,
            why,
            preview_path(person.previews, post.md5) if person.previews else None,
            [
                f"/like {number}",
                f"/dislike {number}",
                "/skip",
                "/stop",
                f"/why {number}",
                f"/more {number}",
            ],
        )

    # -- judging ---------------------------------------------------------------------------------
    def why(self, words: Sequence[str]) -> list[Reply]:
        post_id = self._meant(words, "why")
        if post_id is None:
            return [Reply(NOTHING)]
        unknown = f"How #{post_id} was found is not remembered: it was not shown in this talk."
        return [Reply(self._stories.get(post_id, unknown))]

    def like(self, words: Sequence[str]) -> list[Reply]:
        return self._judge(words, "like")

    def dislike(self, words: Sequence[str]) -> list[Reply]:
        return self._judge(words, "dislike")

    def _judge(self, words: Sequence[str], verb: str) -> list[Reply]:
        person, post_id = self._person, self._meant(words, verb)
        if post_id is None:
            return [Reply(f"Nothing was shown yet: /{verb} ID, or /walk first.")]
        post = person.graph().describe(post_id)  # refuses what may not be shown
        keep = person.profiles.like if verb == "like" else person.profiles.dislike
        keep(person.user, int(post.post_id))
        said = Reply(f"You {verb} #{post.post_id}: {title(post)}.", choices=["/walk"])
        if not self.touring or post.post_id != self._last:
            return [said]
        self._counts[1] += verb == "like"
        return [Reply(said.text), *self._next()]

    def _meant(self, words: Sequence[str], verb: str) -> int | None:
        """The post that is named, or the last one shown."""
        if not words:
            return self._last
        post_id = messages.post_id_in(words[0])
        if post_id is None or len(words) > 1:
            raise BadInput(f"{' '.join(words)!r} is not a post: /{verb} takes a number or URL")
        return post_id
