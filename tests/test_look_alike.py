"""Which posts have this picture: changed copies find their original, strangers are not claimed."""

import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from PIL import Image, ImageDraw

from e6graph import PostGraph
from e6graph.chat.conversation import Conversation
from e6graph.chat.messages import Picture
from e6graph.chat.profiles import Profiles
from e6graph.errors import BadArtifact, BadInput, MissingArtifact
from e6graph.hydrate.previews import preview_path
from e6graph.pictures import PictureReader, copies, features_of, open_picture
from e6graph.pictures.examples import Candidates, Examples, read_examples
from e6graph.pictures.features import has_color, picture_features, raster, shapes
from e6graph.pictures.kernel_ridge import (
    kernel,
    kernel_of_marks,
    kernel_of_versions,
)
from e6graph.pictures.look_alike import SeenPictures
from e6graph.store import Store


@pytest.fixture(scope="module")
def graph(demo):
    return PostGraph.open(demo / "index", blacklist=None)


@pytest.fixture(scope="module")
def pictures(demo, graph):
    """Some posts' previews, by post id."""
    ids = np.random.default_rng(0).permutation(graph.posts.ids[graph.allowed])[:40]
    paths = {int(i): preview_path(demo, graph.describe(int(i)).md5) for i in ids}
    return {post_id: open_picture(path) for post_id, path in paths.items()}


def compressed(picture, quality):
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue()))


def cropped(picture, left, top, right, bottom):
    wide, high = picture.size
    return picture.crop((left * wide, top * high, (1 - right) * wide, (1 - bottom) * high))


