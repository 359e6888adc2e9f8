"""Assignments: what the search knows, gathered for whoever makes a child.  Reads the search and the texts, changes neither."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from archive import Arm, ProposeIssued, Status, TextStore
from evolve._counted import counted
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._ledger import usd
from evolve.problem.contract._contract import Contract, Problem
from evolve.propose import (
    Cost,
    FailureSummary,
    PriorAttempt,
    ProblemBrief,
    ProgramView,
    ProposalContext,
    RelatedProgram,
    RemovedCode,
    few_lines,
)
from evolve.search._notes import effect_of
from evolve.search._stopping import effective_budget
from evolve.search.policy._kinship import relation
from evolve.search.policy._relatives import relatives
from evolve.search.state._operators import Parent
from evolve.search.state._state import ProblemState

_TRIED = 10
_ANCESTORS = 4
_RELATED = 3
_LINES = 12  # of one deletion


def problem_brief(problem: Problem, instructions: str) -> ProblemBrief:
    """The problem, as it may be told."""
    contract = problem.contract
    return ProblemBrief(
        problem=contract.name,
        statement=problem.statement,
        instructions=instructions,
        metric=contract.metric,
        goal=contract.goal,
        unit=contract.unit,
        noisy=contract.noisy,
        secondary=contract.secondary,
        editable=contract.editable or tuple(sorted(problem.initial_files)),
        may_add_files=contract.may_add_files,
        max_bytes=contract.max_bytes,
        imports=contract.candidate_imports,
        limits=_limits(contract),
        params=dict(problem.params),
    )


def _limits(contract: Contract) -> str:
    stage = contract.stages[-1]
    parts = [f"{stage.time_s:g} s on the clock, scoring included"]
    if stage.cpu_s is not None:
        parts.append(f"{stage.cpu_s:g} s of CPU")
    parts.append(f"{stage.cpus:g} CPU" + (f", {stage.gpus:g} GPU" if stage.gpus else ""))
    parts.append(f"{stage.memory_mib} MiB of memory")
    if contract.compute_rule == "cpu_budget":
        parts.append("CPU at most 1.10 times what the initial program takes")
    return ", ".join(parts)


def proposal_context(
    state: ProblemState, issued: ProposeIssued, texts: TextStore, sheet: ProblemBrief, now: float
) -> ProposalContext:
    """Everything that the maker of this ticket's child is told at Unix time ``now``."""
    population, memory = state.population, state.memory
    parents = tuple(population.by_id[id_] for id_ in issued.parents)
    seed, best = _score(state, INITIAL), _score(state, population.best_so_far)
    spec = state.operators.get(issued.arm.operator)  # none: a person's or an agent's ticket
    mends = spec is not None and spec.parent is Parent.FAILED
    base = _working(state, parents[0]) if mends else None
    return ProposalContext(
        task=sheet,
        arm=Arm(issued.arm.operator, issued.arm.model, issued.arm.format),
        parents=tuple(_program(state, number, texts) for number in parents),
        inspirations=tuple(_program(state, population.by_id[id_], texts) for id_ in issued.inspirations),
        related=_related(state, texts),
        base=_program(state, base, texts) if base is not None else None,
        relation=relation(state, *parents[:2]) if len(parents) > 1 else "",
        seed_score=seed.score,
        seed_sd=seed.sd,
        seed_n=seed.n,
        best_score=best.score,
        best_sd=best.sd,
        best_n=best.n,
        tried=_tried(state, parents[0], texts),
        removed=_removed(state, parents[0], texts) if not mends else (),
        failures=tuple(
            FailureSummary(status=status, count=count, reason=reason) for status, (count, reason) in memory.failures.items()
        ),
        notes=memory.notes,
        stagnant=population.n_credited - population.leader_since,
        ticket=issued.attempt.ticket,
        siblings=_siblings(state, issued),
        left=_left(state, now),
    )


def _related(state: ProblemState, texts: TextStore) -> tuple[RelatedProgram, ...]:
    """The best of each related problem that is better than where that one began, at most three: whose problem has gained of late
    comes first."""
    found = []
    for one in sorted(relatives(state), key=lambda other: -other.turns.gain):
        best, population = one.population.best_so_far, one.population
        told = _score(one, best)
        if best is None or best == INITIAL or told.score is None:
            continue
        contract, files = one.contract, texts.files(population.candidates[best].id)
        found.append(
            RelatedProgram(
                problem=contract.name,
                metric=contract.metric,
                goal=contract.goal,
                score=told.score,
                seed_score=_score(one, INITIAL).score,
                files=files,
            )
        )
    return tuple(found[:_RELATED])


@dataclass(frozen=True, slots=True)
class _Score:
    """A posterior in the problem's own sign; the deviation is not a number where noise is not known yet."""

    score: float | None
    sd: float = 0.0
    n: int = 0


def _score(state: ProblemState, number: int | None) -> _Score:
    population = state.population
    if number is None or population.score(number) is None:
        return _Score(None)
    mean, sd = population.posterior_as_measured(number)
    return _Score(population.sign * mean, _spread(state, sd), population.n_measured(number) - len(population.far_off(number)))


