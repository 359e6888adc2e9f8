"""The journal's vocabulary: one frozen dataclass a record kind, and the list of statuses.

A record is a *decision* (a ticket, the parameters that were drawn, a seed) or an *observation* (a child, a measurement).
Everything else that a run knows - elites, posteriors, the bandit, the tuners - is derived from records by ``apply`` and is
never written as truth.  ``Placed`` is the one exception: it is written for readers and ignored by replay.

The kinds and the statuses are final: kinds that nothing writes yet (champions, vaults, claims, model calls) are fixed here so
that a journal written today can be read by the code that fills them.  A new field needs a default; a change of meaning needs a
new ``SCHEMA_VERSION`` and a migration.

Scores in records carry the problem's own sign and unit; only the search turns them so that higher is better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

SCHEMA_VERSION = 1


class Status(StrEnum):
    """How a measurement ended.  Only ``OK`` carries a score; a failure is never a number."""

    OK = "ok"
    INVALID = "invalid"  # does not parse, misses the entry point, or returned something of another form than declared
    CHECKS_FAILED = "checks_failed"  # ran, and its output is wrong
    TIMEOUT = "timeout"
    CRASH = "crash"  # died: exception, signal, memory limit
    OVER_BUDGET = "over_budget"
    REJECTED = "rejected"  # broke a rule of the problem; the reason says which
    EVALUATOR_ERROR = "evaluator_error"  # the evaluator's own fault, never the candidate's


class Purpose(StrEnum):
    """Why a block of measurements was issued.  A candidate never learns it."""

    SEED = "seed"
    SEARCH = "search"
    REMEASURE = "remeasure"
    RECHECK = "recheck"  # a warm result, measured again cold
    FINAL = "final"
    REFERENCE = "reference"
    CONFIRM = "confirm"
    VAULT = "vault"


class Start(StrEnum):
    """How the candidate's process came to life."""

    COLD = "cold"
    SPARE = "spare"
    WARM = "warm"


class ProposalStatus(StrEnum):
    """How a propose ticket ended."""

    CHILD = "child"
    DUPLICATE = "duplicate"
    TUNER = "tuner"  # opened a constant tuner instead of making a child
    INVALID = "invalid"  # the operator could not make an acceptable child; the reason says why
    FAILED = "failed"  # the operator itself broke (a model call that failed, say)
    LOST = "lost"  # open when the run was killed, and not safe to repeat


class BlockStatus(StrEnum):
    OK = "ok"
    VOID = "void"  # calibration drifted; repeated with the same seeds
    LOST = "lost"  # the infrastructure lost it; repeated with the same seeds
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Names one execution of a ticket.  A result that carries another attempt than the open one is logged only."""

    epoch: str
    ticket: int
    n: int = 1


@dataclass(frozen=True, slots=True)
class Arm:
    """What the bandit chooses between."""

    operator: str
    model: str = ""
    format: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A candidate's files as the journal stores them: zstd, base64, against ``base``'s files where that helps.

    ``depth`` counts the links to the nearest full text; ``n_bytes`` is the size of the files as UTF-8.
    """

    data: str
    base: str = ""
    depth: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Literal:
    """A number in a program that a tuner may move.

    ``path`` is the normalised AST path (``file::scope/statement/...``), which survives edits elsewhere in the file.
    ``kind`` is ``float`` or ``int``; ``scale`` is ``linear`` or ``log``; ``step`` is the initial step in the scale's unit
    (a difference when linear, a natural-log difference when log).  ``low`` and ``high`` are inclusive.
    """

    path: str
    value: float
    kind: str
    scale: str
    step: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program: what it is (``id`` is the hash of its files), where it came from, what is known without running it."""

    id: str
    code_hash: str  # canonical: equal for files that differ only in comments and spacing
    text: Text
    parents: tuple[str, ...] = ()
    generation: int = 0
    island: int = 0
    descriptors: Mapping[str, float] = field(default_factory=dict)  # static ones, from the syntax tree
    summary: str = ""  # what the operator did, for people and prompts
    hypothesis: str = ""
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A point drawn from a tuner: ``z`` are the standard normal draws, ``values`` the literals' new values, in the order of
    the tuner's literals."""

    tuner: int  # the ticket that opened it
    generation: int
    z: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One measurement of a block.  ``start`` of ``cold`` forbids a warm start; ``warm`` allows what the stage declares."""

    candidate: str
    stage: str
    seed: int
    start: Start = Start.COLD
    cpu_limit_s: float | None = None  # tightens the stage's own limit (frame cpu_budget)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a block must be given.  ``machine`` pins it to one machine; "" leaves the choice to the executor."""

    cpus: float = 1.0
    gpus: float = 0.0
    exclusive: bool = False
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A learning curve: ``y`` at each ``x``."""

    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    x_name: str = ""
    y_name: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one evaluation of one candidate at one stage with one seed gave.

    ``cpu_s`` is what the budget counts: the candidate's own process tree, measured from outside.  ``scorer_cpu_s`` is what
    evaluating it cost on top.  ``output_hash`` names the bytes the candidate produced, and ``probe_hash`` what it answered to a
    question that is the same for every seed: one that ignores its seed can be told by them.  ``artifacts`` are small blobs, base85
    of zstd.
    """

    candidate: str
    stage: str
    seed: int
    status: Status
    score: float | None = None
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    descriptors: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""
    curve: Curve | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)
    output_hash: str = ""
    probe_hash: str = ""
    start: Start = Start.COLD
    tier: str = ""
    machine: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    scorer_cpu_s: float = 0.0
    memory_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class AxisInfo:
    """A descriptor axis: ``bins`` equal cells over [low, high]; values outside are clipped."""

    name: str
    low: float
    high: float
    bins: int


