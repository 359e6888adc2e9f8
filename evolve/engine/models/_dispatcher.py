"""The main thread's side of asking models: what it submits, what it writes of the answers, what it tells people.

Everything here runs in the main thread; only ``ModelThread`` speaks to the other one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from archive import CallSettled, Event, ProposalStatus, ProposeIssued, Retraction
from evolve.budget._ledger import LOST, usd
from evolve.engine._proposer import Proposers
from evolve.engine.models._thread import CallRecorded, DraftReady, ModelMessage, ModelThread, ModelThreadFailed, ReviewReady
from evolve.runs._recorder import Recorder
from evolve.search._reviews import unanswered
from evolve.search._rng import generator
from evolve.search._search import Search
from evolve.search.policy._arms import n_in_flight
from evolve.search.state._tickets import ProposalResult


class ModelDispatcher:
    """Keeps the thread of models busy and its books.

    Args:
        thread: Asks models.
        search: Whose tickets these are.
        proposers: Make assignments, and children of drafts, each for its problem.
        recorder: Writes.
    """

    def __init__(self, thread: ModelThread, search: Search, proposers: Proposers, recorder: Recorder) -> None:
        self._thread, self._search, self._proposers, self._recorder = thread, search, proposers, recorder
        self._warned: set[str] = set()  # what people were told once
        self.new_budget()

    @property
    def is_waiting(self) -> bool:
        """Whether an answer may still come in this opening."""
        return bool(n_in_flight(self._search.state) or self._search.run.tickets.reviews)

    def submit(self, issued: ProposeIssued, now: float) -> None:
        """Have a model make a draft for a ticket at Unix time ``now``; it comes as a message."""
        rng = generator(self._search.run.seed, "model", issued.attempt.ticket)
        state = self._search.state_of(issued)
        proposer = self._proposers[state.problem]
        self._thread.submit(issued, proposer.context(state, issued, now), proposer.scope, rng)

    def review_leaders(self) -> None:
        """Have the judge read whoever is best; what it says comes as a message."""
        search = self._search
        while (issued := search.review()) is not None:
            self._recorder.write(issued)
            state = search.state_of(issued)
            case = self._proposers[state.problem].judge_input(state, state.population.by_id[issued.candidate])
            self._thread.review(issued, case, generator(search.run.seed, "judge", issued.attempt.ticket))

    def new_budget(self) -> None:
        """The caps of the thread of models are those of the search from here on, and its end the run's."""
        search = self._search
        wall_s = search.run.budget.wall_s
        left_s = math.inf if wall_s is None else wall_s - search.run.usage.elapsed(self._recorder.clock())
        self._thread.cap(search.run.model_limits.ledger.caps, left_s)

    def handle(self, message: ModelMessage, *, waited_for: bool = True) -> None:
        """Write what a message brings.  ``waited_for``: somebody in the thread of models waits until a record is durable.

        Raises:
            Exception: an error of ours in the thread of models.
        """
        match message:
            case CallRecorded():
                record = self._proposers[self._search.state.problem].packed(self._search.state, message)
                self._recorder.write(record, on_durable=message.on_durable if waited_for else None)
                if isinstance(record, CallSettled):
                    self._tell(record)
            case DraftReady():
                state = self._search.state_of(message.issued)
                made = self._proposers[state.problem].from_draft(state, message)
                self._recorder.write(self._search.accept_proposal(made))
            case ReviewReady():
                self._on_review(message)
            case ModelThreadFailed():
                raise message.error

    def abort(self) -> None:
        """Give up everything in flight and write nothing: for when nothing can be written.  Idempotent."""
        self._thread.close()

    def close(self, left: Iterable[object]) -> None:
        """Give up the calls that are still in flight: each is settled, and its ticket lost.  ``left`` is what lies in the mailbox,
        looked at once the thread of models is closed."""
        self._thread.close()
        for message in left:
            if isinstance(message, CallRecorded | DraftReady | ReviewReady):
                self.handle(message, waited_for=False)
        search = self._search
        for _, issued in sorted(search.run.tickets.proposals.items()):
            if issued.arm.model:
                made = ProposalResult(issued.attempt, ProposalStatus.LOST, reason="the run ended before the answer")
                self._recorder.write(search.accept_proposal(made))
        for review in [*search.run.tickets.reviews.values()]:
            self._recorder.write(unanswered(review, "the run ended before the judge answered"))

    def _on_review(self, message: ReviewReady) -> None:
        from evolve.evaluate.screen._llm_judge import Verdict, quarantine_reason

        state, issued, opinion = self._search.state_of(message.issued), message.issued, message.opinion
        said = unanswered(issued, message.unfit)
        if opinion is not None:
            said = replace(said, verdict=str(opinion.verdict), line=opinion.quote, reason=opinion.why)
            if opinion.verdict is Verdict.CHEATING and state.population.by_id[issued.candidate] not in state.retracted:
                why = quarantine_reason(opinion)
                self._recorder.write(Retraction(problem=issued.problem, candidate=issued.candidate, why=why))
        elif not message.unfit:
            said = replace(said, verdict="none")
        self._recorder.write(said)
        if message.unfit:
            self._warn("judge", message.unfit, key=message.unfit)

    def _tell(self, record: CallSettled) -> None:
        """The first failure of each kind, and a server that counts more tokens than were reserved, are worth a line."""
        if record.outcome not in ("ok", LOST):
            self._warn("model", record.reason, key=record.outcome)
        elif record.outcome != LOST and record.reason:  # what is wrong with a count
            self._warn("model", record.reason, key="uncounted")
        beyond = self._search.run.model_limits.ledger.overrun
        if beyond.nano or beyond.tokens:
            much = f"${usd(beyond.nano):.4f} and {beyond.tokens} tokens"
            text = f"a server counted {much} more than its call was allowed: it is charged all the same"
            self._warn("overrun", text, key="overrun")

    def _warn(self, what: str, text: str, *, key: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            self._recorder.write(Event("warning", what, text))
