"""The search: a pure state machine over records.

``ask`` and the ``accept_*`` methods decide and change nothing; ``apply`` is the only mutator.  Replaying a journal therefore only
applies, and a newer version of the deciding code reopens an old run.  There is no clock and no generator in the state: time and
results are arguments, and every draw is keyed by (run seed, purpose, ticket).
"""

from __future__ import annotations

import math
from dataclasses import fields, replace

from archive import (
    Arm,
    Attempt,
    BlockClosed,
    BlockStatus,
    BudgetSet,
    CallReserved,
    CallSettled,
    Champion,
    Claim,
    Closed,
    Entry,
    Event,
    LateResult,
    Measured,
    MeasureIssued,
    Measurement,
    Note,
    Opened,
    Placed,
    Proposed,
    ProposeIssued,
    Purpose,
    Rebinned,
    Record,
    Requested,
    Retraction,
    RunCreated,
    Stamped,
    Status,
    StopAsked,
    VaultOpened,
)  # fmt: skip
from evolve._rng import generator, measurement_seed
from evolve.budget._model_limits import Accounts, arms_of
from evolve.budget._usage import Spend
from evolve.config._schema import LlmConfig, SearchConfig, StopConfig
from evolve.confirm import Contest, Docket, Panel, Repeats
from evolve.problem._contract import Budget, Contract
from evolve.search import _claims as confirming
from evolve.search import _results as offspring
from evolve.search import _stopping as ends
from evolve.search._claims import Entropy
from evolve.search._crosscheck import cross_checked
from evolve.search._faults import Faults, heard, hopeless
from evolve.search._memory import Memory
from evolve.search._policies import POLICIES, SEED, Draft
from evolve.search._population import Population
from evolve.search._schedule import Due, final_runs
from evolve.search._steadiness import Steadiness
from evolve.search._tickets import MAX_LOSSES, Made, Tickets
from evolve.search._tuning import Tuning
from evolve.select import Bandit, Novelty

FAMILIES = {"tune": "tune", "ast_edit": "edit", "crossover": "merge", "llm_paradigm": "paradigm"}  # else "model"
_WORK = (MeasureIssued, Measured, BlockClosed, CallSettled, Closed)  # what only a driver writes: until then its time counts


