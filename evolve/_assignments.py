"""Assignments: what the search knows, gathered for whoever makes a child.  Reads the search and the texts, changes neither."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from archive import Arm, ProposeIssued, Status, TextStore
from evolve._contract import Contract, Problem
from evolve._frames import SEED
from evolve._memory import effect_of
from evolve.propose import Assignment, Attempted, FailureClass, Program, Removed, TaskSheet

if TYPE_CHECKING:
    from evolve._search import Search

_TRIED = 10
_ANCESTORS = 4
_LINES = 12  # of one deletion


def task_sheet(problem: Problem, instructions: str) -> TaskSheet:
    """The problem, as it may be told."""
    contract = problem.contract
    return TaskSheet(
        problem=contract.name,
        statement=problem.statement,
        instructions=instructions,
        metric=contract.metric,
        goal=contract.goal,
        unit=contract.unit,
        noisy=contract.noisy,
        secondary=contract.secondary,
        editable=contract.editable or tuple(sorted(problem.seed)),
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
    if contract.frame == "cpu_budget":
        parts.append("CPU at most 1.10 times what the seed program takes")
    return ", ".join(parts)


def assignment(search: Search, issued: ProposeIssued, texts: TextStore, sheet: TaskSheet) -> Assignment:
    """Everything that the maker of this ticket's child is told."""
    people, memory, sign = search.people, search.memory, search.people.sign
    parents = tuple(people.by_id[id_] for id_ in issued.parents)
    seed, leader = people.score(SEED), people.leader
    best = people.score(leader) if leader is not None else None
    return Assignment(
        task=sheet,
        arm=Arm(issued.arm.operator, issued.arm.model, issued.arm.format),
        parents=tuple(_program(search, number, texts) for number in parents),
        inspirations=tuple(_program(search, people.by_id[id_], texts) for id_ in issued.inspirations),
        seed_score=sign * seed if seed is not None else None,
        best_score=sign * best if best is not None else None,
        tried=_tried(search, parents[0]),
        removed=_removed(search, parents[0], texts),
        failures=tuple(
            FailureClass(status=status, count=count, reason=reason) for status, (count, reason) in memory.failures.items()
        ),
        notes=memory.notes,
        stagnant=people.n_settled - people.leader_at,
    )


def _program(search: Search, number: int, texts: TextStore) -> Program:
    people = search.people
    row, told = people.rows[number], search.memory.told.get(number)
    scored = people.score(number) is not None
    mean, sd = people.posterior(number) if scored else (math.nan, 0.0)
    return Program(
        id=row.id,
        files=texts.files(row.id),
        status=str(row.status or ""),
        score=people.sign * mean if scored else None,
        sd=sd,
        n=people.n_measured(number),
        reason=told.reason if told else "",
        feedback=told.feedback if told else "",
        curve=told.curve if told else None,
        metrics=dict(told.metrics) if told else {},
        descriptors={axis.name: row.descriptors[axis.name] for axis in search.contract.axes if axis.name in row.descriptors},
        summary=search.memory.summaries.get(number, ""),
    )


def _tried(search: Search, parent: int) -> tuple[Attempted, ...]:
    """Children of the parent: the largest effects first, then failures, then what is still being measured is left out."""
    people, memory = search.people, search.memory
    found: list[tuple[float, Attempted]] = []
    for number in memory.children.get(parent, ()):
        row = people.rows[number]
        if row.status is None or not row.settled:
            continue
        effect, told = effect_of(search, number), memory.told.get(number)
        attempted = Attempted(
            id=row.id,
            summary=memory.summaries.get(number, ""),
            effect=people.sign * effect.effect if effect else None,
            sd=effect.sd if effect else 0.0,
            status=str(row.status),
            reason=told.reason if told and row.status is not Status.OK else "",
        )
        found.append((abs(effect.effect) if effect else -1.0, attempted))
    found.sort(key=lambda item: -item[0])
    return tuple(attempted for _, attempted in found[:_TRIED])


def _removed(search: Search, number: int, texts: TextStore) -> tuple[Removed, ...]:
    """Lines that the last few changes along the line took out and that have not come back."""
    people = search.people
    now = {line.strip() for text in texts.files(people.rows[number].id).values() for line in text.splitlines()}
    removed: list[Removed] = []
    for _ in range(_ANCESTORS):
        parents = people.rows[number].parents
        if not parents:
            break
        before, after = (Counter(_lines(texts, people.rows[one].id)) for one in (parents[0], number))
        gone = [line for line in (before - after) if line.strip() and line.strip() not in now]
        if gone:
            effect = effect_of(search, number)
            size = people.sign * effect.effect if effect else None
            removed.append(
                Removed(lines=tuple(gone[:_LINES]), child=people.rows[number].id, effect=size, sd=effect.sd if effect else 0.0)
            )
        number = parents[0]
    return tuple(removed)


def _lines(texts: TextStore, id_: str) -> list[str]:
    return [line for _, text in sorted(texts.files(id_).items()) for line in text.splitlines()]
