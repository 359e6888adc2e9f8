"""Who is told how a search goes while it is driven."""

from __future__ import annotations

from collections.abc import Callable

from archive import LogEntry
from evolve.engine._session import RunStarted
from evolve.search.state._state import ProblemState
from evolve.views._progress import Progress, ProgressTracker

OnProgress = Callable[[Progress], None]


class Listener:
    """Tells somebody how each problem's search stands: on each new best and every so many seconds.

    Args:
        tell: Is told.
        every_s: Seconds.
        problem: The name of the only one to tell of; "" for all.
    """

    def __init__(self, tell: OnProgress, every_s: float, problem: str = "") -> None:
        self._tell, self._every_s, self._problem = tell, every_s, problem
        self._watches: dict[str, ProgressTracker] = {}
        self._best: dict[str, int | None] = {}
        self._due = 0.0

    def on_started(self, announcement: RunStarted) -> None:
        """The run is open."""
        views = [view for view in (announcement.view, *announcement.more) if self._problem in ("", view.problem.contract.name)]
        self._watches = {view.problem.id: view.tracker() for view in views}

    def record(self, state: ProblemState, stamped: LogEntry) -> None:
        """After each record, with the problem that it is about."""
        due = stamped.at >= self._due
        if due and self._watches:
            self._due = stamped.at + self._every_s
        for id_, watch in self._watches.items():
            new = id_ == state.problem and watch.leader != self._best.get(id_)
            if new or due:
                self._best[id_] = watch.leader
                self._tell(watch.snapshot(stamped.at))
