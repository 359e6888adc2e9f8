"""The main loop.  It runs in the main thread and blocks on one queue; graders, the inbox and signals post to it.

A record is appended, then applied, then acted on.  Only this thread touches the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from archive import Attempt, Event, JournalError, MeasureIssued, ProposeIssued, Retraction, StopAsked
from evolve import _accounts as accounts
from evolve._confirming import Entropy
from evolve._desk import CallNote, Desk, DeskBroken, DeskMessage, Drafted, Reviewed
from evolve._inbox import Request
from evolve._recorder import Recorder
from evolve._rng import fresh_seeds, generator
from evolve._search import Search
from evolve._verbs import INTERRUPTED, answer
from evolve._workshop import Workshop
from evolve.execute import BlockReport, EntryReport, Executor

_TICK_S = 0.5  # how late the end of the wall budget may be noticed


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The first asks to drain, a second to stop at once."""


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
    desk: Desk | None = None,
) -> str:
    """Drive a search until its budget, a stop condition, a request or an interrupt ends it.  Returns why it ended.

    Args:
        search: What to do next; changed by records alone.
        executor: Runs blocks; reports into ``mailbox``.
        workshop: Makes children.
        recorder: Appends and applies.
        mailbox: Everything that happens.
        entropy: Where the seeds of vaults come from.
        desk: Asks models; None where none was offered.
        answered: Called from the journal's thread when a request's answer is durable.

    Raises:
        Stopped: a second interrupt.
        JournalError: the journal cannot be written; everything acknowledged is intact.
    """
    while not (why := search.done(recorder.clock())) or executor.pending:
        issued = search.ask(recorder.clock(), room=executor.room, entropy=entropy)
        if isinstance(issued, ProposeIssued):
            recorder.write(issued)
            _make(issued, search, recorder, workshop, desk)
        elif isinstance(issued, MeasureIssued):
            recorder.write(issued)
            executor.submit(workshop.block(issued))
        elif issued is not None:
            recorder.write(issued)
        if desk is not None:
            _review(search, workshop, desk)
        for message in _arrived(mailbox, wait=issued is None):
            _handle(message, search, recorder, answered, workshop, desk)
    return why


def _make(issued: ProposeIssued, search: Search, recorder: Recorder, workshop: Workshop, desk: Desk | None) -> None:
    """A child, or a question to a model whose answer comes as a message."""
    if issued.arm.model and desk is not None:
        desk.submit(issued, workshop.assignment(search, issued), generator(search.seed, "model", issued.attempt.ticket))
        return
    generation = search.people.rows[search.people.by_id[issued.parents[0]]].generation
    made = workshop.make(issued, search.tuning.literals_of(issued.sample), generation)
    recorder.write(search.accept_proposal(made))


def _review(search: Search, workshop: Workshop, desk: Desk) -> None:
    """Have the judge read whoever is best: by score, or by title."""
    for number in dict.fromkeys((search.people.leader, search.contest.champion)) if search.llm.judge else ():
        if number and search.people.rows[number].id not in desk.reviewed:
            row = search.people.rows[number]
            attempt = Attempt(search.tickets.epoch, row.ticket)
            desk.review(row.id, attempt, workshop.case(search, number), generator(search.seed, "judge", row.ticket))


def _retracted(search: Search) -> set[str]:
    return {search.people.rows[number].id for number in search.retracted}


def await_calls(
    search: Search,
    workshop: Workshop,
    recorder: Recorder,
    mailbox: Mailbox,
    answered: Callable[[Request], None],
    desk: Desk,
) -> None:
    """Let calls that are in flight when a run ends be answered, for ``llm.grace_s``: they are paid for.

    Raises: as ``run_loop``.
    """
    end = recorder.clock() + search.llm.grace_s
    while (accounts.awaited(search) or desk.reviewing) and recorder.clock() < end:
        for message in _arrived(mailbox, wait=True):
            _handle(message, search, recorder, answered, workshop, desk)
        _review(search, workshop, desk)


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
    desk: Desk | None,
) -> None:
    match message:
        case CallNote():
            recorder.write(workshop.kept(search, message), on_durable=message.on_durable)
        case Drafted():
            recorder.write(search.accept_proposal(workshop.finish(search, message)))
        case Reviewed():
            if desk is not None:
                desk.reviewing.discard(message.candidate)
            if message.why and message.candidate not in _retracted(search):
                recorder.write(Retraction(problem=search.problem, candidate=message.candidate, why=message.why))
            elif message.unfit:
                recorder.write(Event("warning", "judge", message.unfit))
        case DeskBroken():
            raise message.error
        case EntryReport(attempt, index, result):
            recorder.write(search.accept_entry(attempt, index, result))
        case BlockReport(attempt, status, skipped, drift, reason, lost):
            for record in search.accept_block(attempt, status, skipped=skipped, drift=drift, reason=reason, lost=lost):
                recorder.write(record)
        case Request():
            if message.id in search.requests:
                answered(message)
                return
            *effects, reply = answer(search, message, workshop, recorder.clock())
            for record in effects:
                recorder.write(record)
            recorder.write(reply, on_durable=lambda: answered(message))
            if desk is not None:
                desk.cap(search.accounts.ledger.caps)
        case Interrupt():
            if search.stopping:
                raise Stopped
            recorder.write(StopAsked(reason=INTERRUPTED))
        case _:
            raise message
