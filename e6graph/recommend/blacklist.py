"""A blacklist: filters in the site's language (see `filters`) → the posts that they hide.

Lists may be long: the site allows 150,000 characters, which are about 12,000 lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadInput
from ..tags.typed import folded
from .filters import Remark, read_line
from .matching import NO_TAG, LineSearch

if TYPE_CHECKING:
    from .posts import Posts

# The site gives this list to a visitor who has not logged in.
DEFAULT = "gore\nscat\nwatersports\nyoung -rating:s\nloli\nshota\n"

MATCHES_KEPT = 16  # lines, a byte a post each
REMARKS_SHOWN = 8  # of one list; the rest is counted
WORDS_CORRECTED = 3  # of a line
LONGEST_CORRECTED = 300  # characters
FILE_LIMIT = 4 << 20  # bytes of a file; the site's largest lists have 600 kB


@dataclass(frozen=True)
class Blacklist:
    """Filters ready to be applied.

    Attributes
    ----------
    lines : as they were typed, those without filters among them.
    """

    lines: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Blacklist:
        """Split a text into lines as the site's page does.

        Nothing in it is an error; `review` names what cannot be read.

        Examples
        --------
        >>> Blacklist.parse("gore  # not at breakfast\\r\\n\\nyoung -rating:s").lines
        ('gore  # not at breakfast', '', 'young -rating:s')
        """
        return cls(tuple(split_lines(text)))

    @classmethod
    def read(cls, given: str | Path | None) -> Blacklist:
        """Read the filters that `PostGraph.open` is given; the type tells what they are.

        Parameters
        ----------
        given : filters as a `str`, the `Path` of a text file, "default" for what the
            site hides from visitors, or None for no filters.

        Raises
        ------
        BadInput : the file cannot be read, or a `str` ends as the name of a file does.
        """
        if given is None:
            return cls(())
        if isinstance(given, Path):
            return cls.parse(_read_file(given))
        if given == "default":
            return cls.parse(DEFAULT)
        if re.fullmatch(r"[^\r\n]*\.txt\s*", given):
            raise BadInput(
                f"blacklist {given!r} is a str, which holds filters and not the name of a "
                f"file: give Path({given!r}) for a file"
            )
        return cls.parse(given)

    def mask(self, posts: Posts) -> np.ndarray:
        """Return which posts are hidden: bool (n,), by row."""
        lines = dict.fromkeys(self.lines)
        read = [tuple(read_line(line, posts.aliases)[0]) for line in lines]
        return LineSearch(posts, read).hidden()

    def matches(self, posts: Posts, rows: Sequence[np.ndarray]) -> list[list[int]]:
        """Count for some lists of rows, each ascending, how many each line matches."""
        read = [read_line(line, posts.aliases)[0] for line in self.lines]
        search = LineSearch(posts, read)
        return [
            [int(np.count_nonzero(search.matched(tokens, some))) for tokens in read]
            for some in rows
        ]

    def review(self, posts: Posts) -> tuple[list[Remark], list[int]]:
        """Find the words and the lines that do nothing among some posts.

        Returns
        -------
        remarks : on each word that cannot be read or matches no post, by line. A tag
            that no post here has is among them; on the site it may have some.
        idle : numbers of the lines that hold filters and can match none of the posts.
        """
        read = [
            read_line(line, posts.aliases, number) for number, line in enumerate(self.lines, 1)
        ]
        search = LineSearch(posts, [tokens for tokens, _ in read])
        remarks: list[Remark] = []
        idle: list[int] = []
        for number, (tokens, unread) in enumerate(read, 1):
            missing = [(token.text, search.missing(token)) for token in tokens]
            remarks += unread
            remarks += [Remark(number, word, said) for word, said in missing if said]
            if (tokens or unread) and not search.conjunctions(tokens):
                idle.append(number)
        return remarks, idle


def matcher(posts: Posts) -> Callable[[str], np.ndarray]:
    """Make a function that tells which posts a line matches: read-only bool (n,), by row.

    What it returned for the latest lines is kept. Calls may come from several threads.
    """

    @lru_cache(MATCHES_KEPT)
    def matching(line: str) -> np.ndarray:
        mask = Blacklist((line,)).mask(posts)
        mask.setflags(write=False)
        return mask

    return matching


def split_lines(text: str) -> list[str]:
    r"""Split a text at LF, CR LF and CR, and nowhere else.

    >>> split_lines("fox\r\nowl\u2028x\n")
    ['fox', 'owl\u2028x', '']
    """
    return re.split(r"\r\n|\r|\n", text)


def describe(
    remarks: Sequence[Remark],
    near: Callable[[str], Sequence[str]],
    most: int = REMARKS_SHOWN,
) -> list[str]:
    """Return a line of text for each of the first remarks, and one for the others.

    Parameters
    ----------
    near : gives known names that are spelled like one; it is asked for unknown tags
        alone.
    """
    said = []
    for remark in remarks[:most]:
        names = near(_bare(remark.word)) if remark.said.startswith(NO_TAG) else ()
        hint = f": did you mean {' or '.join(names)}?" if names else ""
        said.append(f"line {remark.line}: {remark.said}{hint}")
    if len(remarks) > most:
        said.append(f"and {len(remarks) - most:,} more")
    return said


def corrected(
    line: str, remarks: Sequence[Remark], near: Callable[[str], Sequence[str]]
) -> list[str]:
    """Return a line once for each known name that is spelled like an unknown word of it.

    The first `WORDS_CORRECTED` unknown words are tried, of a line of up to
    `LONGEST_CORRECTED` characters: nobody reads a longer one.
    """
    if len(line) > LONGEST_CORRECTED:
        return []
    unknown = dict.fromkeys(one.word for one in remarks if one.said.startswith(NO_TAG))
    made = []
    for word in [*unknown][:WORDS_CORRECTED]:
        bare = _bare(word)
        for name in near(bare):
            better = word.removesuffix(bare) + name
            words = [better if folded(one) == word else one for one in line.split()]
            made.append(" ".join(words))
    return made


def _bare(word: str) -> str:
    return word.lstrip("-~").rpartition(":")[2]


def _read_file(path: Path) -> str:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read(FILE_LIMIT + 1)
        if len(text) <= FILE_LIMIT:
            return text
        wrong = f"has more than {FILE_LIMIT >> 20} MB"
    except IsADirectoryError:
        wrong = "is a directory"
    except FileNotFoundError:
        wrong = "does not exist"
    except UnicodeDecodeError:
        wrong = "is not a text in UTF-8"
    except OSError as error:
        wrong = f"cannot be read ({error.strerror})"
    except ValueError as error:  # a path that holds a NUL
        wrong = f"cannot be read ({error})"
    raise BadInput(
        f"blacklist {path} {wrong}: expected a text file with a filter on each line; "
        "give the path of one"
    )
