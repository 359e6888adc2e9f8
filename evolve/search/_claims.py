"""How a search on a noisy problem comes by claims: what is measured again, when a vault opens, what it came to.

``next_record`` gives records that only decide; their runs are given by ``evolve.search._evidence_runs``.  Nothing here changes
the search but the functions called ``on_...``, which its ``apply`` calls.  See ``evolve.confirm`` for the statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from archive import (
    BlockEntry,
    ChampionChanged,
    Claim,
    ConfirmationOpened,
    ElitePlaced,
    Measured,
    MeasureIssued,
    Purpose,
    Record,
    Retraction,
    Status,
    tame,
)
from evolve.budget._usage import affordable_evaluations, nearest_limit
from evolve.confirm import (
    E_CLAIM,
    FIRST_CHAMPION_RUNS,
    SIZES,
    Confirmation,
    Decision,
    Sizes,
    choose_sizes,
    e_value_of,
    make_confirmation,
    rank,
)
from evolve.confirm import MIN_DF as NOISE_DF
from evolve.search._doubts import Doubts
from evolve.search._state import ProblemState

FreshSeeds = Callable[[int], tuple[int, ...]]  # so many fresh seeds of 63 bits, from the system

INTERIMS = 5  # the last of them is the end of the search
ENDLESS = 1000  # measurements between milestones of a run without a budget
_JUDGED_EVERY = 10  # runs
_TITLE_DF = 4  # degrees of freedom of the noise before a title changes hands


def next_record(state: ProblemState, now: float, over: str, entropy: FreshSeeds | None) -> Record | None:
    """The next thing to be recorded: a title that changes hands, a ruling, an opening.

    ``over`` says why nothing new is searched for ("" while something is).  Without ``entropy`` no vault opens.
    """
    if not state.contract.noisy:
        return None
    if found := _challenge(state) or _decision(state, over):
        return found
    due = None if entropy is None else next_opening(state, now, over)
    return None if due is None or entropy is None else _opened(state, due, entropy)


def has_next_record(state: ProblemState, now: float, over: str) -> bool:
    """Whether there is something to record, or a vault waits for runs."""
    if not state.contract.noisy:
        return False
    return bool(state.confirmations.has_open or _challenge(state) or _decision(state, over) or next_opening(state, now, over))


# ------------------------------------------------------------------------------------------------ decisions


def _challenge(state: ProblemState) -> ChampionChanged | None:
    found = state.champion_test.challenger(state.population) if state.population.pooled[-1].df >= _TITLE_DF else None
    if found is None:
        return None
    number, e_value = found
    rows = state.population.candidates
    return ChampionChanged(state.problem, rows[number].id, rows[state.champion_test.champion].id, e_value)


def _decision(state: ProblemState, over: str) -> Claim | None:
    doubts, again = Doubts(state), _again(state, over)
    rulings = state.confirmations.decisions(doubts, again=again)
    if not rulings:
        state.judged_at = _known(state) if again else state.judged_at
        return None
    return _claim(
        state, doubts, min(rulings, key=lambda one: one.confirmation.effect.effect if one.confirmation.effect else -math.inf)
    )


def _again(state: ProblemState, over: str) -> bool:
    """Whether claims are judged again although no vault waits: now and then while one is withheld that more runs may clear, and
    when everything has been measured."""
    docket = state.confirmations
    if state.judged_at == _known(state) or not any(vault.effect is not None for vault in docket.confirmations):
        return False
    held_back = any(vault.wants for vault in docket.confirmations) and state.repeats.count % _JUDGED_EVERY == 0
    return held_back or bool(not state.run.tickets.blocks and over)


def _known(state: ProblemState) -> tuple[int, int]:
    return state.repeats.count, len(state.retracted)


def without_confirmation(state: ProblemState) -> dict[int, int]:
    """Candidates whose claims more runs of their own may clear, with how many."""
    population, found = state.population, {}
    for vault in state.confirmations.confirmations:
        if vault.wants and not vault.confirmed and not vault.failed and population.tally(vault.candidate) is not None:
            found[vault.candidate] = max(vault.wants - population.n_measured(vault.candidate), 0)
    return {number: runs for number, runs in found.items() if runs}


def _claim(state: ProblemState, doubts: Doubts, ruling: Decision) -> Claim:
    rows, sign, vault = state.population.candidates, state.population.sign, ruling.confirmation
    effect = doubts.effect(vault)
    low, high = sorted((sign * effect.low, sign * effect.high)) if effect else (None, None)
    return Claim(
        vault=vault.number,
        problem=state.problem,
        candidate=rows[vault.candidate].id,
        reference=rows[vault.reference].id,
        confirmed=ruling.confirmed,
        p_value=ruling.p_value,
        effect=sign * effect.effect if effect else None,
        ci_low=low,
        ci_high=high,
        reason=ruling.reason,
        e_value=vault.e_value,
        wants=ruling.wants,
        median=None if (median := doubts.median(vault)) is None else sign * median,
        span_s=doubts.span_s(vault),
    )


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
    contest, docket, population = state.champion_test, state.confirmations, state.population
    milestone = interim_reached(state, now, over)
    if milestone == 0 or population.pooled[-1].df < NOISE_DF or docket.on_started(milestone):
        return None
    group = docket.at_interim(milestone)
    if any(vault.interim != milestone for vault in docket.has_open):
        return None
    # What others measured since has moved the noise, and so the evidence.
    now_known = {number: contest.evidence(number, population) for number in contest.qualified if eligible(state, number)}
    able = rank({number: evidence for number, evidence in now_known.items() if evidence >= math.log(E_CLAIM)})
    number = contest.champion if contest.champion in able else next(iter(able), None)
    if number is None:
        return None
    left = confirm_budget(state, None if over else milestone) - docket.cost
    if state.run.budget.evaluations is not None:
        left = min(left, state.run.budget.evaluations - state.run.usage.evaluations - docket.outstanding)
    more = is_limit(over) or not state.run.tickets.has_external  # nothing more will come that could be better
    last = bool(over) and more and not docket.confirmations  # else an opening that is too small may cost a claim
    sizes = group[0].sizes if group else _sizes(state, number, left, last=last)
    if sizes is None:
        return None
    due = Opening(number, e_value_of(now_known[number]), milestone, sizes, group[0] if group else None, over)
    return None if sizes.n_candidate + due.bank > left else due


def _opened(state: ProblemState, due: Opening, entropy: FreshSeeds) -> ConfirmationOpened:
    """The vault, with seeds that nobody could know before."""
    contest, group, sizes, rows = state.champion_test, due.at_interim, due.sizes, state.population.candidates
    paired = group.paired if group else contest.is_paired
    bank = group.control_seeds if group else entropy(sizes.n_control)
    own = _shared(sizes, bank) if paired else entropy(sizes.n_candidate)
    number = len(state.confirmations.confirmations)
    return ConfirmationOpened(
        vault=number,
        problem=state.problem,
        candidate=rows[due.candidate].id,
        reference=rows[contest.reference].id,
        milestone=due.interim,
        gate=sizes.test,
        estimate=sizes.estimate,
        seeds=own + (() if group else bank),
        bank=group.number if group else number,
        paired=paired,
        e_value=due.e_value,
        over=due.over,
    )


def _sizes(state: ProblemState, number: int, left: float, *, last: bool = False) -> Sizes | None:
    contest, population = state.champion_test, state.population
    effect = population.posterior(number)[0] - contest.reference_runs.mean
    return choose_sizes(effect, math.sqrt(population.noise), left, last=last)


def _shared(sizes: Sizes, bank: tuple[int, ...]) -> tuple[int, ...]:
    """Pairs run on the reference's own seeds."""
    n, m = sizes.test
    return bank[:n] + bank[m : m + sizes.estimate[0]]


