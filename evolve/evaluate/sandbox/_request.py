"""The request that is sent into a sandbox (trusted to untrusted; the way back is ``evolve.evaluate._readers``)."""

from __future__ import annotations

import marshal
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evolve.evaluate._entry import parse_entry
from evolve.evaluate._trial import Array, JsonValue

_PLACES = ("candidate", "input", "assets", "data", "work", "output")
Returns = Mapping[str, Array | JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPaths:
    """Where things lie for the candidate: fixed paths in the strict tier, temporary folders in tier none."""

    candidate: str = "/candidate"
    input: str = "/input"
    assets: str = "/assets"
    data: str = "/data"
    work: str = "/work"
    output: str = "/output"
    path: tuple[str, ...] = ("/site", "/meta")  # after the standard library, as in a plain interpreter

    def env(self) -> dict[str, str]:
        """The same as environment variables, for programs that should run under both tiers."""
        return {f"EVOLVE_{name.upper()}": getattr(self, name) for name in _PLACES}

    def inner(self, text: str) -> str:
        """``text`` with a leading fixed path replaced by where that folder really is."""
        for name in _PLACES:
            fixed = f"/{name}"
            if text == fixed or text.startswith(fixed + "/"):
                return getattr(self, name) + text[len(fixed) :]
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing to do: calls of an entry point, or (with ``argv``) a command.  ``returns`` belongs to the calls one by one.

    With ``turns`` the calls are not in it: they follow one by one (``pack_call``), after so many empty ones; ``arrays`` says
    whether any of them has an array among its arguments.
    """

    limits: Sequence[tuple[str, int]]
    places: SandboxPaths
    entry: str = ""
    calls: Sequence[Mapping[str, object]] = ()
    returns: Sequence[Returns] = ()
    argv: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)
    first_process: bool = False
    turns: int = 0
    arrays: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether something may be sent behind it: further calls, or that a command's time is over."""
        return bool(self.turns or self.outputs)

    def pack(
        self,
        *,
        files: Mapping[str, bytes] | None = None,
        inputs: Mapping[str, bytes] | None = None,
        scratch: int = 0,
        spare: bool = False,
    ) -> bytes:
        """The request's bytes.

        Args:
            files, inputs, scratch: the candidate's files, the inputs and the size of each tmpfs, for a fork server's child, which
                sees nothing of the outside.
            spare: a Python script may run in the interpreter that already has its imports.

        Raises:
            TypeError: an argument is neither JSON nor an array; the evaluator's mistake.
            ValueError: ``entry`` is of no form that ``parse_entry`` knows; the evaluator's mistake.
        """
        message = {
            "limits": [tuple(limit) for limit in self.limits],
            "candidate": self.places.candidate,
            "path": list(self.places.path),
            "work": self.places.work,
            "output": self.places.output,
            "entry": self._entry() if self.entry else (),
            "calls": [{name: _argument(value) for name, value in call.items()} for call in self.calls],
            "returns": [[_return(name, spec) for name, spec in specs.items()] for specs in self.returns],
            "argv": list(self.argv),
            "env": dict(self.env),
            "outputs": list(self.outputs.items()),
            "first_process": self.first_process,
            "files": dict(files or {}),
            "input_files": dict(inputs or {}),
            "scratch": scratch,
            "spare": spare,
            "turns": self.turns,
            "arrays": self.arrays,
        }
        data = marshal.dumps(message)
        return len(data).to_bytes(8, "little") + data

    def _entry(self) -> tuple[str, str, str]:
        entry = parse_entry(self.entry)
        return entry.module, entry.file, entry.function


def pack_call(arguments: Mapping[str, object]) -> bytes:
    """The bytes of one call's arguments, without their length.

    Raises:
        TypeError: an argument is neither JSON nor an array; the evaluator's mistake.
    """
    return marshal.dumps({name: _argument(value) for name, value in arguments.items()})


def _argument(value: object) -> object:
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value).reshape(value.shape)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"an array argument must hold numbers, not {array.dtype}")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return (array.dtype.str, array.shape, array.tobytes())
    return _plain(value)


def _plain(value: object) -> object:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): _plain(item) for key, item in value.items()}
    raise TypeError(f"an argument must be JSON or a numpy array, not {type(value).__name__}")


def _return(name: str, spec: Array | JsonValue) -> tuple[str, str, str]:
    if isinstance(spec, JsonValue):
        return (name, "json", "")
    return (name, "array", np.dtype(spec.dtype).str)


def sealed(data: bytes) -> int:
    """A descriptor from which ``data`` can be read and which nobody can change or grow."""
    import fcntl

    fd = os.memfd_create("request", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return fd
