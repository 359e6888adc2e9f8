"""What an actor says may be lost or come twice: it is measured again, and counts once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from parabolas import parabola

import evolve
from archive import Attempt, BlockStatus, Measured, find_records
from evolve.execute import Block, BlockReport, Report
from evolve.execute.cluster import ClusterExecutor
from evolve.execute.cluster._connection import Connection
from evolve.execute.cluster._seat import Seat
from evolve.execute.cluster._work import Turn
from evolve.testing import Probe, action, open_executor_bench


@pytest.fixture
def make(ray_here: Connection) -> Callable[..., ClusterExecutor]:
    return lambda problems, *, slots, sink: ClusterExecutor(problems, slots=slots, tier="none", sink=sink, grace_s=1.0)


class DeafSeat(Seat):
    """A seat whose actor lives and works, while what it says is lost, or comes twice."""

    lost: ClassVar[int] = 0  # blocks whose messages do not come, from now on
    twice: ClassVar[bool] = False

    async def run(self, block: Block, turn: Turn) -> AsyncIterator[list[Report]]:
        heard = [told async for told in super().run(block, turn)]
        if DeafSeat.lost:
            DeafSeat.lost -= 1
            raise self._ray.exceptions.ActorUnavailableError("nobody answers", None)
        for told in heard:
            for _ in range(1 + self.twice):
                yield told


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> type[DeafSeat]:
    monkeypatch.setattr(ClusterExecutor, "_seat", DeafSeat)
    monkeypatch.setattr(DeafSeat, "lost", 0)
    monkeypatch.setattr(DeafSeat, "twice", False)
    return DeafSeat


def test_a_message_that_is_lost_twice_costs_two_attempts_and_the_third_counts_once(
    make: Callable[..., ClusterExecutor], tmp_path: Path, deaf: type[DeafSeat]
) -> None:
    with open_executor_bench(make, Probe(tmp_path), slots=1) as bench:
        block = bench.block(action("score", value=3.0))
        attempts = [Attempt(block.attempt.epoch, block.attempt.ticket, n) for n in (1, 2, 3)]
        deaf.lost = 2
        for attempt in attempts:
            bench.wait(bench.send(replace(block, attempt=attempt)))
        assert [bench.closed(one).status for one in attempts] == [BlockStatus.LOST, BlockStatus.LOST, BlockStatus.OK]
        assert [len(bench.entries(one)) for one in attempts] == [0, 0, 1]
        assert bench.executor.pending == 0


def test_a_message_that_comes_twice_ends_a_block_once(
    make: Callable[..., ClusterExecutor], tmp_path: Path, deaf: type[DeafSeat]
) -> None:
    with open_executor_bench(make, Probe(tmp_path), slots=1) as bench:
        deaf.twice = True
        first = bench.submit(action("score"), action("score", value=2.0))
        bench.run(action("score", value=3.0))
        closings = [report for report in bench.reports if isinstance(report, BlockReport) and report.attempt == first]
        assert [one.status for one in closings] == [BlockStatus.OK]
        assert [(one.index, one.result.score) for one in bench.entries(first)] == [(0, 1.0), (1, 2.0)]


def test_a_run_over_a_connection_that_loses_and_repeats_counts_each_measurement_once(
    ray_here: Connection, tmp_path: Path, deaf: type[DeafSeat]
) -> None:
    deaf.lost, deaf.twice = 2, True
    run = evolve.create_run(
        parabola(tmp_path), out=tmp_path / "run", budget=evolve.Budget(evaluations=12), executor="ray", slots=1, sandbox="none"
    )
    assert run.optimize().status == "done"
    measured = [one.record for one in find_records(tmp_path / "run", (Measured.kind,))]
    entries = [(one.attempt.ticket, one.index) for one in measured if isinstance(one, Measured)]
    assert len(entries) == len(set(entries)) == 12
