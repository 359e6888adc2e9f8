"""The main loop.  It runs in the main thread and blocks on one queue; graders, the inbox and signals post to it.

A record is appended, then applied, then acted on.  Only this thread touches the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from archive import (
    BlockStatus,
    Event,
    HardwareSeen,
    JournalError,
    MeasureIssued,
    NodesUnfit,
    ProposeIssued,
    SlotsChanged,
    StopRequested,
)
from evolve.engine._proposer import Proposers
from evolve.engine.models._dispatcher import ModelDispatcher
from evolve.engine.models._thread import CallRecorded, DraftReady, ModelMessage, ModelThreadFailed, ReviewReady
from evolve.engine.requests._handlers import INTERRUPTED, handle
from evolve.execute import BlockReport, EntryReport, Executor
from evolve.runs._inbox import Request
from evolve.runs._recorder import Recorder
from evolve.search._rng import fresh_seeds
from evolve.search._search import Search
from evolve.search._stopping import nothing_is_begun
from evolve.search.claims._openings import FreshSeeds
from evolve.search.state._state import Phase

_SLOTS_S = 1.0
_GONE_S = 15.0  # without a slot, after which a run that is to end gives up what waits for one
_TICK_S = 0.5  # how late the end of the wall budget may be noticed


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The first asks to drain, a second to stop at once.  A hang-up only ever asks to drain: a closed terminal may send several."""

    hang_up: bool = False


LoopMessage = EntryReport | BlockReport | Request | Interrupt | JournalError | ModelMessage
Mailbox = SimpleQueue[LoopMessage]


class Stopped(Exception):
    """A second interrupt: blocks in hand are given up; they are handed out again on resume."""


def run_loop(
    search: Search,
    executor: Executor,
    proposers: Proposers,
    recorder: Recorder,
    mailbox: Mailbox,
    answered: Callable[[Request], None],
    entropy: FreshSeeds = fresh_seeds,
    dispatcher: ModelDispatcher | None = None,
    measure_only: bool = False,
) -> str:
    """Drive a search until its budget, a stop condition, a request or an interrupt ends it.  Returns why it ended.

    Args:
        search: What to do next; changed by records alone.
        executor: Runs blocks; reports into ``mailbox``.
        proposers: Make children, each for its problem.
        recorder: Appends and applies.
        mailbox: Everything that happens.
        entropy: Where the seeds of vaults come from.
        dispatcher: Has models asked; None where none was offered.
        measure_only: Only what is ready is measured, and nothing new is begun.
        answered: Called from the journal's thread when a request's answer is durable.

    Raises:
        Stopped: a second interrupt.
        JournalError: the journal cannot be written; everything acknowledged is intact.
    """
    slots = _Slots(executor, recorder)
    while not (why := search.done(recorder.clock(), measure_only=measure_only)) or executor.pending:
        now = recorder.clock()
        slots.note(now)
        if slots.were_gone_for(_GONE_S, now) and nothing_is_begun(search.run, search.states, now):
            _give_up(search, executor, recorder)
        issued = search.ask(now, room=executor.room, entropy=entropy, measure_only=measure_only)
        if issued is not None:
            recorder.write(issued)
        if isinstance(issued, ProposeIssued) and issued.arm.model and dispatcher is not None:
            dispatcher.submit(issued, now)
        elif isinstance(issued, ProposeIssued):
            state = search.state_of(issued)
            generation = state.population.candidates[state.population.by_id[issued.parents[0]]].generation
            made = proposers[state.problem].propose(issued, state.tuner_session.literals_of(issued.sample), generation)
            recorder.write(search.accept_proposal(made))
        elif isinstance(issued, MeasureIssued):
            executor.submit(proposers[search.state_of(issued).problem].block(issued))
        if dispatcher is not None:
            dispatcher.review_leaders()
        for message in _arrived(mailbox, wait=issued is None):
            _handle(message, search, recorder, answered, proposers, dispatcher)
    return why


