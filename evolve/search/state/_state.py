"""What a search knows: exactly what records make of it, and what a checkpoint keeps.  Only ``Search.apply`` changes it.

``RunState`` is the run's, whatever it works on; ``ProblemState`` one problem's, with the run beside it.  There is no clock and no
generator in either: time and what is measured only are arguments of whoever decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from archive import Arm, Hardware, ProposeIssued, RunOpened, SlotsChanged
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._model_limits import ModelLimits
from evolve.budget._usage import Usage
from evolve.config._llm import LlmConfig
from evolve.config._schema import SearchConfig, StopConfig, SuiteConfig
from evolve.confirm import ChampionTest, Confirmations, Panel, Repeats
from evolve.problem.contract._contract import Budget, Contract
from evolve.search._rng import generator, measurement_seed
from evolve.search.state._changes import KnownChanges
from evolve.search.state._climbs import Climbs
from evolve.search.state._computed import ComputedDescriptors
from evolve.search.state._costs import Costs
from evolve.search.state._faults import Faults
from evolve.search.state._memory import Memory
from evolve.search.state._operators import OperatorSpec
from evolve.search.state._parts import Parts
from evolve.search.state._population import Population
from evolve.search.state._pruning import Pruning
from evolve.search.state._shares import Part, Pool, budget_of, spent, usage_of
from evolve.search.state._steadiness import Steadiness
from evolve.search.state._tickets import OpenBlock, Tickets
from evolve.search.state._tuning import TunerSession
from evolve.search.state._turns import Turns
from evolve.select import Bandit, Novelty

_EARNED_FLOOR = 0.01  # least share of a family where all of them earn theirs


class Phase(StrEnum):
    """How far a run has come, by its records."""

    RUNNING = "running"
    STOPPING = "stopping"  # nothing new is started
    FAILED = "failed"  # it cannot go on
    PAUSED = "paused"  # its last driver measured what was ready and no more
    CLOSED = "closed"  # its last driver let go of it


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why a run does not go on: the status it ends with, and the reason in words; both "" while it runs."""

    phase: Phase = Phase.RUNNING
    status: str = ""
    why: str = ""

    @property
    def ends(self) -> str:
        """Why nothing more is asked for ("" while something may be)."""
        return self.why if self.phase in (Phase.STOPPING, Phase.FAILED) else ""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a driver has a run measured, as of ``RunOpened``: its machine, and what its executor runs blocks on."""

    machine: str
    executor: str
    address: str
    slots: int
    nodes: int


@dataclass(slots=True)
class RunState:
    """What belongs to a run as a whole."""

    config: SearchConfig
    stop: StopConfig
    llm: LlmConfig
    budget: Budget
    seed: int
    model_limits: ModelLimits
    secret: str = ""  # what measurement seeds derive from; a run of an older version has none
    slots: int = 1
    tier: str = ""  # of the driver that has the run now
    whereabouts: Whereabouts | None = None  # that driver's; None before the first
    unfit: dict[str, str] = field(default_factory=dict)  # nodes of its cluster that take no part, and why
    usage: Usage = field(default_factory=Usage)
    tickets: Tickets = field(default_factory=Tickets)
    end: StopReason = StopReason()
    handled_requests: set[str] = field(default_factory=set)  # carried out or refused; never again
    hardware: dict[str, Hardware] = field(default_factory=dict)  # by the ids in measurements
    suite: SuiteConfig = field(default_factory=SuiteConfig)

    @property
    def failure(self) -> str:
        """Why the run cannot go on ("" if it can)."""
        return self.end.why if self.end.phase is Phase.FAILED else ""

    def measurement_seed(self, candidate: str, stream: str, index: int) -> int:
        """The seed of a measurement; nobody who does not have the run's journal can work it out."""
        return measurement_seed(self.secret or self.seed, candidate, stream, index)

    def on_run_opened(self, record: RunOpened, at: float) -> None:
        """A driver has the run now."""
        self.usage.on_run_opened(record, at)
        self.tickets.on_run_opened(record.epoch)
        self.model_limits.on_run_opened(record)
        self.slots, self.tier, self.unfit = max(1, record.slots), record.tier, {}
        self.whereabouts = Whereabouts(record.machine, record.executor, record.address, record.slots, record.nodes)

    def on_slots_changed(self, record: SlotsChanged) -> None:
        """Shares and waiting work are per slot; with none, nothing is handed out at all."""
        if self.whereabouts is not None:
            self.whereabouts = replace(self.whereabouts, slots=record.slots, nodes=record.nodes)
        self.slots = max(1, record.slots)

    def fail(self, why: str) -> None:
        """The run cannot go on; the first reason is the one that is kept, and "" is none."""
        if why and self.end.phase is not Phase.FAILED:
            self.end = StopReason(Phase.FAILED, "failed", why)


