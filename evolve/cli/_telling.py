"""A child handed in, as ``--json`` has it: for ``evolve tell`` and for the tool of that name.  Prints nothing."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from evolve._errors import UsageError
from evolve.cli.show._json_external import TellAnswer
from evolve.engine._reading import view_run
from evolve.engine._telling import Pause, tell, wait_measured
from evolve.views._result import NOT_MEASURED, result_of, standing_of
from evolve.views._ticket import program_of_ticket

# ------------------------------------------------------------------------------------------------ which file is which


@dataclass(frozen=True, slots=True)
class TicketProgram:
    """The program that a ticket is about, and what its problem allows of a child."""

    files: Mapping[str, str]
    may_add: bool
    max_bytes: int


def program_of(path: str, ticket: int) -> TicketProgram:
    """The program that a ticket is about.

    Raises:
        UsageError: no such ticket was handed out to people or agents.
        RunError: no run in that folder.
    """
    opened = view_run(path)
    parent = program_of_ticket(opened, ticket)
    if parent is None:
        raise UsageError(f"no ticket {ticket} was handed out by evolve ask; type: evolve ask {shlex.quote(path)}")
    contract = opened.problem.contract
    return TicketProgram(opened.texts.files(parent), contract.may_add_files, contract.max_bytes)


# ------------------------------------------------------------------------------------------------ telling


def tell_run(
    path: str, ticket: int, files: Mapping[str, str], statement: Mapping[str, str], within_s: float | None = None
) -> TellAnswer:
    """Hand in a child.  Arguments and errors are those of ``evolve.engine._telling.tell``."""
    told = tell(path, ticket, files, statement, within_s)
    return TellAnswer(
        run=path,
        ticket=ticket,
        status=told.status,
        candidate=told.candidate,
        reason=told.reason,
        late=told.late,
        result=told.result,
        again=told.again,
        fate=told.fate,
    )


def refused(path: str, ticket: int, reason: str) -> TellAnswer:
    """The answer to what cannot be taken as it is; nothing was handed in, and the ticket is as it was."""
    return TellAnswer(run=path, ticket=ticket, status="invalid", candidate=None, reason=reason, late=False)


def is_known(answer: TellAnswer) -> bool:
    """Whether there is nothing to wait for: nothing was taken, or its score is there."""
    return answer.candidate is None or (answer.result is not None and answer.result.status != NOT_MEASURED)


def waited(answer: TellAnswer, end: float | None, pause: Pause = time.sleep) -> TellAnswer:
    """An answer with the child's score and fate, waited for until this moment of the monotonic clock; None does not wait.

    Raises: as ``wait_measured``.
    """
    if end is None or answer.candidate is None or is_known(answer):
        return answer
    opened, before = wait_measured(answer.run, answer.candidate, max(end - time.monotonic(), 0.0), pause)
    found, result = standing_of(opened, answer.candidate, before)
    return replace(answer, fate=found, result=result)


def unmeasured(answer: TellAnswer, why: str) -> TellAnswer:
    """An answer to a child that was taken, where the wait for its score went wrong, with the reason."""
    if answer.candidate is None:
        return answer
    return replace(answer, result=result_of(view_run(answer.run), answer.candidate, why))
