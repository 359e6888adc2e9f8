"""What the noise can resolve: how much one run scatters, which differences say something, how many of those listed do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evolve.confirm import Noise
from evolve.search._notes import least_clear
from evolve.search.state._state import ProblemState
from evolve.views._summary import noise_of
from evolve.views.notebook._attempts import UNKNOWN, WITHIN, Attempt

RUNS = (1, 3, 10)


@dataclass(frozen=True, slots=True)
class Resolved:
    """``least`` is the least difference of two programs that noise alone exceeds in one case of twenty, by how many runs each has;
    none while the noise is not known.  Of the ``listed`` differences ``below`` are no more than noise.  ``noisy`` is what the
    problem declares; ``found`` says what was found where it is not and scores differ all the same."""

    noisy: bool
    noise: Noise | None
    least: tuple[tuple[int, float], ...]
    listed: int
    below: int
    found: str


def resolved(state: ProblemState, listed: Sequence[Attempt]) -> Resolved:
    """What can be told apart among these children and their parents."""
    least = [(runs, found) for runs in RUNS if (found := least_clear(state, runs)) is not None]
    differences = [one for one in listed if one.effect is not None]
    return Resolved(
        noisy=state.contract.noisy,
        noise=noise_of(state),
        least=tuple(least),
        listed=len(differences),
        below=sum(one.verdict in (WITHIN, UNKNOWN) for one in differences),
        found=state.steadiness.message(state.population),
    )
