"""What became of a ticket, without its files: for ``evolve result`` and for the tool of that name."""

from __future__ import annotations

import json
import shlex
import time
from datetime import UTC, datetime

from archive import RequestHandled, find_records
from evolve._errors import UsageError
from evolve.cli.show._json_external import TicketAnswer
from evolve.engine._reading import view_run
from evolve.engine._telling import Pause, wait_measured
from evolve.views._result import NOT_MEASURED, MeasureCost, cost_of, standing_of
from evolve.views._run_view import RunView

SCHEMA = 1
_MOST_DIGITS = 9  # of a ticket's number; ids are longer
OPEN, EXPIRED, TOLD = "open", "expired", "told"


def result_answer(path: str, what: str, wait_s: float | None = None, pause: Pause = time.sleep) -> TicketAnswer:
    """What became of a ticket, or of a candidate, after at most ``wait_s`` seconds of waiting for its score.

    Args:
        path: The run.
        what: A ticket's number, or a candidate's id or the beginning of it.
        wait_s: None does not wait.
        pause: Sleeps between two looks; what it raises ends the wait.

    Raises:
        UsageError: no such ticket.
        RunError: no run in that folder, or no such candidate.
    """
    end = None if wait_s is None else time.monotonic() + wait_s
    opened = view_run(path)
    ticket = int(what) if what.isdecimal() and len(what) <= _MOST_DIGITS else None
    if ticket is not None and not _is_ticket(opened, what) and _begins_an_id(opened, what):
        ticket = None
    status, candidate = _of_ticket(opened, ticket) if ticket is not None else (TOLD, _id_of(opened, what))
    if candidate is None:
        return _answer(opened, ticket, status, None)
    answer = _answer(opened, ticket, status, candidate)
    if end is not None and answer.result is not None and answer.result.status == NOT_MEASURED:
        opened, before = wait_measured(path, candidate, max(end - time.monotonic(), 0.0), pause)
        answer = _answer(opened, ticket, status, candidate, before)
    return answer


def cost_text(cost: MeasureCost) -> str:
    """In words."""
    memory = f", at most {cost.memory_mib:.4g} MiB" if cost.memory_mib is not None else ""
    return f"{cost.wall_s:.3g} s on the clock, {cost.cpu_s:.3g} s of CPU{memory} (n={cost.runs})"


def _answer(opened: RunView, ticket: int | None, status: str, candidate: str | None, before: str = "") -> TicketAnswer:
    run = str(opened.run.path)
    issued = opened.state.run.tickets.proposals.get(ticket) if ticket is not None else None
    until = issued.expires_at if issued is not None else None
    fate, found = standing_of(opened, candidate, before) if candidate is not None else (None, None)
    return TicketAnswer(
        schema=SCHEMA,
        run=run,
        ticket=ticket,
        status=status,
        expires_at=datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds") if until is not None else None,
        candidate=candidate,
        candidates=_told_for(opened, ticket) if ticket is not None else (candidate,) if candidate is not None else (),
        summary=opened.texts.candidate(candidate).summary if candidate is not None else "",
        result=found,
        cost=cost_of(opened, candidate) if candidate is not None else None,
        fate=fate,
        outlook=opened.outlook(),
    )


def _is_ticket(opened: RunView, what: str) -> bool:
    return what == str(int(what)) and opened.state.run.tickets.parents_of(int(what)) is not None


def _begins_an_id(opened: RunView, what: str) -> bool:
    return any(id_.startswith(what) for id_ in opened.state.population.by_id)


def _id_of(opened: RunView, what: str) -> str:
    return opened.state.population.candidates[opened.candidate(what)].id


def _of_ticket(opened: RunView, ticket: int) -> tuple[str, str | None]:
    """How a ticket stands, and the last child that was accepted for it."""
    tickets = opened.state.run.tickets
    if tickets.parents_of(ticket) is None:
        raise UsageError(f"no ticket {ticket} was handed out by evolve ask; type: evolve ask {shlex.quote(str(opened.run.path))}")
    if told := _told_for(opened, ticket):
        return TOLD, told[-1]
    issued = tickets.proposals.get(ticket)
    live = issued is not None and issued.expires_at is not None and issued.expires_at > time.time()
    return (OPEN if live else EXPIRED), None


def _told_for(opened: RunView, ticket: int) -> tuple[str, ...]:
    """The children that were accepted for a ticket, in their order."""
    told = dict.fromkeys(row.id for row in opened.state.population.candidates if row.ticket == ticket and row.arm < 0)
    for stamped in find_records(opened.run.path, ("requested",), mention=f'\\"ticket\\": {ticket}'):
        record = stamped.record
        if isinstance(record, RequestHandled) and record.verb == "tell" and record.accepted:
            found = json.loads(record.answer)
            if found.get("ticket") == ticket and found.get("status") == "accepted":
                told[str(found["candidate"])] = None
    return tuple(told)
