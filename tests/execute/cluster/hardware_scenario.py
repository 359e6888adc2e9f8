"""Two nodes of different hardware, as far as their actors say: ``python hardware_scenario.py RULE FOLDER``."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cluster_scenarios import a_cluster, until

from archive import Hardware
from evolve._errors import EnvironmentFault
from evolve.execute import EntryReport
from evolve.execute.cluster import ClusterExecutor
from evolve.execute.cluster._host import HostFacts
from evolve.execute.cluster._seat import Seat
from evolve.testing import Probe, action, open_executor_bench

KINDS: dict[str, Hardware] = {}


class Told(Seat):
    """A seat whose actor says that it is of its node's kind."""

    async def wake(self) -> HostFacts:
        facts = await super().wake()
        self.facts = replace(facts, hardware=KINDS.get(facts.node, facts.hardware))
        return self.facts


class Mixed(ClusterExecutor):
    _seat = Told


def main(rule: str, folder: Path) -> None:
    probe = Probe(folder, time_s=60.0)
    probe.problem = replace(probe.problem, contract=replace(probe.problem.contract, compute_rule=rule))
    with a_cluster(2, 2) as (cluster, nodes):
        KINDS.update({nodes[0].node_id: Hardware("A"), nodes[1].node_id: Hardware("B")})
        make = partial(Mixed, tier="none", address=cluster.address, grace_s=1.0)
        with open_executor_bench(lambda problems, **given: make(problems, **{**given, "slots": None}), probe) as bench:
            executor: Any = bench.executor
            if rule == "none":
                until(lambda: executor.slots == 4, "four slots")
                return
            until(lambda: len(executor._fleet.unfit) == 1 and executor.slots == 2, "the slots of one kind")
            served = executor.actors[0].hardware
            (why,) = executor._fleet.unfit.values()
            other = next(kind for kind in KINDS.values() if kind != served)
            assert f"expected {served}, on which this run is measured, found {other}: scores of probe hang on speed" in why, why
            for i in range(6):
                bench.run(action("score", f"s{i}", value=float(i)))
            assert len([one for one in bench.reports if isinstance(one, EntryReport)]) == 6
        with open_executor_bench(lambda problems, **given: make(problems, **given, measured=other), probe) as bench:
            until(lambda: bench.executor.slots == 1, "a slot of the other kind")
            assert bench.executor.actors[0].hardware == other
        with pytest.raises(EnvironmentFault, match=r"no node can serve: .*expected C, on which this run is measured, found A"):
            make({probe.problem.id: probe.problem}, sink=print, measured=Hardware("C"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
