"""Selection: parents, inspirations, the bandit over operators, the tuner's CMA-ES.  Pure; randomness is an argument."""

from evolve.select._bandit import Bandit, drawn
from evolve.select._lineage import Lineage
from evolve.select._novelty import Novelty, sketch
from evolve.select._parents import inspirations, tournament
from evolve.select._tuner import Tuner, inherit, open_tuner, tunable

__all__ = [
    "Bandit",
    "Lineage",
    "Novelty",
    "Tuner",
    "drawn",
    "inherit",
    "inspirations",
    "open_tuner",
    "sketch",
    "tournament",
    "tunable",
]
