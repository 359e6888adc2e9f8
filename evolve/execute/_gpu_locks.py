"""What keeps two processes of this engine off each other's GPUs: a lock on a file for each card, which ends with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

FOLDER = Path("/tmp/evolve-gpus")  # the same for all users of a machine


class GpuLocks:
    """Locks on files in a folder (default: ``FOLDER``), each set under the name of who holds it.

    Where a file cannot be had there is no lock.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or FOLDER
        self._held: dict[object, list[int]] = {}

    def take(self, holder: object, devices: Sequence[str], *, alone: bool) -> str:
        """Lock these devices for ``holder``, together with others that share them or not; the one that another process has (then
        none is locked), or ""."""
        fds: list[int] = []
        for device in devices:
            fd = self._open(device)
            if fd < 0:
                continue
            fds.append(fd)
            try:
                fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except OSError:
                _close(fds)
                return device
        self._held[holder] = fds
        return ""

    def give_back(self, holder: object) -> None:
        """Unlock what ``holder`` has, if anything."""
        _close(self._held.pop(holder, []))

    def _open(self, device: str) -> int:
        """A descriptor of the device's file; -1 where there is none to be had."""
        place = self._folder / device
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            self._folder.chmod(0o1777)
        for flags in (0, os.O_CREAT):  # a file of another user's in such a folder may be opened, but not with leave to create it
            with suppress(OSError):
                return os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o644)
        return -1


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
