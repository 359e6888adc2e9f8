"""Strict readers for bytes a candidate wrote.

Sizes, dtypes and shapes are checked before anything is allocated for them; nothing is unpickled, imported or evaluated.  Every
reader raises ``Unreadable`` with one sentence and nothing else, whatever the bytes are.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evolve.evaluate._trial import Array, JsonValue

MAX_DIGITS = 400  # of one JSON number
MAX_DEPTH = 64  # of nested JSON
FRAME_MAGIC = b"EVR1"
_NPY_MAGIC = b"\x93NUMPY"
_KINDS = frozenset("biufc")
_SAFETENSORS = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}


class Unreadable(Exception):
    """The bytes do not have the declared form; the message says how."""


# ----------------------------------------------------------------------------------------------------------------- JSON


def read_json(data: bytes, max_bytes: int) -> object:
    """A JSON value from at most ``max_bytes`` of UTF-8.

    Raises:
        Unreadable: too long, not UTF-8, not JSON, nested deeper than 64, or with NaN, infinities, duplicate keys, lone surrogates
            or numbers of more than 400 characters.
    """
    if len(data) > max_bytes:
        raise Unreadable(f"JSON of {len(data)} bytes, at most {max_bytes} allowed")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("JSON is not UTF-8") from None
    _check_depth(text)
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_int=_integer, parse_float=_number, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise Unreadable("not valid JSON") from None
    if "\\u" in text:
        _check_surrogates(value)
    return value


def _check_depth(text: str) -> None:
    depth = 0
    # A string without an end reaches to the end of the text, so that nothing in it is looked at twice: the parser refuses it.
    for match in re.finditer(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', text, re.DOTALL):
        bracket = text[match.start()]
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Unreadable(f"JSON nested deeper than {MAX_DEPTH}")
        elif bracket in "]}":
            depth -= 1


def _check_surrogates(value: object) -> None:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Unreadable("JSON text with a lone surrogate") from None
    elif isinstance(value, list):
        for item in value:
            _check_surrogates(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_surrogates(key)
            _check_surrogates(item)


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("JSON object with a duplicate key")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Unreadable(f"JSON number of {len(digits)} characters, at most {MAX_DIGITS} allowed")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > MAX_DIGITS:
        raise Unreadable(f"JSON number of {len(digits)} characters, at most {MAX_DIGITS} allowed")
    value = float(digits)
    if not math.isfinite(value):
        raise Unreadable("JSON number out of range")
    return value


def _constant(name: str) -> float:
    raise Unreadable(f"JSON with {name}")


# --------------------------------------------------------------------------------------------------------------- arrays


def read_array(data: bytes, dtype: str, shape: tuple[int, ...], spec: Array) -> np.ndarray:
    """A writable, C-contiguous array of ``spec`` from raw little-endian C-order bytes with the claimed ``dtype`` and ``shape``.

    Raises:
        Unreadable: the claim differs from ``spec``, the number of bytes from the claim, or a float is not finite.
    """
    _check_claim(dtype, shape, len(data), spec)
    array = np.frombuffer(data, dtype=np.dtype(spec.dtype)).reshape(shape).copy()
    _check_finite(array, spec)
    return array


def _check_claim(dtype: str, shape: tuple[int, ...], n_bytes: int, spec: Array) -> None:
    wanted = np.dtype(spec.dtype)
    if wanted.kind not in _KINDS:
        raise ValueError(f"Array dtype must be bool, int, uint, float or complex, not {spec.dtype!r}")
    if dtype != wanted.str:
        raise Unreadable(f"expected an array of {wanted.str}, got {dtype[:40]!r}")
    if len(shape) != len(spec.shape):
        raise Unreadable(f"expected shape {_shown(spec.shape)}, got {len(shape)} dimensions")
    if any(want is not None and want != have for want, have in zip(spec.shape, shape, strict=True)):
        raise Unreadable(f"expected shape {_shown(spec.shape)}, got {_shown(shape)}")
    items = math.prod(shape)
    if any(side < 0 for side in shape) or items > spec.max_items:
        raise Unreadable(f"array of shape {_shown(shape)}, at most {spec.max_items} items allowed")
    if items * wanted.itemsize != n_bytes:
        raise Unreadable(f"array of shape {_shown(shape)} needs {items * wanted.itemsize} bytes, got {n_bytes}")


def _check_finite(array: np.ndarray, spec: Array) -> None:
    if spec.finite and array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise Unreadable("array with NaN or infinite entries")


def _shown(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if side is None else str(side)[:20] for side in shape) + ")"


def read_npy(data: bytes, spec: Array) -> np.ndarray:
    """An array from the bytes of one ``.npy`` file (versions 1 to 3), in C order.

    Raises:
        Unreadable: not ``.npy``, another dtype or shape than ``spec``, too many items, missing or further bytes, not finite.
    """
    if len(data) < 10 or data[:6] != _NPY_MAGIC:
        raise Unreadable("not a .npy file")
    width = 2 if data[6] == 1 else 4
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    if data[6] not in (1, 2, 3) or length > 4096 or len(data) < start + length:
        raise Unreadable(".npy header missing or too long")
    dtype, shape, fortran = _npy_header(data[start : start + length])
    body = memoryview(data)[start + length :]
    _check_claim(dtype, shape, len(body), spec)
    flat = np.frombuffer(body, dtype=np.dtype(spec.dtype))
    array = flat.reshape(shape, order="F" if fortran else "C").copy(order="C")
    _check_finite(array, spec)
    return array


def _npy_header(header: bytes) -> tuple[str, tuple[int, ...], bool]:
    text = header.decode("latin-1")
    if not re.fullmatch(r"\{[ -~]{0,2000}\}\s*", text) or text.count("(") != 1:
        raise Unreadable(".npy header of another form")
    try:
        # Only literals can come out of this, and the text is short and has a single pair of parentheses.
        fields = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise Unreadable(".npy header of another form") from None
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise Unreadable(".npy header of another form")
    dtype, fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    if not isinstance(dtype, str) or not isinstance(fortran, bool) or not _is_shape(shape):
        raise Unreadable(".npy header of another form")
    return dtype, shape, fortran


def _is_shape(shape: object) -> bool:
    if not isinstance(shape, (tuple, list)) or len(shape) > 16:
        return False
    return all(type(side) is int and 0 <= side < 1 << 62 for side in shape)


def read_safetensors(data: bytes, spec: Mapping[str, Array]) -> dict[str, np.ndarray]:
    """The tensors named in ``spec`` from the bytes of one ``.safetensors`` file; further tensors are an error.

    Raises:
        Unreadable: not safetensors, other names, dtypes or shapes than ``spec``, or bytes that overlap, are missing or left over.
    """
    if len(data) < 8:
        raise Unreadable("not a safetensors file")
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, 1 << 20):
        raise Unreadable("safetensors header missing or too long")
    header = read_json(data[8 : 8 + length], 1 << 20)
    if not isinstance(header, dict):
        raise Unreadable("safetensors header of another form")
    header.pop("__metadata__", None)
    if set(header) != set(spec):
        raise Unreadable(f"expected the tensors {', '.join(sorted(spec))}")
    body = memoryview(data)[8 + length :]
    spans = sorted((_span(header[name]), name) for name in spec)
    end = 0
    found = {}
    for (start, stop), name in spans:
        if start != end or stop < start or stop > len(body):
            raise Unreadable("safetensors offsets that overlap or leave gaps")
        fields = header[name]
        dtype = _SAFETENSORS.get(str(fields.get("dtype")), "")
        shape = fields.get("shape")
        if not dtype or not _is_shape(shape):
            raise Unreadable(f"safetensors entry {name} of another form")
        found[name] = read_array(bytes(body[start:stop]), dtype, tuple(shape), spec[name])
        end = stop
    if end != len(body):
        raise Unreadable("safetensors with bytes left over")
    return found


def _span(fields: object) -> tuple[int, int]:
    offsets = fields.get("data_offsets") if isinstance(fields, dict) else None
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int and n >= 0 for n in offsets):
        raise Unreadable("safetensors entry of another form")
    return offsets[0], offsets[1]


# --------------------------------------------------------------------------------------------------------------- frames


@dataclass(frozen=True, slots=True)
class Frame:
    """One reply of the stub, split but not yet believed: a header (JSON) and the payloads behind it."""

    header: dict[str, object]
    body: bytes


def frame_limit(payload: int, n_items: int) -> int:
    """Greatest number of bytes of a frame with ``n_items`` payloads of ``payload`` bytes together."""
    return 8 + 4096 + 512 * n_items + payload


def read_frame(data: bytes, n_items: int) -> Frame:
    """The one frame in ``data``.

    Raises:
        Unreadable: empty, incomplete, with a header that is too long or not a JSON object.
    """
    if not data:
        raise Unreadable("no reply")
    if len(data) < 8 or data[:4] != FRAME_MAGIC:
        raise Unreadable("reply of another form")
    length = int.from_bytes(data[4:8], "little")
    if length > 4096 + 512 * n_items or len(data) < 8 + length:
        raise Unreadable("reply header missing or too long")
    header = read_json(data[8 : 8 + length], 4096 + 512 * n_items)
    if not isinstance(header, dict):
        raise Unreadable("reply header of another form")
    return Frame(header, data[8 + length :])


def reply_limit(returns: list[Mapping[str, Array | JsonValue]]) -> int:
    """Greatest number of bytes a well-formed reply to these calls can have."""
    payload = sum(_value_limit(spec) for names in returns for spec in names.values())
    return frame_limit(payload, sum(len(names) + 1 for names in returns))


def _value_limit(spec: Array | JsonValue) -> int:
    if isinstance(spec, JsonValue):
        return spec.max_bytes
    fixed = [side for side in spec.shape if side is not None]
    items = math.prod(fixed) if len(fixed) == len(spec.shape) else spec.max_items
    return items * np.dtype(spec.dtype).itemsize


def read_values(frame: Frame, returns: list[Mapping[str, Array | JsonValue]]) -> tuple[dict[str, object], ...]:
    """The returned values of each call.

    Raises:
        Unreadable: other calls, names, kinds, dtypes, shapes or sizes than declared, or bytes missing or left over.
    """
    calls = frame.header.get("values")
    if not isinstance(calls, list) or len(calls) != len(returns):
        raise Unreadable(f"expected the values of {len(returns)} calls")
    found = []
    at = 0
    for entries, specs in zip(calls, returns, strict=True):
        if not isinstance(entries, list) or len(entries) != len(specs):
            raise Unreadable(f"expected {len(specs)} values ({', '.join(specs)})")
        values: dict[str, object] = {}
        for entry, (name, spec) in zip(entries, specs.items(), strict=True):
            size = _size_of(entry)
            if at + size > len(frame.body):
                raise Unreadable("incomplete reply")
            values[name] = _value(entry, frame.body[at : at + size], name, spec)
            at += size
        found.append(values)
    if at != len(frame.body):
        raise Unreadable("reply with bytes left over")
    return tuple(found)


def _size_of(entry: object) -> int:
    size = entry[-1] if isinstance(entry, list) and len(entry) in (2, 4) else None
    if type(size) is not int or size < 0:
        raise Unreadable("reply entry of another form")
    return size


def _value(entry: list[object], data: bytes, name: str, spec: Array | JsonValue) -> object:
    try:
        if isinstance(spec, JsonValue):
            if entry[0] != "json" or len(entry) != 2:
                raise Unreadable("expected a JSON value")
            return read_json(data, spec.max_bytes)
        dtype, shape = entry[1], entry[2] if len(entry) == 4 else None
        if entry[0] != "array" or not isinstance(dtype, str) or not _is_shape(shape):
            raise Unreadable("expected an array")
        return read_array(data, dtype, tuple(shape), spec)  # type: ignore[arg-type]
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from None


def read_files(frame: Frame, outputs: Mapping[str, int]) -> tuple[dict[str, bytes], str]:
    """The output files of a command by relative path, and why the first of the others is not among them ("" where all are).

    Raises:
        Unreadable: the frame names other files, or has other bytes than it says.
    """
    entries = frame.header.get("files")
    if not isinstance(entries, list) or len(entries) != len(outputs):
        raise Unreadable(f"expected {len(outputs)} output files")
    found: dict[str, bytes] = {}
    lacking = ""
    at = 0
    for entry, (path, max_bytes) in zip(entries, outputs.items(), strict=True):
        if isinstance(entry, str):
            lacking = lacking or f"output {path}: {entry[:80]}"
            continue
        if type(entry) is not int or entry < 0 or entry > max_bytes:
            raise Unreadable(f"output {path}: at most {max_bytes} bytes allowed")
        if at + entry > len(frame.body):
            raise Unreadable("incomplete reply")
        found[path] = frame.body[at : at + entry]
        at += entry
    if at != len(frame.body):
        raise Unreadable("reply with bytes left over")
    return found, lacking