def eligible(state: ProblemState, number: int) -> bool:
    """Whether a qualified candidate may enter a vault: not twice against one reference, and not where a better one is known."""
    contest = state.champion_test
    if state.population.tally(number) is None or state.confirmations.was_opened(number, contest.reference):
        return False
    return not contest.keeps_champion or number == contest.champion or number in contest.contenders


def interim_reached(state: ProblemState, now: float, over: str) -> int:
    """The milestone that the search has reached, 0 before the first: one at each fifth of the budget, the last when it is spent.
    They count on when the budget is changed, and when searching is over for another reason: that has a milestone of its own, since
    a later opening may go on."""
    docket = state.confirmations
    if is_limit(over):
        return docket.first_interim + INTERIMS
    nearest = nearest_limit(state.run.budget, state.run.usage, now)
    if nearest is None and not over:
        return state.run.usage.evaluations // ENDLESS
    fifth = min(int(nearest[0] * INTERIMS), INTERIMS - 1) if nearest is not None else 0
    latest = max((vault.interim for vault in docket.confirmations), default=0)
    if over:
        return latest if docket.has_open else max(latest, docket.first_interim + fifth) + 1
    return docket.first_interim + fifth if fifth else 0


def is_limit(why: str) -> bool:
    """Whether it is a limit of the budget that searching is over for: nothing but another budget changes that."""
    return why.startswith("budget.")


