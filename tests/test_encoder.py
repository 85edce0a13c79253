"""An image encoder of the user's own: what is refused, what it returns, and all that follows."""

import io
import json
import shutil
from contextlib import closing

import numpy as np
import pytest

from e6graph import PostGraph
from e6graph.chat.conversation import Conversation
from e6graph.chat.messages import Picture
from e6graph.chat.profiles import Profiles
from e6graph.chat.sessions import Sessions
from e6graph.errors import BadArtifact, BadInput, E6GraphError
from e6graph.hydrate.previews import preview_path
from e6graph.pictures import PictureReader, features_of, open_picture
from e6graph.pictures.encoder import AT_ONCE, Encoder, three_numbers
from e6graph.pictures.features import N_FEATURES
from e6graph.pictures.onnx_file import check_onnx
from e6graph.pictures.recognizer import Recognizer
from e6graph.store import Store

EXTRA = "an extra: pip install -r requirements-extra.txt -r requirements-test.txt"
pytest.importorskip("onnxruntime", reason=EXTRA)
onnx = pytest.importorskip("onnx", reason=EXTRA)

FLOAT = onnx.TensorProto.FLOAT
PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1)}


def tensor(name, values):
    return onnx.numpy_helper.from_array(np.asarray(values), name)


def model(nodes, shape, initializers=(), outputs=("y",), kind=FLOAT, functions=(), **metadata):
    """The bytes of an ONNX model with one input x."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        [value("x", kind, shape)],
        [value(name, kind if name == "x" else FLOAT, None) for name in outputs],
        list(initializers),
    )
    domains = {"": 17} | {node.domain: 1 for node in nodes if node.domain}
    opsets = [onnx.helper.make_opsetid(*each) for each in domains.items()]
    made = onnx.helper.make_model(
        graph, opset_imports=opsets, functions=list(functions), ir_version=8
    )
    onnx.helper.set_model_props(made, metadata)
    return made.SerializeToString()


def node(kind, inputs, outputs, **attributes):
    return onnx.helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def patches(side=32, **metadata):
    """Random filters over patches, and where they fire: a small encoder of 24 numbers."""
    filters = np.random.default_rng(0).normal(0, 0.1, (24, 3, 8, 8)).astype(np.float32)
    nodes = [node("Conv", "x w", "c", strides=[4, 4]), node("Relu", "c", "y")]
    shape = ("n", 3, side, side)
    return model(nodes, shape, [tensor("w", filters)], **metadata)


@pytest.fixture
def write(tmp_path):
    def write(data, name="tiny.onnx"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def noise(n, high, wide, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, high, wide, 3), np.uint8)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# -- what it returns -------------------------------------------------------------------------------
@pytest.mark.parametrize("batch", ["n", None, 1, 3])
@pytest.mark.parametrize("sides", [(6, 5), (4, 4), ("high", "wide"), (None, None)])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("output", ["map", "row", "tokens"])
def test_the_mean_color_by_any_shape(write, batch, sides, last, output):
    shape = (batch, *sides, 3) if last else (batch, 3, *sides)
    nodes = [node("Identity", "x", "y")]
    if output == "row":
        nodes = [node("ReduceMean", "x", "y", axes=[1, 2] if last else [2, 3], keepdims=0)]
    if output == "tokens":
        turned = [0, 1, 2, 3] if last else [0, 2, 3, 1]
        nodes = [node("Transpose", "x", "t", perm=turned), node("Reshape", "t s", "y")]
    encoder = Encoder.open(
        write(model(nodes, shape, [tensor("s", np.array([0, -1, 3]))])), size=(5, 6), **PLAIN
    )
    assert encoder.size == ((4, 4) if sides == (4, 4) else (5, 6)) and encoder.numbers == 3
    for n in (0, 1, 2, 7):
        pictures = noise(n, encoder.size[1], encoder.size[0])
        found = encoder.encode(pictures)
        assert found.shape == (n, 3) and found.dtype == np.float32
        assert np.allclose(found, unit(pictures.mean((1, 2)) / 255), atol=1e-5)


def test_many_pictures_are_the_same_as_one_by_one(write):
    encoder = Encoder.open(write(patches()))
    pictures = noise(2 * AT_ONCE + 3, 32, 32)
    one_by_one = np.concatenate([encoder.encode(each[None]) for each in pictures])
    assert np.allclose(encoder.encode(pictures), one_by_one, atol=1e-5)
    assert np.allclose(np.linalg.norm(one_by_one, axis=1), 1, atol=1e-5)


def means(shape=("n", 3, "high", "wide"), **options):
    return model([node("ReduceMean", "x", "y", axes=[2, 3], keepdims=0)], shape, **options)


def test_normalization_is_given_or_in_the_file_or_that_of_imagenet(write):
    pictures = noise(1, 224, 224)

    def seen(mean, std):
        return unit((pictures.mean((1, 2)) / 255 - mean) / std)

    usual = Encoder.open(write(means()))
    assert usual.size == (224, 224)
    assert np.allclose(
        usual.encode(pictures), seen((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), atol=1e-4
    )
    said = write(means(mean="[0.5, 0.4, 0.3]", std="0.25"))
    assert np.allclose(
        Encoder.open(said).encode(pictures), seen((0.5, 0.4, 0.3), 0.25), atol=1e-4
    )
    given = Encoder.open(said, mean=(0.1, 0.2, 0.9), std=(1, 2, 3))
    assert np.allclose(given.encode(pictures), seen((0.1, 0.2, 0.9), (1, 2, 3)), atol=1e-4)


def test_a_model_that_takes_bytes_scales_them_itself(write):
    nodes = [
        node("Cast", "x", "f", to=FLOAT),
        node("ReduceMean", "f", "y", axes=[1, 2], keepdims=0),
    ]
    data = model(nodes, ("n", 9, 9, 3), kind=onnx.TensorProto.UINT8)
    pictures = noise(2, 9, 9)
    found = Encoder.open(write(data)).encode(pictures)
    assert np.allclose(found, unit(pictures.mean((1, 2))), atol=1e-4)


def test_half_precision(write):
    half = onnx.TensorProto.FLOAT16
    nodes = [node("Cast", "x", "f", to=FLOAT), node("Identity", "f", "y")]
    encoder = Encoder.open(write(model(nodes, ("n", 3, 8, 8), kind=half)), **PLAIN)
    pictures = noise(2, 8, 8)
    expected = unit(pictures.mean((1, 2)) / 255)
    assert np.allclose(encoder.encode(pictures), expected, atol=1e-2)


def test_of_several_outputs_the_first_row_counts(write):
    nodes = [
        node("Identity", "x", "map"),
        node("ReduceMean", "x", "row", axes=[2, 3], keepdims=0),
    ]
    path = write(model(nodes, ("n", 3, 8, 6), outputs=("map", "row")))
    assert Encoder.open(path).numbers == 3


def test_numbers_that_are_none_become_zero(write):
    """A picture of one level divides 0 by 0; noise does not."""
    nodes = [
        node("ReduceMean", "x", "m", axes=[2, 3], keepdims=1),
        node("Sub", "x m", "d"),
        node("Abs", "d", "a"),
        node("ReduceMax", "a", "b", axes=[2, 3], keepdims=1),
        node("Div", "a b", "q"),
        node("ReduceMean", "q", "y", axes=[2, 3], keepdims=0),
    ]
    encoder = Encoder.open(write(model(nodes, ("n", 3, 8, 8))), **PLAIN)
    found = encoder.encode(np.zeros((1, 8, 8, 3), np.uint8))
    assert not found.any() and encoder.encode(noise(1, 8, 8)).any()


@pytest.mark.parametrize("text", ["", "a", "1,2", "1 2 3 4", "nan", "inf,1,1", "1,,1"])
def test_three_numbers_or_one(text):
    with pytest.raises(BadInput, match=r"--encoder-mean: .*expected one number or three"):
        three_numbers(text, "--encoder-mean")


# -- what is refused -------------------------------------------------------------------------------
def branch(inner):
    """A node inside an If."""
    value = onnx.helper.make_tensor_value_info("z", FLOAT, None)
    body = onnx.helper.make_graph([inner], "body", [], [value])
    return node("If", "always", "y", then_branch=body, else_branch=body)


def outside(name):
    made = tensor(name, np.zeros((24, 3, 8, 8), np.float32))
    made.ClearField("raw_data")
    made.data_location = onnx.TensorProto.EXTERNAL
    place = made.external_data.add()
    place.key, place.value = "location", "../../etc/passwd"
    return made


def foreign(kind="Mystery", domain="com.example", inputs="x", outputs="y"):
    return node(kind, inputs, outputs, domain=domain)


SHAPE = ("n", 3, 32, 32)
ALWAYS = tensor("always", np.array(True))
REFUSED = {
    "external weights": (
        lambda: model([node("Conv", "x w", "y")], SHAPE, [outside("w")]),
        "in other files",
    ),
    "external constant": (
        lambda: model(
            [node("Constant", "", "w", value=outside("w")), node("Conv", "x w", "y")], SHAPE
        ),
        "in other files",
    ),
    "external weights in a branch": (
        lambda: model([branch(node("Constant", "", "z", value=outside("z")))], SHAPE, [ALWAYS]),
        "in other files",
    ),
    "an operator of one's own": (
        lambda: model([foreign()], SHAPE),
        "needs com.example:Mystery",
    ),
    "an operator of the runtime's makers": (
        lambda: model([foreign("Gelu", "com.microsoft")], SHAPE),
        "needs com.microsoft:Gelu",
    ),
    "an operator of one's own in a branch": (
        lambda: model([branch(foreign(outputs="z"))], SHAPE, [ALWAYS]),
        "needs com.example:Mystery",
    ),
    "an operator that nobody has": (
        lambda: model([node("Mystery", "x", "y")], SHAPE),
        "loaded",
    ),
    "two inputs": (
        lambda: _two_inputs(),
        r"takes tensor\(float\).*, tensor\(float\).*: expected pictures",
    ),
    "gray pictures": (lambda: means(("n", 1, 8, 8)), "expected pictures"),
    "rows": (lambda: model([node("Identity", "x", "y")], ("n", 3)), "expected pictures"),
    "whole numbers": (
        lambda: model(
            [node("Cast", "x", "y", to=FLOAT)],
            SHAPE,
            kind=onnx.TensorProto.INT64,
        ),
        "expected pictures",
    ),
    "huge pictures": (lambda: means(("n", 3, 5000, 5000)), "5000 × 5000 pixels"),
    "one number a picture": (
        lambda: model(
            [
                node("ReduceMean", "x", "m", keepdims=0, axes=[1, 2, 3]),
                node("Unsqueeze", "m a", "y"),
            ],
            SHAPE,
            [tensor("a", np.array([1]))],
        ),
        r"returns \(2, 1\)",
    ),
    "one row for all": (
        lambda: model([node("ReduceMean", "x", "y", keepdims=0, axes=[0, 3])], SHAPE),
        r"returns \(3, 32\)",
    ),
    "too many numbers": (
        lambda: model([node("Flatten", "x", "y")], ("n", 3, 64, 64)),
        "12288",
    ),
    "five dimensions": (
        lambda: model([node("Unsqueeze", "x a", "y")], SHAPE, [tensor("a", np.array([1]))]),
        "5 dimensions",
    ),
    "no numbers": (
        lambda: model([node("Sub", "x x", "z"), node("Div", "z z", "y")], SHAPE),
        "no number",
    ),
    "a size that it cannot take": (
        lambda: model(
            [node("Reshape", "x s", "y")],
            ("n", 3, "h", "w"),
            [tensor("s", np.array([-1, 1000]))],
        ),
        "cannot be run",
    ),
    "a std of 0": (lambda: means(std="0"), "std .*expected numbers above 0"),
    "a mean that is no number": (lambda: means(mean="some"), "metadata of .*'some', expected"),
    "no operators": (lambda: model([], SHAPE, outputs=("x",)), "no operators"),
    "nothing": (lambda: b"", "no operators"),
    "a page": (lambda: b"<!DOCTYPE html><title>Not found</title>", "expected an ONNX model"),
    "half of it": (lambda: patches()[:-400], "expected an ONNX model"),
    "a pickle": (lambda: b"\x80\x04\x95" + bytes(range(200)), "expected an ONNX model"),
}


def _two_inputs():
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node("Add", "x z", "y")],
        "two",
        [value("x", FLOAT, SHAPE), value("z", FLOAT, SHAPE)],
        [value("y", FLOAT, None)],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_encoder_is_refused_in_one_line(write, what):
    data, message = REFUSED[what]
    path = write(data())
    with pytest.raises(BadInput, match=message) as refused:
        Encoder.open(path)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


def test_operators_that_the_model_defines_are_no_foreign_ones():
    twice = onnx.helper.make_function(
        "com.example",
        "Twice",
        ["a"],
        ["b"],
        [node("Add", "a a", "b")],
        [onnx.helper.make_opsetid("", 17)],
    )
    uses = [foreign("Twice")]
    check_onnx(model(uses, SHAPE, functions=[twice]), "it")
    with pytest.raises(BadInput, match=r"com\.example:Twice"):
        check_onnx(model(uses, SHAPE), "it")
    hidden = onnx.helper.make_function(
        "com.example",
        "Twice",
        ["a"],
        ["b"],
        [foreign(inputs="a", outputs="b")],
        [onnx.helper.make_opsetid("", 17)],
    )
    with pytest.raises(BadInput, match=r"com\.example:Mystery"):
        check_onnx(model(uses, SHAPE, functions=[hidden]), "it")


def test_any_cut_or_changed_byte_is_one_line_at_worst():
    whole = model([branch(node("Relu", "x", "z"))], SHAPE, [ALWAYS])
    rng = np.random.default_rng(0)
    for length in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[rng.integers(len(whole))] = rng.integers(256)
        for data in (whole[:length], bytes(changed), rng.bytes(length)):
            try:
                check_onnx(data, "it")
            except BadInput as error:
                assert "\n" not in str(error)


def test_where_there_is_no_file(tmp_path):
    for path in (tmp_path / "none.onnx", tmp_path, "/dev/zero", "a\0b"):
        with pytest.raises(BadInput) as refused:
            Encoder.open(path)
        assert "\n" not in str(refused.value)


# -- opened again ----------------------------------------------------------------------------------
def test_it_is_opened_again_where_it_was_or_from_the_index(write, tmp_path):
    path, index = write(patches()), tmp_path / "index"
    index.mkdir()
    made = Encoder.open(path, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    pictures = noise(3, 32, 32)
    again = Encoder.reopen(made.record(), index)
    assert np.array_equal(again.encode(pictures), made.encode(pictures))
    assert (again.path, again.sha256, again.record()) == (path, made.sha256, made.record())

    path.rename(index / "tiny.onnx")
    moved = Encoder.reopen(made.record(), index)
    assert np.array_equal(moved.encode(pictures), made.encode(pictures))
    path.write_bytes(patches(64))  # another file in the old place does no harm
    assert Encoder.reopen(made.record(), index).path == index / "tiny.onnx"

    (index / "tiny.onnx").unlink()
    with pytest.raises(BadArtifact, match=r"tiny\.onnx is not the encoder .*put it there or"):
        Encoder.reopen(made.record(), index)
    path.unlink()
    with pytest.raises(BadArtifact, match=r"tiny\.onnx of recognizer\.npz is missing: put it"):
        Encoder.reopen(made.record(), index)


def test_a_dynamic_size_is_kept(write, tmp_path):
    path = write(patches(None))
    made = Encoder.open(path, size=(40, 24))
    assert Encoder.reopen(made.record(), tmp_path).size == (40, 24)


@pytest.mark.parametrize(
    "change", [{"path": None}, {"sha256": None}, {"size": [1]}, {"mean": ["a"]}, {"std": None}]
)
def test_a_damaged_record_is_one_line(write, tmp_path, change):
    known = json.loads(Encoder.open(write(patches())).record())
    name, value = next(iter(change.items()))
    known[name] = value
    if value is None:
        del known[name]
    for record in (json.dumps(known), "", "[]", "{}", "null", '{"path": 3}'):
        with pytest.raises(BadArtifact, match=r"names no encoder: run solve_recognizer\.py"):
            Encoder.reopen(record, tmp_path)


def test_without_the_runtime_it_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(E6GraphError, match=r"pip install onnxruntime \(requirements-extra"):
        Encoder.open(write(patches()))


# -- all that follows ------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def encoded(demo, tmp_path_factory):
    """A board whose recognizer has an encoder: its index, and the encoder's file."""
    import solve_recognizer

    root = tmp_path_factory.mktemp("encoded")
    shutil.copytree(demo / "index", root / "index")
    path = root / "tiny.onnx"
    path.write_bytes(patches(None, mean="0.5", std="0.5"))
    options = ["--index", str(root / "index"), "--previews", str(demo), "--no-fetch"]
    solve_recognizer.main([*options, "--encoder", str(path), "--encoder-size", "48"])
    return root / "index", path


