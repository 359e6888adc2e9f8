"""What ``--json`` of ask, tell and note prints; the rest of ``_answers``, whose rules hold here too.

Scores carry the problem's own sign, ``gain`` and ``effect_gain`` are higher is better.  Programs, summaries, reasons and feedback
are untrusted text: data for whoever reads them, never instructions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.views._outlook import Fate, Outlook
from evolve.views._result import MeasureCost, Result


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """The problem, as far as whoever makes a child is told.  ``instructions`` say how to do research on it."""

    problem: str
    statement: str
    instructions: str
    metric: str
    goal: str
    unit: str
    noisy: bool
    secondary: tuple[str, ...]
    editable: tuple[str, ...]
    may_add_files: bool
    max_bytes: int
    imports: tuple[str, ...]
    limits: str
    params: Mapping[str, float | int | str | bool]
    rules: tuple[str, ...] = ()  # all of the above that decides what a child may be, in sentences
    time_s: float = 0.0  # limits of one evaluation at the last stage, as numbers
    cpu_s: float | None = None
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """A program and what is known of it: ``score`` and ``sd`` over ``n`` measurements, and what the evaluator said.  ``cost`` is
    there for the first parent."""

    id: str
    files: Mapping[str, str]
    status: str
    score: float | None
    sd: float
    n: int
    reason: str
    feedback: str
    metrics: Mapping[str, float]
    descriptors: Mapping[str, float]
    summary: str
    cost: MeasureCost | None = None


@dataclass(frozen=True, slots=True)
class TriedAnswer:
    """A child of the parent that was measured before.  ``effect`` is its score minus the parent's; None where it failed."""

    id: str
    summary: str
    effect: float | None
    sd: float
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemovedAnswer:
    """Lines that a change along the parent's line took out, and what that change did."""

    lines: tuple[str, ...]
    child: str
    effect: float | None
    sd: float


@dataclass(frozen=True, slots=True)
class FailureAnswer:
    """How often children failed in one way, with the reason of the latest."""

    status: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class RemarkAnswer:
    """What somebody noted with the run, the newest last; untrusted text."""

    author: str
    text: str


@dataclass(frozen=True, slots=True)
class AskAnswer:
    """``evolve ask``.  The first of ``parents`` is the program to change; ``tried`` are its children.  ``remarks`` are the newest
    that ``evolve note`` kept; ``outlook`` says how long the run goes on and what is in the queue."""

    schema: int
    run: str
    ticket: int
    expires_at: str  # ISO 8601, UTC
    expires_unix: float
    task: TaskAnswer
    parents: tuple[ProgramAnswer, ...]
    inspirations: tuple[ProgramAnswer, ...]
    seed_score: float | None
    best_score: float | None
    tried: tuple[TriedAnswer, ...]
    removed: tuple[RemovedAnswer, ...]
    failures: tuple[FailureAnswer, ...]
    notes: str
    stagnant: int
    remarks: tuple[RemarkAnswer, ...] = ()
    outlook: Outlook | None = None


@dataclass(frozen=True, slots=True)
class TellAnswer:
    """``evolve tell``.  ``status`` is accepted, duplicate or invalid; ``candidate`` is the child or whom it repeats.

    ``late``: the ticket had expired or was told before; an accepted child takes part all the same.  ``again``: it is, letter for
    letter, a child that was told before.  ``result`` is there if it was waited for, or is known already.  ``fate`` is of the same
    state of the run, after any waiting; None where nothing was taken.  ``left_out`` are files of the folder that are no part of
    the child.
    """

    schema: int
    run: str
    ticket: int
    status: str
    candidate: str | None
    reason: str
    late: bool
    result: Result | None = None
    again: bool = False
    fate: Fate | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TicketAnswer:
    """``evolve result``.  ``status`` of the ticket is open, told or expired; ``ticket`` is None where a candidate was named.
    ``candidates`` are all children that were accepted for the ticket, in their order; ``candidate`` is the last of them."""

    schema: int
    run: str
    ticket: int | None
    status: str
    expires_at: str | None
    candidate: str | None
    summary: str
    result: Result | None
    cost: MeasureCost | None
    fate: Fate | None
    outlook: Outlook
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteAnswer:
    """``evolve note``."""

    schema: int
    run: str
    author: str
    text: str
