"""What a check is handed, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evolve.speedrun._claims import Claims
from evolve.speedrun._numbers import EqualLoss, Sample, Times
from evolve.speedrun._record import Record, Run, RunSet

FIRST_STEPS = 11  # the oldest scripts start the clock, and the lines that tell runs apart, after their tenth step


class Verdict(StrEnum):
    """What can be said of a rule."""

    HOLDS = "holds"
    FAILS = "fails"
    UNTOLD = "cannot be told"
    WAIVED = "waiver claimed"


@dataclass(frozen=True, slots=True)
class Check:
    """One rule and what became of it, in a sentence with figures."""

    name: str
    rule: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """A record with what was computed of it once."""

    of: Record
    claims: Claims
    sample: Sample
    times: Times
    equal: EqualLoss | None

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.of.record.runs

    @property
    def losses(self) -> tuple[float, ...]:
        return tuple(run.loss for run in self.runs)

    @property
    def compared(self) -> tuple[RunSet, ...]:
        """The record's runs and those it is compared with."""
        return (self.of.record, *self.of.baselines[:1])


Answer = tuple[Verdict, str]


def holds(reason: str) -> Answer:
    return Verdict.HOLDS, reason


def fails(reason: str) -> Answer:
    return Verdict.FAILS, reason


def untold(reason: str) -> Answer:
    return Verdict.UNTOLD, reason


def some(names: list[str], most: int = 3) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
