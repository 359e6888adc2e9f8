"""Tickets that are open: what was handed out and has not ended.  A result counts only if an open ticket waits for it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from archive import (
    Attempt,
    BlockClosed,
    BlockStatus,
    Candidate,
    Literal,
    Measured,
    MeasureIssued,
    ProposalStatus,
    Proposed,
    ProposeIssued,
    ReviewIssued,
)  # fmt: skip

MAX_VOID_RETRIES = 3  # of a void block
EXTERNAL_KEPT = 1000
MAX_LOSSES = 3  # of one ticket: after that the machine is at fault, not chance


@dataclass(frozen=True, slots=True)
class ProposalResult:
    """What an operator made of a propose ticket, on its way to becoming a record."""

    attempt: Attempt
    status: ProposalStatus
    candidate: Candidate | None = None
    literals: tuple[Literal, ...] = ()
    reason: str = ""
    cpu_s: float = 0.0
    usd: float = 0.0
    outcome: str = ""


@dataclass(slots=True)
class OpenBlock:
    """A measure ticket.  ``done`` are indices of ``issued.entries`` that ended; ``held`` are results of a calibrated stage, which
    count only when the block closes well."""

    issued: MeasureIssued
    done: set[int] = field(default_factory=set)
    uncalibrated: list[Measured] = field(default_factory=list)
    n_voided: int = 0
    n_lost: int = 0

    def remaining(self) -> tuple[int, ...]:
        return tuple(i for i in range(len(self.issued.entries)) if i not in self.done)

    @property
    def n_left(self) -> int:
        return len(self.issued.entries) - len(self.done)

    def drop_uncalibrated(self) -> set[str]:
        """No calibration will follow what is held: it has to be measured again.  Returns the candidates that it was of."""
        dropped = {held.result.candidate for held in self.uncalibrated}
        self.done -= {held.index for held in self.uncalibrated}
        self.uncalibrated = []
        return dropped


class Tickets:
    """Open tickets to propose, to measure and to review, and those to be handed out again."""

    def __init__(self) -> None:
        self.next_ticket = 0
        self.epoch = ""
        self.proposals: dict[int, ProposeIssued] = {}
        self.blocks: dict[int, OpenBlock] = {}
        self.n_unmeasured: dict[str, int] = {}  # entries of open blocks that have not ended, by problem
        self.reviews: dict[int, ReviewIssued] = {}
        self.to_reissue: deque[int] = deque()
        self.told: dict[int, ProposeIssued] = {}  # tickets that people had, the newest last
        self.asked_at: dict[int, float] = {}  # Unix time of each ticket that waits for a model
        self.orphaned: list[int] = []  # propose tickets that waited for a model when a driver died: never sent again

    def next_attempt(self) -> Attempt:
        """The attempt a new ticket starts with."""
        return Attempt(self.epoch, self.next_ticket, 1)

    def on_run_opened(self, epoch: str) -> None:
        """A new driver: everything open is handed out again, but for what waits for people (it goes on waiting) and for models (it
        is lost)."""
        self.epoch = epoch
        for block in self.blocks.values():
            dropped = -block.n_left
            block.drop_uncalibrated()
            self._count(block, dropped + block.n_left)
        self.orphaned = [ticket for ticket, issued in self.proposals.items() if issued.arm.model]
        own = [ticket for ticket, issued in self.proposals.items() if not issued.arm.model and issued.expires_at is None]
        self.to_reissue = deque(sorted([*own, *self.blocks]))

    def expired(self, now: float) -> Proposed | None:
        """The end of a propose ticket that nobody will come back for: one that waited for a model when a driver died, one that
        expired."""
        if self.orphaned:
            issued, reason = self.proposals[self.orphaned[0]], "its driver ended while the model was asked; it is not asked again"
            return Proposed(issued.attempt, issued.problem, ProposalStatus.LOST, reason=reason)
        for issued in self.proposals.values():
            if issued.expires_at is not None and issued.expires_at <= now:
                return Proposed(issued.attempt, issued.problem, ProposalStatus.LOST, reason="nobody told a child in time")
        return None

    def on_proposed(self, ticket: int) -> ProposeIssued:
        """A propose ticket is over."""
        self.orphaned = [one for one in self.orphaned if one != ticket]
        issued = self.proposals.pop(ticket)
        if issued.expires_at is not None:
            self.told[ticket] = issued
            self.told = dict([*self.told.items()][-EXTERNAL_KEPT:])
        return issued

    def handed_out(self, ticket: int) -> ProposeIssued | None:
        """A ticket that people or agents have or had; None where it is none of theirs."""
        issued = self.proposals.get(ticket)
        return issued if issued is not None and issued.expires_at is not None else self.told.get(ticket)

    @property
    def has_external(self) -> bool:
        """Whether people or agents make children of this run."""
        return bool(self.told) or any(issued.expires_at is not None for issued in self.proposals.values())

    def n_local_proposals(self, problem: str = "") -> int:
        """Open propose tickets, of one problem or of all, that are neither with a model nor with people."""
        local = (issued for issued in self.proposals.values() if not issued.arm.model and issued.expires_at is None)
        return sum(not problem or issued.problem == problem for issued in local)

    def on_issued(self, record: ProposeIssued | MeasureIssued | ReviewIssued) -> bool:
        """Open (or open again) a ticket; returns whether it is a new one."""
        ticket = record.attempt.ticket
        new = ticket >= self.next_ticket
        self.next_ticket = max(self.next_ticket, ticket + 1)
        if not new and ticket in self.to_reissue:
            self.to_reissue.remove(ticket)
        if isinstance(record, ProposeIssued):
            self.proposals[ticket] = record
        elif isinstance(record, ReviewIssued):
            self.reviews[ticket] = record
        else:
            old = self.blocks.get(ticket)
            block = OpenBlock(record, n_voided=old.n_voided if old else 0, n_lost=old.n_lost if old else 0)
            self.blocks[ticket] = block
            self._count(block, block.n_left - (old.n_left if old else 0))
        return new

    def _count(self, block: OpenBlock, more: int) -> None:
        problem = block.issued.problem
        self.n_unmeasured[problem] = self.n_unmeasured.get(problem, 0) + more

    def reissue(self) -> ProposeIssued | MeasureIssued | None:
        """The next ticket to hand out again, as the record to write: the entries that have not ended, in order, seeds unchanged."""
        if not self.to_reissue:
            return None
        ticket = self.to_reissue[0]
        proposal = self.proposals.get(ticket)
        if proposal is not None:
            return replace(proposal, attempt=Attempt(self.epoch, ticket, proposal.attempt.n + 1))
        block = self.blocks[ticket]
        entries = tuple(block.issued.entries[i] for i in block.remaining())
        return replace(block.issued, attempt=Attempt(self.epoch, ticket, block.issued.attempt.n + 1), entries=entries)

    def open_proposal(self, attempt: Attempt) -> ProposeIssued | None:
        """The open propose ticket of exactly this attempt."""
        issued = self.proposals.get(attempt.ticket)
        if issued is None or issued.attempt != attempt:
            return None
        kept = issued.expires_at is not None or attempt.ticket in self.orphaned
        return issued if kept or attempt.epoch == self.epoch else None

    def open_block(self, attempt: Attempt) -> OpenBlock | None:
        """The open measure ticket of exactly this attempt."""
        block = self.blocks.get(attempt.ticket)
        return block if block is not None and block.issued.attempt == attempt and attempt.epoch == self.epoch else None

    def on_measured(self, block: OpenBlock, index: int) -> None:
        """An entry that was open ended."""
        block.done.add(index)
        self._count(block, -1)

    def on_block_closed(self, record: BlockClosed) -> list[Measured]:
        """Close a block, or queue what is left of it; returns the held results that count now."""
        ticket = record.attempt.ticket
        block = self.blocks[ticket]
        left = block.n_left
        block.n_voided += record.status is BlockStatus.VOID
        # What was skipped because of a failure that does not count is to be run, like that which failed.
        again = block.drop_uncalibrated() if record.status is not BlockStatus.OK else set()
        block.done.update(i for i in record.skipped if block.issued.entries[i].candidate not in again)
        over = record.status in (BlockStatus.OK, BlockStatus.CANCELLED) or block.n_voided > MAX_VOID_RETRIES
        if over or not block.n_left:
            del self.blocks[ticket]
            if ticket in self.to_reissue:  # it was lost, and is given up before it was handed out again
                self.to_reissue.remove(ticket)
            self._count(block, -left)
            return block.uncalibrated
        self._count(block, block.n_left - left)
        if ticket not in self.to_reissue:
            self.to_reissue.append(ticket)
        return []
