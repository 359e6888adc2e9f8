"""Tier none: plain processes.  It stops accidents, not candidates.

It gives: a temporary folder, a small environment, an own session whose process group is killed, limits on CPU, memory, output and
time.  It does not stop: reading or writing any file of the user (evaluator, keys, the journal, the home), the network, signals to
the user's other processes (this engine's among them), filling the disk.  Daemons that leave the session are found as orphans of
the spawner and ended.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from evolve.evaluate.child._spawn import Spawner
from evolve.evaluate.isolation._gpu import Gpu
from evolve.evaluate.isolation._limits import Limits
from evolve.evaluate.isolation._mounts import VisibleFiles
from evolve.evaluate.sandbox._request import SandboxPaths
from evolve.evaluate.sandbox.starts._start import Launch, RunningTree, compile_stubs, start_cold
from evolve.problem._toolbox import check_tools
from evolve.problem.contract._environment import LIBRARIES, passed


class NoIsolation:
    """Plain subprocesses; see the module for what that does not stop."""

    name = "none"

    def __init__(self, spawner: Spawner, view: VisibleFiles, private: Path) -> None:
        self.spawner = spawner
        self._view = view
        check_tools(view.toolbox)
        self._data = private / "data"
        self._data.mkdir()
        for name, path in view.data:
            (self._data / name).symlink_to(path)
        self._stub = private / "stub"
        compile_stubs(self._stub)
        self.policy = hashlib.blake2b(f"none 1 {sys.version}".encode(), digest_size=16).hexdigest()

    def places(self, folder: Path) -> SandboxPaths:
        """Folders below the trial's; programs should use the ``EVOLVE_*`` variables or arguments, not the fixed paths."""
        return SandboxPaths(
            candidate=str(folder / "candidate"),
            input=str(folder / "input"),
            assets=str(self._view.assets or folder / "assets"),
            data=str(self._data),
            work=str(folder / "work"),
            output=str(folder / "output"),
            path=tuple(_site()),
        )

    def python(self, arguments: Sequence[str]) -> list[str]:
        """This process's own interpreter."""
        return [sys.executable, "-s", "-B", *arguments]

    def environment(self, limits: Limits, places: SandboxPaths, gpus: Sequence[Gpu] = ()) -> dict[str, str]:
        """A small environment: no keys, but nothing keeps a program from looking for them elsewhere."""
        from evolve.evaluate.isolation._bwrap import environment

        home = {"HOME": places.work, "TMPDIR": places.work, "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(_site())}
        home |= passed(LIBRARIES)  # the interpreter is the grader's own
        return environment(limits, extra_libraries=False, gpus=gpus) | home | places.env()

    def start(self, job: Launch) -> RunningTree:
        """A process that begins with this request at once."""
        for name in ("work", "output"):
            (job.folder / name).mkdir()
        for name, path in job.lay(job.folder).items():
            place = job.folder / "input" / name
            place.rmdir() if place.is_dir() else place.unlink()
            place.symlink_to(path)
        argv = [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(self._stub / "_stub.pyc")]
        if self.spawner.cgroup:
            self.spawner.cgroup.limit(job.limits.memory_mib + 16, job.limits.pids + 4)
        return start_cold(self.spawner, job, argv, self.environment(job.limits, self.places(job.folder), job.gpus))


def _site() -> list[str]:
    return list(dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))))
