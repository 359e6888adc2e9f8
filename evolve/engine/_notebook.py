"""Writes a run's lab journal, and the table of results that its problem came with, while the run goes on.

Both are rebuilt from what the search knows after batches of results, so seldom that this takes a hundredth of the clock at most,
and at the run's end.  Whatever a disk does about it, the run goes on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from archive import BlockClosed, LogEntry, Measured
from evolve.runs._folder import RunDir
from evolve.search.state._state import ProblemState
from evolve.views._run_view import RunView
from evolve.views.notebook._markdown import markdown
from evolve.views.notebook._notebook import Notebook, PageMaker
from evolve.views.notebook._table import COMMIT, ResultsTable

JOURNAL, RESULTS = "journal.md", "results.tsv"
EARLIER_RESULTS = f"README.{RESULTS}"  # of a problem's folder: the table to go on with
EVERY_S = 5.0
SHARE = 100  # of the clock; a rebuilding takes one part

ViewsOf = Callable[[str, str], Sequence[RunView]]


class NotebookWriter:
    """A hook that keeps ``RUN/journal.md`` and ``RUN/results.tsv`` as they should be.

    Args:
        run: Where they lie.
        views_of: The run as it stands, a view for each of its problems; called with its status and the reason.
        running: Its status while it is driven.
        clock: Seconds, of any origin.
        cpu_clock: CPU seconds of this thread.
        warn: Told, once, that a file cannot be written; by default stderr is.
    """

    def __init__(
        self,
        run: RunDir,
        views_of: ViewsOf,
        running: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.thread_time,
        warn: Callable[[str], object] | None = None,
    ) -> None:
        self._run, self._views_of, self._running = run, views_of, running
        self._clock, self._cpu_clock, self._warn = clock, cpu_clock, warn or _to_stderr
        views = views_of(running, "")
        self._pages = [PageMaker(view) for view in views]
        self._tables = {view.state.problem: table for view in views if (table := _table_of(run, view, len(views) > 1)) is not None}
        self._due, self._warned = 0.0, False

    def __call__(self, state: ProblemState, stamped: LogEntry) -> None:
        record = stamped.record
        if isinstance(record, Measured) and state.problem in self._tables:
            self._tables[state.problem].changed(record.result.candidate)
        if isinstance(record, BlockClosed) and self._clock() >= self._due:
            self.write(self._running, "")

    def write(self, status: str, reason: str) -> None:
        """Write both now."""
        started, views = self._cpu_clock(), self._views_of(status, reason)
        pages = tuple(maker.page(view) for maker, view in zip(self._pages, views, strict=True))
        self._put(self._run.path / JOURNAL, markdown(Notebook(self._run.id, pages)).encode("utf-8", "replace"))
        for view in views:
            if (table := self._tables.get(view.state.problem)) is not None:
                self._put(table.path, table.text(view.state))
        self._due = self._clock() + max(EVERY_S, SHARE * (self._cpu_clock() - started))

    def _put(self, path: Path, data: bytes) -> None:
        """Write a file, whole or not at all."""
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(data)
            os.replace(part, path)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            if not self._warned:
                self._warned = True
                self._warn(f"{path} cannot be written ({error.strerror}); the run goes on without it")


def _to_stderr(text: str) -> None:
    with suppress(OSError, ValueError):  # closed, or nobody reads it any more
        sys.stderr.write(f"{text}\n")


class _Table:
    """The rows of one problem, in the order in which candidates were made."""

    def __init__(self, path: Path, table: ResultsTable, state: ProblemState) -> None:
        self.path, self._table = path, table
        self._rows: dict[int, bytes] = {}
        known = self._written()
        for number, row in enumerate(state.population.candidates):
            if number not in state.memory.feedback and (found := known.get(row.id[:COMMIT].encode())) is not None:
                self._rows[number] = found  # what was said of it is no longer in memory
        self._dirty = {number for number in range(len(state.population.candidates)) if number not in self._rows}
        self._ids: set[str] = set()
        self._bests: tuple[int, ...] = tuple(state.memory.bests)

    def changed(self, candidate: str) -> None:
        """A candidate was measured."""
        self._ids.add(candidate)

    def text(self, state: ProblemState) -> bytes:
        """The table as it stands."""
        by_id, bests = state.population.by_id, tuple(state.memory.bests)
        self._dirty |= {by_id[one] for one in self._ids} | ({*bests} ^ {*self._bests})
        for number in self._dirty:
            if (row := self._table.row(state, number)) is not None:
                self._rows[number] = row
        self._dirty, self._ids, self._bests = set(), set(), bests
        return self._table.head + b"".join(self._rows[number] for number in sorted(self._rows))

    def _written(self) -> dict[bytes, bytes]:
        """The rows of an earlier opening, by their commits."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return {}
        if not data.startswith(self._table.head) or "commit" not in self._table.columns:
            return {}
        place = self._table.columns.index("commit")
        rows = data[len(self._table.head) :].splitlines(keepends=True)
        return {cells[place].strip(): row for row in rows if len(cells := row.split(b"\t")) == len(self._table.columns)}


def _table_of(run: RunDir, view: RunView, several: bool) -> _Table | None:
    """The table of a problem that came with one."""
    earlier = view.problem.folder / EARLIER_RESULTS
    try:
        head = earlier.read_bytes() if earlier.is_file() else None
    except OSError:
        head = None
    if head is None:
        return None
    name = f"{view.problem.contract.name}.{RESULTS}" if several else RESULTS
    return _Table(run.path / name, ResultsTable.of(head), view.state)
