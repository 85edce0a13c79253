"""The names of tags under a config: all that are read, and the one that is written.

Whatever is written for a tag is read as the same tag.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from ..errors import BadInput, warn
from ..tags import AliasConflict, TagNormalizer, TagSetNormalizer, tag_category2id
from ..tags.typed import find_name
from .config import Config

_SUFFIX = re.compile(r"(?<=.)_\([^()]*\)$")


def as_key(text: str) -> str:
    """Spell a tag as the index does.

    >>> as_key(" red fur")
    'red_fur'
    """
    return text.strip().replace(" ", "_")


def spaced(key: str) -> str:
    """Undo `as_key`; a key stays as it is if a space at its end would be lost.

    >>> spaced("red_fur"), spaced("_fur_")
    ('red fur', '_fur_')
    """
    text = key.replace("_", " ")
    return text if as_key(text) == key else key


def make_tagset_normalizer(config: Config, data_dir: str | Path = "index") -> TagSetNormalizer:
    """Load the tags of an index, with a config's aliases, renames and spellings.

    Raises
    ------
    BadInput : aliases conflict, or renames go round in a circle.
    MissingArtifact, BadArtifact
    """
    return rename_tags(TagSetNormalizer.load(data_dir), config)


def rename_tags(tags: TagSetNormalizer, config: Config) -> TagSetNormalizer:
    """Apply a config's aliases, renames and spellings to `tags`, which change.

    Besides names and aliases, artists are read as "by NAME" and, with
    `remove_parens`, tags without their `_(suffix)`. If two tags would share
    such a spelling, the more used one gets it. If a tag would be written like
    another tag, it becomes that tag. Aliases and renames may name tags that the
    index lacks; those get ids after the last.

    Returns
    -------
    A normalizer with the index's ids, whose `decode` writes tags as captions
    have them.
    """
    names = tags.tag_normalizer
    for idx, name in enumerate(names.idx2tag):
        names.tag2idx.setdefault(name, idx)
    removed = {as_key(tag) for tag in config.remove_aliases}
    for name in sorted(removed & set(names.idx2tag)):
        warn(f"remove_aliases: {name} is a tag's own name, left")
    removed.difference_update(names.idx2tag)
    names.remove_input_mappings(removed)

    forms, same = _read_tables(tags, config)
    _add_spellings(names, config, removed | set(tags.implications_rej))
    for idx, name in enumerate(names.idx2tag):
        forms.setdefault(idx, _form(names, idx, name, config))
        meant = names.encode(forms[idx])
        if meant != idx:
            same.setdefault(idx, meant)

    kept = {as_key(tag) for tag in config.keep_underscores}
    texts = []
    for idx, name in enumerate(names.idx2tag):
        form = forms[idx]
        underscores = config.use_underscores or name in kept or form in kept
        texts.append(form if underscores else spaced(form))
    return _unite(tags, _follow(same, names), texts)


def _read_tables(
    tags: TagSetNormalizer, config: Config
) -> tuple[dict[int, str], dict[int, int]]:
    """Apply the tables [aliases], [aliases_overrides] and [renames].

    Returns
    -------
    Tag → its new name, and tag → the tag that it becomes, both by id.
    """
    names = tags.tag_normalizer
    try:
        for alias, name in config.aliases.items():
            dest = _id(tags, as_key(name))
            names.add_input_mappings(as_key(alias), dest, config.on_alias_conflict)
    except AliasConflict as error:
        conflict = str(error).partition(":")[0]
        hint = "move it to aliases_overrides, or set on_alias_conflict"
        raise BadInput(f"aliases: {conflict}: {hint}") from None
    for alias, name in config.aliases_overrides.items():
        dest = _id(tags, as_key(name))
        names.add_input_mappings(as_key(alias), dest, "overwrite")

    forms: dict[int, str] = {}
    same: dict[int, int] = {}
    for old, name in config.renames.items():
        idx, new = _id(tags, as_key(old)), as_key(name)
        there = names.encode(new, idx)
        if there != idx and names.idx2tag[there] == new:  # the name of another tag
            same[idx] = there
        else:
            names.add_input_mappings(new, idx, "overwrite")
            forms[idx] = new
    return forms, same


def _id(tags: TagSetNormalizer, name: str) -> int:
    """Return the id of a name; a name without one gets the next."""
    names = tags.tag_normalizer
    known = find_name(name, names.tag2idx)
    if known is not None:
        return names.tag2idx[known]
    idx = names.tag2idx[name] = len(names.idx2tag)
    names.idx2tag.append(name)
    names.tag_categories += bytes([tag_category2id["general"]])
    tags.implications[idx] = tags.implications_rej.get(name, [])
    return idx


def _add_spellings(names: TagNormalizer, config: Config, barred: Collection[str]) -> None:
    """Let further spellings be read as the tags that they shorten or prefix."""

    def order(item: tuple[str, int]) -> tuple[bool, int]:
        """Names of tags come before aliases, and more used tags before others."""
        name, idx = item
        return names.idx2tag[idx] != name, idx

    for name, idx in sorted(names.tag2idx.items(), key=order):
        found = [_SUFFIX.sub("", name)] if config.remove_parens else []
        if _lacks_prefix(names, idx, name):
            found += [f"by_{spelling}" for spelling in (*found, name)]
        found = [spelling for spelling in found if spelling not in barred]
        names.add_input_mappings(found, idx, "silent")


def _form(names: TagNormalizer, idx: int, name: str, config: Config) -> str:
    """Choose how a tag is written: the first spelling that is read as the tag."""
    found = [_SUFFIX.sub("", name), name] if config.remove_parens else [name]
    if config.artist_by_prefix and _lacks_prefix(names, idx, name):
        found = [f"by_{spelling}" for spelling in found] + found
    read_as_it = (spelling for spelling in found if names.encode(spelling) == idx)
    return next(read_as_it, name)


def _lacks_prefix(names: TagNormalizer, idx: int, name: str) -> bool:
    return names.get_category(idx) == "artist" and not name.startswith("by_")


def _follow(same: dict[int, int], names: TagNormalizer) -> dict[int, int]:
    """Follow each tag that becomes another one to the end of its chain."""
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


def _unite(tags: TagSetNormalizer, same: dict[int, int], texts: list[str]) -> TagSetNormalizer:
    """Let each tag of `same` be the other tag, when read and when implied."""
    names = tags.tag_normalizer
    tag2idx = {tag: same.get(idx, idx) for tag, idx in names.tag2idx.items()}

    def merged(implied: list[int]) -> list[int]:
        return list(dict.fromkeys(same.get(idx, idx) for idx in implied))

    return TagSetNormalizer(
        TagNormalizer(tag2idx, texts, names.tag_categories),
        {idx: merged(implied) for idx, implied in tags.implications.items()},
        {name: merged(implied) for name, implied in tags.implications_rej.items()},
    )
