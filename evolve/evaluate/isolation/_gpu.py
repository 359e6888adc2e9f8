"""The NVIDIA GPUs of this machine: which there are, how they are, and what a sandbox that has some of them must be shown.

A sandbox gets the driver's control nodes, the node of each card that is lent to it, and of a MIG instance the two capability nodes;
no other.  The driver's libraries lie in the system's library folders, which are shown anyway; where they do not (``/usr/local``,
``/usr/lib/wsl``, ``/run/opengl-driver``, a link through ``/etc/alternatives``), their folder is shown at ``/driver``.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evolve.problem.contract._environment import ALWAYS, passed

LIBRARY = "libnvidia-ml.so.1"
VISIBLE = "CUDA_VISIBLE_DEVICES"
CONTROL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
DRIVER = "/driver"  # where libraries lie inside that lie in no system folder
SIGNAL = "foreign_gpu_process"  # of a measurement during which somebody else computed on its card
_ANSWER_S = 60.0  # a driver that was not in use initialises the cards first
_RESET = "its memory had errors that were not corrected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A card, or a MIG instance of one, that can be lent.

    ``index`` is the driver's, ``minor`` the number of its node; ``caps`` are names below ``/dev/nvidia-caps``.  ``library`` is
    where the driver's CUDA library lies, ``root`` what lies before ``/dev``, ``/sys`` and ``/proc`` ("" on any real machine).
    ``clocks`` are those that are set, in MHz: of its cores and of its memory.
    """

    uuid: str
    index: int
    minor: int
    name: str
    driver: str = ""
    memory_mib: int = 0
    pci: str = ""
    clocks: str = ""
    caps: tuple[str, ...] = ()
    library: str = ""
    root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuState:
    """How a GPU is now.  ``ecc`` counts errors of its memory that were not corrected; ``processes`` are (pid, MiB)."""

    fault: str = ""
    ecc: int = 0
    used_mib: int = 0
    processes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found: the GPUs in the driver's order, their states by UUID, and what is wrong with the whole or with cards that
    have no name any more."""

    gpus: tuple[Gpu, ...] = ()
    states: Mapping[str, GpuState] = field(default_factory=dict)
    error: str = ""

    def faults(self, gpus: Iterable[Gpu], ecc: Mapping[str, int]) -> dict[str, str]:
        """What is wrong with each of these GPUs, by UUID; ``ecc`` is what was counted when they were first seen."""
        found = {}
        for gpu in gpus:
            state = self.states.get(gpu.uuid)
            if state is None:
                found[gpu.uuid] = self.error or "the driver does not list it any more"
            elif state.fault or state.ecc > ecc.get(gpu.uuid, state.ecc):
                found[gpu.uuid] = state.fault or _RESET
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuDriver:
    """Where to ask: other roots and libraries are for tests."""

    root: str = ""
    library: str = LIBRARY

    def survey(self) -> Survey:
        """Look at everything.  Where there is no node of a card nobody is asked."""
        if not _card_nodes(self.root):
            return Survey()
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("_nvml.py")), self.library]
        try:
            said = subprocess.run(command, capture_output=True, timeout=_ANSWER_S, check=False, env=passed(ALWAYS), cwd="/")
        except subprocess.TimeoutExpired:
            return Survey(error=f"the driver did not answer within {_ANSWER_S:g} s")
        try:
            told = json.loads(said.stdout)
        except ValueError:
            return Survey(error=f"the driver's library ended the process that asked it (exit status {said.returncode})")
        return self._read(told)

    def visible(self) -> Survey:
        """The same without what ``CUDA_VISIBLE_DEVICES`` keeps from this process."""
        found = self.survey()
        return Survey(gpus=chosen(found.gpus, os.environ.get(VISIBLE)), states=found.states, error=found.error)

    def _read(self, told: Mapping) -> Survey:
        if "error" in told:
            return Survey(error=told["error"])
        gpus = tuple(self._gpu(one, told) for one in told["gpus"])
        states = {one["uuid"]: self._state(one) for one in told["gpus"]}
        lost = [f"GPU {index} does not answer: {why}" for index, why in told["lost"]]
        return Survey(gpus=gpus, states=states, error="; ".join(lost))

    def _gpu(self, one: Mapping, told: Mapping) -> Gpu:
        same = {name: one[name] for name in ("uuid", "index", "minor", "name", "memory_mib", "pci", "clocks")}
        caps = _capabilities(self.root, one["minor"], one["gi"], one["ci"]) if one["gi"] >= 0 else ()
        return Gpu(**same, driver=told["driver"], caps=caps, library=told["cuda"], root=self.root)

    def _state(self, one: Mapping) -> GpuState:
        node = f"{self.root}/dev/nvidia{one['minor']}"
        fault = one["fault"] or ("" if os.path.exists(node) else f"there is no {node}")
        processes = tuple((pid, used) for pid, used in one["processes"])
        return GpuState(fault=fault, ecc=one["ecc"], used_mib=one["used_mib"], processes=processes)


def chosen(gpus: Sequence[Gpu], value: str | None) -> tuple[Gpu, ...]:
    """Those that a value of ``CUDA_VISIBLE_DEVICES`` leaves, in its order: numbers of the driver, UUIDs or beginnings of such.  As
    CUDA reads it, the first word that names none ends the list."""
    if value is None:
        return tuple(gpus)
    found: dict[str, Gpu] = {}
    for word in value.replace(" ", "").split(","):
        match = [gpu for gpu in gpus if (word == str(gpu.index) if word.isdigit() else word and gpu.uuid.startswith(word))]
        if len(match) != 1:
            break
        found[match[0].uuid] = match[0]
    return tuple(found.values())


def _card_nodes(root: str) -> list[str]:
    """The nodes of cards, whether the driver knows them or not."""
    try:
        return sorted(name for name in os.listdir(f"{root}/dev") if re.fullmatch(r"nvidia\d+", name))
    except OSError:
        return []


def _capabilities(root: str, minor: int, gi: int, ci: int) -> tuple[str, ...]:
    """The capability nodes of a MIG instance, as the driver numbers them."""
    folder = Path(f"{root}/proc/driver/nvidia/capabilities/gpu{minor}/mig/gi{gi}")
    names = []
    for file in (folder / "access", folder / f"ci{ci}" / "access"):
        try:
            found = re.search(r"DeviceFileMinor:\s*(\d+)", file.read_text())
        except OSError:
            continue
        names += [f"nvidia-cap{found[1]}"] if found else []
    return tuple(names)


# ------------------------------------------------------------------------------------------------------ what a sandbox is shown


def nodes(gpus: Sequence[Gpu]) -> list[tuple[str, str]]:
    """(outside, inside) of every device node that a sandbox with these GPUs has, and no other."""
    found: dict[str, str] = {}
    for gpu in gpus:
        names = [*CONTROL, f"nvidia{gpu.minor}", *(f"nvidia-caps/{name}" for name in gpu.caps)]
        found |= {f"{gpu.root}/dev/{name}": f"/dev/{name}" for name in names if os.path.exists(f"{gpu.root}/dev/{name}")}
    return list(found.items())


def open_to_all(gpus: Sequence[Gpu]) -> bool:
    """Whether any user may use them, as the driver sets it up by itself."""
    both = stat.S_IROTH | stat.S_IWOTH
    return all(os.stat(outside).st_mode & both == both for outside, inside in nodes(gpus) if "caps" not in inside)


def environment(gpus: Sequence[Gpu]) -> dict[str, str]:
    """The variables that say which GPUs there are: by UUID, for numbers mean others in each process.  Without any, none is seen."""
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if gpus else {}
    return {VISIBLE: ",".join(gpu.uuid for gpu in gpus), **order}


def driver_folder(gpus: Sequence[Gpu], shown: Iterable[str]) -> str:
    """The folder of the driver's libraries, where it is not among the folders that are shown; else nothing."""
    library = gpus[0].library if gpus else ""
    if not library:
        return ""
    folders = tuple(f"{folder}/" for folder in shown)
    through, place = [library], library
    while os.path.islink(place) and len(through) < 16:
        place = os.path.normpath(os.path.join(os.path.dirname(place), os.readlink(place)))
        through.append(place)
    inside = all(os.path.realpath(os.path.dirname(step)).startswith(folders) or step.startswith(folders) for step in through)
    return "" if inside else os.path.dirname(os.path.realpath(library))