@dataclass(frozen=True, slots=True)
class ProblemInfo:
    """What the search and the readers of a journal need to know of a problem."""

    id: str  # name@hash of the contract
    name: str
    evaluator: str  # hash over the contract, evaluator, statement, seed and assets
    metric: str
    maximize: bool
    unit: str
    noisy: bool
    frame: str
    stages: tuple[str, ...]
    axes: tuple[AxisInfo, ...] = ()
    params: Mapping[str, float | int | str | bool] = field(default_factory=dict)


# ------------------------------------------------------------------------------------------------ the records


@dataclass(frozen=True, slots=True)
class RunCreated:
    kind: ClassVar[str] = "run_created"
    run: str
    seed: int
    config: str  # the resolved configuration, as JSON text
    problems: tuple[ProblemInfo, ...]
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A driver took the run.  The epoch is random: results of an earlier driver cannot be mistaken for this one's."""

    kind: ClassVar[str] = "opened"
    epoch: str
    engine: str = ""
    state_hash: str = ""
    python: str = ""
    machine: str = ""
    tier: str = ""
    tier_hash: str = ""
    slots: int = 1
    pid: int = 0


@dataclass(frozen=True, slots=True)
class ProposeIssued:
    """A decision to make a child.  ``baseline`` is the score (higher is better) that the arm's reward is measured from."""

    kind: ClassVar[str] = "propose_issued"
    attempt: Attempt
    problem: str
    arm: Arm
    parents: tuple[str, ...]
    island: int = 0
    inspirations: tuple[str, ...] = ()
    propensity: float = 1.0
    baseline: float | None = None
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """How a propose ticket ended: with a child, a duplicate of ``duplicate_of``, an opened tuner (its literals), or nothing."""

    kind: ClassVar[str] = "proposed"
    attempt: Attempt
    problem: str
    status: ProposalStatus
    candidate: Candidate | None = None
    duplicate_of: str = ""
    literals: tuple[Literal, ...] = ()
    reason: str = ""
    cpu_s: float = 0.0
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class MeasureIssued:
    """A block: measurements in order on one lease of one machine."""

    kind: ClassVar[str] = "measure_issued"
    attempt: Attempt
    problem: str
    purpose: Purpose
    entries: tuple[Entry, ...]
    needs: Needs = Needs()


@dataclass(frozen=True, slots=True)
class Measured:
    """Entry ``index`` of the block ended."""

    kind: ClassVar[str] = "measured"
    attempt: Attempt
    problem: str
    index: int
    purpose: Purpose
    result: Measurement


@dataclass(frozen=True, slots=True)
class BlockClosed:
    """The block ended.  ``skipped`` are entries not run because their candidate had failed; ``lost`` is the entry that ran when the
    grader died."""

    kind: ClassVar[str] = "block_closed"
    attempt: Attempt
    problem: str
    status: BlockStatus
    skipped: tuple[int, ...] = ()
    drift: float | None = None
    reason: str = ""
    lost: int | None = None


