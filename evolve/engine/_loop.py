"""The main loop.  It runs in the main thread and blocks on one queue; graders, the inbox and signals post to it.

A record is appended, then applied, then acted on.  Only this thread touches the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from archive import JournalError, MeasureIssued, ProposeIssued, StopAsked
from evolve._rng import fresh_seeds
from evolve.engine._model_dispatch import Clerk
from evolve.engine._model_thread import CallNote, DeskBroken, DeskMessage, Drafted, Reviewed
from evolve.engine._proposer import Workshop
from evolve.engine._requests import INTERRUPTED, answer
from evolve.execute import BlockReport, EntryReport, Executor
from evolve.runs._inbox import Request
from evolve.runs._recorder import Recorder
from evolve.search._claims import Entropy
from evolve.search._search import Search
from evolve.search._state import Phase

_TICK_S = 0.5  # how late the end of the wall budget may be noticed


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The first asks to drain, a second to stop at once.  A hang-up only ever asks to drain: a closed terminal may send several."""

    hang_up: bool = False


Message = EntryReport | BlockReport | Request | Interrupt | JournalError | DeskMessage
Mailbox = SimpleQueue[Message]


class Stopped(Exception):
    """A second interrupt: blocks in hand are given up; they are handed out again on resume."""


def run_loop(
    search: Search,
    executor: Executor,
    workshop: Workshop,
    recorder: Recorder,
    mailbox: Mailbox,
    answered: Callable[[Request], None],
    entropy: Entropy = fresh_seeds,
    clerk: Clerk | None = None,
    measure_only: bool = False,
) -> str:
    """Drive a search until its budget, a stop condition, a request or an interrupt ends it.  Returns why it ended.

    Args:
        search: What to do next; changed by records alone.
        executor: Runs blocks; reports into ``mailbox``.
        workshop: Makes children.
        recorder: Appends and applies.
        mailbox: Everything that happens.
        entropy: Where the seeds of vaults come from.
        clerk: Has models asked; None where none was offered.
        measure_only: Only what is ready is measured, and nothing new is begun.
        answered: Called from the journal's thread when a request's answer is durable.

    Raises:
        Stopped: a second interrupt.
        JournalError: the journal cannot be written; everything acknowledged is intact.
    """
    while not (why := search.done(recorder.clock(), measure_only=measure_only)) or executor.pending:
        now = recorder.clock()
        issued = search.ask(now, room=executor.room, entropy=entropy, measure_only=measure_only)
        if issued is not None:
            recorder.write(issued)
        if isinstance(issued, ProposeIssued) and issued.arm.model and clerk is not None:
            clerk.submit(issued, now)
        elif isinstance(issued, ProposeIssued):
            generation = search.state.population.rows[search.state.population.by_id[issued.parents[0]]].generation
            made = workshop.make(issued, search.state.tuning.literals_of(issued.sample), generation)
            recorder.write(search.accept_proposal(made))
        elif isinstance(issued, MeasureIssued):
            executor.submit(workshop.block(issued))
        if clerk is not None:
            clerk.review()
        for message in _arrived(mailbox, wait=issued is None):
            _handle(message, search, recorder, answered, workshop, clerk)
    return why


def await_calls(
    search: Search,
    workshop: Workshop,
    recorder: Recorder,
    mailbox: Mailbox,
    answered: Callable[[Request], None],
    clerk: Clerk,
) -> None:
    """Let calls that are in flight when a run ends be answered, for ``llm.grace_s``: they are paid for.

    Raises: as ``run_loop``.
    """
    end = recorder.clock() + search.run.llm.grace_s
    while clerk.waits and recorder.clock() < end:
        for message in _arrived(mailbox, wait=True):
            _handle(message, search, recorder, answered, workshop, clerk)
        clerk.review()


def _arrived(mailbox: Mailbox, *, wait: bool) -> Iterator[Message]:
    """What lies in the mailbox; with ``wait``, after waiting for the first, but never longer than a tick."""
    try:
        yield mailbox.get(block=wait, timeout=_TICK_S)
        while True:
            yield mailbox.get(block=False)
    except Empty:
        return


def _handle(
    message: Message,
    search: Search,
    recorder: Recorder,
    answered: Callable[[Request], None],
    workshop: Workshop,
    clerk: Clerk | None,
) -> None:
    match message:
        case CallNote() | Drafted() | Reviewed() | DeskBroken():
            assert clerk is not None  # they come from its desk
            clerk.take(message)
        case EntryReport(attempt, index, result):
            recorder.write(search.accept_entry(attempt, index, result))
        case BlockReport(attempt, status, skipped, drift, reason, lost):
            for record in search.accept_block(attempt, status, skipped=skipped, drift=drift, reason=reason, lost=lost):
                recorder.write(record)
        case Request():
            if message.id in search.run.handled_requests:
                answered(message)
                return
            *effects, reply = answer(search, message, workshop, recorder.clock())
            for record in effects:
                recorder.write(record)
            recorder.write(reply, on_durable=lambda: answered(message))
            if clerk is not None:
                clerk.new_budget()
        case Interrupt(hang_up=hang_up):
            if search.run.end.phase is Phase.STOPPING:
                if hang_up:
                    return
                raise Stopped
            recorder.write(StopAsked(reason=INTERRUPTED))
        case _:
            raise message
