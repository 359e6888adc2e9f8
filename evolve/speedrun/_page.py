"""The page of a record folder: what changed, every run, the tests, the machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from evolve._counted import counted
from evolve._untrusted import visible
from evolve.speedrun._numbers import MARGIN, margin, sample_of, student
from evolve.speedrun._submission import Raced, Submission

_LEVEL = 0.01
_DIFF = "The whole difference is in `changes.diff`; each log carries the source that ran."


def page(submission: Submission) -> str:
    """``README.md``."""
    parts = [
        f"# {submission.title}",
        f"**Same contract, scaled; not comparable.** {submission.scaled.what}",
        f"## What changed\n\n{visible(submission.what_changed)}\n\n{_DIFF}",
        "## Runs\n\n" + "\n".join(_runs(submission)),
        "## Test\n\n" + "\n".join(_tests(submission)),
        "## Machine\n\n" + "\n".join(_machines(submission)),
        f"## Where from\n\n{submission.claim}\n\n{submission.where_from}",
        "Re-check it with `evolve speedrun verify` and this folder.",
    ]
    return "\n\n".join(parts) + "\n"


def _runs(submission: Submission) -> Iterator[str]:
    for what, runs, n in zip(
        ("The record", "The baseline"), (submission.runs, submission.base_runs), submission.announced, strict=True
    ):
        whole = [run for run in runs if run.whole]
        yield f"{what}: {counted(n, 'run')} announced before the first was made, {len(whole)} trained to the end."
        yield f"Losses [{', '.join(f'{run.points[-1][1]:.5f}' for run in whole)}],"
        yield f"in [{', '.join(f'{run.points[-1][2]:.3f}s' for run in whole)}] ({submission.clock}).\n"
        yield from (f"- {run.log_name}: {visible(run.why)}" for run in runs if run.why)


def _tests(submission: Submission) -> Iterator[str]:
    """Of track 3 at the earliest common step that passes; else at the end."""
    aim = submission.scaled.target
    at = common_step(submission.runs, aim) if submission.scaled.track == 3 else None
    losses = [f"{_loss(run, at):.5f}" for run in submission.runs if run.whole]
    sample = sample_of(losses, aim)
    if at is not None:
        passed = margin([float(loss) for loss in losses], aim)
        rule = f"(target - loss) times the root of n is {passed:.5f}, at least {MARGIN:g}"
        yield f"- step {at} is the earliest at which all runs together pass: {rule}"
    elif submission.scaled.track == 3:
        yield "- there is no common step at which all runs together pass"
    if sample.p is not None:
        yield f"- mean loss {sample.mean:.5f}, standard deviation {sample.sd:.5f}, target {aim:g}"
        yield f"- one-sided t-test of the losses against the target: p = {sample.p:.3g}"
    if at is not None:
        end = sample_of([f"{_loss(run, None):.5f}" for run in submission.runs if run.whole], aim)
        yield f"- at the end of the runs the mean loss is {end.mean:.5f}, p = {end.p:.3g}"
    if submission.scaled.track != 3:
        yield from _times(submission)


def _times(submission: Submission) -> Iterator[str]:
    mine, theirs = ([run.points[-1][2] for run in runs if run.whole] for runs in (submission.runs, submission.base_runs))
    if min(len(mine), len(theirs)) < 2:
        return
    gap, error, df = welch(mine, theirs)
    far = quantile(df, 0.975) * error
    yield f"- mean time {statistics.fmean(mine):.3f} s"
    yield f"- the baseline takes {statistics.fmean(theirs):.3f} s"
    yield f"- difference {gap:+.3f} s, 95 % interval {gap - far:+.3f} to {gap + far:+.3f} s"
    yield f"- Welch's test of the times: p = {student(df, gap / error):.3g}"


def _machines(submission: Submission) -> Iterator[str]:
    made = [run for run in (*submission.runs, *submission.base_runs) if run.points]
    told = {", ".join(filter(None, (run.card, run.hardware, *map(" ".join, run.versions.items())))) for run in made}
    yield from (f"- {one}" for one in sorted(told))


def common_step(runs: Sequence[Raced], aim: float) -> int | None:
    """Of track 3: the first step that every whole run has validated at and at which the margin and the t-test both pass."""
    whole = [run for run in runs if run.whole]
    steps = set.intersection(*({step for step, _, _ in run.points} for run in whole)) if whole else set()
    for step in sorted(steps):
        losses = [round(_loss(run, step), 5) for run in whole]
        sample = sample_of([f"{loss:.5f}" for loss in losses], aim)
        if margin(losses, aim) >= MARGIN and sample.p is not None and sample.p < _LEVEL:
            return step
    return None


def _loss(run: Raced, at: int | None) -> float:
    """At a step, or at its end."""
    return run.points[-1][1] if at is None else next(loss for step, loss, _ in run.points if step == at)


def welch(mine: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Difference of the means, its standard error, degrees of freedom."""
    a, b = statistics.variance(mine) / len(mine), statistics.variance(theirs) / len(theirs)
    error = math.sqrt(a + b) or 1e-12
    df = (a + b) ** 2 / (a**2 / (len(mine) - 1) + b**2 / (len(theirs) - 1)) if a + b else len(mine) + len(theirs) - 2.0
    return statistics.fmean(mine) - statistics.fmean(theirs), error, df


def quantile(df: float, share: float) -> float:
    """Student's, by halving: a share of at least a half."""
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student(df, middle) < share else (low, middle)
    return high
