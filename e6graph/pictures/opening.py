"""From a picture (bytes, file, PIL image) to checked RGB, within limits.

The process that decodes pictures of strangers (`reading.py`) imports this module, so
it needs Pillow alone.
"""

from __future__ import annotations

import io
import re
import stat
import warnings
from pathlib import Path

from PIL import Image, ImageOps

from ..errors import BadInput

MOST_PICTURE_BYTES = 50_000_000
MOST_PIXELS = 40_000_000  # of a file of one's own
STRANGERS_PIXELS = 16_000_000  # decoded in 512 MB, whatever the format
MOST_SIDE = 12_000
MOST_SCANS = 64  # of a JPEG; encoders write 20 at most, and each costs a pass over the pixels
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")  # each decoder is one more to trust
UNDER_TRANSPARENCY = (255, 255, 255)
ENOUGH_PIXELS = 128  # a side, for the hash and the features
SIDE = 64  # pixels of the square that features are made from
Size = tuple[int, int]  # width and height in pixels
SQUARE = (SIDE, SIDE)

_EXPECTED = "a whole JPEG, PNG, GIF, WebP or BMP picture"
# A marker that begins a segment: neither a stuffed zero, nor a fill byte, nor a restart.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = (0x01, 0xD8)  # TEM and SOI


def open_picture(
    source: str | Path | bytes | Image.Image,
    max_pixels: int = MOST_PIXELS,
    max_bytes: int = MOST_PICTURE_BYTES,
    enough: int = ENOUGH_PIXELS,
) -> Image.Image:
    """Open a picture as upright RGB: its first frame, white where it is transparent.

    A JPEG is decoded at the smallest of the scales 1/1 to 1/8 that leaves both
    sides at `enough` pixels (from its DCT coefficients; other formats cost their
    whole size). Nothing is decoded before the size in the header was compared with
    `max_pixels` and `MOST_SIDE`, and a JPEG's scans with `MOST_SCANS`. A PIL image of
    the caller is not changed.

    Raises
    ------
    BadInput : not a file, too large, or not a whole JPEG, PNG, GIF, WebP or BMP.
    """
    if isinstance(source, Image.Image):
        _check_size(source, "the picture", max_pixels)
        return _as_rgb(source, "the picture")
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), "the picture"
    else:
        data, name = _read_bytes(Path(source), max_bytes), str(source)
    _check_bytes(len(data), name, max_bytes)
    if not data:
        raise BadInput(f"{name} is empty: expected {_EXPECTED}")
    try:
        bomb = Image.DecompressionBombWarning
        with warnings.catch_warnings(action="ignore", category=bomb):
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        most = f"{max_pixels:,} pixels"
        raise BadInput(f"{name} has more than {most}: make it smaller") from None
    except MemoryError:
        raise
    except Exception:  # a decoder of foreign bytes may raise anything
        begins = repr(data[:12])
        raise BadInput(f"{name} begins {begins}: expected {_EXPECTED}") from None
    with image:
        _check_size(image, name, max_pixels)
        if data.startswith(b"\xff\xd8"):
            _check_scans(data, name)
        image.draft(None, (enough, enough))
        return _as_rgb(image, name)


def shrunk(picture: Image.Image, size: Size = SQUARE) -> Image.Image:
    """Stretch a picture to the square that features are made from, or to another size."""
    if size == SQUARE:
        return picture.resize(size, Image.Resampling.BOX)
    return picture.resize(size, Image.Resampling.BILINEAR)  # it may grow


def enough_for(size: Size) -> int:
    """Return how many pixels a side a large JPEG must keep, to be shrunk to this size."""
    return max(ENOUGH_PIXELS, *size)


def count_scans(data: bytes, most: int) -> int:
    """Count the scans of a JPEG by its markers (ITU-T T.81, annex B), decoding nothing.

    Parameters
    ----------
    most : where to stop: the answer is at most `most` + 1.

    >>> count_scans(bytes.fromhex("ffd8 ffda0003aa 1234ff00ffd0 ffda0003bb 56 ffd9"), 9)
    2
    """
    scans = place = 0
    while scans <= most and (found := _MARKER.search(data, place)):
        marker, place = data[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            break
        if marker not in _WITHOUT_LENGTH:
            place += int.from_bytes(data[place : place + 2], "big")
        scans += marker == _START_OF_SCAN
    return scans


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or /dev/zero would never end
            raise BadInput(f"{path} is not a file: expected a picture")
        _check_bytes(status.st_size, str(path), max_bytes)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{path}: {reason}: expected a picture") from None


def _check_bytes(size: int, name: str, most: int) -> None:
    if size > most:
        raise BadInput(f"{name}: {size:,} bytes, expected at most {most:,}")


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    wide, high = image.size
    if min(wide, high) < 1 or max(wide, high) > MOST_SIDE or wide * high > max_pixels:
        raise BadInput(
            f"{name} is {wide} × {high}: expected 1 to {max_pixels:,} pixels, "
            f"{MOST_SIDE:,} a side"
        )


def _check_scans(data: bytes, name: str) -> None:
    # Other segments hold these two bytes by chance, so the quick count may be too high.
    if data.count(b"\xff\xda") <= MOST_SCANS:
        return
    if count_scans(data, MOST_SCANS) > MOST_SCANS:
        raise BadInput(
            f"{name} is a JPEG of more than {MOST_SCANS} scans: save it anew, which takes few"
        )


def _as_rgb(image: Image.Image, name: str) -> Image.Image:
    try:
        image = ImageOps.exif_transpose(image)  # always a copy
        if image.mode.startswith("I"):  # 16 bits: convert() would clip them to 8
            image = image.convert("I").point(lambda level: level * (1 / 256)).convert("L")
        elif image.mode == "F":
            image = image.convert("L")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            under = Image.new("RGBA", image.size, (*UNDER_TRANSPARENCY, 255))
            image = Image.alpha_composite(under, image)
        return image.convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise BadInput(
            f"{name} cannot be decoded ({error}): expected a whole picture"
        ) from None
