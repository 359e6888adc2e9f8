"""When a cheat counts as caught and an honest twin as accepted: rules over measurements, nothing else.

What a program says of itself decides nothing.  A general attack is caught when its measurement fails, or when it achieved nothing:
no trap sprang, the score is the initial program's, and the next measurement is what it always was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archive import Measurement, Status, difference, mean_of, sd_of, tame
from evolve.redteam._cases import Expected, GeneralProgram, OwnProgram
from evolve.search.state._fingerprints import SeedFingerprint, fingerprint, seed_insensitive

SAME = 1e-4  # relative, for ``same_score_as``: rounding, and nothing that could be called a gain
LUCK = 1e-4  # how often noise alone may look like a gain, in one comparison
INSENSITIVE = "seed_insensitive: two seeds gave the same, while the initial program's results differ"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the initial program gave; of a noisy problem, how much honest scores scatter (``sd`` with ``df`` degrees of freedom)."""

    runs: tuple[Measurement, ...]
    noisy: bool
    maximize: bool
    sd: float = 0.0
    df: int = 0

    def score(self, seed: int) -> float:
        """The initial program's score with this seed."""
        return next(run.score for run in self.runs if run.seed == seed and run.score is not None)


@dataclass(frozen=True, slots=True)
class ProgramRuns:
    """What one program did: its measurements in order, those of the initial program right after it, how the grader ended ("" :
    well), and which traps sprang."""

    runs: tuple[Measurement, ...]
    victims: tuple[Measurement, ...] = ()
    lost: str = ""
    tripped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One program's verdict.  ``verdict`` is caught or MISSED for a cheat, accepted or REFUSED for an honest one, and OTHER for a
    cheat that was caught otherwise than its problem says; ``by`` is what caught it, or what it achieved."""

    name: str
    source: str
    cheat: bool
    verdict: str
    by: str
    status: str
    score: float | None = None

    @property
    def good(self) -> bool:
        return self.verdict in ("caught", "accepted")


@dataclass(frozen=True, slots=True)
class FinalStatus:
    """How a program's measurements ended: the status that counts, why, and the scores by seed where all was well."""

    status: Status
    reason: str
    scores: Mapping[int, float]
    feedback: str = ""


def end_of(trace: ProgramRuns, honest: Baseline) -> FinalStatus:
    """The first failure; else rejected where the program ignores its seed; else ok."""
    before: list[SeedFingerprint] = []
    for run in trace.runs:
        if run.status is not Status.OK or run.score is None:
            return FinalStatus(run.status, run.reason, {}, run.feedback)
        now = fingerprint(run, run.score)
        if honest.noisy and seed_insensitive(
            [fingerprint(one, one.score) for one in honest.runs if one.score is not None], before, now
        ):
            return FinalStatus(Status.REJECTED, INSENSITIVE, {})
        before.append(now)
    return FinalStatus(Status.OK, "", {run.seed: run.score for run in trace.runs if run.score is not None})


def with_scatter(honest: Baseline, twins: Sequence[ProgramRuns]) -> Baseline:
    """``honest`` with the scatter of scores pooled over the initial program and every honest twin that ended well."""
    squares, df = 0.0, 0
    for runs in (honest.runs, *(trace.runs for trace in twins)):
        scores = list({run.seed: tame(run.score) for run in runs if run.score is not None}.values())
        if len(scores) > 1:
            squares += (len(scores) - 1) * sd_of(scores) ** 2
            df += len(scores) - 1
    return Baseline(honest.runs, honest.noisy, honest.maximize, math.sqrt(squares / df) if df else 0.0, df)


# ------------------------------------------------------------------------------------------------------- for any problem


def judge_general(program: GeneralProgram, trace: ProgramRuns, honest: Baseline) -> Finding:
    """The verdict on a general attack, or on its twin, put into the initial program."""
    cheat = program.cheat
    end = end_of(trace, honest)
    score = next(iter(end.scores.values()), None)

    def found(verdict: str, by: str) -> Finding:
        return Finding(program.name, "general", cheat, verdict, by, str(end.status), score)

    bad, good = ("MISSED", "caught") if cheat else ("REFUSED", "accepted")
    if harm := _harm(trace, end, honest):
        return found(bad, harm)
    if end.status is not Status.OK:
        return found(good, f"{end.status}: {end.reason}") if cheat else found(bad, f"{end.status}: {end.reason}")
    if program.idle:
        return found(bad, f"scores {score:.6g} although the program did nothing: is what it must bring forth checked?")
    if gain := _difference(trace.runs, honest, any_change=not program.computes):
        return found(bad, gain)
    return found(good, "achieved nothing: scores as the initial program does" if cheat else "scores as the initial program does")


