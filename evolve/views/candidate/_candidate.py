"""One candidate of a run: what it is, who made it, how it scored, and how it differs from another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import unified_diff

from archive import CallReserved, CallSettled, Measured, ReviewIssued
from evolve.views._progress import operator_of
from evolve.views._run_view import RunView
from evolve.views._summary import evidence_label, gain_from, gain_se, stated_gain
from evolve.views.candidate._score import score_of


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program of a run and what is known of it.

    ``files`` are its texts by relative path.  ``score`` and ``sd`` are in the problem's own sign and unit, over ``n`` measurements
    of the last stage (None and 0 without an ok one), beside which ``far_off`` more are wild and not in it; ``gain`` is over the
    initial program, higher is better, None where none is to be stated, ``gain_from`` what it is the difference of (``scores``,
    ``final runs``) and ``gain_se`` its standard error where final runs gave it; ``verdict`` says how well founded that is
    (``confirmed``, ``champion, unconfirmed``, ..., or "").  ``status`` is ``ok``, a failure, or ``not measured``; ``cold``:
    measured in a process of its own.  ``summary``, ``hypothesis``, ``expected``, ``plan`` are the words of whoever made it:
    untrusted, like the files; ``drift`` says how the change differs from them, "" where it does not plainly.

    Example:
        >>> print(run.best.score, run.best.operator, run.best.files["main.py"])
    """

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
    gain: float | None
    verdict: str
    descriptors: Mapping[str, float]
    files: Mapping[str, str] = field(repr=False)
    hypothesis: str = ""
    expected: str = ""
    plan: str = ""
    gain_se: float | None = None
    gain_from: str = ""
    far_off: int = 0
    drift: str = ""


def candidate(view: RunView, number: int) -> Candidate:
    """What is known of a candidate."""
    state = view.state
    population = state.population
    row = population.candidates[number]
    made = view.made(row.id)
    place = score_of(population, number) if population.score(number) is not None else None
    return Candidate(
        id=row.id,
        status=str(row.status or "not measured"),
        operator=operator_of(state, number),
        parents=tuple(population.candidates[parent].id for parent in row.parents),
        generation=row.generation,
        summary=made.summary,
        score=place.score if place else None,
        sd=place.sd if place else None,
        n=place.n if place else 0,
        cold=row.measured_cold,
        gain=stated_gain(state, number),
        verdict=evidence_label(state, number),
        descriptors=dict(row.descriptors),
        files=view.texts.files(row.id),
        hypothesis=made.hypothesis,
        expected=made.expected,
        plan=made.plan,
        drift=made.drift,
        gain_se=gain_se(state, number),
        gain_from=gain_from(state, number),
        far_off=place.far_off if place else 0,
    )


def elites(view: RunView) -> tuple[Candidate, ...]:
    """The candidates that hold a place in the archive, the best first."""
    population = view.state.population
    scored = [(population.posterior_as_measured(number)[0], number) for number in population.elites]
    return tuple(candidate(view, number) for _, number in sorted(scored, key=lambda one: (-one[0], one[1])))


def diff(view: RunView, before: int | None, after: int) -> str:
    """A unified diff of two candidates' files; ``before`` of None is nothing at all."""
    rows, texts = view.state.population.candidates, view.texts
    old = texts.files(rows[before].id) if before is not None else {}
    new = texts.files(rows[after].id)
    lines: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        a, b = (texts.get(path, "").splitlines(keepends=True) for texts in (old, new))
        for line in unified_diff(a, b, f"a/{path}" if path in old else "/dev/null", f"b/{path}" if path in new else "/dev/null"):
            lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def measured(view: RunView, id_: str) -> Iterator[tuple[int, Measured]]:
    """The records of a candidate's measurements with their numbers, oldest first."""
    for stamped in view.records(("measured",), id_):
        if isinstance(stamped.record, Measured) and stamped.record.result.candidate == id_:
            yield stamped.seq, stamped.record


def model_calls(view: RunView, number: int) -> Iterator[tuple[str, CallReserved | CallSettled]]:
    """What models were asked for a candidate and what they answered, call by call, retries and repairs too; and who was asked: ""
    is whoever made it."""
    row = view.state.population.candidates[number]
    tickets = {row.ticket: ""}
    for stamped in view.records(("review_issued", "call_reserved", "call_settled")):
        match stamped.record:
            case ReviewIssued(attempt=attempt, candidate=candidate) if candidate == row.id:
                tickets[attempt.ticket] = "judge"
            case CallReserved(attempt=attempt) | CallSettled(attempt=attempt) if attempt.ticket in tickets:
                yield tickets[attempt.ticket], stamped.record
