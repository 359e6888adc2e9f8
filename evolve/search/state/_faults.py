"""What the evaluator could not judge: measured again, counted and shown; and when it is the evaluator that is given up.

An ``evaluator_error`` says nothing of the program.  Its measurement is made again with the same seed: as the next ticket, and once
more after other work.  A program that errs every time stays unjudged: an opening of the run, or being told again, gives it another
chance.  So many errors in a row that nothing else is measured ask for a look at the initial program, which was judged before: where
it errs too, the evaluator is down and the search waits for it.  Part of the search's state: pure, changed by ``apply`` alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archive import BlockEntry, MeasureIssued, Measurement, Purpose, Status
from evolve.problem.contract._contract import INCOMPLETE

TRIES = 3  # of one measurement
CHANCES = 2 * TRIES  # errors of one program, after which only being told again measures it
GAP = 10  # results of others before the last try
ALARM, MOST_ALARM = 6, 96  # errors in a row before the initial program is looked at; doubled each time it was the programs
OUTAGE_S = 300.0  # for which an evaluator that was well before is waited for
_MOST_PAUSE_S = 30.0  # between two looks
LEAST, SHARE = 20, 0.75  # programs, and the share of them that the evaluator must be able to judge a quarter of
_Z = 1.645
_NAMED = 5
_LESSON = 5  # programs given up


@dataclass(frozen=True, slots=True)
class Doubt:
    """A measurement that erred ``tries`` times and is due again once there are ``after`` results."""

    entry: BlockEntry
    purpose: Purpose
    tries: int
    after: int


class Faults:
    """Counts, what is to be tried again, and whether the evaluator is thought to be down."""

    def __init__(self) -> None:
        self.results = 0
        self.errors = 0
        self.recovered = 0  # measurements that did not err when they were made again
        self.first = ""  # what the evaluator said when it failed first
        self.incomplete = 0  # ok results without a declared number
        self.lacking = ""  # the first of them
        self.waiting: list[Doubt] = []
        self.out: list[Doubt] = []  # handed out again
        self.unjudged: dict[int, int] = {}  # programs given up -> errors at that time, oldest first
        self.erred: dict[int, int] = {}  # errors by program
        self.in_row = 0
        self.alarm = ALARM
        self.down_since: float | None = None
        self.looks = 0
        self.look_at = 0.0

    @property
    def tries(self) -> int:
        """Of one measurement; fewer where it has never helped."""
        return TRIES if self.recovered or len(self.unjudged) < _LESSON else TRIES - 1

    @property
    def is_alarmed(self) -> bool:
        """Whether nothing but errors came of late: the initial program is to be looked at before anything else."""
        return self.in_row >= self.alarm

    def waits_for(self, candidate: str) -> bool:
        """Whether a measurement of this candidate is to be made again."""
        return any(doubt.entry.candidate == candidate for doubt in (*self.waiting, *self.out))

    def due(self, purposes: Sequence[Purpose], *, early: bool) -> Doubt | None:
        """The next measurement to be made again; with ``early`` although other work was to come between."""
        return next((one for one in self.waiting if one.purpose in purposes and (early or one.after <= self.results)), None)

    def on_issued(self, record: MeasureIssued) -> bool:
        """A block was handed out; returns whether it is one that is made again."""
        found = [one for one in self.waiting if (one.entry,) == record.entries and one.purpose is record.purpose]
        if not found:
            return False
        self.waiting.remove(found[0])
        self.out.append(found[0])
        return True

    def on_measured(self, number: int, entry: BlockEntry, result: Measurement) -> None:
        """A measurement that says something of its program."""
        self.results += 1
        self.in_row, self.down_since, self.looks = 0, None, 0
        self.recovered += self._take(entry) is not None
        if self.unjudged:
            self.unjudged.pop(number, None)
        if result.status is Status.OK and result.reason.startswith(INCOMPLETE):
            self.incomplete += 1
            self.lacking = self.lacking or result.reason.removeprefix(INCOMPLETE)

    def on_fault(self, number: int, entry: BlockEntry, purpose: Purpose, reason: str) -> bool:
        """The evaluator erred; returns whether it will be tried again."""
        self.results += 1
        self.errors += 1
        self.in_row += 1
        self.first = self.first or reason
        before = self._take(entry)
        tries = 1 + (before.tries if before else 0)
        self.erred[number] = self.erred.get(number, 0) + 1
        if tries >= self.tries:
            self.unjudged[number] = self.erred[number]
            return False
        self.waiting.append(Doubt(entry, purpose, tries, self.results + (GAP if tries == self.tries - 1 else 0)))
        return True

    def on_dropped(self, entry: BlockEntry) -> None:
        """A measurement that was handed out again will not be made."""
        self._take(entry)

    def on_probed(self, erred: bool, at: float, reason: str) -> str:
        """The initial program was looked at; why the run cannot go on ("" if it can)."""
        if not erred:
            self.in_row, self.down_since, self.looks = 0, None, 0
            self.alarm = min(2 * self.alarm, MOST_ALARM)
            return ""
        self.down_since = at if self.down_since is None else self.down_since
        self.looks += 1
        self.look_at = at + min(2.0**self.looks, _MOST_PAUSE_S)
        down_s = at - self.down_since
        return f"the evaluator has failed for {down_s:.0f} s, on the initial program too: {reason}" if down_s >= OUTAGE_S else ""

    def on_run_opened(self) -> list[int]:
        """A new driver: what waits is tried at once; returns the programs that were given up and get another chance."""
        self.waiting = [Doubt(one.entry, one.purpose, one.tries, 0) for one in self.waiting]
        self.in_row, self.down_since, self.looks, self.look_at = 0, None, 0, 0.0
        return [number for number, errors in self.unjudged.items() if errors < CHANCES]

    def hopeless(self, n_settled: int) -> bool:
        """Whether the evaluator can judge too few programs for a search: with 95 % confidence less than a quarter."""
        return n_settled >= LEAST and _lower(len(self.unjudged), n_settled) > SHARE

    def _take(self, entry: BlockEntry) -> Doubt | None:
        found = next((one for one in self.out if one.entry == entry), None)
        if found is not None:
            self.out.remove(found)
        return found


def named(ids: Sequence[str]) -> str:
    """The first few ids, in a sentence."""
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more


def _lower(k: int, n: int) -> float:
    """Lower bound of Wilson's interval for a share."""
    share, z2 = k / n, _Z * _Z
    return (share + z2 / (2 * n) - _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
