"""``/sys`` as a sandbox with GPUs sees it: copies of the few files that say what never changes.

CUDA does not start without the list of memory nodes.  The file system itself is not shown: counters of the whole machine lie in it,
by which two sandboxes would hear each other, and the configuration of cards that are not theirs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from evolve.evaluate.isolation._gpu import Gpu

_FILES = (
    *(f"devices/system/cpu/{name}" for name in ("online", "possible", "present", "kernel_max")),
    *(f"devices/system/node/{name}" for name in ("online", "possible", "has_cpu", "has_memory", "has_normal_memory")),
    "devices/system/memory/block_size_bytes",
    "kernel/mm/transparent_hugepage/enabled",
    "kernel/mm/transparent_hugepage/hpage_pmd_size",
    "module/nvidia/version",
    "module/nvidia_uvm/version",
)
_NODE = ("cpumap", "cpulist", "distance")
_CARD = (
    *("class", "vendor", "device", "revision", "subsystem_vendor", "subsystem_device", "numa_node", "local_cpus", "local_cpulist"),
    *("max_link_speed", "max_link_width", "irq"),
)


def copy_sys(gpus: Sequence[Gpu], target: Path) -> None:
    """Write the tree for these GPUs at ``target``, an absent folder."""
    source = Path(f"{gpus[0].root}/sys")
    target.mkdir()
    for name in _FILES:
        _copy(source / name, target / name)
    for node in sorted((source / "devices/system/node").glob("node[0-9]*")):
        for name in _NODE:
            _copy(node / name, target / "devices/system/node" / node.name / name)
    for gpu in gpus:
        _card(source, gpu.pci.lower(), target)


def _card(source: Path, pci: str, target: Path) -> None:
    """A card where the kernel has it, and the link by which it is found."""
    names = [pci, pci[-12:]]  # the driver writes domains with eight digits, the kernel with four
    link = next((place for name in names if (place := source / "bus/pci/devices" / name).exists()), None)
    if not pci or link is None:
        return
    real = os.path.relpath(os.path.realpath(link), os.path.realpath(source))
    for name in _CARD:
        _copy(link / name, target / real / name)
    place = target / "bus/pci/devices" / link.name
    place.parent.mkdir(parents=True, exist_ok=True)
    (target / real).mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(os.path.relpath(target / real, place.parent))


def _copy(source: Path, target: Path) -> None:
    with suppress(OSError):
        data = source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
