"""What ``--json`` prints of a run, put together from its views, and the values that no view has.

``run`` and ``resume`` print ``evolve.views._summary.Summary``.  ``schema`` comes first, everywhere.  Scores carry the problem's own
sign; ``gain`` is over the initial program, higher is better.  A field may be added; one that changes its meaning raises ``schema``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archive import Measured
from evolve.cli.show._text import Json, picked
from evolve.views._run_view import RunView
from evolve.views.candidate._candidate import candidate, measured
from evolve.views.claims._report_cards import ReportCard, ReportCards
from evolve.views.claims._verify import Verification

if TYPE_CHECKING:
    from evolve.evaluate import Check  # these two bring the executor
    from evolve.validation._target import TargetTest


def status_json(opened: RunView) -> Json:
    """``evolve status``: how an opened run stands, as ``Progress`` has it.

    ``status`` is created (nobody has driven it yet), starting (a driver opens it), running, done, stopped, interrupted, degraded or
    failed; ``outlook`` says how long it goes on, and which command gives it more.
    """
    seen, contract = opened.progress(), opened.problem.contract
    return {
        "run": str(opened.run.path),
        **picked(opened, "status", "reason"),
        "problem": contract.name,
        **picked(contract, "metric", "goal", "unit", "noisy"),
        "tier": opened.tier,
        "seed_score": seen.seed.score if seen.seed else None,
        "best_score": seen.best.score if seen.best else None,
        "best_sd": seen.best.sd if seen.best else None,
        "best_n": seen.best.n if seen.best else 0,
        "best_id": seen.best.id if seen.best else None,
        **picked(seen, "best_operator", "gain", "noise", "word", "champion_id", "claims", "openings", "set_aside"),
        **picked(seen, "candidates", "measurements", "failures", "filled", "cells"),
        "operators": seen.shares,
        "wall_s": round(seen.elapsed_s, 3),
        "cpu_s": round(seen.cpu_s, 3),
        **picked(seen, "budget", "models", "evaluator"),
        "outlook": opened.outlook(),
        **picked(seen, "not_deterministic", "beyond"),
        "unchecked": opened.unchecked(),
        "caveat": contract.caveat,
    }


def candidate_json(opened: RunView, one: int, *, measurements: bool = False) -> Json:
    """``evolve best`` and ``evolve show``: a ``Candidate``, and what must stand beside its score."""
    found, contract = candidate(opened, one), opened.problem.contract
    made = ("id", "status", "operator", "parents", "generation", "summary", "score", "sd", "n", "cold")
    return {
        "run": str(opened.run.path),
        "problem": contract.name,
        "metric": contract.metric,
        **picked(found, *made),
        "seed_score": opened.seed_score(),
        **picked(found, "gain", "verdict", "descriptors", "files"),
        "measurements": [_measurement(*each) for each in measured(opened, found.id)] if measurements else [],
        **picked(found, "hypothesis", "expected", "plan"),
        "unchecked": opened.unchecked() if one == opened.best() else None,
        "caveat": contract.caveat,
    }


def _measurement(seq: int, record: Measured) -> Json:
    result = record.result
    what = ("status", "score", "start", "tier", "wall_s", "cpu_s", "scorer_cpu_s", "metrics", "reason", "feedback", "signals")
    return {
        "seq": seq,
        **picked(result, "stage", "seed"),
        "purpose": record.purpose,
        **picked(result, *what),
    }


def lineage_json(opened: RunView, one: int, *, all_parents: bool = False) -> Json:
    """``evolve lineage``: oldest first."""
    from evolve.views.candidate._lineage import lineage

    return {"run": str(opened.run.path), "id": opened.id_of(one), "steps": lineage(opened, one, all_parents=all_parents)}


@dataclass(frozen=True, slots=True)
class ValidateAnswer:
    """``evolve validate``."""

    problem: str
    ok: bool
    checks: tuple[Check, ...]
    seed_score: float | None
    noise_sd: float | None
    cost_s: float | None
    confirmed: bool | None = None  # None: no program was compared
    card: ReportCard | None = None
    claims: ReportCards | None = None
    exact: Verification | None = None
    race: TargetTest | None = None
    caveat: str = ""  # what must stand beside every score


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """A built-in problem in ``evolve list``."""

    name: str
    metric: str
    goal: str
    noisy: bool


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in ``evolve list``.  ``error`` says why one cannot be read."""

    run: str
    problem: str
    status: str
    best_score: float | None
    candidates: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """``evolve list``."""

    problems: tuple[ProblemLine, ...]
    runs: tuple[RunLine, ...]