@pytest.fixture(scope="module")
def board(encoded):
    return PostGraph.open(encoded[0], blacklist=None)


@pytest.fixture(scope="module")
def previews(demo, board):
    ids = [int(i) for i in board.posts.ids[board.allowed][:30]]
    return {post_id: preview_path(demo, board.describe(post_id).md5) for post_id in ids}


def test_everything_works_with_an_encoder(board, previews):
    post_id, path = next(iter(previews.items()))
    assert board.encoder.size == (48, 48) and board.encoder.mean == (0.5, 0.5, 0.5)
    features = features_of(path, board.encoder)
    assert features.shape == (N_FEATURES + 24,)
    for picture in (path, str(path), path.read_bytes(), open_picture(path), features):
        vector = board.embed_image(picture)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert np.allclose(vector, board.embed_image(features), atol=0.05)
        assert len(board.recognize(picture, 5)) == 5
        assert board.look_alike(picture, n=1)[0].tolist() == [post_id]
        assert board.same_picture(picture) == post_id
        assert len(board.recommend(images=[picture], n=3)) == 3
    for length in (N_FEATURES, 24):
        with pytest.raises(BadInput, match="is not a picture"):
            board.embed_image(features[:length])


def test_what_the_encoder_sees_counts(board, demo, previews):
    """The same picture is named otherwise where the encoder sees another one."""
    first, second = (features_of(path, board.encoder) for path in list(previews.values())[:2])
    mixed = np.concatenate([first[:N_FEATURES], second[N_FEATURES:]])
    assert np.abs(board.embed_image(mixed) - board.embed_image(first)).max() > 0.01
    without = PostGraph.open(demo / "index", blacklist=None)
    assert without.encoder is None
    assert (
        without.embed_image(next(iter(previews.values()))).shape
        == board.embed_image(first).shape
    )


