"""A board of twelve posts behind the interface of `PostGraph`, for tests of what talks to it."""

from __future__ import annotations

import base64
import difflib
import fnmatch
from collections import Counter
from types import SimpleNamespace

import numpy as np

from e6graph.errors import UnknownPost, UnknownTag
from e6graph.pictures import features_of
from e6graph.recommend.board import PostInfo
from e6graph.recommend.favorites import Favorites
from e6graph.recommend.moods import of_mood
from e6graph.recommend.postgraph import Recommendation

# post id -> rating, tags by category (as `describe` gives them: the most used first)
BOARD = {
    10: ("s", {"species": ["fox"], "artist": ["inkwash"], "general": ["night", "lantern"]}),
    11: ("s", {"species": ["fox"], "artist": ["inkwash"], "general": ["night", "snow"]}),
    12: ("s", {"species": ["fox"], "artist": ["papercut"], "general": ["day", "meadow"]}),
    13: ("s", {"species": ["owl"], "artist": ["papercut"], "general": ["night", "forest"]}),
    14: ("s", {"species": ["owl"], "artist": ["inkwash"], "general": ["night", "snow"]}),
    15: ("s", {"species": ["otter"], "artist": ["papercut"], "general": ["day", "river"]}),
    16: ("s", {"character": ["ember"], "species": ["fox"], "general": ["night", "forest"]}),
    17: ("s", {"species": ["spider"], "artist": ["inkwash"], "general": ["night", "web"]}),
    18: ("s", {"species": ["fox", "spider"], "general": ["night", "web"]}),
    19: ("s", {"species": ["owl"], "general": ["day", "meadow"]}),
    20: ("s", {"species": ["otter"], "general": ["night", "river", "snow"]}),
    21: ("q", {"species": ["fox"], "artist": ["inkwash"], "general": ["night"]}),
}
ALIASES = {"vixen": "fox"}
PICTURE = base64.b64decode("R0lGODdhAQABAIEAAP+lAAAAAAAAAAAAACwAAAAAAQABAAAIBAABBAQAOw==")