@dataclass(frozen=True, slots=True)
class LateResult:
    """A result that no open attempt waits for: counted nowhere, kept for the reader."""

    kind: ClassVar[str] = "late_result"
    attempt: Attempt
    problem: str
    what: str


@dataclass(frozen=True, slots=True)
class Placed:
    """An archive changed: who stands at place ``rank`` of ``cell`` now ("" = nobody); a newcomer takes the place of whoever left.

    For readers; replay ignores it.
    """

    kind: ClassVar[str] = "placed"
    problem: str
    island: int
    space: int  # version of the descriptor space
    cell: int
    rank: int
    candidate: str
    mean: float | None = None
    sd: float | None = None


@dataclass(frozen=True, slots=True)
class Rebinned:
    """The descriptor space of an archive changed; every elite was placed anew."""

    kind: ClassVar[str] = "rebinned"
    problem: str
    space: int
    axes: tuple[AxisInfo, ...]


@dataclass(frozen=True, slots=True)
class Migrated:
    kind: ClassVar[str] = "migrated"
    problem: str
    candidate: str
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Champion:
    kind: ClassVar[str] = "champion"
    problem: str
    candidate: str
    predecessor: str
    e_value: float


@dataclass(frozen=True, slots=True)
class VaultOpened:
    """Sizes and seeds, durable before the first run."""

    kind: ClassVar[str] = "vault_opened"
    vault: int
    problem: str
    candidate: str
    reference: str
    milestone: int
    gate: tuple[int, int]
    estimate: tuple[int, int]
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    kind: ClassVar[str] = "claim"
    vault: int
    problem: str
    candidate: str
    reference: str
    confirmed: bool
    p_value: float
    effect: float
    ci_low: float
    ci_high: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retraction:
    kind: ClassVar[str] = "retraction"
    problem: str
    candidate: str
    why: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class CallReserved:
    kind: ClassVar[str] = "call_reserved"
    attempt: Attempt
    call: int
    provider: str
    model: str
    price: str
    worst_usd: float
    batch: str = ""


@dataclass(frozen=True, slots=True)
class CallSettled:
    kind: ClassVar[str] = "call_settled"
    attempt: Attempt
    call: int
    outcome: str
    usd: float
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    wall_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Requested:
    """A request from the inbox that was carried out (or refused); its id is never carried out again."""

    kind: ClassVar[str] = "requested"
    request: str
    verb: str
    body: str  # JSON text
    answer: str  # JSON text
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class BudgetSet:
    """The budget from here on.  ``None`` is no limit."""

    kind: ClassVar[str] = "budget_set"
    wall_s: float | None = None
    cpu_s: float | None = None
    evaluations: int | None = None
    candidates: int | None = None
    usd: float | None = None
    request: str = ""


@dataclass(frozen=True, slots=True)
class StopAsked:
    kind: ClassVar[str] = "stop_asked"
    reason: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    kind: ClassVar[str] = "note"
    text: str
    author: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a reader of the run wants to know and no decision rests on."""

    kind: ClassVar[str] = "event"
    level: str
    what: str
    text: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """The driver let go of the run in good order."""

    kind: ClassVar[str] = "closed"
    epoch: str
    status: str  # done | stopped | interrupted | degraded | failed
    reason: str = ""


Record = (
    RunCreated | Opened | ProposeIssued | Proposed | MeasureIssued | Measured | BlockClosed | LateResult | Placed | Rebinned
    | Migrated | Champion | VaultOpened | Claim | Retraction | CallReserved | CallSettled | Requested | BudgetSet | StopAsked
    | Note | Event | Closed
)  # fmt: skip

RECORD_TYPES: tuple[type[Record], ...] = (
    RunCreated, Opened, ProposeIssued, Proposed, MeasureIssued, Measured, BlockClosed, LateResult, Placed, Rebinned,
    Migrated, Champion, VaultOpened, Claim, Retraction, CallReserved, CallSettled, Requested, BudgetSet, StopAsked,
    Note, Event, Closed,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stamped:
    """A record in its place: ``seq`` counts from 0 without gaps, ``at`` is Unix time when it was written."""

    seq: int
    at: float
    record: Record
