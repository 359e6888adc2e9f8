"""A search driven without texts, processes or a clock: candidates are numbers, results come in any order."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

import numpy as np

from archive import (
    Attempt,
    BlockStatus,
    Candidate,
    Literal,
    LogEntry,
    MeasureIssued,
    Measurement,
    PackedText,
    ProposalStatus,
    Proposed,
    ProposeIssued,
    Record,
    RunCreated,
    RunOpened,
    StartMode,
    Status,
)
from evolve.config._schema import RunConfig, SearchConfig, StopConfig
from evolve.engine.registry._registry import parts_of
from evolve.problem.contract._contract import Budget, Contract, DescriptorSpec, Stage
from evolve.runs._checkpoint import dump_state
from evolve.search._search import Search
from evolve.search.state._parts import Parts
from evolve.search.state._tickets import ProposalResult

PROBLEM = "planted@0"


def contract(*, noisy: bool = False, start: StartMode = StartMode.COLD, stages: int = 1, block: int = 1) -> Contract:
    """A contract over one axis."""
    names = [f"stage{i}" for i in range(stages)]
    return Contract(
        name="planted",
        metric="value",
        goal="maximize",
        noisy=noisy,
        stages=tuple(Stage(name=name, start=start, batch_size=block) for name in names),
        axes=(DescriptorSpec(name="where", source="ast", low=0.0, high=1.0, bins=8),),
    )


def build(
    contract_: Contract,
    *,
    policy: str = "map_elites",
    evaluations: int | None = 60,
    seed: int = 1,
    parts: Parts | None = None,
    **config: object,
) -> Search:
    """A search with the same configuration every time."""
    given = {"operators": ("tune", "ast_edit", "crossover")} if policy != "auto" else {}
    search = SearchConfig(policy=policy, **(given | config))  # type: ignore[arg-type]
    return Search(
        contract=contract_,
        problem=PROBLEM,
        config=search,
        parts=parts or parts_of(RunConfig(search=search)),
        stop=StopConfig(),
        budget=Budget(evaluations=evaluations),
        seed=seed,
    )


def state(search: Search) -> str:
    """Everything a search knows, as text; equal exactly when the states are."""
    arrays: list[np.ndarray] = []
    tree = dump_state(search, arrays)
    return json.dumps([tree, [array.tolist() for array in arrays]])


@dataclass
class Simulation:
    """A driver in miniature.

    ``wrongs`` is the share of measurements that fail, ``losses`` that of blocks whose grader dies.
    """

    search: Search
    rng: np.random.Generator
    wrongs: float = 0.1
    losses: float = 0.0
    noise: float = 0.0
    now: float = 1000.0
    epochs: int = 0
    log: list[LogEntry] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    in_hand: list[MeasureIssued] = field(default_factory=list)
    measure_only: bool = False
    executed: list[tuple[int, str, int]] = field(default_factory=list)

    def write(self, record: Record) -> None:
        stamped = LogEntry(len(self.log), self.now, record)
        self.log.append(stamped)
        self.search.apply(stamped)

    def begin(self) -> None:
        """The first records of a run."""
        self.write(RunCreated("run", self.search.run.seed, "{}", ()))
        self.open()
        self.values["seed"] = 0.3
        self.write(Proposed(Attempt(self.epoch, 0), PROBLEM, ProposalStatus.CHILD, candidate=_candidate("seed", "seed", 0.3, ())))

    @property
    def epoch(self) -> str:
        return f"epoch{self.epochs}"

    def open(self) -> None:
        """A new driver: what was in hand is gone."""
        self.epochs += 1
        self.in_hand.clear()
        self.write(RunOpened(self.epoch, slots=2))

    def step(self) -> bool:
        """Ask once, or let one block in hand end; False when there was nothing to do."""
        self.now += 0.01
        issued = self.search.ask(self.now, room=3 - len(self.in_hand), entropy=self.entropy, measure_only=self.measure_only)
        if isinstance(issued, ProposeIssued):
            self.write(issued)
            self.write(self.search.accept_proposal(self.make(issued)))
        elif isinstance(issued, MeasureIssued):
            self.write(issued)
            self.in_hand.append(issued)
        elif issued is not None:
            self.write(issued)
        if self.in_hand and (issued is None or self.rng.random() < 0.5):
            self.finish(self.in_hand.pop(int(self.rng.integers(len(self.in_hand)))))
            return True
        return issued is not None

    def entropy(self, n: int) -> tuple[int, ...]:
        return tuple(int(self.rng.integers(2**62)) for _ in range(n))

    def run(self, steps: int = 100_000) -> int:
        """Steps until nothing is left to do; how many there were."""
        for done in range(steps):
            if not self.step():
                return done
        return steps

    def make(self, issued: ProposeIssued) -> ProposalResult:
        parent = self.values[issued.parents[0]]
        if issued.arm.operator == "tune" and issued.sample is None:
            literal = Literal("main.py::x", parent, "float", "linear", 0.1, -2.0, 2.0)
            return ProposalResult(issued.attempt, ProposalStatus.TUNER, literals=(literal,))
        if issued.sample is not None:
            value = issued.sample.values[0]
        else:
            rng = np.random.default_rng([issued.attempt.ticket, 7])
            value = round(parent + 0.1 * rng.standard_normal(), 2)
        name = f"c{value!r}"
        self.values[name] = value
        row = self.search.state.population.candidates[self.search.state.population.by_id[issued.parents[0]]]
        return ProposalResult(
            issued.attempt,
            ProposalStatus.CHILD,
            candidate=_candidate(name, name, value, issued.parents, row.generation + 1),
            cpu_s=0.001,
        )

    def measure(self, issued: MeasureIssued, index: int) -> Measurement:
        """What the entry gives: a function of candidate and seed alone, as it must be."""
        entry = issued.entries[index]
        rng = np.random.default_rng([entry.seed % 2**32, 3])
        value = self.values[entry.candidate]
        wrong = entry.candidate != "seed" and (hash_of(entry.candidate) % 1000) < 1000 * self.wrongs
        score = None if wrong else math.cos(3 * (value - 1)) + self.noise * float(rng.standard_normal())
        return Measurement(
            entry.candidate,
            entry.stage,
            entry.seed,
            Status.CRASH if wrong else Status.OK,
            score,
            start=entry.start,
            wall_s=0.1,
            cpu_s=0.1,
        )

    def finish(self, issued: MeasureIssued) -> None:
        """A block ends, well or with the loss of its grader half way."""
        lost = int(self.rng.integers(len(issued.entries))) if self.rng.random() < self.losses else None
        for index in range(len(issued.entries) if lost is None else lost):
            self.executed.append((issued.attempt.ticket, issued.entries[index].candidate, issued.entries[index].seed))
            self.write(self.search.accept_entry(issued.attempt, index, self.measure(issued, index)))
        status = BlockStatus.OK if lost is None else BlockStatus.LOST
        for record in self.search.accept_block(
            issued.attempt, status, skipped=(), drift=None, reason="lost" if lost is not None else "", lost=lost
        ):
            self.write(record)


def hash_of(name: str) -> int:
    return sum(ord(char) * 31**i for i, char in enumerate(name)) % 1_000_003


def _candidate(id_: str, code_hash: str, value: float, parents: tuple[str, ...], generation: int = 0) -> Candidate:
    where = min(max((value + 0.5) / 2, 0.0), 1.0)
    return Candidate(id_, code_hash, PackedText(""), parents, generation, descriptors={"where": where})