def next_budget(state: ProblemState) -> None:
    """The budget was changed: milestones begin anew, after all there have been."""
    docket = state.confirmations
    latest = max((vault.interim for vault in docket.confirmations), default=0)
    docket.first_interim = math.ceil(latest / INTERIMS) * INTERIMS
    docket.ended_by = ""


def confirm_budget(state: ProblemState, milestone: int | None = None) -> float:
    """Runs that vaults may have cost by a milestone, or in all.  Where nothing limits a run one more always fits."""
    fifths = INTERIMS if milestone is None else milestone - state.confirmations.first_interim
    total = affordable_evaluations(state.run.budget, state.run.usage, state.run.slots, repeated=True)
    if math.isinf(total):
        return max(
            state.run.budget.confirm_share * state.run.usage.evaluations,
            state.confirmations.cost + SIZES[-1].n_candidate + SIZES[-1].n_control,
        )
    return state.run.budget.confirm_share * total * min(fifths, INTERIMS) / INTERIMS


def affords_one(state: ProblemState) -> bool:
    """Whether the budget set aside pays for the smallest vault."""
    return confirm_budget(state) >= SIZES[0].n_candidate + SIZES[0].n_control


def reserved_evaluations(state: ProblemState) -> int:
    """Runs to be kept back while searching: those that open vaults still take, and of what is set aside as much as may be of use.

    What pays for no vault any more goes back to the search.  While nobody may be confirmed, all but the smallest vault does, where
    there is one champion at a time; elsewhere any number may qualify late.
    """
    if not affords_one(state):
        return state.confirmations.outstanding
    smallest = SIZES[0].n_candidate + SIZES[0].n_control
    left = math.ceil(confirm_budget(state)) - state.confirmations.cost
    if left < smallest:
        left = 0
    elif state.champion_test.keeps_champion and not _hopeful(state):
        left = smallest
    left = max(left, min(sum(without_confirmation(state).values()), math.ceil(confirm_budget(state)) - state.confirmations.cost))
    return left + state.confirmations.outstanding


def _hopeful(state: ProblemState) -> bool:
    """Whether anyone may still be confirmed: qualifies, or is worth more runs."""
    contest = state.champion_test
    return contest.has_contenders(fresh=first_runs(state)) or any(eligible(state, number) for number in contest.qualified)


def pending_cost(state: ProblemState) -> int:
    """Runs that the vaults of all who qualify now would cost, as far as what is set aside pays for them."""
    waiting = [number for number in state.champion_test.qualified if eligible(state, number)]
    if not waiting or state.population.pooled[-1].df < NOISE_DF:
        return 0
    sizes = _sizes(state, waiting[0], math.inf) or SIZES[-1]
    return min(
        sizes.n_candidate * len(waiting) + sizes.n_control, max(math.ceil(confirm_budget(state)) - state.confirmations.cost, 0)
    )


def first_runs(state: ProblemState) -> int:
    """Runs that a new champion gets first: a fortieth of what the budget pays for, within bounds."""
    total = affordable_evaluations(state.run.budget, state.run.usage, state.run.slots, repeated=True)
    return int(min(max(total / 40, FIRST_CHAMPION_RUNS[0]), FIRST_CHAMPION_RUNS[1]))


# ------------------------------------------------------------------------------------------------ applying


def on_issued(state: ProblemState, record: MeasureIssued) -> None:
    """Runs of a vault, or of the panel, were handed out."""
    if record.purpose is Purpose.PANEL:
        state.panel.on_issued(
            record.attempt.ticket,
            [state.population.by_id[entry.candidate] for entry in record.entries],
            state.run.usage.evaluations,
        )
    if record.purpose is Purpose.VAULT:
        for entry in record.entries:
            state.confirmations.on_issued(state.population.by_id[entry.candidate], entry.seed)


