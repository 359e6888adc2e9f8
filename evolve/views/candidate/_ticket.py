"""What became of a ticket that was handed out to people or agents."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from archive import RequestHandled, find_records
from evolve.views._run_view import RunView

OPEN, EXPIRED, TOLD = "open", "expired", "told"


@dataclass(frozen=True, slots=True)
class TicketStanding:
    """``status`` is open, told or expired; ``expires_at`` is Unix time, None of one that is gone; ``children`` are all that were
    accepted for it, in their order."""

    number: int
    status: str
    expires_at: float | None
    children: tuple[str, ...]


def view_of_ticket(views: Sequence[RunView], ticket: int) -> RunView | None:
    """The problem of a run that a ticket is about; None where no such ticket was handed out."""
    issued = views[0].state.run.tickets.handed_out(ticket)
    if issued is None:
        return None
    return next((view for view in views if view.state.problem == issued.problem), views[0])


def program_of_ticket(view: RunView, ticket: int) -> str:
    """The program that a ticket is about, which was handed out."""
    issued = view.state.run.tickets.handed_out(ticket)
    assert issued is not None
    return issued.parents[0]


def ticket_of(view: RunView, ticket: int) -> TicketStanding:
    """How a ticket stands that was handed out."""
    issued = view.state.run.tickets.proposals.get(ticket)
    until = issued.expires_at if issued is not None else None
    children = _children(view, ticket)
    status = TOLD if children else OPEN if until is not None and until > time.time() else EXPIRED
    return TicketStanding(ticket, status, until, children)


def _children(view: RunView, ticket: int) -> tuple[str, ...]:
    """The children that were accepted for a ticket, in their order."""
    told = dict.fromkeys(row.id for row in view.state.population.candidates if row.ticket == ticket and row.arm < 0)
    for stamped in find_records(view.run.path, ("requested",), mention=f'\\"ticket\\": {ticket}'):
        record = stamped.record
        if isinstance(record, RequestHandled) and record.verb == "tell" and record.accepted:
            found = json.loads(record.answer)
            if found.get("ticket") == ticket and found.get("status") == "accepted":
                told[str(found["candidate"])] = None
    return tuple(told)
