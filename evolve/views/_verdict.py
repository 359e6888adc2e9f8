"""What a run that has ended came to: its status, why, and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.search._stopping import NO_MODEL, NO_MODEL_NO_LIMIT, only_models
from evolve.views._outlook import ending_limits, raising

if TYPE_CHECKING:
    from evolve.search._search import Search

DEGRADED = "degraded"
_LONGEST = 160  # characters of a server's words


def verdict(search: Search, why: str) -> tuple[str, str]:
    """Status and reason of a run that has come to its end, for the reason ``why``.

    Where no model can be asked any more, what the budget allowed is spent, or it is the models' fault: then the run is degraded, as
    it is where none ever answered.
    """
    books, at_models = search.accounts, why in (NO_MODEL, NO_MODEL_NO_LIMIT)
    if books.silent and (at_models or (only_models(search) and why.startswith("budget."))):
        return DEGRADED, _found(search)
    if not at_models:
        return "done", why
    if books.answers and (spent := books.spent()):
        return "done", spent[0]
    return "done" if books.answers and not books.refused else DEGRADED, why


def going_on(search: Search, run: str) -> str:
    """The command that a degraded run goes on by."""
    last = search.spend.last_at
    return raising(search, last, run, *ending_limits(search, search.over(last)))


def with_advice(search: Search, status: str, reason: str, run: str) -> str:
    """The reason of a run's status, with what to type where no model ever answered."""
    if status != DEGRADED or not search.accounts.silent:
        return reason
    elsewhere = " (another llm.base_url needs a new run)" if search.llm.base_url else ""
    mend = "start the server" if _kind(search) == "unreachable" else "mend that"
    return f"{reason}; {mend}{elsewhere} and type: {going_on(search, run)}"


def _kind(search: Search) -> str:
    return next(iter(search.accounts.found.values()))[0]


def _found(search: Search) -> str:
    """What was found in the place of a model."""
    outcome, reason = next(iter(search.accounts.found.values()))
    what = reason.rstrip(".")
    what = what if len(what) <= _LONGEST else f"{what[: _LONGEST - 1]}…"
    there = f" at {search.llm.base_url}" if search.llm.base_url else ""
    if outcome == "unreachable":
        return f"no model ever answered: nothing listens{there} ({what})"
    return f"no model ever answered; found{there}: {what}"
