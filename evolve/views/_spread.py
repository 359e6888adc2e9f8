"""How far a population spreads: places held, lines of descent alive, how good the elites are."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from archive import Axis
from evolve.budget._cpu_budget import INITIAL
from evolve.search._rebinning import has_bins, is_divided
from evolve.search.state._population import Population


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a population spreads.

    ``elites`` hold places, in ``filled`` of ``cells`` of all ``islands`` (None where the archives have no descriptors, and
    ``filled`` is then the number of elites).  ``lines`` counts those they descend from, by first parents, among the children of
    the initial program; ``programs`` all that are known, none twice.  ``best`` and ``median`` are scores of elites, in the
    problem's own sign; None without any.  ``axes`` are the descriptors' ranges in force, none where there is one
    cell; ``binned``: cells are their bins, as in a grid.
    """

    elites: int
    filled: int
    cells: int | None
    lines: int
    programs: int
    best: float | None
    median: float | None
    islands: int = 1
    axes: tuple[Axis, ...] = ()
    binned: bool = False


class Lines:
    """Whom each candidate descends from, among the children of the initial program; a call costs what is new since the last."""

    def __init__(self) -> None:
        self._founder: list[int] = []

    def spread(self, population: Population) -> Spread:
        """The spread as it stands."""
        for number, row in enumerate(population.candidates[len(self._founder) :], len(self._founder)):
            first = row.parents[0] if row.parents else INITIAL
            self._founder.append(number if first == INITIAL else self._founder[first])
        elites = population.elites
        scores = [population.posterior_as_measured(number)[0] for number in elites]
        archives, flat = population.archives, not any(map(is_divided, population.archives))
        return Spread(
            elites=len(elites),
            filled=len(elites) if flat else sum(archive.cells.n_filled for archive in archives),
            cells=None if flat else sum(archive.n_cells for archive in archives),
            lines=len({self._founder[number] for number in elites} - {INITIAL}),
            programs=len(population.by_hash),
            best=population.sign * max(scores) if scores else None,
            median=population.sign * 2 * median([score / 2 for score in scores])
            if scores
            else None,  # halves, so that no sum of two overflows
            islands=len(archives),
            axes=() if flat else population.ranges.axes,
            binned=not flat and all(map(has_bins, archives)),
        )
