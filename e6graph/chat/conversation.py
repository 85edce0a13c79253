"""One user's talk with the recommender: a message goes in, replies come out, no I/O.

Everything that may count later is kept in the profile at once; this object only remembers what was
shown last, the picture being followed and whether a question is open.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput, E6GraphError, UnknownTag
from ..previews import preview_path
from ..profiles import Profile, Profiles
from . import messages
from .messages import COMMANDS, MORE, Picture, Reply, count, did_you_mean, names_in, title

if TYPE_CHECKING:
    from ..recommend import PostGraph, Recommendation

MESSAGE_LIMIT = 2000  # characters
PICTURE_LIMIT = 20 * 1024**2  # bytes
LIKES_USED, DISLIKES_USED, TAGS_USED = 50, 20, 50  # the latest of each count for a walk
LIKE_PICTURE = 3  # posts at once
LISTED = 20  # the latest of each that /taste lists


class Conversation:
    """A talk of one user.

    Parameters
    ----------
    graph : what recommends; its settings decide what may be seen.
    profiles : where the user's taste is kept.
    user : the user's key there, unique over all front ends.
    previews : root of the previews, for `Reply.picture`.

    Attributes
    ----------
    ended : whether the user has said goodbye.
    """

    def __init__(
        self, graph: PostGraph, profiles: Profiles, user: str, previews: str | Path | None = None
    ) -> None:
        self._graph, self._profiles, self._user = graph, profiles, user
        self._previews = previews
        self.ended = False
        self._reset()

    def _reset(self) -> None:
        self._last: int | None = None  # post id
        self._story = ""  # how it was found
        self._picture: bytes | None = None  # what /more and /skip go on from, if not the taste
        self._asked_to_forget = False

    def reply(self, message: str | Picture) -> list[Reply]:
        """Answer one message; an error that the user can mend is an answer too."""
        replies = []
        asked, self._asked_to_forget = self._asked_to_forget, False
        command = isinstance(message, Picture) or message.lstrip().startswith("/")
        try:
            if asked:
                if not command and message.strip().lower() == "yes":
                    return [self._forget_now()]
                replies.append(Reply("Nothing was deleted."))
            if command or not asked:
                replies += self._answer(message)
        except E6GraphError as error:
            replies.append(Reply(" ".join(str(error).split())))
        return replies

    def _answer(self, message: str | Picture) -> list[Reply]:
        if isinstance(message, Picture):
            return self._follow(message)
        if len(message) > MESSAGE_LIMIT:
            raise BadInput(f"{len(message):,} characters are too many: {MESSAGE_LIMIT:,} at most")
        words = messages.clean(message).split()
        if not words:
            return []
        if not words[0].startswith("/"):
            return [self._plain(words)]
        name, rest = words[0][1:].lower(), words[1:]
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, 2) or ["help"]
            choices = [f"/{found}" for found in near]
            line = f"No command {words[0]!r}. Did you mean {' or '.join(choices)}?"
            return [Reply(line, choices=choices)]
        if rest and not COMMANDS[name][0]:
            return [Reply(f"/{name} takes nothing after it; got {' '.join(rest)!r}.")]
        do = getattr(self, f"_do_{name}")
        return do(rest) if COMMANDS[name][0] else do()

    def _do_help(self) -> list[Reply]:
        return [Reply(messages.help_text())]

    def _do_quit(self) -> list[Reply]:
        self.ended = True
        return [Reply("Goodbye.")]

    # -- tags ------------------------------------------------------------------------------------
    def _plain(self, words: Sequence[str]) -> Reply:
        """Words without a command: tags if all of them are, otherwise a hint."""
        names = names_in(words)
        known, unknown = self._resolve(names)
        if names and not unknown:
            return self._feel(names, "enjoy")
        post_id = messages.post_id_in(words[0])
        if len(words) == 1 and post_id is not None:
            hint = f"/like {post_id}"
            return Reply(f"To say that you like that post: {hint}", choices=[hint])
        lines = [
            "I understand tags and commands; /help lists them.",
            *did_you_mean(unknown, self._near),
        ]
        choices = [f"/enjoy {' '.join(known)}"] if known else ["/walk", "/help"]
        if known:
            lines.append(f"The others I know: {choices[0]}")
        return Reply("\n".join(lines), choices=choices)

    def _do_enjoy(self, words: Sequence[str]) -> list[Reply]:
        return [self._feel(words, "enjoy")]

    def _do_avoid(self, words: Sequence[str]) -> list[Reply]:
        return [self._feel(words, "avoid")]

    def _feel(self, words: Sequence[str], verb: str) -> Reply:
        names = names_in(words)
        if not names:
            return Reply(f"Expected tags: /{verb} TAGS, such as /{verb} fox night")
        known, unknown = self._resolve(names)
        lines, choices = did_you_mean(unknown, self._near), []
        if known:
            keep = self._profiles.enjoy if verb == "enjoy" else self._profiles.avoid
            keep(self._user, known)
            self._picture = None  # the next posts follow the taste
            lines.insert(0, f"You {verb} {', '.join(known)}.")
            choices.append("/walk")
            if verb == "enjoy" and (related := self._related(known)):
                lines.append(f"Often with {'it' if len(known) == 1 else 'them'}: {related}")
        choices += [f"/{verb} {near}" for name in unknown[:1] for near in self._near(name)]
        return Reply("\n".join(lines), choices=choices)

    def _resolve(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        try:
            known, unknown = self._graph.resolve_tags(names) if names else ([], [])
        except UnknownTag:
            return [], list(names)
        return list(dict.fromkeys(known)), list(unknown)

    def _near(self, name: str) -> list[str]:
        return list(self._graph.nearest_names(name, n=3))

    def _related(self, tags: Sequence[str]) -> str:
        try:
            return ", ".join(tag for tag, _ in self._graph.suggest_tags(tags, n=6))
        except UnknownTag:  # tags too rare to have a vector
            return ""

    # -- posts -----------------------------------------------------------------------------------
    def _do_walk(self) -> list[Reply]:
        profile = self._profiles.load(self._user)
        if profile.enjoys or profile.liked:
            self._picture = None
        return self._show(1)

    def _do_skip(self) -> list[Reply]:
        if self._last is None:
            return [Reply("Nothing was shown yet: /walk shows a post.")]
        return [Reply(f"Skipped #{self._last}."), *self._show(1)]

    def _do_more(self) -> list[Reply]:
        return self._show(MORE)

    def _do_why(self) -> list[Reply]:
        return [Reply(self._story or "Nothing was shown yet: /walk shows a post.")]

    def _do_picture(self, words: Sequence[str]) -> list[Reply]:
        return [Reply("Expected a picture, which is read where you are: /picture PATH")]

    def _follow(self, picture: Picture) -> list[Reply]:
        """/picture: what it shows and posts like it. The picture is not kept in the profile."""
        if picture.problem or not picture.data:
            raise BadInput(picture.problem or "the picture is empty")
        if len(picture.data) > PICTURE_LIMIT:
            raise BadInput(f"the picture has more than {PICTURE_LIMIT // 1024**2} MB")
        seen = self._graph.recognize(picture.data, n=8)
        self._picture = picture.data
        tags = ", ".join(f"{tag} {confidence:.0%}" for tag, confidence in seen)
        choices = [f"/enjoy {tag}" for tag, _ in seen[:3]]
        line = f"I think I see: {tags}" if seen else "I see nothing that I have a tag for."
        return [Reply(line, choices=choices), *self._show(LIKE_PICTURE)]

    def _show(self, n: int) -> list[Reply]:
        """The next n posts for the taste, or like the picture being followed."""
        profile = self._profiles.load(self._user)
        enjoys, _ = self._resolve(profile.enjoys[-TAGS_USED:])
        avoids, _ = self._resolve(profile.avoids[-TAGS_USED:])
        liked = self._visible(profile.liked)[-LIKES_USED:]
        disliked = self._visible(profile.disliked)[-DISLIKES_USED:]
        if self._picture is not None:
            query, source = {"images": [self._picture]}, "your picture"
        elif enjoys or liked:
            query = {"posts": liked, "tags": enjoys}
            source = f"{count(enjoys, 'tag')} you enjoy and {count(liked, 'post')} you liked"
        else:
            line = "I do not know your taste yet: /enjoy TAGS, /like ID or /picture PATH."
            return [Reply(line, choices=["/help"])]
        found = self._graph.recommend(
            **query, avoid=[*avoids, *disliked], n=n, seed=len(profile.seen), exclude=profile.seen
        )
        if not found:
            return [Reply("Nothing new is left for that: /enjoy or /like something else.")]
        replies = [self._card(post, profile.enjoys) for post in found]
        self._profiles.saw(self._user, [int(post.post_id) for post in found])
        self._last = int(found[-1].post_id)
        self._story = (
            f"#{self._last}: {replies[-1].why}.\nSought from {source}, away from "
            f"{count(avoids, 'tag')} and {count(disliked, 'post')}; left out "
            f"{count(profile.seen, 'post')} seen before. Score {found[-1].score:.3g}."
        )
        return replies

    def _visible(self, post_ids: Iterable[int]) -> list[int]:
        """Without those that went since, or that today's settings hide."""
        return [post_id for post_id in post_ids if self._graph.visible(post_id)]

    def _card(self, found: Recommendation, enjoys: Sequence[str]) -> Reply:
        post = self._graph.describe(found.post_id)
        if self._picture is None:
            why = messages.reasons(found.because, enjoys) or "it is near your taste"
        else:
            why = "; ".join(filter(None, ["like your picture", messages.reasons(found.because)]))
        return Reply(
            messages.card(post, found.because, why),
            post,
            why,
            preview_path(self._previews, post.md5) if self._previews else None,
            ["/like", "/dislike", "/skip", "/why"],
        )

    def _do_like(self, words: Sequence[str]) -> list[Reply]:
        return [self._judge(words, "like")]

    def _do_dislike(self, words: Sequence[str]) -> list[Reply]:
        return [self._judge(words, "dislike")]

    def _judge(self, words: Sequence[str], verb: str) -> Reply:
        if not words and self._last is None:
            return Reply(f"Nothing was shown yet: /{verb} ID, or /walk first.")
        post_id = messages.post_id_in(words[0]) if words else self._last
        if post_id is None or len(words) > 1:
            raise BadInput(f"{' '.join(words)!r} is not a post: /{verb} takes a number or URL")
        post = self._graph.describe(post_id)  # refuses what may not be shown
        keep = self._profiles.like if verb == "like" else self._profiles.dislike
        keep(self._user, int(post.post_id))
        return Reply(f"You {verb} #{post.post_id}: {title(post)}.", choices=["/walk"])

    # -- what is kept ----------------------------------------------------------------------------
    def _do_taste(self) -> list[Reply]:
        profile = self._profiles.load(self._user)
        if profile == Profile():
            return [Reply("Nothing is kept of you.")]
        gone = len(self._resolve([*profile.enjoys, *profile.avoids])[1])
        judged = [*profile.liked, *profile.disliked]
        gone += len(judged) - len(self._visible(judged))
        rows = {
            "enjoys": profile.enjoys,
            "avoids": profile.avoids,
            "liked": [f"#{post_id}" for post_id in profile.liked],
            "disliked": [f"#{post_id}" for post_id in profile.disliked],
            "seen": [count(profile.seen, "post")],
        }
        for values in rows.values():
            if len(values) > LISTED:
                values[:-LISTED] = [f"({len(values) - LISTED} earlier)"]
        lines = [f"Kept of {self._user!r}, the latest last:"]
        lines += messages.labelled((label, values or ["-"]) for label, values in rows.items())
        if gone:
            lines.append(f"{gone} of these are not on this board, or hidden by its settings.")
        return [Reply("\n".join(lines), choices=["/walk", "/forget"])]

    def _do_forget(self) -> list[Reply]:
        profile = self._profiles.load(self._user)
        if profile == Profile():
            return [Reply("Nothing is kept of you.")]
        self._asked_to_forget = True
        tags = count([*profile.enjoys, *profile.avoids], "tag")
        line = (
            f"Delete {tags} and {count(profile.seen, 'post')}, all that is kept of you? Type yes;"
        )
        return [Reply(f"{line} anything else keeps it.", choices=["yes", "no"])]

    def _forget_now(self) -> Reply:
        gone = self._profiles.forget(self._user)
        self._reset()
        busy = " Another program has the file open: traces go when it ends and you /forget again."
        return Reply("Everything kept of you was deleted." + ("" if gone else busy))
