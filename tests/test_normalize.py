"""Caption files: each option on a caption worked by hand, and cleaning what is clean."""

import io
import os
import random
import re
import subprocess
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_tags import write_gz

from e6graph.errors import BadArtifact, BadInput, E6GraphError, MissingArtifact
from e6graph.normalize import (
    Cleaner,
    Config,
    find_config,
    folders,
    load_config,
    make_config,
    make_tagset_normalizer,
)
from e6graph.normalize.__main__ import main
from e6graph.tags.normalizer import tag_freq_to_rank

ROOT = Path(__file__).resolve().parents[1]

# name, category, posts
TAGS = [
    ("solo", 0, 900),
    ("mammal", 5, 800),
    ("canine", 5, 500),
    ("fox", 5, 300),
    ("red_fur", 0, 200),
    ("hi_res", 7, 150),
    ("rating_safe", 7, 140),
    ("domestic_dog", 5, 100),
    ("ember_(artist)", 1, 60),
    ("bow_(weapon)", 0, 50),
    ("fox_(artist)", 1, 40),
    ("tom_(cat)", 4, 30),
    ("fennec", 5, 20),
    ("tom_(tiger)", 4, 12),
    ("_fur_", 0, 11),
    ("absurd_res", 7, 10),
    ("by_the_sea", 1, 9),
    ("monsters_inc.", 3, 8),
    ("ember", 4, 7),
    (r"\(^o^)/", 0, 6),
    ("16:9", 7, 5),
    ("blue_dog", 5, 4),
]
ID = {name: idx for idx, (name, _, _) in enumerate(TAGS)}
ALIASES = {
    "vixen": "fox",
    "dog": "domestic_dog",
    "pup": "domestic_dog",
    "seaside": "by_the_sea",
    "old_ember_(artist)": "ember_(artist)",
    "high_resolution": "hi_res",
}
IMPLIES = {
    "canine": ["mammal"],
    "fox": ["canine", "mammal"],
    "fennec": ["fox", "canine", "mammal"],
    "domestic_dog": ["canine", "mammal"],
    "blue_dog": ["domestic_dog", "canine", "mammal"],
    "absurd_res": ["hi_res"],
}


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    """An index in E6DB's formats, written by hand; `tags.parquet` last."""
    directory = tmp_path_factory.mktemp("index")
    names, categories, posts = zip(*TAGS, strict=True)
    write_gz(directory, "tags.txt.gz", "\n".join(names).encode())
    write_gz(directory, "tags_categories.bin.gz", bytes(categories))
    write_gz(directory, "tag2idx.json.gz", ID | {a: ID[tag] for a, tag in ALIASES.items()})
    implied = {str(ID[tag]): [ID[other] for other in others] for tag, others in IMPLIES.items()}
    write_gz(directory, "implications.json.gz", implied)
    write_gz(directory, "implications_rej.json.gz", {"corsac": [ID["fox"], 2, 1]})
    table = pa.table(
        {"tag": names, "category": categories, "freq": pa.array(posts, pa.int32())}
    )
    pq.write_table(table, directory / "tags.parquet")
    return directory


def clean(index, text, **options):
    """The text of a caption cleaned twice: the second time must change nothing."""
    cleaner = Cleaner(make_config(options), index)
    text = cleaner.clean(text).text
    assert cleaner.clean(text).text == text
    return text


