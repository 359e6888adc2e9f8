"""Checks of the logs as such: whole, unedited, of one program, of one length, each of a run of its own, none left out."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from evolve._counted import counted
from evolve.speedrun._check import FIRST_STEPS, Answer, Case, fails, holds, some, untold
from evolve.speedrun._claims import claimed_losses, missing
from evolve.speedrun._log import Line, Trial
from evolve.speedrun._numbers import earliest_step
from evolve.speedrun._record import Run, readouts
from evolve.speedrun._source import fixed_seed, program_of

_SAME_LINES = 0.5  # of clock readings, or of losses, of two runs; of 1,500 published ones no two share that, or 0.2 of the clock
_FEW = 3  # validations or clock readings that must be there to call two runs one
_ODD = 10.0  # robust standard deviations of a last fall in loss; published sets stay below 9 but for one


def complete(case: Case) -> Answer:
    """Every log can be read to its end, which is the last step; no loss is NaN."""
    bad = [f"{log.path}: {log.problem}" for one in case.compared for log in (*one.broken, *one.logs) if log.problem]
    bad += [f"{run.name}: {why}" for one in case.compared for run, why in one.unfinished]
    n = counted(sum(len(one.runs) for one in case.compared), "whole run")
    if bad:
        return fails(f"{counted(len(bad), 'problem')} beside {n}: {some(bad)}")
    return _ends(case) if case.of.track == 3 else holds(f"{n}, each with a validation at its last step")


def _ends(case: Case) -> Answer:
    """Of track 3, where runs may end before the last step, but all at one: else the loss may have decided."""
    ends = Counter((run.trial.total, run.trial.last_step) for run in case.runs)
    totals = Counter(total for total, _ in ends)
    if max(totals.values()) == 1:
        return holds(
            f"{counted(len(case.runs), 'run')}, each read to its end at step {some([f'{end:,}' for _, end in sorted(ends)])}"
        )
    told = "the runs end at different steps: " + some([f"{n} at {end:,}" for (_, end), n in sorted(ends.items())], 4)
    common = min(end for _, end in ends)
    if any(
        found[0] <= common for name in readouts(case.of.record) if (found := earliest_step(case.of.record, case.of.target, name))
    ):
        return untold(f"{told}; those that pass do so before")
    return fails(f"{told}: a stop per run, or cut logs")


def unedited(case: Case) -> Answer:
    """Clock and averages of every line agree with each other."""
    bad, odd = [], []
    for one in case.compared:
        for run in one.runs:
            bad += [f"{run.name}: {why}" for why in (_broken_clock(run.trial),) if why]
        odd += _odd_ends(one.runs)
    if bad:
        return fails(f"{counted(len(bad), 'run')} with lines that contradict each other: {some(bad, 2)}")
    if odd:
        return untold(f"{some(odd, 2)}, and no other run of its set fell like that")
    n = sum(len(run.trial.lines) for one in case.compared for run in one.runs)
    return holds(f"in {n:,} lines time never goes back, no step is left out, and step_avg is what time and steps give")


def _broken_clock(trial: Trial) -> str:
    lines = trial.lines
    timed = [line for line in lines if line.average_ms != "nan"]
    for before, line in itertools.pairwise(timed):
        if line.seconds < before.seconds:
            return f"time goes back at step {line.step:,} ({before.time} to {line.time} {line.unit})"
    steps = [line.step for line in lines if not line.losses]
    for step, following in itertools.pairwise(steps):
        if following != step + 1:
            return f"step {step + 1:,} is left out" if following > step else f"step {following:,} stands there twice"
    wrong = _wrong_averages(trial)
    if wrong:
        line = wrong[-1]
        return f"step_avg {line.average_ms} ms at step {line.step:,} is not what {line.time} {line.unit} gives"
    return ""


def _wrong_averages(trial: Trial) -> list[Line]:
    """Lines whose average fits none of the three forms, by the form that fits most: over all steps, over those after the tenth, and
    since the last validation."""
    lines = [line for line in trial.lines if _finite(line.average_ms)]
    wrong: list[list[Line]] = []
    for skipped in (0, 10):
        wrong.append([line for line in lines if line.step > skipped and not _fits(line.seconds, line.step - skipped, line)])
        if not wrong[-1]:
            return []
    pairs = [(before, line) for before, line in itertools.pairwise(trial.validations) if _finite(line.average_ms)]
    wrong.append([line for before, line in pairs if not _fits(line.seconds - before.seconds, line.step - before.step, line)])
    return min(wrong, key=len)


def _fits(seconds: float, steps: int, line: Line) -> bool:
    """Whether the average is that of some seconds over some steps, all of them rounded as they are printed."""
    return steps <= 0 or abs(1e3 * seconds / steps - float(line.average_ms)) <= 0.0051 + 1.1 / steps


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _odd_ends(runs: Sequence[Run]) -> list[str]:
    """Runs whose loss fell in the last stretch as in no other: what a last line that was edited looks like."""
    falls: dict[tuple[int, int], list[tuple[float, Run]]] = {}
    for run in runs:
        ends = [line for line in run.trial.validations[-2:] if _finite(line.loss())]
        if len(ends) == 2:
            falls.setdefault((ends[0].step, ends[1].step), []).append((float(ends[1].loss()) - float(ends[0].loss()), run))
    odd = []
    for found in falls.values():
        middle = statistics.median(fall for fall, _ in found)
        spread = max(1.4826 * statistics.median(abs(fall - middle) for fall, _ in found), 1e-4)
        far = [(fall, run) for fall, run in found if abs(fall - middle) > _ODD * spread]
        odd += [f"the last fall of {run.name} is {fall:+.4f}, the median {middle:+.4f}" for fall, run in far if len(found) >= 5]
    return odd


def one_source(case: Case) -> Answer:
    """All runs are of one program, which each log carries."""
    logs = case.of.record.logs
    bare = [log.path for log in logs if not log.source]
    if bare:
        return fails(f"{len(bare)} of {counted(len(logs), 'log')} {'has' if len(bare) == 1 else 'have'} no source: {some(bare, 2)}")
    sources = {log.source_hash: log.source for log in logs}
    if len(sources) == 1:
        return holds(f"the source of {counted(len(logs), 'log')} is the same ({next(iter(sources))[:12]})")
    programs = Counter(program_of(log.source) for log in logs)
    if len(programs) == 1:
        return holds(f"{len(sources)} sources that differ in comments, seeds or the name of the log alone")
    first, *others = (set(program) for program in programs)
    different = sorted(set().union(*(first ^ other for other in others)))
    sizes = some([str(size) for size in sorted(programs.values(), reverse=True)], 4)
    example = f", one of them: {different[0][:70]}" if different else ""
    return fails(f"{len(programs)} programs (of {sizes} logs) that differ in {counted(len(different), 'line')}{example}")


def one_step_count(case: Case) -> Answer:
    """All runs were made for the same number of steps."""
    counts = case.of.record.steps
    if len(counts) == 1:
        return holds(f"{counts[0]:,} steps in {counted(len(case.runs), 'run')}")
    sizes = [f"{len(case.of.record.where(steps).runs)} of {steps:,}" for steps in counts]
    return fails(f"{len(counts)} step counts: {some(sizes, 5)}")


def independent(case: Case) -> Answer:
    """No run is a copy of another, and no two have one seed."""
    runs = [run for one in case.compared for run in one.runs]
    marks = [(run.name, _clock(run.trial), _losses(run.trial)) for run in runs]
    copies = [f"{a[0]} and {b[0]} ({why})" for a, b in itertools.combinations(marks, 2) if (why := _same(a, b))]
    if copies:
        return fails(f"{counted(len(copies), 'pair')} of logs that are one run: {some(copies, 2)}")
    one_hash = len({run.log.source_hash for run in case.runs}) == 1
    seeds: dict[tuple[object, str], list[str]] = {}
    for run in case.runs:
        if run.trial.seed:
            program = None if one_hash else program_of(run.log.source)
            seeds.setdefault((program, run.trial.seed), []).append(run.name)
    twice = [f"seed {seed} in {some(names)}" for (_, seed), names in seeds.items() if len(names) > 1]
    if twice:
        return fails(f"runs of one seed are not independent: {some(twice, 2)}")
    fixed = fixed_seed(case.runs[0].log.source)
    if fixed and len(case.runs) > 1:
        return fails(f"the source fixes the seed ({fixed}), so that the runs differ by rounding alone")
    told = f"{len(seeds)} different seeds are printed" if seeds else "no seed is printed, and none is fixed in the source"
    return holds(f"of {counted(len(runs), 'run')} no two share their clock or their losses; {told}")


Mark = tuple[str, frozenset[object], frozenset[object]]  # a run: its name, clock and losses


def _clock(trial: Trial) -> frozenset[object]:
    return frozenset((line.step, line.time) for line in trial.lines if line.step > FIRST_STEPS)


def _losses(trial: Trial) -> frozenset[object]:
    return frozenset((line.step, line.losses) for line in trial.validations if line.step > FIRST_STEPS)


def _same(a: Mark, b: Mark) -> str:
    """Why two runs are one; "" where they are not."""
    n = min(len(a[1]), len(b[1]))
    shared = len(a[1] & b[1])
    if n >= _FEW and shared > _SAME_LINES * n:
        return f"{shared} of {n} clock readings are equal"
    n = min(len(a[2]), len(b[2]))
    shared = len(a[2] & b[2])
    if shared >= _FEW and shared > _SAME_LINES * n:
        return f"{shared} of {n} validation losses are equal"
    return ""


def selection(case: Case) -> Answer:
    """As many runs as were announced, and those."""
    n, claims = len(case.runs), case.claims
    listed = claimed_losses(claims, case.losses)
    if listed:
        lost, extra = missing(listed, case.losses), missing(case.losses, listed)
        if lost or extra:
            parts = [f"{len(lost)} of them ({some([f'{loss:g}' for loss in lost])}) in no log"] if lost else []
            parts += [f"{counted(len(extra), 'run')} ({some([f'{loss:g}' for loss in extra])}) not in the list"] if extra else []
            return fails(f"the text lists {counted(len(listed), 'loss', 'losses')}, the logs have {n}: {', '.join(parts)}")
        return holds(f"the {n} losses that the text lists are those of the logs; that no run was left out before is not in them")
    if not claims.counts:
        return untold(f"no text says how many runs were to be made; there are {n}")
    if n in claims.counts:
        return holds(f"the text speaks of {n} runs, and {n} are there; that it was fixed before is not in the logs")
    numbers = some([str(count) for count in sorted(claims.counts)], 5)
    if max(claims.counts) > n:
        return fails(f"the text speaks of {numbers} runs, {n} are there")
    return untold(f"the text speaks of {numbers} runs, {n} are there")


def session(case: Case) -> Answer:
    """Record and baseline ran in turn, in one session."""
    base = case.of.baseline
    if base is None:
        return untold("there is no baseline in the folder")
    times = [(run.log.machine.started, own) for one, own in ((case.of.record, True), (base, False)) for run in one.runs]
    dated = sorted((started, own) for started, own in times if started is not None)
    if len(dated) < len(times):
        return untold(f"{len(times) - len(dated)} of {len(times)} logs say no time of their start")
    turns = sum(a[1] != b[1] for a, b in itertools.pairwise(dated))
    span = dated[-1][0] - dated[0][0]
    took = f"within {span.total_seconds() / 3600:.1f} hours" if span < timedelta(days=2) else f"over {span.days} days"
    if turns >= 3:
        return holds(f"they took turns {turns} times {took}")
    return untold(f"they took turns {counted(turns, 'time')} {took}: what changed on the machine between them is in the difference")
