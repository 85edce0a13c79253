"""Errors whose message is the whole story: what was found, what was expected, what to do."""

from __future__ import annotations

import contextlib
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

EXTRAS = "requirements-extra.txt"
DAMAGE: tuple[type[Exception], ...] = (
    ValueError,
    LookupError,
    TypeError,
    NotImplementedError,
    RecursionError,
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
)
"""Errors that Python, NumPy and Arrow raise for a file that does not hold what it should."""


class E6GraphError(Exception):
    """A problem that a person can solve; scripts print its line and exit with status 1."""


class MissingArtifact(E6GraphError):
    """A file of the index that is not there; the message names its script."""


class BadArtifact(E6GraphError):
    """A file of the index that is damaged or does not belong to its neighbors."""


class BadInput(E6GraphError):
    """An export, a picture, a filter or an option that cannot be used as it is."""


class BadTable(BadInput):
    """A file of an export that cannot be used; `path` is the file."""

    def __init__(self, path: str | Path, wrong: str) -> None:
        super().__init__(f"{path}: {wrong}")
        self.path = Path(path)


class UnknownTag(E6GraphError):
    """A tag that is not in the vocabulary; the message lists the nearest known names."""


class UnknownPost(E6GraphError):
    """A post id that is not on the board, or that these settings do not show."""


class DownloadError(E6GraphError):
    """A site that could not be reached, or that sent something other than it promised."""


def warn(text: str) -> None:
    """Warn at the line outside this package that led here: whoever wrote it can mend it."""
    level, frame = 1, sys._getframe(0).f_back
    while frame and f"{frame.f_globals.get('__name__')}.".startswith("e6graph."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level + 1)


def run_again(file: str | Path, wrong: str, script: str = "hydrate_data.py") -> BadArtifact:
    """Make the error for a file that its script has to write again.

    >>> run_again("index/tags.txt.gz", "is empty")
    BadArtifact('index/tags.txt.gz is empty: run hydrate_data.py again')
    """
    return BadArtifact(f"{file} {wrong}: run {script} again")


@contextlib.contextmanager
def reading(
    file: str | Path, script: str = "hydrate_data.py", *also: type[Exception]
) -> Iterator[None]:
    """Turn a failure to read a damaged file into one line that says what to run again.

    Parameters
    ----------
    also : errors that count as damage besides those in `DAMAGE`.

    Raises
    ------
    BadArtifact : the block raised such an error.
    """
    damage = (*DAMAGE, *also)
    try:
        yield
    except damage as error:
        reason = str(error).partition("\n")[0][:200]
        raise run_again(file, f"cannot be read ({reason})", script) from None


@contextlib.contextmanager
def needs(package: str, listed_in: str = EXTRAS) -> Iterator[None]:
    """Turn a failed import of an optional package into one line that says what to install.

    Parameters
    ----------
    listed_in : the requirements file that names the package.

    Raises
    ------
    E6GraphError : an import in the block failed.

    >>> with needs("json"):
    ...     import json
    """
    try:
        yield
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        raise E6GraphError(
            f"{package} cannot be imported ({reason}): pip install {package} "
            f"({listed_in} lists all optional packages)"
        ) from None
