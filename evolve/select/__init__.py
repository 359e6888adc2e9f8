"""Selection: parents, inspirations, the bandit over operators, the tuner's CMA-ES.  Pure; randomness is an argument."""

from evolve.select._bandit import Bandit
from evolve.select._parents import inspirations, tournament

__all__ = ["Bandit", "inspirations", "tournament"]
