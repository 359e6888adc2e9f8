"""The one way a record enters a run: appended to the journal, applied to the search, shown to hooks.  Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archive import ConfirmationOpened, Journal, LogEntry, Proposed, Record, TextStore
from evolve.search._search import Search
from evolve.search.state._state import ProblemState

Hook = Callable[[ProblemState, LogEntry], None]


class Recorder:
    """Writes records in order.

    Args:
        journal: Where they become durable.
        search: What they are applied to.
        texts: Told where each candidate's text lies.
        clock: Unix time.
        hooks: Called after each record; they look and change nothing.
    """

    def __init__(
        self, journal: Journal, search: Search, texts: TextStore, clock: Callable[[], float], hooks: Sequence[Hook] = ()
    ) -> None:
        self.journal, self.search, self.texts, self.clock, self.hooks = journal, search, texts, clock, tuple(hooks)

    def write(self, record: Record, *, on_durable: Callable[[], None] | None = None) -> LogEntry:
        """Append, apply, and write what the archive did about it.

        Raises:
            JournalFull, JournalBroken: the journal cannot be written; everything acknowledged is intact.
        """
        stamped = self.journal.append(record, at=self.clock(), on_durable=on_durable)
        if isinstance(record, ConfirmationOpened):  # sizes and seeds stand fixed before the first run
            self.journal.wait_durable(stamped.seq)
        position = self.journal.written
        if isinstance(record, Proposed) and record.candidate is not None and position is not None:
            self.texts.locate(record.candidate.id, position, record.candidate.text)
        for placed in self.search.apply(stamped):
            self.write(placed)
        for hook in self.hooks:
            hook(self.search.state_of(record), stamped)
        return stamped
