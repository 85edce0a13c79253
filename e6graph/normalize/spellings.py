"""How tags are read and written under a config, so that what is written is read as the same tag."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from operator import itemgetter
from pathlib import Path

from ..errors import BadInput
from ..tags.normalizer import TagNormalizer, TagSetNormalizer, tag_category2id
from .config import Config

_SUFFIX = re.compile(r"(?<=.)_\([^()]*\)$")


def as_key(text: str) -> str:
    """A tag as the index spells it.

    >>> as_key(" red fur")
    'red_fur'
    """
    return text.strip().replace(" ", "_")


def spaced(key: str) -> str:
    """The inverse of `as_key`, where there is one: a space at an end would be lost.

    >>> spaced("red_fur"), spaced("_fur_")
    ('red fur', '_fur_')
    """
    text = key.replace("_", " ")
    return text if as_key(text) == key else key


def make_tagset_normalizer(config: Config, data_dir: str | Path = "index") -> TagSetNormalizer:
    """The index's tags with the aliases, renames and spellings of a config.

    Raises
    ------
    BadInput : aliases conflict, or renames go round in a circle. MissingArtifact, BadArtifact.
    """
    return spell(TagSetNormalizer.load(data_dir), config)


def spell(tags: TagSetNormalizer, config: Config) -> TagSetNormalizer:
    """As `make_tagset_normalizer`, from loaded `tags`, which are changed on the way.

    Reads, beside names and aliases, artists as "by NAME" and, with `remove_parens`, names without
    their `_(suffix)`; where two tags would share such a spelling the more used one has it, and a
    spelling is written only if it is read as the same tag. A tag whose written form is another
    tag's is merged into that tag. Aliases and renames may name tags the index lacks: they get ids
    after the last, rank and all.

    Returns
    -------
    Its `decode` writes tags as captions have them. Ids are the index's.
    """
    names = tags.tag_normalizer
    for idx, name in enumerate(names.idx2tag):
        names.tag2idx.setdefault(name, idx)
    removed = {as_key(tag) for tag in config.remove_aliases}
    for name in sorted(removed & set(names.idx2tag)):
        warnings.warn(f"remove_aliases: {name} is a tag's own name, left", stacklevel=2)
    removed.difference_update(names.idx2tag)
    names.remove_input_mappings(removed)
    forms, same = _read_tables(tags, config)
    _add_spellings(names, config, removed | set(tags.implications_rej))
    for idx, name in enumerate(names.idx2tag):
        forms.setdefault(idx, _form(names, idx, name, config))
        if idx not in same and names.encode(forms[idx]) != idx:
            same[idx] = names.encode(forms[idx])
    kept = {as_key(tag) for tag in config.keep_underscores}
    texts = [
        forms[idx]
        if config.use_underscores or {name, forms[idx]} & kept
        else spaced(forms[idx])
        for idx, name in enumerate(names.idx2tag)
    ]
    return _merged(tags, _ends(same, names), texts)


def _read_tables(
    tags: TagSetNormalizer, config: Config
) -> tuple[dict[int, str], dict[int, int]]:
    """Apply [aliases], [aliases_overrides], [renames] → (id → its new name, id → the same tag)."""
    names = tags.tag_normalizer
    try:
        for alias, name in config.aliases.items():
            dest = _id(tags, as_key(name))
            names.add_input_mappings(as_key(alias), dest, config.on_alias_conflict)
    except ValueError as error:
        hint = "move it to aliases_overrides, or set on_alias_conflict"
        raise BadInput(f"aliases: {str(error).partition(':')[0]}: {hint}") from None
    for alias, name in config.aliases_overrides.items():
        names.add_input_mappings(as_key(alias), _id(tags, as_key(name)), "overwrite")
    forms: dict[int, str] = {}
    same: dict[int, int] = {}
    for old, name in config.renames.items():
        idx, new = _id(tags, as_key(old)), as_key(name)
        there = names.encode(new, idx)
        if there != idx and names.idx2tag[there] == new:
            same[idx] = there
        else:
            names.add_input_mappings(new, idx, "overwrite")
            forms[idx] = new
    return forms, same


def _id(tags: TagSetNormalizer, name: str) -> int:
    """The id of a name; one that has none gets the next."""
    names = tags.tag_normalizer
    if name not in names.tag2idx:
        idx = names.tag2idx[name] = len(names.idx2tag)
        names.idx2tag.append(name)
        names.tag_categories += bytes([tag_category2id["general"]])
        tags.implications[idx] = tags.implications_rej.get(name, [])
    return names.tag2idx[name]


def _add_spellings(names: TagNormalizer, config: Config, barred: Collection[str]) -> None:
    """Let further spellings be read: of tags before those of aliases, of the most used first."""
    inputs = sorted(names.tag2idx.items(), key=itemgetter(1))
    inputs.sort(key=lambda item: names.idx2tag[item[1]] != item[0])
    for name, idx in inputs:
        found = [_SUFFIX.sub("", name)] if config.remove_parens else []
        if names.get_category(idx) == "artist" and not name.startswith("by_"):
            found += [f"by_{spelling}" for spelling in (*found, name)]
        names.add_input_mappings([s for s in found if s not in barred], idx, "silent")


def _form(names: TagNormalizer, idx: int, name: str, config: Config) -> str:
    """How a tag is written, underscores and all: the first spelling that is read as the tag."""
    found = [_SUFFIX.sub("", name), name] if config.remove_parens else [name]
    artist = names.get_category(idx) == "artist" and not name.startswith("by_")
    if artist and config.artist_by_prefix:
        found = [f"by_{spelling}" for spelling in found] + found
    return next((spelling for spelling in found if names.encode(spelling) == idx), name)


def _ends(same: dict[int, int], names: TagNormalizer) -> dict[int, int]:
    """Follow chains of merged tags to their ends."""
    ends = {}
    for start in same:
        trail = [start]
        while trail[-1] in same:
            trail.append(same[trail[-1]])
            if trail[-1] in trail[:-1]:
                circle = ", ".join(names.idx2tag[idx] for idx in trail)
                raise BadInput(
                    f"renames and aliases go round in a circle: {circle}: leave one out"
                )
        ends[start] = trail[-1]
    return ends


def _merged(tags: TagSetNormalizer, same: dict[int, int], texts: list[str]) -> TagSetNormalizer:
    names = tags.tag_normalizer
    tag2idx = {tag: same.get(idx, idx) for tag, idx in names.tag2idx.items()}
    known, rejected = (
        {
            tag: list(dict.fromkeys(same.get(idx, idx) for idx in implied))
            for tag, implied in table.items()
        }
        for table in (tags.implications, tags.implications_rej)
    )
    made = TagNormalizer(tag2idx, texts, names.tag_categories)
    return TagSetNormalizer(made, known, rejected)
