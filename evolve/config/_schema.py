"""Typed configuration: one dataclass a component.  Slots make a misspelt key an error; defaults are the documented ones.

What is chosen by name is a text here: which names there are is known where they become classes (``evolve.engine.registry``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

from evolve._errors import ConfigError
from evolve.config._llm import LlmConfig
from evolve.config._require import MAX_SLOTS, is_number, require
from evolve.config._rules import ABOVE_0, SHARE, SHARE_BELOW_1, Rule, at_least, check, from_to, key, one_of
from evolve.problem.contract._contract import Param

TIERS = ("strict", "none")
RAY = "ray"  # the executor that has an address
LOCAL = "local"  # the executor of this machine; as an address a Ray that is started for the run
_OWN = re.compile(r"([a-z][a-z0-9_]*):([a-z][a-z0-9_]*):([12])")


@dataclass(frozen=True, slots=True)
class OwnOperator:
    """An operator that somebody gave as an object, as ``search.operators`` keeps it: ``name:family:parents``, 1 or 2 of them."""

    name: str
    family: str
    n_parents: int

    @classmethod
    def of(cls, text: str) -> OwnOperator | None:
        """The operator that ``search.operators`` names so; None where it is one of the engine's, or none."""
        found = _OWN.fullmatch(text)
        return cls(found[1], found[2], int(found[3])) if found else None

    def __str__(self) -> str:
        return f"{self.name}:{self.family}:{self.n_parents}"


DECLARED, STRUCTURE, BEHAVIOUR = "declared", "structure", "behaviour"  # descriptors
_DECIDED = ("tournament", "uniform_parent_share", "bandit_discount", "family_floor", "best_of_n")


