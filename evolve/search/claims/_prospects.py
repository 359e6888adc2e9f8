"""Who may still be confirmed, and the runs that this takes: what is set aside for claims, and how much of it is kept back."""

from __future__ import annotations

import math

from evolve.budget._usage import affordable_evaluations
from evolve.confirm import FIRST_CHAMPION_RUNS, MIN_RUNS_CLAIM, SIZES, Sizes, choose_sizes
from evolve.confirm import MIN_DF as NOISE_DF
from evolve.search.state._state import ProblemState

INTERIMS = 5  # milestones; the last of them is the end of the search


def confirm_budget(state: ProblemState, milestone: int | None = None) -> float:
    """Runs that vaults may have cost by a milestone, or in all.  Where nothing limits a run one more always fits."""
    fifths = INTERIMS if milestone is None else milestone - state.confirmations.first_interim
    total = affordable_evaluations(state.budget, state.usage, state.run.slots, repeated=True)
    if math.isinf(total):
        return max(
            state.budget.confirm_share * state.usage.evaluations,
            state.confirmations.cost + SIZES[-1].n_candidate + SIZES[-1].n_control,
        )
    return state.budget.confirm_share * total * min(fifths, INTERIMS) / INTERIMS


def affords_one(state: ProblemState) -> bool:
    """Whether the budget set aside pays for the smallest vault."""
    return confirm_budget(state) >= SIZES[0].n_candidate + SIZES[0].n_control


def reserved_evaluations(state: ProblemState) -> int:
    """Runs to be kept back while searching: those that open vaults still take, and of what is set aside as much as may be of use.

    What pays for no vault any more goes back to the search.  While nobody may be confirmed, all but the smallest vault does, where
    there is one champion at a time; elsewhere any number may qualify late.  Asked for many times between two measurements, so it is
    worked out once for a budget: readers ask what another would come to.
    """
    budget = state.budget
    if state.kept_back is None or state.kept_back[0] != budget:
        state.kept_back = budget, _to_be_kept_back(state)
    return state.kept_back[1]


def _to_be_kept_back(state: ProblemState) -> int:
    if not affords_one(state):
        return state.confirmations.outstanding
    smallest = SIZES[0].n_candidate + SIZES[0].n_control
    left = rest = math.ceil(confirm_budget(state)) - state.confirmations.cost
    if state.population.by_descent and left >= smallest:
        left = min(left, last_cost(state))
    if left < smallest:
        left = 0
    elif state.champion_test.keeps_champion and not _hopeful(state):
        left = smallest
    left = max(left, min(sum(without_confirmation(state).values()), rest))
    return left + state.confirmations.outstanding


def _hopeful(state: ProblemState) -> bool:
    """Whether anyone may still be confirmed: qualifies, or is worth more runs."""
    qualified = state.champion_test.qualified
    return state.champion_test.has_contenders(fresh=first_runs(state)) or any(eligible(state, number) for number in qualified)


def pending_cost(state: ProblemState) -> int:
    """Runs that the vaults of all who qualify now would cost, as far as what is set aside pays for them."""
    waiting = [number for number in state.champion_test.qualified if eligible(state, number)]
    if not waiting or state.population.pooled[-1].df < NOISE_DF:
        return 0
    sizes = sizes_for(state, waiting[0], math.inf) or SIZES[-1]
    return min(
        sizes.n_candidate * len(waiting) + sizes.n_control, max(math.ceil(confirm_budget(state)) - state.confirmations.cost, 0)
    )


def last_cost(state: ProblemState) -> int:
    """Runs that whoever is best by now needs to be confirmed in the end: those that lead to a vault, and the vault."""
    number = state.population.descent.best
    known = state.population.stats(number) is not None and state.population.noise > 0.0
    sizes = (sizes_for(state, number, math.inf) if known else None) or SIZES[-1]
    first = max(2 * MIN_RUNS_CLAIM - state.population.n_measured(number), NOISE_DF - state.population.df, 0)
    return first + sizes.n_candidate + sizes.n_control


def first_runs(state: ProblemState) -> int:
    """Runs that a new champion gets first: a fortieth of what the budget pays for, within bounds."""
    total = affordable_evaluations(state.budget, state.usage, state.run.slots, repeated=True)
    return int(min(max(total / 40, FIRST_CHAMPION_RUNS[0]), FIRST_CHAMPION_RUNS[1]))


def without_confirmation(state: ProblemState) -> dict[int, int]:
    """Candidates whose claims more runs of their own may clear, with how many."""
    population, found = state.population, {}
    for vault in state.confirmations.confirmations:
        if vault.wants and not vault.confirmed and not vault.failed and population.stats(vault.candidate) is not None:
            found[vault.candidate] = max(vault.wants - population.n_measured(vault.candidate), 0)
    return {number: runs for number, runs in found.items() if runs}


def eligible(state: ProblemState, number: int) -> bool:
    """Whether a qualified candidate may enter a vault: not twice against one reference, and not where a better one is known."""
    champion_test = state.champion_test
    if state.population.stats(number) is None or state.confirmations.was_opened(number, champion_test.reference):
        return False
    if not champion_test.keeps_champion or number == champion_test.champion:
        return True
    return number in state.population.descent.foremost if state.population.by_descent else number in champion_test.contenders


def sizes_for(state: ProblemState, number: int, left: float, *, last: bool = False) -> Sizes | None:
    """The sizes of a candidate's vault that are worth their runs, of which ``left`` are left; None where none are."""
    champion_test, population = state.champion_test, state.population
    effect = population.posterior(number)[0] - champion_test.reference_runs.mean
    return choose_sizes(effect, math.sqrt(population.noise), left, last=last)
