"""Signals of the system as messages to the loop."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from evolve.engine._loop import Interrupt, Mailbox


class Signals:
    """SIGINT, SIGTERM and SIGHUP become messages while the loop runs; elsewhere than in the main thread nothing is changed.

    A hang-up that is ignored already (``nohup``) stays ignored, and after a first one all others are: a terminal that goes sends
    several, and the last must not kill a command that is telling how it ended.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._before: dict[int, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            for number in (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,))):
                self._before[number] = signal.signal(number, self._post)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _post(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._before[number] = signal.SIG_IGN
        self._mailbox.put(Interrupt(hang_up=number == signal.SIGHUP))
