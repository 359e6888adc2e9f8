"""The actors of an executor: as many as there is room for, each awake, coming back or given up, and who takes which block."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from archive import Attempt
from evolve.execute._base import Block
from evolve.execute._one_class import OneClass
from evolve.execute.cluster._capacity import Node, SlotNeeds, capacity, names_of
from evolve.execute.cluster._connection import Connection
from evolve.execute.cluster._host import HostFacts
from evolve.execute.cluster._seat import Seat
from evolve.execute.cluster._work import Work

_TICK_S = 1.0  # how late a node that joins or leaves is seen
_BARRED_S = (15.0, 600.0)  # that a node takes no part which did not fit, at first and at most
_ANSWER_S = 10.0  # for a head that is asked for its nodes
_SILENT_S = 25.0  # after which it is taken for gone
_REMEMBERED = 4096  # candidates
_AGAIN_S = 0.2
_LONGEST_S = 30.0  # between two tries where no actor starts
_TOLD = 300  # characters of what Ray says


class Fleet:
    """Used from the executor's own thread alone, but for what has no underscore, which is replaced and never changed.

    Args:
        connection: to Ray.
        needs: what a slot holds.
        asked: slots, at most; None for as many as there is room for.
        actor: what each actor is made with: its settings, and the bundles of the problems.
        changed: called after anything that may let a block start.
        seat: makes a seat, as ``Seat``.
        one_class: which hardware serves; any where it is not given.
    """

    def __init__(
        self,
        connection: Connection,
        needs: SlotNeeds,
        asked: int | None,
        actor: tuple[object, Sequence[object]],
        changed: Callable[[], None],
        seat: Callable[..., Seat] = Seat,
        one_class: OneClass | None = None,
    ) -> None:
        self._one_class = one_class or OneClass(())
        self._connection, self._ray, self._needs, self._asked = connection, connection.ray, needs, asked
        self._actor, self._changed, self._make = actor, changed, seat
        self.slots = self.n_idle = self.n_behind = self.room = 0
        self.nodes: list[Node] = []
        self.lost = ""  # why no actor will ever come again
        self._names: dict[str, str] = {}  # of nodes, as people know them
        self.unfit: dict[str, str] = {}  # node -> why it takes no part, as found last
        self._barred: dict[str, tuple[float, float]] = {}  # node -> until when it gets no actor, and for how long that was
        self._seats: dict[int, Seat] = {}
        self._awake: dict[int, Seat] = {}
        self._leaving: dict[int, Seat] = {}
        self._idle: OrderedDict[int, Seat] = OrderedDict()
        self._single: OrderedDict[int, Seat] = OrderedDict()  # something may wait behind what runs there; what began first, first
        self._double: OrderedDict[int, Seat] = OrderedDict()  # something does
        self._suspects: set[str] = set()  # candidates in whose seats' lines an actor died: they stand in a line alone
        self._where: OrderedDict[str, tuple[int, str]] = OrderedDict()  # candidate -> the seat and machine that measured it last
        self._alone: dict[str, Attempt] = {}  # machine -> the block that has it to itself
        self._number = 0
        self.failures, self.failure, self._not_before = 0, "", 0.0  # actors in a row that did not start, and what was said
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def actors(self) -> tuple[HostFacts, ...]:
        """Those that are awake."""
        return tuple(seat.facts for seat in list(self._awake.values()))

    # ------------------------------------------------------------------------------------------ who is there

    def begin(self) -> None:
        """Look at the cluster, now and again and again."""
        self._start(self._watch())

    def troubles(self) -> dict[str, str]:
        """Nodes that take no part, and that actors do not start, each with the reason."""
        told = {node: f"{self._names.get(node, node)}: {why}" for node, why in self.unfit.items()}
        return {**told, **({"actors": f"the last actor did not start: {self.failure}"} if self.failures else {})}

    def name_of(self, seat: Seat) -> str:
        """The node on which a seat's actor is, as people know it."""
        return self._names.get(seat.facts.node, seat.machine)

    def refresh(self, nodes: list[Node]) -> None:
        """Ask for as many actors as there is room for, and let go of those that there is none for."""
        self.nodes, self._names = nodes, names_of(nodes)
        self.unfit = {node: why for node, why in self.unfit.items() if node in self._names}  # who is gone comes back as another
        self._look_again(len(self._seats) - capacity(nodes, self._needs, self._now_barred))
        self.room = capacity(nodes, self._needs, self._now_barred)
        leaving = {node.id for node in nodes if node.draining}
        for seat in [seat for seat in self._seats.values() if (seat.facts.node in leaving) != seat.is_leaving]:
            seat.is_leaving = not seat.is_leaving
            if not seat.is_leaving:
                del self._leaving[seat.number]
                self._note(seat)
            elif seat.is_busy:
                self._leaving[seat.number] = seat
                self._note(seat)
            else:
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
        closing = [asyncio.ensure_future(seat.close()) for seat in seats if seat.is_awake]  # nobody else has anything to end
        if closing:
            await asyncio.wait(closing, timeout=limit_s)
        for seat in seats:
            if not seat.is_gone:
                seat.kill()
        tasks = [*self._tasks, *closing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self) -> None:
        options = self._needs.options(self._now_barred)
        settings, bundles = self._actor
        seat = self._seats[self._number] = self._make(self._ray, self._number, options, settings, bundles)
        self._number += 1
        self._start(self._attend(seat))

    def _retire(self, seat: Seat) -> None:
        seat.kill()
        seat.doubt()
        self._seats.pop(seat.number, None)
        self._leaving.pop(seat.number, None)
        self._note(seat)

    async def _attend(self, seat: Seat) -> None:
        """A seat's life, from the actor's first answer, through deaths and returns, until it is let go of."""
        while not seat.is_gone:
            try:
                facts = await seat.wake()
            except self._ray.exceptions.ActorUnavailableError:  # it is coming back, or its node is not heard of now
                await asyncio.sleep(_AGAIN_S)
                continue
            except self._ray.exceptions.RayError as error:
                self._on_no_start(seat, _cause(str(error)))
                return
            if fault := facts.fault or self._one_class.take(facts.hardware):
                self._note_fault(facts.node, fault)
                self._retire(seat)
                self.refresh(self.nodes)
                return
            seat.is_awake, self.failures = True, 0
            if facts.node in self.unfit:
                self.unfit = {node: why for node, why in self.unfit.items() if node != facts.node}
                self._barred.pop(facts.node, None)
            self._note(seat)
            await seat.until_death()
            seat.is_awake = False
            self._note(seat)

    def _on_no_start(self, seat: Seat, why: str) -> None:
        """An actor ended before it could say where it is: the next ones are asked for more and more slowly."""
        if seat.is_gone:
            return
        self.failures, self.failure = self.failures + 1, why
        self._not_before = time.monotonic() + min(_LONGEST_S, _AGAIN_S * 2**self.failures)
        self._retire(seat)

    def _note_fault(self, node: str, why: str) -> None:
        """The node gets no actor for a while, for longer each time: what is wrong may be mended there."""
        _, before_s = self._barred.get(node, (0.0, _BARRED_S[0] / 2))
        length_s = min(2 * before_s, _BARRED_S[1])
        self._barred[node] = time.monotonic() + length_s, length_s
        self.unfit = {**self.unfit, node: why}
        self._changed()

    @property
    def _now_barred(self) -> list[str]:
        return [node for node, (until, _) in self._barred.items() if until > 0]

    def _look_again(self, n_unplaced: int) -> None:
        """Let nodes have an actor whose time without one is over.  The newest of those that found no place were asked for without
        these nodes, and are asked for anew; the others may be starting."""
        over = [node for node, (until, _) in self._barred.items() if 0 < until < time.monotonic()]
        for node in over:
            self._barred[node] = 0.0, self._barred[node][1]
        nowhere = [seat for seat in self._seats.values() if not seat.facts.node]
        for seat in nowhere[-n_unplaced:] if over and n_unplaced > 0 else ():
            self._retire(seat)

    async def _watch(self) -> None:
        loop, heard = asyncio.get_running_loop(), time.monotonic()
        while not self._closing:
            asked, nodes = loop.run_in_executor(None, self._connection.nodes), None
            with suppress(self._ray.exceptions.RayError, ConnectionError, RuntimeError, TimeoutError):
                nodes = await asyncio.wait_for(asked, _ANSWER_S)
            if nodes is not None:  # else nobody answers just now, and what was seen last holds
                heard = time.monotonic()
                with suppress(self._ray.exceptions.RayError):
                    self.refresh(nodes)
            if time.monotonic() - heard > _SILENT_S:  # Ray itself ends the process without a word after 60 s
                where = "this machine" if self._connection.is_own else self._connection.where
                self.lost = (
                    f"the Ray cluster at {where} has not answered for {_SILENT_S:g} s: its head is gone or cannot be reached"
                )
                self._changed()
                return
            await asyncio.sleep(_TICK_S)

    def _note(self, seat: Seat) -> None:
        """Something about a seat has changed: it woke up, died, or is let go of."""
        if seat.is_awake and seat.number in self._seats:
            self._awake[seat.number] = seat
        else:
            self._awake.pop(seat.number, None)
        self._place(seat)
        self.slots = len(self._awake)
        self._changed()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---------------------------------------------------------------------------------------- who takes what

    def take(self, work: Work, kept: set[str]) -> Seat | None:
        """A seat for the block, if there is one that it may have; then it stands in that seat's line.

        Where no seat is free it waits behind what runs on one: so an actor has its next block without a word to its driver and
        back.  ``kept`` are machines that nobody behind it in the queue may have a seat of, since one before them waits for all of
        it; this one may be added.
        """
        block = work.block
        seat = self._exclusive(block, kept) if block.needs.exclusive else self._free(block, kept)
        if seat is None and not (block.needs.exclusive or block.needs.elsewhere or work.candidates & self._suspects):
            seat = next((one for one in self._single.values() if self._serves(one, block, kept)), None)
        if seat is None:
            return None
        if block.needs.exclusive:
            self._alone[seat.machine] = block.attempt
        for candidate in work.candidates:
            self._where[candidate] = seat.number, seat.machine
            self._where.move_to_end(candidate)
        while len(self._where) > _REMEMBERED:
            self._where.popitem(last=False)
        seat.line.append(work)
        work.seat, work.has_begun, work.is_recalled, work.hands = seat, len(seat.line) == 1, False, work.hands + 1
        self._place(seat)
        return seat

    def give(self, work: Work) -> None:
        """A block is done with its seat, or was taken back from it: whatever stood behind it has begun."""
        seat = work.seat
        if seat is None:
            return
        self._leave(work, seat)
        for first in seat.line[:1]:
            first.has_begun = True
        if seat.is_leaving and not seat.is_gone and not seat.is_busy:
            self._retire(seat)

    def _leave(self, work: Work, seat: Seat) -> None:
        seat.line.remove(work)
        work.seat = None
        if self._alone.get(seat.machine) == work.attempt:
            del self._alone[seat.machine]
        self._place(seat)

    def lose(self, work: Work) -> None:
        """Its seat's actor died.  Which of the line it was that ran is known only where one stands there alone."""
        seat = work.seat
        if seat is not None:
            self._suspects.update(*(one.candidates for one in seat.line if len(seat.line) > 1))
            self._leave(work, seat)

    def clear(self, work: Work) -> None:
        """It ran to its end: nothing is suspected of its candidates."""
        self._suspects -= work.candidates

    def waiting(self) -> Work | None:
        """A block that waits behind another while an idle seat could run it, or on a seat that is about to leave."""
        for seat in self._double.values() if self._idle else self._leaving.values():
            work = seat.line[1] if len(seat.line) > 1 else None
            if work is None or work.is_recalled:
                continue
            if seat.is_leaving or any(self._serves(one, work.block) for one in self._idle.values()):
                return work
        return None

    def _place(self, seat: Seat) -> None:
        """Note what a seat can take."""
        for places in (self._idle, self._single, self._double):
            places.pop(seat.number, None)
        is_open = seat.is_awake and not seat.is_leaving and seat.number in self._seats
        if len(seat.line) > 1:
            self._double[seat.number] = seat
        elif is_open and not seat.line:
            self._idle[seat.number] = seat
        elif is_open and not seat.line[0].block.needs.exclusive and not seat.line[0].candidates & self._suspects:
            self._single[seat.number] = seat
        self.n_idle, self.n_behind = len(self._idle), len(self._double)

    def is_known(self, machine: str) -> bool:
        """Whether some actor is, or may come to be, on a machine of that name."""
        return any(seat.machine == machine for seat in self._seats.values())

    def _free(self, block: Block, kept: set[str]) -> Seat | None:
        last = self._where.get(block.entries[0].candidate)
        if block.needs.elsewhere and last is not None:
            return self._apart(block, kept, *last)
        return next((seat for seat in self._idle.values() if self._serves(seat, block, kept)), None)

    def _apart(self, block: Block, kept: set[str], number: int, machine: str) -> Seat | None:
        """An idle seat of another machine than that, where there is one; else another seat; else any."""
        able = [seat for seat in self._awake.values() if self._serves(seat, block, kept)]
        apart = [seat for seat in able if seat.machine != machine] or [seat for seat in able if seat.number != number] or able
        return next((seat for seat in apart if seat.number in self._idle), None)

    def _serves(self, seat: Seat, block: Block, kept: Collection[str] = ()) -> bool:
        return seat.machine not in kept and seat.machine not in self._alone and block.needs.machine in ("", seat.machine)

    def _exclusive(self, block: Block, kept: set[str]) -> Seat | None:
        """A seat of a machine on which nothing runs; else the machine that is nearest to it is kept free."""
        running: dict[str, int] = {}
        for seat in self._awake.values():
            if not seat.is_leaving and self._serves(seat, block, kept):
                running[seat.machine] = running.get(seat.machine, 0) + seat.is_busy
        if not running:
            return None
        machine = min(running, key=lambda name: running[name])
        if running[machine]:
            kept.add(machine)
            return None
        return next((seat for seat in self._idle.values() if seat.machine == machine), None)


def _cause(told: str) -> str:
    """The last line of what Ray tells that names an error, else the first: between them are its frames, paths and arrows."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in told.splitlines()]
    named = [line for line in lines if re.match(r"[\w.]+(?:Error|Exception|Exit)\b", line)]
    return " ".join((named or [line for line in lines if line] or [""])[-1 if named else 0].split())[:_TOLD]
