"""A whole search in one process, without sandboxes: the real loop, journal and operators around an executor that answers at once.

For laws of the search, planted truths, golden trajectories and engine costs.  Nothing here reads a clock or the system's entropy,
so that equal arguments give equal journals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, cast

from archive import (
    BlockEntry,
    Journal,
    Measurement,
    RunClosed,
    RunCreated,
    RunOpened,
    Status,
)
from evolve.config._llm import LlmConfig
from evolve.config._schema import BudgetConfig, ProblemConfig, RunConfig, SearchConfig, StopConfig, SuiteConfig
from evolve.engine._collector import infrequent_gc
from evolve.engine._loop import Mailbox, run_loop
from evolve.engine._opening import write_initial
from evolve.engine._proposer import Proposer
from evolve.engine.models._dispatcher import ModelDispatcher
from evolve.engine.registry._registry import build_operators, parts_of
from evolve.models import PriceBook, Provider, price_rows
from evolve.problem.contract._contract import Contract, Problem, Stage
from evolve.propose import SamplingSettings
from evolve.runs import _checkpoint
from evolve.runs._folder import RunDir
from evolve.runs._open import open_search
from evolve.runs._recorder import Hook, Recorder
from evolve.runs._replay import missing_placements
from evolve.search._computed import computed_names
from evolve.testing._scripted import Answer, ScriptedExecutor
from evolve.testing.models._answering import ScriptedModelThread

if TYPE_CHECKING:
    from evolve.engine.models._thread import ModelThread

Clock = Callable[[], float]


def still() -> float:
    """A clock that stands."""
    return 0.0


def scored(score: Callable[[Mapping[str, str], int], float | None]) -> Answer:
    """Answers from ``score(files, seed)``; None is a crash."""

    def answer(entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
        value = score(files, entry.seed)
        status = Status.CRASH if value is None else Status.OK
        return Measurement(entry.candidate, entry.stage, entry.seed, status, score=value, start=entry.start, tier="scripted")

    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a harness drives: a program to improve, what each measurement answers, and how to search.

    ``hold`` answered blocks are kept back, so that results come out of order (see ``ScriptedExecutor``), and as many ``talks`` with
    models (see ``ScriptedModelThread``).  ``clock`` is Unix time, ``cpu_clock`` what making a child costs; the bandit and the
    budget see both.  Where ``llm`` names models, ``provider`` answers for them.
    """

    seed_files: Mapping[str, str]
    answer: Answer
    contract: Contract | None = None  # one stage, deterministic, higher is better, every file editable
    search: SearchConfig = field(default_factory=SearchConfig)
    stop: StopConfig = field(default_factory=StopConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    seed: int = 0
    secret: str = ""  # "" derives measurement seeds from the seed, as runs of older versions do
    slots: int = 2
    hold: int = 0
    clock: Clock = still
    cpu_clock: Clock = still
    hooks: Sequence[Hook] = ()
    llm: LlmConfig = field(default_factory=LlmConfig)
    provider: Provider | None = None
    talks: int = 0
    others: Sequence[tuple[Contract, Mapping[str, str]]] = ()  # a run of several problems: contracts and initial programs
    suite: SuiteConfig = field(default_factory=SuiteConfig)

    def problems(self, folder: Path) -> tuple[Problem, ...]:
        """The problems of this script."""
        first = (self.contract or plain_contract(tuple(self.seed_files)), self.seed_files)
        return tuple(self._problem(folder, contract, files) for contract, files in (first, *self.others))

    def _problem(self, folder: Path, contract: Contract, files: Mapping[str, str]) -> Problem:
        return Problem(
            folder=folder,
            assets=None,
            contract=contract,
            params={},
            initial_files=dict(files),
            statement="",
            id=f"{contract.name}@script",
            evaluator="script",
        )

    @property
    def config(self) -> RunConfig:
        """The run's configuration."""
        problem = ProblemConfig(name="scripted")
        return RunConfig(
            problem=problem, search=self.search, llm=self.llm, stop=self.stop, budget=self.budget, suite=self.suite, seed=self.seed
        )


def plain_contract(editable: tuple[str, ...] = ("main.py",), **changes: object) -> Contract:
    """A deterministic contract of one stage without axes, higher is better; ``changes`` replace fields."""
    fields: dict[str, object] = {
        "name": "scripted",
        "metric": "value",
        "goal": "maximize",
        "editable": editable,
        "stages": (Stage(name="full"),),
    }
    return Contract(**{**fields, **changes})  # type: ignore[arg-type]


class Harness:
    """One opening of a scripted run: new where ``folder`` holds no journal, resumed (checkpoint and tail) where it does.

    Args:
        script: What to drive.
        folder: The run's folder, made if needed.
        epoch: Of this opening; by default the number of the record that opens it.

    Use as a context manager; ``search``, ``recorder``, ``proposer``, ``texts``, ``executor`` and ``journal`` are the real parts.

    Raises:
        JournalError: as ``Journal.open`` and the replay.
    """

    def __init__(self, script: Script, folder: Path, *, epoch: str = "") -> None:
        self.script, self.run = script, RunDir(Path(folder), "scripted")
        self.problems = script.problems(self.run.path)
        self.problem = self.problems[0]
        self.mailbox: Mailbox = SimpleQueue()
        self._stack = ExitStack()
        new = not (self.run.path / "journal").exists()
        make = Journal.create if new else Journal.open
        self.journal = self._stack.enter_context(make(self.run.path, on_error=self.mailbox.put))
        parts = parts_of(script.config)
        self.search, self.texts, shown = open_search(self.run, script.config, self.problems, parts, self.journal)
        self.executor = ScriptedExecutor(
            script.answer, sink=self.mailbox.put, slots=script.slots, hold=script.hold, seed=script.seed
        )
        self.recorder = Recorder(self.journal, self.search, self.texts, script.clock, script.hooks)
        operators = build_operators(script.config.search.operators)
        more = computed_names(script.config.search)
        self.proposers = {
            one.id: Proposer(one, operators, self.texts, script.seed, clock=script.cpu_clock, descriptors=more)
            for one in self.problems
        }
        self.proposer = self.proposers[self.problem.id]
        if new:
            self.recorder.write(
                RunCreated("scripted", script.seed, "{}", tuple(one.info for one in self.problems), secret=script.secret)
            )
        written = self.journal.written
        self.epoch = epoch or f"epoch-{written.seq + 1 if written is not None else 0}"
        models = script.llm.asked if script.provider is not None else ()
        self.recorder.write(RunOpened(self.epoch, tier="scripted", slots=script.slots, models=models))
        for settled in self.search.run.model_limits.ledger.lost():
            self.recorder.write(settled)
        write_initial(self.recorder, self.proposers, self.epoch)
        for placed in missing_placements(self.search, shown):
            self.recorder.write(placed)
        self.model_thread = self._open_model_thread()

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def drive(self) -> str:
        """Run the loop to its end; returns why it ended."""
        with infrequent_gc():
            thread = cast("ModelThread | None", self.model_thread)  # what a dispatcher needs of one
            dispatcher = ModelDispatcher(thread, self.search, self.proposers, self.recorder) if thread is not None else None
            return run_loop(
                self.search, self.executor, self.proposers, self.recorder, self.mailbox, lambda _: None, dispatcher=dispatcher
            )

    def finish(self, status: str = "done") -> None:
        """Write the last record of this opening."""
        self.recorder.write(RunClosed(self.epoch, status))

    def checkpoint(self) -> None:
        """Make all records durable and save the state after the last."""
        position = self.journal.written
        if position is not None:
            self.journal.wait_durable(position.seq)
            _checkpoint.save(self.run.checkpoint, self.search, self.texts.locations(), position)

    def close(self) -> None:
        """Make all records durable and let go of the folder, without a last record, as one does who is killed.  Idempotent."""
        self.executor.close(drain=False)
        self._stack.close()

    def _open_model_thread(self) -> ScriptedModelThread | None:
        script = self.script
        if script.provider is None:
            return None
        llm = script.llm
        asked = llm.sampling
        manner = SamplingSettings(max_tokens=asked.max_tokens, prompt_tokens=asked.prompt_tokens, repairs=asked.max_repairs)
        return ScriptedModelThread(
            script.provider,
            self.mailbox.put,
            ledger=self.search.run.model_limits.ledger.copy(),
            prices=PriceBook(price_rows(llm.prices)),
            manner=manner,
            hold=script.talks,
            seed=script.seed,
        )