CHANGES = {
    "as it is": lambda picture: picture,
    "JPEG 30": lambda picture: compressed(picture, 30),
    "64 pixels": lambda picture: picture.resize((64, 64), Image.Resampling.LANCZOS),
    "turned 5°": lambda picture: picture.rotate(5, Image.Resampling.BICUBIC),
    "cropped all round": lambda picture: cropped(picture, 0.05, 0.05, 0.05, 0.05),
    "cropped a lot": lambda picture: cropped(picture, 0.1, 0.1, 0.1, 0.1),
    "cropped at a corner": lambda picture: cropped(picture, 0.1, 0.1, 0, 0),
    "cropped on the left": lambda picture: cropped(picture, 0.1, 0, 0, 0),
    "cropped above": lambda picture: cropped(picture, 0, 0.1, 0, 0),
    "cropped on the right": lambda picture: cropped(picture, 0, 0, 0.1, 0),
    "cropped below": lambda picture: cropped(picture, 0, 0, 0, 0.1),
    "cropped less on one side": lambda picture: cropped(picture, 0, 0.06, 0, 0),
    "gray": lambda picture: picture.convert("L"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_finds_its_original_first(graph, pictures, change):
    first = [
        graph.look_alike(CHANGES[change](picture), n=1)[0][0] == post_id
        for post_id, picture in pictures.items()
    ]
    least = 0.97 if change in list(CHANGES)[:4] else 0.9
    assert np.mean(first) >= least, (change, np.mean(first))


def icon(kind, rng):
    """Thick strokes on white that icons of one kind share, and a small sign of its own."""
    picture = Image.new("RGB", (96, 96), "white")
    pen = ImageDraw.Draw(picture)
    for x, y, u, v in np.random.default_rng(kind).integers(6, 90, (4, 4)).tolist():
        pen.line((x, y, u, v), fill="black", width=8)
    x, y, u, v = rng.integers(60, 90, 4).tolist()
    pen.line((x, y, u, v), fill="black", width=6)
    return picture


def test_icons_are_found_by_what_is_left_of_them():
    """They have no colors, and many have nearly one shape: cut at a side, they were lost."""
    rng = np.random.default_rng(0)
    icons = [icon(k % 8, rng) for k in range(400)]
    views = np.stack(
        [
            shapes(picture_features(np.stack([raster(view) for view in views])))
            for views in ([each, *copies.crops(each)] for each in icons)
        ]
    )
    n = len(icons)
    seen = SeenPictures.of(
        Examples(
            rows=picture_features(np.stack([raster(each) for each in icons])),
            labels=sp.csr_matrix((n, 1)),
            families=np.arange(n),
            vecs=np.zeros((1, 2)),
            names=np.array(["x"]),
            nameable=np.ones(1, bool),
            views=views.astype(np.float16),
            post_ids=np.arange(n),
        )
    )
    for cut in [(0.1, 0, 0, 0), (0, 0.1, 0, 0), (0, 0, 0.1, 0), (0, 0, 0, 0.1)]:
        rows = [features_of(cropped(each, *cut)) for each in icons]
        first = [seen.likeness(row).argmax() == at for at, row in enumerate(rows)]
        assert np.mean(first) >= 0.97, (cut, np.mean(first))


def test_what_is_returned(graph, pictures):
    post_id, picture = next(iter(pictures.items()))
    ids, likeness = graph.look_alike(picture, n=7)
    assert ids.dtype == np.int64 and likeness.dtype == np.float32
    assert len(ids) == len(set(ids.tolist())) == len(likeness) == 7
    assert ids[0] == post_id and likeness[0] == pytest.approx(1, abs=0.01)
    assert (np.diff(likeness) <= 0).all() and likeness[-1] >= 0
    again, _ = graph.look_alike(features_of(picture), n=7)
    assert again.tolist() == ids.tolist()
    assert len(graph.look_alike(picture, n=10**6)[0]) <= graph.allowed.sum()
    for wrong in (0, -1):
        with pytest.raises(BadInput, match="expected n of 1 or more"):
            graph.look_alike(picture, n=wrong)
    with pytest.raises(BadInput, match="is not a picture"):
        graph.look_alike(np.zeros(3, np.float32))


def test_what_the_decoder_of_strangers_pictures_returns_is_enough(graph, pictures):
    post_id, picture = next(iter(pictures.items()))
    data = io.BytesIO()
    picture.save(data, "PNG")
    reader = PictureReader()
    try:
        assert graph.same_picture(reader.read(data.getvalue())) == post_id
    finally:
        reader.close()


def test_odd_pictures_are_like_nothing_and_raise_nothing(graph):
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    odd = [Image.new(m, s) for m in ("RGB", "L", "1") for s in ((1, 1), (3000, 1), (200, 200))]
    for picture in [*odd, Image.fromarray(noise)]:
        ids, likeness = graph.look_alike(picture)
        assert len(ids) == 10 and np.isfinite(likeness).all()
        assert graph.same_picture(picture) is None


def test_posts_that_may_not_be_shown_are_not_found(graph, pictures):
    post_id, picture = next(iter(pictures.items()))
    narrowed = graph.narrowed("s", f"id:{post_id}")
    assert narrowed.same_picture(picture) != post_id
    assert post_id not in narrowed.look_alike(picture, n=10**6)[0].tolist()
    found = graph.look_alike(picture, n=10**6)[0].tolist()
    assert post_id in found and all(graph.visible(each) for each in found)


def test_pictures_that_were_not_seen_are_not_claimed(demo):
    store = Store(demo / "index")
    examples, _ = read_examples(store, Candidates.of(store), demo)
    apart = np.random.default_rng(1).permutation(examples.families) % 2 == 0
    apart = np.isin(examples.families, examples.families[apart][:60])
    seen = SeenPictures.of(examples.take(~apart))
    claimed = [seen.likeness(row).max() >= seen.sure_from[0] for row in examples.rows[apart]]
    assert len(claimed) >= 30 and np.mean(claimed) <= 0.1
    own = examples.rows[~apart][:50]
    assert all(seen.likeness(row).max() >= seen.sure_from[0] for row in own)
    with pytest.raises(BadInput, match="without views"):
        SeenPictures.of(replace(examples, views=None))


def test_saved_and_opened_they_are_the_same(demo, tmp_path):
    store = Store(demo / "index")
    found = SeenPictures.open(store)
    other = Store(tmp_path)
    with other.stage("solve_recognizer.py") as stage:
        stage.save_npz("recognizer.npz", **found.arrays())
    again = SeenPictures.open(other)
    for name in SeenPictures.__dataclass_fields__:
        assert np.array_equal(getattr(found, name), getattr(again, name)), name
    with other.stage("solve_recognizer.py") as stage:
        stage.save_npz("recognizer.npz", **found.arrays() | {"seen_post_ids": np.arange(3)})
    with pytest.raises(BadArtifact, match=r"run solve_recognizer\.py again"):
        SeenPictures.open(other)


def test_without_a_recognizer_it_names_the_script(demo, tmp_path):
    index = tmp_path / "index"
    shutil.copytree(demo / "index", index)
    (index / "recognizer.npz").unlink()
    graph = PostGraph.open(index)
    with pytest.raises(MissingArtifact, match=r"run solve_recognizer\.py first"):
        graph.look_alike(Image.new("RGB", (9, 9)))


def test_the_bot_says_which_post_a_picture_is(graph, pictures, tmp_path):
    post_id, picture = next(iter(pictures.items()))
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        bot = Conversation(graph, profiles, "ann")
        said = [reply.text for reply in bot.reply(Picture(encoded(picture)))]
        assert said[0].startswith(f"This is #{post_id}: ") and "I think I see" in said[0]
        strange = Image.effect_mandelbrot((99, 99), (-2, -1, 1, 1), 30)
        said = [reply.text for reply in bot.reply(Picture(encoded(strange)))]
        assert "This is" not in said[0]


def encoded(picture):
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


# -- copies and kernels --------------------------------------------------------------------------
def test_copies_of_any_picture():
    rng = np.random.default_rng(0)
    for size in ((1, 1), (1, 40), (300, 7), (64, 64)):
        picture = Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8))
        made = copies.versions(picture, rng)
        assert len(made) == copies.VERSIONS and made[0] is picture
        assert len(copies.crops(picture)) == copies.VIEWS - 1
        rows = picture_features(np.stack([raster(copy) for copy in made]))
        assert not has_color(rows[copies.VERSIONS // 2 :]).any()
        assert np.isfinite(shapes(rows)).all()


def test_a_warped_copy_keeps_the_edge_color_and_moves_little():
    picture = Image.new("RGB", (120, 80), "#204060")
    picture.paste("white", (50, 30, 70, 50))
    for seed in range(8):
        warped = np.asarray(copies.warped(picture, np.random.default_rng(seed)))
        assert {tuple(warped[y, x]) for y in (0, -1) for x in (0, -1)} == {(0x20, 0x40, 0x60)}
        y, x = np.nonzero(warped[..., 0] > 200)
        assert abs(x.mean() - 48) < 12 and abs(y.mean() - 48) < 12


def test_a_kernel_of_versions_is_the_mean_over_copies_of_one_kind():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 0.3, (4, 2, 5))
    marks = rng.normal(0, 0.3, (3, 2, 3, 2, 5))
    shares = np.full(3, 1 / 3)
    for kind in (0, 1):
        each = [kernel(a, marks[:, kind, copy]) for copy in range(3)]
        expected = np.tensordot(shares, each, 1)
        assert np.allclose(kernel_of_versions(a, marks, kind), expected)
        assert np.allclose(kernel_of_versions(a[:1], marks, kind), expected[:1])
    assert np.allclose(kernel_of_versions(a, marks[:, 0, 0]), kernel(a, marks[:, 0, 0]))
    own = sum(
        shares[i] * shares[j] * kernel(marks[:, 0, i], marks[:, 0, j])
        for i in range(3)
        for j in range(3)
    )
    assert np.allclose(kernel_of_marks(marks), own)
    assert (np.linalg.eigvalsh(own) > 0).all()