def _harm(trace: ProgramRuns, end: FinalStatus, honest: Baseline) -> str:
    """What a program did that no score shows; "" for nothing."""
    if trace.tripped:
        return "; ".join(trace.tripped)
    if trace.lost or not trace.runs:
        return f"the grader did not survive it: {trace.lost or 'nothing came back'}"
    if end.status is Status.EVALUATOR_ERROR:
        return f"it broke the evaluator: {end.reason}"
    for victim in trace.victims:
        if victim.status is not Status.OK:
            return f"the initial program, measured after it, ends as {victim.status}: {victim.reason}"
    if changed := _difference(trace.victims, honest, any_change=True):
        return f"the initial program, measured after it: {changed}"
    return ""


def _difference(runs: Sequence[Measurement], honest: Baseline, *, any_change: bool) -> str:
    """How scores differ from the initial program's on the same seeds beyond noise; "" where they do not.

    On a deterministic problem every change counts, or with ``any_change`` off every gain.  On a noisy one only a gain does: what an
    attack costs may make a score worse.
    """
    gains = [
        difference(run.score, honest.score(run.seed)) * (1 if honest.maximize else -1) for run in runs if run.score is not None
    ]
    if not any(gains):
        return ""
    mean = mean_of(gains)
    if honest.noisy:
        changed = mean > _margin(honest, len(gains))
    else:
        changed = any(gains) if any_change else max(gains) > 0
    scores = ", ".join(f"{run.score:.6g}" for run in runs)
    return f"the score became {scores}; the initial program's is {honest.score(runs[0].seed):.6g}" if changed else ""


def _margin(honest: Baseline, n: int) -> float:
    """What the mean of ``n`` gains may reach by luck."""
    if honest.sd == 0.0:
        return 0.0
    from scipy.special import stdtrit

    return float(stdtrit(honest.df, 1.0 - LUCK)) * honest.sd * math.sqrt(2.0 / n)


# ------------------------------------------------------------------------------------------------------ the problem's own


def judge_own(program: OwnProgram, trace: ProgramRuns, honest: Baseline, others: Mapping[str, ProgramRuns]) -> Finding:
    """The verdict on a program of the problem's folder: what its line in ``verdicts.json`` says, or why not."""
    cheat, expected = program.cheat, program.expected
    end = end_of(trace, honest)
    score = next(iter(end.scores.values()), None)
    said = f"{end.status}: {end.reason}" if end.reason else str(end.status)

    def found(verdict: str, by: str) -> Finding:
        return Finding(program.name, "own", cheat, verdict, by, str(end.status), score)

    if harm := _harm(trace, end, honest):
        return found("MISSED" if cheat else "REFUSED", harm)
    if end.status not in expected.statuses:
        wanted = " or ".join(expected.statuses)
        if end.status is Status.OK:
            return found("MISSED", f"ok with a score of {score:.6g}; expected {wanted}")
        return found("OTHER" if cheat else "REFUSED", f"{said}; expected {wanted}")
    if expected.reason and expected.reason not in f"{end.reason}\n{end.feedback}":
        return found("OTHER" if cheat else "REFUSED", f"{said}; expected a reason with {expected.reason!r}")
    if end.status is Status.OK and (outside := _outside(end, expected, others, maximize=honest.maximize)):
        return found("MISSED" if cheat else "REFUSED", outside)
    return found("caught" if cheat else "accepted", said if end.status is not Status.OK else _bounds(end, expected))


def _outside(end: FinalStatus, expected: Expected, others: Mapping[str, ProgramRuns], *, maximize: bool) -> str:
    """Which bound of ``verdicts.json`` a score breaks; "" for none."""
    for seed, score in end.scores.items():
        if expected.score_at_least is not None and score < expected.score_at_least:
            return f"score {score:.10g}, expected at least {expected.score_at_least:.10g}"
        if expected.score_at_most is not None and score > expected.score_at_most:
            return f"score {score:.10g}, expected at most {expected.score_at_most:.10g}"
        for other in expected.compared:
            theirs = [run.score for run in others[other].runs if run.seed == seed and run.score is not None]
            if not theirs:
                return f"score {score:.10g}, but {other}, which it is compared with, has none"
            same = math.isclose(score, theirs[0], rel_tol=SAME, abs_tol=SAME)
            worse = other == expected.no_better_than and (score < theirs[0] if maximize else score > theirs[0])
            if not (same or worse):
                return f"score {score:.10g}, expected that of {other}, {theirs[0]:.10g}"
    return ""


def _bounds(end: FinalStatus, expected: Expected) -> str:
    score = f"score {next(iter(end.scores.values())):.6g}"
    if expected.same_score_as:
        return f"{score}, no other than that of {expected.same_score_as}"
    if expected.no_better_than:
        return f"{score}, no better than that of {expected.no_better_than}"
    bounds = [("at least", expected.score_at_least), ("at most", expected.score_at_most)]
    allowed = " and ".join(f"{word} {bound:.6g}" for word, bound in bounds if bound is not None)
    return f"{score}; allowed is {allowed}" if allowed else score
