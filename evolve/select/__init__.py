"""Selection: parents, inspirations, the bandit over operators, the tuner's CMA-ES.  Pure; randomness is an argument."""

from evolve.select._bandit import ArmState, Bandit
from evolve.select._cmaes import CmaState
from evolve.select._parents import inspirations, tournament
from evolve.select._tuner import Tuner, inherit, open_tuner

__all__ = ["ArmState", "Bandit", "CmaState", "Tuner", "inherit", "inspirations", "open_tuner", "tournament"]
