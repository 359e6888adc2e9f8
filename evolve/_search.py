"""The search: a pure state machine over records.

``ask`` and the ``accept_*`` methods decide and change nothing; ``apply`` is the only mutator.  Replaying a journal therefore only
applies, and a newer version of the deciding code reopens an old run.  There is no clock and no generator in the state: time and
results are arguments, and every draw is keyed by (run seed, purpose, ticket).
"""

from __future__ import annotations

from dataclasses import replace

from archive import (
    Arm,
    Attempt,
    BlockClosed,
    BlockStatus,
    BudgetSet,
    LateResult,
    Measured,
    MeasureIssued,
    Measurement,
    Note,
    Opened,
    Placed,
    ProposalStatus,
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
)  # fmt: skip
from evolve._config import SearchConfig, StopConfig
from evolve._contract import Budget, Contract
from evolve._due import Due, final_block, final_runs, next_block, reserve
from evolve._frames import ALLOWANCE
from evolve._policies import POLICIES, SEED, TUNE, Draft
from evolve._population import Population
from evolve._rng import generator
from evolve._spend import Spend, exhausted
from evolve._tickets import MAX_LOSSES, Made, Tickets
from evolve._tuning import Tuning
from evolve.select import Bandit

SEED_ARM = -1
FAMILIES = {"tune": "tune", "ast_edit": "edit", "crossover": "merge"}
MAX_EVALUATOR_ERRORS = 3
BARREN = 1000  # propose tickets without a new program, after which the operators have nothing left


