"""The graveyard: what failed or lost, and for which reasons."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.search.state._state import ProblemState

MOST = 12


@dataclass(frozen=True, slots=True)
class Grave:
    """Children that failed with a reason that begins alike: status and first words (untrusted), how many, and the latest's id."""

    reason: str
    n: int
    latest: str


@dataclass(frozen=True, slots=True)
class Graveyard:
    """``graves`` of ``kinds``, the most frequent first.  ``lost`` children of ``measured`` were no better than their parent when
    they were measured; ``known`` tickets led to a program that was known, ``without`` to none."""

    graves: tuple[Grave, ...]
    kinds: int
    failed: int
    lost: int
    measured: int
    known: int
    without: int


def graveyard(state: ProblemState) -> Graveyard:
    """The graveyard as it stands."""
    memory, rows = state.memory, state.population.candidates
    ranked = sorted(memory.graves.items(), key=lambda item: (-item[1][0], item[0]))
    arms = memory.arm_stats.values()
    measured = sum(one.ok for one in arms)
    return Graveyard(
        graves=tuple(Grave(reason, n, rows[number].id) for reason, (n, number) in ranked[:MOST]),
        kinds=len(ranked),
        failed=sum(n for n, _ in memory.graves.values()),
        lost=measured - sum(one.better for one in arms),
        measured=measured,
        known=sum(cost.duplicates for cost in state.costs.of.values()),
        without=sum(cost.no_child for cost in state.costs.of.values()),
    )
