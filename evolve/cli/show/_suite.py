"""A run of several problems, for people: a table with a line for each, and what is in sum."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from archive import Claim, ConfirmationOpened, Event, LogEntry, StopRequested
from evolve._counted import counted
from evolve.cli.show._text import columns, duration, gain_with_error, number, one_line

if TYPE_CHECKING:
    from evolve.engine._session import RunStarted
    from evolve.views._run_view import RunView
    from evolve.views._summary import Summary

LINE_S = 10.0
_HEAD = ("problem", "initial", "best", "gain", "tried", "measured", "claims", "")


class SuiteView:
    """Plain lines on stderr while a run of several problems is driven.

    Args:
        announcement: The run.
        tell: Takes a line.
    """

    def __init__(self, announcement: RunStarted, tell: Callable[[str], None]) -> None:
        self._views, self._tell = (announcement.view, *announcement.more), tell
        self._names = {view.problem.id: view.problem.contract.name for view in self._views}
        self._due = 0.0
        names = ", ".join(self._names.values())
        tell(f"{'run':<9}{announcement.view.run.path}{' (resumed)' if announcement.resumed else ''}")
        tell(f"{'problems':<9}{names}")
        tell(f"{'sandbox':<9}{announcement.view.tier}")
        if announcement.no_models:
            tell(f"{'models':<9}{announcement.no_models}")

    def record(self, stamped: LogEntry) -> None:
        """After each record."""
        record, name = stamped.record, self._names.get(getattr(stamped.record, "problem", ""), "")
        before = f"{name}: " if name else ""
        match record:
            case Event(level="warning" | "error", text=text):
                self._tell(f"note: {before}{one_line(text, 400)}")
            case ConfirmationOpened(candidate=candidate):
                self._tell(f"vault: {before}{candidate[:10]} is measured on fresh seeds")
            case Claim(candidate=candidate, confirmed=confirmed):
                self._tell(f"claim: {before}{candidate[:10]} {'confirmed' if confirmed else 'not confirmed'}")
            case StopRequested():
                self._tell("ending: waiting for the measurements in hand; another Ctrl-C stops at once")
            case _:
                pass
        if stamped.at >= self._due:
            self._due = stamped.at + LINE_S
            self._tell(self._line())

    def _line(self) -> str:
        return "; ".join(f"{view.problem.contract.name} {_shown(view.best_score())}" for view in self._views)


def suite_table(views: Sequence[RunView]) -> str:
    """How each problem stands."""
    rows = [_HEAD]
    for view in views:
        seen = view.progress()
        seed, best = seen.seed.score if seen.seed else None, seen.best.score if seen.best else None
        claims = f"{seen.claims} of {seen.openings}" if view.problem.contract.noisy else "-"
        rows.append(
            (
                view.problem.contract.name,
                _shown(seed),
                _shown(best),
                gain_with_error(seen.gain, seed, None) if seen.gain is not None and seed is not None else "-",
                str(seen.candidates),
                str(seen.measurements),
                claims,
                f"given up: {one_line(why, 120)}" if (why := view.given_up) else "",
            )
        )
    return columns(rows)


def suite_status(views: Sequence[RunView]) -> str:
    """``evolve status`` of a run of several problems."""
    first, run = views[0], shlex.quote(str(views[0].run.path))
    reason = f" ({one_line(first.reason, 400)})" if first.reason not in ("", first.status) else ""
    spent = first.spent()
    names = [view.problem.contract.name for view in views]
    rows = [
        ("run", str(first.run.path)),
        ("status", f"{first.status}{reason}"),
        ("sandbox", first.tier),
        ("tried", f"{counted(int(spent['candidates']), 'candidate')}, {counted(int(spent['evaluations']), 'measurement')}"),
        ("spent", f"{duration(spent['wall_s'])} on the clock, {duration(spent['cpu_s'])} of CPU"),
    ]
    return f"{columns(rows)}\n\n{suite_table(views)}\n\nnext: evolve status {run} --problem {shlex.quote(names[0])}"


def suite_ending(summary: Summary, views: Sequence[RunView]) -> str:
    """What a person reads when a run of several problems has ended."""
    run, first = shlex.quote(summary.run), views[0]
    way = first.way_on(summary.status, summary.reason)
    rows = [
        ("ended", f"{summary.status} ({one_line(summary.reason, 400)})" if summary.reason != summary.status else summary.status),
        ("tried", f"{counted(summary.candidates, 'candidate')}, {counted(summary.measurements, 'measurement')}"),
        ("spent", f"{duration(summary.wall_s)} on the clock, {duration(summary.cpu_s)} of CPU"),
        ("run", summary.run),
        ("next", f"evolve best {run} --problem {shlex.quote(first.problem.contract.name)}" + (f" | {way}" if way else "")),
    ]
    return f"{suite_table(views)}\n\n{columns(rows)}"


def _shown(score: float | None) -> str:
    return "-" if score is None else number(score)
