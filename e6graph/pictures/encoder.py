"""An image encoder of the user's own: an ONNX file, run by onnxruntime on the CPU.

It sees a picture stretched to the size that it takes. What it returns, at unit length,
is compared beside our own features (`recognizer.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image

from ..cli import positive
from ..embedding.dictionary import unit_rows
from ..errors import BadArtifact, BadInput, needs
from .onnx_file import check_onnx
from .opening import Size

if TYPE_CHECKING:
    import onnxruntime

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
USUAL_SIZE = (224, 224)  # where the file leaves it open
MOST_SIDE = 1024  # pixels
MOST_NUMBERS = 4096  # for a picture: those of 20,000 pictures and their copies fit in memory
MOST_FILE_BYTES = 2**31 - 1  # a Protocol Buffers message has no more
AT_ONCE = 16  # pictures in one run, where the file takes any number

_TYPES = {  # of the input; a model that takes bytes scales them itself
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


class Encoder:
    """An opened encoder; calls may come from any thread.

    Of a picture it sees (level / 255 − mean) / std in each channel. Make one by `open`.

    Attributes
    ----------
    path, sha256 : the file, and the hash of its bytes.
    size : width and height of the pictures that it takes, in pixels.
    mean, std : of red, green and blue, three numbers each.
    numbers : how many it returns for a picture.
    """

    def __init__(
        self,
        path: Path,
        data: bytes,
        size: Size | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        check_onnx(data, str(path))
        self.path = path
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._session = _start(data, path)
        self._name, self._type, shape = _only_input(self._session, path)
        self._channels_first = shape[1] == 3 or shape[3] != 3
        self._batch = shape[0] if isinstance(shape[0], int) else None

        said = self._session.get_modelmeta().custom_metadata_map
        where = f"the metadata of {path}"
        if mean is None and "mean" in said:
            mean = three_numbers(said["mean"], where)
        if std is None and "std" in said:
            std = three_numbers(said["std"], where)
        self.mean = tuple(IMAGENET_MEAN if mean is None else mean)
        self.std = tuple(IMAGENET_STD if std is None else std)
        if min(self.std) <= 0:
            raise BadInput(f"{path}: std {self.std}, expected numbers above 0")
        high, wide = shape[2:] if self._channels_first else shape[1:3]
        usual = size or USUAL_SIZE
        self.size = (
            wide if isinstance(wide, int) else usual[0],
            high if isinstance(high, int) else usual[1],
        )
        if not all(1 <= side <= MOST_SIDE for side in self.size):
            raise BadInput(
                f"{path} takes pictures of {self.size[0]} × {self.size[1]} pixels: "
                f"expected at most {MOST_SIDE} a side"
            )
        self.numbers = self._try()

    @classmethod
    def open(
        cls,
        path: str | Path,
        size: Size | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> Self:
        """Open an ONNX file.

        Parameters
        ----------
        size : of the pictures, where the file leaves it open.
        mean, std : three numbers each. Without them the file's `custom_metadata_map`
            is looked at, under the keys mean and std; without those, they are as for
            most networks trained on ImageNet.

        Raises
        ------
        BadInput : it cannot be read, needs other files or operators that ONNX does not
            define, or is no encoder of pictures.
        E6GraphError : onnxruntime is not installed.
        """
        data = _read(Path(path))
        return cls(Path(path).resolve(), data, size, mean, std)

    @classmethod
    def reopen(cls, record: str, index: Path) -> Self:
        """Open the encoder of a recognizer: where it was, or in the index directory.

        Raises
        ------
        BadArtifact : it is in neither place, is another file, or cannot be used.
        E6GraphError : onnxruntime is not installed.
        """
        again = "run solve_recognizer.py again"
        try:
            known = json.loads(record)
            path, sha256 = Path(known["path"]), str(known["sha256"])
            wide, high = map(int, known["size"])
            mean, std = (tuple(map(float, known[name])) for name in ("mean", "std"))
        except (ValueError, LookupError, TypeError):
            raise BadArtifact(f"recognizer.npz names no encoder: {again}") from None
        remedy = f"put it there or into {index.resolve()}, or {again}"
        places = [place for place in (path, index / path.name) if place.is_file()]
        if not places:
            raise BadArtifact(f"the encoder {path} of recognizer.npz is missing: {remedy}")
        for place in places:
            try:
                data = _read(place)
                if hashlib.sha256(data).hexdigest() == sha256:
                    return cls(place, data, (wide, high), mean, std)
            except BadInput as error:
                raise BadArtifact(f"the encoder of recognizer.npz: {error}") from None
        raise BadArtifact(
            f"{places[0]} is not the encoder of recognizer.npz, whose SHA-256 begins "
            f"{sha256[:12]}: {remedy}"
        )

    def record(self) -> str:
        """Return what `reopen` takes: JSON."""
        known = ("sha256", "size", "mean", "std")
        return json.dumps(
            {"path": str(self.path)} | {name: getattr(self, name) for name in known}
        )

    def look(self, raster: Image.Image) -> np.ndarray:
        """Reduce a raster, whose size is a multiple of its own, to its own: (high, wide, 3)."""
        return np.asarray(raster.reduce(raster.width // self.size[0]), np.uint8)

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        """Encode pictures of its size, uint8 (n, high, wide, 3).

        Returns
        -------
        float32 (n, `numbers`), each row of length 1. Numbers that are not finite
        become 0.
        """
        rows = [np.empty((0, self.numbers), np.float32)]
        at_once = self._batch or AT_ONCE
        for start in range(0, len(pictures), at_once):
            some = pictures[start : start + at_once]
            missing = at_once - len(some) if self._batch else 0
            filled = np.concatenate([some, np.repeat(some[-1:], missing, axis=0)])
            rows.append(self._run(filled)[: len(some)])
        return unit_rows(np.nan_to_num(np.concatenate(rows), posinf=0, neginf=0))

    def _run(self, pictures: np.ndarray) -> np.ndarray:
        """Run the model once: uint8 (n, high, wide, 3) → float32 (n, numbers)."""
        levels = pictures
        if self._type is not np.uint8:
            mean, std = (np.array(each, np.float32) for each in (self.mean, self.std))
            levels = ((pictures / np.float32(255) - mean) / std).astype(self._type)
        if self._channels_first:
            levels = np.ascontiguousarray(levels.transpose(0, 3, 1, 2))
        outputs = self._session.run(None, {self._name: levels})
        flat = [each for each in outputs if np.ndim(each) == 2]
        return _pooled((flat or outputs)[0], self._channels_first).astype(np.float32)

    def _try(self) -> int:
        """Run it on noise; return how many numbers come for a picture.

        Raises
        ------
        BadInput : it fails, or there is not a row of numbers for each picture.
        """
        n, (wide, high) = self._batch or 2, self.size
        noise = np.random.default_rng(0).integers(0, 256, (n, high, wide, 3), np.uint8)
        try:
            made = self._run(noise)
        except Exception as error:  # a model of others may fail in any way
            raise BadInput(f"{self.path} cannot be run ({_first_line(error)})") from None
        if len(made) != n or not 2 <= made.shape[1] <= MOST_NUMBERS:
            raise BadInput(
                f"{self.path} returns {made.shape} for {n} pictures: "
                f"expected 2 to {MOST_NUMBERS:,} numbers for each"
            )
        if not np.isfinite(made).all():
            raise BadInput(f"{self.path} returns what is no number: check mean and std")
        return made.shape[1]


def add_encoder_options(add: Callable[..., object]) -> None:
    """Add the options of a script that takes an encoder, by argparse's `add_argument`."""
    add(
        "--encoder",
        metavar="FILE",
        help="an ONNX file of any image encoder, compared beside the program's own "
        "features; it must stay where it is, or be put into the index directory",
    )
    size = "a side of the pictures, where the file leaves it open; without it, 224"
    add("--encoder-size", type=positive, metavar="PIXELS", help=size)
    for name in ("mean", "std"):
        usual = "of levels 0..1; without it, the file's own or that of ImageNet"
        add(f"--encoder-{name}", metavar="R,G,B", help=usual)


