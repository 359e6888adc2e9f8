"""When a vault opens: at which milestone of the budget, whose, and how large.  What is decided then is a record of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from archive import ConfirmationOpened, Purpose
from evolve.budget._usage import nearest_limit
from evolve.confirm import E_CLAIM, SIZES, Confirmation, Sizes, e_value_of, rank
from evolve.confirm import MIN_DF as NOISE_DF
from evolve.search.claims._prospects import INTERIMS, confirm_budget, eligible, sizes_for
from evolve.search.state._state import ProblemState

FreshSeeds = Callable[[int], tuple[int, ...]]  # so many fresh seeds of 63 bits, from the system

ENDLESS = 1000  # measurements between milestones of a run without a budget


@dataclass(frozen=True, slots=True)
class Opening:
    """A vault that is due, before it has seeds: whose, at which milestone, of what sizes, and whose bank it shares."""

    candidate: int
    e_value: float
    interim: int
    sizes: Sizes
    at_interim: Confirmation | None
    over: str

    @property
    def bank(self) -> int:
        """Runs of the reference that it adds."""
        return 0 if self.at_interim else self.sizes.n_control


def next_opening(state: ProblemState, now: float, over: str) -> Opening | None:
    """The next vault of the milestone that has been reached, the strongest evidence first, as far as the budget allows."""
    champion_test, confirmations, population = state.champion_test, state.confirmations, state.population
    milestone = interim_reached(state, now, over)
    if milestone == 0 or population.pooled[-1].df < NOISE_DF or confirmations.on_started(milestone):
        return None
    if population.by_descent and over and _is_remeasuring(state):
        return None  # who is best may still change
    group = confirmations.at_interim(milestone)
    if any(vault.interim != milestone for vault in confirmations.has_open):
        return None
    now_known = _evidence(state, any_qualified=False)
    if not now_known and population.by_descent and over and not _affords_another_run(state, now):
        now_known = _evidence(state, any_qualified=True)  # whoever is best has too few runs, and will get no more
    able = rank(now_known)
    number = champion_test.champion if champion_test.champion in able else next(iter(able), None)
    if population.by_descent and able:
        number = max(able, key=lambda one: population.descent.of(one)[0])
    if number is None:
        return None
    left = min(confirm_budget(state, None if over else milestone) - confirmations.cost, _left(state, now))
    more = is_limit(over) or not state.run.tickets.has_external  # nothing more will come that could be better
    last = bool(over) and more and not confirmations.confirmations  # else an opening that is too small may cost a claim
    sizes = group[0].sizes if group else sizes_for(state, number, left, last=last)
    if sizes is None:
        return None
    rest = confirm_budget(state) - confirmations.cost
    if population.by_descent and not over and rest < 2 * (sizes.n_candidate + sizes.n_control):
        return None  # what is found later could not be confirmed any more
    due = Opening(number, e_value_of(now_known[number]), milestone, sizes, group[0] if group else None, over)
    return None if sizes.n_candidate + due.bank > left else due


def _evidence(state: ProblemState, *, any_qualified: bool) -> dict[int, float]:
    """Whose evidence holds by now, after what others measured since has moved the noise: of those who may enter a vault, or of all
    who ever qualified."""
    champion_test, population = state.champion_test, state.population
    opened_before = state.confirmations.was_opened
    known = {
        number: champion_test.evidence(number, population)
        for number in champion_test.qualified
        if eligible(state, number)
        or (any_qualified and population.stats(number) is not None and not opened_before(number, champion_test.reference))
    }
    return {number: evidence for number, evidence in known.items() if evidence >= math.log(E_CLAIM)}


def _left(state: ProblemState, now: float) -> float:
    """Measurements that the budget and the clock have beside those that open vaults still take."""
    limit, wall_s, took_s = state.budget.evaluations, state.run.budget.wall_s, state.usage.measure_wall_s
    counted = math.inf if limit is None else limit - state.usage.evaluations
    if wall_s is not None and took_s:
        counted = min(counted, (wall_s - state.run.usage.elapsed(now)) * state.run.slots / took_s)
    return counted - state.confirmations.outstanding


def _affords_another_run(state: ProblemState, now: float) -> bool:
    """Whether one more run leaves enough for a vault."""
    return _left(state, now) > SIZES[0].n_candidate + SIZES[0].n_control


def _is_remeasuring(state: ProblemState) -> bool:
    return any(block.issued.purpose is Purpose.REMEASURE for block in state.blocks.values())


def opened(state: ProblemState, due: Opening, entropy: FreshSeeds) -> ConfirmationOpened:
    """The vault, with seeds that nobody could know before."""
    champion_test, group, sizes, rows = state.champion_test, due.at_interim, due.sizes, state.population.candidates
    paired = group.paired if group else champion_test.is_paired
    bank = group.control_seeds if group else entropy(sizes.n_control)
    own = _shared(sizes, bank) if paired else entropy(sizes.n_candidate)
    number = len(state.confirmations.confirmations)
    return ConfirmationOpened(
        vault=number,
        problem=state.problem,
        candidate=rows[due.candidate].id,
        reference=rows[champion_test.reference].id,
        milestone=due.interim,
        gate=sizes.test,
        estimate=sizes.estimate,
        seeds=own + (() if group else bank),
        bank=group.number if group else number,
        paired=paired,
        e_value=due.e_value,
        over=due.over,
    )


def _shared(sizes: Sizes, bank: tuple[int, ...]) -> tuple[int, ...]:
    """Pairs run on the reference's own seeds."""
    n, m = sizes.test
    return bank[:n] + bank[m : m + sizes.estimate[0]]


def interim_reached(state: ProblemState, now: float, over: str) -> int:
    """The milestone that the search has reached, 0 before the first: one at each fifth of the budget, the last when it is spent.
    They count on when the budget is changed, and when searching is over for another reason: that has a milestone of its own, since
    a later opening may go on."""
    confirmations = state.confirmations
    if is_limit(over):
        return confirmations.first_interim + INTERIMS
    nearest = nearest_limit(state.budget, state.usage, now)
    if nearest is None and not over:
        return state.usage.evaluations // ENDLESS
    fifth = min(int(nearest[0] * INTERIMS), INTERIMS - 1) if nearest is not None else 0
    latest = max((vault.interim for vault in confirmations.confirmations), default=0)
    if over:
        return latest if confirmations.has_open else max(latest, confirmations.first_interim + fifth) + 1
    return confirmations.first_interim + fifth if fifth else 0


def is_limit(why: str) -> bool:
    """Whether it is a limit of the budget that searching is over for: nothing but another budget changes that."""
    return why.startswith("budget.")


def next_budget(state: ProblemState) -> None:
    """The budget was changed: milestones begin anew, after all there have been."""
    confirmations = state.confirmations
    latest = max((vault.interim for vault in confirmations.confirmations), default=0)
    confirmations.first_interim = math.ceil(latest / INTERIMS) * INTERIMS
    confirmations.ended_by = ""
