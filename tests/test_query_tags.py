"""Near tags by hand-worked filters, the script as people run it, and plots that can be read."""

import gzip
import io
import json
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from boards import CLUSTERS
from conftest import PATIENCE, ROOT
from PIL import Image

import query_tags
from e6graph import cli
from e6graph.embedding import plot as tagplot
from e6graph.embedding.dictionary import Dictionary
from e6graph.embedding.nearest_tags import TagSpace
from e6graph.errors import BadArtifact, BadInput, E6GraphError, UnknownTag
from e6graph.store import Store
from e6graph.tags.categories import BACKGROUND, COLORS

EXTRA = "an extra: pip install -r requirements-extra.txt"
# name -> category, posts, angle of its vector in degrees: the cosine of two is that of the angle
TAGS = {
    "sky": ("general", 90, 0),
    "moon": ("general", 70, 60),
    "star": ("general", 60, 10),
    "ada": ("artist", 50, 20),
    "owl": ("species", 40, 30),
    "bat": ("species", 30, 40),
    "bo": ("artist", 20, 50),
    "dusk": ("general", 10, 5),
    "$x$": ("lore", 9, 90),
}
NUMBERS = {"general": 0, "artist": 1, "species": 5, "lore": 8}


def write_space(root, tags=TAGS, ending=""):
    """The files of an index that a query reads, all but the vectors; as E6DB leaves them."""
    root.mkdir(exist_ok=True)
    (root / "tags.txt.gz").write_bytes(gzip.compress(("\n".join(tags) + ending).encode()))
    numbers = bytes(NUMBERS[category] for category, *_ in tags.values())
    (root / "tags_categories.bin.gz").write_bytes(gzip.compress(numbers))
    ids = {name: i for i, name in enumerate(tags)} | {"night_sky": 0}
    (root / "tag2idx.json.gz").write_bytes(gzip.compress(json.dumps(ids).encode()))
    return Store(root)


def make_space(root, tags=TAGS, keep=None):
    """A `TagSpace` of `tags`, those of `keep` (names) with vectors."""
    store = write_space(root, tags)
    ids = np.array([i for i, name in enumerate(tags) if keep is None or name in keep], np.int32)
    _, posts, angles = (np.array(column)[ids] for column in zip(*tags.values(), strict=True))
    angles = np.radians(angles.astype(float))
    vecs = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    names = [list(tags)[i] for i in ids]
    return TagSpace(store, Dictionary(names, vecs, posts, ids, np.ones(2, np.float32)))


@pytest.fixture
def space(tmp_path):
    return make_space(tmp_path / "index")


def near(space, query, *options, **named):
    made = space.near(space.rows(query), *options, **named)
    assert np.array_equal(np.sort(made.scores)[::-1], made.scores)
    assert made.scores == pytest.approx(made.cosines.mean(1), abs=1e-6)
    return [space.tags[row] for row in made.rows]


# -- what is near --------------------------------------------------------------------------------
def test_nearest_first_and_never_itself(space):
    assert near(space, ["sky"], topk=3) == ["dusk", "star", "ada"]
    made = space.near(space.rows(["sky"]), topk=2)
    assert made.cosines == pytest.approx(np.cos(np.radians([[5], [10]])), abs=1e-6)


def test_frequency_goes_before_topk(space):
    assert near(space, ["sky"], 11, topk=2) == ["star", "ada"]  # dusk's place goes to another
    assert near(space, ["sky"], 10, topk=2) == ["dusk", "star"]


def test_category_goes_before_topk(space):
    assert near(space, ["sky"], 1, ["artist"], topk=2) == ["ada", "bo"]
    assert near(space, ["sky"], 1, ["artist", "species"], topk=3) == ["ada", "owl", "bat"]
    assert near(space, ["sky"], 25, ["artist"], topk=9) == ["ada"]
    assert near(space, ["sky"], 91, topk=9) == near(space, ["sky"], 1, ["meta"]) == []


def test_topk_goes_before_the_pool(space):
    """sky keeps dusk and star, moon keeps bo and bat; owl, in the middle, has the best mean."""
    assert near(space, ["sky", "moon"], topk=8)[0] == "owl"
    pooled = near(space, ["sky", "moon"], topk=2)
    # at 40, 10, 50 and 5 degrees; 30 is ideal, so star and bo tie: star is used more
    assert pooled == ["bat", "star", "bo", "dusk"]
    assert near(space, ["sky", "moon"], topk=2, total=3) == pooled[:3]


