"""What is known of learning curves: who may be ended early, and how often that was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archive import BlockEntry, Curve, Measurement, Status
from evolve.problem.contract._contract import AUDITED
from evolve.select._pruner import CompleteRun, bars, standing

if TYPE_CHECKING:
    from evolve.problem.contract._contract import Contract


class Pruning:
    """The curves of programs that were measured to their end, by their rows, the first of each.

    A child has bars only where every part that it changes was changed before in a program that was measured to its end: the curve
    of a new schedule, size or order of the data may be of another kind.
    """

    def __init__(self) -> None:
        self.runs: dict[int, CompleteRun] = {}
        self.touched: dict[int, tuple[str, ...]] = {}  # what each child that is not measured yet changes
        self.seen: set[str] = set()  # what was changed in a program of ``runs``
        self.pruned = 0
        self.audited = 0  # measured to their end although their curve lost
        self.wrong = 0  # of those, how many became the best
        self.spent_cpu_s = 0.0  # on those that were pruned
        self.complete_cpu_s = 0.0  # on first measurements that were made to their end
        self.complete = 0

    def on_child(self, number: int, touched: Sequence[str]) -> None:
        """A child was made that changes these parts."""
        if touched:
            self.touched[number] = tuple(touched)

    def bars(self, contract: Contract, number: int, parent: int, wanted: float) -> Curve | None:
        """What its curve must keep to, in the problem's sign, if ``wanted`` is to be reached; None where nothing can be said."""
        changed = self.touched.get(number, ())
        if not changed or not self.seen.issuperset(changed):
            return None
        sign = 1.0 if contract.maximize else -1.0
        found = bars(list(self.runs.values()), wanted, self.runs.get(parent))
        return Curve(tuple(x for x, _ in found), tuple(sign * y for _, y in found)) if found else None

    def on_measured(self, contract: Contract, number: int, entry: BlockEntry, result: Measurement, best: float | None) -> None:
        """The first measurement of a program at the last stage has ended; ``best``: the best score that was known then."""
        if result.status is Status.PRUNED:
            self.pruned += 1
            self.spent_cpu_s += result.cpu_s
        changed = self.touched.pop(number, ())
        if result.status is not Status.OK or result.score is None:
            return
        self.complete += 1
        self.complete_cpu_s += result.cpu_s
        sign = 1.0 if contract.maximize else -1.0
        if result.curve is None or number in self.runs:
            return
        at = tuple(sign * y for y in standing(result.curve))
        self.runs[number] = CompleteRun(at, sign * result.score)
        self.seen.update(changed)
        if entry.audited and AUDITED in result.reason:
            self.audited += 1
            self.wrong += best is not None and sign * result.score > best

    @property
    def saved_share(self) -> float:
        """The share of the CPU of first measurements that pruning saved, had each taken what those took that were not pruned."""
        if not self.complete or not self.pruned:
            return 0.0
        whole = self.complete_cpu_s * (1.0 + self.pruned / self.complete)
        return max(1.0 - (self.complete_cpu_s + self.spent_cpu_s) / whole, 0.0)
