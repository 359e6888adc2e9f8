"""The search: a pure state machine over records.

``ask`` and the ``accept_*`` methods decide and change nothing; ``apply`` is the only mutator.  Replaying a journal therefore only
applies, and a newer version of the deciding code reopens an old run.  There is no clock and no generator in the state: time and
results are arguments, and every draw is keyed by (run seed, purpose, ticket).
"""

from __future__ import annotations

import math
from dataclasses import fields, replace

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
    IslandsReset,
    LateResult,
    LogEntry,
    Measured,
    MeasureIssued,
    Measurement,
    Migrated,
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
from evolve.config._schema import RunConfig, SearchConfig, StopConfig
from evolve.problem.contract._contract import Budget, Contract, Problem
from evolve.search import _blocks as blocks
from evolve.search import _computed as computed
from evolve.search import _results as offspring
from evolve.search import _reviews as reviews
from evolve.search import _stopping as ends
from evolve.search._behaviour import with_behaviour
from evolve.search._crosscheck import apply_cross_checks
from evolve.search._islands import next_migration, next_reset, on_migrated, on_reset
from evolve.search._rebinning import next_rebinning
from evolve.search._rng import generator
from evolve.search._schedule import PlannedBlock
from evolve.search.claims import _claims as confirming
from evolve.search.claims._openings import FreshSeeds, next_budget
from evolve.search.policy._arms import arms_of
from evolve.search.policy._policies import POLICIES, PlannedProposal, policy_of
from evolve.search.state._parts import Parts
from evolve.search.state._state import Phase, ProblemState, RunState, StopReason, problem_state
from evolve.search.state._tickets import ProposalResult

_WORK = (MeasureIssued, Measured, BlockClosed, CallSettled, RunClosed)  # what only a driver writes: until then its time counts
_MAKING = (ProposeIssued, Proposed)  # what says nothing of how good anything is, nor of what measurements cost


