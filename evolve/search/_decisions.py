"""What is to be recorded before anything is handed out: of claims, of faults, of what changes in the archives."""

from __future__ import annotations

from archive import Event, Record
from evolve.search import _computed as computed
from evolve.search import _stopping as ends
from evolve.search import _suite as suite
from evolve.search._islands import next_migration, next_reset
from evolve.search._rebinning import next_rebinning
from evolve.search.claims import _claims as confirming
from evolve.search.claims._openings import FreshSeeds
from evolve.search.state._state import ProblemState


def next_decision(state: ProblemState, now: float, over: str, entropy: FreshSeeds | None) -> Record | None:
    """What is to be recorded before anything else: of claims, of faults, and of one problem among several."""
    if state.others and (found := suite.next_record(state, over)):
        return found
    if state.failure:
        return None
    return confirming.next_record(state, now, over, entropy) or ends.noise_found(state) or ends.failure_found(state)


def next_change(state: ProblemState) -> Record | None:
    """What is to change in the archives, or to be known of them."""
    return next_rebinning(state) or computed.next_look(state) or next_migration(state) or next_reset(state)


def on_event(state: ProblemState, event: Event) -> None:
    """An event was recorded: what it says is said."""
    if event.what in computed.TESTED.values():
        state.computed.looked_at, state.computed.verdict = state.population.n_credited, event.text
    elif event.what == ends.NOISY:
        state.steadiness.reported = True
    elif event.what == ends.OPERATOR_FAILED:
        state.told_failures.add(ends.untold_failure(state))
    elif event.what == suite.PROBLEM_FAILED:
        state.told_failures.add(suite.PROBLEM_FAILED)
