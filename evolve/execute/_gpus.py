"""Who has which GPU: pure bookkeeping of leases, and the order in which waiting blocks get theirs.

A whole lease has its devices alone.  A share (below 1) stands only beside other shares, up to one device in all; what is timed
takes a whole device even where it asks for a share.  A device that is suspect is lent to nobody.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from archive import Resources

_EXACT = 1e-9  # three thirds are one


@dataclass(frozen=True, slots=True)
class _Lease:
    """Devices, and how much of each."""

    devices: tuple[str, ...]
    share: float


class Leases:
    """Leases on ``devices``, each under the name of who holds it."""

    def __init__(self, devices: Sequence[str]) -> None:
        self._devices = tuple(devices)
        self._held: dict[object, _Lease] = {}
        self.suspect: dict[str, str] = {}  # device -> why

    @property
    def sound(self) -> int:
        """Devices that are not suspect."""
        return len(self._devices) - len(self.suspect)

    def held(self, holder: object) -> tuple[str, ...]:
        """What ``holder`` has."""
        return self._held[holder].devices if holder in self._held else ()

    def taken(self, device: str) -> float:
        """How much of a device is lent: from 0 to 1."""
        return sum(lease.share for lease in self._held.values() if device in lease.devices)

    def find(self, needs: Resources, *, first: Sequence[str] = (), avoid: Container[str] = ()) -> tuple[str, ...] | None:
        """Devices that could be lent now, those of ``first`` before others and none of ``avoid``; None where there are not enough.
        Of devices that are shared already the fullest that has room is taken, so that others stay whole."""
        fit = [device for device in self._devices if device not in self.suspect and device not in avoid]
        count, share = measure(needs)
        if share < 1:
            fit = [device for device in fit if self.taken(device) + share <= 1 + _EXACT]
            fit.sort(key=lambda device: (-self.taken(device), device not in first))
        else:
            fit = [device for device in fit if not self.taken(device)]
            fit.sort(key=lambda device: device not in first)
        return tuple(fit[:count]) if len(fit) >= count else None

    def lend(self, holder: object, needs: Resources, *, first: Sequence[str] = (), avoid: Container[str] = ()) -> tuple[str, ...]:
        """Lend what ``find`` found.

        Raises:
            ValueError: there is not enough, or the holder has a lease.
        """
        devices = self.find(needs, first=first, avoid=avoid)
        if devices is None or holder in self._held:
            raise ValueError(f"{needs.gpus:g} GPUs cannot be lent now to {holder}")
        if devices:
            self._held[holder] = _Lease(devices, measure(needs)[1])
        return devices

    def give_back(self, holder: object) -> None:
        """End a lease.  One without any gives nothing back."""
        self._held.pop(holder, None)


def measure(needs: Resources) -> tuple[int, float]:
    """How many devices, and how much of each."""
    if needs.gpus <= 0:
        return 0, 1.0
    if needs.gpus < 1 and not needs.exclusive:
        return 1, needs.gpus
    return math.ceil(needs.gpus - _EXACT), 1.0


def next_in_line(waiting: Sequence[tuple[int, Resources]], free: int, leases: Leases) -> int | None:
    """Which of the waiting blocks may start, given as (slots, needs) in the order in which they came; None where none may.

    The first that waits for slots holds all others back.  One that waits for GPUs alone holds back those that need some too: what
    needs none may pass, and cannot keep it waiting longer than until a slot is free.  So nothing starves.
    """
    held_back = False
    for number, (slots, needs) in enumerate(waiting):
        if slots > free:
            return None
        if needs.gpus <= 0:
            return number
        if not held_back and leases.find(needs) is not None:
            return number
        held_back = True
    return None
