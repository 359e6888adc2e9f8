"""What a run that has ended came to: its status, why, and what to type."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from evolve.budget._model_limits import ASKS_FOR_TIME
from evolve.search._stopping import GIVEN, NO_MODEL, NO_MODEL_NO_LIMIT, exhausted_limit, only_models, search_is_over
from evolve.views._outlook import ending_limits, giving_more

if TYPE_CHECKING:
    from evolve.search.state._state import ProblemState

DEGRADED = "degraded"
_LONGEST = 160  # characters of a server's words


def verdict(state: ProblemState, why: str) -> tuple[str, str]:
    """Status and reason of a run that has come to its end, for the reason ``why``.

    Where no model can be asked any more, what the budget allowed is spent, or it is the models' fault: then the run is degraded, as
    it is where none ever answered.
    """
    books, at_models = state.run.model_limits, why in (NO_MODEL, NO_MODEL_NO_LIMIT)
    if books.silent and (at_models or (only_models(state) and why.startswith("budget."))):
        return DEGRADED, _found(state)
    if not at_models:
        return "done", why
    if books.answers and (spent := books.spent()):
        return "done", spent[0]
    return "done" if books.answers and not books.disabled else DEGRADED, why


def going_on(state: ProblemState, run: str) -> str:
    """The command that a degraded run goes on by."""
    last = state.run.usage.last_at
    return giving_more(state, last, run, *ending_limits(state, search_is_over(state, last)))


def with_advice(state: ProblemState, status: str, reason: str, run: str) -> str:
    """The reason of a run's status, with what to type where no model ever answered."""
    if status != DEGRADED or not state.run.model_limits.silent:
        return reason
    if _kind(state) in ASKS_FOR_TIME:
        asked = next((why.partition(", and")[0] for why in state.run.model_limits.over_cap.values()), "")
        return f"{reason}; it only takes time{f' ({asked})' if asked else ''}: later, type: {going_on(state, run)}"
    elsewhere = " (another llm.base_url needs a new run)" if state.run.llm.base_url else ""
    mend = "start the server" if _kind(state) == "unreachable" else "mend that"
    return f"{reason}; {mend}{elsewhere} and type: {going_on(state, run)}"


def next_command(state: ProblemState, status: str, reason: str, run: str) -> str:
    """The command by which a run goes on that ended with this status, for this reason; "" where nothing lets it."""
    if status in ("interrupted", "stopped"):
        return f"evolve resume {shlex.quote(run)}"
    if status == DEGRADED:
        return going_on(state, run)
    last = state.run.usage.last_at
    by = exhausted_limit(state, last) if reason == GIVEN else ""  # where people make the children, no limit is what ended the run
    if limits := (by,) if by else ending_limits(state, reason):
        return giving_more(state, last, run, *limits)
    which = f" --problem {shlex.quote(state.contract.name)}" if state.others else ""
    return f"evolve ask {shlex.quote(run)} --out work/1{which}" if reason == GIVEN else ""


def _kind(state: ProblemState) -> str:
    return next(iter(state.run.model_limits.found.values()))[0]


def _found(state: ProblemState) -> str:
    """What was found in the place of a model."""
    outcome, reason = next(iter(state.run.model_limits.found.values()))
    what = reason.rstrip(".")
    what = what if len(what) <= _LONGEST else f"{what[: _LONGEST - 1]}…"
    there = f" at {state.run.llm.base_url}" if state.run.llm.base_url else ""
    if outcome == "unreachable":
        return f"no model ever answered: nothing listens{there} ({what})"
    return f"no model ever answered; found{there}: {what}"