def encoder_of(args: Namespace) -> Encoder | None:
    """Open the encoder that the options name, if any.

    Raises
    ------
    BadInput : see `Encoder.open`; other options without a file.
    """
    said = {name: getattr(args, f"encoder_{name}") for name in ("size", "mean", "std")}
    if not args.encoder:
        if alone := [name for name, value in said.items() if value is not None]:
            raise BadInput(f"--encoder-{alone[0]} is of an encoder: expected --encoder FILE")
        return None
    mean, std = (
        None if said[name] is None else three_numbers(said[name], f"--encoder-{name}")
        for name in ("mean", "std")
    )
    size = None if said["size"] is None else (said["size"], said["size"])
    return Encoder.open(args.encoder, size, mean, std)


def three_numbers(text: str, where: str) -> tuple[float, ...]:
    """Read a number for each channel, or one for all; brackets do not matter.

    Raises
    ------
    BadInput : naming `where` the text is from.

    >>> three_numbers("[0.5, 0.4, 1]", "--encoder-mean"), three_numbers(".5", "--encoder-std")
    ((0.5, 0.4, 1.0), (0.5, 0.5, 0.5))
    """
    words = re.split(r"[\s,;]+", text.strip(" \t\n[]()"))
    try:
        found = tuple(map(float, words))
    except ValueError:
        found = ()
    if len(found) not in (1, 3) or not np.isfinite(found).all():
        raise BadInput(f"{where}: {text!r}, expected one number or three, as 0.5,0.5,0.5")
    return found if len(found) == 3 else found * 3


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MOST_FILE_BYTES:
            raise BadInput(f"{path}: expected a file of at most {MOST_FILE_BYTES:,} bytes")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{path}: {reason}: expected an ONNX file") from None


