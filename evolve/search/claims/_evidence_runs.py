"""Which runs the evidence of a noisy problem asks for next: of whoever may still be best, of the panel, of open vaults.

Reads the search and changes nothing; ``_claims`` says what the runs come to.
"""

from __future__ import annotations

import math

from archive import BlockEntry, Purpose, StartMode
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._usage import affordable_evaluations, nearest_limit
from evolve.confirm import GUESTS, MIN_RUNS_CLAIM, panel_size
from evolve.search._rng import generator
from evolve.search.claims import _prospects as prospects
from evolve.search.state._state import ProblemState

BLOCK = 8  # runs of a vault on one lease: as many as keep reference and candidates close in time


def replication_entries(state: ProblemState, most: float, share: float = 1.0) -> tuple[BlockEntry, ...]:
    """Another run for whoever may still be best; now and then one of whom they are compared with beside it, at the same seed.
    ``most`` bounds how many there may be."""
    config, champion_test, population = state.run.config, state.champion_test, state.population
    if share < 1.0 and state.usage.share_of_count(Purpose.REMEASURE, Purpose.REFERENCE) >= share:
        return ()
    stage = state.contract.stages[-1]
    rows, faults = population.candidates, state.faults
    both = (*champion_test.contenders, champion_test.champion)
    busy = [one for one in both if rows[one].n_in_flight or one in faults.unjudged or faults.waits_for(rows[one].id)]
    rich = state.usage.share_of_count(Purpose.REFERENCE, Purpose.INITIAL) < config.control_share
    count = max(1, stage.batch_size // 2)
    picks = [number for number in prospects.without_confirmation(state) if not population.candidates[number].n_in_flight][:count]
    if population.by_descent:
        foremost = _foremost(state, most, last=share == 1.0)
        able = [one for one in foremost if one not in faults.unjudged and not faults.waits_for(rows[one].id)]
    else:
        able = champion_test.next_to_measure(busy, count, fresh=prospects.first_runs(state))
    picks += [number for number in able if number not in picks][: count - len(picks)]
    if not picks:
        return ()
    entries = [_entry(state, number, population.candidates[number].next_seed_index) for number in picks]
    if champion_test.target not in picks and rich and (share < 1.0 or not population.by_descent):
        entries.insert(0, _entry(state, champion_test.target, 0, seed=entries[0].seed))  # first, as whoever has a block alone is
    return tuple(entries[: int(min(most, len(entries)))])


def _foremost(state: ProblemState, most: float, *, last: bool) -> list[int]:
    """While searching, the best, one run at a time; in the end first as many as lead to a vault, of the best before others.  Who
    would need more than ``most`` for it gets none: that who is best changes with each run must not leave all of them short."""
    population, foremost = state.population, state.population.descent.foremost
    runs = {number: population.n_measured(number) + population.candidates[number].n_in_flight for number in foremost}
    if not last:
        return [number for number in foremost[:1] if not population.candidates[number].n_in_flight]
    short = [number for number in foremost if runs[number] < MIN_RUNS_CLAIM <= runs[number] + most]
    return short or sorted(foremost, key=runs.__getitem__)


def panel_entries(state: ProblemState, now: float) -> tuple[BlockEntry, ...]:
    """The next round of the panel, in drawn order: first of all the initial program and whoever is best then, with whose vaults
    have found something as guests."""
    population, panel = state.population, state.panel
    nearest = nearest_limit(state.budget, state.usage, now)
    total = affordable_evaluations(state.budget, state.usage, state.run.slots, repeated=True)
    if nearest is None or state.confirmations.has_open or not panel.next_to_measure(nearest[0], state.usage.evaluations, total):
        return ()
    members = [number for number in panel.members if population.stats(number) is not None]
    if not panel.members:
        size = panel_size(total)
        able = [number for number in range(1, len(population.candidates)) if population.stats(number) is not None] if size else []
        able.sort(key=lambda number: (-population.posterior(number)[0], number))
        members = [INITIAL, *able[: size - 1]] if len(able) >= size - 1 > 0 else []
    elif members:
        members += [number for number in _found(state) if number not in members][:GUESTS]
    order = generator(state.run.seed, "panel", state.run.tickets.next_ticket).permutation(len(members))
    return tuple(_entry(state, members[i], population.candidates[members[i]].next_seed_index) for i in order)


def _found(state: ProblemState) -> list[int]:
    """Candidates whose vaults have found something, and whom these were compared with, in order."""
    vaults = [
        vault
        for vault in state.confirmations.confirmations
        if vault.effect is not None and vault.effect.effect > 0 and not vault.failed
    ]
    both = dict.fromkeys(number for vault in vaults for number in (vault.candidate, vault.reference))
    return [number for number in both if state.population.stats(number) is not None]


def confirmation_entries(state: ProblemState) -> tuple[BlockEntry, ...]:
    """The next stretch of the vaults that are open, in drawn order: where in a block a run stands may matter."""
    wanted = state.confirmations.next_runs()
    if not wanted:
        return ()
    size = min(BLOCK, max(2, math.ceil(len(wanted) / state.run.slots)))
    entries = [_entry(state, one.candidate, 0, seed=one.seed) for one in wanted[:size]]
    order = generator(state.run.seed, "order", state.run.tickets.next_ticket).permutation(len(entries))
    return tuple(entries[i] for i in order)


def _entry(state: ProblemState, number: int, index: int, *, seed: int | None = None) -> BlockEntry:
    """A run at the last stage from a fresh process."""
    row, stage, cpu_budget = state.population.candidates[number], state.contract.stages[-1], state.population.cpu_budget
    return BlockEntry(
        candidate=row.id,
        stage=stage.name,
        seed=state.run.measurement_seed(row.id, "search", index) if seed is None else seed,
        start=StartMode.COLD if stage.start is StartMode.WARM else stage.start,
        cpu_limit_s=cpu_budget.kill_s if cpu_budget is not None and number != INITIAL else None,
    )
