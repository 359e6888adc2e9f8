"""Descriptors that are computed where a problem declares none: used once a test says that they tell something.

Reads the search and changes nothing.
"""

from __future__ import annotations

import numpy as np

from archive import Axis, Event, Rebinned
from evolve.config._schema import BEHAVIOUR, STRUCTURE, SearchConfig
from evolve.search import _behaviour as behaviour
from evolve.search._cells_differ import Bred, p_values
from evolve.search._rebinning import rebinning, spanned
from evolve.search._rng import generator
from evolve.search.state._state import ProblemState

# Out of evolve.propose.AST_DESCRIPTORS: how deep it nests, which form its work has, and how much of it is numbers.
NAMES = ("nesting", "loops", "branches", "calls", "arithmetic", "numbers")
TESTED = {STRUCTURE: "structure_tested", BEHAVIOUR: "behaviour_tested"}  # of the event that says what came of a look
_FIRST = 128  # children before the first look; each further look waits for twice as many
_ALPHA = 0.01  # of a look, over all names together
_MOST_AXES, _BINS = 2, {1: 12, 2: 6}
_SCORE_ITSELF = 0.9  # rank correlation with the score, from which on a descriptor says the same


def computed_names(config: SearchConfig) -> tuple[str, ...]:
    """The descriptors that are computed from a program's text beside those of the problem."""
    return NAMES if config.descriptors == STRUCTURE else ()


def next_look(state: ProblemState) -> Rebinned | Event | None:
    """At 128, 256, 512, ... children: cells along what tells what children gain, or the event that nothing does."""
    population, looked_at, kind = state.population, state.computed.looked_at, state.run.config.descriptors
    if kind not in TESTED or population.ranges.axes or population.n_credited < max(_FIRST, 2 * looked_at):
        return None
    children, names = _children(state), NAMES if kind == STRUCTURE else _of_behaviour(state)
    found = p_values(children, names, generator(state.run.seed, kind, population.n_credited)) if children else {}
    least = sorted((p, name) for name, p in found.items())
    telling = [name for p, name in least if p * len(names) <= _ALPHA][:_MOST_AXES]
    seen = f"{len(children)} children of {len({one.parent for one in children})} parents"
    if telling:
        p, axes = least[0][0], tuple(spanned(state, Axis(name, 0.0, 1.0, _BINS[len(telling)])) for name in telling)
        return rebinning(state, axes, f"{' and '.join(telling)} tell what children gain (p = {p:.3g}, {seen}): cells along them")
    most = f"least p = {least[0][0]:.3g}, " if least else "none varies enough, "
    text = f"no descriptor of {kind} tells what children gain ({most}{seen}): one cell"
    return Event("info", TESTED[kind], text, state.problem)


def _children(state: ProblemState) -> list[Bred]:
    """Those of any one parent whose worth is known; the tuner's are all of one program."""
    population = state.population
    return [
        Bred(row.parents[0], before, population.candidates[row.parents[0]].descriptors, population.score(number))
        for number, row in enumerate(population.candidates)
        if row.credited and row.parents and row.tuner < 0 and (before := population.score(row.parents[0])) is not None
    ]


def _of_behaviour(state: ProblemState) -> list[str]:
    """The descriptors of behaviour that are not the score in other words."""
    population = state.population
    scored = [number for number in range(len(population.candidates)) if population.score(number) is not None]
    where = [population.candidates[number].descriptors for number in scored]
    metrics = sorted({name for each in where for name in each if name.startswith(behaviour.METRIC)})[: behaviour.MOST_METRICS]
    scores = _ranks([population.score(number) or 0.0 for number in scored])
    ranks = {name: _ranks([each.get(name, 0.0) for each in where]) for name in (*behaviour.NAMES, *metrics)}
    return [name for name, found in ranks.items() if abs(_correlation(found, scores)) < _SCORE_ITSELF]


def _ranks(values: list[float]) -> np.ndarray:
    """Ranks, equal ones sharing theirs."""
    _, place, times = np.unique(np.array(values), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(times) - (times - 1) / 2)[place])


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """0 where either does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0
