"""Which first measurements are pruned where their learning curve loses."""

from __future__ import annotations

import math
from dataclasses import replace

from archive import BlockEntry
from evolve.search._rng import generator
from evolve.search.state._candidates import PendingStage
from evolve.search.state._state import ProblemState

_BEHIND = 2.0  # standard deviations of one measurement: who is further behind the best neither breeds nor is shown


def with_bars(state: ProblemState, entry: BlockEntry, due: PendingStage) -> BlockEntry:
    """The entry with bars, where the problem has learning curves and those that are known say enough.

    Only children of operators have any: what people and agents tell is measured to its end.  One in ``1 / search.audit_share`` has
    bars that nobody keeps it to.
    """
    population, config = state.population, state.run.config
    row, leader = population.candidates[due.index], population.leader
    if not state.contract.learning_curve or config.pruning == "false" or row.arm < 0 or due.stage < population.last_stage:
        return entry
    best = None if leader is None else population.score(leader)
    if best is None:
        return entry
    wanted = best - _BEHIND * math.sqrt(max(population.noise, 0.0)) if state.contract.noisy else best
    found = state.pruning.bars(state.contract, due.index, row.parents[0], wanted)
    if found is None:
        return entry
    audited = generator(state.run.seed, "audit", due.index).random() < config.audit_share
    return replace(entry, bars=found, audited=bool(audited))
