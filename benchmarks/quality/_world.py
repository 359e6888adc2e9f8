"""A run of the engine against a task, with a clock of its own: the search and the operators are real, time is not.

Measurements take a second each, more or less, calls of the model as many as a setting says; two slots, and everything that the
engine would wait for is waited for.  So lag is real and a run of 600 evaluations takes seconds.  There is no journal, no process
and no prompt: the mutator is handed the files that a prompt would show.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from archive import (
    Attempt,
    BlockStatus,
    Candidate,
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
    candidate_id,
)
from evolve.config._llm import LlmConfig
from evolve.config._schema import RunConfig, SearchConfig, StopConfig
from evolve.engine.registry._registry import build_operators, parts_of
from evolve.problem.contract._contract import Budget, Contract, DescriptorSpec, Stage
from evolve.propose import EditScope, ProposalTask, analyse, check_scope
from evolve.search._rng import generator
from evolve.search._search import Search
from evolve.search.state._tickets import ProposalResult
from evolve.views._summary import best_candidate
from quality._mutator import HABITS, mutate
from quality._programs import tree_of
from quality._task import Judged, Task

SLOTS = 2
_PROBLEM = "task@0"
_EPOCH = "epoch"


@dataclass(frozen=True, slots=True)
class Setting:
    """One comparison: a task, how many evaluations, how long a call takes beside one of them, whose mutator, which seed.

    ``start`` is how the task's problem starts candidates: ``warm``, as ``evolve new`` has it, or ``cold``."""

    task: Task
    evaluations: int
    call_s: float
    habits: str
    seed: int
    start: str = "warm"


@dataclass(slots=True)
class Played:
    """What came of a run.

    ``final`` is the true score of what it stands by in the end, ``claimed`` what it says of it; ``by_evaluation`` and ``by_call``
    the best true score among what was measured so far, after each evaluation and each call of the model.
    """

    final: float
    claimed: float
    by_evaluation: list[float] = field(default_factory=list)
    by_call: list[float] = field(default_factory=list)
    failed: int = 0
    again: int = 0
    clock_s: float = 0.0


class Tries:
    """The true worth of programs, each judged once, and the curves of a run."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._known: dict[tuple[tuple[str, str], ...], Judged | None] = {}
        begin = self.of(setting.task.files)
        assert begin is not None
        self.best = begin.score
        self.played = Played(begin.score, begin.score)

    def of(self, files: Mapping[str, str]) -> Judged | None:
        """What a program is worth; None where it fails."""
        key = tuple(sorted(files.items()))
        if key not in self._known:
            self._known[key] = self.setting.task.true(files)
        return self._known[key]

    def on_evaluation(self, judged: Judged | None) -> None:
        """A measurement was made."""
        self.best = max(self.best, judged.score if judged is not None else self.best)
        self.played.by_evaluation.append(self.best)

    def on_call(self) -> None:
        """The model answered."""
        self.played.by_call.append(self.best)

    def draw(self, *key: object) -> random.Random:
        """Random numbers that follow from the setting's seed and a key."""
        text = repr((self.setting.task.name, self.setting.seed, *key))
        return random.Random(blake2b(text.encode(), digest_size=8).digest())

    def seen(self, judged: Judged, *key: object) -> float:
        """A measurement of what is worth so much."""
        return judged.score + self.setting.task.noise * self.draw("noise", *key).gauss(0, 1)