class FakeGraph:
    """Scores by counting shared tags; remembers how `recommend` was last called."""

    encoder = None

    def __init__(self, ratings: str = "s", hidden: tuple[str, ...] = ()) -> None:
        self.ratings, self.hidden = ratings, hidden
        self.called: dict = {}
        self.posts = SimpleNamespace(site="https://e621.net")
        self.vocabulary = sorted({tag for post_id in BOARD for tag in self._tags(post_id)})

    def _tags(self, post_id: int) -> list[str]:
        return [tag for names in BOARD[post_id][1].values() for tag in names]

    def category(self, name: str) -> str:
        return next(
            c for _, tags in BOARD.values() for c, names in tags.items() if name in names
        )

    def visible(self, post_id: int) -> bool:
        shown = post_id in BOARD and BOARD[post_id][0] in self.ratings
        return shown and not any(line in self._tags(post_id) for line in self.hidden)

    @property
    def allowed(self) -> np.ndarray:
        return np.array([self.visible(post_id) for post_id in BOARD])

    def narrowed(self, ratings: str, blacklist: str = "") -> FakeGraph:
        """Of the site's language it knows lines of one tag."""
        if (ratings, blacklist) == (self.ratings, "\n".join(self.hidden)):
            return self
        made = FakeGraph(ratings, tuple(blacklist.split("\n")) if blacklist else ())
        made.called = self.called
        return made

    def try_blacklist(self, blacklist: str) -> tuple[list[str], list[int]]:
        """Of the site's language it knows lines of one tag."""
        lines = blacklist.split("\n")
        idle = [n for n, line in enumerate(lines, 1) if line not in self.vocabulary]
        return [f"line {n}: no post here has the tag {lines[n - 1]!r}" for n in idle], idle

    def corrected(self, line: str) -> list[str]:
        return [] if line in self.vocabulary else self.nearest_names(line)

    def count_posts(self, tags, without=()) -> list[int]:
        shown = [self._tags(p) for p in BOARD if self.visible(p)]
        shown = [held for held in shown if not set(held) & set(without)]
        return [sum(tag in held for held in shown) for tag in tags]

    def count_matching(self, search, without=()) -> int:
        """Of the site's search it knows a tag."""
        return sum(
            self._matches(p, search) and not {*without} & {*self._tags(p)} for p in BOARD
        )

    def _matches(self, post_id: int, search: str) -> bool:
        return self.visible(post_id) and (not search or search in self._tags(post_id))

    def count_both(self, tag, others) -> list[int]:
        held = [self._tags(p) for p in BOARD if self.visible(p) and tag in self._tags(p)]
        return [sum(other in tags for tags in held) for other in others]

    def count_matched(self, tags, lines) -> list[list[int]]:
        """Of the site's language it knows lines of one tag."""
        return [self.count_both(tag, lines) for tag in tags]

    def warm(self) -> None:
        """Everything is loaded."""

    def complete(self, prefix: str, n: int = 8):
        counts = Counter(
            tag for post_id in BOARD if self.visible(post_id) for tag in self._tags(post_id)
        )
        found = [
            tag
            for tag in counts
            if fnmatch.fnmatch(tag, prefix if "*" in prefix else f"{prefix}*")
        ]
        return [
            (tag, "general", counts[tag]) for tag in sorted(found, key=lambda t: -counts[t])
        ][:n]

    def tags_like(self, pattern: str, n: int) -> tuple[list[str], int]:
        found = [name for name, *_ in self.complete(pattern, len(self.vocabulary))]
        return found[:n], len(found)

    def describe(self, post_id: int) -> PostInfo:
        if not self.visible(post_id):
            raise UnknownPost(f"post {post_id} is not on this board, or is hidden")
        url = f"https://e621.net/posts/{post_id}"
        rating, tags = BOARD[post_id]
        return PostInfo(post_id, url, rating, 5, 3, f"{post_id:032x}", "png", tags)

    def visible_among(self, post_ids) -> list[int]:
        return [post_id for post_id in post_ids if self.visible(post_id)]

    def find_posts(self, references) -> list[int | None]:
        """The MD5 of a post's file is its number, as in `describe`."""
        named = [int(one, 16) if isinstance(one, str) else one for one in references]
        return [post_id if self.visible(post_id) else None for post_id in named]

    def sort_out(self, references) -> Favorites:
        named = [int(one, 16) if isinstance(one, str) else one for one in references][::-1]
        shown = self.visible_among(named)
        here = [post_id for post_id in named if post_id in BOARD]
        return Favorites(shown, len(named) - len(here), len(here) - len(shown), 0, named)

    def variants(self, post_id: int) -> list[int]:
        """Say that two families are variants: foxes at night, and owls."""
        self.describe(post_id)
        families = ({10, 11}, {13, 14, 19})
        family = next((one for one in families if post_id in one), {post_id})
        return sorted(one for one in family - {post_id} if self.visible(one))

    def nearest_names(self, name: str, n: int = 3) -> list[str]:
        return difflib.get_close_matches(name, self.vocabulary, n)

    def resolve_tags(self, names):
        names = [ALIASES.get(name, name) for name in names]
        known = [name for name in names if name in self.vocabulary]
        return known, [name for name in names if name not in self.vocabulary]

    def suggest_tags(self, tags, n: int = 8):
        together = Counter(
            tag for p in BOARD if set(tags) & set(self._tags(p)) for tag in self._tags(p)
        )
        return [(tag, c) for tag, c in together.most_common() if tag not in tags][:n]

    def recognize(self, image, n: int = 8):
        features_of(image)  # raises BadInput where it is no picture
        return [("fox", 0.9), ("snow", 0.42)][:n]

    def same_picture(self, image):
        return None

    def recommend(
        self,
        posts=(),
        tags=(),
        images=(),
        avoid=(),
        n=20,
        seed=0,
        exclude=(),
        only="",
        **options,
    ) -> list[Recommendation]:
        self.called.clear()
        self.called |= dict(
            posts=posts, tags=tags, avoid=avoid, n=n, seed=seed, exclude=exclude, **options
        )
        if unknown := self.resolve_tags([*tags, *(a for a in avoid if isinstance(a, str))])[1]:
            raise UnknownTag(f"no tag {unknown}")
        for post_id in [*posts, *(a for a in avoid if not isinstance(a, str))]:
            self.describe(post_id)
        wanted = {*tags, *(["fox", "snow"] if images else [])}
        found = []
        for post_id in sorted(set(BOARD) - set(posts) - set(exclude)):
            has = set(self._tags(post_id))
            because = [tag for tag in self._tags(post_id) if tag in wanted]
            because += [post for post in posts if has & set(self._tags(post))]
            away = [a for a in avoid if a in has or (a in BOARD and has & set(self._tags(a)))]
            if self._matches(post_id, only) and because and not (has & set(map(str, avoid))):
                found.append(Recommendation(post_id, len(because) - len(away) / 2, because))
        return sorted(found, key=lambda one: (-one.score, one.post_id))[:n]

    def personal(self, profile, n: int = 1, seed: int = 0, explore: bool = False):
        if explore:
            unseen = (p for p in BOARD if self.visible(p) and p not in profile.seen)
            return [Recommendation(p, 0.0, []) for p in unseen][:n]
        seen, own = [*profile.seen, *profile.favorites], profile.variety
        profile = of_mood(profile)
        disliked = [p for p in profile.disliked if self.visible(p)]
        avoids = self.resolve_tags(profile.avoids)[0]
        return self.recommend(
            self.visible_among(dict.fromkeys([*profile.liked, *profile.favorites])),
            self.resolve_tags(profile.enjoys)[0],
            avoid=[*avoids, *disliked],
            n=n,
            seed=seed,
            exclude=seen,
            only=profile.only,
            **({} if own is None else {"variety": own}),
        )

    def learned_tags(self, profile, n: int = 8):
        profile = of_mood(profile)

        def tags(post_ids):
            return [(t, 1.0) for p in post_ids if self.visible(p) for t in self._tags(p)][:n]

        return tags(profile.liked), [(tag, -weight) for tag, weight in tags(profile.disliked)]

    def telling_tags(self, tags, n: int = 6):
        return [tag for tag, _ in self.suggest_tags(tags, n)]


def say(bot, *messages):
    """Say something to a conversation; return the text of its last answer."""
    for message in messages:
        replies = bot.reply(message)
    return "\n".join(reply.text for reply in replies)
