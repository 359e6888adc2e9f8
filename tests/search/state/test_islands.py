"""Islands: who stands and breeds where, migration and reset as records, what readers are told, what a checkpoint brings back."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from simulation import PROBLEM, Simulation, build, contract, state

from archive import Axis, ElitePlaced, IslandsReset, LogEntry, Migrated, ProposeIssued, Rebinned, Record, Retraction
from evolve._errors import ConfigError
from evolve.config._schema import RunConfig, SearchConfig
from evolve.engine.registry._registry import check_names
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._islands import next_migration, next_reset

ISLANDS = 3
SETTINGS = {"islands": ISLANDS, "migration_interval": 12, "reset_after": 8, "tuner_share": 0.2}


class Archipelago(Simulation):
    """A simulation, and what its readers are told."""

    def write(self, record: Record) -> None:
        entry = LogEntry(len(self.log), self.now, record)
        self.log.append(entry)
        self.told = [*getattr(self, "told", []), *self.search.apply(entry)]


def search_of(noisy: bool, **settings):
    return build(contract(noisy=noisy), evaluations=220, **{**SETTINGS, **settings})


def begun(noisy: bool = False, **settings) -> Archipelago:
    run = Archipelago(search_of(noisy, **settings), np.random.default_rng(5), noise=0.05 if noisy else 0.0)
    run.begin()
    return run


def steps(run: Simulation, n: int) -> Simulation:
    for _ in range(n):
        run.step()
    return run


def records(run: Simulation, kind: type) -> list[tuple[int, Record]]:
    return [(at, entry.record) for at, entry in enumerate(run.log) if isinstance(entry.record, kind)]


def before(run: Simulation, at: int, **settings):
    """The search as it was when record ``at`` was decided."""
    search = search_of(run.search.state.contract.noisy, **settings)
    for entry in run.log[:at]:
        search.apply(entry)
    return search.state


def ranked(state, island):
    cells = state.population.archives[island].cells
    return [state.population.candidates[one].id for one in sorted(cells.elites, key=lambda one: (-cells.value(one), one))]


@pytest.fixture(params=[False, True], ids=["exact", "noisy"])
def run(request) -> Archipelago:
    return begun(request.param)


def islands_of(run: Simulation) -> list[set[int]]:
    return [set(archive.cells.elites) for archive in run.search.state.population.archives]


def test_everyone_stands_at_home_or_as_a_guest_and_the_leader_leads_all(run):
    run.run()
    population = run.search.state.population
    found = islands_of(run)
    assert all(found)
    for island, those in enumerate(found):
        for number in those:
            guest = [where for where, _ in population.islands.guests.get(number, ())]
            assert (island in guest) != (population.candidates[number].island == island and number not in population.islands.left)
    assert sorted(population.elites) == sorted(set.union(*found))
    assert population.leader in population.elites
    values = {number: population.posterior(number) for number in population.elites}
    worth = {number: population.archives[0].value(*values[number]) for number in population.elites}
    assert worth[population.leader] == pytest.approx(max(worth.values()))


def test_a_child_is_bred_among_those_of_its_island():
    run = begun(tuner_share=0.0)
    run.run()
    issued = records(run, ProposeIssued)
    counts = Counter(record.island for _, record in issued)
    assert set(counts) == set(range(ISLANDS))
    assert min(counts.values()) > len(issued) / ISLANDS / 2
    replayed = search_of(False, tuner_share=0.0)
    population = replayed.state.population
    for entry in run.log:
        record = entry.record
        if not isinstance(record, ProposeIssued):
            replayed.apply(entry)
            continue
        home = population.archives[record.island].cells
        numbers = [population.by_id[one] for one in (*record.parents, *record.inspirations)]
        assert all(number == 0 or number in home for number in numbers)
        assert 0 not in numbers or not home.elites or 0 in home
        replayed.apply(entry)


def test_what_readers_are_told_is_who_stands_where(run):
    run.run()
    assert records(run, Migrated)
    assert records(run, IslandsReset)
    shown: dict[tuple[int, int, int], str] = {}
    for one in run.told:
        assert isinstance(one, ElitePlaced)
        shown[one.island, one.cell, one.rank] = one.candidate
    population = run.search.state.population
    held = {place: population.candidates[number].id for place, number in population.places().items()}
    assert {place: id_ for place, id_ in shown.items() if id_} == held
    assert {island for island, _, _ in held} == set(range(ISLANDS))


def test_a_checkpoint_a_replay_and_killed_drivers_bring_back_every_island(run):
    for _ in range(4):
        steps(run, 70)
        run.open()  # the driver before was killed
    run.run()
    noisy = run.search.state.contract.noisy
    assert records(run, Migrated)
    cut = max([at for at, _ in (*records(run, Migrated), *records(run, IslandsReset))][:3]) + 3
    head, resumed = search_of(noisy), search_of(noisy)
    for entry in run.log[:cut]:
        head.apply(entry)
    arrays: list[np.ndarray] = []
    load_state(resumed, json.loads(json.dumps(dump_state(head, arrays))), arrays)
    for entry in run.log[cut:]:
        resumed.apply(entry)
    replayed = search_of(noisy, migration_interval=10_000, reset_after=0)  # who decides otherwise decides nothing again
    for entry in run.log:
        replayed.apply(entry)
    assert state(resumed) == state(run.search) == state(replayed)


def test_other_axes_are_another_space_on_every_island(run):
    steps(run, 250)
    assert run.search.state.population.islands.guests
    earlier = islands_of(run)
    run.write(Rebinned(run.search.state.problem, 2, (Axis("where", 0.0, 1.0, 2),)))
    population = run.search.state.population
    assert {archive.space for archive in population.archives} == {2}
    assert all(after <= those for after, those in zip(islands_of(run), earlier, strict=True))
    for island, those in enumerate(islands_of(run)):
        for number in those:
            stands = dict(
                population.islands.stands(number, (population.candidates[number].island, population.candidates[number].cell))
            )
            assert stands[island] == population.archives[island].cell_of(population.candidates[number].descriptors)


@pytest.mark.parametrize("migrants", [1, 2])
def test_the_best_of_each_island_are_copied_to_the_next(migrants):
    run = begun(migrants=migrants, reset_after=0)
    run.run()
    found = records(run, Migrated)
    assert len(found) == run.search.state.population.n_credited // 12
    sent = 0
    for at, record in found:
        was = before(run, at, migrants=migrants, reset_after=0)
        assert was.population.n_credited - was.population.islands.migrated_at >= 12
        for island in range(ISLANDS):
            target = (island + 1) % ISLANDS
            known = {was.population.candidates[number].id for number, _ in was.population.archives[target].cells.placed_cells()}
            expected = [one for one in ranked(was, island) if one not in known][:migrants]
            moves = [move for move in record.moves if move.source == island]
            assert [move.candidate for move in moves] == expected
            assert {move.target for move in moves} <= {target}
        sent += len(record.moves)
        now = before(run, at + 1, migrants=migrants, reset_after=0)
        for move in record.moves:
            number = now.population.by_id[move.candidate]
            assert all(now.population.islands.is_known(number, island) for island in (move.source, move.target))
        assert next_migration(now) is None
    assert sent > ISLANDS


def test_the_worst_half_begins_anew_and_nobody_is_forgotten():
    run = begun(migration_interval=10_000)
    run.run()
    found = records(run, IslandsReset)
    assert found
    for at, record in found:
        was, now = before(run, at, migration_interval=10_000), before(run, at + 1, migration_interval=10_000)
        tops = [max(map(archive.cells.value, archive.cells.elites), default=-np.inf) for archive in was.population.archives]
        (worst,) = record.islands
        assert tops[worst] == min(tops)
        (founder,) = record.founders
        assert (founder.target, founder.source) == (worst, int(np.argmax(tops)))
        assert founder.candidate == ranked(was, founder.source)[0]
        assert ranked(now, worst) == [founder.candidate]
        gone = {number for number, _ in was.population.archives[worst].cells.placed_cells()}
        assert gone
        assert all(now.population.score(number) == was.population.score(number) for number in gone)
        assert now.population.leader == was.population.leader
        assert [archive.cells.dump() for i, archive in enumerate(now.population.archives) if i != worst] == [
            archive.cells.dump() for i, archive in enumerate(was.population.archives) if i != worst
        ]
        assert next_reset(now) is None
        since = max(was.population.leader_since, was.population.islands.reset_at)
        assert was.population.n_credited - since >= 8
        assert record.why == f"{was.population.n_credited - since} children without a better best"


def test_an_island_that_was_reset_goes_on_with_new_programs():
    run = begun(migration_interval=10_000)
    run.run()
    at, record = records(run, IslandsReset)[0]
    first = before(run, at, migration_interval=10_000)
    old = {number for number, _ in first.population.archives[record.islands[0]].cells.placed_cells()}
    later = run.search.state.population
    assert old <= later.islands.left
    for number in old & set(later.elites):  # only where a copy of it stands
        assert number in later.islands.guests


def test_what_is_retracted_leaves_every_island(run):
    steps(run, 250)
    population = run.search.state.population

    def n_known(number):
        return sum(population.islands.is_known(number, island) for island in range(ISLANDS))

    number = next(one for one in population.islands.guests if one != 0 and n_known(one) > 1)
    run.write(Retraction(PROBLEM, population.candidates[number].id, "a hack"))
    assert n_known(number) == 0


def test_a_parent_that_is_replaced_stays_where_it_is_a_guest(run):
    """It was looked for at home, where it was not known any more."""
    steps(run, 250)
    population = run.search.state.population
    islands = population.islands
    parent = next(
        one for one in islands.guests
        if one != 0 and one not in islands.left and one in population.archive_of(one).cells and len(islands.stands(one, (0, 0))) > 1
    )  # fmt: skip
    row = population.candidates[parent]
    free = (one for one in range(1, len(population.candidates)) if one not in {*islands.guests, *islands.left})
    child = next(one for one in free if population.score(one) is not None)
    islands.forget(child, (population.candidates[child].island, population.candidates[child].cell))
    population.candidates[child].island, population.candidates[child].cell = row.island, row.cell
    islands.left.add(child)  # its home was reset, and the parent is back there: it is not to be
    assert population.replace_parent(child, parent) == []
    islands.left.remove(child)
    assert population.replace_parent(child, parent)
    assert not islands.is_known(parent, row.island)
    population.elect_leader()
    population._placed_with = (9.0, 9.0, 9.0)
    population._replace_all()  # every elite is judged again
    assert not islands.is_known(parent, row.island)
    assert all(islands.is_known(parent, island) for island, _ in islands.guests[parent])


def test_one_island_has_neither_migration_nor_reset():
    run = begun(islands=1)
    run.run()
    assert not records(run, Migrated)
    assert not records(run, IslandsReset)
    assert {record.island for _, record in records(run, ProposeIssued)} == {0}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"policy": "auto", "islands": 3}, r"search.islands must be 1 with search=auto, found 3; type search=map_elites"),
        ({"policy": "hill_climb", "islands": 2}, r"search.islands must be 1 with search=hill_climb, found 2"),
        ({"migrants": 2}, r"search.migrants is for several islands and must be left out with one, found 2; type search.islands=4"),
        ({"reset_after": 0}, r"search.reset_after is for several islands .*, found 0; .* search.reset_after=0"),
    ],
)  # fmt: skip
def test_settings_of_islands_without_islands_are_refused(given, told):
    with pytest.raises(ConfigError, match=told):
        check_names(RunConfig(search=SearchConfig(**{"policy": "map_elites", **given})))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"islands": 0}, "search.islands must be from 1 to 64, found 0"),
        ({"migration_interval": 0}, "search.migration_interval must be at least 1, found 0"),
        ({"migrants": 0}, "search.migrants must be at least 1, found 0"),
        ({"reset_after": -1}, "search.reset_after must be at least 0, found -1"),
    ],
)
def test_values_that_cannot_be_are_refused(given, told):
    with pytest.raises(ConfigError, match=told):
        SearchConfig(**given)