class Search:
    """One problem's search: ``run`` is the state of the run, ``problems`` that of each problem by its id, ``state`` the only one's.

    Args:
        contract: The problem's contract.
        problem: Its id.
        config: How to decide.
        stop: When to stop early.
        budget: What may be spent, until a ``BudgetSet`` record says otherwise.
        seed: Keys every draw of the search; what measurements draw hangs on a secret that the run's first record has.
        parts: What it is put together from.
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
        parts: Parts,
        llm: LlmConfig | None = None,
    ) -> None:
        self.run = RunState(config, stop, llm or LlmConfig(), budget, seed, ModelLimits(budget))
        self.source = parts.source
        arms, policy = arms_of(config, self.run.llm, parts.operators), POLICIES[config.policy]
        given = {"keeps_champion": policy.keeps_champion, "earned": policy.operators.earned, "by_descent": policy.by_descent}
        self.problems = {problem: problem_state(self.run, contract, problem, arms, parts, **given)}

    @classmethod
    def of(cls, config: RunConfig, problem: Problem, parts: Parts) -> Search:
        """The search of a run that knows nothing yet."""
        return cls(
            contract=problem.contract,
            problem=problem.id,
            config=config.search,
            stop=config.stop,
            budget=budget_of(config, problem),
            seed=config.seed,
            parts=parts,
            llm=config.llm,
        )

    @property
    def state(self) -> ProblemState:
        """The state of the run's only problem."""
        (state,) = self.problems.values()
        return state

    def _state_of(self, record: Record) -> ProblemState:
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
        state, tickets = self.state, self.run.tickets
        if self.run.end.ends:
            return None
        if lost := tickets.expired(now):
            return lost
        if tickets.to_reissue:
            again = tickets.reissue()
            return again if room > 0 or isinstance(again, ProposeIssued) else None
        if not state.population.candidates:
            return None
        over = ends.search_is_over(state, now)
        opening = None if measure_only else entropy
        if decision := confirming.next_record(state, now, over, opening) or ends.noise_found(state) or ends.failure_found(state):
            return decision
        if not over and not measure_only and (change := _next_change(state)):
            return change
        if room > 0:
            due = ends.planned_block(state, now, over, measure_only=measure_only)
            if due is not None:
                return self._block(state, due)
        return None if over or measure_only else self._propose(state, now)

    def review(self) -> ReviewIssued | None:
        """The next candidate for the judge to read, or None; nothing else waits for it."""
        return reviews.next_review(self.state)

    def done(self, now: float, *, measure_only: bool = False) -> str:
        """Why nothing more will be asked for ("" while something will, or is under way)."""
        return ends.run_is_over(self.state, now, measure_only=measure_only)

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
        waiting = len(population.queue) + tickets.n_local_proposals()
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
            inspirations=tuple(rows[number].id for number in draft.inspirations),
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
        state = self._state_of(issued)
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
        state, purpose = self._state_of(block.issued), block.issued.purpose
        checked = apply_cross_checks(state.population, state.steadiness, result, purpose)
        return Measured(attempt, state.problem, index, purpose, with_behaviour(state, checked))

    def accept_block(
        self, attempt: Attempt, status: BlockStatus, *, skipped: tuple[int, ...], drift: float | None, reason: str, lost: int | None
    ) -> tuple[Record, ...]:
        """The records of a block's end.  A program with which graders were lost twice is one that the evaluator cannot judge: what
        ended them is not known, and candidates cannot reach them."""
        block = self.run.tickets.open_block(attempt)
        if block is None:
            return (LateResult(attempt, self.state.problem, f"block: {status}"),)
        state = self._state_of(block.issued)
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
        placed = self._applied(stamped)
        if not isinstance(stamped.record, _MAKING):
            for state in self.problems.values():
                state.kept_back = None
        return placed

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
                run.slots = max(1, record.slots)  # shares and waiting work are per slot; with none, nothing is handed out at all
            case RunCreated():
                run.seed, run.secret = record.seed, record.secret
            case CallReserved() | CallSettled():
                left_s = math.inf if run.budget.wall_s is None else run.budget.wall_s - run.usage.elapsed(stamped.at)
                run.model_limits.apply(record, stamped.at, left_s)
            case BudgetSet():
                self._new_budget(record)
            case StopRequested():
                if run.end.phase is not Phase.FAILED:
                    run.end = StopReason(Phase.STOPPING, record.reason, record.reason)
            case RunClosed():
                if not run.end.ends:
                    phase = Phase.PAUSED if record.reason == ends.PAUSED else Phase.CLOSED
                    run.end = StopReason(phase, record.status, record.reason)
            case _:
                return self._apply_to(self._state_of(record), record, stamped.at)
        return []

    def _apply_to(self, state: ProblemState, record: Record, at: float) -> list[ElitePlaced]:
        """Take in a record that is about one problem."""
        match record:
            case Measured():
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
                state.memory.on_remark(record.author, record.text)
            case Migrated():
                return on_migrated(state, record)
            case IslandsReset():
                return on_reset(state, record)
            case Event(what=what) if what in computed.TESTED.values():
                state.computed.looked_at, state.computed.verdict = state.population.n_credited, record.text
            case Rebinned():
                if not state.population.ranges.axes:  # until now there were none
                    state.computed.verdict = record.why
                state.population.ranges.by_hand.update(record.by_hand)
                return state.population.rebin(record.axes)
            case Retraction():
                return confirming.on_retracted(state, record)
            case Event(what=ends.NOISY):
                state.steadiness.reported = True
            case Event(what=ends.OPERATOR_FAILED):
                state.told_failures.add(ends.untold_failure(state))
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
        run.usage.on_run_opened(record, at)
        run.tickets.on_run_opened(record.epoch)
        run.model_limits.on_run_opened(record)
        run.slots, run.tier = max(1, record.slots), record.tier
        for state in self.problems.values():
            state.fruitless, state.unreviewed = {}, set()
            for number in state.faults.on_run_opened():
                offspring.revive(state, number)
        failed = any(state.population.initial_failed for state in self.problems.values())
        if not (failed and run.end.phase is Phase.FAILED):
            run.end = StopReason()

    def _new_budget(self, record: BudgetSet) -> None:
        run = self.run
        share = run.budget.confirm_share if record.confirm is None else record.confirm
        limits = {one.name: getattr(record, one.name) for one in fields(Budget) if one.name != "confirm_share"}
        run.budget = Budget(**limits, confirm_share=share)
        run.model_limits.on_budget(run.budget, run.tickets.next_ticket)
        for state in self.problems.values():
            next_budget(state)
            state.final_comparison, state.final_scores = None, []


def _next_change(state: ProblemState) -> Record | None:
    """What is to change in the archives, or to be known of them."""
    return next_rebinning(state) or computed.next_look(state) or next_migration(state) or next_reset(state)


def budget_of(config: RunConfig, problem: Problem) -> Budget:
    """The run's limits: what was asked for; where nothing at all was, the problem's defaults."""
    asked = config.budget
    given = problem.contract.budget
    confirm = given.confirm_share if asked.confirm_share is None else asked.confirm_share
    models = {"usd": asked.usd, "tokens": asked.tokens, "calls": asked.calls}
    machine = {"wall_s": asked.wall_s, "cpu_s": asked.cpu_s, "evaluations": asked.evaluations, "candidates": asked.candidates}
    if any(limit is not None for limit in (*machine.values(), *models.values())):
        return Budget(**machine, **models, confirm_share=confirm)  # type: ignore[arg-type]
    return replace(given, confirm_share=confirm)
