"""A command with output files: when its time is over it is told so, and what it has written comes back all the same.

At the limit of time or CPU a byte goes to the stub, the command's parent, which is a process of its own.  It ends the command and
whatever that started, then streams the files as at any end: the same checks, the same sizes.  Until it has, at most ``END_S``, the
tree is not killed; nothing of this changes the verdict.  Other limits (memory, a flood) kill at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from evolve.evaluate.isolation._limits import Limits
from evolve.evaluate.sandbox._monitor import ProcessMonitor, ProcessResult
from evolve.evaluate.sandbox.starts._start import RunningTree

END_S = 2.0
_OVER = b"."


class CommandMonitor(ProcessMonitor):
    """Watches one command.  Closes the request's descriptor too."""

    def __init__(self, started: RunningTree, limits: Limits, max_reply: int, watch: Callable[[str], bool] | None = None) -> None:
        super().__init__(started.running, started.meter, started.reply_fd, started.log_fd, limits, max_reply, watch)
        self._request_w = started.request_w

    def run(self) -> ProcessResult:
        try:
            return super().run()
        except BaseException:
            self._running.kill()  # whoever watches it failed at it
            raise
        finally:
            os.close(self._request_w)

    def _is_ending(self, now: float) -> bool:
        if self._broke not in ("wall", "cpu"):
            return False
        if not self._kill_at:
            self._kill_at = now + END_S
            with contextlib.suppress(BrokenPipeError):  # it has ended, as will be seen
                os.write(self._request_w, _OVER)
        if now < self._kill_at:
            return True
        self._kill_at = 0.0
        return False
