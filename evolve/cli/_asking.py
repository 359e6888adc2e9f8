"""A ticket and its assignment as ``--json`` has them: for ``evolve ask`` and for the tool of that name.  Prints nothing."""

from __future__ import annotations

from evolve.cli.show._json_external import (
    AskAnswer,
    FailureAnswer,
    NoteAnswer,
    ProgramAnswer,
    RemarkAnswer,
    RemovedAnswer,
    TaskAnswer,
    TriedAnswer,
)
from evolve.engine._asking import Ticket, note
from evolve.problem._contract import Contract
from evolve.propose import ProblemBrief, ProgramView, rules
from evolve.views._result import MeasureCost

SCHEMA = 1


def ask_answer(asked: Ticket) -> AskAnswer:
    """What ``evolve ask --json`` prints."""
    told = asked.assignment
    return AskAnswer(
        schema=SCHEMA,
        run=asked.run,
        ticket=asked.number,
        expires_at=asked.expires_at,
        expires_unix=asked.expires_unix,
        task=_task(told.task, asked.contract),
        parents=tuple(_program(one, None if i else asked.cost) for i, one in enumerate(told.parents)),
        inspirations=tuple(map(_program, told.inspirations)),
        seed_score=told.seed_score,
        best_score=told.best_score,
        tried=tuple(TriedAnswer(one.id, one.summary, one.effect, one.sd, one.status, one.reason) for one in told.tried),
        removed=tuple(RemovedAnswer(one.lines, one.child, one.effect, one.sd) for one in told.removed),
        failures=tuple(FailureAnswer(one.status, one.count, one.reason) for one in told.failures),
        notes=told.notes,
        stagnant=told.stagnant,
        remarks=tuple(RemarkAnswer(one.author, one.text) for one in asked.remarks),
        outlook=asked.outlook,
    )


def note_answer(path: str, text: str, author: str = "") -> NoteAnswer:
    """Keep a remark with a run.  Raises as ``evolve.engine._asking.note``."""
    note(path, text, author)
    return NoteAnswer(SCHEMA, path, author, text)


def _task(sheet: ProblemBrief, contract: Contract) -> TaskAnswer:
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


def _program(one: ProgramView, cost: MeasureCost | None = None) -> ProgramAnswer:
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
