"""A problem's contract as typed values: what ``problem.yaml`` says, checked.

This module only defines the values; ``evolve.problem._load`` reads folders into them.  Units stand in the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from archive import Axis, ProblemInfo, Resources, StartMode
from evolve._renamed import INITIAL_FOLDER
from evolve.problem.contract._placement import ANYWHERE, Placement

Param = float | int | str | bool
MAX_BYTES = 1 << 24  # the most that a contract may allow a program, all files together
DEFAULT_CONFIRM_SHARE = 0.3  # of the budget
PRINTED = "printed by code that shares a process with the candidate"
AUDITED = "audited: "  # and of one that was made to its end although its learning curve was lost, where
INCOMPLETE = "incomplete: "  # how the reason of an ok measurement begins that lacks a declared number


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One rung of the cascade, with its limits.  The last stage of a problem is the one its score is reported at.

    ``time_s`` is wall time of one measurement, scorer included; ``cpu_s`` (None: as much as ``time_s`` allows) is CPU of the
    candidate's process tree; ``memory_mib`` holds for one sandbox.  ``start`` is the fastest start the problem allows.
    ``block`` is how many candidates may share one block.  ``pass_score`` (own sign, own unit) must be reached to go on to the
    next stage.
    """

    name: str
    time_s: float = 60.0
    cpu_s: float | None = None
    memory_mib: int = 1024
    cpus: float = 1.0
    gpus: float = 0.0
    exclusive: bool = False
    calibrated: bool = False
    start: StartMode = StartMode.COLD
    batch_size: int = 1
    pass_score: float | None = None

    @property
    def needs(self) -> Resources:
        return Resources(cpus=self.cpus, gpus=self.gpus, exclusive=self.exclusive)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptorSpec:
    """A descriptor axis.  ``source`` is ``ast`` (computed from the program's syntax, see ``evolve.propose.AST_DESCRIPTORS``) or
    ``outcome`` (the evaluator returns it under this name)."""

    name: str
    source: str
    low: float
    high: float
    bins: int

    @property
    def info(self) -> Axis:
        return Axis(self.name, self.low, self.high, self.bins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What no honest measurement of ``metric`` (the score or a secondary metric) can be, at any stage: below ``floor``, above
    ``ceiling``.  ``why`` says how that is known."""

    metric: str
    floor: float | None = None
    ceiling: float | None = None
    why: str

    def complaint(self, value: float) -> str:
        """How ``value`` breaks the bound; "" where it does not.  What cannot be compared breaks it."""
        if self.floor is not None and not value >= self.floor:
            return f"{self.metric} is {value:.10g}, below the floor of {self.floor:.10g}: {self.why}"
        if self.ceiling is not None and not value <= self.ceiling:
            return f"{self.metric} is {value:.10g}, above the ceiling of {self.ceiling:.10g}: {self.why}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A file or folder at ``path`` on each machine, which does not travel with the problem, and its SHA-256.

    ``reader`` is ``grader`` (the evaluator alone, by ``trial.data``) or ``candidate`` (programs too, at ``/data/NAME``).
    """

    name: str
    path: str
    sha256: str
    reader: str = "grader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may spend; None is no limit.  ``wall_s`` includes the final runs.  ``confirm`` is the share of it that is set
    aside for vaults, on noisy problems.  ``usd``, ``tokens`` and ``calls`` are of language models."""

    wall_s: float | None = None
    cpu_s: float | None = None
    evaluations: int | None = None
    candidates: int | None = None
    confirm_share: float = DEFAULT_CONFIRM_SHARE
    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None

    @property
    def bounds_machine(self) -> bool:
        """Whether anything but model calls is limited."""
        return not (self.wall_s is None and self.cpu_s is None and self.evaluations is None and self.candidates is None)

    @property
    def bounds_models(self) -> bool:
        """Whether model calls are limited."""
        return not (self.usd is None and self.tokens is None and self.calls is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """``problem.yaml``, checked and with defaults filled in.

    ``compute_rule`` is ``none`` (the score does not depend on what was spent), ``wall`` (it is a time, or hangs on one), ``calls``
    or ``cpu_budget`` (CPU at most 1.10 x the initial program's).  ``max_artifact_bytes`` bounds one artifact.
    ``meaningful_comments`` is what comments begin with that make another program, besides directives; "" makes all count.
    ``any_metrics``: the evaluator returns further numbers by any name. ``scored_inside`` is a folder of the problem whose code runs
    in the sandbox alone, and gives the score there.
    """

    name: str
    metric: str
    goal: str  # maximize | minimize
    unit: str = ""
    secondary: tuple[str, ...] = ()
    any_metrics: bool = False
    noisy: bool = False
    compute_rule: str = "none"
    params: Mapping[str, Param] = field(default_factory=dict)
    initial_by: str = ""  # the param whose value is the folder of ``initial/`` that the search starts from
    editable: tuple[str, ...] = ()
    may_add_files: bool = False
    max_bytes: int = 65536
    meaningful_comments: tuple[str, ...] = ()
    candidate_imports: tuple[str, ...] = ()
    toolbox: tuple[str, ...] = ()  # tools of the system that candidates are built with: cc, make
    requires: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()  # variables of the user's that reach the evaluator
    candidate_assets: tuple[str, ...] = ()
    grader_assets: tuple[str, ...] = ()
    data: tuple[Data, ...] = ()
    stages: tuple[Stage, ...] = ()
    axes: tuple[DescriptorSpec, ...] = ()
    elites_per_cell: int = 1  # occupants a cell
    artifacts: Mapping[str, str] = field(default_factory=dict)  # name -> suffix, what `evolve best --artifact` writes
    max_artifact_bytes: int = 65536
    budget: Budget = Budget()
    gates: tuple[Gate, ...] = ()
    scored_inside: str = ""
    learning_curve: str = ""
    family: str = ""  # of problems whose programs may learn from each other
    placement: Placement = ANYWHERE

    @property
    def maximize(self) -> bool:
        return self.goal == "maximize"

    @property
    def depends_on_speed(self) -> bool:
        """Whether a score hangs on how fast the machine is: then those of different hardware are never compared."""
        return self.compute_rule in ("wall", "cpu_budget") or any(stage.calibrated for stage in self.stages)

    @property
    def caveat(self) -> str:
        """What must stand beside every score of the problem; "" where nothing must."""
        return PRINTED if self.scored_inside else ""

    def metrics_of(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """The names in ``metrics`` that are the problem's, in its order."""
        return tuple(sorted(metrics)) if self.any_metrics else tuple(name for name in self.secondary if name in metrics)

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing in a problem folder that belongs to the problem.

    ``kind`` is ``file``, ``link`` or ``folder`` (one with nothing in it: others follow from what they hold).  ``content`` is the
    hash of a file's bytes, or where a link points, relative to its own folder.  ``executable`` is what the owner may do.
    """

    path: str  # relative, POSIX
    kind: str = "file"
    content: str = ""
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem folder, read and hashed.

    ``folder`` is where its files lie now (for a run: the copy inside the run directory); ``pieces`` is what belongs to it there,
    sorted by path.  ``assets`` is the folder that ``prepare.py`` filled, content-addressed, or None when the contract declares
    none, and ``assets_digest`` names its contents.  ``initial_files`` maps relative POSIX paths to texts.
    ``id`` is ``name@`` and the contract's hash with the chosen params; ``evaluator`` hashes everything that decides a score.

    Example:
        >>> problem = evolve.load_problem("circle_packing", n=32)
        >>> print(problem.id, problem.contract.metric, problem.params, problem.initial_files["main.py"])
    """

    folder: Path
    assets: Path | None
    contract: Contract
    params: Mapping[str, Param]
    initial_files: Mapping[str, str]
    statement: str
    id: str
    evaluator: str
    pieces: tuple[Piece, ...] = ()
    assets_digest: str = ""

    @property
    def initial_folder(self) -> Path:
        """Where the initial program's files lie."""
        return self.folder / INITIAL_FOLDER / str(self.params[self.contract.initial_by] if self.contract.initial_by else "")

    @property
    def info(self) -> ProblemInfo:
        contract = self.contract
        return ProblemInfo(
            id=self.id,
            name=contract.name,
            evaluator=self.evaluator,
            metric=contract.metric,
            maximize=contract.maximize,
            unit=contract.unit,
            noisy=contract.noisy,
            frame=contract.compute_rule,
            stages=tuple(stage.name for stage in contract.stages),
            axes=tuple(axis.info for axis in contract.axes),
            params=dict(self.params),
        )
