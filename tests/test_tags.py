"""E6DB's tag interface: the files it writes by hand, the calls its users make, worked answers."""

import gzip
import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from conftest import PATIENCE

from e6graph.errors import BadArtifact, BadInput, E6GraphError, MissingArtifact, UnknownTag
from e6graph.tags import BACKGROUND, COLORS, PLOT_COLORS, RATING_TAGS, implications
from e6graph.tags import normalizer as module
from e6graph.tags.categories import FOREGROUND, PANEL, RATINGS
from e6graph.tags.normalizer import (
    TagNormalizer,
    TagSetNormalizer,
    load_implications,
    load_tags,
    tag_freq_to_rank,
    tag_rank_to_freq,
)

ROOT = Path(__file__).resolve().parents[1]

#      0         1         2      3        4        5         6
NAMES = ["solo", "mammal", "canine", "fox", "anthro", "ember_(artist)", "fennec"]
CATEGORIES = bytes([0, 5, 5, 5, 0, 1, 5])
TAG2IDX = {name: idx for idx, name in enumerate(NAMES)} | {"vixen": 3, "emberart": 5}
IMPLICATIONS = {2: [1], 3: [1, 2], 6: [1, 2, 3]}
REJECTED = {"corsac": [1, 2, 3]}


def write_gz(directory, name, data):
    directory.mkdir(exist_ok=True)
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    (directory / name).write_bytes(gzip.compress(data))
    return directory


@pytest.fixture
def by_hand(tmp_path):
    """The five files as E6DB lays them out, with no sidecar beside them."""
    directory = tmp_path / "e6db"
    write_gz(directory, "tags.txt.gz", "".join(name + "\n" for name in NAMES).encode())
    write_gz(directory, "tags_categories.bin.gz", CATEGORIES)
    write_gz(directory, "tag2idx.json.gz", TAG2IDX)
    write_gz(directory, "implications.json.gz", {str(k): v for k, v in IMPLICATIONS.items()})
    write_gz(directory, "implications_rej.json.gz", REJECTED)
    return directory


def normalizer():
    return TagNormalizer(TAG2IDX, NAMES, CATEGORIES)


def tagsets(implications=IMPLICATIONS, rejected=REJECTED):
    return TagSetNormalizer(normalizer(), implications, rejected)


# -- files -----------------------------------------------------------------------------------------
def test_files_written_by_hand_load(by_hand):
    assert load_tags(by_hand) == (TAG2IDX, NAMES, CATEGORIES)
    assert load_tags(str(by_hand)) == load_tags(by_hand)
    assert load_implications(by_hand) == (IMPLICATIONS, REJECTED)


def test_the_last_line_of_the_names_may_be_ended_or_not(by_hand):
    write_gz(by_hand, "tags.txt.gz", "\n".join(NAMES).encode())
    assert load_tags(by_hand)[1] == NAMES


def test_files_of_the_import_load(built_index):
    tag2idx, names, categories = load_tags(built_index)
    assert len(names) == len(categories) == len(set(names))
    assert tag2idx["vixen"] == tag2idx["todd"] == tag2idx["fox"] == names.index("fox")
    tags = TagSetNormalizer.load(built_index)
    assert tags.tag_normalizer.get_category("ember_(artist)") == "artist"
    ids, implied = tags.encode(["todd", "mammal", "canine", "moss"])
    assert tags.decode(ids) == ["fox", "moss"]
    assert sorted(tags.decode(implied)) == ["canine", "mammal"]


def test_real_counts(tate_index):
    tag2idx, names, categories = load_tags(tate_index)
    implications, rejected = load_implications(tate_index)
    assert (len(names), len(categories), len(tag2idx)) == (10230, 10230, 13918)
    assert (len(implications), len(rejected)) == (8139, 8450)
    tags = TagSetNormalizer(TagNormalizer(tag2idx, names, categories), implications, rejected)
    assert tags.implications == implications  # the import closed them


def test_only_the_standard_library_is_imported():
    code = "import e6graph.tags, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "e6graph.tags" in loaded
    assert not {"numpy", "pyarrow", "pandas", "scipy", "rapidfuzz"} & set(loaded)


