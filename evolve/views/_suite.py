"""A run of several problems: what each came to, and all in sum."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.problem.contract._contract import Problem
from evolve.runs._folder import RunDir
from evolve.search.state._state import ProblemState
from evolve.views._run_view import RunView, spokesman
from evolve.views._summary import SCHEMA, Summary, run_model_use, summarise


def summary_of(views: Sequence[RunView]) -> Summary:
    """The summary of a run that is opened for reading."""
    first = spokesman(views)
    states = [view.state for view in views]
    return summarise_all(first.run, [view.problem for view in views], states, first.status, first.reason, first.now)


def summarise_all(
    run: RunDir, problems: Sequence[Problem], states: Sequence[ProblemState], status: str, why: str, now: float
) -> Summary:
    """The summary of a run as it stands: of its problem; of several in sum, with each one's own."""
    each = tuple(
        summarise(run, problem, state, "failed" if state.failure else status, state.failure or why, now)
        for problem, state in zip(problems, states, strict=True)
    )
    if len(each) == 1:
        return each[0]
    usage, failures = states[0].run.usage, [one.failures for one in each]
    return Summary(
        schema=SCHEMA,
        run=str(run.path),
        status=status,
        problem=", ".join(one.problem for one in each),
        metric="",
        seed_score=None,
        best_score=None,
        best_id=None,
        candidates=usage.candidates,
        measurements=usage.measured,
        failures={name: sum(one.get(name, 0) for one in failures) for name in sorted({name for one in failures for name in one})},
        wall_s=round(usage.elapsed(now), 3),
        cpu_s=round(usage.cpu_s, 3),
        reason=why,
        tier=states[0].run.tier,
        claims=sum(one.claims for one in each),
        openings=sum(one.openings for one in each),
        models=run_model_use(states[0].run),
        problems=each,
    )
