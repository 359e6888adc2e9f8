"""The strict tier, cold: a fresh bubblewrap sandbox for every request."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from evolve._errors import EnvironmentFault, SandboxMissing
from evolve.evaluate.child._spawn import HelperDied, Spawner
from evolve.evaluate.isolation import _bwrap, _gpu, _page_cache, _proc, _seccomp, _user
from evolve.evaluate.isolation._gpu import Gpu
from evolve.evaluate.isolation._limits import Limits, limits_of
from evolve.evaluate.isolation._mounts import PYTHON, VisibleFiles, copy_metadata, own_copies, resolve
from evolve.evaluate.isolation._sysfs import copy_sys
from evolve.evaluate.sandbox._monitor import ProcessMonitor
from evolve.evaluate.sandbox._request import Request, SandboxPaths
from evolve.evaluate.sandbox.starts._start import Launch, RunningTree, ScratchPool, compile_stubs, start_cold

POLICY = 4  # raise it when the meaning of the tier changes in a way its command line does not show
FLAGS = ("-I", "-S", "-B", "-X", "utf8")
SECCOMP_FD = 4


class Bubblewrap:
    """Namespaces, an allow-listed view, no network, a filter, limits; see ``docs/design/sandbox.md``."""

    name = "strict"

    def __init__(self, spawner: Spawner, view: VisibleFiles, private: Path) -> None:
        """Resolve the view and find the binary.

        Raises:
            SandboxMissing: no bubblewrap, or no filter for this architecture.
            EnvironmentFault: the view cannot be resolved.
        """
        if not _seccomp.supported():
            raise SandboxMissing(
                "the strict tier knows x86_64 and aarch64, this machine is neither; type sandbox=none to run without walls"
            )
        self.spawner = spawner
        self.private = private
        self.empty = private / "empty"
        self.own = private / "own"
        for folder in (self.empty, private / "nothing", self.own):
            folder.mkdir()
        self.binary = _bwrap.find()
        self.mounts = own_copies(resolve(view), self.own / "files", "/own/files")
        (self.own / "meta").mkdir()
        copy_metadata(self.mounts, self.own / "meta")
        compile_stubs(self.own / "stub")
        self._covers = _proc.cover(self.own / "proc")
        self._view, self.own_files = self._shown("tree", _bwrap.MOUNTED)
        self._gpu_view: list[str] = []  # another tree, once it is needed: an empty /sys would be seen
        roots = [outside for outside, _ in self.mounts.binds]
        group = spawner.cgroup.memory_folder if spawner.cgroup else None
        _page_cache.remember(self, [*roots, str(self.own)], self.mounts.covered(), group)
        self._filter = private / "seccomp"
        self._filter.write_bytes(_seccomp.program())
        self._gpu_filter = private / "seccomp-gpus"
        self._gpu_filter.write_bytes(_seccomp.program(gpus=True))
        self._devices: dict[tuple[Gpu, ...], list[str]] = {}
        self.user, self.shared_user = spawner.user, ""
        shown: list[str | Path] = [self.own, *(out for out, place in self.mounts.binds if out != place)]
        if why := _user.admit(spawner.user, private, shown, self.mounts.covered()):
            self.share_user(why)
        elif self._view[:1] != ["--dev-bind"]:
            self.share_user("what is shown cannot be put together ahead")
        elif not _user.may_read(self.binary):
            self.binary = _bwrap.copy(self.binary, private / "bubblewrap")

    def _shown(self, name: str, mounted: Sequence[str]) -> tuple[list[str], bool]:
        """The part of the command line with what every sandbox sees, and whether files in it are objects of this slot alone."""
        tree = self.private / name
        tree.mkdir()
        covered = [(str(self.private / "nothing"), place) for place in self.mounts.covers]
        binds = [*self.mounts.binds, (str(self.own), "/own"), *covered]
        try:
            self.spawner.show(tree, self.empty, [*mounted], _bwrap.links(self.mounts), binds)
        except HelperDied:
            raise
        except EnvironmentFault:
            overlay = _bwrap.overlays(self.binary, self.mounts, self.empty)
            return _bwrap.shown(self.mounts, self.empty, overlay=overlay, own=str(self.own)), overlay
        return ["--dev-bind", str(tree), "/"], True

    def share_user(self, why: str) -> None:
        """Start sandboxes as whoever started the engine."""
        self.user, self.shared_user = 0, why

    def shown(self, user: int, gpus: Sequence[Gpu] = ()) -> list[str]:
        """The part of the command line with what every sandbox sees; what is covered of ``/proc`` hangs on who will look."""
        covers = [cover for cover in self._covers if _proc.readable(cover[1], user)]
        if gpus and not self._gpu_view:
            self._gpu_view, _ = self._shown("tree-gpus", _bwrap.MOUNTED_WITH_GPUS)
        return [
            *(self._gpu_view if gpus else self._view),
            "--proc",
            "/proc",
            *_bwrap.covering(covers, self.empty, overlay=self.own_files),
        ]

    @property
    def policy(self) -> str:
        """A hash of everything that decides what a candidate can reach."""
        bounded = self.spawner.cgroup.kind if self.spawner.cgroup else "polled"
        parts = [POLICY, self.name, self._shape(), self.mounts.description, bounded, os.geteuid() == 0, self.user > 0]
        filters = self._filter.read_bytes() + self._gpu_filter.read_bytes()
        return hashlib.blake2b(json.dumps(parts).encode() + filters, digest_size=16).hexdigest()

    def _shape(self) -> list[str]:
        """The command line without anything that differs between machines or launches."""
        limits = Limits(wall_s=1, cpu_s=None, memory_mib=1024, threads=1, pids=96)
        line = self.command(limits, self.private, {}, laid=True, user=self.user)
        outside = {source for source, _ in self.mounts.binds} | {str(self.private), str(self.binary)}
        return [word for word in line if word not in outside and not word.startswith(str(self.private))]

    def places(self, folder: Path) -> SandboxPaths:
        """Fixed places, whatever the trial."""
        return SandboxPaths()

    def python(self, arguments: Sequence[str]) -> list[str]:
        """Without a user folder; ``PYTHONPATH`` names the packages, and the folders that ``site`` looks into are covered."""
        return [PYTHON, "-s", "-B", *arguments]

    def environment(self, limits: Limits, places: SandboxPaths, gpus: Sequence[Gpu] = ()) -> dict[str, str]:
        """The environment of a command, the same as the stub's."""
        path = {"PATH": "/py/bin:/usr/bin"} if self.mounts.has_tools else {}
        extra, driver = self.mounts.has_extra_libraries, bool(self._driver_folder(gpus))
        return _bwrap.environment(limits, extra_libraries=extra, gpus=gpus, driver=driver) | path | places.env()

    def _driver_folder(self, gpus: Sequence[Gpu]) -> str:
        return _gpu.driver_folder(gpus, [outside for outside, inside in self.mounts.binds if outside == inside])

    def devices(self, gpus: tuple[Gpu, ...]) -> list[str]:
        """The part of the command line with what a launch with these GPUs sees besides.

        Raises:
            HelperDied: the spawner is gone.
        """
        if gpus and gpus not in self._devices:
            nodes, folder = _gpu.nodes(gpus), self._driver_folder(gpus)
            self.spawner.fasten([outside for outside, _ in nodes])
            copied = self.private / f"sys-{len(self._devices)}"
            copy_sys(gpus, copied)
            folders = [(str(copied), "/sys"), *([(folder, _gpu.DRIVER)] if folder else [])]
            self._devices[gpus] = _bwrap.devices(nodes, folders, _proc.writable())
        return self._devices.get(gpus, [])

    def user_for(self, gpus: Sequence[Gpu]) -> int:
        """The user that a launch with these GPUs has: the slot's own where any user may use them."""
        return self.user if _gpu.open_to_all(gpus) else 0

    def filter(self, gpus: Sequence[Gpu]) -> Path:
        """The file with the filter of a launch."""
        return self._gpu_filter if gpus else self._filter

    def command(
        self, limits: Limits, folder: Path, files: Mapping[str, Path], *, laid: bool, user: int, gpus: tuple[Gpu, ...] = ()
    ) -> list[str]:
        """The command line up to the program.  ``laid`` says whether ``folder`` is as it will stay: what is written below an
        overlay later may not be seen."""
        own: list[str] = []
        for name in ("candidate", "input"):
            own += _bwrap.folder(str(folder / name), f"/{name}", self.empty, overlay=self.own_files and laid)
        for name, path in files.items():
            own += ["--ro-bind", str(path), f"/input/{name}"]
        env, devices = self.environment(limits, SandboxPaths(), gpus), self.devices(gpus)
        return _bwrap.command(self.binary, self.shown(user, gpus), limits, env=env, own=own, seccomp_fd=SECCOMP_FD, devices=devices)

    def start(self, job: Launch) -> RunningTree:
        """A sandbox that begins with this request at once."""
        files = job.lay(job.folder)
        user = self.user_for(job.gpus) if all(_user.may_read(path) for path in files.values()) else 0
        line = self.command(job.limits, job.folder, files, laid=True, user=user, gpus=job.gpus)
        argv = [*line, PYTHON, *FLAGS, "/stub/_stub.pyc"]
        filter_fd = os.open(self.filter(job.gpus), os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.set_limits(job.limits)
            return start_cold(self.spawner, job, argv, {}, filter_fd, user=user)
        finally:
            os.close(filter_fd)

    def set_limits(self, limits: Limits, *, resident_mib: float = 0.0) -> None:
        """The group's limits, where there is a group; the spawner, bubblewrap and a fork server (``resident_mib``) count in it."""
        if self.spawner.cgroup:
            self.spawner.cgroup.limit(limits.memory_mib + math.ceil(resident_mib) + 16, limits.pids + 4)


def check(strict: Bubblewrap, folder: Path) -> str:
    """Launch once for real; what went wrong, or nothing.  Where it does not go with a user of its own, it goes without."""
    wrong = _launch(strict, folder / "first")
    if wrong and strict.user:
        strict.share_user(f"none starts as another user here: {wrong}")
        wrong = _launch(strict, folder / "second")
    return wrong


def _launch(strict: Bubblewrap, folder: Path) -> str:
    from evolve.evaluate._trial import JsonValue
    from evolve.problem.contract._contract import Stage

    limits = limits_of(Stage(name="check"), wall_s=20.0, cpu_s=20.0)
    request = Request(limits=(), places=SandboxPaths(), entry="check.py:check", calls=({},), returns=({"value": JsonValue()},))
    files = {"check.py": "def check():\n    return 7\n"}
    try:
        started = strict.start(Launch(request=request, limits=limits, folder=ScratchPool(folder).acquire(), files=files))
    except HelperDied:
        raise
    except EnvironmentFault as error:
        if not strict.user:
            raise
        return str(error)
    watched = ProcessMonitor(started.running, started.meter, started.reply_fd, started.log_fd, limits, 1 << 16).run()
    if watched.code == 0 and watched.reply.endswith(b"7"):
        return ""
    return watched.log.decode("utf-8", "replace").strip().splitlines()[-1] if watched.log.strip() else f"exit status {watched.code}"