def test_the_score_is_the_mean_cosine_with_all_asked_for(space):
    made = space.near(space.rows(["sky", "moon"]), topk=2)
    bat = made.rows.tolist().index(space.tags.index("bat"))
    by_hand = np.cos(np.radians([40, 20]))
    assert made.cosines[bat] == pytest.approx(by_hand, abs=1e-6)
    assert made.scores[bat] == pytest.approx(by_hand.mean(), abs=1e-6)


def test_ties_go_to_the_tag_used_more(tmp_path):
    tags = {"a": ("general", 9, 0), "b": ("general", 8, 20), "c": ("general", 7, -20)}
    space = make_space(tmp_path / "ties", tags)
    assert near(space, ["a"], topk=1) == ["b"] and near(space, ["a"]) == ["b", "c"]


def test_the_last_bit_of_a_cosine_decides_nothing(tmp_path):
    tags = {name: ("general", 9 - i, 0) for i, name in enumerate("abcd")}
    space = make_space(tmp_path / "bits", tags)
    for bits in ([0, 1, 2, 3], [0, 3, 1, 2], [3, 2, 1, 0]):
        space.vecs[:, 0] = 1 - np.array(bits) * np.float32(2**-24)  # a bit apart
        assert near(space, ["a"]) == ["b", "c", "d"] and near(space, ["c"]) == ["a", "b", "d"]
        assert near(space, ["a", "b"], topk=1) == ["c"]


def test_names_aliases_and_spaces(space):
    sky = space.tags.index("sky")
    for given in (
        "sky",
        "night_sky",
        "Night Sky",
        " night sky ",
        "species:Night sky",
        "gen:sky",
    ):
        assert space.rows([given]).tolist() == [sky]
    assert len(space.rows(["sky", "night_sky", "moon"])) == 2
    assert space.entry(sky) == {"tag": "sky", "category": "general", "posts": 90}


def test_unknown_tags_are_all_named_in_one_line(tmp_path):
    space = make_space(tmp_path / "index", keep=["sky", "moon", "star"])
    with pytest.raises(UnknownTag) as caught:
        space.rows(["sky", "mooon", "qqqqq", "owl"])
    said = str(caught.value)
    assert "no tag 'mooon'; nearest names: moon" in said and "nothing like it" in said
    assert "'owl' has no vector" in said and "\n" not in said


def test_vectors_of_another_import_are_refused(tmp_path):
    store = write_space(tmp_path / "index")
    vecs = np.eye(2, dtype=np.float32)
    for names, ids in ((["sky", "star"], [0, 1]), (["sky", "moon"], [0, 99])):
        made = Dictionary(names, vecs, np.ones(2, int), np.array(ids), np.ones(2))
        with pytest.raises(BadArtifact, match=r"two imports: run embed_tags\.py again"):
            TagSpace(store, made)


# -- the script ----------------------------------------------------------------------------------
def call(capsys, *args, index):
    """Exit status, output and errors of the script."""
    arguments = ["--index", str(index), *map(str, args)]
    try:
        status = cli.run(lambda: query_tags.main(arguments))
    except SystemExit as stopped:  # argparse
        status = stopped.code
    return status, *capsys.readouterr()


def said(capsys, index, *args):
    query_tags.main(["--index", str(index), *map(str, args)])
    return capsys.readouterr().out


def test_a_table_with_real_frequencies(built_index, planted, capsys):
    out = said(capsys, built_index, "fox", "-N", 5)
    count = sum("fox" in tags.split() for tags in planted.tags.values())
    blocks = [[line.split() for line in text.splitlines()] for text in out.split("\n\n")]
    assert blocks[0] == [["asked", "for", "category", "posts"], ["fox", "species", str(count)]]
    assert blocks[1][0] == ["tag", "category", "posts", "score"]
    company = {*CLUSTERS["fox"][0], *CLUSTERS["fox"][1].split()}
    assert len(blocks[1]) == 6
    assert len(company & {row[0] for row in blocks[1][1:]}) >= 4
    assert (
        len({len(line) for line in out.rstrip().split("\n\n")[1].splitlines()}) == 1
    )  # aligned


