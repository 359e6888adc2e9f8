"""How many slots a cluster has room for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve._errors import EnvironmentFault, UsageError
from evolve.execute.cluster._capacity import Node, SlotNeeds, capacity, names_of, needs_of, no_room, nodes_of
from evolve.problem.contract._contract import Contract, Stage
from evolve.problem.contract._placement import Placement, check_placement


def node(id_: str = "a", **resources: float) -> Node:
    return Node(id_, "host", resources=resources)


@pytest.mark.parametrize(
    ("needs", "resources", "slots"),
    [
        (SlotNeeds(1), {"CPU": 8}, 8),
        (SlotNeeds(3), {"CPU": 8}, 2),
        (SlotNeeds(0.1), {"CPU": 1}, 10),
        (SlotNeeds(1, 1), {"CPU": 8}, 0),
        (SlotNeeds(1, 1), {"CPU": 8, "GPU": 4}, 4),
        (SlotNeeds(1, 8), {"CPU": 8, "GPU": 4}, 0),
        (SlotNeeds(4, 0.25), {"CPU": 8, "GPU": 4}, 2),
    ],
)
def test_a_node_holds_as_many_as_its_scarcest_resource(needs: SlotNeeds, resources: dict[str, float], slots: int) -> None:
    assert node(**resources).holds(needs) == slots


@given(st.lists(st.integers(0, 9), max_size=6), st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_nodes_that_are_dead_drained_or_unfit_hold_nothing(cpus: list[int], draining: set[int], unfit: set[int]) -> None:
    told = [{"NodeID": str(i), "Alive": i % 3 != 2, "Resources": {"CPU": n}} for i, n in enumerate(cpus)]
    nodes = nodes_of(told, {str(i) for i in draining})
    expected = sum(n for i, n in enumerate(cpus) if i % 3 != 2 and i not in draining | unfit)
    assert capacity(nodes, SlotNeeds(1), {str(i) for i in unfit}) == expected


@pytest.mark.parametrize(
    ("wanted", "found", "fits"),
    [
        ("H100", "H100", True),
        ("H100", "H200", False),
        ("H100", None, False),
        ("!H100", "H200", True),
        ("!H100", "H100", False),
        ("!H100", None, True),
        ("in(H100, H200)", "H200", True),
        ("in(H100,H200)", "H20", False),
        ("!in(H100,H200)", "H200", False),
        ("!in(H100,H200)", None, True),
    ],
)
def test_labels_are_read_as_ray_reads_them(wanted: str, found: str | None, fits: bool) -> None:
    labels = {} if found is None else {"card": found}
    here = Node("a", "host", resources={"CPU": 2}, labels=labels)
    assert (here.holds(SlotNeeds(placement=Placement(labels={"card": wanted}))) == 2) is fits


def test_nodes_are_told_apart_where_they_have_one_name_and_there_alone() -> None:
    nodes = [Node("aaaaaaaa", "box"), Node("bbbbbbbb", "box"), Node("cccccccc", "pod"), Node("dddddddd", "pod", alive=False)]
    assert names_of(nodes) == {"aaaaaaaa": "box aaaaaa", "bbbbbbbb": "box bbbbbb", "cccccccc": "pod"}
    said = no_room(nodes, SlotNeeds(gpus=1))
    assert "found box aaaaaa: 0 CPUs, 0 GPUs; box bbbbbb: 0 CPUs, 0 GPUs; pod: 0 CPUs, 0 GPUs;" in said


def test_an_actor_is_asked_for_with_labels_fallback_and_without_unfit_nodes() -> None:
    placement = Placement(labels={"card": "in(a, b)"}, fallback=({},), resources={"licence": 2.0})
    barred = {"ray.io/node-id": "!in(x,y)"}
    assert SlotNeeds(placement=placement).options(["y", "x"]) == {
        "num_cpus": 1.0,
        "num_gpus": 0.0,
        "resources": {"licence": 2.0},
        "label_selector": {"card": "in(a,b)", **barred},
        "fallback_strategy": [{"label_selector": barred}],
    }
    assert SlotNeeds().options() == {"num_cpus": 1.0, "num_gpus": 0.0}


def test_problems_of_one_run_agree_on_labels_and_share_the_most_of_each_resource() -> None:
    def problem(name: str, **asked: object) -> Any:
        return SimpleNamespace(contract=Contract(name=name, metric="m", goal="maximize", stages=(Stage(name="full"),), **asked))

    west = {"zone": "west"}
    one, other = Placement(labels=west, resources={"a": 1.0}), Placement(labels=west, resources={"a": 2.0, "b": 1.0})
    needs = needs_of([problem("x", placement=one), problem("y", placement=other), problem("z")])
    assert needs.placement == Placement(labels=west, resources={"a": 2.0, "b": 1.0})
    with pytest.raises(UsageError, match=r"found y with zone=east and x with zone=west; give each a run of its own"):
        needs_of([problem("x", placement=Placement(labels=west)), problem("y", placement=Placement(labels={"zone": "east"}))])


def test_a_problem_that_asks_for_nodes_does_not_run_on_a_machine_alone() -> None:
    asked = Contract(name="x", metric="m", goal="maximize", placement=Placement(labels={"card": "H100"}))
    with pytest.raises(EnvironmentFault, match=r"expected a node of a cluster with card=H100 for x .* executor=ray"):
        check_placement(asked)
    check_placement(replace(asked, placement=Placement(labels={"card": "H100"}, fallback=({},))))
