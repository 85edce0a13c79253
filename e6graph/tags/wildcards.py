"""Find names by patterns in which `*` stands for any run of characters, also for none."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable

import numpy as np

from ..store.ragged import run_starts

GRAM = 3  # bytes by which a pattern is looked up
SAMPLED = 61  # of so many places one is counted, to tell rare bytes from frequent ones


def fits(pattern: str, name: str) -> bool:
    """Tell whether a name fits a pattern; the time does not depend on the number of `*`.

    >>> [name for name in ("fox", "fox_[x]", "fox_x") if fits("fox_[*", name)]
    ['fox_[x]']
    """
    first, *middle = pattern.split("*")
    if not middle:
        return pattern == name
    *middle, last = middle
    at, end = len(first), len(name) - len(last)
    if end < at or not (name.startswith(first) and name.endswith(last)):
        return False
    for piece in middle:  # each as far to the left as it goes
        at = name.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


class NameSearch:
    r"""Many patterns against many names at once.

    All names stand in one text, each between two line feeds, so that `fox*` is a
    search for "\nfox". A pattern is looked up by three bytes of it, the rarest
    ones, and only the places found are compared. One search reads the text once,
    however many patterns there are. It takes four times the text in memory, so
    those of several threads go one after the other.

    Parameters
    ----------
    names : without line feeds; a name is known by its position.

    >>> search = NameSearch(["fox", "red_fox", "owl"])
    >>> {pattern: found.tolist() for pattern, found in search.find(["*fox", "o*l"]).items()}
    {'*fox': [0, 1], 'o*l': [2]}
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        text = "\n".join(["", *self._names, ""]).encode("utf-8", "surrogatepass")
        self._text = np.frombuffer(text, np.uint8)
        self._starts = np.flatnonzero(self._text == ord("\n"))[:-1]  # one a name
        self._turn = threading.Lock()

    def find(self, patterns: Collection[str]) -> dict[str, np.ndarray]:
        """Return the positions of the names that fit each pattern, ascending, int64."""
        with self._turn:
            return self._found(patterns)

    def _found(self, patterns: Collection[str]) -> dict[str, np.ndarray]:
        pieces = {pattern: _pieces(pattern) for pattern in patterns}
        grams = {parts[0]: _codes(_bytes(parts[0])) for parts in pieces.values()}
        long = any(map(len, grams.values()))
        codes = _codes(self._text) if long else np.zeros(0, np.uint32)
        seen = np.bincount(codes[::SAMPLED], minlength=1 << (8 * GRAM) if long else 0)
        rarest = {piece: int(seen[some].argmin()) for piece, some in grams.items() if len(some)}
        wanted = np.zeros(1 << (8 * GRAM) if long else 0, bool)
        for piece, at in rarest.items():
            wanted[grams[piece][at]] = True

        # The places of each gram that is wanted, gram by gram.
        places = np.flatnonzero(wanted[codes])
        codes = codes[places]
        order = np.argsort(codes, kind="stable")
        places, codes = places[order], codes[order]

        found = {}
        for pattern, (piece, *others) in pieces.items():
            if not piece:
                found[pattern] = np.arange(len(self._names))
                continue
            if piece in rarest:
                gram = grams[piece][rarest[piece]]
                begin = np.searchsorted(codes, gram)
                end = np.searchsorted(codes, gram, side="right")
                starts = places[begin:end] - rarest[piece]
            else:  # of one or two bytes
                starts = np.flatnonzero(self._text == piece[0])
            found[pattern] = self._numbers(piece, starts)
            if others:
                names = ((i, self._names[i]) for i in found[pattern].tolist())
                fitting = [i for i, name in names if fits(pattern, name)]
                found[pattern] = np.array(fitting, np.int64)
        return found

    def _numbers(self, piece: bytes, starts: np.ndarray) -> np.ndarray:
        """Return which names hold a piece that begins at one of some places, ascending."""
        starts = starts[(starts >= 0) & (starts <= len(self._text) - len(piece))]
        for at, byte in enumerate(piece):
            starts = starts[self._text[starts + at] == byte]
        found = np.searchsorted(self._starts, starts, side="right") - 1
        return found[run_starts(found)]  # a name may hold a piece twice


def _pieces(pattern: str) -> list[bytes]:
    """Split a pattern at `*`, with the ends of the name as line feeds; the longest is first."""
    texts = f"\n{pattern}\n".split("*")
    # An end alone says nothing: every name has one.
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts if text.strip("\n")]
    return sorted(pieces, key=len, reverse=True) or [b""]


def _codes(text: np.ndarray) -> np.ndarray:
    """Return the number that the `GRAM` bytes at each place of a text make, uint32."""
    size = max(0, len(text) - GRAM + 1)
    codes = np.zeros(size, np.uint32)
    for at in range(GRAM):
        codes <<= np.uint32(8)
        codes |= text[at : at + size]
    return codes


def _bytes(piece: bytes) -> np.ndarray:
    return np.frombuffer(piece, np.uint8)
