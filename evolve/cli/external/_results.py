"""What became of a ticket, without its files: for ``evolve result`` and for the tool of that name."""

from __future__ import annotations

import shlex
import time
from datetime import UTC, datetime

from evolve._errors import UsageError
from evolve.cli.show._json_external import TicketAnswer
from evolve.engine._reading import view_all
from evolve.engine.requests._telling import Pause, wait_measured
from evolve.views._run_view import RunView, named_view
from evolve.views.candidate._result import NOT_MEASURED, MeasureCost, cost_of, standing_of
from evolve.views.candidate._ticket import TOLD, TicketStanding, ticket_of, view_of_ticket

_MOST_DIGITS = 9  # of a ticket's number; ids are longer


def result_answer(path: str, what: str, wait_s: float | None = None, pause: Pause = time.sleep, problem: str = "") -> TicketAnswer:
    """What became of a ticket, or of a candidate, after at most ``wait_s`` seconds of waiting for its score.

    Args:
        path: The run.
        what: A ticket's number, or a candidate's id or the beginning of it.
        wait_s: None does not wait.
        pause: Sleeps between two looks; what it raises ends the wait.
        problem: Of several the one whose candidate it is; "" where a ticket or an id says so.

    Raises:
        UsageError: no such ticket, or of another problem.
        RunError: no run in that folder, no such problem, or no such candidate.
    """
    end = None if wait_s is None else time.monotonic() + wait_s
    opened, ticket = _meant(view_all(path), what, problem)
    candidate = opened.id_of(opened.candidate(what)) if ticket is None else next(reversed(ticket.children), None)
    answer = _answer(opened, ticket, candidate)
    if end is not None and candidate is not None and answer.result is not None and answer.result.status == NOT_MEASURED:
        name = opened.problem.contract.name
        opened, before = wait_measured(path, candidate, max(end - time.monotonic(), 0.0), pause, name)
        answer = _answer(opened, ticket_of(opened, ticket.number) if ticket is not None else None, candidate, before)
    return answer


def cost_text(cost: MeasureCost) -> str:
    """In words."""
    memory = f", at most {cost.memory_mib:.4g} MiB" if cost.memory_mib is not None else ""
    return f"{cost.wall_s:.3g} s on the clock, {cost.cpu_s:.3g} s of CPU{memory} (n={cost.runs})"


def _meant(views: tuple[RunView, ...], what: str, problem: str) -> tuple[RunView, TicketStanding | None]:
    """The problem that is meant, and the ticket; None where a candidate is."""
    counts = what.isdecimal() and len(what) <= _MOST_DIGITS
    opened = view_of_ticket(views, int(what)) if counts else None
    begins = any(view.beginning_with(what) for view in views)
    if not counts or (begins and (opened is None or what != str(int(what)))):
        return named_view(views, problem, what), None
    if opened is None:
        run = shlex.quote(str(views[0].run.path))
        raise UsageError(f"no ticket {int(what)} was handed out by evolve ask; type: evolve ask {run}")
    if problem and named_view(views, problem) is not opened:
        raise UsageError(f"ticket {what} is of {opened.problem.contract.name}; leave out --problem {shlex.quote(problem)}.")
    return opened, ticket_of(opened, int(what))


def _answer(opened: RunView, ticket: TicketStanding | None, candidate: str | None, before: str = "") -> TicketAnswer:
    until = ticket.expires_at if ticket is not None else None
    fate, found = standing_of(opened, candidate, before) if candidate is not None else (None, None)
    return TicketAnswer(
        run=str(opened.run.path),
        ticket=ticket.number if ticket is not None else None,
        status=ticket.status if ticket is not None else TOLD,
        expires_at=datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds") if until is not None else None,
        candidate=candidate,
        candidates=ticket.children if ticket is not None else (candidate,) if candidate is not None else (),
        problem=opened.problem.contract.name,
        summary=opened.made(candidate).summary if candidate is not None else "",
        result=found,
        cost=cost_of(opened, candidate) if candidate is not None else None,
        fate=fate,
        outlook=opened.outlook(),
    )
