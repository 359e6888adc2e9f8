"""What is planned next: ideas that nobody has tested, open tickets, notes, and what the policy is after."""

from __future__ import annotations

from dataclasses import dataclass

from archive import Status
from evolve.search._notes import reopened
from evolve.search.state._memory import Remark
from evolve.search.state._state import ProblemState

MOST = 12


@dataclass(frozen=True, slots=True)
class OpenIdea:
    """What somebody stated and nobody has measured: the child waits, or failed and was not repaired.  The texts are untrusted."""

    id: str
    hypothesis: str
    plan: str
    why: str


@dataclass(frozen=True, slots=True)
class Plans:
    """``ideas`` are the newest of ``untested``; ``tickets`` say who works on which program now, ``waiting`` counts children that
    are to be measured, ``course`` says what the policy is after.  ``again`` are ideas that were discarded under another bottleneck
    than the best has now, and ``moved`` says how that changed."""

    ideas: tuple[OpenIdea, ...]
    untested: int
    tickets: tuple[str, ...]
    waiting: int
    notes: tuple[Remark, ...]
    course: str
    moved: str = ""
    again: tuple[OpenIdea, ...] = ()


def plans(state: ProblemState, course: str) -> Plans:
    """What is to come; ``course`` is what the policy is after, in words."""
    memory, rows = state.memory, state.population.candidates
    unrepaired = set(memory.repairable)
    untested = [number for number in memory.ideas if not rows[number].credited or number in unrepaired]
    found = reopened(state)
    moved = f"from {found.before:g} to {found.now:g} with {rows[found.since].id}" if found is not None else ""
    return Plans(
        ideas=tuple(_idea(state, number) for number in reversed(untested[-MOST:])),
        untested=len(untested),
        tickets=tuple(_tickets(state)),
        waiting=sum(due.index > 0 for due in state.population.queue),
        notes=tuple(memory.remarks),
        course=course,
        moved=moved,
        again=tuple(_idea(state, one, _discarded(state, one)) for one in (reversed(found.ideas[-MOST:]) if found else ())),
    )


def _discarded(state: ProblemState, number: int) -> str:
    parents = state.population.candidates[number].parents
    return "discarded, made again since" if state.changes.was_made_again(parents[0], number) else "discarded"


def _idea(state: ProblemState, number: int, why: str = "") -> OpenIdea:
    row, said = state.population.candidates[number], state.memory.ideas[number]
    failed = row.status not in (None, Status.OK, Status.EVALUATOR_ERROR)
    why = why or (f"failed ({row.status}), not repaired" if failed else "not measured yet")
    return OpenIdea(row.id, said.hypothesis, said.plan, why)


def _tickets(state: ProblemState) -> list[str]:
    """Open tickets of models, people and agents: others end at once."""
    found = []
    for ticket, issued in sorted(state.proposals.items()):
        if issued.arm.model or issued.expires_at is not None:
            who = issued.arm.model or "a person or an agent"
            found.append(f"ticket {ticket}: {who} changes {issued.parents[0][:10]} ({issued.arm.operator})")
    return found