def on_measured(state: ProblemState, number: int, record: Measured) -> None:
    """A run counts."""
    result, population = record.result, state.population
    score = None if result.status is not Status.OK or result.score is None else population.sign * tame(result.score)
    if score is not None and result.stage == state.contract.stages[-1].name:
        state.repeats.add(number, state.run.usage.last_at, result.seed, score)
        if record.purpose is Purpose.PANEL:
            state.panel.on_measured(record.attempt.ticket, number, score)
        state.champion_test.on_measured(number, score, population)
        if record.purpose is Purpose.REMEASURE:
            state.champion_test.add_paired_run(result.seed, number, score)
    elif score is None and result.status is not Status.EVALUATOR_ERROR:
        state.champion_test.on_failed(number, population)
    if record.purpose is Purpose.VAULT:
        state.confirmations.on_measured(number, result.seed, score, f"{result.status} in a vault: {result.reason}".rstrip(": "))


def on_dropped(state: ProblemState, entries: tuple[BlockEntry, ...], reason: str, *, cancelled: bool) -> None:
    """Runs of a vault were handed out and will not be made: after a cancellation they are wanted again, else the claim is lost."""
    for entry in entries:
        number = state.population.by_id[entry.candidate]
        if cancelled:
            state.confirmations.on_returned(number, entry.seed)
        else:
            state.confirmations.on_lost(number, reason)


def on_opened(state: ProblemState, record: ConfirmationOpened) -> None:
    """A vault was opened."""
    by_id = state.population.by_id
    sizes = Sizes(record.gate, record.estimate)
    vault = make_confirmation(
        record.vault,
        by_id[record.candidate],
        by_id[record.reference],
        record.milestone,
        sizes,
        record.bank,
        record.paired,
        record.seeds,
    )
    vault.e_value = record.e_value
    docket = state.confirmations
    docket.on_opened(vault)
    state.panel.on_run_opened(vault.number)
    if state.population.cpu_budget is not None:
        state.population.cpu_budget.on_vault_opened(vault.candidate)
    if is_limit(record.over):
        docket.ended_by = record.over
    elif record.over or record.milestone >= docket.first_interim + INTERIMS:  # older records do not say why
        docket.first_interim = record.milestone


def on_claim(state: ProblemState, record: Claim) -> None:
    """A ruling: what is confirmed becomes the reference, unless the run keeps the initial program throughout."""
    docket, contest, number = state.confirmations, state.champion_test, state.population.by_id[record.candidate]
    vault = docket.confirmations[record.vault]
    before = vault.confirmed
    docket.on_decided(record.vault, record.confirmed, record.wants)
    if record.confirmed and state.run.config.reference == "last":
        contest.on_confirmed(number, docket.fresh_runs(vault), state.population)
    elif before and not record.confirmed:
        contest.on_unconfirmed(number, state.population)


def on_retracted(state: ProblemState, record: Retraction) -> list[ElitePlaced]:
    """A candidate was found to cheat: its claims are withdrawn, its descendants in the archive are measured again.  Returns what
    changed in the archive."""
    population = state.population
    number = population.by_id[record.candidate]
    placed = population.mark_failed(number, Status.REJECTED)
    state.retracted.append(number)
    state.to_reverify = [one for one in state.to_reverify if one != number]
    holders = {*population.elites, state.champion_test.champion, *(vault.candidate for vault in claims_of(state))}
    suspects = (one for one in population.descendants(number) if one in holders and one not in state.to_reverify)
    state.to_reverify += list(suspects)
    state.champion_test.on_failed(number, population)
    state.confirmations.on_retracted(number)
    return placed


def claims_of(state: ProblemState) -> list[Confirmation]:
    """The vaults of claims that hold."""
    return [vault for vault in state.confirmations.confirmations if vault.confirmed and not vault.withdrawn]


def doubt(state: ProblemState, vault: Confirmation) -> str:
    """Why a claim rests on what was found to be a cheat ("" if it does not): somebody has to look at it."""
    if any(vault.candidate in state.population.descendants(one) for one in state.retracted):
        return "descends from a retracted candidate"
    return "was compared with a candidate that is retracted now" if vault.reference in state.retracted else ""