def _spread(state: ProblemState, sd: float) -> float:
    return math.nan if state.contract.noisy and not sd > 0 else sd


def _working(state: ProblemState, number: int) -> int | None:
    """The nearest ancestor of a failed program that has a score."""
    rows = state.population.candidates
    while rows[number].parents:
        number = rows[number].parents[0]
        if state.population.score(number) is not None:
            return number
    return None


def _siblings(state: ProblemState, issued: ProposeIssued) -> int:
    """Open tickets before this one for a child of the same program, of whoever may think."""
    return sum(
        other.attempt.ticket < issued.attempt.ticket
        and other.parents[:1] == issued.parents[:1]
        and (bool(other.arm.model) or other.expires_at is not None)
        for other in state.proposals.values()
    )


def _left(state: ProblemState, now: float) -> str:
    """What the limits leave, coarsely."""
    budget, spend, ledger = effective_budget(state), state.usage, state.run.model_limits.ledger
    parts = []
    if budget.wall_s is not None:
        seconds = max(budget.wall_s - spend.elapsed(max(now, spend.last_at)), 0.0)
        parts.append(_time(seconds))
    if budget.evaluations is not None:
        parts.append(counted(max(budget.evaluations - spend.evaluations, 0), "measurement"))
    if budget.usd is not None:
        parts.append(f"${max(budget.usd - usd(ledger.settled.nano), 0.0):.2f} for models")
    if budget.calls is not None:
        parts.append(counted(max(budget.calls - ledger.settled.calls, 0), "call of models", "calls of models"))
    return ", ".join(parts)


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _program(state: ProblemState, number: int, texts: TextStore) -> ProgramView:
    population, memory = state.population, state.memory
    row, told, idea = population.candidates[number], memory.feedback.get(number), memory.ideas.get(number)
    score, effect = _score(state, number), effect_of(state, number)
    return ProgramView(
        id=row.id,
        files=texts.files(row.id),
        status=str(row.status or ""),
        score=score.score,
        sd=score.sd,
        n=population.n_measured(number),
        reason=told.reason if told else "",
        feedback=told.feedback if told else "",
        curve=told.curve if told else None,
        metrics=dict(told.metrics) if told else {},
        descriptors={axis.name: row.descriptors[axis.name] for axis in state.contract.axes if axis.name in row.descriptors},
        summary=memory.summaries.get(number, ""),
        hypothesis=idea.hypothesis if idea else "",
        expected=idea.expected if idea else "",
        effect=population.sign * effect.effect if effect else None,
        effect_sd=_spread(state, effect.sd) if effect else 0.0,
        cost=Cost(wall_s=told.wall_s, cpu_s=told.cpu_s, memory_mib=told.memory_mib) if told and told.wall_s else None,
    )


def _tried(state: ProblemState, parent: int, texts: TextStore) -> tuple[PriorAttempt, ...]:
    """Children of the parent: the largest effects first, then failures, then what is still being measured is left out."""
    population, memory = state.population, state.memory
    found: list[tuple[float, PriorAttempt]] = []
    before = texts.files(population.candidates[parent].id)
    for number in memory.children.get(parent, ()):
        row = population.candidates[number]
        if row.status is None or not row.credited:
            continue
        effect, told, idea = effect_of(state, number), memory.feedback.get(number), memory.ideas.get(number)
        attempted = PriorAttempt(
            id=row.id,
            summary=memory.summaries.get(number, ""),
            effect=population.sign * effect.effect if effect else None,
            sd=_spread(state, effect.sd) if effect else 0.0,
            status=str(row.status),
            reason=told.reason if told and row.status is not Status.OK else "",
            lines=few_lines(before, texts.files(row.id)),
            hypothesis=idea.hypothesis if idea else "",
            expected=idea.expected if idea else "",
        )
        found.append((abs(effect.effect) if effect else -1.0, attempted))
    found.sort(key=lambda item: -item[0])
    return tuple(attempted for _, attempted in found[:_TRIED])


def _removed(state: ProblemState, number: int, texts: TextStore) -> tuple[RemovedCode, ...]:
    """Lines that the last few changes along the line took out and that have not come back."""
    population = state.population
    now = {line.strip() for text in texts.files(population.candidates[number].id).values() for line in text.splitlines()}
    removed: list[RemovedCode] = []
    for _ in range(_ANCESTORS):
        parents = population.candidates[number].parents
        if not parents:
            break
        before, after = (Counter(_lines(texts, population.candidates[one].id)) for one in (parents[0], number))
        gone = [line for line in (before - after) if line.strip() and line.strip() not in now]
        if gone:
            effect = effect_of(state, number)
            size = population.sign * effect.effect if effect else None
            removed.append(
                RemovedCode(
                    lines=tuple(gone[:_LINES]),
                    child=population.candidates[number].id,
                    effect=size,
                    sd=_spread(state, effect.sd) if effect else 0.0,
                )
            )
        number = parents[0]
    return tuple(removed)


def _lines(texts: TextStore, id_: str) -> list[str]:
    return [line for _, text in sorted(texts.files(id_).items()) for line in text.splitlines()]
