"""Who is told how a search goes while it is driven."""

from __future__ import annotations

from collections.abc import Callable

from archive import LogEntry
from evolve.engine._session import RunStarted
from evolve.search.state._state import ProblemState
from evolve.views._progress import Progress, ProgressTracker

OnProgress = Callable[[Progress], None]


class Listener:
    """Tells somebody how a search stands: on each new best and every so many seconds."""

    def __init__(self, tell: OnProgress, every_s: float) -> None:
        self._tell, self._every_s = tell, every_s
        self._watch: ProgressTracker | None = None
        self._best: int | None = None
        self._due = 0.0

    def on_started(self, announcement: RunStarted) -> None:
        """The run is open."""
        self._watch = announcement.view.tracker()

    def record(self, state: ProblemState, stamped: LogEntry) -> None:
        """After each record."""
        best = state.population.best_so_far
        new = best != self._best
        if self._watch is not None and (new or stamped.at >= self._due):
            self._best, self._due = best, stamped.at + self._every_s
            self._tell(self._watch.snapshot(stamped.at))
