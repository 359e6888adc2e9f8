"""What a run has spent and what it may spend.  Pure: time enters as an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from archive import Measurement, Purpose, RunOpened, Status
from evolve.problem.contract._contract import Budget

_RECENT = 0.2  # weight of the newest measurement in the running estimate of one's wall time


@dataclass(slots=True)
class Usage:
    """Counters.  ``evaluations`` counts measurements handed out, each once, however often it was attempted, ``measured`` those that
    a result came of."""

    opened_at: float | None = None
    before_s: float = 0.0  # wall time of earlier openings of the run
    last_at: float = 0.0
    cpu_s: float = 0.0
    evaluations: int = 0
    measured: int = 0
    candidates: int = 0
    wall_by_purpose: dict[str, float] = field(default_factory=dict)
    count_by_purpose: dict[str, int] = field(default_factory=dict)
    measure_wall_s: float = 0.0  # of one measurement, lately
    measure_cpu_s: float = 0.0
    call_wall_s: float = 0.0  # of one ticket of a model, lately
    pace: float = 1.0  # share of the clock: below 1 for one problem of several, which take turns

    def by_clock_of(self, run: Usage, pace: float) -> Usage:
        """The same beside another's clock.  Field by field, as it is asked for by every problem after every record."""
        return Usage(
            run.opened_at,
            run.before_s,
            run.last_at,
            self.cpu_s,
            self.evaluations,
            self.measured,
            self.candidates,
            self.wall_by_purpose,
            self.count_by_purpose,
            self.measure_wall_s,
            self.measure_cpu_s,
            self.call_wall_s,
            pace,
        )

    def on_answered(self, wall_s: float) -> None:
        """A model's ticket ended."""
        self.call_wall_s += (_RECENT if self.call_wall_s else 1.0) * (wall_s - self.call_wall_s)

    def elapsed(self, now: float) -> float:
        """Seconds this run has been open, over all its openings."""
        return self.pace * (self.before_s + (max(now - self.opened_at, 0.0) if self.opened_at is not None else 0.0))

    def on_run_opened(self, record: RunOpened, at: float) -> None:
        """A driver took the run; what passed since the last one's last record does not count."""
        if self.opened_at is not None:
            self.before_s += max(self.last_at - self.opened_at, 0.0)
        self.opened_at = at
        self.last_at = at

    def on_issued(self, purpose: Purpose, n: int = 1) -> None:
        """``n`` measurements were handed out for the first time."""
        self.evaluations += n
        self.count_by_purpose[purpose] = self.count_by_purpose.get(purpose, 0) + n

    def on_measured(self, purpose: Purpose, result: Measurement) -> None:
        """A measurement ended."""
        self.measured += 1
        cpu_s = result.cpu_s + result.scorer_cpu_s
        self.cpu_s += cpu_s
        self.wall_by_purpose[purpose] = self.wall_by_purpose.get(purpose, 0.0) + result.wall_s
        if result.status is Status.PRUNED:  # what is set aside is for measurements that go to their end
            return
        weight = _RECENT if self.measure_wall_s else 1.0
        self.measure_wall_s += weight * (result.wall_s - self.measure_wall_s)
        self.measure_cpu_s += weight * (cpu_s - self.measure_cpu_s)

    def share_of_wall(self, purpose: Purpose) -> float:
        """The share of all measuring time that went to one purpose."""
        total = sum(self.wall_by_purpose.values())
        return self.wall_by_purpose.get(purpose, 0.0) / total if total else 0.0

    def mean_wall_s(self, purpose: Purpose) -> float:
        """Seconds that a measurement for this purpose took; less while some are under way, 0 before the first."""
        return self.wall_by_purpose.get(purpose, 0.0) / max(self.count(purpose), 1)

    def count(self, *purposes: Purpose) -> int:
        """How many measurements were handed out for these purposes."""
        return sum(self.count_by_purpose.get(purpose, 0) for purpose in purposes)

    def share_of_count(self, *purposes: Purpose) -> float:
        """The share of all measurements that were handed out for these purposes."""
        return self.count(*purposes) / max(self.evaluations, 1)


def affordable_evaluations(budget: Budget, spend: Usage, slots: int, *, repeated: bool = False) -> float:
    """About how many measurements the whole budget pays for, at what they have cost lately; infinite without limits.

    ``repeated`` says that a candidate may be measured many times: their number then limits nothing, unless it is the only limit.
    """
    limits = [
        budget.evaluations,
        None if repeated and any((budget.evaluations, budget.wall_s, budget.cpu_s)) else budget.candidates,
        budget.wall_s * slots / spend.measure_wall_s if budget.wall_s is not None and spend.measure_wall_s else None,
        budget.cpu_s / spend.measure_cpu_s if budget.cpu_s is not None and spend.measure_cpu_s else None,
    ]
    return min((float(limit) for limit in limits if limit is not None), default=math.inf)


def nearest_limit(budget: Budget, spend: Usage, now: float) -> tuple[float, str] | None:
    """The share spent of the limit that is nearest, and its name; None without any."""
    pairs = (
        (spend.elapsed(now), budget.wall_s, "budget.wall_s"),
        (spend.cpu_s, budget.cpu_s, "budget.cpu_s"),
        (spend.evaluations, budget.evaluations, "budget.evaluations"),
        (spend.candidates, budget.candidates, "budget.candidates"),
    )
    return max(((spent / limit, name) for spent, limit, name in pairs if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What must be left when searching ends."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    evaluations: int = 0


def exhausted(budget: Budget, spend: Usage, now: float, reserve: Reservation, *, queued: float) -> str:
    """Which limit leaves no room for another search step once ``reserve`` is kept back ("" if none does).

    ``queued`` measurements a slot are under way or promised: the next one starts after them.
    """
    ahead_s = (1.0 + queued) * spend.measure_wall_s
    if budget.wall_s is not None and spend.elapsed(now) + ahead_s + reserve.wall_s >= budget.wall_s:
        return "budget.wall_s"
    if budget.cpu_s is not None and spend.cpu_s + reserve.cpu_s >= budget.cpu_s:
        return "budget.cpu_s"
    if budget.evaluations is not None and spend.evaluations + reserve.evaluations >= budget.evaluations:
        return "budget.evaluations"
    if budget.candidates is not None and spend.candidates >= budget.candidates:
        return "budget.candidates"
    return ""
