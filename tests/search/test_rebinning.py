"""Ranges that turn out wrong are replaced by a record: when, by which, who comes back, and that nothing is lost."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from simulation import Simulation, build, contract, state

from archive import Axis, ElitePlaced, Rebinned
from evolve._errors import ConfigError
from evolve.config._schema import RunConfig, SearchConfig
from evolve.engine.registry._registry import parts_of
from evolve.engine.requests._handlers import handle
from evolve.problem.contract._contract import DescriptorSpec
from evolve.runs._checkpoint import dump_state, load_state
from evolve.runs._inbox import Request
from evolve.search._rebinning import next_rebinning
from evolve.testing import plain_contract
from evolve.views._spread import Lines


def narrow(low=0.9, high=0.95):
    """The simulation's candidates stand between 0 and 1."""
    return replace(contract(), axes=(DescriptorSpec(name="where", source="ast", low=low, high=high, bins=8),))


def run_of(made, steps=100_000, **search):
    run = Simulation(build(made, evaluations=150, **search), np.random.default_rng(3))
    run.begin()
    run.run(steps)
    return run


def rebinned(run):
    return [(at, entry.record) for at, entry in enumerate(run.log) if isinstance(entry.record, Rebinned)]


@pytest.mark.parametrize("archive", ["grid", "cvt", "novelty"])
def test_a_range_that_most_stand_beyond_becomes_what_they_span_once(archive):
    run = run_of(narrow(), archive=archive, rebin_share=0.3)
    ((_, record),) = rebinned(run)
    population = run.search.state.population
    (axis,) = record.axes
    values = [row.descriptors["where"] for row in population.candidates if row.cell >= 0]
    assert 0.0 <= axis.low < 0.9
    assert axis.bins == 8
    assert population.ranges.axes == record.axes
    assert population.ranges.n_placed == len(values)
    assert population.ranges.beyond.get("where", 0) == sum(not axis.low <= value <= axis.high for value in values)
    assert f"beyond where 0.9 to 0.95, which is {axis.low:g} to {axis.high:g} now" in record.why
    assert {one.space for one in population.archives} == {record.space} == {2}


def test_all_candidates_are_judged_again_and_those_that_come_back_are_named():
    run = run_of(narrow(), rebin_share=0.3)
    ((at, record),) = rebinned(run)
    before, after = build(narrow(), evaluations=150, rebin_share=0.3), build(narrow(), evaluations=150, rebin_share=0.3)
    for entry in run.log[:at]:
        before.apply(entry)
    for entry in run.log[: at + 1]:
        told = after.apply(entry)
    names = [
        {search.state.population.candidates[number].id for number in search.state.population.elites} for search in (before, after)
    ]
    assert names[1] - names[0]
    assert set(record.returned) == names[1] - names[0]
    shown = {one.candidate for one in told if isinstance(one, ElitePlaced) and one.candidate}
    assert shown == names[1]
    assert {one.space for one in told} == {2}
    cells = [search.state.population.archives[0].cells for search in (before, after)]
    assert [key for key, _ in cells[0].placed_cells()] == [key for key, _ in cells[1].placed_cells()]
    assert before.state.population.leader == after.state.population.leader


def test_a_replay_decides_nothing_again_and_a_checkpoint_keeps_the_ranges():
    run = run_of(narrow(), rebin_share=0.3)
    ((at, _),) = rebinned(run)
    never, head, resumed = (build(narrow(), evaluations=150, rebin_share=share) for share in (None, 0.3, 0.3))
    for entry in run.log[: at + 20]:
        head.apply(entry)
    arrays: list[np.ndarray] = []
    load_state(resumed, json.loads(json.dumps(dump_state(head, arrays))), arrays)
    for entry in run.log[at + 20 :]:
        resumed.apply(entry)
    for entry in run.log:
        never.apply(entry)
    assert state(resumed) == state(never) == state(run.search)


@pytest.mark.parametrize(("made", "share"), [(narrow(), None), (narrow(0.0, 1.0), 0.3), (narrow(0.3, 0.8), 0.9)])
def test_ranges_stay_where_nobody_asks_or_few_stand_beyond_them(made, share):
    assert not rebinned(run_of(made, rebin_share=share))


def test_a_few_candidates_decide_nothing():
    run = run_of(narrow(), 60, rebin_share=0.3)
    assert run.search.state.population.ranges.n_placed < 32
    assert run.search.state.population.ranges.beyond["where"] > 0.3 * run.search.state.population.ranges.n_placed
    assert not rebinned(run)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0] * 40, (0.9, 2.0)),  # all at one place: the old range beside it
        ([-3.0] * 40, (-3.0, 0.95)),
        ([*range(100), 1e9, -1e9], (0.0, 99.0)),  # one odd value at each end
        ([-1e308, 1e308] * 20, None),  # no range
    ],
)
def test_what_a_range_becomes(values, expected):
    search = build(narrow(), rebin_share=0.3)
    run = Simulation(search, np.random.default_rng(0))
    run.begin()
    run.run(40)
    population = search.state.population
    first = population.candidates[0]
    population.candidates = [replace(first, descriptors={"where": float(value)}, cell=0) for value in values]
    population.archives[0].cells.__init__(capacity=1)
    population.ranges.on_rebinned(population.ranges.axes, [row.descriptors for row in population.candidates])
    found = next_rebinning(search.state)
    assert (found and (found.axes[0].low, found.axes[0].high)) == expected


def test_an_axis_that_is_right_stays_beside_one_that_is_wrong():
    made = replace(
        narrow(), axes=(*narrow().axes, DescriptorSpec(name="other", source="outcome", low=0.0, high=1.0, bins=3))
    )  # nobody gives it, so all stand at its low end
    ((_, record),) = rebinned(run_of(made, rebin_share=0.3))
    assert record.axes[0] != made.axes[0].info
    assert record.axes[1] == Axis("other", 0.0, 1.0, 3)
    assert "other" not in record.why


