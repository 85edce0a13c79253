"""Which posts the words after a command mean, and how an answer lists posts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import BadInput, UnknownPost
from ..recommend.references import Reference, reference_in
from .messages import quoted

if TYPE_CHECKING:
    from ..recommend import PostGraph

LISTED_POSTS = 20  # named in an answer


def posts_meant(
    graph: PostGraph, words: Sequence[str], verb: str, last: int | None
) -> tuple[list[int], list[Reference]]:
    """Return the posts that are named, and what is not here.

    Parameters
    ----------
    graph : the board as the user sees it.
    verb : the command, for errors.
    last : the post that is meant if none is named.

    Raises
    ------
    BadInput : a word names no post.
    """
    names = [name for word in words for name in word.split(",") if name]
    references: list[Reference] = []
    if not names and last is not None:
        references.append(last)
    for name in names:
        reference = reference_in(name)
        if reference is None:
            raise BadInput(f"{quoted(name)} is not a post: /{verb} takes numbers and URLs")
        references.append(reference)
    references = [*dict.fromkeys(references)]
    found = graph.find_posts(references)
    here = zip(references, found, strict=True)
    unknown = [reference for reference, post_id in here if post_id is None]
    return [*dict.fromkeys(post_id for post_id in found if post_id is not None)], unknown


def post_meant(
    graph: PostGraph, words: Sequence[str], verb: str, last: int | None
) -> int | None:
    """Return the post that is named, or else `last`. A number may be of no post.

    Parameters
    ----------
    graph, verb, last : as in `posts_meant`.

    Raises
    ------
    BadInput : the words name no post, or several.
    UnknownPost : an MD5 is of no post that may be shown.
    """
    if not words:
        return last
    reference = reference_in(words[0])
    if reference is None or len(words) > 1:
        typed = quoted(" ".join(words))
        raise BadInput(f"{typed} is not a post: /{verb} takes a number or URL")
    if isinstance(reference, int):
        return reference
    (post_id,) = graph.find_posts([reference])
    if post_id is None:
        raise not_here([reference])
    return post_id


def listed(references: Sequence[Reference]) -> str:
    """List some posts, the first of many."""
    names = [f"#{one}" if isinstance(one, int) else f"md5:{one}" for one in references]
    more = len(names) - LISTED_POSTS
    shown = ", ".join(names[:LISTED_POSTS])
    return f"{shown} and {more:,} more" if more > 0 else shown


def not_here(references: Sequence[Reference]) -> UnknownPost:
    """Return the error that says that posts may not be shown, or are not there."""
    are = "is" if len(references) == 1 else "are"
    return UnknownPost(
        f"{listed(references)} {are} not on this board, or may not be shown here"
    )
