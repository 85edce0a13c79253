"""What `normalize.toml` may say: each option, its type and default; what is wrong is named."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..tags.categories import CATEGORIES
from ..tags.normalizer import ON_CONFLICT

NAME = "normalize.toml"


@dataclass(frozen=True)
class Config:
    """E6DB's options; `normalize.toml` of the project says what each does. Tags may be written
    with spaces or underscores."""

    blacklist: list[str] = field(default_factory=list)
    blacklist_regexp: list[re.Pattern] = field(default_factory=list)
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
    include_filename_regexp: list[re.Pattern] = field(default_factory=list)
    exclude_filename_regexp: list[re.Pattern] = field(default_factory=list)


def find_config(out: Path, source: Path) -> Path | None:
    """The `normalize.toml` in `out`, in `source`, or in the nearest folder above either."""
    out, source = out.absolute(), source.absolute()
    above = zip_longest(out.parents, source.parents, fillvalue=source)
    paths = (folder / NAME for folder in (out, source, *chain.from_iterable(above)))
    return next((path for path in paths if path.is_file()), None)


def load_config(path: Path) -> Config:
    """Read and check a config.

    Raises
    ------
    BadInput : it cannot be read, holds an option that there is none of, or one of another type.
    """
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} is not TOML ({error}): mend it") from None
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
        raise BadInput(f"no option {', '.join(unknown)}; known ones: {', '.join(known)}")
    return Config(**{name: _checked(name, value) for name, value in found.items()})


def _checked(name: str, value: Any) -> Any:
    if name.endswith("_regexp"):
        return [
            _pattern(name, p) for p in _strings(name, [value] if _is(value, str) else value)
        ]
    if name == "keep_implied":
        _expect(name, value, "true, false or a list of strings", _is(value, bool, list))
        return value if _is(value, bool) else _tags(name, value)
    if name.endswith("_freq"):
        expected = "a number of posts, 0 or more"
        return _expect(name, value, expected, _is(value, int, float) and value >= 0)
    if name == "on_alias_conflict":
        return _expect(name, value, f"one of {', '.join(ON_CONFLICT)}", value in ON_CONFLICT)
    if name == "blacklist_categories":
        for category in _strings(name, value):
            _expect(name, category, f"some of {', '.join(CATEGORIES)}", category in CATEGORIES)
        return value
    if name in ("aliases", "aliases_overrides", "renames"):
        expected = "a table of strings, as [aliases] with lines of 'old tag' = 'new tag'"
        fits = _is(value, dict) and all(_is(tag, str) for tag in value.values())
        _expect(name, value, expected, fits)
        return dict(
            zip(_tags(name, list(value)), _tags(name, list(value.values())), strict=True)
        )
    if isinstance(getattr(Config, name, None), bool):
        return _expect(name, value, "true or false", _is(value, bool))
    return _tags(name, value)


def _is(value: Any, *types: type) -> bool:
    """`isinstance`, where true is no number."""
    return type(value) in types


def _expect(name: str, value: Any, expected: str, fits: bool) -> Any:
    if not fits:
        got = f"{str(value)[:60]!r}" if _is(value, str) else str(value)[:60]
        raise BadInput(f"{name}: got {got} ({type(value).__name__}), expected {expected}")
    return value


def _strings(name: str, value: Any) -> list[str]:
    fits = _is(value, list) and all(_is(text, str) for text in value)
    return _expect(name, value, "a list of strings", fits)


def _tags(name: str, value: Any) -> list[str]:
    for tag in _strings(name, value):
        _expect(name, tag, "one tag, without commas or line ends", _one_tag(tag))
    return value


def _one_tag(tag: str) -> bool:
    return bool(tag.strip()) and not set(tag) & set(",\r\n")


def _pattern(name: str, text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadInput(f"{name}: {text!r} is no regular expression: {error}") from None