@dataclass(kw_only=True, slots=True)
class SearchConfig:
    """How the search decides.

    Args:
        policy: ``auto``, whose ways of choosing parents and operators all earn their shares; ``map_elites``; or a baseline:
            ``independent`` sampling of the initial program's children, ``best_of_n`` (batches from the incumbent), ``hill_climb``
            (any better child replaces the incumbent), ``one_plus_one`` (one child at a time); or ``fixed_candidates``, which makes
            no children: programs that were given are measured and, on a noisy problem, confirmed.
        archive: Where the elites stand: ``grid``, cells along the problem's descriptors; ``cvt``, as many cells as
            ``archive_cells`` says, whatever the number of descriptors; ``novelty``, cells that candidates found by being far from
            all others; ``topk``, the best of all; ``auto``, the grid where there are descriptors; or one of an installed package.
        operators: Which mechanical operators may make children, also those of installed packages, none at all where models do;
            ``redraw``, ``grow`` and ``reorder`` go further than ``ast_edit`` in numbers, terms and the order of lists;
            ``extrapolate``, ``mirror``, ``merge`` and ``revert`` make a known change once more; ``adopt``, added in a run of
            several problems where nobody names operators, takes from related ones; ``setting``, added likewise for problems with
            a learning curve, moves settings of a script by a factor or within their range; ``ablate``, which is not on by
            default, takes out a statement, a branch, a term or an argument. The baselines use those that change any one program:
            ``ast_edit``, ``redraw``, ``grow`` and ``reorder``.
        tournament: Draws of a parent tournament with ``map_elites``; ``auto`` decides it.
        inspirations: Other elites handed to an operator.
        uniform_parent_share: Probability that ``map_elites`` draws a parent uniformly from the archive; ``auto`` decides it.
        tuner_share: Share of the children that the constant tuner makes while it has something to tune; less when the budget
            affords few measurements for so many numbers. With ``auto`` it is lent beside what the tuner earns.
        bandit_discount: What a result is worth to the bandit of ``map_elites`` after each further one; ``auto`` decides it.
        family_floor: Least probability of each family of operators with ``map_elites``; ``auto`` decides it.
        archive_size: Most candidates of an archive of one cell.
        archive_cells: Cells of the archive ``cvt``.
        novelty_distance: How far, in ranges of the descriptors, a candidate must be from its nearest neighbours to found a cell of
            the archive ``novelty``.
        novelty_neighbors: How many neighbours that distance is the mean of.
        rebin_share: Where more than this share of the candidates stand beyond a descriptor's range, it becomes what they span,
            and all are placed anew; null keeps the ranges as the problem has them.
        islands: Archives side by side, with ``map_elites``: each child is bred within one, drawn at random.
        migration_interval: Children after which the best of each island are sent to the next, in a ring.
        migrants: How many of each island.
        reset_after: Children without a better best after which the worst half of the islands begins anew with copies of the best of
            the others; 0 never.
        descriptors: ``declared``, those of the problem. Where it declares none, ``structure``: nesting, loops, branches, calls,
            arithmetic and numbers of Python programs; or ``behaviour``: CPU time, wall time and memory of the first measurement
            against the first program's that was started the same way, the number of artifacts, the size of artifacts and feedback
            (times and sizes in powers of two, for they scatter), and up to eight metrics. The archive has cells along them once
            children of programs that differ in them are found to gain differently; until then it keeps the best of all.
        best_of_n: Children a round of ``best_of_n``, which alone has rounds: ``auto`` refuses it.
        initial_runs: Measurements of the initial program of a noisy problem.
        final_runs: Measurements each of best and initial program at the end of a noisy run.
        replication_share: Most of a noisy problem's measurements, while it searches, that may measure a candidate again.  With
            ``auto`` that is whoever is best by now, and null is 0.1; with the other policies, where null is 0.7, all who may be
            better than the champion and are not yet known to be, as long as there are any.
        control_share: Most that may go to the program they are compared with.
        reference: What claims are made against: ``last``, the last confirmed program, or ``initial`` throughout.
        cold_check_share: Most of the slots' time that may go to measuring warm results again cold.
        pruning: Whether children of a problem with a learning curve are ended early once their curve loses: ``true`` or ``false``.
        audit_share: Of the children with bars, how many are measured to their end whatever their curve, to know how often it errs.
        second_machine: Whether each block of a vault goes to another machine of the cluster than measured its candidate last, so
            that what is claimed was seen on two; where there is one machine, to another slot: ``true`` or ``false``.
    """

    policy: str = "auto"
    archive: str = "auto"
    operators: Sequence[str] = (
        "tune",
        "ast_edit",
        "redraw",
        "grow",
        "reorder",
        "crossover",
        "extrapolate",
        "mirror",
        "merge",
        "revert",
    )
    tournament: int = key(16, at_least(1))
    inspirations: int = key(5, at_least(0))
    uniform_parent_share: float = key(0.1, SHARE)
    tuner_share: float = key(0.8, SHARE)
    bandit_discount: float = key(0.995, Rule("above 0 and at most 1", lambda value: 0 < value <= 1))
    family_floor: float = key(0.05, SHARE)
    archive_size: int = key(64, at_least(1))
    archive_cells: int = key(128, from_to(2, 10_000))
    novelty_distance: float = key(0.1, ABOVE_0)
    novelty_neighbors: int = key(1, at_least(1))
    rebin_share: float | None = key(None, Rule("at least 0.05 and below 1", lambda value: 0.05 <= value < 1))
    islands: int = key(1, from_to(1, 64))
    migration_interval: int = key(50, at_least(1))
    migrants: int = key(1, at_least(1))
    reset_after: int = key(200, at_least(0))
    descriptors: str = key(DECLARED, one_of(DECLARED, STRUCTURE, BEHAVIOUR))
    best_of_n: int = key(8, at_least(1))
    initial_runs: int = key(5, at_least(1))
    final_runs: int = key(5, at_least(1))
    replication_share: float | None = key(None, SHARE)
    control_share: float = key(0.1, SHARE)
    reference: str = key("last", one_of("last", "initial"))
    cold_check_share: float = key(0.1, SHARE)
    pruning: str = key("true", one_of("true", "false"))
    audit_share: float = key(0.1, SHARE)
    second_machine: str = key("false", one_of("true", "false"))

    def __post_init__(self) -> None:
        check(self, "search")
        for one in fields(self):
            given = getattr(self, one.name)
            taker = "best_of_n" if one.name == "best_of_n" else "map_elites"
            if self.policy == "auto" and one.name in _DECIDED and given != one.default:
                raise ConfigError(
                    f"search.{one.name} is decided by search=auto and must be left out, found {given!r}; "
                    f"type search={taker} search.{one.name}={given} for the policy that takes it"
                )

    @property
    def own_operators(self) -> dict[str, OwnOperator]:
        """Operators that are not the engine's, by name."""
        found = map(OwnOperator.of, self.operators)
        return {own.name: own for own in found if own is not None}

    @property
    def operator_names(self) -> tuple[str, ...]:
        """The names of all operators, in order."""
        return tuple(text.partition(":")[0] for text in self.operators)


@dataclass(kw_only=True, slots=True)
class BudgetConfig:
    """What a run may spend: ``evolve.Budget``.  A limit that is not given is none; without any, the problem's defaults hold.

    Args:
        wall_s: Seconds on the clock, final runs included.
        cpu_s: CPU seconds of candidates and scorers.
        evaluations: Measurements.
        candidates: Children measured.
        usd: Dollars that model calls may cost, at their worst until they have ended.
        tokens: Tokens of model calls, in and out.
        calls: HTTP requests to models.
        confirm_share: Share of the budget that a noisy problem's vaults may cost; it is kept back while the search goes on.

    Raises:
        ConfigError: a limit that is no number above 0; ``evaluations``, ``candidates``, ``tokens`` and ``calls`` are whole ones.

    Example:
        >>> evolve.Budget(wall_s=600, usd=2)
    """

    wall_s: float | None = key(None, ABOVE_0)
    cpu_s: float | None = key(None, ABOVE_0)
    evaluations: int | None = key(None, ABOVE_0)
    candidates: int | None = key(None, ABOVE_0)
    usd: float | None = key(None, ABOVE_0)
    tokens: int | None = key(None, ABOVE_0)
    calls: int | None = key(None, ABOVE_0)
    confirm_share: float | None = key(None, SHARE_BELOW_1)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            require(value is None or is_number(value), f"budget.{one.name}", "a number", value)
        check(self, "budget")
        for name in ("evaluations", "candidates", "tokens", "calls"):
            value = getattr(self, name)
            require(value is None or isinstance(value, int), f"budget.{name}", "a whole number", value)


