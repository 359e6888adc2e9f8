"""What ending losing measurements early came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archive import Status
from evolve.search.state._state import ProblemState


@dataclass(frozen=True, slots=True)
class Pruned:
    """Children whose measurement was ended early, as their learning curve lost.

    ``saved_share`` is of the CPU that first measurements would have taken without it.  ``audited`` others had lost as well and were
    made to their end as a check; ``wrong`` of them became the best.
    """

    children: int
    saved_share: float
    audited: int
    wrong: int


def pruned_of(state: ProblemState) -> Pruned | None:
    """None where the problem has no learning curve, or pruning is switched off."""
    known = state.pruning
    if not state.contract.learning_curve or state.run.config.pruning == "false":
        return None
    return Pruned(known.pruned, round(known.saved_share, 4), known.audited, known.wrong)


def failures_of(state: ProblemState) -> Mapping[str, int]:
    """How many programs failed, by status; one that was pruned did not."""
    return {status: n for status, n in sorted(state.population.failures.items()) if status != Status.PRUNED}