def _start(data: bytes, path: Path) -> onnxruntime.InferenceSession:
    """Load a model on one thread; `in_order` runs it on several pictures at a time."""
    with needs("onnxruntime"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal errors; the others come as exceptions
    try:
        return onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])
    except Exception as error:  # a model of others may fail in any way
        raise BadInput(f"{path} cannot be loaded ({_first_line(error)})") from None


def _only_input(
    session: onnxruntime.InferenceSession, path: Path
) -> tuple[str, type, list[int | str | None]]:
    """Return the name, type and shape of the one input, which must be a picture."""
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    fits = len(shape) == 4 and inputs[0].type in _TYPES
    # Where the number of channels is left open, it may be 3.
    channels = [shape[1], shape[3]] if fits else []
    if not any(each == 3 or not isinstance(each, int) for each in channels):
        found = ", ".join(f"{each.type} {each.shape}" for each in inputs)
        raise BadInput(
            f"{path} takes {found or 'nothing'}: expected pictures, "
            "(n, 3, height, width) or (n, height, width, 3), float or uint8"
        )
    return inputs[0].name, _TYPES[inputs[0].type], shape


def _pooled(output: np.ndarray, channels_first: bool) -> np.ndarray:
    """Average what a model returns for each picture over space: (n, numbers).

    Of (n, a, b, c) the two equal sides are space, otherwise those of the input's order;
    of (n, tokens, numbers) the tokens.
    """
    if output.ndim == 2:
        return output
    if output.ndim == 3:
        return output.mean(1)
    if output.ndim != 4:
        raise ValueError(f"its output has {output.ndim} dimensions, expected 2 to 4")
    _, first, middle, last = output.shape
    if (middle == last) != (first == middle):
        channels_first = middle == last
    return output.mean((2, 3) if channels_first else (1, 2))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
