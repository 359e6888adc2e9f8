"""Checks of losses and times against the rules, and of what the text says against what the logs give."""

from __future__ import annotations

from evolve._counted import counted
from evolve.speedrun._check import Answer, Case, Verdict, fails, holds, some, untold
from evolve.speedrun._claims import claimed_losses
from evolve.speedrun._log import LOSS
from evolve.speedrun._numbers import MARGIN, Sample, earliest_step, margin, pairwise, sample_of, times_of
from evolve.speedrun._record import RunSet, readouts
from evolve.speedrun._text import losses_listed, side_by_side, stray_means

LEVEL = 0.01
_EARLY = 1000  # numbers of a text that are steps and no claim
_UNEVEN = 0.05  # sd of times over their mean; runs of one program on one node stay below 0.01


def target(case: Case) -> Answer:
    """The mean loss is at most the target, at p < 0.01; a claimed systems change is excused from it."""
    sample = case.sample
    verdict, reason = _below(sample, case.of.target)
    if verdict is Verdict.HOLDS or not case.claims.waiver:
        return verdict, reason + _by_steps(case) + _of_text(case)
    return Verdict.WAIVED, f"{reason}; the text claims a systems change: “{case.claims.waiver}”"


def _below(sample: Sample, aim: float) -> Answer:
    if sample.n < 2 or sample.p is None:
        return fails(f"{counted(sample.n, 'run')} (loss {sample.mean:.4f}) gives no p-value")
    figures = f"mean {sample.mean:.5f} of {counted(sample.n, 'run')}, target {aim:g}, p = {sample.p:.3g}"
    return holds(figures) if sample.mean <= aim and sample.p < LEVEL else fails(f"{figures}, and not below {LEVEL:g}")


def _of_text(case: Case) -> str:
    """Where the text lists more losses than there are logs, what they would give."""
    listed = claimed_losses(case.claims, case.losses)
    sample = sample_of([f"{loss:g}" for loss in listed], case.of.target)
    if len(listed) <= len(case.losses) or sample.p is None:
        return ""
    return f"; the {len(listed)} losses in the text, without logs, would give {sample.mean:.5f}, p = {sample.p:.2g}"


def _by_steps(case: Case) -> str:
    """Of a record of several step counts, what each would give."""
    counts = case.of.record.steps
    if len(counts) < 2:
        return ""
    told = []
    for steps in counts:
        sample = sample_of([run.loss_text for run in case.of.record.where(steps).runs], case.of.target)
        told.append(f"{steps:,} steps: {sample.mean:.5f} of {sample.n}" + (f", p = {sample.p:.3g}" if sample.p is not None else ""))
    return f" ({'; '.join(told)})"


def rounding(case: Case) -> Answer:
    """The verdict on the target stands whatever was rounded away in the logs."""
    sample = case.sample
    if case.of.track == 3:
        return _margin_rounding(case)
    if sample.p_best is None or sample.p_worst is None:
        return untold("there is no p-value to be rounded")
    figures = f"printed to ±{sample.rounding:g}, p lies between {sample.p_best:.3g} and {sample.p_worst:.3g}"
    return untold(figures) if sample.p_best < LEVEL <= sample.p_worst else holds(figures)


def _margin_rounding(case: Case) -> Answer:
    found = earliest_step(case.of.record, case.of.target, LOSS)
    if found is None:
        return untold("no step passes as printed")
    step, mean, _ = found
    worst = (case.of.target - mean - case.sample.rounding) * len(case.runs) ** 0.5
    text = f"at step {step:,} the margin is at least {worst:.5f}"
    return holds(text) if worst >= MARGIN else untold(f"{text}, which is below {MARGIN:g}")


def margin_target(case: Case) -> Answer:
    """At the earliest common step, (target - mean) times the root of n is at least 0.004."""
    aim, runs = case.of.target, case.of.record
    found = earliest_step(runs, aim, LOSS)
    if found is not None:
        step, mean, passed = found
        named = "" if not case.of.text else f"; the text {'names' if _names(case.of.text, step) else 'does not name'} that step"
        figures = f"mean {mean:.5f}, margin {passed:.5f}{named}"
        return holds(f"step {step:,} is the earliest at which all {len(runs.runs)} runs together pass: {figures}")
    others = [(name, found) for name in readouts(runs)[1:] if (found := earliest_step(runs, aim, name))]
    n = counted(len(runs.runs), "run")
    reached = f"no common step of {n} has a margin of {MARGIN:g}; the last has {margin(case.losses, aim):.5f}"
    if others:
        name, (step, mean, passed) = others[0]
        return untold(f"{reached}; by {name} step {step:,} does (mean {mean:.5f}, margin {passed:.5f})")
    return fails(f"{reached} (mean {case.sample.mean:.5f})")


def claimed_step(case: Case) -> Answer:
    """The step that the text claims is one at which the logs pass."""
    validated = {line.step for run in case.runs for line in run.trial.validations}
    steps = sorted(step for step in validated if step > _EARLY and _names(case.of.text, step))
    if not case.of.text or not steps:
        return untold("no text names a step with a validation")
    best = {name: found[0] for name in readouts(case.of.record) if (found := earliest_step(case.of.record, case.of.target, name))}
    named = [f"{name} from step {step:,}" for name, step in best.items() if step in steps]
    if named:
        return holds(f"the text names the first step that passes: {some(named)}")
    told = some([f"{name} from step {step:,}" for name, step in best.items()]) or "none"
    later = [step for step in steps if best and step >= min(best.values())]
    text = f"passes: {told}; the text names {some([f'{step:,}' for step in steps], 5)}"
    return holds(text) if later else fails(text)