@dataclass(kw_only=True, slots=True)
class StopConfig:
    """When to stop before the budget is spent.

    Args:
        target: A score, in the problem's own sign, that is good enough; on a noisy problem not by one measurement alone, and what
            is left of the budget then goes to evidence.
        patience: Measured children since the best last changed.
    """

    target: float | None = None
    patience: int | None = key(None, ABOVE_0)

    def __post_init__(self) -> None:
        check(self, "stop")


@dataclass(kw_only=True, slots=True)
class ExecutorConfig:
    """Where blocks run.

    Args:
        kind: ``local``: grader processes on this machine; ``ray``: actors of a Ray cluster; or one of an installed package.
        slots: Blocks at once; null is one for each CPU this process may use, with ``ray`` as many as the cluster has room for.
        address: Of a Ray cluster: ``auto`` for the one that this machine belongs to, or HOST:PORT. Null is what RAY_ADDRESS names,
            else a Ray of the run's own on this machine.
    """

    kind: str = "local"
    slots: int | None = key(None, from_to(1, MAX_SLOTS))
    address: str | None = None

    def __post_init__(self) -> None:
        check(self, "executor")
        if self.address is not None and self.kind != RAY:
            raise ConfigError(
                f"executor.address is for executor=ray, found it with executor={self.kind}; type executor=ray, or leave it out."
            )

    def moved(self, changes: Mapping[str, object]) -> ExecutorConfig:
        """The same with these changes; another kind keeps nothing of what was said of the last.

        Raises:
            ConfigError: an address for an executor that takes none.
        """
        before = {} if changes.get("kind", self.kind) != self.kind else asdict(self)
        return ExecutorConfig(**{**before, **changes})


@dataclass(kw_only=True, slots=True)
class SandboxConfig:
    """How candidates are confined.

    Args:
        tier: ``strict``, or ``none``, which confines nothing and must be asked for by name.
    """

    tier: str = key("strict", one_of(*TIERS))

    def __post_init__(self) -> None:
        check(self, "sandbox")


@dataclass(kw_only=True, slots=True)
class ProblemConfig:
    """What to improve.

    Args:
        name: A built-in problem's name, or the path of a folder.
        params: Values for the problem's parameters.
        names: Those of a run of several problems, of which ``name`` is what they were called together.
    """

    name: str = "circle_packing"
    params: dict[str, Param] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.names = tuple(self.names)  # JSON has lists


@dataclass(kw_only=True, slots=True)
class SuiteConfig:
    """How a run of several problems shares its budget and its ideas between them; a run of one asks for neither.

    Args:
        allocation: ``bandit``: each problem's share follows what it gains for what it costs, above a floor; ``equal``: all cost the
            same.
        share_ideas: Whether programs of related problems are shown to whoever makes a child: ``true`` or ``false``.
    """

    allocation: str = key("bandit", one_of("bandit", "equal"))
    share_ideas: str = key("true", one_of("true", "false"))

    def __post_init__(self) -> None:
        check(self, "suite")


@dataclass(kw_only=True, slots=True)
class RunConfig:
    """Everything a run is made from.

    Args:
        seed: A whole number from 0 that decides every draw of the search itself; what measurements draw derives from a secret of
            the run.
        out: The run's folder; null makes one below ``runs/``.
        plugins: Which packages those of its parts are of that are not shipped, by kind and name; filled in when a run is made.
    """

    problem: ProblemConfig = field(default_factory=ProblemConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    llm: LlmConfig = field(default_factory=LlmConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    stop: StopConfig = field(default_factory=StopConfig)
    suite: SuiteConfig = field(default_factory=SuiteConfig)
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)
    sandbox: SandboxConfig = field(default_factory=SandboxConfig)
    seed: int = 0
    out: str | None = None
    plugins: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        models = self.llm.provider != "none"
        asked = [key for key in ("usd", "tokens", "calls") if getattr(self.budget, key) is not None]
        if asked and not models:
            raise ConfigError(f"budget.{asked[0]} limits model calls, and no model is asked; add for example llm=anthropic.")
