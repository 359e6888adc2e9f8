"""How many slots a cluster has room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.execute.cluster._capacity import Node, SlotNeeds, capacity, nodes_of
from evolve.execute.cluster._fleet import _fault_of
from evolve.execute.cluster._host import HostFacts


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


def test_a_node_with_another_version_is_told_as_such() -> None:
    import evolve

    fit = HostFacts(machine="m", node="n", pid=1, engine=evolve.__version__)
    assert _fault_of(fit) == ""
    other = HostFacts(machine="m", node="n", pid=1, engine="9.9")
    assert _fault_of(other) == f"expected evolve {evolve.__version__} on every node, found 9.9; install the same there"
    broken = HostFacts(machine="m", node="n", pid=1, engine="9.9", fault="no sandbox")
    assert _fault_of(broken) == "no sandbox"
