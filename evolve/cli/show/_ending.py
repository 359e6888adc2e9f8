"""What a person reads when a run has ended."""

from __future__ import annotations

import shlex
from pathlib import Path

from evolve._counted import counted, far_off_text
from evolve.cli.show._learnt import LEARNT, archive_text, learnt_table
from evolve.cli.show._limits import ended_text
from evolve.cli.show._live import noise_text
from evolve.cli.show._text import (
    GAINS,
    all_far_off_text,
    beside,
    columns,
    counts,
    duration,
    evaluator_rows,
    final_rows,
    gain,
    models_text,
    number,
    operator_rows,
    pruned_rows,
    unchecked_text,
)
from evolve.cli.show._vaults import effect_text
from evolve.views._run_view import INITIAL, RunView
from evolve.views._shortfall import Shortfall
from evolve.views._summary import CONFIRMED, Summary
from evolve.views._unchecked import nothing_better
from evolve.views.candidate._lineage import LineageStep, lineage
from evolve.views.candidate._score import CandidateScore
from evolve.views.claims._claims import vaults

_STEPS = 8  # of the lineage; the middle of a longer one is left out
_MEDIANS = '"SELECT operator, count(*), median(gain) FROM candidates GROUP BY 1"'  # gains there count wild ones


def ending(summary: Summary, opened: RunView) -> str:
    """Initial program and best, how the best came about, where the run lies, and what to type next."""
    best = opened.best()
    kept_for = opened.kept_for() if opened.problem.contract.noisy else ""
    rows = [("ended", ended_text(summary, opened.budget, opened.progress().handed_out, kept_for))]
    if summary.shortfall is not None and summary.reason.startswith("budget."):
        rows.append(("budget", _short(summary.shortfall, opened.way_on(summary.status, summary.reason))))
    rows += _score_rows(summary, opened, best)
    if summary.unchecked is not None:
        rows.append(("", unchecked_text(summary.unchecked)))
    if summary.openings:
        rows += _claim_rows(opened)
    if summary.noise is not None:
        rows.append(("noise", noise_text(summary.noise)))
    if summary.not_deterministic:
        rows.append(("noise", f"NOTE: {summary.not_deterministic}"))
    if summary.beyond:
        rows.append(("scores", f"NOTE: {summary.beyond}"))
    if summary.far_off is not None:
        rows.append(("far off", all_far_off_text(summary.far_off)))
    rows.append(
        ("tried", f"{counted(summary.candidates, 'candidate')}, {counted(summary.measurements, 'measurement')}{_failures(summary)}")
    )
    rows += pruned_rows(summary.pruned)
    rows += evaluator_rows(summary.evaluator, opened)
    rows += operator_rows(opened.progress().shares)
    rows.append(("spent", f"{duration(summary.wall_s)} on the clock, {duration(summary.cpu_s)} of CPU"))
    if models := models_text(summary.models, opened.budget):
        rows.append(("models", models))
    found = opened.learnt()
    if found.course:
        rows.append(("search", found.course))
    if found.spread.elites:
        rows.append(("archive", archive_text(found.spread)))
    if summary.caveat:
        rows.append(("score", summary.caveat))
    if summary.tier != "strict":
        rows.append(("sandbox", "none: nothing kept the candidates from reaching the score"))
    rows.append(("run", summary.run))
    text = [columns(rows)]
    if best is not None and best != INITIAL:
        text.append(f"\nhow it came about\n{_story(lineage(opened, best))}")
    if table := learnt_table(found, opened.quote("--json")):
        text.append(f"\n{LEARNT}\n{table}")
    return "\n".join([*text, "\nnext", *(f"  {command}" for command in _next(summary, opened))])


def _score_rows(summary: Summary, opened: RunView, best: int | None) -> list[tuple[str, str]]:
    """What initial program and best score, and who that is."""
    rows: list[tuple[str, str]] = []
    if summary.seed_score is not None and summary.final is None:  # final runs bring a mean of their own
        rows.append(("initial", f"{number(summary.seed_score)} {summary.metric}{_far_off(opened.progress().seed)}"))
    if summary.best_score is not None and summary.seed_score is not None:
        if summary.final is not None:
            rows += final_rows(summary.final)
        if best == INITIAL:
            rows.append(("best", nothing_better(summary.unchecked)))
        elif summary.final is None:
            more, base, wild = opened.progress().gain, summary.seed_score, _far_off(opened.progress().best)
            claim = f"; {summary.word}" if summary.word else ""
            # of what is confirmed the vault's estimate stands below
            gained = "" if summary.word == CONFIRMED or more is None else f", gain {gain(more, base)}"
            rows.append(("best", f"{number(summary.best_score)} {summary.metric}{wild}{gained}, {summary.best_id}{claim}"))
    return rows


def _far_off(seen: CandidateScore | None) -> str:
    return beside(far_off_text(seen.n, seen.far_off)) if seen is not None else ""


def _short(short: Shortfall, command: str) -> str:
    return f"NOTE: {short.words()}" + (f"; type: {command}" if short.needs else "")


def _claim_rows(opened: RunView) -> list[tuple[str, str]]:
    """What the vaults came to."""
    rows, unit = [], opened.problem.contract.unit
    for vault in vaults(opened)[:_STEPS]:
        told = f"{vault.candidate} against {vault.reference}"
        if vault.effect is not None:
            before = f" {unit}".rstrip() + ", 95 % interval "
            effect = vault.bound or effect_text(vault.effect, vault.low, vault.high, vault.typical, before)
            told += f", effect {effect}" + (f"; suspect: {vault.suspicion}" if vault.suspicion else "")
        rows.append((vault.word, told))
    return rows


def _failures(summary: Summary) -> str:
    return f"; failed: {counts(summary.failures)}" if summary.failures else ""


def _story(steps: tuple[LineageStep, ...]) -> str:
    from evolve.cli._inspect import story_text

    if len(steps) <= _STEPS:
        return story_text(steps)
    half = _STEPS // 2
    lines = story_text(steps).splitlines()
    return "\n".join([*lines[:half], f"... {len(lines) - _STEPS} more ...", *lines[-half:]])


def _next(summary: Summary, opened: RunView) -> list[str]:
    commands, run = [], shlex.quote(summary.run)
    if summary.status == "failed":
        commands.append(f"evolve validate {shlex.quote(str(Path(summary.run) / 'problem'))}")
    if summary.best_id is not None:
        commands += [f"evolve best {run} --diff", f"evolve lineage {run}"]
    if summary.openings:
        commands.append(f"evolve claims {run}")
    commands.append(f"evolve query {run} " + (_MEDIANS if opened.problem.contract.noisy else GAINS))
    way_on = opened.way_on(summary.status, summary.reason)
    return [*commands, way_on] if way_on else commands
