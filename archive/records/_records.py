"""The journal's vocabulary: one frozen dataclass a record kind, and the list of statuses.

A record is a *decision* (a ticket, the parameters that were drawn, a seed) or an *observation* (a child, a measurement).
Everything else that a run knows - elites, posteriors, the bandit, the tuners - is derived from records by ``apply`` and is
never written as truth.  ``ElitePlaced`` is the one exception: it is written for readers and ignored by replay.

The kinds and the statuses are final: kinds that nothing writes yet (champions, vaults, claims, model calls) are fixed here so
that a journal written today can be read by the code that fills them.  A new field needs a default; a change of meaning needs a
new ``SCHEMA_VERSION`` and a migration.  One status came later, ``pruned``: older code refuses a journal that has it, as it does
one with a field that it does not know.

Scores in records carry the problem's own sign and unit; only the search turns them so that higher is better.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from archive.records._run_records import (
    BudgetSet,
    Event,
    HardwareSeen,
    NodesUnfit,
    Note,
    RequestHandled,
    RunClosed,
    RunCreated,
    RunOpened,
    SlotsChanged,
    StopRequested,
)
from archive.records._values import (
    Arm,
    Attempt,
    Axis,
    BlockEntry,
    BlockStatus,
    Candidate,
    Literal,
    Measurement,
    Migration,
    PackedText,
    ProposalStatus,
    Purpose,
    Resources,
    TunerSample,
)

SCHEMA_VERSION = 1
TRUSTED_DRIFT = 0.02  # of the reference work around a block, up to which its times may be compared with those of others


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
    sample: TunerSample | None = None
    expires_at: float | None = None  # Unix time, for tickets handed out to people and agents
    selector: str = ""  # how the parents were chosen, where a policy has several ways


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
    outcome: str = ""  # of a model's ticket without a child: its last call's, or its edits' fault
    similarity: float | None = None  # to the nearest known program, where that was looked at


@dataclass(frozen=True, slots=True)
class MeasureIssued:
    """A block: measurements in order on one lease of one machine."""

    kind: ClassVar[str] = "measure_issued"
    attempt: Attempt
    problem: str
    purpose: Purpose
    entries: tuple[BlockEntry, ...]
    needs: Resources = field(default_factory=Resources)


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
    grader died; ``drift`` is by how much the reference work changed from before the block to after it."""

    kind: ClassVar[str] = "block_closed"
    attempt: Attempt
    problem: str
    status: BlockStatus
    skipped: tuple[int, ...] = ()
    drift: float | None = None
    reason: str = ""
    lost: int | None = None

    @property
    def noisy_machine(self) -> bool:
        """Whether the machine changed its speed so much that the block's times prove nothing; its other results stand."""
        return self.drift is not None and self.drift > TRUSTED_DRIFT


@dataclass(frozen=True, slots=True)
class LateResult:
    """A result that no open attempt waits for: counted nowhere, kept for the reader."""

    kind: ClassVar[str] = "late_result"
    attempt: Attempt
    problem: str
    what: str


@dataclass(frozen=True, slots=True)
class ElitePlaced:
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
    """The descriptor space of an archive changed; every candidate was placed anew."""

    kind: ClassVar[str] = "rebinned"
    problem: str
    space: int
    axes: tuple[Axis, ...]
    why: str = ""
    returned: tuple[str, ...] = ()  # who held no place before and does since
    request: str = ""
    by_hand: tuple[str, ...] = ()  # axes that somebody gave a range, which ``search.rebin_share`` leaves alone from then on


@dataclass(frozen=True, slots=True)
class Migrated:
    """Copies of elites were sent to other islands."""

    kind: ClassVar[str] = "migrated"
    problem: str
    moves: tuple[Migration, ...]


