"""Where children are made: propose tickets in, candidates out.  Holds operators and texts; scores it has from the search."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from archive import (
    CallReserved,
    CallSettled,
    Candidate,
    Literal,
    MeasureIssued,
    ProposalStatus,
    ProposeIssued,
    TextStore,
    candidate_id,
)
from evolve._errors import UsageError
from evolve.engine.models._thread import CallRecorded, DraftReady
from evolve.execute import Block
from evolve.problem.contract._contract import Problem
from evolve.propose import Files, Operator, ProposalContext, ProposalTask, Rationale, analyse, check_scope
from evolve.propose._drift import drift
from evolve.propose._entries import scope_of
from evolve.propose._touched import touched
from evolve.search._rng import generator
from evolve.search.state._state import ProblemState
from evolve.search.state._tickets import ProposalResult
from evolve.views.candidate._proposal_context import problem_brief, proposal_context

if TYPE_CHECKING:
    from evolve.evaluate.screen._llm_judge import JudgeInput


class Proposer:
    """Makes children for one problem.

    Args:
        problem: The problem; its contract says what a child may change.
        operators: By name.
        texts: The run's texts.
        seed: The run's seed.
        clock: CPU seconds of this thread, for what a proposal cost.
        instructions: How to do research on the problem, for models and people.
        descriptors: Of ``AST_DESCRIPTORS``, what is computed beside what the problem declares.
    """

    def __init__(
        self,
        problem: Problem,
        operators: Mapping[str, Operator],
        texts: TextStore,
        seed: int,
        clock: Callable[[], float] = time.thread_time,
        instructions: str = "",
        descriptors: Sequence[str] = (),
    ) -> None:
        contract = problem.contract
        self.problem, self.operators, self.texts, self.seed, self.clock = problem, operators, texts, seed, clock
        self.scope = scope_of(problem)
        self.sheet = problem_brief(problem, instructions)
        self._static = (*(axis.name for axis in contract.axes if axis.source == "ast"), *descriptors)

    def initial_candidate(self) -> Candidate:
        """The initial program as a candidate."""
        return self._candidate(self.problem.initial_files, (), 0, "the initial program")

    def supplied_candidate(self, files: Files, parent: str) -> Candidate:
        """A program that somebody gave, kept against ``parent``'s text."""
        return self._candidate(files, (parent,), 1, "given")

    def propose(self, issued: ProposeIssued, literals: Sequence[Literal], generation: int) -> ProposalResult:
        """Carry out a propose ticket.  The same ticket gives the same child, in any process.

        Args:
            issued: The ticket.
            literals: What the tuner in hand moves, for its samples.
            generation: The first parent's generation.
        """
        started = self.clock()
        parents = tuple(self.texts.files(parent) for parent in issued.parents)
        inspirations = tuple(self.texts.files(other) for other in issued.inspirations)
        task = ProposalTask(parents, inspirations, self.scope, issued.sample, tuple(literals))
        operator = self.operators[issued.arm.operator]
        proposal = operator.propose(task, generator(self.seed, f"make:{operator.spec.name}", issued.attempt.ticket))
        status, reason, candidate = proposal.status, proposal.reason, None
        if status is ProposalStatus.CHILD and proposal.files is not None:
            reason = check_scope(parents[0], proposal.files, self.scope)
            if reason:
                status = ProposalStatus.INVALID
            else:
                candidate = self._candidate(proposal.files, issued.parents, generation + 1, proposal.summary)
        return ProposalResult(issued.attempt, status, candidate, proposal.literals, reason, cpu_s=self.clock() - started)

    def context(self, state: ProblemState, issued: ProposeIssued, now: float) -> ProposalContext:
        """What the maker of this ticket's child is told at Unix time ``now``."""
        return proposal_context(state, issued, self.texts, self.sheet, now)

    def judge_input(self, state: ProblemState, number: int) -> JudgeInput:
        """What a judge is asked about a candidate."""
        from evolve.evaluate.screen._llm_judge import JudgeInput

        population, contract = state.population, self.problem.contract
        row, score = (
            population.candidates[number],
            population.posterior_as_measured(number)[0] if population.score(number) is not None else None,
        )
        told = state.memory.feedback.get(number)
        facts = [f"{contract.metric} = {population.sign * score!r} (goal: {contract.goal})"] if score is not None else []
        facts += [f"{name} = {told.metrics[name]!r}" for name in contract.metrics_of(told.metrics)] if told is not None else []
        parent = self.texts.files(population.candidates[row.parents[0]].id) if row.parents else None
        return JudgeInput(files=self.texts.files(row.id), statement=self.problem.statement, facts=tuple(facts), parent=parent)

    def from_draft(self, state: ProblemState, drafted: DraftReady) -> ProposalResult:
        """What a model's draft becomes."""
        started = self.clock()
        issued, draft, candidate = drafted.issued, drafted.draft, None
        if draft.files is not None:
            generation = state.population.candidates[state.population.by_id[issued.parents[0]]].generation
            child = self._candidate(draft.files, issued.parents, generation + 1, draft.summary)
            candidate = replace(self._stated(child, draft.files, draft.statement), sketch=draft.sketch)
        return ProposalResult(
            issued.attempt,
            draft.status,
            candidate,
            reason=draft.reason,
            cpu_s=self.clock() - started,
            usd=draft.usd,
            outcome=draft.outcome,
        )

    def external_candidate(
        self, state: ProblemState, files: Files, parents: tuple[str, ...], summary: str, said: Rationale
    ) -> Candidate:
        """A program that a person or an agent made of these parents.

        Raises:
            UsageError: it is not what a child may be; the message says why.
        """
        reason = check_scope(self.texts.files(parents[0]), files, self.scope)
        if reason:
            raise UsageError(f"the program cannot be taken: {reason}")
        generation = state.population.candidates[state.population.by_id[parents[0]]].generation
        return self._stated(self._candidate(files, parents, generation + 1, summary), files, said)

    def _stated(self, child: Candidate, files: Files, said: Rationale) -> Candidate:
        """A child with the words of whoever made it, and how its change differs from them.  Of mechanical operators this is not
        asked: their words are made of the change."""
        found = drift(self.texts.files(child.parents[0]), files, summary=child.summary, hypothesis=said.hypothesis, plan=said.plan)
        return replace(child, hypothesis=said.hypothesis, plan=said.plan, expected=said.expected, drift=found)

    def packed(self, state: ProblemState, note: CallRecorded) -> CallReserved | CallSettled:
        """A call's record with what was asked or answered."""
        if not note.text:
            return note.record
        issued = state.run.tickets.proposals.get(note.record.attempt.ticket)
        packed = self.texts.pack(note.text, issued.parents[0] if issued is not None else "")
        if isinstance(note.record, CallReserved):
            return replace(note.record, prompt=packed)
        return replace(note.record, reply=packed)

    def block(self, issued: MeasureIssued) -> Block:
        """A measure ticket with the texts it needs."""
        files = {entry.candidate: self.texts.files(entry.candidate) for entry in issued.entries}
        return Block(issued.attempt, issued.problem, issued.entries, files, issued.needs)

    def _candidate(self, files: Files, parents: tuple[str, ...], generation: int, summary: str) -> Candidate:
        known = analyse(files, self.scope)
        id_ = candidate_id(files)
        changed = touched(self.texts.files(parents[0]), files) if parents and self.problem.contract.learning_curve else ()
        return Candidate(
            id=id_,
            code_hash=known.code_hash,
            text=self.texts.encode(id_, files, base=parents[0] if parents else ""),
            parents=parents,
            generation=generation,
            descriptors={name: known.descriptors.get(name, 0.0) for name in self._static},
            summary=summary,
            touched=changed,
        )


Proposers = Mapping[str, Proposer]  # of a run, by the problem's id
