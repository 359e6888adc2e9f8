"""Where models are asked: one asyncio loop in one thread, for every call of a run.

The main thread submits assignments and gets messages back through its mailbox: records of calls, which it writes (a reservation is
sent on only when that is durable), and drafts, of which it makes children.  Nothing here touches the search.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from archive import Attempt, CallReserved, CallSettled, ProposalStatus, ProposeIssued, ReviewIssued
from evolve._errors import EvolveError
from evolve.budget._ledger import Caps, Ledger
from evolve.models import Reservations
from evolve.propose import EditScope, ModelDraft, ProposalContext

if TYPE_CHECKING:
    import numpy as np

    from evolve.evaluate.screen._llm_judge import JudgeInput, Judgement


@dataclass(frozen=True, slots=True)
class CallRecorded:
    """A record of a call, with the text to be kept in it."""

    record: CallReserved | CallSettled
    text: str = ""
    on_durable: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class DraftReady:
    """What became of a propose ticket with a model."""

    issued: ProposeIssued
    draft: ModelDraft


@dataclass(frozen=True, slots=True)
class ModelThreadFailed:
    """The thread met an error of ours."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class ReviewReady:
    """What the judge thinks of a candidate, None where that is no verdict; ``unfit`` says why it is not asked or did not answer."""

    issued: ReviewIssued
    opinion: Judgement | None = None
    unfit: str = ""


ModelMessage = CallRecorded | DraftReady | ReviewReady | ModelThreadFailed


class DraftMaker(Protocol):
    """Makes drafts with models."""

    async def make(self, attempt: Attempt, assignment: ProposalContext, scope: EditScope, rng: np.random.Generator) -> ModelDraft:
        """One draft."""

    async def review(self, attempt: Attempt, case: JudgeInput, rng: np.random.Generator) -> Judgement | None:
        """What the judge thinks of a candidate; None where that is no verdict.

        Raises:
            JudgeUnreliable: the model does not tell cheats from honest programs.
            JudgeUnavailable: it did not answer.
        """

    def until(self, left_s: float) -> None:
        """The run ends in so many seconds."""

    async def close(self) -> None:
        """Close connections."""


class ModelThread:
    """Asks models in a thread of its own.

    Args:
        open_maker: Builds what makes drafts, from a reservations; called in the thread.
        ledger: What is spent already; the thread has it to itself.
        post: Takes messages; called from the thread.
    """

    def __init__(
        self,
        open_maker: Callable[[Reservations], DraftMaker],
        ledger: Ledger,
        post: Callable[[ModelMessage], None],
    ) -> None:
        self._post, self._ledger = post, ledger
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._maker = open_maker(Reservations(ledger, _CallLog(self._loop, post)))
        self._thread = threading.Thread(target=self._loop.run_forever, name="models", daemon=True)
        self._thread.start()

    def submit(self, issued: ProposeIssued, assignment: ProposalContext, scope: EditScope, rng: np.random.Generator) -> None:
        """Make a draft, of which ``scope`` says what it may change; it comes as a message."""
        self._start(issued, self._maker.make(issued.attempt, assignment, scope, rng))

    def review(self, issued: ReviewIssued, case: JudgeInput, rng: np.random.Generator) -> None:
        """Ask the judge about a candidate; what it says comes as a message."""

        async def judged() -> None:
            try:
                said = ReviewReady(issued, await self._maker.review(issued.attempt, case, rng))
            except EvolveError as error:
                said = ReviewReady(issued, unfit=str(error))
            self._post(said)

        self._begin(judged())

    def cap(self, caps: Caps, left_s: float) -> None:
        """Other caps from here on, and a run that ends in so many seconds."""
        self._loop.call_soon_threadsafe(setattr, self._ledger, "caps", caps)
        self._loop.call_soon_threadsafe(self._maker.until, left_s)

    def close(self) -> None:
        """Give up what is in flight: each call is settled, in full, and its ticket stays open.  Idempotent."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._cancel(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _start(self, issued: ProposeIssued, work: Coroutine[Any, Any, ModelDraft]) -> None:
        async def drafted() -> None:
            try:
                draft = await work
            except EvolveError as error:
                draft = ModelDraft(status=ProposalStatus.FAILED, reason=str(error), outcome="usage")
            self._post(DraftReady(issued, draft))

        self._begin(drafted())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        def start() -> None:
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

        self._loop.call_soon_threadsafe(start)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """An error of ours in the thread is raised by the main one."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._post(ModelThreadFailed(error))

    async def _cancel(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._maker.close()


class _CallLog:
    """Writes through the main thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, post: Callable[[ModelMessage], None]) -> None:
        self._loop, self._post = loop, post

    async def reserved(self, record: CallReserved, prompt: str) -> None:
        durable: asyncio.Future[None] = self._loop.create_future()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                self._loop.call_soon_threadsafe(_done, durable)

        self._post(CallRecorded(record, prompt, tell))
        await durable

    def settled(self, record: CallSettled, reply: str) -> None:
        self._post(CallRecorded(record, reply))


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():  # given up meanwhile
        future.set_result(None)