def test_without_any_package_tags_are_read_and_unknown_ones_get_the_nearest_names():
    """`-S` leaves out the installed packages, of which spelling has one."""
    code = """if True:
        import sys
        from e6graph.tags import TagNormalizer
        tags = TagNormalizer({"fox": 0, "vixen": 0, "owl": 1}, ["fox", "owl"], bytes(2))
        assert tags.decode(tags.encode("vixen")) == "fox"
        try:
            tags.get_category("vixenn")
        except Exception as error:
            print(error)
        assert "rapidfuzz" not in sys.modules
    """
    command = [sys.executable, "-S", "-E", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE)
    assert done.stdout == "no tag 'vixenn'; nearest names: vixen\n", done.stderr


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("tags.txt.gz", b"\xff\n", "cannot be read"),
        ("tags.txt.gz", b"fox\nowl\n", "belong together"),
        ("tags.txt.gz", "\n".join(NAMES[::-1]).encode(), "belong together"),
        ("tags_categories.bin.gz", b"\0", "belong together"),
        ("tag2idx.json.gz", [1], "list .* expected an object"),
        ("tag2idx.json.gz", {"fox": "3"}, "'fox' has '3', expected an id"),
        ("tag2idx.json.gz", TAG2IDX | {"late": 7}, "belong together"),
        ("implications.json.gz", {"fox": [1]}, "invalid literal"),
        ("implications.json.gz", {"3": 1}, "'3' has 1, expected a list of ids"),
        ("implications_rej.json.gz", b"{", "cannot be read"),
    ],
)
def test_a_damaged_file_gives_one_line(by_hand, name, data, said):
    write_gz(by_hand, name, data)
    with pytest.raises(BadArtifact, match=said) as caught:
        load_tags(by_hand)
        load_implications(by_hand)
    assert "run hydrate_data.py" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["tags.txt.gz", "tag2idx.json.gz", "implications_rej.json.gz"])
def test_a_file_cut_short_or_missing_is_named(by_hand, name):
    path = by_hand / name
    for data in (path.read_bytes()[:-9], b"no gzip"):
        path.write_bytes(data)
        with pytest.raises(BadArtifact, match=name):
            load_tags(by_hand)
            load_implications(by_hand)
    path.unlink()
    with pytest.raises(MissingArtifact, match=f"{name} is missing: run hydrate_data.py first"):
        load_tags(by_hand)
        load_implications(by_hand)


# -- numbers ---------------------------------------------------------------------------------------
def test_the_fit_and_its_inverse():
    by_hand = math.exp(26.4284 * math.tanh(2.93505 * 500**-0.136501) - 11.492)
    assert tag_rank_to_freq(500) == by_hand
    for rank in (1, 2, 10, 999, 50_000, 1e6):
        assert tag_freq_to_rank(tag_rank_to_freq(rank)) == pytest.approx(rank, rel=1e-9)
    assert tag_rank_to_freq(0) == math.exp(26.4284 - 11.492)
    assert tag_freq_to_rank(1e9) == 0 and tag_freq_to_rank(0) == math.inf
    assert tag_freq_to_rank(tag_rank_to_freq(0)) == 0
    with pytest.raises(BadInput, match="rank -1"):
        tag_rank_to_freq(-1)


def contrast(one, other):
    """WCAG 2.1's ratio of two #rrggbb colors."""

    def luminance(color):
        parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_categories_and_colors():
    assert module.tag_categories[5] == "species" and module.tag_categories[9] == "pool"
    assert module.tag_category2id == {n: i for i, n in enumerate(module.CATEGORIES)}
    assert module.tag_categories_colors[1] == module.tag_category2color["artist"] == "#f2ac08"
    assert module.tag_categories_alt_colors[1] == module.tag_category2alt_color["artist"]
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for site, light in zip(
        module.tag_categories_colors, module.tag_categories_alt_colors, strict=True
    ):
        assert contrast(site, BACKGROUND) > 2.9
        assert contrast(light, "#ffffff") >= 4.5
    assert len(set(module.tag_categories_alt_colors)) == len(module.CATEGORIES) == 10


