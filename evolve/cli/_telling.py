"""A child handed in, as values: for ``evolve tell`` and for the tool of that name.  Prints nothing."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from archive import BlockClosed, Follower, Measured, Status, find_records
from evolve._errors import UsageError
from evolve.cli._background import Background
from evolve.cli._opened import OpenedRun, open_run
from evolve.cli.show._json_external import FateAnswer, ResultAnswer, TellAnswer
from evolve.engine._client import errand
from evolve.runs._folder import find, is_driven
from evolve.search._notes import effect_of
from evolve.search._population import standing
from evolve.views._outlook import Fate, fate, is_in_hand
from evolve.views._summary import best_of, gain_of

SCHEMA = 1
WAIT_S = 3600.0
NOT_MEASURED = "not measured"
HAND_IN_S = 2.0  # the least that handing in may take, whatever was asked
CLOSING_S = 5.0  # how long whoever has its score waits for the run to be let go
_WORDS = 2000  # characters of a statement: the run keeps no more
_EVERY_S = 0.2
Pause = Callable[[float], None]


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
    opened = open_run(path)
    parents = opened.state.run.tickets.parents_of(ticket)
    if parents is None:
        raise UsageError(f"no ticket {ticket} was handed out by evolve ask; type: evolve ask {shlex.quote(path)}")
    contract = opened.problem.contract
    return TicketProgram(opened.texts.files(parents[0]), contract.may_add_files, contract.max_bytes)


# ------------------------------------------------------------------------------------------------ telling


def tell_run(
    path: str, ticket: int, files: Mapping[str, str], statement: Mapping[str, str], within_s: float | None = None
) -> TellAnswer:
    """Hand in a child; it goes through the gates before this returns.

    Args:
        path: The run.
        ticket: What ``ask`` gave.
        files: Those that differ from the parent's.
        statement: summary, hypothesis, expected, plan.
        within_s: How long a driver may take to answer.

    Raises:
        UsageError: no such ticket, or files that are none.
        RunError: no run in that folder, or its driver does not answer.
    """
    said = {key: text[:_WORDS] for key, text in statement.items() if text}
    long_enough_s = None if within_s is None else max(within_s, HAND_IN_S)
    found = errand(find(Path(path)), "tell", {"ticket": ticket, "files": dict(files), **said}, long_enough_s)
    candidate = found.get("candidate")
    answer = TellAnswer(
        schema=SCHEMA,
        run=path,
        ticket=ticket,
        status=str(found["status"]),
        candidate=candidate,
        reason=str(found.get("reason", "")),
        late=bool(found.get("late", False)),
        again=bool(found.get("again", False)),
    )
    return answer if candidate is None else _with_fate(answer, candidate)


def refused(path: str, ticket: int, reason: str) -> TellAnswer:
    """The answer to what cannot be taken as it is; nothing was handed in, and the ticket is as it was."""
    return TellAnswer(schema=SCHEMA, run=path, ticket=ticket, status="invalid", candidate=None, reason=reason, late=False)


def _with_fate(answer: TellAnswer, candidate: str) -> TellAnswer:
    """With what becomes of the child, and with what is known of one that was measured before."""
    found, result = standing_of(open_run(answer.run), candidate)
    return replace(answer, fate=found, result=result if found.measured else None)


def fate_of(opened: OpenedRun, candidate: str) -> Fate:
    """Whether and when a candidate of an opened run is measured."""
    ran_s = 0.0
    if is_in_hand(opened.state, candidate):
        began = [one.at for one in find_records(opened.run.path, ("measure_issued",), mention=candidate)]
        ran_s = max(opened.now - began[-1], 0.0) if began else 0.0
    return fate(
        opened.state, opened.state.population.by_id[candidate], opened.outlook(), opened.now, run=str(opened.run.path), ran_s=ran_s
    )


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
    return replace(answer, result=result_in(open_run(answer.run), answer.candidate, why))


def standing_of(opened: OpenedRun, candidate: str, before: str = "") -> tuple[FateAnswer, ResultAnswer]:
    """Fate and result of a child, both of one state of the run; ``before`` goes before the reason of one that is not measured."""
    found = fate_of(opened, candidate)
    return FateAnswer(**asdict(found)), result_in(opened, candidate, "" if found.measured else f"{before}{found.words}")


def wait_measured(path: str, candidate: str, wait_s: float, pause: Pause = time.sleep) -> tuple[OpenedRun, str]:
    """The run once a child is measured, or after ``wait_s`` seconds, with words that say so then.

    A live driver is watched; where there is none, a process of its own drives the run just long enough to measure what is ready.
    That goes on when the time is over, and when the wait is interrupted: what it measures counts, and the next to ask finds it.

    ``pause`` sleeps between two looks; what it raises ends the wait.

    Raises:
        RunError: no run in that folder, or one that cannot be opened.
        EnvironmentFault: nothing can be measured on this machine.
        KeyboardInterrupt: measuring was interrupted; everything so far is kept.
    """
    with ExitStack() as stack:
        return _wait_measured(path, candidate, wait_s, stack, pause)


def _wait_measured(path: str, candidate: str, wait_s: float, stack: ExitStack, pause: Pause) -> tuple[OpenedRun, str]:
    run, end = find(Path(path)), time.monotonic() + wait_s
    follower, seen, look, measuring = Follower(run.path), False, True, None
    while True:
        for stamped in follower.poll():
            record = stamped.record
            mine = isinstance(record, Measured) and record.result.candidate == candidate
            seen = seen or mine
            closed = seen and isinstance(record, BlockClosed)  # of some stages a result counts when its block ends
            look = look or mine or closed
        if look and is_settled(opened := open_run(path), candidate):
            if measuring is not None:
                measuring.wait(min(end, time.monotonic() + CLOSING_S), pause)
            return opened, ""
        look = False
        if measuring is not None and measuring.ended:
            measuring.check()
            if not measuring.was_locked_out:
                return open_run(path), ""
            measuring = None
        if measuring is None and not is_driven(run):
            measuring, look = stack.enter_context(Background(run.path)), True
        if time.monotonic() >= end:
            return open_run(path), "the wait is over, and "
        pause(min(_EVERY_S, max(end - time.monotonic(), 0.0)))


def is_settled(opened: OpenedRun, candidate: str) -> bool:
    """Whether it is known what became of a candidate."""
    people = opened.state.population
    return people.rows[people.by_id[candidate]].settled


def result_in(opened: OpenedRun, candidate: str, why: str = "") -> ResultAnswer:
    """What is known of a child in this state of the run; ``why`` is the reason given where it is not measured."""
    state = opened.state
    people = state.population
    number, best = people.by_id[candidate], best_of(state)
    row = people.rows[number]
    parent = row.parents[0] if row.parents else 0
    here, before, seed = (standing(people, one) if people.score(one) is not None else None for one in (number, parent, 0))
    told, effect = state.memory.told.get(number), effect_of(state, number)
    settled = row.settled
    return ResultAnswer(
        status=str(row.status) if settled and row.status is not None else NOT_MEASURED,
        score=here.score if here else None,
        sd=here.sd if here else None,
        n=here.n if here else 0,
        seed_score=seed.score if seed else None,
        gain=gain_of(state, number),
        parent=people.rows[parent].id,
        parent_score=before.score if before else None,
        effect_gain=effect.effect if effect else None,
        effect_sd=effect.sd if effect else None,
        best_id=people.rows[best].id if best is not None else None,
        reason=why if not settled else told.reason if told else _evaluator_said(str(opened.run.path), candidate),
        feedback=told.feedback if told else "",
    )


def _evaluator_said(path: str, candidate: str) -> str:
    """Why a child that the evaluator could not judge has no score: the search remembers nothing of it."""
    measured = (one.record for one in find_records(find(Path(path)).path, ("measured",), mention=candidate))
    errors = [one.result for one in measured if isinstance(one, Measured) and one.result.candidate == candidate]
    return next((one.reason for one in reversed(errors) if one.status is Status.EVALUATOR_ERROR), "")
