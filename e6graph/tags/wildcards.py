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
        firsts = {piece for piece, *_ in pieces.values()}
        holders = self._holders([piece for piece in firsts if len(piece) >= GRAM])
        found = {}
        for pattern, (piece, *others) in pieces.items():
            if piece in holders:
                found[pattern] = holders[piece]
            elif piece:  # of one or two bytes
                places = np.flatnonzero(self._text == piece[0])
                names = np.searchsorted(self._starts, places, side="right") - 1
                found[pattern] = self._fitting(piece, places, names)
            else:
                found[pattern] = np.arange(len(self._names))
            if others:
                some = ((i, self._names[i]) for i in found[pattern].tolist())
                fitting = [i for i, name in some if fits(pattern, name)]
                found[pattern] = np.array(fitting, np.int64)
        return found

    def _holders(self, pieces: list[bytes]) -> dict[bytes, np.ndarray]:
        """Return the positions of the names that hold each piece of `GRAM` bytes or more."""
        if not pieces:
            return {}
        codes = _codes(self._text)
        seen = np.bincount(codes[::SAMPLED], minlength=1 << (8 * GRAM))
        grams = _rarest_grams(pieces, seen)
        sought = np.unique(grams[:, 0])
        numbers = np.zeros(1 << (8 * GRAM), np.min_scalar_type(len(sought)))
        numbers[sought] = np.arange(1, len(sought) + 1)  # 0 is none of them

        # The places of each gram that is sought, gram by gram, and the names there.
        numbers = numbers[codes]
        places = np.flatnonzero(numbers)
        numbers = numbers[places]
        order = np.argsort(numbers, kind="stable")  # up to 16 bits in linear time
        ends = np.cumsum(np.bincount(numbers, minlength=len(sought) + 1))
        names = np.cumsum(self._text == ord("\n"), dtype=np.int32)[places][order] - 1
        places = places[order]

        number_of = np.searchsorted(sought, grams[:, 0]).tolist()
        holders = {}
        for piece, at, number in zip(pieces, grams[:, 1].tolist(), number_of, strict=True):
            here = slice(ends[number], ends[number + 1])
            holders[piece] = self._fitting(piece, places[here] - at, names[here], at)
        return holders

    def _fitting(
        self, piece: bytes, starts: np.ndarray, names: np.ndarray, known: int | None = None
    ) -> np.ndarray:
        """Return the names that hold a piece at one of some places, ascending, int64.

        Parameters
        ----------
        names : which name each place is in, ascending.
        known : where in the piece the gram begins that is known to be there.
        """
        inside = (starts >= 0) & (starts <= len(self._text) - len(piece))
        starts, names = starts[inside], names[inside]
        for at, byte in enumerate(piece):
            if known is None or not known <= at < known + GRAM:
                fitting = self._text[starts + at] == byte
                starts, names = starts[fitting], names[fitting]
        return names[run_starts(names)].astype(np.int64)  # a name may hold a piece twice


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


def _rarest_grams(pieces: list[bytes], seen: np.ndarray) -> np.ndarray:
    """Return, of each piece, the gram that was seen least and where it begins, int64 (n, 2)."""
    codes = _codes(np.frombuffer(b"".join(pieces), np.uint8))
    counts = seen[codes].tolist()
    grams, begin = [], 0
    for piece in pieces:
        some = counts[begin : begin + len(piece) - GRAM + 1]
        at = some.index(min(some))
        grams.append((int(codes[begin + at]), at))
        begin += len(piece)
    return np.array(grams)
