"""The options of `normalize.toml`: types, defaults, and what is wrong with a file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..tags import CATEGORIES, ON_CONFLICT

CONFIG_NAME = "normalize.toml"


@dataclass(frozen=True)
class Config:
    """E6DB's options; the project's `normalize.toml` says what each of them does.

    Tags may be written with spaces or underscores.
    """

    blacklist: list[str] = field(default_factory=list)
    blacklist_regexp: list[re.Pattern[str]] = field(default_factory=list)
    blacklist_implied: bool = False
    blacklist_categories: list[str] = field(default_factory=list)
    use_underscores: bool = False
    keep_underscores: list[str] = field(default_factory=list)
    keep_implied: bool | list[str] = False
    min_antecedent_freq: float = 0
    drop_antecedent_freq: float = 0
    artist_by_prefix: bool = True
    remove_parens: bool = True
    on_alias_conflict: str = "raise"
    remove_aliases: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    aliases_overrides: dict[str, str] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)
    include_filename_regexp: list[re.Pattern[str]] = field(default_factory=list)
    exclude_filename_regexp: list[re.Pattern[str]] = field(default_factory=list)


def find_config(out: Path, source: Path) -> Path | None:
    """Find `normalize.toml` in `out`, in `source`, or in the nearest folder above."""
    out, source = out.absolute(), source.absolute()
    above = zip_longest(out.parents, source.parents, fillvalue=source)
    for folder in (out, source, *chain.from_iterable(above)):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    return None


def load_config(path: Path) -> Config:
    """Read and check a config.

    Raises
    ------
    BadInput : it cannot be read, or an option is unknown or of a wrong type.
    """
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} is not TOML ({error}): correct it") from None
    try:
        return make_config(found)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def make_config(found: dict[str, Any]) -> Config:
    """Check a dict of options and compile its regular expressions.

    >>> make_config({"keep_implied": ["canine"]}).keep_implied
    ['canine']
    >>> make_config({"remove_parens": 1})
    Traceback (most recent call last):
    e6graph.errors.BadInput: remove_parens: got 1 (int), expected true or false
    """
    known = [option.name for option in fields(Config)]
    unknown = [name for name in found if name not in known]
    if unknown:
        wrong = f"no option {', '.join(unknown)}"
        raise BadInput(f"{wrong}; known ones: {', '.join(known)}")
    return Config(**{name: _check(name, value) for name, value in found.items()})


def _check(name: str, value: Any) -> Any:
    """Return the value of an option as `Config` holds it, or raise BadInput."""
    if name.endswith("_regexp"):
        patterns = [value] if isinstance(value, str) else _strings(name, value)
        return [_compile(name, pattern) for pattern in patterns]

    if name.endswith("_freq"):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = number and value >= 0
        return _expect(name, value, "a number of posts, 0 or more", fits)

    if name == "on_alias_conflict":
        expected = f"one of {', '.join(ON_CONFLICT)}"
        return _expect(name, value, expected, value in ON_CONFLICT)

    if name == "blacklist_categories":
        expected = f"some of {', '.join(CATEGORIES)}"
        for category in _strings(name, value):
            _expect(name, category, expected, category in CATEGORIES)
        return value

    if name in ("aliases", "aliases_overrides", "renames"):
        expected = "a table of strings, as [aliases] with lines of 'old tag' = 'new tag'"
        tags = [*value, *value.values()] if isinstance(value, dict) else [None]
        _expect(name, value, expected, all(isinstance(tag, str) for tag in tags))
        _tag_list(name, tags)
        return value

    if name == "keep_implied":
        expected = "true, false or a list of strings"
        _expect(name, value, expected, isinstance(value, (bool, list)))
        return value if isinstance(value, bool) else _tag_list(name, value)

    if isinstance(getattr(Config, name, None), bool):
        return _expect(name, value, "true or false", isinstance(value, bool))
    return _tag_list(name, value)


def _expect(name: str, value: Any, expected: str, fits: bool) -> Any:
    if not fits:
        got = repr(value[:60]) if isinstance(value, str) else str(value)[:60]
        kind = type(value).__name__
        raise BadInput(f"{name}: got {got} ({kind}), expected {expected}")
    return value


def _strings(name: str, value: Any) -> list[str]:
    fits = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return _expect(name, value, "a list of strings", fits)


def _tag_list(name: str, value: Any) -> list[str]:
    for tag in _strings(name, value):
        fits = bool(tag.strip()) and not set(tag) & set(",\r\n")
        _expect(name, tag, "one tag, without commas or line ends", fits)
    return value


def _compile(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        wrong = f"{pattern!r} is no regular expression: {error}"
        raise BadInput(f"{name}: {wrong}") from None
