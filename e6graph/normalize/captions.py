"""Clean the text of a caption file, by the rules of `normalize.toml`.

What is written for a tag is read as that tag again (see `tag_names`), and every
other rule only removes tags or adds ones that it would keep. So cleaning a
clean caption changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..errors import warn
from ..store import Store
from ..tags import TagSetNormalizer, tag_category2id, tag_freq_to_rank
from ..tags.typed import find_name
from ..tags.vocabulary import load_frequencies
from .config import Config
from .tag_names import as_key, rename_tags, spaced

_ESCAPED = re.compile(r"\\([()])")
_CHUNK = re.compile(r"[^,\r\n]+")
_FULL_STOP = re.compile(r"\w{2}[.!?]+[\"'”’)]*(\s+[\"'“‘(]*[^\W\d_a-z]|$)")
_BEGINNING = re.compile(r"[\"'“‘(]*[^\W\d_a-z]\S*\s+\W?[^\W_A-Z]")  # "A fox", not "Zoe Style"


@dataclass(frozen=True)
class Cleaned:
    """A cleaned caption; its tags are ids, or strings that have no id.

    Attributes
    ----------
    text : what the file should hold.
    tags : the tags of `text`, in order.
    implied : tags that others imply, or that were replaced by what they imply.
    blacklisted : tags left out because they are on the blacklist.
    repeated : number of tags left out because they stood there before.
    before, after : the caption's tags as it had them, and as `text` has them.
    """

    text: str
    tags: list[int | str] = field(default_factory=list)
    implied: list[int | str] = field(default_factory=list)
    blacklisted: list[int | str] = field(default_factory=list)
    repeated: int = 0
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


class Cleaner:
    """Cleans captions by a config and the tags of an index.

    Attributes
    ----------
    tags : TagSetNormalizer whose `decode` writes tags as captions have them.
    blacklist : id, or name without an id → why it is on the list.

    Raises
    ------
    MissingArtifact, BadArtifact, BadInput : the index or config cannot be used.
    """

    def __init__(self, config: Config, data_dir: str | Path = "index") -> None:
        loaded = TagSetNormalizer.load(data_dir)
        own = list(loaded.tag_normalizer.idx2tag)
        self.config = config
        self.tags = rename_tags(loaded, config)
        self._inputs = self.tags.tag_normalizer.tag2idx
        self._kept = {as_key(tag) for tag in config.keep_underscores}
        self.blacklist = self._blacklist(own)

        keep: bool | set[int | str] = False
        if isinstance(config.keep_implied, bool):
            keep = config.keep_implied
        else:
            keep = {self._tag(tag) for tag in config.keep_implied}
            for tag in sorted(tag for tag in keep if isinstance(tag, str)):
                warn(f"keep_implied: no tag {tag!r} in {data_dir}")
        rank = partial(_first_rank, data_dir=data_dir, tags=len(own))
        self._encode = partial(
            self.tags.encode,
            keep_implied=keep,
            max_antecedent_rank=rank(config.min_antecedent_freq),
            drop_antecedent_rank=rank(config.drop_antecedent_freq),
        )

    def clean(self, text: str) -> Cleaned:
        """Clean a caption: tags between commas or line ends, and prose after them.

        The prose stays as it is.
        """
        chunks, gap, prose = self._split(text)
        found = [self._tag(chunk) for chunk in chunks]
        allowed = [tag for tag in found if not self._barred(tag)]
        encoded, _ = self._encode(allowed)
        tags = [tag for tag in encoded if not self._barred(tag)]

        after = self.tags.decode(
            tag if isinstance(tag, int) else self._written(tag) for tag in tags
        )
        body = ", ".join(after)
        if body:
            body += gap
        end = "\n" if "\n" in text[len(text.rstrip()) :] else ""

        kept = set(tags)
        distinct = dict.fromkeys(found)
        return Cleaned(
            text=body + prose + end,
            tags=tags,
            implied=[tag for tag in dict.fromkeys(allowed) if tag not in kept],
            blacklisted=[tag for tag in distinct if self._barred(tag)],
            repeated=len(found) - len(distinct),
            before=[chunk.strip() for chunk in chunks],
            after=after,
        )

    def _tag(self, text: str) -> int | str:
        """Return the id of a tag of a caption; its key if it has none."""
        key = as_key(text)
        for spelling in (key, _unescaped(key)):
            name = find_name(spelling, self._inputs)
            if name is not None:
                return self._inputs[name]
        return key

    def _written(self, key: str) -> str:
        """Return how a tag without an id is written."""
        underscores = self.config.use_underscores or key in self._kept
        return key if underscores else spaced(key)

    def _split(self, text: str) -> tuple[list[str], str, str]:
        """Split a caption into tags, what stands between them and the prose, and prose."""
        body = text.removeprefix("\ufeff").rstrip()
        chunks = [found for found in _CHUNK.finditer(body) if found[0].strip()]
        start = self._start_of_prose(body, chunks)
        tags = [found[0] for found in chunks[:start]]
        if start == len(chunks):
            return tags, "", ""
        first = chunks[start].end() - len(chunks[start][0].lstrip())
        between = body[chunks[start - 1].end() : first] if start else ""
        return tags, "\n" * between.count("\n") or ", ", body[first:]

    def _start_of_prose(self, body: str, chunks: list[re.Match[str]]) -> int:
        """Find the chunk that prose begins with; without prose, `len(chunks)`.

        There is prose if the last chunk ends in a full stop and is no tag.
        Prose has a first sentence end: an unknown chunk of several words with a
        full stop, after which the line ends or a capital follows. Earlier in
        that line another chunk may begin as sentences do: "fox, solo, A fox, as
        red as rust, looks at me." has two tags. When in doubt it is prose,
        because prose is left alone.
        """
        words = [found[0].replace("_", " ").strip() for found in chunks]
        unknown = [self._is_unknown(found[0]) for found in chunks]
        if not chunks or not unknown[-1] or not _FULL_STOP.search(words[-1]):
            return len(chunks)

        start = len(chunks)
        for at, found in enumerate(chunks):
            sentence = unknown[at] and " " in words[at]
            stop = _FULL_STOP.search(words[at]) if sentence else None
            ends_line = not body.startswith(",", found.end())
            if stop and (ends_line or stop.end() < len(words[at])):
                start = at
                break
        else:
            return start

        at = start
        while at and "\n" not in body[chunks[at - 1].end() : chunks[at].start()]:
            at -= 1
            if unknown[at] and _BEGINNING.match(words[at]):
                start = at
        return start

    def _is_unknown(self, text: str) -> bool:
        tag = self._tag(text)
        return isinstance(tag, str) and tag not in self.tags.implications_rej

    def _barred(self, tag: int | str) -> bool:
        if isinstance(tag, int):
            return tag in self.blacklist
        return _unescaped(tag) in self.blacklist or bool(self._matches(tag))

    def _matches(self, *names: str) -> re.Pattern[str] | None:
        """Return the first pattern that fits a name, with underscores or with spaces."""
        spellings = [*names, *(name.replace("_", " ") for name in names)]
        for pattern in self.config.blacklist_regexp:
            if any(pattern.fullmatch(spelling) for spelling in spellings):
                return pattern
        return None

    def _blacklist(self, own: list[str]) -> dict[int | str, str]:
        names, config = self.tags.tag_normalizer, self.config
        made: dict[int | str, str] = {}
        for text in config.blacklist:
            tag = self._tag(text)
            made[_unescaped(tag) if isinstance(tag, str) else tag] = "named"

        categories = {tag_category2id[name] for name in config.blacklist_categories}
        for idx in sorted(set(self._inputs.values())):
            texts = [*own[idx : idx + 1], names.idx2tag[idx]]
            if names.get_category(idx, as_string=False) in categories:
                made.setdefault(idx, f"category {names.get_category(idx)}")
            elif pattern := self._matches(*texts):
                made.setdefault(idx, f"matches {pattern.pattern}")

        for tag in list(made) if config.blacklist_implied else ():
            for idx in self.tags.get_implied(tag):
                made.setdefault(idx, f"implied by {names.decode(tag)}")
        return made


def _unescaped(key: str) -> str:
    """Return a key in lower case, without the backslashes that prompts need."""
    return _ESCAPED.sub(r"\1", key.lower())


def _first_rank(frequency: float, data_dir: str | Path, tags: int) -> float | None:
    """Return the rank of the first of `tags` tags on fewer posts than `frequency`.

    It comes from the counts of the index; without counts, from E6DB's fit.
    It is None for a frequency of 0.
    """
    if not frequency:
        return None
    store = Store(data_dir)
    if store.find("tags.parquet") is None:
        return tag_freq_to_rank(frequency)
    return int((load_frequencies(store, tags) >= frequency).sum())
