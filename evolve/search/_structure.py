"""Descriptors of structure where a problem declares none: computed for all, used once a test says that they tell something.

Reads the search and changes nothing.
"""

from __future__ import annotations

from archive import Axis, Event, Rebinned
from evolve.config._schema import STRUCTURE, SearchConfig
from evolve.search._cells_differ import Bred, p_values
from evolve.search._rebinning import rebinning, spanned
from evolve.search._rng import generator
from evolve.search.state._state import ProblemState

# Out of evolve.propose.AST_DESCRIPTORS: how deep it nests, which form its work has, and how much of it is numbers.
NAMES = ("nesting", "loops", "branches", "calls", "arithmetic", "numbers")
TESTED = "structure_tested"  # of the event that says what came of a look
_FIRST = 128  # children before the first look; each further look waits for twice as many
_ALPHA = 0.01  # of a look, over all names together
_MOST_AXES, _BINS = 2, {1: 12, 2: 6}


def structure_names(config: SearchConfig) -> tuple[str, ...]:
    """The descriptors that are computed beside those of the problem."""
    return NAMES if config.descriptors == STRUCTURE else ()


def next_look(state: ProblemState) -> Rebinned | Event | None:
    """At 128, 256, 512, ... children: cells along what tells what children gain, or the event that nothing does."""
    population, looked_at = state.population, state.structure.looked_at
    if state.run.config.descriptors != STRUCTURE or population.ranges.axes or population.n_credited < max(_FIRST, 2 * looked_at):
        return None
    children = _children(state)
    found = p_values(children, NAMES, generator(state.run.seed, "structure", population.n_credited)) if children else {}
    least = sorted((p, name) for name, p in found.items())
    telling = [name for p, name in least if p * len(NAMES) <= _ALPHA][:_MOST_AXES]
    seen = f"{len(children)} children of {len({one.parent for one in children})} parents"
    if telling:
        p, axes = least[0][0], tuple(spanned(state, Axis(name, 0.0, 1.0, _BINS[len(telling)])) for name in telling)
        return rebinning(state, axes, f"{' and '.join(telling)} tell what children gain (p = {p:.3g}, {seen}): cells along them")
    most = f"least p = {least[0][0]:.3g}, " if least else "none varies enough, "
    text = f"no descriptor of structure tells what children gain ({most}{seen}): one cell"
    return Event("info", TESTED, text, state.problem)


def _children(state: ProblemState) -> list[Bred]:
    """Those of any one parent whose worth is known; the tuner's are all of one program."""
    population = state.population
    return [
        Bred(row.parents[0], before, population.candidates[row.parents[0]].descriptors, population.score(number))
        for number, row in enumerate(population.candidates)
        if row.credited and row.parents and row.tuner < 0 and (before := population.score(row.parents[0])) is not None
    ]
