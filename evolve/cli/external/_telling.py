"""A child handed in, as ``--json`` has it: for ``evolve tell`` and for the tool of that name.  Prints nothing."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from evolve._errors import UsageError
from evolve.engine._reading import view_all, view_run
from evolve.engine.requests._telling import Pause, Told, wait_measured
from evolve.views.candidate._result import NOT_MEASURED, result_of, standing_of
from evolve.views.candidate._ticket import program_of_ticket, view_of_ticket

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
    opened = view_of_ticket(view_all(path), ticket)
    if opened is None:
        raise UsageError(f"no ticket {ticket} was handed out by evolve ask; type: evolve ask {shlex.quote(path)}")
    contract = opened.problem.contract
    return TicketProgram(opened.texts.files(program_of_ticket(opened, ticket)), contract.may_add_files, contract.max_bytes)


# ------------------------------------------------------------------------------------------------ telling


def refused(path: str, ticket: int, reason: str) -> Told:
    """The answer to what cannot be taken as it is; nothing was handed in, and the ticket is as it was."""
    return Told(run=path, ticket=ticket, status="invalid", candidate=None, reason=reason)


def is_known(answer: Told) -> bool:
    """Whether there is nothing to wait for: nothing was taken, or its score is there."""
    return answer.candidate is None or (answer.result is not None and answer.result.status != NOT_MEASURED)


def waited(answer: Told, end: float | None, pause: Pause = time.sleep) -> Told:
    """An answer with the child's score and fate, waited for until this moment of the monotonic clock; None does not wait.

    Raises: as ``wait_measured``.
    """
    if end is None or answer.candidate is None or is_known(answer):
        return answer
    opened, before = wait_measured(answer.run, answer.candidate, max(end - time.monotonic(), 0.0), pause, answer.problem)
    found, result = standing_of(opened, answer.candidate, before)
    return replace(answer, fate=found, result=result)


def unmeasured(answer: Told, why: str) -> Told:
    """An answer to a child that was taken, where the wait for its score went wrong, with the reason."""
    if answer.candidate is None:
        return answer
    return replace(answer, result=result_of(view_run(answer.run, answer.problem, answer.candidate), answer.candidate, why))