class Search:
    """One problem's search.

    Args:
        contract: The problem's contract.
        problem: Its id.
        config: How to decide.
        stop: When to stop early.
        budget: What may be spent, until a ``BudgetSet`` record says otherwise.
        seed: Keys every draw.
    """

    def __init__(
        self, *, contract: Contract, problem: str, config: SearchConfig, stop: StopConfig, budget: Budget, seed: int
    ) -> None:
        self.contract, self.problem, self.config, self.stop = contract, problem, config, stop
        self.budget, self.seed = budget, seed
        self.slots, self.tier = 1, ""  # of the driver that has the run now
        self.policy = POLICIES[config.policy]
        self.people = Population(problem, contract, keep=config.keep)
        self.tickets = Tickets()
        self.spend = Spend()
        self.tuning = Tuning()
        arms = [Arm(name) for name in config.operators]
        families = [FAMILIES[name] for name in config.operators]
        self.bandit = Bandit(arms, families, discount=config.discount, family_floor=config.family_floor)
        self.finals: tuple[str, int] | None = None  # the finalist and the number of final entries still owed
        self.final_scores: list[tuple[str, float]] = []  # of the finals in hand: candidate, score in the problem's own sign
        self.stopping = ""  # why nothing new is started
        self.failed = ""  # why the run cannot go on
        self.evaluator_errors = 0
        self.requests: set[str] = set()  # carried out or refused; never again
        self.incumbent = SEED  # of the baselines that keep one
        self.tickets_of_round = 0
        self.barren = 0  # propose tickets since the last one that gave a new program

    # ---------------------------------------------------------------------------------------------- deciding

    def ask(self, now: float, *, room: int) -> ProposeIssued | MeasureIssued | None:
        """The next thing to do, or None.

        Args:
            now: Unix time.
            room: Blocks the executor takes now.
        """
        if self.failed or self.stopping:
            return None
        if self.tickets.again:
            again = self.tickets.reissue()
            return again if room > 0 or isinstance(again, ProposeIssued) else None
        if not self.people.rows:
            return None
        over = self.over(now)
        if room > 0:
            draining = over == "budget.candidates" and self.people.ready
            due = self._final() if over and not draining else next_block(self)
            if due is not None:
                return self._block(due)
        return None if over else self._propose()

    def over(self, now: float) -> str:
        """Why searching is over ("" while it is not); final measurements may still be due."""
        leader = self.people.leader
        if leader is None:
            return ""  # the seed program is measured whatever the budget
        if self.people.rows[leader].cold and self.on_target(leader):
            return "stop.target"
        if self.stop.patience is not None and self.people.n_settled - self.people.leader_at >= self.stop.patience:
            return "stop.patience"
        if self.barren >= BARREN:
            return f"exhausted: the last {BARREN} attempts gave no new program"
        queued = sum(len(block.remaining()) for block in self.tickets.blocks.values())
        return exhausted(self.budget, self.spend, now, reserve(self), queued=queued / self.slots)

    def on_target(self, number: int | None) -> bool:
        """Whether a candidate's score is as good as ``stop.target`` asks, warm or cold."""
        score = self.people.score(number) if number is not None else None
        return self.stop.target is not None and score is not None and score >= self.people.sign * self.stop.target

    def done(self, now: float) -> str:
        """Why nothing more will be asked for ("" while something will, or is under way)."""
        if self.failed or self.stopping:
            return self.failed or self.stopping
        over = self.over(now)
        busy = self.tickets.blocks or self.tickets.again or (over == "budget.candidates" and self.people.ready)
        return "" if busy or self._final() is not None else over

    def _final(self) -> Due | None:
        """What is due at the end; not before everything else has ended, since it decides who is best."""
        others = any(block.issued.purpose is not Purpose.FINAL for block in self.tickets.blocks.values())
        return None if others or self.tickets.proposals else final_block(self)

    def _block(self, due: Due) -> MeasureIssued:
        return MeasureIssued(
            attempt=self.tickets.fresh(), problem=self.problem, purpose=due.purpose, entries=due.entries, needs=due.needs
        )

    def _propose(self) -> ProposeIssued | None:
        seed = self.people.rows[SEED]
        waiting = len(self.people.ready) + len(self.tickets.proposals)
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
        """The record of a propose ticket's end; a program known already becomes a duplicate."""
        issued = self.tickets.waits_for_proposal(made.attempt)
        if issued is None:
            return LateResult(made.attempt, self.problem, "proposal")
        status, candidate, twin = made.status, made.candidate, ""
        if candidate is not None:
            known = self.people.by_hash.get(candidate.code_hash)
            if known is not None:
                status, candidate, twin = ProposalStatus.DUPLICATE, None, self.people.rows[known].id
        return Proposed(
            attempt=made.attempt,
            problem=self.problem,
            status=status,
            candidate=candidate,
            duplicate_of=twin,
            literals=made.literals,
            reason=made.reason,
            cpu_s=made.cpu_s,
            usd=made.usd,
        )

    def accept_entry(self, attempt: Attempt, index: int, result: Measurement) -> Measured | LateResult:
        """The record of a measurement; one that no open attempt waits for is only logged."""
        block = self.tickets.waits_for_block(attempt)
        if block is None or index in block.done or any(held.index == index for held in block.held):
            return LateResult(attempt, self.problem, f"measurement {index}: {result.status}")
        return Measured(attempt, self.problem, index, block.issued.purpose, self._cross_checked(result, block.issued.purpose))

    def _cross_checked(self, result: Measurement, purpose: Purpose) -> Measurement:
        """Rules that need more than one measurement: a candidate must not ignore its seed nor spend more than the frame allows, and
        a deterministic score must not depend on how the process was started."""
        number = self.people.by_id[result.candidate]
        if self.people.ignores_its_seed(number, result):
            reason = "seed_insensitive: two seeds gave the same, while the seed program's results differ"
            return replace(result, status=Status.REJECTED, score=None, reason=reason)
        if self.people.over_budget(number, result):
            reason = f"its mean CPU is above {ALLOWANCE} x the seed program's, with 95 % confidence"
            return replace(result, status=Status.OVER_BUDGET, score=None, reason=reason)
        if purpose is not Purpose.RECHECK or self.contract.noisy or result.score is None:
            return result
        warm = self.people.sign * self.people.posterior(number)[0]
        if abs(result.score - warm) <= 1e-9 * max(1.0, abs(warm)):
            return result
        reason = f"scored {warm!r} in a warm process and {result.score!r} in a fresh one, with the same seed"
        return replace(result, status=Status.REJECTED, score=None, reason=reason)

    def accept_block(
        self, attempt: Attempt, status: BlockStatus, *, skipped: tuple[int, ...], drift: float | None, reason: str, lost: int | None
    ) -> tuple[Record, ...]:
        """The records of a block's end.  A candidate with which graders were lost twice is taken to have crashed."""
        block = self.tickets.waits_for_block(attempt)
        if block is None:
            return (LateResult(attempt, self.problem, f"block: {status}"),)
        closed = BlockClosed(attempt, self.problem, status, skipped=skipped, drift=drift, reason=reason, lost=lost)
        if status is not BlockStatus.LOST or lost is None:
            return (closed,)
        entry = block.issued.entries[lost]
        number = self.people.by_id[entry.candidate]
        if number == SEED or self.people.rows[number].losses == 0:
            return (closed,)
        crash = Measurement(entry.candidate, entry.stage, entry.seed, Status.CRASH, reason=f"its grader was lost twice: {reason}")
        return (Measured(attempt, self.problem, lost, block.issued.purpose, crash), closed)

    # ---------------------------------------------------------------------------------------------- applying

    def apply(self, stamped: Stamped) -> list[Placed]:
        """Take one record in, in its order; returns what changed in the archive, to be written for readers."""
        record = stamped.record
        if not isinstance(record, Opened):  # it needs to know when the last driver's last record was
            self.spend.last_at = stamped.at
        if isinstance(record, BudgetSet | StopAsked | Retraction | Note | Requested) and record.request:
            self.requests.add(record.request)
        match record:
            case Measured():
                return self._measured(record)
            case MeasureIssued():
                self._issued_block(record)
            case ProposeIssued():
                self._issued_proposal(record)
            case Proposed():
                self._proposed(record)
            case BlockClosed():
                return self._closed(record)
            case Opened():
                self.spend.opened(record, stamped.at)
                self.tickets.opened(record.epoch)
                self.slots, self.tier = record.slots, record.tier
                self.stopping, self.evaluator_errors, self.barren = "", 0, 0
                self.failed = self.failed if self.people.seed_failed else ""
            case RunCreated():
                self.seed = record.seed
            case BudgetSet():
                self.budget = Budget(
                    wall_s=record.wall_s, cpu_s=record.cpu_s, evaluations=record.evaluations, candidates=record.candidates
                )
                self.finals, self.final_scores = None, []
            case StopAsked():
                self.stopping = record.reason
            case Rebinned():
                return self.people.rebin(record.axes)
            case Retraction():
                return self.people.fail(self.people.by_id[record.candidate], Status.REJECTED)
            case _:
                pass
        return []

    def _issued_proposal(self, record: ProposeIssued) -> None:
        new = self.tickets.issued(record)
        if new and record.arm.operator == TUNE and record.sample is None:
            self.tuning.opening = True
        if new:
            self.policy.issued(self, record)

    def _proposed(self, record: Proposed) -> None:
        ticket = record.attempt.ticket
        if self.tickets.waits_for_proposal(record.attempt) is None:
            if record.candidate is not None and record.candidate.id not in self.people.by_id:  # the seed, or a told child
                self.people.add(record.candidate, arm=SEED_ARM, ticket=ticket, tuner=-1, baseline=None)
                self.tickets.next_ticket = max(self.tickets.next_ticket, ticket + 1)
            return
        issued = self.tickets.proposals.pop(ticket)
        self.barren = 0 if record.candidate is not None or record.status is ProposalStatus.TUNER else self.barren + 1
        arm, sample = self.bandit.arms.index(issued.arm), issued.sample
        if record.candidate is not None:
            tuner = sample.tuner if sample is not None else -1
            number = self.people.add(record.candidate, arm=arm, ticket=ticket, tuner=tuner, baseline=issued.baseline)
            self.people.rows[number].cost_s += record.cpu_s
            self.spend.candidates += 1
            if sample is not None:
                self.tuning.sampled(number, sample)
            return
        if issued.arm.operator != TUNE:
            self.bandit.learn(arm, None, record.cpu_s)
        if record.status is ProposalStatus.TUNER:
            self.tuning.opened(ticket, self.people.by_id[issued.parents[0]], record.literals, self.people)
        elif issued.arm.operator == TUNE and sample is None:
            self.tuning.refused(self.people.by_id[issued.parents[0]])
        elif sample is not None:
            twin = self.people.by_id.get(record.duplicate_of)
            settled = twin is None or self.people.rows[twin].settled
            self.tuning.duplicate(sample, twin, self.people.score(twin) if twin is not None else None, settled=settled)

    def _issued_block(self, record: MeasureIssued) -> None:
        if not self.tickets.issued(record):
            return
        for entry in record.entries:
            row = self.people.rows[self.people.by_id[entry.candidate]]
            row.pending += 1
            row.next_index += record.purpose is not Purpose.RECHECK or self.contract.noisy
        self.spend.issued(record.purpose, len(record.entries))
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
        return self._count(record)

    def _closed(self, record: BlockClosed) -> list[Placed]:
        block = self.tickets.waits_for_block(record.attempt)
        if block is None:
            return []
        if record.lost is not None:
            self.people.rows[self.people.by_id[block.issued.entries[record.lost].candidate]].losses += 1
        if block.losses + 1 >= MAX_LOSSES and record.status is BlockStatus.LOST:
            self.failed = f"a block was lost {MAX_LOSSES} times: {record.reason}"
        gone = block.remaining()
        placed = [one for held in self.tickets.closed(record) for one in self._count(held)]
        if record.attempt.ticket not in self.tickets.blocks:
            for i in gone:
                self.people.rows[self.people.by_id[block.issued.entries[i].candidate]].pending -= 1
        return placed

    def _count(self, record: Measured) -> list[Placed]:
        result = record.result
        number = self.people.by_id[result.candidate]
        row = self.people.rows[number]
        row.pending -= 1
        self.spend.measured(record.purpose, result)
        placed = self.people.observe(number, result)
        if record.purpose is Purpose.FINAL and result.score is not None:
            self.final_scores.append((result.candidate, result.score))
        if result.status is Status.EVALUATOR_ERROR:
            self.evaluator_errors += 1
            if number == SEED or self.evaluator_errors >= MAX_EVALUATOR_ERRORS:
                self.failed = f"the evaluator failed: {result.reason}"
        else:
            self.evaluator_errors = 0
            if number == SEED and result.status is not Status.OK:
                self.failed = f"the seed program failed ({result.status}): {result.reason}"
        self._settle(number)
        return placed

    def _settle(self, number: int) -> None:
        """Tell the bandit, the tuner and the incumbent once it is known what became of a child."""
        row = self.people.rows[number]
        score = self.people.score(number)
        going_on = score is None and any(due.row == number for due in self.people.ready)
        if row.settled or row.status is None or going_on:
            return
        row.settled = True
        self.people.n_settled += 1
        if row.arm >= 0 and self.bandit.arms[row.arm].operator != TUNE:
            baseline = row.baseline if row.baseline is not None else score
            gain = score - baseline if score is not None and baseline is not None else None
            self.bandit.learn(row.arm, gain, row.cost_s)
        self.tuning.settled(number, score)
        self.policy.settled(self, number, score)
