"""How a search on a noisy problem comes by claims: what is recorded next, and what records come to.

``next_record`` gives records that only decide: another champion, a vault that opens (``_openings``), a ruling.  Which
runs they rest on ``_evidence_runs`` says.  Nothing here changes the search but the functions called ``on_...``, which its ``apply``
calls.  See ``evolve.confirm`` for the statistics.
"""

from __future__ import annotations

import math

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
from evolve.confirm import Confirmation, Decision, Sizes, make_confirmation
from evolve.search.claims._doubts import Doubts
from evolve.search.claims._openings import FreshSeeds, is_limit, next_opening, opened
from evolve.search.claims._prospects import INTERIMS
from evolve.search.state._state import ProblemState

_JUDGED_EVERY = 10  # runs
_TITLE_DF = 4  # degrees of freedom of the noise before the champion changes


def next_record(state: ProblemState, now: float, over: str, entropy: FreshSeeds | None) -> Record | None:
    """The next thing to be recorded: another champion, a ruling, an opening.

    ``over`` says why nothing new is searched for ("" while something is).  Without ``entropy`` no vault opens.
    """
    if not state.contract.noisy:
        return None
    if found := _challenge(state) or _decision(state, over):
        return found
    due = None if entropy is None else next_opening(state, now, over)
    return None if due is None or entropy is None else opened(state, due, entropy)


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
    elsewhere = _p_values_elsewhere(state) if again or state.confirmations.has_open else []
    rulings = state.confirmations.decisions(doubts, again=again, elsewhere=elsewhere)
    if not rulings:
        state.judged_at = _known(state) if again else state.judged_at
        return None
    return _claim(
        state, doubts, min(rulings, key=lambda one: one.confirmation.effect.effect if one.confirmation.effect else -math.inf)
    )


def _p_values_elsewhere(state: ProblemState) -> list[float]:
    """Of the vaults of the run's other problems: the rate of false claims is that of the run."""
    return [Doubts(one)(vault).p_value for one in state.others for vault in one.confirmations.complete]


def _again(state: ProblemState, over: str) -> bool:
    """Whether claims are judged again although no vault waits: now and then while one is withheld that more runs may clear, and
    when everything has been measured."""
    confirmations = state.confirmations
    if state.judged_at == _known(state) or not any(vault.effect is not None for vault in confirmations.confirmations):
        return False
    if state.judged_at[1] != _known(state)[1] and state.others:
        return True  # more was opened elsewhere, or retracted
    held_back = any(vault.wants for vault in confirmations.confirmations) and state.repeats.count % _JUDGED_EVERY == 0
    return held_back or bool(not state.blocks and over)


def _known(state: ProblemState) -> tuple[int, int]:
    elsewhere = sum(len(one.confirmations.complete) for one in state.others)
    return state.repeats.count, len(state.retracted) + elsewhere


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


# ------------------------------------------------------------------------------------------------ applying


def on_issued(state: ProblemState, record: MeasureIssued) -> None:
    """Runs of a vault, or of the panel, were handed out."""
    if record.purpose is Purpose.PANEL:
        state.panel.on_issued(
            record.attempt.ticket,
            [state.population.by_id[entry.candidate] for entry in record.entries],
            state.usage.evaluations,
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
    confirmations = state.confirmations
    confirmations.on_opened(vault)
    state.panel.on_run_opened(vault.number)
    if state.population.cpu_budget is not None:
        state.population.cpu_budget.on_vault_opened(vault.candidate)
    if is_limit(record.over):
        confirmations.ended_by = record.over
    elif record.over or record.milestone >= confirmations.first_interim + INTERIMS:  # older records do not say why
        confirmations.first_interim = record.milestone


def on_claim(state: ProblemState, record: Claim) -> None:
    """A ruling: what is confirmed becomes the reference, unless the run keeps the initial program throughout."""
    confirmations, champion_test, number = state.confirmations, state.champion_test, state.population.by_id[record.candidate]
    vault = confirmations.confirmations[record.vault]
    before = vault.confirmed
    confirmations.on_decided(record.vault, record.confirmed, record.wants)
    if record.confirmed and state.run.config.reference == "last":
        champion_test.on_confirmed(number, confirmations.fresh_runs(vault), state.population)
    elif before and not record.confirmed:
        champion_test.on_unconfirmed(number, state.population)


def on_retracted(state: ProblemState, record: Retraction) -> list[ElitePlaced]:
    """A candidate was found to cheat: its claims are withdrawn, its descendants in the archive are measured again.  Returns what
    changed in the archive."""
    population = state.population
    number = population.by_id[record.candidate]
    failures = population.failures.get(Status.REJECTED, 0)
    placed = population.mark_failed(number, Status.REJECTED)
    if population.failures.get(Status.REJECTED, 0) > failures:
        state.memory.on_failed(number, Status.REJECTED, f"retracted: {record.why}")
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
