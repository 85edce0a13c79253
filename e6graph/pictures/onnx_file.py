"""Check that an ONNX file is a model of standard operators, with all weights in the file.

The message types and field numbers are those of onnx.proto; the encoding is Protocol
Buffers' (protobuf.dev/programming-guides/encoding). Only what has to be checked is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import BadInput

STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
NEEDS_ONNX = "expected an ONNX model, as torch.onnx.export writes it"

# Message → number of a field → the message that it holds.
_PARTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
}
_OP_TYPE, _DOMAIN = 4, 7  # of a node
_FUNCTION_NAME, _FUNCTION_DOMAIN = 1, 10
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5  # wire types


def check_onnx(data: bytes, name: str) -> None:
    """Refuse a model that reads other files or needs operators that ONNX does not define.

    Operators that the model itself defines as functions are fine: they consist of
    others.

    Raises
    ------
    BadInput : naming the operator, or it is not an ONNX file.
    """
    try:
        used, defined = _operators(data)
    except (ValueError, IndexError):
        raise BadInput(f"{name} cannot be read: {NEEDS_ONNX}") from None
    except _External:
        raise BadInput(
            f"{name} keeps weights in other files: expected a model that is one file"
        ) from None
    if not used:
        raise BadInput(f"{name} has no operators: {NEEDS_ONNX}")
    others = sorted(
        f"{domain}:{kind}" for domain, kind in used - defined if domain not in STANDARD_DOMAINS
    )
    if others:
        raise BadInput(
            f"{name} needs {', '.join(others[:3])}: expected operators of ONNX itself"
        )


class _External(Exception):
    """A tensor's values are in another file."""


def _operators(data: bytes) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return (domain, name) of the operators that are used, and of those defined.

    Raises
    ------
    ValueError, IndexError : not a Protocol Buffers message. _External.
    """
    used, defined = set(), set()
    waiting = [("model", memoryview(data))]
    while waiting:
        kind, message = waiting.pop()
        parts = _PARTS.get(kind, {})
        found: dict[int, int | memoryview] = {}
        for number, value in _fields(message):
            found[number] = value  # of several the last one holds
            if number in parts and isinstance(value, memoryview):
                waiting.append((parts[number], value))
        if kind == "node":
            used.add((_text(found.get(_DOMAIN)), _text(found.get(_OP_TYPE))))
        elif kind == "function":
            domain = _text(found.get(_FUNCTION_DOMAIN))
            defined.add((domain, _text(found.get(_FUNCTION_NAME))))
        elif kind == "tensor" and (_EXTERNAL_DATA in found or found.get(_DATA_LOCATION)):
            raise _External
    return used, defined


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        size = {_FIXED_64: 8, _FIXED_32: 4}.get(wire_type)
        if wire_type == _BYTES:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError("not a message")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte; return it and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("not a number")


def _text(value: int | memoryview | None) -> str:
    return str(value, "utf-8", "replace") if isinstance(value, memoryview) else ""
