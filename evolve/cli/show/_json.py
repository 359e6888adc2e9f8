"""What ``--json`` prints: one frozen dataclass a verb, its first field ``schema``.

``run`` and ``resume`` print ``evolve.views._summary.Summary``.  Scores carry the problem's own sign; ``gain`` is over the seed
program, higher is better.  A field may be added; one that changes its meaning raises ``schema``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evolve.config._schema import RunConfig
from evolve.problem._contract import Budget
from evolve.views._lineage import LineageStep
from evolve.views._outlook import Outlook
from evolve.views._progress import OperatorShare
from evolve.views._report_cards import ReportCard, ReportCards
from evolve.views._summary import EvaluatorFaults, ModelUse, Noise
from evolve.views._unchecked import Unchecked
from evolve.views._verify import Verification

if TYPE_CHECKING:
    from evolve.validation._target import TargetTest  # it brings the executor


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """``evolve status``.  ``status`` is created (nobody has driven it yet), starting (a driver opens it), running, done, stopped,
    interrupted, degraded or failed; ``word`` says how well founded the best is: confirmed, champion or better so far; on a
    deterministic problem measured once, or within the noise that was found.
    ``gain`` is None where the difference is not to be called one.  ``set_aside`` counts measurements kept back for vaults.
    """

    schema: int
    run: str
    status: str
    reason: str
    problem: str
    metric: str
    goal: str
    unit: str
    noisy: bool
    tier: str
    seed_score: float | None
    best_score: float | None
    best_sd: float | None
    best_n: int
    best_id: str | None
    best_operator: str
    gain: float | None
    noise: Noise | None
    word: str
    champion_id: str | None
    claims: int
    openings: int
    set_aside: int
    candidates: int
    measurements: int
    failures: Mapping[str, int]
    filled: int
    cells: int | None
    operators: tuple[OperatorShare, ...]
    wall_s: float
    cpu_s: float
    budget: Budget
    models: ModelUse
    evaluator: EvaluatorFaults
    outlook: Outlook | None = None  # how long it goes on, what is in the queue, which command gives it more
    not_deterministic: str = ""
    beyond: str = ""
    unchecked: Unchecked | None = None  # better scores that wait to be given by a fresh process, and what to type
    caveat: str = ""  # what must stand beside every score


@dataclass(frozen=True, slots=True)
class MeasurementAnswer:
    """One measurement in ``evolve show``.  ``reason`` and ``feedback`` may be a candidate's words."""

    seq: int
    stage: str
    seed: int
    purpose: str
    status: str
    score: float | None
    start: str
    tier: str
    wall_s: float
    cpu_s: float
    scorer_cpu_s: float
    metrics: Mapping[str, float]
    reason: str
    feedback: str
    signals: tuple[str, ...] = ()  # what the program's text shows; decides nothing


@dataclass(frozen=True, slots=True)
class CandidateAnswer:
    """``evolve best`` and ``evolve show``.  ``cold``: measured in a process of its own, not only in a warm one."""

    schema: int
    run: str
    problem: str
    metric: str
    id: str
    status: str
    operator: str
    parents: tuple[str, ...]
    generation: int
    summary: str
    score: float | None
    sd: float | None
    n: int
    cold: bool
    seed_score: float | None
    gain: float | None
    verdict: str
    descriptors: Mapping[str, float]
    files: Mapping[str, str]
    measurements: tuple[MeasurementAnswer, ...] = ()
    hypothesis: str = ""  # of whoever made it, before it was measured; untrusted
    expected: str = ""
    plan: str = ""
    unchecked: Unchecked | None = None  # of the best: better scores that wait to be given by a fresh process
    caveat: str = ""  # what must stand beside every score


@dataclass(frozen=True, slots=True)
class LineageAnswer:
    """``evolve lineage``: oldest first."""

    schema: int
    run: str
    id: str
    steps: tuple[LineageStep, ...]


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """``evolve query``.  ``more``: there were further rows than the limit."""

    schema: int
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


@dataclass(frozen=True, slots=True)
class ExportAnswer:
    """``evolve export``."""

    schema: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopAnswer:
    """``evolve stop``.  ``answer`` is not_running, stopped, or draining when the wait was over first."""

    schema: int
    run: str
    answer: str


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """One check of ``evolve validate`` or ``evolve doctor``.  A hint that is not ok is advice and fails nothing."""

    name: str
    ok: bool
    found: str
    remedy: str
    hint: bool = False


@dataclass(frozen=True, slots=True)
class DoctorAnswer:
    """``evolve doctor``.  ``tier`` is the best one to be had here."""

    schema: int
    ok: bool
    tier: str
    checks: tuple[CheckAnswer, ...]


@dataclass(frozen=True, slots=True)
class ValidateAnswer:
    """``evolve validate``."""

    schema: int
    problem: str
    ok: bool
    checks: tuple[CheckAnswer, ...]
    seed_score: float | None
    noise_sd: float | None
    cost_s: float | None
    confirmed: bool | None = None  # None: no program was compared
    card: ReportCard | None = None
    claims: ReportCards | None = None
    exact: Verification | None = None
    race: TargetTest | None = None
    caveat: str = ""  # what must stand beside every score


@dataclass(frozen=True, slots=True)
class ClaimsAnswer:
    """``evolve claims``.  ``exact`` is for a deterministic problem: its best program, verified again."""

    schema: int
    run: str
    claims: ReportCards
    exact: Verification | None


@dataclass(frozen=True, slots=True)
class RetractAnswer:
    """``evolve retract``.  ``descendants`` came of the candidate; who holds a place, the title or a claim is measured again."""

    schema: int
    run: str
    candidate: str
    descendants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigAnswer:
    """``evolve config``: what ``evolve run`` with the same words would do."""

    schema: int
    config: RunConfig


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """A built-in problem in ``evolve list``."""

    name: str
    metric: str
    goal: str
    noisy: bool


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in ``evolve list``.  ``error`` says why one cannot be read."""

    run: str
    problem: str
    status: str
    best_score: float | None
    candidates: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """``evolve list``."""

    schema: int
    problems: tuple[ProblemLine, ...]
    runs: tuple[RunLine, ...]


@dataclass(frozen=True, slots=True)
class RedteamLine:
    """One program in ``evolve redteam``.  ``verdict`` is caught, MISSED or OTHER (a cheat caught otherwise than its problem says),
    accepted or REFUSED (an honest one)."""

    name: str
    source: str
    cheat: bool
    good: bool
    verdict: str
    by: str
    status: str
    score: float | None


@dataclass(frozen=True, slots=True)
class RedteamAnswer:
    """``evolve redteam``.  ``notes`` say what was not tried and why."""

    schema: int
    problem: str
    tier: str
    ok: bool
    programs: tuple[RedteamLine, ...]
    notes: tuple[str, ...]
