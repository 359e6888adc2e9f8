"""What ``--json`` prints of problems: validate, list, redteam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evolve.cli.show._text import Json, picked

if TYPE_CHECKING:
    from evolve.evaluate import Check
    from evolve.redteam._bench import RedteamReport
    from evolve.validation._target import TargetTest
    from evolve.views.claims._report_cards import ReportCard, ReportCards
    from evolve.views.claims._verify import Verification


@dataclass(frozen=True, slots=True)
class ValidateAnswer:
    """``evolve validate``."""

    problem: str
    ok: bool
    checks: tuple[Check, ...]
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
class ProblemLine:
    """A built-in problem in ``evolve list``."""

    name: str
    metric: str
    goal: str
    noisy: bool


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in ``evolve list``, of several problems a line each.  ``error`` says why one cannot be read."""

    run: str
    problem: str
    status: str
    best_score: float | None
    candidates: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """``evolve list``."""

    problems: tuple[ProblemLine, ...]
    runs: tuple[RunLine, ...]


def redteam_json(report: RedteamReport) -> Json:
    """``evolve redteam``: a line a program, without its text."""
    told = ("name", "source", "cheat", "good", "verdict", "by", "status", "score")
    programs = [picked(one, *told) for one in report.findings]
    return {**picked(report, "problem", "tier", "ok"), "programs": programs, "notes": report.notes}