def drain_model_calls(
    search: Search,
    proposers: Proposers,
    recorder: Recorder,
    mailbox: Mailbox,
    answered: Callable[[Request], None],
    dispatcher: ModelDispatcher,
) -> None:
    """Let calls that are in flight when a run ends be answered, for ``llm.grace_s``: they are paid for.

    Raises: as ``run_loop``.
    """
    end = recorder.clock() + search.run.llm.grace_s
    dispatcher.review_leaders()
    while dispatcher.is_waiting and recorder.clock() < end:
        for message in _arrived(mailbox, wait=True):
            _handle(message, search, recorder, answered, proposers, dispatcher)
        dispatcher.review_leaders()


def _give_up(search: Search, executor: Executor, recorder: Recorder) -> None:
    """Give up all blocks: nobody is there to measure them.  Those that were lost the executor knows no more."""
    tickets = search.run.tickets
    for ticket, block in list(tickets.blocks.items()):
        attempt = block.issued.attempt
        executor.cancel(attempt)
        if ticket in tickets.to_reissue:
            for record in search.accept_block(
                attempt, BlockStatus.CANCELLED, skipped=(), drift=None, reason="no slot was left", lost=None
            ):
                recorder.write(record)


class _Slots:
    """Notes how many blocks can run at once and which nodes take no part when that changes, once a second: a cluster of many nodes
    starts one by one."""

    def __init__(self, executor: Executor, recorder: Recorder) -> None:
        self._executor, self._recorder, self._next = executor, recorder, 0.0
        self._noted, self._unfit = recorder.search.run.slots, dict(recorder.search.run.unfit)
        self._gone_at = 0.0

    def were_gone_for(self, seconds: float, now: float) -> bool:
        """Whether there has been no slot for so long."""
        return self._noted == 0 and now - self._gone_at >= seconds

    def note(self, now: float) -> None:
        n, unfit = self._executor.slots, dict(getattr(self._executor, "unfit", {}))  # not every executor has nodes
        if (n == self._noted and unfit == self._unfit) or now < self._next:
            return
        self._next, epoch = now + _SLOTS_S, self._recorder.search.run.tickets.epoch
        if n != self._noted:
            self._noted, self._gone_at = n, now
            self._recorder.write(SlotsChanged(epoch, n, getattr(self._executor, "nodes", 0)))
            if n == 0:
                self._recorder.write(
                    Event("warning", "no_slot", "nobody is left to measure; the run goes on with the next slot", "")
                )
        if unfit != self._unfit:
            self._unfit = unfit
            self._recorder.write(NodesUnfit(epoch, unfit))


def _arrived(mailbox: Mailbox, *, wait: bool) -> Iterator[LoopMessage]:
    """What lies in the mailbox; with ``wait``, after waiting for the first, but never longer than a tick."""
    try:
        yield mailbox.get(block=wait, timeout=_TICK_S)
        while True:
            yield mailbox.get(block=False)
    except Empty:
        return


def _handle(
    message: LoopMessage,
    search: Search,
    recorder: Recorder,
    answered: Callable[[Request], None],
    proposers: Proposers,
    dispatcher: ModelDispatcher | None,
) -> None:
    match message:
        case CallRecorded() | DraftReady() | ReviewReady() | ModelThreadFailed():
            assert dispatcher is not None  # they come from its thread
            dispatcher.handle(message)
        case EntryReport(attempt, index, result, hardware):
            if hardware is not None and hardware.id not in search.run.hardware:
                recorder.write(HardwareSeen(hardware.id, hardware))
            known = replace(result, hardware=hardware.id if hardware is not None else "")
            recorder.write(search.accept_entry(attempt, index, known))
        case BlockReport(attempt, status, skipped, drift, reason, lost):
            for record in search.accept_block(attempt, status, skipped=skipped, drift=drift, reason=reason, lost=lost):
                recorder.write(record)
        case Request():
            if message.id in search.run.handled_requests:
                answered(message)
                return
            *effects, reply = handle(search, message, proposers, recorder.clock())
            for record in effects:
                recorder.write(record)
            recorder.write(reply, on_durable=lambda: answered(message))
            if dispatcher is not None:
                dispatcher.new_budget()
        case Interrupt(hang_up=hang_up):
            if search.run.end.phase is Phase.STOPPING:
                if hang_up:
                    return
                raise Stopped
            recorder.write(StopRequested(reason=INTERRUPTED))
        case _:
            raise message
