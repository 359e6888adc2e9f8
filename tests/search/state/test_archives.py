"""Which archive a search has is told by its configuration, and neither search nor checkpoint knows which it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from simulation import PROBLEM, Simulation, build, contract, state

from archive import CellArchive, GridArchive, TopKArchive
from evolve._errors import ConfigError
from evolve.config._schema import RunConfig, SearchConfig
from evolve.engine.registry._registry import parts_of
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
        for name, of in (("auto", with_axes), ("auto", without), ("grid", with_axes), ("topk", with_axes), ("topk", without))
    }
    assert found == {
        ("auto", True): GridArchive, ("auto", False): TopKArchive, ("grid", True): GridArchive, ("topk", True): TopKArchive,
        ("topk", False): TopKArchive,
    }  # fmt: skip
    assert archive_of(with_axes, archive="topk", archive_size=3).cells.capacity == 3
    with pytest.raises(ConfigError, match=r"search.archive=grid cannot be used with scripted: axes is empty"):
        archive_of(without, archive="grid")


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
