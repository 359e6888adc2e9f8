"""Which archive a search has is told by its configuration, and neither search nor checkpoint knows which it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from simulation import PROBLEM, Simulation, build, contract, state

from archive import CellArchive, CVTArchive, GridArchive, NoveltyArchive, TopKArchive
from evolve._errors import ConfigError
from evolve.config._schema import RunConfig, SearchConfig
from evolve.engine.registry._registry import check_names, parts_of
from evolve.runs import _checkpoint
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search.state._parts import Parts
from evolve.testing import plain_contract


class Halves(CellArchive):
    """Two cells, and how often somebody was put into each: state of its own."""

    def __init__(self, capacity):
        super().__init__(n_cells=2, capacity=capacity)
        self.puts = np.zeros(2)

    def cell_of(self, descriptors):
        return int(descriptors["where"] > 0.5)

    def add_or_update(self, key, cell, mean, sd):
        self.puts[cell] += 1
        return super().add_or_update(key, cell, mean, sd)

    def dump(self):
        return {**super().dump(), "puts": self.puts}

    def load(self, state):
        super().load(state)
        self.puts = state["puts"].copy()


def halves() -> Parts:
    shipped = parts_of(RunConfig())
    return Parts(shipped.operators, lambda contract, config: Halves(config.archive_size))


def archive_of(of, **search):
    config = RunConfig(search=SearchConfig(**search))
    return parts_of(config).archive(of, config.search)


def test_the_name_says_which():
    with_axes, without = contract(), plain_contract()
    found = {
        (name, bool(of.axes)): type(archive_of(of, archive=name))
        for name, of in (
            ("auto", with_axes),
            ("auto", without),
            ("grid", with_axes),
            ("topk", with_axes),
            ("topk", without),
            ("cvt", with_axes),
            ("novelty", with_axes),
        )
    }
    assert found == {
        ("auto", True): GridArchive, ("auto", False): TopKArchive, ("grid", True): GridArchive, ("topk", True): TopKArchive,
        ("topk", False): TopKArchive, ("cvt", True): CVTArchive, ("novelty", True): NoveltyArchive,
    }  # fmt: skip
    assert archive_of(with_axes, archive="topk", archive_size=3).cells.capacity == 3
    assert archive_of(with_axes, archive="cvt", archive_cells=7).n_cells == 7
    found = archive_of(with_axes, archive="novelty", novelty_distance=0.3, novelty_neighbors=2)
    assert (found.distance, found.neighbors) == (0.3, 2)


@pytest.mark.parametrize("name", ["grid", "cvt", "novelty"])
def test_an_archive_over_descriptors_says_what_to_type_where_there_are_none(name):
    told = (
        rf"^search.archive={name} has cells along descriptors, and the problem scripted declares none; type search.archive={name} "
    )
    with pytest.raises(ConfigError, match=told):
        archive_of(plain_contract(), archive=name)


def test_the_cells_of_a_tessellation_hang_on_the_seed_of_the_run():
    def centroids(seed):
        config = RunConfig(search=SearchConfig(archive="cvt"), seed=seed)
        return parts_of(config).archive(contract(), config.search).centroids.tolist()

    assert centroids(1) == centroids(1) != centroids(2)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"archive_cells": 9}, "search.archive_cells is for search.archive=cvt and must be left out with .*=auto, found 9;"),
        ({"archive": "grid", "novelty_distance": 0.2}, "novelty_distance is for .*=novelty and .* with search.archive=grid"),
        ({"archive": "cvt", "novelty_neighbors": 2}, "type search.archive=novelty search.novelty_neighbors=2"),
    ],
)
def test_settings_of_another_archive_are_refused(given, told):
    with pytest.raises(ConfigError, match=told):
        check_names(RunConfig(search=SearchConfig(**given)))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"archive_cells": 1}, "search.archive_cells must be from 2 to 10000, found 1"),
        ({"novelty_distance": 0.0}, "search.novelty_distance must be above 0, found 0.0"),
        ({"novelty_neighbors": 0}, "search.novelty_neighbors must be at least 1, found 0"),
    ],
)
def test_values_that_cannot_be_are_refused(given, told):
    with pytest.raises(ConfigError, match=told):
        SearchConfig(**given)


@pytest.mark.parametrize("noisy", [False, True], ids=["exact", "noisy"])
@pytest.mark.parametrize(
    "archive", [{"archive": "cvt", "archive_cells": 12}, {"archive": "novelty", "novelty_distance": 0.02}], ids=str
)
def test_checkpoint_and_tail_equal_a_full_replay_and_killed_drivers_lose_nothing(archive, noisy):
    made = contract(noisy=noisy)
    world = Simulation(build(made, **archive), np.random.default_rng(4), losses=0.1, noise=0.05 if noisy else 0.0)
    world.begin()
    for step in range(150):
        world.step()
        if step % 40 == 39:
            world.open()  # the driver before was killed
    world.run()
    assert world.search.state.population.archives[0].cells.n_filled > 1
    head, whole, resumed = build(made, **archive), build(made, **archive), build(made, **archive)
    for entry in world.log[: len(world.log) // 2]:
        head.apply(entry)
    arrays: list[np.ndarray] = []
    tree = json.loads(json.dumps(dump_state(head, arrays)))
    load_state(resumed, tree, arrays)
    for entry in world.log[len(world.log) // 2 :]:
        resumed.apply(entry)
    for entry in world.log:
        whole.apply(entry)
    assert state(resumed) == state(whole) == state(world.search)


def test_a_search_over_the_best_of_all_goes_through_on_a_problem_with_axes():
    world = Simulation(build(contract(), archive="topk", archive_size=4), np.random.default_rng(0))
    world.begin()
    world.run()
    population = world.search.state.population
    assert 1 < len(population.elites) <= 4
    assert {population.candidates[number].cell for number in population.elites} == {0}


def test_a_checkpoint_asks_each_class_once_whether_it_is_an_archive(monkeypatch):
    """Asked of every value it was three quarters of the time that a small run's checkpoint takes."""
    asked = []

    class Protocol(type):
        def __instancecheck__(cls, value):
            asked.append(type(value))
            return isinstance(value, CellArchive)

    monkeypatch.setattr(_checkpoint, "Archive", Protocol("Archive", (), {}))
    monkeypatch.setattr(_checkpoint, "_ARCHIVES", {})
    search = build(contract())
    arrays = []
    tree = dump_state(search, arrays)
    load_state(build(contract()), tree, arrays)
    assert type(search.state.population.archives[0]) in asked
    assert len(asked) == len(set(asked))


def test_an_archive_that_the_checkpoint_never_heard_of_survives_it():
    world = Simulation(build(contract(), parts=halves(), archive_size=4), np.random.default_rng(0))
    world.begin()
    for _ in range(120):
        world.step()
    archive = world.search.state.population.archives[0]
    assert archive.puts.min() > 0
    arrays: list[np.ndarray] = []
    tree = json.loads(json.dumps(dump_state(world.search, arrays)))
    resumed = build(contract(), parts=halves(), archive_size=4)
    load_state(resumed, tree, arrays)
    assert state(resumed) == state(world.search)
    assert list(resumed.problems[PROBLEM].population.archives[0].puts) == list(archive.puts)
