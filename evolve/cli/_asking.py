"""A ticket and its assignment, as values: for ``evolve ask`` and for the tool of that name.  Prints nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from evolve._errors import RunError, UsageError
from evolve.cli._opened import open_run
from evolve.cli._results import cost_of
from evolve.cli.show._json_external import (
    AskAnswer,
    CostAnswer,
    FailureAnswer,
    NoteAnswer,
    ProgramAnswer,
    RemarkAnswer,
    RemovedAnswer,
    TaskAnswer,
    TriedAnswer,
)
from evolve.engine._client import errand
from evolve.engine._models import instructions_of
from evolve.problem._contract import Contract
from evolve.propose import Assignment, FailureClass, Program, TaskSheet, rules
from evolve.propose._entries import scope_of
from evolve.propose._scope import editable_names
from evolve.runs._folder import find
from evolve.search._memory import Remark
from evolve.search._state import ProblemState
from evolve.views._outlook import Outlook, outlook
from evolve.views._proposal_context import assignment, task_sheet

SCHEMA = 1
MAX_NOTE = 4000  # characters


@dataclass(frozen=True, slots=True)
class Asked:
    """A ticket, and what its holder is told."""

    run: str
    ticket: int
    expires_unix: float
    assignment: Assignment
    contract: Contract
    cost: CostAnswer | None
    outlook: Outlook
    remarks: tuple[Remark, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """What a child may be, in sentences; the first says how far a score depends on chance."""
        return rules(self.assignment.task)

    @property
    def expires_at(self) -> str:
        """ISO 8601, UTC."""
        return datetime.fromtimestamp(self.expires_unix, UTC).isoformat(timespec="seconds")

    @property
    def program(self) -> Mapping[str, str]:
        """The files to change."""
        return self.assignment.parents[0].files

    def answer(self) -> AskAnswer:
        """What ``--json`` prints."""
        told = self.assignment
        return AskAnswer(
            schema=SCHEMA,
            run=self.run,
            ticket=self.ticket,
            expires_at=self.expires_at,
            expires_unix=self.expires_unix,
            task=_task(told.task, self.contract),
            parents=tuple(_program(one, None if i else self.cost) for i, one in enumerate(told.parents)),
            inspirations=tuple(map(_program, told.inspirations)),
            seed_score=told.seed_score,
            best_score=told.best_score,
            tried=tuple(TriedAnswer(one.id, one.summary, one.effect, one.sd, one.status, one.reason) for one in told.tried),
            removed=tuple(RemovedAnswer(one.lines, one.child, one.effect, one.sd) for one in told.removed),
            failures=tuple(FailureAnswer(one.status, one.count, one.reason) for one in told.failures),
            notes=told.notes,
            stagnant=told.stagnant,
            remarks=tuple(RemarkAnswer(one.author, one.text) for one in self.remarks),
            outlook=self.outlook,
        )


def ask_run(path: str, *, expires_s: float | None = None, parent: str = "") -> Asked:
    """A ticket of a run, live or not.

    Raises:
        UsageError: the run refused; the message is its own.
        RunError: no run in that folder, no such parent, or a ticket that expired before its assignment was put together.
    """
    body: dict[str, object] = {} if expires_s is None else {"expires_s": expires_s}
    if parent:
        opened = open_run(path)
        body["parent"] = opened.state.population.rows[opened.candidate(parent)].id
    found = errand(find(Path(path)), "ask", body)
    ticket = int(found["ticket"])
    opened = open_run(path)
    issued = opened.state.run.tickets.proposals.get(ticket)
    if issued is None:
        raise RunError(f"ticket {ticket} expired before its task could be read; type: evolve ask {shlex.quote(path)} --expires 600")
    names = editable_names(opened.texts.files(issued.parents[0]), scope_of(opened.problem))
    sheet = replace(task_sheet(opened.problem, instructions_of(opened.run, opened.problem)), editable=names)
    told = assignment(opened.state, issued, opened.texts, sheet, opened.state.run.usage.last_at)
    run = str(opened.run.path.absolute())
    return Asked(
        run=run,
        ticket=ticket,
        expires_unix=float(found["expires_at"]),
        assignment=replace(told, failures=_failures(opened.state)),
        contract=opened.problem.contract,
        cost=cost_of(opened, told.parents[0].id),
        outlook=outlook(opened.state, opened.now, run=run, driven=opened.driven),
        remarks=tuple(opened.state.memory.remarks),
    )


def note_run(path: str, text: str, author: str = "") -> NoteAnswer:
    """Keep a remark with a run, live or not.

    Raises:
        UsageError: nothing in it, or too much.
        RunError: no run in that folder.
    """
    if not text.strip() or len(text) > MAX_NOTE or len(author) > 100:
        raise UsageError(f"expected a note of 1 to {MAX_NOTE} characters (its author at most 100), found {len(text)}.")
    errand(find(Path(path)), "note", {"text": text, "author": author})
    return NoteAnswer(SCHEMA, path, author, text)


def _failures(state: ProblemState) -> tuple[FailureClass, ...]:
    """As they are now: prompts have those of the last notes, so that providers can keep them, which nobody needs here."""
    reasons = state.memory.reasons
    return tuple(
        FailureClass(status=str(status), count=count, reason=reasons.get(status, ""))
        for status, count in sorted(state.population.failures.items())
    )


def _task(sheet: TaskSheet, contract: Contract) -> TaskAnswer:
    return TaskAnswer(
        problem=sheet.problem,
        statement=sheet.statement,
        instructions=sheet.instructions,
        metric=sheet.metric,
        goal=sheet.goal,
        unit=sheet.unit,
        noisy=sheet.noisy,
        secondary=sheet.secondary,
        editable=sheet.editable,
        may_add_files=sheet.may_add_files,
        max_bytes=sheet.max_bytes,
        imports=sheet.imports,
        limits=sheet.limits,
        params=dict(sheet.params),
        rules=rules(sheet),
        time_s=contract.stages[-1].time_s,
        cpu_s=contract.stages[-1].cpu_s,
        memory_mib=contract.stages[-1].memory_mib,
    )


def _program(one: Program, cost: CostAnswer | None = None) -> ProgramAnswer:
    return ProgramAnswer(
        id=one.id,
        files=dict(one.files),
        status=one.status,
        score=one.score,
        sd=one.sd,
        n=one.n,
        reason=one.reason,
        feedback=one.feedback,
        metrics=dict(one.metrics),
        descriptors=dict(one.descriptors),
        summary=one.summary,
        cost=cost,
    )