@dataclass(frozen=True, slots=True)
class IslandsReset:
    """Everyone left these islands, which begin anew with copies of others."""

    kind: ClassVar[str] = "islands_reset"
    problem: str
    islands: tuple[int, ...]
    founders: tuple[Migration, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class ChampionChanged:
    kind: ClassVar[str] = "champion"
    problem: str
    candidate: str
    predecessor: str
    e_value: float


@dataclass(frozen=True, slots=True)
class ConfirmationOpened:
    """Sizes and seeds, durable before the first run."""

    kind: ClassVar[str] = "vault_opened"
    vault: int
    problem: str
    candidate: str
    reference: str
    milestone: int
    gate: tuple[int, int]
    estimate: tuple[int, int]
    seeds: tuple[int, ...]  # the candidate's, then those of the reference where this vault brings the bank
    bank: int = 0  # the vault whose reference runs this one uses
    paired: bool = False
    e_value: float = 0.0  # of the search's own runs, against the reference: what opened it
    over: str = ""  # why searching was over by then; "" while it went on


@dataclass(frozen=True, slots=True)
class Claim:
    """What a vault came to, in the problem's own sign.  The latest record of a vault counts: openings that follow may change it."""

    kind: ClassVar[str] = "claim"
    vault: int
    problem: str
    candidate: str
    reference: str
    confirmed: bool
    p_value: float | None  # of the test on fresh seeds; None where the vault ended before it (before: 1)
    effect: float | None = None  # candidate minus reference; None where the gate was not passed
    ci_low: float | None = None
    ci_high: float | None = None
    reason: str = ""
    e_value: float = 0.0  # what opened the vault
    wants: int = 0  # runs of the candidate in all, after which a claim that is withheld may hold
    median: float | None = None  # difference of the medians of the runs that the effect is from
    span_s: float | None = None  # from the end of the first to that of the last run of the vault: what it can speak for


@dataclass(frozen=True, slots=True)
class Retraction:
    kind: ClassVar[str] = "retraction"
    problem: str
    candidate: str
    why: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class ReviewIssued:
    """A decision to have the judge read a candidate."""

    kind: ClassVar[str] = "review_issued"
    attempt: Attempt
    problem: str
    candidate: str
    model: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What the judge said of a candidate; where it is ``cheating`` the ``Retraction`` stands before.  Without a verdict nothing was
    said, for the reason that is given, and a later driver asks again."""

    kind: ClassVar[str] = "reviewed"
    attempt: Attempt
    problem: str
    candidate: str
    verdict: str = ""  # honest | suspicious | cheating; none: what it said is no verdict, or the program cannot be shown whole
    line: str = ""  # of the program, as it was shown
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CallReserved:
    kind: ClassVar[str] = "call_reserved"
    attempt: Attempt
    call: int
    provider: str
    model: str
    price: str
    worst_usd: float
    batch: str = ""  # of older versions: the batch that the call went into, told in a second record of it
    worst_tokens: int = 0
    prompt: PackedText | None = None  # what is new in the conversation: of the first call everything


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
    reply: PackedText | None = None
    tokens_assumed: int = 0  # charged beside those in and out, which the server counted
    usd_assumed: float = 0.0  # the part of ``usd`` that rests on them
    rest_s: float = 0.0  # for so long the server asks to be left alone, where nobody waits for it


Record = (
    RunCreated | RunOpened | SlotsChanged | NodesUnfit | HardwareSeen
    | ProposeIssued | Proposed | MeasureIssued | Measured | BlockClosed
    | LateResult | ElitePlaced | Rebinned | Migrated | IslandsReset | ChampionChanged | ConfirmationOpened | Claim | Retraction
    | ReviewIssued | Reviewed | CallReserved | CallSettled | RequestHandled | BudgetSet | StopRequested | Note | Event | RunClosed
)  # fmt: skip

RECORD_TYPES: tuple[type[Record], ...] = (
    RunCreated, RunOpened, SlotsChanged, NodesUnfit, HardwareSeen,
    ProposeIssued, Proposed, MeasureIssued, Measured, BlockClosed, LateResult,
    ElitePlaced, Rebinned, Migrated, IslandsReset, ChampionChanged, ConfirmationOpened, Claim, Retraction,
    ReviewIssued, Reviewed, CallReserved, CallSettled, RequestHandled, BudgetSet, StopRequested, Note, Event, RunClosed,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A record in its place: ``seq`` counts from 0 without gaps, ``at`` is Unix time when it was written."""

    seq: int
    at: float
    record: Record
