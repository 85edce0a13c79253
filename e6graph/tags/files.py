"""Read the files that hold tags, aliases and implications, in E6DB's formats.

This module needs the standard library alone.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import BadArtifact, MissingArtifact, reading

Parsed = TypeVar("Parsed")
UNCHECKED = 64 << 20  # bytes that a file may expand to, however small it is
EXPANSION = 20  # bytes for one of gzip: 3 to 6 in names, numbers and JSON, 1,032 in a bomb


def load_tags(data_dir: str | Path) -> tuple[dict[str, int], list[str], bytes]:
    """Read `tag2idx.json.gz`, `tags.txt.gz` and `tags_categories.bin.gz`.

    Returns
    -------
    tag2idx : tag or alias → id.
    idx2tag : name by id.
    tag_categories : category by id, a byte each.

    Raises
    ------
    MissingArtifact, BadArtifact : one is missing or damaged, or they are not of
        one import.
    """
    data_dir = Path(data_dir)
    names = read_names(data_dir / "tags.txt.gz")
    categories = _read_gz(data_dir / "tags_categories.bin.gz", bytes)
    tag2idx = _read_gz(data_dir / "tag2idx.json.gz", _parse_ids)

    lengths_fit = len(names) == len(categories) > max(tag2idx.values(), default=-1)
    ids_fit = all(tag2idx.get(name, idx) == idx for idx, name in enumerate(names))
    if not (lengths_fit and ids_fit):
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
    implications : id → the ids it implies.
    implications_rej : name without an id → the ids it implies.

    Raises
    ------
    MissingArtifact, BadArtifact : one is missing or damaged.
    """
    data_dir = Path(data_dir)
    path = data_dir / "implications.json.gz"
    known = _read_gz(path, _parse_id_lists)
    rejected = _read_gz(data_dir / "implications_rej.json.gz", _parse_id_lists)
    with reading(path):
        return {int(idx): implied for idx, implied in known.items()}, rejected


def read_names(path: Path) -> list[str]:
    """Read `tags.txt.gz`: a name a line by tag id; the last line may be ended or not."""
    text = _read_gz(path, lambda data: data.decode("utf-8"))
    return text.removesuffix("\n").split("\n") if text else []


def _read_gz(path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    with reading(path):
        try:
            most = max(UNCHECKED, EXPANSION * path.stat().st_size)
            with gzip.open(path, "rb") as file:
                data = file.read(most + 1)
            if len(data) > most:
                raise ValueError(f"a small file expands to more than {most >> 20:,} MB")
            return parse(data)
        except FileNotFoundError:
            raise MissingArtifact(f"{path} is missing: run hydrate_data.py first") from None


def _parse_ids(data: bytes) -> dict[str, int]:
    return _parse_object(data, lambda idx: isinstance(idx, int) and idx >= 0, "an id")


def _parse_id_lists(data: bytes) -> dict[str, list[int]]:
    def fits(ids: object) -> bool:
        return isinstance(ids, list) and all(isinstance(idx, int) for idx in ids)

    return _parse_object(data, fits, "a list of ids")


def _parse_object(data: bytes, fits: Callable[[object], bool], expected: str) -> dict[str, Any]:
    """Parse a JSON object and refuse values that do not fit."""
    made = json.loads(data)
    if not isinstance(made, dict):
        raise ValueError(f"{type(made).__name__} {made!r}, expected an object")
    for name, value in made.items():
        if not fits(value):
            raise ValueError(f"{name!r} has {value!r}, expected {expected}")
    return made
