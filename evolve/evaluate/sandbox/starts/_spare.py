"""The spare start: a strict sandbox already past its imports, used once.  Isolation is that of a cold start.

It hides the latency of imports, not their CPU, and pays where they are long (torch) and the slot would idle meanwhile.
"""

from __future__ import annotations

import os
import select
import shutil
from pathlib import Path

from archive import StartMode
from evolve.evaluate.child._spawn import CgroupMeter
from evolve.evaluate.isolation._gpu import Gpu
from evolve.evaluate.isolation._limits import Limits
from evolve.evaluate.isolation._mounts import PYTHON
from evolve.evaluate.sandbox.starts._cold import FLAGS, SECCOMP_FD, Bubblewrap
from evolve.evaluate.sandbox.starts._start import Launch, Pipes, RunningTree, remove

_READY_S = 120.0


class PreloadedSandbox:
    """A sandbox that waits for its one request.  Either ``start`` or ``close`` ends its waiting."""

    def __init__(self, strict: Bubblewrap, limits: Limits, modules: tuple[str, ...], folder: Path, gpus: tuple[Gpu, ...]) -> None:
        """Start it; the imports go on while this returns.

        Raises:
            EnvironmentFault: it could not be started.
        """
        self.modules = modules
        self.limits = limits
        self.gpus = gpus
        self._spawner = strict.spawner
        self._folder = folder
        request_r, self._request_w = os.pipe2(os.O_CLOEXEC)
        self._pipes = Pipes(request_r)
        filter_fd = os.open(strict.filter(gpus), os.O_RDONLY | os.O_CLOEXEC)
        try:
            strict.set_limits(limits)
            user = strict.user_for(gpus)
            line = strict.command(limits, folder, {}, laid=False, user=user, gpus=gpus)
            argv = [*line, PYTHON, *FLAGS, "/stub/_stub.pyc", "spare", *modules]
            assert argv[argv.index("--seccomp") + 1] == str(SECCOMP_FD)
            self._child = self._spawner.start(argv, {}, self._pipes.inner(filter_fd), user=user)
        finally:
            os.close(filter_fd)
            self._pipes.close_inner()

    def fits(self, job: Launch, modules: tuple[str, ...]) -> bool:
        """Whether it can run ``job``: made for the same limits and GPUs, with everything loaded that is asked for."""
        own = (self.limits.scratch_bytes, self.limits.threads, self.gpus)
        same = (job.limits.scratch_bytes, job.limits.threads, job.gpus) == own
        return same and set(modules) <= set(self.modules)

    def start(self, job: Launch) -> RunningTree | None:
        """Hand it the request, waiting for the imports if need be; None when it died over them."""
        if not select.select([self._pipes.reply_r], [], [], _READY_S)[0] or os.read(self._pipes.reply_r, 1) != b"+":
            self.close()
            return None
        for name, path in job.lay(self._folder).items():
            shutil.copyfile(path, self._folder / "input" / name)
        meter = CgroupMeter(self._spawner, self._child.pid)
        data = job.request.pack(spare=True)
        os.set_blocking(self._request_w, True)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._request_w, view) :]
        except BrokenPipeError:
            self.close()
            return None
        request_w, self._request_w = self._request_w, -1
        if not job.request.goes_on:
            os.close(request_w)
            request_w = -1
        return RunningTree(
            self._child, meter, self._pipes.reply_r, self._pipes.log_r, StartMode.SPARE, self._folder, request_w=request_w
        )

    def close(self) -> None:
        """Give it up unused."""
        self._child.wait_killed()
        self.release()

    def release(self) -> None:
        """Close our ends and remove its files."""
        if self._request_w >= 0:
            os.close(self._request_w)
        self._pipes.close_outer()
        remove(self._folder)
