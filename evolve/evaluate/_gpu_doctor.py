"""The doctor's look at GPUs: the driver, each card, and what a sandbox that has it, and one that has none, sees of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace

from archive import StartMode
from evolve._errors import EvolveError
from evolve.evaluate._check import Check
from evolve.evaluate.isolation._gpu import Gpu, GpuDriver, GpuState, Survey, environment, nodes
from evolve.evaluate.isolation._mounts import VisibleFiles
from evolve.evaluate.sandbox._factory import SandboxFactory, open_sandbox_factory
from evolve.problem.contract._contract import Stage
from evolve.problem.contract._environment import ALWAYS, passed

_MODULES = (
    "reboot, or load the driver's modules again: sudo rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia; sudo modprobe nvidia"
)
_RESET = "with nobody on it run: sudo nvidia-smi --gpu-reset -i {index}"
_REMEDIES = (  # (words of what is wrong, what to do)
    ("version mismatch", _MODULES),
    ("Driver Not Loaded", "run: sudo modprobe nvidia"),
    ("cannot be loaded", "install the driver's libraries, of the version in /proc/driver/nvidia/version"),
    ("did not answer", f"look for Xid in the kernel's log (sudo dmesg), then {_RESET.format(index=0)}, or reboot"),
    ("compute mode", "run: sudo nvidia-smi -c 0 -i {index}"),
    ("no instance", "make one (sudo nvidia-smi mig -cgi 0 -C -i {index}), or switch it off: sudo nvidia-smi -mig 0 -i {index}"),
    ("there is no", "run: sudo nvidia-modprobe -u -c {minor}"),
    ("for a reset", _RESET),
)
_CUDA = {  # what cuInit says, and what to do where the machine itself has the trouble
    100: ("no device", "look at what the driver says of it: nvidia-smi"),
    802: ("the system is not ready", "run: sudo systemctl start nvidia-fabricmanager"),
    803: ("driver and library do not fit together", _MODULES),
}
_PROBE = """
import ctypes, json, os
told = {"nodes": [], "closed": [], "cuda": "", "code": 0, "count": 0}
for folder, _, names in os.walk("/dev"):
    for name in names:
        if "nvidia" in folder + name:
            place = os.path.join(folder, name)
            told["nodes"].append(place[5:])
            try:
                os.close(os.open(place, os.O_RDONLY if "caps" in place else os.O_RDWR))
            except OSError as error:
                told["closed"].append(f"{place} ({error.strerror})")
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError:
    told["cuda"] = "there is no libcuda.so.1"
else:
    told["code"] = cuda.cuInit(0)
    count = ctypes.c_int()
    told["cuda"] = f"cuInit says {told['code']}" if told["code"] else ""
    told["count"] = 0 if told["code"] or cuda.cuDeviceGetCount(ctypes.byref(count)) else count.value
told["nodes"].sort()
print(json.dumps(told))
"""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the probe saw: nodes, those that do not open, and how CUDA started; ``why`` where it did not get that far."""

    nodes: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    cuda: str = ""
    code: int = 0
    count: int = 0
    why: str = ""


def look_at_gpus(driver: GpuDriver) -> tuple[Check, ...]:
    """A line for each card; one where there is none."""
    found = driver.survey()
    if not found.gpus and not found.error:
        windows = " to lend: those of Windows (/dev/dxg) are not shown to sandboxes" if os.path.exists("/dev/dxg") else ""
        return (Check(name="GPUs", ok=True, found=f"none{windows}"),)
    whole = [Check(name="GPUs", ok=False, found=found.error, remedy=_remedy(found.error), hint=True)] if found.error else []
    try:
        with open_sandbox_factory("strict", VisibleFiles()) as factory:
            cards = [_card(gpu, found, _inside(factory, (gpu,))) for gpu in found.gpus]
            return (*whole, *cards, _hidden(_inside(factory, ())))
    except EvolveError as error:
        return (*whole, *(_card(gpu, found, _Seen(why=str(error))) for gpu in found.gpus))


