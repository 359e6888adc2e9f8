"""Records to plain JSON values and back, strictly.

A record becomes one flat dict of its fields; nested dataclasses become dicts, tuples become lists, enums their values.  Fields that
equal their default are left out.  Reading accepts exactly the known fields: the journal's CRC has already excluded damage, so
anything unknown was written by other code and must not be dropped silently.

The per-class plans are made once, at import, from the dataclasses' type hints.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, Protocol

from archive._errors import RecordError
from archive.records._records import RECORD_TYPES, SCHEMA_VERSION, Record

_Convert = Callable[[Any], Any]
_Value = typing.TypeVar("_Value")
_NO_DEFAULT = object()


class _Encode(Protocol):
    def __call__(self, value: Any) -> dict[str, Any]: ...


def _encoder(cls: type) -> _Encode:
    """A function from instances of the dataclass ``cls`` to dicts."""
    hints = typing.get_type_hints(cls)
    names = tuple(field.name for field in dataclasses.fields(cls))
    plan = tuple((field.name, _default(field), _writer(hints[field.name])) for field in dataclasses.fields(cls))
    get = attrgetter(*names) if len(names) > 1 else attrgetter(names[0], names[0])  # always a tuple

    def encode(value: Any) -> dict[str, Any]:
        found = {}
        for (name, default, write), item in zip(plan, get(value), strict=False):
            if item is default or item == default:
                continue
            found[name] = item if write is None else write(item)
        return found

    return encode


def _decoder(cls: type) -> _Convert:
    """A function from dicts to instances of the dataclass ``cls``; KeyError names an unknown field."""
    hints = typing.get_type_hints(cls)
    readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(cls)}

    def decode(found: Any) -> Any:
        values = {}
        for name, item in found.items():
            read = readers[name]
            values[name] = item if read is None or item is None else read(item)
        return cls(**values)

    return decode


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _NO_DEFAULT


def _writer(hint: Any) -> _Convert | None:
    """How to turn a value of this type into JSON; None where json.dumps already does it right."""
    inner = _unwrap(hint)
    if dataclasses.is_dataclass(inner):
        return _encoder(typing.cast(type, inner))
    if typing.get_origin(inner) is tuple:
        write = _writer(typing.get_args(inner)[0])
        if write is not None:
            return lambda items: [write(item) for item in items]
    if typing.get_origin(inner) is Mapping:
        return dict
    return None


def _reader(hint: Any) -> _Convert | None:
    inner = _unwrap(hint)
    if dataclasses.is_dataclass(inner):
        return _decoder(typing.cast(type, inner))
    if isinstance(inner, type) and issubclass(inner, Enum):
        members = {member.value: member for member in inner}
        return members.__getitem__
    if typing.get_origin(inner) is tuple:
        read = _reader(typing.get_args(inner)[0])
        if read is None:
            return tuple
        return lambda items: tuple([read(item) for item in items])
    return None


def _unwrap(hint: Any) -> Any:
    """``X`` of ``X | None``; other unions must be of plain JSON scalars."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        rest = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return rest[0] if len(rest) == 1 else object
    return hint


_ENCODERS: dict[type, _Encode] = {cls: _encoder(cls) for cls in RECORD_TYPES}
_DECODERS: dict[str, _Convert] = {cls.kind: _decoder(cls) for cls in RECORD_TYPES}


def encode_record(record: Record) -> dict[str, Any]:
    """The record's fields as JSON values, without those equal to their default.  Its kind is ``record.kind``."""
    return _ENCODERS[type(record)](record)


def decode_record(kind: str, payload: dict[str, Any], schema: int = SCHEMA_VERSION) -> Record:
    """The record that ``encode_record`` gave ``payload`` for.

    Raises:
        RecordError: an unknown kind, a newer schema, an unknown or missing field, or a value of another form.
    """
    if schema > SCHEMA_VERSION:
        raise RecordError(f"a record of schema {schema}, and this version reads up to {SCHEMA_VERSION}; {_UPGRADE}")
    decode = _DECODERS.get(kind)
    if decode is None:
        raise RecordError(f"unknown record kind {kind!r}: the journal was written by a newer version or edited; {_UPGRADE}")
    try:
        return typing.cast(Record, decode(payload))
    except KeyError as error:
        raise RecordError(f"record kind {kind!r} has the unknown field or value {error}; {_UPGRADE}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"record kind {kind!r} does not have the form this version writes ({error}); {_UPGRADE}") from error


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses as mappings of all their fields, enums as their values, tuples as lists.

    Raises:
        TypeError: something in it that JSON does not have.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    raise TypeError(f"a value of type {type(value).__name__} has no form in JSON")


@cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def encode_value(value: Any) -> dict[str, Any]:
    """Any dataclass of plain values, in the form that records have."""
    return _encoder(type(value))(value)


def decode_value(cls: type[_Value], found: Any) -> _Value:
    """The inverse of ``encode_value``.

    Raises:
        RecordError: an unknown or missing field, or a value of another form.
    """
    try:
        return typing.cast(_Value, _decoder(cls)(found))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(
            f"a {cls.__name__} in a record does not have the form this version reads ({error}); {_UPGRADE}"
        ) from error


_UPGRADE = "update this installation (pip install -U evolve-search-engine) to the version that wrote it"