@pytest.mark.parametrize(
    ("made", "archive", "told"),
    [
        (
            plain_contract(),
            "auto",
            "cannot be used with the problem scripted and search.archive=auto: there are no descriptors; leave it out",
        ),
        (contract(), "topk", "and search.archive=topk: TopKArchive has no axes; expected an archive with some; leave it out"),
    ],
)
def test_an_archive_that_has_no_ranges_is_told(made, archive, told):
    config = RunConfig(search=SearchConfig(archive=archive, rebin_share=0.5))
    with pytest.raises(ConfigError, match=told):
        parts_of(config).archive(made, config.search)


@pytest.mark.parametrize("share", [0.0, 0.04, 1.0, -1.0])
def test_a_share_that_would_never_rest_is_refused(share):
    with pytest.raises(ConfigError, match=r"search.rebin_share must be at least 0.05 and below 1, found"):
        SearchConfig(rebin_share=share)


# -------------------------------------------------------------------------------------------------- by hand


def asked(search, axes, request="r1"):
    return handle(search, Request(request, "rebin", json.dumps({"axes": axes})), None, 0.0)


@pytest.mark.parametrize("archive", ["grid", "cvt", "novelty"])
def test_a_range_that_is_given_by_hand_holds_also_where_most_stand_beyond_it(archive):
    run = run_of(contract(), 200, archive=archive, rebin_share=0.3)
    assert not rebinned(run)
    record, reply = asked(run.search, {"where": [0.9, 0.95]})
    assert reply.accepted
    assert (record.axes, record.request, record.by_hand) == ((Axis("where", 0.9, 0.95, 8),), "r1", ("where",))
    said = "where is 0.9 to 0.95{} now, was 0 to 1{}".format(*[" in 8 bins" * (archive == "grid")] * 2)
    assert record.why == f"by hand: {said}"
    run.write(record)
    population = run.search.state.population
    assert population.ranges.axes == record.axes
    assert run.search.state.run.handled_requests >= {"r1"}  # a driver that is killed now does not carry it out again
    run.run()
    assert population.ranges.beyond["where"] > 0.3 * population.ranges.n_placed
    assert len(rebinned(run)) == 1
    whole = build(contract(), evaluations=150, archive=archive, rebin_share=0.3)
    for entry in run.log:
        whole.apply(entry)
    assert state(whole) == state(run.search)


def test_bins_may_be_given_and_other_axes_stay():
    made = replace(contract(), axes=(*contract().axes, DescriptorSpec(name="other", source="outcome", low=0.0, high=1.0, bins=3)))
    run = run_of(made, 60)
    record, _ = asked(run.search, {"where": [0, 2, 20]})
    assert record.axes == (Axis("where", 0.0, 2.0, 20), Axis("other", 0.0, 1.0, 3))
    assert record.by_hand == ("where",)
    assert not run.search.state.population.ranges.by_hand  # until the record is applied


@pytest.mark.parametrize(
    ("axes", "search", "told"),
    [
        ({"were": [0, 1]}, {}, "expected one of where, found 'were'; "),
        ({"where": [1, 1]}, {}, "expected where=LOW:HIGH or where=LOW:HIGH:BINS with LOW below HIGH, found 1:1."),
        ({"where": [1]}, {}, "with LOW below HIGH, found 1."),
        ({"where": "0:1"}, {}, "with LOW below HIGH, found '0:1'."),
        ({"where": [-1e308, 1e308]}, {}, "with LOW below HIGH, found -1e+308:1e+308."),
        ({"where": [0, 1, 0]}, {}, "expected a whole number of bins from 1 to 1000, found where=0:1:0."),
        ({"where": [0, 1, 2.5]}, {}, "expected a whole number of bins from 1 to 1000, found where=0:1:2.5."),
        ({"where": [0, 1, 5]}, {"archive": "cvt"}, "search.archive=cvt has no bins; type where=0:1"),
        ({"where": [0, 1]}, {"archive": "topk"}, "search.archive=topk cannot take other ranges: TopKArchive has no axes"),
        ({}, {}, "expected NAME=LOW:HIGH or NAME=LOW:HIGH:BINS with LOW below HIGH, found no descriptor."),
        (None, {}, "found no descriptor."),
    ],
)
def test_what_cannot_be_given_by_hand_is_refused_with_the_reason(axes, search, told):
    run = run_of(contract(), 60, **search)
    (reply,) = asked(run.search, axes)
    assert not reply.accepted
    assert told in json.loads(reply.answer)["error"]


@pytest.mark.parametrize(
    ("descriptors", "told"),
    [
        ("declared", "there are no ranges to change: the problem declares no descriptors."),
        ("structure", "declares no descriptors, and no test has found yet that those of structure tell what children gain."),
    ],
)
def test_where_there_are_no_descriptors_there_is_nothing_to_give(descriptors, told):
    (reply,) = asked(run_of(replace(contract(), axes=()), 60, descriptors=descriptors).search, {"where": [0, 1]})
    assert told in json.loads(reply.answer)["error"]


@pytest.mark.parametrize(("archive", "is_flat"), [("grid", False), ("cvt", False), ("novelty", False), ("topk", True)])
def test_an_archive_that_descriptors_divide_says_so_with_a_single_elite_too(archive, is_flat):
    """A novelty archive has as many cells as were founded."""
    made = run_of(contract(), archive=archive, policy="map_elites", steps=4).search.state.population
    assert len(made.elites) == 1
    spread = Lines().spread(made)
    assert (spread.cells is None) is is_flat
    assert spread.axes == (() if is_flat else made.ranges.axes)
