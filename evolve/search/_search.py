"""The search: a pure state machine over records.

``ask`` and the ``accept_*`` methods decide and change nothing; ``apply`` is the only mutator.  Replaying a journal therefore only
applies, and a newer version of the deciding code reopens an old run.  There is no clock and no generator in the state: time and
results are arguments, and every draw is keyed by (run seed, purpose, ticket).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from archive import (
    Attempt,
    BlockClosed,
    BlockStatus,
    BudgetSet,
    CallReserved,
    CallSettled,
    ChampionChanged,
    Claim,
    ConfirmationOpened,
    ElitePlaced,
    Event,
    HardwareSeen,
    IslandsReset,
    LateResult,
    LogEntry,
    Measured,
    MeasureIssued,
    Measurement,
    Migrated,
    NodesUnfit,
    Note,
    Proposed,
    ProposeIssued,
    Purpose,
    Rebinned,
    Record,
    RequestHandled,
    Retraction,
    Reviewed,
    ReviewIssued,
    RunClosed,
    RunCreated,
    RunOpened,
    SlotsChanged,
    Status,
    StopRequested,
)  # fmt: skip
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._model_limits import ModelLimits
from evolve.config._llm import LlmConfig
from evolve.config._schema import RunConfig, SearchConfig, StopConfig, SuiteConfig
from evolve.problem.contract._contract import Budget, Contract, Problem
from evolve.search import _blocks as blocks
from evolve.search import _hardware as hardware
from evolve.search import _results as offspring
from evolve.search import _reviews as reviews
from evolve.search import _stopping as ends
from evolve.search import _suite as suite
from evolve.search._behaviour import with_behaviour
from evolve.search._crosscheck import apply_cross_checks
from evolve.search._decisions import next_change, next_decision, on_event
from evolve.search._islands import on_migrated, on_reset
from evolve.search._limits import budget_of, on_budget
from evolve.search._rng import generator
from evolve.search._schedule import PlannedBlock
from evolve.search.claims import _claims as confirming
from evolve.search.claims._openings import FreshSeeds
from evolve.search.policy._arms import arms_of
from evolve.search.policy._policies import POLICIES, PlannedProposal, policy_of
from evolve.search.state._parts import Parts
from evolve.search.state._shares import Pool
from evolve.search.state._state import Phase, ProblemState, RunState, StopReason, problem_state
from evolve.search.state._tickets import ProposalResult

_WORK = (MeasureIssued, Measured, BlockClosed, CallSettled, RunClosed)  # what only a driver writes: until then its time counts
_MAKING = (ProposeIssued, Proposed)  # what says nothing of how good anything is, nor of what measurements cost


class Search:
    """A run's search: ``run`` is the state of the run, ``problems`` that of each problem by its id, ``state`` the only one's.

    Args:
        contract: The problem's contract.
        problem: Its id.
        more: Contracts of the run's other problems, by their ids.
        config: How to decide.
        stop: When to stop early.
        budget: What may be spent, until a ``BudgetSet`` record says otherwise.
        seed: Keys every draw of the search; what measurements draw hangs on a secret that the run's first record has.
        parts: What it is put together from.
        llm: Which models may be asked, and for what.
        share: How several problems share what the run has.
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
        parts: Parts,
        llm: LlmConfig | None = None,
        more: Mapping[str, Contract] | None = None,
        share: SuiteConfig | None = None,
    ) -> None:
        self.run = RunState(config, stop, llm or LlmConfig(), budget, seed, ModelLimits(budget), suite=share or SuiteConfig())
        self.source = parts.source
        arms, policy = arms_of(config, self.run.llm, parts.operators), POLICIES[config.policy]
        given = {"keeps_champion": policy.keeps_champion, "earned": policy.operators.earned, "by_descent": policy.by_descent}
        contracts = {problem: contract, **(more or {})}
        self.problems = {id_: problem_state(self.run, one, id_, arms, parts, **given) for id_, one in contracts.items()}
        self.states = tuple(self.problems.values())
        pool = Pool(tuple(state.part for state in self.states))
        for state in self.states:
            state.others, state.pool = tuple(one for one in self.states if one is not state), pool

    @classmethod
    def of(cls, config: RunConfig, problem: Problem, parts: Parts, *more: Problem) -> Search:
        """The search of a run that knows nothing yet."""
        return cls(
            contract=problem.contract,
            problem=problem.id,
            config=config.search,
            stop=config.stop,
            budget=budget_of(config, problem, *more),
            seed=config.seed,
            parts=parts,
            llm=config.llm,
            more={one.id: one.contract for one in more},
            share=config.suite,
        )

    @property
    def state(self) -> ProblemState:
        """The state of the run's only problem; of several, of the first."""
        return self.states[0]

    def state_of(self, record: Record) -> ProblemState:
        """The state of the problem that a record is about; runs of older versions may call their only one otherwise."""
        return self.problems.get(getattr(record, "problem", "")) or self.state

    # ---------------------------------------------------------------------------------------------- deciding

    def ask(self, now: float, *, room: int, entropy: FreshSeeds, measure_only: bool = False) -> Record | None:
        """The next thing to do or to record, or None.

        Args:
            now: Unix time.
            room: Blocks the executor takes now.
            entropy: Gives seeds that nobody could know before; used when a vault opens.
            measure_only: Only what is ready is measured, and nothing new is begun.
        """
        tickets = self.run.tickets
        if self.run.end.ends:
            return None
        if lost := tickets.expired(now):
            return lost
        if tickets.to_reissue:
            again = tickets.reissue()
            return again if room > 0 or isinstance(again, ProposeIssued) else None
        if not all(state.population.candidates for state in self.states):
            return None
        overs = [(state, ends.search_is_over(state, now)) for state in suite.in_turn(self.states)]
        for state, over in overs:
            if decision := next_decision(state, now, over, None if measure_only else entropy):
                return decision
            if not over and not measure_only and (change := next_change(state)):
                return change
        crowded = len(overs) > 1 and suite.is_crowded([state for state, over in overs if not over] or self.states)
        for state, over in overs:
            if state.failure:
                continue
            if room > 0 and (due := ends.planned_block(state, now, over, measure_only=measure_only)) is not None:
                return self._block(state, due)
            if not (over or measure_only or crowded) and (issued := self._propose(state, now)) is not None:
                return issued
        return None

    def review(self) -> ReviewIssued | None:
        """The next candidate for the judge to read, or None; nothing else waits for it."""
        return next((found for state in self.states if (found := reviews.next_review(state)) is not None), None)

    def done(self, now: float, *, measure_only: bool = False) -> str:
        """Why nothing more will be asked for ("" while something will, or is under way)."""
        whys = []
        for state in self.states:
            if not (why := self.run.end.ends or ends.run_is_over(state, now, measure_only=measure_only)):
                return ""
            whys.append(why)
        if len(whys) == 1 or self.run.end.ends:
            return whys[0]
        waits = not measure_only and any(suite.has_next_record(state, ends.search_is_over(state, now)) for state in self.states)
        return "" if waits else suite.end_of(whys)

    def _block(self, state: ProblemState, due: PlannedBlock) -> MeasureIssued:
        return MeasureIssued(
            attempt=self.run.tickets.next_attempt(),
            problem=state.problem,
            purpose=due.purpose,
            entries=due.entries,
            needs=due.needs,
        )

    def _propose(self, state: ProblemState, now: float) -> ProposeIssued | None:
        tickets, population = self.run.tickets, state.population
        waiting = len(population.queue) + state.n_local_proposals()
        known = population.candidates[INITIAL].stage >= population.last_stage
        if not known or waiting >= 2 * self.run.slots * state.contract.stages[0].batch_size:
            return None
        draft = policy_of(state).plan(state, generator(self.run.seed, "propose", tickets.next_ticket), now)
        return None if draft is None else self._proposal(state, draft)

    def _proposal(self, state: ProblemState, draft: PlannedProposal) -> ProposeIssued:
        rows = state.population.candidates
        return ProposeIssued(
            attempt=self.run.tickets.next_attempt(),
            problem=state.problem,
            arm=state.bandit.arms[draft.arm],
            parents=tuple(rows[number].id for number in draft.parents),
            island=state.home_of_child(draft.parents),
            inspirations=(draft.offered,) if draft.offered else tuple(rows[number].id for number in draft.inspirations),
            propensity=draft.propensity,
            baseline=draft.baseline,
            sample=draft.sample,
            selector=draft.selector,
        )

    # ---------------------------------------------------------------------------------------------- accepting

    def accept_proposal(self, made: ProposalResult) -> Proposed | LateResult:
        """The record of a propose ticket's end, after the gates."""
        issued = self.run.tickets.open_proposal(made.attempt)
        if issued is None:
            return LateResult(made.attempt, self.state.problem, "proposal")
        state = self.state_of(issued)
        record = Proposed(
            attempt=made.attempt,
            problem=state.problem,
            status=made.status,
            candidate=made.candidate,
            literals=made.literals,
            reason=made.reason,
            cpu_s=made.cpu_s,
            usd=made.usd,
            outcome=made.outcome,
        )
        return offspring.deduplicated(state, record)

    def accept_entry(self, attempt: Attempt, index: int, result: Measurement) -> Measured | LateResult:
        """The record of a measurement; one that no open attempt waits for is only logged."""
        block = self.run.tickets.open_block(attempt)
        if block is None or index in block.done or any(held.index == index for held in block.uncalibrated):
            return LateResult(attempt, self.state.problem, f"measurement {index}: {result.status}")
        state, purpose = self.state_of(block.issued), block.issued.purpose
        checked = apply_cross_checks(state.population, state.steadiness, hardware.of_one_class(state, result), purpose)
        return Measured(attempt, state.problem, index, purpose, with_behaviour(state, checked))

    def accept_block(
        self, attempt: Attempt, status: BlockStatus, *, skipped: tuple[int, ...], drift: float | None, reason: str, lost: int | None
    ) -> tuple[Record, ...]:
        """The records of a block's end.  A program with which graders were lost twice is one that the evaluator cannot judge: what
        ended them is not known, and candidates cannot reach them."""
        block = self.run.tickets.open_block(attempt)
        if block is None:
            return (LateResult(attempt, self.state.problem, f"block: {status}"),)
        state = self.state_of(block.issued)
        closed = BlockClosed(attempt, state.problem, status, skipped=skipped, drift=drift, reason=reason, lost=lost)
        if closed.noisy_machine and status is BlockStatus.OK and block.issued.purpose is Purpose.VAULT:
            closed = replace(closed, status=BlockStatus.VOID, reason=f"{reason or 'the machine drifted'}: no evidence for a claim")
        if status is not BlockStatus.LOST or lost is None:
            return (closed,)
        entry = block.issued.entries[lost]
        number = state.population.by_id[entry.candidate]
        if number == INITIAL or state.population.candidates[number].n_losses == 0:
            return (closed,)
        why = f"its grader was lost twice: {reason}"
        unjudged = Measurement(entry.candidate, entry.stage, entry.seed, Status.EVALUATOR_ERROR, reason=why)
        return (Measured(attempt, state.problem, lost, block.issued.purpose, unjudged), closed)

    # ---------------------------------------------------------------------------------------------- applying

    def apply(self, stamped: LogEntry) -> list[ElitePlaced]:
        """Take one record in, in its order; returns what changed in the archive, to be written for readers."""
        self._forget_shares()  # what was asked for between two records must not show in what they come to
        placed = self._applied(stamped)
        self._forget_shares()
        if not isinstance(stamped.record, _MAKING):
            for state in self.states:
                state.kept_back = None
        return placed

    def _forget_shares(self) -> None:
        if len(self.states) > 1:
            self.state.pool.sums = self.state.pool.owed_s = None
            for state in self.states:
                state.share = None

    def _applied(self, stamped: LogEntry) -> list[ElitePlaced]:
        record, run = stamped.record, self.run
        if isinstance(record, _WORK):
            run.usage.last_at = stamped.at
        if isinstance(record, BudgetSet | StopRequested | Retraction | Note | Rebinned | RequestHandled) and record.request:
            run.handled_requests.add(record.request)
        match record:
            case RunOpened():
                self._opened(record, stamped.at)
            case SlotsChanged():
                run.on_slots_changed(record)
            case HardwareSeen():
                run.hardware[record.id] = record.hardware
            case NodesUnfit():
                run.unfit = dict(record.nodes)
            case RunCreated():
                run.seed, run.secret = record.seed, record.secret
            case CallReserved() | CallSettled():
                left_s = math.inf if run.budget.wall_s is None else run.budget.wall_s - run.usage.elapsed(stamped.at)
                before = run.model_limits.ledger.settled
                run.model_limits.apply(record, stamped.at, left_s)
                suite.on_paid(self.problems, run.tickets, record, run.model_limits.ledger.settled - before)
            case BudgetSet():
                on_budget(self.run, self.problems, record)
            case StopRequested() | RunClosed():
                ends.on_end(run, record)
            case _:
                state = self.state_of(record)
                placed = self._apply_to(state, record, stamped.at)
                if state.others:
                    suite.on_applied(state, self.states)
                return placed
        return []

    def _apply_to(self, state: ProblemState, record: Record, at: float) -> list[ElitePlaced]:
        """Take in a record that is about one problem."""
        match record:
            case Measured():
                hardware.on_measured(state, record)
                return blocks.on_measured(state, record)
            case MeasureIssued():
                blocks.on_issued(state, record)
            case ProposeIssued():
                offspring.on_issued(state, record, at)
            case Proposed():
                offspring.on_proposed(state, record, at)
            case ReviewIssued():
                state.run.tickets.on_issued(record)
            case Reviewed():
                reviews.on_reviewed(state, record)
            case BlockClosed():
                return blocks.on_closed(state, record)
            case Note():
                for one in self.states:
                    one.memory.on_remark(record.author, record.text)
            case Migrated():
                return on_migrated(state, record)
            case IslandsReset():
                return on_reset(state, record)
            case Rebinned():
                if not state.population.ranges.axes:  # until now there were none
                    state.computed.verdict = record.why
                state.population.ranges.by_hand.update(record.by_hand)
                return state.population.rebin(record.axes)
            case Retraction():
                return confirming.on_retracted(state, record)
            case Event():
                on_event(state, record)
            case ChampionChanged():
                state.champion_test.promote(state.population.by_id[record.candidate], state.population)
            case ConfirmationOpened():
                confirming.on_opened(state, record)
            case Claim():
                confirming.on_claim(state, record)
            case _:
                pass
        return []

    def _opened(self, record: RunOpened, at: float) -> None:
        run = self.run
        run.on_run_opened(record, at)
        for state in self.states:
            state.fruitless, state.unreviewed = {}, set()
            for number in state.faults.on_run_opened():
                offspring.revive(state, number)
            if state.failure and not state.population.initial_failed:
                state.failure, state.part.fixed = "", None
                state.told_failures.discard(suite.PROBLEM_FAILED)
        failed = all(state.population.initial_failed for state in self.states)
        if not (failed and run.end.phase is Phase.FAILED):
            run.end = StopReason()