def test_pictures_of_strangers_are_the_same_as_ones_own(board, previews):
    with closing(PictureReader()) as reader:
        for path in list(previews.values())[:5]:
            picture = open_picture(path)
            for size in ((20, 30), (300, 900)):
                data = png(picture.resize(size))
                found = reader.read(data, "ann", board.encoder)
                assert np.array_equal(found, features_of(data, board.encoder))
                assert np.array_equal(reader.read(data), features_of(data))
        process = reader.process_id
        with pytest.raises(BadInput):
            reader.read(b"<!DOCTYPE html>", "ann", board.encoder)
        reader.read(data, "ann", board.encoder)
        assert reader.process_id == process


def test_the_bot_keeps_numbers_and_no_picture(board, previews, tmp_path):
    post_id, path = next(iter(previews.items()))
    picture = png(open_picture(path))
    with Profiles(tmp_path / "profiles.sqlite") as profiles:
        alone = Conversation(board, profiles, "ann")
        talks = Sessions(board, profiles)
        with closing(talks._reader):
            for said in (
                alone.reply(Picture(picture)),
                talks.reply("bob", Picture(picture)),
            ):
                assert said[0].text.startswith(f"This is #{post_id}: ") and len(said) > 1
    kept = alone._tour._features
    assert kept.shape == (N_FEATURES + 24,) and kept.dtype == np.float32


