"""Suggestions: what difflib gives for all names, found without asking it about all."""

import difflib

import numpy as np

from e6graph.tags.spelling import CUTOFF, nearest_names


def test_close_spellings_come_first_and_strangers_not_at_all():
    assert nearest_names("nihgt", ["owl", "light", "night"])[0] == "night"
    assert nearest_names("FOKS", ["forest", "fox", "owl"])[0] in ("fox", "forest")
    assert nearest_names("zzzzz", ["night"]) == []
    assert nearest_names("", ["night"]) == [] and nearest_names("night", []) == []


def test_no_better_name_is_missed_for_the_prefilter():
    rng = np.random.default_rng(0)
    letters = np.array(list("aeinorst_"))
    names = sorted({"".join(rng.choice(letters, rng.integers(3, 12))) for _ in range(3000)})
    for _ in range(30):
        typed = "".join(rng.choice(letters, 7))
        best = difflib.get_close_matches(typed, names, 1, CUTOFF)
        got = nearest_names(typed, names, 1)

        def ratio(found, typed=typed):
            return max(
                (difflib.SequenceMatcher(None, f, typed).ratio() for f in found), default=0
            )

        assert ratio(got) >= ratio(best) - 0.1


def test_names_that_are_not_ascii():
    assert nearest_names("pokemon", ["pokémon", "owl"]) == ["pokémon"]
    assert nearest_names("猫耳", ["猫耳朵", "owl"]) == ["猫耳朵"]
