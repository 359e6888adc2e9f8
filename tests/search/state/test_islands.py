"""A population with several archives, one an island: who stands where, what readers are told, what a checkpoint brings back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulation import Simulation, build, contract, state

from archive import Axis, ElitePlaced, LogEntry, ProposeIssued, Rebinned, Record
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._search import Search

ISLANDS = 3


class Archipelago(Simulation):
    """A simulation whose tickets go to the islands in turn, and what its readers are told."""

    def write(self, record: Record) -> None:
        if isinstance(record, ProposeIssued):
            record = replace(record, island=record.attempt.ticket % ISLANDS)
        entry = LogEntry(len(self.log), self.now, record)
        self.log.append(entry)
        self.told = [*getattr(self, "told", []), *self.search.apply(entry)]


def search_of_islands(noisy: bool) -> Search:
    search = build(contract(noisy=noisy), evaluations=150)
    more = [build(contract(noisy=noisy)).state.population.archives[0] for _ in range(ISLANDS - 1)]
    search.state.population.archives += more
    return search


@pytest.fixture(params=[False, True], ids=["exact", "noisy"])
def run(request) -> Archipelago:
    run = Archipelago(search_of_islands(request.param), np.random.default_rng(5), noise=0.05 if request.param else 0.0)
    run.begin()
    return run


def islands_of(run: Simulation) -> list[set[int]]:
    return [set(archive.cells.elites) for archive in run.search.state.population.archives]


def test_an_elite_stands_on_its_own_island_alone_and_the_leader_leads_all(run):
    run.run()
    population = run.search.state.population
    found = islands_of(run)
    assert all(found)
    assert all(population.candidates[number].island == island for island, those in enumerate(found) for number in those)
    assert sorted(population.elites) == sorted(set.union(*found))
    assert population.leader in population.elites
    values = {number: population.archive_of(number).cells.value(number) for number in population.elites}
    assert values[population.leader] == max(values.values())


def test_what_readers_are_told_is_who_stands_where(run):
    run.run()
    shown: dict[tuple[int, int, int], str] = {}
    for one in run.told:
        assert isinstance(one, ElitePlaced)
        shown[one.island, one.cell, one.rank] = one.candidate
    population = run.search.state.population
    held = {place: population.candidates[number].id for place, number in population.places().items()}
    assert {place: id_ for place, id_ in shown.items() if id_} == held
    assert {island for island, _, _ in held} == set(range(ISLANDS))


def test_a_checkpoint_and_a_replay_bring_back_every_island(run):
    for _ in range(120):
        run.step()
    noisy = run.search.state.contract.noisy
    arrays: list[np.ndarray] = []
    tree = dump_state(run.search, arrays)
    resumed, replayed = search_of_islands(noisy), search_of_islands(noisy)
    load_state(resumed, tree, arrays)
    for entry in run.log:
        replayed.apply(entry)
    assert state(resumed) == state(run.search) == state(replayed)


def test_other_axes_are_another_space_on_every_island(run):
    for _ in range(120):
        run.step()
    before = islands_of(run)
    run.write(Rebinned(run.search.state.problem, 2, (Axis("where", 0.0, 1.0, 2),)))
    population = run.search.state.population
    assert {archive.space for archive in population.archives} == {2}
    assert all(after <= those for after, those in zip(islands_of(run), before, strict=True))
    assert all(
        population.candidates[number].cell == population.archive_of(number).cell_of(population.candidates[number].descriptors)
        for number in population.elites
    )
