"""What records are made of: statuses, purposes, candidates, measurements, tickets' parts.

The lists of statuses are final; see ``archive.records._records`` for the rules of change.  Scores carry the problem's own sign and
unit.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """How a measurement ended.  Only ``OK`` carries a score; a failure is never a number.

    Example:
        >>> result.status is Status.OK, str(Status.TIMEOUT)
    """

    OK = "ok"
    INVALID = "invalid"  # does not parse, misses the entry point, or returned something of another form than declared
    CHECKS_FAILED = "checks_failed"  # ran, and its output is wrong
    TIMEOUT = "timeout"
    CRASH = "crash"  # died: exception, signal, memory limit
    OVER_BUDGET = "over_budget"
    PRUNED = "pruned"  # ended early: its learning curve said that it would be worse than what there is
    REJECTED = "rejected"  # broke a rule of the problem; the reason says which
    EVALUATOR_ERROR = "evaluator_error"  # the evaluator's own fault, never the candidate's


class Purpose(StrEnum):
    """Why a block of measurements was issued.  A candidate never learns it."""

    INITIAL = "seed"
    SEARCH = "search"
    REMEASURE = "remeasure"
    RECHECK = "recheck"  # a warm result, measured again cold
    FINAL = "final"
    REFERENCE = "reference"
    CONFIRM = "confirm"
    VAULT = "vault"
    PANEL = "panel"  # the same few programs at several moments: whether they score as before


class StartMode(StrEnum):
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
class PackedText:
    """Files or another long text as the journal stores them: zstd, base64, against the files of ``base`` where that helps.

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
    text: PackedText
    parents: tuple[str, ...] = ()
    generation: int = 0
    island: int = 0
    descriptors: Mapping[str, float] = field(default_factory=dict)  # static ones, from the syntax tree
    summary: str = ""  # what the operator did, for people and prompts
    hypothesis: str = ""
    plan: str = ""
    expected: str = ""  # the effect that whoever made it expected, in its own words
    drift: str = ""  # how the change differs from what whoever made it said of it; "" where it does not
    sketch: str = ""  # where it stands in an embedding, base85; for novelty
    touched: tuple[str, ...] = ()  # which parts of its parent it changes, where the problem has learning curves


@dataclass(frozen=True, slots=True)
class TunerSample:
    """A point drawn from a tuner: ``z`` are the standard normal draws, ``values`` the literals' new values, in the order of
    the tuner's literals."""

    tuner: int  # the ticket that opened it
    generation: int
    z: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A learning curve: ``y`` at each ``x``, in rising order."""

    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    x_name: str = ""
    y_name: str = ""

    def lately(self, x: float) -> float:
        """How it stood at ``x``: the mean over its later half up to there, which scatters less than one point; NaN where it has
        no point there."""
        there = self.y[bisect_right(self.x, x / 2) : bisect_right(self.x, x)]
        return sum(there) / len(there) if there else math.nan


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """One measurement of a block.  ``start`` of ``cold`` forbids a warm start; ``warm`` allows what the stage declares.

    ``bars`` say how bad its learning curve may be at each share of the run; where it is worse the measurement is pruned.  One that
    is ``audited`` is made to its end all the same, which tells how often the bars are wrong.
    """

    candidate: str
    stage: str
    seed: int
    start: StartMode = StartMode.COLD
    cpu_limit_s: float | None = None  # tightens the stage's own limit (compute_rule: cpu_budget)
    bars: Curve | None = None
    audited: bool = False


@dataclass(frozen=True, slots=True)
class Resources:
    """What a block must be given.  ``machine`` pins it to one machine; "" leaves the choice to the executor.

    ``elsewhere`` asks for another slot than the one that measured its first candidate last, where there is one.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    exclusive: bool = False
    machine: str = ""
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Hardware:
    """A class of machines that are alike in what speed hangs on: the model of their CPU and, where something was measured on GPUs,
    these cards, their driver and the clocks (MHz, of their cores and of their memory) that it had set.

    Example:
        >>> print(Hardware("AMD EPYC 9R14", "NVIDIA H200", "575.57.08", "1980/3201"))
        AMD EPYC 9R14, NVIDIA H200 (driver 575.57.08, clocks 1980/3201 MHz)
    """

    cpu: str = ""
    card: str = ""
    driver: str = ""
    clocks: str = ""

    @property
    def id(self) -> str:
        """What stands for it in measurements."""
        return hashlib.blake2b("\0".join(astuple(self)).encode(), digest_size=4).hexdigest()

    def __str__(self) -> str:
        told = [f"driver {self.driver}"] * bool(self.driver) + [f"clocks {self.clocks} MHz"] * bool(self.clocks)
        card = f", {self.card}" + (f" ({', '.join(told)})" if told else "") if self.card else ""
        return f"{self.cpu or 'an unknown CPU'}{card}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one evaluation of one candidate at one stage with one seed gave.

    ``cpu_s`` is what the budget counts: the candidate's own process tree, measured from outside.  ``scorer_cpu_s`` is what
    evaluating it cost on top.  ``output_hash`` names the bytes the candidate produced, and ``probe_hash`` what it answered to a
    question that is the same for every seed: one that ignores its seed can be told by them.  ``artifacts`` are small blobs, base85
    of zstd.  ``signals`` name what the candidate's text shows, and that strangers computed on its GPU; they decide nothing.
    ``hardware`` is the id of the hardware that it was made on, which a ``HardwareSeen`` spells out; "" where nobody looked.
    ``evaluator`` is the hash of the evaluator that graded it; "" where none did.  Times are seconds, memory is MiB, the score is in
    the problem's own sign and unit.

    Example:
        >>> for result in evolve.measure("circle_packing", seeds=[1, 2]):
        ...     print(result.status, result.score, result.reason, f"{result.wall_s:.2f} s")
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
    start: StartMode = StartMode.COLD
    tier: str = ""
    machine: str = ""
    hardware: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    scorer_cpu_s: float = 0.0
    memory_mib: float = 0.0
    signals: tuple[str, ...] = ()
    evaluator: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """A descriptor axis: ``bins`` equal cells over [low, high]; values outside are clipped."""

    name: str
    low: float
    high: float
    bins: int


@dataclass(frozen=True, slots=True)
class Migration:
    """A copy of a candidate is sent from one island to another."""

    candidate: str
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class ProblemInfo:
    """What the search and the readers of a journal need to know of a problem."""

    id: str  # name@hash of the contract
    name: str
    evaluator: str  # hash over the contract, evaluator, statement, initial program and assets
    metric: str
    maximize: bool
    unit: str
    noisy: bool
    frame: str
    stages: tuple[str, ...]
    axes: tuple[Axis, ...] = ()
    params: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    recorded: str = ""  # everything else that reading and driving the run need of the problem, as JSON text
