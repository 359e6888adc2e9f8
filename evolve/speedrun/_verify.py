"""A record folder, checked: what it claims, what its logs give, and a verdict for each rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import UsageError
from evolve.speedrun import _from_logs as logs
from evolve.speedrun import _from_numbers as numbers
from evolve.speedrun import _from_source as source
from evolve.speedrun._check import Answer, Case, Check, Verdict
from evolve.speedrun._numbers import EqualLoss, Sample, Times, equal_loss, sample_of, times_of
from evolve.speedrun._record import TARGETS, Record, RunSet, read_record
from evolve.speedrun._scaled import read_contract
from evolve.speedrun._text import Claimed, side_by_side

_RACES = (1, 2)
_CHECKS: tuple[tuple[str, tuple[int, ...], Callable[[Case], Answer]], ...] = (
    ("complete", (1, 2, 3), logs.complete),
    ("unedited", (1, 2, 3), logs.unedited),
    ("one source", (1, 2, 3), logs.one_source),
    ("one step count", (1, 2, 3), logs.one_step_count),
    ("independent runs", (1, 2, 3), logs.independent),
    ("selection", (1, 2, 3), logs.selection),
    ("target", _RACES, numbers.target),
    ("target", (3,), numbers.margin_target),
    ("claimed step", (3,), numbers.claimed_step),
    ("rounding", (1, 2, 3), numbers.rounding),
    ("hardware", _RACES, numbers.hardware),
    ("time", _RACES, numbers.faster),
    ("session", _RACES, logs.session),
    ("pairwise", (3,), numbers.pairwise_better),
    ("data", (1, 2, 3), source.data),
    ("compiler", _RACES, source.compiler),
    ("validation", (1, 2, 3), source.validation),
    ("inlined", (3,), source.inlined),
    ("text", (1, 2, 3), numbers.text_agrees),
)


@dataclass(frozen=True, slots=True)
class SetSummary:
    """A set of runs of the folder, one of several step counts a line each; ``role`` is record, baseline or aside."""

    name: str
    role: str
    runs: int
    steps: int
    mean_loss: float
    sd_loss: float | None
    mean_s: float
    unreadable: int


@dataclass(frozen=True, slots=True)
class Report:
    """What ``verify`` found.

    ``sample`` and ``times`` are recomputed from the logs, ``statistics`` has what the text claims beside them; ``equal_loss`` is
    what would be gained at the baseline's loss, where there is one.

    Example:
        >>> report = evolve.speedrun.verify("records/track_1_short/2026-07-17_FP8DownProjection")
        >>> print(report.ok, [check.name for check in report.checks if check.verdict == "fails"])
    """

    folder: str
    track: int
    target: float
    record: str
    baseline: str | None
    sets: tuple[SetSummary, ...]
    sample: Sample
    times: Times
    equal_loss: EqualLoss | None
    statistics: tuple[Claimed, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing that can be told from the logs fails."""
        return all(check.verdict is not Verdict.FAILS for check in self.checks)


def verify(
    folder: str | Path, *, track: int | None = None, target: float | None = None, baseline: str | Path | None = None
) -> Report:
    """Re-check a record folder of the NanoGPT speedrun, published or your own, from its logs and its text alone.

    Args:
        folder: the record's folder, with logs at its top or in sub-folders, or a single log.
        track: 1, 2 or 3; told by the folder's path, or by the logs, where it is not given.
        target: the loss to be reached; the track's own (3.28, 2.92, 3.28) where it is not given.  A ``contract.json`` in the folder
            (``evolve speedrun package`` writes one) tells both of a record at another scale, and a note says so.
        baseline: a folder of runs to compare with, instead of the baseline in ``folder``.

    Raises:
        UsageError: there is no log that can be read, or an argument that cannot be meant.
    """
    if track is not None and track not in TARGETS:
        raise UsageError(f"expected track 1, 2 or 3, found {track}")
    if target is not None and not (math.isfinite(target) and target > 0):
        raise UsageError(f"expected a target loss above 0, found {target}")
    scaled = read_contract(Path(folder))
    if scaled is not None:
        track, target = track or scaled.track, scaled.target if target is None else target
    found = read_record(Path(folder), track, target, Path(baseline) if baseline is not None else None)
    case = _case(found)
    asked = [(name, check) for name, tracks, check in _CHECKS if found.track in tracks]
    checks = tuple(Check(name, " ".join((check.__doc__ or "").split()), *check(case)) for name, check in asked)
    sets = tuple(line for one in (found.record, *found.baselines, *found.aside) for line in _summaries(one))
    return Report(
        folder=found.folder,
        track=found.track,
        target=found.target,
        record=found.record.name,
        baseline=found.baseline.name if found.baseline else None,
        sets=sets,
        sample=case.sample,
        times=case.times,
        equal_loss=case.equal,
        statistics=side_by_side(case),
        checks=checks,
        notes=found.notes if scaled is None else (scaled.note, *found.notes),
    )


def _case(found: Record) -> Case:
    return Case(
        found,
        found.claims,
        sample_of([run.loss_text for run in found.record.runs], found.target),
        times_of(found.record, found.baseline),
        equal_loss(found.record, found.baselines) if found.track in _RACES else None,
    )


def _summaries(one: RunSet) -> list[SetSummary]:
    lines = []
    for steps in one.steps or (0,):
        runs = one.where(steps)
        sample = sample_of([run.loss_text for run in runs.runs], 0.0)
        mean_s = times_of(runs, None).mean if runs.runs else math.nan
        lines.append(
            SetSummary(
                one.name, one.role, len(runs.runs), steps, sample.mean, sample.sd, mean_s, len(one.broken) + len(one.unfinished)
            )
        )
    return lines
