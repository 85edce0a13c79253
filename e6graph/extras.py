"""Packages that only some commands need: imported when used, and named when they are not there."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import E6GraphError

REQUIREMENTS = "requirements-extra.txt"


def load(module: str, package: str = "") -> ModuleType:
    """A module of an extra package (`package`, where the two names differ).

    Raises
    ------
    E6GraphError : it cannot be imported; the message says what to install.

    >>> load("json").dumps([1])
    '[1]'
    """
    package = package or module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        said = str(error).partition("\n")[0]
        raise E6GraphError(
            f"{package} cannot be imported ({said}): pip install {package} ({REQUIREMENTS} lists "
            "all extras)"
        ) from None
