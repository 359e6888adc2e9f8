"""A search with models, people and agents, driven without texts, threads or a clock: answers come in any order, drivers die."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from simulation import PROBLEM, Simulation, contract

from archive import Arm, BudgetSet, CallReserved, MeasureIssued, ProposalStatus, ProposeIssued, RunOpened
from evolve.budget._ledger import in_full, nano, usd
from evolve.config._llm import LlmConfig
from evolve.config._schema import RunConfig, SearchConfig, StopConfig
from evolve.engine.registry._registry import parts_of
from evolve.problem.contract._contract import Budget, Contract
from evolve.search._search import Search
from evolve.search.state._tickets import ProposalResult

LLM = LlmConfig(provider="anthropic", models=("small", "other"), strong_model="big", max_concurrency=4, stagnation=5, hour_usd=1.0)
OUTCOMES = ("ok", "ok", "ok", "ok", "ok", "refusal", "cut_stream", "not_found", "auth")
KIND = contract()


def build(
    kind: Contract = KIND, *, usd: float | None = 1.0, evaluations: int | None = 60, seed: int = 1, llm=LLM, **config
) -> Search:
    search = SearchConfig(**config)
    return Search(
        contract=kind, problem=PROBLEM, config=search, stop=StopConfig(), parts=parts_of(RunConfig(search=search, llm=llm)),
        budget=Budget(evaluations=evaluations, usd=usd), seed=seed, llm=llm,
    )  # fmt: skip


@dataclass
class ModelSimulation(Simulation):
    """As its parent; tickets of models wait, with a reservation open, until one of them is answered.

    ``troubles`` is the share of answers that are no child.
    """

    troubles: float = 0.2
    asked: list[tuple[ProposeIssued, CallReserved]] = field(default_factory=list)
    outside: list[ProposeIssued] = field(default_factory=list)

    def open(self) -> None:
        self.epochs += 1
        self.in_hand.clear()
        self.asked.clear()
        self.write(RunOpened(self.epoch, slots=2, models=self.search.run.llm.asked))
        for settled in self.search.run.model_limits.ledger.lost():
            self.write(settled)

    def step(self) -> bool:
        self.now += 0.01
        draw = self.rng.random()
        if self.asked and draw < 0.3:
            self.answer(self.asked.pop(int(self.rng.integers(len(self.asked)))))
            return True
        if draw > 0.97 and self.search.state.population.elites:
            self.hand_out()
        elif self.outside and draw > 0.94:
            self.tell(self.outside.pop())
        issued = self.search.ask(self.now, room=3 - len(self.in_hand), entropy=self.entropy)
        if isinstance(issued, ProposeIssued):
            self.write(issued)
            if issued.arm.model:
                self.reserve(issued)
            else:
                self.write(self.search.accept_proposal(self.make(issued)))
        elif issued is not None:
            self.write(issued)
            if isinstance(issued, MeasureIssued):
                self.in_hand.append(issued)
        if self.in_hand and (issued is None or self.rng.random() < 0.5):
            self.finish(self.in_hand.pop(int(self.rng.integers(len(self.in_hand)))))
            return True
        if issued is None and self.asked:
            self.answer(self.asked.pop())
            return True
        return issued is not None

    def reserve(self, issued: ProposeIssued) -> None:
        record = CallReserved(issued.attempt, 1, "anthropic", issued.arm.model, "{}", usd(nano(0.01)), worst_tokens=1000)
        if (refusal := self.search.run.model_limits.ledger.refusal(record)) is not None:
            made = ProposalResult(issued.attempt, ProposalStatus.FAILED, reason=refusal.sentence, outcome="over_budget")
            self.write(self.search.accept_proposal(made))
            return
        self.write(record)
        self.asked.append((issued, record))

    def answer(self, waiting: tuple[ProposeIssued, CallReserved]) -> None:
        """A call is settled and its ticket ends."""
        issued, record = waiting
        outcome = OUTCOMES[int(self.rng.integers(len(OUTCOMES)))] if self.rng.random() < self.troubles else "ok"
        settled = replace(in_full(record, outcome, outcome), usd=usd(nano(0.002)), tokens_in=300, tokens_out=20)
        self.write(settled)
        if outcome != "ok":
            made = ProposalResult(issued.attempt, ProposalStatus.FAILED, reason=outcome, usd=0.002, outcome=outcome)
        elif self.rng.random() < self.troubles:
            made = ProposalResult(issued.attempt, ProposalStatus.INVALID, reason="no edits", usd=0.002, outcome="empty")
        else:
            made = replace(self.make(issued), usd=0.002)
        self.write(self.search.accept_proposal(made))

    def hand_out(self) -> None:
        """A ticket for people."""
        attempt = self.search.run.tickets.next_attempt()
        parent = self.search.state.population.candidates[self.search.state.population.elites[0]].id
        issued = ProposeIssued(
            attempt, PROBLEM, Arm("external"), (parent,), expires_at=self.now + float(self.rng.uniform(0.05, 2.0))
        )
        self.write(issued)
        self.outside.append(issued)

    def tell(self, issued: ProposeIssued) -> None:
        """A child for one of those tickets, in time or too late."""
        made = self.make(issued)
        self.write(self.search.accept_proposal(made))

    def raise_budget(self, usd: float, evaluations: int) -> None:
        self.write(BudgetSet(evaluations=evaluations, usd=usd))


def simulate(arrivals: int, *, begin: bool = True, **more) -> ModelSimulation:
    run = ModelSimulation(build(**more), np.random.default_rng(arrivals), losses=0.1)
    if begin:
        run.begin()
    return run