# -- how tags are read and written -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fox, red_fur,red fur , RED_FUR,,", "fox, red fur"),
        ("vixen, Pup", "fox, domestic dog"),
        ("ember_(artist)", "by ember"),
        ("by_ember, by ember (artist), old ember, by_old_ember", "by ember"),
        (r"ember \(artist\), \(^o^)/", r"by ember, \(^o^)/"),
        ("ember", "ember"),  # a character of that name keeps it
        ("fox_(artist), fox", "by fox, fox"),
        ("bow, bow (weapon)", "bow"),
        (
            "tom (cat), tom_(tiger), tom",
            "tom, tom (tiger)",
        ),  # the more used one has the short name
        ("seaside, by the sea", "by the sea"),
        ("_fur_, solo", "_fur_, solo"),
        ("my_oc, My OC, my oc", "my oc, My OC"),
        ("corsac, fox, solo", "corsac, solo"),
        ("solo\nfox\r\nmoon", "solo, fox, moon"),
        ("\ufefffox\n\n", "fox\n"),
        ("", ""),
        (" ,\n", "\n"),
    ],
)
def test_by_default(index, text, expected):
    assert clean(index, text) == expected


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"use_underscores": True}, "red fur, my oc, by ember", "red_fur, my_oc, by_ember"),
        (
            {"keep_underscores": ["rating safe", "score_9"]},
            "rating safe, red_fur, score 9",
            "rating_safe, red fur, score_9",
        ),
        (
            {"artist_by_prefix": False},
            "by_ember, by fox, fox",
            "ember (artist), fox (artist), fox",
        ),
        ({"artist_by_prefix": False}, "ember, seaside", "ember, by the sea"),
        (
            {"remove_parens": False},
            "by ember (artist), bow (weapon), bow",
            "by ember (artist), bow (weapon), bow",
        ),
        (
            {"remove_aliases": ["dog", "by ember"]},
            "dog, pup, canine, by ember, ember_(artist)",
            "dog, domestic dog, by ember, by ember (artist)",
        ),
        (
            {"aliases": {"todd": "fox", "kitty": "my cat"}},
            "todd, canine, kitty, my_cat",
            "fox, my cat",
        ),
        ({"aliases_overrides": {"dog": "fox"}}, "dog, pup", "fox, domestic dog"),
        # a tag whose own name is given away is that other tag, by whatever name it comes
        ({"aliases_overrides": {"domestic_dog": "fox"}}, "pup, canine, solo", "fox, solo"),
        ({"on_alias_conflict": "silent", "aliases": {"dog": "fox"}}, "dog", "domestic dog"),
        ({"on_alias_conflict": "overwrite", "aliases": {"dog": "fox"}}, "dog", "fox"),
        (
            {
                "on_alias_conflict": "overwrite_rarest",
                "aliases": {"dog": "fox", "vixen": "dog"},
            },
            "dog, vixen",
            "fox",
        ),
        (
            {"renames": {"domestic dog": "doggo", "ember_(artist)": "Ember!"}},
            "pup, doggo, by ember",
            "doggo, Ember!",
        ),
        ({"renames": {"fox": "dog"}}, "vixen, dog, pup", "dog, domestic dog"),  # only an alias
        ({"renames": {"pup": "fox"}}, "pup, canine", "fox"),  # another tag's name
        ({"renames": {"pup": "fox", "fox": "kit"}}, "pup, kit, canine", "kit"),
        ({"renames": {"my oc": "Zoe"}}, "my_oc, Zoe", "Zoe"),
    ],
)
def test_spelling_options(index, options, text, expected):
    assert clean(index, text, **options) == expected


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        (
            {"blacklist": ["high resolution", "my oc"]},
            "hi_res, absurd_res, solo, My OC",
            "absurd res, solo",
        ),
        ({"blacklist": ["fox"]}, "vixen, canine, by fox", "canine, by fox"),
        (
            {"blacklist": ["fox"], "blacklist_implied": True},
            "fox, canine, mammal, solo",
            "solo",
        ),
        ({"blacklist": ["corsac"], "blacklist_implied": True}, "corsac, fox", ""),
        ({"blacklist_regexp": r"\d+:\d+"}, "16:9, 4:3, a 4:3 screen", "a 4:3 screen"),
        (
            {"blacklist_regexp": ["red.fur", "by.*", "monster truck"]},
            "red fur, by the sea, ember (artist), solo, monster_truck",
            "solo",
        ),
        ({"blacklist_categories": ["meta", "artist"]}, "hi res, ember (artist), fox", "fox"),
        ({"keep_implied": True}, "fox, mammal, canine, mammal", "fox, mammal, canine"),
        ({"keep_implied": ["canine"]}, "fox, mammal, canine", "fox, canine"),
        ({"keep_implied": ["dog"]}, "blue dog, pup, canine", "blue dog, domestic dog"),
        ({"min_antecedent_freq": 30}, "fennec, fox, canine", "fennec, fox"),
        ({"min_antecedent_freq": 20}, "fennec, fox, canine", "fennec"),
        ({"drop_antecedent_freq": 21}, "solo, fennec, mammal", "solo, fox"),
        ({"drop_antecedent_freq": 21, "blacklist": ["fox"]}, "fennec, my oc", "my oc"),
        ({"drop_antecedent_freq": 20}, "fennec, _fur_, corsac", "fennec, _fur_"),
    ],
)
def test_options_that_leave_out(index, options, text, expected):
    assert clean(index, text, **options) == expected


