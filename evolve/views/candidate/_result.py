"""What became of a child that was handed in: its score and what came of it, whether it is measured at all, what measuring takes."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from archive import Measured, Status
from evolve.search._notes import effect_of
from evolve.views._outlook import Fate, fate, is_in_hand
from evolve.views._run_view import RunView
from evolve.views._summary import best_candidate, evidence_label, gain_from, gain_se, stated_gain
from evolve.views.candidate._score import score_of

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a told child.  ``status`` is ok, a failure, or "not measured" with the reason.

    ``gain`` is over the initial program and ``effect_gain`` over the parent, both higher is better; ``effect_sd`` is the
    uncertainty of the latter, 0 on a deterministic problem.
    """

    status: str
    score: float | None
    sd: float | None
    n: int
    seed_score: float | None
    gain: float | None
    parent: str
    parent_score: float | None
    effect_gain: float | None
    effect_sd: float | None
    best_id: str | None
    reason: str
    feedback: str
    word: str = ""  # how well founded it is, as ``best`` has it; no gain is stated of a deterministic score that was measured once
    gain_se: float | None = None  # the standard error of a gain that final runs gave
    gain_from: str = ""  # what the gain is the difference of: scores, final runs
    far_off: int = 0  # measurements beside the ``n`` that are wild, and not in the score


@dataclass(frozen=True, slots=True)
class MeasureCost:
    """What one measurement takes: medians over ``runs``, and the most memory (None where that was not measured)."""

    runs: int
    wall_s: float
    cpu_s: float
    memory_mib: float | None


def is_settled(view: RunView, candidate: str) -> bool:
    """Whether it is known what became of a candidate."""
    population = view.state.population
    return population.candidates[population.by_id[candidate]].credited


def fate_of(view: RunView, candidate: str) -> Fate:
    """Whether and when a candidate of a run is measured."""
    ran_s = 0.0
    if is_in_hand(view.state, candidate):
        began = [one.at for one in view.records(("measure_issued",), candidate)]
        ran_s = max(view.now - began[-1], 0.0) if began else 0.0
    number = view.state.population.by_id[candidate]
    return fate(view.state, number, view.outlook(), view.now, run=str(view.run.path), ran_s=ran_s)


def result_of(view: RunView, candidate: str, why: str = "") -> Result:
    """What is known of a child in this state of the run; ``why`` is the reason given where it is not measured."""
    state = view.state
    population = state.population
    number, best = population.by_id[candidate], best_candidate(state)
    row = population.candidates[number]
    parent = row.parents[0] if row.parents else 0
    here, before, seed = (score_of(population, one) if population.score(one) is not None else None for one in (number, parent, 0))
    told, effect = state.memory.feedback.get(number), effect_of(state, number)
    settled = row.credited
    return Result(
        status=str(row.status) if settled and row.status is not None else NOT_MEASURED,
        score=here.score if here else None,
        sd=here.sd if here else None,
        n=here.n if here else 0,
        seed_score=seed.score if seed else None,
        gain=stated_gain(state, number),
        parent=population.candidates[parent].id,
        parent_score=before.score if before else None,
        effect_gain=effect.effect if effect else None,
        effect_sd=effect.sd if effect else None,
        best_id=population.candidates[best].id if best is not None else None,
        reason=why if not settled else told.reason if told else _evaluator_said(view, candidate),
        feedback=told.feedback if told else "",
        word=evidence_label(state, number) if here else "",
        gain_se=gain_se(state, number),
        gain_from=gain_from(state, number) if here else "",
        far_off=here.far_off if here else 0,
    )


def standing_of(view: RunView, candidate: str, before: str = "") -> tuple[Fate, Result]:
    """Fate and result of a child, both of one state of the run; ``before`` goes before the reason of one that is not measured."""
    found = fate_of(view, candidate)
    return found, result_of(view, candidate, "" if found.measured else f"{before}{found.words}")


def cost_of(view: RunView, candidate: str) -> MeasureCost | None:
    """What one measurement of a candidate takes: the medians of its runs, the most memory; None where it has none."""
    records = (stamped.record for stamped in view.records(("measured",), candidate))
    runs = [one.result for one in records if isinstance(one, Measured) and one.result.candidate == candidate]
    if not runs:
        return None
    memory = max(run.memory_mib for run in runs)
    return MeasureCost(
        runs=len(runs),
        wall_s=round(median(run.wall_s for run in runs), 4),
        cpu_s=round(median(run.cpu_s for run in runs), 4),
        memory_mib=round(memory, 1) if memory else None,
    )


def _evaluator_said(view: RunView, candidate: str) -> str:
    """Why a child that the evaluator could not judge has no score: the search remembers nothing of it."""
    measured = (one.record for one in view.records(("measured",), candidate))
    errors = [one.result for one in measured if isinstance(one, Measured) and one.result.candidate == candidate]
    return next((one.reason for one in reversed(errors) if one.status is Status.EVALUATOR_ERROR), "")
