"""Find names by patterns in which `*` stands for any run of characters, also for none."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

GRAM = 3  # bytes by which a pattern is looked up


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
    however many patterns there are.

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

    def find(self, patterns: Collection[str]) -> dict[str, np.ndarray]:
        """Return the positions of the names that fit each pattern, ascending, int64."""
        pieces = {pattern: _pieces(pattern) for pattern in patterns}
        wanted = np.zeros(1 << (8 * GRAM), bool)
        for parts in pieces.values():
            wanted[_grams(parts[0])] = True
        places = codes = np.zeros(0, np.int64)
        if wanted.any() and len(self._text) >= GRAM:
            all_codes = self._codes()
            places = np.flatnonzero(wanted[all_codes])
            codes = all_codes[places]
            order = np.argsort(codes, kind="stable")
            places, codes = places[order], codes[order]
        return {
            pattern: self._fitting(pattern, parts, places, codes)
            for pattern, parts in pieces.items()
        }

    def _codes(self) -> np.ndarray:
        """Return the number that the `GRAM` bytes at each place make, uint32."""
        size = len(self._text) - GRAM + 1
        codes = np.zeros(size, np.uint32)
        for at in range(GRAM):
            codes <<= np.uint32(8)
            codes |= self._text[at : at + size]
        return codes

    def _fitting(
        self, pattern: str, parts: list[bytes], places: np.ndarray, codes: np.ndarray
    ) -> np.ndarray:
        longest = parts[0]
        if not longest:
            return np.arange(len(self._names))
        starts = self._places(longest, places, codes)
        found = np.unique(np.searchsorted(self._starts, starts, side="right") - 1)
        found = found[found < len(self._names)]
        if len(parts) > 1:
            fitting = [i for i in found.tolist() if fits(pattern, self._names[i])]
            found = np.array(fitting, np.int64)
        return found

    def _places(self, piece: bytes, places: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return where a piece stands in the text; `places` are ordered by `codes`."""
        grams = _grams(piece)
        if grams:
            low = np.searchsorted(codes, grams)
            counts = np.searchsorted(codes, grams, side="right") - low
            rarest = int(counts.argmin())
            begin = int(low[rarest])
            starts = places[begin : begin + int(counts[rarest])] - rarest
        else:  # a piece of one or two bytes
            starts = np.flatnonzero(self._text == piece[0])
        last = len(self._text) - len(piece)
        starts = starts[(starts >= 0) & (starts <= last)]
        for at, byte in enumerate(piece):
            starts = starts[self._text[starts + at] == byte]
        return starts


def _pieces(pattern: str) -> list[bytes]:
    """Split a pattern at `*`, with the ends of the name as line feeds; the longest is first."""
    texts = f"\n{pattern}\n".split("*")
    # An end alone says nothing: every name has one.
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts if text.strip("\n")]
    return sorted(pieces, key=len, reverse=True) or [b""]


def _grams(piece: bytes) -> list[int]:
    return [
        int.from_bytes(piece[at : at + GRAM], "big") for at in range(len(piece) - GRAM + 1)
    ]
