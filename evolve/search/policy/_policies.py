"""The policies by name: each is a selector of parents, an allocator of operators and a schedule, and nothing else.

``map_elites`` is the engine's own; the others are the baselines every claim about it is compared with.  Policies read the state and
change nothing but what their schedule remembers; all randomness comes from the generator of the ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archive import ProposeIssued, TunerSample
from evolve.search.policy._allocators import BanditWithTuner, OperatorAllocator, Uniform
from evolve.search.policy._earned import EarnedShares
from evolve.search.policy._portfolio import Portfolio
from evolve.search.policy._schedules import Asynchronous, Climbing, Never, OneAtATime, Rounds, Schedule
from evolve.search.policy._selectors import ArchiveTournament, Incumbent, InitialProgram, Leader, ParentSelector
from evolve.search.state._state import ProblemState


@dataclass(frozen=True, slots=True)
class PlannedProposal:
    """A propose ticket before it has a number.  ``parents`` and ``inspirations`` are row numbers."""

    arm: int
    parents: tuple[int, ...]
    inspirations: tuple[int, ...] = ()
    propensity: float = 1.0
    baseline: float | None = None
    sample: TunerSample | None = None
    selector: str = ""
    offered: str = ""  # a related problem's program, by its id


@dataclass(frozen=True, slots=True)
class Policy:
    """Who breeds, by which operator, and when."""

    parents: ParentSelector
    operators: OperatorAllocator
    schedule: Schedule

    @property
    def edits_only(self) -> bool:
        """Whether of the operators it uses only those that make a child of any one parent."""
        return self.parents.edits_only

    @property
    def keeps_champion(self) -> bool:
        """On noisy problems: whether there is a champion, whom children must beat."""
        return self.parents.keeps_champion

    @property
    def by_descent(self) -> bool:
        """On noisy problems: whether measurements of relatives say who is best, and a vault is kept for the end."""
        return self.schedule.by_descent

    @property
    def fixed_candidates(self) -> bool:
        """Whether it makes no children, and is over when what was given has been measured."""
        return not self.schedule.makes_children

    def plan(self, state: ProblemState, rng: np.random.Generator, now: float) -> PlannedProposal | None:
        """The next child; None while there is none to be made."""
        given = self.operators.allocate(state, self.parents, rng, now) if self.schedule.is_due(state) else None
        if given is None:
            return None
        if given.base is not None:
            baseline = None if given.sample is None else self.operators.baseline(state, given.base)
            return PlannedProposal(given.arm, (given.base,), (), given.propensity, baseline, given.sample)
        chosen = self.parents.select(state, rng, given.arm)
        baseline = self.operators.baseline(state, chosen.parents[0])
        return PlannedProposal(
            given.arm,
            chosen.parents,
            chosen.inspirations,
            given.propensity,
            baseline,
            selector=chosen.selector,
            offered=chosen.offered,
        )

    def chances(self, state: ProblemState, now: float) -> np.ndarray:
        """With what probability each arm is drawn for the next child."""
        return np.zeros(len(state.bandit.arms)) if self.fixed_candidates else self.operators.chances(state, self.parents, now)

    def on_issued(self, state: ProblemState, issued: ProposeIssued) -> None:
        """A propose ticket was handed out for the first time."""
        self.schedule.on_issued(state, issued)

    def on_credited(self, state: ProblemState, number: int, score: float | None) -> None:
        """It is known what became of a child."""
        self.schedule.on_credited(state, number, score)

    def on_refused(self, state: ProblemState, selector: str) -> None:
        """A propose ticket ended without a program to measure."""
        self.schedule.on_refused(state, selector)


POLICIES: Mapping[str, Policy] = {
    "auto": Policy(Portfolio(), EarnedShares(), Climbing()),
    "map_elites": Policy(ArchiveTournament(), BanditWithTuner(), Asynchronous()),
    "independent": Policy(InitialProgram(), Uniform(), Asynchronous()),
    "best_of_n": Policy(Incumbent(), Uniform(), Rounds()),
    "hill_climb": Policy(Leader(), Uniform(), Asynchronous()),
    "one_plus_one": Policy(Incumbent(), Uniform(), OneAtATime()),
    "fixed_candidates": Policy(InitialProgram(), Uniform(), Never()),
}


def policy_of(state: ProblemState) -> Policy:
    """The policy of the run."""
    return POLICIES[state.run.config.policy]