def _card(gpu: Gpu, found: Survey, inside: _Seen) -> Check:
    state = found.states[gpu.uuid]
    outside = _outside(gpu)
    parts = [gpu.name, gpu.uuid, f"driver {gpu.driver}", f"{gpu.memory_mib} MiB", *_ills(state)]
    parts.append(f"{' '.join(name.removeprefix('/dev/') for _, name in nodes([gpu]))} here")
    parts.append(f"no sandbox to see it ({inside.why})" if inside.why else f"{' '.join(inside.nodes) or 'none'} in a sandbox")
    wrong, remedy = _wrong(gpu, state, outside, inside)
    return Check(
        name=f"GPU {gpu.index}", ok=not wrong, found=", ".join([*parts, wrong or "CUDA starts there"]), remedy=remedy, hint=True
    )


def _ills(state: GpuState) -> list[str]:
    """What is worth saying of a card that may be well."""
    users = [f"process {pid} has {used} MiB of it" for pid, used in state.processes]
    return [*users, *([f"{state.ecc} uncorrected errors of its memory"] if state.ecc else [])]


def _wrong(gpu: Gpu, state: GpuState, outside: _Seen, inside: _Seen) -> tuple[str, str]:
    """What is wrong with a card and what to do; ("", "") where nothing is."""
    if state.fault:
        return state.fault, _remedy(state.fault, gpu)
    uvm = f"{gpu.root}/dev/nvidia-uvm"
    if not os.path.exists(uvm):
        fault = f"there is no {uvm}"
        return fault, _remedy(fault, gpu)
    if outside.cuda:
        said, remedy = _CUDA.get(outside.code, (outside.cuda, "install the driver's CUDA library (libcuda.so.1)"))
        return f"CUDA does not start on this machine: {said}", remedy
    if inside.why:
        return inside.why, "mend the checks above"
    if inside.closed:
        return f"{', '.join(inside.closed)} does not open", "make the nodes usable for this user: ls -l /dev/nvidia*"
    if inside.cuda or inside.count != 1:
        said = inside.cuda or f"it finds {inside.count} devices"
        return f"CUDA starts on this machine and not in a sandbox: {said}", "report it with this line and the driver's version"
    return "", ""


def _hidden(seen: _Seen) -> Check:
    """What a sandbox without GPUs sees of them."""
    ok = not seen.nodes and not seen.count and not seen.why
    found = seen.why or (f"seen without being lent: {' '.join(seen.nodes)}" if not ok else "hidden from sandboxes that have none")
    return Check(name="GPUs", ok=ok, found=found, remedy="" if ok else "report it with this line", hint=True)


def _remedy(wrong: str, gpu: Gpu | None = None) -> str:
    numbers = {"index": gpu.index if gpu else 0, "minor": gpu.minor if gpu else 0}
    return next((text.format(**numbers) for words, text in _REMEDIES if words in wrong), "look at it with: nvidia-smi -q")


def _inside(factory: SandboxFactory, gpus: tuple[Gpu, ...]) -> _Seen:
    stage = Stage(name="doctor", time_s=60.0, memory_mib=4096, gpus=float(len(gpus)))
    with factory.sandbox({}, stage, start=StartMode.COLD, gpus=gpus) as sandbox:
        reply = sandbox.run(["python", "-c", _PROBE])
    return _read(reply.log, reply.reason)


def _outside(gpu: Gpu) -> _Seen:
    env = {**passed(ALWAYS), **environment([gpu])}
    try:
        said = subprocess.run([sys.executable, "-c", _PROBE], env=env, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return _Seen(cuda="it does not answer")
    return replace(_read(said.stdout, f"exit status {said.returncode}"), nodes=(), closed=())


def _read(text: str, reason: str) -> _Seen:
    try:
        told = json.loads([line for line in text.splitlines() if line.startswith("{")][-1])  # libraries may warn beside it
    except (ValueError, IndexError):
        return _Seen(why=f"the probe ended early ({reason})", cuda=f"the probe ended early ({reason})")
    return _Seen(tuple(told["nodes"]), tuple(told["closed"]), told["cuda"], told["code"], told["count"])
