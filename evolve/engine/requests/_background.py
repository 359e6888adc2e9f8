"""A driver in a process of its own, for whoever waits no longer than they said: what it began goes on when they are gone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from evolve._errors import EXIT_DONE, EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_USAGE, EnvironmentFault, EvolveError, RunError

_BUSY = 75  # another process holds the run
_EVERY_S = 0.05
_WORDS = 2000  # of what it said last


class Background:
    """A process that opens a run: measures what is ready, or drives it to its end with these limits changed.

    It stays when whoever started it ends, is interrupted or waits no longer, and closes the run by itself.
    """

    def __init__(self, run: Path, resume: Sequence[str] | None = None) -> None:
        """Start it; ``resume`` are ``budget.KEY=VALUE`` words, None measures only what is ready."""
        words = ["measure"] if resume is None else ["resume", *resume]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # a pipe would break when nobody reads it any more
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "evolve.engine.requests._background", str(run), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )
        threading.Thread(target=self._process.wait, name="reaper", daemon=True).start()  # it may outlast whoever waits

    def __enter__(self) -> Background:
        return self

    def __exit__(self, *_: object) -> None:
        """Look at it no more; it goes on, and a Ctrl-C does not reach it: it has a session of its own."""
        self._said.close()

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.poll() is not None

    @property
    def was_locked_out(self) -> bool:
        """Whether somebody else was faster."""
        return self._process.poll() == _BUSY

    def wait(self, until: float, pause: Callable[[float], None] = time.sleep) -> None:
        """Wait for its end, at most until this moment of the monotonic clock; ``pause`` sleeps between two looks."""
        while not self.ended and time.monotonic() < until:
            pause(_EVERY_S)

    def check(self) -> None:
        """Raise what ended it, once it is over.

        Raises:
            EvolveError: what it said of its error.
            KeyboardInterrupt: it was interrupted.
        """
        code = self._process.poll()
        if code in (None, EXIT_DONE, _BUSY):
            return
        if code == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip()[-_WORDS:]
        kind = EnvironmentFault if code == EXIT_ENVIRONMENT else RunError
        raise kind(said or f"the process that opened the run ended with {code}; type: evolve status RUN")


def main(words: Sequence[str]) -> int:
    """``RUN measure``, or ``RUN resume [budget.KEY=VALUE ...]``; returns the exit code."""
    from archive import ArchiveError
    from evolve._errors import RunLocked
    from evolve.config._compose import budget_changes
    from evolve.engine._session import measure_ready, resume

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    run, act, *settings = words
    try:
        summary = measure_ready(Path(run)) if act == "measure" else resume(Path(run), budget_changes(settings))
    except RunLocked:
        return _BUSY
    except (EvolveError, ArchiveError) as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code if isinstance(error, EvolveError) else EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_INTERRUPTED if summary.status == "interrupted" else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