def png(image):
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def test_a_missing_or_changed_encoder_is_one_line(encoded, tmp_path):
    index, path = encoded
    copy = tmp_path / "index"
    shutil.copytree(index, copy)
    record = json.loads(str(Store(copy).load_npz("recognizer.npz", "encoder")["encoder"]))
    assert record["path"] == str(path)
    whole = path.read_bytes()
    try:
        path.unlink()
        with pytest.raises(BadArtifact, match=r"missing: put it there or into .*index, or run"):
            Recognizer.open(Store(copy))
        path.write_bytes(whole + b"\0")
        with pytest.raises(BadArtifact, match="is not the encoder"):
            Recognizer.open(Store(copy))
        (copy / path.name).write_bytes(whole)
        assert Recognizer.open(Store(copy)).encoder.path == copy / path.name
    finally:
        path.write_bytes(whole)


def test_the_script_asks_for_a_whole_encoder_before_anything_else(demo, tmp_path, write):
    import solve_recognizer

    options = ["--index", str(tmp_path / "none"), "--previews", str(demo), "--encoder"]
    with pytest.raises(BadInput, match="expected an ONNX model"):
        solve_recognizer.main([*options, str(write(b"<!DOCTYPE html>"))])
    for name in ("--encoder-mean", "--encoder-std"):
        with pytest.raises(BadInput, match=f"{name}: .*expected one number or three"):
            solve_recognizer.main([*options, str(write(patches())), name, "much"])
    for size in ("0", "-1", "x"):
        with pytest.raises(SystemExit):
            solve_recognizer.main([*options, str(write(patches())), "--encoder-size", size])
    with pytest.raises(BadInput, match="--encoder-mean is of an encoder: expected --encoder"):
        solve_recognizer.main([*options[:-1], "--encoder-mean", "0.5"])


def test_what_is_saved_is_what_was_made(encoded, tmp_path):
    store = Store(encoded[0])
    found = Recognizer.open(store)
    other = Store(tmp_path)
    with other.stage("solve_recognizer.py") as stage:
        found.save(stage)
    again = Recognizer.open(other)
    rows = np.random.default_rng(0).normal(size=(3, N_FEATURES + 24)).astype(np.float32)
    assert np.array_equal(found.confidences(rows), again.confidences(rows))
    assert again.encoder.sha256 == found.encoder.sha256
