"""Descriptors of structure: when cells along them are used, that chance hardly makes them, and that a reopened run has the same."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from simulation import Simulation, build, contract, hash_of, state

from archive import Event, GridArchive, LateGridArchive, Rebinned
from evolve._errors import ConfigError
from evolve.config._schema import RunConfig, SearchConfig
from evolve.engine.registry._registry import check_names, parts_of
from evolve.propose import AST_DESCRIPTORS
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._cells_differ import Bred, p_values
from evolve.search._structure import NAMES, TESTED
from evolve.testing import ArchiveContract, Watched

BARE = replace(contract(), axes=())
CONFIG = {"descriptors": "structure", "tuner_share": 0.0}


class TestLateGridOfOneCell(ArchiveContract):
    @pytest.fixture
    def make(self):
        return lambda *, capacity: LateGridArchive(capacity=capacity)


class TestLateGridWithAxes(ArchiveContract):
    @pytest.fixture
    def make(self):
        from archive import Axis

        axes = (Axis("x", 0.0, 1.0, 3), Axis("y", 0.0, 1.0, 3))
        return lambda *, capacity: LateGridArchive(capacity=9, elites_per_cell=capacity, axes=axes)


def test_an_archive_of_one_cell_becomes_a_grid_and_comes_back_as_one():
    from archive import Axis

    axes = (Axis("x", 0.0, 1.0, 3), Axis("late", 2.0, 4.0, 2))
    where = {key: {"x": key / 10} | ({"late": 3.5} if key % 2 else {}) for key in range(10)}
    archive = LateGridArchive(capacity=4)
    for key in where:
        archive.add_or_update(key, archive.cell_of(where[key]), float(key), 0.0)
    assert archive.cells.occupants(0) == (9, 8, 7, 6)
    grid = archive.rebin(axes, where.__getitem__)
    plain = Watched(GridArchive(axes=axes))
    for key in where:
        plain.put(key, plain.archive.cell_of({"late": 2.0} | where[key]), float(key), 0.0)
    assert grid.cells.dump() == plain.archive.cells.dump()
    assert (grid.n_cells, grid.space, grid.cells.capacity) == (6, 2, 1)
    again = LateGridArchive(capacity=4)
    again.load(grid.dump())
    assert again.cell_of({"x": 0.9}) == grid.cell_of({"x": 0.9}) == grid.cell_of({"x": 0.9, "late": 2.0})
    assert (again.cells.dump(), again.space) == (grid.cells.dump(), 2)


# -------------------------------------------------------------------------------------------------- the test of cells


def children(rng, *, effect=0.0, lucky=0.0, level=0.0, n_parents=60, each=4):
    """Parents with two descriptors; children of good ones gain less.  ``effect`` is what children of programs high on the first
    gain more, ``lucky`` by how much parents differ for no reason that a descriptor knows, ``level`` how much better a step on the
    first makes them."""
    found = []
    for parent in range(n_parents):
        where = {"a": float(rng.integers(8)), "b": float(rng.integers(8))}
        before = float(rng.normal()) + level * where["a"]
        own = lucky * rng.normal() + effect * (where["a"] > 3.5)
        for _ in range(each):
            score = before + float(rng.normal()) + own - 0.5 * before
            found.append(Bred(parent, before, where, score if rng.random() < 0.9 else None))
    return found


def test_a_kind_of_program_whose_children_gain_more_is_found_and_the_other_descriptor_is_not():
    found = [
        p_values(children(np.random.default_rng(seed), effect=1.2), ("a", "b"), np.random.default_rng(0)) for seed in range(20)
    ]
    assert sum(one["a"] <= 0.005 for one in found) >= 18
    assert sum(one["b"] <= 0.05 for one in found) <= 3


@pytest.mark.parametrize("world", [{}, {"lucky": 2.0}, {"level": 0.5}], ids=str)
def test_chance_lucky_parents_and_good_parents_pass_for_a_kind_no_more_often_than_they_may(world):
    """Of 200 p-values of worlds without an effect about a tenth may be below a tenth (binomial, 99.9 %: 36)."""
    found = [
        p
        for seed in range(100)
        for p in p_values(children(np.random.default_rng(seed), **world), ("a", "b"), np.random.default_rng(seed)).values()
    ]
    assert len(found) == 200
    assert sum(p <= 0.1 for p in found) <= 36
    assert max(found) > 0.5


def test_a_descriptor_that_hardly_varies_is_not_tested():
    rng = np.random.default_rng(0)
    found = [replace(one, descriptors={"a": 1.0, "b": float(one.parent == 3), "c": one.descriptors["a"]}) for one in children(rng)]
    assert set(p_values(found, ("a", "b", "c", "absent"), rng)) == {"c"}


def test_all_that_fail_gain_the_same():
    rng = np.random.default_rng(0)
    found = [replace(one, score=None) for one in children(rng, effect=9.0)]
    assert set(p_values(found, ("a", "b"), rng).values()) == {1.0}


# -------------------------------------------------------------------------------------------------- in a search


class Structured(Simulation):
    """Children of programs with many calls do better than their parents, those of the others never: planted where ``telling``."""

    telling = True

    def make(self, issued):
        made = super().make(issued)
        if made.candidate is None:
            return made
        draws = np.random.default_rng(hash_of(made.candidate.id))
        where = {name: float(draws.integers(6)) for name in NAMES}
        return replace(made, candidate=replace(made.candidate, descriptors=where))

    def measure(self, issued, index):
        result = super().measure(issued, index)
        population = self.search.state.population
        row = population.candidates[population.by_id[result.candidate]]
        if result.score is None or not row.parents:
            return result
        parent = population.candidates[row.parents[0]]
        before = population.score(row.parents[0]) or 0.0
        step = np.random.default_rng(hash_of(row.id) + 1).normal()
        better = parent.descriptors.get("calls", 0.0) >= 3 if self.telling else step > 0
        return replace(result, score=before + (0.1 if better else -0.1) + 0.01 * step)


def searched(telling=True, n=330, **config):
    run = Structured(build(BARE, evaluations=n, **{**CONFIG, **config}), np.random.default_rng(2))
    run.telling = telling
    run.begin()
    run.run()
    return run


def looks(run):
    return [
        (at, entry.record)
        for at, entry in enumerate(run.log)
        if isinstance(entry.record, Rebinned) or (isinstance(entry.record, Event) and entry.record.what == TESTED)
    ]


@pytest.fixture(scope="module")
def planted():
    return searched(uniform_parent_share=1.0)


def test_what_tells_what_children_gain_becomes_the_axis_of_a_grid(planted):
    record = looks(planted)[-1][1]
    assert isinstance(record, Rebinned)
    assert record.axes[0].name == "calls"
    assert (record.axes[0].low, record.axes[0].high) == (0.0, 5.0)
    population = planted.search.state.population
    assert population.archives[0].n_cells > 1
    assert population.archives[0].space == 2
    assert "calls" in record.why
    assert "tell what children gain (p = 0.00" in record.why
    assert planted.search.state.structure.verdict == record.why
    assert sum(isinstance(one, Rebinned) for _, one in looks(planted)) == 1


def test_where_nothing_tells_there_is_one_cell_and_the_verdict_says_so():
    run = searched(telling=False, uniform_parent_share=1.0)
    found = [record for _, record in looks(run)]
    assert all(isinstance(one, Event) for one in found)
    assert len(found) == 2  # at 128 and at 256 children
    assert run.search.state.structure.verdict == found[-1].text
    assert found[-1].text.startswith("no descriptor of structure tells what children gain (")
    assert run.search.state.structure.looked_at >= 256
    assert run.search.state.population.archives[0].n_cells == 1


def test_a_replay_tests_nothing_again_and_a_checkpoint_keeps_verdict_and_cells(planted, monkeypatch):
    monkeypatch.setattr("evolve.search._structure.p_values", lambda *arguments: pytest.fail("tested again"))
    at = looks(planted)[-1][0] + 5
    made = {**CONFIG, "uniform_parent_share": 1.0}
    head, resumed, whole = (build(BARE, evaluations=330, **made) for _ in range(3))
    for entry in planted.log[:at]:
        head.apply(entry)
    arrays: list[np.ndarray] = []
    load_state(resumed, json.loads(json.dumps(dump_state(head, arrays))), arrays)
    for entry in planted.log[at:]:
        resumed.apply(entry)
    for entry in planted.log:
        whole.apply(entry)
    assert state(resumed) == state(whole) == state(planted.search)


def test_nothing_is_tested_before_128_children_or_without_being_asked():
    assert not looks(searched(n=120))
    run = Structured(build(BARE, evaluations=200), np.random.default_rng(2))
    run.begin()
    run.run()
    assert not looks(run)


# -------------------------------------------------------------------------------------------------- settings


def test_every_name_is_one_that_can_be_computed():
    assert set(NAMES) <= set(AST_DESCRIPTORS)


def test_a_problem_with_descriptors_of_its_own_and_another_archive_are_refused():
    config = RunConfig(search=SearchConfig(descriptors="structure"))
    told = r"search.descriptors=structure is for problems that declare none, found where; leave it out"
    with pytest.raises(ConfigError, match=told):
        parts_of(config).archive(contract(), config.search)
    with pytest.raises(ConfigError, match=r"search.archive must be auto with search.descriptors=structure, .* found 'cvt'"):
        check_names(RunConfig(search=SearchConfig(descriptors="structure", archive="cvt")))
    with pytest.raises(ConfigError, match=r"search.descriptors must be one of declared, structure, found 'tree'"):
        SearchConfig(descriptors="tree")


def test_ranges_of_computed_descriptors_may_be_replaced_too():
    config = RunConfig(search=SearchConfig(descriptors="structure", rebin_share=0.3))
    assert isinstance(parts_of(config).archive(BARE, config.search), LateGridArchive)