def test_several_tags_have_a_column_each_and_lists_of_their_own(built_index, capsys):
    blocks = said(capsys, built_index, "owl", "kettle", "-n", 2, "-N", 4).split("\n\n")
    assert blocks[1].splitlines()[0].split() == [
        "tag",
        "category",
        "posts",
        "score",
        "owl",
        "teapot",
    ]
    assert [block.splitlines()[0].split()[2] for block in blocks[2:]] == ["owl", "teapot"]
    assert [len(block.splitlines()) for block in blocks[2:]] == [3, 3]
    many = said(capsys, built_index, *CLUSTERS)  # six columns of cosines would be too wide
    assert many.split("\n\n")[1].splitlines()[0].split() == [
        "tag",
        "category",
        "posts",
        "score",
    ]


def test_json_has_all_of_it(built_index, capsys):
    got = json.loads(
        said(capsys, built_index, "todd", "owl", "--json", "-n", 3, "-c", "artist")
    )
    assert [tag["tag"] for tag in got["query"]] == ["fox", "owl"]
    assert {tag["category"] for tag in got["neighbors"]} == {"artist"}
    first = got["neighbors"][0]
    assert list(first) == ["tag", "category", "posts", "score", "cosines"]
    assert first["score"] == pytest.approx(np.mean(list(first["cosines"].values())), abs=1e-6)
    assert (
        got["nearest"]["fox"][0]["tag"] == "ember_(artist)" and len(got["nearest"]["owl"]) == 3
    )
    assert "nearest" not in json.loads(said(capsys, built_index, "fox", "--json"))


def test_the_vectors_are_those_of_the_dictionary(built_index, capsys):
    got = json.loads(said(capsys, built_index, "tram", "--json", "-f", 0, "-k", 5))
    dictionary = Dictionary.open(Store(built_index))
    row = dictionary.tags.index("tram")
    expected = dictionary.nearest(dictionary.vecs[row], 5, but=row)
    assert [tag["tag"] for tag in got["neighbors"]] == [name for name, _ in expected]
    assert [tag["score"] for tag in got["neighbors"]] == pytest.approx(
        [cosine for _, cosine in expected], abs=1e-5
    )


def test_what_is_wrong_is_one_line_and_status_1(built_index, tmp_path, capsys):
    for args, index, words in (
        (["foxx"], built_index, "no tag 'foxx'; nearest names: fox"),
        (["fox", "-f", 99999], built_index, "no other tag has 99,999 posts or more: lower -f"),
        (["fox", "-c", "lore"], built_index, "no other tag of category lore has 10 posts"),
        (["fox"], tmp_path / "none", "dictionary.npz is missing: run embed_tags.py first"),
    ):
        status, out, err = call(capsys, *args, index=index)
        assert status == 1 and out == "" and words in err and err.count("\n") == 1, err
    for wrong in (
        ["-k", "0"],
        ["-d", "1"],
        ["-d", "2,2"],
        ["-d", "a,b"],
        ["-c", "nothing"],
        ["-f", "-1"],
        ["-N", "nan"],
        ["-n", "1e99"],
        [],
    ):
        args = ["fox", *wrong] if wrong else []
        assert call(capsys, *args, index=built_index)[0] == 2


def test_help_says_in_what_order_it_filters(capsys):
    status, out, _ = call(capsys, "--help", index="index")
    assert status == 0
    order = [out.index(f"\n  {option}") for option in ("-f", "-c", "-k", "-N")]
    order += [out.index(word) for word in ("first:", "second:", "third:", "fourth:")]
    assert order[:4] == sorted(order[:4]) and order[4:] == sorted(order[4:])
    assert "--data_dir DIR" in out


def test_factors_from_e6dbs_own_files(tmp_path, capsys):
    safetensors = pytest.importorskip("safetensors.numpy", reason=EXTRA)
    write_space(tmp_path / "theirs", ending="\n")
    angles = np.radians([angle for *_, angle in TAGS.values()])
    factors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32) * 3
    path = tmp_path / "theirs" / "implicit_tag_factors.safetensors"
    safetensors.save_file({"tag_factors": factors}, path)
    args = [
        "night sky",
        "--factors",
        "--data_dir",
        str(tmp_path / "theirs"),
        "-k",
        "2",
        "--json",
    ]
    query_tags.main(args)
    out, err = capsys.readouterr()
    assert [tag["tag"] for tag in json.loads(out)["neighbors"]] == ["dusk", "star"]
    assert err == "there is no tags.parquet: posts are estimated from ranks\n"


