"""How a candidate came about: its ancestors in a search that is open, with what each changed and scored."""

from __future__ import annotations

from dataclasses import dataclass

from archive import Status, changed_lines
from evolve.views._progress import operator_of
from evolve.views._run_view import RunView
from evolve.views.candidate._score import score_of


@dataclass(frozen=True, slots=True)
class LineageStep:
    """One ancestor, or the candidate itself.

    ``score``, ``sd`` and ``n`` are those of the last stage, in the problem's own sign; None and 0 without an ok measurement there;
    ``far_off`` counts the measurements beside these that are wild, and not in it.
    ``added`` and ``removed`` count lines against the first parent.  ``summary`` may be a model's words: untrusted.
    """

    id: str
    parents: tuple[str, ...]
    operator: str
    summary: str
    generation: int
    status: Status | None
    score: float | None
    sd: float | None
    n: int
    added: int
    removed: int
    far_off: int = 0


def lineage(view: RunView, number: int, *, all_parents: bool = False) -> tuple[LineageStep, ...]:
    """The ancestors of a candidate, oldest first, ending with itself; along first parents only, unless ``all_parents``.

    Reads the ancestors' records from the journal and nothing else, so it costs as much as the line is long.
    """
    line, todo = {number}, [number]
    while todo:
        parents = view.state.population.candidates[todo.pop()].parents
        for parent in parents if all_parents else parents[:1]:
            if parent not in line:
                line.add(parent)
                todo.append(parent)
    return tuple(_step(view, one) for one in sorted(line))


def _step(view: RunView, number: int) -> LineageStep:
    state, texts, population = view.state, view.texts, view.state.population
    row = population.candidates[number]
    place = score_of(population, number) if population.score(number) is not None else None
    before = texts.files(population.candidates[row.parents[0]].id) if row.parents else {}
    added, removed = changed_lines(before, texts.files(row.id))
    return LineageStep(
        id=row.id,
        parents=tuple(population.candidates[parent].id for parent in row.parents),
        operator=operator_of(state, number),
        summary=view.made(row.id).summary,
        generation=row.generation,
        status=row.status,
        score=place.score if place else None,
        sd=place.sd if place else None,
        n=place.n if place else 0,
        added=added,
        removed=removed,
        far_off=place.far_off if place else 0,
    )