class World:
    """The engine on one setting.

    Args:
        setting: What is played.
        search: How it searches; the model's operators are ``operators``, none where that is empty.
    """

    def __init__(self, setting: Setting, search: SearchConfig, operators: tuple[str, ...], in_flight: int = 8) -> None:
        self.setting, self.tries = setting, Tries(setting)
        contract = contract_of(setting)
        llm = LlmConfig()
        if operators:
            asked = {"models": ("mutator",), "base_url": "http://localhost:1", "operators": operators}
            llm = LlmConfig(provider="openai", max_concurrency=in_flight, **asked)  # type: ignore[arg-type]
        config = RunConfig(search=search, llm=llm)
        self.search = Search(
            contract=contract,
            problem=_PROBLEM,
            config=search,
            stop=StopConfig(),
            budget=Budget(evaluations=setting.evaluations),
            seed=setting.seed,
            parts=parts_of(config),
            llm=llm,
        )
        self.operators = build_operators(search.operators)
        self.scope = EditScope(contract.editable, may_add_files=False, max_bytes=20_000)
        self.files: dict[str, Mapping[str, str]] = {}
        self.now, self._order = 1000.0, 0
        self._events: list[tuple[float, int, ProposeIssued | MeasureIssued]] = []
        self._waiting: list[MeasureIssued] = []
        self._running = 0
        self._seq = 0

    def play(self) -> Played:
        """Search to the end."""
        self._write(RunCreated("run", self.setting.seed, "{}", (), secret=f"{self.setting.seed:032x}"))
        self._write(RunOpened(_EPOCH, slots=SLOTS, models=self.search.run.llm.asked))
        begin = self._candidate(self.setting.task.files, (), 0)
        self._write(Proposed(Attempt(_EPOCH, 0), _PROBLEM, ProposalStatus.CHILD, candidate=begin))
        while not self.search.done(self.now) or self._events or self._waiting:
            room = max(0, 2 * SLOTS - self._running - len(self._waiting))
            issued = self.search.ask(self.now, room=room, entropy=self._entropy)
            if issued is not None:
                self._write(issued)
                self._act(issued)
            elif self._events:
                self.now, _, ended = heapq.heappop(self._events)
                self._end(ended)
            else:
                raise RuntimeError(f"nothing is under way and nothing is asked for: {self.search.done(self.now)!r}")
        return self._played()

    def _write(self, record: Record) -> None:
        self.search.apply(LogEntry(self._seq, self.now, record))
        self._seq += 1

    def _entropy(self, n: int) -> tuple[int, ...]:
        rng = self.tries.draw("vault", self._seq)
        return tuple(rng.getrandbits(62) for _ in range(n))

    def _act(self, issued: Record) -> None:
        if isinstance(issued, MeasureIssued):
            self._waiting.append(issued)
            self._start()
        elif isinstance(issued, ProposeIssued) and issued.arm.model:
            self._later(self.setting.call_s * self.tries.draw("call", issued.attempt.ticket).lognormvariate(0, 0.3), issued)
        elif isinstance(issued, ProposeIssued):
            self._write(self.search.accept_proposal(self._mechanical(issued)))

    def _later(self, seconds: float, what: ProposeIssued | MeasureIssued) -> None:
        self._order += 1
        heapq.heappush(self._events, (self.now + seconds, self._order, what))

    def _start(self) -> None:
        while self._waiting and self._running < SLOTS:
            block = self._waiting.pop(0)
            self._running += 1
            took = sum(self._takes(block, index) for index in range(len(block.entries)))
            self._later(took, block)

    def _takes(self, block: MeasureIssued, index: int) -> float:
        return self.tries.draw("takes", block.attempt.ticket, index).lognormvariate(0, 0.2)

    def _end(self, ended: ProposeIssued | MeasureIssued) -> None:
        if isinstance(ended, ProposeIssued):
            self._write(self.search.accept_proposal(self._answered(ended)))
            self.tries.on_call()
            return
        for index in range(len(ended.entries)):
            self._write(self.search.accept_entry(ended.attempt, index, self._measured(ended, index)))
        closed = self.search.accept_block(ended.attempt, BlockStatus.OK, skipped=(), drift=None, reason="", lost=None)
        for record in closed:
            self._write(record)
        self._running -= 1
        self._start()

    def _measured(self, block: MeasureIssued, index: int) -> Measurement:
        entry, took = block.entries[index], self._takes(block, index)
        judged = self.tries.of(self.files[entry.candidate])
        self.tries.on_evaluation(judged)
        status = Status.CRASH if judged is None else Status.OK
        return Measurement(
            entry.candidate,
            entry.stage,
            entry.seed,
            status,
            score=None if judged is None else self.tries.seen(judged, entry.candidate, entry.seed),
            descriptors=dict(zip(("d1", "d2"), judged.descriptors, strict=True)) if judged is not None else {},
            output_hash=f"{entry.candidate}:{entry.seed}",
            start=entry.start,
            wall_s=took,
            cpu_s=took,
        )

    def _generation(self, issued: ProposeIssued) -> int:
        population = self.search.state.population
        return population.candidates[population.by_id[issued.parents[0]]].generation + 1

    def _mechanical(self, issued: ProposeIssued) -> ProposalResult:
        parents = tuple(self.files[one] for one in issued.parents)
        others = tuple(self.files[one] for one in issued.inspirations)
        literals = self.search.state.tuner_session.literals_of(issued.sample)
        operator = self.operators[issued.arm.operator]
        task = ProposalTask(parents, others, self.scope, issued.sample, tuple(literals))
        made = operator.propose(task, generator(self.setting.seed, f"make:{operator.spec.name}", issued.attempt.ticket))
        if made.status is not ProposalStatus.CHILD or made.files is None:
            return ProposalResult(issued.attempt, made.status, literals=made.literals, reason=made.reason)
        if reason := check_scope(parents[0], made.files, self.scope):
            return ProposalResult(issued.attempt, ProposalStatus.INVALID, reason=reason)
        child = self._candidate(made.files, issued.parents, self._generation(issued))
        return ProposalResult(issued.attempt, ProposalStatus.CHILD, candidate=child, cpu_s=0.001)

    def _answered(self, issued: ProposeIssued) -> ProposalResult:
        """What the mutator makes of what the model would be shown: the parent, and the other programs."""
        others = [self.files[one] for one in (*issued.parents[1:], *issued.inspirations)]
        rng = self.tries.draw("mutator", len(self.tries.played.by_call))
        files = mutate(self.files[issued.parents[0]], others, rng, HABITS[self.setting.habits])
        if any(tree_of(text) is None for text in files.values()):
            return ProposalResult(issued.attempt, ProposalStatus.INVALID, reason="it does not parse")
        child = self._candidate(files, issued.parents, self._generation(issued))
        return ProposalResult(issued.attempt, ProposalStatus.CHILD, candidate=child)

    def _candidate(self, files: Mapping[str, str], parents: tuple[str, ...], generation: int) -> Candidate:
        id_ = candidate_id(files)
        self.files[id_] = files
        return Candidate(id_, analyse(files, self.scope).code_hash, PackedText(""), parents, generation)

    def _played(self) -> Played:
        state, played = self.search.state, self.tries.played
        best = best_candidate(state)
        assert best is not None
        rows = state.population.candidates
        judged = self.tries.of(self.files[rows[best].id])
        assert judged is not None
        again = len(played.by_evaluation) - len(rows)
        failed = sum(row.status not in (None, Status.OK) for row in rows)
        claimed = state.population.sign * state.population.posterior(best)[0]
        return replace(played, final=judged.score, claimed=claimed, again=again, failed=failed, clock_s=self.now - 1000.0)


def contract_of(setting: Setting) -> Contract:
    """The contract of a setting's problem."""
    task = setting.task
    axes = tuple(DescriptorSpec(name=name, source="outcome", low=0.0, high=1.0, bins=10) for name in ("d1", "d2"))
    return Contract(
        name=task.name,
        metric="score",
        goal="maximize",
        editable=tuple(sorted(task.files)),
        noisy=task.noise > 0,
        stages=(Stage(name="full", start=StartMode(setting.start)),),
        axes=axes if task.described else (),
    )
