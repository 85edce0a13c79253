"""Errors whose message is the whole story: what was got, what was expected, what to do."""


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
