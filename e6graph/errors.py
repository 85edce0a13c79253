"""Errors whose message is the whole story: what was got, what was expected, what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

EXTRAS = "requirements-extra.txt"


class E6GraphError(Exception):
    """Anything a person can mend. Scripts print its one line and exit with status 1."""


class MissingArtifact(E6GraphError):
    """A file of the index is not there; the message names the script that makes it."""


class BadArtifact(E6GraphError):
    """A file of the index is damaged, or was made from another input than its neighbours."""


class BadInput(E6GraphError):
    """An export, a picture, a filter or an option that cannot be used as it is."""


class UnknownTag(E6GraphError):
    """A tag that is not in the vocabulary; the message lists the nearest names that are."""


class UnknownPost(E6GraphError):
    """A post id that is not on the board, or that may not be shown under these settings."""


class DownloadError(E6GraphError):
    """The site could not be reached, or sent something other than what its list promises."""


@contextlib.contextmanager
def needs(package: str) -> Iterator[None]:
    """Turn a failed import of an extra package into one line that says what to install.

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
            f"{package} cannot be imported ({reason}): pip install {package} ({EXTRAS} lists "
            "all extras)"
        ) from None
