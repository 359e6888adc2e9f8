"""Where scores hang on speed a run has one class of hardware, whoever offers to serve and in whatever order."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import Hardware
from evolve._errors import EnvironmentFault
from evolve.evaluate.isolation._hardware import hardware_of
from evolve.execute import LocalExecutor
from evolve.execute._one_class import OneClass
from evolve.problem.contract._contract import Contract, Stage
from evolve.testing import Probe, action, open_executor_bench

CPUS, CARDS, CLOCKS = st.sampled_from(["A", "B"]), st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"])
WITH_CARD = st.builds(Hardware, CPUS, CARDS, clocks=CLOCKS)
FOUND = st.builds(Hardware, CPUS) | WITH_CARD


def contract(name: str = "p", *, rule: str = "none", gpus: float = 0.0, calibrated: bool = False) -> Contract:
    stages = (Stage(name="tiny"), Stage(name="full", gpus=gpus, calibrated=calibrated))
    return Contract(name=name, metric="m", goal="minimize", compute_rule=rule, stages=stages)


@pytest.mark.parametrize(
    ("rule", "calibrated", "depends"),
    [("none", False, False), ("calls", False, False), ("wall", False, True), ("cpu_budget", False, True), ("none", True, True)],
)
def test_what_a_contract_says_of_speed(rule: str, calibrated: bool, depends: bool) -> None:
    assert contract(rule=rule, calibrated=calibrated).depends_on_speed is depends


@given(st.lists(WITH_CARD, min_size=1, max_size=12), st.booleans(), st.none() | FOUND)
def test_all_that_serve_are_of_one_class(offers: list[Hardware], with_cards: bool, measured: Hardware | None) -> None:
    """That of what was measured before, or of who served first; of a card nothing is asked where none has a part in a score."""

    def counts(one: Hardware) -> Hardware:
        return one if with_cards else Hardware(one.cpu)

    before = None if measured is None else counts(measured)
    one_class = OneClass([contract(rule="wall", gpus=float(with_cards)), contract("other", gpus=1.0)], before)
    served = [counts(one) for one in offers if not one_class.take(one)]
    if before is None or (not before.card and any(one.cpu == before.cpu for one in offers)):
        assert len(set(served)) == 1  # what was measured so far was measured without a card
        assert before is None or served[0].cpu == before.cpu
        assert before is not None or served[0] == counts(offers[0])
    else:
        assert served == [counts(one) for one in offers if counts(one) == before]


@given(st.lists(FOUND), st.none() | FOUND)
def test_any_hardware_serves_where_no_score_hangs_on_speed(offers: list[Hardware], measured: Hardware | None) -> None:
    one_class = OneClass([contract(gpus=1.0)], measured)
    assert [one_class.take(one) for one in offers] == [""] * len(offers)


def test_a_machine_of_other_hardware_refuses_in_a_sentence(tmp_path: Path) -> None:
    probe = Probe(tmp_path, name="timed")
    elsewhere = Hardware("Another CPU")
    make = partial(LocalExecutor, tier="none")
    with open_executor_bench(partial(make, measured=elsewhere), probe) as bench:
        _, reports = bench.run(action("score"))
    assert [report.hardware for report in reports] == [hardware_of()]
    probe.problem = replace(probe.problem, contract=replace(probe.problem.contract, compute_rule="wall"))
    with open_executor_bench(partial(make, measured=hardware_of()), probe):
        pass
    with pytest.raises(EnvironmentFault) as told:
        LocalExecutor({probe.problem.id: probe.problem}, slots=1, tier="none", sink=print, measured=elsewhere)
    assert str(told.value) == (
        f"expected Another CPU, on which this run is measured, found {hardware_of()}: scores of timed hang on speed, and those of "
        "different hardware are never compared; go on where that hardware is, or start another run here: "
        "evolve run problem=RUN/problem"
    )
