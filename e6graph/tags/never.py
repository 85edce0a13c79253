"""The rule that no option turns off: which posts are never indexed, shown or downloaded.

A post that joins one of `NEVER_TAGS` with a rating other than s is left out at
the import. It is left out again where the index is built, and again where an
answer is given. So is every post, whatever its rating, with the same picture
(MD5) as such a post.

A name counts as the tag if it is spelled like it (see `readings`), is an alias
of it, implies it, or is what an alias makes of it. All pairs in force count,
also where a later one gives the same name another meaning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..store import Store, parquet
from ..store.parallel import in_order
from ..store.ragged import one_chunk
from .vocabulary import read_implications, read_tags

NEVER_TAGS = frozenset({"young", "loli", "shota", "cub"})
ROWS_AT_ONCE = 100_000  # posts, so that the work fits the processor's cache
FILLERS = "\u115f\u1160\u2800\U0001d159"  # Hangul, Braille, a note head that nobody can see
_FORMS = re.compile(
    r"(?:NEGATIVE|PARENTHESIZED|REGIONAL|LATIN LETTER SMALL CAPITAL)\b.*\b([A-Z])$"
)
_FORMS_AT = (*range(0x250, 0x2B0), *range(0x1D00, 0x1D80), *range(0x249C, 0x24B6))
_FORMS_AT += (*range(0xA730, 0xA732), *range(0x1F110, 0x1F200))
_is_plain = re.compile("[!-~]+").fullmatch  # true of nearly all names


def _letters_of_forms() -> dict[int, str]:
    """Return the letter that each form shows of which NFKD makes none, or more than it."""
    found = {}
    for code in _FORMS_AT:
        if form := _FORMS.search(unicodedata.name(chr(code), "")):
            found[code] = form[1].lower()
    return found


_LETTERS = _letters_of_forms()


def fold(name: str) -> str:
    r"""Spell a name in the one way in which names are compared here.

    Compatibility forms (NFKD and `_LETTERS`) become plain letters, capitals small ones. What
    cannot be seen is dropped: spaces, control and format characters, and marks.

    >>> fold("Young"), fold("\uff39\uff2f\uff35\uff2e\uff27"), fold("yo\u200bung\u3000")
    ('young', 'young', 'young')
    """
    if _is_plain(name):
        return name.lower()
    return "".join(_visible(name).replace("\0", "").split()) or name


def readings(name: str) -> set[str]:
    r"""Return what a name may be read as: `fold(name)`, and each of its words.

    The export parts tags at ASCII spaces alone; a reader sees others as well.

    >>> sorted(readings("tree\xa0Young"))
    ['tree', 'treeyoung', 'young']
    """
    return {fold(name), *_words(name)} - {""}


def _words(name: str) -> list[str]:
    """Fold the words of a name; characters without a width part them or do not."""
    if _is_plain(name):
        return []
    text = _visible(name)
    return text.replace("\0", "").split() + text.replace("\0", " ").split()


def _visible(name: str) -> str:
    """Fold a name; a space stands for each gap, a NUL for what has no width."""
    text = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    # Some letters share their capital with another: long s, dotless i.
    text = unicodedata.normalize("NFKD", text.upper().casefold())
    seen = []
    for character in text:
        kind = unicodedata.category(character)[0]
        if kind == "Z" or character.isspace() or character in FILLERS:
            seen.append(" ")
        elif kind == "C":
            seen.append("\0")
        elif kind != "M":
            seen.append(character)
    return "".join(seen)


def is_under(name: str, names: Collection[str]) -> bool:
    """Return whether a name may be read as one of `names`, which are folded."""
    if _is_plain(name):
        return name.lower() in names
    return not readings(name).isdisjoint(names)


def never_names(
    aliases: Iterable[tuple[str, str]], implications: Iterable[tuple[str, str]]
) -> set[str]:
    """Return `NEVER_TAGS` and every name of these pairs that counts as one, in lower case.

    Parameters
    ----------
    aliases, implications : all pairs in force, as (antecedent, consequent).

    >>> sorted(never_names([("kid", "young"), ("kid", "goat")], [("Tot", "kid")]) - NEVER_TAGS)
    ['kid', 'tot']
    """
    aliases, implications = list(aliases), list(implications)
    folded = {name: fold(name) for pair in (*aliases, *implications) for name in pair}
    becomes: dict[str, list[str]] = {}
    for name, other in aliases:
        becomes.setdefault(folded[name], []).append(folded[other])

    # Walk back from the tags to all that lead there.
    leads: dict[str, list[str]] = {}
    for name, other in aliases:
        leads.setdefault(folded[other], []).append(folded[name])
    for name, other in implications:
        # Posts hold the names that aliases make, so those imply it, too.
        leads.setdefault(folded[other], []).extend(_reach([folded[name]], becomes))
    for name in folded:
        for word in _words(name):
            leads.setdefault(word, []).append(folded[name])

    # A tag may itself be an alias of another name, which then counts as well.
    never = _reach(_reach(NEVER_TAGS, becomes), leads)
    return {*NEVER_TAGS, *(name.lower() for name in folded if folded[name] in never)}


def _reach(starts: Iterable[str], steps: dict[str, list[str]]) -> set[str]:
    """Follow all steps from some names; return them and all that they lead to."""
    reached: set[str] = set()
    ahead = list(starts)
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += steps.get(name, ())
    return reached


def read_rule(store: Store) -> tuple[set[int], set[str]]:
    """Read which tags of an index fall under the rule: tag ids, and folded names.

    The import records its `never_names` in its sidecars. E6DB's own files have
    none; then the aliases and implications of the index still tell. The names
    matter for tags that have no id.
    """
    tag_ids = read_tags(store)[0]
    implied, rejected = read_implications(store)
    parameters = store.sidecar("tag2idx.json.gz").get("parameters", {})
    names = {fold(name) for name in (*NEVER_TAGS, *parameters.get("never", ()))}
    ids: set[int] = set()
    known = -1
    while known < len(ids) + len(names):
        known = len(ids) + len(names)
        ids |= {tag for name, tag in tag_ids.items() if is_under(name, names)}
        ids |= {tag for tag, others in implied.items() if not ids.isdisjoint(others)}
        names |= {fold(name) for name, tag in tag_ids.items() if tag in ids}
        for name, others in rejected.items():
            if not ids.isdisjoint(others):
                names.add(fold(name))
    return ids, names


def never_shown(store: Store) -> np.ndarray:
    """Find the rows of `posts.parquet` that the rule forbids, bool (n,).

    Our import has left such posts out, but the file may be another importer's.
    """
    rule = read_rule(store)
    columns = ("stripped_tags", "implied_tags", "other_tags", "md5")
    pictures: set[str] = set()

    def of_group(posts: pa.Table) -> np.ndarray:
        rows = forbidden(posts, *rule)
        pictures.update(pictures_of(posts, rows))
        return rows

    groups = parquet.row_groups(store, "posts.parquet", "rating", among=columns)
    found = np.concatenate([np.zeros(0, bool), *in_order(of_group, groups)])
    if pictures:
        md5s = parquet.read_table(store, "posts.parquet", "md5")
        found |= has_picture(md5s, pictures)
    return found


def forbidden(posts: pa.Table, ids: set[int], names: set[str]) -> np.ndarray:
    """Find the rows of a table of posts that the rule forbids, bool (n,).

    Parameters
    ----------
    posts : with a column `rating`, and any of `md5` and the lists of tag ids or
        (`other_tags`) of names.
    ids, names : the rule, as `read_rule` gives it.
    """
    is_never = np.zeros(max(ids, default=-1) + 2, bool)  # by tag id; the last is all others
    is_never[list(ids)] = True
    starts = range(0, len(posts), ROWS_AT_ONCE)
    parts = [posts.slice(start, ROWS_AT_ONCE) for start in starts]
    found = [np.zeros(0, bool), *in_order(lambda part: _joined(part, is_never, names), parts)]
    rows = np.concatenate(found)
    return rows | has_picture(posts, pictures_of(posts, rows))


def _joined(posts: pa.Table, is_never: np.ndarray, names: set[str]) -> np.ndarray:
    """Find the rows that join a tag under the rule with a rating other than s, bool (n,)."""
    not_safe = pc.fill_null(pc.not_equal(posts["rating"], "s"), True).to_numpy()
    holds = np.zeros(len(posts), bool)
    for column in ("tags", "stripped_tags", "implied_tags", "other_tags"):
        if column not in posts.column_names or not not_safe.any():
            continue
        lists = one_chunk(posts[column])
        offsets = lists.offsets.to_numpy()
        values = lists.values[offsets[0] : offsets[-1]]
        if column == "other_tags":
            found = _names_under(values, names)
        else:
            tags = pc.fill_null(values, 0).to_numpy().astype(np.intp, copy=False)
            found = is_never.take(tags, mode="clip")
        rows = np.searchsorted(offsets - offsets[0], np.flatnonzero(found), side="right") - 1
        holds[rows] = True
    return holds & not_safe


def _names_under(values: pa.Array, names: set[str]) -> np.ndarray:
    """Find the names that the rule forbids, bool (n,); each distinct one is read once."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    distinct = values.unique().drop_null().to_pylist()
    under = [name for name in distinct if is_under(name, names)]
    found = pc.is_in(values, pa.array(under, values.type))
    return found.to_numpy(zero_copy_only=False)


def pictures_of(posts: pa.Table, rows: np.ndarray) -> set[str]:
    """Return the MD5s, in lower case, of some rows (bool (n,)); what is no MD5 is left out."""
    if "md5" not in posts.column_names or not rows.any():
        return set()
    return set(_md5s(posts.filter(pa.array(rows))).to_pylist()) - {""}


def has_picture(posts: pa.Table, pictures: set[str]) -> np.ndarray:
    """Find the rows whose MD5 is one of `pictures`, bool (n,)."""
    if not pictures:
        return np.zeros(len(posts), bool)
    return pc.is_in(_md5s(posts), pa.array(sorted(pictures))).to_numpy()


def _md5s(posts: pa.Table) -> pa.ChunkedArray:
    """Return the MD5s of posts in lower case, "" for others; spaces around one are dropped."""
    trimmed = pc.utf8_trim_whitespace(pc.cast(posts["md5"], pa.string()))
    return parquet.usable_md5s(trimmed)