class Search:
    """One problem's search.

    Args:
        contract: The problem's contract.
        problem: Its id.
        config: How to decide.
        stop: When to stop early.
        budget: What may be spent, until a ``BudgetSet`` record says otherwise.
        seed: Keys every draw of the search; what measurements draw hangs on a secret that the run's first record has.
        llm: Which models may be asked, and for what.
    """

    def __init__(
        self,
        *,
        contract: Contract,
        problem: str,
        config: SearchConfig,
        stop: StopConfig,
        budget: Budget,
        seed: int,
        llm: LlmConfig | None = None,
    ) -> None:
        self.contract, self.problem, self.config, self.stop = contract, problem, config, stop
        self.llm = llm or LlmConfig()
        self.budget, self.seed = budget, seed
        self.secret = ""  # what measurement seeds derive from; a run of an older version has none
        self.slots, self.tier = 1, ""  # of the driver that has the run now
        self.people = Population(problem, contract, keep=config.keep)
        self.policy = POLICIES[config.policy]
        self.tickets = Tickets()
        self.spend = Spend()
        self.tuning = Tuning()
        self.contest, self.docket = Contest(titled=self.policy.titled), Docket()
        self.repeats, self.panel, self.steadiness = Repeats(), Panel(), Steadiness()
        self.accounts, self.memory = Accounts(budget), Memory()
        arms = [*(Arm(name) for name in config.operators), *arms_of(self.llm)]
        families = [FAMILIES.get(arm.operator, "model") for arm in arms]
        self.bandit = Bandit(arms, families, discount=config.discount, family_floor=config.family_floor)
        self.novelty = Novelty(self.llm.novelty_share)
        self.finals: tuple[str, int] | None = None  # the finalist and the number of final entries still owed
        self.final_scores: list[tuple[str, float]] = []  # of the finals in hand: candidate, score in the problem's own sign
        self.stopping = ""  # why nothing new is started
        self.failed = ""  # why the run cannot go on
        self.faults = Faults()
        self.retracted: list[int] = []  # found to cheat
        self.suspects: list[int] = []  # descend from one of those, hold a place, title or claim, and are to be measured again
        self.requests: set[str] = set()  # carried out or refused; never again
        self.incumbent = SEED  # of the baselines that keep one
        self.tickets_of_round = 0
        self.fruitless: dict[str, int] = {}  # propose tickets since the last one that gave a new program, by what became of them
        self.paused = False  # the last driver measured what was ready and no more
        self.closed: tuple[str, str] | None = None  # how the last driver let go of the run, and why; None while one has it
        self.now = 0.0  # when ``ask`` was last asked: no state
        self.judged_at = (-1, -1)  # runs and retractions at which claims were judged again and none changed: no state
        self.driven = True  # its clock runs: not where a request is carried out and nobody drives; no state
        self.pausing = False  # only what is ready is measured: set by whoever drives, no state

    # ---------------------------------------------------------------------------------------------- deciding

    def ask(self, now: float, *, room: int, entropy: Entropy) -> Record | None:
        """The next thing to do or to record, or None.

        Args:
            now: Unix time.
            room: Blocks the executor takes now.
            entropy: Gives seeds that nobody could know before; used when a vault opens.
        """
        self.now = now
        if self.failed or self.stopping:
            return None
        if lost := self.tickets.lost(now):
            return lost
        if self.tickets.again:
            again = self.tickets.reissue()
            return again if room > 0 or isinstance(again, ProposeIssued) else None
        if not self.people.rows:
            return None
        if decision := confirming.decision(self, now, entropy) or ends.noise_found(self):
            return decision
        over = self.over(now)
        if room > 0:
            due = ends.due(self, now, over)
            if due is not None:
                return self._block(due)
        return None if over or self.pausing else self._propose()

    def measurement_seed(self, candidate: str, stream: str, index: int) -> int:
        """The seed of a measurement; nobody who does not have the run's journal can work it out."""
        return measurement_seed(self.secret or self.seed, candidate, stream, index)

    def over(self, now: float) -> str:
        """Why nothing new is searched for ("" while something is); final measurements may still be due."""
        return ends.over(self, now)

    def done(self, now: float) -> str:
        """Why nothing more will be asked for ("" while something will, or is under way)."""
        return ends.done(self, now)

    def _block(self, due: Due) -> MeasureIssued:
        return MeasureIssued(
            attempt=self.tickets.fresh(), problem=self.problem, purpose=due.purpose, entries=due.entries, needs=due.needs
        )

    def _propose(self) -> ProposeIssued | None:
        seed = self.people.rows[SEED]
        waiting = len(self.people.ready) + self.tickets.waiting()
        if seed.stage < self.people.last_stage or waiting >= 2 * self.slots * self.contract.stages[0].block:
            return None
        draft = self.policy.draft(self, generator(self.seed, "propose", self.tickets.next_ticket))
        return None if draft is None else self._proposal(draft)

    def _proposal(self, draft: Draft) -> ProposeIssued:
        rows = self.people.rows
        return ProposeIssued(
            attempt=self.tickets.fresh(),
            problem=self.problem,
            arm=self.bandit.arms[draft.arm],
            parents=tuple(rows[number].id for number in draft.parents),
            inspirations=tuple(rows[number].id for number in draft.inspirations),
            propensity=draft.propensity,
            baseline=draft.baseline,
            sample=draft.sample,
        )

    # ---------------------------------------------------------------------------------------------- accepting

    def accept_proposal(self, made: Made) -> Proposed | LateResult:
        """The record of a propose ticket's end, after the gates."""
        if self.tickets.waits_for_proposal(made.attempt) is None:
            return LateResult(made.attempt, self.problem, "proposal")
        record = Proposed(
            attempt=made.attempt,
            problem=self.problem,
            status=made.status,
            candidate=made.candidate,
            literals=made.literals,
            reason=made.reason,
            cpu_s=made.cpu_s,
            usd=made.usd,
            outcome=made.outcome,
        )
        return offspring.gated(self, record)

    def accept_entry(self, attempt: Attempt, index: int, result: Measurement) -> Measured | LateResult:
        """The record of a measurement; one that no open attempt waits for is only logged."""
        block = self.tickets.waits_for_block(attempt)
        if block is None or index in block.done or any(held.index == index for held in block.held):
            return LateResult(attempt, self.problem, f"measurement {index}: {result.status}")
        return Measured(
            attempt,
            self.problem,
            index,
            block.issued.purpose,
            cross_checked(self.people, self.steadiness, result, block.issued.purpose),
        )

    def accept_block(
        self, attempt: Attempt, status: BlockStatus, *, skipped: tuple[int, ...], drift: float | None, reason: str, lost: int | None
    ) -> tuple[Record, ...]:
        """The records of a block's end.  A program with which graders were lost twice is one that the evaluator cannot judge: what
        ended them is not known, and candidates cannot reach them."""
        block = self.tickets.waits_for_block(attempt)
        if block is None:
            return (LateResult(attempt, self.problem, f"block: {status}"),)
        closed = BlockClosed(attempt, self.problem, status, skipped=skipped, drift=drift, reason=reason, lost=lost)
        if closed.noisy_machine and status is BlockStatus.OK and block.issued.purpose is Purpose.VAULT:
            closed = replace(closed, status=BlockStatus.VOID, reason=f"{reason or 'the machine drifted'}: no evidence for a claim")
        if status is not BlockStatus.LOST or lost is None:
            return (closed,)
        entry = block.issued.entries[lost]
        number = self.people.by_id[entry.candidate]
        if number == SEED or self.people.rows[number].losses == 0:
            return (closed,)
        why = f"its grader was lost twice: {reason}"
        unjudged = Measurement(entry.candidate, entry.stage, entry.seed, Status.EVALUATOR_ERROR, reason=why)
        return (Measured(attempt, self.problem, lost, block.issued.purpose, unjudged), closed)

    # ---------------------------------------------------------------------------------------------- applying

    def apply(self, stamped: Stamped) -> list[Placed]:
        """Take one record in, in its order; returns what changed in the archive, to be written for readers."""
        record = stamped.record
        if isinstance(record, _WORK):
            self.spend.last_at = stamped.at
        if isinstance(record, BudgetSet | StopAsked | Retraction | Note | Requested) and record.request:
            self.requests.add(record.request)
        match record:
            case Measured():
                return self._measured(record)
            case MeasureIssued():
                self._issued_block(record)
            case ProposeIssued():
                offspring.on_issued(self, record)
            case Proposed():
                offspring.on_proposed(self, record, stamped.at)
            case BlockClosed():
                return self._closed(record)
            case Opened():
                self.spend.opened(record, stamped.at)
                self.tickets.opened(record.epoch, {call.attempt.ticket for call in self.accounts.ledger.batched()})
                self.accounts.opened(record)
                self.slots, self.tier = record.slots, record.tier
                self.stopping, self.paused, self.fruitless = "", False, {}
                for number in self.faults.opened():
                    offspring.revive(self, number)
                self.closed = None
                self.failed = self.failed if self.people.seed_failed else ""
            case Note():
                self.memory.remarked(record.author, record.text)
            case RunCreated():
                self.seed, self.secret = record.seed, record.secret
            case CallReserved() | CallSettled():
                left_s = math.inf if self.budget.wall_s is None else self.budget.wall_s - self.spend.elapsed(stamped.at)
                self.accounts.apply(record, stamped.at, left_s)
            case BudgetSet():
                self._new_budget(record)
            case StopAsked():
                self.stopping = record.reason
            case Closed():
                self.paused, self.closed = record.reason == ends.PAUSED, (record.status, record.reason)
            case Rebinned():
                return self.people.rebin(record.axes)
            case Retraction():
                return self._retracted(record)
            case Event(what=ends.NOISY):
                self.steadiness.told = True
            case Champion():
                self.contest.crowned(self.people.by_id[record.candidate], self.people)
            case VaultOpened():
                confirming.on_opened(self, record)
            case Claim():
                confirming.on_claim(self, record)
            case _:
                pass
        return []

    def _new_budget(self, record: BudgetSet) -> None:
        confirm = self.budget.confirm if record.confirm is None else record.confirm
        self.budget = Budget(**{one.name: getattr(record, one.name) for one in fields(Budget)} | {"confirm": confirm})
        self.accounts.new_budget(self.budget, self.tickets.next_ticket)
        confirming.next_budget(self)
        self.finals, self.final_scores = None, []

    def _retracted(self, record: Retraction) -> list[Placed]:
        number = self.people.by_id[record.candidate]
        placed = self.people.fail(number, Status.REJECTED)
        self.retracted.append(number)
        self.suspects = [one for one in self.suspects if one != number]
        holders = {*self.people.elites, self.contest.champion, *(vault.candidate for vault in confirming.claims_of(self))}
        self.suspects += [one for one in self.people.descendants(number) if one in holders and one not in self.suspects]
        confirming.on_retracted(self, number)
        return placed

    def _issued_block(self, record: MeasureIssued) -> None:
        if not self.tickets.issued(record):
            return
        again = self.faults.issued(record)
        for entry in record.entries:
            number = self.people.by_id[entry.candidate]
            row = self.people.rows[number]
            row.pending += 1
            row.next_index += not again and (record.purpose is not Purpose.RECHECK or self.contract.noisy)
            target = row is self.people.rows[self.contest.target]
            compared = target and record.purpose is Purpose.REMEASURE and len(record.entries) > 1
            self.spend.issued(Purpose.REFERENCE if compared else record.purpose)
            if record.purpose is Purpose.RECHECK and number in self.suspects:
                self.suspects.remove(number)
        if again:
            return
        confirming.on_issued(self, record)
        self.people.started(record.purpose, record.entries)
        if record.purpose is Purpose.FINAL:
            finalist = next(entry.candidate for entry in record.entries if entry.candidate != self.people.rows[SEED].id)
            owed = self.finals[1] if self.finals is not None else 2 * final_runs(self)
            self.finals = (finalist, owed - len(record.entries))

    def _measured(self, record: Measured) -> list[Placed]:
        block = self.tickets.waits_for_block(record.attempt)
        if block is None or record.index in block.done:
            return []
        block.done.add(record.index)
        if self.contract.stage(record.result.stage).calibrated:
            block.held.append(record)
            return []
        return self._count(record, block.issued.entries[record.index])

    def _closed(self, record: BlockClosed) -> list[Placed]:
        block = self.tickets.waits_for_block(record.attempt)
        if block is None:
            return []
        if record.lost is not None:
            lost = block.issued.entries[record.lost]
            self.people.rows[self.people.by_id[lost.candidate]].losses += 1
            if block.issued.purpose is Purpose.VAULT:
                confirming.on_dropped(self, (lost,), "a run of its vault was lost", cancelled=False)
        if block.losses + 1 >= MAX_LOSSES and record.status is BlockStatus.LOST:
            self.failed = f"a block was lost {MAX_LOSSES} times: {record.reason}"
        open_before = block.remaining()
        entries = block.issued.entries
        placed = [one for held in self.tickets.closed(record) for one in self._count(held, entries[held.index])]
        if record.attempt.ticket not in self.tickets.blocks:
            self._given_up(record, block.issued, sorted({*open_before, *block.remaining()}))
        return placed

    def _given_up(self, record: BlockClosed, issued: MeasureIssued, gone: list[int]) -> None:
        """A block is closed for good: entries that were skipped, cancelled, or void too often will not end any more."""
        rows, by_id = self.people.rows, self.people.by_id
        for i in gone:
            rows[by_id[issued.entries[i].candidate]].pending -= 1
            self.faults.dropped(issued.entries[i])
        void = record.status is BlockStatus.VOID
        if issued.purpose is Purpose.VAULT:
            dropped = tuple(issued.entries[i] for i in gone if i not in record.skipped)
            confirming.on_dropped(self, dropped, record.reason, cancelled=record.status is BlockStatus.CANCELLED)
        for number in sorted({by_id[issued.entries[i].candidate] for i in gone} if void else ()):
            if number == SEED and rows[SEED].stage < self.people.last_stage:
                self.failed = f"the machine never stood still for the seed program: {record.reason}"
            if rows[number].status is None:  # it could not be measured, which is no fault of its own
                rows[number].status = Status.EVALUATOR_ERROR
                offspring.settle(self, number)  # without a score nothing takes a place

    def _count(self, record: Measured, entry: Entry) -> list[Placed]:
        result = record.result
        number = self.people.by_id[result.candidate]
        row = self.people.rows[number]
        row.pending -= 1
        self.spend.measured(record.purpose, result)
        self.steadiness.saw(self.people, number, record)
        if self.steadiness.broke and number == SEED and record.purpose is Purpose.RECHECK:
            self.faults.dropped(entry)
            return []  # it was good once, and the run stands on that
        placed = self.people.observe(number, result, vault=record.purpose is Purpose.VAULT)
        again = heard(self, number, record, entry)
        if self.contract.noisy and not again:
            confirming.on_measured(self, number, record)
        if record.purpose is Purpose.FINAL and result.score is not None:
            self.final_scores.append((result.candidate, result.score))
        self.memory.measured(number, result)
        placed += offspring.settle(self, number)
        self.failed = self.failed or hopeless(self, result)
        return placed + offspring.simplified(self, number)