@dataclass(slots=True)
class ProblemState:
    """What belongs to one problem of a run, whose own state is ``run``."""

    run: RunState
    contract: Contract
    problem: str
    population: Population
    bandit: Bandit
    champion_test: ChampionTest
    novelty: Novelty
    operators: Mapping[str, OperatorSpec]  # those of the arms, by name
    confirmations: Confirmations = field(default_factory=Confirmations)
    repeats: Repeats = field(default_factory=Repeats)
    panel: Panel = field(default_factory=Panel)
    steadiness: Steadiness = field(default_factory=Steadiness)
    tuner_session: TunerSession = field(default_factory=TunerSession)
    memory: Memory = field(default_factory=Memory)
    faults: Faults = field(default_factory=Faults)
    final_comparison: tuple[str, int] | None = None  # the finalist and the number of final entries still owed
    final_scores: list[tuple[str, float]] = field(
        default_factory=list
    )  # of the finals in hand: candidate, score in the problem's sign
    retracted: list[int] = field(default_factory=list)  # found to cheat
    to_reverify: list[int] = field(default_factory=list)  # descend from one of those, hold a place or a claim, or are champion
    reviewed: set[str] = field(default_factory=set)  # the judge has read them
    unreviewed: set[str] = field(default_factory=set)  # it was asked about them in this opening, and did not answer
    changes: KnownChanges = field(default_factory=KnownChanges)
    computed: ComputedDescriptors = field(default_factory=ComputedDescriptors)
    climbs: Climbs = field(default_factory=Climbs)  # of the policy that has some
    costs: Costs = field(default_factory=Costs)
    pruning: Pruning = field(default_factory=Pruning)
    hardware: dict[str, str] = field(default_factory=dict)  # a stage -> what its scores are of, where they hang on speed
    incumbent: int = INITIAL  # of the baselines that keep one
    round_size: int = 0
    fruitless: dict[str, int] = field(
        default_factory=dict
    )  # tickets since the last that gave a new program, by what became of them
    failed: dict[str, int] = field(default_factory=dict)  # tickets that an operator without a model broke at, by its name
    first_failures: dict[str, str] = field(default_factory=dict)  # what it said at the first
    told_failures: set[str] = field(default_factory=set)  # whose first failure is recorded as an event
    judged_at: tuple[int, int] = (-1, -1)  # runs and retractions when claims were judged in vain
    kept_back: tuple[Budget, int] | None = None  # runs kept back for claims with a budget; None once a record may have changed it
    others: tuple[ProblemState, ...] = field(default=(), repr=False, compare=False)  # those of the run's other problems
    part: Part = field(default_factory=lambda: Part(Usage()))  # of a run of several
    pool: Pool = field(default_factory=lambda: Pool(()), repr=False, compare=False)  # of them all
    turns: Turns = field(default_factory=Turns)
    share: tuple[Budget, Budget, Usage] | None = None  # see ``_share``; None once a record may have changed it
    failure: str = ""  # why this one is given up while the others go on

    @property
    def usage(self) -> Usage:
        """What was spent on this problem; to be read."""
        return self._share()[2] if self.others else self.run.usage

    @property
    def usages(self) -> tuple[Usage, ...]:
        """Where what is spent on this problem is counted."""
        return (self.run.usage, self.part.usage) if self.others else (self.run.usage,)

    @property
    def budget(self) -> Budget:
        """What may be spent on this problem."""
        return self._share()[1] if self.others else self.run.budget

    def _share(self) -> tuple[Budget, Budget, Usage]:
        """The run's budget, and what of it and of what is spent is this problem's; worked out once between two records."""
        total = self.run.budget
        if self.share is None or self.share[0] is not total:
            budget = budget_of(self.part, self.pool, total)
            self.share = total, budget, usage_of(self.part, budget, total, self.run.usage)
        return self.share

    @property
    def blocks(self) -> dict[int, OpenBlock]:
        """Open blocks of this problem, by ticket."""
        blocks = self.run.tickets.blocks
        return {ticket: one for ticket, one in blocks.items() if one.issued.problem == self.problem} if self.others else blocks

    @property
    def proposals(self) -> dict[int, ProposeIssued]:
        """Open propose tickets of this problem."""
        issued = self.run.tickets.proposals
        return {ticket: one for ticket, one in issued.items() if one.problem == self.problem} if self.others else issued

    @property
    def n_unmeasured(self) -> int:
        """Measurements that are under way."""
        return self.run.tickets.n_unmeasured.get(self.problem, 0)

    def n_local_proposals(self) -> int:
        """Open propose tickets of this problem that are neither with a model nor with people."""
        return self.run.tickets.n_local_proposals(self.problem if self.others else "")

    def fail(self, why: str) -> None:
        """This problem cannot be searched any more ("" is no reason); the run fails with the last one."""
        if not why or self.failure:
            return
        if not self.others:
            self.run.fail(why)
            return
        usage = self.usage
        self.failure, self.part.fixed = why, spent(usage, self.run.budget, usage.pace)
        if all(one.failure for one in self.others):
            self.run.fail(f"no problem of the run can be searched any more; {self.contract.name}: {why}")

    @property
    def island(self) -> int:
        """The island that the next ticket's child is bred on."""
        n = len(self.population.archives)
        return int(generator(self.run.seed, "island", self.run.tickets.next_ticket).integers(n)) if n > 1 else 0

    @property
    def local_elites(self) -> list[int]:
        """Who stands there."""
        return self.population.archives[self.island].cells.elites

    def home_of_child(self, parents: Sequence[int]) -> int:
        """The island of the next ticket's child: where it is bred, unless its parent was not chosen among those who stand there."""
        here, (first, *_) = self.island, parents
        if first == INITIAL or self.population.islands.is_known(first, here):
            return here
        return self.population.candidates[first].island

    def maker(self, number: int) -> OperatorSpec | None:
        """The operator that made a candidate; None for the initial program and for what people and agents told."""
        arm = self.population.candidates[number].arm
        return self.operators[self.bandit.arms[arm].operator] if arm >= 0 else None

    def tunes(self, arm: Arm) -> bool:
        """Whether a ticket of this arm is the constant tuner's."""
        spec = self.operators.get(arm.operator)
        return spec is not None and spec.tunes


