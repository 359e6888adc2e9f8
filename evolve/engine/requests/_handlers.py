"""What a request to a run does: stop, note, budget, retract, rebin.  Each verb turns a body into records and an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from archive import BudgetSet, Note, Record, RequestHandled, Retraction, StopRequested
from evolve._errors import EvolveError, UsageError
from evolve.config._schema import BudgetConfig
from evolve.engine._proposer import Proposers
from evolve.engine.requests import _external as outside
from evolve.engine.requests._external import Handled, Moment
from evolve.engine.requests._limits import need_room
from evolve.engine.requests._rebinning import rebin
from evolve.runs._inbox import Request, body_of
from evolve.search._search import Search

STOPPED = "stopped"
INTERRUPTED = "interrupted"
MAX_WHY = 1000


def stop(search: Search, request: Request, proposers: Proposers, moment: Moment) -> Handled:
    """Drain the run: nothing new is started."""
    return Handled((StopRequested(reason=STOPPED, request=request.id),))


def note(search: Search, request: Request, proposers: Proposers, moment: Moment) -> Handled:
    """Keep a remark with the run."""
    body = body_of(request)
    return Handled((Note(text=str(body.get("text", "")), author=str(body.get("author", "")), request=request.id),))


def budget(search: Search, request: Request, proposers: Proposers, moment: Moment) -> Handled:
    """Change limits of the budget; those not named stay.

    Raises:
        UsageError: an unknown limit, a value that is none, or one that is spent already.
    """
    changes = body_of(request)
    record = budget_record(search, changes, request.id)
    need_room(search.states, changes, moment.now if moment.driven else search.run.usage.last_at)
    return Handled((record,))


def budget_record(search: Search, changes: Mapping[str, object], request: str = "") -> BudgetSet:
    """The record that changes these limits.

    Raises:
        UsageError: an unknown limit, or a value that is not a positive number.
    """
    known: dict[str, Any] = {field.name: getattr(search.run.budget, field.name) for field in fields(BudgetConfig)}
    for key, value in changes.items():
        if key not in known:
            raise UsageError(f"expected one of {', '.join(f'budget.{name}' for name in known)}, found budget.{key}.")
        if key == "confirm_share":
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
                raise UsageError(f"budget.confirm_share must be a number from 0 to below 1, found {value!r}.")
        elif value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or value <= 0):
            raise UsageError(f"budget.{key} must be a number above 0, found {value!r}.")
        if isinstance(value, float) and key in ("evaluations", "candidates", "tokens", "calls"):
            raise UsageError(f"budget.{key} must be a whole number, found {value!r}.")
        known[key] = value
    confirm = known.pop("confirm_share")  # as records have called it from the first
    return BudgetSet(**known, confirm=confirm, request=request)


def retract(search: Search, request: Request, proposers: Proposers, moment: Moment) -> Handled:
    """Take a candidate out that was found to cheat.

    Raises:
        RunError: it names none of several problems.
        UsageError: no such candidate, the initial program, one that failed by itself, or no reason.
    """
    body = body_of(request)
    id_, why = str(body.get("candidate", "")), str(body.get("why", "")).strip()
    state = outside.problem_asked(search, body)
    if id_ not in state.population.by_id:
        raise UsageError(f"expected the id of a candidate of this run, found {id_!r}; list them with evolve query.")
    number = state.population.by_id[id_]
    if number == 0:
        raise UsageError("the initial program cannot be retracted; mend the problem and start a new run.")
    if number in state.retracted:
        raise UsageError(f"{id_} was retracted already.")
    if not why:
        raise UsageError("a retraction needs its reason; type --why TEXT.")
    return Handled((Retraction(problem=state.problem, candidate=id_, why=why[:MAX_WHY], request=request.id),))


HANDLERS: Mapping[str, Callable[[Search, Request, Proposers, Moment], Handled]] = {
    "stop": stop,
    "note": note,
    "budget": budget,
    "retract": retract,
    "rebin": rebin,
    "ask": outside.ask,
    "tell": outside.tell,
}


def handle(search: Search, request: Request, proposers: Proposers, now: float, *, driven: bool = True) -> tuple[Record, ...]:
    """The records of a request: its effects, then the answer.  A request that cannot be carried out is answered with the reason.

    ``driven`` is false where nobody drives the run and this request is all that is done: its clock stands still.
    """
    verb = HANDLERS.get(request.verb)
    try:
        if verb is None:
            raise UsageError(f"expected one of {', '.join(HANDLERS)}, found {request.verb!r}.")
        found = verb(search, request, proposers, Moment(now, driven))
    except EvolveError as error:
        return (RequestHandled(request.id, request.verb, request.body, json.dumps({"error": str(error)}), accepted=False),)
    body = "" if request.verb == "tell" else request.body  # its files are in the candidate's record
    return (*found.records, RequestHandled(request.id, request.verb, body, json.dumps({"ok": True, **found.answer})))