def _names(text: str, step: int) -> bool:
    return f"{step}" in text or f"{step:,}" in text


def faster(case: Case) -> Answer:
    """Its runs take less time than the record before on the same hardware (Welch)."""
    base, times = case.of.baseline, case.times
    if base is None or times.base_mean is None:
        return untold(f"mean {times.mean:.3f} s, and no run of the record before to compare it with")
    figures = f"{times.mean:.3f} s against {times.base_mean:.3f} s of {base.name} ({times.mean - times.base_mean:+.3f} s)"
    if _hardware(case.of.record) != _hardware(base):
        return untold(f"{figures}, but not on the same hardware")
    if times.p is None:
        return untold(f"{figures}; {counted(len(case.runs), 'run')} against {counted(len(base.runs), 'run')} gives no p-value")
    figures += f", p = {times.p:.2g}"
    if times.mean >= times.base_mean:
        return fails(figures)
    return holds(figures) if times.p < LEVEL else untold(f"{figures}, not below {LEVEL:g}")


def hardware(case: Case) -> Answer:
    """One kind and number of GPUs, the baseline's, on one node."""
    mine = _hardware(case.of.record)
    if not mine or "" in {gpu for gpu, _ in mine}:
        return untold("some logs do not say what they ran on")
    if len(mine) > 1:
        return fails(f"{len(mine)} kinds of hardware: {some([f'{n} x {gpu}' for gpu, n in sorted(mine)])}")
    gpu, n = next(iter(mine))
    base = case.of.baseline
    if base is not None and (theirs := _hardware(base)) != mine:
        return fails(f"{n} x {gpu}, the baseline {some([f'{m} x {other}' for other, m in sorted(theirs)])}")
    uneven = max((_spread(case.of.record.where(steps)) for steps in case.of.record.steps), default=0.0)
    if uneven > _UNEVEN:
        return fails(f"{n} x {gpu}, but times of equal runs differ by {uneven:.0%} (sd): not one machine, or not one program")
    nodes = {run.log.machine.addresses for one in case.compared for run in one.runs}
    return _nodes(f"{n} x {gpu}{' in record and baseline' if base else ''}", nodes)


def _spread(runs: RunSet) -> float:
    times = times_of(runs, None)
    return (times.sd or 0.0) / times.mean


def _nodes(what: str, nodes: set[tuple[str, ...]]) -> Answer:
    if nodes == {()}:
        return untold(f"{what}; no log lists the addresses of its GPUs")
    if len(nodes) > 1:
        return untold(f"{what}, of {len(nodes)} different nodes by the addresses of their GPUs")
    return holds(f"{what}, with the same addresses in all logs: one node, or nodes built alike")


def _hardware(runs: RunSet) -> set[tuple[str, int]]:
    return {(run.log.machine.gpu, run.log.machine.n_gpus) for run in runs.runs}


def text_agrees(case: Case) -> Answer:
    """The statistics in the text are those of the logs."""
    told = [row for row in side_by_side(case)[1:] if row.agrees is not None]
    n, counts, listed = len(case.runs), case.claims.counts, losses_listed(case)
    if not listed and (claimed_losses(case.claims, case.losses) or (told and (n == 1 or (counts and n < min(counts))))):
        return untold("the logs are not those of all runs that the text tells of: see selection")
    decides = ("mean loss",) if case.of.track == 3 else ("mean loss", "p", "mean time")
    wrong = [row for row in told if not row.agrees and row.name in decides]
    if wrong and not listed:
        return fails(some([f"{row.name} {row.written} in the text, {row.recomputed:.6g} in the logs" for row in wrong]))
    if stray := stray_means(case):
        return untold(f"mean loss {some(stray)} in the text is that of no set of runs here ({case.sample.mean:.5f} of the record)")
    same = [row.name for row in told if row.agrees]
    if listed or same:
        return holds(f"{some([*(['the list of losses'] if listed else []), *same], 5)} as in the logs")
    return untold(
        "no labelled statistic in the text is of these runs" if told else "the text gives no labelled statistic to compare"
    )


def pairwise_better(case: Case) -> Answer:
    """Better than the result it is compared with, a step counted as what it costs."""
    base = case.of.baseline
    if base is None:
        return untold("no other result is given; name its folder with --baseline")
    found = [earliest_step(one, case.of.target, LOSS) for one in (case.of.record, base)]
    mine, theirs = found
    if mine is None or theirs is None:
        return untold(f"{'the record' if mine is None else 'the other result'} passes at no common step")
    value = pairwise(mine[1], len(case.runs), mine[0], theirs[1], len(base.runs), theirs[0])
    text = f"step {mine[0]:,} with {mine[1]:.5f} against step {theirs[0]:,} with {theirs[1]:.5f} gives {value:.5f}"
    return holds(text) if value >= MARGIN else untold(f"{text}, below {MARGIN:g}: it is valid, and not shown to be better")