def test_factors_made_here(built_index, tmp_path, capsys):
    pytest.importorskip("implicit", reason=EXTRA)
    pytest.importorskip("safetensors", reason=EXTRA)
    import embed_tags

    shutil.copytree(built_index, tmp_path / "index")
    with pytest.raises(E6GraphError, match=r"run embed_tags\.py --method als first"):
        query_tags.main(["--index", str(tmp_path / "index"), "fox", "--factors"])
    als = ["--method", "als", "--factors", "16", "--min-tags", "5"]
    embed_tags.main(["--index", str(tmp_path / "index"), *als])
    capsys.readouterr()
    got = json.loads(said(capsys, tmp_path / "index", "tram", "--factors", "--json", "-k", 4))
    company = {*CLUSTERS["tram"][0], *CLUSTERS["tram"][1].split()}
    assert {tag["tag"] for tag in got["neighbors"]} <= company


def test_nothing_heavy_is_imported_without_a_plot(built_index):
    code = (
        "import sys, query_tags; query_tags.main(sys.argv[1:]); "
        "heavy = {'matplotlib', 'implicit', 'torch', 'pandas', 'annoy', 'PIL', 'tqdm', 'requests'};"
        "print(heavy & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, "--index", built_index, "fox"]
    made = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=PATIENCE)
    assert made.stdout.splitlines()[-1] == "set()", made.stderr


def cpu_seconds(*command):
    """CPU seconds of a command, at best of three, and its output."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, cwd=ROOT, text=True, capture_output=True, timeout=PATIENCE
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds), done.stdout


def test_a_whole_call_on_tate_costs_little_more_than_its_imports(tate_index, monkeypatch):
    """Against the imports on the same machine, in CPU seconds: other work may run beside."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    libraries = "import numpy, scipy.sparse, pyarrow.compute, pyarrow.parquet"
    imports, _ = cpu_seconds(sys.executable, "-c", libraries)
    whole, out = cpu_seconds(
        sys.executable, "query_tags.py", "--index", tate_index, "rain", "snow"
    )
    assert "winter" in out and whole < 3 * imports, (whole, imports)


# -- plots ---------------------------------------------------------------------------------------
def test_local_pca_by_hand():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 3)) * [5, 2, 0.1]
    places, shares = tagplot.local_pca(points, (1, 2, 3))
    values, axes = np.linalg.eigh(np.cov(points.T))
    assert shares == pytest.approx(values[::-1] / values.sum())
    expected = (points - points.mean(0)) @ axes[:, ::-1]
    assert np.abs(places) == pytest.approx(np.abs(expected), abs=1e-9)
    assert (places[np.abs(places).argmax(0), range(3)] > 0).all()
    assert tagplot.local_pca(points, (2, 1))[0] == pytest.approx(places[:, [1, 0]])


def test_local_pca_of_too_few_or_equal_points():
    places, shares = tagplot.local_pca(np.array([[0.0, 0], [2, 0]]), (1, 5))
    assert np.abs(places) == pytest.approx(np.array([[1, 0], [1, 0]]))
    assert shares == pytest.approx([1, 0])
    places, shares = tagplot.local_pca(
        np.eye(3), (1, 2**31 - 1)
    )  # without room for all between
    assert places.shape == (3, 2) and shares[1] == 0
    places, shares = tagplot.local_pca(np.ones((3, 4)))
    assert not places.any() and not shares.any()


