"""A run of several problems, for people: a table with a line for each, and what is in sum."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from archive import Claim, ConfirmationOpened, Event, LogEntry, NodesUnfit, StopRequested
from evolve._counted import counted
from evolve.cli.show._limits import budget_text, ended_text, left_text
from evolve.cli.show._text import columns, counts, duration, gain, models_text, number, one_line, unfit_rows, where_rows
from evolve.cli.show._vaults import confirm_text, problem_text
from evolve.problem.contract._contract import Budget
from evolve.views._progress import BY_NOBODY
from evolve.views._summary import CONFIRMED, FROM_FINAL

if TYPE_CHECKING:
    from evolve.engine._session import RunStarted
    from evolve.views._progress import Progress
    from evolve.views._run_view import RunView
    from evolve.views._summary import Summary

LINE_S = 10.0
TABLE_S = 1.0
_HEAD = ("problem", "initial", "best", "gain", "tried", "measured", "claims", "")
_LIMITS = tuple(f"budget.{one.name}" for one in fields(Budget))
NO_WALLS = "none: candidates run as you, with your files and your network"


class SuiteView:
    """What a person sees on stderr while a run of several problems is driven: lines, or a table that stays in place.

    Args:
        announcement: The run.
        tell: Takes a line.
        show: Takes the table, again and again; None where lines say which problems have another best.
    """

    def __init__(self, announcement: RunStarted, tell: Callable[[str], None], show: Callable[[str], None] | None) -> None:
        self._views, self._tell, self._show = (announcement.view, *announcement.more), tell, show
        self._trackers = [view.tracker() for view in self._views]
        self._names = {view.problem.id: view.problem.contract.name for view in self._views}
        self._told: dict[str, str] = {}  # the best of each problem, as the last line had it
        self._due = 0.0
        for name, text in _header(announcement, self._views):
            tell(f"{name:<9}{text}")

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
            case NodesUnfit(nodes=nodes):
                for why in nodes.values():
                    self._tell(f"note: takes no part: {one_line(why, 400)}")
            case StopRequested():
                self._tell("ending: waiting for the measurements in hand; another Ctrl-C stops at once")
            case _:
                pass
        if stamped.at >= self._due:
            self._due = stamped.at + (LINE_S if self._show is None else TABLE_S)
            seen = [tracker.snapshot(stamped.at) for tracker in self._trackers]
            if self._show is None:
                self._tell(self._line(seen, stamped.at))
            else:
                self._show(f"{_table(self._views, seen)}\n\n{self._sums(stamped.at)}")

    def _line(self, seen: Sequence[Progress], now: float) -> str:
        """What is new since the last line, and how the run stands."""
        best = dict(zip(self._names.values(), map(_best_text, seen), strict=True))
        new = [f"{name} {text}" for name, text in best.items() if text != self._told.get(name, "-")]
        self._told = best
        return f"{self._sums(now)} | {', '.join(new) or 'no other best'}"

    def _sums(self, now: float) -> str:
        first = self._views[0]
        spent = first.spent(now)
        tried = f"{counted(int(spent['candidates']), 'candidate')}, {counted(int(spent['evaluations']), 'measurement')}"
        return f"{duration(spent['wall_s']):>7} | {tried} | left {left_text(first.whole_budget, spent)}"


def _header(announcement: RunStarted, views: Sequence[RunView]) -> list[tuple[str, str]]:
    first = announcement.view
    limited = first.whole_budget.bounds_machine or first.whole_budget.bounds_models
    lines = [
        ("run", f"{first.run.path}{' (resumed)' if announcement.resumed else ''}"),
        *(("problem", _problem_line(view)) for view in views),
        ("budget", f"{budget_text(first.whole_budget)}{', for all of them' if limited else ''}"),
        *where_rows(first),
        ("sandbox", "strict" if first.tier == "strict" else NO_WALLS),
    ]
    if announcement.no_models:
        lines.append(("models", announcement.no_models))
    return [*lines, ("end", f"Ctrl-C, or from elsewhere: evolve stop {shlex.quote(str(first.run.path))}")]


def _problem_line(view: RunView) -> str:
    text = problem_text(view, view.progress())
    return f"{text}; {confirm_text(view)}" if view.problem.contract.noisy else text


def suite_table(views: Sequence[RunView]) -> str:
    """How each problem stands."""
    return _table(views, [view.progress() for view in views])


def _table(views: Sequence[RunView], seen: Sequence[Progress]) -> str:
    return columns([_HEAD, *(_row(view, one) for view, one in zip(views, seen, strict=True))])


def _row(view: RunView, seen: Progress) -> tuple[str, ...]:
    seed, known = seen.seed.score if seen.seed else None, seen.word != CONFIRMED  # of what is confirmed the vault has the estimate
    return (
        view.problem.contract.name,
        _shown(seed),
        _shown(seen.best.score if seen.best else None),
        gain(seen.gain, seed) if known and seen.gain is not None and seed is not None else "-",
        str(seen.candidates),
        str(seen.measurements),
        f"{seen.claims} of {seen.openings}" if view.problem.contract.noisy else "-",
        "; ".join(_notes(view, seen)),
    )


def _notes(view: RunView, seen: Progress) -> list[str]:
    """What a person must not miss of one problem; all of it: ``evolve status RUN --problem NAME``."""
    notes = [f"given up: {one_line(view.given_up, 120)}"] if view.given_up else []
    if seen.gain_from == FROM_FINAL and seen.word != CONFIRMED:
        notes.append(f"gain of the {FROM_FINAL}")
    if seen.word:
        notes.append(seen.word)
    if seen.unchecked is not None:
        notes.append(f"{number(seen.unchecked.best_score)} not checked yet")
    if seen.evaluator.errors:
        notes.append(f"evaluator failed {counted(seen.evaluator.errors, 'time')}")
    if seen.not_deterministic:
        notes.append("noisy although declared deterministic")
    if seen.beyond:
        notes.append("scores too large to be compared")
    return notes


def _best_text(seen: Progress) -> str:
    """The best score so far, that which no fresh process has given yet too."""
    if seen.unchecked is not None:
        return f"{number(seen.unchecked.best_score)} (not checked yet)"
    return _shown(seen.best.score if seen.best else None)


def suite_best(views: Sequence[RunView]) -> str:
    """``evolve best`` of a run of several problems: how each stands, and who its best program is."""
    rows = [("problem", "best", "made by", "verdict")]
    for view in views:
        seen = view.progress()
        made = "nobody: the initial program" if seen.best_operator == BY_NOBODY else seen.best_operator or "-"
        rows.append((view.problem.contract.name, seen.best.id if seen.best else "-", made, seen.word or "-"))
    return f"{suite_table(views)}\n\n{columns(rows)}\n\nnext: evolve best {_most_gained(views).quote()} --diff | --source"


def suite_status(views: Sequence[RunView]) -> str:
    """``evolve status`` of a run of several problems."""
    from evolve.views._suite import summary_of

    first, found = views[0], summary_of(views)
    spent, reason = first.spent(), f" ({one_line(found.reason, 400)})" if found.reason not in ("", found.status) else ""
    rows = [
        ("run", found.run),
        ("status", _ended(found, views) if found.status == "done" and found.reason in _LIMITS else f"{found.status}{reason}"),
        *where_rows(first),
        ("sandbox", first.tier),
        *unfit_rows(first.unfit),
        ("tried", f"{counted(found.candidates, 'candidate')}, {counted(found.measurements, 'measurement')}"),
        *([("failures", counts(found.failures))] if found.failures else []),
        *([("claims", f"{found.claims} confirmed of {counted(found.openings, 'vault')}")] if found.openings else []),
        ("spent", f"{duration(spent['wall_s'])} on the clock, {duration(spent['cpu_s'])} of CPU"),
        *([("models", text)] if (text := models_text(found.models, first.whole_budget)) else []),
        ("left", left_text(first.whole_budget, spent)),
    ]
    return f"{columns(rows)}\n\n{suite_table(views)}\n\nnext: evolve status {_most_gained(views).quote()}"


def suite_ending(summary: Summary, views: Sequence[RunView]) -> str:
    """What a person reads when a run of several problems has ended."""
    first = views[0]
    way, models = first.way_on(summary.status, summary.reason), models_text(summary.models, first.whole_budget)
    rows = [
        ("ended", _ended(summary, views)),
        ("tried", f"{counted(summary.candidates, 'candidate')}, {counted(summary.measurements, 'measurement')}"),
        ("spent", f"{duration(summary.wall_s)} on the clock, {duration(summary.cpu_s)} of CPU"),
        *([("models", models)] if models else []),
        ("run", summary.run),
        ("next", f"evolve best {_most_gained(views).quote()}" + (f" | {way}" if way else "")),
    ]
    return f"{suite_table(views)}\n\n{columns(rows)}"


def _ended(summary: Summary, views: Sequence[RunView]) -> str:
    """How it ended, and what of the budget the noisy problems have kept back and not spent, in sum."""
    kept = dict.fromkeys(view.kept_for() for view in views if view.problem.contract.noisy)
    first = views[0]
    return ended_text(summary, first.whole_budget, int(first.spent()["evaluations"]), " and ".join(kept))


def _most_gained(views: Sequence[RunView]) -> RunView:
    """The problem that has gained most for its initial program's score: scores of several have no unit in common."""

    def share(view: RunView) -> float:
        seen = view.progress()
        if seen.gain is None or seen.seed is None or seen.gain <= 0:
            return 0.0
        return seen.gain / abs(seen.seed.score) if seen.seed.score else math.inf

    return max(views, key=share)


def _shown(score: float | None) -> str:
    return "-" if score is None else number(score)