PROSE = "A fox, solo, as red as rust, looks_up at me. It smiles, canine."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"canine,fox\n\n{PROSE}\n", f"fox\n\n{PROSE}\n"),
        ("fox, canine, A dog, brown as earth, looks at it.", None),
        (f"canine\n{PROSE}", f"canine\n{PROSE}"),
        ("fox, monsters_inc.", "fox, monsters inc."),  # a tag with a full stop
        ("let's go!!, fox, canine", "let's go!!, fox"),
        ("fox, what is it!, canine, red_fur", "fox, what is it!, red fur"),
        ("Zoe Style, canine, fox, she sees it.", "Zoe Style, fox, she sees it."),
        ("It is night.\nfox, canine, The end.", "It is night.\nfox, canine, The end."),
    ],
)
def test_prose_after_the_tags_stays_as_it_is(index, text, expected):
    expected = expected or "fox, A dog, brown as earth, looks at it."
    assert clean(index, text) == expected


def test_what_is_left_out_is_told(index):
    config = make_config({"blacklist": ["hi res"], "drop_antecedent_freq": 21})
    got = Cleaner(config, index).clean("fennec, canine, hi res, my oc, solo, my_oc, hi_res")
    assert (got.text, got.repeated) == ("fox, my oc, solo", 2)
    assert got.tags == [ID["fox"], "my_oc", ID["solo"]]
    assert (got.implied, got.blacklisted) == ([ID["fennec"], ID["canine"]], [ID["hi_res"]])


def test_the_blacklist_says_why(index):
    config = make_config(
        {
            "blacklist": ["vixen", "My OC"],
            "blacklist_categories": ["meta"],
            "blacklist_regexp": r"16.9|bow",
            "blacklist_implied": True,
        }
    )
    made = Cleaner(config, index).blacklist
    assert made[ID["fox"]] == made["my_oc"] == "named"
    assert made[ID["16:9"]] == made[ID["hi_res"]] == "category meta"
    assert made[ID["bow_(weapon)"]] == "matches 16.9|bow"
    assert made[ID["canine"]] == "implied by fox"
    assert ID["solo"] not in made


def test_the_normalizer_reads_what_it_writes(index):
    tags = make_tagset_normalizer(Config(), index).tag_normalizer
    for idx, name in enumerate(tags.idx2tag):
        assert tags.encode(name.strip().replace(" ", "_")) == idx
    assert tags.decode(ID["ember_(artist)"]) == "by ember"