@pytest.fixture
def matplotlib(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    return pytest.importorskip("matplotlib", reason=EXTRA)


@pytest.fixture
def figure(matplotlib, space):
    return tagplot.draw_tags(space, space.near(space.rows(["sky", "moon"])))


def meet(one, other):
    return (np.maximum(one[:2], other[:2]) < np.minimum(one[2:], other[2:])).all()


def layout(figure):
    """The boxes of the labels, of the dots and of the rings, and the lines; in pixels, (n, 4)."""
    figure.draw_without_rendering()
    axes = figure.axes[0]
    labels = [text.get_window_extent().extents for text in axes.texts]
    dots = []
    for part in axes.collections:
        centers = axes.transData.transform(part.get_offsets())
        radii = np.sqrt(part.get_sizes()) / 2 * figure.dpi / 72
        for center, radius in zip(centers, np.resize(radii, len(centers)), strict=True):
            dots.append(np.concatenate([center - radius, center + radius]))
    return labels, dots, [axes.transData.transform(line.get_xydata()) for line in axes.lines]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", [1, 0.15])
def test_no_label_lies_on_a_dot_or_label_and_no_line_runs_through_one(
    matplotlib, tmp_path, seed, spread
):
    rng = np.random.default_rng(seed)
    count = 40
    names = [f"{'tag_' * rng.integers(1, 6)}{i}" for i in range(count)]
    store = write_space(tmp_path / "index", {name: ("general",) for name in names})
    vecs = rng.normal(0, 0.3, (count, 3))
    vecs[4:] *= spread  # a crowd, and a few that are far from it
    posts = np.sort(rng.integers(1, 10**5, count))[::-1]
    ids = np.arange(count, dtype=np.int32)
    vecs = vecs.astype(np.float32)
    space = TagSpace(store, Dictionary(names, vecs, posts, ids, np.ones(3, np.float32)))
    drawn = [
        tagplot.draw_tags(space, space.near(np.array([5, 6]), topk=count)) for _ in range(2)
    ]
    labels, dots, lines = layout(drawn[0])
    assert len(labels) >= (36 if spread == 1 else 20)
    assert {names[5], names[6]} <= {text.get_text() for text in drawn[0].axes[0].texts}
    for i, label in enumerate(labels):
        assert not any(meet(label, other) for other in labels[:i])
        assert not any(meet(label, dot) for dot in dots)
        for line in lines:
            along = line[0] + (line[1] - line[0]) * np.linspace(0.02, 0.98, 200)[:, None]
            inside = (along > label[:2] + 1).all(1) & (along < label[2:] - 1).all(1)
            assert not inside.any()
    assert np.array_equal(layout(drawn[1])[0], labels)  # the same every time


def overlaps(figure):
    figure.draw_without_rendering()
    texts = [text for text in figure.axes[0].texts if text.get_visible()]
    boxes = [text.get_window_extent() for text in texts]
    inside = figure.axes[0].get_window_extent()
    assert all(inside.containsx(box.x0) and inside.containsx(box.x1) for box in boxes)
    assert all(inside.containsy(box.y0) and inside.containsy(box.y1) for box in boxes)
    return len(boxes), [
        (texts[i].get_text(), texts[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


def test_a_plot_names_every_tag_and_no_label_lies_on_another(figure):
    assert overlaps(figure) == (len(TAGS), [])
    assert {text.get_text() for text in figure.axes[0].texts} == set(TAGS)  # "$x$" as it is
    assert figure.axes[0].get_title("left") == "sky, moon: 7 nearest"


def test_a_plot_has_the_sites_colors_a_ring_and_a_legend(figure, matplotlib):
    from matplotlib.colors import to_hex

    axes = figure.axes[0]
    assert to_hex(figure.get_facecolor()) == to_hex(axes.get_facecolor()) == BACKGROUND
    *dots, ring = axes.collections
    drawn = {part.get_label(): to_hex(part.get_facecolor()[0]) for part in dots}
    assert drawn == {name: COLORS[name] for name in ("general", "artist", "species", "lore")}
    corners = {part.get_label(): len(part.get_paths()[0].vertices) for part in dots}
    assert corners["lore"] == 5 and len(set(corners.values())) == 2  # lore alone has diamonds
    counts = {part.get_label(): len(part.get_offsets()) for part in dots}
    assert counts == {"general": 4, "artist": 2, "species": 2, "lore": 1}
    assert len(ring.get_offsets()) == 2 and to_hex(ring.get_edgecolor()[0]) == "#ffffff"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*drawn, "asked for"]
    bold = {t.get_text() for t in axes.texts if t.get_fontweight() == "bold"}
    assert bold == {"sky", "moon"}


def test_labels_can_be_read_on_the_background():
    for color in COLORS.values():
        text = tagplot._readable(color)
        assert tagplot._contrast(tagplot._rgb(text), tagplot._rgb(BACKGROUND)) > 4.45
    assert tagplot._readable(COLORS["general"]) == COLORS["general"]


def test_the_file_is_1200_pixels_wide_and_the_same_every_time(matplotlib, space, tmp_path):
    made = space.near(space.rows(["sky"]))
    for name in ("a.png", "b.PNG"):
        tagplot.save_plot(tagplot.draw_tags(space, made), tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert (tmp_path / "b.PNG").read_bytes() == data
    image = Image.open(io.BytesIO(data)).convert("RGB")
    assert image.size == (1200, 900)
    assert "#{:02x}{:02x}{:02x}".format(*image.getpixel((3, 3))) == BACKGROUND
    assert len(list(tmp_path.iterdir())) == 3  # index, a and b: nothing is left beside them


def test_crowds_and_pairs_are_plotted(matplotlib, tmp_path):
    rng = np.random.default_rng(0)
    crowd = {
        f"{'tag_' * rng.integers(1, 20)}{i}": ("general", 200 - i, rng.normal(0, 20))
        for i in range(60)
    }
    space = make_space(tmp_path / "crowd", crowd)
    drawn = tagplot.draw_tags(space, space.near(np.array([0]), topk=59))
    count, wrong = overlaps(drawn)
    hidden = 60 - count
    title = drawn.axes[0].get_title("left")
    assert not wrong and (f"({hidden} without room for a label)" in title) == (hidden > 0)
    assert max(len(text.get_text()) for text in drawn.axes[0].texts) == tagplot.LONGEST_LABEL
    pair = tagplot.draw_tags(space, space.near(np.array([0]), topk=1))
    assert overlaps(pair) == (2, [])


def test_the_script_plots_and_a_damaged_wish_is_one_line(
    matplotlib, built_index, tmp_path, capsys
):
    png, svg = tmp_path / "fox.png", tmp_path / "fox.svg"
    status, out, err = call(capsys, "fox", "night", "-o", png, index=built_index)
    assert status == 0 and err == "" and "fox" in out
    assert out.splitlines()[-1].startswith(f"{png}  plot of ")
    assert Image.open(png).size == (1200, 900)
    options = ["-o", svg, "-d", "2,3", "--json"]
    status, out, err = call(capsys, "fox", *options, index=built_index)
    assert status == 0 and "<svg" in svg.read_text("utf-8")
    assert json.loads(out)["query"] and err == f"{svg}  plot of 21 tags\n"
    nowhere = tmp_path / "no" / "fox.png"
    for output, words in (
        (tmp_path / "fox.doc", "a plot ends in one of"),
        (tmp_path / "fox", "a plot ends in one of"),
        (nowhere, f": No such file or directory: {nowhere}\n"),  # and no temporary name
        ("-", "no window can be opened here: give -o a file"),
    ):
        status, _, err = call(capsys, "fox", "-o", output, index=built_index)
        assert status == 1 and words in err and err.count("\n") == 1, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fox.png", "fox.svg"]


def test_a_window_is_opened_where_there_is_a_screen(matplotlib, space, monkeypatch):
    from matplotlib import pyplot

    shown = []
    monkeypatch.setattr(pyplot, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(pyplot.gcf()))
    tagplot.show_plot(space, space.near(space.rows(["sky"])))
    (drawn,) = shown
    assert overlaps(drawn)[1] == [] and len(drawn.axes[0].texts) == len(TAGS)
    pyplot.close(drawn)


def test_no_neighbors_and_no_matplotlib(space, monkeypatch):
    with pytest.raises(BadInput, match="nothing to plot"):
        tagplot.draw_tags(space, space.near(space.rows(["sky"]), 999))
    for name in ("textalloc", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
        package = name.partition(".")[0]
        with pytest.raises(E6GraphError, match=rf"pip install {package} \(requirements-extra"):
            tagplot.draw_tags(space, space.near(space.rows(["sky"])))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(E6GraphError, match=r"pip install matplotlib \(requirements-extra"):
        tagplot.draw_tags(space, space.near(space.rows(["sky"])))
