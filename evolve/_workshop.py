"""Where children are made: propose tickets in, candidates out.  Holds the operators and the texts; knows no scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from archive import (
    Candidate,
    Literal,
    MeasureIssued,
    ProposalStatus,
    ProposeIssued,
    TextStore,
    candidate_id,
)
from evolve._contract import Problem
from evolve._rng import generator
from evolve._tickets import Made
from evolve.execute import Block
from evolve.propose import Files, Operator, Scope, Task, analyse, check_scope


class Workshop:
    """Makes children for one problem.

    Args:
        problem: The problem; its contract says what a child may change.
        operators: By name.
        texts: The run's texts.
        seed: The run's seed.
        clock: CPU seconds of this thread, for what a proposal cost.
    """

    def __init__(
        self,
        problem: Problem,
        operators: Mapping[str, Operator],
        texts: TextStore,
        seed: int,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        contract = problem.contract
        self.problem, self.operators, self.texts, self.seed, self.clock = problem, operators, texts, seed, clock
        self.scope = Scope(contract.editable, contract.may_add_files, contract.max_bytes)
        self._static = tuple(axis.name for axis in contract.axes if axis.source == "ast")

    def seed_candidate(self) -> Candidate:
        """The seed program as a candidate."""
        return self._candidate(self.problem.seed, (), 0, "the seed program")

    def given_candidate(self, files: Files, parent: str) -> Candidate:
        """A program that somebody gave, kept against ``parent``'s text."""
        return self._candidate(files, (parent,), 1, "given")

    def make(self, issued: ProposeIssued, literals: Sequence[Literal], generation: int) -> Made:
        """Carry out a propose ticket.  The same ticket gives the same child, in any process.

        Args:
            issued: The ticket.
            literals: What the tuner in hand moves, for its samples.
            generation: The first parent's generation.
        """
        started = self.clock()
        parents = tuple(self.texts.files(parent) for parent in issued.parents)
        inspirations = tuple(self.texts.files(other) for other in issued.inspirations)
        task = Task(parents, inspirations, self.scope, issued.sample, tuple(literals))
        operator = self.operators[issued.arm.operator]
        proposal = operator.propose(task, generator(self.seed, f"make:{operator.name}", issued.attempt.ticket))
        status, reason, candidate = proposal.status, proposal.reason, None
        if status is ProposalStatus.CHILD and proposal.files is not None:
            reason = check_scope(parents[0], proposal.files, self.scope)
            if reason:
                status = ProposalStatus.INVALID
            else:
                candidate = self._candidate(proposal.files, issued.parents, generation + 1, proposal.summary)
        return Made(issued.attempt, status, candidate, proposal.literals, reason, cpu_s=self.clock() - started)

    def block(self, issued: MeasureIssued) -> Block:
        """A measure ticket with the texts it needs."""
        files = {entry.candidate: self.texts.files(entry.candidate) for entry in issued.entries}
        return Block(issued.attempt, issued.problem, issued.entries, files, issued.needs)

    def _candidate(self, files: Files, parents: tuple[str, ...], generation: int, summary: str) -> Candidate:
        known = analyse(files, self.scope)
        id_ = candidate_id(files)
        return Candidate(
            id=id_,
            code_hash=known.code_hash,
            text=self.texts.encode(id_, files, base=parents[0] if parents else ""),
            parents=parents,
            generation=generation,
            descriptors={name: known.descriptors.get(name, 0.0) for name in self._static},
            summary=summary,
        )
