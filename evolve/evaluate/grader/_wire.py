"""What an executor and a grader say to each other: typed messages as length-prefixed JSON over a socket.

A frame is four bytes of length (big-endian) and that many bytes of UTF-8 JSON, ``{"<message>": {fields}}``.  Values are the
dataclasses of ``archive`` and ``evolve.problem.contract._contract``; they are packed and unpacked by their type hints, strictly: an
unknown field, another type or a number that is not finite is a ``WireError``.  Nothing is ever unpickled.

Both ends are trusted.  What a candidate wrote crosses only as text that the grader capped and cleaned.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import types
import typing
from collections.abc import Callable, Mapping
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache

from archive import BlockEntry, Measurement, plain
from evolve.evaluate.isolation._gpu import Gpu
from evolve.problem.contract._contract import Contract, Param

MAX_FRAME_BYTES = 256 << 20  # 64 candidates of 1 MiB, or a dozen artifacts of the greatest size a contract may allow
_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 20


class WireError(Exception):
    """Bytes that are no message of this protocol, or a message too large for a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """To the grader, once and first: the problem it serves from now on.

    ``engine`` is the sender's version; ``assets`` is the folder of all prepared assets, ``candidate_assets`` that of the
    candidate's alone.  ``evaluator`` is the problem's evaluator hash, which every measurement carries.
    """

    engine: str
    slot: int
    tier: str
    machine: str
    folder: str
    assets: str | None
    candidate_assets: str | None
    contract: Contract
    params: Mapping[str, Param]
    seed: Mapping[str, str]
    evaluator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderReady:
    """From the grader: it can measure."""

    engine: str
    python: str
    tier: str
    tier_hash: str
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """From the grader: what was asked cannot be done, and why; ``passing`` where the machine is to blame and may recover."""

    reason: str
    passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """To the grader: measure one candidate, which may have these GPUs."""

    entry: BlockEntry
    files: Mapping[str, str]
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """From the grader while it measures: a sandbox call begins (``inside``) or has ended.

    ``cpu_s`` is the candidate's CPU so far in this measurement, without the call that runs now.
    """

    inside: bool
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureDone:
    """From the grader: the measurement."""

    result: Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrate:
    """To the grader: run the reference work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """From the grader: how long the reference work took."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """To the grader: end the sandboxes in good order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderClosed:
    """From the grader: nothing of the sandboxes is left; it ends."""


Message = Prepare | GraderReady | Rejected | Measure | Phase | MeasureDone | Calibrate | Calibrated | Close | GraderClosed
_MESSAGES: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(Message)}


class Frames:
    """Bytes in, messages out.  Keeps what is not yet a whole frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def pop(self) -> Message | None:
        """The next message, or None until more bytes came.

        Raises:
            WireError: a frame above the limit, or one that holds no message.
        """
        if len(self._buffer) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._buffer)
        if size > MAX_FRAME_BYTES:
            raise WireError(f"a frame of {size} bytes, expected at most {MAX_FRAME_BYTES}")
        end = _LENGTH.size + size
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return _decode(body)


class Channel:
    """One end of the connection, blocking.  Not thread safe."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._frames = Frames()

    def send(self, message: Message) -> None:
        """Send the whole message.

        Raises:
            WireError: the message does not fit a frame.
            OSError: the other end is gone.
        """
        self._sock.sendall(encode(message))

    def receive(self) -> Message | None:
        """The next message; None when the other end is gone."""
        while (message := self._frames.pop()) is None:
            data = self._sock.recv(_CHUNK)
            if not data:
                return None
            self._frames.feed(data)
        return message


def encode(message: Message) -> bytes:
    """A message as one frame."""
    try:
        body = json.dumps({type(message).__name__: plain(message)}, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise WireError(f"{type(message).__name__} does not fit JSON: {error}") from error
    if len(body) > MAX_FRAME_BYTES:
        raise WireError(f"{type(message).__name__} takes {len(body)} bytes, expected at most {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


def _decode(body: bytes) -> Message:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a frame that is not JSON: {error}") from error
    if not isinstance(data, dict) or len(data) != 1:
        raise WireError("a frame that is not one named message")
    ((name, value),) = data.items()
    if name not in _MESSAGES:
        raise WireError(f"an unknown message {name!r}")
    return typing.cast(Message, unpack(_MESSAGES[name], value))


# ------------------------------------------------------------------------------------------------ values by their type hints


def unpack(kind: typing.Any, data: object) -> object:
    """The inverse of ``plain`` for a value of type ``kind``.

    Raises:
        WireError: ``data`` has another form.
    """
    return _reader(kind)(data)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


_Reader = Callable[[object], object]


@cache
def _reader(kind: typing.Any) -> _Reader:
    """A function that reads JSON values as ``kind``."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind in (str, bool, int, float, types.NoneType):
        return _plain(kind)
    if origin in (typing.Union, types.UnionType):
        return _union([_reader(one) for one in args])
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return _sequence(_reader(args[0]))
    if origin is AbstractMapping:
        return _mapping(_reader(args[1]))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    if is_dataclass(kind):
        return _dataclass(typing.cast(type, kind))
    raise TypeError(f"the wire has no form for {kind}")


def _plain(kind: type) -> _Reader:
    def read(data: object) -> object:
        if kind is float and type(data) is int:
            try:
                data = float(data)
            except OverflowError as error:
                raise WireError("expected a number that a float can hold") from error
        if type(data) is not kind or (type(data) is float and not math.isfinite(data)):
            raise WireError(f"expected {kind.__name__}, found {type(data).__name__}")
        return data

    return read


def _union(readers: list[_Reader]) -> _Reader:
    def read(data: object) -> object:
        for reader in readers:
            try:
                value = reader(data)
            except WireError:
                continue
            if type(value) is type(data) or isinstance(data, dict | list):
                return value
        # a float's reader turns an int into a float, which is right only where no member is an int
        for reader in readers:
            try:
                return reader(data)
            except WireError:
                continue
        raise WireError(f"{type(data).__name__} is none of the allowed types")

    return read


def _sequence(item: _Reader) -> _Reader:
    def read(data: object) -> object:
        if not isinstance(data, list):
            raise WireError(f"expected a list, found {type(data).__name__}")
        return tuple(item(one) for one in data)

    return read


def _mapping(item: _Reader) -> _Reader:
    def read(data: object) -> object:
        if not isinstance(data, dict):
            raise WireError(f"expected a mapping, found {type(data).__name__}")
        return {key: item(one) for key, one in data.items()}

    return read


def _enum(kind: type[Enum]) -> _Reader:
    def read(data: object) -> object:
        try:
            return kind(data)
        except ValueError as error:
            raise WireError(str(error)) from error

    return read


def _dataclass(kind: type) -> _Reader:
    hints = typing.get_type_hints(kind)
    readers = {name: _reader(hints[name]) for name in _names(kind)}

    def read(data: object) -> object:
        if not isinstance(data, dict):
            raise WireError(f"expected {kind.__name__}, found {type(data).__name__}")
        try:
            return kind(**{name: readers[name](one) for name, one in data.items()})
        except (KeyError, TypeError) as error:
            raise WireError(f"{kind.__name__} with another set of fields: {error}") from error

    return read
