"""The commands that show posts and take what the user thinks of them."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ..errors import BadArtifact, BadInput, MissingArtifact
from ..hydrate.previews import cached_preview
from ..recommend import PostInfo, Recommendation
from ..recommend.course import KIND_COSTS
from ..recommend.moods import of_mood
from ..recommend.personal import Profile, has_taste
from . import messages
from .messages import PICTURE_LIMIT, POSTS_AT_ONCE, Picture, Reply, count, title
from .posts_meant import listed, not_here, post_meant, posts_meant
from .stories import searched_from, why_of
from .user import Judgment, User

POSTS_LIKE_PICTURE = 3  # shown at once
TAGS_OF_PICTURE = 8  # named
REMEMBERED_POSTS = 100  # whose reason /why still knows
RUNS_PASSED_OVER = 20  # posts of a search that a tour may leave out for what came before
TAKEN_BACK = ("touring", "_features", "_shown", "_liked")  # of the tour, with a judgment
NOTHING_SHOWN = "Nothing was shown yet: /walk shows a post."
NOTHING_SAID = "Nothing was said in this talk that could be taken back; /drop takes names."
MOST_POSTS_TRIED = 10_000  # for one message, if none of them can be shown
log = logging.getLogger(__name__)

Find = Callable[[list[int], int], Sequence[Recommendation]]
"""(ids of posts to leave out, how many to find) → the posts to show next."""


class Tour:
    """The posts shown in a talk: the last one, and how each was found.

    Parameters
    ----------
    look : makes the features of a picture from the bytes of its file. They are all
        that is kept of it.

    Attributes
    ----------
    touring : whether a judgment of the last post brings the next one.
    """

    def __init__(self, user: User, look: Callable[[bytes], np.ndarray]) -> None:
        self._user = user
        self._look = look
        self.reset()

    def reset(self) -> None:
        """Forget what this talk has shown so far."""
        self.touring = False
        self._last: int | None = None  # post id
        self._last_was_alone = False  # shown without others, so that /skip is about it
        self._latest: deque[PostInfo] = deque(maxlen=2)
        # By post id: why it came, and what was searched.
        self._stories: OrderedDict[int, tuple[str, str]] = OrderedDict()
        self._user.judgments.clear()
        self._broken: list[int] = []  # ids of posts that could not be shown
        # If set, the tour follows this picture and not the taste.
        self._features: np.ndarray | None = None
        self._pictured: list[int] = []  # id of the post that has this picture
        self._shown = self._liked = 0  # posts of this tour

    @property
    def begun(self) -> bool:
        """Whether something was shown or said that a new talk would not know."""
        return self._last is not None or self._features is not None or self.touring

    # -- showing
    def walk(self) -> list[Reply]:
        """Start a tour that follows the taste."""
        self._features = None
        self._shown = self._liked = 0
        return self._next()

    def skip(self) -> list[Reply]:
        if self._last is None:
            return [Reply(NOTHING_SHOWN)]
        said = Reply(f"Skipped #{self._last}.")
        if not (self.touring and self._last_was_alone):
            return [said, *self._next()]
        judgment = self._judging("skipped", [self._last])
        self._user.profiles.skip(self._user.key, self._last)
        return [said, *self._next(judgment)]

    def stop(self) -> list[Reply]:
        if not self.touring:
            return [Reply("There is no tour to stop: /walk starts one.")]
        self.touring = False
        said = f"The tour is over: {self._shown} shown, {self._liked} liked."
        return [Reply(said, choices=["/walk", "/taste"])]

    def surprise(self) -> list[Reply]:
        """Show one post from where the taste is least known."""
        return self._by_taste(1, explore=True)

    def more(self, words: Sequence[str]) -> list[Reply]:
        """Show posts like one, or posts for the taste if none is named or was shown."""
        profile = self._user.profile()
        graph = self._user.graph(profile)
        post_id = post_meant(graph, words, "more", self._last)
        if post_id is None:
            return self._by_taste(POSTS_AT_ONCE)
        find = self._finder(profile, posts=[graph.describe(post_id).post_id])
        return self._show(find, POSTS_AT_ONCE, f"posts like #{post_id}", profile)

    def variants(self, words: Sequence[str]) -> list[Reply]:
        """Show the posts of one family with a post, without tags they avoid."""
        profile = self._user.profile()
        graph = self._user.graph(profile)
        post_id = post_meant(graph, words, "variants", self._last)
        if post_id is None:
            return [Reply(NOTHING_SHOWN)]
        family = graph.variants(post_id)
        if not family:
            return [Reply(f"#{post_id} has no variants here.", choices=[f"/more {post_id}"])]
        if profile.only and not (family := graph.matching_among(family, profile.only)):
            said = f"No variant of #{post_id} matches {profile.only}: /only off ends that."
            return [Reply(said, choices=["/only off"])]
        avoids = set(self._user.resolve(profile.avoids)[0])
        kept_away = [avoids & names_of(graph.describe(one)) for one in family]
        wanted = [one for one, why in zip(family, kept_away, strict=True) if not why]
        if not wanted:
            tags = sorted(set().union(*kept_away))
            line = f"All variants of #{post_id} have tags that you avoid: {', '.join(tags)}."
            return [Reply(line, choices=[f"/drop {' '.join(tags)}"])]

        # What they do not know comes first, then what this talk showed longest ago.
        seen = {*profile.seen, *profile.favorites}
        places = {one: k for k, one in enumerate(self._stories)}
        wanted.sort(key=lambda one: (one in seen, places.get(one, -1)))

        def find(exclude: list[int], n: int) -> Sequence[Recommendation]:
            gone = set(exclude)
            return [Recommendation(one, 0.0) for one in wanted if one not in gone][:n]

        lines = []
        if seen.issuperset(wanted):
            every = "the only variant" if len(wanted) == 1 else f"all {len(wanted)} variants"
            lines.append(f"You have seen {every} of #{post_id} before; here once more.")
        if len(wanted) > POSTS_AT_ONCE:
            lines.append(
                f"#{post_id} has {len(wanted)} variants: /variants {post_id} shows others."
            )
        like = f"a variant of #{post_id}"
        cards = self._show(find, POSTS_AT_ONCE, "", profile, like, again=True)
        return [*(Reply(line) for line in lines), *cards]

    def follow(self, picture: Picture) -> list[Reply]:
        """Say what a picture shows, and show posts like it. The profile does not keep it."""
        if picture.problem or not picture.data:
            raise BadInput(picture.problem or "the picture is empty")
        if len(picture.data) > PICTURE_LIMIT:
            raise BadInput(f"the picture has more than {PICTURE_LIMIT // 1024**2} MB")
        graph = self._user.graph()
        try:
            features = self._look(picture.data)
            seen = graph.recognize(features, n=TAGS_OF_PICTURE)
            post_id = graph.same_picture(features)
        except (MissingArtifact, BadArtifact) as error:
            damaged = isinstance(error, BadArtifact)  # which only the operator can mend
            log.log(logging.WARNING if damaged else logging.INFO, "%s", error)
            raise BadInput(
                "I cannot read pictures here: whoever runs this bot has not run "
                "solve_recognizer.py on this board"
            ) from None
        self._features = features
        self._pictured = [] if post_id is None else [post_id]
        line = "I see nothing that I have a tag for."
        if seen:
            tags = ", ".join(f"{tag} {confidence:.0%}" for tag, confidence in seen)
            line = f"I think I see: {tags}"
        choices = [f"/enjoy {tag}" for tag, _ in seen[:3]]
        if post_id is not None:
            line = f"This is #{post_id}: {title(graph.describe(post_id))}.\n{line}"
            choices = [f"/like {post_id}", f"/more {post_id}", *choices]
        return [
            Reply(line, choices=choices),
            *self._by_picture(features, POSTS_LIKE_PICTURE),
        ]

    def taste_changed(self) -> None:
        """Let the next posts follow the taste and no longer a picture."""
        self._features = None

    def _next(self, judgment: Judgment | None = None) -> list[Reply]:
        """Show the next post of the tour, after a judgment of the last."""
        self.touring = True
        features = self._features
        replies = self._by_taste(1) if features is None else self._by_picture(features, 1)
        if judgment:
            shown = [reply.post.post_id for reply in replies if reply.post]
            judgment.shown = [*judgment.shown, *shown]
        return replies

    def _by_picture(self, features: np.ndarray, n: int) -> list[Reply]:
        profile = self._user.profile()
        find = self._finder(profile, images=[features], without=self._pictured)
        if self.touring:
            find = self._without_runs(find)
        return self._show(find, n, "your picture", profile, like="like your picture")

    def _finder(
        self,
        profile: Profile,
        posts: Sequence[int] = (),
        images: Sequence[np.ndarray] = (),
        without: Sequence[int] = (),
    ) -> Find:
        """Return a search for what goes with posts or pictures, without what they avoid."""
        graph, seed = self._user.graph(profile), len(of_mood(profile).seen)
        avoid = self._user.resolve(profile.avoids)[0]
        recommend = graph.recommend
        if profile.variety is not None:
            recommend = partial(recommend, variety=profile.variety)
        if profile.only:
            recommend = partial(recommend, only=profile.only)
        return lambda exclude, n: recommend(
            posts,
            images=images,
            avoid=avoid,
            n=n,
            seed=seed,
            exclude=[*exclude, *without, *profile.favorites],
        )

    def _without_runs(self, find: Find) -> Find:
        """Return a search that passes over an artist, a character or a pool of both last posts.

        A tour by taste does so by itself. Where nothing else is found, they come.
        """

        def fresh(exclude: list[int], n: int) -> Sequence[Recommendation]:
            found = find(exclude, n + RUNS_PASSED_OVER)
            running = _marks(self._latest[0]) & _marks(self._latest[-1])
            board = self._user.board
            others = [one for one in found if not running & _marks(board.describe(one.post_id))]
            return (others or found)[:n]

        return fresh if len(self._latest) == self._latest.maxlen else find

    def new(self, n: int, since: float) -> list[Reply]:
        """Show the best of the posts that were made at a moment (Unix seconds) or later."""
        return self._by_taste(n, since=since)

    def _by_taste(
        self, n: int, explore: bool = False, since: float | None = None
    ) -> list[Reply]:
        profile = self._user.profile()
        now = of_mood(profile)
        known = now.enjoys or now.liked or now.favorites
        if not (known or explore or since is not None):
            line = (
                "I do not know your taste yet: tell me with /enjoy TAGS or /like ID, or let "
                "/surprise show you a post."
            )
            return [Reply(line, choices=["/surprise", "/help"])]
        graph = self._user.graph(profile)

        def find(exclude: list[int], n: int) -> Sequence[Recommendation]:
            # What this answer has found already belongs to the mood, too.
            fresh = set(exclude) - set(profile.seen)
            moods = profile.moods | dict.fromkeys(fresh, " ".join(profile.mood))
            unseen = replace(profile, seen=exclude, moods=moods)
            options = {"explore": explore} if since is None else {"since": since}
            return graph.personal(unseen, n=n, seed=len(now.seen), **options)

        popular = since is not None and not has_taste(now)
        like = "many people marked it" if popular else ""
        return self._show(find, n, searched_from(self._user, profile, since), profile, like)

    def _show(
        self,
        find: Find,
        n: int,
        source: str,
        profile: Profile,
        like: str = "",
        again: bool = False,
    ) -> list[Reply]:
        """Make a card of each of the next n posts and remember that it was shown.

        Parameters
        ----------
        find : what searches, see `Find`.
        source : what was searched from, for /why; "" if nothing was.
        like : a reason to put before those of each post.
        again : whether posts that they saw may come.
        """
        found, replies = self._cards(find, n, profile, like, again)
        if not found:
            said = "Nothing new is left for that: /enjoy or /like something else."
            choices = ["/mood off"] if profile.mood else []
            if profile.mood:
                said = "Nothing new is left for that: /mood off ends the mood."
            if profile.only:
                said = f"Nothing new is left that matches {profile.only}: /only off ends that."
                choices.append("/only off")
            return [Reply(said, choices=choices)]
        post_ids = [int(post.post_id) for post in found]
        self._user.profiles.saw(self._user.key, post_ids)
        self._shown += len(found)
        self._last = post_ids[-1]
        self._last_was_alone = len(found) == 1
        self._latest += [reply.post for reply in replies if reply.post]
        for post, reply in zip(found, replies, strict=True):
            searched = ""
            if source:
                seen = count(profile.seen, "post")
                searched = (
                    f"\nSearched from {source}; left out {seen} you saw before. "
                    f"Score {post.score:.3g}."
                )
            self._stories[int(post.post_id)] = reply.why, searched
            self._stories.move_to_end(int(post.post_id))
        while len(self._stories) > REMEMBERED_POSTS:
            self._stories.popitem(last=False)
        return replies

    def _cards(
        self, find: Find, n: int, profile: Profile, like: str, again: bool
    ) -> tuple[list[Recommendation], list[Reply]]:
        """Find up to n posts and make their cards; step over posts that cannot be shown.

        One such post would else be found again by every message, and end the tour.
        """
        found: list[Recommendation] = []
        replies: list[Reply] = []
        seen = [] if again else profile.seen
        tried = n
        while True:
            known = [int(post.post_id) for post in found]
            broken = len(self._broken)
            for post in find([*self._broken, *seen, *known], tried):
                if len(found) == n:
                    break
                try:
                    replies.append(self._card(post, profile, like))
                    found.append(post)
                except (MissingArtifact, BadArtifact):
                    raise  # of the whole index, which only the operator can mend
                except Exception:
                    log.exception("post %s cannot be shown", post.post_id)
                    self._broken.append(int(post.post_id))
            if len(found) == n or len(self._broken) == broken or tried > MOST_POSTS_TRIED:
                return found, replies
            tried *= 2  # many in a row must not take a search each

    def _card(self, found: Recommendation, profile: Profile, like: str) -> Reply:
        why = why_of(found, profile, like)
        variants = [f"/variants {found.post_id}"] if found.variants else []
        return self._card_of(found.post_id, found.because, why, variants)

    def _card_of(
        self,
        post_id: int,
        because: Sequence[str | int],
        why: str,
        choices: Sequence[str] = (),
    ) -> Reply:
        post = self._user.board.describe(post_id)
        number = post.post_id
        undo = ["/undo"] if self.touring and self._user.judgments else []
        return Reply(
            messages.card(post, because, why),
            post,
            why,
            cached_preview(self._user.previews, post.md5),
            [
                f"/like {number}",
                f"/dislike {number}",
                "/skip",
                "/stop",
                *undo,
                f"/why {number}",
                f"/more {number}",
                *choices,
            ],
        )

    # -- judging
    def why(self, words: Sequence[str]) -> list[Reply]:
        post_id = post_meant(self._user.graph(), words, "why", self._last)
        if post_id is None:
            return [Reply(NOTHING_SHOWN)]
        if post_id not in self._stories:
            said = f"I do not remember how #{post_id} was found"
            return [Reply(f"{said}: it was not shown in this talk.")]
        why, searched = self._stories[post_id]
        return [Reply(f"#{post_id}: {why}.{searched}")]

    def judge(self, verb: str, words: Sequence[str]) -> list[Reply]:
        """Keep that they "like" or "dislike" posts; on a tour, go on to the next."""
        user, graph = self._user, self._user.graph()
        named, unknown = posts_meant(graph, words, verb, self._last)
        if not (named or unknown):
            return [Reply(f"Nothing was shown yet: /{verb} ID, or /walk first.")]
        if not named:
            if len(unknown) == 1 and isinstance(unknown[0], int):
                graph.describe(unknown[0])  # raises UnknownPost, as for any post
            raise not_here(unknown)
        posts = [graph.describe(post_id) for post_id in named]
        judgment = self._judging(f"{verb}d", named)
        keep = user.profiles.like if verb == "like" else user.profiles.dislike
        keep(user.key, *named)
        said = f"You {verb} #{named[0]}: {title(posts[0])}."
        if len(named) > 1:
            said = f"You {verb} {count(named, 'post')}: {listed(named)}."
        if unknown:
            said += f" Not on this board, or not shown here: {listed(unknown)}."
        if not self.touring or self._last not in named:
            return [Reply(said, choices=["/walk"])]
        self._liked += verb == "like"
        return [Reply(said), *self._next(judgment)]

    def undo(self) -> list[Reply]:
        """Take back what was said last, and show its posts again."""
        user = self._user
        if not user.judgments:
            return [Reply(NOTHING_SAID, choices=["/taste"])]
        last = user.judgments.pop()
        user.profiles.put_back(user.key, last.before, last.shown)
        said = Reply(f"Taken back: {last.said}.", choices=[] if last.posts else ["/walk"])
        last.restore()
        posts = user.visible(last.posts, user.graph())[:POSTS_AT_ONCE]
        if posts:
            self._last, self._last_was_alone = posts[-1], len(posts) == 1
        whys = [self._stories.get(post_id, ("", ""))[0] for post_id in posts]
        cards = zip(posts, whys, strict=True)
        return [said, *(self._card_of(one, [], why or "taken back") for one, why in cards)]

    def _judging(self, verb: str, post_ids: Sequence[int]) -> Judgment:
        """Remember what is kept of posts, and where the tour is, before a judgment."""
        state = {name: getattr(self, name) for name in TAKEN_BACK}
        latest = [*self._latest]

        def restore() -> None:
            vars(self).update(state)
            self._latest.clear()
            self._latest.extend(latest)

        said = f"{verb} {listed(post_ids)}"
        return self._user.judging(said, post_ids, restore=restore)


def names_of(post: PostInfo) -> set[str]:
    """Return the names of a post's tags."""
    return {name for names in post.tags.values() for name in names}


def _marks(post: PostInfo) -> set[tuple[str, str]]:
    """Return the artists, characters and pools of a post."""
    marks = {("pool", name) for name in post.pools}
    for kind in KIND_COSTS:
        marks |= {(kind, name) for name in post.tags.get(kind, [])}
    return marks
