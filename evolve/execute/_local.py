"""The local executor: threads of this process that own grader processes.

Blocks start in the order in which they were submitted.  One that needs several slots' shares, or the machine to itself, therefore
waits at the head of the queue until enough is free, and nothing overtakes it: simple, and nobody starves.  One that waits for GPUs
alone is passed by those that need none (``_gpus``).
"""

from __future__ import annotations

import math
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from archive import Attempt, BlockStatus, Hardware
from evolve._errors import EnvironmentFault
from evolve.evaluate.isolation._gpu import Gpu, GpuDriver
from evolve.evaluate.isolation._hardware import hardware_of
from evolve.execute._base import Block, BlockReport, EntryReport, Sink
from evolve.execute._cards import need_gpus
from evolve.execute._gpus import measure, next_in_line
from evolve.execute._one_class import OneClass
from evolve.execute._scratch import Scratch
from evolve.execute._slot import PATIENCE_S, Slot, SlotSettings, copy_for_grader
from evolve.problem._data import check_data
from evolve.problem.contract._contract import Problem
from evolve.problem.contract._environment import check_environment

_TICK_S = 0.5

_REMEMBERED = 4096  # candidates


@dataclass(slots=True)
class _Work:
    """A block in hand.  ``width`` is how many slots it takes."""

    block: Block
    width: int
    since: float
    slot: Slot | None = None
    gpus: tuple[Gpu, ...] = ()


