"""A ticket and what its holder is told: for Python, for ``evolve ask`` and for the tool of that name.  Prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from evolve._errors import RunError, UsageError
from evolve.engine._reading import view_run
from evolve.engine.models._stack import instructions_of
from evolve.engine.requests._client import send_request
from evolve.problem.contract._contract import Contract
from evolve.propose import FailureSummary, ProposalContext, rules
from evolve.propose._entries import scope_of
from evolve.propose._scope import editable_names
from evolve.runs._folder import open_folder
from evolve.search.state._memory import Remark
from evolve.search.state._state import ProblemState
from evolve.views._outlook import Outlook, outlook
from evolve.views.candidate._proposal_context import problem_brief, proposal_context
from evolve.views.candidate._result import MeasureCost, cost_of

MAX_NOTE, MAX_AUTHOR = 4000, 100  # characters


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to make one child, and all that its maker is told.

    ``number`` is what ``tell`` wants to know; ``files`` is the program to change, by path.  ``rules`` say what a child may be;
    ``assignment`` holds the task, the other programs, what was tried and how children fail, ``cost`` what one measurement of the
    program takes, ``outlook`` how long the run goes on, ``remarks`` what others noted.  It expires at ``expires_unix`` (seconds);
    a child that is told later takes part all the same.
    """

    run: str
    number: int
    expires_unix: float
    assignment: ProposalContext
    contract: Contract
    cost: MeasureCost | None
    outlook: Outlook
    remarks: tuple[Remark, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """What a child may be, in sentences; the first says how far a score depends on chance."""
        return rules(self.assignment.task)

    @property
    def expires_at(self) -> str:
        """ISO 8601, UTC."""
        return datetime.fromtimestamp(self.expires_unix, UTC).isoformat(timespec="seconds")

    @property
    def files(self) -> Mapping[str, str]:
        """The files to change."""
        return self.assignment.parents[0].files


def ask(path: str, *, expires_s: float | None = None, parent: str = "", problem: str = "") -> Ticket:
    """A ticket of a run, live or not; of several problems for that of this name.

    Raises:
        UsageError: the run refused; the message is its own.
        RunError: no run in that folder, no such parent, or a ticket that expired before its assignment was put together.
    """
    body: dict[str, object] = {} if expires_s is None else {"expires_s": expires_s}
    if problem:
        body["problem"] = problem
    if parent:
        view = view_run(path, problem)
        body["parent"] = view.state.population.candidates[view.candidate(parent)].id
    found = send_request(open_folder(Path(path)), "ask", body)
    ticket = int(found["ticket"])
    view = view_run(path, problem)
    issued = view.state.run.tickets.proposals.get(ticket)
    if issued is None:
        raise RunError(f"ticket {ticket} expired before its task could be read; type: evolve ask {view.quote('--expires 600')}")
    names = editable_names(view.texts.files(issued.parents[0]), scope_of(view.problem))
    sheet = replace(problem_brief(view.problem, instructions_of(view.run, view.problem)), editable=names)
    told = proposal_context(view.state, issued, view.texts, sheet, view.state.run.usage.last_at)
    run = str(view.run.path.absolute())
    return Ticket(
        run=run,
        number=ticket,
        expires_unix=float(found["expires_at"]),
        assignment=replace(told, failures=_failures(view.state)),
        contract=view.problem.contract,
        cost=cost_of(view, told.parents[0].id),
        outlook=outlook(view.state, view.now, run=run, driven=view.driven),
        remarks=tuple(view.state.memory.remarks),
    )


def note(path: str, text: str, author: str = "") -> None:
    """Keep a remark with a run, live or not.

    Raises:
        UsageError: nothing in it, or too much.
        RunError: no run in that folder.
    """
    if not text.strip() or len(text) > MAX_NOTE:
        found = len(text) if text.strip() or not text else "only space"
        raise UsageError(f"expected a note of 1 to {MAX_NOTE} characters, found {found}.")
    if len(author) > MAX_AUTHOR:
        raise UsageError(f"expected the name of a note's author in at most {MAX_AUTHOR} characters, found {len(author)}.")
    send_request(open_folder(Path(path)), "note", {"text": text, "author": author})


def _failures(state: ProblemState) -> tuple[FailureSummary, ...]:
    """As they are now: prompts have those of the last notes, so that providers can keep them, which nobody needs here."""
    reasons = state.memory.reasons
    return tuple(
        FailureSummary(status=str(status), count=count, reason=reasons.get(status, ""))
        for status, count in sorted(state.population.failures.items())
    )