def test_colors_of_plots_can_be_told_apart():
    def distance(one, other):
        parts = ((int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
        return math.dist(*zip(*parts, strict=True))

    assert PLOT_COLORS.keys() == COLORS.keys()
    assert {n for n in COLORS if PLOT_COLORS[n] != COLORS[n]} == {"lore"}
    colors = PLOT_COLORS.values()
    for color in (*colors, FOREGROUND):
        assert contrast(color, BACKGROUND) > 2.9
    assert contrast(FOREGROUND, PANEL) >= 4.5
    lore = PLOT_COLORS["lore"]
    assert min(distance(lore, color) for color in colors if color != lore) > 100
    assert distance(COLORS["lore"], COLORS["character"]) < 80  # what this is for


def test_every_rating_has_its_tag():
    assert dict(zip(RATINGS, RATING_TAGS, strict=True)) == {
        "s": "rating_safe",
        "q": "rating_questionable",
        "e": "rating_explicit",
    }


# -- one tag ---------------------------------------------------------------------------------------
def test_read_and_write_one_tag():
    tags = normalizer()
    assert (tags.encode("vixen"), tags.encode("owl"), tags.encode("owl", -1)) == (3, None, -1)
    assert (tags.decode(3), tags.decode("owl")) == ("fox", "owl")
    assert [tags.get(idx, "none") for idx in range(8)] == [*NAMES, "none"]
    assert (tags.get(-1), tags.get(-1, "x")) == (None, "x")
    assert (tags.get("vixen"), tags.get(3), tags.get("owl", 9), tags.get(77, "x")) == (
        3,
        "fox",
        9,
        "x",
    )
    assert tags.get_category("emberart") == "artist"
    assert tags.get_category(5, as_string=False) == 1
    assert tags.get_reverse_mapping()[3] == ["fox", "vixen"]


def test_tags_that_are_not_there_are_named():
    with pytest.raises(UnknownTag, match="no tag 'vixenn'; nearest names: vixen"):
        normalizer().get_category("vixenn")
    for idx in (7, -1):
        with pytest.raises(UnknownTag, match=f"tag id {idx}: expected 0 to 6"):
            normalizer().decode(idx)


def test_the_callers_tables_are_not_changed():
    tag2idx, names = dict(TAG2IDX), list(NAMES)
    tags = TagNormalizer(tag2idx, names, CATEGORIES)
    tags.add_input_mappings("zorro", "fox")
    tags.rename_output("fox", "zorro")
    assert (tag2idx, names) == (TAG2IDX, NAMES)


@pytest.mark.parametrize(
    ("on_conflict", "vixen", "solo"),
    [("overwrite", 2, 2), ("overwrite_rarest", 2, 0), ("silent", 3, 0)],
)
def test_a_string_that_stands_for_another_tag(on_conflict, vixen, solo):
    tags = normalizer()
    tags.add_input_mappings(["vixen", "solo", "dog"], "canine", on_conflict)
    assert (tags.encode("vixen"), tags.encode("solo"), tags.encode("dog")) == (vixen, solo, 2)


def test_a_conflict_is_raised_or_warned_of():
    tags = normalizer()
    with pytest.raises(ValueError, match="'vixen' stands for 'fox', not 'canine'") as caught:
        tags.add_input_mappings("vixen", 2)
    assert isinstance(caught.value, E6GraphError)
    with pytest.warns(UserWarning, match="'vixen' stands for 'fox'"):
        tags.add_input_mappings(["vixen", "dog"], 2, on_conflict="warn")
    assert (tags.encode("vixen"), tags.encode("dog")) == (3, 2)
    tags.add_input_mappings("vixen", "fox")  # what is so already is no conflict
    with pytest.raises(BadInput, match="on_conflict is 'loud', expected raise, warn"):
        tags.add_input_mappings("dog", 2, on_conflict="loud")
    with pytest.raises(UnknownTag, match="no tag 'owl'"):
        tags.add_input_mappings("bird", "owl")


def test_removing_and_renaming():
    tags = normalizer()
    tags.remove_input_mappings(["vixen", "never_there"])
    tags.remove_input_mappings("emberart")
    tags.rename_output("fox", "red fox")
    tags.rename_output(2, "canid")
    assert (tags.encode("vixen"), tags.encode("emberart")) == (None, None)
    assert (tags.decode(3), tags.decode(2), tags.encode("fox")) == ("red fox", "canid", 3)
    assert tags.encode("red fox") is None


def test_mapping_inputs_and_outputs():
    tags = normalizer()

    def spaces(tag, idx):
        assert TAG2IDX[tag] == idx
        return [tag, tag.replace("_", " ")]

    both = tags.map_inputs(spaces)
    assert both.encode("ember (artist)") == both.encode("ember_(artist)") == 5
    assert tags.encode("ember (artist)") is None
    upper = both.map_outputs(lambda tag, idx: f"{tag.upper()}{idx}")
    assert (upper.decode(3), both.decode(3), upper.encode("vixen")) == ("FOX3", "fox", 3)
    first = tags.map_inputs(lambda tag, _: tag[0], on_conflict="overwrite_rarest")
    assert first.tag2idx == {"s": 0, "m": 1, "c": 2, "f": 3, "a": 4, "e": 5, "v": 3}
    with pytest.raises(ValueError, match="'f' stands for 'fox', not 'fennec'"):
        tags.map_inputs(lambda tag, _: tag[0])


# -- sets of tags ----------------------------------------------------------------------------------
def test_implied_tags():
    tags = tagsets()
    assert tags.get_implied(3) == tags.get_implied("vixen") == [1, 2]
    assert (tags.get_implied("corsac"), tags.get_implied("owl")) == ([1, 2, 3], [])


def test_a_set_is_read_without_what_it_implies():
    tags = tagsets()
    given = ["moon", "mammal", "vixen", "fox", "solo", "canine", "moon"]
    assert tags.encode(given) == (["moon", 3, 0], {1, 2})
    assert tags.encode(given, keep_implied=True) == (["moon", 1, 3, 0, 2], {1, 2})
    assert tags.encode(given, keep_implied={2}) == (["moon", 3, 0, 2], {1, 2})
    assert tags.encode(["corsac", "fox"]) == (["corsac"], {1, 2, 3})
    assert tags.encode([]) == ([], set())
    assert tags.encode([3, 1]) == ([3], {1, 2})
    assert tags.decode(["moon", 3, 0]) == ["moon", "fox", "solo"]


def test_rare_antecedents_leave_what_they_imply():
    tags = tagsets()
    given = ["fennec", "fox", "canine", "mammal"]
    assert tags.encode(given, max_antecedent_rank=6) == ([6, 3], {1, 2})
    assert tags.encode(given, max_antecedent_rank=3) == ([6, 3, 2], {1})
    assert tags.encode(given, max_antecedent_rank=0) == ([6, 3, 2, 1], set())
    assert tags.encode(["corsac", "fox"], max_antecedent_rank=7) == (["corsac", 3], {1, 2})


def test_rare_antecedents_give_way_to_what_they_imply():
    tags = tagsets()
    assert tags.encode(["solo", "fennec", "mammal"], drop_antecedent_rank=6) == ([0, 3], {1, 2})
    assert tags.encode(["fennec"], drop_antecedent_rank=3) == ([2], {1})
    assert tags.encode(["fennec"], drop_antecedent_rank=1) == ([1], set())
    assert tags.encode(["corsac", "anthro"], drop_antecedent_rank=6) == ([3, 4], {1, 2})
    # a rare tag that implies nothing is no antecedent
    assert tags.encode(["ember_(artist)", "moon"], drop_antecedent_rank=0)[0] == [5, "moon"]


def test_implications_that_are_not_closed_are_closed():
    tags = tagsets({6: [3], 3: [2], 2: [1]}, {"corsac": [3]})
    assert tags.get_implied(6) == tags.get_implied("corsac") == [1, 2, 3]
    assert tags.encode(["fennec", "mammal"])[0] == [6]


@pytest.mark.parametrize("cycle", [{1: [2], 2: [3], 3: [1]}, {1: [2, 3], 2: [1, 3], 3: [1, 2]}])
def test_a_cycle_ends_and_is_reported(cycle):
    with pytest.warns(UserWarning, match="3 tags imply each other: 'mammal', 'canine', 'fox'"):
        tags = tagsets(cycle | {6: [3]}, {})
    assert tags.get_implied(6) == [1, 2, 3]
    assert tags.encode(["fox", "canine", "mammal"]) == ([1], {1, 2, 3})  # the most used stays
    assert tags.encode(["fox", "canine"])[0] == [2]
    assert tags.encode(["fox", "fennec", "mammal"])[0] == [6]
    assert tags.encode(["fox"], drop_antecedent_rank=0)[0] == [3]


def test_of_many_tags_on_cycles_the_five_most_used_are_named():
    ring = {i: [(i + 1) % 7] for i in range(7)}
    names = ", ".join(map(repr, NAMES[:5]))
    with pytest.warns(UserWarning, match="7 tags imply each other") as warned:
        tagsets(ring, {})
    assert str(warned[0].message).endswith(names)


def test_a_tag_that_implies_itself_is_no_cycle():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tags = tagsets({3: [3, 2], 0: [0]}, {})
    assert (tags.encode(["fox", "canine"])[0], tags.encode(["solo"])[0]) == ([3], [0])


def test_implications_without_end_are_one_line(monkeypatch):
    monkeypatch.setattr(implications, "MOST_IMPLIED", 10)
    chain = [(i, i + 1) for i in range(4)]  # 4 + 3 + 2 + 1 pairs
    assert sum(map(len, implications.close_transitively(chain)[0].values())) == 10
    with pytest.raises(BadInput, match="more than 10 pairs"):
        implications.close_transitively([*chain, (9, 0)])


def test_an_implication_out_of_range_is_refused():
    with pytest.raises(BadInput, match=r"'corsac' implies \[7\]: expected ids below 7"):
        tagsets(rejected={"corsac": [7]})


def test_sets_map_inputs_and_outputs():
    seen = {}

    def prefixed(tag, idx):
        seen[tag] = idx
        return [tag, f"by_{tag}"]

    tags = tagsets().map_inputs(prefixed).map_outputs(lambda tag, _: tag.replace("_", " "))
    assert seen == TAG2IDX | {"corsac": None}
    assert tags.encode(["by_vixen", "canine", "by_corsac"])[0] == ["by_corsac"]
    assert tags.decode(tags.encode(["by_emberart", "a_b"])[0]) == ["ember (artist)", "a_b"]


def test_code_written_for_e6db_runs(by_hand):
    tag2idx, idx2tag, tag_categories = load_tags(by_hand)
    implications, implications_rej = load_implications(by_hand)
    tag_normalizer = TagNormalizer(tag2idx, idx2tag, tag_categories)
    tagset_normalizer = TagSetNormalizer(tag_normalizer, implications, implications_rej)
    artist = module.tag_category2id["artist"]

    def input_map(tag, tid):
        yield tag
        if tid is not None and tag_normalizer.tag_categories[tid] == artist:
            yield f"by_{tag.removesuffix('_(artist)')}"

    tagset_normalizer = tagset_normalizer.map_inputs(input_map, on_conflict="overwrite_rarest")
    tagset_normalizer.tag_normalizer.add_input_mappings("rating_s", "solo")
    tagset_normalizer = tagset_normalizer.map_outputs(lambda t, i: t.replace("_", " "))
    tags, implied = tagset_normalizer.encode(
        ["by_ember", "vixen", "mammal", "rating_s", "my_oc"],
        keep_implied={tag_normalizer.encode("canine")},
        max_antecedent_rank=int(tag_freq_to_rank(100)),
    )
    assert tagset_normalizer.decode(tags) == ["ember (artist)", "fox", "solo", "my_oc"]
    assert {tag_normalizer.decode(i) for i in implied} == {"mammal", "canine"}
