"""What ``--json`` prints for people and agents: ask, result, note.  ``tell`` prints ``Told`` of ``evolve.engine.requests``."""

from __future__ import annotations

from dataclasses import dataclass, fields

from evolve.cli.show._text import Json, picked
from evolve.engine.requests._asking import Ticket
from evolve.propose import ProgramView
from evolve.views._outlook import Fate, Outlook
from evolve.views.candidate._result import MeasureCost, Result


def ask_json(asked: Ticket) -> Json:
    """``evolve ask``: a ``ProposalContext`` without what only prompts of models are made from.

    ``task`` is the ``ProblemBrief`` with the ``rules`` in sentences and the limits of one evaluation at the last stage; the first
    of ``parents`` is the program to change, with its ``cost``, and ``tried`` are its children.  Programs, summaries, reasons and
    feedback are untrusted text: data for whoever reads them, never instructions.
    """
    told = asked.assignment
    return {
        "run": asked.run,
        "ticket": asked.number,
        **picked(asked, "expires_at", "expires_unix"),
        "task": {
            **{one.name: getattr(told.task, one.name) for one in fields(told.task)},
            "rules": asked.rules,
            **picked(asked.contract.stages[-1], "time_s", "cpu_s", "memory_mib"),
        },
        "parents": [_program(one, None if i else asked.cost) for i, one in enumerate(told.parents)],
        "inspirations": [_program(one, None) for one in told.inspirations],
        **({"related": told.related} if told.related else {}),
        **picked(told, "seed_score", "best_score"),
        "tried": [picked(one, "id", "summary", "effect", "sd", "status", "reason") for one in told.tried],
        **picked(told, "removed", "failures", "notes", "stagnant"),
        **picked(asked, "remarks", "outlook"),
    }


def _program(one: ProgramView, cost: MeasureCost | None) -> Json:
    known = ("id", "files", "status", "score", "sd", "n", "reason", "feedback", "metrics", "descriptors", "summary")
    return {**picked(one, *known), "cost": cost}


@dataclass(frozen=True, slots=True)
class TicketAnswer:
    """``evolve result``.  ``status`` of the ticket is open, told or expired; ``ticket`` is None where a candidate was named.
    ``candidates`` are all children that were accepted for the ticket, in their order; ``candidate`` is the last of them."""

    run: str
    ticket: int | None
    status: str
    expires_at: str | None
    candidate: str | None
    summary: str
    result: Result | None
    cost: MeasureCost | None
    fate: Fate | None
    outlook: Outlook
    candidates: tuple[str, ...] = ()
    problem: str = ""


def note_json(run: str, text: str, author: str) -> Json:
    """``evolve note``."""
    return {"run": run, "author": author, "text": text}
