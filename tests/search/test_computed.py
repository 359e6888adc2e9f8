"""Descriptors of structure and of behaviour: when cells along them are used, that chance hardly makes them, and that a reopened run
has the same."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from simulation import Simulation, build, contract, hash_of, state

from archive import Axis, CVTArchive, Event, GridArchive, LateArchive, Measurement, NoveltyArchive, Rebinned, StartMode, Status
from evolve._errors import ConfigError
from evolve.config._schema import RunConfig, SearchConfig
from evolve.engine.registry._registry import check_names, parts_of
from evolve.propose import AST_DESCRIPTORS
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._behaviour import with_behaviour
from evolve.search._cells_differ import Bred, p_values
from evolve.search._computed import NAMES, TESTED, _of_behaviour
from evolve.testing import ArchiveContract, Watched

BARE = replace(contract(), axes=())
CONFIG = {"descriptors": "structure", "tuner_share": 0.0}
BEHAVIOUR = {"descriptors": "behaviour", "tuner_share": 0.0, "uniform_parent_share": 1.0}


class TestLateArchiveOfOneCell(ArchiveContract):
    @pytest.fixture
    def make(self):
        return lambda *, capacity: LateArchive(capacity=capacity)


class TestLateArchiveWithAxes(ArchiveContract):
    @pytest.fixture
    def make(self):
        axes = (Axis("x", 0.0, 1.0, 3), Axis("y", 0.0, 1.0, 3))
        return lambda *, capacity: LateArchive(capacity=9, elites_per_cell=capacity, axes=axes)


class TestLateArchiveByDistance(ArchiveContract):
    @pytest.fixture
    def make(self):
        axes = (Axis("x", 0.0, 1.0, 3), Axis("y", 0.0, 1.0, 3))

        def novel(axes):
            return NoveltyArchive(axes=axes, distance=0.3)

        return lambda *, capacity: LateArchive(capacity=9, elites_per_cell=capacity, axes=axes, cells_over=novel)


@pytest.mark.parametrize(
    "cells_over",
    [lambda axes: CVTArchive(axes=axes, n_cells=5, seed=3), lambda axes: NoveltyArchive(axes=axes, distance=0.2)],
    ids=["cvt", "novelty"],
)
def test_the_cells_may_be_those_of_another_archive(cells_over):
    axes = (Axis("x", 0.0, 1.0, 3),)
    where = {key: {"x": (7 * key % 10) / 10} for key in range(10)}
    late = LateArchive(capacity=4, cells_over=cells_over)
    for key in where:
        late.add_or_update(key, late.cell_of(where[key]), float(key), 0.0)
    late, plain = late.rebin(axes, where.__getitem__), cells_over(axes)
    for key in where:
        plain.add_or_update(key, plain.cell_of(where[key]), float(key), 0.0)
    assert (late.cells.dump(), late.n_cells) == (plain.cells.dump(), plain.n_cells)
    assert late.n_cells > 1
    again = LateArchive(capacity=4, cells_over=cells_over)
    again.load(late.dump())
    for one in (again, plain):
        one.add_or_update(10, one.cell_of({"x": 5.0}), 0.5, 0.0)  # a cell of its own where candidates found them
    assert (again.cells.dump(), again.n_cells) == (plain.cells.dump(), plain.n_cells)


def test_an_archive_of_one_cell_becomes_a_grid_and_comes_back_as_one():
    axes = (Axis("x", 0.0, 1.0, 3), Axis("late", 2.0, 4.0, 2))
    where = {key: {"x": key / 10} | ({"late": 3.5} if key % 2 else {}) for key in range(10)}
    archive = LateArchive(capacity=4)
    for key in where:
        archive.add_or_update(key, archive.cell_of(where[key]), float(key), 0.0)
    assert archive.cells.occupants(0) == (9, 8, 7, 6)
    grid = archive.rebin(axes, where.__getitem__)
    plain = Watched(GridArchive(axes=axes))
    for key in where:
        plain.put(key, plain.archive.cell_of({"late": 2.0} | where[key]), float(key), 0.0)
    assert grid.cells.dump() == plain.archive.cells.dump()
    assert (grid.n_cells, grid.space, grid.cells.capacity) == (6, 2, 1)
    again = LateArchive(capacity=4)
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
        if isinstance(entry.record, Rebinned) or (isinstance(entry.record, Event) and entry.record.what in TESTED.values())
    ]


CELLS = [{}, {"archive": "cvt", "archive_cells": 16}, {"archive": "novelty"}]


@pytest.fixture(scope="module", params=CELLS, ids=["grid", "cvt", "novelty"])
def planted(request):
    run = searched(uniform_parent_share=1.0, **request.param)
    run.cells = request.param
    return run


def test_what_tells_what_children_gain_becomes_the_axis_of_cells(planted):
    record = looks(planted)[-1][1]
    assert isinstance(record, Rebinned)
    assert record.axes[0].name == "calls"
    assert (record.axes[0].low, record.axes[0].high) == (0.0, 5.0)
    population = planted.search.state.population
    assert population.archives[0].n_cells > 1
    assert population.archives[0].space == 2
    assert "calls" in record.why
    assert "tell what children gain (p = 0.00" in record.why
    assert planted.search.state.computed.verdict == record.why
    assert sum(isinstance(one, Rebinned) for _, one in looks(planted)) == 1


def test_where_nothing_tells_there_is_one_cell_and_the_verdict_says_so():
    run = searched(telling=False, uniform_parent_share=1.0)
    found = [record for _, record in looks(run)]
    assert all(isinstance(one, Event) for one in found)
    assert len(found) == 2  # at 128 and at 256 children
    assert run.search.state.computed.verdict == found[-1].text
    assert found[-1].text.startswith("no descriptor of structure tells what children gain (")
    assert run.search.state.computed.looked_at >= 256
    assert run.search.state.population.archives[0].n_cells == 1


def test_a_replay_tests_nothing_again_and_a_checkpoint_keeps_verdict_and_cells(planted, monkeypatch):
    monkeypatch.setattr("evolve.search._computed.p_values", lambda *arguments: pytest.fail("tested again"))
    at = looks(planted)[-1][0] + 5
    made = {**CONFIG, "uniform_parent_share": 1.0, **planted.cells}
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


class Behaving(Structured):
    """Programs take some time, by their text, and scatter by a fifth; children of slow ones do better where ``telling``.  They
    report a number that is their score in other words."""

    def measure(self, issued, index):
        result = super().measure(issued, index)
        rng, kind = np.random.default_rng(hash_of(result.candidate) + 7), hash_of(result.candidate) % 3
        times = 0.1 * 4.0 ** (kind if self.telling else 0) * np.exp(0.2 * rng.normal(size=2))
        if result.score is None:
            return result
        row = self.search.state.population.candidates[self.search.state.population.by_id[result.candidate]]
        before = self.search.state.population.score(row.parents[0]) if row.parents else None
        score = result.score
        if before is not None and self.telling:
            parent = self.search.state.population.candidates[row.parents[0]]
            score = before + (0.1 if hash_of(parent.id) % 3 else -0.1) + 0.01 * rng.normal()
        return replace(
            result, score=float(score), cpu_s=float(times[0]), wall_s=float(times[1]), metrics={"value": 10 * float(score)}
        )


def behaved(telling):
    run = Behaving(build(BARE, evaluations=330, **BEHAVIOUR), np.random.default_rng(2))
    run.telling = telling
    run.begin()
    run.run()
    return run


def test_times_that_tell_what_children_gain_become_axes_and_what_is_the_score_does_not():
    run = behaved(telling=True)
    record = looks(run)[-1][1]
    assert isinstance(record, Rebinned)
    assert {axis.name for axis in record.axes} <= {"cpu_time", "wall_time"}
    assert run.search.state.population.archives[0].n_cells > 1
    assert "metrics.value" not in _of_behaviour(run.search.state)
    assert {"cpu_time", "wall_time"} <= {*_of_behaviour(run.search.state)}
    replayed = build(BARE, evaluations=330, **BEHAVIOUR)
    for entry in run.log:
        replayed.apply(entry)
    assert state(replayed) == state(run.search)


def test_times_that_only_scatter_make_no_cells():
    run = behaved(telling=False)
    found = [record for _, record in looks(run)]
    assert len(found) == 2
    assert all(isinstance(one, Event) and one.what == "behaviour_tested" for one in found)
    assert found[0].text.startswith("no descriptor of behaviour tells what children gain (")


def test_behaviour_is_what_was_measured_against_the_first_program_in_powers_of_two():
    search = build(BARE, descriptors="behaviour")
    search.state.computed.on_measured(Measurement("i", "stage0", 1, Status.OK, cpu_s=0.2, wall_s=0.4, memory_mib=50.0))
    search.state.computed.on_measured(Measurement("i", "stage0", 2, Status.OK, cpu_s=9.0, wall_s=9.0, memory_mib=9.0))
    result = Measurement(
        "c",
        "stage0",
        1,
        Status.OK,
        cpu_s=0.75,
        wall_s=0.11,
        memory_mib=0.0,
        artifacts={"a": "x" * 100, "b": ""},
        feedback="y" * 27,
        metrics={"hits": 3.0, "odd": float("nan")},
        descriptors={"own": 4.0},
    )
    assert with_behaviour(search.state, result).descriptors == {
        "cpu_time": 2.0,
        "wall_time": -2.0,
        "memory": -6.0,
        "artifacts": 2.0,
        "output": 7.0,
        "metrics.hits": 3.0,
        "own": 4.0,
    }
    a_third_more = replace(result, cpu_s=0.75 * 1.33)
    assert with_behaviour(search.state, a_third_more).descriptors["cpu_time"] == 2.0
    warm = replace(result, start=StartMode.WARM)  # the first of its kind, which the cold ones say nothing of
    assert with_behaviour(search.state, warm).descriptors["cpu_time"] == 0.0
    search.state.computed.on_measured(replace(warm, cpu_s=0.001))
    assert with_behaviour(search.state, replace(warm, cpu_s=0.004)).descriptors["cpu_time"] == 2.0
    assert with_behaviour(search.state, result).descriptors["cpu_time"] == 2.0
    failed = replace(result, status=Status.CRASH)
    assert with_behaviour(search.state, failed) is failed
    assert with_behaviour(build(BARE).state, result) is result


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
    told = r"search.archive must be one of auto, grid, cvt, novelty with search.descriptors=behaviour, .* found 'topk'"
    with pytest.raises(ConfigError, match=told):
        check_names(RunConfig(search=SearchConfig(descriptors="behaviour", archive="topk")))
    with pytest.raises(ConfigError, match=r"search.descriptors must be one of declared, structure, behaviour, found 'tree'"):
        SearchConfig(descriptors="tree")


def test_ranges_of_computed_descriptors_may_be_replaced_too():
    config = RunConfig(search=SearchConfig(descriptors="structure", rebin_share=0.3))
    assert isinstance(parts_of(config).archive(BARE, config.search), LateArchive)
