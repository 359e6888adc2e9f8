"""Tickets for people and agents: ``ask`` hands one out, ``tell`` takes the child in, through the gates that every child passes.

What is told after its ticket expired, or a second time, is a candidate like any other; no arm of the bandit is credited for any of
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archive import Arm, Candidate, ProposalStatus, Proposed, ProposeIssued, Record
from evolve._errors import UsageError
from evolve.budget._cpu_budget import INITIAL
from evolve.propose import Rationale
from evolve.runs._inbox import Request, body_of
from evolve.search._results import unjudged_twin
from evolve.search._rng import generator
from evolve.search._search import Search
from evolve.search.policy._arms import EXTERNAL
from evolve.search.policy._selectors import external_parents
from evolve.search.state._state import ProblemState
from evolve.search.state._tickets import ProposalResult
from evolve.views._outlook import crowded_words, outlook, spent_words
from evolve.views._run_view import problem_meant

if TYPE_CHECKING:
    from evolve.engine._proposer import Proposers

MAX_OPEN = 64  # tickets with people and agents
EXPIRES_S = 3600.0
MAX_EXPIRES_S = 7 * 86400.0
_WORDS = 2000  # characters of each statement


@dataclass(frozen=True, slots=True)
class Moment:
    """When a request is carried out, in Unix time, and whether a driver has the run: where none has, its clock stands still."""

    now: float
    driven: bool


@dataclass(frozen=True, slots=True)
class Handled:
    """What a request comes to: records, and what is answered besides that it was carried out."""

    records: tuple[Record, ...] = ()
    answer: Mapping[str, object] = field(default_factory=dict)


def problem_asked(search: Search, body: Mapping[str, object]) -> ProblemState:
    """The problem that a request is about: the run's only one, or that which it names.

    Raises:
        RunError: it names none of several, or none of the run's.
    """
    names = [state.contract.name for state in search.states]
    return search.states[problem_meant(names, str(body.get("problem", "")), "the run")]


def ask(search: Search, request: Request, proposers: Proposers, moment: Moment) -> Handled:
    """A ticket: parents and inspirations are chosen as for any other child.

    Raises:
        UsageError: nothing is measured yet, the budget leaves no room for a child, too many tickets are out, no such parent, or a
            time that is none.
    """
    body = body_of(request)
    expires_s = body.get("expires_s", EXPIRES_S)
    if isinstance(expires_s, bool) or not isinstance(expires_s, int | float) or not 0 < expires_s <= MAX_EXPIRES_S:
        raise UsageError(f"a ticket expires after more than 0 and at most {MAX_EXPIRES_S:.0f} seconds, found {expires_s!r}.")
    tickets = search.run.tickets
    out = sum(issued.expires_at is not None and issued.expires_at > moment.now for issued in tickets.proposals.values())
    if out >= MAX_OPEN:
        raise UsageError(f"{out} tickets are with people and agents already; tell a child, or wait until some expire.")
    state = problem_asked(search, body)
    if not state.population.candidates:
        raise UsageError("the run has no program yet; type: evolve resume RUN")
    at = moment.now if moment.driven else search.run.usage.last_at  # where nobody drives, the budget's clock stands still
    seen = outlook(state, at, run="RUN", driven=moment.driven)
    if why := spent_words(seen) or (crowded_words(state, seen, at, "RUN", seen.waiting + 1) if seen.waiting else ""):
        raise UsageError(f"no ticket is given, as no child would be measured: {why}")
    parent = str(body.get("parent", ""))
    if parent and parent not in state.population.by_id:
        raise UsageError(f"expected the whole id of a candidate as parent, found {parent!r}; list them with evolve query.")
    rng = generator(search.run.seed, "ask", tickets.next_ticket)
    parents, inspirations = external_parents(state, rng, state.population.by_id.get(parent))
    rows = state.population.candidates
    issued = ProposeIssued(
        attempt=tickets.next_attempt(),
        problem=state.problem,
        arm=Arm(EXTERNAL),
        parents=tuple(rows[number].id for number in parents),
        island=state.home_of_child(parents),
        inspirations=tuple(rows[number].id for number in inspirations),
        expires_at=moment.now + expires_s,
    )
    return Handled((issued,), {"ticket": issued.attempt.ticket, "expires_at": issued.expires_at})


def tell(search: Search, request: Request, proposers: Proposers, moment: Moment) -> Handled:
    """A child for a ticket.  ``files`` go on top of the parent's; the answer says accepted, duplicate or invalid.

    A child that is not accepted leaves its ticket open: it may be told better.

    Raises:
        UsageError: no such ticket, or files that are none.
    """
    body = body_of(request)
    ticket, files, removed = body.get("ticket"), body.get("files"), body.get("removed", [])
    if not isinstance(ticket, int) or isinstance(ticket, bool):
        raise UsageError(f"expected the number of a ticket that evolve ask gave, found {ticket!r}.")
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()) or not isinstance(removed, list):
        raise UsageError("expected files as a mapping from path to text; type: evolve tell RUN TICKET FILES...")
    open_ = search.run.tickets.proposals.get(ticket)
    live = open_ is not None and open_.expires_at is not None and open_.expires_at > moment.now
    issued = search.run.tickets.handed_out(ticket)
    if issued is None:
        raise UsageError(f"no ticket {ticket} was handed out by evolve ask; type: evolve ask RUN")
    state, parents = search.state_of(issued), issued.parents
    proposer = proposers[state.problem]
    whole = {path: text for path, text in proposer.texts.files(parents[0]).items() if path not in removed} | files
    try:
        said = Rationale(_words(body, "hypothesis"), _words(body, "expected"), _words(body, "plan"))
        child = proposer.external_candidate(state, whole, parents, _words(body, "summary") or "told", said)
    except UsageError as error:
        return Handled(answer={"status": "invalid", "reason": str(error), "late": not live})
    twin = state.population.by_hash.get(child.code_hash)
    if twin is not None and unjudged_twin(state, child.code_hash) is not None:
        return _told_again(search, state, ticket, live, state.population.candidates[twin].id)
    if twin is not None:
        known = state.population.candidates[twin]
        again = known.id == child.id and known.id != parents[0] and _was_told(state, twin)
        whose = "the parent, unchanged" if known.id == parents[0] else "the initial program" if twin == INITIAL else known.id
        told = ", told before" if again else ""
        answer = {"status": "duplicate", "candidate": known.id, "reason": f"it is {whose}{told}", "late": not live, "again": again}
        return Handled(answer={**answer, "problem": state.contract.name})
    record = _record(search, state, ticket, live, child)
    return Handled((record,), _accepted(state, child.id, ticket, live))


def _told_again(search: Search, state: ProblemState, ticket: int, live: bool, known: str) -> Handled:
    """A program that the evaluator could not judge: it is measured again."""
    attempt = search.run.tickets.proposals[ticket].attempt if live else search.run.tickets.next_attempt()
    record = Proposed(attempt, state.problem, ProposalStatus.DUPLICATE, duplicate_of=known, reason="told again")
    return Handled((record,), _accepted(state, known, ticket, live))


def _accepted(state: ProblemState, candidate: str, ticket: int, live: bool) -> Mapping[str, object]:
    name = state.contract.name  # one program may be a candidate of several problems
    return {"status": "accepted", "candidate": candidate, "late": not live, "ticket": ticket, "problem": name}


def _was_told(state: ProblemState, number: int) -> bool:
    """Whether a candidate came from people or agents: no arm of the search made it."""
    return number != INITIAL and state.population.candidates[number].arm < 0


def _record(search: Search, state: ProblemState, ticket: int, live: bool, child: Candidate) -> Record:
    if live:
        return search.accept_proposal(ProposalResult(search.run.tickets.proposals[ticket].attempt, ProposalStatus.CHILD, child))
    return Proposed(search.run.tickets.next_attempt(), state.problem, ProposalStatus.CHILD, candidate=child)


def _words(body: Mapping[str, object], key: str) -> str:
    return str(body.get(key) or "")[:_WORDS]
