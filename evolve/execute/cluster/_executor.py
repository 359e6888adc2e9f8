"""The Ray executor: blocks go to actors with one slot each, wherever Ray has placed them.

Ray schedules, places and restarts; it retries nothing.  What it is asked for is a fixed pool of actors, as many as the cluster has
room for or as were asked for, and never a burst of tasks.  Blocks start in the order in which they were submitted, but for those
that wait for one machine: whoever comes after them takes the others.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from archive import Attempt, BlockStatus, Hardware
from evolve._errors import EnvironmentFault
from evolve.execute._base import Block, BlockReport, ExecutorLost, Report, Sink
from evolve.execute._one_class import OneClass
from evolve.execute._slot import PATIENCE_S, ends_candidate
from evolve.execute.cluster._bundle import Bundle, pack
from evolve.execute.cluster._capacity import needs_of, no_room
from evolve.execute.cluster._connection import Connection
from evolve.execute.cluster._fleet import Fleet
from evolve.execute.cluster._host import HostFacts, HostSettings
from evolve.execute.cluster._seat import Seat
from evolve.execute.cluster._work import Work
from evolve.problem.contract._contract import Problem
from evolve.problem.contract._environment import LIBRARIES, check_environment, passed

_AT_ONCE = 4  # actors that are waited for at the start
_WAKE_S = 120.0  # for the first of them
_READ_S = 3600.0  # more, where data has to be read
_MORE_S = 10.0  # for the others
_CLOSE_S = 10.0  # that actors have to end what they run, and then their graders
_POLL_S = 0.2
_TRIES = 3  # actors that end before they are awake, until the cluster is given up


class ClusterExecutor:
    """Runs blocks on a Ray cluster, one actor a slot.  See ``Executor`` for what it promises.

    ``slots`` follows the cluster: nodes that join or leave add or take slots, and where a number was asked for, there are never
    more.  A node whose engine or sandbox does not fit takes no part.

    ``sink`` is called from a thread of its own and from the caller's, under a lock: it must not wait.

    Example:
        >>> reports = queue.SimpleQueue()
        >>> executor = ClusterExecutor({problem.id: problem}, tier="strict", sink=reports.put)
        >>> executor.close(drain=False)
    """

    _seat: Callable[..., Seat] = Seat  # what benchmarks have their own of

    def __init__(
        self,
        problems: Mapping[str, Problem],
        *,
        slots: int | None = None,
        tier: str,
        sink: Sink,
        address: str = "",
        grace_s: float = 5.0,
        patience_s: float = PATIENCE_S,
        measured: Hardware | None = None,
    ) -> None:
        """Start or join Ray and wake the first actors.

        Args:
            problems: by id.
            slots: blocks that may run at once, at most; None for as many as the cluster has room for.
            tier: the sandbox's.
            sink: takes the reports.
            address: ``auto`` or HOST:PORT of a cluster; "" for what RAY_ADDRESS names, else for a Ray of our own.
            grace_s: how long a measurement may overrun its stage before its grader is killed.
            patience_s: how long a slot tries to load a problem that it has loaded before.
            measured: what scores that hang on speed were measured on so far; no other hardware serves.

        Raises:
            MissingPackage: Ray is not installed.
            UsageError: an address through which results would be lost.
            EnvironmentFault: no Ray answers, no node has what a slot needs, none can serve, or an environment variable that a
                problem needs is not set.
        """
        for problem in problems.values():
            check_environment(problem.contract)
        self._problems, self._sink = dict(problems), sink
        self._needs = needs_of(problems.values())
        self._one_class = OneClass((problem.contract for problem in problems.values()), measured)
        self._state = threading.Condition(threading.RLock())
        self._queue: deque[Work] = deque()
        self._running: dict[Attempt, Work] = {}
        self._closing = self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()
        host = HostSettings(
            tier=tier,
            environment=passed([*LIBRARIES, *(name for one in problems.values() for name in one.contract.environment)]),
            grace_s=grace_s,
            patience_s=patience_s,
            threads=max(1, int(self._needs.cpus)),
        )
        self._open([pack(problem) for problem in problems.values()], host, slots, address)

    @property
    def slots(self) -> int:
        if self._fleet.lost:
            raise ExecutorLost(self._fleet.lost)
        return self._fleet.slots

    @property
    def address(self) -> str:
        """HOST:PORT of the cluster, or "local" where it was started for this executor."""
        return self._connection.where

    @property
    def nodes(self) -> int:
        """On how many nodes its slots are."""
        return len({actor.node for actor in self._fleet.actors})

    @property
    def unfit(self) -> dict[str, str]:
        """Who takes no part, by node, and why."""
        return self._fleet.troubles()

    @property
    def room(self) -> int:
        with self._state:
            return 0 if self._closing else max(0, self._fleet.n_idle + self._fleet.slots - self._fleet.n_behind - len(self._queue))

    @property
    def pending(self) -> int:
        with self._state:
            return len(self._queue) + len(self._running)

    @property
    def actors(self) -> Sequence[HostFacts]:
        """Those that are awake, and where they run."""
        return self._fleet.actors

    def submit(self, block: Block) -> None:
        """Queue a block.  Never waits.

        Raises:
            KeyError: a problem this executor was not given, a stage its contract lacks, a candidate without files.
            RuntimeError: after ``close``.
        """
        stages = {stage.name: stage for stage in self._problems[block.problem].contract.stages}
        for entry in block.entries:
            _ = stages[entry.stage], block.files[entry.candidate]
        with self._state:
            if self._closing:
                raise RuntimeError("the executor is closed; make another one")
            self._queue.append(Work(block))
        self._call(self._assign)

    def cancel(self, attempt: Attempt) -> None:
        with self._state:
            for waiting in [work for work in self._queue if work.attempt == attempt]:
                self._queue.remove(waiting)
                self._sink(BlockReport(attempt, BlockStatus.CANCELLED, reason="cancelled before it ran"))
            if (work := self._running.get(attempt)) is not None:
                self._call(self._cancel, work)
            self._state.notify_all()

    def close(self, *, drain: bool) -> None:
        """Stop.  A drain may be cut short by closing again without one, from a signal handler say."""
        with self._state:
            self._closing = True
            limit = None
            if not drain:
                limit = time.monotonic() + _CLOSE_S
                for attempt in {work.attempt for work in (*self._queue, *self._running.values())}:
                    self.cancel(attempt)
            while (self._queue or self._running) and (limit is None or time.monotonic() < limit):
                self._state.wait(_POLL_S)
        self._end()

    # ---------------------------------------------------------------------------------------- beginning and end

    def _open(self, bundles: list[Bundle], host: HostSettings, slots: int | None, address: str) -> None:
        cpus = None if slots is None else max(1, round(slots * self._needs.cpus))
        self._connection = Connection(address, cpus=cpus, store_bytes=3 * sum(len(one.data) for one in bundles))
        try:
            self._loop = asyncio.new_event_loop()
            host = replace(host, driver=os.getpid() if self._connection.is_own else 0)
            actor = host, [self._connection.ray.put(bundle) for bundle in bundles]
            self._fleet = Fleet(self._connection, self._needs, slots, actor, self._changed, self._seat, self._one_class)
            self._thread = threading.Thread(target=self._loop.run_forever, name="ray-executor", daemon=True)
            self._thread.start()
            self._call(self._fleet.begin)
            self._wait_for_first(slots)
        except BaseException:
            self._end()
            raise

    def _wait_for_first(self, asked: int | None) -> None:
        """Wait until the first actors are awake.

        Raises:
            EnvironmentFault: none will be.
        """
        began, fleet = time.monotonic(), self._fleet
        limit = _WAKE_S + _READ_S * any(problem.contract.data for problem in self._problems.values())
        first = None
        with self._state:
            while True:
                now = time.monotonic()
                first = now if first is None and fleet.slots else first
                wanted = min(_AT_ONCE, fleet.room if asked is None else min(asked, fleet.room))
                if fleet.slots and (fleet.slots >= wanted or now - (first or now) > _MORE_S):
                    return
                if not fleet.slots and fleet.failures >= _TRIES:
                    raise EnvironmentFault(
                        f"no actor starts on the cluster ({fleet.failure}); look at every node: evolve doctor --cluster"
                    )
                if fleet.nodes and not fleet.room:
                    raise EnvironmentFault(self._why_none())
                if now - began > limit:
                    raise EnvironmentFault(
                        f"expected a slot with {self._needs} within {limit:g} s, found none free in the cluster; type: ray status"
                    )
                self._state.wait(_POLL_S)

    def _why_none(self) -> str:
        fleet = self._fleet
        if fleet.unfit:
            return "no node can serve: " + "; ".join(fleet.troubles().values())
        return no_room(fleet.nodes, self._needs)

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        with self._state:
            self._closing = True
        if hasattr(self, "_fleet"):
            asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
            for attempt in [work.attempt for work in self._queue]:  # put back meanwhile
                self.cancel(attempt)
            for work in list(self._running.values()):  # of actors that did not end what they ran
                self._finish(work, BlockReport(work.attempt, BlockStatus.CANCELLED, reason="cancelled while it ran"))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        self._connection.close()

    async def _leave(self) -> None:
        await self._fleet.close(_CLOSE_S)
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _call(self, do: Callable[..., object], *arguments: object) -> None:
        """Have the executor's own thread do something."""
        if not self._ended:
            self._loop.call_soon_threadsafe(do, *arguments)

    # ------------------------------------------------------------------------------------- the executor's thread

    def _changed(self) -> None:
        with self._state:
            self._state.notify_all()
        self._assign()

    def _assign(self) -> None:
        """Start what can start, in order."""
        with self._state:
            kept: set[str] = set()
            for work in list(self._queue):
                needs = work.block.needs
                if needs.machine and not self._fleet.is_known(needs.machine):
                    self._queue.remove(work)
                    reason = f"the block is pinned to machine {needs.machine}, which is not in the cluster"
                    self._sink(BlockReport(work.attempt, BlockStatus.LOST, reason=reason))
                    continue
                seat = self._fleet.take(work, kept)
                if seat is not None:
                    self._queue.remove(work)
                    self._running[work.attempt] = work
                    self._start(self._run(work, seat))
                elif not (needs.exclusive or needs.machine):
                    break
            if not self._queue and (waiting := self._fleet.waiting()) is not None:
                waiting.is_recalled = True
                self._start(self._recall(waiting))
            self._state.notify_all()

    def _start(self, doing: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Work, seat: Seat) -> None:
        turn = work.turn
        try:
            async for reports in seat.run(work.block, turn):
                if work.turn != turn or work.seat is None:  # it was taken back: somebody else runs it
                    return
                for report in reports:
                    self._take_in(work, report)
        except self._connection.ray.exceptions.RayError as error:
            if work.turn != turn or work.seat is None:
                return
            seat.cancel(turn)  # where the actor lives on and only the way to it was lost
            seat.doubt()
            self._lose(work, f"the slot on {self._fleet.name_of(seat)} was lost: {type(error).__name__}")
        else:
            self._fleet.clear(work)
            self._fleet.give(work)
        self._assign()

    def _lose(self, work: Work, reason: str) -> None:
        """An actor died with the block in its line: it is lost if it had begun, else it comes next."""
        self._fleet.lose(work)
        if work.has_begun:
            self._finish(work, BlockReport(work.attempt, BlockStatus.LOST, reason=reason, lost=work.running))
        else:
            self._put_back(work)

    def _put_back(self, work: Work) -> None:
        with self._state:
            if work.is_cancelled:
                self._finish(work, BlockReport(work.attempt, BlockStatus.CANCELLED, reason="cancelled before it ran"))
            elif self._running.pop(work.attempt, None) is not None:
                self._queue.appendleft(work)

    async def _recall(self, work: Work) -> None:
        """Have a block that waits behind another run by somebody else."""
        if await self._taken_back(work):
            self._put_back(work)
        self._assign()

    def _cancel(self, work: Work) -> None:
        work.is_cancelled = True
        if work.has_begun and work.seat is not None:
            work.seat.cancel(work.turn)
        elif work.seat is not None:
            self._start(self._cancel_waiting(work))

    async def _cancel_waiting(self, work: Work) -> None:
        if await self._taken_back(work):
            self._put_back(work)
        elif work.seat is not None:
            work.seat.cancel(work.turn)
        self._assign()

    async def _taken_back(self, work: Work) -> bool:
        """Whether a block could be had back from its actor before it began."""
        seat, turn = work.seat, work.turn
        if seat is None:
            return False
        work.is_recalled = True  # and not a second time from there: what could not be had has begun
        given = await seat.give_back(turn)
        if not given or work.turn != turn or work.seat is None:
            return False
        self._fleet.give(work)
        return True

    def _take_in(self, work: Work, report: Report) -> None:
        if isinstance(report, BlockReport):
            self._finish(work, report)
            return
        if report.index < work.next:  # it came before
            return
        work.next = report.index + 1
        if ends_candidate(report.result):
            work.failed.add(report.result.candidate)
        with self._state:
            self._sink(report)

    def _finish(self, work: Work, report: BlockReport) -> None:
        with self._state:
            if self._running.pop(work.attempt, None) is not None:
                self._sink(report)
            self._state.notify_all()
