"""The files that hold tags, aliases and implications, in E6DB's formats; standard library alone."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import BadArtifact, MissingArtifact

_DAMAGED = (ValueError, OSError, EOFError, zlib.error)


def load_tags(data_dir: str | Path) -> tuple[dict[str, int], list[str], bytes]:
    """Read `tag2idx.json.gz`, `tags.txt.gz` and `tags_categories.bin.gz`, E6DB's or ours.

    Returns
    -------
    tag2idx : tag or alias → id. idx2tag : name by id. tag_categories : category by id, a byte each.

    Raises
    ------
    MissingArtifact, BadArtifact : one is missing or damaged, or they are not of one import.
    """
    data_dir = Path(data_dir)
    names = _read(data_dir / "tags.txt.gz", lambda data: data.decode("utf-8").split("\n"))
    if names[-1] == "":  # the last line may be ended or not
        names.pop()
    categories = _read(data_dir / "tags_categories.bin.gz", bytes)
    tag2idx = _read(data_dir / "tag2idx.json.gz", _ids)
    if not len(names) == len(categories) > max(tag2idx.values(), default=-1) or any(
        tag2idx.get(name, idx) != idx for idx, name in enumerate(names)
    ):
        raise BadArtifact(
            f"{data_dir}: {len(names)} tags, {len(categories)} categories and tag2idx do not "
            "belong together: run hydrate_data.py again"
        )
    return tag2idx, names, categories


def load_implications(
    data_dir: str | Path,
) -> tuple[dict[int, list[int]], dict[str, list[int]]]:
    """Read `implications.json.gz` and `implications_rej.json.gz`.

    Returns
    -------
    implications : id → the ids it implies. implications_rej : a name without an id → the same.

    Raises
    ------
    MissingArtifact, BadArtifact : one is missing or damaged.
    """
    data_dir = Path(data_dir)
    known = _read(data_dir / "implications.json.gz", _id_lists)
    rejected = _read(data_dir / "implications_rej.json.gz", _id_lists)
    try:
        return {int(idx): implied for idx, implied in known.items()}, rejected
    except ValueError as error:
        raise _damaged(data_dir / "implications.json.gz", error) from None


def _read(path: Path, parse: Callable[[bytes], Any]) -> Any:
    try:
        with gzip.open(path, "rb") as file:
            return parse(file.read())
    except FileNotFoundError:
        raise MissingArtifact(f"{path} is missing: run hydrate_data.py first") from None
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> BadArtifact:
    return BadArtifact(f"{path} cannot be read ({str(error)[:200]}): run hydrate_data.py again")


def _ids(data: bytes) -> dict[str, int]:
    return _json(data, lambda idx: isinstance(idx, int) and idx >= 0, "an id")


def _id_lists(data: bytes) -> dict[str, list[int]]:
    return _json(
        data,
        lambda ids: isinstance(ids, list) and all(isinstance(idx, int) for idx in ids),
        "a list of ids",
    )


def _json(data: bytes, fits: Callable[[Any], bool], expected: str) -> dict[str, Any]:
    """A JSON object whose values fit."""
    made = json.loads(data)
    if not isinstance(made, dict):
        raise ValueError(f"{type(made).__name__} {made!r}, expected an object")
    for name, value in made.items():
        if not fits(value):
            raise ValueError(f"{name!r} has {value!r}, expected {expected}")
    return made
