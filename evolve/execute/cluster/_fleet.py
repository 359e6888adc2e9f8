"""The actors of an executor: as many as there is room for, each awake, coming back or given up, and who takes which block."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from archive import Attempt
from evolve._version import __version__
from evolve.execute._base import Block
from evolve.execute.cluster._capacity import Node, SlotNeeds, capacity
from evolve.execute.cluster._connection import Connection
from evolve.execute.cluster._host import HostFacts
from evolve.execute.cluster._seat import Seat

_TICK_S = 1.0  # how late a node that joins or leaves is seen
_REMEMBERED = 4096  # candidates
_AGAIN_S = 0.2
_LONGEST_S = 30.0  # between two tries where no actor starts
_TOLD = 300  # characters of what Ray says
_NODE_ID = "ray.io/node-id"


class Fleet:
    """Used from the executor's own thread alone, but for what has no underscore, which is replaced and never changed.

    Args:
        connection: to Ray.
        needs: what a slot holds.
        asked: slots, at most; None for as many as there is room for.
        actor: what each actor is made with: its settings, and the bundles of the problems.
        changed: called after anything that may let a block start.
        seat: makes a seat, as ``Seat``.
    """

    def __init__(
        self,
        connection: Connection,
        needs: SlotNeeds,
        asked: int | None,
        actor: tuple[object, Sequence[object]],
        changed: Callable[[], None],
        seat: Callable[..., Seat] = Seat,
    ) -> None:
        self._connection, self._ray, self._needs, self._asked = connection, connection.ray, needs, asked
        self._actor, self._changed, self._make = actor, changed, seat
        self.slots = self.n_idle = self.room = 0
        self.actors: tuple[HostFacts, ...] = ()
        self.nodes: list[Node] = []
        self.unfit: dict[str, str] = {}  # node -> why it takes no part
        self._seats: dict[int, Seat] = {}
        self._idle: OrderedDict[int, Seat] = OrderedDict()
        self._where: OrderedDict[str, int] = OrderedDict()  # candidate -> the seat that measured it last
        self._alone: dict[str, Attempt] = {}  # machine -> the block that has it to itself
        self._number = 0
        self.failures, self.failure, self._not_before = 0, "", 0.0  # actors in a row that did not start, and what was said
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    # ------------------------------------------------------------------------------------------ who is there

    def begin(self) -> None:
        """Look at the cluster, now and again and again."""
        self._start(self._watch())

    def troubles(self) -> dict[str, str]:
        """Nodes that take no part, and that actors do not start, each with the reason."""
        return {**self.unfit, **({"actors": f"the last actor did not start: {self.failure}"} if self.failures else {})}

    def refresh(self, nodes: list[Node]) -> None:
        """Ask for as many actors as there is room for, and let go of those that there is none for."""
        self.nodes = nodes
        self.room = capacity(nodes, self._needs, self.unfit)
        leaving = {node.id for node in nodes if node.draining}
        for seat in [seat for seat in self._seats.values() if seat.facts.node in leaving]:
            seat.is_leaving = True
            if not seat.is_busy:
                self._retire(seat)
        wanted = self.room if self._asked is None else self._asked
        while len(self._seats) < wanted and time.monotonic() >= self._not_before:
            self._open()
        spare = sorted(self._seats.values(), key=lambda seat: (seat.is_awake, -seat.number))
        for seat in spare[: max(0, len(self._seats) - wanted)]:
            if not seat.is_busy:
                self._retire(seat)

    async def close(self, limit_s: float) -> None:
        """Have every actor end its graders; whoever does not in time is ended with them."""
        self._closing = True
        seats = list(self._seats.values())
        if seats:
            await asyncio.wait([asyncio.ensure_future(seat.close()) for seat in seats], timeout=limit_s)
        for seat in seats:
            if not seat.is_gone:
                seat.kill()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self) -> None:
        options = {**self._needs.options}
        if self.unfit:
            options["label_selector"] = {_NODE_ID: f"!in({','.join(sorted(self.unfit))})"}
        settings, bundles = self._actor
        seat = self._seats[self._number] = self._make(self._ray, self._number, options, settings, bundles)
        self._number += 1
        self._start(self._attend(seat))

    def _retire(self, seat: Seat) -> None:
        seat.kill()
        seat.doubt()
        self._seats.pop(seat.number, None)
        self._count()

    async def _attend(self, seat: Seat) -> None:
        """A seat's life, from the actor's first answer, through deaths and returns, until it is let go of."""
        while not seat.is_gone:
            try:
                facts = await seat.wake()
            except self._ray.exceptions.ActorUnavailableError:  # it is coming back, or its node is not heard of now
                await asyncio.sleep(_AGAIN_S)
                continue
            except self._ray.exceptions.RayError as error:
                self._on_no_start(seat, " ".join(str(error).split())[:_TOLD])
                return
            if fault := _fault_of(facts):
                self._note_fault(facts.node, f"{facts.machine}: {fault}")
                self._retire(seat)
                self.refresh(self.nodes)
                return
            seat.is_awake, self.failures = True, 0
            self._count()
            await seat.until_death()
            seat.is_awake = False
            self._count()

    def _on_no_start(self, seat: Seat, why: str) -> None:
        """An actor ended before it could say where it is: the next ones are asked for more and more slowly."""
        if seat.is_gone:
            return
        self.failures, self.failure = self.failures + 1, why
        self._not_before = time.monotonic() + min(_LONGEST_S, _AGAIN_S * 2**self.failures)
        self._retire(seat)

    def _note_fault(self, node: str, why: str) -> None:
        self.unfit = {**self.unfit, node: why}
        self._changed()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing:
            with suppress(self._ray.exceptions.RayError):  # nobody answers just now: what was seen last holds
                self.refresh(await loop.run_in_executor(None, self._connection.nodes))
            await asyncio.sleep(_TICK_S)

    def _count(self) -> None:
        self._idle = OrderedDict((seat.number, seat) for seat in self._seats.values() if seat.is_awake and not seat.is_busy)
        self.actors = tuple(seat.facts for seat in self._seats.values() if seat.is_awake)
        self.n_idle, self.slots = len(self._idle), len(self.actors)
        self._changed()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---------------------------------------------------------------------------------------- who takes what

    def take(self, block: Block, kept: set[str]) -> Seat | None:
        """A seat for the block, if one is free that it may have.  ``kept`` are machines that nobody behind it in the queue may have
        a seat of, since one before them waits for all of it; this one may be added."""
        seat = self._exclusive(kept) if block.needs.exclusive else self._free(block, kept)
        if seat is None:
            return None
        if block.needs.exclusive:
            self._alone[seat.machine] = block.attempt
        for entry in block.entries:
            self._where[entry.candidate] = seat.number
            self._where.move_to_end(entry.candidate)
        while len(self._where) > _REMEMBERED:
            self._where.popitem(last=False)
        seat.is_busy = True
        self._idle.pop(seat.number)
        self.n_idle = len(self._idle)
        return seat

    def give(self, seat: Seat, attempt: Attempt) -> None:
        """A block is done with its seat."""
        seat.is_busy = False
        if seat.is_leaving and not seat.is_gone:
            self._retire(seat)
        if self._alone.get(seat.machine) == attempt:
            del self._alone[seat.machine]
        if seat.is_awake:
            self._idle[seat.number] = seat
        self.n_idle = len(self._idle)

    def is_known(self, machine: str) -> bool:
        """Whether some actor is, or may come to be, on a machine of that name."""
        return any(seat.machine == machine for seat in self._seats.values())

    def _free(self, block: Block, kept: set[str]) -> Seat | None:
        last = self._where.get(block.entries[0].candidate) if block.needs.elsewhere and self.slots > 1 else None
        for number, seat in self._idle.items():
            if number == last or seat.machine in kept or seat.machine in self._alone:
                continue
            if block.needs.machine in ("", seat.machine):
                return seat
        return None

    def _exclusive(self, kept: set[str]) -> Seat | None:
        """A seat of a machine on which nothing runs; else the machine that is nearest to it is kept free."""
        running: dict[str, int] = {}
        for seat in self._seats.values():
            if seat.is_awake and seat.machine not in self._alone and seat.machine not in kept:
                running[seat.machine] = running.get(seat.machine, 0) + seat.is_busy
        if not running:
            return None
        machine = min(running, key=lambda name: running[name])
        if running[machine]:
            kept.add(machine)
            return None
        return next(seat for seat in self._idle.values() if seat.machine == machine)


def _fault_of(facts: HostFacts) -> str:
    """Why an actor cannot serve this engine; "" where it can."""
    if facts.fault:
        return facts.fault
    if facts.engine != __version__:
        return f"expected evolve {__version__} on every node, found {facts.engine}; install the same there"
    return ""