class LocalExecutor:
    """Runs blocks on ``slots`` graders of this machine.  See ``Executor`` for what it promises.

    ``sink`` is called from slot threads and from the caller's own, under the executor's lock: it must not wait (put the report
    into a queue).  ``pending`` counts a block until its last report is with the sink, never longer.

    A block that needs more CPUs than one slot's share of the machine takes several slots (at most all), one with
    ``exclusive`` takes all.  A block for another machine is reported lost.  GPUs are lent whole, or in shares to stages that ask
    for a part of one; a card that failed is lent to nobody until it is found well again, and what was measured on it is measured
    anew.

    Example:
        >>> reports = queue.SimpleQueue()
        >>> executor = evolve.LocalExecutor({problem.id: problem}, slots=2, tier="strict", sink=reports.put)
        >>> executor.close(drain=False)
    """

    def __init__(
        self,
        problems: Mapping[str, Problem],
        *,
        slots: int,
        tier: str,
        sink: Sink,
        machine: str = "",
        grace_s: float = 5.0,
        patience_s: float = PATIENCE_S,
        gpus: GpuDriver | None = None,
        measured: Hardware | None = None,
    ) -> None:
        """Copy the problems and start the slots' threads; a grader starts with its slot's first block, in a copy of its own.

        Args:
            problems: by id.
            slots: blocks that may run at once.
            tier: the sandbox's.
            sink: takes the reports.
            machine: the name that stands in measurements; default: the host's.
            grace_s: how long a measurement may overrun its stage before its grader is killed.  The sandbox ends a candidate
                that is too slow by itself; this is for evaluators that hang.
            patience_s: how long a slot tries to load a problem that some slot has loaded before; then it rests as long, while
                others can work.  A block whose GPUs are not well waits as long before it is given back.
            gpus: where to look for GPUs; default: this machine's driver.
            measured: what scores that hang on speed were measured on so far.

        Raises:
            EnvironmentFault: an environment variable that a problem needs is not set, its data is not here, there are fewer GPUs
                than it needs, it asks for what only nodes of a cluster have, or this machine is not of the hardware that its scores
                were measured on.
        """
        if slots < 1:
            raise ValueError(f"slots is {slots}, expected at least 1")
        for problem in problems.values():
            check_environment(problem.contract)
            check_data(problem.contract)
        contracts = [problem.contract for problem in problems.values()]
        self._cards = need_gpus(contracts, gpus)
        if wrong := OneClass(contracts, measured).take(hardware_of(self._cards.gpus if self._cards else ())):
            raise EnvironmentFault(wrong)
        cores = len(os.sched_getaffinity(0))
        self._slots = slots
        self._share = max(1.0, cores / slots)
        self._sink = sink
        self._machine = machine or platform.node()
        self._scratch = Scratch()
        settings = SlotSettings(
            problems=self._snapshots(problems),
            tier=tier,
            machine=self._machine,
            scratch=self._scratch.path,
            grace_s=grace_s,
            threads=int(self._share),
            patience_s=patience_s,
        )
        self._settings = settings
        self._state = threading.Condition(threading.RLock())
        self._queue: deque[_Work] = deque()
        self._running: list[_Work] = []
        self._fleet: list[Slot] = []
        self._lent: dict[str, set[Slot]] = {}  # a GPU by its UUID -> the slots that had it last, several where it was shared
        self._where: dict[str, Slot] = {}  # candidate -> the slot that measured it last, newest last
        self._free = slots
        self._closing = False
        self._threads = [threading.Thread(target=self._work, args=(n,), name=f"slot-{n}", daemon=True) for n in range(slots)]
        for thread in self._threads:
            thread.start()

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def room(self) -> int:
        with self._state:
            return 0 if self._closing else max(0, self._free + self._slots - sum(work.width for work in self._queue))

    @property
    def pending(self) -> int:
        with self._state:
            return len(self._queue) + len(self._running)

    def submit(self, block: Block) -> None:
        """Queue a block.  Never waits.

        Raises:
            KeyError: a problem this executor was not given, a stage its contract lacks, a candidate without files.
            RuntimeError: after ``close``.
        """
        stages = {stage.name: stage for stage in self._settings.problems[block.problem].contract.stages}
        for entry in block.entries:
            _ = stages[entry.stage], block.files[entry.candidate]
        with self._state:
            if self._closing:
                raise RuntimeError("the executor is closed; make another one")
            if reason := self._refusal(block):
                self._sink(BlockReport(block.attempt, BlockStatus.LOST, reason=reason))
                return
            self._queue.append(_Work(block, self._width(block), time.monotonic()))
            self._state.notify_all()

    def cancel(self, attempt: Attempt) -> None:
        with self._state:
            for work in [work for work in self._queue if work.block.attempt == attempt]:
                self._queue.remove(work)
                self._sink(BlockReport(attempt, BlockStatus.CANCELLED, reason="cancelled before it ran"))
            for work in self._running:
                if work.block.attempt == attempt and work.slot is not None:
                    work.slot.wake.set()
            self._state.notify_all()

    def close(self, *, drain: bool) -> None:
        """Stop.  A drain may be cut short by closing again without one, from a signal handler say."""
        with self._state:
            self._closing = True
            if not drain:
                for attempt in {work.block.attempt for work in (*self._queue, *self._running)}:
                    self.cancel(attempt)
            self._state.notify_all()
        for thread in self._threads:
            thread.join()
        self._scratch.close()

    def _snapshots(self, problems: Mapping[str, Problem]) -> dict[str, Problem]:
        """The problems, each in a copy that nobody changes while this executor lives.

        Raises:
            ProblemError: a folder changed since its problem was loaded.
        """
        copies = {}
        try:
            for number, (id_, problem) in enumerate(problems.items()):
                copies[id_] = copy_for_grader(problem, self._scratch.path / f"problem-{number}")
        except BaseException:
            self._scratch.close()
            raise
        return copies

    # -------------------------------------------------------------------------------------------- slot threads

    def _work(self, number: int) -> None:
        """A slot's thread: it starts the slot's graders and outlives them."""
        slot = Slot(self._settings, number)
        with self._state:
            self._fleet.append(slot)
        try:
            while (work := self._take(slot)) is not None:
                try:
                    report = slot.run(work.block, self._report, work.gpus, self._cards)
                except BaseException as error:  # a fault of ours must not leave the loop waiting for a report
                    self._finish(work, BlockReport(work.block.attempt, BlockStatus.LOST, reason=f"the executor failed: {error!r}"))
                    raise
                self._finish(work, report)
        finally:
            with self._state:
                for last in self._lent.values():
                    last.discard(slot)
            slot.close()

    def _take(self, slot: Slot) -> _Work | None:
        """The next block, when there is one and room for it; None when closing and nothing is left to do."""
        while True:
            self._look_at_cards(slot)
            with self._state:
                work = self._next(slot)
                if work is not None and self._begin(work, slot):
                    return work
                if self._closing and not self._queue:
                    return None
                doubt = work is not None or (self._cards is not None and self._cards.leases.suspect)
                self._state.wait(_TICK_S if self._rests(slot) or doubt else None)

    def _next(self, slot: Slot) -> _Work | None:
        """The block that this slot may begin, if there is one."""
        if not self._queue or self._rests(slot):
            return None
        number: int | None = 0 if self._queue[0].width <= self._free else None
        if self._cards is not None:
            waiting = [(work.width, work.block.needs) for work in self._queue]
            number = next_in_line(waiting, self._free, self._cards.leases)
        if number is None or self._is_for_another(slot, self._queue[number].block):
            return None
        return self._queue[number]

    def _begin(self, work: _Work, slot: Slot) -> bool:
        """Take it out of the queue; not where another process has the GPUs that it needs."""
        if self._cards is not None:
            lent = self._cards.lend(work.block.attempt, work.block.needs, first=self._own(slot))
            if lent is None:
                return False
            work.gpus = lent
            alone = measure(work.block.needs)[1] == 1.0
            self._lent.update({gpu.uuid: {slot} if alone else {slot, *self._lent.get(gpu.uuid, ())} for gpu in lent})
            self._state.notify_all()  # whoever had them before lets them go
        self._queue.remove(work)
        work.slot = slot
        for entry in work.block.entries:
            self._where.pop(entry.candidate, None)
            self._where[entry.candidate] = slot
        while len(self._where) > _REMEMBERED:
            del self._where[next(iter(self._where))]
        slot.wake.clear()
        self._running.append(work)
        self._free -= work.width
        return True

    def _look_at_cards(self, slot: Slot) -> None:
        """Let go of GPUs that another slot has now; look at suspect ones; give back what has waited for such too long."""
        if self._cards is None:
            return
        slot.let_go(lambda device: slot in self._lent.get(device, ()))
        self._cards.recheck()
        with self._state:
            now = time.monotonic()
            for work in list(self._queue):
                waited = now - max(work.since, self._cards.suspect_since)
                if waited > self._settings.patience_s and (lacking := self._cards.lacking(work.block.needs)):
                    self._queue.remove(work)
                    self._sink(BlockReport(work.block.attempt, BlockStatus.LOST, reason=lacking))

    def _own(self, slot: Slot) -> list[str]:
        """The GPUs that this slot had last."""
        return [device for device, last in self._lent.items() if slot in last]

    def _rests(self, slot: Slot) -> bool:
        """Whether a slot that could not load a problem leaves its work to those that may."""
        now = time.monotonic()
        return slot.rests_until > now and any(other.rests_until <= now for other in self._fleet)

    def _is_for_another(self, slot: Slot, block: Block) -> bool:
        """Whether a block is left to other slots: it asks for another than this one, or an idle one had its GPUs last and has a
        grader that knows them."""
        if block.needs.elsewhere:
            return self._slots > 1 and self._where.get(block.entries[0].candidate) is slot
        if self._cards is not None and block.needs.gpus > 0:
            devices = self._cards.leases.find(block.needs, first=self._own(slot)) or ()
            last = {other for device in devices for other in self._lent.get(device, ())}
            busy = {work.slot for work in self._running}
            return slot not in last and any(other not in busy and not self._rests(other) for other in last)
        return False

    def _finish(self, work: _Work, report: BlockReport) -> None:
        with self._state:
            self._running.remove(work)
            self._free += work.width
            if self._cards is not None:
                self._cards.give_back(work.block.attempt)
            self._sink(report)
            self._state.notify_all()

    def _report(self, report: EntryReport) -> None:
        with self._state:
            self._sink(report)

    def _width(self, block: Block) -> int:
        if block.needs.exclusive:
            return self._slots
        return min(self._slots, max(1, math.ceil(block.needs.cpus / self._share - 1e-9)))

    def _refusal(self, block: Block) -> str:
        """Why this machine will never run the block; "" when it will."""
        if block.needs.machine not in ("", self._machine):
            return f"the block is pinned to machine {block.needs.machine}, this one is {self._machine}"
        if self._cards is not None:
            return self._cards.refusal(block.needs)
        return "the block needs GPUs, and no stage of the problems does" if block.needs.gpus > 0 else ""
