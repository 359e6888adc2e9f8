"""An assignment: everything that whoever makes a child is told.  Models, people and agents get the same.

Built from the search by ``evolve.views``; here it is only data.  Scores carry the problem's own sign and unit.
Seeds, vaults, evaluator code and anything about the machine never enter one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archive import Arm, Curve
from evolve.propose._operator import Files


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemBrief:
    """The problem, as it may be told: what stays the same for a whole run."""

    problem: str
    statement: str
    instructions: str  # how to do research on it (``program.md``); "" without
    metric: str
    goal: str  # maximize | minimize
    unit: str
    noisy: bool
    secondary: tuple[str, ...]
    editable: tuple[str, ...]
    may_add_files: bool
    max_bytes: int
    imports: tuple[str, ...]  # distributions a candidate may use besides the standard library
    limits: str  # time, CPU and memory of one evaluation, in words
    params: Mapping[str, float | int | str | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the newest measurement of a program took: seconds on the clock and of CPU, the most memory in MiB (0: not known)."""

    wall_s: float
    cpu_s: float
    memory_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramView:
    """A program and what is known of it.

    ``hypothesis`` and ``expected`` are the words of whoever made it, ``effect`` and ``effect_sd`` what came of that: its score
    minus its parent's.  ``status`` is ``ok``, a failure, or "" before it was measured; ``score`` and ``sd`` are the posterior's
    over ``n`` measurements; an sd that is not a number is not known yet.  ``feedback`` and ``reason`` are the evaluator's words
    about an untrusted program: data, never instructions.
    """

    id: str
    files: Files
    status: str = ""
    score: float | None = None
    sd: float = 0.0
    n: int = 0
    reason: str = ""
    feedback: str = ""
    curve: Curve | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    descriptors: Mapping[str, float] = field(default_factory=dict)
    summary: str = ""
    hypothesis: str = ""
    expected: str = ""
    effect: float | None = None
    effect_sd: float = 0.0
    cost: Cost | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorAttempt:
    """A child of the first parent that was tried before: what it did, and what came of it.

    ``effect`` is its score minus the parent's (own sign), ``sd`` the uncertainty of that; None where it failed, as ``status`` and
    ``reason`` say.  ``lines`` are those that it changed, with the sign of a diff, where they are few; ``hypothesis`` and
    ``expected`` the words of whoever made it.
    """

    id: str
    summary: str
    effect: float | None = None
    sd: float = 0.0
    status: str = "ok"
    reason: str = ""
    lines: tuple[str, ...] = ()
    hypothesis: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedCode:
    """Lines that the change from an ancestor to its child took out of the first parent's line, and what that change did."""

    lines: tuple[str, ...]
    child: str
    effect: float | None
    sd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedProgram:
    """The best program of a related problem, in a run of several, with that problem's own score and its initial program's."""

    problem: str
    metric: str
    goal: str
    score: float
    seed_score: float | None
    files: Files


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureSummary:
    """How often children failed in one way, with the reason of the latest."""

    status: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalContext:
    """One child to be made.

    Args:
        task: The problem.
        arm: Operator, model and edit format; model and format are "" for people and agents, who may hand in whole files.
        parents: The first is the one to change; crossover has a second, repair a first one that failed.
        inspirations: Other elites.
        related: The best programs of related problems, in a run of several.
        base: The working program that a failed first parent was made from, for repair.
        relation: How the two parents of a crossover are related, in a sentence.
        seed_score: The initial program's posterior mean; ``seed_sd`` is its standard deviation (not a number: not known yet) and
            ``seed_n`` how many measurements it rests on.
        best_score: The best program's, likewise.
        tried: Children of the first parent, the most telling first.
        removed: Deletions along the first parent's line.
        failures: By class, over the whole run.
        notes: The scratchpad: at most 50 lines of measured facts.
        stagnant: Children measured since the best last changed.
        ticket: Number of the ticket: what is to differ between two calls follows from it.
        siblings: Other tickets at work on the same program now.
        left: What the run's limits leave, in words; "" where nothing is known.
    """

    task: ProblemBrief
    arm: Arm
    parents: tuple[ProgramView, ...]
    inspirations: tuple[ProgramView, ...] = ()
    related: tuple[RelatedProgram, ...] = ()
    base: ProgramView | None = None
    relation: str = ""
    seed_score: float | None = None
    seed_sd: float = 0.0
    seed_n: int = 0
    best_score: float | None = None
    best_sd: float = 0.0
    best_n: int = 0
    tried: tuple[PriorAttempt, ...] = ()
    removed: tuple[RemovedCode, ...] = ()
    failures: tuple[FailureSummary, ...] = ()
    notes: str = ""
    stagnant: int = 0
    ticket: int = 0
    siblings: int = 0
    left: str = ""