def problem_state(
    run: RunState,
    contract: Contract,
    problem: str,
    arms: Sequence[Arm],
    parts: Parts,
    *,
    keeps_champion: bool,
    earned: bool,
    by_descent: bool,
) -> ProblemState:
    """The state of a problem of which nothing is known yet; ``keeps_champion`` where a champion is kept that children must beat."""
    families = [parts.operators[arm.operator].family for arm in arms]
    config = run.config
    archives = [parts.archive(contract, config) for _ in range(config.islands)]
    priors, floor = (_priors(arms, parts), _EARNED_FLOOR) if earned else ((), config.family_floor)
    return ProblemState(
        run=run,
        contract=contract,
        problem=problem,
        population=Population(problem, contract, archives, by_descent=by_descent),
        bandit=Bandit(
            arms,
            families,
            discount=config.bandit_discount,
            family_floor=floor,
            priors=priors,
        ),
        champion_test=ChampionTest(keeps_champion=keeps_champion),
        novelty=Novelty(run.llm.novelty.share),
        operators=parts.operators,
    )


def _priors(arms: Sequence[Arm], parts: Parts) -> list[float]:
    """What is expected of each arm; the forms of an answer share what is expected of an operator."""
    alike = Counter((arm.operator, arm.model) for arm in arms)
    return [parts.operators[arm.operator].prior / alike[arm.operator, arm.model] for arm in arms]
