"""Suggestions for a name that is not known: the likeliest ones, in an order that is fixed."""

import difflib
import random
import sys

import numpy as np
import pytest

from e6graph.tags.spelling import CUTOFF, nearest_names


@pytest.fixture(params=["rapidfuzz", "difflib"])
def either(request, monkeypatch):
    """With the library, and with the standard library alone."""
    if request.param == "difflib":
        monkeypatch.setitem(sys.modules, "rapidfuzz", None)


def test_close_spellings_come_first_and_strangers_not_at_all(either):
    assert nearest_names("nihgt", ["owl", "light", "night"])[0] == "night"
    assert nearest_names("FOKS", ["forest", "fox", "owl"])[0] in ("fox", "forest")
    assert nearest_names("zzzzz", ["night"]) == []
    assert nearest_names("", ["night"]) == [] and nearest_names("night", []) == []
    assert nearest_names("night", ["night", "nights"], 1) == ["night"]


def likeness(one, other):
    """2M / T, with M the length of the longest common subsequence, worked out by table."""
    row = [0] * (len(other) + 1)
    for letter in one:
        last = row
        row = [0]
        for at, also in enumerate(other):
            row.append(last[at] + 1 if letter == also else max(row[at], last[at + 1]))
    return 2 * row[-1] / (len(one) + len(other))


def test_no_better_name_is_missed():
    """difflib finds fewer common letters than there are, never more."""
    assert likeness("nihgt", "night") == 0.8
    rng = np.random.default_rng(0)
    letters = np.array(list("aeinorst_"))
    names = sorted({"".join(rng.choice(letters, rng.integers(3, 12))) for _ in range(3000)})
    compared = 0
    for _ in range(30):
        typed = "".join(rng.choice(letters, 7))
        got = nearest_names(typed, names, 1)[0]
        best = max(likeness(typed, name) for name in rng.choice(names, 300))
        assert likeness(typed, got) >= best
        for found in difflib.get_close_matches(typed, names, 1, CUTOFF):
            assert likeness(typed, got) >= difflib.SequenceMatcher(None, found, typed).ratio()
            compared += 1
    assert compared > 5


TYPOS = {
    "a letter left out": lambda word, at: word[:at] + word[at + 1 :],
    "a letter twice": lambda word, at: word[:at] + word[at] + word[at:],
    "a wrong letter": lambda word, at: word[:at] + "q" + word[at + 1 :],
    "two letters swapped": lambda word, at: (
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    ),
}
WORDS = ["forest_fox", "red_panda", "snow_leopard", "night_sky", "watercolor", "waterfall"]


@pytest.mark.parametrize("typo", TYPOS)
def test_a_typo_still_finds_its_word_among_many(either, typo):
    rng = random.Random(0)
    names = ["".join(rng.choices("aeinorst_", k=rng.randrange(4, 14))) for _ in range(2000)]
    names += WORDS
    for word in WORDS:
        for at in range(len(word) - 1):
            assert nearest_names(TYPOS[typo](word, at), names, 1) == [word]


def test_equally_like_names_keep_their_order():
    names = ["bat", "cat", "hat", "mat", "rat"]
    for order in (names, names[::-1]):
        assert nearest_names("zat", order, 3) == order[:3]
        assert nearest_names("zat", order, 9) == order
    assert nearest_names("zat", ["zebra", *names, "zap", "zat"], 2) == ["zat", "bat"]


def test_names_that_are_not_ascii(either):
    assert nearest_names("pokemon", ["pokémon", "owl"]) == ["pokémon"]
    assert nearest_names("猫耳", ["猫耳朵", "owl"]) == ["猫耳朵"]
