"""When a child is planned, and what is remembered: whether others may be under way, and whose children are made next.

What a schedule remembers lies in the state (``incumbent``, ``round_size``), so that a checkpoint has it; ``Search.apply`` alone
calls the functions called ``on_...``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from archive import ProposeIssued, difference
from evolve.search.state._climbs import EXCURSION, NONE
from evolve.search.state._state import ProblemState


class Schedule(Protocol):
    """As it stands here it remembers nothing."""

    makes_children: ClassVar[bool] = True
    breeds_warm: ClassVar[bool] = False  # whether results of a warm start breed as any other, and elites need no check
    by_descent: ClassVar[bool] = False  # on noisy problems: whether measurements of relatives say who is best, and a vault is kept
    replication_share: ClassVar[float] = 0.7  # of a noisy problem's measurements, where the configuration names none

    def is_due(self, state: ProblemState) -> bool:
        """Whether a child may be planned now, as far as other children are concerned."""
        ...

    def on_issued(self, state: ProblemState, issued: ProposeIssued) -> None:
        """A propose ticket was handed out for the first time."""
        return

    def on_credited(self, state: ProblemState, number: int, score: float | None) -> None:
        """It is known what became of a child (None: it failed)."""
        return

    def on_refused(self, state: ProblemState, selector: str) -> None:
        """A propose ticket ended without a program to measure."""
        return


@dataclass(frozen=True)
class Asynchronous(Schedule):
    """Always: nobody waits for anybody."""

    def is_due(self, state: ProblemState) -> bool:
        return True


@dataclass(frozen=True)
class Climbing(Asynchronous):
    """Whenever the allocator has a ticket to give; it moves the climbs on and credits the ways of choosing parents."""

    breeds_warm = True
    by_descent = True
    replication_share = 0.1  # relatives tell who may breed, so few runs are needed to choose one

    def on_issued(self, state: ProblemState, issued: ProposeIssued) -> None:
        if issued.selector == EXCURSION and state.climbs.excursion == NONE:
            state.climbs.begin(state.population.by_id[issued.parents[0]])

    def on_credited(self, state: ProblemState, number: int, score: float | None) -> None:
        row, climbs, population = state.population.candidates[number], state.climbs, state.population
        main, excursion = (None if one == NONE else population.score(one) for one in (climbs.main, climbs.excursion))
        if row.selector:
            gain = None if score is None or row.baseline is None else max(difference(score, known_best(state, row.baseline)), 0.0)
            climbs.learn(row.selector, gain)
        maker = state.maker(number)
        must_gain = maker is not None and maker.must_gain
        climbs.on_child(number, score, main=main, excursion=excursion, selector=row.selector, must_gain=must_gain)

    def on_refused(self, state: ProblemState, selector: str) -> None:
        if selector:
            state.climbs.on_refused(selector)


@dataclass(frozen=True)
class OneAtATime(Schedule):
    """Once the last child is measured, which is the incumbent from then on unless it is worse."""

    def is_due(self, state: ProblemState) -> bool:
        return not _under_way(state)

    def on_credited(self, state: ProblemState, number: int, score: float | None) -> None:
        best = state.population.score(state.incumbent)
        if score is not None and (best is None or score >= best):
            state.incumbent = number


@dataclass(frozen=True)
class Rounds(Schedule):
    """``search.best_of_n`` children a round; the next begins once all are measured, with the parent of its first ticket as
    incumbent."""

    def is_due(self, state: ProblemState) -> bool:
        return not round_is_full(state) or not _under_way(state)

    def on_issued(self, state: ProblemState, issued: ProposeIssued) -> None:
        if round_is_full(state):
            state.round_size, state.incumbent = 0, state.population.by_id[issued.parents[0]]
        state.round_size += 1


@dataclass(frozen=True)
class Never(Schedule):
    """No children: the programs that were given are all there is."""

    makes_children = False

    def is_due(self, state: ProblemState) -> bool:
        return False


def known_best(state: ProblemState, baseline: float) -> float:
    """The best so far, of which more may be known than as a ticket was given: what others found meanwhile is nobody's gain."""
    best = None if state.contract.noisy else state.population.score(state.climbs.main)
    return baseline if best is None else max(baseline, best)


def round_is_full(state: ProblemState) -> bool:
    """Whether the tickets of a round are out; never where children are not made in rounds."""
    return state.round_size >= state.run.config.best_of_n


def _under_way(state: ProblemState) -> bool:
    return bool(state.proposals or state.blocks or state.population.queue)
