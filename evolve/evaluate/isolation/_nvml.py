"""What the NVIDIA driver's library says of this machine's GPUs, as JSON on stdout.  Stands alone and runs as ``python -I -S``.

A process of its own, because a driver that hangs would take whoever asks it along: this one can be left to itself.  Everything
asked for is optional but the identity of a card; what an older driver does not know is left out.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

_NOT_SUPPORTED = 3
_UNTOLD = (2, 3, 4, 13)  # not an argument, not supported, not permitted, not there: says nothing of the card
_UNCORRECTED, _VOLATILE = 1, 0
_CORES, _MEMORY = 0, 2  # clocks
_MIB = 1 << 20
_MOST_PROCESSES = 256


class DriverError(Exception):
    """The library answered with an error; ``code`` is its number."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"{said} (NVML {code})")
        self.code = code


class _Pci(ctypes.Structure):
    _fields_ = [("legacy", ctypes.c_char * 16), ("numbers", ctypes.c_uint * 5), ("bus_id", ctypes.c_char * 32)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class _Process(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("used", ctypes.c_ulonglong), ("instances", ctypes.c_uint * 2)]


class Library:
    """The library, with its errors as exceptions.  ``functions`` is what ``ctypes`` made of it."""

    def __init__(self, functions: ctypes.CDLL) -> None:
        self._functions = functions

    def ask(self, name: str, *arguments: object) -> None:
        """Call a function.

        Raises:
            DriverError: it failed, or this library does not have it.
        """
        function = getattr(self._functions, name, None)
        if function is None:
            raise DriverError(_NOT_SUPPORTED, f"no {name}")
        code = function(*arguments)
        if code:
            words = self._functions.nvmlErrorString
            words.restype = ctypes.c_char_p
            raise DriverError(code, (words(code) or b"unknown").decode(errors="replace"))

    def text(self, name: str, *arguments: object) -> str:
        """What a function writes into a buffer."""
        buffer = ctypes.create_string_buffer(96)
        self.ask(name, *arguments, buffer, ctypes.c_uint(96))
        return buffer.value.decode(errors="replace")

    def number(self, name: str, *arguments: object) -> int:
        """What a function writes into an unsigned number."""
        value = ctypes.c_uint()
        self.ask(name, *arguments, ctypes.byref(value))
        return value.value

    def handle(self, name: str, *arguments: object) -> ctypes.c_void_p:
        """The device that a function finds."""
        found = ctypes.c_void_p()
        self.ask(name, *arguments, ctypes.byref(found))
        return found


def survey(library: Library) -> dict:
    """Driver, cards and MIG instances.

    Raises:
        DriverError: not even their number is to be had.
    """
    library.ask("nvmlInit_v2")
    told: dict = {"driver": library.text("nvmlSystemGetDriverVersion"), "gpus": [], "lost": []}
    for index in range(library.number("nvmlDeviceGetCount_v2")):
        try:
            device = library.handle("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index))
            told["gpus"] += _cards(library, device, index)
        except DriverError as error:
            told["lost"].append([index, str(error)])
    return told


def _cards(library: Library, device: ctypes.c_void_p, index: int) -> list[dict]:
    """The card itself, or its MIG instances where it is cut into such."""
    card = _card(library, device, index)
    modes = (ctypes.c_uint(), ctypes.c_uint())
    try:
        library.ask("nvmlDeviceGetMigMode", device, *(ctypes.byref(mode) for mode in modes))
    except DriverError:
        return [card]
    if not modes[0].value:
        return [card]
    instances = []
    for number in range(_or(0, lambda: library.number("nvmlDeviceGetMaxMigDeviceCount", device))):
        try:
            part = library.handle("nvmlDeviceGetMigDeviceHandleByIndex", device, ctypes.c_uint(number))
        except DriverError:
            continue  # no such instance: the numbers have gaps
        instances.append(_instance(library, part, card))
    return instances or [card | {"fault": "MIG is on and the card has no instance"}]


def _card(library: Library, device: ctypes.c_void_p, index: int) -> dict:
    pci, memory = _Pci(), _memory(library, device)
    library.ask("nvmlDeviceGetPciInfo_v3", device, ctypes.byref(pci))
    return {
        "index": index,
        "uuid": library.text("nvmlDeviceGetUUID", device),
        "minor": library.number("nvmlDeviceGetMinorNumber", device),
        "name": library.text("nvmlDeviceGetName", device),
        "pci": pci.bus_id.decode(errors="replace"),
        "clocks": _clocks(library, device),
        "gi": -1,
        "ci": -1,
        "memory_mib": memory.total // _MIB,
        "used_mib": memory.used // _MIB,
        "fault": _fault(library, device),
        "ecc": _ecc(library, device),
        "processes": _processes(library, device),
    }


def _instance(library: Library, part: ctypes.c_void_p, card: dict) -> dict:
    memory = _memory(library, part)
    return card | {
        "uuid": library.text("nvmlDeviceGetUUID", part),
        "name": library.text("nvmlDeviceGetName", part),
        "gi": library.number("nvmlDeviceGetGpuInstanceId", part),
        "ci": library.number("nvmlDeviceGetComputeInstanceId", part),
        "memory_mib": memory.total // _MIB,
        "used_mib": memory.used // _MIB,
        "processes": _processes(library, part),
    }


def _memory(library: Library, device: ctypes.c_void_p) -> _Memory:
    memory = _Memory()
    _or(None, lambda: library.ask("nvmlDeviceGetMemoryInfo", device, ctypes.byref(memory)))  # a card may have the machine's
    return memory


def _clocks(library: Library, device: ctypes.c_void_p) -> str:
    """The clocks that are set, or where none can be the highest there are: of the cores and of the memory."""
    found = [_clock(library, device, which) for which in (_CORES, _MEMORY)]
    return "/".join(map(str, found)) if any(found) else ""


def _clock(library: Library, device: ctypes.c_void_p, which: int) -> int:
    for name in ("nvmlDeviceGetApplicationsClock", "nvmlDeviceGetMaxClockInfo"):
        try:
            if mhz := library.number(name, device, ctypes.c_uint(which)):
                return mhz
        except DriverError:  # newer drivers drop the first, and no clock says that a card is ill
            continue
    return 0


def _fault(library: Library, device: ctypes.c_void_p) -> str:
    """What is wrong with a card that answers, or nothing."""
    if _or(0, lambda: library.number("nvmlDeviceGetComputeMode", device)) == 2:
        return "its compute mode is prohibited"
    if _or(0, lambda: library.number("nvmlDeviceGetRetiredPagesPendingStatus", device)):
        return "memory pages wait for a reset to be retired"
    rows = [ctypes.c_uint() for _ in range(4)]  # corrected, uncorrected, pending, failed
    _or(None, lambda: library.ask("nvmlDeviceGetRemappedRows", device, *map(ctypes.byref, rows)))
    if rows[3].value:
        return "rows of its memory could not be remapped"
    return "rows of its memory wait for a reset to be remapped" if rows[2].value else ""


def _ecc(library: Library, device: ctypes.c_void_p) -> int:
    """Errors of its memory that were not corrected since the driver was loaded."""
    count = ctypes.c_ulonglong()
    _or(None, lambda: library.ask("nvmlDeviceGetTotalEccErrors", device, _UNCORRECTED, _VOLATILE, ctypes.byref(count)))
    return count.value


def _processes(library: Library, device: ctypes.c_void_p) -> list[list[int]]:
    """(pid, MiB) of each process that computes on it."""
    count, found = ctypes.c_uint(_MOST_PROCESSES), (_Process * _MOST_PROCESSES)()
    try:
        library.ask("nvmlDeviceGetComputeRunningProcesses_v3", device, ctypes.byref(count), found)
    except DriverError:
        return []
    unknown = 1 << 63
    return [[one.pid, one.used // _MIB if one.used < unknown else 0] for one in found[: count.value]]


def _or(otherwise, ask):  # type: ignore[no-untyped-def]
    """What ``ask`` says, or ``otherwise`` where this driver does not tell."""
    try:
        return ask()
    except DriverError as error:
        if error.code in _UNTOLD:
            return otherwise
        raise


def _place(name: str) -> str:
    """Where the loader finds a library, or nothing."""
    try:
        ctypes.CDLL(name)
        with open("/proc/self/maps") as file:
            lines = [line.split(None, 5)[-1].strip() for line in file if "/" in line]
    except OSError:
        return ""
    stem = name.partition(".so")[0] + ".so"
    return next((line for line in lines if os.path.basename(line).startswith(stem)), "")


def main(path: str) -> None:
    """Print the survey, or why there is none."""
    try:
        told = survey(Library(ctypes.CDLL(path)))
    except OSError as error:
        told = {"error": f"{path} cannot be loaded ({error})"}
    except DriverError as error:
        told = {"error": str(error), "code": error.code}
    json.dump(told | {"cuda": _place("libcuda.so.1")}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
    sys.stdout.flush()
    os._exit(0)  # whatever the library would do at its own end
