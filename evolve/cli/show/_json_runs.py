"""What ``--json`` prints of a run, put together from its views: run and resume, status, best, show, lineage, claims, query.

``schema`` comes first, everywhere.  Scores carry the problem's own sign; ``gain`` is over the initial program, higher is better.  A
field may be added; one that changes its meaning raises ``schema``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from evolve.cli.show._text import Json, picked
from evolve.views._run_view import named_view
from evolve.views._suite import summary_of
from evolve.views._summary import Summary

if TYPE_CHECKING:
    from archive import Measured, Table
    from evolve.views._run_view import RunView


_OF_ONE = tuple(one.name for one in fields(Summary) if one.name != "problems")
_IN_SUM = (
    "schema", "run", "status", "reason", "candidates", "measurements", "failures", "wall_s", "cpu_s", "tier", "claims", "openings",
    "models",
)  # fmt: skip


def run_json(summary: Summary, opened: RunView) -> Json:
    """``evolve run`` and ``evolve resume``: every field of a ``Summary``, and what was learnt; of several problems those in sum,
    and those of each in ``problems``."""
    if summary.problems:
        return {
            **picked(summary, *_IN_SUM),
            "where": opened.whereabouts,
            "problems": [picked(one, *_OF_ONE) for one in summary.problems],
        }
    return {**picked(summary, *_OF_ONE), "where": opened.whereabouts, "learnt": opened.learnt()}


def suite_json(views: Sequence[RunView], of_one: Callable[[RunView], Json]) -> Json:
    """An answer about a run of several problems: that of each in ``problems``."""
    return {"run": str(views[0].run.path), "problems": [of_one(view) for view in views]}


def any_json(views: Sequence[RunView], problem: str, of_one: Callable[[RunView], Json]) -> Json:
    """An answer about a run: of its problem, or of that which is named; of several, where none is named, of each."""
    return of_one(named_view(tuple(views), problem)) if problem or len(views) == 1 else suite_json(views, of_one)


def any_status_json(views: Sequence[RunView], problem: str = "") -> Json:
    """``evolve status``: the same; of several with what they come to in sum."""
    found = any_json(views, problem, status_json)
    if problem or len(views) == 1:
        return found
    return {
        **picked(summary_of(views), *_IN_SUM),
        "budget": views[0].whole_budget,
        "spent": views[0].spent(),
        "where": views[0].whereabouts,
        "unfit": views[0].unfit,
        **found,
    }


def status_json(opened: RunView) -> Json:
    """``evolve status``: how an opened run stands, as ``Progress`` has it.

    ``where`` says on which machine its last driver ran and on what its slots are, null where nobody has driven it; its ``address``
    is "local" for a Ray of the run's own.  ``status`` is created (nobody has driven it yet), starting (a driver opens it), running,
    done, stopped, interrupted, degraded or failed; ``outlook`` says how long it goes on, and which command gives it more.
    """
    seen, contract = opened.progress(), opened.problem.contract
    return {
        "run": str(opened.run.path),
        **picked(opened, "status", "reason"),
        "problem": contract.name,
        **picked(contract, "metric", "goal", "unit", "noisy"),
        "tier": opened.tier,
        "where": opened.whereabouts,
        "unfit": opened.unfit,
        "seed_score": seen.seed.score if seen.seed else None,
        "best_score": seen.best.score if seen.best else None,
        "best_sd": seen.best.sd if seen.best else None,
        "best_n": seen.best.n if seen.best else 0,
        "best_far_off": seen.best.far_off if seen.best else 0,
        "seed_far_off": seen.seed.far_off if seen.seed else 0,
        "best_id": seen.best.id if seen.best else None,
        **picked(
            seen, "best_operator", "gain", "gain_se", "gain_from", "noise", "word", "champion_id", "claims", "openings", "set_aside"
        ),
        "final": opened.final_runs(),
        **picked(seen, "candidates", "measurements", "failures", "pruned", "filled", "cells"),
        "operators": seen.shares,
        "wall_s": round(seen.elapsed_s, 3),
        "cpu_s": round(seen.cpu_s, 3),
        **picked(seen, "budget", "models", "evaluator"),
        "outlook": opened.outlook(),
        "given_up": opened.given_up,
        **picked(seen, "not_deterministic", "beyond", "far_off"),
        "unchecked": opened.unchecked(),
        "caveat": contract.caveat,
        "learnt": opened.learnt(),
    }


def candidate_json(opened: RunView, one: int, *, measurements: bool = False) -> Json:
    """``evolve best`` and ``evolve show``: a ``Candidate``, and what must stand beside its score."""
    from evolve.views.candidate._candidate import candidate, measured

    found, contract = candidate(opened, one), opened.problem.contract
    made = ("id", "status", "operator", "parents", "generation", "summary", "score", "sd", "n", "far_off", "cold")
    return {
        "run": str(opened.run.path),
        "problem": contract.name,
        "metric": contract.metric,
        **picked(found, *made),
        "seed_score": opened.seed_score(),
        **picked(found, "gain", "gain_se", "gain_from", "verdict", "descriptors", "files"),
        "measurements": [_measurement(*each) for each in measured(opened, found.id)] if measurements else [],
        **picked(found, "hypothesis", "expected", "plan", "drift"),
        "unchecked": opened.unchecked() if one == opened.best() else None,
        "caveat": contract.caveat,
    }


def best_json(opened: RunView) -> Json:
    """``evolve best``; of a problem of which nothing is measured yet no more than its name."""
    best = opened.best()
    if best is not None or not opened.several:
        return candidate_json(opened, opened.leader())
    return {"run": str(opened.run.path), "problem": opened.problem.contract.name, "id": None, "score": None}


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


def claims_json(opened: RunView) -> Json:
    """``evolve claims``: all report cards; for a deterministic problem, the best program re-verified; the final runs, which claim
    nothing."""
    from evolve.views.claims._claims import claims

    found = claims(opened)
    return {"run": str(opened.run.path), "claims": found.cards, "exact": found.exact, "final": found.final}


def query_json(table: Table) -> Json:
    """``evolve query``: a table as JSON can hold it; ``more``: there were further rows than the limit."""
    return {"columns": table.columns, "rows": [[_plain(cell) for cell in row] for row in table.rows], "more": table.more}


def _plain(value: object) -> object:
    """A value of DuckDB's as JSON can hold it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
