"""Nodes that are no GPUs below a root of one's own, and the driver's library compiled from ``gpu_stand_in.c``."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from evolve.evaluate.isolation._gpu import CONTROL, GpuDriver

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="the stand-in for the driver's library is compiled with cc")


@dataclass(frozen=True)
class Card:
    """What the library says of a card, or of an instance of one (``gi`` and ``ci`` not below 0)."""

    index: int
    uuid: str = ""
    minor: int = -1
    gi: int = -1
    ci: int = -1
    fault: str = "ok"
    ecc: int = 0
    pid: int = 0

    @property
    def line(self) -> str:
        uuid, minor = self.uuid or f"GPU-{self.index:04d}-stand-in", self.index if self.minor < 0 else self.minor
        return f"{self.index} {uuid} {minor} {self.gi} {self.ci} {self.fault} {self.ecc} {self.pid}\n"


class StandIn:
    """A machine with GPUs that are none."""

    def __init__(self, folder: Path, cards: Sequence[Card]) -> None:
        self.root, self._state = folder / "machine", folder / "state"
        folder.mkdir(parents=True, exist_ok=True)
        self.say(*cards)
        library = folder / "libnvidia-ml.so.1"
        source = Path(__file__).with_name("gpu_stand_in.c")
        subprocess.run(["cc", "-shared", "-fPIC", f'-DSTATE="{self._state}"', "-o", library, source], check=True)
        self.driver = GpuDriver(root=str(self.root), library=str(library))
        for name in CONTROL:
            self.node(name)
        for card in cards:
            self.node(f"nvidia{card.index if card.minor < 0 else card.minor}")
        self._lay_sys(len(cards))

    def say(self, *cards: Card) -> None:
        """What the library says from now on."""
        self._state.write_text("".join(card.line for card in cards))

    def fail(self, code: int) -> None:
        """From now on the library does not start."""
        self._state.write_text(f"!{code}")

    def node(self, name: str) -> Path:
        """A node; the null device where this user may make one, else a file."""
        place = self.root / "dev" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            try:
                os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 3))
                os.close(os.open(place, os.O_RDWR))
            except OSError:
                place.unlink(missing_ok=True)
                place.touch()
            place.chmod(0o666)
        return place

    def file(self, name: str, text: str) -> Path:
        """A file below the root."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def _lay_sys(self, n_cards: int) -> None:
        self.file("sys/devices/system/node/online", "0\n")
        self.file("sys/devices/system/node/node0/cpumap", "3\n")
        self.file("sys/devices/system/node/node0/vmstat", "nr_free_pages 12\n")
        for index in range(n_cards):
            pci = f"0000:{index + 1:02x}:00.0"
            self.file(f"sys/devices/pci0000:00/{pci}/numa_node", "0\n")
            self.file(f"sys/devices/pci0000:00/{pci}/config", "secret\n")
            link = self.root / "sys/bus/pci/devices" / pci
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(f"../../../devices/pci0000:00/{pci}")