# -- frequencies -----------------------------------------------------------------------------------
def test_frequencies_are_the_real_ones_or_else_the_fit(index, tmp_path):
    text = "fennec, fox, canine"
    assert clean(index, text, min_antecedent_freq=21) == "fennec, fox"
    for path in index.glob("*.gz"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert clean(tmp_path, text, min_antecedent_freq=21) == "fennec"
    assert ID["fennec"] < tag_freq_to_rank(21)
    pq.write_table(pa.table({"freq": [1, 2]}), tmp_path / "tags.parquet")
    with pytest.raises(BadArtifact, match=r"has 2 tags, not 22: run hydrate_data\.py again"):
        clean(tmp_path, text, drop_antecedent_freq=5)
    (tmp_path / "tags.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(BadArtifact, match="cannot be read"):
        clean(tmp_path, text, drop_antecedent_freq=5)


# -- a second time ---------------------------------------------------------------------------------
WORDS = [
    *ID,
    *ALIASES,
    "corsac",
    "my_oc",
    "My OC",
    "score_9",
    "by_nobody",
    "kit",
    "Zoe",
    "doggo",
    "st. bernard",
    "by_ember",
    "old_ember",
    "bow",
    "tom",
    "by_fox",
    "_",
    "x_",
    "a\u00a0b",
    "4:3",
    "what a day!",
    "todd",
    "fox_(x)",
    "))",
    "(",
    "Fox Style",
]
SENTENCES = [
    "A fox runs.",
    "a fox, red as rust, runs. It stops.",
    "Look! Over there, solo.",
    "Hm?",
    "Two, Mammal, of a kind, my_oc.",
    '"Stop!" he said.',
    "no full stop_here",
    "It. Is",
    "A fox, solo, solo,  canine, is here.",
    "A fox, fox,\nfox, stays.",
]


def spell_randomly(rng, word):
    word = rng.choice(
        [word, word.replace("_", " "), word.replace("(", r"\(").replace(")", r"\)")]
    )
    return rng.choice(["", " ", "  "]) + rng.choice([word, word, word.upper(), word.title()])


def random_caption(rng):
    words = [spell_randomly(rng, rng.choice(WORDS)) for _ in range(rng.randrange(14))]
    words += rng.sample(SENTENCES, rng.choice([0, 0, 1, 2]))
    if rng.random() < 0.2:
        rng.shuffle(words)
    text = "".join(word + rng.choice([",", ", ", ", ", "\n", " ,\r\n", ",,"]) for word in words)
    return text.rstrip(", ") + rng.choice(["", "\n", "\n\n", "\r\n", "  "])


def random_options(rng):
    some = lambda: rng.sample(WORDS, rng.randrange(4))  # noqa: E731
    options = {
        "blacklist": some(),
        "blacklist_regexp": rng.choice([[], ["by.*"], [r"\d+:\d+", "fox.*"]]),
        "blacklist_implied": rng.random() < 0.3,
        "blacklist_categories": rng.choice([[], ["meta"], ["artist", "species"]]),
        "use_underscores": rng.random() < 0.3,
        "keep_underscores": some(),
        "keep_implied": rng.choice([True, False, some()]),
        "min_antecedent_freq": rng.choice([0, 0, 15, 200]),
        "drop_antecedent_freq": rng.choice([0, 0, 15, 200, 1000]),
        "artist_by_prefix": rng.random() < 0.6,
        "remove_parens": rng.random() < 0.6,
        "on_alias_conflict": rng.choice(["silent", "overwrite", "overwrite_rarest"]),
        "remove_aliases": some(),
        "aliases": dict(zip(some(), some(), strict=False)),
        "aliases_overrides": dict(zip(some(), some(), strict=False)),
        "renames": dict(zip(some(), some(), strict=False)),
    }
    return {name: value for name, value in options.items() if rng.random() < 0.7}


@pytest.mark.filterwarnings("ignore")
def test_a_second_time_changes_nothing(index):
    rng = random.Random(3)
    cleaners, refused, changed = 0, 0, 0
    for _ in range(300):
        options = random_options(rng)
        try:
            cleaner = Cleaner(make_config(options), index)
        except BadInput as error:
            assert re.search("circle|aliases: .* stands for", str(error))
            refused += 1
            continue
        cleaners += 1
        for _ in range(20):
            text = random_caption(rng)
            once = cleaner.clean(text).text
            changed += once != text
            again = cleaner.clean(once)
            assert again.text == once, (options, text)
            assert not again.repeated
    assert cleaners > 200 and refused < 60 and changed > 3000


# -- the config ------------------------------------------------------------------------------------
def test_the_example_says_what_the_defaults_are():
    text = (ROOT / "normalize.toml").read_text("utf-8")
    assert load_config(ROOT / "normalize.toml") == Config()
    assert set(tomllib.loads(text)) == set(asdict(Config()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("blaklist = []", "no option blaklist; known ones: blacklist, blacklist_regexp, "),
        ("use_underscores = 1", "use_underscores: got 1 .int., expected true or false"),
        ("blacklist = 'x'", "blacklist: got 'x' .str., expected a list of strings"),
        ("blacklist = [1]", "blacklist: got .1. .list., expected a list of strings"),
        (
            "blacklist = ['a, b']",
            "blacklist: got 'a, b' .str., expected one tag, without commas",
        ),
        ("renames.a = ' '", "renames: got ' ' .str., expected one tag"),
        ("keep_implied = 'x'", "keep_implied: .* expected true, false or a list of strings"),
        (
            "min_antecedent_freq = true",
            "got True .bool., expected a number of posts, 0 or more",
        ),
        ("drop_antecedent_freq = -1", "got -1 .int., expected a number of posts"),
        ("on_alias_conflict = 'no'", "got 'no' .str., expected one of raise, warn, overwrite,"),
        ("blacklist_categories = ['x']", "got 'x' .str., expected some of general, artist,"),
        ("aliases = ['x']", "aliases: .* expected a table of strings"),
        ("[aliases]\nx = 1", "aliases: .* expected a table of strings"),
        ("blacklist_regexp = '('", "blacklist_regexp: '.' is no regular expression"),
        ("a = ", "is not TOML"),
    ],
)
def test_a_config_that_is_wrong_says_how(tmp_path, text, said):
    path = tmp_path / "normalize.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=said) as caught:
        load_config(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_conflict_or_a_circle_is_refused(index):
    said = "aliases: 'dog' stands for 'domestic_dog', not 'fox': move it to aliases_overrides"
    with pytest.raises(BadInput, match=said):
        clean(index, "", aliases={"dog": "fox"})
    with pytest.raises(BadInput, match="go round in a circle: fox, canine, fox"):
        clean(index, "", renames={"fox": "canine", "canine": "fox"})
    with pytest.warns(UserWarning, match="keep_implied: no tag 'canin' in"):
        clean(index, "", keep_implied=["canin"])
    with pytest.warns(UserWarning, match="remove_aliases: fox is a tag's own name, left"):
        assert clean(index, "fox, canine", remove_aliases=["fox"]) == "fox"


def test_where_the_config_is_looked_for(tmp_path):
    source, out = tmp_path / "a" / "in", tmp_path / "b" / "out"
    source.mkdir(parents=True)
    out.mkdir(parents=True)
    assert find_config(out, source) in (None, *(p / "normalize.toml" for p in tmp_path.parents))
    for folder in (
        tmp_path,
        source.parent,
        out.parent,
        source,
        out,
    ):  # each goes before the last
        (folder / "normalize.toml").touch()
        assert find_config(out, source) == folder / "normalize.toml"


# -- folders ---------------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path):
    """Captions, among other files; two change by default, and one cannot be decoded."""
    source = tmp_path / "in"
    files = {
        "a.txt": b"canine, fox",
        "deep/er/b.caption": b"vixen, my_oc\n",
        "c.cap": b"solo",
        "bad.txt": b"fox, \xff, canine",
        "d.png": b"canine, fox",
        ".hidden.txt": b"canine, fox",
        ".git/e.txt": b"canine, fox",
        "f.txt.bak": b"canine, fox",
    }
    for name, data in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return source


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(*args, index, config=os.devnull):
    main([*map(str, args), "--data_dir", str(index), "-c", str(config)])


def test_in_place(index, folder, capsys):
    before = contents(folder)
    run(folder, "-f", index=index)
    after = contents(folder)
    changed = {"a.txt": b"fox", "deep/er/b.caption": b"fox, my oc\n"}
    assert after == before | changed
    printed = capsys.readouterr()
    assert re.search(r"3\s+caption files read\n.*2\s+files changed", printed.out)
    assert "bad.txt: byte 5: no UTF-8: left as it is" in printed.err
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    run(folder, "-f", index=index)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == times
    assert re.search(r"\b0\s+files changed", capsys.readouterr().out)


def test_five_thousand_captions_twice(index, tmp_path, capsys):
    rng = random.Random(5)
    for i in range(5000):
        path = tmp_path / f"{i % 10}" / f"{i}.{('txt', 'caption')[i % 2]}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(random_caption(rng).encode())
    config = tmp_path / "normalize.toml"
    config.write_text(
        "keep_implied = ['canine']\ndrop_antecedent_freq = 15\n[renames]\nfox = 'kit'"
    )
    changed = []
    for _ in range(2):
        run(tmp_path, "-f", index=index, config=config)
        changed.append(
            int(
                re.search(r"([\d,]+)\s+files changed", capsys.readouterr().out)[1].replace(
                    ",", ""
                )
            )
        )
    assert changed[0] > 4000 and changed[1] == 0


def test_to_another_folder(index, folder, tmp_path, capsys):
    before = contents(folder)
    for out in (tmp_path / "out", folder / "out"):  # the latter is not read the second time
        for changed in (3, 0):
            run(folder, out, index=index)
            expected = {"a.txt": b"fox", "c.cap": b"solo", "deep/er/b.caption": b"fox, my oc\n"}
            assert contents(out) == expected
            assert re.search(rf"\b{changed}\s+files changed", capsys.readouterr().out)
    assert {k: v for k, v in contents(folder).items() if not k.startswith("out")} == before


@pytest.mark.parametrize(("answer", "done"), [("y\n", True), ("n\n", False), ("", False)])
def test_it_asks_before_it_overwrites(index, folder, monkeypatch, answer, done):
    before = contents(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    if done:
        run(folder, folder / "deep" / "..", index=index)  # the same folder by another name
    else:
        with pytest.raises(BadInput, match="nothing was changed: answer y, give OUT, or -f"):
            run(folder, index=index)
    assert (contents(folder) != before) is done


def test_links_and_modes_stay(index, folder, tmp_path):
    target = tmp_path / "elsewhere.txt"
    target.write_text("vixen")
    target.chmod(0o640)
    (folder / "link.txt").symlink_to(target)
    run(folder, "-f", index=index)
    assert (folder / "link.txt").is_symlink() and target.read_text() == "fox"
    assert target.stat().st_mode & 0o777 == 0o640


def test_files_chosen_by_name(index, folder, tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text(
        "include_filename_regexp = ['^a', '^b', '^c']\nexclude_filename_regexp = 'c'"
    )
    run(folder, tmp_path / "out", index=index, config=config)
    assert list(contents(tmp_path / "out")) == ["a.txt"]


def test_a_write_that_fails_leaves_the_file(index, folder, monkeypatch):
    def fail(path, data):
        raise OSError(28, "No space left on device")

    before = contents(folder)
    monkeypatch.setattr(folders, "write_atomic", fail)
    with pytest.raises(E6GraphError, match=r"cannot write .*a\.txt: No space left on device"):
        run(folder, "-f", index=index)
    assert contents(folder) == before


def test_an_interrupt_says_what_was_done(index, folder, monkeypatch):
    def interrupt(self, text):
        raise KeyboardInterrupt

    monkeypatch.setattr(Cleaner, "clean", interrupt)
    with pytest.raises(E6GraphError, match="every file is whole, old or new: run again"):
        run(folder, "-f", index=index)


def test_folders_that_cannot_be_used(index, folder, tmp_path):
    with pytest.raises(BadInput, match="nowhere is no folder"):
        run(tmp_path / "nowhere", index=index)
    with pytest.raises(BadInput, match=r"a\.txt is no folder"):
        run(folder, folder / "a.txt", index=index)
    nested = folder / "in" / "a.txt"
    nested.parent.mkdir()
    nested.write_text("solo")
    with pytest.raises(BadInput, match="would be read and written"):
        run(folder, folder.parent, index=index)
    with pytest.raises(MissingArtifact, match=r"tags\.txt\.gz is missing: run hydrate_data.py"):
        run(folder, index=tmp_path)


def test_statistics(index, folder, tmp_path, capsys):
    config = tmp_path / "mine.toml"
    config.write_text("blacklist = ['solo']\n[aliases]\nkit = 'fox'\n")
    options = ("-v", "-b", "-k", "-j", "5")
    run(folder, tmp_path / "out", *options, index=index, config=config)
    lines = [re.sub(" +", " ", line).strip() for line in capsys.readouterr().out.splitlines()]
    for line in (
        f"config: {config}",
        "solo named",
        "a.txt: -[canine]",
        "deep/er/b.caption: -[vixen] -[my_oc] +[fox] +[my oc]",
        "2 fox species",
        "1 my_oc unknown",
        "1 canine species",
        "1 of them unknown (1 different)",
        "1 blacklisted tags left out",
    ):
        assert line in lines
    run(folder, tmp_path / "out2", "-k", "1", "-s", "unknown", index=index, config=config)
    out = capsys.readouterr().out
    assert "my_oc" in out and "species" not in out


def test_as_a_program(index, folder, tmp_path):
    command = [sys.executable, "-m", "e6graph.normalize", str(folder), "--data_dir"]
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, input=""
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "run hydrate_data.py first" in done.stderr
    assert done.stderr.startswith("e6graph.normalize: ")
    (folder / "normalize.toml").write_text("use_underscores = true")
    done = subprocess.run(
        [*command, str(index), "-f"], capture_output=True, text=True, cwd=ROOT, input=""
    )
    assert done.returncode == 0 and f"config: {folder / 'normalize.toml'}" in done.stdout
    assert (folder / "deep" / "er" / "b.caption").read_text() == "fox, my_oc\n"


def test_help_says_how_it_is_called_and_what_is_read(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "python -m e6graph.normalize" in text and "(default: index)" in text
    assert "(default: None)" not in text and "(default: [])" not in text
