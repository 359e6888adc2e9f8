"""When the state of a run is saved while it is driven."""

from __future__ import annotations

from contextlib import suppress

from archive import ElitePlaced, Journal, LogEntry, TextStore
from evolve.runs import _checkpoint
from evolve.runs._folder import RunDir
from evolve.search._search import Search
from evolve.search.state._state import ProblemState

CHECKPOINT_EVERY = 25_000  # records


class Checkpoints:
    """A hook that saves the state every so many records, once they are durable.  A disk that is full costs the checkpoint alone."""

    def __init__(self, run: RunDir, search: Search, texts: TextStore, journal: Journal) -> None:
        self._run, self._search, self._texts, self._journal = run, search, texts, journal
        self._due = CHECKPOINT_EVERY

    def __call__(self, state: ProblemState, stamped: LogEntry) -> None:
        self._due -= 1
        if self._due <= 0 and not isinstance(stamped.record, ElitePlaced):  # between those, readers lag behind the state
            self.save()

    def save(self) -> None:
        """Save the state now."""
        self._due = CHECKPOINT_EVERY
        position = self._journal.written
        if position is not None:
            self._journal.wait_durable(position.seq)
            with suppress(OSError):
                _checkpoint.save(self._run.checkpoint, self._search, self._texts.locations(), position)
