"""An executor of somebody else's package, held against what an executor must be: when it is made, at each call, at each report."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from archive import Attempt, BlockStatus, Hardware, Measurement
from evolve._errors import EvolveError
from evolve._plugins import Plugin, PluginBroken, said
from evolve.execute._base import Block, BlockReport, EntryReport, Report, Sink

_NUMBERS = ("slots", "room", "pending")
_METHODS = ("submit", "cancel", "close")
_WHAT = "an executor has the numbers slots, room and pending and the methods submit, cancel and close"


class ExecutorBroken(PluginBroken):
    """An executor of somebody else's package cannot be gone on with."""


class GuardedExecutor:
    """An executor whose every mistake is a sentence.

    What is wrong with a report is said at the next call: reports come from any thread, and calls from the one that drives the run.

    Args:
        plugin: Whose it is.
        make: Makes it, given where it is to report.
        sink: Where its reports go.

    Raises:
        ExecutorBroken: it cannot be made, or lacks what an executor has.
    """

    def __init__(self, plugin: Plugin, make: Callable[[Sink], object], sink: Sink) -> None:
        self._plugin, self._sink, self._wrong = plugin, sink, ""
        self._blocks: dict[Attempt, Block] = {}
        try:
            self._executor = make(self._report)
        except EvolveError:
            raise  # what it lacks here, in its own words
        except (Exception, SystemExit) as error:
            raise self._broken(said(error)) from error
        self._check()

    @property
    def slots(self) -> int:
        return self._number("slots")

    @property
    def room(self) -> int:
        return self._number("room")

    @property
    def pending(self) -> int:
        return self._number("pending")

    def submit(self, block: Block) -> None:
        self._blocks[block.attempt] = block
        self._call("submit", block)

    def cancel(self, attempt: Attempt) -> None:
        self._call("cancel", attempt)

    def close(self, *, drain: bool) -> None:
        self._call("close", drain=drain)

    def _check(self) -> None:
        made = repr(self._executor)[:80]
        for name in _METHODS:
            if not callable(self._attribute(name)):
                raise self._broken(f"{_WHAT}, and what it makes ({made}) has no {name}")
        for name in _NUMBERS:
            if self._attribute(name) is None:
                raise self._broken(f"{_WHAT}, and what it makes ({made}) has no {name}")
            self._number(name)

    def _attribute(self, name: str) -> object:
        try:
            return getattr(self._executor, name, None)
        except (Exception, SystemExit) as error:
            raise self._broken(f"{name} raised {said(error)}") from error

    def _number(self, name: str) -> int:
        self._need_no_wrong_report()
        found: Any = self._attribute(name)
        try:
            number = operator.index(found)
        except TypeError:
            number = -1
        if number < 0:
            raise self._broken(f"{name} is to be a whole number from 0, and it is {found!r:.80}")
        return number

    def _call(self, name: str, *arguments: object, **named: object) -> None:
        if name != "close":
            self._need_no_wrong_report()
        try:
            getattr(self._executor, name)(*arguments, **named)
        except (Exception, SystemExit) as error:
            raise self._broken(f"{name} raised {said(error)}") from error

    def _report(self, report: Report) -> None:
        wrong = self._what_is_wrong(report)
        if wrong:
            self._wrong = self._wrong or wrong
            return
        if isinstance(report, BlockReport):
            self._blocks.pop(report.attempt, None)
        self._sink(report)

    def _what_is_wrong(self, report: object) -> str:
        """Why this is no report ("" where it is one): a record made of it could not be read again."""
        if not isinstance(report, EntryReport | BlockReport) or not isinstance(report.attempt, Attempt):
            return f"it reports EntryReport and BlockReport, and it reported {report!r:.80}"
        block = self._blocks.get(report.attempt)
        n = len(block.entries) if block is not None else 0
        if isinstance(report, BlockReport):
            fits = isinstance(report.status, BlockStatus) and all(
                i in range(n) for i in (*report.skipped, *(() if report.lost is None else (report.lost,)))
            )
            return "" if block is None or fits else f"it reported a block's end that does not fit its {n} entries: {report!r:.200}"
        if block is None:
            return ""  # late, and only logged
        if report.index not in range(n) or not isinstance(report.result, Measurement):
            return f"it reported entry {report.index!r} of a block of {n} as {type(report.result).__name__}"
        if not isinstance(report.hardware, Hardware | None):
            return f"it reported hardware that is no Hardware: {report.hardware!r:.80}"
        entry, result = block.entries[report.index], report.result
        asked, found = (entry.candidate, entry.stage, entry.seed), (result.candidate, result.stage, result.seed)
        return "" if asked == found else f"it reported a measurement of {found!r} where {asked!r} was asked for"

    def _need_no_wrong_report(self) -> None:
        if self._wrong:
            raise self._broken(self._wrong)

    def _broken(self, why: str) -> ExecutorBroken:
        return ExecutorBroken(str(self._plugin.broken(why)))
