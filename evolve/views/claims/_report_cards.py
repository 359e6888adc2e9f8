"""Report cards: what was claimed, against what, by which evidence.  Everything is read from the journal's records again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from archive import (
    TAME,
    BlockClosed,
    BlockStatus,
    Claim,
    ConfirmationOpened,
    LogEntry,
    Measured,
    MeasureIssued,
    Purpose,
    Record,
    Retraction,
    RunCreated,
    RunOpened,
    Status,
)
from evolve.confirm import Confirmation
from evolve.problem.contract._contract import Problem
from evolve.search.claims._claims import doubt
from evolve.search.state._state import ProblemState
from evolve.views._summary import FarOff, far_off
from evolve.views.claims._typical import TypicalEffect, typical_effect

APART_S = 3600.0  # between two runs: what a machine was at the first is likely over at the second
OPEN, CONFIRMED, REFUSED, WITHDRAWN, TAKEN_BACK = "open", "confirmed", "not confirmed", "withdrawn", "taken back"


@dataclass(frozen=True, slots=True)
class RulingMade:
    """What was ruled of a claim at a moment (Unix time), and why it was not confirmed ("" where it was)."""

    at: float
    confirmed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ReportCard:
    """One claim.  Effect and interval (95 %) are candidate minus reference, in the problem's own unit and sign, from runs that had
    no part in the decision; None where there were none.

    ``status`` is confirmed, not confirmed, taken back (confirmed once, and not any more), withdrawn (found to cheat later) or open
    (its vault has not come to its end); ``rulings`` are all that were made, the newest last.  ``e_value`` is that of the search's
    own runs when the vault was opened, ``p_value`` the gate's on fresh seeds (None: the vault ended before its test).
    ``runs`` counts the candidate's measurements by purpose, whoever they were made for.  ``suspect``: it descends from a retracted
    candidate, or was compared with one (``suspicion`` says which).  ``retries`` and ``voids`` count blocks with it that were lost,
    and those that drift made void.
    ``occasions`` counts the separate occasions on which the candidate was run with success (another opening of the run, or an hour
    without a run of it, begins a new one), ``over_s`` the time from the first of these runs to the last.
    ``bound`` stands instead of the effect where scores of its vault are so large that they count as something else.
    ``median`` is the difference of the medians of the runs that the effect is from; ``span_s`` the time from the end of the
    vault's first run to that of its last: what is slower than that, it cannot have seen.
    ``typical`` is the effect without runs that are far off, where some are.
    ``hardware`` is what its runs were made on, CPU and cards; () where nobody looked.
    """

    vault: int
    candidate: str
    reference: str
    status: str
    confirmed: bool
    effect: float | None
    ci_low: float | None
    ci_high: float | None
    e_value: float
    p_value: float | None
    gate: tuple[int, int]
    estimate: tuple[int, int]
    paired: bool
    milestone: int
    reason: str
    runs: Mapping[str, int]
    retries: int
    voids: int
    tiers: tuple[str, ...]
    machines: tuple[str, ...]
    suspect: bool = False
    suspicion: str = ""
    median: float | None = None
    span_s: float | None = None
    bound: str = ""
    occasions: int = 0
    over_s: float = 0.0
    rulings: tuple[RulingMade, ...] = ()
    typical: TypicalEffect | None = None
    hardware: tuple[str, ...] = ()


def bound_of(vault: Confirmation, sign: float) -> str:
    """What can be said of the effect where runs of a vault scored beyond what is compared ("" where none did)."""
    up = max(vault.candidate_scores.values(), default=0.0) >= TAME or min(vault.control_scores.values(), default=0.0) <= -TAME
    down = min(vault.candidate_scores.values(), default=0.0) <= -TAME or max(vault.control_scores.values(), default=0.0) >= TAME
    why = f"scores beyond {TAME:g} count as that"
    if up and not down and vault.effect is not None:
        return f"{sign * vault.effect.effect:+.4g} at least: {why}"
    return f"not known: {why}" if up or down else ""


@dataclass(frozen=True, slots=True)
class ReportCards:
    """All claims of a run, and what they have in common.

    ``expected_false`` bounds how many claims the gate's level lets through by chance, over all openings so far.
    ``caveat`` is what must stand beside every one: that the score is not computed by trusted code ("" where it is).
    ``far_off`` counts the run's measurements that are wild (None: none is); evidence and rulings count these too, with which the
    noise has the standard deviation ``noise_sd`` (None on a deterministic problem).
    ``depends_on_speed``: scores hang on how fast a machine is, so that a claim holds on the hardware of its card and no other.
    """

    problem: str
    evaluator: str
    engine: str
    metric: str
    unit: str
    frame: str
    candidates: int
    measurements: int
    openings: int
    expected_false: float
    cards: tuple[ReportCard, ...]
    caveat: str = ""
    far_off: FarOff | None = None
    noise_sd: float | None = None
    depends_on_speed: bool = False


@dataclass(slots=True)
class _Seen:
    """What the records say of one candidate."""

    runs: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    voids: int = 0
    tiers: set[str] = field(default_factory=set)
    machines: set[str] = field(default_factory=set)
    hardware: set[str] = field(default_factory=set)
    occasions: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    opening: int = 0

    def ran(self, at: float, opening: int) -> None:
        """A run with success, at this moment and in this opening of the run."""
        if not self.occasions:
            self.first_at = at
        self.occasions += not self.occasions or opening != self.opening or at - self.last_at > APART_S
        self.last_at, self.opening = max(at, self.last_at), opening


def report_cards(state: ProblemState, problem: Problem, records: Iterable[LogEntry]) -> ReportCards:
    """The cards of a search, whose journal gave ``records``."""
    opened: dict[int, ConfirmationOpened] = {}
    claimed: dict[int, Claim] = {}
    rulings: dict[int, list[RulingMade]] = {}
    seen: dict[str, _Seen] = {}
    engines: list[str] = []
    mine = (one for one in records if not state.others or getattr(one.record, "problem", "") in ("", state.problem))
    for at, record in _of_blocks(mine, seen):
        match record:
            case ConfirmationOpened():
                opened[record.vault] = record
            case Claim():
                claimed[record.vault] = record
                rulings.setdefault(record.vault, []).append(RulingMade(at, record.confirmed, record.reason))
            case Retraction():
                for one in opened.values():
                    if one.candidate == record.candidate and one.vault in rulings:
                        rulings[one.vault].append(RulingMade(at, False, f"retracted: {record.why}"))
            case RunCreated(engine=engine) | RunOpened(engine=engine) if engine and engine not in engines:
                engines.append(engine)
            case _:
                pass
    vaults = state.confirmations.confirmations
    cards = [
        replace(
            _card(one, claimed.get(number), seen.get(one.candidate, _Seen()), vaults[number], state.population.sign),
            rulings=tuple(made := rulings.get(number, [])),
            status=_status(vaults[number], made),
            suspect=bool(why := doubt(state, vaults[number])),
            suspicion=why,
            typical=typical_effect(state, vaults[number]),
            hardware=told_hardware(state, seen[one.candidate].hardware if one.candidate in seen else ()),
        )
        for number, one in opened.items()
    ]
    contract = problem.contract
    return ReportCards(
        problem=problem.id,
        evaluator=problem.evaluator,
        engine=", ".join(engines),
        metric=contract.metric,
        unit=contract.unit,
        frame=contract.compute_rule,
        candidates=state.usage.candidates,
        measurements=state.usage.measured,
        openings=len(opened),
        expected_false=state.confirmations.expected_false,
        cards=tuple(cards),
        caveat=contract.caveat,
        far_off=far_off(state),
        noise_sd=math.sqrt(state.population.noise) if contract.noisy else None,
        depends_on_speed=contract.depends_on_speed,
    )


def told_hardware(state: ProblemState, ids: Iterable[str]) -> tuple[str, ...]:
    """In words what measurements were made on; those of older versions do not tell."""
    return tuple(sorted(str(state.run.hardware.get(one, one)) for one in ids if one))


def _of_blocks(records: Iterable[LogEntry], seen: dict[str, _Seen]) -> Iterator[tuple[float, Record]]:
    """All records with their time, counting on the way what concerns each candidate."""
    blocks: dict[int, set[str]] = {}
    opening = 0
    for stamped in records:
        record = stamped.record
        if isinstance(record, MeasureIssued) and record.purpose is Purpose.VAULT:
            blocks[record.attempt.ticket] = {entry.candidate for entry in record.entries}
        elif isinstance(record, Measured):
            one = seen.setdefault(record.result.candidate, _Seen())
            one.runs[str(record.purpose)] += 1
            one.tiers.add(record.result.tier)
            one.machines.add(record.result.machine)
            one.hardware.add(record.result.hardware)
            if record.result.status is Status.OK:
                one.ran(stamped.at, opening)
        elif isinstance(record, RunOpened):
            opening += 1
        elif isinstance(record, BlockClosed) and record.status in (BlockStatus.LOST, BlockStatus.VOID):
            for candidate in blocks.get(record.attempt.ticket, ()):
                one = seen.setdefault(candidate, _Seen())
                one.retries += record.status is BlockStatus.LOST
                one.voids += record.status is BlockStatus.VOID
        yield stamped.at, record


def _status(vault: Confirmation, rulings: Sequence[RulingMade]) -> str:
    if vault.withdrawn:
        return WITHDRAWN
    if not rulings:
        return OPEN
    if rulings[-1].confirmed:
        return CONFIRMED
    return TAKEN_BACK if any(one.confirmed for one in rulings) else REFUSED


def _card(opened: ConfirmationOpened, claim: Claim | None, seen: _Seen, vault: Confirmation, sign: float) -> ReportCard:
    bound = bound_of(vault, sign)
    told = claim if not bound else None  # whose numbers are shown
    return ReportCard(
        vault=opened.vault,
        candidate=opened.candidate,
        reference=opened.reference,
        status=OPEN,
        confirmed=claim is not None and claim.confirmed and not vault.withdrawn,
        effect=told.effect if told else None,
        ci_low=told.ci_low if told else None,
        ci_high=told.ci_high if told else None,
        e_value=opened.e_value,
        p_value=vault.test_p if claim else None,
        gate=opened.gate,
        estimate=opened.estimate,
        paired=opened.paired,
        milestone=opened.milestone,
        reason=claim.reason if claim else "",
        runs=dict(sorted(seen.runs.items())),
        retries=seen.retries,
        voids=seen.voids,
        tiers=tuple(sorted(seen.tiers - {""})),
        machines=tuple(sorted(seen.machines - {""})),
        median=told.median if told else None,
        span_s=claim.span_s if claim else None,
        bound=bound,
        occasions=seen.occasions,
        over_s=seen.last_at - seen.first_at,
    )
