"""The grader's side of the warm start: a fork server in a strict sandbox, and its children one by one.

Only for calls, and only for problems whose score the grader recomputes from what comes back.  Protocol and what stays weaker than
cold: ``evolve.evaluate.child._stub_server``.
"""

from __future__ import annotations

import marshal
import os
import select
import socket
from pathlib import Path

from archive import StartMode
from evolve.evaluate.child._spawn import CgroupMeter, End, hand
from evolve.evaluate.isolation import _bwrap, _seccomp
from evolve.evaluate.isolation._limits import Limits
from evolve.evaluate.isolation._mounts import PYTHON
from evolve.evaluate.sandbox._request import SandboxPaths
from evolve.evaluate.sandbox.starts._cold import SECCOMP_FD, Bubblewrap
from evolve.evaluate.sandbox.starts._start import Launch, Pipes, RunningTree

_START_S = 60.0  # imports included
_MAX_INPUT = 64 << 20  # larger inputs are bound, not sent: such a launch is cold


class WarmUnavailable(Exception):
    """A fork server cannot be had here; the message says why."""


class ForkServer:
    """A fork server that is ready.  ``close`` ends it."""

    def __init__(self, strict: Bubblewrap, limits: Limits, modules: tuple[str, ...]) -> None:
        """Start it and wait until the imports are done.

        Raises:
            WarmUnavailable: it did not get ready.
        """
        self.modules = modules
        self.limits = limits
        self._strict = strict
        self._spawner = strict.spawner
        full = strict.private / "seccomp"
        partial = strict.private / "seccomp-server"
        partial.write_bytes(_seccomp.program(fork_server=True))
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, partial.open("rb") as outer, full.open("rb") as inner, open(os.devnull, "wb") as null:
            strict.set_limits(limits)
            fds = [theirs.fileno(), null.fileno(), null.fileno(), null.fileno(), outer.fileno(), inner.fileno()]
            self._child = self._spawner.start(self._argv(limits), {}, fds, user=strict.user)
        answer = self._receive(_START_S)
        if answer[:1] != ["ready"]:
            self.close()
            raise WarmUnavailable(str(answer[1]) if len(answer) > 1 else "the fork server ended while it started")
        self.resident_mib = CgroupMeter(self._spawner, self._child.pid).resident_mib()
        self.dead = False

    def _argv(self, limits: Limits) -> list[str]:
        strict = self._strict
        own = [word for place in ("/candidate", "/input") for word in ("--ro-bind", str(strict.empty), place)]
        line = _bwrap.command(
            strict.binary,
            strict.shown(strict.user),
            limits,
            env=strict.environment(limits, SandboxPaths()),
            own=own,
            seccomp_fd=SECCOMP_FD,
            uid=0,  # with another uid bubblewrap nests a second user namespace, out of which setns cannot go home
            keep=("CAP_SYS_ADMIN", "CAP_SETPCAP"),
        )
        program = [PYTHON, "-I", "-S", "-B", "-X", "utf8", "/stub/_stub_server.pyc"]
        return [*line, *program, *self.modules]

    def fits(self, job: Launch, modules: tuple[str, ...]) -> bool:
        """Whether this server can run ``job`` as declared: as many threads, everything it imports loaded."""
        return not self.dead and job.limits.threads == self.limits.threads and set(modules) <= set(self.modules)

    def start(self, job: Launch) -> RunningTree:
        """A child for this request; what the candidate may see of the outside travels with it."""
        files = {path: text.encode("utf-8") for path, text in job.files.items()}
        inputs = {name: content if isinstance(content, bytes) else content.read_bytes() for name, content in job.inputs.items()}
        packed = job.request.pack(files=files, inputs=inputs, scratch=job.limits.scratch_bytes)
        pipes = Pipes.going_on() if job.request.turns else Pipes.of(packed)
        meter = CgroupMeter(self._spawner, self._child.pid, resident_mib=self.resident_mib)
        try:
            self._strict.set_limits(job.limits, resident_mib=self.resident_mib)
            fds = [pipes.request_fd, pipes.log_w, pipes.reply_w]
            hand(fds, self._strict.user)
            socket.send_fds(self._control, [marshal.dumps(("run",))], fds)
        except OSError as error:
            pipes.close_outer()
            self.dead = True
            raise WarmUnavailable(f"the fork server is gone ({error.strerror})") from error
        finally:
            pipes.close_inner()
        pipes.send(packed)
        return RunningTree(ForkedChild(self), meter, pipes.reply_r, pipes.log_r, StartMode.WARM, request_w=pipes.request_w)

    def _receive(self, timeout_s: float) -> list:
        """The next message; an empty list when the server is gone or none came in time."""
        if not select.select([self._control], [], [], timeout_s)[0]:
            return []
        try:
            data = self._control.recv(4096)
        except ConnectionError:
            data = b""
        return marshal.loads(data) if data else []

    def fileno(self) -> int:
        """Readable when a child may have ended."""
        return self._control.fileno()

    def child_end(self) -> End | None:
        """How the child ended; None while it runs.  The server's own death is the child's."""
        if not select.select([self._control], [], [], 0)[0]:
            return None
        message = self._receive(0.0)
        if message[:1] == ["ended"]:
            return End(message[1], message[2], message[3] / 1024)
        self.dead = True
        self._child.wait_killed()
        return End(-9, 0.0, 0.0)

    def kill_child(self) -> None:
        """End the child; the server stays."""
        try:
            self._control.send(marshal.dumps(("kill",)))
        except OSError:
            self._child.kill()

    def close(self) -> None:
        """End the server and everything in its sandbox."""
        self.release()
        self._child.wait_killed()

    def release(self) -> None:
        """Close our end: the server sees it and goes."""
        self.dead = True
        self._control.close()


class ForkedChild:
    """The running child of a fork server."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._end: End | None = None

    def fileno(self) -> int:
        """Readable when it may have ended."""
        return self._server.fileno()

    def end(self) -> End | None:
        """How it ended, with everything it started; None while it runs."""
        if self._end is None:
            self._end = self._server.child_end()
        return self._end

    @property
    def lost(self) -> bool:
        """Whether the fork server ended."""
        return self._server.dead

    def kill(self) -> None:
        """End it and everything it started."""
        self._server.kill_child()


def sendable(job: Launch) -> bool:
    """Whether a job's inputs may travel with the request."""
    paths = [content for content in job.inputs.values() if isinstance(content, Path)]
    return all(path.is_file() for path in paths) and sum(path.stat().st_size for path in paths) <= _MAX_INPUT
