"""When elites are sent to other islands and when islands begin anew; what these records do.  ``on_...`` are called by the search's
``apply`` alone.

References:
    Tanese 1989, Distributed genetic algorithms for function optimization (migration)
    Romera-Paredes et al. 2024, https://doi.org/10.1038/s41586-023-06924-6 (FunSearch: the worst half of the islands is reset)
"""

from __future__ import annotations

from collections.abc import Sequence

from archive import ElitePlaced, IslandsReset, Migrated, Migration
from evolve.search.state._state import ProblemState


def next_migration(state: ProblemState) -> Migrated | None:
    """Once ``search.migration_interval`` children more are judged, the best of each island go to the next one, in a ring."""
    population, config = state.population, state.run.config
    n = len(population.archives)
    if n == 1 or population.n_credited - population.islands.migrated_at < config.migration_interval:
        return None
    moves = []
    for island in range(n):
        target = (island + 1) % n
        abroad = [number for number in _ranked(state, island) if not population.islands.is_known(number, target)]
        moves += [Migration(population.candidates[number].id, island, target) for number in abroad[: config.migrants]]
    return Migrated(state.problem, tuple(moves))


def next_reset(state: ProblemState) -> IslandsReset | None:
    """After ``search.reset_after`` children without a better best the worst half of the islands begins anew: the worst with a copy
    of the best of the best island, the next with one of the second."""
    population, after = state.population, state.run.config.reset_after
    n, leader = len(population.archives), population.leader
    since = max(population.leader_since, population.islands.reset_at)
    if n == 1 or after == 0 or population.n_credited - since < after or leader is None:
        return None
    best = {island: ranked[0] for island in range(n) if (ranked := _ranked(state, island))}

    def standing(island: int) -> tuple[float, bool, int]:
        if island not in best:
            return float("-inf"), False, -island
        leads = leader in population.archives[island].cells
        return population.archives[island].cells.value(best[island]), leads, -island

    ordered = sorted(range(n), key=standing, reverse=True)
    worst, kept = ordered[::-1][: n // 2], [island for island in ordered[: n - n // 2] if island in best]
    founders = [(kept[i % len(kept)], island) for i, island in enumerate(worst)]
    moves = tuple(Migration(population.candidates[best[source]].id, source, target) for source, target in founders)
    return IslandsReset(
        state.problem, tuple(sorted(worst)), moves, f"{population.n_credited - since} children without a better best"
    )


def _ranked(state: ProblemState, island: int) -> Sequence[int]:
    """The elites of an island, best first."""
    cells = state.population.archives[island].cells
    return sorted(cells.elites, key=lambda number: (-cells.value(number), number))


def on_migrated(state: ProblemState, record: Migrated) -> list[ElitePlaced]:
    """Copies arrive."""
    before = state.population.places()
    _arrive(state, record.moves)
    state.population.islands.migrated_at = state.population.n_credited
    return state.population.changed_places(before)


def on_reset(state: ProblemState, record: IslandsReset) -> list[ElitePlaced]:
    """Everyone leaves these islands, then their founders arrive."""
    before = state.population.places()
    for island in record.islands:
        state.population.islands.reset(island)
    _arrive(state, record.founders)
    state.population.islands.reset_at = state.population.n_credited
    return state.population.changed_places(before)


def _arrive(state: ProblemState, moves: Sequence[Migration]) -> None:
    population = state.population
    for move in moves:
        number = population.by_id[move.candidate]
        population.islands.invite(number, move.target, population.candidates[number].descriptors, *population.posterior(number))
    population.elect_leader()
