"""How many slots can be kept busy: engine, journal and Ray are real, and each slot sleeps where a program would be measured.

    python benchmarks/ray_scale.py [--slots 64,512] [--seconds 1,5] [--rounds 20] [--json]

For each pair of slots and seconds, three arms on this machine: ``evolve run`` on Ray (16 sleeping slots an actor's process, for
512 processes do not fit into a small machine), ``evolve run`` on the local executor with sleeping threads, and a plain loop of Ray
calls over the same actors with ``ray.wait``.  Said are the share of time that slots were idle between the end of the first round
and the beginning of the last, CPU of the driver's process for a result, and its peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar

from _common import hardware

from archive import BlockStatus, Measurement, Status
from evolve.config._schema import BudgetConfig, ExecutorConfig, ProblemConfig, RunConfig, SandboxConfig
from evolve.engine import _session
from evolve.engine.registry import _registry
from evolve.execute import Block, BlockReport, EntryReport, LocalExecutor, Report, _local
from evolve.execute.cluster import ClusterExecutor
from evolve.execute.cluster._connection import Connection
from evolve.execute.cluster._host import HostFacts
from evolve.execute.cluster._seat import Seat
from evolve.execute.cluster._work import Turn

A_PROCESS = 16  # slots
_SLEEP = [1.0]


def reports(block: Block, seconds: float) -> list[Report]:
    """What a slot reports that has slept: a score that depends on the text alone."""
    found: list[Report] = []
    for index, entry in enumerate(block.entries):
        score = (hash(tuple(block.files[entry.candidate].values())) % 10_000) / 10_000
        result = Measurement(
            entry.candidate, entry.stage, entry.seed, Status.OK, score=score, start=entry.start, tier="none", wall_s=seconds
        )
        found.append(EntryReport(block.attempt, index, result))
    return [*found, BlockReport(block.attempt, BlockStatus.OK)]


class Sleeper:
    """An actor with many slots, each of which does one thing after another."""

    def __init__(self) -> None:
        import asyncio
        from collections import defaultdict

        self.lines: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    async def run(self, slot: int, block: Block, seconds: float) -> list[Report]:
        async with self.lines[slot]:
            await self.sleep(seconds)
        return reports(block, seconds)

    async def live(self) -> None:
        import asyncio

        await asyncio.Event().wait()


class SleepingSeat(Seat):
    """A seat whose actor sleeps, and is shared by ``A_PROCESS`` seats."""

    actors: ClassVar[dict[int, Any]] = {}

    def __init__(self, ray: Any, number: int, options: dict[str, Any], settings: object, bundles: Any) -> None:
        self.number = number
        self.facts = HostFacts(machine="here", node="", pid=0, engine="")
        self.is_awake = self.is_leaving = self.is_gone = False
        self.line = []
        self._ray, self._life = ray, None
        place = number // A_PROCESS
        if place not in self.actors:
            self.actors[place] = ray.remote(num_cpus=1, max_concurrency=1000)(Sleeper).remote()
        self._actor = self.actors[place]

    async def wake(self) -> HostFacts:
        await self._actor.sleep.remote(0.0)
        from evolve import __version__

        self.facts = HostFacts(machine="here", node="", pid=0, engine=__version__)
        return self.facts

    async def _live(self) -> None:
        await self._actor.live.remote()

    async def run(self, block: Block, turn: Turn) -> AsyncIterator[list[Report]]:
        yield await self._actor.run.remote(self.number, block, _SLEEP[0])

    def cancel(self, turn: Turn) -> None:
        return

    async def give_back(self, turn: Turn) -> bool:
        return False

    async def close(self) -> None:
        return

    def kill(self) -> None:
        self.is_gone, self.is_awake = True, False


class SleepingCluster(ClusterExecutor):
    _seat = SleepingSeat


class SleepingSlot:
    """In the place of a local slot."""

    def __init__(self, settings: Any, number: int) -> None:
        self.wake, self.rests_until = threading.Event(), 0.0

    def run(self, block: Block, report: Callable[[EntryReport], None], *_: object) -> BlockReport:
        self.wake.wait(_SLEEP[0])
        *found, end = reports(block, _SLEEP[0])
        for one in found:
            assert isinstance(one, EntryReport)
            report(one)
        assert isinstance(end, BlockReport)
        return end

    def close(self) -> None:
        return


def of_engine(kind: str, slots: int, rounds: int) -> dict[str, float]:
    """A run with so many slots, each so many times."""
    done: list[float] = []

    def timed(make: Any) -> Any:
        def made(problems: Any, config: ExecutorConfig, *, tier: str, sink: Any) -> Any:
            def told(report: Report) -> None:
                if isinstance(report, EntryReport):
                    done.append(time.monotonic())
                sink(report)

            return make(problems, slots, tier, told)

        return made

    makers = {
        "ray": lambda problems, n, tier, sink: SleepingCluster(problems, slots=n, tier=tier, sink=sink),
        "local": lambda problems, n, tier, sink: LocalExecutor(problems, slots=n, tier=tier, sink=sink),
    }
    _registry.EXECUTORS = {**_registry.EXECUTORS, kind: timed(makers[kind])}
    _local.Slot = SleepingSlot  # type: ignore[misc, assignment]
    with tempfile.TemporaryDirectory() as folder:
        config = RunConfig(
            problem=ProblemConfig(name="circle_packing", params={"n": 6}),
            executor=ExecutorConfig(kind=kind, slots=slots),
            sandbox=SandboxConfig(tier="none"),
            budget=BudgetConfig(evaluations=slots * rounds),
            out=f"{folder}/run",
        )
        cpu = time.process_time()
        _session.start(config)
        cpu = time.process_time() - cpu
    return told_of(done, slots, cpu)


def of_plain_ray(slots: int, rounds: int) -> dict[str, float]:
    """The same number of sleeps by a loop over Ray calls."""
    with Connection(cpus=slots // A_PROCESS + 1) as connection:
        ray = connection.ray
        actors = [ray.remote(num_cpus=1, max_concurrency=1000)(Sleeper).remote() for _ in range(-(-slots // A_PROCESS))]
        ray.get([actor.sleep.remote(0.0) for actor in actors])
        done, cpu = [], time.process_time()
        flying = {actors[i // A_PROCESS].sleep.remote(_SLEEP[0]): i for i in range(slots)}
        left = slots * (rounds - 1)
        while flying:
            (ready, *_), _ = ray.wait(list(flying), num_returns=1)
            slot = flying.pop(ready)
            done.append(time.monotonic())
            if left:
                left -= 1
                flying[actors[slot // A_PROCESS].sleep.remote(_SLEEP[0])] = slot
        return told_of(done, slots, time.process_time() - cpu)


def told_of(done: list[float], slots: int, cpu: float) -> dict[str, float]:
    """Idle share between the first ``slots`` results and the last ``slots``; CPU is that of all, the start included."""
    ends = sorted(done)
    wall = ends[-slots - 1] - ends[slots - 1]
    return {
        "idle_%": 100 * (1 - (len(ends) - 2 * slots) * _SLEEP[0] / (slots * wall)),
        "driver_cpu_ms": 1000 * cpu / len(done),
        "results": len(done),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


ARMS: dict[str, Callable[[int, int], dict[str, float]]] = {
    "evolve on ray": lambda slots, rounds: of_engine("ray", slots, rounds),
    "evolve local": lambda slots, rounds: of_engine("local", slots, rounds),
    "plain ray": of_plain_ray,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", default="64,512")
    parser.add_argument("--seconds", default="1,5")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--arm", default="", help=argparse.SUPPRESS)  # one, in a process of its own
    asked = parser.parse_args()
    pairs = list(zip(map(int, asked.slots.split(",")), map(float, asked.seconds.split(",")), strict=True))
    if asked.arm:
        ((slots, _SLEEP[0]),) = pairs
        print(json.dumps(ARMS[asked.arm](slots, asked.rounds)))
        return
    rows = []
    for slots, seconds in pairs:
        for arm in ARMS:
            words = ["--slots", str(slots), "--seconds", str(seconds), "--rounds", str(asked.rounds), "--arm", arm]
            said = subprocess.run([sys.executable, str(Path(__file__)), *words], capture_output=True, text=True, check=True).stdout
            rows.append({"arm": arm, "slots": slots, "seconds": seconds, **json.loads(said.splitlines()[-1])})
            if not asked.json:
                print(
                    "  ".join(
                        f"{name} {value:.4g}" if isinstance(value, float) else f"{value!s:>14}" for name, value in rows[-1].items()
                    )
                )
    if asked.json:
        print(json.dumps({"rows": rows, **hardware()}))


if __name__ == "__main__":
    main()
