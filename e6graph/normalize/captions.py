"""The text of a caption file → the same caption cleaned, by the rules of `normalize.toml`.

What is written for a tag is read as that tag again (see `spellings`), and every other rule only
takes tags away or puts down ones that it would leave; so cleaning what is clean changes nothing.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadArtifact
from ..store import Store
from ..tags.normalizer import TagSetNormalizer, tag_category2id, tag_freq_to_rank
from .config import Config
from .spellings import as_key, spaced, spell

_ESCAPED = re.compile(r"\\([()])")
_CHUNK = re.compile(r"[^,\r\n]+")
_FULL_STOP = re.compile(r"\w{2}[.!?]+[\"'”’)]*(\s+[\"'“‘(]*[^\W\d_a-z]|$)")
_BEGINNING = re.compile(r"[\"'“‘(]*[^\W\d_a-z]\S*\s+\W?[^\W_A-Z]")  # "A fox", not "Zoe Style"


@dataclass(frozen=True)
class Cleaned:
    """A cleaned caption; tags are ids, or strings that have none.

    Attributes
    ----------
    text : what the file should hold.
    tags : those written, in their order.
    implied : those left out because others imply them, or that gave way to what they imply.
    blacklisted : those left out because they are on the list.
    repeated : how many stood there before.
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
    blacklist : id, or name that has none → why it is on the list.

    Raises
    ------
    MissingArtifact, BadArtifact, BadInput : of the index or the config.
    """

    def __init__(self, config: Config, data_dir: str | Path = "index") -> None:
        loaded = TagSetNormalizer.load(data_dir)
        own = list(loaded.tag_normalizer.idx2tag)
        self.config, self.tags = config, spell(loaded, config)
        self._inputs = self.tags.tag_normalizer.tag2idx
        self._kept = {as_key(tag) for tag in config.keep_underscores}
        self.blacklist = self._blacklist(own)
        keep = config.keep_implied
        if not isinstance(keep, bool):
            keep = {self._tag(tag) for tag in keep}
            for tag in sorted(tag for tag in keep if isinstance(tag, str)):
                warnings.warn(f"keep_implied: no tag {tag!r} in {data_dir}", stacklevel=2)
        self._rules = {
            "keep_implied": keep,
            "max_antecedent_rank": _rank(config.min_antecedent_freq, data_dir, len(own)),
            "drop_antecedent_rank": _rank(config.drop_antecedent_freq, data_dir, len(own)),
        }

    def clean(self, text: str) -> Cleaned:
        """Clean a caption: tags between commas or line ends, then, if the text ends in a sentence,
        prose, which stays as it is."""
        chunks, gap, prose = self._split(text)
        found = [self._tag(chunk) for chunk in chunks]
        allowed = [tag for tag in found if not self._barred(tag)]
        encoded, _ = self.tags.encode(allowed, **self._rules)
        tags = [tag for tag in encoded if not self._barred(tag)]
        after = [tag if isinstance(tag, int) else self._unknown(tag) for tag in tags]
        after = self.tags.decode(after)
        body = ", ".join(after)
        end = "\n" if "\n" in text[len(text.rstrip()) :] else ""
        distinct, left = dict.fromkeys(found), {*tags}
        return Cleaned(
            text=body + (gap if body else "") + prose + end,
            tags=tags,
            implied=[tag for tag in dict.fromkeys(allowed) if tag not in left],
            blacklisted=[tag for tag in distinct if self._barred(tag)],
            repeated=len(found) - len(distinct),
            before=[chunk.strip() for chunk in chunks],
            after=after,
        )

    def _tag(self, text: str) -> int | str:
        """The id of a tag of a caption, or its key."""
        key = as_key(text)
        for spelling in (key, key.lower(), _plain(key)):
            if spelling in self._inputs:
                return self._inputs[spelling]
        return key

    def _unknown(self, key: str) -> str:
        return key if self.config.use_underscores or key in self._kept else spaced(key)

    def _split(self, text: str) -> tuple[list[str], str, str]:
        """(tags, what stands between, prose) of a caption.

        There is prose if the last chunk has a full stop and is no tag. It begins with the first
        unknown chunk of several words with a full stop after which the line ends or a capital
        follows, or before it in its line where one begins as sentences do: "fox, solo, A fox, as
        red as rust, looks at me." has two tags. When in doubt it is prose: that is left alone.
        """
        body = text.removeprefix("\ufeff").rstrip()
        chunks = [found for found in _CHUNK.finditer(body) if found[0].strip()]
        words = [found[0].replace("_", " ").strip() for found in chunks]
        strange = [self._strange(found[0]) for found in chunks]
        start = len(chunks)
        if chunks and strange[-1] and _FULL_STOP.search(words[-1]):
            for at, found in enumerate(chunks):
                stop = (
                    _FULL_STOP.search(words[at]) if strange[at] and " " in words[at] else None
                )
                if stop and (
                    not body.startswith(",", found.end()) or stop.end() < len(words[at])
                ):
                    start = at
                    break
        at = start
        while (
            0 < at < len(chunks) and "\n" not in body[chunks[at - 1].end() : chunks[at].start()]
        ):
            at -= 1
            start = at if strange[at] and _BEGINNING.match(words[at]) else start
        if start == len(chunks):
            return [found[0] for found in chunks], "", ""
        first = chunks[start].end() - len(chunks[start][0].lstrip())
        between = body[chunks[start - 1].end() : first] if start else ""
        gap = "\n" * between.count("\n") or ", "
        return [found[0] for found in chunks[:start]], gap, body[first:]

    def _strange(self, text: str) -> bool:
        tag = self._tag(text)
        return isinstance(tag, str) and tag not in self.tags.implications_rej

    def _barred(self, tag: int | str) -> bool:
        if isinstance(tag, int):
            return tag in self.blacklist
        return _plain(tag) in self.blacklist or bool(self._matches(tag))

    def _matches(self, *names: str) -> re.Pattern | None:
        """The first pattern that fits one of the names, with underscores or with spaces."""
        for pattern in self.config.blacklist_regexp:
            for name in names:
                if pattern.fullmatch(name) or pattern.fullmatch(name.replace("_", " ")):
                    return pattern
        return None

    def _blacklist(self, own: list[str]) -> dict[int | str, str]:
        names, config = self.tags.tag_normalizer, self.config
        made: dict[int | str, str] = {}
        for text in config.blacklist:
            tag = self._tag(text)
            made[_plain(tag) if isinstance(tag, str) else tag] = "named"
        categories = {tag_category2id[name] for name in config.blacklist_categories}
        for idx in sorted(set(self._inputs.values())):
            texts = [*own[idx : idx + 1], names.idx2tag[idx]]
            if names.get_category(idx, as_string=False) in categories:
                made.setdefault(idx, f"category {names.get_category(idx)}")
            elif config.blacklist_regexp and (pattern := self._matches(*texts)):
                made.setdefault(idx, f"matches {pattern.pattern}")
        for tag in list(made) if config.blacklist_implied else ():
            for idx in self.tags.get_implied(tag):
                made.setdefault(idx, f"implied by {names.decode(tag)}")
        return made


def _plain(key: str) -> str:
    """Lower case, and brackets as the web interfaces' prompts do not have them."""
    return _ESCAPED.sub(r"\1", key.lower())


def _rank(frequency: float, data_dir: str | Path, tags: int) -> float | None:
    """The rank of the first tag that fewer than `frequency` posts hold: by the counts of the
    index, or where it has none by E6DB's fit. None for a frequency of 0.

    Raises
    ------
    BadArtifact : the counts are damaged, or not of `tags` tags.
    """
    if not frequency:
        return None
    store = Store(data_dir)
    if store.find("tags.parquet") is None:
        return tag_freq_to_rank(frequency)
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = store.check("tags.parquet")
    try:
        counts = pq.read_table(path, columns=["freq"])["freq"].to_numpy()
    except (pa.ArrowException, OSError, KeyError) as error:
        said = str(error).partition("\n")[0]
        raise BadArtifact(
            f"{path} cannot be read ({said}): run hydrate_data.py again"
        ) from None
    if len(counts) != tags:
        raise BadArtifact(
            f"{path} has {len(counts)} tags, not {tags}: run hydrate_data.py again"
        )
    return int((counts >= frequency).sum())
